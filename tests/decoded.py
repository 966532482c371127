"""What a recording holds when somebody else decodes it: the ffmpeg command line, and nothing of ours but the strip.

Owns short-lived ffmpeg and ffprobe processes and one temporary file at a time. Everything is read in passing, so an
hour fits into memory: a session is walked segment by segment, frame counters are numbers, sound is compared block by
block.
"""

from __future__ import annotations

import json
import math
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy

from sim import strip

LIMIT_SECONDS = 120
STRIP_BYTES = strip.WIDTH * strip.HEIGHT
BLOCK_BYTES = 1 << 20
LATEST_START_SECONDS = 5


class NotDecodable(AssertionError):
    """ffmpeg said something about the file; a recording must decode without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFacts:
    """One decoded segment. A counter is None where the strip could not be read. `samples` counts PCM frames.

    The seconds say where each stream begins in presentation time; None where the file's moov names no such stream.
    """

    path: Path
    counters: tuple[int | None, ...]
    samples: int
    first_sample: int
    picture_seconds: float | None
    sound_seconds: float | None

    @property
    def sound_after_picture_seconds(self) -> float | None:
        """How much later than the picture the sound begins, as a player presents it."""
        if self.picture_seconds is None or self.sound_seconds is None:
            return None
        return self.sound_seconds - self.picture_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundComparison:
    """How a session's decoded sound compares with the truth: `same_samples` agree from the start on without a break."""

    decoded_samples: int
    true_samples: int
    same_samples: int

    @property
    def exact(self) -> bool:
        """Every sample, bit for bit, and no more and no fewer."""
        return self.decoded_samples == self.true_samples == self.same_samples


def decode_session(
    segments: Sequence[Path], *, channels: int = 1, hear: Callable[[bytes], None] | None = None
) -> Iterator[SegmentFacts]:
    """Decode segments in order; `hear` is given all PCM (s16le) in blocks. Raises NotDecodable."""
    first_sample = 0
    for path in segments:
        facts = decode_segment(path, channels=channels, first_sample=first_sample, hear=hear)
        first_sample += facts.samples
        yield facts


def decode_segment(
    path: Path, *, channels: int = 1, first_sample: int = 0, hear: Callable[[bytes], None] | None = None
) -> SegmentFacts:
    """Decode one file with one ffmpeg: the strip of every picture over a pipe, the PCM into a temporary file."""
    starts = stream_starts(path)
    with tempfile.NamedTemporaryFile() as pcm:
        counters = tuple(_decoded(path, picture="video" in starts, pcm=pcm.name if "audio" in starts else None))
        samples = pcm.seek(0, 2) // (2 * channels)
        if hear is not None:
            _tell(pcm, hear)
    return SegmentFacts(
        path=path,
        counters=counters,
        samples=samples,
        first_sample=first_sample,
        picture_seconds=starts.get("video"),
        sound_seconds=starts.get("audio"),
    )


def stream_starts(path: Path) -> dict[str, float]:
    """The kinds of streams the file's moov names ("video", "audio"), and the presentation time each begins at, in s."""
    entries = "stream=index,codec_type:packet=stream_index,pts_time"
    options = ["-v", "error", "-read_intervals", f"%+{LATEST_START_SECONDS}", "-show_entries", entries, "-of", "json"]
    said = json.loads(_probe(["ffprobe", *options, str(path)]))
    return {stream["codec_type"]: _first_time(said["packets"], stream["index"]) for stream in said["streams"]}


def _first_time(packets: list[dict[str, Any]], index: int) -> float:
    """Infinite where a stream the moov names has no packet."""
    return next((float(packet["pts_time"]) for packet in packets if packet["stream_index"] == index), math.inf)


class SoundAgainstTruth:
    """Hears a session's PCM and compares it with a file of the true PCM as it goes."""

    def __init__(self, truth: Path, *, channels: int = 1) -> None:
        self._truth = truth
        self._frame_bytes = 2 * channels
        self._heard = self._same = 0

    def hear(self, pcm: bytes) -> None:
        """Take the next PCM of the recording."""
        if self._same == self._heard:
            with self._truth.open("rb") as file:
                file.seek(self._heard)
                self._same += _common_bytes(pcm, file.read(len(pcm)))
        self._heard += len(pcm)

    def judge(self) -> SoundComparison:
        """How it went, after everything was heard."""
        return SoundComparison(
            decoded_samples=self._heard // self._frame_bytes,
            true_samples=self._truth.stat().st_size // self._frame_bytes,
            same_samples=self._same // self._frame_bytes,
        )


def _common_bytes(left: bytes, right: bytes) -> int:
    if left == right:
        return len(left)
    return next(
        (place for place, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueFrame:
    """One frame time of the sensor as the world wrote it down."""

    counter: int
    sensor_ns: int
    delivered: bool


def true_frames(truth: Path) -> Iterator[TrueFrame]:
    """The lines of frames.jsonl."""
    with (truth / "frames.jsonl").open(encoding="ascii") as lines:
        for line in lines:
            yield TrueFrame(**json.loads(line))


def out_of_order(counters: Sequence[int | None]) -> list[tuple[int | None, int | None]]:
    """Neighbours that are not each other's successor: empty when every frame is there once and in order."""
    return [(a, b) for a, b in pairwise(counters) if a is None or b is None or b != a + 1]


def _decoded(path: Path, *, picture: bool, pcm: str | None) -> Iterator[int | None]:
    """The counter of every picture, in the order a decoder gives them; only the strip crosses the pipe."""
    crop = f"crop={strip.WIDTH}:{strip.HEIGHT}:0:0,format=gray"
    command = ["ffmpeg", "-v", "warning", "-nostdin", "-y", "-i", str(path)]
    if picture:
        command += ["-map", "0:v", "-fps_mode", "passthrough", "-vf", crop, "-f", "rawvideo", "-"]
    if pcm is not None:
        command += ["-map", "0:a", "-f", "s16le", pcm]
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints) as decoder,
    ):
        if decoder.stdout is None:
            raise NotDecodable("ffmpeg has no pipe")
        while luma := decoder.stdout.read(STRIP_BYTES):
            yield strip.read(numpy.frombuffer(luma, numpy.uint8).reshape(strip.HEIGHT, strip.WIDTH))
        _judge(path, decoder.wait(LIMIT_SECONDS), complaints)


def _probe(command: list[str]) -> bytes:
    with tempfile.TemporaryFile() as complaints:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=complaints, check=False, timeout=LIMIT_SECONDS)
        _judge(Path(command[-1]), done.returncode, complaints)
        return done.stdout


def _judge(path: Path, code: int, complaints: IO[bytes]) -> None:
    complaints.seek(0)
    words = complaints.read().decode(errors="replace").strip()
    if code or words:
        raise NotDecodable(f"{path}: exit code {code}: {words[:2000]}")


def _tell(pcm: IO[bytes], hear: Callable[[bytes], None]) -> None:
    pcm.seek(0)
    while block := pcm.read(BLOCK_BYTES):
        hear(block)
