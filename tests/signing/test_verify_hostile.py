"""An archive made to hurt its reader: it costs no more than its size, nothing is followed, nothing is printed raw."""

from __future__ import annotations

import json
import os
import random
import socket
import struct
import time
import tracemalloc
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from liuhen import archive, cli, cose, keys
from liuhen.boxes import FRAGMENTS_LIMIT, SEAL_USERTYPE, SEGMENT_LIMIT_BYTES, uuid_box
from liuhen.findings import LIMIT_PER_CODE, Code, Severity
from liuhen.kinds import Gap, GapEnd, Instant
from liuhen.registry import EndCause, GapCause
from liuhen.report import Language, Report, to_json, to_text
from liuhen.verify import Request, verify
from liuhen.verify_gaps import FOREVER_NS, Coverage, GapSummary
from liuhen.verify_journal import PIECE_BYTES, SEARCHED_LIMIT_BYTES, items
from tests.signing.archives import SECOND_NS, Device, box, closed_archive, open_archive, segments
from tests.signing.checking import NOW_MS, TRUST, check, codes, only
from tests.signing.test_verify_findings import begun, ended

pytestmark = pytest.mark.long

MIB = 1024 * 1024
SECONDS_PER_MIB = 3.0
"""Ten times what was measured; what was quadratic took minutes."""


def cost_seconds(path: Path) -> tuple[Report, float]:
    """Processor time, which other programs do not change much."""
    started = time.process_time()
    report = check(path)
    return report, time.process_time() - started


# --- the journal -----------------------------------------------------------------------------------------------------


def envelope(payload: bytes, kid: bytes, *, claimed: int | None = None) -> bytes:
    """The layout of an envelope, signed by nobody; `claimed`: the length it gives for its payload."""
    content_type = b"application/vnd.liuhen.x+cbor"
    header = b"\xa3\x01\x27\x03\x78" + bytes([len(content_type)]) + content_type + b"\x04\x58\x20" + kid
    length = b"\x59" + struct.pack(">H", claimed if claimed is not None else max(256, len(payload)))
    return b"\xd2\x84\x58" + bytes([len(header)]) + header + b"\xa0" + length + payload + b"\x58\x40" + bytes(64)


def nested(seed: random.Random) -> bytes:
    """Each envelope is the payload of the next larger one."""
    inner = bytes(300)
    while len(inner) < 60_000:
        inner = envelope(inner, seed.randbytes(32))
    return inner


