"""The time of a report: two forms are taken, one full time is kept, and what is no time is refused in one line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from edge.report_time import report_time
from edge.requests import BadRequest

BEIJING = 480
NOW = datetime(2026, 11, 28, 2, 6, tzinfo=UTC)
"""10:06 in Beijing."""


def told(text: str, *, now: datetime = NOW, offset: int = BEIJING) -> str:
    return report_time(text, now_utc_ms=int(now.timestamp() * 1000), zone=timezone(timedelta(minutes=offset)))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("2026-11-28 10:05", "2026-11-28 10:05 +08:00"),
        ("2026-11-28T10:05", "2026-11-28 10:05 +08:00"),
        ("2026-1-2 9:05", "2026-01-02 09:05 +08:00"),
        ("2026-11-28 10:05:30", "2026-11-28 10:05:30 +08:00"),
        (" 2026-11-28 10：05 ", "2026-11-28 10:05 +08:00"),
        ("10:05", "2026-11-28 10:05 +08:00"),
        ("9:05", "2026-11-28 09:05 +08:00"),
        ("11:06", "2026-11-28 11:06 +08:00"),
        ("11:07", "2026-11-27 11:07 +08:00"),
        ("2026-11-29 10:06", "2026-11-29 10:06 +08:00"),
    ],
)
def test_a_time_is_kept_with_its_date_and_offset(text: str, kept: str) -> None:
    assert told(text) == kept


def test_local_time_is_that_of_the_configured_offset() -> None:
    assert told("23:30", now=datetime(2026, 11, 28, 2, 6, tzinfo=UTC), offset=-150) == "2026-11-27 23:30 -02:30"


@pytest.mark.parametrize(
    "text",
    [
        "刚才",
        "",
        "28/11/2026",
        "2026-11-28",
        "2026-13-01 10:00",
        "2026-02-30 10:00",
        "25:00",
        "10:60",
        "10.05",
        "0000-01-01 00:00",
    ],
)
def test_what_is_no_time_is_refused_with_the_form_that_is_taken(text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        told(text)
    assert "2026-11-28 10:05" in refused.value.words_zh
    assert "\n" not in refused.value.words_zh


@pytest.mark.parametrize("text", ["2026-11-29 10:07", "2062-11-28 10:05"])
def test_a_time_far_ahead_of_the_device_is_refused_with_the_devices_own(text: str) -> None:
    with pytest.raises(BadRequest, match="still to come") as refused:
        told(text)
    assert "2026-11-28 10:06" in refused.value.words_zh


def test_a_clock_that_is_not_believed_judges_no_date_and_supplies_none() -> None:
    long_ago = datetime(1970, 1, 1, tzinfo=UTC)
    assert told("2026-11-28 10:05", now=long_ago) == "2026-11-28 10:05 +08:00"
    with pytest.raises(BadRequest, match="date too"):
        told("10:05", now=long_ago)
