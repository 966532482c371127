"""The coverage report of one scripted hearing, by each rule book and with each thing that can go wrong in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.coverage.as_text import to_text
from edge.coverage.case import binding
from edge.coverage.decide import decide
from edge.coverage.reading import facts_of
from edge.coverage.values import Binding, Claim, Coverage, Outcome, Status, Topic
from edge.coverage.words import Said
from edge.profiles.schema import Procedure
from liuhen.kinds import Gap, GapEnd, Header, Inhibition, Visit
from liuhen.registry import (
    EndCause,
    EventCode,
    ExStatus,
    GapCause,
    InhibitionAct,
    MarkCode,
    RecordLabel,
    SecrecyClass,
    VisitAct,
    VisitEnd,
    VisitSort,
)
from liuhen.visits import DUTY_STREAM
from tests.edge.coverage.a_hearing import (
    BY_THE_BOOK,
    TALK_SECONDS,
    Script,
    due,
    follow_hearing,
    hold,
    item,
    load_named,
    outcome,
    report_of,
    told,
)
from tests.signing.archives import SECOND_NS, Device, flip, segments
from tests.signing.checking import NOW_MS, TRUST
from tests.signing.hearing_told import late, mark, pass_recorded
from tests.signing.room import WITHHELD, begun, clear, ended, forbid, gap_since, withhold

COVERED = Status.COVERED


@pytest.fixture(scope="module")
def hearing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One unbroken recording of a hearing by the book, which follows Zezhou's list."""
    return hold(tmp_path_factory.mktemp("hearing") / "archive", BY_THE_BOOK).root


def answers(report: Coverage) -> dict[str, Status]:
    return {one.no: one.status for one in report.items}


# -- one hearing, six rule books ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "covered"),
    [
        ("zezhou", [str(no) for no in range(24, 32)]),
        ("province", [str(no) for no in range(18, 26)]),
        ("xinhua", ["15"]),
        ("jiaozuo", ["附件3-监督检查-1", "第七条末款-执法办案场所"]),
        ("nongan", ["第十四条"]),
        ("neutral", []),
    ],
)
def test_one_unbroken_recording_covers_the_hearing_of_every_rule_book(
    hearing: Path, profile: str, covered: list[str]
) -> None:
    report = report_of(hearing, profile, follows="zezhou")
    assert answers(report) == dict.fromkeys(covered, COVERED)
    assert report.interruptions == ()
    assert report.assisting is (profile == "nongan")


@pytest.mark.parametrize(
    ("profile", "matter", "rows", "met", "not_asked"),
    [
        ("zezhou", "24", 8, {Topic.CAPTURE_BEFORE, Topic.RECORDER}, {Topic.NOTICE, Topic.PLACE, Topic.GAPS}),
        ("province", "18", 8, {Topic.RECORDER}, {Topic.CAPTURE_BEFORE, Topic.NOTICE, Topic.PLACE, Topic.GAPS}),
        ("xinhua", "15", 1, set[Topic](), {Topic.CAPTURE_BEFORE, Topic.NOTICE, Topic.PLACE, Topic.GAPS}),
        ("jiaozuo", "附件3-监督检查-1", 2, {Topic.NOTICE, Topic.PLACE, Topic.GAPS}, {Topic.CAPTURE_BEFORE}),
        ("nongan", "第十四条", 1, set[Topic](), {Topic.CAPTURE_BEFORE, Topic.NOTICE, Topic.PLACE, Topic.GAPS}),
        ("neutral", None, 0, {Topic.CAPTURE_BEFORE, Topic.NOTICE, Topic.PLACE, Topic.GAPS, Topic.RECORDER}, set()),
    ],
)
def test_a_hearing_that_follows_a_rule_book_is_reported_by_that_one(
    tmp_path: Path, profile: str, matter: str | None, rows: int, met: set[Topic], not_asked: set[Topic]
) -> None:
    hold(tmp_path / "a", Script(follows=profile, matter=matter))
    report = report_of(tmp_path / "a", profile)
    assert report.rules.same
    assert [one.status for one in report.items] == [COVERED] * rows
    assert [fact.said.zh[:1] for fact in report.steps] == [str(number) for number in range(1, 9)], "eight chapters"
    assert {topic for topic in Topic if outcome(report, topic) is Outcome.NOT_ASKED} >= not_asked
    always = {Topic.STEPS, Topic.SIGNING}
    assert {one.topic for one in report.requirements if one.outcome is Outcome.MET} >= met | always
    assert not met & not_asked


