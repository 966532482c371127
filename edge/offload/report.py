"""What the offload process says of itself: for `liuhen offload status`, for the recorder, for a beacon. Pure.

A report is a JSON object in a file that is replaced whole; whoever reads it says how old it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from edge.journal_times import local_time
from edge.offload.budget import seconds_short
from edge.offload.state import Waiting
from edge.offload.yielding import Reason
from edge.store_examined import Standing
from liuhen import cbor

VERSION = 1
STALE_SECONDS = 15
MINUTES = "%Y-%m-%d %H:%M"
LEVELS_PERCENT = (25, 50, 75, 90)

REASONS_ZH = {
    Reason.RECORDER_QUEUE: "录制队列较长",
    Reason.DISK_PRESSURE: "磁盘繁忙",
    Reason.MEMORY_PRESSURE: "内存紧张",
    Reason.TEMPERATURE: "温度过高",
}
REASONS_EN = {
    Reason.RECORDER_QUEUE: "the recorder's queue is long",
    Reason.DISK_PRESSURE: "the disk is busy",
    Reason.MEMORY_PRESSURE: "memory is short",
    Reason.TEMPERATURE: "too hot",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything at one moment. `fault` is what keeps the store from being used, empty while it answers."""

    utc_ms: int
    url: str
    label_zh: str
    label_en: str
    waiting: Waiting
    bytes_per_second: int
    paused: tuple[Reason, ...] = ()
    fault: str = ""
    standing: str = Standing.FIT.name.lower()
    """What the store counts for (`edge.store_examined.Standing`)."""
    examination_due: bool = False
    """What its doctor found was long ago."""
    wanting: Mapping[str, int] = field(default_factory=dict)
    """Of each disk how many objects were missing or damaged there and were read from the other."""
    reading_on: bool = False
    """The spool is still being looked through: what waits is not all known yet."""

    @property
    def short_seconds(self) -> int | None:
        """By how much the earliest deadline will be missed at this rate, 0 for in time; None: not to be said."""
        due_ms = self.waiting.earliest_due_ms
        if due_ms is None:
            return None
        left = (due_ms - self.utc_ms) / 1000
        short = seconds_short(self.waiting.size, self.bytes_per_second, left)
        return None if short is None else int(short)

    def plain(self) -> dict[str, Any]:
        """As it stands in JSON."""
        said = asdict(self) | {"version": VERSION, "paused": [one.name.lower() for one in self.paused]}
        said["short_seconds"] = self.short_seconds
        said["levels_percent"] = [*LEVELS_PERCENT, 100]
        return said

    def packet(self) -> bytes:
        """The bytes of the status file."""
        return json.dumps(self.plain(), ensure_ascii=False, sort_keys=True).encode()


class BadReport(Exception):
    """A status file that is none."""


def parse(packet: bytes) -> Report:
    """A report's bytes again. Raises BadReport."""
    try:
        said: dict[str, Any] = json.loads(packet)
        waiting = {name: said["waiting"][name] for name in Waiting.__dataclass_fields__}
        waiting["levels"] = tuple(waiting["levels"])
        taken = {name: said[name] for name in Report.__dataclass_fields__}
        taken |= {"waiting": Waiting(**waiting), "paused": tuple(Reason[one.upper()] for one in said["paused"])}
        taken["wanting"] = {str(disk): int(count) for disk, count in said["wanting"].items()}
        Standing[taken["standing"].upper()]
        return Report(**taken)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadReport("not a report of the offload process") from error


