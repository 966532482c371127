"""The recorder does not grow: two times 25 virtual minutes here, a day and ten real minutes in the campaign."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.memory import growth, virtual_time

SECONDS = 1_500
WARM_UP_SECONDS = 500
SLICE_LIMIT_MB_PER_HOUR = 5.0
"""Wider than the campaign's 1.0, for tables and pools still fill in the first half hour; half of the leak below."""


@pytest.mark.timeout(200)
def test_minutes_of_packets_leaves_memory_where_it_was(tmp_path: Path) -> None:
    samples = virtual_time(tmp_path, seconds=SECONDS)
    assert growth(samples, warm_up_seconds=WARM_UP_SECONDS).mb_per_hour < SLICE_LIMIT_MB_PER_HOUR


@pytest.mark.timeout(200)
def test_a_leak_of_a_kilobyte_for_each_fragment_is_seen(tmp_path: Path) -> None:
    """The negative control: 7 MB in an hour on top."""
    kept: list[bytearray] = []
    samples = virtual_time(tmp_path, seconds=SECONDS, leak=lambda: kept.append(bytearray(1024)))
    assert growth(samples, warm_up_seconds=WARM_UP_SECONDS).mb_per_hour > SLICE_LIMIT_MB_PER_HOUR


def test_the_slope_of_a_line_is_its_slope() -> None:
    samples = [(at, 50_000_000 + 2_000 * at) for at in range(0, 3600, 60)]
    assert growth([(float(at), size) for at, size in samples], warm_up_seconds=600).mb_per_hour == pytest.approx(7.2)
