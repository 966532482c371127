"""What of a spool is open to more than its user and its group's readers, and closing it (Jiaozuo Art. 13 and 19).

A spool that an earlier version made, or a person copied, may have wider modes than one is made with now. A start tells
that as one event and closes it then: cut off between the two, the next start does both again. Looked at are the spool,
its five folders, and at most `FILES_LIMIT` files of each of `LISTED`; what lies deeper is behind folders that nobody
else can enter. Runs on the thread of its disk.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from edge.spool import FOLDERS, UMASK

FILES_LIMIT = 10_000
LISTED = ("device", "journal", "records")


def open_to_others(root: Path) -> list[Path]:
    """Folders and files whose modes are wider than a spool's; what cannot be asked is left out."""
    found = [path for path in (root, *(root / folder for folder in FOLDERS)) if _is_open(path)]
    for folder in LISTED:
        with contextlib.suppress(OSError), os.scandir(root / folder) as entries:
            files = (Path(entry.path) for entry in islice(entries, FILES_LIMIT) if entry.is_file(follow_symlinks=False))
            found += [path for path in files if _is_open(path)]
    return found


def close_to_others(paths: Iterable[Path]) -> int:
    """Take away what is too much; returns how many would not let themselves be changed. Adds no right."""
    left = 0
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            left += 1
            continue
        try:
            os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & ~UMASK)
        except OSError:
            left += 1
        finally:
            with contextlib.suppress(OSError):  # nothing was written through it
                os.close(descriptor)
    return left


def _is_open(path: Path) -> bool:
    try:
        return bool(path.lstat().st_mode & UMASK)
    except OSError:
        return False
