"""A run from start to stop: numbers go on, choices are entries, a source that fails is a reason."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edge import journal
from edge.app import Start, conduct_threads, run
from edge.ports import FaultKind, Hardware, HardwareFault, Stream
from edge.recorder import Ended
from edge.refusals import Refused
from liuhen.entry import Entry
from liuhen.findings import Code
from liuhen.kinds import Choice, Gap, GapEnd, Refusal, Run, Session, SessionEnd, Stop
from liuhen.registry import ChoiceCode, EndCause, GapCause, RefusalCode, RunCause, StopCause
from tests.edge.ports_room import Device, Onlooker, Room, RoomCamera, RoomClock, RoomMicrophone, device

pytestmark = pytest.mark.long

FAULT = HardwareFault(
    device="camera",
    what="busy",
    remedy_zh="请关闭另一个程序",
    remedy_en="close the other program",
    kind=FaultKind.BUSY,
)


def entries(made: Device) -> list[Entry]:
    return [entry for path in made.journal_files() for entry in journal.entries_of(path)]


def bodies(made: Device, kind: type) -> list[object]:
    return [entry.body for entry in entries(made) if isinstance(entry.body, kind)]


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_runs_in_one_spool_continue_each_other(tmp_path: Path) -> None:
    made, clock = device(tmp_path), RoomClock()
    for _ in range(3):
        assert Room(clock).record(made.config, lambda r: r.play(12)).clean
        clock.now_ns += 5 * 10**9
    found = entries(made)
    assert [e.common.seq for e in found] == list(range(len(found)))
    assert [e.common.run for e in found if isinstance(e.body, Run)] == [1, 2, 3]
    assert [b.cause for b in bodies(made, Run) if isinstance(b, Run)] == [
        RunCause.FIRST,
        RunCause.AFTER_CLEAN_STOP,
        RunCause.AFTER_CLEAN_STOP,
    ]
    assert [b.ordinal for b in bodies(made, Session) if isinstance(b, Session)] == [1, 2, 3]
    assert len({e.common.session_id for e in found if isinstance(e.body, Session)}) == 3
    assert made.findings() == []
    assert len(made.verify().sessions) == 3


def test_a_refused_start_takes_no_ordinal(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    assert room.camera is not None
    room.camera.refuses_open = FAULT
    with pytest.raises(Refused):
        room.record(made.config)
    room.camera.refuses_open = None
    room.record(made.config, lambda r: r.play(1))
    assert [b.ordinal for b in bodies(made, Session) if isinstance(b, Session)] == [1]
    assert [b.code for b in bodies(made, Refusal) if isinstance(b, Refusal)] == [RefusalCode.CAMERA_BUSY]
    assert [b.cause for b in bodies(made, Stop) if isinstance(b, Stop)] == [StopCause.REFUSED, StopCause.OPERATOR]
    assert made.findings() == []


def test_the_order_of_a_session_is_that_of_the_format(tmp_path: Path) -> None:
    made = device(tmp_path)
    Room().record(made.config, lambda r: r.play(1))
    kinds = [e.kind for e in entries(made)]
    assert kinds == ["enrolment", "run", "choice", "check", "session", "segment", "session-end", "checkpoint", "stop"]
    assert [b.code for b in bodies(made, Choice) if isinstance(b, Choice)] == [ChoiceCode.NO_INTERLOCK]


def test_the_rooms_name_is_a_record_and_stands_in_no_entry(tmp_path: Path) -> None:
    made = device(tmp_path)
    Room().record(made.config, lambda r: r.play(1))
    (session,) = [b for b in bodies(made, Session) if isinstance(b, Session)]
    name = made.config.device.room.encode()
    assert not any(name in e.envelope.encoded for e in entries(made))
    (path,) = (made.spool / "records").iterdir()
    assert path.read_bytes()[32:] == name
    assert path.name == f"{session.records[0][1].hex()}.record"


# --- sources ----------------------------------------------------------------------------------------------------------


def test_one_stream_only_is_a_signed_choice(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    room.camera = None
    ended = room.record(made.config, lambda r: r.play(3))
    assert ended.clean
    assert made.verify().intact
    assert made.verify().sessions[0].frames == 0


def test_a_microphone_that_is_refused_gives_the_camera_back(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    assert room.camera is not None
    assert room.microphone is not None
    fault = HardwareFault(
        device="microphone",
        what="wrong rate",
        remedy_zh="请修改采样率",
        remedy_en="change rate_hz",
        kind=FaultKind.FORMAT,
    )
    room.microphone.refuses_open = fault
    with pytest.raises(Refused, match="wrong rate") as refused:
        room.record(made.config)
    assert refused.value.exit_code == 3
    assert room.camera.stops == 1
    assert [b.code for b in bodies(made, Refusal) if isinstance(b, Refusal)] == [RefusalCode.MICROPHONE_FORMAT]


# --- in real threads --------------------------------------------------------------------------------------------------


class Turning:
    """Lets the room's sources run in real time on a thread of their own until the session has been asked to stop."""

    def __init__(self, folder: Path) -> None:
        self.device = device(folder)
        self.camera, self.microphone, self.onlooker = RoomCamera(), RoomMicrophone(), Onlooker()
        self.clock = RoomClock()
        self.stop = threading.Event()

    def run(self, stop_after_fragments: int) -> Ended:
        """Record until that many fragments are durable; time passes as fast as packets are taken."""
        sealed = threading.Event()

        def note() -> None:
            if self.onlooker.durable[-1][0] == "F" and self.onlooker.durable[-1][2] >= stop_after_fragments:
                sealed.set()

        self.onlooker.on_durable = note
        source = threading.Thread(target=self._turn, args=(sealed,), name="source")
        source.start()
        try:
            return run(
                Start(
                    config=self.device.config,
                    hardware=Hardware(camera=self.camera, microphone=self.microphone, clock=self.clock),
                    watcher=self.onlooker,
                    stop=self.stop,
                    conduct=conduct_threads,
                )
            )
        finally:
            sealed.set()
            source.join(10)

    def _turn(self, sealed: threading.Event) -> None:
        now_ns = self.clock.now_ns
        while not sealed.wait(0.002):
            if self.camera.deliver is None or self.microphone.deliver is None:
                continue
            for _ in range(8):
                now_ns += 5_000_000
                self.clock.now_ns = max(self.clock.now_ns, now_ns)
                if now_ns % 25_000_000 == 0:
                    self.microphone.take(now_ns)
                if now_ns % 40_000_000 == 0:
                    self.camera.take(now_ns, 0)
        self.stop.set()


