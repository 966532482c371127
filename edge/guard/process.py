"""The guard's process: reads the pins a thousand times a second, lets `core.step` decide, and drives what it says.

Owns the pins, the socket, the latch's file with its thread, and the loop, which runs on the calling thread and waits
for nobody: an edge wakes it at once, a slow disk or a peer that does not read never holds it. When `run_guard` returns,
the relay is off, and after an orderly end the latch's file says so.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from edge.ending import ending_on_signals
from edge.guard.core import Outcome, Rules, State, Turn, begin, step
from edge.guard.latch import Latch, LatchRecord, found_at_start, mark_bytes
from edge.guard.latch_file import LatchFile, LatchMark, read_latch
from edge.guard.link_port import LinkPort, allowed_users
from edge.guard.pins import GuardPins
from edge.guard.settings import Interlock, Lamps
from edge.guard.words import NS_PER_MS, NS_PER_SECOND, Drive, Happened, Reason
from edge.ports import HardwareFault

TURN_NS = NS_PER_MS
SETTLE_NS = 200_000
"""How long a line may take to follow a test pulse's edge; it is not read meanwhile."""
PRIORITY = 50
SWITCH_SECONDS = 0.0005
ALIVE_NS = 500 * NS_PER_MS
EXIT_CLEAN = 0
EXIT_FAULT = 1
_MCL_CURRENT_AND_FUTURE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardStart:
    """What a composition root hands to the guard.

    `open_pins` gets what its edges call; `say` takes one line for the log; `alive` is told twice a second that the loop
    turns, `ready` once when it does, `stopping` when it ends.
    """

    interlock: Interlock
    lamps: Lamps
    boot_id: bytes
    open_pins: Callable[[Callable[[], None]], GuardPins]
    say: Callable[[str], None]
    ready: Callable[[], None] = lambda: None
    alive: Callable[[], None] = lambda: None
    stopping: Callable[[], None] = lambda: None


def run_guard(start: GuardStart) -> int:
    """Run until SIGTERM or Ctrl-C; returns the exit code. Raises HardwareFault or OSError where it cannot begin."""
    with ExitStack() as stack:
        guard = Guard(start, stack)
        stack.enter_context(ending_on_signals(guard.end, with_the_terminal=True))
        start.say(f"scheduling class of the guard's loop: {hold_the_processor()}")
        return guard.run()


