"""What tests of the panel share: a reader that keeps its messages, and gpiozero's mock pins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gpiozero.pins.mock import MockFactory

from drivers.panel import GpioPanel
from edge.buttons import MILLISECOND, Act, PanelMessage, Pressed
from edge.ports import Clock
from edge.settings_panel import Panel
from tests.drivers.deliveries import SteppedClock
from tests.drivers.mailbox import Mailbox

LIMIT_SECONDS = 10.0


class Heard(Mailbox[PanelMessage]):
    """What a panel told."""

    def __init__(self) -> None:
        super().__init__(LIMIT_SECONDS)

    def wait_in_passing_time(self, clock: SteppedClock, enough: Callable[[], bool]) -> None:
        """Wait while a tenth of a second passes on the stepped clock for each that passes on ours."""
        for _ in range(int(LIMIT_SECONDS * 10)):
            if self.comes(enough, 0.1):
                return
            clock.now_ns += 100 * MILLISECOND
        raise AssertionError(self.kept)

    def wait_for_act(self, act: Act, count: int = 1) -> list[Pressed]:
        self.wait_for(lambda: len(self._acts(act)) >= count)
        return self._acts(act)

    def _acts(self, act: Act) -> list[Pressed]:
        return [message for message in self.of(Pressed) if message.act is act]


class Pins:
    """Mock pins with keys between them and ground."""

    def __init__(self) -> None:
        self.factory = MockFactory()

    def down(self, number: int) -> None:
        self.factory.pin(number).drive_low()

    def up(self, number: int) -> None:
        self.factory.pin(number).drive_high()


@contextmanager
def running_panel(settings: Panel, clock: Clock, heard: Heard, factory: Any) -> Iterator[GpioPanel]:
    panel = GpioPanel(settings, clock=clock, deliver=heard, pin_factory=factory)
    panel.start()
    try:
        yield panel
    finally:
        panel.stop(LIMIT_SECONDS)
