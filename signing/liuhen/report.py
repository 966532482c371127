"""What a verification answers, as a value, as text for a judge and as JSON (FORMAT.md 10). Pure."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass

from liuhen.findings import Code, Finding, Severity, Verdict, printable
from liuhen.report_proceedings import proceedings_json, proceedings_lines
from liuhen.report_room import Room, device_lines, room_json, session_json, session_lines, summary
from liuhen.report_store import store_json, store_lines, witness_json, witness_lines
from liuhen.report_visits import visits_json, visits_lines
from liuhen.report_words import Language as Language  # noqa: PLC0414 -- part of this module for its users
from liuhen.report_words import Words, iso, moment_of
from liuhen.store_statements import WitnessClaim
from liuhen.verify_session import SessionSummary
from liuhen.verify_store import StoreSummary

FORMAT = "liuhen-verify 1"
MOST_LINES_PER_CODE = 10
MS_PER_DAY = 24 * 3600 * 1000
OLD_TRUST_DAYS = 365
MOST_KEYS_TOLD = 10
_FINGERPRINT_GROUP = 8


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
class GivenTrust:
    """The trust file that was given: what it says of itself, and what tells it from another of the same name.

    `age_days` is negative where it claims to come from the future; `sha256` is None where only its content was given.
    """

    organisation: str
    issued_ms: int
    age_days: int
    sha256: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceKey:
    """A key that signs for the device, by fingerprint, and the roots that validly endorsed it (label, fingerprint)."""

    kid: bytes
    roots: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The two answers and everything they rest on.

    `unsealed_bytes` and `torn_journal_bytes` lie behind the last good seal or entry and are not believed.
    `upto_fragment` is (segment, fragment) where a file without a journal has no final seal; `segment` is the number
    that a bare file claims. `unsynchronised`: sessions whose clock followed no reference most of the time. `room` is
    None without a journal.
    """

    path: str
    demo: bool
    intact: bool
    vouched: Vouched | None
    trust: GivenTrust | None
    log_id: bytes | None
    device_keys: tuple[DeviceKey, ...]
    complete_up_to: CompleteUpTo | None
    sessions: tuple[SessionSummary, ...]
    verdicts: dict[Verdict, int]
    findings: tuple[Finding, ...]
    findings_not_kept: dict[Code, int]
    unknown_kinds: int
    unsealed_bytes: int = 0
    torn_journal_bytes: int = 0
    unsynchronised: frozenset[bytes] = frozenset()
    upto_fragment: tuple[int, int] | None = None
    segment: int | None = None
    room: Room | None = None
    stores: tuple[StoreSummary, ...] = ()
    cosigned: tuple[WitnessClaim, ...] = ()
    asked_witnesses: bool = False


def label_of(label: str, kid: bytes) -> str:
    """The name of a root; one without a name goes by the beginning of its fingerprint."""
    return label if label.strip() else kid.hex()[:16]


def age_days(issued_ms: int, now_ms: int) -> int:
    """Whole days; a trust file from the future is 0 days old."""
    return max(0, now_ms - issued_ms) // MS_PER_DAY


# --- JSON ------------------------------------------------------------------------------------------------------------


def to_json(report: Report) -> dict[str, object]:
    """The object of `liuhen-verify --json`."""
    vouched = report.vouched
    upto = report.complete_up_to
    return {
        "format": FORMAT,
        "demo": report.demo,
        "intact": report.intact,
        "vouched": None if vouched is None else {"by": printable(vouched.by), "trust_age_days": vouched.trust_age_days},
        "complete_up_to": None
        if upto is None
        else {"entry": upto.entry, "time": iso(upto.utc_ms), "basis": upto.basis.value},
        "sessions": [_session_json(session, report) for session in report.sessions],
        "verdicts": {verdict.value: report.verdicts.get(verdict, 0) for verdict in Verdict},
        "findings": [_finding_json(finding) for finding in report.findings],
        "findings_not_kept": {code.value: count for code, count in report.findings_not_kept.items()},
        "unknown_kinds": report.unknown_kinds,
        "trust": None if report.trust is None else _trust_json(report.trust),
        "log_id": None if report.log_id is None else report.log_id.hex(),
        "device_keys": [_key_json(key) for key in report.device_keys],
        "segment": report.segment,
        "upto_fragment": None if report.upto_fragment is None else list(report.upto_fragment),
        "unsealed_bytes": report.unsealed_bytes,
        "torn_journal_bytes": report.torn_journal_bytes,
        **room_json(report.room or Room()),
        "witnessed": [witness_json(claim) for claim in report.cosigned] if report.asked_witnesses else None,
        "stores": [store_json(store) for store in report.stores],
        "limits": [{"code": code, "what_zh": zh, "what_en": en} for code, zh, en in limits(report)],
    }


