"""Sizes, rectangles, transforms and colour spaces as libcamera's Python binding names them.

Owns nothing. picamera2 adds `to_tuple`, `__repr__` and `__eq__` to these classes when it is imported.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels."""

    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle in sensor pixels."""

    x: int = 0
    y: int = 0
    width: int = 0
    height: int = 0


class Transform:
    """Flips and transposition of a picture; also copies another transform."""

    def __init__(self, hflip: bool | Transform = False, vflip: bool = False, transpose: bool = False) -> None:
        """Make a transform from flips, or copy one."""
        self.hflip: bool
        self.vflip: bool
        self.transpose: bool
        if isinstance(hflip, Transform):
            self.hflip, self.vflip, self.transpose = hflip.hflip, hflip.vflip, hflip.transpose
        else:
            self.hflip, self.vflip, self.transpose = bool(hflip), bool(vflip), bool(transpose)

    def __str__(self) -> str:
        """Return the flips that are set."""
        names = [name for name in ("hflip", "vflip", "transpose") if getattr(self, name)]
        return f"<libcamera.Transform {' '.join(names) or 'identity'!r}>"


class Orientation(enum.Enum):
    """The eight EXIF orientations."""

    Rotate0 = 1
    Rotate0Mirror = 2
    Rotate180 = 3
    Rotate180Mirror = 4
    Rotate90Mirror = 5
    Rotate270 = 6
    Rotate270Mirror = 7
    Rotate90 = 8


class ColorSpace:
    """A colour space by its four parts, or a copy of another one; mutable, as libcamera's is."""

    class Primaries(enum.Enum):
        """Chromaticities."""

        Raw = 0
        Smpte170m = 1
        Rec709 = 2

    class TransferFunction(enum.Enum):
        """Opto-electronic transfer."""

        Linear = 0
        Srgb = 1
        Rec709 = 2

    class YcbcrEncoding(enum.Enum):
        """Luma and chroma matrix."""

        Null = 0
        Rec601 = 1
        Rec709 = 2

    class Range(enum.Enum):
        """Full or limited values."""

        Full = 0
        Limited = 1

    def __init__(
        self,
        primaries: Primaries | ColorSpace,
        transfer_function: TransferFunction = TransferFunction.Linear,
        ycbcr_encoding: YcbcrEncoding = YcbcrEncoding.Null,
        range_of_values: Range = Range.Full,
    ) -> None:
        """Make a colour space from its parts, or copy one."""
        self.primaries: ColorSpace.Primaries
        self.transferFunction: ColorSpace.TransferFunction
        self.ycbcrEncoding: ColorSpace.YcbcrEncoding
        self.range: ColorSpace.Range
        if isinstance(primaries, ColorSpace):
            self.primaries, self.transferFunction = primaries.primaries, primaries.transferFunction
            self.ycbcrEncoding, self.range = primaries.ycbcrEncoding, primaries.range
        else:
            self.primaries, self.transferFunction = primaries, transfer_function
            self.ycbcrEncoding, self.range = ycbcr_encoding, range_of_values

    def __str__(self) -> str:
        """Return the four parts."""
        matrix = f"{self.primaries.name}/{self.transferFunction.name}/{self.ycbcrEncoding.name}"
        return f"<libcamera.ColorSpace {matrix}/{self.range.name}>"

    @staticmethod
    def Raw() -> ColorSpace:  # noqa: N802 - libcamera's own name
        """Sensor values without a colour space."""
        return ColorSpace(ColorSpace.Primaries.Raw)

    @staticmethod
    def Sycc() -> ColorSpace:  # noqa: N802 - libcamera's own name
        """JPEG's colour space."""
        return ColorSpace(
            ColorSpace.Primaries.Rec709, ColorSpace.TransferFunction.Srgb, ColorSpace.YcbcrEncoding.Rec601
        )

    @staticmethod
    def Smpte170m() -> ColorSpace:  # noqa: N802 - libcamera's own name
        """Standard definition video."""
        return ColorSpace(
            ColorSpace.Primaries.Smpte170m,
            ColorSpace.TransferFunction.Rec709,
            ColorSpace.YcbcrEncoding.Rec601,
            ColorSpace.Range.Limited,
        )

    @staticmethod
    def Rec709() -> ColorSpace:  # noqa: N802 - libcamera's own name
        """High definition video."""
        return ColorSpace(
            ColorSpace.Primaries.Rec709,
            ColorSpace.TransferFunction.Rec709,
            ColorSpace.YcbcrEncoding.Rec709,
            ColorSpace.Range.Limited,
        )
