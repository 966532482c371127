"""A picture for scenarios: small, cheap to draw, never the same twice, with detail enough for the checks."""

from __future__ import annotations

import numpy

from sim.scene import Planes

STEPS = 16


class SmallPicture:
    """A pattern and a block that wanders over it (implements `sim.scene.PictureSource`)."""

    def __init__(self, width: int = 320, height: int = 180) -> None:
        rows, columns = numpy.mgrid[0:height, 0:width]
        self._ground = (60 + (columns // 8 * 7 + rows // 8 * 13) % 120).astype(numpy.uint8)
        self._noise = numpy.random.default_rng(7).integers(0, 3, (height + STEPS, width), numpy.uint8)

    def draw(self, counter: int, utc_ms: int, planes: Planes) -> None:
        shift = counter * 7 % STEPS
        planes.luma[:] = self._ground + self._noise[shift : shift + planes.height]
        planes.blue[:] = planes.red[:] = 128
        left = counter * 4 % (planes.width - 64)
        planes.luma[40:104, left : left + 64] = 210
