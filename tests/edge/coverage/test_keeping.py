"""By when a session was to be stored and its case archived: met, open or missed, as far as the archive knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from edge.archiving import EPOCH
from edge.coverage.reading import entries_of
from edge.coverage.values import Coverage, Outcome, Topic
from liuhen.kinds import Case, Event, Session
from liuhen.registry import CaseStage, EventCode, MissedCause
from tests.edge.coverage.a_hearing import due, outcome, report_of, told
from tests.signing.archives import SECOND_NS, Device
from tests.signing.room import begun, stopped
from tests.signing.visited import hall

HOUR_NS = 3600 * SECOND_NS
DAY_NS = 24 * HOUR_NS


@dataclass(frozen=True)
class Held:
    """A session that has ended, and the seq of its first entry."""

    device: Device
    session: bytes
    opening: int


Act = Callable[[Held], object]


def beijing(utc_ms: int) -> str:
    return (datetime.fromtimestamp(utc_ms / 1000, UTC) + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M")


def wait(nanoseconds: int) -> Act:
    return lambda held: held.device.pass_ns(nanoseconds)


def off_by(error_ms: int) -> Act:
    def act(held: Held) -> None:
        held.device.error_ms = error_ms

    return act


def say(code: EventCode, *measured: int, about: int | None = None) -> Act:
    def act(held: Held) -> None:
        refers_to = held.opening if about is None else about
        body = Event(
            code=code,
            severity=1,
            stream=None,
            span_ns=(held.device.now_ns, held.device.now_ns),
            measured=measured,
            refers_to=refers_to,
            records=(),
        )
        held.device.append(body, session=False)

    return act


def case(stage: CaseStage, day: date, *, last: date | None = None, session: bytes | None = None) -> Act:
    def act(held: Held) -> None:
        body = Case(
            stage=stage,
            session=held.session if session is None else session,
            day=(day - EPOCH).days,
            due=None if last is None else (last - EPOCH).days,
            records=(),
        )
        held.device.append(body, session=False)

    return act


def opening(root: Path) -> int:
    """The seq of the first session's own entry."""
    return next(one.common.seq for one in entries_of(root) if isinstance(one.body, Session))


def report(root: Path, profile: str, *acts: Act) -> Coverage:
    """Of one session that ended at 22:13 on Monday the 21st of September 2026, in Beijing, and what came after it."""
    device = begun(root / "a")
    held = Held(device=device, session=device.session_id or b"", opening=opening(root / "a"))
    device.end()
    assert beijing(device.utc_ms) == "2026-09-21 22:13"
    for act in acts:
        act(held)
    stopped(device)
    found = report_of(root / "a", profile)
    assert found.verified.intact, found.verified.broken
    return found


@pytest.mark.parametrize(
    ("acts", "answer", "words"),
    [
        ((wait(23 * HOUR_NS),), Outcome.OPEN, "期限 2026-09-22 22:13:00，日志截至 2026-09-22 21:13"),
        ((wait(DAY_NS - 21 * SECOND_NS),), Outcome.FOR_A_PERSON, "日志没有记载是否入库"),
        ((wait(HOUR_NS), say(EventCode.DEADLINE_MET, 1)), Outcome.MET, "已于 2026-09-21 23:13"),
        ((wait(25 * HOUR_NS), say(EventCode.DEADLINE_MET, 1)), Outcome.FOR_A_PERSON, "是否在期限内"),
        (
            (wait(DAY_NS - 22 * SECOND_NS), off_by(0), say(EventCode.DEADLINE_MET, 0)),
            Outcome.MET,
            "已于 2026-09-22 22:13",
        ),
        (
            (wait(DAY_NS - 22 * SECOND_NS), off_by(1), say(EventCode.DEADLINE_MET, 0)),
            Outcome.FOR_A_PERSON,
            "是否在期限内",
        ),
        (
            (wait(25 * HOUR_NS), say(EventCode.DEADLINE_MISSED, MissedCause.STORE_UNREACHABLE, 9)),
            Outcome.NOT_MET,
            "到期未入库：存储库连不上（2026-09-22 23:13",
        ),
        ((wait(25 * HOUR_NS), say(EventCode.DEADLINE_MISSED, 77, 9)), Outcome.NOT_MET, "代码 77"),
        ((wait(HOUR_NS), say(EventCode.DEADLINE_MET, 1, about=1)), Outcome.OPEN, "尚未记载入库"),
        (
            (wait(25 * HOUR_NS), say(EventCode.DEADLINE_MISSED, 1, 9), wait(HOUR_NS), say(EventCode.DEADLINE_MET, 0)),
            Outcome.NOT_MET,
            "；2026-09-23 00:13:22 前补入库",
        ),
    ],
    ids=[
        "runs",
        "over and silent",
        "met",
        "met late",
        "met at the last",
        "by its clock's error",
        "missed",
        "strange cause",
        "of another",
        "stored afterwards",
    ],
)
def test_jiaozuo_stores_within_twenty_four_hours(
    tmp_path: Path, acts: tuple[Act, ...], answer: Outcome, words: str
) -> None:
    requirement = due(report(tmp_path, "jiaozuo", *acts), Topic.STORING)
    assert requirement.outcome is answer
    assert words in told(requirement)
    assert requirement.ground is not None
    assert "第十三条" in requirement.ground.cited


