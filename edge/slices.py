"""The journal cut into slices for a store, once and for all: which entries are one object, durable before it is sent.

CONTROL cuts, in the recorder; the offload process reads the cuts and the journal and never cuts by itself. On return of
`SliceCutter.turn` every boundary it decided is on the disk, in `device/slices-<number>.cbor`: a sequence of CBOR rows
`[first, last, sha256, journal file, offset, size]`, which only grows and is replaced whole. A row names only durable
entries of one file that follow each other without a hole. The files are local state: where they are lost, what is cut
anew overlaps what was sent and agrees with it byte for byte, which FORMAT.md 12.1 allows.
"""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cbor2

from edge import durable
from edge.durable import StorageFault
from edge.journal import Journal, JournalError, file_path
from edge.journal_follow import JournalFollower, Mark, Placed
from edge.spool import Spool
from liuhen import cbor
from liuhen.entry import Entry
from liuhen.errors import FormatError
from liuhen.hashing import ZERO_HASH, sha256
from liuhen.kinds import Checkpoint, Event, SessionEnd
from liuhen.registry import EntryClass, Severity

SLICE_LIMIT_BYTES = 256 * 1024
URGENT_NS = 2 * 10**9
"""So long a cut that is wanted at once waits for what follows it: a burst is one slice."""
REGULAR_NS = 30 * 10**9
TRY_AGAIN_NS = 30 * 10**9
PIECES_AT_LAST = 256
ROWS_IN_A_FILE = 256
ROW_LIMIT_BYTES = 96
FILE_LIMIT_BYTES = ROWS_IN_A_FILE * ROW_LIMIT_BYTES
_ROW_LENGTH = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Entries first to last, which stand in a journal file from `offset` on."""

    first: int
    last: int
    digest: bytes
    file: int
    offset: int
    size: int

    def to_bytes(self) -> bytes:
        """The row as it stands in a file."""
        return cbor.encode((self.first, self.last, self.digest, self.file, self.offset, self.size))


def slice_bytes(root: Path, one: Slice) -> bytes | None:
    """The slice's object: the entries as they stand in the journal; None where other bytes stand there, or none."""
    try:
        with durable.opened(file_path(root / "journal", one.file)) as file:
            file.seek(one.offset)
            content = file.read(one.size)
    except OSError:
        return None
    return content if sha256(content) == one.digest else None


# -- where to cut: pure ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Entries that are not cut yet: they follow each other, in one file."""

    first: int
    last: int
    file: int
    offset: int
    end: int
    due_ns: int

    @property
    def size(self) -> int:
        """Its bytes so far."""
        return self.end - self.offset


def is_urgent(entry: Entry) -> bool:
    """Whether a store should know of this within seconds: what changes what must arrive, and what may be missing."""
    match entry.body:
        case SessionEnd() | Checkpoint():
            return True
        case Event(severity=severity):
            return severity == Severity.FAULT
        case _:
            return entry.common.entry_class != EntryClass.INFORMATION


class Boundaries:
    """Takes entries in order; says where one slice ends."""

    def __init__(self) -> None:
        self._open: Piece | None = None

    def add(self, placed: Placed, now_ns: int) -> Piece | None:
        """One more entry; returns what ends before it, where it cannot be in the same slice."""
        seq, piece = placed.entry.common.seq, self._open
        due_ns = now_ns + (URGENT_NS if is_urgent(placed.entry) else REGULAR_NS)
        if piece is not None and self._fits(piece, placed):
            self._open = Piece(
                first=piece.first,
                last=seq,
                file=piece.file,
                offset=piece.offset,
                end=placed.end,
                due_ns=min(piece.due_ns, due_ns),
            )
            return None
        self._open = Piece(first=seq, last=seq, file=placed.file, offset=placed.start, end=placed.end, due_ns=due_ns)
        return piece

    @staticmethod
    def _fits(piece: Piece, placed: Placed) -> bool:
        follows = placed.entry.common.seq == piece.last + 1 and placed.start == piece.end
        return follows and placed.file == piece.file and placed.end - piece.offset <= SLICE_LIMIT_BYTES

    def due(self, now_ns: int) -> Piece | None:
        """What is to be cut now."""
        if self._open is None or now_ns < self._open.due_ns:
            return None
        piece, self._open = self._open, None
        return piece


# -- the recorder's side -----------------------------------------------------------------------------------------------


