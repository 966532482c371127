"""One streaming walk over a segment file, for the verifier and for recovery (FORMAT.md 6; steps S2 to S6).

Bounded memory: one buffer of 512 KiB and boxes of known limits (init 1 MiB, a seal 1 KiB), whatever the sizes in the
file say. The file may end anywhere. Read only; runs in the caller's thread; the file belongs to the caller, or is
opened and closed here when a path is given.
"""

from __future__ import annotations

import enum
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from liuhen import archive, cose, ed25519
from liuhen.boxes import (
    FRAGMENT_LIMIT_BYTES,
    FRAGMENTS_LIMIT,
    IDENTITY_USERTYPE,
    SEAL_BOX_LIMIT_BYTES,
    SEAL_USERTYPE,
    UUID_HEADER_BYTES,
)
from liuhen.errors import FormatError
from liuhen.hashing import running_hash, seal_hash
from liuhen.kinds import Identity, Seal
from liuhen.segment import parse_identity, parse_seal

if TYPE_CHECKING:
    from hashlib import _Hash

CHUNK_BYTES = 512 * 1024
IDENTITY_LIMIT_BYTES = 16 * 1024
INIT_LIMIT_BYTES = 1024 * 1024
BOX_HEADER_BYTES = 8
FRAGMENT_BOXES = (b"prft", b"moof", b"mdat")
NO_SEAL_BYTES = 1 << 62
_SEAL_MARK = b"uuid" + SEAL_USERTYPE
_SIZE_BYTES = 4
SECTOR_BYTES = 512
_USERTYPE_BYTES = 16


class Readable(Protocol):
    """A file, or bytes in memory, to read forward from."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the buffer as far as possible; 0 at the end."""

    def seek(self, offset: int, /) -> int:
        """Go to an offset from the beginning."""


class Cursor:
    """Reads a file forward through one reused buffer; every byte is seen once. Belongs to one thread."""

    def __init__(
        self,
        file: Readable,
        *,
        whole: _Hash | None = None,
        on_read: Callable[[int], None] | None = None,
        buffer: bytearray | None = None,
    ) -> None:
        self._file = file
        self._view = memoryview(buffer if buffer is not None else bytearray(CHUNK_BYTES))
        self._start = self._end = 0
        self._whole = whole
        self._on_read = on_read
        self.offset = 0

    def _fill(self) -> bool:
        """Read on once the buffer is used up; False at the end of the file."""
        if self._start < self._end:
            return True
        self._start, self._end = 0, self._read(0)
        return self._end > 0

    def window(self, size: int, *, ahead: int = 0) -> memoryview | None:
        """The next `size` bytes at once, valid until the next call; None if the buffer or the file is too small.

        `ahead`: how many bytes will be wanted after them, so that one read brings both and nothing has to be moved.
        """
        if size > self._end - self._start and not self._gather(size, size + ahead):
            return None
        start = self._start
        self._start += size
        self.offset += size
        return self._view[start : start + size]

    def _gather(self, size: int, limit: int) -> bool:
        """Bring what is left to the front of the buffer and read on behind it."""
        if size > len(self._view):
            return False
        left = self._end - self._start
        self._view[:left] = self._view[self._start : self._end]
        self._start, self._end = 0, left
        while self._end < size:
            got = self._read(self._end, limit)
            if got == 0:
                return False
            self._end += got
        return True

    def _read(self, at: int, limit: int | None = None) -> int:
        """Read into the buffer from `at` on, up to `limit`; 0 at the end of the file."""
        got = self._file.readinto(self._view[at:limit]) or 0
        if self._whole is not None:
            self._whole.update(self._view[at : at + got])
        if self._on_read is not None:
            self._on_read(got)
        return got

    def take(self, size: int) -> bytes:
        """The next bytes, fewer only at the end of the file. For small things."""
        start, end = self._start, self._start + size
        if end <= self._end:
            self._start = end
            self.offset += size
            return bytes(self._view[start:end])
        parts = bytearray()
        while len(parts) < size and self._fill():
            step = min(size - len(parts), self._end - self._start)
            parts += self._view[self._start : self._start + step]
            self._start += step
        self.offset += len(parts)
        return bytes(parts)

    def feed(self, size: int, digest: _Hash) -> int:
        """Hash the next `size` bytes; returns how many there were."""
        left = size
        while left and self._fill():
            step = min(left, self._end - self._start)
            digest.update(self._view[self._start : self._start + step])
            self._start += step
            left -= step
        self.offset += size - left
        return size - left

    def rewind(self, offset: int) -> None:
        """Go back to look again at bytes that could not be walked; they are not counted twice."""
        self._file.seek(offset)
        self._start = self._end = 0
        self._whole = self._on_read = None
        self.offset = offset

    def zeros(self) -> bool:
        """Whether only zero bytes are left, to the end of the file."""
        while self._fill():
            if any(self._view[self._start : self._end]):
                return False
            self.offset += self._end - self._start
            self._start = self._end
        return True

    def drain(self) -> tuple[int, bool]:
        """Read to the end: how many bytes, and whether a whole seal box is among them (step S6)."""
        start, seen, seal_end = self.offset, b"", NO_SEAL_BYTES
        while self._fill():
            window = seen + self._view[self._start : self._end]
            seal_end = min(seal_end, _first_seal_end(window, self.offset - len(seen)))
            self.offset += self._end - self._start
            self._start = self._end
            seen = window[1 - len(_SEAL_MARK) - _SIZE_BYTES :]
        return self.offset - start, seal_end <= self.offset


