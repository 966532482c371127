"""Power cuts: the real recorder keeps its promises in every state; five that broke one are caught by the same run."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash import mounts
from tests.crash.mutants import Mutant
from tests.required import unavailable

ROOT = Path(__file__).resolve().parents[2]
STATES = 300
pytestmark = [pytest.mark.realtime, pytest.mark.timeout(400)]


@pytest.fixture(autouse=True, scope="module")
def _disks_of_our_own() -> None:
    lacks = mounts.lacking()
    if lacks is not None:
        unavailable(lacks)


def crash_states(keep: Path, *arguments: str) -> tuple[dict[str, object], int]:
    """What `python -m tests.crash states` finds, and its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash", "states", "--states", str(STATES), "--keep", keep, "--json", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=350,
    )
    assert done.stdout, done.stderr
    summary: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return summary, done.returncode


def test_in_three_hundred_states_nothing_acknowledged_is_lost_or_invented_and_recording_goes_on(tmp_path: Path) -> None:
    summary, code = crash_states(tmp_path)
    assert summary["failed"] == []
    assert (summary["states"], summary["failing"], code) == (STATES, 0, 0)
    kinds, notes = summary["kinds"], summary["notes"]
    assert isinstance(kinds, dict)
    assert isinstance(notes, dict)
    assert set(kinds) == {"subset", "prefix", "rot", "rollback", "strict"}
    assert notes["fragments authentic"] > STATES


BROKEN = [mutant for mutant in Mutant if mutant is not Mutant.NONE]


@pytest.mark.parametrize("mutant", BROKEN, ids=lambda mutant: mutant.name.lower())
def test_a_recorder_that_breaks_one_promise_is_caught_within_the_same_states(mutant: Mutant, tmp_path: Path) -> None:
    summary, code = crash_states(tmp_path, "--mutant", mutant.name, "--stop-at-first")
    assert code == 1
    failed = summary["failed"]
    assert isinstance(failed, list)
    assert any(word in failed[0] for word in ("lost", "used a second time")), failed


def test_the_command_that_a_failure_prints_finds_the_same_faults_again(tmp_path: Path) -> None:
    summary, _ = crash_states(tmp_path, "--mutant", Mutant.RETRY_FLUSH.name, "--stop-at-first")
    failed = summary["failed"]
    assert isinstance(failed, list)
    fault, _, command = failed[0].partition(" | replay: .venv/bin/python ")
    done = subprocess.run(
        [sys.executable, *shlex.split(command)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1, done.stderr
    assert fault in done.stdout


def test_after_a_run_no_mount_and_no_loop_device_is_left(tmp_path: Path) -> None:
    crash_states(tmp_path, "--mutant", Mutant.ACK_BEFORE_SYNC.name, "--stop-at-first")
    assert "liuhen-crash" not in Path("/proc/self/mounts").read_text()
    backing = [path.read_text() for path in Path("/sys/block").glob("loop*/loop/backing_file")]
    assert not [name for name in backing if "liuhen-crash" in name or "memfd:disk" in name], os.getpid()
