"""What stands between the room and the sensor: nothing, darkness, a hand, a board before half of the lens, and more.

Owns the last picture it let through while frozen. Called from the world's loop only.
"""

from __future__ import annotations

import enum

import numpy

from sim import strip
from sim.scene import PictureSource, Planes

BLACK_LUMA = 16
COVERED_LUMA = 48
BOARD_LUMA = 150
BOARD_NOISE = 3
NEUTRAL_CHROMA = 128
_NOISE_SEED = 20240501


class View(enum.StrEnum):
    """What the sensor sees."""

    ROOM = "room"
    DARK = "dark"
    COVERED = "covered"
    FROZEN = "frozen"
    NOISE = "noise"
    LEFT_HIDDEN = "left-hidden"
    RIGHT_HIDDEN = "right-hidden"


class Stamped:
    """A picture source with the counter strip painted over it."""

    def __init__(self, picture: PictureSource) -> None:
        """Stamp this picture."""
        self._picture = picture

    def draw(self, counter: int, utc_ms: int, planes: Planes) -> None:
        """Paint the picture, then the strip."""
        self._picture.draw(counter, utc_ms, planes)
        strip.paint(planes, counter)


class Optics:
    """A picture source in front of another one. While frozen, even the counter strip stands still."""

    def __init__(self, room: PictureSource) -> None:
        """Look at the room."""
        self._room = room
        self._view = View.ROOM
        self._kept: tuple[bytes, bytes, bytes] | None = None
        self._random = numpy.random.default_rng(_NOISE_SEED)

    def look(self, view: View) -> None:
        """Change what the sensor sees, from its next frame on."""
        self._view = view
        self._kept = None

    def draw(self, counter: int, utc_ms: int, planes: Planes) -> None:
        """Paint what the sensor sees."""
        match self._view:
            case View.ROOM:
                self._room.draw(counter, utc_ms, planes)
            case View.DARK:
                _fill(planes, BLACK_LUMA)
            case View.COVERED:
                _fill(planes, COVERED_LUMA)
            case View.FROZEN:
                self._freeze(counter, utc_ms, planes)
            case View.NOISE:
                _fill(planes, BLACK_LUMA)
                planes.luma[:] = self._random.integers(0, 256, planes.luma.shape, numpy.uint8)
            case View.LEFT_HIDDEN | View.RIGHT_HIDDEN:
                self._room.draw(counter, utc_ms, planes)
                self._hide(planes, left=self._view is View.LEFT_HIDDEN)

    def _hide(self, planes: Planes, *, left: bool) -> None:
        """A bright board close to the lens, out of focus: no detail, but the sensor's noise."""
        luma, half = planes.luma[: planes.height, : planes.width], planes.width // 2
        hidden = luma[:, :half] if left else luma[:, half:]
        hidden[:] = self._random.integers(BOARD_LUMA, BOARD_LUMA + BOARD_NOISE, hidden.shape, numpy.uint8)

    def _freeze(self, counter: int, utc_ms: int, planes: Planes) -> None:
        surfaces = (planes.luma, planes.blue, planes.red)
        if self._kept is None:
            self._room.draw(counter, utc_ms, planes)
            self._kept = (planes.luma.tobytes(), planes.blue.tobytes(), planes.red.tobytes())
        for surface, kept in zip(surfaces, self._kept, strict=True):
            surface[:] = numpy.frombuffer(kept, numpy.uint8).reshape(surface.shape)


def _fill(planes: Planes, luma: int) -> None:
    planes.luma[:] = luma
    planes.blue[:] = NEUTRAL_CHROMA
    planes.red[:] = NEUTRAL_CHROMA
