"""Every hash of the format and its leading byte, in one place (FORMAT.md 4)."""

from __future__ import annotations

import hashlib

ZERO_HASH = bytes(32)


def sha256(content: bytes) -> bytes:
    """SHA-256 of the bytes as they are: entries (`prev`), key ids, whole files."""
    return hashlib.sha256(content).digest()


def fragment_hash(fragment: bytes | memoryview) -> bytes:
    """h_i = H(0x00 ‖ fragment i)."""
    digest = hashlib.sha256(b"\x00")
    digest.update(fragment)
    return digest.digest()


def running_hash(previous: bytes, fragment: bytes) -> bytes:
    """r_i = H(0x01 ‖ r_{i-1} ‖ h_i)."""
    return hashlib.sha256(b"\x01" + previous + fragment).digest()


def initial_hash(initialisation: bytes) -> bytes:
    """r_0 = H(0x02 ‖ init)."""
    return hashlib.sha256(b"\x02" + initialisation).digest()


def record_hash(salt: bytes, content: bytes) -> bytes:
    """Commitment to a detached record: H(0x03 ‖ 32-byte salt ‖ content)."""
    return hashlib.sha256(b"\x03" + salt + content).digest()


def seal_hash(seal: bytes) -> bytes:
    """H(0x04 ‖ seal), seal being the COSE bytes inside the seal box."""
    return hashlib.sha256(b"\x04" + seal).digest()
