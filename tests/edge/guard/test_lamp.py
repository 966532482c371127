"""The lamp never lies: the stale rules, the interlock above all, and rhythms as functions of time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.guard.lamp import CLAIMS_RECORDING, Heard, Wish, heard, light, true_lamp
from edge.guard.words import NS_PER_MS, NS_PER_SECOND, Lamp, Light

HALF_NS = 500 * NS_PER_MS
STALE_NS = 2_000_000_000
"""The design's number: two seconds without a word or a durable fragment, and no lamp claims a recording."""


def wish(lamp: Lamp, durable: int = 0, *, session: bool = True) -> Wish:
    return Wish(lamp=lamp, session=session, durable=durable, buzzer=False)


def told(*wishes: Wish, every_ns: int = HALF_NS) -> Heard:
    """What the guard knows after these messages in one connection, the last of them at time 0."""
    known: Heard | None = None
    for number, one in enumerate(wishes):
        known = heard(known, one, (number + 1 - len(wishes)) * every_ns)
    assert known is not None
    return known


def recording(count: int) -> list[Wish]:
    return [wish(Lamp.RECORDING, number) for number in range(count)]


def test_without_a_recorder_the_lamp_is_dark() -> None:
    assert true_lamp(None, 0) is Lamp.DARK


@pytest.mark.parametrize("lamp", sorted(CLAIMS_RECORDING))
def test_a_lamp_that_claims_a_recording_shines_only_while_the_durable_count_grows(lamp: Lamp) -> None:
    growing = told(*(wish(lamp, number) for number in range(4)))
    assert true_lamp(growing, 0) is lamp
    stands = heard(growing, wish(lamp, 3), STALE_NS)
    assert true_lamp(stands, STALE_NS) is lamp
    assert true_lamp(stands, STALE_NS + 1) is Lamp.NOT_RECORDING
    assert true_lamp(heard(stands, wish(lamp, 4), STALE_NS + 2), STALE_NS + 2) is lamp


def test_a_recorder_that_fell_silent_in_a_session_is_not_recording_whatever_it_wished() -> None:
    for lamp in Lamp:
        assert true_lamp(told(wish(lamp)), STALE_NS + 1) is Lamp.NOT_RECORDING


def test_a_recorder_that_fell_silent_without_a_session_leaves_no_lamp() -> None:
    idle = told(wish(Lamp.READY, session=False))
    assert true_lamp(idle, STALE_NS) is Lamp.READY
    assert true_lamp(idle, STALE_NS + 1) is Lamp.DARK
    claims = told(*recording(2), wish(Lamp.RECORDING, 2, session=False))
    assert true_lamp(claims, STALE_NS + 1) is Lamp.NOT_RECORDING


def test_a_claim_of_which_nothing_durable_was_seen_is_not_shown() -> None:
    assert true_lamp(told(wish(Lamp.RECORDING, 500)), 0) is Lamp.DARK
    assert true_lamp(told(wish(Lamp.RECORDING, 500), wish(Lamp.RECORDING, 500)), 0) is Lamp.DARK
    assert true_lamp(told(wish(Lamp.RECORDING, 500), wish(Lamp.RECORDING, 501)), 0) is Lamp.RECORDING


def test_growth_before_a_withheld_interval_is_no_proof_after_it() -> None:
    known = told(*recording(3), wish(Lamp.WITHHELD, 2))
    later_ns = 600 * NS_PER_SECOND
    known = heard(known, wish(Lamp.WITHHELD, 2), later_ns)
    assert true_lamp(known, later_ns) is Lamp.WITHHELD
    known = heard(known, wish(Lamp.RECORDING, 2), later_ns + 1)
    assert true_lamp(known, later_ns + 1) is Lamp.DARK
    assert true_lamp(heard(known, wish(Lamp.RECORDING, 3), later_ns + 2), later_ns + 2) is Lamp.RECORDING


def test_an_open_session_whose_lamp_claims_nothing_calls_for_help_after_two_seconds() -> None:
    known = told(wish(Lamp.READY))
    known = heard(known, wish(Lamp.READY), STALE_NS + 1)
    assert true_lamp(known, STALE_NS + 1) is Lamp.NOT_RECORDING


@given(
    st.lists(
        st.tuples(st.sampled_from(list(Lamp)), st.booleans(), st.integers(0, 1), st.integers(0, 3 * NS_PER_SECOND)),
        max_size=30,
    ),
    st.integers(0, 5 * NS_PER_SECOND),
)
def test_never_a_recording_lamp_without_growth_in_the_last_two_seconds(
    messages: list[tuple[Lamp, bool, int, int]], pause_ns: int
) -> None:
    known: Heard | None = None
    now_ns, durable, grew_ns = 0, 0, None
    for number, (lamp, session, more, after_ns) in enumerate(messages):
        now_ns, durable = now_ns + after_ns, durable + more
        grew_ns = now_ns if more and number else grew_ns
        known = heard(known, wish(lamp, durable, session=session), now_ns)
    now_ns += pause_ns
    if true_lamp(known, now_ns) in CLAIMS_RECORDING:
        assert grew_ns is not None
        assert now_ns - grew_ns <= STALE_NS


def changes(lamp: Lamp, seconds: int = 4) -> tuple[set[Light], int]:
    shown = [light(lamp, at_ms * NS_PER_MS, buzzer=False) for at_ms in range(0, seconds * 1000, 5)]
    return set(shown), sum(one != two for one, two in itertools.pairwise(shown))


@pytest.mark.parametrize(
    ("lamp", "shown", "changes_in_four_seconds"),
    [
        (Lamp.DARK, {Light()}, 0),
        (Lamp.READY, {Light(green=True)}, 0),
        (Lamp.RECORDING, {Light(red=True)}, 0),
        (Lamp.ATTENTION, {Light(red=True), Light()}, 3),
        (Lamp.ONE_STREAM, {Light(yellow=True)}, 0),
        (Lamp.NOT_RECORDING, {Light(red=True, buzzer=True), Light(buzzer=True)}, 31),
        (Lamp.WITHHELD, {Light(white=True)}, 0),
        (Lamp.INTERLOCK, {Light(white=True), Light()}, 7),
    ],
)
def test_each_lamp_has_its_colour_and_rhythm(lamp: Lamp, shown: set[Light], changes_in_four_seconds: int) -> None:
    assert changes(lamp) == (shown, changes_in_four_seconds)


def test_the_buzzer_sounds_by_wish_with_any_lamp() -> None:
    assert all(light(lamp, 0, buzzer=True).buzzer for lamp in Lamp)
