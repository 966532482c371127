"""Footage plays on the sensor's cadence, in its own shape, for ever; what cannot be played is refused in words."""

from __future__ import annotations

import itertools
import math
import wave
from pathlib import Path

import numpy
import pytest

from sim import strip
from sim.footage import PictureFile, SoundFile, UnusableFootage
from tests import footage
from tests.sim.frames import PADDING, blank, write_clip

GREYS = tuple(range(40, 240, 10))
CLIP_RATE = 10


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds of 4:3 pictures, ten a second, each lighter than the one before."""
    path = tmp_path / "clip.mkv"
    write_clip(path, GREYS, rate=CLIP_RATE)
    return path


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """Half a second of 440 Hz at half scale, 8 kHz, one channel."""
    path = tmp_path / "tone.wav"
    samples = 16384 * numpy.sin(2 * math.pi * 440 * numpy.arange(4000) / 8000)
    with wave.open(str(path), "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(8000)
        recording.writeframes(samples.astype("<i2").tobytes())
    return path


def shown(film: PictureFile, counter: int) -> int:
    """Return which of GREYS stands in the middle of the picture."""
    planes = blank(640, 360)
    film.draw(counter, 0, planes)
    luma = int(planes.luma[180, 320])
    return min(range(len(GREYS)), key=lambda place: abs(GREYS[place] - luma))


def test_pictures_appear_at_their_time_on_the_sensors_cadence(clip: Path) -> None:
    film = PictureFile(clip, 640, 360, 25)
    expected = [min(19, int(number * 0.4 + 1e-9)) for number in range(50)]
    assert [shown(film, 1000 + number) for number in range(50)] == expected


def test_a_film_begins_again_at_its_end(clip: Path) -> None:
    film = PictureFile(clip, 640, 360, 10)
    assert [shown(film, number) for number in range(65)] == [number % 20 for number in range(65)]


def test_frames_that_are_never_drawn_pass_all_the_same(clip: Path) -> None:
    film = PictureFile(clip, 640, 360, 10)
    assert [shown(film, counter) for counter in (7, 12, 12, 33)] == [0, 5, 5, 6]


def test_a_counter_that_goes_back_starts_the_film_anew(clip: Path) -> None:
    film = PictureFile(clip, 640, 360, 10)
    assert [shown(film, counter) for counter in (0, 9, 3, 4)] == [0, 9, 0, 1]


def test_a_narrow_picture_stands_between_black_bars_in_its_own_shape(clip: Path) -> None:
    planes = blank(640, 360, padding=16)
    PictureFile(clip, 640, 360, 25).draw(0, 0, planes)
    assert (planes.luma[:, :80] == 16).all()
    assert (planes.luma[:, 560:640] == 16).all()
    assert (abs(planes.luma[:, 81:559].astype(int) - GREYS[0]) <= 3).all()
    assert (planes.luma[:, 640:] == PADDING).all()
    assert (planes.blue[:, :40] == 128).all()


def test_the_stamp_carries_the_counter_and_only_where_asked(clip: Path) -> None:
    planes = blank(640, 360)
    PictureFile(clip, 640, 360, 25, stamp=True).draw(4711, 0, planes)
    assert strip.read(planes.luma) == 4711
    PictureFile(clip, 640, 360, 25).draw(4711, 0, planes)
    assert strip.read(planes.luma) is None
    with pytest.raises(ValueError, match="512 pixels"):
        PictureFile(clip, 320, 240, 25, stamp=True)


def test_a_damaged_film_is_played_up_to_its_damage_and_again(clip: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.mkv"
    whole = clip.read_bytes()
    damaged.write_bytes(whole[: len(whole) * 2 // 3])
    film = PictureFile(damaged, 640, 360, 10)
    seen = [shown(film, number) for number in range(40)]
    assert seen[:8] == list(range(8))
    assert 0 in seen[8:]


def test_sound_is_resampled_spread_to_the_channels_and_looped(tone: Path) -> None:
    pcm = numpy.frombuffer(SoundFile(tone, 48000, 2).read(96000), "<i2").reshape(-1, 2)
    assert (pcm[:, 0] == pcm[:, 1]).all()
    one_second = numpy.abs(numpy.fft.rfft(pcm[2400:21600, 0].astype(float)))
    assert abs(int(one_second.argmax()) * 48000 / 19200 - 440) < 3
    assert (numpy.abs(pcm[30000:90000].reshape(-1, 1200)).max(axis=1) > 5000).all()


def test_what_is_read_does_not_depend_on_the_size_of_the_pieces(tone: Path) -> None:
    whole = SoundFile(tone, 48000, 1).read(60000)
    pieces, source = [], SoundFile(tone, 48000, 1)
    for samples in (0, 1, 239, 4760, 25000, 30000):
        pieces.append(source.read(samples))
    assert [len(piece) for piece in pieces] == [0, 2, 478, 9520, 50000, 60000]
    assert b"".join(pieces) == whole


def test_files_that_cannot_be_played_are_refused_in_both_languages(tone: Path, clip: Path, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.mp4"
    garbage.write_bytes(b"not a film at all" * 100)
    for path in (tmp_path / "missing.mp4", garbage, tone, tmp_path):
        with pytest.raises(UnusableFootage) as refusal:
            PictureFile(path, 640, 360, 25)
        assert str(path) in refusal.value.remedy_zh
        assert "画面" in refusal.value.remedy_zh
        assert "moving pictures" in refusal.value.remedy_en
    for path in (tmp_path / "missing.wav", garbage, clip):
        with pytest.raises(UnusableFootage, match="sound"):
            SoundFile(path, 48000, 1)
    with pytest.raises(ValueError, match="channels"):
        SoundFile(tone, 48000, 6)


def test_a_real_face_and_a_real_voice_play(footage_dir: Path) -> None:
    assert footage_dir.is_dir()
    film, planes = PictureFile(footage.face_clip(), 640, 360, 25, stamp=True), blank(640, 360)
    pictures = []
    for counter in range(0, 150, 30):
        film.draw(counter, 0, planes)
        assert strip.read(planes.luma) == counter
        pictures.append(planes.luma[32:, 110:530].astype(int))
    assert min(float(picture.std()) for picture in pictures) > 30
    assert all(numpy.abs(a - b).mean() > 1 for a, b in itertools.pairwise(pictures))
    voice = numpy.frombuffer(SoundFile(footage.voice_clip(), 48000, 1).read(480000), "<i2").astype(float)
    assert math.sqrt(float((voice**2).mean())) > 300
