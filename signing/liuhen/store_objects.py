"""One object out of a store: of the versions of a key the one whose bytes hash to the key's hash (FORMAT.md 12; B2).

Streams; holds one buffer. Whatever other versions there are is told and never taken for the object.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from liuhen.findings import Code
from liuhen.store_names import Name, key_of
from liuhen.store_reader import ObjectVersion, Reader, StoreTrouble

CHUNK_BYTES = 1 << 20
ATTEMPTS = 3
"""A connection may break in the middle of a body; the object is then read from its beginning again."""

Tell = Callable[[Code, str], None]
Found = Callable[[ObjectVersion], None]
"""Told of each version that is the object."""


class Taken(enum.Enum):
    """What came of asking for an object."""

    FOUND = enum.auto()
    DIFFERS = enum.auto()
    """Versions of this key are there, none of them is the object; the file holds the first of them."""
    ABSENT = enum.auto()


def _heard_by_nobody(_version: ObjectVersion) -> None:
    """Nobody asks."""


def take(
    reader: Reader, name: Name, into: Path, *, limit_bytes: int, tell: Tell, found: Found = _heard_by_nobody
) -> Taken:
    """Copy the object to a new file. Reads every version where there are several. Raises StoreTrouble, OSError."""
    other, taken = into.with_name(f"{into.name}.other"), Taken.ABSENT
    try:
        for version in _live(reader, name):
            is_object = _read(reader, version, other, limit_bytes) == name.digest
            _judge(version, is_object, taken, tell)
            if is_object:
                found(version)
            if taken is Taken.ABSENT or (is_object and taken is Taken.DIFFERS):
                other.replace(into)
                taken = Taken.FOUND if is_object else Taken.DIFFERS
    finally:
        other.unlink(missing_ok=True)
    return taken


def hashes_to(reader: Reader, name: Name, *, limit_bytes: int, tell: Tell) -> bool:
    """Whether the object is there, without a copy of it. Raises StoreTrouble."""
    taken = Taken.ABSENT
    for version in _live(reader, name):
        is_object = _read(reader, version, None, limit_bytes) == name.digest
        _judge(version, is_object, taken, tell)
        taken = Taken.FOUND if is_object else taken
    return taken is Taken.FOUND


def _live(reader: Reader, name: Name) -> list[ObjectVersion]:
    return [version for version in reader.versions_of(key_of(name)) if not version.is_delete_marker]


def _judge(version: ObjectVersion, is_object: bool, before: Taken, tell: Tell) -> None:
    if not is_object:
        tell(Code.STORE_VERSION_DIFFERS, _named(version))
    elif before is Taken.FOUND:
        tell(Code.STORE_VERSION_DUPLICATE, _named(version))


def _read(reader: Reader, version: ObjectVersion, into: Path | None, limit_bytes: int) -> bytes:
    """SHA-256 of a version, copied on the way; what lies beyond the limit is not read, and then it is no object."""
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(StoreTrouble):  # said where it happens again
            return _once(reader, version, into, limit_bytes)
    return _once(reader, version, into, limit_bytes)


def _once(reader: Reader, version: ObjectVersion, into: Path | None, limit_bytes: int) -> bytes:
    if into is None:
        return _copied(reader, version, None, limit_bytes)
    with into.open("wb") as file:
        return _copied(reader, version, file, limit_bytes)


def _copied(reader: Reader, version: ObjectVersion, into: BinaryIO | None, limit_bytes: int) -> bytes:
    digest, size = hashlib.sha256(), 0
    with reader.open(version) as source:
        while size <= limit_bytes and (piece := source.read(min(CHUNK_BYTES, limit_bytes + 1 - size))):
            size += len(piece)
            digest.update(piece)
            if into is not None:
                into.write(piece)
    return digest.digest() if size <= limit_bytes else b""


def _named(version: ObjectVersion) -> str:
    return f"{version.key} {version.version_id}".rstrip()
