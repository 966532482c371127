"""`python -m tests.longlog.start FOLDER`: a start on a long log, timed from outside: it records and then it ends.

Prints a line when the recorder's wiring is called, one when the first fragment is durable, and its memory then. With
`--orderly` the session then ends; otherwise the process ends itself with SIGKILL there, and the next start finds an
open session again.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

from edge.status import Status
from tests.longlog.spools import SEGMENT_SECONDS, LongLog
from tests.replay import Playing, ReplayClock, play

CALLED, DURABLE = b"called\n", b"durable\n"


@dataclass(slots=True)
class Announcer:
    """Says on standard output when the first fragment is durable."""

    orderly: bool
    said_so: bool = field(default=False)

    def fragment(self, segment: int, fragment: int, r: bytes) -> None:
        """The first one is what the start is measured by."""
        if not self.said_so:
            self.said_so = True
            os.write(sys.stdout.fileno(), DURABLE)
            os.write(sys.stdout.fileno(), b"%d\n" % _resident_kib())
            if not self.orderly:
                os.kill(os.getpid(), signal.SIGKILL)

    def entry(self, seq: int, digest: bytes) -> None:
        """Nothing."""

    def status(self, status: Status) -> None:
        """Nothing."""

    def said(self, words_zh: str, words_en: str) -> None:
        """Nothing."""


def _resident_kib() -> int:
    """The most memory this program held so far. (What wait4 tells includes the parent it was forked from.)"""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


def main() -> int:
    """One start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--orderly", action="store_true")
    arguments = parser.parse_args()
    log = LongLog(folder=arguments.folder)
    playing = Playing(
        config=log.config(),
        recording=log.packets(),
        seconds=2,
        clock=ReplayClock(log.take_time(2 * SEGMENT_SECONDS * 10**9)),
        watcher=Announcer(arguments.orderly),
    )
    os.write(sys.stdout.fileno(), CALLED)
    return 0 if play(playing).clean else 1


if __name__ == "__main__":
    sys.exit(main())
