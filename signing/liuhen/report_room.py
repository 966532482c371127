"""What the report says of interruptions, of what forbade recording and of what is owed (FORMAT.md 5.4, 5.7). Pure.

Whoever reads it asks first: is every interruption explained, is anything still owed. `summary` answers in two lines.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from liuhen.kinds import NO_UPPER_BOUND_NS, Commitments
from liuhen.registry import (
    CheckItem,
    CheckOutcome,
    DutyCode,
    InhibitionCode,
    MaintenanceCode,
    MarkCode,
    RecordLabel,
    RefusalCode,
    Stream,
)
from liuhen.report_words import Words, cause_name, cause_of, iso
from liuhen.verify_codes import known
from liuhen.verify_duties import DutySummary, RefusalSummary, UpkeepSummary
from liuhen.verify_gaps import GapSummary
from liuhen.verify_inhibitions import InhibitionSummary
from liuhen.verify_marks import MarkSummary
from liuhen.verify_proceedings import ProceedingsSummary
from liuhen.verify_session import SessionSummary
from liuhen.verify_totals import Bounds, Totals
from liuhen.visits import Day

MOST_LINES = 50
NS_PER_SECOND = 10**9


class Presented(enum.StrEnum):
    """Whether the content that an entry commits to lies in the archive; who said what is in it, never in the chain."""

    YES = "presented"
    NO = "not-presented"
    ALTERED = "altered"
    DESTROYED = "destroyed"
    IN_STORE = "in-store"


_PRESENTED_WORDS = {
    Presented.YES: ("已提交", "presented"),
    Presented.NO: ("未提交", "not presented"),
    Presented.ALTERED: ("被改动", "altered"),
    Presented.DESTROYED: ("已依令销毁", "destroyed by order"),
    Presented.IN_STORE: ("已入库", "in the store"),
}
MAINTENANCE_WORDS = {
    MaintenanceCode.OTHER: ("其他维护", "other maintenance"),
    MaintenanceCode.INSPECTED: ("巡检", "inspected"),
    MaintenanceCode.CLEANED: ("清洁", "cleaned"),
    MaintenanceCode.PART_REPLACED: ("更换部件", "part replaced"),
    MaintenanceCode.SOFTWARE_CHANGED: ("更换软件", "software changed"),
    MaintenanceCode.CLOCK_SET: ("校时", "clock set"),
}
_OUTCOME_WORDS = {
    CheckOutcome.WELL: ("正常", "well"),
    CheckOutcome.WARNING: ("提示", "warning"),
    CheckOutcome.BLOCKING: ("不合格", "blocking"),
    CheckOutcome.NOT_FITTED: ("未装", "not fitted"),
    CheckOutcome.NOT_LOOKED_AT: ("未查", "not looked at"),
}
_STREAM_WORDS: dict[int | None, tuple[str, str]] = {
    None: ("画面和声音", "picture and no sound"),
    Stream.PICTURE: ("画面", "picture"),
    Stream.SOUND: ("声音", "sound"),
}
_LEFT_WORDS: dict[int | None, tuple[str, str]] = {
    None: ("", ""),
    Stream.PICTURE: ("仅有声音", "sound only"),
    Stream.SOUND: ("仅有画面", "picture only"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the journal says of the room beside its media. `presented` holds every record that was looked for."""

    inhibitions: tuple[InhibitionSummary, ...] = ()
    duties: tuple[DutySummary, ...] = ()
    refusals: tuple[RefusalSummary, ...] = ()
    checks: Mapping[bytes, UpkeepSummary] = field(default_factory=dict)
    upkeep: tuple[UpkeepSummary, ...] = ()
    upkeep_not_told: int = 0
    presented: Mapping[bytes, Presented] = field(default_factory=dict)
    proceedings: Mapping[bytes, ProceedingsSummary] = field(default_factory=dict)
    days: Mapping[bytes, Day] = field(default_factory=dict)
    """Of each session that says what it follows or is about."""

    @property
    def unapproved(self) -> int:
        """How often recording was withheld without an approval that names its ground."""
        return sum(one.unapproved for one in self.inhibitions)

    @property
    def owed(self) -> list[DutySummary]:
        """The duties nobody has discharged."""
        return [duty for duty in self.duties if duty.discharged_by is None]

    def duties_of(self, entry: int) -> list[DutySummary]:
        """The duties that an entry made due."""
        return [duty for duty in self.duties if duty.about_entry == entry]


