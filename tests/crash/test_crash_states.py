"""Power cuts: the real recorder keeps its promises in every state; five that broke one are caught by the same run."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests import leaks
from tests.crash import mounts
from tests.crash.mutants import Mutant
from tests.crash.next_start import PEOPLE
from tests.required import unavailable

ROOT = Path(__file__).resolve().parents[2]
STATES = 300
pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]


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
    assert notes[PEOPLE] > STATES / 10


BROKEN = (
    Mutant.ACK_BEFORE_SYNC,
    Mutant.NO_DIRECTORY_SYNC,
    Mutant.RETRY_FLUSH,
    Mutant.TRUNCATE_ROT,
    Mutant.REUSE_SEQ,
)


@pytest.mark.parametrize("mutant", BROKEN, ids=lambda mutant: mutant.name.lower())
def test_a_recorder_that_breaks_one_promise_is_caught_and_the_printed_command_shows_it_again(
    mutant: Mutant, tmp_path: Path
) -> None:
    summary, code = crash_states(tmp_path, "--mutant", mutant.name, "--stop-at-first")
    assert code == 1
    failed = summary["failed"]
    assert isinstance(failed, list)
    fault, _, command = failed[0].partition(" | replay: .venv/bin/python ")
    assert any(word in fault for word in ("lost", "used a second time", "record-absent"))
    done = subprocess.run(
        [sys.executable, *shlex.split(command)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, fault in done.stdout) == (1, True), done.stderr
    assert left_mounted(summary["process"]) == []


UNFLUSHED = {
    Mutant.NO_RECORD_SYNC: ("hearings, visits", "names a record that is not there"),
    Mutant.NO_STATE_SYNC: ("the same where only", "its doctor was heard, and it counts as UNFIT"),
}
"""In which slice one flush less shows soonest, and as what."""


@pytest.mark.parametrize("mutant", UNFLUSHED, ids=lambda mutant: mutant.name.lower())
def test_one_flush_less_of_what_people_were_promised_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    only, fault = UNFLUSHED[mutant]
    summary, code = crash_states(tmp_path, "--mutant", mutant.name, "--only", only, "--stop-at-first")
    assert code == 1
    assert fault in str(summary["failed"])


SAID_TO_BE_OTHERS = """
import sys
from dataclasses import replace
from pathlib import Path
from tests.crash import mounts, next_start, recording
from tests.crash.states import Kind, State
mounts.own_namespace()
folder = Path(sys.argv[1])
made = recording.make(folder / "made", recording.Plan(seed=1))
name, truth = min(made.truth.items())
at = truth.fragments[0][0]
other = replace(truth, content=truth.content[:at] + b"?" + truth.content[at + 1 :])
state = State(kind=Kind.PREFIX, point=len(made.log), seed=1)
for told in (made, replace(made, truth={**made.truth, name: other})):
    faults = next_start.check(told, state, folder / "root").faults
    print(faults[0].partition(":")[0] if faults else "none")
"""


def test_a_fragment_that_verifies_and_is_not_what_was_recorded_is_seen(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SAID_TO_BE_OTHERS, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["none", "false authentic"], done.stderr


def test_with_the_harness_killed_in_the_middle_no_process_mount_or_loop_device_stays(tmp_path: Path) -> None:
    before = leaks.running()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash", "states", "--states", str(STATES), "--keep", tmp_path],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    ) as harness:
        assert harness.stdout is not None
        assert b"states" in harness.stdout.readline()  # one slice is done, the next is under way
        assert any(left_mounted(harness.pid) for _ in iter(lambda: harness.poll() is None, False))
        harness.kill()
    assert leaks.leftovers(before, grace_seconds=10) == []
    assert left_mounted(harness.pid) == []


def left_mounted(process: object) -> list[str]:
    """Mounts and loop devices of the harness that was this process."""
    name = f"liuhen-crash-{process}-"
    backing = [_text(path) for path in Path("/sys/block").glob("loop*/loop/backing_file")]
    return [line for line in [*Path("/proc/self/mounts").read_text().splitlines(), *backing] if name in line]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""  # the device went in between
