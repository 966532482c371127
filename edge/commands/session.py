"""`liuhen session`: a session and its case: begin it with a header, mark steps, attach papers, hold it, look at it.

`new`, `header`, `mark`, `attach` and `hold` ask the running recorder over its control socket; a header goes there as an
open file, names and texts never stand on the command line. `list` and `show` read a spool, `report` (`session_report`)
any archive. Exit codes are those of `liuhen ctl`: 0 done, 1 refused, 2 usage, 6 no recorder answers.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from edge import config as configuration
from edge import header as headers
from edge.commands import cases, session_report
from edge.commands.acts import tell
from edge.commands.ctl import put
from edge.commands.said import CONTENT_LIMIT_BYTES, Field, add_said, hear, typed
from edge.config import Config
from edge.header import SessionHeader
from edge.hearing_words import list_line, show_lines
from edge.journal import JournalError, entries_of, file_numbers, file_path
from edge.profiles.schema import Profile
from edge.record_text import record_text
from edge.refusals import EXIT_CLEAN, EXIT_USAGE, SpoolError, complain, guarded
from edge.requests import BadRequest, MarkKind, Request, Verb
from edge.rules import with_rules
from liuhen.entry import Entry
from liuhen.proceedings import Told, told_of
from liuhen.registry import LONG_TERM_TRIGGERS

SHORTEST_PREFIX = 8
ORDINAL_DIGITS = 6
LONGEST_NUMBER = 15
TRIGGERS = {one.name.lower().replace("_", "-"): one for one in sorted(LONG_TERM_TRIGGERS)}
KINDS = tuple(kind.value for kind in MarkKind if kind is not MarkKind.PLAIN)

_ACTOR = Field(name="actor")
FIELDS: dict[Verb, tuple[Field, ...]] = {
    Verb.NEW_SESSION: (_ACTOR,),
    Verb.HEADER: (_ACTOR,),
    Verb.MARK: (Field(name="text", label="到场人、被告知人或说明 who came, who was told, or what it is about"), _ACTOR),
    Verb.ATTACH: (Field(name="text", needed=True, label="文书编号 number of the paper"), _ACTOR),
    Verb.HOLD: (Field(name="actor", needed=True), Field(name="text", needed=True, label="理由 why")),
}
"""What each verb wants to hear beside its options."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command line."""
    parser = commands.add_parser("session", help="场次与案件：首部、环节、文书、保全 / a session and its case")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, words in (
        ("new", "开始一个场次并填写首部 / begin a session with its header"),
        ("header", "补充首部；已写的不会被替换 / add to the header; nothing is replaced"),
    ):
        one = verbs.add_parser(name, help=words, description=words)
        one.add_argument(
            "--header", type=Path, metavar="FILE", help="首部：JSON 或 名称=内容，- 为标准输入 / the header"
        )
        one.add_argument("--procedure", choices=sorted(headers.PROCEDURES), help="程序 / the procedure")
    verbs.choices["new"].add_argument(
        "--incomplete", action="store_true", help="首部未填全也开始，以后再补 / begin though the header is not complete"
    )
    _add_mark(verbs)
    _add_kept(verbs)
    for name, verb in ASKING.items():
        add_said(verbs.choices[name], FIELDS[verb])
        verbs.choices[name].add_argument("--socket", type=Path, metavar="PATH", help="控制套接字 / the control socket")
    for name in ("list", "show"):
        words = "列出场次 / list sessions" if name == "list" else "显示一个场次 / show one session"
        one = verbs.add_parser(name, help=words, description=words)
        one.add_argument("--spool", type=Path, metavar="DIR", help="存储目录，不写则按配置 / else the configuration's")
    verbs.choices["show"].add_argument(
        "session", nargs="?", metavar="ID", help="序号或编号，不写为最近 / else the newest"
    )
    for one in verbs.choices.values():
        one.add_argument("--config", type=Path, metavar="FILE", help="设备配置 / the device's configuration")
    parser.set_defaults(work=run)
    session_report.add_verb(verbs)
    cases.add_case(verbs, "case")


ASKING = {
    "new": Verb.NEW_SESSION,
    "header": Verb.HEADER,
    "mark": Verb.MARK,
    "attach": Verb.ATTACH,
    "hold": Verb.HOLD,
}
"""What goes to the recorder, by its word on the command line."""


