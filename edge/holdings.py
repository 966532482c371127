"""A ledger of what the journal says is held where: sessions, contents, receipts, terms, holds and orders, in SQLite.

Folded from journal entries by their number, in any process that may read the spool: the recorder and the offload
process each keep their own. Proves nothing and may be deleted: what is missing or damaged is folded again from the
first entry. Memory stays small however long the log is. One thread at a time; on return of `follow` what was folded and
how far are in one transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge.journal import JournalError
from edge.journal_follow import PIECE_BYTES, JournalFollower, Mark, Placed
from edge.slices import Slice, slice_bytes
from liuhen.entry import Entry
from liuhen.keeping import ORDERS
from liuhen.kinds import (
    Case,
    Checkpoint,
    Destroyed,
    Event,
    GapEnd,
    Hold,
    Order,
    Receipt,
    Reclaimed,
    Recovered,
    Retention,
    Segment,
    Session,
    SessionEnd,
    Visit,
)
from liuhen.registry import BINDING_MODES, CaseStage, EndCause, EventCode, HoldAct, ObjectKind, OrderCode, VisitAct
from liuhen.visits import DUTY_STREAM

VERSION = 6
NS_PER_MS = 1_000_000
REMEMBERED_EVENTS = frozenset(
    code for code in EventCode if code.name.startswith(("DEADLINE_", "ARCHIVE_")) or code is EventCode.WITNESS_DIFFERS
)

_SCHEMA = """
CREATE TABLE mark (
  version INTEGER, file INTEGER, offset INTEGER, seq INTEGER, whole INTEGER, hash BLOB, hash_file INTEGER,
  hash_start INTEGER, hash_end INTEGER);
