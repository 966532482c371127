"""Power cuts: the real recorder keeps its promises in every state; five that broke one are caught by the same run."""

from __future__ import annotations

import json
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
def test_a_recorder_that_breaks_one_promise_is_caught_and_the_printed_command_shows_it_again(
    mutant: Mutant, tmp_path: Path
) -> None:
    summary, code = crash_states(tmp_path, "--mutant", mutant.name, "--stop-at-first")
    assert code == 1
    failed = summary["failed"]
    assert isinstance(failed, list)
    fault, _, command = failed[0].partition(" | replay: .venv/bin/python ")
    assert "lost" in fault or "used a second time" in fault
    done = subprocess.run(
        [sys.executable, *shlex.split(command)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, fault in done.stdout) == (1, True), done.stderr
    assert left_mounted() == []


def left_mounted() -> list[str]:
    """Mounts and loop devices of this harness that outlived it."""
    mounted = [line for line in Path("/proc/self/mounts").read_text().splitlines() if "liuhen-crash" in line]
    backing = [path.read_text() for path in Path("/sys/block").glob("loop*/loop/backing_file")]
    return mounted + [name for name in backing if "liuhen-crash" in name]
