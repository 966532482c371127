"""The one place that writes: what a call here returned from is on the disk, file and directory (style rule 14).

Owns no thread. A failed write or flush raises StorageFault once and poisons the file: the kernel may have dropped the
dirty pages and would report success on a second flush (fsync after EIO), so nothing is retried on the same file. After
each flush the file must be as long as what was written to it. What each call leaves behind when it fails stands in
STORAGE_FAULTS.md; an interrupted call (EINTR) is repeated by Python itself (PEP 475).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

STAT_BLOCK_BYTES = 512


class StorageFault(Exception):
    """The disk refused or lost a write; `code` is the errno, the texts say what an operator can do."""

    def __init__(self, path: Path, code: int) -> None:
        super().__init__(f"{path}: {os.strerror(code)}")
        self.path = path
        self.code = code

    @property
    def full(self) -> bool:
        """True if there was no space, rather than a broken disk."""
        return self.code in (errno.ENOSPC, errno.EDQUOT)

    @property
    def read_only(self) -> bool:
        """True if the file system takes no write at all any more (ext4 after a fault, or mounted so)."""
        return self.code == errno.EROFS


class Appender(Protocol):
    """A file that only grows. One thread at a time."""

    size: int

    def append(self, content: bytes) -> None:
        """Write and flush; durable on return. Raises StorageFault."""

    def close(self) -> None:
        """Close the descriptor."""


class AppendFile:
    """A new or existing regular file, appended to with one write and one fdatasync each time."""

    def __init__(self, path: Path, *, new: bool) -> None:
        """Create (never over an existing file, directory flushed) or open for append."""
        try:
            self._descriptor = open_plain(path, os.O_WRONLY | os.O_APPEND | (os.O_CREAT | os.O_EXCL if new else 0))
            self.size = os.fstat(self._descriptor).st_size
        except OSError as error:
            raise StorageFault(path, error.errno or errno.EIO) from error
        self._path = path
        self._broken = False
        if new:
            try:
                sync_directory(path.parent)
            except StorageFault:
                os.close(self._descriptor)
                raise

    def append(self, content: bytes) -> None:
        """Write everything and flush it; durable on return. After a StorageFault the file takes nothing more."""
        if self._broken:
            raise StorageFault(self._path, errno.EIO)
        try:
            _write_all(self._descriptor, content)
            os.fdatasync(self._descriptor)
            _check_size(self._descriptor, self.size + len(content))
        except OSError as error:
            self._broken = True
            raise StorageFault(self._path, error.errno or errno.EIO) from error
        self.size += len(content)

    def close(self) -> None:
        """Close; everything appended is durable already, so an error of the close itself says nothing new."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


