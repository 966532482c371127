"""What may be asked of the recorder over its control socket, by whom, and in which bytes.

Pure: one packet in, one frozen `Request` or a `BadRequest` with words for a person; answers are made here too. The
rights are one table. No verb touches the interlock's latch: nobody can ask for what only the key on the spot can do.
"""

from __future__ import annotations

import enum
import json
import re
import unicodedata
from collections.abc import Container, Mapping
from dataclasses import dataclass, fields
from typing import Any

from liuhen.registry import LONG_TERM_TRIGGERS, GapCause, RetentionBasis
from liuhen.visits import NUMBER

PACKET_LIMIT_BYTES = 4096
VERSION = 1
TEXT_LIMIT = 500
NAME_LIMIT = 40
CODE_LIMIT = 65_535
"""What an entry holds as a code (FORMAT.md 5)."""


class Verb(enum.StrEnum):
    """Everything that can be asked."""

    STATUS = "status"
    START = "start"
    STOP = "stop"
    MARK = "mark"
    EXPLAIN = "explain"
    WITHHOLD = "withhold"
    APPROVE = "approve"
    RESUME = "resume"
    CONSENT = "consent"
    CANNOT_RESUME = "cannot-resume"
    STATEMENT = "statement"
    MAINTENANCE = "maintenance"
    ORDER_RECLAIM = "order-reclaim"
    STORE_CHECK = "store-check"
    VISIT_BEGIN = "visit-begin"
    VISIT_END = "visit-end"
    NEW_SESSION = "new-session"
    HEADER = "header"
    ATTACH = "attach"
    HOLD = "hold"
    SETTLE_WITNESS = "settle-witness"
    CASE = "case"
    SCHEDULE = "schedule"


class MarkKind(enum.StrEnum):
    """What a mark says; "" is the key moment of a button, or with a number a step."""

    PLAIN = ""
    STEP = "step"
    POINT = "point"
    ARRIVAL = "arrival"
    NOTICE = "notice"
    RECESS = "recess"
    RESUMED = "resumed"
    PLATE = "plate"
    PLACE = "place"


class Role(enum.IntEnum):
    """Who asks or tells, as the system knows him by his user id; the number stands in REFUSED_REQUEST events."""

    NOBODY = 0
    OPERATOR = 1
    CONSOLE = 2
    OFFLOAD = 3
    SENSORS = 4


RIGHTS: dict[Role, frozenset[Verb]] = {
    Role.NOBODY: frozenset(),
    Role.OPERATOR: frozenset(Verb),
    Role.CONSOLE: frozenset(Verb) - {Verb.MAINTENANCE, Verb.ORDER_RECLAIM, Verb.STORE_CHECK, Verb.SETTLE_WITNESS},
    Role.OFFLOAD: frozenset({Verb.STATUS}),
    Role.SENSORS: frozenset(),
}
"""The sensors ask nothing; they tell, in packets of their own (`edge.sensors.readings`), as the offload process does
(`edge.offload.words`)."""
TELLERS = frozenset({Role.SENSORS, Role.OFFLOAD})
"""Who tells; what one of them tells, nobody else may."""
NAMED_ACTOR = frozenset(
    {Verb.STOP, Verb.WITHHOLD, Verb.APPROVE, Verb.RESUME, Verb.CONSENT, Verb.CANNOT_RESUME, Verb.STATEMENT}
    | {Verb.NEW_SESSION, Verb.HEADER, Verb.ATTACH, Verb.HOLD}
)
"""The console asks these only in the name of somebody who has signed in."""


