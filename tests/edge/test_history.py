"""`liuhen doctor --history`: what an inspection asks for, from the journal alone, in the configured zone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from edge.__main__ import main
from edge.history import Line, history
from edge.journal import entries_of
from edge.ports import Stream
from edge.record_text import record_text
from edge.requests import Verb
from liuhen.entry import Entry
from liuhen.kinds import Amend, Duty, Gap, GapEnd
from liuhen.registry import DutyAct, DutyCode, GapCause
from tests.edge.ports_room import START_NS, UTC_MS, Device, Room, device

BEIJING = timezone(timedelta(hours=8))
DAY_MS = 86_400_000
REPORTED: dict[str, Any] = {"reported_to": "王主任", "reported_at": "21:30"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Months:
    """A log with maintenance, a gap that ended and was amended, a report that was given, and what is owed."""

    made: Device
    entries: list[Entry]

    def told(self, since_ms: int = UTC_MS, zone: timezone = BEIJING) -> list[Line]:
        return history(self.entries, since_ms=since_ms, zone=zone, text=lambda one: record_text(self.made.spool, one))

    def words(self, kind: str) -> list[str]:
        return [line.words for line in self.told() if line.kind == kind]

    def seqs(self, kind: type) -> list[int]:
        return [one.common.seq for one in self.entries if isinstance(one.body, kind)]


def wall_clock(boottime_ns: int, zone: timezone = BEIJING) -> str:
    """What hangs on the wall there: the room's UTC runs with its BOOTTIME."""
    utc_ms = UTC_MS + (boottime_ns - START_NS) // 1_000_000
    return f"{datetime.fromtimestamp(utc_ms / 1000, zone):%Y-%m-%d %H:%M:%S}"


def first(entries: list[Entry], kind: type[Any]) -> Any:
    """The body of the first entry of this kind."""
    return next(one.body for one in entries if isinstance(one.body, kind))


def asked(verb: Verb, **said: Any) -> Callable[[Room], None]:
    def act(room: Room) -> None:
        answer = room.ask(verb, **said)
        assert answer.ok, answer.words_zh

    return act


def play(seconds: float) -> Callable[[Room], None]:
    return lambda room: room.play(seconds)


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> Months:
    made, room = device(tmp_path_factory.mktemp("months")), Room()
    room.record(
        made.config,
        play(2.4),
        asked(Verb.MAINTENANCE, actor="张三", text="擦拭镜头\n更换线缆"),
        asked(Verb.WITHHOLD, actor="张三"),
        play(5),
        asked(Verb.RESUME, actor="李四"),
        play(2),
        asked(Verb.EXPLAIN, actor="王五", cause=GapCause.OBSTRUCTED, text="有人遮挡"),
        lambda room: room.lose(Stream.SOUND),
        play(1),
    )
    return Months(made=made, entries=entries(made))


def entries(made: Device) -> list[Entry]:
    return [one for path in made.journal_files() for one in entries_of(path)]


def test_maintenance_is_told_with_what_was_done_and_by_whom(months: Months) -> None:
    assert months.words("maintenance") == [
        "维护 maintenance：其他维护 other maintenance；擦拭镜头；更换线缆；人员 person 张三"
    ]


def test_maintenance_whose_record_is_not_here_says_so(months: Months) -> None:
    told = history(months.entries, since_ms=UTC_MS, zone=BEIJING, text=lambda _: None)
    (words,) = (line.words for line in told if line.kind == "maintenance")
    assert words.count("内容不在此处") == 2


def test_a_gap_is_told_once_with_its_bounds_its_cause_and_who_amended_it_by_which_entry(months: Months) -> None:
    withheld, sound = (line for line in months.told() if line.kind == "gap")
    began, ended = first(months.entries, Gap), first(months.entries, GapEnd)
    (amend,) = months.seqs(Amend)
    assert withheld.gap is not None
    assert (withheld.gap.cause, withheld.gap.first_cause, withheld.gap.amended_by) == (
        "现场人员阻挠 obstructed by persons present",
        "不得记录 recording forbidden",
        amend,
    )
    assert withheld.gap.ended_utc_ms is not None
    assert withheld.gap.began_utc_ms is not None
    assert withheld.gap.ended_utc_ms - withheld.gap.began_utc_ms == pytest.approx(ended.length_ns[0] / 1e6, abs=2)
    assert withheld.words == (
        f"中止 gap：现场人员阻挠 obstructed by persons present（原记 first said 不得记录 recording forbidden；"
        f"第 {amend} 条更正 amended by entry {amend}；有人遮挡；人员 person 王五）；画面和声音 picture and sound；"
        f"{wall_clock(began.since[1])} 至 to {wall_clock(ended.until[1])}"
    )
    assert sound.words.startswith("中止 gap：设备故障 device fault；声音 sound；2026-09-21 22:13:2")
    assert sound.words.endswith("（未恢复 not resumed）")


