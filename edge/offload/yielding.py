"""When sending pauses so that recording is never disturbed. Pure.

A pause begins at once when any measure is over its limit, and ends when all have been below a lower one for a while:
sending that starts and stops with every reading disturbs more than either. What cannot be measured is no reason to
pause: the deadlines run on.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from edge.offload.budget import NS_PER_SECOND

QUIET_NS = 10 * NS_PER_SECOND
EASED = 0.8
"""The share of a limit below which a measure has eased."""


class Reason(enum.Enum):
    """Why sending pauses."""

    RECORDER_QUEUE = enum.auto()
    DISK_PRESSURE = enum.auto()
    MEMORY_PRESSURE = enum.auto()
    TEMPERATURE = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From which on sending pauses. Pressure is PSI `some avg10` in percent (Documentation/accounting/psi.rst)."""

    queue_percent: float = 20.0
    disk_pressure_percent: float = 40.0
    memory_pressure_percent: float = 20.0
    temperature_celsius: float = 78.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is measured now; None where there is nothing to measure it with, or no fresh answer."""

    queue_percent: float | None = None
    disk_pressure_percent: float | None = None
    memory_pressure_percent: float | None = None
    temperature_celsius: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Yielding:
    """Whether sending pauses, and why: the newest reasons. `eased_ns` is since when nothing has been over."""

    reasons: tuple[Reason, ...] = ()
    eased_ns: int | None = None

    @property
    def pausing(self) -> bool:
        """Whether nothing new may be sent."""
        return bool(self.reasons)


def step(yielding: Yielding, look: Look, limits: Limits, at_ns: int) -> Yielding:
    """One look further."""
    over = _over(look, limits, 1.0)
    if over:
        return Yielding(reasons=over)
    if not yielding.pausing:
        return yielding
    if _over(look, limits, EASED):
        return Yielding(reasons=yielding.reasons)
    since = at_ns if yielding.eased_ns is None else yielding.eased_ns
    if at_ns - since >= QUIET_NS:
        return Yielding()
    return Yielding(reasons=yielding.reasons, eased_ns=since)


def _over(look: Look, limits: Limits, share: float) -> tuple[Reason, ...]:
    rows = (
        (Reason.RECORDER_QUEUE, look.queue_percent, limits.queue_percent),
        (Reason.DISK_PRESSURE, look.disk_pressure_percent, limits.disk_pressure_percent),
        (Reason.MEMORY_PRESSURE, look.memory_pressure_percent, limits.memory_pressure_percent),
        (Reason.TEMPERATURE, look.temperature_celsius, limits.temperature_celsius),
    )
    return tuple(reason for reason, measured, limit in rows if measured is not None and measured > limit * share)


def parse_pressure(text: str) -> float | None:
    """`some avg10` of a file below /proc/pressure, in percent; None where it says none."""
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["some"] and len(words) > 1 and words[1].startswith("avg10="):
            try:
                return float(words[1].removeprefix("avg10="))
            except ValueError:
                return None
    return None
