"""A device that has recorded two sessions, and a person who keeps, copies and destroys what it holds.

Every act goes through the real command line; only the clock is the test's, and each act is a boot of its own some days
after the last one, so that years pass between two of them without a step of the clock.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from edge.commands import destroy, export, records, retention, spool
from edge.destruction import read_ledger
from edge.ports import ClockReading, SyncState
from edge.retention import Ledger
from liuhen import archive, keys
from liuhen import verify as verifier
from liuhen.report import Report
from tests.edge.ports_room import UTC_MS, Device, Room, device

DAY_MS = 86_400_000
BOOT_NS = 20 * 10**9


@dataclass(slots=True, kw_only=True)
class ActClock:
    """The clocks of one boot (implements `edge.ports.Clock`); each look takes a microsecond."""

    boot_id: bytes
    utc_ms: int
    sync: SyncState = SyncState.SYNCHRONISED
    now_ns: int = BOOT_NS

    def read(self) -> ClockReading:
        self.now_ns += 1000
        passed_ms = (self.now_ns - BOOT_NS) // 1_000_000
        return ClockReading(utc_ms=self.utc_ms + passed_ms, boottime_ns=self.now_ns, sync=self.sync, error_ms=5)

    def boottime_ns(self) -> int:
        self.now_ns += 1000
        return self.now_ns


class Person:
    """Types commands, `days` after the recording; remembers nothing but how often."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.device: Device = device(folder)
        self.days = 1.0
        self.sync = SyncState.SYNCHRONISED
        self.boots = 0
        self.config = folder / "device.toml"
        key = self.device.config.key
        self.config.write_text(
            f'[spool]\ndirectory = "{self.device.spool}"\njournal_reserve_bytes = 65536\n\n'
            f'[key]\nfile = "{key.file}"\nendorsements = ["{key.endorsements[0]}"]\n',
            encoding="utf-8",
        )

    def types(self, *words: str) -> int:
        """One command; returns its exit code."""
        self.boots += 1
        parser = argparse.ArgumentParser()
        commands = parser.add_subparsers(required=True)
        export.add_parser(commands)
        for act in (records, retention, destroy, spool):
            act.add_parser(commands, self.clock)
        parsed = parser.parse_args(list(words))
        code: int = parsed.work(parsed)
        return code

    def acts(self, *words: str) -> int:
        """The same with this device's configuration."""
        return self.types(*words, "--config", str(self.config))

    def clock(self) -> ActClock:
        """The clock of this boot."""
        boot_id = self.boots.to_bytes(16, "big")
        return ActClock(boot_id=boot_id, utc_ms=UTC_MS + int(self.days * DAY_MS) + self.boots * 1000, sync=self.sync)

    def file(self, name: str, text: str) -> str:
        """A text file; returns its path."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def ledger(self) -> Ledger:
        return read_ledger(self.device.spool)

    def session(self, ordinal: int) -> bytes:
        return next(id_ for id_, kept in self.ledger().keeping.sessions.items() if kept.ordinal == ordinal)

    def segments(self, ordinal: int) -> list[Path]:
        return sorted((self.device.spool / "sessions" / self.session(ordinal).hex()).glob("*.mp4"))

    def verify(self, root: Path | None = None, *, session: bytes | None = None) -> Report:
        """What the verifier says a day after the newest act."""
        target = archive.locate(root or self.device.spool)
        assert target is not None
        trust = keys.parse_trust(self.device.trust_file.read_bytes(), where="trust file")
        now_ms = UTC_MS + int((self.days + 1) * DAY_MS)
        return verifier.verify(verifier.Request(target=target, trust=trust, now_ms=now_ms, session=session))


def with_two_sessions(folder: Path) -> Person:
    """Two sessions of two segments, recorded in order."""
    person, room = Person(folder), Room()
    for _ in range(2):
        room.record(person.device.config, lambda r: r.play(12))
    return person
