"""What an acknowledgement stands for: a piece of one file that must be there, byte for byte, whatever happened since.

Pure but for reading files. The verifier's reader only says where pieces begin and end; what they are is compared as
bytes with what the recorder was seen to write.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from liuhen import cose, entry
from liuhen.errors import FormatError
from liuhen.reader import Initialisation, SealedFragment, read_segment

FRAGMENT, ENTRY = "F", "E"
ANSWER, LIFE = "A", "L"
"""What is no piece of a file: a command of this number was answered; a run of this number has begun."""
PIECES = frozenset({FRAGMENT, ENTRY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """One line of the recorder's pipe: fragment (segment, number, running hash), entry (seq, 0, hash), or no piece."""

    kind: str
    first: int
    second: int
    digest: bytes

    def to_line(self) -> bytes:
        """As the pipe carries it and the disk's log keeps it."""
        return f"{self.kind} {self.first} {self.second} {self.digest.hex()}\n".encode()

    @classmethod
    def from_line(cls, line: bytes) -> Acknowledgement:
        kind, first, second, digest = line.decode().split()
        return cls(kind=kind, first=int(first), second=int(second), digest=bytes.fromhex(digest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One acknowledged piece: where in the spool it lies, and the SHA-256 of its bytes."""

    what: Acknowledgement
    path: str
    start: int
    end: int
    digest: bytes

    def is_in(self, spool: Path) -> bool:
        """Whether the spool holds these very bytes at this place."""
        return hashlib.sha256(piece(spool / self.path, self.start, self.end)).digest() == self.digest

    def covers(self, path: str, offset: int) -> bool:
        """Whether a byte of the spool belongs to it."""
        return path == self.path and self.start <= offset < self.end


def piece(path: Path, start: int, end: int) -> bytes:
    """A part of a file; nothing where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(end - start)
    except OSError:
        return b""


def places(spool: Path) -> dict[tuple[str, bytes], tuple[str, int, int]]:
    """Where each fragment (by running hash) and each entry (by hash) of a spool lies: path, start, end."""
    found: dict[tuple[str, bytes], tuple[str, int, int]] = {}
    for path in sorted(spool.glob("sessions/*/*.mp4")):
        for start, item in fragments(path):
            found[FRAGMENT, item.r] = (str(path.relative_to(spool)), start, item.end_offset)
    for path in sorted(spool.glob("journal/*.cbor")):
        for start, parsed in entries(path.read_bytes()):
            end = start + len(parsed.envelope.encoded)
            found[ENTRY, parsed.hash] = (str(path.relative_to(spool)), start, end)
    return found


def fragments(path: Path) -> Iterator[tuple[int, SealedFragment]]:
    """Every fragment that verifies, with the offset where its bytes begin; the first one's begin with the file."""
    start = 0
    for item in read_segment(path):
        if isinstance(item, SealedFragment):
            if item.valid:
                yield start, item
            start = item.end_offset


def entries(content: bytes) -> Iterator[tuple[int, entry.Entry]]:
    """Every whole entry of a journal file with its offset, also behind bytes that are none."""
    at = 0
    while 0 <= at < len(content):
        try:
            end = cose.item_end(content, at, where="journal")
            parsed = entry.parse(content[at:end], where="journal") if end is not None else None
        except FormatError:
            parsed, end = None, None
        if parsed is None or end is None:
            at = content.find(b"\xd2\x84\x58", at + 1)
            continue
        yield at, parsed
        at = end


def kept(acknowledged: list[Acknowledgement], spool: Path) -> tuple[list[Kept], list[Acknowledgement]]:
    """What these acknowledgements stand for in a spool, and those for which nothing is there."""
    where = places(spool)
    found, lost = [], []
    for what in (one for one in acknowledged if one.kind in PIECES):
        place = where.get((what.kind, what.digest))
        if place is None:
            lost.append(what)
            continue
        path, start, end = place
        digest = hashlib.sha256(piece(spool / path, start, end)).digest()
        found.append(Kept(what=what, path=path, start=start, end=end, digest=digest))
    return found, lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A fragment of a file as the reader finds it: where its media lies, and the running hash computed here.

    `valid` is the reader's word for it; the hash does not rest on that.
    """

    start: int
    media_end: int
    r: bytes
    valid: bool


def sealed(path: Path) -> list[Sealed]:
    """Every fragment of a file, good or bad."""
    content, r, found = path.read_bytes(), b"", []
    for item in read_segment(path):
        if isinstance(item, Initialisation):
            r = item.r0
        if isinstance(item, SealedFragment):
            media_end = item.end_offset - item.seal_box_size
            start = media_end - item.size
            h = hashlib.sha256(b"\x00" + content[start:media_end]).digest()
            r = hashlib.sha256(b"\x01" + r + h).digest()
            found.append(Sealed(start=start, media_end=media_end, r=r, valid=item.valid))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A segment file as the recorder wrote it, and where the media of each of its fragments lies."""

    content: bytes
    fragments: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, path: Path) -> Truth:
        return cls(content=path.read_bytes(), fragments=tuple((one.start, one.media_end) for one in sealed(path)))

    def genuine(self, content: bytes) -> int:
        """How many of its fragments these bytes hold, each at its place; no reader has to find them there."""
        return sum(content[start:end] == self.content[start:end] for start, end in self.fragments)
