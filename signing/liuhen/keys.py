"""Device keys, organisation roots, endorsements and the trust file (FORMAT.md 9).

Key files are PKCS#8 PEM, mode 0600, owned by whoever reads them; a file others can read is refused, not repaired.
Every file made here is new (O_EXCL), fsynced, and its directory too.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from liuhen import cbor, cose, ed25519
from liuhen.errors import FormatError, KeyFileError
from liuhen.kinds import Body, Endorsement, key
from liuhen.registry import Custody, Purpose
from liuhen.shapes import CODE, HASH, ID16, SINT, UINT, Integer, Nullable, Rows, Text, row

KEY_FILE_LIMIT_BYTES = 16384
TRUST_FILE_LIMIT_BYTES = 65536


class FileSigner:
    """A private key read from a file. Thread-safe: signing has no state."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self.public_key = private_key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature."""
        return self._private_key.sign(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card(Body):
    """The public half of a device: what a root is asked to endorse. Not signed."""

    KIND: ClassVar[str] = "card"
    version: int = key(0, Integer(low=1, high=1, name="1"))
    log_id: bytes = key(1, ID16)
    public_key: bytes = key(9, HASH)
    custody: int = key(11, Integer(high=1, name="custody"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust(Body):
    """The roots a verifier believes, given from outside the archive; `threshold` of them must endorse a key."""

    KIND: ClassVar[str] = "trust"
    version: int = key(0, Integer(low=1, high=1, name="1"))
    organisation: str = key(1, Text(256))
    issued_ms: int = key(2, SINT)
    threshold: int = key(3, Integer(low=1, high=16, name="1..16"))
    roots: tuple[tuple[bytes, str], ...] = key(4, Rows(row(public_key=HASH, label=Text(128)), limit=16))
    revoked: tuple[tuple[bytes, int | None, int], ...] = key(
        5, Rows(row(kid=HASH, last_trusted_seq=Nullable(UINT), cause=CODE), limit=1024)
    )


def generate() -> Ed25519PrivateKey:
    """A fresh private key from the system's random source."""
    return Ed25519PrivateKey.generate()


def save_private_key(path: Path, private_key: Ed25519PrivateKey) -> None:
    """Write a new 0600 key file, durably. Raises KeyFileError if it exists or cannot be written."""
    pem = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    save_new(path, pem, mode=0o600)


def save_new(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a new file durably (file and directory fsynced); never overwrites. Raises KeyFileError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    except FileExistsError:
        raise KeyFileError(
            f"{path} exists already",
            remedy_zh="请改用新的文件名；密钥文件从不覆盖",
            remedy_en="choose a new file name; key files are never overwritten",
        ) from None
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise _unwritable(path, error) from error


def load_signer(path: Path) -> FileSigner:
    """Read a private key file. Raises KeyFileError if it is missing, readable by others, or not an Ed25519 key."""
    try:
        pem = _read_private_file(path)
    except OSError as error:
        raise KeyFileError(
            f"key file {path}: {error.strerror}",
            remedy_zh="请用 `liuhen keys init device` 生成设备密钥，或在配置 key.file 中写明正确路径",
            remedy_en="make a device key with `liuhen keys init device`, or correct key.file in the configuration",
        ) from error
    try:
        private_key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _not_a_key(path) from error
    if not isinstance(private_key, Ed25519PrivateKey):
        raise _not_a_key(path)
    return FileSigner(private_key)


def endorse(root: cose.Signer, card: Card, *, purpose: Purpose, not_before_ms: int) -> bytes:
    """A root's signed endorsement of a device card."""
    endorsement = Endorsement(
        version=1,
        log_id=card.log_id,
        public_key=card.public_key,
        purpose=purpose,
        custody=Custody(card.custody),
        not_before_ms=not_before_ms,
    )
    return cose.sign(root, Endorsement.KIND, cbor.encode(endorsement.to_map()))


def parse_endorsement(encoded: bytes, *, where: str) -> tuple[cose.Sign1, Endorsement]:
    """Parse an endorsement without checking who signed it. Raises FormatError."""
    envelope = cose.parse(encoded, where=where)
    if envelope.kind != Endorsement.KIND:
        raise FormatError(where, f"a {envelope.kind} is not an endorsement")
    endorsement = Endorsement.from_map(cbor.decode_map(envelope.payload, where=where), where=where)
    ed25519.check_public_key(endorsement.public_key, where=where)
    return envelope, endorsement


def purpose_of(endorsements: Sequence[bytes], *, log_id: bytes, public_key: bytes) -> Purpose | None:
    """What the endorsements claim the key is for: production if any says so, None without a fitting one.

    Signatures are not checked here: a recorder asks this to refuse a production key, where believing too much is safe.
    """
    claimed = [
        Purpose(endorsement.purpose)
        for _, endorsement in (parse_endorsement(encoded, where="endorsement") for encoded in endorsements)
        if endorsement.log_id == log_id and endorsement.public_key == public_key
    ]
    return max(claimed, default=None)


def card_bytes(card: Card) -> bytes:
    """The bytes of a card file."""
    return cbor.encode(card.to_map())


def parse_card(encoded: bytes, *, where: str) -> Card:
    """Read a card file. Raises FormatError."""
    card = Card.from_map(cbor.decode_map(encoded, where=where), where=where)
    ed25519.check_public_key(card.public_key, where=where)
    return card


def trust_bytes(trust: Trust) -> bytes:
    """The bytes of a trust file."""
    return cbor.encode(trust.to_map())


def parse_trust(encoded: bytes, *, where: str) -> Trust:
    """Read a trust file: distinct, sound roots and a threshold they can reach. Raises FormatError."""
    if len(encoded) > TRUST_FILE_LIMIT_BYTES:
        raise FormatError(where, "trust file too large")
    trust = Trust.from_map(cbor.decode_map(encoded, where=where), where=where)
    roots = [public_key for public_key, _ in trust.roots]
    for public_key in roots:
        ed25519.check_public_key(public_key, where=where)
    if len(set(roots)) != len(roots) or not trust.threshold <= len(roots):
        raise FormatError(where, "roots are not distinct, or fewer than the threshold")
    return trust


def _read_private_file(path: Path) -> bytes:
    """The bytes of a regular file nobody else can read; O_NONBLOCK so that a pipe cannot hang a start."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _not_a_key(path)
        if mode & 0o077:
            raise KeyFileError(
                f"key file {path} can be read by others (mode {stat.S_IMODE(mode):04o})",
                remedy_zh=f"请执行 chmod 600 {path}；若已被他人读过，请更换密钥",
                remedy_en=f"run chmod 600 {path}; if others may have read it, replace the key",
            )
        return os.read(descriptor, KEY_FILE_LIMIT_BYTES)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> KeyFileError:
    return KeyFileError(
        f"cannot write {path}: {error.strerror}",
        remedy_zh="请检查目录是否存在、是否可写、空间是否充足",
        remedy_en="check that the directory exists, is writable and has space",
    )


def _not_a_key(path: Path) -> KeyFileError:
    return KeyFileError(
        f"{path} is not an unencrypted Ed25519 private key in PKCS#8 PEM",
        remedy_zh="请用 `liuhen keys init device` 重新生成，或恢复备份",
        remedy_en="make a new one with `liuhen keys init device`, or restore the file",
    )
