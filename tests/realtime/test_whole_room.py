"""Every process of a device at once, in the simulated room: keys, interlock, lamps, relay, recorder, verifier.

The recorder is the service, guard and sensors its companions; a test only turns what a person or the room would turn,
and believes what the lamps show, what the relay does and what the verifier says.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.journal import entries_of
from edge.provision import demo_identity
from liuhen.entry import Entry
from liuhen.kinds import Event, Gap, GapEnd, Inhibition, Segment
from liuhen.registry import EventCode, GapCause, InhibitionAct
from sim.levers import Levers, Verb
from sim.wiring import Seen
from tests.realtime.runs import BIN, verified

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(180)]

LIMIT_SECONDS = 40.0
NS_PER_MS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Device:
    """The running recorder and its folder."""

    folder: Path
    process: subprocess.Popen[bytes]
    levers: Levers

    def press(self, key: Verb, milliseconds: int) -> None:
        self.levers.pull(key, milliseconds)

    def shows(self, lamp: Seen) -> None:
        """Wait until a person has seen the lamps do this for two seconds."""
        try:
            self.levers.pull(Verb.AWAIT_LAMP, lamp)
        except TimeoutError as late:
            raise AssertionError(f"no {lamp.name}; {(self.folder / 'terminal').read_text()[-2000:]}") from late

    def shows_recording(self) -> None:
        """Recording; slowly where the clock of the machine that runs this test is believed by nobody."""
        codes = [one.body.code for one in self.entries() if isinstance(one.body, Event)]
        self.shows(Seen.RED_SLOW if EventCode.CLOCK_UNSYNCHRONISED in codes else Seen.RED)

    def reset(self) -> None:
        """Turn the local key as often as a person would until the interlock's lamp is out; it acts once all is well."""
        for _ in range(10):
            self.press(Verb.PRESS_RESET, 500)
            until = time.monotonic() + 3
            while time.monotonic() < until:
                if self.levers.wiring().permit:
                    return
        raise AssertionError("the key resets nothing")

    def entries(self) -> list[Entry]:
        return [one for path in sorted((self.folder / "spool/journal").glob("*.cbor")) for one in entries_of(path)]

    def waits_for(self, holds: Callable[[list[Entry]], bool]) -> list[Entry]:
        until = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < until:
            found = self.entries()
            if holds(found):
                return found
        raise AssertionError(f"not within {LIMIT_SECONDS} s; {(self.folder / 'terminal').read_text()[-2000:]}")

    def children(self, word: str) -> list[int]:
        """Process ids of the recorder's children whose command line has this word."""
        task = Path(f"/proc/{self.process.pid}/task")
        found = []
        for children in task.glob("*/children"):
            for child in children.read_text().split():
                if word in Path(f"/proc/{child}/cmdline").read_text():
                    found.append(int(child))
        return found


def configuration(folder: Path) -> Path:
    identity = demo_identity(folder / "spool", folder / "keys", now_utc_ms=time.time_ns() // NS_PER_MS)
    file = folder / "recorder.toml"
    file.write_text(
        f'[spool]\ndirectory = "{folder / "spool"}"\nminimum_free_hours = 0.1\n'
        f'[key]\nfile = "{identity.key_file}"\nendorsements = ["{identity.endorsement_file}"]\n'
        "[segment]\nseconds = 10\n"
        f'[interlock]\nenabled = true\nsocket = "{folder / "guard"}"\nlatch_file = "{folder / "latch"}"\n'
        "[lamps]\nenabled = true\n[panel]\nenabled = true\n[camera]\nwidth = 640\nheight = 360\n"
    )
    return file


@contextmanager
def running(folder: Path) -> Iterator[Device]:
    """A device in a room; ended in order, and with it everything below it."""
    file = configuration(folder)
    command = [str(BIN / "liuhen"), "sim", "--config", str(file), "--spool", str(folder / "spool")]
    command += ["--service", "--stage", str(folder / "stage")]
    with (folder / "terminal").open("wb") as shown:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=shown, stderr=shown, process_group=0, cwd=folder
        )
        try:
            with _levers(folder, process) as levers:
                yield Device(folder=folder, process=process, levers=levers)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, (folder / "terminal").read_text()[-2000:]
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)


def _levers(folder: Path, process: subprocess.Popen[bytes]) -> Levers:
    until = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            return Levers(folder / "stage/sensor.control", LIMIT_SECONDS)
        except OSError:
            continue
    raise AssertionError((folder / "terminal").read_text()[-2000:])


def of(found: list[Entry], kind: type) -> list:  # type: ignore[type-arg]
    return [one.body for one in found if isinstance(one.body, kind)]


def test_a_wire_that_breaks_in_a_hearing_ends_capture_until_the_key_on_the_spot(tmp_path: Path) -> None:
    with running(tmp_path) as device:
        device.shows(Seen.WHITE_BLINKING)  # at boot nothing is permitted
        device.reset()
        device.shows(Seen.GREEN)
        device.press(Verb.PRESS_START, 200)
        device.shows_recording()
        device.waits_for(lambda found: bool(of(found, Segment)))
        device.levers.pull(Verb.BREAK_NC)
        device.shows(Seen.WHITE_BLINKING)
        found = device.waits_for(lambda found: bool(of(found, Gap)))
        assert of(found, Inhibition)[-1].act == InhibitionAct.SET
        device.levers.pull(Verb.MEND_LOOPS)
        device.levers.pull(Verb.SET_CONTACTS, 1)  # after a fault both loops have to be seen switched off
        device.shows(Seen.WHITE_BLINKING)
        device.levers.pull(Verb.SET_CONTACTS, 2)
        device.reset()
        device.shows(Seen.RED_SLOW)  # recording, and somebody has to say why it stopped
        device.waits_for(lambda found: bool(of(found, GapEnd)))
        device.press(Verb.PRESS_STOP, 3500)
        device.waits_for(lambda found: any(one.kind == "session-end" for one in found))
        device.shows(Seen.GREEN)
    found = device.entries()
    gaps = of(found, Gap)
    assert [gap.cause for gap in gaps] == [GapCause.INTERLOCK]
    codes = [event.code for event in of(found, Event)]
    assert EventCode.INTERLOCK_TRIPPED in codes
    assert EventCode.INTERLOCK_RESET in codes
    exit_code, report = verified(tmp_path / "spool", "--trust", _trust(tmp_path))
    assert exit_code == 0, report
    assert "recorded-while-forbidden" not in {finding["code"] for finding in report["findings"]}


def test_a_guard_that_is_killed_drops_the_relay_and_the_lamps_never_say_recording(tmp_path: Path) -> None:
    with running(tmp_path) as device:
        device.shows(Seen.WHITE_BLINKING)
        device.reset()
        device.shows(Seen.GREEN)
        device.press(Verb.PRESS_START, 200)
        device.shows_recording()
        (guard,) = device.children("sim.guard")
        os.kill(guard, signal.SIGKILL)
        device.shows(Seen.DARK)
        found = device.waits_for(lambda found: GapCause.INTERLOCK in [gap.cause for gap in of(found, Gap)])
        assert EventCode.GUARD_LOST in [event.code for event in of(found, Event)]


def _trust(folder: Path) -> Path:
    return next((folder / "keys").rglob("trust.file"))