def _trust_json(given: GivenTrust) -> dict[str, object]:
    return {
        "organisation": printable(given.organisation),
        "issued": iso(given.issued_ms),
        "age_days": given.age_days,
        "from_the_future": given.age_days < 0,
        "old": given.age_days > OLD_TRUST_DAYS,
        "sha256": None if given.sha256 is None else given.sha256.hex(),
    }


def _key_json(key: DeviceKey) -> dict[str, object]:
    roots = [{"label": printable(label), "fingerprint": kid.hex()} for label, kid in key.roots]
    return {"fingerprint": key.kid.hex(), "endorsed_by": roots}


def _session_json(session: SessionSummary, report: Report) -> dict[str, object]:
    return {
        "id": session.id.hex(),
        "ordinal": session.ordinal,
        "segments": session.segments,
        "frames": session.frames,
        "samples": session.samples,
        "started": iso(session.started_utc_ms),
        "ended": iso(session.ended_utc_ms),
        "clock_synchronised": session.id not in report.unsynchronised,
        **session_json(session, report.room or Room()),
        "proceedings": proceedings_json(session.id, report.room or Room()),
        "visits": visits_json(session.id, report.room or Room()),
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


# --- text ------------------------------------------------------------------------------------------------------------


def to_text(report: Report, language: Language, *, integrity_only: bool) -> str:
    """The report in plain words, the two answers first."""
    words = Words(language)
    lines = [*_answers(report, words, integrity_only), ""]
    for session in report.sessions:
        lines += [*_session_lines(session, report, words), ""]
    lines += device_lines(report.room or Room(), words)
    lines += store_lines(report.stores, words)
    lines += [*_fragment_lines(report, words), *_finding_lines(report, words), "", *_limits(report, words)]
    return "".join(f"{printable(line)}\n" for line in lines)


def _answers(report: Report, words: Words, integrity_only: bool) -> list[str]:
    lines = []
    if report.demo:
        lines += [
            words.say(
                "演示 · 本档案由演示密钥签名，不是正式证据",
                "DEMO · signed with a demonstration key; this is no evidence",
            ),
            "",
        ]
    head = _headline(report, words, integrity_only)
    lines += [words.say(f"留痕校验报告：{head}", f"Liuhen verification: {head}"), f"  {report.path}", ""]
    lines += [_intact_line(report, words), _vouched_line(report, words)]
    lines.append(_complete_line(report, words))
    if report.asked_witnesses:
        lines += witness_lines(report.cosigned, words)
    if report.room is not None:
        lines += summary(report.room, report.sessions, words)
    lines += ["", *_identity_lines(report, words)]
    lines.append(words.say("  （时间均为北京时间，由设备自称。）", "  (Times are UTC as the device claims it.)"))
    return lines


def _headline(report: Report, words: Words, integrity_only: bool) -> str:
    """The verdict in a few words, never wider than what was verified."""
    if not report.intact or not (report.vouched is not None or integrity_only):
        return words.say("校验未通过", "NOT VERIFIED")
    reach = _reach(report, words)
    limits = [reach] if reach else []
    if report.vouched is None and report.trust is None:
        limits.insert(0, words.say("未查由谁担保", "who vouches was not asked"))
    elif report.vouched is None:
        limits.insert(0, words.say("所给信任文件不予担保", "the trust file that was given does not vouch"))
    elsewhere = report.verdicts.get(Verdict.IN_STORE, 0)
    if elsewhere:
        limits.append(
            words.say(
                f"另有 {elsewhere} 片在存储中，未在此核验", f"{elsewhere} fragments are in the store, not verified here"
            )
        )
    if any(finding.code is Code.RECORDED_WHILE_FORBIDDEN for finding in report.findings):
        limits.append(words.say("含禁止录制期间的内容", "holds media recorded while that was forbidden"))
    verdict = words.say("内容完好", "INTACT") if report.vouched is None else words.say("校验通过", "VERIFIED")
    if not limits:
        return verdict
    return verdict + words.say(f"（{'；'.join(limits)}）", f" ({'; '.join(limits)})")


def _reach(report: Report, words: Words) -> str:
    """How far the verdict reaches where something lies behind it, or may have; empty where it covers everything."""
    if report.upto_fragment is not None:
        number, fragment = report.upto_fragment
        if report.segment is not None:
            return words.say(f"仅至第 {fragment} 片", f"only up to fragment {fragment}")
        return words.say(f"仅至第 {number} 号段第 {fragment} 片", f"only up to fragment {fragment} of segment {number}")
    if report.unsealed_bytes:
        return words.say("截至最后一个封签", "up to the last seal")
    if report.torn_journal_bytes:
        return words.say("截至最后一个完整条目", "up to the last whole entry")
    if report.complete_up_to is not None and any(f.code is Code.RUN_OPEN_END for f in report.findings):
        return words.say(f"截至第 {report.complete_up_to.entry} 号条目", f"up to entry {report.complete_up_to.entry}")
    return ""


def _intact_line(report: Report, words: Words) -> str:
    title = words.say("  一、内容是否完好：", "  1. Intact: ")
    if not report.intact:
        return title + words.say("否。见下列“破坏”各项。", "no. See the findings marked BROKEN.")
    behind = report.unsealed_bytes + report.torn_journal_bytes
    if behind:
        last = ("最后一个封签", "the last seal")
        if not report.unsealed_bytes:
            last = ("最后一个完整条目", "the last whole entry")
        return title + words.say(
            f"截至{last[0]}，是；其后 {behind} 字节不予采信。",
            f"up to {last[1]}; {behind} bytes after it are not believed.",
        )
    if _reach(report, words):
        return title + words.say(f"{_reach(report, words)}，是。", f"yes, {_reach(report, words)}.")
    return title + words.say(
        "是。签名、次序与所读的每个字节都相符。", "yes. Signatures, order and every byte that was read agree."
    )


def _vouched_line(report: Report, words: Words) -> str:
    title = words.say("  二、由谁担保：", "  2. Vouched for: ")
    if report.trust is None:
        return title + words.say("没有。未提供信任文件。", "by nobody. No trust file was given.")
    age = _age(report.trust, words)
    if report.vouched is not None:
        by = report.vouched.by
        return title + words.say(f"{by}，{age}。", f"by {by}; {age}.")
    authentic = report.verdicts.get(Verdict.AUTHENTIC, 0)
    if authentic:
        return title + words.say(
            f"不是全部。{authentic} 片有担保，其余见标“无人担保”的发现（{age}）。",
            f"not all of it. {authentic} fragments are, for the rest see the findings marked NOT VOUCHED ({age}).",
        )
    return title + words.say(f"没有。所给信任文件不足以担保（{age}）。", f"by nobody the trust file names ({age}).")


def _age(given: GivenTrust, words: Words) -> str:
    if moment_of(given.issued_ms, datetime.UTC) is None:
        return words.say("信任文件的签发时间不可信", "the trust file's date of issue cannot be right")
    if given.age_days < 0:
        return words.say(
            f"信任文件的签发时间（{words.time(given.issued_ms)}）晚于本机时间，二者必有一误",
            f"the trust file is dated {words.time(given.issued_ms)}, later than this computer's clock: one is wrong",
        )
    if given.age_days > OLD_TRUST_DAYS:
        return words.say(
            f"信任文件已有 {given.age_days} 天，此后撤销的密钥不在其中；请向签发单位索取新的",
            f"the trust file is {given.age_days} days old and knows no key revoked since; ask for a newer one",
        )
    return words.say(f"信任文件已有 {given.age_days} 天", f"the trust file is {given.age_days} days old")


def _identity_lines(report: Report, words: Words) -> list[str]:
    """Fingerprints: names can be chosen by anybody, these cannot."""
    lines = []
    if report.trust is not None and report.trust.sha256 is not None:
        lines.append(words.say("      信任文件 SHA-256：", "     trust file SHA-256: ") + _grouped(report.trust.sha256))
    for label, kid in dict.fromkeys(root for key in report.device_keys for root in key.roots):
        name = label_of(label, kid)
        lines.append(words.say(f"      根 {name} 指纹：", f"     root {name}, fingerprint: ") + _grouped(kid))
    if report.log_id is not None:
        lines.append(words.say("      日志编号：", "     log id: ") + _grouped(report.log_id))
    for key in report.device_keys[:MOST_KEYS_TOLD]:
        lines.append(words.say("      设备密钥指纹：", "     device key fingerprint: ") + _grouped(key.kid))
    more = len(report.device_keys) - MOST_KEYS_TOLD
    if more > 0:
        lines.append(words.say(f"      另有 {more} 个设备密钥", f"     {more} more device keys"))
    return lines


def _grouped(octets: bytes) -> str:
    """Hexadecimal in groups a person can read aloud, as the key commands print it."""
    digits = octets.hex()
    return " ".join(digits[at : at + _FINGERPRINT_GROUP] for at in range(0, len(digits), _FINGERPRINT_GROUP))


def _complete_line(report: Report, words: Words) -> str:
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


def _session_lines(session: SessionSummary, report: Report, words: Words) -> list[str]:
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
    if report.segment is not None:
        lines.insert(1, words.say(f"  此文件为第 {report.segment} 号段", f"  this file is segment {report.segment}"))
    if session.id in report.unsynchronised:
        lines.append(words.say("  设备时间未同步", "  device clock not synchronised"))
    room = report.room or Room()
    return [
        *lines,
        *session_lines(session, room, words),
        *proceedings_lines(session.id, room, words),
        *visits_lines(session.id, room, words),
    ]


_VERDICT_WORDS = {
    Verdict.AUTHENTIC: ("真实", "authentic"),
    Verdict.AUTHENTIC_PREFIX: ("真实（文件未收尾）", "authentic prefix (file has no end)"),
    Verdict.ALTERED: ("被改动", "altered"),
    Verdict.MISSING_EXPLAINED: ("缺失（有说明）", "missing and explained"),
    Verdict.MISSING_UNEXPLAINED: ("缺失（无说明）", "missing and unexplained"),
    Verdict.IN_STORE: ("在存储中（未在此核验）", "in the store (not verified here)"),
    Verdict.UNENDORSED: ("未获背书", "unendorsed"),
    Verdict.UNSIGNED: ("未签名", "unsigned"),
}
_SEVERITY_WORDS = {
    Severity.BROKEN: ("破坏", "BROKEN"),
    Severity.UNVOUCHED: ("无人担保", "NOT VOUCHED"),
    Severity.WARNING: ("注意", "warning"),
    Severity.NOTE: ("说明", "note"),
}


def _fragment_lines(report: Report, words: Words) -> list[str]:
    counted = [f"{words.say(*_VERDICT_WORDS[v])} {n}" for v in Verdict if (n := report.verdicts.get(v, 0))]
    nothing = words.say("没有核验任何片", "none verified")
    return [words.say("各片结论：", "Fragments: ") + (words.say("；", "; ").join(counted) or nothing)]


def _finding_lines(report: Report, words: Words) -> list[str]:
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


def _finding_line(finding: Finding, words: Words) -> str:
    severity = words.say(*_SEVERITY_WORDS[finding.severity])
    where = _where(finding, words)
    what = words.say(finding.what_zh, finding.what_en)
    return f"  [{severity}] {where}{what}  ({finding.step} {finding.code.value})"


def _where(finding: Finding, words: Words) -> str:
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


def _limits(report: Report, words: Words) -> list[str]:
    rows = limits(report)
    return [
        words.say(
            "界限：" + "；".join(zh for _, zh, _ in rows) + "。", "Limits: " + "; ".join(en for _, _, en in rows) + "."
        )
    ]


def limits(report: Report) -> list[tuple[str, str, str]]:
    """What no signature in this archive can show, as (code, Chinese, English); FORMAT.md 11."""
    upto = report.complete_up_to
    tail = ("tail", "没有日志，此前此后的段、中止和结束均无从得知")
    tail_en = "without the journal nothing is known of other segments, gaps or the session's end"
    if upto is not None and upto.basis is Basis.JOURNAL:
        tail = ("tail", f"第 {upto.entry} 号条目之后若被整齐截去，仅凭本档案看不出来")
        tail_en = f"a clean cut after entry {upto.entry} cannot be seen in this archive alone"
    return [
        ("scene", "签名不能证明镜头前的事是否属实", "no signature shows that what stood before the lens was true"),
        ("device-time", "设备时间是设备自称", "the device's time is its own claim"),
        (
            "device-key",
            "持有设备密钥者可另签一部历史，仅凭本档案看不出来",
            "whoever holds the device's key can sign another history, which cannot be seen in this archive alone",
        ),
        (*tail, tail_en),
    ]
