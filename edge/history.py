"""What an inspection asks for of the last months: checks, maintenance, faults, gaps, refused starts, duties.

Pure over journal entries (Jiaozuo Art. 16, 20(2)). Times are the device's UTC as each entry claims it, told in the
configured zone. A gap is told once, with its end and with what a person amended, however long after it that was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from edge.journal_times import BootClocks, local_time
from liuhen.entry import Entry
from liuhen.kinds import Amend, Check, Commitments, Duty, Event, Gap, GapEnd, Maintenance, Refusal
from liuhen.registry import (
    EVENTS,
    CheckCode,
    CheckItem,
    CheckOutcome,
    DutyAct,
    DutyCode,
    GapCause,
    MaintenanceCode,
    RecordLabel,
    RefusalCode,
    Severity,
    Stream,
)
from liuhen.report_room import MAINTENANCE_WORDS

MS_PER_DAY = 86_400_000
NOT_ENDED = "未结束 not ended"
_CHECKS = {
    CheckCode.BEFORE_RECORDING: ("录前检查", "check before recording"),
    CheckCode.DAILY: ("每日自检", "daily check"),
    CheckCode.STORE: ("存储自检", "check of the store"),
}
_TOLD = {
    CheckOutcome.BLOCKING: ("不能录制", "BLOCKING"),
    CheckOutcome.WARNING: ("注意", "warning"),
    CheckOutcome.NOT_LOOKED_AT: ("未查", "not looked at"),
}
_STREAMS: dict[int | None, str] = {
    None: "画面和声音 picture and sound",
    Stream.PICTURE: "画面 picture",
    Stream.SOUND: "声音 sound",
}
RecordText = Callable[[bytes], str | None]
"""The text of a record by its commitment; None where it is not here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """One gap. Times are UTC in ms: None where nothing says when; `amended_by` is the entry that gave `cause`."""

    began_utc_ms: int | None
    ended_utc_ms: int | None
    ended: bool
    resumed: bool
    cause: str
    first_cause: str
    amended_by: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry: its number, its UTC in ms and the same in the configured zone, what sort it is, and its words."""

    seq: int
    utc_ms: int
    at: str
    kind: str
    words: str
    gap: Interruption | None = None


def history(entries: Iterable[Entry], *, since_ms: int, zone: tzinfo, text: RecordText) -> list[Line]:
    """The entries since then that belong to it, in the order of the journal.

    An older gap or duty is told too where it has not ended, or was ended or amended since then.
    """
    told = _History(since_ms=since_ms, zone=zone, text=text)
    for one in entries:
        told.accept(one)
    return list(told.lines())


@dataclass(slots=True, kw_only=True)
class _Gap:
    """A gap while the entries after it are read; `changed_ms` is when the last of them was written."""

    entry: Entry
    body: Gap
    began_utc_ms: int | None
    changed_ms: int
    end: GapEnd | None = None
    ended_utc_ms: int | None = None
    amended: tuple[Entry, Amend] | None = None


@dataclass(slots=True, kw_only=True)
class _Duty:
    """A duty while the entries after it are read."""

    entry: Entry
    body: Duty
    discharged_by: int | None = None


@dataclass(slots=True, kw_only=True)
class _History:
    """What was read so far that may be told."""

    since_ms: int
    zone: tzinfo
    text: RecordText
    _clocks: BootClocks = field(default_factory=BootClocks)
    _lines: list[Line] = field(default_factory=list)
    _gaps: dict[int, _Gap] = field(default_factory=dict)
    _duties: dict[int, _Duty] = field(default_factory=dict)

    def accept(self, entry: Entry) -> None:
        """The next entry of the journal."""
        self._clocks.read(entry)
        match entry.body:
            case Gap() as body:
                self._gaps[entry.common.seq] = _Gap(
                    entry=entry,
                    body=body,
                    began_utc_ms=self._clocks.utc_ms(body.since),
                    changed_ms=entry.common.clock[0],
                )
            case GapEnd() as end if end.gap_seq in self._gaps:
                gap = self._gaps[end.gap_seq]
                gap.end, gap.ended_utc_ms = end, self._clocks.utc_ms(end.until)
                gap.changed_ms = entry.common.clock[0]
            case Amend() as amend if amend.cause is not None and amend.refers_to in self._gaps:
                gap = self._gaps[amend.refers_to]
                gap.amended, gap.changed_ms = (entry, amend), entry.common.clock[0]
            case Duty(act=DutyAct.OPENED) as duty:
                self._duties[entry.common.seq] = _Duty(entry=entry, body=duty)
            case Duty() as duty:
                if duty.refers_to in self._duties:
                    self._duties[duty.refers_to].discharged_by = entry.common.seq
                self._tell(entry, self._discharged(duty))
            case _:
                self._tell(entry, self._words(entry))

    def lines(self) -> Iterator[Line]:
        """Everything that is told, in the order of the journal."""
        gaps = [
            self._gap_line(gap) for gap in self._gaps.values() if gap.end is None or gap.changed_ms >= self.since_ms
        ]
        duties = [
            self._line(duty.entry, _owed(duty))
            for duty in self._duties.values()
            if duty.discharged_by is None or duty.entry.common.clock[0] >= self.since_ms
        ]
        yield from sorted((*self._lines, *gaps, *duties), key=lambda line: line.seq)

    def _tell(self, entry: Entry, words: str | None) -> None:
        if words is not None and entry.common.clock[0] >= self.since_ms:
            self._lines.append(self._line(entry, words))

    def _line(self, entry: Entry, words: str, gap: Interruption | None = None) -> Line:
        utc_ms = entry.common.clock[0]
        at = datetime.fromtimestamp(utc_ms / 1000, UTC).astimezone(self.zone).isoformat(timespec="seconds")
        return Line(seq=entry.common.seq, utc_ms=utc_ms, at=at, kind=entry.kind, words=words, gap=gap)

    def _words(self, entry: Entry) -> str | None:
        match entry.body:
            case Check(code=code, rows=rows):
                zh, en = next((_CHECKS[one] for one in _CHECKS if one == code), ("检查", "check"))
                return f"{zh} {en}：{found_words(rows)}"
            case Maintenance() as body:
                return self._maintenance(body)
            case Refusal(code=code):
                return "拒绝 refused：" + next(
                    (f"{one.words_zh} {one.words_en}" for one in RefusalCode if one == code), f"代码 code {code}"
                )
            case Event() as body:
                return _fault(body)
            case _:
                return None

    def _maintenance(self, body: Maintenance) -> str:
        known = next((one for one in MaintenanceCode if one == body.code), None)
        zh, en = MAINTENANCE_WORDS[known] if known is not None else (f"代码 {body.code}", f"code {body.code}")
        return f"维护 maintenance：{zh} {en}" + self._said(body.records)

    def _said(self, named: Commitments) -> str:
        """What the records of an entry say, and of whom."""
        parts = []
        for label, commitment in named:
            if label == RecordLabel.ATTACHMENT:
                parts.append("附件 attachment")
                continue
            said = self.text(commitment)
            words = "（内容不在此处 content not here）" if said is None else _one_line(said)
            parts.append(f"人员 person {words}" if label == RecordLabel.PERSONS else words)
        return "".join(f"；{part}" for part in parts)

    def _discharged(self, duty: Duty) -> str:
        return f"义务已履行 duty discharged：{_duty_name(duty.code)}（第 {duty.refers_to} 条）" + self._said(
            duty.records
        )

    def _gap_line(self, gap: _Gap) -> Line:
        first = _cause(gap.body.cause)
        cause, amended_by, amended = first, None, ""
        if gap.amended is not None:
            entry, body = gap.amended
            cause, amended_by = _cause(body.cause), entry.common.seq
            amended = f"（原记 first said {first}；第 {amended_by} 条更正 amended by entry {amended_by}"
            amended += f"{self._said(body.records)}）"
        told = Interruption(
            began_utc_ms=gap.began_utc_ms,
            ended_utc_ms=gap.ended_utc_ms,
            ended=gap.end is not None,
            resumed=gap.end is not None and bool(gap.end.resumed),
            cause=cause,
            first_cause=first,
            amended_by=amended_by,
        )
        stream = _STREAMS.get(gap.body.stream, f"信号 stream {gap.body.stream}")
        words = f"中止 gap：{cause}{amended}；{stream}；{self._time(told.began_utc_ms)} 至 to {self._until(told)}"
        return self._line(gap.entry, words, told)

    def _until(self, gap: Interruption) -> str:
        if not gap.ended:
            return NOT_ENDED
        return self._time(gap.ended_utc_ms) + ("" if gap.resumed else "（未恢复 not resumed）")

    def _time(self, utc_ms: int | None) -> str:
        return "时间不明 time not known" if utc_ms is None else local_time(utc_ms, self.zone)


def _owed(duty: _Duty) -> str:
    by = duty.discharged_by
    state = "尚未履行 STILL OWED" if by is None else f"第 {by} 条已履行 discharged by entry {by}"
    return f"义务产生 duty opened：{_duty_name(duty.body.code)}（关于第 {duty.body.refers_to} 条）；{state}"


def _duty_name(code: int) -> str:
    return next((f"{one.words_zh} {one.words_en}" for one in DutyCode if one == code), f"代码 code {code}")


def _cause(code: int | None) -> str:
    return next((f"{one.words_zh} {one.words_en}" for one in GapCause if one == code), f"代码 code {code}")


def _one_line(text: str) -> str:
    lines = "；".join(line for line in text.splitlines() if line.strip())
    return "".join(one if one.isprintable() else "\ufffd" for one in lines)


def _fault(body: Event) -> str | None:
    meaning = next((EVENTS[one] for one in EVENTS if one == body.code), None)
    if meaning is None or meaning.severity is not Severity.FAULT:
        return None
    return f"故障 fault：{meaning.words_zh} {meaning.words_en}"


def found_words(rows: Sequence[tuple[int, int, int]]) -> str:
    """Each item that was not simply well, and "well" only where something was looked at and found so."""
    names = {int(item): f"{item.words_zh} {item.words_en}" for item in CheckItem}
    words = {int(outcome): f"（{zh} {en}）" for outcome, (zh, en) in _TOLD.items()}
    passed = (CheckOutcome.WELL, CheckOutcome.NOT_FITTED)
    told = [
        names.get(item, str(item)) + words.get(outcome, f"（代码 code {outcome}）")
        for item, outcome, _ in rows
        if outcome not in passed
    ]
    if told:
        return "、".join(told)
    well = any(outcome == CheckOutcome.WELL for _, outcome, _ in rows)
    return "正常 well" if well else "没有查看任何一项 nothing was looked at"
