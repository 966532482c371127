"""`liuhen retention extend|hold|lift|ls`: how long sessions are kept, and holds that keep them longer.

A term is only ever extended: nothing here shortens one or sets one after "for good". Each act is an entry with its
ground as a record, written before the entry that names it.
"""

from __future__ import annotations

import argparse
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path

from edge import config as configuration
from edge.commands.acts import (
    EXIT_DENIED,
    Act,
    MakeClock,
    acting,
    add_config,
    ledger_of,
    session_named,
    spool_here,
    tell,
    text_for_record,
)
from edge.commands.visits import days_of
from edge.config import Config
from edge.custody import OpenToken, no_token
from edge.journal_times import local_time
from edge.outside_visits import Outside, outside_of
from edge.refusals import EXIT_CLEAN, complain, guarded
from edge.retention import Ledger
from liuhen.kinds import Hold, Retention
from liuhen.registry import LONG_TERM_TRIGGERS, HoldAct, RecordLabel, RetentionBasis

BASES = {
    "case-file": RetentionBasis.CASE_FILE,
    "long-term": RetentionBasis.LONG_TERM,
    "law": RetentionBasis.LAW,
    "other": RetentionBasis.OTHER,
    **{basis.name.lower().replace("_", "-"): basis for basis in sorted(LONG_TERM_TRIGGERS)},
}


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], clock: MakeClock, open_token: OpenToken = no_token
) -> None:
    """Describe the command line."""
    parser = commands.add_parser("retention", help="保存期限与保全 / terms of keeping, and holds")
    verbs = parser.add_subparsers(dest="verb", required=True)
    extend = verbs.add_parser("extend", help="设定或延长保存期限，不能缩短 / set or extend a term, never shorten it")
    _add_session(extend)
    term = extend.add_mutually_exclusive_group(required=True)
    term.add_argument(
        "--until",
        type=_day_after,
        metavar="YYYY-MM-DD",
        help="最后保存日（含），设备当地时间 / last day kept, local time of the device",
    )
    term.add_argument("--permanent", action="store_true", help="长期保存，永不销毁 / for good")
    extend.add_argument("--basis", required=True, choices=sorted(BASES), help="依据类别 / what it rests on")
    _add_ground(extend, required=False)
    hold = verbs.add_parser("hold", help="保全：解除前一律不得销毁 / place a hold")
    _add_session(hold, everything=True)
    _add_ground(hold, required=True)
    lift = verbs.add_parser("lift", help="解除保全 / lift a hold")
    _add_session(lift, everything=True)
    lift.add_argument(
        "--entry", type=int, required=True, metavar="N", help="设置保全的日志条目 / the entry that placed it"
    )
    _add_ground(lift, required=True)
    ls = verbs.add_parser("ls", help="列出各场次的期限与保全 / list terms and holds")
    ls.add_argument(
        "directory",
        type=Path,
        nargs="?",
        help="存储目录或档案 / the spool or archive",
    )
    ls.add_argument(
        "--config", type=Path, metavar="FILE", help="设备配置，按其存储目录和时区 / its spool, its local time"
    )
    parser.set_defaults(work=lambda arguments: run(arguments, clock), open_token=open_token)


