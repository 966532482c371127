"""The microphone driver on the real PortAudio over a simulated sound source, in real time."""

from __future__ import annotations

import itertools
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.flac import FlacEncoder
from drivers.microphone import PortAudioMicrophone
from drivers.microphone_faults import microphone_fault
from edge.config import Microphone as MicrophoneSettings
from sim.feeder import MicrophoneClock
from sim.pulse import DEVICE, PulseSource, PulseUnavailable
from tests.drivers.deliveries import SteppedClock
from tests.required import unavailable

pytestmark = [pytest.mark.realtime, pytest.mark.beside]
ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 20.0
RATE_HZ = 48_000


class Noise:
    """Sound in which every stretch is like no other."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(11)

    def read(self, samples: int) -> bytes:
        return self._random.integers(-8000, 8000, samples * 2, dtype=np.int16).astype("<i2").tobytes()


class Room:
    """A sound world, the bytes its microphone heard, and a process that records it."""

    def __init__(self, folder: Path) -> None:
        self.heard = bytearray()
        self.source = PulseSource(
            sound=Noise(),
            clock=MicrophoneClock(rate_hz=RATE_HZ, channels=2),
            on_written=self.heard.extend,
            parent=folder,
        )
        self.file = folder / "sound.flac"

    @contextmanager
    def recorder(self, device: str = DEVICE, rate_hz: int = RATE_HZ, claim_seconds: float = 10.0) -> Iterator[Recorder]:
        words = [device, str(rate_hz), str(self.file), str(claim_seconds)]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.drivers.microphone_process", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | dict(self.source.environment()),
        )
        with process:
            try:
                yield Recorder(process)
            finally:
                process.kill()

    def decoded(self) -> bytes:
        command = ["ffmpeg", "-v", "error", "-i", str(self.file), "-f", "s16le", "-"]
        return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


class Recorder:
    """The test's end of `microphone_process`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def ask(self, command: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            assert selector.select(LIMIT_SECONDS), command
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    try:
        room.source.start()
    except PulseUnavailable as trouble:
        unavailable(str(trouble))
    try:
        yield room
    finally:
        room.source.stop()


@pytest.mark.oracle
def test_every_sample_comes_once_bit_for_bit_and_is_counted(room: Room) -> None:
    with room.recorder() as recorder:
        assert recorder.ask("start") == {}
        assert recorder.ask(f"samples {3 * RATE_HZ}")["enough"]
        run = recorder.ask("stop")
    sound = room.decoded()
    begin = room.heard.find(sound[:4000])
    assert begin >= 0
    assert room.heard[begin : begin + len(sound)] == sound
    ends = [first + samples for first, samples, _ in run["ranges"]]
    assert [first for first, _, _ in run["ranges"]] == [0, *ends[:-1]]
    assert ends[-1] == len(sound) // 4 >= 3 * RATE_HZ
    assert run["losses"] == 0
    assert all(before < after for before, after in itertools.pairwise(run["arrivals"]))


def test_a_microphone_that_freezes_is_lost_and_records_again_after_a_restart(room: Room) -> None:
    with room.recorder() as recorder:
        recorder.ask("start")
        recorder.ask("samples 10000")
        room.source.freeze()
        try:
            lost = recorder.ask("lost")
            stopped = recorder.ask("stop")
        finally:
            room.source.thaw()
        assert (lost["stream"], "no sound" in lost["what"]) == (1, True)
        assert 500_000_000 <= lost["silence_ns"] < 900_000_000
        assert stopped["losses"] == 1
        recorder.ask("start")
        assert recorder.ask("samples 10000")["enough"]
        again = recorder.ask("stop")
    assert again["ranges"][0][0] == 0
    assert again["losses"] == 0


