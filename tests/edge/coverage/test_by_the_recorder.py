"""One scripted hearing through the real recorder in a virtual room, and its report under each of the six rule books."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from edge.coverage.as_text import to_text
from edge.coverage.decide import decide
from edge.coverage.facts import Facts
from edge.coverage.reading import facts_of
from edge.coverage.values import Outcome, Status, Topic
from edge.header import SessionHeader, merged
from edge.requests import MarkKind, Verb
from edge.statement_draft import draft_of
from liuhen import keys
from liuhen.kinds import Gap
from tests.edge.coverage.a_hearing import due, item, load_named, outcome, told
from tests.edge.keeping_room import DAY_MS, Person
from tests.edge.ports_room import UTC_MS, Device, Room, device
from tests.edge.test_header import FULL
from tests.edge.test_hearing import ARRIVED_AND_TOLD, BY_THE_BOOK, ask, entries, head, mark, play, stop
from tests.edge.test_keeping_commands import order, term_over

pytestmark = pytest.mark.long

STEPS = 8
ZEZHOU = merged(FULL, SessionHeader(matter="24"))


def facts(made: Device, now_ms: int = UTC_MS) -> Facts:
    trust = keys.parse_trust(made.trust_file.read_bytes(), where="trust file")
    return facts_of(made.spool, None, trust=trust, now_ms=now_ms)


@pytest.fixture(scope="module")
def hearing(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """One unbroken recording: a clerk follows Zezhou's list from before the hearing to the signed transcript."""
    made, room = device(tmp_path_factory.mktemp("hearing")), Room()
    steps = [act for number in range(1, STEPS + 1) for act in (mark(MarkKind.STEP, number), play(1))]
    room.record(
        replace(made.config, rules=load_named("zezhou")),
        play(1),
        head(ZEZHOU),
        *ARRIVED_AND_TOLD,
        play(1),
        *steps,
        ask(Verb.ATTACH, text="听证笔录 第 7 号"),
        play(1),
        stop(actor="周八"),
    )
    return facts(made)


@pytest.mark.parametrize(
    ("profile", "covered"),
    [
        ("zezhou", {*map(str, range(24, 32))}),
        ("province", {*map(str, range(18, 26))}),
        ("xinhua", {"15"}),
        ("jiaozuo", {"附件3-监督检查-1", "第七条末款-执法办案场所"}),
        ("nongan", {"第十四条"}),
        ("neutral", set[str]()),
    ],
)
def test_one_recording_satisfies_one_start_stop_each_step_and_the_whole_hearing(
    hearing: Facts, profile: str, covered: set[str]
) -> None:
    report = decide(hearing, load_named(profile), load_named("zezhou"))
    assert {one.no: one.status for one in report.items} == dict.fromkeys(covered, Status.COVERED)
    assert (report.interruptions, report.late, report.degraded) == ((), (), ())
    assert report.verified.intact
    assert outcome(report, Topic.SIGNING) is Outcome.MET
    assert outcome(report, Topic.STEPS) is Outcome.MET
    assert len(report.steps) == STEPS


def test_notice_and_place_are_met_where_a_rule_book_asks_for_them(hearing: Facts) -> None:
    report = decide(hearing, load_named("jiaozuo"), load_named("zezhou"))
    assert outcome(report, Topic.NOTICE) is outcome(report, Topic.PLACE) is outcome(report, Topic.HEADER) is Outcome.MET


def test_each_mark_stands_where_the_film_shows_its_moment(hearing: Facts) -> None:
    report = decide(hearing, load_named("zezhou"), load_named("zezhou"))
    places = [one.marks[0].where for one in report.items]
    offsets = [place.segment * 10_000 + place.offset_ms for place in places if place is not None]
    assert len(offsets) == STEPS
    for one, following in itertools.pairwise(offsets):
        assert abs(following - one - 1000) < 100, "a second of hearing lies between two steps"
    assert all(place is not None and place.frame_index is not None for place in places)


def test_what_was_destroyed_after_its_term_is_told_by_the_entry_that_ordered_it(tmp_path: Path) -> None:
    person, room = Person(tmp_path), Room()
    room.record(person.device.config, play(1), head(BY_THE_BOOK), mark(MarkKind.STEP, 1), play(12), stop(text="演练"))
    term_over(person)
    assert person.acts("destroy", "--session", "1", "--basis-file", order(person)) == 0
    found = facts(person.device, now_ms=UTC_MS + int((person.days + 1) * DAY_MS))
    report = decide(found, load_named("neutral"), load_named("neutral"))
    assert report.verified.intact, report.verified.broken
    (entry,) = set(found.destroyed.values())
    assert {one.state.zh for one in report.header} == {f"内容已由第 {entry} 号条目销毁"}
    assert any(f"录像内容已由第 {entry} 号条目销毁" in one.zh for one in report.warnings)
    text = to_text(report)
    assert "张三" not in text
    assert f"content destroyed by entry {entry}" in text


def test_a_clerk_who_forgets_a_step_and_stops_early_finds_both_in_the_report(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def late(living: Room) -> None:
        meant_ms = living.clock.read().utc_ms - 2000
        assert living.ask(Verb.MARK, kind=MarkKind.STEP, step=2, at_ms=meant_ms).ok

    room.record(
        replace(made.config, rules=load_named("zezhou")),
        play(1),
        head(ZEZHOU),
        mark(MarkKind.STEP, 1),
        play(4),
        late,
        *(act for number in range(3, STEPS) for act in (mark(MarkKind.STEP, number), play(0.5))),
        stop(actor="周八", text="当事人拒绝签字并离场"),
    )
    report = decide(facts(made), load_named("zezhou"), load_named("zezhou"))
    assert item(report, "25").status is Status.BY_LATE_MARK
    assert item(report, "31").status is Status.NOT_COVERED
    (why,) = (fact.shown for fact in due(report, Topic.SIGNING).facts if fact.shown is not None)
    assert why.text == "当事人拒绝签字并离场"


def test_a_hearing_given_up_while_withheld_has_its_true_end_and_no_clerk_owes_a_reason(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def give_up(room: Room) -> None:
        assert "尚未恢复录制" in draft_of(made.spool, gap_of(made), room="第一听证室", zone=UTC)
        assert room.ask(
            Verb.CANNOT_RESUME, actor="张三", text="断线", reported_to="王主任", reported_at="2026-09-21 21:30"
        ).ok

    room.record(
        made.config,
        play(1),
        head(BY_THE_BOOK),
        mark(MarkKind.STEP, 1),
        play(2),
        ask(Verb.WITHHOLD, actor="张三"),
        play(25),
        give_up,
    )
    report = decide(facts(made), load_named("zezhou"), None)
    ended = due(report, Topic.STEPS)
    assert ended.outcome is Outcome.NOT_MET
    assert "结束的原因：不得记录，未能恢复录制" in told(ended)
    assert "没有说明理由" not in told(ended) + told(due(report, Topic.SIGNING))
    assert "至 未见解除：" in told(due(report, Topic.WITHHELD))
    (gap,) = item(report, "24").interruptions
    assert gap.length_ms[0] > 15_000, "the hearing lost this much, though no film shows its end"
    drafted = draft_of(made.spool, gap.entry, room="第一听证室", zone=UTC)
    assert "（未能恢复录制）" in drafted
    assert "不得记录（日志第" in drafted
    assert "inhibition" not in drafted


def gap_of(made: Device) -> int:
    return next(one.common.seq for one in entries(made) if isinstance(one.body, Gap))
