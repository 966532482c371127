"""Two profiles side by side show every field in which they differ; lint names what cannot be claimed, mends nothing."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest

from edge.profiles import available
from edge.profiles.difference import NONE, differences, words_of
from edge.profiles.lint import Level, Remark, lint
from edge.profiles.schema import Procedure, Profile
from tests.edge.profiles.books import load_named

NAMES = [found.name for found in available()]


def _lines(name: str) -> tuple[Remark, ...]:
    return lint(load_named(name))


def _told(name: str, level: Level, source: str, words: str) -> bool:
    return any(one.level is level and one.source == source and words in one.zh for one in _lines(name))


# -- differences ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_does_not_differ_from_itself(name: str) -> None:
    assert list(differences(load_named(name), load_named(name))) == []


def test_the_differences_of_two_articles_are_told_with_both_sources() -> None:
    found = {one.path: one for one in differences(load_named("jiaozuo"), load_named("nongan"))}
    store = found["store"]
    assert "24 小时" in store.left.words
    assert "2 个工作日" in store.right.words
    assert (store.left.source, store.right.source) == ("第十三条", "第二十五条")
    hearing = found["templates.hearing.obligation"]
    assert (hearing.left.words, hearing.right.words) == ("应当记录", "必要时记录")
    assert hearing.right.source == "第十四条、第二十五条"
    assert found["access"].left.words.startswith("复制，分管领导")
    assert found["access"].right.words == "查阅，应急管理部门负责人"
    assert found["always_on"].right.words == NONE


def test_the_differences_of_two_lists_are_told_row_by_row() -> None:
    found = {one.path: one for one in differences(load_named("zezhou"), load_named("province"))}
    limit = found["items.听取当事人陈述申辩.limit"]
    assert "5日" in limit.left.words
    assert "3日" in limit.right.words
    assert (limit.left.source, limit.right.source) == ("第21行", "第15行")
    assert found["templates.hearing.begin"].left.words == "开始前即录"
    assert found["identity"].left.source == "第9行"


def test_whatever_one_side_says_its_source_is_told_with_it() -> None:
    for left, right in itertools.combinations(NAMES, 2):
        for one in differences(load_named(left), load_named(right)):
            for side in (one.left, one.right):
                assert side.source or side.words == NONE, (left, right, one.path)


def _every_field() -> list[tuple[str, Any]]:
    """Each field of a profile with another value than Jiaozuo's."""
    jiaozuo, zezhou = load_named("jiaozuo"), load_named("zezhou")
    silent = {"name", "title", "title_en", "digest", "notes", "articles"}
    fields = [field.name for field in dataclasses.fields(Profile) if field.name not in silent]
    return [(name, getattr(zezhou, name)) for name in fields if getattr(zezhou, name) != getattr(jiaozuo, name)]


@pytest.mark.parametrize("name", [name for name, _ in _every_field()])
def test_no_field_that_differs_is_left_out(name: str) -> None:
    """Templates, rows and the document itself are told by their parts; every other field by its name."""
    jiaozuo = load_named("jiaozuo")
    changed: dict[str, Any] = {name: dict(_every_field())[name]}
    found = [one.path for one in differences(jiaozuo, dataclasses.replace(jiaozuo, **changed))]
    parts = {"origin": "document", "templates": "templates.hearing.recorder", "items": "items"}
    assert parts.get(name, name) in found


def test_every_value_has_words() -> None:
    for name in NAMES:
        profile = load_named(name)
        for field in dataclasses.fields(Profile):
            if field.name not in ("digest", "articles", "items"):
                assert words_of(getattr(profile, field.name))
        for item in profile.items:
            assert "，" in words_of(item)


# -- lint ----------------------------------------------------------------------------------------------------------


def test_a_licence_hearing_in_zezhou_names_portable_devices_only() -> None:
    assert _told("zezhou", Level.CANNOT_CLAIM, "第4行", "只列便携设备")
    assert not _told("zezhou", Level.CANNOT_CLAIM, "第24行", "便携设备")


def test_a_row_whose_devices_are_portable_is_named_though_its_place_is_the_room() -> None:
    assert _told("zezhou", Level.CANNOT_CLAIM, "第3行", "只列便携设备")
    assert _told("xinhua", Level.CANNOT_CLAIM, "第14行", "只列执法记录仪")
    assert _told("xinhua", Level.CANNOT_CLAIM, "第3行", "只列执法记录仪")


