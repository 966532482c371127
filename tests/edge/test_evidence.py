"""What a gap names as its evidence led to that gap, and nothing that was over before its session began."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.sensors.readings import PowerReading, PowerState, Readings
from liuhen.kinds import Check, Event, Gap, Inhibition, Session
from liuhen.registry import CheckCode, CheckItem, CheckOutcome, EventCode
from tests.edge.ports_room import Room, device
from tests.edge.served import Service, Step, answered, journal, rest, start
from tests.edge.test_room import withhold

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
