"""How hard disk, memory and heat press on this machine, as the kernel counts it (Documentation/accounting/psi.rst).

Owns nothing between calls. A kernel without pressure accounting, or a laptop without a sensor, is None and never a
fault.
"""

from __future__ import annotations

from pathlib import Path

from drivers.kernel_files import decimal, line_of
from edge.offload.yielding import Look, parse_pressure

PRESSURE = Path("/proc/pressure")
LIMIT_BYTES = 1024


def look(thermal_file: Path, queue_percent: float | None, pressure: Path = PRESSURE) -> Look:
    """All of them, once. Raises nothing."""
    return Look(
        queue_percent=queue_percent,
        disk_pressure_percent=_some(pressure / "io"),
        memory_pressure_percent=_some(pressure / "memory"),
        temperature_celsius=_celsius(thermal_file),
    )


def _some(path: Path) -> float | None:
    try:
        with path.open("rb") as file:
            return parse_pressure(file.read(LIMIT_BYTES).decode("ascii", "replace"))
    except OSError:
        return None


def _celsius(path: Path) -> float | None:
    try:
        milli = decimal(line_of(path))
    except OSError:
        return None
    return None if milli is None else milli / 1000
