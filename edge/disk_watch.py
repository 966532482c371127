"""Whether a disk is still the disk it was: read-only, taken out, or another one put in its place.

`judge` and `DiskWatch` decide, pure; `Prober` asks the system, in a thread that may hang with the disk, and never holds
anybody up: `DiskWatcher` (its owner starts and ends it) waits for it no longer than its limit. On disk nothing changes.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge import durable
from edge.spool import IDENTITY_FILE, LOCK_FILE, Identity, parse_identity
from liuhen.registry import EventCode

PROBE_LIMIT_SECONDS = 3.0
EVERY_SECONDS = 2.0
IDENTITY_LIMIT_BYTES = 512
GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ESHUTDOWN, errno.ESTALE, errno.EIO, errno.ENOMEDIUM})
"""What the system says of a device that is not there any more; whatever can still be read says nothing of these."""


class Side(enum.IntEnum):
    """Which disk: the number in an event's `side`."""

    PRIMARY = 0
    MIRROR = 1

    @property
    def words_zh(self) -> str:
        """As an operator calls it."""
        return "主存储盘" if self is Side.PRIMARY else "镜像盘"

    @property
    def words_en(self) -> str:
        """The same in English."""
        return "the store's disk" if self is Side.PRIMARY else "the mirror's disk"


class DiskState(enum.Enum):
    """What a disk is found to be."""

    PRESENT = "present"
    READ_ONLY = "read-only"
    REMOVED = "removed"
    WRONG_MEDIUM = "wrong medium"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The disk that is expected: its identity, and the device number of its folder when it was opened."""

    identity: Identity
    device: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What the system said: `code` is the errno where the identity could not be read, or 0.

    `identity` is None where the file is not there or is not to be understood; `device_there` is False where the
    kernel has no such block device any more, None where that cannot be asked.
    """

    device: int = 0
    identity: Identity | None = None
    code: int = 0
    read_only: bool = False
    device_there: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSaid:
    """A disk is not what it was before: a message to CONTROL.

    `remounted` is true where the right disk is back under another device number: files opened before are dead.
    """

    side: Side
    state: DiskState
    remounted: bool = False

    @property
    def event(self) -> EventCode | None:
        """What the journal says of it; None for a disk that is back or silent (those have events of their own)."""
        return _EVENTS.get(self.state)

    @property
    def measured(self) -> tuple[int, ...]:
        """Of the event."""
        return (int(self.side),)

    @property
    def words_zh(self) -> str:
        """For the operator: what is wrong, and what to do next."""
        return self.side.words_zh + _WORDS[self.state][0]

    @property
    def words_en(self) -> str:
        """The same in English."""
        return self.side.words_en + _WORDS[self.state][1]


_EVENTS = {
    DiskState.READ_ONLY: EventCode.STORAGE_READ_ONLY,
    DiskState.REMOVED: EventCode.STORAGE_REMOVED,
    DiskState.WRONG_MEDIUM: EventCode.STORAGE_WRONG_MEDIUM,
}
_WORDS = {
    DiskState.PRESENT: ("已恢复", " is back"),
    DiskState.READ_ONLY: (
        "变为只读，无法写入；请重启设备并用 fsck 检查该盘，必要时更换",
        " has become read-only; reboot, run fsck on it, replace it if need be",
    ),
    DiskState.REMOVED: (
        "已被移除或不再应答；请插回原来的盘，检查连接后重新挂载",
        " was taken out, or answers nothing any more; put the same disk back, check cable and mount",
    ),
    DiskState.WRONG_MEDIUM: (
        "的位置上是另一块盘，已拒绝使用，其中内容未作任何改动；请换回原来的盘",
        " was replaced by another one, which is refused and left untouched; put the original disk back",
    ),
    DiskState.SILENT: (
        "没有应答；请检查连接和供电，必要时更换",
        " does not answer; check cable and power, replace it if need be",
    ),
}


def judge(known: Known, probed: Probed | None) -> DiskState:
    """What the disk is. `probed` is None where the system did not answer in time."""
    if probed is None:
        return DiskState.SILENT
    if probed.code in GONE or probed.device_there is False:
        return DiskState.REMOVED
    if probed.identity is None:
        # On the same device a damaged identity is damage; on another, this is the folder that it was mounted on.
        return DiskState.WRONG_MEDIUM if probed.device == known.device and not probed.code else DiskState.REMOVED
    if probed.identity != known.identity:
        return DiskState.WRONG_MEDIUM
    return DiskState.READ_ONLY if probed.read_only else DiskState.PRESENT


class DiskWatch:
    """One disk's story: says each change once. Pure."""

    def __init__(self, side: Side, known: Known) -> None:
        self._side = side
        self._known = known
        self._state = DiskState.PRESENT
        self._device = known.device

    @property
    def state(self) -> DiskState:
        """As it was last found."""
        return self._state

    def after(self, probed: Probed | None) -> DiskSaid | None:
        """What there is to tell after a probe."""
        state = judge(self._known, probed)
        remounted = state is DiskState.PRESENT and probed is not None and probed.device != self._device
        if state is self._state and not remounted:
            return None
        self._state = state
        if remounted and probed is not None:
            self._device = probed.device
        return DiskSaid(side=self._side, state=state, remounted=remounted)


