"""The tables of edge/profiles/WRITING.md, out of the schema: `python -m tests.edge.profiles.schema_tables` writes them.

Every section and key of a profile's file, whether it must be there, what may stand in it, and its name for a person.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edge.profiles.schema import Limit, OutsideVisits, Profile, Step
from edge.profiles.words import FIELD_WORDS, PART_WORDS, WORDS

DOCUMENT = Path(__file__).parents[3] / "edge" / "profiles" / "WRITING.md"
START, END = "<!-- tables: written by tests/edge/profiles/schema_tables.py -->", "<!-- end of the tables -->"
LEFT_OUT = frozenset({"digest"})
MORE_WORDS: Mapping[str, str] = {
    "name": "名称：与文件名相同，小写字母、数字、连字符",
    "title": "标题（程序、事项、环节的为原文标题）",
    "title_en": "英文标题",
    "notes": "给读者的说明；以 [存疑] [残缺] 开头的，检查时作为警告",
    "origin": "文件出处",
    "templates": "程序",
    "articles": "条文，逐字照录",
    "document": "文件名称",
    "effective_words": "施行条款原文",
    "text": "原文（origin.text 为存放原文的文件名）",
    "source": "出处：行或条",
    "required": "必填要素；环节的 required：是否必经",
    "kind": "类别",
    "grounds": "供人选择的事由",
    "cites": "批准时另须写明",
    "words": "原文",
    "cause": "日志中的中止原因",
    "amount": "数量",
    "unit": "单位",
    "trigger": "起算",
    "before": "向前计算（…日前）",
    "destination": "入库地点，原文",
    "extension": "外出执法的延期",
    "limit": "期限",
    "fields": "须填的要素，原文",
    "role": "保管人称谓，原文",
    "duties": "职责，原文",
    "person": "姓名，由本单位填写",
    "action": "行为",
    "approver": "批准人，原文",
    "exception": "例外，原文",
    "code": "情形代码",
    "heading": "栏目名，原文",
    "cell": "栏目对应的键",
    "word": "设备名，原文",
    "no": "序号，原文；环节和程序以它指明所录事项",
    "list_kind": "清单种类",
    "fixed_room_reason": "固定场所的理由或不适用的理由",
    "number": "条号（origin.number 为文号）",
    "paragraphs": "逐款逐项，一行一串",
    "procedure": "程序种类",
    "id": "环节代号，小写字母、数字、连字符",
}


def _kinds(kind: type, at: str, seen: set[type]) -> Iterator[tuple[str, type]]:
    """Each table of the file with the heading it has there, the outer one first."""
    if kind in seen:
        return
    seen.add(kind)
    yield at, kind
    for name, (inner, many) in _inner(kind).items():
        path = f"{at.strip('[]')}.{name}" if at else name
        yield from _kinds(inner, f"[[{path}]]" if many else f"[{path}]", seen)


def _inner(kind: type) -> dict[str, tuple[type, bool]]:
    found = {}
    for name, hint in typing.get_type_hints(kind).items():
        plain, many = _plain(hint)
        if dataclasses.is_dataclass(plain):
            found[name] = (typing.cast("type", plain), many)
    return found


def _plain(hint: Any) -> tuple[Any, bool]:
    """The type of a value or of each value of a list, and whether it is a list."""
    if typing.get_origin(hint) is tuple:
        return typing.get_args(hint)[0], True
    if isinstance(hint, types.UnionType):
        return next(one for one in typing.get_args(hint) if one is not type(None)), False
    return hint, False


def _what(hint: Any) -> str:
    plain, many = _plain(hint)
    if dataclasses.is_dataclass(plain):
        name = getattr(plain, "__name__", "")
        if plain in (Limit, Step):
            return f"{{ … }}，见 {name}" if not many else f"[{{ … }}, …]，见 {name}"
        return "一节或多节 sections" if many else "一节 a section"
    if issubclass(plain, enum.Enum):
        word = f"见 {plain.__name__}"
    else:
        word = {str: '"…"', int: "整数 integer", bool: "true / false"}[plain]
    return f"[{word}, …]" if many else word


def _default(field: dataclasses.Field[Any]) -> str:
    value = field.default
    if value is dataclasses.MISSING:
        return "必写 must"
    if value is None or value in ((), ""):
        return "可不写 may"
    shown = value.value if isinstance(value, enum.Enum) else str(value).lower()
    return f"不写即 {shown}"


def _words(name: str, kind: type | None = None) -> str:
    if (kind, name) == (OutsideVisits, "access"):
        return "谁可以看"
    return MORE_WORDS.get(name) or FIELD_WORDS.get(name) or PART_WORDS[name]


def tables() -> str:
    """All of them, as they stand in the document."""
    lines = []
    enums: dict[type[enum.Enum], None] = {}
    for at, kind in _kinds(Profile, "", set()):
        name = (
            f"{kind.__name__} `{{ … }}`" if kind in (Limit, Step) else f"`{at}`" if at else "文件开头 top of the file"
        )
        about = " ".join((inspect.getdoc(kind) or "").split())
        lines += [f"### {name}", "", about, "", "| 键 key | | 值 value | 含义 meaning |", "|---|---|---|---|"]
        hints = typing.get_type_hints(kind)
        for field in dataclasses.fields(kind):
            if field.name not in LEFT_OUT:
                plain, _ = _plain(hints[field.name])
                if isinstance(plain, type) and issubclass(plain, enum.Enum):
                    enums[plain] = None
                lines.append(
                    f"| `{field.name}` | {_default(field)} | {_what(hints[field.name])} | {_words(field.name, kind)} |"
                )
        lines.append("")
    for one in enums:
        lines += [f"### {one.__name__}", "", "| 值 value | 含义 meaning |", "|---|---|"]
        lines += [f"| `{_value(member)}` | {WORDS.get(member, '') or _heading(member)} |" for member in one]
        lines.append("")
    return "\n".join(lines)


def _value(member: enum.Enum) -> str:
    return member.name.lower() if isinstance(member.value, int) else str(member.value)


def _heading(member: enum.Enum) -> str:
    return _words(str(member.value))


def with_tables(text: str) -> str:
    """The document with the tables of the schema as it is."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n\n{tables()}\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{DOCUMENT.name}\n")
