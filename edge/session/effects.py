"""What a step wants done, in order: a closed union of frozen values. CONTROL carries them out one after the other.

Pure. What a person asked for is durable before capture changes; an interlock's trip alone acts first and is told after.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from edge.session.state import Inhibition
from liuhen.registry import DutyCode, EndCause, EventCode, GapCause


class Announcement(enum.Enum):
    """What is said aloud in the room."""

    NOTICE = enum.auto()
    WITHHOLDING = enum.auto()
    WITHHOLDING_ENDED = enum.auto()
    EXPLAIN = enum.auto()
    CANNOT_RESUME = enum.auto()


class Refusing(enum.Enum):
    """Why a request was not carried out."""

    NOT_CONFIRMED = enum.auto()
    REASON_WANTED = enum.auto()
    NO_SESSION = enum.auto()
    TRIPPED = enum.auto()
    WITHHELD = enum.auto()
    HALTED = enum.auto()
    NOT_WITHHELD = enum.auto()
    SAME_PERSON = enum.auto()
    NO_GROUND = enum.auto()
    STILL_RECORDING = enum.auto()
    NOT_REPORTED = enum.auto()
    ENDING = enum.auto()
    NOT_SPOKEN = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """Check, open a session and say the notice; what the checks refuse comes back as `SessionEnded`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginCapture:
    """Start sources and WRITER; the open gap ends with the first durable fragment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCapture:
    """End capture. With `at_ns` nothing captured from that moment on is kept, not even in the queue."""

    cause: EndCause
    at_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginGap:
    """Open a gap of both streams; `since_ns` None means from the end of the durable media on."""

    cause: GapCause
    since_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndGap:
    """End the gap of both streams."""

    at_ns: int
    resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SetInhibition:
    """Write that recording is forbidden."""

    code: Inhibition
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveInhibition:
    """Write that a second person has approved the withholding."""

    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearInhibition:
    """Write that this inhibition is over."""

    code: Inhibition
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Announce:
    """Say something in the room."""

    what: Announcement


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDuty:
    """Somebody owes this now."""

    code: DutyCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Tell a person, and the journal, that something takes too long."""

    code: EventCode
    since_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSession:
    """Write the session's last entries."""

    cause: EndCause


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerOff:
    """Everything is sealed; the power may go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The request is not carried out."""

    why: Refusing


Effect = (
    OpenSession
    | BeginCapture
    | EndCapture
    | BeginGap
    | EndGap
    | SetInhibition
    | ApproveInhibition
    | ClearInhibition
    | Announce
    | OpenDuty
    | Alarm
    | EndSession
    | PowerOff
    | Refuse
)
