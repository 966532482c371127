"""Recorded time and gaps against the length of the session, as pure arithmetic."""

from __future__ import annotations

from liuhen.kinds import Clock
from liuhen.registry import Stream
from liuhen.verify_gaps import GapSummary
from liuhen.verify_totals import MediaSpan, recorded, totals

BOOT, NEXT_BOOT = bytes(16), bytes(15) + b"\x01"
S = 10**9


def clock(seconds: float) -> Clock:
    return (int(1000 * seconds), int(seconds * S), BOOT, 2, 5)


def test_media_that_was_captured_while_its_session_was_written_is_part_of_it() -> None:
    """Sources fill the queue before the session's first entry is durable."""
    found = totals(clock(10), clock(20), gaps=(), spans=[((BOOT, int(9.7 * S)), (BOOT, 20 * S))])
    assert found.agrees
    assert found.session == (int(10.3 * S), int(10.3 * S))


def test_more_media_than_its_bounds_hold_does_not_agree() -> None:
    """The archive tells of a gap of both in which media lie."""
    lie = (gap(None, (BOOT, 12), (BOOT, 13)),)
    assert not totals(clock(10), clock(20), gaps=lie, spans=[held(10, 20)]).agrees


def test_a_gap_of_the_only_stream_that_was_promised_is_a_gap_of_all_media() -> None:
    spans = [held(10, 12), held(16, 20)]
    lost = (gap(0, (BOOT, 12), (BOOT, 16), 4),)
    assert totals(clock(10), clock(20), gaps=lost, spans=spans, alone=0).agrees
    assert not totals(clock(10), clock(20), gaps=lost, spans=spans).agrees
    assert not totals(clock(10), clock(20), gaps=lost, spans=spans, alone=1).agrees


def test_a_segment_that_goes_on_through_a_gap_of_each_stream_holds_nothing_where_both_are_absent() -> None:
    """Sound is gone from 12 to 17 s and picture from 14 to 18 s: of the one segment 7 s are recorded."""
    lost = (gap(Stream.SOUND, (BOOT, 12), (BOOT, 17)), gap(Stream.PICTURE, (BOOT, 14), (BOOT, 18)))
    found = totals(clock(10), clock(20), gaps=lost, spans=[held(10, 20)])
    assert (found.recorded, found.gaps, found.rest) == (7 * S, (3 * S, 3 * S), (0, 0))
    assert recorded([held(10, 20)], lost[:1]) == 10 * S  # there is picture all the time
    assert recorded([held(10, 13), held(15, 16), held(19, 20)], lost) == 4 * S
    assert recorded([held(10, 20)], (*lost, gap(Stream.PICTURE, (BOOT, 15), (BOOT, 19)))) == 7 * S  # told twice
    in_both = (gap(Stream.SOUND, (BOOT, 18), (NEXT_BOOT, 5)), gap(Stream.PICTURE, (BOOT, 19), (NEXT_BOOT, 3)))
    spans = [held(10, 20), ((NEXT_BOOT, 1 * S), (NEXT_BOOT, 6 * S))]
    assert recorded(spans, in_both) == (10 - 1) * S + (5 - 2) * S
    assert recorded([held(10, 20)], lost[:1], alone=Stream.SOUND) == 5 * S


def gap(stream: int | None, since: tuple[bytes, int], until: tuple[bytes, int], length_seconds: int = 0) -> GapSummary:
    """One gap; times in seconds of its boots' BOOTTIME, its length where it leads from one to the other."""
    length_ns = (length_seconds * S, length_seconds * S)
    seconds = (since[0], since[1] * S), (until[0], until[1] * S)
    return GapSummary(entry=0, stream=stream, cause=1, since=seconds[0], until=seconds[1], length_ns=length_ns)


def held(first: int, last: int) -> MediaSpan:
    """Media, in seconds of the first boot."""
    return ((BOOT, first * S), (BOOT, last * S))


def across(*gaps: GapSummary, until: int, since: int) -> bool | None:
    """A session from 10 s of one boot on; the next boot began 40 s later, and it ended 20 s into that.

    Media reaches up to `until` in the first boot and from `since` on in the next.
    """
    closed = (60_000, 20 * S, NEXT_BOOT, 2, 5)
    spans = [held(10, until), ((NEXT_BOOT, since * S), (NEXT_BOOT, 20 * S))]
    return totals(clock(10), closed, gaps=gaps, spans=spans).agrees


def test_what_is_told_of_the_time_of_a_gap_from_boot_to_boot_counts_once() -> None:
    """Picture and sound were lost at 14 s, the power went at 20 s; both boots have gaps of single streams in it."""
    both = gap(None, (BOOT, 20), (NEXT_BOOT, 5), 25)
    lost = (gap(0, (BOOT, 14), (NEXT_BOOT, 7)), gap(1, (BOOT, 14), (NEXT_BOOT, 8)))
    assert across(both, *lost, until=14, since=7)
    assert not across(both, *lost, until=12, since=7)
    inside = (gap(0, (NEXT_BOOT, 2), (NEXT_BOOT, 9)), gap(1, (NEXT_BOOT, 3), (NEXT_BOOT, 5)))
    assert across(both, *inside, until=20, since=5)


def test_two_streams_that_are_absent_from_boot_to_boot_without_a_gap_of_both_cannot_be_added_up() -> None:
    assert across(gap(0, (BOOT, 14), (NEXT_BOOT, 7)), gap(1, (BOOT, 14), (NEXT_BOOT, 8)), until=14, since=7) is None
