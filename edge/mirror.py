"""Two disks that hold the same: everything of the spool is written to both, and either one alone is the evidence.

`Pair` is a spool's `Disk`. CONTROL and WRITER call it, one at a time; each disk has a thread of its own. On return of a
call the bytes are durable on every disk that is in step. One that fails, or does not answer within the limit while the
other has, is lost: nobody waits for it again, the other goes on, and `take_news` tells CONTROL. A disk that is away or
behind is caught up by `edge.mirror_catch_up`, which calls `join` at the end.
"""

from __future__ import annotations

import contextlib
import errno
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from edge import durable
from edge.disk_watch import GONE
from edge.durable import Appender, Change, StorageFault
from edge.mirror_side import SideBack, SideLost, SideSaid, SideThread, Ticket
from liuhen import cbor
from liuhen.errors import FormatError

STEP_FILE = "device/in-step.cbor"
"""Local state on each disk. Both bear the same number as long as everything was written to both; whoever goes on alone
takes a new one first, so that disks that were apart are known by it."""
STEP_BYTES = 16
NEWS_LIMIT = 256
LOOK_SECONDS = 10.0
"""A disk that is asked what it holds reads at most one file for the answer."""
HOPELESS = (GONE - {errno.EIO}) | {errno.EROFS}
"""Where both disks fail at once, the one that says one of these is the one that is given up."""

Result = TypeVar("Result")


class Upkeep(Protocol):
    """What makes a disk that is behind equal again."""

    def align(self, recent: tuple[str, ...]) -> None:
        """Before the first write: make the ends of these files equal. Raises nothing."""

    def start(self) -> None:
        """Begin to work in the background."""

    def stop(self) -> None:
        """End that."""


class NoUpkeep:
    """Nothing is behind that could be caught up."""

    def align(self, recent: tuple[str, ...]) -> None:
        """Nothing."""

    def start(self) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


class PairFile:
    """A file that grows on each disk that is in step (implements `durable.Appender`)."""

    def __init__(self, pair: Pair, relative: str, size: int) -> None:
        self.size = size
        self._pair = pair
        self._relative = relative
        self._broken = False

    def append(self, content: bytes) -> None:
        """Write and flush on each disk. Raises StorageFault where none took it; then it takes nothing more."""
        if self._broken:
            raise StorageFault(Path(self._relative), errno.EIO)
        try:
            self._pair.append(self._relative, self.size, content)
        except StorageFault:
            self._broken = True
            raise
        self.size += len(content)

    def close(self) -> None:
        """Close it on each disk, whenever that disk comes to it."""
        self._pair.let_go(self._relative)


