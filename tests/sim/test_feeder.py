"""The feeder keeps a microphone's time, and truth is exactly what the FIFO took, whatever the reader does."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.feeder import BACKLOG_SECONDS, FIFO_BYTES, Feeder, MicrophoneClock

LIMIT_SECONDS = 10.0
CLOCK = MicrophoneClock(rate_hz=48000, channels=1)


class Numbers:
    """A SoundSource whose samples count up, and which tells when enough of them were made."""

    def __init__(self) -> None:
        self.made = 0
        self.moments: list[tuple[int, int]] = []
        self._alarms: list[tuple[int, threading.Event]] = []

    def read(self, samples: int) -> bytes:
        pcm = b"".join((number % 65536).to_bytes(2, "little") for number in range(self.made, self.made + samples))
        self.made += samples
        for due, alarm in self._alarms:
            if self.made >= due:
                alarm.set()
        return pcm

    def wait_for(self, more: int) -> None:
        """Wait until `more` samples have been made."""
        alarm = threading.Event()
        self._alarms.append((self.made + more, alarm))
        assert alarm.wait(LIMIT_SECONDS)


@contextmanager
def feeding(fifo: Path, clock: MicrophoneClock = CLOCK) -> Iterator[tuple[Feeder, Numbers, list[bytes]]]:
    numbers = Numbers()
    truth: list[bytes] = []
    feeder = Feeder(
        sound=numbers,
        clock=clock,
        fifo=fifo,
        on_written=truth.append,
        on_moment=lambda sample, boottime_ns: numbers.moments.append((sample, boottime_ns)),
    )
    feeder.start()
    try:
        yield feeder, numbers, truth
    finally:
        assert feeder.stop(LIMIT_SECONDS)


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@contextmanager
def reading(fifo: Path) -> Iterator[int]:
    handle = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield handle
    finally:
        os.close(handle)


def drained(handle: int) -> bytes:
    taken = b""
    while True:
        try:
            piece = os.read(handle, 65536)
        except BlockingIOError:
            return taken
        if not piece:
            return taken
        taken += piece


@given(st.integers(0, 10**14), st.integers(0, 10**10), st.floats(-1000, 1000))
def test_a_microphones_clock_never_goes_back(elapsed_ns: int, more_ns: int, error_ppm: float) -> None:
    clock = MicrophoneClock(rate_hz=48000, channels=2, error_ppm=error_ppm)
    assert clock.samples_after(elapsed_ns) <= clock.samples_after(elapsed_ns + more_ns)


def test_a_clock_that_is_off_is_off_by_exactly_that_much_after_an_hour() -> None:
    hour_ns = 3_600_000_000_000
    samples = {
        ppm: MicrophoneClock(rate_hz=48000, channels=1, error_ppm=ppm).samples_after(hour_ns) for ppm in (-100, 0, 100)
    }
    assert samples == {-100: 172_782_720, 0: 172_800_000, 100: 172_817_280}


def test_everything_read_from_the_fifo_is_truth_and_nothing_else(fifo: Path) -> None:
    read = b""
    with reading(fifo) as handle, feeding(fifo) as (feeder, numbers, truth):
        for _ in range(5):
            numbers.wait_for(1000)
            read += drained(handle)
        assert feeder.stop(LIMIT_SECONDS)
        read += drained(handle)
        assert read == b"".join(truth)
        assert feeder.poured().written_samples * 2 == len(read)
        assert read == Numbers().read(len(read) // 2)


def test_a_reader_that_falls_asleep_gets_all_of_it_late_and_nothing_twice(fifo: Path) -> None:
    with reading(fifo) as handle, feeding(fifo) as (feeder, numbers, truth):
        numbers.wait_for(FIFO_BYTES // 2 + 12_000)
        assert feeder.poured().backlog_samples > 5_000
        read = b""
        for _ in range(5):
            read += drained(handle)
            numbers.wait_for(1_000)
        assert feeder.poured().lost_samples == 0
        assert feeder.stop(LIMIT_SECONDS)
        read += drained(handle)
        assert read == b"".join(truth) == Numbers().read(len(read) // 2)
        assert len(read) > FIFO_BYTES + 24_000


def test_the_backlog_is_bounded_and_what_falls_off_is_counted(fifo: Path) -> None:
    clock = MicrophoneClock(rate_hz=48000, channels=1, error_ppm=9_000_000)  # ten seconds of sound in one
    with reading(fifo) as handle, feeding(fifo, clock) as (feeder, numbers, truth):
        numbers.wait_for((BACKLOG_SECONDS + 1) * 48000)
        assert feeder.stop(LIMIT_SECONDS)
        counts = feeder.poured()
        assert counts.backlog_samples <= BACKLOG_SECONDS * 48000
        assert counts.lost_samples > 0
        assert counts.written_samples + counts.lost_samples + counts.backlog_samples == counts.made_samples
        assert drained(handle) == b"".join(truth)


def test_with_nobody_at_the_other_end_sound_is_lost_and_not_told(fifo: Path) -> None:
    with feeding(fifo) as (feeder, numbers, truth):
        numbers.wait_for(2_000)
        assert feeder.stop(LIMIT_SECONDS)
        assert truth == []
        assert feeder.poured().lost_samples == feeder.poured().made_samples


def test_a_reader_that_leaves_and_comes_back_hears_live_sound(fifo: Path) -> None:
    with feeding(fifo) as (feeder, numbers, truth):
        with reading(fifo) as handle:
            numbers.wait_for(2_000)
            drained(handle)
        numbers.wait_for(1_000)
        made = numbers.made
        numbers.wait_for(1_000)  # the tick that made it has passed: its sound was offered and is lost
        before = len(b"".join(truth))
        with reading(fifo) as handle:
            numbers.wait_for(3_000)
            assert feeder.stop(LIMIT_SECONDS)
            read = drained(handle)
        assert read == b"".join(truth)[before:]
        assert int.from_bytes(read[:2], "little") >= made


def test_frozen_nothing_comes_and_afterwards_only_what_is_new(fifo: Path) -> None:
    with reading(fifo) as handle, feeding(fifo) as (feeder, numbers, truth):
        numbers.wait_for(1_000)
        feeder.freeze(True)
        numbers.wait_for(1_000)
        silent_since = len(truth)
        drained(handle)
        numbers.wait_for(4_000)
        assert drained(handle) == b""
        assert len(truth) == silent_since
        made = numbers.made
        numbers.wait_for(1_000)
        feeder.freeze(False)
        numbers.wait_for(2_000)
        assert feeder.stop(LIMIT_SECONDS)
        read = drained(handle)
        assert int.from_bytes(read[:2], "little") >= made
        assert read == b"".join(truth[silent_since:])


def test_digital_zero_keeps_the_rhythm_of_sound(fifo: Path) -> None:
    with reading(fifo) as handle, feeding(fifo) as (feeder, numbers, truth):
        numbers.wait_for(1_000)
        feeder.zero(True)
        numbers.wait_for(1_000)
        drained(handle)
        numbers.wait_for(3_000)
        zeros = drained(handle)
        feeder.zero(False)
        assert len(zeros) > 4_000
        assert zeros == bytes(len(zeros))
        assert feeder.stop(LIMIT_SECONDS)
        assert feeder.poured().written_samples * 2 == len(b"".join(truth))


def test_the_moment_of_a_sample_is_told_at_first_and_after_every_loss_and_not_in_between(fifo: Path) -> None:
    with feeding(fifo) as (feeder, numbers, truth):
        numbers.wait_for(1_000)
        with reading(fifo) as handle:
            numbers.wait_for(2_000)
            feeder.freeze(True)
            numbers.wait_for(1_000)
            feeder.freeze(False)
            numbers.wait_for(2_000)
            assert feeder.stop(LIMIT_SECONDS)
            read = drained(handle)
        (first, first_ns), (later, later_ns) = numbers.moments
        started_ns = feeder.poured().started_boottime_ns
        spoken = [int.from_bytes(read[2 * sample : 2 * sample + 2], "little") for sample in (first, later)]
        assert first == 0
        assert spoken[1] - spoken[0] > later, "some sound was lost between the two"
        expected = [started_ns + CLOCK.elapsed_ns(number) for number in spoken]
        assert [first_ns, later_ns] == expected
        assert b"".join(truth) == read


@given(st.integers(0, 10**10), st.floats(-1000, 1000))
def test_the_time_of_a_sample_is_the_inverse_of_the_count_at_a_time(samples: int, error_ppm: float) -> None:
    clock = MicrophoneClock(rate_hz=48000, channels=1, error_ppm=error_ppm)
    assert samples - 1 <= clock.samples_after(clock.elapsed_ns(samples)) <= samples
