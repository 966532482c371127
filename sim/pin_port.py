"""The world's end of the header: the shared page, the processes on it, the keys being pressed, and the relay.

Owns the page, the connections and the harness, and runs on the world's loop only. What follows from a level is computed
from the times at which the outputs changed, so a world that wakes late still stamps the contact's opening exactly.
"""

from __future__ import annotations

import collections
import heapq
import os
import selectors
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sim.doorway import Doorway
from sim.levers import Reading, Verb
from sim.pin_page import DRIVEN, EDGES, GREETING, PAGE_BYTES, PINS, PinPage
from sim.wiring import (
    DECAY_NS,
    NS_PER_MS,
    RELEASE_NS,
    Coil,
    Contact,
    Glow,
    Harness,
    Key,
    Loop,
    Wires,
    rules,
    seen,
    settled,
)

LONGEST_PRESS_MS = 3_600_000
CHANGES_KEPT = 64
PUMP_LOOK_NS = 10 * NS_PER_MS


class PinPort:
    """Serves the pins to the processes, with the verbs of a person and of a bad wire."""

    def __init__(
        self,
        *,
        selector: selectors.BaseSelector,
        path: Path,
        wires: Wires,
        now_ns: Callable[[], int],
        on_power: Callable[[bool], None],
    ) -> None:
        """Listen on the socket; `on_power` is told when the relay's contact has opened or closed."""
        self._selector = selector
        self._wires = wires
        self._now_ns = now_ns
        self._on_power = on_power
        self._descriptor = os.memfd_create("liuhen-pins", os.MFD_CLOEXEC)
        os.ftruncate(self._descriptor, PAGE_BYTES)
        self._page = PinPage(self._descriptor)
        self._harness = Harness()
        self._contact = Contact(closed=not wires.interlock)
        self._told_powered = self._contact.closed
        self._line_changed_ns = 0
        self._presses: list[tuple[int, int, Key, bool]] = []
        self._bounces = 0
        self._planned = 0
        lamps = (wires.lamp_red, wires.lamp_green, wires.lamp_yellow, wires.lamp_white)
        self._glows = {pin: collections.deque[tuple[int, bool]](maxlen=CHANGES_KEPT) for pin in lamps}
        self._processes: list[socket.socket] = []
        for pin, rule in rules(self._harness, wires).items():
            self._page.connect(pin, rule)
        self._doorway = Doorway(selector, path, self._welcome)

    def board(self) -> dict[Verb, Callable[[int], None]]:
        """Return the levers of the wiring."""
        keys = {Verb(f"press-{key}"): lambda ms, key=key: self._press(key, ms) for key in Key}
        return {
            **keys,
            Verb.BOUNCE: self._bounce,
            Verb.SET_CONTACTS: lambda bits: self._change(nc_closed=bool(bits & 2), no_closed=bool(bits & 1)),
            Verb.BREAK_NC: lambda _: self._change(broken=self._harness.broken | {Loop.NC}),
            Verb.BREAK_NO: lambda _: self._change(broken=self._harness.broken | {Loop.NO}),
            Verb.SHORT_NC: lambda _: self._change(shorted=self._harness.shorted | {Loop.NC}),
            Verb.SHORT_NO: lambda _: self._change(shorted=self._harness.shorted | {Loop.NO}),
            Verb.CROSS_LOOPS: lambda _: self._change(crossed=True),
            Verb.LINE_FAULT: lambda on: self._change(line_fault=bool(on)),
            Verb.MEND_LOOPS: lambda _: self._change(
                broken=frozenset(), shorted=frozenset(), crossed=False, line_fault=False
            ),
        }

    def awaited(self) -> dict[Verb, Callable[[int], bool]]:
        """Return the levers that wait for the wiring."""
        return {
            Verb.AWAIT_CONTACT: lambda closed: self.powered() is bool(closed),
            Verb.AWAIT_LAMP: lambda wanted: self.reading(0).seen == wanted,
        }

    def next_ns(self) -> int | None:
        """Return when `tick` has something to do next, as far as that is known."""
        due = [self._presses[0][0]] if self._presses else []
        if self._wires.interlock and (self._coil().permit or self._contact.closed):
            dead_ns = self._coil().dead_since_ns(self._now_ns())
            if self._contact.closed:
                due.append((self._coil().pump_changed_ns + DECAY_NS if dead_ns is None else dead_ns + RELEASE_NS) + 1)
            else:
                due.append(self._now_ns() + PUMP_LOOK_NS)
        return min(due, default=None)

    def tick(self) -> None:
        """Press and let go what is due, and let the relay do what it does."""
        while self._presses and self._presses[0][0] <= self._now_ns():
            _, _, key, down = heapq.heappop(self._presses)
            held = self._harness.pressed
            self._change(pressed=held | {key} if down else held - {key})
        if self.powered() is not self._told_powered:  # whoever asked in between may have let the contact settle
            self._told_powered = self._contact.closed
            self._on_power(self._told_powered)

    def powered(self) -> bool:
        """Let the relay's contact settle and say whether it is closed; always so where no relay is wired."""
        if not self._wires.interlock:
            return True
        self._contact = settled(self._contact, self._coil(), self._now_ns())
        return self._contact.closed

    def reading(self, last_frame_ns: int) -> Reading:
        """Return what everything does now."""
        now_ns, wires, page = self._now_ns(), self._wires, self._page
        powered = self.powered()
        lit = now_ns < page.changed_ns(wires.lamp_pump) + DECAY_NS
        glows = tuple(Glow(changes=tuple(changes)) for changes in self._glows.values())
        red, green, yellow, white = (lit and page.output(pin) for pin in self._glows)
        return Reading(
            boottime_ns=now_ns,
            line_changed_ns=self._line_changed_ns,
            permit=page.output(wires.permit),
            permit_changed_ns=page.changed_ns(wires.permit),
            pump_changed_ns=page.changed_ns(wires.pump),
            contact_closed=powered,
            contact_since_ns=self._contact.since_ns,
            last_frame_ns=last_frame_ns,
            lamps=(red, green, yellow, white),
            lamps_powered=lit,
            buzzer=lit and page.output(wires.buzzer),
            drop_all=page.output(wires.drop_all),
            seen=seen(glows, lit, now_ns),
        )

    def close(self) -> None:
        """End all connections, stop listening and give the page back."""
        for process in tuple(self._processes):
            self._dismiss(process)
        self._doorway.close()
        self._page.close()
        os.close(self._descriptor)

    # --- the harness -------------------------------------------------------------------------------------------------

    def _change(self, **changes: object) -> None:
        self._harness = replace(self._harness, **changes)  # type: ignore[arg-type] # the callers name its fields
        changed = 0
        for pin, rule in rules(self._harness, self._wires).items():
            before = self._level(pin)
            if self._page.connect(pin, rule) and self._level(pin) is not before:
                changed |= 1 << pin
        now_ns = self._now_ns()
        if not {"pressed"} >= changes.keys():
            self._line_changed_ns = now_ns
        if changed:
            self._tell(EDGES.pack(changed, sum(self._level(pin) << pin for pin in range(PINS)), now_ns))

    def _level(self, pin: int) -> bool:
        """Return an input's level; what is not wired is a key that is not pressed, with a pull-up."""
        return self._page.level(pin, pulled_up=True)

    def _press(self, key: Key, milliseconds: int) -> None:
        self._presses = [planned for planned in self._presses if planned[2] is not key]
        heapq.heapify(self._presses)
        down = milliseconds > 0
        self._plan(self._now_ns(), key, down=down)
        self.tick()
        if down:  # counted from when it is down: a world that is late presses late, never for less
            self._plan(self._now_ns() + min(milliseconds, LONGEST_PRESS_MS) * NS_PER_MS, key, down=False)

    def _plan(self, at_ns: int, key: Key, *, down: bool) -> None:
        """Plan one edge with its bounces."""
        for bounce in range(2 * self._bounces + 1):
            self._planned += 1
            level = down if bounce % 2 == 0 else not down
            heapq.heappush(self._presses, (at_ns + bounce * NS_PER_MS, self._planned, key, level))

    def _bounce(self, times: int) -> None:
        self._bounces = max(0, times)

    def _coil(self) -> Coil:
        wires, page = self._wires, self._page
        return Coil(
            permit=page.output(wires.permit),
            permit_changed_ns=page.changed_ns(wires.permit),
            pump_changed_ns=page.changed_ns(wires.pump),
        )

    # --- the processes -----------------------------------------------------------------------------------------------

    def _welcome(self, process: socket.socket) -> None:
        try:
            socket.send_fds(process, [GREETING], [self._descriptor])
        except OSError:
            process.close()
            return
        self._processes.append(process)
        self._selector.register(process, selectors.EVENT_READ, lambda: self._serve(process))

    def _serve(self, process: socket.socket) -> None:
        try:
            while packet := process.recv(DRIVEN.size):
                if len(packet) == DRIVEN.size:
                    pin, high, changed_ns = DRIVEN.unpack(packet)
                    if pin in self._glows:
                        self._glows[pin].append((changed_ns, bool(high)))
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._dismiss(process)

    def _tell(self, packet: bytes) -> None:
        for process in tuple(self._processes):
            try:
                process.send(packet)
            except BlockingIOError:
                pass  # it does not read, and loses edges as it would to a full queue of the kernel
            except OSError:
                self._dismiss(process)

    def _dismiss(self, process: socket.socket) -> None:
        if process in self._processes:
            self._processes.remove(process)
            self._selector.unregister(process)
            process.close()
