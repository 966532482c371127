"""What is to be recorded in this room and when, as the recorder keeps it; and whether it was.

Pure: bytes in, frozen values or a `ScheduleError` out. Made from a calendar by `edge.calendar_file`, in
another process: the recorder itself reads only this strict and bounded form. Times are UTC.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

VERSION = 1
MOST_HEARINGS = 500
BYTES_LIMIT = 262_144
TITLE_LIMIT = 200
LATEST_MS = 1 << 45
MINUTE_MS = 60_000
_BRACKETS = str.maketrans("〔〕[]【】", "()()()")
_CASE_NUMBER = re.compile(r"\((?:19|20)\d{2}\)[^()]{1,40}?号", re.ASCII)


class ScheduleError(Exception):
    """It is no schedule; one line for a person, Chinese first."""

    def __init__(self, words_zh: str, words_en: str) -> None:
        super().__init__(words_en)
        self.words_zh = words_zh
        self.words_en = words_en


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """One appointment of the room. `end_ms` equals `begin_ms` where the calendar does not say how long it lasts."""

    begin_ms: int
    end_ms: int
    title: str


def to_bytes(hearings: tuple[Hearing, ...]) -> bytes:
    """The form that `parse` reads."""
    rows = [[one.begin_ms, one.end_ms, one.title] for one in hearings]
    return json.dumps({"v": VERSION, "hearings": rows}, ensure_ascii=False).encode()


def parse(content: bytes) -> tuple[Hearing, ...]:
    """The hearings, in the order of their beginnings. Raises ScheduleError."""
    if len(content) > BYTES_LIMIT:
        raise ScheduleError(f"日程超过 {BYTES_LIMIT} 字节", f"a schedule has at most {BYTES_LIMIT} bytes")
    try:
        said = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _bad() from error
    rows = said.get("hearings") if isinstance(said, dict) and said.get("v") == VERSION else None
    if not isinstance(rows, list) or len(said) != len(("v", "hearings")):
        raise _bad()
    if len(rows) > MOST_HEARINGS:
        raise ScheduleError(f"日程多于 {MOST_HEARINGS} 场", f"a schedule has at most {MOST_HEARINGS} hearings")
    return tuple(sorted((_hearing(row) for row in rows), key=lambda one: (one.begin_ms, one.title)))


def _hearing(row: Any) -> Hearing:
    match row:
        case [begin_ms, end_ms, str(title)] if type(begin_ms) is int and type(end_ms) is int:
            if 0 <= begin_ms <= end_ms < LATEST_MS and is_title(title):
                return Hearing(begin_ms=begin_ms, end_ms=end_ms, title=title)
    raise _bad()


def is_title(text: str) -> bool:
    """One line of visible characters: nothing in it acts upon a terminal or turns the direction of what follows."""
    return 0 < len(text) <= TITLE_LIMIT and text.isprintable() and text == text.strip()


def _bad() -> ScheduleError:
    return ScheduleError("内容不是日程", "this is no schedule")


def case_numbers(text: str) -> frozenset[str]:
    """The case numbers in a text, 〔2026〕…号, written one way whatever brackets, digits and blanks it has."""
    plain = "".join(unicodedata.normalize("NFKC", text).translate(_BRACKETS).split())
    return frozenset(_CASE_NUMBER.findall(plain))


def is_of_another_case(title: str, case: str) -> bool:
    """Whether both name case numbers and none is the same; where one names none, nothing is known against it."""
    scheduled, recorded = case_numbers(title), case_numbers(case)
    return bool(scheduled and recorded) and not scheduled & recorded


def due_ms(hearing: Hearing, grace_minutes: int) -> int:
    """From when on it can be said that it was not recorded."""
    return hearing.begin_ms + grace_minutes * MINUTE_MS
