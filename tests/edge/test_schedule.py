"""A calendar as the hearings of a room: hostile ones are refused by one line; a hearing not recorded is told."""

from __future__ import annotations

import contextlib
import errno
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.__main__ import main
from edge.calendar_file import FILE_LIMIT_BYTES, MOST_EVENTS, read_calendar
from edge.durable import StorageFault
from edge.header import SessionHeader
from edge.header import to_bytes as header_bytes
from edge.journal import newest_entries
from edge.requests import MarkKind, Role, Verb
from edge.room import Room as RecorderRoom
from edge.schedule import (
    BYTES_LIMIT,
    LATEST_MS,
    MOST_HEARINGS,
    Hearing,
    ScheduleError,
    case_numbers,
    is_of_another_case,
    parse,
    to_bytes,
)
from edge.statement_draft import draft_of
from liuhen import records
from liuhen.findings import Code
from liuhen.kinds import Duty, Event
from liuhen.registry import DutyAct, DutyCode, EventCode, RecordLabel
from tests.edge import ports_room
from tests.edge.ports_room import UTC_MS, Device, Room
from tests.edge.served import journal
from tests.edge.test_room import withhold

NOW = datetime(2026, 9, 1, 0, 0, tzinfo=UTC)
"""08:00 in Beijing, a Tuesday."""


def event(*lines: str, uid: str = "1", start: str = "DTSTART:20260903T010000Z") -> str:
    return "\r\n".join(("BEGIN:VEVENT", f"UID:{uid}", start, *lines, "END:VEVENT"))


def calendar(*events: str) -> bytes:
    head = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//court//EN\r\n"
    return (head + "\r\n".join(events) + "\r\nEND:VCALENDAR\r\n").encode()


def read(*events: str) -> list[tuple[str, str]]:
    """(beginning in Beijing, title) of each hearing."""
    found = read_calendar(calendar(*events), now=NOW, utc_offset_minutes=480).here
    return [(beijing(one.begin_ms), one.title) for one in found]


def beijing(utc_ms: int) -> str:
    return (datetime.fromtimestamp(utc_ms / 1000, tz=UTC) + timedelta(hours=8)).strftime("%m-%d %H:%M")


def refusal(content: bytes) -> str:
    with pytest.raises(ScheduleError) as refused:
        read_calendar(content, now=NOW, utc_offset_minutes=480)
    words = refused.value.words_en
    assert refused.value.words_zh
    assert words.isprintable(), "one clear line"
    assert len(words) < 120
    return words


def test_utc_a_named_zone_a_windows_name_and_floating_time_are_each_what_the_rules_say() -> None:
    assert read(
        event("SUMMARY:世界时"),
        event("SUMMARY:上海", uid="2", start="DTSTART;TZID=Asia/Shanghai:20260903T100000"),
        event("SUMMARY:视窗", uid="3", start="DTSTART;TZID=China Standard Time:20260903T110000"),
        event("SUMMARY:本机", uid="4", start="DTSTART:20260903T120000"),
        event("SUMMARY:纽约", uid="5", start="DTSTART;TZID=America/New_York:20260903T090000"),
    ) == [
        ("09-03 09:00", "世界时"),
        ("09-03 10:00", "上海"),
        ("09-03 11:00", "视窗"),
        ("09-03 12:00", "本机"),
        ("09-03 21:00", "纽约"),
    ]


@pytest.mark.parametrize(
    ("location", "here"),
    [
        ("第一听证室", True),
        ("办公楼三层 第 一 听证室", True),
        ("听证室", True),  # vague: rather one too many than one that nobody misses
        ("", True),
        ("第二听证室", False),
        ("Room 2", False),
    ],
)
def test_a_hearing_of_another_room_is_not_missed_in_this_one(location: str, here: bool) -> None:
    content = calendar(event("SUMMARY:听证", f"LOCATION:{location}"), event("SUMMARY:b", uid="2"))
    found = read_calendar(content, now=NOW, utc_offset_minutes=480, room="第一听证室")
    assert [one.title for one in found.here] == (["b", "听证"] if here else ["b"])
    assert [one.title for one in found.elsewhere] == ([] if here else ["听证"])
    everywhere = read_calendar(content, now=NOW, utc_offset_minutes=480)
    assert (len(everywhere.here), everywhere.elsewhere) == (2, ())


