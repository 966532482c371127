"""Each way in which the rule books differ, by a case that comes out differently under two of them."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from edge.deadlines import Term, term_of
from edge.profiles import Profile
from edge.profiles.schema import (
    AccessAction,
    Begin,
    Cites,
    DeviceKind,
    HeaderField,
    Limit,
    Obligation,
    Procedure,
    RecordClass,
    RecorderAgency,
    Release,
    Span,
    Template,
    Trigger,
    Unit,
)
from edge.profiles.terms import last_day_before, notice_of_hearing, rule_of
from edge.working_days import is_working_day
from tests.edge.profiles.books import load_named

SHANGHAI = timezone(timedelta(hours=8))
BOOKS = ("zezhou", "province", "xinhua", "jiaozuo", "nongan")


def _at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp() * 1000)


def _due(limit: Limit | None, trigger: str) -> str:
    """The first minute that is too late, local."""
    assert limit is not None
    term: Term = term_of(rule_of(limit, 480), _at(trigger), 0, is_working_day)
    return datetime.fromtimestamp(term.due_ms / 1000, tz=UTC).astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")


def _hearing(profile: Profile, procedure: Procedure = Procedure.HEARING) -> Template:
    template = profile.template(procedure)
    assert template is not None
    return template


def _store(name: str) -> Limit | None:
    store = load_named(name).store
    return None if store is None else store.limit


def _archive(name: str) -> Limit | None:
    archive = load_named(name).archive
    return None if archive is None else archive.limit


def test_a_hearing_before_national_day_is_stored_next_day_in_jiaozuo_and_after_the_holiday_in_nongan() -> None:
    assert _due(_store("jiaozuo"), "2026-09-30 16:00") == "2026-10-01 16:00"
    assert _due(_store("nongan"), "2026-09-30 16:00") == "2026-10-10 00:00"  # 8 and 9 October are worked on
    assert [_store(name) for name in ("zezhou", "province", "xinhua")] == [None] * 3


def test_a_statement_is_heard_within_five_days_in_zezhou_and_three_in_the_province() -> None:
    zezhou, province = load_named("zezhou").item("21"), load_named("province").item("15")
    assert zezhou is not None
    assert province is not None
    assert zezhou.title == province.title == "听取当事人陈述申辩"
    assert _due(zezhou.limit, "2026-06-01 09:00") == "2026-06-07 00:00"
    assert _due(province.limit, "2026-06-01 09:00") == "2026-06-05 00:00"


def test_a_case_is_archived_by_thirty_working_days_from_one_event_and_thirty_days_from_another() -> None:
    jiaozuo, nongan = _archive("jiaozuo"), _archive("nongan")
    assert jiaozuo is not None
    assert nongan is not None
    assert (jiaozuo.trigger, nongan.trigger) == (Trigger.ENFORCEMENT_ENDED, Trigger.EXECUTION_ENDED)
    assert (jiaozuo.unit, nongan.unit) == (Unit.WORKING_DAYS, Unit.DAYS)
    # 25 September and 1 to 7 October are holidays, 20 September and 10 October are made up for them.
    assert _due(jiaozuo, "2026-09-01 10:00") == "2026-10-20 00:00"
    assert _due(nongan, "2026-09-01 10:00") == "2026-10-02 00:00"
    books = [load_named(name).archive for name in ("jiaozuo", "nongan")]
    assert [one.special_law_first for one in books if one is not None] == [False, True]


def test_the_longer_term_for_work_in_the_field_is_never_a_fixed_devices() -> None:
    store = load_named("jiaozuo").store
    assert store is not None
    assert store.extension is not None
    assert store.extension.limit.trigger is Trigger.BACK_AT_OFFICE
    assert not store.extension.fixed_device


def test_the_identity_phrase_is_another_one_in_each_list() -> None:
    (zezhou,), (province,) = (load_named(name).identity for name in ("zezhou", "province"))
    assert "××应急管理局的行政执法人员" in zezhou.text
    assert "我们是××行政执法人员" in province.text
    assert "这是我们的证件。现依法" in zezhou.text
    assert "这是我们的证件，现依法" in province.text
    assert [load_named(name).identity for name in ("xinhua", "jiaozuo", "nongan")] == [()] * 3


def test_only_jiaozuo_has_the_notice_that_all_is_recorded() -> None:
    notices = {name: load_named(name).notice for name in BOOKS}
    said = {name: one.text for name, one in notices.items() if one is not None}
    assert said == {"jiaozuo": "为保护您的合法权益，监督我们的执法行为，本次执法将全程录音录像"}


def test_who_records_a_hearing_and_an_interview() -> None:
    hearing = {name: _hearing(load_named(name)).recorder for name in BOOKS}
    assert hearing == {
        "zezhou": "书记员",
        "province": "书记员",
        "xinhua": "行政执法人员",
        "jiaozuo": "执法人员",
        "nongan": "记录人员",
    }
    interview = {
        name: _hearing(load_named(name), Procedure.INTERVIEW).recorder for name in ("zezhou", "province", "xinhua")
    }
    assert interview == {"zezhou": "记录人", "province": "记录人", "xinhua": "行政执法人员"}
    assert _hearing(load_named("zezhou"), Procedure.LICENCE_HEARING).recorder == "执法人员"


def test_who_agrees_to_what_a_party_asks_for() -> None:
    (copy,), (look,) = (load_named(name).access for name in ("jiaozuo", "nongan"))
    assert (copy.action, copy.approver, copy.exception) == (AccessAction.COPY, "分管领导", "依法应当保密的除外")
    assert (look.action, look.approver, look.exception) == (AccessAction.INSPECT, "应急管理部门负责人", "")
    assert load_named("jiaozuo").release == Release(approver="局领导", source="第二十条（五）")
    assert load_named("nongan").release is None


def test_a_hearing_must_be_recorded_in_jiaozuo_and_if_necessary_in_nongan() -> None:
    assert _hearing(load_named("jiaozuo")).obligation is Obligation.MUST
    assert _hearing(load_named("nongan")).obligation is Obligation.IF_NECESSARY
    always = {name: load_named(name).always_on for name in ("jiaozuo", "nongan")}
    assert always["nongan"] is None
    assert always["jiaozuo"] is not None
    assert always["jiaozuo"].obligation is Obligation.MUST


def test_the_obligation_of_a_row_is_the_lists_or_its_remarks() -> None:
    province, nongan = load_named("province"), load_named("nongan")
    weighed = [item.no for item in province.items if item.obligation is Obligation.AS_THE_CASE_REQUIRES]
    assert weighed == [*(str(n) for n in range(1, 11)), "27"]
    assert {item.obligation for item in load_named("zezhou").items} == {Obligation.MUST}
    assert [item.no for item in nongan.items if item.obligation is Obligation.IF_NECESSARY] == [
        "第十四条",
        "第二十二条第二款",
    ]


def test_capture_begins_before_the_first_step_in_zezhou_and_with_it_in_the_province() -> None:
    zezhou, province, xinhua = (_hearing(load_named(name)) for name in ("zezhou", "province", "xinhua"))
    assert (zezhou.begin, zezhou.span, zezhou.capture_before_first_step) == (Begin.BEFORE, Span.SHARED, True)
    assert (province.begin, province.span, province.capture_before_first_step) == (Begin.AT, Span.PER_STEP, False)
    assert (xinhua.begin, xinhua.span) == (Begin.AT, Span.WHOLE)


def test_one_unbroken_recording_has_every_row_of_a_hearing_under_each_rule() -> None:
    """The same eight marks show the eight rows of two lists and the one row of the third."""
    steps = [step.id for step in _hearing(load_named("zezhou")).steps]
    for name in ("province", "xinhua", "jiaozuo", "nongan", "neutral"):
        assert [step.id for step in _hearing(load_named(name)).steps] == steps
    assert _hearing(load_named("zezhou")).rows() == {str(n) for n in range(24, 32)}
    assert _hearing(load_named("province")).rows() == {str(n) for n in range(18, 26)}
    assert _hearing(load_named("xinhua")).rows() == {"15"}


@pytest.mark.parametrize("name", ["zezhou", "province", "xinhua", "jiaozuo", "nongan", "neutral"])
def test_a_hearing_ends_after_the_transcript_is_signed_in_every_book(name: str) -> None:
    hearing = _hearing(load_named(name))
    ids = [step.id for step in hearing.steps]
    assert ids.index("closing") < ids.index("transcript") == len(ids) - 1
    assert hearing.ask_reason_before == "transcript"
    assert HeaderField.HOST in load_named(name).header_of(Procedure.HEARING)


def test_what_may_not_be_recorded_and_what_an_approval_cites() -> None:
    zezhou, jiaozuo, nongan = (load_named(name) for name in ("zezhou", "jiaozuo", "nongan"))
    assert list(jiaozuo.grounds()) == ["军事秘密", "商业秘密", "技术秘密", "个人隐私", "法律法规规定"]
    assert list(zezhou.grounds()) == ["军事秘密", "商业秘密", "技术秘密", "个人隐私", "其他不适宜音像记录的情景"]
    assert jiaozuo.cites("法律法规规定") is Cites.LAW
    assert zezhou.cites("其他不适宜音像记录的情景") is Cites.REASON
    assert zezhou.cites("个人隐私") is Cites.NOTHING
    assert list(nongan.grounds()) == ["不得或者不宜采用音像记录"]
    assert list(load_named("province").grounds()) == list(load_named("xinhua").grounds()) == []


def test_the_paper_of_the_evidence_has_other_fields() -> None:
    sheets = [load_named(name).evidence_sheet for name in ("jiaozuo", "nongan")]
    assert [one.fields for one in sheets if one is not None] == [
        ("取证人员", "取证时间", "取证地点"),
        ("制作方法", "制作时间", "制作人", "证明对象"),
    ]
    assert [one.transcript for one in sheets if one is not None] == [False, True]
    label = load_named("jiaozuo").disc_label
    assert label is not None
    assert label.fields == ("制片人", "日期")
    assert load_named("nongan").disc_label is None


def test_key_moments_and_long_term_triggers_are_the_documents() -> None:
    jiaozuo, nongan = load_named("jiaozuo"), load_named("nongan")
    assert [one.source for one in jiaozuo.key_moments] == [f"第九条（{n}）" for n in "一二三四五六"]
    assert [one.source for one in nongan.key_moments] == [f"第十一条（{n}）" for n in "一二三四五六"]
    assert [one.source for one in jiaozuo.long_term] == [f"第十七条（{n}）" for n in "一二三四五"]
    assert nongan.long_term == ()


def test_the_device_words_tell_what_a_mounted_recorder_may_be() -> None:
    zezhou, xinhua = load_named("zezhou"), load_named("xinhua")
    rows = {no: zezhou.item(no) for no in ("4", "24")}
    kinds = {no: zezhou.device_kinds(item) for no, item in rows.items() if item is not None}
    assert kinds == {"4": {DeviceKind.PORTABLE}, "24": {DeviceKind.FIXED, DeviceKind.PORTABLE}}
    alone = [item.no for item in xinhua.items if xinhua.device_kinds(item) == {DeviceKind.FIXED}]
    assert alone == ["7"]


def test_only_one_list_has_classes_in_its_rows() -> None:
    used = {name: {one for item in load_named(name).items for one in item.classes} for name in ("zezhou", "province")}
    assert used["zezhou"] == set()
    assert used["province"] == {RecordClass.SCENE, RecordClass.CONFIRMATION, RecordClass.HOUSEHOLD}
    assert RecordClass.TALK in load_named("province").class_legend


def test_service_by_another_agency_is_recorded_by_its_people() -> None:
    zezhou = load_named("zezhou")
    entrusted = [item.no for item in zezhou.items if item.recorder_agency is RecorderAgency.ENTRUSTED]
    assert entrusted == ["34"]


def test_a_window_asks_for_no_name_at_its_beginning() -> None:
    for name in ("zezhou", "xinhua", "jiaozuo", "neutral"):
        profile = load_named(name)
        assert HeaderField.PARTIES in profile.header.required
        assert HeaderField.PARTIES not in profile.header_of(Procedure.WINDOW)
    assert load_named("nongan").template(Procedure.WINDOW) is None


def test_a_limit_before_its_event_is_never_counted_forwards() -> None:
    notice = load_named("zezhou").item("23")
    assert notice is not None
    assert notice.limit is not None
    assert notice.limit.before
    with pytest.raises(ValueError, match="counted backwards"):
        rule_of(notice.limit, 480)
    forwards = _archive("nongan")
    assert forwards is not None
    with pytest.raises(ValueError, match="not counted backwards"):
        last_day_before(forwards, date(2026, 10, 12), is_working_day)


def test_the_parties_are_told_seven_days_before_a_hearing_where_a_row_says_so_and_nowhere_else() -> None:
    found = {name: notice_of_hearing(load_named(name)) for name in (*BOOKS, "neutral")}
    assert {name: one[1] for name, one in found.items() if one is not None} == {
        "zezhou": "第23行",
        "province": "第17行",
    }
    assert found["zezhou"] is not None
    limit = found["zezhou"][0]
    assert last_day_before(limit, date(2026, 10, 12), is_working_day) == date(2026, 10, 5)
    # In working days, as the penalty law counts them, two holidays lie between, and 10 October is made up.
    working = dataclasses.replace(limit, unit=Unit.WORKING_DAYS)
    assert last_day_before(working, date(2026, 10, 12), is_working_day) == date(2026, 9, 24)
    assert last_day_before(working, date(2026, 10, 12), lambda _: None) is None


@pytest.mark.parametrize("name", BOOKS)
def test_every_row_for_a_fixed_room_belongs_to_a_procedure(name: str) -> None:
    """What a fixed recorder has a part in can be recorded as a session of some kind, and is then looked for."""
    profile = load_named(name)
    covered = frozenset[str]().union(*(template.rows() for template in profile.templates))
    assert {item.no for item in profile.items if item.fixed_room} <= covered
