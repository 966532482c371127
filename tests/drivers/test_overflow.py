"""Samples that PortAudio lost without a number are told from the clock."""

from __future__ import annotations

from drivers.overflow import OverflowEstimate

RATE_HZ = 48_000
BLOCK = 1200
BLOCK_NS = 25_000_000


def steady(estimate: OverflowEstimate, blocks: int, scatter_ns: int = 0) -> int:
    """Feed blocks that arrive 100 ms late, every second one a little later; return the time of the last."""
    now_ns = 100_000_000
    for number in range(blocks):
        now_ns += BLOCK_NS
        estimate.add(BLOCK, now_ns + scatter_ns * (number % 2), overflowed=False)
    return now_ns


def test_the_lateness_of_a_flagged_block_is_what_was_lost() -> None:
    estimate = OverflowEstimate(RATE_HZ)
    now_ns = steady(estimate, 500, scatter_ns=3_000_000)
    assert estimate.add(BLOCK, now_ns + BLOCK_NS + 500_000_000, overflowed=True) == RATE_HZ // 2


def test_after_a_loss_the_count_goes_on_from_there() -> None:
    estimate = OverflowEstimate(RATE_HZ)
    now_ns = steady(estimate, 500)
    estimate.add(BLOCK, now_ns + BLOCK_NS + 500_000_000, overflowed=True)
    assert estimate.add(BLOCK, now_ns + 2 * BLOCK_NS + 500_000_000, overflowed=True) == 0


def test_a_late_block_without_the_flag_loses_nothing() -> None:
    estimate = OverflowEstimate(RATE_HZ)
    now_ns = steady(estimate, 10)
    assert estimate.add(BLOCK, now_ns + BLOCK_NS + 500_000_000, overflowed=False) == 0


def test_nothing_is_known_about_a_loss_before_the_first_block() -> None:
    assert OverflowEstimate(RATE_HZ).add(BLOCK, 10**12, overflowed=True) == 0
