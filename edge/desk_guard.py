"""What the guard says, as signals and entries: a trip ends capture first and is written after.

CONTROL only. A guard that is not heard counts as tripped wherever an interlock is configured; without one it only keeps
the lamps, and its silence is an event.
"""

from __future__ import annotations

from typing import Any

from edge.guard.words import Reason
from edge.guard_link import GuardBack, GuardLost, GuardMessage, GuardSaid
from edge.room import Room, Told
from edge.session.signals import Permitted, Tripped
from edge.session.state import Inhibition
from liuhen.registry import EventCode

NS_PER_MS = 1_000_000
REASON_NUMBERS = {reason: number for number, reason in enumerate(Reason)}
"""How a reason stands in INTERLOCK_TRIPPED (FORMAT.md 5.7)."""
_DIAGNOSES = {
    Reason.OPEN: EventCode.INTERLOCK_OPEN,
    Reason.SHORT: EventCode.INTERLOCK_SHORT,
    Reason.DISCREPANT: EventCode.INTERLOCK_DISCREPANT,
    Reason.CHATTER: EventCode.INTERLOCK_CHATTER,
    Reason.NO_PULSE: EventCode.INTERLOCK_NO_PULSE,
    Reason.RESET_STUCK: EventCode.INTERLOCK_RESET_STUCK,
    Reason.LATCH_UNKNOWN: EventCode.INTERLOCK_LATCH_UNKNOWN,
    Reason.BOOT: EventCode.INTERLOCK_LATCH_UNKNOWN,
}


class GuardClerk:
    """See the module. `heard` is the guard's last word, None before the first and while it is lost."""

    def __init__(self, room: Room) -> None:
        """Nothing was heard yet."""
        self._room = room
        self.heard: GuardSaid | None = None
        self._lost_since_ns: int | None = None
        self._back_ns = 0
        self._told: Reason = Reason.NONE

    @property
    def _interlock(self) -> bool:
        return self._room.tools.config.interlock.enabled

    def handle(self, message: GuardMessage) -> None:
        """One message of the link. Raises StorageFault."""
        match message:
            case GuardSaid():
                self._said(message)
            case GuardLost():
                self._lost(message)
            case GuardBack():
                self._back(message.boottime_ns)

    def _said(self, said: GuardSaid) -> None:
        before, self.heard = self.heard, said
        if not self._interlock:
            return
        news = self._news(said)
        standing = Inhibition.INTERLOCK in self._room.state.inhibitions
        if not said.permit and not standing:
            told: Told = ((EventCode.INTERLOCK_TRIPPED, (REASON_NUMBERS[said.reason],)), *news)
            self._room.signal(Tripped(at_ns=min(said.since_ns, said.boottime_ns)), told=told)
        elif said.permit and standing:
            # A guard that was not heard may have permitted all along; it counts from when it was heard again.
            at_ns = max(said.since_ns, self._back_ns)
            self._room.signal(Permitted(at_ns=at_ns), told=((EventCode.INTERLOCK_RESET, ()),))
        else:
            if before is not None and said.healthy and not before.healthy and not said.permit:
                news = (*news, (EventCode.INTERLOCK_HEALTHY, ()))
            for code, measured in news:
                self._room.event(code, measured)

    def _news(self, said: GuardSaid) -> Told:
        """A diagnosis is told once, until there is another."""
        if said.reason is self._told:
            return ()
        self._told = said.reason
        code = _DIAGNOSES.get(said.reason)
        if code is None:
            return ()
        measured = (0,) if code in (EventCode.INTERLOCK_NO_PULSE, EventCode.INTERLOCK_DISCREPANT) else ()
        return ((code, measured),)

    def _lost(self, lost: GuardLost) -> None:
        """Its last word was good until its lease ran out: up to then recording was permitted, and not longer."""
        self.heard, self._lost_since_ns = None, lost.heard_ns
        silent_ms = max(0, self._room.now_ns - lost.heard_ns) // NS_PER_MS
        told: Told = ((EventCode.GUARD_LOST, (silent_ms,)),)
        if not self._interlock:
            self._room.event(*told[0])
            return
        self._room.signal(Tripped(at_ns=lost.since_ns), told=told)

    def _back(self, boottime_ns: int) -> None:
        since_ns, self._lost_since_ns, self._back_ns = self._lost_since_ns, None, boottime_ns
        silent_ms = max(0, boottime_ns - since_ns) // NS_PER_MS if since_ns is not None else 0
        self._room.event(EventCode.GUARD_BACK, (silent_ms,))

    def facts(self) -> dict[str, Any]:
        """For `status`."""
        said = self.heard
        if said is None and not self._room.tools.config.has_guard:
            return {"guard": "none"}
        if said is None:
            return {"guard": "lost" if self._lost_since_ns is not None else "not heard"}
        return {"guard": {"permit": said.permit, "latched": said.latched, "reason": said.reason, "lamp": said.lamp}}
