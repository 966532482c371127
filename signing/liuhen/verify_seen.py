"""What entries say of the newest cosigned checkpoint they know (FORMAT.md 5.1, `seen`; step J15). Pure, O(1) state."""

from __future__ import annotations

from liuhen.entry import Entry
from liuhen.findings import Code, Findings, Place
from liuhen.kinds import Checkpoint

CHECKPOINTS_REMEMBERED = 64


class SeenCheck:
    """It never falls within a run, covers only what came before, and has the root that the journal's checkpoint has.

    The cosignature itself is not here; whether a witness gave it is asked where it is presented.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._run: int | None = None
        self._newest: tuple[int, bytes] | None = None
        self._roots: dict[int, bytes] = {}

    def accept(self, entry: Entry) -> None:
        """One believed entry in its place."""
        if entry.common.run != self._run:
            self._run, self._newest = entry.common.run, None
        if isinstance(entry.body, Checkpoint):
            self._roots[entry.body.size] = entry.body.root
            if len(self._roots) > CHECKPOINTS_REMEMBERED:
                del self._roots[next(iter(self._roots))]
        why = self._wrong(entry)
        if why:
            self._findings.add(Code.SEEN_WRONG, Place(entry=entry.common.seq), en=why)

    def _wrong(self, entry: Entry) -> str:
        seen, before = entry.common.seen, self._newest
        if seen is None:
            return "it forgets one that an entry before it had seen" if before is not None else ""
        size, root = seen[0], seen[1]
        self._newest = (size, root)
        if size > entry.common.seq:
            return "it covers entries that come later"
        if self._roots.get(size, root) != root:
            return "its root is not that of the checkpoint"
        if before is not None and (size < before[0] or (size == before[0] and root != before[1])):
            return "it falls behind, or differs from, one that an entry before it had seen"
        return ""
