"""The camera properties picamera2 names.

Owns nothing. The stand-in's camera has no ColorFilterArrangement, so picamera2 leaves out the raw stream.
"""

from __future__ import annotations

import enum

from sim.libcamera.control_types import ControlId, ControlType

Model = ControlId("Model", ControlType.String)
PixelArraySize = ControlId("PixelArraySize", ControlType.Size)


class draft:  # noqa: N801 - libcamera's own name
    """Properties libcamera has not settled yet."""

    class ColorFilterArrangementEnum(enum.IntEnum):
        """The order of colours on a Bayer sensor."""

        RGGB = 0
        GRBG = 1
        GBRG = 2
        BGGR = 3
        RGB = 4
        MONO = 5
