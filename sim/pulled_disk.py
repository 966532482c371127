"""A disk that is pulled out, or full, while a scenario plays: calls on it answer as the system answers then.

Owns what it replaces in `os`, from entering a `with` to leaving it; for the one thread that plays a scenario in virtual
time, in which nothing but the recorder writes. Nothing here is ever part of a recorder.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WRITING = ("write", "fdatasync", "fsync", "ftruncate", "posix_fallocate", "replace")
FREE_WHEN_FULL = 1_000_000


class SpoolDisk:
    """What the disk below a spool does; `usual` until a scenario says otherwise."""

    def __init__(self, root: Path, fill: Callable[[Path], None] | None = None) -> None:
        """A disk that works; `fill` takes the space of a real one, else `statvfs` answers as a full disk's does."""
        self._root = root
        self._fill = fill
        self.pulled = False
        self._full = False

    def fill(self) -> None:
        """There is no space any more."""
        if self._fill is not None:
            self._fill(self._root)
        else:
            self._full = True

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Stand between the recorder and the system."""
        kept = {name: getattr(os, name) for name in (*WRITING, "statvfs")}

        def refusing(real: Any) -> Any:
            def call(*arguments: Any, **named: Any) -> Any:
                if self.pulled:
                    raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
                return real(*arguments, **named)

            return call

        def statvfs(path: Any) -> Any:
            status = kept["statvfs"](path)
            if self._full and Path(path).is_relative_to(self._root):
                return os.statvfs_result((*status[:3], *[FREE_WHEN_FULL // status.f_frsize] * 2, *status[5:]))
            return status

        try:
            for name in WRITING:
                setattr(os, name, refusing(kept[name]))
            os.statvfs = refusing(statvfs)
            yield
        finally:
            for name, real in kept.items():
                setattr(os, name, real)
