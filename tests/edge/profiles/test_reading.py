"""A profile's file is read as a whole, or every reason why it is none is told at once."""

import dataclasses
import hashlib
import os
from pathlib import Path

import pytest

from edge.profiles import NEUTRAL, ProfileError, available, load, load_named, parse
from edge.profiles.consistency import MOST_KEY_MOMENTS, MOST_STEPS
from edge.profiles.reading import FILE_LIMIT_BYTES
from edge.profiles.schema import Begin, GroundKind, Obligation, Procedure, Span, Trigger, Unit
from liuhen import kinds

SIXTH = """
name = "liuhe"
title = "六合区示范规则"
title_en = "a sixth jurisdiction"
class_legend = ["scene", "talk"]

[origin]
document = "六合区音像记录事项清单"
issuer = "六合区执法局"
effective_from = "2026-03-01"

[header]
required = ["case_number", "parties", "place"]
source = "第三条"
least_officials = 3

[outside_visits]
access = "case"
keep_days = 30
source = "第九条"

[store]
destination = "区执法局存储设备"
source = "第七条"
limit = { amount = 3, unit = "days", trigger = "recording_made", words = "3日内" }

[[devices]]
word = "云台"
kind = "fixed"

[[columns]]
heading = "序号"
cell = "no"

[[columns]]
heading = "记录什么"
cell = "title"

[[prohibitions]]
kind = "unsuitable"
text = "其他不宜记录的"
grounds = ["不宜记录"]
cites = "reason"
source = "第八条"

[[interruptions]]
words = "停电"
cause = "power_low"
source = "第六条"

[[items]]
no = "1"
list_kind = "audio_video"
title = "听证"
source = "第1行"
obligation = "if_necessary"
begin = "presence"
span = "per_step"
fixed_room = true
fixed_room_reason = "清单写明云台"
devices = ["云台"]

[[templates]]
procedure = "hearing"
obligation = "if_necessary"
recorder = "书记员"
begin = "presence"
source = "第1行"
ask_reason_before = "sign"
steps = [{ id = "hear", title = "听取意见", covers = ["1"] }, { id = "sign", title = "签字" }]
"""

ARCHIVE = """[archive]
source = "第八条"
limit = { amount = 30, unit = "days", trigger = "session_end", words = "30日内" }
"""
ANOTHER_TERM = '[[long_term]]\ncode = "other"\ntext = "其他"\nsource = "第九条"\n'
NOTICE = '[notice]\ntext = "现在录像"\nsource = "第二条"\nwithin_seconds = 0\n'
SIXTY_FOUR_STEPS = "".join(f'{{ id = "s{n}", title = "环节{n}" }}, ' for n in range(64))
MANY_MOMENTS = "".join(f'[[key_moments]]\ntext = "要点{n}"\nsource = "第二条"\n' for n in range(65))


def _refused(text: str) -> str:
    with pytest.raises(ProfileError) as caught:
        parse(text.encode(), "六合.toml")
    lines = str(caught.value).splitlines()
    assert lines
    assert all(line.startswith("辖区规则 六合.toml：") and " | " in line for line in lines)
    return str(caught.value)


def test_a_sixth_jurisdiction_is_one_file_and_no_code(tmp_path: Path) -> None:
    (tmp_path / "liuhe.toml").write_text(SIXTH, encoding="utf-8")
    profile = load_named("liuhe", tmp_path)
    assert profile.title == "六合区示范规则"
    assert profile.digest == hashlib.sha256(SIXTH.encode()).digest()
    assert profile.store is not None
    assert (profile.store.limit.amount, profile.store.limit.unit) == (3, Unit.DAYS)
    assert profile.store.limit.trigger is Trigger.RECORDING_MADE
    hearing = profile.template(Procedure.HEARING)
    assert hearing is not None
    assert [step.title for step in hearing.steps] == ["听取意见", "签字"]
    assert hearing.rows() == {"1"}
    row = profile.item("1")
    assert row is not None
    assert (row.obligation, row.begin, row.span) == (Obligation.IF_NECESSARY, Begin.PRESENCE, Span.PER_STEP)
    assert list(profile.grounds()) == ["不宜记录"]
    assert profile.template(Procedure.WINDOW) is None


