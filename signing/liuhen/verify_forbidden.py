"""Time in which recording was forbidden, and how much media lies in it (FORMAT.md 5.7; step S11). Pure.

Moments are ordered by boot, in the order in which the journal comes to know them, then by BOOTTIME.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right

from liuhen.kinds import Instant

Moment = tuple[int, int]


class Forbidden:
    """Intervals that are over, merged, and the beginnings of those that are not. Every question costs a logarithm."""

    def __init__(self) -> None:
        self._boots: dict[bytes, int] = {}
        self._firsts: list[Moment] = []
        self._lasts: list[Moment] = []
        self._standing: list[tuple[Moment, int]] = []
        self._over: set[int] = set()

    def meet(self, boot: bytes) -> int:
        """A boot the journal speaks of; its place in the order."""
        return self._boots.setdefault(boot, len(self._boots))

    def begin(self, seq: int, since: Instant) -> None:
        """Forbidden from here on, by this entry."""
        heapq.heappush(self._standing, ((self.meet(since[0]), since[1]), seq))

    def end(self, seq: int, since: Instant, until: Instant) -> None:
        """What this entry began is over."""
        self._over.add(seq)
        self._add((self.meet(since[0]), since[1]), (self.meet(until[0]), until[1]))

    def doubt(self) -> None:
        """Entries are missing: what stands may have been ended by one of them."""
        self._standing.clear()
        self._over.clear()

    def _add(self, first: Moment, last: Moment) -> None:
        if first >= last:
            return
        low, high = bisect_left(self._lasts, first), bisect_right(self._firsts, last)
        if low < high:
            first, last = min(first, self._firsts[low]), max(last, self._lasts[high - 1])
        self._firsts[low:high], self._lasts[low:high] = [first], [last]

    def within(self, since: Instant, until_ns: int) -> tuple[int, int] | None:
        """The first part of this time of one boot that is forbidden, as BOOTTIME from and to; None: none of it."""
        boot = self.meet(since[0])
        begin, end = (boot, since[1]), (boot, until_ns)
        parts = []
        at = bisect_right(self._lasts, begin)
        if at < len(self._firsts) and self._firsts[at] < end:
            parts.append((max(begin, self._firsts[at])[1], min(end, self._lasts[at])[1]))
        while self._standing and self._standing[0][1] in self._over:
            self._over.discard(heapq.heappop(self._standing)[1])
        if self._standing and self._standing[0][0] < end:
            parts.append((max(begin, self._standing[0][0])[1], until_ns))
        return min(parts, default=None)
