"""When space runs low the recorder lets go what a store holds, one file at a time; where nothing may go it says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge import durable
from edge.config import Config
from edge.journal_follow import JournalFollower
from edge.offload.words import OffloadAlive, ReceiptsTold
from edge.requests import Role, Verb
from edge.settings_store import Retention, Store
from liuhen.findings import Code
from liuhen.kinds import EntryBody, Event, Hold, Order, Reclaimed, Segment, Session
from liuhen.registry import EventCode, HoldAct, ObjectKind, OrderCode, RecordLabel, RetentionMode
from tests.edge import ports_room
from tests.edge.examined import examine
from tests.edge.ports_room import Device, Room

pytestmark = pytest.mark.long

URL = "s3://store.example:7443/room"
DAY_MS = 86_400_000
ALIVE = OffloadAlive(store=URL, waiting_objects=0, waiting_bytes=0, oldest_seconds=None, bytes_per_second=0)


@pytest.fixture
def made(tmp_path: Path) -> Device:
    """One session is over, and its media is in the designated store."""
    device = ports_room.device(tmp_path)
    store = Store(url=URL, designated=True, designated_by="市执法局")
    made = replace(device, config=replace(device.config, store=store, retention=Retention(floor_days=30)))
    Room().record(made.config, lambda room: room.play(12))
    examine(made.spool, URL)
    days_later(made, 1, receipts(made))
    return made


def entries(made: Device) -> list[tuple[bytes | None, EntryBody | None]]:
    placed = JournalFollower(lambda: made.spool).read(1 << 62, 1 << 30)
    return [(one.entry.common.session_id, one.entry.body) for one in placed]


def first_session(made: Device) -> bytes:
    return next(session for session, body in entries(made) if isinstance(body, Session) and session is not None)


def media(made: Device) -> list[Path]:
    return sorted((made.spool / "sessions" / first_session(made).hex()).glob("*.mp4"))


def receipts(made: Device) -> Callable[[Room], None]:
    def tell(room: Room) -> None:
        room.play(6)
        first = first_session(made)
        found = [body.file_hash for session, body in entries(made) if session == first and isinstance(body, Segment)]
        rows = tuple((int(ObjectKind.SEGMENT), one, one, 9, "v", ports_room.UTC_MS + 4000 * DAY_MS, 1) for one in found)
        told = ReceiptsTold(store=URL, mode=RetentionMode.COMPLIANCE, server_key=None, rows=rows)
        assert room.offload_tells(told).ok

    return tell


def days_later(made: Device, days: int, *acts: Callable[[Room], None], config: Config | None = None) -> None:
    room = Room()
    room.clock.utc_offset_ms += days * DAY_MS
    room.clock.boot_id = bytes([days, *range(1, 16)])
    room.record(config or made.config, _tell, *acts)


def _tell(room: Room) -> None:
    room.offload_tells(ALIVE)


def order(room: Room) -> None:
    """An operator's order, as its command writes it."""
    assert room._stage is not None
    journal = room._stage.recorder._tools.journal
    journal.append(Order(code=OrderCode.RECLAIM_UNWITNESSED, session=None, records=()), session_id=None)


def low(monkeypatch: pytest.MonkeyPatch, free_bytes: int = 2_000_000_000) -> None:
    """Less than a planned session needs, and more than one needs to begin."""
    monkeypatch.setattr(durable, "free_bytes", lambda _root: free_bytes)


def reclaimed(made: Device) -> int:
    return sum(isinstance(body, Reclaimed) for _, body in entries(made))


def events(made: Device, code: EventCode) -> int:
    return sum(isinstance(body, Event) and body.code == code for _, body in entries(made))


def test_low_space_lets_go_what_the_store_holds_one_entry_for_each_file_while_recording(
    made: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = len(media(made))
    assert count == 2
    days_later(made, 2, order)
    low(monkeypatch)
    days_later(made, 20, lambda room: room.play(15))
    assert media(made) == []
    assert reclaimed(made) == count
    assert events(made, EventCode.STORAGE_NO_RECLAIM) == 0
    assert made.findings() == [Code.SEGMENT_RECLAIMED]
    assert made.verify().intact


def test_an_operator_orders_it_on_the_running_recorder_by_name_and_the_order_stands(
    made: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[bool] = []

    def ask(room: Room) -> None:
        session = first_session(made).hex()
        answers.append(room.ask(Verb.ORDER_RECLAIM, Role.CONSOLE, actor="张三", text="磁盘将满").ok)
        answers.append(room.ask(Verb.ORDER_RECLAIM, actor="张三", text="磁盘将满", session="00" * 16).ok)
        assert not [one for _, one in entries(made) if isinstance(one, Order)]
        answers.append(room.ask(Verb.ORDER_RECLAIM, actor="张三", text="磁盘将满", session=session).ok)

    low(monkeypatch)
    days_later(made, 20, lambda room: room.play(15), ask, lambda room: room.play(15))
    assert answers == [False, False, True]
    (order_made,) = [one for _, one in entries(made) if isinstance(one, Order)]
    assert (order_made.session, [label for label, _ in order_made.records]) == (
        first_session(made),
        [RecordLabel.PERSONS, RecordLabel.REASON],
    )
    assert media(made) == []
    assert events(made, EventCode.REFUSED_REQUEST) == 2
    assert made.verify().intact


def test_an_order_on_the_running_recorder_stands_for_no_retention_and_no_hold(
    made: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(room: Room) -> None:
        assert room._stage is not None
        body = Hold(act=HoldAct.PLACED, session=first_session(made), placed=None, records=())
        room._stage.recorder._tools.journal.append(body, session_id=None)
        assert room.ask(Verb.ORDER_RECLAIM, actor="张三", text="磁盘将满").ok

    low(monkeypatch)
    days_later(made, 20, held, lambda room: room.play(15))
    assert (len(media(made)), reclaimed(made)) == (2, 0)


def test_without_an_order_or_a_witness_nothing_goes_and_it_is_told_once(
    made: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    low(monkeypatch)
    days_later(made, 20, lambda room: room.play(150))
    assert len(media(made)) == 2
    assert reclaimed(made) == 0
    assert events(made, EventCode.STORAGE_NO_RECLAIM) == 1


def test_before_its_minimum_days_nothing_goes_however_full_the_disk_is(
    made: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    days_later(made, 2, order)
    low(monkeypatch)
    days_later(made, 5, lambda room: room.play(15))
    assert (len(media(made)), reclaimed(made)) == (2, 0)
    assert events(made, EventCode.STORAGE_NO_RECLAIM) == 1


def test_with_room_enough_nothing_is_even_looked_for(made: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    days_later(made, 2, order)
    low(monkeypatch, free_bytes=10**13)
    days_later(made, 20, lambda room: room.play(15))
    assert (len(media(made)), reclaimed(made)) == (2, 0)
