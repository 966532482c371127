"""Starts a lost source again on a thread of its own: a driver may need all of its limits, and CONTROL waits for nobody.

Owns one thread for each restart, which ends within the driver's limits; whoever conducts a session ends the reviver
before it stops the sources. What came of a restart is posted to CONTROL, which alone tells and decides.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from edge.ports import Clock, FaultKind, HardwareFault, Stream

STOP_SECONDS = 5.0
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source of a session. Both may raise HardwareFault, and nothing else."""

    stop: Callable[[float], None]
    start: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revived:
    """What came of one restart: `fault` is None where the source runs again.

    `hung_ms` is how long the old one was waited for where it did not stop (SOURCE_STOP_HUNG), else None.
    """

    stream: Stream
    attempt: int
    hung_ms: int | None
    fault: HardwareFault | None

    @property
    def stuck(self) -> bool:
        """Whether a library never answered: the ladder then climbs sooner."""
        return self.hung_ms is not None or (self.fault is not None and self.fault.kind is FaultKind.STUCK)


class Revive(Protocol):
    """Whoever starts a lost source again. CONTROL calls; what came of it is posted as `Revived`."""

    def begin(self, stream: Stream, attempt: int) -> bool:
        """Start a restart; False where none was begun."""

    def settle(self, limit_seconds: float) -> frozenset[Stream]:
        """Wait for what is at work; returns the streams whose drivers must be left alone."""

    def end(self, limit_seconds: float) -> frozenset[Stream]:
        """Begin nothing more, and `settle`."""


class ReviverAtOnce:
    """Restarts on the caller's thread, for a room in which nothing takes time (implements `Revive`)."""

    def __init__(self, sources: Mapping[Stream, Source], post: Callable[[Revived], None], clock: Clock) -> None:
        """As `Reviver`."""
        self._sources = sources
        self._post = post
        self._clock = clock

    def begin(self, stream: Stream, attempt: int) -> bool:
        """Restart it now."""
        source = self._sources.get(stream)
        if source is not None:
            self._post(restart(stream, source, attempt, self._clock))
        return source is not None

    def settle(self, _limit_seconds: float) -> frozenset[Stream]:
        """Nothing is ever at work."""
        return frozenset()

    def end(self, _limit_seconds: float) -> frozenset[Stream]:
        """The same."""
        return frozenset()


class Reviver:
    """CONTROL calls; `post` is called on the restart's thread and returns at once."""

    def __init__(self, sources: Mapping[Stream, Source], post: Callable[[Revived], None], clock: Clock) -> None:
        """Nothing runs before `begin`."""
        self._sources = sources
        self._post = post
        self._clock = clock
        self._ended = False
        self._at_work: dict[Stream, threading.Thread] = {}

    def begin(self, stream: Stream, attempt: int) -> bool:
        """Start a restart; False where there is no such source, one is at work on it already, or all is ended."""
        source, before = self._sources.get(stream), self._at_work.get(stream)
        if self._ended or source is None or (before is not None and before.is_alive()):
            return False
        thread = threading.Thread(
            target=self._restart, args=(stream, source, attempt), name=f"REVIVE-{stream.name}", daemon=True
        )
        self._at_work[stream] = thread
        thread.start()
        return True

    def settle(self, limit_seconds: float) -> frozenset[Stream]:
        """Wait for what is at work; returns the streams whose drivers must be left alone now."""
        deadline_ns = self._clock.boottime_ns() + int(limit_seconds * 1e9)
        for thread in self._at_work.values():
            thread.join(max(0.0, (deadline_ns - self._clock.boottime_ns()) / 1e9))
        return frozenset(stream for stream, thread in self._at_work.items() if thread.is_alive())

    def end(self, limit_seconds: float) -> frozenset[Stream]:
        """Begin nothing more, and `settle`."""
        self._ended = True
        return self.settle(limit_seconds)

    def _restart(self, stream: Stream, source: Source, attempt: int) -> None:
        self._post(restart(stream, source, attempt, self._clock))


def restart(stream: Stream, source: Source, attempt: int, clock: Clock) -> Revived:
    """Stop what is left of a source and start a fresh one; what came of it."""
    hung_ms = _stopped(source, clock)
    fault: HardwareFault | None = None
    try:
        source.start()
    except HardwareFault as refused:
        fault = refused
    return Revived(stream=stream, attempt=attempt, hung_ms=hung_ms, fault=fault)


def _stopped(source: Source, clock: Clock) -> int | None:
    """Stop what is left of it; how long that was waited for in vain, or None. A fresh one is tried all the same."""
    began_ns = clock.boottime_ns()
    try:
        source.stop(STOP_SECONDS)
    except HardwareFault as fault:
        if fault.kind is FaultKind.STUCK:
            return (clock.boottime_ns() - began_ns) // NS_PER_MS
    return None
