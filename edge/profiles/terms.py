"""The deadline rules of `edge.deadlines`, out of a profile's limits; and the last day of what is due before an event.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from edge.deadlines import Rule
from edge.profiles.schema import Limit, Profile, Trigger, Unit

A_DAY = timedelta(days=1)


def rule_of(limit: Limit, utc_offset_minutes: int, levels: tuple[int, ...] = ()) -> Rule:
    """How a limit after an event is counted. Raises ValueError for one that is counted backwards from its event."""
    if limit.before:
        raise ValueError(f"{limit.words}: counted backwards")
    return Rule(amount=limit.amount, unit=limit.unit, levels=levels, utc_offset_minutes=utc_offset_minutes)


def last_day_before(limit: Limit, event: date, is_working_day: Callable[[date], bool | None]) -> date | None:
    """The last day on which it is in time: seven days before the 10th is the 3rd, and the event's day never counts.

    None where working days are counted and no arrangement of holidays is known for one of them. Raises ValueError for a
    limit after its event, or one in hours.
    """
    if not limit.before or limit.unit is Unit.HOURS:
        raise ValueError(f"{limit.words}: not counted backwards in days")
    if limit.unit is Unit.DAYS:
        return event - limit.amount * A_DAY
    day, left = event, limit.amount
    while left:
        day -= A_DAY
        worked = is_working_day(day)
        if worked is None:
            return None
        left -= worked
    return day


def notice_of_hearing(profile: Profile) -> tuple[Limit, str] | None:
    """How long before a hearing the parties are told of it, and the row that says so; None where no row does."""
    for item in profile.items:
        if item.limit is not None and item.limit.trigger is Trigger.HEARING_HELD and item.limit.before:
            return item.limit, item.source
    return None
