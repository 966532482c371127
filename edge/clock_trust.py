"""How far the device's UTC is believed: the time sources' word weighed, the error without them, and what is told.

Pure. Two parts. `estimate` turns what the sources said into the state of a clock reading, and is the clock driver's.
`ClockWatch` compares readings and says what to journal, and is CONTROL's. UTC orders nothing and names no file whatever
its state: the state only says what the claim is worth.

A source counts with its vote: the kernel's own flag, the daemon that sets the clock (chrony or timesyncd), and a
battery-backed clock where it disagrees. More than half must call UTC synchronised; a tie does not. A source that gives
no answer has no vote. Once synchronised and then no longer, the clock is held over: its error is that of the last
synchronised moment and grows by the configured drift, until the bound is passed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from edge import settings_upkeep
from edge.ports import ClockReading, RtcReading, SyncState
from liuhen.registry import EventCode

EARLIEST_PLAUSIBLE_UTC_MS = 1_767_225_600_000  # 2026-01-01: this program did not exist before
STEP_MS = 500
UNKNOWN_ERROR_MS = 16_000
"""What the kernel itself reports as its largest error (NTP_PHASE_LIMIT); used where nothing better is known."""

RTC_SILENT = -1
"""`behind_seconds` of a battery-backed clock that is missing or does not answer; 0 is one that itself says its time is
invalid, or is ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one source says of UTC: whether it is synchronised, and how wrong it may be, in ms."""

    source: str
    sync: SyncState
    error_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How the error grows and where trust ends; from the configuration's [clock]."""

    bound_ms: int
    drift_ppm: int
    rtc_tolerance_ms: int
    rtc_expected: str

    @classmethod
    def of(cls, settings: settings_upkeep.Clock) -> Bounds:
        """As configured."""
        return cls(
            bound_ms=settings.bound_ms,
            drift_ppm=settings.drift_ppm,
            rtc_tolerance_ms=settings.rtc_tolerance_seconds * 1000,
            rtc_expected=settings.rtc,
        )


# -- the state of a reading ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The last moment at which UTC was synchronised: its error then, and UTC less BOOTTIME."""

    boottime_ns: int
    error_ms: int
    offset_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What the clock remembers between readings; `anchor` is None where it was never synchronised in this boot."""

    anchor: Anchor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One look: both clocks, what each source said, and the battery-backed clock."""

    utc_ms: int
    boottime_ns: int
    opinions: tuple[Opinion, ...]
    rtc: RtcReading | None = None

    @property
    def offset_ms(self) -> int:
        """UTC less BOOTTIME."""
        return self.utc_ms - self.boottime_ns // 1_000_000


def estimate(trust: Trust, heard: Heard, bounds: Bounds) -> tuple[Trust, SyncState, int]:
    """The memory after this look, the state of the clock, and its error in ms."""
    votes = tuple(opinion for opinion in heard.opinions if opinion.sync is not SyncState.UNKNOWN)
    for_it = [opinion for opinion in votes if opinion.sync is SyncState.SYNCHRONISED]
    against = len(votes) - len(for_it) + (bool(votes) and _rtc_disagrees(heard, bounds))
    if len(for_it) > against:
        error_ms = max(opinion.error_ms for opinion in for_it)
        anchor = Anchor(boottime_ns=heard.boottime_ns, error_ms=error_ms, offset_ms=heard.offset_ms)
        return replace(trust, anchor=anchor), SyncState.SYNCHRONISED, error_ms
    return _held_over(trust, heard, bounds, known=bool(votes))


