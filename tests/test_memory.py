"""The recorder does not grow: two times 25 virtual minutes here, a day and ten real minutes in the campaign."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.memory import growth, slope_in_own_process

SECONDS = 1_500
WARM_UP_SECONDS = 500
SLICE_LIMIT_MB_PER_HOUR = 8.0
"""Wider than the campaign's 1.0: tables and pools still fill in the first half hour. A quarter of the leak below."""
LEAK_BYTES = 4096


@pytest.mark.long
@pytest.mark.timeout(200)
def test_minutes_of_packets_leave_memory_where_it_was(tmp_path: Path) -> None:
    grown = slope_in_own_process(tmp_path, seconds=SECONDS, warm_up_seconds=WARM_UP_SECONDS)
    assert grown.samples >= 15
    assert grown.mb_per_hour < SLICE_LIMIT_MB_PER_HOUR


@pytest.mark.long
@pytest.mark.timeout(200)
def test_a_leak_of_four_kilobytes_for_each_fragment_is_seen(tmp_path: Path) -> None:
    """The negative control: 29 MB in an hour."""
    grown = slope_in_own_process(tmp_path, seconds=SECONDS, warm_up_seconds=WARM_UP_SECONDS, leak_bytes=LEAK_BYTES)
    assert grown.mb_per_hour > 2 * SLICE_LIMIT_MB_PER_HOUR


def test_the_slope_of_a_line_is_its_slope() -> None:
    samples = [(at, 50_000_000 + 2_000 * at) for at in range(0, 3600, 60)]
    assert growth([(float(at), size) for at, size in samples], warm_up_seconds=600).mb_per_hour == pytest.approx(7.2)