def test_threads_end_with_the_session_and_everything_delivered_is_written(tmp_path: Path) -> None:
    turning = Turning(tmp_path)
    ended = turning.run(stop_after_fragments=5)
    assert ended.clean
    assert {t.name for t in threading.enumerate()} & {"WRITER", "STOP", "source"} == set()
    (end,) = [b for b in bodies(turning.device, SessionEnd) if isinstance(b, SessionEnd)]
    assert (end.frames, end.samples) == (turning.camera.sent, turning.microphone.sent * 1200)
    assert turning.device.findings() == []


def test_a_camera_that_opens_and_does_not_start_ends_the_session_in_order(tmp_path: Path) -> None:
    turning = Turning(tmp_path)
    turning.camera.refuses_start = FAULT
    ended = turning.run(stop_after_fragments=10**6)
    assert (ended.cause, ended.clean) == (EndCause.DEVICE_FAULT, False)
    assert "请关闭另一个程序" in ended.words_zh
    assert turning.microphone.deliver is None
    kinds = [e.kind for e in entries(turning.device)]
    assert kinds[-7:] == ["gap", "gap-end", "duty", "duty", "session-end", "checkpoint", "stop"]
    assert set(turning.device.findings()) <= {"gap-unexplained"}
    assert [b.cause for b in bodies(turning.device, Stop) if isinstance(b, Stop)] == [StopCause.FAULT]


# --- what happens in a session ----------------------------------------------------------------------------------------


def test_a_loss_opens_a_gap_that_the_end_of_the_session_closes(tmp_path: Path) -> None:
    made = device(tmp_path)
    Room().record(made.config, lambda r: r.play(3), lambda r: r.lose(Stream.SOUND), lambda r: r.play(2))
    (gap,) = [b for b in bodies(made, Gap) if isinstance(b, Gap)]
    assert gap.stream == Stream.SOUND
    assert made.verify().intact


