"""The check before a recording (录前检查): what was measured, judged item by item, and what to do where it is not well.

Pure: facts in, rows out. The rows are those of a `check` entry (FORMAT.md 5.7); the words are the operator's.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from edge.checks import Condition
from liuhen.registry import CheckItem, CheckOutcome

MINUTES_PER_HOUR = 60
HOT_MILLI_CELSIUS = 80_000


class Sight(enum.Enum):
    """How a source was found."""

    WELL = enum.auto()
    ABSENT = enum.auto()
    """It cannot be opened, or delivers nothing."""
    PICTURE_BLACK = enum.auto()
    PICTURE_FROZEN = enum.auto()
    PICTURE_COVERED = enum.auto()
    SOUND_DIGITAL_ZERO = enum.auto()
    SOUND_SILENT = enum.auto()
    SOUND_CLIPPING = enum.auto()
    OFFICIALS_HIDDEN = enum.auto()
    PARTIES_HIDDEN = enum.auto()
    FORBIDDEN = enum.auto()
    """Something forbids recording: nobody looks to see whether it could."""
    UNSEEN = enum.auto()
    """It is configured, and who could tell has not looked or does not answer."""
    NOT_FITTED = enum.auto()

    @classmethod
    def of(cls, standing: frozenset[Condition]) -> Sight:
        """What `edge.checks` says of a stream that does arrive; the gravest where there are several."""
        return cls[min(standing).name] if standing else cls.WELL


class Shelf(enum.Enum):
    """How a central store was found; the gravest first."""

    UNFIT = enum.auto()
    """Its doctor found against it, or what he wrote cannot be read."""
    LATE = enum.auto()
    """Something was not stored in time, or differs from what was signed."""
    SILENT = enum.auto()
    """Nothing is heard of the process that sends."""
    UNREACHABLE = enum.auto()
    UNEXAMINED = enum.auto()
    EXAMINATION_DUE = enum.auto()
    """What its doctor found was long ago; it still counts."""
    WELL = enum.auto()
    NOT_FITTED = enum.auto()

    @classmethod
    def of(cls, *, unfit: bool, late: bool, silent: bool, unreachable: bool, examined: bool, due: bool) -> Shelf:
        """One store."""
        troubles = {cls.UNFIT: unfit, cls.LATE: late, cls.SILENT: silent, cls.UNREACHABLE: unreachable}
        found = [shelf for shelf, holds in troubles.items() if holds]
        seen = cls.EXAMINATION_DUE if due else cls.WELL
        return cls.gravest(*found, seen if examined else cls.UNEXAMINED)

    @classmethod
    def gravest(cls, *shelves: Shelf) -> Shelf:
        """Of several stores, or none."""
        return min(shelves, key=lambda shelf: shelf.value, default=cls.NOT_FITTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A source: how it was found, and what its driver says to do about it where that is known."""

    sight: Sight
    fix_zh: str = ""
    fix_en: str = ""


