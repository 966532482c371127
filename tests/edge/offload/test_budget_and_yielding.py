"""Never faster than the plan of the day, and never while recording is in need."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.offload.budget import LEAST_BYTES, NS_PER_SECOND, Bucket, Meter, measured, seconds_short, spend
from edge.offload.yielding import EASED, QUIET_NS, Limits, Look, Reason, Yielding, parse_pressure, step

READ = st.integers(1, LEAST_BYTES)


@given(st.integers(1_000, 100_000_000), st.lists(st.tuples(READ, st.integers(0, 3 * NS_PER_SECOND)), max_size=60))
@settings(deadline=None)
def test_no_more_bytes_go_than_the_rate_and_one_bucket_allow(rate: int, sendings: list[tuple[int, int]]) -> None:
    bucket, now, sent = Bucket(), 0, 0
    for size, idle_ns in sendings:
        now += idle_ns
        bucket, wait_ns = spend(bucket, rate, now, size)
        now += wait_ns
        sent += size
        assert sent <= max(rate, LEAST_BYTES) + rate * now / NS_PER_SECOND + 1


@given(st.integers(1_000, 100_000_000))
@settings(deadline=None)
def test_a_long_transfer_reaches_the_rate(rate: int) -> None:
    bucket, now, sent = Bucket(), 0, 0
    for _ in range(200):
        bucket, wait_ns = spend(bucket, rate, now, LEAST_BYTES)
        now += wait_ns
        sent += LEAST_BYTES
    assert sent >= rate * now / NS_PER_SECOND * 0.99


def test_the_measured_rate_is_that_of_the_busy_time_and_what_is_old_fades() -> None:
    meter = Meter()
    assert meter.bytes_per_second == 0
    for _ in range(60):
        meter = measured(meter, 1000, NS_PER_SECOND)
    assert abs(meter.bytes_per_second - 1000) <= 1
    for _ in range(3600):
        meter = measured(meter, 10, NS_PER_SECOND)
    assert meter.bytes_per_second <= 11


def test_the_forecast_says_how_much_too_late_the_rest_will_be_there() -> None:
    assert seconds_short(1000, 10, 60) == 40
    assert seconds_short(1000, 10, 100) == 0
    assert seconds_short(1000, 0, 100) is None


def test_no_rate_is_no_wait() -> None:
    assert spend(Bucket(), None, 5, 10**9)[1] == 0


@pytest.mark.parametrize(
    ("look", "reason"),
    [
        (Look(queue_percent=21), Reason.RECORDER_QUEUE),
        (Look(disk_pressure_percent=41), Reason.DISK_PRESSURE),
        (Look(memory_pressure_percent=21), Reason.MEMORY_PRESSURE),
        (Look(temperature_celsius=79), Reason.TEMPERATURE),
    ],
)
def test_each_need_of_the_recorder_pauses_at_once_and_ends_only_after_a_quiet_while(look: Look, reason: Reason) -> None:
    paused = step(Yielding(), look, Limits(), 0)
    assert paused.reasons == (reason,)
    quiet = step(paused, Look(), Limits(), 1)
    assert quiet.pausing
    assert step(quiet, Look(), Limits(), QUIET_NS).pausing
    assert not step(quiet, Look(), Limits(), 1 + QUIET_NS).pausing


def test_a_measure_between_its_limits_neither_begins_a_pause_nor_ends_one() -> None:
    between = Look(queue_percent=Limits().queue_percent * (EASED + 1) / 2)
    assert not step(Yielding(), between, Limits(), 0).pausing
    paused = step(Yielding(), Look(queue_percent=99), Limits(), 0)
    for second in range(100):
        paused = step(paused, between, Limits(), second * NS_PER_SECOND)
    assert paused.pausing


def test_the_kernels_pressure_is_read_and_a_strange_file_says_nothing() -> None:
    assert parse_pressure("some avg10=12.34 avg60=0.00 avg300=0.00 total=1\nfull avg10=1.00\n") == 12.34
    assert parse_pressure("") is None
    assert parse_pressure("some avg10=x\n") is None
