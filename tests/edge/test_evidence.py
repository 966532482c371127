"""What a gap names as its evidence led to that gap, and nothing that was over before its session began."""

from __future__ import annotations

import errno
from datetime import UTC
from pathlib import Path

import pytest

from edge.durable import StorageFault
from edge.guard.words import Reason
from edge.messages import Asked
from edge.requests import Answer, Request, Role, Verb, packet_of, parse
from edge.room import Room as RecorderRoom
from edge.sensors.readings import PowerReading, PowerState, Readings
from edge.statement_draft import draft_of
from edge.surroundings import Surroundings
from liuhen.kinds import Check, Duty, Event, Gap, Inhibition, Refusal, Session
from liuhen.registry import CheckCode, CheckItem, CheckOutcome, DutyCode, EventCode, RefusalCode
from tests.edge.ports_room import Room, device, guard_word
from tests.edge.served import Service, Step, answered, journal, rest, start
from tests.edge.test_room import SilentGuard, guarded, withhold

pytestmark = pytest.mark.long


def power(state: PowerState) -> Readings:
    return Readings(power=PowerReading(state=state, minutes_left=3, charge_percent=9), board=None, gas=None)


def runs_low(room: Room) -> None:
    room.tell(power(PowerState.LOW))


def told(state: PowerState) -> Step:
    return lambda service: service.tell(power(state))


def test_a_battery_that_ran_low_and_came_back_before_the_session_is_no_evidence_of_its_gap(tmp_path: Path) -> None:
    made = device(tmp_path)
    service = Service(made, Room(), (lambda room: room.play(2), withhold, lambda room: room.play(6)))
    assert service.serve(told(PowerState.LOW), rest, told(PowerState.MAINS), rest, start, answered()) == 0
    entries = journal(made)
    numbers = {entry.common.seq: entry.body for entry in entries}
    assert EventCode.BATTERY_LOW in [body.code for body in numbers.values() if isinstance(body, Event)]
    (gap,) = (body for body in numbers.values() if isinstance(body, Gap))
    assert [type(numbers[seq]) for seq in gap.evidence] == [Inhibition]


def test_a_battery_that_runs_low_in_a_session_is_the_evidence_of_its_gap(tmp_path: Path) -> None:
    """The negative control."""
    made = device(tmp_path)
    Room().record(made.config, lambda room: room.play(2), runs_low, lambda room: room.play(1))
    numbers = {entry.common.seq: entry.body for entry in journal(made)}
    (gap,) = (body for body in numbers.values() if isinstance(body, Gap))
    events = [numbers[seq] for seq in gap.evidence]
    assert [event.code for event in events if isinstance(event, Event)] == [EventCode.BATTERY_LOW]


def test_jiaozuo_article_16_a_start_on_a_low_battery_is_refused_and_with_mains_it_is_checked_and_begins(
    tmp_path: Path,
) -> None:
    made = device(tmp_path)
    service = Service(made, Room(), (lambda room: room.play(2),))
    steps = (told(PowerState.LOW), rest, start, answered(), told(PowerState.MAINS), rest, start, answered(2))
    assert service.serve(*steps) == 0
    assert [answer.ok for answer in service.answers] == [False, True]
    assert "电量" in service.answers[0].words_zh
    entries = [entry.body for entry in journal(made)]
    events = [body.code for body in entries if isinstance(body, Event)]
    assert (
        events.index(EventCode.BATTERY_LOW)
        < events.index(EventCode.REFUSED_REQUEST)
        < events.index(EventCode.MAINS_BACK)
    )
    begun = next(number for number, body in enumerate(entries) if isinstance(body, Session))
    check = entries[begun - 1]
    assert isinstance(check, Check)
    assert check.code == CheckCode.BEFORE_RECORDING
    assert {CheckItem(item): outcome for item, outcome, _ in check.rows}[CheckItem.POWER] == CheckOutcome.WELL
    assert made.verify().intact


