"""A call that fails beside the journal and the media costs no recording, and is told as what it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.destruction import PENDING_FILE
from edge.refusals import Refused
from edge.requests import MarkKind, Verb
from edge.schedule import Hearing, to_bytes
from edge.spool import LOCK_FILE
from liuhen import archive
from liuhen.kinds import Event, Mark
from liuhen.registry import EventCode
from tests.edge.failing_calls import Failing, Fault, failing
from tests.edge.ports_room import START_NS, UTC_MS, Device, Room, RoomClock, device
from tests.edge.served import journal

pytestmark = pytest.mark.long

Chosen = Callable[[str, str], bool]


@pytest.fixture
def made(tmp_path: Path) -> Device:
    """A device with one session behind it."""
    made = device(tmp_path)
    Room().record(made.config, lambda room: room.play(1.2))
    return made


def later() -> Room:
    return Room(RoomClock(now_ns=START_NS + 60 * 10**9))


def fails(made: Device, chosen: Chosen, *, at: int = 0, lasting: bool = False) -> Failing:
    return Failing(folders=(made.spool,), fault=Fault.EIO, at=at, chosen=chosen, lasting=lasting)


def events(made: Device, code: EventCode) -> int:
    return sum(isinstance(one.body, Event) and one.body.code == code for one in journal(made))


@pytest.mark.parametrize("call", ["open", "write", "fsync", "close"])
def test_a_record_that_cannot_be_written_once_is_written_under_another_name(made: Device, call: str) -> None:
    plan = fails(made, lambda name, path: name == call and path.endswith(".record"))

    def mark(room: Room) -> None:
        with failing(plan):
            assert room.ask(Verb.MARK, kind=MarkKind.ARRIVAL, text="张三").ok

    ended = later().record(made.config, lambda room: room.play(1), mark, lambda room: room.play(1))
    assert (ended.clean, len(plan.fired)) == (True, 1)
    (body,) = [one.body for one in journal(made) if isinstance(one.body, Mark)]
    assert archive.record_path(made.spool, body.records[0][1]).exists()
    assert events(made, EventCode.STORAGE_FAULT) == 1
    assert made.verify().intact


def test_a_disk_that_takes_no_record_at_all_ends_the_session_and_says_so(made: Device) -> None:
    plan = fails(made, lambda name, path: name == "write" and path.endswith(".record"), lasting=True)

    def mark(room: Room) -> None:
        with failing(plan):
            room.ask(Verb.MARK, kind=MarkKind.ARRIVAL, text="张三")

    assert not later().record(made.config, lambda room: room.play(1), mark, lambda room: room.play(1)).clean
    assert made.verify().intact


def test_a_schedule_s_file_that_cannot_be_written_ends_no_recording_and_is_written_later(made: Device) -> None:
    plan = fails(made, lambda name, path: name == "fsync" and "schedule.json" in path)
    begin_ms = UTC_MS + 3_600_000

    def take_in(room: Room) -> None:
        rows = (Hearing(begin_ms=begin_ms, end_ms=begin_ms, title="张三案"),)
        with failing(plan):
            assert room.ask(Verb.SCHEDULE, attachment=to_bytes(rows)).ok

    room = later()
    ended = room.record(made.config, lambda room: room.play(1), take_in, lambda room: room.play(7))
    assert (ended.clean, len(plan.fired)) == (True, 1)
    assert any("日程文件暂时无法写入" in words for words in room.onlooker.words)
    assert (made.spool / "device" / "schedule.json").exists()


def test_a_lock_that_the_disk_does_not_give_is_no_other_recorder(made: Device) -> None:
    with failing(fails(made, lambda name, _: name == "flock")), pytest.raises(Refused) as refused:
        later().record(made.config, lambda room: room.play(1))
    assert "另一录制程序" not in str(refused.value.what)
    assert LOCK_FILE in str(refused.value.what)


SIDE: dict[str, Chosen] = {
    "a mark of an unfinished destruction that cannot be asked for": lambda name, path: (
        name == "stat" and path.endswith(PENDING_FILE)
    ),
    "closing what was open to others": lambda name, path: name == "close" and path.endswith(PENDING_FILE),
    "the folder of records": lambda name, path: name == "scandir" and path.endswith("/records"),
}


@pytest.mark.parametrize("side", SIDE)
def test_a_start_goes_on_where_what_fails_is_not_needed_to_record(made: Device, side: str) -> None:
    pending = made.spool / PENDING_FILE
    pending.touch()
    pending.chmod(0o666)
    plan = fails(made, SIDE[side])
    with failing(plan):
        ended = later().record(made.config, lambda room: room.play(1))
    assert (ended.clean, len(plan.fired)) == (True, 1)
    assert made.verify().intact
