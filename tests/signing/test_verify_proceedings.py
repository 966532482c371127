"""What a session followed, who was told, what was marked late: each rule of FORMAT.md 5.9 kept and broken, and told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from liuhen import entry
from liuhen.findings import Code
from liuhen.kinds import Plate, Session
from liuhen.proceedings import Told
from liuhen.registry import EndCause, MarkCode, RecordLabel
from liuhen.report import Language, Report, to_json, to_text
from tests.signing.archives import SECOND_NS, closed_archive, entries
from tests.signing.checking import assert_untouched, check, only
from tests.signing.hearing_told import (
    STEPS,
    arrive_and_tell,
    attach,
    follow,
    head,
    in_order,
    late,
    mark,
    pass_recorded,
    show_plate,
)
from tests.signing.room import begun, ended


def text(report: Report, language: Language = Language.ZH) -> str:
    return to_text(report, language, integrity_only=False)


def found(report: Report) -> set[Code]:
    return {finding.code for finding in report.findings}


def told_of(report: Report) -> Told:
    assert report.room is not None
    (summary,) = report.room.proceedings.values()
    return summary.told


def test_a_hearing_by_the_book_has_no_finding_and_every_part_of_it_is_told(tmp_path: Path) -> None:
    device = in_order(tmp_path / "archive")
    opening = next(n for n in range(device.seq) if _is_session(device.root, n))
    attach(device, opening, "听证通知书 第 7 号")
    report = check(ended(device))
    assert_untouched(report)
    said = text(report)
    assert "程序：听证（辖区规则 public-test" in said
    assert "首部：" in said
    assert "事项 24，密级 个人隐私，非爆炸危险区域，案号内容已提交" in said
    assert f"环节 1 {STEPS[0][0]}：" in said
    assert f"环节 2 {STEPS[1][0]}：未标记（非必经）" in said
    assert "当事人到场：" in said
    assert "场所标志：见 000002.mp4 第 " in said
    assert "随附文书，文书编号内容已提交" in said
    english = text(report, Language.EN)
    assert "procedure: hearing (profile public-test" in english
    assert "not marked (optional)" in english
    (session,) = json.loads(json.dumps(to_json(report)))["sessions"]
    told = session["proceedings"]
    assert [step["number"] for step in told["steps"] if step["marks"]] == [1, 3]
    assert told["notices"][0]["after_ms"] == 5000
    assert told["plates"][0]["segment"] == 2
    assert told["papers"][0]["refers_to"] == opening
    assert told["headers"][0]["records"][0] == {
        "label": "case",
        "commitment": told["headers"][0]["records"][0]["commitment"],
        "content": "presented",
    }


def _is_session(root: Path, number: int) -> bool:
    return isinstance(entry.parse(entries(root)[number], where="entry").body, Session)


def test_an_archive_from_before_these_kinds_says_nothing_of_a_proceeding(tmp_path: Path) -> None:
    report = check(closed_archive(tmp_path / "archive").root)
    assert_untouched(report)
    assert report.room is not None
    assert report.room.proceedings == {}
    assert "环节" not in text(report)
    assert all(session["proceedings"] is None for session in json.loads(json.dumps(to_json(report)))["sessions"])


def test_a_header_whose_records_are_left_out_is_told_as_not_presented(tmp_path: Path) -> None:
    device = in_order(tmp_path / "archive")
    root = ended(device)
    for file in (root / "records").iterdir():
        file.unlink()
    report = check(root)
    assert report.intact
    assert "案号内容未提交" in text(report)


def test_a_later_header_amends_and_the_first_one_stays(tmp_path: Path) -> None:
    device = in_order(tmp_path / "archive")
    first = next(one.entry for one in told_of(check(device.root)).headers)
    given = ((RecordLabel.CASE, device.record("（2026）第 2 号")), (RecordLabel.HOST, device.record("李四")))
    head(device, given, amends=first)
    report = check(ended(device))
    assert_untouched(report)
    assert "首部补充 2：" in text(report)
    assert told_of(report).fields() == dict(given)
    assert len(told_of(report).headers) == 2


# -- J27 ---------------------------------------------------------------------------------------------------------------


def test_a_late_mark_bears_both_times_and_is_no_fault(tmp_path: Path) -> None:
    device = in_order(tmp_path / "archive")
    pass_recorded(device, 3)
    entry = late(device, MarkCode.STEP, step=2, ago_ns=4_500_000_000)
    report = check(ended(device))
    assert_untouched(report)
    assert f"环节 2 {STEPS[1][0]}：补标，所指 " in text(report)
    assert "marked afterwards: meant " in text(report, Language.EN)
    (mark_told,) = (one for one in told_of(report).marks if one.entry == entry)
    assert mark_told.written_utc_ms - mark_told.utc_ms == 4500
    (session,) = json.loads(json.dumps(to_json(report)))["sessions"]
    told = next(one for one in session["proceedings"]["marks"] if one["entry"] == entry)
    assert told["late"] is True
    assert told["segment"] is not None  # where to listen to what was meant


@pytest.mark.parametrize("wrong", ["in the future", "before the session", "of a strange boot"])
def test_a_late_mark_of_an_impossible_moment_breaks_the_archive(tmp_path: Path, wrong: str) -> None:
    device = in_order(tmp_path / "archive")
    match wrong:
        case "in the future":
            late(device, MarkCode.STEP, step=2, ago_ns=-SECOND_NS)
        case "before the session":
            late(device, MarkCode.STEP, step=2, ago_ns=900 * SECOND_NS)
        case _:
            late(device, MarkCode.STEP, step=2, ago_ns=SECOND_NS, boot=bytes(16))
    report = check(ended(device))
    assert not report.intact
    only(report, Code.PROCEEDINGS_ORDER)


def test_a_mark_that_is_back_dated_without_saying_so_is_told(tmp_path: Path) -> None:
    device = in_order(tmp_path / "archive")
    pass_recorded(device, 3)
    mark(device, MarkCode.STEP, step=2, ago_ns=61 * SECOND_NS)
    report = check(ended(device))
    assert report.intact
    only(report, Code.MARK_BACKDATED)


def test_a_procedure_that_changes_after_a_step_and_a_header_that_names_another_break_the_archive(
    tmp_path: Path,
) -> None:
    device = in_order(tmp_path / "archive")
    follow(device, steps=STEPS[:1])
    head(device, ())
    twice = ((RecordLabel.HOST, device.record("甲")), (RecordLabel.HOST, device.record("乙")))
    head(device, twice, amends=device.seq - 1)
    report = check(ended(device))
    words = [finding.what_zh for finding in report.findings if finding.code is Code.PROCEEDINGS_ORDER]
    assert len(words) == 3
    assert told_of(report).procedure is not None
    assert len(told_of(report).steps()) == len(STEPS)


@pytest.mark.parametrize("wrong", ["another hash", "another frame", "the frame after its last", "an old segment"])
def test_a_plate_that_names_no_sealed_frame_breaks_the_archive(tmp_path: Path, wrong: str) -> None:
    device = begun(tmp_path / "archive")
    device.segment()
    device.open_segment()
    device.fragment(2)
    match wrong:
        case "another hash":
            show_plate(device, seal_hash=bytes(32))
        case "another frame":
            show_plate(device, frame=1_000)
        case "the frame after its last":
            device.fragment(1, end_cause=EndCause.ROTATED)
            show_plate(device, frame=1)
            device.state()
            device.open_segment()
        case _:
            show_plate(device, segment=0)
    device.fragment(1, end_cause=EndCause.ROTATED)
    device.state()
    report = check(ended(device))
    assert not report.intact
    only(report, Code.REFERENCE_WRONG)


def test_a_plate_in_the_segment_stated_last_is_as_good_as_one_in_the_next(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.open_segment()
    device.fragment(2, end_cause=EndCause.ROTATED)
    rows = device.file.sealer.fragments if device.file is not None else []
    frame, seal_hash = device.frames - 1, rows[-1][3]
    device.state()
    device.append(Plate(segment=1, fragment=2, frame_index=frame, seal_hash=seal_hash, records=()))
    assert_untouched(check(ended(device)))


# -- J28 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reasoned", [True, False])
def test_a_hearing_that_ends_before_its_last_step_says_so_and_whether_a_reason_was_given(
    tmp_path: Path, reasoned: bool
) -> None:
    device = begun(tmp_path / "archive")
    follow(device)
    arrive_and_tell(device)
    mark(device, MarkCode.PLACE_SPOKEN)
    mark(device, MarkCode.STEP, step=1)
    if reasoned:
        mark(device, MarkCode.ENDED_EARLY, records=((RecordLabel.REASON, device.record("当事人离场")),))
    report = check(ended(device))
    assert report.intact
    finding = only(report, Code.ENDED_EARLY)
    assert "第 3 步" in finding.what_zh
    assert ("已说明理由" in finding.what_zh) is reasoned
    assert f"环节 3 {STEPS[2][0]}：未标记" in text(report)
    assert found(report) == {Code.ENDED_EARLY}


def test_notice_after_sixty_seconds_is_late_and_before_the_first_step_all_the_same(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    follow(device, steps=())
    mark(device, MarkCode.PLACE_SPOKEN)
    arrive_and_tell(device, after_seconds=61)
    report = check(ended(device))
    assert only(report, Code.NOTICE_LATE).what_zh == "告知过迟：到场 61 秒之后"
    assert Code.NOTICE_MISSING not in found(report)


def test_a_late_joiner_has_to_be_told_again(tmp_path: Path) -> None:
    device = in_order(tmp_path / "archive")
    joined = mark(device, MarkCode.PARTY_ARRIVED)
    assert only(check(ended(device)), Code.NOTICE_MISSING).place.entry == joined


def test_a_notice_that_names_one_arrival_does_not_reach_another(tmp_path: Path) -> None:
    device = in_order(tmp_path / "archive")
    first, second = (mark(device, MarkCode.PARTY_ARRIVED) for _ in range(2))
    mark(device, MarkCode.NOTICE_GIVEN, refers_to=first)
    assert only(check(ended(device)), Code.NOTICE_MISSING).place.entry == second


def test_a_notice_to_an_empty_room_reaches_nobody(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    follow(device, steps=STEPS[:1])
    mark(device, MarkCode.PLACE_SPOKEN)
    notice = mark(device, MarkCode.NOTICE_GIVEN)
    mark(device, MarkCode.STEP, step=1)
    report = check(ended(device))
    assert only(report, Code.NOTICE_TO_NOBODY).place.entry == notice
    assert "第一个环节之前没有告知" in only(report, Code.NOTICE_MISSING).what_zh
    assert "空" not in text(report).partition("环节")[0]


def test_a_notice_before_anybody_came_does_no_harm_where_all_were_told_again(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    follow(device, steps=STEPS[:1])
    mark(device, MarkCode.PLACE_SPOKEN)
    mark(device, MarkCode.NOTICE_GIVEN)
    arrive_and_tell(device)
    mark(device, MarkCode.STEP, step=1)
    assert_untouched(check(ended(device)))


def test_no_plate_and_no_spoken_place_is_told(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    follow(device, steps=(), notice_ms=None)
    report = check(ended(device))
    assert found(report) == {Code.PLACE_NOT_SHOWN}
    assert report.intact


def test_steps_in_another_order_are_told(tmp_path: Path) -> None:
    device = in_order(tmp_path / "archive")
    pass_recorded(device, 1)
    mark(device, MarkCode.STEP, step=2)
    report = check(ended(device))
    assert found(report) == {Code.STEP_ORDER}
    assert report.intact


def test_a_recess_is_told_with_its_end(tmp_path: Path) -> None:
    device = in_order(tmp_path / "archive")
    begun_at, over_at = mark(device, MarkCode.RECESS), mark(device, MarkCode.SITTING_RESUMED)
    again = mark(device, MarkCode.RECESS)
    report = check(ended(device))
    pairs = [(one.entry, None if end is None else end.entry) for one, end in told_of(report).recesses()]
    assert pairs == [(begun_at, over_at), (again, None)]


def test_a_key_moment_is_told_by_the_words_of_the_list(tmp_path: Path) -> None:
    device = in_order(tmp_path / "archive")
    mark(device, MarkCode.KEY_MOMENT, step=2)
    mark(device, MarkCode.KEY_MOMENT, step=99)
    said = text(check(ended(device)))
    assert "重点标记 重要涉案物品：" in said
    assert "重点标记：" in said


def test_words_in_the_chain_that_a_terminal_would_act_upon_are_not_printed(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    follow(device, steps=(("\x1b[2J\u202e宣布", 0),), notice_ms=None)
    mark(device, MarkCode.PLACE_SPOKEN)
    report = check(ended(device))
    for said in (text(report), text(report, Language.EN), json.dumps(to_json(report), ensure_ascii=False)):
        assert not {"\x1b", "\u202e"} & set(said)
        assert "宣布" in said
