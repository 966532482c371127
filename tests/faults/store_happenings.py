"""How each fault of the line and of the store happens: a room that records, the offload process, a store with levers.

Recorder, offload process and the socket's words between them are the real ones; the store is `sim.store`, in the
room's own time.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from edge.config import Config
from edge.offload.inventory import Inventory
from edge.offload.program import Offload, OffloadStart, Settings
from edge.offload.words import Answer, OffloadAlive, Words
from edge.offload.yielding import Look
from edge.ports import ClockReading
from edge.settings_store import Store
from liuhen.hashing import sha256
from liuhen.kinds import Receipt
from liuhen.store_names import StoreUrl, parse_key, parse_store_url, store_hash
from sim.store import Clockwork, VirtualStore, VirtualStreams
from tests.edge.examined import examine
from tests.edge.ports_room import START_NS, Act, Device, Room, RoomClock, device
from tests.edge.test_upkeep import free_seconds
from tests.faults.fault_table import Seen
from tests.faults.witness import Witness, journal, look, play, seen_of

URL = parse_store_url("s3://store.example/liuhen")
DAY_MS = 86_400_000
LATER_NS = START_NS + 60 * 10**9
LEAP_NS = 301 * 10**9
"""Longer than any wait between two tries, and than a line may be down before it is told."""
SETTLING_SECONDS = 60
_ALIVE = OffloadAlive(
    store=URL.text, waiting_objects=9, waiting_bytes=9_000_000, oldest_seconds=9, bytes_per_second=500_000
)


@dataclass(slots=True)
class Line:
    """The offload process of one device, turned once a second while the room is played; one life in each room."""

    made: Device
    state: Path
    settings: Settings = field(default_factory=lambda: Settings(beacon_seconds=0))
    url: StoreUrl = URL
    silent: bool = False
    """The process stands still."""
    store: VirtualStore = field(init=False)
    _room: Room | None = None
    _offload: Offload | None = None
    _ahead_ms: int = 0
    _ahead_ns: int = 0

    def __post_init__(self) -> None:
        self.store = VirtualStore(
            Clockwork(utc_ms=self._utc_ms), url=self.url.text, sign_ahead_ms=lambda: self._ahead_ms
        )

    def goes_on(self, seconds: int) -> Act:
        """The act of letting time pass for both."""

        def act(room: Room) -> None:
            self._enter(room)
            for _ in range(seconds):
                self._second(room)

        return act

    def turns(self, room: Room) -> None:
        """One turn of the process, while somebody else lets the time pass."""
        self._enter(room)
        if self._offload is not None and not self.silent:
            self._offload.look()

    def settles(self, room: Room) -> None:
        """The act of waiting until the sessions before this one are at the store, read back and receipted."""
        self._enter(room)
        before = [path for path in self.made.segments() if path.parent.name != room_session(room)]
        media = {sha256(path.read_bytes()) for path in before}
        for _ in range(SETTLING_SECONDS):
            self._second(room)
            bodies = [entry.body for entry in journal(self.made)]
            if media <= {row[1] for body in bodies if isinstance(body, Receipt) for row in body.objects}:
                break
        assert media, "there was something to bring there"
        assert media <= {sha256(held.content) for held in self.store.held}, "recorded, and not at the store"
        self.goes_on(6)(room)  # deadlines are looked at every few seconds

    def leaps(self, _: Room) -> None:
        """The act of letting the offload process wait as long as it ever does."""
        self._ahead_ns += LEAP_NS

    def pulls(self, **levers: object) -> Act:
        """The act of making something wrong, or right again."""

        def act(_: Room) -> None:
            for name, to in levers.items():
                setattr(self.store.levers, name, to)

        return act

    def end(self) -> None:
        """Let go of the state."""
        if self._offload is not None:
            self._offload.close()
        self._offload = None

    def _second(self, room: Room) -> None:
        room.play(1)
        if self._offload is not None and not self.silent:
            self._offload.look()

    def _enter(self, room: Room) -> None:
        if room is self._room:
            return
        self.end()
        self._room = room
        inventory = Inventory(
            root=lambda: self.made.spool,
            log_id=journal(self.made)[0].common.log_id,
            store=store_hash(self.url),
            due=lambda ended_ms, _error_ms: ended_ms + DAY_MS,
        )
        start = OffloadStart(
            store=self.store,
            url=self.url.text,
            store_hash=store_hash(self.url),
            inventory=inventory,
            state_folder=self.state,
            clock=_Ahead(room.clock, lambda: self._ahead_ns, room.clock.boot_id),
            tell=self._tell,
            rate=lambda: None,
            wait=lambda _stopping, _seconds: False,
            sign_ahead=self._sign_ahead,
            jitter=random.Random(1).random,  # noqa: S311 - jitter that is the same in every run
            look=Look,
            say=lambda _zh, _en: None,
            settings=self.settings,
        )
        self._offload = Offload(start, _at_once)

    def _tell(self, words: Words) -> Answer:
        assert self._room is not None
        return self._room.offload_tells(words)

    def _sign_ahead(self, ahead_ms: int) -> None:
        self._ahead_ms = ahead_ms

    def _utc_ms(self) -> int:
        assert self._room is not None
        return self._room.clock.read().utc_ms


@dataclass(slots=True)
class _Ahead:
    """The room's clock for somebody who has waited while nothing was played (implements `edge.ports.Clock`)."""

    clock: RoomClock
    ahead_ns: Callable[[], int]
    boot_id: bytes

    def read(self) -> ClockReading:
        return replace(self.clock.read(), boottime_ns=self.boottime_ns())

    def boottime_ns(self) -> int:
        return self.clock.boottime_ns() + self.ahead_ns()


