"""`liuhen ctl` against a recorder that records: each verb over the real socket, and nobody there."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent import futures
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from edge.__main__ import main
from edge.app import Start
from edge.commands.ctl import FIELDS
from edge.commands.session import ASKING as VERBS
from edge.control import listen
from edge.control_words import status_lines
from edge.journal import entries_of
from edge.ports import FaultKind, HardwareFault
from edge.requests import RIGHTS, Role, Verb
from edge.sensors.settings import Ups
from edge.settings_control import Control
from edge.statement_draft import Facts, draft, draft_of
from edge.station import serve
from edge.surroundings import Surroundings
from liuhen.kinds import Amend, Duty, Gap, Maintenance, Mark, Refusal
from liuhen.registry import DutyAct, DutyCode, GapCause, MarkCode
from tests.edge.ports_room import Device, Room, device

TURNS = 2000
REPORTED = {"reported_to": "王主任", "reported_at": "2026-09-21 21:30"}


def control(folder: Path) -> Surroundings:
    settings = Control(socket=folder / "control")
    return Surroundings(control=lambda post: listen(settings, post, lambda zh, en: None))


def ctl(folder: Path, *words: str, **said: str) -> int:
    """The command, with what the person says beside it in a file."""
    beside: tuple[str, ...] = ()
    if said:
        (folder / "said").write_text(json.dumps(said, ensure_ascii=False))
        beside = ("--from", str(folder / "said"))
    return main(["ctl", *words, *beside, "--socket", str(folder / "control")])


def asking(folder: Path, *words: str, code: int = 0, **said: str) -> Callable[[Room], None]:
    """The command in a thread of its own, while the room lives on."""

    def act(room: Room) -> None:
        with futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(ctl, folder, *words, **said)
            for _ in range(TURNS):
                room.play(0.05)
                if futures.wait([asked], timeout=0.02).done:
                    break
            assert asked.result(timeout=1) == code, words

    return act


def bodies(made: Device, kind: type) -> list:  # type: ignore[type-arg]
    every = [one for path in made.journal_files() for one in entries_of(path)]
    return [one.body for one in every if isinstance(one.body, kind)]


def play(seconds: float) -> Callable[[Room], None]:
    return lambda room: room.play(seconds)


def test_every_verb_reaches_the_recorder_and_does_its_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, room = device(tmp_path), Room()

    def ask(*words: str, code: int = 0, **said: str) -> Callable[[Room], None]:
        return asking(tmp_path, *words, code=code, **said)

    ended = room.record(
        made.config,
        play(2),
        ask("mark", text="证物出示"),
        ask("mark", "--step", "3"),
        ask("consent", text="当事人同意录制", actor="张三"),
        ask("maintenance", text="擦拭镜头", actor="张三"),
        ask("withhold", actor="张三", text="涉及个人隐私"),
        play(5),
        ask("approve", actor="张三", ground="个人隐私", code=1),
        ask("approve", actor="李四", ground="个人隐私"),
        ask("resume", actor="李四"),
        play(2),
        ask("explain", actor="张三"),
        lambda r: r.speak(),
        ask("explain"),
        ask("explain", "--cause", "other", actor="张三"),
        ask("cannot-resume", code=1, actor="张三", **REPORTED),
        ask("start"),
        ask("stop", code=2),
        ask("stop", "--yes", actor="张三", text="听证完毕"),
        surroundings=control(tmp_path),
    )
    assert ended.clean
    codes = [mark.code for mark in bodies(made, Mark)]
    assert {MarkCode.KEY_MOMENT, MarkCode.STEP, MarkCode.CONSENT, MarkCode.SPOKEN_EXPLANATION} <= set(codes)
    assert len(bodies(made, Maintenance)) == 1
    assert [amend.cause for amend in bodies(made, Amend) if amend.cause] == [GapCause.OTHER]
    err = capsys.readouterr().err
    assert "批准人不能是提出人本人" in err
    assert "没有确认" in err or "--yes" in err


def test_status_is_readable_and_as_json_it_is_the_facts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, room = device(tmp_path), Room()
    room.record(
        made.config,
        play(2),
        asking(tmp_path, "status"),
        asking(tmp_path, "status", "--json"),
        surroundings=control(tmp_path),
    )
    shown, _, last = capsys.readouterr().out.rstrip("\n").rpartition("\n")
    assert "● 录制中" in shown
    assert "还可录" in shown
    assert json.loads(last)["ordinal"] == 1


def test_a_report_discharges_the_duty_of_a_refused_start_once_and_a_statement_needs_its_paper(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    assert room.camera is not None
    room.camera.refuses_open = HardwareFault(
        device="camera", kind=FaultKind.ABSENT, what="no camera", remedy_zh="接上", remedy_en="plug it in"
    )
    stop = threading.Event()
    served = _serving(made, room, stop, tmp_path)
    try:
        assert _when_it_answers(tmp_path) == 0
        assert ctl(tmp_path, "start") == 1
        refused = next(one for one in _entries(made) if isinstance(one.body, Refusal)).common.seq
        words = ("statement", str(refused))
        assert ctl(tmp_path, *words, actor="张三") == 1
        assert ctl(tmp_path, *words, actor="张三", **REPORTED) == 0
        assert ctl(tmp_path, *words, actor="张三", **REPORTED) == 1
        assert ctl(tmp_path, "statement", str(refused), "--file", str(tmp_path / "missing"), actor="张三") == 2
        assert len([one for one in _entries(made) if isinstance(one.body, Refusal)]) == 1
    finally:
        stop.set()
        assert served.result(timeout=60) == 0
    discharged = [duty.code for duty in bodies(made, Duty) if duty.act == DutyAct.DISCHARGED]
    assert discharged == [DutyCode.REPORT]


def test_a_signed_statement_is_kept_and_discharges_its_duty(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    paper = tmp_path / "signed.pdf"
    paper.write_bytes(b"%PDF signed")
    room.record(
        made.config,
        play(2),
        asking(tmp_path, "withhold", actor="张三"),
        play(6),
        asking(tmp_path, "cannot-resume", code=0, actor="张三", **REPORTED),
        surroundings=control(tmp_path),
    )
    owed = next(
        one.common.seq
        for one in _entries(made)
        if isinstance(one.body, Duty) and one.body.code == DutyCode.WRITTEN_STATEMENT
    )
    stop = threading.Event()
    served = _serving(made, room, stop, tmp_path)
    try:
        assert _when_it_answers(tmp_path) == 0
        assert ctl(tmp_path, "statement", str(owed), actor="张三") == 1
        assert ctl(tmp_path, "statement", str(owed), "--file", str(paper), actor="张三") == 0
        assert ctl(tmp_path, "statement", str(owed), "--file", str(paper), actor="张三") == 1
    finally:
        stop.set()
        assert served.result(timeout=60) == 0
    acts = [(duty.code, duty.act) for duty in bodies(made, Duty)]
    assert (DutyCode.WRITTEN_STATEMENT, DutyAct.DISCHARGED) in acts
    contents = [path.read_bytes() for path in (made.spool / "records").glob("*.record")]
    assert any(content.endswith(b"%PDF signed") for content in contents)


def test_a_session_is_begun_by_ctl_start_while_the_recorder_is_idle(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    stop, over = threading.Event(), threading.Event()

    def until_asked_to_stop(living: Room) -> None:
        for _ in range(TURNS):
            living.play(0.05)
            if over.wait(0.02):
                return

    served = _serving(made, room, stop, tmp_path, until_asked_to_stop)
    try:
        assert _when_it_answers(tmp_path) == 0
        assert ctl(tmp_path, "start") == 0
        assert ctl(tmp_path, "start") == 0
        assert ctl(tmp_path, "stop", "--yes") == 0
    finally:
        over.set()
        stop.set()
        assert served.result(timeout=60) == 0
    assert made.segments()


def _entries(made: Device) -> list:  # type: ignore[type-arg]
    return [one for path in made.journal_files() for one in entries_of(path)]


def _serving(
    made: Device, room: Room, stop: threading.Event, folder: Path, *acts: Callable[[Room], None]
) -> futures.Future[int]:
    start = Start(
        surroundings=control(folder),
        config=made.config,
        hardware=room.hardware(),
        watcher=room.onlooker,
        stop=stop,
        conduct=lambda stage: room._conduct(stage, acts),
        service=True,
    )
    return futures.ThreadPoolExecutor(1).submit(serve, start)


def _when_it_answers(folder: Path) -> int:
    """The first answer of a recorder that is starting."""
    waiting = threading.Event()
    for _ in range(300):
        if (folder / "control").exists():
            return ctl(folder, "status")
        waiting.wait(0.1)
    return 6


def test_where_no_recorder_answers_ctl_says_so_with_a_code_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ctl(tmp_path, "status") == 6
    assert "录制程序没有应答" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["ctl"], ["ctl", "reset"], ["ctl", "mark", "--step", "x"]])
def test_a_command_that_is_none_is_a_matter_of_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(words)
    assert exit_.value.code == 2


_OWN_WORDS = {Verb.VISIT_BEGIN, Verb.VISIT_END, Verb.CASE, Verb.SCHEDULE}
"""These are liuhen visit, liuhen case and liuhen schedule."""


def test_every_verb_has_its_command_and_no_role_but_the_operators_has_all() -> None:
    for command in ([*(["ctl", verb.value] for verb in FIELDS)], [*(["session", name] for name in VERBS)]):
        for words in command:
            with pytest.raises(SystemExit) as exit_:
                main([*words, "--help"])
            assert exit_.value.code == 0
    assert {*FIELDS, *VERBS.values()} == set(Verb) - _OWN_WORDS
    assert [role for role in Role if RIGHTS[role] == frozenset(Verb)] == [Role.OPERATOR]


def test_what_is_owed_is_told_with_what_to_do_next() -> None:
    lines = "\n".join(
        status_lines(
            {"mode": "lost", "unexplained": [12], "duties": [[14, 2, 12], [15, 99, 12]], "to_approve": True}
            | {"guard": "lost", "power": {"state": "ON_BATTERY", "minutes_left": 9}, "warnings": ["磁盘将满"]}
        )
    )
    for words in (
        "没有在录",
        "liuhen ctl explain",
        "书面说明",
        "liuhen ctl statement 12",
        "失联",
        "9 分钟",
        "磁盘将满",
    ):
        assert words in lines
    assert "liuhen ctl" not in "\n".join(status_lines({"mode": "ready"}))


DRAFT = """\
中止情况书面说明
（草稿：由录音录像设备按日志填写，请核对后签字）

