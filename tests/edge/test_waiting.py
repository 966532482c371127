"""A session that is open and waits for its devices, under the service: its gap has the cause that holds."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.guard.words import Reason
from edge.journal_state import JournalState, OpenGap, Standing
from edge.station import serve
from edge.surroundings import Surroundings
from edge.waiting import changed
from liuhen.findings import Code
from liuhen.kinds import Gap, GapEnd, Inhibition
from liuhen.registry import GapCause, InhibitionCode, RefusalCode
from tests.edge.ports_room import Device, Room, device, guard_word
from tests.edge.test_room import SilentGuard, bodies, guarded, play

pytestmark = pytest.mark.long

BOOT = bytes(16)
SECOND_NS = 10**9


class Crash(Exception):
    """The process ends here, as if it had been killed."""


def crash(_room: Room) -> None:
    raise Crash


class Hours:
    """A second for each turn of a service that waits, and what happens in it; the service ends when its session has
    gone on (implements `edge.watchdog.Supervisor`).
    """

    def __init__(self, room: Room, happens: Iterator[object]) -> None:
        self.stop = threading.Event()
        self._room, self._happens = room, happens
        self.waits = True

    def alive(self) -> None:
        if self.waits:
            self._room.clock.now_ns += SECOND_NS
            assert next(self._happens, "over") != "over", "the session never went on"

    def goes_on(self, _room: Room) -> None:
        """The session has its devices."""
        self.waits = False
        self.stop.set()

    def ready(self, status: str) -> None:
        pass

    def status(self, status: str) -> None:
        pass

    def stopping(self) -> None:
        pass


def interrupted(made: Device) -> Room:
    """A session that a killed process left open; the room is the next process's."""
    before = Room()
    with pytest.raises(Crash):
        before.record(
            guarded(made.config),
            play(4),
            crash,
            service=True,
            surroundings=Surroundings(guard=SilentGuard(guard_word(before.clock.now_ns, permit=True))),
        )
    return Room(before.clock)


