"""A session's hands on the ladder: what is lost is told to it, and what it orders is done and told.

CONTROL's thread. `edge.ladder` decides, `edge.revival` starts sources again beside CONTROL; here acts become restarts,
entries and the end of a run that leaves its session open.
"""

from __future__ import annotations

from typing import Protocol

from edge.ladder import Act, Back, Failed, Lost, Rung, Turn
from edge.ladder_memory import LadderKeeper
from edge.ports import Stream
from edge.revival import Revive, Revived
from liuhen.registry import EventCode


class Hands(Protocol):
    """What a session does for the ladder. Raises StorageFault."""

    def told(self, code: EventCode, stream: Stream | None, measured: tuple[int, ...]) -> int:
        """An event of this moment; returns its number."""

    def still_absent(self, stream: Stream, remedy_zh: str) -> None:
        """What the operator is told while the stream is absent."""

    def report(self, stream: Stream) -> None:
        """Open the duty to report the stream's gap."""

    def leave_open(self, ordered: Rung | None) -> None:
        """End the run and leave the session open."""


class Restarts:
    """See the module. One for a session; the keeper is the process's."""

    def __init__(self, keeper: LadderKeeper, hands: Hands) -> None:
        """The keeper's limits say whether anybody starts this process again when it ends."""
        self._keeper = keeper
        self._hands = hands
        self.reviver: Revive | None = None
        """Given by whoever conducts the sources; without it nothing is ordered."""

    def lost(self, stream: Stream) -> None:
        """It ended by itself, did not start, or was absent already when the session went on."""
        self._keeper.tell(Lost(stream=stream))

    def tried(self, stream: Stream) -> None:
        """It has just been started with the others: its packets have their wait before it is started once more."""
        self._keeper.tell(Back(stream=stream))
        self._keeper.tell(Lost(stream=stream))

    def back(self, stream: Stream) -> None:
        """Its packets come."""
        self._keeper.tell(Back(stream=stream))

    def revived(self, came: Revived) -> None:
        """What came of a restart. Raises StorageFault."""
        if came.hung_ms is not None:
            self._hands.told(EventCode.SOURCE_STOP_HUNG, came.stream, (came.hung_ms,))
        if came.fault is None:
            self._hands.told(EventCode.SOURCE_RESTARTED, came.stream, (came.attempt,))
            return
        self._hands.still_absent(came.stream, came.fault.remedy_zh)
        self._keeper.tell(Failed(stream=came.stream, stuck=came.stuck))

    def turn(self, well: frozenset[Stream], *, held: bool) -> None:
        """Once in each of CONTROL's turns: what is due. Raises StorageFault."""
        if self.reviver is None:
            return
        for act in self._keeper.tell(Turn(well=well, held=held)):
            self._do(act, self.reviver)

    def _do(self, act: Act, reviver: Revive) -> None:
        match act.rung:
            case Rung.RESTART_STREAM:
                reviver.begin(act.stream, act.tries)
            case Rung.RESTART_PROCESS | Rung.REBOOT:
                reboot = act.rung is Rung.REBOOT
                self._hands.told(EventCode.REBOOT_ORDERED if reboot else EventCode.RESTART_ORDERED, act.stream, ())
                self._hands.leave_open(act.rung)
            case Rung.GIVE_UP_AND_REPORT:
                self._hands.report(act.stream)
                reviver.begin(act.stream, act.tries)