CREATE TABLE sessions (
  id BLOB PRIMARY KEY, ordinal INTEGER, first_seq INTEGER, began_ms INTEGER, end_seq INTEGER, ended_ms INTEGER,
  error_ms INTEGER, boot BLOB, boot_utc_ms INTEGER, boot_ns INTEGER, media_end_ms INTEGER, until_ms INTEGER,
  permanent INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE contents (
  what INTEGER, content BLOB, session BLOB, number INTEGER, size INTEGER, seq INTEGER, stated_ms INTEGER,
  gone_seq INTEGER, PRIMARY KEY (what, content, session)) WITHOUT ROWID;
CREATE INDEX contents_by_session ON contents (session, what, number);
CREATE INDEX contents_by_seq ON contents (seq);
CREATE TABLE receipts (
  what INTEGER, content BLOB, store BLOB, version TEXT, seq INTEGER, designated INTEGER, mode INTEGER, hash BLOB,
  size INTEGER, retained_until_ms INTEGER, store_utc_ms INTEGER,
  PRIMARY KEY (what, content, store, version)) WITHOUT ROWID;
CREATE TABLE holds (seq INTEGER PRIMARY KEY, session BLOB);
CREATE TABLE orders (seq INTEGER PRIMARY KEY, code INTEGER, session BLOB);
CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, root BLOB);
CREATE TABLE slices (first INTEGER PRIMARY KEY, last INTEGER, content BLOB UNIQUE, size INTEGER);
CREATE TABLE told (code INTEGER, about INTEGER, measured INTEGER, seq INTEGER);
CREATE INDEX told_about ON told (about, code);
CREATE TABLE days (session BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE spans (
  session BLOB, content BLOB, seq INTEGER, boot BLOB, from_ns INTEGER, to_ns INTEGER,
  PRIMARY KEY (session, content)) WITHOUT ROWID;
CREATE TABLE visits (
  seq INTEGER PRIMARY KEY, session BLOB, number TEXT, began_ms INTEGER, boot BLOB, from_ns INTEGER, end_seq INTEGER,
  ended_ms INTEGER, error_ms INTEGER, end_boot BLOB, until_ns INTEGER);
CREATE TABLE cases (
  session BLOB, stage INTEGER, seq INTEGER, day INTEGER, due INTEGER, PRIMARY KEY (session, stage)) WITHOUT ROWID;
"""
_FIRST_MARK = "INSERT INTO mark VALUES (?, 0, 0, 0, 1, zeroblob(32), 0, 0, 0)"
Numbered = tuple[int | None, int | None]
"""Number and size of a content."""
NO_SESSION = b""
"""Stands in the ledger for what belongs to no session."""

_SESSIONS = """
SELECT id, ordinal, first_seq, began_ms, end_seq, ended_ms, error_ms, media_end_ms, until_ms, permanent
FROM sessions WHERE ordinal > ? ORDER BY ordinal"""
_ONE_SESSION = """
SELECT id, ordinal, first_seq, began_ms, end_seq, ended_ms, error_ms, media_end_ms, until_ms, permanent
FROM sessions WHERE id = ?"""
_CONTENTS = """
SELECT what, content, session, number, size, seq, stated_ms, gone_seq
FROM contents WHERE session = ? ORDER BY what, number"""
_WAITING = """
SELECT what, content, session, number, size, seq, stated_ms, gone_seq FROM contents AS c
WHERE seq > ? AND gone_seq IS NULL AND NOT EXISTS (
  SELECT 1 FROM receipts r WHERE r.what = c.what AND r.content = c.content AND r.store = ?) ORDER BY seq"""
_WAITING_SLICES = """
SELECT content FROM slices AS s WHERE last >= ? AND first <= ? AND NOT EXISTS (
  SELECT 1 FROM receipts r WHERE r.what = ? AND r.content = s.content AND r.store = ?) ORDER BY first"""
_UNMET = """
SELECT id, ordinal, first_seq, began_ms, end_seq, ended_ms, error_ms, media_end_ms, until_ms, permanent
FROM sessions AS s WHERE NOT EXISTS (SELECT 1 FROM told WHERE about = s.first_seq AND code = ?)
AND EXISTS (SELECT 1 FROM told WHERE about = s.first_seq AND code = ?) = ? ORDER BY ordinal LIMIT ?"""
_TERMLESS = """
SELECT id, ordinal, first_seq, began_ms, end_seq, ended_ms, error_ms, media_end_ms, until_ms, permanent
FROM sessions WHERE ended_ms IS NOT NULL AND until_ms IS NULL AND permanent = 0 ORDER BY ordinal LIMIT ?"""
_BINDING = ", ".join(str(mode.value) for mode in sorted(BINDING_MODES))
_LEFT = """
SELECT count(*), coalesce(sum(size), 0) FROM contents AS c WHERE session = ? AND gone_seq IS NULL AND NOT EXISTS (
  SELECT 1 FROM receipts r WHERE r.what = c.what AND r.content = c.content AND r.designated = 1
  AND r.mode IN ({modes}) AND r.retained_until_ms IS NOT NULL AND r.store IN ({stores}))"""
_SLICES_LEFT = """
SELECT count(*), coalesce(sum(size), 0) FROM slices AS s WHERE last >= ? AND first <= ? AND NOT EXISTS (
  SELECT 1 FROM receipts r WHERE r.what = ? AND r.content = s.content AND r.designated = 1
  AND r.mode IN ({modes}) AND r.retained_until_ms IS NOT NULL AND r.store IN ({stores}))"""
_UNMET_VISITS = """
SELECT v.session, s.ordinal, v.seq, v.began_ms, v.end_seq, v.ended_ms, v.error_ms, NULL, NULL, 0, v.number
FROM visits AS v JOIN sessions AS s ON s.id = v.session WHERE v.ended_ms IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM told WHERE about = v.seq AND code = ?)
AND EXISTS (SELECT 1 FROM told WHERE about = v.seq AND code = ?) = ? ORDER BY v.seq LIMIT ?"""
_LAST_OF_VISIT = """
SELECT coalesce(
  (SELECT min(p.seq) FROM spans p WHERE p.session = v.session AND p.boot = v.end_boot AND p.to_ns >= v.until_ns),
  (SELECT s.end_seq FROM sessions s WHERE s.id = v.session)) FROM visits v WHERE v.seq = ?"""
"""The statement with which the media of a visit is complete, or the end of its session."""
_LEFT_OF_VISIT = """
SELECT count(*), coalesce(sum(c.size), 0) FROM contents AS c JOIN visits AS v ON v.seq = ?
LEFT JOIN spans AS p ON p.session = c.session AND p.content = c.content
WHERE c.session = v.session AND c.gone_seq IS NULL AND c.seq BETWEEN v.seq AND ?
AND (c.what = {record} AND c.seq <= v.end_seq OR p.seq IS NOT NULL
  AND (p.boot <> v.boot OR p.to_ns > v.from_ns) AND (p.boot <> v.end_boot OR p.from_ns < v.until_ns))
