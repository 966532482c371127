"""What was due in a session and whether it was done, each with the row or article that asks for it. Pure.

What the journal cannot know is left to a person; what a rule book does not ask for is said to be so, with what was done
all the same. Where the archive is not intact nothing is claimed of anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from edge.coverage.case import Case
from edge.coverage.gaps import approval_words
from edge.coverage.keeping import archiving, storing
from edge.coverage.lines import trouble_words
from edge.coverage.values import Fact, Ground, Judged, Outcome, Requirement, Topic
from edge.coverage.words import Said, harmless, said, seconds_words, time_words
from edge.profiles.schema import HeaderField
from liuhen.proceedings import Marked, NoticeFault
from liuhen.registry import EndCause, EventCode, InhibitionCode, MarkCode, RecordLabel, SecrecyClass

CERTIFICATES = "certificates"
LISTS = frozenset({RecordLabel.PARTIES, RecordLabel.RELATED_PERSONS, RecordLabel.OFFICIALS, RecordLabel.CERTIFICATES})
LABEL_OF = {
    HeaderField.CASE_NUMBER: RecordLabel.CASE,
    HeaderField.CAUSE: RecordLabel.CAUSE,
    HeaderField.PARTIES: RecordLabel.PARTIES,
    HeaderField.RELATED_PERSONS: RecordLabel.RELATED_PERSONS,
    HeaderField.OFFICIALS: RecordLabel.OFFICIALS,
    HeaderField.CERTIFICATES: RecordLabel.CERTIFICATES,
    HeaderField.HOST: RecordLabel.HOST,
    HeaderField.RECORDER: RecordLabel.RECORDER,
    HeaderField.PLACE: RecordLabel.PLACE,
}
HEADER_LABELS = (
    *(label for label in LABEL_OF.values() if label is not RecordLabel.PLACE),
    RecordLabel.RECORDER_AGENCY,
    RecordLabel.PLACE,
)
"""Every record of a header, in the order of the page; no book demands the agency, and a recorder of another is told."""
_FIELD_WORDS = {
    HeaderField.MATTER: said("事项", "matter"),
    HeaderField.SECRECY: said("密级", "secrecy class"),
    HeaderField.EX_STATUS: said("场所防爆情况", "Ex status of the place"),
}
SIDES = frozenset({EventCode.OFFICIALS_HIDDEN, EventCode.PARTIES_HIDDEN})
OFFICIAL_ROLES = frozenset({"执法人员", "行政执法人员"})
_WORDS = re.compile(r"[^\w]+")
_NOTICE_WORDS = {
    NoticeFault.MISSING: said("当事人到场后没有告知", "a party that arrived was not told"),
    NoticeFault.LATE: said("告知过迟", "told too late"),
    NoticeFault.EMPTY_ROOM: said("告知时无人到场", "told to an empty room"),
    NoticeFault.NOT_BEFORE_FIRST_STEP: said("第一个环节之前没有告知", "not told before the first step"),
}


def requirements_of(case: Case) -> tuple[Requirement, ...]:
    """Every requirement in the order of a session; none is left out."""
    found = []
    for topic, judge in _JUDGES.items():
        outcome, ground, facts = judge(case)
        if not case.facts.verified.intact:
            outcome, facts = Outcome.NO_CLAIM, []
        found.append(Requirement(topic=topic, outcome=outcome, ground=ground, facts=tuple(facts)))
    return tuple(found)


def field_texts(case: Case, label: RecordLabel) -> tuple[str, ...] | None:
    """What the header's record of that label says, as it may be shown; None where it is not here or was not given."""
    named = case.facts.told.fields().get(label)
    text = case.facts.texts.get(named) if named is not None else None
    if text is None or label not in LISTS:
        return None if text is None else (harmless(text),)
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        return (harmless(text),)
    return tuple(harmless(str(one)) for one in items) if isinstance(items, list) else (harmless(text),)


# -- header, recorder --------------------------------------------------------------------------------------------------


