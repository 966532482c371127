"""From PCM blocks to packets: every sample counted, every loss exact, silence noticed."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from drivers.gate import Gate
from drivers.pcm_queue import Block, PcmQueue, StreamEnded
from drivers.sound_thread import Packer, SoundSettings, SoundThread
from edge.ports import SoundMeasure, SoundPacket, SourceLost, Stream
from tests.drivers.deliveries import Deliveries, SteppedClock

SETTINGS = SoundSettings(rate_hz=48_000, channels=1, packet_samples=1200, latency_correction_ms=0)
MS = 1_000_000


def pcm(samples: int) -> bytes:
    return np.arange(samples, dtype="<i2").tobytes()


def block(samples: int, arrival_ns: int, missed: int = 0) -> Block:
    return Block(pcm=pcm(samples), samples=samples, arrival_boottime_ns=arrival_ns, missed_samples=missed)


class Running:
    """A sound thread with its queue; ends with the `with` block."""

    def __init__(self) -> None:
        self.clock = SteppedClock()
        self.deliveries = Deliveries()
        self.blocks = PcmQueue(20 * SETTINGS.rate_hz)
        self.thread = SoundThread(
            packer=Packer(SETTINGS),
            settings=SETTINGS,
            blocks=self.blocks,
            gate=Gate(self.deliveries),
            clock=self.clock,
        )

    def __enter__(self) -> Running:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.thread.finish(10)

    def put(self, samples: int) -> None:
        self.blocks.put(pcm(samples), samples, self.clock.boottime_ns())


def test_the_queue_holds_what_fits_and_counts_what_does_not() -> None:
    queue = PcmQueue(3000)
    for arrival in range(5):
        queue.put(pcm(1000), 1000, arrival)
    assert [queue.take(0) for _ in range(4)] == [*(block(1000, arrival) for arrival in range(3)), None]
    queue.put(pcm(1000), 1000, 5)
    assert queue.take(0) == block(1000, 5, missed=2000)
    queue.put(pcm(1000), 1000, 6)
    assert queue.take(0) == block(1000, 6)


def test_losses_before_and_in_the_queue_add_up() -> None:
    queue = PcmQueue(1000)
    queue.put(pcm(1000), 1000, 0, 7)
    queue.put(pcm(1000), 1000, 1, 5)
    assert queue.take(0) == block(1000, 0, missed=7)
    queue.put(pcm(1000), 1000, 2, 3)
    assert queue.take(0) == block(1000, 2, missed=5 + 1000 + 3)


def test_the_end_of_the_stream_passes_after_what_was_queued() -> None:
    queue = PcmQueue(1000)
    queue.put(pcm(10), 10, 0)
    queue.end()
    assert [queue.take(0), queue.take(0)] == [block(10, 0), StreamEnded()]


def test_packets_count_on_and_arrive_with_their_last_sample() -> None:
    packer = Packer(SETTINGS)
    packets = packer.pack(block(2400, 50 * MS)) + packer.pack(block(600, 63 * MS)) + packer.pack(block(1200, 88 * MS))
    assert [(packet.first_sample, packet.samples) for packet in packets] == [(0, 1200), (1200, 1200), (2400, 1200)]
    assert [packet.arrival_boottime_ns for packet in packets] == [25 * MS, 50 * MS, 88 * MS - 12_500_000]
    assert [(last.first_sample, last.samples) for last in packer.flush()] == [(3600, 600)]


def test_the_known_latency_is_taken_off_the_arrival() -> None:
    settings = SoundSettings(rate_hz=48_000, channels=1, packet_samples=1200, latency_correction_ms=30)
    assert Packer(settings).pack(block(1200, 100 * MS))[0].arrival_boottime_ns == 70 * MS


def test_no_packet_spans_a_gap_and_the_one_after_it_says_how_long_it_was() -> None:
    packer = Packer(SETTINGS)
    packets = packer.pack(block(1500, 0)) + packer.pack(block(1200, 10**9, missed=777)) + packer.flush()
    assert [(packet.first_sample, packet.samples, packet.missed_samples) for packet in packets] == [
        (0, 1200, 0),
        (1200, 300, 0),
        (1500 + 777, 1200, 777),
    ]


def test_two_gaps_without_a_packet_in_between_become_one() -> None:
    packer = Packer(SETTINGS)
    packets = packer.pack(block(0, 0, missed=10)) + packer.pack(block(1200, 0, missed=20))
    assert [(packet.first_sample, packet.missed_samples) for packet in packets] == [(30, 30)]


def test_an_orderly_end_delivers_the_last_shorter_packet_and_no_loss() -> None:
    with Running() as running:
        running.put(1700)
    assert running.deliveries.samples() == 1700
    assert running.deliveries.of(SourceLost) == []


def test_the_level_is_measured_twice_a_second() -> None:
    with Running() as running:
        for _ in range(40):
            running.put(1200)
    assert [measure.samples for measure in running.deliveries.of(SoundMeasure)] == [24_000, 24_000]


def test_a_microphone_that_falls_silent_is_lost_once_and_what_came_before_is_delivered() -> None:
    with Running() as running:
        running.put(1700)
        assert running.deliveries.wait_for(lambda: bool(running.deliveries.of(SoundPacket)))
        running.clock.now_ns += 501 * MS
        lost = running.deliveries.wait_for_loss()
        assert (lost.stream, running.deliveries.samples()) == (Stream.SOUND, 1700)
        assert running.thread.lost
    assert len(running.deliveries.of(SourceLost)) == 1


def test_a_microphone_gets_time_for_its_first_sound() -> None:
    with Running() as running:
        running.clock.now_ns += 1900 * MS
        assert not running.deliveries.wait_for(lambda: bool(running.deliveries.kept), 0.3)
        running.clock.now_ns += 200 * MS
        running.deliveries.wait_for_loss()


def test_a_stream_that_the_sound_system_ends_is_lost() -> None:
    with Running() as running:
        running.put(100)
        running.blocks.end()
        assert "ended" in running.deliveries.wait_for_loss().what
    assert running.deliveries.samples() == 100


def test_a_delivery_that_hangs_is_reported_at_the_limit() -> None:
    entered, let_go = threading.Event(), threading.Event()

    def hang(_: object) -> None:
        entered.set()
        let_go.wait(10)

    blocks = PcmQueue(SETTINGS.rate_hz)
    thread = SoundThread(
        packer=Packer(SETTINGS), settings=SETTINGS, blocks=blocks, gate=Gate(hang), clock=SteppedClock()
    )
    thread.start()
    blocks.put(pcm(1200), 1200, 0)
    assert entered.wait(10)
    assert not thread.finish(0.01)
    let_go.set()
    assert thread.finish(10)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_format_is_known_before_the_first_sound(channels: int) -> None:
    settings = SoundSettings(rate_hz=44_100, channels=channels, packet_samples=1024, latency_correction_ms=0)
    form = Packer(settings).format
    assert (form.rate_hz, form.channels, len(form.streaminfo)) == (44_100, channels, 34)
