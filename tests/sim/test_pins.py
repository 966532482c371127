"""The simulated header: levels shared by processes, edges, the relay's contact on its charge pump, lamps read back."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import gpiozero
import pytest

from sim.levers import Levers, LeverStuck, Verb
from sim.libcamera.link import probe
from sim.pins import WorldPins
from sim.wiring import (
    DECAY_NS,
    NS_PER_MS,
    RELEASE_NS,
    Coil,
    Contact,
    Glow,
    Harness,
    Loop,
    Seen,
    Wires,
    rules,
    seen,
    settled,
)
from sim.world import World, WorldPlan

pytestmark = pytest.mark.long

LIMIT_SECONDS = 10.0
WIRES = Wires()
PARKED = Wires(interlock=True)


@contextmanager
def world_with_pins(folder: Path, wires: Wires = WIRES) -> Iterator[tuple[Levers, WorldPins]]:
    world = World(WorldPlan(socket=folder / "sensor", width=640, height=360, wires=wires))
    ready = world.start()
    try:
        with Levers(ready.control) as levers:
            factory = WorldPins(ready.pins)
            try:
                yield levers, factory
            finally:
                factory.close()
    finally:
        world.stop()


# --- the pure model --------------------------------------------------------------------------------------------------


def test_the_contact_opens_a_release_time_after_the_permit_fell_however_late_one_looks() -> None:
    closed = Contact(closed=True, since_ns=0)
    coil = Coil(permit=False, permit_changed_ns=100 * NS_PER_MS, pump_changed_ns=99 * NS_PER_MS)
    assert settled(closed, coil, 104 * NS_PER_MS) == closed
    for late_ms in (105, 200, 10_000):
        assert settled(closed, coil, late_ms * NS_PER_MS) == Contact(closed=False, since_ns=105 * NS_PER_MS)


def test_a_pump_that_stands_still_opens_the_contact_although_the_permit_is_high() -> None:
    closed = Contact(closed=True, since_ns=0)
    coil = Coil(permit=True, permit_changed_ns=0, pump_changed_ns=0)
    assert settled(closed, coil, DECAY_NS - 1).closed
    assert settled(closed, coil, DECAY_NS + RELEASE_NS) == Contact(closed=False, since_ns=DECAY_NS + RELEASE_NS)


def test_one_of_both_is_not_enough_to_close_it() -> None:
    opened = Contact()
    assert settled(opened, Coil(permit=True, permit_changed_ns=0, pump_changed_ns=-DECAY_NS), 1) == opened
    assert settled(opened, Coil(permit=False, permit_changed_ns=0, pump_changed_ns=0), 1) == opened
    assert settled(opened, Coil(permit=True, permit_changed_ns=0, pump_changed_ns=0), 1).closed


@pytest.mark.parametrize(
    ("harness", "at_rest", "nc_pulse", "no_pulse"),
    [
        (Harness(), (True, False), (False, False), (True, True)),
        (Harness(nc_closed=False, no_closed=True), (False, True), (False, True), (False, True)),
        (Harness(broken=frozenset({Loop.NC})), (False, False), (False, False), (False, True)),
        (Harness(broken=frozenset({Loop.NO})), (True, False), (False, False), (True, False)),
        (Harness(shorted=frozenset({Loop.NC})), (True, False), (True, False), (True, True)),
        (Harness(shorted=frozenset({Loop.NO})), (True, True), (False, True), (True, True)),
        (Harness(crossed=True), (True, True), (False, False), (True, True)),
    ],
)
def test_each_wire_fault_shows_in_the_pair_or_in_a_test_pulse(
    harness: Harness, at_rest: tuple[bool, bool], nc_pulse: tuple[bool, bool], no_pulse: tuple[bool, bool]
) -> None:
    connected = rules(harness, WIRES)

    def pair(test_nc: bool, test_no: bool) -> tuple[bool, bool]:
        high = {pin for pin, on in ((WIRES.test_nc, test_nc), (WIRES.test_no, test_no)) if on}
        loops = (connected[WIRES.loop_nc], connected[WIRES.loop_no])
        return loops[0].high or bool(loops[0].sources & high), loops[1].high or bool(loops[1].sources & high)

    assert (pair(True, False), pair(False, False), pair(True, True)) == (at_rest, nc_pulse, no_pulse)


def rhythm(period_ms: int) -> Glow:
    return Glow(changes=[(at * period_ms * NS_PER_MS, at % 2 == 0) for at in range(10_000 // period_ms)])


@pytest.mark.parametrize(
    ("lamps", "what"),
    [
        ({}, Seen.DARK),
        ({0: Glow(changes=[(0, True)])}, Seen.RED),
        ({1: Glow(changes=[(0, True)])}, Seen.GREEN),
        ({2: Glow(changes=[(0, True)])}, Seen.YELLOW),
        ({3: Glow(changes=[(0, True)])}, Seen.WHITE),
        ({0: rhythm(1000)}, Seen.RED_SLOW),
        ({0: rhythm(125)}, Seen.RED_FAST),
        ({3: rhythm(500)}, Seen.WHITE_BLINKING),
        ({0: Glow(changes=[(0, True)]), 3: Glow(changes=[(0, True)])}, Seen.CONFUSED),
        ({0: Glow(changes=[(0, True), (9_000 * NS_PER_MS, False)])}, Seen.CONFUSED),
    ],
)
def test_a_person_tells_the_lamps_apart(lamps: dict[int, Glow], what: Seen) -> None:
    shown = [lamps.get(number, Glow()) for number in range(4)]
    assert seen(shown, True, 9_900 * NS_PER_MS) is what
    assert seen(shown, False, 9_900 * NS_PER_MS) is Seen.DARK


# --- with a world ----------------------------------------------------------------------------------------------------


def test_a_key_pressed_in_the_world_is_pressed_in_this_process_and_bounces(tmp_path: Path) -> None:
    with world_with_pins(tmp_path) as (levers, factory):
        edges: list[bool] = []
        released = threading.Event()

        def changed(level: bool) -> None:
            edges.append(level)
            if len(edges) == 6:
                released.set()

        button = gpiozero.DigitalInputDevice(WIRES.start, pull_up=True, pin_factory=factory)
        button.when_activated = lambda: changed(True)
        button.when_deactivated = lambda: changed(False)
        levers.pull(Verb.BOUNCE, 1)
        levers.pull(Verb.PRESS_START, 60)
        assert released.wait(LIMIT_SECONDS)
        assert edges == [True, False, True, False, True, False]
        assert button.value == 0
        levers.pull(Verb.PRESS_START, 60_000)
        assert button.value == 1
        button.close()


def test_a_loop_is_high_only_while_another_process_feeds_it(tmp_path: Path) -> None:
    with world_with_pins(tmp_path) as (levers, factory):
        loop = gpiozero.DigitalInputDevice(WIRES.loop_nc, pull_up=False, pin_factory=factory)
        assert loop.value == 0
        script = (
            "import sys, gpiozero; from pathlib import Path; from sim.pins import WorldPins;"
            f"feed = gpiozero.DigitalOutputDevice({WIRES.test_nc}, initial_value=True,"
            "pin_factory=WorldPins(Path(sys.argv[1]))); print(flush=True); sys.stdin.read()"
        )
        command = [sys.executable, "-c", script, str(tmp_path / "sensor.pins")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.readline()
            assert loop.value == 1
            levers.pull(Verb.BREAK_NC)
            assert loop.value == 0
            levers.pull(Verb.MEND_LOOPS)
            other.kill()
        assert loop.value == 1, "an output outlives the process that drove it, as on a Pi"
        loop.close()


def test_the_relay_closes_on_permit_and_pump_and_opens_when_the_pump_stops(tmp_path: Path) -> None:
    with world_with_pins(tmp_path, PARKED) as (levers, factory):
        permit = gpiozero.DigitalOutputDevice(PARKED.permit, pin_factory=factory)
        pump = gpiozero.DigitalOutputDevice(PARKED.pump, pin_factory=factory)
        permit.on()
        assert not levers.wiring().contact_closed
        pump.on()
        levers.pull(Verb.AWAIT_CONTACT, 1)
        levers.pull(Verb.AWAIT_CONTACT, 0)
        reading = levers.wiring()
        assert reading.permit
        assert reading.contact_since_ns == reading.pump_changed_ns + DECAY_NS + RELEASE_NS
        permit.close()
        pump.close()


def test_the_camera_has_power_exactly_while_the_contact_is_closed_whoever_looked_at_it_first(tmp_path: Path) -> None:
    with world_with_pins(tmp_path, PARKED) as (levers, factory):
        permit = gpiozero.DigitalOutputDevice(PARKED.permit, pin_factory=factory)
        pump = gpiozero.DigitalOutputDevice(PARKED.pump, pin_factory=factory)
        for _ in range(5):
            assert probe(tmp_path / "sensor") is None
            permit.on()
            pump.toggle()
            while not levers.wiring().contact_closed:  # looks in the middle of the world's turn
                pump.toggle()
            assert probe(tmp_path / "sensor") is not None
            permit.off()
            levers.pull(Verb.AWAIT_CONTACT, 0)
        permit.close()
        pump.close()


def test_a_lamp_is_read_back_and_goes_dark_with_its_supply(tmp_path: Path) -> None:
    with world_with_pins(tmp_path) as (levers, factory):
        lamp = gpiozero.DigitalOutputDevice(WIRES.lamp_red, initial_value=True, pin_factory=factory)
        supply = gpiozero.DigitalOutputDevice(WIRES.lamp_pump, pin_factory=factory)
        supply.on()
        assert levers.wiring().lamps == (True, False, False, False)
        levers.pull(Verb.AWAIT_LAMP, Seen.DARK)
        reading = levers.wiring()
        assert not reading.lamps_powered
        assert reading.lamps == (False, False, False, False)
        lamp.close()
        supply.close()


def test_what_this_library_does_not_do_is_refused(tmp_path: Path) -> None:
    with world_with_pins(tmp_path) as (levers, factory):
        with pytest.raises(gpiozero.PinInvalidBounce):
            gpiozero.DigitalInputDevice(WIRES.start, pull_up=True, bounce_time=0.1, pin_factory=factory)
        with pytest.raises(OSError, match=r".+"):
            WorldPins(tmp_path / "sensor.control")
        with pytest.raises(LeverStuck):
            levers.pull(Verb.SOUND_STOP)


def test_pins_stay_as_they_were_when_the_world_has_ended(tmp_path: Path) -> None:
    world = World(WorldPlan(socket=tmp_path / "sensor", width=640, height=360))
    ready = world.start()
    factory = WorldPins(ready.pins)
    pin = gpiozero.DigitalOutputDevice(WIRES.permit, pin_factory=factory)
    world.kill()
    pin.on()
    assert pin.value == 1
    pin.close()
    factory.close()
    factory.close()


def test_a_press_ends_on_time(tmp_path: Path) -> None:
    with world_with_pins(tmp_path) as (levers, factory):
        pressed, let_go = threading.Event(), threading.Event()
        key = gpiozero.DigitalInputDevice(WIRES.reset, pull_up=True, pin_factory=factory)
        key.when_activated, key.when_deactivated = pressed.set, let_go.set
        began = time.monotonic()
        levers.pull(Verb.PRESS_RESET, 200)
        assert pressed.wait(LIMIT_SECONDS)
        assert let_go.wait(LIMIT_SECONDS)
        assert 0.19 < time.monotonic() - began < 1.0
        key.close()


def test_the_wires_can_be_moved() -> None:
    moved = replace(WIRES, start=18)
    assert moved.start in rules(Harness(), moved)
    assert WIRES.start not in rules(Harness(), moved)
