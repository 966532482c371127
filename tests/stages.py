"""`make test`: the whole test set as three pytest sessions, judged together at the end.

What asks nothing of the clock runs on every core, two workers to a core because most of it waits for a flush. What
runs by the clock with room to spare (`beside`) follows, four groups side by side (`tests/side_by_side.py`): these tests
wait, for a lamp, a lease or a store, and leave a machine of two cores idle half the time. What must not lose a frame of
three minutes, or has limits of milliseconds, comes last, one test at a time and alone on the machine. Every session
runs even where an earlier one failed, and the last words say what each came to.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

PARALLEL = ("-n", "auto", "--dist=worksteal")
BESIDE = ("-n", "4", "--dist=loadfile", "--no-loadscope-reorder")
PASSED, NO_TESTS, INTERRUPTED = 0, 5, 2


class Stage(Enum):
    """One pytest session: its name on the command line, the tests it selects, and how it runs them."""

    PARALLEL = ("parallel", "not (realtime or browser or slow)", PARALLEL)
    BESIDE = ("beside", "beside and not slow", BESIDE)
    CLOCK = ("clock", "(realtime or browser) and not (beside or slow)", ("-n", "0"))

    def __init__(self, word: str, marked: str, options: tuple[str, ...]) -> None:
        self.word = word
        self.marked = marked
        self.options = options


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What one session came to."""

    stage: Stage
    code: int
    seconds: float


def is_narrowed(also_marked: str | None, arguments: Sequence[str]) -> bool:
    """Whether a person asked for something of their own: then the list of required tests says nothing."""
    return also_marked is not None or bool(arguments)


def command(stage: Stage, folder: Path, *, also_marked: str | None, arguments: Sequence[str]) -> list[str]:
    """The pytest session of a stage; each leaves its outcomes in the folder, and the last one judges those of all."""
    marked = stage.marked if also_marked is None else f"({stage.marked}) and ({also_marked})"
    line = [sys.executable, "-m", "pytest", "-m", marked, *stage.options]
    if is_narrowed(also_marked, arguments):
        return [*line, *arguments]
    *earlier, last = Stage
    # One word each: a file that exists would otherwise be taken for a folder of tests, and our options not be known.
    if stage is not last:
        return [*line, f"--leave-outcomes={folder / stage.word}.json"]
    return [*line, "--required", *(f"--count-outcomes={folder / one.word}.json" for one in earlier)]


def verdict(ended: Iterable[Ended]) -> tuple[int, list[str]]:
    """The exit code of all sessions together, and a line for each. One may have no tests where the other has some."""
    rows = list(ended)
    words = {PASSED: "passed", NO_TESTS: "had no tests"}
    lines = [f"{row.stage.word}: {words.get(row.code, f'FAILED ({row.code})')}, {row.seconds:.0f} s" for row in rows]
    failed = [row.code for row in rows if row.code not in (PASSED, NO_TESTS)]
    if failed:
        return failed[0], lines
    return (PASSED if any(row.code == PASSED for row in rows) else NO_TESTS), lines


def run(stage: Stage, folder: Path, *, also_marked: str | None, arguments: Sequence[str]) -> Ended:
    """One session, to its end."""
    began = time.monotonic()
    line = command(stage, folder, also_marked=also_marked, arguments=arguments)
    code = subprocess.run(line, check=False).returncode
    return Ended(stage=stage, code=code, seconds=time.monotonic() - began)


def main() -> int:
    """Run every session; what is not known here goes to pytest."""
    parser = argparse.ArgumentParser(prog="make test", add_help=False, allow_abbrev=False)
    parser.add_argument("-m", dest="marked")
    known, arguments = parser.parse_known_args()
    ended: list[Ended] = []
    with tempfile.TemporaryDirectory(prefix="liuhen-test-") as folder:
        for stage in Stage:
            if not any(earlier.code == INTERRUPTED for earlier in ended):
                ended.append(run(stage, Path(folder), also_marked=known.marked, arguments=arguments))
    code, lines = verdict(ended)
    if is_narrowed(known.marked, arguments):
        lines.append("with arguments of its own, so tests/required.py was not judged")
    sys.stdout.write("".join(f"=== make test: {line}\n" for line in lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
