"""Interruptions of a session, and how much of an interval they cover (FORMAT.md 5.4; step S10). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from liuhen.kinds import Instant


@dataclass(slots=True, kw_only=True)
class GapSummary:
    """One interruption; times are the device's claim of UTC in milliseconds, None where it is not known."""

    entry: int
    stream: int | None
    cause: int | None
    since: Instant | None
    until: Instant | None = None
    from_utc_ms: int | None = None
    to_utc_ms: int | None = None
    length_ns: tuple[int, int] | None = None
    closed: bool = False
    explained: bool = False


def uncovered_ns(since: Instant, until: Instant, gaps: list[GapSummary]) -> int | None:
    """How much of the time from `since` to `until` no gap covers; None for all of an interval across boots."""
    if since[0] != until[0]:
        return 0 if any(_reaches(gap, since, until) for gap in gaps) else None
    spans = sorted(_clip(gap, since, until) for gap in gaps if gap.since is not None)
    reached, uncovered = since[1], 0
    for start, end in spans:
        uncovered += max(0, start - reached)
        reached = max(reached, end)
    return uncovered + max(0, until[1] - reached)


def _reaches(gap: GapSummary, since: Instant, until: Instant) -> bool:
    begins = gap.since is not None and gap.since[0] == since[0]
    return begins and (gap.until is None or gap.until[0] == until[0])


def _clip(gap: GapSummary, since: Instant, until: Instant) -> tuple[int, int]:
    """The part of a gap inside an interval of one boot; an open end reaches to the interval's end."""
    start = gap.since[1] if gap.since is not None and gap.since[0] == since[0] else since[1]
    end = gap.until[1] if gap.until is not None and gap.until[0] == until[0] else until[1]
    start = min(max(start, since[1]), until[1])
    return start, max(start, min(end, until[1]))