def test_with_a_mounted_device_in_the_column_the_row_can_be_claimed() -> None:
    zezhou = load_named("zezhou")
    amended = [
        dataclasses.replace(one, devices=("视频监控", "便携设备")) if one.no == "4" else one for one in zezhou.items
    ]
    remarks = lint(dataclasses.replace(zezhou, items=tuple(amended)))
    assert not any(one.level is Level.CANNOT_CLAIM and one.source == "第4行" for one in remarks)


def test_the_extension_for_work_in_the_field_is_refused_to_a_fixed_device() -> None:
    assert _told("jiaozuo", Level.CANNOT_CLAIM, "第十三条第二款", "固定设备不得使用此延期")
    assert not any("延期" in one.zh for one in _lines("nongan"))


def test_terms_of_the_notice_are_told_beside_the_articles_of_the_law_and_left_as_they_are() -> None:
    for name, statement, days, notice in (("zezhou", "第21行", 5, "第23行"), ("province", "第15行", 3, "第17行")):
        assert _told(name, Level.WARNING, statement, f"“告知后{days}日内”须与现行法核对")
        assert _told(
            name, Level.WARNING, statement, "第四十四条、第四十五条对陈述、申辩没有规定日数；第六十四条第（一）项"
        )
        assert _told(name, Level.WARNING, notice, "“听证7日前”须与现行法核对")
        assert _told(
            name, Level.WARNING, notice, "第六十四条第（二）项为举行听证的七日前，第八十五条规定五日、七日指工作日"
        )
    row = load_named("province").item("15")
    assert row is not None
    assert row.limit is not None
    assert row.limit.amount == 3


def test_a_document_that_is_younger_than_the_law_is_not_warned_of() -> None:
    province = load_named("province")
    younger = dataclasses.replace(province, origin=dataclasses.replace(province.origin, effective_from="2022-01-01"))
    assert not any("现行法" in one.zh for one in lint(younger))


def test_a_document_without_a_date_is_told_so() -> None:
    undated = [name for name in NAMES if _told(name, Level.NOTE, "全文", "文件没有写明施行日期")]
    assert undated == ["neutral", "province", "xinhua", "zezhou"]


def test_a_class_that_no_row_uses_is_named() -> None:
    assert _told("province", Level.NOTE, "填表说明", "约谈类")
    assert not _told("province", Level.NOTE, "填表说明", "入户类")
    assert _told("zezhou", Level.NOTE, "填表说明", "清单没有该栏")


def test_the_rows_that_are_not_for_a_fixed_recorder_are_named() -> None:
    (line,) = [one.zh for one in _lines("zezhou") if one.source == "清单"]
    away = line.partition("：")[2].split("、")
    assert away == ["2", *(str(n) for n in range(5, 21)), "33", *(str(n) for n in range(35, 39))]
    (line,) = [one.zh for one in _lines("nongan") if one.source == "条文"]
    assert line.endswith("第十条、第十九条第二款、第二十一条第二款、第二十二条第二款、第二十三条第二款")


@pytest.mark.parametrize(("name", "source"), [("xinhua", "第18行"), ("xinhua", "第22行"), ("zezhou", "第21行")])
def test_a_torn_cell_is_a_warning(name: str, source: str) -> None:
    assert any(one.level is Level.WARNING and one.source == source and "[" in one.zh for one in _lines(name))


def test_a_rule_worded_for_body_worn_recorders_is_told_as_followed_by_analogy() -> None:
    analogy = [one.source for one in _lines("jiaozuo") if "参照适用" in one.zh]
    assert analogy == ["第9条", "第10条", "第16条"]


def test_what_a_document_does_not_say_is_told_and_not_supplied() -> None:
    assert _told("xinhua", Level.NOTE, "全文", "入库期限")
    assert load_named("xinhua").store is None
    assert not _told("jiaozuo", Level.NOTE, "全文", "入库期限")


def test_a_hearing_that_sound_and_picture_only_assist_says_so() -> None:
    assert _told("nongan", Level.NOTE, "第十四条、第二十五条", "辅助记录")
    assert not any("辅助记录" in one.zh for one in _lines("jiaozuo"))


def test_what_was_superseded_is_a_warning() -> None:
    nongan = load_named("nongan")
    later = dataclasses.replace(nongan, origin=dataclasses.replace(nongan.origin, superseded_by="新制度"))
    assert any(one.level is Level.WARNING and "已被《新制度》取代" in one.zh for one in lint(later))


def test_lint_says_first_what_cannot_be_claimed() -> None:
    levels = [list(Level).index(one.level) for one in _lines("zezhou")]
    assert levels == sorted(levels)


def test_the_neutral_default_claims_nothing() -> None:
    assert not any(one.level is Level.CANNOT_CLAIM for one in _lines("neutral"))
    assert {one.procedure for one in load_named("neutral").templates} == set(Procedure)
