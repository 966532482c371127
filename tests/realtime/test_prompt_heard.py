"""A prompt that was played is in what the microphone recorded, where the driver says it is, and in nobody's way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from drivers.children import Children
from drivers.prompt_sounds import load_prompts
from edge.ports import FaultKind, LossCause
from edge.prompts import Prompt, PromptFailed, PromptPlayed, PromptVoice
from edge.settings_panel import Prompts
from sim.levers import Levers, Verb
from sim.world import NoSoundServer, World, WorldPlan, WorldReady
from tests.drivers.loudspeaker_room import Told, running_loudspeaker
from tests.drivers.test_microphone import Recorder
from tests.required import unavailable

pytestmark = pytest.mark.realtime

ROOT = Path(__file__).resolve().parents[2]
RATE_HZ = 48_000
BOUND_NS = 100_000_000
FOUND = 0.4
"""How alike prompt and recording are where it was played: the room speaks on meanwhile, as loud as the prompt."""
LIMIT_SECONDS = 40.0


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorldReady]:
    """One room with microphone and loudspeaker for all tests of this file."""
    folder = tmp_path_factory.mktemp("room")
    pulse = folder / "pulse"
    pulse.mkdir()
    room = World(WorldPlan(socket=folder / "sensor", pulse=pulse, loudspeaker=True, width=640, height=360))
    try:
        ready = room.start()
    except NoSoundServer as missing:
        unavailable(str(missing))
    try:
        yield ready
    finally:
        room.stop()


class MicrophoneEnd(Recorder):
    """The real microphone driver in a process of its own."""

    def __init__(self, ready: WorldReady, file: Path) -> None:
        self.file = file
        words = ["simmic", str(RATE_HZ), str(file), "10"]
        super().__init__(
            subprocess.Popen(
                [sys.executable, "-m", "tests.drivers.microphone_process", *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env=os.environ | dict(ready.sound_environment),
            )
        )

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()

    def recorded(self) -> tuple[NDArray[np.float64], int]:
        """What was recorded (the driver records two channels), and when its first sample was made."""
        run = self.ask("stop")
        ends = [first + samples for first, samples, _ in run["ranges"]]
        began_ns = min(arrival - end * 10**9 // RATE_HZ for end, arrival in zip(ends, run["arrivals"], strict=True))
        command = ["ffmpeg", "-v", "error", "-i", str(self.file), "-f", "s16le", "-ac", "1", "-"]
        pcm = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
        return np.frombuffer(pcm, "<i2").astype(float), began_ns


@contextmanager
def recorder(ready: WorldReady, folder: Path) -> Iterator[MicrophoneEnd]:
    one = MicrophoneEnd(ready, folder / "sound.flac")
    try:
        assert one.ask("start") == {}
        yield one
    finally:
        one.end()


def found(prompt: bytes, sound: NDArray[np.float64]) -> tuple[int, float]:
    """Where the prompt fits best, and how well (1: nothing else is heard there)."""
    wanted = np.frombuffer(prompt, "<i2").astype(float)
    size = 1 << (len(sound) + len(wanted)).bit_length()
    fits = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(wanted, size)), size)[: len(sound)]
    energy = np.concatenate([[0.0], np.cumsum(sound**2)])
    ends = np.minimum(np.arange(len(sound)) + len(wanted), len(sound))
    local = np.sqrt(np.maximum(energy[ends] - energy[: len(sound)], 1.0) * np.sum(wanted**2))
    best = int(np.argmax(fits / local))
    return best, float(fits[best] / local[best])


SETTINGS = Prompts(enabled=True, device="simspeaker", rate_hz=RATE_HZ)


def test_every_prompt_is_heard_in_the_recording_within_a_tenth_of_a_second_of_where_it_is_told(
    ready: WorldReady, tmp_path: Path
) -> None:
    told, asked = Told(), (Prompt.WITHHELD, Prompt.RESUMED)
    sounds, _ = load_prompts(SETTINGS, Children().run)
    assert ready.loudspeaker_device == SETTINGS.device
    with (
        recorder(ready, tmp_path) as microphone,
        running_loudspeaker(SETTINGS, told, ready.loudspeaker_environment) as loudspeaker,
    ):
        microphone.ask(f"samples {RATE_HZ}")
        for prompt in asked:
            loudspeaker.play(prompt)
        ends = told.wait_for_ends(2)
        heard_samples = microphone.ask("samples 0")["samples"]
        microphone.ask(f"samples {heard_samples + RATE_HZ}")
        sound, began_ns = microphone.recorded()
    assert [(type(end), end.prompt) for end in ends] == [(PromptPlayed, prompt) for prompt in asked]
    for end in ends:
        assert isinstance(end, PromptPlayed)
        at, likeness = found(sounds[end.prompt].pcm, sound)
        assert likeness > FOUND, "the prompt is not in the recording"
        late_ns = began_ns + at * 10**9 // RATE_HZ - end.from_ns
        assert abs(late_ns) < BOUND_NS, f"heard {late_ns / 1e6:.0f} ms after it was told"
        assert end.to_ns - end.from_ns == pytest.approx(sounds[end.prompt].samples * 1e9 / RATE_HZ, abs=1e6)
        assert end.voice is PromptVoice.SYNTHESISED
    _, likeness = found(sounds[Prompt.CANNOT_RESUME].pcm, sound)
    assert likeness < FOUND / 2, "a prompt that was never played is found too: the measure shows nothing"


def test_a_room_with_a_loudspeaker_has_one_source_and_unplugging_it_is_a_loss_and_no_move(
    ready: WorldReady, tmp_path: Path
) -> None:
    command = ["pactl", "list", "short", "sources"]
    for environment, sources in (
        (ready.sound_environment, ["simmic"]),
        (ready.loudspeaker_environment, ["simspeaker.monitor"]),
    ):
        heard_by = os.environ | dict(environment)
        listed = subprocess.run(command, env=heard_by, capture_output=True, text=True, check=True, timeout=20).stdout
        assert [line.split("\t")[1] for line in listed.splitlines()] == sources
    told = Told()
    with (
        recorder(ready, tmp_path) as microphone,
        running_loudspeaker(SETTINGS, told, ready.loudspeaker_environment) as loudspeaker,
        Levers(ready.control) as levers,
    ):
        microphone.ask(f"samples {RATE_HZ}")
        loudspeaker.play(Prompt.STOPPED)
        levers.pull(Verb.SOUND_UNPLUG)
        lost = microphone.ask("lost")
        levers.pull(Verb.SOUND_REPLUG)
        (end,) = told.wait_for_ends(1)
    assert lost["cause"] != LossCause.MOVED.name
    assert isinstance(end, PromptPlayed)


def test_a_loudspeaker_that_is_not_there_is_a_fault_in_words_and_the_next_prompt_is_tried_again(
    ready: WorldReady,
) -> None:
    told, absent = Told(), Prompts(enabled=True, device="no such loudspeaker")
    with running_loudspeaker(absent, told, ready.loudspeaker_environment) as loudspeaker:
        loudspeaker.play(Prompt.STOPPED)
        told.wait_for_ends(1)
        loudspeaker.play(Prompt.STOPPED)
        ends = told.wait_for_ends(2)
    for end in ends:
        assert isinstance(end, PromptFailed)
        assert (end.fault.device, end.fault.kind) == ("loudspeaker", FaultKind.ABSENT)
        assert "aplay -L" in end.fault.remedy_zh
