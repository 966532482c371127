"""`liuhen ctl`: ask the recorder that is running.

Names and texts are asked for at the terminal, or read from a file or stream, never from the command line (`said`).
Opens one connection for one question. Exit codes: 0 done, 1 refused, 2 usage, 6 no recorder answers.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edge import config as configuration
from edge.commands.acts import ledger_of, tell
from edge.commands.said import Field, add_said, hear, typed
from edge.config import Config
from edge.control_client import NobodyAnswers, ask
from edge.control_words import status_lines
from edge.refusals import EXIT_CLEAN, EXIT_FAULT, EXIT_USAGE, complain, guarded
from edge.requests import Answer, BadRequest, Request, Verb
from edge.statement_draft import draft_of
from liuhen.registry import GapCause

EXIT_NOBODY = 6
CAUSES = {cause.name.lower().replace("_", "-"): cause for cause in GapCause}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command line."""
    parser = commands.add_parser(
        "ctl",
        help="操作正在运行的录制程序 / ask the running recorder",
        description="退出码 exit codes：0 已办理 done，1 被拒绝 refused，2 用法有误 usage，"
        "6 录制程序没有应答 no recorder answers",
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for add in (_add_plain, _add_explaining, _add_withholding, _add_owed):
        add(verbs)
    for name, one in verbs.choices.items():
        add_said(one, FIELDS[Verb(name)])
        one.add_argument(
            "--socket", type=Path, metavar="PATH", help="控制套接字，不写则按配置 / else the configuration's"
        )
        one.add_argument("--config", type=Path, metavar="FILE", help="设备配置 / the device's configuration")
    parser.set_defaults(work=run)


_EXPLAINED = (Field(name="actor"), Field(name="text", label="文字说明 the explanation in words"))
_NAME = Field(name="actor", needed=True)
_AMENDED = (_NAME, *_EXPLAINED[1:])
"""Who says that a cause was another one gives his name."""
FIELDS: dict[Verb, tuple[Field, ...]] = {
    Verb.STATUS: (),
    Verb.START: (Field(name="actor"),),
    Verb.STOP: (Field(name="actor"), Field(name="text", label="提前结束的原因 why it ends early")),
    Verb.MARK: (Field(name="text", label="标记说明 what it is about"), Field(name="actor")),
    Verb.EXPLAIN: _EXPLAINED,
    Verb.WITHHOLD: (_NAME, Field(name="text", label="事由 why")),
    Verb.APPROVE: (_NAME, Field(name="ground", needed=True), Field(name="citation")),
    Verb.RESUME: (_NAME, Field(name="text", label="说明 why")),
    Verb.CONSENT: (_NAME, Field(name="text", needed=True, label="谁同意什么 who consents to what")),
    Verb.CANNOT_RESUME: (
        _NAME,
        Field(name="text", label="原因 why"),
        Field(name="reported_to", needed=True),
        Field(name="reported_at", needed=True),
    ),
    Verb.STATEMENT: (
        _NAME,
        Field(name="text", label="说明摘要 what it says in short"),
        Field(name="reported_to"),
        Field(name="reported_at"),
    ),
    Verb.MAINTENANCE: (_NAME, Field(name="text", needed=True, label="做了什么 what was done")),
    Verb.ORDER_RECLAIM: (_NAME, Field(name="text", needed=True, label="理由 why")),
    Verb.SETTLE_WITNESS: (_NAME, Field(name="text", needed=True, label="查明的原因 what was found out")),
    Verb.STORE_CHECK: (),
}
"""What each verb wants to hear, in the order in which a person is asked."""
AT_ONCE = frozenset({Verb.START, Verb.MARK, Verb.EXPLAIN, Verb.WITHHOLD})
"""Where the moment counts, nobody is asked for what may be left out, unless with `--ask`."""


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], verb: Verb, words: str
) -> argparse.ArgumentParser:
    return verbs.add_parser(verb.value, help=words, description=words)


