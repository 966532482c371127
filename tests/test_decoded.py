"""The measuring tools themselves: each must be able to say no."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import pytest

from tests.decoded import NotDecodable, SoundAgainstTruth, decode_segment, out_of_order, stream_starts
from tests.sim.virtual_session import Casting, Recorded, record


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return record(tmp_path_factory.mktemp("short"), Casting(seconds=4))


def remade(source: Path, target: Path, *options: str) -> Path:
    """Rewrite a file with ffmpeg, for a fault that is known."""
    copied = ("-c", "copy", "-strict", "-2", str(target))
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", str(source), *options, *copied]
    subprocess.run(command, check=True, timeout=60)
    return target


def test_a_recording_is_read_back_with_its_counters_and_samples(recorded: Recorded) -> None:
    facts = decode_segment(recorded.segments()[0])
    assert facts.counters == tuple(range(len(facts.counters)))
    assert len(facts.counters) > 90
    assert facts.samples > 3.9 * 48_000


def test_a_missing_frame_breaks_the_order() -> None:
    assert out_of_order([3, 4, 5]) == []
    assert out_of_order([3, 5]) == [(3, 5)]
    assert out_of_order([3, 3]) == [(3, 3)]
    assert out_of_order([3, None]) == [(3, None)]


def test_a_file_that_does_not_decode_is_no_silence(recorded: Recorded, tmp_path: Path) -> None:
    damaged = bytearray(recorded.segments()[0].read_bytes())
    at = damaged.index(b"mdat") + 400
    damaged[at : at + 2000] = bytes(2000)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(damaged)
    with pytest.raises(NotDecodable, match=r"broken\.mp4"):
        decode_segment(broken)


def test_a_shift_between_picture_and_sound_is_measured(recorded: Recorded, tmp_path: Path) -> None:
    source = recorded.segments()[0]
    plain = decode_segment(source).sound_after_picture_seconds
    later = ("-itsoffset", "0.25", "-i", str(source), "-map", "0:v", "-map", "1:a")
    shifted = decode_segment(remade(source, tmp_path / "shifted.mp4", *later)).sound_after_picture_seconds
    assert plain is not None
    assert shifted == pytest.approx(plain + 0.25, abs=0.002)


def test_a_file_names_only_the_streams_it_has(recorded: Recorded, tmp_path: Path) -> None:
    source = recorded.segments()[0]
    assert set(stream_starts(source)) == {"video", "audio"}
    assert set(stream_starts(remade(source, tmp_path / "sound.mp4", "-map", "0:a"))) == {"audio"}
    assert all(map(math.isfinite, stream_starts(source).values()))


@pytest.mark.parametrize(
    ("heard", "same"),
    [
        ([b"\x01\x02\x03\x04", b"\x05\x06"], 3),
        ([b"\x01\x02\x03\x09", b"\x05\x06"], 1),
        ([b"\x01\x02"], 1),
        ([b"\x01\x02\x03\x04\x05\x06\x07\x08"], 3),
    ],
)
def test_sound_is_exact_only_when_every_sample_is_there_and_equal(
    heard: list[bytes], same: int, tmp_path: Path
) -> None:
    truth = tmp_path / "sound.pcm"
    truth.write_bytes(b"\x01\x02\x03\x04\x05\x06")
    comparison = SoundAgainstTruth(truth)
    for pcm in heard:
        comparison.hear(pcm)
    assert comparison.judge().same_samples == same
    assert comparison.judge().exact is (heard == [b"\x01\x02\x03\x04", b"\x05\x06"])
