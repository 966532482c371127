"""An end that was asked for comes, whatever the disk does: exit code, one message, no hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from edge.terminal import record

ROOT = Path(__file__).resolve().parents[2]
STUCK = """
import os, sys
from edge import terminal

def wait(terminal, stop):
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    {work}

sys.exit(terminal.record(wait, end_limit_seconds=0.2))
"""


def end_of(work: str) -> tuple[int, str]:
    """Ask a process whose main thread does `work` to end; its exit code and words."""
    with subprocess.Popen(
        [sys.executable, "-c", STUCK.format(work=work)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        words = process.stderr.read().decode()
        return process.wait(20), words


def test_a_process_whose_disk_never_answers_ends_after_its_limit_and_says_so() -> None:
    """Reading an empty pipe stands for a flush that does not return: no signal handler ends it."""
    code, words = end_of("os.read(os.pipe()[0], 1)")
    assert code == 1
    assert "存储盘没有响应" in words
    assert "Traceback" not in words


def test_an_end_within_the_limit_is_left_alone() -> None:
    """The negative control of the test above."""
    code, words = end_of("stop.wait(10); raise OSError(5, os.strerror(5))")
    assert code == 2
    assert "没有响应" not in words


def test_nothing_is_left_behind_by_an_ordinary_end() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))

    def refuse(_terminal: object, _stop: object) -> None:
        raise OSError(5, os.strerror(5))

    assert record(refuse) == 2  # type: ignore[arg-type]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert signal.set_wakeup_fd(-1) == -1