def _header(case: Case) -> Judged:
    profile, told = case.profile, case.facts.told
    wanted = profile.header_of(case.procedure) if case.procedure is not None else frozenset(profile.header.required)
    blank = [field for field in HeaderField if field in wanted and not _given(case, field)]
    facts = [
        Fact(said=said(f"首部没有填写：{_words_of(one).zh}", f"not filled in: {_words_of(one).en}")) for one in blank
    ]
    facts += _too_few(case, wanted)
    if not told.headers:
        facts = [Fact(said=said("没有首部", "there is no header"))]
    ground = case.ground(profile.header.source)
    if facts:
        return Outcome.NOT_MET, ground, facts
    return Outcome.MET, ground, [Fact(said=said(f"应填 {len(wanted)} 项均已填写", f"all {len(wanted)} are filled in"))]


def _given(case: Case, field: HeaderField) -> bool:
    told = case.facts.told
    match field:
        case HeaderField.MATTER:
            return told.matter is not None
        case HeaderField.SECRECY:
            return any(one.body.secrecy != SecrecyClass.UNSTATED for one in told.headers)
        case HeaderField.EX_STATUS:
            return any(one.body.ex_status for one in told.headers)
        case _:
            return LABEL_OF[field] in told.fields()


def _words_of(field: HeaderField) -> Said:
    label = LABEL_OF.get(field)
    return _FIELD_WORDS[field] if label is None else said(label.words_zh, label.words_en)


def _too_few(case: Case, wanted: frozenset[HeaderField]) -> Iterator[Fact]:
    """At least two officials (Zezhou row 8), one at a window."""
    least = case.template.least_officials if case.template is not None else case.profile.header.least_officials
    names = field_texts(case, RecordLabel.OFFICIALS)
    if HeaderField.OFFICIALS in wanted and names is not None and len(names) < least:
        yield Fact(
            said=said(f"执法人员只有 {len(names)} 名，应不少于 {least} 名", f"{len(names)} officials, at least {least}")
        )


def _recorder(case: Case) -> Judged:
    template = case.template
    if template is None or not template.recorder:
        return Outcome.NOT_ASKED, None, []
    ground = case.ground(template.source)
    asked = Fact(said=said(f"应由{template.recorder}记录", "the rule names who records"))
    texts = field_texts(case, RecordLabel.RECORDER)
    if texts is None:
        named = RecordLabel.RECORDER in case.facts.told.fields()
        zh, en = ("内容未提交", "its content is not presented") if named else ("没有填写", "is not filled in")
        outcome = Outcome.FOR_A_PERSON if named else Outcome.NOT_MET
        return outcome, ground, [asked, Fact(said=said(f"首部的记录人{zh}", f"the header's recorder {en}"))]
    agency = "".join(f"（{one}）" for one in field_texts(case, RecordLabel.RECORDER_AGENCY) or ())
    written = Fact(said=said(f"首部写明：{'、'.join(texts)}{agency}", "as the header says"))
    if not any(_has_role(case, text, template.recorder) for text in texts):
        return Outcome.FOR_A_PERSON, ground, [asked, written]
    claimed = said("身份依首部所写，未与任命文件核对", "by the header's own word; no appointment was compared")
    return Outcome.MET, ground, [asked, written, Fact(said=claimed)]


def _has_role(case: Case, text: str, role: str) -> bool:
    """Whether the header gives the recorder this role: a word of its own, or one of the officials for an official.

    A word that only contains it (非书记员) does not.
    """
    words = _WORDS.split(text)
    if any(word in (role, f"行政{role}") for word in words):
        return True
    officials = field_texts(case, RecordLabel.OFFICIALS) or ()
    return role in OFFICIAL_ROLES and any(word in officials for word in words)


# -- 告知 --------------------------------------------------------------------------------------------------------------


def _notice(case: Case) -> Judged:
    if case.facts.visits:
        return _notice_of_visits(case)
    notice, told = case.profile.notice, case.facts.told
    given = [case.fact(said("已告知", "notice given"), mark) for mark in told.of(MarkCode.NOTICE_GIVEN)]
    arrived = [
        case.fact(said("当事人到场", "a party arrives"), one.arrival)
        if one.after_ms is None
        else _after(case, one.arrival, one.after_ms)
        for one in told.notices()
    ]
    if notice is None:
        return Outcome.NOT_ASKED, None, [*arrived, *given]
    ground = case.ground(notice.source)
    by_entry = {mark.entry: mark for mark in told.marks}
    faults = [
        case.fact(_fault_words(fault, after_ms), by_entry.get(entry))
        for fault, entry, after_ms in told.notice_faults_within(notice.within_seconds * 1000)
    ]
    if not given:
        faults.insert(0, Fact(said=said("没有已告知标记", "no notice was marked")))
    elif not arrived:
        faults.append(Fact(said=said("没有人到场标记，不知告知了谁", "no arrival was marked: who was told is unknown")))
    if faults:
        return Outcome.NOT_MET, ground, [*faults, *arrived, *given]
    late = any(one.notice is not None and (one.notice.late or one.arrival.late) for one in told.notices())
    return (Outcome.MET_BY_LATE_MARK if late else Outcome.MET), ground, [*arrived, *given]


