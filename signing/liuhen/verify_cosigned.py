"""Pinned witnesses' statements against the tree of the entries that were read (FORMAT.md 12.4; step B4). Pure."""

from __future__ import annotations

from collections.abc import Iterable

from liuhen.entry import Entry
from liuhen.findings import Code, Findings, Place
from liuhen.kinds import Checkpoint
from liuhen.store_statements import WitnessClaim
from liuhen.verify_tree import Tree

KID_DIGITS = 16


class CosignedCheck:
    """Asked before each entry enters the tree. `agreed` holds of each witness the widest statement that holds."""

    def __init__(self, findings: Findings, claims: Iterable[WitnessClaim]) -> None:
        self._findings = findings
        self._waiting: dict[int, list[WitnessClaim]] = {}
        for claim in claims:
            self._waiting.setdefault(claim.size, []).append(claim)
        self.agreed: dict[bytes, WitnessClaim] = {}

    def accept(self, entry: Entry, tree: Tree) -> None:
        """This believed entry comes next."""
        seq, body = entry.common.seq, entry.body
        for claim in self._waiting.pop(seq, ()):
            root = tree.root_of(claim.size)
            if root is None and isinstance(body, Checkpoint) and body.size == seq:
                root = body.root  # behind entries that are lost the tree goes on from what the device signed
            self._judge(claim, root)

    def conclude(self, tree: Tree, end_seq: int) -> None:
        """No entry follows; `end_seq` is one more than the last number."""
        for size in sorted(self._waiting):
            for claim in self._waiting[size]:
                if size > end_seq:
                    kid = claim.kid.hex()[:KID_DIGITS]
                    zh, en = f"见证 {kid} 见过前 {size} 个条目", f"witness {kid} saw the first {size} entries"
                    self._findings.add(Code.WITNESS_AHEAD, Place(entry=size - 1), zh=zh, en=en)
                else:
                    self._judge(claim, tree.root_of(size))
        self._waiting.clear()

    def _judge(self, claim: WitnessClaim, root: bytes | None) -> None:
        """Without a root there are entries missing before, which is told already: nothing can be compared."""
        kid = claim.kid.hex()[:KID_DIGITS]
        if root is None:
            return
        if root != claim.root:
            words = (f"见证 {kid}，前 {claim.size} 个条目", f"witness {kid}, the first {claim.size} entries")
            self._findings.add(Code.WITNESS_DIFFERS, Place(entry=claim.size - 1), zh=words[0], en=words[1])
        elif claim.size >= self.agreed.get(claim.kid, claim).size:
            self.agreed[claim.kid] = claim
