"""What people asked of a recorder before the power went, and what each answer promised.

A hearing with header, steps and a schedule; visits of an always-on room; two stores with what they hold; a term that is
lengthened; a record that is destroyed after it. Each is a run of its own on the disk that is cut. An answer, or a
command's exit code 0, is acknowledged as an entry is: what it stands for must be there in every state after it, and of
what was asked and not answered each entry is there whole, with every record it names, and none without those before it.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge import durable, store_examined
from edge import header as headers
from edge.commands.visits import days_of
from edge.config import Config
from edge.desk_schedule import FILE as SCHEDULE_FILE
from edge.destruction import PENDING_FILE
from edge.journal import entries_of
from edge.offload.program import Settings
from edge.requests import MarkKind, Verb
from edge.schedule import Hearing, to_bytes
from edge.settings_store import SecondStore, Store
from edge.store_examined import Standing
from liuhen import archive, records
from liuhen.entry import Entry
from liuhen.errors import FormatError
from liuhen.findings import Code
from liuhen.kinds import (
    Case,
    Check,
    Destroyed,
    Duty,
    Event,
    Header,
    LateMark,
    Mark,
    Procedure,
    Receipt,
    Retention,
    Session,
    Visit,
)
from liuhen.registry import CheckItem, ContentKind, EventCode, MarkCode, VisitAct, VisitEnd
from liuhen.store_names import parse_store_url
from tests.crash import recording
from tests.crash.evidence import ANSWER, LIFE, Acknowledgement
from tests.crash.recording import BOOT_NS, Say
from tests.edge.examined import result
from tests.edge.keeping_room import ActClock, Person
from tests.edge.ports_room import BOOT_ID, START_NS, UTC_MS, Device, Room, RoomClock
from tests.edge.test_header import FULL
from tests.faults.store_happenings import URL, Line

SECOND = parse_store_url("s3://archive.example/liuhen")
MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
LIVES_APART_MINUTES = 10
DESTROYED_AFTER_DAYS = 3
TERM_ENDS = "2026-09-22"
"""The day after the recording (UTC_MS)."""
GRACE_MINUTES = 1
MISSED_MINUTES = 5
"""A hearing between the first run and the second: nobody recorded it."""
COMING_MINUTES = 30 * 24 * 60
TURNS = 5
ARRIVED = "张三"
HEADER = replace(FULL, matter="")


def settings(config: Config) -> Config:
    """What this device is set to in all its runs: an always-on room with a schedule and two designated stores."""
    archive_store = SecondStore(url=SECOND.text, designated=True, designated_by="市档案馆")
    store = Store(url=URL.text, designated=True, designated_by="市执法局", second=archive_store)
    session = replace(config.session, always_on=True, visit_notice_seconds=10, schedule_grace_minutes=GRACE_MINUTES)
    return replace(config, session=session, store=store)


# -- what is asked -----------------------------------------------------------------------------------------------------

Part = Callable[[Entry], bool]
Act = Callable[[Room], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What is asked once, and the entries an answer stands for, in their order.

    `before`: so many entries that fit as well are those of earlier commands.
    """

    name: str
    parts: tuple[Part, ...]
    before: int = 0


def _of(kind: type, **wanted: object) -> Part:
    def fits(entry: Entry) -> bool:
        body = entry.body
        return isinstance(body, kind) and all(getattr(body, name) == value for name, value in wanted.items())

    return fits


def _is_store_check(entry: Entry) -> bool:
    return isinstance(entry.body, Check) and [row[0] for row in entry.body.rows] == [CheckItem.STORE]


COMMANDS = (
    Command(name="header", parts=(_of(Procedure), _of(Header))),
    Command(name="step", parts=(_of(Mark, code=MarkCode.STEP, step=1),)),
    Command(name="arrival", parts=(_of(Mark, code=MarkCode.PARTY_ARRIVED),)),
    Command(name="late mark", parts=(_of(LateMark, step=2),)),
    Command(name="schedule", parts=(_of(Event, code=EventCode.SCHEDULE_SET),)),
    Command(name="visit A001", parts=(_of(Visit, act=VisitAct.BEGUN, number="A001"),)),
    Command(
        name="visit A002",
        parts=(
            _of(Visit, act=VisitAct.ENDED, number="A001", cause=VisitEnd.NEXT_VISIT),
            _of(Visit, act=VisitAct.BEGUN, number="A002"),
        ),
    ),
    Command(name="end of A002", parts=(_of(Visit, act=VisitAct.ENDED, number="A002", cause=VisitEnd.PERSON),)),
    Command(name="visit A003", parts=(_of(Visit, act=VisitAct.BEGUN, number="A003"),)),
    Command(name="first store", parts=(_is_store_check,)),
    Command(name="second store", parts=(_is_store_check,), before=1),
    Command(name="case", parts=(_of(Case),)),
    Command(name="term", parts=(_of(Retention),)),
    Command(name="destruction", parts=(_of(Destroyed),)),
)
NUMBER = {command.name: number for number, command in enumerate(COMMANDS)}


