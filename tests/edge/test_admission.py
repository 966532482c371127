"""Admission by hours left, and warnings that come once and do not chatter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.admission import (
    WARNING_LEVELS_MINUTES,
    Plan,
    SpaceEased,
    SpaceFloor,
    SpaceWarning,
    SpaceWatch,
    Verdict,
    admit,
)

RATE = 1_000_000
HOUR = 3600 * RATE
MINUTE = 60 * RATE
PLAN = Plan(bytes_per_second=RATE, planned_hours=4, minimum_hours=2)


@pytest.mark.parametrize(
    ("hours", "verdict"),
    [
        (5.0, Verdict.ADMIT),
        (4.99, Verdict.WARN),
        (2.0, Verdict.WARN),
        (1.99, Verdict.REFUSE),
        (0.0, Verdict.REFUSE),
    ],
)
def test_a_session_needs_its_planned_hours_and_a_quarter_more_and_is_refused_below_the_least(
    hours: float, verdict: Verdict
) -> None:
    assert admit(PLAN, int(hours * HOUR)).verdict is verdict


def test_the_reserve_that_is_still_to_be_held_does_not_count_as_space() -> None:
    plan = Plan(bytes_per_second=RATE, planned_hours=4, minimum_hours=2, reserve_bytes=HOUR)
    assert admit(plan, 5 * HOUR).verdict is Verdict.WARN
    assert admit(plan, 6 * HOUR).verdict is Verdict.ADMIT


def test_either_disk_alone_can_carry_the_session_and_the_smaller_one_is_warned_of() -> None:
    one_sided = admit(PLAN, HOUR, 9 * HOUR)
    assert (one_sided.verdict, one_sided.hours, one_sided.lesser_hours) == (Verdict.WARN, 9.0, 1.0)
    assert "一块" in one_sided.words_zh
    assert admit(PLAN, 9 * HOUR, 9 * HOUR).verdict is Verdict.ADMIT
    assert admit(PLAN, HOUR, HOUR).verdict is Verdict.REFUSE


def test_every_answer_but_admission_says_what_to_do_next_in_both_languages() -> None:
    for free in (0, 3 * HOUR):
        said = admit(PLAN, free)
        assert "请" in said.words_zh
        assert "offload" in said.words_en
    assert (admit(PLAN, 9 * HOUR).words_zh, admit(PLAN, 9 * HOUR).words_en) == ("", "")


def test_each_level_warns_once_on_the_way_down_and_the_floor_stops() -> None:
    watch = SpaceWatch(bytes_per_second=RATE)
    said = [watch.after(minutes * MINUTE) for minutes in range(600, 0, -1)]
    told = [(one.level_minutes, one.minutes_left) for one in said if isinstance(one, SpaceWarning)]
    assert told == [(480, 479), (240, 239), (120, 119), (30, 29)]
    assert said[-1] == SpaceFloor(free_bytes=MINUTE, minutes_left=1)
    assert watch.after(2 * MINUTE) is None


def test_a_session_that_begins_short_is_warned_once_with_the_lowest_level() -> None:
    watch = SpaceWatch(bytes_per_second=RATE)
    assert watch.after(100 * MINUTE) == SpaceWarning(level_minutes=120, minutes_left=100)
    assert watch.after(100 * MINUTE) is None


def test_space_that_swings_about_a_level_warns_once() -> None:
    watch = SpaceWatch(bytes_per_second=RATE)
    said = [watch.after(minutes * MINUTE) for minutes in (500, 479, 481, 479, 490, 470)]
    assert [type(one) for one in said if one is not None] == [SpaceWarning]


def test_space_well_above_a_level_arms_it_again_and_above_all_of_them_eases() -> None:
    watch = SpaceWatch(bytes_per_second=RATE)
    assert isinstance(watch.after(29 * MINUTE), SpaceWarning)
    assert watch.after(200 * MINUTE) is None
    assert watch.after(29 * MINUTE) == SpaceWarning(level_minutes=30, minutes_left=29)
    assert watch.after(600 * MINUTE) == SpaceEased(minutes_left=600)
    assert watch.after(600 * MINUTE) is None


def test_words_say_hours_while_there_are_hours() -> None:
    assert "2 小时" in SpaceWarning(level_minutes=240, minutes_left=150).words_zh
    assert "29 分钟" in SpaceWarning(level_minutes=30, minutes_left=29).words_zh


@given(st.lists(st.integers(3, 700), max_size=60))
def test_a_warning_is_never_above_its_level_and_never_twice_without_easing_between(minutes: list[int]) -> None:
    watch = SpaceWatch(bytes_per_second=RATE)
    lowest: int | None = None
    for now in minutes:
        said = watch.after(now * MINUTE)
        if isinstance(said, SpaceWarning):
            assert said.minutes_left < said.level_minutes
            assert said.level_minutes in WARNING_LEVELS_MINUTES
            assert lowest is None or said.level_minutes < lowest
            lowest = said.level_minutes
        lowest = None if lowest is not None and 100 * now >= 110 * lowest else lowest
