"""The gate between a library's threads and the recorder: once a source is lost, nothing more of it comes through.

Owns no thread. Library threads and the driver's own thread call it; its lock is held only while `deliver` runs, which
by contract returns at once. Touches no disk.
"""

from __future__ import annotations

import threading

from edge.ports import Deliver, Delivered, SourceLost


class Gate:
    """Passes deliveries until a SourceLost has passed or the gate was closed; a SourceLost passes at most once."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._lock = threading.Lock()
        self._open = True

    def deliver(self, delivered: Delivered) -> bool:
        """Hand over one value; False when the gate was already shut and the value went nowhere."""
        with self._lock:
            if not self._open:
                return False
            if isinstance(delivered, SourceLost):
                self._open = False
            self._deliver(delivered)
            return True

    def close(self) -> None:
        """Let nothing more through; returns after a delivery in progress."""
        with self._lock:
            self._open = False
