"""SIGKILL at random moments of a recorder with its real threads: at most the open fragment goes, all time is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.mutants import Mutant

ROOT = Path(__file__).resolve().parents[2]
KILLS = 10
pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


def killed(*arguments: str) -> dict[str, object]:
    """What `python -m tests.crash kills` finds."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash", "kills", "--json", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.stdout, done.stderr
    summary: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == (1 if summary["faults"] else 0)
    return summary


def test_ten_killed_recorders_lose_at_most_the_open_fragment_and_account_for_all_time() -> None:
    summary = killed("--count", str(KILLS))
    assert summary["faults"] == []
    assert summary["kills"] == KILLS
    moments = summary["moments"]
    assert isinstance(moments, dict)
    assert set(moments) == {"start", "recovery", "segment cut", "anywhere"}


@pytest.mark.parametrize(
    ("mutant", "fault"),
    [(Mutant.DROP_LAST_FRAGMENT, "lost: F"), (Mutant.LATE_GAP, "ms between two pieces of a session")],
    ids=lambda value: value.name.lower() if isinstance(value, Mutant) else "",
)
def test_a_recovery_that_drops_a_fragment_or_misstates_a_gap_is_caught_by_four_kills(
    mutant: Mutant, fault: str
) -> None:
    faults = killed("--count", "4", "--mutant", mutant.name)["faults"]
    assert isinstance(faults, list)
    assert any(fault in line for line in faults), faults
