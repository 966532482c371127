"""`liuhen export SPOOL DEST`: a copy for somebody else, without the records that are withheld from it.

Needs no key and no lock, changes nothing in the spool. That a copy was approved (Jiaozuo Art. 18) is not checked here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edge import export
from edge.commands.acts import ledger_of, record_named, session_named, tell
from edge.commands.records import LABELS, label_words
from edge.retention import Ledger
from edge.spool import SpoolError
from edge.terminal import EXIT_CLEAN, EXIT_FAULT, complain, guarded
from liuhen.errors import FormatError


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command line."""
    parser = commands.add_parser("export", help="制作副本，可不提交部分附录 / copy an archive, withholding records")
    parser.add_argument("spool", type=Path, metavar="SPOOL")
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
    copied = export.copy(root, target, ledger=ledger, selection=selection, journal=journal)
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
