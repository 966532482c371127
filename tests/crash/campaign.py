"""The long runs: thousands of crash states, and fifty killed recorders.

Each is a program of its own (`python -m tests.crash`), because it takes a mount namespace for its process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.crash.next_start import NONE_LEFT, PEOPLE

STATES = 5_000
STATES_VARIABLE = "CRASH_STATES"
KILLS = 50
SEED = 1
ROOT = Path(__file__).resolve().parents[2]

Outcome = tuple[list[str], bool]


def crash(_: Path) -> Outcome:
    """So many states of the real recorder's writes after a cut: the variable CRASH_STATES says how many."""
    count = int(os.environ.get(STATES_VARIABLE, STATES))
    summary = program("states", "--states", str(count), "--seed", str(SEED), "--every-prefix")
    notes, kinds, faults = summary["notes"], summary["kinds"], summary["faults"]
    assert isinstance(faults, dict)
    assert isinstance(notes, dict)
    assert isinstance(kinds, dict)
    lines = [
        f"crash states: {summary['states']} from seed {SEED} on ({STATES_VARIABLE}={count}, every prefix of one log)",
        f"states with an acknowledged fragment or entry lost, a false authentic, a refused start, a session that did "
        f"not record, or an archive that does not verify: {summary['failing']}",
        f"by kind: {', '.join(f'{kind} {number}' for kind, number in sorted(kinds.items()))}",
        f"{PEOPLE}: {notes.get(PEOPLE, 0)}",
        f"fragments reported authentic and compared with what was recorded: {notes['fragments authentic']}",
        f"file systems that e2fsck had to repair before they could be mounted: {notes.get('repaired by e2fsck', 0)}",
        f"starts on a disk that had lied until no entry was left, recorded on all the same: {notes.get(NONE_LEFT, 0)}",
        *(f"FAULT, {number} times: {fault}" for fault, number in faults.items()),
        *(f"FAULT: {line}" for line in _lines(summary["failed"])),
    ]
    return lines, summary["failing"] == 0


def kill(_: Path) -> Outcome:
    """Fifty recorders killed at random moments of a start, a recovery, a segment's end and anywhere else."""
    summary = program("kills", "--count", str(KILLS), "--seed", str(SEED))
    lines = [
        f"recorders killed: {summary['kills']} ({summary['moments']})",
        f"most frames of one killed run that no sealed fragment holds: {summary['most_missing_frames']}",
        f"longest hole or overlap between media and gaps: {summary['worst_seam_ms']} ms "
        "(bound: one frame and one audio packet, 65 ms)",
        f"longest between a session's first or last media and its entries: {summary['worst_edge_ms']} ms",
        *(f"FAULT: {line}" for line in _lines(summary["faults"])),
    ]
    return lines, not summary["faults"]


def program(*arguments: str) -> dict[str, object]:
    """Run `python -m tests.crash` and return what it found. Raises RuntimeError where it found nothing out."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash", *arguments, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        summary: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise RuntimeError(f"exit code {done.returncode}: {done.stderr[-2000:]}") from None
    return summary


def _lines(told: object) -> list[str]:
    return [str(line) for line in told] if isinstance(told, list) else []
