"""Everything that can move a recorder's state: a closed union of frozen values.

Pure. `at_ns` is BOOTTIME of the moment itself (an interlock's of the trip, not of the message).
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.ports import Stream
from edge.session.state import Halt, Inhibition
from liuhen.registry import GapCause


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAsked:
    """A person presses start. While a session is open it changes nothing."""

    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAsked:
    """A person ends the session by a long press or a confirmed request.

    `reasoned` is whether a reason came with it, `steps_open` whether required steps are still to come.
    """

    at_ns: int
    confirmed: bool
    reasoned: bool = False
    steps_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WithholdAsked:
    """A person says that what comes now must not be recorded."""

    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGiven:
    """A second person with the approver's role gives a ground; `another` is whether it really is a second one."""

    at_ns: int
    another: bool
    grounded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WithholdingEnded:
    """A person says that recording may go on."""

    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tripped:
    """The guard gives no permit any more, or is not heard: the same thing."""

    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """The guard gives its permit; it does so only after a local reset."""

    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted:
    """Capture has become impossible."""

    at_ns: int
    halt: Halt


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltEnded:
    """What made it impossible is over."""

    at_ns: int
    halt: Halt


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLost:
    """One stream is absent; the other goes on."""

    at_ns: int
    stream: Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamBack:
    """The stream is there again."""

    at_ns: int
    stream: Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaDurable:
    """The first fragment of this stretch of capture is on the disk; it was captured from `at_ns` on."""

    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GapNamed:
    """The journal gave an open gap its number; it waits for a spoken explanation."""

    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GapExplained:
    """A person has explained it aloud, on the recording."""

    at_ns: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CannotResume:
    """A person declares that this session cannot go on (Jiaozuo Art. 11)."""

    at_ns: int
    reported: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFailed:
    """The session has to end: its store or its program failed; `halt` is what is told."""

    at_ns: int
    halt: Halt


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded:
    """The session's last entry is durable."""

    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the journal of earlier runs says at a start: an open session, its open gap, the inhibitions that stand."""

    at_ns: int
    session: bool
    inhibitions: frozenset[Inhibition]
    to_approve: bool = False
    gap: GapCause | None = None
    unexplained: frozenset[int] = frozenset()
    absent: frozenset[Stream] = frozenset()
    promised: frozenset[Stream] = frozenset(Stream)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time has passed."""

    at_ns: int


Signal = (
    StartAsked
    | StopAsked
    | WithholdAsked
    | ApprovalGiven
    | WithholdingEnded
    | Tripped
    | Permitted
    | Halted
    | HaltEnded
    | StreamLost
    | StreamBack
    | MediaDurable
    | GapNamed
    | GapExplained
    | CannotResume
    | SessionFailed
    | SessionEnded
    | Found
    | Tick
)
