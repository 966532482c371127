"""The computer's own switch: an empty file in this process's own folder, which PID 1 watches.

Owns nothing. The process needs no right to switch the machine: `liuhen-power-off.path` and `liuhen-reboot.path` watch
for the two names. The power-off's last step, with every disk unmounted, waits for the UPS to cut, and reboots a machine
that is still fed.
"""

from __future__ import annotations

from pathlib import Path

from drivers.sensor_faults import Device, sensor_fault
from edge.ports import FaultKind

FOLDER = Path("/run/liuhen-sensors")
POWER_OFF, REBOOT = "power-off", "reboot"


class OrderedMachine:
    """Implements `edge.sensors.devices.Machine`. One thread calls."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """`folder` is the process's runtime folder; it is emptied when the process ends."""
        self._folder = folder

    def power_off(self) -> None:
        """Leave the order. Raises HardwareFault."""
        self._leave(POWER_OFF)

    def reboot(self) -> None:
        """Leave the order, which takes an earlier one's place. Raises HardwareFault."""
        self._leave(REBOOT)

    def _leave(self, order: str) -> None:
        other = POWER_OFF if order == REBOOT else REBOOT
        try:
            (self._folder / other).unlink(missing_ok=True)
            (self._folder / order).touch()
        except OSError as failure:
            raise sensor_fault(Device.MACHINE, f"{order}: {failure}", FaultKind.OTHER) from failure
