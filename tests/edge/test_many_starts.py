"""Fault row 28: of many recorders started at once exactly one gets the spool, and the others leave it as it was."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.opening import EXIT_BUSY
from edge.provision import demo_identity

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
STARTS, LIMIT_SECONDS = 8, 60.0


def contents(spool: Path) -> dict[str, str]:
    files = (path for path in sorted(spool.rglob("*")) if path.is_file())
    return {str(path.relative_to(spool)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def told(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.long
def test_of_many_starts_at_once_exactly_one_wins_and_the_others_exit_busy_and_write_nothing(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    identity = demo_identity(spool, tmp_path / "keys", now_utc_ms=time.time_ns() // 1_000_000)
    command = [sys.executable, "-m", "tests.edge.racing_start", str(spool), str(identity.key_file)]
    processes = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
        )
        for _ in range(STARTS)
    ]
    try:
        assert {said(process) for process in processes} == {"ready"}
        before = contents(spool)
        for process in processes:
            told(process)
        outcomes = [said(process) for process in processes]
        assert sorted(outcomes) == ["lost"] * (STARTS - 1) + ["won"]
        assert {name: digest for name, digest in contents(spool).items() if name != "device/lock"} == before
        codes = [p.wait(LIMIT_SECONDS) for p, outcome in zip(processes, outcomes, strict=True) if outcome == "lost"]
        assert codes == [EXIT_BUSY] * (STARTS - 1)
    finally:
        for process in processes:
            process.communicate(timeout=LIMIT_SECONDS)
    assert [process.returncode for process in processes].count(0) == 1