# --- two lines at the top --------------------------------------------------------------------------------------------


def summary(room: Room, sessions: Iterable[SessionSummary], words: Words) -> list[str]:
    """Gaps explained? Duties open? The answer before any detail."""
    gaps = [gap for session in sessions for gap in session.gaps]
    return [_gaps_summary(room, gaps, words), _duties_summary(room, words)]


def _gaps_summary(room: Room, gaps: list[GapSummary], words: Words) -> str:
    title = words.say("  四、中止是否已说明：", "  4. Interruptions explained: ")
    open_gaps = sum(not gap.explained for gap in gaps)
    if not gaps:
        said = words.say("没有中止。", "there was none.")
    elif open_gaps:
        said = words.say(
            f"否。共 {len(gaps)} 次，待说明 {open_gaps} 次。", f"no. {open_gaps} of {len(gaps)} are not yet explained."
        )
    else:
        said = words.say(f"是。共 {len(gaps)} 次，均已说明。", f"yes, all {len(gaps)} of them.")
    if room.unapproved:
        said += words.say(f"不得记录未获批准 {room.unapproved} 次。", f" Withheld, unapproved: {room.unapproved}.")
    return title + said


def _duties_summary(room: Room, words: Words) -> str:
    title = words.say("  五、有无未办事项：", "  5. Anything still owed: ")
    owed = room.owed
    if owed:
        names = _counted(_name(DutyCode, duty.code, words) for duty in owed)
        return title + words.say(
            f"有。共 {len(room.duties)} 项，未办 {len(owed)} 项：{'、'.join(names)}。",
            f"yes, {len(owed)} of {len(room.duties)}: {', '.join(names)}.",
        )
    if room.duties:
        return title + words.say(
            f"没有。共 {len(room.duties)} 项，均已办理。", f"no, all {len(room.duties)} were discharged."
        )
    return title + words.say("没有。", "no.")


def _counted(names: Iterable[str]) -> list[str]:
    count: dict[str, int] = {}
    for name in names:
        count[name] = count.get(name, 0) + 1
    return [name if number == 1 else f"{name} ×{number}" for name, number in count.items()]


# --- one session -----------------------------------------------------------------------------------------------------


def session_lines(session: SessionSummary, room: Room, words: Words) -> list[str]:
    """How long, how checked, what was said, and every interruption."""
    lines = _totals_lines(session.totals, words)
    check = room.checks.get(session.id)
    if check is not None:
        lines.append("  " + _check_line(check, words))
    lines += _mark_lines(session, room, words)
    for number, gap in enumerate(session.gaps, start=1):
        lines += _gap_lines(number, gap, room, words)
    return lines


def _totals_lines(totals: Totals | None, words: Words) -> list[str]:
    if totals is None:
        return []
    parts = [
        words.say("录制 ", "recorded ") + _seconds((totals.recorded, totals.recorded), words),
        words.say("中止 ", "gaps ") + _seconds(totals.gaps, words),
        words.say("首尾 ", "edges ") + _seconds((totals.edges, totals.edges), words),
    ]
    whole = words.say("  时长：场次 ", "  length: session ") + _seconds(totals.session, words)
    allowed = f"{totals.allowed / NS_PER_SECOND:.2f}"
    if totals.agrees is None:
        rest = words.say("无法核对（时间不明）", "cannot be compared (times are not known)")
    elif totals.agrees:
        rest = words.say(
            f"相符（相差 {_seconds(totals.rest, words)}，允许 {allowed} 秒）",
            f"they agree (difference {_seconds(totals.rest, words)}, allowed {allowed} s)",
        )
    else:
        rest = words.say(
            f"不符（相差 {_seconds(totals.rest, words)}，允许 {allowed} 秒）",
            f"they do NOT agree (difference {_seconds(totals.rest, words)}, allowed {allowed} s)",
        )
    return [whole + " = " + " + ".join(parts) + words.say("；", "; ") + rest]


def _seconds(bounds: Bounds | None, words: Words) -> str:
    if bounds is None:
        return words.say("不明", "unknown")
    low, high = (f"{ns / NS_PER_SECOND:.1f}" for ns in bounds)
    if bounds[1] >= NO_UPPER_BOUND_NS:
        return words.say(f"至少 {low} 秒", f"at least {low} s")
    if low == high:
        return words.say(f"{low} 秒", f"{low} s")
    return words.say(f"{low} 至 {high} 秒", f"{low} to {high} s")


