"""`liuhen case SESSION --enforcement-ended|--execution-ended|--archived`: how far a session's case has come.

Asks the recorder that is running, over its control socket; who says so is typed or read, never in the command line.
Exit codes: 0 written, 1 refused, 2 usage, 6 no recorder answers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edge import config as configuration
from edge.commands.acts import ledger_of, session_named
from edge.commands.ctl import put
from edge.commands.said import Field, add_said, hear
from edge.config import Config
from edge.desk_archive import STAGES
from edge.refusals import EXIT_USAGE, complain, guarded
from edge.requests import BadRequest, Request, Verb

FIELDS = (
    Field(name="actor", needed=True),
    Field(name="text", label="说明；有特殊规定时写明法律条款 a remark, or the special law and its article"),
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command line."""
    add_case(commands, "case")


def add_case(commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str) -> None:
    """The command under a name, below whatever it stands."""
    parser = commands.add_parser(
        name, help="案件阶段：执法结束、执行终结、已归档（起算或结束归档期限） / how far a session's case has come"
    )
    parser.add_argument("session_name", metavar="SESSION", help="场次序号或编号 / its number, or its id")
    stage = parser.add_mutually_exclusive_group(required=True)
    words = {"enforcement-ended": "执法结束", "execution-ended": "执行终结", "archived": "已归档"}
    for one in STAGES:
        stage.add_argument(
            f"--{one}", dest=one.replace("-", "_"), metavar="YYYY-MM-DD", help=f"{words[one]}之日 / the day of it"
        )
    parser.add_argument(
        "--due",
        default="",
        metavar="YYYY-MM-DD",
        help="法律法规对归档期限有特殊规定时的末日 / the last day, where a special law sets another term",
    )
    parser.add_argument("--spool", type=Path, metavar="DIR", help="存储目录，不写则按配置 / else the configuration's")
    parser.add_argument("--socket", type=Path, metavar="PATH", help="控制套接字 / the recorder's control socket")
    parser.add_argument("--config", type=Path, metavar="FILE", help="设备配置 / the device's configuration")
    add_said(parser, FIELDS)
    parser.set_defaults(work=run)


def run(arguments: argparse.Namespace) -> int:
    """Say it."""

    def work() -> int:
        config = configuration.load(arguments.config) if arguments.config is not None else Config()
        try:
            return _asked(arguments, config)
        except BadRequest as bad:
            complain(f"{bad.words_zh} / {bad.words_en}", "请更正后再试", "correct it and try again")
            return EXIT_USAGE

    return guarded(work)


def _asked(arguments: argparse.Namespace, config: Config) -> int:
    ledger = ledger_of(arguments.spool or config.spool.directory)
    session = session_named(ledger, arguments.session_name)
    stage = next(one for one in STAGES if getattr(arguments, one.replace("-", "_")) is not None)
    said = hear(arguments.said_from, FIELDS, ask_all=arguments.ask or bool(arguments.due))
    request = Request(
        verb=Verb.CASE,
        session=session.hex(),
        stage=stage,
        day=getattr(arguments, stage.replace("-", "_")),
        due=arguments.due,
        actor=said["actor"],
        text=said.get("text", ""),
    )
    return put(arguments.socket or config.control.socket, request)
