"""Checkpoints against the tree of all entries before them (FORMAT.md 5.3, 7; step J13). Pure, at most 64 hashes."""

from __future__ import annotations

from liuhen import merkle
from liuhen.entry import Entry
from liuhen.errors import FormatError
from liuhen.findings import Code, Findings, Place
from liuhen.kinds import Checkpoint, Recovered

BESIDE_RUN = 2
"""`recovered` stands beside `run`; the newest entry found whole is at most this far before it."""


class Tree:
    """The tree of the entries read so far; after a break it continues from the next checkpoint's own peaks."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._peaks: merkle.Peaks | None = merkle.Peaks()
        self._breaks = 0

    def accept(self, entry: Entry, breaks: int) -> None:
        """One believed entry in its place; `breaks` is the chain's count."""
        if breaks != self._breaks:
            self._breaks, self._peaks = breaks, None
        if isinstance(entry.body, Recovered) and _lost(entry.common.seq, entry.body):
            self._peaks = None
        if isinstance(entry.body, Checkpoint):
            self._check(entry.common.seq, entry.body)
        if self._peaks is not None:
            self._peaks.append(merkle.leaf_hash(entry.envelope.encoded))

    def root_of(self, size: int) -> bytes | None:
        """The root over the first `size` entries, if exactly these are what has been read; else None."""
        return None if self._peaks is None or self._peaks.size != size else self._peaks.root()

    def _check(self, seq: int, body: Checkpoint) -> None:
        place = Place(entry=seq)
        if body.size != seq:
            self._findings.add(Code.CHECKPOINT_WRONG, place, en=f"its size is {body.size}")
            return
        try:
            claimed = merkle.Peaks(body.size, body.peaks)
        except FormatError as error:
            self._findings.add(Code.CHECKPOINT_WRONG, place, en=error.what)
            return
        if claimed.root() != body.root:
            self._findings.add(Code.CHECKPOINT_WRONG, place, en="its root does not follow from its peaks")
        elif self._peaks is None:
            self._peaks = claimed
        elif self._peaks.root() != body.root:
            self._findings.add(Code.CHECKPOINT_WRONG, place, en="its root is not that of the entries")


def _lost(seq: int, body: Recovered) -> bool:
    """Whether the device could not read all entries before this one: its tree has other leaves in their places."""
    return bool(body.rotten) or (body.head is not None and body.head[0] < seq - BESIDE_RUN)
