"""By when a session must be in the designated store, and what has to be said on the way there.

Pure: no clock, no file, no calendar of its own. Every doubt makes the deadline earlier, never later: the device's clock
error is taken off both ends, and a day of which no calendar is known counts as a working day.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from edge.settings_store import Deadline
from liuhen.registry import EventCode, MissedCause

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
MOST_DAYS = 20_000
"""A calendar that never works is not asked for ever."""

IsWorkingDay = Callable[[date], bool | None]
"""None: no calendar is known for this day."""


class Unit(enum.Enum):
    """How a term is counted."""

    HOURS = "hours"
    DAYS = "days"
    WORKING_DAYS = "working_days"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How long there is, and at which percentages of it somebody is told. Days are those of the local wall clock."""

    amount: int
    unit: Unit
    levels: tuple[int, ...]
    utc_offset_minutes: int

    @classmethod
    def of(cls, settings: Deadline, utc_offset_minutes: int) -> Rule | None:
        """The rule of a configuration; None where none says."""
        if settings.amount == 0:
            return None
        return cls(
            amount=settings.amount,
            unit=Unit(settings.unit),
            levels=settings.levels,
            utc_offset_minutes=utc_offset_minutes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """From when to when. `due_ms` is the first moment that is too late; `unknown_years` had no calendar."""

    began_ms: int
    due_ms: int
    unknown_years: tuple[int, ...] = ()

    def percent_used(self, now_ms: int) -> int:
        """How much of it is over, from 0; more than 100 once it is missed."""
        return max(0, (now_ms - self.began_ms) * 100 // max(1, self.due_ms - self.began_ms))


def term_of(rule: Rule, trigger_ms: int, error_ms: int, is_working_day: IsWorkingDay) -> Term:
    """The term that a trigger opens. The clock may have been late by its error: it is counted from so much earlier.

    Hours run from the minute of the trigger. Of days the first is not counted, and the last one counts to its end.
    """
    began_ms = (trigger_ms - error_ms) // MINUTE_MS * MINUTE_MS
    if rule.unit is Unit.HOURS:
        return Term(began_ms=began_ms, due_ms=began_ms + rule.amount * HOUR_MS)
    offset_ms = rule.utc_offset_minutes * MINUTE_MS
    day = datetime.fromtimestamp((began_ms + offset_ms) / 1000, tz=UTC).date()
    left, unknown = rule.amount, set[int]()
    for _ in range(MOST_DAYS):
        if left == 0:
            break
        day += timedelta(days=1)
        working = True if rule.unit is Unit.DAYS else is_working_day(day)
        if working is None:
            unknown.add(day.year)
        left -= working is not False
    end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    due_ms = int(end.timestamp()) * 1000 - offset_ms
    return Term(began_ms=began_ms, due_ms=due_ms, unknown_years=tuple(sorted(unknown)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the journal holds already about one session's deadline."""

    level: int = 0
    forecast: bool = False
    missed: bool = False
    met: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far storing has come. `stored`: everything of the session is in the designated store, retention read back.

    `backlog_bytes` is what waits before it and with it, `bytes_per_second` what was measured (0: nothing was).
    """

    stored: bool
    bytes_left: int
    backlog_bytes: int
    bytes_per_second: int
    cause: MissedCause


Say = tuple[EventCode, tuple[int, ...]]


def judge(rule: Rule, term: Term, now: tuple[int, int], progress: Progress, told: Told) -> tuple[Say, ...]:
    """What has to be said now, each once in a session's life. `now` is the device's UTC and its error, in ms."""
    latest_ms = now[0] + now[1]
    minutes_left = (term.due_ms - latest_ms) // MINUTE_MS
    if told.met:
        return ()
    if progress.stored:
        return ((EventCode.DEADLINE_MET, (minutes_left,)),)
    if latest_ms >= term.due_ms:
        return () if told.missed else ((EventCode.DEADLINE_MISSED, (progress.cause, progress.bytes_left)),)
    said: list[Say] = []
    reached = [level for level in rule.levels if level <= term.percent_used(latest_ms)]
    if reached and reached[-1] > told.level:
        said.append((EventCode.DEADLINE_NEAR, (reached[-1], minutes_left)))
    short = minutes_short(progress, minutes_left)
    if short > 0 and not told.forecast:
        said.append((EventCode.DEADLINE_FORECAST, (short,)))
    return tuple(said)


def minutes_short(progress: Progress, minutes_left: int) -> int:
    """How many minutes are missing at the measured rate; 0 where it will do, or nothing was measured."""
    if progress.bytes_per_second <= 0 or progress.backlog_bytes <= 0:
        return 0
    needed = -(-progress.backlog_bytes // (progress.bytes_per_second * 60))
    return max(0, needed - minutes_left)


def missed_cause(*, designated: bool, silent: bool, trouble: EventCode | None, sending: bool) -> MissedCause:
    """Why it was missed, as far as the device knows: what stands in the way first, then speed."""
    if not designated:
        return MissedCause.NO_DESIGNATED_STORE
    if silent:
        return MissedCause.OFFLOAD_SILENT
    if trouble is not None and trouble in _CAUSES:
        return _CAUSES[trouble]
    return MissedCause.TOO_SLOW if sending else MissedCause.UNKNOWN


_CAUSES: Mapping[EventCode, MissedCause] = {
    EventCode.STORE_UNREACHABLE: MissedCause.STORE_UNREACHABLE,
    EventCode.STORE_REFUSES: MissedCause.STORE_REFUSES,
    EventCode.STORE_UNTRUSTED: MissedCause.STORE_UNTRUSTED,
    EventCode.STORE_FULL: MissedCause.STORE_FULL,
    EventCode.STORE_RETENTION_SHORT: MissedCause.RETENTION_SHORT,
    EventCode.LOCAL_DIFFERS: MissedCause.LOCAL_DIFFERS,
}