def _acknowledged(kind: str, number: int) -> Acknowledgement:
    return Acknowledgement(kind=kind, first=number, second=0, digest=b"\0")


# -- the runs ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One run of the recorder in which people ask (implements `recording.Life`); `number` says which, from 0."""

    number: int
    acts: Callable[[Device, Say], Sequence[Act]]

    def lead(self, root: Path, say: Say) -> None:
        say(_acknowledged(LIFE, self.number))
        made = device_at(root)
        recording.record(made.config, clock_after(self.number, 0), say, tuple(self.acts(made, say)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Typing:
    """One command between two runs (implements `recording.Life`)."""

    number: int
    command: str
    words: Callable[[Person], tuple[str, ...]]

    def lead(self, root: Path, say: Say) -> None:
        say(_acknowledged(LIFE, self.number))
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
            person = _At(root, self.number)
            code = person.acts(*self.words(person))
        if code != 0:
            raise RuntimeError(f"{self.command}: exit code {code}")
        say(_acknowledged(ANSWER, NUMBER[self.command]))


class _At(Person):
    """Somebody who types on the day of this run."""

    def __init__(self, root: Path, number: int) -> None:
        super().__init__(root)
        self._number = number

    def clock(self) -> ActClock:
        of_run = clock_after(self._number, 0)
        read = of_run.read()
        return ActClock(boot_id=of_run.boot_id, utc_ms=read.utc_ms, now_ns=BOOT_NS)


def device_at(root: Path) -> Device:
    """The device with its settings; whoever verifies does so a year later."""
    made = recording.device_at(root)
    return replace(made, config=settings(made.config), now_ms=UTC_MS + 366 * DAY_MS)


def clock_after(number: int, minutes: int, *, rebooted: bool = False) -> RoomClock:
    """The clocks so many minutes after the beginning of a run. The first three are of one boot."""
    utc_ms = UTC_MS + (number * LIVES_APART_MINUTES + minutes) * MINUTE_MS
    if number == len(LIVES) - 1:
        utc_ms += DESTROYED_AFTER_DAYS * DAY_MS
    if number < RECORDED and not rebooted:
        now_ns = START_NS + (number * LIVES_APART_MINUTES + minutes) * 60 * 10**9
        return RoomClock(now_ns=now_ns, utc_offset_ms=utc_ms - now_ns // 1_000_000, boot_id=BOOT_ID)
    now_ns = BOOT_NS + (0 if rebooted else minutes * 60 * 10**9)
    boot = number + (100 if rebooted else 1)
    return RoomClock(now_ns=now_ns, utc_offset_ms=utc_ms - now_ns // 1_000_000, boot_id=boot.to_bytes(16, "big"))


def asks(say: Say, name: str, verb: Verb, **said: Any) -> Act:
    """The act of asking this; its answer is acknowledged."""

    def act(room: Room) -> None:
        answer = room.ask(verb, **said)
        if not answer.ok:
            raise RuntimeError(f"{name}: {answer.words_en}")
        say(_acknowledged(ANSWER, NUMBER[name]))

    return act


def _play(seconds: float) -> Act:
    return lambda room: room.play(seconds)


def _hearing(_: Device, say: Say) -> Sequence[Act]:
    rows = tuple(
        Hearing(begin_ms=UTC_MS + at * MINUTE_MS, end_ms=UTC_MS + at * MINUTE_MS, title=f"{ARRIVED}案 {at}")
        for at in (MISSED_MINUTES, COMING_MINUTES)
    )
    return (
        _play(0.6),
        asks(say, "header", Verb.HEADER, attachment=headers.to_bytes(HEADER), actor="周八"),
        _play(0.4),
        asks(say, "step", Verb.MARK, kind=MarkKind.STEP, step=1),
        asks(say, "arrival", Verb.MARK, kind=MarkKind.ARRIVAL, text=ARRIVED),
        _play(0.4),
        asks(say, "late mark", Verb.MARK, kind=MarkKind.STEP, step=2, ago_ms=500),
        asks(say, "schedule", Verb.SCHEDULE, attachment=to_bytes(rows)),
        _play(0.6),
    )


def _visits(_: Device, say: Say) -> Sequence[Act]:
    return (
        _play(0.6),
        asks(say, "visit A001", Verb.VISIT_BEGIN, number="A001", actor=ARRIVED),
        _play(0.6),
        asks(say, "visit A002", Verb.VISIT_BEGIN, number="A002"),
        _play(0.6),
        asks(say, "end of A002", Verb.VISIT_END),
        asks(say, "visit A003", Verb.VISIT_BEGIN, number="A003"),
        _play(0.6),
    )


def _stores(made: Device, say: Say) -> Sequence[Act]:
    first = next(one.common.session_id for one in entries(made.spool) if isinstance(one.body, Session))
    assert first is not None
    case = {"session": first.hex(), "stage": "enforcement-ended", "day": "2026-09-21"}
    return (
        _play(0.4),
        asks(say, "first store", Verb.STORE_CHECK, attachment=result(URL.text)),
        asks(say, "second store", Verb.STORE_CHECK, attachment=result(SECOND.text)),
        *_sent(made),
        asks(say, "case", Verb.CASE, actor=ARRIVED, **case),
        _play(0.4),
    )


def _sent(made: Device) -> Sequence[Act]:
    """Both offloads turn a few seconds; their state lies beside the spool, on the disk that is cut."""
    state = made.spool.parent / "offload"
    nothing = Settings(beacon_seconds=0)
    state.mkdir(exist_ok=True)
    (state / "second").mkdir(exist_ok=True)
    first, second = Line(made, state, nothing), Line(made, state / "second", nothing, SECOND)

    def turn(room: Room) -> None:
        for _ in range(TURNS):
            first.goes_on(1)(room)
            second.turns(room)

    def end(_: Room) -> None:
        first.end()
        second.end()

    return turn, end


def _extends(person: Person) -> tuple[str, ...]:
    ground = person.file("ground", "案卷保管期限")
    return ("retention", "extend", "--session", "1", "--until", TERM_ENDS, "--basis", "law", "--ground-file", ground)


def _destroys(person: Person) -> tuple[str, ...]:
    order = person.file("order", "期满，经批准销毁")
    return ("destroy", "--record", arrival_of(person.device.spool).hex(), "--basis-file", order)


LIVES: tuple[Asking | Typing, ...] = (
    Asking(number=0, acts=_hearing),
    Asking(number=1, acts=_visits),
    Asking(number=2, acts=_stores),
    Typing(number=3, command="term", words=_extends),
    Typing(number=4, command="destruction", words=_destroys),
)
RECORDED = 3


# -- the next start ----------------------------------------------------------------------------------------------------


def next_clock(life: int, chance: random.Random) -> RoomClock:
    """Five minutes after the run that was cut began, in its boot or another; or two days later: too late to go on."""
    rebooted = bool(chance.getrandbits(1))
    days = 2 if rebooted and chance.getrandbits(1) else 0
    return clock_after(life, 5 + days * 24 * 60, rebooted=rebooted)


def next_acts(root: Path, life: int) -> tuple[Act, ...]:
    """What the next session does: both stores again, once there were any."""
    play = _play(1.2)
    return (play, *_sent(device_at(root)), play) if life >= RECORDED - 1 else (play,)


EXPECTED = frozenset(
    {Code.ENDED_EARLY, Code.PLACE_NOT_SHOWN, Code.NOTICE_MISSING, Code.STEP_ORDER, Code.VISIT_NOT_TOLD}
    | {Code.DESTROYED, Code.RECORD_DESTROYED}
)
"""What a report may say of these people: nobody was told of the recording, the hearing is cut short, a record is
destroyed after its term."""


# -- what must be true after it ----------------------------------------------------------------------------------------


def entries(spool: Path) -> list[Entry]:
    """Every entry of a spool."""
    return [entry for path in sorted((spool / "journal").glob("*.cbor")) for entry in entries_of(path)]


def arrival_of(spool: Path) -> bytes:
    """The record that is destroyed: who arrived."""
    arrived = COMMANDS[NUMBER["arrival"]].parts[0]
    body = next(one.body for one in entries(spool) if arrived(one))
    assert isinstance(body, Mark)
    return body.records[0][1]


def faults(root: Path, answered: frozenset[int], words: Sequence[str]) -> Iterator[str]:
    """Which promise is broken, one line each. `words`: what the next start said."""
    spool = root / "spool"
    every = entries(spool)
    yield from _answers(every, answered)
    yield from _records(every, spool)
    yield from _visit_faults(spool)
    yield from _schedule_faults(every, spool, words)
    yield from _store_faults(every, spool, answered)
    yield from _destruction_faults(every, spool)


def _answers(every: list[Entry], answered: frozenset[int]) -> Iterator[str]:
    for number, command in enumerate(COMMANDS):
        there = [sum(map(part, every)) > command.before for part in command.parts]
        if number in answered and not all(there):
            yield f"answered and not in the journal: {command.name} {there}"
        if there != sorted(there, reverse=True):
            yield f"a later part without an earlier one: {command.name} {there}"


def _records(every: list[Entry], spool: Path) -> Iterator[str]:
    destroyed = _destroyed(every)
    for entry in every:
        for _, commitment in getattr(entry.body, "records", ()):
            if commitment not in destroyed and not _is_whole(spool, commitment):
                yield f"entry {entry.common.seq} ({type(entry.body).__name__}) names a record that is not there"


def _is_whole(spool: Path, commitment: bytes) -> bool:
    path = archive.record_path(spool, commitment)
    try:
        return records.parse(durable.content_of(path), where=path.name).commitment == commitment
    except (OSError, FormatError):
        return False


def _visit_faults(spool: Path) -> Iterator[str]:
    """A visit that was open is over, and its end says how."""
    for day in days_of(spool):
        yield from (f"visits: entry {seq}: {words}" for seq, words in day.wrong)
        for visit in day.all():
            if visit.until is None or visit.cause in (None, VisitEnd.NOT_ENDED):
                yield f"visit {visit.number} has no end: {visit.cause}"


def _schedule_faults(every: list[Entry], spool: Path, words: Sequence[str]) -> Iterator[str]:
    """The schedule of the newest entry is in force, or the start said that it cannot be read; nothing is told twice."""
    events = [(one.common.seq, one.body) for one in every if isinstance(one.body, Event)]
    taken_in = [seq for seq, body in events if body.code == EventCode.SCHEDULE_SET]
    missed = Counter(
        (body.refers_to, body.measured[0]) for _, body in events if body.code == EventCode.SCHEDULED_NOT_RECORDED
    )
    if any(count > 1 for count in missed.values()):
        yield f"a hearing is told as not recorded more than once: {dict(missed)}"
    owed = {one.body.refers_to for one in every if isinstance(one.body, Duty)}
    told = {seq for seq, body in events if body.code == EventCode.SCHEDULED_NOT_RECORDED}
    if not told <= owed:
        yield f"a hearing is told as not recorded, and no statement is owed: entry {min(told - owed)}"
    if not taken_in:
        return
    unreadable = any("日程无法读取" in one for one in words)
    if unreadable:
        yield "the schedule's entry is there, and the start could not read the schedule"
    kept = durable.content_of(spool / SCHEDULE_FILE) if (spool / SCHEDULE_FILE).exists() else b""
    if f'"entry": {taken_in[-1]},'.encode() not in kept:
        yield f"the schedule of entry {taken_in[-1]} is not in force after the start: {kept[:40]!r}"
    newest_ms = every[-1].common.clock[0]
    due_ms = UTC_MS + (MISSED_MINUTES + GRACE_MINUTES) * MINUTE_MS
    if newest_ms > due_ms + MINUTE_MS and missed.total() != 1:
        yield f"a hearing that nobody recorded was told {missed.total()} times"


def _store_faults(every: list[Entry], spool: Path, answered: frozenset[int]) -> Iterator[str]:
    named = Counter(
        (body.store, row[1])
        for body in (one.body for one in every)
        if isinstance(body, Receipt)
        for row in body.objects
    )
    if any(count > 1 for count in named.values()):
        yield f"an object has more than one receipt of one store: {named.most_common(1)[0][1]}"
    standings = store_examined.standings(spool)
    for name, url in (("first store", URL), ("second store", SECOND)):
        if NUMBER[name] in answered and standings.at(url) is not Standing.FIT:
            yield f"its doctor was heard, and it counts as {standings.at(url).name}: {name}"


def _destroyed(every: list[Entry]) -> set[bytes]:
    bodies = [one.body for one in every if isinstance(one.body, Destroyed)]
    return {content for body in bodies for what, content in body.contents if what == ContentKind.RECORD}


def _destruction_faults(every: list[Entry], spool: Path) -> Iterator[str]:
    for commitment in _destroyed(every):
        if archive.record_path(spool, commitment).exists():
            yield "the journal says that a record is destroyed, and it is still there after the next start"
    if (spool / PENDING_FILE).exists():
        yield "a destruction is still under way after the next start"
