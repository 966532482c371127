"""A draft of the written statement on what was not recorded, filled with what the journal says.

Of an interruption (Jiaozuo Art. 11), of a start that was refused, and of a scheduled hearing that has no recording.

Reads a spool and writes nothing. What the machine cannot know is left as a line to write on; the person who signs
states the facts, the draft only spares copying them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from edge.journal import JournalError, entries_of
from edge.journal_times import BootClocks, local_time
from edge.record_text import record_text
from edge.refusals import SpoolError
from liuhen.entry import Entry
from liuhen.kinds import Amend, Commitments, Duty, Event, Gap, GapEnd, Inhibition, Instant, Refusal, Session
from liuhen.registry import (
    DESTRUCTION_REFUSALS,
    EVENTS,
    DutyAct,
    DutyCode,
    EventCode,
    GapCause,
    InhibitionCode,
    RecordLabel,
    RefusalCode,
)

BLANK = "＿＿＿＿＿＿＿＿"
_STREAMS = {None: "画面和声音", 0: "画面", 1: "声音"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the journal says of one gap. Times are UTC in milliseconds; None is what it does not say."""

    gap: int
    room: str
    ordinal: int | None
    stream: int | None
    cause: GapCause
    began_ms: int
    ended_ms: int | None
    longest_ns: int | None
    resumed: bool
    evidence: tuple[tuple[int, str], ...]
    report: tuple[str, ...]


def draft_of(root: Path, number: int, *, room: str, zone: tzinfo) -> str:
    """The draft about the journal entry with this number; times in `zone`. Raises SpoolError where none is due."""
    try:
        entries = [entry for path in sorted((root / "journal").glob("*.cbor")) for entry in entries_of(path)]
    except JournalError as error:
        raise SpoolError(
            str(error), remedy_zh="请用 liuhen-verify 查看详情", remedy_en="run liuhen-verify for details"
        ) from error
    named = next((one for one in entries if one.common.seq == number), None)
    about = None if named is None else _start_lines(named, root, zone)
    if about is None:
        return draft(facts_of(entries, number, room=room, root=root), zone)
    place = (f"听证室：{room}", f"日志条目：第 {number} 条")
    return "\n".join((*_head("未录制情况书面说明"), *place, *about, *_foot(_report(entries, number, root))))


def _start_lines(entry: Entry, root: Path, zone: tzinfo) -> tuple[str, ...] | None:
    """What the entry says of a recording that never began; None where it is about something else."""
    told = f"记入日志的时间：{local_time(entry.common.clock[0], zone)}"
    match entry.body:
        case Refusal(code=code) if code not in DESTRUCTION_REFUSALS:
            return ("事由：启动录制被拒绝", f"拒绝原因：{RefusalCode(code).words_zh}", told)
        case Event(code=EventCode.SCHEDULED_NOT_RECORDED, measured=(_, due_seconds, _), records=named):
            title = next((record_text(root, commitment) for _, commitment in named), None)
            due = f"日程所定时间：{local_time(due_seconds * 1000, zone)}"
            return ("事由：日程中的听证没有录制", f"日程标题：{title or BLANK}", due, told)
        case _:
            return None


def facts_of(entries: list[Entry], gap: int, *, room: str, root: Path) -> Facts:
    """What these entries say of a gap. Raises SpoolError where it is none."""
    named = next((one for one in entries if one.common.seq == gap), None)
    if named is None or not isinstance(named.body, Gap):
        raise SpoolError(
            f"日志第 {gap} 条不是中止，也不是未能开始的录制 / journal entry {gap} is no interruption or refused start",
            remedy_zh="所欠说明的条目号见 `liuhen ctl status` 或 liuhen-verify 的报告",
            remedy_en="`liuhen ctl status` and the report of liuhen-verify give its number",
        )
    body = named.body
    session = [one for one in entries if one.common.session_id == named.common.session_id]
    end = next((one for one in session if isinstance(one.body, GapEnd) and one.body.gap_seq == gap), None)
    ended = end.body if end is not None and isinstance(end.body, GapEnd) else None
    amended = [one.body.cause for one in entries if isinstance(one.body, Amend) and one.body.refers_to == gap]
    causes = [cause for cause in amended if cause is not None]
    began_ms = _utc_ms(entries, named, body.since)
    return Facts(
        gap=gap,
        room=room,
        ordinal=next((one.body.ordinal for one in session if isinstance(one.body, Session)), None),
        stream=body.stream,
        cause=GapCause(causes[-1] if causes else body.cause),
        began_ms=began_ms,
        ended_ms=_utc_ms(entries, end, ended.until) if end is not None and ended is not None else None,
        longest_ns=ended.length_ns[1] if ended is not None else None,
        resumed=bool(ended is not None and ended.resumed),
        evidence=tuple(_evidence(entries, body.evidence)),
        report=_report(entries, gap, root),
    )


