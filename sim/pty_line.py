"""A serial line with a simulated device at its far end: a pseudo-terminal with a stable name.

Owns the pty and a thread that reads what is written and writes what `answer` gives back. `drop` is an unplugged cable:
name and pty are gone, and whoever has it open sees the device end.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import threading
import tty
from collections.abc import Callable
from pathlib import Path

CHUNK_BYTES = 256


class PtyLine:
    """One line. `answer(received)` runs on the line's thread; calls may come from any other one thread."""

    def __init__(self, name: Path, answer: Callable[[bytes], bytes]) -> None:
        self._name = name
        self._answer = answer
        self._ends: tuple[int, int] | None = None
        self._bell: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None

    def plug(self) -> None:
        """Make the device appear under its name; does nothing where it is there."""
        if self._ends is not None:
            return
        far, near = pty.openpty()
        tty.setraw(near)
        self._ends = (far, near)  # the near end stays open here, or the far end would end with each client
        self._bell = os.pipe()
        serve, name = self._serve, self._name.name
        self._thread = threading.Thread(target=serve, args=(far, self._bell[0]), name=name, daemon=True)
        self._name.unlink(missing_ok=True)
        self._name.symlink_to(os.ttyname(near))
        self._thread.start()

    def drop(self) -> None:
        """Take the device away; does nothing where there is none."""
        if self._ends is None or self._bell is None or self._thread is None:
            return
        os.write(self._bell[1], b"\0")
        self._thread.join()
        for handle in (*self._ends, *self._bell):
            os.close(handle)
        self._ends = self._bell = self._thread = None
        self._name.unlink(missing_ok=True)

    def _serve(self, far: int, bell: int) -> None:
        while True:
            ready, _, _ = select.select([far, bell], [], [])
            if bell in ready:
                return
            with contextlib.suppress(OSError):
                received = os.read(far, CHUNK_BYTES)
                if answer := self._answer(received):
                    os.write(far, answer)
