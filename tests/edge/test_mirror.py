"""Two disks that hold the same: either one alone is the evidence, and losing one costs nothing."""

from __future__ import annotations

import errno
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.app import EXIT_BUSY, EXIT_STORAGE
from edge.disk_watch import Side
from edge.mirror import Pair
from edge.recorder import Ended
from edge.refusals import Refused
from edge.spool import Identity, create_spool, open_spool
from liuhen.registry import EventCode
from tests.edge.failing_calls import Failing, Fault, failing
from tests.edge.mirrored import STALL_MILLISECONDS, Mirrored, mirrored, with_mirror
from tests.edge.ports_room import START_NS, Act, Room, RoomClock, device
from tests.edge.test_storage_faults import payloads

pytestmark = pytest.mark.long

LATER_NS = 60 * 10**9
LIMIT_SECONDS = 30
HANGING_MILLISECONDS = 3_000
"""After so long a disk that hangs is left behind, where that is what is tested; a busy one may take a second."""
LOST = EventCode.MIRROR_LOST
BACK = EventCode.MIRROR_BACK


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Mirrored]:
    with mirrored(tmp_path, mirror_stall_milliseconds=STALL_MILLISECONDS) as it:
        yield it


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Mirrored]:
    with mirrored(tmp_path, mirror_stall_milliseconds=HANGING_MILLISECONDS) as it:
        yield it


def pair_of(room: Room) -> Pair:
    assert room._stage is not None
    disk = room._stage.recorder._tools.spool.disk
    assert isinstance(disk, Pair)
    return disk


def both_in_step(room: Room) -> None:
    """Wait for the disk that was behind."""
    assert pair_of(room).whole.wait(LIMIT_SECONDS)


def record(made: Mirrored, *acts: Act, start: int = 0) -> tuple[Room, Ended]:
    room = Room(RoomClock(now_ns=START_NS + start * LATER_NS))
    return room, room.record(made.device.config, *(acts or (both_in_step, lambda r: r.play(12))))


def side_of(made: Mirrored, side: Side) -> Path:
    return made.primary if side is Side.PRIMARY else made.mirror


def other(side: Side) -> Side:
    return Side.MIRROR if side is Side.PRIMARY else Side.PRIMARY


def check_alone(made: Mirrored, root: Path, frames: int) -> None:
    """One disk alone: intact, vouched for, and every frame of the session is on it."""
    report = made.verify(root)
    assert report.intact, [f.code for f in report.findings]
    assert report.vouched
    assert report.sessions[-1].frames == frames


# --- what it is for --------------------------------------------------------------------------------------------------


def test_both_disks_hold_the_same_and_each_verifies_alone(made: Mirrored) -> None:
    room, ended = record(made)
    assert ended.clean
    assert made.differences() == []
    assert [(code, measured[0]) for code, measured in made.events()] == [(BACK, Side.MIRROR)]
    assert room.camera is not None
    for root in (made.primary, made.mirror):
        check_alone(made, root, room.camera.sent)


