"""When a disk is slow enough to be told: one episode from its first slow write to a row of quick ones.

Pure. WRITER has one for a session and asks it after every write with its flush.
"""

from __future__ import annotations

from dataclasses import dataclass

QUICK_WRITES_IN_A_ROW = 10
"""Five seconds of fragments: a disk that stutters is one episode, not many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSlow:
    """A write with its flush took this long; the first of an episode."""

    milliseconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSlowEnded:
    """The episode is over: its longest write, and how many were slow."""

    longest_milliseconds: int
    writes: int


class DiskPace:
    """See the module."""

    def __init__(self, limit_ns: int) -> None:
        """Outside an episode; a write that takes longer than `limit_ns` is slow."""
        self._limit_ns = limit_ns
        self._longest_ns = 0
        self._slow = 0
        self._quick = 0

    def after(self, took_ns: int) -> StorageSlow | StorageSlowEnded | None:
        """What there is to tell after a write that took so long."""
        if took_ns > self._limit_ns:
            self._slow, self._quick = self._slow + 1, 0
            self._longest_ns = max(self._longest_ns, took_ns)
            return StorageSlow(milliseconds=took_ns // 1_000_000) if self._slow == 1 else None
        if not self._slow:
            return None
        self._quick += 1
        if self._quick < QUICK_WRITES_IN_A_ROW:
            return None
        ended = StorageSlowEnded(longest_milliseconds=self._longest_ns // 1_000_000, writes=self._slow)
        self._longest_ns = self._slow = self._quick = 0
        return ended
