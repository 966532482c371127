"""ISO base media boxes: the grammar every box shares (ISO/IEC 14496-12, 4.2) and a bounded walk over the top level.

Pure; no thread, no disk. `edge.mp4` builds the recorder's files from these; recovery walks what a power cut left.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

BOX_HEADER_BYTES = 8
USERTYPE_BYTES = 16
_BOX_BYTES_LIMIT = 2**32 - 1
_BOXES_LIMIT = 100_000


def box(kind: bytes, *parts: bytes) -> bytes:
    """One box with a 32-bit size. Raises ValueError if it would need a 64-bit one, which no file of ours has."""
    size = BOX_HEADER_BYTES + sum(map(len, parts))
    if size > _BOX_BYTES_LIMIT:
        raise ValueError(f"a box of {size} bytes does not fit a 32-bit size")
    return b"".join((struct.pack(">I4s", size, kind), *parts))


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """One box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def uuid_box(usertype: bytes, payload: bytes) -> bytes:
    """One extension box; `usertype` is the 16-byte UUID. Raises ValueError for another length."""
    if len(usertype) != USERTYPE_BYTES:
        raise ValueError(f"a usertype has {USERTYPE_BYTES} bytes, not {len(usertype)}")
    return box(b"uuid", usertype, payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxSpan:
    """Where a whole box stands: its four-byte type, the offset of its header, and its size with the header."""

    kind: bytes
    offset: int
    size: int

    @property
    def end(self) -> int:
        """The offset of the byte after the box."""
        return self.offset + self.size


def box_spans(
    view: bytes | memoryview, *, boxes_limit: int = _BOXES_LIMIT, box_bytes_limit: int = _BOX_BYTES_LIMIT
) -> Iterator[BoxSpan]:
    """Walk the top-level boxes that are whole; stop without error before the first that is not.

    Not whole: cut off by the end, over `box_bytes_limit`, or a size form this recorder never writes (0 for "to the
    end", 1 for 64 bits, anything below a header). After `boxes_limit` boxes the walk stops too. Whoever must know that
    nothing is left compares the last span's `end` with the length.
    """
    offset = 0
    for _ in range(boxes_limit):
        if offset + BOX_HEADER_BYTES > len(view):
            return
        size, kind = struct.unpack_from(">I4s", view, offset)
        if not BOX_HEADER_BYTES <= size <= min(box_bytes_limit, len(view) - offset):
            return
        yield BoxSpan(kind=kind, offset=offset, size=size)
        offset += size
