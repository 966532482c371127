"""The scenario of a full disk on a disk that is really full: `python -m tests.scenarios.full_disk FOLDER`.

Runs inside a mount namespace of its own. The spool is on a tmpfs that another program's file fills; nobody answers in
the kernel's place.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from sim import __main__ as command
from sim.pulled_disk import FREE_WHEN_FULL
from sim.scenario import MadeOf, differences, play
from sim.scenario_file import load
from tests.edge.small_disk import fill
from tests.scenarios.small_picture import SmallPicture

DISK_BYTES = 128 * 1024 * 1024
ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 100


def played_on_full_disk(folder: Path) -> list[str]:
    """What differs from the declaration."""
    words = ["unshare", "--map-root-user", "--mount", sys.executable, "-m", "tests.scenarios.full_disk", str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS)
    assert done.returncode == 0, done.stderr
    differing: list[str] = json.loads(done.stdout)
    return differing


def _main() -> int:
    disk = Path(sys.argv[1]) / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", disk], check=True)
    scenario = load("storage_full")
    made_of = MadeOf(
        chains=command.chains, draw=SmallPicture, fill_disk=lambda spool: fill(spool.parent, FREE_WHEN_FULL)
    )
    played = play(scenario, disk / "spool", made_of)
    json.dump(differences(scenario, played, played.verify()), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(_main())
