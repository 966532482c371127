"""The rules that a configuration chooses are in force: in each session's entry, in grounds, deadline and notice."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from edge.config import Config, ConfigError, parse
from edge.deadlines import Rule, Unit
from edge.guard.words import Reason
from edge.last_good import in_force
from edge.profiles import NEUTRAL, load_named
from edge.prompts import DEFAULT_WORDS, Prompt
from edge.requests import Verb
from edge.rules import with_rules
from edge.settings_profile import ProfileChoice
from edge.surroundings import Surroundings
from liuhen.kinds import Amend, Inhibition, Session
from liuhen.registry import GapCause, InhibitionAct
from tests.edge.ports_room import Room, device
from tests.edge.profiles.test_reading import SIXTH
from tests.edge.test_room import bodies, guarded, permitting


def chosen(text: str, base: Path = Path("/")) -> Config:
    return with_rules(parse(text.encode(), base=base))


def by_name(name: str) -> Config:
    return chosen(f'[profile]\nname = "{name}"\n')


def recorded_hash(tmp_path: Path, config: Config | None = None) -> bytes | None:
    """What the session's entry says after a short session under that configuration."""
    made, room = device(tmp_path), Room()
    ruled = made.config if config is None else replace(made.config, rules=config.rules)
    assert room.record(ruled, lambda room: room.play(1)).clean
    (entry,) = bodies(made, Session)
    digest: bytes | None = entry.profile_hash
    return digest


# -- the session's entry -------------------------------------------------------------------------------------------


def test_each_session_names_the_rules_in_force_by_the_hash_of_their_file(tmp_path: Path) -> None:
    assert recorded_hash(tmp_path / "a") == load_named(NEUTRAL).digest
    (tmp_path / "liuhe.toml").write_text(SIXTH, encoding="utf-8")
    sixth = chosen('[profile]\nfile = "liuhe.toml"\n', tmp_path)
    assert recorded_hash(tmp_path / "b", sixth) == hashlib.sha256(SIXTH.encode()).digest()


# -- which rules ---------------------------------------------------------------------------------------------------


def test_without_a_word_about_it_the_neutral_rules_are_in_force() -> None:
    assert with_rules(Config()).rules == Config().rules == load_named(NEUTRAL)


