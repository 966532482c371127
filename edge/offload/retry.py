"""What a fault of the store means for the object that met it, and for the line to the store. Pure.

Nothing here gives up: the only object that is never sent again is one whose bytes on this disk are no longer those
that were signed. `after` is total over every class of fault at every step.

| fault | the line | the object |
|---|---|---|
| UNREACHABLE | opens, jitter 1 s to 5 min, one probe | the same step again; what was being sent is looked for first |
| AMBIGUOUS | opens likewise | looked for before it is sent again |
| CLOCK with the store's time | stays closed, signs by that time | the same step again |
| CLOCK without it | opens likewise, alarm | the same step again |
| DENIED, UNTRUSTED | opens, probe every 5 min, alarm at once | the same step again |
| FULL | opens, probe every 5 min, alarm | the same step again |
| DAMAGED while sending | stays closed | local bytes hashed anew: differing ends it, equal sends it again |
| DAMAGED otherwise | stays closed | looked for again, later |
| ABSENT of a version | stays closed, alarm | looked for again, later |
| ABSENT of the bucket | as DENIED | the same step again |
| REFUSED while sending | stays closed | looked for; alarm |
| any but a silent store, while extending | stays closed, alarm about the object | the same step again, slowly |
| REFUSED otherwise | stays closed, alarm | the same step again, slowly |
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from datetime import datetime

from edge.store import FaultClass

NS_PER_SECOND = 1_000_000_000
FIRST_WAIT_NS = NS_PER_SECOND
LONGEST_WAIT_NS = 300 * NS_PER_SECOND
DOUBLINGS_LIMIT = 9
"""2^9 s is beyond the longest wait."""
SKEW_AGAIN = 2
"""A clock that the store refuses so often in a row although we sign by its own time is an alarm."""


class Doing(enum.Enum):
    """The step at which a fault came."""

    LOOKING = enum.auto()
    SENDING = enum.auto()
    READING = enum.auto()
    ASKING_RETENTION = enum.auto()
    EXTENDING = enum.auto()


class Then(enum.Enum):
    """What the object needs next."""

    AGAIN = enum.auto()
    """The step that failed, again."""
    LOOK = enum.auto()
    """Whether it is there, before it is sent again."""
    REHASH = enum.auto()
    """Whether the local bytes are still those that were signed."""


class Alarm(enum.Enum):
    """What a person must hear of. `LOCAL_DIFFERS` and `RETENTION_SHORT` are about one object, the others the store."""

    DENIED = enum.auto()
    UNTRUSTED = enum.auto()
    FULL = enum.auto()
    CLOCK = enum.auto()
    REFUSED = enum.auto()
    VANISHED = enum.auto()
    RETENTION_SHORT = enum.auto()
    LOCAL_DIFFERS = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The breaker: closed while `failures` is 0; open, nothing is asked before `probe_at_ns`, then one object alone."""

    failures: int = 0
    probe_at_ns: int = 0
    probing: bool = False
    fault: FaultClass | None = None
    skewed: int = 0

    @property
    def closed(self) -> bool:
        """Whether the store answered the last time it was asked."""
        return self.failures == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault of the store, as far as it decides anything. `store_ahead_ms` is its clock minus ours, if it said."""

    fault: FaultClass
    doing: Doing
    store_ahead_ms: int | None = None
    tries: int = 0
    """How often this object met a fault of its own since the store last did a step for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What follows: the line from now on, what the object needs, how long it alone waits, what a person hears.

    `sign_ahead_ms` is what to add to our clock when signing requests, None for no change.
    """

    line: Line
    then: Then
    object_wait_ns: int = 0
    alarm: Alarm | None = None
    sign_ahead_ms: int | None = None


def may_ask(line: Line, at_ns: int) -> bool:
    """Whether an object may be begun now; while the line is open, one at a time and only when the probe is due."""
    return line.closed or (not line.probing and at_ns >= line.probe_at_ns)


def begun(line: Line) -> Line:
    """The line once an object is begun."""
    return line if line.closed else replace(line, probing=True)


def answered(line: Line) -> Line:
    """The line once the store has done what it was asked."""
    return Line() if line != Line() else line


def abandoned(line: Line) -> Line:
    """The line when a probe ended without asking the store anything: the next object is the probe."""
    return replace(line, probing=False)


def after(line: Line, fault: Fault, at_ns: int, jitter: float) -> Verdict:
    """What follows a fault; `jitter` is a random number in [0, 1). The table of the module."""
    extending, sending = fault.doing is Doing.EXTENDING, fault.doing is Doing.SENDING
    match fault.fault:
        case FaultClass.UNREACHABLE | FaultClass.AMBIGUOUS:
            look = sending or fault.fault is FaultClass.AMBIGUOUS
            return Verdict(line=_opened(line, fault, at_ns, jitter), then=Then.LOOK if look else Then.AGAIN)
        case FaultClass.CLOCK:
            return _skewed(line, fault, at_ns, jitter)
        case FaultClass.DENIED | FaultClass.UNTRUSTED | FaultClass.FULL if not extending:
            return Verdict(line=_slow(line, fault, at_ns), then=Then.AGAIN, alarm=_ALARMS[fault.fault])
        case FaultClass.ABSENT if fault.doing in (Doing.LOOKING, Doing.SENDING):
            return Verdict(line=_slow(line, fault, at_ns), then=Then.AGAIN, alarm=Alarm.DENIED)
        case _:
            return _about_object(line, fault, jitter)


_ALARMS = {
    FaultClass.DENIED: Alarm.DENIED,
    FaultClass.UNTRUSTED: Alarm.UNTRUSTED,
    FaultClass.FULL: Alarm.FULL,
}


def _about_object(line: Line, fault: Fault, jitter: float) -> Verdict:
    """The store answers; what it cannot do concerns this object alone."""
    line, wait_ns = answered(line), _jittered(fault.tries, jitter)
    match fault.doing, fault.fault:
        case Doing.EXTENDING, _:  # refused, or a credential that may only write and read
            return Verdict(line=line, then=Then.AGAIN, object_wait_ns=LONGEST_WAIT_NS, alarm=Alarm.RETENTION_SHORT)
        case Doing.SENDING, FaultClass.DAMAGED:
            return Verdict(line=line, then=Then.REHASH, object_wait_ns=wait_ns)
        case Doing.SENDING, _:  # a name that is there already: the look says whether it is ours
            return Verdict(line=line, then=Then.LOOK, object_wait_ns=wait_ns, alarm=Alarm.REFUSED)
        case _, FaultClass.DAMAGED:
            return Verdict(line=line, then=Then.LOOK, object_wait_ns=wait_ns)
        case _, FaultClass.ABSENT:
            return Verdict(line=line, then=Then.LOOK, object_wait_ns=wait_ns, alarm=Alarm.VANISHED)
        case _:
            return Verdict(line=line, then=Then.AGAIN, object_wait_ns=LONGEST_WAIT_NS, alarm=Alarm.REFUSED)


def _skewed(line: Line, fault: Fault, at_ns: int, jitter: float) -> Verdict:
    """Sign by the store's own time; only if that is refused too is there anything to wait for."""
    if fault.store_ahead_ms is None or line.skewed >= SKEW_AGAIN:
        opened = _opened(line, fault, at_ns, jitter)
        return Verdict(line=opened, then=Then.AGAIN, alarm=Alarm.CLOCK, sign_ahead_ms=fault.store_ahead_ms)
    kept = replace(line, probing=False, skewed=line.skewed + 1)
    return Verdict(line=kept, then=Then.AGAIN, alarm=Alarm.CLOCK, sign_ahead_ms=fault.store_ahead_ms)


