"""CONTROL's own pulse: feeds the supervisor while durable progress earns it, and notices that CONTROL stood still.

CONTROL's thread alone calls, once in each turn; there is no timer that could feed for it. Touches no disk.
"""

from __future__ import annotations

from edge import settings_upkeep, watchdog
from edge.mishaps import wedged_ms
from edge.ports import Clock
from edge.watchdog import Duty, Limits, Progress, Supervisor, Watchdog


class Feeding:
    """One for the life of the process."""

    def __init__(self, supervisor: Supervisor, settings: settings_upkeep.Watchdog, clock: Clock) -> None:
        """Count from now."""
        self._supervisor = supervisor
        self._limits = Limits.of(settings)
        self._turn_ns = settings.turn_seconds * watchdog.NS_PER_SECOND
        self._clock = clock
        self._before_ns = clock.boottime_ns()
        self._watchdog = Watchdog.at_start(self._before_ns)

    def turn(self, duty: Duty, *, fragments: int, entries: int) -> int | None:
        """Feed if it is earned; returns how many ms the turn before took, where that is PROCESS_WEDGED."""
        now_ns = self._clock.boottime_ns()
        stood_still_ms = wedged_ms(self._before_ns, now_ns, self._turn_ns)
        self._before_ns = now_ns
        seen = Progress(now_ns=now_ns, duty=duty, fragments=fragments, entries=entries)
        self._watchdog, earned = watchdog.step(self._watchdog, seen, self._limits)
        if earned:
            self._supervisor.alive()
        return stood_still_ms
