"""A directory as a store: an attached disk or a network mount, the default where no server is configured.

Any thread may call; nothing is shared between calls but the path. When `put` returns, the object stands under its name
with file and directories flushed, and its bytes were read again from the file after the flush. A name is given by
`link(2)`, which replaces nothing; what was not finished stands in `.incoming` alone and is swept a day later. Nothing
but a plain path below the root is followed: a link in the way is refused. A directory keeps no versions and locks
nothing, so it calls itself 非 WORM / not WORM. A call on a mount that hangs cannot be given a limit from here: mount a
network directory `soft`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from drivers.store_faults import check_key, check_prefix, store_fault
from edge.store import FaultClass, Nature, Put, Retained, StoreFault, Version
from liuhen.registry import RetentionMode
from liuhen.store_names import StoreUrl

INCOMING = ".incoming"
TEMPORARY_BYTES = 16
ABANDONED_SECONDS = 86_400
CHUNK_BYTES = 1 << 20
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
PLAIN = os.O_NOFOLLOW | os.O_CLOEXEC
NO_LINKS = (
    "此文件系统不支持硬链接，不能用作存储；请改用 ext4、xfs 或 NFS",
    "this file system has no hard links and cannot serve as a store; use ext4, xfs or NFS",
)
ERRNO_CLASS = {
    errno.ENOSPC: FaultClass.FULL,
    errno.EDQUOT: FaultClass.FULL,
    errno.EFBIG: FaultClass.FULL,
    errno.EACCES: FaultClass.DENIED,
    errno.EPERM: FaultClass.DENIED,
    errno.EROFS: FaultClass.DENIED,
    errno.ELOOP: FaultClass.DENIED,
    errno.ENOTDIR: FaultClass.DENIED,
    errno.EISDIR: FaultClass.DENIED,
    errno.ENAMETOOLONG: FaultClass.REFUSED,
}
"""Whatever else the system says (EIO, ESTALE, ENODEV, ETIMEDOUT, a root that is gone) is a disk that is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meant:
    """What is to stand in the store."""

    key: str
    size: int
    md5: bytes
    sha256: bytes