def room_session(room: Room) -> str:
    """The folder of the session that is open."""
    assert room._stage is not None
    session = room._stage.recorder._room.session_id
    return session.hex() if session is not None else ""


def _at_once(wake: Callable[[], None], stopping: threading.Event) -> VirtualStreams:
    return VirtualStreams(wake, stopping)


@contextmanager
def line_of(folder: Path, retention_ms: int = 0) -> Iterator[Line]:
    """A device with a designated store, and what brings its recordings there."""
    bare = device(folder)
    store = Store(url=URL.text, designated=True, designated_by="市执法局")
    made = replace(bare, config=replace(bare.config, store=store))
    examine(made.spool, URL.text)
    line = Line(made, folder / "offload", Settings(beacon_seconds=0, retention_ms=retention_ms))
    try:
        yield line
    finally:
        line.end()


def _told(folder: Path, *acts: Callable[[Line], Act], retention_ms: int = 0) -> Seen:
    """A session is over; these happen while the next one is recorded and the first is brought to the store."""
    with line_of(folder, retention_ms) as line:
        Room().record(line.made.config, play(12))
        room = Witness(RoomClock(now_ns=LATER_NS))
        room.witness(line.made.config, *(act(line) for act in acts))
    return seen_of(line.made, room)


def _pulled(**levers: object) -> Callable[[Line], Act]:
    return lambda line: line.pulls(**levers)


def _for(seconds: int) -> Callable[[Line], Act]:
    return lambda line: line.goes_on(seconds)


def _leap(line: Line) -> Act:
    return line.leaps


def _looked(_: Line) -> Act:
    return look


def _settled(line: Line) -> Act:
    return line.settles


def _trouble(folder: Path, mended: object = False, **lever: object) -> Seen:
    """Something is wrong until somebody mends it; then everything arrives."""
    well = dict.fromkeys(lever, mended)
    return _told(folder, _pulled(**lever), _for(3), _looked, _pulled(**well), _leap, _for(2), _settled)


def network_down(folder: Path) -> Seen:
    """A week without a network: a session on its first day and one on its last; then the line is back."""
    with line_of(folder) as line:
        line.store.levers.down = True
        Room().record(line.made.config, play(12))
        _after(0.6).record(line.made.config, line.goes_on(7))
        room = _after(7)
        acts = (line.goes_on(7), line.leaps, line.goes_on(2), look, line.pulls(down=False), line.leaps)
        room.witness(line.made.config, *acts, line.goes_on(2), line.settles)
    return seen_of(line.made, room)


def _after(days: float) -> Witness:
    """Another boot, so long after the first."""
    clock = RoomClock(boot_id=bytes([100 + int(days), *range(1, 16)]))
    clock.utc_offset_ms += int(days * DAY_MS)
    return Witness(clock)


def offload_silent(folder: Path) -> Seen:
    def stands(line: Line) -> Act:
        return lambda _: setattr(line, "silent", not line.silent)

    return _told(folder, _for(3), stands, _for(12), _looked, stands, _for(2), _settled)


