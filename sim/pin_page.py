"""The copper of the simulated header: one page of shared memory from which every process reads its pins' levels.

Owns the layout, and that of the packets beside it, and nothing else. The world writes the rules, each process writes
the outputs it drives, and a level is computed where it is read: a wire needs no process to carry a level, so a stalled
world delays no pin. Every number is 64 bits wide and aligned, so it is never seen half written.
"""

from __future__ import annotations

import mmap
import struct
import time
from dataclasses import dataclass

GREETING = b"liuhen-pins 1"
EDGES = struct.Struct("<IIQ")
"""World to process: which pins changed, their levels after it, CLOCK_BOOTTIME in ns."""
DRIVEN = struct.Struct("<BBQ")
"""Process to world: an output, its level, CLOCK_BOOTTIME in ns of the change."""
PINS = 28
PAGE_BYTES = 4096
_RULES, _OUTPUTS, _CHANGED = 0, PINS, 2 * PINS
_WIRED, _HIGH, _QUIET = 1 << 62, 1 << 61, 1 << 60
_SOURCES = (1 << PINS) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a pin is connected to.

    Unwired, it follows its own pull resistor. Wired, it is high where `high` (a supply) or one of the outputs in
    `sources` (a set of GPIO numbers) is high. A `quiet` output changes too often to be told to the world each time.
    """

    wired: bool = False
    high: bool = False
    sources: frozenset[int] = frozenset()
    quiet: bool = False

    def number(self) -> int:
        """Return the rule as it stands in the page."""
        sources = sum(1 << pin for pin in self.sources)
        return sources | (_WIRED if self.wired else 0) | (_HIGH if self.high else 0) | (_QUIET if self.quiet else 0)


class PinPage:
    """One mapping of the page. `close` gives it back; nothing else may be called afterwards."""

    def __init__(self, descriptor: int) -> None:
        """Map the page behind the descriptor, which the caller may close."""
        self._memory = mmap.mmap(descriptor, PAGE_BYTES)
        self._numbers = memoryview(self._memory).cast("Q")

    def level(self, pin: int, *, pulled_up: bool) -> bool:
        """Return an input's level now."""
        rule = self._numbers[_RULES + pin]
        if not rule & _WIRED:
            return pulled_up
        if rule & _HIGH:
            return True
        sources = rule & _SOURCES
        while sources:
            lowest = sources & -sources
            if self._numbers[_OUTPUTS + lowest.bit_length() - 1]:
                return True
            sources ^= lowest
        return False

    def connect(self, pin: int, rule: Rule) -> bool:
        """Wire a pin anew (the world only); False when nothing changed."""
        number = rule.number()
        if self._numbers[_RULES + pin] == number:
            return False
        self._numbers[_RULES + pin] = number
        return True

    def is_quiet(self, pin: int) -> bool:
        """Say whether the world looks at this output by itself."""
        return bool(self._numbers[_RULES + pin] & _QUIET)

    def drive(self, pin: int, high: bool) -> int:
        """Drive an output; returns CLOCK_BOOTTIME in ns of the change, or 0 when it already had this level."""
        if bool(self._numbers[_OUTPUTS + pin]) is high:
            return 0
        now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self._numbers[_OUTPUTS + pin] = high
        self._numbers[_CHANGED + pin] = now_ns
        return now_ns

    def output(self, pin: int) -> bool:
        """Return the level an output is driven to; it outlives the process that drove it, as a register does."""
        return bool(self._numbers[_OUTPUTS + pin])

    def changed_ns(self, pin: int) -> int:
        """Return CLOCK_BOOTTIME in ns of an output's last change; 0 before the first."""
        return self._numbers[_CHANGED + pin]

    def close(self) -> None:
        """Unmap."""
        self._numbers.release()
        self._memory.close()
