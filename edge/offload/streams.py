"""At most so many objects on their way at a time, each on a thread of this process; all are ended by `close`.

`begin`, `ended` and `close` are one thread's. A life ends within the limits the store was opened with, or at the next
piece of its body once the process stops.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge.offload.budget import Bucket, spend
from edge.offload.sender import Outcome, Stopping

LIMIT = 2
END_SECONDS = 45.0
"""Longer than a store waits for an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A life ended in an error that is none of the store's: the state's, or a bug."""

    number: int
    error: Exception


class Streams(Protocol):
    """Where lives are lived."""

    @property
    def under_way(self) -> tuple[int, ...]:
        """The numbers of the objects on their way."""

    def begin(self, number: int, life: Callable[[], Outcome]) -> None:
        """Live a life; there is room for it."""

    def ended(self) -> list[tuple[int, Outcome | Broken]]:
        """Number and outcome (or `Broken`) of each life that has ended since."""

    def close(self) -> bool:
        """End them all; False where one did not end within its limit."""


class ThreadStreams:
    """Implements Streams with threads of its own."""

    def __init__(self, wake: Callable[[], None], stopping: threading.Event) -> None:
        """`wake` is called when a life ends; lives look at `stopping`."""
        self._wake = wake
        self._stopping = stopping
        self._ended: queue.SimpleQueue[tuple[int, Outcome | Broken]] = queue.SimpleQueue()
        self._threads: dict[int, threading.Thread] = {}

    @property
    def under_way(self) -> tuple[int, ...]:
        """See Streams."""
        return tuple(self._threads)

    def begin(self, number: int, life: Callable[[], Outcome]) -> None:
        """See Streams."""
        thread = threading.Thread(target=self._live, args=(number, life), name=f"STREAM {number}", daemon=True)
        self._threads[number] = thread
        thread.start()

    def ended(self) -> list[tuple[int, Outcome | Broken]]:
        """See Streams."""
        found = []
        while not self._ended.empty():
            number, outcome = self._ended.get()
            self._threads.pop(number).join()
            found.append((number, outcome))
        return found

    def close(self) -> bool:
        """See Streams."""
        self._stopping.set()
        for thread in self._threads.values():
            thread.join(END_SECONDS)
        return not any(thread.is_alive() for thread in self._threads.values())

    def _live(self, number: int, life: Callable[[], Outcome]) -> None:
        outcome: Outcome | Broken
        try:
            outcome = life()
        except Exception as error:  # noqa: BLE001 - a thread's top: the program takes it up and says it
            outcome = Broken(number=number, error=error)
        self._ended.put((number, outcome))
        self._wake()


class BudgetPace:
    """Lets bytes through at the rate of the day (implements `edge.offload.sender.Pace`). Any thread may call."""

    def __init__(
        self, rate: Callable[[], int | None], boottime_ns: Callable[[], int], wait: Callable[[float], bool]
    ) -> None:
        """`rate` is bytes per second now; `wait` waits so many seconds, or answers True when the process stops."""
        self._rate = rate
        self._boottime_ns = boottime_ns
        self._wait = wait
        self._bucket = Bucket()
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """See Pace. Both directions count: a thin line is thin in both."""
        with self._lock:
            self._bucket, wait_ns = spend(self._bucket, self._rate(), self._boottime_ns(), size)
        if self._wait(wait_ns / 1e9):
            raise Stopping