SEEN_WELL = Seen(sight=Sight.WELL)
NOT_FITTED = Seen(sight=Sight.NOT_FITTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known; None is what could not be asked, or is not fitted where the name says so.

    Space in minutes of media, None where there is no spool; temperature in thousandths of a degree. `key`: whether it
    can be used; None where it cannot be seen. `permit`: the interlock's word. `store_waiting` counts objects.
    """

    clock_plausible: bool
    clock_error_ms: int
    picture: Seen
    sound: Seen
    space_minutes: int | None
    minimum_minutes: int
    key: bool | None = None
    power: str | None = None
    power_fitted: bool = False
    power_minutes: int | None = None
    interlock: bool = False
    permit: bool | None = None
    mirror_minutes: int | None = None
    mirror_fitted: bool = False
    milli_celsius: int | None = None
    temperature_fitted: bool = False
    hot_milli_celsius: int = HOT_MILLI_CELSIUS
    store: Shelf = Shelf.NOT_FITTED
    store_waiting: int = 0


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
    yield _space(facts)
    yield _power(facts)
    yield _key(facts.key)
    yield _interlock(facts)
    yield _store(facts)
    yield _mirror(facts)
    yield _temperature(facts)


def _row(item: CheckItem, measured: int, *, well: bool, worst: CheckOutcome = CheckOutcome.BLOCKING) -> Row:
    if well:
        return Row(item=item, outcome=CheckOutcome.WELL, measured=measured)
    fix_zh, fix_en = FIXES[item]
    return Row(item=item, outcome=worst, measured=measured, fix_zh=fix_zh, fix_en=fix_en)


def _source(item: CheckItem, seen: Seen) -> Row:
    outcome, fix_zh, fix_en = SIGHTS[seen.sight]
    if seen.sight is Sight.ABSENT:
        fix_zh, fix_en = FIXES[item]
    return Row(item=item, outcome=outcome, fix_zh=seen.fix_zh or fix_zh, fix_en=seen.fix_en or fix_en)


def _space(facts: Facts) -> Row:
    minutes = facts.space_minutes
    if minutes is None:
        return Row(item=CheckItem.SPACE, outcome=CheckOutcome.BLOCKING, fix_zh=NO_SPOOL[0], fix_en=NO_SPOOL[1])
    return _row(CheckItem.SPACE, minutes, well=minutes >= facts.minimum_minutes)


def _key(usable: bool | None) -> Row:
    if usable is None:  # every device has one: here only its owner sees it
        return Row(item=CheckItem.KEY, outcome=CheckOutcome.NOT_LOOKED_AT, fix_zh=KEY_UNSEEN[0], fix_en=KEY_UNSEEN[1])
    return _row(CheckItem.KEY, 0, well=usable)


def _store(facts: Facts) -> Row:
    """A store that is not well delays what is sent there and hinders no recording."""
    outcome, fix_zh, fix_en = SHELVES[facts.store]
    return Row(item=CheckItem.STORE, outcome=outcome, measured=facts.store_waiting, fix_zh=fix_zh, fix_en=fix_en)


def _power(facts: Facts) -> Row:
    if facts.power is None:
        return _unread(CheckItem.POWER, fitted=facts.power_fitted)
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


def _temperature(facts: Facts) -> Row:
    milli_celsius = facts.milli_celsius
    if milli_celsius is None:
        return _unread(CheckItem.TEMPERATURE, fitted=facts.temperature_fitted)
    well = milli_celsius < facts.hot_milli_celsius
    return _row(CheckItem.TEMPERATURE, milli_celsius, well=well, worst=CheckOutcome.WARNING)


def _unread(item: CheckItem, *, fitted: bool) -> Row:
    """Configured, and nobody has told its reading: that is no "not fitted"."""
    if not fitted:
        return Row(item=item, outcome=CheckOutcome.NOT_FITTED)
    return Row(item=item, outcome=CheckOutcome.NOT_LOOKED_AT, fix_zh=UNREAD[0], fix_en=UNREAD[1])


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
NO_SPOOL = (
    "没有可用的存储目录，请检查存储盘是否挂载、spool.directory 是否正确，新盘先执行 liuhen spool init",
    "there is no spool: check the mount and spool.directory; prepare a new disk with liuhen spool init",
)
UNREAD = (
    "没有读数：请确认录制程序和 liuhen-sensors 服务正在运行",
    "no reading: see that the recorder and the sensors' service run",
)
KEY_UNSEEN = (
    "此处看不到密钥，请以录制程序的用户执行，或由录制程序检查",
    "the key cannot be seen from here: run this as the recorder's user, or ask the running recorder",
)
SIGHTS: dict[Sight, tuple[CheckOutcome, str, str]] = {
    Sight.WELL: (CheckOutcome.WELL, "", ""),
    Sight.ABSENT: (CheckOutcome.BLOCKING, "", ""),
    Sight.PICTURE_BLACK: (
        CheckOutcome.BLOCKING,
        "画面全黑，请开灯、取下镜头盖",
        "the picture is black: light, lens cap",
    ),
    Sight.PICTURE_FROZEN: (
        CheckOutcome.BLOCKING,
        "画面静止不变，请重新插拔摄像头",
        "the picture is frozen: replug the camera",
    ),
    Sight.PICTURE_COVERED: (CheckOutcome.BLOCKING, "镜头被遮挡，请移开遮挡物", "the lens is covered: clear it"),
    Sight.SOUND_DIGITAL_ZERO: (
        CheckOutcome.BLOCKING,
        "声音全为零，请检查麦克风的静音开关和接线",
        "nothing but zeros: look at the microphone's mute switch and cable",
    ),
    Sight.SOUND_SILENT: (
        CheckOutcome.WARNING,
        "没有听到声音，请对着麦克风说话，再查一次",
        "nothing was heard: speak to the microphone and check again",
    ),
    Sight.SOUND_CLIPPING: (CheckOutcome.WARNING, "声音过大失真，请调低增益", "the sound clips: turn its gain down"),
    Sight.OFFICIALS_HIDDEN: (CheckOutcome.WARNING, "执法人员一侧看不清", "the officials' side cannot be seen"),
    Sight.PARTIES_HIDDEN: (CheckOutcome.WARNING, "当事人一侧看不清", "the parties' side cannot be seen"),
    Sight.FORBIDDEN: (
        CheckOutcome.NOT_LOOKED_AT,
        "现不得记录，未打开设备查看；许可后再查",
        "recording is forbidden now: the device was not opened; check again when it is permitted",
    ),
    Sight.UNSEEN: (
        CheckOutcome.NOT_LOOKED_AT,
        "尚未查看：录制程序占用设备，本次启动后还没有查过；开始录制时会查",
        "not looked at: the recorder has the device and has not looked since it was started; a start does",
    ),
    Sight.NOT_FITTED: (CheckOutcome.NOT_FITTED, "", ""),
}
SHELVES: dict[Shelf, tuple[CheckOutcome, str, str]] = {
    Shelf.WELL: (CheckOutcome.WELL, "", ""),
    Shelf.UNEXAMINED: (
        CheckOutcome.WARNING,
        "存储库未经自检，请执行 liuhen store doctor URL --socket 套接字",
        "the store was never examined: run liuhen store doctor URL --socket PATH",
    ),
    Shelf.EXAMINATION_DUE: (
        CheckOutcome.WARNING,
        "存储库上次自检已久，请再执行 liuhen store doctor URL --socket 套接字；已登记的回执仍作数",
        "the store was examined long ago: run liuhen store doctor URL --socket PATH again; its receipts still count",
    ),
    Shelf.UNFIT: (
        CheckOutcome.WARNING,
        "存储库未通过自检，其回执不作数；请修复后再执行 liuhen store doctor",
        "the store failed its doctor and its receipts count for nothing: mend it and run liuhen store doctor",
    ),
    Shelf.SILENT: (
        CheckOutcome.WARNING,
        "入库进程没有消息，请检查 liuhen-offload 服务；录制不受影响",
        "nothing is heard of the offload process: look at its service; recording is not held up",
    ),
    Shelf.UNREACHABLE: (
        CheckOutcome.WARNING,
        "存储库连接不上，见 liuhen offload status；录制不受影响",
        "the store cannot be reached, see liuhen offload status; recording is not held up",
    ),
    Shelf.LATE: (
        CheckOutcome.WARNING,
        "有内容逾期未入库或与签名不符，见 liuhen offload status",
        "something is late or differs from what was signed, see liuhen offload status",
    ),
    Shelf.NOT_FITTED: (CheckOutcome.NOT_FITTED, "", ""),
}
