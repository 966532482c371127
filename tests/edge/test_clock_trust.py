"""UTC is believed as far as its sources can be, and what changes about that is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock_trust import (
    EARLIEST_PLAUSIBLE_UTC_MS,
    RTC_SILENT,
    UNKNOWN_ERROR_MS,
    Bounds,
    ClockWatch,
    Heard,
    Opinion,
    Told,
    Trust,
    estimate,
    watch,
)
from edge.config import Config
from edge.ports import ClockReading, RtcReading, SyncState
from liuhen.registry import EVENTS, EventCode
from sim.imager import Moment
from sim.virtual_clock import VirtualClock

UTC_MS = 1_795_194_000_000
HOUR_NS = 3_600 * 10**9
BOUNDS = Bounds.of(Config().clock)
GOOD, BAD, UNKNOWN = SyncState.SYNCHRONISED, SyncState.UNSYNCHRONISED, SyncState.UNKNOWN


def heard(*states: SyncState, at_ns: int = 0, set_ms: int = 0, rtc: RtcReading | None = None) -> Heard:
    """What sources say at a moment; their errors are 10, 20, 30 ms."""
    opinions = tuple(
        Opinion(source=str(number), sync=sync, error_ms=10 * number + 10) for number, sync in enumerate(states)
    )
    return Heard(utc_ms=UTC_MS + at_ns // 1_000_000 + set_ms, boottime_ns=at_ns, opinions=opinions, rtc=rtc)


def states(*looks: Heard, bounds: Bounds = BOUNDS) -> list[tuple[SyncState, int]]:
    trust, found = Trust(), []
    for look in looks:
        trust, sync, error_ms = estimate(trust, look, bounds)
        found.append((sync, error_ms))
    return found


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ((GOOD,), (GOOD, 10)),
        ((GOOD, GOOD), (GOOD, 20)),
        ((GOOD, BAD, GOOD), (GOOD, 30)),
        ((GOOD, UNKNOWN, UNKNOWN), (GOOD, 10)),
        ((GOOD, BAD), (BAD, UNKNOWN_ERROR_MS)),
        ((BAD, BAD, GOOD), (BAD, UNKNOWN_ERROR_MS)),
        ((GOOD, SyncState.HOLDOVER), (BAD, UNKNOWN_ERROR_MS)),
        ((BAD,), (BAD, UNKNOWN_ERROR_MS)),
        ((UNKNOWN, UNKNOWN), (UNKNOWN, UNKNOWN_ERROR_MS)),
        ((), (UNKNOWN, UNKNOWN_ERROR_MS)),
    ],
)
def test_more_than_half_of_those_who_answer_must_vouch_for_it(
    votes: tuple[SyncState, ...], expected: tuple[SyncState, int]
) -> None:
    assert states(heard(*votes)) == [expected]


def test_a_battery_clock_that_shows_another_time_outweighs_a_single_source_but_not_two() -> None:
    elsewhere = RtcReading(utc_ms=UTC_MS + 3_600_000, valid=True)
    assert states(heard(GOOD, rtc=elsewhere)) == [(BAD, UNKNOWN_ERROR_MS)]
    assert states(heard(GOOD, GOOD, rtc=elsewhere)) == [(GOOD, 20)]
    assert states(heard(GOOD, rtc=replace(elsewhere, valid=False))) == [(GOOD, 10)]
    assert states(heard(GOOD, rtc=RtcReading(utc_ms=UTC_MS + 4_000, valid=True))) == [(GOOD, 10)]
    assert states(heard(GOOD, rtc=elsewhere), bounds=replace(BOUNDS, rtc_expected="none")) == [(GOOD, 10)]


def test_without_its_sources_the_error_grows_by_the_drift_until_the_bound() -> None:
    looks = [heard(GOOD), *(heard(BAD, at_ns=hours * HOUR_NS) for hours in (1, 2, 3))]
    # 100 ppm are 360 ms an hour, on top of the 10 ms of then; the bound is a second
    assert states(*looks) == [
        (GOOD, 10),
        (SyncState.HOLDOVER, 370),
        (SyncState.HOLDOVER, 730),
        (BAD, 1090),
    ]


def test_silent_sources_are_held_over_just_so() -> None:
    assert states(heard(GOOD), heard(at_ns=HOUR_NS))[1] == (SyncState.HOLDOVER, 370)


def test_a_clock_that_somebody_sets_while_held_over_is_worth_nothing() -> None:
    after_set = states(heard(GOOD), heard(BAD, at_ns=HOUR_NS, set_ms=600), heard(BAD, at_ns=HOUR_NS + 1))
    assert after_set[1:] == [(BAD, UNKNOWN_ERROR_MS)] * 2


def test_a_clock_that_its_daemon_sets_stays_synchronised() -> None:
    assert states(heard(GOOD), heard(GOOD, at_ns=HOUR_NS, set_ms=600)) == [(GOOD, 10)] * 2


@given(st.lists(st.tuples(st.integers(0, 10 * HOUR_NS), st.lists(st.sampled_from(SyncState), max_size=3)), max_size=20))
def test_the_error_never_shrinks_without_a_source_that_vouches(
    steps: list[tuple[int, list[SyncState]]],
) -> None:
    trust, now_ns, before_ms, anchored = Trust(), 0, 0, False
    for passed_ns, votes in steps:
        now_ns += passed_ns
        trust, sync, error_ms = estimate(trust, heard(*votes, at_ns=now_ns), BOUNDS)
        if sync is GOOD:
            anchored = True
        elif anchored:
            assert error_ms >= before_ms
            assert (sync is SyncState.HOLDOVER) == (error_ms <= BOUNDS.bound_ms)
        before_ms = error_ms


# -- what is told ----------------------------------------------------------------------------------------------------


class Watched:
    """A room's clock and what CONTROL tells of it."""

    def __init__(self, bounds: Bounds = BOUNDS, last_signed_utc_ms: int | None = UTC_MS) -> None:
        self.clock = VirtualClock(Moment(utc_ms=UTC_MS + 1000, boottime_ns=10**9), 1)
        self.bounds = bounds
        self.watch = ClockWatch.at_start(last_signed_utc_ms)

    def look(self, **changes: object) -> list[Told]:
        reading = replace(self.clock.read(), **changes)  # type: ignore[arg-type]
        self.watch, told = watch(self.watch, reading, self.bounds)
        return list(told)

    def pass_seconds(self, seconds: int) -> None:
        self.clock.move_to(self.clock.boottime_ns() + seconds * 10**9)


