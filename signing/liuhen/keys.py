"""Private keys: device keys and organisation roots as files, and what a root signs (FORMAT.md 9).

Key files are PKCS#8 PEM, mode 0600, owned by whoever reads them; a file others can read is refused, not repaired.
Every file made here is new (O_EXCL), fsynced, and its directory too.
"""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from liuhen import cbor, cose
from liuhen.endorsement import (
    TRUST_FILE_LIMIT_BYTES,
    Card,
    Trust,
    card_bytes,
    parse_card,
    parse_endorsement,
    parse_trust,
    purpose_of,
    trust_bytes,
)
from liuhen.errors import KeyFileError
from liuhen.kinds import Endorsement
from liuhen.registry import Custody, KeyCause, Purpose

__all__ = [
    "TRUST_FILE_LIMIT_BYTES",
    "Card",
    "FileSigner",
    "Trust",
    "UnusableKey",
    "card_bytes",
    "endorse",
    "generate",
    "load_signer",
    "parse_card",
    "parse_endorsement",
    "parse_trust",
    "private_pem",
    "purpose_of",
    "read_private_file",
    "save_new",
    "save_private_key",
    "trust_bytes",
]

KEY_FILE_LIMIT_BYTES = 16384


class UnusableKey(KeyFileError):
    """A private key that cannot be used now; `cause` is what a `key` entry says of it."""

    def __init__(self, what: str, *, remedy_zh: str, remedy_en: str, cause: KeyCause) -> None:
        super().__init__(what, remedy_zh=remedy_zh, remedy_en=remedy_en)
        self.cause = cause


class FileSigner:
    """A private key read from a file. Thread-safe: signing has no state."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self.public_key = private_key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature."""
        return self._private_key.sign(message)


def generate() -> Ed25519PrivateKey:
    """A fresh private key from the system's random source."""
    return Ed25519PrivateKey.generate()


def save_private_key(path: Path, private_key: Ed25519PrivateKey) -> None:
    """Write a new 0600 key file, durably. Raises KeyFileError if it exists or cannot be written."""
    save_new(path, private_pem(private_key), mode=0o600)


def private_pem(private_key: Ed25519PrivateKey) -> bytes:
    """The content of a key file."""
    return private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def save_new(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a new file durably (file and directory fsynced); never overwrites. Raises KeyFileError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    except FileExistsError:
        raise KeyFileError(
            f"{path} 已存在 / exists already",
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
    """Read a private key file. Raises UnusableKey if it is missing, readable by others, or not an Ed25519 key."""
    try:
        pem = read_private_file(path)
    except OSError as error:
        raise UnusableKey(
            f"密钥文件 key file {path}: {error.strerror}",
            remedy_zh="请用 `liuhen keys init device` 生成设备密钥，或在配置 key.file 中写明正确路径",
            remedy_en="make a device key with `liuhen keys init device`, or correct key.file in the configuration",
            cause=KeyCause.KEY_FILE_MISSING if isinstance(error, FileNotFoundError) else KeyCause.KEY_FILE_UNUSABLE,
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


def read_private_file(path: Path) -> bytes:
    """The bytes of a regular file nobody else can read. Raises UnusableKey, OSError.

    systemd gives a credential to a service's user by an access control list where the file system has them (tmpfs, so
    Debian 13): the mode then shows the list's mask, 0440, though the group has no right. The list is asked.
    """
    # O_NONBLOCK: a pipe cannot hang a start.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _not_a_key(path)
        if mode & 0o077 and not _is_ours_by_list(descriptor):
            raise UnusableKey(
                f"密钥文件他人可读 / key file {path} can be read by others (mode {stat.S_IMODE(mode):04o})",
                remedy_zh=f"请执行 chmod 600 {path}；若已被他人读过，请更换密钥",
                remedy_en=f"run chmod 600 {path}; if others may have read it, replace the key",
                cause=KeyCause.KEY_FILE_EXPOSED,
            )
        return os.read(descriptor, KEY_FILE_LIMIT_BYTES)
    finally:
        os.close(descriptor)


ACL_ATTRIBUTE = "system.posix_acl_access"
ACL_VERSION = 2
ACL_ENTRY = struct.Struct("<HHI")
"""Tag, permissions, id (Linux, include/uapi/linux/posix_acl_xattr.h); the version stands before them, 32 bits."""
ACL_USER_OBJ, ACL_USER, ACL_MASK = 0x01, 0x02, 0x10


def _is_ours_by_list(descriptor: int) -> bool:
    """Whether an access control list lets the owner and this user in, and nobody else."""
    try:
        content = os.getxattr(descriptor, ACL_ATTRIBUTE)
    except OSError:
        return False  # no list: the mode is the whole truth
    version, entries = content[:4], content[4:]
    if version != struct.pack("<I", ACL_VERSION) or len(entries) % ACL_ENTRY.size:
        return False
    return all(
        tag in (ACL_USER_OBJ, ACL_MASK) or (tag == ACL_USER and user == os.geteuid()) or not allowed
        for tag, allowed, user in ACL_ENTRY.iter_unpack(entries)
    )


def _unwritable(path: Path, error: OSError) -> KeyFileError:
    return KeyFileError(
        f"不能写入 cannot write {path}: {error.strerror}",
        remedy_zh="请检查目录是否存在、是否可写、空间是否充足",
        remedy_en="check that the directory exists, is writable and has space",
    )


def _not_a_key(path: Path) -> UnusableKey:
    return UnusableKey(
        f"{path} 不是可用的私钥文件 / is not an unencrypted Ed25519 private key in PKCS#8 PEM",
        remedy_zh="请用 `liuhen keys init device` 重新生成，或恢复备份",
        remedy_en="make a new one with `liuhen keys init device`, or restore the file",
        cause=KeyCause.KEY_FILE_UNUSABLE,
    )
