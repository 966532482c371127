"""What a source that was opened later is made of, as an entry: what the session's entry does not say is told.

CONTROL only. Told once for each change; what is refused opens the duty to report as a refused start does.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge.origins import Origin, SourceOpened
from edge.ports import Stream
from edge.room import Room
from liuhen.kinds import Event, Refusal
from liuhen.registry import EVENTS, DutyCode, EventCode, RecordLabel, RefusalCode


class SourcesClerk:
    """See the module. `known` are the origins that were judged when this run took the session up."""

    def __init__(self, room: Room, known: Mapping[Stream, Origin]) -> None:
        """Nothing more is known."""
        self._room = room
        self._known = dict(known)
        self.unstarted: dict[Stream, int] = {}
        """Promised streams that did not start, with the event that says so; they have no gap of their own yet."""
        self._refused: set[tuple[Stream, Origin]] = set()

    def opened(self, opened: SourceOpened) -> None:
        """A source was opened. Raises StorageFault."""
        if opened.refused:
            self._refuse(opened)
        elif self._known.get(opened.stream) != opened.origin:
            self._known[opened.stream] = opened.origin
            self._tell(opened)

    def _refuse(self, opened: SourceOpened) -> None:
        if (opened.stream, opened.origin) in self._refused:
            return
        self._refused.add((opened.stream, opened.origin))
        seq = self._room.append(Refusal(code=RefusalCode.SUBSTITUTED_SOURCE, measured=(), records=()))
        self._room.open_duty(DutyCode.REPORT, seq)

    def _tell(self, opened: SourceOpened) -> None:
        code, now_ns = EventCode.SOURCE_ORIGIN, self._room.now_ns
        substituted = sum(not part.genuine for part in opened.origin)
        text = "\n".join(
            f"{part.component}\t{part.version}\t{part.evidence}\t{int(part.genuine)}" for part in opened.origin
        )
        self._room.append(
            Event(
                code=code,
                severity=EVENTS[code].severity,
                stream=opened.stream,
                span_ns=(now_ns, now_ns),
                measured=(len(opened.origin), substituted),
                refers_to=None,
                records=(self._room.keep(RecordLabel.OTHER, text),),
            )
        )
