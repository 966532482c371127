"""Detached records: content a signed entry commits to but does not contain (FORMAT.md 5.5).

A record file holds the 32-byte salt followed by the content; its name is the commitment in hex.
"""

from __future__ import annotations

from dataclasses import dataclass

from liuhen.errors import FormatError
from liuhen.hashing import record_hash

SALT_BYTES = 32
RECORD_LIMIT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record: without its salt the commitment says nothing about the content."""

    salt: bytes
    content: bytes

    @property
    def commitment(self) -> bytes:
        """H(0x03 ‖ salt ‖ content)."""
        return record_hash(self.salt, self.content)

    @property
    def name(self) -> str:
        """File name inside `records/`."""
        return f"{self.commitment.hex()}.record"

    def to_bytes(self) -> bytes:
        """Bytes of the record file."""
        return self.salt + self.content


def make(content: bytes, *, salt: bytes) -> Record:
    """A record over `content`; the salt is 32 fresh random bytes."""
    if len(salt) != SALT_BYTES:
        raise FormatError("record", "salt is not 32 bytes")
    return Record(salt=salt, content=content)


def parse(file_bytes: bytes, *, where: str) -> Record:
    """Read a record file. Raises FormatError if it is too short or too long."""
    if not SALT_BYTES <= len(file_bytes) <= RECORD_LIMIT_BYTES:
        raise FormatError(where, "not a record: too short or too long")
    return Record(salt=file_bytes[:SALT_BYTES], content=file_bytes[SALT_BYTES:])
