"""How far a verdict reaches, what it names, and what it costs: tails nobody sealed, giants, lost journals, names."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from liuhen import archive, cbor, cli, cose, keys, reader
from liuhen.archive import JOURNAL_FILE_LIMIT_BYTES
from liuhen.boxes import IDENTITY_USERTYPE, SEAL_BOX_LIMIT_BYTES, SEGMENT_LIMIT_BYTES, uuid_box
from liuhen.findings import MOST_LETTERS, Code, Findings, Severity
from liuhen.findings_zh import detail_zh
from liuhen.hashing import sha256
from liuhen.registry import EndCause
from liuhen.report import Language, Report, to_json, to_text
from tests.signing.archives import (
    UTC_START_MS,
    Device,
    append,
    box,
    closed_archive,
    cut,
    endorsed,
    fragments_of,
    open_archive,
    segments,
    signer,
    trust_of,
)
from tests.signing.checking import TRUST, assert_untouched, check, codes, only
from tests.signing.test_verify_findings import begun, ended

SECONDS_FOR_A_GIANT = 10


def headline(report: Report, language: Language = Language.ZH, *, integrity_only: bool = False) -> str:
    lines = to_text(report, language, integrity_only=integrity_only).splitlines()
    return next(line for line in lines if line.startswith(("留痕校验报告", "Liuhen verification")))


def intact_line(report: Report) -> str:
    text = to_text(report, Language.EN, integrity_only=False)
    return next(line for line in text.splitlines() if "1. Intact" in line)


def open_file(device: Device) -> Path:
    assert device.file is not None
    return device.file.path


def bare(path: Path, name: str = "bare.mp4") -> Path:
    """A copy of a segment outside every archive."""
    target = path.parents[3] / name
    shutil.copy(path, target)
    return target


# --- bytes nobody sealed ---------------------------------------------------------------------------------------------


def test_whole_fragments_behind_the_last_seal_are_told_and_the_headline_ends_at_the_seal(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive")
    forged = device.fragment_bytes()
    append(open_file(device), forged)
    report = check(device.root)
    assert report.intact
    assert only(report, Code.UNSEALED_MEDIA).severity is Severity.WARNING
    assert report.unsealed_bytes == len(forged)
    assert headline(report) == "留痕校验报告：校验通过（截至最后一个封签）"
    assert intact_line(report) == f"  1. Intact: up to the last seal; {len(forged)} bytes after it are not believed."
    assert to_json(report)["unsealed_bytes"] == len(forged)


def test_a_file_that_ends_at_its_last_seal_has_nothing_unsealed(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive")
    report = check(device.root)
    assert not {Code.UNSEALED_MEDIA, Code.TORN_TAIL} & codes(report, Severity.WARNING)
    assert headline(report) == f"留痕校验报告：校验通过（截至第 {device.seq - 1} 号条目）"
    assert intact_line(report) == f"  1. Intact: yes, up to entry {device.seq - 1}."


def test_a_tail_without_any_media_is_torn_but_not_playable(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive")
    append(open_file(device), device.fragment_bytes()[:60])
    report = check(device.root)
    assert {Code.TORN_TAIL, Code.UNSEALED_MEDIA} & codes(report, Severity.WARNING) == {Code.TORN_TAIL}


def test_media_before_the_first_seal_is_told_too(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    file = device.open_segment()
    report = check(device.root)
    assert report.unsealed_bytes == file.stat().st_size
    assert Code.UNSEALED_MEDIA not in codes(report, Severity.WARNING)
    append(file, device.fragment_bytes())
    report = check(device.root)
    assert report.intact
    assert {Code.NOTHING_SEALED, Code.UNSEALED_MEDIA} <= codes(report, Severity.WARNING)
    assert report.unsealed_bytes == file.stat().st_size


def test_media_behind_a_final_seal_is_never_a_torn_write(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    file = bare(next((device.root / "sessions").rglob("*.mp4")))
    append(file, device.fragment_bytes())
    assert codes(check(file)) == {Code.EXTRA_BYTES}


def test_a_bare_segment_cut_between_fragments_says_up_to_which_it_reaches(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    file = bare(next((device.root / "sessions").rglob("*.mp4")))
    assert headline(check(file)) == "留痕校验报告：校验通过"
    cut(file, fragments_of(file)[1][2])
    report = check(file)
    assert headline(report) == "留痕校验报告：校验通过（仅至第 2 片）"
    assert headline(report, Language.EN) == "Liuhen verification: VERIFIED (only up to fragment 2)"
    assert to_json(report)["upto_fragment"] == [report.segment, 2]


def test_a_torn_journal_is_intact_up_to_its_last_whole_entry(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    journal = device.root / "journal" / "00000000.cbor"
    cut(journal, journal.stat().st_size - 5)
    report = check(device.root)
    assert report.intact
    assert "截至最后一个完整条目" in headline(report)
    assert report.torn_journal_bytes > 0
    assert "not believed" in intact_line(report)


def test_zeros_are_a_torn_tail_only_if_nothing_else_follows(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive")
    file = open_file(device)
    append(file, bytes(4096))
    assert check(device.root).intact
    append(file, b"x")
    assert codes(check(device.root)) == {Code.EXTRA_BYTES}


def test_zeros_in_the_place_of_the_seal_are_torn_and_other_bytes_behind_them_are_not(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive")
    file = open_file(device)
    append(file, device.fragment_bytes() + bytes(400))
    assert Code.UNSEALED_MEDIA in codes(check(device.root), Severity.WARNING)
    append(file, box(b"mdat", b"x"))
    assert codes(check(device.root)) == {Code.EXTRA_BYTES}


# --- giants and names cost nothing -----------------------------------------------------------------------------------


def test_a_sparse_giant_is_named_and_read_only_to_the_limit(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive")
    for path in (open_file(device), segments(device.root, device.session_id or b"")[0]):
        os.truncate(path, 2**42)
    read: list[int] = []
    started = time.monotonic()
    report = check(device.root, on_read=read.append)
    assert time.monotonic() - started < SECONDS_FOR_A_GIANT
    assert sum(finding.code is Code.TOO_LARGE for finding in report.findings) == 2
    assert sum(read) < 3 * SEGMENT_LIMIT_BYTES
    assert Code.TOO_LARGE in codes(check(open_file(device)))


def test_a_sparse_journal_is_named_and_read_only_to_the_limit(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1, segments=1)
    assert_untouched(check(device.root))
    os.truncate(device.root / "journal" / "00000000.cbor", 2**42)
    read: list[int] = []
    report = check(device.root, on_read=read.append)
    assert Code.TOO_LARGE in codes(report)
    assert sum(read) < 2 * JOURNAL_FILE_LIMIT_BYTES + SEGMENT_LIMIT_BYTES


def test_an_opened_file_ends_at_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    for limit, whole in ((4, b"0123"), (10, b"0123456789")):
        with archive.opened(path, root=None, limit_bytes=limit) as file:
            buffer = bytearray(20)
            assert buffer[: file.readinto(buffer)] == whole
            assert file.read(1) == b""
            file.seek(2)
            assert file.read() == whole[2:]
            assert file.exceeds == (limit < 10)


def test_one_high_number_in_a_session_directory_is_one_finding(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1)
    folder = tmp_path / "alone"
    shutil.copytree(next((device.root / "sessions").iterdir()), folder)
    assert_untouched(check(folder))
    (folder / "000002.mp4").rename(folder / "999999.mp4")
    report = check(folder)
    missing = only(report, Code.SEGMENT_MISSING)
    assert (missing.place.segment, "2 … 999998" in missing.what_en) == (2, True)


def test_details_written_by_whoever_made_the_files_neither_nest_without_end_nor_fill_the_report(
    tmp_path: Path,
) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1, segments=1)
    file = bare(next((device.root / "sessions").rglob("*.mp4")))
    content = file.read_bytes()
    at = content.index(b"uuid" + IDENTITY_USERTYPE) - 4
    size = int.from_bytes(content[at : at + 4], "big")
    mad = uuid_box(IDENTITY_USERTYPE, cbor.encode({0: ", " * 4000}))
    file.write_bytes(content[:at] + mad + content[at + size :])
    assert Code.UNSIGNED in codes(check(file))
    for nested in (", " * 5000, "a: " * 5000, "x (1 bytes)" * 500, "1 (" * 3000 + ")" * 3000):
        assert detail_zh(nested)
        findings = Findings()
        findings.add(Code.FOREIGN_FILE, en=nested)
        assert len(findings.kept[0].what_zh) < MOST_LETTERS + 50
    assert detail_zh("number, previous (12 bytes)") == "编号、前一段（12 字节）"


def test_names_of_foreign_files_are_told_as_they_are(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    (device.root / "a symbolic link").touch()
    assert only(check(device.root), Code.FOREIGN_FILE).what_zh.endswith("：a symbolic link")
    assert detail_zh("a symbolic link") == "是符号链接"


# --- one session, and its journal ------------------------------------------------------------------------------------


def lose(journal: Path) -> None:
    shutil.rmtree(journal)


def empty(journal: Path) -> None:
    for file in journal.iterdir():
        file.unlink()


def pipe(journal: Path) -> None:
    empty(journal)
    os.mkfifo(journal / "00000000.cbor")


def link(journal: Path) -> None:
    journal.rename(journal.parents[1] / "elsewhere")
    journal.symlink_to(journal.parents[1] / "elsewhere")


@pytest.mark.parametrize("harm", [lose, empty, pipe, link], ids=lambda harm: harm.__name__)
def test_a_session_of_an_archive_without_journal_is_broken(tmp_path: Path, harm: object) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1)
    session = next((device.root / "sessions").iterdir())
    assert_untouched(check(session))
    assert callable(harm)
    harm(device.root / "journal")
    report = check(session)
    assert Code.JOURNAL_ABSENT in codes(report)
    assert (Code.EVIDENCE_NOT_A_FILE in codes(report)) == (harm in (pipe, link))


def test_a_session_whose_journal_goes_on_behind_a_link_is_broken(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    session = device.session()
    device.rotate_journal()
    ended(device)
    last = device.root / "journal" / "00000001.cbor"
    last.rename(tmp_path / "elsewhere")
    last.symlink_to(tmp_path / "elsewhere")
    assert Code.EVIDENCE_NOT_A_FILE in codes(check(archive.session_path(device.root, session)))


def test_a_link_in_the_place_of_the_last_segment_is_named_whatever_the_scope(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1)
    folder = tmp_path / "alone"
    shutil.copytree(next((device.root / "sessions").iterdir()), folder)
    (folder / "notes.txt").touch()
    assert codes(check(folder)) == set()
    assert only(check(folder), Code.FOREIGN_FILE).what_en.endswith(": notes.txt")
    (folder / "000002.mp4").rename(tmp_path / "elsewhere")
    (folder / "000002.mp4").symlink_to(tmp_path / "elsewhere")
    assert codes(check(folder)) == {Code.EVIDENCE_NOT_A_FILE}


def test_a_stated_session_whose_directory_is_gone_is_missing_and_an_unknown_one_is_no_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1)
    name = next((device.root / "sessions").iterdir()).name
    asked = [str(device.root), "--session", name, "--integrity-only"]
    assert cli.main(asked) == 0
    shutil.rmtree(device.root / "sessions" / name)
    capsys.readouterr()
    assert cli.main([*asked, "--json"]) == 1
    assert Code.SEGMENT_MISSING in {finding["code"] for finding in json.loads(capsys.readouterr().out)["findings"]}
    shutil.rmtree(device.root)
    closed_archive(tmp_path / "archive", sessions=1, seed=2)
    assert cli.main(asked) == 2


def test_a_link_to_itself_is_no_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1)
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    for arguments in ([loop], [device.root, "--trust", loop]):
        assert cli.main([str(argument) for argument in arguments]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert "symbolic links" in err


# --- the last seal of a stated file ----------------------------------------------------------------------------------


def stated(root: Path, **changed: object) -> Device:
    """A session whose only file was sealed with another identity than the one it carries, or with another key."""
    device = begun(root)
    device.begin()
    device.open_segment()
    assert device.file is not None
    sealer = device.file.sealer
    if "key" in changed:
        sealer._signer = signer("somebody else")
    else:
        sealer._identity = replace(device.file.identity, **changed)  # type: ignore[arg-type]
    device.fragment(2, end_cause=EndCause.STOPPED)
    device.state(EndCause.STOPPED)
    ended(device)
    return device


@pytest.mark.parametrize(
    "changed", [{"key": True}, {"session_id": bytes(16)}, {"segment": 7}, {"log_id": bytes(16)}, {"run": 9}], ids=str
)
def test_the_last_seal_of_a_stated_file_is_verified_in_full(tmp_path: Path, changed: dict[str, object]) -> None:
    assert codes(check(stated(tmp_path / "archive", **changed).root)) == {Code.SEAL_WRONG}


def test_the_last_seal_of_a_sound_stated_file_is_taken(tmp_path: Path) -> None:
    assert_untouched(check(stated(tmp_path / "archive", run=1).root))


# --- what the report names -------------------------------------------------------------------------------------------


def test_reports_under_namesakes_differ_by_fingerprints(tmp_path: Path) -> None:
    """An attacker may choose organisation, label and even the device's seed; not the keys."""
    texts = []
    for root in (signer("root 0"), signer("attacker")):
        device = begun(tmp_path / root.public_key.hex()[:8], seed=3, roots=(root,))
        device.session(segments=1)
        ended(device)
        report = replace(check(device.root, trust_of((root,))), path="")
        texts.append(to_text(report, Language.EN, integrity_only=False))
        plain = texts[-1].replace(" ", "")
        assert cose.key_id(root.public_key).hex() in plain
        assert cose.key_id(device.key.public_key).hex() in plain
        assert device.log_id.hex() in plain
        assert to_json(report)["log_id"] == device.log_id.hex()
    assert texts[0] != texts[1]


