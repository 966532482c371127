"""A room that is looked at: what stands in the journal, what the lamp shows, what the verifier says.

One thread; the spool, the recorder and the verifier are the real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.config import Config
from edge.guard.words import Reason
from edge.guard_link import GuardMessage
from edge.journal import entries_of
from edge.last_good import InForce
from edge.ports import Stream
from edge.session.state import Mode
from edge.surroundings import Surroundings
from liuhen.entry import Entry
from liuhen.kinds import Duty, EntryBody, Event, Gap, Inhibition, Key, Mark, Recovered
from liuhen.registry import (
    DutyAct,
    DutyCode,
    EventCode,
    GapCause,
    InhibitionAct,
    InhibitionCode,
    KeyAct,
    MarkCode,
)
from liuhen.report import Report
from tests.edge.ports_room import ALWAYS_TOLD, Act, Device, Room, RoomClock, device, guard_word
from tests.faults.fault_table import Seen


@dataclass(slots=True)
class Lamps:
    """A guard that permits at first, unless its latch says otherwise, and remembers which lamps were wanted.

    Implements `edge.surroundings.Guard`.
    """

    now_ns: int
    wanted: list[str] = field(default_factory=list)
    found: Reason = Reason.NONE
    """Why it does not permit from its start on, if so."""

    def __call__(self, post: Callable[[GuardMessage], None]) -> Lamps:
        post(guard_word(self.now_ns, permit=self.found is Reason.NONE, reason=self.found))
        return self

    def want(self, lamp: Any, *, session: bool, durable: int, buzzer: bool = False) -> None:
        self.wanted.append(str(lamp))

    def close(self) -> None:
        pass


class Witness(Room):
    """The prepared-packet room with somebody in it who looks at the lamp."""

    def __init__(self, clock: RoomClock | None = None) -> None:
        super().__init__(clock)
        self.lamps = Lamps(self.clock.now_ns)
        self.mode: Mode | None = None
        self.lamp: str | None = None
        self.looked = False

    def look(self) -> None:
        """Remember what is shown at this moment."""
        assert self._stage is not None
        self._turn(writes=True)
        self.mode = self._stage.recorder._room.state.mode
        self.lamp = self.lamps.wanted[-1]
        self.looked = True

    def _turn(self, *, writes: bool, appends: bool = True) -> None:
        """Whoever never looks has seen the last moment."""
        super()._turn(writes=writes, appends=appends)
        if not self.looked and self._stage is not None and self.lamps.wanted:
            self.mode, self.lamp = self._stage.recorder._room.state.mode, self.lamps.wanted[-1]

    def witness(self, config: Config, *acts: Act, service: bool = False, in_force: InForce | None = None) -> Witness:
        """Record."""
        surroundings = Surroundings(guard=self.lamps)
        self.record(config, *acts, surroundings=surroundings, service=service, in_force=in_force)
        return self

    def goes_on(self, config: Config, *acts: Act) -> int:
        """The service goes on with the session that was left open. Its exit code."""
        return self.serve(config, *acts, surroundings=Surroundings(guard=self.lamps))


def look(room: Room) -> None:
    """The act of looking."""
    assert isinstance(room, Witness)
    room.look()


def play(seconds: float) -> Act:
    """The act of letting time pass."""
    return lambda room: room.play(seconds)


def journal(made: Device) -> list[Entry]:
    return [entry for path in made.journal_files() for entry in entries_of(path)]


def seen(entries: Iterable[Entry], report: Report, *, mode: Mode | None, lamp: str | None) -> Seen:
    """What a journal, its report and the moment looked at add up to."""
    bodies = [entry.body for entry in entries if entry.body is not None]
    return Seen(
        events=frozenset(EventCode(body.code) for body in bodies if isinstance(body, Event)),
        gaps=frozenset(
            (GapCause(body.cause), None if body.stream is None else Stream(body.stream))
            for body in bodies
            if isinstance(body, Gap)
        ),
        entries=frozenset(name for body in bodies for name in named(body)),
        mode=mode,
        lamp=lamp,
        intact=report.intact,
        findings=frozenset({finding.code for finding in report.findings} - ALWAYS_TOLD),
    )


def seen_of(made: Device, room: Witness) -> Seen:
    """The same of a device and the room it recorded."""
    return seen(journal(made), made.verify(), mode=room.mode, lamp=room.lamp)


def named(body: EntryBody) -> tuple[str, ...]:
    """Entries that tell of a fault, by name; what every recording has is none."""
    match body:
        case Recovered(quarantined=quarantined, torn_journal_bytes=torn):
            return ("RECOVERED", *(["TAIL_TORN"] if quarantined else []), *(["TORN_JOURNAL"] if torn else []))
        case Inhibition(code=code, act=act):
            return (f"INHIBITION_{InhibitionCode(code).name}_{InhibitionAct(act).name}",)
        case Duty(code=code, act=act):
            return (f"DUTY_{DutyCode(code).name}_{DutyAct(act).name}",)
        case Mark(code=code):
            return (f"MARK_{MarkCode(code).name}",)
        case Key(act=act):
            return (f"KEY_{KeyAct(act).name}",)
        case _:
            return ()


def recorded(folder: Path, *acts: Act) -> Seen:
    """One session in a new device."""
    made = device(folder)
    return seen_of(made, Witness().witness(made.config, *acts))
