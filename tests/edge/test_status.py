"""What a person reads while a session runs: within 80 columns, and never "recording" before anything is on the disk."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest

from edge.status import Status, ended_lines, fit, line, lines

ELEVEN_HOURS = Status(
    elapsed_ns=11 * 3600 * 10**9,
    segments_closed=1_320,
    fragments_sealed=83_160,
    frames=990_000,
    samples=1_900_800_000,
    frames_lost=1_234,
    samples_lost=123_456,
    rms_millibel=-2_500,
    seal_delay_ms=1_534,
    free_hours=1_234.5,
    warnings_zh=("画面静止不变", "声音削波失真"),
)


def columns(text: str) -> int:
    """Columns a terminal needs; Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


@pytest.mark.parametrize(
    "status",
    [
        ELEVEN_HOURS,
        replace(ELEVEN_HOURS, rms_millibel=None, warnings_zh=()),
        replace(ELEVEN_HOURS, rms_millibel=-9_600, frames_lost=0, samples_lost=0, fragments_sealed=0),
    ],
)
def test_every_line_of_a_long_session_fits_80_columns(status: Status) -> None:
    assert max(columns(shown) for shown in (*lines(status), *ended_lines(status))) < 80


def test_recording_is_said_only_once_a_fragment_is_durable() -> None:
    assert lines(ELEVEN_HOURS)[0].startswith("● 录制中")
    before = replace(ELEVEN_HOURS, fragments_sealed=0)
    assert not any("录制中" in shown or "●" in shown for shown in (*lines(before), line(before)))


def test_after_the_end_nothing_says_that_it_is_recorded_and_the_counts_stay() -> None:
    ended = "\n".join(ended_lines(ELEVEN_HOURS))
    assert ended.startswith("■ 录制已结束")
    assert "录制中" not in ended
    assert "990000" in ended


def test_what_is_lost_and_what_needs_attention_is_said_and_what_is_not_is_not() -> None:
    assert "1234 帧 frames / 123456 采样 samples" in line(ELEVEN_HOURS)
    assert "画面静止不变；声音削波失真" in line(ELEVEN_HOURS)
    well = replace(ELEVEN_HOURS, frames_lost=0, samples_lost=0, warnings_zh=())
    assert "丢失 lost 0" in line(well)
    assert "注意" not in line(well)


def test_a_log_line_says_everything_the_display_says() -> None:
    said = {part.strip() for part in line(ELEVEN_HOURS).split(" | ")}
    shown = {part.strip() for text in lines(ELEVEN_HOURS) for part in text.split("  ") if part.strip()}
    assert said == shown


def test_a_line_is_cut_before_the_character_that_does_not_fit() -> None:
    assert [fit("ab留痕", width) for width in (1, 2, 3, 4, 6)] == ["a", "ab", "ab", "ab留", "ab留痕"]
