"""Whether recorded time and gaps add up to the session (FORMAT.md 10, step S10). Pure.

Within one boot everything is on BOOTTIME and must agree but for 250 ms at each seam; across boots the gaps' bounds and
the clocks' errors widen it. What does not add up and no gap covers is what S10 finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from liuhen.kinds import NO_UPPER_BOUND_NS, Clock, Instant
from liuhen.registry import Stream
from liuhen.verify_gaps import FOREVER_NS, GapSummary

NS_PER_MS = 1_000_000
SEAM_NS = 250 * NS_PER_MS
BOTH_STREAMS = 2
_FOLLOWS_REFERENCE = (2, 3)
Bounds = tuple[int, int]
MediaSpan = tuple[Instant, Instant]
"""From here to there, within one boot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Nanoseconds; pairs are bounds, None where nobody knows. `edges` lie before the first and after the last media.

    session = edges + recorded + gaps + rest; `rest` is what is left, `allowed` what the seams may account for. The
    session reaches from its first entry, or from media captured while that entry was being written, to its last.
    """

    session: Bounds | None
    recorded: int
    gaps: Bounds | None
    edges: int
    rest: Bounds | None
    allowed: int

    @property
    def agrees(self) -> bool | None:
        """Whether nothing is left but what is allowed; None where it cannot be told."""
        return None if self.rest is None else self.rest[0] <= self.allowed and self.rest[1] >= -self.allowed


def totals(
    opened: Clock,
    closed: Clock,
    *,
    gaps: Sequence[GapSummary],
    spans: Sequence[MediaSpan],
    alone: int | None = None,
) -> Totals:
    """Of one session: its first and last clock, its gaps, and where there is media, ascending and without overlap.

    `alone` is the stream of a session that promised no other: without it there is no media at all.
    """
    recorded_ns = recorded(spans, gaps, alone=alone)
    media = (spans[0][0], spans[-1][1]) if spans else None
    if alone is not None:
        gaps = [replace(gap, stream=None) if gap.stream == alone else gap for gap in gaps]
    session = _between(opened, closed)
    absent = _absent(gaps, (closed[2], closed[1]))
    edges, outside = _edges(opened, closed, gaps, media)
    if session is not None:
        session = (session[0] + outside, session[1] + outside)
    rest = None
    if session is not None and absent is not None:
        rest = (session[0] - absent[1] - edges - recorded_ns, session[1] - absent[0] - edges - recorded_ns)
    seams = 1 + sum(gap.stream is None for gap in gaps)
    return Totals(session=session, recorded=recorded_ns, gaps=absent, edges=edges, rest=rest, allowed=seams * SEAM_NS)


def recorded(spans: Sequence[MediaSpan], gaps: Sequence[GapSummary], *, alone: int | None = None) -> int:
    """Nanoseconds with media of either stream.

    A segment goes on through a gap of each stream; where gaps of both streams lie over one another it holds nothing,
    and that time is one of the gaps'. A gap of both at once takes nothing away: no media may lie in it.
    """
    held: dict[bytes, list[Bounds]] = {}
    for since, until in spans:
        held.setdefault(since[0], []).append((since[1], until[1]))
    streams = (Stream.PICTURE, Stream.SOUND) if alone is None else (alone,)
    lost = [[gap for gap in gaps if gap.stream == stream] for stream in streams]
    total = 0
    for boot, media in held.items():
        left = _merged(media)
        total += _length(left)
        for gaps_of_one in lost:
            left = _overlap(left, _merged(_part(gap, boot) for gap in gaps_of_one))
        total -= _length(left)
    return total


def _part(gap: GapSummary, boot: bytes) -> Bounds:
    """What of a gap lies in a boot, nothing being an empty span; a gap that nothing ended goes on."""
    if gap.since is None:
        return (0, 0)
    last = FOREVER_NS if gap.until is None or gap.until[0] != boot else gap.until[1]
    if gap.since[0] == boot:
        return (gap.since[1], max(gap.since[1], last))
    return (0, last) if gap.until is not None and gap.until[0] == boot else (0, 0)


def _between(opened: Clock, closed: Clock) -> Bounds | None:
    if opened[2] == closed[2]:
        length = closed[1] - opened[1]
        return (length, length)
    if opened[3] not in _FOLLOWS_REFERENCE or closed[3] not in _FOLLOWS_REFERENCE:
        return None
    length, error = (closed[0] - opened[0]) * NS_PER_MS, (opened[4] + closed[4]) * NS_PER_MS
    return (max(0, length - error), length + error)


def _edges(
    opened: Clock, closed: Clock, gaps: Sequence[GapSummary], media: tuple[Instant, Instant] | None
) -> tuple[int, int]:
    """From the beginning to the first media or gap, and from the last to the end; and how far these reach outside."""
    both = [gap for gap in gaps if gap.stream is None]
    firsts = [gap.since for gap in both] + [media[0] if media else None]
    lasts = [gap.until or (closed[2], closed[1]) for gap in both] + [media[1] if media else None]
    first = [at[1] for at in firsts if at is not None and at[0] == opened[2]]
    last = [at[1] for at in lasts if at is not None and at[0] == closed[2]]
    if not first and not last and opened[2] == closed[2]:
        return closed[1] - opened[1], 0
    late, early = min(first, default=opened[1]) - opened[1], closed[1] - max(last, default=closed[1])
    return max(0, late) + max(0, early), max(0, -late) + max(0, -early)


def _absent(gaps: Sequence[GapSummary], closed: Instant) -> Bounds | None:
    """How long there was no media of either stream.

    A gap from one boot to another counts with its own length. What else is told of that time in either boot is in it.
    """
    low = high = 0
    spans: dict[tuple[bytes, int | None], list[Bounds]] = {}
    counted: dict[bytes, list[Bounds]] = {}
    crossing: list[tuple[int | None, Instant, Instant]] = []
    for gap in gaps:
        until = gap.until or closed
        if gap.since is not None and gap.since[0] == until[0]:
            spans.setdefault((until[0], gap.stream), []).append((gap.since[1], max(gap.since[1], until[1])))
            continue
        if gap.since is None or (gap.stream is None and gap.length_ns is None):
            return None
        crossing.append((gap.stream, gap.since, until))
        if gap.stream is None and gap.length_ns is not None:
            low, high = low + gap.length_ns[0], min(NO_UPPER_BOUND_NS, high + gap.length_ns[1])
    both = {(since[0], until[0]) for stream, since, until in crossing if stream is None}
    unknown = {stream for stream, since, until in crossing if (since[0], until[0]) not in both}
    if len(unknown) > 1:
        return None
    for stream, since, until in crossing:
        for boot, span in ((since[0], (since[1], FOREVER_NS)), (until[0], (0, until[1]))):
            (counted.setdefault(boot, []) if stream is None else spans.setdefault((boot, stream), [])).append(span)
    exact = sum(_without_either(spans, counted, boot) for boot in {boot for boot, _ in spans})
    return (low + exact, high + exact)


def _without_either(
    spans: dict[tuple[bytes, int | None], list[Bounds]], counted: dict[bytes, list[Bounds]], boot: bytes
) -> int:
    """Within one boot, but for what is counted: gaps of both, and where gaps of one and of the other overlap."""
    outside = _merged(counted.get(boot, ()))
    events: list[tuple[int, int, int]] = []
    for weight, stream in ((BOTH_STREAMS, None), (1, Stream.PICTURE), (1, Stream.SOUND)):
        for first, last in _merged((*spans.get((boot, stream), ()), *outside)):
            events += [(first, 1, weight), (last, -1, weight)]
    total = depth = since = 0
    for at, sign, weight in sorted(events):
        if depth >= BOTH_STREAMS:
            total += at - since
        depth, since = depth + sign * weight, at
    return total - _length(outside)


def _merged(spans: Iterable[Bounds]) -> list[Bounds]:
    merged: list[Bounds] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def _overlap(these: Sequence[Bounds], those: Sequence[Bounds]) -> list[Bounds]:
    """Where both cover; each is merged."""
    common: list[Bounds] = []
    here = there = 0
    while here < len(these) and there < len(those):
        first, last = max(these[here][0], those[there][0]), min(these[here][1], those[there][1])
        if first < last:
            common.append((first, last))
        if these[here][1] < those[there][1]:
            here += 1
        else:
            there += 1
    return common


def _length(spans: Iterable[Bounds]) -> int:
    return sum(last - first for first, last in spans)
