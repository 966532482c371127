"""What is owed for an interruption and what discharges it: report and signed statement, apart and together."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge import config as configuration
from edge.commands.acts import ledger_of
from edge.export import choose
from edge.journal import entries_of
from edge.ports import Stream
from edge.profiles.reading import load_named
from edge.requests import Answer, BadRequest, Request, Verb, packet_of, parse
from liuhen import archive, records
from liuhen.entry import Entry
from liuhen.findings import Code
from liuhen.kinds import Amend, Case, Duty, Event, Gap, Inhibition
from liuhen.registry import DutyAct, DutyCode, EventCode, GapCause, InhibitionAct, RecordLabel
from tests.edge.ports_room import Device, Room, RoomClock, device

pytestmark = pytest.mark.long

PAPER = b"%PDF signed"
REPORTED: dict[str, Any] = {"reported_to": "王主任", "reported_at": "2026-09-21 21:30"}
REPORT_TEXT = "报告人 张三\n部门负责人 王主任\n时间 2026-09-21 21:30 +08:00"
REPORT, STATEMENT = DutyCode.REPORT, DutyCode.WRITTEN_STATEMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Owing:
    """A log whose first session ended without its sound, and the clock of its room."""

    made: Device
    clock: RoomClock
    gap: int

    def ask(self, verb: Verb = Verb.STATEMENT, attachment: bytes | None = None, **said: Any) -> Answer:
        """Asked in a session of its own."""
        answers: list[Answer] = []

        def act(room: Room) -> None:
            answers.append(room.ask(verb, attachment=attachment, **said))

        Room(self.clock).record(self.made.config, lambda room: room.play(1), act)
        return answers[0]

    def discharged(self) -> dict[int, tuple[tuple[int, bytes], ...]]:
        """Code of each duty that was discharged, with the content of its records."""
        return {
            one.body.code: tuple(content(self.made, named) for named in one.body.records)
            for one in entries(self.made)
            if isinstance(one.body, Duty) and one.body.act == DutyAct.DISCHARGED
        }


def entries(made: Device) -> list[Entry]:
    return [one for path in made.journal_files() for one in entries_of(path)]


def content(made: Device, named: tuple[int, bytes]) -> tuple[int, bytes]:
    path = archive.record_path(made.spool, named[1])
    record = records.parse(path.read_bytes(), where=path.name)
    assert record.commitment == named[1]
    return named[0], record.content


def kept(made: Device) -> bytes:
    """Everything that stands in records."""
    return b"".join(path.read_bytes() for path in made.spool.glob("records/*"))


def play(seconds: float) -> Callable[[Room], None]:
    return lambda room: room.play(seconds)


def withhold(room: Room) -> None:
    assert room.ask(Verb.WITHHOLD, actor="张三").ok


def end_withholding(room: Room) -> None:
    assert room.ask(Verb.RESUME, actor="李四").ok


@pytest.fixture
def owing(tmp_path: Path) -> Owing:
    made, room = device(tmp_path), Room()
    room.record(made.config, play(2), lambda room: room.lose(Stream.SOUND), play(1))
    gap = next(one.common.seq for one in entries(made) if isinstance(one.body, Duty) and one.body.code == STATEMENT)
    about = next(one.body.refers_to for one in entries(made) if one.common.seq == gap and isinstance(one.body, Duty))
    return Owing(made=made, clock=room.clock, gap=about)


def test_a_paper_that_comes_with_a_report_discharges_the_statement_too_and_both_are_kept(owing: Owing) -> None:
    answer = owing.ask(gap=owing.gap, actor="张三", text="见附件", attachment=PAPER, **REPORTED)
    assert answer.ok
    assert "向部门负责人报告" in answer.words_zh
    assert "书面说明" in answer.words_zh
    assert "仍欠" not in answer.words_zh
    discharged = owing.discharged()
    assert discharged[REPORT] == ((RecordLabel.REASON, REPORT_TEXT.encode()),)
    assert discharged[STATEMENT] == (
        (RecordLabel.EXPLANATION, "见附件".encode()),
        (RecordLabel.PERSONS, "张三".encode()),
        (RecordLabel.ATTACHMENT, PAPER),
    )
    assert Code.DUTY_OPEN not in owing.made.told()


def test_a_report_alone_says_that_the_statement_is_still_owed_and_how_to_give_it(owing: Owing) -> None:
    answer = owing.ask(gap=owing.gap, actor="张三", text="已报告", **REPORTED)
    assert answer.ok
    assert f"书面说明仍欠，签字后执行 liuhen ctl statement {owing.gap} --file" in answer.words_zh
    assert "STILL OWED" in answer.words_en
    assert list(owing.discharged()) == [REPORT]
    assert Code.DUTY_OPEN in owing.made.told()
    later = owing.ask(gap=owing.gap, actor="张三", text="补交", attachment=PAPER, **REPORTED)
    assert later.ok
    assert (RecordLabel.REASON, REPORT_TEXT.encode()) in owing.discharged()[STATEMENT]  # what was said again is kept


def test_a_paper_alone_says_that_the_report_is_still_owed(owing: Owing) -> None:
    answer = owing.ask(gap=owing.gap, actor="张三", text="见附件", attachment=PAPER)
    assert answer.ok
    assert "仍欠向部门负责人报告" in answer.words_zh
    assert list(owing.discharged()) == [STATEMENT]


def test_the_duty_s_own_number_stands_for_the_interruption_and_an_empty_paper_for_nothing(owing: Owing) -> None:
    owed = next(one.common.seq for one in entries(owing.made) if isinstance(one.body, Duty) and one.body.code == REPORT)
    assert not owing.ask(gap=owed, actor="张三", text="见附件", attachment=b"", **REPORTED).ok
    assert owing.discharged() == {}
    assert owing.ask(gap=owed, actor="张三", text="见附件", attachment=PAPER, **REPORTED).ok
    assert set(owing.discharged()) == {REPORT, STATEMENT}


def test_a_paper_where_the_report_alone_is_owed_is_kept_beside_it(owing: Owing) -> None:
    assert owing.ask(gap=owing.gap, actor="张三", text="见附件", attachment=PAPER).ok
    answer = owing.ask(gap=owing.gap, actor="张三", text="照片", attachment=b"photo", **REPORTED)
    assert answer.ok
    assert owing.discharged()[REPORT] == (
        (RecordLabel.REASON, REPORT_TEXT.encode()),
        (RecordLabel.EXPLANATION, "照片".encode()),
        (RecordLabel.PERSONS, "张三".encode()),
        (RecordLabel.ATTACHMENT, b"photo"),
    )


@pytest.mark.parametrize("when", ["刚才", "2062-01-01 10:00"])
def test_a_report_without_a_time_that_can_be_is_refused_and_nothing_is_kept(owing: Owing, when: str) -> None:
    answer = owing.ask(gap=owing.gap, actor="张三", text="已报告", reported_to="王主任", reported_at=when)
    assert not answer.ok
    assert "报告时间" in answer.words_zh
    assert owing.discharged() == {}
    assert "王主任".encode() not in kept(owing.made)
    refused = [one.body.code for one in entries(owing.made) if isinstance(one.body, Event)]
    assert EventCode.REFUSED_REQUEST in refused


def test_nothing_is_given_up_without_a_report() -> None:
    with pytest.raises(BadRequest, match="reported_to"):
        parse(packet_of(Request(verb=Verb.CANNOT_RESUME, actor="张三", text="断线")))


@pytest.mark.parametrize("left_out", ["reported_to", "reported_at"])
@pytest.mark.parametrize("verb", [Verb.CANNOT_RESUME, Verb.STATEMENT])
def test_a_report_without_the_department_head_or_the_time_is_none(verb: Verb, left_out: str) -> None:
    said: dict[str, Any] = {name: value for name, value in REPORTED.items() if name != left_out}
    with pytest.raises(BadRequest, match=left_out) as refused:
        parse(packet_of(Request(verb=verb, actor="张三", text="已报告", gap=3, **said)))
    assert left_out in refused.value.words_zh
    whole = Request(verb=verb, actor="张三", text="已报告", gap=3, **REPORTED)
    assert parse(packet_of(whole)) == whole


def test_giving_up_says_that_the_statement_is_owed_and_keeps_head_and_time(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    answers: list[Answer] = []

    def give_up(room: Room) -> None:
        answers.append(
            room.ask(Verb.CANNOT_RESUME, actor="张三", text="断线", reported_to="王主任", reported_at="从前")
        )
        answers.append(room.ask(Verb.CANNOT_RESUME, actor="张三", text="断线", **REPORTED))

    room.record(made.config, play(2), withhold, play(5), give_up)
    refused, given = answers
    assert not refused.ok
    assert given.ok
    owing = Owing(made=made, clock=room.clock, gap=0)
    assert owing.discharged() == {REPORT: ((RecordLabel.REASON, f"{REPORT_TEXT}\n断线".encode()),)}
    gap = next(one.common.seq for one in entries(made) if isinstance(one.body, Gap))
    assert f"书面说明仍欠，签字后执行 liuhen ctl statement {gap} --file" in given.words_zh
    opened = [one.body for one in entries(made) if isinstance(one.body, Duty) and one.body.act == DutyAct.OPENED]
    assert (STATEMENT, gap) in [(duty.code, duty.refers_to) for duty in opened]


# -- amendments -------------------------------------------------------------------------------------------------------


def amended_in_a_session(made: Device, *asked: dict[str, Any]) -> list[Answer]:
    """A session with a loss of sound, in which these causes are said to be the true ones."""
    answers: list[Answer] = []

    def ask(room: Room) -> None:
        room.lose(Stream.SOUND)
        room.play(1)
        answers.extend(room.ask(Verb.EXPLAIN, **said) for said in asked)

    Room().record(made.config, play(2), ask, play(1))
    return answers


@pytest.mark.parametrize("cause", [GapCause.WITHHELD, GapCause.INTERLOCK])
def test_nobody_amends_a_cause_into_one_that_only_an_inhibition_makes(tmp_path: Path, cause: GapCause) -> None:
    made = device(tmp_path)
    (answer,) = amended_in_a_session(made, {"actor": "张三", "cause": cause, "text": "涉密"})
    assert not answer.ok
    assert "不能由人事后更正" in answer.words_zh
    assert "liuhen ctl withhold" in answer.words_en
    assert [one for one in entries(made) if isinstance(one.body, Amend)] == []
    assert "涉密".encode() not in kept(made)


def test_a_number_that_is_no_gap_of_this_log_is_refused_before_anything_is_kept(tmp_path: Path) -> None:
    made = device(tmp_path)
    said = {"actor": "张三", "cause": GapCause.WEATHER, "text": "雷雨"}
    absent, enrolment = amended_in_a_session(made, said | {"gap": 99_999}, said | {"gap": 0})
    event = next(one.common.seq for one in entries(made) if isinstance(one.body, Event))
    (an_event,) = amended_in_a_session(made, said | {"gap": event})
    for answer, number in ((absent, 99_999), (enrolment, 0), (an_event, event)):
        assert not answer.ok
        assert f"日志第 {number} 条不是中止" in answer.words_zh
    assert [one for one in entries(made) if isinstance(one.body, Amend)] == []
    assert "雷雨".encode() not in kept(made)


def test_a_gap_of_an_earlier_session_is_amended_in_that_session(owing: Owing) -> None:
    answer = owing.ask(Verb.EXPLAIN, actor="张三", cause=GapCause.WEATHER, text="雷雨", gap=owing.gap)
    assert answer.ok
    gap = next(one for one in entries(owing.made) if one.common.seq == owing.gap)
    amended = next(one for one in entries(owing.made) if isinstance(one.body, Amend))
    assert amended.common.session_id == gap.common.session_id
    told = owing.made.verify().sessions[0].gaps[0]
    assert (told.cause, told.amended_by) == (GapCause.WEATHER, amended.common.seq)
    assert Code.AMEND_WITHOUT_GAP not in owing.made.findings()


def test_who_amends_a_cause_gives_his_name_and_a_gap_alone_is_no_request() -> None:
    with pytest.raises(BadRequest, match="his name"):
        parse(packet_of(Request(verb=Verb.EXPLAIN, cause=GapCause.WEATHER)))
    with pytest.raises(BadRequest, match="--cause"):
        parse(packet_of(Request(verb=Verb.EXPLAIN, actor="张三", gap=7)))


# -- approvals --------------------------------------------------------------------------------------------------------


def withheld_in(made: Device, settings: str, *asked: dict[str, Any], prohibitions: bool = True) -> list[bool]:
    """A withholding in a device configured like this, and whether each of these approvals was taken."""
    config = replace(made.config, session=configuration.parse(f"[session]\n{settings}\n".encode()).session)
    if not prohibitions:
        config = replace(config, rules=replace(config.rules, prohibitions=()))
    taken: list[bool] = []

    def approve(room: Room) -> None:
        taken.extend(room.ask(Verb.APPROVE, **said).ok for said in asked)

    Room().record(config, play(2), withhold, play(5), approve, end_withholding, play(2))
    return taken


def test_a_profile_without_grounds_has_the_neutral_one_with_a_citation(tmp_path: Path) -> None:
    made, by_law = device(tmp_path), {"actor": "李四", "ground": "法律法规规定"}
    taken = withheld_in(
        made,
        "withhold_grounds = []",
        {"actor": "李四", "ground": "个人隐私", "citation": "《某法》第八条"},
        by_law,
        by_law | {"citation": "《某法》第八条"},
        prohibitions=False,
    )
    assert taken == [False, False, True]
    assert Code.WITHHELD_UNAPPROVED not in made.findings()
    approval = next(
        one.body for one in entries(made) if isinstance(one.body, Inhibition) and one.body.act == InhibitionAct.APPROVED
    )
    assert content(made, approval.records[0]) == (RecordLabel.GROUND, "法律法规规定\n《某法》第八条".encode())


def test_where_the_file_names_no_grounds_those_of_the_rules_are_taken(tmp_path: Path) -> None:
    asked = {"actor": "李四", "ground": "个人隐私"}, {"actor": "李四", "ground": "别的"}
    assert withheld_in(device(tmp_path), "withhold_grounds = []", *reversed(asked)) == [False, True]


def test_a_refused_approval_names_the_grounds_there_are(tmp_path: Path) -> None:
    made, heard = device(tmp_path), []
    config = replace(made.config, rules=load_named("nongan"))

    def approve(room: Room) -> None:
        heard.append(room.ask(Verb.APPROVE, actor="李四", ground="商业秘密"))

    Room().record(config, play(2), withhold, play(5), approve, end_withholding, play(2))
    assert not heard[0].ok
    assert "不得或者不宜采用音像记录（须写明 citation）" in heard[0].words_zh


def test_a_second_reason_to_withhold_is_not_taken_in_silence_and_lost(tmp_path: Path) -> None:
    made = device(tmp_path)
    heard: list[Answer] = []

    def again(room: Room) -> None:
        heard.extend(room.ask(Verb.WITHHOLD, actor="张三", text=text) for text in ("", "涉及商业秘密"))

    def resume_again(room: Room) -> None:
        assert not room.ask(Verb.RESUME, actor="张三", text="已谈完").ok
        withhold(room)
        room.play(5)
        assert not room.ask(Verb.EXPLAIN, actor="张三", text="现在没有录音").ok

    Room().record(made.config, play(2), withhold, play(5), again, end_withholding, play(2), resume_again)
    assert [one.ok for one in heard] == [True, False]
    assert Code.RECORD_FOREIGN not in made.findings()
    assert "没有记入" in heard[1].words_zh


def test_what_is_said_of_a_session_later_goes_into_a_copy_of_it_and_of_no_other(tmp_path: Path) -> None:
    made = device(tmp_path)
    config = replace(made.config, rules=load_named("nongan"))

    def approve(room: Room) -> None:
        assert room.ask(Verb.APPROVE, actor="李四", ground="不得或者不宜采用音像记录", citation="第十条").ok

    def enforced(room: Room) -> None:
        first = next(one.common.session_id for one in entries(made) if one.common.session_id is not None)
        day = f"{datetime.fromtimestamp(room.clock.read().utc_ms / 1000, tz=UTC):%Y-%m-%d}"
        assert room.ask(Verb.CASE, session=first.hex(), stage="execution-ended", day=day, actor="王五").ok

    Room().record(config, play(2), withhold, play(5), end_withholding, play(2))
    Room().record(config, play(6), approve, enforced, play(2))
    ledger = ledger_of(made.spool)
    copies = [choose(ledger, (session,), frozenset()).records for session in ledger.sessions]
    of_late = {RecordLabel.APPROVAL, RecordLabel.GROUND}
    assert [of_late <= {ledger.labels[one] for one in named} for named in copies] == [True, False]
    case = next(one.body for one in entries(made) if isinstance(one.body, Case))
    assert [case.records[0][1] in named for named in copies] == [True, False]


def test_words_written_at_the_end_of_a_spoken_explanation_are_not_dropped_in_silence(tmp_path: Path) -> None:
    made, heard = device(tmp_path), list[Answer]()

    def explain(text: str) -> Callable[[Room], None]:
        return lambda room: heard.append(room.ask(Verb.EXPLAIN, actor="张三", text=text))

    Room().record(
        made.config,
        play(2),
        withhold,
        play(5),
        end_withholding,
        play(2),
        explain("停电"),
        lambda room: room.speak(),
        explain("再说一句"),
        explain(""),
        lambda room: room.speak(),
        explain(""),
    )
    assert [one.ok for one in heard] == [True] * 4
    assert "没有记入" in heard[1].words_zh
    assert "没有记入" not in heard[3].words_zh


def test_grounds_that_are_configured_are_the_only_ones(tmp_path: Path) -> None:
    by_law = {"actor": "李四", "ground": "法律法规规定", "citation": "《某法》第八条"}
    taken = withheld_in(
        device(tmp_path), 'withhold_grounds = ["国家秘密"]', by_law, {"actor": "李四", "ground": "国家秘密"}
    )
    assert taken == [False, True]


def test_only_somebody_on_the_configured_list_approves(tmp_path: Path) -> None:
    made, private = device(tmp_path), {"ground": "个人隐私"}
    taken = withheld_in(
        made,
        f"approvers = {json.dumps(['李四', '张三'], ensure_ascii=False)}",
        {"actor": "王五"} | private,
        {"actor": "张三"} | private,  # on the list, and the one who asked
        {"actor": "李四"} | private,
    )
    assert taken == [False, False, True]
    assert Code.WITHHELD_UNAPPROVED not in made.findings()
