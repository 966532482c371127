"""How far each object is, as a table on disk: SQLite with a write-ahead log, every transition flushed before it counts.

Owns one database in the offload's own folder. Any thread may call; a lock orders the calls. It is nothing but a
memory: deleted, damaged or of another store it is made anew, and every object is then looked for at the store before
it is sent. What needs a bound has one: the queue's order is in indices, never in memory.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TypeVar

from edge.journal_follow import Mark
from edge.offload.objects import WAITING, Lacking, Sealed, Span, Stage, Stored, Task, Term
from edge.offload.queue import NO_DEADLINE_MS, Heads, Kind, Place
from liuhen.registry import RetentionMode

SCHEMA = 3
FILE = "state.sqlite3"
KEPT_RECEIPTED = 10_000
"""Done objects are forgotten beyond so many; the newest are kept for whoever asks what happened."""
CACHE_KIB = 4096
Code = TypeVar("Code", bound=IntEnum)
_WAITING = ",".join(str(int(stage)) for stage in WAITING)

_TABLES = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE objects (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  kind INTEGER NOT NULL, key TEXT NOT NULL UNIQUE, content BLOB NOT NULL, digest BLOB NOT NULL,
  size INTEGER NOT NULL, path TEXT NOT NULL, offset INTEGER NOT NULL, span INTEGER NOT NULL, to_end INTEGER NOT NULL,
  session BLOB, sealed_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL,
  stage INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0, retry_ns INTEGER NOT NULL DEFAULT 0,
  version TEXT, store_ms INTEGER, server_key BLOB, mode INTEGER, until_ms INTEGER,
  first INTEGER, last INTEGER, term_ms INTEGER, said_ms INTEGER
);
CREATE TABLE sessions (
  id BLOB PRIMARY KEY, first INTEGER, last INTEGER, term_ms INTEGER, said_ms INTEGER) WITHOUT ROWID;
CREATE TABLE lacking (
  commitment BLOB PRIMARY KEY, session BLOB, sealed_ms INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX slices ON objects (last) WHERE last IS NOT NULL;
CREATE INDEX proof ON objects (kind, number) WHERE stage IN ({_WAITING}) AND kind < {int(Kind.SEGMENT)};
CREATE INDEX media_due ON objects (due_ms, number) WHERE stage IN ({_WAITING}) AND kind >= {int(Kind.SEGMENT)};
CREATE INDEX media_new ON objects (number) WHERE stage IN ({_WAITING}) AND kind >= {int(Kind.SEGMENT)};
CREATE INDEX oldest ON objects (sealed_ms) WHERE stage IN ({_WAITING});
CREATE INDEX retained ON objects (number) WHERE stage = {int(Stage.RETAINED)};
CREATE INDEX receipted ON objects (number) WHERE stage = {int(Stage.RECEIPTED)};
CREATE INDEX differing ON objects (number) WHERE stage = {int(Stage.LOCAL_DIFFERS)};
CREATE INDEX by_content ON objects (content);
CREATE INDEX by_session ON objects (session);
"""
_COLUMNS = (
    "number, kind, key, content, digest, size, path, offset, span, to_end, session, sealed_ms, due_ms, "
    "stage, tries, version, store_ms, server_key, mode, until_ms, first, last, term_ms, said_ms"
)
_FREE = f"stage IN ({_WAITING}) AND retry_ns <= :now AND number NOT IN (:a, :b)"


_DONE = f"stage IN ({int(Stage.RETAINED)}, {int(Stage.RECEIPTED)})"
_LENGTHENED = (
    f"CASE WHEN NOT ({_DONE}) OR coalesce(until_ms, -1) >= :term THEN stage "
    f"WHEN version IS NULL THEN {int(Stage.UNKNOWN)} ELSE {int(Stage.READ_BACK)} END"
)
"""What was done goes on from its retention where a term is longer; of which version nothing is known, that is found."""


class StateLost(Exception):
    """The database is not one, or not whole: it must be made anew."""


class StateFault(Exception):
    """The system cannot write or read it now (a full disk, a lock): to be tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """How far the spool is read: the journal up to a mark, the slices up to the one that ends with entry `sliced`."""

    mark: Mark = field(default_factory=Mark)
    sliced: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What is not at the store yet, and what went wrong for good. `oldest_ms` is the UTC of what waits longest."""

    objects: int
    size: int
    proof: int
    oldest_ms: int | None
    earliest_due_ms: int | None
    levels: tuple[int, ...]
    """How many of the waiting have used so much of their term: one number per level asked for, then the missed."""
    untold: int
    differing: int
    receipted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose state it is: another store, another device's spool or other custodians begin anew."""

    store: bytes
    log_id: bytes
    custodians: bytes = b""
    """The public keys that records are encrypted for, ascending: what is not yet sent has other bytes for others."""


