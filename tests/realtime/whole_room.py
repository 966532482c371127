"""A device for the tests of this folder: every process at once, in the simulated room, with its levers and lamps.

Owns the recorder's process, and with it everything below it: all of it has ended when `running` is left. The recorder
is the service, guard and sensors its companions.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.journal import entries_of
from edge.provision import demo_identity
from liuhen.entry import Entry
from liuhen.kinds import Event
from liuhen.registry import EventCode
from sim.levers import Levers, Verb
from sim.wiring import Seen
from tests.realtime.runs import BIN

LIMIT_SECONDS = 40.0
START_SECONDS = 90.0
"""World, recorder and sound server are loaded one after the other, on a machine that may be busy."""
LOOK_SECONDS = 0.05
"""How long between two looks at something that no event tells; a busy look would take a core from the device."""
NS_PER_MS = 1_000_000
FORBIDDING = frozenset({"recorded-while-forbidden", "inhibition-uncovered", "gap-without-inhibition"})
"""What the verifier says where media lies in forbidden time, or gaps and inhibitions do not explain each other."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """The running recorder, its folder, and the folder of the world's sockets."""

    folder: Path
    stage: Path
    process: subprocess.Popen[bytes]
    levers: Levers

    def press(self, key: Verb, milliseconds: int) -> None:
        self.levers.pull(key, milliseconds)

    def shows(self, lamp: Seen) -> None:
        """Wait until a person has seen the lamps do this for two seconds."""
        try:
            self.levers.pull(Verb.AWAIT_LAMP, lamp)
        except TimeoutError as late:
            raise AssertionError(f"no {lamp.name}; {self.shown()}") from late

    def shows_recording(self) -> None:
        """Recording; slowly where the clock of the machine that runs this test is believed by nobody."""
        self.shows(Seen.RED_SLOW if EventCode.CLOCK_UNSYNCHRONISED in self.events() else Seen.RED)

    def reset(self, *, switching: bool = False) -> None:
        """Turn the local key as often as a person would until the interlock's lamp is out; it acts once all is well.

        After a fault both loops have to be seen switched off and on again: `switching` does so before every fourth
        turn, for a guard that a busy machine held up may have found another fault meanwhile. A turn that comes before
        the loops were seen well resets nothing, so each switching gets several.
        """
        for turn in range(12):
            if switching and turn % 4 == 0:
                self.levers.pull(Verb.SET_CONTACTS, 1)
                self.shows(Seen.WHITE_BLINKING)
                self.levers.pull(Verb.SET_CONTACTS, 2)
            self.press(Verb.PRESS_RESET, 500)
            until = time.monotonic() + 3
            while time.monotonic() < until:
                if self.levers.wiring().permit:
                    return
                self.lives_on()
        raise AssertionError(f"the key resets nothing; {self.events()}")

    def killed(self) -> None:
        """Kill the recorder; its world and its companions end with it."""
        self.process.kill()
        self.process.wait(LIMIT_SECONDS)

    def lives_on(self, seconds: float = LOOK_SECONDS) -> None:
        """Let time pass in which the recorder must not end."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"ended with {self.process.wait(seconds)}; {self.shown()}")

    def shown(self) -> str:
        """The end of what stands on the terminal."""
        return (self.folder / "terminal").read_text()[-2000:]

    def events(self) -> list[EventCode]:
        """The codes of all events so far."""
        return [EventCode(event.code) for event in of(self.entries(), Event)]

    def begins_a_session(self) -> None:
        """From the boot on: the local key, the start key, and the lamp that says it records."""
        self.shows(Seen.WHITE_BLINKING)
        self.reset()
        self.shows(Seen.GREEN)
        self.press(Verb.PRESS_START, 200)
        self.shows_recording()

    def ends_the_session(self) -> list[Entry]:
        """Hold the stop key until it is ended; all entries."""
        self.press(Verb.PRESS_STOP, 3500)
        return self.waits_for(lambda found: any(one.kind == "session-end" for one in found))

    def entries(self) -> list[Entry]:
        return [one for path in sorted((self.folder / "spool/journal").glob("*.cbor")) for one in entries_of(path)]

    def waits_for(self, holds: Callable[[list[Entry]], bool]) -> list[Entry]:
        until = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < until:
            found = self.entries()
            if holds(found):
                return found
            self.lives_on()
        raise AssertionError(f"not within {LIMIT_SECONDS} s; {self.shown()}")

    def children(self, word: str) -> list[int]:
        """Process ids of the recorder's children whose command line has this word."""
        task = Path(f"/proc/{self.process.pid}/task")
        found = []
        for children in task.glob("*/children"):
            for child in children.read_text().split():
                if word in Path(f"/proc/{child}/cmdline").read_text():
                    found.append(int(child))
        return found


def configuration(folder: Path, *, interlock: str = "", further: str = "") -> Path:
    """The device's file: `interlock` are lines more in that section, `further` sections more."""
    identity = demo_identity(folder / "spool", folder / "keys", now_utc_ms=time.time_ns() // NS_PER_MS)
    file = folder / "recorder.toml"
    file.write_text(
        f'[spool]\ndirectory = "{folder / "spool"}"\nminimum_free_hours = 0.1\n'
        f'[key]\nfile = "{identity.key_file}"\nendorsements = ["{identity.endorsement_file}"]\n'
        "[segment]\nseconds = 10\n"
        f'[interlock]\nenabled = true\nsocket = "{folder / "guard"}"\nlatch_file = "{folder / "latch"}"\n{interlock}'
        f'[control]\nsocket = "{folder / "control"}"\n'
        "[lamps]\nenabled = true\n[panel]\nenabled = true\n[camera]\nwidth = 640\nheight = 360\n"
        f"{further}"
    )
    return file


@contextmanager
def running(folder: Path, file: Path | None = None) -> Iterator[Device]:
    """A device in a room, under a `configuration`; ended in order, and with it everything below it."""
    file = configuration(folder) if file is None else file
    command = [str(BIN / "liuhen"), "sim", "--config", str(file), "--spool", str(folder / "spool")]
    stage = folder / f"stage-{len(list(folder.glob('stage-*')))}"
    command += ["--service", "--stage", str(stage)]
    with (folder / "terminal").open("wb") as shown:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=shown, stderr=shown, process_group=0, cwd=folder
        )
        try:
            with _levers(folder, stage, process) as levers:
                yield Device(folder=folder, process=process, levers=levers, stage=stage)
            if process.poll() != -signal.SIGKILL:  # `killed` is the only other end
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 0, (folder / "terminal").read_text()[-2000:]
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)


def _levers(folder: Path, stage: Path, process: subprocess.Popen[bytes]) -> Levers:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            return Levers(stage / "sensor.control", LIMIT_SECONDS)
        except OSError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_SECONDS)
    raise AssertionError((folder / "terminal").read_text()[-2000:])


def of(found: list[Entry], kind: type) -> list:  # type: ignore[type-arg]
    return [one.body for one in found if isinstance(one.body, kind)]


def trust_of(folder: Path) -> Path:
    return next((folder / "keys").rglob("trust.file"))
