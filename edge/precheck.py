"""The check before a recording (录前检查): what was measured, judged item by item, and what to do where it is not well.

Pure: facts in, rows out. The rows are those of a `check` entry (FORMAT.md 5.7); the words are the operator's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from liuhen.registry import CheckItem, CheckOutcome

MINUTES_PER_HOUR = 60
HOT_MILLI_CELSIUS = 80_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known; None is what could not be asked, or is not fitted where the name says so.

    Space in minutes of media, temperature in thousandths of a degree. `picture`, `sound`, `key`: whether it is there
    and can be used; None where it is switched off or cannot be seen. `permit`: the interlock's word.
    """

    clock_plausible: bool
    clock_error_ms: int
    picture: bool | None
    sound: bool | None
    space_minutes: int
    minimum_minutes: int
    key: bool | None = None
    power: str | None = None
    power_minutes: int | None = None
    interlock: bool = False
    permit: bool | None = None
    mirror_minutes: int | None = None
    mirror_fitted: bool = False
    milli_celsius: int | None = None
    hot_milli_celsius: int = HOT_MILLI_CELSIUS


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One item: how it was found, its measure in the item's own unit, and the fix where one is needed."""

    item: CheckItem
    outcome: CheckOutcome
    measured: int = 0
    fix_zh: str = ""
    fix_en: str = ""

    @property
    def entry(self) -> tuple[int, int, int]:
        """The row of a `check` entry."""
        return int(self.item), int(self.outcome), self.measured


def judge(facts: Facts) -> tuple[Row, ...]:
    """Every item, in the order of the registry."""
    return tuple(_rows(facts))


def blocked(rows: tuple[Row, ...]) -> bool:
    """Whether nothing should be recorded before somebody has mended it."""
    return any(row.outcome is CheckOutcome.BLOCKING for row in rows)


def _rows(facts: Facts) -> Iterator[Row]:
    # A wrong clock never forbids a recording: the chain orders it without UTC.
    yield _row(CheckItem.CLOCK, facts.clock_error_ms, well=facts.clock_plausible, worst=CheckOutcome.WARNING)
    yield _source(CheckItem.PICTURE, facts.picture)
    yield _source(CheckItem.SOUND, facts.sound)
    enough = facts.space_minutes >= facts.minimum_minutes
    yield _row(CheckItem.SPACE, facts.space_minutes, well=enough)
    yield _power(facts)
    yield _source(CheckItem.KEY, facts.key)
    yield _interlock(facts)
    yield Row(item=CheckItem.STORE, outcome=CheckOutcome.NOT_FITTED)
    yield _mirror(facts)
    yield _temperature(facts.milli_celsius, facts.hot_milli_celsius)


def _row(item: CheckItem, measured: int, *, well: bool, worst: CheckOutcome = CheckOutcome.BLOCKING) -> Row:
    if well:
        return Row(item=item, outcome=CheckOutcome.WELL, measured=measured)
    fix_zh, fix_en = FIXES[item]
    return Row(item=item, outcome=worst, measured=measured, fix_zh=fix_zh, fix_en=fix_en)


def _source(item: CheckItem, there: bool | None) -> Row:
    return Row(item=item, outcome=CheckOutcome.NOT_FITTED) if there is None else _row(item, 0, well=there)


def _power(facts: Facts) -> Row:
    if facts.power is None:
        return Row(item=CheckItem.POWER, outcome=CheckOutcome.NOT_FITTED)
    low = facts.power in ("LOW", "SILENT_ON_BATTERY")
    worst = CheckOutcome.BLOCKING if low else CheckOutcome.WARNING
    return _row(CheckItem.POWER, facts.power_minutes or 0, well=facts.power == "MAINS", worst=worst)


def _interlock(facts: Facts) -> Row:
    if not facts.interlock:
        return Row(item=CheckItem.INTERLOCK, outcome=CheckOutcome.NOT_FITTED)
    return _row(CheckItem.INTERLOCK, 0, well=facts.permit is True)


def _mirror(facts: Facts) -> Row:
    if not facts.mirror_fitted:
        return Row(item=CheckItem.MIRROR, outcome=CheckOutcome.NOT_FITTED)
    minutes = facts.mirror_minutes
    enough = minutes is not None and minutes >= facts.minimum_minutes
    return _row(CheckItem.MIRROR, minutes or 0, well=enough, worst=CheckOutcome.WARNING)


def _temperature(milli_celsius: int | None, hot_milli_celsius: int) -> Row:
    if milli_celsius is None:
        return Row(item=CheckItem.TEMPERATURE, outcome=CheckOutcome.NOT_FITTED)
    well = milli_celsius < hot_milli_celsius
    return _row(CheckItem.TEMPERATURE, milli_celsius, well=well, worst=CheckOutcome.WARNING)


FIXES: dict[CheckItem, tuple[str, str]] = {
    CheckItem.CLOCK: ("系统时间不可信，请校时；录制不受影响", "set the clock; recording is not held up"),
    CheckItem.PICTURE: ("没有找到摄像头，请检查排线和供电", "no camera; check its cable and supply"),
    CheckItem.SOUND: ("没有找到麦克风，请检查插头", "no microphone; check its plug"),
    CheckItem.SPACE: ("剩余空间不足，请先归档或更换存储盘", "too little space; offload, or use a larger disk"),
    CheckItem.POWER: ("正在用电池或电源无应答，请接通市电并检查不间断电源", "restore mains and look at the UPS"),
    CheckItem.KEY: ("签名密钥不可用，请检查密钥文件及其权限（0600）", "see to the key file and its rights (0600)"),
    CheckItem.INTERLOCK: (
        "联锁不允许录制，确认现场安全后用现场钥匙复位",
        "when the place is safe, reset the interlock",
    ),
    CheckItem.MIRROR: ("镜像盘不可用或将满，请检查；录制不受影响", "see to the mirror; recording is not held up"),
    CheckItem.TEMPERATURE: ("温度过高，请检查通风", "too hot; check that air can flow"),
}
