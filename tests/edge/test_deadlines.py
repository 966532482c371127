"""Each term names the instant it is due; whatever is doubtful makes it earlier; each thing is said once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import Config
from edge.deadlines import Progress, Rule, Term, Told, Unit, judge, minutes_short, missed_cause, term_of
from edge.settings_store import Deadline
from edge.working_days import is_working_day
from liuhen.registry import EventCode, MissedCause

SHANGHAI = timezone(timedelta(hours=8))
LEVELS = (25, 50, 75, 90)
HOURS = Rule(amount=24, unit=Unit.HOURS, levels=LEVELS, utc_offset_minutes=480)
TWO_DAYS = Rule(amount=2, unit=Unit.WORKING_DAYS, levels=LEVELS, utc_offset_minutes=480)
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


def at(text: str) -> int:
    """UTC milliseconds of a local moment in Shanghai."""
    return int(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp() * 1000)


def due(text: str, rule: Rule = TWO_DAYS, error_ms: int = 0) -> str:
    """When it is too late, local."""
    term = term_of(rule, at(text), error_ms, is_working_day)
    return datetime.fromtimestamp(term.due_ms / 1000, tz=SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("ended", "too_late", "why"),
    [
        ("2026-11-20 16:00", "2026-11-25 00:00:00", "Friday and two working days: the end of Tuesday"),
        ("2026-11-23 00:00", "2026-11-26 00:00:00", "the first day is not counted, however early"),
        ("2026-11-23 23:59", "2026-11-26 00:00:00", "nor however late"),
        ("2026-11-21 10:00", "2026-11-25 00:00:00", "Saturday: Monday and Tuesday"),
        ("2026-09-30 16:00", "2026-10-10 00:00:00", "National Day: 8 and 9 October are the first two"),
        ("2026-10-09 16:00", "2026-10-13 00:00:00", "10 October, a Saturday, is made up for the holiday"),
        ("2026-02-13 16:00", "2026-02-25 00:00:00", "Spring Festival with 14 February made up, 24 February next"),
    ],
)
def test_case_22_two_working_days_end_at_this_instant(ended: str, too_late: str, why: str) -> None:
    assert due(ended) == too_late, why


def test_twenty_four_hours_run_by_the_minute_over_any_holiday() -> None:
    assert due("2026-09-30 16:00:59", HOURS) == "2026-10-01 16:00:00"
    assert due("2026-10-03 02:30", HOURS) == "2026-10-04 02:30:00"


def test_case_22_a_year_without_a_calendar_counts_every_day_and_says_which_year() -> None:
    friday = "2036-10-03 16:00"
    assert is_working_day(date(2036, 10, 4)) is None
    assert due(friday) == "2036-10-06 00:00:00"
    assert term_of(TWO_DAYS, at(friday), 0, is_working_day).unknown_years == (2036,)
    over = term_of(TWO_DAYS, at("2035-12-31 16:00"), 0, is_working_day)
    assert over.unknown_years == (2036,)
    assert term_of(TWO_DAYS, at("2026-11-20 16:00"), 0, is_working_day).unknown_years == ()


def test_the_clocks_error_makes_the_term_begin_earlier_and_end_earlier() -> None:
    assert due("2026-11-24 00:00:30", error_ms=0) == "2026-11-27 00:00:00"
    assert due("2026-11-24 00:00:30", error_ms=MINUTE_MS) == "2026-11-26 00:00:00"
    assert due("2026-11-24 10:05", HOURS, error_ms=5 * MINUTE_MS) == "2026-11-25 10:00:00"
    term = term_of(HOURS, at("2026-11-24 10:00"), 0, is_working_day)
    last_minute = (term.due_ms - MINUTE_MS, 0)
    assert EventCode.DEADLINE_MISSED not in codes(last_minute, term=term)
    assert codes((last_minute[0], MINUTE_MS), term=term) == [EventCode.DEADLINE_MISSED]


def test_a_rule_of_none_watches_nothing() -> None:
    assert Rule.of(Deadline(amount=0), 480) is None
    assert Rule.of(Deadline(amount=24), 480) == HOURS
    assert Rule.of(Config().deadline_in_force, 480) == HOURS
    assert Rule.of(Deadline(amount=2, unit="working_days"), 480) == TWO_DAYS


# -- what is said ------------------------------------------------------------------------------------------------------

TERM = Term(began_ms=0, due_ms=24 * HOUR_MS)
WAITING = Progress(
    stored=False, bytes_left=7000, backlog_bytes=7000, bytes_per_second=0, cause=MissedCause.STORE_UNREACHABLE
)
STORED = Progress(stored=True, bytes_left=0, backlog_bytes=0, bytes_per_second=0, cause=MissedCause.UNKNOWN)
NOTHING = Told()


def codes(
    now: tuple[int, int], *, progress: Progress = WAITING, told: Told = NOTHING, term: Term = TERM
) -> list[EventCode]:
    return [code for code, _ in judge(HOURS, term, now, progress, told)]


def test_each_level_is_told_once_and_the_highest_one_where_several_were_slept_through() -> None:
    assert judge(HOURS, TERM, (5 * HOUR_MS, 0), WAITING, NOTHING) == ()
    assert judge(HOURS, TERM, (6 * HOUR_MS, 0), WAITING, NOTHING) == ((EventCode.DEADLINE_NEAR, (25, 18 * 60)),)
    assert judge(HOURS, TERM, (7 * HOUR_MS, 0), WAITING, Told(level=25)) == ()
    assert judge(HOURS, TERM, (22 * HOUR_MS, 0), WAITING, Told(level=25)) == ((EventCode.DEADLINE_NEAR, (90, 120)),)


def test_a_missed_deadline_is_told_once_with_its_cause_and_what_is_left() -> None:
    missed = ((EventCode.DEADLINE_MISSED, (MissedCause.STORE_UNREACHABLE, 7000)),)
    assert judge(HOURS, TERM, (24 * HOUR_MS, 0), WAITING, Told(level=90)) == missed
    assert judge(HOURS, TERM, (24 * HOUR_MS - 1, 0), WAITING, Told(level=90)) == ()
    assert judge(HOURS, TERM, (90 * HOUR_MS, 0), WAITING, Told(missed=True)) == ()


def test_stored_is_told_once_with_the_minutes_that_were_left_or_are_over() -> None:
    assert judge(HOURS, TERM, (HOUR_MS, 0), STORED, NOTHING) == ((EventCode.DEADLINE_MET, (23 * 60,)),)
    assert judge(HOURS, TERM, (HOUR_MS, 0), STORED, Told(met=True)) == ()
    late = judge(HOURS, TERM, (25 * HOUR_MS, 0), STORED, Told(missed=True))
    assert late == ((EventCode.DEADLINE_MET, (-60,)),)


def test_what_cannot_be_sent_in_time_at_the_measured_rate_is_told_days_before() -> None:
    slow = Progress(
        stored=False, bytes_left=1, backlog_bytes=100_000_000, bytes_per_second=1000, cause=MissedCause.UNKNOWN
    )
    # 100 MB at 1 kB/s are 1667 minutes, and 1440 are left.
    assert judge(HOURS, TERM, (0, 0), slow, NOTHING) == ((EventCode.DEADLINE_FORECAST, (227,)),)
    assert judge(HOURS, TERM, (0, 0), slow, Told(forecast=True)) == ()
    assert minutes_short(WAITING, 5) == 0  # nothing was measured: no forecast is made of it


@settings(deadline=None)
@given(
    trigger_ms=st.integers(at("2024-01-01 00:00"), at("2026-11-30 00:00")),
    days=st.integers(1, 12),
    error_ms=st.integers(0, 10**8),
)
def test_a_greater_clock_error_never_makes_a_deadline_later(trigger_ms: int, days: int, error_ms: int) -> None:
    rule = Rule(amount=days, unit=Unit.WORKING_DAYS, levels=LEVELS, utc_offset_minutes=480)
    sure, unsure = (term_of(rule, trigger_ms, error, is_working_day) for error in (0, error_ms))
    assert unsure.due_ms <= sure.due_ms
    every_day = term_of(rule, trigger_ms, 0, lambda _: None)
    assert every_day.due_ms <= sure.due_ms
    began = datetime.fromtimestamp(sure.began_ms / 1000, tz=UTC)
    assert sure.due_ms > began.timestamp() * 1000


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ({"designated": False, "silent": True, "trouble": EventCode.STORE_FULL}, MissedCause.NO_DESIGNATED_STORE),
        ({"silent": True, "trouble": EventCode.STORE_FULL}, MissedCause.OFFLOAD_SILENT),
        ({"trouble": EventCode.STORE_FULL}, MissedCause.STORE_FULL),
        ({"trouble": EventCode.STORE_RETENTION_SHORT}, MissedCause.RETENTION_SHORT),
        ({"sending": True}, MissedCause.TOO_SLOW),
        ({}, MissedCause.UNKNOWN),
    ],
)
def test_the_cause_is_what_stands_in_the_way_first(facts: dict[str, object], cause: MissedCause) -> None:
    told = {"designated": True, "silent": False, "trouble": None, "sending": False} | facts
    assert missed_cause(**told) is cause  # type: ignore[arg-type]
