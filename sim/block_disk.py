"""A disk that can be cut at any write: block devices in user space, with a log of every write, flush and mark.

Owns one process (`sim.block_disk_server`), which serves each disk as one file through FUSE; a real ext4 goes on top by
way of a loop device. On disk: the images, and the log. What the log says was flushed is what a power cut must leave.
The process ends with its owner, even one that is killed; the mount goes with the owner's mount namespace.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
READY = b"ready\n"
READY_SECONDS = 20.0
END_SECONDS = 10.0
MARK = "mark"
MODE = "mode"

WRITE, FLUSH, FAILED_FLUSH, MARKED = b"W", b"F", b"X", b"M"
OK, LIE, FAIL_FLUSHES, FAIL_WRITES, FAIL_READS, FAIL_ONE_WRITE = (
    "ok",
    "lie",
    "eio-flush",
    "eio-write",
    "eio-read",
    "one:",
)
"""Modes of all disks together. `lie`: flushes are answered and not done. `one:` with bytes in hexadecimal after it:
the next write that holds them fails, once."""


class NoBlockDisk(Exception):
    """The disk could not be served; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of the log: a write (where, what), a flush that was done or that failed, or a mark (what)."""

    kind: bytes
    disk: int
    offset: int
    content: bytes

    def to_bytes(self) -> bytes:
        """As the log file holds it."""
        size = len(self.content)
        return self.kind + bytes([self.disk]) + self.offset.to_bytes(8, "big") + size.to_bytes(4, "big") + self.content


def records(log: bytes) -> Iterator[Record]:
    """The records of a log file, in order."""
    at = 0
    while at < len(log):
        size = int.from_bytes(log[at + 10 : at + 14], "big")
        yield Record(
            kind=log[at : at + 1],
            disk=log[at + 1],
            offset=int.from_bytes(log[at + 2 : at + 10], "big"),
            content=log[at + 14 : at + 14 + size],
        )
        at += 14 + size


class BlockDisk:
    """The disks of one server process, in the order of their images. Belongs to one thread."""

    def __init__(self, mount_point: Path, log: Path, images: tuple[Path, ...]) -> None:
        """Start serving; the images are written to. Raises NoBlockDisk."""
        self.mount_point = mount_point
        self.paths = tuple(mount_point / image.name for image in images)
        command = [sys.executable, "-m", "sim.block_disk_server", *map(str, (mount_point, log, *images))]
        # The pipe is the server's leash: it is held here alone, and ends with whoever holds it.
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT)
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        if first_line(self._process.stdout) != READY:
            self._process.kill()
            _, said = self._process.communicate()
            raise NoBlockDisk(said.decode(errors="replace").strip()[-500:] or "the server said nothing")

    @property
    def process(self) -> int:
        """The server's process id."""
        return self._process.pid

    def mark(self, text: bytes) -> None:
        """Put a mark into the log, behind everything the disks were asked before."""
        _write_once(self.mount_point / MARK, text)

    def become(self, mode: str) -> None:
        """Change how the disks behave."""
        _write_once(self.mount_point / MODE, mode.encode())

    def stall(self) -> None:
        """The disks answer nothing any more; `go_on` ends it."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """The disks answer again."""
        self._process.send_signal(signal.SIGCONT)

    def pull(self) -> None:
        """The disks are gone: whatever is asked of them fails."""
        self._process.kill()
        self._process.communicate()

    def close(self) -> None:
        """End the server once nothing on it is mounted any more; one that does not end in time is killed."""
        if self._process.poll() is None:
            try:
                self._process.communicate(timeout=END_SECONDS)  # closes the leash
            except subprocess.TimeoutExpired:
                self.pull()


def first_line(pipe: IO[bytes]) -> bytes:
    """What a server says first, or nothing if it says nothing in time."""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        return pipe.readline() if selector.select(READY_SECONDS) else b""


def _write_once(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
