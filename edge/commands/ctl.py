"""`liuhen ctl`: ask the recorder that is running. Names that are not given are asked for on the terminal.

Opens one connection for one question. Exit codes: 0 done, 1 refused, 2 usage, 6 no recorder answers.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path

from edge import config as configuration
from edge.commands.acts import ledger_of, tell
from edge.config import Config
from edge.control_client import NobodyAnswers, ask
from edge.control_words import status_lines
from edge.requests import Answer, BadRequest, Request, Verb
from edge.statement_draft import draft_of
from edge.terminal import EXIT_CLEAN, EXIT_FAULT, EXIT_USAGE, complain, guarded
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
    for one in verbs.choices.values():
        one.add_argument(
            "--socket", type=Path, metavar="PATH", help="控制套接字，不写则按配置 / else the configuration's"
        )
        one.add_argument("--config", type=Path, metavar="FILE", help="设备配置 / the device's configuration")
    parser.set_defaults(work=run)


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], verb: Verb, words: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(verb.value, help=words, description=words)
    if verb is not Verb.STATUS:
        parser.add_argument("--actor", metavar="NAME", help="操作人姓名 / name of the person who asks")
    return parser


def _add_plain(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    status = _verb(verbs, Verb.STATUS, "状态 / what the recorder is doing")
    status.add_argument("--json", action="store_true", help="原样输出 / the facts as JSON")
    _verb(verbs, Verb.START, "开始录制 / begin a session")
    stop = _verb(verbs, Verb.STOP, "结束录制（须确认） / end the session")
    stop.add_argument("--yes", action="store_true", help="已确认，不再询问 / confirmed, do not ask")
    stop.add_argument("--reason", dest="text", metavar="TEXT", help="提前结束的原因 / why it ends early")
    mark = _verb(verbs, Verb.MARK, "重点标记 / mark this moment")
    mark.add_argument("text", nargs="?", metavar="TEXT", help="标记说明 / what it is about")
    mark.add_argument("--step", type=int, metavar="N", help="必录环节序号 / number of a required step")
    maintenance = _verb(verbs, Verb.MAINTENANCE, "登记维护 / write maintenance into the journal")
    maintenance.add_argument("text", metavar="TEXT", help="做了什么 / what was done")


def _add_explaining(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    explain = _verb(verbs, Verb.EXPLAIN, "语音说明中止原因；说完再执行一次 / explain aloud; once more when said")
    explain.add_argument("--cause", choices=sorted(CAUSES), help="更正中止原因 / the true cause of the gap")
    explain.add_argument(
        "--gap", type=int, metavar="N", help="中止的日志条目号，不写为最近一处 / its entry; else the newest"
    )
    explain.add_argument("--text", metavar="TEXT", help="文字说明 / the explanation in words")
    explain.add_argument("--speak", action="store_true", help="更正后同时开始语音说明 / and begin to explain aloud")


def _add_withholding(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    withhold = _verb(verbs, Verb.WITHHOLD, "不得记录：停止录制 / stop recording what must not be recorded")
    withhold.add_argument("--reason", dest="text", metavar="TEXT", help="事由 / why")
    approve = _verb(verbs, Verb.APPROVE, "由另一人批准“不得记录” / a second person approves the withholding")
    approve.add_argument("--ground", required=True, metavar="TEXT", help="规定认可的事由 / a ground the rules allow")
    approve.add_argument("--citation", metavar="TEXT", help="法律条款 / the law that says so")
    resume = _verb(verbs, Verb.RESUME, "恢复录制 / end the withholding")
    resume.add_argument("--reason", dest="text", metavar="TEXT", help="说明 / why")
    consent = _verb(verbs, Verb.CONSENT, "记录当事人的同意 / write down somebody's consent")
    consent.add_argument("text", metavar="TEXT", help="谁同意什么 / who consents to what")


def _add_owed(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    cannot = _verb(verbs, Verb.CANNOT_RESUME, "无法恢复录制：已报告部门负责人 / give up, after reporting it")
    cannot.add_argument("--reason", dest="text", metavar="TEXT", help="原因 / why")
    statement = _verb(verbs, Verb.STATEMENT, "提交书面说明，或打印其草稿 / the signed statement, or a draft of it")
    statement.add_argument("gap", type=int, metavar="GAP", help="中止（或所欠义务）的日志条目号 / its journal entry")
    statement.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="已签字的书面说明（扫描件） / the signed paper"
    )
    statement.add_argument("--draft", action="store_true", help="打印《中止情况书面说明》草稿 / print a draft to sign")
    statement.add_argument(
        "--spool", type=Path, metavar="DIR", help="草稿所依据的存储目录 / the spool a draft is made from"
    )
    statement.add_argument("--text", metavar="TEXT", help="说明摘要 / what it says in short")
    for parser, need in ((cannot, True), (statement, False)):
        parser.add_argument("--reported-to", metavar="NAME", required=need, help="部门负责人 / the department head")
        parser.add_argument("--reported-at", metavar="TIME", required=need, help="报告时间 / when it was reported")


def run(arguments: argparse.Namespace) -> int:
    """Ask one thing."""

    def work() -> int:
        config = configuration.load(arguments.config) if arguments.config is not None else Config()
        try:
            if arguments.verb == Verb.STATEMENT.value and arguments.draft:
                root = arguments.spool or config.spool.directory
                ledger_of(root)
                tell(draft_of(root, arguments.gap, room=config.device.room))
                return EXIT_CLEAN
            return _asked(arguments, arguments.socket or config.control.socket)
        except BadRequest as bad:
            complain(f"{bad.words_zh} / {bad.words_en}", "请更正后再试", "correct it and try again")
            return EXIT_USAGE

    return guarded(work)


def _asked(arguments: argparse.Namespace, path: Path) -> int:
    request = _request(arguments)
    try:
        with ExitStack() as stack:
            file = getattr(arguments, "file", None)
            attachment = stack.enter_context(file.open("rb")).fileno() if file is not None else None
            answer = ask(path, request, attachment)
    except NobodyAnswers as nobody:
        complain(
            f"录制程序没有应答（{path}：{nobody}） / no recorder answers",
            "请确认录制服务正在运行：systemctl status liuhen-recorder",
            "see whether the recorder's service runs: systemctl status liuhen-recorder",
        )
        return EXIT_NOBODY
    return _told(answer, as_json=getattr(arguments, "json", False))


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
    """The request of a command line; asks the person at the terminal for what it lacks. Raises BadRequest."""
    verb = Verb(arguments.verb)
    given = {
        name: value
        for name in ("actor", "text", "ground", "citation", "reported_to", "reported_at", "gap", "step")
        if (value := getattr(arguments, name, None)) is not None
    }
    if verb in _NAMED and not given.get("actor"):
        given["actor"] = _typed("操作人姓名 name of the person who asks：")
    if verb is Verb.STATEMENT and not given.get("text"):
        given["text"] = "已签字的书面说明" if arguments.file is not None else "已向部门负责人报告"
    cause = CAUSES[arguments.cause] if getattr(arguments, "cause", None) else None
    return Request(verb=verb, cause=cause, confirmed=_confirmed(verb, arguments), **given)


_NAMED = {
    Verb.WITHHOLD, Verb.APPROVE, Verb.RESUME, Verb.CONSENT, Verb.CANNOT_RESUME, Verb.STATEMENT, Verb.MAINTENANCE,
}  # fmt: skip


def _confirmed(verb: Verb, arguments: argparse.Namespace) -> bool:
    if verb is not Verb.STOP:
        return bool(getattr(arguments, "speak", False))
    if arguments.yes:
        return True
    if _typed("结束本场次的录制？输入“是”或 yes 确认 end the session? ") in ("是", "yes"):
        return True
    raise BadRequest("没有确认，录制继续", "not confirmed; the recording goes on")


def _typed(question: str) -> str:
    """A line from the person at the terminal. Raises BadRequest where there is nobody."""
    if not sys.stdin.isatty():
        raise BadRequest(
            "请用 --actor 写明操作人；结束录制请加 --yes", "name the person with --actor; to stop, add --yes"
        )
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()
