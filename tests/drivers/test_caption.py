"""The caption is legible, tells the frame's own time, and touches nothing but its box."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np
import pytest

from drivers.caption import (
    BOX,
    INK,
    KEPT_ROWS,
    NEUTRAL,
    Caption,
    CaptionFont,
    LocalClock,
    Plane,
    find_font,
    has_chinese,
    time_text,
)
from tests.drivers.deliveries import SteppedClock
from tests.required import unavailable

SIZES = [(640, 360, 640), (1280, 720, 1280), (1000, 562, 1024), (1920, 1080, 1920), (320, 180, 320)]
ASCII_ONLY = CaptionFont(file=None)
GREY = 77


@pytest.fixture(scope="module")
def chinese_font() -> CaptionFont:
    font = find_font(None)
    if not has_chinese(font):
        unavailable("a font with Chinese (fonts-wqy-microhei)")
    return font


def caption(
    font: CaptionFont, text: str, width: int = 640, height: int = 360, clock: SteppedClock | None = None
) -> Caption:
    local_clock = LocalClock(clock=clock or SteppedClock(), utc_offset_minutes=480)
    return Caption(width=width, height=height, text=text, font=font, clock=local_clock)


def painted(painter: Caption, width: int, height: int, stride: int, boottime_ns: int = 10**12) -> Plane:
    picture = np.full(stride * height * 3 // 2, GREY, np.uint8)
    painter.paint(picture, stride, boottime_ns)
    return picture


@pytest.mark.parametrize(
    ("utc_ms", "offset_minutes", "text"),
    [
        (0, 0, "1970-01-01 00:00:00.0 +00:00"),
        (1_795_194_000_399, 480, "2026-11-21 01:00:00.3 +08:00"),
        (1_795_194_000_999, -210, "2026-11-20 13:30:00.9 -03:30"),
        (-1, 0, "1969-12-31 23:59:59.9 +00:00"),
    ],
)
def test_time_is_local_with_its_offset(utc_ms: int, offset_minutes: int, text: str) -> None:
    assert time_text(utc_ms, offset_minutes) == text


def test_the_time_is_the_frames_and_not_the_moment_of_painting() -> None:
    clock = SteppedClock(now_ns=100_000_000_000, utc_ms=1_795_194_000_000)
    assert LocalClock(clock=clock, utc_offset_minutes=0).text_at(98_700_000_000) == "2026-11-20 16:59:58.7 +00:00"


@pytest.mark.parametrize(("width", "height", "stride"), SIZES)
def test_a_dark_box_with_light_ink_stands_at_the_bottom_left(
    chinese_font: CaptionFont, width: int, height: int, stride: int
) -> None:
    picture = painted(caption(chinese_font, "第一听证室 S-1", width, height), width, height, stride)
    luma = picture[: stride * height].reshape(height, stride)
    rows, columns = np.nonzero(luma != GREY)
    assert rows.min() >= max(KEPT_ROWS, height // 2)
    assert height - 1 - rows.max() == columns.min() == 2 * (height // 90)
    assert columns.max() < width
    box = luma[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert (box.min(), box.max()) == (BOX, INK)
    assert (box != GREY).all() or (box == BOX).mean() > 0.5


@pytest.mark.parametrize(("width", "height", "stride"), SIZES)
def test_colour_ends_exactly_where_the_box_does(
    chinese_font: CaptionFont, width: int, height: int, stride: int
) -> None:
    picture = painted(caption(chinese_font, "第一听证室", width, height), width, height, stride)
    rows, columns = np.nonzero(picture[: stride * height].reshape(height, stride) != GREY)
    for plane in picture[stride * height :].reshape(2, height // 2, stride // 2):
        colour_rows, colour_columns = np.nonzero(plane == NEUTRAL)
        assert (colour_rows.min() * 2, colour_rows.max() * 2 + 1) == (rows.min(), rows.max())
        assert (colour_columns.min() * 2, colour_columns.max() * 2 + 1) == (columns.min(), columns.max())


def test_the_box_changes_with_the_tenth_of_a_second_and_only_then(chinese_font: CaptionFont) -> None:
    painter = caption(chinese_font, "听证室", clock=SteppedClock(now_ns=10**12))
    first, same, later = (painted(painter, 640, 360, 640, 10**12 + offset) for offset in (0, 40_000_000, 100_000_000))
    assert (first == same).all()
    assert (first != later).any()


def test_two_rooms_look_different(chinese_font: CaptionFont) -> None:
    one, two = (painted(caption(chinese_font, text), 640, 360, 640) for text in ("第一听证室", "第二听证室"))
    assert (one != two).any()


def test_characters_that_the_font_lacks_are_left_out_and_named(chinese_font: CaptionFont) -> None:
    painter = caption(chinese_font, "室\U0010abcd\U000e0a00 1\n")
    assert painter.left_out == "\n\U000e0a00\U0010abcd"
    assert (painted(painter, 640, 360, 640) == painted(caption(chinese_font, "室 1"), 640, 360, 640)).all()


def test_without_a_chinese_font_only_ascii_is_painted() -> None:
    painter = caption(ASCII_ONLY, "第一听证室 S-1")
    assert not has_chinese(ASCII_ONLY)
    assert painter.left_out == "".join(sorted("第一听证室"))
    assert (painted(painter, 640, 360, 640) == painted(caption(ASCII_ONLY, "S-1"), 640, 360, 640)).all()


def test_a_text_wider_than_the_picture_ends_at_its_edge(chinese_font: CaptionFont) -> None:
    picture = painted(caption(chinese_font, "听证室" * 40), 640, 360, 640)
    assert (picture[: 640 * 360].reshape(360, 640)[:, -7:] == GREY).all()


def test_a_font_file_that_cannot_be_used_means_ascii_only(tmp_path: Path) -> None:
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    assert not has_chinese(CaptionFont(file=broken))
    assert find_font(tmp_path / "absent.ttf") == ASCII_ONLY


def test_painting_costs_less_than_half_a_millisecond(chinese_font: CaptionFont) -> None:
    painter = caption(chinese_font, "第一听证室 S-1", 1280, 720)
    picture = np.full(1280 * 720 * 3 // 2, GREY, np.uint8)
    seconds = []
    for frame in range(200):
        begun = time.perf_counter()
        painter.paint(picture, 1280, frame * 40_000_000)
        seconds.append(time.perf_counter() - begun)
    assert statistics.median(seconds) < 0.0005