class BadRequest(Exception):
    """A packet that is no request; one line for a person, Chinese first."""

    def __init__(self, words_zh: str, words_en: str) -> None:
        super().__init__(words_en)
        self.words_zh = words_zh
        self.words_en = words_en


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. Which fields a verb needs stands in `NEEDED`; text is NFC.

    `actor` is the person it is asked for; `gap` the journal number of a gap, or of the entry that a statement, a paper
    or a notice is about; `citation` the law that a ground rests on; `session` the id of one session in 32 hex digits;
    `number` a queue number, whose visit is an `interview` or not; `step` the number of a step or point. `at_ms` is the
    moment that a mark means where it is made afterwards, in UTC milliseconds, or `ago_ms` how long ago it was;
    `trigger` what makes a session one to be kept for good; `stage` how far a case has come, on which `day`, and the
    last day for archiving (`due`) where a special law sets it. What is attached comes beside it, as an open file.
    """

    verb: Verb
    actor: str = ""
    text: str = ""
    ground: str = ""
    citation: str = ""
    reported_to: str = ""
    reported_at: str = ""
    gap: int | None = None
    cause: GapCause | None = None
    step: int | None = None
    confirmed: bool = False
    session: str = ""
    number: str = ""
    interview: bool = False
    stage: str = ""
    day: str = ""
    due: str = ""
    kind: MarkKind = MarkKind.PLAIN
    at_ms: int | None = None
    ago_ms: int | None = None
    trigger: RetentionBasis | None = None

    @property
    def is_late(self) -> bool:
        """Whether it marks a moment afterwards."""
        return self.at_ms is not None or self.ago_ms is not None


NEEDED: dict[Verb, tuple[str, ...]] = {
    Verb.WITHHOLD: ("actor",),
    Verb.APPROVE: ("actor", "ground"),
    Verb.RESUME: ("actor",),
    Verb.CONSENT: ("actor", "text"),
    Verb.CANNOT_RESUME: ("actor", "reported_to", "reported_at"),
    Verb.STATEMENT: ("actor", "gap", "text"),
    Verb.MAINTENANCE: ("actor", "text"),
    Verb.ORDER_RECLAIM: ("actor", "text"),
    Verb.VISIT_BEGIN: ("number",),
    Verb.ATTACH: ("text",),
    Verb.HOLD: ("actor", "text", "session"),
    Verb.SETTLE_WITNESS: ("actor", "text"),
    Verb.CASE: ("actor", "session", "stage", "day"),
}

_PATTERNS = {"session": re.compile(r"[0-9a-f]{32}", re.ASCII), "number": NUMBER}
_LIMITS = {
    "actor": NAME_LIMIT,
    "text": TEXT_LIMIT,
    "ground": TEXT_LIMIT,
    "citation": TEXT_LIMIT,
    "reported_to": NAME_LIMIT,
    "reported_at": NAME_LIMIT,
    "stage": NAME_LIMIT,
    "day": NAME_LIMIT,
    "due": NAME_LIMIT,
}


def parse(packet: bytes) -> Request:
    """The request in a packet. Raises BadRequest: too long, not JSON, an unknown key, a value of the wrong kind."""
    if len(packet) > PACKET_LIMIT_BYTES:
        raise _bad(f"请求超过 {PACKET_LIMIT_BYTES} 字节", f"a request has at most {PACKET_LIMIT_BYTES} bytes")
    try:
        asked = json.loads(packet)
    except (ValueError, RecursionError) as error:
        raise _bad("请求不是 JSON", "not JSON") from error
    if not isinstance(asked, dict) or asked.pop("v", None) != VERSION:
        raise _bad(f"请求须为 JSON 对象且 v = {VERSION}", f"a request is a JSON object with v = {VERSION}")
    if "verb" not in asked:
        raise _bad("请求缺少 verb", "a request names its verb")
    known = {field.name for field in fields(Request)}
    unknown = sorted(name for name in asked if name not in known)
    if unknown:
        raise _bad(f"请求中有未知的项 {unknown[0][:40]!r}", f"unknown key {unknown[0][:40]!r}")
    request = Request(**{name: _value(name, value) for name, value in asked.items()})
    missing = [name for name in NEEDED.get(request.verb, ()) if getattr(request, name) in ("", None)]
    if missing:
        raise _bad(f"{request.verb} 需要 {missing[0]}", f"{request.verb} needs {missing[0]}")
    _check_together(request)
    return request


def _check_together(request: Request) -> None:
    """What makes sense only beside something else. Raises BadRequest."""
    if bool(request.reported_to) is not bool(request.reported_at):
        zh = "报告须同时写明部门负责人（reported_to）和时间（reported_at）"
        raise _bad(zh, "a report names both the department head (reported_to) and the time (reported_at)")
    if request.verb is not Verb.EXPLAIN:
        return
    if request.cause is not None and not request.actor:
        raise _bad("更正中止原因须写明是谁更正的（actor）", "who amends a cause gives his name (actor)")
    if request.gap is not None and request.cause is None:
        zh = "--gap 只与 --cause 同用；语音说明针对所有待说明的中止"
        raise _bad(zh, "--gap goes with --cause; what is said aloud explains every interruption that waits for it")


def packet_of(request: Request) -> bytes:
    """The bytes of a request; what is left out is not in them. Raises BadRequest where they would be too many."""
    said: dict[str, Any] = {"v": VERSION}
    for field in fields(Request):
        value = getattr(request, field.name)
        if value is not False and value not in ("", None):
            said[field.name] = int(value) if isinstance(value, GapCause | RetentionBasis) else value
    packet = json.dumps(said, ensure_ascii=False).encode()
    if len(packet) > PACKET_LIMIT_BYTES:
        raise _bad(f"请求超过 {PACKET_LIMIT_BYTES} 字节", f"a request has at most {PACKET_LIMIT_BYTES} bytes")
    return packet


def _value(name: str, value: object) -> Any:
    """The value of a field as its kind. Raises BadRequest."""
    if isinstance(value, str) and name in _LIMITS:
        return _text(name, value)
    if name == "verb" and isinstance(value, str) and value not in _WORDS["verb"]:
        raise _bad(f"没有这种请求 {value[:40]!r}", f"no such request {value[:40]!r}")
    if isinstance(value, str) and value in _WORDS.get(name, {}):
        return _WORDS[name][value]
    if type(value) is int and value in _NUMBERS.get(name, ()):
        return _CODES[name](value) if name in _CODES else value
    if (name in _FLAGS and isinstance(value, bool)) or (isinstance(value, str) and _fits(name, value)):
        return value
    raise _bad(f"{name} 的值不可用", f"{name} cannot have this value")


def _fits(name: str, value: str) -> bool:
    return name in _PATTERNS and _PATTERNS[name].fullmatch(value) is not None


_FLAGS = frozenset({"confirmed", "interview"})
_WORDS: dict[str, dict[str, Any]] = {
    "verb": {verb.value: verb for verb in Verb},
    "kind": {kind.value: kind for kind in MarkKind},
}
_NUMBERS: dict[str, Container[int]] = {
    "gap": range(1 << 62),
    "step": range(CODE_LIMIT + 1),
    "at_ms": range(1 << 52),
    "ago_ms": range(1 << 52),
    "cause": frozenset(int(cause) for cause in GapCause),
    "trigger": frozenset(int(trigger) for trigger in LONG_TERM_TRIGGERS),
}
_CODES: dict[str, type[enum.IntEnum]] = {"cause": GapCause, "trigger": RetentionBasis}


def _text(name: str, value: str) -> str:
    text = unicodedata.normalize("NFC", value).strip()
    if len(text) > _LIMITS[name]:
        raise _bad(f"{name} 最多 {_LIMITS[name]} 个字符", f"{name} has at most {_LIMITS[name]} characters")
    if not all(one.isprintable() or one == "\n" for one in text):
        zh = f"{name} 中有看不见的字符（控制符、改变文字方向的字符等），请去掉后再试"
        raise _bad(zh, f"{name} holds characters that cannot be seen (control, direction): take them out")
    return text


def _bad(words_zh: str, words_en: str) -> BadRequest:
    return BadRequest(words_zh, words_en)


_NO_ANSWER = ("录制程序的答复无法理解", "the recorder's answer cannot be understood")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the asker gets: done or not, one line for a person, and what was asked for."""

    ok: bool
    words_zh: str = ""
    words_en: str = ""
    facts: Mapping[str, Any] | None = None

    def packet(self) -> bytes:
        """The bytes of the answer."""
        said = {"v": VERSION, "ok": self.ok, "zh": self.words_zh, "en": self.words_en, "facts": dict(self.facts or {})}
        return json.dumps(said, ensure_ascii=False).encode()

    @classmethod
    def parse(cls, packet: bytes) -> Answer:
        """An answer's bytes again. Raises BadRequest."""
        try:
            said = json.loads(packet)
            ok, words_zh, words_en, facts = (said[name] for name in ("ok", "zh", "en", "facts"))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise _bad(*_NO_ANSWER) from error
        if not (isinstance(words_zh, str) and isinstance(words_en, str) and isinstance(facts, dict)):
            raise _bad(*_NO_ANSWER)
        return cls(ok=ok is True, words_zh=words_zh, words_en=words_en, facts=facts)


def may(role: Role, request: Request) -> bool:
    """Whether this role may ask this; the console only for somebody who has signed in."""
    named = request.actor != "" or request.verb not in NAMED_ACTOR or role is not Role.CONSOLE
    return request.verb in RIGHTS[role] and named
