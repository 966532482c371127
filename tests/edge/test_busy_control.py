"""The real threads, the real socket: CONTROL is held by a call that does not return while the guard speaks, or not.

A guard that speaks is not lost because nobody had time to listen; one that is silent ends what may be written, whoever
is busy.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from drivers.system_clock import SystemClock
from edge.app import Start, conduct_threads
from edge.guard.core import Said
from edge.guard.link_port import EVERY_NS, Allowed, LinkPort
from edge.guard.words import Lamp, Pair, Reason
from edge.guard_link import LEASE_NS, GuardLink
from edge.messages import Asked
from edge.ports import Deliver, Hardware, HardwareFault
from edge.requests import Request, Role, Verb
from edge.station import serve
from edge.surroundings import Surroundings
from liuhen.findings import Code
from liuhen.kinds import Event, Gap, Inhibition, Segment
from liuhen.registry import EventCode, GapCause, InhibitionAct
from sim.held_calls import held
from tests.edge.live_room import LiveCamera, LiveMicrophone
from tests.edge.ports_room import Device, Onlooker, RoomMicrophone, device
from tests.edge.test_room import bodies

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(120)]
LIMIT_SECONDS = 40.0
HELD_WORDS = 30
"""Three seconds of a guard that speaks."""
USERS = frozenset({os.geteuid()})


class Speaker:
    """The guard's end of the socket, which permits unless it `says` otherwise, and is `silent` for as long as a test
    wants. Owns a thread.
    """

    def __init__(self, path: Path) -> None:
        self._port = LinkPort(path, Allowed(recorder=USERS, sensors=USERS), lambda _words: None)
        self._over, self.silent = threading.Event(), threading.Event()
        self._turned = threading.Condition()
        self._turns = 0
        self.last_ns = 0
        self._permit, self._since_ns = True, _now_ns()
        self._thread = threading.Thread(target=self._run, name="speaker")
        self._thread.start()

    def says(self, *, permit: bool) -> None:
        """From this moment on."""
        self._permit, self._since_ns = permit, _now_ns()

    @property
    def permits(self) -> bool:
        return self._permit

    def await_turns(self, count: int) -> None:
        """A tenth of a second each, spoken or not."""
        with self._turned:
            until = self._turns + count
            assert self._turned.wait_for(lambda: self._turns >= until, LIMIT_SECONDS)

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._port.close()

    def _run(self) -> None:
        while not self._over.wait(EVERY_NS / 1e9):
            now_ns = _now_ns()
            self._port.serve(now_ns)
            if not self.silent.is_set():
                self.last_ns = now_ns
                self._port.tell(self._said(), now_ns)
            with self._turned:
                self._turns += 1
                self._turned.notify_all()

    def _said(self) -> Said:
        return Said(
            permit=self._permit,
            latched=not self._permit,
            reason=Reason.NONE if self._permit else Reason.TRIPPED,
            pair=Pair.PERMIT if self._permit else Pair.OFF,
            healthy=True,
            lamp=Lamp.READY,
            since_ns=self._since_ns,
        )


def _now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class PoweredCamera(LiveCamera):
    """Behind the relay: without a permit it has no power."""

    def __init__(self, speaker: Speaker) -> None:
        super().__init__()
        self._speaker = speaker

    def start(self, deliver: Deliver, caption: str) -> None:
        if not self._speaker.permits:
            raise HardwareFault(device="camera", what="gone", remedy_zh="请检查连接", remedy_en="look")
        super().start(deliver, caption)


class Pressing:
    """Somebody who asks for a session at once (implements `edge.surroundings.ControlSocket`)."""

    def __init__(self, post: Callable[[Asked], None]) -> None:
        post(Asked(request=Request(verb=Verb.START, actor="张三"), role=Role.OPERATOR, answer=lambda _answer: None))

    def close(self) -> None:
        pass


class Recording:
    """A service in its threads, with what it wrote; ended by `stops`."""

    def __init__(self, made: Device, speaker: Speaker, path: Path) -> None:
        self.made, self.onlooker = made, Onlooker()
        self._told = threading.Condition()
        self.onlooker.on_durable = self._notify
        self._stop = threading.Event()
        config = replace(
            made.config,
            interlock=replace(made.config.interlock, enabled=True, socket=path),
            watchdog=replace(made.config.watchdog, turn_seconds=2),
        )
        self._start = Start(
            config=config,
            hardware=Hardware(camera=PoweredCamera(speaker), microphone=LiveMicrophone(), clock=SystemClock()),
            watcher=self.onlooker,
            stop=self._stop,
            conduct=conduct_threads,
            surroundings=Surroundings(guard=partial(GuardLink, path), control=Pressing),
            service=True,
            last_exit=made.spool.with_name("last-exit"),
        )
        self.codes: list[int] = []
        self._thread = threading.Thread(target=lambda: self.codes.append(serve(self._start)), name="control")

    def begins(self) -> None:
        self._thread.start()

    def awaits(self, holds: Callable[[], bool]) -> None:
        with self._told:
            assert self._told.wait_for(holds, LIMIT_SECONDS), self.onlooker.words

    def awaits_fragments(self, count: int) -> None:
        before = self.fragments()
        self.awaits(lambda: self.fragments() >= before + count)

    def fragments(self) -> int:
        return sum(kind == "F" for kind, _, _ in self.onlooker.durable)

    def ends(self) -> None:
        self._stop.set()
        self._thread.join(LIMIT_SECONDS)
        assert self.codes == [0]

    def _notify(self) -> None:
        with self._told:
            self._told.notify_all()


@pytest.fixture
def speaker(tmp_path: Path) -> Iterator[Speaker]:
    speaker = Speaker(tmp_path / "link")
    yield speaker
    speaker.close()


@contextmanager
def service(tmp_path: Path, speaker: Speaker) -> Iterator[Recording]:
    LiveCamera()._room.take(0, 0)  # encode the pictures before the clock counts
    RoomMicrophone().open()
    running = Recording(device(tmp_path), speaker, tmp_path / "link")
    try:
        yield running
    finally:
        running.ends()


def codes(made: Device) -> list[EventCode]:
    return [EventCode(event.code) for event in bodies(made, Event)]


@pytest.mark.parametrize(("owner", "name"), [(LiveCamera, "open"), (Onlooker, "status")])
def test_a_control_that_is_held_for_three_seconds_while_the_guard_speaks_makes_no_interlock_gap(
    tmp_path: Path, speaker: Speaker, owner: type[Any], name: str
) -> None:
    with service(tmp_path, speaker) as running:
        with held(owner, name) as entered:
            running.begins()
            assert entered.wait(LIMIT_SECONDS)
            speaker.await_turns(HELD_WORDS)
        running.awaits_fragments(2)
    assert (bodies(running.made, Inhibition), [gap.stream for gap in bodies(running.made, Gap)]) == ([], [None])
    assert EventCode.PROCESS_WEDGED in codes(running.made)
    assert EventCode.GUARD_LOST not in codes(running.made)


def test_a_guard_that_falls_silent_while_control_is_held_ends_what_is_written_where_its_lease_ends(
    tmp_path: Path, speaker: Speaker
) -> None:
    with service(tmp_path, speaker) as running:
        running.begins()
        running.awaits_fragments(2)
        with held(GuardLink, "want") as entered:  # CONTROL asks for a lamp in each of its turns
            assert entered.wait(LIMIT_SECONDS)
            speaker.silent.set()
            speaker.await_turns(HELD_WORDS)
            lent_until_ns = speaker.last_ns + LEASE_NS
            speaker.silent.clear()
            speaker.await_turns(2)
        running.awaits_fragments(2)
    forbids, cleared = bodies(running.made, Inhibition)
    assert (forbids.act, cleared.act) == (InhibitionAct.SET, InhibitionAct.CLEARED)
    assert forbids.at[1] == lent_until_ns
    before, *_ = spans = [segment.span_ns for segment in bodies(running.made, Segment)]
    assert lent_until_ns - LEASE_NS // 2 < before[1] <= lent_until_ns, "up to the lease's end, and not longer"
    assert [span for span in spans if span[0] < cleared.at[1] and span[1] > forbids.at[1]] == []
    assert Code.RECORDED_WHILE_FORBIDDEN not in running.made.findings()


def test_a_trip_while_a_session_starts_is_an_interruption_and_no_fault_of_the_camera(
    tmp_path: Path, speaker: Speaker
) -> None:
    with service(tmp_path, speaker) as running:
        with held(LiveCamera, "open") as entered:
            running.begins()
            assert entered.wait(LIMIT_SECONDS)
            speaker.says(permit=False)
            speaker.await_turns(2)
        running.awaits(lambda: bool(bodies(running.made, Inhibition)))
        assert running.fragments() == 0
        speaker.says(permit=True)
        running.awaits_fragments(2)
    assert next(one.cause for one in bodies(running.made, Gap)) == GapCause.INTERLOCK
    assert EventCode.SOURCE_LOST not in codes(running.made)
    forbids, cleared = bodies(running.made, Inhibition)
    spans = [segment.span_ns for segment in bodies(running.made, Segment)]
    assert [span for span in spans if span[0] < cleared.at[1] and span[1] > forbids.at[1]] == []
