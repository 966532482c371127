"""The recordings of this folder: each is made once a session, in real time, and shared by all tests that look at it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests import footage
from tests.realtime.runs import Recording, Tally, demo_configuration, record
from tests.required import unavailable

ARTEFACTS = Path(__file__).resolve().parents[2] / "artefacts"
MEMORY = Path("/dev/shm")  # noqa: S108 -- a folder of its own is made in it
LONG_SECONDS = 182
"""Six cuts, at 30 s to 180 s."""
FOOTAGE_SECONDS, FOOTAGE_SEGMENT_SECONDS = 21, 10
"""Two cuts."""
TWICE_SECONDS = 5
MICROPHONE_PPM = 100.0


@pytest.fixture(scope="session")
def long_recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recording]:
    """More than three minutes of the drawn room, with a microphone whose clock is 100 ppm fast.

    The world's notes of it are kept in memory: the thread that feeds the microphone writes them, and must not wait for
    a disk that others flush.
    """
    os.sync()  # what the tests before wrote does not come to the disk meanwhile
    with TemporaryDirectory(prefix="liuhen-truth-", dir=MEMORY if MEMORY.is_dir() else None) as noted:
        folder = tmp_path_factory.mktemp("long")
        yield record(folder, seconds=LONG_SECONDS, microphone_ppm=MICROPHONE_PPM, truth_in=Path(noted))


@pytest.fixture(scope="session")
def footage_recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A real face and a real voice, played through the simulated sensors."""
    try:
        picture, sound = footage.face_clip(), footage.voice_clip()
    except footage.FootageMissing as missing:
        unavailable(str(missing))
    folder = tmp_path_factory.mktemp("footage")
    configured = ("--config", str(demo_configuration(folder, segment_seconds=FOOTAGE_SEGMENT_SECONDS)))
    played = ("--picture", str(picture), "--sound", str(sound), "--stamp")
    return record(folder, *configured, *played, seconds=FOOTAGE_SECONDS)


@pytest.fixture(scope="session")
def two_recordings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, Recording]:
    """Two sessions on one spool: the first ended by its time, the second by Ctrl-C."""

    def long_enough(tally: Tally) -> bool:
        return tally[0] >= 2 * TWICE_SECONDS

    folder = tmp_path_factory.mktemp("twice")
    first = record(folder, seconds=TWICE_SECONDS, truth="first")
    return first, record(folder, seconds=10 * TWICE_SECONDS, truth="second", interrupt_when=long_enough)


@pytest.fixture(scope="session")
def measured() -> Callable[[str, object], None]:
    """Keeps a measured value in artefacts/measured.json, for whoever wants the numbers and not only the verdict."""

    def keep(name: str, value: object) -> None:
        ARTEFACTS.mkdir(exist_ok=True)
        file = ARTEFACTS / "measured.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps(known | {name: value}, indent=2, ensure_ascii=False) + "\n")

    return keep