def create_file(path: Path, content: bytes, *, mode: int = 0o640) -> None:
    """A whole new file, durable with its directory entry; never replaces one. Raises StorageFault."""
    try:
        descriptor = open_plain(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            _write_all(descriptor, content)
            os.fsync(descriptor)
            _check_size(descriptor, len(content))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageFault(path, error.errno or errno.EIO) from error
    sync_directory(path.parent)


def replace_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """A small file replaced whole: after a power cut it is the old one or the new one. Raises StorageFault."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        descriptor = open_plain(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        try:
            _write_all(descriptor, content)
            os.fsync(descriptor)
            _check_size(descriptor, len(content))
        finally:
            os.close(descriptor)
        fresh.replace(path)
    except OSError as error:
        raise StorageFault(path, error.errno or errno.EIO) from error
    sync_directory(path.parent)


def move_into_place(fresh: Path, path: Path) -> None:
    """A file that was written elsewhere on this disk, durable under its name; replaces one. Raises StorageFault."""
    flush_file(fresh)
    try:
        fresh.replace(path)
    except OSError as error:
        raise StorageFault(path, error.errno or errno.EIO) from error
    sync_directory(path.parent)


def overwrite(path: Path, offset: int, content: bytes) -> None:
    """Write over a part of an existing file that holds real blocks already, durably. Raises StorageFault.

    Alone for small files with two places that are written in turn: a power cut may tear the one that is written.
    """
    try:
        descriptor = open_plain(path, os.O_WRONLY)
        try:
            os.lseek(descriptor, offset, os.SEEK_SET)
            _write_all(descriptor, content)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageFault(path, error.errno or errno.EIO) from error


def reserve_space(path: Path, size_bytes: int) -> None:
    """A new file that holds this much real space, so that it can be given back when the disk is full."""
    try:
        descriptor = open_plain(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            os.posix_fallocate(descriptor, 0, size_bytes)
            os.fsync(descriptor)
        except OSError:
            path.unlink()  # a part of the space would pass for all of it at the next start
            raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageFault(path, error.errno or errno.EIO) from error
    sync_directory(path.parent)


def hold_space(path: Path, size_bytes: int) -> None:
    """A file that holds at least this much real space, made anew unless it does. Raises StorageFault."""
    with reading(path):
        held_bytes = path.stat().st_blocks * STAT_BLOCK_BYTES if path.exists() else None
    if held_bytes is not None and held_bytes >= size_bytes:
        return
    if held_bytes is not None:
        remove_file(path)  # a start that was cut short, or a smaller setting, left less than is promised
    reserve_space(path, size_bytes)


def free_bytes(root: Path) -> int:
    """Bytes an unprivileged writer can still use on the disk of this folder. Raises StorageFault."""
    try:
        status = os.statvfs(root)
    except OSError as error:
        raise StorageFault(root, error.errno or errno.EIO) from error
    return status.f_bavail * status.f_frsize


def remove_file(path: Path, *, missing_ok: bool = False) -> None:
    """Remove one name, durably. Raises StorageFault."""
    try:
        path.unlink(missing_ok=missing_ok)
    except OSError as error:
        raise StorageFault(path, error.errno or errno.EIO) from error
    sync_directory(path.parent)


def shorten(path: Path, size_bytes: int) -> None:
    """Cut a file to its good part, durably; a file that is shorter is never made longer. Raises StorageFault.

    Recovery calls this with the rest already in quarantine, WRITER and the journal with the rest still in memory.
    """
    try:
        descriptor = open_plain(path, os.O_WRONLY)
        try:
            if os.fstat(descriptor).st_size < size_bytes:
                raise OSError(errno.EIO, "the file lacks a part that was flushed")
            os.ftruncate(descriptor, size_bytes)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageFault(path, error.errno or errno.EIO) from error


def open_plain(path: Path, flags: int = os.O_RDONLY, mode: int = 0o640) -> int:
    """A descriptor of a regular file. Raises OSError for anything else, before a byte is read or written.

    Whoever had the disk while the device was off can leave a pipe under any name; to open one waits for its other end.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    return descriptor


def opened(path: Path) -> BinaryIO:
    """A plain file for reading. Raises OSError, also for a link, a pipe or a device: to open one may wait for ever."""
    return os.fdopen(open_plain(path), "rb")


def content_of(path: Path) -> bytes:
    """All bytes of a plain file. Raises OSError as `opened` does."""
    with opened(path) as file:
        return file.read()


def exists(path: Path) -> bool:
    """Whether something has this name. Raises StorageFault where the disk does not say."""
    with reading(path):
        return path.exists()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What the system cannot read in here is a StorageFault too, of the file it names or else of `path`."""
    try:
        yield
    except OSError as error:
        raise StorageFault(Path(str(error.filename)) if error.filename else path, error.errno or errno.EIO) from error


def make_directory(path: Path) -> None:
    """A directory, durable in its parent; an existing one is fine. Raises StorageFault."""
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageFault(path, error.errno or errno.EIO) from error
    sync_directory(path.parent)


def flush_file(path: Path) -> None:
    """Flush a file that was written elsewhere. Raises StorageFault."""
    try:
        descriptor = open_plain(path)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageFault(path, error.errno or errno.EIO) from error


def sync_directory(path: Path) -> None:
    """Flush a directory, so that names made in it survive a power cut. Raises StorageFault."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageFault(path, error.errno or errno.EIO) from error


# -- changes as values: what one disk or two are told to do ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """`create_file`."""

    path: Path
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """`replace_file` of a spool: the group may read it, for `offload` reads the slices."""

    path: Path
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Shorten:
    """`shorten`."""

    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """`remove_file`; with `missing_ok` its absence is fine."""

    path: Path
    missing_ok: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeDirectory:
    """`make_directory`."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldSpace:
    """`hold_space`."""

    path: Path
    size_bytes: int


Change = Create | Replace | Shorten | Remove | MakeDirectory | HoldSpace


def carry_out(change: Change) -> None:
    """Make one change, durably. Raises StorageFault."""
    match change:
        case Create():
            create_file(change.path, change.content)
        case Replace():
            replace_file(change.path, change.content, mode=0o640)
        case Shorten():
            shorten(change.path, change.size_bytes)
        case Remove():
            remove_file(change.path, missing_ok=change.missing_ok)
        case MakeDirectory():
            make_directory(change.path)
        case HoldSpace():
            hold_space(change.path, change.size_bytes)


def _check_size(descriptor: int, size_bytes: int) -> None:
    """A write that claimed more than it did, or one by somebody else, is found while the content is still in memory."""
    if os.fstat(descriptor).st_size != size_bytes:
        raise OSError(errno.EIO, "the file is not as long as what was written")


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        written = os.write(descriptor, view)
        if written == 0:
            raise OSError(errno.EIO, "a write took nothing")
        view = view[written:]
