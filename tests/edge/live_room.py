"""The real threads on prepared packets: `python -m tests.edge.live_room FOLDER SECONDS [CALL]` records in real time.

CONTROL, WRITER and STOP run as in a device, on the kernel's clock. With CALL ("fdatasync" or "write") WRITER's fourth
call of that name on a segment file never returns, as on a disk that does not answer.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from pathlib import Path

from drivers.system_clock import SystemClock
from edge.app import Start, conduct_threads
from edge.capture import ThreadedCapture
from edge.ports import Deliver, Hardware, PictureFormat, SoundFormat, SourceOrigin
from edge.terminal import record
from tests.edge.failing_calls import Failing, Fault, failing
from tests.edge.media import FLAC_FRAME_SAMPLES, RATE_HZ
from tests.edge.ports_room import BLOCK_NS, FRAME_NS, RoomCamera, RoomMicrophone, device

WRITER_LIMIT_SECONDS = 1.5


class Beat:
    """Calls `take` every `every_ns` in a thread of its own, with the BOOTTIME it is due at."""

    def __init__(self, every_ns: int, name: str) -> None:
        self._clock, self._every_ns, self._name = SystemClock(), every_ns, name
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, take: Deliver) -> None:
        self._over.clear()
        self._thread = threading.Thread(target=self._run, args=(take,), name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, take: Deliver) -> None:
        due_ns = self._clock.boottime_ns()
        while not self._over.wait(max(0, due_ns - self._clock.boottime_ns()) / 1e9):
            take(due_ns)  # type: ignore[arg-type]
            due_ns += self._every_ns


class LiveCamera:
    """Prepared pictures by the kernel's clock (implements `edge.ports.Camera`)."""

    def __init__(self) -> None:
        self._room, self._beat = RoomCamera(), Beat(FRAME_NS, "CAMERA")

    def open(self) -> PictureFormat:
        return self._room.open()

    def start(self, deliver: Deliver, caption: str) -> None:
        self._room.start(deliver, caption)
        self._beat.start(lambda due_ns: self._room.take(due_ns, 0))  # type: ignore[arg-type]

    def force_keyframe(self) -> None:
        self._room.force_keyframe()

    def ease(self, eased: bool) -> None:
        self._room.ease(eased)

    def stop(self, limit_seconds: float) -> None:
        self._beat.stop()
        self._room.stop(limit_seconds)

    def origin(self) -> tuple[SourceOrigin, ...]:
        return self._room.origin()


class LiveMicrophone:
    """Prepared sound by the kernel's clock (implements `edge.ports.Microphone`)."""

    def __init__(self) -> None:
        self._room, self._beat = RoomMicrophone(), Beat(BLOCK_NS, "MICROPHONE")

    def format(self) -> SoundFormat:
        return self._room.format()

    def open(self) -> SoundFormat:
        return self._room.open()

    def start(self, deliver: Deliver) -> None:
        self._room.start(deliver)
        self._beat.start(self._room.take)  # type: ignore[arg-type]

    def stop(self, limit_seconds: float) -> None:
        self._beat.stop()
        self._room.stop(limit_seconds)

    def origin(self) -> tuple[SourceOrigin, ...]:
        return self._room.origin()


def _never_return() -> None:
    threading.Event().wait()


def main() -> int:
    """Record; returns the recorder's exit code."""
    folder, seconds, calls = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    made = device(folder)
    LiveCamera()._room.take(0, 0)  # encode the pictures before the clock counts
    RoomMicrophone().open()
    assert BLOCK_NS == 10**9 * FLAC_FRAME_SAMPLES // RATE_HZ
    ThreadedCapture.writer_limit_seconds = WRITER_LIMIT_SECONDS
    hardware = Hardware(camera=LiveCamera(), microphone=LiveMicrophone(), clock=SystemClock())
    never = Failing(
        folders=(made.spool,),
        fault=Fault.STALL,
        at=3,
        chosen=lambda call, path: call in calls and path.endswith(".mp4"),
        stall=_never_return,
    )
    with failing(never) if calls else contextlib.nullcontext():
        return record(
            lambda terminal, stop: Start(
                config=made.config,
                hardware=hardware,
                watcher=terminal,
                stop=stop,
                conduct=conduct_threads,
                seconds=seconds,
            )
        )


if __name__ == "__main__":
    sys.exit(main())
