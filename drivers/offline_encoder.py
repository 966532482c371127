"""The product's picture and sound chains without their capture libraries, for a source that is fed frame by frame.

Owns no thread and touches no disk: whoever feeds frames and blocks gets back what became ready, on its own thread. The
chains are made of the same parts a device runs: caption, picamera2's libx264 encoder with the same settings and
output, measures; FLAC packer and sound meter. What is missing is picamera2's camera loop, PortAudio and the queue
between its callback and the packer. Imports picamera2: load this module only where there is a libcamera, or a stand-in.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
from libcamera import controls
from numpy.typing import NDArray

from drivers import sound_thread, watch
from drivers.caption import Caption, LocalClock, find_font
from drivers.encoder import PacketOutput, make_encoder
from drivers.measures import SoundMeter, measure_picture
from drivers.origin import package_version
from drivers.pcm_queue import Block
from drivers.picamera_session import LORES_WIDTH
from drivers.sound_thread import Packer, SoundSettings
from drivers.tap import MEASURE_EVERY_NS
from edge.config import Camera as CameraSettings
from edge.config import Microphone as MicrophoneSettings
from edge.ports import (
    Clock,
    PictureFormat,
    PictureMeasure,
    PicturePacket,
    SoundFormat,
    SoundMeasure,
    SoundPacket,
    SourceOrigin,
)

Plane = NDArray[np.uint8]
NS_PER_SECOND = 1_000_000_000
MAIN = "main"


class OfflinePicture:
    """Caption, measures and libx264. A frame is flat YUV 4:2:0 without padding between its rows, and is painted on."""

    silence_ns = int(watch.SILENCE_SECONDS * NS_PER_SECOND)
    """The driver calls a camera lost when it has sent nothing for this long."""

    def __init__(self, settings: CameraSettings, utc_offset_minutes: int) -> None:
        """Keep the settings; `start` opens the encoder."""
        self._settings = settings
        self._utc_offset_minutes = utc_offset_minutes
        self._encoder: Any = None
        self._eased = False
        self._caption: Caption | None = None
        self._ready: list[PicturePacket | PictureMeasure] = []
        self._measured: tuple[Plane, int] | None = None
        self._layout = {
            "format": "YUV420",
            "size": (settings.width, settings.height),
            "stride": settings.width,
        }

    def origin(self) -> tuple[SourceOrigin, ...]:
        """The parts of the product the picture passes through."""
        return tuple(
            SourceOrigin(component=component, version=package_version(name), evidence="encoder", genuine=True)
            for component, name in (("picamera2", "picamera2"), ("PyAV", "av"))
        )

    def start(self, caption: str, clock: Clock) -> None:
        """Open an encoder for a new run; the first frame becomes a keyframe."""
        chosen = self._settings
        picture = PictureFormat(width=chosen.width, height=chosen.height, frames_per_second=chosen.frames_per_second)
        self._caption = self._painter(caption, clock)
        self._measured, self._ready = None, []
        bitrate = chosen.bitrate(eased=self._eased)
        encoder = make_encoder(picture, bitrate_bits_per_second=bitrate, preset=chosen.preset, hardware=False)
        encoder.output = PacketOutput(encoder, chosen.frames_per_second, self._ready.append)
        encoder.name, encoder.format, encoder.stride = MAIN, self._layout["format"], chosen.width
        encoder.width, encoder.height = chosen.width, chosen.height
        encoder.start()
        self._encoder = encoder

    def take(self, yuv: Plane, boottime_ns: int) -> list[PicturePacket | PictureMeasure]:
        """Encode one frame; `boottime_ns` is whole microseconds, for picamera2 counts in them."""
        self._measure(yuv, boottime_ns)
        if self._caption is not None:
            self._caption.paint(yuv, self._settings.width, boottime_ns)
        self._encoder.encode(MAIN, _request(yuv, boottime_ns, self._layout))
        return self._taken()

    def force_keyframe(self) -> None:
        """Make the next frame a keyframe."""
        if self._encoder is not None:
            self._encoder.force_key_frame()

    def ease(self, eased: bool) -> None:
        """Change between the two bitrates, now and at later starts."""
        self._eased = eased
        if self._encoder is not None:
            self._encoder.set_bitrate(self._settings.bitrate(eased=eased))

    def stop(self) -> list[PicturePacket | PictureMeasure]:
        """Flush and close the encoder."""
        if self._encoder is not None:
            self._encoder.stop()
            self._encoder = None
        return self._taken()

    def _taken(self) -> list[PicturePacket | PictureMeasure]:
        taken = list(self._ready)
        self._ready.clear()
        return taken

    def _painter(self, text: str, clock: Clock) -> Caption | None:
        chosen = self._settings
        if not chosen.caption:
            return None
        return Caption(
            width=chosen.width,
            height=chosen.height,
            text=text,
            font=find_font(chosen.caption_font),
            clock=LocalClock(clock=clock, utc_offset_minutes=self._utc_offset_minutes),
        )

    def _measure(self, yuv: Plane, boottime_ns: int) -> None:
        """Measure twice a second what an image processor's small stream would show: every n-th pixel."""
        if self._measured is not None and boottime_ns - self._measured[1] < MEASURE_EVERY_NS:
            return
        width, height = self._settings.width, self._settings.height
        step = max(1, width // LORES_WIDTH)
        small = yuv[: width * height].reshape(height, width)[::step, ::step].copy()
        if self._measured is not None:
            before, zones = self._measured[0], self._settings.zones()
            self._ready.append(measure_picture(small, before, boottime_ns=boottime_ns, zones=zones))
        self._measured = (small, boottime_ns)


def _request(yuv: Plane, boottime_ns: int, layout: dict[str, Any]) -> Any:
    """As much of picamera2's CompletedRequest as its software encoder looks at."""

    def shaped(buffer: Plane, config: dict[str, Any]) -> Plane:
        return buffer.reshape(config["size"][1] * 3 // 2, config["stride"])

    return SimpleNamespace(
        request=SimpleNamespace(metadata={controls.SensorTimestamp: boottime_ns}, buffers={MAIN: yuv}),
        stream_map={MAIN: MAIN},
        config={MAIN: layout},
        picam2=SimpleNamespace(
            allocator=SimpleNamespace(sync=_no_sync), helpers=SimpleNamespace(_make_array_shared=shaped)
        ),
        acquire=_nothing,
        release=_nothing,
    )


def _no_sync(_allocator: object, buffer: Plane, _write: bool) -> AbstractContextManager[Plane]:
    """Ordinary memory has no caches of a device to be told."""
    return nullcontext(buffer)


def _nothing() -> None:
    """The frame's memory belongs to the caller; there is no request to hold back."""


class OfflineSound:
    """FLAC packer and sound meter: PCM blocks in, what the sound thread would deliver out."""

    silence_ns = int(sound_thread.SILENCE_SECONDS * NS_PER_SECOND)
    """The driver calls a microphone lost when it has sent nothing for this long."""

    def __init__(self, settings: MicrophoneSettings) -> None:
        """Keep the settings; `start` opens the encoder."""
        self._sound = SoundSettings(
            rate_hz=settings.rate_hz,
            channels=settings.channels,
            packet_samples=settings.packet_samples,
            latency_correction_ms=settings.latency_correction_ms,
        )
        self._measure_bytes = settings.rate_hz // sound_thread.MEASURES_PER_SECOND * 2 * settings.channels
        self._packer = Packer(self._sound)
        self._meter = SoundMeter(settings.channels)
        self._unmeasured = bytearray()

    def format(self) -> SoundFormat:
        """Rate, channels and STREAMINFO."""
        return self._packer.format

    def origin(self) -> tuple[SourceOrigin, ...]:
        """The parts of the product the sound passes through."""
        return (SourceOrigin(component="PyAV", version=package_version("av"), evidence="FLAC", genuine=True),)

    def start(self) -> None:
        """Begin a new run at sample 0."""
        self._packer = Packer(self._sound)
        self._meter = SoundMeter(self._sound.channels)
        self._unmeasured = bytearray()

    def take(self, pcm: bytes, arrival_boottime_ns: int, missed_samples: int) -> list[SoundPacket | SoundMeasure]:
        """Pack one block of interleaved s16; `missed_samples` PCM frames are missing directly before it."""
        samples = len(pcm) // (2 * self._sound.channels)
        block = Block(pcm=pcm, samples=samples, arrival_boottime_ns=arrival_boottime_ns, missed_samples=missed_samples)
        ready: list[SoundPacket | SoundMeasure] = [*self._packer.pack(block)]
        self._unmeasured += pcm
        if len(self._unmeasured) >= self._measure_bytes:
            ready.append(self._meter.measure(self._unmeasured, boottime_ns=arrival_boottime_ns))
            self._unmeasured = bytearray()
        return ready

    def stop(self) -> list[SoundPacket | SoundMeasure]:
        """The last, shorter packet."""
        return [*self._packer.flush()]