class DirectoryStore:
    """Implements `edge.store.Store` below one directory."""

    def __init__(self, url: StoreUrl) -> None:
        """The directory need not be there yet: until it is, every call says that it cannot be reached."""
        self._url = url
        self._root = Path(url.place)

    def nature(self) -> Nature:
        """See Store. The device is unknown while the directory is not there."""
        try:
            device_id = self._root.stat().st_dev
        except OSError:
            device_id = None
        return Nature(
            url=self._url.text,
            worm=False,
            label_zh="目录（非 WORM，存储本身不能阻止改动或删除）",
            label_en="directory (not WORM: the store itself prevents no change or deletion)",
            device_id=device_id,
        )

    def put(
        self,
        key: str,
        body: BinaryIO,
        *,
        size: int,
        md5: bytes,
        sha256: bytes,
        retain_until: datetime | None = None,
    ) -> Put:
        """See Store. Equal bytes under that name are the object; other bytes there are refused and left alone."""
        parts = check_key(key).split("/")
        meant = _Meant(key=key, size=size, md5=md5, sha256=sha256)
        with (
            self._opened_root(key, absent=FaultClass.UNREACHABLE) as root,
            _opened(_made(INCOMING, at=root)) as incoming,
        ):
            name = secrets.token_hex(TEMPORARY_BYTES)
            try:
                at = _written(name, body, meant, at=incoming)
                _sweep(incoming, at)
                _read_again(name, meant, at=incoming, otherwise=FaultClass.DAMAGED)
                with _opened(_folders(parts[:-1], at=root)) as folder:
                    is_ours = _named(incoming, name, folder, parts[-1], key)
                    os.fsync(folder)
                    otherwise = FaultClass.DAMAGED if is_ours else FaultClass.REFUSED
                    _read_again(parts[-1], meant, at=folder, otherwise=otherwise)
            finally:
                _remove(name, at=incoming)
        version = Version(key=key, version_id="", size=size)
        return Put(version=version, store_time=at, server_key=None)

    def versions(self, prefix: str) -> Iterator[Version]:
        """See Store. Holds the names of one directory at a time. What is neither file nor directory is no object."""
        above, _, start = check_prefix(prefix).rpartition("/")
        with self._opened_root(prefix) as root:
            try:
                folder = _walked(above.split("/") if above else [], at=root)
            except FileNotFoundError:
                return
            with _opened(folder):
                yield from _below(folder, f"{above}/" if above else "", start)

    def open(self, key: str, version_id: str) -> DirectoryReading:
        """See Store. Its time is that of the file: a moment at which the store's clock stood, and not after now."""
        parts = check_key(key).split("/")
        if version_id:
            raise store_fault(FaultClass.ABSENT, f"{key}: a directory keeps no version {version_id!r}")
        with self._opened_root(key) as root, _opened(_walked(parts[:-1], at=root)) as folder:
            return DirectoryReading(_reading(parts[-1], at=folder, what=key), key)

    def default_lock(self) -> timedelta | None:
        """A directory locks nothing."""
        return None

    def retained(self, key: str, version_id: str) -> Retained:
        """See Store. A directory says nothing of it, but says so only of an object that is there."""
        self.open(key, version_id).close()
        return Retained(mode=RetentionMode.NONE, until=None)

    def extend(self, key: str, version_id: str, until: datetime) -> None:
        """A directory keeps nothing by itself: refused."""
        raise store_fault(
            FaultClass.REFUSED,
            f"{key}: a directory holds no retention until {until:%Y-%m-%d}",
            remedy=("目录不能锁定保存期限", "a directory cannot lock a retention"),
        )

    def close(self) -> None:
        """Nothing is held between calls."""

    @contextmanager
    def _opened_root(self, what: str, absent: FaultClass = FaultClass.ABSENT) -> Iterator[int]:
        """The root's descriptor; whatever the system says inside is a StoreFault, of class `absent` for a lost name."""
        try:
            root = os.open(self._root, DIRECTORY)
        except OSError as error:
            denied = error.errno in (errno.EACCES, errno.EPERM)
            raise _fault(error, str(self._root), FaultClass.DENIED if denied else FaultClass.UNREACHABLE) from error
        try:
            yield root
        except FileNotFoundError as error:
            raise _fault(error, what, absent) from error
        except OSError as error:
            raise _fault(error, what) from error
        finally:
            os.close(root)


class DirectoryReading:
    """One object's bytes, read past the cache where the system allows."""

    def __init__(self, descriptor: int, key: str) -> None:
        self._descriptor = descriptor
        self._key = key
        self._open = True
        self.store_time = datetime.fromtimestamp(os.fstat(descriptor).st_mtime, UTC)
        self.server_key: bytes | None = None

    def read(self, size: int, /) -> bytes:
        """See Reading."""
        try:
            return os.read(self._descriptor, size)
        except OSError as error:
            raise _fault(error, self._key) from error

    def close(self) -> None:
        """Let the file go; a second call does nothing."""
        if self._open:
            self._open = False
            os.close(self._descriptor)

    def __enter__(self) -> DirectoryReading:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _fault(error: OSError, what: str, fault: FaultClass | None = None) -> StoreFault:
    code = error.errno or errno.EIO
    kind = fault or ERRNO_CLASS.get(code, FaultClass.UNREACHABLE)
    return store_fault(kind, f"{what}: {os.strerror(code)}", status=code)