def test_a_hearing_that_moves_to_another_room_leaves_this_one() -> None:
    rule = event("SUMMARY:听证", "RRULE:FREQ=DAILY;COUNT=2", "LOCATION:第一听证室")
    moved = event(
        "SUMMARY:听证", "RECURRENCE-ID:20260904T010000Z", "LOCATION:第二听证室", start="DTSTART:20260904T010000Z"
    )
    found = read_calendar(calendar(rule, moved), now=NOW, utc_offset_minutes=480, room="第一听证室")
    assert [beijing(one.begin_ms) for one in found.here] == ["09-03 09:00"]
    assert [beijing(one.begin_ms) for one in found.elsewhere] == ["09-04 09:00"]


def test_a_zone_that_the_file_defines_itself_is_not_believed() -> None:
    """A VTIMEZONE under a well-known name says whatever its writer likes; the data base of the machine counts."""
    lie = "\r\n".join(
        (
            "BEGIN:VTIMEZONE",
            "TZID:Asia/Shanghai",
            "BEGIN:STANDARD",
            "DTSTART:19700101T000000",
            "TZOFFSETFROM:+0100",
            "TZOFFSETTO:+0100",
            "END:STANDARD",
            "END:VTIMEZONE",
        )
    )
    shanghai = event("SUMMARY:a", start="DTSTART;TZID=Asia/Shanghai:20260903T100000")
    assert read(lie, shanghai) == [("09-03 10:00", "a")]
    invented = event("SUMMARY:a", start="DTSTART;TZID=Court/Room1:20260903T100000")
    assert "time zone" in refusal(calendar(lie.replace("Asia/Shanghai", "Court/Room1"), invented))


def test_rules_repeat_in_their_own_zone_and_leave_out_moved_and_cancelled_occurrences() -> None:
    weekly = event(
        "SUMMARY:周会听证",
        "RRULE:FREQ=WEEKLY;BYDAY=TH;COUNT=4",
        "EXDATE:20260910T010000Z",
    )
    moved = event("SUMMARY:改期", "RECURRENCE-ID:20260917T010000Z", start="DTSTART:20260918T020000Z")
    gone = event("SUMMARY:取消", "STATUS:CANCELLED", uid="9")
    assert read(weekly, moved, gone) == [
        ("09-03 09:00", "周会听证"),
        ("09-18 10:00", "改期"),
        ("09-24 09:00", "周会听证"),
    ]
    assert read(moved, weekly) == read(weekly, moved), "whichever stands first"
    summer = event("SUMMARY:x", "RRULE:FREQ=WEEKLY;COUNT=10", start="DTSTART;TZID=America/New_York:20260903T090000")
    hours = {text.split(" ")[1] for text, _ in read(summer)}
    assert hours == {"21:00", "22:00"}, "nine o'clock there, whatever the season"


def test_a_rule_without_end_is_taken_as_far_as_one_can_see() -> None:
    found = read(event("SUMMARY:x", "RRULE:FREQ=WEEKLY"))
    assert len(found) == 57
    until = event("SUMMARY:x", "RRULE:FREQ=DAILY;UNTIL=20260905T010000Z")
    assert len(read(until)) == 3


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("RRULE:FREQ=SECONDLY",), "another rule"),
        (("RRULE:FREQ=MINUTELY;COUNT=999999999",), "another rule"),
        (("RRULE:FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23",), "another rule"),
        (("RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=5",), "another rule"),
        (("RRULE:FREQ=DAILY;INTERVAL=0",), "rule"),
        (("RRULE:FREQ=DAILY;BYDAY=" + ",".join(["MO"] * 90),), "rule"),
        (("RDATE:20260905T010000Z",), "RDATE"),
        (("RRULE:FREQ=DAILY;COUNT=2", "RRULE:FREQ=DAILY;COUNT=3"), "rules"),
        (("SUMMARY:\u202e听证",), "visible"),
        (("SUMMARY:听证\u200b",), "visible"),
        (("SUMMARY:一\\n二",), "visible"),
        (("SUMMARY:\x1b[2J",), ""),
        (("SUMMARY:" + "长" * 10_000,), "visible"),
        (("DTEND:20260801T010000Z",), "ends before"),
        (("DTEND:20270801T010000Z",), "seven days"),
    ],
)
def test_a_hostile_event_is_refused_by_one_line_that_names_it_and_repeats_nothing(
    lines: tuple[str, ...], words: str
) -> None:
    before = time.process_time()
    said = refusal(calendar(event("SUMMARY:好", uid="0"), event(*lines)))
    assert words in said
    assert "\u202e" not in said
    assert time.process_time() - before < 20