def _first_seal_end(window: bytes, base: int) -> int:
    """Where the first to end of the seal boxes that begin in the window ends, as their headers claim."""
    ends = [NO_SEAL_BYTES]
    at = window.find(_SEAL_MARK, _SIZE_BYTES)
    while at >= 0:
        size = int.from_bytes(window[at - _SIZE_BYTES : at], "big")
        if size <= SEAL_BOX_LIMIT_BYTES:
            ends.append(base + at - _SIZE_BYTES + size)
        at = window.find(_SEAL_MARK, at + 1)
    return min(ends)


class FragmentState(enum.Enum):
    """What the seals say of one fragment."""

    PREFIX = "it and everything before it verify"
    AFTER_DAMAGE = "it verifies, something before it does not"
    ALTERED = "its seal is genuine, its bytes are not those sealed"
    SEAL_BAD = "its seal does not verify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialisation:
    """Everything before the first fragment; `r0` is what seal 1 must continue."""

    identity: Identity
    r0: bytes
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFragment:
    """One fragment with the seal box after it. `index` counts from 1; `end_offset` is the end of the seal box.

    `size`, `h`, `seal_box_size`, `seal_hash` are the row a `segment` statement holds. `seal` is None only where the
    seal cannot be parsed.
    """

    index: int
    seal: Seal | None
    r: bytes
    size: int
    h: bytes
    seal_box_size: int
    seal_hash: bytes
    end_offset: int
    state: FragmentState
    why: str

    @property
    def valid(self) -> bool:
        """This fragment and everything before it verify: what a recovery may keep."""
        return self.state is FragmentState.PREFIX


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """Bytes after the last whole sealed fragment.

    `torn`: a power cut explains them. One write holds one fragment and its seal, so what it leaves behind is a
    beginning of these, without a whole seal; a file system may have put zeros in place of the rest.
    `media`: among them are bytes of an `mdat`, which a player may show although no seal covers them.
    """

    offset: int
    size: int
    torn: bool
    why: str
    media: bool = False


Item = Initialisation | SealedFragment | Tail


class StructureError(FormatError):
    """The boxes are not those of FORMAT.md 6.1; `cut` says that the file merely ended inside them.

    `zeros`: that holds only if the file has nothing but zeros from this box on. `media`: bytes of an `mdat` were met.
    """

    def __init__(self, what: str, *, cut: bool = False, zeros: bool = False) -> None:
        super().__init__("segment", what)
        self.cut = cut
        self.zeros = zeros
        self.media = False


