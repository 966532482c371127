"""A supervisor with a real socket hears of a process as long as it makes progress, and no longer."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.feeding import Feeding
from edge.settings_upkeep import Watchdog
from edge.watchdog import Duty
from tests.drivers.deliveries import SteppedClock

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 20.0
MEDIA_SECONDS = 5


class Systemd:
    """The supervisor's end."""

    def __init__(self, folder: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(LIMIT_SECONDS)
        self.socket.bind(str(folder / "notify"))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.edge.fed_process", str(folder)],
            stdin=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | {"NOTIFY_SOCKET": str(folder / "notify")},
        )

    def hear(self) -> str:
        return self.socket.recv(4096).decode()

    def hear_until(self, wanted: str) -> str:
        while not (heard := self.hear()).startswith(wanted):
            pass
        return heard

    def silent_after(self, limit_seconds: float) -> float:
        """How long until nothing was heard for half a second; fails where that takes longer than the limit."""
        begun = last = time.monotonic()
        self.socket.settimeout(0.5)
        try:
            while time.monotonic() - begun < limit_seconds:
                self.hear()
                last = time.monotonic()
        except TimeoutError:
            self.socket.settimeout(LIMIT_SECONDS)
            return last - begun
        raise AssertionError("it is still fed")

    def end(self) -> None:
        self.process.kill()
        self.process.wait(LIMIT_SECONDS)
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    systemd = Systemd(tmp_path)
    try:
        assert systemd.hear_until("READY=1") == "READY=1\nSTATUS=started"
        yield systemd
    finally:
        systemd.end()


@pytest.mark.realtime
@pytest.mark.beside
def test_a_process_that_makes_progress_is_fed_and_says_when_it_ends(systemd: Systemd) -> None:
    for _ in range(20):
        assert systemd.hear() == "WATCHDOG=1"
    assert systemd.process.stdin is not None
    systemd.process.stdin.close()
    assert systemd.hear_until("STOPPING=1")


@pytest.mark.realtime
@pytest.mark.beside
def test_a_flush_that_never_comes_back_stops_the_feeding_although_control_turns(systemd: Systemd) -> None:
    systemd.hear_until("WATCHDOG=1")
    systemd.process.send_signal(signal.SIGUSR1)
    assert MEDIA_SECONDS - 1 < systemd.silent_after(2 * MEDIA_SECONDS) < MEDIA_SECONDS + 1


@pytest.mark.realtime
@pytest.mark.beside
def test_a_stopped_process_is_not_fed_and_tells_of_it_when_it_goes_on(systemd: Systemd) -> None:
    systemd.hear_until("WATCHDOG=1")
    systemd.process.send_signal(signal.SIGSTOP)
    assert systemd.silent_after(LIMIT_SECONDS) < 1
    with pytest.raises(TimeoutError):  # row 30: nothing at all, for longer than a turn may take
        systemd.socket.settimeout(2.5)
        systemd.hear()
    systemd.socket.settimeout(LIMIT_SECONDS)
    systemd.process.send_signal(signal.SIGCONT)
    assert int(systemd.hear_until("STATUS=wedged").split()[1]) > 2000


class Counting:
    """A supervisor that counts (implements `edge.watchdog.Supervisor`)."""

    def __init__(self) -> None:
        self.fed = 0

    def ready(self, status: str) -> None: ...

    def alive(self) -> None:
        self.fed += 1

    def status(self, status: str) -> None: ...

    def stopping(self) -> None: ...


def test_a_turn_beyond_its_limit_is_told_once_by_the_next() -> None:
    clock, supervisor = SteppedClock(), Counting()
    feeding = Feeding(supervisor, Watchdog(), clock)
    told = []
    for seconds in (1, 5, 6, 1):
        clock.now_ns += seconds * 10**9
        told.append(feeding.turn(Duty.NOTHING, fragments=0, entries=0))
    assert told == [None, None, 6000, None]
    assert supervisor.fed == 4