def test_pictures_that_an_overloaded_encoder_never_gave_out_are_a_gap_to_the_end(tmp_path: Path) -> None:
    """Nobody called the camera lost: its pictures came ever later; the rest were in the encoder at the stop."""

    def hold_pictures(room: Room) -> None:
        assert room.camera is not None
        room.camera.deliver = None

    made = device(tmp_path)
    assert Room().record(made.config, lambda r: r.play(64), hold_pictures, lambda r: r.play(11)).clean
    (gap,) = bodies(made, Gap)
    assert isinstance(gap, Gap)
    assert (gap.stream, gap.cause) == (Stream.PICTURE, GapCause.DEVICE_FAULT)
    (ended,) = bodies(made, GapEnd)
    assert isinstance(ended, GapEnd)
    assert ended.until[1] - gap.since[1] == pytest.approx(11e9, abs=1e8)
    report = made.verify()
    assert report.intact
    assert Code.HOLE_UNEXPLAINED not in {finding.code for finding in report.findings}


def test_an_encoder_that_falls_behind_and_catches_up_leaves_no_hole(tmp_path: Path) -> None:
    """Its pictures come late and none is missing: a segment then holds sound that is newer than its last picture."""
    made, room = device(tmp_path), Room()
    room.record(
        made.config,
        lambda r: r.play(10),
        lambda r: r.play_with_a_slow_encoder(20, until_it_lags_seconds=8),
        lambda r: r.play(70),
        lambda r: r.play_with_a_slow_encoder(20, until_it_lags_seconds=0),
        lambda r: r.play(40),
    )
    assert room.camera is not None
    assert not room.camera.held
    (end,) = bodies(made, SessionEnd)
    assert isinstance(end, SessionEnd)
    assert end.frames == room.camera.sent
    assert made.findings() == []


@pytest.mark.parametrize("skipped", [0, 200])
def test_what_an_encoder_that_is_behind_loses_is_told_all_the_same(tmp_path: Path, skipped: int) -> None:
    """The control: nobody says that these pictures are missing, and lateness does not excuse them."""
    made, room = device(tmp_path), Room()

    def lose_pictures(room: Room) -> None:
        assert room.camera is not None
        for _ in range(skipped):
            room.camera.held.pop()

    room.record(
        made.config,
        lambda r: r.play_with_a_slow_encoder(30, until_it_lags_seconds=10),
        lambda r: r.play(8),
        lose_pictures,
        lambda r: r.play(70),
        lambda r: r.play_with_a_slow_encoder(30, until_it_lags_seconds=0),
        lambda r: r.play(40),
    )
    assert made.findings() == ([Code.HOLE_UNEXPLAINED] if skipped else [])


def test_frames_that_the_sensor_skipped_where_a_segment_ends_are_accounted_for(tmp_path: Path) -> None:
    """They are stated as missing in the segment before; here no sound fills the time to the next."""
    made, room = device(tmp_path), Room()
    room.record(
        made.config,
        lambda r: r.play(20),
        lambda r: r.lose(Stream.SOUND),
        lambda r: r.play(30.2),
        *(act for _ in range(30) for act in (lambda r: r.miss_frames(23), lambda r: r.play(1.02))),
    )
    assert made.verify().intact


def test_a_clock_step_is_an_event_and_moves_no_media(tmp_path: Path) -> None:
    made = device(tmp_path)
    Room().record(made.config, lambda r: r.play(3), lambda r: r.set_clock_by(60_000), lambda r: r.play(3))
    assert [e.kind for e in entries(made)].count("event") == 1
    assert made.findings() == []
    assert made.told() == ["event-warning"]


def test_heartbeats_and_checkpoints_keep_their_promise_over_a_long_session(tmp_path: Path) -> None:
    made = device(tmp_path)
    Room().record(made.config, lambda r: r.play(125))
    assert [e.kind for e in entries(made)].count("heartbeat") == 12
    assert made.findings() == []


def test_a_stalled_disk_makes_an_exact_gap_of_the_picture_and_none_of_the_sound(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    room.record(made.config, lambda r: r.play(3), lambda r: r.play_while_the_disk_stalls(30), lambda r: r.play(5))
    assert room.camera is not None
    assert room.microphone is not None
    (end,) = [b for b in bodies(made, SessionEnd) if isinstance(b, SessionEnd)]
    (gap,) = [b for b in bodies(made, Gap) if isinstance(b, Gap)]
    assert gap.stream == Stream.PICTURE
    assert end.frames + gap.measured[0] == room.camera.sent
    assert end.samples == room.microphone.sent * 1200
    assert made.findings() == ["gap-unexplained"]
    assert made.told() == ["event-fault"]