def _check_line(check: UpkeepSummary, words: Words) -> str:
    by_outcome: dict[int, list[str]] = {}
    for item, outcome, _ in check.rows:
        by_outcome.setdefault(outcome, []).append(_name(CheckItem, item, words))
    parts = []
    for outcome, items in sorted(by_outcome.items()):
        word = words.say(*_OUTCOME_WORDS[CheckOutcome(outcome)]) if known(CheckOutcome, outcome) else f"{outcome}"
        names = words.say("（" + "、".join(items) + "）", " (" + ", ".join(items) + ")")
        parts.append(word + words.say(f" {len(items)} 项", f" {len(items)}") + (names if outcome else ""))
    said = words.say("，", ", ").join(parts) or words.say("没有内容", "nothing")
    return words.say("录前检查：", "check before recording: ") + said + entry_words(check.entry, words)


def _mark_lines(session: SessionSummary, room: Room, words: Words) -> list[str]:
    """Explanations stand with their gaps."""
    marks = [mark for mark in session.marks.told if mark.code != MarkCode.SPOKEN_EXPLANATION]
    lines = [_mark_line(mark, room, words) for mark in marks[:MOST_LINES]]
    more = len(marks) - MOST_LINES
    if more > 0 or session.marks.not_told:
        more = max(0, more) + session.marks.not_told
        lines.append(words.say(f"  另有 {more} 处标记", f"  {more} more marks"))
    return lines


def _mark_line(mark: MarkSummary, room: Room, words: Words) -> str:
    name = words.say(MarkCode(mark.code).words_zh, MarkCode(mark.code).words_en)
    where = words.time(mark.utc_ms) + words.say("，", ", ") + _listen(mark, words)
    content = content_words(mark.records, room, words)
    return words.say(f"  标记：{name}，{where}", f"  mark: {name}, {where}") + content + entry_words(mark.entry, words)


def _listen(mark: MarkSummary, words: Words) -> str:
    """Where to put the player."""
    if mark.segment is None or mark.offset_ms is None:
        return words.say("当时没有录制内容", "nothing was recorded then")
    second = f"{mark.offset_ms / 1000:.1f}"
    return words.say(f"{mark.segment:06d}.mp4 第 {second} 秒处", f"at second {second} of {mark.segment:06d}.mp4")


def _heard(mark: MarkSummary, words: Words) -> str:
    if mark.segment is None:
        return words.say("有语音说明标记，但当时没有录制内容", "marked as spoken, but nothing was recorded then")
    return words.say("已语音说明，", "aloud, ") + _listen(mark, words)


def content_words(records: Commitments, room: Room, words: Words, *, only: RecordLabel | None = None) -> str:
    """Of each record whether it is here. Who it names is in it, and it may have been left out."""
    said = []
    for label, commitment in records:
        presented = room.presented.get(commitment)
        if presented is None or only not in (None, label):
            continue
        found = RecordLabel(label) if known(RecordLabel, label) else None
        zh, en = ("附录", "record") if found is None else (found.words_zh, found.words_en)
        state = _PRESENTED_WORDS[presented]
        said.append(words.say(f"{zh}内容{state[0]}", f"{en}: content {state[1]}"))
    return "".join(words.say("，", ", ") + one for one in said)


def entry_words(entry: int, words: Words) -> str:
    """The number of an entry, as it stands at the end of a line."""
    return words.say(f"（第 {entry} 号条目）", f" (entry {entry})")


