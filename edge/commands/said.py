"""What a person says beside a command: names and free text, asked for at the terminal or read from a stream or file.

They never come from the command line, where every user of the machine reads them (`/proc/PID/cmdline`): what stands
there all the same is refused and not repeated. `parse_fields` is pure; the rest waits for a person or reads one stream.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from edge.requests import BadRequest

STREAM = "-"
CONTENT_LIMIT_BYTES = 16_384
LABELS = {
    "actor": "操作人姓名 name of the person who asks",
    "text": "说明 the text",
    "ground": "规定认可的事由 a ground the rules allow",
    "citation": "法律条款 the law that says so",
    "reported_to": "部门负责人姓名 the department head",
    "reported_at": "报告时间，如 2026-11-28 10:05，当天可只写 10:05 when it was reported, as 2026-11-28 10:05 or 10:05",
}
"""Every field, with what a person is asked for."""
NEVER_IN_ARGV = (
    *("actor", "by", "name", "reason", "text", "ground", "citation", "reported-to", "reported-at"),
    *("purpose", "approval"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing a verb wants to hear; `label` is what it is called there."""

    name: str
    needed: bool = False
    label: str = ""

    @property
    def question(self) -> str:
        """What stands before the cursor, Chinese first."""
        return f"{self.label or LABELS[self.name]}{'' if self.needed else '（可不填，直接回车 optional）'}："


def parse_fields(content: bytes, allowed: frozenset[str]) -> dict[str, str]:
    """Fields from a JSON object or from `name=value` lines, UTF-8. Raises BadRequest, which repeats no value."""
    if len(content) > CONTENT_LIMIT_BYTES:
        raise BadRequest(f"内容超过 {CONTENT_LIMIT_BYTES} 字节", f"more than {CONTENT_LIMIT_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest("内容不是 UTF-8 文本，请另存为 UTF-8", "not UTF-8: save it as UTF-8") from error
    pairs = _json_pairs(text) if text.lstrip().startswith("{") else _line_pairs(text)
    said: dict[str, str] = {}
    for name, value in pairs:
        if name not in allowed:
            known = ", ".join(sorted(allowed)) or "（无 none）"
            raise BadRequest(f"有此处不用的项；可用：{known}", f"a name that is not known here; known: {known}")
        if name in said or not isinstance(value, str):
            raise BadRequest(f"{name} 须是文字，且只写一次", f"{name} must be text, and be there once")
        said[name] = value
    return said


def _json_pairs(text: str) -> list[tuple[str, object]]:
    try:
        found = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise BadRequest("内容以 { 开头，却不是 JSON 对象", "it begins with { and is no JSON object") from error
    return [(str(name), value) for name, value in found]


def _line_pairs(text: str) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        name, sign, value = line.partition("=")
        if not line.strip():
            continue
        if not sign:
            raise BadRequest(f"第 {number} 行不是 名称=内容", f"line {number} is not name=value")
        pairs.append((name.strip(), value.strip()))
    return pairs


# -- the command line --------------------------------------------------------------------------------------------------


def add_said(parser: argparse.ArgumentParser, fields: tuple[Field, ...]) -> None:
    """The option that says where a verb's fields come from; the options that would carry them in argv refuse."""
    words = "、".join(f"{field.name}{'' if field.needed else '?'}" for field in fields)
    parser.add_argument(
        "--from",
        dest="said_from",
        metavar="FILE",
        help=f"姓名和文字（{words}）从文件读入，- 为标准输入：JSON 或 名称=内容 各一行；不写则在终端上逐项填写 / "
        "read the fields from a file, - for standard input: JSON, or name=value lines; else they are asked for",
    )
    parser.add_argument("--ask", action="store_true", help="可不填的项也逐项询问 / ask for the optional ones too")
    for name in (
        "actor",
        "by",
        "name",
        "reason",
        "text",
        "ground",
        "citation",
        "reported-to",
        "reported-at",
        "purpose",
        "approval",
    ):
        parser.add_argument(f"--{name}", action=_Refusing, nargs="*", help=argparse.SUPPRESS)
    # With a default it is no required argument, which a line that lacks another one would name too.
    parser.add_argument("argv_text", action=_Refusing, nargs="*", default=(), help=argparse.SUPPRESS)


class _Refusing(argparse.Action):
    """What everybody would read is not taken and not repeated."""

    def __call__(
        self, parser: argparse.ArgumentParser, _namespace: object, values: object, option: str | None = None
    ) -> None:
        if option is not None or values:
            _refuse(parser, option or "文字 text")


def _refuse(parser: argparse.ArgumentParser, where: str) -> NoReturn:
    parser.exit(
        2,
        f"姓名和文字不能写在命令行上（{where}）：本机所有用户都看得到。请去掉，在终端上逐项填写，或用 --from 文件、"
        f"--from - 读入 / names and texts are not taken from the command line ({where}), where every user of this "
        "machine reads them: leave it out and type it when asked, or give --from FILE or --from -\n",
    )


# -- reading -----------------------------------------------------------------------------------------------------------


def hear(source: str | None, fields: tuple[Field, ...], *, ask_all: bool) -> Mapping[str, str]:
    """The fields of a verb from where they come. Raises BadRequest where a needed one is missing."""
    said: dict[str, str] = {}
    if source is not None:
        said = parse_fields(_content(source), frozenset(field.name for field in fields))
    elif sys.stdin.isatty():
        for field in fields:
            if field.needed or ask_all:
                said[field.name] = typed(field.question)
    missing = [field for field in fields if field.needed and not said.get(field.name, "").strip()]
    if missing:
        name, label = missing[0].name, missing[0].label or LABELS[missing[0].name]
        raise BadRequest(
            f"缺少 {name}（{label}）：请在终端上执行，或用 --from 文件、--from - 写明 {name}=内容",
            f"{name} is missing: run it at a terminal, or give {name}=value in --from FILE or --from -",
        )
    return {name: value for name, value in said.items() if value.strip()}


def typed(question: str) -> str:
    """A line from the person at the terminal. Raises BadRequest where there is nobody, or he has gone."""
    if not sys.stdin.isatty():
        raise BadRequest("此处没有终端可供询问；结束录制请加 --yes", "no terminal to ask at; to stop, add --yes")
    sys.stderr.write(question)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise BadRequest("已取消，没有提出请求", "cancelled; nothing was asked")
    return line.strip()


def _content(source: str) -> bytes:
    if source == STREAM:
        if sys.stdin.isatty():
            sys.stderr.write("请逐行输入 名称=内容，Ctrl-D 结束 / type name=value lines, end with Ctrl-D\n")
        return sys.stdin.buffer.read(CONTENT_LIMIT_BYTES + 1)
    try:
        with Path(source).open("rb") as file:
            return file.read(CONTENT_LIMIT_BYTES + 1)
    except OSError as error:
        raise BadRequest(
            f"{source} 读不出（{error.strerror}）", f"{source} cannot be read ({error.strerror})"
        ) from error
