"""`liuhen offload`: bring what was sealed to the central store, until SIGTERM; `liuhen offload status`: how it stands.

Exit codes: 0 clean or everything is there, 1 something is late, differs, counts for nothing or cannot be sent yet, 2
usage or no store configured, 4 the spool cannot be read, 6 another one runs, or none has run yet.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge import config as configuration
from edge.commands.overrides import add_store, with_spool, with_store
from edge.config import Config
from edge.ending import ending_on_signals
from edge.offload import report
from edge.offload.places import Busy, Places, places_of
from edge.offload.program import Process
from edge.refusals import EXIT_CLEAN, EXIT_FAULT, EXIT_USAGE, complain, guarded
from edge.rules import with_rules

EXIT_RUNNING = 6
STATUS_LIMIT_BYTES = 1 << 20

Say = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was chosen on the command line. `once`: end when there is nothing left that can be done."""

    config: Config
    places: Places
    recorder: Path
    once: bool


MakeOffload = Callable[[Choice, Say], Process]
"""What a composition root offers. Raises SpoolError where the spool is none."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], make: MakeOffload) -> None:
    """Describe the command line."""
    parser = commands.add_parser(
        "offload", help="入库进程：送交中心存储库并回读核对 / bring what is sealed to the central store, read it back"
    )
    _add_choices(parser)
    parser.add_argument(
        "--recorder", type=Path, metavar="SOCKET", help="录制进程的控制套接字，不写则按配置 / else the configuration's"
    )
    parser.add_argument(
        "--once", action="store_true", help="送完现有内容即结束 / end when everything there is now has been sent"
    )
    parser.set_defaults(work=lambda parsed: serve(parsed, make))
    verbs = parser.add_subparsers(dest="verb")
    status = verbs.add_parser("status", help="待入库、期限、速度、预测 / what waits, deadlines, rate, forecast")
    _add_choices(status)
    status.add_argument("--json", action="store_true", help="机器可读 / for a program")
    status.set_defaults(work=show)


def _add_choices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="设备配置 / the device's configuration")
    parser.add_argument(
        "--spool", type=Path, metavar="DIR", help="存储目录，不写则按配置 / else the configuration's spool"
    )
    add_store(parser)


def serve(parsed: argparse.Namespace, make: MakeOffload) -> int:
    """Run the process under a configuration; returns the exit code."""

    def work() -> int:
        config = with_rules(_chosen(parsed))
        if not config.store.every:
            complain(
                "未配置中心存储库 / no store is configured",
                "请在配置中写明 store.url，或使用 --store",
                "set store.url in the configuration, or use --store",
            )
            return EXIT_USAGE
        places = places_of(config.spool.directory)
        recorder = parsed.recorder or config.control.socket
        try:
            places.lock()
            if len(config.store.every) == 1:
                places.second.forget()
            offload = make(Choice(config=config, places=places, recorder=recorder, once=parsed.once), _say)
        except Busy:
            complain(
                "已有入库进程在运行 / another offload process runs",
                "请先结束它；它的状态可用 liuhen offload status 查看",
                "end it first; liuhen offload status says how it stands",
            )
            return EXIT_RUNNING
        with ending_on_signals(offload.stop):
            offload.run(until_done=parsed.once)
        if offload.uncut:
            complain(
                f"日志中有 {offload.uncut} 条尚未分片，没有入库 / {offload.uncut} entries are not cut, so not sent",
                "录制程序在运行时半分钟内会分片；否则请启动一次录制程序，再执行本命令",
                "a recorder that runs cuts them within half a minute; else start it once, then run this again",
            )
            return EXIT_FAULT
        return EXIT_CLEAN

    return guarded(work)


def show(parsed: argparse.Namespace) -> int:
    """Print how it stands; 1 where something is late, differs, counts for nothing or is silent, 6 where none has run.

    As JSON what concerns a second store is in `second`.
    """

    def work() -> int:
        config = _chosen(parsed)
        places = places_of(config.spool.directory)
        first = _told(places)
        if first is None:
            complain(
                f"{places.status}：没有入库状态 / nothing is known of offload",
                "请确认入库进程已启动（liuhen offload）",
                "check that the offload process runs (liuhen offload)",
            )
            return EXIT_RUNNING
        second = _told(places.second)
        told = [first] if second is None else [first, second]
        now_ms = time.time_ns() // 1_000_000
        if parsed.json:
            said = first.plain() | ({} if second is None else {"second": second.plain()})
            sys.stdout.write(json.dumps(said, ensure_ascii=False, sort_keys=True) + "\n")
        else:
            zone = config.device.zone
            sys.stdout.writelines(f"{line}\n" for one in told for line in report.lines(one, now_ms, zone))
        return EXIT_FAULT if any(report.needs_somebody(one, now_ms) for one in told) else EXIT_CLEAN

    return guarded(work)


def _told(places: Places) -> report.Report | None:
    """What the process said last of one store; None where it said nothing that can be read."""
    try:
        with places.status.open("rb") as file:
            return report.parse(file.read(STATUS_LIMIT_BYTES))
    except (OSError, report.BadReport):
        return None


def _chosen(parsed: argparse.Namespace) -> Config:
    config = configuration.load(parsed.config) if parsed.config is not None else Config()
    return with_store(with_spool(config, parsed.spool), parsed.store)


def _say(words_zh: str, words_en: str) -> None:
    try:
        sys.stderr.write(f"offload: {words_zh} | {words_en}\n")
        sys.stderr.flush()
    except OSError:
        return  # nobody reads the log any more; sending goes on
