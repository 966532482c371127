"""The journal: the device's one append-only signed chain, as files on disk.

CONTROL alone appends; `head` may be read by any thread, for it is replaced whole and only after the entry is durable.
On return of `append` the entry is on the disk. Files rotate by size; the reserve makes sure that a full disk can still
be given its reason.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge import durable
from edge.durable import AppendFile, StorageFault
from edge.spool import Spool
from liuhen import cose, entry, merkle
from liuhen.errors import FormatError
from liuhen.hashing import sha256
from liuhen.kinds import (
    Checkpoint,
    Clock,
    Enrolment,
    EntryBody,
    Head,
    Heartbeat,
    Key,
    Recovered,
    Run,
    Session,
    SessionEnd,
    Stop,
)

FILE_NAME_DIGITS = 8
READ_LIMIT_BYTES = 128 * 1024 * 1024
ENVELOPE_START = b"\xd2\x84\x58"
REMEMBERED = (Enrolment, Run, Recovered, Session, Heartbeat, Checkpoint, SessionEnd, Stop, Key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a start finds of the journal: the entries of its last files, the tree, and any torn tail."""

    entries: tuple[entry.Entry, ...]
    peaks: merkle.Peaks
    last_file: int
    torn_bytes: int

    @property
    def last(self) -> entry.Entry | None:
        """The newest whole entry."""
        return self.entries[-1] if self.entries else None


class JournalError(Exception):
    """The journal cannot be continued; nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a journal is given: the clock, the size of a file, and who is told of (seq, hash) after each flush.

    `remember` keeps a head beside the key; it is asked at every entry after which much would be lost by a roll-back.
    """

    file_limit_bytes: int
    read_clock: Callable[[], Clock]
    on_durable: Callable[[int, bytes], None]
    remember: Callable[[Head], None]


class Journal:
    """The open journal of this run."""

    def __init__(
        self,
        *,
        spool: Spool,
        found: Found,
        run: int,
        signer: cose.Signer,
        outside: Outside,
    ) -> None:
        """Continue after `found`."""
        self._spool = spool
        self._run = run
        self._signer = signer
        self._outside = outside
        self._peaks = found.peaks
        self._number = found.last_file
        self._file: AppendFile | None = None
        self.head: Head | None = found.last.head if found.last is not None else None
        self.kid = cose.key_id(signer.public_key)
        self.seen: tuple[int, bytes, int, bytes] | None = None
        self.reserve_used = False

    @property
    def size(self) -> int:
        """Entries so far; the next one has this seq."""
        return self._peaks.size

    def append(self, body: EntryBody, *, session_id: bytes | None) -> entry.Position:
        """Sign and append one entry; durable on return. Raises StorageFault when even the reserve does not help."""
        seq, prev = (self.head[0] + 1, self.head[1]) if self.head is not None else (0, bytes(32))
        at = entry.Position(log_id=self._spool.identity.log_id, run=self._run, seq=seq, prev=prev)
        encoded = entry.make(
            body, at=at, clock=self._outside.read_clock(), session_id=session_id, seen=self.seen, signer=self._signer
        )
        self._write(encoded)
        self._peaks.append(merkle.leaf_hash(encoded))
        digest = sha256(encoded)
        self.head = (seq, digest)
        if isinstance(body, REMEMBERED):
            self._outside.remember(self.head)
        self._outside.on_durable(seq, digest)
        return at

    def checkpoint(self, *, session_id: bytes | None) -> None:
        """Sign size and root of everything so far."""
        body = Checkpoint(size=self._peaks.size, root=self._peaks.root(), peaks=self._peaks.peaks())
        self.append(body, session_id=session_id)

    def use_reserve(self) -> bool:
        """Give the reserved space back to a full disk; False if it was given already. Raises StorageFault."""
        released = self._spool.release_reserve()
        self.reserve_used = self.reserve_used or released
        return released

    def close(self) -> None:
        """Close the open file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, encoded: bytes) -> None:
        try:
            self._append(encoded)
        except StorageFault as fault:
            if not fault.full or not self.use_reserve():
                raise
            # A full disk: the reserve gives its space back. The failed write may have left a part of the entry behind,
            # which is cut off before the file is opened anew.
            self._drop_torn_tail()
            self._append(encoded)

    def _append(self, encoded: bytes) -> None:
        if self._file is None:
            self._file = self._open_last()
        if self._file.size and self._file.size + len(encoded) > self._outside.file_limit_bytes:
            self._file.close()
            self._file = None
            self._number += 1
            self._file = AppendFile(file_path(self._spool.journal_directory, self._number), new=True)
        self._file.append(encoded)

    def _open_last(self) -> AppendFile:
        path = file_path(self._spool.journal_directory, self._number)
        return AppendFile(path, new=not path.exists())

    def _drop_torn_tail(self) -> None:
        """Cut what a failed write left after the last durable entry; those bytes were never named by anything."""
        if self._file is None:
            return
        whole_bytes = self._file.size
        self._file.close()
        self._file = None
        durable.shorten(file_path(self._spool.journal_directory, self._number), whole_bytes)


def file_path(directory: Path, number: int) -> Path:
    """Path of one journal file."""
    return directory / f"{number:0{FILE_NAME_DIGITS}d}.cbor"


def find(directory: Path) -> Found:
    """Read the journal's end: back to the newest checkpoint and the newest session. Raises JournalError."""
    numbers = sorted(int(path.stem) for path in directory.glob("*.cbor") if path.stem.isdecimal())
    if numbers != list(range(len(numbers))):
        raise JournalError(f"{directory}: journal files have holes: {numbers[:8]}")
    entries: list[entry.Entry] = []
    torn_bytes = 0
    for number in reversed(numbers):
        path = file_path(directory, number)
        read, rest = _read_file(path)
        if rest and number != numbers[-1]:
            raise JournalError(f"{path}: {len(rest)} unreadable bytes before later files")
        _refuse_rot(path, rest)
        torn_bytes += len(rest)
        entries = read + entries
        if _holds(entries, Checkpoint) and _holds(entries, Session):
            break
    _check_chain(directory, entries)
    return Found(
        entries=tuple(entries),
        peaks=_peaks(entries),
        last_file=numbers[-1] if numbers else 0,
        torn_bytes=torn_bytes,
    )


