"""FLAC gives back every bit, whatever the sizes of the blocks, judged by the ffmpeg command line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.flac import FlacEncoder

RATE_HZ = 48_000


def noise(samples: int, channels: int) -> bytes:
    return np.random.default_rng(7).integers(-32768, 32768, samples * channels, dtype=np.int16).astype("<i2").tobytes()


def encoded(pcm: bytes, channels: int, block_samples: list[int]) -> tuple[FlacEncoder, list[tuple[bytes, int]]]:
    encoder = FlacEncoder(RATE_HZ, channels)
    packets, position, frame_bytes = [], 0, 2 * channels
    for samples in block_samples:
        packets += encoder.encode(pcm[position : position + samples * frame_bytes])
        position += samples * frame_bytes
    return encoder, packets + encoder.encode(pcm[position:]) + encoder.flush()


def decoded(streaminfo: bytes, packets: list[tuple[bytes, int]], folder: Path) -> bytes:
    """Decode by FFmpeg's command: a native FLAC file is "fLaC", the last metadata block, the frames (RFC 9639, 6-9)."""
    file = folder / "sound.flac"
    file.write_bytes(b"fLaC\x80\x00\x00\x22" + streaminfo + b"".join(payload for payload, _ in packets))
    command = ["ffmpeg", "-v", "error", "-i", str(file), "-f", "s16le", "-"]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


@pytest.mark.oracle
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(channels=st.sampled_from([1, 2]), blocks=st.lists(st.integers(0, 5000), max_size=8), rest=st.integers(1, 3000))
def test_ffmpeg_decodes_every_bit_for_any_block_sizes(
    tmp_path: Path, channels: int, blocks: list[int], rest: int
) -> None:
    pcm = noise(sum(blocks) + rest, channels)
    encoder, packets = encoded(pcm, channels, blocks)
    assert decoded(encoder.streaminfo, packets, tmp_path) == pcm
    assert [samples for _, samples in packets[:-1]] == [1200] * (len(packets) - 1)
    assert sum(samples for _, samples in packets) == sum(blocks) + rest


@pytest.mark.oracle
def test_a_missing_packet_is_missed(tmp_path: Path) -> None:
    pcm = noise(12_000, 1)
    encoder, packets = encoded(pcm, 1, [])
    assert decoded(encoder.streaminfo, packets, tmp_path) == pcm
    assert decoded(encoder.streaminfo, packets[:3] + packets[4:], tmp_path) != pcm


def test_the_stream_describes_itself_before_the_first_sample() -> None:
    streaminfo = FlacEncoder(RATE_HZ, 2, 1024).streaminfo
    rate_channels_bits = int.from_bytes(streaminfo[10:18])
    assert len(streaminfo) == 34
    assert (int.from_bytes(streaminfo[0:2]), int.from_bytes(streaminfo[2:4])) == (1024, 1024)
    assert rate_channels_bits >> 44 == RATE_HZ
    assert rate_channels_bits >> 41 & 7 == 2 - 1
    assert rate_channels_bits >> 36 & 31 == 16 - 1


def test_the_encoder_says_how_much_it_holds_back() -> None:
    encoder = FlacEncoder(RATE_HZ, 1)
    assert encoder.encode(noise(1000, 1)) == []
    assert encoder.waiting_samples == 1000
    assert [samples for _, samples in encoder.encode(noise(300, 1))] == [1200]
    assert encoder.waiting_samples == 100
    assert [samples for _, samples in encoder.flush()] == [100]


def test_an_empty_stream_has_no_packet() -> None:
    assert FlacEncoder(RATE_HZ, 1).flush() == []
