"""What an inspection asks for of the last months: checks, maintenance, faults, gaps, refused starts, duties.

Pure over journal entries (Jiaozuo Art. 16, 20(2)). Times are the device's UTC as each entry claims it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from liuhen.entry import Entry
from liuhen.kinds import Check, Duty, EntryBody, Event, Gap, Maintenance, Refusal
from liuhen.registry import (
    EVENTS,
    CheckCode,
    CheckItem,
    CheckOutcome,
    DutyAct,
    DutyCode,
    GapCause,
    RefusalCode,
    Severity,
)

MS_PER_DAY = 86_400_000
_CHECKS = {
    CheckCode.BEFORE_RECORDING: ("录前检查", "check before recording"),
    CheckCode.DAILY: ("每日自检", "daily check"),
    CheckCode.STORE: ("存储自检", "check of the store"),
}
_BAD = {
    CheckOutcome.BLOCKING: ("不能录制", "BLOCKING"),
    CheckOutcome.WARNING: ("注意", "warning"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry: its number, its UTC in ms, what sort it is, and its words."""

    seq: int
    utc_ms: int
    kind: str
    words: str


def history(entries: Iterable[Entry], *, since_ms: int) -> Iterator[Line]:
    """The entries since then that belong to it, in the order of the journal."""
    for one in entries:
        words = _words(one.body) if one.common.clock[0] >= since_ms else None
        if words is not None:
            yield Line(seq=one.common.seq, utc_ms=one.common.clock[0], kind=one.kind, words=words)


def _words(body: EntryBody | None) -> str | None:
    match body:
        case Check(code=code, rows=rows):
            zh, en = next((_CHECKS[one] for one in _CHECKS if one == code), ("检查", "check"))
            return f"{zh} {en}：" + (_found(rows) or "正常 well")
        case Maintenance():
            return "维护 maintenance"
        case Gap(cause=cause):
            known = next((one for one in GapCause if one == cause), GapCause.OTHER)
            return f"中止 gap：{known.words_zh} {known.words_en}"
        case Refusal(code=code):
            return "拒绝 refused：" + next(
                (f"{one.words_zh} {one.words_en}" for one in RefusalCode if one == code), f"代码 code {code}"
            )
        case Duty():
            return _owed(body)
        case _:
            return _fault(body)


def _owed(duty: Duty) -> str:
    zh, en = ("已履行", "discharged") if duty.act == DutyAct.DISCHARGED else ("产生", "opened")
    known = next((one.words_zh for one in DutyCode if one == duty.code), str(duty.code))
    return f"义务{zh} duty {en}：{known}（关于第 {duty.refers_to} 条）"


def _fault(body: EntryBody | None) -> str | None:
    code = body.code if isinstance(body, Event) else None
    meaning = next((EVENTS[one] for one in EVENTS if one == code), None)
    if meaning is None or meaning.severity is not Severity.FAULT:
        return None
    return f"故障 fault：{meaning.words_zh} {meaning.words_en}"


def _found(rows: Iterable[tuple[int, int, int]]) -> str:
    names = {int(item): f"{item.words_zh} {item.words_en}" for item in CheckItem}
    words = {int(outcome): f"（{zh} {en}）" for outcome, (zh, en) in _BAD.items()}
    return "、".join(names.get(item, str(item)) + words[outcome] for item, outcome, _ in rows if outcome in words)