def _utc_ms(entries: list[Entry], told_by: Entry, at: Instant) -> int:
    """The wall clock at a moment, by the readings up to the entry that tells it; else that entry's own time."""
    clocks = BootClocks()
    for one in entries:
        if one.common.seq <= told_by.common.seq:
            clocks.read(one)
    utc_ms = clocks.utc_ms(at)
    return told_by.common.clock[0] if utc_ms is None else utc_ms


def _evidence(entries: list[Entry], numbers: tuple[int, ...]) -> Iterator[tuple[int, str]]:
    for one in entries:
        if one.common.seq in numbers:
            meaning = next(
                (EVENTS[code] for code in EVENTS if isinstance(one.body, Event) and code == one.body.code), None
            )
            number = f"（日志第 {one.common.seq} 条）"
            if isinstance(one.body, Inhibition) and one.body.code in set(InhibitionCode):
                yield one.common.clock[0], f"{InhibitionCode(one.body.code).words_zh}{number}"
            else:
                yield one.common.clock[0], meaning.words_zh if meaning is not None else f"日志条目 {one.kind}{number}"


def _report(entries: list[Entry], gap: int, root: Path) -> tuple[str, ...]:
    """The report to the department head, as its record tells it; nothing where none was given or it is not here."""
    for one in entries:
        body = one.body
        if not isinstance(body, Duty) or body.code != DutyCode.REPORT or body.act != DutyAct.DISCHARGED:
            continue
        opened = next((duty for duty in entries if duty.common.seq == body.refers_to), None)
        about = opened.body.refers_to if opened is not None and isinstance(opened.body, Duty) else body.refers_to
        if about == gap:
            return _text(root, body.records)
    return ()


def _text(root: Path, named: Commitments) -> tuple[str, ...]:
    for label, commitment in named:
        if label == RecordLabel.REASON:
            return tuple((record_text(root, commitment) or "").splitlines())
    return ()


def draft(facts: Facts, zone: tzinfo) -> str:
    """The draft as text."""
    return "\n".join(_lines(facts, zone))


def _lines(facts: Facts, zone: tzinfo) -> Iterator[str]:
    ended = local_time(facts.ended_ms, zone) if facts.ended_ms is not None else "尚未结束"
    outcome = "已恢复录制" if facts.resumed else "未能恢复录制" if facts.ended_ms is not None else "尚未恢复录制"
    yield from _head("中止情况书面说明")
    yield f"听证室：{facts.room}"
    yield f"场次：{facts.ordinal if facts.ordinal is not None else BLANK}    日志条目：第 {facts.gap} 条"
    yield f"中止内容：{_STREAMS[facts.stream]}"
    yield f"中止起止：{local_time(facts.began_ms, zone)} 至 {ended}（{outcome}）"
    yield f"中止时长：{_length(facts.longest_ns)}"
    yield f"中止原因：{facts.cause.words_zh}"
    yield "设备记录的依据："
    yield from [f"  {local_time(at_ms, zone)} {words}" for at_ms, words in facts.evidence] or ["  （无）"]
    yield from _foot(facts.report)


def _head(title: str) -> tuple[str, ...]:
    return (title, "（草稿：由录音录像设备按日志填写，请核对后签字）", "")


def _foot(report: tuple[str, ...]) -> Iterator[str]:
    yield "向部门负责人报告的情况："
    yield from [f"  {line}" for line in report] or [f"  报告对象：{BLANK}  报告时间：{BLANK}"]
    yield from ("", "情况说明：", *(BLANK * 4 for _ in range(3)), "")
    yield f"记录人（签字）：{BLANK}    日期：{BLANK}"
    yield f"部门负责人（签字）：{BLANK}    日期：{BLANK}"


def _length(length_ns: int | None) -> str:
    if length_ns is None:
        return "尚未结束"
    minutes, seconds = divmod(-(-length_ns // 10**9), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} 小时 {minutes} 分 {seconds} 秒以内"
