"""What an always-on room recorded while nobody was being served: whose eyes it is for, and how long it is kept.

Pure but for the rule books on this machine. Which rules a day was recorded under stands in its session entry as a hash;
where no rule book here has that hash, the strictest answer is taken.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

from edge.profiles import NEUTRAL, ProfileError, available, load_named
from edge.profiles.schema import AccessClass, OutsideVisits
from liuhen.visits import DUTY_STREAM, Day

DAY_MS = 86_400_000
STRICTEST = OutsideVisits(access=AccessClass.CLOSED, keep_days=0, source="")
"""Where the rules of that day are not known here: nobody without an approval, and no term of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The media of one day outside its visits; `kept_until_ms` None where no rule here says."""

    segments: tuple[int, ...]
    needs_approval: bool
    kept_until_ms: int | None


def rules_of(profile_hash: bytes | None) -> OutsideVisits:
    """The rule book with this hash says it; the neutral one where the session names none."""
    if profile_hash is None:
        return load_named(NEUTRAL).outside_visits
    for found in available():
        with contextlib.suppress(ProfileError):
            profile = load_named(found.name)
            if profile.digest == profile_hash:
                return profile.outside_visits
    return STRICTEST


def outside_of(day: Day) -> Outside | None:
    """None for a session that is no always-on day, or is all visits."""
    segments = tuple(segment.number for segment in day.outside()) if day.mode == DUTY_STREAM else ()
    if not segments:
        return None
    rules = rules_of(day.profile_hash)
    until_ms = None
    if rules.keep_days and day.ended_utc_ms is not None:
        until_ms = day.ended_utc_ms + rules.keep_days * DAY_MS
    return Outside(segments=segments, needs_approval=rules.access is AccessClass.CLOSED, kept_until_ms=until_ms)


def within_of(day: Day, numbers: Iterable[str]) -> tuple[frozenset[int], frozenset[bytes]]:
    """The segments that hold media of these visits, and the records that their entries name."""
    wanted = set(numbers)
    visits = [visit for visit in day.all() if visit.number in wanted]
    segments = frozenset(segment.number for visit in visits for segment, _ in day.within(visit))
    return segments, frozenset(commitment for visit in visits for _, commitment in visit.records)