def _notice_of_visits(case: Case) -> Judged:
    """In an always-on room each visitor is told, within the same time of coming to the window."""
    visits, notice = case.facts.visits, case.profile.notice
    if notice is None or not notice.each_visit:
        return Outcome.NOT_ASKED, None, []
    limit_ms = notice.within_seconds * 1000
    wrong = [one for one in visits if one.told_ms is None or one.told_ms > limit_ms]
    facts = [Fact(said=said(f"办事 {len(visits)} 次，按时告知 {len(visits) - len(wrong)} 次", f"{len(visits)} visits"))]
    for one in wrong:
        zh = "没有告知" if one.told_ms is None else f"告知过迟：{seconds_words(one.told_ms)}"
        en = "was not told" if one.told_ms is None else f"was told after {seconds_words(one.told_ms)}"
        number = harmless(one.number)
        facts.append(Fact(said=said(f"{number}号{zh}（第 {one.entry} 号条目）", f"{number} {en} (entry {one.entry})")))
    return (Outcome.NOT_MET if wrong else Outcome.MET), case.ground(notice.source), facts


def _after(case: Case, arrival: Marked, after_ms: int) -> Fact:
    length = seconds_words(after_ms)
    return case.fact(said(f"当事人到场，{length} 后告知", f"a party arrives, told {length} later"), arrival)


def _fault_words(fault: NoticeFault, after_ms: int | None) -> Said:
    words = _NOTICE_WORDS[fault]
    if after_ms is None:
        return words
    length = seconds_words(after_ms)
    return said(f"{words.zh}：到场后 {length}", f"{words.en}: {length} after the arrival")


_ENDS = {
    EndCause.OVERFLOW: said("录制跟不上", "recording fell behind"),
    EndCause.INTERLOCK: said("防爆联锁，未能恢复录制", "the interlock, and it was not resumed"),
    EndCause.WITHHELD: said("不得记录，未能恢复录制", "recording was withheld and not resumed"),
    EndCause.STORAGE: said("存储故障或已满", "storage failed or was full"),
    EndCause.POWER: said("电源", "power"),
    EndCause.DEVICE_FAULT: said("设备故障", "a device fault"),
    EndCause.RECOVERED: said("录制中断后没有续录", "it was interrupted and not gone on with"),
}
"""What ended a session where no person did. The journal gives it; nobody owes a reason for stopping early."""
NOT_ENDED = Fact(said=said("场次未见结束", "the session has not ended, as far as the journal goes"))


# -- steps -------------------------------------------------------------------------------------------------------------


def _capture_before(case: Case) -> Judged:
    template, media, first = case.template, case.facts.media, case.first_step
    if template is None or not template.capture_before_first_step:
        return Outcome.NOT_ASKED, None, []
    ground = case.ground(template.source)
    if media is None or first is None:
        return Outcome.NOT_MET, ground, [Fact(said=said("没有录制内容或环节标记", "no recording, or no step marked"))]
    ahead_ms = media[0].until_ms(case.facts.of_mark(first))
    length = seconds_words(abs(ahead_ms))
    if not media[0] < case.facts.of_mark(first):
        words = said(f"第一个环节在录制开始之前 {length}", f"the first step is {length} before the recording")
        return Outcome.NOT_MET, ground, [case.fact(words, first)]
    words = said(f"录制开始早于第一个环节 {length}", f"the recording begins {length} before the first step")
    return (Outcome.MET_BY_LATE_MARK if first.late else Outcome.MET), ground, [case.fact(words, first)]