class SliceCutter:
    """Follows the journal and makes boundaries durable. CONTROL alone; nothing it meets ends a session."""

    def __init__(self, spool: Spool, journal: Journal, now_ns: Callable[[], int]) -> None:
        """Nothing is read or written before the first turn, which goes on after what the journal still confirms."""
        self._spool = spool
        self._journal = journal
        self._now_ns = now_ns
        self._held_until_ns = 0
        self._number = 0
        self._rows: list[Slice] = []
        self._taken_over = False
        self._read_on()

    @property
    def newest(self) -> Slice | None:
        """The newest durable boundary."""
        return self._rows[-1] if self._rows else None

    def turn(self) -> StorageFault | None:
        """Read on, cut what is due. A fault costs no entry: it is returned for the operator, and tried again later."""
        now_ns, head = self._now_ns(), self._journal.head
        if head is None or now_ns < self._held_until_ns:
            return None
        try:
            if not self._taken_over:
                self._number, self._rows = self._take_over()
                self._taken_over = True
                self._read_on()
            for placed in self._follower.read(head[0]):
                piece = self._boundaries.add(placed, now_ns)
                if piece is not None:
                    self._cut(piece)
            due = self._boundaries.due(now_ns)
            if due is not None:
                self._cut(due)
        except StorageFault as fault:
            return self._held(fault, now_ns)
        except JournalError:
            return self._held(StorageFault(self._spool.journal_directory, errno.EIO), now_ns)
        return None

    def close(self) -> StorageFault | None:
        """Cut everything there is, of a long journal a bounded part; what is not cut now is cut by the next start."""
        self._held_until_ns = 0
        for _ in range(PIECES_AT_LAST):
            before = self._follower.mark
            fault = self.turn()
            if fault is not None:
                return fault
            if self._follower.mark == before:
                break
        try:
            piece = self._boundaries.due(_AT_LAST_NS)
            if piece is not None:
                self._cut(piece)
        except StorageFault as last:
            return last
        return None

    def _held(self, fault: StorageFault, now_ns: int) -> StorageFault:
        """After a fault: everything behind the newest boundary is read again, in a while."""
        self._held_until_ns = now_ns + TRY_AGAIN_NS
        self._read_on()
        return fault

    def _read_on(self) -> None:
        newest, mark = self.newest, Mark()
        if newest is not None:
            mark = Mark(file=newest.file, offset=newest.offset + newest.size, seq=newest.last + 1)
        self._boundaries = Boundaries()
        self._follower = JournalFollower(lambda: self._spool.root, mark)

    def _cut(self, piece: Piece) -> None:
        path = file_path(self._spool.journal_directory, piece.file)
        with durable.reading(path), durable.opened(path) as file:
            file.seek(piece.offset)
            content = file.read(piece.size)
        if len(content) != piece.size:
            raise StorageFault(path, errno.EIO)  # it was there when it was read on
        row = Slice(
            first=piece.first,
            last=piece.last,
            digest=sha256(content),
            file=piece.file,
            offset=piece.offset,
            size=piece.size,
        )
        full = len(self._rows) >= ROWS_IN_A_FILE
        number, rows = (self._number + 1, [row]) if full else (self._number, [*self._rows, row])
        self._keep(number, rows)
        self._number, self._rows = number, rows

    def _keep(self, number: int, rows: list[Slice]) -> None:
        content = b"".join(one.to_bytes() for one in rows)
        self._spool.write(durable.Replace(path=_rows_path(self._spool.root, number), content=content))

    def _take_over(self) -> tuple[int, list[Slice]]:
        """The newest file that follows the ones before it, and its rows as far as the journal confirms them.

        Rows above a head that a disk has lost go, and so do files behind a missing one: a mirror that was away has
        such, and what lies between would never be cut.
        """
        numbers, root = _numbers(self._spool.root), self._spool.root
        in_order = [number for at, number in enumerate(numbers) if number == at]
        keep = len(in_order) - 1
        if keep > 0 and len(_rows_of(_rows_path(root, keep - 1))) < ROWS_IN_A_FILE:
            keep -= 1
        whole: list[Slice] = []
        while keep >= 0 and not whole:
            rows = _rows_of(_rows_path(root, keep))
            whole = _confirmed(root, rows)
            if not whole:
                keep -= 1
        for number in reversed([number for number in numbers if number > max(keep, 0)]):
            self._spool.write(durable.Remove(path=_rows_path(root, number)))
        if numbers and whole != _rows_of(_rows_path(root, max(keep, 0))):
            self._keep(max(keep, 0), whole)
        return max(keep, 0), whole


_AT_LAST_NS = 1 << 63


def cut_last(spool: Spool, journal: Journal, now_ns: Callable[[], int]) -> StorageFault | None:
    """What a short command does under the lock before it ends: nobody else cuts what it has appended."""
    return SliceCutter(spool, journal, now_ns).close()


def newest_cut(root: Path) -> int:
    """The last entry that a slice on this disk holds, -1 where there is none. Raises StorageFault."""
    numbers = _numbers(root)
    rows = _rows_of(_rows_path(root, numbers[-1])) if numbers else []
    return rows[-1].last if rows else -1


