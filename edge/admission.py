"""Whether a session fits on the disks, and when somebody must hear that they are filling up.

Pure: numbers in, values with words out; CONTROL asks before a session and at each heartbeat. Nothing here, and nothing
that follows from it, ever overwrites or deletes: where nothing more fits, the session stops with its reason.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

SPARE_PERCENT = 25
"""A hearing that was planned for four hours lasts five; the space must too."""
WARNING_LEVELS_MINUTES = (480, 240, 120, 30)
"""A warning at each, once: a working day, half of one, time to change the disk, time to end in order."""
EASED_PERCENT = 10
"""So far above a level space must be again before the level can warn anew."""
FLOOR_SECONDS = 120
"""A session stops, with its reason, while this much media still fits: the end needs room too."""
SECONDS_PER_HOUR = 3600
SECONDS_PER_MINUTE = 60


class Verdict(enum.Enum):
    """What comes of the question before a session."""

    ADMIT = "admit"
    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the disks are asked for: media's bytes per second, the planned hours, the fewest hours to begin with.

    `reserve_bytes` is what the journal's reserve still takes from the free space: 0 where it is held already.
    """

    bytes_per_second: int
    planned_hours: float
    minimum_hours: float
    reserve_bytes: int = 0

    @property
    def wanted_hours(self) -> float:
        """The planned hours and what a hearing usually lasts longer."""
        return self.planned_hours * (100 + SPARE_PERCENT) / 100

    def hours_in(self, free_bytes: int) -> float:
        """How long media can be written to so much free space."""
        return max(0, free_bytes - self.reserve_bytes) / max(1, self.bytes_per_second) / SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The answer: the hours on the roomier disk and on the other (None without one), and the operator's words."""

    verdict: Verdict
    hours: float
    lesser_hours: float | None
    words_zh: str = ""
    words_en: str = ""

    @property
    def minutes(self) -> int:
        """For an entry's `measured`."""
        return int(self.hours * SECONDS_PER_MINUTE)


def admit(plan: Plan, free_bytes: int, mirror_free_bytes: int | None = None) -> Admission:
    """Decide by the roomier disk, for either one alone holds the evidence; warn where the plan does not fit on each.

    A session is refused only below the fewest hours: one that may become short of space is recorded all the same, and
    whoever starts it is told. `mirror_free_bytes` is None without a mirror, or where it is lost.
    """
    hours = sorted((plan.hours_in(free) for free in (free_bytes, mirror_free_bytes) if free is not None), reverse=True)
    most, lesser = hours[0], hours[1] if len(hours) > 1 else None
    if most < plan.minimum_hours:
        return Admission(verdict=Verdict.REFUSE, hours=most, lesser_hours=lesser, **_refused(plan, most))
    if most < plan.wanted_hours:
        return Admission(verdict=Verdict.WARN, hours=most, lesser_hours=lesser, **_short(plan, most))
    if lesser is not None and lesser < plan.wanted_hours:
        return Admission(verdict=Verdict.WARN, hours=most, lesser_hours=lesser, **_one_sided(plan, lesser))
    return Admission(verdict=Verdict.ADMIT, hours=most, lesser_hours=lesser)


def _refused(plan: Plan, hours: float) -> dict[str, str]:
    return {
        "words_zh": f"剩余空间只够录 {hours:.1f} 小时，至少需要 {plan.minimum_hours:g} 小时，不能开始；"
        "请先归档已入库的录像，或更换存储盘",
        "words_en": f"free space holds {hours:.1f} hours, {plan.minimum_hours:g} are required; "
        "offload recordings first, or use a larger disk",
    }


def _short(plan: Plan, hours: float) -> dict[str, str]:
    return {
        "words_zh": f"剩余空间够录 {hours:.1f} 小时，计划 {plan.planned_hours:g} 小时加 {SPARE_PERCENT}% 余量放不下；"
        "可以开始，但请尽快归档录像或准备更换存储盘，空间用尽时会停止并记下原因",
        "words_en": f"free space holds {hours:.1f} hours, less than the planned {plan.planned_hours:g} and "
        f"{SPARE_PERCENT} % more; it can begin, but offload recordings soon: a full disk stops it, with the reason",
    }


def _one_sided(plan: Plan, hours: float) -> dict[str, str]:
    return {
        "words_zh": f"两块存储盘中有一块只够录 {hours:.1f} 小时"
        f"（计划 {plan.planned_hours:g} 小时加 {SPARE_PERCENT}%）；可以开始，届时只剩另一块盘写入，请尽快归档或更换",
        "words_en": f"one of the two disks holds only {hours:.1f} hours (planned {plan.planned_hours:g} and "
        f"{SPARE_PERCENT} %); it can begin, the other disk then goes on alone; offload or replace it soon",
    }


# -- while a session runs ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceWarning:
    """Space fell below a level: an event STORAGE_WARNING with (level in minutes, minutes left)."""

    level_minutes: int
    minutes_left: int

    @property
    def words_zh(self) -> str:
        """For the page and the terminal."""
        return f"存储空间只够再录约 {_in_words_zh(self.minutes_left)}，请归档录像或准备更换存储盘"

    @property
    def words_en(self) -> str:
        """The same in English."""
        return f"space for about {self.minutes_left} more minutes; offload recordings or prepare another disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceEased:
    """There is room above every level again: the warning on the page goes; nothing is journaled."""

    minutes_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceFloor:
    """The floor: the session stops now, recorded as STORAGE_LOW with (free bytes, minutes left)."""

    free_bytes: int
    minutes_left: int


SpaceSaid = SpaceWarning | SpaceEased | SpaceFloor


class SpaceWatch:
    """One for a session: `after` each look at the free space it says what there is to say, each level once."""

    def __init__(
        self,
        *,
        bytes_per_second: int,
        levels_minutes: tuple[int, ...] = WARNING_LEVELS_MINUTES,
        floor_seconds: int = FLOOR_SECONDS,
    ) -> None:
        self._bytes_per_second = max(1, bytes_per_second)
        self._levels = tuple(sorted(levels_minutes))
        self._floor_bytes = floor_seconds * self._bytes_per_second
        self._told: int | None = None
        """The lowest level told since space was last above it."""

    def after(self, free_bytes: int) -> SpaceSaid | None:
        """What there is to say; `free_bytes` is what the roomier live disk has."""
        minutes = free_bytes // self._bytes_per_second // SECONDS_PER_MINUTE
        if free_bytes < self._floor_bytes:
            return SpaceFloor(free_bytes=free_bytes, minutes_left=minutes)
        reached = next((level for level in self._levels if minutes < level), None)
        before, self._told = self._told, self._held(reached, minutes)
        if self._told is not None and (before is None or self._told < before):
            return SpaceWarning(level_minutes=self._told, minutes_left=minutes)
        return SpaceEased(minutes_left=minutes) if before is not None and self._told is None else None

    def _held(self, reached: int | None, minutes: int) -> int | None:
        """The level that stays told: one that space is only just above again does not go."""
        if self._told is None or (reached is not None and reached <= self._told):
            return reached
        above = [level for level in self._levels if level >= self._told and not _clear_of(level, minutes)]
        return above[0] if above else None


def _clear_of(level_minutes: int, minutes: int) -> bool:
    return 100 * minutes >= level_minutes * (100 + EASED_PERCENT)


def _in_words_zh(minutes: int) -> str:
    return f"{minutes} 分钟" if minutes < 2 * SECONDS_PER_MINUTE else f"{minutes // SECONDS_PER_MINUTE} 小时"