def test_a_changed_byte_on_one_disk_is_found_on_it_and_not_on_the_other(made: Mirrored) -> None:
    """The negative control of the test above."""
    record(made)
    path = next(made.mirror.glob("sessions/*/*.mp4"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert not made.verify(made.mirror).intact
    assert made.verify(made.primary).intact
    assert len(made.differences()) == 1


def test_disks_that_were_in_step_go_on_without_a_word(made: Mirrored) -> None:
    record(made)
    record(made, start=1)
    assert [code for code, _ in made.events()] == [BACK]
    assert made.differences() == []


def test_the_mirror_alone_is_a_spool_to_go_on_with(made: Mirrored) -> None:
    record(made)
    shutil.rmtree(made.primary)
    room, ended = record(made, lambda r: r.play(5), start=1)
    assert ended.clean
    assert made.events(made.mirror)[1:] == [
        (EventCode.STORAGE_REMOVED, (Side.PRIMARY,)),
        (LOST, (Side.PRIMARY, errno.ENOENT)),
    ]
    assert room.camera is not None
    check_alone(made, made.mirror, room.camera.sent)


# --- losing one of them ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("fault", [Fault.EIO, Fault.ENOSPC, Fault.EROFS])
@pytest.mark.parametrize("at", [0, 7, 30, 61])
def test_a_disk_that_fails_at_some_call_is_an_event_and_no_interruption(
    made: Mirrored, side: Side, fault: Fault, at: int
) -> None:
    plan = Failing(folders=(side_of(made, side),), fault=fault, at=at, lasting=True)
    armed = threading.Event()
    plan.chosen = lambda call, _: armed.is_set() and call in ("write", "fdatasync", "fsync", "ftruncate", "open")
    with failing(plan):
        room, ended = record(made, both_in_step, lambda _: armed.set(), lambda r: r.play(14))
    assert plan.fired
    assert ended.clean
    assert (LOST, (side, fault.value)) in made.events(side_of(made, other(side)))
    assert room.camera is not None
    check_alone(made, side_of(made, other(side)), room.camera.sent)
    record(made, both_in_step, lambda r: r.play(2), start=1)
    assert made.differences() == []
    for root in (made.primary, made.mirror):
        assert made.verify(root).intact
    assert [measured[0] for code, measured in made.events() if code == BACK][-1] == side


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_disk_that_does_not_answer_is_left_behind_after_its_limit(impatient: Mirrored, side: Side, call: str) -> None:
    made = impatient
    release, plan = threading.Event(), Failing(folders=(side_of(made, side),), fault=Fault.STALL, at=20)
    plan.chosen = lambda called, path: called == call and path.endswith(".mp4")
    plan.stall = lambda: (release.wait(LIMIT_SECONDS), None)[1]
    try:
        with failing(plan):
            room, ended = record(made, both_in_step, lambda r: r.play(14))
            release.set()
            for thread in threading.enumerate():
                if thread.name == f"SIDE {side.name}":
                    thread.join(LIMIT_SECONDS)
    finally:
        release.set()
    assert ended.clean
    assert (LOST, (side, errno.ETIMEDOUT)) in made.events(side_of(made, other(side)))
    assert room.camera is not None
    check_alone(made, side_of(made, other(side)), room.camera.sent)
    assert len(payloads(made.device, 1)) == room.camera.sent or side is Side.PRIMARY
    record(made, both_in_step, lambda r: r.play(2), start=1)
    assert made.differences() == []


def test_both_disks_failing_at_once_is_borne_by_the_one_that_leads(made: Mirrored) -> None:
    plan = Failing(folders=(made.primary, made.mirror), fault=Fault.EIO, at=20, lasting=True)
    left = [2]

    def chosen(call: str, path: str) -> bool:
        if call != "fdatasync" or not path.endswith("000000.mp4") or left[0] == 0:
            return False
        left[0] -= plan.seen >= 20
        return True

    plan.chosen = chosen
    with failing(plan):
        room, ended = record(made, both_in_step, lambda r: r.play(14))
    assert ended.clean
    codes = [code for code, _ in made.events()]
    assert EventCode.STORAGE_FAULT in codes
    assert LOST in codes
    assert room.camera is not None
    check_alone(made, made.primary, room.camera.sent)


# --- coming back -----------------------------------------------------------------------------------------------------


def test_a_mirror_given_to_an_old_spool_gets_everything_while_a_session_runs(tmp_path: Path) -> None:
    plain = device(tmp_path)
    for number in range(3):
        Room(RoomClock(now_ns=START_NS + number * LATER_NS)).record(plain.config, lambda r: r.play(12))
    with mirrored(tmp_path) as made:
        _, ended = record(made, both_in_step, lambda r: r.play(12), start=4)
        assert ended.clean
        assert made.differences() == []
        ((code, (side, copied)),) = made.events()
        assert (code, side) == (BACK, Side.MIRROR)
        assert copied > sum(path.stat().st_size for path in made.primary.glob("sessions/*/*.mp4")) // 2
        assert made.verify(made.mirror).intact


def test_a_disk_that_was_away_for_a_session_gets_it_and_is_never_written_over(made: Mirrored) -> None:
    record(made)
    away = made.mirror.rename(made.mirror.with_name("away"))
    record(made, lambda r: r.play(12), start=1)
    assert (LOST, (Side.MIRROR, errno.ENOENT)) in made.events()
    away.rename(made.mirror)
    before = {path: path.read_bytes() for path in made.mirror.glob("sessions/*/*.mp4")}
    record(made, both_in_step, lambda r: r.play(12), start=2)
    assert made.differences() == []
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_primary_that_missed_a_session_follows_the_mirror_that_has_it(made: Mirrored) -> None:
    record(made)
    away = made.primary.rename(made.primary.with_name("away"))
    record(made, lambda r: r.play(12), start=1)
    away.rename(made.primary)
    record(made, both_in_step, lambda r: r.play(12), start=2)
    assert made.differences() == []
    entries = made.entries()
    assert [entry.common.seq for entry in entries] == list(range(len(entries)))
    assert made.verify(made.primary).intact
    assert len(made.verify(made.primary).sessions) == 3


def test_what_differs_in_the_middle_stays_as_it_is_on_both_and_is_told(made: Mirrored) -> None:
    record(made)
    (made.mirror / "device/in-step.cbor").unlink()  # so that everything is compared
    path = next(made.mirror.glob("sessions/*/000000.mp4"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    record(made, both_in_step, lambda r: r.play(5), start=1)
    assert path.read_bytes() == content
    assert made.differences() == [path.relative_to(made.mirror).as_posix()]
    differs = [measured for code, measured in made.events() if code == EventCode.MIRROR_DIFFERS]
    assert differs == [(Side.MIRROR, 1, len(content) // 2, len(content) - len(content) // 2)]
    assert made.verify(made.primary).intact


def test_the_rest_of_a_write_is_in_quarantine_on_both_disks_before_it_is_cut(made: Mirrored) -> None:
    record(made)
    path = next(made.mirror.glob("sessions/*/000000.mp4"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-4000] + b"torn" * 100)
    (made.mirror / "device/in-step.cbor").unlink()
    record(made, both_in_step, lambda r: r.play(5), start=1)
    assert path.read_bytes() == whole
    assert made.differences() == []
    (aside,) = made.mirror.glob("quarantine/mirror-*")
    assert aside.read_bytes().endswith(b"torn" * 100)
    assert [measured[1] for code, measured in made.events() if code == EventCode.MIRROR_DIFFERS] == [0]
    for root in (made.primary, made.mirror):
        assert made.verify(root).intact


def test_a_disk_with_entries_of_its_own_is_never_put_in_step(made: Mirrored) -> None:
    """Each went on alone while the other was away: nothing of either may go."""
    record(made)
    away = made.mirror.rename(made.mirror.with_name("away"))
    record(made, lambda r: r.play(5), start=1)
    newest = made.primary.rename(made.primary.with_name("newest"))
    away.rename(made.mirror)
    record(made, lambda r: r.play(5), start=2)
    newest.rename(made.primary)
    before = made.entries(made.primary)
    seen: list[bool] = []
    record(made, lambda r: r.play(5), lambda r: seen.append(pair_of(r).whole.is_set()), start=3)
    assert seen == [False]
    assert made.entries(made.primary) == before
    seqs = [entry.common.seq for entry in made.entries(made.mirror)]
    assert len(set(seqs)) == len(seqs)
    both = {e.common.seq: e.hash for e in made.entries(made.primary)}
    assert all(both.get(e.common.seq, e.hash) == e.hash for e in made.entries(made.mirror))  # no number used twice


# --- which disks -----------------------------------------------------------------------------------------------------


def test_two_folders_on_one_disk_are_refused(tmp_path: Path) -> None:
    made = with_mirror(device(tmp_path), tmp_path / "mirror")
    with pytest.raises(Refused) as refused:
        record(made)
    assert refused.value.exit_code == EXIT_STORAGE
    assert "另一块盘" in refused.value.remedy_zh
    open_spool(made.primary).close()  # nothing stays locked


def test_another_recorder_on_either_disk_refuses_the_start(made: Mirrored) -> None:
    spool = open_spool(made.mirror)
    with pytest.raises(Refused) as refused:
        record(made)
    assert refused.value.exit_code == EXIT_BUSY
    spool.close()
    record(made)


@pytest.mark.parametrize("side", list(Side))
def test_another_disk_in_place_of_one_of_them_is_refused_and_left_untouched(made: Mirrored, side: Side) -> None:
    record(made)
    root = side_of(made, side)
    root.rename(root.with_name("ours"))
    log_id = made.entries(side_of(made, other(side)))[0].common.log_id
    create_spool(root, Identity(log_id=log_id, spool_id=bytes(16)))
    _, ended = record(made, lambda r: r.play(5), start=1)
    assert ended.clean
    assert made.events(side_of(made, other(side)))[1:] == [
        (EventCode.STORAGE_WRONG_MEDIUM, (side,)),
        (LOST, (side, errno.EMEDIUMTYPE)),
    ]
    assert list((root / "journal").iterdir()) == []


def test_with_no_mirror_another_disk_is_refused_with_what_to_do(tmp_path: Path) -> None:
    plain = device(tmp_path)
    Room().record(plain.config, lambda r: r.play(2))
    log_id = open_spool_identity(plain.spool).log_id
    plain.spool.rename(tmp_path / "ours")
    create_spool(plain.spool, Identity(log_id=log_id, spool_id=bytes(16)))
    with pytest.raises(Refused) as refused:
        Room(RoomClock(now_ns=START_NS + LATER_NS)).record(plain.config, lambda r: r.play(2))
    assert refused.value.exit_code == EXIT_STORAGE
    assert "换回原来的盘" in refused.value.remedy_zh


def open_spool_identity(root: Path) -> Identity:
    spool = open_spool(root)
    spool.close()
    return spool.identity


# --- catching up while others write ----------------------------------------------------------------------------------


def test_a_disk_that_is_caught_up_while_media_is_written_misses_nothing(tmp_path: Path) -> None:
    """Everything is written by another thread meanwhile; the last of it is copied while that thread waits."""
    plain = device(tmp_path)
    Room().record(plain.config, lambda r: r.play(25))
    with mirrored(tmp_path) as made:
        acts: list[Act] = [lambda r: r.play(1.5)] * 12
        room, ended = record(made, *acts, both_in_step, lambda r: r.play(2), start=2)
        assert ended.clean
        assert made.differences() == []
        assert room.camera is not None
        check_alone(made, made.mirror, room.camera.sent)


def test_a_file_that_ends_in_the_rest_of_a_write_when_the_disk_is_put_in_step_holds_nobody_up(made: Mirrored) -> None:
    """Quarantine is written inside the last step too, by the thread that holds the order already."""
    record(made)
    (made.mirror / "device/in-step.cbor").unlink()
    journal_file = next(iter((made.mirror / "journal").iterdir()))
    journal_file.write_bytes(journal_file.read_bytes() + b"\xd2\x84\x58 torn")
    record(made, both_in_step, lambda r: r.play(3), start=1)
    assert made.differences() == []
    assert len(list(made.primary.glob("quarantine/mirror-mirror-journal-*"))) == 1
    assert made.verify(made.mirror).intact
