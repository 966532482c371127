"""The service looks for rot while idle, told once and shown on the lamp; in a session only where it is always open."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from edge.config import Config
from edge.scrub import PASS_EVERY_SECONDS, Place, remembered
from edge.surroundings import Surroundings
from liuhen.kinds import Event
from liuhen.registry import EventCode
from tests.edge.ports_room import START_NS, Device, Room, RoomClock, device
from tests.edge.served import Service, Step, answered, journal, start
from tests.edge.test_scrub import damage
from tests.faults.witness import Lamps

pytestmark = pytest.mark.long

ROT, DONE = EventCode.STORAGE_ROT, EventCode.SCRUB_DONE
NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
LATER_NS = START_NS + 60 * 10**9


def told(made: Device) -> list[tuple[EventCode, tuple[int, ...]]]:
    """What the journal says of rot, in order."""
    bodies = [entry.body for entry in journal(made) if isinstance(entry.body, Event)]
    return [(EventCode(body.code), body.measured) for body in bodies if body.code in (ROT, DONE)]


def rounds(made: Device, count: int) -> Step:
    """Wait until so many rounds are over."""
    return lambda _service: [code for code, _ in told(made)].count(DONE) >= count


def quick(made: Device) -> Config:
    return replace(made.config, spool=replace(made.config.spool, scrub_bytes_per_second=10**9))


def service_of(made: Device, clock: RoomClock) -> tuple[Service, Lamps]:
    """One that plays two seconds in each session, and its lamps."""
    return Service(made, Room(clock), (lambda r: r.play(2),)), Lamps(clock.now_ns)


@pytest.fixture
def rotten(tmp_path: Path) -> Device:
    """A device with a recording of which one bit has flipped."""
    made = device(tmp_path)
    Room().record(made.config, lambda r: r.play(14))
    damage(made.segments()[0], 5000)
    return made


def test_rot_is_told_once_and_lights_the_lamp_of_each_session_until_a_round_finds_none(rotten: Device) -> None:
    clock = RoomClock(now_ns=LATER_NS)
    path = rotten.segments()[0]
    service, lamps = service_of(rotten, clock)
    around = Surroundings(guard=lamps)
    steps = (rounds(rotten, 1), start, answered())
    assert service.serve(*steps, config=quick(rotten), around=around) == 0
    assert [code for code, _ in told(rotten)] == [ROT, DONE]
    assert "attention" in lamps.wanted
    assert "recording" not in lamps.wanted

    again, lamps = service_of(rotten, clock)  # the next run knows of it without a round of its own
    assert again.serve(start, answered(), config=quick(rotten), around=Surroundings(guard=lamps)) == 0
    assert [code for code, _ in told(rotten)] == [ROT, DONE]
    assert "attention" in lamps.wanted
    assert "recording" not in lamps.wanted

    damage(path, 5000)  # somebody has brought back what was there
    clock.now_ns += 25 * 3600 * 10**9
    mended, lamps = service_of(rotten, clock)
    steps = (rounds(rotten, 2), start, answered())
    assert mended.serve(*steps, config=quick(rotten), around=Surroundings(guard=lamps)) == 0
    assert [code for code, _ in told(rotten)] == [ROT, DONE, DONE]
    assert told(rotten)[-1][1][1] == 0
    assert "recording" in lamps.wanted


def test_without_rot_a_round_is_told_and_no_lamp_is_lit(tmp_path: Path) -> None:
    """The negative control."""
    made = device(tmp_path)
    Room().record(made.config, lambda r: r.play(14))
    service, lamps = service_of(made, RoomClock(now_ns=LATER_NS))
    steps = (rounds(made, 1), start, answered())
    assert service.serve(*steps, config=quick(made), around=Surroundings(guard=lamps)) == 0
    assert told(made) == [(DONE, (2, 0))]
    assert "recording" in lamps.wanted
    assert "attention" not in lamps.wanted


def test_while_a_session_is_open_nothing_is_read_again(rotten: Device) -> None:
    """The session was left open: the service goes on with it at once, and is idle only after it."""
    clock = RoomClock(now_ns=LATER_NS)

    def leave(room: Room) -> None:
        assert room._stage is not None
        room._stage.recorder.leave_open(None)

    Room(clock).record(rotten.config, lambda r: r.play(2), leave, service=True)
    looked: list[bool] = []

    def watched(room: Room) -> None:
        """Long enough in real time for a thread that does not give way."""
        over = threading.Event()
        looked.append(any(thread.name == "SCRUB" for thread in threading.enumerate()))
        over.wait(0.7)
        room.play(1)

    service = Service(rotten, Room(clock), (watched, watched))
    assert service.serve(rounds(rotten, 1), config=quick(rotten)) == 0
    assert looked == [True, True]
    kinds = [entry.kind for entry in journal(rotten)]
    codes = [entry.body.code if isinstance(entry.body, Event) else None for entry in journal(rotten)]
    assert max(at for at, kind in enumerate(kinds) if kind == "session-end") < codes.index(ROT)


def test_a_room_that_always_records_is_read_beside_its_session_once_that_is_open_for_a_day(rotten: Device) -> None:
    def leave(room: Room) -> None:
        assert room._stage is not None
        room._stage.recorder.leave_open(None)

    Room(RoomClock(now_ns=LATER_NS)).record(rotten.config, lambda r: r.play(2), leave, service=True)

    def until_told(room: Room) -> None:
        over = threading.Event()
        for _ in range(200):
            room.play(0.1)
            if told(rotten):
                break
            over.wait(0.05)

    config = replace(quick(rotten), session=replace(rotten.config.session, resume_hours=72))
    service = Service(rotten, Room(RoomClock(now_ns=LATER_NS + 25 * 3600 * 10**9)), (until_told,))
    assert service.serve(config=config) == 0
    kinds = [entry.kind for entry in journal(rotten)]
    codes = [entry.body.code if isinstance(entry.body, Event) else None for entry in journal(rotten)]
    assert codes.index(ROT) < max(at for at, kind in enumerate(kinds) if kind == "session-end")


def test_the_thread_ends_with_the_service(tmp_path: Path) -> None:
    made = device(tmp_path)
    service, _ = service_of(made, RoomClock(now_ns=LATER_NS))
    assert service.serve(rounds(made, 1), config=quick(made)) == 0
    assert not any(thread.name == "SCRUB" for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("place", "due"),
    [
        (Place(), True),
        (Place(began_ms=NOW_MS - DAY_MS), True),
        (Place(began_ms=NOW_MS - DAY_MS + 1), False),
        (Place(began_ms=NOW_MS + 1), True),  # a clock was wrong
        (Place(seq=7, began_ms=NOW_MS - 1), True),  # one that was left in the middle goes on at once
    ],
)
def test_a_round_begins_a_period_after_the_last_one_began(place: Place, due: bool) -> None:
    assert place.due(NOW_MS, PASS_EVERY_SECONDS) is due


def test_a_service_that_is_started_again_begins_no_second_round_in_a_period(tmp_path: Path) -> None:
    made, clock = device(tmp_path), RoomClock()
    service, _ = service_of(made, clock)
    assert service.serve(rounds(made, 1), config=quick(made)) == 0
    began_ms = remembered(made.spool).began_ms
    assert began_ms >= NOW_MS
    again, _ = service_of(made, clock)
    assert again.serve(*[_turn] * 5, config=quick(made)) == 0
    assert len(told(made)) == 1
    assert remembered(made.spool).began_ms == began_ms


def _turn(_service: Service) -> None:
    """A turn in which nothing is done."""
