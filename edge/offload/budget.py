"""How many bytes may be sent now, and how fast they went. Pure.

The rate follows the configuration's plan of the day; no rate is no limit. The bucket holds what one second of the rate
is worth, so that a pause is not made up for by a burst that fills a thin line.
"""

from __future__ import annotations

from dataclasses import dataclass

NS_PER_SECOND = 1_000_000_000
LEAST_BYTES = 64 * 1024
"""A bucket holds at least one read of a body, or a slow rate could never send anything."""
HALF_LIFE_NS = 300 * NS_PER_SECOND
"""What was measured so long ago counts half."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What may be sent at `at_ns`; negative tokens are a debt that time pays."""

    tokens: float = 0.0
    at_ns: int = 0


def spend(bucket: Bucket, rate: int | None, at_ns: int, size: int) -> tuple[Bucket, int]:
    """The bucket after `size` bytes, and how many ns to wait before they go."""
    if rate is None or rate <= 0:
        return Bucket(at_ns=at_ns), 0
    elapsed_ns = max(0, at_ns - bucket.at_ns)
    depth = float(max(rate, LEAST_BYTES))
    filled = min(depth, bucket.tokens + elapsed_ns * rate / NS_PER_SECOND)
    left = filled - size
    wait_ns = 0 if left >= 0 else int(-left * NS_PER_SECOND / rate)
    return Bucket(tokens=left, at_ns=at_ns), wait_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Bytes that were kept at the store, over the time in which something was on its way; older ones fade."""

    size: float = 0.0
    busy_ns: float = 0.0

    @property
    def bytes_per_second(self) -> int:
        """The rate; 0 while nothing was measured."""
        return int(self.size * NS_PER_SECOND / self.busy_ns) if self.busy_ns > 0 else 0


def measured(meter: Meter, size: int, busy_ns: int) -> Meter:
    """The meter after some more busy time."""
    if busy_ns <= 0:
        return Meter(size=meter.size + size, busy_ns=meter.busy_ns)
    kept = 0.5 ** (busy_ns / HALF_LIFE_NS)
    return Meter(size=meter.size * kept + size, busy_ns=meter.busy_ns * kept + busy_ns)


def seconds_short(size: int, bytes_per_second: int, seconds_left: float) -> float | None:
    """How much too late the rest will be there at this rate; None while the rate is not known, 0 when in time."""
    if bytes_per_second <= 0:
        return None
    return max(0.0, size / bytes_per_second - seconds_left)
