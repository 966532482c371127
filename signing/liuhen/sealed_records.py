"""Records encrypted for custodians before they leave a device (FORMAT.md 12.3). Pure; keys come in as parameters.

The same record for the same custodians gives the same bytes, so that it has one key in a store whoever sends it again.
What makes that safe is the record's own 32 random bytes of salt: nobody can guess a record and compare.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from liuhen import cbor, records
from liuhen.errors import FormatError
from liuhen.hashing import record_hash
from liuhen.shapes import HASH, Integer, Octets, Row, Rows, row

VERSION = 1
MOST_RECIPIENTS = 8
KEY_BYTES, NONCE_BYTES, TAG_BYTES = 32, 12, 16
SEALED_LIMIT_BYTES = records.RECORD_LIMIT_BYTES + 4096
INFO_WRAP = b"liuhen record v1"
INFO_EPHEMERAL = b"liuhen record ephemeral v1"
INFO_KEY = b"liuhen record key v1"
INFO_NONCE = b"liuhen record nonce v1"
_ZERO_NONCE = bytes(NONCE_BYTES)
_SHAPE: Row = row(
    version=Integer(low=VERSION, high=VERSION, name="1"),
    ephemeral=Octets(size=KEY_BYTES),
    recipients=Rows(row(recipient=HASH, wrapped=Octets(size=KEY_BYTES + TAG_BYTES)), limit=MOST_RECIPIENTS),
    nonce=Octets(size=NONCE_BYTES),
    ciphertext=Octets(limit=records.RECORD_LIMIT_BYTES + TAG_BYTES),
)
_Parts = tuple[int, bytes, tuple[tuple[bytes, bytes], ...], bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """What is derived from a record file and its recipients; secret."""

    ephemeral: X25519PrivateKey
    content_key: bytes
    nonce: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRecord:
    """An encrypted record, taken apart."""

    ephemeral: bytes
    recipients: tuple[tuple[bytes, bytes], ...]
    nonce: bytes
    ciphertext: bytes


def recipient_id(public_key: bytes) -> bytes:
    """How a custodian is named: SHA-256 of the raw public key."""
    return hashlib.sha256(public_key).digest()


def derive(record_file: bytes, recipients: Iterable[bytes]) -> Derived:
    """Ephemeral key, content key and nonce of a record file for these raw public keys, in whatever order."""
    salt = b"".join(sorted(recipients))
    return Derived(
        ephemeral=X25519PrivateKey.from_private_bytes(_hkdf(record_file, salt, INFO_EPHEMERAL, KEY_BYTES)),
        content_key=_hkdf(record_file, salt, INFO_KEY, KEY_BYTES),
        nonce=_hkdf(record_file, salt, INFO_NONCE, NONCE_BYTES),
    )


def wrapping_key(shared: bytes, *, ephemeral: bytes, recipient: bytes) -> bytes:
    """The key that wraps the content key for one recipient; both public keys raw."""
    return _hkdf(shared, ephemeral + recipient, INFO_WRAP, KEY_BYTES)


def check_recipient(public_key: bytes) -> None:
    """Whether a content key could ever be wrapped for it: not for a point of low order. Raises FormatError."""
    try:
        X25519PrivateKey.from_private_bytes(bytes(KEY_BYTES)).exchange(X25519PublicKey.from_public_bytes(public_key))
    except ValueError as error:
        raise FormatError("custodian", "is no usable X25519 public key (RFC 7748)") from error


def seal(record_file: bytes, recipients: Iterable[bytes]) -> bytes:
    """Encrypt a record file for 1 to 8 different custodians, by raw public key. Raises FormatError."""
    record = records.parse(record_file, where="record")
    chosen = sorted(recipients)
    if not 0 < len(chosen) <= MOST_RECIPIENTS or len(set(chosen)) != len(chosen):
        raise FormatError("sealed record", f"expected 1 to {MOST_RECIPIENTS} different custodians, not {len(chosen)}")
    derived = derive(record_file, chosen)
    ephemeral = derived.ephemeral.public_key().public_bytes_raw()
    rows = tuple((recipient_id(key), _wrap(derived, ephemeral, key)) for key in chosen)
    body = ChaCha20Poly1305(derived.content_key).encrypt(derived.nonce, record_file, record.commitment)
    return cbor.encode((VERSION, ephemeral, rows, derived.nonce, body))


def parse(encoded: bytes, *, where: str) -> SealedRecord:
    """Take an encrypted record apart. Raises FormatError."""
    if len(encoded) > SEALED_LIMIT_BYTES:
        raise FormatError(where, f"{len(encoded)} bytes exceed the limit of {SEALED_LIMIT_BYTES}")
    value = cbor.decode(encoded, where=where)
    _SHAPE.check(value, where)
    _, ephemeral, pairs, nonce, ciphertext = cast("_Parts", value)  # its shape was checked
    if not pairs or len({recipient for recipient, _ in pairs}) != len(pairs):
        raise FormatError(where, "no custodian, or one twice")
    return SealedRecord(ephemeral=ephemeral, recipients=pairs, nonce=nonce, ciphertext=ciphertext)


def opened(encoded: bytes, private_key: X25519PrivateKey, *, commitment: bytes, where: str) -> bytes | None:
    """The record file, whose commitment is the expected one; None where it is not encrypted for this key.

    Raises FormatError where it is for this key and yet cannot be opened, or holds another record.
    """
    sealed = parse(encoded, where=where)
    own = private_key.public_key().public_bytes_raw()
    wrapped = dict(sealed.recipients).get(recipient_id(own))
    if wrapped is None:
        return None
    try:
        shared = private_key.exchange(X25519PublicKey.from_public_bytes(sealed.ephemeral))
        unwrapping = ChaCha20Poly1305(wrapping_key(shared, ephemeral=sealed.ephemeral, recipient=own))
        content_key = unwrapping.decrypt(_ZERO_NONCE, wrapped, None)
        record_file = ChaCha20Poly1305(content_key).decrypt(sealed.nonce, sealed.ciphertext, commitment)
    except (InvalidTag, ValueError) as error:
        raise FormatError(where, "it cannot be decrypted with the key it names") from error
    record = records.parse(record_file, where=where)
    if record_hash(record.salt, record.content) != commitment:
        raise FormatError(where, "it holds another record")
    return record_file


def _wrap(derived: Derived, ephemeral: bytes, recipient: bytes) -> bytes:
    try:
        shared = derived.ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient))
    except ValueError as error:
        raise FormatError("sealed record", "a custodian's public key is not usable") from error
    wrapping = ChaCha20Poly1305(wrapping_key(shared, ephemeral=ephemeral, recipient=recipient))
    return wrapping.encrypt(_ZERO_NONCE, derived.content_key, None)


def _hkdf(secret: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    """HKDF-SHA-256 (RFC 5869)."""
    return HKDF(algorithm=hashes.SHA256(), length=size, salt=salt, info=info).derive(secret)
