"""Streams, their formats, and the camera configuration that picamera2 fills in and has validated.

Owns nothing. The stand-in delivers YUV420 alone, no larger than its sensor; anything else is adjusted, as libcamera
would, and reported as adjusted.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from sim.libcamera.geometry import ColorSpace, Orientation, Size

STRIDE_ALIGNMENT_BYTES = 64
STREAMS_AT_MOST = 2
BUFFERS_AT_MOST = 32


class StreamRole(enum.Enum):
    """What a stream is for."""

    Raw = 0
    StillCapture = 1
    VideoRecording = 2
    Viewfinder = 3


class PixelFormat:
    """A pixel format by name."""

    def __init__(self, name: str) -> None:
        """Name the format."""
        self._name = name

    def __str__(self) -> str:
        """Return the name."""
        return self._name

    def __eq__(self, other: object) -> bool:
        """Compare names."""
        return isinstance(other, PixelFormat) and str(other) == self._name

    def __hash__(self) -> int:
        """Hash the name."""
        return hash(self._name)


@dataclass(frozen=True, slots=True)
class StreamFormats:
    """The formats and sizes a stream can have."""

    sensor_size: Size

    @property
    def pixel_formats(self) -> list[PixelFormat]:
        """The one format the stand-in delivers."""
        return [PixelFormat("YUV420")]

    def sizes(self, pixel_format: PixelFormat) -> list[Size]:
        """Return the sensor's size for its format, nothing for another."""
        return [self.sensor_size] if pixel_format in self.pixel_formats else []


class Stream:
    """A place pictures come out of; identity is its key, as in libcamera."""

    def __init__(self, configuration: StreamConfiguration) -> None:
        """Belong to a configuration."""
        self.configuration = configuration


class StreamConfiguration:
    """Size, format and number of buffers of one stream."""

    def __init__(self, sensor_size: Size) -> None:
        """Start with the sensor's own size."""
        self.formats = StreamFormats(sensor_size)
        self.size = sensor_size
        self.pixel_format = PixelFormat("YUV420")
        self.stride = 0
        self.buffer_count = 4
        self.color_space: ColorSpace | None = None
        self.stream = Stream(self)

    @property
    def frame_size(self) -> int:
        """The size of a buffer in bytes: luma, and two chroma planes of half the width and height."""
        return self.stride * self.size.height * 3 // 2

    def adjust(self) -> bool:
        """Make the configuration one the sensor can deliver and return whether that changed it."""
        wanted = (self.size, self.pixel_format, self.buffer_count)
        limit = self.formats.sensor_size
        self.size = Size(_even_within(self.size.width, limit.width), _even_within(self.size.height, limit.height))
        self.pixel_format = PixelFormat("YUV420")
        self.buffer_count = min(max(self.buffer_count, 1), BUFFERS_AT_MOST)
        self.stride = -(-self.size.width // STRIDE_ALIGNMENT_BYTES) * STRIDE_ALIGNMENT_BYTES
        return wanted != (self.size, self.pixel_format, self.buffer_count)


class SensorConfiguration:
    """The sensor mode; a camera without raw stream is never asked for one."""

    def __init__(self) -> None:
        """Start empty."""
        self.bit_depth = 0
        self.output_size = Size()


class CameraConfiguration:
    """The configuration of all streams of a camera."""

    class Status(enum.Enum):
        """What validation found."""

        Valid = 0
        Adjusted = 1
        Invalid = 2

    def __init__(self, streams: list[StreamConfiguration]) -> None:
        """Hold the streams' configurations in order: main, then low resolution."""
        self._streams = streams
        self.orientation = Orientation.Rotate0
        self.sensor_config: SensorConfiguration | None = None

    def at(self, index: int) -> StreamConfiguration:
        """Return one stream's configuration."""
        return self._streams[index]

    def __iter__(self) -> Iterator[StreamConfiguration]:
        """Go through the streams in order."""
        return iter(self._streams)

    def __len__(self) -> int:
        """Return the number of streams."""
        return len(self._streams)

    def validate(self) -> Status:
        """Adjust what the sensor cannot deliver and say so."""
        if not 1 <= len(self._streams) <= STREAMS_AT_MOST:
            return self.Status.Invalid
        adjusted = [stream.adjust() for stream in self._streams]
        return self.Status.Adjusted if any(adjusted) else self.Status.Valid


def _even_within(wanted: int, limit: int) -> int:
    return max(2, min(wanted, limit) // 2 * 2)
