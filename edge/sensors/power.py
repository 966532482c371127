"""What feeds the recorder, judged from the answers of the UPS and from their absence. Pure.

| state | enters when | leaves when |
|---|---|---|
| MAINS | an answer says mains, and mains was not gone, or has been back for `mains_stable_seconds` | as below |
| ON_BATTERY | an answer says battery | mains stays back; low; silence |
| LOW | on battery, twice low flag, little charge or time; FSD; any answer after silence on battery | mains stays back |
| SILENT | no sound answer for `silent_seconds` and the last one said mains, or there was none | any sound answer |
| SILENT_ON_BATTERY | the same, and the last one said battery; it counts as low | any sound answer |

A low battery is believed at the second answer in a row: Q1 has no checksum, and one changed digit must not end a
hearing for good. LOW never becomes ON_BATTERY: a recorder that has begun to close is not told to go on because a
voltage recovered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.sensors.devices import UpsSample
from edge.sensors.readings import LONGEST_MINUTES, PowerReading, PowerState
from edge.sensors.settings import Ups

NS_PER_SECOND = 1_000_000_000
SECONDS_PER_MINUTE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """What is known. `state` is None until the first judgement; `since_ns` is when the watch began or an answer came.

    `mains_since_ns` is None while the newest answer said battery, or there was none; `low_told`: it said low.
    """

    since_ns: int
    state: PowerState | None = None
    mains_since_ns: int | None = None
    sample: UpsSample | None = None
    low_told: bool = False


def judged(power: Power, sample: UpsSample | None, at_ns: int, settings: Ups) -> Power:
    """The state after a sound answer, or (None) after a moment without one. `at_ns` is BOOTTIME and never falls."""
    return _silent(power, at_ns, settings) if sample is None else _heard(power, sample, at_ns, settings)


def mains_present(power: Power) -> bool:
    """Whether the newest sound answer said mains, and it is fresh."""
    return power.mains_since_ns is not None and power.state is not PowerState.SILENT


def reading(power: Power, settings: Ups) -> PowerReading | None:
    """What the recorder is told; None before the first judgement. Silence tells no numbers."""
    if power.state is None:
        return None
    silent = power.sample is None or power.state in {PowerState.SILENT, PowerState.SILENT_ON_BATTERY}
    sample = None if silent else power.sample
    return PowerReading(
        state=power.state,
        minutes_left=None if sample is None or not sample.on_battery else minutes_left(sample, settings),
        charge_percent=None if sample is None else sample.charge_percent,
    )


def minutes_left(sample: UpsSample, settings: Ups) -> int | None:
    """Told by the UPS, else from the charge and a measured discharge, else unknown; rounded down."""
    if sample.runtime_seconds is not None:
        return min(sample.runtime_seconds // SECONDS_PER_MINUTE, LONGEST_MINUTES)
    if sample.charge_percent is not None and settings.battery_minutes:
        return sample.charge_percent * settings.battery_minutes // 100
    return None


def _heard(power: Power, sample: UpsSample, at_ns: int, settings: Ups) -> Power:
    since_ns = at_ns if power.mains_since_ns is None else power.mains_since_ns
    mains_since_ns = None if sample.on_battery else since_ns
    heard = replace(power, since_ns=at_ns, sample=sample, mains_since_ns=mains_since_ns)
    state = _after_answer(heard, sample, at_ns, settings)
    return replace(heard, state=state, low_told=sample.on_battery and _low(sample, settings))


def _after_answer(power: Power, sample: UpsSample, at_ns: int, settings: Ups) -> PowerState:
    was_low = power.state is not None and power.state.is_low
    if sample.forced_shutdown:
        return PowerState.LOW
    if sample.on_battery:
        low = was_low or (power.low_told and _low(sample, settings))
        return PowerState.LOW if low else PowerState.ON_BATTERY
    mains_since_ns = at_ns if power.mains_since_ns is None else power.mains_since_ns
    stable = at_ns - mains_since_ns >= settings.mains_stable_seconds * NS_PER_SECOND
    if stable or not (was_low or power.state is PowerState.ON_BATTERY):
        return PowerState.MAINS
    return PowerState.LOW if was_low else PowerState.ON_BATTERY


def _low(sample: UpsSample, settings: Ups) -> bool:
    left = minutes_left(sample, settings)
    little_charge = sample.charge_percent is not None and sample.charge_percent <= settings.low_charge_percent
    return sample.battery_low or little_charge or (left is not None and left <= settings.low_minutes)


def _silent(power: Power, at_ns: int, settings: Ups) -> Power:
    if at_ns - power.since_ns <= settings.silent_seconds * NS_PER_SECOND:
        return power
    if power.state is None or power.state is PowerState.SILENT:
        return replace(power, state=PowerState.SILENT, mains_since_ns=None)
    if power.state.is_low or power.mains_since_ns is None:
        return replace(power, state=PowerState.SILENT_ON_BATTERY, mains_since_ns=None)
    return replace(power, state=PowerState.SILENT, mains_since_ns=None)
