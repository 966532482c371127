"""By when a session was to be stored and its case archived, and whether it was, as far as the archive knows. Pure.

The due moments follow from the rule book that the report goes by; what was done is what the device said at the time
(`DEADLINE_MET`, `DEADLINE_MISSED`) and what a person said of the case. Of what came after the newest entry nothing is
known: a term that was still running then is open, whatever the reader's calendar says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from edge.archiving import EPOCH, STAGE_OF, archive_term
from edge.coverage.case import Case
from edge.coverage.facts import Milestone, Stage
from edge.coverage.values import Fact, Judged, Outcome
from edge.coverage.words import Said, harmless, said, time_words
from edge.deadlines import Rule, Term, term_of
from edge.profiles.schema import Archive
from edge.profiles.terms import rule_of
from edge.working_days import is_working_day
from liuhen.registry import CaseStage, EventCode, MissedCause
from liuhen.verify_codes import known

OFFSET_MINUTES = 480
"""The report speaks Beijing time, and its days are Beijing's."""
_CAUSES = {
    MissedCause.UNKNOWN: said("原因不明", "cause unknown"),
    MissedCause.STORE_UNREACHABLE: said("存储库连不上", "the store was not reached"),
    MissedCause.STORE_REFUSES: said("存储库拒收", "the store refused"),
    MissedCause.STORE_UNTRUSTED: said("存储库身份不可信", "the store was not trusted"),
    MissedCause.STORE_FULL: said("存储库已满", "the store was full"),
    MissedCause.RETENTION_SHORT: said("存储库的保留期限不足", "the store's retention was too short"),
    MissedCause.NO_DESIGNATED_STORE: said("没有可用的指定存储库", "there was no designated store that counts"),
    MissedCause.TOO_SLOW: said("传输太慢", "the line was too slow"),
    MissedCause.LOCAL_DIFFERS: said("本机内容与封签不符", "local content differed from its seals"),
    MissedCause.OFFLOAD_SILENT: said("入库程序没有应答", "the offload process was silent"),
}
_GRAVEST = (Outcome.NOT_MET, Outcome.FOR_A_PERSON, Outcome.OPEN, Outcome.MET)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """Something that is to be stored by a term of its own: the session, or one visit of a day."""

    name: str
    entry: int
    ended_utc_ms: int | None


# -- 入库 --------------------------------------------------------------------------------------------------------------


def storing(case: Case) -> Judged:
    """Whether the session, and each visit of a day, was in the designated store in time (Jiaozuo 13, Nong'an 25)."""
    facts, rule = case.facts, case.profile.store
    if rule is None:
        return Outcome.NOT_ASKED, None, []
    counted, words = rule_of(rule.limit, OFFSET_MINUTES), rule.limit.words
    things = [_Stored(name="", entry=facts.told.opening or 0, ended_utc_ms=facts.told.ended_utc_ms)]
    things += [
        _Stored(
            name=f"{harmless(one.number)}号：",
            entry=one.entry,
            ended_utc_ms=None if one.until is None else one.until.utc_ms,
        )
        for one in facts.visits
    ]
    answers = [_stored(case, one, counted) for one in things]
    outcome = next(one for one in _GRAVEST if any(answer[0] is one for answer in answers))
    asked = Fact(said=said(f"规定：{words}，{rule.destination}", "by when and where to, in the document's words"))
    return outcome, case.ground(rule.source), [asked, *(Fact(said=answer[1]) for answer in answers)]


