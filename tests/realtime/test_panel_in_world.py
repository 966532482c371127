"""A key pressed in the simulated room becomes one message: world, pin, gpiozero, edges, thread, message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.system_clock import SystemClock
from edge.buttons import MILLISECOND, SECOND, Act, Button, Pressed
from edge.settings_panel import Panel
from sim.levers import Levers, Verb
from sim.pins import WorldPins
from sim.world import World, WorldPlan
from tests.drivers.panel_room import Heard, running_panel

pytestmark = [pytest.mark.realtime, pytest.mark.beside]

SETTINGS = Panel(enabled=True)
LATE_NS = 100 * MILLISECOND
"""How late an edge may be stamped on a machine that does much else; alone it is a few milliseconds."""


@dataclass(frozen=True, kw_only=True)
class Room:
    levers: Levers
    pins: WorldPins


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    folder: Path = tmp_path_factory.mktemp("room")
    with ExitStack() as stack:
        world = World(WorldPlan(socket=folder / "sensor", width=640, height=360))
        stack.callback(world.stop)
        ready = world.start()
        pins = WorldPins(ready.pins)
        stack.callback(pins.close)
        yield Room(levers=stack.enter_context(Levers(ready.control)), pins=pins)


def seen_up(room: Room, heard: Heard) -> None:
    """Until the panel has seen all keys up: it then hears the key 语音说明, pressed again and again."""
    for _ in range(50):
        room.levers.pull(Verb.PRESS_EXPLAIN, 0)
        room.levers.pull(Verb.PRESS_EXPLAIN, 200)
        if heard.comes(lambda: bool(heard.kept), 0.5):
            return
    raise AssertionError("the panel hears no key")


def test_the_configurations_pins_are_where_the_rooms_keys_hang() -> None:
    wires = WorldPlan(socket=Path("/nowhere")).wires
    assert {button.value: number for button, number in SETTINGS.pins().items()} == {
        button.value: getattr(wires, button.value) for button in Button
    }


@pytest.mark.parametrize("bounces", [0, 9])
@pytest.mark.parametrize(
    ("verb", "button"),
    [
        (Verb.PRESS_START, Button.START),
        (Verb.PRESS_MARK, Button.MARK),
        (Verb.PRESS_WITHHOLD, Button.WITHHOLD),
    ],
)
def test_a_key_pressed_in_the_room_is_one_message_at_its_moment(
    verb: Verb, button: Button, bounces: int, room: Room
) -> None:
    heard, clock = Heard(), SystemClock()
    with running_panel(SETTINGS, clock, heard, room.pins):
        seen_up(room, heard)
        room.levers.pull(Verb.BOUNCE, bounces)
        before_ns = clock.boottime_ns()
        room.levers.pull(verb, 300)
        heard.wait_for_act(Act.PRESSED)
        room.levers.pull(verb, 0)
    (act,) = (act for act in heard.of(Pressed) if act.button is not Button.EXPLAIN)
    assert (act.button, act.act) == (button, Act.PRESSED)
    assert before_ns <= act.boottime_ns <= before_ns + LATE_NS + 2 * bounces * MILLISECOND


def test_a_key_held_for_three_seconds_stops_and_one_held_for_two_does_not(room: Room) -> None:
    heard = Heard()
    with running_panel(SETTINGS, SystemClock(), heard, room.pins):
        seen_up(room, heard)
        room.levers.pull(Verb.BOUNCE, 5)
        room.levers.pull(Verb.PRESS_STOP, 2000)
        heard.wait_for_act(Act.LET_GO)
        assert not [act for act in heard.of(Pressed) if act.act is Act.HELD]
        room.levers.pull(Verb.PRESS_STOP, 3500)
        (held,) = heard.wait_for_act(Act.HELD)
    assert held.boottime_ns - held.pressed_ns == 3 * SECOND
