"""Every field in which two profiles differ, each with what both documents say and where.

Pure. Rows of two lists belong together where both print the same title, for their numbers say nothing of each other;
the others are told as standing on one side alone. Articles are whole texts: the fields made of them are compared, not
their wording.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edge.profiles.schema import Column, Device, Item, Limit, Procedure, Profile, Template
from edge.profiles.words import FIELD_WORDS, PART_WORDS, WORDS

NONE = "（未规定）"
_APART = frozenset({"name", "title", "title_en", "digest", "items", "articles", "notes", "templates", "origin"})
_SILENT = frozenset({"source", "id", "covers", "cause"})
_OF_TEMPLATES = frozenset({"procedure", "source", "covers"})
_OF_ITEMS = frozenset({"no", "title", "source", "notes", "list_kind", "fixed_room_reason"})
_OF_THE_LIST = {"columns": "清单表头", "class_legend": "填表说明"}
_OF_ORIGIN = ("document", "issuer", "number", "effective_from", "superseded_by")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one profile has, and the row or article it comes from."""

    words: str
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field in which they differ: its path in the file, its name for a person, and both sides."""

    path: str
    words_zh: str
    left: Side
    right: Side


def differences(left: Profile, right: Profile) -> Iterator[Difference]:
    """Every difference, in the order of the schema. Nothing where both say the same."""
    yield from _compared("", _origin(left), _origin(right))
    yield from _compared("", _rules(left), _rules(right))
    for procedure in Procedure:
        yield from _templates(procedure, left.template(procedure), right.template(procedure))
    yield from _items(left, right)


def words_of(value: Any) -> str:
    """A value of a profile in one line; what is nothing but where it comes from is left out."""
    match value:
        case None | "" | () | False:
            return NONE
        case tuple():
            return "；".join(words_of(one) for one in value)
        case enum.Enum():
            return WORDS[value]
        case _ if dataclasses.is_dataclass(value):
            return _words_of_table(value)
        case _:
            return "是" if value is True else str(value)


def _words_of_table(value: Any) -> str:
    match value:
        case Column():
            return value.heading
        case Device():
            return f"{value.word}（{WORDS[value.kind]}）"
        case Limit():
            before = "之前" if value.before else "起"
            return f"{value.words}（{WORDS[value.trigger]}{before} {value.amount} {WORDS[value.unit]}）"
        case _:
            names = [field.name for field in dataclasses.fields(value) if field.name not in _SILENT]
            return "，".join(words for name in names if (words := _named_words(name, getattr(value, name))) != NONE)


def _named_words(name: str, value: Any) -> str:
    """A number or a yes says nothing without its name; a no is left out."""
    if type(value) is bool:
        return PART_WORDS[name] if value else NONE
    return f"{PART_WORDS[name]} {value}" if type(value) is int else words_of(value)


def _compared(at: str, left: Mapping[str, Side], right: Mapping[str, Side]) -> Iterator[Difference]:
    for name, ours in left.items():
        if ours.words != right[name].words:
            path = f"{at}.{name}" if at else name
            words = "记录场所" if at and name == "place" else FIELD_WORDS[name]
            yield Difference(path=path, words_zh=words, left=ours, right=right[name])


def _origin(profile: Profile) -> dict[str, Side]:
    return {name: Side(words=words_of(getattr(profile.origin, name)), source="文首") for name in _OF_ORIGIN}


def _rules(profile: Profile) -> dict[str, Side]:
    names = [field.name for field in dataclasses.fields(Profile) if field.name not in _APART]
    values = {name: getattr(profile, name) for name in names}
    return {
        name: Side(words=words_of(value), source=_source(value) or _OF_THE_LIST.get(name, ""))
        for name, value in values.items()
    }


def _source(value: Any) -> str:
    if isinstance(value, tuple):
        return "、".join(dict.fromkeys(filter(None, map(_source, value))))
    source: str = getattr(value, "source", "")
    return source


def _templates(procedure: Procedure, left: Template | None, right: Template | None) -> Iterator[Difference]:
    """Of a procedure that only one document knows, that it does; else each field in which they differ."""
    at = f"templates.{procedure.value}"
    if left is None or right is None:
        if left is not right:
            yield Difference(path=at, words_zh=procedure.words_zh, left=_known(left), right=_known(right))
        return
    for difference in _compared(at, _fields(left, _OF_TEMPLATES), _fields(right, _OF_TEMPLATES)):
        yield dataclasses.replace(difference, words_zh=f"{procedure.words_zh}：{difference.words_zh}")


def _known(template: Template | None) -> Side:
    return Side(words=NONE) if template is None else Side(words="有", source=template.source)


def _fields(value: Template | Item, apart: frozenset[str]) -> dict[str, Side]:
    names = [field.name for field in dataclasses.fields(value) if field.name not in apart]
    return {name: Side(words=words_of(getattr(value, name)), source=value.source) for name in names}


def _items(left: Profile, right: Profile) -> Iterator[Difference]:
    ours, theirs = _by_title(left), _by_title(right)
    shared = [title for title in ours if title in theirs]
    for title in shared:
        for difference in _compared(
            f"items.{title}", _fields(ours[title], _OF_ITEMS), _fields(theirs[title], _OF_ITEMS)
        ):
            yield dataclasses.replace(difference, words_zh=f"“{title}”：{difference.words_zh}")
    alone = [_titles(profile, shared) for profile in (left, right)]
    if alone[0].words != alone[1].words:
        yield Difference(path="items", words_zh="只在一方的事项", left=alone[0], right=alone[1])


def _titles(profile: Profile, shared: list[str]) -> Side:
    alone = [one for one in profile.items if one.title not in shared]
    words = "；".join(f"{one.no} {one.title}" for one in alone) or NONE
    return Side(words=words, source="、".join(one.source for one in alone))


def _by_title(profile: Profile) -> dict[str, Item]:
    """Those whose title stands once in its list: of two of the same title nobody can say which is which."""
    titles = [item.title for item in profile.items]
    return {item.title: item for item in profile.items if titles.count(item.title) == 1}
