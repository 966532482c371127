"""`python -m sim.guard --pins SOCKET --config FILE`: the composition root of the guard in the simulated world.

The same driver and the same process as on a device; only gpiozero's pins are the world's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from edge.commands.guard import watch
from edge.commands.overrides import CommandLine
from edge.config import Config
from edge.guard.process import GuardStart
from edge.streams import prepare
from sim.pins import WorldPins


def main(arguments: list[str] | None = None) -> int:
    """Run the guard until SIGTERM; returns the exit code."""
    parser = CommandLine(
        prog="python -m sim.guard", description="模拟世界的联锁进程 / the guard in the simulated world"
    )
    parser.add_argument("--pins", type=Path, required=True, metavar="SOCKET", help="the world's pin port")
    parser.add_argument("--config", type=Path, metavar="FILE")
    parsed = parser.parse_args(arguments)
    return watch(parsed.config, lambda config, say: _start(parsed, config, say))


def _start(parsed: argparse.Namespace, config: Config, say: Callable[[str], None]) -> GuardStart:
    from drivers.guard_pins import GpioGuardPins  # noqa: PLC0415 -- as in every root: only where it is needed
    from drivers.system_clock import SystemClock  # noqa: PLC0415

    factory = WorldPins(parsed.pins)
    return GuardStart(
        interlock=config.interlock,
        lamps=config.lamps,
        boot_id=SystemClock().boot_id,
        open_pins=lambda wake: GpioGuardPins(config.interlock, config.lamps, wake, factory),
        say=say,
    )


def program() -> int:
    """The program's entry: streams first, then the command line."""
    prepare()
    return main()


if __name__ == "__main__":
    sys.exit(program())
