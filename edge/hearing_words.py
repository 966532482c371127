"""Sessions as their journal tells them, in lines for a person at the terminal, Chinese first. Pure.

What a record holds is shown with a mark for every character a terminal would act upon, and cut where it is long: a
name may be anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import tzinfo

from edge.journal_times import local_time
from liuhen.findings import printable
from liuhen.proceedings import Marked, NoticeFault, StepTold, Told
from liuhen.registry import ExStatus, MarkCode, ProcedureCode, RecordLabel, SecrecyClass
from liuhen.verify_codes import known

SHOWN_LETTERS = 60
MARKS_SHOWN = 200
Content = Callable[[bytes], str | None]
"""The text of a record by its commitment; None where it is not here or is no text."""

_LISTS = frozenset({RecordLabel.PARTIES, RecordLabel.RELATED_PERSONS, RecordLabel.OFFICIALS, RecordLabel.CERTIFICATES})
_FAULTS = {
    NoticeFault.MISSING: "到场后尚未告知 not told yet",
    NoticeFault.LATE: "告知过迟 told late",
    NoticeFault.EMPTY_ROOM: "告知时无人到场 told to an empty room",
    NoticeFault.NOT_BEFORE_FIRST_STEP: "第一个环节之前没有告知 not told before the first step",
}


def shown(text: str) -> str:
    """One line of any text: nothing in it acts on a terminal, and it ends."""
    text = text if len(text) <= SHOWN_LETTERS else text[:SHOWN_LETTERS] + "…"
    return printable(text)


def field_text(label: int, text: str) -> str:
    """What a header's record holds: a list by its items."""
    if label in _LISTS:
        try:
            items = json.loads(text)
        except (ValueError, RecursionError):
            return shown(text)
        if isinstance(items, list):
            return "、".join(shown(str(item)) for item in items)
    return shown(text)


def list_line(told: Told, content: Content, zone: tzinfo) -> str:
    """One session in one line."""
    number = "?" if told.ordinal is None else str(told.ordinal)
    state = "进行中 open" if told.ended_utc_ms is None else f"至 {_time(told.ended_utc_ms, zone)}"
    named = told.fields().get(RecordLabel.CASE)
    case = content(named) if named is not None else None
    parts = [f"场次 session {number}", (told.id or b"").hex()[:8], _time(told.opened_utc_ms, zone), state]
    if told.procedure is not None:
        steps = told.steps()
        done = sum(bool(step.marks) for step in steps)
        parts.append(f"{_procedure(told)} 环节 steps {done}/{len(steps)}")
    if named is not None:
        parts.append(f"案号 {shown(case) if case is not None else '未提交 not presented'}")
    return "  ".join(parts)


def show_lines(told: Told, content: Content, zone: tzinfo) -> Iterator[str]:
    """Everything that one session tells of itself."""
    yield list_line(told, content, zone)
    if told.procedure is not None:
        name, digest = told.procedure.profile
        yield f"  程序 procedure：{_procedure(told)}（辖区规则 profile {shown(name)} {digest.hex()[:16]}）"
    yield from _header(told, content)
    for step in told.steps():
        yield f"  {_step(step, zone)}"
    for mark in told.marks[:MARKS_SHOWN]:
        if mark.code != MarkCode.STEP:
            yield f"  {_mark(mark, told, content, zone)}"
    yield from _shown_and_attached(told, content, zone)
    for fault, entry, _ in told.notice_faults():
        yield f"  ▲ {_FAULTS[fault]}（{entry}）"
    if told.procedure is not None and told.procedure.plate and not told.place_shown:
        yield "  ▲ 场所标志尚未入画或口述 the sign of the place was not shown yet"


def _shown_and_attached(told: Told, content: Content, zone: tzinfo) -> Iterator[str]:
    for plate in told.plates[:MARKS_SHOWN]:
        where = f"{plate.body.segment:06d}.mp4 第 {plate.body.frame_index} 帧"
        yield f"  {_time(plate.utc_ms, zone)} 场所标志 sign of the place：{where}（{plate.entry}）"
    for paper in told.papers[:MARKS_SHOWN]:
        texts = [content(named) for label, named in paper.records if label == RecordLabel.PAPER]
        said = "、".join("未提交 not presented" if text is None else shown(text) for text in texts) or "附件 a copy"
        yield f"  {_time(paper.utc_ms, zone)} 随附文书 paper：{said}（{paper.entry}，关于 about {paper.refers_to}）"


def _header(told: Told, content: Content) -> Iterator[str]:
    if not told.headers:
        return
    newest = told.headers[-1].body
    if told.matter is not None:
        yield f"  事项 matter：{shown(told.matter)}"
    for label, commitment in told.fields().items():
        text = content(commitment)
        words = RecordLabel(label).words_zh if known(RecordLabel, label) else str(label)
        yield f"  {words}：{'未提交 not presented' if text is None else field_text(label, text)}"
    if newest.secrecy and known(SecrecyClass, newest.secrecy):
        yield f"  密级 secrecy：{SecrecyClass(newest.secrecy).words_zh}"
    if newest.ex_status and known(ExStatus, newest.ex_status):
        yield f"  防爆情况 Ex status：{ExStatus(newest.ex_status).words_zh}"
    if len(told.headers) > 1:
        yield f"  首部共 {len(told.headers)} 次，前面的都保留 headers so far, all of them kept"


def _step(step: StepTold, zone: tzinfo) -> str:
    sign = "■" if step.marks else "□" if step.required else "·"
    said = "；".join(_when(mark, zone) for mark in step.marks)
    return f"{sign} {step.number} {shown(step.title)}{'  ' + said if said else ''}"


def _when(mark: Marked, zone: tzinfo) -> str:
    meant = _time(mark.utc_ms, zone)
    return f"补标 {meant}，写于 written {_time(mark.written_utc_ms, zone)}" if mark.late else meant


def _mark(mark: Marked, told: Told, content: Content, zone: tzinfo) -> str:
    name = MarkCode(mark.code).words_zh if known(MarkCode, mark.code) else f"代码 {mark.code}"
    points = told.procedure.points if told.procedure is not None else ()
    if mark.code == MarkCode.KEY_MOMENT and mark.step is not None and 0 < mark.step <= len(points):
        name = f"{name} {shown(points[mark.step - 1])}"
    texts = [text for label, named in mark.records if label != RecordLabel.PERSONS and (text := content(named))]
    said = f"：{'；'.join(shown(text) for text in texts)}" if texts else ""
    return f"{_when(mark, zone)} {name}{said}（{mark.entry}）"


def _procedure(told: Told) -> str:
    code = told.procedure.code if told.procedure is not None else ProcedureCode.OTHER
    return ProcedureCode(code).words_zh if known(ProcedureCode, code) else f"程序 {code}"


def _time(utc_ms: int | None, zone: tzinfo) -> str:
    return "时间不明" if utc_ms is None else local_time(utc_ms, zone)
