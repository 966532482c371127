"""A press on a pin becomes one message through gpiozero, whatever the contact does and whatever the library loses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory, MockPin

from drivers.panel import EDGES_LIMIT, GpioPanel, panel_fault
from drivers.system_clock import SystemClock
from edge.buttons import MILLISECOND, SECOND, Act, Button, PanelBack, PanelFailed, Pressed
from edge.ports import FaultKind, HardwareFault
from edge.settings_panel import Panel
from tests.drivers.deliveries import SteppedClock
from tests.drivers.panel_room import Heard, Pins, running_panel

SETTINGS = Panel(enabled=True)
START, STOP, MARK = SETTINGS.start_gpio, SETTINGS.stop_gpio, SETTINGS.mark_gpio


@pytest.fixture
def pins() -> Iterator[Pins]:
    pins = Pins()
    yield pins
    pins.factory.reset()


def seen_up(clock: SteppedClock, pins: Pins, heard: Heard) -> None:
    """Let the panel see every button up, a second after the start: a mark has come through."""
    before = len(heard.kept)
    clock.now_ns += SECOND
    pins.down(MARK)
    clock.now_ns += SECOND
    heard.wait_for(lambda: len(heard.kept) > before)
    pins.up(MARK)
    clock.now_ns += SECOND


def test_a_bouncing_press_is_one_act_although_every_bounce_arrives(pins: Pins, monkeypatch: pytest.MonkeyPatch) -> None:
    heard, clock, edges = Heard(), SteppedClock(), list[bool]()
    told = GpioPanel._edge

    def edge(panel: GpioPanel, button: Button, down: bool) -> None:
        edges.append(down)
        told(panel, button, down)

    monkeypatch.setattr(GpioPanel, "_edge", edge)
    with running_panel(SETTINGS, clock, heard, pins.factory):
        clock.now_ns += SECOND
        for _ in range(5):
            pins.down(MARK)
            clock.now_ns += MILLISECOND
            pins.up(MARK)
            clock.now_ns += MILLISECOND
        pins.down(MARK)
        pressed_ns = clock.now_ns
        clock.now_ns += SECOND
        (act,) = heard.wait_for_act(Act.PRESSED)
        pins.up(MARK)
    assert edges == [True, False] * 6
    assert heard.kept == [Pressed(button=Button.MARK, act=act.act, boottime_ns=pressed_ns, pressed_ns=pressed_ns)]


def test_a_press_bears_the_moment_of_its_edge_and_not_of_its_delivery(pins: Pins) -> None:
    heard, clock = Heard(), SteppedClock()
    with running_panel(SETTINGS, clock, heard, pins.factory):
        seen_up(clock, pins, heard)
        pressed_ns = clock.now_ns
        pins.down(START)
        clock.now_ns += 700 * MILLISECOND
        heard.wait_for(lambda: len(heard.of(Pressed)) == 2)
        pins.up(START)
    assert heard.of(Pressed)[1] == Pressed(
        button=Button.START, act=Act.PRESSED, boottime_ns=pressed_ns, pressed_ns=pressed_ns
    )


def test_stop_is_told_while_it_is_still_held(pins: Pins) -> None:
    heard, clock = Heard(), SteppedClock()
    with running_panel(SETTINGS, clock, heard, pins.factory):
        seen_up(clock, pins, heard)
        pins.down(STOP)
        clock.now_ns += SECOND // 2
        heard.wait_for_act(Act.HOLDING)
        assert not [act for act in heard.of(Pressed) if act.act is Act.HELD]
        clock.now_ns += 3 * SECOND
        (held,) = heard.wait_for_act(Act.HELD)
        assert held.boottime_ns - held.pressed_ns == 3 * SECOND


def test_a_button_held_at_the_start_is_ignored_then_told_stuck_then_told_free(pins: Pins) -> None:
    heard, clock = Heard(), SteppedClock()
    pins.factory.pin(MARK)._set_pull = lambda _: None  # a key that is held wins against the pull-up
    pins.down(MARK)
    with running_panel(SETTINGS, clock, heard, pins.factory):
        clock.now_ns += 11 * SECOND
        heard.wait_for_act(Act.STUCK)
        pins.up(MARK)
        clock.now_ns += SECOND
        heard.wait_for_act(Act.FREE)
        pins.down(MARK)
        clock.now_ns += SECOND
        heard.wait_for_act(Act.PRESSED)
    assert [act.act for act in heard.of(Pressed)] == [Act.STUCK, Act.FREE, Act.PRESSED]


class DeafPin(MockPin):  # type: ignore[misc] # gpiozero has no types
    """A pin whose library never tells of an edge; it counts how often its level is read."""

    looks = 0
    looked = threading.Condition()

    def _call_when_changed(self) -> None:
        pass

    def _get_state(self) -> bool:
        with self.looked:
            type(self).looks += 1
            self.looked.notify_all()
        return bool(super()._get_state())

    @classmethod
    def await_looks(cls) -> None:
        """Until every button has been looked at twice more."""
        with cls.looked:
            wanted = cls.looks + 2 * len(SETTINGS.pins())
            assert cls.looked.wait_for(lambda: cls.looks >= wanted, 10)


def test_a_press_whose_edges_were_lost_is_still_found() -> None:
    heard, pins, clock = Heard(), Pins(), SteppedClock()
    pins.factory = MockFactory(pin_class=DeafPin)
    with running_panel(SETTINGS, clock, heard, pins.factory):
        clock.now_ns += SECOND
        DeafPin.await_looks()
        pins.down(MARK)
        DeafPin.await_looks()
        clock.now_ns += SECOND
        heard.wait_for_act(Act.PRESSED)
        pins.up(MARK)
    assert [act.button for act in heard.of(Pressed)] == [Button.MARK]


def test_a_flood_of_edges_blocks_no_callback_and_costs_no_later_press(pins: Pins) -> None:
    let_go, blocked = threading.Event(), threading.Event()
    heard, clock = Heard(), SteppedClock()

    def deliver(message: Any) -> None:
        heard(message)
        blocked.set()
        let_go.wait(10)

    panel = GpioPanel(SETTINGS, clock=clock, deliver=deliver, pin_factory=pins.factory)
    panel.start()
    try:
        clock.now_ns += SECOND
        pins.down(MARK)
        clock.now_ns += SECOND
        assert blocked.wait(10)  # the panel's thread is held up; the callbacks must not be
        for _ in range(2 * EDGES_LIMIT):
            pins.up(MARK)
            pins.down(MARK)
        pins.up(MARK)
        let_go.set()
        clock.now_ns += SECOND
        pins.down(START)
        heard.wait_in_passing_time(clock, lambda: Button.START in {act.button for act in heard.of(Pressed)})
        pins.up(START)
    finally:
        let_go.set()
        panel.stop(10)


class SickPin(MockPin):  # type: ignore[misc] # gpiozero has no types
    """A pin that can stop answering."""

    sick = False

    def _get_state(self) -> bool:
        if type(self).sick:
            raise OSError(5, "Input/output error")
        return bool(super()._get_state())


def test_pins_that_cannot_be_read_are_told_once_and_told_again_when_they_can() -> None:
    heard, pins = Heard(), Pins()
    pins.factory = MockFactory(pin_class=SickPin)
    SickPin.sick, clock = False, SteppedClock()
    with running_panel(SETTINGS, clock, heard, pins.factory):
        SickPin.sick = True
        heard.wait_for(lambda: bool(heard.of(PanelFailed)))
        SickPin.sick = False
        heard.wait_for(lambda: bool(heard.of(PanelBack)))
        seen_up(clock, pins, heard)
    assert heard.of(Pressed)[-1].act is Act.PRESSED
    (told,) = heard.of(PanelFailed)
    assert told.fault.device == "panel"
    assert "Input/output" in told.fault.what


def test_a_pin_that_is_taken_is_a_hardware_fault_and_no_other_pin_stays_claimed(pins: Pins) -> None:
    taken = gpiozero.DigitalInputDevice(MARK, pull_up=True, pin_factory=pins.factory)
    panel = GpioPanel(SETTINGS, clock=SystemClock(), deliver=Heard(), pin_factory=pins.factory)
    with pytest.raises(HardwareFault) as fault:
        panel.start()
    assert (fault.value.device, fault.value.kind) == ("panel", FaultKind.BUSY)
    taken.close()
    panel.start()
    panel.stop(10)
    panel.stop(10)


class StuckPin(MockPin):  # type: ignore[misc] # gpiozero has no types
    """A pin whose library does not come back."""

    let_go = threading.Event()

    def _set_pull(self, value: str) -> None:
        type(self).let_go.wait(10)
        super()._set_pull(value)


def test_a_library_that_does_not_return_holds_nobody_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.panel.CLAIM_SECONDS", 0.05)
    StuckPin.let_go.clear()
    panel = GpioPanel(SETTINGS, clock=SystemClock(), deliver=Heard(), pin_factory=MockFactory(pin_class=StuckPin))
    with pytest.raises(HardwareFault, match="took longer"):
        panel.start()
    StuckPin.let_go.set()


def test_a_reader_that_does_not_return_holds_the_stop_no_longer_than_its_limit(pins: Pins) -> None:
    let_go, blocked = threading.Event(), threading.Event()

    def deliver(_: Any) -> None:
        blocked.set()
        let_go.wait(10)

    clock = SteppedClock()
    panel = GpioPanel(SETTINGS, clock=clock, deliver=deliver, pin_factory=pins.factory)
    panel.start()
    clock.now_ns += SECOND
    pins.down(MARK)
    clock.now_ns += SECOND
    assert blocked.wait(10)
    with pytest.raises(HardwareFault, match="did not end"):
        panel.stop(0.05)
    let_go.set()


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (gpiozero.GPIOPinInUse("pin 7 is already in use"), FaultKind.BUSY),
        (OSError("'GPIO busy'"), FaultKind.BUSY),
        (gpiozero.BadPinFactory("Unable to load any default pin factory!"), FaultKind.ABSENT),
        (ImportError("No module named gpiozero"), FaultKind.ABSENT),
        (PermissionError(13, "Permission denied"), FaultKind.OTHER),
    ],
    ids=lambda value: getattr(value, "name", type(value).__name__),
)
def test_what_the_library_says_becomes_words_for_a_person(failure: Exception, kind: FaultKind) -> None:
    fault = panel_fault(failure)
    assert (fault.device, fault.kind) == ("panel", kind)
    assert str(failure) in fault.what
    assert fault.remedy_zh.startswith(("按钮", "没有"))
