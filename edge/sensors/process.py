"""The sensors process: devices asked on threads of their own, one loop that judges, tells and acts.

Owns the pollers' threads and both links; writes nothing to disk, holds no key, touches no GPIO. The loop never waits
for a device or a peer: it turns at least every 50 ms, and leases only what it has judged at that very moment.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edge.ports import FaultKind, HardwareFault
from edge.sensors import words
from edge.sensors.courier import Courier
from edge.sensors.devices import Devices, GasSample
from edge.sensors.gas import GasTrouble
from edge.sensors.judgement import Known, News, Settings, begin, judged
from edge.sensors.lease import HELLO
from edge.sensors.leaving import Action, Outcome
from edge.sensors.link import Link
from edge.sensors.poller import Poller

TICK_SECONDS = 0.05
GAS_POLL_SECONDS = 0.25
BOARD_POLL_SECONDS = 2.0
STOP_LIMIT_SECONDS = 2.0
ALIVE_NS = 1_000_000_000

Sample = TypeVar("Sample")
Say = Callable[[str, str], None]
"""One line for whoever reads this process's log, Chinese and English."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorsStart:
    """What a composition root hands to the sensors: devices, BOOTTIME, and who hears the log lines.

    A supervisor is told that the loop turns (`ready` once, `alive` every second) and that it ends.
    """

    devices: Devices
    boottime_ns: Callable[[], int]
    say: Say
    ready: Callable[[], None] = lambda: None
    alive: Callable[[], None] = lambda: None
    stopping: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Where guard and recorder listen; None: not told."""

    guard: Path | None
    recorder: Path | None


class Sensors:
    """One life of the process. `run` is called once, from one thread; `stop` from any thread or a signal handler."""

    def __init__(self, start: SensorsStart, settings: Settings, peers: Peers) -> None:
        """Nothing runs and nothing is opened before `run`."""
        devices = start.devices
        self._start = start
        self._devices = devices
        self._settings = settings
        self._wake = threading.Event()
        self._ending = False
        ups, gas, board, wake = devices.ups, devices.gas, devices.board, self._wake.set
        ups_seconds = settings.ups.poll_milliseconds / 1000
        self._ups = None if ups is None else Poller("UPS", ups.read, ups_seconds, wake)
        self._gas = None if gas is None else Poller("GAS", gas.read, GAS_POLL_SECONDS, wake)
        self._board = None if board is None else Poller("BOARD", board.read, BOARD_POLL_SECONDS, wake)
        self._guard = None if peers.guard is None or gas is None else Link(peers.guard, HELLO)
        self._recorder = None if peers.recorder is None else Courier(Link(peers.recorder))
        self._known = begin(settings, start.boottime_ns())
        self._leased: int | None = None
        self._alive_ns = 0
        self._complaints: dict[str, str] = {}

    @property
    def known(self) -> Known:
        """What is known now."""
        return self._known

    def stop(self) -> None:
        """End the loop soon."""
        self._ending = True
        self._wake.set()

    def run(self) -> None:
        """Watch until `stop`; on return every thread has ended but those a device holds up."""
        with self._polling():
            self._start.ready()
            while not self._ending:
                self._wake.wait(TICK_SECONDS)
                self._wake.clear()
                self.look()
            self._start.stopping()

    def look(self) -> None:
        """One turn of the loop: take news, judge, tell, act."""
        news = self._news()
        at_ns = self._start.boottime_ns()
        before = self._known.readings(at_ns, self._settings)
        self._known, actions = judged(self._known, news, at_ns, self._settings)
        self._lease(at_ns)
        if at_ns - self._alive_ns >= ALIVE_NS:
            self._alive_ns = at_ns
            self._start.alive()
        readings = self._known.readings(at_ns, self._settings)
        if self._recorder is not None:
            self._recorder.tell(readings, at_ns)
        for zh, en in words.changes(before, readings):
            self._start.say(zh, en)
        for action in actions:
            self._act(action)

    @contextlib.contextmanager
    def _polling(self) -> Iterator[None]:
        pollers = [poller for poller in (self._ups, self._gas, self._board) if poller is not None]
        for poller in pollers:
            poller.start()
        try:
            yield
        finally:
            held_up = [poller for poller in pollers if not poller.stop(STOP_LIMIT_SECONDS)]
            if not held_up:  # a device in use by another thread is not closed under it
                self._close_devices()
            for link in (self._guard, self._recorder):
                if link is not None:
                    link.close()

    def _close_devices(self) -> None:
        for device in (self._devices.ups, self._devices.gas):
            if device is not None:
                device.close()

    def _news(self) -> News:
        answer = None if self._recorder is None else self._recorder.answered()
        if self._recorder is not None:
            self._complain("RECORDER", self._recorder.trouble, "请检查录制进程", "look at the recorder process")
        return News(
            ups=self._sound("UPS", self._ups),
            gas=self._gas_news(),
            board=self._sound("BOARD", self._board),
            outcome=self._outcome(),
            sealed=answer is not None and answer.power_off_when_sealed,
        )

    def _sound(self, name: str, poller: Poller[Sample] | None) -> Sample | None:
        outcome = None if poller is None else poller.take()
        if isinstance(outcome, HardwareFault):
            self._complain(name, outcome.what, outcome.remedy_zh, outcome.remedy_en)
            return None
        if outcome is not None:
            self._complain(name, "", "", "")
        return outcome

    def _gas_news(self) -> GasSample | GasTrouble | None:
        outcome = None if self._gas is None else self._gas.take()
        if isinstance(outcome, HardwareFault):
            self._complain("GAS", outcome.what, outcome.remedy_zh, outcome.remedy_en)
            return GasTrouble.GARBLED if outcome.kind is FaultKind.FORMAT else GasTrouble.SILENT
        if outcome is not None:
            self._complain("GAS", "", "", "")
        return outcome

    def _outcome(self) -> Outcome | None:
        done = None if self._ups is None else self._ups.take_ordered()
        if isinstance(done, HardwareFault):
            self._complain("UPS ORDER", done.what, done.remedy_zh, done.remedy_en)
            return Outcome.REFUSED
        return Outcome.CONFIRMED if done else None

    def _lease(self, at_ns: int) -> None:
        lease = self._known.lease
        if self._guard is None or lease is None:
            return
        while self._guard.receive() is not None:
            pass  # the guard tells its state to whoever is connected; this process needs nothing of it
        fresh = self._guard.connected
        if (
            self._guard.connect(at_ns)
            and (lease.count != self._leased or not fresh)
            and self._guard.send(lease.packet())
        ):
            self._leased = lease.count

    def _act(self, action: Action) -> None:
        self._start.say(*words.ACTIONS[action])
        ups, machine = self._devices.ups, self._devices.machine
        try:
            match action:
                case Action.ORDER_CUT:
                    if self._ups is not None and ups is not None:
                        self._ups.order(ups.cut_and_return)
                case Action.CANCEL_CUT:
                    if self._ups is not None and ups is not None:
                        self._ups.order(ups.cancel_cut)
                case Action.POWER_OFF:
                    machine.power_off()
                case Action.REBOOT:
                    machine.reboot()
        except HardwareFault as fault:  # the policy sees that the machine is still here, and acts again
            self._complain("MACHINE", fault.what, fault.remedy_zh, fault.remedy_en)

    def _complain(self, name: str, what: str, zh: str, en: str) -> None:
        """Say a device's trouble once, until it changes or ends."""
        if self._complaints.get(name, "") == what:
            return
        self._complaints[name] = what
        if what:
            self._start.say(f"{name}：{what} → {zh}", f"{name}: {what} -> {en}")
