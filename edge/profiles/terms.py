"""The deadline rules of `edge.deadlines`, out of a profile's limits. Pure."""

from __future__ import annotations

from edge.deadlines import Rule
from edge.profiles.schema import Limit


def rule_of(limit: Limit, utc_offset_minutes: int, levels: tuple[int, ...] = ()) -> Rule:
    """How a limit after an event is counted. Raises ValueError for one that is counted backwards from its event."""
    if limit.before:
        raise ValueError(f"{limit.words}: counted backwards")
    return Rule(amount=limit.amount, unit=limit.unit, levels=levels, utc_offset_minutes=utc_offset_minutes)