class State:
    """See the module. Made by `open_state`. Every method raises StateLost or StateFault."""

    def __init__(self, link: sqlite3.Connection, *, fresh: bool) -> None:
        self._fresh = fresh
        self._link = link
        self._lock = threading.Lock()

    @property
    def fresh(self) -> bool:
        """The journal was never read to its end: what it holds may be at the store, and receipted, already."""
        return self._fresh

    def caught_up(self) -> None:
        """The journal was read to its end: what it says from here on was never sent. Durable."""
        if self._fresh:
            self._one("INSERT OR REPLACE INTO meta VALUES ('caught_up', 1)", ())
            self._fresh = False

    # -- what is known of the spool --------------------------------------------------------------------------------

    def add(self, found: Iterable[Sealed], stage: Stage, reached: Reached | None = None) -> int:
        """Take objects in and how far the journal is folded, in one step; those that are known stay as they are."""
        rows = [_row(one, stage) for one in found]
        with self._changing() as link:
            before = link.total_changes
            link.executemany(_INSERT, rows)
            added = link.total_changes - before
            if reached is not None:
                self._set_reached(link, reached)
        return added

    def reached(self) -> Reached:
        """How far the journal is folded."""
        with self._reading() as link:
            row = link.execute("SELECT value FROM meta WHERE name = 'reached'").fetchone()
        if row is None:
            return Reached()
        try:
            file, offset, seq, sliced = (int(number) for number in str(row[0]).split())
        except ValueError as error:
            raise StateLost("how far the journal was read is no place") from error
        return Reached(mark=Mark(file=file, offset=offset, seq=seq), sliced=sliced)

    def receipted(self, rows: Sequence[tuple[bytes, int | None]]) -> None:
        """The journal holds a receipt of these contents for this store, until then; one below it is not it."""
        with self._changing() as link:
            link.executemany(
                f"UPDATE objects SET stage = {int(Stage.RECEIPTED)} "
                "WHERE content = ? AND (term_ms IS NULL OR coalesce(until_ms, -1) >= term_ms OR ? >= term_ms)",
                rows,
            )

    def gone(self, contents: Sequence[bytes]) -> None:
        """These are no longer here by order; what is not at the store yet will not get there."""
        self._all(f"UPDATE objects SET stage = {int(Stage.GONE)} WHERE content = ? AND stage IN ({_WAITING})", contents)
        self.found(contents)

    def lack(self, rows: Iterable[Lacking]) -> None:
        """These records cannot be read now; durable, for how far the journal was read goes past them."""
        asked = "INSERT OR IGNORE INTO lacking (commitment, session, sealed_ms) VALUES (?, ?, ?)"
        with self._changing() as link:
            link.executemany(asked, [(one.commitment, one.session, one.sealed_ms) for one in rows])

    def lacking(self, limit: int) -> list[Lacking]:
        """Some of them, those looked at least often first; it counts as a look."""
        with self._changing() as link:
            asked = "SELECT commitment, session, sealed_ms FROM lacking ORDER BY tries, commitment LIMIT ?"
            rows = link.execute(asked, (limit,)).fetchall()
            link.executemany("UPDATE lacking SET tries = tries + 1 WHERE commitment = ?", [(row[0],) for row in rows])
        return [
            Lacking(
                commitment=_bytes(row[0]),
                session=row[1] if isinstance(row[1], bytes) else None,
                sealed_ms=_integer(row[2]),
            )
            for row in rows
        ]

    def found(self, commitments: Sequence[bytes]) -> None:
        """These are lacking no more."""
        self._all("DELETE FROM lacking WHERE commitment = ?", commitments)

    def session_began(self, session: bytes, first: int) -> None:
        """Its first entry."""
        self._one("INSERT OR IGNORE INTO sessions (id, first) VALUES (?, ?)", (session, first))

    def session_ended(self, session: bytes, due_ms: int, last: int) -> None:
        """The deadline of what a session holds, and its last entry."""
        with self._changing() as link:
            link.execute("UPDATE objects SET due_ms = ? WHERE session = ?", (due_ms, session))
            link.execute("UPDATE sessions SET last = ? WHERE id = ?", (last, session))

    def session_term(self, session: bytes, term: Term) -> None:
        """How long a session is to be kept: what holds it or proves it goes on from its retention where that is less.

        A slice proves the sessions whose entries it holds. Nothing is ever kept for less.
        """
        names = {"session": session, "term": term.until_ms, "said": term.said_ms}
        with self._changing() as link:
            link.execute(
                "UPDATE sessions SET term_ms = :term, said_ms = :said WHERE id = :session "
                "AND coalesce(term_ms, -1) < :term",
                names,
            )
            whose = (
                "number IN (SELECT number FROM objects WHERE session = :session UNION SELECT o.number FROM sessions s "
                "JOIN objects o ON o.last >= s.first AND o.first <= coalesce(s.last, o.first) WHERE s.id = :session)"
            )
            link.execute(
                f"UPDATE objects SET term_ms = :term, said_ms = :said, tries = 0, retry_ns = 0, stage = {_LENGTHENED} "
                f"WHERE {whose} AND coalesce(term_ms, -1) < :term",
                names,
            )

    # -- the queue -------------------------------------------------------------------------------------------------

    def heads(self, now_ns: int, under_way: Sequence[int]) -> Heads:
        """The first of each lane that is not under way and need not wait."""
        a, b = (*under_way, -1, -1)[:2]
        names = {"now": now_ns, "a": a, "b": b}
        proof, media = f"kind < {int(Kind.SEGMENT)}", f"kind >= {int(Kind.SEGMENT)}"
        with self._reading() as link:
            return Heads(
                proof=_place(link, f"{proof} AND {_FREE} ORDER BY kind, number", names),
                earliest=_place(link, f"{media} AND {_FREE} ORDER BY due_ms, number", names),
                newest=_place(link, f"{media} AND {_FREE} ORDER BY number DESC", names),
            )

    def task(self, number: int) -> Task | None:
        """One object."""
        with self._reading() as link:
            row = link.execute(f"SELECT {_COLUMNS} FROM objects WHERE number = ?", (number,)).fetchone()
        return None if row is None else _task(row)

    def untold(self, now_ns: int, limit: int) -> list[Task]:
        """The oldest objects that are retained and not receipted yet, and need not wait."""
        asked = (
            f"SELECT {_COLUMNS} FROM objects WHERE stage = {int(Stage.RETAINED)} AND retry_ns <= ? "
            "ORDER BY number LIMIT ?"
        )
        with self._reading() as link:
            return [_task(row) for row in link.execute(asked, (now_ns, limit))]

    def is_anything_waiting(self) -> bool:
        """Whether the store is still to be asked about anything, or something is still to be read here."""
        asked = f"SELECT EXISTS (SELECT 1 FROM objects WHERE stage IN ({_WAITING})) OR EXISTS (SELECT 1 FROM lacking)"
        with self._reading() as link:
            return bool(link.execute(asked).fetchone()[0])

    def waiting(self, utc_ms: int, levels: Sequence[int]) -> Waiting:
        """What is on its way, in numbers, by one pass over it; `levels` are percentages of a term."""
        used = "".join(
            f", total(due_ms < {NO_DEADLINE_MS} AND (:now - sealed_ms) * 100 >= (due_ms - sealed_ms) * {int(level)})"
            for level in (*levels, 100)
        )
        media_due = f"min(CASE WHEN kind >= {int(Kind.SEGMENT)} THEN due_ms END)"
        asked = (
            f"SELECT count(*), total(size), total(kind < {int(Kind.SEGMENT)}), min(sealed_ms), {media_due}{used} "
            f"FROM objects WHERE stage IN ({_WAITING})"
        )
        with self._reading() as link:
            objects, size, proof, oldest, due, *counts = link.execute(asked, {"now": utc_ms}).fetchone()
            untold, differing, receipted = (
                link.execute(f"SELECT count(*) FROM objects WHERE stage = {int(stage)}").fetchone()[0]
                for stage in (Stage.RETAINED, Stage.LOCAL_DIFFERS, Stage.RECEIPTED)
            )
            lacking, lacking_oldest = link.execute("SELECT count(*), min(sealed_ms) FROM lacking").fetchone()
        return Waiting(
            objects=objects + lacking,
            size=int(size),
            proof=int(proof),
            oldest_ms=min((one for one in (oldest, lacking_oldest) if one is not None), default=None),
            earliest_due_ms=None if due is None or due >= NO_DEADLINE_MS else due,
            levels=tuple(int(count) for count in counts),
            untold=untold,
            differing=differing,
            receipted=receipted,
        )

    # -- one object's steps ----------------------------------------------------------------------------------------

    def unknown(self, number: int) -> None:
        """It may be at the store or not: looked for before anything is sent. Durable before a send begins."""
        self._one(
            f"UPDATE objects SET stage = {int(Stage.UNKNOWN)}, version = NULL, store_ms = NULL, server_key = NULL, "
            f"mode = NULL, until_ms = NULL WHERE number = ? AND stage IN ({_WAITING})",
            (number,),
        )

    def reaches(self, number: int, stage: Stage, stored: Stored, term: Term | None = None) -> None:
        """It is at the store so far: PUT, READ_BACK or RETAINED.

        `term` is the one that its retention was asked for: where a longer one came meanwhile, that is asked for next.
        """
        asked_ms = -1 if term is None else term.until_ms
        self._one(
            f"UPDATE objects SET stage = CASE WHEN ? = {int(Stage.RETAINED)} AND coalesce(term_ms, -1) > ? "
            f"THEN {int(Stage.READ_BACK)} ELSE ? END, tries = 0, retry_ns = 0, version = ?, store_ms = ?, "
            f"server_key = ?, mode = ?, until_ms = ? WHERE number = ? AND stage IN ({_WAITING})",
            (
                int(stage),
                asked_ms,
                int(stage),
                stored.version,
                stored.store_ms,
                stored.server_key,
                int(stored.mode),
                stored.until_ms,
                number,
            ),
        )

    def differs_here(self, number: int) -> None:
        """The local bytes are not those that were signed: the one end without the store."""
        self._one(
            f"UPDATE objects SET stage = {int(Stage.LOCAL_DIFFERS)} WHERE number = ? AND stage IN ({_WAITING})",
            (number,),
        )

    def told(self, numbers: Sequence[int]) -> None:
        """The recorder says that these are in a durable receipt."""
        with self._changing() as link:
            rows = [(number,) for number in numbers]
            link.executemany(f"UPDATE objects SET stage = {int(Stage.RECEIPTED)} WHERE number = ?", rows)

    def later(self, number: int, retry_ns: int) -> None:
        """It alone waits until then (this boot's clock)."""
        self._one("UPDATE objects SET tries = tries + 1, retry_ns = ? WHERE number = ?", (retry_ns, number))

    def forget_done(self) -> None:
        """Leave out what was done long ago."""
        self._one(
            f"DELETE FROM objects WHERE stage = {int(Stage.RECEIPTED)} AND number <= (SELECT number FROM objects "
            f"WHERE stage = {int(Stage.RECEIPTED)} ORDER BY number DESC LIMIT 1 OFFSET {KEPT_RECEIPTED})",
            (),
        )

    def close(self) -> None:
        """Let the file go."""
        with self._lock:
            self._link.close()

    # -- the database ----------------------------------------------------------------------------------------------

    def _one(self, statement: str, values: Sequence[object]) -> None:
        with self._changing() as link:
            link.execute(statement, values)

    def _all(self, statement: str, contents: Sequence[bytes]) -> None:
        with self._changing() as link:
            link.executemany(statement, [(one,) for one in contents])

    def _set_reached(self, link: sqlite3.Connection, reached: Reached) -> None:
        mark = reached.mark
        said = f"{mark.file} {mark.offset} {mark.seq} {reached.sliced}"
        link.execute("INSERT OR REPLACE INTO meta VALUES ('reached', ?)", (said,))

    @contextlib.contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _translated(), self._link:
            yield self._link

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _translated():
            yield self._link


