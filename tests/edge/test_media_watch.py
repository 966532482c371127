"""A removable medium that is put in is an event and asks for a person; the recorder's own disks are none."""

from __future__ import annotations

import queue
from pathlib import Path

import pytest

from edge.media_watch import MediaWatcher, MediumSaid, plugged_in
from edge.surroundings import Surroundings
from liuhen.kinds import Event
from liuhen.registry import EventCode
from tests.edge.ports_room import Device, Room, RoomClock, device
from tests.edge.served import Service, Step, answered, journal, start
from tests.faults.witness import Lamps

pytestmark = pytest.mark.long


def plug(system: Path, name: str, *, usb: bool = False, removable: int = 0, size: int = 1000) -> None:
    """A block device as the kernel shows it: a link into the tree of buses."""
    bus = "pci0000:00/usb1/1-1" if usb else "platform/mmc0"
    place = system / "devices" / bus / "block" / name
    place.mkdir(parents=True)
    (place / "removable").write_text(f"{removable}\n")
    (place / "size").write_text(f"{size}\n")
    (system / "block").mkdir(exist_ok=True)
    (system / "block" / name).symlink_to(place)


def test_what_can_be_carried_away_is_told_by_its_bus_and_by_the_kernel_s_word(tmp_path: Path) -> None:
    plug(tmp_path, "mmcblk0")
    plug(tmp_path, "sda", usb=True)
    plug(tmp_path, "sdb", removable=1)
    plug(tmp_path, "sr0", removable=1, size=0)  # a drive with nothing in it
    assert plugged_in(tmp_path / "block") == {"sda", "sdb"}


def test_a_kernel_without_the_list_or_with_odd_attributes_has_none(tmp_path: Path) -> None:
    assert plugged_in(tmp_path / "block") == frozenset()
    plug(tmp_path, "sda", usb=True)
    (tmp_path / "block/sda/size").write_text("many")
    plug(tmp_path, "sdb", usb=True)
    (tmp_path / "block/sdb/size").unlink()
    assert plugged_in(tmp_path / "block") == frozenset()


def test_the_watch_tells_what_came_and_went_after_it_began(tmp_path: Path) -> None:
    plug(tmp_path, "sda", usb=True)
    said: queue.Queue[MediumSaid] = queue.Queue()
    watcher = MediaWatcher(lambda: plugged_in(tmp_path / "block"), said.put, every_seconds=0.01)
    watcher.start()
    try:
        plug(tmp_path, "sdb", usb=True)
        assert said.get(timeout=20) == MediumSaid(name="sdb", inserted=True)
        (tmp_path / "block/sdb").unlink()
        assert said.get(timeout=20) == MediumSaid(name="sdb", inserted=False)
    finally:
        watcher.stop()
    assert said.empty()


def told(made: Device) -> int:
    bodies = [entry.body for entry in journal(made) if isinstance(entry.body, Event)]
    return [body.code for body in bodies].count(EventCode.MEDIUM_INSERTED)


def served(made: Device, system: Path, *steps: Step) -> tuple[Service, Lamps]:
    clock = RoomClock()
    lamps = Lamps(clock.now_ns)
    service = Service(made, Room(clock), (lambda room: room.play(2),))
    around = Surroundings(guard=lamps, media=lambda: plugged_in(system / "block"))
    assert service.serve(*steps, start, answered(), around=around) == 0
    return service, lamps


def test_one_that_is_put_in_is_signed_and_the_session_s_lamp_asks_for_a_person(tmp_path: Path) -> None:
    made = device(tmp_path)
    plug(tmp_path, "sda", usb=True)
    service, lamps = served(made, tmp_path, lambda _one: plug(tmp_path, "sdb", usb=True), lambda _one: told(made) == 1)
    assert told(made) == 1
    assert any("插入了移动存储介质（sdb）" in words for words in service.room.onlooker.words)
    assert "attention" in lamps.wanted
    assert made.verify().intact


def test_one_that_was_taken_out_again_is_still_signed_and_asks_for_nobody(tmp_path: Path) -> None:
    made = device(tmp_path)
    steps: tuple[Step, ...] = (
        lambda _one: plug(tmp_path, "sdb", usb=True),
        lambda _one: told(made) == 1,
        lambda _one: (tmp_path / "block/sdb").unlink(),
        lambda one: any("已取出" in words for words in one.room.onlooker.words),
    )
    _, lamps = served(made, tmp_path, *steps)
    assert told(made) == 1
    assert "recording" in lamps.wanted
