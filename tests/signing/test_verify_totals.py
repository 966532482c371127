"""Recorded time and gaps against the length of the session, as pure arithmetic."""

from __future__ import annotations

from liuhen.kinds import Clock
from liuhen.verify_gaps import GapSummary
from liuhen.verify_totals import totals

BOOT, NEXT_BOOT = bytes(16), bytes(15) + b"\x01"
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


def test_a_gap_of_the_only_stream_that_was_promised_is_a_gap_of_all_media() -> None:
    media = ((BOOT, 10 * S), (BOOT, 20 * S))
    lost = (gap(0, (BOOT, 12), (BOOT, 16), 4),)
    assert totals(clock(10), clock(20), gaps=lost, media=media, recorded_ns=6 * S, alone=0).agrees
    assert not totals(clock(10), clock(20), gaps=lost, media=media, recorded_ns=6 * S).agrees
    assert not totals(clock(10), clock(20), gaps=lost, media=media, recorded_ns=6 * S, alone=1).agrees


def gap(stream: int | None, since: tuple[bytes, int], until: tuple[bytes, int], length_seconds: int = 0) -> GapSummary:
    """One gap; times in seconds of its boots' BOOTTIME, its length where it leads from one to the other."""
    length_ns = (length_seconds * S, length_seconds * S)
    seconds = (since[0], since[1] * S), (until[0], until[1] * S)
    return GapSummary(entry=0, stream=stream, cause=1, since=seconds[0], until=seconds[1], length_ns=length_ns)


def across(*gaps: GapSummary, recorded: int) -> bool | None:
    """A session from 10 s of one boot on; the next boot began 40 s later, and it ended 20 s into that."""
    closed = (60_000, 20 * S, NEXT_BOOT, 2, 5)
    media = ((BOOT, 10 * S), (NEXT_BOOT, 20 * S))
    return totals(clock(10), closed, gaps=gaps, media=media, recorded_ns=recorded * S).agrees


def test_what_is_told_of_the_time_of_a_gap_from_boot_to_boot_counts_once() -> None:
    """Picture and sound were lost at 14 s, the power went at 20 s; both boots have gaps of single streams in it."""
    both = gap(None, (BOOT, 20), (NEXT_BOOT, 5), 25)
    lost = (gap(0, (BOOT, 14), (NEXT_BOOT, 7)), gap(1, (BOOT, 14), (NEXT_BOOT, 8)))
    assert across(both, *lost, recorded=4 + 13)
    assert not across(both, *lost, recorded=4 + 13 + 2)
    inside = (gap(0, (NEXT_BOOT, 2), (NEXT_BOOT, 9)), gap(1, (NEXT_BOOT, 3), (NEXT_BOOT, 5)))
    assert across(both, *inside, recorded=10 + 15)


def test_two_streams_that_are_absent_from_boot_to_boot_without_a_gap_of_both_cannot_be_added_up() -> None:
    assert across(gap(0, (BOOT, 14), (NEXT_BOOT, 7)), gap(1, (BOOT, 14), (NEXT_BOOT, 8)), recorded=17) is None