听证室：第一听证室
场次：3    日志条目：第 12 条
中止内容：画面和声音
中止起止：2026-11-28 02:00:00 至 2026-11-28 02:01:30（已恢复录制）
中止时长：0 小时 1 分 31 秒以内
中止原因：电量不足
设备记录的依据：
  2026-11-28 01:59:59 电池电量低
向部门负责人报告的情况：
  报告人 张三
  部门负责人 王主任

情况说明：
＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿
＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿
＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿＿

记录人（签字）：＿＿＿＿＿＿＿＿    日期：＿＿＿＿＿＿＿＿
部门负责人（签字）：＿＿＿＿＿＿＿＿    日期：＿＿＿＿＿＿＿＿"""


def test_a_draft_is_filled_with_what_the_journal_says() -> None:
    began_ms = 1_795_831_200_000
    facts = Facts(
        gap=12,
        room="第一听证室",
        ordinal=3,
        stream=None,
        cause=GapCause.POWER_LOW,
        began_ms=began_ms,
        ended_ms=began_ms + 90_000,
        longest_ns=90_500_000_000,
        resumed=True,
        evidence=((began_ms - 1000, "电池电量低"),),
        report=("报告人 张三", "部门负责人 王主任"),
    )
    assert draft(facts, UTC) == DRAFT
    unknown = draft(replace(facts, ended_ms=None, longest_ns=None, resumed=False, evidence=(), report=()), UTC)
    assert "尚未结束" in unknown
    assert "报告对象：＿" in unknown


def test_a_draft_is_made_from_a_spool_and_of_a_gap_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, room = device(tmp_path), Room()
    room.record(
        made.config,
        play(2),
        asking(tmp_path, "withhold", actor="张三"),
        play(6),
        asking(tmp_path, "resume", actor="李四"),
        play(2),
        surroundings=control(tmp_path),
    )
    gap = next(one.common.seq for one in _entries(made) if isinstance(one.body, Gap))
    assert "中止原因：不得记录" in draft_of(made.spool, gap, room="第一听证室", zone=UTC)
    capsys.readouterr()
    assert main(["ctl", "statement", "--draft", str(gap), "--spool", str(made.spool)]) == 0
    assert "场次：1" in capsys.readouterr().out
    assert main(["ctl", "statement", "--draft", "0", "--spool", str(made.spool)]) == 2
    assert "不是中止" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ("未装不间断电源", "联锁 interlock：未装")),
        ({"ups": Ups(kind="megatec")}, ("没有读数", "联锁 interlock：未装")),
    ],
)
def test_what_was_never_fitted_is_not_told_as_silent(
    tmp_path: Path, change: dict[str, Any], words: tuple[str, ...]
) -> None:
    """A clerk who reads 没有消息 of an interlock that the room does not have looks for a fault that is none."""
    made, room = device(tmp_path), Room()
    seen: list[Any] = []
    room.record(replace(made.config, **change), lambda living: seen.append(living.ask(Verb.STATUS).facts))
    told = "\n".join(status_lines(seen[0]))
    for one in words:
        assert one in told