AND NOT EXISTS (
  SELECT 1 FROM receipts r WHERE r.what = c.what AND r.content = c.content AND r.designated = 1
  AND r.mode IN ({modes}) AND r.retained_until_ms IS NOT NULL AND r.store IN ({stores}))"""
_RECEIPTS = """
SELECT seq, store, designated, mode, hash, size, version, retained_until_ms, store_utc_ms
FROM receipts WHERE what = ? AND content = ? ORDER BY seq"""
_CONTRADICTED = """
SELECT coalesce((SELECT max(seq) FROM told WHERE code = ?), -1)
     > coalesce((SELECT max(seq) FROM orders WHERE code = ?), -1)
"""
_CASES = """
SELECT s.ordinal, c.seq, c.day, c.due, a.day FROM cases c JOIN sessions s ON s.id = c.session
LEFT JOIN cases a ON a.session = c.session AND a.stage = ?
WHERE c.stage = ? AND NOT EXISTS (SELECT 1 FROM told WHERE about = c.seq AND code = ?)
AND NOT (a.day IS NOT NULL AND EXISTS (SELECT 1 FROM told WHERE about = c.seq AND code = ?))
ORDER BY c.day, c.seq LIMIT ?"""
_SPAN = """
INSERT OR IGNORE INTO spans SELECT s.id, ?, ?, s.boot, ?, ? FROM sessions s JOIN days d ON d.session = s.id
WHERE s.id = ?"""
_VISIT = "INSERT OR IGNORE INTO visits (seq, session, number, began_ms, boot, from_ns) VALUES (?, ?, ?, ?, ?, ?)"
_END_VISITS = """
UPDATE visits SET end_seq = ?, ended_ms = ?, error_ms = ?, end_boot = ?, until_ns = ?
WHERE session = ? AND ended_ms IS NULL"""
_BEGIN = "INSERT OR IGNORE INTO sessions (id, ordinal, first_seq, began_ms, error_ms) VALUES (?, ?, ?, ?, ?)"
_END = "UPDATE sessions SET end_seq = ?, ended_ms = ?, error_ms = ? WHERE id = ?"
_END_LATER = "UPDATE sessions SET end_seq = ?, ended_ms = coalesce(media_end_ms, ?), error_ms = ? WHERE id = ?"
"""Closed by a later start: it ended with its media, not when that was found."""


class LedgerFault(Exception):
    """The ledger or the journal cannot be read or written now; nothing is lost, and it is tried again."""


@contextmanager
def _fault() -> Iterator[None]:
    """What the database or the system says in here is a LedgerFault."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise LedgerFault(f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """What the journal says of a session. Times are the device's UTC; `error_ms` belongs to the end, or else the media.

    `media_end_ms` is the end of its last stated segment; None where nothing is stated yet. Without `ended_ms` the
    session has not ended as far as the journal was folded.
    """

    id: bytes
    ordinal: int
    first_seq: int
    began_ms: int
    end_seq: int | None
    ended_ms: int | None
    error_ms: int
    media_end_ms: int | None
    until_ms: int | None
    permanent: bool
    visit: str | None = None
    """The queue number, where the row is a visit of an always-on day: its own beginning, end and entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentRow:
    """One thing that belongs in a store. `what` is an `ObjectKind`; `number` as in its key there, where it has one.

    `session` is None where it belongs to none. `size` is None for a record, whose size no entry says. `gone_seq` is the
    entry that said its local copy goes, founded or not.
    """

    what: int
    content: bytes
    session: bytes | None
    number: int | None
    size: int | None
    seq: int
    stated_ms: int
    gone_seq: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRow:
    """One object of a `receipt` entry."""

    seq: int
    store: bytes
    designated: bool
    mode: int
    hash: bytes
    size: int
    version: str
    retained_until_ms: int | None
    store_utc_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """The case of a session whose archiving term runs since `day`; `seq` is the entry that says so.

    Days count from 1970-01-01. `due` is the last one where a special law sets it, `archived_day` the day of archiving.
    """

    ordinal: int
    seq: int
    day: int
    due: int | None
    archived_day: int | None


