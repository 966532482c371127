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


class Capture(Protocol):
    """Whoever conducts the sources and WRITER, in threads or in virtual time. CONTROL's thread calls.

    `stretch` is the newest one; it stays readable after its end.
    """

    stretch: Stretch

    def begin(self, go_on_from: Callable[[Unstarted], Resumption]) -> None:
        """Start a new stretch: sources first, then WRITER where `go_on_from` says. Never raises HardwareFault."""

    def end(self, cause: EndCause, at_ns: int | None) -> None:
        """Stop the sources and close the queue; WRITER writes what is in it, ends its segment and posts `WriterEnded`.

        With `at_ns` the queue is cut off there first, before any source is asked to stop.
        """

    def revive(self, stream: Stream) -> None:
        """Start one source again, into the running stretch. Raises HardwareFault."""
