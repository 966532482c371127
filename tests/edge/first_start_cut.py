"""First starts that are killed: `python -m tests.edge.first_start_cut FOLDER` cuts one at each call that writes.

For every n it forks a first start that dies by SIGKILL directly before its n-th such call, then runs another to its
end, until one is not cut any more. It prints, as JSON, a row for each cut: where it died, what the second call made,
and what stands on the disk afterwards.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge import config
from edge.custody import no_token
from edge.first_start import first_start

CHANGING = ("open", "write", "fsync", "mkdir", "rmdir", "link", "unlink", "replace")
ROOT = Path(__file__).resolve().parents[2]
MOST_CALLS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One first start that died, and the one after it."""

    died_before: str
    made: list[str]
    left: list[str]
    code: int


def cut_everywhere(folder: Path) -> list[Cut]:
    """Every cut, in order."""
    command = [sys.executable, "-m", "tests.edge.first_start_cut", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    return [Cut(**row) for row in json.loads(done.stdout)]


def settings_in(folder: Path) -> config.Config:
    """A device whose files all stand below one folder."""
    text = f'[spool]\ndirectory = "{folder}/spool"\n[key]\nfile = "{folder}/key/device.key"\n'
    return config.parse(text.encode())


def _dying(name: str, call: Callable[..., Any], state: list[int], report: int) -> Callable[..., Any]:
    def work(*arguments: Any, **named: Any) -> Any:
        state[0] -= 1
        if state[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if state[0] == 0:
            BEFORE["write"](report, f"{name} {Path(str(arguments[0])).name}".encode())
        return call(*arguments, **named)

    return work


BEFORE: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in CHANGING}


def _child(folder: Path, die_before: int | None) -> tuple[int, list[str]]:
    """A first start in a process of its own; its wait status and the words it left."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        if die_before is not None:
            state = [die_before]
            for name, call in BEFORE.items():
                setattr(os, name, _dying(name, call, state, writing))
        made = first_start(settings_in(folder), folder / "enrolment", no_token).made
        if die_before is None:
            BEFORE["write"](writing, " ".join(made).encode())
        os._exit(0)
    os.close(writing)
    words = os.read(reading, 65_536).decode().split()
    os.close(reading)
    _, status = os.waitpid(child, 0)
    return status, words


def _main() -> int:
    rows = []
    for number in range(MOST_CALLS):
        folder = Path(sys.argv[1], f"{number:03d}")
        folder.mkdir()
        status, last = _child(folder, number)
        if status == 0:
            break
        code, made = _child(folder, None)
        left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        rows.append({"died_before": f"after {' '.join(last)}", "made": made, "left": left, "code": code})
    json.dump(rows, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(_main())
