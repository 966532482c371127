"""A process as a supervisor sees it, for tests: CONTROL turns and feeds, WRITER makes fragments durable.

Both are the product's parts; what a session would do between them is left out. SIGUSR1 lets the next flush of WRITER
never come back.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from drivers.notify import Notifier
from drivers.system_clock import SystemClock
from edge import durable
from edge.feeding import Feeding
from edge.settings_upkeep import Watchdog
from edge.watchdog import Duty

TURN_SECONDS = 0.02
LONGEST_SECONDS = 60.0


class Pretence:
    """WRITER's counter and the flush that may be held."""

    def __init__(self, folder: Path) -> None:
        self.file = durable.AppendFile(folder / "fragments", new=True)
        self.fragments = 0
        self.ended = threading.Event()
        self.held = threading.Event()

    def write(self) -> None:
        flush = os.fdatasync
        os.fdatasync = lambda descriptor: self._flush(flush, descriptor)  # type: ignore[assignment]
        while not self.ended.wait(TURN_SECONDS):
            self.file.append(b"fragment")
            self.fragments += 1

    def wait_for_end(self) -> None:
        sys.stdin.read()
        self.ended.set()

    def _flush(self, flush: object, descriptor: object) -> None:
        if self.held.is_set():
            self.ended.wait(LONGEST_SECONDS)
        flush(descriptor)  # type: ignore[operator]


def main() -> None:
    """Run until standard input ends."""
    notifier = Notifier.from_environment(os.environ, os.getpid())
    pretence = Pretence(Path(sys.argv[1]))
    signal.signal(signal.SIGUSR1, lambda *_: pretence.held.set())
    feeding = Feeding(notifier, Watchdog(media_seconds=5, turn_seconds=2), SystemClock())
    threading.Thread(target=pretence.write, name="WRITER", daemon=True).start()
    threading.Thread(target=pretence.wait_for_end, name="STOP", daemon=True).start()
    notifier.ready("started")
    while not pretence.ended.wait(TURN_SECONDS):
        stood_still_ms = feeding.turn(Duty.MEDIA, fragments=pretence.fragments, entries=0)
        if stood_still_ms is not None:
            notifier.status(f"wedged {stood_still_ms}")
    notifier.stopping()


if __name__ == "__main__":
    main()
