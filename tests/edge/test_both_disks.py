"""Both disks of a pair are watched and weighed: in a session, between two, in a single run; each thing told once."""

from __future__ import annotations

import argparse
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.__main__ import _start
from edge.app import Start, run
from edge.config import Config
from edge.disk_watch import DiskSaid, DiskState, Side
from edge.mirror_side import SideBack, SideDiffers, SideLost
from edge.surroundings import Surroundings
from edge.terminal import Terminal
from liuhen.kinds import Check
from liuhen.registry import CheckItem, CheckOutcome, EventCode
from tests.edge.mirrored import Mirrored, mirrored
from tests.edge.ports_room import START_NS, Room, RoomClock
from tests.edge.served import Service, Step
from tests.edge.test_mirror import both_in_step, pair_of
from tests.faults.witness import Lamps

pytestmark = pytest.mark.long

LOST, BACK, REMOVED = EventCode.MIRROR_LOST, EventCode.MIRROR_BACK, EventCode.STORAGE_REMOVED
LATER_NS = START_NS + 60 * 10**9


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Mirrored]:
    with mirrored(tmp_path) as it:
        yield it


def told(made: Mirrored, code: EventCode) -> Step:
    """Wait for an event, on the disk that is left."""
    return lambda _service: any(one is code for one, _ in made.events())


# --- told ------------------------------------------------------------------------------------------------------------


def test_an_idle_service_tells_of_a_mirror_that_was_not_there_when_it_began(made: Mirrored) -> None:
    Room().record(made.device.config, both_in_step, lambda r: r.play(2))
    made.mirror.rename(made.mirror.with_name("in-a-pocket"))
    room = Room(RoomClock(now_ns=LATER_NS))
    assert Service(made.device, room).serve(told(made, LOST)) == 0
    assert [one for one in made.events() if one[0] is not EventCode.SCRUB_DONE][1:] == [
        (REMOVED, (Side.MIRROR,)),
        (LOST, (Side.MIRROR, errno.ENOENT)),
    ]


def test_a_mirror_taken_from_an_idle_service_is_told_by_the_watch_and_not_once_more_by_the_pair(
    made: Mirrored,
) -> None:
    pocket = made.mirror.with_name("in-a-pocket")

    def pull(service: Service) -> bool:
        if not any(code is BACK for code, _ in made.events()):
            return False
        made.mirror.rename(pocket)
        return True

    assert Service(made.device, Room()).serve(pull, told(made, REMOVED), lambda _service: None) == 0
    codes = [code for code, _ in made.events()]
    assert codes.count(REMOVED) == 1
    assert (REMOVED, (int(Side.MIRROR),)) in made.events()


def test_what_watch_and_pair_both_find_is_told_once_and_anew_after_the_disk_was_back(made: Mirrored) -> None:
    removed = DiskSaid(side=Side.MIRROR, state=DiskState.REMOVED)

    def pulled_twice(room: Room) -> None:
        for _ in range(2):
            room.disk_says(removed)
            pair_of(room).tell(SideLost(side=Side.MIRROR, code=errno.ENODEV))
            room.play(1)
            pair_of(room).tell(SideBack(side=Side.MIRROR, caught_up_bytes=0))
            room.play(1)

    Room().record(made.device.config, both_in_step, lambda r: r.play(1), pulled_twice)
    assert [code for code, _ in made.events()] == [BACK, REMOVED, LOST, BACK, REMOVED, LOST, BACK]


# --- the lamp --------------------------------------------------------------------------------------------------------


def lamps_of(made: Mirrored, *news: SideLost | SideBack | SideDiffers) -> tuple[Room, list[str]]:
    """The lamps of a session in which the pair tells this."""
    room, shown = Room(), []
    lamps = Lamps(room.clock.now_ns)

    def tells(room: Room) -> None:
        lamps.wanted.clear()
        for one in news:
            pair_of(room).tell(one)
        room.play(2)

    around = Surroundings(guard=lamps)
    room.record(made.device.config, both_in_step, lambda r: r.play(2), tells, surroundings=around)
    shown += lamps.wanted
    return room, shown


