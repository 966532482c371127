"""Frame buffers of the recorder, mapped into the world so that the sensor paints straight into them.

Owns the mapping of each buffer, from registration to `forget`; the descriptor is closed as soon as it is mapped.
"""

from __future__ import annotations

import mmap
import os
from functools import lru_cache

import numpy

from sim.scene import Planes, Samples8
from sim.sensor import Register, WireFault

WIDEST_PIXELS = 8192
BUFFERS_AT_MOST = 128


def planes_of(memory: bytearray | mmap.mmap, *, width: int, height: int, stride: int) -> Planes:
    """Return the planes of contiguous YUV 4:2:0 memory whose chroma stride is half the luma stride."""
    whole = numpy.frombuffer(memory, numpy.uint8, count=frame_bytes(height=height, stride=stride))
    luma_bytes, chroma_bytes = stride * height, stride * height // 4
    return Planes(
        luma=whole[:luma_bytes].reshape(height, stride),
        blue=whole[luma_bytes : luma_bytes + chroma_bytes].reshape(height // 2, stride // 2),
        red=whole[luma_bytes + chroma_bytes :].reshape(height // 2, stride // 2),
        width=width,
        height=height,
    )


def frame_bytes(*, height: int, stride: int) -> int:
    """Return the size of a YUV 4:2:0 frame."""
    return stride * height * 3 // 2


class FrameStore:
    """The buffers known since the sensor was started, by number."""

    def __init__(self) -> None:
        """Know no buffer."""
        self._planes: dict[int, Planes] = {}

    def register(self, shape: Register, descriptor: int) -> None:
        """Map a buffer and close its descriptor; raises WireFault when shape and memory do not fit each other."""
        try:
            if len(self._planes) >= BUFFERS_AT_MOST or not _is_possible(shape, os.fstat(descriptor).st_size):
                raise WireFault("a buffer that cannot be")
            memory = mmap.mmap(descriptor, frame_bytes(height=shape.height, stride=shape.stride))
        except OSError as trouble:
            raise WireFault("a buffer that cannot be mapped") from trouble
        finally:
            os.close(descriptor)
        self._planes[shape.buffer] = planes_of(memory, width=shape.width, height=shape.height, stride=shape.stride)

    def planes(self, buffer: int) -> Planes:
        """Return a buffer's planes; raises WireFault when it is unknown."""
        try:
            return self._planes[buffer]
        except KeyError:
            raise WireFault(f"buffer {buffer} was never registered") from None

    def forget(self) -> None:
        """Let all buffers go; their memory is unmapped with the last reference."""
        self._planes = {}


def shrink(source: Planes, target: Planes) -> None:
    """Scale a picture into a buffer of any size by taking the nearest pixel: cheap, as a preview stream needs it."""
    _sample(source.luma, (source.height, source.width), target.luma, (target.height, target.width))
    half_source, half_target = (source.height // 2, source.width // 2), (target.height // 2, target.width // 2)
    _sample(source.blue, half_source, target.blue, half_target)
    _sample(source.red, half_source, target.red, half_target)


def _sample(source: Samples8, source_shape: tuple[int, int], target: Samples8, target_shape: tuple[int, int]) -> None:
    rows, columns = _nearest(source_shape[0], target_shape[0]), _nearest(source_shape[1], target_shape[1])
    target[: target_shape[0], : target_shape[1]] = source[rows[:, None], columns]


@lru_cache(maxsize=32)
def _nearest(source_length: int, target_length: int) -> numpy.typing.NDArray[numpy.intp]:
    return (numpy.arange(target_length, dtype=numpy.intp) * 2 + 1) * source_length // (2 * target_length)


def _is_possible(shape: Register, memory_bytes: int) -> bool:
    sides = (shape.width, shape.height, shape.stride)
    if any(side <= 0 or side > WIDEST_PIXELS or side % 2 for side in sides) or shape.stride < shape.width:
        return False
    return memory_bytes >= frame_bytes(height=shape.height, stride=shape.stride)
