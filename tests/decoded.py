"""What a recording holds when somebody else decodes it: the ffmpeg command line, and nothing of ours but the strip.

Owns short-lived ffmpeg and ffprobe processes and one temporary file at a time. Everything is read in passing, so an
hour fits into memory: a session is walked segment by segment, frame counters are numbers, sound is compared block by
block.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO

import numpy

from sim import strip

LIMIT_SECONDS = 120
STRIP_BYTES = strip.WIDTH * strip.HEIGHT
BLOCK_BYTES = 1 << 20


class NotDecodable(AssertionError):
    """ffmpeg said something about the file; a recording must decode without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStart:
    """Where a stream begins in its file: seconds of presentation time, as ffprobe gives them, and its packet count."""

    seconds: float
    packets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFacts:
    """One decoded segment. A counter is None where the strip could not be read. `samples` counts PCM frames.

    `picture` and `sound` are None where the file has no such stream.
    """

    path: Path
    counters: tuple[int | None, ...]
    samples: int
    first_sample: int
    picture: StreamStart | None
    sound: StreamStart | None

    @property
    def sound_after_picture_seconds(self) -> float | None:
        """How much later than the picture the sound begins, as a player presents it."""
        if self.picture is None or self.sound is None:
            return None
        return self.sound.seconds - self.picture.seconds


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


def decode_session(segments: Sequence[Path], *, channels: int = 1, sound: IO[bytes] | None = None) -> Iterator[SegmentFacts]:
    """Decode segments in order; all PCM (s16le) is appended to `sound` if given. Raises NotDecodable."""
    first_sample = 0
    for path in segments:
        facts = decode_segment(path, channels=channels, first_sample=first_sample, sound=sound)
        first_sample += facts.samples
        yield facts


def decode_segment(
    path: Path, *, channels: int = 1, first_sample: int = 0, sound: IO[bytes] | None = None
) -> SegmentFacts:
    """Decode one file with one ffmpeg: the strip of every picture over a pipe, the PCM into a temporary file."""
    starts = stream_starts(path)
    counters: tuple[int | None, ...] = ()
    samples = 0
    with tempfile.TemporaryFile() as pcm:
        if "video" in starts:
            counters = tuple(_decoded_counters(path))
        if "audio" in starts:
            _run(["ffmpeg", *_QUIET, "-i", str(path), "-map", "0:a", "-f", "s16le", "-"], pcm)
            samples = _size(pcm) // (2 * channels)
            if sound is not None:
                _append(pcm, sound)
    return SegmentFacts(
        path=path,
        counters=counters,
        samples=samples,
        first_sample=first_sample,
        picture=starts.get("video"),
        sound=starts.get("audio"),
    )


def stream_starts(path: Path) -> dict[str, StreamStart]:
    """The kinds of streams the file's moov names ("video", "audio"), and where each begins."""
    entries = "stream=index,codec_type,nb_read_packets:packet=stream_index,pts_time"
    command = ["ffprobe", "-v", "error", "-count_packets", "-show_entries", entries, "-of", "json", str(path)]
    said = json.loads(_run(command))
    starts: dict[str, StreamStart] = {}
    for stream in said["streams"]:
        times = (float(p["pts_time"]) for p in said["packets"] if p["stream_index"] == stream["index"])
        packets = int(stream.get("nb_read_packets", 0))
        starts[stream["codec_type"]] = StreamStart(seconds=next(times, float("nan")), packets=packets)
    return starts


def compare_sound(decoded: Path, truth: Path, *, channels: int = 1) -> SoundComparison:
    """Compare two files of PCM block by block."""
    frame_bytes = 2 * channels
    same = 0
    with decoded.open("rb") as ours, truth.open("rb") as theirs:
        while True:
            left, right = ours.read(BLOCK_BYTES), theirs.read(BLOCK_BYTES)
            if left != right or not left:
                same += next((i for i, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]),
                             min(len(left), len(right)))  # fmt: skip
                break
            same += len(left)
    return SoundComparison(
        decoded_samples=decoded.stat().st_size // frame_bytes,
        true_samples=truth.stat().st_size // frame_bytes,
        same_samples=same // frame_bytes,
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


_QUIET = ["-v", "warning", "-nostdin"]


def _decoded_counters(path: Path) -> Iterator[int | None]:
    """The counter of every picture, in the order a decoder gives them; only the strip crosses the pipe."""
    crop = f"crop={strip.WIDTH}:{strip.HEIGHT}:0:0,format=gray"
    options = ["-map", "0:v", "-fps_mode", "passthrough", "-vf", crop, "-f", "rawvideo", "-"]
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            ["ffmpeg", *_QUIET, "-i", str(path), *options], stdout=subprocess.PIPE, stderr=complaints
        ) as decoder,
    ):
        if decoder.stdout is None:
            raise NotDecodable("ffmpeg has no pipe")
        while picture := decoder.stdout.read(STRIP_BYTES):
            yield strip.read(numpy.frombuffer(picture, numpy.uint8).reshape(strip.HEIGHT, strip.WIDTH))
        _judge(path, decoder.wait(LIMIT_SECONDS), complaints)


def _run(command: list[str], output: IO[bytes] | None = None) -> bytes:
    with tempfile.TemporaryFile() as complaints:
        target = subprocess.PIPE if output is None else output
        done = subprocess.run(command, stdout=target, stderr=complaints, check=False, timeout=LIMIT_SECONDS)
        _judge(Path(command[-1]), done.returncode, complaints)
        return done.stdout or b""


def _judge(path: Path, code: int, complaints: IO[bytes]) -> None:
    complaints.seek(0)
    words = complaints.read().decode(errors="replace").strip()
    if code or words:
        raise NotDecodable(f"{path}: exit code {code}: {words[:2000]}")


def _size(file: IO[bytes]) -> int:
    return file.seek(0, 2)


def _append(source: IO[bytes], target: IO[bytes]) -> None:
    source.seek(0)
    while block := source.read(BLOCK_BYTES):
        target.write(block)
