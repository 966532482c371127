"""What somebody with the disk, a clock that nobody set, or a cut in the wrong place cannot make a start say or do."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.ports import ClockReading, SyncState
from edge.recovery import length_ns
from liuhen import cose, entry, keys
from liuhen.findings import Code
from liuhen.hashing import sha256
from liuhen.kinds import NO_UPPER_BOUND_NS, EntryBody, Gap, GapEnd, Key, Run, Segment, Session, Stop
from liuhen.registry import KeyAct, KeyCause, StopCause
from liuhen.report import Language, to_text
from tests.edge.ports_room import BLOCK_NS, BOOT_ID, FRAME_NS, START_NS, Device, Refused, Room, RoomClock, device
from tests.edge.test_recovery import LATER_NS, PowerCut, absent_camera, bodies, check_all_closed, cut, entries

pytestmark = pytest.mark.long

SECOND_NS = 10**9
OTHER_BOOT = bytes([7]) * 16


# --- a history that somebody else put in place of the device's own ---------------------------------------------------


def replace_last_run(made: Device, thief: keys.FileSigner, *, from_seq: int) -> None:
    """With the disk alone: cut a run off, and append as many entries under an emergency key of one's own."""
    known = entries(made)
    common, old_head = known[from_seq].common, known[from_seq - 1].head
    device_key = keys.load_signer(made.config.key.file).public_key
    lost = Key(
        act=KeyAct.EMERGENCY,
        subject=cose.key_id(device_key),
        new_public_key=thief.public_key,
        endorsements=(),
        last_trusted=None,
        old_head=old_head,
        cause=KeyCause.KEY_FILE_UNUSABLE,
    )
    run = known[from_seq].body
    assert isinstance(run, Run)
    stop = Stop(cause=StopCause.OPERATOR)
    forged: list[EntryBody] = [lost, *[run] * (len(known) - from_seq - 2), stop]
    content, prev = b"".join(e.envelope.encoded for e in known[:from_seq]), old_head[1]
    for seq, body in enumerate(forged, start=from_seq):
        at = entry.Position(log_id=common.log_id, run=common.run, seq=seq, prev=prev)
        encoded = entry.make(body, at=at, clock=common.clock, session_id=None, seen=None, signer=thief)
        content, prev = content + encoded, sha256(encoded)
    (path,) = made.journal_files()
    path.write_bytes(content)
    for slot in (made.spool / "device").glob("slot-*"):
        slot.unlink()
    for session in {e.common.session_id for e in known[from_seq:] if e.common.session_id is not None}:
        shutil.rmtree(made.spool / "sessions" / session.hex())


def test_an_emergency_key_of_somebody_with_the_disk_does_not_take_a_hidden_runs_place(tmp_path: Path) -> None:
    made = device(tmp_path)
    Room().record(made.config, lambda r: r.play(2))
    shown = len(entries(made))
    Room(RoomClock(now_ns=LATER_NS)).record(made.config, lambda r: r.play(2))
    newest = len(entries(made))
    thief = keys.FileSigner(keys.generate())
    replace_last_run(made, thief, from_seq=shown)
    Room(RoomClock(now_ns=LATER_NS + 100 * SECOND_NS)).record(made.config, lambda r: r.play(2))
    own = [e for e in entries(made) if e.envelope.kid != cose.key_id(thief.public_key)]
    assert min(e.common.seq for e in own if e.common.seq >= shown) == newest, "the device goes on behind what it knows"
    assert not any(isinstance(e.body, Key) for e in own), "and does not answer an emergency that was none"
    report = made.verify()
    assert not report.intact
    assert Code.CHAIN_BROKEN in {finding.code for finding in report.findings}


# --- names in the way ------------------------------------------------------------------------------------------------


def as_directory(path: Path) -> None:
    path.mkdir()


def as_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def as_pipe(path: Path) -> None:
    os.mkfifo(path)


def as_rubbish(path: Path) -> None:
    path.write_bytes(b"rubbish")


