"""What a device may destroy: the pure decision over a journal's ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.destruction import read_ledger
from edge.ports import SyncState
from edge.retention import Allowed, Denied, Ledger, may_destroy
from liuhen.kinds import Amend, Clock, Destroyed, EntryBody, Hold, Recovered, Retention
from liuhen.registry import ContentKind, GapCause, HoldAct, RefusalCode
from tests.signing.archives import UTC_START_MS, Device, entries, put_entries, signer

DAY_MS = 86_400_000
PAST_MS = UTC_START_MS - DAY_MS


def now(days: float = 0, *, sync: SyncState = SyncState.SYNCHRONISED, error_ms: int = 5) -> Clock:
    return (UTC_START_MS + int(days * DAY_MS), 0, bytes(16), int(sync), error_ms)


class Made:
    """An archive with two sessions of one record each."""

    def __init__(self, root: Path) -> None:
        self.device = Device(root=root)
        self.device.enrol()
        self.device.start()
        self.records = [self.device.record("一"), self.device.record("二")]
        self.sessions = [self.device.session(2, commitments=((1, record),)) for record in self.records]

    def append(self, body: EntryBody, session: bytes | None = None) -> int:
        self.device.session_id = session
        seq = self.device.append(body)
        self.device.session_id = None
        return seq

    def term(self, until_ms: int | None, number: int = 0) -> None:
        self.append(Retention(session=self.sessions[number], until_ms=until_ms, basis=1, records=()))

    def name_again(self, number: int, record: bytes) -> None:
        amend = Amend(refers_to=0, refers_to_hash=bytes(32), length_ns=None, cause=None, records=((1, record),))
        self.append(amend, self.sessions[number])

    def ledger(self) -> Ledger:
        return read_ledger(self.device.root)

    def decide(self, clock: Clock) -> Allowed | Denied:
        ledger = self.ledger()
        return may_destroy(ledger, self.sessions[0], ledger.contents_of(self.sessions[0]), clock)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "spool")


def test_without_a_term_nothing_is_ever_destroyed(made: Made) -> None:
    denied = made.decide(now(days=36_500))
    assert denied == Denied(code=RefusalCode.TERM_UNSET, session=made.sessions[0])


def test_what_is_past_its_term_goes_with_its_record_and_nothing_else(made: Made) -> None:
    made.term(PAST_MS)
    allowed = made.decide(now())
    assert isinstance(allowed, Allowed)
    assert [what for what, _ in allowed.contents] == [ContentKind.SEGMENT, ContentKind.SEGMENT, ContentKind.RECORD]
    assert allowed.contents[-1][1] == made.records[0]


def test_a_term_is_over_when_the_earliest_possible_time_is_past_it(made: Made) -> None:
    made.term(UTC_START_MS + 1_000)
    after = (UTC_START_MS + 1_200, 0, bytes(16), int(SyncState.SYNCHRONISED), 200)
    assert isinstance(made.decide(after), Allowed)
    early = (UTC_START_MS + 1_200, 0, bytes(16), int(SyncState.SYNCHRONISED), 201)
    assert made.decide(early) == Denied(
        code=RefusalCode.IN_TERM, session=made.sessions[0], until_ms=UTC_START_MS + 1_000
    )


@pytest.mark.parametrize("sync", [SyncState.UNKNOWN, SyncState.UNSYNCHRONISED, SyncState.HOLDOVER])
def test_a_clock_that_follows_no_reference_ends_no_term(made: Made, sync: SyncState) -> None:
    made.term(PAST_MS)
    denied = made.decide(now(days=36_500, sync=sync))
    assert isinstance(denied, Denied)
    assert denied.code is RefusalCode.CLOCK_UNPROVEN


def test_for_good_means_for_good(made: Made) -> None:
    made.term(PAST_MS)
    made.term(None)
    denied = made.decide(now(days=36_500))
    assert isinstance(denied, Denied)
    assert denied.code is RefusalCode.PERMANENT


def test_a_hold_keeps_what_is_past_its_term_until_it_is_lifted(made: Made) -> None:
    made.term(PAST_MS)
    held = made.append(Hold(act=HoldAct.PLACED, session=None, placed=None, records=()))
    denied = made.decide(now())
    assert isinstance(denied, Denied)
    assert denied.code is RefusalCode.HELD
    made.append(Hold(act=HoldAct.LIFTED, session=None, placed=held, records=()))
    assert isinstance(made.decide(now()), Allowed)


def test_an_open_session_is_kept(tmp_path: Path) -> None:
    device = Device(root=tmp_path / "spool")
    device.enrol()
    device.start()
    session = device.begin()
    device.segment()
    device.append(Retention(session=session, until_ms=PAST_MS, basis=1, records=()))
    ledger = read_ledger(device.root)
    denied = may_destroy(ledger, session, ledger.contents_of(session), now())
    assert isinstance(denied, Denied)
    assert denied.code is RefusalCode.SESSION_OPEN


def test_a_record_that_another_session_names_stays_with_that_one(made: Made) -> None:
    made.term(PAST_MS)
    made.name_again(1, made.records[0])
    allowed = made.decide(now())
    assert isinstance(allowed, Allowed)
    assert ContentKind.RECORD not in [what for what, _ in allowed.contents]
    asked = ((int(ContentKind.RECORD), made.records[0]),)
    denied = may_destroy(made.ledger(), made.sessions[0], asked, now())
    assert isinstance(denied, Denied)
    assert denied.code is RefusalCode.TERM_UNSET


def test_where_entries_are_missing_nothing_is_destroyed_for_one_might_be_a_hold(made: Made) -> None:
    made.term(PAST_MS)
    made.append(Hold(act=HoldAct.PLACED, session=None, placed=None, records=()))
    made.device.checkpoint()
    whole = entries(made.device.root)
    put_entries(made.device.root, [*whole[:-2], whole[-1]])
    denied = made.decide(now())
    assert isinstance(denied, Denied)
    assert denied.code is RefusalCode.JOURNAL_INCOMPLETE
    put_entries(made.device.root, whole)
    still = made.decide(now())
    assert isinstance(still, Denied)
    assert still.code is RefusalCode.HELD


def test_bytes_in_quarantine_belong_to_their_session(made: Made) -> None:
    rows = ((made.sessions[0], 1, 7, bytes([9] * 32)), (made.sessions[1], 0, 8, bytes([8] * 32)))
    made.append(
        Recovered(
            head=None,
            torn_journal_bytes=0,
            last_durable=None,
            quarantined=rows,
            rotten=(),
            since=None,
            length_ns=None,
            cause=GapCause.POWER_LOW,
        )
    )
    contents = made.ledger().contents_of(made.sessions[0])
    assert [digest for what, digest in contents if what == ContentKind.QUARANTINED] == [bytes([9] * 32)]


def test_what_was_destroyed_before_is_not_destroyed_again(made: Made) -> None:
    made.term(PAST_MS)
    contents = made.ledger().contents_of(made.sessions[0])
    made.append(Destroyed(contents=contents, basis=0, records=()), made.sessions[0])
    assert made.ledger().contents_of(made.sessions[0]) == ()
    assert made.decide(now()) == Allowed(session=made.sessions[0], contents=(), clock=now())


def test_an_unfounded_destruction_found_in_the_journal_destroys_nothing(made: Made) -> None:
    contents = made.ledger().contents_of(made.sessions[0])
    made.append(Destroyed(contents=contents, basis=0, records=()), made.sessions[0])
    assert made.ledger().destroyed == {}


def test_a_device_whose_lost_key_was_replaced_destroys_nothing_of_what_stood_before(made: Made) -> None:
    made.term(PAST_MS)
    made.device.emergency_key(signer("emergency"))
    made.device.rotate_key(signer("successor"))
    denied = made.decide(now())
    assert isinstance(denied, Denied)
    assert denied.code is RefusalCode.KEY_SUCCESSION
