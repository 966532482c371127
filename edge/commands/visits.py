"""`liuhen visit begin|end`: a visit of an always-on room, by queue number; `list|find`: where it stands in the media.

`begin` and `end` ask the recorder that is running, over its control socket; `list` and `find` read a spool or a copy
of one, need no key and change nothing. Exit codes: 0 done, 1 refused or not found, 2 usage, 6 no recorder answers.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from edge import config as configuration
from edge.commands.acts import tell
from edge.commands.ctl import put
from edge.commands.said import Field, add_said, hear
from edge.config import Config
from edge.journal import JournalError, entries_of, file_numbers, file_path
from edge.journal_times import local_time
from edge.refusals import EXIT_CLEAN, EXIT_FAULT, EXIT_USAGE, SpoolError, complain, guarded
from edge.requests import BadRequest, Request, Verb
from liuhen.kinds import Session
from liuhen.registry import VisitEnd, VisitSort
from liuhen.visits import DUTY_STREAM, NUMBER, Day, VisitTold

FIELDS = (Field(name="text", label="说明 a remark"), Field(name="actor"))
SHOWN_SEGMENTS = 3


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command line."""
    parser = commands.add_parser("visit", help="值守：办事号码的开始、结束与查找 / visits of an always-on room")
    verbs = parser.add_subparsers(dest="verb", required=True)
    begin = verbs.add_parser("begin", help="一个号码开始办理；上一号未结束的自动结束 / a visit begins")
    begin.add_argument("number", metavar="NUMBER", help="号码，如 A023 / the queue number")
    begin.add_argument("--interview", action="store_true", help="询问，而不是窗口办事 / an interview, no window visit")
    end = verbs.add_parser("end", help="正在办理的号码结束 / the visit ends")
    for one in (begin, end):
        add_said(one, FIELDS)
        one.add_argument("--socket", type=Path, metavar="PATH", help="控制套接字 / the recorder's control socket")
        one.add_argument("--config", type=Path, metavar="FILE", help="设备配置 / the device's configuration")
    every = verbs.add_parser("list", help="列出办事号码 / list the visits")
    find = verbs.add_parser("find", help="按号码查找录像位置 / where a visit stands in the media")
    find.add_argument("number", metavar="NUMBER", help="号码 / the queue number")
    for one in (every, find):
        one.add_argument("--spool", type=Path, metavar="DIR", help="存储目录或副本，不写则按配置 / a spool or a copy")
        one.add_argument("--config", type=Path, metavar="FILE", help="设备配置 / the device's configuration")
        one.add_argument("--session", type=int, metavar="N", help="只看这一天的场次（序号） / this day's session alone")
    parser.set_defaults(work=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry out one verb."""

    def work() -> int:
        config = configuration.load(arguments.config) if arguments.config is not None else Config()
        try:
            if arguments.verb in ("begin", "end"):
                return _asked(arguments, config)
            number = _number(arguments.number) if arguments.verb == "find" else None
        except BadRequest as bad:
            complain(f"{bad.words_zh} / {bad.words_en}", "请更正后再试", "correct it and try again")
            return EXIT_USAGE
        return _shown(arguments.spool or config.spool.directory, number, arguments.session, config)

    return guarded(work)


def _number(text: str) -> str:
    """Raises BadRequest, which does not repeat what was typed: it may be a name."""
    if not NUMBER.fullmatch(text):
        raise BadRequest(
            "号码须为 1 到 16 个字母、数字或连字符，不能写姓名",
            "a queue number has 1 to 16 letters, digits or hyphens, and is no name",
        )
    return text


def _asked(arguments: argparse.Namespace, config: Config) -> int:
    begins = arguments.verb == "begin"
    said = hear(arguments.said_from, FIELDS, ask_all=arguments.ask)
    request = Request(
        verb=Verb.VISIT_BEGIN if begins else Verb.VISIT_END,
        number=_number(arguments.number) if begins else "",
        interview=bool(begins and arguments.interview),
        text=said.get("text", ""),
        actor=said.get("actor", ""),
    )
    return put(arguments.socket or config.control.socket, request)


# -- reading ----------------------------------------------------------------------------------------------------------


def days_of(root: Path) -> Iterator[Day]:
    """Every session of a spool or copy, folded; its visits are named intervals of it. Raises JournalError.

    Each once: a paper or a hold that a later entry gives an earlier session is no part of its day.
    """
    day: Day | None = None
    directory = root / "journal"
    for number in file_numbers(directory):
        for entry in entries_of(file_path(directory, number)):
            if isinstance(entry.body, Session):
                if day is not None:
                    yield day
                day = Day(id=entry.common.session_id)
            if day is not None and entry.common.session_id == day.id:
                day.accept(entry)
    if day is not None:
        yield day


def _shown(root: Path, number: str | None, ordinal: int | None, config: Config) -> int:
    if not (root / "journal").is_dir():
        raise SpoolError(
            f"{root} 不是存储目录或副本 / is neither a spool nor a copy of one",
            remedy_zh="请用 --spool 写明存储目录",
            remedy_en="name the spool with --spool",
        )
    try:
        found = list(_found(root, number, ordinal))
    except JournalError as error:
        raise SpoolError(
            f"日志无法读取（{error}） / the journal cannot be read",
            remedy_zh="请检查存储盘",
            remedy_en="examine the disk",
        ) from error
    for day, visit in found:
        _tell(day, visit, config)
    if not found:
        tell("没有办事记录 no visits" if number is None else "没有这样的办事号码 no such visit")
    return EXIT_CLEAN if found or number is None else EXIT_FAULT


def _found(root: Path, number: str | None, ordinal: int | None) -> Iterator[tuple[Day, VisitTold]]:
    for day in days_of(root):
        if day.mode != DUTY_STREAM or ordinal not in (None, day.ordinal):
            continue
        for visit in day.all():
            if number in (None, visit.number):
                yield day, visit


def _tell(day: Day, visit: VisitTold, config: Config) -> None:
    zone = config.device.zone
    since = local_time(visit.since_utc_ms, zone)
    until = local_time(visit.until_utc_ms, zone, "%H:%M:%S") if visit.until_utc_ms is not None else "…"
    sort = next((one for one in VisitSort if one == visit.sort), VisitSort.VISIT)
    end = next((one for one in VisitEnd if one == visit.cause), VisitEnd.NOT_ENDED)
    told = "未告知 not told" if visit.told_ms is None else f"{visit.told_ms // 1000} 秒后告知 told"
    tell(f"{visit.number} {sort.words_zh} {sort.words_en}：{since} – {until}，{end.words_zh} {end.words_en}，{told}")
    tell(f"  场次 session {day.ordinal}（{(day.id or b'').hex()[:8]}），日志条目 entry {visit.entry}")
    within = list(day.within(visit))
    for segment, into_ms in within[:SHOWN_SEGMENTS]:
        tell(f"  段 segment {segment.number:06d}.mp4，从 {into_ms / 1000:.1f} 秒起 from second {into_ms / 1000:.1f}")
    if len(within) > SHOWN_SEGMENTS:
        tell(f"  …… 至段 to segment {within[-1][0].number:06d}.mp4，共 {len(within)} 段 in all")
    if day.may_go_on(visit):
        tell("  最新一段还没有写完，写完后再查可见其中的位置 / the newest segment is still being written: look again")
