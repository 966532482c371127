"""`liuhen spool reclaim`: give back the space of media that the designated store holds; or say why not.

Without `--order` a pinned witness has to stand behind it. With it the operator does: who and why come from standard
input and go into records, and the order is an entry that stands for the witness alone: no receipt, retention or hold is
overridden by it.
"""

from __future__ import annotations

import argparse
from collections import Counter

from edge import config as configuration
from edge import durable, store_examined, witnessing
from edge.commands.acts import (
    EXIT_DENIED,
    Act,
    MakeClock,
    acting,
    add_config,
    session_named,
    tell,
    text_for_record,
)
from edge.custody import OpenToken, no_token
from edge.journal import clock_row
from edge.ports import Clock
from edge.reclaim import Backing, Plan, ReclaimBooks, plan
from edge.reclaiming import finish, read_books, reclaim
from edge.refusals import EXIT_CLEAN, EXIT_FAULT, SpoolError, complain, guarded
from liuhen.kinds import Commitments, Order
from liuhen.registry import OrderCode, RecordLabel

LEAST_LINES = 2
"""Of an order: who, then why."""


def add_parser(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], clock: MakeClock, open_token: OpenToken = no_token
) -> None:
    """Describe the command line, as a verb of `liuhen spool`."""
    parser = verbs.add_parser("reclaim", help="腾出已入库段的空间 / give back the space of media that the store holds")
    add_config(parser)
    parser.add_argument("--session", metavar="ID", help="只限此场次 / this session alone")
    parser.add_argument(
        "--order",
        action="store_true",
        help="操作员代替见证下令；从标准输入读：首行何人，其后理由 / an operator stands for the witness; "
        "standard input: who on the first line, then why",
    )
    parser.set_defaults(work=lambda arguments: run(arguments, clock), open_token=open_token)


def run(arguments: argparse.Namespace, clock: MakeClock) -> int:
    """Carry it out as far as it may be."""

    def work() -> int:
        loaded = configuration.load(arguments.config) if arguments.config is not None else configuration.Config()
        ordered = _order_text() if arguments.order else None
        device_clock = clock()
        with acting(arguments, device_clock) as act:
            return _reclaim(act, arguments, loaded, ordered, device_clock)

    return guarded(work)


def _order_text() -> tuple[bytes, bytes]:
    """Who and why. Raises SpoolError."""
    lines = text_for_record(None).decode().strip().splitlines()
    if len(lines) < LEAST_LINES:
        raise SpoolError(
            "命令不完整 / the order is incomplete",
            remedy_zh="首行写何人下令，其后写理由",
            remedy_en="write who orders it on the first line, then why",
        )
    return lines[0].strip().encode(), "\n".join(lines[1:]).strip().encode()


def _reclaim(
    act: Act,
    arguments: argparse.Namespace,
    config: configuration.Config,
    ordered: tuple[bytes, bytes] | None,
    clock: Clock,
) -> int:
    session = session_named(act.ledger, arguments.session) if arguments.session is not None else None
    records: Commitments = ()
    if ordered is not None:
        who, why = (act.keep(text).commitment for text in ordered)
        records = ((RecordLabel.PERSONS, who), (RecordLabel.REASON, why))
        at = act.log.journal.append(
            Order(code=OrderCode.RECLAIM_UNWITNESSED, session=session, records=records), session_id=None
        )
        tell(f"日志条目 entry {at.seq}：操作员命令 an operator's order")
    books = read_books(act.log.spool.root)  # with the order
    finished = finish(act.log.spool, books)
    planned = plan(
        books,
        (session,) if session is not None else tuple(books.ledger.sessions),
        clock=clock_row(clock),
        minimum_hold_days=config.store.minimum_hold_days,
        backing=_backing(act, config, books),
    )
    carried = reclaim(act.log.spool, act.log.journal, books, planned)
    _explain(planned)
    tell(f"已腾出文件 files given back: {finished.removed + carried.removed}")
    for path in (*finished.kept, *carried.kept):
        complain(
            str(path),
            "该文件内容与日志不符，未删除；请运行 liuhen-verify 并联系维护人员",
            "not the bytes that the journal names, so it was kept; run liuhen-verify",
        )
    if finished.kept or carried.kept:
        return EXIT_FAULT
    return EXIT_CLEAN if finished.removed or carried.removed or not planned.kept else EXIT_DENIED


def _backing(act: Act, config: configuration.Config, books: ReclaimBooks) -> Backing:
    """What pinned witnesses said while the recorder ran. Raises StorageFault."""
    root = act.log.spool.root
    with durable.reading(root / witnessing.FOLDER):
        said = witnessing.believed(root, config.store.witnesses, log_id=act.log.spool.identity.log_id, books=books)
        witnesses = tuple(one for one in said if one is not None)
    return Backing(
        witnesses=witnesses,
        contradicted=witnessing.is_contradicted(root),
        standings=store_examined.standings(root),
    )


def _explain(planned: Plan) -> None:
    """What stays, and why, in one line for each reason."""
    for why, count in Counter(planned.kept.values()).most_common():
        tell(f"保留 kept: {count}（{why.words_zh} {why.words_en}）")