def read_segment(source: Path | FileIO, *, on_read: Callable[[int], None] | None = None) -> Iterator[Item]:
    """Walk a segment by its seals alone, verified with the key of its own identity box.

    Yields one Initialisation, each SealedFragment, then at most one Tail. A file whose head is not whole yields
    only a Tail. Who that key belongs to is not asked here. Raises OSError, and FormatError where the path is not
    that of a plain file.
    """
    if isinstance(source, Path):
        with archive.opened(source, root=None) as file:
            yield from walk(Cursor(file, on_read=on_read))
    else:
        yield from walk(Cursor(source, on_read=on_read))


def walk(cursor: Cursor) -> Iterator[Item]:
    """`read_segment` for a cursor at the beginning of a file."""
    try:
        initialisation = read_initialisation(cursor)
    except StructureError as error:
        yield _tail(cursor, 0, error)
        return
    yield initialisation
    yield from _Seals(cursor, initialisation).walk()


def _tail(cursor: Cursor, start: int, error: StructureError) -> Tail:
    stopped = cursor.offset
    cursor.rewind(start)
    size, holds_seal = cursor.drain()
    torn = error.cut and not holds_seal
    if torn and error.zeros:
        cursor.rewind(stopped)
        torn = cursor.zeros()
    why = error.what if torn == error.cut else f"{error.what}, and more behind them"
    return Tail(offset=start, size=size, torn=torn, why=why, media=error.media)


# --- init: ftyp moov uuid(identity) ----------------------------------------------------------------------------------


def read_initialisation(cursor: Cursor) -> Initialisation:
    """Steps S2: exactly ftyp, moov and the identity box. Raises StructureError."""
    digest = hashlib.sha256(b"\x02")
    for kind in (b"ftyp", b"moov"):
        size = box_size(cursor.take(BOX_HEADER_BYTES), kind, INIT_LIMIT_BYTES, digest)
        if cursor.feed(size - BOX_HEADER_BYTES, digest) < size - BOX_HEADER_BYTES:
            raise StructureError(f"ends inside {kind.decode()}", cut=True)
    size = box_size(cursor.take(BOX_HEADER_BYTES), b"uuid", UUID_HEADER_BYTES + IDENTITY_LIMIT_BYTES, digest)
    rest = cursor.take(size - BOX_HEADER_BYTES)
    digest.update(rest)
    if len(rest) < size - BOX_HEADER_BYTES:
        raise StructureError("ends inside the identity box", cut=True)
    if rest[:_USERTYPE_BYTES] != IDENTITY_USERTYPE:
        raise StructureError("no identity box after moov")
    if cursor.offset > INIT_LIMIT_BYTES:
        raise StructureError("init exceeds 1 MiB")
    if _zeroed(rest, cursor.offset):
        raise StructureError("zeros where the identity box belongs", cut=True, zeros=True)
    try:
        identity = parse_identity(rest[_USERTYPE_BYTES:], where="identity box")
        ed25519.check_public_key(identity.public_key, where="identity box")
    except FormatError as error:
        raise StructureError(str(error)) from error
    return Initialisation(identity=identity, r0=digest.digest(), size=cursor.offset)


def initialisation_of(encoded: bytes) -> Initialisation:
    """The same for init that is already in memory; nothing may follow it. Raises StructureError."""
    cursor = Cursor(io.BytesIO(encoded), buffer=bytearray(len(encoded)))
    initialisation = read_initialisation(cursor)
    if initialisation.size != len(encoded):
        raise StructureError("more boxes than ftyp, moov and identity before the first fragment")
    return initialisation


def box_size(header: bytes, kind: bytes, limit: int, digest: _Hash | None) -> int:
    """The size a box header states, if the box is of this kind. Raises StructureError."""
    if digest is not None:
        digest.update(header)
    if len(header) < BOX_HEADER_BYTES:
        raise StructureError(f"ends before {kind.decode()}", cut=True)
    size = int.from_bytes(header[:4], "big")
    if header[4:] != kind and kind.startswith(header[4:].rstrip(b"\0")):
        raise StructureError(f"zeros where {kind.decode()} belongs", cut=True, zeros=True)
    if header[4:] != kind:
        raise StructureError(f"a box {header[4:]!r} where {kind.decode()} belongs")
    if not (UUID_HEADER_BYTES if kind == b"uuid" else BOX_HEADER_BYTES) <= size <= limit:
        raise StructureError(f"{kind.decode()} claims {size} bytes")
    return size


