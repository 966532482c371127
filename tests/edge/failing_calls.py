"""A kernel that refuses: one chosen system call on the files below some folders fails, falls short or stalls.

The functions of `os` are wrapped for as long as the context lasts; everything of the product runs as it is. What only
the kernel can show (interrupted calls, a real full disk, a stalled thread) is shown with strace and tmpfs elsewhere.
"""

from __future__ import annotations

import enum
import errno
import fcntl
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CALLS = (
    "open",
    "write",
    "fdatasync",
    "fsync",
    "fstat",
    "ftruncate",
    "lseek",
    "close",
    "unlink",
    "replace",
    "mkdir",
    "stat",
    "statvfs",
    "posix_fallocate",
    "pread",
    "access",
    "scandir",
    "listdir",
    "fchmod",
    "link",
    "rename",
)


class Fault(enum.Enum):
    """What goes wrong."""

    EIO = errno.EIO
    ENOSPC = errno.ENOSPC
    EROFS = errno.EROFS
    SHORT = -1
    STALL = -2


ONLY_READS = ("fstat", "stat", "statvfs", "lseek", "close", "read", "pread", "access", "scandir", "listdir", "flock")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(slots=True, kw_only=True)
class Failing:
    """Which call fails: number `at` (from 0) of those `chosen` lets through, and `lasting` all after it."""

    folders: tuple[Path, ...]
    fault: Fault
    at: int
    chosen: Callable[[str, str], bool] = lambda call, path: True
    lasting: bool = False
    stall: Callable[[], None] = lambda: None
    seen: int = 0
    fired: list[tuple[str, str]] = field(default_factory=list)

    def meets(self, call: str, path: str) -> bool:
        """Whether this very call is to fail."""
        if not path.startswith(tuple(f"{folder}" for folder in self.folders)) or not _possible(call, self.fault):
            return False
        if not self.chosen(call, path):
            return False
        number, self.seen = self.seen, self.seen + 1
        if number != self.at and not (self.lasting and number > self.at):
            return False
        self.fired.append((call, path))
        return True


def _possible(call: str, fault: Fault) -> bool:
    """What reads meets neither a full nor a read-only disk, and its waiting changes nothing; only a write is short."""
    if call in ONLY_READS:
        return fault is Fault.EIO
    return call == "write" or fault is not Fault.SHORT


@contextmanager
def failing(plan: Failing) -> Iterator[Failing]:
    """Wrap the calls; the plan says afterwards which of them failed."""
    before = {name: getattr(os, name) for name in CALLS}
    open_before, flock_before = io.open, fcntl.flock
    try:
        for name in CALLS:
            setattr(os, name, _wrapped(name, before[name], plan))
        io.open = _wrapped("read", open_before, plan)  # what pathlib opens files with
        fcntl.flock = _wrapped("flock", flock_before, plan)
        yield plan
    finally:
        io.open, fcntl.flock = open_before, flock_before
        for name, call in before.items():
            setattr(os, name, call)


def _wrapped(name: str, call: Callable[..., Any], plan: Failing) -> Callable[..., Any]:
    def work(*arguments: Any, **named: Any) -> Any:
        path = _path_of(arguments[0])
        kind = "read" if name == "open" and len(arguments) > 1 and not arguments[1] & WRITING else name
        if not plan.meets(kind, path):
            return call(*arguments, **named)
        match plan.fault:
            case Fault.STALL:
                plan.stall()
                return call(*arguments, **named)
            case Fault.SHORT:
                return call(arguments[0], bytes(arguments[1])[: (len(arguments[1]) + 1) // 2])
            case _ if name == "access":
                return False  # access(2) as Python tells it: whatever the error is, it is a no
            case _:
                if name == "close":
                    call(*arguments)  # the kernel gives the number back even where it reports an error
                raise OSError(plan.fault.value, os.strerror(plan.fault.value), path)

    return work


def _path_of(target: object) -> str:
    if isinstance(target, int):
        try:
            return str(Path(f"/proc/self/fd/{target}").readlink())
        except OSError:
            return ""
    return os.fsdecode(target) if isinstance(target, str | bytes | os.PathLike) else ""
