"""What a start makes of what a killed recorder left: nothing durable is lost, nothing is invented, and it verifies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge import journal
from edge.ports import Stream
from liuhen import cbor, keys
from liuhen.entry import Entry
from liuhen.findings import Code
from liuhen.kinds import Gap, GapEnd, Identity, Recovered, Run, Segment, Session, SessionEnd
from liuhen.reader import Initialisation, SealedFragment, read_segment
from liuhen.registry import EndCause, RunCause
from liuhen.segment import FragmentFacts, Sealer, identity_box
from tests.edge.killed import Killed, acknowledged, run_all
from tests.edge.ports_room import BOOT_ID, START_NS, Device, Refused, Room, RoomClock, device

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


def test_a_cut_mid_segment_leaves_statement_recovered_entry_gap_and_end(tmp_path: Path) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=12)])
    made = record_again(tmp_path)
    after = [e for e in entries(made) if e.common.run == 2]
    kinds = [e.kind for e in after]
    assert kinds[:7] == ["recovered", "run", "segment", "gap", "gap-end", "session-end", "checkpoint"]
    recovered, run, statement, gap, gap_end, session_end = (e.body for e in after[:6])
    assert isinstance(run, Run)
    assert run.cause == RunCause.AFTER_UNCLEAN_END
    assert isinstance(recovered, Recovered)
    assert isinstance(statement, Segment)
    assert recovered.last_durable is not None
    assert recovered.last_durable[2] == len(statement.fragments)
    assert statement.end_cause == EndCause.RECOVERED
    assert isinstance(gap, Gap)
    assert gap.since == (BOOT_ID, statement.span_ns[1])
    assert isinstance(gap_end, GapEnd)
    assert gap_end.until[1] == pytest.approx(LATER_NS, abs=10**6)
    assert gap_end.length_ns == (gap_end.until[1] - statement.span_ns[1],) * 2
    assert isinstance(session_end, SessionEnd)
    assert (session_end.cause, session_end.frames) == (EndCause.RECOVERED, sum(statement.frames))


def test_the_next_session_continues_ordinal_and_run(tmp_path: Path) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=12)])
    made = record_again(tmp_path)
    assert [s.ordinal for s in bodies(made, Session) if isinstance(s, Session)] == [1, 2]
    assert sorted({e.common.run for e in entries(made)}) == [1, 2]


def test_after_a_reboot_the_gap_is_an_interval_from_both_clocks(tmp_path: Path) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=12)])
    before = entries(device(tmp_path))[-1].common.clock
    clock = RoomClock(now_ns=20 * 10**9, boot_id=bytes(16), error_ms=300)
    clock.utc_offset_ms = before[0] + 90_000 - 20_000
    made = record_again(tmp_path, clock=clock)
    check_all_closed(made)
    (gap_end,) = [b for b in bodies(made, GapEnd) if isinstance(b, GapEnd)]
    low, high = gap_end.length_ns
    assert high - low == 2 * (300 + 5) * 1_000_000
    assert low < 90 * 10**9 - 2 * 10**9 < high + 5 * 10**9


def test_a_gap_that_was_open_at_the_cut_is_closed_too(tmp_path: Path) -> None:
    made = device(tmp_path)
    room = Room()
    with pytest.raises(PowerCut):
        room.record(made.config, lambda r: r.play(2.2), lambda r: r.lose(Stream.SOUND), lambda r: r.play(1.5), cut)
    check_all_closed(record_again(tmp_path))


def test_a_start_after_an_orderly_stop_recovers_nothing(tmp_path: Path) -> None:
    """The negative control: recovery happens because of the cut."""
    run_all([Killed(folder=str(tmp_path), seconds=2, kill_after=None)])
    made = record_again(tmp_path)
    check_all_closed(made)
    assert bodies(made, Recovered) == []
    assert [b.cause for b in bodies(made, Run) if isinstance(b, Run)] == [RunCause.FIRST, RunCause.AFTER_CLEAN_STOP]
    assert made.findings() == []


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
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=4)])
    made = device(tmp_path)
    session = next(e.common.session_id for e in entries(made) if isinstance(e.body, Session))
    assert session is not None
    path = made.spool / "sessions" / session.hex() / "000000.mp4"
    path.write_bytes(content)
    made = record_again(tmp_path)
    check_all_closed(made)
    assert not path.exists()


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
    assert not made.verify().intact


def test_a_genuine_segment_in_that_place_is_stated(tmp_path: Path) -> None:
    """The negative control: the same rewriting with the device's own key passes."""
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=12)])
    made = device(tmp_path)
    (path,) = made.segments()
    foreign_segment(path, made, private_key=keys.load_signer(made.config.key.file))
    made = record_again(tmp_path)
    assert len(bodies(made, Segment)) == 2


def test_a_journal_that_lost_entries_a_seal_names_is_not_continued(tmp_path: Path) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=14, kill_after=40)])
    made = device(tmp_path)
    path = next(made.journal_files())
    seals = [item.seal for item in read_segment(made.segments()[-1]) if isinstance(item, SealedFragment) and item.seal]
    kept_entries = entries(made)[: seals[-1].head[0]]
    path.write_bytes(path.read_bytes()[: sum(len(e.envelope.encoded) for e in kept_entries)])
    kept = path.read_bytes()
    with pytest.raises(Refused, match="names entry"):
        record_again(tmp_path)
    assert path.read_bytes() == kept


def test_rot_in_the_middle_of_the_journal_is_refused_and_kept(tmp_path: Path) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=5, kill_after=12)])
    path = next(device(tmp_path).journal_files())
    content = bytearray(path.read_bytes())
    content[3] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(Refused, match="before whole ones"):
        record_again(tmp_path)
    assert path.read_bytes() == bytes(content)


def test_a_changed_newest_entry_is_refused_and_kept(tmp_path: Path) -> None:
    run_all([Killed(folder=str(tmp_path), seconds=2, kill_after=None)])
    path = next(device(tmp_path).journal_files())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(Refused, match="not genuine"):
        record_again(tmp_path)
    assert path.read_bytes() == bytes(content)


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
