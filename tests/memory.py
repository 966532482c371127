"""How the recorder's memory grows: ten real minutes of the simulated room, and a day of packets as fast as they go.

Resident memory is sampled from /proc and a straight line is laid through what follows the first stretch, in which
buffers, tables and the interpreter's own pools fill. `make campaign ARGS=memory` keeps the result.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge.config import Config
from edge.ports import PictureFormat, SoundFormat
from edge.provision import demo_identity
from edge.status import Status
from tests.edge.media import FLAC_FRAME_SAMPLES, FRAMES_PER_SECOND, RATE_HZ, pictures, sound
from tests.replay import UTC_MS, Playing, Recording, ReplayClock, play

SLOPE_LIMIT_MB_PER_HOUR = 1.0
REAL_SECONDS = 600
REAL_WARM_UP_SECONDS = 150
DAY_SECONDS = 86_400
DAY_WARM_UP_SECONDS = 7_200
SAMPLE_EVERY_FRAGMENTS = 120
"""One virtual minute."""
FRAGMENTS_PER_SECOND = 2
KIB = 1024
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """A line through samples of resident memory."""

    mb_per_hour: float
    first_mb: float
    last_mb: float
    samples: int


def growth(samples: list[tuple[float, int]], *, warm_up_seconds: float) -> Growth:
    """Least squares over (seconds, bytes) after the warm-up; memory in MB of 10^6 bytes."""
    kept = [(at / 3600, size / 1e6) for at, size in samples if at >= warm_up_seconds]
    mean_at = sum(at for at, _ in kept) / len(kept)
    mean_mb = sum(size for _, size in kept) / len(kept)
    spread = sum((at - mean_at) ** 2 for at, _ in kept)
    slope = sum((at - mean_at) * (size - mean_mb) for at, size in kept) / spread
    return Growth(mb_per_hour=slope, first_mb=kept[0][1], last_mb=kept[-1][1], samples=len(kept))


def resident_bytes(pid: int | str) -> int:
    """What a process holds now."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise LookupError(f"no resident memory of {pid}")
    return int(found.group(1)) * KIB


# -- ten real minutes ---------------------------------------------------------------------------------------------


