"""The guard's vocabulary: reasons, lamps, the pair of loops, and what a turn of its loop reads and drives.

Owns nothing. Every value is frozen; times are CLOCK_BOOTTIME in ns.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

NS_PER_MS = 1_000_000
NS_PER_SECOND = 1_000_000_000


class Reason(enum.StrEnum):
    """Why there is no permit, or what a person should look at although there is one."""

    NONE = "NONE"
    BOOT = "BOOT"
    """Another boot ended without a clean stop: a person has to reset."""
    LATCH_UNKNOWN = "LATCH_UNKNOWN"
    """The latch file is missing, unreadable or not durable."""
    TRIPPED = "TRIPPED"
    """The loops asked for it, or left the permit pair too shortly for another diagnosis."""
    OPEN = "OPEN"
    """A wire is broken or a loop has no supply: (open, open), or the line-fault relay says so."""
    SHORT = "SHORT"
    """A loop touches a supply or the other loop: (closed, closed)."""
    DISCREPANT = "DISCREPANT"
    """The loops contradict each other and do not settle."""
    CHATTER = "CHATTER"
    """More than four trips in ten seconds: locked until the loops have been quiet for ten seconds."""
    NO_PULSE = "NO_PULSE"
    """Three test pulses of one loop in a row were not seen."""
    RESET_STUCK = "RESET_STUCK"
    """The reset key has been held for more than ten seconds."""
    GAS = "GAS"
    """The gas detector's permit is missing, stale or withdrawn."""
    STALLED = "STALLED"
    """The guard itself did not run for more than a second, so nobody looked at the loops."""
    RECORDER_SILENT = "RECORDER_SILENT"
    """The recorder is not heard; the permit is not touched by that."""


class Lamp(enum.StrEnum):
    """What the lamps tell people in the room (design language: GA/T 947 colours)."""

    DARK = "dark"
    READY = "ready"
    RECORDING = "recording"
    ATTENTION = "attention"
    ONE_STREAM = "one_stream"
    NOT_RECORDING = "not_recording"
    WITHHELD = "withheld"
    INTERLOCK = "interlock"


class Pair(enum.Enum):
    """The two loops at one moment: (normally closed, normally open), True where current flows."""

    PERMIT = (True, False)
    OFF = (False, True)
    BOTH_OPEN = (False, False)
    BOTH_CLOSED = (True, True)


PAIRS = {pair.value: pair for pair in Pair}


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The inputs as they were read together."""

    nc: bool
    no: bool
    line_sound: bool
    reset_pressed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """Which lamps are lit, and whether the buzzer sounds."""

    red: bool = False
    green: bool = False
    yellow: bool = False
    white: bool = False
    buzzer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """The outputs.

    `permit` and `pump` hold the relay together; `test_nc` and `test_no` are the loops' test feeds (True and False at
    rest); `drop_all` cuts the supply of everything; `lamp_pump` holds the lamps' supply.
    """

    permit: bool = False
    pump: bool = False
    test_nc: bool = True
    test_no: bool = False
    drop_all: bool = False
    light: Light = Light()
    lamp_pump: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One thing a person may want to read in the guard's own log; `pair` is what the loops showed."""

    what: str
    reason: Reason
    pair: Pair
    at_ns: int