@pytest.fixture
def space(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Whether the disk has room for a session: without it no start is accepted, and the open session waits."""
    truth = os.statvfs("/")

    def set_to(enough: bool) -> None:
        fields = list(truth)
        fields[0:2], fields[4] = [4096, 4096], 10**9 if enough else 0
        monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(fields))

    set_to(False)
    return set_to


def waits(made: Device, room: Room, happens: Callable[[Room], Iterator[object]], *, permit: bool = True) -> None:
    """A service goes on with the open session, and these things happen while it waits, one in each turn."""
    reason = Reason.NONE if permit else Reason.TRIPPED
    guard = SilentGuard(guard_word(room.clock.now_ns, permit=permit, reason=reason))
    hours = Hours(room, happens(room))
    start = room.start(
        guarded(made.config),
        hours.goes_on,
        play(4),
        surroundings=Surroundings(guard=guard, supervisor=hours),
        service=True,
    )
    assert serve(replace(start, stop=hours.stop)) == 0


def gaps(made: Device) -> list[tuple[GapCause, int]]:
    """Each gap of both streams with whether media ended it; each begins where the one before ends."""
    both, ends = [gap for gap in bodies(made, Gap) if gap.stream is None], bodies(made, GapEnd)
    for end, after in zip(ends, both[1:], strict=False):
        assert end.until == after.since
    return [(gap.cause, end.resumed) for gap, end in zip(both, ends, strict=True)]


def explain_each_other(made: Device) -> None:
    """Gaps and inhibitions, to the verifier."""
    assert {Code.INHIBITION_UNCOVERED, Code.GAP_WITHOUT_INHIBITION} & set(made.findings()) == set()
    assert made.verify().intact


def test_an_interlock_that_is_tripped_when_a_process_begins_is_the_cause_from_then_on(tmp_path: Path) -> None:
    made = device(tmp_path)
    room = interrupted(made)

    def happens(room: Room) -> Iterator[object]:
        yield from range(3)
        room.guard_says_between_sessions(permit=True)
        yield from range(6)

    waits(made, room, happens, permit=False)
    assert gaps(made) == [(GapCause.DEVICE_FAULT, 0), (GapCause.INTERLOCK, 1)]
    explain_each_other(made)


def test_a_trip_while_a_session_waits_ends_its_gap_and_begins_one_of_the_interlock(
    tmp_path: Path, space: Callable[[bool], None]
) -> None:
    made = device(tmp_path)
    space(True)
    room = interrupted(made)
    space(False)

    def happens(room: Room) -> Iterator[object]:
        yield "it waits"
        room.guard_says_between_sessions(permit=False, reason=Reason.TRIPPED)
        yield from range(3)
        space(True)
        room.guard_says_between_sessions(permit=True)
        yield from range(6)

    waits(made, room, happens)
    assert gaps(made) == [(GapCause.DEVICE_FAULT, 0), (GapCause.INTERLOCK, 1)]
    (trip, _) = bodies(made, Inhibition)
    interlock = bodies(made, Gap)[1]
    assert interlock.since == trip.at
    assert len(interlock.evidence) == 2  # the trip's event, and what forbids
    explain_each_other(made)


def test_what_still_hinders_after_the_reset_is_the_cause_from_the_next_refusal_on(
    tmp_path: Path, space: Callable[[bool], None]
) -> None:
    made = device(tmp_path)
    space(True)
    room = interrupted(made)
    space(False)

    def happens(room: Room) -> Iterator[object]:
        yield "it waits"
        room.guard_says_between_sessions(permit=False, reason=Reason.TRIPPED)
        yield from range(2)
        room.guard_says_between_sessions(permit=True)
        yield from range(90)
        space(True)
        yield from range(40)

    waits(made, room, happens)
    assert gaps(made) == [(GapCause.DEVICE_FAULT, 0), (GapCause.INTERLOCK, 0), (GapCause.STORAGE_FULL, 1)]
    explain_each_other(made)


def standing(*found: tuple[InhibitionCode, int]) -> JournalState:
    kept = tuple(Standing(seq=number, code=code, at=(BOOT, at_ns)) for number, (code, at_ns) in enumerate(found))
    return JournalState(inhibitions=kept)


@pytest.mark.parametrize(
    ("cause", "stands", "refused", "wanted"),
    [
        (GapCause.DEVICE_FAULT, (), RefusalCode.SPACE, None),
        (GapCause.DEVICE_FAULT, ((InhibitionCode.INTERLOCK, 7),), None, (GapCause.INTERLOCK, 7)),
        (GapCause.WITHHELD, ((InhibitionCode.WITHHELD, 3),), None, None),
        (
            GapCause.WITHHELD,
            ((InhibitionCode.WITHHELD, 3), (InhibitionCode.INTERLOCK, 7)),
            None,
            (GapCause.INTERLOCK, 7),
        ),
        (GapCause.INTERLOCK, ((InhibitionCode.WITHHELD, 3),), None, (GapCause.WITHHELD, None)),
        (GapCause.INTERLOCK, (), None, None),
        (GapCause.INTERLOCK, (), RefusalCode.NO_CAMERA, (GapCause.DEVICE_FAULT, None)),
        (GapCause.INTERLOCK, (), RefusalCode.SPACE, (GapCause.STORAGE_FULL, None)),
    ],
)
def test_what_forbids_goes_before_what_hinders_and_the_interlock_before_a_withholding(
    cause: GapCause,
    stands: tuple[tuple[InhibitionCode, int], ...],
    refused: RefusalCode | None,
    wanted: tuple[GapCause, int | None] | None,
) -> None:
    gap = OpenGap(seq=1, stream=None, since=(BOOT, 1), lost=0, cause=cause)
    assert changed(gap, standing(*stands), refused) == wanted