def test_a_mirror_that_was_only_behind_asks_for_nobody(made: Mirrored) -> None:
    _, shown = lamps_of(made)
    assert "recording" in shown
    assert "attention" not in shown


def test_a_mirror_that_was_lost_asks_for_somebody_until_the_session_is_over_though_it_is_back(made: Mirrored) -> None:
    lost, back = SideLost(side=Side.MIRROR, code=errno.EIO), SideBack(side=Side.MIRROR, caught_up_bytes=9)
    room, shown = lamps_of(made, lost, back)
    assert "attention" in shown
    assert "recording" not in shown[1:]
    assert lost.words_zh in room.onlooker.words
    assert any("曾经失效" in words for words in room.onlooker.statuses[-1].warnings_zh)


# --- space -----------------------------------------------------------------------------------------------------------


def free_hours(patch: pytest.MonkeyPatch, config: Config, hours: dict[Path, float]) -> None:
    """Each disk says that so much media still fits."""
    truth = os.statvfs

    def says(path: Path) -> os.statvfs_result:
        for root, free in hours.items():
            if Path(path).is_relative_to(root):
                row = list(truth(path))
                row[0:2], row[4] = [512, 512], int(free * 3600 * config.media_bytes_per_second()) // 512
                return os.statvfs_result(row)
        return truth(path)

    patch.setattr(os, "statvfs", says)


@pytest.mark.parametrize("short", [0.05, 3.0])
def test_a_mirror_short_of_space_is_warned_of_and_refuses_nothing(
    made: Mirrored, monkeypatch: pytest.MonkeyPatch, short: float
) -> None:
    free_hours(monkeypatch, made.device.config, {made.primary: 100.0, made.mirror: short})
    room = Room()
    assert room.record(made.device.config, lambda r: r.play(2)).clean
    assert any("两块存储盘中有一块只够录" in words for words in room.onlooker.words)
    (check,) = [entry.body for entry in made.entries() if isinstance(entry.body, Check)]
    rows = {item: outcome for item, outcome, _ in check.rows}
    assert rows[CheckItem.SPACE] == CheckOutcome.WELL
    assert rows[CheckItem.MIRROR] == (CheckOutcome.WARNING if short < 0.1 else CheckOutcome.WELL)


def test_two_disks_with_room_say_nothing_of_space(made: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    free_hours(monkeypatch, made.device.config, {made.primary: 100.0, made.mirror: 100.0})
    room = Room()
    assert room.record(made.device.config, lambda r: r.play(2)).clean
    assert not any("只够录" in words for words in room.onlooker.words)


# --- a single run ----------------------------------------------------------------------------------------------------


def watched_in(made: Mirrored, *, watch: bool) -> set[str]:
    """The threads that ask disks while a single session runs; none is left after it."""
    room, seen = Room(), set[str]()

    def look(_room: Room) -> None:
        seen.update(thread.name for thread in threading.enumerate() if thread.name.startswith("DISK"))

    run(
        Start(
            config=made.device.config,
            hardware=room.hardware(),
            watcher=room.onlooker,
            stop=threading.Event(),
            conduct=lambda stage: room._conduct(stage, (lambda r: r.play(1), look)),
            watch_disks=watch,
        )
    )
    assert not any(thread.name.startswith("DISK") for thread in threading.enumerate())
    return seen


def test_a_single_run_watches_both_disks(made: Mirrored) -> None:
    assert watched_in(made, watch=True) == {"DISKS", "DISK PRIMARY", "DISK MIRROR"}


def test_who_asks_for_no_watch_has_none(made: Mirrored) -> None:
    assert watched_in(made, watch=False) == set()


def test_the_command_for_one_session_watches_its_disks() -> None:
    asked = argparse.Namespace(seconds=1.0, emergency=False)
    terminal = Terminal(None)
    assert _start(Config(), terminal, threading.Event(), asked).watch_disks
