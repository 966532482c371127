"""What WRITER leaves on the disk is what FORMAT.md says, and nobody hears of it before it is durable."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge import journal
from edge.ports import Stream
from liuhen import cose
from liuhen.boxes import IDENTITY_USERTYPE, SEAL_USERTYPE
from liuhen.entry import Entry
from liuhen.kinds import Heartbeat, Segment, SessionEnd
from liuhen.reader import Initialisation, SealedFragment, Tail, read_segment
from liuhen.registry import EndCause
from tests.edge.boxes import boxes
from tests.edge.ports_room import Device, Room, device
from tests.edge.small_disk import record_on_full_disk
from tests.required import unavailable

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]


def entries(made: Device) -> list[Entry]:
    return [entry for path in made.journal_files() for entry in journal.entries_of(path)]


@pytest.fixture
def recorded(tmp_path: Path) -> tuple[Device, Room]:
    """Twenty-four seconds: two cuts by length, one by a lost sound."""
    made, room = device(tmp_path), Room()
    ended = room.record(made.config, lambda r: r.play(22), lambda r: r.lose(Stream.SOUND), lambda r: r.play(2))
    assert ended.clean
    return made, room


# --- bytes ------------------------------------------------------------------------------------------------------------


def test_a_file_is_exactly_the_boxes_of_the_format(recorded: tuple[Device, Room]) -> None:
    made, _ = recorded
    for path in made.segments():
        kinds = []
        for kind, content, _ in boxes(path.read_bytes()):
            usertype = {IDENTITY_USERTYPE: b"identity", SEAL_USERTYPE: b"seal"}
            kinds.append(usertype[content[:16]] if kind == b"uuid" else kind)
        assert kinds[:3] == [b"ftyp", b"moov", b"identity"]
        words = b" ".join(kinds[3:]).decode()
        assert re.fullmatch(r"prft moof mdat seal( prft moof mdat seal)*( seal)?", words)


def test_every_statement_fits_its_file(recorded: tuple[Device, Room]) -> None:
    made, _ = recorded
    statements = [e.body for e in entries(made) if isinstance(e.body, Segment)]
    assert len(statements) == len(made.segments()) == 4
    for path, statement in zip(made.segments(), statements, strict=True):
        items = list(read_segment(path))
        head, fragments = items[0], [item for item in items if isinstance(item, SealedFragment)]
        assert isinstance(head, Initialisation)
        assert not any(isinstance(item, Tail) for item in items)
        assert all(fragment.valid for fragment in fragments)
        assert statement.initial == head.r0
        assert statement.size == path.stat().st_size
        assert statement.file_hash == hashlib.sha256(path.read_bytes()).digest()
        assert statement.fragments == tuple((f.size, f.h, f.seal_box_size, f.seal_hash) for f in fragments)
        assert statement.last == fragments[-1].r


def test_segments_hold_everything_once_and_hang_together(recorded: tuple[Device, Room]) -> None:
    made, room = recorded
    statements = [e.body for e in entries(made) if isinstance(e.body, Segment)]
    assert [s.number for s in statements] == [0, 1, 2, 3]
    assert [s.previous for s in statements] == [bytes(32)] + [s.last for s in statements[:-1]]
    assert [s.end_cause for s in statements] == [
        EndCause.ROTATED,
        EndCause.ROTATED,
        EndCause.STREAMS_CHANGED,
        EndCause.STOPPED,
    ]
    assert room.camera is not None
    assert room.microphone is not None
    (end,) = [e.body for e in entries(made) if isinstance(e.body, SessionEnd)]
    assert (end.frames, end.samples) == (room.camera.sent, room.microphone.sent * 1200)
    assert (sum(statements[-1].frames), sum(statements[-1].samples)) == (end.frames, end.samples)


def test_the_verifier_finds_nothing_but_the_loss_we_made(recorded: tuple[Device, Room]) -> None:
    made, _ = recorded
    assert made.findings() == ["gap-unexplained"]
    assert made.verify().intact


def test_one_changed_byte_is_found(recorded: tuple[Device, Room]) -> None:
    """The negative control of the test above."""
    made, _ = recorded
    path = made.segments()[1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert not made.verify().intact


def test_a_cut_is_asked_for_once_and_punctual(tmp_path: Path) -> None:
    """Nothing but what is asked for: this encoder makes no keyframe by itself."""
    made, room = device(tmp_path), Room()
    assert room.camera is not None
    room.camera.gop = 10**6
    room.record(made.config, lambda r: r.play(22), lambda r: r.lose(Stream.SOUND), lambda r: r.play(2))
    assert room.camera.keyframes_asked_for == 3
    statements = [e.body for e in entries(made) if isinstance(e.body, Segment)]
    assert [s.span_ns[1] - s.span_ns[0] for s in statements[:2]] == [pytest.approx(10 * 10**9, abs=10**8)] * 2


# --- what is named, and when -----------------------------------------------------------------------------------------


def test_seals_and_heartbeats_name_only_what_was_durable_before_them(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    room.record(made.config, lambda r: r.play(25))
    order = {what: place for place, what in enumerate(room.onlooker.durable)}
    for path in made.segments():
        number = int(path.stem)
        for item in read_segment(path):
            if isinstance(item, SealedFragment) and item.seal is not None:
                assert order["E", item.seal.head[0], 0] < order["F", number, item.index]
    beats = [e for e in entries(made) if isinstance(e.body, Heartbeat)]
    assert len(beats) == 2
    for beat in beats:
        assert isinstance(beat.body, Heartbeat)
        assert beat.body.position is not None
        segment, fragment, r = beat.body.position
        assert room.onlooker.hashes[segment, fragment] == r
        assert order["F", segment, fragment] < order["E", beat.common.seq, 0]


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The system calls of one short recorded session, in order."""
    folder = tmp_path_factory.mktemp("traced")
    log = folder / "trace"
    script = "import json, sys; from tests.edge.killed import Killed, _run; _run(Killed(**json.loads(sys.argv[1])))"
    plan = f'{{"folder": "{folder}", "seconds": 3.2, "kill_after": null}}'
    calls = "trace=openat,write,fdatasync,fsync,rename,unlink"
    command: list[str | Path] = [
        "strace",
        "-f",
        "-y",
        "-s",
        "48",
        "-e",
        calls,
        "-o",
        log,
        sys.executable,
        "-c",
        script,
        plan,
    ]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=90)
    except FileNotFoundError:
        unavailable("strace")
    assert done.returncode == 0, done.stderr
    return log.read_text(errors="replace").splitlines()


