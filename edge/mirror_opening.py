"""Opening two disks that hold the same: both locked and identified, each on its own thread, and which of them leads.

Runs on CONTROL at a start. Nothing is written before `Pair.upkeep.align`. One disk that is missing, broken, read-only,
silent or another one than it was does not hinder a start: the other goes on alone, and it is told.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge.destruction import files_of
from edge.disk_watch import Side
from edge.durable import StorageFault, remove_file
from edge.journal import JournalError
from edge.mirror import Pair, step_number
from edge.mirror_catch_up import WORK_SECONDS, CatchUp
from edge.mirror_side import SideLost, SideThread
from edge.reclaiming import read_books
from edge.refusals import SpoolError
from edge.spool import Identity, Spool, lock_spool

OPEN_SECONDS = 20.0
"""A disk that has not said who it is within this time is not there."""

Standing = tuple[int, int]
"""How far a disk's evidence reaches: the next entry's number, the sealed fragments that no entry states yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the two disks are. `apart`: they must be different devices, as anything but a test must have them."""

    primary: Path
    mirror: Path
    limit_seconds: float
    apart: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Disk:
    """A disk that could be opened."""

    thread: SideThread
    identity: Identity
    device: int
    number: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    """One that could not, and why; `code` is the errno."""

    side: Side
    error: SpoolError
    code: int


class _Doors:
    """Opens either disk, at a start and whenever one comes back."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.done = threading.Condition()

    def open(self, side: Side) -> _Disk | _Refused:
        """Lock and identify one disk within the limit."""
        root = self.places.primary if side is Side.PRIMARY else self.places.mirror
        thread = SideThread(side, root, self._notify)
        try:
            opened = thread.call(lambda: _enter(thread), OPEN_SECONDS)
        except StorageFault as fault:
            opened = SpoolError(
                str(fault),
                remedy_zh="请检查该盘的连接和挂载，必要时更换",
                remedy_en="check cable and mount of that disk, replace it if need be",
                code=fault.code,
            )
        if isinstance(opened, _Disk):
            return opened
        thread.close()
        return _Refused(side=side, error=opened, code=opened.code or errno.EIO)

    def _notify(self) -> None:
        with self.done:
            self.done.notify_all()


def _enter(thread: SideThread) -> _Disk | SpoolError:
    """On the disk's own thread."""
    try:
        identity, thread.lock = lock_spool(thread.root)
    except SpoolError as error:
        return error
    device = thread.root.stat().st_dev
    return _Disk(thread=thread, identity=identity, device=device, number=step_number(thread.root))


def open_pair(places: Places, remembered_disk: Callable[[], bytes | None]) -> Spool:
    """Both disks, or the one that can be used. Raises SpoolError where neither can, or both are one."""
    doors = _Doors(places)
    opened = [doors.open(side) for side in Side]
    disks = [disk for disk in opened if isinstance(disk, _Disk)]
    refused = [disk for disk in opened if isinstance(disk, _Refused)]
    busy = [one for one in refused if one.error.busy]
    same = len(disks) == len(Side) and places.apart and disks[0].device == disks[1].device
    if busy or not disks or same:
        for disk in disks:
            disk.thread.close()
        raise (busy or refused)[0].error if busy or refused else _same_disk(places)
    if len(disks) == len(Side) and disks[0].identity != disks[1].identity:
        disks, other = _the_remembered(disks, remembered_disk())
        other.thread.close()
        refused.append(_Refused(side=other.thread.side, error=_wrong_medium(other), code=errno.EMEDIUMTYPE))
    pair = Pair(tuple(disk.thread for disk in disks), limit_seconds=places.limit_seconds, done=doors.done)
    pair.in_step_before = len({disk.number for disk in disks}) == 1 and disks[0].number is not None
    for one in refused:
        pair.tell(SideLost(side=one.side, code=one.code))
    back = _Return(doors, pair, disks[0].identity, {disk.thread.side: disk.device for disk in disks})
    back.said = refused[0].code if refused else 0
    pair.upkeep = CatchUp(pair, reopen=back.reopen, let_go=lambda side: _let_go(pair, side))
    return Spool(disks[0].identity, pair, take_news=pair.take_news)