def _opened(line: Line, fault: Fault, at_ns: int, jitter: float) -> Line:
    # A second stream that fails while the line is open already tells nothing new.
    if not line.closed and not line.probing:
        return replace(line, fault=fault.fault)
    wait_ns = _jittered(line.failures, jitter)
    return replace(line, failures=line.failures + 1, probe_at_ns=at_ns + wait_ns, probing=False, fault=fault.fault)


def _slow(line: Line, fault: Fault, at_ns: int) -> Line:
    failures = max(line.failures, DOUBLINGS_LIMIT) + 1
    return replace(line, failures=failures, probe_at_ns=at_ns + LONGEST_WAIT_NS, probing=False, fault=fault.fault)


def object_wait_ns(tries: int, jitter: float) -> int:
    """How long an object waits that met a fault of its own so often already."""
    return _jittered(tries, jitter)


def _jittered(failures: int, jitter: float) -> int:
    """Full jitter from the first wait to a limit that doubles up to the longest."""
    limit_ns = min(LONGEST_WAIT_NS, (FIRST_WAIT_NS << min(failures + 1, DOUBLINGS_LIMIT)))
    return FIRST_WAIT_NS + int((limit_ns - FIRST_WAIT_NS) * jitter)


def store_ahead_ms(store_time: datetime | None, our_utc_ms: int) -> int | None:
    """How far the store's clock is ahead of ours."""
    return None if store_time is None else round(store_time.timestamp() * 1000) - our_utc_ms
