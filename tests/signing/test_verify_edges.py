"""Rarer ways through the verifier: links, directories of mixed files, journal orders, a terminal, a closed pipe."""

from __future__ import annotations

import errno
import io
import os
import pty
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from liuhen import archive, cli, cose, keys, merkle, reader, trust
from liuhen.errors import FormatError
from liuhen.findings import Code, Severity
from liuhen.hashing import sha256
from liuhen.kinds import Checkpoint
from liuhen.registry import EndCause, KeyAct, Purpose
from liuhen.verify_gaps import Coverage, GapSummary
from tests.signing.archives import (
    SECOND_NS,
    Device,
    append,
    closed_archive,
    cut,
    endorsed,
    entries,
    flip,
    fragments_of,
    index_of,
    open_archive,
    put_entries,
    signer,
    trust_of,
)
from tests.signing.checking import TRUST, assert_untouched, check, codes
from tests.signing.test_verify_findings import amend, begun, ended, explained_gap

# --- nothing is followed out of an archive ---------------------------------------------------------------------------


def test_a1_a_session_directory_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    session = next((device.root / "sessions").iterdir())
    session.rename(tmp_path / "elsewhere")
    session.symlink_to(tmp_path / "elsewhere")
    report = check(device.root)
    assert codes(report) == {Code.EVIDENCE_NOT_A_FILE}
    assert len(report.findings) == 1 + 3


