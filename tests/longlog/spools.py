"""Spools with as many real segments as asked for: real packets, keys, seals and journal, through `edge.app.run`.

A folder holds `spool/`, `keys/`, the packets and the clock its next run starts at. Segments are ten seconds long and
fragments one (both within the configuration's bounds); heartbeats, checkpoints and the journal's rotation are as
configured by default. Every session is a run of its own, in one process of its own for all of them, and the last may be
cut short by SIGKILL in the middle of a segment, so that the next start has something to recover and to resume.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge.config import Config
from edge.provision import demo_identity
from edge.status import Status
from tests.longlog import tiny
from tests.replay import UTC_MS, Playing, Recording, ReplayClock, play

ROOT = Path(__file__).resolve().parents[2]
SEGMENT_SECONDS = 10
FRAGMENTS = 10
LAST_SESSION_SEGMENTS = 5
SESSION_SEGMENTS = 360
"""An hour."""
BETWEEN_NS = 60 * 10**9
FIRST_NS = 500 * 10**9
PACKETS, CLOCK = "packets.cbor", "clock"
LIMIT_SECONDS = 900
MEMORY = Path("/dev/shm")  # noqa: S108 - made where a flush costs nothing, then copied to where it is used


@dataclass(frozen=True, slots=True, kw_only=True)
class LongLog:
    """A folder as described above."""

    folder: Path

    @property
    def spool(self) -> Path:
        """The spool in it."""
        return self.folder / "spool"

    @property
    def trust_file(self) -> Path:
        """What vouches for the spool's device."""
        return demo_identity(self.spool, self.folder / "keys", now_utc_ms=UTC_MS).trust_file

    def config(self) -> Config:
        """The same for every run."""
        identity = demo_identity(self.spool, self.folder / "keys", now_utc_ms=UTC_MS)
        base = Config()
        return replace(
            base,
            spool=replace(base.spool, directory=self.spool, minimum_free_hours=0.1),
            key=replace(base.key, file=identity.key_file, endorsements=(identity.endorsement_file,)),
            segment=replace(base.segment, seconds=SEGMENT_SECONDS, fragment_milliseconds=1000),
        )

    def packets(self) -> Recording:
        """What its camera and microphone deliver."""
        return tiny.load(self.folder / PACKETS)

    def take_time(self, length_ns: int) -> int:
        """BOOTTIME at which the next run starts; the clock file then says when it, or what follows it, is over."""
        clock = self.folder / CLOCK
        now_ns = int(clock.read_text("ascii")) if clock.exists() else FIRST_NS
        clock.write_text(str(now_ns + length_ns + BETWEEN_NS), "ascii")
        return now_ns

    def segments(self) -> int:
        """How many segment files there are."""
        return sum(1 for _ in self.spool.glob("sessions/*/*.mp4"))


@dataclass(slots=True)
class Mortal:
    """Looks on; ends its own process with SIGKILL directly after a certain fragment was acknowledged."""

    last: tuple[int, int] | None
    fragments: int = field(default=0)

    def fragment(self, segment: int, fragment: int, r: bytes) -> None:
        """Count, and die where it was asked for."""
        self.fragments += 1
        if self.last is not None and (segment, fragment) >= self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def entry(self, seq: int, digest: bytes) -> None:
        """Nothing."""

    def status(self, status: Status) -> None:
        """Nothing."""

    def said(self, words_zh: str, words_en: str) -> None:
        """Nothing."""


def make(folder: Path, *, segments: int, killed: bool) -> LongLog:
    """A new long log with that many whole segments, and one more half written where its last session is killed."""
    with tempfile.TemporaryDirectory(prefix="liuhen-longlog-", dir=MEMORY if MEMORY.is_dir() else None) as making:
        log = LongLog(folder=Path(making, "log"))
        _make(log, segments, killed=killed)
        shutil.copytree(log.folder, folder)
    return LongLog(folder=folder)


def _make(log: LongLog, segments: int, *, killed: bool) -> None:
    log.folder.mkdir()
    (log.folder / PACKETS).write_bytes(tiny.encode())
    command = [sys.executable, "-m", "tests.longlog.spools", str(log.folder), str(segments)]
    if killed:
        command.append("--killed")
    done = subprocess.run(command, cwd=ROOT, check=False, timeout=LIMIT_SECONDS, capture_output=True, text=True)
    expected = -signal.SIGKILL if killed else 0
    if done.returncode != expected or log.segments() != segments + killed:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr}")


def _lengths(segments: int) -> list[int]:
    """Segments per session: hours, and a short session at the end."""
    last = min(segments, LAST_SESSION_SEGMENTS)
    hours, rest = divmod(segments - last, SESSION_SEGMENTS)
    return [SESSION_SEGMENTS] * hours + [rest] * bool(rest) + [last]


def _record(log: LongLog, segments: int, *, last: tuple[int, int] | None) -> None:
    """One run with one session; `last` is the fragment that is its end, where it has no orderly one."""
    seconds = segments * SEGMENT_SECONDS
    playing = Playing(
        config=log.config(),
        recording=log.packets(),
        seconds=seconds if last is None else seconds + SEGMENT_SECONDS,
        clock=ReplayClock(log.take_time((seconds + 2 * SEGMENT_SECONDS) * 10**9)),
        watcher=Mortal(last),
    )
    ended = play(playing)
    if not ended.clean:
        raise RuntimeError(ended.words_en)


def main() -> int:
    """Record the sessions of one folder, in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("segments", type=int)
    parser.add_argument("--killed", action="store_true")
    arguments = parser.parse_args()
    log = LongLog(folder=arguments.folder)
    *whole, final = _lengths(arguments.segments)
    for segments in whole:
        _record(log, segments, last=None)
    _record(log, final, last=(final, FRAGMENTS // 2) if arguments.killed else None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
