"""A permit needs a fresh, sound value below the first alarm level; everything else trips, and says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import Config, ConfigError
from edge.sensors.devices import CurrentSample, GasSample, RegisterSample
from edge.sensors.gas import Gas, GasTrouble, judged, reading, verdict
from edge.sensors.lease import EVERY_NS, Lease, next_lease
from edge.sensors.readings import GasReading, GasReason, GasState
from edge.sensors.settings import Gas as Settings

STEP = 250_000_000
LINE = Settings(kind="modbus", stale_milliseconds=2000, clear_seconds=5)
LOOP = replace(LINE, kind="loop")
WELL = RegisterSample(status=0, value=3)
ALARM = RegisterSample(status=0, value=25)
HOLD_STEPS = 5 * 4 + 1

News = GasSample | GasTrouble | None


def after(row: Sequence[News], settings: Settings = LINE) -> Gas:
    gas = Gas(heard_ns=0)
    for number, news in enumerate(row, start=1):
        gas = judged(gas, news, number * STEP, settings)
    return gas


def test_it_begins_tripped_and_clears_only_after_the_hold_time() -> None:
    assert not after([]).permit
    assert not after([WELL] * (HOLD_STEPS - 1)).permit
    assert after([WELL] * HOLD_STEPS).permit


@pytest.mark.parametrize(
    ("news", "reason"),
    [
        (ALARM, GasReason.ALARM1),
        (RegisterSample(status=2, value=0), GasReason.ALARM1),
        (RegisterSample(status=1, value=0), GasReason.FAULT),
        (RegisterSample(status=8, value=0), GasReason.WARM_UP),
        (RegisterSample(status=16, value=0), GasReason.GARBLED),
        (RegisterSample(status=0, value=65_535), GasReason.ALARM1),
        (GasTrouble.GARBLED, GasReason.GARBLED),
    ],
    ids=["level", "alarm bit", "fault", "warm-up", "unexplained bit", "overflow", "garbled"],
)
def test_one_bad_word_trips_at_once_and_the_hold_time_begins_anew(news: News, reason: GasReason) -> None:
    row = [*[WELL] * HOLD_STEPS, news]
    assert after(row).reason is reason
    assert after([*row, *[WELL] * (HOLD_STEPS - 1)]).reason is reason
    assert after([*row, *[WELL] * HOLD_STEPS]).permit


def test_a_value_just_below_the_level_is_a_permit() -> None:
    """Control of the level."""
    below = replace(LINE, milli_percent_lel_per_count=1)
    row: list[News] = [RegisterSample(status=0, value=24_999)] * HOLD_STEPS
    assert after(row, below).permit
    assert after([*row, RegisterSample(status=0, value=25_000)], below).reason is GasReason.ALARM1


def test_silence_trips_once_the_value_is_stale_and_not_before() -> None:
    clear: list[News] = [WELL] * HOLD_STEPS
    for silence in (None, GasTrouble.SILENT):
        assert after([*clear, *[silence] * 8]).permit
        assert after([*clear, *[silence] * 9]).reason is GasReason.STALE


def test_the_first_alarm_level_can_only_be_lowered() -> None:
    with pytest.raises(ConfigError) as caught:
        Config(gas=replace(LINE, first_alarm_percent_lel=26))
    assert [problem.path for problem in caught.value.problems] == ["gas.first_alarm_percent_lel"]
    lowered = replace(LINE, first_alarm_percent_lel=3)
    assert Config(gas=lowered).gas == lowered
    assert verdict(WELL, lowered).reason is GasReason.ALARM1


@pytest.mark.parametrize(
    ("micro_ampere", "reason", "milli"),
    [
        (-200, GasReason.CURRENT_LOW, None),
        (0, GasReason.CURRENT_LOW, None),
        (3_500, GasReason.CURRENT_LOW, None),
        (3_599, GasReason.CURRENT_LOW, None),
        (3_600, GasReason.CURRENT_LOW, None),
        (3_799, GasReason.CURRENT_LOW, None),
        (3_800, GasReason.NONE, 0),
        (4_000, GasReason.NONE, 0),
        (7_999, GasReason.NONE, 24_994),
        (8_000, GasReason.ALARM1, 25_000),
        (20_000, GasReason.ALARM1, 100_000),
        (20_501, GasReason.ALARM1, 103_132),
        (21_000, GasReason.ALARM1, 106_250),
        (21_001, GasReason.CURRENT_HIGH, None),
        (21_500, GasReason.CURRENT_HIGH, None),
    ],
)
def test_the_loop_is_judged_by_the_bands_of_namur_ne_43(
    micro_ampere: int, reason: GasReason, milli: int | None
) -> None:
    found = verdict(CurrentSample(micro_ampere=micro_ampere), LOOP)
    assert (found.reason, found.milli_percent_lel, found.micro_ampere) == (reason, milli, micro_ampere)


def test_saturation_is_an_alarm_whatever_the_span() -> None:
    """A span of 10 %LEL ends below the level; beyond its end nobody knows how much there is."""
    short = replace(LOOP, span_percent_lel=10)
    assert verdict(CurrentSample(micro_ampere=20_500), short).reason is GasReason.NONE
    assert verdict(CurrentSample(micro_ampere=20_501), short).reason is GasReason.ALARM1


@given(st.integers(-2_000_000, 2_000_000))
def test_a_fault_is_never_told_as_a_concentration(micro_ampere: int) -> None:
    told = reading(judged(Gas(heard_ns=0), CurrentSample(micro_ampere=micro_ampere), STEP, LOOP))
    if not 3_800 <= micro_ampere <= 21_000:
        assert told.milli_percent_lel is None
        assert told.state is GasState.TRIPPED


news = st.one_of(
    st.sampled_from([WELL, ALARM, GasTrouble.GARBLED, GasTrouble.SILENT, None]),
    st.builds(RegisterSample, status=st.integers(0, 65_535), value=st.integers(0, 65_535)),
    st.builds(CurrentSample, micro_ampere=st.integers(-100_000, 100_000)),
)


@given(st.lists(news, max_size=80))
def test_a_permit_means_a_row_of_good_words_as_long_as_the_hold_time(row: list[News]) -> None:
    if not after(row).permit:
        return
    good = [one for one in row if isinstance(one, RegisterSample | CurrentSample)]
    assert verdict(good[-1], LINE).reason is GasReason.NONE
    newest = max(number for number, one in enumerate(row) if one is good[-1])
    assert len(row) - 1 - newest <= 8
    assert len(row) >= HOLD_STEPS


def test_a_reading_says_state_reason_and_value() -> None:
    assert reading(after([WELL] * HOLD_STEPS)) == GasReading(
        state=GasState.CLEAR, reason=GasReason.NONE, milli_percent_lel=3000, micro_ampere=None
    )


# --- the lease -------------------------------------------------------------------------------------------------------


def test_a_lease_is_made_every_quarter_second_and_at_once_on_a_change() -> None:
    clear = after([WELL] * HOLD_STEPS)
    at = HOLD_STEPS * STEP
    first = next_lease(None, clear, at)
    assert first == Lease(count=0, permit=True, reason=GasReason.NONE, boottime_ns=at)
    assert first is not None
    assert next_lease(first, clear, at + EVERY_NS - 1) is None
    renewed = next_lease(first, clear, at + EVERY_NS)
    assert renewed is not None
    assert (renewed.count, renewed.permit) == (1, True)
    tripped = judged(clear, ALARM, at + 1, LINE)
    ended = next_lease(first, tripped, at + 1)
    assert ended == Lease(count=1, permit=False, reason=GasReason.ALARM1, boottime_ns=at + 1)


def test_the_packet_of_a_lease_is_the_agreed_one() -> None:
    lease = Lease(count=7, permit=False, reason=GasReason.STALE, boottime_ns=12)
    assert lease.packet() == b'{"v":1,"n":7,"permit":false,"boottime_ns":12,"reason":"STALE"}'
