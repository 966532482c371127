"""Speech is the same for every reader, as loud as people in a room, and never digital silence."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray

from sim.speech import LINES, PAUSE_SECONDS, Speech, Voice
from tests.required import unavailable

RATE = 48000


@pytest.fixture(scope="module", params=list(Voice), ids=lambda voice: voice.name.lower())
def speech(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Speech:
    return spoken_by(request.param, tmp_path_factory.mktemp("empty"), channels=1)


def spoken_by(voice: Voice, empty: Path, *, channels: int) -> Speech:
    """Return a speech of that voice, by hiding or showing espeak-ng on the PATH."""
    if voice is Voice.ESPEAK and shutil.which("espeak-ng") is None:
        unavailable("espeak-ng")
    with pytest.MonkeyPatch.context() as patch:
        if voice is Voice.FORMANTS:
            patch.setenv("PATH", str(empty))
        made = Speech(RATE, channels)
    assert made.voice is voice
    return made


def heard(speech: Speech, samples: int) -> NDArray[numpy.float64]:
    return numpy.frombuffer(speech.read(samples), "<i2").astype(numpy.float64)


def dbfs(block: NDArray[numpy.float64]) -> float:
    return 20 * math.log10(max(1e-9, math.sqrt(float((block**2).mean()))) / 32768)


def longest_run_of_zeros(pcm: NDArray[numpy.float64]) -> int:
    sounding = numpy.flatnonzero(numpy.concatenate(([1], pcm, [1])))
    return int(numpy.diff(sounding).max()) - 1


def test_speech_is_as_loud_as_people_and_pauses_as_quiet_as_a_room(speech: Speech) -> None:
    pcm = heard(speech, round(speech.seconds * RATE))
    levels = numpy.array([dbfs(block) for block in pcm[: len(pcm) // 4800 * 4800].reshape(-1, 4800)])
    assert -24 < dbfs(pcm[numpy.abs(pcm) > 800]) < -14
    assert -61 < levels.min() < -59
    assert 0.05 < (levels < -55).mean() < 0.5
    assert numpy.abs(pcm).max() < 32000


def test_it_is_never_digital_silence(speech: Speech) -> None:
    pcm = heard(speech, 20 * RATE)
    assert longest_run_of_zeros(pcm) < 8
    pcm[5000:5100] = 0
    assert longest_run_of_zeros(pcm) >= 100


def test_a_hearing_is_long_enough_to_listen_to_and_goes_on_for_ever(speech: Speech) -> None:
    assert speech.seconds > len(LINES) * (PAUSE_SECONDS + 0.8)
    for _ in range(3):
        assert len(speech.read(round(speech.seconds * RATE))) == 2 * round(speech.seconds * RATE)
    assert dbfs(heard(speech, 10 * RATE)) > -35


@pytest.mark.parametrize("voice", list(Voice))
def test_two_speeches_are_equal_however_they_are_read(voice: Voice, tmp_path: Path) -> None:
    whole, pieces = (spoken_by(voice, tmp_path, channels=2) for _ in range(2))
    sizes = (0, 1, 240, 4799, 100_000, 94_960)
    assert b"".join(pieces.read(size) for size in sizes) == whole.read(sum(sizes))


def test_the_channels_carry_the_same_voice_and_noise_of_their_own(tmp_path: Path) -> None:
    both = numpy.frombuffer(spoken_by(Voice.FORMANTS, tmp_path, channels=2).read(3 * RATE), "<i2").reshape(-1, 2)
    difference = (both[:, 0].astype(float) - both[:, 1]).std()
    assert 30 < difference < 60
    assert numpy.corrcoef(both[:, 0], both[:, 1])[0, 1] > 0.99


def test_another_rate_keeps_length_and_pitch() -> None:
    usual, low = Speech(RATE, 1), Speech(16000, 1)
    assert abs(usual.seconds - low.seconds) < 0.2
    spectra = []
    for speech, rate in ((usual, RATE), (low, 16000)):
        pcm = numpy.frombuffer(speech.read(rate * 5), "<i2").astype(float)
        spectrum = numpy.abs(numpy.fft.rfft(pcm))[:20_000]  # 0.2 Hz to a bin, up to 4 kHz
        spectra.append(spectrum.reshape(-1, 100).sum(axis=1))
    assert numpy.corrcoef(*spectra)[0, 1] > 0.99