def test_a_devices_own_file_goes_before_the_one_of_that_name_that_comes_with_the_program(tmp_path: Path) -> None:
    own = SIXTH.replace('name = "liuhe"', f'name = "{NEUTRAL}"')
    (tmp_path / f"{NEUTRAL}.toml").write_text(own, encoding="utf-8")
    assert load_named(NEUTRAL, tmp_path).title == "六合区示范规则"
    assert load_named(NEUTRAL).title != "六合区示范规则"
    assert [one.path for one in available(tmp_path) if one.name == NEUTRAL] == [tmp_path / f"{NEUTRAL}.toml", None]


def test_the_neutral_default_claims_no_row_and_names_its_grounds() -> None:
    profile = load_named(NEUTRAL)
    assert profile.items == ()
    assert "法律法规规定" in list(profile.grounds())
    assert all(one.kind is not GroundKind.EXPLOSION_ZONE or not one.grounds for one in profile.prohibitions)
    assert {one.procedure for one in profile.templates} == set(Procedure)


def test_the_hash_is_that_of_the_bytes_so_that_a_comment_changes_it() -> None:
    assert parse(SIXTH.encode()).digest != parse((SIXTH + "# 注\n").encode()).digest


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "liuhe"', "", "name：缺少此项"),
        ('name = "liuhe"', 'name = "Liu He"', "name：须为小写字母"),
        ('name = "liuhe"', 'name = "liuhe"\nnam = "x"', "nam'：没有这个名称"),
        ('title = "六合区示范规则"', "title = 3", "title：须为一行"),
        ('title = "六合区示范规则"', 'title = ""', "title：须为一行"),
        ('title = "六合区示范规则"', 'title = "a\\nb"', "title：须为一行"),
        ('title = "六合区示范规则"', 'title = "a\\u202Eb"', "title：须为一行"),
        ('effective_from = "2026-03-01"', 'effective_from = "2026-13-01"', "origin.effective_from：须为 YYYY"),
        ("least_officials = 3", "least_officials = -1", "header.least_officials：须为 0.."),
        ("least_officials = 3", "least_officials = true", "header.least_officials：须为 0.."),
        ('unit = "days"', 'unit = "weeks"', "store.limit.unit：'weeks' 须为 hours, days, working_days 之一"),
        ('cause = "power_low"', 'cause = "bored"', "interruptions[1].cause：'bored' 须为"),
        ('cause = "power_low"', "cause = 3", "interruptions[1].cause：3 须为"),
        ('covers = ["1"]', 'covers = ["2"]', "templates（hearing）.covers：清单中没有第 2 项"),
        ('ask_reason_before = "sign"', 'ask_reason_before = "seal"', "没有环节 seal"),
        ('id = "sign"', 'id = "hear"', "hear 出现两次"),
        ('devices = ["云台"]', 'devices = ["望远镜"]', "“望远镜”未在 devices 中说明"),
        ('grounds = ["不宜记录"]', "grounds = []", "至少写一个可选的事由"),
        ('grounds = ["不宜记录"]', 'grounds = ["甲", "甲"]', "甲 出现两次"),
        ("fixed_room = true", "fixed_room = 1", "items[1].fixed_room：须为 true 或 false"),
        ('title_en = "a', 'notice = "x"\ntitle_en = "a', "notice：应为一个表"),
        ("2026-03-01", "2026-02-30", "origin.effective_from：须为 YYYY"),
        ("[[items]]", "[items]", "items：每项一节，写成 [[items]]"),
        (
            '"recording_made"',
            '"enforcement_ended"',
            "store.limit.trigger：enforcement_ended 不能起算此期限，须为 session_end",
        ),
        ('words = "3日内"', 'words = "3日前", before = true', "store.limit.before：此期限只能向后计算"),
        ("amount = 3", "amount = 0", "store.limit.amount：至少为 1"),
        ("[[devices]]", f"{ARCHIVE}[[devices]]", "archive.limit.trigger：session_end 不能起算此期限"),
        ('"power_low"', '"withheld"', "interruptions（停电）.cause：withheld 由设备认定"),
        ('"power_low"', '"interlock"', "interruptions（停电）.cause：interlock 由设备认定"),
        (
            "fixed_room = true",
            "fixed_room = true\nfixed_room_candidate = true",
            "items（1）.fixed_room_candidate：已是",
        ),
        ('id = "hear"', 'id = "../听"', "templates（hearing）.steps：环节 ../听 的 id"),
        ("steps = [", f"steps = [{SIXTY_FOUR_STEPS}", "templates（hearing）.steps：须有 1..64 个环节"),
        (
            '\nbegin = "presence"\nsource',
            '\nheader_also = ["host"]\nheader_waived = ["host"]\nsource',
            "host 又在 header_also",
        ),
        ('"hearing"\nobligation = "if_necessary"', '"hearing"\nobligation = "must_not"', "不得记录的不设程序"),
        ("[[devices]]", f"{2 * ANOTHER_TERM}[[devices]]", "long_term：other 出现两次"),
        ("[[devices]]", f"{MANY_MOMENTS}[[devices]]", "key_moments：至多 64 项"),
        ("[[devices]]", f"{NOTICE}[[devices]]", "notice.within_seconds：至少 1 秒"),
        ('cell = "title"', 'cell = "department"', "columns（记录什么）：“记录什么”一栏没有任何一行写出 department"),
        ('class_legend = ["scene", "talk"]', 'class_legend = "scene"', "class_legend：须为至多"),
    ],
)
def test_what_is_wrong_is_told_in_one_clear_line(old: str, new: str, told: str) -> None:
    assert old in SIXTH
    assert told in _refused(SIXTH.replace(old, new, 1))