def _gap_lines(number: int, gap: GapSummary, room: Room, words: Words) -> list[str]:
    stream = _STREAM_WORDS.get(gap.stream, ("信号", "a stream"))
    left = _LEFT_WORDS.get(gap.stream, ("", ""))
    until = words.time(gap.to_utc_ms) if gap.closed else words.say("未见结束", "no end recorded")
    since = words.time(gap.from_utc_ms)
    what = words.say(
        f"无{stream[0]}" + (f"（{left[0]}）" if left[0] else ""),
        f"no {stream[1]}" + (f" ({left[1]})" if left[1] else ""),
    )
    end = (
        ""
        if gap.resumed is None
        else words.say("，已恢复", ", resumed")
        if gap.resumed
        else words.say("，未恢复", ", not resumed")
    )
    lines = [
        words.say(
            f"  中止 {number}：{what}，{since} 至 {until}{end}{_length(gap, words)}",
            f"  gap {number}: {what}, {since} to {until}{end}{_length(gap, words)}",
        )
        + entry_words(gap.entry, words),
        words.say("      原因：", "      cause: ") + _cause_line(gap, words),
    ]
    for one in room.inhibitions:
        if one.entry in gap.forbidden_by and one.code == InhibitionCode.WITHHELD:
            lines.append(words.say("      批准：", "      approval: ") + _approval(one, room, words))
    if gap.evidence:
        seen = words.say("；", "; ").join(words.say(zh, en) + entry_words(seq, words) for seq, zh, en in gap.evidence)
        lines.append(words.say("      测得：", "      measured: ") + seen)
    return [*lines, words.say("      说明：", "      explained: ") + _explanation(gap, room, words)]


def _cause_line(gap: GapSummary, words: Words) -> str:
    now = _cause_words(gap.cause, words)
    if gap.amended_by is None:
        return now
    first = _cause_words(gap.first_cause, words)
    by = gap.amended_by
    return words.say(
        f"{now}（原记“{first}”，由第 {by} 号条目更正）", f"{now} (first said: {first}; amended by entry {by})"
    )


def _cause_words(code: int | None, words: Words) -> str:
    cause = cause_of(code)
    return words.say(cause.words_zh, cause.words_en) if cause is not None else cause_name(code)


def _explanation(gap: GapSummary, room: Room, words: Words) -> str:
    said = [
        _heard(mark, words) + content_words(mark.records, room, words) + entry_words(mark.entry, words)
        for mark in gap.spoken
    ]
    if gap.written is not None and gap.written.discharged_by is not None:
        given = content_words(gap.written.given, room, words)
        said.append(words.say("已书面说明", "in writing") + given + entry_words(gap.written.discharged_by, words))
    return words.say("；", "; ").join(said) or words.say("待说明", "not yet explained")


def _length(gap: GapSummary, words: Words) -> str:
    if gap.length_ns is None:
        return ""
    low, high = (f"{ns / NS_PER_SECOND:.1f}" for ns in gap.length_ns)
    if gap.length_ns[1] >= NO_UPPER_BOUND_NS:
        return words.say(f"，时长至少 {low} 秒，上限不明（时钟不可信）", f", at least {low} s, no upper bound is known")
    if low == high:
        return words.say(f"，时长 {low} 秒", f", {low} s")
    return words.say(f"，时长在 {low} 至 {high} 秒之间", f", between {low} and {high} s")


# --- the device ------------------------------------------------------------------------------------------------------


def device_lines(room: Room, words: Words) -> list[str]:
    """What forbade recording, what is owed, what was refused, how the device was kept."""
    blocks = (
        (
            words.say("禁止录制：", "Recording forbidden:"),
            [_inhibition_line(one, room, words) for one in room.inhibitions],
        ),
        (
            words.say("应办事项：", "Duties:"),
            [
                _duty_line(duty, room, words)
                for duty in sorted(room.duties, key=lambda duty: duty.discharged_by is not None)
            ],
        ),
        (words.say("拒绝开始录制：", "Starts refused:"), [_refusal_line(one, room, words) for one in room.refusals]),
        (words.say("检查与维护：", "Checks and maintenance:"), _upkeep_lines(room, words)),
    )
    lines = []
    for title, block in blocks:
        if block:
            more = len(block) - MOST_LINES
            rest = [words.say(f"  另有 {more} 项", f"  {more} more")] if more > 0 else []
            lines += [title, *block[:MOST_LINES], *rest, ""]
    return lines


def _inhibition_line(one: InhibitionSummary, room: Room, words: Words) -> str:
    name = _name(InhibitionCode, one.code, words)
    until = words.say("仍在生效", "still in force") if one.until is None else words.time(one.to_utc_ms)
    line = words.say(
        f"  {name}：{words.time(one.from_utc_ms)} 至 {until}", f"  {name}: {words.time(one.from_utc_ms)} to {until}"
    )
    line += entry_words(one.entry, words)
    if one.code != InhibitionCode.WITHHELD:
        return line
    return line + words.say("，", ", ") + _approval(one, room, words)


