"""Every command the README names is one of the program's, with the options it names; and none is left out."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_help import PARSERS

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
TOP = PARSERS["liuhen"]


def named(text: str) -> Iterator[str]:
    """Each command line in code of a text; one without the program's name goes on with `liuhen`."""
    for span in re.findall(r"`([^`\n]+)`", text):
        words = span.replace("\\|", "|")
        if words.startswith("liuhen"):
            yield words
        elif words.split()[0] in choices(TOP):
            yield f"liuhen {words}"
    for line in re.findall(r"^ {4}(liuhen.*)$", text, re.MULTILINE):
        yield line.partition("  #")[0].partition(" > ")[0].strip()


def choices(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands below a parser."""
    below = [one.choices for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    return {name: parsers[name] for parsers in below for name in parsers}


def parsers_of(line: str) -> list[argparse.ArgumentParser]:
    """What a command line names, `a|b` being two. Raises LookupError where there is none."""
    words = line.split()
    if words[0] == "liuhen-verify":
        return [PARSERS["liuhen-verify"]]
    if words[:2] == ["liuhen", "sim"]:
        return [PARSERS["liuhen sim"]]
    found = [TOP]
    for word in words[1:]:
        if not any(choices(one) for one in found) or not re.fullmatch(r"[a-z|,-]+", word) or word.startswith("-"):
            break
        below = [choices(one).get(part) for one in found for part in word.strip(",").split("|")]
        if None in below:
            raise LookupError(f"{line}: no command {word}")
        found = [one for one in below if one is not None]
    return found


def wrong_options(line: str) -> set[str]:
    """The options a command line names that none of its commands has."""
    known = {option for parser in parsers_of(line) for action in parser._actions for option in action.option_strings}
    return {option for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", line) if option not in known}


LINES = sorted(set(named(README)))


def test_the_readme_names_commands() -> None:
    assert len(LINES) > 40


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_readme_is_one_with_these_options(line: str) -> None:
    assert wrong_options(line) == set()


def test_no_command_is_left_out() -> None:
    told = {word for line in LINES for word in re.split(r"[\s|,]+", line)}
    assert set(choices(TOP)) <= told


def test_a_command_or_option_that_is_none_is_found() -> None:
    """The negative control."""
    assert wrong_options("liuhen run --backwards") == {"--backwards"}
    with pytest.raises(LookupError):
        parsers_of("liuhen ctl pause")
