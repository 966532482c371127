"""One thread for one device: asks it again and again, keeps the newest outcome, and carries out orders in between.

Owns its thread. A device call that never returns holds up this thread and nothing else; whoever takes the outcomes sees
that none come. `stop` waits a limited time and leaves such a thread behind as a daemon: Python cannot end it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from edge.ports import FaultKind, HardwareFault

Sample = TypeVar("Sample")
Order = Callable[[], None]


class Poller(Generic[Sample]):
    """Reads one device at an interval. `take` and `order` may be called from another thread than the poller's."""

    def __init__(
        self, name: str, read: Callable[[], Sample], interval_seconds: float, wake: Callable[[], None]
    ) -> None:
        """`wake` is called after each outcome, on the poller's thread; it must return at once."""
        self._read = read
        self._interval_seconds = interval_seconds
        self._wake = wake
        self._lock = threading.Lock()
        self._ring = threading.Event()
        self._ending = False
        self._newest: Sample | HardwareFault | None = None
        self._order: Order | None = None
        self._ordered: HardwareFault | bool | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin asking."""
        self._thread.start()

    def take(self) -> Sample | HardwareFault | None:
        """The newest outcome that was not taken yet, or None."""
        with self._lock:
            newest, self._newest = self._newest, None
            return newest

    def order(self, work: Order) -> None:
        """Have `work` done before the next question; an order that has not begun gives way to a newer one."""
        with self._lock:
            self._order, self._ordered = work, None
        self._ring.set()

    def take_ordered(self) -> HardwareFault | bool | None:
        """What became of the newest order, once: True when it was done, the fault that stopped it, or None."""
        with self._lock:
            ordered, self._ordered = self._ordered, None
            return ordered

    def stop(self, limit_seconds: float) -> bool:
        """Ask the thread to end; False where it has not within the limit, being held up by its device."""
        self._ending = True
        self._ring.set()
        self._thread.join(limit_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._ending:
            self._obey()
            outcome = self._asked(self._read)
            with self._lock:
                self._newest = outcome
            self._wake()
            if self._ring.wait(self._interval_seconds):
                self._ring.clear()

    def _obey(self) -> None:
        with self._lock:
            work, self._order = self._order, None
        if work is None:
            return
        outcome = self._asked(work)
        with self._lock:
            if self._order is None:
                self._ordered = outcome if isinstance(outcome, HardwareFault) else True
        self._wake()

    def _asked(self, work: Callable[[], Sample | None]) -> Sample | HardwareFault | None:
        try:
            return work()
        except HardwareFault as fault:
            return fault
        except Exception as bug:  # noqa: BLE001 - the top of a thread: a bug in a driver is told as its device's fault
            return HardwareFault(
                device=self._thread.name,
                what=f"{type(bug).__name__}: {bug}",
                remedy_zh="程序内部错误，请把这一行交给维护人员。",
                remedy_en="An error inside the program; give this line to whoever maintains it.",
                kind=FaultKind.OTHER,
            )