class Holdings:
    """See the module. `root` may change between two calls, as that of a mirrored spool does."""

    def __init__(self, path: Path, root: Callable[[], Path]) -> None:
        """Open the ledger, or begin a new one. Raises LedgerFault where the system gives no file."""
        self._path = path
        self._root = root
        with _fault():
            self._database = self._opened()
        self._follower = JournalFollower(root, self._mark())

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def follow(self, up_to: int, limit_bytes: int = PIECE_BYTES) -> int:
        """Fold what the journal has up to this number, in about so many bytes; how many entries that were.

        Raises LedgerFault; nothing of this call is kept then.
        """
        before = self._follower.mark
        try:
            found = self._follower.read(up_to, limit_bytes)
            if self._follower.mark == before:
                return 0
            with _fault(), self._database:
                for placed in found:
                    self._accept(placed)
                mark = self._follower.mark
                self._database.execute(
                    "UPDATE mark SET file = ?, offset = ?, seq = ?", (mark.file, mark.offset, mark.seq)
                )
        except (LedgerFault, JournalError) as fault:
            self._follower = JournalFollower(self._root, before)
            raise fault if isinstance(fault, LedgerFault) else LedgerFault(str(fault)) from fault
        return len(found)

    def add_slices(self, slices: list[Slice]) -> None:
        """These are durable boundaries. Raises LedgerFault."""
        rows = [(one.first, one.last, one.digest, one.size) for one in slices]
        with _fault(), self._database:
            self._database.executemany("INSERT OR REPLACE INTO slices VALUES (?, ?, ?, ?)", rows)

    # -- asked --------------------------------------------------------------------------------------------------------

    @property
    def next_seq(self) -> int:
        """The number of the entry that is folded next."""
        return self._follower.mark.seq

    @property
    def is_whole(self) -> bool:
        """Whether no entry was missing so far: one that is might have been a hold."""
        return bool(self._one("SELECT whole FROM mark")[0])

    def sessions(self, *, after_ordinal: int = -1) -> Iterator[SessionRow]:
        """Every session, oldest first."""
        for row in self._rows(_SESSIONS, after_ordinal):
            yield _session_row(row)

    def session(self, session: bytes) -> SessionRow | None:
        """One session."""
        row = next(iter(self._rows(_ONE_SESSION, session)), None)
        return _session_row(row) if row is not None else None

    def contents_of(self, session: bytes | None) -> Iterator[ContentRow]:
        """What belongs to a session, or to none."""
        for row in self._rows(_CONTENTS, _owner(session)):
            yield _content_row(row)

    def knows(self, what: int, content: bytes) -> bool:
        """Whether the journal, or a durable boundary, states this content."""
        if what == ObjectKind.JOURNAL:
            found = self._rows("SELECT 1 FROM slices WHERE content = ?", content)
        else:
            found = self._rows("SELECT 1 FROM contents WHERE what = ? AND content = ? LIMIT 1", what, content)
        return next(iter(found), None) is not None

    def receipts_of(self, what: int, content: bytes) -> list[ReceiptRow]:
        """Every receipt that names it, oldest first."""
        rows = self._rows(_RECEIPTS, what, content)
        return [_receipt_row(row) for row in rows]

    def waiting(self, store: bytes, *, after_seq: int = -1) -> Iterator[ContentRow]:
        """What is stated, still here and in no receipt of this store, in the order of its entries; no slices."""
        for row in self._rows(_WAITING, after_seq, store):
            yield _content_row(row)

    def waiting_slices(self, store: bytes, first: int = 0, last: int = (1 << 62)) -> Iterator[bytes]:
        """Hashes of the slices with an entry of this range that are in no receipt of this store."""
        for row in self._rows(_WAITING_SLICES, first, last, int(ObjectKind.JOURNAL), store):
            yield bytes(row[0])

    def sliced_up_to(self, first: int, last: int) -> int:
        """How far an unbroken row of slices reaches, of those in this range; `first - 1` where none begins it."""
        reached = first - 1
        query = "SELECT first, last FROM slices WHERE last >= ? AND first <= ? ORDER BY first"
        for begin, end in self._rows(query, first, last):
            if begin > reached + 1:
                break
            reached = max(reached, end)
        return reached

    def unmet(self, *, missed: bool, limit: int) -> list[SessionRow]:
        """The oldest sessions of which no entry says that they are stored; `missed`: those told to be late, or not."""
        codes = (int(EventCode.DEADLINE_MET), int(EventCode.DEADLINE_MISSED))
        return [_session_row(row) for row in self._rows(_UNMET, *codes, int(missed), limit)]

    def unmet_visits(self, *, missed: bool, limit: int) -> list[SessionRow]:
        """The same of visits that have ended: in an always-on room the end of each begins a term of its own."""
        codes = (int(EventCode.DEADLINE_MET), int(EventCode.DEADLINE_MISSED))
        rows = self._rows(_UNMET_VISITS, *codes, int(missed), limit)
        return [replace(_session_row(row), visit=str(row[10])) for row in rows]

    def without_term(self, limit: int) -> list[SessionRow]:
        """The oldest sessions that have ended and for which no entry sets a term."""
        return [_session_row(row) for row in self._rows(_TERMLESS, limit)]

    def left_of(self, session: SessionRow, stores: Collection[bytes]) -> tuple[bool, int]:
        """Whether all of a session is in designated stores with its retention read back, and the bytes that are not.

        Receipts of these `stores` alone count.
        All of it: segments, quarantined bytes, records, and the slices that hold its entries from first to last.
        """
        marks = ",".join("?" * len(stores))
        if session.visit is not None:
            return self._left_of_visit(session, stores, marks)
        count, left_bytes = next(iter(self._rows(_LEFT.format(modes=_BINDING, stores=marks), session.id, *stores)))
        last = session.end_seq if session.end_seq is not None else 1 << 62
        named = (session.first_seq, last, int(ObjectKind.JOURNAL), *stores)
        slices = next(iter(self._rows(_SLICES_LEFT.format(modes=_BINDING, stores=marks), *named)))
        sliced = session.end_seq is not None and self.sliced_up_to(session.first_seq, last) >= session.end_seq
        return sliced and count == slices[0] == 0, left_bytes + slices[1]

    def _left_of_visit(self, visit: SessionRow, stores: Collection[bytes], marks: str) -> tuple[bool, int]:
        """Of a visit: the segments that hold media of it, its records, and the slices up to the last of both."""
        last = next(iter(self._rows(_LAST_OF_VISIT, visit.first_seq)))[0]
        up_to = last if last is not None else 1 << 62
        query = _LEFT_OF_VISIT.format(modes=_BINDING, stores=marks, record=int(ObjectKind.RECORD))
        count, left_bytes = next(iter(self._rows(query, visit.first_seq, up_to, *stores)))
        named = (visit.first_seq, up_to, int(ObjectKind.JOURNAL), *stores)
        slices = next(iter(self._rows(_SLICES_LEFT.format(modes=_BINDING, stores=marks), *named)))
        sliced = last is not None and self.sliced_up_to(visit.first_seq, last) >= last
        return sliced and count == slices[0] == 0, left_bytes + slices[1]

    def told_about(self, seq: int) -> list[tuple[int, int]]:
        """(code, first measure) of every event about a deadline that refers to this entry."""
        rows = self._rows("SELECT code, measured FROM told WHERE about = ? ORDER BY seq", seq)
        return [(row[0], row[1]) for row in rows]

    def years_without_calendar(self) -> set[int]:
        """The years of which was told that no calendar is known."""
        rows = self._rows("SELECT measured FROM told WHERE code = ?", int(EventCode.DEADLINE_NO_CALENDAR))
        return {row[0] for row in rows}

    def cases_to_archive(self, stage: int, limit: int) -> list[CaseRow]:
        """Cases at this stage about whose archiving not all is said, those that wait longest first."""
        codes = (int(EventCode.ARCHIVE_MET), int(EventCode.ARCHIVE_MISSED))
        rows = self._rows(_CASES, int(CaseStage.ARCHIVED), stage, *codes, limit)
        return [CaseRow(ordinal=row[0], seq=row[1], day=row[2], due=row[3], archived_day=row[4]) for row in rows]

    def holds_on(self, session: bytes) -> list[int]:
        """The entries that hold this session now, those on every session included."""
        query = "SELECT seq FROM holds WHERE session IN (?, ?) ORDER BY seq"
        return [row[0] for row in self._rows(query, session, NO_SESSION)]

    def orders(self, code: int) -> list[tuple[int, bytes | None]]:
        """(seq, session) of the orders with this code."""
        rows = self._rows("SELECT seq, session FROM orders WHERE code = ? ORDER BY seq", code)
        return [(row[0], bytes(row[1]) or None) for row in rows]

    def is_contradicted(self) -> bool:
        """Whether a witness saw another history and no order since says that it was found out why."""
        codes = (int(EventCode.WITNESS_DIFFERS), int(OrderCode.WITNESS_SETTLED))
        row = next(iter(self._rows(_CONTRADICTED, *codes)))
        return bool(row[0])

    def checkpoint_root(self, size: int) -> bytes | None:
        """The root of the journal's checkpoint over so many entries; None where it has none of that size."""
        row = next(iter(self._rows("SELECT root FROM checkpoints WHERE size = ?", size)), None)
        return None if row is None else bytes(row[0])

    # -- folding ------------------------------------------------------------------------------------------------------

    def _accept(self, placed: Placed) -> None:
        entry, common = placed.entry, placed.entry.common
        seq, expected, before = common.seq, *self._one("SELECT seq, hash FROM mark")
        whole = seq == expected and common.prev == bytes(before)
        self._write(
            "UPDATE mark SET seq = ?, whole = whole AND ?, hash = ?, hash_file = ?, hash_start = ?, hash_end = ?",
            seq + 1,
            int(whole),
            entry.hash,
            placed.file,
            placed.start,
            placed.end,
        )
        self._state_records(entry)
        match entry.body:
            case Session() | SessionEnd() | Retention() | Hold() | Order():
                self._kept(entry)
            case Segment() | Recovered() | Checkpoint() | Case() | Visit():
                self._stated(entry)
            case Receipt() as body:
                self._receipt(seq, body)
            case Event(code=code, refers_to=about, measured=measured) if code in REMEMBERED_EVENTS:
                subject = seq if about is None else about
                self._write("INSERT INTO told VALUES (?, ?, ?, ?)", code, subject, (measured or (0,))[0], seq)
            case Destroyed(contents=contents) | Reclaimed(contents=contents):
                for what, content in contents:
                    self._write(
                        "UPDATE contents SET gone_seq = ? WHERE what = ? AND content = ?", seq, int(what), content
                    )
            case _:
                pass
        if common.session_id is not None and not isinstance(entry.body, Segment | SessionEnd):
            self._read_clock(entry)

    def _kept(self, entry: Entry) -> None:
        seq, clock = entry.common.seq, entry.common.clock
        session = entry.common.session_id
        match entry.body:
            case Session(ordinal=ordinal, mode=mode) if session is not None:
                self._write(_BEGIN, session, ordinal, seq, clock[0], clock[4])
                self._write("INSERT OR IGNORE INTO days SELECT ? WHERE ? = ?", session, mode, DUTY_STREAM)
            case SessionEnd(cause=cause) if session is not None:
                self._end_visits(session, entry, None)
                self._write(_END_LATER if cause == EndCause.RECOVERED else _END, seq, clock[0], clock[4], session)
            case Retention(session=of, until_ms=None):
                self._write("UPDATE sessions SET permanent = 1 WHERE id = ?", of)
            case Retention(session=of, until_ms=until_ms):
                extend = "UPDATE sessions SET until_ms = max(coalesce(until_ms, ?), ?) WHERE id = ?"
                self._write(extend, until_ms, until_ms, of)
            case Hold(act=HoldAct.PLACED, session=of):
                self._write("INSERT OR IGNORE INTO holds VALUES (?, ?)", seq, _owner(of))
            case Hold(placed=placed, session=of):
                self._write("DELETE FROM holds WHERE seq = ? AND session = ?", placed, _owner(of))
            case Order(code=code, session=of):
                self._write("INSERT OR IGNORE INTO orders VALUES (?, ?, ?)", seq, code, _owner(of))
            case _:
                pass

    def _stated(self, entry: Entry) -> None:
        session = entry.common.session_id
        match entry.body:
            case Segment() as body:
                self._content(entry, ObjectKind.SEGMENT, body.file_hash, session, (body.number, body.size))
                self._span(entry, body)
                self._media_end(entry, body)
            case Visit() as body:
                self._visit(entry, body)
            case Case(stage=stage, session=of, day=day, due=due):
                of_case = (of, stage, entry.common.seq, day, due)
                self._write("INSERT OR REPLACE INTO cases VALUES (?, ?, ?, ?, ?)", *of_case)
            case Recovered(quarantined=rows):
                for of, number, size, digest in rows:
                    self._content(entry, ObjectKind.QUARANTINED, digest, of, (number, size))
            case Checkpoint(size=size, root=root):
                self._write("INSERT OR REPLACE INTO checkpoints VALUES (?, ?)", size, root)
                encoded_bytes = len(entry.envelope.encoded)
                self._content(entry, ObjectKind.CHECKPOINT, entry.hash, None, (size, encoded_bytes))
            case _:
                pass

    def _span(self, entry: Entry, body: Segment) -> None:
        """When the media of a day's segment was captured: which of them hold a visit is told by it."""
        self._write(_SPAN, body.file_hash, entry.common.seq, *body.span_ns, entry.common.session_id)

    def _visit(self, entry: Entry, body: Visit) -> None:
        session, utc_ms = entry.common.session_id, entry.common.clock[0]
        if body.act == VisitAct.BEGUN:
            self._write(_VISIT, entry.common.seq, session, body.number, utc_ms, *body.at)
        elif session is not None:
            self._end_visits(session, entry, body)

    def _end_visits(self, session: bytes, entry: Entry, body: Visit | None) -> None:
        """A visit has ended by its own entry, or with its session."""
        utc_ms, boottime_ns, boot_id, _, error_ms = entry.common.clock
        at = body.at if body is not None else (boot_id, boottime_ns)
        self._write(_END_VISITS, entry.common.seq, utc_ms, error_ms, *at, session)

    def _content(
        self,
        entry: Entry,
        what: ObjectKind,
        content: bytes,
        session: bytes | None,
        numbered: tuple[int | None, int | None],
    ) -> None:
        stated = (*numbered, entry.common.seq, entry.common.clock[0])
        self._write(
            "INSERT OR IGNORE INTO contents VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
            int(what),
            content,
            _owner(session),
            *stated,
        )

    def _state_records(self, entry: Entry) -> None:
        """Records belong to the session of the first entry that names them; those of orders to none (5.6)."""
        session = None if isinstance(entry.body, ORDERS) else entry.common.session_id
        for _, commitment in getattr(entry.body, "records", ()):
            self._content(entry, ObjectKind.RECORD, commitment, session, (None, None))

    def _receipt(self, seq: int, body: Receipt) -> None:
        for what, content, digest, size, version, until_ms, store_utc_ms in body.objects:
            self._write(
                "INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                int(what),
                content,
                body.store,
                version,
                seq,
                body.designated,
                body.mode,
                digest,
                size,
                until_ms,
                store_utc_ms,
            )

    def _read_clock(self, entry: Entry) -> None:
        """The newest reading of both clocks in the boot whose media the next statement of this session is about."""
        clock = entry.common.clock
        if isinstance(entry.body, GapEnd) and entry.body.until[0] != clock[2]:
            return  # it closes what an earlier boot left: the media that is stated next is of that boot
        self._write(
            "UPDATE sessions SET boot = ?, boot_utc_ms = ?, boot_ns = ? WHERE id = ?",
            clock[2],
            clock[0],
            clock[1],
            entry.common.session_id,
        )

    def _media_end(self, entry: Entry, body: Segment) -> None:
        """When the segment's media ended, by a reading of the same boot."""
        query = "SELECT boot_utc_ms, boot_ns FROM sessions WHERE id = ?"
        read = next(iter(self._rows(query, entry.common.session_id)), None)
        if read is None or read[0] is None:
            return
        end_ms = read[0] + (body.span_ns[1] - read[1]) // NS_PER_MS
        self._write(
            "UPDATE sessions SET media_end_ms = max(coalesce(media_end_ms, ?), ?) WHERE id = ?",
            end_ms,
            end_ms,
            entry.common.session_id,
        )

    # -- the file -----------------------------------------------------------------------------------------------------

    def _opened(self) -> sqlite3.Connection:
        """The ledger of this version and journal; another one, or a damaged one, makes room for a new one."""
        try:
            database = self._connected()
            if self._is_ours(database):
                return database
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        database = self._connected()
        database.executescript(_SCHEMA)
        with database:
            database.execute(_FIRST_MARK, (VERSION,))
        return database

    def _connected(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, check_same_thread=False, timeout=1.0)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")  # after a power cut it may be older, and is folded on
            database.execute("PRAGMA cache_size = -4096")
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _is_ours(self, database: sqlite3.Connection) -> bool:
        """Whether it can be used; closed where not. Raises sqlite3.DatabaseError where it cannot even be read."""
        ours = False
        try:
            ours = self._is_of_this_journal(database)
        finally:
            if not ours:
                database.close()
        return ours

    def _is_of_this_journal(self, database: sqlite3.Connection) -> bool:
        """Of this version, and folded from the journal that stands there: its last entry is the one remembered."""
        tables = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'mark'").fetchone()[0]
        if not tables:
            return False
        query = "SELECT version, seq, hash, hash_file, hash_start, hash_end FROM mark"
        version, seq, digest, file, start, end = database.execute(query).fetchone()
        if version != VERSION:
            return False
        one = Slice(first=seq, last=seq, digest=bytes(digest), file=file, offset=start, size=end - start)
        return seq == 0 or slice_bytes(self._root(), one) is not None

    def _mark(self) -> Mark:
        with _fault():
            file, offset, seq = self._database.execute("SELECT file, offset, seq FROM mark").fetchone()
        return Mark(file=file, offset=offset, seq=seq)

    def _write(self, statement: str, *values: object) -> None:
        self._database.execute(statement, values)

    def _rows(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        with _fault():
            yield from self._database.execute(query, values)

    def _one(self, query: str) -> tuple[Any, ...]:
        with _fault():
            found: tuple[Any, ...] = self._database.execute(query).fetchone()
        return found


def _owner(session: bytes | None) -> bytes:
    return session if session is not None else NO_SESSION


def _session_row(row: tuple[Any, ...]) -> SessionRow:
    return SessionRow(
        id=bytes(row[0]),
        ordinal=row[1],
        first_seq=row[2],
        began_ms=row[3],
        end_seq=row[4],
        ended_ms=row[5],
        error_ms=row[6],
        media_end_ms=row[7],
        until_ms=row[8],
        permanent=bool(row[9]),
    )


def _content_row(row: tuple[Any, ...]) -> ContentRow:
    return ContentRow(
        what=row[0],
        content=bytes(row[1]),
        session=bytes(row[2]) or None,
        number=row[3],
        size=row[4],
        seq=row[5],
        stated_ms=row[6],
        gone_seq=row[7],
    )


def _receipt_row(row: tuple[Any, ...]) -> ReceiptRow:
    return ReceiptRow(
        seq=row[0],
        store=bytes(row[1]),
        designated=bool(row[2]),
        mode=row[3],
        hash=bytes(row[4]),
        size=row[5],
        version=row[6],
        retained_until_ms=row[7],
        store_utc_ms=row[8],
    )