def of_errno(side: Side, code: int) -> DiskSaid | None:
    """What a failed write says of its disk by itself; None where only the disk's identity can tell."""
    if code == errno.EROFS:
        return DiskSaid(side=side, state=DiskState.READ_ONLY)
    if code in GONE - {errno.EIO}:
        return DiskSaid(side=side, state=DiskState.REMOVED)
    return None


# -- asking the system -------------------------------------------------------------------------------------------------


def probe(root: Path) -> Probed:
    """Ask everything once; may never return. The identity is read from the disk itself, past the page cache."""
    try:
        device = root.stat().st_dev
        read_only = bool(os.statvfs(root).f_flag & os.ST_RDONLY) or _refuses_writing(root)
        content = _read_uncached(root / IDENTITY_FILE)
    except FileNotFoundError:
        return Probed(device=_device_of(root), device_there=None)
    except OSError as error:
        return Probed(device=_device_of(root), code=error.errno or errno.EIO, device_there=None)
    return Probed(
        device=device, identity=parse_identity(content), read_only=read_only, device_there=_device_there(device)
    )


def known_disk(root: Path, identity: Identity) -> Known:
    """The disk that a spool was opened on. Raises OSError."""
    return Known(identity=identity, device=root.stat().st_dev)


def _device_of(root: Path) -> int:
    try:
        return root.stat().st_dev
    except OSError:
        return 0


def _read_uncached(path: Path) -> bytes:
    """What the disk holds now: a disk that was pulled is still in the page cache."""
    descriptor = durable.open_plain(path)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        return os.read(descriptor, IDENTITY_LIMIT_BYTES)
    finally:
        os.close(descriptor)


def _refuses_writing(root: Path) -> bool:
    """ext4 in an emergency takes no write although its mount says that it would; nothing is written to find out."""
    try:
        os.close(durable.open_plain(root / LOCK_FILE, os.O_WRONLY))
    except OSError as error:
        return error.errno == errno.EROFS
    return False


def _device_there(device: int) -> bool | None:
    """Whether the kernel still has the block device; None for file systems without one, such as tmpfs."""
    major, minor = os.major(device), os.minor(device)
    if major == 0 or not Path("/sys/dev/block").is_dir():
        return None
    return Path(f"/sys/dev/block/{major}:{minor}").exists()


class Probe(Protocol):
    """Asks one disk; may take for ever."""

    def __call__(self) -> Probed:
        """Everything once. Raises nothing."""


class Prober:
    """A thread that asks one disk on request, and is left behind if the disk never answers."""

    def __init__(self, ask: Probe, name: str) -> None:
        self._ask = ask
        self._asked: queue.Queue[bool] = queue.Queue(maxsize=1)
        self._answers: queue.Queue[Probed] = queue.Queue(maxsize=1)
        self._waiting = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)  # a dead disk must not keep us
        self._thread.start()

    def within(self, limit_seconds: float) -> Probed | None:
        """The answer, or None if the disk gives none in time; a question that is still open is not asked again."""
        if not self._waiting:
            self._asked.put(True)
        self._waiting = True
        try:
            answer = self._answers.get(timeout=limit_seconds)
        except queue.Empty:
            return None
        self._waiting = False
        return answer

    def stop(self, limit_seconds: float) -> bool:
        """End the thread; False if it hangs in the system and was left behind."""
        with contextlib.suppress(queue.Full):
            self._asked.put_nowait(False)
        self._thread.join(limit_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while self._asked.get():
            answer = self._ask()
            with contextlib.suppress(queue.Full):
                self._answers.put_nowait(answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One disk under watch: what is known of it, and how it is asked."""

    side: Side
    known: Known
    ask: Probe


class DiskWatcher:
    """The DISKS thread: asks each disk in turn and posts what changed. Its owner calls `start` and `stop`."""

    def __init__(
        self,
        disks: tuple[Watched, ...],
        post: Callable[[DiskSaid], None],
        *,
        every_seconds: float = EVERY_SECONDS,
        limit_seconds: float = PROBE_LIMIT_SECONDS,
    ) -> None:
        self._post = post
        self._every_seconds, self._limit_seconds = every_seconds, limit_seconds
        self._disks = [(DiskWatch(disk.side, disk.known), Prober(disk.ask, f"DISK {disk.side.name}")) for disk in disks]
        self._wake = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="DISKS")

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def look_now(self) -> None:
        """Any thread: a write failed or a disk was plugged in, so ask at once."""
        self._wake.set()

    def stop(self) -> None:
        """End within the limit of one probe of each disk; a prober that hangs is left behind."""
        self._over.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        for _, prober in self._disks:
            prober.stop(self._limit_seconds)

    def _run(self) -> None:
        while not self._over.is_set():
            for watch, prober in self._disks:
                said = watch.after(prober.within(self._limit_seconds))
                if said is not None:
                    self._post(said)
            self._wake.wait(self._every_seconds)
            self._wake.clear()
