"""A camera and a microphone in virtual time: the ports of the recorder, without a thread and without a library.

Owns the frame memory. The conductor's thread calls everything: `next_ns` says when a source has something to do, `tick`
does it. What lies between sensor and port (encoder, FLAC, measures) is the product's own and handed in as a chain;
what really happened goes to the witness.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy
from numpy.typing import NDArray

from edge.ports import (
    Clock,
    Deliver,
    Delivered,
    FaultKind,
    HardwareFault,
    PictureFormat,
    SoundFormat,
    SourceLost,
    SourceOrigin,
    Stream,
)
from sim.framestore import frame_bytes, planes_of
from sim.imager import Moment
from sim.scene import PictureSource, SoundSource
from sim.truth import NoTruth, Witness

NS_PER_SECOND = 1_000_000_000
NS_PER_US = 1000
SETTLING_NS = 200_000_000
"""A sensor's first frame comes this long after its start."""
READOUT_NS = 30_000_000
"""A frame reaches the encoder this long after its sensor time."""
BLOCKS_PER_SECOND = 50
JITTER_NS = (5_000_000, 40_000_000)
"""A block of sound reaches the driver this late, evenly spread, never before the block ahead of it."""


class PictureChain(Protocol):
    """The product's chain from raw frame to packets. A frame is flat YUV 4:2:0 and may be painted on."""

    silence_ns: int

    def origin(self) -> tuple[SourceOrigin, ...]:
        """What the picture passes through."""

    def start(self, caption: str, clock: Clock) -> None:
        """Begin a new run."""

    def take(self, yuv: NDArray[numpy.uint8], boottime_ns: int) -> Sequence[Delivered]:
        """Encode a frame; returns what became ready."""

    def force_keyframe(self) -> None:
        """Make the next frame a keyframe."""

    def ease(self, eased: bool) -> None:
        """Take the lower bitrate, or the usual one again."""

    def stop(self) -> Sequence[Delivered]:
        """End the run; returns what was still inside."""


class SoundChain(Protocol):
    """The product's chain from PCM blocks to packets."""

    silence_ns: int

    def format(self) -> SoundFormat:
        """Rate, channels and STREAMINFO."""

    def origin(self) -> tuple[SourceOrigin, ...]:
        """What the sound passes through."""

    def start(self) -> None:
        """Begin a new run at sample 0."""

    def take(self, pcm: bytes, arrival_boottime_ns: int, missed_samples: int) -> Sequence[Delivered]:
        """Encode a block; returns what became ready."""

    def stop(self) -> Sequence[Delivered]:
        """End the run; returns what was still inside."""


def virtual_origin(component: str) -> SourceOrigin:
    """What a virtual source says of itself: it is never the physical sensor."""
    return SourceOrigin(component=component, version="1", evidence="port-level simulation", genuine=False)


