"""A library call with a limit: libcamera and PortAudio can block for ever, the recorder's CONTROL thread must not.

Each call runs on a daemon thread of its own. One that outlives its limit keeps that thread until it returns or the
process ends (Python cannot end it); what it then still brings is thrown away on its own thread. `StuckCalls` counts
those, so that trying again beside them stays bounded too.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from edge.ports import HardwareFault

STUCK_AT_MOST = 3
"""Calls of one device that may be stuck at once; each holds a thread. More are refused without being tried."""

Result = TypeVar("Result")


class LimitExceeded(Exception):
    """The work was still running when its limit had passed; `running` says whether it still is."""

    def __init__(self, what: str, thread: threading.Thread) -> None:
        """Keep the thread that is still at work."""
        super().__init__(what)
        self._thread = thread

    @property
    def running(self) -> bool:
        """Whether the work has still not returned."""
        return self._thread.is_alive()


class _Attempt(Generic[Result]):
    """One call on its thread; whoever is second of caller and work learns it from the flag of the first."""

    def __init__(self, work: Callable[[], Result], too_late: Callable[[Result], object] | None) -> None:
        self._work = work
        self._too_late = too_late
        self._lock = threading.Lock()
        self._given_up = False
        self.results: list[Result] = []
        self.failures: list[Exception] = []

    def run(self) -> None:
        try:
            result = self._work()
        except Exception as failure:  # noqa: BLE001 - the top of a thread; raised again in the caller
            self.failures.append(failure)
            return
        with self._lock:
            self.results.append(result)
            unwanted = self._given_up
        if unwanted and self._too_late is not None:
            with contextlib.suppress(Exception):  # nobody is left to be told; the device stays as it is
                self._too_late(result)

    def give_up(self) -> bool:
        """Stop waiting; False where the result came in this very moment after all."""
        with self._lock:
            self._given_up = not self.results
            return self._given_up


def run_within(
    limit_seconds: float,
    name: str,
    work: Callable[[], Result],
    too_late: Callable[[Result], object] | None = None,
) -> Result:
    """Run `work` and return what it returned; raises LimitExceeded, or whatever `work` raised.

    A result that comes after the limit goes to `too_late`, on the work's thread: what was claimed is given back there.
    """
    attempt = _Attempt(work, too_late)
    thread = threading.Thread(target=attempt.run, name=name, daemon=True)
    thread.start()
    thread.join(limit_seconds)
    if thread.is_alive() and attempt.give_up():
        raise LimitExceeded(f"{name} took longer than {limit_seconds:g} s", thread)
    if attempt.failures:
        raise attempt.failures[0]
    return attempt.results[0]


class StuckCalls:
    """The calls of one device that have not come back."""

    def __init__(self) -> None:
        """Start with none."""
        self._calls: list[LimitExceeded] = []

    def add(self, call: LimitExceeded) -> None:
        """Count one more."""
        self._calls.append(call)

    @property
    def words(self) -> str:
        """What is stuck, empty when nothing is any more."""
        self._calls = [call for call in self._calls if call.running]
        return "; ".join(map(str, self._calls))

    @property
    def too_many(self) -> bool:
        """Whether nothing more should be tried before one of them returns."""
        return bool(self.words) and len(self._calls) >= STUCK_AT_MOST


class DeviceCalls:
    """Every call into the library of one device: within a limit, and whatever it raises in the words of the device."""

    def __init__(
        self,
        *,
        translate: Callable[[Exception], HardwareFault],
        stuck_fault: Callable[[str], HardwareFault],
        leave_behind: Callable[[], object],
    ) -> None:
        """`leave_behind` gives up what a call that has just passed its limit may still hold."""
        self.stuck = StuckCalls()
        self._translate = translate
        self._stuck_fault = stuck_fault
        self._leave_behind = leave_behind

    def run(
        self,
        limit_seconds: float,
        name: str,
        work: Callable[[], Result],
        too_late: Callable[[Result], object] | None = None,
    ) -> Result:
        """As `run_within`. Raises HardwareFault alone."""
        if self.stuck.too_many:
            raise self._stuck_fault(self.stuck.words)
        try:
            return run_within(limit_seconds, name, work, too_late)
        except LimitExceeded as failure:
            self.stuck.add(failure)
            self._leave_behind()
            raise self._stuck_fault(str(failure)) from failure
        except Exception as failure:
            fault = self._translate(failure)
            if self.stuck.words:
                fault = self._stuck_fault(f"{self.stuck.words}; {fault.what}")
            raise fault from failure
