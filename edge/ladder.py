"""What is done about a source that is lost: its stream is restarted, then the process, then the machine, each bounded.

Pure. CONTROL steps it with what happens and carries out the acts in their order; `edge.ladder_memory` keeps what must
outlive the process. Each stream climbs alone. The promise decides what a rung may cost the other stream: what is seen
or heard now is worth more than a hope. A new process, and all the more a new boot, would interrupt it by an act of our
own: neither is ordered while a promised stream still records well. Giving up ends the climbing and reports; the stream
itself is tried again for as long as the session lasts, for a person may plug it in at any time. Should the other one be
lost too, that one climbs, and its new process is a new one for both.

No loop can arise from it: a new process or boot is ordered only with its count durable before (`edge.ladder_memory`),
and the reboot's bound is running time on BOOTTIME, which nobody can set back.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from edge import settings_upkeep
from edge.ports import Stream

NS_PER_SECOND = 1_000_000_000
NS_PER_HOUR = 3_600 * NS_PER_SECOND

EXIT_RESTART = 75
"""The process ended in order and wants to be started again at once (EX_TEMPFAIL of sysexits.h)."""

EXIT_REBOOT = 76
"""The same, and the machine is to be started anew first. The process has no right to do that: its unit orders it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far and how fast a stream climbs; from the configuration's [ladder]."""

    first_wait_ns: int
    longest_wait_ns: int
    stream_restarts: int
    stuck_restarts: int
    """Restarts of the stream while its driver's library hangs: what hangs rarely heals, a new process always helps."""
    process_restarts: int
    reboots: bool
    reboot_hours: int
    settle_ns: int
    """A stream that records for so long has settled: its counts begin anew."""

    @classmethod
    def of(cls, settings: settings_upkeep.Ladder) -> Limits:
        """As configured."""
        return cls(
            first_wait_ns=settings.first_wait_seconds * NS_PER_SECOND,
            longest_wait_ns=settings.longest_wait_seconds * NS_PER_SECOND,
            stream_restarts=settings.stream_restarts,
            stuck_restarts=settings.stuck_restarts,
            process_restarts=settings.process_restarts,
            reboots=settings.reboots,
            reboot_hours=settings.reboot_hours,
            settle_ns=settings.settle_seconds * NS_PER_SECOND,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BootMoment:
    """A moment on BOOTTIME of one boot."""

    boot_id: bytes
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What outlives the process: how often a stream ordered a new process, and the last reboot ordered."""

    process_restarts: tuple[tuple[Stream, int], ...] = ()
    reboot: BootMoment | None = None
    trusted: bool = True
    """False where the memory could not be read: then no rung above the stream is climbed until streams settled."""

    def restarts_of(self, stream: Stream) -> int:
        """How often this stream ordered a new process since it last settled."""
        return dict(self.process_restarts).get(stream, 0)

    def with_restarts(self, stream: Stream, count: int) -> Remembered:
        """The same with another count of one stream; a count of 0 is left out."""
        counts = dict(self.process_restarts) | {stream: count}
        return replace(self, process_restarts=tuple(sorted((s, n) for s, n in counts.items() if n)))


# -- what happens ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A stream ended by itself, could not be opened for a session, or was absent already when this process began."""

    stream: Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The restart that was ordered was refused; `stuck` when the library never answered."""

    stream: Stream
    stuck: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """The stream's packets come again."""

    stream: Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """CONTROL's turn: time for whatever is due. `held` while capture is inhibited, withheld or ending."""

    well: frozenset[Stream]
    """The promised streams that record now."""
    held: bool = False


Signal = Lost | Failed | Back | Turn


# -- what is done ----------------------------------------------------------------------------------------------------


class Rung(enum.Enum):
    """Each names an act."""

    RESTART_STREAM = enum.auto()
    """Start the source again with a fresh device object."""
    RESTART_PROCESS = enum.auto()
    """Close the segment in order, leave the session open, exit with EXIT_RESTART; the next run resumes."""
    REBOOT = enum.auto()
    """The same with EXIT_REBOOT."""
    GIVE_UP_AND_REPORT = enum.auto()
    """Open the duty to report; nothing above the stream is tried until it has settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing to do. `tries` says which restart of this rung it is, counted from 1; `absent_ns` since the loss."""

    rung: Rung
    stream: Stream
    tries: int
    absent_ns: int


# -- the ladder ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """One stream that is lost, or that is back since `back_ns` and has not settled."""

    since_ns: int
    due_ns: int
    wait_ns: int
    tries: int = 0
    stuck: int = 0
    given_up: bool = False
    back_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The whole state. Where `memory` changed in a step, it is made durable before the step's acts."""

    boot_id: bytes
    memory: Remembered
    climbs: tuple[tuple[Stream, Climb], ...] = ()

    def climb(self, stream: Stream) -> Climb | None:
        """Where a stream stands, None where all is well."""
        return dict(self.climbs).get(stream)

    def with_climb(self, stream: Stream, climb: Climb | None) -> Ladder:
        """The same with one stream elsewhere."""
        climbs = dict(self.climbs)
        climbs.pop(stream, None)
        if climb is not None:
            climbs[stream] = climb
        return replace(self, climbs=tuple(sorted(climbs.items(), key=lambda pair: pair[0])))


def begin(boot_id: bytes, memory: Remembered, now_ns: int) -> Ladder:
    """The ladder of a process that starts: what climbed before must record for a while before its counts begin anew."""
    ladder = Ladder(boot_id=boot_id, memory=memory)
    for stream in Stream:
        if memory.restarts_of(stream) or not memory.trusted:
            ladder = ladder.with_climb(stream, Climb(since_ns=now_ns, due_ns=now_ns, wait_ns=0, back_ns=now_ns))
    return ladder


def step(ladder: Ladder, signal: Signal, now_ns: int, limits: Limits) -> tuple[Ladder, tuple[Act, ...]]:
    """The ladder after a signal, and what to do now, in order. Only a `Turn` orders anything."""
    match signal:
        case Lost():
            return _lost(ladder, signal.stream, now_ns, limits), ()
        case Failed():
            return _failed(ladder, signal), ()
        case Back():
            climb = ladder.climb(signal.stream)
            back = None if climb is None else replace(climb, back_ns=now_ns)
            return ladder.with_climb(signal.stream, back), ()
        case Turn():
            return _turn(ladder, signal, now_ns, limits)


def distrust(ladder: Ladder, held: Remembered) -> Ladder:
    """The ladder where the memory could not be written: the file may hold `held` or the new one, so neither counts."""
    return replace(ladder, memory=replace(held, trusted=False))


def _lost(ladder: Ladder, stream: Stream, now_ns: int, limits: Limits) -> Ladder:
    """A stream that is lost again before it settled goes on where it was, so that a row of losses climbs too."""
    before = ladder.climb(stream)
    if before is not None and before.back_ns is None:
        return ladder
    if before is None or before.wait_ns == 0:
        first_ns = limits.first_wait_ns
        return ladder.with_climb(stream, Climb(since_ns=now_ns, due_ns=now_ns + first_ns, wait_ns=first_ns))
    again = replace(before, since_ns=now_ns, due_ns=now_ns + before.wait_ns, back_ns=None)
    return ladder.with_climb(stream, again)


def _failed(ladder: Ladder, failed: Failed) -> Ladder:
    climb = ladder.climb(failed.stream)
    if climb is None or not failed.stuck:
        return ladder
    return ladder.with_climb(failed.stream, replace(climb, stuck=climb.stuck + 1))


def _turn(ladder: Ladder, turn: Turn, now_ns: int, limits: Limits) -> tuple[Ladder, tuple[Act, ...]]:
    ladder = _settled(ladder, turn, now_ns, limits)
    acts: list[Act] = []
    for stream, climb in ladder.climbs:
        if turn.held or climb.back_ns is not None or now_ns < climb.due_ns:
            continue
        rung = _rung(ladder, stream, turn, now_ns, limits)
        ladder = _taken(ladder, stream, rung, now_ns, limits)
        acts.append(_act(ladder, stream, rung, now_ns))
        if rung in (Rung.RESTART_PROCESS, Rung.REBOOT):
            break  # it is for every stream
    return ladder, tuple(acts)


def _settled(ladder: Ladder, turn: Turn, now_ns: int, limits: Limits) -> Ladder:
    """Only recorded time settles a stream; while nothing is recorded its time begins again."""
    for stream, climb in ladder.climbs:
        if climb.back_ns is None:
            continue
        if stream not in turn.well:
            ladder = ladder.with_climb(stream, replace(climb, back_ns=now_ns))
        elif now_ns - climb.back_ns >= limits.settle_ns:
            memory = replace(ladder.memory.with_restarts(stream, 0), trusted=True)
            ladder = replace(ladder.with_climb(stream, None), memory=memory)
    return ladder


def _rung(ladder: Ladder, stream: Stream, turn: Turn, now_ns: int, limits: Limits) -> Rung:
    """The lowest rung that is left to a stream whose time has come."""
    climb, memory = ladder.climb(stream), ladder.memory
    if climb is None or climb.given_up:
        return Rung.RESTART_STREAM
    if climb.tries < limits.stream_restarts and climb.stuck < limits.stuck_restarts:
        return Rung.RESTART_STREAM
    if not turn.well and memory.trusted and memory.restarts_of(stream) < limits.process_restarts:
        return Rung.RESTART_PROCESS
    if _may_reboot(ladder, turn, now_ns, limits):
        return Rung.REBOOT
    return Rung.GIVE_UP_AND_REPORT


def _may_reboot(ladder: Ladder, turn: Turn, now_ns: int, limits: Limits) -> bool:
    """Nothing records, and the machine has run for its hours since the last reboot that was ordered here."""
    if not limits.reboots or turn.well or not ladder.memory.trusted:
        return False
    last = ladder.memory.reboot
    if last is None:
        return True
    running_ns = now_ns - last.at_ns if last.boot_id == ladder.boot_id else now_ns
    return running_ns >= limits.reboot_hours * NS_PER_HOUR


def _taken(ladder: Ladder, stream: Stream, rung: Rung, now_ns: int, limits: Limits) -> Ladder:
    """The ladder with this rung counted."""
    climb, memory = ladder.climb(stream), ladder.memory
    if climb is None:
        return ladder
    match rung:
        case Rung.RESTART_STREAM:
            longer_ns = min(2 * climb.wait_ns, limits.longest_wait_ns)
            tried = replace(climb, tries=climb.tries + 1, due_ns=now_ns + climb.wait_ns, wait_ns=longer_ns)
            return ladder.with_climb(stream, tried)
        case Rung.RESTART_PROCESS:
            memory = memory.with_restarts(stream, memory.restarts_of(stream) + 1)
        case Rung.REBOOT:
            memory = replace(memory, reboot=BootMoment(boot_id=ladder.boot_id, at_ns=now_ns))
        case Rung.GIVE_UP_AND_REPORT:
            climb = replace(climb, given_up=True, wait_ns=limits.longest_wait_ns)
    waiting = replace(climb, due_ns=now_ns + limits.longest_wait_ns)
    return replace(ladder.with_climb(stream, waiting), memory=memory)


def _act(ladder: Ladder, stream: Stream, rung: Rung, now_ns: int) -> Act:
    climb = ladder.climb(stream)
    tries = {
        Rung.RESTART_STREAM: climb.tries if climb is not None else 0,
        Rung.RESTART_PROCESS: ladder.memory.restarts_of(stream),
        Rung.REBOOT: 1,
        Rung.GIVE_UP_AND_REPORT: 1,
    }
    absent_ns = now_ns - climb.since_ns if climb is not None else 0
    return Act(rung=rung, stream=stream, tries=tries[rung], absent_ns=absent_ns)


# What a `Turn` orders for a stream that is lost and whose time has come, first line that fits:
#
# | the stream has                                              | others record | act                | then waits |
# |-------------------------------------------------------------|---------------|--------------------|------------|
# | been given up                                               | any           | RESTART_STREAM     | longest    |
# | restarts left, and its library answers                      | any           | RESTART_STREAM     | 1, 2, 4 .. |
# | restarts of the process left, and the memory is trusted     | no            | RESTART_PROCESS    | (new run)  |
# | nothing left; no reboot ordered within `reboot_hours`       | no            | REBOOT             | (new boot) |
# | nothing left                                                | any           | GIVE_UP_AND_REPORT | longest    |
#
# Held (inhibited, withheld, ending): nothing. Back for `settle_ns` of recorded time: the counts begin anew. Lost again
# before that: goes on from the wait and the counts it had. A memory that cannot be read or written is not trusted: the
# stream alone is restarted, and giving up is reported.
