"""What stands around the recorder: UPS, gas detector and the board's files, in one folder, with their levers.

Owns a folder with `ups` and `gas` (names of ptys), `gas-loop`, `hwmon/`, `temp`, `throttled` and `machine` (what the
recorder's machine was told to do), and one thread for each pty. `python -m sim.field DIR` is the same as a process of
its own, which ends when its standard input closes.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from sim import gas as gases
from sim import ups as upses
from sim.gas import GasModel, LoopFile, show
from sim.levers import LeverStuck, Verb
from sim.pty_line import PtyLine
from sim.ups import UpsModel

UNDER_VOLTAGE_NOW_AND_BEFORE = 0x1_0001


class Field:
    """The devices. Levers may be pulled from any thread."""

    def __init__(self, folder: Path, *, battery_seconds: int = 600) -> None:
        """Plan the folder; nothing appears before `start`."""
        self._folder = folder
        self._lock = threading.Lock()
        self.ups = UpsModel(at_ns=boottime_ns(), battery_seconds=battery_seconds)
        self.gas = GasModel()
        self._ups_line = PtyLine(folder / "ups", self._ups_receives)
        self._gas_line = PtyLine(folder / "gas", self._gas_receives)
        self._loop: LoopFile | None = None

    @property
    def levers(self) -> Mapping[Verb, Callable[[int], None]]:
        """What can be done to the devices; see `sim.levers.Verb`."""
        return {
            Verb.MAINS_FAIL: lambda _: self._set_mains(False),
            Verb.MAINS_RETURN: lambda _: self._set_mains(True),
            Verb.BATTERY: self._set_charge,
            Verb.UPS_SPEAK: self._set_ups_manner,
            Verb.UPS_UNPLUG: lambda _: self._ups_line.drop(),
            Verb.UPS_REPLUG: lambda _: self._ups_line.plug(),
            Verb.GAS_LEVEL: self._set_gas_level,
            Verb.GAS_STATUS: self._set_gas_status,
            Verb.GAS_SPEAK: self._set_gas_manner,
            Verb.GAS_UNPLUG: lambda _: self._gas_line.drop(),
            Verb.GAS_REPLUG: lambda _: self._gas_line.plug(),
            Verb.LOOP_CURRENT: self._set_loop,
            Verb.BOARD_HEAT: lambda milli: show(self._folder / "temp", str(milli)),
            Verb.BOARD_VOLTAGE: self._set_under_voltage,
            Verb.BOARD_THROTTLE: lambda bits: show(self._folder / "throttled", f"{bits & 0xFFFFF:x}"),
        }

    def start(self) -> None:
        """Make everything appear; raises OSError."""
        monitor = self._folder / "hwmon" / "hwmon1"
        monitor.mkdir(parents=True, exist_ok=True)
        show(monitor / "name", "rpi_volt")
        show(monitor / "in0_lcrit_alarm", "0")
        show(self._folder / "temp", "48000")
        show(self._folder / "throttled", "0")
        self._loop = LoopFile(self._folder / "gas-loop")
        self._ups_line.plug()
        self._gas_line.plug()

    def stop(self) -> None:
        """Take the lines away; the files stay."""
        self._ups_line.drop()
        self._gas_line.drop()

    def _ups_receives(self, received: bytes) -> bytes:
        with self._lock:
            return self.ups.receive(received, boottime_ns())

    def _gas_receives(self, received: bytes) -> bytes:
        with self._lock:
            return self.gas.receive(received)

    def _set_mains(self, there: bool) -> None:
        with self._lock:
            self.ups.advance(boottime_ns())
            self.ups.mains = there

    def _set_charge(self, percent: int) -> None:
        with self._lock:
            self.ups.charge_percent = max(0, min(percent, 100))

    def _set_ups_manner(self, value: int) -> None:
        with self._lock, _known_manner():
            self.ups.manner = upses.Manner(value)

    def _set_gas_level(self, counts: int) -> None:
        with self._lock:
            self.gas.level = counts & 0xFFFF

    def _set_gas_status(self, bits: int) -> None:
        with self._lock:
            self.gas.status = bits & 0xFFFF

    def _set_gas_manner(self, value: int) -> None:
        with self._lock, _known_manner():
            self.gas.manner = gases.Manner(value)

    def _set_loop(self, micro_ampere: int) -> None:
        if self._loop is not None:
            self._loop.set(micro_ampere)

    def _set_under_voltage(self, there: int) -> None:
        show(self._folder / "hwmon" / "hwmon1" / "in0_lcrit_alarm", "1" if there else "0")
        show(self._folder / "throttled", f"{UNDER_VOLTAGE_NOW_AND_BEFORE if there else 0x1_0000:x}")


@contextlib.contextmanager
def _known_manner() -> Iterator[None]:
    try:
        yield
    except ValueError as unknown:
        raise LeverStuck("no such manner of answering") from unknown


def boottime_ns() -> int:
    """CLOCK_BOOTTIME, the axis of everything."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def main() -> int:
    """Show a field until standard input closes."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    field = Field(folder)
    field.start()
    try:
        while os.read(sys.stdin.fileno(), 4096):
            pass
    finally:
        field.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