def test_a_gap_without_its_end_is_told_as_not_ended_however_old_it_is(months: Months) -> None:
    first_end = next(number for number, one in enumerate(months.entries) if isinstance(one.body, GapEnd))
    cut = Months(made=months.made, entries=months.entries[:first_end])
    for since_ms in (UTC_MS, UTC_MS + DAY_MS):
        (gap,) = (line for line in cut.told(since_ms) if line.kind == "gap")
        assert gap.words.endswith(f"{wall_clock(first(cut.entries, Gap).since[1])} 至 to 未结束 not ended")
        assert gap.gap is not None
        assert (gap.gap.ended, gap.gap.ended_utc_ms) == (False, None)


def test_duties_are_told_with_what_was_given_and_what_is_owed(months: Months, tmp_path: Path) -> None:
    duties = [one for one in months.entries if isinstance(one.body, Duty)]
    assert [duty.body.code for duty in duties if isinstance(duty.body, Duty)] == [
        DutyCode.REPORT,
        DutyCode.WRITTEN_STATEMENT,
    ]
    about = months.seqs(Gap)[1]
    assert months.words("duty") == [
        f"义务产生 duty opened：{name}（关于第 {about} 条）；尚未履行 STILL OWED"
        for name in ("向部门负责人报告 report to the department head", "书面说明 written statement")
    ]
    made, room = device(tmp_path), Room()
    room.record(
        made.config,
        play(1),
        asked(Verb.WITHHOLD, actor="张三"),
        play(5),
        asked(Verb.CANNOT_RESUME, actor="张三", **REPORTED),
    )
    given = Months(made=made, entries=entries(made))
    opened, discharged = (
        next(one.common.seq for one in given.entries if isinstance(one.body, Duty) and one.body.act == act)
        for act in (DutyAct.OPENED, DutyAct.DISCHARGED)
    )
    told = "\n".join(given.words("duty"))
    assert f"第 {discharged} 条已履行 discharged by entry {discharged}" in told
    assert (
        f"义务已履行 duty discharged：向部门负责人报告 report to the department head（第 {opened} 条）；"
        "报告人 张三；部门负责人 王主任；时间 2026-09-21 21:30 +08:00" in told
    )


def test_what_is_over_is_left_out_when_it_is_older_and_what_is_owed_is_not(months: Months) -> None:
    told = months.told(UTC_MS + DAY_MS)
    assert [line.kind for line in told] == ["duty", "duty"]


@pytest.mark.parametrize("machine", ["UTC", "Asia/Shanghai", "America/New_York"])
def test_every_time_is_that_of_the_configured_offset_whatever_the_machine_is_set_to(
    months: Months, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    config = tmp_path / "device.toml"
    config.write_text("[device]\nutc_offset_minutes = -150\n")
    words = ["doctor", "--history", "3660d", "--spool", str(months.made.spool), "--config", str(config)]
    with monkeypatch.context() as patch:
        patch.setenv("TZ", machine)
        time.tzset()
        assert main(words) == 0
        shown = capsys.readouterr().out
        assert main([*words, "--json"]) == 0
    time.tzset()
    lines = shown.splitlines()
    assert lines[0] == "时间均为 times are UTC-02:30"
    (maintained,) = (line for line in lines if "维护" in line)
    assert maintained.startswith("2026-09-21 11:43:22  第 ")
    here = timezone(timedelta(minutes=-150))
    began, ended = first(months.entries, Gap).since[1], first(months.entries, GapEnd).until[1]
    assert f"；{wall_clock(began, here)} 至 to {wall_clock(ended, here)}" in shown
    told = json.loads(capsys.readouterr().out)
    assert [one["kind"] for one in told] == [line.kind for line in months.told()]
    assert next(one["at"] for one in told if one["kind"] == "maintenance") == "2026-09-21T11:43:22-02:30"


def test_days_are_written_as_a_number_and_a_d() -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["doctor", "--history", "soon"])
    assert exit_.value.code == 2
