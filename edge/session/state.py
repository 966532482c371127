"""The state of a recorder as frozen facts, and the mode that follows from them.

Pure. Facts are kept apart (which inhibitions stand, what halts capture, which streams are absent) and never folded into
one word, so that the end of one can never undo another; the mode is only how they read together, the most important
first: interlock, withheld, storage or power, one stream lost, recording.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from edge.ports import Stream
from liuhen.registry import EventCode, GapCause
from liuhen.registry import InhibitionCode as Inhibition

__all__ = ["BOTH", "CAUSE_OF_HALT", "Halt", "Inhibition", "Limits", "Mode", "Session", "State"]

BOTH = frozenset(Stream)


class Session(enum.Enum):
    """Whether a session is open. It is never paused; a recess is a mark."""

    NONE = enum.auto()
    OPEN = enum.auto()
    ENDING = enum.auto()
    """Its end was ordered and its last entries are being written."""


class Halt(enum.Enum):
    """What makes capture impossible although nothing forbids it."""

    STORAGE = enum.auto()
    POWER = enum.auto()
    DEVICE = enum.auto()
    """No source of this device can be started, and every means of mending it is used up."""


CAUSE_OF_HALT = {
    Halt.STORAGE: GapCause.STORAGE_FULL,
    Halt.POWER: GapCause.POWER_LOW,
    Halt.DEVICE: GapCause.DEVICE_FAULT,
}


class Mode(enum.Enum):
    """How the facts read together; the order is the priority of design 6."""

    TRIPPED = enum.auto()
    WITHHELD = enum.auto()
    HALTED = enum.auto()
    ENDING = enum.auto()
    STARTING = enum.auto()
    """The session is open and nothing of it is on the disk yet, or not again."""
    LOST = enum.auto()
    """Both streams are absent and are being started again."""
    ONE_STREAM = enum.auto()
    RECORDING = enum.auto()
    READY = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a person may take before an alarm; in nanoseconds of BOOTTIME. None of them ends anything."""

    approval_ns: int = 600 * 10**9
    withheld_ns: int = 3_600 * 10**9
    explanation_ns: int = 60 * 10**9
    resume_ns: int = 600 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """See the module. Times are BOOTTIME in nanoseconds of the present boot; an older moment counts from the start.

    `promised` are the streams the session records. `gap` is the cause of the gap of both streams that is open.
    `unexplained` are the journal numbers of gaps that nobody has explained aloud. `to_approve` is true from a
    withholding until a second person approves it, even after it has ended. `said` are the alarms that were given since
    their reason began; each is given once. `noticed` is whether the notice was said in this session.
    """

    session: Session = Session.NONE
    promised: frozenset[Stream] = BOTH
    inhibitions: frozenset[Inhibition] = frozenset()
    to_approve: bool = False
    halts: frozenset[Halt] = frozenset()
    absent: frozenset[Stream] = frozenset()
    capturing: bool = False
    durable: bool = False
    gap: GapCause | None = None
    gap_since_ns: int = 0
    withheld_since_ns: int = 0
    unexplained: frozenset[int] = frozenset()
    asked_since_ns: int | None = None
    said: frozenset[EventCode] = frozenset()
    noticed: bool = False
    limits: Limits = Limits()

    @property
    def may_capture(self) -> bool:
        """Whether the room is to be recorded now: a session is open, and nothing forbids it or makes it impossible."""
        return self.session is Session.OPEN and not self.inhibitions and not self.halts

    @property
    def cause(self) -> GapCause | None:
        """Why nothing may be captured, the most important cause; None where capture may run."""
        if Inhibition.INTERLOCK in self.inhibitions:
            return GapCause.INTERLOCK
        if Inhibition.WITHHELD in self.inhibitions:
            return GapCause.WITHHELD
        return next((CAUSE_OF_HALT[halt] for halt in Halt if halt in self.halts), None)

    @property
    def mode(self) -> Mode:
        """The facts in one word, by priority."""
        if Inhibition.INTERLOCK in self.inhibitions:
            return Mode.TRIPPED
        if Inhibition.WITHHELD in self.inhibitions:
            return Mode.WITHHELD
        if self.halts:
            return Mode.HALTED
        match self.session:
            case Session.NONE:
                return Mode.READY
            case Session.ENDING:
                return Mode.ENDING
            case Session.OPEN:
                return self._recording_mode()

    def _recording_mode(self) -> Mode:
        if not self.durable:
            return Mode.STARTING
        if self.promised <= self.absent:
            return Mode.LOST
        return Mode.ONE_STREAM if self.absent & self.promised else Mode.RECORDING
