"""The process of a strict folder: `python -m tests.crash.strict_folder_server MOUNT_POINT LOG BEHIND`.

Passes what is asked of the mount point on to the folder behind it, and notes each change and each flush in the log, in
the order in which the kernel was answered. Single-threaded; ends with its owner.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

import cbor2
from mfusepy import FUSE, FuseOSError, Operations

from sim.block_disk import READY
from sim.block_disk_server import end_with_owner
from tests.crash.strict_folder import MARK, first_nodes

NO_FILE = -1
_OF_A_FILE = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_blocks")
_OF_A_DISK = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_namemax")


class Folder(Operations):  # type: ignore[misc]
    """The calls; names and order of arguments are libfuse's. Files go by a number that is never used again."""

    use_ns = True

    def __init__(self, log: Path, behind: Path) -> None:
        self._log = log.open("ab", buffering=0)
        self._behind = behind
        self._nodes = first_nodes(behind)
        self._next_node = len(self._nodes)

    def init(self, path: str) -> None:
        os.write(sys.stdout.fileno(), READY)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        if path == f"/{MARK}":
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": 0}
        found = os.lstat(self._behind / path[1:])
        return {key: getattr(found, key) for key in _OF_A_FILE}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *(entry.name for entry in (self._behind / path[1:]).iterdir())]

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._behind)
        return {key: getattr(found, key) for key in _OF_A_DISK}

    def open(self, path: str, flags: int) -> int:
        if path == f"/{MARK}":
            return NO_FILE
        # The kernel gives every write its place; an appending descriptor would not keep to it.
        return os.open(self._behind / path[1:], flags & ~os.O_APPEND)

    def create(self, path: str, mode: int, flags: int = 0) -> int:
        descriptor = os.open(self._behind / path[1:], os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        self._new("create", path[1:])
        return descriptor

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        if path == f"/{MARK}":
            self._note("mark", "", content=data)
            return len(data)
        self._note("write", path[1:], offset, data)
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        if path != f"/{MARK}":
            self._note("truncate", path[1:], length)
            os.truncate(self._behind / path[1:], length)
        return 0

    def release(self, path: str, fh: int) -> int:
        if path != f"/{MARK}":
            os.close(fh)
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._note("fsync", path[1:])
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        self._note("fsyncdir", path[1:])
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        (self._behind / path[1:]).mkdir(mode=mode)
        self._new("mkdir", path[1:])
        return 0

    def rename(self, old: str, new: str, flags: int = 0) -> int:
        if Path(old).parent != Path(new).parent:
            raise FuseOSError(errno.EXDEV)
        (self._behind / old[1:]).rename(self._behind / new[1:])
        self._nodes[new[1:]] = self._nodes.pop(old[1:])
        self._note("rename", f"{old[1:]}\0{new[1:]}")
        return 0

    def unlink(self, path: str) -> int:
        (self._behind / path[1:]).unlink()
        self._note("unlink", path[1:])
        del self._nodes[path[1:]]
        return 0

    def chmod(self, path: str, mode: int) -> int:
        (self._behind / path[1:]).chmod(mode)
        return 0

    def _note(self, verb: str, path: str, offset: int = 0, content: bytes = b"") -> None:
        self._log.write(cbor2.dumps((verb, path, self._nodes.get(path, NO_FILE), offset, content)))

    def _new(self, verb: str, path: str) -> None:
        self._nodes[path] = self._next_node
        self._next_node += 1
        self._note(verb, path)


def main() -> int:
    """Serve until the mount is gone."""
    mount_point, log, behind = map(Path, sys.argv[1:])
    end_with_owner(mount_point)
    FUSE(Folder(log, behind), str(mount_point), foreground=True, nothreads=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
