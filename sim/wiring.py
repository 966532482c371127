"""The pure model of what hangs on the header: loops, keys, lamps, and the relay with its charge pump.

Owns nothing: `rules` says how each pin is connected for a given harness, `settled` what the relay's contact has done by
now, `seen` what a person in front of the lamps has seen. The loops, as an installer wires them:

    supply of NC loop = output `test_nc` (high; low for a test pulse) -- NC contact -- input `loop_nc`
    supply of NO loop (always on) -- NO contact -- input `loop_no`; a third core from output `test_no` through a
    diode to the far end of the NO return lifts `loop_no` for a test pulse although the contact is open

so that a pulse inverts the level that a sound loop shows at rest. Inputs have pull-downs: a broken wire is low.
The relay is on while `permit` is high and `pump` keeps changing; its contact switches camera and microphone. The lamps'
supply lasts while `lamp_pump` keeps changing.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

from sim.pin_page import Rule

NS_PER_MS = 1_000_000
DECAY_NS = 50 * NS_PER_MS
"""How long a charge pump holds after its last change."""
RELEASE_NS = 5 * NS_PER_MS
"""How long a relay's contact needs to open once its coil is without current."""
SIGHT_NS = 2_200 * NS_PER_MS
"""How long a person looks at a lamp before saying what it does."""
_FAST_CHANGES_AT_LEAST = 7
_FEW_CHANGES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Wires:
    """Which GPIO number (BCM) each wire is on; the numbers are the configuration's defaults.

    With `interlock`, camera and microphone get their power through the guard's relay; else it is always there.
    """

    interlock: bool = False
    loop_nc: int = 5
    loop_no: int = 6
    test_nc: int = 12
    test_no: int = 13
    line_fault: int = 19
    reset: int = 20
    permit: int = 16
    pump: int = 26
    drop_all: int = 21
    lamp_red: int = 17
    lamp_green: int = 27
    lamp_yellow: int = 22
    lamp_white: int = 23
    buzzer: int = 24
    lamp_pump: int = 25
    start: int = 7
    stop: int = 8
    mark: int = 9
    explain: int = 10
    withhold: int = 11

    def as_json(self) -> dict[str, int]:
        """Return the fields, for the world's command line."""
        return asdict(self)


class Key(enum.StrEnum):
    """The keys a person can press; each closes its pin to ground. The values are fields of `Wires`."""

    RESET = "reset"
    START = "start"
    STOP = "stop"
    MARK = "mark"
    EXPLAIN = "explain"
    WITHHOLD = "withhold"


class Loop(enum.StrEnum):
    """The two loops. The values are fields of `Wires`."""

    NC = "loop_nc"
    NO = "loop_no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Harness:
    """The state of everything that hangs on the header but the processes' outputs."""

    nc_closed: bool = True
    no_closed: bool = False
    broken: frozenset[Loop] = frozenset()
    shorted: frozenset[Loop] = frozenset()
    crossed: bool = False
    line_fault: bool = False
    pressed: frozenset[Key] = frozenset()


def rules(harness: Harness, wires: Wires) -> dict[int, Rule]:
    """Return how every wired pin is connected now."""
    nc = Rule(wired=True, sources=frozenset({wires.test_nc} if harness.nc_closed else ()))
    no = Rule(wired=True, high=harness.no_closed, sources=frozenset({wires.test_no}))
    nc, no = _damaged(nc, Loop.NC, harness), _damaged(no, Loop.NO, harness)
    if harness.crossed:
        nc = no = Rule(wired=True, high=nc.high or no.high, sources=nc.sources | no.sources)
    connected = {
        wires.loop_nc: nc,
        wires.loop_no: no,
        wires.line_fault: Rule(wired=True, high=not harness.line_fault),
        wires.pump: Rule(quiet=True),
        wires.lamp_pump: Rule(quiet=True),
        wires.test_nc: Rule(quiet=True),
        wires.test_no: Rule(quiet=True),
    }
    for key in Key:
        connected[getattr(wires, key)] = Rule(wired=key in harness.pressed)
    return connected


def _damaged(sound: Rule, loop: Loop, harness: Harness) -> Rule:
    if loop in harness.shorted:
        return Rule(wired=True, high=True)
    if loop in harness.broken:
        return Rule(wired=True)
    return sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """The relay's contact, and CLOCK_BOOTTIME in ns since when."""

    closed: bool = False
    since_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Coil:
    """What drives the relay: the permit output with its last change, and the pump's last change, in ns."""

    permit: bool
    permit_changed_ns: int
    pump_changed_ns: int

    def dead_since_ns(self, now_ns: int) -> int | None:
        """Return since when the coil has been without current, or None while it has some."""
        decayed_ns = self.pump_changed_ns + DECAY_NS
        if not self.permit:
            return min(self.permit_changed_ns, decayed_ns)
        return decayed_ns if now_ns >= decayed_ns else None


def settled(contact: Contact, coil: Coil, now_ns: int) -> Contact:
    """Return the contact now; the time of its opening is exact however late one looks."""
    dead_ns = coil.dead_since_ns(now_ns)
    if not contact.closed:
        return contact if dead_ns is not None else Contact(closed=True, since_ns=now_ns)
    if dead_ns is None or now_ns < dead_ns + RELEASE_NS:
        return contact
    return Contact(closed=False, since_ns=dead_ns + RELEASE_NS)


class Seen(enum.IntEnum):
    """What a person in front of the lamps says they do."""

    DARK = 0
    GREEN = 1
    RED = 2
    RED_SLOW = 3
    YELLOW = 4
    RED_FAST = 5
    WHITE = 6
    WHITE_BLINKING = 7
    CONFUSED = 8
    """Several colours, or no known rhythm: somebody has just changed them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glow:
    """One lamp's history: its changes (CLOCK_BOOTTIME in ns, lit after it), oldest first."""

    changes: Sequence[tuple[int, bool]] = field(default=())

    def since(self, since_ns: int) -> tuple[int, bool]:
        """Return how often it has changed since, and whether it is lit now."""
        changes = sum(at_ns > since_ns for at_ns, _ in self.changes)
        return changes, bool(self.changes) and self.changes[-1][1]


def seen(lamps: Sequence[Glow], powered: bool, now_ns: int) -> Seen:
    """Say what red, green, yellow and white have shown for the last `SIGHT_NS`."""
    if not powered:
        return Seen.DARK
    found = list(_shown(lamps, now_ns))
    if not found:
        return Seen.DARK
    return found[0] if len(found) == 1 else Seen.CONFUSED


def _shown(lamps: Sequence[Glow], now_ns: int) -> Iterator[Seen]:
    steady = (Seen.RED, Seen.GREEN, Seen.YELLOW, Seen.WHITE)
    for number, lamp in enumerate(lamps):
        changes, lit = lamp.since(now_ns - SIGHT_NS)
        if changes == 0 and lit:
            yield steady[number]
        elif changes:
            yield _rhythm(number, changes)


def _rhythm(number: int, changes: int) -> Seen:
    if changes < _FEW_CHANGES:
        return Seen.CONFUSED
    fast = changes >= _FAST_CHANGES_AT_LEAST
    match number:
        case 0:
            return Seen.RED_FAST if fast else Seen.RED_SLOW
        case 3:
            return Seen.CONFUSED if fast else Seen.WHITE_BLINKING
        case _:
            return Seen.CONFUSED
