"""Whether the supervisor may be told that this process is alive: only progress that is on disk says so.

Pure. CONTROL asks once in each of its turns and alone passes the answer on: a CONTROL that stands still feeds nothing,
a WRITER that stands still leaves the counter where it is. No timer and no other thread ever feeds.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Protocol

from edge import settings_upkeep

NS_PER_SECOND = 1_000_000_000


class Supervisor(Protocol):
    """Whoever started this process and ends it when it is wedged. CONTROL calls; nothing waits, nothing is raised."""

    def ready(self, status: str) -> None:
        """The start is over: the device is known, the journal open."""

    def alive(self) -> None:
        """Durable progress was made."""

    def status(self, status: str) -> None:
        """One line for a person."""

    def stopping(self) -> None:
        """The end in order has begun."""


class Duty(enum.Enum):
    """What has to become durable now."""

    MEDIA = enum.auto()
    """A session with a live stream: fragments."""
    JOURNAL = enum.auto()
    """A session without media, withheld, inhibited or with every source lost: signed heartbeats."""
    NOTHING = enum.auto()
    """No session: CONTROL's own turn is the progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One look of CONTROL at what is durable: `fragments` and `entries` count since the start of the process."""

    now_ns: int
    duty: Duty
    fragments: int
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchdog:
    """What was seen last; `since_ns` is when the counter of the present duty last moved, or the duty began."""

    duty: Duty
    fragments: int
    entries: int
    since_ns: int

    @classmethod
    def at_start(cls, now_ns: int) -> Watchdog:
        """Before the first turn."""
        return cls(duty=Duty.NOTHING, fragments=0, entries=0, since_ns=now_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long each counter may stand still before the feeding stops; the supervisor's own limit comes on top.

    `media_ns` is no shorter than the queue of encoded media: a disk that the queue outlasts is slow and no wedge.
    """

    media_ns: int
    journal_ns: int

    @classmethod
    def of(cls, settings: settings_upkeep.Watchdog) -> Limits:
        """As configured."""
        media_ns, journal_ns = settings.media_seconds * NS_PER_SECOND, settings.journal_seconds * NS_PER_SECOND
        return cls(media_ns=media_ns, journal_ns=journal_ns)


def step(watchdog: Watchdog, seen: Progress, limits: Limits) -> tuple[Watchdog, bool]:
    """The watchdog after this look, and whether it may be fed now."""
    moved = seen.duty is not watchdog.duty or _counter(seen) != _counter(watchdog)
    after = replace(
        watchdog,
        duty=seen.duty,
        fragments=seen.fragments,
        entries=seen.entries,
        since_ns=seen.now_ns if moved else watchdog.since_ns,
    )
    return after, seen.now_ns - after.since_ns <= _limit_ns(seen.duty, limits)


def _counter(seen: Progress | Watchdog) -> int:
    match seen.duty:
        case Duty.MEDIA:
            return seen.fragments
        case Duty.JOURNAL:
            return seen.entries
        case Duty.NOTHING:
            return 0


def _limit_ns(duty: Duty, limits: Limits) -> int | float:
    match duty:
        case Duty.MEDIA:
            return limits.media_ns
        case Duty.JOURNAL:
            return limits.journal_ns
        case Duty.NOTHING:
            return float("inf")


# | duty    | feeds while                                     | stops when                                      |
# |---------|-------------------------------------------------|-------------------------------------------------|
# | MEDIA   | a fragment became durable within `media_ns`     | WRITER or the disk stands still; CONTROL does   |
# | JOURNAL | an entry became durable within `journal_ns`     | the journal's disk stands still; CONTROL does   |
# | NOTHING | CONTROL turns                                   | CONTROL stands still                            |
# A duty that begins counts from its beginning, so that a session has its time to its first fragment.
