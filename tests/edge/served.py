"""The service in a room of prepared packets, with somebody who does one thing in each of its idle turns.

One thread is CONTROL, camera, microphone and WRITER in turn; the threads of the disks' watch and of the search for rot
are the real ones.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from edge.app import Stage, Start
from edge.config import Config
from edge.journal import entries_of
from edge.messages import Asked, SensorsTold
from edge.recorder import Ended
from edge.requests import Answer, Request, Role, Verb, packet_of, parse
from edge.sensors.readings import Readings
from edge.station import serve
from edge.surroundings import NO_SURROUNDINGS, Surroundings
from liuhen.entry import Entry
from tests.edge.ports_room import Act, Device, Room

PATIENCE = 300
"""Idle turns, of at most a fifth of a second each, that a step may wait."""

Step = Callable[["Service"], bool | None]
"""Done in an idle turn; one that returns False is tried again in the next."""


class Service:
    """The supervisor of a service, which hears of each turn, and whoever posts to it (see the module)."""

    def __init__(self, made: Device, room: Room, acts: tuple[Act, ...] = ()) -> None:
        """`acts` happen in each session."""
        self.made, self.room, self.acts = made, room, acts
        self.stop = threading.Event()
        self.answers: list[Answer] = []
        self._steps: deque[Step] = deque()
        self._patience = PATIENCE
        self._recording = False
        self._post: Callable[[Asked | SensorsTold], None] = _nobody

    def serve(self, *steps: Step, config: Config | None = None, around: Surroundings = NO_SURROUNDINGS) -> int:
        """One life of the service, which ends after these steps; returns its exit code."""
        self._steps = deque(steps)
        return serve(
            Start(
                config=config or self.made.config,
                hardware=self.room.hardware(),
                watcher=self.room.onlooker,
                stop=self.stop,
                conduct=self._conduct,
                surroundings=replace(around, supervisor=self, control=self._hear),
                service=True,
                last_exit=self.made.spool.with_name("last-exit"),
            )
        )

    def _hear(self, post: Callable[[Asked | SensorsTold], None]) -> Service:
        self._post = post
        return self

    def close(self) -> None:
        """Nobody asks any more."""

    def _conduct(self, stage: Stage) -> Ended:
        self._recording = True
        try:
            return self.room._conduct(stage, self.acts)
        finally:
            self._recording = False

    # -- what is done in an idle turn ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Somebody asks for a session."""
        request = parse(packet_of(Request(verb=Verb.START)))
        self._post(Asked(request=request, role=Role.OPERATOR, answer=self.answers.append))

    def tell(self, readings: Readings) -> None:
        """The sensors tell."""
        self._post(SensorsTold(readings=readings, answer=lambda _answer: None))

    # -- as the supervisor (edge.watchdog.Supervisor) -----------------------------------------------------------------

    def alive(self) -> None:
        if self._recording or self.stop.is_set():
            return
        if not self._steps:
            self.stop.set()
            return
        if self._steps[0](self) is not False:
            self._steps.popleft()
            self._patience = PATIENCE
            return
        self._patience -= 1
        if self._patience <= 0:
            self.stop.set()
            raise AssertionError("what was waited for did not happen")

    def ready(self, status: str) -> None:
        pass

    def status(self, status: str) -> None:
        pass

    def stopping(self) -> None:
        pass


def _nobody(_message: Asked | SensorsTold) -> None:
    """The service is not there yet."""


def start(service: Service) -> None:
    """The step of asking for a session."""
    service.start()


def asks(verb: Verb, attachment: bytes | None = None, **said: Any) -> Step:
    """The step of an operator's asking for something."""
    request = parse(packet_of(Request(verb=verb, **said)))

    def ask(service: Service) -> None:
        service._post(Asked(request=request, role=Role.OPERATOR, answer=service.answers.append, attachment=attachment))

    return ask


def rest(_service: Service) -> None:
    """A turn in which nothing is done."""


def answered(times: int = 1) -> Step:
    """The step of waiting until so many of those who asked for a session have been answered."""
    return lambda service: len(service.answers) >= times


def journal(made: Device) -> list[Entry]:
    """Everything so far."""
    return [entry for path in made.journal_files() for entry in entries_of(path)]
