"""How far capture is permitted: by words in their order, with a new stretch at any moment."""

from __future__ import annotations

from dataclasses import replace

from edge.guard_link import LEASE_NS, GuardBack, GuardLost, GuardWord, Leased
from edge.permit import FOR_EVER_NS, Permit
from tests.edge.ports_room import guard_word

NOW = 10**12


class Queue:
    """Remembers what it was told (implements `edge.permit.Bound`)."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def permit_until(self, until_ns: int) -> None:
        self.told.append(("until", until_ns))

    def forbid(self, at_ns: int) -> None:
        self.told.append(("forbid", at_ns))


def leased(at_ns: int, *, permit: bool = True) -> GuardWord:
    return replace(guard_word(at_ns, permit=permit), lease_ns=LEASE_NS)


def told(*words: GuardWord) -> list[tuple[str, int]]:
    permit, queue = Permit(needed=True), Queue()
    permit.hear(leased(NOW))
    permit.bind(queue)
    for word in words:
        permit.hear(word)
    return queue.told[1:]


def test_nothing_is_permitted_before_the_first_word_and_everything_where_no_interlock_is_wired() -> None:
    first, other = Queue(), Queue()
    Permit(needed=True).bind(first)
    Permit(needed=False).bind(other)
    assert (first.told, other.told) == ([("forbid", 0)], [])


def test_each_word_lends_a_second_and_a_silence_ends_it_where_the_lease_ended() -> None:
    assert told(Leased(until_ns=NOW + 2 * LEASE_NS), GuardLost(since_ns=NOW + 2 * LEASE_NS, heard_ns=NOW)) == [
        ("until", NOW + 2 * LEASE_NS),
        ("forbid", NOW + 2 * LEASE_NS),
    ]


def test_a_trip_ends_it_at_its_own_moment_once_and_a_repeated_word_lends_nothing_then() -> None:
    trip = leased(NOW + 5, permit=False)
    assert told(trip, Leased(until_ns=NOW + LEASE_NS), trip) == [("forbid", NOW + 5)]


def test_a_stretch_that_begins_after_a_trip_that_nobody_has_dealt_with_is_forbidden() -> None:
    permit, queue = Permit(needed=True), Queue()
    permit.hear(leased(NOW))
    assert permit.given
    permit.hear(leased(NOW + 5, permit=False))
    permit.bind(queue)
    assert (queue.told, permit.given) == ([("forbid", NOW + 5)], False)


def test_a_new_permit_is_lent_to_the_newest_stretch() -> None:
    permit, queue = Permit(needed=True), Queue()
    permit.hear(GuardLost(since_ns=NOW, heard_ns=NOW))
    permit.hear(GuardBack(boottime_ns=NOW + 5))
    permit.hear(leased(NOW + 5))
    permit.bind(queue)
    assert queue.told == [("until", NOW + 5 + LEASE_NS)]


def test_a_word_that_cannot_be_lost_on_its_way_lends_for_ever() -> None:
    permit, queue = Permit(needed=True), Queue()
    permit.hear(guard_word(NOW, permit=True))
    permit.bind(queue)
    assert queue.told == [("until", FOR_EVER_NS)]
