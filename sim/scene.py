"""The meeting point of the simulated room: what a picture source and a sound source must do for the world.

Owns nothing. Both Protocols are implemented in `sim/room.py`, `sim/footage.py` and `sim/speech.py`; the world process
(`sim/world.py`) calls them, the picture from its loop and the sound from the thread that feeds the sound server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy
from numpy.typing import NDArray

Samples8 = NDArray[numpy.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """One YUV 4:2:0 frame in memory that is written in place: uint8 views whose second axis is the stride.

    `luma` is (height, stride), `blue` and `red` are (height / 2, stride / 2); only the first `width` (or width / 2)
    columns are picture, the rest of a row is padding and stays as it is.
    """

    luma: Samples8
    blue: Samples8
    red: Samples8
    width: int
    height: int


class PictureSource(Protocol):
    """Paints the picture the sensor sees. Called from one thread only."""

    def draw(self, counter: int, utc_ms: int, planes: Planes) -> None:
        """Paint frame `counter` as seen at `utc_ms` into luma and chroma, in place."""


class SoundSource(Protocol):
    """Makes the sound the microphone hears. Called from one thread only."""

    def read(self, samples: int) -> bytes:
        """Return the next `samples` per channel as s16le interleaved: exactly samples * channels * 2 bytes, endless."""