# --- fragments and seals ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """The bytes between two seals, hashed, and the seal box content after them."""

    size: int
    h: bytes
    seal: bytes
    seal_offset: int


class _Seals:
    """The walk from seal to seal of one file."""

    def __init__(self, cursor: Cursor, initialisation: Initialisation) -> None:
        self._cursor = cursor
        self._identity = initialisation.identity
        self._r = initialisation.r0
        self._before: Seal | None = None
        self._index = 0
        self._undamaged = True
        self._finished = False

    def walk(self) -> Iterator[Item]:
        """Each sealed fragment until the boxes end, then what remains."""
        while not self._finished and self._index < FRAGMENTS_LIMIT:
            start = self._cursor.offset
            try:
                piece = _read_piece(self._cursor)
            except StructureError as error:
                tail = _tail(self._cursor, start, error)
                if tail.size:
                    yield tail
                return
            fragment = self._judge(piece)
            if fragment.state is FragmentState.SEAL_BAD and self._is_zeroed(piece):
                yield self._zeroed_tail(start, piece)
                return
            yield fragment
        offset = self._cursor.offset
        size, _ = self._cursor.drain()
        if size:
            why = "follows the final seal" if self._finished else f"follows the last of {FRAGMENTS_LIMIT} fragments"
            yield Tail(offset=offset, size=size, torn=False, why=why)

    def _is_zeroed(self, piece: _Piece) -> bool:
        """Whether the seal ends in the zeros that a power cut left in place of the file's last sectors."""
        end = self._cursor.offset
        if not _zeroed(piece.seal, end):
            return False
        if self._cursor.zeros():
            return True
        self._cursor.rewind(end)
        return False

    def _zeroed_tail(self, start: int, piece: _Piece) -> Tail:
        size = self._cursor.offset - start
        return Tail(offset=start, size=size, torn=True, why="ends in zeros inside its seal", media=piece.size > 0)

    def _judge(self, piece: _Piece) -> SealedFragment:
        """Step S5: the seal's signature, then its fields, then r_i."""
        self._index += 1
        computed = running_hash(self._r, piece.h)
        seal, why = self._verified_seal(piece)
        state = FragmentState.SEAL_BAD if seal is None else self._compare(computed, seal.r)
        self._r = computed if seal is None else seal.r
        self._undamaged = self._undamaged and state is FragmentState.PREFIX
        return SealedFragment(
            index=self._index,
            seal=seal,
            r=self._r,
            size=piece.size,
            h=piece.h,
            seal_box_size=UUID_HEADER_BYTES + len(piece.seal),
            seal_hash=seal_hash(piece.seal),
            end_offset=self._cursor.offset,
            state=state,
            why=why,
        )

    def _verified_seal(self, piece: _Piece) -> tuple[Seal | None, str]:
        where = f"seal {self._index}"
        try:
            envelope, seal = parse_seal(piece.seal, where=where)
            cose.verify(envelope, self._identity.public_key, where=where)
            check_seal(seal, self._identity, index=self._index, offset=piece.seal_offset, before=self._before)
            if piece.size == 0 and seal.end_cause is None:
                raise FormatError(where, "seals nothing and does not end the segment")
        except FormatError as error:
            return None, error.what
        self._before = seal
        self._finished = seal.end_cause is not None
        return seal, ""

    def _compare(self, computed: bytes, sealed: bytes) -> FragmentState:
        if computed != sealed:
            return FragmentState.ALTERED
        return FragmentState.PREFIX if self._undamaged else FragmentState.AFTER_DAMAGE


