"""One of two disks: a thread that alone touches it, so that a disk that hangs holds up nobody but that thread.

`SideThread` owns its thread, the spool's lock on that disk and the files open on it. Whoever gives it work waits on the
work's ticket for as long as he likes. On disk a piece of work is done when its ticket says so; one that was given up
may still happen later, and writes then only what was meant for that place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from edge import durable
from edge.disk_watch import Side
from edge.durable import AppendFile, Change, StorageFault
from liuhen.registry import EventCode

QUEUE_LIMIT = 8
SPACE_ASKED_EVERY_SECONDS = 0.2
CLOSE_SECONDS = 1.0

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class SideLost:
    """One disk is not written any more; the other goes on. `code` is the errno, ETIMEDOUT for a stall."""

    side: Side
    code: int

    @property
    def events(self) -> tuple[tuple[EventCode, tuple[int, ...]], ...]:
        """What the journal says: why, where the errno tells, and that there is only one disk now."""
        why = _WHY.get(self.code)
        lost = (EventCode.MIRROR_LOST, (int(self.side), self.code))
        return (lost,) if why is None else ((why, (int(self.side),)), lost)

    @property
    def words_zh(self) -> str:
        """For the operator."""
        return f"{self.side.words_zh}已失效（{os.strerror(self.code)}），录制由另一块盘继续；请检查该盘，必要时更换"

    @property
    def words_en(self) -> str:
        """The same in English."""
        return f"{self.side.words_en} failed ({os.strerror(self.code)}); the other disk goes on; examine or replace it"


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBack:
    """Both disks hold the same again, and both are written."""

    side: Side
    caught_up_bytes: int

    @property
    def events(self) -> tuple[tuple[EventCode, tuple[int, ...]], ...]:
        """What the journal says."""
        return ((EventCode.MIRROR_BACK, (int(self.side), self.caught_up_bytes)),)

    @property
    def words_zh(self) -> str:
        """For the operator."""
        return f"{self.side.words_zh}已补齐，两块盘内容一致"

    @property
    def words_en(self) -> str:
        """The same in English."""
        return f"{self.side.words_en} has caught up; both disks hold the same"


@dataclass(frozen=True, slots=True, kw_only=True)
class SideDiffers:
    """A file of the disk that followed was not as on the one that leads: where, and how much.

    `kept` means that it still is: it was proven once, so nobody changes it. Otherwise it was the rest of a write, which
    is in quarantine on both disks now.
    """

    side: Side
    path: str
    offset: int
    size_bytes: int
    kept: bool

    @property
    def events(self) -> tuple[tuple[EventCode, tuple[int, ...]], ...]:
        """What the journal says."""
        return ((EventCode.MIRROR_DIFFERS, (int(self.side), int(self.kept), self.offset, self.size_bytes)),)

    @property
    def words_zh(self) -> str:
        """For the operator."""
        if self.kept:
            return f"{self.side.words_zh}上的 {self.path} 与另一块盘不同，均未改动；请勿删除任何文件，联系维护人员"
        return f"{self.side.words_zh}上 {self.path} 末尾未写完的部分已移入隔离区，并已按另一块盘补齐"

    @property
    def words_en(self) -> str:
        """The same in English."""
        if self.kept:
            return f"{self.path} differs on {self.side.words_en}; neither was changed; delete nothing, call maintenance"
        return f"an unfinished end of {self.path} on {self.side.words_en} is in quarantine, and the file was caught up"


SideSaid = SideLost | SideBack | SideDiffers

_WHY = {
    errno.EROFS: EventCode.STORAGE_READ_ONLY,
    errno.ENODEV: EventCode.STORAGE_REMOVED,
    errno.ENXIO: EventCode.STORAGE_REMOVED,
    errno.ENOENT: EventCode.STORAGE_REMOVED,
    errno.EMEDIUMTYPE: EventCode.STORAGE_WRONG_MEDIUM,
}


class Ticket(Generic[Result]):
    """One piece of work: `done` once it was tried, with its result or its fault."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self.done = threading.Event()
        self.fault: StorageFault | None = None
        self.result: Result | None = None

    @property
    def well(self) -> bool:
        """It is done, without a fault."""
        return self.done.is_set() and self.fault is None

    def carry_out(self) -> None:
        """On the disk's own thread."""
        try:
            self.result = self._work()
        except StorageFault as fault:
            self.fault = fault
        except OSError as error:
            self.fault = StorageFault(Path(str(error.filename or "")), error.errno or errno.EIO)
        except Exception:  # noqa: BLE001 - a thread's top: what cannot be carried out here, the other disk carries out
            self.fault = StorageFault(Path(), errno.EIO)