class Pair:
    """See the module."""

    def __init__(self, sides: tuple[SideThread, ...], *, limit_seconds: float, done: threading.Condition) -> None:
        """`sides` are those that could be opened, all given `done` to notify; the first leads until `lead_with`."""
        self.limit_seconds = limit_seconds
        self._done = done
        self._roots = tuple(side.root for side in sides)
        self._order = threading.RLock()
        """Held for one whole write on all disks: at most one write is unfinished when the power goes.

        Taken twice by whoever makes the disks equal at last, and puts the rest of a write into quarantine then.
        """
        self._in_step = sides[:1]
        self._behind = sides[1:]
        self._news: deque[SideSaid] = deque(maxlen=NEWS_LIMIT)
        self.changed: dict[str, None] = {}
        """What was written since catching up last looked, in order; only kept while a disk is not in step."""
        self.in_step_before = False
        """Whether both disks were in step until their last write; known once they are open."""
        self.upkeep: Upkeep = NoUpkeep()
        """Catches up what is behind; given by whoever opens the disks, ended here."""
        self.lost_one = threading.Event()
        """Set whenever a disk was lost, for whoever catches up."""
        self.whole = threading.Event()
        """Set while both disks are in step."""

    # -- what a spool asks of its disk -------------------------------------------------------------------------------

    @property
    def root(self) -> Path:
        """The folder of the disk that leads: what is read."""
        return self._in_step[0].root

    def write(self, change: Change) -> None:
        """Make a change on each disk. Raises StorageFault where none took it."""
        relative = self._relative(change.path)
        self._on_each(relative, lambda side: lambda: side.change(change, relative))

    def appender(self, path: Path, *, new: bool) -> Appender:
        """A file that grows. Raises StorageFault where no disk could open it."""
        relative = self._relative(path)
        sizes = self._on_each(relative, lambda side: lambda: side.open_file(relative, new=new))
        return PairFile(self, relative, sizes[0])

    def free_bytes(self) -> int:
        """Of the roomier disk that is in step, as it last said; never waits."""
        return max(side.free_bytes for side in self._in_step)

    def lesser_free_bytes(self) -> int | None:
        """Of the other disk, whether or not it is in step yet; None where only one answers. Never waits."""
        return min(side.free_bytes for side in self.sides) if len(self.sides) > 1 else None

    @property
    def other_root(self) -> Path | None:
        """The folder of the disk that does not lead and holds the same; None where there is none in step."""
        return self._in_step[1].root if len(self._in_step) > 1 else None

    def elsewhere(self, look: Callable[[Path], Result]) -> Result | None:
        """What the other disk in step has, read on its own thread; one that cannot say is lost, and caught up later."""
        if len(self._in_step) == 1:
            return None
        other = self._in_step[1]
        ticket = other.submit(lambda: look(other.root))
        if ticket.done.wait(LOOK_SECONDS) and ticket.fault is None:
            return ticket.result
        with self._order:
            if other in self._in_step:
                self._lose(other, errno.ETIMEDOUT if ticket.fault is None else ticket.fault.code)
        return None

    def close(self) -> None:
        """End the upkeep, then let go of both disks; one that hangs is left behind."""
        self.upkeep.stop()
        for side in (*self._in_step, *self._behind):
            side.close()

    # -- for PairFile --------------------------------------------------------------------------------------------------

    def append(self, relative: str, offset: int, content: bytes) -> None:
        """Append on each disk. Raises StorageFault where none took it."""
        self._on_each(relative, lambda side: lambda: side.append(relative, offset, content))

    def let_go(self, relative: str) -> None:
        """Nobody waits for a close."""
        for side in self._in_step:
            side.submit(partial(side.close_file, relative))

    # -- who leads, who follows ----------------------------------------------------------------------------------------

    @property
    def sides(self) -> tuple[SideThread, ...]:
        """Every disk that answers, the one that leads first."""
        return (*self._in_step, *self._behind)

    @property
    def in_step(self) -> tuple[SideThread, ...]:
        """Those that are written."""
        return self._in_step

    @property
    def behind(self) -> SideThread | None:
        """The disk that answers and is not in step."""
        return self._behind[0] if self._behind else None

    def lead_with(self, leader: SideThread) -> None:
        """Before anything is written: this disk is read, the other follows."""
        self._in_step, self._behind = (leader,), tuple(side for side in self.sides if side is not leader)

    def follow(self, side: SideThread) -> None:
        """A disk that is back, still behind."""
        self._roots = tuple(dict.fromkeys((*self._roots, side.root)))
        self._behind = (side,)

    def drop(self, side: SideThread, code: int) -> None:
        """Any thread that does not hold the order: a disk failed while it was not in step."""
        if side in self._behind:
            self._behind = ()
            side.give_up()
            self.tell(SideLost(side=side.side, code=code))
            self.lost_one.set()

    def join(self, side: SideThread, level: Callable[[tuple[str, ...]], bool]) -> bool:
        """Put a disk in step: `level` makes the files that changed meanwhile equal, while nothing is written.

        Returns False where it says that too much is missing for that. Raises what it raises.
        """
        with self._order:
            if not level(tuple(self.changed)):
                return False
            self.changed.clear()
            self._behind = ()
            self._in_step = (*self._in_step, side)
            self.whole.set()
        return True

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Nothing is written meanwhile, but by whoever asked for it."""
        with self._order:
            yield

    def tell_back(self, side: SideThread, caught_up_bytes: int) -> None:
        """After `join`: the disks agree on a new number, and CONTROL hears of it."""
        with contextlib.suppress(StorageFault):  # without it the next start compares everything again
            self.take_new_number()
        if side in self._in_step:
            self.tell(SideBack(side=side.side, caught_up_bytes=caught_up_bytes))

    def take_changes(self) -> tuple[str, ...]:
        """What was written since this was last asked, while a disk is behind; from here on it is collected anew."""
        with self._order:
            taken = tuple(self.changed)
            self.changed.clear()
        return taken

    def take_new_number(self) -> None:
        """Disks in step agree on a number that no disk had before. Raises StorageFault where none took it."""
        self.write(durable.Replace(path=self.root / STEP_FILE, content=_number()))

    # -- news ----------------------------------------------------------------------------------------------------------

    def tell(self, said: SideSaid) -> None:
        """Any thread."""
        self._news.append(said)

    def take_news(self) -> tuple[SideSaid, ...]:
        """CONTROL: what happened since it last asked, in order; never waits."""
        taken = []
        while self._news:
            taken.append(self._news.popleft())
        return tuple(taken)

    # -- one write on each disk ----------------------------------------------------------------------------------------

    def _relative(self, path: Path) -> str:
        """Paths may have been made while another disk led."""
        root = next(root for root in self._roots if path.is_relative_to(root))
        return path.relative_to(root).as_posix()

    def _on_each(self, relative: str, work: Callable[[SideThread], Callable[[], Result]]) -> list[Result]:
        """What each disk in step answers. Raises StorageFault where none could."""
        with self._order:
            if self._behind:
                self.changed[relative] = None
            tickets = [(side, side.submit(work(side))) for side in self._in_step]
            self._wait([ticket for _, ticket in tickets])
            return self._settled(tickets)

    def _wait(self, tickets: list[Ticket[Result]]) -> None:
        """Until all are done; beyond the limit only until one is done well. The last disk is waited for as ever."""
        until = time.monotonic() + self.limit_seconds
        with self._done:
            while not all(ticket.done.is_set() for ticket in tickets):
                left_seconds = until - time.monotonic()
                well = any(ticket.well for ticket in tickets)
                if well and left_seconds <= 0:
                    return
                self._done.wait(left_seconds if left_seconds > 0 else None)

    def _settled(self, tickets: list[tuple[SideThread, Ticket[Result]]]) -> list[Result]:
        """Lose what failed while another disk did not; where all failed, all but one."""
        well = [ticket.result for _, ticket in tickets if ticket.well]
        failed = [(side, ticket.fault) for side, ticket in tickets if not ticket.well]
        if not well:
            staying = min(failed, key=lambda one: one[1] is not None and one[1].code in HOPELESS)
            failed = [one for one in failed if one is not staying]
        for side, fault in failed:
            self._lose(side, errno.ETIMEDOUT if fault is None else fault.code)
        if not well:
            raise staying[1] or StorageFault(self.root, errno.ETIMEDOUT)
        return well  # type: ignore[return-value]

    def _lose(self, side: SideThread, code: int) -> None:
        """Holding the order. The disk that is left takes a new number before anybody hears that it wrote alone."""
        self._in_step = tuple(one for one in self._in_step if one is not side)
        self.whole.clear()
        side.give_up()
        self.tell(SideLost(side=side.side, code=code))
        alone = self._in_step[0]
        change = durable.Replace(path=alone.root / STEP_FILE, content=_number())
        ticket = alone.submit(lambda: alone.change(change, STEP_FILE))
        ticket.done.wait(self.limit_seconds)  # without it the next start compares less at first, and the rest later
        self.lost_one.set()


def step_number(root: Path) -> bytes | None:
    """The number on a disk, or None; on the disk's own thread. Raises OSError."""
    try:
        mapped = cbor.decode_map(durable.content_of(root / STEP_FILE), where=STEP_FILE)
    except (FileNotFoundError, FormatError):
        return None
    number = mapped.get(1)
    return number if isinstance(number, bytes) and len(number) == STEP_BYTES else None


def _number() -> bytes:
    return cbor.encode({0: 1, 1: secrets.token_bytes(STEP_BYTES)})