ACKNOWLEDGED = re.compile(r'write\(\d+<[^>]*/acknowledgements>, "([EF]) (\d+) ')
WRITTEN = re.compile(r"write\(\d+<([^>]*/(?:sessions|journal)/[^>]*)>,")
FLUSHED = re.compile(r"fdatasync\(\d+<([^>]*)>\) = 0")
CREATED = re.compile(r'openat\(.*"([^"]*/(?:sessions|journal)/[^"]*)".*O_CREAT\|O_EXCL')
DIRECTORY_FLUSHED = re.compile(r"fsync\(\d+<([^>]*)>\) = 0")


def too_early(lines: list[str]) -> list[str]:
    """Acknowledgements made while something written was not yet flushed, or a new name not yet durable."""
    unflushed: set[str] = set()
    unnamed: set[str] = set()
    early = []
    for line in lines:
        if found := CREATED.search(line):
            unnamed.add(str(Path(found[1]).parent))
        elif found := WRITTEN.search(line):
            unflushed.add(found[1])
        elif found := FLUSHED.search(line):
            unflushed.discard(found[1])
        elif found := DIRECTORY_FLUSHED.search(line):
            unnamed.discard(found[1])
        elif ACKNOWLEDGED.search(line) and (unflushed or unnamed):
            early.append(line)
    return early


def test_nothing_is_acknowledged_before_its_flush_returned(trace: list[str]) -> None:
    acknowledged = [found[1] for line in trace if (found := ACKNOWLEDGED.search(line))]
    assert acknowledged.count("F") >= 6
    assert acknowledged.count("E") >= 6
    assert too_early(trace) == []


def test_the_trace_check_sees_a_missing_flush(trace: list[str]) -> None:
    """Negative control: without the flushes of segment files every fragment would be acknowledged too early."""
    without = [line for line in trace if not ("fdatasync" in line and ".mp4" in line)]
    fragments = [line for line in trace if (found := ACKNOWLEDGED.search(line)) and found[1] == "F"]
    assert set(fragments) <= set(too_early(without))
    assert too_early([line for line in trace if "fsync(" not in line or "sessions" not in line])


def test_a_fragment_and_its_seal_are_one_write_and_one_flush(trace: list[str]) -> None:
    media = [line for line in trace if ".mp4>" in line and ("write(" in line or "fdatasync(" in line)]
    assert [("write" if "write(" in line else "flush") for line in media] == ["write", "flush"] * (len(media) // 2)
    assert len(media) // 2 == len([1 for line in trace if (f := ACKNOWLEDGED.search(line)) and f[1] == "F"])


# --- when it cannot write --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leave_bytes", [0, 5000, 30_000])
def test_a_full_disk_ends_the_session_with_its_reason_on_the_disk(tmp_path: Path, leave_bytes: int) -> None:
    if os.system("unshare --map-root-user --mount true 2>/dev/null") != 0:  # noqa: S605 - a fixed word
        unavailable("a mount namespace (unshare)")
    ended = record_on_full_disk(tmp_path, leave_bytes=leave_bytes)
    assert (ended["cause"], ended["clean"]) == ("STORAGE", False)
    assert "存储空间不足" in str(ended["words"])
    made = device(tmp_path)
    kinds = [e.kind for e in entries(made)]
    assert kinds[-3:] == ["session-end", "checkpoint", "stop"]
    assert kinds.count("gap") == kinds.count("gap-end") == 1
    assert not (made.spool / "device/journal-reserve").exists()
    (gap,) = [e.body for e in entries(made) if e.kind == "gap"]
    assert getattr(gap, "cause", None) == 4  # storage full
    assert made.findings() == ["gap-unexplained"]
    report = made.verify()
    assert report.intact
    assert report.sessions[0].frames > 0
    assert report.sessions[0].segments == len(made.segments()) == 1


def test_a_mistake_of_this_program_in_writer_ends_the_session_and_is_told(tmp_path: Path) -> None:
    """A packet no encoder should make is a bug somewhere: a session must not go on looking alive without its writer."""
    made, room = device(tmp_path), Room()
    ended = room.record(made.config, lambda r: r.play(2), lambda r: r.deliver_rubbish())
    assert (ended.cause, ended.clean) == (EndCause.DEVICE_FAULT, False)
    assert "ValueError" in ended.words_en
    assert [e.kind for e in entries(made)][-7:] == [
        "segment",
        "gap-end",
        "duty",
        "duty",
        "session-end",
        "checkpoint",
        "stop",
    ]
    assert made.findings() == ["gap-unexplained"]
    assert made.verify().intact


def test_each_file_carries_the_endorsed_key(recorded: tuple[Device, Room]) -> None:
    made, _ = recorded
    kid = entries(made)[0].envelope.kid
    for path in made.segments():
        head = next(iter(read_segment(path)))
        assert isinstance(head, Initialisation)
        assert cose.key_id(head.identity.public_key) == kid
        assert len(head.identity.endorsements) == 1