def test_the_same_session_has_two_working_days_under_nongan_and_no_term_under_a_list(tmp_path: Path) -> None:
    found = report(tmp_path, "nongan", wait(25 * HOUR_NS), say(EventCode.DEADLINE_MET, 1))
    requirement = due(found, Topic.STORING)
    assert requirement.outcome is Outcome.MET
    assert "期限 2026-09-24 00:00:00" in told(requirement)
    assert "第二十五条" in (requirement.ground or pytest.fail("no ground")).cited
    assert outcome(report_of(tmp_path / "a", "zezhou"), Topic.STORING) is Outcome.NOT_ASKED
    assert outcome(report_of(tmp_path / "a", "zezhou"), Topic.ARCHIVING) is Outcome.NOT_ASKED


def test_what_was_missed_by_a_shorter_term_is_still_open_by_a_longer_one(tmp_path: Path) -> None:
    missed = (wait(25 * HOUR_NS), say(EventCode.DEADLINE_MISSED, MissedCause.TOO_SLOW, 9))
    assert outcome(report(tmp_path, "nongan", *missed), Topic.STORING) is Outcome.OPEN


SEPTEMBER, NOVEMBER = date(2026, 9, 21), date(2026, 11, 9)


@pytest.mark.parametrize(
    ("profile", "acts", "answer", "words"),
    [
        ("jiaozuo", (), Outcome.OPEN, "尚未登记执法结束之日"),
        ("jiaozuo", (case(CaseStage.EXECUTION_ENDED, SEPTEMBER),), Outcome.OPEN, "尚未登记执法结束之日"),
        ("jiaozuo", (case(CaseStage.ENFORCEMENT_ENDED, SEPTEMBER),), Outcome.OPEN, "尚未登记归档"),
        ("nongan", (case(CaseStage.EXECUTION_ENDED, SEPTEMBER),), Outcome.OPEN, "期限为 2026-10-21 当日终了"),
        ("nongan", (case(CaseStage.EXECUTION_ENDED, SEPTEMBER), wait(31 * DAY_NS)), Outcome.NOT_MET, "没有登记归档"),
        (
            "nongan",
            (case(CaseStage.EXECUTION_ENDED, SEPTEMBER), case(CaseStage.ARCHIVED, date(2026, 10, 21))),
            Outcome.MET,
            "按期归档",
        ),
        (
            "nongan",
            (case(CaseStage.EXECUTION_ENDED, SEPTEMBER), case(CaseStage.ARCHIVED, date(2026, 10, 22))),
            Outcome.NOT_MET,
            "迟 1 日归档",
        ),
        (
            "nongan",
            (case(CaseStage.EXECUTION_ENDED, date(2026, 8, 1)), case(CaseStage.EXECUTION_ENDED, SEPTEMBER)),
            Outcome.OPEN,
            "期限为 2026-10-21 当日终了",
        ),
        (
            "jiaozuo",
            (case(CaseStage.ENFORCEMENT_ENDED, SEPTEMBER, last=date(2026, 9, 22)), wait(2 * DAY_NS)),
            Outcome.OPEN,
            "尚未登记归档",
        ),
        (
            "nongan",
            (case(CaseStage.EXECUTION_ENDED, SEPTEMBER), case(CaseStage.ARCHIVED, SEPTEMBER, session=bytes(16))),
            Outcome.OPEN,
            "尚未登记归档",
        ),
        (
            "nongan",
            (case(CaseStage.EXECUTION_ENDED, SEPTEMBER, last=NOVEMBER), case(CaseStage.ARCHIVED, NOVEMBER)),
            Outcome.MET,
            "依有特殊规定的法律法规",
        ),
    ],
    ids=[
        "not begun",
        "of another trigger",
        "runs",
        "days",
        "over",
        "last day",
        "a day late",
        "said again",
        "no special law",
        "of another session",
        "special law",
    ],
)
def test_a_case_is_archived_by_the_term_of_its_own_trigger(
    tmp_path: Path, profile: str, acts: tuple[Act, ...], answer: Outcome, words: str
) -> None:
    requirement = due(report(tmp_path, profile, *acts), Topic.ARCHIVING)
    assert requirement.outcome is answer
    assert words in told(requirement)


def test_thirty_working_days_are_longer_than_thirty_days(tmp_path: Path) -> None:
    begins = (case(CaseStage.ENFORCEMENT_ENDED, SEPTEMBER), wait(31 * DAY_NS), case(CaseStage.ARCHIVED, NOVEMBER))
    requirement = due(report(tmp_path, "jiaozuo", *begins), Topic.ARCHIVING)
    assert "期限为 2026-11-0" in told(requirement), "National Day and weekends do not count"
    assert "已归档：2026-11-09" in told(requirement)


def test_an_open_session_owes_nothing_yet(tmp_path: Path) -> None:
    device = begun(tmp_path / "a")
    device.pass_ns(30 * HOUR_NS)
    device.checkpoint()
    assert outcome(report_of(tmp_path / "a", "jiaozuo"), Topic.STORING) is Outcome.OPEN


@pytest.mark.parametrize("late", [False, True])
def test_each_visit_of_a_day_has_a_term_of_its_own(tmp_path: Path, late: bool) -> None:
    made = hall(tmp_path)
    began = made.begin("A001")
    made.device.segment()
    made.end("A001", began)
    made.device.segment()
    made.device.end()
    made.device.pass_ns((25 if late else 1) * HOUR_NS)
    code = EventCode.DEADLINE_MISSED if late else EventCode.DEADLINE_MET
    say(code, MissedCause.TOO_SLOW, 1, about=began)(Held(device=made.device, session=made.session, opening=0))
    stopped(made.device)
    requirement = due(report_of(tmp_path / "archive", "jiaozuo"), Topic.STORING)
    assert requirement.outcome is (Outcome.NOT_MET if late else Outcome.OPEN), "the day's own term runs on"
    assert "A001号：期限" in told(requirement)
    assert ("传输太慢" in told(requirement)) is late
