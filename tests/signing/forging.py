"""What somebody does who holds a device's key: entries dropped or changed, everything renumbered and signed again.

Writes the journal of an archive as one file; media stay as they are. Numbers that entries name follow along, and
checkpoints are made anew, so that nothing but the change itself is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from liuhen import cose, entry, merkle
from liuhen.entry import Entry
from liuhen.hashing import ZERO_HASH, sha256
from liuhen.kinds import Amend, Checkpoint, EntryBody, Event, GapEnd, Head, Key, Mark, Recovered
from tests.signing.archives import put_entries
from tests.signing.evidence import Original

Change = Callable[[Entry], EntryBody | None]


def rewrite(root: Path, change: Change, *, key: cose.Signer) -> None:
    """Sign the journal again; `change` gives the new body of each entry, or None for one that is to be gone."""
    forger = _Forger(key)
    for old in Original(root=root).parsed:
        body = change(old)
        if body is not None:
            forger.add(old, body)
    for path in (root / "journal").iterdir():
        path.unlink()
    put_entries(root, forger.encoded)


class _Forger:
    """The new chain while it grows, and where each old entry went."""

    def __init__(self, key: cose.Signer) -> None:
        self.encoded: list[bytes] = []
        self._key = key
        self._prev = ZERO_HASH
        self._tree = merkle.Peaks()
        self._heads: dict[int, Head] = {}

    def add(self, old: Entry, body: EntryBody) -> None:
        """Append an entry that says `body` where `old` stood."""
        common, seq = old.common, len(self.encoded)
        at = entry.Position(log_id=common.log_id, run=common.run, seq=seq, prev=self._prev)
        again = entry.make(
            self._following(body, old),
            at=at,
            clock=common.clock,
            session_id=common.session_id,
            seen=None,
            signer=self._key,
        )
        self.encoded.append(again)
        self._prev = sha256(again)
        self._tree.append(merkle.leaf_hash(again))
        self._heads[common.seq] = (seq, self._prev)

    def _following(self, body: EntryBody, old: Entry) -> EntryBody:
        """The body with the numbers of the new chain; a checkpoint is that of the new tree unless it was changed."""
        changed: dict[str, Any] = {}
        match body:
            case Checkpoint() if body == old.body:
                changed = {"size": len(self.encoded), "root": self._tree.root(), "peaks": self._tree.peaks()}
            case GapEnd():
                changed = {"gap_seq": self._seq(body.gap_seq)}
            case Mark(refers_to=int(seq)) | Event(refers_to=int(seq)):
                changed = {"refers_to": self._seq(seq)}
            case Amend():
                changed = {"refers_to": self._seq(body.refers_to), "refers_to_hash": self._heads[body.refers_to][1]}
            case Recovered(head=(seq, _)):
                changed = {"head": self._heads[seq]}
            case Key(old_head=(seq, _)):
                changed = {"old_head": self._heads[seq]}
            case _:
                pass
        return replace(body, **changed)

    def _seq(self, old: int) -> int:
        return self._heads[old][0] if old in self._heads else old
