"""`python -m tests.bad_world`: the simulated world's root with trouble prepared before the recorder starts.

Everything else is `sim.__main__`: the same drivers on the same stand-ins, the same recorder, the same exit codes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from edge.app import Start
from edge.commands.overrides import with_spool
from edge.config import Config
from edge.ports import Clock, ClockReading, SyncState
from edge.provision import demo_identity
from edge.refusals import guarded
from edge.terminal import Terminal, record
from sim import __main__ as simulated
from sim.install import install
from sim.levers import Levers, Verb
from sim.libcamera.link import SensorLink
from sim.world import World, WorldPlan


def main() -> int:
    """Record under trouble; returns the recorder's exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--spool", type=Path, required=True)
    parser.add_argument("--pull", type=Verb, default=None)
    parser.add_argument("--value", type=int, default=0)
    parser.add_argument("--hold-camera", action="store_true")
    parser.add_argument("--silent", action="store_true", help="a world without a sound server")
    parser.add_argument("--in-1970", action="store_true")
    return guarded(lambda: _record(parser.parse_args()))


class ClockIn1970:
    """A clock whose battery died: the running time is right, UTC began at the epoch (implements `edge.ports.Clock`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.boot_id = clock.boot_id

    def read(self) -> ClockReading:
        reading = self._clock.read()
        return replace(reading, utc_ms=reading.boottime_ns // 1_000_000, sync=SyncState.UNSYNCHRONISED)

    def boottime_ns(self) -> int:
        return self._clock.boottime_ns()


def _record(parsed: argparse.Namespace) -> int:
    spool: Path = parsed.spool.absolute()
    identity = demo_identity(spool, spool.with_name("keys"), now_utc_ms=time.time_ns() // 1_000_000)
    config = simulated._with_demo_key(with_spool(Config(), spool), identity, None)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liuhen-")))
        pulse = None if parsed.silent else folder / "pulse"
        if pulse is not None:
            pulse.mkdir()
        world = World(WorldPlan(socket=folder / "sensor", width=1280, height=720, pulse=pulse))
        ready = world.start()
        stack.callback(world.stop)
        os.environ.update(ready.sound_environment)
        install(ready.sensor)
        if parsed.pull is not None:
            with Levers(ready.control) as levers:
                levers.pull(parsed.pull, parsed.value)
        if parsed.hold_camera:
            held = SensorLink(ready.sensor, on_frame=lambda _: None, on_lost=lambda: None)
            stack.callback(held.close)
        chosen = simulated._simulated(config, ready) if pulse is not None else config

        def start(terminal: Terminal, stop: threading.Event) -> Start:
            right = simulated._start(
                chosen, terminal, stop, argparse.Namespace(seconds=3, emergency=False, service=False, stage=None), ready
            )
            if not parsed.in_1970:
                return right
            return replace(right, hardware=replace(right.hardware, clock=ClockIn1970(right.hardware.clock)))

        return record(start)


if __name__ == "__main__":
    sys.exit(main())
