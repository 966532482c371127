"""What the recorder is told of the store as an event: once when it begins, once more after an hour, and its end. Pure.

A line that breaks for a moment is no event: only what lasts is told as unreachable, and only what was told is back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edge.offload.budget import NS_PER_SECOND
from edge.offload.retry import Alarm, Line
from edge.store import FaultClass
from liuhen.registry import EventCode

LASTS_NS = 60 * NS_PER_SECOND
AGAIN_NS = 3600 * NS_PER_SECOND
CODES: dict[Alarm, EventCode] = {
    Alarm.DENIED: EventCode.STORE_REFUSES,
    Alarm.REFUSED: EventCode.STORE_REFUSES,
    Alarm.UNTRUSTED: EventCode.STORE_UNTRUSTED,
    Alarm.FULL: EventCode.STORE_FULL,
    Alarm.CLOCK: EventCode.STORE_CLOCK_OFF,
    Alarm.VANISHED: EventCode.STORE_DIFFERS,
    Alarm.RETENTION_SHORT: EventCode.STORE_RETENTION_SHORT,
    Alarm.LOCAL_DIFFERS: EventCode.LOCAL_DIFFERS,
}
SILENT_CODES: dict[FaultClass, EventCode] = {
    FaultClass.DENIED: EventCode.STORE_REFUSES,
    FaultClass.ABSENT: EventCode.STORE_REFUSES,
    FaultClass.REFUSED: EventCode.STORE_REFUSES,
    FaultClass.UNTRUSTED: EventCode.STORE_UNTRUSTED,
    FaultClass.FULL: EventCode.STORE_FULL,
    FaultClass.CLOCK: EventCode.STORE_CLOCK_OFF,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One event for the recorder."""

    code: EventCode
    measured: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What has been told and when; `open_ns` is since when the line is open, `silent` whether that was told."""

    at_ns: Mapping[EventCode, int] = field(default_factory=dict)
    open_ns: int | None = None
    silent: bool = False


def alarmed(told: Told, news: News, at_ns: int) -> tuple[Told, tuple[News, ...]]:
    """An alarm: told now unless the same was told within the hour."""
    before = told.at_ns.get(news.code)
    if before is not None and at_ns - before < AGAIN_NS:
        return told, ()
    return replace(told, at_ns={**told.at_ns, news.code: at_ns}), (news,)


def watched(told: Told, line: Line, reason: int, at_ns: int) -> tuple[Told, tuple[News, ...]]:
    """A look at the line; `reason` is the status or errno of its newest fault."""
    if line.closed:
        if told.open_ns is None:
            return told, ()
        seconds = (at_ns - told.open_ns) // NS_PER_SECOND
        back = News(code=EventCode.STORE_BACK, measured=(seconds,))
        # What comes again after the store was back is news again.
        return Told(), (back,) if told.silent or told.at_ns else ()
    since = at_ns if told.open_ns is None else told.open_ns
    told = replace(told, open_ns=since)
    if told.silent or at_ns - since < LASTS_NS or line.fault in SILENT_CODES:
        return told, ()
    return replace(told, silent=True), (News(code=EventCode.STORE_UNREACHABLE, measured=(reason,)),)


def unreachable_code(line: Line) -> EventCode | None:
    """Why nothing goes now, None while the store answers."""
    if line.closed or line.fault is None:
        return None
    return SILENT_CODES.get(line.fault, EventCode.STORE_UNREACHABLE)
