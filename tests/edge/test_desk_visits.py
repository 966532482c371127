"""An always-on room: visits by queue number in the day's session, each told of the recording; the day's own turn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge.__main__ import main
from edge.commands.visits import days_of
from edge.journal_state import JournalState, after
from edge.messages import StopRequested
from edge.ports import FaultKind, HardwareFault
from edge.prompts import Prompt, PromptPlayed, PromptVoice
from edge.recorder import Ended
from edge.requests import Role, Verb
from edge.sensors.readings import PowerReading, PowerState, Readings
from edge.station import serve
from edge.surroundings import Surroundings
from liuhen.kinds import Event, Session, Visit
from liuhen.registry import EVENTS, EndCause, EventCode, StopCause, VisitAct, VisitEnd, VisitSort
from liuhen.visits import Day, VisitTold
from tests.edge import ports_room
from tests.edge.ports_room import Device, Room
from tests.edge.served import Service, Step, answered, asks, journal, rest

pytestmark = pytest.mark.long

Act = Callable[[Room], None]
MINUTE_MS = 60_000
DAY_MS = 86_400_000
NEXT_BOOT = bytes(15) + b"\x01"


@pytest.fixture
def made(tmp_path: Path) -> Device:
    return always_on(ports_room.device(tmp_path))


def always_on(made: Device, **settings: Any) -> Device:
    """A recorder of such a room; visitors have ten seconds here, or what is said."""
    session = replace(made.config.session, **{"always_on": True, "visit_notice_seconds": 10, **settings})
    return replace(made, config=replace(made.config, session=session))


def play(seconds: float) -> Act:
    return lambda room: room.play(seconds)


def begin(number: str, **said: Any) -> Act:
    def act(room: Room) -> None:
        answer = room.ask(Verb.VISIT_BEGIN, number=number, **said)
        assert answer.ok, answer.words_en
        room.onlooker.words += [answer.words_zh, answer.words_en]

    return act


def end(room: Room) -> None:
    assert room.ask(Verb.VISIT_END).ok


def hear_the_notice(room: Room) -> None:
    now_ns = room.clock.now_ns
    played = PromptPlayed(prompt=Prompt.NOTICE, voice=PromptVoice.RECORDED, from_ns=now_ns, to_ns=now_ns + 10**9)
    room._post(played)


def visits(made: Device) -> list[VisitTold]:
    return [visit for day in days_of(made.spool) for visit in day.all()]


def the_service_stops(room: Room) -> None:
    """Its session stays open for the next start."""
    assert room._stage is not None
    room._stage.inbox.post(StopRequested(cause=StopCause.SYSTEM, leaves_open=True))


def events(made: Device, code: EventCode) -> list[Event]:
    return [one.body for one in journal(made) if isinstance(one.body, Event) and one.body.code == code]


def test_visits_and_interviews_are_intervals_of_the_day_by_their_numbers(made: Device) -> None:
    room = Room()
    room.record(
        made.config,
        play(2),
        begin("A001"),
        hear_the_notice,
        play(4),
        end,
        play(3),
        begin("B-7", interview=True, actor="张三", text="补正材料"),
        hear_the_notice,
        play(3),
        end,
        play(2),
    )
    (session,) = [one.body for one in journal(made) if isinstance(one.body, Session)]
    assert session.mode == 1
    first, second = visits(made)
    assert (first.number, first.sort, first.cause) == ("A001", VisitSort.VISIT, VisitEnd.PERSON)
    assert (second.number, second.sort, second.cause) == ("B-7", VisitSort.INTERVIEW, VisitEnd.PERSON)
    assert first.until is not None
    assert first.until[1] < second.since[1]
    assert abs(first.until[1] - first.since[1] - 4 * 10**9) < 10**8
    assert max(first.told_ms or 0, second.told_ms or 0) < 1000
    began = next(one.body for one in journal(made) if isinstance(one.body, Visit) and one.body.number == "B-7")
    assert [label for label, _ in began.records] == [8, 2], "what a person says stands in records, never in the chain"
    assert events(made, EventCode.VISIT_NOTICE_MISSING) == []
    assert made.findings() == []


def test_a_visit_that_nobody_ended_is_ended_by_the_next_at_its_very_moment_and_says_so(made: Device) -> None:
    room = Room()
    room.record(made.config, play(1), begin("A001"), hear_the_notice, play(2), begin("A002"), hear_the_notice, play(2))
    first, second = visits(made)
    assert (first.cause, first.until) == (VisitEnd.NEXT_VISIT, second.since)
    assert any("A001 号未结束，已自动结束" in words for words in room.onlooker.words)
    assert any("A001 had not been ended and was ended by it" in words for words in room.onlooker.words)
    assert second.cause == VisitEnd.SESSION_ENDED, "the last one ended with the day"


def test_the_same_number_twice_in_a_row_is_one_visit(made: Device) -> None:
    Room().record(made.config, play(1), begin("A001"), hear_the_notice, play(1), begin("A001"), play(1), end, play(1))
    assert [visit.number for visit in visits(made)] == ["A001"]


@dataclass(slots=True)
class Loudspeaker:
    """Remembers what it was to say (implements `edge.prompts.Announcer`)."""

    played: list[Prompt] = field(default_factory=list)

    def __call__(self, _post: object) -> Loudspeaker:
        return self

    def start(self) -> None:
        pass

    def play(self, prompt: Prompt) -> None:
        self.played.append(prompt)

    def stop(self, limit_seconds: float) -> None:
        pass


def test_the_device_tells_each_visitor_aloud_that_it_records(made: Device) -> None:
    loudspeaker = Loudspeaker()
    times: list[int] = []

    def count(_room: Room) -> None:
        times.append(loudspeaker.played.count(Prompt.NOTICE))

    acts = (count, begin("A1"), count, begin("A1"), count, end, count, begin("A2"), count, end)
    Room().record(made.config, play(1), *acts, surroundings=Surroundings(loudspeaker=loudspeaker))
    assert [after - times[0] for after in times] == [0, 1, 1, 1, 2], "once for each visit that begins"


@pytest.mark.parametrize(
    ("acts", "told"),
    [
        ((begin("A1"), play(9), hear_the_notice, play(5), end), []),
        ((begin("A1"), play(14), hear_the_notice, play(2), end), [10]),
        ((begin("A1"), play(4), end), [4]),
        ((begin("A1"), play(4), begin("A2"), hear_the_notice, play(1), end), [4]),
        ((hear_the_notice, play(1), begin("A1"), play(12), end), [10]),
    ],
    ids=["in time", "late", "left before", "before the next came", "to those who came before"],
)
def test_every_visitor_is_told_in_time_or_that_is_an_event_once(
    acts: tuple[Act, ...], told: list[int], made: Device
) -> None:
    Room().record(made.config, play(1), *acts, play(1))
    missing = events(made, EventCode.VISIT_NOTICE_MISSING)
    assert [event.measured[0] for event in missing] == told
    if told:
        assert missing[0].refers_to == visits(made)[0].entry


def test_the_lamp_asks_for_a_person_while_a_visitor_was_not_told(made: Device) -> None:
    shown: list[int] = []

    def count(room: Room) -> None:
        shown.append(sum("告知" in words for words in room.onlooker.statuses[-1].warnings_zh))

    Room().record(made.config, play(1), begin("A1"), play(12), count, end, play(1), count)
    assert shown == [1, 0]


def test_without_a_session_or_in_a_room_that_is_not_always_on_there_are_no_visits(tmp_path: Path) -> None:
    made = ports_room.device(tmp_path)
    refused: list[str] = []

    def ask(room: Room) -> None:
        for answer in (room.ask(Verb.VISIT_BEGIN, number="A1"), room.ask(Verb.VISIT_END)):
            assert not answer.ok
            refused.append(answer.words_zh)
        assert "visit" not in (room.ask(Verb.STATUS).facts or {"visit": None})

    Room().record(made.config, play(1), ask, play(1))
    assert all("未设为值守" in words for words in refused)
    assert visits(made) == []
    idle = Service(always_on(made), Room(), (play(1), a_person_stops))
    assert idle.serve(rest, asks(Verb.VISIT_BEGIN, number="A1"), asks(Verb.VISIT_END), answered(2)) == 0
    assert [answer.ok for answer in idle.answers] == [False, False]
    assert all("没有正在进行的场次" in answer.words_zh for answer in idle.answers), idle.answers


def a_person_stops(room: Room) -> None:
    assert room.ask(Verb.STOP, confirmed=True, actor="张三", text="撤场").ok


def test_who_ends_a_visit_that_there_is_not_is_told_so_and_status_names_the_one_there_is(made: Device) -> None:
    shown: list[Any] = []

    def status(room: Room) -> None:
        shown.append((room.ask(Verb.STATUS).facts or {}).get("visit", "nothing is told"))

    def end_none(room: Room) -> None:
        answer = room.ask(Verb.VISIT_END)
        assert (answer.ok, answer.words_zh) == (False, "现在没有正在办事的号码")

    Room().record(made.config, play(1), end_none, status, begin("A1"), status, end, status, end_none, play(1))
    assert shown == [None, "A1", None]
    assert len(visits(made)) == 1


def test_nobody_but_operators_and_the_console_begins_a_visit(made: Device) -> None:
    answers: list[bool] = []

    def ask(room: Room) -> None:
        for role in (Role.OFFLOAD, Role.NOBODY, Role.CONSOLE):
            answers.append(room.ask(Verb.VISIT_BEGIN, role, number="A1").ok)

    Room().record(made.config, play(1), ask, hear_the_notice, end, play(1))
    assert answers == [False, False, True]
    assert len(events(made, EventCode.REFUSED_REQUEST)) == 2


def test_a_visit_goes_on_over_a_restart_and_its_end_still_names_it(made: Device) -> None:
    Room().serve(made.config, play(2), begin("A001"), hear_the_notice, play(2), the_service_stops)
    (open_visit,) = visits(made)
    assert open_visit.until is None
    room = Room()
    room.clock.boot_id = NEXT_BOOT
    room.clock.utc_offset_ms += MINUTE_MS
    room.serve(made.config, play(2), end, play(1))
    (visit,) = visits(made)
    assert (visit.number, visit.cause, visit.told_ms is not None) == ("A001", VisitEnd.PERSON, True)
    assert (visit.since[0], visit.until and visit.until[0]) == (open_visit.since[0], NEXT_BOOT)
    assert [one.wrong for one in days_of(made.spool)] == [[]]


def test_a_visitor_whom_nobody_told_before_a_power_cut_was_not_told(made: Device) -> None:
    """How long ago of another boot nobody knows: it is not waited for once more."""
    Room().serve(made.config, play(2), begin("A001"), play(2), the_service_stops)
    room = Room()
    room.clock.boot_id = NEXT_BOOT
    room.serve(made.config, play(1), play(1))
    assert [event.measured for event in events(made, EventCode.VISIT_NOTICE_MISSING)] == [(10,)]
    where = next(at for at, words in enumerate(room.onlooker.words) if "告知" in words)
    assert room.onlooker.words[where] == EVENTS[EventCode.VISIT_NOTICE_MISSING].words_zh
    assert room.onlooker.words[where + 1] == EVENTS[EventCode.VISIT_NOTICE_MISSING].words_en


def test_the_state_that_a_start_reads_from_a_slot_is_the_one_of_the_entries(made: Device) -> None:
    Room().serve(made.config, play(2), begin("A001"), play(12), the_service_stops)
    state = None
    for entry in journal(made):
        state = after(state or JournalState(), entry)
    assert state is not None
    assert state.session is not None
    assert (state.session.mode, state.session.visit is not None and state.session.visit.settled) == (1, True)


# -- the day ----------------------------------------------------------------------------------------------------------


def served_days(made: Device, room: Room, *days: tuple[Act, ...]) -> list[Ended]:
    """The service through so many sessions, each with its acts; stopped after the last one."""
    stop, ended, left = threading.Event(), list[Ended](), list(days)

    def conduct(stage: Any) -> Ended:
        acts = left.pop(0)
        try:
            ended.append(room._conduct(stage, acts))
        finally:
            if not left:
                stop.set()
        return ended[-1]

    start = room.start(made.config, service=True)
    serve(replace(start, stop=stop, conduct=conduct))
    return ended


def to_the_clock(hour: int, minute: int) -> Act:
    """UTC is set to the next moment at which the wall shows this."""

    def act(room: Room) -> None:
        now = datetime.fromtimestamp(room.clock.read().utc_ms / 1000 + 8 * 3600, tz=UTC)
        wanted = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        room.clock.utc_offset_ms += int((wanted - now).total_seconds() * 1000) % DAY_MS

    return act


def reached(seen: list[str], name: str) -> Act:
    """Noted where the session is still open by then; what follows its end is not done any more."""
    return lambda _room: seen.append(name)


def jump(minutes: int) -> Act:
    """UTC moves on without the room."""

    def act(room: Room) -> None:
        room.clock.utc_offset_ms += minutes * MINUTE_MS

    return act


def test_the_room_is_recorded_without_anybody_s_asking_and_a_new_day_is_a_new_session(made: Device) -> None:
    seen: list[str] = []
    ended = served_days(
        made,
        Room(),
        (to_the_clock(3, 59), play(55), reached(seen, "03:59"), play(10), reached(seen, "04:00"), play(5)),
        (play(5), begin("A1"), hear_the_notice, play(2), reached(seen, "04:01")),
    )
    assert seen == ["03:59", "04:01"]
    assert [one.cause for one in ended] == [EndCause.STOPPED, EndCause.STOPPED]
    modes = [one.body.mode for one in journal(made) if isinstance(one.body, Session)]
    assert modes == [1, 1]
    assert [visit.number for visit in visits(made)] == ["A1"]


def test_a_day_waits_for_the_visit_that_is_going_on(made: Device) -> None:
    began_ms: list[int] = []
    seen: list[str] = []

    def note(room: Room) -> None:
        began_ms.append(room.clock.read().utc_ms)

    served_days(
        made,
        Room(),
        (to_the_clock(3, 59), begin("A1"), hear_the_notice, play(120), note, end, play(5), reached(seen, "ended")),
        (play(2),),
    )
    sessions = [one for one in journal(made) if isinstance(one.body, Session)]
    assert len(sessions) == 2
    assert sessions[1].common.clock[0] >= began_ms[0]
    assert seen == [], "with the end of the visit the day ends"


def test_a_visit_that_nobody_ends_does_not_keep_the_day_open_for_ever(made: Device) -> None:
    seen: list[str] = []
    begun = (to_the_clock(3, 58), begin("A1"), hear_the_notice, play(5))
    late = (jump(120), play(5), reached(seen, "05:58"), jump(2), play(5), reached(seen, "06:00"))
    served_days(made, Room(), (*begun, *late), (play(2),))
    assert seen == ["05:58"]
    (visit,) = visits(made)
    assert visit.cause == VisitEnd.SESSION_ENDED
    assert len([one for one in journal(made) if isinstance(one.body, Session)]) == 2


def test_the_session_of_an_ordinary_room_knows_no_turn_of_a_day(tmp_path: Path) -> None:
    made, seen = ports_room.device(tmp_path), list[str]()
    ended = Room().record(made.config, to_the_clock(3, 59), play(55), play(70), reached(seen, "04:01"))
    assert seen == ["04:01"]
    assert ended.clean


def test_what_a_person_stopped_stays_stopped_until_a_person_or_the_next_day_begins_it(made: Device) -> None:
    sessions: list[int] = []

    def count(_service: Service) -> None:
        sessions.append(len([one for one in journal(made) if isinstance(one.body, Session)]))

    def next_day(service: Service) -> None:
        service.room.clock.utc_offset_ms += DAY_MS

    def again(service: Service) -> bool:
        count(service)
        return sessions[-1] == 2

    service = Service(made, Room(), (play(2), a_person_stops, play(2)))
    assert service.serve(*[rest] * 3, count, next_day, again) == 0
    assert (sessions[0], sessions[-1]) == (1, 2)


def test_a_room_whose_camera_is_missing_at_the_start_is_recorded_once_it_is_there(made: Device) -> None:
    room = Room()
    assert room.camera is not None
    room.camera.refuses_open = HardwareFault(
        device="camera", kind=FaultKind.ABSENT, what="no camera", remedy_zh="接上", remedy_en="plug it in"
    )

    def back(service: Service) -> None:
        assert service.room.camera is not None
        service.room.camera.refuses_open = None
        service.room.clock.now_ns += 3600 * 10**9

    def begun(_service: Service) -> bool:
        return any(isinstance(one.body, Session) for one in journal(made))

    service = Service(made, room, (play(2),))
    assert service.serve(rest, rest, lambda one: not begun(one), back, begun) == 0


def test_a_day_that_begins_on_a_low_battery_is_recorded_once_mains_are_back(made: Device) -> None:
    def told(state: PowerState) -> Step:
        power = PowerReading(state=state, minutes_left=3, charge_percent=9)
        return lambda service: service.tell(Readings(power=power, board=None, gas=None))

    def next_day(service: Service) -> None:
        service.room.clock.utc_offset_ms += DAY_MS

    def begun(_service: Service) -> bool:
        return len([one for one in journal(made) if isinstance(one.body, Session)]) == 2

    service = Service(made, Room(), (play(2), a_person_stops))
    low = (told(PowerState.LOW), rest, next_day, rest, rest, rest)
    assert service.serve(rest, *low, lambda one: not begun(one), told(PowerState.MAINS), begun) == 0


# -- what a clerk types -----------------------------------------------------------------------------------------------


def test_a_visit_is_found_in_the_media_by_its_number(made: Device, capsys: pytest.CaptureFixture[str]) -> None:
    Room().record(
        made.config,
        play(3),
        begin("A001"),
        hear_the_notice,
        play(4),
        begin("A002"),
        hear_the_notice,
        play(2),
        end,
        play(1),
    )
    assert main(["visit", "find", "A002", "--spool", str(made.spool)]) == 0
    out = capsys.readouterr().out
    assert "A002 办事 visit" in out
    assert "段 segment 0000" in out
    assert "A001" not in out
    assert main(["visit", "list", "--spool", str(made.spool)]) == 0
    assert "自动结束" in capsys.readouterr().out
    assert main(["visit", "list", "--spool", str(made.spool), "--session", "9"]) == 0
    assert "没有办事记录 no visits" in capsys.readouterr().out
    assert main(["visit", "find", "A003", "--spool", str(made.spool)]) == 1
    assert main(["visit", "find", "张三", "--spool", str(made.spool)]) == 2
    assert "张三" not in capsys.readouterr().err, "what may be a name is not repeated"
    assert main(["visit", "find", "A001", "--spool", str(made.spool / "nowhere")]) == 2


def test_a_visit_is_found_though_a_paper_of_an_earlier_day_came_in_between(
    made: Device, capsys: pytest.CaptureFixture[str]
) -> None:
    room = Room()
    room.record(made.config, play(1), begin("A001"), hear_the_notice, play(1), end)
    (earlier,) = days_of(made.spool)
    assert earlier.id is not None
    yesterday = earlier.id.hex()

    def attach(r: Room) -> None:
        assert r.ask(Verb.ATTACH, text="投诉登记 3 号", session=yesterday).ok

    Room(clock=room.clock).record(
        made.config, play(1), begin("A002"), attach, hear_the_notice, play(2), end, begin("A003"), play(1), end
    )
    assert [(day.ordinal, [visit.number for visit in day.all()]) for day in days_of(made.spool)] == [
        (1, ["A001"]),
        (2, ["A002", "A003"]),
    ]
    assert main(["visit", "find", "A003", "--spool", str(made.spool)]) == 0
    assert "段 segment 0000" in capsys.readouterr().out


def test_what_is_found_points_at_the_media_of_that_moment(made: Device) -> None:
    Room().record(made.config, play(3), begin("A001"), hear_the_notice, play(4), end, play(2))
    (day,) = list[Day](days_of(made.spool))
    (visit,) = day.all()
    (segment, into_ms), *_ = day.within(visit)
    assert segment.since[1] + into_ms * 1_000_000 == pytest.approx(visit.since[1], abs=1_000_000)


def test_the_recorder_answers_a_clerk_who_types_a_name_for_a_number_nothing(made: Device) -> None:
    with pytest.raises(Exception, match="number"):
        Room().ask(Verb.VISIT_BEGIN, number="张三\n")


def test_an_end_repeats_number_and_sort_of_its_beginning(made: Device) -> None:
    Room().record(made.config, play(1), begin("A1", interview=True), hear_the_notice, play(1), end, play(1))
    began, ended = [one.body for one in journal(made) if isinstance(one.body, Visit)]
    assert (began.act, ended.act) == (VisitAct.BEGUN, VisitAct.ENDED)
    assert (ended.number, ended.sort) == (began.number, began.sort) == ("A1", VisitSort.INTERVIEW)
