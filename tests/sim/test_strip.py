"""The counter strip can be read back, also after a starved encoder, and is never seen where there is none."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import strip
from sim.room import HearingRoom
from tests.sim.frames import PADDING, blank, copied, lumas_after_x264


@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_every_counter_is_read_back(counter: int) -> None:
    planes = blank(512, 64)
    strip.paint(planes, counter)
    assert strip.read(planes.luma) == counter


def test_the_layout_alone_is_enough_to_read_the_strip() -> None:
    planes = blank(640, 360)
    strip.paint(planes, 0b1011)
    block = int(strip.LAYOUT["block_pixels"])
    middle = int(strip.LAYOUT["y"]) + block // 2
    places = [int(strip.LAYOUT["x"]) + place * block + block // 2 for place in range(int(strip.LAYOUT["bits"]))]
    upper = [int(planes.luma[middle, x]) for x in places]
    assert upper[:5] == [235, 235, 16, 235, 16]
    assert [int(planes.luma[middle + block, x]) for x in places] == [251 - value for value in upper]


def test_a_picture_without_a_strip_reads_as_nothing() -> None:
    planes = blank(640, 360)
    HearingRoom(640, 360).draw(5, 0, planes)
    assert strip.read(planes.luma) is None


def test_one_damaged_block_makes_the_strip_unreadable() -> None:
    planes = blank(640, 360)
    strip.paint(planes, 77)
    planes.luma[16:32, 160:176] = planes.luma[0:16, 160:176]
    assert strip.read(planes.luma) is None


def test_a_picture_smaller_than_the_strip_reads_as_nothing_and_is_refused() -> None:
    planes = blank(510, 360)
    assert strip.read(planes.luma) is None
    with pytest.raises(ValueError, match="512x32"):
        strip.paint(planes, 1)


def test_only_the_strip_is_painted() -> None:
    planes = blank(512, 64, padding=32)
    strip.paint(planes, 3)
    assert (planes.luma[:, 512:] == PADDING).all()
    assert (planes.luma[32:] == PADDING).all()
    assert (planes.blue[:, 256:] == PADDING).all()
    assert (planes.blue[:16, :256] == 128).all()


def test_the_strip_survives_a_starved_encoder() -> None:
    room, counters = HearingRoom(640, 360, stamp=True), [1_000_000 + 7919 * number for number in range(60)]
    frames = []
    for number, counter in enumerate(counters):
        planes = blank(640, 360)
        room.draw(counter, 21_000 + number * 40, planes)
        frames.append(planes)
    decoded = lumas_after_x264(frames, rate=25, bits_per_second=800_000)
    assert [strip.read(luma) for luma in decoded] == counters
    assert any(bytes(luma.tobytes()) != copied(planes)[0] for luma, planes in zip(decoded, frames, strict=True))


def test_a_strip_blurred_beyond_reading_is_not_guessed() -> None:
    planes = blank(640, 360)
    strip.paint(planes, 12345)
    washed_out = (planes.luma // 8 + 110).astype(numpy.uint8)
    assert strip.read(washed_out) is None