def _identity(case: Case) -> Judged:
    step = next((one for one in case.template.steps if one.id == CERTIFICATES), None) if case.template else None
    phrases = [
        Fact(said=said(f"规范用语（{one.source}）：{one.text}", "phrase of the rule book"))
        for one in case.profile.identity
    ]
    if step is None:
        return Outcome.NOT_ASKED, None, _certificate_numbers(case)
    ground = case.ground(case.template.source if case.template is not None else "")
    marks = case.marked.get(step.id, ())
    if not marks:
        outcome = Outcome.NOT_MET if step.required else Outcome.FOR_A_PERSON
        missing = Fact(said=said("没有标记出示证件", "showing certificates was not marked"))
        return outcome, ground, [missing, *_certificate_numbers(case), *phrases]
    facts = [case.fact(said("出示证件", "certificates shown"), mark) for mark in marks]
    outcome = Outcome.MET_BY_LATE_MARK if marks[0].late else Outcome.MET
    return outcome, ground, [*facts, *_certificate_numbers(case), *phrases]


def _certificate_numbers(case: Case) -> list[Fact]:
    texts = field_texts(case, RecordLabel.CERTIFICATES)
    if texts is None:
        return []
    return [Fact(said=said(f"首部列有执法证号：{'、'.join(texts)}", "certificate numbers in the header"))]


def _place(case: Case) -> Judged:
    told, place = case.facts.told, case.profile.place
    facts = []
    for plate in told.plates:
        sealed = plate.body.seal_hash.hex()[:16]
        zh = f"场所标志：{plate.body.segment:06d}.mp4 第 {plate.body.frame_index} 帧，封签 {sealed}"
        en = f"frame {plate.body.frame_index} of {plate.body.segment:06d}.mp4 shows the sign"
        facts.append(
            Fact(
                said=said(f"{zh}（{time_words(plate.utc_ms)}，第 {plate.entry} 号条目）", f"{en} (entry {plate.entry})")
            )
        )
    spoken = told.of(MarkCode.PLACE_SPOKEN)
    facts += [case.fact(said("场所口述", "the place was named aloud"), mark) for mark in spoken]
    if place is None or not place.plate_required:
        return Outcome.NOT_ASKED, None, facts
    ground = case.ground(place.source)
    if told.plates:
        return Outcome.MET, ground, facts
    if spoken and place.spoken_otherwise:
        return (Outcome.MET_BY_LATE_MARK if spoken[0].late else Outcome.MET), ground, facts
    missing = said("没有标志入画，也没有口述场所", "no sign was shown and no place named")
    if spoken:
        missing = said(
            "没有标志入画；本规则不以口述代替", "no sign was shown; naming the place aloud does not stand in"
        )
    return Outcome.NOT_MET, ground, [Fact(said=missing), *facts]


def _steps(case: Case) -> Judged:
    template, told = case.template, case.facts.told
    if template is None:
        return Outcome.NOT_ASKED, None, [Fact(said=said("没有选定程序", "no procedure was chosen"))]
    ground = case.ground(template.source)
    facts = [Fact(said=said(f"未标记：{step.title}", f"not marked: {step.id}")) for step in case.left()]
    if facts and told.ended is not None:
        facts += _reasons(case)
    order = [Fact(said=said(f"次序有异：{one.title}", "out of order")) for one in told.out_of_order()]
    if facts and told.ended is None:
        return Outcome.OPEN, ground, [NOT_ENDED, *facts, *order]
    if facts:
        return Outcome.NOT_MET, ground, [*facts, *order]
    late = any(marks[0].late for marks in case.marked.values())
    done = sum(step.required for step in template.steps)
    facts = [Fact(said=said(f"必经 {done} 个环节均有标记", f"all {done} required steps are marked")), *order]
    return (Outcome.MET_BY_LATE_MARK if late else Outcome.MET), ground, facts


def _reasons(case: Case) -> list[Fact]:
    """Why a session ended before its required steps."""
    reasons = case.facts.told.stop_reasons()
    by_itself = next((words for cause, words in _ENDS.items() if cause == case.facts.told.end_cause), None)
    if by_itself is not None:
        ended = Fact(said=said(f"结束的原因：{by_itself.zh}", f"why it ended: {by_itself.en}"))
        return [ended, *(case.fact(said("提前结束的理由", "why it ended early"), mark) for mark in reasons)]
    if not reasons:
        return [Fact(said=said("提前结束，没有说明理由", "ended early, no reason was given"))]
    return [case.fact(said("提前结束的理由", "why it ended early"), mark) for mark in reasons]


