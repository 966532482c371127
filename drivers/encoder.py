"""picamera2's encoders as this recorder needs them: which one, its settings, and an output that only enqueues.

Owns no thread. The output is called in picamera2's event thread (libx264) or in its encoder's poll thread (V4L2); a
callback that waited there would starve the sensor. Imports picamera2: load this module only when a camera is opened.
"""

from __future__ import annotations

import ctypes
import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from av.video.frame import PictureType
from picamera2.encoders import Encoder, LibavH264Encoder
from picamera2.encoders.h264_encoder import H264Encoder  # not from the package: on a Pi 5 that name is libx264
from picamera2.outputs import Output
from videodev2 import V4L2_CID_MPEG_VIDEO_BITRATE, VIDIOC_S_CTRL, v4l2_control

from edge.ports import PictureFormat, PicturePacket

V4L2_ENCODER_NAME = Path("/sys/class/video4linux/video11/name")
"""picamera2 opens /dev/video11 without looking. The kernel names that node "bcm2835-codec-encode" on a Pi 4 and
earlier; a Pi 5 has no encoder, and on a PC video11 can be anything, while picamera2 takes every unknown machine for a
Pi 4 (Platform.VC4). So the name decides, not the platform."""

ONE_THREAD_PIXELS = 1280 * 720
NS_PER_SECOND = 1_000_000_000
MISSED_ABOVE_PERIODS = 1.5


def has_hardware_encoder(name_file: Path = V4L2_ENCODER_NAME) -> bool:
    """Whether the node picamera2's V4L2 encoder opens is the Pi's H.264 encoder."""
    try:
        return name_file.read_text().strip().startswith("bcm2835-codec")
    except OSError:
        return False


class SteeredH264Encoder(H264Encoder):  # type: ignore[misc]
    """The Pi's own encoder through picamera2, whose bitrate can be changed while it runs."""

    def set_bitrate(self, bits_per_second: int) -> None:
        """The average from the next frame on; any thread. Raises OSError where the kernel's driver refuses.

        V4L2_CID_MPEG_VIDEO_BITRATE is a control like any other, which a driver may take while it streams (Linux media
        documentation, codec controls). Not yet run on a Pi.
        """
        if self.vd is not None:
            control = v4l2_control()
            control.id, control.value = V4L2_CID_MPEG_VIDEO_BITRATE, ctypes.c_int32(bits_per_second).value
            fcntl.ioctl(self.vd, VIDIOC_S_CTRL, control)
        self.bitrate = bits_per_second


class PunctualLibavEncoder(LibavH264Encoder):  # type: ignore[misc]
    """libx264 through picamera2, with keyframes that PyAV 14 and later accept.

    picamera2 0.3.38 asks for one with `frame.pict_type = "I"`, which PyAV refuses since it takes integers (measured
    with 18.1: TypeError, and picamera2's event thread ends). Here the mark is set on the way into the stream.
    """

    _stream: Any

    def __init__(self, **settings: Any) -> None:
        """Take picamera2's own settings."""
        super().__init__(**settings)
        self._keyframe_wanted = False
        self._bitrate_wanted: int | None = None

    def set_bitrate(self, bits_per_second: int) -> None:
        """The average from the next frame on; any thread, never blocks."""
        self.bitrate = self._bitrate_wanted = bits_per_second

    def force_key_frame(self) -> None:
        """Make the next frame a keyframe; any thread, never blocks."""
        self._keyframe_wanted = True

    def _start(self) -> None:
        super()._start()
        self._stream = _SteeredStream(self._stream, self._steer)

    def _steer(self, stream: Any, frame: Any) -> None:
        keyframe, self._keyframe_wanted = self._keyframe_wanted, False
        bits_per_second, self._bitrate_wanted = self._bitrate_wanted, None
        if keyframe:
            frame.pict_type = PictureType.I
        if bits_per_second is not None:
            stream.codec_context.bit_rate = bits_per_second  # libavcodec hands it to x264_encoder_reconfig


class _SteeredStream:
    """An encoder's stream whose wishes are carried out before each frame, on the encoder's own thread."""

    def __init__(self, stream: Any, steer: Callable[[Any, Any], None]) -> None:
        self._stream = stream
        self._steer = steer

    def encode(self, frame: Any = None) -> Any:
        if frame is not None:
            self._steer(self._stream, frame)
        return self._stream.encode(frame)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def make_encoder(picture: PictureFormat, *, bitrate_bits_per_second: int, preset: str, hardware: bool) -> Encoder:
    """An encoder with a keyframe every second, no B frames, SPS and PPS before every keyframe.

    libx264 runs with picamera2's frame threads, each of which delays the output by one frame; slice threads would not,
    but picamera2 does not offer them. One thread (no delay) is enough up to 720p; above, two (one frame of delay) let
    a frame be encoded while the next is delivered. Not yet measured on a Pi.
    """
    settings = {
        "bitrate": bitrate_bits_per_second,
        "repeat": True,
        "iperiod": picture.frames_per_second,
        "framerate": picture.frames_per_second,
    }
    if hardware:
        return SteeredH264Encoder(profile="high", **settings)
    encoder = PunctualLibavEncoder(**settings)
    encoder.preset = preset
    encoder.threads = 1 if picture.width * picture.height <= ONE_THREAD_PIXELS else 2
    return encoder


class PacketOutput(Output):  # type: ignore[misc]
    """Turns what the encoder puts out into PicturePackets on the CLOCK_BOOTTIME axis and hands them on."""

    def __init__(self, encoder: Encoder, frames_per_second: int, take: Callable[[PicturePacket], object]) -> None:
        super().__init__()
        self._encoder = encoder
        self._frames_per_second = frames_per_second
        self._take = take
        self._last_ns: int | None = None

    def _add_stream(self, encoder_stream: Any, *_args: Any, **_settings: Any) -> None:
        """picamera2 shows the stream before it is opened; libx264 is told here what picamera2 has no setting for."""
        if not isinstance(encoder_stream, str):  # the V4L2 encoder passes a name: there is nothing to set
            second = str(self._encoder.bitrate)
            encoder_stream.codec_context.options |= {
                **{"sc_threshold": "0", "bf": "0", "forced-idr": "1"},
                # A buffer of one second: libx264 changes the bitrate of a running encoder only where it keeps one.
                **{"maxrate": second, "bufsize": second},
            }

    def outputframe(
        self, frame: Any, keyframe: bool = True, timestamp: int | None = None, packet: Any = None, audio: bool = False
    ) -> None:
        """Take one access unit; `timestamp` is in us after the encoder's first frame."""
        boottime_ns = (self._encoder.firsttimestamp + (timestamp or 0)) * 1000
        missed = missed_frames(self._last_ns, boottime_ns, self._frames_per_second)
        self._last_ns = boottime_ns
        self._take(
            PicturePacket(payload=bytes(frame), boottime_ns=boottime_ns, keyframe=bool(keyframe), missed_frames=missed)
        )


def missed_frames(last_ns: int | None, now_ns: int, frames_per_second: int) -> int:
    """Frame times without a frame between two sensor times: a step above 1.5 periods, in whole nominal periods."""
    if last_ns is None or (now_ns - last_ns) * frames_per_second <= MISSED_ABOVE_PERIODS * NS_PER_SECOND:
        return 0
    return round((now_ns - last_ns) * frames_per_second / NS_PER_SECOND) - 1
