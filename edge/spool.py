"""The spool: the device's local store, its layout, its lock and its identity.

Owns no thread. `open_spool` takes an exclusive lock that ends with the process, so two recorders can never write the
same chain. Layout (FORMAT.md 1.1): `journal/ sessions/ records/ quarantine/` are evidence, `device/` is local state.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from edge import durable
from edge.durable import Appender, AppendFile, Change, StorageFault
from edge.refusals import SpoolError
from liuhen import cbor, cose, entry
from liuhen.errors import FormatError
from liuhen.kinds import Enrolment
from liuhen.registry import EventCode

UMASK = 0o027
FOLDERS = ("journal", "sessions", "records", "quarantine", "device")
IDENTITY_FILE = "device/spool.cbor"
LOCK_FILE = "device/lock"
ID_BYTES = 16
RESERVE_FILE = "device/journal-reserve"


Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which log this disk belongs to; a foreign disk is refused by it."""

    log_id: bytes
    spool_id: bytes


class Disk(Protocol):
    """What a spool is written to: one disk, or two that hold the same (`edge.mirror`)."""

    @property
    def root(self) -> Path:
        """The folder that is read."""

    def write(self, change: Change) -> None:
        """Make a change below the folder; durable on return. Raises StorageFault."""

    def appender(self, path: Path, *, new: bool) -> Appender:
        """A file that grows, made now if it is new. Raises StorageFault."""

    def free_bytes(self) -> int:
        """Bytes that can still be written. Raises StorageFault."""

    def elsewhere(self, look: Callable[[Path], Result]) -> Result | None:
        """What is found below the folder of the other disk that is written; None where there is none."""

    def close(self) -> None:
        """Let go of the disk and its lock, whatever the disk says to it."""


class DiskNews(Protocol):
    """What happened to one of two disks: events for the journal, and words for the operator."""

    @property
    def events(self) -> tuple[tuple[EventCode, tuple[int, ...]], ...]:
        """Code and `measured` of each."""

    @property
    def words_zh(self) -> str:
        """What is wrong, and what to do next."""

    @property
    def words_en(self) -> str:
        """The same in English."""


def _no_news() -> tuple[DiskNews, ...]:
    return ()


class OneDisk:
    """A folder on one disk, with its lock (implements `Disk`): everything is done at once, by whoever asks."""

    def __init__(self, root: Path, lock: int) -> None:
        self.root = root
        self._lock = lock

    def write(self, change: Change) -> None:
        """Make a change; durable on return. Raises StorageFault."""
        durable.carry_out(change)

    def appender(self, path: Path, *, new: bool) -> Appender:
        """A file that grows. Raises StorageFault."""
        return AppendFile(path, new=new)

    def free_bytes(self) -> int:
        """Bytes an unprivileged writer can still use. Raises StorageFault."""
        return durable.free_bytes(self.root)

    def elsewhere(self, look: Callable[[Path], Result]) -> Result | None:
        """There is no other disk."""
        return None

    def close(self) -> None:
        """Release the lock."""
        with contextlib.suppress(OSError):
            os.close(self._lock)


class Spool:
    """An open, locked spool. Everything in it is written through `write` and `appender`, to each of its disks."""

    def __init__(
        self, identity: Identity, disk: Disk, *, take_news: Callable[[], Sequence[DiskNews]] = _no_news
    ) -> None:
        self.identity = identity
        self.disk = disk
        self.take_news = take_news
        """What happened to one of two disks since this was last asked; CONTROL journals it. Never waits."""

    @property
    def root(self) -> Path:
        """The folder that is read; with a mirror, that of the disk that leads."""
        return self.disk.root

    def write(self, change: Change) -> None:
        """Make a change; durable on return. Raises StorageFault."""
        self.disk.write(change)

    def appender(self, path: Path, *, new: bool) -> Appender:
        """A file that only grows, new or existing. Raises StorageFault."""
        return self.disk.appender(path, new=new)

    @property
    def journal_directory(self) -> Path:
        """Where the journal files are."""
        return self.root / "journal"

    @property
    def records_directory(self) -> Path:
        """Where detached records are."""
        return self.root / "records"

    def session_directory(self, session_id: bytes) -> Path:
        """Where the segments of a session are."""
        return self.root / "sessions" / session_id.hex()

    def segment_path(self, session_id: bytes, number: int) -> Path:
        """The one name a segment ever has."""
        return self.session_directory(session_id) / f"{number:06d}.mp4"

    def make_session(self, session_id: bytes) -> None:
        """Create the session's directory durably. Raises StorageFault."""
        self.write(durable.MakeDirectory(path=self.session_directory(session_id)))

    def free_bytes(self) -> int:
        """Bytes an unprivileged writer can still use. Raises StorageFault."""
        return self.disk.free_bytes()

    def hold_reserve(self, size_bytes: int) -> None:
        """Keep space for the journal, unless that much is kept already. Raises StorageFault."""
        self.write(durable.HoldSpace(path=self.root / RESERVE_FILE, size_bytes=size_bytes))

    def release_reserve(self) -> bool:
        """Give the journal its reserve; False if it is gone already. Raises StorageFault."""
        path = self.root / RESERVE_FILE
        with durable.reading(path):
            held = path.exists()
        if held:
            self.write(durable.Remove(path=path, missing_ok=True))
        return held

    def segment_files(self) -> Iterator[tuple[bytes, int, Path]]:
        """(session id, number, path) of every segment file, in name order."""
        return segment_files(self.root)

    def close(self) -> None:
        """Release the lock, whatever the disk says to it."""
        self.disk.close()