def _signing(case: Case) -> Judged:
    template = case.template
    if template is None or not template.ask_reason_before:
        return Outcome.NOT_ASKED, None, []
    ground = case.ground(template.source)
    step = next(one for one in template.steps if one.id == template.ask_reason_before)
    marks = case.marked.get(step.id, ())
    if not marks and case.facts.told.ended is None:
        return Outcome.OPEN, ground, [NOT_ENDED, Fact(said=said(f"未标记：{step.title}", f"not marked: {step.id}"))]
    if not marks:
        facts = [Fact(said=said(f"结束前没有标记“{step.title}”", "the session ended before it was signed"))]
        return Outcome.NOT_MET, ground, [*facts, *_reasons(case)]
    facts = [case.fact(said(step.title, "signed"), mark) for mark in marks]
    return (Outcome.MET_BY_LATE_MARK if marks[0].late else Outcome.MET), ground, facts


# -- picture, gaps, withholding ----------------------------------------------------------------------------------------


def _sides(case: Case) -> Judged:
    facts = [Fact(said=trouble_words(one)) for one in case.facts.troubles if one.code in SIDES]
    rule = case.profile.both_sides
    if rule is None:
        return Outcome.NOT_ASKED, None, facts
    if facts:
        return Outcome.NOT_MET, case.ground(rule.source), facts
    words = said(
        "设备没有报告任一侧被遮挡；人是否在座，请看录像",
        "the device reported no side as hidden; whether anybody sat there the recording shows",
    )
    return Outcome.FOR_A_PERSON, case.ground(rule.source), [Fact(said=words)]


def _gaps(case: Case) -> Judged:
    gaps = case.facts.gaps
    owed = [gap for gap in gaps if not gap.explained]
    source = next((one.source for one in case.profile.interruptions), None)
    counted = Fact(
        said=said(
            f"中止 {len(gaps)} 次，待说明 {len(owed)} 次" if gaps else "没有中止",
            f"gaps: {len(gaps)}, not yet explained: {len(owed)}" if gaps else "no gap",
        )
    )
    if source is None:
        return Outcome.NOT_ASKED, None, [counted]
    return (Outcome.NOT_MET if owed else Outcome.MET), case.ground(source), [counted]


def _withheld(case: Case) -> Judged:
    profile = case.profile
    standing = [one for one in case.facts.withheld if one.code == InhibitionCode.WITHHELD]
    if not standing:
        none = Fact(said=said("没有不得记录的时段", "recording was never withheld"))
        return Outcome.NOT_ASKED if not profile.prohibitions else Outcome.MET, _prohibited(case, None), [none]
    facts, outcome = [], Outcome.MET
    ground = _prohibited(case, None)
    for one in standing:
        words, cited = approval_words(case, one), case.facts.text_of(one.approval_records, RecordLabel.GROUND)
        since = time_words(one.from_utc_ms)
        until = time_words(one.to_utc_ms) if one.to_utc_ms is not None else "未见解除"
        facts.append(Fact(said=said(f"{since} 至 {until}：{words.zh}（第 {one.entry} 号条目）", words.en)))
        ground = _prohibited(case, cited) or ground
        if one.unapproved:
            outcome = Outcome.NOT_MET
        elif outcome is Outcome.MET and not _allowed(case, cited):
            outcome = Outcome.FOR_A_PERSON
    return outcome, ground, facts


def _allowed(case: Case, cited: str | None) -> bool:
    return cited is not None and any(cited.startswith(ground) for ground in case.profile.grounds())


def _prohibited(case: Case, cited: str | None) -> Ground | None:
    """The rule whose ground was cited, or the first that lets a person withhold."""
    for one in case.profile.prohibitions:
        if one.grounds and (cited is None or any(cited.startswith(ground) for ground in one.grounds)):
            return case.ground(one.source)
    return None


_JUDGES: dict[Topic, Callable[[Case], Judged]] = {
    Topic.HEADER: _header,
    Topic.RECORDER: _recorder,
    Topic.CAPTURE_BEFORE: _capture_before,
    Topic.NOTICE: _notice,
    Topic.PLACE: _place,
    Topic.IDENTITY: _identity,
    Topic.STEPS: _steps,
    Topic.SIGNING: _signing,
    Topic.SIDES: _sides,
    Topic.GAPS: _gaps,
    Topic.WITHHELD: _withheld,
    Topic.STORING: storing,
    Topic.ARCHIVING: archiving,
}
