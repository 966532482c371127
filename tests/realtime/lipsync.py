"""How far sound is from its picture in one segment: what a player presents, against when the sensors took it.

Owns short-lived ffprobe processes. Presentation times are ffprobe's, capture times the simulated world's own notes.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.decoded import NotDecodable, SegmentFacts
from tests.realtime.runs import NS, RATE_HZ, Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class LipSync:
    """Milliseconds by which sound is presented too late (negative: too early), at both ends of a segment.

    `picture_ms` is the largest distance of any picture from its capture time, the first picture of the file being 0.
    """

    segment: str
    start_ms: float
    end_ms: float
    picture_ms: float

    @property
    def worst_ms(self) -> float:
        """The larger of both ends."""
        return max(abs(self.start_ms), abs(self.end_ms))


def lip_sync(recording: Recording, segments: Sequence[SegmentFacts]) -> Iterator[LipSync]:
    """One measurement for each of these segments of a recording with picture and sound."""
    first = recording.first_true_sample()
    for facts in segments:
        yield _of_segment(recording, facts, first + facts.first_sample, presentation_times(facts.path))


def presentation_times(path: Path) -> dict[str, list[float]]:
    """Seconds at which each packet is presented, by kind of stream; NotDecodable when ffprobe complains."""
    entries = "stream=index,codec_type:packet=stream_index,pts_time"
    command = ["ffprobe", "-v", "warning", "-show_entries", entries, "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode or done.stderr.strip():
        raise NotDecodable(f"{path}: exit code {done.returncode}: {done.stderr}")
    said = json.loads(done.stdout)
    kinds = {stream["index"]: stream["codec_type"] for stream in said["streams"]}
    times: dict[str, list[float]] = {kind: [] for kind in kinds.values()}
    for packet in said["packets"]:
        times[kinds[packet["stream_index"]]].append(float(packet["pts_time"]))
    return {kind: sorted(shown) for kind, shown in times.items()}


def _of_segment(recording: Recording, facts: SegmentFacts, first_sample: int, times: dict[str, list[float]]) -> LipSync:
    shown, heard = times["video"], times["audio"][0]
    taken_ns = [recording.true_frames[counter].sensor_ns for counter in facts.counters if counter is not None]
    assert len(taken_ns) == len(shown), f"{facts.path}: {len(shown)} presented, {len(taken_ns)} decoded"
    offsets_ms = [1000 * (at - shown[0]) - (ns - taken_ns[0]) / 1e6 for at, ns in zip(shown, taken_ns, strict=True)]
    ends_heard = heard + facts.samples / RATE_HZ
    starts_ns = recording.sample_ns(first_sample)
    ends_ns = recording.sample_ns(first_sample + facts.samples)
    return LipSync(
        segment=facts.path.name,
        start_ms=1000 * (heard - shown[0] - (starts_ns - taken_ns[0]) / NS),
        end_ms=1000 * (ends_heard - shown[-1] - (ends_ns - taken_ns[-1]) / NS),
        picture_ms=max(map(abs, offsets_ms)),
    )