@contextmanager
def _opened(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _made(name: str, *, at: int) -> int:
    """A directory, durable in its parent, whoever made it."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o750, dir_fd=at)
    os.fsync(at)
    return os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=at)


def _folders(parts: list[str], *, at: int) -> int:
    """The directory of a key, made as far as it is missing."""
    folder = os.dup(at)
    for part in parts:
        with _opened(folder):
            folder = _made(part, at=folder)
    return folder


def _walked(parts: list[str], *, at: int) -> int:
    """The directory of a key, without a link followed. Raises FileNotFoundError."""
    folder = os.dup(at)
    for part in parts:
        with _opened(folder):
            folder = os.open(part, DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    return folder


def _written(name: str, body: BinaryIO, meant: _Meant, *, at: int) -> datetime:
    """The body as a file of its own, flushed; returns the time the file system gave it. Raises StoreFault, OSError."""
    with _opened(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | PLAIN, 0o440, dir_fd=at)) as descriptor:
        md5, sha256, seen = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
        while seen <= meant.size and (chunk := _next_of(body, meant)):
            seen += len(chunk)
            md5.update(chunk)
            sha256.update(chunk)
            _write_all(descriptor, chunk)
        if (seen, md5.digest(), sha256.digest()) != (meant.size, meant.md5, meant.sha256):
            raise store_fault(
                FaultClass.DAMAGED, f"{meant.key}: {seen} bytes came, not the {meant.size} that were meant"
            )
        os.fsync(descriptor)
        return datetime.fromtimestamp(os.fstat(descriptor).st_mtime, UTC)


def _next_of(body: BinaryIO, meant: _Meant) -> bytes:
    """The body's next bytes; trouble of its own disk is not the store's. Raises StoreFault."""
    try:
        return body.read(CHUNK_BYTES)
    except OSError as error:
        raise _fault(error, f"{meant.key} (the device's own file)", FaultClass.DAMAGED) from error


def _write_all(descriptor: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _reading(name: str, *, at: int, what: str) -> int:
    """An object's descriptor, its cached pages dropped so that the disk itself is read. Raises StoreFault, OSError."""
    # O_NONBLOCK: a pipe under the name of an object must not hold the reader.
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | PLAIN, dir_fd=at)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise store_fault(FaultClass.DENIED, f"{what} is not a file")
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return descriptor


def _read_again(name: str, meant: _Meant, *, at: int, otherwise: FaultClass) -> None:
    """Open it anew and hash it. Raises StoreFault of class `otherwise` where it holds other bytes, and OSError."""
    with _opened(_reading(name, at=at, what=meant.key)) as descriptor:
        seen, size = hashlib.sha256(), 0
        while size <= meant.size and (chunk := os.read(descriptor, CHUNK_BYTES)):
            size += len(chunk)
            seen.update(chunk)
        if (size, seen.digest()) != (meant.size, meant.sha256):
            raise store_fault(otherwise, f"{meant.key}: other bytes stand there under this name", status=errno.EEXIST)


def _named(incoming: int, temporary: str, folder: int, name: str, key: str) -> bool:
    """Give the finished file its name; False if something has that name already. Raises StoreFault, OSError."""
    try:
        os.link(temporary, name, src_dir_fd=incoming, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.EXDEV):
            raise store_fault(
                FaultClass.DENIED, f"{key}: {os.strerror(error.errno)}", status=error.errno, remedy=NO_LINKS
            ) from error
        raise
    return True


def _remove(name: str, *, at: int) -> None:
    """Remove an unfinished file, which another sweep may have done already. Raises OSError."""
    try:
        os.unlink(name, dir_fd=at)
    except FileNotFoundError:
        return


def _sweep(incoming: int, now: datetime) -> None:
    """Remove what writers left that were cut off a day ago, by the clock of the file system. Raises OSError."""
    with os.scandir(incoming) as entries:
        names = [entry.name for entry in entries if len(entry.name) == 2 * TEMPORARY_BYTES]
    for name in names:
        try:
            written = os.stat(name, dir_fd=incoming, follow_symlinks=False).st_mtime
        except FileNotFoundError:
            continue  # its writer has just come to an end
        if now.timestamp() - written > ABANDONED_SECONDS:
            _remove(name, at=incoming)


def _below(folder: int, path: str, start: str) -> Iterator[Version]:
    """Every object below a directory whose name there begins with `start`, in the order of their keys."""
    with os.scandir(folder) as entries:
        found = [
            (entry.name, entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False))
            for entry in entries
            if entry.name.startswith(start) and not entry.name.startswith(".")
        ]
    # A directory's keys go on with a slash, and are ordered by it.
    for name, is_directory, is_file in sorted(found, key=lambda one: one[0] + ("/" if one[1] else "")):
        if is_directory:
            with _opened(os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)) as below:
                yield from _below(below, f"{path}{name}/", "")
        elif is_file:
            size = os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
            yield Version(key=path + name, version_id="", size=size)
