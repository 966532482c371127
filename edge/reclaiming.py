"""Giving back the space of media that a store holds: first the journal says so, then the files go.

Owns no thread; called by a person's command between sessions, and by a start. On return of `reclaim` the `reclaimed`
entries are durable and every file they name is gone from its directory, durably, on the mirror too. A cut in between is
finished by the next start; what was held meanwhile stays. Where the journal is not whole then, each start says so until
a person's command finds it whole.
"""

from __future__ import annotations

from pathlib import Path

from edge import durable
from edge.destruction import Carried, begin, is_put_off, put_off, remove_contents
from edge.journal import Journal, read_through
from edge.reclaim import Plan, ReclaimBooks
from edge.spool import Spool
from liuhen.kinds import Commitments, Reclaimed

PENDING_FILE = "device/reclaiming"
"""Local state: a reclaim is being carried out. Its absence spares a start the reading of the whole journal."""


def read_books(root: Path) -> ReclaimBooks:
    """Fold the whole journal of a spool. Raises JournalError."""
    books = ReclaimBooks()
    if not read_through(root / "journal", books.accept):
        books.ledger.whole = False
    return books


def reclaim(spool: Spool, journal: Journal, books: ReclaimBooks, planned: Plan, records: Commitments = ()) -> Carried:
    """Carry out a plan: entries first, then the files. Raises StorageFault; what is left then, `finish` does.

    The entries bear the reading that the plan rests on: a clock that is lost in between would unfound them.
    """
    if not planned.parts:
        return Carried()
    pending = spool.root / PENDING_FILE
    left = begin(spool, pending)
    for part in planned.parts:
        body = Reclaimed(
            contents=part.contents, receipts=part.receipts, witness=part.witness, order=part.order, records=records
        )
        journal.append(body, session_id=part.session, clock=part.clock)
    going = {content: part.session for part in planned.parts for content in part.contents}
    carried = remove_contents(spool, books.ledger, going)
    if not left:
        spool.write(durable.Remove(path=pending, missing_ok=True))
    return carried


def finish_reclaims(spool: Spool) -> Carried:
    """What a start does after recovery: nothing, unless a reclaim was being carried out when the device was cut off.

    Reads the whole journal then, and only then; once, where that is not whole. Raises StorageFault, JournalError.
    """
    pending = spool.root / PENDING_FILE
    if not durable.exists(pending):
        return Carried()
    return Carried(incomplete=True) if is_put_off(pending) else finish(spool, read_books(spool.root))


def finish(spool: Spool, books: ReclaimBooks) -> Carried:
    """Remove what a reclaim left that was cut off, where one was; `books` are of now. Raises StorageFault."""
    pending = spool.root / PENDING_FILE
    if not durable.exists(pending):
        return Carried()
    if not books.ledger.whole:
        return put_off(spool, pending)
    carried = remove_contents(spool, books.ledger, books.still_to_go())
    spool.write(durable.Remove(path=pending, missing_ok=True))
    return carried