def _approval(one: InhibitionSummary, room: Room, words: Words) -> str:
    if one.approved_by is None:
        return words.say("不得记录未获批准", "withheld, UNAPPROVED")
    when = words.time(one.approved_utc_ms)
    content = content_words(one.approval_records, room, words) + entry_words(one.approved_by, words)
    return words.say(f"{when} 获批准", f"approved {when}") + content


def _duty_line(duty: DutySummary, room: Room, words: Words) -> str:
    name = _name(DutyCode, duty.code, words)
    about = {
        "gap": ("中止", "an interruption"),
        "refusal": ("拒绝开始录制", "a refused start"),
        "session-end": ("场次结束时仍未恢复", "a session that ended without its media"),
        "event": ("按日程应当录制而未录制", "a scheduled hearing that was not recorded"),
    }.get(duty.about, ("其他", "another entry"))
    why = words.say(f"{name}：因{about[0]}", f"{name}: for {about[1]}") + entry_words(duty.about_entry, words)
    since = words.say(f"，{words.time(duty.opened_utc_ms)} 起", f", since {words.time(duty.opened_utc_ms)}")
    if duty.discharged_by is None:
        return words.say("  [未办] ", "  [OWED] ") + why + since
    when = words.time(duty.discharged_utc_ms)
    given = words.say(f"，{when} 已办", f", given {when}") + content_words(duty.given, room, words)
    return words.say("  [已办] ", "  [given] ") + why + since + given + entry_words(duty.discharged_by, words)


def _refusal_line(one: RefusalSummary, room: Room, words: Words) -> str:
    duties = room.duties_of(one.entry)
    name = _name(RefusalCode, one.code, words)
    line = words.say(f"  {words.time(one.utc_ms)}，原因：{name}", f"  {words.time(one.utc_ms)}, because: {name}")
    if not duties:
        owed = words.say("；日志未见报告义务", "; no duty to report stands in the journal")
    elif any(duty.discharged_by is None for duty in duties):
        owed = words.say("；尚未报告", "; not yet reported")
    else:
        owed = words.say("；已报告", "; reported")
    return line + entry_words(one.entry, words) + owed


def _upkeep_lines(room: Room, words: Words) -> list[str]:
    """The newest of each sort; all are in the JSON."""
    newest: dict[tuple[str, int], UpkeepSummary] = {}
    for one in room.upkeep:
        newest[one.kind, one.code] = one
    lines = []
    for (kind, code), one in sorted(newest.items()):
        count = sum((other.kind, other.code) == (kind, code) for other in room.upkeep)
        name = words.say("每日自检", "daily check")
        if kind == "maintenance":
            name = (
                words.say(*MAINTENANCE_WORDS.get(MaintenanceCode(code), ("维护", "maintenance")))
                if known(MaintenanceCode, code)
                else f"{code}"
            )
        times = words.say(f"{count} 次，最近 {words.time(one.utc_ms)}", f"{count}, last {words.time(one.utc_ms)}")
        lines.append(f"  {name}" + words.say("：", ": ") + times + content_words(one.records, room, words))
    return lines


def _name(registry: type[enum.IntEnum], code: int, words: Words) -> str:
    """The words of a code that has some."""
    if not known(registry, code):
        return words.say(f"代码 {code}", f"code {code}")
    member = registry(code)
    return words.say(getattr(member, "words_zh", member.name), getattr(member, "words_en", member.name.lower()))


# --- JSON ------------------------------------------------------------------------------------------------------------


def json_name(registry: type[enum.IntEnum], code: int) -> str:
    """A code by its name, or by its number where this version does not know it."""
    return registry(code).name.lower().replace("_", "-") if known(registry, code) else f"code-{code}"


def records_json(records: Commitments, room: Room) -> list[dict[str, object]]:
    """Of each record its label, and whether its content is here."""
    return [
        {
            "label": json_name(RecordLabel, label),
            "commitment": commitment.hex(),
            "content": room.presented[commitment].value if commitment in room.presented else None,
        }
        for label, commitment in records
    ]


def session_json(session: SessionSummary, room: Room) -> dict[str, object]:
    """The members of a session that speak of interruptions, marks and checks."""
    check = room.checks.get(session.id)
    return {
        "gaps": [_gap_json(gap, room) for gap in session.gaps],
        "marks": [_mark_json(mark, room) for mark in session.marks.told],
        "marks_not_told": session.marks.not_told,
        "check": None if check is None else _upkeep_json(check, room),
        "totals": None if session.totals is None else _totals_json(session.totals),
    }


