"""The journal of a log put together from its slices in a store (FORMAT.md 12.1; step B3).

Slices come in the order of their first entry and may overlap where they agree byte for byte. The entries are written as
journal files of 1.1, each once; what a slice says against an entry that stands already is told and not written. Memory
holds one slice; which entry is which is kept in a file of hashes beside it.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from liuhen import cose, entry
from liuhen.archive import JOURNAL_FILE_LIMIT_BYTES
from liuhen.errors import FormatError
from liuhen.findings import Code
from liuhen.hashing import sha256
from liuhen.store_names import SliceName
from liuhen.store_objects import Tell

FILE_CLOSES_BYTES = JOURNAL_FILE_LIMIT_BYTES - cose.ENTRY_LIMIT_BYTES
HASH_BYTES = 32
SLICE_LIMIT_BYTES = 1024 * 1024


class JournalWriter:
    """Writes `folder`/NNNNNNNN.cbor from slices in order, from nothing. Raises OSError where the disk does."""

    def __init__(self, folder: Path, hashes: Path, tell: Tell) -> None:
        self._folder = folder
        self._tell = tell
        self.next_seq = 0
        self._runs: list[tuple[int, int, int]] = []
        """Entries that follow each other: first number, place of its hash, how many."""
        self._count = 0
        self._number = 0
        for old in folder.glob("*.cbor"):
            old.unlink()
        self._hashes: BinaryIO = hashes.open("w+b")
        self._file: BinaryIO = self._opened()

    def __enter__(self) -> JournalWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._hashes.close()

    def add(self, name: SliceName, octets: bytes) -> None:
        """One slice, whose bytes have the hash of its name."""
        at, seq = 0, name.first
        try:
            while at < len(octets):
                end = cose.item_end(octets, at, where=f"slice {name.path}")
                if end is None or seq > name.last:
                    raise FormatError(f"slice {name.path}", f"it does not hold entries {name.first} to {name.last}")
                if not self._entry(octets[at:end], seq):
                    return
                at, seq = end, seq + 1
            if seq != name.last + 1:
                raise FormatError(f"slice {name.path}", f"it does not hold entries {name.first} to {name.last}")
        except FormatError as error:
            self._tell(Code.STORE_SLICE_WRONG, f"{name.first}-{name.last}: {error.what}")

    def _entry(self, encoded: bytes, seq: int) -> bool:
        """Write it, or compare it with the one that stands there. Raises FormatError. False after a fork."""
        found = entry.parse(encoded, where=f"entry {seq}").common.seq
        if found != seq:
            raise FormatError(f"entry {seq}", f"entry {found} stands in the place of entry {seq}")
        digest = sha256(encoded)
        if seq < self.next_seq:
            known = self._hash_of(seq)
            if known not in (None, digest):
                self._tell(Code.STORE_FORK, str(seq))
                return False
            return True
        self._write(encoded, digest, seq)
        return True

    def _write(self, encoded: bytes, digest: bytes, seq: int) -> None:
        if self._file.tell() >= FILE_CLOSES_BYTES:
            self._file.close()
            self._number += 1
            self._file = self._opened()
        self._file.write(encoded)
        self._hashes.seek(self._count * HASH_BYTES)
        self._hashes.write(digest)
        if self._runs and seq == self.next_seq:
            first, place, count = self._runs[-1]
            self._runs[-1] = (first, place, count + 1)
        else:
            self._runs.append((seq, self._count, 1))
        self._count, self.next_seq = self._count + 1, seq + 1

    def _hash_of(self, seq: int) -> bytes | None:
        """None for an entry in a hole: slices come in order, so what was missing then is missing for good."""
        for first, place, count in reversed(self._runs):
            if first <= seq < first + count:
                self._hashes.seek((place + seq - first) * HASH_BYTES)
                return self._hashes.read(HASH_BYTES)
        return None

    def _opened(self) -> BinaryIO:
        return (self._folder / f"{self._number:08d}.cbor").open("wb")
