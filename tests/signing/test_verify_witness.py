"""What a holder of some key of the log may try: each attempt is found, and its honest twin is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from liuhen import cose
from liuhen.findings import Code, Severity, Verdict
from liuhen.keys import FileSigner
from liuhen.kinds import Choice, Event, Heartbeat, Key, Refusal
from liuhen.registry import ChoiceCode, EndCause, EventCode, KeyAct, Purpose, RefusalCode, Stream
from liuhen.report import Report
from tests.signing.archives import SECOND_NS, Device, closed_archive, signer, trust_of
from tests.signing.checking import assert_untouched, check, codes, only, verdicts

STAND_IN = (("libcamera", "0", "simulated", 0),)


def begun(root: Path) -> Device:
    device = Device(root=root)
    device.enrol()
    device.start()
    return device


def ended(device: Device) -> Report:
    device.checkpoint()
    device.stop()
    return check(device.root)


def emergency(device: Device, key: FileSigner) -> None:
    """A key makes itself the emergency key."""
    body = Key(
        act=KeyAct.EMERGENCY,
        subject=cose.key_id(device.key.public_key),
        new_public_key=key.public_key,
        endorsements=(),
        last_trusted=None,
        old_head=device.head,
        cause=0,
    )
    device.append(body, by=key, session=False)
    device.key = key


# --- J14: no key comes back ------------------------------------------------------------------------------------------


def rotated_out(device: Device) -> None:
    old = device.key
    device.rotate_key(signer("second key"))
    emergency(device, old)


def retired(device: Device) -> None:
    device.key_entry(KeyAct.RETIRED, subject=cose.key_id(device.key.public_key))
    emergency(device, device.key)


def compromised(device: Device) -> None:
    kid = cose.key_id(device.key.public_key)
    device.key_entry(KeyAct.COMPROMISED, subject=kid, last_trusted=device.head)
    emergency(device, device.key)


def in_force(device: Device) -> None:
    emergency(device, device.key)


@pytest.mark.parametrize("attempt", [rotated_out, retired, compromised, in_force])
def test_j14_a_key_the_log_has_known_never_comes_back_as_emergency(
    attempt: Callable[[Device], None], tmp_path: Path
) -> None:
    device = begun(tmp_path / "archive")
    device.session(1)
    attempt(device)
    device.session(1)
    report = ended(device)
    assert not report.intact
    assert report.vouched is None
    assert codes(report) & {Code.KEY_ORDER, Code.KEY_RETIRED_USED}
    assert verdicts(report) == {Verdict.AUTHENTIC: 4, Verdict.UNENDORSED: 4}


def test_j14_an_emergency_key_the_log_has_never_known_leaves_the_archive_intact(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.session(1)
    emergency(device, signer("fresh"))
    device.session(1)
    report = ended(device)
    assert report.intact
    assert codes(report, Severity.UNVOUCHED) == {Code.KEY_EMERGENCY}
    assert verdicts(report) == {Verdict.AUTHENTIC: 4, Verdict.UNENDORSED: 4}


def test_j14_not_even_a_fresh_emergency_key_continues_a_retired_log(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.key_entry(KeyAct.RETIRED, subject=cose.key_id(device.key.public_key))
    emergency(device, signer("fresh"))
    assert Code.KEY_RETIRED_USED in codes(ended(device))


def test_j14_a_key_is_not_rotated_back(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    old = device.key
    device.rotate_key(signer("second key"))
    device.rotate_key(old)
    device.session(1)
    report = ended(device)
    assert Code.KEY_ORDER in codes(report)
    assert verdicts(report) == {Verdict.UNENDORSED: 4}


# --- A4: compromised and revoked -------------------------------------------------------------------------------------


def test_a4_what_a_compromised_key_stated_above_its_last_trusted_entry_is_unendorsed(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.session(1)
    limit = device.head
    device.session(1)
    device.key_entry(KeyAct.COMPROMISED, subject=cose.key_id(device.key.public_key), last_trusted=limit)
    report = ended(device)
    assert report.intact
    assert verdicts(report) == {Verdict.AUTHENTIC: 4, Verdict.UNENDORSED: 4}


def test_a4_without_a_journal_nothing_under_a_revoked_key_is_vouched(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1, segments=1)
    revoked = trust_of(device.roots, revoked=((cose.key_id(device.key.public_key), device.head, 0),))
    file = next(device.root.glob("sessions/*/000000.mp4"))
    bare = tmp_path / "000000.mp4"
    bare.write_bytes(file.read_bytes())
    report = check(bare, revoked)
    assert report.vouched is None
    assert Code.KEY_REVOKED in codes(report, Severity.UNVOUCHED)
    assert Verdict.AUTHENTIC not in verdicts(report)
    assert check(bare).vouched is not None
    with_journal = check(device.root, revoked)
    assert with_journal.vouched is not None
    assert codes(with_journal, Severity.WARNING) == {Code.KEY_REVOKED_USED}


# --- J19, J20: what the device says ----------------------------------------------------------------------------------


def test_j20_a_stand_in_under_a_production_key_takes_the_endorsement_away_and_is_told_once(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.software = STAND_IN
    device.session(1)
    device.session(1)
    report = ended(device)
    assert report.intact
    assert report.vouched is None
    assert "libcamera (simulated)" in only(report, Code.SUBSTITUTED_SOURCE).what_en


def test_j20_a_stand_in_under_a_demonstration_key_is_told(tmp_path: Path) -> None:
    device = Device(root=tmp_path / "archive", purpose=Purpose.DEMO, software=STAND_IN)
    device.enrol()
    device.start()
    report = ended(device)
    assert report.vouched is not None
    assert codes(report, Severity.NOTE) == {Code.SUBSTITUTED_SOURCE_DEMO, Code.DEMO}


@pytest.mark.parametrize(("substitutes", "told"), [(0, False), (1, True)])
def test_j20_a_stand_in_that_was_opened_later_takes_the_endorsement_away_too(
    tmp_path: Path, substitutes: int, told: bool
) -> None:
    device = begun(tmp_path / "archive")
    span = (device.now_ns, device.now_ns)
    device.append(
        Event(
            code=EventCode.SOURCE_ORIGIN,
            severity=0,
            stream=Stream.PICTURE,
            span_ns=span,
            measured=(3, substitutes),
            refers_to=None,
            records=(),
        )
    )
    report = ended(device)
    assert report.intact
    assert (Code.SUBSTITUTED_SOURCE in {finding.code for finding in report.findings}) is told


def test_j19_refusals_and_choices_are_told_in_words(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.append(Refusal(code=RefusalCode.CAMERA_BUSY, measured=(), records=()), session=False)
    for value in (1, 1, 0):
        device.append(Choice(code=ChoiceCode.NO_INTERLOCK, value=value, records=()), session=False)
    report = ended(device)
    assert report.vouched is not None
    assert "摄像头被占用" in only(report, Code.START_REFUSED).what_zh
    told = [finding.what_zh for finding in report.findings if finding.code is Code.CHOICE]
    assert [words[-3:] for words in told] == ["（1）", "（0）"]


def test_j19_heartbeats_that_count_more_missing_than_the_statements_are_told(tmp_path: Path) -> None:
    def recorded(root: Path, missed: tuple[int, int]) -> Report:
        device = begun(root)
        device.begin()
        device.append(
            Heartbeat(
                position=None,
                frames=0,
                samples=0,
                missed=missed,
                queue_ms=0,
                seal_delay_ms=0,
                free_bytes=1,
                parts_per_billion=None,
                level_millibel=None,
            )
        )
        device.open_segment()
        device.fragment(4, end_cause=EndCause.STOPPED)
        device.state(EndCause.STOPPED, missed=(2, 0))
        device.end()
        return ended(device)

    assert len([f for f in recorded(tmp_path / "a", (2, 0)).findings if f.code is Code.KNOWN_MISSING]) == 1
    assert len([f for f in recorded(tmp_path / "b", (2, 900)).findings if f.code is Code.KNOWN_MISSING]) == 2


# --- S10: time without media -----------------------------------------------------------------------------------------


def beats(device: Device, seconds: int) -> None:
    """Nothing is recorded, but the device is alive."""
    for _ in range(seconds // 10):
        device.pass_ns(10 * SECOND_NS)
        device.heartbeat()


def broken_off(root: Path) -> Device:
    """The process dies between two segments and goes on in the same session 300 ms later."""
    device = begun(root)
    device.begin()
    device.segment()
    since, session = (device.boot_id, device.now_ns), device.session_id
    device.pass_ns(3 * SECOND_NS // 10)
    length = (3 * SECOND_NS // 10, 3 * SECOND_NS // 10)
    device.start(recovered=replace(device.found_nothing(), since=since, length_ns=length))
    device.session_id = session
    device.segment()
    return device


@pytest.mark.parametrize(("silent_s", "broken"), [(0, set()), (30, {Code.HOLE_UNEXPLAINED})])
def test_s10_a_recovered_entry_excuses_no_later_hole(silent_s: int, broken: set[Code], tmp_path: Path) -> None:
    device = broken_off(tmp_path / "archive")
    beats(device, silent_s)
    device.segment(cause=EndCause.STOPPED)
    device.end()
    assert codes(ended(device)) == broken


@pytest.mark.parametrize(("before_s", "after_s", "holes"), [(50, 50, 0), (70, 0, 2), (0, 70, 2)])
def test_s10_a_session_begins_and_ends_with_media_or_says_why(
    before_s: int, after_s: int, holes: int, tmp_path: Path
) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    beats(device, before_s)
    device.segment(cause=EndCause.STOPPED)
    beats(device, after_s)
    device.end()
    report = ended(device)
    assert [finding.code for finding in report.findings] == [Code.HOLE_UNEXPLAINED] * holes


def test_s10_a_gap_accounts_for_a_late_beginning(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    since, gap = device.now_ns, device.gap()
    beats(device, 70)
    device.gap_end(gap, since_ns=since)
    device.mark(refers_to=gap)
    device.segment(cause=EndCause.STOPPED)
    device.end()
    assert_untouched(ended(device))


@pytest.mark.parametrize(("idle_s", "holes"), [(0, 0), (70, 2)])
def test_s10_a_segment_holds_as_much_media_as_its_span_lasts(idle_s: int, holes: int, tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    device.open_segment()
    device.fragment(2)
    beats(device, idle_s)
    device.fragment(2, end_cause=EndCause.STOPPED)
    device.state(EndCause.STOPPED)
    device.end()
    assert [finding.code for finding in ended(device).findings] == [Code.HOLE_UNEXPLAINED] * holes


@pytest.mark.parametrize(("fragments", "severity"), [(4, Severity.WARNING), (200, Severity.BROKEN)])
def test_s10_a_promised_stream_that_never_comes_is_told(fragments: int, severity: Severity, tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    device.open_segment(streams=(0,))
    for _ in range(fragments // 4 - 1):
        device.fragment(4)
        device.heartbeat()
    device.fragment(4, end_cause=EndCause.STOPPED)
    device.state(EndCause.STOPPED)
    device.end()
    report = ended(device)
    only(report, Code.STREAM_ABSENT)
    assert (
        codes(report, severity)
        == {
            Severity.WARNING: {Code.STREAM_ABSENT},
            Severity.BROKEN: {Code.HOLE_UNEXPLAINED},
        }[severity]
    )


# --- J5: a journal has a beginning -----------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"\xd2", b"\xd2\x84\x58"])
def test_j5_a_journal_without_an_entry_is_broken(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "archive" / "journal").mkdir(parents=True)
    (tmp_path / "archive" / "sessions").mkdir()
    (tmp_path / "archive" / "journal" / "00000000.cbor").write_bytes(content)
    report = check(tmp_path / "archive", None)
    assert not report.intact
    assert Code.HEAD_MISSING in codes(report)
