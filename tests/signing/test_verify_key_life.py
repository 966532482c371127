"""A key's whole life as a verifier judges it: rotation, retirement, revocation, compromise, emergency and return.

Attack row 33: a key that was retired or revoked is used later. Each attempt has its honest twin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from liuhen import cose
from liuhen.findings import Code, Severity, Verdict
from liuhen.keys import FileSigner
from liuhen.kinds import Head
from liuhen.registry import EndCause, KeyAct
from liuhen.report import Language, Report, to_json, to_text
from tests.signing.archives import (
    SECOND_NS,
    Device,
    closed_archive,
    endorsed,
    entries,
    head_of,
    open_archive,
    segments,
    signer,
    trust_of,
)
from tests.signing.checking import TRUST, check, codes, only, verdicts
from tests.test_second_verifier import second_opinion


def begun(root: Path) -> Device:
    device = Device(root=root)
    device.enrol()
    device.start()
    return device


def ended(device: Device) -> Report:
    device.checkpoint()
    device.stop()
    return check(device.root)


def kid_of(key: FileSigner) -> bytes:
    return cose.key_id(key.public_key)


def revoking(device: Device, head: Head | None) -> Report:
    return check(device.root, trust_of(device.roots, revoked=((kid_of(device.key), head, 0),)))


# --- row 33: revoked in the trust file ------------------------------------------------------------------------------


def test_row_33_what_a_revoked_key_signed_after_its_last_trusted_entry_is_not_vouched_for(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.session(1)
    trusted = device.head
    device.session(1)
    assert ended(device).vouched is not None
    report = revoking(device, trusted)
    assert report.intact
    assert report.vouched is None
    assert verdicts(report) == {Verdict.AUTHENTIC: 4, Verdict.UNENDORSED: 4}
    assert only(report, Code.KEY_REVOKED).place.entry == trusted[0] + 1


def test_row_33_a_thief_of_a_revoked_key_cannot_write_another_history_below_the_last_trusted_entry(
    tmp_path: Path,
) -> None:
    """A number alone would believe him: all his entries stand below it. The hash does not."""
    genuine = closed_archive(tmp_path / "genuine", sessions=1)
    head = genuine.head
    assert revoking(genuine, head).vouched is not None
    forged = Device(root=tmp_path / "forged")
    forged.enrol()
    forged.start()
    forged.pass_ns(SECOND_NS)
    forged.session(3)
    forged.stop()
    assert (forged.log_id, forged.key.public_key, forged.seq) == (genuine.log_id, genuine.key.public_key, head[0] + 1)
    assert check(forged.root).vouched is not None  # he holds the key: without the revocation nothing contradicts him
    report = revoking(forged, head)
    assert report.vouched is None
    assert verdicts(report) == {Verdict.UNENDORSED: 12}
    assert "another history" in only(report, Code.KEY_REVOKED).what_en


def test_a4_a_copy_that_ends_before_the_last_trusted_entry_cannot_show_which_history_it_is(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1)
    report = revoking(device, (device.seq + 5, bytes(32)))
    assert report.vouched is None
    assert "不在此处" in only(report, Code.KEY_REVOKED).what_zh
    assert Verdict.AUTHENTIC not in verdicts(report)


def test_a4_where_the_last_trusted_entry_is_rotten_the_entry_after_it_still_names_its_hash(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1)
    found = entries(device.root)
    head = head_of(device.root, 4)
    found[4] = bytes(len(found[4]))
    (device.root / "journal" / "00000000.cbor").write_bytes(b"".join(found))
    report = revoking(device, head)
    assert not report.intact
    limits = [finding for finding in report.findings if finding.code is Code.KEY_REVOKED]
    assert not any("history" in finding.what_en for finding in limits)
    assert {finding.place.entry for finding in limits} == {5, None}  # what follows, and a file left to its seals


def test_a4_a_key_revoked_altogether_vouches_for_nothing(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1)
    report = revoking(device, None)
    assert verdicts(report) == {Verdict.UNENDORSED: 12}


def test_a4_what_seals_alone_prove_is_unendorsed_under_a_revoked_key(tmp_path: Path) -> None:
    """Its seals may name any old entry: nothing but a statement shows when they were made."""
    device = open_archive(tmp_path / "archive")
    assert verdicts(check(device.root)) == {Verdict.AUTHENTIC: 4, Verdict.AUTHENTIC_PREFIX: 4}
    report = revoking(device, device.head)
    assert report.vouched is None
    assert verdicts(report) == {Verdict.AUTHENTIC: 4, Verdict.UNENDORSED: 4}


# --- row 33: rotated out, retired, compromised -----------------------------------------------------------------------


def rotated(device: Device) -> FileSigner:
    old = device.key
    device.rotate_key(signer("second key"))
    return old


def test_row_33_a_segment_that_a_rotated_out_key_seals_after_the_rotation_is_not_believed(tmp_path: Path) -> None:
    """Nothing states it: the thief appends a file to the session that is open at the journal's end."""

    def appended(root: Path, *, thief: bool) -> Report:
        device = begun(root)
        old = rotated(device)
        device.begin()
        device.segment()
        if thief:
            device.key, device.endorsements = old, endorsed(device.log_id, old, device.roots)
        device.open_segment()
        device.fragment(4)
        return check(device.root)

    honest, forged = appended(tmp_path / "a", thief=False), appended(tmp_path / "b", thief=True)
    assert verdicts(honest) == {Verdict.AUTHENTIC: 4, Verdict.AUTHENTIC_PREFIX: 4}
    assert honest.intact
    assert verdicts(forged) == {Verdict.AUTHENTIC: 4, Verdict.UNENDORSED: 4}
    assert not forged.intact
    assert "not in force" in only(forged, Code.IDENTITY_WRONG).what_en


