"""Rot in what is stored is found, told once and with its place, and never changed."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.__main__ import main
from edge.scrub import (
    STATE_FILE,
    Leave,
    Pace,
    Place,
    Rot,
    Scrub,
    ScrubDone,
    ScrubRunner,
    ScrubSaid,
    event_of,
    in_session,
    parts_of,
    place_bytes,
    place_from,
)
from edge.spool import open_spool
from liuhen.kinds import Segment
from liuhen.registry import EVENTS, EventCode
from tests.edge.failing_calls import Failing, Fault, failing
from tests.edge.keeping_room import Person, with_two_sessions
from tests.edge.mirrored import mirrored
from tests.edge.ports_room import Device, Room, device
from tests.edge.test_keeping_commands import order, term_over
from tests.edge.test_storage_faults import entries, statements

pytestmark = pytest.mark.long

AT_ONCE = Pace(bytes_per_second=10**9, pass_every_seconds=0)
NOW_MS = 1_790_000_000_000


@pytest.fixture
def recorded(tmp_path: Path) -> Device:
    made = device(tmp_path)
    Room().record(made.config, lambda r: r.play(14))
    return made


def damage(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def rot_of(root: Path, other: Path | None = None) -> list[Rot]:
    return [rot for read in Scrub(root, lambda: other, Place()).run() for rot in read.rot]


def test_the_parts_of_a_statement_are_every_byte_of_its_file(recorded: Device) -> None:
    for path, statement in zip(recorded.segments(), statements(recorded), strict=True):
        content, at = path.read_bytes(), 0
        for part in parts_of(statement):
            assert part.offset == at
            assert part.holds(content[at : at + part.size])
            at += part.size
        assert at == len(content)


def test_an_undamaged_spool_has_no_rot(recorded: Device) -> None:
    scrub = Scrub(recorded.spool, lambda: None, Place())
    assert [read for read in scrub.run() if read.rot] == []
    assert (scrub.place.segments, scrub.place.rotten) == (2, 0)


@pytest.mark.parametrize("where", [0, 0.3, 0.7, 0.999])
def test_one_changed_bit_anywhere_is_found_in_its_fragment_and_stays(recorded: Device, where: float) -> None:
    path, statement = recorded.segments()[0], statements(recorded)[0]
    offset = int(where * statement.size)
    damage(path, offset)
    before = path.read_bytes()
    (rot,) = rot_of(recorded.spool)
    part = next(part for part in parts_of(statement) if part.offset <= offset < part.offset + part.size)
    assert (rot.segment, rot.fragment, rot.good_elsewhere) == (0, part.fragment, False)
    assert path.read_bytes() == before
    seq = next(e.common.seq for e in entries(recorded) if isinstance(e.body, Segment))
    event = event_of(rot, 5)
    assert (event.code, event.measured, event.refers_to) == (EventCode.STORAGE_ROT, (0, part.fragment, 0, 0), seq)


def test_a_file_that_is_gone_is_told_as_one_place_and_one_cut_short_from_its_first_missing_fragment(
    recorded: Device,
) -> None:
    first, second = recorded.segments()
    first.unlink()
    os.truncate(second, second.stat().st_size - 1)
    rot = rot_of(recorded.spool)
    assert [(r.segment, r.fragment) for r in rot] == [(0, 0), (1, len(statements(recorded)[1].fragments))]


def test_a_sector_that_cannot_be_read_is_rot_in_each_part_that_it_hides(recorded: Device) -> None:
    calls = Failing(
        folders=(recorded.spool,),
        fault=Fault.EIO,
        at=0,
        chosen=lambda call, path: call == "read" and path.endswith("000001.mp4"),
    )
    with failing(calls):
        (rot,) = rot_of(recorded.spool)
    assert (rot.segment, rot.fragment) == (1, 0)
    assert calls.fired
    assert rot_of(recorded.spool) == []


def test_rot_on_the_other_disk_alone_is_found_while_this_one_still_has_the_bytes(tmp_path: Path) -> None:
    with mirrored(tmp_path) as made:
        Room().record(made.device.config, lambda r: r.play(5))
        path = made.device.segments()[0]
        damage(made.mirror / path.relative_to(made.primary), 5000)
        (rot,) = rot_of(made.primary, made.mirror)
        assert (rot.copy, rot.good_elsewhere) == (1, True)
        assert "另一块盘上的场次" in rot.words_zh
        assert "这块盘上的同一内容完好" in rot.words_zh
        assert event_of(rot, 5).measured == (0, rot.fragment, 1, 1)
        assert rot_of(made.primary) == []


def test_a_file_that_is_gone_from_one_of_two_disks_is_one_place(tmp_path: Path) -> None:
    with mirrored(tmp_path) as made:
        Room().record(made.device.config, lambda r: r.play(5))
        made.device.segments()[0].unlink()
        assert [(rot.fragment, rot.copy) for rot in rot_of(made.primary, made.mirror)] == [(0, 0)]
        assert [(rot.fragment, rot.copy) for rot in rot_of(made.mirror, made.primary)] == [(0, 1)]


def test_the_event_says_whether_the_other_disk_has_it_whole(tmp_path: Path) -> None:
    with mirrored(tmp_path) as made:
        Room().record(made.device.config, lambda r: r.play(5))
        assert made.differences() == []
        path = made.device.segments()[0]
        damage(path, 5000)
        (rot,) = rot_of(made.primary, made.mirror)
        assert rot.good_elsewhere
        assert "另一块盘上的同一内容完好" in rot.words_zh
        damage(made.mirror / path.relative_to(made.primary), 5000)
        both = rot_of(made.primary, made.mirror)
        assert [(rot.good_elsewhere, rot.copy) for rot in both] == [(False, 0), (False, 1)]


def test_what_was_destroyed_by_order_is_no_rot_and_what_is_merely_gone_is(tmp_path: Path) -> None:
    with_two_sessions(tmp_path)
    person = Person(tmp_path)
    term_over(person)
    assert person.acts("destroy", "--session", "1", "--basis-file", order(person)) == 0
    root = person.device.spool
    assert rot_of(root) == []
    for path in person.segments(2):
        path.unlink()
    assert {(rot.segment, rot.fragment) for rot in rot_of(root)} == {(0, 0), (1, 0)}


# --- the thread ------------------------------------------------------------------------------------------------------


def one_pass(root: Path, *, leave: Callable[[], Leave] = lambda: Leave.FULL) -> list[ScrubSaid]:
    """Run the thread until it says that a pass is over."""
    spool, said = open_spool(root), queue.Queue[ScrubSaid]()
    runner = ScrubRunner(spool, pace=AT_ONCE, leave=leave, post=said.put, now_ms=lambda: NOW_MS)
    runner.start()
    heard: list[ScrubSaid] = []
    try:
        while not (heard and isinstance(heard[-1], ScrubDone)):
            heard.append(said.get(timeout=20))
    finally:
        assert runner.stop(20)
        spool.close()
    return heard


def test_rot_is_told_once_per_place_over_all_passes(recorded: Device) -> None:
    damage(recorded.segments()[0], 5000)
    assert [type(said) for said in one_pass(recorded.spool)] == [Rot, ScrubDone]
    assert one_pass(recorded.spool) == [ScrubDone(segments=2, rotten=1)]
    damage(recorded.segments()[1], 5000)
    assert [type(said) for said in one_pass(recorded.spool)] == [Rot, ScrubDone]


def test_a_pass_goes_on_where_it_was_stopped(recorded: Device) -> None:
    second = next(e.common.seq for e in entries(recorded) if isinstance(e.body, Segment))
    (recorded.spool / STATE_FILE).write_bytes(place_bytes(Place(file=0, seq=second, segments=1)))
    damage(recorded.segments()[0], 5000)
    assert one_pass(recorded.spool) == [ScrubDone(segments=2, rotten=0)]
    assert [type(said) for said in one_pass(recorded.spool)] == [Rot, ScrubDone]


def test_nothing_is_read_while_media_waits(recorded: Device) -> None:
    asked, go = queue.Queue[bool](), threading.Event()

    def leave() -> Leave:
        asked.put(True)
        return Leave.FULL if go.is_set() else Leave.NONE

    spool, said = open_spool(recorded.spool), queue.Queue[ScrubSaid]()
    runner = ScrubRunner(spool, pace=AT_ONCE, leave=leave, post=said.put, now_ms=lambda: NOW_MS)
    runner.start()
    for _ in range(3):
        asked.get(timeout=20)
    assert said.empty()
    go.set()
    assert isinstance(said.get(timeout=20), ScrubDone)
    assert runner.stop(20)
    spool.close()


@pytest.mark.parametrize(
    ("change", "leave"),
    [
        ({}, Leave.GENTLE),
        ({"open_ns": 24 * 3600 * 10**9 - 1}, Leave.NONE),
        ({"queue_ms": 501}, Leave.NONE),
        ({"disk_slow": True}, Leave.NONE),
    ],
    ids=["a day", "a hearing", "deep queue", "slow disk"],
)
def test_beside_a_session_only_after_a_day_and_while_the_disk_has_time(change: dict[str, Any], leave: Leave) -> None:
    beside: dict[str, Any] = {"open_ns": 24 * 3600 * 10**9, "queue_ms": 500, "disk_slow": False}
    assert in_session(**(beside | change)) is leave


def test_beside_a_session_at_most_a_megabyte_a_second_is_read() -> None:
    quick = Pace(bytes_per_second=50_000_000)
    assert (quick.seconds_for(10**6, Leave.FULL), quick.seconds_for(10**6, Leave.GENTLE)) == (0.02, 1.0)
    assert Pace(bytes_per_second=1000).seconds_for(1000, Leave.GENTLE) == 1.0


def test_a_scrub_of_nothing_ends_at_once_and_zero_bytes_a_second_is_never(tmp_path: Path) -> None:
    made = device(tmp_path)
    assert one_pass(made.spool) == [ScrubDone(segments=0, rotten=0)]
    spool = open_spool(made.spool)
    runner = ScrubRunner(
        spool, pace=Pace(bytes_per_second=0), leave=lambda: Leave.FULL, post=_never, now_ms=lambda: NOW_MS
    )
    runner.start()
    assert runner.stop(20)
    spool.close()


def _never(said: ScrubSaid) -> None:
    raise AssertionError(said)


@given(st.binary(max_size=200))
def test_a_damaged_state_file_begins_anew(content: bytes) -> None:
    place = place_from(content)
    assert place == Place() or place_from(place_bytes(place)) == place


def test_a_state_file_says_what_was_remembered() -> None:
    place = Place(
        file=3, seq=70, segments=9, rotten=2, told=((bytes(16), 4, 5, 1), (bytes(range(16)), 0, 0, 0)), began_ms=NOW_MS
    )
    assert place_from(place_bytes(place)) == place
    assert place_from(place_bytes(Place())) == Place()


def test_every_event_has_the_numbers_its_meaning_names() -> None:
    for said in (
        Rot(session=bytes(16), segment=1, fragment=2, seq=3, good_elsewhere=True),
        ScrubDone(segments=1, rotten=0),
    ):
        event = event_of(said, 7)
        assert len(event.measured) == len(EVENTS[EventCode(event.code)].measured)


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_scrub_by_hand_says_what_has_rotted_and_fails(recorded: Device, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spool", "scrub", str(recorded.spool)]) == 0
    assert "已巡检 2 段，损坏 0 处" in capsys.readouterr().out
    damage(recorded.segments()[1], 5000)
    assert main(["spool", "scrub", str(recorded.spool)]) == 1
    said = capsys.readouterr().out
    assert "第 1 段" in said
    assert "请勿删除" in said


def test_scrub_by_hand_of_something_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spool", "scrub", str(tmp_path)]) == 2
    assert "不是存储目录" in capsys.readouterr().err
