"""What proves goes before what shows, the earliest deadline first, the newest in one turn of ten."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.offload.due import due_of
from edge.offload.queue import (
    NEWEST_EVERY,
    NO_DEADLINE_MS,
    Heads,
    Kind,
    Place,
    choose,
    heads_of,
    media_may_use_last_stream,
)
from edge.settings_store import Deadline

PLACES = st.lists(
    st.builds(
        Place,
        kind=st.sampled_from(Kind),
        number=st.integers(0, 10_000),
        due_ms=st.integers(0, 50),
    ),
    unique_by=lambda place: place.number,
    max_size=60,
)


def _drained(places: list[Place]) -> list[Place]:
    left, turn, sent = list(places), 0, []
    while left:
        chosen, turn = choose(heads_of(left), turn)
        assert chosen is not None
        left.remove(chosen)
        sent.append(chosen)
    return sent


@given(PLACES)
@settings(deadline=None)
def test_everything_goes_once_and_nothing_that_shows_goes_before_anything_that_proves(places: list[Place]) -> None:
    sent = _drained(places)
    assert sorted(sent, key=lambda one: one.number) == sorted(places, key=lambda one: one.number)
    proofs = [one.kind.proves for one in sent]
    assert proofs == sorted(proofs, reverse=True)
    proving = [(one.kind, one.number) for one in sent if one.kind.proves]
    assert proving == sorted(proving)


@given(PLACES)
@settings(deadline=None)
def test_media_goes_by_deadline_and_then_by_age_but_for_one_turn_in_ten(places: list[Place]) -> None:
    media = [replace(one, kind=Kind.SEGMENT) for one in places]
    sent = _drained(media)
    left = list(media)
    for turn, one in enumerate(sent):
        if turn % NEWEST_EVERY == NEWEST_EVERY - 1:
            assert one == max(left, key=lambda place: place.number)
        else:
            assert one == min(left, key=lambda place: (place.due_ms, place.number))
        left.remove(one)


def test_the_order_of_what_proves_is_slices_checkpoints_records_beacons() -> None:
    kinds = [Kind.QUARANTINED, Kind.SEGMENT, Kind.BEACON, Kind.RECORD, Kind.CHECKPOINT, Kind.SLICE]
    sent = _drained([Place(kind=kind, number=number) for number, kind in enumerate(kinds)])
    assert [one.kind for one in sent[:4]] == [Kind.SLICE, Kind.CHECKPOINT, Kind.RECORD, Kind.BEACON]


def test_an_object_without_a_deadline_waits_for_those_that_have_one() -> None:
    urgent, calm = Place(kind=Kind.SEGMENT, number=2, due_ms=1 << 50), Place(kind=Kind.SEGMENT, number=1)
    assert _drained([calm, urgent]) == [urgent, calm]


def test_an_empty_queue_has_nothing_to_send() -> None:
    assert choose(Heads(), 3) == (None, 3)


def test_media_leaves_a_stream_to_what_proves_on_a_thin_line_or_one_that_is_not_known() -> None:
    assert not media_may_use_last_stream(1, 0)
    assert not media_may_use_last_stream(15_000_000, 8_000)
    assert media_may_use_last_stream(15_000_000, 4_000_000)


def test_the_queue_is_ordered_by_the_deadlines_that_the_recorder_watches() -> None:
    friday_ms = 1_767_340_800_000  # 2026-01-02 16:00 in Beijing
    hours = due_of(Deadline(amount=24), 480, lambda _day: True)
    assert hours(friday_ms, 60_000) == friday_ms - 60_000 + 24 * 3_600_000
    days = due_of(Deadline(amount=2, unit="working_days"), 480, lambda day: day.weekday() < 5)
    assert days(friday_ms, 0) == friday_ms + (8 + 4 * 24) * 3_600_000  # the end of Tuesday
    assert due_of(Deadline(amount=0), 480, lambda _day: True)(friday_ms, 0) == NO_DEADLINE_MS
