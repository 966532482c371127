"""How many samples were lost when PortAudio says "input overflow", which never says how many.

Pure but for what it has seen; called in PortAudio's callback: no lock, nothing large.
"""

from __future__ import annotations

from collections import deque

STEADY_BLOCKS = 400
"""How many blocks back an estimate of lost samples looks: some 10 s, in which a clock 100 ppm off moves by 1 ms."""

NS_PER_SECOND = 1_000_000_000


class OverflowEstimate:
    """Compares the count of samples with the clock.

    The count of samples runs behind the clock by the stream's latency; of the last blocks the least delayed shows it.
    What a flagged block is late beyond that is taken as lost: right to the scatter of arrivals (milliseconds on
    hardware, up to 100 ms through a sound server), never below 0.
    """

    def __init__(self, rate_hz: int) -> None:
        """Start with nothing seen."""
        self._rate_hz = rate_hz
        self._samples = 0
        self._delays_ns: deque[int] = deque(maxlen=STEADY_BLOCKS)

    def add(self, samples: int, arrival_boottime_ns: int, *, overflowed: bool) -> int:
        """Count a block; return the PCM frames taken as lost directly before it."""
        lost = 0
        if overflowed and self._delays_ns:
            late_ns = self._delay_ns(self._samples + samples, arrival_boottime_ns) - min(self._delays_ns)
            lost = max(0, late_ns * self._rate_hz // NS_PER_SECOND)
            self._delays_ns.clear()
        self._samples += samples + lost
        self._delays_ns.append(self._delay_ns(self._samples, arrival_boottime_ns))
        return lost

    def _delay_ns(self, samples: int, arrival_boottime_ns: int) -> int:
        return arrival_boottime_ns - samples * NS_PER_SECOND // self._rate_hz
