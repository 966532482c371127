"""What the offload process tells becomes an entry, or is refused with an event; its silence lights the lamp."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.config import Config
from edge.desk_store import lies_on
from edge.journal_follow import JournalFollower
from edge.offload.words import Answer, ObjectRow, OffloadAlive, ReceiptsTold, StoreTold
from edge.requests import Role, Verb
from edge.settings_store import Store
from edge.slices import SliceReader
from liuhen.hashing import sha256
from liuhen.kinds import EntryBody, Event, Receipt, Segment
from liuhen.registry import EventCode, ObjectKind, RecordLabel, RetentionMode
from liuhen.store_names import parse_store_url, store_hash
from tests.edge import ports_room
from tests.edge.examined import examine
from tests.edge.ports_room import Device, Room

pytestmark = pytest.mark.long

URL = "s3://store.example:7443/room"
ALIVE = OffloadAlive(store=URL, waiting_objects=1, waiting_bytes=5_000, oldest_seconds=9, bytes_per_second=100)
UNTIL_MS = 1_900_000_000_000


@pytest.fixture
def made(tmp_path: Path) -> Device:
    made = ports_room.device(tmp_path)
    examine(made.spool, URL)
    return made


def stored(made: Device, url: str = URL, *, designated: bool = True) -> Config:
    store = Store(url=url, designated=designated, designated_by="市执法局" if designated else "")
    return replace(made.config, store=store)


def bodies(made: Device) -> list[EntryBody | None]:
    return [placed.entry.body for placed in JournalFollower(lambda: made.spool).read(1 << 62, 1 << 30)]


def codes(made: Device) -> list[EventCode]:
    return [EventCode(body.code) for body in bodies(made) if isinstance(body, Event)]


def receipts(made: Device) -> list[Receipt]:
    return [body for body in bodies(made) if isinstance(body, Receipt)]


def row(what: int, content: bytes, *, version: str = "v1", digest: bytes = b"", until_ms: int = UNTIL_MS) -> ObjectRow:
    return (what, content, digest or content, 1000, version, until_ms, 1_800_000_000_000)


def told(*rows: ObjectRow, url: str = URL, mode: RetentionMode = RetentionMode.COMPLIANCE) -> ReceiptsTold:
    return ReceiptsTold(store=url, mode=mode, server_key=None, rows=rows)


def first_segment(made: Device) -> bytes:
    return next(body.file_hash for body in bodies(made) if isinstance(body, Segment))


def test_what_the_journal_states_gets_its_receipt_and_the_answer_names_the_entry(made: Device) -> None:
    answers: list[Answer] = []

    def tell(room: Room) -> None:
        (one, *_) = SliceReader(made.spool).take()
        rows = (row(ObjectKind.SEGMENT, first_segment(made)), row(ObjectKind.JOURNAL, one.digest))
        answers.append(room.offload_tells(told(*rows)))
        room.play(1)

    Room().record(stored(made), lambda room: room.play(25), tell)
    (receipt,) = receipts(made)
    assert answers == [Answer(ok=True, seq=bodies(made).index(receipt))]
    assert (receipt.store, receipt.designated) == (store_hash(parse_store_url(URL)), 1)
    assert [(one[0], one[5]) for one in receipt.objects] == [(1, UNTIL_MS), (3, UNTIL_MS)]
    assert [label for label, _ in receipt.records] == [RecordLabel.STORE]
    assert made.findings() == []


def test_what_the_journal_does_not_state_is_refused_by_name_and_an_event(made: Device) -> None:
    strange = row(ObjectKind.SEGMENT, sha256(b"nobody's"))
    altered: list[ObjectRow] = []
    answers: list[Answer] = []

    def tell(room: Room) -> None:
        altered.append(row(ObjectKind.SEGMENT, first_segment(made), digest=sha256(b"other bytes")))
        answers.append(room.offload_tells(told(strange, row(ObjectKind.SEGMENT, first_segment(made)))))
        answers.append(room.offload_tells(told(altered[0])))

    Room().record(stored(made), lambda room: room.play(25), tell)
    assert [answer.unknown for answer in answers] == [(strange[1],), (altered[0][1],)]
    assert [len(receipt.objects) for receipt in receipts(made)] == [1]
    assert answers[1].seq is None
    assert codes(made).count(EventCode.REFUSED_REQUEST) == 2


def test_told_twice_is_written_once_and_a_longer_retention_is_new(made: Device) -> None:
    answers: list[Answer] = []

    def tell(room: Room) -> None:
        segment = first_segment(made)
        same = told(row(ObjectKind.SEGMENT, segment))
        answers.extend(room.offload_tells(one) for one in (same, same))
        answers.append(room.offload_tells(told(row(ObjectKind.SEGMENT, segment, until_ms=UNTIL_MS + 1))))

    Room().record(stored(made), lambda room: room.play(25), tell)
    assert [answer.ok for answer in answers] == [True] * 3
    assert answers[0].seq == answers[1].seq != answers[2].seq
    assert len(receipts(made)) == 2


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.CONSOLE, Role.SENSORS])
def test_nobody_else_tells_receipts_and_whoever_tries_is_an_event(made: Device, role: Role) -> None:
    answers: list[Answer] = []

    def tell(room: Room) -> None:
        answers.append(room.offload_tells(told(row(ObjectKind.SEGMENT, first_segment(made))), role))
        answers.append(room.offload_tells(ALIVE, role))

    Room().record(stored(made), lambda room: room.play(25), tell)
    assert [answer.ok for answer in answers] == [False, False]
    assert receipts(made) == []
    refusals = [body.measured for body in bodies(made) if isinstance(body, Event) and body.code == 50]
    assert refusals == [(1001, role), (1003, role)]


def test_a_store_on_the_recorders_own_disk_is_never_designated(made: Device, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    url = f"file:{store}"

    def tell(room: Room) -> None:
        room.offload_tells(told(row(ObjectKind.SEGMENT, first_segment(made)), url=url, mode=RetentionMode.NONE))

    Room().record(stored(made, url), lambda room: room.play(25), tell)
    assert [receipt.designated for receipt in receipts(made)] == [0]


def test_a_folder_is_on_the_disk_its_device_says_and_one_that_is_not_there_counts_as_own(tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")  # noqa: S108 -- another device than any of the tests' folders, or the same
    assert lies_on(tmp_path, [tmp_path])
    assert lies_on(elsewhere, [Path("/proc")]) is False
    assert lies_on(tmp_path / "absent", [Path("/proc")])


def test_another_store_than_the_configured_one_is_not_designated(made: Device) -> None:
    def tell(room: Room) -> None:
        room.offload_tells(told(row(ObjectKind.SEGMENT, first_segment(made)), url="s3://elsewhere/room"))

    Room().record(stored(made), lambda room: room.play(25), tell)
    assert [receipt.designated for receipt in receipts(made)] == [0]


def test_trouble_with_the_store_is_an_event_and_lights_the_lamp_until_the_store_is_back(made: Device) -> None:
    seen: list[list[str]] = []

    def look(room: Room) -> None:
        seen.append(list((room.ask(Verb.STATUS).facts or {})["warnings"]))

    def trouble(room: Room) -> None:
        assert room.offload_tells(StoreTold(store=URL, code=EventCode.STORE_REFUSES, measured=(403,))).ok
        assert room.offload_tells(StoreTold(store=URL, code=EventCode.STORE_DIFFERS, measured=(1,))).ok
        look(room)
        assert room.offload_tells(StoreTold(store=URL, code=EventCode.STORE_BACK, measured=(9,))).ok
        look(room)

    Room().record(stored(made), trouble)
    assert [len(warnings) for warnings in seen] == [2, 1]
    told_codes = [code for code in codes(made) if 130 <= code <= 139]
    assert told_codes == [EventCode.STORE_REFUSES, EventCode.STORE_DIFFERS, EventCode.STORE_BACK]


def test_a_flood_of_events_is_refused_before_it_fills_the_journal(made: Device) -> None:
    answers: list[Answer] = []

    def flood(room: Room) -> None:
        answers.extend(
            room.offload_tells(StoreTold(store=URL, code=EventCode.STORE_UNREACHABLE, measured=(1,))) for _ in range(50)
        )

    Room().record(stored(made), flood)
    assert [answer.ok for answer in answers] == [True] * 30 + [False] * 20


def is_alive(room: Room) -> None:
    room.offload_tells(ALIVE)


def test_ten_seconds_of_silence_are_told_once_and_so_is_the_first_word_after_them(made: Device) -> None:
    Room().record(
        stored(made),
        lambda room: room.play(20),
        is_alive,
        lambda room: room.play(9),
        is_alive,
        lambda room: room.play(21),
        is_alive,
        lambda room: room.play(2),
    )
    told_codes = [code for code in codes(made) if code in (EventCode.OFFLOAD_LOST, EventCode.OFFLOAD_BACK)]
    assert told_codes == [EventCode.OFFLOAD_LOST, EventCode.OFFLOAD_BACK]


def test_an_offload_process_that_never_comes_is_told_and_without_a_store_nobody_misses_it(made: Device) -> None:
    Room().record(made.config, lambda room: room.play(65))
    assert EventCode.OFFLOAD_LOST not in codes(made)
    Room().record(stored(made), lambda room: room.play(65))
    assert codes(made).count(EventCode.OFFLOAD_LOST) == 1


def test_without_a_store_a_receipt_is_refused(made: Device) -> None:
    answers: list[Answer] = []
    Room().record(made.config, lambda room: answers.append(room.offload_tells(told(row(1, bytes(32))))))
    assert [answer.ok for answer in answers] == [False]
