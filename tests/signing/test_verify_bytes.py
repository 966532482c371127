"""Properties over all bytes: no change goes unseen, and a file cut anywhere keeps exactly its sealed beginning."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liuhen import reader
from liuhen.findings import Code, Severity, Verdict
from liuhen.kinds import ENTRY_KINDS
from liuhen.reader import FragmentState, Initialisation, SealedFragment, Tail
from liuhen.registry import EndCause
from liuhen.report import Language, to_json, to_text
from tests.signing.archives import Device, append, entries, fragments_of, open_archive
from tests.signing.checking import assert_untouched, check, codes, verdicts
from tests.signing.shape_strategies import bodies_of

QUIET = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Device:
    """A closed archive of few bytes, with a record."""
    device = Device(root=tmp_path_factory.mktemp("small") / "archive", media_bytes=40)
    device.enrol()
    device.start()
    device.begin(commitments=((0, device.record("内容")),))
    device.segment(2)
    device.segment(2, cause=EndCause.STOPPED)
    device.end()
    device.checkpoint()
    device.stop()
    return device


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Device:
    """A power cut: the last file has four sealed fragments and no end."""
    return open_archive(tmp_path_factory.mktemp("open") / "archive", fragments=4)


@given(data=st.data())
@QUIET
def test_any_changed_byte_of_any_evidence_file_breaks_the_archive(small: Device, data: st.DataObject) -> None:
    """But for the last entry: what is left of it is an unfinished tail; a clean cut would remove it as well."""
    files = sorted(path for path in small.root.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files), label="file")
    content = path.read_bytes()
    offset = data.draw(st.integers(0, len(content) - 1), label="offset")
    mask = data.draw(st.integers(1, 255), label="mask")
    changed = bytearray(content)
    changed[offset] ^= mask
    path.write_bytes(changed)
    try:
        report = check(small.root)
    finally:
        path.write_bytes(content)
    if path.suffix == ".cbor" and offset >= len(content) - len(entries(small.root)[-1]) and report.intact:
        assert codes(report, Severity.WARNING) == {Code.JOURNAL_TORN_TAIL}
        assert report.complete_up_to is not None
        assert report.complete_up_to.entry == small.seq - 2
    else:
        assert not report.intact


def test_the_archives_of_these_properties_are_sound_when_nothing_is_changed(small: Device, unfinished: Device) -> None:
    assert_untouched(check(small.root))
    assert check(unfinished.root).intact


@given(data=st.data())
@QUIET
def test_an_open_segment_cut_anywhere_is_authentic_exactly_up_to_its_last_whole_seal(
    unfinished: Device, data: st.DataObject
) -> None:
    assert unfinished.file is not None
    path = unfinished.file.path
    content = path.read_bytes()
    ends = [end for _, _, end in fragments_of(path)]
    size = data.draw(st.integers(0, len(content)), label="size")
    path.write_bytes(content[:size])
    try:
        report = check(unfinished.root)
    finally:
        path.write_bytes(content)
    whole = sum(end <= size for end in ends)
    assert report.intact
    assert verdicts(report).get(Verdict.AUTHENTIC_PREFIX, 0) == whole
    assert verdicts(report)[Verdict.AUTHENTIC] == 4
    torn = {Code.TORN_TAIL} if whole and size not in ends else set()
    assert codes(report, Severity.WARNING) & {Code.TORN_TAIL} == torn


@given(data=st.data())
@QUIET
def test_any_changed_byte_of_an_open_segment_is_seen(unfinished: Device, data: st.DataObject) -> None:
    """Even without statement or final seal: one write holds one seal, so a torn write never looks like a change."""
    assert unfinished.file is not None
    path = unfinished.file.path
    content = path.read_bytes()
    offset = data.draw(st.integers(0, len(content) - 1), label="offset")
    changed = bytearray(content)
    changed[offset] ^= data.draw(st.integers(1, 255), label="mask")
    path.write_bytes(changed)
    try:
        report = check(unfinished.root)
    finally:
        path.write_bytes(content)
    assert not report.intact


def items_of(content: bytes) -> list[reader.Item]:
    return list(reader.walk(reader.Cursor(io.BytesIO(content))))


def test_the_reader_gives_recovery_the_rows_of_a_statement(unfinished: Device) -> None:
    assert unfinished.file is not None
    head, *fragments = items_of(unfinished.file.path.read_bytes())
    assert isinstance(head, Initialisation)
    assert head.r0 == unfinished.file.sealer.initial
    rows = [(f.size, f.h, f.seal_box_size, f.seal_hash) for f in fragments if isinstance(f, SealedFragment)]
    assert rows == unfinished.file.sealer.fragments
    assert all(isinstance(f, SealedFragment) and f.valid for f in fragments)


def test_the_reader_goes_on_after_damage_but_calls_nothing_behind_it_valid(unfinished: Device) -> None:
    assert unfinished.file is not None
    content = bytearray(unfinished.file.path.read_bytes())
    content[fragments_of(unfinished.file.path)[1][1] - 1] ^= 1
    states = [item.state for item in items_of(bytes(content)) if isinstance(item, SealedFragment)]
    assert states == [
        FragmentState.PREFIX,
        FragmentState.ALTERED,
        FragmentState.AFTER_DAMAGE,
        FragmentState.AFTER_DAMAGE,
    ]


def test_zeros_a_file_system_left_are_a_torn_tail(unfinished: Device) -> None:
    assert unfinished.file is not None
    content = unfinished.file.path.read_bytes()
    tail = items_of(content + bytes(4096))[-1]
    assert tail == Tail(offset=len(content), size=4096, torn=True, why="zeros where prft belongs")


def test_a_tail_that_hides_a_whole_seal_is_no_torn_write(unfinished: Device) -> None:
    """A size byte changed so that one box swallows everything behind it."""
    assert unfinished.file is not None
    content = bytearray(unfinished.file.path.read_bytes())
    start = fragments_of(unfinished.file.path)[1][0]
    content[start + 32 : start + 36] = (15 * 1024 * 1024).to_bytes(4, "big")
    tail = items_of(bytes(content))[-1]
    assert isinstance(tail, Tail)
    assert (tail.offset, tail.torn) == (start, False)


def test_a_fragment_larger_than_the_buffer_is_verified_in_pieces(tmp_path: Path) -> None:
    device = Device(root=tmp_path / "archive", media_bytes=3 * reader.CHUNK_BYTES)
    device.enrol()
    device.start()
    device.session(segments=1, fragments=2)
    device.stop()
    assert_untouched(check(device.root, whole_file_hash=True))
    segment = next((device.root / "sessions").rglob("*.mp4"))
    assert_untouched(check(segment))
    append(segment, b"x")
    assert not check(segment).intact


@given(data=st.data())
@settings(QUIET, max_examples=150)
def test_whatever_a_device_signs_the_verifier_reports_and_never_fails(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    device = Device(root=tmp_path_factory.mktemp("any") / "archive")
    device.enrol()
    device.start()
    device.begin()
    device.segment(2)
    for kind in data.draw(st.lists(st.sampled_from(sorted(ENTRY_KINDS)), min_size=1, max_size=4)):
        body = data.draw(bodies_of(ENTRY_KINDS[kind]), label=kind)
        device.append(body, session=data.draw(st.booleans()))
    device.open_segment()
    device.fragment(1)
    report = check(device.root)
    for language in Language:
        assert to_text(report, language, integrity_only=False)
    assert json.dumps(to_json(report))


@given(junk=st.binary(max_size=400), where=st.integers(0, 8))
@QUIET
def test_foreign_bytes_between_entries_are_refused_and_the_entries_around_them_still_read(
    small: Device, junk: bytes, where: int
) -> None:
    journal = small.root / "journal" / "00000000.cbor"
    content, found = journal.read_bytes(), entries(small.root)
    journal.write_bytes(b"".join([*found[:where], junk, *found[where:]]))
    try:
        report = check(small.root)
    finally:
        journal.write_bytes(content)
    assert report.intact == (not junk)
    assert sum(finding.code is Code.SEQ_GAP for finding in report.findings) == 0


def test_a_file_name_cannot_speak_to_the_terminal(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive")
    (device.root / "\x1b[2J\u202e校验通过\n").touch()
    text = to_text(check(device.root), Language.ZH, integrity_only=False)
    assert Code.FOREIGN_FILE in {finding.code for finding in check(device.root).findings}
    assert all(line.isprintable() for line in text.splitlines())