def test_a_sixth_jurisdiction_in_the_devices_own_folder_is_chosen_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "liuhe.toml").write_text(SIXTH, encoding="utf-8")
    config = chosen('[profile]\nname = "liuhe"\ndirectory = "own"\n', tmp_path)
    assert config.rules.title == "六合区示范规则"
    assert config.withhold_grounds == ("不宜记录",)
    assert config.must_cite("不宜记录")
    assert Rule.of(config.deadline_in_force, 480) == Rule(
        amount=3, unit=Unit.DAYS, levels=(25, 50, 75, 90), utc_offset_minutes=480
    )


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[profile]\nname = "nowhere"\n', "profile.name"),
        ('[profile]\nfile = "none.toml"\n', "profile.file"),
        ('[profile]\nfile = "torn.toml"\n', "profile.file"),
    ],
)
def test_rules_that_cannot_be_used_are_a_fault_of_the_configuration(text: str, path: str, tmp_path: Path) -> None:
    (tmp_path / "torn.toml").write_text('name = "torn"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        chosen(text, tmp_path)
    assert {problem.path for problem in caught.value.problems} == {path}
    assert all(
        line.startswith(f"配置 {path} = ") and "辖区规则不可用" in line for line in str(caught.value).splitlines()
    )


# -- what they decide ----------------------------------------------------------------------------------------------


def test_the_grounds_are_the_rules_unless_the_configuration_names_its_own() -> None:
    assert by_name("jiaozuo").withhold_grounds == ("军事秘密", "商业秘密", "技术秘密", "个人隐私", "法律法规规定")
    assert by_name("xinhua").withhold_grounds == ("法律法规规定",)
    own = chosen('[profile]\nname = "jiaozuo"\n[session]\nwithhold_grounds = ["未成年人"]\n')
    assert own.withhold_grounds == ("未成年人",)


def test_which_ground_must_be_cited_is_the_rules() -> None:
    assert by_name("jiaozuo").must_cite("法律法规规定")
    assert not by_name("jiaozuo").must_cite("个人隐私")
    assert by_name("zezhou").must_cite("其他不适宜音像记录的情景")
    assert by_name("xinhua").must_cite("法律法规规定")


def test_the_deadline_is_the_rules_unless_the_configuration_names_its_own() -> None:
    terms = {name: by_name(name).deadline_in_force for name in ("jiaozuo", "nongan", "zezhou")}
    assert {name: (one.amount, one.unit) for name, one in terms.items() if one.amount} == {
        "jiaozuo": (24, "hours"),
        "nongan": (2, "working_days"),
    }
    assert Rule.of(terms["zezhou"], 480) is None
    own = chosen('[profile]\nname = "nongan"\n[deadline]\namount = 12\nunit = "hours"\n')
    assert (own.deadline_in_force.amount, own.deadline_in_force.unit) == (12, "hours")
    none = chosen('[profile]\nname = "jiaozuo"\n[deadline]\namount = 0\n')
    assert Rule.of(none.deadline_in_force, 480) is None


def test_the_spoken_notice_is_the_rules_unless_the_configuration_names_its_own(tmp_path: Path) -> None:
    def spoken(config: Config) -> str:
        return config.prompts_in_force.words()[Prompt.NOTICE]

    assert spoken(by_name("jiaozuo")) == "为保护您的合法权益，监督我们的执法行为，本次执法将全程录音录像"
    assert spoken(by_name("zezhou")) == DEFAULT_WORDS[Prompt.NOTICE].zh
    (tmp_path / "own.toml").write_text(SIXTH + '[notice]\ntext = "现在开始录像"\nsource = "第二条"\n', encoding="utf-8")
    sixth = '[profile]\nfile = "own.toml"\n'
    assert spoken(chosen(sixth, tmp_path)) == "现在开始录像"
    assert spoken(chosen(f'{sixth}[prompts]\nnotice = "请注意录像"\n', tmp_path)) == "请注意录像"


def test_an_approval_on_a_ground_of_other_rules_is_refused_and_one_without_its_reason_too(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    config = replace(made.config, rules=load_named("zezhou"))

    def approvals(room: Room) -> None:
        assert room.ask(Verb.WITHHOLD, actor="张三").ok
        assert not room.ask(Verb.APPROVE, actor="李四", ground="法律法规规定", citation="某法").ok  # not Zezhou's
        assert not room.ask(Verb.APPROVE, actor="李四", ground="其他不适宜音像记录的情景").ok
        assert room.ask(Verb.APPROVE, actor="李四", ground="其他不适宜音像记录的情景", citation="证人受威胁").ok
        assert room.ask(Verb.RESUME, actor="李四").ok

    room.record(config, lambda room: room.play(2), approvals, lambda room: room.play(2))
    acts = [body.act for body in bodies(made, Inhibition)]
    assert acts.count(InhibitionAct.APPROVED) == 1


def test_what_a_person_may_say_an_interruption_was_is_the_rules() -> None:
    six = [GapCause(number) for number in range(1, 7)]
    assert by_name("jiaozuo").interruption_causes == (*six, GapCause.OTHER)
    assert by_name("zezhou").interruption_causes == Config().interruption_causes == (*six, GapCause.OTHER)


def test_a_cause_that_the_rules_do_not_know_amends_nothing(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    (tmp_path / "liuhe.toml").write_text(SIXTH, encoding="utf-8")
    config = replace(guarded(made.config), rules=chosen('[profile]\nfile = "liuhe.toml"\n', tmp_path).rules)

    def amended(room: Room) -> None:
        room.guard_says(permit=False, reason=Reason.TRIPPED)
        room.guard_says(permit=True)
        room.play(2)
        refused = room.ask(Verb.EXPLAIN, actor="张三", cause=GapCause.WEATHER, text="大风")
        assert (refused.ok, refused.words_zh.partition("；")[2]) == (False, "可选：电量不足、其他")
        assert room.ask(Verb.EXPLAIN, actor="张三", cause=GapCause.POWER_LOW, text="停电").ok

    room.record(config, lambda room: room.play(2), amended, surroundings=Surroundings(guard=permitting(room)))
    assert [body.cause for body in bodies(made, Amend)] == [GapCause.POWER_LOW]


# -- a service whose rules are damaged -----------------------------------------------------------------------------


def test_a_service_goes_on_with_the_rules_that_were_in_force_when_their_file_is_damaged(tmp_path: Path) -> None:
    file, copy, own = tmp_path / "c.toml", tmp_path / "copy", tmp_path / "liuhe.toml"
    file.write_text('[profile]\nfile = "liuhe.toml"\n', encoding="utf-8")
    own.write_text(SIXTH, encoding="utf-8")
    good = in_force(file, copy)
    good.keep()
    own.write_text("name = ", encoding="utf-8")
    fallen = in_force(file, copy)
    assert fallen.fault is not None
    assert fallen.config.rules == good.config.rules
    assert fallen.config.rules.digest == hashlib.sha256(SIXTH.encode()).digest()
    own.write_text(SIXTH + "# 2\n", encoding="utf-8")
    mended = in_force(file, copy)
    assert mended.fault is None
    mended.keep()
    own.unlink()
    assert in_force(file, copy).config.rules.digest == mended.config.rules.digest


def test_rules_that_come_with_the_program_are_not_copied(tmp_path: Path) -> None:
    file, copy = tmp_path / "c.toml", tmp_path / "copy"
    file.write_text('[profile]\nname = "jiaozuo"\n', encoding="utf-8")
    in_force(file, copy).keep()
    assert copy.stat().st_size < 1000
    file.write_text("torn", encoding="utf-8")
    assert in_force(file, copy).config.rules == load_named("jiaozuo")


def test_without_a_last_good_one_damaged_rules_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[profile]\nname = "nowhere"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="没有这个辖区规则"):
        in_force(file, tmp_path / "copy")


def test_a_choice_is_only_a_name_until_it_is_read() -> None:
    """The guard and the sensors need no rules: a damaged profile never keeps the interlock from being watched."""
    config = parse(b'[profile]\nname = "nowhere"\n')
    assert config.profile == ProfileChoice(name="nowhere")
    assert config.rules == load_named(NEUTRAL)
