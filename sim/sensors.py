"""`python -m sim.sensors --config FILE --field DIR`: the composition root of the sensors in the simulated world.

The same drivers and the same process as on a device; the devices are the field's (`sim.field`), whatever names the
configuration has. The machine is never switched: what it was told stands in the field's file `machine`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from edge.commands.overrides import CommandLine
from edge.commands.sensors import add_peers, watch
from edge.config import Config
from edge.sensors.process import Say, SensorsStart
from edge.streams import prepare


class ToldMachine:
    """Writes down what the machine was told. Implements `edge.sensors.devices.Machine`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def power_off(self) -> None:
        """One line more."""
        self._tell("power-off")

    def reboot(self) -> None:
        """One line more."""
        self._tell("reboot")

    def _tell(self, order: str) -> None:
        with self._path.open("a", encoding="ascii") as lines:
            lines.write(f"{order}\n")


def in_field(config: Config, folder: Path) -> Config:
    """The same configuration with the field's devices; a NUT server stays the one it names."""
    board = replace(
        config.board,
        hwmon_folder=folder / "hwmon",
        thermal_file=folder / "temp",
        throttled_file=folder / "throttled",
    )
    return replace(
        config,
        ups=replace(config.ups, device=folder / "ups"),
        gas=replace(config.gas, device=folder / "gas", loop_file=folder / "gas-loop"),
        board=board,
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the sensors until SIGTERM; returns the exit code."""
    parser = CommandLine(
        prog="python -m sim.sensors", description="模拟世界的监测进程 / the sensors in the simulated world"
    )
    parser.add_argument("--config", type=Path, metavar="FILE")
    parser.add_argument("--field", type=Path, required=True, metavar="DIR", help="the field's folder")
    add_peers(parser)
    parsed = parser.parse_args(arguments)
    return watch(parsed, lambda config, say: _start(parsed, config, say))


def _start(parsed: argparse.Namespace, config: Config, say: Say) -> SensorsStart:
    from drivers.sensing import open_sensors  # noqa: PLC0415 -- as in every root: only where it is needed
    from drivers.system_clock import SystemClock  # noqa: PLC0415

    folder: Path = parsed.field.absolute()
    devices = open_sensors(in_field(config, folder), ToldMachine(folder / "machine"))
    return SensorsStart(devices=devices, boottime_ns=SystemClock().boottime_ns, say=say)


def program() -> int:
    """The program's entry: streams first, then the command line."""
    prepare()
    return main()


if __name__ == "__main__":
    sys.exit(program())
