"""What forbade recording, what is owed, and how the report tells it: each rule of FORMAT.md 5.7 kept and broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from liuhen import cose
from liuhen.findings import Code, Severity
from liuhen.kinds import Check, Duty, GapEnd, Inhibition, Maintenance, Mark, Run
from liuhen.registry import CheckCode, DutyAct, DutyCode, EndCause, GapCause, InhibitionCode, MarkCode
from liuhen.report import Language, Report, to_json, to_text
from tests.signing.archives import SECOND_NS, SOFTWARE, Device, entries, index_of, put_entries, segments
from tests.signing.checking import assert_untouched, check, codes, only
from tests.signing.room import (
    INTERLOCK,
    WITHHELD,
    approve,
    begun,
    clear,
    ended,
    forbid,
    gap_since,
    give,
    hearing,
    owe,
    refuse,
    stopped,
    trip,
    unresumed,
    withhold,
)

MS = 1_000_000
ZH, EN = Language.ZH, Language.EN


def text(report: Report, language: Language = ZH) -> str:
    return to_text(report, language, integrity_only=False)


def found(report: Report) -> set[Code]:
    """Every code but those of no interest here."""
    return {finding.code for finding in report.findings}


# --- the negative control of everything below ------------------------------------------------------------------------


def test_a_hearing_with_faults_withholding_and_an_interlock_is_verified_and_only_its_refusal_is_told(
    tmp_path: Path,
) -> None:
    report = check(hearing(tmp_path / "archive").device.root)
    assert found(report) == {Code.START_REFUSED}
    assert report.intact
    assert report.vouched is not None
    (session,) = report.sessions
    assert all(gap.explained for gap in session.gaps)
    assert session.totals is not None
    assert session.totals.agrees


def test_a_withheld_and_approved_session_and_a_tripped_one_have_no_finding(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    withhold(device)
    device.segment()
    trip(device)
    assert_untouched(check(ended(device)))


# --- J23: acts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("approved", [True, False])
def test_withheld_without_approval_is_told_and_intact_all_the_same(tmp_path: Path, approved: bool) -> None:
    device = begun(tmp_path / "archive")
    placed = withhold(device, approved=approved)
    report = check(ended(device))
    assert report.intact
    assert report.vouched is not None
    assert (Code.WITHHELD_UNAPPROVED in found(report)) is not approved
    for language, words in ((ZH, "不得记录未获批准"), (EN, "UNAPPROVED")):
        assert (words in text(report, language)) is not approved
    (told,) = json.loads(json.dumps(to_json(report)))["inhibitions"]
    assert (told["entry"], told["approved"]) == (placed, approved)


def test_an_approval_without_a_ground_is_none(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    placed = withhold(device, approved=False)
    approve(device, placed, ground=False)
    assert only(check(ended(device)), Code.WITHHELD_UNAPPROVED).place.entry == placed


def test_an_approval_after_the_session_still_counts(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    placed = withhold(device, approved=False)
    device.segment(cause=EndCause.STOPPED)
    device.end()
    approve(device, placed, session=False)
    assert_untouched(check(stopped(device)))


def test_removing_the_approval_breaks_the_archive_and_the_report_says_unapproved_again(tmp_path: Path) -> None:
    made = hearing(tmp_path / "archive")
    kept = [encoded for seq, encoded in enumerate(entries(made.device.root)) if seq != made.approval]
    put_entries(made.device.root, kept)
    report = check(made.device.root)
    assert not report.intact
    assert {Code.SEQ_GAP, Code.WITHHELD_UNAPPROVED} <= found(report)
    assert "不得记录未获批准" in text(report)


def test_a_ground_that_is_left_out_is_told_as_not_presented(tmp_path: Path) -> None:
    made = hearing(tmp_path / "archive")
    assert "依据内容已提交" in text(check(made.device.root))
    for file in (made.device.root / "records").iterdir():
        file.unlink()
    report = check(made.device.root)
    assert report.intact
    assert "依据内容未提交" in text(report)
    assert "ground: content not presented" in text(report, EN)
    assert "人员内容未提交" in text(report)


@pytest.mark.parametrize(
    "wrong",
    ["twice", "another code", "nothing there", "before it began", "later than itself"],
)
def test_an_act_that_does_not_pair_is_broken(tmp_path: Path, wrong: str) -> None:
    device = begun(tmp_path / "archive")
    placed = withhold(device)
    match wrong:
        case "twice":
            clear(device, placed)
        case "another code":
            clear(device, placed, INTERLOCK)
        case "nothing there":
            clear(device, placed - 1)
        case "before it began":
            second = forbid(device)
            clear(device, second, at_ns=device.now_ns - 10 * SECOND_NS)
        case _:
            clear(device, forbid(device), at_ns=device.now_ns + SECOND_NS)
    assert codes(check(ended(device))) == {Code.INHIBITION_ORDER}


def test_an_act_that_names_a_missing_entry_is_not_judged(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    placed = withhold(device)
    root = ended(device)
    put_entries(root, [encoded for seq, encoded in enumerate(entries(root)) if seq != placed])
    assert Code.INHIBITION_ORDER not in found(check(root))


# --- S11: media in forbidden time ------------------------------------------------------------------------------------


def recorded_into(device: Device, code: InhibitionCode, late_ns: int) -> Report:
    """A segment that goes on for some time after recording was forbidden."""
    device.open_segment()
    device.fragment(2)
    at_ns = device.now_ns - late_ns
    placed = forbid(device, code, at_ns=at_ns)
    device.finish_file(EndCause.INTERLOCK)
    device.state(EndCause.INTERLOCK)
    gap = gap_since(device, GapCause.INTERLOCK if code is INTERLOCK else GapCause.WITHHELD, device.now_ns)
    since_ns = device.now_ns
    device.pass_ns(3 * SECOND_NS)
    if code is WITHHELD:
        approve(device, placed)
    clear(device, placed, code)
    device.gap_end(gap, since_ns=since_ns)
    device.mark(refers_to=gap)
    return check(ended(device))


@pytest.mark.parametrize(
    ("code", "late_ms", "told"),
    [(INTERLOCK, 100, False), (INTERLOCK, 101, True), (WITHHELD, 40, False), (WITHHELD, 41, True)],
)
def test_media_after_the_moment_is_told_beyond_the_relays_bound_or_one_frame(
    tmp_path: Path, code: InhibitionCode, late_ms: int, told: bool
) -> None:
    device = Device(root=tmp_path / "archive")
    device.enrol()
    device.start()
    device.begin()
    report = recorded_into(device, code, late_ms * MS)
    assert found(report) == ({Code.RECORDED_WHILE_FORBIDDEN} if told else set())
    assert report.intact
    assert ("含禁止录制期间的内容" in text(report).splitlines()[0]) is told
    assert ("while that was forbidden" in text(report, EN).splitlines()[0]) is told


def inserted(device: Device, *, told_at: str) -> Report:
    """A segment in the middle of withheld time, by whoever has the key."""
    since_ns = device.now_ns
    placed = forbid(device)
    gap = gap_since(device, GapCause.WITHHELD, since_ns)
    device.pass_ns(70 * SECOND_NS)
    device.heartbeat()
    if told_at == "inside":
        device.segment()
    else:
        device.open_segment()
        device.fragment(4, end_cause=EndCause.STOPPED)
    device.pass_ns(70 * SECOND_NS)
    approve(device, placed)
    clear(device, placed, at_ns=since_ns + SECOND_NS if told_at == "cleared in hindsight" else None)
    if device.file is not None:
        now_ns, device.now_ns = device.now_ns, since_ns + 72 * SECOND_NS
        statement = device.statement(EndCause.STOPPED)
        device.now_ns = now_ns
        device.segments, device.last_r, device.file = device.segments + 1, statement.last, None
        device.append(statement)
    device.gap_end(gap, since_ns=since_ns)
    device.mark(refers_to=gap)
    return check(ended(device))


@pytest.mark.parametrize("told_at", ["inside", "after the clearing", "cleared in hindsight"])
def test_media_put_into_withheld_time_with_the_devices_own_key_is_told(tmp_path: Path, told_at: str) -> None:
    report = inserted(begun(tmp_path / "archive"), told_at=told_at)
    finding = only(report, Code.RECORDED_WHILE_FORBIDDEN)
    assert finding.place.segment == 1
    assert "2000 毫秒" in finding.what_zh


def test_media_put_into_withheld_time_without_the_key_is_broken(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    withhold(device)
    root = ended(device)
    assert device.session_id is None
    session = next((root / "sessions").iterdir())
    first = segments(root, bytes.fromhex(session.name))[0]
    (session / "000002.mp4").write_bytes(first.read_bytes())
    assert codes(check(root))


def test_moving_the_clearing_breaks_its_signature_or_the_chain(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    withhold(device)
    root = ended(device)
    encoded = entries(root)
    at = index_of(root, "inhibition", 2)
    moved = [*encoded[:at], *encoded[at + 1 : at + 3], encoded[at], *encoded[at + 3 :]]
    put_entries(root, moved)
    report = check(root)
    assert not report.intact
    assert cose.parse(encoded[at], where="entry").kind == "inhibition"


def test_an_inhibition_outlives_power_cut_and_restart_and_media_of_the_next_boot_is_told(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    placed = forbid(device)
    since, before_ms = (device.boot_id, device.now_ns), device.utc_ms
    gap = gap_since(device, GapCause.WITHHELD, device.now_ns)
    device.boot()
    session, device.session_id = device.session_id, None
    device.run += 1
    device.append(Run(cause=2, software=SOFTWARE, config_hash=bytes(32)))
    device.append(device.found_nothing())
    device.session_id = session
    device.segment()
    approve(device, placed)
    clear(device, placed)
    length = ((device.utc_ms - before_ms) * MS - 10 * MS, (device.utc_ms - before_ms) * MS + 10 * MS)
    until = (device.boot_id, device.now_ns)
    device.append(GapEnd(gap_seq=gap, until=until, length_ns=length, lost=(None, None), resumed=1))
    device.mark(refers_to=gap)
    report = check(ended(device))
    assert only(report, Code.RECORDED_WHILE_FORBIDDEN).place.segment == 1
    assert since[0] != until[0]


# --- J24: gaps and inhibitions ---------------------------------------------------------------------------------------


def test_an_inhibition_in_a_session_without_a_gap_of_its_cause_is_told(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    since_ns = device.now_ns
    placed = forbid(device)
    gap = gap_since(device, GapCause.DEVICE_FAULT, since_ns)
    device.pass_ns(5 * SECOND_NS)
    approve(device, placed)
    clear(device, placed)
    device.gap_end(gap, since_ns=since_ns)
    device.mark(refers_to=gap)
    report = check(ended(device))
    assert found(report) == {Code.INHIBITION_UNCOVERED}
    assert only(report, Code.INHIBITION_UNCOVERED).place.entry == placed
    assert report.intact


@pytest.mark.parametrize("cause", [GapCause.INTERLOCK, GapCause.WITHHELD])
def test_a_gap_that_names_what_nothing_forbade_is_told(tmp_path: Path, cause: GapCause) -> None:
    device = begun(tmp_path / "archive")
    since_ns = device.now_ns
    gap = gap_since(device, cause, since_ns)
    device.pass_ns(5 * SECOND_NS)
    device.gap_end(gap, since_ns=since_ns)
    device.mark(refers_to=gap)
    report = check(ended(device))
    assert found(report) == {Code.GAP_WITHOUT_INHIBITION}
    assert only(report, Code.GAP_WITHOUT_INHIBITION).place.entry == gap


def test_a_gap_that_goes_on_long_after_the_clearing_is_told(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    since_ns = device.now_ns
    placed = forbid(device)
    gap = gap_since(device, GapCause.WITHHELD, since_ns)
    device.pass_ns(5 * SECOND_NS)
    approve(device, placed)
    clear(device, placed)
    for _ in range(7):
        device.pass_ns(10 * SECOND_NS)
        device.heartbeat()
    device.gap_end(gap, since_ns=since_ns)
    device.mark(refers_to=gap)
    assert found(check(ended(device))) == {Code.GAP_WITHOUT_INHIBITION}


def test_a_trip_while_withheld_hands_the_gap_over_and_back(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    since_ns = device.now_ns
    withheld = forbid(device)
    first = gap_since(device, GapCause.WITHHELD, since_ns)
    device.pass_ns(2 * SECOND_NS)
    tripped = forbid(device, INTERLOCK)
    unresumed(device, first, since_ns)
    trip_ns = device.now_ns
    second = gap_since(device, GapCause.INTERLOCK, trip_ns)
    device.pass_ns(2 * SECOND_NS)
    clear(device, tripped, INTERLOCK)
    unresumed(device, second, trip_ns)
    back_ns = device.now_ns
    third = gap_since(device, GapCause.WITHHELD, back_ns)
    device.pass_ns(2 * SECOND_NS)
    approve(device, withheld)
    clear(device, withheld)
    device.gap_end(third, since_ns=back_ns)
    for gap in (first, second, third):
        device.mark(refers_to=gap)
    report = check(ended(device))
    assert_untouched(report)
    assert [gap.forbidden_by for gap in report.sessions[0].gaps] == [[withheld], [tripped], [withheld]]
    assert text(report).count("批准：") == 2


def test_a_session_that_ends_while_withheld_is_covered_to_its_end_and_owes_a_statement(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    since_ns = device.now_ns
    placed = forbid(device)
    gap = gap_since(device, GapCause.WITHHELD, since_ns)
    device.pass_ns(9 * SECOND_NS)
    approve(device, placed)
    unresumed(device, gap, since_ns)
    end = device.seq
    device.end()
    report_duty = owe(device, DutyCode.REPORT, end, session=False)
    statement = owe(device, DutyCode.WRITTEN_STATEMENT, end, session=False)
    root = stopped(device)
    report = check(root)
    assert found(report) == {Code.DUTY_OPEN, Code.GAP_UNEXPLAINED}
    assert report.intact
    assert "未办 2 项：向部门负责人报告、书面说明" in text(report)
    assert "未恢复" in text(report)
    device.start()
    give(device, DutyCode.REPORT, report_duty, session=False)
    give(device, DutyCode.WRITTEN_STATEMENT, statement, session=False)
    after = check(stopped(device))
    assert_untouched(after)
    assert "已书面说明" in text(after)
    assert "仍在生效" in text(after)


# --- J25: duties -----------------------------------------------------------------------------------------------------


def test_a_duty_discharged_by_an_entry_that_opened_none_is_broken(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    refusal_like = device.seq
    device.segment(cause=EndCause.STOPPED)
    give(device, DutyCode.WRITTEN_STATEMENT, refusal_like)
    report = check(ended(device))
    assert codes(report) == {Code.DUTY_ORDER}
    assert only(report, Code.DUTY_ORDER).what_zh.endswith("没有相应的未办事项")


@pytest.mark.parametrize("wrong", ["twice", "another code", "about a heartbeat", "an empty statement"])
def test_a_duty_that_breaks_the_rules_is_broken(tmp_path: Path, wrong: str) -> None:
    device = begun(tmp_path / "archive")
    device.segment(cause=EndCause.STOPPED)
    device.end()
    refusal = refuse(device)
    duty = owe(device, DutyCode.WRITTEN_STATEMENT, refusal, session=False)
    match wrong:
        case "twice":
            give(device, DutyCode.WRITTEN_STATEMENT, duty, session=False)
            give(device, DutyCode.WRITTEN_STATEMENT, duty, session=False)
        case "another code":
            give(device, DutyCode.REPORT, duty, session=False)
        case "about a heartbeat":
            owe(device, DutyCode.REPORT, 4, session=False)
        case _:
            give(device, DutyCode.WRITTEN_STATEMENT, duty, records=(), session=False)
    assert codes(check(stopped(device))) == {Code.DUTY_ORDER}


def test_a_refused_start_is_told_with_its_duty_or_with_the_lack_of_one(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.segment(cause=EndCause.STOPPED)
    device.end()
    reported, owed, bare = (refuse(device) for _ in range(3))
    give(device, DutyCode.REPORT, owe(device, DutyCode.REPORT, reported, session=False), session=False)
    owe(device, DutyCode.REPORT, owed, session=False)
    report = check(stopped(device))
    lines = text(report).splitlines()
    for entry, words in ((reported, "已报告"), (owed, "尚未报告"), (bare, "日志未见报告义务")):
        assert any(f"没有摄像头（第 {entry} 号条目）；{words}" in line for line in lines)
    assert only(report, Code.DUTY_OPEN).severity is Severity.WARNING
    assert report.intact


# --- the report ------------------------------------------------------------------------------------------------------


def test_the_first_lines_answer_intact_vouched_explained_and_owed(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    withhold(device, approved=False)
    device.segment()
    since_ns = device.now_ns
    gap = device.gap()
    device.pass_ns(SECOND_NS)
    device.gap_end(gap, since_ns=since_ns)
    owe(device, DutyCode.REPORT, gap)
    lines = text(check(ended(device))).splitlines()[:8]
    assert lines[0] == "留痕校验报告：校验通过"
    assert lines[3].startswith("  一、内容是否完好：是")
    assert lines[4].startswith("  二、由谁担保：测试机构")
    assert lines[6] == "  四、中止是否已说明：否。共 2 次，待说明 1 次。不得记录未获批准 1 次。"
    assert lines[7] == "  五、有无未办事项：有。共 1 项，未办 1 项：向部门负责人报告。"


def test_a_gap_is_told_with_cause_correction_evidence_and_where_to_listen(tmp_path: Path) -> None:
    made = hearing(tmp_path / "archive")
    report = check(made.device.root)
    zh, en = text(report), text(report, EN)
    assert "原因：设备损坏（原记“设备故障”" in zh
    assert "cause: device damaged (first said: device fault" in en
    assert "测得：信号源恢复 (absent_ms 1000)" in zh
    assert "已语音说明，000001.mp4 第 1.0 秒处" in zh
    assert "aloud, at second 1.0 of 000001.mp4" in en
    assert "无声音（仅有画面）" in zh
    told = json.loads(json.dumps(to_json(report)))["sessions"][0]
    first = told["gaps"][0]
    assert (first["cause"], first["first_cause"], first["resumed"]) == ("device-damage", "device-fault", True)
    assert (first["spoken"][0]["segment"], first["spoken"][0]["offset_ms"]) == (1, 1000)
    assert first["spoken"][0]["records"][0]["content"] == "presented"
    assert first["evidence"][0]["entry"] == made.fault
    assert [mark["code"] for mark in told["marks"]][:1] == ["prompt-played"]
    assert "consent" in {mark["code"] for mark in told["marks"]}
    assert told["check"]["code"] == 1


def marked_later(device: Device, gap: int, at_ns: int) -> None:
    """The explanation that began then is marked now."""
    body = Mark(
        code=MarkCode.SPOKEN_EXPLANATION,
        boottime_ns=at_ns,
        frame_index=None,
        sample_index=None,
        refers_to=gap,
        step=None,
        records=(),
    )
    device.append(body)


@pytest.mark.parametrize("boundaries", [1, 2, 5])
def test_an_explanation_that_crosses_the_ends_of_segments_is_found_where_it_begins(
    tmp_path: Path, boundaries: int
) -> None:
    device = begun(tmp_path / "archive")
    gap, since_ns = device.gap(), device.now_ns
    device.pass_ns(SECOND_NS)
    device.gap_end(gap, since_ns=since_ns)
    began_ns = device.now_ns + 1_250 * MS
    for _ in range(boundaries):
        device.segment()
    device.open_segment()
    device.fragment(2)
    marked_later(device, gap, began_ns)
    device.fragment(1, end_cause=EndCause.ROTATED)
    device.state(EndCause.ROTATED)
    report = check(ended(device))
    assert codes(report) == set()
    (mark,) = report.sessions[0].gaps[0].spoken
    assert (mark.segment, mark.offset_ms) == (1, 1_250)
    assert "已语音说明，000001.mp4 第 1.2 秒处" in text(report)


def test_an_explanation_marked_later_that_began_where_nothing_was_recorded_is_told_so(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    gap, since_ns = device.gap(), device.now_ns
    device.pass_ns(2 * SECOND_NS)
    device.gap_end(gap, since_ns=since_ns)
    device.segment()
    marked_later(device, gap, since_ns + SECOND_NS)
    report = check(ended(device))
    (mark,) = report.sessions[0].gaps[0].spoken
    assert (mark.segment, mark.offset_ms) == (None, None)
    assert "当时没有录制内容" in text(report)


def test_recorded_time_and_gaps_add_up_to_the_session(tmp_path: Path) -> None:
    report = check(hearing(tmp_path / "archive").device.root)
    totals = report.sessions[0].totals
    assert totals is not None
    assert totals.session == (23 * SECOND_NS, 23 * SECOND_NS)
    assert (totals.recorded, totals.gaps, totals.edges) == (10 * SECOND_NS, (13 * SECOND_NS,) * 2, 0)
    assert totals.rest == (0, 0)


def test_time_that_is_missing_does_not_add_up_and_is_the_hole_of_s10(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.pass_ns(4 * SECOND_NS)
    report = check(ended(device))
    totals = report.sessions[0].totals
    assert totals is not None
    assert totals.agrees is False
    assert totals.rest == (4 * SECOND_NS,) * 2
    assert codes(report) == {Code.HOLE_UNEXPLAINED}
    assert "不符（相差 4.0 秒" in text(report)
    assert "do NOT agree" in text(report, EN)


def test_gaps_of_one_stream_each_count_where_they_overlap(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    since_ns = device.now_ns
    sound = device.gap(stream=1)
    device.segment(streams=(0,), cause=EndCause.STREAMS_CHANGED)
    picture_ns = device.now_ns
    picture = device.gap(stream=0)
    device.pass_ns(3 * SECOND_NS)
    device.gap_end(picture, since_ns=picture_ns)
    device.gap_end(sound, since_ns=since_ns)
    for gap in (sound, picture):
        device.mark(code=MarkCode.SPOKEN_EXPLANATION, refers_to=gap)
    report = check(ended(device))
    assert_untouched(report)
    totals = report.sessions[0].totals
    assert totals is not None
    assert totals.gaps == (3 * SECOND_NS,) * 2
    assert totals.agrees


def test_codes_of_later_versions_are_told_and_judged_by_nobody(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    at = (device.boot_id, device.now_ns)
    device.append(Inhibition(code=9, act=0, at=at, placed=None, records=()))
    device.append(Inhibition(code=WITHHELD, act=9, at=at, placed=None, records=()))
    device.append(Duty(code=9, act=DutyAct.OPENED, refers_to=0, records=()))
    device.append(Check(code=CheckCode.BEFORE_RECORDING, rows=((99, 9, 0),), records=((99, bytes(32)),)))
    device.append(Maintenance(code=9, records=()))
    report = check(ended(device))
    assert report.intact
    assert found(report) == {Code.UNKNOWN_CODE, Code.RECORD_ABSENT}
    assert json.dumps(to_json(report))
    assert "代码 99" in text(report)
