"""What one picture or one block of sound is like, as integers: no float of a measure is ever signed.

Owns no thread and touches no disk. `measure_picture` is pure; a `SoundMeter` remembers only the run of zeros it is in.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge.ports import PictureMeasure, Side, SideMeasure, SoundMeasure

DIGITAL_ZERO_MILLIBEL = -9600
FULL_SCALE = 32768
THOUSANDTHS = 1000

Luma = NDArray[np.int16]
Zones = tuple[tuple[Side, tuple[int, ...]], ...]
"""Sides with their rectangles: left, top, right, bottom in thousandths of the picture."""


def measure_picture(
    luma: NDArray[np.uint8], previous: NDArray[np.uint8], *, boottime_ns: int, zones: Zones = ()
) -> PictureMeasure:
    """Measure a luma plane (rows x columns, 0..255) against the previously measured one of the same shape.

    Spread is the standard deviation; change the mean absolute difference to `previous`; detail the mean absolute
    difference over all horizontal and vertical neighbours. All are exact integer divisions, so they are the same on
    every machine. Each zone is measured by itself.
    """
    signed = luma.astype(np.int16)
    mean, spread, detail = _light(signed)
    return PictureMeasure(
        boottime_ns=boottime_ns,
        mean_milliluma=mean,
        spread_milliluma=spread,
        change_milliluma=_mean_milli(np.abs(signed - previous.astype(np.int16))),
        detail_milliluma=detail,
        sides=tuple(_measured_side(side, signed, zone) for side, zone in zones),
    )


def _measured_side(side: Side, signed: Luma, zone: tuple[int, ...]) -> SideMeasure:
    (rows, columns), (left, top, right, bottom) = signed.shape, zone
    within = signed[
        rows * top // THOUSANDTHS : rows * bottom // THOUSANDTHS,
        columns * left // THOUSANDTHS : columns * right // THOUSANDTHS,
    ]
    mean, spread, detail = _light(within)
    return SideMeasure(side=side, mean_milliluma=mean, spread_milliluma=spread, detail_milliluma=detail)


def _light(signed: Luma) -> tuple[int, int, int]:
    """Mean, spread and detail of a luma plane, in thousandths."""
    pixels = signed.size
    total = int(signed.sum(dtype=np.int64))
    squares = int(np.square(signed, dtype=np.int32).sum(dtype=np.int64))
    spread = math.isqrt((pixels * squares - total * total) * 1_000_000) // pixels
    detail = _mean_milli(np.abs(np.diff(signed, axis=1)), np.abs(np.diff(signed, axis=0)))
    return total * 1000 // pixels, spread, detail


def _mean_milli(*differences: NDArray[np.int16]) -> int:
    count = sum(difference.size for difference in differences)
    return sum(int(difference.sum(dtype=np.int64)) for difference in differences) * 1000 // max(count, 1)


class SoundMeter:
    """Measures consecutive blocks of one stream; a run of zeros is counted across blocks."""

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._zero_run = 0

    def measure(self, pcm: bytes | bytearray, *, boottime_ns: int) -> SoundMeasure:
        """Measure one block of interleaved s16 PCM.

        `samples` and `zero_samples` count PCM frames (a frame is zero when every channel is); `clipped_samples`
        counts single values at either end of the scale, peak and RMS are taken over all channels together.
        """
        values = np.frombuffer(pcm, dtype="<i2").astype(np.int32)
        frames = values.size // self._channels
        sounding = np.flatnonzero(values.reshape(frames, self._channels).any(axis=1))
        self._zero_run = frames - 1 - int(sounding[-1]) if sounding.size else self._zero_run + frames
        power = int(np.square(values, dtype=np.int64).sum()) / max(values.size, 1)
        return SoundMeasure(
            boottime_ns=boottime_ns,
            samples=frames,
            peak_millibel=_millibel(float(np.abs(values).max(initial=0))),
            rms_millibel=_millibel(math.sqrt(power)),
            zero_samples=self._zero_run,
            clipped_samples=int(((values == -FULL_SCALE) | (values == FULL_SCALE - 1)).sum()),
        )


def _millibel(amplitude: float) -> int:
    """Millibel of full scale; only exact zero gives DIGITAL_ZERO_MILLIBEL."""
    if not amplitude:
        return DIGITAL_ZERO_MILLIBEL
    return max(DIGITAL_ZERO_MILLIBEL + 1, round(2000 * math.log10(amplitude / FULL_SCALE)))
