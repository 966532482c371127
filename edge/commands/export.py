"""`liuhen export SPOOL DEST`: a copy for somebody else, without the records that are withheld from it.

Needs no key and no lock, changes nothing in the spool. That a copy was approved (Jiaozuo Art. 18) is not checked here,
but for what an always-on room recorded while nobody was served: where the rules close that, an approval in writing is
asked for and goes into the copy. With `--visit` only the media of one number is copied.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from edge import durable, export
from edge.commands.acts import EXIT_DENIED, ledger_of, record_named, session_named, tell, text_for_record
from edge.commands.records import LABELS, label_words
from edge.commands.visits import days_of
from edge.outside_visits import outside_of, within_of
from edge.refusals import EXIT_CLEAN, EXIT_FAULT, SpoolError, complain, guarded
from edge.retention import Ledger
from liuhen.errors import FormatError
from liuhen.visits import Day

APPROVAL = "approval.txt"
"""Beside the copy, for whoever asks by whose leave it was made; no part of the archive."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command line."""
    parser = commands.add_parser("export", help="制作副本，可不提交部分附录 / copy an archive, withholding records")
    parser.add_argument("spool", type=Path, metavar="SPOOL", help="存储目录或档案 / the spool or archive")
    parser.add_argument("target", type=Path, metavar="DEST", help="新目录 / a new directory")
    parser.add_argument(
        "--session",
        action="append",
        default=[],
        metavar="ID",
        help="只含这些场次，可多次 / only these, may be repeated",
    )
    parser.add_argument(
        "--withhold",
        action="append",
        default=[],
        metavar="LABEL|RECORD",
        help="不提交的附录：类别或编号，可多次 / records to leave out, by label or number",
    )
    parser.add_argument(
        "--visit",
        action="append",
        default=[],
        metavar="NUMBER",
        help="值守：只含这些办事号码的媒体，可多次（须写明一个 --session） / of one always-on day these visits alone",
    )
    parser.add_argument(
        "--approval-file",
        type=Path,
        metavar="FILE",
        help="值守中办事以外的媒体须经批准：批准人、用途 / the approval that media outside visits needs",
    )
    parser.set_defaults(work=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the copy."""

    def work() -> int:
        try:
            return _export(arguments)
        except FormatError as error:
            complain(str(error), "请用 liuhen-verify 查看详情", "run liuhen-verify for details")
            return EXIT_FAULT

    return guarded(work)


def _export(arguments: argparse.Namespace) -> int:
    root, target = arguments.spool, arguments.target
    journal = export.snapshot(root)
    ledger = ledger_of(root)
    sessions = tuple(_ended(ledger, session_named(ledger, text)) for text in arguments.session)
    withheld = frozenset(name for text in arguments.withhold for name in _withheld(ledger, text))
    selection = export.choose(ledger, sessions, withheld)
    days = {day.id or b"": day for day in days_of(root) if day.id in selection.sessions}
    approval = text_for_record(arguments.approval_file) if arguments.approval_file is not None else None
    if arguments.visit:
        selection = _visits_alone(selection, days, arguments.visit)
    elif approval is None and any(_is_closed(day) for day in days.values()):
        complain(
            "所选场次含值守中办事以外的媒体，依辖区规则须经批准才能复制 / media outside visits needs an approval",
            "请用 --approval-file 附上批准（批准人、用途），或用 --visit 只复制有关号码",
            "attach the approval with --approval-file, or copy the visits alone with --visit",
        )
        return EXIT_DENIED
    copied = export.copy(root, target, ledger=ledger, selection=selection, journal=journal)
    if approval is not None:
        durable.create_file(target / APPROVAL, approval)
    tell(f"副本已写入 copied to: {target}")
    tell(f"场次 sessions {len(selection.sessions)}，段 segments {copied.segments}，附录 records {copied.records}")
    for commitment in export.choose(ledger, sessions, frozenset()).records:
        if commitment in withheld:
            tell(f"未提交 withheld: {label_words(ledger.labels[commitment])}")
            tell(f"  {commitment.hex()}")
    for name in copied.absent:
        tell("存储中没有 not in the spool:")
        tell(f"  {name}")
    _tell_how(target, selection.sessions if len(selection.sessions) < len(ledger.sessions) else ())
    return EXIT_CLEAN


def _is_closed(day: Day) -> bool:
    outside = outside_of(day)
    return outside is not None and outside.needs_approval


def _visits_alone(selection: export.Selection, days: Mapping[bytes, Day], numbers: list[str]) -> export.Selection:
    """One day's session with the segments and records of these visits. Raises SpoolError."""
    day = days.get(selection.sessions[0]) if len(selection.sessions) == 1 else None
    segments, named = within_of(day, numbers) if day is not None else (frozenset[int](), frozenset[bytes]())
    if day is None or not segments:
        raise SpoolError(
            "没有这样的办事号码，或未写明一个值守场次 / no such visit, or not one always-on session",
            remedy_zh="请用 --session 写明一个值守场次；号码见 liuhen visit list",
            remedy_en="name one session with --session; liuhen visit list has the numbers",
        )
    records = tuple(one for one in selection.records if one in named)
    return export.Selection(sessions=selection.sessions, records=records, segments={selection.sessions[0]: segments})


def _ended(ledger: Ledger, session: bytes) -> bytes:
    if ledger.keeping.sessions[session].ended:
        return session
    raise SpoolError(
        "场次尚未结束 / the session has not ended",
        remedy_zh="请等场次结束后再制作副本",
        remedy_en="copy it when it has ended",
    )


def _withheld(ledger: Ledger, text: str) -> list[bytes]:
    """The records of a label, or one by its commitment. Raises SpoolError."""
    label = LABELS.get(text.lower())
    return [record_named(ledger, text)] if label is None else [c for c, of in ledger.labels.items() if of == label]


def _tell_how(target: Path, sessions: tuple[bytes, ...]) -> None:
    tell("核验 verify it with:")
    for session in sessions:
        tell(f"  liuhen-verify {target} --trust FILE --session {session.hex()}")
    if not sessions:
        tell(f"  liuhen-verify {target} --trust FILE")