def segment_files(root: Path) -> Iterator[tuple[bytes, int, Path]]:
    """(session id, number, path) of every segment file below a spool, in name order; foreign names are left out."""
    for directory in sorted((root / "sessions").glob("*")):
        try:
            session_id = bytes.fromhex(directory.name)
        except ValueError:
            continue
        for path in sorted(directory.glob("[0-9]*.mp4")):
            if path.stem.isdecimal():
                yield session_id, int(path.stem), path


def only_for_the_group() -> int:
    """From here on what this process makes is the recorder's to write and its group's to read, whoever started it.

    The group is how `offload` reads the spool (Jiaozuo Art. 13 and 19: it is not for everybody). One setting of the
    process, instead of one more call for each file that a disk can fail. Returns the setting before.
    """
    return os.umask(UMASK)


def create_spool(root: Path, identity: Identity) -> None:
    """Make the layout in a directory that exists or can be made. Raises SpoolError if it is not empty, or cannot."""
    before = only_for_the_group()
    try:
        root.mkdir(parents=True, exist_ok=True)
        if (root / IDENTITY_FILE).exists():
            raise SpoolError(
                f"{root} 已是存储目录 / is a spool already",
                remedy_zh="该目录已经初始化，可直接使用；要更换设备请另选空目录",
                remedy_en="it is ready for use; for another device name an empty directory",
            )
        occupied = any(root.iterdir())
        if occupied:
            raise SpoolError(
                f"{root} 不是空目录，也不是存储目录 / is not empty and not a spool",
                remedy_zh="请指定空目录，或已有的留痕存储目录",
                remedy_en="name an empty directory, or an existing spool",
            )
        for folder in FOLDERS:
            durable.make_directory(root / folder)
        content = cbor.encode({0: 1, 1: identity.log_id, 9: identity.spool_id})
        durable.create_file(root / IDENTITY_FILE, content)
    except OSError as error:
        raise _unwritable(root, error.errno or errno.EIO) from error
    except StorageFault as fault:
        raise _unwritable(root, fault.code) from fault
    finally:
        os.umask(before)


def create_mirror(root: Path, primary: Path) -> None:
    """Make an empty spool on a second disk, to hold what the first one holds. Raises SpoolError."""
    try:
        create_spool(root, _read_identity(primary))
    except SpoolError as error:
        if error.what.startswith(str(root)):
            raise
        raise SpoolError(
            f"{primary} 不是存储目录 / is not a spool",
            remedy_zh="请在 --mirror-of 之后写明已初始化的存储目录",
            remedy_en="name an existing spool after --mirror-of",
        ) from error


def open_spool(root: Path) -> Spool:
    """Lock and identify an existing spool on one disk. Raises SpoolError: missing, not writable, or in use."""
    identity, lock = lock_spool(root)
    return Spool(identity, OneDisk(root, lock))


