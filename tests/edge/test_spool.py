"""The spool: one recorder at a time, the right disk, a reserve for the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.refusals import SpoolError
from edge.spool import IDENTITY_FILE, RESERVE_FILE, Identity, OneDisk, Spool, create_spool, open_spool
from tests.edge.ports_room import Room, RoomClock, device

IDENTITY = Identity(log_id=bytes(16), spool_id=bytes(range(16)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    create_spool(tmp_path / "spool", IDENTITY)
    return tmp_path / "spool"


def test_an_opened_spool_knows_whose_it_is(root: Path) -> None:
    spool = open_spool(root)
    assert spool.identity == IDENTITY
    spool.close()


def test_a_second_opener_is_refused_as_busy_and_the_first_goes_on(root: Path) -> None:
    first = open_spool(root)
    with pytest.raises(SpoolError) as refused:
        open_spool(root)
    assert refused.value.busy
    first.close()
    open_spool(root).close()


def test_a_spool_is_never_made_over_other_files(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(SpoolError, match="not empty"):
        create_spool(tmp_path, IDENTITY)
    assert [p.name for p in tmp_path.iterdir()] == ["holiday.jpg"]


@pytest.mark.parametrize("content", [b"", b"\xa0", b"\xa3\x00\x01\x01\x41\x00\x09\x41\x00", b"not cbor"])
def test_a_damaged_identity_is_refused_with_what_to_do(root: Path, content: bytes) -> None:
    (root / "device/spool.cbor").write_bytes(content)
    with pytest.raises(SpoolError, match="damaged") as refused:
        open_spool(root)
    assert refused.value.remedy_zh
    (root / "device/spool.cbor").unlink()
    with pytest.raises(SpoolError, match="not a spool"):
        open_spool(root)


@pytest.mark.parametrize("content", [b"", bytes(40), b"rotten"], ids=["empty", "zeros", "rotten"])
def test_where_the_identity_rots_entry_0_says_whose_disk_it_is_and_the_session_is_recorded(
    tmp_path: Path, content: bytes
) -> None:
    made, clock = device(tmp_path), RoomClock()
    assert Room(clock).record(made.config, lambda room: room.play(1.2)).clean
    good = (made.spool / IDENTITY_FILE).read_bytes()
    (made.spool / IDENTITY_FILE).write_bytes(content)
    assert Room(clock).record(made.config, lambda room: room.play(1.2)).clean
    assert made.findings() == []
    first = next(made.journal_files())
    whole = first.read_bytes()
    changed = whole[:60] + bytes([whole[60] ^ 1]) + whole[61:]
    for broken in (b"", whole[:200], changed):  # the control: nothing says whose it is
        first.write_bytes(broken)
        with pytest.raises(SpoolError, match="damaged"):
            open_spool(made.spool)
    (made.spool / IDENTITY_FILE).write_bytes(good)
    open_spool(made.spool).close()


def test_the_lock_is_free_again_after_a_refusal(root: Path) -> None:
    good = (root / "device/spool.cbor").read_bytes()
    (root / "device/spool.cbor").write_bytes(b"")
    with pytest.raises(SpoolError):
        open_spool(root)
    (root / "device/spool.cbor").write_bytes(good)
    open_spool(root).close()


@pytest.fixture
def spool(root: Path) -> Spool:
    return Spool(IDENTITY, OneDisk(root, 0))


def test_the_reserve_is_given_once(spool: Spool) -> None:
    spool.hold_reserve(100_000)
    assert spool.release_reserve()
    assert not spool.release_reserve()


def test_a_reserve_that_is_too_small_is_made_anew(spool: Spool) -> None:
    (spool.root / RESERVE_FILE).write_bytes(b"")
    spool.hold_reserve(100_000)
    assert (spool.root / RESERVE_FILE).stat().st_blocks * 512 >= 100_000


def test_a_reserve_that_is_kept_is_left_alone(spool: Spool) -> None:
    spool.hold_reserve(100_000)
    before = (spool.root / RESERVE_FILE).stat().st_ino
    spool.hold_reserve(100_000)
    assert (spool.root / RESERVE_FILE).stat().st_ino == before


def test_foreign_names_among_the_sessions_are_left_out(spool: Spool) -> None:
    session = spool.root / "sessions" / ("ab" * 16)
    session.mkdir()
    (spool.root / "sessions" / "notes").mkdir()
    for name in ("000000.mp4", "000001.mp4", "copy of 000000.mp4", "1x.mp4"):
        (session / name).write_bytes(b"")
    assert [(number, path.name) for _, number, path in spool.segment_files()] == [(0, "000000.mp4"), (1, "000001.mp4")]