def test_a_good_clock_says_nothing() -> None:
    watched = Watched()
    for _ in range(10):
        assert watched.look() == []
        watched.pass_seconds(60)


@pytest.mark.parametrize("step_ms", [3_600_000, -3_600_000, 501, -501])
def test_row_22_a_step_of_the_wall_clock_is_told_once_with_its_size(step_ms: int) -> None:
    watched = Watched()
    watched.look()
    watched.clock.step(step_ms)
    assert [told for told in watched.look() if told.code is EventCode.CLOCK_STEPPED] == [
        Told(code=EventCode.CLOCK_STEPPED, measured=(step_ms,))
    ]
    assert not [told for told in watched.look() if told.code is EventCode.CLOCK_STEPPED]


def test_row_22_a_slew_is_no_step() -> None:
    watched = Watched()
    for _ in range(20):
        assert watched.look() == []
        watched.clock.step(400)


def test_row_24_lost_sources_are_told_as_they_change_and_at_the_bound() -> None:
    watched = Watched()
    watched.look()
    watched.clock.believe(SyncState.HOLDOVER, 200)
    assert watched.look() == [Told(code=EventCode.CLOCK_SYNC_CHANGED, measured=(2, 3, 200))]
    watched.clock.believe(SyncState.UNSYNCHRONISED, 1200)
    assert [told.code for told in watched.look()] == [EventCode.CLOCK_SYNC_CHANGED, EventCode.CLOCK_UNSYNCHRONISED]
    assert watched.look() == []
    watched.clock.believe(SyncState.SYNCHRONISED, 5)
    assert [told.code for told in watched.look()] == [EventCode.CLOCK_SYNC_CHANGED, EventCode.CLOCK_TRUSTED]


