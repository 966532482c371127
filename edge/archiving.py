"""By when a case file is to be archived, and what has to be said on the way there.

Pure. A person says on which day enforcement ended, or execution; which of the two the term runs from, and how it is
counted, is the jurisdiction's rule (Jiaozuo Art. 14: 30 working days; Nong'an Art. 27: 30 days, a special law first).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from edge.deadlines import IsWorkingDay, Rule, Term, term_of
from edge.profiles.schema import Trigger
from liuhen.registry import CaseStage, EventCode

DAY_MS = 86_400_000
MINUTE_MS = 60_000
EPOCH = date(1970, 1, 1)
STAGE_OF = {
    Trigger.ENFORCEMENT_ENDED: CaseStage.ENFORCEMENT_ENDED,
    Trigger.EXECUTION_ENDED: CaseStage.EXECUTION_ENDED,
}
"""Which stage of a case starts the term that a rule counts from this trigger."""

Say = tuple[EventCode, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the journal holds already about one archiving term."""

    level: int = 0
    missed: bool = False
    met: bool = False


def day_number(day: date) -> int:
    """A day as a `case` entry holds it: counted from 1970-01-01."""
    return (day - EPOCH).days


def archive_term(
    rule: Rule, began_day: int, special_due_day: int | None, is_working_day: IsWorkingDay = lambda _day: None
) -> Term:
    """The term that a day opens: the rule's own, or up to the end of the day that a special law sets."""
    offset_ms = rule.utc_offset_minutes * MINUTE_MS
    began_ms = began_day * DAY_MS - offset_ms
    if special_due_day is None:
        return term_of(rule, began_ms, 0, is_working_day)
    return Term(began_ms=began_ms, due_ms=(special_due_day + 1) * DAY_MS - offset_ms)


def judge(rule: Rule, term: Term, now: tuple[int, int], archived_day: int | None, told: Told) -> tuple[Say, ...]:
    """What has to be said now, each once. `now` is the device's UTC and its error, in ms.

    What was archived late stays missed: being archived after all takes nothing back.
    """
    if told.met or (told.missed and archived_day is not None):
        return ()
    if archived_day is not None:
        end_ms = (archived_day + 1) * DAY_MS - rule.utc_offset_minutes * MINUTE_MS
        if end_ms <= term.due_ms:
            return ((EventCode.ARCHIVE_MET, ((term.due_ms - end_ms) // DAY_MS,)),)
        return ((EventCode.ARCHIVE_MISSED, ((end_ms - term.due_ms) // DAY_MS,)),)
    latest_ms = now[0] + now[1]
    if latest_ms >= term.due_ms:
        return () if told.missed else ((EventCode.ARCHIVE_MISSED, ((latest_ms - term.due_ms) // DAY_MS,)),)
    reached = [level for level in rule.levels if level <= term.percent_used(latest_ms)]
    if reached and reached[-1] > told.level:
        return ((EventCode.ARCHIVE_NEAR, (reached[-1], (term.due_ms - latest_ms) // DAY_MS)),)
    return ()
