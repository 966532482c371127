"""Watches a running camera: measures its small pictures twice a second and notices when no picture comes any more.

Owns the thread "picture-watch" from `start` to `stop`. The event thread of picamera2 leaves a copy of a small picture
now and then (`offer`) and never waits: no request is held, so no buffer is missing at the sensor. Touches no disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from drivers.gate import Gate
from drivers.measures import Zones, measure_picture
from edge.ports import Clock, SourceLost, Stream

FIRST_PICTURE_SECONDS = 3.0
"""A sensor may take this long to deliver at all (exposure and white balance settle first)."""

SILENCE_SECONDS = 1.0
LOOK_SECONDS = 0.1


class PictureWatch:
    """Delivers PictureMeasures, and one SourceLost after `SILENCE_SECONDS` without an encoded picture."""

    def __init__(self, gate: Gate, clock: Clock, explain: Callable[[], str], zones: Zones = ()) -> None:
        """`zones` are measured by themselves in each small picture."""
        self._zones = zones
        self._gate = gate
        self._clock = clock
        self._explain = explain
        self._offered: tuple[NDArray[np.uint8], int] | None = None
        self._something = threading.Event()
        self._ending = False
        self._thread = threading.Thread(target=self._watch, name="picture-watch", daemon=True)
        self._due_ns = 0

    def start(self) -> None:
        """Start watching; the first picture has `FIRST_PICTURE_SECONDS`."""
        self._due_ns = self._clock.boottime_ns() + int(FIRST_PICTURE_SECONDS * 1e9)
        self._thread.start()

    def saw_frame(self) -> None:
        """Note that an encoded picture came; any thread, never blocks."""
        self._due_ns = self._clock.boottime_ns() + int(SILENCE_SECONDS * 1e9)

    def offer(self, luma: NDArray[np.uint8], boottime_ns: int) -> None:
        """Leave a small picture (the watch keeps it); an unseen one before it is replaced. Never blocks."""
        self._offered = (luma, boottime_ns)
        self._something.set()

    def stop(self, limit_seconds: float) -> None:
        """End the thread; it waits for nothing longer than `LOOK_SECONDS`."""
        self._ending = True
        self._something.set()
        if self._thread.ident is not None:
            self._thread.join(limit_seconds)

    def _watch(self) -> None:
        previous: NDArray[np.uint8] | None = None
        while not self._ending and not self._is_lost():
            if not self._something.wait(LOOK_SECONDS):
                continue
            self._something.clear()
            offered, self._offered = self._offered, None
            if offered is None:
                continue
            luma, boottime_ns = offered
            if previous is not None:
                self._gate.deliver(measure_picture(luma, previous, boottime_ns=boottime_ns, zones=self._zones))
            previous = luma

    def _is_lost(self) -> bool:
        now_ns = self._clock.boottime_ns()
        if now_ns <= self._due_ns:
            return False
        what = self._explain() or f"no picture for {SILENCE_SECONDS:g} s"
        self._gate.deliver(SourceLost(stream=Stream.PICTURE, boottime_ns=now_ns, what=what))
        return True