def open_state(folder: Path, owner: Owner) -> State:
    """The state in a folder, or a new one where there is none that can be used. Raises StateFault."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / FILE
    try:
        link = _connected(path)
        if _is_of(link, owner):
            with _closing_on_fault(link), _translated(), link:
                link.execute("UPDATE objects SET retry_ns = 0 WHERE retry_ns > 0")  # another boot's clock, perhaps
                return State(link, fresh=not _is_caught_up(link))
        link.close()
    except StateLost:
        pass
    remove_state(folder)
    link = _connected(path)
    with _closing_on_fault(link), _translated():
        link.executescript(f"BEGIN; {_TABLES} COMMIT;")
        with link:
            rows = (("schema", SCHEMA), *_names(owner))
            link.executemany("INSERT INTO meta VALUES (?, ?)", rows)
    return State(link, fresh=True)


@contextlib.contextmanager
def _closing_on_fault(link: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except (StateLost, StateFault):
        link.close()
        raise


def remove_state(folder: Path) -> None:
    """Take a state away that cannot be used; it holds nothing that cannot be found again."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        (folder / f"{FILE}{suffix}").unlink(missing_ok=True)


def _connected(path: Path) -> sqlite3.Connection:
    with _translated():
        link = sqlite3.connect(path, check_same_thread=False, timeout=5.0)
        try:
            link.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            link.execute("PRAGMA journal_mode = WAL")
            link.execute("PRAGMA synchronous = FULL")
            link.execute("PRAGMA mmap_size = 0")
        except sqlite3.Error:
            link.close()
            raise
    return link


