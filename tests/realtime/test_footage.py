"""A real face and a real voice through the simulated sensors: the same promises, and what was filmed is what is seen.

The clips come from packages (CONTRIBUTING.md, "Real footage"). A contact sheet of each room is kept in artefacts/.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray

from tests import footage
from tests.decoded import out_of_order
from tests.realtime.conftest import ARTEFACTS
from tests.realtime.contact_sheet import COLUMNS, ROWS, THUMBNAIL_COLUMNS, contact_sheet
from tests.realtime.runs import RATE_HZ, SAMPLE_BYTES, Recording

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(420)]

EVERY, EVERY_FEW = 61, 19
"""Pictures between two thumbnails of a long and of a short segment; the face's clip repeats at neither."""
SMALL_COLUMNS, SMALL_ROWS = 88, 72
FREE_ROWS = slice(8, 56)
"""Rows of the small picture with neither counter strip nor caption."""
CLIP_IN_720P = "crop=960:720:160:0,"
"""Where a clip of 4:3 stands in a picture of 16:9."""

Luma = NDArray[numpy.float32]


def luma_of(file: Path, prepare: str = "") -> Luma:
    """Every picture of a file as small luma."""
    filters = f"{prepare}scale={SMALL_COLUMNS}:{SMALL_ROWS},format=gray"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", str(file), "-map", "0:v", "-vf", filters]
    raw = subprocess.run([*command, "-f", "rawvideo", "-"], check=True, capture_output=True, timeout=60).stdout
    small = numpy.frombuffer(raw, numpy.uint8).reshape(-1, SMALL_ROWS, SMALL_COLUMNS)
    return small[:, FREE_ROWS].astype(numpy.float32)


def nearest(picture: Luma, clip: Luma) -> tuple[int, float]:
    """The most similar picture of the clip, and the mean difference to it in luma steps."""
    distances = numpy.abs(clip - picture).mean(axis=(1, 2))
    return int(distances.argmin()), float(distances.min())


def likeness(part: bytes, voice: bytes) -> float:
    """The largest normalised correlation of a stretch of PCM with any place in a longer one."""
    short, long = (numpy.frombuffer(pcm, "<i2").astype(numpy.float64) for pcm in (part, voice))
    size = 1 << (len(long) + len(short)).bit_length()
    products = numpy.fft.irfft(numpy.fft.rfft(long, size) * numpy.fft.rfft(short, size).conj(), size)
    energy = numpy.concatenate(([0.0], numpy.cumsum(long**2)))
    places = len(long) - len(short)
    loudness = numpy.sqrt((energy[len(short) :] - energy[: -len(short)])[:places]) * numpy.sqrt((short**2).sum())
    return float((products[:places] / numpy.maximum(loudness, 1.0)).max())


def voice_pcm() -> bytes:
    """The voice at the microphone's rate, twice over, as the loop plays it."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", str(footage.voice_clip()), "-ar", str(RATE_HZ)]
    return 2 * subprocess.run([*command, "-f", "s16le", "-"], check=True, capture_output=True, timeout=60).stdout


def stretch(recording: Recording, second: int) -> bytes:
    """A second of the recorded sound."""
    return recording.sound[SAMPLE_BYTES * RATE_HZ * second :][: SAMPLE_BYTES * RATE_HZ]


def test_every_frame_of_the_footage_is_there_once_and_in_order_over_both_cuts(footage_recording: Recording) -> None:
    assert footage_recording.exit_code == 0, footage_recording.terminal
    assert len(footage_recording.segments) == 3
    assert out_of_order(footage_recording.counters) == []
    assert len(footage_recording.counters) >= 20 * 25


def test_every_sample_of_the_voice_is_bit_exact_against_the_truth(footage_recording: Recording) -> None:
    first = footage_recording.first_true_sample()
    assert first >= 0
    truth = footage_recording.true_sound[SAMPLE_BYTES * first :]
    same = footage_recording.sound == truth[: len(footage_recording.sound)]
    assert same  # pytest would compare megabytes word by word


def test_what_was_filmed_is_the_face_and_it_moves(footage_recording: Recording) -> None:
    clip = luma_of(footage.face_clip())
    pictures = luma_of(footage_recording.segments[1], CLIP_IN_720P)[::EVERY_FEW]
    found = [nearest(picture, clip) for picture in pictures]
    assert max(distance for _, distance in found) < 6
    assert len({place for place, _ in found}) > len(found) // 2


def test_the_drawn_room_is_not_mistaken_for_the_face(long_recording: Recording) -> None:
    clip = luma_of(footage.face_clip())
    pictures = luma_of(long_recording.segments[0], CLIP_IN_720P)[::EVERY]
    assert min(nearest(picture, clip)[1] for picture in pictures) > 20


def test_what_was_heard_is_the_voice(footage_recording: Recording) -> None:
    voice = voice_pcm()
    assert min(likeness(stretch(footage_recording, second), voice) for second in (3, 11, 17)) > 0.95


def test_the_drawn_rooms_speech_is_not_mistaken_for_the_voice(long_recording: Recording) -> None:
    voice = voice_pcm()
    assert max(likeness(stretch(long_recording, second), voice) for second in (3, 11, 17)) < 0.5


def test_a_contact_sheet_of_each_room_is_kept_to_be_looked_at(
    footage_recording: Recording, long_recording: Recording
) -> None:
    sheets = [
        contact_sheet(recording.segments[0], ARTEFACTS / f"{name}.png", every=every)
        for name, recording, every in (("face", footage_recording, EVERY_FEW), ("room", long_recording, EVERY))
    ]
    for sheet in sheets:
        header = sheet.read_bytes()[:24]
        columns, rows = (int.from_bytes(header[at : at + 4], "big") for at in (16, 20))
        assert (columns, rows) == (COLUMNS * THUMBNAIL_COLUMNS, ROWS * THUMBNAIL_COLUMNS * 9 // 16)
