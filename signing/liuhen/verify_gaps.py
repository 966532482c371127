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
    """How much of the time from `since` to `until` no gap covers; None where no gap leads from one boot to the next.

    Time between two boots is on no clock; only the parts inside the boots are measured.
    """
    left, place, uncovered = list(gaps), since, 0
    while place[0] != until[0]:
        crossing = [gap for gap in left if _leaves(gap, place[0])]
        if not crossing:
            return None
        gap = min(crossing, key=_begin_ns)
        left.remove(gap)
        uncovered += _uncovered_in_boot(place, _begin_ns(gap), gaps)
        if gap.until is None:
            return uncovered
        place = gap.until
    return uncovered + _uncovered_in_boot(place, until[1], gaps)


def _leaves(gap: GapSummary, boot: bytes) -> bool:
    begins = gap.since is not None and gap.since[0] == boot
    return begins and (gap.until is None or gap.until[0] != boot)


def _begin_ns(gap: GapSummary) -> int:
    return 0 if gap.since is None else gap.since[1]


def _uncovered_in_boot(since: Instant, until_ns: int, gaps: list[GapSummary]) -> int:
    boot, reached = since
    uncovered = 0
    for start, end in sorted(span for gap in gaps if (span := _within(gap, boot, reached, until_ns)) is not None):
        uncovered += max(0, start - reached)
        reached = max(reached, end)
    return uncovered + max(0, until_ns - reached)


def _within(gap: GapSummary, boot: bytes, since_ns: int, until_ns: int) -> tuple[int, int] | None:
    """The part of a gap inside an interval of one boot; an open end reaches to the interval's end."""
    if gap.since is None:
        return None
    begins, ends = gap.since[0] == boot, gap.until is not None and gap.until[0] == boot
    if not begins and not ends and gap.until is not None:
        return None
    start = min(max(gap.since[1], since_ns), until_ns) if begins else since_ns
    end = min(gap.until[1], until_ns) if ends and gap.until is not None else until_ns
    return start, max(start, end)
