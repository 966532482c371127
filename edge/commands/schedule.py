"""`liuhen schedule import FILE|show`: the hearings of this room from a calendar, so that one not recorded is noticed.

The calendar is read here, in the person's own process; the recorder gets the strict form of `edge.schedule`. Exit
codes: 0 done, 1 refused, 2 usage or a file that is no calendar, 6 no recorder answers.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edge import config as configuration
from edge.commands.acts import tell
from edge.commands.ctl import put
from edge.config import Config
from edge.journal_times import local_time
from edge.profiles.terms import last_day_before, notice_of_hearing
from edge.refusals import EXIT_CLEAN, EXIT_USAGE, complain, guarded
from edge.requests import Request, Verb
from edge.rules import with_rules
from edge.schedule import Hearing, ScheduleError, to_bytes
from edge.working_days import is_working_day

if TYPE_CHECKING:
    from edge.calendar_file import Appointments


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command line."""
    parser = commands.add_parser("schedule", help="听证日程：应录未录将告警 / hearings to come; one missed is told")
    verbs = parser.add_subparsers(dest="verb", required=True)
    bring = verbs.add_parser("import", help="导入 iCalendar 日程，替换原有的 / take in a calendar, replacing the last")
    show = verbs.add_parser("show", help="只读出日程，不导入 / what a calendar says, without taking it in")
    for one in (bring, show):
        one.add_argument("file", type=Path, metavar="FILE", help="iCalendar 文件（.ics） / the calendar")
        one.add_argument("--config", type=Path, metavar="FILE", help="设备配置 / the device's configuration")
        one.add_argument(
            "--all-rooms", action="store_true", help="地点在别处的也计入 / count what takes place elsewhere, too"
        )
    bring.add_argument("--socket", type=Path, metavar="PATH", help="控制套接字 / the recorder's control socket")
    parser.set_defaults(work=run)


def run(arguments: argparse.Namespace) -> int:
    """Read the calendar, and take it in."""

    def work() -> int:
        config = with_rules(configuration.load(arguments.config)) if arguments.config is not None else Config()
        try:
            found = _read(arguments.file, config, "" if arguments.all_rooms else _room(arguments, config))
        except ScheduleError as error:
            complain(f"{error.words_zh} / {error.words_en}", "请更正日程后再导入", "correct the calendar and try again")
            return EXIT_USAGE
        for hearing in found.here:
            tell(_line(hearing, config))
            for line in _notice(hearing, config):
                tell(line)
        tell(f"共 {len(found.here)} 场 in all")
        if found.elsewhere:
            tell(f"另有 {len(found.elsewhere)} 场的地点不是“{config.device.room}”，不计入；要计入请加 --all-rooms：")
            tell("    take place elsewhere and are not counted; --all-rooms counts them:")
            for hearing in found.elsewhere:
                tell(f"    {_line(hearing, config)}")
        return EXIT_CLEAN if arguments.verb == "show" else _bring(found.here, arguments.socket or config.control.socket)

    return guarded(work)


def _room(arguments: argparse.Namespace, config: Config) -> str:
    """The name of this room, where a configuration gives one."""
    return config.device.room if arguments.config is not None else ""


def _read(path: Path, config: Config, room: str) -> Appointments:
    """Raises ScheduleError."""
    from edge.calendar_file import FILE_LIMIT_BYTES, read_calendar  # noqa: PLC0415 - takes a second to load on a Pi

    try:
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise ScheduleError(f"{path} 读不出（{error.strerror}）", f"{path} cannot be read") from error
    now = datetime.fromtimestamp(time.time(), tz=UTC)
    return read_calendar(content, now=now, utc_offset_minutes=config.device.utc_offset_minutes, room=room)


def _bring(hearings: tuple[Hearing, ...], path: Path) -> int:
    with tempfile.TemporaryFile() as file:
        file.write(to_bytes(hearings))
        file.flush()
        return put(path, Request(verb=Verb.SCHEDULE), file.fileno())


def _line(hearing: Hearing, config: Config) -> str:
    zone = config.device.zone
    begin = local_time(hearing.begin_ms, zone, "%Y-%m-%d %H:%M")
    until = f" – {local_time(hearing.end_ms, zone, '%H:%M')}" if hearing.end_ms > hearing.begin_ms else ""
    return f"{begin}{until}  {hearing.title}"


def _notice(hearing: Hearing, config: Config) -> Iterator[str]:
    """By when the parties are to be told of a penalty hearing, where the rules say so; a warning once that day is over.

    A calendar does not say whether a hearing is one of a penalty, so the line does.
    """
    due = notice_of_hearing(config.rules)
    if due is None:
        return
    limit, source = due
    moments = (hearing.begin_ms / 1000, time.time())
    held, today = (datetime.fromtimestamp(at, tz=config.device.zone).date() for at in moments)
    by, last = f"“{limit.words}”，{source}", last_day_before(limit, held, is_working_day)
    if last is None:
        yield f"    通知期限无法计算：不知道 {held.year} 年的调休安排（{by}） / notice: holidays not known"
    elif last < today:
        yield f"    警告：处罚听证的通知最迟为 {last}，已过（{by}） / warning: too late for its notice"
    else:
        yield f"    处罚听证最迟于 {last} 通知当事人（{by}） / a penalty hearing: tell the parties by"
