"""COSE_Sign1 (RFC 9052, 4.2) in the one shape this format allows (FORMAT.md 3).

Tag 18, protected exactly {1: -8, 3: content type, 4: kid}, unprotected exactly empty, payload embedded, no external
data. The content type separates the domains. The algorithm follows from the key alone, never from the message.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import cbor2

from liuhen import cbor, ed25519
from liuhen.errors import FormatError

ALGORITHM_EDDSA = -8
ENTRY_LIMIT_BYTES = 65536
KID_BYTES = 32
SIGNATURE_BYTES = 64
SHORT_STRING = 0x40
"""Head byte of an empty byte string; lengths up to 23 are added to it (RFC 8949, 3.1)."""
CONTENT_TYPE_PREFIX = "application/vnd.liuhen."
CONTENT_TYPE_SUFFIX = "+cbor"


class Signer(Protocol):
    """Whoever holds a private key. Any thread may call; it may raise KeyFileError when the key is lost."""

    public_key: bytes

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature of the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign1:
    """One parsed envelope; its signature is checked by `verify`, not by parsing."""

    encoded: bytes
    protected: bytes
    content_type: str
    kid: bytes
    payload: bytes
    signature: bytes

    @property
    def kind(self) -> str:
        """The content type without its fixed prefix and suffix, e.g. "segment"."""
        return self.content_type.removeprefix(CONTENT_TYPE_PREFIX).removesuffix(CONTENT_TYPE_SUFFIX)


def content_type(kind: str) -> str:
    """The full content type of a kind."""
    return f"{CONTENT_TYPE_PREFIX}{kind}{CONTENT_TYPE_SUFFIX}"


def key_id(public_key: bytes) -> bytes:
    """kid = SHA-256 of the 32 raw public key bytes."""
    return hashlib.sha256(public_key).digest()


def sign(signer: Signer, kind: str, payload: bytes) -> bytes:
    """Return the tagged COSE_Sign1 bytes over a payload that is already deterministic CBOR."""
    protected = _protected(content_type(kind), key_id(signer.public_key))
    signature = signer.sign(_to_be_signed(protected, payload))
    encoded = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]), canonical=True)
    if len(encoded) > ENTRY_LIMIT_BYTES:
        raise FormatError(kind, f"{len(encoded)} bytes exceed the limit of {ENTRY_LIMIT_BYTES}")
    return encoded


def parse(encoded: bytes, *, where: str) -> Sign1:
    """Take an envelope apart, refusing every shape but the one of FORMAT.md 3. Raises FormatError."""
    if len(encoded) > ENTRY_LIMIT_BYTES:
        raise FormatError(where, f"{len(encoded)} bytes exceed the limit of {ENTRY_LIMIT_BYTES}")
    end, (protected, payload, signature) = _take_apart(encoded, 0, where)
    if end != len(encoded):
        raise FormatError(where, "bytes follow the envelope")
    try:
        content, kid = _header(protected)
    except FormatError as error:
        raise FormatError(where, error.what) from error
    return Sign1(
        encoded=encoded,
        protected=protected,
        content_type=content,
        kid=kid,
        payload=payload,
        signature=signature,
    )


def verify(envelope: Sign1, public_key: bytes, *, where: str) -> None:
    """Check kid and signature against the key. Raises FormatError."""
    if key_id(public_key) != envelope.kid:
        raise FormatError(where, "kid does not name this key")
    ed25519.verify(public_key, envelope.signature, _to_be_signed(envelope.protected, envelope.payload), where=where)


def item_end(buffer: bytes, offset: int, *, where: str) -> int | None:
    """Offset after the envelope that starts at `offset`, or None where the buffer ends first. Raises FormatError.

    A journal file is a CBOR sequence (RFC 8742) of envelopes; this finds the next one without decoding it.
    """
    try:
        end, _ = _take_apart(buffer, offset, where)
    except _Truncated:
        return None
    return end


def layout_end(buffer: bytes, offset: int, *, where: str) -> int | None:
    """The same, with the protected header read as well: for finding an envelope among other bytes. Raises FormatError.

    Costs the same for every length: nothing is copied but the header.
    """
    try:
        protected, position = _byte_string(buffer, _literal(buffer, offset, b"\xd2\x84", where), where)
        _, position = _bounds(buffer, _literal(buffer, position, b"\xa0", where), where)
        start, end = _bounds(buffer, position, where)
    except _Truncated:
        return None
    if end - start != SIGNATURE_BYTES:
        raise FormatError(where, "signature is not 64 bytes")
    _header(protected)
    return end


class _Truncated(FormatError):
    """The buffer ends inside the envelope."""


@lru_cache(maxsize=256)
def _header(protected: bytes) -> tuple[str, bytes]:
    """Content type and kid of a protected header; a log repeats few of them. Raises FormatError."""
    header = cbor.decode_map(protected, where="protected header")
    match header:
        case {1: -8, 3: str(content), 4: bytes(kid), **rest} if not rest and len(kid) == KID_BYTES:
            pass
        case _:
            raise FormatError("protected header", "protected header is not exactly {alg: -8, content type, kid}")
    if not (content.startswith(CONTENT_TYPE_PREFIX) and content.endswith(CONTENT_TYPE_SUFFIX)):
        raise FormatError("protected header", f"content type {content!r} is not of this format")
    return content, kid


def _take_apart(buffer: bytes, offset: int, where: str) -> tuple[int, tuple[bytes, bytes, bytes]]:
    """Read tag 18, array of 4, bstr, empty map, bstr, bstr(64): the only byte layout of a valid envelope."""
    position = _literal(buffer, offset, b"\xd2\x84", where)
    protected, position = _byte_string(buffer, position, where)
    position = _literal(buffer, position, b"\xa0", where)
    payload, position = _byte_string(buffer, position, where)
    signature, position = _byte_string(buffer, position, where)
    if len(signature) != SIGNATURE_BYTES:
        raise FormatError(where, "signature is not 64 bytes")
    return position, (protected, payload, signature)


def _literal(buffer: bytes, offset: int, expected: bytes, where: str) -> int:
    found = buffer[offset : offset + len(expected)]
    if found == expected:
        return offset + len(expected)
    if expected.startswith(found):
        raise _Truncated(where, "ends inside the envelope")
    raise FormatError(where, "not a COSE_Sign1 with tag 18 and an empty unprotected header")


def _byte_string(buffer: bytes, offset: int, where: str) -> tuple[bytes, int]:
    """Read one byte string; returns it and where it ends."""
    start, end = _bounds(buffer, offset, where)
    return bytes(buffer[start:end]), end


def _bounds(buffer: bytes, offset: int, where: str) -> tuple[int, int]:
    """Where one definite, minimally encoded byte string (RFC 8949, 3.1 and 4.2.1) begins and ends."""
    head = buffer[offset : offset + 1]
    if not head:
        raise _Truncated(where, "ends inside the envelope")
    width = {0x58: 1, 0x59: 2, 0x5A: 4}.get(head[0], 0)
    if width == 0 and not SHORT_STRING <= head[0] <= SHORT_STRING + 23:
        raise FormatError(where, "a part is not a definite byte string of allowed length")
    start = offset + 1 + width
    length = int.from_bytes(buffer[offset + 1 : start], "big") if width else head[0] - SHORT_STRING
    if len(buffer) < start:
        raise _Truncated(where, "ends inside the envelope")
    if width and length < {1: 24, 2: 256, 4: 65536}[width]:
        raise FormatError(where, "length is not minimally encoded")
    if length > ENTRY_LIMIT_BYTES:
        raise FormatError(where, f"a part exceeds {ENTRY_LIMIT_BYTES} bytes")
    if len(buffer) < start + length:
        raise _Truncated(where, "ends inside the envelope")
    return start, start + length


def _protected(content: str, kid: bytes) -> bytes:
    return cbor.encode({1: ALGORITHM_EDDSA, 3: content, 4: kid})


def _to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """Sig_structure of RFC 9052, 4.4 with empty external data."""
    return cbor2.dumps(["Signature1", protected, b"", payload], canonical=True)
