"""The gaps of one session: opened and ended as entries, each once, with bounds as exact as the clocks allow.

CONTROL only. A gap is of one stream, or of both (None). One that the journal did not take the end of is owed and told
again at the session's end. When a call returns, its entry is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edge import recovery
from edge.journal import clock_row
from edge.journal_state import OpenSession
from edge.ports import Clock, Stream
from edge.recovery import Continuation
from liuhen.kinds import Clock as ClockRow
from liuhen.kinds import EntryBody, Gap, GapEnd, Instant
from liuhen.registry import GapCause

Append = Callable[[EntryBody], int]
"""Appends an entry of the session durably and returns its number. Raises StorageFault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedGap:
    """A gap entry without its end; `anchor` reads both clocks in the boot of its begin, if one is known."""

    seq: int
    cause: GapCause
    since: Instant
    lost: int
    anchor: ClockRow


class GapBook:
    """See the module. `count` is of the whole session."""

    def __init__(self, clock: Clock, append: Append) -> None:
        """Begin with none."""
        self._clock = clock
        self._append = append
        self._open: dict[Stream | None, OpenedGap] = {}
        self._owed: dict[Stream | None, tuple[int, bool]] = {}
        self.count = 0

    def take_over(self, continuation: Continuation) -> None:
        """The gaps that earlier runs left open."""
        self.count = continuation.gaps
        for gap in continuation.open_gaps:
            self._open[None if gap.stream is None else Stream(gap.stream)] = OpenedGap(
                seq=gap.seq,
                cause=GapCause(gap.cause),
                since=gap.since,
                lost=gap.lost,
                anchor=_anchor(continuation.session, gap.since),
            )

    def __contains__(self, stream: Stream | None) -> bool:
        """Whether a gap of this stream is open."""
        return stream in self._open

    def get(self, stream: Stream | None) -> OpenedGap | None:
        """The open gap of this stream."""
        return self._open.get(stream)

    @property
    def streams(self) -> Iterable[Stream]:
        """The streams that have an open gap of their own."""
        return tuple(stream for stream in self._open if stream is not None)

    def open(
        self, stream: Stream | None, cause: GapCause, since_ns: int, evidence: tuple[int, ...], *, lost: int = 0
    ) -> int | None:
        """Open a gap and return its number; None where one of this stream is open already, since earlier."""
        if stream in self._open:
            return None
        since = (self._clock.boot_id, since_ns)
        measured = (lost,) if lost else ()
        seq = self._append(
            Gap(stream=stream, cause=cause, since=since, measured=measured, evidence=evidence, records=())
        )
        self.count += 1
        anchor = clock_row(self._clock)
        self._open[stream] = OpenedGap(seq=seq, cause=cause, since=since, lost=lost, anchor=anchor)
        return seq

    def close(self, stream: Stream | None, until_ns: int, *, resumed: bool) -> None:
        """End the gap of this stream, if one is open."""
        gap = self._open.get(stream)
        if gap is None:
            return
        if gap.since[0] == self._clock.boot_id:
            until_ns = max(until_ns, gap.since[1])
        known = gap.lost or None
        self._owed[stream] = (until_ns, resumed)
        self._append(
            GapEnd(
                gap_seq=gap.seq,
                until=(self._clock.boot_id, until_ns),
                length_ns=self.length_ns(gap, until_ns),
                lost=(known if stream is Stream.PICTURE else None, known if stream is Stream.SOUND else None),
                resumed=int(resumed),
            )
        )
        del self._open[stream], self._owed[stream]

    def close_all(self) -> tuple[OpenedGap, ...]:
        """End every gap at the session's end; returns those whose media never came back."""
        now_ns, never = self._clock.boottime_ns(), []
        for stream, gap in list(self._open.items()):
            until_ns, resumed = self._owed.get(stream, (now_ns, False))
            self.close(stream, until_ns, resumed=resumed)
            if not resumed:
                never.append(gap)
        return tuple(never)

    def length_ns(self, gap: OpenedGap, until_ns: int) -> tuple[int, int]:
        """Bounds of its length, equal within a boot."""
        until = (self._clock.boot_id, until_ns)
        return recovery.length_ns(gap.anchor, gap.since, until, self._clock.read())


def _anchor(session: OpenSession, since: Instant) -> ClockRow:
    return session.reading_in(since[0])
