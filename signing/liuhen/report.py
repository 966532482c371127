"""What a verification answers, as a value, as text for a judge and as JSON (FORMAT.md 10). Pure."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass

from liuhen.findings import Code, Finding, Severity, Verdict, printable
from liuhen.registry import GapCause, Stream
from liuhen.verify_gaps import GapSummary
from liuhen.verify_session import SessionSummary

FORMAT = "liuhen-verify 1"
MOST_LINES_PER_CODE = 10
_MS_PER_DAY = 24 * 3600 * 1000
_BEIJING = datetime.timezone(datetime.timedelta(hours=8))


class Language(enum.StrEnum):
    """The language of the text."""

    ZH = "zh"
    EN = "en"


class Basis(enum.StrEnum):
    """What the answer "complete up to" rests on."""

    JOURNAL = "journal"
    SEALS = "seals"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteUpTo:
    """The last entry below which nothing is missing, and its claimed time; after it nothing is known."""

    entry: int
    utc_ms: int
    basis: Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """Which roots stand behind every key in use, and how old the trust file is that names them."""

    organisation: str
    roots: tuple[str, ...]
    trust_age_days: int

    @property
    def by(self) -> str:
        """Organisation and roots in one line."""
        return f"{self.organisation} ({', '.join(self.roots)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The two answers and everything they rest on."""

    path: str
    demo: bool
    intact: bool
    vouched: Vouched | None
    trust_age_days: int | None
    complete_up_to: CompleteUpTo | None
    sessions: tuple[SessionSummary, ...]
    verdicts: dict[Verdict, int]
    findings: tuple[Finding, ...]
    findings_not_kept: dict[Code, int]
    unknown_kinds: int


def age_days(issued_ms: int, now_ms: int) -> int:
    """Whole days; a trust file from the future is 0 days old."""
    return max(0, now_ms - issued_ms) // _MS_PER_DAY


# --- JSON ------------------------------------------------------------------------------------------------------------


def to_json(report: Report) -> dict[str, object]:
    """The object of `liuhen-verify --json`."""
    vouched = report.vouched
    upto = report.complete_up_to
    return {
        "format": FORMAT,
        "demo": report.demo,
        "intact": report.intact,
        "vouched": None if vouched is None else {"by": vouched.by, "trust_age_days": vouched.trust_age_days},
        "complete_up_to": None
        if upto is None
        else {"entry": upto.entry, "time": _iso(upto.utc_ms), "basis": upto.basis.value},
        "sessions": [_session_json(session) for session in report.sessions],
        "verdicts": {verdict.value: report.verdicts.get(verdict, 0) for verdict in Verdict},
        "findings": [_finding_json(finding) for finding in report.findings],
        "findings_not_kept": {code.value: count for code, count in report.findings_not_kept.items()},
        "unknown_kinds": report.unknown_kinds,
    }


def _session_json(session: SessionSummary) -> dict[str, object]:
    return {
        "id": session.id.hex(),
        "ordinal": session.ordinal,
        "segments": session.segments,
        "frames": session.frames,
        "samples": session.samples,
        "started": _iso(session.started_utc_ms),
        "ended": _iso(session.ended_utc_ms),
        "gaps": [_gap_json(gap) for gap in session.gaps],
    }


def _gap_json(gap: GapSummary) -> dict[str, object]:
    return {
        "from": _iso(gap.from_utc_ms),
        "to": _iso(gap.to_utc_ms),
        "stream": None if gap.stream is None else Stream(gap.stream).name.lower(),
        "cause": _cause_name(gap.cause),
        "explained": gap.explained,
        "entry": gap.entry,
        "length_ns": None if gap.length_ns is None else list(gap.length_ns),
    }


def _finding_json(finding: Finding) -> dict[str, object]:
    place = finding.place
    return {
        "code": finding.code.value,
        "severity": finding.severity.value,
        "step": finding.step,
        "session": None if place.session is None else place.session.hex(),
        "segment": place.segment,
        "fragment": place.fragment,
        "entry": place.entry,
        "offset": place.offset,
        "what_zh": finding.what_zh,
        "what_en": finding.what_en,
    }


def _moment(utc_ms: int, zone: datetime.tzinfo) -> datetime.datetime | None:
    try:
        return datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC).astimezone(zone) + datetime.timedelta(
            milliseconds=utc_ms
        )
    except OverflowError:
        return None


def _iso(utc_ms: int | None) -> str | None:
    moment = None if utc_ms is None else _moment(utc_ms, datetime.UTC)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _cause(code: int | None) -> GapCause | None:
    try:
        return None if code is None else GapCause(code)
    except ValueError:
        return None


def _cause_name(code: int | None) -> str:
    cause = _cause(code)
    if cause is not None:
        return cause.name.lower().replace("_", "-")
    return "unknown" if code is None else f"code-{code}"


