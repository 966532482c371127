"""What a test left running: threads and child processes, seen after a bounded wait.

Owns nothing; `tests/conftest.py` takes a `Running` before each test and asks `leftovers` after it. Because the test
process makes itself the reaper of its descendants, a daemon that detached itself is a child like any other.
"""

from __future__ import annotations

import ctypes
import os
import select
import threading
import time
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
READINGS = 5
LISTED = Path("/proc/thread-self/children")
# Python's own helper of shared memory, and the parent of warm processes, live as long as the interpreter, not longer.
LASTING = ("multiprocessing.resource_tracker", "-m tests.warm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Threads and child processes (pid and start time, so that a reused pid is another process) at one moment."""

    threads: frozenset[threading.Thread]
    children: frozenset[tuple[int, int]]


def adopt_orphans() -> None:
    """Makes this process the parent of descendants whose own parent has gone (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def running() -> Running:
    """What runs now. Threads that Python did not start cannot be joined and belong to their library."""
    threads = (thread for thread in threading.enumerate() if not isinstance(thread, threading._DummyThread))
    return Running(threads=frozenset(threads), children=frozenset(_children()))


def leftovers(before: Running, *, grace_seconds: float) -> list[str]:
    """One line for each thread and child that was not there before and does not end within the grace time."""
    deadline = time.monotonic() + grace_seconds
    return _threads_left(before, deadline) + _children_left(before, deadline)


def _threads_left(before: Running, deadline: float) -> list[str]:
    left = []
    for thread in running().threads - before.threads:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            left.append(f"thread {thread.name!r}{' (daemon)' if thread.daemon else ''}")
    return left


def _children_left(before: Running, deadline: float) -> list[str]:
    left = []
    for pid, started in running().children - before.children:
        if any(name in command_line(pid) for name in LASTING) or _ended_by(pid, deadline):
            continue
        if (pid, started) in running().children:
            # Named only now: right after its fork a process still bears its parent's command line.
            left.append(f"process {pid} {command_line(pid)!r}")
    return left


def _ended_by(pid: int, deadline: float) -> bool:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        watch = select.poll()
        watch.register(handle, select.POLLIN)
        return bool(watch.poll(max(0.0, deadline - time.monotonic()) * 1000))
    finally:
        os.close(handle)


def _children() -> list[tuple[int, int]]:
    """Living direct children; one that has ended and only waits for its parent's attention is not running."""
    return [child for pid in _child_pids() if (child := _child_of(os.getpid(), pid)) is not None]


def _child_pids() -> set[int]:
    """Who may be a child: what each of our threads has started or adopted (proc_tid_children(5)).

    The kernel vouches for that list only while no child is reaped meanwhile, so it is read until it stays the same.
    Where there is none, or it does not settle, every process is looked at, which takes a hundred times as long.
    """
    before: set[int] | None = None
    for _ in range(READINGS if LISTED.exists() else 0):
        now = _listed_children()
        if now is not None and now == before:
            return now
        before = now
    return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}


def _listed_children() -> set[int] | None:
    """One reading; None where a thread ended during it, for its children went to another."""
    try:
        return {int(pid) for task in Path("/proc/self/task").iterdir() for pid in _children_of(task)}
    except (FileNotFoundError, ProcessLookupError):
        return None


def _children_of(task: Path) -> list[str]:
    return (task / "children").read_text(encoding="ascii").split()


def _child_of(parent: int, pid: int) -> tuple[int, int] | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc_pid_stat(5), counted from the field after the command: 0 state, 1 parent, 19 start time in clock ticks.
    if int(fields[1]) != parent or fields[0] in {"Z", "X"}:
        return None
    return pid, int(fields[19])


def command_line(pid: int) -> str:
    """The command line of a process, empty when it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
