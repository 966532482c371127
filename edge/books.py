"""The recorder's own ledger of what is held where, kept up in CONTROL's turns, a little at a time.

Owns `device/holdings.sqlite3` in the spool: local state that proves nothing. Where it cannot be read or written the
recording goes on; whoever asks is told that the books are behind, and it is tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge.durable import StorageFault
from edge.holdings import Holdings, LedgerFault
from edge.journal import Journal
from edge.slices import SliceReader
from edge.spool import Spool

BOOKS_FILE = "device/holdings.sqlite3"
TRY_AGAIN_NS = 30 * 10**9


class Books:
    """See the module. CONTROL alone."""

    def __init__(self, spool: Spool, journal: Journal, now_ns: Callable[[], int]) -> None:
        """Nothing is opened before the first turn."""
        self._spool = spool
        self._journal = journal
        self._now_ns = now_ns
        self._held_until_ns = 0
        self._ledger: Holdings | None = None
        self._opened_at: Path | None = None
        self._slices = SliceReader(spool.root)
        self.trouble = ""
        """Why the books are behind, empty where they are not."""

    @property
    def ledger(self) -> Holdings | None:
        """The ledger, where it knows every durable entry; None while it is behind."""
        head = self._journal.head
        up_to_date = self._ledger is not None and head is not None and self._ledger.next_seq > head[0]
        return self._ledger if up_to_date else None

    def turn(self) -> None:
        """Fold a little more. Raises nothing: a fault is kept in `trouble`."""
        now_ns, head = self._now_ns(), self._journal.head
        if head is None or now_ns < self._held_until_ns:
            return
        try:
            ledger = self._open()
            ledger.follow(head[0])
            slices = self._slices.take()
            if slices:
                ledger.add_slices(slices)
            self.trouble = ""
        except (LedgerFault, StorageFault) as fault:
            self.trouble = str(fault)
            self._held_until_ns = now_ns + TRY_AGAIN_NS
            self.close()

    def _open(self) -> Holdings:
        """The ledger on the disk that is read now. Raises LedgerFault."""
        root = self._spool.root
        if self._ledger is not None and self._opened_at != root:
            self.close()
        if self._ledger is None:
            self._ledger = Holdings(root / BOOKS_FILE, lambda: self._spool.root)
            self._opened_at, self._slices = root, SliceReader(root)
        return self._ledger

    def close(self) -> None:
        """Let go of the file."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None
