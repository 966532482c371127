"""When a sound sample was captured, estimated from counts and from arrivals that are late but never early.

Pure; WRITER feeds it every sound packet and asks it once at the start of each segment. Nothing is on disk.

A block's arrival is its true end plus a delay that changes with every scheduling and is never negative, so truth lies
along the lower edge of the arrivals. Only the least delayed block of each second is kept, ten minutes of them at most.
- The rate is the slope of the line under all kept points that lies closest to them on average (the lower envelope). It
  is used once the points span 60 s; until then the nominal rate holds.
- The offset is the least delayed block of the last 60 s, seen along that rate. While the rate is nominal the window is
  10 s, because a crystal 200 ppm off would otherwise shift the oldest point by 12 ms.
What cannot be seen this way: a constant latency of the device (measured once, by a clap test, and handed in), and a
source that hands over on a fixed grid of BOOTTIME that is a multiple of the block: then no block is ever undelayed for
minutes, and the error can reach one block. A latency that changes for good is followed within a minute in the offset,
but bends the rate until ten minutes have passed.

An answer may differ from an earlier one for the same sample, as more is known; that is why a segment asks once and
counts samples from there. A source that was started again, or that missed samples it could only estimate, needs a new
clock.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass, replace

_SECOND_NS = 1_000_000_000
_RATE_WINDOW_NS = 600 * _SECOND_NS
_RATE_LEAST_SPAN_NS = 60 * _SECOND_NS
_OFFSET_WINDOW_NS = 60 * _SECOND_NS
_OFFSET_WINDOW_AT_NOMINAL_RATE_NS = 10 * _SECOND_NS
# A crystal is within this; a steeper line means the delay itself changed for good, and the nominal rate errs less.
_BELIEVABLE_PPM = 1000.0


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A block's end counted in samples, and when it was there; both from the first observation on."""

    samples: int
    arrival_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """Where samples lie on the axis of the first observation; the measured slope also where it is not believed."""

    ns_per_sample: float
    offset_ns: float
    measured_ns_per_sample: float | None

    def arrival_ns(self, samples: int) -> float:
        return self.offset_ns + self.ns_per_sample * samples

    def lowered_to(self, point: _Arrival) -> _Line:
        """Take in a point of the newest second: less delayed than the line says, it moves the line down."""
        offset_ns = min(self.offset_ns, point.arrival_ns - self.ns_per_sample * point.samples)
        return replace(self, offset_ns=offset_ns)


class AudioClock:
    """See the module. Not thread-safe: one thread observes and asks."""

    def __init__(self, *, rate_hz: int, latency_ns: int = 0) -> None:
        """Take the nominal rate, and the device's constant latency if it was measured."""
        self._nominal_ns_per_sample = _SECOND_NS / rate_hz
        self._latency_ns = latency_ns
        self._first: _Arrival | None = None
        self._kept: deque[_Arrival] = deque()
        self._line: _Line | None = None  # drawn anew once a second at most, so that asking costs next to nothing

    def observe(self, *, first_sample: int, samples: int, arrival_boottime_ns: int) -> None:
        """Take in one block: its index and length, and when its last sample had arrived. Blocks come in order."""
        end = first_sample + samples
        if self._first is None:
            self._first = _Arrival(end, arrival_boottime_ns)
        point = _Arrival(end - self._first.samples, arrival_boottime_ns - self._first.arrival_ns)
        if self._kept and self._kept[-1].arrival_ns // _SECOND_NS == point.arrival_ns // _SECOND_NS:
            if self._nominal_lateness(point) < self._nominal_lateness(self._kept[-1]):
                self._kept[-1] = point
                self._line = None if self._line is None else self._line.lowered_to(point)
            return
        self._kept.append(point)
        self._line = None
        while self._kept[0].arrival_ns < point.arrival_ns - _RATE_WINDOW_NS:
            self._kept.popleft()

    def boottime_of(self, sample_index: int) -> int:
        """CLOCK_BOOTTIME in ns at which this sample (any index of the source) began. ValueError before any block."""
        if self._first is None:
            raise ValueError("no sound block was observed yet")
        if self._line is None:
            self._line = self._draw_line()
        since_first_ns = self._line.arrival_ns(sample_index - self._first.samples)
        return self._first.arrival_ns + round(since_first_ns) - self._latency_ns

    def rate_error_ppm(self) -> int | None:
        """How fast the device's clock runs against BOOTTIME in parts per million; None before 60 s were seen."""
        if self._line is None and self._first is not None:
            self._line = self._draw_line()
        slope = None if self._line is None else self._line.measured_ns_per_sample
        return None if slope is None else round(self._ppm(slope))

    def _draw_line(self) -> _Line:
        measured = self._measured_ns_per_sample()
        slope, window_ns = measured, _OFFSET_WINDOW_NS
        if slope is None or abs(self._ppm(slope)) > _BELIEVABLE_PPM:
            slope, window_ns = self._nominal_ns_per_sample, _OFFSET_WINDOW_AT_NOMINAL_RATE_NS
        from_ns = self._kept[-1].arrival_ns - window_ns
        offset_ns = min(point.arrival_ns - slope * point.samples for point in self._kept if point.arrival_ns >= from_ns)
        return _Line(ns_per_sample=slope, offset_ns=offset_ns, measured_ns_per_sample=measured)

    def _nominal_lateness(self, point: _Arrival) -> float:
        return point.arrival_ns - self._nominal_ns_per_sample * point.samples

    def _ppm(self, ns_per_sample: float) -> float:
        return (self._nominal_ns_per_sample / ns_per_sample - 1) * 1e6

    def _measured_ns_per_sample(self) -> float | None:
        if not self._kept or self._kept[-1].arrival_ns - self._kept[0].arrival_ns < _RATE_LEAST_SPAN_NS:
            return None
        return _envelope_slope(self._kept)


def _envelope_slope(points: deque[_Arrival]) -> float | None:
    """Slope (ns per sample) of the line below all points with the least mean distance.

    That line is the edge of the lower convex hull above which the mean sample count lies. None if all counts are equal.
    """
    hull: list[_Arrival] = []
    for point in points:
        while len(hull) > 1 and _bends_down(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    mean = sum(point.samples for point in points) / len(points)
    for left, right in itertools.pairwise(hull):
        if right.samples >= mean and right.samples > left.samples:
            return (right.arrival_ns - left.arrival_ns) / (right.samples - left.samples)
    return None


def _bends_down(left: _Arrival, middle: _Arrival, right: _Arrival) -> bool:
    """Whether the middle point lies on or above the line from left to right (exact, in integers)."""
    rise = (right.arrival_ns - left.arrival_ns) * (middle.samples - left.samples)
    return (middle.arrival_ns - left.arrival_ns) * (right.samples - left.samples) >= rise
