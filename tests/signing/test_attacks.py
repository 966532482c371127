"""The attack rows of the provenance research as tests: each tampering, and the verdict that must come out.

Row numbers are those of that list. `test_an_untouched_archive_has_no_finding` is the negative control of every row.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import cbor2
import pytest

from liuhen import cose, entry, merkle
from liuhen.findings import Code, Severity, Verdict
from liuhen.kinds import Segment
from liuhen.registry import EndCause, EventCode
from tests.signing.archives import (
    SECOND_NS,
    Device,
    append,
    box,
    closed_archive,
    cut,
    entries,
    flip,
    fragments_of,
    index_of,
    put_entries,
    segments,
    signer,
    swap,
)
from tests.signing.checking import assert_untouched, check, codes, only, verdicts

SESSIONS, SEGMENTS, FRAGMENTS = 2, 3, 4


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return closed_archive(tmp_path / "archive")


@pytest.fixture
def files(device: Device) -> list[Path]:
    """The segments of the first session."""
    first = entry.parse(entries(device.root)[index_of(device.root, "session")], where="session").common.session_id
    assert first is not None
    return segments(device.root, first)


def test_an_untouched_archive_has_no_finding(device: Device) -> None:
    report = check(device.root)
    assert_untouched(report)
    assert verdicts(report) == {Verdict.AUTHENTIC: SESSIONS * SEGMENTS * FRAGMENTS}


def test_an_untouched_segment_standing_alone_has_no_finding(files: list[Path]) -> None:
    assert_untouched(check(files[1]))


def test_row_1_bytes_changed_in_a_fragment_name_the_segment_and_the_fragment(device: Device, files: list[Path]) -> None:
    start, end, _ = fragments_of(files[2])[3]
    flip(files[2], end - 1)
    report = check(device.root)
    found = only(report, Code.FRAGMENT_ALTERED)
    assert codes(report) == {Code.FRAGMENT_ALTERED}
    assert (found.place.segment, found.place.fragment, found.place.offset) == (2, 4, start)
    assert verdicts(report) == {Verdict.AUTHENTIC: 23, Verdict.ALTERED: 1}


def test_row_1_bytes_changed_in_a_bare_segment_name_the_fragment_and_leave_the_others(files: list[Path]) -> None:
    flip(files[2], fragments_of(files[2])[1][1] - 1)
    report = check(files[2])
    assert only(report, Code.FRAGMENT_ALTERED).place.fragment == 2
    assert verdicts(report) == {Verdict.AUTHENTIC: 3, Verdict.ALTERED: 1}
    assert not report.intact


@pytest.mark.parametrize("where", [30, 60, 150], ids=["ftyp-moov", "moov", "identity"])
def test_row_2_an_edited_init_is_altered(device: Device, files: list[Path], where: int) -> None:
    flip(files[0], where)
    report = check(device.root)
    assert codes(report) == {Code.INIT_ALTERED}
    assert not check(files[0]).intact


@pytest.mark.parametrize("kind", [b"free", b"skip", b"uuid"])
def test_row_3_a_box_appended_after_the_last_fragment_is_altered(
    device: Device, files: list[Path], kind: bytes
) -> None:
    append(files[0], box(kind, bytes(40)))
    assert codes(check(device.root)) == {Code.EXTRA_BYTES}
    assert codes(check(files[0])) == {Code.EXTRA_BYTES}


def test_row_3_a_box_between_fragments_is_altered(device: Device, files: list[Path]) -> None:
    content = files[0].read_bytes()
    at = fragments_of(files[0])[1][0]
    files[0].write_bytes(content[:at] + box(b"free", bytes(20)) + content[at:])
    assert Code.FRAGMENT_ALTERED in codes(check(device.root))
    assert codes(check(files[0])) == {Code.EXTRA_BYTES}


def test_row_4_a_segment_cut_short_shows_how_many_fragments_are_still_good(device: Device, files: list[Path]) -> None:
    cut(files[1], fragments_of(files[1])[2][0] + 10)
    report = check(device.root)
    assert codes(report) == {Code.TAIL_MISSING}
    assert "2 / 4" in only(report, Code.TAIL_MISSING).what_en
    assert verdicts(report) == {Verdict.AUTHENTIC: 22, Verdict.MISSING_UNEXPLAINED: 2}


def test_row_5_a_deleted_segment_is_missing_and_its_statement_proves_it_existed(
    device: Device, files: list[Path]
) -> None:
    files[1].unlink()
    report = check(device.root)
    assert codes(report) == {Code.SEGMENT_MISSING}
    assert only(report, Code.SEGMENT_MISSING).place.segment == 1
    assert verdicts(report) == {Verdict.AUTHENTIC: 20, Verdict.MISSING_UNEXPLAINED: 4}


def test_row_6_two_swapped_segment_files_are_both_altered(device: Device, files: list[Path]) -> None:
    swap(files[0], files[1])
    report = check(device.root)
    assert {f.place.segment for f in report.findings if f.code is Code.INIT_ALTERED} == {0, 1}
    assert not report.intact


def test_row_7_fragments_swapped_inside_a_segment_are_altered_and_the_rest_is_not(
    device: Device, files: list[Path]
) -> None:
    content = files[0].read_bytes()
    (a, _, b), (_, _, c) = fragments_of(files[0])[:2]
    files[0].write_bytes(content[:a] + content[b:c] + content[a:b] + content[c:])
    report = check(device.root)
    altered = {f.place.fragment for f in report.findings if f.code is Code.FRAGMENT_ALTERED}
    assert altered == {1, 2}
    assert verdicts(report)[Verdict.AUTHENTIC] == 22
    assert not check(files[0]).intact


def test_row_8_a_statement_removed_from_the_middle_breaks_number_and_chain(device: Device) -> None:
    kept = entries(device.root)
    del kept[index_of(device.root, "segment", 1)]
    put_entries(device.root, kept)
    report = check(device.root)
    assert codes(report) >= {Code.SEQ_GAP, Code.CHAIN_BROKEN, Code.SEGMENT_UNSTATED}
    assert report.complete_up_to is not None
    assert report.complete_up_to.entry == index_of(device.root, "segment", 0) + 1


def test_row_9_tail_entries_removed_from_an_open_session_are_betrayed_by_the_media(device: Device) -> None:
    put_entries(device.root, entries(device.root)[: index_of(device.root, "segment", 4) - 1])
    report = check(device.root)
    assert codes(report) >= {Code.TRUNCATED_BELOW_SEAL_HEAD}
    assert Code.SESSION_OPEN_END in codes(report, Severity.WARNING)
    assert Code.SEGMENT_BEFORE_STATEMENT in codes(report, Severity.WARNING)


@pytest.mark.parametrize("kept", [1, 2])
def test_rows_10_and_27_a_clean_cut_of_the_tail_reads_complete_up_to_there_and_nothing_after(
    device: Device, kept: int
) -> None:
    """No one can see this in the archive alone; so the report never says more than "up to here"."""
    after_end = index_of(device.root, "session-end", 1) + kept
    put_entries(device.root, entries(device.root)[:after_end])
    report = check(device.root)
    assert report.intact
    assert report.complete_up_to is not None
    assert report.complete_up_to.entry == after_end - 1
    assert codes(report, Severity.NOTE) == {Code.RUN_OPEN_END}


def test_row_11_a_removed_head_is_missing(device: Device) -> None:
    put_entries(device.root, entries(device.root)[3:])
    report = check(device.root)
    assert Code.HEAD_MISSING in codes(report)
    assert report.vouched is None


def test_row_12_reordered_entries_break_number_and_chain(device: Device) -> None:
    changed = entries(device.root)
    changed[5], changed[6] = changed[6], changed[5]
    put_entries(device.root, changed)
    assert codes(check(device.root)) >= {Code.SEQ_GAP, Code.CHAIN_BROKEN, Code.ENTRY_REPEATED}


def test_row_13_a_replayed_entry_is_reported_and_otherwise_ignored(device: Device) -> None:
    changed = entries(device.root)
    changed.insert(9, changed[4])
    put_entries(device.root, changed)
    report = check(device.root)
    assert codes(report) == {Code.ENTRY_REPEATED}
    assert only(report, Code.ENTRY_REPEATED).place.entry == 4


def test_row_14_a_log_signed_again_with_another_key_names_an_unknown_key_on_every_entry(device: Device) -> None:
    resign(device.root, with_key="thief", keep_first=True)
    report = check(device.root)
    unknown = [f for f in report.findings if f.code is Code.KEY_UNKNOWN]
    assert len(unknown) == device.seq - 1


def test_row_14_a_log_signed_again_from_its_first_entry_on_is_vouched_for_by_nobody(tmp_path: Path) -> None:
    thief = Device(root=tmp_path / "archive")
    genuine = thief.endorsements
    thief.key = signer("thief")
    thief.endorsements = genuine
    thief.enrol()
    thief.start()
    thief.session()
    thief.stop()
    report = check(thief.root)
    assert report.vouched is None
    assert codes(report, Severity.UNVOUCHED) == {Code.UNENDORSED}
    assert set(verdicts(report)) == {Verdict.UNENDORSED}


def test_row_18_a_running_clock_that_goes_back_is_reported(tmp_path: Path) -> None:
    device = Device(root=tmp_path / "archive")
    device.enrol()
    device.start()
    device.pass_ns(60 * SECOND_NS)
    device.heartbeat()
    device.pass_ns(-30 * SECOND_NS)
    device.heartbeat()
    device.checkpoint()
    device.stop()
    assert codes(check(device.root)) == {Code.CLOCK_BACK}


@pytest.mark.parametrize("announced", [False, True])
def test_row_18_a_utc_clock_rolled_back_contradicts_the_running_clock_unless_an_event_says_so(
    tmp_path: Path, announced: bool
) -> None:
    device = Device(root=tmp_path / "archive")
    device.enrol()
    device.start()
    device.utc_ms -= 3_600_000
    device.heartbeat()
    if announced:
        device.event(EventCode.CLOCK_STEPPED)
    device.checkpoint()
    device.stop()
    assert codes(check(device.root)) == (set() if announced else {Code.UTC_CONTRADICTION})


def test_row_20_a_session_id_used_again_is_reported(tmp_path: Path) -> None:
    device = Device(root=tmp_path / "archive")
    device.enrol()
    device.start()
    state = device.random.getstate()
    device.session(segments=0)
    device.stop()
    device.start()
    device.random.setstate(state)
    for folder in (device.root / "sessions").iterdir():
        folder.rmdir()
    device.session(segments=0)
    device.stop()
    assert codes(check(device.root)) == {Code.SESSION_REUSED}


def test_row_23_an_injected_unprotected_header_is_refused_and_the_next_entry_still_read(device: Device) -> None:
    changed = entries(device.root)
    changed[4] = (
        changed[4].replace(b"\xa0\x59", b"\xa1\x04\x41\x00\x59", 1).replace(b"\xa0\x58", b"\xa1\x04\x41\x00\x58", 1)
    )
    put_entries(device.root, changed)
    report = check(device.root)
    assert codes(report) >= {Code.ENVELOPE_REFUSED, Code.CHAIN_BROKEN}
    assert only(report, Code.ENVELOPE_REFUSED).place.entry == 4
    assert report.complete_up_to is not None
    assert report.complete_up_to.entry == 3


@pytest.mark.parametrize("how", ["indefinite", "key order", "long integer"])
def test_row_24_an_entry_encoded_again_is_refused(device: Device, how: str) -> None:
    changed = entries(device.root)
    tag = cbor2.loads(changed[4])
    payload = tag.value[2]
    again = {
        "indefinite": b"\xbf" + payload[1:] + b"\xff",
        "key order": cbor2.dumps(dict(reversed(cbor2.loads(payload).items()))),
        "long integer": payload.replace(b"\x00\x01", b"\x00\x18\x01", 1),
    }[how]
    assert again != payload
    changed[4] = cbor2.dumps(cbor2.CBORTag(18, [tag.value[0], {}, again, tag.value[3]]), canonical=True)
    put_entries(device.root, changed)
    assert Code.ENVELOPE_REFUSED in codes(check(device.root))


def test_row_28_a_transcoded_file_under_the_same_statement_is_altered(device: Device, files: list[Path]) -> None:
    content = bytearray(files[0].read_bytes())
    for start, end, _ in fragments_of(files[0]):
        media = start + 32 + 68 + 8
        content[media:end] = hashlib.shake_128(content[media:end]).digest(end - media)
    files[0].write_bytes(content)
    report = check(device.root)
    assert codes(report) == {Code.FRAGMENT_ALTERED}
    assert verdicts(report)[Verdict.ALTERED] == FRAGMENTS


def test_row_29_seals_moved_to_another_file_are_altered(device: Device, files: list[Path]) -> None:
    donor, victim = files[0].read_bytes(), files[1].read_bytes()
    grafted = bytearray(victim[: fragments_of(files[1])[0][0]])
    for (start, end, _), (_, seal, after) in zip(fragments_of(files[1]), fragments_of(files[0]), strict=True):
        grafted += victim[start:end] + donor[seal:after]
    files[1].write_bytes(grafted)
    assert not check(device.root).intact
    alone = check(files[1])
    assert not alone.intact
    assert verdicts(alone) == {Verdict.ALTERED: FRAGMENTS}


def test_row_30_sound_replaced_beside_an_untouched_picture_is_altered(device: Device, files: list[Path]) -> None:
    content = bytearray(files[0].read_bytes())
    _, end, _ = fragments_of(files[0])[0]
    content[end - 40 : end] = bytes(40)
    files[0].write_bytes(content)
    assert only(check(device.root), Code.FRAGMENT_ALTERED).place.fragment == 1


def test_row_31_a_file_stripped_of_its_seals_is_unsigned_and_the_journal_still_lists_it(
    device: Device, files: list[Path]
) -> None:
    content = files[0].read_bytes()
    ftyp_moov = 20 + 88
    stripped = content[:ftyp_moov] + b"".join(content[start:end] for start, end, _ in fragments_of(files[0]))
    files[0].write_bytes(stripped)
    alone = check(files[0])
    assert codes(alone) == {Code.UNSIGNED}
    assert verdicts(alone) == {Verdict.UNSIGNED: 1}
    assert Code.INIT_ALTERED in codes(check(device.root))


@pytest.mark.parametrize("algorithm", [-7, -19, 5, -37])
def test_row_32_an_envelope_that_names_another_algorithm_is_refused(device: Device, algorithm: int) -> None:
    changed = entries(device.root)
    tag = cbor2.loads(changed[4])
    header = cbor2.loads(tag.value[0])
    protected = cbor2.dumps({**header, 1: algorithm}, canonical=True)
    message = cbor2.dumps(["Signature1", protected, b"", tag.value[2]], canonical=True)
    forged = [protected, {}, tag.value[2], device.key.sign(message)]
    changed[4] = cbor2.dumps(cbor2.CBORTag(18, forged), canonical=True)
    put_entries(device.root, changed)
    assert Code.ENVELOPE_REFUSED in codes(check(device.root))


def resign(root: Path, *, with_key: str, keep_first: bool) -> None:
    """Sign every entry again with another key, keeping numbers and chain sound."""
    thief, again = signer(with_key), []
    for number, encoded in enumerate(entries(root)):
        if keep_first and number == 0:
            again.append(encoded)
            continue
        old = entry.parse(encoded, where="entry")
        assert old.body is not None
        at = entry.Position(
            log_id=old.common.log_id, run=old.common.run, seq=number, prev=hashlib.sha256(again[-1]).digest()
        )
        again.append(
            entry.make(
                old.body, at=at, clock=old.common.clock, session_id=old.common.session_id, seen=None, signer=thief
            )
        )
    put_entries(root, again)


def test_the_tampering_verbs_see_what_the_producer_wrote(device: Device, files: list[Path]) -> None:
    """Control of this file: the verbs' own view of a segment agrees with its statement and its tree."""
    index = index_of(device.root, "segment")
    body = entry.parse(entries(device.root)[index], where="entry").body
    assert isinstance(body, Segment)
    assert [end - start for start, end, _ in fragments_of(files[0])] == [row[0] for row in body.fragments]
    assert body.end_cause == EndCause.ROTATED
    assert merkle.root_of([merkle.leaf_hash(e) for e in entries(device.root)]) == device.peaks.root()
    assert cose.parse(entries(device.root)[0], where="entry").kind == "enrolment"
