"""A recorder on a disk that fills up: `python -m tests.edge.small_disk FOLDER`, inside its own mount namespace.

The disk is a real tmpfs, so the kernel says ENOSPC. Another program fills it while a session runs; what is then on the
disk is copied out before the namespace, and the disk with it, is gone.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from edge.provision import DemoIdentity
from edge.refusals import Refused
from tests.edge.ports_room import START_NS, UTC_MS, Room, RoomClock, demo_identity, device_config

DISK_BYTES = 24 * 1024 * 1024
ROOT = Path(__file__).resolve().parents[2]


def record_on_full_disk(folder: Path, *, leave_bytes: int, again: bool = False) -> dict[str, object]:
    """Run it; returns how the session ended. The spool is afterwards at `folder/spool`, the keys at `folder/keys`.

    With `again` a second session is tried on the full disk, and a third once there is space.
    """
    done = subprocess.run(
        [
            "unshare",
            "--map-root-user",
            "--mount",
            sys.executable,
            "-m",
            "tests.edge.small_disk",
            folder,
            str(leave_bytes),
            *(["again"] if again else []),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    ended: dict[str, object] = json.loads(done.stdout)
    return ended


def fill(disk: Path, leave_bytes: int) -> None:
    """Take everything but `leave_bytes`, as another program would."""
    descriptor = os.open(disk / "somebody-elses", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        while True:
            free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - leave_bytes
            if free <= 0:
                return
            os.lseek(descriptor, 0, os.SEEK_END)
            os.write(descriptor, bytes(min(free, 1 << 20)))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    finally:
        os.close(descriptor)


def _main() -> int:
    folder, leave_bytes = Path(sys.argv[1]), int(sys.argv[2])
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", disk], check=True)
    identity = demo_identity(disk / "spool", folder / "keys", now_utc_ms=UTC_MS)
    room = Room()
    ended = room.record(
        device_config(disk / "spool", identity, bitrate=100_000),
        lambda r: r.play(3.3),
        lambda _: fill(disk, leave_bytes),
        lambda r: r.play(6),
    )
    ended_words: dict[str, object] = {"cause": ended.cause.name, "clean": ended.clean, "words": ended.words_zh}
    if sys.argv[3:] == ["again"]:
        ended_words["refused"] = _try_again(disk, identity, later_ns=10**11)
    (disk / "somebody-elses").unlink()
    if sys.argv[3:] == ["again"]:
        ended_words["again"] = _try_again(disk, identity, later_ns=2 * 10**11)
    shutil.copytree(disk / "spool", folder / "spool")
    json.dump(ended_words, sys.stdout)
    return 0


def _try_again(disk: Path, identity: DemoIdentity, *, later_ns: int) -> str:
    """A later run: how its session ended, or why there was none."""
    room = Room(RoomClock(now_ns=START_NS + later_ns))
    try:
        return room.record(device_config(disk / "spool", identity, bitrate=100_000), lambda r: r.play(3)).cause.name
    except Refused as refused:
        return f"exit {refused.exit_code}"


if __name__ == "__main__":
    sys.exit(_main())