def test_the_trust_file_is_named_by_its_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    device = closed_archive(tmp_path / "archive")
    (tmp_path / "t").write_bytes(keys.trust_bytes(TRUST))
    assert cli.main([str(device.root), "--trust", str(tmp_path / "t"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["trust"]["sha256"] == sha256((tmp_path / "t").read_bytes()).hex()
    (key,) = told["device_keys"]
    assert key["fingerprint"] == cose.key_id(device.key.public_key).hex()
    assert key["endorsed_by"] == [{"label": "root 0", "fingerprint": cose.key_id(signer("root 0").public_key).hex()}]


def test_a_root_without_a_name_and_two_of_one_name_are_told_by_fingerprint(tmp_path: Path) -> None:
    roots = (signer("root 0"), signer("root 1"))
    device = begun(tmp_path / "archive", roots=roots)
    ended(device)
    for label in ("", "same"):
        trust = replace(trust_of(roots), roots=tuple((root.public_key, label) for root in roots))
        report = check(device.root, trust)
        plain = to_text(report, Language.ZH, integrity_only=False).replace(" ", "")
        for root in roots:
            kid = cose.key_id(root.public_key).hex()
            assert kid in plain
            assert report.vouched is not None
            assert (kid[:16] in report.vouched.by) == (not label)


def test_two_keys_under_different_roots_name_both(tmp_path: Path) -> None:
    roots = (signer("root 0"), signer("root 1"))
    device = begun(tmp_path / "archive", roots=roots[:1])
    device.rotate_key(signer("second"), roots=roots[1:])
    ended(device)
    report = check(device.root, trust_of(roots))
    assert report.vouched is not None
    assert report.vouched.roots == ("root 0", "root 1")


def test_a_bare_segment_is_told_with_its_number(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1)
    file = bare(sorted((device.root / "sessions").rglob("*.mp4"))[2], "000000.mp4")
    report = check(file)
    assert to_json(report)["segment"] == 2
    assert "此文件为第 2 号段" in to_text(report, Language.ZH, integrity_only=False)
    assert to_json(check(device.root))["segment"] is None


@pytest.mark.parametrize(
    ("issued_ms", "words"),
    [
        (UTC_START_MS, "信任文件已有 3 天"),
        (UTC_START_MS * 2, "晚于本机时间"),
        (2**63 - 1, "签发时间不可信"),
        (-(2**63), "签发时间不可信"),
    ],
)
def test_the_age_of_the_trust_file_is_told_only_if_it_can_be(tmp_path: Path, issued_ms: int, words: str) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1)
    for trust in (replace(TRUST, issued_ms=issued_ms), replace(trust_of((signer("other"),)), issued_ms=issued_ms)):
        report = check(device.root, trust)
        assert words in to_text(report, Language.ZH, integrity_only=False)
        assert json.dumps(to_json(report))


def test_a_clock_without_reference_is_told_for_its_session_only(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.session(segments=1)
    device.sync = 1
    doubtful = device.session(segments=1)
    file = bare(segments(device.root, doubtful)[0])
    ended(device)
    report = check(device.root)
    assert report.unsynchronised == {doubtful}
    assert to_text(report, Language.ZH, integrity_only=False).count("设备时间未同步") == 1
    assert "device clock not synchronised" in to_text(check(file), Language.EN, integrity_only=False)


def test_asked_for_integrity_only_the_headline_says_what_the_trust_file_answered(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    stranger = trust_of((signer("stranger"),))
    for trust, words in ((None, "未查由谁担保"), (stranger, "所给信任文件不予担保"), (TRUST, "校验通过")):
        assert words in headline(check(device.root, trust), integrity_only=True)
    assert "校验未通过" in headline(check(device.root, stranger))


def test_an_archive_in_which_nothing_was_verified_does_not_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("journal", "sessions"):
        (tmp_path / "archive" / name).mkdir(parents=True)
    journal = tmp_path / "archive" / "journal" / "00000000.cbor"
    for content in (b"", b"\xd2", b"\xd2\x84\x58"):
        journal.write_bytes(content)
        assert cli.main([str(tmp_path / "archive"), "--integrity-only"]) == 1
    capsys.readouterr()


def test_zeros_to_the_end_are_told_from_zeros_with_something_behind(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content, expected in ((bytes(10), True), (bytes(9) + b"x", False)):
        path.write_bytes(content)
        with archive.opened(path, root=None) as file:
            assert reader.Cursor(file, buffer=bytearray(4)).zeros() is expected


def test_endorsements_of_a_foreign_log_name_no_root(tmp_path: Path) -> None:
    device = Device(root=tmp_path / "archive")
    device.endorsements = endorsed(bytes(16), device.key, device.roots)
    device.enrol()
    device.start()
    report = check(ended(device).path)
    assert report.vouched is None
    assert report.device_keys[0].roots == ()


def test_empty_files_with_high_numbers_in_an_open_session_cost_no_more_than_their_number(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive")
    folder = open_file(device).parent
    assert check(device.root).intact
    for number in (999_999, *range(999_000, 999_200)):
        (folder / f"{number:06d}.mp4").touch()
    started = time.monotonic()
    report = check(device.root)
    assert time.monotonic() - started < SECONDS_FOR_A_GIANT
    missing = [finding.place.segment for finding in report.findings if finding.code is Code.SEGMENT_MISSING]
    assert missing == [2, 999_200]


def test_a_statement_that_claims_a_giant_seal_box_is_refused_without_reading_one(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    device.open_segment()
    device.fragment(2, end_cause=EndCause.STOPPED)
    statement = device.statement(EndCause.STOPPED)
    assert codes(check(device.root)) == set()
    for box_size in (SEAL_BOX_LIMIT_BYTES + 1, 2**40):
        size, h, own, seal_hash = statement.fragments[0]
        rows = ((size, h, box_size, seal_hash), *statement.fragments[1:])
        device.append(replace(statement, size=statement.size - own + box_size, fragments=rows))
        assert Code.TAIL_MISSING in codes(check(device.root))
