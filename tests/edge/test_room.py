"""The recorder in its room: what people, the interlock and power do to a session, told by journal and verifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.config import Config
from edge.guard.words import Reason
from edge.guard_link import GuardMessage
from edge.journal import entries_of
from edge.ports import Stream
from edge.refusals import Refused
from edge.requests import Role, Verb
from edge.sensors.readings import PowerReading, PowerState, Readings
from edge.surroundings import Surroundings
from liuhen.entry import Entry
from liuhen.findings import Code
from liuhen.kinds import Amend, Duty, Event, Gap, GapEnd, Inhibition, Mark, Segment, SessionEnd
from liuhen.registry import DutyAct, EndCause, EventCode, GapCause, InhibitionAct, InhibitionCode, MarkCode
from tests.edge.ports_room import Device, Room, device, guard_word
from tests.edge.served import Service, answered, start

pytestmark = pytest.mark.long

FRAME_AND_PACKET_NS = 65_000_000


def entries(made: Device) -> list[Entry]:
    return [one for path in made.journal_files() for one in entries_of(path)]


def bodies(made: Device, kind: type[Any]) -> list[Any]:
    return [one.body for one in entries(made) if isinstance(one.body, kind)]


def events(made: Device) -> list[EventCode]:
    return [EventCode(body.code) for body in bodies(made, Event)]


def covered_ns(made: Device) -> tuple[int, int]:
    """(length of the session in ns, media and gaps of both streams together)."""
    every = entries(made)
    media = sum(body.span_ns[1] - body.span_ns[0] for body in bodies(made, Segment))
    both = {one.common.seq for one in every if isinstance(one.body, Gap) and one.body.stream is None}
    gaps = sum(body.length_ns[0] for body in bodies(made, GapEnd) if body.gap_seq in both)
    began = next(one.common.clock[1] for one in every if one.kind == "session")
    ended = next(one.common.clock[1] for one in every if one.kind == "session-end")
    return ended - began, media + gaps


class SilentGuard:
    """A guard whose first word is given; lamps are remembered (implements `edge.surroundings.Guard`)."""

    def __init__(self, first: GuardMessage) -> None:
        self.first = first
        self.lamps: list[str] = []

    def __call__(self, post: Callable[[GuardMessage], None]) -> SilentGuard:
        post(self.first)
        return self

    def want(self, lamp: Any, *, session: bool, durable: int, buzzer: bool = False) -> None:
        if not self.lamps or self.lamps[-1] != lamp:
            self.lamps.append(str(lamp))

    def close(self) -> None:
        pass


def guarded(config: Config) -> Config:
    return replace(config, interlock=replace(config.interlock, enabled=True))


def permitting(room: Room) -> SilentGuard:
    return SilentGuard(guard_word(room.clock.now_ns, permit=True))


def withhold(room: Room) -> None:
    assert room.ask(Verb.WITHHOLD, actor="张三").ok


def approve(room: Room) -> None:
    assert room.ask(Verb.APPROVE, actor="李四", ground="个人隐私").ok


def end_withholding(room: Room) -> None:
    assert room.ask(Verb.RESUME, actor="李四").ok


def explain(room: Room) -> None:
    assert room.ask(Verb.EXPLAIN, actor="张三").ok
    room.speak()
    assert room.ask(Verb.EXPLAIN).ok


def play(seconds: float) -> Callable[[Room], None]:
    return lambda room: room.play(seconds)


def test_withheld_time_leaves_no_frame_and_a_gap_with_its_ground(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    ended = room.record(
        made.config, play(5), withhold, play(7), approve, play(2), end_withholding, play(5), explain, play(1)
    )
    assert ended.clean
    acts = bodies(made, Inhibition)
    assert [act.act for act in acts] == [InhibitionAct.SET, InhibitionAct.APPROVED, InhibitionAct.CLEARED]
    began_ns, ended_ns = acts[0].at[1], acts[2].at[1]
    spans = [body.span_ns for body in bodies(made, Segment)]
    # The last frame was taken before, and lasts into it on paper.
    assert [span for span in spans if span[0] < ended_ns and span[1] > began_ns + 40_000_000] == []
    (gap,) = bodies(made, Gap)
    assert (gap.cause, gap.stream) == (GapCause.WITHHELD, None)
    (gap_end,) = bodies(made, GapEnd)
    assert gap_end.resumed == 1
    assert began_ns - gap.since[1] <= FRAME_AND_PACKET_NS
    assert next(body.end_cause for body in bodies(made, Segment)) == EndCause.WITHHELD
    marks = [body.code for body in bodies(made, Mark)]
    assert MarkCode.SPOKEN_EXPLANATION in marks
    session_ns, accounted_ns = covered_ns(made)
    assert abs(session_ns - accounted_ns) < 4 * FRAME_AND_PACKET_NS
    assert made.findings() == []


def test_a_trip_ends_capture_and_only_a_permit_begins_it_again(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    guard = permitting(room)
    ended = room.record(
        guarded(made.config),
        play(4),
        lambda room: room.guard_says(permit=False, reason=Reason.OPEN, healthy=False),
        play(6),
        lambda room: room.guard_says(permit=True),
        play(4),
        explain,
        surroundings=Surroundings(guard=guard),
    )
    assert ended.clean
    assert [code for code in events(made) if code.name.startswith("INTERLOCK")] == [
        EventCode.INTERLOCK_TRIPPED,
        EventCode.INTERLOCK_OPEN,
        EventCode.INTERLOCK_RESET,
    ]
    (gap,) = bodies(made, Gap)
    assert gap.cause == GapCause.INTERLOCK
    assert len(gap.evidence) == 3  # both events and the inhibition
    assert guard.lamps[-1] in ("recording", "attention", "ready")
    assert "interlock" in guard.lamps
    assert made.findings() == []


def test_a_guard_that_permitted_all_along_while_it_was_not_heard_ends_the_inhibition_when_it_is_heard(
    tmp_path: Path,
) -> None:
    made, room = device(tmp_path), Room()
    begun_ns = room.clock.now_ns
    ended = room.record(
        guarded(made.config),
        play(4),
        lambda room: room.lose_guard(),
        play(3),
        lambda room: room.find_guard(permitting_since_ns=begun_ns),
        play(4),
        surroundings=Surroundings(guard=permitting(room)),
    )
    assert ended.clean
    began, cleared = bodies(made, Inhibition)
    assert cleared.at[1] - began.at[1] >= 3 * 10**9
    (gap,) = bodies(made, Gap)
    assert gap.cause == GapCause.INTERLOCK
    assert made.findings() == [Code.GAP_UNEXPLAINED]


def test_a_trip_while_withheld_makes_two_gaps_without_time_between(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    ended = room.record(
        guarded(made.config),
        play(4),
        withhold,
        play(2),
        lambda room: room.guard_says(permit=False, reason=Reason.TRIPPED),
        play(2),
        end_withholding,
        play(2),
        lambda room: room.guard_says(permit=True),
        play(3),
        surroundings=Surroundings(guard=permitting(room)),
    )
    assert ended.clean
    first, second = bodies(made, Gap)
    assert (first.cause, second.cause) == (GapCause.WITHHELD, GapCause.INTERLOCK)
    first_end, second_end = bodies(made, GapEnd)
    assert first_end.until == second.since
    assert (first_end.resumed, second_end.resumed) == (0, 1)
    assert made.findings() == [Code.GAP_UNEXPLAINED, Code.WITHHELD_UNAPPROVED]


def test_with_an_interlock_and_no_permit_a_start_is_refused_and_owed_a_report(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    guard = SilentGuard(guard_word(room.clock.now_ns, permit=False, reason=Reason.BOOT))
    with pytest.raises(Refused, match="防爆联锁"):
        room.record(guarded(made.config), play(3), surroundings=Surroundings(guard=guard))
    assert made.segments() == []
    (duty,) = bodies(made, Duty)
    refusal = next(one for one in entries(made) if one.kind == "refusal")
    assert duty.refers_to == refusal.common.seq
    assert room.camera is not None
    assert room.camera.sent == 0


def test_a_low_battery_seals_everything_and_leaves_the_session_open(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    asked: list[bool] = []

    def power(state: PowerState) -> Callable[[Room], None]:
        reading = PowerReading(state=state, minutes_left=12, charge_percent=40)
        return lambda room: asked.append(room.tell(Readings(power=reading, board=None, gas=None)))

    room.record(
        made.config,
        play(4),
        power(PowerState.ON_BATTERY),
        play(2),
        power(PowerState.LOW),
        power(PowerState.LOW),
        play(2),
        power(PowerState.MAINS),
        play(3),
        explain,
    )
    assert asked == [False, True, True, False]
    (gap,) = bodies(made, Gap)
    assert gap.cause == GapCause.POWER_LOW
    assert [code for code in events(made) if code is not EventCode.SENSORS_LOST] == [
        EventCode.ON_BATTERY,
        EventCode.BATTERY_LOW,
        EventCode.POWER_OFF_ORDERED,
        EventCode.MAINS_BACK,
    ]
    assert made.findings() == []


def test_a_session_that_ends_in_its_gap_owes_a_report_and_a_statement(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def give_up(room: Room) -> None:
        assert not room.ask(Verb.CANNOT_RESUME, actor="张三", reported_to="王处长", reported_at="10:02").ok
        room.guard_says(permit=False, reason=Reason.TRIPPED)
        room.play(2)
        assert room.ask(Verb.CANNOT_RESUME, actor="张三", reported_to="王处长", reported_at="10:02").ok

    ended = room.record(guarded(made.config), play(4), give_up, surroundings=Surroundings(guard=permitting(room)))
    assert ended.cause is EndCause.INTERLOCK
    opened = [duty.code for duty in bodies(made, Duty) if duty.act == DutyAct.OPENED]
    discharged = [duty.code for duty in bodies(made, Duty) if duty.act == DutyAct.DISCHARGED]
    assert (sorted(opened), discharged) == ([1, 2], [1])  # a report that was given is not owed again at the end
    (end,) = bodies(made, SessionEnd)
    assert end.cause == EndCause.INTERLOCK


def test_a_cause_a_person_knows_better_amends_the_machines(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def damaged(room: Room) -> None:
        room.guard_says(permit=False, reason=Reason.TRIPPED)
        room.guard_says(permit=True)
        room.play(2)
        assert room.ask(Verb.EXPLAIN, actor="张三", cause=GapCause.DEVICE_DAMAGE, text="镜头摔坏").ok

    room.record(guarded(made.config), play(3), damaged, surroundings=Surroundings(guard=permitting(room)))
    (amend,) = bodies(made, Amend)
    (gap,) = (one for one in entries(made) if isinstance(one.body, Gap))
    assert (amend.refers_to, amend.cause) == (gap.common.seq, GapCause.DEVICE_DAMAGE)
    assert made.findings() == [Code.GAP_UNEXPLAINED]


def test_nobody_asks_for_what_is_not_his_and_every_refusal_is_an_event(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def ask(room: Room) -> None:
        assert not room.ask(Verb.WITHHOLD, Role.OFFLOAD, actor="张三").ok
        assert not room.ask(Verb.STOP, Role.CONSOLE, confirmed=True).ok  # without anybody who has signed in
        assert not room.ask(Verb.STOP).ok  # not confirmed
        assert not room.ask(Verb.RESUME, actor="张三").ok  # nothing is withheld
        assert room.ask(Verb.STATUS, Role.OFFLOAD).ok

    room.record(made.config, play(2), ask, play(1))
    assert events(made).count(EventCode.REFUSED_REQUEST) == 4


def test_who_asked_for_a_withholding_cannot_approve_it(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def alone(room: Room) -> None:
        withhold(room)
        assert not room.ask(Verb.APPROVE, actor="张三", ground="个人隐私").ok
        assert not room.ask(Verb.APPROVE, actor="李四", ground="不好看").ok
        assert not room.ask(Verb.APPROVE, actor="李四", ground="法律法规规定").ok  # without citing which
        assert room.ask(Verb.APPROVE, actor="李四", ground="法律法规规定", citation="《某法》第八条").ok
        end_withholding(room)

    room.record(made.config, play(3), alone, play(3))
    (one,) = {act.code for act in bodies(made, Inhibition)}
    assert one == InhibitionCode.WITHHELD


def test_a_silent_explanation_explains_nothing(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def mumble(room: Room) -> None:
        room.guard_says(permit=False, reason=Reason.TRIPPED)
        room.guard_says(permit=True)
        room.play(2)
        assert room.ask(Verb.EXPLAIN, actor="张三").ok
        room.play(3)
        assert not room.ask(Verb.EXPLAIN).ok

    room.record(guarded(made.config), play(3), mumble, surroundings=Surroundings(guard=permitting(room)))
    assert MarkCode.SPOKEN_EXPLANATION not in [body.code for body in bodies(made, Mark)]


@pytest.mark.parametrize("seconds_before_the_boundary", [1.0, 4.0])
def test_an_explanation_that_crosses_the_end_of_a_segment_is_found_at_its_picture_and_its_sample(
    tmp_path: Path, seconds_before_the_boundary: float
) -> None:
    made, room = device(tmp_path), Room()
    begun_ns: list[int] = []

    def say_it_across_the_boundary(room: Room) -> None:
        begun_ns.append(room.clock.now_ns)
        assert room.ask(Verb.EXPLAIN, actor="张三").ok
        room.speak(2 * seconds_before_the_boundary)
        assert room.ask(Verb.EXPLAIN).ok

    lasts = made.config.segment.seconds
    ended = room.record(
        made.config,
        play(3),
        withhold,
        play(2),
        approve,
        end_withholding,
        play(lasts - seconds_before_the_boundary),
        say_it_across_the_boundary,
        play(3),
    )
    assert ended.clean
    (mark,) = (body for body in bodies(made, Mark) if body.code == MarkCode.SPOKEN_EXPLANATION)
    assert 0 <= mark.boottime_ns - begun_ns[0] < 50_000_000
    report = made.verify()
    assert made.findings() == []
    (told,) = report.sessions[0].gaps[0].spoken
    segment = next(body for body in bodies(made, Segment) if body.number == told.segment)
    assert told.offset_ms == (mark.boottime_ns - segment.span_ns[0]) // 1_000_000
    written = next(one.common.seq for one in entries(made) if one.body == segment)
    assert written < told.entry, "the segment was to close while somebody spoke"
    # The newest durable picture and sample then: at most a fragment and a packet before the moment itself.
    frames, samples = made.config.camera.frames_per_second, made.config.microphone.rate_hz
    for index, (first, count), rate in (
        (mark.frame_index, segment.frames, frames),
        (mark.sample_index, segment.samples, samples),
    ):
        assert index is not None
        assert first <= index < first + count
        behind_ms = told.offset_ms - (index - first) * 1000 / rate
        assert 0 <= behind_ms < made.config.segment.fragment_milliseconds + 150, (index, behind_ms)


def test_an_explanation_that_nobody_ended_counts_when_the_session_is_stopped(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def stop_while_speaking(room: Room) -> None:
        assert room.ask(Verb.EXPLAIN, actor="张三").ok
        room.speak()
        assert room.ask(Verb.STOP, actor="张三", text="闭会", confirmed=True).ok

    room.record(made.config, play(3), withhold, play(2), approve, end_withholding, play(3), stop_while_speaking)
    assert MarkCode.SPOKEN_EXPLANATION in [body.code for body in bodies(made, Mark)]
    assert made.findings() == []


def test_what_one_session_began_to_explain_is_not_ended_in_the_next(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    heard: list[str] = []

    def begin(room: Room) -> None:
        room.play(2)
        heard.append(room.ask(Verb.EXPLAIN, actor="张三").words_zh)
        room.speak(1.5)

    assert Service(made, room, (begin,)).serve(start, answered(), start, answered(2)) == 0
    assert [words[:6] for words in heard] == ["请对着麦克风"] * 2
    assert MarkCode.SPOKEN_EXPLANATION not in [body.code for body in bodies(made, Mark)]


@pytest.mark.parametrize("late_ms", [400, 1500, 4000])
def test_after_an_interruption_the_stream_that_comes_later_has_a_gap_of_its_own(tmp_path: Path, late_ms: int) -> None:
    made, room = device(tmp_path), Room()
    room.picture_late_ns = late_ms * 1_000_000
    room.record(
        guarded(made.config),
        play(4),
        lambda room: room.guard_says(permit=False, reason=Reason.TRIPPED),
        play(2),
        lambda room: room.guard_says(permit=True),
        play(8),
        surroundings=Surroundings(guard=permitting(room)),
    )
    both, picture = bodies(made, Gap)
    assert (both.stream, picture.stream) == (None, Stream.PICTURE)
    assert Code.HOLE_UNEXPLAINED not in made.findings()
