"""What a device lost, set aside and told of it: believed as far as it goes, never read as intact (steps J13, J22)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from liuhen.findings import Code, Severity, Verdict
from liuhen.kinds import Checkpoint
from liuhen.registry import EventCode
from liuhen.report import Language, to_text
from tests.signing.after_rot import append_seen, rolled_back, rot_announced, set_aside
from tests.signing.archives import UTC_START_MS, Device, append, closed_archive, cut, entries, flip, open_archive
from tests.signing.checking import assert_untouched, check, codes, only, verdicts
from tests.signing.test_verify_findings import begun, ended

WITNESS = bytes(32)


def headline(report: object, language: Language = Language.EN) -> str:
    """The first line of the report, without the path."""
    return to_text(report, language, integrity_only=False).splitlines()[0]  # type: ignore[arg-type]


def test_after_announced_rot_the_archive_is_not_intact_and_everything_behind_it_is_believed(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.event(EventCode.SOUND_CLIPPING)
    device.event(EventCode.SOUND_CLIPPING)
    rot_announced(device, number=2)
    device.session(segments=2)
    device.stop()
    report = check(device.root)
    assert codes(report) == {Code.ENVELOPE_REFUSED, Code.CHAIN_BROKEN}
    assert report.vouched is not None
    assert verdicts(report) == {Verdict.AUTHENTIC: 8}
    assert "announced" in only(report, Code.LOSS_ANNOUNCED).what_en


def test_rot_in_the_entry_that_began_a_run_accuses_the_next_run_of_nothing(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.event(EventCode.SOUND_CLIPPING)
    rot_announced(device, number=1)
    ended(device)
    assert codes(check(device.root)) == {Code.ENVELOPE_REFUSED, Code.CHAIN_BROKEN}


def test_rot_that_nobody_announced_is_not_called_announced(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.start()
    ended(device)
    flip(device.root / "journal" / "00000000.cbor", len(entries(device.root)[0]) + 20)
    report = check(device.root)
    assert Code.ENVELOPE_REFUSED in codes(report)
    assert Code.LOSS_ANNOUNCED not in codes(report, Severity.NOTE)


def test_a_disk_set_back_leaves_an_announced_hole_and_the_rest_is_believed(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    held = device.seq
    rolled_back(device, keep=3)
    device.session(segments=1)
    device.stop()
    report = check(device.root)
    assert {Code.SEQ_GAP, Code.CHAIN_BROKEN} <= codes(report)
    assert only(report, Code.LOSS_ANNOUNCED).what_en.endswith(f"entries 3 … {held - 1}")
    assert verdicts(report)[Verdict.AUTHENTIC] >= 4
    assert Code.CHECKPOINT_WRONG not in codes(report)


def test_entries_cut_out_by_somebody_else_are_not_called_announced(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    held = entries(device.root)
    (device.root / "journal" / "00000000.cbor").write_bytes(b"".join(held[:5] + held[8:]))
    report = check(device.root)
    assert Code.SEQ_GAP in codes(report)
    assert Code.LOSS_ANNOUNCED not in codes(report, Severity.NOTE)


def test_where_only_the_device_could_not_read_the_archive_is_intact_all_the_same(tmp_path: Path) -> None:
    """Its checkpoints have the leaf of the empty string where this copy has the entry: both are told to be true."""
    device = rot_announced(begun(tmp_path / "archive"), damage=False)
    device.session(segments=1)
    device.stop()
    report = check(device.root)
    assert report.intact, codes(report)


def test_a_checkpoint_with_other_leaves_that_nobody_announced_is_wrong(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.peaks.append(bytes(32))
    device.peaks.size -= 1
    device.append(Checkpoint(size=device.seq, root=bytes(32), peaks=device.peaks.peaks()), session=False)
    assert Code.CHECKPOINT_WRONG in codes(check(device.root))


def test_bytes_set_aside_are_compared_with_what_the_journal_says_of_them(tmp_path: Path) -> None:
    device, aside = set_aside(begun(tmp_path / "archive"))
    ended(device)
    report = check(device.root)
    assert report.intact
    assert codes(report, Severity.NOTE) == set()

    aside.with_name("journal-00000000-77.bin").write_bytes(b"a torn entry nobody has named by hash")
    assert check(device.root).intact

    append(aside, b"more")
    report = check(device.root)
    assert codes(report) == {Code.QUARANTINE_ALTERED}

    aside.unlink()
    report = check(device.root)
    assert report.intact
    assert codes(report, Severity.NOTE) == {Code.QUARANTINE_ABSENT}


def test_a_part_that_an_earlier_recovery_left_beside_the_whole_does_no_harm(tmp_path: Path) -> None:
    device, aside = set_aside(begun(tmp_path / "archive"))
    ended(device)
    aside.with_name(aside.name.replace(".bin", "-2.bin")).write_bytes(b"torn by")
    assert check(device.root).intact


def test_a_link_in_quarantine_is_not_followed(tmp_path: Path) -> None:
    device, aside = set_aside(begun(tmp_path / "archive"))
    ended(device)
    outside = tmp_path / "outside"
    aside.rename(outside)
    aside.symlink_to(outside)
    report = check(device.root)
    assert codes(report, Severity.NOTE) == {Code.QUARANTINE_ABSENT}


@pytest.mark.parametrize(
    ("first", "second", "wrong"),
    [
        ((1, bytes(32)), (2, bytes(32)), False),
        ((2, bytes(32)), (2, bytes(32)), False),
        ((2, bytes(32)), (1, bytes(32)), True),
        ((2, bytes(32)), (2, b"\1" * 32), True),
        ((2, bytes(32)), None, True),
        (None, (1, bytes(32)), False),
        ((1, bytes(32)), (9, bytes(32)), True),
    ],
)
def test_the_newest_cosigned_checkpoint_never_falls_back_within_a_run(
    tmp_path: Path, first: tuple[int, bytes] | None, second: tuple[int, bytes] | None, wrong: bool
) -> None:
    device = begun(tmp_path / "archive")
    for seen in (first, second):
        append_seen(device, None if seen is None else (*seen, UTC_START_MS, WITNESS))
    assert codes(check(device.root)) == ({Code.SEEN_WRONG} if wrong else set())


def test_a_cosigned_root_that_is_not_the_journals_own_is_found(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    true_root, size = device.peaks.root(), device.seq
    device.checkpoint()
    append_seen(device, (size, true_root, UTC_START_MS, WITNESS))
    assert Code.SEEN_WRONG not in codes(check(device.root))
    append_seen(device, (size, bytes(32), UTC_START_MS, WITNESS))
    assert Code.SEEN_WRONG in codes(check(device.root))


def test_a_journal_cut_to_its_first_entry_says_in_the_first_line_how_far_it_reaches(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive", sessions=0)
    whole = check(device.root)
    assert headline(whole) == "Liuhen verification: VERIFIED"
    cut(device.root / "journal" / "00000000.cbor", len(entries(device.root)[0]))
    report = check(device.root)
    assert report.intact
    assert headline(report) == "Liuhen verification: VERIFIED (up to entry 0)"
    assert headline(report, Language.ZH) == "留痕校验报告：校验通过（截至第 0 号条目）"


def test_a_write_cut_inside_its_seal_and_filled_with_zeros_is_a_torn_tail(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive")
    assert device.file is not None
    path = device.file.path
    whole = path.read_bytes()
    before = check(device.root)
    device.media_bytes = 3000
    device.fragment()
    grown = path.read_bytes()
    for edge in range(-(-len(whole) // 512) * 512, len(grown), 512):
        path.write_bytes(grown[:edge] + bytes(len(grown) - edge) + bytes(1000))
        report = check(device.root)
        assert report.intact, (edge, codes(report))
        assert verdicts(report) == verdicts(before)
        assert Code.TORN_TAIL in codes(report, Severity.WARNING)


def test_zeros_inside_a_seal_with_something_behind_them_are_an_altered_seal(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive")
    assert device.file is not None
    path = device.file.path
    device.media_bytes = 3000
    device.fragment()
    grown = path.read_bytes()
    edge = len(grown) // 512 * 512
    device.fragment()
    behind = path.read_bytes()[len(grown) :]
    path.write_bytes(grown[:edge] + bytes(len(grown) - edge) + behind)
    assert not check(device.root).intact


def test_a_journal_whose_last_sectors_were_never_written_ends_with_a_torn_tail(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    path = device.root / "journal" / "00000000.cbor"
    whole = path.read_bytes()
    device.begin()
    grown = path.read_bytes()
    for edge in range(-(-len(whole) // 512) * 512, len(grown), 512):
        path.write_bytes(grown[:edge] + bytes(len(grown) - edge))
        report = check(device.root)
        assert report.intact, (edge, codes(report))
        assert codes(report, Severity.WARNING) == {Code.JOURNAL_TORN_TAIL}
        assert report.complete_up_to is not None
        assert report.complete_up_to.entry == device.seq - 2
    path.write_bytes(whole + bytes(700))
    assert check(device.root).intact


def test_zeros_before_a_whole_entry_are_no_torn_tail(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    path = device.root / "journal" / "00000000.cbor"
    whole = path.read_bytes()
    device.stop()
    path.write_bytes(whole + bytes(600) + path.read_bytes()[len(whole) :])
    assert codes(check(device.root)) >= {Code.ENVELOPE_REFUSED}


def test_the_archives_of_these_tests_are_sound_where_nothing_happened(tmp_path: Path) -> None:
    assert_untouched(check(closed_archive(tmp_path / "archive").root))
    device: Device = begun(tmp_path / "other")
    device.start(recovered=replace(device.found_nothing(), head=None))
    assert check(ended(device).path).intact
