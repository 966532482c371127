"""`liuhen doctor`: the check before a recording, without disturbing a recorder that runs.

A running recorder is asked for what it alone knows, its sources among it. Where none runs, camera and microphone are
opened here for some seconds and judged, unless something forbids recording (`edge.examination`). Nothing is written.
Exit codes: 0 well or warnings, 1 something blocks, 2 usage.
"""

from __future__ import annotations

import argparse
import json
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import tzinfo
from pathlib import Path
from typing import Any

from edge import config as configuration
from edge.commands.acts import MakeClock, ledger_of, tell
from edge.config import Config
from edge.control_client import NobodyAnswers, ask
from edge.examination import Found, OpenBench, examine
from edge.history import MS_PER_DAY, history
from edge.journal import entries_of
from edge.journal_times import local_time
from edge.ports import Stream
from edge.precheck import MINUTES_PER_HOUR, Facts, Row, blocked, judge
from edge.record_text import record_text
from edge.refusals import EXIT_CLEAN, EXIT_FAULT, guarded
from edge.requests import BadRequest, Request, Verb
from edge.spool import IDENTITY_FILE
from edge.store_examined import Standing
from liuhen.registry import CheckItem, CheckOutcome

SIGNS = {
    CheckOutcome.WELL: "✓ 正常 well",
    CheckOutcome.WARNING: "▲ 注意 warning",
    CheckOutcome.BLOCKING: "✕ 不能录制 BLOCKING",
    CheckOutcome.NOT_FITTED: "－ 未装 not fitted",
    CheckOutcome.NOT_LOOKED_AT: "？ 未查 not looked at",
}
ASK_SECONDS = 5.0
LONGEST_DAYS = 36_600


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], clock: MakeClock, open_bench: OpenBench
) -> None:
    """Describe the command line."""
    parser = commands.add_parser("doctor", help="录前检查 / the check before a recording")
    parser.add_argument("--config", type=Path, metavar="FILE", help="设备配置 / the device's configuration")
    parser.add_argument("--socket", type=Path, metavar="PATH", help="控制套接字 / else the configuration's")
    parser.add_argument("--json", action="store_true", help="以 JSON 输出 / as JSON")
    parser.add_argument("--history", type=_days, metavar="90d", help="导出近来的检查、维护、中止 / what happened since")
    parser.add_argument("--spool", type=Path, metavar="DIR", help="存储目录，用于 --history / the spool of --history")
    parser.set_defaults(work=lambda parsed: run(parsed, clock, open_bench))


def run(arguments: argparse.Namespace, clock: MakeClock, open_bench: OpenBench) -> int:
    """Check and tell."""

    def work() -> int:
        config = configuration.load(arguments.config) if arguments.config is not None else Config()
        if arguments.history is not None:
            root = arguments.spool or config.spool.directory
            since_ms = clock().read().utc_ms - arguments.history * MS_PER_DAY
            return _history(root, since_ms, config.device.zone, as_json=arguments.json)
        status = _status(arguments.socket or config.control.socket)
        found = examine(config, open_bench(config), status)
        rows = judge(facts_of(config, status or {}, found))
        if arguments.json:
            tell(json.dumps([_plain(row) for row in rows], ensure_ascii=False))
        else:
            for line in (line for row in rows for line in _lines(row)):
                tell(line)
            for line in (*_stores(status), *_deadlines(status)):
                tell(line)
        return EXIT_FAULT if blocked(rows) else EXIT_CLEAN

    return guarded(work)


def _days(text: str) -> int:
    """A number of days, as 90d. Raises ArgumentTypeError."""
    number = text.removesuffix("d")
    if not (number.isascii() and number.isdecimal() and 0 < int(number[:6]) <= LONGEST_DAYS):
        raise argparse.ArgumentTypeError(f"{text!r}：请写天数，例如 90d / a number of days, as 90d")
    return int(number)


def _history(root: Path, since_ms: int, zone: tzinfo, *, as_json: bool) -> int:
    ledger_of(root)
    entries = (one for path in sorted((root / "journal").glob("*.cbor")) for one in entries_of(path))
    lines = history(entries, since_ms=since_ms, zone=zone, text=lambda commitment: record_text(root, commitment))
    if as_json:
        tell(json.dumps([asdict(line) for line in lines], ensure_ascii=False))
        return EXIT_CLEAN
    tell(f"时间均为 times are {zone.tzname(None)}")
    for line in lines:
        tell(f"{local_time(line.utc_ms, zone)}  第 {line.seq} 条  {line.words}")
    if not lines:
        tell("没有记录 nothing")
    return EXIT_CLEAN