def test_rules_that_are_never_met_end() -> None:
    impossible = event("SUMMARY:x", "RRULE:FREQ=DAILY;INTERVAL=7;BYDAY=MO;COUNT=5")
    before = time.process_time()
    assert len(read(impossible)) == 1, "DTSTART is the first occurrence whatever the rule says"
    assert time.process_time() - before < 20


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no iCalendar"),
        (b"rubbish", "no iCalendar"),
        (b"\xff\xfe", "no iCalendar"),
        (b"BEGIN:VCALENDAR\r\n" * 5000, "no iCalendar"),
        (calendar(event(start="DTSTART:99999999T000000")), "no time"),
        (calendar(event(start="DTSTART;VALUE=DATE:20260903")), "day without a time"),
        (calendar(event(start="DTSTART;TZID=Mars/Olympus:20260903T090000")), "time zone"),
        (calendar(event(start="DTSTART;TZID=../../etc/passwd:20260903T090000")), "time zone"),
        (calendar("BEGIN:VTODO\r\nUID:1\r\nEND:VTODO"), "no event"),
        (calendar(event()) + b"x" * FILE_LIMIT_BYTES, "bytes"),
        (calendar(*[event(uid=str(n)) for n in range(MOST_EVENTS + 1)]), "events"),
        (calendar(*[event("RRULE:FREQ=DAILY", uid=str(n)) for n in range(3)]), "hearings"),
        (calendar(event("RRULE:FREQ=DAILY", start="DTSTART:19700101T000000Z")), "five years"),
    ],
)
def test_what_is_no_usable_calendar_is_refused_as_a_whole(content: bytes, words: str) -> None:
    assert words in refusal(content)


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_no_bytes_make_the_reader_fail_otherwise(content: bytes) -> None:
    for text in (content, calendar(event()).replace(b"SUMMARY", content), calendar().replace(b"END", content + b"END")):
        with contextlib.suppress(ScheduleError):
            read = read_calendar(text, now=NOW, utc_offset_minutes=480).here
            assert parse(to_bytes(read)) == read


def test_the_strict_form_is_read_back_and_nothing_else_is() -> None:
    hearings = (Hearing(begin_ms=5, end_ms=6, title="听证"), Hearing(begin_ms=7, end_ms=7, title="b"))
    assert parse(to_bytes(hearings)) == hearings
    for bad in (
        b"",
        b"[]",
        b'{"v":2,"hearings":[]}',
        b'{"v":1,"hearings":[[1,2,"\\u202ea"]]}',
        b'{"v":1,"hearings":[[2,1,"a"]]}',
        b'{"v":1,"hearings":[[true,2,"a"]]}',
        b'{"v":1,"hearings":[[1,2,"a",4]]}',
        b'{"v":1,"hearings":[],"x":1}',
        to_bytes(hearings * MOST_HEARINGS),
        b" " * (BYTES_LIMIT + 1),
    ):
        with pytest.raises(ScheduleError):
            parse(bad)


def refused_form(content: bytes) -> str:
    with pytest.raises(ScheduleError) as refused:
        parse(content)
    assert refused.value.words_en.isascii()
    return refused.value.words_zh


