"""A room in real time behind the ports, some times faster than ours, whose sources count in memory that survives them.

The recorder above it is the real one with its real threads. Time is CLOCK_BOOTTIME times a factor, so that segments end
within seconds; every run of one loop is in the same boot.
"""

from __future__ import annotations

import mmap
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edge.ports import ClockReading, Deliver, Hardware, PictureFormat, SoundFormat, SourceOrigin, SyncState
from tests.edge.ports_room import BLOCK_NS, BOOT_ID, FRAME_NS, START_NS, UTC_MS, RoomCamera, RoomMicrophone

FASTER = 4
SLOT_BYTES = 8


class Counters:
    """Numbers in shared memory: what a killed process had counted is still there."""

    NAMES = ("frames", "blocks")

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, SLOT_BYTES * len(self.NAMES))

    def get(self, name: str) -> int:
        at = SLOT_BYTES * self.NAMES.index(name)
        return int.from_bytes(self._memory[at : at + SLOT_BYTES], "big")

    def put(self, name: str, value: int) -> None:
        at = SLOT_BYTES * self.NAMES.index(name)
        self._memory[at : at + SLOT_BYTES] = value.to_bytes(SLOT_BYTES, "big")

    def clear(self) -> None:
        for name in self.NAMES:
            self.put(name, 0)


@dataclass(slots=True, kw_only=True)
class LiveClock:
    """CLOCK_BOOTTIME, faster (implements `edge.ports.Clock`)."""

    zero_ns: int
    boot_id: bytes = BOOT_ID

    def boottime_ns(self) -> int:
        return START_NS + FASTER * (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - self.zero_ns)

    def read(self) -> ClockReading:
        now_ns = self.boottime_ns()
        utc_ms = UTC_MS + (now_ns - START_NS) // 1_000_000
        return ClockReading(utc_ms=utc_ms, boottime_ns=now_ns, sync=SyncState.SYNCHRONISED, error_ms=5)


class _Ticking:
    """A thread that does something at every multiple of a period."""

    def __init__(self, clock: LiveClock, period_ns: int, tick: Callable[[int], None]) -> None:
        self._clock = clock
        self._period_ns = period_ns
        self._tick = tick
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        due_ns = self._clock.boottime_ns() + self._period_ns
        while not self._over.wait(max(0, due_ns - self._clock.boottime_ns()) / FASTER / 1e9):
            self._tick(due_ns)
            due_ns += self._period_ns


class LiveCamera:
    """Prepared pictures at their times (implements `edge.ports.Camera`)."""

    def __init__(self, clock: LiveClock, counters: Counters) -> None:
        self._room = RoomCamera()
        self._counters = counters
        self._ticking = _Ticking(clock, FRAME_NS, self._frame)

    def open(self) -> PictureFormat:
        return self._room.open()

    def start(self, deliver: Deliver, caption: str) -> None:
        self._room.start(deliver, caption)
        self._ticking.start()

    def force_keyframe(self) -> None:
        self._room.force_keyframe()

    def ease(self, eased: bool) -> None:
        self._room.ease(eased)

    def stop(self, limit_seconds: float) -> None:
        self._ticking.stop()
        self._room.stop(limit_seconds)

    def origin(self) -> tuple[SourceOrigin, ...]:
        return self._room.origin()

    def _frame(self, due_ns: int) -> None:
        self._room.take(due_ns, 0)
        self._counters.put("frames", self._room.sent)


class LiveMicrophone:
    """Prepared sound at its times (implements `edge.ports.Microphone`)."""

    def __init__(self, clock: LiveClock, counters: Counters) -> None:
        self._room = RoomMicrophone()
        self._counters = counters
        self._ticking = _Ticking(clock, BLOCK_NS, self._block)

    def format(self) -> SoundFormat:
        return self._room.format()

    def open(self) -> SoundFormat:
        return self._room.open()

    def start(self, deliver: Deliver) -> None:
        self._room.start(deliver)
        self._ticking.start()

    def stop(self, limit_seconds: float) -> None:
        self._ticking.stop()
        self._room.stop(limit_seconds)

    def origin(self) -> tuple[SourceOrigin, ...]:
        return self._room.origin()

    def _block(self, due_ns: int) -> None:
        self._room.take(due_ns)
        self._counters.put("blocks", self._room.sent)


def hardware(clock: LiveClock, counters: Counters) -> Hardware:
    """The room's devices, for one run."""
    return Hardware(camera=LiveCamera(clock, counters), microphone=LiveMicrophone(clock, counters), clock=clock)