def nothing_may_go(folder: Path) -> Seen:
    """Space runs low, and the store has nothing that would let media go."""
    with line_of(folder) as line, pytest.MonkeyPatch.context() as patch:

        def low(_: Room) -> None:
            free_seconds(patch, line.made.config, _planned_seconds(line.made.config))

        low(Room())
        room = Witness().witness(line.made.config, line.pulls(down=True), line.goes_on(8), look, play(1))
    return seen_of(line.made, room)


def _planned_seconds(config: Config) -> float:
    """More than a session needs to begin, and less than the margin on top of it."""
    return config.session.planned_hours * 3600 * 1.1


def answers_lost(folder: Path) -> Seen:
    """It takes everything and answers nothing: what was sent once more says the same, byte for byte."""
    lines: list[Line] = []

    def thaws(line: Line) -> Act:
        lines.append(line)
        return lambda _: line.store.thaw()

    frozen = _pulled(frozen=True)
    seen = _told(folder, frozen, _for(2), _leap, _for(3), _looked, thaws, _leap, _for(2), _settled)
    store = lines[0].store
    for key in store.key_set():
        assert {sha256(copy) for copy in store.copies(key)} == {parse_key(key).digest}
    return seen


def refused(folder: Path) -> Seen:
    return _trouble(folder, denied=True)


def untrusted(folder: Path) -> Seen:
    return _trouble(folder, untrusted=True)


def full(folder: Path) -> Seen:
    return _trouble(folder, mended=None, capacity_bytes=1000)


def clock_off(folder: Path) -> Seen:
    return _told(folder, _pulled(ahead_ms=20 * 60_000), _for(3), _looked, _settled)


def crawls(folder: Path) -> Seen:
    """So slow that what waits cannot be there in time: told while there is still time to carry it there by hand."""
    with line_of(folder) as line:
        Room().record(line.made.config, play(12))
        room = _after(0.05)
        slow = replace(_ALIVE, waiting_bytes=10**9, bytes_per_second=100)

        def says(room: Room) -> None:
            assert room.offload_tells(slow).ok

        room.witness(line.made.config, says, play(6), look, play(1))
    return seen_of(line.made, room)


def bytes_differ(folder: Path) -> Seen:
    return _told(folder, _pulled(flipped_reads=1), _for(3), _looked, _settled)


def version_lost(folder: Path) -> Seen:
    """It says yes, and what it took is not there when it is asked for it."""

    def loses(line: Line) -> Act:
        def act(room: Room) -> None:
            before = len(line.store.held)
            put = line.store.put

            def put_and_lose(*arguments: object, **named: object) -> object:
                done = put(*arguments, **named)  # type: ignore[arg-type]
                if len(line.store.held) == before + 1:
                    line.store.held.pop()
                return done

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(VirtualStore, "put", lambda _self, *a, **n: put_and_lose(*a, **n))
                line.goes_on(3)(room)

        return act

    return _told(folder, loses, _looked, _settled)


def retention_short(folder: Path) -> Seen:
    short = _pulled(retention=timedelta(hours=1), ignores_dates=True, may_extend=False)
    mended = _pulled(may_extend=True)
    return _told(folder, short, _for(3), _looked, mended, _leap, _for(2), _settled, retention_ms=30 * DAY_MS)


def rotten_here(folder: Path) -> Seen:
    """A segment rots between its seal and its sending: it is never sent under its old name."""
    with line_of(folder) as line:
        rotten: list[Path] = []

        def rots(room: Room) -> None:
            path = next(path for path in line.made.segments() if path.parent.name != room_session(room))
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
            rotten.append(path)

        Room().record(line.made.config, play(12))
        room = Witness(RoomClock(now_ns=LATER_NS))
        room.witness(line.made.config, rots, line.goes_on(12), look, play(1))
        held = {sha256(one.content) for one in line.store.held}
        assert sha256(rotten[0].read_bytes()) not in held
    return seen_of(line.made, room)


STORE_HAPPENINGS: dict[str, Callable[[Path], Seen]] = {
    "25": network_down,
    "25 silent": offload_silent,
    "25 space": nothing_may_go,
    "26": answers_lost,
    "26 refused": refused,
    "26 untrusted": untrusted,
    "26 full": full,
    "26 clock": clock_off,
    "26 crawls": crawls,
    "27": bytes_differ,
    "27 lost": version_lost,
    "27 retention": retention_short,
    "27 here": rotten_here,
}
"""By a row's name."""