def _is_of(link: sqlite3.Connection, owner: Owner) -> bool:
    """Whether it is whole, of this schema, store and device. Closes it and raises StateLost where it is not whole."""
    try:
        with _translated():
            whole = link.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
            kept = dict(link.execute("SELECT name, value FROM meta"))
    except StateLost:
        link.close()
        raise
    return whole and kept.get("schema") == SCHEMA and all(kept.get(name) == value for name, value in _names(owner))


def _names(owner: Owner) -> tuple[tuple[str, bytes], ...]:
    return (("store", owner.store), ("log", owner.log_id), ("custodians", owner.custodians))


def _is_caught_up(link: sqlite3.Connection) -> bool:
    with _translated():
        return link.execute("SELECT 1 FROM meta WHERE name = 'caught_up'").fetchone() is not None


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        # A table that is not there is a state that is none; a disk that is full or locked is to be tried again.
        if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:
            raise StateLost(str(error)) from error
        raise StateFault(str(error)) from error
    except sqlite3.DatabaseError as error:
        raise StateLost(str(error)) from error


_INSERT = (
    "INSERT OR IGNORE INTO objects (kind, key, content, digest, size, path, offset, span, to_end, session, sealed_ms, "
    "due_ms, stage, first, last, term_ms, said_ms) VALUES (:kind, :key, :content, :digest, :size, :path, :offset, "
    ":span, :to_end, :session, :sealed_ms, :due_ms, :stage, :first, :last, "
    "(SELECT term_ms FROM sessions WHERE id = :session), (SELECT said_ms FROM sessions WHERE id = :session))"
)