def lines(report: Report, now_utc_ms: int, zone: tzinfo) -> Iterator[str]:
    """The status for a person, Chinese with English beside it: what needs somebody first. Times are those of `zone`."""
    waiting = report.waiting
    age = max(0, now_utc_ms - report.utc_ms) // 1000
    if age > STALE_SECONDS:
        yield f"▲ 入库进程已 {age} 秒没有消息，以下为旧状态 / offload silent for {age} s; what follows is old"
    yield f"存储库 store：{report.url}（{report.label_zh} / {report.label_en}）"
    yield from _troubles(report)
    if report.reading_on:
        yield "正在清点存储盘，数目还会增加 / the spool is still being looked through"
    yield f"待入库 waiting：{waiting.objects} 件 objects，{_size(waiting.size)}，其中证明材料 proof {waiting.proof}"
    if waiting.oldest_ms is not None:
        yield f"最早 oldest：{local_time(waiting.oldest_ms, zone, MINUTES)}（{_hours(now_utc_ms - waiting.oldest_ms)}）"
    yield from _deadline(report, now_utc_ms, zone)
    rate = f"{_size(report.bytes_per_second)}/s" if report.bytes_per_second else "尚未测得 not measured yet"
    yield f"速度 rate：{rate}"
    yield f"已入库待登记 kept, receipt not in the journal yet：{waiting.untold}；已登记 receipted：{waiting.receipted}"
    if waiting.differing:
        yield (
            f"▲ {waiting.differing} 件本地内容与签名不符，未入库，请联系维护人员 / "
            f"{waiting.differing} objects differ here from what was signed and were not sent: call maintenance"
        )


def _troubles(report: Report) -> Iterator[str]:
    """What keeps it from being sent, or from counting."""
    standing = Standing[report.standing.upper()]
    if standing is not Standing.FIT:
        yield f"▲ 存储库{standing.words_zh} / {standing.words_en}"
    if report.examination_due:
        yield "▲ 存储库上次自检已久，请再做一次 / examined long ago: run liuhen store doctor … --socket again"
    for disk, count in report.wanting.items():
        yield f"▲ {disk} 上有 {count} 件缺少或损坏，已从另一块盘读取 / {count} objects were read from the other disk"
    if report.fault:
        yield f"▲ 存储端不可用 store cannot be used：{report.fault}"
    for reason in report.paused:
        yield f"暂停传输 paused：{REASONS_ZH[reason]} {REASONS_EN[reason]}"


def _deadline(report: Report, now_utc_ms: int, zone: tzinfo) -> Iterator[str]:
    waiting = report.waiting
    if waiting.earliest_due_ms is None:
        return
    left = waiting.earliest_due_ms - now_utc_ms
    yield f"最近期限 next deadline：{local_time(waiting.earliest_due_ms, zone, MINUTES)}（剩余 left {_hours(left)}）"
    *levels, missed = waiting.levels
    used = "  ".join(f"≥{level}%: {count}" for level, count in zip(LEVELS_PERCENT, levels, strict=True))
    yield f"期限已用 term used：{used}"
    if missed:
        yield f"▲ 已逾期 missed：{missed} 件 objects"
    short = report.short_seconds
    if short is None:
        yield "预测 forecast：速度未知 the rate is not known"
    elif short:
        yield f"▲ 预测 forecast：按目前速度将晚 {_hours(short * 1000)} / too late by so much at this rate"
    else:
        yield "预测 forecast：按目前速度可按期入库 in time at this rate"


def is_late(report: Report) -> bool:
    """Whether a deadline is missed or about to be, or content is missing or differs from what was signed."""
    waiting = report.waiting
    return bool(waiting.levels[-1] or report.short_seconds or waiting.differing or report.wanting)


def needs_somebody(report: Report, now_utc_ms: int) -> bool:
    """Whether a person should look: silence, something late, a store that does not count or is to be examined."""
    silent = now_utc_ms - report.utc_ms > STALE_SECONDS * 1000
    return silent or is_late(report) or report.examination_due or report.standing != Standing.FIT.name.lower()


def beacon_bytes(newest: bytes, report: Report) -> bytes:
    """The object of a beacon (FORMAT.md 12.1): the newest signed entry, and what is said here unsigned."""
    waiting = report.waiting
    said = (waiting.objects, waiting.size, waiting.oldest_ms, waiting.earliest_due_ms, report.bytes_per_second)
    return cbor.encode((VERSION, newest, report.utc_ms, said))


def at_utc(utc_ms: int) -> datetime:
    """A moment of UTC."""
    return datetime.fromtimestamp(utc_ms / 1000, UTC)


def _hours(milliseconds: int) -> str:
    sign, minutes = ("-" if milliseconds < 0 else ""), abs(milliseconds) // 60_000
    return f"{sign}{minutes // 60} h {minutes % 60:02d} min"


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 10**9 else f"{size / 1e6:.1f} MB"
