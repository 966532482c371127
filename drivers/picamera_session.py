"""One claimed and configured Picamera2, from claim to release.

Owns the Picamera2 with its two threads (libcamera's events, picamera2's event loop; on a Pi 4 also the encoder's).
Every method may block as long as libcamera likes and may raise anything: `drivers.camera` bounds and translates.
Touches no disk. Imports picamera2 and libcamera: load this module only when a camera is opened.
"""

from __future__ import annotations

import atexit
import enum
import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from libcamera import _libcamera
from picamera2 import Picamera2

from drivers.camera_faults import ModeRefused
from drivers.caption import Caption
from drivers.encoder import PacketOutput, has_hardware_encoder, make_encoder
from drivers.gate import Gate
from drivers.origin import libcamera_origin, package_version
from drivers.tap import FrameTap
from drivers.watch import PictureWatch
from edge.config import Camera as CameraSettings
from edge.ports import PictureFormat, PicturePacket, SourceOrigin

LORES_WIDTH = 320

BUFFERS = 12
"""Frames in flight between sensor and encoder: at 25 per second the event thread may fall 0.44 s behind before the
sensor finds no buffer and a frame is missed (0.24 s was seen at 720p on two busy cores). Each costs one picture of
memory (1.4 MB at 720p)."""


class Step(enum.Enum):
    """Which library a call is in; a call that is stuck in libcamera leaves nothing to be done in this process."""

    PICAMERA2 = enum.auto()
    LIBCAMERA = enum.auto()


class PicameraSession:
    """Claims the camera and configures it; the constructor leaves nothing claimed when it raises."""

    def __init__(self, settings: CameraSettings, picture: PictureFormat) -> None:
        """Raise ModeRefused when the camera is there but cannot do `picture`."""
        self._settings = settings
        self._picture = picture
        self._encoder: Any = None
        self._hardware = has_hardware_encoder()
        self._step = Step.LIBCAMERA
        self._wrested = False
        self._picam2 = _claimed(settings.index)
        try:
            self._configure()
        except Exception:
            self._picam2.close()
            raise

    def origin(self) -> tuple[SourceOrigin, ...]:
        """libcamera, picamera2 and the encoder's library."""
        camera = f"{self._picam2.camera_properties.get('Model', '')} {self._picam2.camera.id}"
        encoder = ("bcm2835-codec", "kernel") if self._hardware else ("PyAV", package_version("av"))
        return (
            libcamera_origin(_libcamera, str(self._picam2.camera_manager.version), camera),
            _part("picamera2", package_version("picamera2"), "between libcamera and the encoder"),
            _part(*encoder, "encoder"),
        )

    @property
    def running(self) -> bool:
        """Whether `run` was called."""
        return self._encoder is not None

    def run(self, gate: Gate, watch: PictureWatch, caption: Caption | None, *, bitrate_bits_per_second: int) -> None:
        """Start encoder and sensor."""

        def take(packet: PicturePacket) -> None:
            watch.saw_frame()
            gate.deliver(packet)

        encoder = make_encoder(
            self._picture,
            bitrate_bits_per_second=bitrate_bits_per_second,
            preset=self._settings.preset,
            hardware=self._hardware,
        )
        main, lores = (self._picam2.stream_configuration(name) for name in ("main", "lores"))
        self._picam2.pre_callback = FrameTap(main=main, lores=lores, watch=watch, caption=caption)
        self._encoder = encoder
        self._picam2.start_recording(encoder, PacketOutput(encoder, self._picture.frames_per_second, take))

    def force_key_frame(self) -> None:
        """Ask the encoder for a keyframe; never blocks."""
        if self._encoder is not None:
            self._encoder.force_key_frame()

    def set_bitrate(self, bits_per_second: int) -> None:
        """Tell the running encoder its average from the next frame on. Raises OSError where its driver refuses."""
        if self._encoder is not None:
            self._encoder.set_bitrate(bits_per_second)

    def release(self) -> None:
        """Stop, flush and give the camera back, without needing a living event loop as picamera2's own `stop` does.

        picamera2's `stop` hands the work to its event loop and waits without limit; a loop that died of an exception
        in the encoder never answers. So the loop is ended first.
        """
        picam2 = self._picam2
        with ExitStack() as steps:  # last first, and each one whatever happened to those before
            steps.callback(self._close_pipe_of_wrested)
            steps.callback(self._at, Step.LIBCAMERA, picam2.close)
            if picam2.encoders:
                steps.callback(self._at, Step.PICAMERA2, picam2.stop_encoder)
            if picam2.started:
                steps.callback(self._at, Step.LIBCAMERA, picam2.stop)
                steps.callback(self._at, Step.PICAMERA2, picam2.stop_preview)

    def abandon(self) -> bool:
        """Let the process end although a call is stuck: picamera2's own end at exit would block just so.

        Returns whether it is picamera2 that is stuck and not libcamera below it: then `wrest` may still work.
        """
        atexit.unregister(self._picam2.close)
        return self._step is Step.PICAMERA2

    def wrest(self) -> None:
        """Take the camera from a picamera2 that is stuck, so that another one in this process can claim it.

        The stuck one must never touch it again: without its camera whatever it still does fails on its own thread.
        """
        picam2 = self._picam2
        camera, picam2.camera, picam2.is_open = picam2.camera, None, False
        self._wrested = True
        camera.stop()
        camera.release()

    def _close_pipe_of_wrested(self) -> None:
        """What picamera2's `close` leaves open where it finds the camera gone already."""
        if self._wrested:
            self._picam2.notifymeread.close()
            os.close(self._picam2.notifyme_w)

    def _at(self, step: Step, work: Callable[[], object]) -> None:
        self._step = step
        work()

    def _configure(self) -> None:
        wanted, picam2 = self._picture, self._picam2
        lores_width = min(LORES_WIDTH, wanted.width)
        lores_height = wanted.height * lores_width // wanted.width // 2 * 2
        period_us = round(1_000_000 / wanted.frames_per_second)
        picam2.configure(
            picam2.create_video_configuration(
                main={"size": (wanted.width, wanted.height), "format": "YUV420"},
                lores={"size": (lores_width, lores_height), "format": "YUV420"},
                raw=None,
                buffer_count=BUFFERS,
                queue=False,  # no finished request is held back for a caller: the tap copies what it needs
                display=None,
                controls={"FrameDurationLimits": (period_us, period_us)},
            )
        )
        given = picam2.stream_configuration("main")
        shortest_us, longest_us, _ = picam2.camera_controls["FrameDurationLimits"]
        if tuple(given["size"]) != (wanted.width, wanted.height) or given["format"] != "YUV420":
            raise ModeRefused(f"asked {wanted.width}x{wanted.height}, offered {given['size']} {given['format']}")
        if not shortest_us <= period_us <= longest_us:
            raise ModeRefused(f"asked {wanted.frames_per_second} frames per second, fastest {1e6 / shortest_us:.1f}")


def _claimed(index: int) -> Any:
    """A Picamera2 of this camera. One that cannot be built leaves its wake-up pipe open: with an object at hand while
    it is built the pipe can be closed, so that trying for days costs no file descriptors.
    """
    picam2 = Picamera2.__new__(Picamera2)
    try:
        picam2.__init__(index)
    except Exception:
        picam2.notifymeread.close()
        os.close(picam2.notifyme_w)
        raise
    return picam2


def _part(component: str, version: str, evidence: str) -> SourceOrigin:
    """A component that works on the picture but cannot be its source."""
    return SourceOrigin(component=component, version=version, evidence=evidence, genuine=True)
