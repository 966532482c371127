"""What the time sources of this machine say: chrony, systemd-timesyncd, the battery-backed clock; each with a limit.

Owns no lasting thread: `look` starts one that asks everybody once and ends, and never waits for it; what it found is
`heard`. A source that hangs keeps that thread, and nothing is asked again before it is back. The kernel's own flag is
not asked here: it is read with every reading (`drivers.system_clock`).

chrony is asked by `chronyc -c tracking`: its columns are documented for programs, while what chronyd's socket speaks is
private to a version; inside a sandbox without its socket it does not answer, and has no vote. timesyncd would tell more
over D-Bus, which a recorder has no business with; the file it touches when it has synchronised is enough.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.clock_trust import UNKNOWN_ERROR_MS, Opinion
from edge.ports import RtcReading, SyncState

ASK_SECONDS = 2.0
CHRONY_QUESTION = ("chronyc", "-c", "-n", "tracking")
CHRONY_COLUMNS = 14
LONGEST_ANSWER_BYTES = 4096
SYSTEM_TIME, ROOT_DELAY, ROOT_DISPERSION, LEAP_STATUS = 4, 10, 11, 13
"""Columns of `chronyc -c tracking` (chronyc(1)): offset of the system clock, root delay and dispersion in s, leap."""

SYNCHRONISED_LEAPS = frozenset({"Normal", "Insert second", "Delete second"})

RTC_VL_READ = 0x8004_7013
"""_IOR('p', 0x13, unsigned int) of linux/rtc.h, for every machine a Raspberry Pi or a PC can be."""

RTC_TIME_INVALID, RTC_BATTERY_EMPTY = 0x1, 0x4
LowVoltage = Callable[[Path], int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the sources are found; a test names others."""

    timesyncd: Path = Path("/run/systemd/timesync")
    rtc: Path = Path("/sys/class/rtc/rtc0")
    rtc_device: Path = Path("/dev/rtc0")
    chrony: tuple[str, ...] = CHRONY_QUESTION


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Everything the sources said in one look, at this BOOTTIME. The clock's own UTC then is for comparison."""

    boottime_ns: int
    opinions: tuple[Opinion, ...]
    rtc: RtcReading | None


class ClockSources:
    """Any thread may call."""

    def __init__(self, boottime_ns: Callable[[], int], poll_seconds: int, places: Places | None = None) -> None:
        """Nothing is asked before the first `look`."""
        self._boottime_ns = boottime_ns
        self._poll_ns = poll_seconds * 10**9
        self._places = places or Places()
        self._lock = threading.Lock()
        self._asking: threading.Thread | None = None
        self._due_ns = 0
        self.heard: Said | None = None

    def look(self) -> Said | None:
        """What was said last, asking again where that is due; returns at once, None before the first answer."""
        now_ns = self._boottime_ns()
        with self._lock:
            if now_ns >= self._due_ns and (self._asking is None or not self._asking.is_alive()):
                self._due_ns = now_ns + self._poll_ns
                self._asking = threading.Thread(target=self._ask, name="clock-sources", daemon=True)
                self._asking.start()
            said = self.heard
        # A source that hangs, or a machine that slept, must not vouch for ever.
        return said if said is not None and now_ns - said.boottime_ns <= 4 * self._poll_ns else None

    def _ask(self) -> None:
        places = self._places
        asked = (chrony_opinion(places.chrony), timesyncd_opinion(places.timesyncd))
        said = Said(
            boottime_ns=self._boottime_ns(),
            opinions=tuple(opinion for opinion in asked if opinion is not None),
            rtc=read_rtc(places.rtc, places.rtc_device),
        )
        with self._lock:
            self.heard = said


def chrony_opinion(question: tuple[str, ...]) -> Opinion | None:
    """What chronyd says; None where there is none, or it does not answer in time."""
    try:
        answer = subprocess.run(
            question, capture_output=True, timeout=ASK_SECONDS, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_tracking(answer.stdout)


def parse_tracking(answer: bytes) -> Opinion | None:
    """Read one line of `chronyc -c tracking`; None where it is none.

    The error is what chrony documents as its bound: offset, dispersion and half of the delay to the reference.
    """
    columns = answer[:LONGEST_ANSWER_BYTES].decode("ascii", errors="replace").strip().split(",")
    if len(columns) != CHRONY_COLUMNS:
        return None
    try:
        offset, delay, dispersion = (float(columns[at]) for at in (SYSTEM_TIME, ROOT_DELAY, ROOT_DISPERSION))
    except ValueError:
        return None
    error_seconds = abs(offset) + dispersion + delay / 2
    if not 0 <= error_seconds < UNKNOWN_ERROR_MS / 1000:  # nan is neither
        return Opinion(source="chrony", sync=SyncState.UNSYNCHRONISED, error_ms=UNKNOWN_ERROR_MS)
    sync = SyncState.SYNCHRONISED if columns[LEAP_STATUS] in SYNCHRONISED_LEAPS else SyncState.UNSYNCHRONISED
    return Opinion(source="chrony", sync=sync, error_ms=int(error_seconds * 1000) + 1)


def timesyncd_opinion(folder: Path) -> Opinion | None:
    """Whether timesyncd has synchronised in this boot; None where it does not run. Its error the kernel tells."""
    try:
        if not folder.is_dir():
            return None
        synchronised = (folder / "synchronized").exists()
    except OSError:
        return None
    sync = SyncState.SYNCHRONISED if synchronised else SyncState.UNSYNCHRONISED
    return Opinion(source="timesyncd", sync=sync, error_ms=0 if synchronised else UNKNOWN_ERROR_MS)


def read_rtc(folder: Path, device: Path, low_voltage: LowVoltage | None = None) -> RtcReading | None:
    """The battery-backed clock; None where the kernel has none.

    Its warning of a low battery needs the device node, which not every recorder may open: without it only the time
    itself tells.
    """
    try:
        if not folder.exists():
            return None
        text = (folder / "since_epoch").read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return RtcReading(utc_ms=None, valid=False)  # the kernel refuses a time the chip calls invalid (EINVAL)
    flags = (low_voltage or read_low_voltage)(device)
    valid = flags is None or not flags & (RTC_TIME_INVALID | RTC_BATTERY_EMPTY)
    seconds = int(text) if text.isascii() and text.isdecimal() and len(text) <= len("9999999999") else None
    return RtcReading(utc_ms=None if seconds is None else seconds * 1000, valid=valid and seconds is not None)


def read_low_voltage(device: Path) -> int | None:
    """The chip's voltage flags (RTC_VL_READ of rtc(4)), None where it has none or may not be asked."""
    try:
        descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        answer = fcntl.ioctl(descriptor, RTC_VL_READ, bytes(4))
    except OSError:
        return None
    finally:
        os.close(descriptor)
    flags: int = struct.unpack("=I", answer)[0]
    return flags