def test_row_33_seals_that_name_an_entry_from_before_the_rotation_do_not_belong_to_a_later_session(
    tmp_path: Path,
) -> None:
    """The thief dates his seals back to where his key was in force; the session began after that."""
    device = begun(tmp_path / "archive")
    before = device.head
    old = rotated(device)
    device.begin()
    device.segment()
    now = (device.seq, device.prev)
    device.key, device.endorsements = old, endorsed(device.log_id, old, device.roots)
    device.open_segment()
    device.seq, device.prev = before[0] + 1, before[1]
    device.fragment(4)
    device.seq, device.prev = now
    report = check(device.root)
    assert verdicts(report) == {Verdict.AUTHENTIC: 4, Verdict.UNENDORSED: 4}
    assert "older than the session" in only(report, Code.IDENTITY_WRONG).what_en


def test_row_33_a_new_key_seals_nothing_before_it_came(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    device.segment()
    old, new = device.key, signer("emergency")
    device.key, device.endorsements = new, ()
    device.open_segment()
    device.fragment(4, end_cause=EndCause.ROTATED)
    device.key = old
    device.emergency_key(new)
    device.state()
    device.end()
    assert Code.IDENTITY_WRONG in codes(ended(device))


def test_row_33_an_entry_by_a_rotated_out_key_is_broken_and_unendorsed(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    old = rotated(device)
    device.session(1)
    device.key = old
    device.session(1)
    report = ended(device)
    assert Code.KEY_RETIRED_USED in codes(report)
    assert verdicts(report)[Verdict.UNENDORSED] == 4


def test_row_33_no_entry_follows_a_retirement(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.session(1)
    device.stop()
    device.start()
    device.checkpoint()
    device.key_entry(KeyAct.RETIRED, subject=kid_of(device.key))
    ended = check(device.root)
    assert_intact(ended)
    assert Code.RUN_OPEN_END not in {finding.code for finding in ended.findings}, "a retirement is an orderly end"
    device.session(1)
    report = check(device.root)
    assert not report.intact
    assert verdicts(report) == {Verdict.AUTHENTIC: 4, Verdict.UNENDORSED: 4}


def assert_intact(report: Report) -> None:
    assert report.intact
    assert report.vouched is not None


@pytest.mark.parametrize("act", [KeyAct.ROTATED, KeyAct.RETIRED])
def test_j14_a_key_is_not_rotated_or_retired_within_a_session(act: KeyAct, tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    if act is KeyAct.ROTATED:
        device.rotate_key(signer("second key"))
    else:
        device.key_entry(act, subject=kid_of(device.key))
    assert "within a session" in only(check(device.root), Code.KEY_ORDER).what_en


def test_j15_a_compromise_names_an_entry_of_this_chain_by_number_and_hash(tmp_path: Path) -> None:
    def said(root: Path, head: Callable[[Device], Head]) -> Report:
        device = begun(root)
        device.session(1)
        device.key_entry(KeyAct.COMPROMISED, subject=kid_of(device.key), last_trusted=head(device))
        return ended(device)

    assert said(tmp_path / "a", lambda device: device.head).intact
    assert Code.REFERENCE_WRONG in codes(said(tmp_path / "b", lambda device: (device.head[0], bytes(32))))
    assert Code.REFERENCE_WRONG in codes(said(tmp_path / "c", lambda device: (device.seq + 9, bytes(32))))


def test_a4_the_lowest_of_several_compromises_counts(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    low = device.head
    device.session(1)
    for head in (low, device.head):
        device.key_entry(KeyAct.COMPROMISED, subject=kid_of(device.key), last_trusted=head)
    report = ended(device)
    assert verdicts(report) == {Verdict.UNENDORSED: 4}
    only(report, Code.KEY_COMPROMISED)


# --- emergency and return ------------------------------------------------------------------------------------------


def emergency_and_back(root: Path, *, cut_in: bool = False) -> Device:
    """A session under the device's key, one under an emergency key, one after the key is back."""
    device = begun(root)
    device.session(1)
    device.stop()
    own = device.key
    device.run += 1
    device.emergency_key(signer("emergency"))
    if cut_in:  # power goes between the emergency entry and the `run` entry: that run never ended in order
        device.clean = False
    else:
        device.run -= 1
    device.start()
    device.session(1)
    device.stop()
    device.run += 1
    device.return_key(own)
    device.run -= 1
    device.start()
    device.session(1)
    device.checkpoint()
    device.stop()
    return device


@pytest.mark.parametrize("cut_in", [False, True])
def test_a4_only_what_stands_under_the_emergency_key_is_unendorsed_once_the_key_is_back(
    cut_in: bool, tmp_path: Path
) -> None:
    report = check(emergency_and_back(tmp_path / "archive", cut_in=cut_in).root)
    assert report.intact
    assert report.vouched is None
    assert codes(report, Severity.UNVOUCHED) == {Code.KEY_EMERGENCY}
    assert verdicts(report) == {Verdict.AUTHENTIC: 8, Verdict.UNENDORSED: 4}


def _by_emergency_key(device: Device, own: FileSigner) -> None:
    """The emergency key speaks for the lost one."""
    key = device.key
    device.return_key(own)
    put_back(device, key)


def put_back(device: Device, key: FileSigner) -> None:
    found = entries(device.root)[:-1]
    (device.root / "journal" / "00000000.cbor").write_bytes(b"".join(found))
    device.seq, device.key = device.seq - 1, key
    device.prev = head_of(device.root, device.seq - 1)[1]
    device.key_entry(KeyAct.RETURNED, subject=kid_of(signer("device 1")))


def _rotated_out(device: Device, own: FileSigner) -> None:
    """The emergency key was replaced for good; the lost key turns up after that."""
    device.rotate_key(signer("third key"))
    device.return_key(own)


def _compromised(device: Device, own: FileSigner) -> None:
    device.key_entry(KeyAct.COMPROMISED, subject=kid_of(own), last_trusted=device.head)
    device.return_key(own)


def _twice(device: Device, own: FileSigner) -> None:
    device.return_key(own)
    device.return_key(own)


@pytest.mark.parametrize("attempt", [_by_emergency_key, _rotated_out, _compromised, _twice])
def test_j14_a_key_returns_once_by_its_own_word_and_only_out_of_an_emergency(
    attempt: Callable[[Device, FileSigner], None], tmp_path: Path
) -> None:
    device = begun(tmp_path / "archive")
    own = device.key
    device.emergency_key(signer("emergency"))
    attempt(device, own)
    assert codes(ended(device)) & {Code.KEY_ORDER, Code.KEY_RETIRED_USED}


def test_j14_a_key_returns_out_of_a_second_emergency_too(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    own = device.key
    device.emergency_key(signer("emergency"))
    device.emergency_key(signer("another emergency"))
    device.return_key(own)
    device.emergency_key(signer("a third"))
    device.return_key(own)
    device.session(1)
    report = ended(device)
    assert report.intact
    assert verdicts(report) == {Verdict.AUTHENTIC: 4}


def test_s3_a_segment_open_when_the_key_was_lost_is_stated_by_the_emergency_key_and_unendorsed(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    device.open_segment()
    device.fragment(4)
    device.stop()
    session = device.session_id
    device.session_id = None
    device.run, device.clean = device.run + 1, True
    device.emergency_key(signer("emergency"))
    device.run -= 1
    device.start()
    device.session_id = session
    device.state(EndCause.RECOVERED)
    device.end()
    report = ended(device)
    assert report.intact
    assert verdicts(report) == {Verdict.UNENDORSED: 4}


def test_s3_a_segment_open_when_the_key_came_back_is_stated_by_it_and_stays_unendorsed(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    own = device.key
    device.session(1)
    device.stop()
    device.run += 1
    device.emergency_key(signer("emergency"))
    device.run -= 1
    device.start()
    session = device.begin()
    device.open_segment()
    device.fragment(4)
    device.session_id, device.clean, device.run = None, False, device.run + 1
    device.return_key(own)
    device.run -= 1
    device.start()
    device.session_id = session
    device.state(EndCause.RECOVERED)
    device.end()
    report = ended(device)
    assert report.intact
    assert verdicts(report) == {Verdict.AUTHENTIC: 4, Verdict.UNENDORSED: 4}


@pytest.mark.parametrize("cut_in", [False, True])
def test_the_second_verifier_agrees_on_emergency_return_and_on_a_key_that_must_not_come_back(
    cut_in: bool, tmp_path: Path
) -> None:
    device = emergency_and_back(tmp_path / "archive", cut_in=cut_in)
    assert second_opinion(device.root).returncode == 0
    device.start()
    old = device.key
    device.rotate_key(signer("second key"))
    device.checkpoint()
    assert second_opinion(device.root).returncode == 0
    device.rotate_key(old)
    assert second_opinion(device.root).returncode == 1


# --- endorsements that come later ------------------------------------------------------------------------------------


def test_a3_an_endorsement_that_comes_later_with_a_segment_counts_for_the_whole_key(tmp_path: Path) -> None:
    def recorded(root: Path, *, later: bool) -> Report:
        device = begun(root)
        device.rotate_key(signer("second key"), roots=())
        device.session(1)
        if later:
            device.endorsements = endorsed(device.log_id, device.key, device.roots)
        device.session(1)
        return ended(device)

    assert verdicts(recorded(tmp_path / "a", later=False)) == {Verdict.UNENDORSED: 8}
    endorsed_later = recorded(tmp_path / "b", later=True)
    assert verdicts(endorsed_later) == {Verdict.AUTHENTIC: 8}
    assert endorsed_later.vouched is not None


def test_a3_a_threshold_is_reached_by_endorsements_from_different_places(tmp_path: Path) -> None:
    roots = (signer("root 0"), signer("root 1"))
    device = Device(root=tmp_path / "archive", roots=roots)
    both, device.endorsements = device.endorsements, device.endorsements[:1]
    device.enrol()
    device.start()
    device.session(1)
    assert check(device.root, trust_of(roots, threshold=2)).vouched is None
    device.endorsements = both[1:]
    device.session(1)
    device.stop()
    assert check(device.root, trust_of(roots, threshold=2)).vouched is not None


# --- the age of the trust file ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "words"), [(40, ("43 天", "43 days")), (400, ("索取", "newer")), (-9, ("晚于", "later than"))]
)
def test_every_report_tells_the_age_of_the_trust_file_and_an_old_or_future_one_is_said(
    days: int, words: tuple[str, str], tmp_path: Path
) -> None:
    trust = replace(TRUST, issued_ms=TRUST.issued_ms - days * 24 * 3600 * 1000)
    device = closed_archive(tmp_path / "archive", sessions=1)
    vouched = check(device.root, trust)
    journal = device.root / "journal" / "00000000.cbor"
    journal.write_bytes(journal.read_bytes()[:200] + b"?" + journal.read_bytes()[201:])
    for report in (vouched, check(device.root, trust)):
        for language, said in zip((Language.ZH, Language.EN), words, strict=True):
            assert said in to_text(report, language, integrity_only=False)
        assert told(report)["age_days"] == days + 3
        assert (told(report)["old"], told(report)["from_the_future"]) == (days == 400, days == -9)


def told(report: Report) -> dict[str, object]:
    trust = to_json(report)["trust"]
    assert isinstance(trust, dict)
    return trust


def test_s3_a_genuine_segment_that_lies_in_another_place_is_not_counted_again_as_authentic(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    session = device.session(2)
    first = segments(device.root, session)[0]
    (first.parent / "000002.mp4").write_bytes(first.read_bytes())
    report = ended(device)
    assert not report.intact
    assert Code.IDENTITY_WRONG in codes(report)
    assert verdicts(report) == {Verdict.AUTHENTIC: 8, Verdict.UNENDORSED: 4}
