"""A source that a sound server puts in another's place is found out; an answer that says nothing is no finding."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.gate import Gate
from drivers.sound_server import LONGEST_ANSWER_BYTES, parse_attached
from drivers.source_watch import SourceWatch
from edge.ports import LossCause, SourceLost, Stream
from tests.drivers.deliveries import Deliveries, SteppedClock

pytestmark = pytest.mark.long

LIMIT_SECONDS = 10.0


def watched(answers: list[frozenset[int] | None], until: Callable[[Deliveries], bool] | None = None) -> Deliveries:
    """Let the server give these answers in turn, the last one for ever; return what was delivered."""
    deliveries, all_given = Deliveries(), threading.Event()
    left = list(answers)

    def attached() -> frozenset[int] | None:
        if len(left) == 1:
            all_given.set()
            return left[0]
        return left.pop(0)

    watch = SourceWatch(Gate(deliveries), SteppedClock(), attached)
    watch.start()
    assert all_given.wait(LIMIT_SECONDS)
    if until is not None:
        assert deliveries.wait_for(lambda: until(deliveries))
    watch.stop(LIMIT_SECONDS)
    return deliveries


def test_another_source_is_a_moved_stream_and_told_once() -> None:
    deliveries = watched([frozenset({1}), frozenset({2})], lambda d: bool(d.of(SourceLost)))
    (lost,) = deliveries.of(SourceLost)
    assert (lost.stream, lost.cause) == (Stream.SOUND, LossCause.MOVED)
    assert "from source 1 to 2" in lost.what


@pytest.mark.parametrize(
    "answers",
    [
        [frozenset({1}), frozenset({1})],
        [None, frozenset(), frozenset({1}), None, frozenset(), frozenset({1})],
        [None],
        [frozenset()],
    ],
)
def test_the_same_source_or_no_answer_is_no_finding(answers: list[frozenset[int] | None]) -> None:
    assert watched(answers).kept == []


def listed(*streams: object) -> bytes:
    return json.dumps(streams).encode()


OURS = {"index": 4, "source": 7, "properties": {"application.process.id": "42", "media.name": "ALSA Capture"}}


def test_only_this_process_s_streams_count() -> None:
    other = {"source": 8, "properties": {"application.process.id": "43"}}
    assert parse_attached(listed(OURS, other), 42) == frozenset({7})
    assert parse_attached(listed(other), 42) == frozenset()


@pytest.mark.parametrize(
    "answer", [b"", b"{", b"{}", b"null", b"[" * 100_000, b"[" + b" " * LONGEST_ANSWER_BYTES + b"]", b"\xff\xfe"]
)
def test_an_answer_that_is_no_list_is_no_answer(answer: bytes) -> None:
    assert parse_attached(answer, 42) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["source", "properties", "application.process.id", "x"]), inner, max_size=3
            )
        ),
    )
)
def test_no_answer_of_a_server_raises(value: object) -> None:
    answer = parse_attached(json.dumps(value).encode(), 42)
    assert answer is None or isinstance(answer, frozenset)
