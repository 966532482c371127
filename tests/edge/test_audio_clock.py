"""The audio clock against simulated microphones whose truth is known."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from edge.audio_clock import AudioClock

RATE_HZ = 48_000
BLOCK_SAMPLES = 1200
BLOCK_NS = 25_000_000
BOOT_NS = 40 * 86_400 * 10**9  # a device up for forty days
LATENCY_NS = 35_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Microphone:
    """A crystal so many ppm fast, behind a sound server that hands over in bursts of a changing length."""

    ppm: float
    longest_burst_ms: int
    seed: int = 1

    def true_boottime_ns(self, sample: int) -> int:
        return BOOT_NS + round(sample * 1e9 / (RATE_HZ * (1 + self.ppm / 1e6)))

    def blocks(self, seconds: int) -> Iterator[tuple[int, int]]:
        """First sample and arrival of every block: late by the latency and by the wait for the burst's end."""
        dice = random.Random(self.seed)  # noqa: S311 - jitter, not a secret
        burst_end_ns = 0
        for first in range(0, seconds * RATE_HZ, BLOCK_SAMPLES):
            ready_ns = self.true_boottime_ns(first + BLOCK_SAMPLES)
            while burst_end_ns < ready_ns:
                burst_end_ns = max(burst_end_ns, ready_ns) + dice.randrange(self.longest_burst_ms * 1_000_000 + 1)
            yield first, max(burst_end_ns, ready_ns) + LATENCY_NS


def _listen(clock: AudioClock, first: int, arrival_ns: int) -> None:
    clock.observe(first_sample=first, samples=BLOCK_SAMPLES, arrival_boottime_ns=arrival_ns)


@pytest.mark.parametrize("longest_burst_ms", [20, 100])
@pytest.mark.parametrize("ppm", [-200, 0, 200])
def test_anchors_stay_within_ten_ms_for_an_hour_and_the_rate_within_20_ppm(ppm: int, longest_burst_ms: int) -> None:
    microphone = Microphone(ppm=ppm, longest_burst_ms=longest_burst_ms, seed=ppm + longest_burst_ms)
    clock = AudioClock(rate_hz=RATE_HZ, latency_ns=LATENCY_NS)
    anchors_off_ns: list[int] = []
    naive_off_ns: list[int] = []
    rates_off_ppm: list[int] = []
    for first, arrival_ns in microphone.blocks(3600):
        _listen(clock, first, arrival_ns)
        if first % (10 * RATE_HZ) == 0:
            truth_ns = microphone.true_boottime_ns(first)
            anchors_off_ns.append(abs(clock.boottime_of(first) - truth_ns))
            naive_off_ns.append(abs(arrival_ns - LATENCY_NS - BLOCK_NS - truth_ns))
        if first % (10 * RATE_HZ) == 0 and first >= 600 * RATE_HZ:
            rates_off_ppm.append(abs((clock.rate_error_ppm() or 0) - ppm))
    # The very first block alone can be as late as a whole burst; ten seconds later the clock knows better.
    assert max(anchors_off_ns[1:]) < 10_000_000
    assert max(rates_off_ppm) <= 20
    assert max(naive_off_ns) > 10_000_000  # negative control: taking the newest arrival would not do


def test_the_rate_is_nominal_until_a_minute_was_seen() -> None:
    microphone = Microphone(ppm=150, longest_burst_ms=20)
    clock = AudioClock(rate_hz=RATE_HZ)
    known_from = None
    for first, arrival_ns in microphone.blocks(90):
        _listen(clock, first, arrival_ns)
        if known_from is None and clock.rate_error_ppm() is not None:
            known_from = first / RATE_HZ
        if known_from is None:
            second_ns = clock.boottime_of(first + RATE_HZ) - clock.boottime_of(first)
            assert abs(second_ns - 10**9) <= 1
    assert known_from is not None
    assert 59 <= known_from <= 62


def test_a_stall_that_delivers_late_but_without_loss_does_not_move_the_anchor() -> None:
    microphone = Microphone(ppm=80, longest_burst_ms=20)
    clock = AudioClock(rate_hz=RATE_HZ, latency_ns=LATENCY_NS)
    resumes_ns = BOOT_NS + 203 * 10**9
    for first, arrival_ns in microphone.blocks(240):
        stalled = 200 * RATE_HZ <= first < 203 * RATE_HZ
        _listen(clock, first, max(arrival_ns, resumes_ns) if stalled else arrival_ns)
        if first >= 200 * RATE_HZ:
            assert abs(clock.boottime_of(first) - microphone.true_boottime_ns(first)) < 10_000_000


def test_a_latency_that_grows_for_good_is_followed_within_a_minute() -> None:
    microphone = Microphone(ppm=0, longest_burst_ms=20)
    clock = AudioClock(rate_hz=RATE_HZ, latency_ns=LATENCY_NS)
    more_ns = 150_000_000
    for first, arrival_ns in microphone.blocks(270):
        _listen(clock, first, arrival_ns + more_ns * (first >= 200 * RATE_HZ))
    assert abs(clock.boottime_of(first) - microphone.true_boottime_ns(first) - more_ns) < 10_000_000


@pytest.mark.parametrize("ppm", [-20, 20])
def test_a_grid_that_beats_with_the_blocks_errs_by_no_more_than_a_block(ppm: int) -> None:
    """The limit the module names: every arrival on a 100 ms grid of BOOTTIME, blocks of 25 ms."""
    microphone = Microphone(ppm=ppm, longest_burst_ms=0)
    clock = AudioClock(rate_hz=RATE_HZ, latency_ns=LATENCY_NS)
    for first, arrival_ns in microphone.blocks(1200):
        since_boot_ns = arrival_ns - LATENCY_NS - BOOT_NS
        _listen(clock, first, arrival_ns + -since_boot_ns % 100_000_000)
        if first % (30 * RATE_HZ) == 0 and first:
            assert abs(clock.boottime_of(first) - microphone.true_boottime_ns(first)) <= BLOCK_NS + 1_000_000


def test_memory_does_not_grow_with_the_recording() -> None:
    clock = AudioClock(rate_hz=RATE_HZ)
    sizes = []
    for first, arrival_ns in Microphone(ppm=50, longest_burst_ms=20).blocks(1800):
        _listen(clock, first, arrival_ns)
        if first % (300 * RATE_HZ) == 0:
            sizes.append(len(clock._kept))
    assert max(sizes) <= 602
    assert sizes[-1] >= 600


def test_asking_before_any_block_is_refused() -> None:
    clock = AudioClock(rate_hz=RATE_HZ)
    assert clock.rate_error_ppm() is None
    with pytest.raises(ValueError, match="no sound block"):
        clock.boottime_of(0)


def test_the_first_block_alone_anchors_at_its_arrival_less_its_length_and_the_latency() -> None:
    clock = AudioClock(rate_hz=RATE_HZ, latency_ns=LATENCY_NS)
    clock.observe(first_sample=4800, samples=1200, arrival_boottime_ns=BOOT_NS)
    assert clock.boottime_of(4800) == BOOT_NS - BLOCK_NS - LATENCY_NS
    assert clock.boottime_of(6000) == BOOT_NS - LATENCY_NS
