"""The header of a session: read from what a clerk wrote, checked by the profile, and kept field by field.

Pure. Names, numbers and free text become the content of detached records, one for each field, and never stand in an
entry; what a field holds is kept as it was written, whatever characters are in it, and made harmless where it is shown.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from edge.profiles.schema import HeaderField, Procedure, Profile
from edge.requests import BadRequest
from liuhen.registry import ExStatus, ProcedureCode, RecordLabel, SecrecyClass

FILE_LIMIT_BYTES = 1 << 20
TEXT_LIMIT = 20_000
"""Characters of one text. A name may be long and strange; what is longer is a mistake."""
LIST_LIMIT = 64
MATTER_LIMIT_BYTES = 64
_LINE = re.compile(r"([^=＝]*)[=＝](.*)", re.DOTALL)

PROCEDURES = {one.value: one for one in Procedure}
CODE_OF = {one: ProcedureCode[one.name] for one in Procedure}
SECRECY = {one.name.lower(): one for one in SecrecyClass}
EX_STATUS = {one.name.lower(): one for one in ExStatus}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionHeader:
    """What is filled in so far; "" and () where nothing is. `certificates` stand in the order of `officials`."""

    procedure: Procedure | None = None
    case_number: str = ""
    cause: str = ""
    matter: str = ""
    parties: tuple[str, ...] = ()
    related_persons: tuple[str, ...] = ()
    officials: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    host: str = ""
    recorder: str = ""
    recorder_agency: str = ""
    place: str = ""
    secrecy: SecrecyClass = SecrecyClass.UNSTATED
    ex_status: ExStatus = ExStatus.UNSTATED


LABELS: dict[str, tuple[str, str]] = {
    "procedure": ("程序", "procedure"),
    "case_number": ("案号", "case number"),
    "cause": ("案由", "cause of the case"),
    "matter": ("事项（清单序号）", "matter (number in the list)"),
    "parties": ("当事人", "parties"),
    "related_persons": ("相关人员", "other persons concerned"),
    "officials": ("执法人员", "officials"),
    "certificates": ("执法证号", "certificate numbers"),
    "host": ("主持人", "host"),
    "recorder": ("记录人", "recorder"),
    "recorder_agency": ("记录人所在单位", "agency of the recorder"),
    "place": ("地点", "place"),
    "secrecy": ("密级", "secrecy class"),
    "ex_status": ("场所防爆情况", "Ex status of the place"),
}
"""What a person calls each field, Chinese first."""
_NAMES = {zh.partition("（")[0]: name for name, (zh, _) in LABELS.items()}
"""A clerk may write each field by its Chinese name."""
LISTS = frozenset({"parties", "related_persons", "officials", "certificates"})
_CHOICES: dict[str, Mapping[str, Any]] = {"procedure": PROCEDURES, "secrecy": SECRECY, "ex_status": EX_STATUS}
_RECORD_OF = {
    "place": RecordLabel.PLACE,
    "case_number": RecordLabel.CASE,
    "cause": RecordLabel.CAUSE,
    "parties": RecordLabel.PARTIES,
    "related_persons": RecordLabel.RELATED_PERSONS,
    "officials": RecordLabel.OFFICIALS,
    "certificates": RecordLabel.CERTIFICATES,
    "host": RecordLabel.HOST,
    "recorder": RecordLabel.RECORDER,
    "recorder_agency": RecordLabel.RECORDER_AGENCY,
}


# -- reading -----------------------------------------------------------------------------------------------------------


def parse(content: bytes) -> SessionHeader:
    """A header from a JSON object or from `name=value` lines, UTF-8; lists are JSON lists, or texts between `；`.

    Raises BadRequest, which repeats no value: an unknown name, not UTF-8, a lone surrogate, an unknown choice.
    """
    if len(content) > FILE_LIMIT_BYTES:
        raise BadRequest(f"首部超过 {FILE_LIMIT_BYTES} 字节", f"a header has at most {FILE_LIMIT_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest("首部不是 UTF-8 文本，请另存为 UTF-8", "the header is not UTF-8: save it as UTF-8") from error
    pairs = _json(text) if text.lstrip().startswith("{") else _lines(text)
    known = {field.name for field in fields(SessionHeader)}
    values: dict[str, Any] = {}
    for number, (given, raw) in enumerate(pairs, start=1):
        name = _NAMES.get(given, given)
        if name not in known:
            raise BadRequest(
                f"首部第 {number} 项的名称未知；可用：{'、'.join(_NAMES)}",
                f"the name of item {number} of the header is unknown; its fields are: {', '.join(LABELS)}",
            )
        if name in values:
            raise BadRequest(f"首部的“{LABELS[name][0]}”写了两次", f"the header gives its {LABELS[name][1]} twice")
        values[name] = _value(name, raw)
    return SessionHeader(**values)


def to_bytes(header: SessionHeader) -> bytes:
    """The same header as one JSON object; what is not filled in is left out."""
    said: dict[str, Any] = {}
    for field in fields(SessionHeader):
        value = getattr(header, field.name)
        if field.name in _CHOICES:
            if value:
                said[field.name] = next(word for word, one in _CHOICES[field.name].items() if one is value)
        elif value:
            said[field.name] = list(value) if isinstance(value, tuple) else value
    return json.dumps(said, ensure_ascii=False).encode()


def _json(text: str) -> list[tuple[str, object]]:
    try:
        found = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise BadRequest("首部以 { 开头，却不是 JSON 对象", "the header begins with { and is no JSON object") from error
    return [(str(name), value) for name, value in found]


def _lines(text: str) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise BadRequest(f"首部第 {number} 行不是 名称=内容", f"line {number} of the header is not name=value")
        name, value = _NAMES.get(found[1].strip(), found[1].strip()), found[2]
        yield name, value.replace(";", "；").split("；") if name in LISTS else value


def _value(name: str, raw: object) -> Any:
    if name in _CHOICES:
        word = raw.strip() if isinstance(raw, str) else ""
        found = next((one for code, one in _CHOICES[name].items() if word in (code, one.words_zh)), None)
        if found is None:
            (zh, en), choices = LABELS[name], _CHOICES[name]
            listed = "、".join(f"{one.words_zh}（{code}）" for code, one in choices.items())
            raise BadRequest(f"“{zh}”只能是：{listed}", f"the {en} is one of: {', '.join(choices)}")
        return found
    if name not in LISTS:
        return _text(name, raw)
    if not isinstance(raw, list) or len(raw) > LIST_LIMIT:
        zh, en = LABELS[name]
        raise BadRequest(f"“{zh}”应为至多 {LIST_LIMIT} 项的列表", f"the {en} are a list of at most {LIST_LIMIT}")
    return tuple(text for text in (_text(name, one) for one in raw) if text)


def _text(name: str, raw: object) -> str:
    """NFC, without blanks at either end; "" for what shows nothing at all."""
    zh, en = LABELS[name]
    if not isinstance(raw, str) or len(raw) > TEXT_LIMIT:
        raise BadRequest(
            f"“{zh}”应为至多 {TEXT_LIMIT} 字的文字", f"the {en} is a text of at most {TEXT_LIMIT} characters"
        )
    if any("\ud800" <= one <= "\udfff" for one in raw):
        raise BadRequest(
            f"“{zh}”中有无法保存的字符（孤立代理项）", f"the {en} holds a lone surrogate, which is no character"
        )
    text = unicodedata.normalize("NFC", raw).strip()
    return text if any(one.isprintable() and not one.isspace() for one in text) else ""


# -- what the profile asks for -----------------------------------------------------------------------------------------


def merged(before: SessionHeader, later: SessionHeader) -> SessionHeader:
    """What counts after a later header: each field it fills in, and what was there of the others."""
    values = {field.name: getattr(later, field.name) or getattr(before, field.name) for field in fields(SessionHeader)}
    return SessionHeader(**values)


def refusal(header: SessionHeader, profile: Profile) -> tuple[str, str] | None:
    """What cannot be taken whatever else is filled in; None where everything that is there fits the profile."""
    if header.procedure is not None and profile.template(header.procedure) is None:
        known = "、".join(one.procedure.words_zh for one in profile.templates)
        return (
            f"辖区规则 {profile.name} 没有“{header.procedure.words_zh}”程序；有：{known}",
            f"the profile {profile.name} has no such procedure: {header.procedure.value}",
        )
    if header.matter and (profile.item(header.matter) is None or len(header.matter.encode()) > MATTER_LIMIT_BYTES):
        return (
            f"辖区规则 {profile.name} 的清单没有这一事项序号；见 liuhen profile show {profile.name}",
            f"no item of the profile {profile.name} has this number; see liuhen profile show {profile.name}",
        )
    template = profile.template(header.procedure) if header.procedure is not None else None
    if template is not None and header.matter not in template.rows() and _of_another(header.matter, profile):
        rows = "、".join(item.no for item in profile.items if item.no in template.rows())
        return (
            f"所写事项序号不属于“{template.procedure.words_zh}”程序；该程序的事项：{rows}",
            f"this number is no item of the procedure {template.procedure.value}; its items: {rows}",
        )
    if header.certificates and len(header.certificates) != len(header.officials):
        return (
            f"执法人员 {len(header.officials)} 名，执法证号 {len(header.certificates)} 个，应一一对应",
            f"{len(header.officials)} officials and {len(header.certificates)} certificate numbers: one for each",
        )
    return None


def _of_another(matter: str, profile: Profile) -> bool:
    """Whether a procedure shows this item. One of no procedure (其他应当采取音像记录的情况) may be named in any."""
    return any(matter in one.rows() for one in profile.templates)


def blanks(header: SessionHeader, profile: Profile) -> list[tuple[str, str]]:
    """What the profile wants and nobody has filled in, as lines for a person, Chinese first: all fields in one."""
    wanted = profile.header_of(header.procedure) if header.procedure is not None else frozenset(profile.header.required)
    found = []
    # In the order of the page, not of a set.
    missing = [one.value for one in HeaderField if one in wanted and not getattr(header, one.value)]
    if missing:
        words_zh = "、".join(f"“{LABELS[name][0]}”（{name}）" for name in missing)
        words_en = ", ".join(f"{LABELS[name][1]} ({name})" for name in missing)
        cited = profile.cited(profile.header.source)
        found.append((f"首部缺少{words_zh}，依据{cited}", f"the header lacks: {words_en}"))
    template = profile.template(header.procedure) if header.procedure is not None else None
    least = template.least_officials if template is not None else profile.header.least_officials
    if HeaderField.OFFICIALS in wanted and 0 < len(header.officials) < least:
        found.append((f"执法人员应不少于 {least} 名", f"at least {least} officials are named"))
    return found


def contents(header: SessionHeader) -> list[tuple[RecordLabel, str]]:
    """The text of each record, in the order of the page; a list is a JSON array (FORMAT.md 5.9)."""
    found = []
    for name, label in _RECORD_OF.items():
        value = getattr(header, name)
        if value:
            found.append((label, json.dumps(value, ensure_ascii=False) if name in LISTS else value))
    return found


def of_texts(texts: Mapping[int, str], procedure: Procedure | None, matter: str | None) -> SessionHeader:
    """The header that these records hold, by their labels; a record that is no such text counts as not filled in."""
    values: dict[str, Any] = {"procedure": procedure, "matter": matter or ""}
    for name, label in _RECORD_OF.items():
        if label in texts:
            values[name] = _items(texts[label]) if name in LISTS else texts[label]
    return SessionHeader(**values)


def _items(text: str) -> tuple[str, ...]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    return tuple(str(one) for one in found) if isinstance(found, list) else ()