def _add_mark(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    words = "标记环节、重点、到场、告知、休会、场所；可补标 / mark a step, a point, an arrival, notice, recess, place"
    mark = verbs.add_parser("mark", help=words, description=words)
    mark.add_argument("kind", choices=KINDS, help="标记什么 / what is marked")
    mark.add_argument(
        "number", type=_number, nargs="?", metavar="N", help="环节或重点的序号 / number of the step or point"
    )
    when = mark.add_mutually_exclusive_group()
    when.add_argument("--at", metavar="HH:MM[:SS]", help="补标：所指时刻 / marked afterwards: the moment meant")
    when.add_argument(
        "--ago", type=_number, metavar="SECONDS", help="补标：多少秒以前 / marked afterwards: so long ago"
    )
    mark.add_argument("--of", type=_number, metavar="ENTRY", help="关于哪一条（如某人到场） / the entry it is about")


def _number(text: str) -> int:
    """A number; anything else may be a name, and is not repeated. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER):
        raise argparse.ArgumentTypeError("此处只写序号 / a number stands here, nothing else")
    return int(text)


def _add_kept(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    attach = verbs.add_parser("attach", help="随附文书编号和扫描件 / attach a paper by its number, and a copy")
    attach.add_argument("--session", metavar="ID", default="", help="场次，不写为进行中的 / else the open one")
    attach.add_argument("--of", type=_number, metavar="ENTRY", help="关于哪一条标记 / the mark it belongs to")
    attach.add_argument("--file", type=Path, metavar="FILE", help="扫描件 / a copy of it")
    hold = verbs.add_parser("hold", help="保全；有触发情形的长期保存 / hold a session, or keep it for good")
    hold.add_argument("session", metavar="ID", help="场次序号或编号 / its number or id")
    hold.add_argument(
        "--trigger",
        choices=sorted(TRIGGERS),
        help="长期保存的情形（焦作第十七条）；不写为保全 / what makes it one to be kept for good; else a hold",
    )
    for one in (attach, hold):
        one.add_argument("--spool", type=Path, metavar="DIR", help="存储目录，不写则按配置 / else the configuration's")


def run(arguments: argparse.Namespace) -> int:
    """Carry out one verb."""

    def work() -> int:
        config = configuration.load(arguments.config) if arguments.config is not None else Config()
        try:
            if arguments.verb in ("list", "show"):
                return _look(arguments, arguments.spool or config.spool.directory, config.device.zone)
            return _asked(arguments, config)
        except BadRequest as bad:
            complain(f"{bad.words_zh} / {bad.words_en}", "请更正后再试", "correct it and try again")
            return EXIT_USAGE

    return guarded(work)


# -- asking the recorder -----------------------------------------------------------------------------------------------


def _asked(arguments: argparse.Namespace, config: Config) -> int:
    verb = ASKING[arguments.verb]
    socket = arguments.socket or config.control.socket
    if verb in (Verb.NEW_SESSION, Verb.HEADER):
        header = _header_of(arguments, config)
        with _as_file(headers.to_bytes(header)) as attached:
            request = _request(verb, arguments, confirmed=getattr(arguments, "incomplete", False))
            return put(socket, request, attached)
    file = getattr(arguments, "file", None)
    if file is None:
        return put(socket, _specific(verb, arguments, config))
    with file.open("rb") as opened:
        return put(socket, _specific(verb, arguments, config), opened.fileno())


def _specific(verb: Verb, arguments: argparse.Namespace, config: Config) -> Request:
    match verb:
        case Verb.MARK:
            return _request(
                verb,
                arguments,
                kind=MarkKind(arguments.kind),
                step=arguments.number,
                gap=arguments.of,
                at_ms=_meant_ms(arguments.at, datetime.now(config.device.zone)),
                ago_ms=arguments.ago * 1000 if arguments.ago is not None else None,
            )
        case Verb.ATTACH:
            session = _id_of(arguments, config) if arguments.session else ""
            return _request(verb, arguments, session=session, gap=arguments.of)
        case _:
            trigger = TRIGGERS[arguments.trigger] if arguments.trigger else None
            return _request(verb, arguments, session=_id_of(arguments, config), trigger=trigger)


def _request(verb: Verb, arguments: argparse.Namespace, **given: Any) -> Request:
    """With what the person says beside it; for a moment that counts nobody is asked. Raises BadRequest."""
    wanted = verb in (Verb.ATTACH, Verb.HOLD)
    said: dict[str, Any] = dict(hear(arguments.said_from, FIELDS[verb], ask_all=arguments.ask or wanted))
    return Request(verb=verb, **given, **said)


def _meant_ms(at: str | None, now: datetime) -> int | None:
    """The moment of today that a late mark means, as UTC in milliseconds. Raises BadRequest."""
    if at is None:
        return None
    for form in ("%H:%M:%S", "%H:%M"):
        try:
            clock = datetime.strptime(at, form)  # noqa: DTZ007 - only its hours and minutes are taken
        except ValueError:
            continue
        meant = now.replace(hour=clock.hour, minute=clock.minute, second=clock.second, microsecond=0)
        return int(meant.timestamp() * 1000)
    raise BadRequest("--at 应为 时:分 或 时:分:秒", "--at is HH:MM or HH:MM:SS")


@contextmanager
def _as_file(content: bytes) -> Iterator[int]:
    """Bytes as an open file without a name: nobody else can read it."""
    descriptor = os.memfd_create("header", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield descriptor
    finally:
        os.close(descriptor)


def _header_of(arguments: argparse.Namespace, config: Config) -> SessionHeader:
    """From a file or stream, or field by field from the person at the terminal. Raises BadRequest."""
    if arguments.header is not None:
        header = headers.parse(_content(arguments.header))
    elif sys.stdin.isatty():
        header = _typed_header(arguments.procedure, with_rules(config).rules)
    else:
        header = SessionHeader()
    if arguments.procedure is not None:
        header = replace(header, procedure=headers.PROCEDURES[arguments.procedure])
    return header


def _typed_header(procedure: str | None, profile: Profile) -> SessionHeader:
    """Each field is asked for; lists with ； between."""
    chosen = headers.PROCEDURES.get(procedure or "")
    wanted = profile.header_of(chosen) if chosen is not None else frozenset(profile.header.required)
    needed = {field.value for field in wanted}
    lines = []
    for name, (zh, en) in headers.LABELS.items():
        if name == "procedure" and procedure is not None:
            continue
        hint = "，以 ； 分隔 separated by ；" if name in headers.LISTS else ""
        optional = "" if name in needed else "（可不填 optional）"
        said = typed(f"{zh} {en}{hint}{optional}：")
        if said:
            lines.append(f"{name}={said}")
    return headers.parse("\n".join(lines).encode("utf-8", "surrogateescape"))


def _content(path: Path) -> bytes:
    limit = headers.FILE_LIMIT_BYTES + CONTENT_LIMIT_BYTES
    if str(path) == "-":
        return sys.stdin.buffer.read(limit)
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        raise BadRequest(
            f"首部文件读不出（{error.strerror}）", f"the header cannot be read ({error.strerror})"
        ) from error


# -- looking at a spool ------------------------------------------------------------------------------------------------


def _look(arguments: argparse.Namespace, root: Path, zone: tzinfo) -> int:
    told = _read(root)

    def content(commitment: bytes) -> str | None:
        return record_text(root, commitment)

    if arguments.verb == "list":
        if not told:
            tell("没有场次 no sessions")
        for one in told.values():
            tell(list_line(one, content, zone))
        return EXIT_CLEAN
    for line in show_lines(_one_of(told, arguments.session), content, zone):
        tell(line)
    return EXIT_CLEAN


def _read(root: Path) -> dict[bytes, Told]:
    """Every session of a spool. Raises SpoolError."""
    try:
        if not (root / "journal").is_dir():
            raise SpoolError(
                f"{root} 不是存储目录 / is no spool",
                remedy_zh="请用 --spool 指定存储目录",
                remedy_en="name a spool with --spool",
            )
        return told_of(_entries(root / "journal"))
    except JournalError as error:
        raise SpoolError(
            str(error), remedy_zh="请用 liuhen-verify 查看详情", remedy_en="run liuhen-verify for details"
        ) from error


def _entries(directory: Path) -> Iterator[Entry]:
    for number in file_numbers(directory):
        yield from entries_of(file_path(directory, number))


def _one_of(told: dict[bytes, Told], named: str | None) -> Told:
    """A session by its number or the first digits of its id; the newest where none is named. Raises SpoolError."""
    if named is None:
        found = [*told.values()][-1:]
    elif named.isdecimal() and len(named) <= ORDINAL_DIGITS:
        found = [one for one in told.values() if one.ordinal == int(named)]
    else:
        prefix = named.lower()
        found = [one for id_, one in told.items() if len(prefix) >= SHORTEST_PREFIX and id_.hex().startswith(prefix)]
    if len(found) != 1:
        raise SpoolError(
            "没有这个场次 / no such session",
            remedy_zh="请写场次序号，或其编号的前 8 位以上；见 `liuhen session list`",
            remedy_en="write its number, or the first 8 digits of its id; see `liuhen session list`",
        )
    return found[0]


def _id_of(arguments: argparse.Namespace, config: Config) -> str:
    named = str(arguments.session)
    if len(named) == 32 and all(one in "0123456789abcdef" for one in named):  # noqa: PLR2004 - a whole id
        return named
    return (_one_of(_read(arguments.spool or config.spool.directory), named).id or b"").hex()