class SideThread:
    """See the module. `submit` may be called by any thread; everything else the disk's own thread does."""

    def __init__(self, side: Side, root: Path, on_done: Callable[[], None]) -> None:
        """Start the thread; the disk is not touched yet. `on_done` is called after each piece of work."""
        self.side = side
        self.root = root
        self.free_bytes = 0
        """As last heard from the disk: asked on its own thread, so that nobody waits for the answer."""
        self.lock: int | None = None
        self._on_done = on_done
        self._files: dict[str, AppendFile] = {}
        self._space_asked = float("-inf")
        self._given_up = False
        self._queue: queue.Queue[Ticket[object] | None] = queue.Queue(maxsize=QUEUE_LIMIT)
        self.gone = threading.Event()
        """Set when the thread has ended and let go of the disk."""
        self._thread = threading.Thread(target=self._run, name=f"SIDE {side.name}", daemon=True)  # it may hang for good
        self._thread.start()

    def submit(self, work: Callable[[], Result]) -> Ticket[Result]:
        """Give it work. A disk that was given up, or is too far behind, says so at once."""
        ticket = Ticket(work)
        try:
            if self._given_up:
                raise queue.Full
            self._queue.put_nowait(ticket)  # type: ignore[arg-type]
        except queue.Full:
            ticket.fault = StorageFault(self.root, errno.ETIMEDOUT)
            ticket.done.set()
        return ticket

    def call(self, work: Callable[[], Result], limit_seconds: float) -> Result:
        """Have it done within the limit. Raises StorageFault, ETIMEDOUT where the disk does not answer."""
        ticket = self.submit(work)
        if not ticket.done.wait(limit_seconds):
            raise StorageFault(self.root, errno.ETIMEDOUT)
        if ticket.fault is not None:
            raise ticket.fault
        return ticket.result  # type: ignore[return-value]

    def give_up(self) -> None:
        """Nothing more is done on this disk; its thread ends once it returns from where it is."""
        self._given_up = True
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)

    def close(self) -> bool:
        """Give up, and wait a moment for the thread; False if it hangs and was left behind."""
        self.give_up()
        return self.gone.wait(CLOSE_SECONDS)

    def _run(self) -> None:
        while (ticket := self._queue.get()) is not None and not self._given_up:
            ticket.carry_out()
            self._ask_for_space()
            ticket.done.set()
            self._on_done()
        for path in list(self._files):
            self.close_file(path)
        if self.lock is not None:
            with contextlib.suppress(OSError):
                os.close(self.lock)
        self.gone.set()
        self._on_done()

    def _ask_for_space(self) -> None:
        if time.monotonic() - self._space_asked < SPACE_ASKED_EVERY_SECONDS:
            return
        with contextlib.suppress(StorageFault):  # what it said last stands: a write will tell whether it is gone
            self.free_bytes = durable.free_bytes(self.root)
        self._space_asked = time.monotonic()

    # -- work, on the disk's own thread --------------------------------------------------------------------------------

    def change(self, change: Change, relative: str) -> None:
        """Make a change here. Raises StorageFault."""
        self.close_file(relative)
        durable.carry_out(replace(change, path=self.root / relative))

    def open_file(self, relative: str, *, new: bool) -> int:
        """Open a file to append to; returns its size. Raises StorageFault."""
        self.close_file(relative)
        self._files[relative] = AppendFile(self.root / relative, new=new)
        return self._files[relative].size

    def append(self, relative: str, offset: int, content: bytes) -> None:
        """Append what belongs at `offset`; a file that does not end there is not touched. Raises StorageFault."""
        if relative not in self._files:
            self.open_file(relative, new=False)
        if self._files[relative].size != offset:
            raise StorageFault(self.root / relative, errno.ESTALE)
        self._files[relative].append(content)

    def close_file(self, relative: str) -> None:
        """Close a file if it is open; everything in it is durable."""
        file = self._files.pop(relative, None)
        if file is not None:
            file.close()