def _add_session(parser: argparse.ArgumentParser, *, everything: bool = False) -> None:
    add_config(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--session", metavar="ID", help="场次序号或编号 / its number, or its id")
    if everything:
        which.add_argument("--all", action="store_true", help="本机全部场次，含以后的 / every session, later ones too")


def _add_ground(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--ground-file", type=Path, required=required, metavar="FILE", help="依据或理由，文本文件 / why, as a text file"
    )


def _day_after(text: str) -> date:
    """The day that follows the one that is written. Raises ArgumentTypeError."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").date() + timedelta(days=1)  # noqa: DTZ007 - only its day is taken
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r}：请写 年-月-日 / write year-month-day") from error


def _first_ms(day: date, zone: tzinfo) -> int:
    """The first UTC millisecond of that day where the recorder hangs."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)


def run(arguments: argparse.Namespace, clock: MakeClock) -> int:
    """Carry out one verb."""

    def work() -> int:
        if arguments.verb == "ls":
            config = configuration.load(arguments.config) if arguments.config is not None else None
            return _list(spool_here(arguments.directory, config), (config or Config()).device.zone)
        ground = text_for_record(arguments.ground_file) if arguments.ground_file is not None else None
        with acting(arguments, clock()) as act:
            return _extend(act, arguments, ground) if arguments.verb == "extend" else _hold(act, arguments, ground)

    return guarded(work)


def _extend(act: Act, arguments: argparse.Namespace, ground: bytes | None) -> int:
    session = session_named(act.ledger, arguments.session)
    until_ms = None if arguments.permanent else _first_ms(arguments.until, act.zone)
    if until_ms is not None and BASES[arguments.basis] in LONG_TERM_TRIGGERS:
        complain(
            f"“{BASES[arguments.basis].words_zh}”须长期保存 / is kept for good",
            "请改用 --permanent",
            "use --permanent instead of --until",
        )
        return EXIT_DENIED
    if act.ledger.keeping.would_shorten(session, until_ms):
        complain(
            f"现有期限 term in force: {_term(act.ledger, session, act.zone)}",
            "保存期限只能延长，不能缩短；见 `liuhen retention ls`",
            "a term is only extended, never shortened; see `liuhen retention ls`",
        )
        return EXIT_DENIED
    records = ((RecordLabel.GROUND, act.keep(ground).commitment),) if ground is not None else ()
    body = Retention(session=session, until_ms=until_ms, basis=BASES[arguments.basis], records=records)
    at = act.log.journal.append(body, session_id=None)
    tell(f"保存期限 kept until: {until_words(until_ms, act.zone)}")
    if until_ms is not None and until_ms <= act.log.journal.state.clock[0]:
        tell("注意：此期限已满，现在即可依令销毁")
        tell("this term is over already: the session may be destroyed by order now")
    tell(f"日志条目 entry {at.seq}")
    return EXIT_CLEAN


def _hold(act: Act, arguments: argparse.Namespace, ground: bytes | None) -> int:
    session = None if arguments.all else session_named(act.ledger, arguments.session)
    lifted = arguments.entry if arguments.verb == "lift" else None
    if lifted is not None and not act.ledger.keeping.can_lift(session, lifted):
        complain(
            f"第 {lifted} 号条目不是此处有效的保全 / entry {lifted} placed no hold in force here",
            "请用 `liuhen retention ls` 查看保全的条目编号",
            "see `liuhen retention ls` for the entries of holds",
        )
        return EXIT_DENIED
    record = act.keep(ground or b"")
    body = Hold(
        act=HoldAct.PLACED if lifted is None else HoldAct.LIFTED,
        session=session,
        placed=lifted,
        records=((RecordLabel.REASON, record.commitment),),
    )
    at = act.log.journal.append(body, session_id=None)
    words = "已设置保全，解除前不得销毁 held" if lifted is None else "已解除保全 hold lifted"
    tell(f"{words}；日志条目 entry {at.seq}")
    return EXIT_CLEAN


def _list(root: Path, zone: tzinfo) -> int:
    ledger = ledger_of(root)
    days = {day.id or b"": day for day in days_of(root)}
    if not ledger.sessions:
        tell("没有场次 no sessions")
    for session, kept in ledger.keeping.sessions.items():
        if session not in ledger.sessions:
            continue
        tell(f"场次 session {kept.ordinal or '?'}  {session.hex()}")
        tell(f"    保存期限 kept until: {_term(ledger, session, zone)}")
        outside = outside_of(days[session]) if session in days else None
        if outside:
            tell(f"    值守中办事以外的媒体 outside visits: {_outside_words(outside, zone)}")
        holds = ledger.keeping.holds_on(session)
        if holds:
            tell(f"    保全 held by entry {', '.join(map(str, holds))}")
    if not ledger.whole:
        tell("日志有缺失，可能漏看期限或保全；一律不得销毁")
        tell("entries of the journal are missing; nothing may be destroyed")
    return EXIT_CLEAN


def _outside_words(outside: Outside, zone: tzinfo) -> str:
    """Its own term; what a hold, or the term of the session, keeps longer is kept with it."""
    until = (
        "依辖区规则另定 as its rules say" if outside.kept_until_ms is None else until_words(outside.kept_until_ms, zone)
    )
    access = "须经批准方可调取 closed" if outside.needs_approval else "同案卷 as the case"
    return f"{len(outside.segments)} 段 segments，{until}；{access}"


def _term(ledger: Ledger, session: bytes, zone: tzinfo) -> str:
    kept = ledger.keeping.sessions[session]
    if kept.permanent:
        return until_words(None, zone)
    return "未设定，永不销毁 not set, never destroyed" if kept.until_ms is None else until_words(kept.until_ms, zone)


def until_words(until_ms: int | None, zone: tzinfo) -> str:
    """The instant by the device's local time, with its offset from UTC."""
    return "长期保存 for good" if until_ms is None else local_time(until_ms, zone, "%Y-%m-%d %H:%M %z")