def test_the_strict_form_holds_so_much_and_no_more() -> None:
    most = tuple(Hearing(begin_ms=at, end_ms=at, title="a") for at in range(MOST_HEARINGS))
    assert parse(to_bytes(most)) == most
    assert "多于 500 场" in refused_form(to_bytes((*most, most[0])))
    padded = to_bytes(most).ljust(BYTES_LIMIT)
    assert parse(padded) == most
    assert "超过 262144 字节" in refused_form(padded + b" ")
    for begin_ms, end_ms, title in ((0, 0, "听" * 200), (0, LATEST_MS - 1, "a"), (5, 5, "a b")):
        hearing = Hearing(begin_ms=begin_ms, end_ms=end_ms, title=title)
        content = to_bytes((hearing,))
        assert parse(content) == (hearing,)
        assert title.encode() in content, "its record is read by people"
    for row in (
        [0, 1, "听" * 201],
        [0, 1, ""],
        [0, 1, " a"],
        [0, 1, "a "],
        [-1, 1, "a"],
        [0, LATEST_MS, "a"],
        [0, 1.5, "a"],
        [0, True, "a"],
        [0.0, 1, "a"],
    ):
        assert refused_form(json.dumps({"v": 1, "hearings": [row]}).encode()) == "内容不是日程", row


@pytest.mark.parametrize(
    ("title", "case", "other"),
    [
        ("听证〔2026〕1号", "（泽）应急罚（2026）1 号", False),
        ("听证〔2026〕１号", "应急罚[2026]1号", False),
        ("听证〔2026〕1号", "应急罚〔2026〕11号", True),
        ("听证〔2026〕1号", "应急罚〔2025〕1号", True),
        ("听证〔2026〕1号、〔2026〕2号", "〔2026〕2号", False),
        ("听证 张三案", "〔2026〕2号", False),
        ("听证〔2026〕1号", "", False),
        ("听证〔2026〕1号", "张三案", False),
        ("听证〔2026〕" + "一" * 5000, "〔2026〕" * 5000, False),
    ],
)
def test_a_case_is_another_one_only_where_both_name_one(title: str, case: str, other: bool) -> None:
    assert is_of_another_case(title, case) is other
    assert case_numbers("〔2026〕 第 3 号") == {"(2026)第3号"}


# -- in the room ------------------------------------------------------------------------------------------------------

MINUTE_MS = 60_000
Act = Callable[[Room], None]


@pytest.fixture
def made(tmp_path: Path) -> Device:
    made = ports_room.device(tmp_path)
    session = replace(made.config.session, schedule_grace_minutes=15)
    return replace(made, config=replace(made.config, session=session))


def take_in(*begin_minutes: float) -> Act:
    """A schedule of hearings so many minutes after the room's first moment."""
    rows = tuple(
        Hearing(begin_ms=UTC_MS + int(at * MINUTE_MS), end_ms=UTC_MS + int(at * MINUTE_MS), title=f"张三案 {at}")
        for at in begin_minutes
    )

    def act(room: Room) -> None:
        answer = room.ask(Verb.SCHEDULE, attachment=to_bytes(rows))
        assert answer.ok, answer.words_en

    return act


def run_at(made: Device, minutes: float, *acts: Act) -> Room:
    """A run of six seconds and more, so many minutes after the first moment."""
    room = Room()
    room.clock.utc_offset_ms += int(minutes * MINUTE_MS)
    room.clock.boot_id = bytes([int(minutes) % 251, *range(1, 16)])
    room.record(made.config, lambda room: room.play(6), *acts, lambda room: room.play(6))
    return room


def jump(minutes: float) -> Act:
    """UTC moves on without the room."""

    def act(room: Room) -> None:
        room.clock.utc_offset_ms += int(minutes * MINUTE_MS)

    return act


def refused_request(room: Room) -> None:
    """Somebody without the right asks, which is an event."""
    assert not room.ask(Verb.SCHEDULE, Role.NOBODY, attachment=b"").ok


def not_recorded(made: Device) -> list[Event]:
    found = [one.body for one in journal(made) if isinstance(one.body, Event)]
    return [body for body in found if body.code == EventCode.SCHEDULED_NOT_RECORDED]


