"""The kernel's clocks, and what its word about synchronisation is worth."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from drivers.system_clock import STA_UNSYNC, TIME_ERROR, SystemClock, judge
from edge.ports import SyncState


@pytest.mark.parametrize(
    ("state", "status", "maxerror_us", "expected"),
    [
        (0, 0, 1, (SyncState.SYNCHRONISED, 1)),
        (0, 0, 12_345, (SyncState.SYNCHRONISED, 13)),
        (0, 0, 1_500_000, (SyncState.SYNCHRONISED, 1500)),
        (0, 0, 1_500_001, (SyncState.HOLDOVER, 1501)),
        (TIME_ERROR, 0, 20_000, (SyncState.UNSYNCHRONISED, 16_000)),
        (0, STA_UNSYNC, 20_000, (SyncState.UNSYNCHRONISED, 16_000)),
        (-1, 0, 0, (SyncState.UNKNOWN, 16_000)),
    ],
)
def test_the_kernels_answer_is_judged(
    state: int, status: int, maxerror_us: int, expected: tuple[SyncState, int]
) -> None:
    assert judge(state, status, maxerror_us) == expected


def test_both_clocks_are_read_at_one_moment() -> None:
    clock = SystemClock()
    before_ns, before_ms = clock.boottime_ns(), time.time_ns() // 1_000_000
    reading = clock.read()
    assert before_ns <= reading.boottime_ns <= clock.boottime_ns()
    assert before_ms <= reading.utc_ms <= time.time_ns() // 1_000_000
    assert reading.error_ms > 0


def test_the_boot_is_named_by_the_kernels_sixteen_bytes() -> None:
    text = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert SystemClock().boot_id.hex() == text.replace("-", "")
