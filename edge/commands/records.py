"""`liuhen records add|ls|show`: detached records of sessions. Reading needs no lock and no key.

`add` writes the record first and then an `amend` of the session's entry that commits to it. The text never stands in
the chain, on the command line or in a log; `show` alone prints it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edge import durable
from edge.commands.acts import (
    MakeClock,
    acting,
    add_config,
    file_for_record,
    ledger_of,
    record_named,
    session_named,
    spool_here,
    tell,
    text_for_record,
)
from edge.custody import OpenToken, no_token
from edge.refusals import EXIT_CLEAN, SpoolError, guarded
from edge.retention import Ledger
from liuhen import archive, records
from liuhen.errors import FormatError
from liuhen.kinds import Amend
from liuhen.records import Record
from liuhen.registry import ContentKind, RecordLabel

LABELS = {label.name.lower(): label for label in RecordLabel}


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], clock: MakeClock, open_token: OpenToken = no_token
) -> None:
    """Describe the command line."""
    parser = commands.add_parser("records", help="附录：添加、列出、查看 / add, list and show detached records")
    verbs = parser.add_subparsers(dest="verb", required=True)
    add = verbs.add_parser("add", help="为已结束的场次添加附录 / add a record to a session that has ended")
    add_config(add)
    add.add_argument("--session", required=True, metavar="ID", help="场次序号或编号 / its number, or its id")
    add.add_argument("--label", required=True, choices=sorted(LABELS), help="附录类别 / what the record is about")
    add.add_argument("--file", type=Path, metavar="FILE", help="内容文件，不写则读标准输入 / else standard input")
    ls = verbs.add_parser("ls", help="列出附录，不显示内容 / list records without their content")
    ls.add_argument("directory", type=Path, nargs="?", help="存储目录或档案 / the spool or archive")
    show = verbs.add_parser("show", help="查看一份附录 / show one record")
    show.add_argument("record", metavar="RECORD", help="附录编号前 8 位以上 / first 8 digits or more")
    show.add_argument("directory", type=Path, nargs="?", help="存储目录或档案 / the spool or archive")
    show.add_argument("--out", type=Path, metavar="FILE", help="写入新文件 / write the content to a new file")
    parser.set_defaults(work=lambda arguments: run(arguments, clock), open_token=open_token)


def run(arguments: argparse.Namespace, clock: MakeClock) -> int:
    """Carry out one verb."""

    def work() -> int:
        match arguments.verb:
            case "add":
                return _add(arguments, clock)
            case "ls":
                return _list(spool_here(arguments.directory))
            case _:
                return _show(arguments)

    return guarded(work)


def _add(arguments: argparse.Namespace, clock: MakeClock) -> int:
    label = LABELS[arguments.label]
    attached = label is RecordLabel.ATTACHMENT and arguments.file is not None
    content = file_for_record(arguments.file) if attached else text_for_record(arguments.file)
    with acting(arguments, clock()) as act:
        session = session_named(act.ledger, arguments.session)
        seq, digest = act.ledger.sessions[session].named
        record = act.keep(content)
        body = Amend(
            refers_to=seq,
            refers_to_hash=digest,
            length_ns=None,
            cause=None,
            records=((label, record.commitment),),
        )
        at = act.log.journal.append(body, session_id=session)
    tell(f"已添加附录 record added: {label_words(label)}；日志条目 entry {at.seq}")
    tell(f"  {record.commitment.hex()}")
    return EXIT_CLEAN


def _list(root: Path) -> int:
    ledger = ledger_of(root)
    if not ledger.labels:
        tell("没有附录 no records")
    for commitment, label in ledger.labels.items():
        tell(f"{commitment.hex()}  {state_of(root, ledger, commitment)}")
        tell(f"    {label_words(label)}；{_whose(ledger, commitment)}；日志条目 entry {ledger.naming[commitment]}")
    return EXIT_CLEAN


def state_of(root: Path, ledger: Ledger, commitment: bytes) -> str:
    """Whether the content is here, in words."""
    if archive.record_path(root, commitment).is_file():
        return "在 here"
    destroyed = (int(ContentKind.RECORD), commitment) in ledger.destroyed
    return "已销毁 destroyed" if destroyed else "不在 not here"


def label_words(label: int) -> str:
    """A label in both languages."""
    found = next((known for known in RecordLabel if known == label), None)
    return f"类别 {label}" if found is None else f"{found.words_zh} {found.name.lower()}"


def _whose(ledger: Ledger, commitment: bytes) -> str:
    """The sessions it belongs to; of an order, which sessions it is about."""
    owned = ledger.session_of(commitment) is not None
    about = ledger.about[commitment]
    ordinals = sorted(ledger.keeping.sessions[id_].ordinal or 0 for id_ in about if id_ in ledger.sessions)
    numbers = ", ".join(map(str, ordinals))
    if not numbers:
        return "不属单个场次 of no single session"
    return f"场次 session {numbers}" if owned else f"关于场次 about session {numbers}"


def _show(arguments: argparse.Namespace) -> int:
    directory = spool_here(arguments.directory)
    ledger = ledger_of(directory)
    record = _read(directory, record_named(ledger, arguments.record))
    if arguments.out is not None:
        durable.create_file(arguments.out, record.content, mode=0o600)
        tell(f"已写入 written: {arguments.out}（{len(record.content)} 字节 bytes）")
        return EXIT_CLEAN
    try:
        text = record.content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SpoolError(
            f"附录不是文本 / the record is no text ({len(record.content)} bytes)",
            remedy_zh="请用 --out 文件名 把内容写入文件",
            remedy_en="write it to a file with --out FILE",
        ) from error
    tell("".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text).rstrip("\n"))
    return EXIT_CLEAN


def _read(root: Path, commitment: bytes) -> Record:
    """A record whose bytes are those committed to. Raises SpoolError."""
    path = archive.record_path(root, commitment)
    try:
        with archive.opened(path, root=root, limit_bytes=records.RECORD_LIMIT_BYTES + 1) as file:
            record = records.parse(file.readall(), where=path.name)
    except FileNotFoundError as error:
        raise SpoolError(
            "附录内容不在此处 / its content is not here",
            remedy_zh="未随此副本提交，或已销毁；见 `liuhen records ls`",
            remedy_en="withheld from this copy, or destroyed; see `liuhen records ls`",
        ) from error
    except FormatError as error:
        raise _altered(str(error)) from error
    if record.commitment != commitment:
        raise _altered(f"{path.name} is not what was committed to")
    return record


def _altered(what: str) -> SpoolError:
    return SpoolError(
        what,
        remedy_zh="附录内容已被改动，不可采信；请勿删除，并运行 liuhen-verify",
        remedy_en="the content was altered, do not believe it; keep it and run liuhen-verify",
    )