class VirtualCamera:
    """Implements `edge.ports.Camera`. The counter goes on for every frame time, delivered or not.

    `witness` may be set before `start`.
    """

    def __init__(self, *, picture: PictureFormat, chain: PictureChain, scene: PictureSource, clock: Clock) -> None:
        """Be there, not running. A frame lasts whole microseconds, as with the simulated sensor of the first tier."""
        self._picture = picture
        self._chain = chain
        self._scene = scene
        self._clock = clock
        self.witness: Witness = NoTruth()
        self._frame_ns = 1_000_000 // picture.frames_per_second * NS_PER_US
        size = frame_bytes(height=picture.height, stride=picture.width)
        memory = bytearray(size)
        self._yuv = numpy.frombuffer(memory, numpy.uint8, count=size)
        self._planes = planes_of(memory, width=picture.width, height=picture.height, stride=picture.width)
        self._counter = 0
        self._sensor_ns = 0
        self._running: tuple[Deliver, str] | None = None
        self._open = False
        self._stalled_until_ns = 0
        self._latest_ns = 0
        self._away = False

    def open(self) -> PictureFormat:
        """Say what the picture is. Raises HardwareFault."""
        if self._away:
            raise _absent("camera")
        return self._picture

    def start(self, deliver: Deliver, caption: str) -> None:
        """Start sensor and encoder; the first frame comes after the sensor has settled. Raises HardwareFault."""
        if self._away:
            raise _absent("camera")
        now_ns = self._clock.boottime_ns()
        if self._running is None:
            self._sensor_ns = (now_ns + SETTLING_NS) // NS_PER_US * NS_PER_US
        self._chain.start(caption, self._clock)
        self._latest_ns = max(now_ns, self._sensor_ns)
        self._running = (deliver, caption)
        self._open = True

    def force_keyframe(self) -> None:
        """Pass the wish on."""
        self._chain.force_keyframe()

    def ease(self, eased: bool) -> None:
        """Pass it on."""
        self._chain.ease(eased)

    def stop(self, limit_seconds: float) -> None:
        """Stop and flush; takes no time, so the limit is kept."""
        if self._running is not None and self._open:
            self._deliver(self._chain.stop())
        self._running = None
        self._open = False

    def origin(self) -> tuple[SourceOrigin, ...]:
        """The virtual sensor and the product's encoder."""
        return (virtual_origin("virtual camera"), *self._chain.origin())

    def stall(self, until_ns: int) -> None:
        """Deliver nothing before this moment; longer than the driver's patience, and the camera is lost."""
        self._stalled_until_ns = until_ns

    def take_away(self) -> None:
        """Be gone: nothing is delivered, and nobody can start it."""
        self._away = True

    def put_back(self) -> None:
        """Be there again, for whoever starts it."""
        self._away = False

    def next_ns(self) -> int | None:
        """When the next frame time reaches the encoder."""
        return self._sensor_ns + READOUT_NS if self._running is not None else None

    def tick(self) -> None:
        """Deal with one frame time."""
        counter, sensor_ns = self._counter, self._sensor_ns
        self._counter += 1
        self._sensor_ns += self._frame_ns
        stalled = self._away or self._clock.boottime_ns() < self._stalled_until_ns
        if self._open and stalled:
            self._lose_patience()
        seen = self._open and not stalled
        self.witness.frame(counter, sensor_ns, seen)
        if seen:
            self._latest_ns = self._clock.boottime_ns()
            self._scene.draw(counter, _utc_ms_at(self._clock, sensor_ns), self._planes)
            self._deliver(self._chain.take(self._yuv, sensor_ns))

    def _lose_patience(self) -> None:
        """What the driver's watch does: after a silence this camera is lost, and nothing more of it comes through."""
        now_ns = self._clock.boottime_ns()
        if now_ns - self._latest_ns <= self._chain.silence_ns:
            return
        self._deliver(self._chain.stop())
        self._deliver([SourceLost(stream=Stream.PICTURE, boottime_ns=now_ns, what="virtual camera stalled")])
        self._open = False

    def _deliver(self, ready: Sequence[Delivered]) -> None:
        if self._running is not None:
            for item in ready:
                self._running[0](item)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crystal:
    """The sound card's clock: sample `k` of a run that began at `start_ns` is taken at `sample_ns(k)` on BOOTTIME."""

    rate_hz: int
    ppm: float
    start_ns: int

    def sample_ns(self, sample: int) -> int:
        """The moment of a sample, of any index of this run."""
        return self.start_ns + round(sample * NS_PER_SECOND / (self.rate_hz * (1 + self.ppm * 1e-6)))


