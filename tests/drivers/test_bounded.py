"""A call that does not come back does not keep the caller."""

from __future__ import annotations

import threading

import pytest

from drivers.bounded import STUCK_AT_MOST, LimitExceeded, StuckCalls, run_within


def test_work_in_time_is_done_on_return() -> None:
    done = threading.Event()
    run_within(10, "work", done.set)
    assert done.is_set()


def test_what_the_work_raises_reaches_the_caller() -> None:
    def fail() -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        run_within(10, "work", fail)


def test_work_beyond_its_limit_is_reported_and_known_to_run_until_it_ends() -> None:
    let_go, ended = threading.Event(), threading.Event()

    def hang() -> None:
        let_go.wait(10)
        ended.set()

    with pytest.raises(LimitExceeded) as caught:
        run_within(0.01, "work", hang)
    assert caught.value.running
    let_go.set()
    assert ended.wait(10)


def test_what_the_work_returns_is_returned() -> None:
    assert run_within(10, "work", lambda: 7) == 7


def test_a_result_that_comes_too_late_is_given_back_by_the_work_s_own_thread() -> None:
    let_go, given_back = threading.Event(), threading.Event()
    late: list[tuple[int, str]] = []

    def claim() -> int:
        let_go.wait(10)
        return 7

    def give_back(claimed: int) -> None:
        late.append((claimed, threading.current_thread().name))
        given_back.set()

    with pytest.raises(LimitExceeded):
        run_within(0.01, "claim", claim, give_back)
    assert late == []
    let_go.set()
    assert given_back.wait(10)
    assert late == [(7, "claim")]


def test_a_result_in_time_is_not_given_back() -> None:
    late: list[int] = []
    assert run_within(10, "claim", lambda: 7, late.append) == 7
    assert late == []


def test_stuck_calls_are_counted_until_they_return() -> None:
    let_go, stuck = threading.Event(), StuckCalls()
    calls = []
    for number in range(STUCK_AT_MOST):
        assert not stuck.too_many
        with pytest.raises(LimitExceeded) as caught:
            run_within(0.01, f"call {number}", lambda: let_go.wait(10))
        stuck.add(caught.value)
        calls.append(caught.value)
    assert stuck.too_many
    assert "call 0" in stuck.words
    let_go.set()
    for call in calls:
        call._thread.join(10)
    assert (stuck.words, stuck.too_many) == ("", False)
