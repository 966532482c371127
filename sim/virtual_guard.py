"""The real guard in virtual time: its pure core, turned each millisecond on the simulated wiring, and its relay.

Owns no thread and no pins. `look` catches up to the room's time; between two looks nothing on the harness changes, so
the turns are exact although they are made together. What the latch file, the mark in volatile memory and the relay keep
outlives a kill and a boot, as in the world. The recorder hears it through the link's own judgement (`guard_link.hear`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

from edge.guard.core import Lease, Outcome, Rules, State, Turn, begin, step
from edge.guard.lamp import Heard, Wish, heard
from edge.guard.latch import Latch, LatchRecord, found_at_start, mark_bytes
from edge.guard.packets import SaidPacket
from edge.guard.words import NS_PER_MS, NS_PER_SECOND, Drive, Lamp, Levels, Reason
from edge.guard_link import GuardWord, hear, listening
from sim.pin_page import Rule
from sim.wiring import Coil, Contact, Harness, Key, Wires, rules, settled

TURN_NS = NS_PER_MS
WATCHED_BEFORE_NS = 3 * NS_PER_SECOND
"""The guard is up before the recorder: long enough for sound loops and their test pulses to give a permit."""
SAID_EVERY_NS = 100 * NS_PER_MS
DISCREPANCY_NS = 100 * NS_PER_MS
WIRES = Wires(interlock=True)
FIRST_RECORD = LatchRecord(boot_id=bytes(16), tripped=False, reason=Reason.NONE, clean_stop=True)
"""What an earlier guard left that was reset and stopped in order."""


@functools.lru_cache(maxsize=64)
def _connected(harness: Harness) -> dict[int, Rule]:
    return rules(harness, WIRES)


class VirtualGuard:
    """See the module. `harness` is what hangs on the header; change it only right after `look`."""

    def __init__(self, harness: Harness, *, gas: bool) -> None:
        """No boot yet: nothing turns."""
        self.harness = harness
        self.gas_permits = True
        self._gas = gas
        self._record = FIRST_RECORD
        self._mark = b""
        self._boot_id = bytes(16)
        self._state: State | None = None
        self._latch = Latch(tripped=True, reason=Reason.BOOT)
        self._drive = Drive()
        self._now_ns = self._permit_changed_ns = self._pump_changed_ns = self._said_ns = 0
        self._told: Heard | None = None
        self._contact = Contact()
        self._hearing = listening(0)
        self._post: Callable[[GuardWord], None] = lambda _: None
        self._powers: Callable[[bool], None] = lambda _: None

    # -- its life -----------------------------------------------------------------------------------------------------

    def boot(self, boot_id: bytes, now_ns: int, powers: Callable[[bool], None]) -> None:
        """The machine is switched on: memory is gone, the outputs are at rest, the latch file is what it was.

        `powers` is told what the relay does to the supply of camera and microphone.
        """
        self._mark, self._boot_id, self._drive = b"", boot_id, Drive()
        self._now_ns = self._permit_changed_ns = self._pump_changed_ns = now_ns - WATCHED_BEFORE_NS
        self._contact, self._powers = Contact(closed=False, since_ns=self._now_ns), powers
        self.begin(self._now_ns)
        self.look(now_ns)
        powers(self._contact.closed)

    def begin(self, now_ns: int) -> None:
        """The process starts: what it finds in file and mark decides whether it is tripped."""
        self._now_ns = now_ns
        found = found_at_start(self._record, self._mark, self._boot_id, automatic_resume=False)
        self._told = None
        self._remember(found)
        self._drive = replace(self._drive, test_nc=True, test_no=False, permit=False)
        self._state = begin(found, self._levels(), now_ns)

    def kill(self, now_ns: int) -> None:
        """The process dies; its outputs keep their levels, so the pump stands still and the relay drops."""
        self.look(now_ns)
        self._state = None

    def hear_with(self, post: Callable[[GuardWord], None], now_ns: int) -> None:
        """A recorder has connected: it hears this guard's word at once."""
        self._post, self._hearing = post, listening(now_ns)
        self._say(now_ns)

    def want(self, lamp: Lamp, now_ns: int, *, session: bool, durable: int, buzzer: bool) -> None:
        """The recorder's wish."""
        self._told = heard(self._told, Wish(lamp=lamp, session=session, durable=durable, buzzer=buzzer), now_ns)

    # -- its turns ----------------------------------------------------------------------------------------------------

    def look(self, now_ns: int) -> None:
        """Turn up to now, then once with what is read now; the relay follows, and the recorder hears of news."""
        while self._now_ns + TURN_NS < now_ns:
            self._turn(self._now_ns + TURN_NS)
        self._turn(now_ns)

    def _turn(self, now_ns: int) -> None:
        self._now_ns = now_ns
        if self._state is None:
            self._hear(None, now_ns)
        else:
            lease = Lease(permit=self.gas_permits, at_ns=now_ns)
            turn = Turn(levels=self._levels(), on_disk=self._record, told=self._told, lease=lease)
            before = self._state
            self._state, outcome = step(before, turn, now_ns, self._rules)
            self._follow(outcome, now_ns)
        self._relay(now_ns)

    @property
    def _rules(self) -> Rules:
        return Rules(
            interlock=True, discrepancy_ns=DISCREPANCY_NS, gas=self._gas, drop_all=False, boot_id=self._boot_id
        )

    def _follow(self, outcome: Outcome, now_ns: int) -> None:
        if outcome.drive.pump is not self._drive.pump:
            self._pump_changed_ns = now_ns
        if outcome.drive.permit is not self._drive.permit:
            self._permit_changed_ns = now_ns
        self._drive = outcome.drive
        if outcome.latch != self._latch:
            self._remember(outcome.latch)
        news = self._hearing.posted != outcome.said
        if news or now_ns - self._said_ns >= SAID_EVERY_NS:
            self._said_ns = now_ns
            self._hear(SaidPacket(said=outcome.said, number=0, boottime_ns=now_ns), now_ns)

    def _say(self, now_ns: int) -> None:
        self._said_ns = 0
        self.look(now_ns)

    def _hear(self, packet: SaidPacket | None, now_ns: int) -> None:
        self._hearing, messages = hear(self._hearing, packet, now_ns)
        for message in messages:
            self._post(message)

    def _relay(self, now_ns: int) -> None:
        coil = Coil(
            permit=self._drive.permit,
            permit_changed_ns=self._permit_changed_ns,
            pump_changed_ns=self._pump_changed_ns,
        )
        before, self._contact = self._contact, settled(self._contact, coil, now_ns)
        if before.closed is not self._contact.closed:
            self._powers(self._contact.closed)

    def _levels(self) -> Levels:
        connected, high = _connected(self.harness), set()
        if self._drive.test_nc:
            high.add(WIRES.test_nc)
        if self._drive.test_no:
            high.add(WIRES.test_no)

        def level(pin: int) -> bool:
            return connected[pin].high or bool(connected[pin].sources & high)

        return Levels(
            nc=level(WIRES.loop_nc),
            no=level(WIRES.loop_no),
            line_sound=level(WIRES.line_fault),
            reset_pressed=Key.RESET in self.harness.pressed,
        )

    def _remember(self, latch: Latch) -> None:
        """The mark, and a disk that takes it at once."""
        self._latch = latch
        self._mark = mark_bytes(self._boot_id, tripped=latch.tripped)
        self._record = LatchRecord(boot_id=self._boot_id, tripped=latch.tripped, reason=latch.reason, clean_stop=False)
