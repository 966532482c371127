"""A trip while the recorder's disk answers nothing: the relay does not wait for it, and nothing later is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from liuhen.kinds import Gap, GapEnd, Segment
from liuhen.registry import GapCause
from sim.block_disk import NoBlockDisk
from sim.levers import Verb
from sim.wiring import NS_PER_MS, Seen
from tests.crash.strict_folder import StrictFolder
from tests.edge.guard.guarded_room import OFF, PERMIT
from tests.interlock_campaign import LIMIT_MS
from tests.realtime.runs import verified
from tests.realtime.whole_room import FORBIDDING, of, running, trust_of
from tests.required import unavailable

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(240)]
WAITS_SECONDS = 1.0
"""How long the disk is silent before the trip: several fragments wait for it then."""


@contextmanager
def slow_disk(folder: Path) -> Iterator[StrictFolder]:
    """The spool of a device below `folder`, on a disk that can be stalled."""
    behind = folder / "behind"
    behind.mkdir()
    (folder / "spool").mkdir()
    try:
        disk = StrictFolder(folder / "spool", folder / "log", behind)
    except NoBlockDisk as missing:
        unavailable(str(missing))
    try:
        yield disk
    finally:
        disk.go_on()
        disk.close()


def test_a_trip_while_the_disk_answers_nothing_drops_the_relay_in_time_and_the_gap_begins_where_media_is_durable(
    tmp_path: Path,
) -> None:
    with slow_disk(tmp_path) as disk, running(tmp_path) as device:
        device.begins_a_session()
        device.waits_for(lambda found: bool(of(found, Segment)))
        disk.stall()
        device.lives_on(WAITS_SECONDS)
        device.levers.pull(Verb.SET_CONTACTS, OFF)
        device.levers.pull(Verb.AWAIT_CONTACT, 0)
        reading = device.levers.wiring()
        assert reading.contact_since_ns - reading.line_changed_ns <= LIMIT_MS * NS_PER_MS
        assert reading.permit_changed_ns - reading.line_changed_ns <= LIMIT_MS * NS_PER_MS
        assert not reading.permit
        device.shows(Seen.WHITE_BLINKING)
        # A frame that was being delivered when the contact opened is stamped once it is (13 us after it, seen once).
        assert device.levers.wiring().last_frame_ns <= reading.contact_since_ns + NS_PER_MS
        disk.go_on()
        device.waits_for(lambda found: bool(of(found, Gap)))
        device.levers.pull(Verb.SET_CONTACTS, PERMIT)
        device.reset()
        device.waits_for(lambda found: bool(of(found, GapEnd)))
        device.shows(Seen.RED_SLOW)
        found = device.ends_the_session()
        exit_code, report = verified(tmp_path / "spool", "--trust", trust_of(tmp_path))
    assert exit_code == 0, report
    assert not FORBIDDING & {finding["code"] for finding in report["findings"]}
    whole = [gap for gap in of(found, Gap) if gap.stream is None]
    assert [gap.cause for gap in whole] == [GapCause.INTERLOCK]
    before = [one for one in of(found, Segment) if one.span_ns[0] < reading.line_changed_ns]
    assert abs(whole[0].since[1] - before[-1].span_ns[1]) <= LIMIT_MS * NS_PER_MS
    assert before[-1].span_ns[1] <= reading.contact_since_ns + LIMIT_MS * NS_PER_MS
