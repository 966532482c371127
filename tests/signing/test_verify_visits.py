"""J29: the visits of a day and the stages of cases, held against their rules by the verifier and told in the report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from liuhen.findings import Code, Severity
from liuhen.kinds import Case, Destroyed, Retention
from liuhen.registry import (
    CaseStage,
    ContentKind,
    MarkCode,
    RecordLabel,
    RetentionBasis,
    VisitEnd,
)
from liuhen.report import Language, to_json, to_text
from tests.signing.archives import UTC_START_MS
from tests.signing.checking import check, codes, only
from tests.signing.visited import Hall, close, hall

DAY_MS = 86_400_000


def test_a_day_of_visits_is_told_by_number_with_the_media_of_each_and_nothing_is_wrong(tmp_path: Path) -> None:
    made = hall(tmp_path)
    first = made.begin("A001")
    made.device.mark(code=MarkCode.NOTICE_GIVEN)
    made.device.segment()
    made.end("A001", first)
    second = made.begin("A002")
    made.device.mark(code=MarkCode.NOTICE_GIVEN)
    made.device.segment()
    made.end("A002", second, VisitEnd.NEXT_VISIT)
    third = made.begin("A003")
    made.device.mark(code=MarkCode.NOTICE_GIVEN)
    close(made)
    report = check(made.device.root)
    assert report.intact
    assert codes(report) == set()
    assert Code.VISIT_NOT_TOLD not in {finding.code for finding in report.findings}
    text = to_text(report, Language.ZH, integrity_only=False)
    assert "值守：3 个办事号码，0 个未见告知" in text
    assert "自动结束" in text
    assert "时间均为北京时间" in text
    assert re.search(r"T[0-9:.]+Z", text) is None, "then no line has another one"
    (day,) = [one["visits"] for one in to_json(report)["sessions"] if one["visits"] is not None]  # type: ignore[attr-defined]
    assert [(one["number"], one["entry"], one["cause"]) for one in day] == [
        ("A001", first, VisitEnd.PERSON),
        ("A002", second, VisitEnd.NEXT_VISIT),
        ("A003", third, VisitEnd.SESSION_ENDED),
    ]
    assert [one["segments"] for one in day] == [[1], [2], [3]]
    assert json.dumps(day)


def test_a_visitor_who_was_never_told_is_a_warning_with_the_number_and_breaks_nothing(tmp_path: Path) -> None:
    made = hall(tmp_path)
    began = made.begin("A001")
    made.device.segment()
    made.end("A001", began)
    close(made)
    report = check(made.device.root)
    assert report.intact
    told = only(report, Code.VISIT_NOT_TOLD)
    assert (told.severity, told.place.entry) == (Severity.WARNING, began)
    assert "A001" in told.what_zh


@pytest.mark.parametrize(
    "wrong",
    [
        lambda made: made.end("A1", 0),
        lambda made: (made.begin("A1"), made.begin("A2")),
        lambda made: made.end("A2", made.begin("A1")),
        lambda made: made.begin("\x1b[2J"),
    ],
)
def test_visits_that_break_their_rules_break_the_archive(wrong: Callable[[Hall], object], tmp_path: Path) -> None:
    made = hall(tmp_path)
    wrong(made)
    made.device.mark(code=MarkCode.NOTICE_GIVEN)
    close(made)
    report = check(made.device.root)
    assert Code.VISIT_ORDER in codes(report)
    assert "\x1b" not in to_text(report, Language.ZH, integrity_only=False)


def test_a_visit_in_an_ordinary_session_is_wrong(tmp_path: Path) -> None:
    made = hall(tmp_path, mode=0)
    made.begin("A1")
    made.device.mark(code=MarkCode.NOTICE_GIVEN)
    close(made)
    assert "no duty stream" in only(check(made.device.root), Code.VISIT_ORDER).what_en


@pytest.mark.parametrize(("known", "due", "broken"), [(True, None, 0), (False, None, 1), (True, 20_499, 1)])
def test_a_case_names_a_session_of_the_journal_and_days_in_their_order(
    known: bool, due: int | None, broken: int, tmp_path: Path
) -> None:
    made = hall(tmp_path)
    close(made)
    made.device.start()
    session = made.session if known else bytes(16)
    body = Case(stage=CaseStage.ENFORCEMENT_ENDED, session=session, day=20_500, due=due, records=())
    made.device.append(body, session=False)
    made.device.stop()
    found = [finding for finding in check(made.device.root).findings if finding.code is Code.VISIT_ORDER]
    assert len(found) == broken


def test_a_visitor_s_record_destroyed_after_its_term_leaves_the_archive_intact_and_names_the_entry(
    tmp_path: Path,
) -> None:
    """What a clerk wrote of a visit is a record: it goes, its commitment stays, and the report says by which entry."""
    made = hall(tmp_path)
    device = made.device
    remark = device.record("张三，补正材料")
    began = made.begin("A001", records=((RecordLabel.OTHER, remark),))
    device.mark(code=MarkCode.NOTICE_GIVEN)
    made.end("A001", began)
    close(made)
    device.start()
    term = Retention(session=made.session, until_ms=UTC_START_MS - DAY_MS, basis=RetentionBasis.CASE_FILE, records=())
    device.append(term, session=False)
    device.session_id = made.session
    order = device.record("经批准销毁")
    body = Destroyed(contents=((int(ContentKind.RECORD), remark),), basis=0, records=((RecordLabel.APPROVAL, order),))
    destroyed = device.append(body)
    device.session_id = None
    device.stop()
    (device.root / "records" / f"{remark.hex()}.record").unlink()
    report = check(device.root)
    assert report.intact
    assert report.vouched is not None
    told = only(report, Code.RECORD_DESTROYED)
    assert f"第 {destroyed} 条" in told.what_zh
    assert f"entry {destroyed}" in told.what_en
    text = to_text(report, Language.ZH, integrity_only=False)
    assert "A001" in text, "the visit itself stays where it was"
    assert "张三" not in text
