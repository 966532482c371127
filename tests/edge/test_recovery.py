"""What a start makes of what a killed recorder left: nothing durable is lost, nothing is invented, and it verifies."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edge import journal
from edge.ports import HardwareFault, Stream
from liuhen import cbor, keys
from liuhen.entry import Entry
from liuhen.findings import Code, Verdict
from liuhen.kinds import Gap, GapEnd, Identity, Recovered, Run, Segment, Session, SessionEnd
from liuhen.reader import Initialisation, SealedFragment, read_segment
from liuhen.registry import EndCause, GapCause, RunCause
from liuhen.segment import FragmentFacts, Sealer, identity_box
from tests.edge.killed import Killed, acknowledged, run_all
from tests.edge.ports_room import (
    ALWAYS_TOLD,
    BLOCK_NS,
    BOOT_ID,
    FRAME_NS,
    START_NS,
    TOLD,
    Device,
    Refused,
    Room,
    RoomClock,
    device,
)

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
LATER_NS = START_NS + 60 * 10**9
EXPECTED = {Code.GAP_UNEXPLAINED}
"""An interruption nobody has explained yet: the one thing a report must say of an archive that is otherwise whole."""


def entries(made: Device) -> list[Entry]:
    return [entry for path in made.journal_files() for entry in journal.entries_of(path)]


def bodies(made: Device, kind: type) -> list[object]:
    return [entry.body for entry in entries(made) if isinstance(entry.body, kind)]


def record_again(folder: Path, *, clock: RoomClock | None = None, seconds: float = 1.2) -> Device:
    """The next start on the same spool; it recovers, then records a session of its own."""
    made = device(folder)
    Room(clock or RoomClock(now_ns=LATER_NS)).record(made.config, lambda room: room.play(seconds))
    return made


def sealed(path: Path) -> dict[int, str]:
    """Fragment number to running hash, for every seal that verifies."""
    return {item.index: item.r.hex() for item in read_segment(path) if isinstance(item, SealedFragment) and item.valid}


def check_nothing_durable_was_lost(made: Device, folder: Path) -> None:
    """Every fragment and entry the dead run acknowledged is still there, under the same number."""
    first_session = min(made.spool.glob("sessions/*"), key=lambda path: path.stat().st_ctime_ns, default=None)
    seqs = {entry.common.seq for entry in entries(made)}
    for line in acknowledged(folder):
        kind, number, fragment, r = line.split()
        if kind == "E":
            assert int(number) in seqs
        else:
            assert first_session is not None
            assert sealed(first_session / f"{int(number):06d}.mp4")[int(fragment)] == r


def check_all_closed(made: Device) -> None:
    """Every session has its end, every gap its bounds, every file its statement; the verifier finds nothing else."""
    found = entries(made)
    assert [e.common.seq for e in found] == list(range(len(found)))
    opened = [e.common.session_id for e in found if isinstance(e.body, Session)]
    assert opened == [e.common.session_id for e in found if isinstance(e.body, SessionEnd)]
    assert len(list(made.segments())) == len(bodies(made, Segment))
    assert [e.common.seq for e in found if isinstance(e.body, Gap)] == [
        e.body.gap_seq for e in found if isinstance(e.body, GapEnd)
    ]
    assert set(made.findings()) <= EXPECTED
    report = made.verify()
    assert report.intact
    assert report.vouched is not None


class PowerCut(Exception):
    """Ends a run without its closing entries; the disk keeps what was durable."""


def cut(_: Room) -> None:
    """An act of the room: the power goes."""
    raise PowerCut


# --- one power cut ---------------------------------------------------------------------------------------------------


def test_a_killed_recorder_is_closed_by_the_next_start_at_whatever_write_it_died(tmp_path: Path) -> None:
    folders = [tmp_path / f"at-{number:02d}" for number in range(1, 20)]
    plan = []
    for number, folder in enumerate(folders, start=1):
        folder.mkdir()
        plan.append(Killed(folder=str(folder), seconds=5.4, kill_after=number))
    assert run_all(plan) == list(range(1, 20))
    for folder in folders:
        made = record_again(folder)
        check_nothing_durable_was_lost(made, folder)
        check_all_closed(made)


def test_a_cut_mid_segment_leaves_recovered_entry_statement_and_one_gap_until_media_is_back(tmp_path: Path) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=12)])
    made = record_again(tmp_path)
    after = [e for e in entries(made) if e.common.run == 2]
    assert [e.kind for e in after if e.kind != "choice"][:5] == ["recovered", "run", "segment", "gap", "gap-end"]
    recovered, run, statement, gap = (e.body for e in after[:4])
    (gap_end,) = (b for b in bodies(made, GapEnd))
    assert isinstance(run, Run)
    assert run.cause == RunCause.AFTER_UNCLEAN_END
    assert isinstance(recovered, Recovered)
    assert recovered.cause == GapCause.DEVICE_FAULT, "the boot is the same: the program ended, not the power"
    assert isinstance(statement, Segment)
    assert recovered.last_durable is not None
    assert recovered.last_durable[2] == len(statement.fragments)
    assert statement.end_cause == EndCause.RECOVERED
    assert isinstance(gap, Gap)
    assert gap.since == (BOOT_ID, statement.span_ns[1])
    assert gap.evidence == (after[0].common.seq,)
    assert isinstance(gap_end, GapEnd)
    following = [b for b in bodies(made, Segment) if isinstance(b, Segment)][1]
    assert gap_end.until == (BOOT_ID, following.span_ns[0])
    assert gap_end.length_ns == (following.span_ns[0] - statement.span_ns[1],) * 2
    assert gap_end.resumed == 1


def test_the_session_goes_on_with_its_numbers_and_indices(tmp_path: Path) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=12)])
    made = record_again(tmp_path)
    assert [s.ordinal for s in bodies(made, Session) if isinstance(s, Session)] == [1]
    assert sorted({e.common.run for e in entries(made)}) == [1, 2]
    first, second = (b for b in bodies(made, Segment) if isinstance(b, Segment))
    assert (first.number, second.number) == (0, 1)
    assert second.previous == first.last
    assert second.frames[0] == sum(first.frames)
    assert second.samples[0] == sum(first.samples)
    (end,) = (b for b in bodies(made, SessionEnd) if isinstance(b, SessionEnd))
    assert (end.segments, end.gaps) == (2, 1)
    assert (end.frames, end.samples) == (sum(second.frames), sum(second.samples))


def test_media_and_gap_add_up_to_the_session(tmp_path: Path) -> None:
    """Within one boot the gap is exact to a frame and an audio packet, so nothing of the session is unaccounted for."""
    run_all([Killed(folder=str(tmp_path), seconds=9, kill_after=19)])
    made = record_again(tmp_path, seconds=4)
    statements = [b for b in bodies(made, Segment) if isinstance(b, Segment)]
    (gap_end,) = (b for b in bodies(made, GapEnd) if isinstance(b, GapEnd))
    media_ns = sum(s.span_ns[1] - s.span_ns[0] for s in statements)
    session_ns = statements[-1].span_ns[1] - statements[0].span_ns[0]
    assert media_ns + gap_end.length_ns[0] == pytest.approx(session_ns, abs=FRAME_NS + BLOCK_NS)


@pytest.mark.parametrize("hours", [0, 1])
def test_a_session_that_is_too_old_is_closed_with_its_bounds(tmp_path: Path, hours: int) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=12)])
    made = device(tmp_path)
    config = replace(made.config, session=replace(made.config.session, resume_hours=hours))
    Room(RoomClock(now_ns=START_NS + 3_700 * 10**9)).record(config, lambda room: room.play(2))
    check_all_closed(made)
    assert [s.ordinal for s in bodies(made, Session) if isinstance(s, Session)] == [1, 2]
    ends = [b.cause for b in bodies(made, SessionEnd) if isinstance(b, SessionEnd)]
    assert ends == [EndCause.RECOVERED, EndCause.STOPPED]
    (gap_end,) = (b for b in bodies(made, GapEnd) if isinstance(b, GapEnd))
    assert gap_end.resumed == 0


def test_a_session_that_promised_other_streams_is_closed(tmp_path: Path) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=12)])
    made, room = device(tmp_path), Room(RoomClock(now_ns=LATER_NS))
    room.microphone = None
    room.record(made.config, lambda r: r.play(2))
    check_all_closed(made)
    assert len(bodies(made, Session)) == 2


def test_what_the_sources_deliver_while_recovery_runs_is_recorded(tmp_path: Path) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=12)])
    made, room = device(tmp_path), Room(RoomClock(now_ns=LATER_NS))
    room.while_recovery_runs = lambda r: r.play_before_anything_is_written(3.0)
    room.record(made.config, lambda r: r.play(1.2))
    check_all_closed(made)
    (gap_end,) = (b for b in bodies(made, GapEnd) if isinstance(b, GapEnd))
    assert gap_end.until[1] - LATER_NS < 10**8, "the gap ends where capture began, not where recovery ended"
    recovered = next(e for e in entries(made) if isinstance(e.body, Recovered))
    assert recovered.common.clock[1] > LATER_NS + 3 * 10**9


def test_a_stream_that_was_absent_at_the_cut_is_told_when_it_is_back(tmp_path: Path) -> None:
    made = device(tmp_path)
    with pytest.raises(PowerCut):
        Room().record(made.config, lambda r: r.play(2.2), lambda r: r.lose(Stream.SOUND), lambda r: r.play(1.5), cut)
    check_all_closed(record_again(tmp_path, seconds=3))
    gaps = {e.common.seq: e.body.stream for e in entries(made) if isinstance(e.body, Gap)}
    ends = [b for b in bodies(made, GapEnd) if isinstance(b, GapEnd)]
    assert sorted(gaps.values(), key=str) == [Stream.SOUND, None]
    assert all(end.resumed for end in ends)
    both, sound = sorted(ends, key=lambda end: gaps[end.gap_seq] is not None)
    assert abs(sound.until[1] - both.until[1]) < 10**9


def test_after_a_reboot_the_gap_is_an_interval_from_both_clocks(tmp_path: Path) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=12)])
    before = entries(device(tmp_path))[-1].common.clock
    clock = RoomClock(now_ns=20 * 10**9, boot_id=bytes(16), error_ms=300)
    clock.utc_offset_ms = before[0] + 90_000 - 20_000
    made = record_again(tmp_path, clock=clock)
    check_all_closed(made)
    (gap_end,) = (b for b in bodies(made, GapEnd) if isinstance(b, GapEnd))
    assert gap_end.until[0] == bytes(16)
    low, high = gap_end.length_ns
    assert high - low == 2 * (300 + 5) * 1_000_000
    assert low < 90 * 10**9 - 2 * 10**9 < high + 5 * 10**9


def test_a_start_after_an_orderly_stop_recovers_nothing(tmp_path: Path) -> None:
    """The negative control: recovery happens because of the cut."""
    run_all([Killed(folder=str(tmp_path), seconds=2, kill_after=None)])
    made = record_again(tmp_path)
    check_all_closed(made)
    assert bodies(made, Recovered) == []
    assert [b.cause for b in bodies(made, Run) if isinstance(b, Run)] == [RunCause.FIRST, RunCause.AFTER_CLEAN_STOP]
    assert made.findings() == []


@pytest.mark.parametrize("entries_of_second_run", [6, 7, 8, 9])
def test_media_that_was_back_before_the_next_cut_ends_the_first_gap(tmp_path: Path, entries_of_second_run: int) -> None:
    """The second run dies between its first durable fragment and the entry that says so: two gaps, not one over all."""
    cuts = (
        Killed(folder=str(tmp_path), seconds=5, kill_after=12),
        Killed(folder=str(tmp_path), seconds=3, kill_after=entries_of_second_run, from_ns=LATER_NS),
    )
    run_all(list(cuts))
    made = record_again(tmp_path, clock=RoomClock(now_ns=LATER_NS + 60 * 10**9))
    check_all_closed(made)
    statements = [b for b in bodies(made, Segment) if isinstance(b, Segment)]
    ends = [b for b in bodies(made, GapEnd) if isinstance(b, GapEnd)]
    media_ns = sum(s.span_ns[1] - s.span_ns[0] for s in statements)
    session_ns = statements[-1].span_ns[1] - statements[0].span_ns[0]
    assert media_ns + sum(e.length_ns[0] for e in ends) == pytest.approx(session_ns, abs=2 * (FRAME_NS + BLOCK_NS))
    assert len(ends) == len(statements) - 1


def absent_camera() -> HardwareFault:
    return HardwareFault(device="camera", what="absent", remedy_zh="请接好摄像头", remedy_en="connect the camera")


def test_a_start_that_is_refused_leaves_the_session_open_for_the_next(tmp_path: Path) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=12)])
    made, room = device(tmp_path), Room(RoomClock(now_ns=LATER_NS))
    assert room.camera is not None
    assert room.microphone is not None
    room.camera.refuses_open = room.microphone.refuses_open = absent_camera()
    with pytest.raises(Refused):
        room.record(made.config, lambda r: r.play(1))
    assert {Code.SESSION_OPEN_END} <= set(made.findings()) <= {Code.SESSION_OPEN_END, Code.GAP_UNEXPLAINED}
    assert made.verify().intact
    record_again(tmp_path, clock=RoomClock(now_ns=LATER_NS + 30 * 10**9))
    check_all_closed(made)
    assert len(bodies(made, Session)) == len(bodies(made, Gap)) == len(bodies(made, Recovered)) == 1
    assert [r.cause for r in bodies(made, Run) if isinstance(r, Run)][2] == RunCause.AFTER_CLEAN_STOP
    (gap_end,) = (b for b in bodies(made, GapEnd) if isinstance(b, GapEnd))
    assert gap_end.until[1] == pytest.approx(LATER_NS + 30 * 10**9, abs=10**8)


# --- power cuts during the start and during recovery -----------------------------------------------------------------


@pytest.mark.parametrize("died_at", [1, 2, 3, 6, 9, 13])
def test_recovery_that_is_cut_short_itself_is_finished_by_the_next_start(tmp_path: Path, died_at: int) -> None:
    again = [1, 2, 3, 4, 5, 6]
    plan = []
    for second in again:
        folder = tmp_path / f"{second}"
        folder.mkdir()
        plan.append(Killed(folder=str(folder), seconds=5, kill_after=died_at))
        plan.append(Killed(folder=str(folder), seconds=2, kill_after=second, from_ns=LATER_NS))
    run_all(plan)
    for second in again:
        made = record_again(tmp_path / f"{second}", clock=RoomClock(now_ns=LATER_NS + 10**10))
        check_all_closed(made)


def test_many_cuts_in_a_row_leave_one_chain(tmp_path: Path) -> None:
    plan = [
        Killed(folder=str(tmp_path), seconds=3, kill_after=4 + number, from_ns=START_NS + number * 10**10)
        for number in range(8)
    ]
    run_all(plan)
    check_all_closed(record_again(tmp_path, clock=RoomClock(now_ns=START_NS + 10**12)))


# --- torn files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("torn", [1, 7, 40, 5000])
def test_a_torn_fragment_is_set_aside_whole_and_its_bytes_kept(tmp_path: Path, torn: int) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=12)])
    (path,) = device(tmp_path).segments()
    whole = path.read_bytes()
    fragment = next(item for item in read_segment(path) if isinstance(item, SealedFragment))
    start = fragment.end_offset - fragment.seal_box_size - fragment.size
    beginning = whole[start : start + torn]
    path.write_bytes(whole + beginning)
    made = record_again(tmp_path)
    check_all_closed(made)
    assert path.read_bytes() == whole
    (kept,) = (made.spool / "quarantine").iterdir()
    assert kept.read_bytes() == beginning


def test_a_quarantine_that_was_cut_short_never_costs_the_bytes(tmp_path: Path) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=12)])
    made = device(tmp_path)
    (path,) = made.segments()
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"\x00\x00\x00\x20prft and more")
    session = path.parent.name
    (made.spool / "quarantine" / f"{session}-000000-{size}.bin").write_bytes(b"\x00\x00")
    check_all_closed(record_again(tmp_path))
    kept = sorted((p.read_bytes() for p in (made.spool / "quarantine").iterdir()), key=len)
    assert kept == [b"\x00\x00", b"\x00\x00\x00\x20prft and more"]


@pytest.mark.parametrize("content", [b"", b"\x00\x00\x00\x1cftyp", bytes(4096)])
def test_a_file_without_one_seal_leaves_no_empty_segment(tmp_path: Path, content: bytes) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=5)])
    made = device(tmp_path)
    session = next(e.common.session_id for e in entries(made) if isinstance(e.body, Session))
    assert session is not None
    path = made.spool / "sessions" / session.hex() / "000000.mp4"
    path.write_bytes(content)
    made = record_again(tmp_path)
    check_all_closed(made)
    assert content not in (path.read_bytes(), b"") or path.read_bytes()[4:8] == b"ftyp", "a new file under its number"
    assert len(bodies(made, Segment)) == 1


def test_every_file_writer_was_ahead_with_gets_its_statement(tmp_path: Path) -> None:
    """WRITER may have closed one segment and begun the next before CONTROL stated the first."""
    made = device(tmp_path)
    with pytest.raises(PowerCut):
        Room().record(made.config, lambda r: r.play(9), lambda r: r.play_while_control_stalls(3), cut)
    assert len(made.segments()) == 2
    assert bodies(made, Segment) == []
    check_all_closed(record_again(tmp_path))


# --- what recovery must not do ---------------------------------------------------------------------------------------


def foreign_segment(path: Path, made: Device, *, private_key: object) -> None:
    """Turn a segment into one that fits its place in every word but is sealed by another key."""
    assert isinstance(private_key, keys.FileSigner)
    items = list(read_segment(path))
    head = next(item for item in items if isinstance(item, Initialisation))
    fragment = next(item for item in items if isinstance(item, SealedFragment))
    content = path.read_bytes()
    boxes = content[: head.size]
    identity = Identity(
        **{
            **{name: getattr(head.identity, name) for name in Identity.__dataclass_fields__ if name != "KIND"},
            "public_key": private_key.public_key,
        }
    )
    moov_end = len(boxes) - 24 - len(cbor.encode(head.identity.to_map()))
    start = boxes[:moov_end] + identity_box(identity)
    sealer = Sealer(identity, start, private_key)
    media = content[head.size : head.size + fragment.size]
    assert fragment.seal is not None
    facts = FragmentFacts(
        head=fragment.seal.head,
        frames=fragment.seal.frames,
        samples=fragment.seal.samples,
        span_ns=fragment.seal.span_ns,
        delay_ms=1,
        end_cause=EndCause.STOPPED,
    )
    path.write_bytes(start + media + sealer.seal(media, facts))


def test_recovery_states_no_segment_that_another_key_sealed(tmp_path: Path) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=12)])
    made = device(tmp_path)
    (path,) = made.segments()
    foreign_segment(path, made, private_key=keys.FileSigner(keys.generate()))
    planted = path.read_bytes()
    made = record_again(tmp_path)
    assert path.read_bytes() == planted
    assert len(bodies(made, Segment)) == 1, "only the new session's own"
    assert len(bodies(made, Session)) == 2, "and nothing goes on behind what must not be touched"
    assert not made.verify().intact


def test_a_genuine_segment_in_that_place_is_stated(tmp_path: Path) -> None:
    """The negative control: the same rewriting with the device's own key passes."""
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=12)])
    made = device(tmp_path)
    (path,) = made.segments()
    foreign_segment(path, made, private_key=keys.load_signer(made.config.key.file))
    made = record_again(tmp_path)
    assert len(bodies(made, Segment)) == 2