def test_every_reason_is_told_at_once() -> None:
    wrong = SIXTH.replace("keep_days = 30", 'keep_days = "x"').replace('kind = "fixed"', 'kind = "flying"')
    assert len(_refused(wrong).splitlines()) == 2


@pytest.mark.parametrize("content", [b"\xff\xfe", b"name = ", b"[" * 20_000, b"a = " + b"9" * 5000])
def test_what_is_not_toml_is_told_in_one_line(content: bytes) -> None:
    with pytest.raises(ProfileError) as caught:
        parse(content, "x.toml")
    (line,) = str(caught.value).splitlines()
    assert "不是合法的 TOML 文件" in line


def test_a_file_in_another_encoding_says_how_to_mend_it() -> None:
    with pytest.raises(ProfileError, match="个字节不是 UTF-8 编码；请另存为 UTF-8"):
        parse(SIXTH.encode("gb18030"), "x.toml")
    assert (
        parse("\ufeff".encode() + SIXTH.replace("\n", "\r\n").encode()).name == "liuhe"
    )  # as an editor on Windows saves


def test_a_session_can_hold_as_many_steps_and_key_moments_as_a_profile_may_have() -> None:
    shapes = {field.name: field.metadata["shape"] for field in dataclasses.fields(kinds.Procedure)}
    assert (shapes["steps"].limit, shapes["points"].limit) == (MOST_STEPS, MOST_KEY_MOMENTS)


def test_a_file_that_is_missing_a_folder_or_too_large_is_refused(tmp_path: Path) -> None:
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (FILE_LIMIT_BYTES + 1))
    for path, told in ((tmp_path / "none.toml", "无法读取"), (tmp_path, "无法读取"), (large, "超过")):
        with pytest.raises(ProfileError, match=told):
            load(path)


def test_a_file_under_another_name_than_the_one_in_it_is_refused(tmp_path: Path) -> None:
    """A copy of the neutral rules whose name was left would pass for them."""
    (tmp_path / "mycounty.toml").write_text(SIXTH, encoding="utf-8")
    with pytest.raises(ProfileError, match="文件名为 mycounty，其中的名称须相同"):
        load_named("mycounty", tmp_path)
    assert load(tmp_path / "mycounty.toml").name == "liuhe"


def test_a_pipe_in_place_of_a_file_is_refused_and_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "liuhe.toml")
    with pytest.raises(ProfileError, match="无法读取"):
        load_named("liuhe", tmp_path)


def test_a_folder_that_cannot_be_listed_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="无法读取") as caught:
        load_named("neutral", tmp_path / ("x" * 300))
    assert len(str(caught.value).splitlines()) == 1


def test_an_unknown_name_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(ProfileError, match=r"没有这个辖区规则；现有 .*neutral"):
        load_named("nowhere")
