"""What tests of the panel share: a reader that keeps its messages, and gpiozero's mock pins."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from gpiozero.pins.mock import MockFactory

from drivers.panel import GpioPanel
from edge.buttons import MILLISECOND, Act, PanelMessage, Pressed
from edge.ports import Clock
from edge.settings_panel import Panel
from tests.drivers.deliveries import SteppedClock

LIMIT_SECONDS = 10.0
Kind = TypeVar("Kind")


class Heard:
    """Call it as `deliver`; a test waits for what it needs."""

    def __init__(self) -> None:
        self.kept: list[PanelMessage] = []
        self._changed = threading.Condition()

    def __call__(self, message: PanelMessage) -> None:
        with self._changed:
            self.kept.append(message)
            self._changed.notify_all()

    def of(self, kind: type[Kind]) -> list[Kind]:
        with self._changed:
            return [message for message in self.kept if isinstance(message, kind)]

    def wait_for(self, enough: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(enough, LIMIT_SECONDS), self.kept

    def wait_in_passing_time(self, clock: SteppedClock, enough: Callable[[], bool]) -> None:
        """Wait while a tenth of a second passes on the stepped clock for each that passes on ours."""
        with self._changed:
            for _ in range(int(LIMIT_SECONDS * 10)):
                if self._changed.wait_for(enough, 0.1):
                    return
                clock.now_ns += 100 * MILLISECOND
            raise AssertionError(self.kept)

    def wait_for_act(self, act: Act, count: int = 1) -> list[Pressed]:
        self.wait_for(lambda: len(self._acts(act)) >= count)
        return self._acts(act)

    def _acts(self, act: Act) -> list[Pressed]:
        return [message for message in self.kept if isinstance(message, Pressed) and message.act is act]


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
