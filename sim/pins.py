"""A gpiozero pin factory whose levels live in the world process, for any number of processes at once.

    factory = WorldPins(ready.pins)                      # the world's pin port; raises OSError when there is no world
    button = gpiozero.Button(7, pull_up=True, pin_factory=factory)
    levers.pull(Verb.PRESS_START, 300)                   # a person presses the key on GPIO 7 for 300 ms

Give the factory to every device, or set `gpiozero.Device.pin_factory` once in a composition root; drivers take it as
a parameter and never know. `sim.wiring.Wires` says what hangs on which GPIO number; a pin nothing is wired to follows
its own pull. Outputs keep their level when a process dies, as a Pi's do; a device that is closed lets go of its pin.
Edges (`when_pressed` and the like) arrive on the factory's one thread, which `close` ends. No debouncing happens here:
every bounce the world makes arrives, and `bounce_time` is refused so that nobody relies on it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

from gpiozero import PinInvalidBounce, PinInvalidFunction, PinInvalidPull, PinPWMUnsupported, PinSetInput
from gpiozero.pins.pi import PiFactory, PiPin

from sim.pin_page import DRIVEN, EDGES, GREETING, PinPage

PI_4B = 0xC03115
_CONNECT_SECONDS = 10.0


class WorldPin(PiPin):  # type: ignore[misc] # gpiozero has no types
    """One pin of the simulated header."""

    def __init__(self, factory: WorldPins, info: Any) -> None:
        super().__init__(factory, info)
        self._function_now = "input"
        self._pull_now = info.pull or "floating"
        self._edges_now = "both"
        self._told = False

    def close(self) -> None:
        """Let go of the wire."""
        self.when_changed = None
        self.function = "input"

    def edge(self, seconds: float, level: bool) -> None:
        """Tell whoever listens of one edge; called on the factory's thread."""
        wanted = self._edges_now in ("both", "rising" if level else "falling")
        with self._when_changed_lock:
            if self._told and wanted and self._function_now == "input":
                self._call_when_changed(seconds, int(level))

    def _get_function(self) -> str:
        return self._function_now

    def _set_function(self, value: str) -> None:
        if value not in ("input", "output"):
            raise PinInvalidFunction(f"no function {value!r} here")
        if value == "input" and self._function_now == "output":
            self._factory.drive(self._number, False)
        self._function_now = value

    def _get_state(self) -> int:
        if self._function_now == "output":
            return int(self._factory.page.output(self._number))
        return int(self._factory.page.level(self._number, pulled_up=self._pull_now == "up"))

    def _set_state(self, value: float) -> None:
        if self._function_now != "output":
            raise PinSetInput(f"{self!r} is an input")
        self._factory.drive(self._number, bool(value))

    def _get_pull(self) -> str:
        return str(self._pull_now)

    def _set_pull(self, value: str) -> None:
        if value not in ("floating", "up", "down"):
            raise PinInvalidPull(f"no pull {value!r}")
        self._pull_now = value

    def _get_bounce(self) -> None:
        return None

    def _set_bounce(self, value: float | None) -> None:
        if value is not None:
            raise PinInvalidBounce("this library debounces nothing here; debounce what is read")

    def _get_edges(self) -> str:
        return self._edges_now

    def _set_edges(self, value: str) -> None:
        self._edges_now = value

    def _get_frequency(self) -> None:
        return None

    def _set_frequency(self, value: float | None) -> None:
        if value is not None:
            raise PinPWMUnsupported("no PWM here")

    def _enable_event_detect(self) -> None:
        self._told = True

    def _disable_event_detect(self) -> None:
        self._told = False


class WorldPins(PiFactory):  # type: ignore[misc] # gpiozero has no types
    """See the module. Any thread may read and drive; `close` may be called twice."""

    def __init__(self, port: Path) -> None:
        """Connect to a world's pin port; raises OSError."""
        super().__init__()
        self.pin_class = WorldPin
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._connection.settimeout(_CONNECT_SECONDS)
            self._connection.connect(str(port))
            self.page = _greeted(self._connection)
        except OSError:
            self._connection.close()
            raise
        self._connection.settimeout(None)
        self._closed = False
        self._thread = threading.Thread(target=self._listen, name="pins", daemon=True)
        self._thread.start()

    def drive(self, pin: int, high: bool) -> None:
        """Drive an output. Never waits: a world that is stalled looks at the page when it wakes."""
        changed_ns = self.page.drive(pin, high)
        if changed_ns and not self.page.is_quiet(pin):
            with contextlib.suppress(OSError):
                self._connection.send(DRIVEN.pack(pin, high, changed_ns), socket.MSG_DONTWAIT)

    def close(self) -> None:
        """Let go of all pins and end the thread."""
        if self._closed:
            return
        self._closed = True
        super().close()
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._connection.close()
        self.page.close()

    @staticmethod
    def ticks() -> float:
        """Return CLOCK_BOOTTIME in seconds."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    @staticmethod
    def ticks_diff(later: float, earlier: float) -> float:
        """Return seconds between two of them."""
        return later - earlier

    def _get_revision(self) -> int:
        return PI_4B

    def _listen(self) -> None:
        while packet := self._packet():
            changed, levels, boottime_ns = EDGES.unpack(packet)
            for pin in tuple(self.pins.values()):
                if changed >> pin._number & 1:  # noqa: SLF001 - gpiozero's public `number` warns of its end
                    pin.edge(boottime_ns / 1e9, bool(levels >> pin._number & 1))  # noqa: SLF001

    def _packet(self) -> bytes:
        """Return the next edges; nothing once the world or this factory has ended."""
        try:
            packet = self._connection.recv(EDGES.size)
        except OSError:
            return b""
        return packet if len(packet) == EDGES.size else b""


def _greeted(connection: socket.socket) -> PinPage:
    packet, descriptors, _, _ = socket.recv_fds(connection, len(GREETING), 1, socket.MSG_CMSG_CLOEXEC)
    try:
        if packet != GREETING or len(descriptors) != 1:
            raise ConnectionRefusedError("no world's pin port behind this socket")
        return PinPage(descriptors[0])
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
