"""In an always-on room the end of each visit begins a term of its own; the day's session has its own, later one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.offload.words import ReceiptsTold
from edge.slices import SliceReader
from liuhen.kinds import Event, Segment, Session, Visit
from liuhen.registry import EventCode, ObjectKind, RetentionMode, VisitAct
from tests.edge import ports_room
from tests.edge.examined import examine
from tests.edge.ports_room import Device, Room
from tests.edge.served import journal
from tests.edge.test_desk_deadlines import UNTIL_MS, URL, is_alive, later, with_store
from tests.edge.test_desk_visits import always_on, begin, end, hear_the_notice, play

pytestmark = pytest.mark.long

HOUR_MS = 3_600_000


@pytest.fixture
def made(tmp_path: Path) -> Device:
    """A day with one visit; three hours after its end the day's session ends."""
    made = always_on(ports_room.device(tmp_path))
    made = replace(made, config=with_store(made.config))
    Room().record(
        made.config, play(12), begin("A023"), hear_the_notice, play(5), end, play(12), three_hours_later, play(2)
    )
    examine(made.spool, URL)
    return made


def three_hours_later(room: Room) -> None:
    room.clock.utc_offset_ms += 3 * HOUR_MS


def deadlines(made: Device) -> list[tuple[EventCode, int | None]]:
    found = [one.body for one in journal(made) if isinstance(one.body, Event)]
    known = (EventCode.DEADLINE_MISSED, EventCode.DEADLINE_MET)
    return [(EventCode(body.code), body.refers_to) for body in found if body.code in known]


def begun(made: Device) -> tuple[int, int]:
    """The entries that begin the day and its visit."""
    entries = journal(made)
    day = next(one.common.seq for one in entries if isinstance(one.body, Session))
    visit = next(one.common.seq for one in entries if isinstance(one.body, Visit) and one.body.act == VisitAct.BEGUN)
    return day, visit


def test_the_term_of_a_visit_runs_from_its_own_end_and_not_from_that_of_the_day(made: Device) -> None:
    day, visit = begun(made)
    later(made, 25)  # hours after the first moment: the visit's are over, the day's have two to go
    assert deadlines(made) == [(EventCode.DEADLINE_MISSED, visit)]
    later(made, 30)
    assert (EventCode.DEADLINE_MISSED, day) in deadlines(made)
    assert deadlines(made).count((EventCode.DEADLINE_MISSED, visit)) == 1


def test_a_visit_is_stored_when_its_own_media_records_and_entries_are(made: Device) -> None:
    day, visit = begun(made)
    entries = journal(made)
    segments = [one.body for one in entries if isinstance(one.body, Segment)]
    assert len(segments) >= 3, "the last one holds nothing of the visit"
    wanted = [body.file_hash for body in segments if body.number < 2]

    def stored(room: Room) -> None:
        room.play(6)
        rows = [(int(ObjectKind.SEGMENT), digest) for digest in wanted]
        rows += [(int(ObjectKind.JOURNAL), one.digest) for one in SliceReader(made.spool).take()]
        objects = tuple((what, content, content, 9, "v", UNTIL_MS, 1) for what, content in rows)
        told = ReceiptsTold(store=URL, mode=RetentionMode.COMPLIANCE, server_key=None, rows=objects)
        assert room.offload_tells(told).ok

    later(made, 2, is_alive, stored)
    told = deadlines(made)
    assert (EventCode.DEADLINE_MET, visit) in told
    assert (EventCode.DEADLINE_MET, day) not in told, "the rest of the day is not there"