def test_an_unplugged_microphone_is_lost_then_refused_then_back(room: Room) -> None:
    with room.recorder() as recorder:
        recorder.ask("start")
        recorder.ask("samples 10000")
        room.source.unplug()
        try:
            lost = recorder.ask("lost")
            recorder.ask("stop")
            refused = recorder.ask("open")
        finally:
            room.source.replug()
        assert "ended" in lost["what"]
        assert "麦克风" in refused["remedy_zh"]
        recorder.ask("start")
        assert recorder.ask("samples 10000")["enough"]


def test_a_microphone_the_sound_server_replaced_is_lost_although_its_callbacks_go_on(room: Room) -> None:
    with room.recorder() as recorder:
        recorder.ask("start")
        recorder.ask("samples 100000")
        assert recorder.ask("watched")["first"], "the server does not say what we record"
        room.source.move()
        lost = recorder.ask("lost")
        assert (lost["cause"], "moved" in lost["what"]) == ("MOVED", True)
        assert recorder.ask("stop")["losses"] == 1
        room.source.move_back()
        recorder.ask("start")
        assert recorder.ask("samples 100000")["enough"]
        assert recorder.ask("stop")["losses"] == 0


def test_a_stop_that_hangs_is_reported_at_its_limit_and_a_fresh_stream_is_opened_once_the_server_answers(
    room: Room,
) -> None:
    with room.recorder(claim_seconds=1.0) as recorder:
        recorder.ask("start")
        recorder.ask("samples 10000")
        server = room.source._server._daemon
        assert server is not None
        server.send_signal(signal.SIGSTOP)
        try:
            recorder.ask("lost")
            assert "microphone-stop took longer than 0.5 s" in recorder.ask("stop 0.5")["fault"]
            assert recorder.ask("open")["kind"] == "STUCK"
        finally:
            server.send_signal(signal.SIGCONT)
        assert recorder.ask("until_free") == {"free": True}
        recorder.ask("start")
        assert recorder.ask("samples 10000")["enough"]


def test_a_microphone_that_does_not_exist_is_absent(room: Room) -> None:
    with room.recorder(device="no-such-microphone") as recorder:
        refused = recorder.ask("open")
    assert "absent" in refused["fault"]
    assert "device" in refused["remedy_en"]


def test_what_an_absent_microphone_will_deliver_is_known_and_is_what_an_open_one_says() -> None:
    settings = MicrophoneSettings(device="no-such-microphone")
    absent = PortAudioMicrophone(settings, SteppedClock()).format()
    assert (absent.rate_hz, absent.channels) == (settings.rate_hz, settings.channels)
    assert absent.streaminfo == FlacEncoder(settings.rate_hz, settings.channels, settings.packet_samples).streaminfo


def test_a_sound_server_never_counts_as_genuine(room: Room) -> None:
    with room.recorder() as recorder:
        assert recorder.ask("open") == {"PortAudio": False, "sounddevice": True, "PyAV": True}


@pytest.mark.parametrize(
    ("failure", "word", "remedy"),
    [
        (RuntimeError("Error: Invalid sample rate [PaErrorCode -9997]"), "wrong rate", "rate_hz"),
        (RuntimeError("Error: Invalid number of channels [PaErrorCode -9998]"), "wrong channels", "channels"),
        (RuntimeError("Error: Device unavailable [PaErrorCode -9985]"), "busy", "Another program"),
        (ValueError("No input device matching 'x'"), "absent", "arecord"),
        (OSError("PortAudio library not found"), "not installed", "libportaudio2"),
        (ModuleNotFoundError("No module named 'sounddevice'"), "not installed", "libportaudio2"),
        (RuntimeError("Unanticipated host error"), "Unanticipated", "plug it in again"),
    ],
)
def test_every_refusal_of_portaudio_says_what_to_do(failure: Exception, word: str, remedy: str) -> None:
    fault = microphone_fault(failure, "usb")
    assert (fault.device, word in fault.what, remedy in fault.remedy_en) == ("microphone", True, True)
    assert fault.remedy_zh
