"""A disk that lost what it had confirmed is told so at the next start, and one that did not is not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from liuhen.kinds import Segment
from liuhen.registry import EventCode
from tests.edge.ports_room import START_NS, Device, Room, RoomClock, device
from tests.edge.test_storage_faults import entries, events

pytestmark = pytest.mark.long

LATER_NS = 60 * 10**9
LIED, ROT = EventCode.STORAGE_LIED, EventCode.STORAGE_ROT


def record(made: Device, start: int = 0, seconds: float = 14) -> None:
    room = Room(RoomClock(now_ns=START_NS + start * LATER_NS))
    assert room.record(made.config, lambda r: r.play(seconds)).clean


@pytest.fixture
def recorded(tmp_path: Path) -> Device:
    made = device(tmp_path)
    record(made)
    return made


def set_back(made: Device, folder: Path) -> None:
    """A second session that the disk forgets although it had confirmed every flush; slots too."""
    shutil.copytree(made.spool, folder)
    record(made, 1)
    shutil.rmtree(made.spool)
    folder.rename(made.spool)


def test_entries_that_were_confirmed_and_are_not_there_are_a_lie_with_their_number(
    recorded: Device, tmp_path: Path
) -> None:
    before = len(entries(recorded))
    shutil.copytree(recorded.spool, tmp_path / "twin")
    set_back(recorded, tmp_path / "before")
    forgotten = len(list(entries(recorded)))
    assert forgotten == before
    record(recorded, 2)
    ((code, (lost,)),) = [event for event in events(recorded) if event[0] == LIED]
    assert code == LIED
    first = entries(recorded)[before].common.seq
    assert lost == first - before > 3


def test_a_disk_that_kept_everything_is_not_called_a_liar(recorded: Device) -> None:
    record(recorded, 1)
    assert [code for code, _ in events(recorded) if code in (LIED, ROT)] == []


def test_a_torn_tail_is_no_lie(recorded: Device) -> None:
    path = list(recorded.journal_files())[-1]
    path.write_bytes(path.read_bytes() + entries(recorded)[-1].envelope.encoded[:50])
    record(recorded, 1)
    assert [code for code, _ in events(recorded) if code == LIED] == []


def test_rot_in_the_journals_end_is_no_lie(recorded: Device) -> None:
    path = list(recorded.journal_files())[-1]
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)
    record(recorded, 1)
    assert [code for code, _ in events(recorded) if code == LIED] == []


def test_a_stated_segment_that_lacks_its_end_is_told_with_its_first_missing_fragment(recorded: Device) -> None:
    path = recorded.segments()[1]
    (statement,) = [e for e in entries(recorded) if isinstance(e.body, Segment) and e.body.number == 1]
    assert isinstance(statement.body, Segment)
    os.truncate(path, path.stat().st_size - 1)
    record(recorded, 1)
    told = [event for event in events(recorded) if event[0] in (LIED, ROT)]
    assert told == [(LIED, (0,)), (ROT, (1, len(statement.body.fragments), 0, 0))]


def test_a_stated_segment_that_is_not_there_is_told(recorded: Device) -> None:
    recorded.segments()[0].unlink()
    record(recorded, 1)
    assert [event for event in events(recorded) if event[0] == ROT] == [(ROT, (0, 0, 0, 0))]
