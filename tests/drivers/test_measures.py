"""Measures of known pictures and sounds are the known integers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drivers.measures import DIGITAL_ZERO_MILLIBEL, SoundMeter, measure_picture


def flat(value: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.full((180, 320), value, np.uint8)


def stripes(low: int, high: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    picture = flat(low)
    picture[:, 1::2] = high
    return picture


def pcm(*values: int) -> bytes:
    return np.array(values, "<i2").tobytes()


def test_a_flat_picture_has_its_mean_and_nothing_else() -> None:
    measure = measure_picture(flat(77), flat(77), boottime_ns=5)
    assert (measure.boottime_ns, measure.mean_milliluma) == (5, 77_000)
    assert (measure.spread_milliluma, measure.change_milliluma, measure.detail_milliluma) == (0, 0, 0)


def test_stripes_spread_half_their_difference_and_have_detail_across_only() -> None:
    measure = measure_picture(stripes(0, 200), stripes(0, 200), boottime_ns=0)
    across, down = 180 * 319, 179 * 320
    assert (measure.mean_milliluma, measure.spread_milliluma) == (100_000, 100_000)
    assert measure.detail_milliluma == 200_000 * across // (across + down)


def test_change_is_the_mean_difference_whatever_its_sign() -> None:
    assert measure_picture(flat(0), flat(255), boottime_ns=0).change_milliluma == 255_000
    assert measure_picture(flat(255), flat(0), boottime_ns=0).change_milliluma == 255_000


def test_one_brighter_pixel_is_seen_in_thousandths() -> None:
    picture = flat(16)
    picture[90, 160] = 255
    measure = measure_picture(picture, flat(16), boottime_ns=0)
    assert measure.change_milliluma == 239_000 // (180 * 320)
    assert measure.detail_milliluma > 0


def test_a_square_wave_at_full_scale_is_loud_and_clipped() -> None:
    measure = SoundMeter(1).measure(pcm(*([-32768, 32767] * 500)), boottime_ns=9)
    assert (measure.boottime_ns, measure.samples, measure.clipped_samples) == (9, 1000, 1000)
    assert (measure.peak_millibel, measure.rms_millibel) == (0, 0)


def test_a_sine_is_three_decibels_below_its_peak() -> None:
    sine = [round(16384 * math.sin(2 * math.pi * n / 48)) for n in range(4800)]
    measure = SoundMeter(1).measure(pcm(*sine), boottime_ns=0)
    assert measure.peak_millibel == pytest.approx(-602, abs=1)
    assert measure.rms_millibel == pytest.approx(-903, abs=1)
    assert measure.clipped_samples == 0


def test_digital_zero_has_a_level_that_no_sound_has() -> None:
    assert SoundMeter(1).measure(pcm(0, 0, 0), boottime_ns=0).peak_millibel == DIGITAL_ZERO_MILLIBEL
    faintest = SoundMeter(1).measure(pcm(*([0] * 47_999), 1), boottime_ns=0)
    assert faintest.rms_millibel == DIGITAL_ZERO_MILLIBEL + 1


def test_a_run_of_zeros_is_counted_across_blocks_and_ends_with_a_sound() -> None:
    meter = SoundMeter(1)
    runs = [meter.measure(block, boottime_ns=0).zero_samples for block in (
        pcm(5, 0, 0), pcm(0, 0), pcm(0), pcm(0, -1, 0), pcm(3), pcm(0),
    )]  # fmt: skip
    assert runs == [2, 4, 5, 1, 0, 1]


def test_a_stereo_frame_is_zero_only_when_both_channels_are() -> None:
    assert SoundMeter(2).measure(pcm(0, 0, 0, 7), boottime_ns=0).zero_samples == 0
    assert SoundMeter(2).measure(pcm(0, 7, 0, 0), boottime_ns=0).zero_samples == 1
