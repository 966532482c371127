"""A call that does not come back does not keep the caller."""

from __future__ import annotations

import threading

import pytest

from drivers.bounded import LimitExceeded, run_within


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
