"""The help of every command: Chinese headings, words for every option, and lines that fit a terminal of 80 columns."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

from edge.__main__ import _parser as device_parser
from liuhen.cli import _parser as verifier_parser
from liuhen.command_line import BilingualParser, columns_of, wrapped
from sim.__main__ import _parser as room_parser

COLUMNS = 80


def every_parser(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and all below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from every_parser(below)


PARSERS = {one.prog: one for root in (device_parser(), room_parser(), verifier_parser()) for one in every_parser(root)}


def is_bilingual(text: str) -> bool:
    return any("\u4e00" <= one <= "\u9fff" for one in text) and any(one.isascii() and one.isalpha() for one in text)


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))


def test_there_are_commands_with_help() -> None:
    assert len(PARSERS) > 60
    assert {"liuhen ctl statement", "liuhen sim", "liuhen-verify", "liuhen keys trust"} <= PARSERS.keys()
    assert all(isinstance(one, BilingualParser) for one in PARSERS.values())


@pytest.mark.parametrize("name", PARSERS)
def test_a_help_is_chinese_first_and_fits(name: str) -> None:
    lines = PARSERS[name].format_help().splitlines()
    assert lines[0].startswith("用法 usage: ")
    assert not [line for line in lines if line in ("usage:", "options:", "positional arguments:")]
    headings = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert all(is_bilingual(line) for line in headings)
    usage = lines.index("")  # argparse breaks no group of options in it, as (--a | --b)
    wide = [line for line in lines[usage:] if columns_of(line) > COLUMNS]
    assert wide == []


@pytest.mark.parametrize("name", PARSERS)
def test_every_word_of_a_command_is_explained_in_both_languages(name: str) -> None:
    wordless = [
        "/".join(action.option_strings) or action.dest
        for action in PARSERS[name]._actions
        if action.help != argparse.SUPPRESS
        and not isinstance(action, argparse._SubParsersAction)
        and not is_bilingual(action.help or "")
    ]
    assert wordless == []


def test_a_line_is_broken_by_columns_and_never_before_a_stop() -> None:
    lines = wrapped("录制听证室，须经批准。 record the room, if permitted", 14)
    assert lines == ["录制听证室，须", "经批准。", "record the", "room, if", "permitted"]
    assert max(map(columns_of, lines)) <= 14


def test_what_argparse_breaks_itself_does_not_fit() -> None:
    """The negative control: its own formatter counts a Chinese character as one column."""
    plain = argparse.ArgumentParser(prog="x", description="录" * 70)
    assert max(columns_of(line) for line in plain.format_help().splitlines()) > COLUMNS
