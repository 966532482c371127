"""FORMAT.md 5.8, steps J26, J18 and S1: for what the local copy of content may go, and what excuses nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from liuhen import entry
from liuhen.entry import Position
from liuhen.findings import Code, Severity, Verdict
from liuhen.hashing import ZERO_HASH, sha256
from liuhen.keeping import Keeping
from liuhen.kinds import Amend, Enrolment, Hold, Receipt, Reclaimed
from liuhen.registry import ContentKind, HoldAct, RetentionMode
from liuhen.report import Language, to_json, to_text
from liuhen.stored import Bar, Reasons, Stored
from tests.signing.archives import UTC_START_MS, signer
from tests.signing.checking import assert_untouched, codes, only, verdicts
from tests.signing.kept import DAY_MS, LATER_MS, OTHER_STORE, PAST_MS, STORE, Kept, kept_archive
from tests.test_second_verifier import second_opinion


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return kept_archive(tmp_path / "archive")


# --- what may go -----------------------------------------------------------------------------------------------------


def test_j26_what_went_for_a_receipt_and_an_order_is_in_the_store_and_nothing_is_broken(kept: Kept) -> None:
    kept.term(PAST_MS)
    kept.reclaim(kept.receipt(), order=kept.order())
    report = kept.report()
    assert report.intact
    assert report.vouched is not None
    assert codes(report, Severity.NOTE) == {Code.SEGMENT_RECLAIMED, Code.RECORD_RECLAIMED}
    assert verdicts(report) == {Verdict.AUTHENTIC: 8, Verdict.IN_STORE: 8}
    assert second_opinion(kept.device.root).returncode == 0


def test_j26_the_first_line_never_claims_more_than_was_read(kept: Kept) -> None:
    kept.term(PAST_MS)
    kept.reclaim(kept.receipt(), order=kept.order())
    report = kept.report()
    assert "8 片在存储中，未在此核验" in to_text(report, Language.ZH, integrity_only=False).splitlines()[0]
    assert "not verified here" in to_text(report, Language.EN, integrity_only=False).splitlines()[0]


def test_j26_the_report_says_what_receipts_name_and_that_it_is_a_claim(kept: Kept) -> None:
    kept.term(PAST_MS)
    receipt = kept.receipt(LATER_MS)
    kept.receipt(None, store=OTHER_STORE, designated=0, mode=RetentionMode.NONE)
    report = kept.report()
    zh = to_text(report, Language.ZH, integrity_only=False)
    assert f"存储 {STORE.hex()[:16]}（指定存储）：已回读 2 段、1 份附录；合规锁定，最早保存至 2026" in zh
    assert f"最近回执为第 {receipt} 号条目" in zh
    assert "非 WORM" in zh
    assert "入库情况（依设备的回执，系其自称）" in zh
    stores = to_json(report)["stores"]
    assert isinstance(stores, list)
    assert [(row["segments"], row["designated"], row["retention_unreported"]) for row in stores] == [
        (2, True, False),
        (2, False, True),
    ]


def test_j26_an_archive_without_receipts_says_nothing_of_stores(kept: Kept) -> None:
    report = kept.report()
    assert_untouched(report)
    assert "入库" not in to_text(report, Language.ZH, integrity_only=False)


def test_j26_receipts_alone_find_nothing(kept: Kept) -> None:
    kept.receipt()
    kept.order()
    assert_untouched(kept.report())


def test_j26_what_was_reclaimed_and_is_here_again_is_judged_as_ever(kept: Kept) -> None:
    kept.term(PAST_MS)
    kept.reclaim(kept.receipt(), order=kept.order(), remove=False)
    assert_untouched(kept.report())


def test_j26_for_good_needs_two_stores(kept: Kept) -> None:
    kept.term(None)
    first, second = kept.receipt(), kept.receipt(store=OTHER_STORE)
    kept.reclaim(first, second, order=kept.order())
    assert kept.report().intact


def test_j26_a_hold_that_was_lifted_binds_no_more(kept: Kept) -> None:
    kept.term(PAST_MS)
    kept.lift(kept.hold(kept.session), kept.session)
    kept.reclaim(kept.receipt(), order=kept.order(kept.session))
    assert kept.report().intact


def test_j26_destroyed_comes_before_reclaimed(kept: Kept) -> None:
    kept.term(PAST_MS)
    kept.reclaim(kept.receipt(), order=kept.order(), remove=False)
    kept.destroy()
    assert verdicts(kept.report()) == {Verdict.AUTHENTIC: 8, Verdict.MISSING_EXPLAINED: 8}


# --- what excuses nothing --------------------------------------------------------------------------------------------


def _plain(kept: Kept) -> None:
    kept.reclaim(kept.receipt(), order=kept.order())


def _undesignated(kept: Kept) -> None:
    kept.reclaim(kept.receipt(designated=0), order=kept.order())


def _not_worm(kept: Kept) -> None:
    kept.reclaim(kept.receipt(mode=RetentionMode.NONE), order=kept.order())


def _governed(kept: Kept) -> None:
    kept.reclaim(kept.receipt(mode=RetentionMode.GOVERNANCE), order=kept.order())


def _mode_of_tomorrow(kept: Kept) -> None:
    kept.reclaim(kept.receipt(mode=9), order=kept.order())


def _held(kept: Kept, session: bytes | None) -> None:
    kept.hold(session)
    _plain(kept)


def _ordered_for_another(kept: Kept) -> None:
    kept.reclaim(kept.receipt(), order=kept.order(kept.other))


def _other_contents(kept: Kept) -> None:
    kept.reclaim(kept.receipt(contents=((1, sha256(b"else")),)), order=kept.order())


def _usurped(kept: Kept) -> None:
    kept.device.emergency_key(signer("nobody"))
    _plain(kept)


UNFOUNDED: dict[str, tuple[int | None, Callable[[Kept], None], Bar]] = {
    "no term": (-1, _plain, Bar.TERM_UNSET),
    "held": (PAST_MS, lambda kept: _held(kept, kept.session), Bar.HELD),
    "everything held": (PAST_MS, lambda kept: _held(kept, None), Bar.HELD),
    "no order": (PAST_MS, lambda kept: _discard(kept.reclaim(kept.receipt(), order=None)), Bar.UNWITNESSED),
    "an order of another kind": (
        PAST_MS,
        lambda kept: _discard(kept.reclaim(kept.receipt(), order=kept.order(code=7))),
        Bar.UNWITNESSED,
    ),
    "an order for another session": (PAST_MS, _ordered_for_another, Bar.UNWITNESSED),
    "no receipt": (PAST_MS, lambda kept: _discard(kept.reclaim(order=kept.order())), Bar.NO_RECEIPT),
    "a receipt of something else": (PAST_MS, _other_contents, Bar.NO_RECEIPT),
    "not the designated store": (PAST_MS, _undesignated, Bar.NOT_DESIGNATED),
    "a directory": (PAST_MS, _not_worm, Bar.NOT_WORM),
    "a lock that can be lifted": (PAST_MS, _governed, Bar.LIFTABLE),
    "a lock of an unknown kind": (PAST_MS, _mode_of_tomorrow, Bar.NOT_WORM),
    "kept too short": (LATER_MS + 1, _plain, Bar.RETENTION_SHORT),
    "no retention": (
        PAST_MS,
        lambda kept: _discard(kept.reclaim(kept.receipt(None), order=kept.order())),
        Bar.RETENTION_SHORT,
    ),
    "for good in one store": (None, _plain, Bar.ONE_STORE),
    "for good, twice in the same": (
        None,
        lambda kept: _discard(kept.reclaim(kept.receipt(), kept.receipt(), order=kept.order())),
        Bar.ONE_STORE,
    ),
    "for good, and over already": (
        None,
        lambda kept: _discard(
            kept.reclaim(kept.receipt(PAST_MS), kept.receipt(PAST_MS, store=OTHER_STORE), order=kept.order())
        ),
        Bar.RETENTION_SHORT,
    ),
    "under a key that names itself": (PAST_MS, _usurped, Bar.KEY_SUCCESSION),
}


def _discard(_: int) -> None:
    """The seq is of no interest."""


@pytest.mark.parametrize("name", UNFOUNDED)
def test_j26_a_reclaim_that_the_chain_forbids_excuses_nothing(kept: Kept, name: str) -> None:
    term_ms, act, bar = UNFOUNDED[name]
    if term_ms != -1:
        kept.term(term_ms)
    act(kept)
    report = kept.report()
    assert not report.intact
    assert Code.SEGMENT_MISSING in codes(report)
    assert Verdict.IN_STORE not in verdicts(report)
    assert {Code.RECORD_ABSENT} <= codes(report, Severity.NOTE)
    found = only(report, Code.RECLAIM_UNFOUNDED)
    assert bar.words_zh in found.what_zh
    assert bar.words_en in found.what_en
    assert second_opinion(kept.device.root).returncode == 1


def test_j26_the_last_millisecond_of_the_term_is_kept_and_no_more_is_asked(kept: Kept) -> None:
    kept.term(LATER_MS)
    kept.reclaim(kept.receipt(LATER_MS), order=kept.order())
    assert kept.report().intact


def test_j26_a_receipt_or_order_after_the_reclaim_comes_too_late(kept: Kept) -> None:
    kept.term(PAST_MS)
    at = kept.device.seq
    kept.reclaim(at + 1, order=at + 2)
    kept.receipt(contents=())
    kept.order()
    report = kept.report()
    assert "is no receipt before it" in only(report, Code.RECLAIM_ORDER).what_en
    assert "不是其前的回执" in only(report, Code.RECLAIM_ORDER).what_zh
    assert Code.SEGMENT_MISSING in codes(report)


@pytest.mark.parametrize("twice", [False, True])
def test_j26_receipts_ascend(kept: Kept, twice: bool) -> None:
    kept.term(PAST_MS)
    first, second = kept.receipt(), kept.receipt()
    kept.reclaim(*((first, first) if twice else (second, first)), order=kept.order(), remove=False)
    assert only(kept.report(), Code.RECLAIM_ORDER).what_zh.endswith("所列回执未按序")


def test_j26_an_order_that_is_not_one_is_told(kept: Kept) -> None:
    kept.term(PAST_MS)
    receipt = kept.receipt()
    kept.reclaim(receipt, order=receipt)
    report = kept.report()
    assert f"entry {receipt} is no order before it" in only(report, Code.RECLAIM_ORDER).what_en
    assert Code.SEGMENT_MISSING in codes(report)


def test_j26_a_record_that_another_session_needs_longer_does_not_go_with_the_first(kept: Kept) -> None:
    kept.term(PAST_MS)
    kept.term(LATER_MS + DAY_MS, kept.other)
    amend = Amend(refers_to=0, refers_to_hash=sha256(b""), length_ns=None, cause=None, records=((1, kept.record),))
    kept.about(kept.other, amend)
    kept.reclaim(kept.receipt(), order=kept.order())
    report = kept.report()
    assert Bar.RETENTION_SHORT.words_en in only(report, Code.RECLAIM_UNFOUNDED).what_en
    assert "(1 pieces" in only(report, Code.RECLAIM_UNFOUNDED).what_en
    assert verdicts(report)[Verdict.IN_STORE] == 8
    assert Code.RECORD_RECLAIMED not in codes(report, Severity.NOTE)


def test_j26_a_reclaim_of_one_session_excuses_no_segment_of_another(kept: Kept) -> None:
    kept.term(PAST_MS)
    path = kept.device.root / "sessions" / kept.other.hex() / "000000.mp4"
    row = (int(ContentKind.SEGMENT), sha256(path.read_bytes()))
    receipt, order = kept.receipt(contents=(row,)), kept.order()
    kept.about(kept.session, Reclaimed(contents=(row,), receipts=(receipt,), witness=None, order=order, records=()))
    path.unlink()
    assert only(kept.report(), Code.SEGMENT_MISSING).place.session == kept.other


# --- the fold by itself ----------------------------------------------------------------------------------------------


def _entry(body: object, seq: int, *, seen: tuple[int, bytes, int, bytes] | None = None) -> entry.Entry:
    at = Position(log_id=bytes(16), run=1, seq=seq, prev=ZERO_HASH)
    clock = (UTC_START_MS, seq, bytes(16), 2, 5)
    encoded = entry.make(body, at=at, clock=clock, session_id=None, seen=seen, signer=signer("x"))  # type: ignore[arg-type]
    return entry.parse(encoded, where="test")


def _reasons(**changes: object) -> Reasons:
    given: dict[str, object] = {"session": b"s" * 16, "utc_ms": 0, "receipts": (1,), "witness": None, "order": None}
    return Reasons(**(given | changes))  # type: ignore[arg-type]


def test_j26_only_a_witness_that_an_entry_has_seen_stands() -> None:
    witness = (4, bytes(32), 5, bytes(32))
    stored = Stored(Keeping())
    content = (int(ContentKind.SEGMENT), bytes(32))
    assert stored.forbids([content], _reasons(witness=witness))[content] is Bar.UNWITNESSED
    hold = Hold(act=HoldAct.PLACED, session=None, placed=None, records=())
    stored.accept(_entry(hold, 5, seen=witness))
    assert stored.forbids([content], _reasons(witness=witness))[content] is Bar.SESSION_OPEN
    assert stored.forbids([content], _reasons(witness=(5, *witness[1:])))[content] is Bar.UNWITNESSED


def test_j26_a_record_of_no_session_is_kept_for_good() -> None:
    stored = Stored(Keeping())
    content = (int(ContentKind.RECORD), bytes(32))
    row = (0, bytes(32), bytes(32), 1, "", UTC_START_MS, 0)
    for seq, store in ((1, STORE), (2, STORE), (3, OTHER_STORE)):
        body = Receipt(store=store, designated=1, mode=2, server_key=None, objects=(row,), records=())
        stored.accept(_entry(body, seq))
    witness = (4, bytes(32), 5, bytes(32))
    stored.accept(
        _entry(Enrolment(public_key=signer("x").public_key, endorsements=(), spool_id=bytes(16)), 4, seen=witness)
    )
    one = _reasons(session=None, receipts=(1, 2), witness=witness)
    assert stored.forbids([content], one) == {content: Bar.ONE_STORE}
    assert stored.forbids([content], _reasons(session=None, receipts=(1, 3), witness=witness)) == {}


KEYS = (bytes([1]) * 32, bytes([2]) * 32)


@pytest.mark.parametrize(
    ("rows", "bar"),
    [
        (((STORE, KEYS[0]), (OTHER_STORE, KEYS[0])), Bar.SAME_SERVER),
        (((STORE, KEYS[0]), (STORE, KEYS[1])), Bar.ONE_STORE),
        (((STORE, KEYS[0]), (OTHER_STORE, KEYS[1])), None),
        (((STORE, None), (OTHER_STORE, None)), None),
        (((STORE, None), (OTHER_STORE, KEYS[0])), None),
        (((STORE, KEYS[0]), (OTHER_STORE, KEYS[0]), (OTHER_STORE, KEYS[1])), None),
        (((STORE, KEYS[0]), (STORE, KEYS[1]), (OTHER_STORE, KEYS[0])), None),
    ],
)
def test_j26_two_names_of_one_server_are_one_store(
    rows: tuple[tuple[bytes, bytes | None], ...], bar: Bar | None
) -> None:
    stored, content = Stored(Keeping()), (int(ContentKind.RECORD), bytes(32))
    row = (0, bytes(32), bytes(32), 1, "", UTC_START_MS, 0)
    for seq, (store, server_key) in enumerate(rows):
        body = Receipt(store=store, designated=1, mode=2, server_key=server_key, objects=(row,), records=())
        stored.accept(_entry(body, seq))
    witness = (4, bytes(32), 5, bytes(32))
    stored.accept(
        _entry(Enrolment(public_key=signer("x").public_key, endorsements=(), spool_id=bytes(16)), 9, seen=witness)
    )
    reasons = _reasons(session=None, receipts=tuple(range(len(rows))), witness=witness)
    assert stored.forbids([content], reasons).get(content) is bar
    at_the_end = replace(reasons, utc_ms=UTC_START_MS)
    assert stored.forbids([content], at_the_end)[content] is Bar.RETENTION_SHORT, "kept until now is not kept"