def is_cut(root: Path) -> bool:
    """Whether a journal was ever cut for a store. Raises StorageFault."""
    return bool(_numbers(root))


def _confirmed(root: Path, rows: list[Slice]) -> list[Slice]:
    """The rows up to the newest whose entries stand in the journal as it says."""
    whole = list(rows)
    while whole and slice_bytes(root, whole[-1]) is None:
        whole.pop()
    return whole


def _rows_path(root: Path, number: int) -> Path:
    return root / "device" / f"slices-{number:08d}.cbor"


def _numbers(root: Path) -> list[int]:
    """The files of rows, in order. Raises StorageFault."""
    with durable.reading(root / "device"):
        found = [path.stem.removeprefix("slices-") for path in (root / "device").glob("slices-*.cbor")]
    return sorted(int(number) for number in found if number.isascii() and number.isdecimal())


def _rows_of(path: Path) -> list[Slice]:
    """The rows of a file, up to what is none. Raises StorageFault."""
    with durable.reading(path):
        if not path.exists():
            return []
        with durable.opened(path) as file:
            return list(parse_rows(file.read(FILE_LIMIT_BYTES)))


def parse_rows(content: bytes) -> Iterator[Slice]:
    """The rows at the beginning of some bytes, up to the first that is none, or that does not follow the one before."""
    at, newest = 0, -1
    while at < len(content):
        row = _row_at(content, at)
        if row is None or row.first <= newest:
            return
        yield row
        at, newest = at + len(row.to_bytes()), row.last


def _row_at(content: bytes, at: int) -> Slice | None:
    """The row that begins here: decoded, and encoded again to know how long it is."""
    piece = content[at : at + ROW_LIMIT_BYTES]
    try:
        found = cbor2.loads(piece)
    except (cbor2.CBORError, ValueError, OverflowError, RecursionError, TypeError):
        return None
    match found:
        case [int(first), int(last), bytes(digest), int(file), int(offset), int(size)] if len(found) == _ROW_LENGTH:
            row = Slice(first=first, last=last, digest=digest, file=file, offset=offset, size=size)
        case _:
            return None
    numbers = (row.first, row.last, row.file, row.offset, row.size)
    counted = all(0 <= number < 1 << 63 for number in numbers)
    sound = counted and row.first <= row.last and len(row.digest) == len(ZERO_HASH)
    try:
        return row if sound and piece.startswith(row.to_bytes()) else None
    except FormatError:
        return None


# -- the offload process's side ----------------------------------------------------------------------------------------


_Version = tuple[int, int, int, int]
"""A file of rows as it stands: number, inode, size in bytes, when changed in nanoseconds."""


class SliceReader:
    """Reads boundaries on from where it was, while another process adds to them. Writes nothing, holds no file open."""

    def __init__(self, root: Path, *, after_seq: int = -1) -> None:
        """Only slices that begin behind `after_seq`."""
        self._root = root
        self._after = after_seq
        self._number = 0
        self._offset = 0
        self._read_whole: _Version | None = None

    def take(self, limit: int = 1024) -> list[Slice]:
        """At most so many new slices, oldest first; none when there is nothing new. Raises StorageFault.

        Cheap where nothing is new, for the recorder asks in each of its turns.
        """
        version = self._version()
        if version is not None and version == self._read_whole:
            return []
        found = self._new(limit)
        # Taken before the reading: what was replaced meanwhile is read again.
        self._read_whole = version if len(found) < limit else None
        return found

    def _version(self) -> _Version | None:
        """What the newest known file of rows is now, if no other follows it; rows are only added, so its size tells.

        None where that does not say that nothing is new. Raises StorageFault.
        """
        path = _rows_path(self._root, self._number)
        with durable.reading(path):
            if _rows_path(self._root, self._number + 1).exists():
                return None
            try:
                found = path.stat()
            except FileNotFoundError:
                return None
        return self._number, found.st_ino, found.st_size, found.st_mtime_ns

    def _new(self, limit: int) -> list[Slice]:
        found: list[Slice] = []
        for number in [n for n in _numbers(self._root) if n >= self._number]:
            if number != self._number:
                self._number, self._offset = number, 0
            found += itertools.islice(self._rest(number), limit - len(found))
            if len(found) >= limit:
                break
        return found

    def _rest(self, number: int) -> Iterator[Slice]:
        path = _rows_path(self._root, number)
        with durable.reading(path):
            if not path.exists():
                return  # removed by a start since its name was read
            with durable.opened(path) as file:
                content = file.read(FILE_LIMIT_BYTES)
        if len(content) < self._offset:
            self._offset = 0  # replaced by a start that dropped its end
        for row in parse_rows(content[self._offset :]):
            self._offset += len(row.to_bytes())
            if row.first > self._after:
                self._after = row.last
                yield row