def test_row_24_a_synchronised_clock_whose_error_is_beyond_the_bound_is_not_trusted() -> None:
    watched = Watched()
    watched.clock.believe(SyncState.SYNCHRONISED, 1001)
    assert watched.look() == [Told(code=EventCode.CLOCK_UNSYNCHRONISED, measured=(1001,))]


def test_row_23_a_start_in_1970_is_never_trusted_whatever_it_says() -> None:
    watched = Watched()
    assert [told.code for told in watched.look(utc_ms=0)] == [EventCode.CLOCK_UNSYNCHRONISED]


def test_row_23_a_start_before_the_last_signed_time_is_not_trusted_until_it_is_set() -> None:
    watched = Watched(last_signed_utc_ms=UTC_MS + 3_600_000)
    assert [told.code for told in watched.look()] == [EventCode.CLOCK_UNSYNCHRONISED]
    watched.clock.step(3_600_000)
    assert [told.code for told in watched.look()] == [EventCode.CLOCK_STEPPED, EventCode.CLOCK_TRUSTED]


RTC_GOOD = RtcReading(utc_ms=UTC_MS + 1000, valid=True)


@pytest.mark.parametrize(
    ("rtc", "expected", "behind_seconds"),
    [
        (None, "required", RTC_SILENT),
        (RtcReading(utc_ms=None, valid=False), "optional", RTC_SILENT),
        (replace(RTC_GOOD, valid=False), "optional", 0),
        (RtcReading(utc_ms=0, valid=True), "optional", (UTC_MS + 1000) // 1000),
        (RtcReading(utc_ms=UTC_MS - 60_000, valid=True), "optional", 61),
        (RtcReading(utc_ms=UTC_MS + 60_000, valid=True), "optional", 0),
    ],
)
def test_row_23_a_battery_clock_not_to_be_believed_is_told_once(
    rtc: RtcReading | None, expected: str, behind_seconds: int
) -> None:
    watched = Watched(replace(BOUNDS, rtc_expected=expected))
    assert watched.look(rtc=rtc) == [Told(code=EventCode.CLOCK_RTC_BAD, measured=(behind_seconds,))]
    assert watched.look(rtc=rtc) == []


@pytest.mark.parametrize(
    ("rtc", "expected"), [(RTC_GOOD, "required"), (RTC_GOOD, "optional"), (None, "optional"), (None, "none"),
                          (RtcReading(utc_ms=0, valid=False), "none")]
)  # fmt: skip
def test_row_23_a_good_battery_clock_or_one_that_nobody_expects_says_nothing(
    rtc: RtcReading | None, expected: str
) -> None:
    assert Watched(replace(BOUNDS, rtc_expected=expected)).look(rtc=rtc) == []


def test_row_23_a_battery_clock_behind_the_last_signed_time_is_bad_although_nobody_is_synchronised() -> None:
    watched = Watched()
    watched.clock.believe(SyncState.UNSYNCHRONISED, UNKNOWN_ERROR_MS)
    told = watched.look(rtc=RtcReading(utc_ms=UTC_MS - 86_400_000, valid=True))
    assert Told(code=EventCode.CLOCK_RTC_BAD, measured=(86_400,)) in told


def test_the_floor_is_the_program_s_date_where_nothing_was_signed() -> None:
    assert ClockWatch.at_start(None).floor_utc_ms == EARLIEST_PLAUSIBLE_UTC_MS


@given(
    st.lists(
        st.builds(
            ClockReading,
            utc_ms=st.integers(0, 2 * UTC_MS),
            boottime_ns=st.integers(0, 10**18),
            sync=st.sampled_from(SyncState),
            error_ms=st.integers(0, 20_000),
            rtc=st.none() | st.builds(RtcReading, utc_ms=st.none() | st.integers(0, 2 * UTC_MS), valid=st.booleans()),
        ),
        max_size=20,
    )
)
def test_every_event_measures_what_the_registry_names(readings: list[ClockReading]) -> None:
    seen = ClockWatch.at_start(None)
    for reading in readings:
        seen, told = watch(seen, reading, BOUNDS)
        for one in told:
            assert len(one.measured) == len(EVENTS[one.code].measured)
