"""The bounded queue between PortAudio's callback and the sound thread: it never blocks the callback, it counts instead.

Owns no thread: `put` is called by the callback alone, `take` by the sound thread alone. Touches no disk.
"""

from __future__ import annotations

import queue
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """PCM as the callback got it; `missed_samples` PCM frames are missing directly before it."""

    pcm: bytes
    samples: int
    arrival_boottime_ns: int
    missed_samples: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnded:
    """PortAudio says that the stream is over."""


class PcmQueue:
    """Holds at most `limit_samples` PCM frames; what comes beyond is dropped whole and counted exactly."""

    def __init__(self, limit_samples: int) -> None:
        """Start empty."""
        self._limit_samples = limit_samples
        self._items: queue.SimpleQueue[Block | StreamEnded] = queue.SimpleQueue()
        self._put_samples = 0  # each counter has one writer, so neither needs a lock
        self._taken_samples = 0
        self._dropped_samples = 0

    def put(self, pcm: bytes, samples: int, arrival_boottime_ns: int, missed_samples: int = 0) -> None:
        """Add one block, or count it as missed before the next one that finds room."""
        self._dropped_samples += missed_samples
        if self._put_samples - self._taken_samples + samples > self._limit_samples:
            self._dropped_samples += samples
            return
        missed, self._dropped_samples = self._dropped_samples, 0
        self._put_samples += samples
        self._items.put(Block(pcm=pcm, samples=samples, arrival_boottime_ns=arrival_boottime_ns, missed_samples=missed))

    def end(self) -> None:
        """Say that nothing more will come."""
        self._items.put(StreamEnded())

    def take(self, limit_seconds: float) -> Block | StreamEnded | None:
        """The next item, or None when none came within the limit."""
        try:
            item = self._items.get(timeout=limit_seconds)
        except queue.Empty:
            return None
        if isinstance(item, Block):
            self._taken_samples += item.samples
        return item
