"""An order to destroy on a disk without a free byte: `python -m tests.edge.destroy_on_full_disk FOLDER`.

Inside its own mount namespace; the disk is a real tmpfs, so the kernel says ENOSPC. What is then on the disk is copied
out before the namespace, and the disk with it, is gone. `days` is how long after the recording the order comes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.edge.keeping_room import Person
from tests.edge.small_disk import ROOT, fill


def destroy_on_full_disk(folder: Path, *, days: float, boots: int, order: str) -> int:
    """Run it over `folder/spool`; returns the exit code of the order."""
    words = [sys.executable, "-m", "tests.edge.destroy_on_full_disk", str(folder), json.dumps([days, boots, order])]
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1])


def _main(folder: Path, days: float, boots: int, order: str) -> None:
    spool, before, after = folder / "spool", folder / "before", folder / "after"
    shutil.copytree(spool, before)
    size_bytes = sum(path.stat().st_blocks * 512 for path in before.rglob("*")) + (1 << 20)
    mount = shutil.which("mount")
    assert mount is not None
    subprocess.run([mount, "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", spool], check=True)
    shutil.copytree(before, spool, dirs_exist_ok=True)
    fill(spool, 0)
    person = Person(folder)
    person.days, person.boots = days, boots
    code = person.acts("destroy", "--session", "1", "--basis-file", order)
    shutil.copytree(spool, after, ignore=shutil.ignore_patterns("somebody-elses"))
    sys.stdout.write(f"{code}\n")


if __name__ == "__main__":
    _main(Path(sys.argv[1]), *json.loads(sys.argv[2]))
