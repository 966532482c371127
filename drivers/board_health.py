"""Temperature, supply voltage and throttling of the board, from the files of the kernel and of the firmware.

Owns nothing between calls. A file that is missing or holds something else is "unknown", never a fault and never "well":
a laptop has none of them. `rpi_volt` is the kernel's monitor of the firmware's under-voltage bit. `vcgencmd` is not
called: it needs the firmware's device node, and tells the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from drivers.kernel_files import decimal, hexadecimal, line_of
from edge.sensors.devices import BoardSample, Throttled
from edge.sensors.settings import Board

VOLTAGE_MONITOR = b"rpi_volt"
ALARM_FILE = "in0_lcrit_alarm"
MOST_MONITORS = 64
KNOWN_BITS = 0xF_000F
COLDEST_MILLI, HOTTEST_MILLI = -60_000, 150_000


class BoardHealth:
    """Implements `edge.sensors.devices.BoardDevice`."""

    def __init__(self, settings: Board) -> None:
        self._settings = settings

    def read(self) -> BoardSample:
        """Read all three once. Raises nothing."""
        milli = _number(self._settings.thermal_file, decimal)
        bits = _number(self._settings.throttled_file, hexadecimal)
        return BoardSample(
            milli_celsius=milli if milli is not None and COLDEST_MILLI <= milli <= HOTTEST_MILLI else None,
            under_voltage=self._under_voltage(),
            throttled=None if bits is None else Throttled(bits & KNOWN_BITS),
        )

    def _under_voltage(self) -> bool | None:
        monitor = self._voltage_monitor()
        alarm = None if monitor is None else _number(monitor / ALARM_FILE, decimal)
        return {0: False, 1: True}.get(-1 if alarm is None else alarm)

    def _voltage_monitor(self) -> Path | None:
        """Looked for at every call: the numbers of hwmon folders depend on the order in which drivers came up."""
        try:
            folders = sorted(self._settings.hwmon_folder.iterdir())[:MOST_MONITORS]
        except OSError:
            return None
        return next((folder for folder in folders if _name(folder) == VOLTAGE_MONITOR), None)


def _name(folder: Path) -> bytes:
    try:
        return line_of(folder / "name").rstrip(b"\n")
    except OSError:
        return b""


def _number(path: Path, read: Callable[[bytes], int | None]) -> int | None:
    try:
        return read(line_of(path))
    except OSError:
        return None
