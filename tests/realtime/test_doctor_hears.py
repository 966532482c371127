"""`liuhen doctor` through PortAudio itself: the process that a person starts opens a sound device and judges it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.levers import Levers, Verb
from sim.world import NoSoundServer, World, WorldPlan, WorldReady
from tests.realtime.runs import BIN, demo_configuration
from tests.required import unavailable

pytestmark = pytest.mark.realtime

LIMIT_SECONDS = 100


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorldReady]:
    """A room whose microphone hears speech; nothing asks for its pictures."""
    folder = tmp_path_factory.mktemp("room")
    (folder / "pulse").mkdir()
    room = World(WorldPlan(socket=folder / "sensor", pulse=folder / "pulse", width=640, height=360))
    try:
        yield room.start()
    except NoSoundServer as missing:
        unavailable(str(missing))
    finally:
        room.stop()


def sound_row(ready: WorldReady, folder: Path, device: str) -> dict[str, str]:
    """What the doctor says of the microphone of this name."""
    file = demo_configuration(folder, segment_seconds=10)
    with file.open("a") as more:
        more.write(f'[camera]\nenabled = false\n[microphone]\ndevice = "{device}"\n')
    command = [str(BIN / "liuhen"), "doctor", "--json", "--config", str(file), "--socket", str(folder / "nobody")]
    heard_by = os.environ | dict(ready.sound_environment)
    ran = subprocess.run(command, env=heard_by, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert ran.stdout, ran.stderr
    rows = {row["item"]: row for row in json.loads(ran.stdout)}
    assert rows["picture"]["outcome"] == "not_fitted"
    return dict(rows["sound"])


def test_speech_in_the_room_is_heard_and_is_well(ready: WorldReady, tmp_path: Path) -> None:
    found = sound_row(ready, tmp_path, ready.sound_device)
    assert found["outcome"] == "well", found


def test_a_line_of_nothing_but_zeros_blocks_and_names_the_mute_switch(ready: WorldReady, tmp_path: Path) -> None:
    with Levers(ready.control) as levers:
        levers.pull(Verb.SOUND_ZERO)
        try:
            found = sound_row(ready, tmp_path, ready.sound_device)
        finally:
            levers.pull(Verb.SOUND_REAL)
    assert (found["outcome"], "静音" in found["fix_zh"]) == ("blocking", True), found


def test_a_microphone_that_portaudio_does_not_know_blocks_and_says_what_to_look_at(
    ready: WorldReady, tmp_path: Path
) -> None:
    found = sound_row(ready, tmp_path, "no-such-device")
    assert (found["outcome"], bool(found["fix_zh"])) == ("blocking", True), found
