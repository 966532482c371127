"""Whether the gas detector's word is a permit. Pure.

A permit needs a fresh, sound value below the first alarm level, without a break for `clear_seconds`. Everything else
trips: at once where something was said (alarm, fault, warm-up, a current outside the measuring range, an answer that
is not sound), after `stale_milliseconds` where nothing was.

| current (NAMUR NE 43) | meaning | verdict |
|---|---|---|
| below 3.6 mA | broken wire or a fault of the detector | CURRENT_LOW |
| 3.6 to 3.8 mA | saturated below: no measurement, so no permit | CURRENT_LOW |
| 3.8 to 20.5 mA | measurement; 4 mA is 0, below it 0 | by the value |
| 20.5 to 21 mA | saturated above: at least the whole span | ALARM1 |
| above 21 mA | short circuit or a fault of the detector | CURRENT_HIGH |
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from edge.sensors.devices import CurrentSample, GasSample, RegisterSample
from edge.sensors.readings import MOST_MICRO_AMPERE, MOST_MILLI_PERCENT_LEL, GasReading, GasReason, GasState
from edge.sensors.settings import Gas as GasSettings

NS_PER_MS = 1_000_000
NS_PER_SECOND = 1_000_000_000
FAULT_BELOW_MICRO_AMPERE = 3_600
MEASURED_FROM_MICRO_AMPERE = 3_800
ZERO_MICRO_AMPERE = 4_000
FULL_MICRO_AMPERE = 20_000
MEASURED_TO_MICRO_AMPERE = 20_500
FAULT_ABOVE_MICRO_AMPERE = 21_000


class GasTrouble(enum.Enum):
    """A question that brought no sample."""

    SILENT = enum.auto()
    GARBLED = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One sample alone: a reason (NONE: well and below the level), and what was measured."""

    reason: GasReason
    milli_percent_lel: int | None = None
    micro_ampere: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gas:
    """What is known; it begins tripped. `well_since_ns` is when the unbroken row of good samples began.

    `spoken`: there is more to tell than that the process has just begun to listen.
    """

    heard_ns: int
    reason: GasReason = GasReason.STALE
    verdict: Verdict | None = None
    well_since_ns: int | None = None
    spoken: bool = False

    @property
    def permit(self) -> bool:
        """Whether capture may go on."""
        return self.reason is GasReason.NONE


def judged(gas: Gas, news: GasSample | GasTrouble | None, at_ns: int, settings: GasSettings) -> Gas:
    """The state after a sample, after a question in vain, or (None) after a moment without news."""
    match news:
        case RegisterSample() | CurrentSample():
            return _sampled(gas, verdict(news, settings), at_ns, settings)
        case GasTrouble.GARBLED:
            return Gas(heard_ns=gas.heard_ns, reason=GasReason.GARBLED, spoken=True)
        case GasTrouble.SILENT | None:
            if at_ns - gas.heard_ns > settings.stale_milliseconds * NS_PER_MS:
                return _stale(gas)
            return gas


def verdict(sample: GasSample, settings: GasSettings) -> Verdict:
    """Judge one sample alone."""
    match sample:
        case RegisterSample():
            return _register_verdict(sample, settings)
        case CurrentSample():
            return _current_verdict(sample.micro_ampere, settings)


def reading(gas: Gas) -> GasReading:
    """What the recorder is told."""
    known = gas.verdict
    return GasReading(
        state=GasState.CLEAR if gas.permit else GasState.TRIPPED,
        reason=gas.reason,
        milli_percent_lel=None if known is None else known.milli_percent_lel,
        micro_ampere=None if known is None else known.micro_ampere,
    )


def _sampled(gas: Gas, found: Verdict, at_ns: int, settings: GasSettings) -> Gas:
    if found.reason is not GasReason.NONE:
        return Gas(heard_ns=at_ns, reason=found.reason, verdict=found, spoken=True)
    since_ns = at_ns if gas.well_since_ns is None else gas.well_since_ns
    held = gas.permit or at_ns - since_ns >= settings.clear_seconds * NS_PER_SECOND
    reason = GasReason.NONE if held else gas.reason
    return Gas(heard_ns=at_ns, reason=reason, verdict=found, well_since_ns=since_ns, spoken=True)


def _stale(gas: Gas) -> Gas:
    """Silence after a garbled answer is told as garbled: something is on the line."""
    reason = GasReason.GARBLED if gas.reason is GasReason.GARBLED else GasReason.STALE
    return Gas(heard_ns=gas.heard_ns, reason=reason, spoken=True)


def _register_verdict(sample: RegisterSample, settings: GasSettings) -> Verdict:
    known = settings.fault_mask | settings.alarm_mask | settings.warm_up_mask
    milli = min(sample.value * settings.milli_percent_lel_per_count, MOST_MILLI_PERCENT_LEL)
    if sample.status & ~known:
        return Verdict(reason=GasReason.GARBLED)  # a bit nobody explained is no permit
    if sample.status & settings.fault_mask:
        return Verdict(reason=GasReason.FAULT)
    if sample.status & settings.warm_up_mask:
        return Verdict(reason=GasReason.WARM_UP)
    alarm = bool(sample.status & settings.alarm_mask) or _at_level(milli, settings)
    return Verdict(reason=GasReason.ALARM1 if alarm else GasReason.NONE, milli_percent_lel=milli)


def _current_verdict(micro_ampere: int, settings: GasSettings) -> Verdict:
    told = max(-MOST_MICRO_AMPERE, min(micro_ampere, MOST_MICRO_AMPERE))
    if micro_ampere < MEASURED_FROM_MICRO_AMPERE:
        return Verdict(reason=GasReason.CURRENT_LOW, micro_ampere=told)
    if micro_ampere > FAULT_ABOVE_MICRO_AMPERE:
        return Verdict(reason=GasReason.CURRENT_HIGH, micro_ampere=told)
    above_zero = max(0, micro_ampere - ZERO_MICRO_AMPERE)
    # Rounded up: a value is never told as less than it is.
    milli = -(-above_zero * settings.span_percent_lel * 1000 // (FULL_MICRO_AMPERE - ZERO_MICRO_AMPERE))
    alarm = micro_ampere > MEASURED_TO_MICRO_AMPERE or _at_level(milli, settings)
    return Verdict(
        reason=GasReason.ALARM1 if alarm else GasReason.NONE, milli_percent_lel=milli, micro_ampere=micro_ampere
    )


def _at_level(milli_percent_lel: int, settings: GasSettings) -> bool:
    return milli_percent_lel >= settings.first_alarm_percent_lel * 1000