def entry_at(directory: Path, seq: int) -> entry.Entry | None:
    """The entry with this number, newest files first, or None. Raises JournalError."""
    for path in sorted(directory.glob("*.cbor"), reverse=True):
        for found in entries_of(path):
            if found.common.seq == seq:
                return found
    return None


def key_statements(directory: Path) -> list[bytes]:
    """The endorsements the log itself carries, from its first entry and every key entry of its first and last file."""
    files = sorted(directory.glob("*.cbor"))
    endorsements: list[bytes] = []
    for path in dict.fromkeys((*files[:1], *files[-1:])):
        for found in entries_of(path):
            if isinstance(found.body, Enrolment | Key):
                endorsements.extend(found.body.endorsements)
    return endorsements


def entries_of(path: Path) -> Iterator[entry.Entry]:
    """The whole entries of one file, up to the first that is not whole. Raises JournalError."""
    return iter(_read_file(path)[0])


def _read_file(path: Path) -> tuple[list[entry.Entry], bytes]:
    """The whole entries of a file, and the bytes that follow them."""
    try:
        with path.open("rb") as source:
            content = source.read(READ_LIMIT_BYTES)
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}") from error
    entries: list[entry.Entry] = []
    offset = 0
    while (found := _entry_at(content, offset, path)) is not None:
        entries.append(found)
        offset += len(found.envelope.encoded)
    return entries, content[offset:]


def _entry_at(content: bytes, offset: int, path: Path) -> entry.Entry | None:
    """The whole entry that begins here, or None."""
    where = f"{path.name}+{offset}"
    try:
        end = cose.item_end(content, offset, where=where)
        return entry.parse(content[offset:end], where=where) if end is not None else None
    except FormatError:
        return None


def _refuse_rot(path: Path, rest: bytes) -> None:
    """One write holds one entry, so a power cut leaves the beginning of one; anything more is rot, and stays."""
    if len(rest) > cose.ENTRY_LIMIT_BYTES:
        raise JournalError(f"{path}: {len(rest)} unreadable bytes are more than one write leaves behind")
    at = rest.find(ENVELOPE_START)
    while at >= 0:
        if _entry_at(rest, at, path) is not None:
            raise JournalError(f"{path}: an unreadable entry stands before whole ones")
        at = rest.find(ENVELOPE_START, at + 1)


def _check_chain(directory: Path, entries: list[entry.Entry]) -> None:
    """Each entry continues the one before. Raises JournalError."""
    for before, after in itertools.pairwise(entries):
        if (after.common.seq, after.common.prev) != (before.common.seq + 1, before.hash):
            raise JournalError(f"{directory}: entry {after.common.seq} does not continue the one before")


def _holds(entries: list[entry.Entry], kind: type[EntryBody]) -> bool:
    return any(isinstance(found.body, kind) for found in entries)


def _peaks(entries: list[entry.Entry]) -> merkle.Peaks:
    """Continue the tree from the newest checkpoint among these entries, or from the first entry of the log."""
    tree = merkle.Peaks()
    for found in entries:
        match found.body:
            case Checkpoint(size=size, peaks=peaks):
                tree = merkle.Peaks(size, peaks)
            case _ if found.common.seq != tree.size:
                continue
            case _:
                pass
        tree.append(merkle.leaf_hash(found.envelope.encoded))
    return tree
