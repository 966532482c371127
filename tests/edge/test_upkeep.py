"""The recorder looks after itself: what is lost is started again, as far as the ladder goes, and all of it is told."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.app import Start, conduct_threads
from edge.config import Config
from edge.disk_watch import DiskSaid, DiskState, Side
from edge.journal import entries_of
from edge.ladder import Rung
from edge.ports import FaultKind, HardwareFault, LossCause, Stream
from edge.refusals import Refused
from edge.requests import Verb
from edge.station import serve
from edge.surroundings import Surroundings
from liuhen.kinds import Duty, Event, Gap, GapEnd, Refusal, Segment, SessionEnd
from liuhen.registry import DutyAct, DutyCode, EndCause, EventCode, RefusalCode
from tests.edge.ports_room import Device, Room, RoomClock, device
from tests.edge.served import Service, answered, rest, start
from tests.edge.test_room import withhold

pytestmark = pytest.mark.long


def bodies(made: Device, kind: type[Any]) -> list[Any]:
    return [one.body for path in made.journal_files() for one in entries_of(path) if isinstance(one.body, kind)]


def events(made: Device) -> list[tuple[EventCode, tuple[int, ...]]]:
    return [(EventCode(body.code), body.measured) for body in bodies(made, Event)]


def codes(made: Device) -> list[EventCode]:
    return [code for code, _ in events(made)]


def play(seconds: float) -> Callable[[Room], None]:
    return lambda room: room.play(seconds)


def lose(stream: Stream, cause: LossCause = LossCause.SILENT) -> Callable[[Room], None]:
    return lambda room: room.lose(stream, cause)


def fault(kind: FaultKind = FaultKind.ABSENT) -> HardwareFault:
    return HardwareFault(device="camera", what="gone", remedy_zh="请检查连接", remedy_en="look", kind=kind)


def break_camera(room: Room, kind: FaultKind = FaultKind.ABSENT) -> None:
    assert room.camera is not None
    room.camera.refuses_start = fault(kind)


def mend_camera(room: Room) -> None:
    assert room.camera is not None
    room.camera.refuses_start = None


def mending() -> Room:
    room = Room()
    room.mends = True
    return room


def climbing(config: Config) -> Config:
    """One restart of a stream, then the next rung."""
    return replace(config, ladder=replace(config.ladder, stream_restarts=1, longest_wait_seconds=2, process_restarts=1))


# -- the ladder ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", list(Stream))
def test_a_stream_that_is_lost_is_started_again_and_its_gap_ends(tmp_path: Path, stream: Stream) -> None:
    made = device(tmp_path)
    mending().record(made.config, play(3), lose(stream), play(4))
    assert (EventCode.SOURCE_RESTARTED, (1,)) in events(made)
    (gap,), (end,) = bodies(made, Gap), bodies(made, GapEnd)
    assert (gap.stream, end.resumed) == (stream, 1)
    assert 1_000_000_000 <= end.length_ns[0] <= 1_500_000_000
    assert made.verify().intact


def test_a_lost_source_that_has_just_been_started_with_the_others_is_not_started_once_more(tmp_path: Path) -> None:
    made = device(tmp_path)

    def withhold(room: Room) -> None:
        assert room.ask(Verb.WITHHOLD, actor="张三").ok

    def go_on(room: Room) -> None:
        assert room.ask(Verb.RESUME, actor="张三").ok

    mending().record(made.config, play(3), lose(Stream.PICTURE), withhold, play(5), go_on, play(5))
    assert EventCode.SOURCE_RESTARTED not in codes(made)
    assert [end.resumed for end in bodies(made, GapEnd)].count(1) >= 1
    assert made.verify().intact


def test_without_a_reviver_the_gap_stays_open_until_the_end(tmp_path: Path) -> None:
    made = device(tmp_path)
    Room().record(made.config, play(3), lose(Stream.SOUND), play(4))
    assert EventCode.SOURCE_RESTARTED not in codes(made)
    assert [end.resumed for end in bodies(made, GapEnd)] == [0]


def test_a_camera_that_is_plugged_in_again_much_later_comes_back_all_the_same(tmp_path: Path) -> None:
    made, room = device(tmp_path), mending()
    room.record(climbing(made.config), play(3), break_camera, lose(Stream.PICTURE), play(60), mend_camera, play(5))
    (end,) = bodies(made, GapEnd)
    assert end.resumed == 1
    assert 60 <= end.length_ns[0] / 1e9 <= 63
    assert made.verify().intact


def test_a_source_that_does_not_stop_is_told_and_a_fresh_one_started(tmp_path: Path) -> None:
    made, room = device(tmp_path), mending()
    assert room.camera is not None
    room.camera.refuses_stop = fault(FaultKind.STUCK)
    room.record(made.config, play(3), lose(Stream.PICTURE), play(4))
    told = codes(made)
    assert told.index(EventCode.SOURCE_STOP_HUNG) < told.index(EventCode.SOURCE_RESTARTED)
    assert [end.resumed for end in bodies(made, GapEnd)] == [1]


def test_where_nothing_helps_the_loss_is_to_be_reported_once(tmp_path: Path) -> None:
    made, room = device(tmp_path), mending()
    ended = room.record(climbing(made.config), play(3), break_camera, lose(Stream.PICTURE), play(30))
    assert ended.ordered is None
    entries = [one for path in made.journal_files() for one in entries_of(path)]
    (gap_seq,) = [one.common.seq for one in entries if isinstance(one.body, Gap)]
    duties = [one.body for one in entries if isinstance(one.body, Duty) and one.body.code == DutyCode.REPORT]
    assert [(duty.act, duty.refers_to) for duty in duties] == [(DutyAct.OPENED, gap_seq)]
    assert any("多次重启无效" in words for status in room.onlooker.statuses for words in status.warnings_zh)


def test_a_stream_that_comes_back_in_time_owes_no_report(tmp_path: Path) -> None:
    made = device(tmp_path)
    mending().record(made.config, play(3), lose(Stream.PICTURE), play(30))
    assert bodies(made, Duty) == []


def lose_everything(room: Room) -> None:
    assert room.camera is not None
    assert room.microphone is not None
    room.camera.refuses_start = room.microphone.refuses_start = fault()
    room.lose(Stream.PICTURE)
    room.lose(Stream.SOUND)


def test_a_service_that_gets_nothing_back_ends_its_process_and_leaves_the_session_open(tmp_path: Path) -> None:
    made, room = device(tmp_path), mending()
    config = climbing(made.config)
    ended = room.record(config, play(3), lose_everything, play(30), service=True)
    assert ended.ordered is Rung.RESTART_PROCESS
    assert codes(made).count(EventCode.RESTART_ORDERED) == 1
    assert bodies(made, SessionEnd) == []
    again = Room(room.clock)
    again.mends = True
    assert again.record(config, play(5), service=True).clean
    assert len(bodies(made, SessionEnd)) == 1
    assert made.verify().intact


def test_a_single_session_orders_no_new_process(tmp_path: Path) -> None:
    made, room = device(tmp_path), mending()
    ended = room.record(climbing(made.config), play(3), lose_everything, play(30))
    assert ended.ordered is None
    assert EventCode.RESTART_ORDERED not in codes(made)
    assert len(bodies(made, SessionEnd)) == 1


def test_sound_that_was_moved_to_another_device_is_told(tmp_path: Path) -> None:
    made = device(tmp_path)
    mending().record(made.config, play(3), lose(Stream.SOUND, LossCause.MOVED), play(3), lose(Stream.SOUND), play(3))
    assert codes(made).count(EventCode.SOUND_MOVED) == 1
    assert codes(made).count(EventCode.SOURCE_LOST) == 2


# -- the clock -------------------------------------------------------------------------------------------------------


def clock_events(made: Device) -> list[tuple[EventCode, tuple[int, ...]]]:
    return [(code, measured) for code, measured in events(made) if code.name.startswith("CLOCK_")]


def test_a_step_of_the_clock_is_told_once(tmp_path: Path) -> None:
    made = device(tmp_path)
    Room().record(made.config, play(2), lambda room: room.set_clock_by(60_000), play(2))
    assert clock_events(made) == [(EventCode.CLOCK_STEPPED, (60_000,))]


def test_a_clock_that_everybody_vouches_for_is_not_talked_about(tmp_path: Path) -> None:
    made = device(tmp_path)
    Room().record(made.config, play(3))
    assert clock_events(made) == []


def test_a_clock_that_is_no_longer_believed_and_is_again_is_told_both_times(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def err(error_ms: int) -> Callable[[Room], None]:
        def happens(room: Room) -> None:
            room.clock.error_ms = error_ms

        return happens

    room.record(made.config, play(2), err(1001), play(2), err(5), play(2))
    assert clock_events(made) == [(EventCode.CLOCK_UNSYNCHRONISED, (1001,)), (EventCode.CLOCK_TRUSTED, (5,))]


def test_a_battery_backed_clock_is_told_where_it_is_required_and_silent(tmp_path: Path) -> None:
    made = device(tmp_path)
    config = replace(made.config, clock=replace(made.config.clock, rtc="required"))
    Room().record(config, play(3))
    assert clock_events(made) == [(EventCode.CLOCK_RTC_BAD, (-1,))]


def test_a_time_before_the_last_signed_one_is_not_believed(tmp_path: Path) -> None:
    made, clock = device(tmp_path), RoomClock()
    Room(clock).record(made.config, play(2))
    clock.utc_offset_ms -= 3_600_000
    Room(clock).record(made.config, play(2))
    assert clock_events(made) == [(EventCode.CLOCK_UNSYNCHRONISED, (5,))]


# -- what became of the process before -------------------------------------------------------------------------------


class Crash(Exception):
    """The process ends here, as if it had been killed."""


def crash(room: Room) -> None:
    raise Crash


def crashing_service(tmp_path: Path, *acts: Callable[[Room], None]) -> tuple[Device, Config, RoomClock]:
    made, clock = device(tmp_path), RoomClock()
    config = made.config
    Room(clock).record(config, play(2), service=True)
    with contextlib.suppress(Crash):
        Room(clock).record(config, play(2), *acts, service=True)
    return made, config, clock


@pytest.mark.parametrize(("line", "code"), [(b"watchdog killed SIGABRT\n", -6), (None, 0)])
def test_a_crash_is_told_by_the_next_run(tmp_path: Path, line: bytes | None, code: int) -> None:
    made, config, clock = crashing_service(tmp_path, crash)
    if line is not None:
        (tmp_path / "last-exit").write_bytes(line)
    Room(clock).record(config, play(2), service=True)
    assert (EventCode.PROCESS_CRASHED, (code,)) in events(made)
    assert not (tmp_path / "last-exit").exists()
    assert made.verify().intact


def test_an_end_in_order_and_another_boot_are_no_crash(tmp_path: Path) -> None:
    made, config, clock = crashing_service(tmp_path)
    Room(clock).record(config, play(2), service=True)
    with pytest.raises(Crash):
        Room(clock).record(config, play(2), crash, service=True)
    clock.boot_id = bytes(range(16, 32))
    Room(clock).record(config, play(2), service=True)
    assert EventCode.PROCESS_CRASHED not in codes(made)


# -- space -----------------------------------------------------------------------------------------------------------


SYSTEM_STATVFS = os.statvfs


def free_seconds(monkeypatch: pytest.MonkeyPatch, config: Config, seconds: float) -> None:
    """The disk says from now on that so much media still fits."""
    truth, block_bytes = list(SYSTEM_STATVFS(config.spool.directory)), 512
    truth[0:2] = [block_bytes, block_bytes]
    truth[4] = int(seconds * config.media_bytes_per_second()) // block_bytes
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(truth))


def test_a_session_is_warned_at_each_level_once_and_ends_at_the_floor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, room = device(tmp_path), Room()

    def falls_to(minutes: float) -> Callable[[Room], None]:
        return lambda _room: free_seconds(monkeypatch, made.config, 60 * minutes)

    free_seconds(monkeypatch, made.config, 60 * 1000)
    ended = room.record(
        made.config, play(11), falls_to(300.5), play(22), falls_to(29.5), play(12), falls_to(1.5), play(12)
    )
    assert [(code, measured) for code, measured in events(made) if code is EventCode.STORAGE_WARNING] == [
        (EventCode.STORAGE_WARNING, (480, 300)),
        (EventCode.STORAGE_WARNING, (30, 29)),
    ]
    assert codes(made)[-1] is EventCode.STORAGE_LOW
    assert (ended.clean, ended.cause) == (False, EndCause.STORAGE)
    assert "存储空间不足" in ended.words_zh
    assert made.verify().intact


def test_with_room_to_spare_nothing_is_said_of_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, room = device(tmp_path), Room()
    free_seconds(monkeypatch, made.config, 3600 * 24)
    room.record(made.config, play(21))
    assert events(made) == []
    assert room.onlooker.words == []


def test_a_plan_that_does_not_fit_is_said_and_recorded_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, room = device(tmp_path), Room()
    free_seconds(monkeypatch, made.config, 3600 * 4.5)
    assert room.record(made.config, play(3)).clean
    assert "可以开始，但请尽快归档" in "".join(room.onlooker.words)


def test_too_little_space_refuses_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, room = device(tmp_path), Room()
    free_seconds(monkeypatch, made.config, 60)
    with pytest.raises(Refused) as refused:
        room.record(made.config, play(3))
    assert "至少需要 0.1 小时" in refused.value.remedy_zh
    assert [body.code for body in bodies(made, Refusal)] == [RefusalCode.SPACE]


# -- the service -----------------------------------------------------------------------------------------------------


class Pulse:
    """A supervisor that counts, and has the service stop after some beats (implements `edge.watchdog.Supervisor`)."""

    def __init__(self, clock: RoomClock, *, stands_still_ns: int = 0) -> None:
        self.stop, self.beats = threading.Event(), 0
        self._clock, self._stands_still_ns = clock, stands_still_ns

    def ready(self, status: str) -> None:
        assert any(thread.name == "DISKS" for thread in threading.enumerate())

    def alive(self) -> None:
        self.beats += 1
        self._clock.now_ns += self._stands_still_ns
        if self.beats >= 3:
            self.stop.set()

    def status(self, status: str) -> None:
        pass

    def stopping(self) -> None:
        pass


def serve_idle(made: Device, room: Room, pulse: Pulse) -> int:
    return serve(
        Start(
            config=made.config,
            hardware=room.hardware(),
            watcher=room.onlooker,
            stop=pulse.stop,
            conduct=conduct_threads,
            surroundings=Surroundings(supervisor=pulse),
            service=True,
            last_exit=made.spool.with_name("last-exit"),
        )
    )


def test_an_idle_service_feeds_its_supervisor_and_ends_with_its_threads(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    pulse = Pulse(room.clock)
    assert serve_idle(made, room, pulse) == 0
    assert pulse.beats >= 3
    assert not any(thread.name.startswith(("DISK", "SCRUB")) for thread in threading.enumerate())
    assert set(codes(made)) <= {EventCode.SCRUB_DONE}


def test_a_turn_that_stood_still_is_told_with_how_long(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    assert serve_idle(made, room, Pulse(room.clock, stands_still_ns=7_000_000_000)) == 0
    told = [measured for code, measured in events(made) if code is EventCode.PROCESS_WEDGED]
    assert told
    assert all(7000 <= measured[0] < 8000 for measured in told)


# -- disks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (DiskState.READ_ONLY, EventCode.STORAGE_READ_ONLY),
        (DiskState.REMOVED, EventCode.STORAGE_REMOVED),
        (DiskState.WRONG_MEDIUM, EventCode.STORAGE_WRONG_MEDIUM),
    ],
)
def test_a_disk_that_is_not_what_it_was_is_told_and_warned_of(
    tmp_path: Path, state: DiskState, code: EventCode
) -> None:
    made, room = device(tmp_path), Room()
    said = DiskSaid(side=Side.PRIMARY, state=state)
    room.record(made.config, play(2), lambda room: room.disk_says(said), play(1))
    assert events(made) == [(code, (0,))]
    assert said.words_zh in room.onlooker.words
    assert said.words_zh in room.onlooker.statuses[-1].warnings_zh


def test_a_disk_that_is_back_is_warned_of_no_longer(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    silent, back = (DiskSaid(side=Side.PRIMARY, state=state) for state in (DiskState.SILENT, DiskState.PRESENT))
    room.record(made.config, play(2), lambda room: room.disk_says(silent), play(1), lambda room: room.disk_says(back))
    assert events(made) == []
    assert any(silent.words_zh in status.warnings_zh for status in room.onlooker.statuses)
    assert silent.words_zh not in room.onlooker.statuses[-1].warnings_zh


# -- a stop that takes long --------------------------------------------------------------------------------------------


def takes(patch: pytest.MonkeyPatch, room: Room, **nanoseconds: int) -> None:
    """Each of these sources takes so long, of the room's time, to stop: an encoder that flushes, a stuck driver."""
    for name, passing_ns in nanoseconds.items():
        kind = type(getattr(room, name))
        stop = kind.stop

        def slowly(source: Any, limit: float, stop: Any = stop, passing_ns: int = passing_ns) -> None:
            room.clock.now_ns += passing_ns
            stop(source, limit)

        patch.setattr(kind, "stop", slowly)


