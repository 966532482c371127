"""What real PortAudio records from the simulated microphone is truth, bit by bit, on time, and plugs come and go."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy
import pytest

from sim.feeder import MicrophoneClock
from sim.pulse import DEVICE, PulseSource, PulseUnavailable
from tests.required import unavailable

pytestmark = [pytest.mark.realtime, pytest.mark.beside]

RATE = 48000
LIMIT_SECONDS = 20.0

# A recorder is a process of its own: ALSA reads its configuration once, when PortAudio is first initialised.
RECORDER = """
import json, sys, threading, time
import sounddevice

frames_wanted, channels = int(sys.argv[1]), int(sys.argv[2])

def record(path):
    pcm, arrivals, enough = bytearray(), [], threading.Event()
    def heard(block, frames, moment, status):
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        pcm.extend(block)
        arrivals.append([now, frames, str(status)])
        if len(pcm) >= frames_wanted * channels * 2:
            enough.set()
    ended = threading.Event()
    with sounddevice.RawInputStream(
        device=DEVICE, samplerate=48000, channels=channels, dtype="int16", blocksize=960, latency="low",
        callback=heard, finished_callback=ended.set,
    ):
        print("open", flush=True)
        if not enough.wait(20):
            print("silence", flush=True)
        if "--until-lost" in sys.argv:
            print("lost" if ended.wait(20) else "never lost", flush=True)
    open(path, "wb").write(pcm)
    return arrivals

arrivals = record(sys.argv[3])
if "--until-lost" in sys.argv:
    sys.stdin.readline()
    sys.argv.remove("--until-lost")
    record(sys.argv[3] + ".again")
print(json.dumps(arrivals), flush=True)
""".replace("DEVICE", repr(DEVICE))


class Numbered:
    """A SoundSource whose stereo samples say their own number: 16 low bits left, the high bits right (never zero)."""

    def __init__(self) -> None:
        self.made = 1 << 16
        self._grown = threading.Condition()

    def read(self, samples: int) -> bytes:
        numbers = numpy.arange(self.made, self.made + samples, dtype=numpy.uint32)
        with self._grown:
            self.made += samples
            self._grown.notify_all()
        return numbers.astype("<u4").tobytes()

    def wait_for_more(self, samples: int) -> None:
        with self._grown:
            wanted = self.made + samples
            assert self._grown.wait_for(lambda: self.made >= wanted, LIMIT_SECONDS)


class Truth:
    """Everything that was written, and a bell for when it reaches a length."""

    def __init__(self) -> None:
        self.pcm = bytearray()
        self._grown = threading.Condition()

    def __call__(self, pcm: bytes) -> None:
        with self._grown:
            self.pcm += pcm
            self._grown.notify_all()

    def wait_for_more(self, count: int) -> None:
        with self._grown:
            wanted = len(self.pcm) + count
            assert self._grown.wait_for(lambda: len(self.pcm) >= wanted, LIMIT_SECONDS)


@contextmanager
def microphone(
    parent: Path, *, error_ppm: float = 0.0, sound: Numbered | None = None
) -> Iterator[tuple[PulseSource, Truth]]:
    truth = Truth()
    clock = MicrophoneClock(rate_hz=RATE, channels=2, error_ppm=error_ppm)
    source = PulseSource(sound=sound or Numbered(), clock=clock, on_written=truth, parent=parent)
    try:
        source.start()
    except PulseUnavailable as trouble:
        unavailable(str(trouble))
    try:
        yield source, truth
    finally:
        source.stop()


def recorder(source: PulseSource, target: Path, frames: int, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RECORDER, str(frames), "2", str(target), *options],
        env=dict(os.environ) | dict(source.environment()),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def recorded(source: PulseSource, target: Path, frames: int) -> list[tuple[int, int, str]]:
    """Record and return (arrival boottime ns, frames, flags) for each block."""
    with recorder(source, target, frames) as process:
        said, complaint = process.communicate(timeout=LIMIT_SECONDS + frames / RATE)
    assert process.returncode == 0, complaint
    assert "silence" not in said
    return [(arrived, count, flags) for arrived, count, flags in json.loads(said.splitlines()[-1])]


def numbers_in(pcm: bytes) -> list[int]:
    return [int(number) for number in numpy.frombuffer(pcm, "<u4").astype(numpy.int64) - (1 << 16)]


def test_what_portaudio_records_is_truth_bit_by_bit(tmp_path: Path) -> None:
    with microphone(tmp_path) as (source, truth):
        blocks = recorded(source, tmp_path / "pcm", 3 * RATE)
        assert source.poured().lost_samples < RATE // 10
    pcm = (tmp_path / "pcm").read_bytes()
    assert len(pcm) >= 3 * RATE * 4
    assert bytes(truth.pcm).find(pcm) >= 0
    assert {flags for _, _, flags in blocks} == {""}
    numbers = numbers_in(pcm)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    damaged = pcm[:100_001] + bytes([pcm[100_001] ^ 1]) + pcm[100_002:]
    assert bytes(truth.pcm).find(damaged) < 0


def test_the_least_delayed_block_arrives_within_milliseconds_of_its_making(tmp_path: Path) -> None:
    with microphone(tmp_path, error_ppm=100) as (source, _):
        blocks = recorded(source, tmp_path / "pcm", 3 * RATE)
        started_ns = source.poured().started_boottime_ns
    numbers, last, delays_ms = numbers_in((tmp_path / "pcm").read_bytes()), -1, []
    for arrived_ns, frames, _ in blocks:
        last += frames
        made_ns = started_ns + (numbers[last] + 1) * 1_000_000_000 / (RATE * 1.0001)
        delays_ms.append((arrived_ns - made_ns) / 1e6)
    assert min(delays_ms) > 0, "a sample cannot arrive before it was made"
    assert min(delays_ms) < 10, f"least delay {min(delays_ms):.2f} ms"


def test_unplugging_ends_the_recording_and_the_same_process_can_open_the_replugged_device(tmp_path: Path) -> None:
    with (
        microphone(tmp_path) as (source, truth),
        recorder(source, tmp_path / "pcm", RATE // 2, "--until-lost") as process,
    ):
        assert next_line(process) == "open"
        truth.wait_for_more(RATE * 4)
        source.unplug()
        assert next_line(process) == "lost"
        assert process.stdin is not None
        source.replug()
        truth.wait_for_more(RATE // 10 * 4)
        process.stdin.write("again\n")
        process.stdin.flush()
        assert next_line(process) == "open"
        process.communicate(timeout=LIMIT_SECONDS)
        assert process.returncode == 0
    before, after = ((tmp_path / name).read_bytes() for name in ("pcm", "pcm.again"))
    assert bytes(truth.pcm).find(before) >= 0
    assert bytes(truth.pcm).find(after) > bytes(truth.pcm).find(before)
    assert len(after) >= RATE // 2 * 4


def test_a_frozen_microphone_is_silent_a_thawed_one_goes_on_and_zero_is_zero(tmp_path: Path) -> None:
    sound = Numbered()
    with microphone(tmp_path, sound=sound) as (source, truth):
        truth.wait_for_more(4_000)
        source.freeze()
        sound.wait_for_more(1_000)
        silent_since = len(truth.pcm)
        sound.wait_for_more(10_000)
        assert len(truth.pcm) == silent_since
        source.zero(True)
        source.thaw()
        truth.wait_for_more(40_000)
        assert bytes(truth.pcm[-20_000:]) == bytes(20_000)
        source.zero(False)
        truth.wait_for_more(40_000)
        assert bytes(truth.pcm[-20_000:]) != bytes(20_000)


def test_stopping_removes_every_trace_and_may_be_repeated(tmp_path: Path) -> None:
    with microphone(tmp_path) as (source, _):
        assert len(list(tmp_path.iterdir())) == 1
        source.stop()
        assert list(tmp_path.iterdir()) == []
        source.stop()
        with pytest.raises(RuntimeError, match="not started"):
            source.environment()


OWNER = """
import sys, threading
from pathlib import Path
from sim.feeder import MicrophoneClock
from sim.pulse import PulseSource

