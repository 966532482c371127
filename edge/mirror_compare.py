"""Two copies of a file that only grows: how they differ, and from where on a copy is the rest of a write.

Reads, and changes nothing. Each function touches one disk and runs on that disk's own thread.
"""

from __future__ import annotations

import enum
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from edge import durable, journal
from liuhen.errors import FormatError
from liuhen.reader import FragmentState, Item, SealedFragment, read_segment

EVIDENCE_FOLDERS = ("sessions", "records", "quarantine", "journal")
"""The journal last: what it names is there before it."""
PIECE_BYTES = 1 << 20


class Likeness(enum.Enum):
    """A piece of one copy against the same piece of the other."""

    EQUAL = "equal"
    SHORT = "the copy ends inside it, and is equal up to there"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How a copy is like a piece, and the offset of what ends or differs first; `size` of the whole copy."""

    likeness: Likeness
    at: int
    size: int


def compare(path: Path, offset: int, piece: bytes) -> Found:
    """A copy against a piece of the other. A copy that is not there is one that ends at 0. Raises OSError."""
    try:
        descriptor = durable.open_plain(path)
    except FileNotFoundError:
        return Found(likeness=Likeness.SHORT if piece else Likeness.EQUAL, at=0, size=0)
    try:
        size = os.fstat(descriptor).st_size
        own = os.pread(descriptor, len(piece), offset)
    finally:
        os.close(descriptor)
    if own == piece:
        return Found(likeness=Likeness.EQUAL, at=offset + len(piece), size=size)
    if piece.startswith(own):
        return Found(likeness=Likeness.SHORT, at=offset + len(own), size=size)
    return Found(likeness=Likeness.DIFFERENT, at=offset + _first_difference(own, piece), size=size)


def _first_difference(one: bytes, other: bytes) -> int:
    low, high = 0, min(len(one), len(other))
    while low < high:  # equal up to low, different before high
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def proven_bytes(root: Path, relative: str) -> int:
    """How much of a file is proven to have been written whole: what follows is the rest of a write. Raises OSError.

    A segment up to its last genuine seal that fits, wherever damage lies before it; a journal file up to its last
    whole entry. Of a record or a quarantined file nothing is: it was made by one write.
    """
    path = root / relative
    try:
        if relative.endswith(".mp4"):
            return max((_sealed_end(item) for item in read_segment(path)), default=0)
        if relative.startswith("journal/"):
            return max((end for end, _ in journal.entries_in(durable.content_of(path), path)), default=0)
    except FormatError:
        return path.stat(follow_symlinks=False).st_size  # no plain file: nothing here is touched
    return 0


def _sealed_end(item: Item) -> int:
    sealed = isinstance(item, SealedFragment) and item.state in (FragmentState.PREFIX, FragmentState.AFTER_DAMAGE)
    return item.end_offset if isinstance(item, SealedFragment) and sealed else 0


def evidence_files(root: Path, folders: tuple[str, ...] = EVIDENCE_FOLDERS) -> dict[str, int]:
    """Name below the root and size of every plain file of evidence, in the order they should be copied."""
    found: dict[str, int] = {}
    for folder in folders:
        pattern = "*/*" if folder == "sessions" else "*"
        for path in sorted((root / folder).glob(pattern)):
            status = path.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                found[path.relative_to(root).as_posix()] = status.st_size
    return found


def read_piece(path: Path, offset: int, size_bytes: int = PIECE_BYTES) -> bytes:
    """A piece of a file; empty at its end. Raises OSError."""
    descriptor = durable.open_plain(path)
    try:
        return os.pread(descriptor, size_bytes, offset)
    finally:
        os.close(descriptor)
