"""The counter strip: a frame's number painted into its picture so that any decoder can read it back.

Owns nothing. Two rows of 32 square blocks stand at the top left: the counter's bits, lowest bit leftmost, and below
them the same bits inverted, which tells a strip from any picture without one. Chroma beneath is neutral.
"""

from __future__ import annotations

import numpy

from sim.scene import Planes, Samples8

BITS = 32
BLOCK_PIXELS = 16
WIDTH = BITS * BLOCK_PIXELS
HEIGHT = 2 * BLOCK_PIXELS
LUMA_ONE = 235
LUMA_ZERO = 16
NEUTRAL_CHROMA = 128
_SMALLEST_CONTRAST = 60
_MARGIN = BLOCK_PIXELS // 4

LAYOUT: dict[str, int | str] = {
    "x": 0,
    "y": 0,
    "bits": BITS,
    "block_pixels": BLOCK_PIXELS,
    "first_bit": "lowest, leftmost",
    "rows": "bits, then the same bits inverted below",
    "luma_one": LUMA_ONE,
    "luma_zero": LUMA_ZERO,
}
"""What truth.json says about the strip; pixels of the unscaled picture."""


def paint(planes: Planes, counter: int) -> None:
    """Paint `counter` (modulo 2**32) over the top left 512x32 pixels, in place; ValueError on a smaller picture."""
    if planes.width < WIDTH or planes.height < HEIGHT:
        raise ValueError(f"the counter strip needs {WIDTH}x{HEIGHT} pixels, got {planes.width}x{planes.height}")
    ones = (counter >> numpy.arange(BITS, dtype=numpy.uint64) & 1).astype(bool)
    row = numpy.repeat(numpy.where(ones, LUMA_ONE, LUMA_ZERO).astype(numpy.uint8), BLOCK_PIXELS)
    planes.luma[:BLOCK_PIXELS, :WIDTH] = row
    planes.luma[BLOCK_PIXELS:HEIGHT, :WIDTH] = LUMA_ONE + LUMA_ZERO - row
    planes.blue[: HEIGHT // 2, : WIDTH // 2] = NEUTRAL_CHROMA
    planes.red[: HEIGHT // 2, : WIDTH // 2] = NEUTRAL_CHROMA


def read(luma: Samples8) -> int | None:
    """Return the counter painted into `luma` (rows, columns), or None when any block or its inverse is unclear."""
    if luma.shape[0] < HEIGHT or luma.shape[1] < WIDTH:
        return None
    blocks = luma[:HEIGHT, :WIDTH].reshape(2, BLOCK_PIXELS, BITS, BLOCK_PIXELS)
    inner = blocks[:, _MARGIN:-_MARGIN, :, _MARGIN:-_MARGIN]  # the rim is where an encoder smears neighbours
    upper, lower = inner.mean(axis=(1, 3))
    contrast = upper - lower
    if bool((numpy.abs(contrast) < _SMALLEST_CONTRAST).any()):
        return None
    return sum(1 << place for place in numpy.flatnonzero(contrast > 0).tolist())
