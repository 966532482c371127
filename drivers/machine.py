"""The computer's own switch: `systemctl poweroff` and `systemctl reboot`, begun and not waited for.

Owns the newest such child. Before a power-off it leaves a note for the very last step of the shutdown
(`system-shutdown/liuhen-ups`): after so many seconds a machine that is still fed must reboot, because its UPS has
forgotten to cut and would keep it off for good.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from drivers.sensor_faults import Device, sensor_fault
from edge.ports import FaultKind

NOTE = Path("/run/liuhen-sensors/cut-seconds")
SYSTEMCTL = "/usr/bin/systemctl"
NO_WAIT = "--no-block"


class SystemctlMachine:
    """Implements `edge.sensors.devices.Machine`. One thread calls."""

    def __init__(self, note: Path = NOTE, command: Sequence[str] = (SYSTEMCTL, NO_WAIT)) -> None:
        """`command` comes before the verb; `note` is on a file system that lives until the end (/run)."""
        self._note = note
        self._command = tuple(command)
        self._child: subprocess.Popen[bytes] | None = None

    def power_off(self, cut_seconds: int) -> None:
        """Leave the note, then begin. Raises HardwareFault; without the note nothing is begun."""
        try:
            self._note.write_text(f"{cut_seconds}\n", encoding="ascii")
        except OSError as failure:
            raise sensor_fault(Device.MACHINE, f"{self._note}: {failure}", FaultKind.OTHER) from failure
        self._begin("poweroff")

    def reboot(self) -> None:
        """Begin; a note of an earlier power-off is taken away. Raises HardwareFault."""
        try:
            self._note.unlink(missing_ok=True)
        except OSError as failure:
            raise sensor_fault(Device.MACHINE, f"{self._note}: {failure}", FaultKind.OTHER) from failure
        self._begin("reboot")

    def _begin(self, verb: str) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.kill()  # held up since the last time; this one is asked instead
            self._child.wait()
        try:
            self._child = subprocess.Popen([*self._command, verb], stdin=subprocess.DEVNULL)
        except OSError as failure:
            raise sensor_fault(Device.MACHINE, f"{verb}: {failure}", FaultKind.OTHER) from failure