def test_one_start_and_stop_a_start_for_each_step_and_the_whole_hearing_differ_in_their_bounds_alone(
    hearing: Path,
) -> None:
    shared, per_step, whole = (report_of(hearing, name, follows="zezhou") for name in ("zezhou", "province", "xinhua"))
    begins, ends = (
        {one.since.at for one in shared.items if one.since},
        {one.until.at for one in shared.items if one.until},
    )
    assert len(begins) == len(ends) == 1, "the list of Zezhou has one start and one stop for all eight"
    steps = [one for one in per_step.items if one.no != "25"]
    for one, following in zip(steps, per_step.items[1:], strict=True):
        assert one.since is not None
        assert one.until is not None
        assert following.marks
        assert one.until.at == following.marks[0].at, "a step ends where the next begins"
        assert one.since.at.until_ms(one.until.at) == TALK_SECONDS * 1000
    (only,) = whole.items
    assert only.since is not None
    assert only.until is not None
    assert only.since.at == steps[0].marks[0].at, "from the beginning of the hearing"
    assert {only.until.at} == ends


def test_where_a_row_begins_is_what_its_rule_says_before_with_or_on_arrival(hearing: Path, tmp_path: Path) -> None:
    """…开始前 and 进入… begin with the recording, …开始 with the first step; what rows share, with the recording."""
    report = report_of(hearing, "jiaozuo", follows="zezhou")
    event, presence = item(report, "附件3-监督检查-1"), item(report, "第七条末款-执法办案场所")
    assert event.since is not None
    assert presence.since is not None
    assert event.since.shown is not None
    assert event.since.shown.name.zh.startswith("环节 1 ")
    assert (presence.since.shown, presence.since.by.zh) == (None, "录制开始")
    assert presence.since.at < event.since.at
    hold(tmp_path / "before", Script(procedure=Procedure.LICENCE_HEARING, matter="4"))
    before = item(report_of(tmp_path / "before"), "4")
    assert before.since is not None
    assert (before.since.shown, before.since.by.zh) == (None, "录制开始")
    device = begun(tmp_path / "shared")
    named = Header(amends=None, matter="11", secrecy=SecrecyClass.NONE, ex_status=ExStatus.NO_ZONE, records=())
    device.append(named)
    mark(device, MarkCode.STEP, step=1)
    ended(device)
    shared = item(report_of(tmp_path / "shared", "province"), "11")
    assert shared.since is not None
    assert shared.since.shown is None


def test_a_step_at_the_very_first_moment_of_the_film_is_on_it_and_nothing_was_captured_before_it(
    tmp_path: Path,
) -> None:
    device = Device(root=tmp_path / "a")
    device.enrol()
    device.start()
    device.begin()
    follow_hearing(device)
    for step in range(1, 9):
        mark(device, MarkCode.STEP, step=step)
        pass_recorded(device, 2)
    ended(device)
    report = report_of(tmp_path / "a")
    first = item(report, "24")
    assert first.since is not None
    assert first.since.at == first.marks[0].at, "the mark and the film begin at one moment"
    assert first.status is COVERED
    before = due(report, Topic.CAPTURE_BEFORE)
    assert before.outcome is Outcome.NOT_MET
    assert "第一个环节在录制开始之前 0.0 s" in told(before)


