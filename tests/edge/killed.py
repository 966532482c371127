"""Recorders that are killed: `python -m tests.edge.killed` runs each planned run in a process of its own until its end.

A plan is a list of {"folder", "seconds", "kill_after", "utc_ms"}: the run ends itself with SIGKILL directly after its
n-th durable write (entry or fragment) was acknowledged, as a power cut would. Acknowledgements go to the folder first.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from tests import warm
from tests.edge.media import RATE_HZ, pictures, sound
from tests.edge.ports_room import BOOT_ID, GOP, START_NS, UTC_MS, Room, RoomClock, device

ACKNOWLEDGEMENTS = "acknowledgements"


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """One run: how long it would record, and after which durable write it dies (None: it ends in order).

    `boot` numbers the boot it happens in, each with a running clock of its own; UTC goes on from one to the next.
    """

    folder: str
    seconds: float
    kill_after: int | None
    from_ns: int = START_NS
    boot: int = 0
    utc_ms: int = UTC_MS


def run_all(plan: list[Killed]) -> list[int]:
    """Run them one after another; returns how many durable writes each made. One that should die and did not fails."""
    done = warm.run("tests.edge.killed", told=json.dumps([asdict(killed) for killed in plan]))
    assert done.returncode == 0, done.stderr
    counts: list[int] = json.loads(done.stdout)
    return counts


def acknowledged(folder: Path) -> list[str]:
    """What the killed runs of a folder said was durable, in order."""
    return (folder / ACKNOWLEDGEMENTS).read_text(encoding="ascii").splitlines()


def _run(killed: Killed) -> None:
    folder = Path(killed.folder)
    boot_id = killed.boot.to_bytes(16, "big") if killed.boot else BOOT_ID
    utc_offset_ms = (killed.utc_ms - killed.from_ns // 1_000_000) if killed.boot else UTC_MS - START_NS // 1_000_000
    room = Room(RoomClock(now_ns=killed.from_ns, boot_id=boot_id, utc_offset_ms=utc_offset_ms))
    log = os.open(folder / ACKNOWLEDGEMENTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note() -> None:
        kind, number, fragment = room.onlooker.durable[-1]
        r = room.onlooker.hashes[number, fragment].hex() if kind == "F" else "-"
        os.write(log, f"{kind} {number} {fragment} {r}\n".encode())
        if len(room.onlooker.durable) == killed.kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    room.onlooker.on_durable = note
    room.record(device(folder).config, lambda r: r.play(killed.seconds))


def _main() -> int:
    plan = [Killed(**row) for row in json.load(sys.stdin)]
    pictures(count=2 * GOP)
    sound(samples=RATE_HZ)
    counts = []
    for killed in plan:
        before = _lines(killed)
        child = os.fork()
        if child == 0:
            _run(killed)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        died = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if died != (killed.kill_after is not None):
            sys.stderr.write(f"{killed} ended with status {status}\n")
            return 1
        counts.append(_lines(killed) - before)
    json.dump(counts, sys.stdout)
    return 0


def _lines(killed: Killed) -> int:
    log = Path(killed.folder) / ACKNOWLEDGEMENTS
    return len(log.read_bytes().splitlines()) if log.exists() else 0


if __name__ == "__main__":
    sys.exit(_main())
