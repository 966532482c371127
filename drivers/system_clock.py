"""The device's clocks from the kernel: UTC beside CLOCK_BOOTTIME, and how far UTC is believed.

Owns no thread; any thread may call. Reads /proc/sys/kernel/random/boot_id once, touches no other file, needs no
privilege: adjtimex(2) with modes 0 only reads. With `ClockSources` the kernel's word is weighed with theirs.
"""

from __future__ import annotations

import ctypes
import threading
import time
import uuid
from dataclasses import replace
from pathlib import Path

from drivers.clock_sources import ClockSources
from edge.clock_trust import Bounds, Heard, Opinion, Trust, estimate
from edge.ports import ClockReading, RtcReading, SyncState

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
STA_UNSYNC = 0x0040
TIME_ERROR = 5
BRACKETS = 3
KERNEL_ERROR_LIMIT_MS = 16_000
"""What the kernel itself reports as its largest error (NTP_PHASE_LIMIT); used where nothing better is known."""

HOLDOVER_ERROR_MS = 1_500
"""The kernel lets its error grow by 500 ppm. systemd-timesyncd polls at least every 2048 s (1.02 s of growth), so more
than this means that no source has been heard for longer than any poll: the clock runs on by itself."""


class _Timex(ctypes.Structure):
    """struct timex of <sys/timex.h>; longs follow the machine's word."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time_seconds", ctypes.c_long),
        ("time_fraction", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("counters", ctypes.c_long * 4),
        ("tai", ctypes.c_int),
        ("reserved", ctypes.c_int * 11),
    )


def boottime_ns() -> int:
    """CLOCK_BOOTTIME in nanoseconds."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def judge(state: int, status: int, maxerror_us: int) -> tuple[SyncState, int]:
    """What adjtimex returned, as sync state and error in ms, rounded up."""
    error_ms = -(-maxerror_us // 1000)
    if state < 0:
        return SyncState.UNKNOWN, KERNEL_ERROR_LIMIT_MS
    if state == TIME_ERROR or status & STA_UNSYNC:
        return SyncState.UNSYNCHRONISED, max(error_ms, KERNEL_ERROR_LIMIT_MS)
    return (SyncState.HOLDOVER if error_ms > HOLDOVER_ERROR_MS else SyncState.SYNCHRONISED), error_ms


class SystemClock:
    """The kernel's clocks (implements `edge.ports.Clock`)."""

    def __init__(self, bounds: Bounds | None = None, sources: ClockSources | None = None) -> None:
        """Without `bounds` the kernel's word stands as it is; with them it is weighed with what `sources` say."""
        self.boot_id = uuid.UUID(BOOT_ID_FILE.read_text().strip()).bytes
        self._adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
        self._bounds = bounds
        self._sources = sources
        self._trust = Trust()
        self._lock = threading.Lock()

    def read(self) -> ClockReading:
        """Read both clocks together: of three tries the one whose bracket of BOOTTIME is narrowest."""
        width_ns, boottime_ns, utc_ns = min(_bracketed() for _ in range(BRACKETS))
        sync, error_ms = self._sync()
        plain = ClockReading(
            utc_ms=utc_ns // 1_000_000,
            boottime_ns=boottime_ns,
            sync=sync,
            error_ms=error_ms + -(-width_ns // 2_000_000),
        )
        return plain if self._bounds is None else self._weighed(plain, self._bounds)

    def _weighed(self, kernel: ClockReading, bounds: Bounds) -> ClockReading:
        said = self._sources.look() if self._sources is not None else None
        rtc = None
        if said is not None and said.rtc is not None:
            rtc = _carried_on(said.rtc, kernel.boottime_ns - said.boottime_ns)
        heard = Heard(
            utc_ms=kernel.utc_ms,
            boottime_ns=kernel.boottime_ns,
            opinions=(
                Opinion(source="kernel", sync=kernel.sync, error_ms=kernel.error_ms),
                *(said.opinions if said is not None else ()),
            ),
            rtc=rtc,
        )
        with self._lock:
            self._trust, sync, error_ms = estimate(self._trust, heard, bounds)
        return replace(kernel, sync=sync, error_ms=error_ms, rtc=rtc)

    def boottime_ns(self) -> int:
        """CLOCK_BOOTTIME in nanoseconds."""
        return boottime_ns()

    def _sync(self) -> tuple[SyncState, int]:
        if self._adjtimex is None:
            return judge(-1, 0, 0)
        timex = _Timex()
        state = self._adjtimex(ctypes.byref(timex))
        return judge(state, timex.status, timex.maxerror)


def _carried_on(rtc: RtcReading, passed_ns: int) -> RtcReading:
    """What the battery-backed clock shows now, so long after it was read."""
    return rtc if rtc.utc_ms is None else replace(rtc, utc_ms=rtc.utc_ms + passed_ns // 1_000_000)


def _bracketed() -> tuple[int, int, int]:
    """(width of the bracket, BOOTTIME at its middle, UTC read inside it), all in ns."""
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    utc = time.time_ns()
    width = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - before
    return width, before + width // 2, utc