def _stored(case: Case, thing: _Stored, rule: Rule) -> tuple[Outcome, Said]:
    facts, name = case.facts, thing.name
    if thing.ended_utc_ms is None:
        return Outcome.OPEN, said(f"{name}尚未结束，期限未起算", "not ended yet: the term has not begun")
    term = term_of(rule, thing.ended_utc_ms, facts.ended_error_ms, is_working_day)
    due = f"{name}期限 {time_words(term.due_ms)}{_no_calendar(term)}"
    met = _said_of(facts.milestones, EventCode.DEADLINE_MET, thing.entry)
    if met is not None and met.utc_ms + met.error_ms <= term.due_ms:
        stored = f"已于 {time_words(met.utc_ms)} 前入库并回读核对（第 {met.entry} 号条目）"
        return Outcome.MET, said(f"{due}，{stored}", f"stored and read back in time (entry {met.entry})")
    missed = _said_of(facts.milestones, EventCode.DEADLINE_MISSED, thing.entry)
    if missed is not None and missed.utc_ms + missed.error_ms >= term.due_ms:
        cause = _cause(missed)
        zh = f"{due}，到期未入库：{cause.zh}（{time_words(missed.utc_ms)} 记载，第 {missed.entry} 号条目）"
        later = "" if met is None else f"；{time_words(met.utc_ms)} 前补入库（第 {met.entry} 号条目）"
        return Outcome.NOT_MET, said(f"{zh}{later}", f"not stored when due: {cause.en} (entry {missed.entry})")
    if met is not None:
        zh = f"{due}；{time_words(met.utc_ms)} 记载已入库（第 {met.entry} 号条目），是否在期限内须由人核对"
        return Outcome.FOR_A_PERSON, said(zh, f"stored by entry {met.entry}; whether in time is for a person to judge")
    if facts.read_until_ms < term.due_ms:
        return Outcome.OPEN, said(f"{due}，{_as_of(facts.read_until_ms)}尚未记载入库", "not stored yet, not yet due")
    return Outcome.FOR_A_PERSON, said(
        f"{due} 已过，日志没有记载是否入库，请查存储库的回执", "the term is over; the journal does not say whether"
    )


def _said_of(milestones: tuple[Milestone, ...], code: EventCode, about: int) -> Milestone | None:
    return next((one for one in milestones if one.code == code and one.about == about), None)


def _cause(missed: Milestone) -> Said:
    code = missed.measured[0] if missed.measured else MissedCause.UNKNOWN
    return _CAUSES[MissedCause(code)] if known(MissedCause, code) else said(f"代码 {code}", f"code {code}")


def _no_calendar(term: Term) -> str:
    years = "、".join(str(year) for year in term.unknown_years)
    return f"（{years} 年没有调休日历，逐日计为工作日）" if years else ""


def _as_of(utc_ms: int) -> str:
    return f"日志截至 {time_words(utc_ms)} "


# -- 归档 --------------------------------------------------------------------------------------------------------------


def archiving(case: Case) -> Judged:
    """Whether the case was archived in time, by what a person said of it (Jiaozuo 14, Nong'an 27)."""
    archive = case.profile.archive
    begins = STAGE_OF.get(archive.limit.trigger) if archive is not None else None
    if archive is None or begins is None:
        return Outcome.NOT_ASKED, None, []
    ground = case.ground(archive.source)
    asked = Fact(said=said(f"规定：{archive.limit.words}", "by when, in the document's words"))
    began, done = _newest(case, begins), _newest(case, CaseStage.ARCHIVED)
    if began is None:
        words = said(f"尚未登记{begins.words_zh}之日，期限未起算", f"the day of {begins.words_en} was not written down")
        return Outcome.OPEN, ground, [asked, *_archived(done), Fact(said=words)]
    outcome, words = _in_time(case, archive, began, done)
    first = said(f"{begins.words_zh}：{_day(began.day)}（第 {began.entry} 号条目）", f"{begins.words_en}")
    return outcome, ground, [asked, Fact(said=first), *_archived(done), Fact(said=words)]


def _in_time(case: Case, archive: Archive, began: Stage, done: Stage | None) -> tuple[Outcome, Said]:
    special = began.due if archive.special_law_first else None
    term = archive_term(rule_of(archive.limit, OFFSET_MINUTES), began.day, special, is_working_day)
    last = (term.due_ms + OFFSET_MINUTES * 60_000) // 86_400_000 - 1
    law = "，依有特殊规定的法律法规" if special is not None else ""
    due = f"期限为 {_day(last)} 当日终了{law}{_no_calendar(term)}"
    if done is not None:
        if done.day <= last:
            return Outcome.MET, said(f"{due}：按期归档", "archived in time")
        return Outcome.NOT_MET, said(f"{due}：迟 {done.day - last} 日归档", f"archived {done.day - last} days late")
    if case.facts.read_until_ms < term.due_ms:
        return Outcome.OPEN, said(f"{due}，{_as_of(case.facts.read_until_ms)}尚未登记归档", "not archived, not yet due")
    return Outcome.NOT_MET, said(f"{due}，没有登记归档", "the term is over, archiving was not written down")


def _newest(case: Case, stage: CaseStage) -> Stage | None:
    return next((one for one in reversed(case.facts.stages) if one.stage == stage), None)


def _archived(done: Stage | None) -> list[Fact]:
    if done is None:
        return []
    return [Fact(said=said(f"已归档：{_day(done.day)}（第 {done.entry} 号条目）", "archived"))]


def _day(day: int) -> str:
    return (EPOCH + timedelta(days=day)).isoformat()
