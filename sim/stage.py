"""The world's loop: sensor wire, levers, the parent's life line and signals, all on one thread.

Owns both sockets and runs until its parent's end of stdin closes or SIGTERM comes. The sound device has threads of its
own (`sim/pulse.py`); its levers are pulled from here and hold the loop for as long as the sound server takes.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from sim.imager import NS_PER_MS, Imager, Moment, SensorMode
from sim.lever_port import Board, LeverPort
from sim.levers import LeverStuck, Verb
from sim.optics import Optics, View
from sim.pin_port import PinPort
from sim.pulse import PulseSource, PulseUnavailable
from sim.sensor_port import SensorPort
from sim.truth import Witness
from sim.wiring import Wires

NS_PER_SECOND = 1_000_000_000
READ_BYTES = 4096
LOG = logging.getLogger(__name__)
WAITED_FOR_SECONDS = 0.02
"""How often the world looks whether what somebody waits for has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Props:
    """What a stage is set with; `sound` is absent in a world without a microphone."""

    sensor_path: Path
    control_path: Path
    pins_path: Path
    wires: Wires
    mode: SensorMode
    optics: Optics
    witness: Witness
    sound: PulseSource | None
    around: Board = field(default_factory=dict)
    """The levers of what stands around the recorder, in a world that has it (`sim.field`)."""


class Stage:
    """The world while it runs."""

    def __init__(self, props: Props) -> None:
        """Open both sockets; raises DoorwayTaken or OSError."""
        self._selector = selectors.DefaultSelector()
        self._sound = props.sound
        self._pins = PinPort(
            selector=self._selector,
            path=props.pins_path,
            wires=props.wires,
            now_ns=lambda: read_clocks().boottime_ns,
            on_power=self._switch,
        )
        self._imager = Imager(mode=props.mode, scene=props.optics, witness=props.witness, powered=self._pins.powered)
        self._sensor = SensorPort(
            selector=self._selector, path=props.sensor_path, mode=props.mode, imager=self._imager, now=read_clocks
        )
        self._levers = LeverPort(
            selector=self._selector,
            path=props.control_path,
            board={**self._board(props.optics, props.sound), **self._pins.board(), **props.around},
            awaited={
                Verb.AWAIT_COUNTER: lambda counter: self._imager.tally().counter >= counter,
                **self._pins.awaited(),
            },
            tally=self._imager.tally,
            reading=lambda: self._pins.reading(self._sensor.last_sent_ns),
        )
        self._ending = False
        if props.wires.interlock:
            self._switch(False)

    def run(self, life_line: IO[bytes], on_ready: Callable[[], None]) -> None:
        """Run until the life line closes or SIGTERM asks for the end; `on_ready` is called once both are heeded."""
        with self._end_on_signal(), self._end_with(life_line):
            on_ready()
            while not self._ending:
                for key, _ in self._selector.select(self._wait_seconds()):
                    key.data()
                self._pins.tick()
                self._sensor.tick()
                self._levers.tick()

    def close(self) -> None:
        """End all connections and remove both sockets."""
        self._levers.close()
        self._sensor.close()
        self._pins.close()
        self._selector.close()

    def _wait_seconds(self) -> float | None:
        due_ns = [due for due in (self._imager.next_ns(), self._pins.next_ns()) if due is not None]
        limits = [WAITED_FOR_SECONDS] if self._levers.waited_for else []
        if due_ns:
            limits.append(max(0.0, (min(due_ns) - read_clocks().boottime_ns) / NS_PER_SECOND))
        return min(limits, default=None)

    def _switch(self, powered: bool) -> None:
        """The relay's contact has opened or closed: camera and microphone lose or get their power."""
        self._sensor.switch(powered)
        if self._sound is None:
            return
        try:
            if powered:
                self._sound.replug()
                self._sound.thaw()
            else:
                self._sound.freeze()
                self._sound.unplug()
        except PulseUnavailable as trouble:
            LOG.error("the microphone's power could not be switched: %s", trouble)

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
            Verb.HANG_START: lambda _: sensor.hang_start(),
            Verb.ANSWER_START: lambda _: sensor.answer_start(),
            Verb.HANG_STOP: lambda _: sensor.hang_stop(),
            Verb.ANSWER_STOP: lambda _: sensor.answer_stop(),
            Verb.SEE_ROOM: lambda _: optics.look(View.ROOM),
            Verb.SEE_DARK: lambda _: optics.look(View.DARK),
            Verb.SEE_COVERED: lambda _: optics.look(View.COVERED),
            Verb.SEE_FROZEN: lambda _: optics.look(View.FROZEN),
            Verb.SEE_LEFT_HIDDEN: lambda _: optics.look(View.LEFT_HIDDEN),
            Verb.SEE_RIGHT_HIDDEN: lambda _: optics.look(View.RIGHT_HIDDEN),
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
        Verb.SOUND_MOVE: plugging(sound.move),
        Verb.SOUND_MOVE_BACK: plugging(sound.move_back),
    }
