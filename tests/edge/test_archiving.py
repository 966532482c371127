"""By when a case is archived: the rule books differ in unit and trigger, and each thing is said once (Jiaozuo 14)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from edge.archiving import DAY_MS, STAGE_OF, Told, archive_term, day_number, judge
from edge.config import Config
from edge.deadlines import Rule
from edge.profiles import load_named
from edge.profiles.terms import rule_of
from edge.requests import Role, Verb
from edge.working_days import is_working_day
from liuhen.kinds import Case, Event, Retention, Session
from liuhen.registry import CaseStage, EventCode, RecordLabel
from tests.edge import ports_room
from tests.edge.ports_room import Device, Room
from tests.edge.served import journal

UTC8_MS = 8 * 3_600_000
ENDED = date(2026, 9, 21)
"""A Monday; the mid-autumn and national holidays of 2026 lie in the thirty days after it."""


def rule(name: str) -> Rule:
    archive = load_named(name).archive
    assert archive is not None
    return rule_of(archive.limit, 480, (50, 90))


def due_day(name: str, ended: date, special: date | None = None) -> date:
    """The last day on which it is still in time."""
    term = archive_term(
        rule(name), day_number(ended), day_number(special) if special is not None else None, is_working_day
    )
    return date.fromordinal(date(1970, 1, 1).toordinal() + (term.due_ms + UTC8_MS) // DAY_MS - 1)


def test_thirty_working_days_and_thirty_days_run_from_different_events_to_different_days() -> None:
    assert STAGE_OF[load_named("jiaozuo").archive.limit.trigger] is CaseStage.ENFORCEMENT_ENDED  # type: ignore[union-attr]
    assert STAGE_OF[load_named("nongan").archive.limit.trigger] is CaseStage.EXECUTION_ENDED  # type: ignore[union-attr]
    assert due_day("nongan", ENDED) == date(2026, 10, 21)
    working = [ENDED]
    while len(working) <= 30:
        working.append(date.fromordinal(working[-1].toordinal() + 1))
        while is_working_day(working[-1]) is False:
            working[-1] = date.fromordinal(working[-1].toordinal() + 1)
    assert due_day("jiaozuo", ENDED) == working[-1]
    assert due_day("jiaozuo", ENDED) > date(2026, 11, 2)


def test_a_special_law_goes_before_the_rule_s_own_thirty_days() -> None:
    assert due_day("nongan", ENDED, special=date(2026, 12, 31)) == date(2026, 12, 31)


@pytest.mark.parametrize(
    ("day", "archived", "told", "said"),
    [
        (10, None, Told(), []),
        (16, None, Told(), [(EventCode.ARCHIVE_NEAR, 50)]),
        (16, None, Told(level=50), []),
        (28, None, Told(level=50), [(EventCode.ARCHIVE_NEAR, 90)]),
        (31, None, Told(level=90), [(EventCode.ARCHIVE_MISSED, 0)]),
        (40, None, Told(level=90, missed=True), []),
        (20, 20, Told(level=50), [(EventCode.ARCHIVE_MET, 10)]),
        (31, 30, Told(), [(EventCode.ARCHIVE_MET, 0)]),
        (33, 31, Told(), [(EventCode.ARCHIVE_MISSED, 1)]),
        (33, 33, Told(missed=True), []),
        (20, 20, Told(met=True), []),
    ],
)
def test_what_is_said_of_an_archiving_term(
    day: int, archived: int | None, told: Told, said: list[tuple[EventCode, int]]
) -> None:
    began = day_number(ENDED)
    term = archive_term(rule("nongan"), began, None)
    now = (began + day) * DAY_MS - UTC8_MS + 1000
    found = judge(rule("nongan"), term, (now, 0), None if archived is None else began + archived, told)
    assert [(code, measured[0]) for code, measured in found] == said


# -- in the room ------------------------------------------------------------------------------------------------------


Act = Callable[[Room], None]


@pytest.fixture
def made(tmp_path: Path) -> Device:
    """One session is over, under Nong'an's rules."""
    made = ports_room.device(tmp_path)
    made = replace(made, config=under(made.config, "nongan"))
    Room().record(made.config, lambda room: room.play(3))
    return made


def under(config: Config, name: str) -> Config:
    return replace(config, rules=load_named(name), profile=replace(config.profile, name=name))


def later(made: Device, days: float, *acts: Act, config: Config | None = None) -> Room:
    """Another run, so many days after the first one."""
    room = Room()
    room.clock.utc_offset_ms += int(days * DAY_MS)
    room.clock.boot_id = bytes([int(days) % 251, *range(1, 16)])
    room.record(config or made.config, lambda room: room.play(6), *acts, lambda room: room.play(12))
    return room


def session_id(made: Device) -> str:
    return next(one.common.session_id.hex() for one in journal(made) if isinstance(one.body, Session))  # type: ignore[union-attr]


def today(room: Room, ago: int = 0) -> str:
    utc_ms = room.clock.read().utc_ms + UTC8_MS
    return date.fromordinal(date(1970, 1, 1).toordinal() + utc_ms // DAY_MS - ago).isoformat()


def say(made: Device, stage: str, *, ago: int = 0, ok: bool = True, **said: Any) -> Act:
    def act(room: Room) -> None:
        answer = room.ask(Verb.CASE, session=session_id(made), stage=stage, day=today(room, ago), actor="张三", **said)
        assert answer.ok is ok, answer.words_en

    return act


def told(made: Device) -> list[EventCode]:
    found = [one.body for one in journal(made) if isinstance(one.body, Event)]
    return [EventCode(body.code) for body in found if EventCode(body.code).name.startswith("ARCHIVE_")]


@pytest.mark.long
def test_execution_ended_starts_the_clock_levels_come_once_and_a_missed_one_is_signed(made: Device) -> None:
    later(made, 1, say(made, "execution-ended"))
    assert told(made) == []
    ((case, body),) = [(one, one.body) for one in journal(made) if isinstance(one.body, Case)]
    assert case.common.session_id is None
    assert body.stage == CaseStage.EXECUTION_ENDED
    assert [label for label, _ in body.records] == [RecordLabel.PERSONS], "who said so is a record"
    later(made, 17)
    later(made, 18)
    assert told(made) == [EventCode.ARCHIVE_NEAR]
    room = later(made, 40)
    assert told(made) == [EventCode.ARCHIVE_NEAR, EventCode.ARCHIVE_MISSED]
    missed = [one.body for one in journal(made) if isinstance(one.body, Event)][-1]
    assert missed.refers_to == case.common.seq
    assert any("未在规定期限内归档" in words for words in room.onlooker.words)
    later(made, 50, say(made, "archived"))
    assert told(made) == [EventCode.ARCHIVE_NEAR, EventCode.ARCHIVE_MISSED], "archived after all, it stays missed"
    assert made.findings() == []


@pytest.mark.long
def test_what_is_archived_in_time_is_said_to_be(made: Device) -> None:
    later(made, 1, say(made, "execution-ended"))
    later(made, 10, say(made, "archived"))
    later(made, 60)
    assert told(made) == [EventCode.ARCHIVE_NEAR, EventCode.ARCHIVE_MET]


@pytest.mark.long
def test_the_end_of_enforcement_starts_nothing_where_the_rule_counts_from_that_of_execution(made: Device) -> None:
    later(made, 1, say(made, "enforcement-ended"))
    later(made, 90)
    assert told(made) == []


@pytest.mark.long
def test_under_jiaozuo_it_starts_the_thirty_working_days(tmp_path: Path) -> None:
    made = ports_room.device(tmp_path)
    made = replace(made, config=under(made.config, "jiaozuo"))
    Room().record(made.config, lambda room: room.play(3))
    later(made, 1, say(made, "enforcement-ended"))
    later(made, 35)
    assert EventCode.ARCHIVE_MISSED not in told(made), "thirty days are over, thirty working days are not"
    later(made, 60)
    assert told(made)[-1] is EventCode.ARCHIVE_MISSED


@pytest.mark.long
def test_a_day_before_the_session_was_recorded_is_taken_and_told(made: Device) -> None:
    heard: list[str] = []

    def say_it(ago: int) -> Act:
        def act(room: Room) -> None:
            day = today(room, ago)
            answer = room.ask(Verb.CASE, session=session_id(made), stage="execution-ended", day=day, actor="张三")
            heard.append(answer.words_zh)

        return act

    later(made, 2, say_it(3), say_it(0))
    assert "早于本场次录制之日" in heard[0]
    assert "注意" not in heard[1]


@pytest.mark.long
def test_a_special_law_sets_another_last_day_where_the_rules_let_it(made: Device) -> None:
    special: dict[str, Any] = {"due": "2027-06-30", "text": "《××条例》第九条"}
    later(made, 1, say(made, "execution-ended", **special))
    later(made, 60)
    assert told(made) == []
    jiaozuo = under(made.config, "jiaozuo")
    later(made, 61, say(made, "enforcement-ended", ok=False, **special), config=jiaozuo)


@pytest.mark.long
def test_what_cannot_be_is_refused_and_writes_nothing(made: Device) -> None:
    def ask(**said: Any) -> Act:
        def act(room: Room) -> None:
            fields: dict[str, Any] = {
                "session": session_id(made),
                "stage": "archived",
                "day": today(room),
                "actor": "张三",
            } | said
            assert not room.ask(Verb.CASE, **fields).ok

        return act

    def by_the_offload_process(room: Room) -> None:
        fields: dict[str, Any] = {"session": session_id(made), "stage": "archived", "day": today(room), "actor": "张三"}
        assert not room.ask(Verb.CASE, Role.OFFLOAD, **fields).ok

    tomorrow = "2099-01-01"
    later(
        made,
        1,
        ask(day=tomorrow),
        ask(day="昨天"),
        ask(day="2026-W01-1"),
        ask(day="2026-9-1"),
        ask(stage="finished"),
        ask(session="0" * 32),
        ask(stage="execution-ended", due="2026-12-31"),
        ask(stage="archived", due="2026-12-31", text="《××条例》"),
        by_the_offload_process,
    )
    assert [one for one in journal(made) if isinstance(one.body, Case)] == []


@pytest.mark.long
def test_the_term_of_keeping_starts_with_the_archiving_where_it_counts_from_that(made: Device) -> None:
    retention = replace(made.config.retention, floor_days=365, counts_from="archive", basis="case_file")
    config = replace(made.config, retention=retention)
    later(made, 1, say(made, "execution-ended"), config=config)
    assert [one for one in journal(made) if isinstance(one.body, Retention)] == []
    later(made, 9, say(made, "archived", ago=2), config=config)
    (term,) = [one.body for one in journal(made) if isinstance(one.body, Retention)]
    archived = next(one.body.day for one in journal(made) if isinstance(one.body, Case) and one.body.stage == 3)
    assert term.until_ms == (archived + 1 + 365) * DAY_MS - UTC8_MS


@pytest.mark.long
def test_where_no_rule_knows_a_term_there_is_nothing_to_write(tmp_path: Path) -> None:
    made = ports_room.device(tmp_path)
    Room().record(made.config, lambda room: room.play(3))
    later(made, 1, say(made, "archived", ok=False))
    assert not (made.spool / "device" / "holdings.sqlite3").exists()