def test_a_mark_is_named_by_the_words_of_what_it_marks_and_by_its_number_where_there_are_none(tmp_path: Path) -> None:
    jiaozuo = load_named("jiaozuo")
    hearing, point = jiaozuo.template(Procedure.HEARING), jiaozuo.key_moments[1]
    assert hearing is not None
    device = begun(tmp_path / "a")
    follow_hearing(device, "jiaozuo")
    for number in (2, 8, 9):
        late(device, MarkCode.STEP, step=number, ago_ns=SECOND_NS // 10)
    for point_number in (2, len(jiaozuo.key_moments) + 1, None):
        mark(device, MarkCode.KEY_MOMENT, step=point_number)
    ended(device)
    report = report_of(tmp_path / "a", "jiaozuo")
    assert [one.name for one in report.late] == [
        Said(zh=f"环节 2 {hearing.steps[1].title}", en="step 2"),
        Said(zh="环节 8 当事人确认《听证笔录》", en="step 8"),
        Said(zh="环节 9", en="step 9"),
    ]
    alone = MarkCode.KEY_MOMENT.words_zh
    assert [one.name.zh for one in report.others] == [f"{alone}：{point.text}", alone, alone]
    assert f"环节 2 {hearing.steps[1].title}" in to_text(report)
    device = begun(tmp_path / "b")
    late(device, MarkCode.STEP, step=2, ago_ns=SECOND_NS // 10)
    ended(device)
    assert [one.name.zh for one in report_of(tmp_path / "b", "jiaozuo").late] == ["环节 2"], "no procedure was named"


def test_every_mark_says_where_to_put_the_player(hearing: Path) -> None:
    for one in item(report_of(hearing), "26").marks:
        assert one.where is not None
        assert one.where.segment > 0
        assert 0 <= one.where.offset_ms < 10_000


@pytest.mark.parametrize(
    ("profile", "topic", "answer"),
    [
        ("zezhou", Topic.CAPTURE_BEFORE, Outcome.MET),
        ("province", Topic.CAPTURE_BEFORE, Outcome.NOT_ASKED),
        ("jiaozuo", Topic.NOTICE, Outcome.MET),
        ("zezhou", Topic.NOTICE, Outcome.NOT_ASKED),
        ("jiaozuo", Topic.PLACE, Outcome.MET),
        ("nongan", Topic.PLACE, Outcome.NOT_ASKED),
        ("jiaozuo", Topic.SIDES, Outcome.FOR_A_PERSON),
        ("neutral", Topic.SIDES, Outcome.NOT_ASKED),
        ("zezhou", Topic.RECORDER, Outcome.MET),
        ("xinhua", Topic.RECORDER, Outcome.FOR_A_PERSON),
        ("zezhou", Topic.SIGNING, Outcome.MET),
        ("xinhua", Topic.SIGNING, Outcome.MET),
    ],
)
def test_rule_books_ask_for_different_things_of_the_same_hearing(
    hearing: Path, profile: str, topic: Topic, answer: Outcome
) -> None:
    assert outcome(report_of(hearing, profile, follows="zezhou"), topic) is answer


def test_what_is_worded_for_body_worn_recorders_binds_by_analogy_and_says_so(hearing: Path) -> None:
    report = report_of(hearing, "jiaozuo", follows="zezhou")
    bindings = {one.topic: one.ground.binding for one in report.requirements if one.ground is not None}
    assert bindings[Topic.NOTICE] is bindings[Topic.PLACE] is bindings[Topic.HEADER] is Binding.ANALOGY
    assert bindings[Topic.GAPS] is bindings[Topic.SIDES] is bindings[Topic.WITHHELD] is Binding.DIRECT
    assert "第十条（一）" in (due(report, Topic.NOTICE).ground or pytest.fail("no ground")).cited
    jiaozuo = load_named("jiaozuo")
    assert binding(jiaozuo, "第九条（一）") is binding(jiaozuo, "第十条（五）") is Binding.ANALOGY
    assert binding(jiaozuo, "第二十条（一）") is binding(jiaozuo, "第十三条第二款") is Binding.DIRECT
    neutral = report_of(hearing, "neutral", follows="zezhou")
    assert {one.ground.binding for one in neutral.requirements if one.ground is not None} == {Binding.OWN}


def test_a_report_by_another_rule_book_than_the_session_followed_says_so(hearing: Path) -> None:
    assert not any("所依规则" in one.zh for one in report_of(hearing).warnings)
    assert any("所依规则是“zezhou”" in one.zh for one in report_of(hearing, "xinhua", follows="zezhou").warnings)


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_stop_before_the_transcript_is_signed_is_named_and_its_reason_told(tmp_path: Path) -> None:
    hold(tmp_path / "a", Script(skip=frozenset({8}), reason="当事人离场，改日签字"))
    report = report_of(tmp_path / "a")
    assert answers(report) == dict.fromkeys(map(str, range(24, 31)), COVERED) | {"31": Status.NOT_COVERED}
    assert outcome(report, Topic.SIGNING) is outcome(report, Topic.STEPS) is Outcome.NOT_MET
    (reason,) = (fact.shown for fact in due(report, Topic.SIGNING).facts if fact.shown is not None)
    assert reason.text == "当事人离场，改日签字"
    whole = report_of(tmp_path / "a", "xinhua", follows="zezhou")
    assert answers(whole) == {"15": Status.PARTLY}
    assert any("听证参加人签字确认" in why.zh for why in item(whole, "15").why)


def test_a_stop_before_the_end_without_a_reason_is_told_as_that(tmp_path: Path) -> None:
    hold(tmp_path / "a", Script(skip=frozenset({7, 8})))
    report = report_of(tmp_path / "a")
    assert {no for no, status in answers(report).items() if status is Status.NOT_COVERED} == {"30", "31"}
    assert "没有说明理由" in told(due(report, Topic.STEPS))


def test_a_step_that_was_skipped_is_not_covered_though_all_of_it_may_be_on_the_film(tmp_path: Path) -> None:
    hold(tmp_path / "a", Script(skip=frozenset({5})))
    report = report_of(tmp_path / "a")
    assert item(report, "28").status is Status.NOT_COVERED
    assert item(report, "28").since is None
    assert "未标记：双方相互辩论" in told(due(report, Topic.STEPS))
    per_step = report_of(tmp_path / "a", "province", follows="zezhou")
    assert item(per_step, "22").status is Status.NOT_COVERED


def test_a_late_mark_counts_as_said_afterwards_and_never_as_marked_at_its_moment(tmp_path: Path) -> None:
    hold(tmp_path / "a", Script(follows="province", matter="18", late=frozenset({3})))
    report = report_of(tmp_path / "a", "province")
    debate = item(report, "20")
    assert debate.status is Status.BY_LATE_MARK
    (shown,) = debate.marks
    assert shown.late
    assert shown.written_utc_ms - shown.at.utc_ms == TALK_SECONDS * 1000
    assert item(report, "19").status is Status.BY_LATE_MARK, "its end rests on the same late mark"
    assert item(report, "18").status is item(report, "21").status is COVERED
    assert outcome(report, Topic.STEPS) is Outcome.MET_BY_LATE_MARK
    assert [one.entry for one in report.late] == [shown.entry]
    assert all("补标" not in fact.said.zh for fact in report.steps if fact.shown and not fact.shown.late)


@pytest.mark.parametrize("explained", [True, False])
def test_a_gap_in_the_middle_of_an_item_is_named_in_that_item_with_cause_length_and_explanation(
    tmp_path: Path, explained: bool
) -> None:
    hold(tmp_path / "a", Script(gap_in=3, gap_explained=explained))
    report = report_of(tmp_path / "a")
    assert {no for no, status in answers(report).items() if status is Status.WITH_GAPS} == {"26"}
    (gap,) = item(report, "26").interruptions
    assert (gap.length_ms, gap.cause.zh, gap.explained) == ((3000, 3000), "设备故障", explained)
    (words,) = gap.explanations
    assert words.said.zh == ("已语音说明" if explained else "待说明")
    assert (words.shown is not None) is explained
    assert report.interruptions[0].length_ms == (3000, 3000)
    since, until = gap.since_where, gap.until_where
    assert since is not None and until is not None
    assert (since.offset_ms, until.segment, until.offset_ms) == (2000, since.segment + 1, 0)
    assert f"录像中自 {since.segment:06d}.mp4 第 2.0 秒处起，至 {until.segment:06d}.mp4 第 0.0 秒处" in to_text(report)
    by_jiaozuo = report_of(tmp_path / "a", "jiaozuo", follows="zezhou")
    assert outcome(by_jiaozuo, Topic.GAPS) is (Outcome.MET if explained else Outcome.NOT_MET)
    assert answers(by_jiaozuo) == dict.fromkeys(["附件3-监督检查-1", "第七条末款-执法办案场所"], Status.WITH_GAPS)


@pytest.mark.parametrize(("stream", "words"), [(0, "画面（仅有声音）"), (1, "声音（仅有画面）")])
def test_a_degraded_stream_is_told_as_what_was_missing(tmp_path: Path, stream: int, words: str) -> None:
    hold(tmp_path / "a", Script(gap_in=4, gap_stream=stream))
    (gap,) = item(report_of(tmp_path / "a"), "27").interruptions
    assert gap.missing.zh == words


@pytest.mark.parametrize(
    ("script", "answer", "words"),
    [
        (Script(notice_after_seconds=60), Outcome.MET, "60.0 s 后告知"),
        (Script(notice_after_seconds=61), Outcome.NOT_MET, "告知过迟：到场后 1:01"),
        (Script(notice_after_seconds=None), Outcome.NOT_MET, "没有已告知标记"),
        (Script(arrives=False), Outcome.NOT_MET, "告知时无人到场"),
    ],
)
def test_notice_in_time_late_not_at_all_and_to_an_empty_room(
    tmp_path: Path, script: Script, answer: Outcome, words: str
) -> None:
    hold(tmp_path / "a", script)
    notice = due(report_of(tmp_path / "a", "jiaozuo", follows="zezhou"), Topic.NOTICE)
    assert notice.outcome is answer
    assert words in told(notice).replace("1:00 后", "60.0 s 后")


def test_a_late_joiner_whom_nobody_tells_is_named(tmp_path: Path) -> None:
    device = begun(tmp_path / "a")
    for after_seconds in (5, None):
        mark(device, MarkCode.PARTY_ARRIVED)
        pass_recorded(device, after_seconds or 1)
        if after_seconds is not None:
            mark(device, MarkCode.NOTICE_GIVEN)
            mark(device, MarkCode.STEP, step=1)
            pass_recorded(device, 1)
    ended(device)
    notice = due(report_of(tmp_path / "a", "jiaozuo"), Topic.NOTICE)
    assert notice.outcome is Outcome.NOT_MET
    assert told(notice).count("当事人到场后没有告知") == 1


def test_without_a_plate_or_a_spoken_place_the_place_is_not_shown(tmp_path: Path) -> None:
    hold(tmp_path / "a", Script(plate=False))
    report = report_of(tmp_path / "a", "jiaozuo", follows="zezhou")
    assert outcome(report, Topic.PLACE) is Outcome.NOT_MET
    assert "没有标志入画，也没有口述场所" in told(due(report, Topic.PLACE))


@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize("afterwards", [True, False])
def test_the_place_named_aloud_stands_in_for_a_sign_where_the_rules_say_so(
    tmp_path: Path, accepted: bool, afterwards: bool
) -> None:
    device = begun(tmp_path / "a")
    if afterwards:
        late(device, MarkCode.PLACE_SPOKEN, ago_ns=SECOND_NS // 10)
    else:
        mark(device, MarkCode.PLACE_SPOKEN)
    ended(device)
    jiaozuo = load_named("jiaozuo")
    assert jiaozuo.place is not None
    rules = replace(jiaozuo, place=replace(jiaozuo.place, spoken_otherwise=accepted))
    place = due(decide(facts_of(tmp_path / "a", None, trust=TRUST, now_ms=NOW_MS), rules, None), Topic.PLACE)
    if accepted:
        assert place.outcome is (Outcome.MET_BY_LATE_MARK if afterwards else Outcome.MET)
    else:
        assert place.outcome is Outcome.NOT_MET
        assert "没有标志入画；本规则不以口述代替" in told(place)
    assert "场所口述" in told(place)
    assert "没有口述" not in told(place), "it was"


@pytest.mark.parametrize("script", [Script(procedure=Procedure.INTERVIEW, matter="22"), None])
def test_identity_is_shown_where_the_procedure_asks_for_it(tmp_path: Path, script: Script | None) -> None:
    hold(tmp_path / "a", script or Script(procedure=Procedure.INTERVIEW, matter="22", skip=frozenset({1})))
    report = report_of(tmp_path / "a")
    assert outcome(report, Topic.IDENTITY) is (Outcome.MET if script else Outcome.NOT_MET)
    assert item(report, "22").status is (COVERED if script else Status.PARTLY)


def test_a_gap_over_a_power_cut_has_bounds_and_the_steps_after_it_are_covered(tmp_path: Path) -> None:
    device = Device(root=tmp_path / "a")
    device.enrol()
    device.start()
    device.begin()
    follow_hearing(device)
    device.segment()
    mark(device, MarkCode.STEP, step=1)
    device.segment()
    since_ns, boot = device.now_ns, device.boot_id
    device.boot()
    length_ns = (40 * SECOND_NS, 60 * SECOND_NS)
    lost = replace(device.found_nothing(), since=(boot, since_ns), length_ns=length_ns, cause=GapCause.POWER_LOW)
    device.start(recovered=lost)
    device.gaps += 1
    gap = device.append(
        Gap(stream=None, cause=GapCause.POWER_LOW, since=(boot, since_ns), measured=(), evidence=(), records=())
    )
    until = (device.boot_id, device.now_ns)
    device.append(GapEnd(gap_seq=gap, until=until, length_ns=length_ns, lost=(None, None), resumed=1))
    device.segment()
    mark(device, MarkCode.STEP, step=2)
    ended(device)
    report = report_of(tmp_path / "a")
    assert report.verified.intact, report.verified.broken
    assert item(report, "24").status is Status.WITH_GAPS
    assert item(report, "25").status is COVERED
    (told_gap,) = item(report, "24").interruptions
    assert (told_gap.length_ms, told_gap.cause.zh) == ((40_000, 60_000), "电量不足")


def test_an_entry_that_a_power_cut_zeroed_at_its_end_counts_for_nothing(tmp_path: Path) -> None:
    device = Device(root=tmp_path / "a")
    device.enrol()
    device.start()
    device.begin()
    follow_hearing(device)
    device.segment()
    mark(device, MarkCode.STEP, step=1)
    mark(device, MarkCode.STEP, step=2)
    assert [one.shown is not None for one in report_of(tmp_path / "a").steps[:2]] == [True, True]
    (journal,) = (device.root / "journal").iterdir()
    content = journal.read_bytes()
    journal.write_bytes(content[:-40] + bytes(40))
    report = report_of(tmp_path / "a")
    assert report.verified.intact
    assert [one.shown is not None for one in report.steps[:2]] == [True, False]


def test_a_session_whose_first_entry_was_zeroed_is_not_the_newest(tmp_path: Path) -> None:
    device = begun(tmp_path / "a")
    device.segment(cause=EndCause.STOPPED)
    device.end()
    device.begin()
    assert report_of(tmp_path / "a").ordinal == 2
    (journal,) = (device.root / "journal").iterdir()
    journal.write_bytes(journal.read_bytes()[:-40] + bytes(40))
    assert report_of(tmp_path / "a").ordinal == 1


@pytest.mark.parametrize(("stream", "status"), [(None, Status.NOT_COVERED), (1, Status.WITH_GAPS)])
def test_a_step_of_which_all_is_a_gap_is_not_covered_and_one_without_sound_is(
    tmp_path: Path, stream: int | None, status: Status
) -> None:
    device = Device(root=tmp_path / "a")
    device.enrol()
    device.start()
    device.begin()
    follow_hearing(device)
    device.segment()
    mark(device, MarkCode.STEP, step=1)
    since_ns = device.now_ns
    gap = device.gap(stream=stream)
    if stream is None:
        device.pass_ns(3 * SECOND_NS)
    else:
        device.segment(6, streams=(0,), cause=EndCause.STREAMS_CHANGED)
    device.gap_end(gap, since_ns=since_ns)
    mark(device, MarkCode.STEP, step=2)
    ended(device)
    report = report_of(tmp_path / "a")
    assert report.verified.intact, report.verified.broken
    assert item(report, "24").status is status
    assert item(report, "25").status is COVERED


def test_a_side_that_was_hidden_is_told_with_its_time_and_judged_by_article_nine(tmp_path: Path) -> None:
    device = begun(tmp_path / "a")
    device.event(EventCode.PARTIES_HIDDEN)
    pass_recorded(device, 4)
    device.event(EventCode.PARTIES_HIDDEN_ENDED)
    device.event(EventCode.SOUND_SILENT)
    ended(device)
    report = report_of(tmp_path / "a", "jiaozuo")
    assert outcome(report, Topic.SIDES) is Outcome.NOT_MET
    hidden, silent = report.degraded
    assert hidden.until is not None
    assert hidden.since.until_ms(hidden.until) == 4000
    assert silent.until is None
    assert hidden.where is not None
    assert hidden.until_where is not None
    assert (hidden.where.segment, hidden.where.offset_ms) == (1, 0), "what follows the first segment"
    assert (hidden.until_where.segment, hidden.until_where.offset_ms) == (2, 0)
    assert silent.until_where is None
    assert "录像中自 000001.mp4 第 0.0 秒处起，至 000002.mp4 第 0.0 秒处" in told(due(report, Topic.SIDES))


def test_a_gap_before_any_film_or_to_the_end_has_one_place_only(tmp_path: Path) -> None:
    device = Device(root=tmp_path / "a")
    device.enrol()
    device.start()
    device.begin()
    first_ns, first = device.now_ns, device.gap()
    device.pass_ns(3 * SECOND_NS)
    device.gap_end(first, since_ns=first_ns)
    device.segment()
    ended(device)
    (gap,) = report_of(tmp_path / "a", "jiaozuo").interruptions
    assert gap.since_where is None
    assert gap.until_where is not None
    assert (gap.until_where.segment, gap.until_where.offset_ms) == (0, 0)


@pytest.mark.parametrize("approved", [True, False])
def test_a_withholding_is_met_with_approval_alone(tmp_path: Path, approved: bool) -> None:
    device = begun(tmp_path / "a")
    withhold(device, approved=approved)
    ended(device)
    report = report_of(tmp_path / "a", "jiaozuo")
    answer = due(report, Topic.WITHHELD)
    assert answer.outcome is (Outcome.FOR_A_PERSON if approved else Outcome.NOT_MET)
    assert ("《保守国家秘密法》第二十七条" if approved else "未获批准") in told(answer)
    (gap,) = report.interruptions
    assert gap.approval is not None
    assert gap.approved is approved


def test_a_withholding_on_a_ground_of_the_rules_cites_the_rule_it_rests_on(tmp_path: Path) -> None:
    device = begun(tmp_path / "a")
    since_ns = device.now_ns
    placed = forbid(device)
    gap = gap_since(device, GapCause.WITHHELD, since_ns)
    device.pass_ns(5 * SECOND_NS)
    records = ((RecordLabel.GROUND, device.record("法律法规规定\n《保守国家秘密法》第二十七条")),)
    at = (device.boot_id, device.now_ns)
    device.append(Inhibition(code=WITHHELD, act=InhibitionAct.APPROVED, at=at, placed=placed, records=records))
    clear(device, placed)
    device.gap_end(gap, since_ns=since_ns)
    ended(device)
    answer = due(report_of(tmp_path / "a", "jiaozuo"), Topic.WITHHELD)
    assert answer.outcome is Outcome.MET
    assert answer.ground is not None
    assert answer.ground.cited.endswith("第八条（三）")
    assert "法律法规规定⏎《保守国家秘密法》第二十七条" in told(answer)


def test_a_header_that_is_not_filled_in_names_what_is_missing(tmp_path: Path) -> None:
    hold(tmp_path / "a", Script(header={}, matter=None))
    header = due(report_of(tmp_path / "a"), Topic.HEADER)
    assert header.outcome is Outcome.NOT_MET
    assert "没有填写：当事人" in told(header)
    assert "没有填写：事项" in told(header)


# -- what may not be claimed -------------------------------------------------------------------------------------------


def test_a_row_for_portable_devices_alone_is_supplemented_and_not_claimed(tmp_path: Path) -> None:
    hold(tmp_path / "a", Script(procedure=Procedure.LICENCE_HEARING, matter="4"))
    report = report_of(tmp_path / "a")
    row = item(report, "4")
    assert (row.status, row.claim) == (COVERED, Claim.SUPPLEMENT)
    assert any("第4行" in fact.said.zh and "不得据此主张" in fact.said.zh for fact in report.not_claimed)


def test_a_fixed_device_is_told_that_the_extension_for_field_work_is_not_its_own(hearing: Path) -> None:
    report = report_of(hearing, "jiaozuo", follows="zezhou")
    assert any("只适用于外出执法" in fact.said.zh for fact in report.not_claimed)


def test_which_of_several_rows_a_statement_is_the_header_says_or_it_stays_undecided(tmp_path: Path) -> None:
    hold(tmp_path / "named", Script(procedure=Procedure.STATEMENT, matter="21"))
    assert answers(report_of(tmp_path / "named")) == {"21": COVERED}
    hold(tmp_path / "open", Script(procedure=Procedure.STATEMENT, matter=None))
    assert answers(report_of(tmp_path / "open")) == {"3": Status.UNDECIDED, "21": Status.UNDECIDED}
    hold(tmp_path / "other", Script(procedure=Procedure.STATEMENT, matter="24"))
    assert item(report_of(tmp_path / "other"), "24").status is Status.NOT_COVERED


def test_a_session_that_names_no_list_says_so_and_lists_what_was_due_all_the_same(tmp_path: Path) -> None:
    device = begun(tmp_path / "a")
    ended(device)
    report = report_of(tmp_path / "a", "neutral")
    assert report.items == ()
    assert any("没有选定辖区清单" in one.zh for one in report.warnings)
    assert any("没有选定辖区规则" in one.zh for one in report.warnings)
    assert outcome(report, Topic.HEADER) is Outcome.NOT_MET


# -- an always-on room -------------------------------------------------------------------------------------------------


def visit(device: Device, number: str, *, began: int | None = None, cause: int = VisitEnd.NOT_ENDED) -> int:
    """A visit begins, or (`began`) ends."""
    body = Visit(
        act=VisitAct.BEGUN if began is None else VisitAct.ENDED,
        sort=VisitSort.VISIT,
        number=number,
        at=(device.boot_id, device.now_ns),
        frame_index=None,
        sample_index=None,
        began=began,
        cause=cause,
        records=(),
    )
    return device.append(body)


def test_each_visit_of_a_day_is_told_by_its_queue_number_with_its_end_its_notice_and_its_place(tmp_path: Path) -> None:
    device = Device(root=tmp_path / "a")
    device.enrol()
    device.start()
    device.begin(mode=DUTY_STREAM)
    device.segment()
    first = visit(device, "A001")
    pass_recorded(device, 3)
    mark(device, MarkCode.NOTICE_GIVEN)
    visit(device, "A001", began=first, cause=VisitEnd.PERSON)
    device.segment()
    visit(device, "A002")
    ended(device)
    one, other = report_of(tmp_path / "a", "jiaozuo").visits
    assert (one.number, one.told_ms, one.ended.zh) == ("A001", 3000, "结束")
    assert one.until is not None
    assert one.since.until_ms(one.until) == 3000
    assert one.segments[0] == (1, 0)
    assert (other.number, other.told_ms, other.ended.zh) == ("A002", None, "随值守场次结束")
    notice = due(report_of(tmp_path / "a", "jiaozuo"), Topic.NOTICE)
    assert notice.outcome is Outcome.NOT_MET
    assert "办事 2 次，按时告知 1 次" in told(notice)
    assert "A002号没有告知" in told(notice)
    text = to_text(report_of(tmp_path / "a", "jiaozuo"))
    assert "A001号（办事）：" in text
    assert "未告知" in text


def test_a_visit_in_the_segment_that_is_still_being_written_is_not_called_unrecorded(tmp_path: Path) -> None:
    device = Device(root=tmp_path / "a")
    device.enrol()
    device.start()
    device.begin(mode=DUTY_STREAM)
    device.segment()
    device.open_segment()
    device.fragment(2)
    first = visit(device, "A001")
    device.fragment(2)
    visit(device, "A001", began=first, cause=VisitEnd.PERSON)
    (one,) = report_of(tmp_path / "a", "jiaozuo").visits
    assert (one.segments, one.being_written) == ((), True)
    text = to_text(report_of(tmp_path / "a", "jiaozuo"))
    assert "录像所在的段尚未写完" in text
    assert "没有录制内容" not in text


@pytest.mark.parametrize(("after_seconds", "answer"), [(60, Outcome.MET), (61, Outcome.NOT_MET)])
def test_a_visitor_has_sixty_seconds_and_not_one_more(tmp_path: Path, after_seconds: int, answer: Outcome) -> None:
    device = Device(root=tmp_path / "a")
    device.enrol()
    device.start()
    device.begin(mode=DUTY_STREAM)
    visit(device, "A001")
    pass_recorded(device, after_seconds)
    mark(device, MarkCode.NOTICE_GIVEN)
    ended(device)
    report = report_of(tmp_path / "a", "jiaozuo")
    assert [one.told_ms for one in report.visits] == [after_seconds * 1000]
    assert outcome(report, Topic.NOTICE) is answer
    assert ("A001号告知过迟：1:01" in told(due(report, Topic.NOTICE))) is (answer is Outcome.NOT_MET)
    assert outcome(report_of(tmp_path / "a", "zezhou"), Topic.NOTICE) is Outcome.NOT_ASKED


# -- the archive -------------------------------------------------------------------------------------------------------


def test_nothing_at_all_is_claimed_of_an_archive_that_is_not_intact(tmp_path: Path) -> None:
    device = hold(tmp_path / "a")
    (session,) = (one for one in (device.root / "sessions").iterdir())
    flip(segments(device.root, bytes.fromhex(session.name))[4], 400)
    report = report_of(tmp_path / "a")
    assert "档案不完好" in report.warnings[0].zh
    assert report.verified.broken
    assert {one.status for one in report.items} == {Status.NO_CLAIM}
    assert len(report.items) == 8, "named, though nothing is claimed of them"
    assert {one.outcome for one in report.requirements} == {Outcome.NO_CLAIM}
    assert all(not one.facts for one in report.requirements)
    assert (report.steps, report.others, report.interruptions, report.header) == ((), (), (), ())


def test_a_recorder_of_another_agency_is_told_as_that(tmp_path: Path) -> None:
    header = Script().header | {RecordLabel.RECORDER_AGENCY: "某某公证处"}
    hold(tmp_path / "a", Script(header=header))
    report = report_of(tmp_path / "a")
    assert ("记录人所在单位", ("某某公证处",)) in [(one.name.zh, one.texts) for one in report.header]
    assert "首部写明：书记员 钱七（某某公证处）" in told(due(report, Topic.RECORDER))


def test_without_a_trust_file_it_says_that_nobody_vouches(hearing: Path) -> None:
    assert report_of(hearing).verified.vouched_by is not None
    report = report_of(hearing, vouched=False)
    assert report.verified.vouched_by is None
    assert any("没有给出信任文件" in one.zh for one in report.warnings)
    assert answers(report)["24"] is COVERED


def test_a_session_that_never_ended_is_told_as_that(tmp_path: Path) -> None:
    device = begun(tmp_path / "a")
    device.checkpoint()
    report = report_of(tmp_path / "a", "neutral")
    assert not report.finished
    assert any("场次未见结束" in one.zh for one in report.warnings)


def test_of_a_session_that_goes_on_nothing_is_said_of_its_end(tmp_path: Path) -> None:
    hold(tmp_path / "a", Script(skip=frozenset({5, 6, 7, 8}), ends=False))
    report = report_of(tmp_path / "a")
    assert not report.finished
    assert outcome(report, Topic.STEPS) is Outcome.OPEN
    assert outcome(report, Topic.SIGNING) is Outcome.OPEN
    text = to_text(report)
    assert "提前结束" not in text.replace("必经环节与提前结束", "")
    assert "结束前没有标记" not in text
    assert "（录制结束）" not in text
    assert "录制至此，场次未见结束" in text


def test_another_version_of_the_same_rule_book_is_told(hearing: Path) -> None:
    facts = facts_of(hearing, "1", trust=TRUST, now_ms=NOW_MS)
    other = replace(load_named("zezhou"), digest=bytes(32))
    report = decide(facts, other, None)
    assert any("另一版本" in one.zh for one in report.warnings)
    assert answers(report)["31"] is COVERED, "steps are matched by their titles"


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ("书记员 钱七", Outcome.MET),
        ("钱七（书记员）", Outcome.MET),
        ("非书记员 钱七", Outcome.FOR_A_PERSON),
        ("李四", Outcome.FOR_A_PERSON),
    ],
)
def test_who_records_is_a_word_of_its_own_and_told_as_the_headers_word(
    tmp_path: Path, written: str, answer: Outcome
) -> None:
    hold(tmp_path / "a", Script(header=dict(BY_THE_BOOK.header) | {RecordLabel.RECORDER: written}))
    recorder = due(report_of(tmp_path / "a"), Topic.RECORDER)
    assert recorder.outcome is answer
    assert ("未与任命文件核对" in told(recorder)) is (answer is Outcome.MET)


@pytest.mark.parametrize(("written", "answer"), [("李四", Outcome.MET), ("钱七", Outcome.FOR_A_PERSON)])
def test_one_of_the_officials_records_where_an_official_has_to(tmp_path: Path, written: str, answer: Outcome) -> None:
    hold(tmp_path / "a", Script(follows="jiaozuo", header=dict(BY_THE_BOOK.header) | {RecordLabel.RECORDER: written}))
    assert outcome(report_of(tmp_path / "a", "jiaozuo"), Topic.RECORDER) is answer
