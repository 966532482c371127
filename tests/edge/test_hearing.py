"""A session by the book: header, steps, arrivals, notice, plate, papers and holds, as people tell the recorder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.buttons import Act as Hand
from edge.buttons import Button, Pressed
from edge.desk_hearing import ENTRIES_LIMIT
from edge.destruction import read_ledger
from edge.header import SessionHeader, contents, to_bytes
from edge.journal import entries_of
from edge.ports import Stream
from edge.profiles.reading import available, load_named
from edge.profiles.schema import LongTermCode, Procedure
from edge.requests import Answer, MarkKind, Role, Verb
from liuhen import records
from liuhen.entry import Entry
from liuhen.findings import Code
from liuhen.kinds import Header, LateMark, Mark, Plate, Retention, Segment, Session
from liuhen.kinds import Procedure as ProcedureEntry
from liuhen.proceedings import Told, told_of
from liuhen.registry import EndCause, MarkCode, ProcedureCode, RecordLabel, RetentionBasis
from tests.edge.ports_room import Device, Room, device
from tests.edge.served import Service, answered, asks, rest
from tests.edge.test_header import FULL

pytestmark = pytest.mark.long

BY_THE_BOOK = replace(FULL, matter="")
"""Full by the neutral profile, which has no list."""
Act = Callable[[Room], None]


def entries(made: Device) -> list[Entry]:
    return [one for path in made.journal_files() for one in entries_of(path)]


def bodies(made: Device, kind: type[Any]) -> list[Any]:
    return [one.body for one in entries(made) if isinstance(one.body, kind)]


def told(made: Device) -> Told:
    return [*told_of(entries(made)).values()][-1]


def ask(verb: Verb, *, ok: bool = True, words: str = "", attachment: bytes | None = None, **said: Any) -> Act:
    def act(room: Room) -> None:
        answer = room.ask(verb, attachment=attachment, **said)
        assert answer.ok is ok, answer
        assert words in answer.words_zh

    return act


def head(header: SessionHeader, **more: Any) -> Act:
    return ask(Verb.HEADER, attachment=to_bytes(header), actor="周八", **more)


def mark(kind: MarkKind, step: int | None = None, **more: Any) -> Act:
    return ask(Verb.MARK, kind=kind, step=step, **more)


def play(seconds: float) -> Act:
    return lambda room: room.play(seconds)


def stop(**more: Any) -> Act:
    return ask(Verb.STOP, confirmed=True, **more)


ARRIVED_AND_TOLD = (
    mark(MarkKind.ARRIVAL, text="张三"),
    play(1),
    mark(MarkKind.NOTICE),
    mark(MarkKind.PLATE),
)


def test_a_whole_hearing_by_the_book_leaves_nothing_to_find(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    steps = [act for number in range(1, 9) for act in (mark(MarkKind.STEP, number), play(0.3))]
    ended = room.record(
        made.config,
        play(1),
        head(BY_THE_BOOK),
        *ARRIVED_AND_TOLD,
        *steps,
        mark(MarkKind.RECESS),
        play(1),
        mark(MarkKind.RESUMED),
        ask(Verb.ATTACH, text="听证通知书 第 7 号"),
        play(1),
        stop(actor="周八"),
    )
    assert ended.clean
    assert ended.cause is EndCause.STOPPED
    assert made.findings() == []
    session = told(made)
    assert session.profile_hash == made.config.rules.digest
    assert session.procedure is not None
    assert session.procedure.profile == ("neutral", made.config.rules.digest)
    assert session.procedure.code == ProcedureCode.HEARING
    assert [step.title for step in session.steps()][-1] == "当事人确认《听证笔录》"
    assert session.open_steps() == []
    assert len(session.recesses()) == 1
    assert session.absences == []  # capture went on through the recess
    assert len(session.papers) == 1
    assert list(session.notice_faults()) == []


def test_names_stand_in_records_of_their_own_and_nowhere_else(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    room.record(made.config, play(1), head(BY_THE_BOOK), mark(MarkKind.ARRIVAL, text="张三"), play(1))
    chain = b"".join(path.read_bytes() for path in made.journal_files())
    for _, text in contents(BY_THE_BOOK):
        assert text.encode() not in chain
    for name in ("张三", "李四", "041001", "第一听证室", "周八"):
        assert name.encode() not in chain
    (headed,) = bodies(made, Header)
    kept = {label: _record(made, named) for label, named in headed.records}
    assert kept == dict(contents(BY_THE_BOOK))
    assert len({named for _, named in headed.records}) == len(headed.records)
    report = made.verify()
    assert all(one.value == "presented" for one in report.room.presented.values()) if report.room else False


def _record(made: Device, commitment: bytes) -> str:
    path = made.spool / "records" / f"{commitment.hex()}.record"
    return records.parse(path.read_bytes(), where=path.name).content.decode()


def test_a_later_header_is_another_record_and_the_first_one_stays(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    room.record(
        made.config,
        play(1),
        head(SessionHeader(procedure=Procedure.INTERVIEW), words="待补：首部缺少“案号”"),
        head(SessionHeader(parties=("张三",))),
        play(1),
        head(SessionHeader(parties=("张三", "丁一"), host="孙七")),
        play(1),
    )
    first, second, third = bodies(made, Header)
    every = entries(made)
    numbers = [one.common.seq for one in every if isinstance(one.body, Header)]
    assert [first.amends, second.amends, third.amends] == [None, *numbers[:2]]
    assert _record(made, dict(second.records)[RecordLabel.PARTIES]) == '["张三"]'
    assert _record(made, told(made).fields()[RecordLabel.PARTIES]) == '["张三", "丁一"]'


def test_the_last_field_makes_a_header_complete_whichever_entry_holds_the_others(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    room.record(
        made.config,
        play(1),
        head(replace(BY_THE_BOOK, officials=(), certificates=()), words="待补：首部缺少“执法人员”"),
        head(SessionHeader(officials=("李四",), certificates=("041001",)), words="待补：执法人员应不少于 2 名"),
        head(SessionHeader(officials=("李四", "赵六"), certificates=("041001", "041002")), words="首部完整"),
        play(1),
    )
    assert len(bodies(made, Header)) == 3


def test_what_is_left_of_a_header_goes_by_the_procedure_that_an_earlier_one_named(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    config = replace(made.config, rules=load_named("zezhou"))
    rest_of_it = replace(FULL, procedure=None, matter="", parties=(), certificates=())
    room.record(
        config,
        play(1),
        head(SessionHeader(procedure=Procedure.WINDOW, matter="1"), words="首部已记入日志第"),
        head(rest_of_it, words="首部完整"),  # a window waives parties and certificate numbers
        mark(MarkKind.STEP, 1),
        head(SessionHeader(host="孙七"), words="首部完整"),  # a step bars another procedure, not another name
        play(1),
    )
    assert len(bodies(made, Header)) == 3
    assert len(bodies(made, ProcedureEntry)) == 1


def test_a_session_that_goes_on_under_rules_without_its_procedure_still_asks_why_it_stops(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def cut(_room: Room) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        room.record(made.config, play(1), head(SessionHeader(procedure=Procedure.WINDOW)), play(1), cut)
    assert load_named("nongan").template(Procedure.WINDOW) is None
    again, shown = Room(clock=room.clock), list[Any]()
    again.record(
        replace(made.config, rules=load_named("nongan")),
        play(1),
        lambda r: shown.append(r.ask(Verb.STATUS).facts),
        ask(Verb.STOP, confirmed=True, ok=False, words="写明原因"),
        stop(actor="周八", text="换了规则"),
    )
    assert shown[0]["procedure"] == ProcedureCode.WINDOW
    assert shown[0]["left_open"]
    assert told(made).end_cause == EndCause.STOPPED


def test_two_officers_serve_and_the_recorder_may_be_another_agencys(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    service = replace(BY_THE_BOOK, procedure=Procedure.SERVICE, recorder_agency="某县公证处")
    room.record(
        made.config,
        play(1),
        head(replace(service, officials=("李四",), certificates=("041001",)), words="执法人员应不少于 2 名"),
        head(service, words="首部完整"),
        *(mark(MarkKind.STEP, number) for number in range(1, 5)),
        stop(),
    )
    agency = told(made).fields()[RecordLabel.RECORDER_AGENCY]
    assert _record(made, agency) == "某县公证处"


def test_a_header_that_cannot_be_is_one_line_and_no_entry(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    room.record(
        made.config,
        play(1),
        ask(Verb.HEADER, ok=False, words="孤立代理项", attachment=b'{"host": "\\ud800"}', actor="周八"),
        ask(Verb.HEADER, ok=False, words="第 1 项的名称未知", attachment=b"colour=red", actor="周八"),
        ask(Verb.HEADER, ok=False, words="清单没有", attachment=b"matter=24", actor="周八"),
        play(1),
    )
    assert bodies(made, Header) == []
    assert list((made.spool / "records").iterdir()) != []  # the place of the session alone
    assert len(list((made.spool / "records").iterdir())) == 1


# -- steps ------------------------------------------------------------------------------------------------------------


def test_a_hearing_that_stops_before_its_transcript_is_signed_asks_for_a_reason_and_keeps_it(tmp_path: Path) -> None:
    """宣布听证结束 is not the end: 当事人确认《听证笔录》 comes after it."""
    made, room = device(tmp_path), Room()
    refused: list[Answer] = []
    ended = room.record(
        made.config,
        play(1),
        head(BY_THE_BOOK),
        *ARRIVED_AND_TOLD,
        *(mark(MarkKind.STEP, number) for number in range(1, 8)),
        lambda r: refused.append(r.ask(Verb.STOP, confirmed=True)),
        play(1),
        stop(actor="周八", text="当事人拒绝签字并离场"),
    )
    assert ended.clean
    assert "写明原因" in refused[0].words_zh
    assert "当事人确认《听证笔录》" in refused[0].words_zh
    assert "宣布听证结束" not in refused[0].words_zh
    (reason,) = told(made).stop_reasons()
    assert _record(made, dict(reason.records)[RecordLabel.REASON]) == "当事人拒绝签字并离场"
    assert made.findings() == [Code.ENDED_EARLY]


def test_a_long_press_does_not_end_a_hearing_with_steps_left_and_says_what_does(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def press(r: Room) -> None:
        pressed = Pressed(button=Button.STOP, act=Hand.HELD, boottime_ns=r.clock.now_ns, pressed_ns=r.clock.now_ns)
        r._post(pressed)

    room.record(made.config, play(1), head(BY_THE_BOOK), press, play(1), mark(MarkKind.STEP, 1), play(1))
    assert [one.step for one in told(made).of(MarkCode.STEP)] == [1]  # it went on
    assert any("写明原因" in words for words in room.onlooker.words)


def test_a_session_without_a_procedure_ends_as_ever(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    assert room.record(made.config, play(1), stop(actor="周八")).clean
    assert made.findings() == []


def test_a_window_asks_for_no_reason(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    window = SessionHeader(procedure=Procedure.WINDOW)
    assert room.record(made.config, play(1), head(window), mark(MarkKind.STEP, 1), play(1), stop()).clean


def test_a_step_or_point_that_the_procedure_does_not_have_is_refused(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    room.record(
        made.config,
        play(1),
        mark(MarkKind.STEP, 1, ok=False, words="liuhen session header --procedure"),
        head(BY_THE_BOOK),
        mark(MarkKind.STEP, None, ok=False, words="请写明环节序号（1 到 8）"),
        mark(MarkKind.STEP, 0, ok=False, words="没有这一个"),
        mark(MarkKind.STEP, 9, ok=False, words="8 个环节"),
        mark(MarkKind.POINT, 99, ok=False),
        mark(MarkKind.NOTICE, gap=3, ok=False, words="没有第 3 条标记"),
        play(1),
    )
    assert bodies(made, Mark) == []


def test_the_procedure_is_not_changed_once_a_step_is_marked(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    room.record(
        made.config,
        play(1),
        head(SessionHeader(procedure=Procedure.INTERVIEW)),
        head(BY_THE_BOOK),
        mark(MarkKind.STEP, 1),
        head(SessionHeader(procedure=Procedure.WINDOW), ok=False, words="不能再更改程序"),
        play(1),
    )
    assert [body.code for body in bodies(made, ProcedureEntry)] == [ProcedureCode.INTERVIEW, ProcedureCode.HEARING]
    assert Code.PROCEEDINGS_ORDER not in made.findings()


@pytest.mark.parametrize(("name", "points"), [("jiaozuo", 6), ("nongan", 6)])
def test_key_moments_are_chosen_from_the_list_of_article_9_or_11(tmp_path: Path, name: str, points: int) -> None:
    made, room = device(tmp_path), Room()
    config = replace(made.config, rules=load_named(name))
    acts = [mark(MarkKind.POINT, number) for number in range(1, points + 1)]
    room.record(
        config,
        play(1),
        head(SessionHeader(procedure=Procedure.HEARING)),
        *acts,
        mark(MarkKind.POINT, points + 1, ok=False),
        play(1),
    )
    session = told(made)
    assert session.procedure is not None
    assert len(session.procedure.points) == points
    assert [one.step for one in session.of(MarkCode.KEY_MOMENT)] == list(range(1, points + 1))


@pytest.mark.parametrize("procedure", list(Procedure), ids=[one.value for one in Procedure])
@pytest.mark.parametrize("name", [one.name for one in available()])
def test_every_procedure_of_every_profile_can_be_followed(tmp_path: Path, name: str, procedure: Procedure) -> None:
    profile = load_named(name)
    template = profile.template(procedure)
    made, room = device(tmp_path), Room()
    config = replace(made.config, rules=profile)
    if template is None:
        room.record(config, play(1), head(SessionHeader(procedure=procedure), ok=False, words="没有"), play(0.5))
        return
    acts = [mark(MarkKind.STEP, number) for number, _ in enumerate(template.steps, start=1)]
    room.record(config, play(1), head(SessionHeader(procedure=procedure)), *acts, play(0.5), stop())
    session = told(made)
    assert [step.title for step in session.steps()] == [step.title for step in template.steps]
    assert session.open_steps() == []
    assert session.end_cause == EndCause.STOPPED


def test_a_licence_hearing_a_service_and_its_two_officers_have_steps_of_their_own() -> None:
    neutral = load_named("neutral")
    service = neutral.template(Procedure.SERVICE)
    assert service is not None
    assert [step.title for step in service.steps][1:] == ["宣读执法文书", "交付文书", "送达回执签字"]
    assert service.least_officials == 2


# -- 补标 -------------------------------------------------------------------------------------------------------------


def test_a_forgotten_step_is_marked_afterwards_with_both_times_and_never_back_dated(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    asked: list[int] = []

    def late(r: Room) -> None:
        meant_ms = r.clock.read().utc_ms - 3000
        asked.append(meant_ms)
        assert r.ask(Verb.MARK, kind=MarkKind.STEP, step=2, at_ms=meant_ms).ok

    room.record(made.config, play(1), head(BY_THE_BOOK), mark(MarkKind.STEP, 1), play(5), late, play(1))
    (body,) = bodies(made, LateMark)
    (one,) = (mark for mark in told(made).marks if mark.late)
    assert (one.step, body.code) == (2, MarkCode.STEP)
    assert abs(one.utc_ms - asked[0]) <= 1
    assert one.written_utc_ms - one.utc_ms >= 2999
    assert [mark.boottime_ns for mark in bodies(made, Mark)] != [body.meant[1]]  # no other entry pretends to be of then
    assert not {Code.PROCEEDINGS_ORDER, Code.MARK_BACKDATED} & set(made.findings())


@pytest.mark.parametrize("off_ms", [60_000, -3_600_000], ids=["to come", "before the session"])
def test_a_late_mark_outside_the_session_is_refused(tmp_path: Path, off_ms: int) -> None:
    made, room = device(tmp_path), Room()

    def late(r: Room) -> None:
        answer = r.ask(Verb.MARK, kind=MarkKind.ARRIVAL, at_ms=r.clock.read().utc_ms + off_ms)
        assert not answer.ok
        assert "本场次开始之后、现在之前" in answer.words_zh

    room.record(made.config, play(1), late, play(1))
    assert bodies(made, LateMark) == []


def test_a_moment_before_a_power_cut_can_still_be_marked_after_it(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    meant: list[int] = []

    def cut(r: Room) -> None:
        meant.append(r.clock.read().utc_ms - 2000)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        room.record(made.config, play(1), head(BY_THE_BOOK), mark(MarkKind.STEP, 1), play(4), cut)
    again = Room()
    again.clock.boot_id, again.clock.now_ns = bytes(range(1, 17)), 40 * 10**9
    again.clock.utc_offset_ms = meant[0] + 62_000 - 40_000

    def late(r: Room) -> None:
        answer = r.ask(Verb.MARK, kind=MarkKind.STEP, step=2, at_ms=meant[0])
        assert answer.ok, answer
        assert r.ask(Verb.MARK, kind=MarkKind.STEP, step=3).ok  # what was told before the cut is known

    again.record(made.config, play(2), late, play(1))
    (body,) = bodies(made, LateMark)
    assert body.meant[0] == room.clock.boot_id
    assert Code.PROCEEDINGS_ORDER not in made.findings()
    assert abs(next(one.utc_ms for one in told(made).marks if one.late) - meant[0]) <= 50


# -- notice and place -------------------------------------------------------------------------------------------------


def test_notice_within_sixty_seconds_is_in_time_and_after_them_late(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    room.record(
        made.config,
        play(1),
        head(BY_THE_BOOK),
        mark(MarkKind.ARRIVAL, text="张三"),
        play(59),
        mark(MarkKind.NOTICE, text="张三"),
        mark(MarkKind.ARRIVAL, text="王五，后到"),
        play(61),
        mark(MarkKind.NOTICE, text="王五"),
        mark(MarkKind.PLACE, text="第一听证室"),
        stop(text="演练"),
    )
    first, second = told(made).notices()
    assert (first.after_ms or 0) < 60_000 < (second.after_ms or 0)
    assert Code.NOTICE_LATE in made.findings()
    assert Code.NOTICE_MISSING not in made.findings()
    assert _record(made, dict(first.notice.records)[RecordLabel.PARTIES]) == "张三" if first.notice else False


def test_a_notice_to_all_who_are_there_says_so(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    room.record(made.config, play(1), head(BY_THE_BOOK), *ARRIVED_AND_TOLD, play(1))
    (notice,) = told(made).of(MarkCode.NOTICE_GIVEN)
    assert _record(made, dict(notice.records)[RecordLabel.PARTIES]) == "在场全体人员"


def test_a_plate_names_a_sealed_frame_that_the_statement_proves(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    room.record(made.config, play(3), mark(MarkKind.PLATE), play(9), mark(MarkKind.PLATE), play(1))
    stated = {body.number: body for body in bodies(made, Segment)}
    plates = bodies(made, Plate)
    assert [plate.segment for plate in plates] == [0, 1]
    for plate in plates:
        segment = stated[plate.segment]
        assert segment.fragments[plate.fragment - 1][3] == plate.seal_hash
        assert segment.frames[0] <= plate.frame_index < sum(segment.frames)
    assert made.findings() == []


def test_without_a_picture_there_is_no_plate_and_the_place_is_spoken(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    room.record(
        made.config,
        mark(MarkKind.PLATE, ok=False, words="没有已封签的画面"),
        play(0.3),
        mark(MarkKind.PLATE, ok=False, words="没有已封签的画面"),
        play(1),
        mark(MarkKind.PLACE, text="第一听证室"),
        play(1),
    )
    assert bodies(made, Plate) == []
    assert [body.code for body in bodies(made, Mark)] == [MarkCode.PLACE_SPOKEN]


def test_a_plate_is_of_this_moment_and_refused_while_nothing_is_recorded_or_no_picture_is(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    no_picture = mark(MarkKind.PLATE, ok=False, words="没有已封签的画面")
    room.record(
        made.config,
        play(3),
        mark(MarkKind.PLATE),
        ask(Verb.WITHHOLD, actor="张三"),
        play(2),
        no_picture,
        ask(Verb.RESUME, actor="李四"),
        play(3),
        mark(MarkKind.PLATE),
        lambda r: r.lose(Stream.PICTURE),
        play(2),
        no_picture,
    )
    assert len(bodies(made, Plate)) == 2


def test_a_notice_may_name_the_arrival_it_answers_and_then_says_no_more_than_that(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def answer(r: Room) -> None:
        (arrival,) = told(made).of(MarkCode.PARTY_ARRIVED)
        assert r.ask(Verb.MARK, kind=MarkKind.NOTICE, gap=arrival.entry).ok

    room.record(made.config, play(1), head(BY_THE_BOOK), mark(MarkKind.ARRIVAL, text="张三"), play(1), answer, play(1))
    session = told(made)
    (arrival,), (notice,) = session.of(MarkCode.PARTY_ARRIVED), session.of(MarkCode.NOTICE_GIVEN)
    body = next(one.body for one in entries(made) if one.common.seq == notice.entry)
    assert isinstance(body, Mark)
    assert (body.refers_to, body.records) == (arrival.entry, ())


def test_a_hearing_that_never_shows_its_place_says_so(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    config = replace(made.config, rules=load_named("jiaozuo"))
    room.record(config, play(1), head(SessionHeader(procedure=Procedure.HEARING)), play(1), stop(text="演练"))
    assert Code.PLACE_NOT_SHOWN in made.findings()


# -- papers and holds -------------------------------------------------------------------------------------------------


def _session_id(made: Device) -> str:
    return next(one.common.session_id for one in entries(made) if isinstance(one.body, Session)).hex()  # type: ignore[union-attr]


def test_a_paper_belongs_to_the_session_or_to_a_mark_and_may_come_with_a_copy(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def copied(r: Room) -> None:
        (recess,) = told(made).of(MarkCode.RECESS)
        assert recess.entry < entries(made)[-1].common.seq
        assert r.ask(Verb.ATTACH, attachment=b"%PDF", text="证据清单 1", gap=recess.entry, actor="周八").ok

    room.record(
        made.config,
        play(1),
        ask(Verb.ATTACH, text="听证通知书 7 号"),
        mark(MarkKind.RECESS),
        mark(MarkKind.PLACE),
        copied,
        ask(Verb.ATTACH, text="没有这条", gap=9_999, ok=False),
        play(1),
    )
    first, second = told(made).papers
    assert first.refers_to == told(made).opening
    assert {label: _record(made, named) for label, named in first.records} == {RecordLabel.PAPER: "听证通知书 7 号"}
    assert second.refers_to == told(made).of(MarkCode.RECESS)[0].entry
    assert dict(second.records).keys() == {RecordLabel.PAPER, RecordLabel.ATTACHMENT, RecordLabel.PERSONS}
    assert made.findings() == []


@pytest.mark.parametrize("code", list(LongTermCode), ids=[one.value for one in LongTermCode])
def test_each_trigger_of_article_17_keeps_a_session_for_good(tmp_path: Path, code: LongTermCode) -> None:
    trigger = RetentionBasis["OTHER_LONG_TERM" if code is LongTermCode.OTHER else code.name]
    assert code in {one.code for one in load_named("jiaozuo").long_term}
    made, room = device(tmp_path), Room()

    def flag(r: Room) -> None:
        said: dict[str, Any] = {"actor": "周八", "text": "当事人投诉", "session": _session_id(made)}
        answer = r.ask(Verb.HOLD, trigger=trigger, **said)
        assert answer.ok, answer
        assert trigger.words_zh in answer.words_zh
        again = r.ask(Verb.HOLD, trigger=RetentionBasis.RESISTANCE, **said)
        assert not again.ok  # for good is for good: a second term would break the archive
        assert "已标为长期保存" in again.words_zh

    room.record(made.config, play(1), flag, play(1))
    (body,) = bodies(made, Retention)
    assert (body.basis, body.until_ms) == (trigger, None)
    assert made.findings() == []
    ledger = read_ledger(made.spool)
    assert ledger.keeping.sessions[body.session].permanent


def test_a_session_that_has_ended_is_held_from_the_running_recorder(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    room.record(made.config, play(1))
    ended = _session_id(made)
    Room(clock=room.clock).record(
        made.config,
        play(1),
        ask(Verb.HOLD, actor="周八", text="有人投诉", session=ended, words="已设置保全"),
        ask(Verb.ATTACH, text="投诉登记 3 号", session=ended),
        ask(Verb.HOLD, actor="周八", text="没有", session="00" * 16, ok=False, words="没有此场次"),
        play(1),
    )
    ledger = read_ledger(made.spool)
    assert len(ledger.keeping.holds_on(bytes.fromhex(ended))) == 1
    first, second = told_of(entries(made)).values()
    assert (len(first.papers), len(second.papers)) == (1, 0)
    assert made.findings() == []
    assert len(entries(made)) <= ENTRIES_LIMIT


def test_what_is_kept_of_one_session_for_good_says_nothing_of_another(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    room.record(made.config, play(1))
    first = _session_id(made)

    def both(r: Room) -> None:
        second = entries(made)[-1].common.session_id
        assert second is not None
        for session in (first, second.hex()):
            answer = r.ask(
                Verb.HOLD, trigger=RetentionBasis.RESISTANCE, actor="周八", text="当事人投诉", session=session
            )
            assert answer.ok, answer

    Room(clock=room.clock).record(made.config, play(1), mark(MarkKind.PLACE), both, play(1))
    assert len({body.session for body in bodies(made, Retention)}) == 2


def test_a_session_beyond_what_is_read_back_is_for_a_command_between_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, room = device(tmp_path), Room()
    room.record(made.config, play(1))
    ended = _session_id(made)
    said: dict[str, Any] = {"actor": "周八", "text": "有人投诉", "session": ended}
    monkeypatch.setattr("edge.desk_hearing.ENTRIES_LIMIT", 4)
    Room(clock=room.clock).record(
        made.config,
        play(1),
        ask(Verb.HOLD, ok=False, words="请在停机后用 liuhen retention", **said),
        ask(Verb.ATTACH, ok=False, words="请在停机后用", text="投诉登记 3 号", session=ended),
        play(1),
    )
    assert not read_ledger(made.spool).keeping.holds_on(bytes.fromhex(ended))


@pytest.mark.parametrize("role", [Role.NOBODY, Role.OFFLOAD, Role.SENSORS])
@pytest.mark.parametrize("verb", [Verb.NEW_SESSION, Verb.HEADER, Verb.ATTACH, Verb.HOLD])
def test_who_has_no_right_writes_no_header_and_no_hold(tmp_path: Path, role: Role, verb: Verb) -> None:
    made, room = device(tmp_path), Room()

    def act(r: Room) -> None:
        said = {"actor": "周八", "text": "x", "session": "00" * 16} if verb is Verb.HOLD else {"text": "x"}
        assert not r.ask(verb, role, to_bytes(BY_THE_BOOK), **said).ok

    room.record(made.config, play(0.5), act, play(0.5))
    assert bodies(made, Header) == []


def test_the_console_writes_a_header_only_for_somebody_who_has_signed_in(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def act(r: Room) -> None:
        assert not r.ask(Verb.HEADER, Role.CONSOLE, to_bytes(BY_THE_BOOK)).ok
        assert r.ask(Verb.HEADER, Role.CONSOLE, to_bytes(BY_THE_BOOK), actor="周八").ok

    room.record(made.config, play(0.5), act, play(0.5))
    assert len(bodies(made, Header)) == 1


def test_status_tells_the_steps(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    seen: list[Any] = []
    room.record(
        made.config,
        play(1),
        head(BY_THE_BOOK),
        mark(MarkKind.STEP, 1),
        lambda r: seen.append(r.ask(Verb.STATUS).facts),
        play(1),
    )
    (facts,) = seen
    assert facts["procedure"] == ProcedureCode.HEARING
    assert [done for _, _, done in facts["steps"]] == [True, *[False] * 7]
    assert json.dumps(facts)


def test_a_recess_within_a_recess_a_number_where_none_belongs_and_a_late_plate_are_refused(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    room.record(
        made.config,
        play(1),
        head(BY_THE_BOOK),
        ask(Verb.MARK, ok=False, words="不在休会中", kind=MarkKind.RESUMED),
        mark(MarkKind.RECESS),
        ask(Verb.MARK, ok=False, words="已在休会中", kind=MarkKind.RECESS),
        play(1),
        mark(MarkKind.RESUMED),
        ask(Verb.MARK, ok=False, words="不在休会中", kind=MarkKind.RESUMED),
        ask(Verb.MARK, ok=False, words="有序号", kind=MarkKind.PLACE, step=3),
        ask(Verb.MARK, ok=False, words="不能补标", kind=MarkKind.PLATE, ago_ms=500),
        ask(Verb.MARK, kind=MarkKind.RESUMED, ago_ms=200),
        play(1),
    )
    assert [(len(told(made).of(code))) for code in (MarkCode.RECESS, MarkCode.SITTING_RESUMED)] == [1, 2]
    assert told(made).of(MarkCode.PLACE_SPOKEN) == []
    assert told(made).plates == []


def test_a_later_header_is_judged_with_what_was_there_before(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def header(content: str, **more: Any) -> Act:
        return ask(Verb.HEADER, attachment=content.encode(), actor="周八", **more)

    room.record(
        made.config,
        play(1),
        head(SessionHeader(officials=("李四", "赵六"))),
        header("certificates=041001", ok=False, words="应一一对应"),
        header("", ok=False, words="没有填写任何一项"),
        header("case_number=  ", ok=False, words="没有填写任何一项"),
        header("certificates=041001；041002"),
        header("officials=李四", ok=False, words="应一一对应"),
        play(1),
    )
    assert len(bodies(made, Header)) == 2


# -- between sessions -------------------------------------------------------------------------------------------------


def test_between_sessions_nothing_can_be_marked_or_said_of_one_and_a_session_may_begin_without_a_procedure(
    tmp_path: Path,
) -> None:
    made = device(tmp_path)
    service = Service(made, Room(), (play(1), mark(MarkKind.PLACE), stop(actor="周八"), play(1)))
    host = to_bytes(SessionHeader(host="孙七"))
    refused = (
        asks(Verb.HEADER, to_bytes(BY_THE_BOOK), actor="周八"),
        asks(Verb.MARK, kind=MarkKind.ARRIVAL, text="张三"),
        asks(Verb.MARK, kind=MarkKind.PLATE),
        asks(Verb.ATTACH, text="听证通知书 7 号"),
    )
    begun = asks(Verb.NEW_SESSION, host, actor="周八", confirmed=True)
    assert service.serve(rest, *refused, answered(4), begun, answered(5), *refused, answered(9)) == 0
    assert [one.ok for one in service.answers] == [False] * 4 + [True] + [False] * 4
    words = {one.words_zh for one in service.answers if not one.ok}
    assert words == {"当前没有正在进行的场次"}
    assert "待补" in service.answers[4].words_zh
    assert bodies(made, ProcedureEntry) == []
    (headed,) = bodies(made, Header)
    assert [label for label, _ in headed.records] == [RecordLabel.HOST]
    assert [one.code for one in bodies(made, Mark)].count(MarkCode.PLACE_SPOKEN) == 1
    assert made.findings() == []


def test_a_session_does_not_begin_with_a_header_that_the_rules_refuse_though_nothing_is_left_blank(
    tmp_path: Path,
) -> None:
    made = device(tmp_path)
    service = Service(made, Room(), (play(1),))
    wrong, right = (
        asks(Verb.NEW_SESSION, to_bytes(one), actor="周八") for one in (replace(BY_THE_BOOK, matter="24"), BY_THE_BOOK)
    )
    assert service.serve(rest, wrong, answered(), right, answered(2)) == 0
    refused, accepted = service.answers
    assert (refused.ok, accepted.ok) == (False, True)
    assert "清单没有" in refused.words_zh
    assert (accepted.words_zh, accepted.words_en) == (
        "已开始录制，首部完整",
        "the session is open, its header is complete",
    )


def test_a_mark_holds_what_was_said_of_it_and_who_marked_and_nothing_where_nothing_was_said(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    room.record(
        made.config,
        play(1),
        head(BY_THE_BOOK),
        mark(MarkKind.STEP, 1),
        mark(MarkKind.STEP, 2, text="补充说明", actor="周八"),
        mark(MarkKind.ARRIVAL),
        play(1),
        mark(MarkKind.PLATE, actor="周八"),
        mark(MarkKind.POINT, ago_ms=500, text="言行", actor="周八"),
        play(1),
    )

    def said(records_: Any) -> dict[int, str]:
        return {label: _record(made, named) for label, named in records_}

    bare, told_of_it, came = bodies(made, Mark)
    assert (bare.records, came.records) == ((), ())
    assert said(told_of_it.records) == {RecordLabel.OTHER: "补充说明", RecordLabel.PERSONS: "周八"}
    (plate,), (late,) = bodies(made, Plate), bodies(made, LateMark)
    assert said(plate.records) == {RecordLabel.PERSONS: "周八"}
    assert said(late.records) == {RecordLabel.OTHER: "言行", RecordLabel.PERSONS: "周八"}
