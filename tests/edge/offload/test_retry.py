"""What follows a fault: never a giving up, never a second sending unlooked, never a hammering of a store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.offload.retry import (
    FIRST_WAIT_NS,
    LONGEST_WAIT_NS,
    Alarm,
    Doing,
    Fault,
    Line,
    Then,
    after,
    answered,
    begun,
    may_ask,
    store_ahead_ms,
)
from edge.store import FaultClass

JITTER = st.floats(0, 1, exclude_max=True)
FAULTS = st.builds(
    Fault,
    fault=st.sampled_from(FaultClass),
    doing=st.sampled_from(Doing),
    store_ahead_ms=st.none() | st.integers(-(10**12), 10**12),
)
OPENING = (FaultClass.UNREACHABLE, FaultClass.AMBIGUOUS, FaultClass.DENIED, FaultClass.UNTRUSTED, FaultClass.FULL)


@given(st.lists(st.tuples(FAULTS, JITTER), max_size=40))
@settings(deadline=None)
def test_whatever_happens_the_store_is_asked_again_within_five_minutes(faults: list[tuple[Fault, float]]) -> None:
    line, now = Line(), 0
    for fault, jitter in faults:
        now = max(now, line.probe_at_ns) if not line.closed else now
        assert may_ask(line, now)
        verdict = after(begun(line), fault, now, jitter)
        line = verdict.line
        assert verdict.object_wait_ns <= LONGEST_WAIT_NS
        assert line.probe_at_ns - now <= LONGEST_WAIT_NS
        assert may_ask(line, now + LONGEST_WAIT_NS)


@given(st.sampled_from(FaultClass), JITTER)
@settings(deadline=None)
def test_what_was_being_sent_is_never_sent_again_without_a_look_unless_the_store_refused_it_before_it_took_it(
    fault: FaultClass, jitter: float
) -> None:
    then = after(Line(), Fault(fault=fault, doing=Doing.SENDING), 0, jitter).then
    if fault in (FaultClass.UNREACHABLE, FaultClass.AMBIGUOUS, FaultClass.REFUSED):
        assert then is Then.LOOK
    if fault is FaultClass.DAMAGED:
        assert then is Then.REHASH


@pytest.mark.parametrize("fault", OPENING)
def test_an_open_line_lets_one_object_probe_and_an_answer_closes_it(fault: FaultClass) -> None:
    line = after(Line(), Fault(fault=fault, doing=Doing.SENDING), 0, 0.5).line
    assert not may_ask(line, FIRST_WAIT_NS - 1)
    assert may_ask(line, line.probe_at_ns)
    assert not may_ask(begun(line), line.probe_at_ns)
    assert may_ask(answered(begun(line)), 0)


def test_the_wait_doubles_with_full_jitter_up_to_five_minutes_for_ever() -> None:
    line, waits = Line(), []
    for _ in range(40):
        line = after(begun(line), Fault(fault=FaultClass.UNREACHABLE, doing=Doing.LOOKING), 0, 0.999999).line
        waits.append(line.probe_at_ns)
    assert waits[0] <= 2 * FIRST_WAIT_NS
    assert waits == sorted(waits)
    assert LONGEST_WAIT_NS * 0.99 < waits[-1] <= LONGEST_WAIT_NS
    least = after(begun(line), Fault(fault=FaultClass.UNREACHABLE, doing=Doing.LOOKING), 0, 0.0).line
    assert least.probe_at_ns == FIRST_WAIT_NS


def test_a_second_stream_that_fails_with_the_first_does_not_double_the_wait_twice() -> None:
    first = after(Line(), Fault(fault=FaultClass.UNREACHABLE, doing=Doing.SENDING), 0, 0.5).line
    second = after(first, Fault(fault=FaultClass.UNREACHABLE, doing=Doing.SENDING), 0, 0.5).line
    assert second == first


@pytest.mark.parametrize(
    ("fault", "alarm"),
    [
        (FaultClass.DENIED, Alarm.DENIED),
        (FaultClass.UNTRUSTED, Alarm.UNTRUSTED),
        (FaultClass.FULL, Alarm.FULL),
    ],
)
def test_what_a_person_must_mend_alarms_at_once_and_is_probed_slowly(fault: FaultClass, alarm: Alarm) -> None:
    verdict = after(Line(), Fault(fault=fault, doing=Doing.LOOKING), 7, 0.0)
    assert verdict.alarm is alarm
    assert verdict.line.probe_at_ns == 7 + LONGEST_WAIT_NS


def test_a_clock_that_the_store_refuses_is_worked_around_with_the_stores_own_time_and_told() -> None:
    ahead = store_ahead_ms(datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(minutes=20), 1767268800000)
    assert ahead == 20 * 60_000
    verdict = after(Line(), Fault(fault=FaultClass.CLOCK, doing=Doing.SENDING, store_ahead_ms=ahead), 0, 0.5)
    assert (verdict.sign_ahead_ms, verdict.alarm, verdict.line.closed) == (ahead, Alarm.CLOCK, True)
    lines = [verdict.line]
    for _ in range(2):
        lines.append(
            after(lines[-1], Fault(fault=FaultClass.CLOCK, doing=Doing.SENDING, store_ahead_ms=ahead), 0, 0.5).line
        )
    assert [line.closed for line in lines] == [True, True, False], "twice by the store's own time, and then it waits"


def test_a_store_that_refused_and_is_then_away_is_not_asked_more_often_than_one_that_was_away_for_long() -> None:
    refused = after(Line(), Fault(fault=FaultClass.DENIED, doing=Doing.LOOKING), 0, 0.0).line
    away = after(begun(refused), Fault(fault=FaultClass.UNREACHABLE, doing=Doing.LOOKING), 0, 0.999)
    assert away.line.probe_at_ns > LONGEST_WAIT_NS * 0.99


def test_a_version_that_vanished_is_looked_for_and_an_absent_bucket_is_an_alarm() -> None:
    vanished = after(Line(), Fault(fault=FaultClass.ABSENT, doing=Doing.READING), 0, 0.5)
    assert (vanished.then, vanished.alarm, vanished.line.closed) == (Then.LOOK, Alarm.VANISHED, True)
    bucket = after(Line(), Fault(fault=FaultClass.ABSENT, doing=Doing.LOOKING), 0, 0.5)
    assert (bucket.alarm, bucket.line.closed) == (Alarm.DENIED, False)


@pytest.mark.parametrize("fault", [FaultClass.REFUSED, FaultClass.DENIED, FaultClass.UNTRUSTED, FaultClass.FULL])
def test_a_retention_that_cannot_be_lengthened_is_an_alarm_about_the_object_and_no_reason_to_stop_the_others(
    fault: FaultClass,
) -> None:
    verdict = after(Line(), Fault(fault=fault, doing=Doing.EXTENDING), 0, 0.5)
    assert (verdict.alarm, verdict.line.closed) == (Alarm.RETENTION_SHORT, True)
    assert verdict.object_wait_ns == LONGEST_WAIT_NS
