"""What feeds the recorder, from the answers of a UPS and from its silence (fault rows 20 and 21)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sensors.devices import UpsSample
from edge.sensors.power import Power, judged, mains_present, minutes_left, reading
from edge.sensors.readings import PowerReading, PowerState
from edge.sensors.settings import Ups

SECOND = 1_000_000_000
UPS = Ups(kind="megatec", silent_seconds=5, mains_stable_seconds=5, battery_minutes=20, low_charge_percent=20)
MAINS = UpsSample(on_battery=False, battery_low=False, charge_percent=100)
BATTERY = UpsSample(on_battery=True, battery_low=False, charge_percent=80)
LOW = UpsSample(on_battery=True, battery_low=True, charge_percent=10)


def after(samples: Sequence[UpsSample | None], settings: Ups = UPS) -> Power:
    """One sample a second from second 1 on."""
    power = Power(since_ns=0)
    for second, sample in enumerate(samples, start=1):
        power = judged(power, sample, second * SECOND, settings)
    return power


def states(samples: Sequence[UpsSample | None], settings: Ups = UPS) -> list[PowerState | None]:
    return [after(samples[:count], settings).state for count in range(1, len(samples) + 1)]


def test_nothing_is_said_before_the_first_answer() -> None:
    power = after([None] * 5)
    assert power.state is None
    assert reading(power, UPS) is None


def test_mains_then_battery_tells_the_minutes_left() -> None:
    assert states([MAINS, BATTERY]) == [PowerState.MAINS, PowerState.ON_BATTERY]
    told = reading(after([MAINS, BATTERY]), UPS)
    assert told == PowerReading(state=PowerState.ON_BATTERY, minutes_left=16, charge_percent=80)


def test_minutes_the_ups_tells_itself_count_before_a_measured_discharge() -> None:
    own = UpsSample(on_battery=True, battery_low=False, charge_percent=80, runtime_seconds=599)
    assert minutes_left(own, UPS) == 9
    assert minutes_left(BATTERY, Ups(battery_minutes=0)) is None


@pytest.mark.parametrize(
    "sample",
    [
        LOW,
        UpsSample(on_battery=True, battery_low=False, charge_percent=20),
        UpsSample(on_battery=True, battery_low=False, runtime_seconds=239),
        UpsSample(on_battery=True, battery_low=False, forced_shutdown=True),
        UpsSample(on_battery=False, battery_low=False, forced_shutdown=True),
    ],
    ids=["flag", "charge", "minutes", "fsd", "fsd on mains"],
)
def test_each_sign_of_a_low_battery_is_low(sample: UpsSample) -> None:
    assert after([MAINS, sample, sample]).state is PowerState.LOW


def test_one_answer_alone_does_not_end_a_hearing() -> None:
    """Q1 has no checksum: a changed digit is a low battery for one answer."""
    assert after([BATTERY, LOW]).state is PowerState.ON_BATTERY
    assert after([BATTERY, LOW, BATTERY, LOW]).state is PowerState.ON_BATTERY
    assert after([BATTERY, LOW, LOW]).state is PowerState.LOW


@pytest.mark.parametrize(
    "sample",
    [
        BATTERY,
        UpsSample(on_battery=True, battery_low=False, charge_percent=21),
        UpsSample(on_battery=True, battery_low=False, runtime_seconds=240),
        UpsSample(on_battery=True, battery_low=False),
    ],
    ids=["battery", "charge", "minutes", "nothing told"],
)
def test_a_battery_with_something_in_it_is_not_low(sample: UpsSample) -> None:
    assert after([MAINS, sample, sample]).state is PowerState.ON_BATTERY


def test_a_charging_battery_on_mains_is_not_low() -> None:
    charging = UpsSample(on_battery=False, battery_low=True, charge_percent=5)
    assert after([MAINS, charging]).state is PowerState.MAINS


def test_mains_counts_as_back_only_when_it_stays() -> None:
    flicker = [MAINS, BATTERY, MAINS, BATTERY, MAINS, MAINS, MAINS, MAINS, MAINS, MAINS]
    assert states(flicker)[1:] == [PowerState.ON_BATTERY] * 8 + [PowerState.MAINS]


def test_low_does_not_become_on_battery_because_a_voltage_recovered() -> None:
    assert after([LOW, LOW, BATTERY, BATTERY]).state is PowerState.LOW
    assert after([LOW, LOW, *[MAINS] * 6]).state is PowerState.MAINS


def test_silence_on_mains_is_silence_and_no_low_battery() -> None:
    power = after([MAINS, *[None] * 5])
    assert power.state is PowerState.MAINS
    power = after([MAINS, *[None] * 6])
    assert power.state is PowerState.SILENT
    assert not power.state.is_low
    assert not mains_present(power)


def test_silence_on_battery_is_a_low_battery() -> None:
    """Some Megatec units drop their line as they go to battery."""
    power = after([MAINS, BATTERY, *[None] * 6])
    assert power.state is PowerState.SILENT_ON_BATTERY
    assert power.state.is_low
    assert reading(power, UPS) == PowerReading(
        state=PowerState.SILENT_ON_BATTERY, minutes_left=None, charge_percent=None
    )


def test_a_battery_heard_again_after_silence_stays_low() -> None:
    assert after([BATTERY, *[None] * 6, BATTERY]).state is PowerState.LOW
    assert after([MAINS, *[None] * 6, BATTERY]).state is PowerState.ON_BATTERY


def test_a_ups_that_never_speaks_is_silent() -> None:
    assert after([None] * 6).state is PowerState.SILENT


def test_mains_is_present_as_soon_as_a_fresh_answer_says_so() -> None:
    assert mains_present(after([LOW, MAINS]))
    assert not mains_present(after([MAINS, LOW]))
    assert not mains_present(after([LOW, MAINS, *[None] * 6]))


samples = st.lists(st.sampled_from([MAINS, BATTERY, LOW, None]), max_size=60)


@given(samples)
def test_mains_is_never_told_without_an_answer_that_says_so(row: list[UpsSample | None]) -> None:
    heard = [sample for sample in row if sample is not None]
    if after(row).state is PowerState.MAINS:
        assert heard
        assert not heard[-1].on_battery


@given(samples)
def test_two_newest_answers_of_a_low_battery_are_always_low(row: list[UpsSample | None]) -> None:
    state = after([*row, LOW, LOW]).state
    assert state is PowerState.LOW


@given(samples)
def test_once_low_only_stable_mains_or_silence_after_mains_ends_it(row: list[UpsSample | None]) -> None:
    told = states(row)
    for number in range(1, len(told)):
        before, now = told[number - 1], told[number]
        if before is not None and before.is_low and (now is None or not now.is_low):
            heard = [sample for sample in row[: number + 1] if sample is not None]
            assert not heard[-1].on_battery
