"""A library call with a limit: libcamera and PortAudio can block for ever, the recorder's CONTROL thread must not.

Each call runs on a daemon thread of its own. A call that outlives its limit keeps that thread until the process ends
(Python cannot end it); the driver refuses further use until it has returned, and the process is to be started anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


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


def run_within(limit_seconds: float, name: str, work: Callable[[], None]) -> None:
    """Run `work` and return when it has; raises LimitExceeded, or whatever `work` raised."""
    failures: list[Exception] = []

    def attempt() -> None:
        try:
            work()
        except Exception as failure:  # noqa: BLE001 - the top of a thread; raised again in the caller below
            failures.append(failure)

    thread = threading.Thread(target=attempt, name=name, daemon=True)
    thread.start()
    thread.join(limit_seconds)
    if thread.is_alive():
        raise LimitExceeded(f"{name} took longer than {limit_seconds:g} s", thread)
    if failures:
        raise failures[0]
