"""Slices of the journal: cut once, durable, whole; whatever happens to their file, every entry is in one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import pytest

from edge import durable, slices
from edge.journal import Beliefs, Journal, Outside, find
from edge.journal_follow import JournalFollower, Mark, Placed
from edge.journal_state import JournalState
from edge.settings_store import Store
from edge.slices import Boundaries, Slice, SliceCutter, SliceReader, parse_rows, slice_bytes
from edge.spool import Identity, Spool, create_spool, open_spool
from liuhen import cose, entry
from liuhen.kinds import Enrolment, EntryBody, Event, Gap, Heartbeat
from liuhen.registry import EVENTS, EventCode, GapCause
from tests.edge import ports_room
from tests.signing.archives import signer

LOG, DISK = bytes(range(16)), bytes(range(16, 32))
SECOND = 10**9
FILE_BYTES = 65_536


def heartbeat() -> Heartbeat:
    return Heartbeat(
        position=None,
        frames=0,
        samples=0,
        missed=(0, 0),
        queue_ms=0,
        seal_delay_ms=0,
        free_bytes=1,
        parts_per_billion=None,
        level_millibel=None,
    )


def gap() -> Gap:
    return Gap(stream=None, cause=GapCause.OTHER, since=(bytes(16), 5), measured=(0,), evidence=(), records=())


def event(code: EventCode) -> Event:
    span = (0, 0)
    measured = tuple(0 for _ in EVENTS[code].measured)
    return Event(
        code=code,
        severity=EVENTS[code].severity,
        stream=None,
        span_ns=span,
        measured=measured,
        refers_to=None,
        records=(),
    )


@dataclass
class Device:
    """A real journal on a real spool, and a clock that a test moves."""

    spool: Spool
    now_ns: int = 100 * SECOND

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """As after a start."""
        key = signer("device 1")
        blank = JournalState(log_id=LOG, public_key=key.public_key)
        found = find(self.spool.root, Beliefs(blank=blank, held=frozenset({key.public_key})))
        outside = Outside(
            file_limit_bytes=FILE_BYTES,
            read_clock=lambda: (1_800_000_000_000 + self.now_ns // 10**6, self.now_ns, bytes(16), 2, 5),
            on_durable=lambda _seq, _digest: None,
            remember=lambda _run, _head: None,
        )
        self.journal = Journal(spool=self.spool, found=found, run=1, signer=key, outside=outside)
        if found.state.head is None:
            self.append(Enrolment(public_key=key.public_key, endorsements=(), spool_id=DISK))
        self.cutter = SliceCutter(self.spool, self.journal, lambda: self.now_ns)
        self.turn()

    def append(self, body: EntryBody) -> None:
        self.journal.append(body, session_id=None)

    def turn(self, seconds: float = 0) -> None:
        self.now_ns += int(seconds * SECOND)
        assert self.cutter.turn() is None

    def rows(self) -> list[Slice]:
        return SliceReader(self.spool.root).take(100_000)

    def covered(self) -> list[int]:
        """Every entry in the slices, as somebody reads who has nothing else."""
        found = []
        for row in self.rows():
            content = slice_bytes(self.spool.root, row)
            assert content is not None
            numbers = [one.common.seq for one in entries(content)]
            assert (numbers[0], numbers[-1]) == (row.first, row.last)
            found += numbers
        return found


def entries(content: bytes) -> Iterator[entry.Entry]:
    at = 0
    while at < len(content):
        end = cose.item_end(content, at, where="slice")
        assert end is not None
        yield entry.parse(content[at:end], where="slice")
        at = end


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    create_spool(tmp_path / "spool", Identity(log_id=LOG, spool_id=DISK))
    spool = open_spool(tmp_path / "spool")
    made = Device(spool)
    yield made
    made.journal.close()
    spool.close()


def test_what_must_be_known_at_once_is_cut_within_two_seconds_and_a_burst_is_one_slice(device: Device) -> None:
    device.turn(2)  # the enrolment
    for body in (event(EventCode.STORAGE_SLOW), gap(), heartbeat(), gap()):
        device.append(body)
        device.turn(0.4)
    assert [(row.first, row.last) for row in device.rows()] == [(0, 0)]
    device.turn(1.9)
    assert [(row.first, row.last) for row in device.rows()] == [(0, 0), (1, 4)]


def test_what_can_wait_waits_half_a_minute(device: Device) -> None:
    device.turn(2)
    device.append(heartbeat())
    device.turn()
    device.append(heartbeat())
    device.turn(29)
    assert len(device.rows()) == 1
    device.turn(1.1)
    assert [(row.first, row.last) for row in device.rows()][1:] == [(1, 2)]


def test_a_slice_is_never_longer_than_its_limit_and_never_crosses_a_journal_file(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "SLICE_LIMIT_BYTES", 4096)
    for _ in range(400):
        device.append(heartbeat())
    device.turn()
    device.turn(40)
    while device.cutter.newest is None or device.cutter.newest.last < 400:
        device.turn(40)
    rows = device.rows()
    assert device.covered() == list(range(401))
    assert all(row.size <= 4096 for row in rows)
    assert len({row.file for row in rows}) > 1
    assert all(row.offset + row.size <= 2 * FILE_BYTES for row in rows)


def test_a_boundary_stays_where_it_is_through_a_start_and_the_next_follows_it(device: Device) -> None:
    device.append(gap())
    device.turn(1)
    device.turn(3)
    before = device.rows()
    device.append(heartbeat())
    device.turn()
    device.journal.close()
    device.open()
    device.turn(0)
    device.turn(31)
    after = device.rows()
    assert after[: len(before)] == before
    assert device.covered() == [0, 1, 2]


def test_every_entry_is_in_one_slice_although_rows_fill_many_files(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "ROWS_IN_A_FILE", 3)
    for _ in range(10):
        device.append(gap())
        device.turn()
        device.turn(2.1)
    assert device.covered() == list(range(11))
    assert len(list((device.spool.root / "device").glob("slices-*.cbor"))) == 4
    reader = SliceReader(device.spool.root)
    assert [len(reader.take(4)) for _ in range(4)] == [4, 4, 2, 0]
    device.append(gap())
    device.turn()
    device.turn(2.1)
    assert [row.last for row in reader.take()] == [11]


def test_a_reader_opens_no_file_where_nothing_is_new_and_misses_nothing_that_is(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "ROWS_IN_A_FILE", 2)
    opened: list[Path] = []
    really = durable.opened

    def counted(path: Path) -> BinaryIO:
        opened.append(path)
        return really(path)

    reader = SliceReader(device.spool.root)
    assert reader.take() == []
    seen = []
    for _ in range(5):
        device.append(gap())
        device.turn()
        device.turn(2.1)
        seen += [*reader.take(), *reader.take()]  # a file that it has just come to is looked into once more
        monkeypatch.setattr(durable, "opened", counted)
        assert reader.take() == reader.take() == []
        monkeypatch.setattr(durable, "opened", really)
    assert [number for row in seen for number in range(row.first, row.last + 1)] == list(range(6))
    assert opened == []
    device.append(gap())
    device.turn()
    device.turn(2.1)
    monkeypatch.setattr(durable, "opened", counted)
    assert [row.last for row in reader.take()] == [6]
    assert opened != [], "the negative control: with rows to read it opens their file"


@pytest.mark.parametrize("harm", ["lost", "torn", "garbage", "a row of another journal", "a file in the middle gone"])
def test_whatever_happens_to_the_rows_every_entry_is_cut_again_and_what_was_sent_agrees(
    device: Device, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "ROWS_IN_A_FILE", 3)
    for _ in range(8):
        device.append(gap())
        device.turn()
        device.turn(2.1)
    sent = {row.digest: slice_bytes(device.spool.root, row) for row in device.rows()}
    files = sorted((device.spool.root / "device").glob("slices-*.cbor"))
    last = files[-1]
    match harm:
        case "lost":
            for path in files:
                path.unlink()
        case "torn":
            last.write_bytes(last.read_bytes()[:-7])
        case "garbage":
            last.write_bytes(b"\x86" * 50)
        case "a row of another journal":
            row = Slice(first=9, last=12, digest=bytes(32), file=0, offset=0, size=100)
            last.write_bytes(last.read_bytes() + row.to_bytes())
        case _:
            files[1].unlink()
    device.journal.close()
    device.open()
    device.append(heartbeat())
    device.turn()
    device.turn(31)
    device.turn(31)
    assert device.covered() == list(range(10))
    whole = b"".join(slice_bytes(device.spool.root, row) or b"" for row in device.rows())
    assert all(content is not None and content in whole for content in sent.values())


def test_a_disk_that_takes_no_row_costs_nothing_and_is_tried_again(device: Device) -> None:
    device.append(gap())
    device.turn()
    folder = device.spool.root / "device"
    shutil.move(folder, folder.with_name("away"))
    folder.write_bytes(b"")
    device.now_ns += 3 * SECOND
    assert device.cutter.turn() is not None
    assert device.cutter.turn() is None  # not before a while has passed
    folder.unlink()
    shutil.move(folder.with_name("away"), folder)
    device.turn(31)
    device.turn(3)
    assert device.covered() == [0, 1]


def test_rows_that_do_not_follow_each_other_end_the_reading() -> None:
    rows = [Slice(first=n, last=n, digest=bytes(32), file=0, offset=n, size=1) for n in (0, 1, 1, 2)]
    assert [row.first for row in parse_rows(b"".join(row.to_bytes() for row in rows))] == [0, 1]


def test_a_hole_in_the_numbers_is_never_inside_a_slice(device: Device) -> None:
    (first,) = JournalFollower(lambda: device.spool.root).read(0)
    later = Placed(entry=first.entry, file=0, start=first.end, end=first.end + 10)
    boundaries = Boundaries()
    assert boundaries.add(first, 0) is None
    ended = boundaries.add(later, 0)  # its number is 0 again: whatever it is, it does not follow
    assert ended is not None
    assert (ended.first, ended.last) == (0, 0)


def test_a_reader_of_the_journal_passes_over_rot_and_waits_at_a_torn_end(device: Device) -> None:
    for _ in range(4):
        device.append(heartbeat())
    path = device.spool.root / "journal" / "00000000.cbor"
    content = path.read_bytes()
    placed = JournalFollower(lambda: device.spool.root).read(9)
    assert [one.entry.common.seq for one in placed] == [0, 1, 2, 3, 4]
    rotten = bytearray(content)
    rotten[placed[2].start] ^= 0xFF
    path.write_bytes(bytes(rotten[: placed[4].start + 20]))
    follower = JournalFollower(lambda: device.spool.root)
    assert [one.entry.common.seq for one in follower.read(9)] == [0, 1, 3]
    assert follower.read(9) == []
    path.write_bytes(bytes(rotten))
    assert [one.entry.common.seq for one in follower.read(9)] == [4]
    assert follower.mark == Mark(file=0, offset=len(content), seq=5)


def test_a_reader_never_goes_past_what_is_durable(device: Device) -> None:
    for _ in range(4):
        device.append(heartbeat())
    follower = JournalFollower(lambda: device.spool.root)
    assert [one.entry.common.seq for one in follower.read(2)] == [0, 1, 2]
    assert [one.entry.common.seq for one in follower.read(4)] == [3, 4]


# -- in the room -------------------------------------------------------------------------------------------------------


def test_after_a_session_every_entry_of_the_run_is_in_a_slice_and_without_a_store_none_is_cut(tmp_path: Path) -> None:
    made = ports_room.device(tmp_path / "one")
    ports_room.Room().record(made.config, lambda room: room.play(12))
    assert SliceReader(made.spool).take() == []
    stored = replace(made.config, store=Store(url=f"file:{tmp_path}/store"))
    ports_room.Room().record(stored, lambda room: room.play(12))
    rows = SliceReader(made.spool).take()
    numbers = [one.common.seq for row in rows for one in entries(slice_bytes(made.spool, row) or b"")]
    newest = JournalFollower(lambda: made.spool).read(1 << 62)[-1].entry.common.seq
    assert numbers == list(range(newest + 1))
