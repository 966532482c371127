"""The sound thread: PCM blocks in; FLAC packets, levels and the loss of the source out.

Owns the thread "sound" from `start` until the stream ended, fell silent, or `finish` was called. Touches no disk.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from drivers.flac import FlacEncoder
from drivers.gate import Gate
from drivers.measures import SoundMeter
from drivers.pcm_queue import Block, PcmQueue, StreamEnded
from edge.ports import Clock, LossCause, SoundFormat, SoundPacket, SourceLost, Stream

FIRST_BLOCK_SECONDS = 2.0
SILENCE_SECONDS = 0.5
"""A stream that froze stays "active" in PortAudio and raises no flag (measured): only the missing callback tells."""

LOOK_SECONDS = 0.1
MEASURES_PER_SECOND = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundSettings:
    """What the thread needs to know of the stream."""

    rate_hz: int
    channels: int
    packet_samples: int
    latency_correction_ms: int


class Packer:
    """Turns blocks into SoundPackets. Pure but for the encoder's state; one thread.

    A gap ends the FLAC stream before it with a short packet and begins a new one, so that no packet spans the gap and
    `first_sample` of the packet after it is exact.
    """

    def __init__(self, settings: SoundSettings) -> None:
        """Open the encoder; `format` is known from here on."""
        self._settings = settings
        self._encoder = self._new_encoder()
        self._next_sample = 0
        self._missed = 0
        self._block_end_ns = 0
        self.format = SoundFormat(
            rate_hz=settings.rate_hz, channels=settings.channels, streaminfo=self._encoder.streaminfo
        )

    def pack(self, block: Block) -> list[SoundPacket]:
        """The packets that became full with this block."""
        packets: list[SoundPacket] = []
        if block.missed_samples:
            packets = self.flush()
            self._encoder = self._new_encoder()
            self._missed += block.missed_samples
        self._block_end_ns = block.arrival_boottime_ns - self._settings.latency_correction_ms * 1_000_000
        return packets + self._stamped(self._encoder.encode(block.pcm))

    def flush(self) -> list[SoundPacket]:
        """The last, shorter packet; the encoder has ended."""
        return self._stamped(self._encoder.flush())

    def _stamped(self, encoded: list[tuple[bytes, int]]) -> list[SoundPacket]:
        """Count the packets on; each arrived when the block with its last sample did, less what came after in it."""
        packets = []
        after = self._encoder.waiting_samples + sum(samples for _, samples in encoded)
        for payload, samples in encoded:
            after -= samples
            self._next_sample += self._missed
            packets.append(
                SoundPacket(
                    payload=payload,
                    first_sample=self._next_sample,
                    samples=samples,
                    arrival_boottime_ns=self._block_end_ns - after * 1_000_000_000 // self._settings.rate_hz,
                    missed_samples=self._missed,
                )
            )
            self._next_sample += samples
            self._missed = 0
        return packets

    def _new_encoder(self) -> FlacEncoder:
        return FlacEncoder(self._settings.rate_hz, self._settings.channels, self._settings.packet_samples)


class SoundThread:
    """Runs a Packer and a SoundMeter over the queue and delivers what they give."""

    def __init__(self, *, packer: Packer, settings: SoundSettings, blocks: PcmQueue, gate: Gate, clock: Clock) -> None:
        """Prepare; `start` begins."""
        self._packer = packer
        self._meter = SoundMeter(settings.channels)
        self._measure_bytes = settings.rate_hz // MEASURES_PER_SECOND * 2 * settings.channels
        self._unmeasured = bytearray()
        self._blocks = blocks
        self._gate = gate
        self._clock = clock
        self._finishing = threading.Event()
        self.lost = False
        """Whether the source ended or fell silent by itself."""
        self._thread = threading.Thread(target=self._run, name="sound", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def expect_end(self) -> None:
        """From now on the stream's end is an order of ours, not a loss."""
        self._finishing.set()

    def finish(self, limit_seconds: float) -> bool:
        """Pack and deliver what is queued, flush, end; False when that took longer than the limit."""
        self.expect_end()
        self._blocks.end()
        self._thread.join(limit_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        due_ns = self._clock.boottime_ns() + int(FIRST_BLOCK_SECONDS * 1e9)
        while True:
            match self._blocks.take(LOOK_SECONDS):
                case Block() as block:
                    due_ns = self._clock.boottime_ns() + int(SILENCE_SECONDS * 1e9)
                    self._deliver(self._packer.pack(block))
                    self._measure(block)
                case StreamEnded():
                    return self._end("the sound system ended the stream", LossCause.ENDED)
                case None:
                    if self._clock.boottime_ns() > due_ns:
                        return self._end(f"no sound for {SILENCE_SECONDS:g} s", LossCause.SILENT)

    def _end(self, what: str, cause: LossCause) -> None:
        self._deliver(self._packer.flush())
        if not self._finishing.is_set():
            self.lost = True
            now_ns = self._clock.boottime_ns()
            self._gate.deliver(SourceLost(stream=Stream.SOUND, boottime_ns=now_ns, what=what, cause=cause))

    def _deliver(self, packets: list[SoundPacket]) -> None:
        for packet in packets:
            self._gate.deliver(packet)

    def _measure(self, block: Block) -> None:
        self._unmeasured += block.pcm
        if len(self._unmeasured) >= self._measure_bytes:
            self._gate.deliver(self._meter.measure(self._unmeasured, boottime_ns=block.arrival_boottime_ns))
            self._unmeasured = bytearray()
