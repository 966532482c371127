"""The offload process: one loop that reads on in the journal, keeps the streams busy, and tells the recorder.

Owns the state's database, the streams and what is shown of both, once for each store; opens nothing of the spool for
writing, holds no key. The loop turns several times a second and waits for no store: that is asked on the streams alone.
Everything it knows can be deleted and is found again. In virtual time `look` is called by whoever moves the clock.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from edge import witnessing
from edge.durable import StorageFault
from edge.journal import JournalError
from edge.offload import alarms, queue, retry, yielding
from edge.offload.alarms import News
from edge.offload.budget import NS_PER_SECOND, Meter, measured
from edge.offload.courier import Courier, Say, Tell
from edge.offload.inventory import Found, Inventory
from edge.offload.objects import WHAT, Stage, Task
from edge.offload.report import LEVELS_PERCENT, Report, at_utc, beacon_bytes
from edge.offload.retry import Alarm, Line, Then
from edge.offload.sender import (
    BeaconSent,
    Dates,
    Differs,
    Failed,
    Kept,
    Left,
    LocalDiffers,
    LocalUnreadable,
    Outcome,
    Pace,
    Sender,
    WitnessRead,
    send_beacon,
)
from edge.offload.state import Owner, Reached, State, StateFault, StateLost, Waiting, open_state, remove_state
from edge.offload.streams import Broken, BudgetPace, Streams
from edge.offload.witness import read_witness
from edge.ports import Clock
from edge.store import Store
from edge.store_examined import Standing
from liuhen.hashing import sha256
from liuhen.registry import EVENTS, EventCode, ObjectKind
from liuhen.store_names import BeaconName, key_of

TICK_SECONDS = 0.2
STREAMS = 2
MEASURE_NS = NS_PER_SECOND
SHOW_NS = 2 * NS_PER_SECOND
COUNT_NS = NS_PER_SECOND
COUNT_MANY_NS = 20 * NS_PER_SECOND
MANY = 5_000
STATE_AGAIN_NS = 10 * NS_PER_SECOND
FORGET_NS = 3600 * NS_PER_SECOND
UNREADABLE_NS = 60 * NS_PER_SECOND
LACKING_NS = 600 * NS_PER_SECOND
LACKING_AT_ONCE = 64
FOREIGN_KEPT = 64
BEACON_NUMBER = -2
"""Stands for a beacon among the numbers on their way."""
WITNESS_NUMBER = -3
"""Stands for a look at what witnesses left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the configuration says of the process itself."""

    retention_ms: int = 0
    beacon_seconds: int = 300
    """0: none."""
    witness_seconds: int = 0
    """How often is looked for what witnesses left; 0: never, where none is pinned."""
    limits: yielding.Limits = field(default_factory=yielding.Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class OffloadStart:
    """What a composition root hands to the offload process."""

    store: Store
    url: str
    store_hash: bytes
    inventory: Inventory
    state_folder: Path
    clock: Clock
    tell: Tell
    rate: Callable[[], int | None]
    """Bytes per second that may go now, both ways together; None: no limit."""
    sign_ahead: Callable[[int], None]
    """Told by how many ms the store's clock is ahead of ours: requests are signed by its time."""
    jitter: Callable[[], float]
    look: Callable[[], yielding.Look]
    say: Say
    show: Callable[[Report], None] = lambda _report: None
    settings: Settings = field(default_factory=Settings)
    standing: Callable[[], Standing] = lambda: Standing.FIT
    """What the store counts for, as the recorder keeps what its doctor found."""
    examination_due: Callable[[int], bool] = lambda _utc_ms: False
    """Whether that was long ago by now."""
    reached: Callable[[str], None] = lambda _point: None
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait
    """Waits so many seconds for the end; whoever moves a clock of his own moves it here."""
    spools: Callable[[], tuple[Path, ...]] | None = None
    """The disks that hold the spool, the one that leads first; None: where the inventory reads."""
    pace: Pace | None = None
    """Who lets bytes through; None: `rate` alone. Stores that share a line share one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """What wakes and what ends the thread that turns."""

    wake: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervised:
    """What a service manager is told."""

    ready: Callable[[], None] = lambda: None
    alive: Callable[[], None] = lambda: None
    stopping: Callable[[], None] = lambda: None


class Process:
    """The loop: turns what is sent to each store, none of which waits for another; a turn waits for no store.

    `run` is called once; `stop` from any thread or a signal handler.
    """

    def __init__(self, loop: Loop, offloads: Sequence[Offload], supervised: Supervised | None = None) -> None:
        """Nothing is opened before `run`. All of them were made with this loop."""
        self._loop = loop
        self._offloads = offloads
        self._supervised = supervised or Supervised()
        self.uncut = 0
        """With `until_done`: how many entries were left at the end because nobody has cut them for a store."""

    def run(self, *, until_done: bool = False) -> None:
        """Turn until `stop`; on return every stream has ended but one that a store holds up beyond its limits.

        `until_done` also ends when everything that is sealed is at every store, told or not.
        """
        self._supervised.ready()
        with contextlib.ExitStack() as ending:
            for offload in self._offloads:
                ending.callback(offload.close)
            ending.callback(self._supervised.stopping)
            while not self._loop.stopping.is_set():
                self._loop.wake.wait(TICK_SECONDS)
                self._loop.wake.clear()
                self._turn(until_done=until_done)

    def _turn(self, *, until_done: bool) -> None:
        self._supervised.alive()
        for offload in self._offloads:
            if not self._loop.stopping.is_set():
                offload.look()
        if until_done and all(offload.is_done for offload in self._offloads):
            self.uncut = max((offload.uncut() for offload in self._offloads), default=0)
            self.stop()

    def stop(self) -> None:
        """End the loop soon."""
        self._loop.stopping.set()
        self._loop.wake.set()


class Offload:
    """What is sent to one store, in one life of the process; `Process` turns it."""

    def __init__(
        self,
        start: OffloadStart,
        streams: Callable[[Callable[[], None], threading.Event], Streams],
        loop: Loop | None = None,
    ) -> None:
        """Nothing is opened before the first `look`. Offloads that one thread turns share a `loop`."""
        self._start = start
        self._loop = loop or Loop()
        pace = BudgetPace(start.rate, start.clock.boottime_ns, partial(start.wait, self._loop.stopping))
        self._pace: Pace = start.pace or pace
        self._streams = streams(self._loop.wake.set, self._loop.stopping)
        self._state: State | None = None
        self._state_again_ns = 0
        self._line = Line()
        self._reason = 0
        self._fault = ""
        self._courier = Courier(start.tell, start.url, start.say)
        self._foreign: deque[Task] = deque(maxlen=FOREIGN_KEPT)
        self._elsewhere: deque[tuple[Task, Path, Path]] = deque(maxlen=FOREIGN_KEPT)
        self._wanting: dict[str, int] = {}
        """Of each disk how many objects had to be read from the other."""
        self._yielding = yielding.Yielding()
        self._meter = Meter()
        self._turn = 0
        self._newest = b""
        self._settled = False
        self._counted: Waiting | None = None
        self._next: dict[str, int] = {}
        self._ahead_ms = 0
        self._dates = Dates(start.store, self._store_now_ms)
        self._busy_ns: int | None = None

    def uncut(self) -> int:
        """How many entries nobody has cut for a store yet; 0 where that cannot be read."""
        if self._state is None:
            return 0
        try:
            return self._start.inventory.uncut(self._state.reached())
        except (OSError, JournalError, StorageFault, StateLost, StateFault):
            return 0

    @property
    def is_done(self) -> bool:
        """Whether everything that is sealed is at the store, told or not."""
        return self._settled and not self._streams.under_way

    def close(self) -> None:
        """End the streams, say how it stands, let the state go."""
        ended = self._streams.close()
        if self._state is not None:
            self._counted = None
            with contextlib.suppress(StateLost, StateFault):  # the next life makes it anew
                self._start.show(self._report(self._state))
            if ended:
                self._state.close()
        self._start.store.close()

    def look(self) -> None:
        """One turn."""
        now_ns = self._start.clock.boottime_ns()
        state = self._opened(now_ns)
        if state is None:
            return
        try:
            self._turned(state, now_ns)
        except StateLost as error:
            self._lost(error)
        except StateFault as error:
            self._state_again_ns = now_ns + STATE_AGAIN_NS
            self._said(
                "状态库暂时不可用，录制不受影响", "the state cannot be used now; recording is not affected", error
            )

    def _turned(self, state: State, now_ns: int) -> None:
        for number, outcome in self._streams.ended():
            self._ended(state, number, outcome, now_ns)
        self._measure(now_ns)
        self._read_on(state, now_ns)
        self._fill(state, now_ns)
        self._courier.watch(self._line, self._reason, now_ns)
        self._courier.deliver(state, now_ns, self._line, partial(self._report, state))
        if self._due("show", SHOW_NS, now_ns):
            self._start.show(self._report(state))
        if self._due("forget", FORGET_NS, now_ns):
            state.forget_done()

    def _due(self, what: str, every_ns: int, now_ns: int) -> bool:
        if now_ns < self._next.get(what, 0):
            return False
        self._next[what] = now_ns + every_ns
        return True

    # -- the state -------------------------------------------------------------------------------------------------

    def _opened(self, now_ns: int) -> State | None:
        if self._state is None and now_ns >= self._state_again_ns:
            inventory = self._start.inventory
            custodians = b"".join(sorted(inventory.custodians))
            owner = Owner(store=self._start.store_hash, log_id=inventory.log_id, custodians=custodians)
            try:
                self._state = open_state(self._start.state_folder, owner)
            except (StateFault, StateLost, OSError) as error:
                self._state_again_ns = now_ns + STATE_AGAIN_NS
                self._said("无法打开状态库", "the state cannot be opened", error)
                return None
            if self._state.fresh:
                self._start.say("状态库已新建，将逐一核对存储端", "a new state: every object is looked for first")
        return self._state if now_ns >= self._state_again_ns else None

    def _lost(self, error: Exception) -> None:
        """Made anew at the next turn; lives on their way end in a state that is closed, and count for nothing."""
        self._said("状态库损坏，将重建", "the state is damaged and will be made anew", error)
        if self._state is not None:
            self._state.close()
            self._state = None
        remove_state(self._start.state_folder)

    def _said(self, words_zh: str, words_en: str, error: Exception) -> None:
        self._start.say(f"{words_zh}：{error}", f"{words_en}: {error}")

    # -- the spool -------------------------------------------------------------------------------------------------

    def _read_on(self, state: State, now_ns: int) -> None:
        """A bounded part of the spool per turn."""
        inventory, reached = self._start.inventory, state.reached()
        try:
            self._newest = self._newest or inventory.newest(reached)
            found = inventory.read_on(reached)
        except (OSError, JournalError, StorageFault) as error:
            if self._due("unreadable", UNREADABLE_NS, now_ns):
                self._said("无法读取存储盘", "the spool cannot be read", error)
            return
        if found.reached != reached:
            self._take_in(state, found)
        if self._due("lacking", LACKING_NS, now_ns):
            self._look_again(state)
        self._settled = not found.more and not state.is_anything_waiting()
        if found.more:
            self._loop.wake.set()
        else:
            state.caught_up()

    def _take_in(self, state: State, found: Found) -> None:
        """What was in the spool before the state was new may be at the store; what comes later was never sent."""
        # How far was read is kept last: what is taken in twice is taken in once.
        self._take_in_objects(state, found)
        state.lack(found.lacking)
        for session, first in found.began:
            state.session_began(session, first)
        for session, due_ms, last in found.ended:
            state.session_ended(session, due_ms, last)
        for session, term in found.terms:
            state.session_term(session, term)
        state.receipted(found.receipted)
        state.gone(found.gone)
        state.add((), Stage.SEALED, found.reached)
        self._newest = found.newest or self._newest

    def _look_again(self, state: State) -> None:
        """At records that could not be read when an entry named them."""
        rows = state.lacking(LACKING_AT_ONCE)
        for lacking in rows:
            found = Found(reached=Reached())
            try:
                self._start.inventory.look_again(found, lacking)
            except OSError as error:
                self._said("附录暂时无法读取，稍后再试", "a record cannot be read now, tried again later", error)
                continue
            self._take_in_objects(state, found)
            state.found((lacking.commitment,))

    def _take_in_objects(self, state: State, found: Found) -> None:
        state.add(found.sealed, Stage.UNKNOWN if state.fresh else Stage.SEALED)
        for path in found.differing:
            self._not_as_signed(ObjectKind.RECORD, path)

    def _not_as_signed(self, what: ObjectKind, path: str) -> None:
        self._alarm(Alarm.LOCAL_DIFFERS, int(what), self._start.clock.boottime_ns())
        self._start.say(
            f"本地内容与签名不符，未入库：{path}",
            f"local bytes are not those that were signed, nothing was sent: {path}",
        )

    # -- the streams -----------------------------------------------------------------------------------------------

    def _measure(self, now_ns: int) -> None:
        if self._busy_ns is not None:
            self._meter = measured(self._meter, 0, now_ns - self._busy_ns)
        self._busy_ns = now_ns if self._streams.under_way else None
        if self._due("measure", MEASURE_NS, now_ns):
            self._yielding = yielding.step(self._yielding, self._start.look(), self._start.settings.limits, now_ns)

    def _fill(self, state: State, now_ns: int) -> None:
        """Begin as many lives as there is room for. What is receipted already is known only once all was read."""
        while len(self._streams.under_way) < STREAMS and not self._yielding.pausing and not state.fresh:
            if not retry.may_ask(self._line, now_ns) or (not self._line.closed and self._streams.under_way):
                return
            heads = state.heads(now_ns, self._streams.under_way)
            if self._witness_waits(heads, now_ns):
                self._begin_witness()
                continue
            if self._beacon_waits(heads, now_ns):
                self._begin_beacon(state)
                continue
            place, turn = queue.choose(heads, self._turn)
            task = None if place is None else state.task(place.number)
            if task is None or not self._has_stream_for(task):
                return
            self._turn = turn
            self._line = retry.begun(self._line)
            self._streams.begin(task.number, partial(self._sender(state).live, task))

    def _store_now_ms(self) -> int:
        """The store's clock, as far as it is known: one that is far from ours would refuse us."""
        return self._start.clock.read().utc_ms + self._ahead_ms

    def _has_stream_for(self, task: Task) -> bool:
        is_last = len(self._streams.under_way) == STREAMS - 1
        if task.sealed.kind.proves or not is_last:
            return True
        return queue.media_may_use_last_stream(task.sealed.size, self._meter.bytes_per_second)

    def _sender(self, state: State) -> Sender:
        return Sender(
            spools=spools() if (spools := self._start.spools) is not None else (self._start.inventory.root(),),
            store=self._start.store,
            steps=state,
            pace=self._pace,
            retention_ms=self._start.settings.retention_ms,
            dates=self._dates,
            custodians=self._start.inventory.custodians,
            foreign=lambda task, _version: self._foreign.append(task),
            other_disk=lambda task, wanting, read: self._elsewhere.append((task, wanting, read)),
            reached=self._start.reached,
        )

    def _beacon_waits(self, heads: queue.Heads, now_ns: int) -> bool:
        every_ns = self._start.settings.beacon_seconds * NS_PER_SECOND
        if not every_ns or heads.proof is not None or not self._newest or not self._line.closed:
            return False
        return BEACON_NUMBER not in self._streams.under_way and self._due("beacon", every_ns, now_ns)

    def _begin_beacon(self, state: State) -> None:
        report = self._report(state)
        content = beacon_bytes(self._newest, report)
        log_id = self._start.inventory.log_id
        name = BeaconName(log_id=log_id, at=at_utc(report.utc_ms), digest=sha256(content))
        self._streams.begin(BEACON_NUMBER, partial(send_beacon, self._start.store, key_of(name), content))

    def _witness_waits(self, heads: queue.Heads, now_ns: int) -> bool:
        every_ns = self._start.settings.witness_seconds * NS_PER_SECOND
        if (
            not every_ns
            or heads.proof is not None
            or self._courier.statements
            or WITNESS_NUMBER in self._streams.under_way
        ):
            return False
        return self._line.closed and self._due("witness", every_ns, now_ns)

    def _begin_witness(self) -> None:
        answered = frozenset(self._courier.answered)
        inventory = self._start.inventory

        def known() -> frozenset[str]:
            try:
                return answered.union(witnessing.known(inventory.root()))
            except OSError:
                return answered  # the recorder says itself what it knows already

        self._streams.begin(WITNESS_NUMBER, partial(read_witness, self._start.store, inventory.log_id, known))

    def _report(self, state: State) -> Report:
        """How it stands now. What waits is counted seldom where it is much: the count goes over all of it."""
        utc_ms, nature = self._start.clock.read().utc_ms, self._start.store.nature()
        now_ns = self._start.clock.boottime_ns()
        every_ns = COUNT_NS if self._counted is None or self._counted.objects < MANY else COUNT_MANY_NS
        if self._counted is None or self._due("count", every_ns, now_ns):
            self._counted = state.waiting(utc_ms, LEVELS_PERCENT)
        return Report(
            utc_ms=utc_ms,
            url=self._start.url,
            label_zh=nature.label_zh,
            label_en=nature.label_en,
            waiting=self._counted,
            bytes_per_second=self._meter.bytes_per_second,
            paused=self._yielding.reasons,
            fault="" if self._line.closed else self._fault,
            standing=self._start.standing().name.lower(),
            examination_due=self._start.examination_due(utc_ms),
            wanting=dict(self._wanting),
            reading_on=state.fresh,
        )

    # -- what came of a life ---------------------------------------------------------------------------------------

    def _ended(self, state: State, number: int, outcome: Outcome | Broken, now_ns: int) -> None:
        self._tell_on_the_way(now_ns)
        match outcome:
            case Failed():
                self._failed(state, outcome, now_ns)
            case Kept(sent=sent):
                self._line = retry.answered(self._line)
                self._meter = measured(self._meter, sent, 0)
            case BeaconSent() | WitnessRead():
                self._line = retry.answered(self._line)
                self._hand_over(outcome)
            case Differs(task=task):
                self._line = retry.answered(self._line)
                self._differs(task, now_ns)
                self._wait(state, task, now_ns)
            case LocalDiffers() | LocalUnreadable() | Left():
                self._line = retry.abandoned(self._line)
                self._not_sent(state, outcome, now_ns)
            case Broken():
                self._line = retry.abandoned(self._line)
                self._broken(state, outcome, now_ns)

    def _tell_on_the_way(self, now_ns: int) -> None:
        """What lives have met that is no end of theirs."""
        while self._foreign:
            self._differs(self._foreign.popleft(), now_ns)
        while self._elsewhere:
            self._read_elsewhere(*self._elsewhere.popleft())

    def _hand_over(self, outcome: BeaconSent | WitnessRead) -> None:
        if isinstance(outcome, WitnessRead):
            self._courier.statements.extend(outcome.statements)
            self._courier.answered.update(outcome.bad)
            if outcome.more:
                self._next.pop("witness", None)

    def _not_sent(self, state: State, outcome: LocalDiffers | LocalUnreadable | Left, now_ns: int) -> None:
        task = outcome.task
        match outcome:
            case LocalDiffers():
                self._not_as_signed(WHAT[task.sealed.kind], task.sealed.span.path)
            case LocalUnreadable(code=code):
                self._start.say(
                    f"本地文件暂时无法读取，稍后再试：{task.sealed.span.path}（{os.strerror(code)}）",
                    f"cannot be read here now, tried again later: {task.sealed.span.path} ({os.strerror(code)})",
                )
                self._wait(state, task, now_ns)
            case Left():
                pass

    def _broken(self, state: State, broken: Broken, now_ns: int) -> None:
        if isinstance(broken.error, StateLost | StateFault):
            raise broken.error
        self._said("传输线程出错，稍后重试", "a stream ended in an error; tried again later", broken.error)
        if broken.number >= 0:
            state.later(broken.number, now_ns + retry.LONGEST_WAIT_NS)

    def _failed(self, state: State, failed: Failed, now_ns: int) -> None:
        store_fault, task = failed.fault, failed.task
        fault = retry.Fault(
            fault=store_fault.fault,
            doing=failed.doing,
            store_ahead_ms=retry.store_ahead_ms(store_fault.store_time, self._start.clock.read().utc_ms),
            tries=0 if task is None else task.tries,
        )
        before = self._line
        verdict = retry.after(before, fault, now_ns, self._start.jitter())
        self._line, self._reason, self._fault = verdict.line, store_fault.status, store_fault.what
        if (before.closed and not self._line.closed) or verdict.alarm is not None:
            self._start.say(
                f"存储端：{store_fault.what}。{store_fault.remedy_zh}",
                f"the store: {store_fault.what}. {store_fault.remedy_en}",
            )
        if verdict.sign_ahead_ms is not None:
            self._start.sign_ahead(verdict.sign_ahead_ms)
            self._ahead_ms = verdict.sign_ahead_ms
        if verdict.alarm is not None:
            self._alarm(verdict.alarm, _measure_of(verdict, failed), now_ns)
        if task is not None:
            self._object_waits(state, task, verdict, now_ns)

    def _object_waits(self, state: State, task: Task, verdict: retry.Verdict, now_ns: int) -> None:
        if verdict.then is Then.LOOK:
            state.unknown(task.number)
        if verdict.object_wait_ns:
            state.later(task.number, now_ns + verdict.object_wait_ns)

    def _wait(self, state: State, task: Task, now_ns: int) -> None:
        state.later(task.number, now_ns + retry.object_wait_ns(task.tries, self._start.jitter()))

    def _differs(self, task: Task, now_ns: int) -> None:
        self._start.say(
            f"存储端有内容与签名不符：{task.sealed.key}",
            f"the store holds other bytes than were signed: {task.sealed.key}",
        )
        self._courier.alarm(News(code=EventCode.STORE_DIFFERS, measured=(int(WHAT[task.sealed.kind]),)), now_ns)

    def _read_elsewhere(self, task: Task, wanting: Path, read: Path) -> None:
        self._wanting[str(wanting)] = self._wanting.get(str(wanting), 0) + 1
        self._start.say(
            f"{wanting} 上缺少或损坏，改从 {read} 读取入库：{task.sealed.span.path}",
            f"missing or damaged on {wanting}, read from {read} instead: {task.sealed.span.path}",
        )

    def _alarm(self, alarm: Alarm, measure: int, now_ns: int) -> None:
        code = alarms.CODES[alarm]
        self._courier.alarm(News(code=code, measured=(measure,) if EVENTS[code].measured else ()), now_ns)


def _measure_of(verdict: retry.Verdict, failed: Failed) -> int:
    """What the event of an alarm measures."""
    match verdict.alarm:
        case Alarm.CLOCK:
            return (verdict.sign_ahead_ms or 0) // 1000
        case Alarm.RETENTION_SHORT:
            return failed.short_ms // 1000
        case Alarm.VANISHED if failed.task is not None:
            return int(WHAT[failed.task.sealed.kind])
        case _:
            return failed.fault.status
