"""The ledger says what the journal says, whatever happens to its own file, and folds each entry once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import holdings
from edge.holdings import Holdings, LedgerFault, SessionRow
from edge.journal_follow import JournalFollower
from edge.slices import Slice
from liuhen.kinds import Recovered, SessionEnd
from liuhen.registry import EndCause, ObjectKind, OrderCode
from tests.signing.archives import Device, closed_archive, open_archive
from tests.signing.kept import LATER_MS, OTHER_STORE, STORE, Kept, kept_archive

ALL = 1 << 62


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return kept_archive(tmp_path / "archive")


@pytest.fixture
def ledger(tmp_path: Path, kept: Kept) -> Iterator[Holdings]:
    made = opened(tmp_path, kept.device.root)
    yield made
    made.close()


def opened(folder: Path, root: Path) -> Holdings:
    made = Holdings(folder / "holdings.sqlite3", lambda: root)
    follow(made)
    return made


def follow(ledger: Holdings) -> None:
    while ledger.follow(ALL):
        pass


def waiting(ledger: Holdings, store: bytes = STORE) -> set[tuple[int, bytes]]:
    return {(row.what, row.content) for row in ledger.waiting(store)}


def test_everything_that_belongs_in_a_store_waits_until_a_receipt_of_that_store_names_it(
    kept: Kept, ledger: Holdings
) -> None:
    before = waiting(ledger)
    assert set(kept.contents()) < before
    assert {what for what, _ in before} >= {ObjectKind.RECORD, ObjectKind.SEGMENT}
    kept.receipt()
    follow(ledger)
    assert waiting(ledger) == before - set(kept.contents())
    assert waiting(ledger, OTHER_STORE) == before
    (found,) = ledger.receipts_of(*kept.contents()[0])
    assert (found.store, found.designated, found.retained_until_ms) == (STORE, True, LATER_MS)


def test_a_content_has_its_number_size_and_session(kept: Kept, ledger: Holdings) -> None:
    rows = [row for row in ledger.contents_of(kept.session) if row.what == ObjectKind.SEGMENT]
    assert [(row.number, row.size) for row in rows] == [
        (number, path.stat().st_size) for number, path in enumerate(kept.files)
    ]
    (record,) = [row for row in ledger.contents_of(kept.session) if row.what == ObjectKind.RECORD]
    assert (record.content, record.size) == (kept.record, None)


def test_what_went_does_not_wait_and_what_a_hold_or_a_term_says_is_known(kept: Kept, ledger: Holdings) -> None:
    everywhere, one = kept.hold(None), kept.hold(kept.session)
    kept.term(LATER_MS)
    kept.term(LATER_MS + 5)
    order = kept.order(kept.session)
    kept.reclaim(kept.receipt(), order=order)
    follow(ledger)
    assert not set(kept.contents()) & waiting(ledger, OTHER_STORE)
    assert (ledger.holds_on(kept.session), ledger.holds_on(kept.other)) == ([everywhere, one], [everywhere])
    found = ledger.session(kept.session)
    assert found is not None
    assert (found.until_ms, found.permanent) == (LATER_MS + 5, False)
    assert ledger.orders(OrderCode.RECLAIM_UNWITNESSED) == [(order, kept.session)]
    kept.lift(one, kept.session)
    kept.term(None)
    follow(ledger)
    assert ledger.holds_on(kept.session) == [everywhere]
    assert ledger.session(kept.session) == replace_row(found, permanent=True)


def replace_row(row: SessionRow, *, permanent: bool) -> SessionRow:
    return SessionRow(**{**{name: getattr(row, name) for name in SessionRow.__slots__}, "permanent": permanent})


def test_a_session_ends_with_its_end_or_with_its_media_where_a_later_start_closed_it(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive")
    ledger = opened(tmp_path, device.root)
    (open_session,) = ledger.sessions()
    assert open_session.ended_ms is None
    media_end_ms = open_session.media_end_ms
    assert media_end_ms is not None
    device.boot()
    device.pass_ns(3600 * 10**9)
    _close_later(device)
    follow(ledger)
    (ended,) = ledger.sessions()
    assert ended.ended_ms == media_end_ms
    assert abs(media_end_ms - open_session.began_ms) < 60_000
    ledger.close()


def _close_later(device: Device) -> None:
    device.start(
        recovered=Recovered(
            head=device.head,
            torn_journal_bytes=0,
            last_durable=None,
            quarantined=((device.session_id or b"", 1, 7, bytes(32)),),
            rotten=(),
            since=None,
            length_ns=None,
            cause=1,
        )
    )
    device.append(SessionEnd(cause=EndCause.RECOVERED, segments=1, frames=1, samples=1, gaps=0, records=()))


def test_quarantined_bytes_and_slices_are_known_contents(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive")
    session = device.session_id or b""
    _close_later(device)
    ledger = opened(tmp_path, device.root)
    assert (ObjectKind.QUARANTINED, bytes(32)) in {(row.what, row.content) for row in ledger.contents_of(session)}
    slices = [Slice(first=f, last=f + 4, digest=bytes([f]) * 32, file=0, offset=0, size=9) for f in (0, 5, 10)]
    assert not ledger.knows(ObjectKind.JOURNAL, slices[0].digest)
    ledger.add_slices(slices)
    ledger.add_slices(slices)
    assert ledger.knows(ObjectKind.JOURNAL, slices[0].digest)
    assert list(ledger.waiting_slices(STORE, 3, 6)) == [slices[0].digest, slices[1].digest]
    assert (ledger.sliced_up_to(2, 12), ledger.sliced_up_to(15, 20)) == (14, 14)
    ledger.close()


@pytest.mark.parametrize("harm", ["gone", "garbage", "another version", "of another journal", "half folded"])
def test_a_ledger_that_is_damaged_or_of_another_journal_is_folded_anew(tmp_path: Path, kept: Kept, harm: str) -> None:
    kept.receipt()
    first = opened(tmp_path, kept.device.root)
    expected = (waiting(first), list(first.sessions()))
    first.close()
    path, root = tmp_path / "holdings.sqlite3", kept.device.root
    match harm:
        case "gone":
            path.unlink()
        case "garbage":
            path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
        case "another version":
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(holdings, "VERSION", holdings.VERSION + 1)
                opened(tmp_path, root).close()
        case "of another journal":
            other = closed_archive(tmp_path / "other", seed=2)
            path.unlink()
            stranger = Holdings(path, lambda: other.root)
            stranger.follow(3)
            stranger.close()
        case _:
            path.unlink()
            half = Holdings(path, lambda: root)
            half.follow(7, 1)
            half.close()
    again = opened(tmp_path, root)
    assert (waiting(again), list(again.sessions())) == expected
    assert again.is_whole
    again.close()


def test_a_missing_entry_is_remembered_for_it_might_have_been_a_hold(tmp_path: Path, kept: Kept) -> None:
    path = kept.device.root / "journal" / "00000000.cbor"
    placed = JournalFollower(lambda: kept.device.root).read(ALL)
    content = path.read_bytes()
    path.write_bytes(content[: placed[4].start] + content[placed[4].end :])
    ledger = opened(tmp_path, kept.device.root)
    assert not ledger.is_whole
    assert ledger.next_seq == placed[-1].entry.common.seq + 1
    ledger.close()


def test_a_ledger_that_cannot_be_written_says_so_and_goes_on_later(
    tmp_path: Path, kept: Kept, ledger: Holdings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.receipt()
    before = waiting(ledger)
    ledger._database.execute("PRAGMA query_only = 1")
    with pytest.raises(LedgerFault):
        ledger.follow(ALL)
    ledger._database.execute("PRAGMA query_only = 0")
    assert waiting(ledger) == before
    follow(ledger)
    assert waiting(ledger) == before - set(kept.contents())


def test_entries_are_folded_in_small_pieces_and_never_past_what_is_asked(tmp_path: Path, kept: Kept) -> None:
    ledger = Holdings(tmp_path / "small.sqlite3", lambda: kept.device.root)
    assert ledger.follow(5, 1) == 6
    assert ledger.next_seq == 6
    assert ledger.follow(5) == 0
    ledger.close()