def _row(one: Sealed, stage: Stage) -> dict[str, object]:
    span = one.span
    first, last = one.entries or (None, None)
    return {
        "kind": int(one.kind),
        "key": one.key,
        "content": one.content,
        "digest": one.digest,
        "size": one.size,
        "path": span.path,
        "offset": span.offset,
        "span": span.size,
        "to_end": int(span.to_end),
        "session": one.session,
        "sealed_ms": one.sealed_ms,
        "due_ms": one.due_ms,
        "stage": int(stage),
        "first": first,
        "last": last,
    }


def _task(row: Sequence[object]) -> Task:
    number, kind, key, content, digest, size, path, offset, span, to_end, session, sealed_ms, due_ms = row[:13]
    stage, tries, version, store_ms, server_key, mode, until_ms, first, last, term_ms, said_ms = row[13:]
    stored = None
    if version is not None:
        stored = Stored(
            version=str(version),
            store_ms=_integer(store_ms),
            server_key=server_key if isinstance(server_key, bytes) else None,
            mode=_of(RetentionMode, mode),
            until_ms=None if until_ms is None else _integer(until_ms),
        )
    return Task(
        number=_integer(number),
        sealed=Sealed(
            kind=_of(Kind, kind),
            key=str(key),
            content=_bytes(content),
            digest=_bytes(digest),
            size=_integer(size),
            span=Span(path=str(path), offset=_integer(offset), size=_integer(span), to_end=bool(to_end)),
            session=session if isinstance(session, bytes) else None,
            sealed_ms=_integer(sealed_ms),
            due_ms=_integer(due_ms),
            entries=None if first is None else (_integer(first), _integer(last)),
            term=None if term_ms is None else Term(until_ms=_integer(term_ms), said_ms=_integer(said_ms)),
        ),
        stage=_of(Stage, stage),
        stored=stored,
        tries=_integer(tries),
    )


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise StateLost("a number of the table is none")
    return value


def _of(kind: type[Code], value: object) -> Code:
    try:
        return kind(_integer(value))
    except ValueError as error:
        raise StateLost("a code of the table is none") from error


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise StateLost("a hash of the table is none")
    return value


def _place(link: sqlite3.Connection, where: str, names: dict[str, int]) -> Place | None:
    row = link.execute(
        f"SELECT kind, number, due_ms FROM objects WHERE {where} LIMIT 1",
        names,
    ).fetchone()
    return None if row is None else Place(kind=_of(Kind, row[0]), number=row[1], due_ms=row[2])
