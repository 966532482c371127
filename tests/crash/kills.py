"""Recorders that are killed at random moments, with their real threads in real time, and what is then accounted for.

Each loop is one session: two runs of it end by SIGKILL, during a start, a recovery, a segment's end or anywhere else;
the third goes on and ends it in order. Acknowledgements go through a pipe to this process, which survives. The bound:
from the first media of the session to the last, within one boot, media and gaps follow each other to within one frame
and one audio packet, and of each killed run at most the open fragment is missing (open until its flush has returned).
"""

from __future__ import annotations

import os
import random
import selectors
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge.app import Start, conduct_threads
from edge.app import run as run_recorder
from liuhen.entry import Entry
from liuhen.kinds import Gap, GapEnd, Segment, Session, SessionEnd
from liuhen.reader import Initialisation, SealedFragment, read_segment
from tests.crash import pool
from tests.crash.evidence import ENTRY, FRAGMENT, Acknowledgement, entries, places
from tests.crash.live_room import FASTER, Counters, LiveClock, hardware
from tests.crash.mutants import Mutant, apply
from tests.crash.next_start import EXPECTED
from tests.crash.recording import PipedOnlooker
from tests.edge.media import RATE_HZ, pictures, sound
from tests.edge.ports_room import BLOCK_NS, FRAME_NS, GOP, Device, device

KILLS_PER_LOOP = 2
KINDS = 3
LOOPS_AT_ONCE = 2
LOOP_SECONDS = 100.0
BOUND_NS = FRAME_NS + BLOCK_NS
EDGE_NS = 1_000_000_000 * FASTER
"""From a session's entry to its first media, and from its last media to its end entry, a second of real time at most:
starting and stopping devices takes what it takes."""
FRAGMENT_FRAMES = 13
"""Half a second at 25 frames per second, rounded up."""
FRAGMENTS_PER_SEGMENT = 20
START_SECONDS = 0.12
ANYWHERE_SECONDS = 4.0
CUT_SECONDS = 0.3
LAST_RUN_SECONDS = 3.0
LIMIT_SECONDS = 60.0

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a run is killed: so long after its start, or after it acknowledged so many fragments of one segment."""

    name: str
    seconds: float
    after_fragment: int | None = None

    @classmethod
    def choose(cls, kind: int, chance: random.Random, *, first: bool) -> Moment:
        """A random moment of one of three kinds, so that a few kills hit all of them."""
        match kind % KINDS:
            case 0:
                name = "start" if first else "recovery"
                return cls(name=name, seconds=chance.uniform(0, START_SECONDS))
            case 1:
                early = chance.uniform(0, CUT_SECONDS)
                return cls(name="segment cut", seconds=early, after_fragment=FRAGMENTS_PER_SEGMENT - 1)
            case _:
                return cls(name="anywhere", seconds=chance.uniform(START_SECONDS, ANYWHERE_SECONDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An acknowledgement, and how many frames the camera had delivered in that run when it was said."""

    what: Acknowledgement
    delivered: int


@dataclass(slots=True, kw_only=True)
class Loop:
    """One session of several runs, and everything this process saw of it."""

    folder: Path
    mutant: Mutant
    heard: list[Heard] = field(default_factory=list)
    counters: Counters = field(default_factory=Counters)
    moments: list[str] = field(default_factory=list)
    missing_frames: list[int] = field(default_factory=list)
    worst_seam_ns: int = 0
    worst_edge_ns: int = 0
    faults: list[str] = field(default_factory=list)


