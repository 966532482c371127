"""The guard's pins over gpiozero, and nothing else of it: levels in, levels out, edges that wake.

Every error of gpiozero or of the library below it becomes a `HardwareFault`, after which the guard ends: its pump stops
and the relay drops by itself. gpiozero calls `wake` on a thread of its own at every edge of an input; it must not wait.
Runs on gpiozero's lgpio factory on a Pi; that has not yet been tried on one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gpiozero import DigitalInputDevice, DigitalOutputDevice

from edge.guard.settings import Interlock, Lamps
from edge.guard.words import Drive, Levels, Light
from edge.ports import HardwareFault

DEVICE = "guard pins"
LIGHTS = ("red", "green", "yellow", "white", "buzzer")


class GpioGuardPins:
    """See `edge.guard.pins.GuardPins`. What is not wired reads as at rest and is not driven."""

    def __init__(self, interlock: Interlock, lamps: Lamps, wake: Callable[[], None], factory: Any = None) -> None:
        """Claim all pins; `factory` is gpiozero's own choice where it is None. Raises HardwareFault."""
        self._inputs: dict[str, Any] = {}
        self._outputs: dict[str, Any] = {}
        self._driven: dict[str, bool] = {}
        self._closed = False
        try:
            with _translated("the pins cannot be claimed"):
                self._open_outputs(interlock, lamps, factory)
                self._open_inputs(interlock, wake, factory)
        except HardwareFault:
            self.close()
            raise

    def read(self) -> Levels:
        """Read all inputs now."""
        with _translated("an input cannot be read"):
            return Levels(
                nc=self._level("loop_nc", rest=True),
                no=self._level("loop_no", rest=False),
                line_sound=self._level("line_fault", rest=True),
                reset_pressed=self._level("reset", rest=False),
            )

    def apply(self, drive: Drive) -> None:
        """Drive the outputs: the relay's first, and its permit before its pump."""
        with _translated("an output cannot be driven"):
            self._set("permit", drive.permit)
            self._set("pump", drive.pump)
            self._set("drop_all", drive.drop_all)
            self._set("test_nc", drive.test_nc)
            self._set("test_no", drive.test_no)
            self._set("lamp_pump", drive.lamp_pump)
            self._shine(drive.light)

    def close(self) -> None:
        """Switch off and let go; the permit first."""
        if self._closed:
            return
        self._closed = True
        for device in (*self._outputs.values(), *self._inputs.values()):
            # What cannot be let go of stays as it is: without turns of the loop the pump has stopped.
            with contextlib.suppress(HardwareFault), _translated("a pin cannot be let go of"):
                device.close()

    def _open_outputs(self, interlock: Interlock, lamps: Lamps, factory: Any) -> None:
        rest = Drive()
        if interlock.enabled:
            numbers = {"permit": interlock.permit_gpio, "pump": interlock.pump_gpio}
            numbers |= {"test_nc": interlock.test_nc_gpio, "test_no": interlock.test_no_gpio}
            numbers |= {"drop_all": interlock.drop_all_gpio} if interlock.drop_all else {}
            for name, number in numbers.items():
                self._claim_output(name, number, getattr(rest, name), factory)
        if lamps.enabled:
            self._claim_output("lamp_pump", lamps.pump_gpio, False, factory)
            for name in LIGHTS:
                self._claim_output(name, getattr(lamps, f"{name}_gpio"), False, factory)

    def _claim_output(self, name: str, number: int, value: bool, factory: Any) -> None:
        self._outputs[name] = DigitalOutputDevice(number, initial_value=value, pin_factory=factory)
        self._driven[name] = value

    def _open_inputs(self, interlock: Interlock, wake: Callable[[], None], factory: Any) -> None:
        if not interlock.enabled:
            return
        numbers = {"loop_nc": interlock.loop_nc_gpio, "loop_no": interlock.loop_no_gpio}
        numbers |= {"line_fault": interlock.line_fault_gpio} if interlock.line_fault else {}
        for name, number in numbers.items():
            self._claim_input(name, DigitalInputDevice(number, pull_up=False, pin_factory=factory), wake)
        self._claim_input("reset", DigitalInputDevice(interlock.reset_gpio, pull_up=True, pin_factory=factory), wake)

    def _claim_input(self, name: str, device: Any, wake: Callable[[], None]) -> None:
        self._inputs[name] = device
        device.when_activated = wake
        device.when_deactivated = wake

    def _level(self, name: str, *, rest: bool) -> bool:
        device = self._inputs.get(name)
        return rest if device is None else bool(device.value)

    def _set(self, name: str, value: bool) -> None:
        if self._driven.get(name, value) is not value:
            self._outputs[name].value = value
            self._driven[name] = value

    def _shine(self, light: Light) -> None:
        for name in LIGHTS:
            self._set(name, getattr(light, name))


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as fault:  # gpiozero's errors and those of the library below it have no common class
        raise HardwareFault(
            device=DEVICE,
            what=f"{what}: {type(fault).__name__}: {fault}",
            remedy_zh="请检查 GPIO 接线和编号，确认没有其他程序占用这些引脚，并确认本用户属于 gpio 组",
            remedy_en="check the pins' numbers and wires, that no other program uses them, and the group gpio",
        ) from fault