def real_minutes(folder: Path, *, seconds: int = REAL_SECONDS, every_seconds: float = 1.0) -> list[tuple[float, int]]:
    """`python -m sim` with its real threads and libraries, watched from outside; its world is another process."""
    command = [sys.executable, "-m", "sim", "--spool", str(folder / "spool"), "--seconds", str(seconds)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    started, samples = time.monotonic(), []
    while not _ended_within(process, every_seconds):
        samples.append((time.monotonic() - started, resident_bytes(process.pid)))
    if process.returncode != 0:
        raise RuntimeError(f"liuhen sim ended with {process.returncode}")
    return [(at, size) for at, size in samples if at < seconds]


def _ended_within(process: subprocess.Popen[bytes], limit_seconds: float) -> bool:
    try:
        process.wait(limit_seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


# -- a day of packets ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Onlooker:
    """Samples memory by the number of fragments, and takes stated files away as offload will."""

    sessions: Path
    leak: Callable[[], None] = lambda: None
    fragments: int = 0
    samples: list[tuple[float, int]] = field(default_factory=list)

    def fragment(self, segment: int, fragment: int, r: bytes) -> None:
        """One more is durable."""
        self.fragments += 1
        self.leak()
        if self.fragments % SAMPLE_EVERY_FRAGMENTS == 0:
            self.samples.append((self.fragments / FRAGMENTS_PER_SECOND, resident_bytes("self")))
            for path in sorted(self.sessions.glob("*/*.mp4"))[:-2]:
                path.unlink()

    def entry(self, seq: int, digest: bytes) -> None:
        """Nothing."""

    def status(self, status: Status) -> None:
        """Nothing."""

    def said(self, words_zh: str, words_en: str) -> None:
        """Nothing."""


def virtual_time(
    folder: Path, *, seconds: int = DAY_SECONDS, leak: Callable[[], None] = lambda: None
) -> list[tuple[float, int]]:
    """Small prepared packets through queue, segmenter, muxer, sealing, WRITER, CONTROL and journal, on a real disk.

    Left out: the capture libraries, the encoders, the threads and the live display.
    """
    identity = demo_identity(folder / "spool", folder / "keys", now_utc_ms=UTC_MS)
    base = Config()
    config = replace(
        base,
        spool=replace(base.spool, directory=folder / "spool", minimum_free_hours=0.1),
        key=replace(base.key, file=identity.key_file, endorsements=(identity.endorsement_file,)),
    )
    onlooker = Onlooker(sessions=folder / "spool" / "sessions", leak=leak)
    playing = Playing(
        config=config, recording=small_recording(), seconds=seconds, clock=ReplayClock(), watcher=onlooker
    )
    ended = play(playing)
    if not ended.clean:
        raise RuntimeError(ended.words_en)
    return onlooker.samples


def small_recording() -> Recording:
    """Two seconds of 64x64 pictures and a tone at the default rates."""
    units = pictures(count=2 * FRAMES_PER_SECOND, width=64, height=64)
    made = sound(samples=RATE_HZ)
    return Recording(
        picture=PictureFormat(width=64, height=64, frames_per_second=FRAMES_PER_SECOND),
        sound=SoundFormat(rate_hz=RATE_HZ, channels=1, streaminfo=made.track.streaminfo),
        pictures=tuple((0, unit, index % FRAMES_PER_SECOND == 0) for index, unit in enumerate(units)),
        sounds=tuple((0, payload, FLAC_FRAME_SAMPLES) for payload in made.packets),
    )


# -- the campaign ---------------------------------------------------------------------------------------------


def campaign(folder: Path) -> tuple[list[str], bool]:
    """Both, with their slopes."""
    (folder / "real").mkdir()
    (folder / "day").mkdir()
    day = slope_in_own_process(folder / "day", seconds=DAY_SECONDS, warm_up_seconds=DAY_WARM_UP_SECONDS)
    real = growth(real_minutes(folder / "real"), warm_up_seconds=REAL_WARM_UP_SECONDS)
    lines = [
        _line("ten real minutes of `python -m sim` (720p25, real picamera2 and PortAudio)", real),
        _line("a virtual day of prepared packets (no capture library, encoder, thread or display)", day),
        f"bound: {SLOPE_LIMIT_MB_PER_HOUR} MB per hour",
    ]
    return lines, max(real.mb_per_hour, day.mb_per_hour) < SLOPE_LIMIT_MB_PER_HOUR


def _line(what: str, grown: Growth) -> str:
    return (
        f"{what}: {grown.mb_per_hour:+.3f} MB per hour, {grown.samples} samples after the warm-up, "
        f"first {grown.first_mb:.1f} MB, last {grown.last_mb:.1f} MB"
    )


def slope_in_own_process(folder: Path, *, seconds: int, warm_up_seconds: float, leak_bytes: int = 0) -> Growth:
    """A stretch of virtual time in a fresh interpreter: a used one has room in its pools that would hide a leak."""
    command = [sys.executable, "-m", "tests.memory", str(folder), str(seconds), str(warm_up_seconds), str(leak_bytes)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    mb_per_hour, first_mb, last_mb, samples = done.stdout.split()
    return Growth(
        mb_per_hour=float(mb_per_hour), first_mb=float(first_mb), last_mb=float(last_mb), samples=int(samples)
    )


def main() -> int:
    """`python -m tests.memory FOLDER SECONDS WARM_UP_SECONDS LEAK_BYTES`: the growth over so much virtual time."""
    folder, seconds, warm_up_seconds, leak_bytes = Path(sys.argv[1]), *map(int, sys.argv[2:5])
    kept: list[bytearray] = []
    leak = (lambda: kept.append(bytearray(leak_bytes))) if leak_bytes else (lambda: None)
    grown = growth(virtual_time(folder, seconds=seconds, leak=leak), warm_up_seconds=warm_up_seconds)
    sys.stdout.write(f"{grown.mb_per_hour} {grown.first_mb} {grown.last_mb} {grown.samples}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
