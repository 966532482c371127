"""Top-level boxes of a segment file, read from bytes that may end anywhere (ISO/IEC 14496-12, 4.2; FORMAT.md 6.1)."""

from __future__ import annotations

import hashlib

UUID_HEADER_BYTES = 24
FRAGMENT_LIMIT_BYTES = 16 * 1024 * 1024
SEGMENT_LIMIT_BYTES = 64 * 1024 * 1024
FRAGMENTS_LIMIT = 700
SEAL_BOX_LIMIT_BYTES = UUID_HEADER_BYTES + 1024

IDENTITY_USERTYPE = hashlib.sha256(b"liuhen identity box 1").digest()[:16]
SEAL_USERTYPE = hashlib.sha256(b"liuhen seal box 1").digest()[:16]


def uuid_box(usertype: bytes, payload: bytes) -> bytes:
    """A `uuid` box: 32-bit size, type, 16-byte usertype, payload."""
    return (UUID_HEADER_BYTES + len(payload)).to_bytes(4, "big") + b"uuid" + usertype + payload
