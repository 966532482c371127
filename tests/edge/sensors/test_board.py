"""Heat and voltage without chatter, and what was before this service started (fault rows 18 and 19)."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from edge.sensors.board import Board, judged, reading
from edge.sensors.devices import BoardSample, Throttled
from edge.sensors.readings import BoardBits, BoardReading
from edge.sensors.settings import Board as Settings

SECOND = 1_000_000_000
SETTINGS = Settings(enabled=True, hot_celsius=80, cool_celsius=75, clear_seconds=10, stale_seconds=10)
QUIET = Throttled(0)


def seen(celsius: int | None = 50, volts: bool | None = False, throttled: Throttled | None = QUIET) -> BoardSample:
    return BoardSample(
        milli_celsius=None if celsius is None else celsius * 1000, under_voltage=volts, throttled=throttled
    )


def after(row: Sequence[BoardSample | None]) -> BoardReading | None:
    board = Board(heard_ns=0)
    for second, sample in enumerate(row, start=1):
        board = judged(board, sample, second * SECOND, SETTINGS)
    return reading(board, len(row) * SECOND, SETTINGS)


def bits(row: Sequence[BoardSample | None]) -> BoardBits:
    told = after(row)
    assert told is not None
    return told.bits


def test_nothing_is_told_before_the_first_answer() -> None:
    assert after([None] * 10) is None


def test_a_cool_board_with_good_voltage_has_no_finding() -> None:
    assert after([seen()]) == BoardReading(milli_celsius=50_000, bits=BoardBits(0))


def test_heat_begins_at_the_upper_limit_and_ends_at_the_lower() -> None:
    assert not bits([seen(79)])
    assert bits([seen(80)]) == BoardBits.HOT
    assert bits([seen(80), seen(76)]) == BoardBits.HOT
    assert not bits([seen(80), seen(75)])


def test_under_voltage_begins_at_once_and_ends_after_the_clear_time() -> None:
    assert bits([seen(volts=True)]) == BoardBits.UNDER_VOLTAGE
    assert bits([seen(volts=True), *[seen()] * 9]) == BoardBits.UNDER_VOLTAGE
    assert not bits([seen(volts=True), *[seen()] * 10])


def test_either_the_kernel_or_the_firmware_can_tell_of_under_voltage() -> None:
    assert bits([seen(volts=None, throttled=Throttled.UNDER_VOLTAGE)]) == BoardBits.UNDER_VOLTAGE
    assert bits([seen(volts=True, throttled=None)]) == BoardBits.UNDER_VOLTAGE | BoardBits.THROTTLING_UNKNOWN


def test_what_the_firmware_remembers_at_the_first_answer_was_before_this_service_started() -> None:
    old = Throttled.UNDER_VOLTAGE_SINCE_BOOT | Throttled.THROTTLED_SINCE_BOOT
    assert bits([seen(throttled=old)]) == BoardBits.UNDER_VOLTAGE_BEFORE | BoardBits.THROTTLED_BEFORE


def test_what_the_firmware_remembers_later_is_not_told_as_earlier() -> None:
    later = seen(throttled=Throttled.UNDER_VOLTAGE_SINCE_BOOT)
    assert not bits([seen(), later])


def test_a_board_that_cannot_tell_says_unknown_and_not_well() -> None:
    assert bits([seen(None, None, None)]) == (
        BoardBits.TEMPERATURE_UNKNOWN | BoardBits.VOLTAGE_UNKNOWN | BoardBits.THROTTLING_UNKNOWN
    )


def test_a_board_that_falls_silent_becomes_unknown() -> None:
    row = [seen(90), *[None] * 11]
    told = after(row)
    assert told is not None
    assert told.milli_celsius is None
    assert told.bits & BoardBits.TEMPERATURE_UNKNOWN


@given(st.lists(st.integers(70, 85), min_size=2, max_size=60))
def test_heat_never_changes_between_the_limits(row: list[int]) -> None:
    told = [bool(bits([seen(celsius) for celsius in row[:count]]) & BoardBits.HOT) for count in range(1, len(row) + 1)]
    for before, now, celsius in zip(told, told[1:], row[1:], strict=False):
        if 75 < celsius < 80:
            assert before == now


@given(st.integers(0, 0xF_FFFF))
def test_no_bit_of_the_firmware_becomes_an_unknown_bit(raw: int) -> None:
    told = bits([seen(throttled=Throttled(raw & 0xF_000F))])
    assert BoardBits(int(told)) == told
    assert bool(told & BoardBits.UNDER_VOLTAGE) == bool(raw & 1)
