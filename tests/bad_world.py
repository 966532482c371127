"""`python -m tests.bad_world`: the simulated world's root with a lever pulled, or a device held, before the recorder starts.

Everything else is `sim.__main__`: the same drivers on the same stand-ins, the same recorder, the same exit codes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from edge.commands.overrides import with_spool
from edge.config import Config
from edge.provision import demo_identity
from edge.terminal import guarded, record
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
    return guarded(lambda: _record(parser.parse_args()))


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
        return record(lambda terminal, stop: simulated._start(chosen, terminal, stop, 3))


if __name__ == "__main__":
    sys.exit(main())