HOSTILE_JOURNALS: dict[str, Callable[[random.Random], bytes]] = {
    "beginnings of envelopes": lambda _: b"\xd2\x84\x58" * (MIB // 3),
    "whole headers without payload": lambda seed: b"".join(
        envelope(b"", seed.randbytes(32))[:80] for _ in range(MIB // 80)
    ),
    "headers that claim all that follows": lambda seed: b"".join(
        envelope(b"", seed.randbytes(32), claimed=60_000)[:84] for _ in range(MIB // 84)
    ),
    "envelopes that hold envelopes": lambda seed: nested(seed) * (MIB // 60_000),
    "payloads of sixty thousand integers": lambda seed: (
        envelope(b"\xa1\x00\x99\xf0\x00" + bytes(0xF000), seed.randbytes(32)) * (MIB // 61_500)
    ),
    "arrays in arrays": lambda seed: envelope(b"\x81" * 60_000, seed.randbytes(32)) * (MIB // 60_000),
    "zeros": lambda _: bytes(MIB),
    "noise": lambda seed: seed.randbytes(MIB),
}


@pytest.mark.parametrize("name", HOSTILE_JOURNALS)
def test_a_hostile_journal_costs_no_more_than_its_size(tmp_path: Path, name: str) -> None:
    device = begun(tmp_path / "archive")
    with (device.root / "journal" / "00000000.cbor").open("ab") as file:
        file.write(HOSTILE_JOURNALS[name](random.Random(5)))  # noqa: S311 -- bytes to refuse, no secret
    device.stop()
    report, seconds = cost_seconds(device.root)
    assert seconds < SECONDS_PER_MIB
    assert not report.intact
    assert report.complete_up_to is not None
    assert report.complete_up_to.entry == 1


def with_holes_between(root: Path, count: int) -> Path:
    """An archive that goes on in its last journal file, behind so many of 64 MiB that are nothing but holes."""
    device = begun(root)
    for _ in range(count):
        device.rotate_journal()
        with (root / "journal" / f"{device.journal_file:08d}.cbor").open("wb") as file:
            file.truncate(archive.JOURNAL_FILE_LIMIT_BYTES)
    device.rotate_journal()
    device.session(segments=2)
    device.stop()
    return root


def read_bytes_of(root: Path) -> int:
    read = [0]

    def on_read(size: int) -> None:
        read[0] += size

    for _ in items(archive.journal_files(root), root, on_read):
        pass
    return read[0]


def test_journal_files_full_of_holes_are_searched_up_to_a_limit_and_what_follows_them_is_still_read(
    tmp_path: Path,
) -> None:
    few, many = (with_holes_between(tmp_path / str(count), count) for count in (3, 300))
    assert read_bytes_of(few) > 3 * archive.JOURNAL_FILE_LIMIT_BYTES, "below the limit everything is searched"
    assert read_bytes_of(many) < SEARCHED_LIMIT_BYTES + archive.JOURNAL_FILE_LIMIT_BYTES + 300 * 2 * PIECE_BYTES
    assert Code.JOURNAL_UNSEARCHED not in codes(check(few))
    report = check(many)
    assert codes(report) == {Code.ENVELOPE_REFUSED, Code.JOURNAL_UNSEARCHED}
    assert report.sessions[0].segments == 2, "entries of the last file are believed"
    told = [finding for finding in report.findings if finding.code is Code.JOURNAL_UNSEARCHED]
    assert "bytes of 00000004.cbor, after 256 MiB like that" in told[0].what_en


def test_entries_behind_refused_bytes_are_found_and_believed(tmp_path: Path) -> None:
    """The control of the test above: cheap does not mean that nothing is looked for."""
    device = begun(tmp_path / "archive")
    with (device.root / "journal" / "00000000.cbor").open("ab") as file:
        file.write(random.Random(6).randbytes(100_000))  # noqa: S311 -- bytes to refuse, no secret
    device.session(segments=2)
    device.stop()
    report = check(device.root)
    assert codes(report) == {Code.ENVELOPE_REFUSED}
    assert report.sessions[0].segments == 2


def gaps_and_holes(root: Path, count: int) -> Device:
    """A session with very many gaps, none of which covers any of its very many holes."""
    device = begun(root)
    device.begin()
    device.open_segment()
    device.fragment(end_cause=EndCause.STOPPED)
    statement = device.statement(EndCause.STOPPED)
    for number in range(count):
        since = device.now_ns
        device.append(
            Gap(stream=0, cause=GapCause.OTHER, since=(device.boot_id, since), measured=(), evidence=(), records=())
        )
        device.pass_ns(SECOND_NS)
        until: Instant = (device.boot_id, device.now_ns)
        length = (SECOND_NS, SECOND_NS)
        device.append(GapEnd(gap_seq=device.seq - 1, until=until, length_ns=length, lost=(None, None), resumed=1))
        span = (device.now_ns, device.now_ns + 1)
        device.append(replace(statement, number=number, span_ns=span))
    return device


def test_many_gaps_and_holes_cost_no_more_than_their_number(tmp_path: Path) -> None:
    costs = [cost_seconds(gaps_and_holes(tmp_path / str(count), count).root)[1] for count in (500, 2000)]
    assert costs[1] < 8 * max(costs[0], 0.2)


def test_a_file_that_is_stated_again_and_again_is_read_once(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    path = device.open_segment()
    device.fragment(4, end_cause=EndCause.STOPPED)
    statement = device.statement(EndCause.STOPPED)
    for _ in range(20):
        device.append(statement)
    read_bytes: list[int] = []
    target = archive.locate(device.root)
    assert target is not None
    report = verify(Request(target=target, trust=TRUST, now_ms=NOW_MS, on_read=read_bytes.append))
    journal = sum(file.stat().st_size for file in (device.root / "journal").iterdir())
    assert sum(read_bytes) == path.stat().st_size + journal
    assert Code.SEGMENT_ORDER in codes(report)


def test_coverage_by_union_is_the_sum_of_what_is_covered_instant_by_instant() -> None:
    """Against the plain definition, on small numbers: gaps that overlap, are open, and cross boots."""
    seed = random.Random(8)  # noqa: S311 -- intervals, no secret
    one, two = b"1" * 16, b"2" * 16
    for _ in range(300):
        gaps = [a_gap(seed, one, two) for _ in range(seed.randint(0, 6))]
        since, until = sorted((seed.randint(0, 40), seed.randint(0, 40)))
        cover = Coverage(gaps, ())
        expected = sum(not any(covers(gap, one, moment) for gap in gaps) for moment in range(since, until))
        assert cover.uncovered_ns((one, since), (one, until)) == expected


def a_gap(seed: random.Random, one: bytes, two: bytes) -> GapSummary:
    since = seed.randint(0, 40)
    ends: list[Instant | None] = [None, (two, seed.randint(0, 40)), (one, since + seed.randint(0, 20))]
    began = seed.choice((one, one, two))
    until = seed.choice(ends[1:] if began == one else ends[2:]) if seed.random() < 0.95 else None
    return GapSummary(entry=0, stream=None, cause=None, since=(began, since), until=until)


def covers(gap: GapSummary, boot: bytes, moment: int) -> bool:
    """The plain definition: from its beginning in this boot, or from the boot's; to its end in it, or for ever."""
    assert gap.since is not None
    if gap.until is None:
        return gap.since[0] != boot or gap.since[1] <= moment
    if boot not in (gap.since[0], gap.until[0]):
        return False
    first = gap.since[1] if gap.since[0] == boot else 0
    last = gap.until[1] if gap.until[0] == boot else FOREVER_NS
    return first <= moment < last


def test_a_hole_over_a_power_cut_is_covered_by_the_gap_that_crosses_it_and_by_no_other() -> None:
    one, two, three = (bytes([n]) * 16 for n in (1, 2, 3))
    crossing = GapSummary(entry=1, stream=None, cause=None, since=(one, 10), until=(two, 5))
    assert Coverage([crossing], ()).uncovered_ns((one, 8), (two, 6)) == 2 + 1
    assert Coverage([crossing], ()).uncovered_ns((one, 8), (three, 6)) is None
    assert Coverage([], [crossing]).uncovered_ns((one, 8), (two, 6)) == 1
    assert Coverage([], ()).uncovered_ns((one, 8), (two, 6)) is None


# --- segments --------------------------------------------------------------------------------------------------------


def test_a_file_of_a_million_empty_seals_ends_after_the_last_fragment_a_segment_may_have(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive")
    assert device.file is not None
    seal = uuid_box(SEAL_USERTYPE, b"")
    piece = box(b"prft", b"") + box(b"moof", b"") + box(b"mdat", b"") + seal
    with device.file.path.open("ab") as file:
        file.write(piece * (4 * MIB // len(piece)))
    report, seconds = cost_seconds(device.root)
    assert seconds < 4 * SECONDS_PER_MIB
    assert str(FRAGMENTS_LIMIT) in only(report, Code.EXTRA_BYTES).what_en
    assert sum(report.verdicts.values()) <= FRAGMENTS_LIMIT + 5


def test_a_terabyte_on_paper_is_read_up_to_the_limit(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1, segments=1)
    (path,) = (device.root / "sessions").rglob("*.mp4")
    os.truncate(path, 1 << 40)
    read_bytes: list[int] = []
    target = archive.locate(device.root)
    assert target is not None
    report = verify(Request(target=target, trust=TRUST, now_ms=NOW_MS, on_read=read_bytes.append))
    assert sum(read_bytes) <= SEGMENT_LIMIT_BYTES + MIB
    assert {Code.TOO_LARGE, Code.EXTRA_BYTES} <= codes(report)


def test_one_file_under_two_names_is_no_second_segment(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1, segments=2)
    first, second = sorted((device.root / "sessions").rglob("*.mp4"))
    second.unlink()
    os.link(first, second)
    assert not check(device.root).intact


# --- names and directories -------------------------------------------------------------------------------------------

EVIL_NAMES = (
    "\x1b[2J\x1b]0;owned\x07",
    "two\nlines",
    "gpj.\u202e4pm",
    "\u200bzero width",
    "\udcff",
    "a" * 255,
    "段 片",
)


def test_a_directory_of_very_many_names_costs_no_memory(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1, segments=1)
    count = 20_000
    for number in range(count):
        (device.root / "journal" / f"{number:05d}.txt").touch()
    tracemalloc.start()
    try:
        report = check(device.root)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.intact
    assert report.findings_not_kept == {Code.FOREIGN_FILE: count - LIMIT_PER_CODE}
    assert report.findings[0].what_en.endswith("journal/00000.txt")
    assert peak_bytes < 6 * MIB


def test_empty_directories_in_the_place_of_sessions_are_no_sessions(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1, segments=1)
    for number in range(50):
        (device.root / "sessions" / f"{number:032x}").mkdir()
    report = check(device.root)
    assert report.intact
    assert len(report.sessions) == 1


def test_no_name_reaches_the_terminal_as_it_is(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    root = tmp_path / "evil\x1b[31m\u202e"
    device = closed_archive(root, sessions=1, segments=1)
    session = next((device.root / "sessions").iterdir())
    for folder in (root, root / "journal", root / "records", session):
        for name in EVIL_NAMES:
            (folder / name).touch()
    report = check(root)
    said = [to_text(report, language, integrity_only=False) for language in Language]
    for text in (*said, json.dumps(to_json(report), ensure_ascii=False)):
        assert not [c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs"} and c != "\n"]
    for arguments in ([str(root / "absent\x1b[31m")], [str(root), "--trust", str(root / EVIL_NAMES[0])]):
        assert cli.main(arguments) == cli.UNUSABLE
        _, err = capsysbinary.readouterr()
        assert b"\x1b" not in err
        assert err.count(b"\n") == 1


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    here = os.getcwd()  # noqa: PTH109 -- a socket's name must be short
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def a_directory(path: Path) -> None:
    path.mkdir()


def a_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [a_pipe, a_socket, a_directory, a_link])
@pytest.mark.parametrize("place", ["segment", "journal", "record"])
def test_what_is_no_plain_file_is_named_and_never_opened(
    tmp_path: Path, make: Callable[[Path], None], place: str
) -> None:
    device = Device(root=tmp_path / "archive")
    device.enrol()
    device.start()
    commitment = device.record("内容")
    device.begin(commitments=((0, commitment),))
    device.segment(cause=EndCause.STOPPED)
    session = device.session_id or b""
    ended(device)
    path = {
        "segment": segments(device.root, session)[0],
        "journal": device.root / "journal" / "00000001.cbor",
        "record": device.root / "records" / f"{commitment.hex()}.record",
    }[place]
    path.unlink(missing_ok=True)
    make(path)
    assert Code.EVIDENCE_NOT_A_FILE in codes(check(device.root))


@pytest.mark.parametrize("folder", ["journal", "sessions", "session", "quarantine"])
def test_a_directory_that_is_a_link_is_not_followed_out_of_the_archive(tmp_path: Path, folder: str) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1)
    (device.root / "quarantine").mkdir()
    path = device.root / folder if folder != "session" else next((device.root / "sessions").iterdir())
    path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    assert Code.EVIDENCE_NOT_A_FILE in codes(check(device.root))


def test_a_directory_that_becomes_a_link_while_it_is_read_is_not_followed(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1)
    session = next((device.root / "sessions").iterdir())
    turned: list[bool] = []

    def turn(_: int) -> None:
        if not turned:
            turned.append(True)
            session.rename(tmp_path / "outside")
            session.symlink_to(tmp_path / "outside")

    target = archive.locate(device.root)
    assert target is not None
    report = verify(Request(target=target, trust=TRUST, now_ms=NOW_MS, on_read=turn))
    assert Code.EVIDENCE_NOT_A_FILE in codes(report)


@pytest.mark.parametrize("size", [0, 10, 700])
def test_a_file_that_shrinks_while_it_is_read_is_altered_and_nothing_worse(tmp_path: Path, size: int) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1)
    files = sorted((device.root / "sessions").rglob("*.mp4"))

    def shrink(_: int) -> None:
        os.truncate(files[1], size)

    target = archive.locate(device.root)
    assert target is not None
    report = verify(Request(target=target, trust=TRUST, now_ms=NOW_MS, on_read=shrink))
    assert not report.intact
    assert report.complete_up_to is not None


def test_a_journal_that_grows_while_it_is_read_is_read_to_where_it_ends_then(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive")
    grown: list[int] = []

    def grow(_: int) -> None:
        if not grown:
            device.heartbeat()
            grown.append(device.seq - 1)

    target = archive.locate(device.root)
    assert target is not None
    report = verify(Request(target=target, trust=TRUST, now_ms=NOW_MS, on_read=grow))
    assert report.intact
    assert report.complete_up_to is not None
    assert report.complete_up_to.entry in (grown[0], grown[0] - 1)


def test_other_spellings_of_evidence_names_are_foreign(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1)
    session = next((device.root / "sessions").iterdir())
    names = [session / "000000.MP4", session / "0000000.mp4", session / "٠٠٠٠٠٠.mp4", device.root / "Journal"]
    for name in names:
        name.write_bytes(b"x")
    report = check(device.root)
    assert report.intact
    assert len(codes(report, Severity.NOTE)) == 1
    assert len(report.findings) == len(names)


# --- the trust file --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["inside", "link to it", "link out of it", "hard link", "link in its directory"])
def test_a_trust_file_that_came_with_the_archive_is_refused(
    tmp_path: Path, how: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1)
    inside, outside = device.root / "court.trust", tmp_path / "court.trust"
    content = keys.trust_bytes(device.trust())
    given = outside
    match how:
        case "inside":
            inside.write_bytes(content)
            given = inside
        case "link to it":
            inside.write_bytes(content)
            outside.symlink_to(inside)
        case "link out of it":
            outside.write_bytes(content)
            inside.symlink_to(outside)
            given = inside
        case "hard link":
            inside.write_bytes(content)
            os.link(inside, outside)
        case _:
            (device.root / "deep").mkdir()
            (device.root / "deep" / "court.trust").write_bytes(content)
            (tmp_path / "deep").symlink_to(device.root / "deep")
            given = tmp_path / "deep" / "court.trust"
    assert cli.main([str(device.root), "--trust", str(given)]) == cli.UNUSABLE
    _, err = capsysbinary.readouterr()
    assert "在档案之内" in err.decode()


@pytest.mark.parametrize("journal", [True, False])
@pytest.mark.parametrize("scope", ["archive", "session", "segment"])
def test_a_trust_file_that_came_with_the_archive_is_refused_for_any_part_of_it(
    tmp_path: Path, scope: str, journal: bool, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1)
    inside = device.root / "records" / "court.trust"
    inside.write_bytes(keys.trust_bytes(device.trust()))
    segment = next(device.root.glob("sessions/*/*.mp4"))
    if not journal:
        (device.root / "journal").rename(device.root / "hidden")
    given = {"archive": device.root, "session": segment.parent, "segment": segment}[scope]
    assert cli.main([str(given), "--trust", str(inside)]) == cli.UNUSABLE
    assert "在档案之内" in capsysbinary.readouterr()[1].decode()


def test_a_segment_that_stands_alone_is_judged_by_a_trust_file_beside_it(tmp_path: Path) -> None:
    """The negative control: a folder with a segment in it is no archive."""
    device = closed_archive(tmp_path / "archive", sessions=1)
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "court.trust").write_bytes(keys.trust_bytes(device.trust()))
    segment = next(device.root.glob("sessions/*/*.mp4"))
    (alone / segment.name).write_bytes(segment.read_bytes())
    assert cli.main([str(alone / segment.name), "--trust", str(alone / "court.trust")]) == cli.OK


def test_a_trust_file_from_elsewhere_is_used_though_a_copy_lies_inside(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A copy cannot be told from the original; the report gives its SHA-256 to compare with what was published."""
    device = closed_archive(tmp_path / "archive", sessions=1)
    for path in (device.root / "court.trust", tmp_path / "court.trust"):
        path.write_bytes(keys.trust_bytes(device.trust()))
    assert cli.main([str(device.root), "--trust", str(tmp_path / "court.trust"), "--language", "en"]) == cli.OK
    out, _ = capsysbinary.readouterr()
    assert "trust file SHA-256" in out.decode()
    assert "foreign to the archive, not read: court.trust" in out.decode()


def test_the_layout_of_an_envelope_is_found_by_its_lengths_alone() -> None:
    whole = envelope(bytes(300), bytes(32))
    assert cose.layout_end(b"x" + whole, 1, where="") == len(whole) + 1
    assert cose.layout_end(whole[:-1], 0, where="") is None
