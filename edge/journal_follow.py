"""Reading a journal on from where it was read last, entry by entry, and never past what is known to be durable.

Owns no thread, writes nothing, holds no file open between two calls. For whoever folds the chain beside its writer: the
slices, the ledger of what is held where, and the offload process, which may read no further than the newest slice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge import durable
from edge.journal import ENVELOPE_START, JournalError, file_path
from liuhen import cose, entry
from liuhen.entry import Entry
from liuhen.errors import FormatError

PIECE_BYTES = 4 * cose.ENTRY_LIMIT_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One entry with the file it stands in, and from where to where."""

    entry: Entry
    file: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where to read on: everything before it was read. `seq` is the least number that may come next."""

    file: int = 0
    offset: int = 0
    seq: int = 0


class JournalFollower:
    """See the module. Entries come in order, each once; what is no entry, or has a number seen before, is passed over.

    `root` may change between two calls: with a mirror, either disk holds the same files.
    """

    def __init__(self, root: Callable[[], Path], mark: Mark = Mark()) -> None:
        self._root = root
        self.mark = mark

    def read(self, up_to: int, limit_bytes: int = PIECE_BYTES) -> list[Placed]:
        """The next entries numbered at most `up_to`, in about so many bytes. Raises JournalError.

        The caller checks neither signature nor chain again: whoever wrote them, or whoever started on them, has.
        """
        found: list[Placed] = []
        read_bytes = 0
        while read_bytes < limit_bytes and self.mark.seq <= up_to:
            before = self.mark
            content, more = self._content()
            found += self._take(content, up_to, more)
            read_bytes += self.mark.offset - before.offset if self.mark.file == before.file else len(content)
            if self.mark == before:
                break
        return found

    def _take(self, content: bytes, up_to: int, more: bool) -> Iterator[Placed]:
        """The entries in some bytes from the mark on; `more` means that a file follows this one's end."""
        at, base = 0, self.mark
        while at < len(content):
            candidate, following = _next_entry(content, at, last=more)
            if candidate is None:
                self.mark = Mark(file=base.file, offset=base.offset + following, seq=self.mark.seq)
                break
            if candidate.common.seq > up_to:
                return
            start, at = following, following + len(candidate.envelope.encoded)
            seq = self.mark.seq
            fresh = candidate.common.seq >= seq
            self.mark = Mark(file=base.file, offset=base.offset + at, seq=candidate.common.seq + 1 if fresh else seq)
            if fresh:
                yield Placed(entry=candidate, file=base.file, start=base.offset + start, end=base.offset + at)
        if more and self.mark.offset >= base.offset + len(content):
            self.mark = Mark(file=base.file + 1, offset=0, seq=self.mark.seq)

    def _content(self) -> tuple[bytes, bool]:
        """The next bytes of the file, and whether they reach its end while another file follows."""
        directory = self._root() / "journal"
        path = file_path(directory, self.mark.file)
        try:
            if not path.exists():
                return b"", False
            with durable.opened(path) as file:
                size_bytes = os.fstat(file.fileno()).st_size
                file.seek(self.mark.offset)
                content = file.read(PIECE_BYTES)
            ended = self.mark.offset + len(content) >= size_bytes
            return content, ended and file_path(directory, self.mark.file + 1).exists()
        except OSError as error:
            raise JournalError(f"{path}: {error.strerror}") from error


def _next_entry(content: bytes, at: int, *, last: bool) -> tuple[Entry | None, int]:
    """The next whole entry from here on and where it begins; without one, how far there is none for certain.

    `last`: nothing more will ever follow these bytes, so an entry that they cut off is none.
    """
    while 0 <= at < len(content):
        try:
            end = cose.item_end(content, at, where="journal")
            if end is not None:
                return entry.parse(content[at:end], where="journal"), at
            if not last and len(content) - at <= cose.ENTRY_LIMIT_BYTES:
                return None, at
        except FormatError:
            pass
        at = content.find(ENVELOPE_START, at + 1)
    return None, len(content)
