"""The whole coverage report of a session under one rule book, from facts alone. Pure.

Where the archive is not intact nothing is claimed: every item and requirement is named and answered with 不作结论, and
nothing the journal tells is repeated.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge.coverage.case import Case
from edge.coverage.facts import Facts
from edge.coverage.gaps import all_interruptions
from edge.coverage.items import items_of
from edge.coverage.requirements import HEADER_LABELS, field_texts, requirements_of
from edge.coverage.values import Binding, Coverage, Fact, Field, Rules, Shown
from edge.coverage.words import Said, said
from edge.profiles.lint import Level, lint
from edge.profiles.reading import NEUTRAL
from edge.profiles.schema import Obligation, Profile
from liuhen.proceedings import StepTold
from liuhen.registry import MarkCode, ProcedureCode
from liuhen.report_room import Presented
from liuhen.verify_codes import known

_STATES = {
    Presented.YES: said("内容已提交", "presented"),
    Presented.NO: said("内容未提交", "not presented"),
    Presented.ALTERED: said("内容被改动", "altered"),
    Presented.DESTROYED: said("内容已依令销毁", "destroyed by order"),
    Presented.IN_STORE: said("内容已入库", "in the store"),
}
_ELSEWHERE_TOLD = frozenset({MarkCode.STEP, MarkCode.SPOKEN_EXPLANATION})


def decide(facts: Facts, profile: Profile, followed: Profile | None) -> Coverage:
    """Under `profile`; `followed` is the one the session names, None where no file of that hash is to hand."""
    case = Case(facts=facts, profile=profile, followed=followed)
    told, intact = facts.told, facts.verified.intact
    return Coverage(
        session=facts.session.hex(),
        ordinal=told.ordinal,
        log_id=facts.log_id.hex(),
        verified=facts.verified,
        rules=_rules(case),
        procedure=_procedure(case) if intact else None,
        matter=told.matter if intact else None,
        assisting=case.template is not None and case.template.obligation is Obligation.IF_NECESSARY,
        opened_utc_ms=told.opened_utc_ms if intact else None,
        ended_utc_ms=told.ended_utc_ms if intact else None,
        segments=facts.segments if intact else 0,
        recorded_ms=facts.recorded_ms if intact else 0,
        header=tuple(_fields(case)) if intact else (),
        warnings=tuple(_warnings(case)),
        items=items_of(case),
        requirements=requirements_of(case),
        steps=tuple(_step(case, step) for step in told.steps()) if intact else (),
        late=tuple(case.shown(mark) for mark in told.marks if mark.late) if intact else (),
        others=tuple(_others(case)) if intact else (),
        interruptions=all_interruptions(case) if intact else (),
        degraded=facts.troubles if intact else (),
        visits=facts.visits if intact else (),
        not_claimed=tuple(_not_claimed(case)),
        notes=profile.notes,
    )


def _rules(case: Case) -> Rules:
    followed = case.followed_rules
    return Rules(
        name=case.profile.name,
        title=case.profile.title,
        digest=case.profile.digest.hex(),
        followed=None if followed is None else followed[0],
        followed_digest=None if followed is None else followed[1].hex(),
    )


def _procedure(case: Case) -> Said | None:
    body = case.facts.told.procedure
    if body is None:
        return None
    if not known(ProcedureCode, body.code):
        return said(f"代码 {body.code}", f"code {body.code}")
    code = ProcedureCode(body.code)
    return said(code.words_zh, code.words_en)


def _fields(case: Case) -> Iterator[Field]:
    given = case.facts.told.fields()
    for label in HEADER_LABELS:
        if label in given:
            state = _state(case.facts, given[label])
            yield Field(name=said(label.words_zh, label.words_en), texts=field_texts(case, label), state=state)


def _state(facts: Facts, commitment: bytes) -> Said:
    """Whether the content of a record is here, and which entry ordered its destruction."""
    presented = facts.presented.get(commitment, Presented.NO)
    if presented is Presented.DESTROYED and commitment in facts.destroyed:
        entry = facts.destroyed[commitment]
        return said(f"内容已由第 {entry} 号条目销毁", f"content destroyed by entry {entry}")
    return _STATES[presented]


def _step(case: Case, step: StepTold) -> Fact:
    """A step of the procedure as it was followed, with its first mark; every late one stands among the late marks."""
    mark = min(step.marks, key=lambda one: one.late, default=None)
    state = said("", "")
    if mark is None:
        state = (
            said("：未标记", ": NOT MARKED") if step.required else said("：未标记（非必经）", ": not marked (optional)")
        )
    return case.fact(said(f"{step.number} {step.title}{state.zh}", f"step {step.number}{state.en}"), mark)


def _others(case: Case) -> Iterator[Shown]:
    told = case.facts.told
    for mark in sorted(told.marks, key=case.facts.of_mark):
        if mark.code not in _ELSEWHERE_TOLD and not mark.late:
            yield case.shown(mark)


# -- before anything else ----------------------------------------------------------------------------------------------


def _warnings(case: Case) -> Iterator[Said]:
    facts = case.facts
    if facts.verified.demo:
        yield said("演示：由演示密钥签名，不是正式证据", "DEMO: signed with a demonstration key; this is no evidence")
    if not facts.verified.intact:
        yield said(
            "档案不完好：本报告对任何事项均不作结论，请先查明校验报告所列的破坏",
            "THE ARCHIVE IS NOT INTACT: this report claims nothing; look into the findings of the verifier first",
        )
        return
    if facts.verified.vouched_by is None:
        yield _nobody_vouches(facts)
    yield from _about_rules(case)
    yield from _about_session(facts)


def _nobody_vouches(facts: Facts) -> Said:
    if facts.verified.trust_given:
        return said(
            "所给信任文件不担保签名密钥：内容前后一致，但是谁的设备录制的没有证明",
            "the trust file does not vouch for the keys: consistent, but whose device it was is not shown",
        )
    return said(
        "没有给出信任文件：内容前后一致，但是谁的设备录制的没有证明（--trust）",
        "no trust file was given: consistent, but whose device it was is not shown (--trust)",
    )


def _about_rules(case: Case) -> Iterator[Said]:
    rules, profile = _rules(case), case.profile
    yield from _about_procedure(case)
    if not profile.items:
        named = "没有选定辖区清单" if profile.name == NEUTRAL else "本规则没有清单"
        yield said(f"{named}：没有官方事项可以核对，只列环节与要求", "no list was named: there are no official items")
    if rules.followed is None:
        yield said("本场次没有选定辖区规则", "the session names no rule book")
    elif not rules.same and rules.followed in (rules.name, ""):
        yield said(
            "本场次所依的是另一份规则或另一版本（哈希不同），以下按手头的规则核对",
            "the session followed other rules, or another version of these (another hash); "
            "this report goes by the one to hand",
        )
    elif not rules.same:
        yield said(
            f"本场次所依规则是“{rules.followed}”，以下按“{rules.name}”核对",
            f'the session followed "{rules.followed}"; this report goes by "{rules.name}"',
        )
    matter = case.facts.told.matter
    if matter is not None and case.matter_is_ours and case.named is None and profile.items:
        yield said(f"首部所写事项“{matter}”不在清单中", "the matter that the header names is not in the list")


def _about_procedure(case: Case) -> Iterator[Said]:
    if case.facts.told.procedure is None:
        yield said("本场次没有选定程序", "the session names no procedure")
    if case.template is not None and case.template.obligation is Obligation.IF_NECESSARY:
        yield said("本规则以书面记录为主，音像为辅助记录", "the written record leads; sound and picture assist it")
    if case.procedure is not None and case.template is None:
        yield said("本规则没有这一程序", "this rule book has no such procedure")


def _about_session(facts: Facts) -> Iterator[Said]:
    verified = facts.verified
    if facts.told.ended is None:
        yield said("场次未见结束：以下只到日志现有之处", "the session has not ended: told as far as the journal goes")
    for entry in sorted({seq for hash_, seq in facts.destroyed.items() if hash_ in facts.files}):
        yield said(f"录像内容已由第 {entry} 号条目销毁", f"media destroyed by entry {entry}")
    if verified.not_here:
        yield said(
            f"{verified.not_here} 片录像不在此处（在存储库中或已销毁），未在此核验",
            f"{verified.not_here} fragments are not here (in a store, or destroyed) and were not verified",
        )
    if not verified.synchronised:
        yield said("设备时钟大部分时间没有跟随时间基准", "the clock followed no reference most of the time")
    if facts.not_told:
        yield said(f"另有 {facts.not_told} 处记载过多未列", f"{facts.not_told} more entries are not listed")
    for seq, words in facts.told.wrong:
        yield said(f"第 {seq} 号条目不合格式规定", f"entry {seq}: {words}")


def _not_claimed(case: Case) -> Iterator[Fact]:
    """What the rules' own examination says a fixed recorder may not claim, but for items of other matters."""
    ours = {item.source for item, _ in case.rows()}
    others = {item.source for item in case.profile.items} - ours
    for remark in lint(case.profile):
        if remark.level is Level.CANNOT_CLAIM and remark.source not in others:
            yield Fact(said=said(f"{remark.source}：{remark.zh}", remark.en))
    analogous = sorted(
        {one.ground.cited for one in requirements_of(case) if one.ground and one.ground.binding is Binding.ANALOGY}
    )
    for cited in analogous:
        yield Fact(
            said=said(
                f"{cited}以执法记录仪为对象，固定设备参照适用，不是直接适用",
                "worded for body-worn recorders: followed by analogy, not directly binding",
            )
        )
