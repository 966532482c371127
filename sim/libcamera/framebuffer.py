"""Frame buffers in memory that two processes share, and the allocator that makes them.

A plane owns a duplicate of the descriptor it is given, as libcamera's does, and closes it when it is collected.
"""

from __future__ import annotations

import enum
import os
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.libcamera.camera import Camera
    from sim.libcamera.configuration import Stream


def shared_memory(name: str, size_bytes: int) -> int:
    """Return the descriptor of new, zeroed, close-on-exec memory of this size."""
    descriptor = os.memfd_create(name)
    os.ftruncate(descriptor, size_bytes)
    return descriptor


class FramePlane:
    """A part of a buffer: descriptor, offset and length in bytes."""

    def __init__(self) -> None:
        """Make an empty plane; `fd` is -1 until it is set."""
        self._fd = -1
        self.offset = 0
        self.length = 0

    @property
    def fd(self) -> int:
        """The plane's own descriptor."""
        return self._fd

    @fd.setter
    def fd(self, descriptor: int) -> None:
        if self._fd >= 0:
            raise RuntimeError("a plane's descriptor is set once")
        self._fd = os.dup(descriptor)
        weakref.finalize(self, os.close, self._fd)


@dataclass(slots=True)
class PlaneMetadata:
    """How much of a plane is filled."""

    bytes_used: int


class FrameMetadata:
    """What is known about the frame in a buffer."""

    class Status(enum.Enum):
        """How the frame ended."""

        Success = 0
        Error = 1
        Cancelled = 2

    Plane = PlaneMetadata

    def __init__(self, planes: list[PlaneMetadata]) -> None:
        """Start as a frame that has not been taken."""
        self.status = FrameMetadata.Status.Cancelled
        self.sequence = 0
        self.timestamp = 0
        self.planes = planes


class FrameBuffer:
    """One frame's memory; identity is its key, as in libcamera."""

    Plane = FramePlane

    def __init__(self, planes: list[FramePlane], cookie: int = 0) -> None:
        """Make a buffer of these planes."""
        self.planes = planes
        self.cookie = cookie
        self.metadata = FrameMetadata([PlaneMetadata(plane.length) for plane in planes])

    @property
    def length(self) -> int:
        """The size of all planes in bytes."""
        return sum(plane.length for plane in self.planes)


@dataclass(slots=True)
class FrameBufferAllocator:
    """Makes the buffers of a stream."""

    camera: Camera
    _buffers: dict[Stream, list[FrameBuffer]] = field(default_factory=dict)

    def allocate(self, stream: Stream) -> int:
        """Make the configured number of buffers and return it."""
        shape = stream.configuration
        self._buffers[stream] = [_buffer(shape.frame_size) for _ in range(shape.buffer_count)]
        return shape.buffer_count

    def free(self, stream: Stream) -> None:
        """Forget the buffers of a stream."""
        del self._buffers[stream]

    def buffers(self, stream: Stream) -> list[FrameBuffer]:
        """Return the buffers of a stream."""
        return self._buffers[stream]


def _buffer(size_bytes: int) -> FrameBuffer:
    plane = FramePlane()
    descriptor = shared_memory("liuhen-sim-frame", size_bytes)
    plane.fd = descriptor
    os.close(descriptor)
    plane.length = size_bytes
    return FrameBuffer([plane])