def choose_leader(pair: Pair, standing: Callable[[Path], Standing]) -> None:
    """The disk whose evidence reaches further leads; where both reach as far, the first. One that fails is dropped."""
    reach: dict[SideThread, Standing] = {}
    for side in pair.sides if len(pair.sides) > 1 else ():
        try:
            reach[side] = side.call(partial(standing, side.root), OPEN_SECONDS)
        except StorageFault as fault:
            _leave_out(pair, side, fault.code)
    if len(reach) > 1:
        pair.lead_with(max(pair.sides, key=lambda side: reach[side]))


def _leave_out(pair: Pair, side: SideThread, code: int) -> None:
    """Before anything is written, and while another is left."""
    others = [one for one in pair.sides if one is not side]
    if others:
        pair.lead_with(others[0])
        pair.drop(side, code)


class _Return:
    """What must be true of a disk that comes back; says once what is in its place instead."""

    def __init__(self, doors: _Doors, pair: Pair, identity: Identity, devices: dict[Side, int]) -> None:
        self._doors = doors
        self._pair = pair
        self._identity = identity
        self._devices = devices
        self._threads: dict[Side, SideThread] = {side.side: side for side in pair.sides}
        self.said = 0
        """The errno that was told last of the disk that is away."""

    def reopen(self) -> SideThread | None:
        """The disk that is away, if it is there again and is that disk; on the MIRROR thread."""
        side = Side.MIRROR if self._pair.in_step[0].side is Side.PRIMARY else Side.PRIMARY
        before = self._threads.get(side)
        if before is not None and not before.gone.is_set():
            return None  # it still hangs in the system
        found = self._doors.open(side)
        if isinstance(found, _Refused):
            return None
        code = self._unfit(side, found)
        if code:
            found.thread.close()
            if code != self.said:
                self._pair.tell(SideLost(side=side, code=code))
            self.said = code
            return None
        self.said = 0
        self._threads[side], self._devices[side] = found.thread, found.device
        return found.thread

    def _unfit(self, side: Side, found: _Disk) -> int:
        other = self._devices.get(Side.MIRROR if side is Side.PRIMARY else Side.PRIMARY)
        same = self._doors.places.apart and found.device == other
        return errno.EMEDIUMTYPE if same or found.identity != self._identity else 0


def _the_remembered(disks: list[_Disk], spool_id: bytes | None) -> tuple[list[_Disk], _Disk]:
    """The disk that the memory beside the key names, and the other; without a memory the first."""
    chosen = next((disk for disk in disks if disk.identity.spool_id == spool_id), disks[0])
    return [chosen], next(disk for disk in disks if disk is not chosen)


def _let_go(pair: Pair, side: SideThread) -> None:
    """What was destroyed or reclaimed while a disk was away must not come back with it. Raises StorageFault."""
    try:
        books = read_books(pair.root)
    except JournalError as error:
        raise StorageFault(pair.root, errno.EIO) from error
    going = {**books.ledger.still_to_go(), **books.still_to_go()} if books.ledger.whole else {}
    for content, session in going.items():
        for path in side.call(partial(files_of, side.root, books.ledger, {content: session}), WORK_SECONDS):
            side.call(partial(remove_file, path), WORK_SECONDS)


def _same_disk(places: Places) -> SpoolError:
    return SpoolError(
        f"{places.primary} 与 {places.mirror} 在同一块盘上 / are on the same disk",
        remedy_zh="镜像必须在另一块盘上，请检查第二块盘是否已挂载，并修改配置 spool.mirror",
        remedy_en="a mirror must be on another disk; check that the second one is mounted, and spool.mirror",
    )


def _wrong_medium(disk: _Disk) -> SpoolError:
    return SpoolError(
        f"{disk.thread.root} 不是原来的存储盘 / is not the disk it was",
        remedy_zh="已拒绝使用，其中内容未作任何改动；请换回原来的盘",
        remedy_en="it is refused and left untouched; put the original disk back",
        code=errno.EMEDIUMTYPE,
    )
