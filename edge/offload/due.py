"""By when an object must be kept, for the order of the queue: never later than the deadline itself. Pure.

The recorder alone says what a deadline is and whether it was met. Here a working day is any day: the queue's order is
by session then still that of the deadlines, and what is shown comes too early rather than too late.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from edge.offload.queue import NO_DEADLINE_MS
from edge.settings_store import Deadline

MS_PER_HOUR = 3_600_000
MS_PER_DAY = 24 * MS_PER_HOUR
MS_PER_MINUTE = 60_000


def due_of(settings: Deadline, utc_offset_minutes: int) -> Callable[[int], int]:
    """UTC ms of what ended to UTC ms by which it must be kept."""
    if settings.amount == 0:
        return lambda _ended_ms: NO_DEADLINE_MS
    if settings.unit == "hours":
        return lambda ended_ms: ended_ms + settings.amount * MS_PER_HOUR
    return partial(_end_of_day, settings.amount, utc_offset_minutes * MS_PER_MINUTE)


def _end_of_day(days: int, offset_ms: int, ended_ms: int) -> int:
    """The end of the local day so many days after that of the end, which itself does not count."""
    day = (ended_ms + offset_ms) // MS_PER_DAY
    return (day + days + 1) * MS_PER_DAY - offset_ms