# --- text ------------------------------------------------------------------------------------------------------------


def to_text(report: Report, language: Language, *, integrity_only: bool) -> str:
    """The report in plain words, the two answers first."""
    words = _Words(language)
    lines = [*_answers(report, words, integrity_only), ""]
    for session in report.sessions:
        lines += [*_session_lines(session, words), ""]
    lines += [*_fragment_lines(report, words), *_finding_lines(report, words), "", *_limits(report, words)]
    return "".join(f"{printable(line)}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class _Words:
    """Chooses between the two languages."""

    language: Language

    def say(self, zh: str, en: str) -> str:
        return zh if self.language is Language.ZH else en

    def time(self, utc_ms: int | None) -> str:
        zone = _BEIJING if self.language is Language.ZH else datetime.UTC
        moment = None if utc_ms is None else _moment(utc_ms, zone)
        if moment is None:
            return self.say("时间不明", "unknown time")
        return moment.strftime("%Y-%m-%d %H:%M:%S")


def _answers(report: Report, words: _Words, integrity_only: bool) -> list[str]:
    lines = []
    if report.demo:
        lines += [
            words.say(
                "演示 · 本档案由演示密钥签名，不是正式证据",
                "DEMO · signed with a demonstration key; this is no evidence",
            ),
            "",
        ]
    passed = report.intact and (report.vouched is not None or integrity_only)
    head = words.say("校验通过", "VERIFIED") if passed else words.say("校验未通过", "NOT VERIFIED")
    if passed and report.vouched is None:
        head = words.say("内容完好（未查由谁担保）", "INTACT (who vouches was not asked)")
    lines += [words.say(f"留痕校验报告：{head}", f"Liuhen verification: {head}"), f"  {report.path}", ""]
    lines.append(
        words.say("  一、内容是否完好：", "  1. Intact: ")
        + (
            words.say("是。签名、次序与每个字节都相符。", "yes. Signatures, order and every byte agree.")
            if report.intact
            else words.say("否。见下列“破坏”各项。", "no. See the findings marked BROKEN.")
        )
    )
    lines += [_vouched_line(report, words), _complete_line(report, words)]
    lines.append(words.say("  （时间均为北京时间，由设备自称。）", "  (Times are UTC as the device claims it.)"))
    return lines


def _vouched_line(report: Report, words: _Words) -> str:
    title = words.say("  二、由谁担保：", "  2. Vouched for: ")
    age = report.trust_age_days
    if report.vouched is not None:
        v = report.vouched
        return title + words.say(f"{v.by}，信任文件已有 {age} 天。", f"by {v.by}; the trust file is {age} days old.")
    if age is None:
        return title + words.say("没有。未提供信任文件。", "by nobody. No trust file was given.")
    return title + words.say(
        f"没有。所给信任文件（{age} 天前）不足以担保。", f"by nobody the trust file ({age} days old) names."
    )


def _complete_line(report: Report, words: _Words) -> str:
    upto = report.complete_up_to
    if upto is None:
        return words.say("  三、完整截至：无法确定。", "  3. Complete up to: cannot be told.")
    time = words.time(upto.utc_ms)
    if upto.basis is Basis.SEALS:
        return words.say(
            f"  三、仅有封签，无日志：最后封签于 {time}，当时日志至第 {upto.entry} 号条目；此后情况不明。",
            f"  3. Seals only, no journal: last sealed {time}, journal then at entry {upto.entry}; "
            "nothing is known after.",
        )
    return words.say(
        f"  三、完整截至：第 {upto.entry} 号条目，{time}；此后情况不明。",
        f"  3. Complete up to: entry {upto.entry}, {time}; nothing is known after.",
    )


def _session_lines(session: SessionSummary, words: _Words) -> list[str]:
    number = "" if session.ordinal is None else f" {session.ordinal}"
    ended = session.ended_utc_ms if session.ended else session.last_media_utc_ms
    end = words.time(ended) + ("" if session.ended else words.say("（未见结束）", " (no end recorded)"))
    lines = [
        words.say(f"场次{number}（{session.id.hex()}）", f"Session{number} ({session.id.hex()})"),
        words.say(
            f"  {session.segments} 段，{session.frames} 帧，{session.samples} 个声音采样",
            f"  {session.segments} segments, {session.frames} frames, {session.samples} sound samples",
        ),
        words.say(f"  自 {words.time(session.started_utc_ms)}", f"  from {words.time(session.started_utc_ms)}"),
        words.say(f"  至 {end}", f"  to   {end}"),
    ]
    return lines + [_gap_line(gap, words) for gap in session.gaps]


def _gap_line(gap: GapSummary, words: _Words) -> str:
    cause = _cause(gap.cause)
    known = words.say(cause.words_zh, cause.words_en) if cause is not None else _cause_name(gap.cause)
    stream = {None: ("画面和声音", "picture and sound"), 0: ("画面", "picture"), 1: ("声音", "sound")}[gap.stream]
    explained = words.say("已说明", "explained") if gap.explained else words.say("待说明", "not yet explained")
    until = words.time(gap.to_utc_ms) if gap.closed else words.say("未恢复", "not resumed")
    length = _length(gap, words)
    since = words.time(gap.from_utc_ms)
    return words.say(
        f"  中止：{stream[0]}，{since} 至 {until}，原因：{known}，{explained}{length}",
        f"  gap: {stream[1]}, {since} to {until}, cause: {known}, {explained}{length}",
    )


def _length(gap: GapSummary, words: _Words) -> str:
    if gap.length_ns is None:
        return ""
    low, high = (f"{ns / 1e9:.1f}" for ns in gap.length_ns)
    if low == high:
        return words.say(f"，时长 {low} 秒", f", {low} s")
    return words.say(f"，时长在 {low} 至 {high} 秒之间", f", between {low} and {high} s")


_VERDICT_WORDS = {
    Verdict.AUTHENTIC: ("真实", "authentic"),
    Verdict.AUTHENTIC_PREFIX: ("真实（文件未收尾）", "authentic prefix (file has no end)"),
    Verdict.ALTERED: ("被改动", "altered"),
    Verdict.MISSING_EXPLAINED: ("缺失（有说明）", "missing and explained"),
    Verdict.MISSING_UNEXPLAINED: ("缺失（无说明）", "missing and unexplained"),
    Verdict.UNENDORSED: ("未获背书", "unendorsed"),
    Verdict.UNSIGNED: ("未签名", "unsigned"),
}
_SEVERITY_WORDS = {
    Severity.BROKEN: ("破坏", "BROKEN"),
    Severity.UNVOUCHED: ("无人担保", "NOT VOUCHED"),
    Severity.WARNING: ("注意", "warning"),
    Severity.NOTE: ("说明", "note"),
}


def _fragment_lines(report: Report, words: _Words) -> list[str]:
    counted = [f"{words.say(*_VERDICT_WORDS[v])} {n}" for v in Verdict if (n := report.verdicts.get(v, 0))]
    nothing = words.say("没有核验任何片", "none verified")
    return [words.say("各片结论：", "Fragments: ") + (words.say("；", "; ").join(counted) or nothing)]


def _finding_lines(report: Report, words: _Words) -> list[str]:
    lines = []
    for severity in Severity:
        for code in Code:
            group = [f for f in report.findings if f.code is code and f.severity is severity]
            lines += [_finding_line(finding, words) for finding in group[:MOST_LINES_PER_CODE]]
            more = len(group) - MOST_LINES_PER_CODE + report.findings_not_kept.get(code, 0)
            if more > 0:
                lines.append(
                    words.say(f"      另有 {more} 项同类（{code.value}）", f"      {more} more of {code.value}")
                )
    if not lines:
        return [words.say("没有发现问题。", "Nothing was found.")]
    return ["", words.say("发现：", "Findings:"), *lines]


def _finding_line(finding: Finding, words: _Words) -> str:
    severity = words.say(*_SEVERITY_WORDS[finding.severity])
    where = _where(finding, words)
    what = words.say(finding.what_zh, finding.what_en)
    return f"  [{severity}] {where}{what}  ({finding.step} {finding.code.value})"


def _where(finding: Finding, words: _Words) -> str:
    place = finding.place
    parts = []
    if place.session is not None and place.segment is not None:
        parts.append(words.say(f"场次 {place.session.hex()[:8]}", f"session {place.session.hex()[:8]}"))
    if place.segment is not None:
        parts.append(words.say(f"段 {place.segment:06d}", f"segment {place.segment:06d}"))
    if place.fragment is not None:
        parts.append(words.say(f"第 {place.fragment} 片", f"fragment {place.fragment}"))
    if place.entry is not None and place.segment is None:
        parts.append(words.say(f"第 {place.entry} 号条目", f"entry {place.entry}"))
    return "" if not parts else words.say(" ".join(parts) + "：", ", ".join(parts) + ": ")


def _limits(report: Report, words: _Words) -> list[str]:
    upto = report.complete_up_to
    if upto is None or upto.basis is Basis.SEALS:
        unseen_zh = "没有日志，此前此后的段、中止和结束均无从得知。"
        unseen_en = "without the journal nothing is known of other segments, gaps or the session's end."
    else:
        unseen_zh = f"第 {upto.entry} 号条目之后若被整齐截去，仅凭本档案看不出来。"
        unseen_en = f"a clean cut after entry {upto.entry} cannot be seen in this archive alone."
    return [
        words.say(
            f"界限：签名不能证明镜头前的事是否属实；设备时间是设备自称；{unseen_zh}",
            "Limits: no signature shows that what stood before the lens was true; the device's time is its own claim; "
            + unseen_en,
        )
    ]
