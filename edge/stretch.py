"""One unbroken stretch of capture: its queue and its WRITER, made new whenever the room may be recorded again.

A session is one stretch after another. Each has a queue of its own, so that a packet that comes late from a source that
was told to stop finds its own queue closed and can never be written into what follows: what the law forbids to record
does not wait anywhere. CONTROL's thread begins and ends stretches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge.packet_queue import PacketQueue
from edge.ports import HardwareFault, Stream
from edge.writer import Resumption, Writer
from liuhen.registry import EndCause

Unstarted = tuple[tuple[Stream, HardwareFault], ...]
"""The sources that did not start, each with what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """See the module."""

    packets: PacketQueue
    writer: Writer


class Conductor(Protocol):
    """Whoever turns the sources and WRITER, in threads or in virtual time. CONTROL's thread calls."""

    def begin(self, stretch: Stretch, go_on_from: Callable[[Unstarted], Resumption]) -> None:
        """Start the sources, then WRITER where `go_on_from` says. Never raises HardwareFault."""

    def end(self, stretch: Stretch, cause: EndCause, at_ns: int | None) -> None:
        """Stop the sources and close the queue; WRITER writes what is in it, ends its segment and posts `WriterEnded`.

        With `at_ns` the queue is cut off there first, before any source is asked to stop.
        """


class Stretches:
    """The newest stretch, which stays readable after its end, and whoever conducts it."""

    def __init__(self, make: Callable[[], Stretch]) -> None:
        """Make the first one; nothing runs yet."""
        self._make = make
        self.newest = make()
        self.conductor: Conductor | None = None

    def begin(self, go_on_from: Callable[[Unstarted], Resumption]) -> None:
        """Start a new stretch."""
        self.newest = self._make()
        self._conductor().begin(self.newest, go_on_from)

    def end(self, cause: EndCause, at_ns: int | None) -> None:
        """End the newest."""
        self._conductor().end(self.newest, cause, at_ns)

    def _conductor(self) -> Conductor:
        if self.conductor is None:
            raise LookupError("nobody conducts this session's sources")
        return self.conductor