def _held_over(trust: Trust, heard: Heard, bounds: Bounds, *, known: bool) -> tuple[Trust, SyncState, int]:
    """Nobody vouches for UTC now; a clock that somebody set meanwhile is worth nothing more."""
    unvouched = SyncState.UNSYNCHRONISED if known else SyncState.UNKNOWN
    anchor = trust.anchor
    if anchor is None:
        return trust, unvouched, UNKNOWN_ERROR_MS
    if abs(heard.offset_ms - anchor.offset_ms) > STEP_MS:
        return replace(trust, anchor=None), unvouched, UNKNOWN_ERROR_MS
    passed_ns = max(0, heard.boottime_ns - anchor.boottime_ns)
    error_ms = anchor.error_ms - (-passed_ns * bounds.drift_ppm // 10**12)
    if error_ms > bounds.bound_ms:
        return trust, SyncState.UNSYNCHRONISED, error_ms
    return trust, SyncState.HOLDOVER, error_ms


def _rtc_disagrees(heard: Heard, bounds: Bounds) -> bool:
    """A battery-backed clock that runs and shows another time speaks against a single source, and only then matters."""
    rtc = heard.rtc
    if bounds.rtc_expected == "none" or rtc is None or not rtc.valid or rtc.utc_ms is None:
        return False
    return abs(rtc.utc_ms - heard.utc_ms) > bounds.rtc_tolerance_ms


# -- what is told ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event to journal: its code and what it measured, as the registry names them."""

    code: EventCode
    measured: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockWatch:
    """What was seen last. `floor_utc_ms` has certainly passed: the program's date, the newest signed entry's time."""

    floor_utc_ms: int
    sync: SyncState | None = None
    offset_ms: int = 0
    trusted: bool | None = None
    rtc_bad: bool = False

    @classmethod
    def at_start(cls, last_signed_utc_ms: int | None) -> ClockWatch:
        """Before the first reading; `last_signed_utc_ms` is that of the journal's newest entry."""
        return cls(floor_utc_ms=max(EARLIEST_PLAUSIBLE_UTC_MS, last_signed_utc_ms or 0))


def watch(seen: ClockWatch, reading: ClockReading, bounds: Bounds) -> tuple[ClockWatch, tuple[Told, ...]]:
    """The watch after a reading, and the events that follow from it, in order."""
    offset_ms = reading.utc_ms - reading.boottime_ns // 1_000_000
    behind_seconds = rtc_trouble(reading, seen.floor_utc_ms, bounds)
    trusted = _trusted(reading, seen, bounds)
    vouched_utc_ms = reading.utc_ms if reading.sync is SyncState.SYNCHRONISED else 0
    after = ClockWatch(
        floor_utc_ms=max(seen.floor_utc_ms, vouched_utc_ms),
        sync=reading.sync,
        offset_ms=offset_ms,
        trusted=trusted,
        rtc_bad=behind_seconds is not None,
    )
    return after, tuple(_told(seen, after, reading, behind_seconds))


def _told(seen: ClockWatch, after: ClockWatch, reading: ClockReading, behind_seconds: int | None) -> Iterator[Told]:
    if seen.sync is not None and abs(after.offset_ms - seen.offset_ms) > STEP_MS:
        yield Told(code=EventCode.CLOCK_STEPPED, measured=(after.offset_ms - seen.offset_ms,))
    if seen.sync is not None and reading.sync is not seen.sync:
        measured = (int(seen.sync), int(reading.sync), reading.error_ms)
        yield Told(code=EventCode.CLOCK_SYNC_CHANGED, measured=measured)
    if behind_seconds is not None and not seen.rtc_bad:
        yield Told(code=EventCode.CLOCK_RTC_BAD, measured=(behind_seconds,))
    if after.trusted is not seen.trusted:
        if not after.trusted:
            yield Told(code=EventCode.CLOCK_UNSYNCHRONISED, measured=(reading.error_ms,))
        elif seen.trusted is not None:
            yield Told(code=EventCode.CLOCK_TRUSTED, measured=(reading.error_ms,))


def _trusted(reading: ClockReading, seen: ClockWatch, bounds: Bounds) -> bool:
    """Vouched for now, or held over within the bound; and never before a time that has certainly passed."""
    if reading.utc_ms + reading.error_ms < seen.floor_utc_ms:
        return False
    return reading.sync in (SyncState.SYNCHRONISED, SyncState.HOLDOVER) and reading.error_ms <= bounds.bound_ms


def rtc_trouble(reading: ClockReading, floor_utc_ms: int, bounds: Bounds) -> int | None:
    """`behind_seconds` where the battery-backed clock is not to be believed, None where it is, or none is expected.

    It is never earlier than the floor, nor, while UTC is synchronised, further from it than the tolerance.
    """
    rtc = reading.rtc
    if bounds.rtc_expected == "none" or (rtc is None and bounds.rtc_expected == "optional"):
        return None
    if rtc is None or rtc.utc_ms is None:
        return RTC_SILENT
    if not rtc.valid:
        return 0
    synchronised = reading.sync is SyncState.SYNCHRONISED
    if synchronised and rtc.utc_ms > reading.utc_ms + bounds.rtc_tolerance_ms:
        return 0
    least_ms = max(floor_utc_ms, reading.utc_ms if synchronised else 0)
    behind_ms = least_ms - rtc.utc_ms
    return -(-behind_ms // 1000) if behind_ms > bounds.rtc_tolerance_ms else None


# | the sources say                         | before             | state          | error                           |
# |-----------------------------------------|--------------------|----------------|---------------------------------|
# | more than half: synchronised            | any                | SYNCHRONISED   | the largest of those who say so |
# | not so, and UTC was not set since       | synchronised once  | HOLDOVER       | that of then, growing           |
# | the same, the error beyond the bound    | synchronised once  | UNSYNCHRONISED | the same, growing               |
# | not so, and UTC was set since           | any                | UNSYNCHRONISED | unknown                         |
# | not so                                  | never synchronised | UNSYNCHRONISED | unknown                         |
# | nothing at all                          | never synchronised | UNKNOWN        | unknown                         |