@pytest.mark.long
def test_a_scheduled_hearing_without_media_is_an_event_once_after_its_grace(made: Device) -> None:
    run_at(made, 0, take_in(60))
    room = run_at(made, 80)
    (missed,) = not_recorded(made)
    assert missed.measured == (0, (UTC_MS + 60 * MINUTE_MS) // 1000, 15)
    assert len([one for one in journal(made) if isinstance(one.body, Duty)]) == 1, "owed at once, not by the next start"
    taken_in = next(
        one for one in journal(made) if isinstance(one.body, Event) and one.body.code == EventCode.SCHEDULE_SET
    )
    assert missed.refers_to == taken_in.common.seq
    assert any("按日程应当录制而未录制" in words for words in room.onlooker.words)
    run_at(made, 90)
    run_at(made, 500)
    assert len(not_recorded(made)) == 1
    (owed,) = (one.body for one in journal(made) if isinstance(one.body, Duty))
    (event,) = (one.common.seq for one in journal(made) if one.body is missed or one.body == missed)
    assert (owed.code, owed.act, owed.refers_to) == (DutyCode.WRITTEN_STATEMENT, DutyAct.OPENED, event)
    assert made.findings() == []
    assert Code.DUTY_OPEN in made.told(), "it is owed until it is answered"
    draft = draft_of(made.spool, event, room="第一听证室", zone=timezone(timedelta(hours=8)))
    assert "未录制情况书面说明" in draft
    assert "日程标题：张三案 60" in draft
    assert f"日程所定时间：2026-{beijing(UTC_MS + 60 * MINUTE_MS)}" in draft

    def explain(living: Room) -> None:
        assert living.ask(
            Verb.STATEMENT, gap=event, attachment=b"%PDF signed", text="当事人撤回听证申请", actor="周八"
        ).ok

    run_at(made, 510, explain)
    assert made.findings() == []
    assert Code.DUTY_OPEN not in made.told()


@pytest.mark.long
@pytest.mark.parametrize("began", [58.0, 60.0, 74.0], ids=["goes on over its beginning", "at it", "within the grace"])
def test_a_session_that_was_recorded_then_discharges_it(began: float, made: Device) -> None:
    run_at(made, 0, take_in(60))
    run_at(made, began, lambda room: room.play(130) if began < 60 else None)
    run_at(made, 90)
    assert not_recorded(made) == []


@pytest.mark.long
@pytest.mark.parametrize(("case", "missed"), [("应急罚〔2026〕1号", 0), ("应急罚〔2026〕2号", 1), ("", 0)])
def test_where_calendar_and_header_name_a_case_it_is_the_same_one(case: str, missed: int, made: Device) -> None:
    begin_ms = UTC_MS + 60 * MINUTE_MS
    rows = (Hearing(begin_ms=begin_ms, end_ms=begin_ms, title="听证 应急罚（2026）1 号"),)

    def imported(room: Room) -> None:
        assert room.ask(Verb.SCHEDULE, attachment=to_bytes(rows)).ok

    def named(room: Room) -> None:
        content = header_bytes(SessionHeader(case_number=case, cause="案由"))
        assert room.ask(Verb.HEADER, attachment=content, actor="周八").ok

    run_at(made, 0, imported)
    run_at(made, 61, named)
    run_at(made, 80)
    assert len(not_recorded(made)) == missed


@pytest.mark.long
@pytest.mark.parametrize("began", [30.0, 76.0], ids=["long before", "after the grace"])
def test_another_session_does_not(began: float, made: Device) -> None:
    run_at(made, 0, take_in(60))
    run_at(made, began)
    run_at(made, 100)
    assert len(not_recorded(made)) == 1


def warned(room: Room) -> bool:
    return any("按日程应当录制而未录制" in words for words in room.onlooker.statuses[-1].warnings_zh)


@pytest.mark.long
def test_what_is_being_recorded_counts_before_any_segment_of_it_is_stated(made: Device) -> None:
    run_at(made, 0, take_in(60))
    run_at(made, 59, jump(17))
    run_at(made, 90)
    assert not_recorded(made) == []


@pytest.mark.long
def test_a_session_in_which_nothing_is_captured_is_no_recording_of_its_hearing(made: Device) -> None:
    run_at(made, 0, take_in(60))
    run_at(made, 58, withhold, lambda room: room.play(1), jump(18))
    assert len(not_recorded(made)) == 1


@pytest.mark.long
def test_a_hearing_is_judged_once_its_grace_is_over_whatever_the_clock_s_error(made: Device) -> None:
    run_at(made, 0, take_in(60))
    seen: list[int] = []

    def look(room: Room) -> None:
        room.play(6)
        seen.append(len(not_recorded(made)))

    def inexact(room: Room) -> None:
        room.clock.error_ms = 2 * MINUTE_MS

    run_at(made, 76, inexact, look, jump(2), look)
    assert seen == [1, 1], "the run's first look was at the exact clock"
    run_at(made, 80, take_in(100))
    room = Room()
    room.clock.error_ms = 2 * MINUTE_MS
    room.clock.utc_offset_ms += 116 * MINUTE_MS
    room.clock.boot_id = bytes(16)
    room.record(made.config, look, jump(2), look)
    assert seen[2:] == [1, 2], "too late by less than the clock's error is not said to be too late"


@pytest.mark.long
def test_the_warning_of_a_hearing_that_was_missed_stands_until_one_is_recorded(made: Device) -> None:
    run_at(made, 0, take_in(60, 100))
    shown: list[bool] = []

    def look(room: Room) -> None:
        room.play(6)
        shown.append(warned(room))

    room = run_at(made, 80, look, jump(10), look, jump(30), look)
    assert shown == [True, True, False]
    where = next(at for at, words in enumerate(room.onlooker.words) if "按日程应当录制而未录制" in words)
    assert "liuhen ctl statement" in room.onlooker.words[where]
    assert room.onlooker.words[where + 1].isascii()
    assert [event.measured[0] for event in not_recorded(made)] == [0]


@pytest.mark.long
def test_who_takes_a_schedule_in_hears_what_is_to_come_and_status_names_the_next_three(made: Device) -> None:
    answers: list[str] = []
    shown: list[object] = []

    def bring(*begin_minutes: int) -> Act:
        def act(room: Room) -> None:
            shown.append((room.ask(Verb.STATUS).facts or {}).get("schedule"))
            rows = tuple(Hearing(begin_ms=at(one), end_ms=at(one), title=f"{one}") for one in begin_minutes)
            answers.append(room.ask(Verb.SCHEDULE, attachment=to_bytes(rows)).words_zh)
            shown.append((room.ask(Verb.STATUS).facts or {}).get("schedule"))

        return act

    def at(minutes: int) -> int:
        return UTC_MS + minutes * MINUTE_MS

    run_at(made, 100, bring(10, 200, 300, 400, 500), bring())
    assert ["4 场待录" in answers[0], "0 场待录" in answers[1]] == [True, True]
    three = [{"begin_ms": at(one), "title": f"{one}"} for one in (200, 300, 400)]
    assert shown == [None, three, three, None]
    sets = [
        one.body for one in journal(made) if isinstance(one.body, Event) and one.body.code == EventCode.SCHEDULE_SET
    ]
    assert [body.measured for body in sets] == [(5, at(10) // 1000, at(500) // 1000), (0, 0, 0)]


@pytest.mark.long
def test_media_in_an_earlier_file_of_the_journal_discharges_a_hearing_too(made: Device) -> None:
    small = replace(made, config=replace(made.config, spool=replace(made.config.spool, journal_file_bytes=65_536)))
    files: list[int] = []

    def marks(room: Room) -> None:
        room.play(1)
        files.append(len([*small.journal_files()]))
        for _ in range(250):
            assert room.ask(Verb.MARK, kind=MarkKind.POINT).ok
        files.append(len([*small.journal_files()]))

    run_at(small, 0, take_in(60))
    run_at(small, 61, withhold, marks, jump(20))
    assert files[0] < files[1]
    assert not_recorded(small) == []


@pytest.mark.long
def test_what_is_taken_in_is_a_record_and_replaces_what_was_there_before(made: Device) -> None:
    run_at(made, 0, take_in(60), take_in(120))
    run_at(made, 80)
    assert not_recorded(made) == []
    run_at(made, 140)
    assert len(not_recorded(made)) == 1
    sets = [
        one.body for one in journal(made) if isinstance(one.body, Event) and one.body.code == EventCode.SCHEDULE_SET
    ]
    (label, commitment) = sets[1].records[0]
    assert label == RecordLabel.ATTACHMENT
    record = records.parse((made.spool / "records" / f"{commitment.hex()}.record").read_bytes(), where="record")
    assert parse(record.content)[0].title == "张三案 120"
    entries = b"".join(path.read_bytes() for path in made.journal_files())
    assert "张三".encode() not in entries, "no name stands in the chain"


@pytest.mark.long
def test_what_was_over_when_it_was_taken_in_is_not_owed(made: Device) -> None:
    run_at(made, 100, take_in(10, 60))
    run_at(made, 200)
    assert not_recorded(made) == []


UNREADABLE: tuple[bytes | None, ...] = (b"{", b"", None, b"[" * 100_000, b"\xff\xfe")


@pytest.mark.long
@pytest.mark.parametrize("left", UNREADABLE, ids=["half", "empty", "none", "deep", "no text"])
def test_a_schedule_whose_file_is_lost_is_read_back_from_its_record(left: bytes | None, made: Device) -> None:
    run_at(made, 0, take_in(60))
    leave(made, left)
    room = run_at(made, 80)
    assert len(not_recorded(made)) == 1
    assert not any("日程无法读取" in words for words in room.onlooker.words)
    run_at(made, 90)
    assert len(not_recorded(made)) == 1


def leave(made: Device, content: bytes | None) -> None:
    path = made.spool / "device" / "schedule.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)


@pytest.mark.long
def test_a_schedule_that_cannot_be_read_any_more_is_said_and_hinders_nothing(made: Device) -> None:
    run_at(made, 0, take_in(60))
    leave(made, b"{")
    for record in (made.spool / "records").iterdir():
        record.unlink()
    room = run_at(made, 80)
    assert any("日程无法读取" in words for words in room.onlooker.words)
    assert not_recorded(made) == []


@pytest.mark.long
def test_what_was_judged_or_taken_in_just_before_a_power_cut_is_neither_said_twice_nor_lost(made: Device) -> None:
    """The entry is on the disk, the file is as it was before it."""
    path = made.spool / "device" / "schedule.json"
    run_at(made, 0, take_in(60))
    before = path.read_bytes()
    run_at(made, 80)
    path.write_bytes(before)
    run_at(made, 90)
    assert len(not_recorded(made)) == 1
    run_at(made, 91, take_in(120))
    path.write_bytes(before)
    run_at(made, 140)
    assert [event.measured[1] for event in not_recorded(made)] == [
        (UTC_MS + at * MINUTE_MS) // 1000 for at in (60, 120)
    ]


@pytest.mark.long
def test_a_room_without_a_schedule_and_one_whose_schedule_is_there_hear_nothing_of_it(made: Device) -> None:
    for room in (run_at(made, 0), run_at(made, 1, take_in(60), refused_request), run_at(made, 10)):
        assert not any("日程" in words for words in (*room.onlooker.words, *room.onlooker.statuses[-1].warnings_zh))


@pytest.mark.long
def test_no_other_event_behind_the_schedule_is_owed_a_statement(made: Device) -> None:
    run_at(made, 0, take_in(60), refused_request)
    (made.spool / "device" / "schedule.json").unlink()
    run_at(made, 10)
    run_at(made, 20)
    codes = [one.body.code for one in journal(made) if isinstance(one.body, Event)]
    assert EventCode.REFUSED_REQUEST in codes
    assert [one for one in journal(made) if isinstance(one.body, Duty)] == []


@pytest.mark.long
def test_a_statement_is_owed_also_where_the_power_went_between_the_event_and_the_duty(
    made: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def goes(*_: object) -> int:
        raise StorageFault(made.spool, errno.EIO)

    run_at(made, 0, take_in(60))
    with monkeypatch.context() as patched:
        patched.setattr(RecorderRoom, "open_duty", goes)
        run_at(made, 80)
    for at in (90, 100):
        run_at(made, at)
        owed = [one.body.refers_to for one in journal(made) if isinstance(one.body, Duty)]
        told = [one.common.seq for one in journal(made) if one.body in not_recorded(made)]
        assert owed.count(told[0]) == len(told) == 1


def test_the_newest_entries_are_read_from_the_end_whatever_lies_before_them(made: Device) -> None:
    run_at(made, 0)
    every, directory = journal(made), made.spool / "journal"
    assert [*newest_entries(directory, 1 << 20)] == [*reversed(every)]
    some = [*newest_entries(directory, 4096)]
    assert 1 < len(some) < len(every)
    assert some == [*reversed(every)][: len(some)]


@pytest.mark.long
def test_what_is_no_schedule_is_refused(made: Device) -> None:
    def ask(room: Room) -> None:
        assert not room.ask(Verb.SCHEDULE, attachment=b"BEGIN:VCALENDAR").ok
        assert not room.ask(Verb.SCHEDULE).ok

    run_at(made, 0, ask)


@pytest.mark.parametrize(
    ("days", "told"), [(10, "处罚听证最迟于 {} 通知当事人"), (3, "警告：处罚听证的通知最迟为 {}，已过")]
)
def test_by_when_the_parties_are_to_be_told_of_a_hearing_is_said_where_the_rules_say_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], days: int, told: str
) -> None:
    held = (datetime.now(UTC) + timedelta(hours=8, days=days)).date()
    file = tmp_path / "court.ics"
    file.write_bytes(calendar(event("SUMMARY:听证", start=f"DTSTART:{held:%Y%m%d}T010000Z")))
    rules = {}
    for name in ("zezhou", "jiaozuo"):
        (tmp_path / f"{name}.toml").write_text(f'[profile]\nname = "{name}"\n', encoding="utf-8")
        assert main(["schedule", "show", str(file), "--config", str(tmp_path / f"{name}.toml")]) == 0
        rules[name] = capsys.readouterr().out
    assert f"{told.format(held - timedelta(days=7))}（“听证7日前”，第23行）" in rules["zezhou"]
    assert "通知" not in rules["jiaozuo"]


def test_a_clerk_sees_what_is_not_counted_and_may_count_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soon = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y%m%dT010000Z")
    file, config = tmp_path / "court.ics", tmp_path / "recorder.toml"
    file.write_bytes(calendar(event("SUMMARY:听证", "LOCATION:第二听证室", start=f"DTSTART:{soon}")))
    config.write_text('[device]\nroom = "第一听证室"\n', encoding="utf-8")
    assert main(["schedule", "show", str(file), "--config", str(config)]) == 0
    told = capsys.readouterr().out
    assert "共 0 场" in told
    assert "另有 1 场的地点不是“第一听证室”" in told
    for everything in (["--config", str(config), "--all-rooms"], []):  # without a configuration no room has a name
        assert main(["schedule", "show", str(file), *everything]) == 0
        told = capsys.readouterr().out
        assert "共 1 场" in told
        assert "另有" not in told


def test_a_clerk_reads_a_calendar_before_taking_it_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soon = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y%m%dT010000Z")
    file = tmp_path / "court.ics"
    file.write_bytes(calendar(event("SUMMARY:听证", start=f"DTSTART:{soon}")))
    assert main(["schedule", "show", str(file)]) == 0
    assert "09:00  听证" in capsys.readouterr().out
    file.write_bytes(calendar(event("SUMMARY:\u202e听证", start=f"DTSTART:{soon}")))
    assert main(["schedule", "show", str(file)]) == 2
    assert "第 1 个日程项" in capsys.readouterr().err
    assert main(["schedule", "show", str(tmp_path / "nowhere.ics")]) == 2
    file.write_bytes(calendar(event("SUMMARY:听证", start=f"DTSTART:{soon}")))
    assert main(["schedule", "import", str(file), "--socket", str(tmp_path / "nobody")]) == 6
