"""The watchdog is fed by durable progress alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import Config
from edge.watchdog import Duty, Limits, Progress, Watchdog, step

LIMITS = Limits(media_ns=20, journal_ns=40)
AT_START = Watchdog.at_start(0)


def fed(looks: list[Progress], limits: Limits = LIMITS) -> list[bool]:
    watchdog, answers = AT_START, []
    for look in looks:
        watchdog, may_feed = step(watchdog, look, limits)
        answers.append(may_feed)
    return answers


def look(now_ns: int, duty: Duty, fragments: int = 0, entries: int = 0) -> Progress:
    return Progress(now_ns=now_ns, duty=duty, fragments=fragments, entries=entries)


def test_a_session_feeds_while_fragments_become_durable() -> None:
    assert all(fed([look(10 * number, Duty.MEDIA, fragments=number) for number in range(50)]))


def test_a_writer_that_stands_still_stops_the_feeding_at_its_limit_although_the_journal_goes_on() -> None:
    looks = [look(now, Duty.MEDIA, fragments=3, entries=now) for now in range(40)]
    assert fed(looks) == [now <= LIMITS.media_ns for now in range(40)]


def test_a_session_without_media_feeds_while_its_heartbeats_become_durable() -> None:
    assert all(fed([look(40 * number, Duty.JOURNAL, entries=number) for number in range(50)]))


def test_a_journal_that_stands_still_in_a_session_without_media_stops_the_feeding() -> None:
    looks = [look(now, Duty.JOURNAL, fragments=now, entries=7) for now in range(60)]
    assert fed(looks) == [now <= LIMITS.journal_ns for now in range(60)]


def test_without_a_session_a_turn_is_enough() -> None:
    assert all(fed([look(1000 * number, Duty.NOTHING) for number in range(50)]))


def test_a_session_that_begins_has_its_time_to_its_first_fragment_and_no_more() -> None:
    looks = [look(1000, Duty.NOTHING), look(1001, Duty.MEDIA), look(1021, Duty.MEDIA), look(1022, Duty.MEDIA)]
    assert fed(looks) == [True, True, True, False]


def test_progress_after_a_stall_feeds_again() -> None:
    looks = [look(0, Duty.MEDIA), look(30, Duty.MEDIA), look(31, Duty.MEDIA, fragments=1)]
    assert fed(looks) == [True, False, True]


@given(st.lists(st.tuples(st.integers(0, 100), st.sampled_from([Duty.MEDIA, Duty.JOURNAL]), st.integers(0, 1))))
def test_whenever_it_is_fed_something_moved_within_the_limit(steps: list[tuple[int, Duty, int]]) -> None:
    now_ns = fragments = entries = 0
    watchdog, last_moved_ns, duty_before = AT_START, 0, Duty.NOTHING
    for passed_ns, duty, moved in steps:
        now_ns += passed_ns
        fragments += moved if duty is Duty.MEDIA else 0
        entries += moved if duty is Duty.JOURNAL else 0
        if moved or duty is not duty_before:
            last_moved_ns, duty_before = now_ns, duty
        watchdog, may_feed = step(watchdog, look(now_ns, duty, fragments, entries), LIMITS)
        limit_ns = LIMITS.media_ns if duty is Duty.MEDIA else LIMITS.journal_ns
        assert may_feed == (now_ns - last_moved_ns <= limit_ns)


@pytest.mark.parametrize("duty", list(Duty))
def test_every_duty_has_its_counter(duty: Duty) -> None:
    watchdog, _ = step(AT_START, look(1, duty, 5, 6), LIMITS)
    assert (watchdog.duty, watchdog.fragments, watchdog.entries) == (duty, 5, 6)


def test_the_limits_are_the_configured_ones() -> None:
    settings = replace(Config().watchdog, media_seconds=30, journal_seconds=50)
    assert Limits.of(settings) == Limits(media_ns=30 * 10**9, journal_ns=50 * 10**9)
