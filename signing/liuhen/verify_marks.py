"""Marks a reader must be told of, and where in the media each can be heard (FORMAT.md 5.4; step J11). Pure.

A mark is written while its segment grows, so its place in the file is known when the segment is stated.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from liuhen.entry import Entry
from liuhen.kinds import Commitments, Instant, Mark
from liuhen.registry import MarkCode

MOST_MARKS = 1000
"""Of one session; more are counted."""
NS_PER_MS = 1_000_000
TOLD = frozenset(
    {
        MarkCode.SPOKEN_EXPLANATION,
        MarkCode.RECESS,
        MarkCode.SITTING_RESUMED,
        MarkCode.NOTICE_GIVEN,
        MarkCode.CONSENT,
        MarkCode.PROMPT_PLAYED,
    }
)


@dataclass(slots=True, kw_only=True)
class MarkSummary:
    """One mark: its claimed UTC, and segment and milliseconds in it, None where no media was recorded then."""

    entry: int
    code: int
    at: Instant
    utc_ms: int
    sample_index: int | None
    refers_to: int | None
    records: Commitments
    segment: int | None = None
    offset_ms: int | None = None


def mark_of(entry: Entry, body: Mark) -> MarkSummary:
    """What is told of a believed mark."""
    utc_ms, boottime_ns, boot, _, _ = entry.common.clock
    return MarkSummary(
        entry=entry.common.seq,
        code=body.code,
        at=(boot, body.boottime_ns),
        utc_ms=utc_ms + (body.boottime_ns - boottime_ns) // NS_PER_MS,
        sample_index=body.sample_index,
        refers_to=body.refers_to,
        records=body.records,
    )


@dataclass(slots=True, kw_only=True)
class Marks:
    """The marks of one session in their order; some wait for the segment they stand in."""

    told: list[MarkSummary] = field(default_factory=list)
    not_told: int = 0
    _pending: list[MarkSummary] = field(default_factory=list)

    def add(self, mark: MarkSummary) -> None:
        """The next mark of the session."""
        if mark.code not in TOLD:
            return
        if len(self.told) < MOST_MARKS:
            self.told.append(mark)
        else:
            self.not_told += 1
        if len(self._pending) < MOST_MARKS:
            self._pending.append(mark)

    def place(self, number: int, since: Instant, until: Instant) -> None:
        """The media of this segment reach from here to there; marks before it stand in no media."""
        waiting = []
        for mark in self._pending:
            if mark.at[0] != since[0] or mark.at[1] < since[1]:
                continue
            if mark.at[1] > until[1]:
                waiting.append(mark)
                continue
            mark.segment, mark.offset_ms = number, (mark.at[1] - since[1]) // NS_PER_MS
        self._pending = waiting