def _add_plain(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    status = _verb(verbs, Verb.STATUS, "状态 / what the recorder is doing")
    status.add_argument("--json", action="store_true", help="原样输出 / the facts as JSON")
    _verb(verbs, Verb.START, "开始录制 / begin a session")
    stop = _verb(verbs, Verb.STOP, "结束录制（须确认） / end the session")
    stop.add_argument("--yes", action="store_true", help="已确认，不再询问 / confirmed, do not ask")
    mark = _verb(verbs, Verb.MARK, "重点标记 / mark this moment")
    mark.add_argument("--step", type=int, metavar="N", help="必录环节序号 / number of a required step")
    _verb(verbs, Verb.MAINTENANCE, "登记维护 / write maintenance into the journal")


def _add_explaining(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    explain = _verb(verbs, Verb.EXPLAIN, "语音说明中止原因；说完再执行一次 / explain aloud; once more when said")
    explain.add_argument("--cause", choices=sorted(CAUSES), help="更正中止原因 / the true cause of the gap")
    explain.add_argument(
        "--gap", type=int, metavar="N", help="中止的日志条目号，不写为最近一处 / its entry; else the newest"
    )
    explain.add_argument("--speak", action="store_true", help="更正后同时开始语音说明 / and begin to explain aloud")


def _add_withholding(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    _verb(verbs, Verb.WITHHOLD, "不得记录：停止录制 / stop recording what must not be recorded")
    _verb(verbs, Verb.APPROVE, "由另一人批准“不得记录” / a second person approves the withholding")
    _verb(verbs, Verb.RESUME, "恢复录制 / end the withholding")
    _verb(verbs, Verb.CONSENT, "记录当事人的同意 / write down somebody's consent")


def _add_owed(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    _verb(verbs, Verb.CANNOT_RESUME, "无法恢复录制：已报告部门负责人 / give up, after reporting it")
    order = _verb(
        verbs, Verb.ORDER_RECLAIM, "代替见证下令：已入库内容可腾出空间 / stand for the witness: what is stored may go"
    )
    order.add_argument("--session", metavar="ID", default="", help="只限此场次 / this session alone")
    _verb(
        verbs,
        Verb.SETTLE_WITNESS,
        "见证所见与本机日志不符，已查明原因 / it was found out why a witness saw another history",
    )
    check = _verb(verbs, Verb.STORE_CHECK, "登记存储自检的结果 / journal what liuhen store doctor --json found")
    check.add_argument("file", type=Path, metavar="FILE", help="其 JSON 结果 / its JSON")
    statement = _verb(verbs, Verb.STATEMENT, "提交书面说明，或打印其草稿 / the signed statement, or a draft of it")
    statement.add_argument("gap", type=int, metavar="GAP", help="中止（或所欠义务）的日志条目号 / its journal entry")
    statement.add_argument("--file", type=Path, metavar="FILE", help="已签字的书面说明（扫描件） / the signed paper")
    statement.add_argument("--draft", action="store_true", help="打印书面说明的草稿 / print a draft to sign")
    statement.add_argument(
        "--spool", type=Path, metavar="DIR", help="草稿所依据的存储目录 / the spool a draft is made from"
    )


def run(arguments: argparse.Namespace) -> int:
    """Ask one thing."""

    def work() -> int:
        config = configuration.load(arguments.config) if arguments.config is not None else Config()
        try:
            if arguments.verb == Verb.STATEMENT.value and arguments.draft:
                root = arguments.spool or config.spool.directory
                ledger_of(root)
                tell(draft_of(root, arguments.gap, room=config.device.room, zone=config.device.zone))
                return EXIT_CLEAN
            return _asked(arguments, arguments.socket or config.control.socket)
        except BadRequest as bad:
            complain(f"{bad.words_zh} / {bad.words_en}", "请更正后再试", "correct it and try again")
            return EXIT_USAGE

    return guarded(work)


def _asked(arguments: argparse.Namespace, path: Path) -> int:
    request = _request(arguments)
    with ExitStack() as stack:
        file = getattr(arguments, "file", None)
        attachment = stack.enter_context(file.open("rb")).fileno() if file is not None else None
        return put(path, request, attachment, as_json=getattr(arguments, "json", False))


def put(path: Path, request: Request, attachment: int | None = None, *, as_json: bool = False) -> int:
    """Put one question to the recorder and tell its answer; returns the exit code. Raises BadRequest."""
    try:
        answer = ask(path, request, attachment)
    except NobodyAnswers as nobody:
        complain(
            f"录制程序没有应答（{path}：{nobody}） / no recorder answers",
            "请确认录制服务正在运行：systemctl status liuhen-recorder",
            "see whether the recorder's service runs: systemctl status liuhen-recorder",
        )
        return EXIT_NOBODY
    return _told(answer, as_json=as_json)


def _told(answer: Answer, *, as_json: bool) -> int:
    if not answer.ok:
        sys.stderr.write(f"被拒绝：{answer.words_zh}\nrefused: {answer.words_en}\n")
        return EXIT_FAULT
    if as_json:
        tell(json.dumps(dict(answer.facts or {}), ensure_ascii=False))
        return EXIT_CLEAN
    for line in status_lines(answer.facts) if answer.facts else (f"{answer.words_zh} / {answer.words_en}",):
        tell(line)
    return EXIT_CLEAN


def _request(arguments: argparse.Namespace) -> Request:
    """The request of a command line and of what the person says beside it. Raises BadRequest."""
    verb = Verb(arguments.verb)
    cause = CAUSES[arguments.cause] if getattr(arguments, "cause", None) else None
    fields = FIELDS[verb] if cause is None else _AMENDED
    said: dict[str, Any] = dict(hear(arguments.said_from, fields, ask_all=arguments.ask or verb not in AT_ONCE))
    if verb is Verb.STATEMENT and not said.get("text"):
        said["text"] = "已签字的书面说明" if arguments.file is not None else "已向部门负责人报告"
    return Request(
        verb=verb,
        cause=cause,
        confirmed=_confirmed(verb, arguments),
        gap=getattr(arguments, "gap", None),
        step=getattr(arguments, "step", None),
        session=getattr(arguments, "session", ""),
        **said,
    )


def _confirmed(verb: Verb, arguments: argparse.Namespace) -> bool:
    if verb is not Verb.STOP:
        return bool(getattr(arguments, "speak", False))
    if arguments.yes:
        return True
    if typed("结束本场次的录制？输入“是”或 yes 确认 end the session? ") in ("是", "yes"):
        return True
    raise BadRequest("没有确认，录制继续", "not confirmed; the recording goes on")
