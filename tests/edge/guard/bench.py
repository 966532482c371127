"""The guard's pure core on the simulated wiring in virtual time: a turn each millisecond, or when the test says so."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace

from edge.guard.core import Lease, Outcome, Rules, State, Turn, begin, step
from edge.guard.lamp import Heard, Wish, heard
from edge.guard.latch import Latch, LatchRecord
from edge.guard.words import NS_PER_MS, Drive, Happened, Lamp, Levels, Pair, Reason
from sim.pin_page import Rule
from sim.wiring import Coil, Contact, Harness, Key, Wires, rules, settled

BOOT_ID = bytes(range(16))
RULES = Rules(interlock=True, discrepancy_ns=100 * NS_PER_MS, gas=False, drop_all=False, boot_id=BOOT_ID)
CLEAR = Latch(tripped=False, reason=Reason.NONE)
TRIPPED = Latch(tripped=True, reason=Reason.BOOT)
WIRES = Wires(interlock=True)
PRESS_MS = 300
CONTACTS = {
    Pair.PERMIT: (True, False),
    Pair.OFF: (False, True),
    Pair.BOTH_OPEN: (False, False),
    Pair.BOTH_CLOSED: (True, True),
}


@functools.lru_cache(maxsize=64)
def _rules(harness: Harness) -> dict[int, Rule]:
    return rules(harness, WIRES)


def on_disk(latch: Latch) -> LatchRecord:
    return LatchRecord(boot_id=BOOT_ID, tripped=latch.tripped, reason=latch.reason, clean_stop=False)


@dataclass(slots=True, kw_only=True)
class Bench:
    """One guard on one harness; `disk_works` lets every latch be durable at once."""

    rules: Rules = RULES
    latch: Latch = CLEAR
    harness: Harness = field(default_factory=Harness)
    told: Heard | None = None
    lease: Lease | None = None
    disk_works: bool = True
    now_ns: int = 10**12
    state: State | None = None
    drive: Drive = field(default_factory=Drive)
    disk: LatchRecord | None = None
    pump_changed_ns: int = -(10**12)
    permit_changed_ns: int = 0
    contact: Contact = field(default_factory=Contact)
    happened: list[Happened] = field(default_factory=list)
    last: Outcome | None = None

    def __post_init__(self) -> None:
        self.disk = on_disk(self.latch) if self.disk_works else None
        self.turn(0)

    def levels(self) -> Levels:
        connected = _rules(self.harness)
        high = {WIRES.test_nc} if self.drive.test_nc else set()
        high |= {WIRES.test_no} if self.drive.test_no else set()

        def level(pin: int) -> bool:
            rule: Rule = connected[pin]
            return rule.high or bool(rule.sources & high)

        return Levels(
            nc=level(WIRES.loop_nc),
            no=level(WIRES.loop_no),
            line_sound=level(WIRES.line_fault),
            reset_pressed=Key.RESET in self.harness.pressed,
        )

    def turn(self, after_ns: int = NS_PER_MS) -> Outcome:
        self.now_ns += after_ns
        levels = self.levels()
        if self.state is None:
            self.state = begin(self.latch, levels, self.now_ns)
        said = Turn(levels=levels, on_disk=self.disk, told=self.told, lease=self.lease)
        self.state, outcome = step(self.state, said, self.now_ns, self.rules)
        if outcome.drive.pump is not self.drive.pump:
            self.pump_changed_ns = self.now_ns
        if outcome.drive.permit is not self.drive.permit:
            self.permit_changed_ns = self.now_ns
        self.drive, self.last = outcome.drive, outcome
        coil = Coil(
            permit=self.drive.permit,
            permit_changed_ns=self.permit_changed_ns,
            pump_changed_ns=self.pump_changed_ns,
        )
        self.contact = settled(self.contact, coil, self.now_ns)
        if self.disk_works:
            self.disk = on_disk(outcome.latch)
        self.happened += outcome.happened
        return outcome

    def run(self, milliseconds: int) -> Outcome:
        outcome = self.last or self.turn(0)
        for _ in range(milliseconds):
            outcome = self.turn()
        return outcome

    def set(self, pair: Pair) -> None:
        nc, no = CONTACTS[pair]
        self.harness = replace(self.harness, nc_closed=nc, no_closed=no)

    def wire(self, **changes: object) -> None:
        self.harness = replace(self.harness, **changes)  # type: ignore[arg-type]

    def press(self, milliseconds: int = PRESS_MS) -> Outcome:
        self.wire(pressed=frozenset({Key.RESET}))
        self.run(milliseconds)
        self.wire(pressed=frozenset())
        return self.run(40)

    def wish(self, lamp: Lamp, durable: int, *, session: bool = True, buzzer: bool = False) -> None:
        wish = Wish(lamp=lamp, session=session, durable=durable, buzzer=buzzer)
        self.told = heard(self.told, wish, self.now_ns)

    def permit(self) -> bool:
        return self.drive.permit

    def reason(self) -> Reason:
        assert self.last is not None
        return self.last.said.reason

    def latched(self) -> Latch:
        assert self.state is not None
        return self.state.latch


def permitted(**changes: object) -> Bench:
    """A bench whose permit has just been given."""
    bench = Bench(**changes)  # type: ignore[arg-type]
    bench.run(1100)
    assert bench.permit()
    return bench
