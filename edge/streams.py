"""How a program of ours meets its terminal: streams that can say anything, and a Ctrl-C that needs no traceback.

Called once by each program's entry, before anything is printed. A recorder started without a terminal, or under a
locale that knows no Chinese, must record all the same.
"""

from __future__ import annotations

import io
import os
import signal
import sys


def prepare() -> None:
    """Give a missing stream a sink, make the others write UTF-8 whatever the locale says, and let Ctrl-C end it.

    Until a recorder listens for Ctrl-C itself there is nothing to end in order.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.stdout = _usable(sys.stdout)
    sys.stderr = _usable(sys.stderr)


def _usable(stream: object) -> io.TextIOWrapper:
    if not isinstance(stream, io.TextIOWrapper):
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - it stays open as long as the process
    stream.reconfigure(encoding="utf-8", errors="replace")
    return stream