def run(count: int, seed: int, mutant: Mutant, say: Callable[[str], None]) -> dict[str, object]:
    """So many kills; returns counts, the moments that were hit, the worst loss, and one line for each fault."""
    pictures(count=2 * GOP)
    sound(samples=RATE_HZ)
    loops = range(-(-count // KILLS_PER_LOOP))
    summary = _Summary()
    for number, answer in pool.run(
        loops, lambda number: _loop(number, seed, mutant), at_once=LOOPS_AT_ONCE, limit_seconds=LOOP_SECONDS
    ):
        summary.add(number, seed, answer)
        say(f"loop {number}: killed at {', '.join(summary.last_moments)}; {len(summary.faults)} faults so far")
    return summary.to_json()


@dataclass(slots=True, kw_only=True)
class _Summary:
    moments: Counter[str] = field(default_factory=Counter)
    last_moments: list[str] = field(default_factory=list)
    most_missing_frames: int = 0
    worst_seam_ns: int = 0
    worst_edge_ns: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, number: int, seed: int, answer: pool.Answer) -> None:
        """The answer of one loop."""
        self.faults += [f"loop {number} of seed {seed}: {fault}" for fault in _list(answer, pool.FAULTS)]
        self.last_moments = [str(moment) for moment in _list(answer, "moments")]
        self.moments.update(self.last_moments)
        self.most_missing_frames = max([self.most_missing_frames, *_numbers(answer, "missing_frames")])
        self.worst_seam_ns = max([self.worst_seam_ns, *_numbers(answer, "seams_ns")])
        self.worst_edge_ns = max([self.worst_edge_ns, *_numbers(answer, "edges_ns")])

    def to_json(self) -> dict[str, object]:
        return {
            "kills": sum(self.moments.values()),
            "moments": dict(self.moments),
            "most_missing_frames": self.most_missing_frames,
            "worst_seam_ms": round(self.worst_seam_ns / 1e6, 1),
            "worst_edge_ms": round(self.worst_edge_ns / 1e6, 1),
            "faults": self.faults,
        }


def _list(answer: pool.Answer, name: str) -> list[object]:
    found = answer.get(name, [])
    return found if isinstance(found, list) else []


def _numbers(answer: pool.Answer, name: str) -> list[int]:
    return [number for number in _list(answer, name) if isinstance(number, int)]


def _loop(number: int, seed: int, mutant: Mutant) -> pool.Answer:
    """One loop, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="liuhen-kills-") as folder:
        loop = Loop(folder=Path(folder), mutant=mutant)
        _one_loop(loop, number, random.Random(f"{seed} {number}"))  # noqa: S311 - repeatable choices
    return {
        pool.FAULTS: loop.faults,
        "moments": loop.moments,
        "missing_frames": loop.missing_frames,
        "seams_ns": [loop.worst_seam_ns],
        "edges_ns": [loop.worst_edge_ns],
    }


def _one_loop(loop: Loop, ordinal: int, chance: random.Random) -> None:
    clock = LiveClock(zero_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME))
    made = device(loop.folder)
    for number in range(KILLS_PER_LOOP):
        # Every pair of kinds comes once in nine loops, every kind within the first two.
        kind = ordinal if number == 0 else ordinal + 1 + ordinal // KINDS
        moment = Moment.choose(kind, chance, first=number == 0)
        loop.moments.append(moment.name)
        heard, _ = _run(loop, made, clock, moment)
        _judge_loss(loop, made, heard)
    _, code = _run(loop, made, clock, None)
    if code != 0:
        loop.faults.append(f"the last run ended with exit code {code}")
    _account(loop, made)


# -- one run -----------------------------------------------------------------------------------------------------------


def _run(loop: Loop, made: Device, clock: LiveClock, moment: Moment | None) -> tuple[list[Heard], int]:
    """One recorder in a process; killed at the moment, or ended in order. What it said, and its exit code."""
    loop.counters.clear()
    said, tell = os.pipe()
    child = os.fork()
    if child == 0:
        pool.die_with_parent()
        os.close(said)
        os._exit(_record(loop, made, clock, tell, seconds=LAST_RUN_SECONDS * FASTER if moment is None else None))
    os.close(tell)
    try:
        lines = _listen(said, moment, lambda: os.kill(child, signal.SIGKILL))
    finally:
        os.close(said)
        _, status = os.waitpid(child, 0)
    heard = [
        Heard(what=Acknowledgement.from_line(line), delivered=int(delivered))
        for line, _, delivered in (line.rpartition(b" ") for line in lines)
    ]
    loop.heard += heard
    return heard, os.waitstatus_to_exitcode(status)


def _record(loop: Loop, made: Device, clock: LiveClock, tell: int, *, seconds: float | None) -> int:
    """The child's whole life."""
    apply(loop.mutant)

    def say(what: Acknowledgement) -> None:
        os.write(tell, what.to_line().rstrip() + b" %d\n" % loop.counters.get("frames"))

    start = Start(
        config=made.config,
        hardware=hardware(clock, loop.counters),
        watcher=PipedOnlooker(say),
        stop=threading.Event(),
        conduct=conduct_threads,
        seconds=seconds,
    )
    try:
        return 0 if run_recorder(start).clean else 1
    except Exception as error:  # noqa: BLE001 - a process's top: the loop says how it ended
        os.write(2, f"recorder: {type(error).__name__}: {error}\n".encode())
        return 2


def _listen(said: int, moment: Moment | None, kill: Callable[[], None]) -> list[bytes]:
    """Everything the recorder said until it ended; kills it when its moment has come."""
    deadline = None if moment is None or moment.after_fragment is not None else time.monotonic() + moment.seconds
    end = time.monotonic() + LIMIT_SECONDS
    text = b""
    with selectors.DefaultSelector() as selector:
        selector.register(said, selectors.EVENT_READ)
        while True:
            now = time.monotonic()
            if min(deadline or end, end) <= now:
                kill()
                deadline, end = None, now + LIMIT_SECONDS
            if not selector.select(min(deadline or end, end) - now):
                continue
            part = os.read(said, 65_536)
            if not part:
                return text.splitlines()
            text += part
            if moment is not None and deadline is None and _reached(text, moment):
                deadline = time.monotonic() + moment.seconds
                moment = None


def _reached(text: bytes, moment: Moment) -> bool:
    return moment.after_fragment is not None and any(
        line.startswith(b"F ") and int(line.split()[2]) >= moment.after_fragment for line in text.split(b"\n")[:-1]
    )


# -- what is accounted for ---------------------------------------------------------------------------------------------


def _judge_loss(loop: Loop, made: Device, heard: list[Heard]) -> None:
    """Of the run just killed: frames that the camera delivered and no sealed fragment holds."""
    acknowledged = [one for one in heard if one.what.kind == FRAGMENT]
    if not acknowledged:
        return  # nothing was recorded yet: the queue was filling
    durable = _frames_by_r(made)
    first = min(durable[one.what.digest][0] for one in acknowledged if one.what.digest in durable)
    in_run = {r: frames - first for r, (_, frames) in durable.items()}
    behind = max(one.delivered - in_run.get(one.what.digest, 0) for one in acknowledged)
    missing = loop.counters.get("frames") - max(in_run.values())
    loop.missing_frames.append(missing)
    if missing > behind + 2 * FRAGMENT_FRAMES:
        loop.faults.append(f"{missing} frames missing after a kill; WRITER was {behind} behind before it")


def _frames_by_r(made: Device) -> dict[bytes, tuple[int, int]]:
    """For each sealed fragment the session's frames before its run's file and up to its own end."""
    found: dict[bytes, tuple[int, int]] = {}
    runs: dict[int, int] = {}
    for path in made.segments():
        first = 0
        for item in read_segment(path):
            if isinstance(item, Initialisation):
                first = runs.setdefault(item.identity.run, item.identity.first_frame)
            if isinstance(item, SealedFragment) and item.valid and item.seal is not None:
                found[item.r] = (first, item.seal.frames)
    return found


def _account(loop: Loop, made: Device) -> None:
    """After the orderly end: everything acknowledged is there, everything verifies, time is accounted for."""
    there = places(made.spool)
    for one in loop.heard:
        if (one.what.kind, one.what.digest) not in there:
            loop.faults.append(f"lost: {one.what.to_line().decode().strip()}")
    numbers = [one.what.first for one in loop.heard if one.what.kind == ENTRY]
    if len(numbers) != len(set(numbers)):
        loop.faults.append("a number was used twice")
    report = made.verify()
    unexpected = sorted(set(made.findings()) - EXPECTED)
    if not report.intact or report.vouched is None or unexpected:
        loop.faults.append(f"does not verify: intact {report.intact}, {', '.join(unexpected)}")
    found = [entry for path in made.journal_files() for _, entry in entries(path.read_bytes())]
    for session_id in {entry.common.session_id for entry in found if isinstance(entry.body, Session)}:
        _account_session(loop, [entry for entry in found if entry.common.session_id == session_id])


def _account_session(loop: Loop, found: list[Entry]) -> None:
    """Media and gaps, end to end, are the session: no hole and no overlap beyond the bound."""
    began = next(entry.common.clock[1] for entry in found if isinstance(entry.body, Session))
    ended = [entry.common.clock[1] for entry in found if isinstance(entry.body, SessionEnd)]
    gaps = {entry.common.seq: entry.body for entry in found if isinstance(entry.body, Gap)}
    ends = {entry.body.gap_seq: entry.body for entry in found if isinstance(entry.body, GapEnd)}
    if len(ended) != 1 or set(gaps) != set(ends):
        loop.faults.append(f"{len(ended)} ends of a session, gaps {sorted(gaps)}, ended {sorted(ends)}")
        return
    whole = [(gap.since[1], ends[seq].until[1]) for seq, gap in gaps.items() if gap.stream is None]
    intervals = sorted(whole + [entry.body.span_ns for entry in found if isinstance(entry.body, Segment)])
    if not intervals:
        return
    at = intervals[0][0]
    for start, end in intervals:
        loop.worst_seam_ns = max(loop.worst_seam_ns, abs(start - at))
        if abs(start - at) > BOUND_NS:
            loop.faults.append(f"{(start - at) / 1e6:.1f} ms between two pieces of a session")
        at = max(at, end)
    loop.worst_edge_ns = max(loop.worst_edge_ns, intervals[0][0] - began, ended[0] - at)
    if loop.worst_edge_ns > EDGE_NS:
        loop.faults.append(f"{loop.worst_edge_ns / 1e6:.1f} ms between a session's entries and its media")
    total = sum(end - start for start, end in intervals)
    length = max(end for _, end in intervals) - intervals[0][0]
    if abs(total - length) > BOUND_NS * len(intervals):
        loop.faults.append(f"media and gaps are {total / 1e6:.1f} ms, the session {length / 1e6:.1f} ms")
