"""Marks a reader must be told of, and where in the media each can be heard (FORMAT.md 5.4; step J11). Pure.

A mark of this moment waits for the segment that grows. One that is written later than its moment, as an explanation is
when it has been said, may lie in a segment that is stated already; so the newest spans of media are remembered.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from liuhen.entry import Entry
from liuhen.kinds import Commitments, Instant, Mark
from liuhen.registry import MarkCode

MOST_MARKS = 1000
"""Of one session; more are counted."""
MOST_SPANS = 256
"""So many segments before a mark are remembered: an explanation lasts two minutes, a segment half of one."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Media:
    """The media of one segment reach from here to there, within one boot."""

    number: int
    since: Instant
    until: Instant

    def holds(self, mark: MarkSummary) -> bool:
        """Whether the mark lies in it."""
        return mark.at[0] == self.since[0] and self.since[1] <= mark.at[1] <= self.until[1]

    def place(self, mark: MarkSummary) -> None:
        """Say where it lies."""
        mark.segment, mark.offset_ms = self.number, (mark.at[1] - self.since[1]) // NS_PER_MS


@dataclass(slots=True, kw_only=True)
class Marks:
    """The marks of one session in their order; some wait for the segment they stand in."""

    told: list[MarkSummary] = field(default_factory=list)
    not_told: int = 0
    _pending: list[MarkSummary] = field(default_factory=list)
    _media: deque[_Media] = field(default_factory=lambda: deque(maxlen=MOST_SPANS))

    def add(self, mark: MarkSummary) -> None:
        """The next mark of the session."""
        if mark.code not in TOLD:
            return
        if len(self.told) < MOST_MARKS:
            self.told.append(mark)
        else:
            self.not_told += 1
        # At the very end of a segment, what is to be heard follows in the next one.
        stated = next((media for media in reversed(self._media) if media.holds(mark) and mark.at < media.until), None)
        if stated is not None:
            stated.place(mark)
        elif len(self._pending) < MOST_MARKS:
            self._pending.append(mark)

    def place(self, number: int, since: Instant, until: Instant) -> None:
        """The media of this segment reach from here to there; waiting marks before it stand in no media."""
        media, waiting = _Media(number=number, since=since, until=until), []
        self._media.append(media)
        for mark in self._pending:
            if media.holds(mark):
                media.place(mark)
            elif mark.at[0] == since[0] and mark.at[1] > until[1]:
                waiting.append(mark)
        self._pending = waiting

    def close(self) -> None:
        """The session has ended: what was only needed to place its marks is forgotten."""
        self._pending.clear()
        self._media.clear()