def _status(path: Path) -> Mapping[str, Any] | None:
    """What a running recorder says of itself, empty where it tells us nothing; None where none answers."""
    try:
        return ask(path, Request(verb=Verb.STATUS), limit_seconds=ASK_SECONDS).facts or {}
    except NobodyAnswers:
        return None
    except BadRequest:
        return {}


def facts_of(config: Config, status: Mapping[str, Any], found: Found) -> Facts:
    """What is known from the recorder (`status`, empty where none runs) and from a look of our own (`found`)."""
    power, guard = status.get("power") or {}, status.get("guard")
    mirror = config.spool.mirror
    key = status.get("key")
    return Facts(
        clock_plausible=found.clock_trusted,
        clock_error_ms=found.clock_error_ms,
        picture=found.sources[Stream.PICTURE],
        sound=found.sources[Stream.SOUND],
        space_minutes=_minutes(config, config.spool.directory),
        minimum_minutes=int(config.spool.minimum_free_hours * MINUTES_PER_HOUR),
        key=key if isinstance(key, bool) else _key_well(config.key),
        power=power.get("state"),
        power_minutes=power.get("minutes_left"),
        power_fitted=config.ups.kind != "none",
        interlock=config.interlock.enabled,
        permit=bool(guard.get("permit")) if isinstance(guard, Mapping) else found.permit,
        mirror_fitted=mirror is not None,
        mirror_minutes=_minutes(config, mirror) if mirror is not None else None,
        milli_celsius=status.get("milli_celsius"),
        temperature_fitted=config.board.enabled,
        hot_milli_celsius=config.board.hot_celsius * 1000,
        store=found.shelf,
        store_waiting=found.store_waiting,
    )


def _minutes(config: Config, directory: Path) -> int | None:
    """How many minutes of media fit; None where there is no spool."""
    try:
        if not (directory / IDENTITY_FILE).is_file():
            return None
        free_bytes = shutil.disk_usage(directory).free
    except OSError:
        return None
    return free_bytes // max(1, config.media_bytes_per_second()) // 60


def _key_well(settings: configuration.Key) -> bool | None:
    """Whether the key's file is there for its owner alone; None for a token, and where its folder hides it from us."""
    if settings.token.module is not None:
        return None
    try:
        found = settings.file.stat()
    except PermissionError:
        return None
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077


def _lines(row: Row) -> tuple[str, ...]:
    item = CheckItem(row.item)
    first = f"{item.words_zh} {item.words_en}：{SIGNS[row.outcome]}"
    return (first, f"    → {row.fix_zh} / {row.fix_en}") if row.fix_zh else (first,)


def _stores(status: Mapping[str, Any] | None) -> Iterator[str]:
    """Each configured store, and what it counts for."""
    offload = (status or {}).get("offload") or {}
    for row in offload.get("stores", ()):
        standing = Standing[row["standing"].upper()]
        sign = "✓" if standing is Standing.FIT else "▲"
        designated = "指定 designated" if row["designated"] else "非指定 not designated"
        # Nothing was promised of a folder, so nothing was found to hold.
        words = f"{standing.words_zh} {standing.words_en}"
        if standing is Standing.FIT and row["url"].startswith("file:"):
            words = "目录，非 WORM not WORM"
        yield f"存储库 store：{sign} {row['url']}（{designated}）{words}"


def _deadlines(status: Mapping[str, Any] | None) -> Iterator[str]:
    """Sessions that are not in the designated store although their time is over: visible until they are."""
    for row in (status or {}).get("deadlines", ()):
        if row["missed"]:
            yield (
                f"入库期限 deadline：第 {row['session']} 场次逾期未入库，余 {row['bytes_left']} 字节 "
                f"session {row['session']} is not stored in time, {row['bytes_left']} bytes are left"
            )


def _plain(row: Row) -> dict[str, Any]:
    return {
        "item": row.item.name.lower(),
        "outcome": row.outcome.name.lower(),
        "measured": row.measured,
        "fix_zh": row.fix_zh,
        "fix_en": row.fix_en,
    }
