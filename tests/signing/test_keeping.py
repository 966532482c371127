"""FORMAT.md 5.6, steps J18, J21 and S1: what may be destroyed, what a destruction excuses, and what excuses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liuhen import cose, entry
from liuhen.entry import Position
from liuhen.findings import Code, Findings, Severity, Verdict
from liuhen.hashing import ZERO_HASH, sha256
from liuhen.keeping import Keeping
from liuhen.kinds import Amend, Destroyed, EntryBody, Hold, Refusal, Retention
from liuhen.registry import ContentKind, HoldAct, RecordLabel, RefusalCode
from liuhen.report import Language, to_text
from liuhen.verify_keeping import KeepingCheck
from tests.signing.archives import UTC_START_MS, Device, segments, signer, swap
from tests.signing.checking import assert_untouched, check, codes, only, verdicts
from tests.signing.kept import DAY_MS, LATER_MS, PAST_MS, Kept, kept_archive
from tests.test_second_verifier import second_opinion


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return kept_archive(tmp_path / "archive")


# --- what is allowed -------------------------------------------------------------------------------------------------


def test_what_is_destroyed_after_its_term_is_told_and_nothing_is_broken(kept: Kept) -> None:
    kept.term(PAST_MS)
    order = kept.destroy()
    report = kept.report()
    assert report.intact
    assert report.vouched is not None
    assert codes(report, Severity.NOTE) == {Code.DESTROYED, Code.SEGMENT_DESTROYED, Code.RECORD_DESTROYED}
    assert verdicts(report) == {Verdict.AUTHENTIC: 8, Verdict.MISSING_EXPLAINED: 8}
    told = only(report, Code.DESTROYED)
    assert "2 segments, 1 records" in told.what_en
    assert order.hex()[:16] in told.what_zh
    assert told.place.session == kept.session


@pytest.mark.parametrize("handed_on", [False, True])
def test_a_key_that_names_itself_sets_no_term_and_destroys_nothing(handed_on: bool, kept: Kept) -> None:
    """Whoever can write to a copy can append an emergency key of his own, and hand over to another from there."""
    kept.device.emergency_key(signer("nobody"))
    if handed_on:
        kept.device.rotate_key(signer("nobody else"), roots=())
    kept.term(PAST_MS)
    kept.destroy()
    report = kept.report()
    assert not report.intact
    assert "handed over" in only(report, Code.DESTRUCTION_UNFOUNDED).what_en
    assert Verdict.MISSING_EXPLAINED not in verdicts(report)
    assert second_opinion(kept.device.root).returncode == 1


def test_the_key_that_is_back_destroys_what_is_past_its_term(kept: Kept) -> None:
    own = kept.device.key
    kept.device.emergency_key(signer("emergency"))
    kept.device.return_key(own)
    kept.term(PAST_MS)
    kept.destroy()
    report = kept.report()
    assert report.intact
    assert verdicts(report)[Verdict.MISSING_EXPLAINED] == 8
    assert second_opinion(kept.device.root).returncode == 0


def test_nothing_is_told_of_keeping_where_nothing_was_destroyed(kept: Kept) -> None:
    kept.term(PAST_MS)
    kept.term(LATER_MS)
    kept.lift(kept.hold(kept.session), kept.session)
    assert_untouched(kept.report())


def test_a_term_may_be_set_while_the_session_is_open(tmp_path: Path) -> None:
    device = Device(root=tmp_path / "archive")
    device.enrol()
    device.start()
    session = device.begin()
    device.append(Retention(session=session, until_ms=PAST_MS, basis=0, records=()))
    device.segment()
    device.end()
    device.checkpoint()
    device.stop()
    assert_untouched(check(device.root))


# --- what is not allowed excuses nothing -----------------------------------------------------------------------------


def _nothing(_: Kept) -> None:
    """No term was ever set."""


def _unsynchronised(kept: Kept) -> None:
    kept.term(PAST_MS)
    kept.device.sync = 1


def _held_and_another_lifted(kept: Kept) -> None:
    kept.term(PAST_MS)
    kept.hold(kept.session)
    kept.lift(kept.hold(kept.session), kept.session)


def _permanent_after_a_term(kept: Kept) -> None:
    kept.term(PAST_MS)
    kept.term(None)


def _error_reaches_into_the_term(kept: Kept) -> None:
    kept.term(kept.device.utc_ms - kept.device.error_ms + 1)


UNFOUNDED: dict[str, tuple[Callable[[Kept], object], RefusalCode]] = {
    "no term": (_nothing, RefusalCode.TERM_UNSET),
    "in term": (lambda kept: kept.term(UTC_START_MS + DAY_MS), RefusalCode.IN_TERM),
    "the clock's error reaches into the term": (_error_reaches_into_the_term, RefusalCode.IN_TERM),
    "extended": (lambda kept: (kept.term(PAST_MS), kept.term(LATER_MS)), RefusalCode.IN_TERM),
    "for good": (_permanent_after_a_term, RefusalCode.PERMANENT),
    "held": (_held_and_another_lifted, RefusalCode.HELD),
    "everything held": (lambda kept: (kept.term(PAST_MS), kept.hold(None)), RefusalCode.HELD),
    "clock": (_unsynchronised, RefusalCode.CLOCK_UNPROVEN),
}


@pytest.mark.parametrize("name", UNFOUNDED)
def test_a_destruction_that_the_chain_forbids_excuses_nothing(kept: Kept, name: str) -> None:
    prepare, code = UNFOUNDED[name]
    prepare(kept)
    kept.destroy()
    kept.device.sync = 2
    report = kept.report()
    assert codes(report) == {Code.DESTRUCTION_UNFOUNDED, Code.SEGMENT_MISSING}
    assert code.words_en in only(report, Code.DESTRUCTION_UNFOUNDED).what_en
    assert code.words_zh in only(report, Code.DESTRUCTION_UNFOUNDED).what_zh
    assert codes(report, Severity.NOTE) == {Code.RECORD_ABSENT}
    assert verdicts(report) == {Verdict.AUTHENTIC: 8, Verdict.MISSING_UNEXPLAINED: 8}


def test_the_last_millisecond_of_the_clocks_error_is_awaited_and_no_more(kept: Kept) -> None:
    kept.term(kept.device.utc_ms - kept.device.error_ms)
    kept.destroy()
    assert kept.report().intact


def test_a_device_whose_clock_was_set_ahead_ends_no_term(kept: Kept) -> None:
    """By its own clock the term is over; by that of whoever verifies it is not."""
    kept.term(LATER_MS)
    kept.device.utc_ms += 30 * DAY_MS
    kept.destroy()
    report = kept.report()
    assert Code.SEGMENT_MISSING in codes(report)
    assert "by the verifier's own clock" in only(report, Code.DESTRUCTION_UNFOUNDED).what_en


def test_nothing_of_a_session_that_has_not_ended_is_destroyed(tmp_path: Path) -> None:
    device = Device(root=tmp_path / "archive")
    device.enrol()
    device.start()
    session = device.begin()
    path = device.segment()
    device.append(Retention(session=session, until_ms=PAST_MS, basis=0, records=()))
    device.append(Destroyed(contents=((1, sha256(path.read_bytes())),), basis=0, records=()))
    path.unlink()
    device.end()
    device.checkpoint()
    device.stop()
    report = check(device.root)
    assert RefusalCode.SESSION_OPEN.words_en in only(report, Code.DESTRUCTION_UNFOUNDED).what_en
    assert Code.SEGMENT_MISSING in codes(report)


def test_a_term_set_after_the_destruction_comes_too_late(kept: Kept) -> None:
    kept.destroy()
    kept.term(PAST_MS)
    assert codes(kept.report()) == {Code.DESTRUCTION_UNFOUNDED, Code.SEGMENT_MISSING}


def test_a_record_that_another_session_needs_is_not_destroyed_with_the_first(kept: Kept) -> None:
    kept.term(PAST_MS)
    kept.term(LATER_MS, kept.other)
    seq, digest = 0, sha256(b"")
    amend = Amend(refers_to=seq, refers_to_hash=digest, length_ns=None, cause=None, records=((1, kept.record),))
    kept.about(kept.other, amend)
    kept.destroy()
    report = kept.report()
    assert RefusalCode.IN_TERM.words_en in only(report, Code.DESTRUCTION_UNFOUNDED).what_en
    assert Code.RECORD_DESTROYED not in codes(report, Severity.NOTE)
    assert Code.RECORD_ABSENT in codes(report, Severity.NOTE)


def test_the_order_of_a_destruction_is_never_destroyed_itself(kept: Kept) -> None:
    kept.term(PAST_MS)
    order = kept.destroy()
    kept.about(kept.session, Destroyed(contents=((int(ContentKind.RECORD), order),), basis=0, records=()))
    kept.path_of(order).unlink()
    report = kept.report()
    assert RefusalCode.PERMANENT.words_en in only(report, Code.DESTRUCTION_UNFOUNDED).what_en
    assert only(report, Code.RECORD_ABSENT).what_en.endswith(order.hex())


def test_a_destruction_of_one_session_excuses_no_segment_of_another(kept: Kept) -> None:
    kept.term(PAST_MS)
    stranger = segments(kept.device.root, kept.other)[0]
    body = Destroyed(contents=((int(ContentKind.SEGMENT), sha256(stranger.read_bytes())),), basis=0, records=())
    kept.about(kept.session, body)
    stranger.unlink()
    assert only(kept.report(), Code.SEGMENT_MISSING).place.session == kept.other


def test_only_what_is_named_as_a_record_excuses_a_record(kept: Kept) -> None:
    kept.term(PAST_MS)
    kept.about(kept.session, Destroyed(contents=((int(ContentKind.SEGMENT), kept.record),), basis=0, records=()))
    kept.path_of(kept.record).unlink()
    report = kept.report()
    assert Code.RECORD_ABSENT in codes(report, Severity.NOTE)
    assert Code.RECORD_DESTROYED not in codes(report, Severity.NOTE)


def test_a_destruction_excuses_only_the_files_it_names(kept: Kept) -> None:
    kept.term(PAST_MS)
    one, other = kept.files
    body = Destroyed(contents=((int(ContentKind.SEGMENT), sha256(one.read_bytes())),), basis=0, records=())
    kept.about(kept.session, body)
    one.unlink()
    other.unlink()
    report = kept.report()
    assert only(report, Code.SEGMENT_DESTROYED).place.segment == 0
    assert only(report, Code.SEGMENT_MISSING).place.segment == 1


def test_a_destruction_that_a_stranger_signed_is_not_believed(kept: Kept) -> None:
    kept.term(PAST_MS)
    body = Destroyed(contents=kept.contents(), basis=0, records=())
    kept.device.append(body, by=signer("stranger"))
    for path in kept.files:
        path.unlink()
    report = kept.report()
    assert {Code.KEY_UNKNOWN, Code.SEGMENT_MISSING} <= codes(report)
    assert Code.DESTROYED not in codes(report, Severity.NOTE)


# --- the rules of keeping --------------------------------------------------------------------------------------------


def test_a_term_is_never_shortened(kept: Kept) -> None:
    kept.term(LATER_MS)
    shorter = kept.term(PAST_MS)
    kept.destroy()
    report = kept.report()
    assert only(report, Code.RETENTION_ORDER).place.entry == shorter
    assert RefusalCode.IN_TERM.words_en in only(report, Code.DESTRUCTION_UNFOUNDED).what_en


def test_after_for_good_no_term_is_set(kept: Kept) -> None:
    kept.term(None)
    kept.term(LATER_MS)
    assert codes(kept.report()) == {Code.RETENTION_ORDER}


def test_a_hold_is_lifted_only_where_it_was_placed(kept: Kept) -> None:
    held = kept.hold(kept.session)
    kept.lift(held, kept.other)
    kept.lift(held, None)
    report = kept.report()
    assert [f.code for f in report.findings] == [Code.RETENTION_ORDER, Code.RETENTION_ORDER]
    assert "保全" in report.findings[0].what_zh


# --- said, and yet here; not here, and not said ----------------------------------------------------------------------


def test_what_is_said_to_be_destroyed_and_is_still_here_is_told(kept: Kept) -> None:
    kept.term(PAST_MS)
    kept.destroy(remove=False)
    kept.files[0].unlink()
    report = kept.report()
    assert report.intact
    here = [f for f in report.findings if f.code is Code.DESTROYED_STILL_HERE]
    assert [f.place.segment for f in here] == [1, None]
    assert here[1].what_en.endswith(kept.record.hex())
    assert only(report, Code.SEGMENT_DESTROYED).place.segment == 0


def test_withheld_and_destroyed_are_two_things(kept: Kept) -> None:
    kept.term(PAST_MS)
    kept.destroy()
    kept.path_of(kept.other_record).unlink()
    report = kept.report()
    assert report.intact
    assert only(report, Code.RECORD_DESTROYED).what_en.endswith(kept.record.hex())
    assert only(report, Code.RECORD_ABSENT).what_en.endswith(kept.other_record.hex())


def test_records_that_were_swapped_are_altered(kept: Kept) -> None:
    swap(kept.path_of(kept.record), kept.path_of(kept.other_record))
    report = kept.report()
    assert [f.code for f in report.findings] == [Code.RECORD_ALTERED, Code.RECORD_ALTERED]


@pytest.mark.parametrize("place", [0, 31, 32, -1])
def test_a_record_whose_salt_or_content_was_changed_is_altered(kept: Kept, place: int) -> None:
    content = bytearray(kept.path_of(kept.record).read_bytes())
    content[place] ^= 1
    kept.path_of(kept.record).write_bytes(content)
    assert codes(kept.report()) == {Code.RECORD_ALTERED}


def test_a_record_under_a_fresh_salt_is_foreign_and_the_named_one_not_presented(kept: Kept) -> None:
    kept.path_of(kept.record).unlink()
    fresh = kept.device.record("案号一")
    report = kept.report()
    assert only(report, Code.RECORD_FOREIGN).what_en.endswith(fresh.hex())
    assert only(report, Code.RECORD_ABSENT).what_en.endswith(kept.record.hex())


def test_a_refused_destruction_is_told_as_such_and_a_refused_start_as_itself(kept: Kept) -> None:
    order = kept.device.record("请求销毁")
    body = Refusal(code=RefusalCode.IN_TERM, measured=(1, LATER_MS), records=((RecordLabel.APPROVAL, order),))
    kept.about(None, body)
    kept.about(None, Refusal(code=RefusalCode.SPACE, measured=(), records=()))
    report = kept.report()
    assert RefusalCode.IN_TERM.words_zh in only(report, Code.DESTRUCTION_REFUSED).what_zh
    assert RefusalCode.SPACE.words_zh in only(report, Code.START_REFUSED).what_zh
    assert "拒绝销毁" in to_text(report, Language.ZH, integrity_only=False)


def test_only_the_session_that_is_asked_for_is_told_of(kept: Kept) -> None:
    kept.destroy()
    kept.device.checkpoint()
    kept.device.stop()
    report = check(kept.device.root, session=kept.other)
    assert Code.DESTRUCTION_UNFOUNDED not in codes(report)
    assert Code.DESTRUCTION_UNFOUNDED in codes(check(kept.device.root, session=kept.session))


# --- the second verifier agrees --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, *UNFOUNDED])
def test_the_second_verifier_says_the_same_of_a_destruction(kept: Kept, name: str | None) -> None:
    prepare = UNFOUNDED[name][0] if name is not None else (lambda one: one.term(PAST_MS))
    prepare(kept)
    kept.destroy()
    kept.device.sync = 2
    assert kept.report().intact is (name is None)
    assert second_opinion(kept.device.root).returncode == (0 if name is None else 1)


# --- keeping.json ----------------------------------------------------------------------------------------------------

VECTORS = json.loads((Path(__file__).parents[2] / "signing/vectors/keeping.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_a_vector_of_keeping_is_judged_as_it_says(case: dict[str, Any]) -> None:
    findings = Findings()
    keeping = KeepingCheck(findings, lambda _: True, case["now_ms"])
    for encoded in case["entries"]:
        keeping.accept(entry.parse(bytes.fromhex(encoded), where=case["name"]))
    (told,) = [f for f in findings.kept if f.place.entry == len(case["entries"]) - 1]
    founded = case["forbidden"] is None
    assert told.code is (Code.DESTROYED if founded else Code.DESTRUCTION_UNFOUNDED)
    assert founded or RefusalCode(case["forbidden"]).words_en in told.what_en


# --- the fold itself -------------------------------------------------------------------------------------------------


def _entry(body: EntryBody, session: bytes | None) -> entry.Entry:
    key = signer("device")
    at = Position(log_id=bytes(16), run=1, seq=7, prev=ZERO_HASH)
    encoded = entry.make(body, at=at, clock=(0, 0, bytes(16), 2, 0), session_id=session, seen=None, signer=key)
    parsed = entry.parse(encoded, where="test")
    cose.verify(parsed.envelope, key.public_key, where="test")
    return parsed


def test_a_record_that_nobody_names_belongs_to_nobody_and_stays() -> None:
    assert Keeping().forbids((0, bytes(32)), bytes(16), (2**60, 0, bytes(16), 2, 0)) is RefusalCode.PERMANENT


def test_a_hold_with_fields_that_do_not_fit_is_no_hold() -> None:
    keeping = Keeping()
    wrong = keeping.accept(_entry(Hold(act=HoldAct.PLACED, session=None, placed=3, records=()), None))
    assert wrong is not None
    assert keeping.holds_on(bytes(16)) == []


def test_terms_are_found_for_records_too() -> None:
    keeping, session, record = Keeping(), bytes(16), bytes(32)
    keeping.accept(
        _entry(Amend(refers_to=0, refers_to_hash=record, length_ns=None, cause=None, records=((1, record),)), session)
    )
    assert keeping.term_of((0, record), None) is None
    keeping.accept(_entry(Retention(session=session, until_ms=5, basis=0, records=()), None))
    assert keeping.term_of((0, record), None) == 5
    assert keeping.would_shorten(session, 5)
    assert not keeping.would_shorten(session, 6)
    assert not keeping.would_shorten(session, None)
