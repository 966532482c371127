"""A session that is open goes on with what there is: a source that is missing at its start is absent, and told."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drivers.system_clock import SystemClock
from edge.app import Start, conduct_threads, run
from edge.config import Config
from edge.journal import entries_of
from edge.ladder import EXIT_REBOOT, EXIT_RESTART
from edge.opening import EXIT_HARDWARE, EXIT_KEY
from edge.ports import FaultKind, Hardware, HardwareFault, PictureFormat, Stream
from edge.refusals import Refused
from edge.requests import Verb
from edge.session.state import Mode
from liuhen import keys
from liuhen.findings import Code, Verdict
from liuhen.kinds import Duty, Event, Gap, GapEnd, Refusal, Segment, SessionEnd
from liuhen.registry import DutyAct, DutyCode, EndCause, EventCode, GapCause, Purpose, RefusalCode
from tests.edge.live_room import LiveCamera, LiveMicrophone
from tests.edge.ports_room import (
    START_NS,
    UTC_MS,
    Device,
    Onlooker,
    Room,
    RoomCamera,
    RoomClock,
    RoomMicrophone,
    device,
)

pytestmark = pytest.mark.long

OFF_SECONDS = 60
BOOTED_NS = 20 * 10**9


class PowerCut(Exception):
    """The power is gone."""


def cut(_: Room) -> None:
    raise PowerCut


def play(seconds: float) -> Callable[[Room], None]:
    return lambda room: room.play(seconds)


def bodies(made: Device, kind: type[Any]) -> list[Any]:
    return [one.body for path in made.journal_files() for one in entries_of(path) if isinstance(one.body, kind)]


def codes(made: Device) -> list[EventCode]:
    return [EventCode(body.code) for body in bodies(made, Event)]


def gone(kind: FaultKind = FaultKind.ABSENT) -> HardwareFault:
    return HardwareFault(device="camera", what="gone", remedy_zh="请检查连接", remedy_en="look", kind=kind)


def source(room: Room, stream: Stream) -> RoomCamera | RoomMicrophone:
    found = room.camera if stream is Stream.PICTURE else room.microphone
    assert found is not None
    return found


def unplug(*streams: Stream) -> Callable[[Room], None]:
    def act(room: Room) -> None:
        for stream in streams:
            source(room, stream).refuses_open = source(room, stream).refuses_start = gone()

    return act


def plug_in(*streams: Stream) -> Callable[[Room], None]:
    def act(room: Room) -> None:
        for stream in streams:
            source(room, stream).refuses_open = source(room, stream).refuses_start = None

    return act


def after_a_cut(made: Device, *acts: Callable[[Room], None], config: Config | None = None) -> Room:
    """A session whose power goes, and the room of the boot after it."""
    with contextlib.suppress(PowerCut):
        Room().record(config or made.config, play(5), *acts, cut)
    room = Room(next_boot(START_NS + 5 * 10**9, UTC_MS - START_NS // 1_000_000))
    room.mends = True
    return room


def next_boot(cut_ns: int, utc_offset_ms: int, number: int = 1) -> RoomClock:
    """The clocks of the boot after one that ended at `cut_ns`: UTC goes on, BOOTTIME begins anew."""
    utc_ms = cut_ns // 1_000_000 + utc_offset_ms + 1000 * OFF_SECONDS
    return RoomClock(
        now_ns=BOOTED_NS, utc_offset_ms=utc_ms - BOOTED_NS // 1_000_000, boot_id=number.to_bytes(16, "big")
    )


def adds_up(made: Device) -> bool:
    """Nothing is missing that no gap tells of; media and gaps are the whole session."""
    report = made.verify()
    (session,) = report.sessions
    holes = [one for one in report.findings if one.code in (Code.HOLE_UNEXPLAINED, Code.STREAM_ABSENT)]
    missing = report.verdicts.get(Verdict.MISSING_UNEXPLAINED, 0)
    return report.intact and not holes and not missing and session.totals is not None and session.totals.agrees is True


# -- one source is missing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("absent", list(Stream))
@pytest.mark.parametrize("opens", [False, True])
def test_after_a_power_cut_what_is_there_records_and_the_rest_comes_when_it_can(
    tmp_path: Path, absent: Stream, opens: bool
) -> None:
    """The camera is dead and the microphone lives, or the other way round; dead at its opening, or at its start."""
    made = device(tmp_path)
    room = after_a_cut(made)
    modes: list[Mode] = []
    source(room, absent).refuses_start = gone()
    source(room, absent).refuses_open = None if opens else gone()
    room.record(
        made.config,
        play(4),
        lambda room: modes.append(room._stage.recorder._room.state.mode),  # type: ignore[union-attr]
        plug_in(absent),
        play(12),
        lambda room: modes.append(room._stage.recorder._room.state.mode),  # type: ignore[union-attr]
    )
    assert modes == [Mode.ONE_STREAM, Mode.RECORDING]
    assert [(gap.cause, gap.stream) for gap in bodies(made, Gap)] == [
        (GapCause.OTHER, None),
        (GapCause.DEVICE_FAULT, absent),
    ]
    assert [end.resumed for end in bodies(made, GapEnd)] == [1, 1]
    assert codes(made).count(EventCode.SOURCE_LOST) == 1
    assert codes(made).count(EventCode.SOURCE_BACK) == 1
    assert len(bodies(made, SessionEnd)) == 1
    before = made.segments()[0]
    alone = [path for path in made.segments() if path != before]
    assert len(alone) >= 2  # one stream alone, then both
    frames, samples = (sum(getattr(body, name)[1] for body in bodies(made, Segment)) for name in ("frames", "samples"))
    assert frames > 25 * 9
    assert samples > 0
    assert adds_up(made)


@pytest.mark.parametrize("absent", list(Stream))
def test_one_that_never_comes_back_has_a_gap_to_the_end_and_a_report_is_owed(tmp_path: Path, absent: Stream) -> None:
    made = device(tmp_path)
    room = after_a_cut(made)
    unplug(absent)(room)
    room.record(made.config, play(90))
    assert [end.resumed for end in bodies(made, GapEnd)] == [1, 0]
    opened = [duty.code for duty in bodies(made, Duty) if duty.act == DutyAct.OPENED]
    assert DutyCode.REPORT in opened
    assert any("请检查连接" in words for status in room.onlooker.statuses for words in status.warnings_zh)
    assert adds_up(made)


def test_a_gap_that_was_open_before_the_cut_goes_on_and_has_no_second_one(tmp_path: Path) -> None:
    made = device(tmp_path)
    room = after_a_cut(made, lambda room: room.lose(Stream.PICTURE), play(3))
    unplug(Stream.PICTURE)(room)
    room.record(made.config, play(4), plug_in(Stream.PICTURE), play(10))
    assert [gap.stream for gap in bodies(made, Gap)] == [Stream.PICTURE, None]
    assert codes(made).count(EventCode.SOURCE_LOST) == 1
    assert adds_up(made)


def test_a_camera_that_opens_and_does_not_start_ends_no_session_that_was_open(tmp_path: Path) -> None:
    made = device(tmp_path)
    room = after_a_cut(made)
    assert room.camera is not None
    room.camera.refuses_start = gone(FaultKind.STUCK)
    ended = room.record(made.config, play(5))
    assert ended.cause is EndCause.STOPPED
    assert adds_up(made)


def test_a_source_that_is_missing_while_withheld_is_absent_when_recording_goes_on(tmp_path: Path) -> None:
    made = device(tmp_path)

    def withhold(room: Room) -> None:
        assert room.ask(Verb.WITHHOLD, actor="张三").ok

    def go_on(room: Room) -> None:
        assert room.ask(Verb.RESUME, actor="张三").ok

    room = after_a_cut(made, withhold, play(2))
    unplug(Stream.PICTURE)(room)
    room.record(made.config, play(3), go_on, play(4), plug_in(Stream.PICTURE), play(10))
    assert [(gap.cause, gap.stream) for gap in bodies(made, Gap)] == [
        (GapCause.WITHHELD, None),
        (GapCause.DEVICE_FAULT, Stream.PICTURE),
    ]
    assert adds_up(made)


def test_a_new_session_is_refused_where_a_promised_source_is_missing(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    unplug(Stream.PICTURE)(room)
    with pytest.raises(Refused) as refused:
        room.record(made.config, play(3))
    assert refused.value.exit_code == EXIT_HARDWARE
    assert [body.code for body in bodies(made, Refusal)] == [RefusalCode.NO_CAMERA]
    assert made.segments() == []


def test_a_session_too_old_to_go_on_is_no_reason_to_begin_another_with_a_source_missing(tmp_path: Path) -> None:
    made = device(tmp_path)
    room = after_a_cut(made)
    room.clock.now_ns += 100 * 3600 * 10**9
    unplug(Stream.PICTURE)(room)
    with pytest.raises(Refused):
        room.record(made.config, play(3))


def test_a_camera_that_comes_back_with_another_picture_is_not_let_into_the_session(tmp_path: Path) -> None:
    class Wider(RoomCamera):
        def open(self) -> Any:
            return replace(RoomCamera.open(self), width=640)

    made = device(tmp_path)
    room = after_a_cut(made)
    room.camera = Wider(refuses_open=gone())
    room.record(made.config, play(4), plug_in(Stream.PICTURE), play(10))
    assert [end.resumed for end in bodies(made, GapEnd)] == [1, 0]
    assert room.camera.sent == 0
    assert adds_up(made)


# -- what a later source is made of -----------------------------------------------------------------------------------


def in_production(made: Device, folder: Path) -> Config:
    """The same device under a key endorsed for production."""
    root = keys.load_signer(folder / "keys" / "demo-root.key")
    card = keys.parse_card((folder / "keys" / "device.card").read_bytes(), where="card")
    made.config.key.endorsements[0].write_bytes(
        keys.endorse(root, card, purpose=Purpose.PRODUCTION, not_before_ms=UTC_MS)
    )
    return made.config


def test_a_production_key_never_signs_a_substitute_that_comes_later(tmp_path: Path) -> None:
    made = device(tmp_path)
    config = in_production(made, tmp_path)

    def genuine(room: Room) -> Room:
        source(room, Stream.PICTURE).genuine = source(room, Stream.SOUND).genuine = True
        return room

    with contextlib.suppress(PowerCut):
        genuine(Room()).record(config, play(5), cut)
    room = genuine(Room(next_boot(START_NS + 5 * 10**9, UTC_MS - START_NS // 1_000_000)))
    room.mends = True
    unplug(Stream.PICTURE)(room)

    def replaced(room: Room) -> None:
        plug_in(Stream.PICTURE)(room)
        source(room, Stream.PICTURE).genuine = False

    def put_right(room: Room) -> None:
        source(room, Stream.PICTURE).genuine = True

    sent: list[int] = []
    room.record(
        config,
        play(3),
        replaced,
        play(20),
        lambda room: sent.append(source(room, Stream.PICTURE).sent),
        put_right,
        play(30),
    )
    assert sent == [0]
    assert source(room, Stream.PICTURE).sent > 0
    assert [body.code for body in bodies(made, Refusal)] == [RefusalCode.SUBSTITUTED_SOURCE]
    told = [body for body in bodies(made, Event) if body.code == EventCode.SOURCE_ORIGIN]
    assert [(body.stream, body.measured) for body in told] == [(Stream.PICTURE, (1, 0))]
    findings = {finding.code for finding in made.verify().findings}
    assert Code.SUBSTITUTED_SOURCE not in findings
    assert adds_up(made)


def test_a_production_key_does_not_go_on_with_a_substitute_put_in_within_the_session(tmp_path: Path) -> None:
    """Not only at a start: whatever is fetched back is judged anew."""
    made = device(tmp_path)
    config = in_production(made, tmp_path)
    room = Room()
    room.mends = True
    source(room, Stream.PICTURE).genuine = source(room, Stream.SOUND).genuine = True

    def replaced(room: Room) -> None:
        source(room, Stream.PICTURE).genuine = False
        room.lose(Stream.PICTURE)

    room.record(config, play(3), replaced, play(10))
    assert [body.code for body in bodies(made, Refusal)] == [RefusalCode.SUBSTITUTED_SOURCE]
    assert [end.resumed for end in bodies(made, GapEnd)] == [0]


def test_a_demonstration_says_of_a_source_that_came_later_what_it_is(tmp_path: Path) -> None:
    made = device(tmp_path)
    room = after_a_cut(made)
    unplug(Stream.SOUND)(room)
    room.record(made.config, play(3), plug_in(Stream.SOUND), play(10))
    (told,) = [body for body in bodies(made, Event) if body.code == EventCode.SOURCE_ORIGIN]
    assert (told.stream, told.measured, len(told.records)) == (Stream.SOUND, (1, 1), 1)
    assert Code.RECORD_ABSENT not in {finding.code for finding in made.verify().findings}
    assert adds_up(made)


# -- in threads -------------------------------------------------------------------------------------------------------


class LateCamera(LiveCamera):
    """One that opens at the third time of asking."""

    asked = 0

    def open(self) -> PictureFormat:
        self.asked += 1
        if self.asked < 3:
            raise gone()
        return super().open()


def test_the_real_threads_go_on_with_one_source_and_fetch_the_other(tmp_path: Path) -> None:
    made = device(tmp_path)
    LiveCamera()._room.take(0, 0)  # encode the pictures before the clock counts

    def live(camera: LiveCamera, *, service: bool, seconds: float) -> None:
        run(
            Start(
                config=made.config,
                hardware=Hardware(camera=camera, microphone=LiveMicrophone(), clock=SystemClock()),
                watcher=Onlooker(),
                stop=threading.Event(),
                conduct=conduct_threads,
                seconds=seconds,
                service=service,
                last_exit=tmp_path / "last-exit",
            )
        )

    live(LiveCamera(), service=True, seconds=2)
    live(LateCamera(), service=False, seconds=6)
    both, picture = bodies(made, Gap)
    assert (both.stream, picture.stream) == (None, Stream.PICTURE)
    assert [end.resumed for end in bodies(made, GapEnd)] == [1, 1]
    assert adds_up(made)


# -- nothing is there ------------------------------------------------------------------------------------------------


def test_a_single_run_that_finds_nothing_is_refused_and_leaves_the_session_open(tmp_path: Path) -> None:
    made = device(tmp_path)
    room = after_a_cut(made)
    unplug(*Stream)(room)
    with pytest.raises(Refused) as refused:
        room.record(made.config, play(3))
    assert refused.value.exit_code == EXIT_HARDWARE
    assert bodies(made, SessionEnd) == []


def climbing(config: Config) -> Config:
    """One restart of a stream, then the next rung."""
    return replace(config, ladder=replace(config.ladder, stream_restarts=1, longest_wait_seconds=2, process_restarts=1))


def test_the_ladder_climbs_through_processes_and_boots_in_one_session_and_ends_at_a_person(tmp_path: Path) -> None:
    """Both sources are dead: a new process for each, a new boot once; then somebody has to say that it cannot go on."""
    made = device(tmp_path)
    config = climbing(made.config)
    room = after_a_cut(made, config=config)
    clock = room.clock

    def life(*acts: Callable[[Room], None]) -> int:
        again = Room(clock)
        again.mends = True
        unplug(*Stream)(again)
        return again.serve(config, *acts)

    assert [life(play(40)), life(play(40))] == [EXIT_RESTART, EXIT_REBOOT]
    clock = next_boot(clock.now_ns, clock.utc_offset_ms, 2)
    assert life(play(40)) == EXIT_RESTART  # the other source's own; another boot is not ordered within its hours

    def give_up(room: Room) -> None:
        assert room.ask(Verb.CANNOT_RESUME, actor="张三", reported_to="王处长", reported_at="10:02").ok

    assert life(play(700), give_up) == 0
    assert codes(made).count(EventCode.RESTART_ORDERED) == 2
    assert codes(made).count(EventCode.REBOOT_ORDERED) == 1
    assert EventCode.RESUME_OVERDUE in codes(made)
    (end,) = bodies(made, SessionEnd)
    assert end.cause == EndCause.DEVICE_FAULT
    owed = {duty.code for duty in bodies(made, Duty) if duty.act == DutyAct.OPENED}
    assert owed == {DutyCode.REPORT, DutyCode.WRITTEN_STATEMENT}
    assert adds_up(made)


def test_what_comes_back_on_the_way_is_recorded_and_the_counts_begin_anew_only_once_it_has_settled(
    tmp_path: Path,
) -> None:
    made = device(tmp_path)
    config = replace(made.config, ladder=replace(made.config.ladder, stream_restarts=4, longest_wait_seconds=2))
    room = after_a_cut(made, config=config)
    unplug(*Stream)(room)
    assert room.serve(config, play(40)) == EXIT_RESTART
    again = Room(room.clock)
    again.mends = True
    unplug(*Stream)(again)
    assert again.serve(config, play(1), plug_in(Stream.SOUND), play(6), plug_in(Stream.PICTURE), play(10)) == 0
    assert len(bodies(made, SessionEnd)) == 1
    assert [(gap.cause, gap.stream) for gap in bodies(made, Gap)] == [
        (GapCause.OTHER, None),
        (GapCause.DEVICE_FAULT, None),  # from the next start on, and one gap through both of its processes
        (GapCause.DEVICE_FAULT, Stream.PICTURE),
    ]
    assert [end.resumed for end in bodies(made, GapEnd)] == [0, 1, 1]
    assert adds_up(made)


def test_a_service_orders_no_new_process_while_something_records(tmp_path: Path) -> None:
    made = device(tmp_path)
    config = climbing(made.config)
    room = after_a_cut(made, config=config)
    unplug(Stream.PICTURE)(room)
    assert room.serve(config, play(60)) == 0
    assert EventCode.RESTART_ORDERED not in codes(made)
    assert not (made.spool / "device" / "ladder").exists()  # and none is counted as ordered
    assert adds_up(made)


def test_a_refused_substitute_at_a_start_is_refused_as_before(tmp_path: Path) -> None:
    made = device(tmp_path)
    room = Room()
    source(room, Stream.PICTURE).genuine = False
    with pytest.raises(Refused) as refused:
        room.record(in_production(made, tmp_path), play(1))
    assert refused.value.exit_code == EXIT_KEY
