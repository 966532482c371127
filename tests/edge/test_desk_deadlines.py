"""Deadlines in the room: each thing is said once in a log's life, and stored means all of it, where it must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge.config import Config
from edge.journal_follow import JournalFollower
from edge.offload.words import OffloadAlive, ReceiptsTold
from edge.requests import Verb
from edge.settings_store import Deadline, Retention, Store
from edge.slices import SliceReader
from liuhen.entry import Entry
from liuhen.kinds import Event, Segment, Session
from liuhen.kinds import Retention as RetentionEntry
from liuhen.registry import EventCode, MissedCause, ObjectKind, RetentionMode
from tests.edge import ports_room
from tests.edge.examined import examine
from tests.edge.ports_room import Device, Room

pytestmark = pytest.mark.long

URL = "s3://store.example:7443/room"
HOUR = 3600
UNTIL_MS = 1_990_000_000_000
ALIVE = OffloadAlive(store=URL, waiting_objects=9, waiting_bytes=9_000_000, oldest_seconds=9, bytes_per_second=500_000)


@pytest.fixture
def made(tmp_path: Path) -> Device:
    """One session is over, and a store is configured."""
    made = ports_room.device(tmp_path)
    made = replace(made, config=with_store(made.config))
    Room().record(made.config, lambda room: room.play(12))
    examine(made.spool, URL)
    return made


def with_store(config: Config, **rest: object) -> Config:
    store = Store(url=URL, designated=True, designated_by="市执法局")
    return replace(config, store=replace(store, **rest))  # type: ignore[arg-type]


def entries(made: Device) -> list[Entry]:
    return [placed.entry for placed in JournalFollower(lambda: made.spool).read(1 << 62, 1 << 30)]


def told(made: Device) -> list[tuple[EventCode, tuple[int, ...]]]:
    found = [one.body for one in entries(made) if isinstance(one.body, Event)]
    return [(EventCode(body.code), body.measured) for body in found if 140 <= body.code <= 144]


def later(made: Device, hours: float, *acts: Callable[[Room], None], config: Config | None = None) -> Room:
    """Another run, so many hours after the last one began: its own session is short."""
    room = Room()
    room.clock.utc_offset_ms += int(hours * HOUR * 1000)
    room.clock.boot_id = bytes([int(hours * 10) % 251, *range(1, 16)])
    room.record(config or made.config, is_alive, *acts, lambda room: room.play(11))
    return room


def is_alive(room: Room) -> None:
    assert room.offload_tells(ALIVE).ok


def tells(room: Room, alive: OffloadAlive) -> None:
    assert room.offload_tells(alive).ok


def receipts_of_everything(
    made: Device, *, mode: RetentionMode = RetentionMode.COMPLIANCE, until_ms: int | None = UNTIL_MS, leave: int = -1
) -> Callable[[Room], None]:
    """The store has read back everything of the first session, but for what is left out."""

    def tell(room: Room) -> None:
        room.play(6)
        first = next(one.common.session_id for one in entries(made) if isinstance(one.body, Session))
        rows = [
            (int(ObjectKind.SEGMENT), one.body.file_hash)
            for one in entries(made)
            if isinstance(one.body, Segment) and one.common.session_id == first
        ]
        rows += [(int(ObjectKind.JOURNAL), one.digest) for one in SliceReader(made.spool).take()]
        rows += [
            (int(ObjectKind.RECORD), commitment)
            for one in entries(made)
            if one.common.session_id == first
            for _, commitment in getattr(one.body, "records", ())
        ]
        del rows[leave : leave + 1 if leave >= 0 else leave]
        objects = tuple((what, content, content, 9, "v", until_ms, 1) for what, content in rows)
        answer = room.offload_tells(ReceiptsTold(store=URL, mode=mode, server_key=None, rows=objects))
        assert (answer.ok, answer.unknown) == (True, ())

    return tell


def test_levels_are_told_once_each_over_restarts_and_then_that_it_was_missed_with_its_cause(made: Device) -> None:
    for hours in (5, 7, 7.5, 19, 25, 26):
        later(made, hours)
    codes = [(code, measured[0]) for code, measured in told(made)]
    first = [one for one in codes if one != (EventCode.DEADLINE_NEAR, 50)]
    assert (EventCode.DEADLINE_NEAR, 25) in first
    assert (EventCode.DEADLINE_NEAR, 75) in first
    missed = [measured for code, measured in told(made) if code is EventCode.DEADLINE_MISSED]
    assert len(missed) == 1
    assert missed[0][0] == MissedCause.TOO_SLOW
    assert missed[0][1] > 0
    about = {
        one.body.refers_to
        for one in entries(made)
        if isinstance(one.body, Event) and one.body.code == EventCode.DEADLINE_MISSED
    }
    assert about == {next(one.common.seq for one in entries(made) if isinstance(one.body, Session))}


def test_a_missed_deadline_stays_in_the_status_of_every_later_run(made: Device) -> None:
    seen: list[object] = []

    def look(room: Room) -> None:
        room.play(6)
        facts = room.ask(Verb.STATUS).facts or {}
        seen.append([row["session"] for row in facts["deadlines"] if row["missed"]])

    later(made, 25, look)
    later(made, 26, look)
    assert seen == [[1], [1]]


def test_stored_means_everything_in_the_designated_store_with_its_retention_read_back(made: Device) -> None:
    later(made, 1, receipts_of_everything(made))
    assert [code for code, _ in told(made)] == [EventCode.DEADLINE_MET]
    ((_, (minutes_left,)),) = told(made)
    assert 22 * 60 < minutes_left < 24 * 60
    later(made, 30)
    about_first = [code for code, _ in told(made) if code is EventCode.DEADLINE_MET]
    assert len(about_first) == 1


def test_a_session_that_never_ended_counts_from_its_last_sealed_media(tmp_path: Path) -> None:
    device = ports_room.device(tmp_path)
    made = replace(device, config=with_store(device.config))
    Room().record(made.config, lambda room: room.play(25), service=True)
    later(made, 20)  # too old to go on: closed by this start, twenty hours after its last media
    near = [measured for code, measured in told(made) if code is EventCode.DEADLINE_NEAR]
    assert [percent for percent, _ in near] == [75]
    assert 230 <= near[0][1] <= 240
    later(made, 24.1)
    assert EventCode.DEADLINE_MISSED in [code for code, _ in told(made)]


@pytest.mark.parametrize("left_out", ["a segment", "retention", "a lock", "a lock that none can lift", "designation"])
def test_anything_less_is_not_stored(made: Device, left_out: str) -> None:
    match left_out:
        case "a segment":
            later(made, 1, receipts_of_everything(made, leave=0))
        case "retention":
            later(made, 1, receipts_of_everything(made, until_ms=None))
        case "a lock":
            later(made, 1, receipts_of_everything(made, mode=RetentionMode.NONE))
        case "a lock that none can lift":
            later(made, 1, receipts_of_everything(made, mode=RetentionMode.GOVERNANCE))
        case _:
            undesignated = with_store(made.config, designated=False, designated_by="")
            later(made, 1, receipts_of_everything(made), config=undesignated)
    assert EventCode.DEADLINE_MET not in [code for code, _ in told(made)]


def test_what_the_measured_rate_cannot_bring_in_time_is_forecast_once(made: Device) -> None:
    slow = replace(ALIVE, waiting_bytes=10**9, bytes_per_second=100)

    def crawls(room: Room) -> None:
        assert room.offload_tells(slow).ok
        room.play(6)

    later(made, 1, crawls)
    later(made, 2, crawls)
    forecasts = [measured for code, measured in told(made) if code is EventCode.DEADLINE_FORECAST]
    assert len(forecasts) >= 1
    assert forecasts[0][0] > 160_000
    first = next(one.common.seq for one in entries(made) if isinstance(one.body, Session))
    said = [
        one
        for one in entries(made)
        if isinstance(one.body, Event) and one.body.code == EventCode.DEADLINE_FORECAST and one.body.refers_to == first
    ]
    assert len(said) == 1


def test_the_cause_names_the_trouble_with_the_store_and_a_year_without_calendar_is_told_once(made: Device) -> None:
    days = replace(made.config, deadline=Deadline(amount=1, unit="working_days"))
    far = 24 * 365 * 12  # a year of which nobody knows the holidays yet
    full = replace(ALIVE, unreachable=EventCode.STORE_FULL)
    for hours in (far, far + 24 * 4):
        room = Room()
        room.clock.utc_offset_ms += hours * HOUR * 1000
        room.clock.boot_id = bytes([hours % 251, *range(1, 16)])
        room.record(days, lambda room: tells(room, full), lambda room: room.play(11))
    measured = [measured for code, measured in told(made) if code is EventCode.DEADLINE_MISSED]
    assert {one[0] for one in measured} == {MissedCause.STORE_FULL}
    years = [measured[0] for code, measured in told(made) if code is EventCode.DEADLINE_NO_CALENDAR]
    assert len(years) == len(set(years)) >= 1
    assert min(years) >= 2027


def test_every_session_that_ended_gets_the_floor_of_its_term_once(made: Device) -> None:
    floor = replace(made.config, retention=Retention(floor_days=90, basis="law"))
    later(made, 1, config=floor)
    later(made, 2, config=floor)
    terms = [one.body for one in entries(made) if isinstance(one.body, RetentionEntry)]
    first = next(one.common.session_id for one in entries(made) if isinstance(one.body, Session))
    (term,) = [body for body in terms if body.session == first]
    ended_ms = term.until_ms - 90 * 24 * HOUR * 1000 if term.until_ms is not None else 0
    assert abs(ended_ms - ports_room.UTC_MS) < 600_000
    assert len({body.session for body in terms}) == len(terms)
