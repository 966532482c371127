"""The chain line, guard, relay, last frame, in real processes on one clock: trips, a killed and a stopped guard.

Jiaozuo Art. 8(1): in an explosion zone nothing is recorded without the interlock's permit.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.guard.words import Pair
from edge.guard_link import GuardMessage, GuardSaid
from sim.levers import Verb
from sim.libcamera.link import probe
from sim.wiring import DECAY_NS, NS_PER_MS, RELEASE_NS, Seen
from tests.edge.guard.guarded_room import BOTH_CLOSED, BOTH_OPEN, OFF, PERMIT, GuardedRoom, guarded_room
from tests.interlock_campaign import LIMIT_MS, Measured, Rooms, swamped, trips

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(240)]
CI_TRIPS = 100
CI_ROOMS = Rooms(count=8, width=512, height=128)
EPSILON_NS = 60 * NS_PER_MS


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedRoom]:
    """One world for all tests of one guard: starting it takes longer than most of them."""
    with guarded_room(tmp_path_factory.mktemp("world")) as room:
        yield room


@pytest.fixture
def room(world: GuardedRoom) -> GuardedRoom:
    world.like_new()
    return world


def test_a_hundred_trips_under_load_all_drop_the_camera_within_a_hundred_milliseconds(tmp_path: Path) -> None:
    with swamped(tmp_path) as written_mib:
        measured = trips(tmp_path, CI_TRIPS, CI_ROOMS)
    assert measured.faults(CI_TRIPS) == []
    assert measured.scheduling
    assert written_mib[0] > 0


def test_the_judgement_of_the_trips_notices_a_late_one_a_missing_one_and_a_camera_that_did_not_run() -> None:
    """Negative control of the measurement."""
    spread_ms = [3.3 * number for number in range(12)]
    good = Measured(
        permit_ms=[1.0] * 12, contact_ms=[6.0] * 12, frame_ms=[0.0] * 12, phase_ms=spread_ms, frames_before=90
    )
    assert good.faults(12) == []
    assert len(good.faults(13)) == 1
    good.contact_ms[1] = LIMIT_MS + 1
    good.frame_ms[2] = LIMIT_MS + 1
    good.frames_before = 0
    assert len(good.faults(12)) == 3
    at_once = Measured(
        permit_ms=[1.0], contact_ms=[6.0] * 12, frame_ms=[0.0] * 12, phase_ms=[1.0] * 12, frames_before=90
    )
    assert len(at_once.faults(12)) == 1, "each trip followed a frame at once"


def test_a_chain_that_is_too_slow_is_caught(room: GuardedRoom) -> None:
    """Negative control: a guard that is stopped while the line trips cannot be in time by itself; its pump is."""
    with room.guard() as guard:
        room.reset()
        guard.send(signal.SIGSTOP)
        room.levers.pull(Verb.SET_CONTACTS, OFF)
        room.levers.pull(Verb.AWAIT_CONTACT, 0)
        reading = room.levers.wiring()
        assert reading.permit, "the software did nothing"
        assert reading.contact_since_ns - reading.pump_changed_ns == DECAY_NS + RELEASE_NS
        guard.send(signal.SIGCONT)
        guard.await_line("tripped (")
        assert not room.levers.wiring().permit


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_guard_that_is_killed_or_stopped_opens_the_relay_ends_the_frames_and_leaves_no_lamp(
    room: GuardedRoom, number: int
) -> None:
    with room.guard() as guard:
        room.reset()
        assert probe(room.ready.sensor) is not None
        guard.send(number)
        room.levers.pull(Verb.AWAIT_CONTACT, 0)
        reading = room.levers.wiring()
        assert reading.permit, "the level alone would have held it"
        assert reading.contact_since_ns - reading.pump_changed_ns <= DECAY_NS + RELEASE_NS
        assert probe(room.ready.sensor) is None
        room.levers.pull(Verb.AWAIT_LAMP, Seen.DARK)


def test_a_guard_that_was_stopped_for_more_than_a_second_is_tripped_when_it_goes_on(room: GuardedRoom) -> None:
    with room.guard() as guard:
        room.reset()
        guard.send(signal.SIGSTOP)
        room.levers.pull(Verb.AWAIT_LAMP, Seen.DARK)  # two seconds of looking
        room.levers.pull(Verb.PRESS_MARK, 1500)
        stopped_ns = room.levers.wiring().boottime_ns
        while room.levers.wiring().boottime_ns - stopped_ns < 1_500 * NS_PER_MS:
            room.levers.pull(Verb.LOOK)
        guard.send(signal.SIGCONT)
        guard.await_line("tripped (STALLED)")
        assert not room.levers.wiring().permit


def test_a_guard_killed_after_a_trip_is_tripped_in_its_next_life_and_clear_after_an_orderly_end(
    room: GuardedRoom,
) -> None:
    with room.guard() as guard:
        guard.await_line("latch found tripped: LATCH_UNKNOWN")
        room.reset()
        room.levers.pull(Verb.SET_CONTACTS, OFF)
        room.levers.pull(Verb.AWAIT_CONTACT, 0)
        guard.send(signal.SIGKILL)
    room.levers.pull(Verb.SET_CONTACTS, PERMIT)
    with room.guard() as guard:
        guard.await_line("latch found tripped")
        room.reset()
    assert b" clear NONE stopped " in room.latch.read_bytes()
    with room.guard() as guard:
        guard.await_line("latch found clear")
        room.levers.pull(Verb.AWAIT_CONTACT, 1)


def test_a_guard_killed_while_it_permits_permits_again_in_the_same_boot_after_a_second_of_sound_loops(
    room: GuardedRoom,
) -> None:
    with room.guard() as guard:
        room.reset()
        guard.send(signal.SIGKILL)
        room.levers.pull(Verb.AWAIT_CONTACT, 0)
    with room.guard() as guard:
        guard.await_line("latch found clear")
        room.levers.pull(Verb.AWAIT_CONTACT, 1)
        room.levers.pull(Verb.SET_CONTACTS, BOTH_OPEN)
        room.levers.pull(Verb.AWAIT_CONTACT, 0)


FAULTS = (
    (Verb.BREAK_NC, 0, "OPEN"),
    (Verb.SHORT_NO, 0, "SHORT"),
    (Verb.CROSS_LOOPS, 0, "SHORT"),
    (Verb.SHORT_NC, 0, "NO_PULSE"),
    (Verb.BREAK_NO, 0, "NO_PULSE"),
    (Verb.SET_CONTACTS, BOTH_CLOSED, "SHORT"),
    (Verb.LINE_FAULT, 1, "OPEN"),
)


def gives(reason: str) -> Callable[[GuardMessage], bool]:
    return lambda said: isinstance(said, GuardSaid) and said.reason == reason


def test_each_fault_of_a_wire_opens_the_relay_and_is_named(room: GuardedRoom) -> None:
    with room.guard("line_fault = true"):
        for lever, value, reason in FAULTS:
            room.reset()
            since = len(room.listener.posted)
            room.levers.pull(lever, value)
            room.levers.pull(Verb.AWAIT_CONTACT, 0)
            room.listener.await_posted(gives(reason), since)
            room.levers.pull(Verb.MEND_LOOPS)
            room.levers.pull(Verb.SET_CONTACTS, OFF)  # the switch test after a contradiction
            room.listener.await_now(lambda said: isinstance(said, GuardSaid) and said.pair is Pair.OFF)
        room.levers.pull(Verb.AWAIT_LAMP, Seen.WHITE_BLINKING)


def test_the_relay_takes_the_microphone_too_and_the_truth_ends_with_its_contact(tmp_path: Path) -> None:
    with guarded_room(tmp_path, pulse=True) as room:
        with room.guard():
            room.reset()
            room.levers.pull(Verb.AWAIT_LAMP, Seen.DARK)  # two seconds of sound
            room.levers.pull(Verb.SET_CONTACTS, OFF)
            room.levers.pull(Verb.AWAIT_CONTACT, 0)
            opened_ns = room.levers.wiring().contact_since_ns
        moments = [json.loads(line) for line in (tmp_path / "truth/moments.jsonl").read_text().splitlines()]
        written = (tmp_path / "truth/sound.pcm").stat().st_size // 2
    last = moments[-1]
    until_ns = last["boottime_ns"] + (written - last["sample"]) * 10**9 // 48_000
    assert until_ns <= opened_ns + EPSILON_NS
