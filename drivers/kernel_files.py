"""Numbers the kernel shows as small files: read whole, strictly, never more than a line.

Owns nothing; opens and closes a file per call. Anything that is not one number is None.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

LONGEST_BYTES = 64
_DECIMAL = re.compile(rb"-?\d{1,12}\n?")
_HEXADECIMAL = re.compile(rb"(?:0x)?[0-9a-fA-F]{1,8}\n?")


def line_of(path: Path) -> bytes:
    """The first bytes of a file, by one read as sysfs wants it. Raises OSError."""
    # O_NONBLOCK: a path that turns out to be a FIFO must not hold the reader up.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(handle, LONGEST_BYTES)
    finally:
        os.close(handle)


def decimal(content: bytes) -> int | None:
    """One whole number, or None."""
    return int(content) if _DECIMAL.fullmatch(content) else None


def hexadecimal(content: bytes) -> int | None:
    """One number in hexadecimal, with or without 0x, or None."""
    return int(content, 16) if _HEXADECIMAL.fullmatch(content) else None
