"""SIGKILL at random moments of a recorder with its real threads: at most the open fragment goes, all time is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KILLS = 10


@pytest.mark.realtime
def test_ten_killed_recorders_lose_at_most_the_open_fragment_and_account_for_all_time() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash", "kills", "--count", str(KILLS), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.stdout, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["faults"] == []
    assert summary["kills"] == KILLS
    assert set(summary["moments"]) == {"start", "recovery", "segment cut", "anywhere"}
