"""Which of two disks is read: the one whose journal is cut furthest leads, the other stands in file by file.

Reads only; no thread. With a mirror either disk holds the same files, so a mark and a path mean the same on both. A
disk that was away, or is gone, is behind, and leads again once it has caught up.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge.durable import StorageFault
from edge.refusals import SpoolError
from edge.slices import newest_cut
from edge.spool import Identity, read_identity

LOOK_EVERY_NS = 5 * 10**9


class Disks:
    """See the module. `roots` are the spool's folders, the first before its mirror."""

    def __init__(self, roots: tuple[Path, ...], boottime_ns: Callable[[], int]) -> None:
        """Nothing is read yet."""
        self._roots = roots
        self._boottime_ns = boottime_ns
        self._due_ns = 0
        self._order = roots

    def identity(self) -> Identity:
        """Of the first disk that says one. Raises SpoolError where none does."""
        for root in self._roots[:-1]:
            try:
                return read_identity(root)
            except SpoolError:
                continue
        return read_identity(self._roots[-1])

    def order(self) -> tuple[Path, ...]:
        """The disk that leads, then the other."""
        now_ns = self._boottime_ns()
        if len(self._roots) > 1 and now_ns >= self._due_ns:
            self._due_ns = now_ns + LOOK_EVERY_NS
            self._order = tuple(sorted(self._roots, key=_reach, reverse=True))  # of equals the first stays first
        return self._order

    def leading(self) -> Path:
        """The disk that leads."""
        return self.order()[0]


def _reach(root: Path) -> int:
    """How far its journal is cut; below nothing where it cannot be read."""
    try:
        return newest_cut(root)
    except StorageFault:
        return -2
