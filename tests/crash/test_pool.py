"""Forked jobs: each answers, dies or is ended, and none is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, sys, threading
from tests.crash import pool
from tests.crash.test_pool import work
answers = pool.run(["well", "raises", "dies", "hangs"], work, at_once=2, limit_seconds=1.0)
json.dump(sorted(list(map(list, answers)), key=str), sys.stdout)
"""


def work(job: str) -> dict[str, object]:
    """A job as its name says."""
    match job:
        case "raises":
            raise ValueError("no")
        case "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hangs":
            signal.pause()
        case _:
            pass
    return {"faults": [], "said": job}


def test_a_job_that_raises_dies_or_hangs_is_an_answer_and_the_others_are_not_disturbed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    for expected in ('["well", {"faults": [], "said": "well"}]', "ValueError: no", "died: -9", "not end within 1 s"):
        assert expected in done.stdout
