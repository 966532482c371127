"""Media of an always-on room outside its visits: nobody copies it without an approval, and it has a term of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.__main__ import main
from edge.commands.visits import days_of
from edge.outside_visits import STRICTEST, outside_of, rules_of
from edge.profiles import load_named
from edge.profiles.schema import AccessClass
from edge.requests import Verb
from liuhen.kinds import Session
from liuhen.visits import Day
from tests.edge import ports_room
from tests.edge.ports_room import Device, Room
from tests.edge.served import journal
from tests.edge.test_desk_visits import NEXT_BOOT, always_on, begin, end, hear_the_notice, play

pytestmark = pytest.mark.long


@pytest.fixture
def made(tmp_path: Path) -> Device:
    """A day in short segments: two visits with something before, between and after them."""
    made = always_on(ports_room.device(tmp_path))
    made = replace(made, config=replace(made.config, segment=replace(made.config.segment, seconds=10)))
    Room().record(
        made.config,
        play(12),
        begin("A001", actor="张三", text="补正材料"),
        hear_the_notice,
        play(5),
        end,
        play(25),
        begin("A002", actor="李四"),
        hear_the_notice,
        play(5),
        end,
        play(25),
    )
    return made


def day(made: Device) -> Day:
    (only,) = days_of(made.spool)
    return only


def copied(target: Path) -> list[int]:
    return sorted(int(path.stem) for path in target.glob("sessions/*/*.mp4"))


def test_the_rules_of_the_day_say_who_may_see_it_and_how_long_it_is_kept(made: Device) -> None:
    jiaozuo = load_named("jiaozuo")
    assert rules_of(jiaozuo.digest) == jiaozuo.outside_visits
    assert rules_of(bytes(32)) == STRICTEST, "rules that are not known here close it"
    assert rules_of(None) == load_named("neutral").outside_visits, "a session that names no rules"
    over = day(made)
    outside = outside_of(over)
    assert outside is not None
    assert over.ended_utc_ms is not None
    assert outside.needs_approval is (load_named("neutral").outside_visits.access is AccessClass.CLOSED)
    assert outside.kept_until_ms == over.ended_utc_ms + 30 * 24 * 3600 * 1000, "thirty days after the day's end"
    for other in (replace(over, ended=False, ended_utc_ms=None), replace(over, profile_hash=bytes(32))):
        open_or_unknown = outside_of(other)
        assert open_or_unknown is not None
        assert open_or_unknown.needs_approval
        assert open_or_unknown.kept_until_ms is None


def test_a_copy_with_media_outside_visits_is_refused_without_an_approval(
    made: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(made.spool), str(tmp_path / "copy")]) == 7
    assert "须经批准" in capsys.readouterr().err
    assert not (tmp_path / "copy").exists(), "nothing was copied"
    approval = tmp_path / "approval"
    approval.write_text("分管领导王五同意，核实投诉", encoding="utf-8")
    assert main(["export", str(made.spool), str(tmp_path / "copy"), "--approval-file", str(approval)]) == 0
    assert (tmp_path / "copy" / "approval.txt").read_text(encoding="utf-8") == "分管领导王五同意，核实投诉"
    assert len(copied(tmp_path / "copy")) == len(made.segments())


def test_a_paper_that_is_attached_to_the_day_afterwards_opens_nothing_of_it(
    made: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = day(made).id
    assert session is not None

    def attach(room: Room) -> None:
        assert room.ask(Verb.ATTACH, text="投诉登记 3 号", session=session.hex()).ok

    later = Room()
    later.clock.boot_id = NEXT_BOOT
    later.record(made.config, play(1), attach, play(1))
    assert main(["export", str(made.spool), str(tmp_path / "copy"), "--session", "1"]) == 7
    assert not (tmp_path / "copy").exists()
    assert main(["export", str(made.spool), str(tmp_path / "one"), "--session", "1", "--visit", "A002"]) == 0
    capsys.readouterr()
    assert main(["retention", "ls", str(made.spool)]) == 0
    assert capsys.readouterr().out.count("须经批准方可调取") == 2, "both days"


def test_one_visit_is_copied_without_the_others_media_and_records(made: Device, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    assert main(["export", str(made.spool), str(target), "--session", "1", "--visit", "A001"]) == 0
    (first, second) = day(made).all()
    within = {segment.number for segment, _ in day(made).within(first)}
    others = {segment.number for segment, _ in day(made).within(second)}
    assert set(copied(target)) == within
    assert within.isdisjoint(others)
    named = {f"{commitment.hex()}.record" for _, commitment in first.records}
    assert {path.name for path in (target / "records").iterdir()} == named
    segment = next(target.glob("sessions/*/*.mp4"))
    assert made.verify(segment).intact, "each of them verifies with its journal"
    assert main(["export", str(made.spool), str(tmp_path / "x"), "--session", "1", "--visit", "A009"]) == 2
    assert main(["export", str(made.spool), str(tmp_path / "y"), "--visit", "A001"]) == 0, "one day is there"


def test_a_room_that_is_not_always_on_is_copied_as_ever(tmp_path: Path) -> None:
    made = ports_room.device(tmp_path)
    Room().record(made.config, play(3))
    assert [one.body.mode for one in journal(made) if isinstance(one.body, Session)] == [0]
    assert main(["export", str(made.spool), str(tmp_path / "copy")]) == 0


def test_the_list_of_terms_shows_that_of_media_outside_visits(made: Device, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retention", "ls", str(made.spool)]) == 0
    shown = capsys.readouterr().out
    assert "值守中办事以外的媒体 outside visits" in shown
    assert "须经批准方可调取" in shown