class Guard:
    """The loop; see the module. Built by `run_guard`, or by a test that turns it itself."""

    def __init__(self, start: GuardStart, stack: ExitStack) -> None:
        """Open everything; `stack` closes it. Raises HardwareFault or OSError."""
        interlock = start.interlock
        self._start = start
        self._rules = Rules(
            interlock=interlock.enabled,
            discrepancy_ns=interlock.discrepancy_milliseconds * NS_PER_MS,
            gas=interlock.gas,
            drop_all=interlock.drop_all,
            boot_id=start.boot_id,
        )
        self._mark = LatchMark(interlock.socket.with_name(f"{interlock.socket.name}.latch"))
        stack.callback(self._mark.close)
        self._file = LatchFile(interlock.latch_file)
        stack.callback(self._file.close)
        self._latch = self._found_latch(interlock.latch_file)
        self._edges = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        stack.callback(os.close, self._edges)
        self._link = LinkPort(interlock.socket, allowed_users(interlock), start.say)
        stack.callback(self._link.close)
        self._pins = start.open_pins(self._wake)
        stack.callback(self._pins.close)
        self._drive = Drive()
        self._settled_ns = now_ns() + SETTLE_NS
        self._alive_ns = 0
        self._ending = False
        self._state: State | None = None

    def end(self) -> None:
        """Ask for the end; safe in a signal handler."""
        self._ending = True

    def run(self) -> int:
        """Turn until asked to end. A pin that fails ends it at once, tripped."""
        try:
            while not self._ending:
                self._wait()
                self.turn()
        except HardwareFault as fault:
            self._mark.put(mark_bytes(self._start.boot_id, tripped=True))
            self._pins.close()
            self._start.say(f"{fault.what} | {fault.remedy_zh} | {fault.remedy_en}")
            return EXIT_FAULT
        self._stop()
        return EXIT_CLEAN

    def turn(self) -> None:
        """One turn: read, decide, drive; then tell and write."""
        levels = self._pins.read()
        at_ns = now_ns()
        if self._state is None:
            self._state = begin(self._latch, levels, at_ns)
        turn = Turn(levels=levels, on_disk=self._file.on_disk, told=self._link.told, lease=self._link.lease)
        self._state, outcome = step(self._state, turn, at_ns, self._rules)
        if (outcome.drive.test_nc, outcome.drive.test_no) != (self._drive.test_nc, self._drive.test_no):
            self._settled_ns = at_ns + SETTLE_NS
        self._pins.apply(outcome.drive)
        self._drive = outcome.drive
        self._follow_up(outcome, at_ns)

    def _follow_up(self, outcome: Outcome, at_ns: int) -> None:
        if outcome.latch != self._latch:
            self._latch = outcome.latch
            self._remember(outcome.latch)
        self._link.tell(outcome.said, at_ns)
        for happened in outcome.happened:
            self._start.say(line_of(happened))
        if at_ns - self._alive_ns >= ALIVE_NS:
            (self._start.alive if self._alive_ns else self._start.ready)()
            self._alive_ns = at_ns

    def _found_latch(self, path: Path) -> Latch:
        if not self._rules.interlock:
            return Latch(tripped=False, reason=Reason.NONE)
        automatic = self._start.interlock.automatic_resume
        record, mark = read_latch(path), self._mark.found
        found = found_at_start(record, mark, self._start.boot_id, automatic_resume=automatic)
        self._start.say(f"latch found {'tripped' if found.tripped else 'clear'}: {found.reason.value}")
        self._remember(found)
        return found

    def _remember(self, latch: Latch) -> None:
        """The mark at once, the disk when it can."""
        self._mark.put(mark_bytes(self._start.boot_id, tripped=latch.tripped))
        self._file.write(self._record(latch, clean_stop=False))

    def _record(self, latch: Latch, *, clean_stop: bool) -> LatchRecord:
        return LatchRecord(
            boot_id=self._start.boot_id, tripped=latch.tripped, reason=latch.reason, clean_stop=clean_stop
        )

    def _wait(self) -> None:
        """Until an edge, a packet or the next turn; never before the lines have followed a test pulse."""
        turned_ns = self._state.turn_ns if self._state is not None else 0
        timeout = max(0.0, (turned_ns + TURN_NS - now_ns()) / NS_PER_SECOND)
        ready, _, _ = select.select([self._edges, *self._link.descriptors()], [], [], timeout)
        if self._edges in ready:
            with suppress(BlockingIOError):
                os.eventfd_read(self._edges)
        if len(ready) > (self._edges in ready):
            self._link.serve(now_ns())
        unsettled_ns = self._settled_ns - now_ns()
        if unsettled_ns > 0:
            time.sleep(unsettled_ns / NS_PER_SECOND)

    def _wake(self) -> None:
        """An edge; called on the pin library's thread."""
        with suppress(OSError):
            os.eventfd_write(self._edges, 1)

    def _stop(self) -> None:
        """The relay first; then the mark of an orderly end."""
        self._start.stopping()
        self._pins.close()
        if not self._rules.interlock:
            return
        self._file.write(self._record(self._latch, clean_stop=True))
        if not self._file.close():
            self._start.say("the disk did not take the mark of an orderly end: the next start will be tripped")


def hold_the_processor() -> str:
    """Ask for real-time scheduling and memory that stays; returns what was granted, for the log."""
    gc.freeze()  # what was loaded stays; the collector has only the loop's own few objects to look at
    sys.setswitchinterval(SWITCH_SECONDS)
    refused = ctypes.CDLL(None, use_errno=True).mlockall(_MCL_CURRENT_AND_FUTURE)  # which costs a page fault, no more
    memory = "memory NOT locked" if refused else "memory locked"
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    if os.sched_getscheduler(0) == os.SCHED_FIFO:
        return f"SCHED_FIFO, priority {PRIORITY}; {memory}"
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    return f"SCHED_OTHER, nice {os.getpriority(os.PRIO_PROCESS, 0)}; {memory}"


def line_of(happened: Happened) -> str:
    """One line for the log."""
    nc, no = happened.pair.value
    return f"{happened.what} ({happened.reason.value}), loops {nc:d}{no:d}, at {happened.at_ns} ns"


def now_ns() -> int:
    """CLOCK_BOOTTIME in ns."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
