"""Making the disk that is behind hold what the other holds: copied, compared byte for byte, never written over.

`CatchUp` belongs to one pair. `align` is called at a start, before anything is written, and makes the ends of the last
files equal. The MIRROR thread (`start`, `stop`) opens a disk that was away again, compares everything, and puts it in
step. It writes through the two disks' own threads. Where the copies differ, the rest of a write goes to quarantine on
both disks and is then cut; whatever was proven once stays as it is on either, and is told.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from edge import durable, mirror_compare
from edge.durable import StorageFault
from edge.mirror import Pair
from edge.mirror_compare import Likeness
from edge.mirror_side import SideDiffers, SideThread
from edge.spool import RESERVE_FILE

WORK_SECONDS = 10.0
"""A disk that is behind has this long for one piece; it holds nobody up but the MIRROR thread."""
RETRY_SECONDS = 5.0
LONGEST_RETRY_SECONDS = 320.0
BYTES_PER_SECOND = 24_000_000
LEVEL_LIMIT_BYTES = 4 << 20
LEVEL_LIMIT_FILES = 16
"""So much may be copied while nothing else is written; if more is missing, another round comes first."""
ROUNDS_LIMIT = 20
ORDER_FILES = ("device/destroying", "device/reclaiming")
"""There while content is being removed by order, or for a receipt."""
STATE_FILES = ("device/slot-0.cbor", "device/slot-1.cbor", *ORDER_FILES, "device/scrub.cbor", "device/store-check.json")
"""Local state that a start on the other disk alone can use."""
STATE_LIMIT_BYTES = 1 << 20

Reopen = Callable[[], SideThread | None]
"""Opens the disk that is away: identity, device and lock as at a start; None while it is not there."""
LetGo = Callable[[SideThread], None]
"""Carries out on a disk what the journal says was destroyed or reclaimed while it was away. Raises StorageFault."""


class NotLevel(Exception):
    """The disk cannot be put in step: it holds proven bytes where the other would be appended to."""


@dataclass(slots=True, kw_only=True)
class _Round:
    """What was done; `kept` names files that differ for good, `unread` those the leader itself cannot read."""

    copied_bytes: int = 0
    kept: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)


class CatchUp:
    """See the module."""

    def __init__(self, pair: Pair, *, reopen: Reopen, let_go: LetGo, retry_seconds: float = RETRY_SECONDS) -> None:
        self._retry_seconds = retry_seconds
        self._pair = pair
        self._reopen = reopen
        self._let_go = let_go
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="MIRROR", daemon=True)
        self._started = False
        self._told: set[str] = set()
        self._work_seconds = WORK_SECONDS
        self._verified: dict[str, int] = {}
        """How much of each file this catching up has found equal: what is compared again while others wait is less."""
        self._stuck: SideThread | None = None

    # -- at a start ----------------------------------------------------------------------------------------------------

    def align(self, recent: tuple[str, ...]) -> None:
        """Before the first write: make the ends of these files equal, and put the disk in step. Raises nothing.

        Only for disks that were in step until the last write: nothing but that write can differ.
        """
        side = self._pair.behind
        if side is None:
            return
        try:
            done = _Round()
            for relative in recent:
                self._reconcile(side, relative, done)
            if not done.kept | done.unread:
                self._copy_state(side)
                self._pair.join(side, lambda _: True)
        except StorageFault as fault:
            self._pair.drop(side, fault.code)

    # -- in the background ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to work; call once."""
        self._started = True
        self._thread.start()

    def stop(self) -> None:
        """End the thread; one that waits for a dead disk ends with its limit."""
        self._over.set()
        self._pair.lost_one.set()
        if self._started:
            self._thread.join(2 * WORK_SECONDS)

    def _run(self) -> None:
        self._look_for_loose_files()
        pause_seconds = self._retry_seconds
        while not self._over.is_set():
            self.work()
            if self._pair.whole.is_set():
                self._pair.lost_one.wait()
                self._pair.lost_one.clear()
                # A disk that fails again and again is asked ever more rarely.
                self._over.wait(pause_seconds)
                pause_seconds = min(2 * pause_seconds, LONGEST_RETRY_SECONDS)
            else:
                self._over.wait(self._retry_seconds)

    def _look_for_loose_files(self) -> None:
        """A cut may have left a record or a quarantined file on one disk alone; nothing else is made by one write.

        Not while an order is unfinished: what is on one disk alone may be what it takes away.
        """
        if len(self._pair.in_step) == 1 or any((self._pair.root / name).exists() for name in ORDER_FILES):
            return
        side, done = self._pair.in_step[1], _Round()
        self._work_seconds = min(WORK_SECONDS, self._pair.limit_seconds)
        try:
            if any(self._loose(side)):
                with self._pair.still():  # what is just being made or removed looks loose too
                    here, there = self._loose(side)
                    for relative in here:
                        self._reconcile(side, relative, done, pace=False)
                    for relative, size in there.items():
                        self._only_there(side, relative, size, done)
        except (StorageFault, OSError):
            return  # the next write tells
        finally:
            self._work_seconds = WORK_SECONDS

    def _loose(self, side: SideThread) -> tuple[set[str], dict[str, int]]:
        """What is on the leader alone, and what on the other alone, with its size. Raises StorageFault, OSError."""
        look = partial(mirror_compare.evidence_files, folders=("records", "quarantine"))
        own, theirs = look(self._pair.root), side.call(lambda: look(side.root), self._work_seconds)
        return own.keys() - theirs.keys(), {name: size for name, size in theirs.items() if name not in own}

    def work(self) -> None:
        """One attempt: open the disk again if it is away, then catch it up. Raises nothing."""
        if len(self._pair.in_step) > 1:
            return
        side = self._pair.behind or self._reopened()
        if side is None or side is self._stuck:
            return
        try:
            self._catch_up(side)
        except NotLevel:
            self._stuck = side
        except StorageFault as fault:
            self._pair.drop(side, fault.code)
        except OSError as error:
            self._pair.drop(side, error.errno or errno.EIO)

    def _reopened(self) -> SideThread | None:
        side = self._reopen()
        if side is not None:
            self._pair.follow(side)
        return side

    def _catch_up(self, side: SideThread) -> None:
        """Everything once, then rounds over what changed meanwhile, until little is left. Raises StorageFault."""
        done = _Round()
        self._verified.clear()
        self._pair.take_changes()
        self._copy_everything(side, done)
        for _ in range(ROUNDS_LIMIT):
            if self._over.is_set() or self._pair.join(side, lambda changed: self._level(side, changed, done)):
                break
            for relative in self._pair.take_changes():
                self._renew(side, relative, done)
        else:
            return
        if not self._over.is_set():
            self._pair.tell_back(side, done.copied_bytes)

    def _copy_everything(self, side: SideThread, done: _Round) -> None:
        self._let_go(side)
        leader = self._pair.root
        files = mirror_compare.evidence_files(leader)
        for relative in files:
            if self._over.is_set():
                return
            self._reconcile(side, relative, done)
        theirs = side.call(lambda: mirror_compare.evidence_files(side.root), self._work_seconds)
        for relative, size in theirs.items():
            if relative not in files and not (leader / relative).exists():
                self._only_there(side, relative, size, done)

    def _level(self, side: SideThread, changed: tuple[str, ...], done: _Round) -> bool:
        """While nothing is written. Raises StorageFault, NotLevel."""
        if len(changed) > LEVEL_LIMIT_FILES:
            return False
        self._work_seconds = min(WORK_SECONDS, self._pair.limit_seconds)  # now others wait for it
        try:
            if sum(self._missing_bytes(side, relative) for relative in changed) > LEVEL_LIMIT_BYTES:
                return False
            for relative in changed:
                self._renew(side, relative, done, pace=False)
            self._copy_state(side)
        finally:
            self._work_seconds = WORK_SECONDS
        if any(self._may_grow(relative) for relative in done.kept | done.unread):
            raise NotLevel
        return True

    def _renew(self, side: SideThread, relative: str, done: _Round, *, pace: bool = True) -> None:
        """What changed on the disk that leads: a file that grew, a folder that was made, something that went."""
        own = self._pair.root / relative
        if relative.startswith("device/"):
            return
        if own.is_dir():
            side.call(partial(durable.make_directory, side.root / relative), self._work_seconds)
        elif own.exists():
            self._reconcile(side, relative, done, pace=pace)
        else:
            side.call(partial(_remove, side.root / relative), self._work_seconds)

    def _missing_bytes(self, side: SideThread, relative: str) -> int:
        own = self._pair.root / relative
        theirs = side.call(lambda: _size(side.root / relative), self._work_seconds)
        return max(0, _size(own) - theirs)

    def _may_grow(self, relative: str) -> bool:
        """The last journal file; segments that differ are of another run, and closed."""
        journals = [name for name in mirror_compare.evidence_files(self._pair.root) if name.startswith("journal/")]
        return relative.startswith("journal/") and (not journals or relative >= journals[-1])

    def _copy_state(self, side: SideThread) -> None:
        """What is no evidence and yet useful to a start on that disk alone."""
        for relative in STATE_FILES:
            own = self._pair.root / relative
            if not own.exists():
                side.call(partial(_remove, side.root / relative), self._work_seconds)
                continue
            change = durable.Replace(path=own, content=mirror_compare.read_piece(own, 0, STATE_LIMIT_BYTES))
            side.call(partial(side.change, change, relative), self._work_seconds)
        reserve = self._pair.root / RESERVE_FILE
        if reserve.exists():
            hold = durable.HoldSpace(path=reserve, size_bytes=reserve.stat().st_size)
            side.call(lambda: side.change(hold, RESERVE_FILE), self._work_seconds)

    # -- one file ------------------------------------------------------------------------------------------------------

    def _reconcile(self, side: SideThread, relative: str, done: _Round, *, pace: bool = True) -> None:
        """Make the copy hold what the leader's file holds now. Raises StorageFault."""
        differed, offset = False, 0 if pace else self._known_equal(relative)
        self._make_folder(side, relative)
        while (piece := self._own_piece(relative, offset, done)) is not None:
            found = side.call(partial(mirror_compare.compare, side.root / relative, offset, piece), self._work_seconds)
            if found.likeness is Likeness.DIFFERENT and not differed:
                differed = not self._set_aside(side, relative, (found.at, found.size), done)
                if not differed:
                    continue  # it is short now
            if not piece:
                self._end(side, relative, (offset, found.size), done, differed=differed)
                return
            done.copied_bytes += self._append(side, relative, (offset, found.size), piece)
            offset += len(piece)
            if pace:
                self._over.wait(len(piece) / BYTES_PER_SECOND)

    def _known_equal(self, relative: str) -> int:
        """From where on a file that was compared already is compared again, while others wait."""
        known = self._verified.pop(relative, 0)
        return known if known <= _size(self._pair.root / relative) else 0

    def _own_piece(self, relative: str, offset: int, done: _Round) -> bytes | None:
        """What the leader's file holds there; rot on it is no fault of the other disk's, and a scrub tells it."""
        try:
            return mirror_compare.read_piece(self._pair.root / relative, offset)
        except OSError:
            done.unread.add(relative)
            return None

    def _append(self, side: SideThread, relative: str, place: tuple[int, int], piece: bytes) -> int:
        """A copy that ends inside a piece goes on where it ends; returns the bytes that were missing."""
        offset, size = place
        if size >= offset + len(piece):
            return 0
        if size < offset:
            raise StorageFault(side.root / relative, errno.ESTALE)  # somebody else has shortened it
        missing = piece[size - offset :]
        side.call(partial(_put, side, relative, size, missing), self._work_seconds)
        return len(missing)

    def _end(self, side: SideThread, relative: str, place: tuple[int, int], done: _Round, *, differed: bool) -> None:
        """At the end of the leader's file: what the copy has beyond it, or an empty file that is not there yet."""
        offset, size = place
        if size > offset and not differed:
            self._set_aside(side, relative, place, done)
        if not offset:
            side.call(partial(_put, side, relative, 0, b""), self._work_seconds)
        if not differed:
            self._verified[relative] = offset
        side.call(partial(side.close_file, relative), self._work_seconds)

    def _make_folder(self, side: SideThread, relative: str) -> None:
        if relative.startswith("sessions/"):
            folder = durable.MakeDirectory(path=side.root / Path(relative).parent)
            side.call(lambda: durable.carry_out(folder), self._work_seconds)

    def _set_aside(self, side: SideThread, relative: str, place: tuple[int, int], done: _Round) -> bool:
        """What the copy alone has between two offsets: True where it was the rest of a write, and is cut."""
        at, size = place
        side.call(lambda: side.close_file(relative), self._work_seconds)
        proven = side.call(lambda: mirror_compare.proven_bytes(side.root, relative), self._work_seconds)
        if proven > at or self._whole(relative, size):
            self._keep(side, relative, (at, size - at), done)
            return False
        self._quarantine(side, relative, at, size)
        side.call(lambda: side.change(durable.Shorten(path=Path(), size_bytes=at), relative), self._work_seconds)
        return True

    def _whole(self, relative: str, size: int) -> bool:
        """A record or quarantined file of full length was written whole: what differs in it is rot."""
        made_at_once = not relative.endswith(".mp4") and not relative.startswith("journal/")
        return made_at_once and size >= _size(self._pair.root / relative)

    def _only_there(self, side: SideThread, relative: str, size: int, done: _Round) -> None:
        """The leader has no such file: kept where it proves something, otherwise in quarantine on both."""
        if side.call(lambda: mirror_compare.proven_bytes(side.root, relative), self._work_seconds):
            self._keep(side, relative, (0, size), done)
            return
        self._quarantine(side, relative, 0, size)
        side.call(lambda: side.change(durable.Remove(path=Path()), relative), self._work_seconds)

    def _keep(self, side: SideThread, relative: str, place: tuple[int, int], done: _Round) -> None:
        done.kept.add(relative)
        self._tell(SideDiffers(side=side.side, path=relative, offset=place[0], size_bytes=place[1], kept=True))

    def _quarantine(self, side: SideThread, relative: str, at: int, size: int) -> None:
        """Copy the rest of a write to quarantine on both disks, before it is cut."""
        content = side.call(lambda: mirror_compare.read_piece(side.root / relative, at, size - at), self._work_seconds)
        stem = f"quarantine/mirror-{side.side.name.lower()}-{'-'.join(Path(relative).parts)}-{at}"
        target, number = f"{stem}.bin", 1
        while (self._pair.root / target).exists() and durable.content_of(self._pair.root / target) != content:
            number += 1
            target = f"{stem}-{number}.bin"
        create = durable.Create(path=self._pair.root / target, content=content)
        if not create.path.exists():
            self._pair.write(create)
        side.call(partial(_create_once, side, target, create), self._work_seconds)
        self._tell(SideDiffers(side=side.side, path=relative, offset=at, size_bytes=size - at, kept=False))

    def _tell(self, said: SideDiffers) -> None:
        key = f"{said.path} {said.offset} {said.kept}"
        if key not in self._told:
            self._told.add(key)
            self._pair.tell(said)


def _put(side: SideThread, relative: str, size: int, missing: bytes) -> None:
    """On the disk's thread: a file is made if it is not there, and goes on where it ends."""
    if not (side.root / relative).exists():
        side.open_file(relative, new=True)
    if missing:
        side.append(relative, size, missing)


def _create_once(side: SideThread, relative: str, create: durable.Create) -> None:
    if not (side.root / relative).exists():
        side.change(create, relative)


def _remove(path: Path) -> None:
    if path.exists():
        durable.remove_file(path)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