SIX_AND_FIVE: dict[str, int] = {"camera": 6 * 10**9, "microphone": 5 * 10**9}
"""A second for the camera's watch and five for the camera, then five for the microphone: each within its own limit."""


def test_eleven_seconds_at_a_stop_are_two_sources_at_their_limits_and_cost_the_session_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, room = device(tmp_path), Room()
    takes(monkeypatch, room, **SIX_AND_FIVE)
    assert Service(made, room, (lambda r: r.play(2),)).serve(start, answered(), rest) == 0
    told = [measured for code, measured in events(made) if code is EventCode.PROCESS_WEDGED]
    assert told
    assert all(11_000 <= measured[0] < 12_000 for measured in told)
    assert bodies(made, Gap) == []
    assert made.findings() == []


def test_a_source_that_takes_long_to_stop_moves_no_bound_of_what_is_withheld(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gap begins where it was ordered, however long it then takes until the sources have stopped."""
    begins = []
    for name, slow in (("quick", {}), ("slow", SIX_AND_FIVE)):
        made, room = device(tmp_path / name), Room()
        with monkeypatch.context() as patch:
            takes(patch, room, **slow)
            Service(made, room, (lambda r: r.play(2), withhold, lambda r: r.play(1))).serve(start, answered(), rest)
        (gap,) = bodies(made, Gap)
        (segment,) = bodies(made, Segment)
        begins.append(gap.since[1] - segment.span_ns[0])
        wedged = [measured for code, measured in events(made) if code is EventCode.PROCESS_WEDGED]
        assert bool(wedged) is bool(slow)
        assert made.verify().intact
    assert begins[0] == begins[1]