def flip(path: Path, offset: int) -> bytes:
    """Rot: one byte of a file, which then stands as it is; returns all of it."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 0xFF
    path.write_bytes(content)
    return bytes(content)


def forget_slots(made: Device) -> None:
    for path in (made.spool / "device").glob("slot-*"):
        path.unlink()


def check_goes_on_behind_the_hole(made: Device, *, missing: set[int]) -> None:
    """No seq is used twice, what is missing is announced, and everything that is there is believed."""
    found = [e for path in made.journal_files() for e in readable(path)]
    seqs = [e.common.seq for e in found]
    assert len(set(seqs)) == len(seqs)
    assert set(range(max(seqs) + 1)) - set(seqs) == missing
    report = made.verify()
    assert not report.intact, "bytes are missing, and no report may say otherwise"
    believed = {finding.code for finding in report.findings} - ALWAYS_TOLD - TOLD - {Code.LOSS_ANNOUNCED}
    assert believed <= {Code.SEQ_GAP, Code.ENVELOPE_REFUSED, Code.SEGMENT_UNSTATED, Code.GAP_UNEXPLAINED, *BROKEN_BY_IT}
    last = [e for e in found if isinstance(e.body, SessionEnd)][-1]
    assert last.body is not None
    assert any(isinstance(e.body, Recovered) and e.common.run == last.common.run for e in found)


BROKEN_BY_IT = {
    Code.CHAIN_BROKEN,
    Code.SEAL_HEAD_WRONG,
    Code.REFERENCE_WRONG,
    Code.HEAD_MISSING,
    Code.SESSION_OPEN_END,
    Code.SIGNATURE_BAD,
}


def readable(path: Path) -> list[Entry]:
    """Every whole entry of a file, whatever stands between."""
    content, found, at = path.read_bytes(), [], 0
    while (at := content.find(journal.ENVELOPE_START, at)) >= 0:
        entry = journal._entry_at(content, at, path)
        found += [entry] if entry is not None else []
        at += len(entry.envelope.encoded) if entry is not None else 1
    return found


def test_entries_that_a_seal_names_and_the_disk_lost_leave_a_hole_that_no_number_fills(tmp_path: Path) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=14, kill_after=40)])
    made = device(tmp_path)
    path = next(made.journal_files())
    before = entries(made)
    seals = [item.seal for item in read_segment(made.segments()[-1]) if isinstance(item, SealedFragment) and item.seal]
    named = seals[-1].head[0]
    path.write_bytes(path.read_bytes()[: sum(len(e.envelope.encoded) for e in before[:named])])
    forget_slots(made)
    head_file = made.config.key.file.with_name(f"{made.config.key.file.name}.head")
    head_file.unlink()
    record_again(tmp_path)
    check_goes_on_behind_the_hole(made, missing={named})


def test_rot_before_what_the_slot_reaches_to_hinders_no_start_and_is_kept(tmp_path: Path) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=12)])
    made = device(tmp_path)
    path = next(made.journal_files())
    content = flip(path, 3)
    record_again(tmp_path)
    assert path.read_bytes()[: len(content)] == content
    assert not made.verify().intact
    assert len(bodies_of(readable(path), Session)) == 1, "the session went on"


def bodies_of(found: list[Entry], kind: type) -> list[object]:
    return [e.body for e in found if isinstance(e.body, kind)]


@pytest.mark.parametrize("at", [3, 400, -1])
def test_rot_is_kept_named_and_recorded_on_behind(tmp_path: Path, at: int) -> None:
    """The first entry, one in the middle, the last: unreadable, and named by the memory beside the key."""
    run_all([Killed(folder=str(tmp_path), seconds=2, kill_after=None)])
    made = device(tmp_path)
    path = next(made.journal_files())
    content = flip(path, at)
    forget_slots(made)
    whole = {e.common.seq for e in readable(path)}
    record_again(tmp_path)
    assert path.read_bytes()[: len(content)] == content, "rot is never cut off"
    found = [e for p in made.journal_files() for e in readable(p)]
    (recovered,) = bodies_of(found, Recovered)
    assert isinstance(recovered, Recovered)
    assert len(recovered.rotten) == 1
    file, offset, size = recovered.rotten[0]
    assert (file, recovered.torn_journal_bytes) == (0, 0)
    assert offset <= at % len(content) < offset + size
    assert not made.verify().intact
    seqs = [e.common.seq for e in found]
    assert len(set(seqs)) == len(seqs)
    assert min(set(seqs) - whole) > max(whole | {max(e.common.seq for e in found if e.common.run == 1)})


def test_a_torn_tail_that_nothing_names_is_set_aside_and_its_number_used(tmp_path: Path) -> None:
    """The negative control: the same bytes beyond every named head are the beginning of a write nobody heard of."""
    run_all([Killed(folder=str(tmp_path), seconds=2, kill_after=None)])
    made = device(tmp_path)
    path = next(made.journal_files())
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:200])
    record_again(tmp_path)
    check_all_closed(made)
    (recovered,) = (b for b in bodies(made, Recovered) if isinstance(b, Recovered))
    assert (recovered.torn_journal_bytes, recovered.rotten) == (200, ())
    (kept,) = (made.spool / "quarantine").iterdir()
    assert kept.read_bytes() == whole[:200]


def test_rot_inside_an_open_segment_is_kept_with_everything_behind_it(tmp_path: Path) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=12)])
    made = device(tmp_path)
    (path,) = made.segments()
    second = [item for item in read_segment(path) if isinstance(item, SealedFragment)][1]
    content = flip(path, second.end_offset - second.seal_box_size - 20)
    record_again(tmp_path)
    assert path.read_bytes() == content, "no cut takes away a fragment that was acknowledged"
    assert len(bodies(made, Session)) == 2
    report = made.verify()
    assert not report.intact
    assert report.verdicts[Verdict.ALTERED] == 1
    assert report.verdicts[Verdict.AUTHENTIC] + report.verdicts[Verdict.AUTHENTIC_PREFIX] > 6


# --- the real recorder ------------------------------------------------------------------------------------------------


def sim(folder: Path, *more: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "edge",
        "sim",
        "--spool",
        str(folder / "spool"),
        "--keys",
        str(folder / "keys"),
        *more,
    ]


@pytest.mark.realtime
@pytest.mark.beside
def test_a_real_recorder_killed_mid_segment_is_recovered_by_the_next_and_leaves_nothing_running(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    recorder = subprocess.Popen(
        sim(tmp_path, "--acks", str(writing)), cwd=ROOT, pass_fds=[writing], stderr=subprocess.DEVNULL
    )
    os.close(writing)
    told = []
    with os.fdopen(reading, encoding="ascii") as acknowledgements:
        for line in acknowledgements:
            told.append(line.split())
            if line.startswith("F 0 5 "):
                recorder.kill()
    recorder.wait(10)
    again = subprocess.run(
        sim(tmp_path, "--seconds", "2"), cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert again.returncode == 0, again.stderr
    made = device(tmp_path)
    check_all_closed(made)
    first = next(e.common.session_id for e in entries(made) if isinstance(e.body, Session))
    assert first is not None
    kept = sealed(made.spool / "sessions" / first.hex() / "000000.mp4")
    for kind, _, number, *r in told:
        assert kind == "E" or kept[int(number)] == r[0]
