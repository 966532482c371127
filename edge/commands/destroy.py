"""`liuhen destroy --session|--record`: destroy content after its term, by a person's order; or say why not.

The order is a text file; it becomes a record, whether it is carried out or refused. A refusal is an entry too. Content
goes only by such an order: giving back space for media that a store proves to hold is `liuhen spool reclaim`.
"""

from __future__ import annotations

import argparse
from datetime import tzinfo
from pathlib import Path

from edge.commands.acts import (
    EXIT_DENIED,
    Act,
    MakeClock,
    acting,
    add_config,
    record_named,
    session_named,
    tell,
    text_for_record,
)
from edge.commands.retention import until_words
from edge.custody import OpenToken, no_token
from edge.destruction import Carried, destroy, finish, refuse
from edge.journal import clock_row
from edge.ports import Clock
from edge.refusals import EXIT_CLEAN, EXIT_FAULT, SpoolError, complain, guarded
from edge.retention import Denied, may_destroy
from liuhen.keeping import Content
from liuhen.registry import ContentKind, RefusalCode


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], clock: MakeClock, open_token: OpenToken = no_token
) -> None:
    """Describe the command line."""
    parser = commands.add_parser("destroy", help="保存期满后依令销毁内容 / destroy content after its term, by order")
    add_config(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--session", metavar="ID", help="整个场次：段与附录 / a session: segments and records")
    which.add_argument("--record", metavar="RECORD", help="一份附录 / one record")
    which.add_argument("--finish", action="store_true", help="完成被中断的销毁 / finish what was cut off")
    parser.add_argument(
        "--basis-file", type=Path, metavar="FILE", help="销毁审批文本：何人批准、依据 / the order: who, on what ground"
    )
    parser.set_defaults(work=lambda arguments: run(arguments, clock), open_token=open_token)


def run(arguments: argparse.Namespace, clock: MakeClock) -> int:
    """Carry out the order, or refuse it."""

    def work() -> int:
        device_clock = clock()
        if arguments.finish:
            with acting(arguments, device_clock) as act:
                return _tell(finish(act.log.spool, act.ledger))
        if arguments.basis_file is None:
            raise SpoolError(
                "销毁须有审批 / a destruction needs an order (--basis-file)",
                remedy_zh="把何人批准、依据什么写入文本文件，用 --basis-file 指定",
                remedy_en="write who approved it and why into a text file, and name the file",
            )
        order = text_for_record(arguments.basis_file)
        with acting(arguments, device_clock) as act:
            return _destroy(act, arguments, order, device_clock)

    return guarded(work)


def _destroy(act: Act, arguments: argparse.Namespace, order: bytes, clock: Clock) -> int:
    session, contents = _asked(act, arguments)
    record = act.keep(order)
    decision = may_destroy(act.ledger, session, contents, clock_row(clock))
    if isinstance(decision, Denied):
        kept = act.ledger.keeping.sessions.get(session)
        refuse(act.log.journal, decision, record, (kept.ordinal if kept is not None else 0) or 0)
        _explain(decision, act.zone, act.log.spool.root)
        return EXIT_DENIED
    return _tell(destroy(act.log.spool, act.log.journal, ledger=act.ledger, allowed=decision, order=record))


def _asked(act: Act, arguments: argparse.Namespace) -> tuple[bytes, tuple[Content, ...]]:
    """The session and what of it is to go."""
    if arguments.session is not None:
        session = session_named(act.ledger, arguments.session)
        return session, act.ledger.contents_of(session)
    commitment = record_named(act.ledger, arguments.record)
    session_of = act.ledger.session_of(commitment)
    return session_of or bytes(16), ((int(ContentKind.RECORD), commitment),)


def _explain(denied: Denied, zone: tzinfo, root: Path) -> None:
    in_term = denied.code is RefusalCode.IN_TERM and denied.until_ms is not None
    until = f"（{until_words(denied.until_ms, zone)}）" if in_term else ""
    complain(
        f"拒绝销毁：{denied.code.words_zh}{until}\n  destruction refused: {denied.code.words_en}",
        f"内容未动；此次要求及理由已封签入日志。见 `liuhen retention ls {root}`",
        f"nothing was touched; order and reason are sealed in the journal; see `liuhen retention ls {root}`",
    )


def _tell(carried: Carried) -> int:
    if carried.incomplete:
        complain(
            "日志有缺失，可能漏看保全，未删除任何文件 / entries are missing, one might be a hold: nothing was removed",
            "请用 liuhen-verify 查看缺失，日志修复后再执行",
            "see with liuhen-verify what is missing, and run this again when the journal is whole",
        )
        return EXIT_FAULT
    tell(f"已销毁文件 files destroyed: {carried.removed}（日志条目不变 the chain is as it was）")
    for path in carried.kept:
        complain(
            str(path),
            "该文件内容与日志不符，未删除；请运行 liuhen-verify 并联系维护人员",
            "not the bytes that the journal names, so it was kept; run liuhen-verify",
        )
    return EXIT_FAULT if carried.kept else EXIT_CLEAN