@pytest.mark.parametrize("make", [as_directory, as_link, as_pipe])
def test_what_is_no_file_where_a_segment_belongs_stays_and_hinders_no_start(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    made = device(tmp_path)
    with pytest.raises(PowerCut):
        Room().record(made.config, lambda r: r.play(3), cut)
    (path,) = made.segments()
    make(path.with_name("000001.mp4"))
    Room(RoomClock(now_ns=LATER_NS)).record(made.config, lambda r: r.play(2))
    assert len(bodies(made, Session)) == len(bodies(made, Segment)) == 2
    assert os.path.lexists(path.with_name("000001.mp4"))
    assert not made.verify().intact


def test_a_segment_longer_than_any_can_be_is_neither_read_into_memory_nor_cut(tmp_path: Path) -> None:
    made = device(tmp_path)
    with pytest.raises(PowerCut):
        Room().record(made.config, lambda r: r.play(3), cut)
    (path,) = made.segments()
    os.truncate(path, 40 * 2**30)
    Room(RoomClock(now_ns=LATER_NS)).record(made.config, lambda r: r.play(2))
    assert path.stat().st_size == 40 * 2**30
    assert len(bodies(made, Session)) == 2


def test_a_journal_file_longer_than_any_write_could_leave_it_is_kept_and_recorded_on_behind(tmp_path: Path) -> None:
    made = device(tmp_path)
    with pytest.raises(PowerCut):
        Room().record(made.config, lambda r: r.play(3), cut)
    (path,) = made.journal_files()
    os.truncate(path, 60 * 2**30)
    Room(RoomClock(now_ns=LATER_NS)).record(made.config, lambda r: r.play(2))
    assert path.stat().st_size == 60 * 2**30
    assert len(list(made.journal_files())) == 2


@pytest.mark.parametrize("name", ["5.cbor", "99999999.cbor", "123456789.cbor", "٠٠٠٠٠٠٠٩.cbor", "00000007.cbor"])
@pytest.mark.parametrize("make", [as_directory, as_link, as_pipe, as_rubbish])
def test_whatever_stands_in_the_journals_folder_the_device_records_on(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    made = device(tmp_path, journal_file_bytes=65_536)
    Room().record(made.config, lambda r: r.play(2))
    make(made.spool / "journal" / name)
    for number in (1, 2):
        Room(RoomClock(now_ns=START_NS + number * 100 * SECOND_NS)).record(made.config, lambda r: r.play(2))
    assert len(list((made.spool / "sessions").iterdir())) == 3
    assert all(len(path.stem) == 8 for path in made.journal_files() if path.name != name)


# --- lengths ---------------------------------------------------------------------------------------------------------


def reading(utc_ms: int, *, up_ns: int = 20 * SECOND_NS, sync: SyncState = SyncState.SYNCHRONISED) -> ClockReading:
    return ClockReading(utc_ms=utc_ms, boottime_ns=up_ns, sync=sync, error_ms=5)


@pytest.mark.parametrize("sync", [SyncState.UNKNOWN, SyncState.UNSYNCHRONISED])
def test_a_clock_that_nobody_set_bounds_no_gap_from_above(sync: SyncState) -> None:
    since, until = (BOOT_ID, 500 * SECOND_NS), (OTHER_BOOT, 20 * SECOND_NS)
    anchor = (1_000_000, 500 * SECOND_NS, BOOT_ID, int(SyncState.SYNCHRONISED), 5)
    now = reading(1_030_000)
    assert length_ns(anchor, since, until, now) == (29_990_000_000, 30_010_000_000), "the negative control"
    unset = (20 * SECOND_NS, NO_UPPER_BOUND_NS)
    assert length_ns(anchor, since, until, reading(1_030_000, sync=sync)) == unset
    assert length_ns((*anchor[:3], int(sync), 5), since, until, now) == unset


def test_clocks_that_contradict_each_other_do_not_make_a_gap_of_nothing(tmp_path: Path) -> None:
    """UTC is an hour earlier after the reboot: the gap was at least as long as the device is up."""
    made = device(tmp_path)
    with pytest.raises(PowerCut):
        Room().record(made.config, lambda r: r.play(3), cut)
    clock = RoomClock(now_ns=20 * SECOND_NS, boot_id=OTHER_BOOT)
    clock.utc_offset_ms += (START_NS - 20 * SECOND_NS) // 1_000_000 - 3_600_000
    Room(clock).record(made.config, lambda r: r.play(2))
    check_all_closed(made)
    (end,) = (b for b in bodies(made, GapEnd) if isinstance(b, GapEnd))
    assert end.length_ns == (end.until[1], NO_UPPER_BOUND_NS)
    assert "no upper bound is known" in to_text(made.verify(), Language.EN, integrity_only=False)


# --- cuts in a row ---------------------------------------------------------------------------------------------------


def record_and_cut(made: Device, clock: RoomClock, *, after: int, entries_only: bool, seconds: float) -> None:
    """One run that loses power directly after its n-th durable write, or entry; one that has fewer ends in order."""
    room, left = Room(clock), [after]

    def on_durable() -> None:
        left[0] -= not entries_only or room.onlooker.durable[-1][0] == "E"
        if left[0] == 0:
            raise PowerCut

    room.onlooker.on_durable = on_durable
    with contextlib.suppress(PowerCut):
        room.record(made.config, lambda r: r.play(seconds))


def check_nothing_overlaps(made: Device) -> None:
    """Within one boot: media and gaps of the session follow each other, and their sum is the session."""
    found = entries(made)
    starts = {e.common.seq: e.body.since[1] for e in found if isinstance(e.body, Gap) and e.body.stream is None}
    pieces = [b.span_ns for b in bodies(made, Segment) if isinstance(b, Segment)]
    pieces += [(starts[b.gap_seq], b.until[1]) for b in bodies(made, GapEnd) if isinstance(b, GapEnd)]
    pieces.sort()
    for before, after in itertools.pairwise(pieces):
        assert abs(after[0] - before[1]) <= FRAME_NS + BLOCK_NS, (before, after)


@pytest.mark.parametrize("cut_after", range(1, 9))
def test_a_gap_whose_media_was_back_ends_there_wherever_the_next_recovery_is_cut(
    tmp_path: Path, cut_after: int
) -> None:
    """Three runs in one boot; the second dies with media that no entry names, the third in its recovery."""
    made = device(tmp_path)
    with pytest.raises(PowerCut):
        Room().record(made.config, lambda r: r.play(3), cut)
    with pytest.raises(PowerCut):
        Room(RoomClock(now_ns=LATER_NS)).record(made.config, lambda r: r.play_while_control_stalls(2), cut)
    third = RoomClock(now_ns=LATER_NS + 60 * SECOND_NS)
    record_and_cut(made, third, after=cut_after, entries_only=True, seconds=2)
    Room(RoomClock(now_ns=LATER_NS + 120 * SECOND_NS)).record(made.config, lambda r: r.play(2))
    check_all_closed(made)
    assert len(bodies(made, Session)) == 1
    check_nothing_overlaps(made)


@pytest.mark.parametrize("seed", range(6))
def test_after_any_cuts_in_a_row_media_and_gaps_are_the_session(tmp_path: Path, seed: int) -> None:
    chance, made = random.Random(seed), device(tmp_path)  # noqa: S311 - a failing seed can be run again
    clock = RoomClock()
    for _ in range(chance.randint(2, 6)):
        after = chance.randint(1, chance.choice((8, 30)))
        record_and_cut(made, clock, after=after, entries_only=chance.random() < 0.5, seconds=chance.uniform(1, 14))
        clock.now_ns += chance.randint(1, 90) * SECOND_NS
    Room(clock).record(made.config, lambda r: r.play(2))
    check_all_closed(made)
    if len(bodies(made, Session)) == 1:
        check_nothing_overlaps(made)


# --- starts that are refused, again and again ------------------------------------------------------------------------


def test_many_refused_starts_over_boots_leave_one_gap_and_one_session(tmp_path: Path) -> None:
    made = device(tmp_path, journal_file_bytes=65_536)
    with pytest.raises(PowerCut):
        Room().record(made.config, lambda r: r.play(3), cut)
    for number in range(1, 25):
        clock = RoomClock(now_ns=20 * SECOND_NS, boot_id=bytes([number]) * 16)
        clock.utc_offset_ms += (START_NS - clock.now_ns) // 1_000_000 + number * 60_000
        room = Room(clock)
        assert room.camera is not None
        assert room.microphone is not None
        room.camera.refuses_open = room.microphone.refuses_open = absent_camera() if number < 24 else None
        with pytest.raises(Refused) if number < 24 else contextlib.nullcontext():
            room.record(made.config, lambda r: r.play(2))
    check_all_closed(made)
    assert len(bodies(made, Session)) == 1
    (gap,) = (b for b in bodies(made, Gap) if isinstance(b, Gap))
    (end,) = (b for b in bodies(made, GapEnd) if isinstance(b, GapEnd))
    assert (gap.since[0], end.until[0], end.resumed) == (BOOT_ID, bytes([24]) * 16, 1)
    low, high = end.length_ns
    assert low <= 24 * 60 * SECOND_NS - (gap.since[1] - START_NS) <= high < low + SECOND_NS
