"""Interruptions of a session, and how much of an interval they cover (FORMAT.md 5.4; step S10). Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from liuhen.kinds import Instant
from liuhen.verify_duties import DutySummary
from liuhen.verify_marks import MarkSummary

MOST_CROSSINGS = 1000
REACHES_BACK_NS = 60 * 10**9
FOREVER_NS = 1 << 64


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
    resumed: bool | None = None
    first_cause: int | None = None
    """The cause the gap entry gives, where an `amend` gave another."""
    amended_by: int | None = None
    measured: tuple[int, ...] = ()
    evidence: tuple[tuple[int, str, str], ...] = ()
    """Of what led to it: seq and words in Chinese and English, with what was measured."""
    spoken: list[MarkSummary] = field(default_factory=list)
    written: DutySummary | None = None
    forbidden_by: list[int] = field(default_factory=list)
    """The inhibition entries of its cause that stood in it."""

    @property
    def explained(self) -> bool:
        """Aloud on the recording, or in a written statement that was given."""
        return bool(self.spoken) or self.written is not None


class Coverage:
    """The gaps of one stream in a form that answers quickly, however many a journal lists.

    `recovered` are what `recovered` entries cover. Time between two boots is on no clock; only the parts inside the
    boots are measured. Of the gaps that lead from one boot to another a thousand count.
    """

    def __init__(self, gaps: Sequence[GapSummary], recovered: Sequence[GapSummary]) -> None:
        recovered = recovered[:MOST_CROSSINGS]
        every = [gap for gap in (*gaps, *recovered) if gap.since is not None]
        self._boots = {boot: _Union(spans) for boot, spans in _by_boot(every).items()}
        self._reaching = {boot: sorted(spans) for boot, spans in _by_boot(recovered).items()}
        self._open_since = {gap.since[0] for gap in every if gap.since is not None and gap.until is None}
        self._leaving: dict[bytes, list[GapSummary]] = {}
        crossing = (gap for gap in every if gap.since is not None and (gap.until or (b"",))[0] != gap.since[0])
        for gap in islice(sorted(crossing, key=_begin_ns), MOST_CROSSINGS):
            self._leaving.setdefault(gap.since[0] if gap.since is not None else b"", []).append(gap)

    def uncovered_ns(self, since: Instant, until: Instant) -> int | None:
        """How much of this time no gap covers; None where none leads from one boot to the next."""
        place = (since[0], self._reached_ns(since, until))
        uncovered, used = 0, dict.fromkeys(self._leaving, 0)
        while place[0] != until[0]:
            leaving, at = self._leaving.get(place[0], []), used.get(place[0], 0)
            if at >= len(leaving):
                return None
            used[place[0]] = at + 1
            gap = leaving[at]
            uncovered += self._uncovered_in_boot(place, _begin_ns(gap))
            if gap.until is None:
                return uncovered
            place = gap.until
        return uncovered + self._uncovered_in_boot(place, until[1])

    def _reached_ns(self, since: Instant, until: Instant) -> int:
        """A `recovered` entry counts from the last sign of life, which may come a little after the last media."""
        reaching = self._reaching.get(since[0], [])
        reached_ns = since[1]
        for first_ns, last_ns in reaching[bisect_right(reaching, (since[1], FOREVER_NS)) :]:
            if first_ns - since[1] > REACHES_BACK_NS:
                break
            reached_ns = max(reached_ns, min(last_ns, until[1]) if since[0] == until[0] else last_ns)
        return reached_ns

    def _uncovered_in_boot(self, since: Instant, until_ns: int) -> int:
        boot, since_ns = since
        open_elsewhere = len(self._open_since) > (boot in self._open_since)
        if until_ns <= since_ns or open_elsewhere:
            return 0
        union = self._boots.get(boot)
        return until_ns - since_ns - (union.covered_ns(since_ns, until_ns) if union is not None else 0)


class _Union:
    """Time that at least one of many intervals covers."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        self._before: list[int] = []
        total = 0
        for first_ns, last_ns in sorted(spans):
            if self._lasts and first_ns <= self._lasts[-1]:
                grown = max(0, last_ns - self._lasts[-1])
                self._lasts[-1] += grown
            else:
                self._before.append(total)
                self._firsts.append(first_ns)
                self._lasts.append(last_ns)
                grown = last_ns - first_ns
            total += grown

    def covered_ns(self, since_ns: int, until_ns: int) -> int:
        """How much of this time is covered."""
        return self._until(until_ns) - self._until(since_ns)

    def _until(self, moment_ns: int) -> int:
        at = bisect_right(self._firsts, moment_ns) - 1
        if at < 0:
            return 0
        return self._before[at] + min(moment_ns, self._lasts[at]) - self._firsts[at]


def _by_boot(gaps: Sequence[GapSummary]) -> dict[bytes, list[tuple[int, int]]]:
    found: dict[bytes, list[tuple[int, int]]] = {}
    for gap in gaps:
        for boot, first_ns, last_ns in _spans(gap):
            found.setdefault(boot, []).append((first_ns, last_ns))
    return found


def _spans(gap: GapSummary) -> Iterator[tuple[bytes, int, int]]:
    """The boots a gap touches, and from when to when."""
    if gap.since is None:
        return
    boot, since_ns = gap.since
    if gap.until is not None and gap.until[0] == boot:
        yield boot, since_ns, max(since_ns, gap.until[1])
        return
    yield boot, since_ns, FOREVER_NS
    if gap.until is not None:
        yield gap.until[0], 0, gap.until[1]


def _begin_ns(gap: GapSummary) -> int:
    return 0 if gap.since is None else gap.since[1]
