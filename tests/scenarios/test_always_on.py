"""An always-on room's day in virtual time: media plus gaps are all of it, and each of fifty visits is found by number.

Through the product's own encoder, muxer, writer and journal, with a small picture and two frames a second. `live` is
the piece that the campaign plays for a whole day; continuous integration plays an hour and a half.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest

from edge.app import Stage, Start, run
from edge.commands.visits import days_of
from edge.config import Config
from edge.journal import entries_of
from edge.messages import Asked, RoomSays
from edge.ports import Hardware
from edge.prompts import Prompt, PromptPlayed, PromptVoice
from edge.recorder import Ended
from edge.requests import Answer, Request, Role, Verb
from liuhen import archive, keys
from liuhen import verify as verifier
from liuhen.entry import Entry
from liuhen.kinds import Event, GapEnd, Segment, SessionEnd, Visit
from liuhen.registry import EventCode, VisitEnd
from liuhen.report import Report
from liuhen.visits import Day, VisitTold
from sim.scene import Planes
from sim.truth import NoTruth
from sim.virtual import VIRTUAL_START, build_room, conduct_virtual
from sim.virtual_room import Act, VirtualRoom
from tests.sim.virtual_session import Casting, Onlooker, plan_for, small_config

pytestmark = pytest.mark.long

NS = 10**9
FRAMES_PER_SECOND = 2
FRAME_NS = NS // FRAMES_PER_SECOND
TURN_NS = NS
VISITS = 50
FORGOTTEN, UNTOLD = 7, 11
"""Every seventh visit is never ended by anybody; every eleventh visitor is told of the recording by nobody."""
QUARTERS = 4
LARGEST_GROWTH = 2.0
"""The last quarter of a day may cost so many times the first one: what grows with the day behind it would cost more."""


def _no_pace(_at_ns: int, _stop: threading.Event) -> None:
    """Virtual time: nobody waits."""


class Changing:
    """The cheapest picture that has detail and is never the same twice."""

    def draw(self, counter: int, utc_ms: int, planes: Planes) -> None:
        planes.luma[:] = 40 + counter % 100
        planes.luma[::8] = 200
        planes.blue[:] = planes.red[:] = 128


@dataclass(slots=True)
class Counter:
    """The counter of the hall: who stands there asks for visits, tells people, and hears the answers."""

    stage: Stage | None = None
    answers: list[Answer] = field(default_factory=list)

    def say(self, message: RoomSays) -> None:
        assert self.stage is not None
        self.stage.inbox.post(message)

    def ask(self, verb: Verb, number: str = "") -> None:
        request = Request(verb=verb, number=number)
        self.say(Asked(request=request, role=Role.OPERATOR, answer=self.answers.append))

    def tell(self, room: VirtualRoom) -> None:
        now_ns = room.clock.boottime_ns()
        self.say(PromptPlayed(prompt=Prompt.NOTICE, voice=PromptVoice.RECORDED, from_ns=now_ns, to_ns=now_ns + NS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """A day that is over."""

    ended: Ended
    config: Config
    trust_file: Path
    answers: list[Answer]
    spent_seconds: list[float]
    """Processor time of the recorder at the beginning of each quarter, and at the end."""

    def entries(self) -> Iterator[Entry]:
        for path in sorted((self.config.spool.directory / "journal").glob("*.cbor")):
            yield from entries_of(path)

    def day(self) -> Day:
        (day,) = days_of(self.config.spool.directory)
        return day

    def verify(self) -> Report:
        target = archive.locate(self.config.spool.directory)
        assert target is not None
        trust = keys.parse_trust(self.trust_file.read_bytes(), where="trust file")
        return verifier.verify(verifier.Request(target=target, trust=trust, now_ms=VIRTUAL_START.utc_ms))


def number_of(index: int) -> str:
    return f"A{index + 1:03d}"


def script(counter: Counter, seconds: float) -> tuple[Act, ...]:
    """Fifty visits one after the other over the day, and a camera that is gone for two minutes, twice."""

    def begins(number: str) -> Callable[[VirtualRoom], None]:
        return lambda _: counter.ask(Verb.VISIT_BEGIN, number)

    acts = []
    every = seconds / (VISITS + 1)
    for index in range(VISITS):
        at = every * (index + 0.5)
        acts.append(Act(at_seconds=at, happens=begins(number_of(index))))
        if index % UNTOLD:
            acts.append(Act(at_seconds=at + 5, happens=counter.tell))
        if index % FORGOTTEN:
            acts.append(Act(at_seconds=at + every * 0.8, happens=lambda _: counter.ask(Verb.VISIT_END)))
    for share in (0.31, 0.74):
        acts.append(Act(at_seconds=seconds * share, happens=lambda room: room.take_camera_away()))
        acts.append(Act(at_seconds=seconds * share + 120, happens=lambda room: room.put_camera_back()))
    return tuple(acts)


def live(folder: Path, *, hours: float) -> Lived:
    """Record an always-on day of this length below an empty folder."""
    counter, spent = Counter(), list[float]()
    looks = tuple(
        Act(at_seconds=hours * 3600 * quarter / QUARTERS, happens=lambda _: spent.append(time.process_time()))
        for quarter in range(QUARTERS)
    )
    acts = sorted((*looks, *script(counter, hours * 3600)), key=lambda act: act.at_seconds)
    casting = Casting(seconds=hours * 3600, microphone=False, picture=Changing, script=tuple(acts))
    config = small_config(folder, casting)
    config = replace(
        config,
        session=replace(config.session, always_on=True),
        camera=replace(
            config.camera,
            width=64,
            height=64,
            frames_per_second=FRAMES_PER_SECOND,
            bitrate_bits_per_second=100_000,
            caption=False,
        ),
        segment=replace(config.segment, seconds=60, fragment_milliseconds=1000),
    )
    plan = plan_for(config, folder, casting)
    room = build_room(config, plan)

    def conduct(stage: Stage) -> Ended:
        counter.stage = stage
        room.begin(NoTruth())
        return conduct_virtual(room, stage, seconds=plan.seconds, pace=_no_pace, turn_ns=TURN_NS, turns_at_once=8)

    hardware = Hardware(camera=room.camera, microphone=None, clock=room.clock)
    start = Start(config=config, hardware=hardware, watcher=Onlooker(), stop=threading.Event(), conduct=conduct)
    ended = run(start)
    return Lived(
        ended=ended,
        config=config,
        trust_file=folder / "keys" / "trust.file",
        answers=counter.answers,
        spent_seconds=[*spent, time.process_time()],
    )


def faults(lived: Lived) -> list[str]:
    """What is not as it must be, one line each; empty for a good day."""
    day, report = lived.day(), lived.verify()
    found = [f"entry {seq}: {words}" for seq, words in day.wrong]
    found += list(_time_faults(lived, day))
    found += list(_visit_faults(lived, day))
    if not (lived.ended.clean and report.intact):
        found.append(f"the day ended with {lived.ended.cause.name}, intact {report.intact}")
    totals = [session.totals for session in report.sessions]
    found += [f"the verifier's totals: {one}" for one in totals if one is None or one.agrees is not True]
    found += [f"refused: {answer.words_en}" for answer in lived.answers if not answer.ok]
    found += list(_growth_faults(lived.spent_seconds))
    return found


def quarters(spent_seconds: list[float]) -> list[float]:
    """Processor seconds of each quarter."""
    return [after - before for before, after in pairwise(spent_seconds)]


def _growth_faults(spent_seconds: list[float]) -> Iterator[str]:
    """What a minute costs does not grow with the day behind it."""
    took = quarters(spent_seconds)
    if len(took) != QUARTERS or took[-1] > LARGEST_GROWTH * took[0]:
        yield f"processor seconds of the day's quarters: {[round(one, 1) for one in took]}"


def _time_faults(lived: Lived, day: Day) -> Iterator[str]:
    """Media and gaps lie end to end from the first frame to the end of the session, to one frame."""
    gaps = [entry.body for entry in lived.entries() if isinstance(entry.body, GapEnd)]
    media_ns = sum(segment.until[1] - segment.since[1] for segment in day.segments)
    gaps_ns = sum(gap.length_ns[0] for gap in gaps)
    ended_ns = next(entry.common.clock[1] for entry in lived.entries() if isinstance(entry.body, SessionEnd))
    wall_ns = ended_ns - day.segments[0].since[1]
    if abs(media_ns + gaps_ns - wall_ns) > FRAME_NS:
        yield f"media {media_ns} and gaps {gaps_ns} are not the {wall_ns} ns of the wall"
    if len(gaps) != 2:
        yield f"{len(gaps)} gaps"
    spans = sorted((segment.since[1], segment.until[1]) for segment in day.segments)
    spans += sorted((gap.until[1] - gap.length_ns[0], gap.until[1]) for gap in gaps)
    for (_, until), (since, _) in pairwise(sorted(spans)):
        if abs(since - until) > FRAME_NS:
            yield f"between {until} and {since} there is neither media nor a gap, or both"


def _visit_faults(lived: Lived, day: Day) -> Iterator[str]:
    visits = day.all()
    if [visit.number for visit in visits] != [number_of(index) for index in range(VISITS)]:
        yield f"visits: {[visit.number for visit in visits]}"
    for before, after in pairwise(visits):
        if before.until is None or before.until[1] > after.since[1]:
            yield f"{before.number} overlaps {after.number}"
    for index, visit in enumerate(visits):
        yield from _one_visit(index, visit, day)
    missing = {
        entry.body.refers_to
        for entry in lived.entries()
        if isinstance(entry.body, Event) and entry.body.code == EventCode.VISIT_NOTICE_MISSING
    }
    untold = {visit.entry for index, visit in enumerate(visits) if index % UNTOLD == 0}
    if missing != untold:
        yield f"told to be untold: {sorted(missing ^ untold, key=str)}"


def _one_visit(index: int, visit: VisitTold, day: Day) -> Iterator[str]:
    """Its end, and that the media of its first and last moment is found by its number."""
    forgotten = VisitEnd.NEXT_VISIT if index < VISITS - 1 else VisitEnd.SESSION_ENDED
    if visit.cause != (VisitEnd.PERSON if index % FORGOTTEN else forgotten):
        yield f"{visit.number} ended by {visit.cause}"
    by_number = [one for one in day.all() if one.number == visit.number]
    within = [segment for segment, _ in day.within(by_number[0])]
    moments = (visit.since[1], visit.until[1]) if visit.until is not None else ()
    for at_ns in moments:
        there = [segment for segment in day.segments if segment.since[1] <= at_ns < segment.until[1]]
        if any(segment not in within for segment in there) or (not there and _is_recorded(at_ns, day)):
            yield f"{visit.number} is not found in the media of {at_ns}"


def _is_recorded(at_ns: int, day: Day) -> bool:
    """Whether a moment lies in no gap: it may fall between two segments, by less than a frame."""
    return any(segment.since[1] - FRAME_NS <= at_ns <= segment.until[1] + FRAME_NS for segment in day.segments)


@pytest.mark.timeout(300)
def test_a_day_of_fifty_visits_is_media_and_gaps_to_a_frame_and_each_visit_is_found(tmp_path: Path) -> None:
    lived = live(tmp_path, hours=1.5)
    assert faults(lived) == []
    ends = [entry.body.cause for entry in lived.entries() if isinstance(entry.body, Visit)]
    assert ends.count(VisitEnd.NEXT_VISIT) == VISITS // FORGOTTEN
    assert len([entry for entry in lived.entries() if isinstance(entry.body, Segment)]) >= 86


def test_a_day_whose_minutes_cost_more_and_more_is_told() -> None:
    assert list(_growth_faults([3.0, 13.0, 22.0, 33.0, 43.0])) == []
    growing = [hour * hour / 10 for hour in (0, 6, 12, 18, 24)]
    assert list(_growth_faults(growing)) == ["processor seconds of the day's quarters: [3.6, 10.8, 18.0, 25.2]"]