class Silence:
    def read(self, samples):
        return bytes(2 * samples)

source = PulseSource(
    sound=Silence(), clock=MicrophoneClock(rate_hz=48000, channels=1), on_written=len, parent=Path(sys.argv[1])
)
source.start()
print("started", flush=True)
threading.Event().wait()
"""


def test_the_server_ends_with_its_owner_even_when_the_owner_is_killed(tmp_path: Path) -> None:
    with microphone(tmp_path):  # is pulse there at all?
        pass
    with subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert next_line(owner) == "started"
            children = (Path("/proc") / str(owner.pid) / "task" / str(owner.pid) / "children").read_text().split()
            assert len(children) == 2
            handles = [os.pidfd_open(int(child)) for child in children]
        finally:
            owner.send_signal(signal.SIGKILL)
    for handle in handles:
        watch = select.poll()
        watch.register(handle, select.POLLIN)
        assert watch.poll(LIMIT_SECONDS * 1000), "a sound server outlived its owner"
        os.close(handle)


def source_of_silence(parent: Path) -> PulseSource:
    return PulseSource(
        sound=Numbered(), clock=MicrophoneClock(rate_hz=RATE, channels=2), on_written=Truth(), parent=parent
    )


def test_a_missing_sound_server_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PulseUnavailable) as refusal:
        source_of_silence(tmp_path).start()
    assert "请安装" in refusal.value.remedy_zh
    assert "apt-get install pulseaudio" in refusal.value.remedy_en
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("behaviour", ["exec cat >/dev/null", "exit 1"])
def test_a_sound_server_that_does_not_answer_is_given_up_and_nothing_stays(
    behaviour: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs, parent = tmp_path / "programs", tmp_path / "parent"
    programs.mkdir()
    parent.mkdir()
    for name in ("pulseaudio", "pactl", "parec"):
        (programs / name).write_text(f"#!/bin/sh\n{behaviour}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    with pytest.raises(PulseUnavailable, match="did not get ready") as refusal:
        source_of_silence(parent).start(limit_seconds=0.5)
    assert "声音服务" in refusal.value.remedy_zh
    assert list(parent.iterdir()) == []


def test_a_folder_too_deep_for_a_socket_is_refused_in_words(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    with pytest.raises(PulseUnavailable, match="too long"):
        source_of_silence(deep).start()
    assert list(deep.iterdir()) == []