def check_seal(seal: Seal, identity: Identity, *, index: int, offset: int, before: Seal | None) -> None:
    """FORMAT.md 6.3: the seal belongs to this file and place, and nothing it counts falls. Raises FormatError."""
    belongs = (seal.log_id, seal.run, seal.session_id, seal.segment) == (
        identity.log_id,
        identity.run,
        identity.session_id,
        identity.segment,
    )
    if not belongs:
        raise FormatError(f"seal {index}", "belongs to another file")
    if (seal.fragment, seal.offset) != (index, offset):
        raise FormatError(f"seal {index}", f"was made for fragment {seal.fragment} at offset {seal.offset}")
    floor = (
        (before.head[0], before.frames, before.samples) if before else (0, identity.first_frame, identity.first_sample)
    )
    now = (seal.head[0], seal.frames, seal.samples)
    if any(earlier > later for earlier, later in zip(floor, now, strict=True)):
        raise FormatError(f"seal {index}", "its journal head or counts fall behind the seal before")
    if seal.span_ns[0] > seal.span_ns[1]:
        raise FormatError(f"seal {index}", "its span ends before it begins")
    if before is not None and before.head[0] == seal.head[0] and before.head[1] != seal.head[1]:
        raise FormatError(f"seal {index}", "names another journal entry under the same number")


def _read_piece(cursor: Cursor) -> _Piece:
    """prft, moof, mdat and the seal box; or the seal box alone. Raises StructureError."""
    met: list[bytes] = []
    try:
        return _read_boxes(cursor, met)
    except StructureError as error:
        error.media = b"mdat" in met
        raise


def _read_boxes(cursor: Cursor, met: list[bytes]) -> _Piece:
    """The same; `met` grows by each kind of box that has content in the file."""
    digest = hashlib.sha256(b"\x00")
    start = cursor.offset
    header = cursor.take(BOX_HEADER_BYTES)
    if header[4:] != b"uuid":
        for kind in FRAGMENT_BOXES:
            size = box_size(header, kind, FRAGMENT_LIMIT_BYTES - (cursor.offset - start - BOX_HEADER_BYTES), digest)
            fed = cursor.feed(size - BOX_HEADER_BYTES, digest)
            met += [kind] if fed else []
            if fed < size - BOX_HEADER_BYTES:
                raise StructureError(f"ends inside {kind.decode()}", cut=True)
            header = cursor.take(BOX_HEADER_BYTES)
    seal_offset = cursor.offset - len(header)
    size = box_size(header, b"uuid", SEAL_BOX_LIMIT_BYTES, None)
    content = cursor.take(size - BOX_HEADER_BYTES)
    if len(content) < size - BOX_HEADER_BYTES:
        _check_cut_seal(content)
        raise StructureError("ends inside the seal box", cut=True)
    if content[:_USERTYPE_BYTES] != SEAL_USERTYPE:
        if SEAL_USERTYPE.startswith(content.rstrip(b"\0")) and _zeroed(content, cursor.offset):
            raise StructureError("zeros where the seal belongs", cut=True, zeros=True)
        raise StructureError("a uuid box that is not a seal")
    return _Piece(size=seal_offset - start, h=digest.digest(), seal=content[_USERTYPE_BYTES:], seal_offset=seal_offset)


def _zeroed(content: bytes, end: int) -> bool:
    """Whether these bytes, which end at this offset of a file, are zeros from the edge of a disk's sector on."""
    written = end - len(content) + len(content.rstrip(b"\0"))
    return -(-written // SECTOR_BYTES) * SECTOR_BYTES < end


def _check_cut_seal(content: bytes) -> None:
    """A seal box that ends early is a torn write only if what is there is the beginning of a seal."""
    if not SEAL_USERTYPE.startswith(content[:_USERTYPE_BYTES]):
        raise StructureError("a uuid box that is not a seal")
    try:
        whole = len(content) > _USERTYPE_BYTES and cose.item_end(content, _USERTYPE_BYTES, where="seal") is not None
    except FormatError as error:
        raise StructureError(str(error)) from error
    if whole:
        raise StructureError("the seal box claims more bytes than its seal has")
