"""When something was by the wall clock, from the readings of both clocks that entries carry. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from liuhen.entry import Entry
from liuhen.kinds import Instant

NS_PER_MS = 1_000_000
BOOTS_REMEMBERED = 64


class BootClocks:
    """The newest reading of each boot; entries are read in their order."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._readings: dict[bytes, tuple[int, int]] = {}

    def read(self, entry: Entry) -> None:
        """The next entry's reading."""
        utc_ms, boottime_ns, boot = entry.common.clock[:3]
        self._readings.pop(boot, None)
        self._readings[boot] = (utc_ms, boottime_ns)
        if len(self._readings) > BOOTS_REMEMBERED:
            del self._readings[next(iter(self._readings))]

    def utc_ms(self, at: Instant) -> int | None:
        """UTC of a moment as the device claimed it; None where no entry of its boot was read."""
        reading = self._readings.get(at[0])
        return None if reading is None else reading[0] + (at[1] - reading[1]) // NS_PER_MS


def local_time(utc_ms: int, zone: tzinfo, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """The wall clock there, to the second; a time that no calendar has is told in milliseconds."""
    try:
        return datetime.fromtimestamp(utc_ms / 1000, UTC).astimezone(zone).strftime(form)
    except (ValueError, OverflowError, OSError):
        return f"{utc_ms} ms UTC"
