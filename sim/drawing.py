"""Drawing tools of the simulated room: a canvas with smooth edges, Chinese lettering, and sprites in YUV 4:2:0.

Owns nothing. Shapes are given in reference coordinates (a picture of 1280x720) and drawn larger than needed, then
reduced. A `Sprite` is blended into planes with integer arithmetic that costs microseconds.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sim.scene import Planes, Samples8

Colour = tuple[int, int, int]
Point = tuple[float, float]
Box = tuple[float, float, float, float]
Weights16 = NDArray[numpy.uint16]

REFERENCE_WIDTH = 1280
REFERENCE_HEIGHT = 720
_OVERSIZE = 2
_LUMA_FLOOR, _LUMA_CEILING = 20, 231
_PROBE = "听证"
_FONT_FILES = (
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
)


def find_lettering() -> Path | None:
    """Return a font file that really has Chinese glyphs, or None: then text is left out instead of drawn as boxes."""
    for path in (*map(Path, _FONT_FILES), *_fonts_known_to_the_system()):
        if path.is_file() and _has_chinese(path):
            return path
    return None


def _fonts_known_to_the_system() -> tuple[Path, ...]:
    try:
        listing = subprocess.run(
            ["fc-list", f":charset={ord(_PROBE[0]):x}", "file"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(Path(line.strip().rstrip(":")) for line in sorted(listing.stdout.splitlines()) if line.strip())


def _has_chinese(path: Path) -> bool:
    try:
        font = ImageFont.truetype(str(path), 24)
    except OSError:
        return False
    # A font without the glyph draws the same box for every unknown character, U+FFFF among them.
    return all(bytes(font.getmask(sign)) != bytes(font.getmask("\uffff")) for sign in _PROBE)


class Canvas:
    """A transparent RGBA picture in reference coordinates; `origin` is its top left corner, `scale` pixels per unit."""

    def __init__(self, size: Point, scale: float, *, origin: Point = (0, 0), lettering: Path | None = None) -> None:
        self._pixels = (max(2, round(size[0] * scale)), max(2, round(size[1] * scale)))
        self._factor = scale * _OVERSIZE
        self._origin = origin
        self._lettering = lettering
        self._image = Image.new("RGBA", (self._pixels[0] * _OVERSIZE, self._pixels[1] * _OVERSIZE), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self._image)

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill a polygon."""
        self._draw.polygon([self._at(point) for point in points], fill=colour)

    def ellipse(self, box: Box, colour: Colour) -> None:
        """Fill the ellipse inside (left, top, right, bottom)."""
        self._draw.ellipse(self._box(box), fill=colour)

    def slice(self, box: Box, degrees: tuple[float, float], colour: Colour) -> None:
        """Fill the part of an ellipse cut off by a chord, clockwise from three o'clock."""
        self._draw.chord(self._box(box), degrees[0], degrees[1], fill=colour)

    def block(self, box: Box, colour: Colour, *, radius: float = 0, outline: Colour | None = None) -> None:
        """Fill a rectangle with rounded corners."""
        width = max(1, round(1.6 * self._factor))
        self._draw.rounded_rectangle(self._box(box), radius * self._factor, colour, outline, width if outline else 0)

    def line(self, points: Sequence[Point], colour: Colour, width: float = 1.5) -> None:
        """Draw a line through the points with rounded joints and ends."""
        pixels = max(1, round(width * self._factor))
        placed = [self._at(point) for point in points]
        self._draw.line(placed, fill=colour, width=pixels, joint="curve")
        if pixels > _OVERSIZE:
            half = pixels / 2
            for x, y in (placed[0], placed[-1]):
                self._draw.ellipse((x - half, y - half, x + half, y + half), fill=colour)

    def arc(self, box: Box, degrees: tuple[float, float], colour: Colour, width: float = 1.5) -> None:
        """Draw part of an ellipse's outline."""
        self._draw.arc(self._box(box), degrees[0], degrees[1], colour, max(1, round(width * self._factor)))

    def ramp(self, box: Box, upper: Colour, lower: Colour, shape: Sequence[Point]) -> None:
        """Fill the polygon `shape` with a vertical gradient across `box`."""
        left, top, right, bottom = (round(edge) for edge in self._box(box))
        steps = numpy.linspace(0, 1, max(2, bottom - top))[:, None]
        column = (numpy.array(upper) * (1 - steps) + numpy.array(lower) * steps).astype(numpy.uint8)
        strip = numpy.repeat(column[:, None, :], max(1, right - left), axis=1)
        mask = Image.new("L", self._image.size, 0)
        ImageDraw.Draw(mask).polygon([self._at(point) for point in shape], fill=255)
        extent = (left, top, left + strip.shape[1], top + strip.shape[0])
        self._image.paste(Image.fromarray(strip), (left, top), mask.crop(extent))

    def text(self, centre: Point, words: str, size: float, colour: Colour) -> None:
        """Write `words` centred on a point; nothing without Chinese lettering."""
        if self._lettering is None:
            return
        font = ImageFont.truetype(str(self._lettering), max(4, round(size * self._factor)))
        self._draw.text(self._at(centre), words, font=font, fill=colour, anchor="mm")

    def finished(self) -> Image.Image:
        """Return the picture at its true size."""
        return self._image.resize(self._pixels, Image.Resampling.BOX)

    def _at(self, point: Point) -> Point:
        return ((point[0] - self._origin[0]) * self._factor, (point[1] - self._origin[1]) * self._factor)

    def _box(self, box: Box) -> Box:
        return (*self._at(box[:2]), *self._at(box[2:]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One plane of a sprite: what it adds (value times opacity) and what it leaves of the ground, both out of 256."""

    added: Weights16
    kept: Weights16

    def blend(self, plane: Samples8, left: int, top: int, shade: Weights16 | None = None) -> None:
        """Blend into `plane` at (left, top), clipped; `shade` (0..256, of the plane's size) hides what lies behind."""
        height, width = self.added.shape
        x0, y0 = max(0, left), max(0, top)
        x1, y1 = min(plane.shape[1], left + width), min(plane.shape[0], top + height)
        if x0 >= x1 or y0 >= y1:
            return
        cut = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        ground = plane[y0:y1, x0:x1]
        mixed = ground * self.kept[cut]
        mixed += self.added[cut]
        mixed >>= 8
        if shade is not None:
            hidden = shade[y0:y1, x0:x1]
            mixed = ((mixed * (256 - hidden) + ground * hidden) >> 8).astype(numpy.uint16)
        ground[...] = mixed


@dataclass(frozen=True, slots=True, kw_only=True)
class Sprite:
    """A small picture with opacity, ready to be blended into planes."""

    luma: Layer
    blue: Layer
    red: Layer

    def blend(self, planes: Planes, left: int, top: int, shades: tuple[Weights16, Weights16] | None = None) -> None:
        """Blend in with the top left corner at pixel (left, top); `shades` (luma, chroma) hide what stands in front."""
        wide, half = planes.width, planes.width // 2
        luma_shade, chroma_shade = shades if shades is not None else (None, None)
        self.luma.blend(planes.luma[: planes.height, :wide], left, top, luma_shade)
        self.blue.blend(planes.blue[: planes.height // 2, :half], left // 2, top // 2, chroma_shade)
        self.red.blend(planes.red[: planes.height // 2, :half], left // 2, top // 2, chroma_shade)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A still picture as three uint8 planes without padding."""

    luma: Samples8
    blue: Samples8
    red: Samples8


def to_sprite(image: Image.Image, *, high_definition: bool) -> Sprite:
    """Turn an RGBA picture into a sprite (BT.709 for high definition, else BT.601, limited range)."""
    pixels = numpy.asarray(_even(image), dtype=numpy.float64)
    opacity = pixels[:, :, 3] / 255
    luma, blue, red = _to_yuv(pixels[:, :, :3], high_definition)
    thin = _halved(opacity)
    divisor = numpy.maximum(thin, 1e-6)
    return Sprite(
        luma=_layer(luma, opacity),
        blue=_layer(_halved(blue * opacity) / divisor, thin),
        red=_layer(_halved(red * opacity) / divisor, thin),
    )


def to_ground(image: Image.Image, *, high_definition: bool) -> Ground:
    """Turn an opaque picture with even sides into planes whose luma leaves room for noise."""
    luma, blue, red = _to_yuv(numpy.asarray(image.convert("RGB"), dtype=numpy.float64), high_definition)
    return Ground(
        luma=luma.clip(_LUMA_FLOOR, _LUMA_CEILING).round().astype(numpy.uint8),
        blue=_halved(blue).round().astype(numpy.uint8),
        red=_halved(red).round().astype(numpy.uint8),
    )


def _layer(values: NDArray[numpy.float64], opacity: NDArray[numpy.float64]) -> Layer:
    weight = (opacity * 256).round().astype(numpy.uint16)
    added = values.clip(_LUMA_FLOOR, _LUMA_CEILING).round().astype(numpy.uint16) * weight
    return Layer(added=added, kept=(256 - weight).astype(numpy.uint16))


def _to_yuv(
    rgb: NDArray[numpy.float64], high_definition: bool
) -> tuple[NDArray[numpy.float64], NDArray[numpy.float64], NDArray[numpy.float64]]:
    red_share, blue_share = (0.2126, 0.0722) if high_definition else (0.299, 0.114)
    red, green, blue = rgb[:, :, 0], rgb[:, :, 1], rgb[:, :, 2]
    bright = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    scale = 224 / 255
    blueness = 128 + (blue - bright) * scale / (2 - 2 * blue_share)
    redness = 128 + (red - bright) * scale / (2 - 2 * red_share)
    return 16 + bright * 219 / 255, blueness, redness


def _halved(plane: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    height, width = plane.shape
    halved: NDArray[numpy.float64] = plane.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    return halved


def _even(image: Image.Image) -> Image.Image:
    width, height = image.size
    if width % 2 == 0 and height % 2 == 0:
        return image
    padded = Image.new("RGBA", (width + width % 2, height + height % 2), (0, 0, 0, 0))
    padded.paste(image, (0, 0))
    return padded