class VirtualMicrophone:
    """Implements `edge.ports.Microphone`. `crystals` has the true clock of every run, in order.

    `witness` may be set before `start`.
    """

    def __init__(self, *, chain: SoundChain, source: SoundSource, clock: Clock, ppm: float, seed: int) -> None:
        """Be there, not running."""
        self._chain = chain
        self._source = source
        self._clock = clock
        self.witness: Witness = NoTruth()
        self._ppm = ppm
        self._random = random.Random(seed)  # noqa: S311 - the same lateness in every replay
        self._format = chain.format()
        self._block_samples = self._format.rate_hz // BLOCKS_PER_SECOND
        self._deliver: Deliver | None = None
        self._open = False
        self._silenced = False
        self._zero = False
        self._samples = 0
        self._missed = 0
        self._witnessed_samples = 0
        self._breaks_off = True
        self._arrival_ns = 0
        self._latest_ns = 0
        self.crystals: list[Crystal] = []

    def format(self) -> SoundFormat:
        """What the chain makes, whether the microphone is there or not."""
        return self._format

    def open(self) -> SoundFormat:
        """Say what the sound is. Raises HardwareFault."""
        if self._silenced:
            raise _absent("microphone")
        return self._format

    def start(self, deliver: Deliver) -> None:
        """Start capture at sample 0. Raises HardwareFault."""
        if self._silenced:
            raise _absent("microphone")
        now_ns = self._clock.boottime_ns()
        self._chain.start()
        self.crystals.append(Crystal(rate_hz=self._format.rate_hz, ppm=self._ppm, start_ns=now_ns))
        self._samples, self._missed = 0, 0
        self._breaks_off = True
        self._latest_ns = self._arrival_ns = now_ns
        self._deliver = deliver
        self._open = True
        self._await_block()

    def stop(self, limit_seconds: float) -> None:
        """Stop and flush; takes no time, so the limit is kept."""
        if self._open:
            self._pass_on(self._chain.stop())
        self._deliver = None
        self._open = False

    def origin(self) -> tuple[SourceOrigin, ...]:
        """The virtual sound card and the product's FLAC encoder."""
        return (virtual_origin("virtual microphone"), *self._chain.origin())

    def take_away(self) -> None:
        """Be gone: nothing is sent, and nobody can start it."""
        self._silenced = True

    def put_back(self) -> None:
        """Be there again, for whoever starts it."""
        self._silenced = False

    def zero(self, zero: bool) -> None:
        """Send digital zero, or the room."""
        self._zero = zero

    def skip(self, samples: int) -> None:
        """Lose this many samples between card and driver, and say so with the next block (an overrun)."""
        self._source.read(samples)
        self._samples += samples
        self._missed += samples
        self._breaks_off = True
        self._await_block()

    def next_ns(self) -> int | None:
        """When the next block arrives, or when the driver loses patience."""
        if not self._open:
            return None
        return self._latest_ns + self._chain.silence_ns if self._silenced else self._arrival_ns

    def tick(self) -> None:
        """Deal with one block, or with the silence where one should be."""
        if self._silenced:
            self._lose_patience()
            return
        pcm = self._source.read(self._block_samples)
        if self._zero:
            pcm = bytes(len(pcm))
        missed, self._missed = self._missed, 0
        self._testify(pcm)
        self._samples += self._block_samples
        self._latest_ns = self._arrival_ns
        self._pass_on(self._chain.take(pcm, self._arrival_ns, missed))
        self._await_block()

    def _testify(self, pcm: bytes) -> None:
        if self._breaks_off:
            self.witness.moment(self._witnessed_samples, self.crystals[-1].sample_ns(self._samples))
            self._breaks_off = False
        self.witness.sound(pcm)
        self._witnessed_samples += self._block_samples

    def _await_block(self) -> None:
        """A block arrives late, never early, and never before the one ahead of it."""
        complete_ns = self.crystals[-1].sample_ns(self._samples + self._block_samples)
        self._arrival_ns = max(self._arrival_ns, complete_ns + self._random.randint(*JITTER_NS))

    def _lose_patience(self) -> None:
        now_ns = self._clock.boottime_ns()
        self._pass_on(self._chain.stop())
        self._pass_on([SourceLost(stream=Stream.SOUND, boottime_ns=now_ns, what="virtual microphone vanished")])
        self._open = False

    def _pass_on(self, ready: Sequence[Delivered]) -> None:
        if self._deliver is not None:
            for item in ready:
                self._deliver(item)


def _absent(device: str) -> HardwareFault:
    return HardwareFault(
        device=device,
        what="没有连接 / not connected",
        remedy_zh="请检查连接",
        remedy_en="check the connection",
        kind=FaultKind.ABSENT,
    )


def _utc_ms_at(clock: Clock, boottime_ns: int) -> int:
    reading = clock.read()
    return Moment(boottime_ns=reading.boottime_ns, utc_ms=reading.utc_ms).utc_ms_at(boottime_ns)