def test_a_start_that_is_refused_between_sessions_is_checked_and_owed_a_report_once_for_each_reason(
    tmp_path: Path,
) -> None:
    """Who presses again is refused again, without a second duty; a battery that runs low again is another reason."""
    made = device(tmp_path)
    steps = (told(PowerState.LOW), rest, start, answered(), start, answered(2), told(PowerState.MAINS), rest)
    service = Service(made, Room())
    assert service.serve(*steps, told(PowerState.LOW), rest, start, answered(3)) == 0
    assert [answer.ok for answer in service.answers] == [False] * 3
    entries = journal(made)
    numbers = [number for number, entry in enumerate(entries) if isinstance(entry.body, Refusal)]
    for number in numbers:
        check, refusal, duty = (entries[at] for at in (number - 1, number, number + 1))
        assert isinstance(check.body, Check)
        assert check.body.code == CheckCode.BEFORE_RECORDING
        assert {CheckItem(item): outcome for item, outcome, _ in check.body.rows}[CheckItem.POWER] != CheckOutcome.WELL
        assert isinstance(refusal.body, Refusal)
        assert refusal.body.code == RefusalCode.POWER
        assert isinstance(duty.body, Duty)
        assert (duty.body.code, duty.body.refers_to) == (DutyCode.REPORT, refusal.common.seq)
    assert len(numbers) == 2
    events = [entry.body.code for entry in entries if isinstance(entry.body, Event)]
    assert events.count(EventCode.REFUSED_REQUEST) == 3
    assert made.verify().intact


def test_a_report_is_owed_also_where_the_power_went_between_the_refusal_and_the_duty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def goes(*_: object) -> int:
        raise StorageFault(made.spool, errno.EIO)

    made = device(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(RecorderRoom, "open_duty", goes)
        Service(made, Room()).serve(told(PowerState.LOW), rest, start, rest)
    last = journal(made)[-1]
    assert isinstance(last.body, Refusal)
    for boot in (1, 2):
        room = Room()
        room.clock.boot_id = bytes([boot]) * 16
        assert Service(made, room).serve(rest) == 0
        duties = [entry.body for entry in journal(made) if isinstance(entry.body, Duty)]
        assert [(duty.code, duty.refers_to) for duty in duties] == [(DutyCode.REPORT, last.common.seq)]
    assert made.verify().intact


def test_a_start_under_the_interlock_between_sessions_is_owed_a_report(tmp_path: Path) -> None:
    made = device(tmp_path)
    room = Room()
    guard = SilentGuard(guard_word(room.clock.now_ns, permit=False, reason=Reason.TRIPPED))
    service = Service(made, room)
    around = Surroundings(guard=guard)
    steps = (rest, start, answered(), rest, start, answered(2))
    assert service.serve(*steps, config=guarded(made.config), around=around) == 0
    assert [answer.ok for answer in service.answers] == [False, False]
    (refusal,) = (entry for entry in journal(made) if isinstance(entry.body, Refusal))
    assert isinstance(refusal.body, Refusal)
    assert refusal.body.code == RefusalCode.INTERLOCK
    (duty,) = (entry.body for entry in journal(made) if isinstance(entry.body, Duty))
    assert (duty.code, duty.refers_to) == (DutyCode.REPORT, refusal.common.seq)
    assert made.verify().intact
    draft = draft_of(made.spool, refusal.common.seq, room="第一听证室", zone=UTC)
    assert "事由：启动录制被拒绝" in draft
    assert "联锁" in draft


def test_a_start_while_the_session_before_is_just_ending_has_only_to_wait_and_owes_nothing(tmp_path: Path) -> None:
    made = device(tmp_path)
    answers: list[Answer] = []

    def stop_and_start(room: Room) -> None:
        """Both are there before CONTROL's next turn."""
        assert room._stage is not None
        for request in (Request(verb=Verb.STOP, confirmed=True), Request(verb=Verb.START)):
            asked = Asked(request=parse(packet_of(request)), role=Role.OPERATOR, answer=answers.append)
            room._stage.inbox.post(asked)
        room._turn(writes=True)

    Room().record(made.config, lambda room: room.play(1), stop_and_start)
    assert [answer.ok for answer in answers] == [True, False]
    assert "正在收尾" in answers[1].words_zh
    assert [entry for entry in journal(made) if isinstance(entry.body, Refusal | Duty)] == []
