"""By when an object must be kept, for the order of the queue and for what is shown of it. Pure.

The recorder alone says whether a deadline was met; here the same rule orders what waits.
"""

from __future__ import annotations

from collections.abc import Callable

from edge.deadlines import IsWorkingDay, Rule, term_of
from edge.offload.queue import NO_DEADLINE_MS
from edge.settings_store import Deadline


def due_of(settings: Deadline, utc_offset_minutes: int, is_working_day: IsWorkingDay) -> Callable[[int, int], int]:
    """UTC ms of an end, and how far that clock may be off, to UTC ms by which it must be kept."""
    rule = Rule.of(settings, utc_offset_minutes)
    if rule is None:
        return lambda _ended_ms, _error_ms: NO_DEADLINE_MS
    return lambda ended_ms, error_ms: term_of(rule, ended_ms, error_ms, is_working_day).due_ms
