"""The world's loop: sensor wire, levers, the parent's life line and signals, all on one thread.

Owns both sockets and runs until its parent's end of stdin closes or SIGTERM comes. The sound device has threads of its
own (`sim/pulse.py`); its levers are pulled from here and hold the loop for as long as the sound server takes.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sim.imager import NS_PER_MS, Imager, Moment, SensorMode
from sim.lever_port import Board, LeverPort
from sim.levers import LeverStuck, Verb
from sim.optics import Optics, View
from sim.pulse import PulseSource, PulseUnavailable
from sim.sensor_port import SensorPort
from sim.truth import Witness

NS_PER_SECOND = 1_000_000_000
READ_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Props:
    """What a stage is set with; `sound` is absent in a world without a microphone."""

    sensor_path: Path
    control_path: Path
    mode: SensorMode
    optics: Optics
    witness: Witness
    sound: PulseSource | None


class Stage:
    """The world while it runs."""

    def __init__(self, props: Props) -> None:
        """Open both sockets; raises DoorwayTaken or OSError."""
        self._selector = selectors.DefaultSelector()
        self._imager = Imager(mode=props.mode, scene=props.optics, witness=props.witness)
        self._sensor = SensorPort(
            selector=self._selector, path=props.sensor_path, mode=props.mode, imager=self._imager, now=read_clocks
        )
        self._levers = LeverPort(
            selector=self._selector,
            path=props.control_path,
            board=self._board(props.optics, props.sound),
            tally=self._imager.tally,
        )
        self._ending = False

    def run(self, life_line: IO[bytes], on_ready: Callable[[], None]) -> None:
        """Run until the life line closes or SIGTERM asks for the end; `on_ready` is called once both are heeded."""
        with self._end_on_signal(), self._end_with(life_line):
            on_ready()
            while not self._ending:
                for key, _ in self._selector.select(self._wait_seconds()):
                    key.data()
                self._sensor.tick()
                self._levers.tick()

    def close(self) -> None:
        """End all connections and remove both sockets."""
        self._levers.close()
        self._sensor.close()
        self._selector.close()

    def _wait_seconds(self) -> float | None:
        due_ns = self._imager.next_ns()
        if due_ns is None:
            return None
        return max(0.0, (due_ns - read_clocks().boottime_ns) / NS_PER_SECOND)

    def _end(self) -> None:
        self._ending = True

    @contextmanager
    def _end_on_signal(self) -> Iterator[None]:
        reading, writing = socket.socketpair()
        writing.setblocking(False)
        signal.signal(signal.SIGTERM, lambda *_: self._end())
        signal.set_wakeup_fd(writing.fileno())
        self._selector.register(reading, selectors.EVENT_READ, self._end)
        try:
            yield
        finally:
            self._selector.unregister(reading)
            signal.set_wakeup_fd(-1)
            reading.close()
            writing.close()

    @contextmanager
    def _end_with(self, life_line: IO[bytes]) -> Iterator[None]:
        def listen() -> None:
            if not os.read(life_line.fileno(), READ_BYTES):
                self._end()

        self._selector.register(life_line, selectors.EVENT_READ, listen)
        try:
            yield
        finally:
            self._selector.unregister(life_line)

    def _board(self, optics: Optics, sound: PulseSource | None) -> Board:
        imager, sensor = self._imager, self._sensor
        board: dict[Verb, Callable[[int], None]] = {
            Verb.STALL: lambda _: imager.stall(True),
            Verb.RESUME: lambda _: imager.stall(False),
            Verb.DAMAGE: imager.damage,
            Verb.JUMP: imager.offset_timestamps,
            Verb.VANISH: lambda _: sensor.vanish(),
            Verb.RETURN: lambda _: sensor.come_back(),
            Verb.REFUSE_START: sensor.refuse_start,
            Verb.HANG_STOP: lambda _: sensor.hang_stop(),
            Verb.ANSWER_STOP: lambda _: sensor.answer_stop(),
            Verb.SEE_ROOM: lambda _: optics.look(View.ROOM),
            Verb.SEE_DARK: lambda _: optics.look(View.DARK),
            Verb.SEE_COVERED: lambda _: optics.look(View.COVERED),
            Verb.SEE_FROZEN: lambda _: optics.look(View.FROZEN),
            Verb.SEE_NOISE: lambda _: optics.look(View.NOISE),
        }
        return board if sound is None else {**board, **_sound_board(sound)}


def read_clocks() -> Moment:
    """Read CLOCK_BOOTTIME and UTC together."""
    return Moment(boottime_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME), utc_ms=time.time_ns() // NS_PER_MS)


def _sound_board(sound: PulseSource) -> Board:
    def plugging(action: Callable[[], None]) -> Callable[[int], None]:
        def pull(_: int) -> None:
            try:
                action()
            except PulseUnavailable as trouble:
                raise LeverStuck(str(trouble)) from trouble

        return pull

    return {
        Verb.SOUND_STOP: lambda _: sound.freeze(),
        Verb.SOUND_CONTINUE: lambda _: sound.thaw(),
        Verb.SOUND_ZERO: lambda _: sound.zero(True),
        Verb.SOUND_REAL: lambda _: sound.zero(False),
        Verb.SOUND_UNPLUG: plugging(sound.unplug),
        Verb.SOUND_REPLUG: plugging(sound.replug),
    }