def test_a1_a_folder_of_evidence_that_is_a_file_is_named(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    shutil.rmtree(device.root / "records")
    (device.root / "records").touch()
    assert codes(check(device.root)) == {Code.EVIDENCE_NOT_A_FILE}


def test_a1_a_pipe_in_the_place_of_a_segment_is_named_and_does_not_block(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    file = next((device.root / "sessions").rglob("*.mp4"))
    file.unlink()
    os.mkfifo(file)
    assert Code.EVIDENCE_NOT_A_FILE in codes(check(device.root))


def test_a1_a_link_given_by_the_user_is_followed_once(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    (tmp_path / "link").symlink_to(device.root)
    assert_untouched(check(tmp_path / "link"))


def test_a1_local_state_of_the_device_is_not_read(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    for folder in ("device", "quarantine"):
        (device.root / folder).mkdir()
        (device.root / folder / "anything").touch()
    assert_untouched(check(device.root))


# --- without a journal -----------------------------------------------------------------------------------------------


def alone(device: Device, name: str = "alone") -> Path:
    """One session directory, away from its archive."""
    target = device.root.parent / name
    shutil.copytree(next((device.root / "sessions").iterdir()), target)
    return target


def test_s8_files_of_a_session_directory_must_continue_each_other(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    device.segment()
    device.last_r = bytes(32)
    device.segment()
    assert codes(check(alone(device))) == {Code.SEGMENT_CHAIN_BROKEN}


def test_s3_files_of_two_sessions_in_one_directory_are_told_apart(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    first, second = (device.root / "sessions").iterdir()
    target = tmp_path / "mixed"
    shutil.copytree(first, target)
    shutil.copy(second / "000002.mp4", target / "000002.mp4")
    assert Code.IDENTITY_WRONG in codes(check(target))


def test_s1_a_medium_that_fails_is_a_finding_of_a_bare_segment_too(tmp_path: Path) -> None:
    folder = alone(closed_archive(tmp_path / "archive"))

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    assert Code.UNREADABLE in codes(check(folder, on_read=fail))


def test_s2_a_bare_segment_without_any_good_seal_is_never_intact(tmp_path: Path) -> None:
    folder = alone(closed_archive(tmp_path / "archive"))
    file = folder / "000000.mp4"
    cut(file, fragments_of(file)[0][0] + 10)
    assert Code.UNSIGNED in codes(check(file))
    cut(file, fragments_of(folder / "000001.mp4")[0][0] - 100)
    assert Code.UNSIGNED in codes(check(file))


def test_an_unfinished_segment_standing_alone_is_an_authentic_prefix(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive")
    assert device.file is not None
    report = check(device.file.path)
    assert report.intact
    assert codes(report, Severity.WARNING) == {Code.UNFINISHED}


def test_an_archive_that_lost_its_journal_is_broken_but_its_seals_are_still_read(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    shutil.rmtree(device.root / "journal")
    report = check(device.root)
    assert codes(report) == {Code.JOURNAL_ABSENT}
    assert [session.segments for session in report.sessions] == [3, 3]


# --- the reader ------------------------------------------------------------------------------------------------------


def test_a_box_of_another_kind_is_refused_wherever_it_stands(tmp_path: Path) -> None:
    content = alone(closed_archive(tmp_path / "archive")) / "000000.mp4"
    whole = content.read_bytes()
    start, seal, _ = fragments_of(content)[0]
    for at in (4, 24, 112, 116, start + 4, start + 36, seal + 4, seal + 8):
        changed = bytearray(whole)
        changed[at] ^= 1
        last = list(reader.walk(reader.Cursor(io.BytesIO(bytes(changed)))))[-1]
        assert isinstance(last, reader.Tail), at
        assert not last.torn, at


def test_a_window_larger_than_the_buffer_is_refused() -> None:
    cursor = reader.Cursor(io.BytesIO(bytes(100)), buffer=bytearray(10))
    assert cursor.window(11) is None
    assert bytes(cursor.window(10) or b"") == bytes(10)
    assert cursor.take(95) == bytes(90)


def test_read_segment_takes_a_path_and_never_a_link(tmp_path: Path) -> None:
    file = alone(closed_archive(tmp_path / "archive")) / "000000.mp4"
    assert sum(isinstance(item, reader.SealedFragment) and item.valid for item in reader.read_segment(file)) == 4
    (tmp_path / "link.mp4").symlink_to(file)
    with pytest.raises(FormatError, match="symbolic link"):
        list(reader.read_segment(tmp_path / "link.mp4"))


# --- journal orders --------------------------------------------------------------------------------------------------


def test_j9_a_session_that_begins_while_another_is_open_is_reported(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    device.begin()
    assert codes(check(ended(device).path)) == {Code.SESSION_ORDER}


def test_j9_an_entry_of_a_session_that_is_closed_is_reported(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    session = device.session(segments=1)
    device.session_id = session
    device.mark()
    device.session_id = None
    assert codes(check(ended(device).path)) == {Code.SESSION_ORDER}


def test_j9_a_segment_of_no_session_is_reported(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    device.open_segment()
    device.fragment(1, end_cause=EndCause.STOPPED)
    device.append(device.statement(EndCause.STOPPED), session=False)
    assert Code.SESSION_ORDER in codes(check(ended(device).path))


def test_j10_a_segment_stated_twice_is_reported(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    device.open_segment()
    device.fragment(1, end_cause=EndCause.STOPPED)
    statement = device.statement(EndCause.STOPPED)
    device.append(statement)
    device.append(statement)
    device.segments = 1
    assert codes(check(ended(device).path)) == {Code.SEGMENT_ORDER}


def test_j11_a_gap_end_for_no_gap_and_a_wrong_length_are_reported(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    device.gap_end(1, since_ns=device.now_ns)
    gap = device.gap()
    device.pass_ns(SECOND_NS)
    device.gap_end(gap, since_ns=0)
    device.mark(refers_to=gap)
    assert codes(check(ended(device).path)) == {Code.GAP_ORDER}


def test_j11_an_amendment_narrows_a_gap(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    gap = explained_gap(device, stream=None, length_ns=SECOND_NS)
    body = replace(amend(device, gap, sha256(entries(device.root)[gap])), length_ns=(5, 7), cause=4)
    device.append(body)
    (told,) = check(ended(device).path).sessions[0].gaps
    assert (told.length_ns, told.cause) == ((5, 7), 4)


def test_j13_after_a_break_the_tree_goes_on_from_the_next_checkpoint(tmp_path: Path) -> None:
    """A checkpoint that was sound when it was made stays sound evidence; a later wrong one is still found."""
    device = closed_archive(tmp_path / "archive", sessions=3)
    kept = entries(device.root)
    del kept[3]
    put_entries(device.root, kept)
    assert Code.CHECKPOINT_WRONG not in codes(check(device.root))
    other = begun(tmp_path / "other")
    other.seq += 1
    other.peaks = merkle.Peaks(other.seq, tuple(bytes([n]) * 32 for n in range(other.seq.bit_count())))
    other.checkpoint()
    other.append(Checkpoint(size=other.seq, root=bytes(32), peaks=other.peaks.peaks()), session=False)
    assert Code.CHECKPOINT_WRONG in codes(check(other.root))


def test_j14_after_a_key_is_retired_no_entry_follows(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.key_entry(KeyAct.RETIRED, subject=cose.key_id(device.key.public_key))
    device.stop()
    assert Code.KEY_RETIRED_USED in codes(check(device.root))


def test_j14_a_new_key_of_small_order_is_refused(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")

    class Weak:
        public_key = bytes(31) + b"\x80"

        def sign(self, message: bytes) -> bytes:
            return device.key.sign(message)

    device.rotate_key(Weak(), roots=())  # type: ignore[arg-type]
    assert codes(check(device.root)) == {Code.KEY_ORDER}


def test_j7_a_run_that_claims_a_clean_stop_there_was_not_is_reported(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.clean = True
    device.start()
    assert codes(check(device.root)) == {Code.RUN_ORDER}


def test_s9_a_head_older_than_the_entries_kept_in_memory_is_still_looked_up(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    device.open_segment()
    device.fragment(2, end_cause=EndCause.STOPPED)
    for _ in range(1100):
        device.mark()
    device.state(EndCause.STOPPED)
    assert_untouched(check(ended(device).path))


def test_s10_gaps_that_overlap_are_counted_once() -> None:
    boot = bytes(16)
    gaps = [
        GapSummary(entry=n, stream=None, cause=1, since=(boot, a), until=(boot, b))
        for n, (a, b) in enumerate(((10, 40), (30, 50), (70, 90)))
    ]
    assert Coverage(gaps, ()).uncovered_ns((boot, 0), (boot, 100)) == 10 + 20 + 10
    assert Coverage((), ()).uncovered_ns((boot, 0), (boot, 100)) == 100


# --- trust -----------------------------------------------------------------------------------------------------------


def test_a3_k_of_n_counts_different_roots_once_and_production_needs_k_of_them() -> None:
    roots = tuple(signer(f"root {n}") for n in range(3))
    device, log_id = signer("device"), bytes(16)
    two = trust_of(roots, threshold=2)
    twice = endorsed(log_id, device, (roots[0], roots[0]))
    assert not trust.judge(twice, log_id=log_id, public_key=device.public_key, trust=two).endorsed
    mixed = twice[:1] + endorsed(log_id, device, (roots[1],), purpose=Purpose.DEMO)
    standing = trust.judge(mixed, log_id=log_id, public_key=device.public_key, trust=two)
    assert (standing.endorsed, standing.purpose) == (True, Purpose.DEMO)
    stranger = endorsed(log_id, device, (signer("stranger"),))
    assert trust.judge(stranger, log_id=log_id, public_key=device.public_key, trust=two).by == ()


def test_a3_an_endorsement_with_a_changed_byte_counts_for_nothing_and_is_named() -> None:
    device, log_id, root = signer("device"), bytes(16), signer("root 0")
    (good,) = endorsed(log_id, device, (root,))
    bad = good[:-1] + bytes([good[-1] ^ 1])
    standing = trust.judge((bad, b"junk"), log_id=log_id, public_key=device.public_key, trust=TRUST)
    assert standing.by == ()
    assert len(standing.refused) == 2
    assert not trust.claimed_demo((b"junk",), log_id=log_id, public_key=device.public_key)
    assert trust.judge((good,), log_id=log_id, public_key=device.public_key, trust=TRUST).endorsed


# --- the command -----------------------------------------------------------------------------------------------------


def test_a_progress_bar_is_drawn_on_a_terminal_and_cleared(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    command = [sys.executable, "-c", "import sys; from liuhen.cli import main; sys.exit(main())"]
    for path in (device.root, next((device.root / "sessions").rglob("*.mp4"))):
        ours, theirs = pty.openpty()
        ran = subprocess.run(
            [*command, str(path), "--integrity-only"], stdout=subprocess.PIPE, stderr=theirs, check=True, timeout=60
        )
        os.close(theirs)
        seen = os.read(ours, 65536).decode()
        os.close(ours)
        assert "校验中" in seen
        assert seen.endswith("\x1b[K")
        assert "校验中" not in ran.stdout.decode()


def test_a_reader_that_goes_away_ends_the_command_without_a_traceback(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", "import sys; from liuhen.cli import main; sys.exit(main())", str(device.root)]
    ran = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (1, b"")


def test_a_trust_file_beside_a_bare_segment_of_an_archive_is_inside_the_archive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device = closed_archive(tmp_path / "archive")
    file = next((device.root / "sessions").rglob("*.mp4"))
    for place, expected in ((device.root / "t", 2), (tmp_path / "t", 0)):
        place.write_bytes(keys.trust_bytes(trust_of((signer("root 0"),))))
        assert cli.main([str(file), "--trust", str(place)]) == expected
    capsys.readouterr()


def test_what_is_in_an_archive_is_told_without_reading_it(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    target = archive.locate(device.root)
    assert target is not None
    assert target.scope is archive.Scope.ARCHIVE
    expected = sum(p.stat().st_size for folder in ("journal", "sessions") for p in (device.root / folder).rglob("*.*"))
    assert archive.total_bytes(device.root) == expected
    flip(device.root / "journal" / "00000000.cbor", index_of(device.root, "run"))
    append(device.root / "journal" / "00000000.cbor", b"")
    assert archive.total_bytes(device.root) == expected
