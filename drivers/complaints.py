"""What picamera2 and libcamera say about themselves: kept off the terminal, and at hand as the reason of a loss.

Owns the handlers of picamera2's logger once attached; its threads log, any thread takes. Touches no disk.
"""

from __future__ import annotations

import logging
import os
from collections import deque


class Complaints(logging.Handler):
    """Keeps the last two warnings or errors."""

    def __init__(self) -> None:
        """Start with none, attached to nothing."""
        super().__init__(logging.WARNING)
        self._kept: deque[str] = deque(maxlen=2)

    def attach(self) -> None:
        """Become the only handler of picamera2's logger; libcamera's own lines on stderr are cut to errors."""
        os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")
        logger = logging.getLogger("picamera2")
        logger.handlers[:] = [self]
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line of the record."""
        cause = record.exc_info[1] if record.exc_info else None
        self._kept.append(record.getMessage() + (f" ({type(cause).__name__}: {cause})" if cause else ""))

    def take(self) -> str:
        """Return the kept lines, which are then forgotten."""
        kept = "; ".join(self._kept)
        self._kept.clear()
        return kept
