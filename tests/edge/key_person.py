"""A person with a device's keys: types the commands of `liuhen keys`, records in the room, asks the verifier.

Every act goes through the real command line; only the clock is the test's. `python -m tests.edge.key_person` types one
command and dies by SIGKILL at its n-th flush to the disk.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge import config as configuration
from edge.app import Start, run
from edge.commands import keys as commands
from edge.config import Config
from edge.custody import OpenToken, no_token
from edge.recorder import Ended
from liuhen import archive
from liuhen import keys as key_files
from liuhen import verify as verifier
from liuhen.report import Report
from tests import warm
from tests.edge.ports_room import START_NS, UTC_MS, Act, Device, Room, RoomClock, device

MINUTE_NS = 60 * 10**9
DIED = -signal.SIGKILL


@dataclass(slots=True, kw_only=True)
class Person:
    """One device in one folder; each act happens a minute after the one before."""

    folder: Path
    open_token: OpenToken = no_token
    now_ns: int = START_NS
    device: Device = field(init=False)

    def __post_init__(self) -> None:
        self.device = device(self.folder)
        if not self.config_file.exists():
            self.configure()

    @property
    def config_file(self) -> Path:
        return self.folder / "recorder.toml"

    @property
    def key_file(self) -> Path:
        return self.device.config.key.file

    def configure(self, *endorsements: Path, more: str = "") -> None:
        """Write the configuration anew."""
        named = endorsements or self.device.config.key.endorsements
        listed = ", ".join(f'"{path}"' for path in named)
        self.config_file.write_text(
            f'[spool]\ndirectory = "{self.device.spool}"\nminimum_free_hours = 0.1\njournal_reserve_bytes = 65536\n\n'
            f'[key]\nfile = "{self.key_file}"\nendorsements = [{listed}]\n{more}',
            encoding="utf-8",
        )

    @property
    def config(self) -> Config:
        """The room's configuration with the keys that the file names."""
        written = configuration.load(self.config_file)
        return replace(self.device.config, key=written.key)

    def clock(self) -> RoomClock:
        self.now_ns += MINUTE_NS
        return RoomClock(now_ns=self.now_ns)

    def types(self, line: str) -> int:
        """One command; returns its exit code."""
        parser = argparse.ArgumentParser()
        commands.add_parser(parser.add_subparsers(required=True), self.clock, self.open_token)
        parsed = parser.parse_args(shlex.split(line))
        code: int = parsed.work(parsed)
        return code

    def acts(self, line: str) -> int:
        """The same with this device's configuration."""
        return self.types(f"{line} --config {self.config_file}")

    def records(self, *acts: Act, emergency: bool = False) -> Ended:
        """One session. Raises Refused."""
        room = Room(self.clock())
        start = Start(
            config=self.config,
            hardware=room.hardware(),
            watcher=room.onlooker,
            stop=threading.Event(),
            conduct=lambda stage: room._conduct(stage, acts or (lambda r: r.play(1.2),)),
            open_token=self.open_token,
            emergency=emergency,
        )
        ended = run(start)
        self.now_ns = room.clock.now_ns
        return ended

    def endorses(self, card: Path, out: Path) -> Path:
        """The demo root endorses a card."""
        root = self.folder / "keys" / "demo-root.key"
        assert self.types(f"keys endorse {card} --root {root} --purpose demo --out {out}") == 0
        return out

    def verify(self) -> Report:
        target = archive.locate(self.device.spool)
        assert target is not None
        trust = key_files.parse_trust(self.device.trust_file.read_bytes(), where="trust file")
        return verifier.verify(verifier.Request(target=target, trust=trust, now_ms=UTC_MS))


def dies_at_flush(folder: Path, number: int, line: str, now_ns: int) -> int:
    """Type a command in a process of its own that is killed at this flush; returns how the process ended."""
    return warm.run("tests.edge.key_person", [folder, str(number), str(now_ns), line]).returncode


def _killing(flush: Callable[[int], None], left: list[int]) -> Callable[[int], None]:
    """A flush that is the last thing this process does, when its turn has come."""

    def flushed(descriptor: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        flush(descriptor)

    return flushed


def _main(folder: str, number: str, now_ns: str, line: str) -> int:
    person = Person(folder=Path(folder), now_ns=int(now_ns))
    left = [int(number)]
    os.fsync = _killing(os.fsync, left)  # type: ignore[assignment]
    os.fdatasync = _killing(os.fdatasync, left)  # type: ignore[assignment]
    return person.acts(line)


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
