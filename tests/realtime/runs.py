"""Real recordings for the tests: `liuhen sim` as a process of its own, what came out of it, and what truly happened.

Owns the process it starts and everything below it: all of it has ended when a call returns, however it returns. The
truth is what the world process wrote; nothing here asks the recorder what it recorded.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from edge.provision import demo_identity
from tests.decoded import SegmentFacts, TrueFrame, decode_segment, true_frames

BIN = Path(sys.executable).parent
RATE_HZ = 48_000
SAMPLE_BYTES = 2
ROOM_TO_START_AND_END_SECONDS = 90.0
NS = 1_000_000_000

Tally = tuple[int, int]
"""Fragments and journal entries acknowledged so far."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One session as it lies on disk, and how the process that made it ended. What is decoded is decoded once."""

    spool: Path
    truth: Path
    session: str
    exit_code: int
    terminal: str
    acknowledgements: tuple[str, ...]
    microphone_ppm: float

    @property
    def trust(self) -> Path:
        """The trust file given beside the truth, from outside the archive."""
        return self.truth / "trust.file"

    @property
    def segments(self) -> list[Path]:
        """The session's files in order."""
        return sorted((self.spool / "sessions" / self.session).glob("*.mp4"))

    @cached_property
    def decoded(self) -> tuple[list[SegmentFacts], bytes]:
        """Each segment as the ffmpeg command line decodes it, and all sound in one piece."""
        with ThreadPoolExecutor(max_workers=2) as pool:
            parts = list(pool.map(_decoded, self.segments))
        begins = accumulate((facts.samples for facts, _ in parts), initial=0)
        counted = [replace(facts, first_sample=first) for (facts, _), first in zip(parts, begins, strict=False)]
        return counted, b"".join(heard for _, heard in parts)

    @property
    def facts(self) -> list[SegmentFacts]:
        """What is in each segment."""
        return self.decoded[0]

    @property
    def sound(self) -> bytes:
        """All decoded PCM, s16le."""
        return self.decoded[1]

    @property
    def counters(self) -> list[int | None]:
        """The counter of every decoded picture over all segments."""
        return [counter for facts in self.facts for counter in facts.counters]

    @cached_property
    def true_frames(self) -> dict[int, TrueFrame]:
        """Every frame time of the sensor by its counter."""
        return {frame.counter: frame for frame in true_frames(self.truth)}

    @cached_property
    def true_sound(self) -> bytes:
        """Every sample the sound device was given."""
        return (self.truth / "sound.pcm").read_bytes()

    def first_true_sample(self) -> int:
        """Where in the true sound the decoded sound begins; -1 where its first second is nowhere in it."""
        return position_of(self.sound[: RATE_HZ * SAMPLE_BYTES], self.true_sound)

    def sample_ns(self, number: int) -> float:
        """The BOOTTIME at which a sample of the true sound began, from the world's own notes."""
        moments = [json.loads(line) for line in (self.truth / "moments.jsonl").read_text().splitlines()]
        last = max((moment for moment in moments if moment["sample"] <= number), key=lambda moment: moment["sample"])
        since: int = number - last["sample"]
        began_ns: int = last["boottime_ns"]
        return began_ns + since * NS / (RATE_HZ * (1 + self.microphone_ppm / 1e6))


def _decoded(path: Path) -> tuple[SegmentFacts, bytes]:
    heard = bytearray()
    return decode_segment(path, hear=heard.extend), bytes(heard)


def position_of(part: bytes, whole: bytes) -> int:
    """The sample at which `part` is found in `whole`, -1 if nowhere; both are s16le of one channel."""
    found = whole.find(part)
    while found > 0 and found % SAMPLE_BYTES:
        found = whole.find(part, found + 1)
    return found // SAMPLE_BYTES if found >= 0 else -1


def demo_configuration(folder: Path, *, segment_seconds: int) -> Path:
    """A configuration file with a demo key of its own and segments of another length, for the spool in `folder`."""
    spool = folder / "spool"
    identity = demo_identity(spool, folder / "keys", now_utc_ms=time.time_ns() // 1_000_000)
    file = folder / "recorder.toml"
    file.write_text(
        f'[spool]\ndirectory = "{spool}"\nminimum_free_hours = 0.1\n'
        f'[key]\nfile = "{identity.key_file}"\nendorsements = ["{identity.endorsement_file}"]\n'
        f"[segment]\nseconds = {segment_seconds}\n"
    )
    return file


def record(
    folder: Path,
    *options: str,
    seconds: float,
    truth: str = "truth",
    truth_in: Path | None = None,
    microphone_ppm: float = 0.0,
    interrupt_when: Callable[[Tally], bool] | None = None,
) -> Recording:
    """Record one session into `folder/spool`. With `interrupt_when`, Ctrl-C is pressed as soon as it says so.

    The truth lies in `truth_in`, or beside the spool; there its writing waits for the flushes of the recording.
    """
    spool, truth_folder = folder / "spool", (truth_in or folder) / truth
    command = [str(BIN / "liuhen"), "sim", "--spool", str(spool), "--truth", str(truth_folder), *options]
    command += ["--seconds", str(seconds), "--microphone-ppm", str(microphone_ppm)]
    before = _sessions(spool)
    terminal = folder / f"{truth}.terminal"
    with terminal.open("wb") as shown:
        exit_code, lines = _run(command, shown.fileno(), seconds, interrupt_when)
    made = _sessions(spool) - before
    assert len(made) == 1, f"expected one new session, found {sorted(made)}; the terminal says {terminal.read_text()}"
    return Recording(
        spool=spool,
        truth=truth_folder,
        session=made.pop(),
        exit_code=exit_code,
        terminal=terminal.read_text(),
        acknowledgements=tuple(lines),
        microphone_ppm=microphone_ppm,
    )


def verifier(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, output and error output of `liuhen-verify`."""
    command = [str(BIN / "liuhen-verify"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout, done.stderr


def verified(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
    """Exit code and the object `liuhen-verify --json` prints."""
    code, output, error = verifier(*arguments, "--json")
    assert output, error
    answer: dict[str, Any] = json.loads(output)
    return code, answer


def _sessions(spool: Path) -> set[str]:
    return {folder.name for folder in (spool / "sessions").glob("*")}


def _run(
    command: list[str], shown: int, seconds: float, interrupt_when: Callable[[Tally], bool] | None
) -> tuple[int, list[str]]:
    """Run to the end; returns exit code and the acknowledgement lines."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as acknowledged:
        try:
            command = [*command, "--acks", str(writing)]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=shown, stderr=shown, pass_fds=(writing,), process_group=0
            )
        finally:
            os.close(writing)
        with _ended_at_last(process):
            deadline = time.monotonic() + seconds + ROOM_TO_START_AND_END_SECONDS
            lines: list[str] = []
            for line in _lines(acknowledged.fileno(), deadline):
                lines.append(line)
                if interrupt_when is not None and interrupt_when(_tally(lines)):
                    interrupt_when = None
                    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole foreground group
            return process.wait(max(0.0, deadline - time.monotonic())), lines


def _tally(lines: list[str]) -> Tally:
    fragments = sum(line.startswith("F ") for line in lines)
    return fragments, len(lines) - fragments


def _lines(descriptor: int, deadline: float) -> Iterator[str]:
    """Lines until the other end is closed; TimeoutError at the deadline."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            chunk = os.read(descriptor, 65536)
            if not chunk:
                return
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line.decode() for line in whole)
    raise TimeoutError("the recorder did not end within its time")


@contextmanager
def _ended_at_last(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever happens, the process is gone; its world follows it, for its life line is the recorder's."""
    try:
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
