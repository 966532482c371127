"""Time that passes only when told, and a room's wall clock that can be set wrong.

Owns nothing but numbers; one thread moves it and reads it. The boot's identity follows from a seed, so that a scenario
is the same every time it is played.
"""

from __future__ import annotations

import hashlib

from edge.ports import ClockReading, SyncState
from sim.imager import NS_PER_MS, Moment

BOOT_ID_BYTES = 16


class VirtualClock:
    """Implements `edge.ports.Clock`; `since` is the first reading."""

    def __init__(self, since: Moment, seed: int) -> None:
        """Stand still at `since`, synchronised."""
        self.boot_id = hashlib.sha256(f"virtual boot {seed}".encode()).digest()[:BOOT_ID_BYTES]
        self._now_ns = since.boottime_ns
        self._utc_at_boot_ms = since.utc_ms - since.boottime_ns // NS_PER_MS
        self._sync = SyncState.SYNCHRONISED
        self._error_ms = 10

    def read(self) -> ClockReading:
        """Both clocks now."""
        return ClockReading(
            utc_ms=self._utc_at_boot_ms + self._now_ns // NS_PER_MS,
            boottime_ns=self._now_ns,
            sync=self._sync,
            error_ms=self._error_ms,
        )

    def boottime_ns(self) -> int:
        """CLOCK_BOOTTIME now."""
        return self._now_ns

    def move_to(self, boottime_ns: int) -> None:
        """Let time pass; a moment that is over already changes nothing."""
        self._now_ns = max(self._now_ns, boottime_ns)

    def step(self, milliseconds: int) -> None:
        """Set the wall clock forward or back; BOOTTIME does not follow."""
        self._utc_at_boot_ms += milliseconds

    def believe(self, sync: SyncState, error_ms: int) -> None:
        """Change what the kernel says of UTC."""
        self._sync = sync
        self._error_ms = error_ms
