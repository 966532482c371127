"""The latch's file: read at the start, then written by a thread of its own, so that a slow disk never stops the loop.

Owns the thread LATCH, which ends with `close`. What `on_disk` returns is on the disk, file and directory. Only the
newest record waits to be written. A record the disk refused is tried again with the next one: the permit needs it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from pathlib import Path

from edge.durable import StorageFault, replace_file
from edge.guard.latch import LONGEST_BYTES, LatchRecord

CLOSE_SECONDS = 5.0


def read_latch(path: Path) -> LatchRecord | None:
    """Read the file; None where it is missing, unreadable or not exactly a latch's."""
    return LatchRecord.parse(_read(path))


class LatchMark:
    """The mark in volatile memory: a small file beside the socket, changed in place at once."""

    def __init__(self, path: Path) -> None:
        """Read what a guard of this boot left, and hold the file. Raises OSError, also where a guard runs already."""
        self.found = _read(path)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise

    def put(self, content: bytes) -> None:
        """Replace the mark; the next guard of this boot sees it even if this one is killed now."""
        with contextlib.suppress(OSError):  # a mark that says too little is a trip too many, never one too few
            os.pwrite(self._descriptor, content, 0)

    def close(self) -> None:
        """Close the file, which stays."""
        os.close(self._descriptor)


class LatchFile:
    """See the module. `write` never waits; `on_disk` is None until the first record is durable."""

    def __init__(self, path: Path) -> None:
        """Start the thread."""
        self._path = path
        self._wanted: LatchRecord | None = None
        self._ending = False
        self._changed = threading.Condition()
        self.on_disk: LatchRecord | None = None
        self.fault: StorageFault | None = None
        self._thread = threading.Thread(target=self._run, name="LATCH", daemon=True)
        self._thread.start()

    def write(self, record: LatchRecord) -> None:
        """Have this record written; an older one that still waits is forgotten."""
        with self._changed:
            self._wanted = record
            self._changed.notify()

    def close(self, limit_seconds: float = CLOSE_SECONDS) -> bool:
        """Write what waits and end the thread; False where the disk did not take it within the limit."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(limit_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (record := self._next()) is not None:
            try:
                replace_file(self._path, record.to_bytes())
            except StorageFault as fault:
                self.on_disk, self.fault = None, fault
            else:
                self.on_disk, self.fault = record, None

    def _next(self) -> LatchRecord | None:
        with self._changed:
            while self._wanted is None and not self._ending:
                self._changed.wait()
            record, self._wanted = self._wanted, None
            return record


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.read(descriptor, LONGEST_BYTES + 1)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
