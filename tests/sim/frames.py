"""Pictures in memory and short clips on disk for the tests of the simulated room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy

from sim.scene import Planes, Samples8

PADDING = 7


def blank(width: int, height: int, *, padding: int = 0) -> Planes:
    """Return planes filled with PADDING whose rows are `padding` (chroma: half of it) bytes longer than the picture."""
    wide, narrow = width + padding, (width + padding) // 2
    return Planes(
        luma=numpy.full((height, wide), PADDING, numpy.uint8),
        blue=numpy.full((height // 2, narrow), PADDING, numpy.uint8),
        red=numpy.full((height // 2, narrow), PADDING, numpy.uint8),
        width=width,
        height=height,
    )


def copied(planes: Planes) -> tuple[bytes, bytes, bytes]:
    """Return the visible pixels as bytes, for comparison."""
    width, half = planes.width, planes.width // 2
    return (planes.luma[:, :width].tobytes(), planes.blue[:, :half].tobytes(), planes.red[:, :half].tobytes())


def to_frame(planes: Planes) -> av.VideoFrame:
    """Return the planes as a frame an encoder takes."""
    frame = av.VideoFrame(planes.width, planes.height, "yuv420p")
    for target, source in zip(frame.planes, (planes.luma, planes.blue, planes.red), strict=True):
        rows = numpy.frombuffer(memoryview(target), numpy.uint8).reshape(-1, target.line_size)
        width = planes.width if source is planes.luma else planes.width // 2
        rows[: source.shape[0], :width] = source[:, :width]
    return frame


def lumas_after_x264(frames: Sequence[Planes], *, rate: int, bits_per_second: int) -> list[Samples8]:
    """Encode with x264 ultrafast at a bit rate and return the decoded lumas."""
    options = {"preset": "ultrafast", "tune": "zerolatency"}
    encoder, decoder = av.CodecContext.create("libx264", "w"), av.CodecContext.create("h264", "r")
    encoder.options, encoder.bit_rate, encoder.pix_fmt = options, bits_per_second, "yuv420p"
    encoder.time_base, encoder.framerate, encoder.gop_size = Fraction(1, rate), Fraction(rate), rate
    encoder.width, encoder.height = frames[0].width, frames[0].height
    decoded = []
    for number, planes in enumerate(frames):
        frame = to_frame(planes)
        frame.pts = number
        decoded += [picture for packet in encoder.encode(frame) for picture in decoder.decode(packet)]
    decoded += [picture for packet in encoder.encode(None) for picture in decoder.decode(packet)]
    decoded += decoder.decode(None)
    return [numpy.asarray(picture.to_ndarray()[: picture.height], numpy.uint8) for picture in decoded]


def write_clip(path: Path, greys: Iterable[int], *, rate: int, width: int = 160, height: int = 120) -> None:
    """Write a video of flat pictures, one luma each."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "10", "g": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for grey in greys:
            planes = blank(width, height)
            planes.luma[:] = grey
            planes.blue[:] = planes.red[:] = 128
            container.mux(stream.encode(to_frame(planes)))
        container.mux(stream.encode(None))
