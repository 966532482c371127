"""The newest journal head this device signed, kept beside its key: no number is signed twice, whatever a disk says.

CONTROL's thread. On return of `remember` the head is on disk. The spool's disk can be copied, replaced, rolled back or
rot without the device; the key's folder is the device's own. The file holds two places of one sector each, written in
turn, so that one that is torn by a power cut leaves the other. Whoever can set back both folders is not noticed here,
only by a checkpoint that somebody else cosigned.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from edge import durable
from liuhen import cbor
from liuhen.errors import FormatError
from liuhen.kinds import Head

SECTOR_BYTES = 512
HASH_BYTES = 32
ID_BYTES = 16


class ForgottenHead(Exception):
    """The memory is there and cannot be believed, or it is of another log or another disk."""


class DamagedMemory(ForgottenHead):
    """Neither place can be read: no single cut does that. Less is known than is written somewhere; see `set_aside`."""


class OtherDisk(ForgottenHead):
    """The memory is of this log and names another disk: not the one in its place now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """The run and head of the newest entry, and the spool it was written to."""

    run: int
    head: Head
    spool_id: bytes


def remembered_disk(key_file: Path) -> bytes | None:
    """The spool id of the disk that the newest head was written to; None where nothing can be read that says so."""
    try:
        content = durable.content_of(_path(key_file))[: 2 * SECTOR_BYTES]
    except OSError:
        return None
    places = [_fields(content[at : at + SECTOR_BYTES], "memory") for at in (0, SECTOR_BYTES)]
    newest = max((place for place in places if place is not None), key=lambda place: place[1].head[0], default=None)
    return newest[1].spool_id if newest is not None else None


class HeadMemory:
    """One file `<key file>.head`."""

    def __init__(self, key_file: Path, *, log_id: bytes, spool_id: bytes) -> None:
        """Name the file; nothing is read yet."""
        self.path = _path(key_file)
        self._log_id = log_id
        self._spool_id = spool_id
        self._next_place: int | None = None

    def recall(self) -> Remembered | None:
        """The newest remembered head, or None before the first. Raises ForgottenHead."""
        try:
            with durable.opened(self.path) as file:
                content = file.read(2 * SECTOR_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ForgottenHead(f"{self.path} cannot be read: {error.strerror}") from error
        places = [self._place(content[at : at + SECTOR_BYTES]) for at in (0, SECTOR_BYTES)]
        known = [(place.head[0], number, place) for number, place in enumerate(places) if place is not None]
        if not known:
            raise DamagedMemory(f"{self.path} is damaged")
        _, number, newest = max(known)
        self._next_place = 1 - number
        if newest.spool_id != self._spool_id:
            raise OtherDisk(
                f"{self.path} is of disk {newest.spool_id.hex()[:8]}, this one is {self._spool_id.hex()[:8]}"
            )
        return newest

    def set_aside(self) -> None:
        """Keep what a damaged file holds under another name; the next head then replaces it. Raises StorageFault."""
        aside = self.path.with_name(f"{self.path.name}.damaged")
        if not aside.exists():
            with durable.reading(self.path):
                content = durable.content_of(self.path)[: 2 * SECTOR_BYTES]
            durable.create_file(aside, content)

    def remember(self, run: int, head: Head) -> None:
        """Write the head over the older of the two places, durably. Raises StorageFault."""
        sector = self._sector(run, head)
        if self._next_place is None:
            durable.replace_file(self.path, sector + sector)
            self._next_place = 0
            return
        durable.overwrite(self.path, self._next_place * SECTOR_BYTES, sector)
        self._next_place = 1 - self._next_place

    def _sector(self, run: int, head: Head) -> bytes:
        fields = cbor.encode({0: 1, 1: self._log_id, 2: run, 3: head[0], 4: head[1], 9: self._spool_id})
        sealed = len(fields).to_bytes(2, "big") + fields + hashlib.sha256(fields).digest()
        return sealed.ljust(SECTOR_BYTES, b"\0")

    def _place(self, sector: bytes) -> Remembered | None:
        """One place, or None if it is torn. Raises ForgottenHead for that of another log."""
        found = _fields(sector, str(self.path))
        if found is None:
            return None
        log_id, remembered = found
        if log_id != self._log_id:
            raise ForgottenHead(f"{self.path} is of log {log_id.hex()}, this spool of {self._log_id.hex()}")
        return remembered


def _path(key_file: Path) -> Path:
    return key_file.with_name(f"{key_file.name}.head")


def _fields(sector: bytes, where: str) -> tuple[bytes, Remembered] | None:
    """The log and what is remembered of it in one place, or None if it is torn."""
    size = int.from_bytes(sector[:2], "big")
    fields, digest = sector[2 : 2 + size], sector[2 + size : 2 + size + HASH_BYTES]
    if hashlib.sha256(fields).digest() != digest:
        return None
    try:
        mapped = cbor.decode_map(fields, where=where)
    except FormatError:
        return None
    match mapped:
        case {0: 1, 1: bytes(log_id), 2: int(run), 3: int(seq), 4: bytes(head), 9: bytes(spool_id)} if (
            len(head) == HASH_BYTES and len(spool_id) == ID_BYTES
        ):
            return log_id, Remembered(run=run, head=(seq, head), spool_id=spool_id)
        case _:
            return None
