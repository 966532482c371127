"""How far capture is permitted, as the guard's words say: what a stretch's queue lets WRITER take, and what never.

Owns nothing but two moments and the queue of the newest stretch; nothing on disk. The thread GUARD tells it every word
before CONTROL hears of it, so that neither a busy CONTROL nor a slow disk stands between a trip and the end of what may
be written: beyond the lease of the last word nothing is let out of the queue, and from a trip on nothing is kept.
CONTROL binds each stretch's queue; a queue that was cut off stays so.
"""

from __future__ import annotations

import threading
from typing import Protocol

from edge.guard_link import GuardBack, GuardLost, GuardSaid, GuardWord, Leased

FOR_EVER_NS = 2**63 - 1


class Bound(Protocol):
    """The queue of a stretch. No call waits."""

    def permit_until(self, until_ns: int) -> None:
        """What was captured up to then may be taken."""

    def forbid(self, at_ns: int) -> None:
        """Nothing captured from then on is ever taken."""


class Permit:
    """See the module. Thread-safe."""

    def __init__(self, *, needed: bool) -> None:
        """Where an interlock is configured nothing is permitted before its first word; elsewhere everything is."""
        self._lock = threading.Lock()
        self._needed = needed
        self._until_ns = 0
        self._ended = True
        self._queue: Bound | None = None

    def bind(self, queue: Bound) -> None:
        """A new stretch has this queue; the one before is cut off or closed already."""
        with self._lock:
            if not self._needed:
                return
            self._queue = queue
            if self._ended:
                queue.forbid(self._until_ns)
            else:
                queue.permit_until(self._until_ns)

    def hear(self, word: GuardWord) -> None:
        """One word of the guard, in its order."""
        match word:
            case GuardSaid(permit=True):
                self._extend(FOR_EVER_NS if word.lease_ns is None else word.boottime_ns + word.lease_ns)
            case GuardSaid():
                self._end(min(word.since_ns, word.boottime_ns))
            case GuardLost():
                self._end(word.since_ns)
            case Leased():
                self._renew(word.until_ns)
            case GuardBack():
                pass  # its word follows

    @property
    def given(self) -> bool:
        """Whether capture is permitted as far as is known."""
        with self._lock:
            return not self._needed or not self._ended

    def _extend(self, until_ns: int) -> None:
        with self._lock:
            self._until_ns, self._ended = until_ns, False
            if self._queue is not None:
                self._queue.permit_until(until_ns)

    def _renew(self, until_ns: int) -> None:
        """The last word again: a permit lasts longer, and what is forbidden stays so."""
        if not self._ended:
            self._extend(until_ns)

    def _end(self, at_ns: int) -> None:
        with self._lock:
            if self._ended:
                return
            self._until_ns, self._ended = at_ns, True
            if self._queue is not None:
                self._queue.forbid(at_ns)
