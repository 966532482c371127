"""A world with the interlock wired and the real guard process on its pins, for tests; both end with the `with`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edge.guard_link import GuardLink, GuardLost, GuardMessage, GuardSaid, GuardWord, Leased
from sim.levers import Levers, Verb
from sim.wiring import Wires
from sim.world import World, WorldPlan, WorldReady

END_SECONDS = 15.0
SAY_SECONDS = 60.0
RESET_MS = 300
PERMIT, OFF, BOTH_OPEN, BOTH_CLOSED = 2, 1, 0, 3
"""Values of the lever SET_CONTACTS."""


@dataclass(slots=True)
class GuardProcess:
    """One guard process; what it logs is kept, and a thread waits for each line."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    heard: threading.Condition = field(default_factory=threading.Condition)
    listener: threading.Thread | None = None

    def listen(self) -> None:
        self.listener = threading.Thread(target=self._listen, name="guard-log", daemon=True)
        self.listener.start()

    def await_line(self, words: str, times: int = 1) -> str:
        with self.heard:
            found = self.heard.wait_for(lambda: sum(words in line for line in self.lines) >= times, SAY_SECONDS)
            assert found, f"the guard never said {words!r}: {self.lines}"
            return [line for line in self.lines if words in line][times - 1]

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        try:
            return self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            if self.listener is not None:
                self.listener.join(END_SECONDS)
            if self.process.stderr is not None:
                self.process.stderr.close()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self.heard:
                self.lines.append(line.rstrip())
                self.heard.notify_all()


class Listener:
    """The recorder's end of the guard's socket; keeps what was posted and wakes whoever waits for something."""

    def __init__(self, path: Path) -> None:
        self.posted: list[GuardMessage] = []
        self._heard = threading.Condition()
        self.link = GuardLink(path, self._post)

    def await_posted(self, wanted: Callable[[GuardMessage], bool], since: int = 0) -> GuardMessage:
        """The first message from number `since` on that is wanted; fails after the limit."""
        with self._heard:
            found = self._heard.wait_for(lambda: any(map(wanted, self.posted[since:])), SAY_SECONDS)
            assert found, f"the guard never said that: {self.posted[-5:]}"
            return next(filter(wanted, self.posted[since:]))

    def await_now(self, wanted: Callable[[GuardMessage], bool]) -> None:
        """Wait until the newest message is wanted."""
        with self._heard:
            found = self._heard.wait_for(lambda: bool(self.posted) and wanted(self.posted[-1]), SAY_SECONDS)
            assert found, f"the guard never said that: {self.posted[-5:]}"

    def _post(self, message: GuardWord) -> None:
        if isinstance(message, Leased):
            return
        with self._heard:
            self.posted.append(message)
            self._heard.notify_all()


@dataclass(slots=True, kw_only=True)
class GuardedRoom:
    """The running world, its levers, and where the guard's things are."""

    ready: WorldReady
    levers: Levers
    folder: Path
    listener: Listener

    @property
    def link(self) -> Path:
        return self.folder / "link"

    @property
    def latch(self) -> Path:
        return self.folder / "latch"

    def like_new(self) -> None:
        """Sound loops, a latch that no guard has written, and no word of the last guard that still counts."""
        self.listener.await_now(lambda said: isinstance(said, GuardLost))
        self.levers.pull(Verb.MEND_LOOPS)
        self.levers.pull(Verb.LINE_FAULT, 0)
        self.levers.pull(Verb.SET_CONTACTS, PERMIT)
        self.latch.unlink(missing_ok=True)
        self.link.with_name(f"{self.link.name}.latch").unlink(missing_ok=True)

    @contextmanager
    def guard(self, settings: str = "") -> Iterator[GuardProcess]:
        """A guard of this room; `settings` are lines more of its interlock."""
        config = self.folder / "guard.toml"
        config.write_text(
            f'[interlock]\nenabled = true\nsocket = "{self.link}"\nlatch_file = "{self.latch}"\n{settings}\n'
            "[lamps]\nenabled = true\n"
        )
        command = [sys.executable, "-m", "sim.guard", "--pins", str(self.ready.pins), "--config", str(config)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
        running = GuardProcess(process)
        running.listen()
        try:
            running.await_line("scheduling class")
            yield running
        finally:
            running.end()

    def reset(self) -> None:
        """Press the key once the guard says that it would act, and wait until the relay closes."""
        self.levers.pull(Verb.SET_CONTACTS, PERMIT)
        self.listener.await_now(lambda said: isinstance(said, GuardSaid) and said.latched and said.healthy)
        self.levers.pull(Verb.PRESS_RESET, RESET_MS)
        self.levers.pull(Verb.AWAIT_CONTACT, 1)


@contextmanager
def guarded_room(folder: Path, *, pulse: bool = False, width: int = 640, height: int = 360) -> Iterator[GuardedRoom]:
    """The world and the recorder's end of the guard's socket; a guard comes with `GuardedRoom.guard`."""
    plan = WorldPlan(
        socket=folder / "sensor",
        width=width,
        height=height,
        frames_per_second=25,
        truth=folder / "truth",
        wires=Wires(interlock=True),
        pulse=folder if pulse else None,
    )
    world = World(plan)
    ready = world.start()
    try:
        with Levers(ready.control, limit_seconds=60.0) as levers:
            listener = Listener(folder / "link")
            try:
                yield GuardedRoom(ready=ready, levers=levers, folder=folder, listener=listener)
            finally:
                listener.link.close()
    finally:
        world.stop()
