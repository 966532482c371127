"""A command line that speaks Chinese first: headings, help in the width of a terminal, and one line for what is wrong.

The parser of every command of Liuhen and of the verifier; a program says in `refuse` how it ends. Lines are broken by
the columns they take, where argparse counts a Chinese character as one, and a list of commands stands once, each with
its words, instead of as one long brace.
"""

from __future__ import annotations

import argparse
import re
import unicodedata
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, NoReturn

from liuhen.usage_words import usage_words

USAGE = "用法 usage: "
LONGEST_BRACE = 24
HELP = "显示本说明 / show this help"
_PIECE = re.compile(r"\s+|[（“《]*(?:[\u2e80-\uffef]|[^\s\u2e80-\uffef]+)[，。；：、！？）”》]*")
"""What a line is not broken within: a Chinese character or a word, with the brackets and stops that go with it."""


def columns_of(text: str) -> int:
    """How many columns of a terminal a text takes: an East Asian wide character two, any other one."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def wrapped(text: str, columns: int) -> list[str]:
    """The text in lines of at most so many columns; a single word that is longer stands alone."""
    lines, line = [], ""
    for piece in _PIECE.findall(" ".join(text.split())):
        if line.strip() and columns_of(line) + columns_of(piece.rstrip()) > columns:
            lines.append(line.rstrip())
            line = piece.lstrip()
        else:
            line += piece
    return [*lines, line.rstrip()]


def _is_long(action: argparse.Action) -> bool:
    """Whether its choices stand in its help, one by one, because as a brace they would fill the usage."""
    choices = None if isinstance(action, argparse._SubParsersAction) else action.choices  # noqa: SLF001 - no public name
    return choices is not None and len(",".join(map(str, choices))) > LONGEST_BRACE


class BilingualHelp(argparse.HelpFormatter):
    """Help whose lines fit where Chinese is wide."""

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[Any],
        prefix: str | None = None,
    ) -> None:
        """The usage, under its Chinese heading."""
        super().add_usage(usage, actions, groups, USAGE if prefix is None else prefix)

    def _metavar_formatter(self, action: argparse.Action, default_metavar: str) -> Any:
        if _is_long(action) and action.metavar is None:
            return lambda count: (default_metavar,) * count
        return super()._metavar_formatter(action, default_metavar)

    def _expand_help(self, action: argparse.Action) -> str:
        words = super()._expand_help(action)
        return f"{words}：{' '.join(map(str, action.choices or ()))}" if _is_long(action) else words

    def _format_action(self, action: argparse.Action) -> str:
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - it has no public name
            return "".join(self._format_action(command) for command in action._get_subactions())  # noqa: SLF001 - nor this
        return super()._format_action(action)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrapped(text, width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in wrapped(text, width - len(indent)))


class BilingualParser(argparse.ArgumentParser):
    """Headings, help and complaints in Chinese with English beside; its subcommands' parsers are of the same class."""

    def __init__(self, *, add_help: bool = True, **given: Any) -> None:
        """As `argparse.ArgumentParser`."""
        given.setdefault("formatter_class", BilingualHelp)
        super().__init__(add_help=False, **given)
        self._positionals.title = "参数 arguments"
        self._optionals.title = "选项 options"
        if add_help:
            self.add_argument("-h", "--help", action="help", default=argparse.SUPPRESS, help=HELP)

    def add_subparsers(self, **given: Any) -> Any:
        """Commands below this one stand in a section of their own, not as a brace in the usage."""
        given.setdefault("title", "命令 commands")
        given.setdefault("metavar", given.get("dest"))
        return super().add_subparsers(**given)

    def error(self, message: str) -> NoReturn:
        """Say in one line what is wrong with the command line, and where its words stand. Ends the command."""
        self.refuse(*usage_words(message))

    @abstractmethod
    def refuse(self, zh: str, en: str) -> NoReturn:
        """How this program ends on a wrong command line."""