def lock_spool(root: Path) -> tuple[Identity, int]:
    """The identity of an existing spool, and the descriptor that holds its lock. Raises SpoolError."""
    only_for_the_group()
    try:
        prepared = (root / IDENTITY_FILE).is_file()
    except OSError as error:
        raise _unwritable(root, error.errno or errno.EIO) from error
    if not prepared:
        raise SpoolError(
            f"{root} 不是存储目录 / is not a spool (no {IDENTITY_FILE})",
            remedy_zh="请检查存储盘是否已挂载、配置 spool.directory 是否正确；新盘请先执行 `liuhen spool init`",
            remedy_en="check the mount and spool.directory, or prepare a new disk with `liuhen spool init`",
            code=errno.ENOENT,
        )
    try:
        lock = os.open(root / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    except OSError as error:
        raise _unwritable(root, error.errno or errno.EIO) from error
    return _locked(root, lock), lock


def _locked(root: Path, lock: int) -> Identity:
    """Finish opening with the lock file open; it is closed again on every refusal."""
    steps: list[Callable[[], None]] = [lambda: _take_lock(root, lock), lambda: _check_writable(root)]
    try:
        for step in steps:
            step()
        return _read_identity(root)
    except SpoolError:
        with contextlib.suppress(OSError):
            os.close(lock)
        raise


def _take_lock(root: Path, lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise SpoolError(
            f"{root} 正被另一录制程序使用 / is in use by another recorder",
            remedy_zh="已有录制程序在使用此目录；请先结束它，切勿同时启动两个",
            remedy_en="another recorder uses this spool; end it first, never run two",
            busy=True,
        ) from error
    except OSError as error:
        raise _unwritable(root / LOCK_FILE, error.errno or errno.EIO) from error


def _check_writable(root: Path) -> None:
    for folder in FOLDERS:
        if not os.access(root / folder, os.W_OK | os.X_OK):
            raise _unwritable(root / folder, errno.EACCES)
    try:
        read_only = os.statvfs(root).f_flag & os.ST_RDONLY
    except OSError as error:
        raise _unwritable(root, error.errno or errno.EIO) from error
    if read_only:
        raise _unwritable(root, errno.EROFS)


@contextlib.contextmanager
def kept_free(root: Path) -> Iterator[bool]:
    """Whether no recorder uses this spool, and meanwhile none can begin to; nothing is made or written.

    True also where there is no spool yet. Raises OSError where its lock cannot be seen.
    """
    try:
        lock = durable.open_plain(root / LOCK_FILE)
    except (FileNotFoundError, NotADirectoryError):
        yield True
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(lock)


def read_identity(root: Path) -> Identity:
    """Which log a prepared disk belongs to, without its lock. Raises SpoolError."""
    return _read_identity(root)


def _read_identity(root: Path) -> Identity:
    """Of the identity file; where that rots, of entry 0, which is signed.

    A disk that went on without its mirror has a new number, which only the file holds: the memory beside the key then
    refuses what entry 0 says.
    """
    path = root / IDENTITY_FILE
    try:
        identity = parse_identity(durable.content_of(path))
    except OSError:
        identity = None
    identity = identity or _enrolled(root / "journal" / "00000000.cbor")
    if identity is None:
        raise _damaged(path)
    return identity


def parse_identity(content: bytes) -> Identity | None:
    """What an identity file says, or None where it says nothing that can be understood."""
    try:
        mapped = cbor.decode_map(content, where=IDENTITY_FILE)
    except FormatError:
        return None
    match mapped:
        case {0: 1, 1: bytes(log_id), 9: bytes(spool_id)} if len(log_id) == len(spool_id) == ID_BYTES:
            return Identity(log_id=log_id, spool_id=spool_id)
        case _:
            return None


def _enrolled(path: Path) -> Identity | None:
    """Which log and disk entry 0 is of. Whose key signed it is asked later, as of every entry."""
    try:
        with durable.opened(path) as file:
            content = file.read(cose.ENTRY_LIMIT_BYTES)
        first = entry.parse(content[: cose.item_end(content, 0, where=path.name)], where=path.name)
        if not isinstance(first.body, Enrolment):
            return None
        cose.verify(first.envelope, first.body.public_key, where=path.name)
    except (OSError, FormatError):
        return None
    return Identity(log_id=first.common.log_id, spool_id=first.body.spool_id)


def _damaged(path: Path) -> SpoolError:
    return SpoolError(
        f"{path} 已损坏 / is damaged",
        remedy_zh="请勿删除任何文件，联系维护人员恢复该文件",
        remedy_en="delete nothing; have the file restored by maintenance",
        code=errno.EIO,
    )


def _unwritable(path: Path, code: int) -> SpoolError:
    return SpoolError(
        f"{path}: {os.strerror(code)}",
        remedy_zh="请检查存储目录是否存在、可写，磁盘是否只读或已满",
        remedy_en="check that the spool exists and is writable, and that the disk is neither read-only nor full",
        code=code,
    )
