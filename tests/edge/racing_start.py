"""One of many starts at once, for tests: opens the device when told to, and holds it until standard input ends."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from edge.config import Config
from edge.opening import Onlooker, open_device
from edge.refusals import guarded


def main() -> int:
    """Return the exit code of a recorder that found the spool so."""
    spool, key = Path(sys.argv[1]), Path(sys.argv[2])
    config = replace(Config(), spool=replace(Config().spool, directory=spool), key=replace(Config().key, file=key))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()

    def hold() -> int:
        with open_device(config, Onlooker(entry=lambda *_: None, say=lambda *_: None)):
            sys.stdout.write("won\n")
            sys.stdout.flush()
            sys.stdin.read()
        return 0

    code = guarded(hold)
    sys.stdout.write("lost\n" if code else "")
    return code


if __name__ == "__main__":
    sys.exit(main())
