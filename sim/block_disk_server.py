"""The process of a block disk: `python -m sim.block_disk_server MOUNT_POINT LOG IMAGE...`, until its leash ends.

Single-threaded: the order of the log is the order in which the kernel was answered. mfusepy speaks FUSE because it is
kept up, needs nothing but Debian's libfuse and is pure Python, so it runs on ARM as it does here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
import threading
from pathlib import Path

from mfusepy import FUSE, FuseOSError, Operations, fuse_file_info

from sim.block_disk import (
    FAIL_FLUSHES,
    FAIL_ONE_WRITE,
    FAIL_READS,
    FAIL_WRITES,
    FAILED_FLUSH,
    FLUSH,
    LIE,
    MARK,
    MARKED,
    MODE,
    OK,
    READY,
    WRITE,
    Record,
)

ABORT_REQUESTS = 1
"""MNT_FORCE: FUSE ends its connection. Without it the server would wait, at its own end, for a disk that it serves."""


class Disks(Operations):  # type: ignore[misc]
    """The folder that the kernel sees: one file per disk, and two that take marks and modes."""

    use_ns = True

    def __init__(self, log: Path, images: list[Path]) -> None:
        """Open everything; nothing is served yet."""
        self._log = log.open("ab", buffering=0)
        self._images = [os.open(image, os.O_RDWR) for image in images]
        self._places = {f"/{image.name}": number for number, image in enumerate(images)}
        self._mode = OK

    # -- what the kernel asks for; names and order of arguments are libfuse's ------------------------------------------

    def init(self, path: str) -> None:
        """The mount is there."""
        os.write(sys.stdout.fileno(), READY)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        """Kind and size."""
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path in self._places:
            size = os.fstat(self._images[self._places[path]]).st_size
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": size}
        if path in (f"/{MARK}", f"/{MODE}"):
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": 0}
        raise FuseOSError(errno.ENOENT)

    def readdir(self, path: str, fh: int) -> list[str]:
        """The names."""
        return [".", "..", MARK, MODE, *(name[1:] for name in self._places)]

    def open(self, path: str, flags: fuse_file_info) -> int:
        """Past the page cache of the mount, so that every request comes here, and comes in order."""
        flags.direct_io = 1
        flags.fh = self._places.get(path, -1)
        return 0

    def read(self, path: str, size: int, offset: int, fh: fuse_file_info) -> bytes:
        """What a disk holds now."""
        if self._mode == FAIL_READS:
            raise FuseOSError(errno.EIO)
        return os.pread(self._images[self._places[path]], size, offset) if path in self._places else b""

    def write(self, path: str, data: bytes, offset: int, fh: fuse_file_info) -> int:
        """A write, a mark or a mode."""
        if path == f"/{MODE}":
            self._mode = data.decode()
        elif path == f"/{MARK}":
            self._note(MARKED, 0, content=data)
        else:
            self._fail_if_told(data)
            disk = self._places[path]
            self._note(WRITE, disk, offset, data)
            os.pwrite(self._images[disk], data, offset)
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        """A disk keeps its size; a mark file opened anew is emptied, which is nothing."""
        return 0

    def fsync(self, path: str, datasync: int, fh: fuse_file_info) -> int:
        """A flush of the disk's cache."""
        if self._mode == FAIL_FLUSHES:
            self._note(FAILED_FLUSH, self._places[path])
            raise FuseOSError(errno.EIO)
        if self._mode != LIE and path in self._places:
            self._note(FLUSH, self._places[path])
        return 0

    # ------------------------------------------------------------------------------------------------------------------

    def _fail_if_told(self, content: bytes) -> None:
        if self._mode == FAIL_WRITES:
            raise FuseOSError(errno.EIO)
        if self._mode.startswith(FAIL_ONE_WRITE) and bytes.fromhex(self._mode[len(FAIL_ONE_WRITE) :]) in content:
            self._mode = OK
            raise FuseOSError(errno.EIO)

    def _note(self, kind: bytes, disk: int, offset: int = 0, content: bytes = b"") -> None:
        self._log.write(Record(kind=kind, disk=disk, offset=offset, content=content).to_bytes())


def end_with_owner(mount_point: Path) -> None:
    """Start the thread that waits for the leash: the end of standard input means that the owner closed it, or died."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        libc, place = ctypes.CDLL(None), os.fsencode(mount_point)
        if libc.umount2(place, 0) != 0:
            # Something is still mounted above, by an owner that died: whatever it asks fails from now on, so it can go.
            libc.umount2(place, ABORT_REQUESTS)

    threading.Thread(target=wait, name="LEASH", daemon=True).start()


def main() -> int:
    """Serve until the mount is gone."""
    mount_point, log, *images = map(Path, sys.argv[1:])
    end_with_owner(mount_point)
    FUSE(
        Disks(log, images),
        str(mount_point),
        raw_fi=True,
        foreground=True,
        nothreads=True,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