def _totals_json(totals: Totals) -> dict[str, object]:
    return {
        "session_ns": _bounds_json(totals.session),
        "recorded_ns": totals.recorded,
        "gaps_ns": _bounds_json(totals.gaps),
        "edges_ns": totals.edges,
        "rest_ns": _bounds_json(totals.rest),
        "allowed_ns": totals.allowed,
        "agrees": totals.agrees,
    }


def _bounds_json(bounds: Bounds | None) -> list[int] | None:
    return None if bounds is None else list(bounds)


def _gap_json(gap: GapSummary, room: Room) -> dict[str, object]:
    return {
        "from": iso(gap.from_utc_ms),
        "to": iso(gap.to_utc_ms),
        "stream": None if gap.stream is None else json_name(Stream, gap.stream),
        "cause": cause_name(gap.cause),
        "first_cause": cause_name(gap.cause if gap.amended_by is None else gap.first_cause),
        "amended_by": gap.amended_by,
        "explained": gap.explained,
        "spoken": [_mark_json(mark, room) for mark in gap.spoken],
        "written": None if gap.written is None else gap.written.entry,
        "resumed": gap.resumed,
        "measured": list(gap.measured),
        "evidence": [{"entry": seq, "what_zh": zh, "what_en": en} for seq, zh, en in gap.evidence],
        "entry": gap.entry,
        "length_ns": _bounds_json(gap.length_ns),
    }


def _mark_json(mark: MarkSummary, room: Room) -> dict[str, object]:
    return {
        "entry": mark.entry,
        "code": json_name(MarkCode, mark.code),
        "time": iso(mark.utc_ms),
        "segment": mark.segment,
        "offset_ms": mark.offset_ms,
        "sample_index": mark.sample_index,
        "refers_to": mark.refers_to,
        "records": records_json(mark.records, room),
    }


def _upkeep_json(one: UpkeepSummary, room: Room) -> dict[str, object]:
    return {
        "entry": one.entry,
        "kind": one.kind,
        "code": one.code,
        "time": iso(one.utc_ms),
        "rows": [
            {"item": json_name(CheckItem, item), "outcome": json_name(CheckOutcome, outcome), "measured": measured}
            for item, outcome, measured in one.rows
        ],
        "records": records_json(one.records, room),
    }


def room_json(room: Room) -> dict[str, object]:
    """The members of the report that speak of the device."""
    return {
        "inhibitions": [_inhibition_json(one, room) for one in room.inhibitions],
        "duties": [_duty_json(duty, room) for duty in room.duties],
        "refused_starts": [
            {
                "entry": one.entry,
                "code": json_name(RefusalCode, one.code),
                "time": iso(one.utc_ms),
                "duties": [duty.entry for duty in room.duties_of(one.entry)],
            }
            for one in room.refusals
        ],
        "upkeep": [_upkeep_json(one, room) for one in room.upkeep],
        "upkeep_not_told": room.upkeep_not_told,
    }


def _inhibition_json(one: InhibitionSummary, room: Room) -> dict[str, object]:
    return {
        "entry": one.entry,
        "code": json_name(InhibitionCode, one.code),
        "session": None if one.session is None else one.session.hex(),
        "from": iso(one.from_utc_ms),
        "to": iso(one.to_utc_ms),
        "cleared_by": one.cleared_by,
        "approved": not one.unapproved if one.code == InhibitionCode.WITHHELD else None,
        "approved_by": one.approved_by,
        "approved_at": iso(one.approved_utc_ms),
        "records": records_json(one.records, room),
        "approval_records": records_json(one.approval_records, room),
    }


def _duty_json(duty: DutySummary, room: Room) -> dict[str, object]:
    return {
        "entry": duty.entry,
        "code": json_name(DutyCode, duty.code),
        "about": duty.about or None,
        "about_entry": duty.about_entry,
        "session": None if duty.session is None else duty.session.hex(),
        "opened": iso(duty.opened_utc_ms),
        "discharged": iso(duty.discharged_utc_ms),
        "discharged_by": duty.discharged_by,
        "records": records_json(duty.records, room),
        "given": records_json(duty.given, room),
    }
