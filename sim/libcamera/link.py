"""The stand-in's connection to the sensor in the world process.

Owns one socket and one reader thread, from `acquire` to `release`. The thread alone receives; it hands completed frames
to the camera and answers to whoever asked, and when the sensor is gone it says so once and ends.
"""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from sim.sensor import (
    WIRE_VERSION,
    Acquire,
    Answer,
    Completed,
    Hello,
    Message,
    Queue,
    Start,
    Stop,
    Welcome,
    Wire,
    WireFault,
)

HANDSHAKE_LIMIT_SECONDS = 5.0
ANSWER_LIMIT_SECONDS = 60.0


def probe(path: Path) -> Welcome | None:
    """Return what the sensor behind this socket is, or None when no sensor answers."""
    try:
        wire, welcome = _greet(path)
    except (OSError, WireFault):
        return None
    wire.close()
    return welcome


def failure(number: int, what: str) -> RuntimeError:
    """Return the exception libcamera's binding raises for a negative error number."""
    return RuntimeError(f"{what}: {os.strerror(number)}")


class SensorLink:
    """A held camera. `on_frame` and `on_lost` run on the reader thread; `on_lost` runs at most once."""

    def __init__(self, path: Path, *, on_frame: Callable[[Completed], None], on_lost: Callable[[], None]) -> None:
        """Connect and claim the camera; raises RuntimeError when it is absent or held by somebody else."""
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._answers: queue.Queue[int] = queue.Queue(maxsize=4)
        self._lost = threading.Event()
        self._wire = _claim(path)
        self._reader = threading.Thread(target=self._read, name="sim-sensor-link", daemon=True)
        self._reader.start()

    @property
    def lost(self) -> bool:
        """Whether the sensor is gone."""
        return self._lost.is_set()

    def tell(self, message: Message, descriptor: int | None = None) -> None:
        """Send without waiting for an answer; a sensor that is gone is noticed by the reader."""
        try:
            self._wire.send(message, descriptor)
        except OSError:
            self._wire.hang_up()

    def ask(self, message: Start | Stop) -> int:
        """Send and return the answer: 0 or an errno, ENODEV once the sensor is gone, ETIMEDOUT after the limit."""
        if self.lost:
            return errno.ENODEV
        self.tell(message)
        try:
            return self._answers.get(timeout=ANSWER_LIMIT_SECONDS)
        except queue.Empty:
            self._wire.hang_up()  # an answer that came later would be taken for that to the next question
            return errno.ETIMEDOUT

    def close(self) -> None:
        """Let go of the camera and end the reader thread."""
        self._wire.hang_up()
        self._reader.join(HANDSHAKE_LIMIT_SECONDS)
        self._wire.close()

    def _read(self) -> None:
        try:
            while (received := self._wire.receive()) is not None:
                self._take(received[0])
        except (OSError, WireFault, queue.Full):
            self._wire.hang_up()
        self._lost.set()
        with contextlib.suppress(queue.Full):  # full of answers nobody asked for: whoever asks gets one of those
            self._answers.put_nowait(errno.ENODEV)
        self._on_lost()

    def _take(self, message: Message) -> None:
        match message:
            case Completed():
                self._on_frame(message)
            case Answer(errno=number):
                self._answers.put_nowait(number)
            case Queue() | Start() | Stop() | Hello() | Acquire() | Welcome() | _:
                raise WireFault(f"the sensor sent {type(message).__name__}")


def _greet(path: Path) -> tuple[Wire, Welcome]:
    wire = Wire.connect(path, HANDSHAKE_LIMIT_SECONDS)
    try:
        wire.send(Hello(version=WIRE_VERSION))
        received = wire.receive()
        if received is None or not isinstance(received[0], Welcome):
            raise WireFault("the sensor does not greet")
    except (OSError, WireFault):
        wire.close()
        raise
    return wire, received[0]


def _claim(path: Path) -> Wire:
    try:
        wire, _ = _greet(path)
    except (OSError, WireFault) as fault:
        raise failure(errno.ENODEV, "Failed to acquire camera") from fault
    try:
        wire.send(Acquire())
        received = wire.receive()
    except (OSError, WireFault) as fault:
        wire.close()
        raise failure(errno.ENODEV, "Failed to acquire camera") from fault
    number = received[0].errno if received is not None and isinstance(received[0], Answer) else errno.ENODEV
    if number:
        wire.close()
        raise failure(number, "Failed to acquire camera")
    wire.wait_without_limit()
    return wire
