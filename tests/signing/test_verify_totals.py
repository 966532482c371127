"""Recorded time and gaps against the length of the session, as pure arithmetic."""

from __future__ import annotations

from liuhen.kinds import Clock
from liuhen.verify_totals import totals

BOOT = bytes(16)
S = 10**9


def clock(seconds: float) -> Clock:
    return (int(1000 * seconds), int(seconds * S), BOOT, 2, 5)


def test_media_that_was_captured_while_its_session_was_written_is_part_of_it() -> None:
    """Sources fill the queue before the session's first entry is durable."""
    media = ((BOOT, int(9.7 * S)), (BOOT, 20 * S))
    found = totals(clock(10), clock(20), gaps=(), media=media, recorded_ns=int(10.3 * S))
    assert found.agrees
    assert found.session == (int(10.3 * S), int(10.3 * S))


def test_more_media_than_its_bounds_hold_does_not_agree() -> None:
    media = ((BOOT, 10 * S), (BOOT, 20 * S))
    assert not totals(clock(10), clock(20), gaps=(), media=media, recorded_ns=11 * S).agrees
