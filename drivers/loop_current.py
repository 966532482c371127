"""A 4-20 mA loop behind an isolated converter that the kernel shows as a file (hwmon or IIO).

Owns nothing between calls. The current is the file's number times the configured scale; what the current means is
judged elsewhere (NAMUR NE 43).
"""

from __future__ import annotations

from drivers.kernel_files import decimal, line_of
from drivers.sensor_faults import Device, sensor_fault, silent
from edge.ports import FaultKind
from edge.sensors.devices import CurrentSample
from edge.sensors.settings import Gas

NANO_PER_MICRO = 1000


class LoopCurrent:
    """Implements `edge.sensors.devices.GasDevice`."""

    def __init__(self, settings: Gas) -> None:
        self._settings = settings

    def read(self) -> CurrentSample:
        """Read the current once. Raises HardwareFault."""
        try:
            content = line_of(self._settings.loop_file)
        except OSError as failure:
            raise silent(Device.GAS, failure, self._settings.loop_file) from failure
        counts = decimal(content)
        if counts is None:
            raise sensor_fault(Device.GAS, f"{self._settings.loop_file}: {content[:20]!r}", FaultKind.FORMAT)
        # Rounded down: at the upper end of the fault band less is told, at the lower end it is a fault either way.
        return CurrentSample(micro_ampere=counts * self._settings.nano_ampere_per_count // NANO_PER_MICRO)

    def close(self) -> None:
        """Nothing is held."""
