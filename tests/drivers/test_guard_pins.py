"""The guard's pins over gpiozero: what they read and drive, edges that wake, and one fault for whatever goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.guard_pins import GpioGuardPins
from edge.guard.settings import Interlock, Lamps
from edge.guard.words import Drive, Levels, Light
from edge.ports import HardwareFault
from sim.levers import Levers, Verb
from sim.pins import WorldPins
from sim.wiring import Wires
from sim.world import World, WorldPlan

INTERLOCK = Interlock(enabled=True, line_fault=True, drop_all=True)
LAMPS = Lamps(enabled=True)
REST = Levels(nc=True, no=False, line_sound=True, reset_pressed=False)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Levers]]:
    plan = WorldPlan(
        socket=tmp_path_factory.mktemp("pins") / "sensor", width=640, height=360, wires=Wires(interlock=True)
    )
    running = World(plan)
    ready = running.start()
    with Levers(ready.control) as levers:
        yield ready.pins, levers
    running.stop()


@pytest.fixture
def factory(world: tuple[Path, Levers]) -> Iterator[WorldPins]:
    made = WorldPins(world[0])
    yield made
    made.close()


def test_levels_are_read_and_an_edge_wakes_at_once(world: tuple[Path, Levers], factory: WorldPins) -> None:
    levers, woken = world[1], threading.Event()
    pins = GpioGuardPins(INTERLOCK, LAMPS, woken.set, factory)
    assert pins.read() == REST
    levers.pull(Verb.SET_CONTACTS, 1)
    assert woken.wait(10)
    assert pins.read() == Levels(nc=False, no=True, line_sound=True, reset_pressed=False)
    levers.pull(Verb.SET_CONTACTS, 2)
    levers.pull(Verb.LINE_FAULT, 1)
    levers.pull(Verb.PRESS_RESET, 10_000)
    assert pins.read() == Levels(nc=True, no=False, line_sound=False, reset_pressed=True)
    levers.pull(Verb.PRESS_RESET, 0)
    levers.pull(Verb.MEND_LOOPS)
    pins.close()


def test_outputs_are_driven_and_let_go_of_with_the_relay_off(world: tuple[Path, Levers], factory: WorldPins) -> None:
    levers = world[1]
    pins = GpioGuardPins(INTERLOCK, LAMPS, lambda: None, factory)
    pins.apply(Drive(permit=True, pump=True, drop_all=True, light=Light(red=True, buzzer=True), lamp_pump=True))
    reading = levers.wiring()
    assert (reading.permit, reading.drop_all, reading.lamps[0], reading.buzzer) == (True, True, True, True)
    pins.close()
    pins.close()
    reading = levers.wiring()
    assert (reading.permit, reading.drop_all, reading.lamps[0]) == (False, False, False)


def test_a_test_pulse_shows_on_its_own_loop(factory: WorldPins) -> None:
    pins = GpioGuardPins(INTERLOCK, LAMPS, lambda: None, factory)
    pins.apply(Drive(test_nc=False))
    assert (pins.read().nc, pins.read().no) == (False, False)
    pins.apply(Drive(test_no=True))
    assert (pins.read().nc, pins.read().no) == (True, True)
    pins.close()


def test_what_is_not_wired_reads_as_at_rest_and_is_not_driven(factory: WorldPins) -> None:
    pins = GpioGuardPins(Interlock(), Lamps(), lambda: None, factory)
    pins.apply(Drive(permit=True, pump=True, light=Light(red=True)))
    assert pins.read() == REST
    assert factory.pins == {}
    pins.close()


def test_pins_that_are_taken_are_a_hardware_fault_and_nothing_stays_claimed(factory: WorldPins) -> None:
    first = GpioGuardPins(INTERLOCK, LAMPS, lambda: None, factory)
    with pytest.raises(HardwareFault, match="GPIOPinInUse"):
        GpioGuardPins(INTERLOCK, LAMPS, lambda: None, factory)
    first.close()
    GpioGuardPins(INTERLOCK, LAMPS, lambda: None, factory).close()


def test_a_pin_that_fails_later_is_a_hardware_fault_with_something_to_do(factory: WorldPins) -> None:
    pins = GpioGuardPins(INTERLOCK, LAMPS, lambda: None, factory)
    pins.close()
    with pytest.raises(HardwareFault) as fault:
        pins.read()
    assert fault.value.remedy_zh
    with pytest.raises(HardwareFault):
        pins.apply(Drive(permit=True))
