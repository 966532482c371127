"""The recorder's wiring: builds every object of a run from configuration and hardware, and owns its threads.

Threads: the caller's (CONTROL), WRITER (started and joined here), and those of the drivers, which their `stop` ends.
Nothing else in `edge` starts a thread.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from edge import admission, clock_trust, mishaps
from edge.capture import Sources, ThreadedCapture
from edge.clock_trust import EARLIEST_PLAUSIBLE_UTC_MS, Bounds, ClockWatch
from edge.config import Config
from edge.custody import OpenToken, no_token
from edge.desk import Desk
from edge.desk_disks import DisksClerk
from edge.desk_starts import journal_refusal, refusal_code
from edge.destruction import keep_record
from edge.disk_watch import DiskWatcher, Known, Side, Watched, known_disk, probe
from edge.durable import StorageFault
from edge.guard.words import Lamp
from edge.guard_link import GuardLost, GuardMessage, GuardSaid, GuardWord, Leased
from edge.journal import Journal
from edge.journal_state import JournalState
from edge.ladder import Limits as LadderLimits
from edge.ladder_memory import LadderKeeper
from edge.last_good import InForce
from edge.media_watch import MediaWatcher
from edge.messages import Message, RoomSays, StopRequested, StoreSaid, WriterSays
from edge.opening import (
    EXIT_BUSY,
    EXIT_HARDWARE,
    EXIT_KEY,
    EXIT_STORAGE,
    Onlooker,
    Opening,
    OpenLog,
    open_device,
    storage_refusal,
)
from edge.origins import OriginCheck, SourceOpened, substitutes
from edge.packet_queue import LaneBounds, PacketQueue
from edge.permit import Permit
from edge.ports import FaultKind, Hardware, HardwareFault, SourceOrigin, Stream
from edge.precheck import Sight
from edge.promised import Promised, of_session, open_what_opens
from edge.recorder import Ended, Inbox, Recorder, Tools
from edge.refusals import Refused
from edge.requests import Answer
from edge.revival import Revived, Reviver, ReviverAtOnce
from edge.room import REFUSING_WORDS, Room, RoomTools, lamp_of
from edge.segmenter import Cutting, Segmenter
from edge.self_check import SelfCheck, SourcesSeen, every_source, seen_by_refusal
from edge.session.signals import SessionEnded, StartAsked
from edge.session.state import Inhibition, Mode
from edge.slices import SliceCutter
from edge.spool import Spool
from edge.status import Status
from edge.stretch import Stretch, Stretches, Unstarted
from edge.surroundings import NO_SURROUNDINGS, Neighbours, Surroundings
from edge.waiting import Waiting, follow
from edge.writer import Acknowledge, Resumption, SessionFacts, Writer, WriterPorts
from liuhen import keys
from liuhen.keys import UnusableKey
from liuhen.kinds import Choice, Session, Software, Stop
from liuhen.registry import (
    EVENTS,
    CheckCode,
    ChoiceCode,
    DutyCode,
    EventCode,
    Purpose,
    RecordLabel,
    RefusalCode,
    StopCause,
)
from liuhen.visits import DUTY_STREAM

__all__ = [
    "EXIT_BUSY",
    "EXIT_HARDWARE",
    "EXIT_KEY",
    "EXIT_STORAGE",
    "Stage",
    "Start",
    "Watcher",
    "conduct_threads",
    "run",
]

LEAST_SECONDS = 1.0
LAST_EXIT = Path("/run/liuhen-recorder/last-exit")
"""The unit's line of how the service's last process ended (`edge.mishaps`)."""
NO_DEVICE = -1
"""Of a folder that is not there: no device has this number."""
SLICES_WARNING = "SLICES"
FIRST_WORD_NS = 2 * 10**9
"""How long a start waits for the guard's first word."""


class Watcher(Acknowledge, Protocol):
    """Whoever looks on: terminal, tests' acknowledgement pipe. Called from WRITER and CONTROL after the flush."""

    def entry(self, seq: int, digest: bytes) -> None:
        """A journal entry is durable."""

    def status(self, status: Status) -> None:
        """A new snapshot, about twice a second; CONTROL's thread."""

    def said(self, words_zh: str, words_en: str) -> None:
        """One line for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What one run is started with. `stop` is set by whoever wants the session to end."""

    config: Config
    hardware: Hardware
    watcher: Watcher
    stop: threading.Event
    conduct: Callable[[Stage], Ended]
    stop_cause: StopCause = StopCause.OPERATOR
    seconds: float | None = None
    open_token: OpenToken = no_token
    emergency: bool = False
    """A person has said that a new session may be recorded under an emergency key."""
    surroundings: Surroundings = NO_SURROUNDINGS
    service: bool = False
    """A service's stop ends no session: the next run goes on with it."""
    last_exit: Path = LAST_EXIT
    in_force: InForce | None = None
    """A service's configuration with where the last good one is kept; None where a person chose it."""
    watch_disks: bool = False
    """Whether each disk of the store is asked, in a thread, if it is still the same and can be written."""


def run(start: Start) -> Ended:
    """One run with one session. Raises Refused when nothing could be recorded; the journal then says why, if it can.

    A key that is lost while it signs leaves the session open: another run goes on with it, under an emergency key.
    """
    began_ns = start.hardware.clock.boottime_ns()
    try:
        return _run(start)
    except UnusableKey as lost:
        _give_back(start)
        start.watcher.said(
            f"签名密钥失效（{lost.what}）；本场次改用应急密钥继续，中断已封签记下",
            f"the key was lost ({lost.what}); the session goes on under an emergency key, the gap is sealed",
        )
        passed_seconds = (start.hardware.clock.boottime_ns() - began_ns) / 1e9
        left = None if start.seconds is None else max(start.seconds - passed_seconds, LEAST_SECONDS)
        return _run(replace(start, seconds=left))


def _run(start: Start) -> Ended:
    onlooker = Onlooker(entry=start.watcher.entry, say=start.watcher.said)
    with open_device(start.config, onlooker, start.open_token) as opening:
        # Before anything else: not even a refusal is signed with an emergency key that nobody has agreed to.
        resumed = opening.may_stay_open(start.hardware.clock)
        opening.require_confirmation(resumed=resumed, confirmed=start.emergency)
        running = Running(start, opening)
        try:
            running.hear_the_guard()
            return run_session(running)
        finally:
            running.close()


class Running:
    """One run: what all of its sessions share. CONTROL's thread; `close` ends its neighbours and the journal."""

    def __init__(self, start: Start, opening: Opening) -> None:
        """Nothing is written yet."""
        self.start = start
        self.opening = opening
        self.log = opening.log(start.hardware.clock)
        self.inbox = Inbox()
        self.permit = Permit(needed=start.config.interlock.enabled and start.surroundings.guard is not None)
        self.neighbours = Neighbours(start.surroundings, self.inbox.post, start.watcher.said, self._guard_speaks)
        self.recorder: Recorder | None = None
        self.feed: Callable[[int], None] = lambda _fragments: None
        self._begun: OpenLog | None = None
        self.room = Room(
            RoomTools(
                config=start.config,
                clock=start.hardware.clock,
                spool=opening.spool,
                journal=self.log,
                salt=partial(secrets.token_bytes, 32),
                say=start.watcher.said,
                announce=self.neighbours.announce,
                ease_picture=start.hardware.camera.ease if start.hardware.camera is not None else _left_as_it_is,
                production=_purpose(opening) is Purpose.PRODUCTION,
            )
        )
        newest = self.log.state
        self._clock_watch = ClockWatch.at_start(newest.clock[0] if newest.head is not None else None)
        self.desk = Desk.of(self.room, self._facts, partial(self.check_before_recording, SourcesSeen()))
        self.disks = DisksClerk(self.room)
        self._self_check = SelfCheck(self.room, self.desk, opening, start.hardware)
        self.ladder = LadderKeeper(
            opening.spool.root / "device" / "ladder", _ladder_limits(start), start.hardware.clock
        )
        self._slices = None
        if start.config.store.every:
            self._slices = SliceCutter(opening.spool, self.log, start.hardware.clock.boottime_ns)
        self.neighbours.open()
        self._disk_watcher = self._watch_disks()
        self._media_watcher = None
        if start.surroundings.media is not None:
            self._media_watcher = MediaWatcher(start.surroundings.media, self.inbox.post)
            self._media_watcher.start()

    def close(self) -> None:
        """End what the run owns."""
        try:
            self.neighbours.close()
            if self._disk_watcher is not None:
                self._disk_watcher.stop()
            if self._media_watcher is not None:
                self._media_watcher.stop()
            if self._slices is not None and self.has_begun:
                self._slices.close()
        finally:
            self.desk.store.close()
            self.desk.archive.close()
            self.log.close()

    def _watch_disks(self) -> DiskWatcher | None:
        """Whether each disk is still the one it was; one that is not there even now is expected back."""
        if not self.start.watch_disks:
            return None
        settings, identity = self.start.config.spool, self.opening.spool.identity
        folders = {Side.PRIMARY: settings.directory, Side.MIRROR: settings.mirror}
        watched = []
        for side, folder in folders.items():
            if folder is None:
                continue
            try:
                known = known_disk(folder, identity)
            except OSError:
                known = Known(identity=identity, device=NO_DEVICE)
            watched.append(Watched(side=side, known=known, ask=partial(probe, folder)))
        watcher = DiskWatcher(tuple(watched), self.inbox.post)
        watcher.start()
        return watcher

    def hear(self, message: RoomSays | StoreSaid) -> None:
        """What people, the other processes and the disks say, in a session and between two. Raises StorageFault."""
        if isinstance(message, StoreSaid):
            self.disks.handle(message)
        else:
            self.desk.handle(message)

    def check_before_recording(self, seen: SourcesSeen) -> None:
        """What a start has found, before the entry that says what became of it. Raises StorageFault."""
        self._self_check.append(CheckCode.BEFORE_RECORDING, seen, self._clock_watch)

    def begun(self, *, resume: bool) -> OpenLog:
        """The entries that begin the run, once. Raises StorageFault."""
        if self._begun is None:
            self._begun = self.opening.begin(self.start.hardware.clock, resume=resume)
            self._warn_of_what_is_missing()
            for seq, code in self._begun.state.due:
                self.room.open_duty(DutyCode(code), seq)
            _journal_choices(self.start.config, self.log)
            if self.start.in_force is not None:
                self._settle_config(self.start.in_force)
            if self.start.service:
                self._tell_crash(self._begun.state)
        return self._begun

    def _settle_config(self, in_force: InForce) -> None:
        """What could start is what a later start may fall back to; a fallback itself is told. Raises StorageFault."""
        if in_force.fault is None:
            try:
                in_force.keep()
            except StorageFault as fault:
                self.start.watcher.said(
                    f"上一份有效配置无法保存（{fault}）；录制照常，请检查该目录的权限和空间",
                    f"the last good configuration cannot be kept ({fault}); recording goes on; see folder and space",
                )
            return
        words_zh, words_en = in_force.words
        reason = self.room.keep(RecordLabel.REASON, str(in_force.fault))
        self.room.event(EventCode.CONFIG_FALLBACK, records=(reason,))
        self.room.warnings[EventCode.CONFIG_FALLBACK.name] = words_zh
        self.start.watcher.said(words_zh, words_en)

    def _warn_of_what_is_missing(self) -> None:
        """The events stand with the run's first entries; whoever sees the lamp hears of it in this run."""
        missing = self.opening.missing
        if missing.anything:
            self.disks.warn_of(EventCode.STORAGE_LIED)
        if missing.media:
            self.disks.warn_of(EventCode.STORAGE_ROT)

    def _tell_crash(self, before: JournalState) -> None:
        """How the service's last process ended, if not in order; its unit left that for us. Raises StorageFault."""
        last = mishaps.read_last_exit(self.start.last_exit)
        code = mishaps.crashed(
            last,
            ended_in_order=before.in_order or not before.begun,
            ordered=False,  # a process that is ordered to end does so in order
            same_boot=before.clock[2] == self.start.hardware.clock.boot_id,
        )
        if code is not None:
            self.room.event(EventCode.PROCESS_CRASHED, (code,))

    @property
    def has_begun(self) -> bool:
        """Whether the run's first entries are written."""
        return self._begun is not None

    def deal_with(self, message: Message) -> None:
        """A message between two sessions; what WRITER says then is of a session that is over."""
        if not isinstance(message, WriterSays | Revived | SourceOpened | StopRequested):
            self.hear(message)
            self.follow_cause()

    def follow_cause(self, refused: tuple[int, RefusalCode] | None = None) -> None:
        """See to the gap of a session that is open and waits; `refused` is a start just refused. Raises StorageFault"""
        begun = self._begun
        if self.recorder is not None or begun is None or begun.continuation is None:
            return
        waiting = Waiting(
            journal=self.log, clock=self.start.hardware.clock, evidence=self.room.take_evidence(), refused=refused
        )
        begun.continuation = follow(begun.continuation, waiting)

    def turn(self) -> None:
        """Once in each of CONTROL's turns: what is overdue, the lamp, the supervisor. Raises StorageFault."""
        self._watch_clock()
        self.disks.turn()
        if self.start.service:
            self._self_check.daily(self._clock_watch)
        self.room.turn()
        self.desk.turn()
        self._cut_slices()
        self.show_lamp()
        if self.recorder is not None:
            self.feed(self.recorder.durable_fragments)
            if self.recorder.is_open:
                self.desk.requests.started(Answer(ok=True, words_zh="已开始录制", words_en="the session is open"))

    def _cut_slices(self) -> None:
        """Boundaries of what is sent of the journal; a fault loses none, and is told once. Raises StorageFault."""
        fault = self._slices.turn() if self._slices is not None and self.has_begun else None
        if fault is not None and SLICES_WARNING not in self.room.warnings:
            self.room.event(EventCode.STORAGE_FAULT, (fault.code,))
            self.room.warnings[SLICES_WARNING] = "日志切片无法写入，入库会延后；录制照常，请检查存储盘"

    def _watch_clock(self) -> None:
        """How far UTC is believed, and its steps, are events; media time never follows them. Raises StorageFault."""
        reading = self.start.hardware.clock.read()
        self._clock_watch, told = clock_trust.watch(self._clock_watch, reading, Bounds.of(self.start.config.clock))
        for one in told:
            self.room.event(one.code, one.measured, at_ns=reading.boottime_ns)
        self._warn_while(EventCode.CLOCK_UNSYNCHRONISED, holds=self._clock_watch.trusted is False)
        self._warn_while(EventCode.CLOCK_RTC_BAD, holds=self._clock_watch.rtc_bad)

    def _warn_while(self, code: EventCode, *, holds: bool) -> None:
        """Somebody has to set a clock, or to change its battery; recording goes on."""
        if holds and code.name not in self.room.warnings:
            self.room.warnings[code.name] = EVENTS[code].words_zh
            self.start.watcher.said(EVENTS[code].words_zh, EVENTS[code].words_en)
        elif not holds:
            self.room.warnings.pop(code.name, None)

    def show_lamp(self) -> None:
        """Tell the guard which lamp is wanted; it shows its own where that would not be true."""
        if self.neighbours.guard is None:
            return
        recorder, state = self.recorder, self.room.state
        attention = bool(self.room.warnings) or (recorder is not None and recorder.wants_attention)
        young = recorder is not None and recorder.young
        open_session = self.log.state.session is not None
        lamp = lamp_of(state, attention=attention, young=young)
        if state.mode is Mode.READY and (open_session or self.desk.visits.due):
            lamp = "not_recording"  # a session waits for its devices to come back, or an always-on room for its day's
        durable = recorder.durable_fragments if recorder is not None else 0
        self.neighbours.guard.want(Lamp(lamp), session=open_session and not young, durable=durable)

    def _guard_speaks(self, word: GuardWord) -> None:
        """On the guard's thread: what may be written ends before anybody is told why."""
        self.permit.hear(word)
        if not isinstance(word, Leased):
            self.inbox.post(word)

    def hear_the_guard(self) -> None:
        """Before anything is captured: what the interlock says. No word within two seconds is no permit.

        What has to be written of it comes after the entries that begin the run.
        """
        if not self.start.config.interlock.enabled:
            return
        if self.neighbours.guard is None:
            heard: GuardMessage = self._nobody_speaks(self.room.now_ns)
        else:
            heard = self._first_word()
        permits = isinstance(heard, GuardSaid) and heard.permit
        standing = Inhibition.INTERLOCK in self.room.state.inhibitions
        if not permits or standing:
            self.begun(resume=self.opening.may_stay_open(self.start.hardware.clock))
        self.desk.handle(heard)
        self.follow_cause()

    def _first_word(self) -> GuardMessage:
        began_ns, waiting = self.room.now_ns, []
        heard: GuardMessage | None = None
        while heard is None and self.room.now_ns - began_ns < FIRST_WORD_NS:
            message = self.inbox.take(0.1)
            if isinstance(message, GuardSaid | GuardLost):
                heard = message
            elif message is not None:
                waiting.append(message)
        for message in waiting:
            self.inbox.post(message)
        return heard if heard is not None else self._nobody_speaks(began_ns)

    @staticmethod
    def _nobody_speaks(since_ns: int) -> GuardLost:
        return GuardLost(since_ns=since_ns, heard_ns=since_ns)

    def _facts(self) -> dict[str, Any]:
        state, known = self.room.state, self.log.state
        session = known.session
        seconds = self.opening.spool.free_bytes() / max(1, self.start.config.media_bytes_per_second())
        return {
            "room": self.start.config.device.room,
            "free_hours": round(seconds / 3600, 1),
            "mode": state.mode.name.lower(),
            "session": session.id.hex() if session is not None else None,
            "ordinal": known.ordinal,
            "run": self.opening.run,
            "durable": self.recorder.durable_fragments if self.recorder is not None else 0,
            "queue_ms": self.recorder.queue_ms if self.recorder is not None else 0,
            "inhibitions": sorted(one.name.lower() for one in state.inhibitions),
            "to_approve": state.to_approve,
            "unexplained": sorted(state.unexplained),
            "duties": [[duty.seq, duty.code, duty.refers_to] for duty in known.duties],
            "warnings": list(self.room.warnings.values()),
            "entries": known.next_seq,
            "sources": {stream.name.lower(): sight.name.lower() for stream, sight in self._sights().items()},
            "clock": {"trusted": self._clock_watch.trusted, "error_ms": self.start.hardware.clock.read().error_ms},
            "key": not self.opening.custody.emergency,
        }

    def _sights(self) -> dict[Stream, Sight]:
        """How each source stands: judged while it records, else as it was last found."""
        state, recorder = self.room.state, self.recorder
        picture, sound = self._self_check.newest.sights(self.start.hardware)
        found = {Stream.PICTURE: picture, Stream.SOUND: sound}
        fitted = [stream for stream, sight in found.items() if sight is not Sight.NOT_FITTED]
        if state.inhibitions:
            return found | dict.fromkeys(fitted, Sight.FORBIDDEN)
        if recorder is None or not state.capturing:
            return found
        conditions = recorder.conditions
        return found | {
            stream: Sight.ABSENT if stream in state.absent else Sight.of(conditions[stream]) for stream in fitted
        }


def run_session(running: Running) -> Ended:
    """One session in a run that ends with it. A refusal is an entry with its cause before it is an exception."""
    try:
        return _stopped(running.start, running.log, conduct_session(running))
    except Refused:
        if running.has_begun:
            running.log.checkpoint(session_id=None)
            running.log.append(Stop(cause=StopCause.REFUSED), session_id=None)
        raise


def conduct_session(running: Running) -> Ended:
    """Check, record, end. Raises Refused; what was refused is an entry by then, with the duty to report."""
    start, opening = running.start, running.opening
    try:
        _check_space(start, opening)
        promised = _open_sources(running)
        _refuse_substitutes(opening, promised.parts)
        plan = _Plan.of(running, promised)
        _ask_the_room(running, plan)
    except _RefusedWithCode as refusal:
        seen = seen_by_refusal(start.hardware, refusal.code)
        _give_back(start)
        running.room.start_wanted = False  # a refused start is asked for anew, by a person
        # A session left open is not ended by a camera that is late: it may go on once a start succeeds.
        running.begun(resume=opening.may_stay_open(start.hardware.clock))
        running.disks.turn()
        running.check_before_recording(seen)
        running.follow_cause((journal_refusal(running.room, refusal.code), refusal.code))
        running.room.signal(SessionEnded(at_ns=running.room.now_ns))
        raise refusal.refused from None
    _warn_of_clock(start)
    _require_confirmation(start, opening, plan)
    stage = _stage(running, plan)
    running.recorder = stage.recorder
    try:
        return start.conduct(stage)
    finally:
        running.recorder = None


def _ask_the_room(running: Running, plan: _Plan) -> None:
    """Whether anything forbids this session: an inhibition that stands, or the interlock."""
    room = running.room
    if plan.resume:
        room.state = replace(room.state, capturing=not room.state.inhibitions)
        return
    if room.start_wanted:
        room.start_wanted = False  # the start was asked for, and allowed, between two sessions
        return
    for why in room.signal(StartAsked(at_ns=room.now_ns)):
        words_zh, words_en = REFUSING_WORDS[why]
        refused = Refused(f"{words_zh} / {words_en}", remedy_zh=words_zh, remedy_en=words_en, exit_code=EXIT_HARDWARE)
        raise _RefusedWithCode(refused, refusal_code(room.state, why) or RefusalCode.OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Which session is recorded: the one an unclean end left open, or a new one."""

    session_id: bytes
    ordinal: int
    resume: bool
    promised: Promised

    @classmethod
    def of(cls, running: Running, promised: Promised) -> _Plan:
        state, clock = running.log.state, running.start.hardware.clock
        resume = state.session is not None and running.opening.may_resume(promised.rows, clock)
        resumed = state.session if resume else None
        return cls(
            session_id=resumed.id if resumed is not None else secrets.token_bytes(16),
            ordinal=state.ordinal + (resumed is None),
            resume=resume,
            promised=promised,
        )


def _require_confirmation(start: Start, opening: Opening, plan: _Plan) -> None:
    try:
        opening.require_confirmation(resumed=plan.resume, confirmed=start.emergency)
    except Refused:
        _give_back(start)  # nothing can be journaled either: no key may sign before somebody says so
        raise


def _stage(running: Running, plan: _Plan) -> Stage:
    """Everything a session runs on; nothing is written before `Stage.begin`."""
    start, inbox, room = running.start, running.inbox, running.room
    stretches = Stretches(partial(_make_stretch, running, plan))
    recorder = Recorder(
        Tools(
            config=start.config,
            clock=start.hardware.clock,
            spool=running.opening.spool,
            journal=running.log,
            inbox=inbox,
            stretches=stretches,
            room=room,
            desk=running.hear,
            keep_up=running.turn,
            show=start.watcher.status,
            ladder=running.ladder,
            origins=plan.promised.origins,
        ),
        plan.session_id,
    )
    check = OriginCheck(
        production=_purpose(running.opening) is Purpose.PRODUCTION, promised=plan.promised.formats, post=inbox.post
    )
    return Stage(
        start=start,
        recorder=recorder,
        inbox=inbox,
        stretches=stretches,
        sources=Sources(
            hardware=start.hardware,
            caption=caption_of(start.config, plan.ordinal, plan.session_id),
            say=start.watcher.said,
            admit=check.admit,
        ),
        goes_on=plan.resume,
        unopened=plan.promised.unopened,
        begin=partial(_begin, running, plan, (stretches, recorder)),
        may_capture=room.state.capturing,
        permit=running.permit,
    )


def _make_stretch(running: Running, plan: _Plan) -> Stretch:
    """A queue and a WRITER that has written nothing yet."""
    start, opening, log = running.start, running.opening, running.log
    camera = start.hardware.camera
    picture = plan.promised.picture
    frames_per_second = picture.frames_per_second if picture is not None else 1
    packets = PacketQueue(
        picture=_lane(start.config, 1), sound=_lane(start.config, 6), frame_ns=10**9 // frames_per_second
    )
    running.permit.bind(packets)
    writer = Writer(
        queue=packets,
        segmenter=Segmenter(cutting=_cutting(start.config), picture=picture, sound=plan.promised.sound),
        spool=opening.spool,
        session=SessionFacts(
            log_id=opening.spool.identity.log_id,
            run=opening.run,
            session_id=plan.session_id,
            endorsements=opening.endorsements,
        ),
        ports=WriterPorts(
            clock=start.hardware.clock,
            signer=opening.signer,
            journal_head=lambda: log.head or (0, bytes(32)),
            force_keyframe=camera.force_keyframe if camera is not None else _nothing,
            post=running.inbox.post,
            acknowledge=start.watcher,
            slow_write_ns=start.config.spool.slow_write_milliseconds * 1_000_000,
        ),
    )
    return Stretch(packets=packets, writer=writer)


def _begin(running: Running, plan: _Plan, crew: tuple[Stretches, Recorder], unstarted: Unstarted) -> None:
    """Recovery, then the session's entry or what a resumed one goes on from. Raises StorageFault.

    `unstarted` are the promised streams that such a one goes on without.
    """
    stretches, recorder = crew
    start, opening = running.start, running.opening
    opened = running.begun(resume=plan.resume)
    if not plan.resume or opened.continuation is None:
        running.check_before_recording(every_source(start.hardware))
        recorder.begin(_session_entry(start.config, opening.spool, plan.ordinal, plan.promised))
        return
    went_on = opened.continuation
    stretches.newest.writer.go_on_from(
        Resumption(
            segments=went_on.segments,
            frames=went_on.frames,
            samples=went_on.samples,
            last=went_on.last,
            absent=went_on.absent,
            unstarted=frozenset(stream for stream, _ in unstarted) - went_on.absent,
        )
    )
    recorder.resume(went_on, unstarted)
    start.watcher.said(
        "上一场次尚未结束，已自动续录；请用语音说明中止的原因",
        "the last session had not ended and goes on; please say aloud why it was interrupted",
    )


def _stopped(start: Start, log: Journal, ended: Ended) -> Ended:
    """End the run; a disk that does not even take that has been reported by the session already, or is now."""
    if not ended.told:
        return ended
    try:
        log.append(Stop(cause=start.stop_cause if ended.clean else StopCause.FAULT), session_id=None)
    except StorageFault as fault:
        words_zh = ended.words_zh or f"存储写入失败（{fault}），本次运行没有结束标记"
        words_en = ended.words_en or f"writing failed ({fault}); this run has no closing entry"
        return replace(ended, clean=False, words_zh=words_zh, words_en=words_en)
    return ended


def _give_back(start: Start) -> None:
    """Release what was claimed, so that a refused start leaves no device busy."""
    Sources(hardware=start.hardware, caption="", say=start.watcher.said).stop()


Made = TypeVar("Made", Reviver, ReviverAtOnce)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything a session runs on, ready and not yet started; who conducts it decides what turns in which thread.

    The conductor starts the sources, whose packets wait in the queue, calls `begin` once, and only then turns WRITER.
    """

    start: Start
    recorder: Recorder
    inbox: Inbox
    stretches: Stretches
    sources: Sources
    goes_on: bool
    """Whether an earlier run left the session open: it goes on with what there is."""
    unopened: Unstarted
    """Of such a session, the promised streams whose device did not open."""
    begin: Callable[[Unstarted], None]
    """Takes what did not start."""
    may_capture: bool
    """False where something forbids recording from the start: then no source runs until the room says so."""
    permit: Permit
    """Until when it is permitted, which the guard may have ended meanwhile."""

    def start_sources(self) -> Unstarted:
        """The newest stretch's sources; what did not start. Raises HardwareFault where a new session has not all."""
        stretch = self.stretches.newest
        if not self.goes_on:
            self.sources.start(stretch)
            return ()
        absent = frozenset(stream for stream, _ in self.unopened)
        return (*self.unopened, *self.sources.start_what_starts(stretch, absent))

    @property
    def writer(self) -> Writer:
        """WRITER of the newest stretch."""
        return self.stretches.newest.writer

    @property
    def packets(self) -> PacketQueue:
        """The queue of the newest stretch."""
        return self.stretches.newest.packets

    def reviver(self, kind: type[Made]) -> Made:
        """Lost sources are started again from now on, by a reviver of this kind."""
        made = kind(self.sources.revivable(self.stretches), self.inbox.post, self.start.hardware.clock)
        self.recorder.restarts.reviver = made
        return made

    @property
    def caption(self) -> str:
        """What is burned into every picture beside the time."""
        return self.sources.caption


def conduct_threads(stage: Stage) -> Ended:
    """Real time: WRITER in its thread, CONTROL in the caller's. At the end: sources, queue, WRITER, entries."""
    capture, over = ThreadedCapture(stage.sources), threading.Event()
    stage.stretches.conductor = capture
    stopper = threading.Thread(target=_wait_for_stop, args=(stage, over), name="STOP")
    first = stage.stretches.newest
    try:
        unstarted = capture.start_sources(stage.start_sources) if stage.may_capture else ()
        stage.begin(() if isinstance(unstarted, HardwareFault) else unstarted)
    except BaseException:
        capture.stop_sources()  # nothing was written by WRITER: what the queue holds is of no session
        raise
    if stage.may_capture:
        capture.start_writer(first)
    stopper.start()
    capture.reviver = stage.reviver(Reviver)
    try:
        if isinstance(unstarted, HardwareFault) and stage.permit.given:
            stage.recorder.source_failed(unstarted)
        else:
            stage.recorder.record()  # a source that lost its power to a trip is no fault: the trip waits in the inbox
    finally:
        over.set()
        capture.end(stage.stretches.newest, stage.recorder.end_cause(), None)
        try:
            ended = stage.recorder.close(capture.writer_limit_seconds)
        finally:
            capture.join()
            stopper.join(capture.writer_limit_seconds)
    return ended


def _wait_for_stop(stage: Stage, over: threading.Event) -> None:
    """The STOP thread: turns the stop event, or the end of the asked time, into a message."""
    start = stage.start
    clock = start.hardware.clock
    deadline_ns = None if start.seconds is None else clock.boottime_ns() + int(start.seconds * 10**9)
    while not over.is_set():
        if start.stop.wait(0.1) or (deadline_ns is not None and clock.boottime_ns() >= deadline_ns):
            stage.inbox.post(StopRequested(cause=start.stop_cause, leaves_open=start.service))
            return


# -- checks before a session -----------------------------------------------------------------------------------------


class _RefusedWithCode(Exception):
    """A refusal that still has to be journaled."""

    def __init__(self, refused: Refused, code: RefusalCode) -> None:
        super().__init__(refused.what)
        self.refused = refused
        self.code = code


def _open_sources(running: Running) -> Promised:
    """Every source this device has; of a session that goes on, those that are there, and none while it is forbidden."""
    unasked = _promised_while_forbidden(running)
    if unasked is not None:
        return unasked
    opened = open_what_opens(running.start.hardware)
    if not opened.unopened:
        return opened
    whole = _goes_on_without(running, opened)
    if whole is not None:
        return whole
    fault = opened.unopened[0][1]
    refused = Refused(
        f"{fault.device}: {fault.what}",
        remedy_zh=fault.remedy_zh,
        remedy_en=fault.remedy_en,
        exit_code=EXIT_HARDWARE,
    )
    raise _RefusedWithCode(refused, _refusal_code(fault)) from fault


def _promised_while_forbidden(running: Running) -> Promised | None:
    """What the open session promised, where it goes on and may not capture; None where devices are to be opened."""
    session = running.log.state.session
    if session is None or not running.room.state.inhibitions:
        return None
    promised = of_session(session.streams, running.start.hardware)
    return promised if running.opening.may_resume(promised.rows, running.start.hardware.clock) else None


def _goes_on_without(running: Running, opened: Promised) -> Promised | None:
    """What the open session goes on with, though a source is not there; None where no session goes on.

    With none of them a service waits in the session, whose ladder fetches them back; a single run has nobody who waits.
    """
    start, session = running.start, running.log.state.session
    if session is None or not (opened.origins or start.service):
        return None
    try:
        whole = opened.with_those_of(session.streams, start.hardware)
    except HardwareFault:
        return None  # it never promised that stream
    return whole if running.opening.may_resume(whole.rows, start.hardware.clock) else None


def _refusal_code(fault: HardwareFault) -> RefusalCode:
    camera = fault.device == "camera"
    match fault.kind:
        case FaultKind.BUSY if camera:
            return RefusalCode.CAMERA_BUSY
        case FaultKind.FORMAT if not camera:
            return RefusalCode.MICROPHONE_FORMAT
        case _:
            return RefusalCode.NO_CAMERA if camera else RefusalCode.NO_MICROPHONE


def _check_space(start: Start, opening: Opening) -> None:
    """First, because it needs no device. A mirror that is short of space is told, and hinders nobody."""
    _hold_reserve(start, opening.spool)
    plan = admission.Plan(
        bytes_per_second=start.config.media_bytes_per_second(),
        planned_hours=start.config.session.planned_hours,
        minimum_hours=start.config.spool.minimum_free_hours,
    )
    admitted = admission.admit(plan, opening.spool.free_bytes(), opening.lesser_free_bytes())
    if admitted.verdict is admission.Verdict.REFUSE:
        refused = Refused(
            "存储空间不足 / short of space",
            remedy_zh=admitted.words_zh,
            remedy_en=f"{admitted.words_en}; spool.minimum_free_hours sets the limit",
            exit_code=EXIT_STORAGE,
        )
        raise _RefusedWithCode(refused, RefusalCode.SPACE)
    if admitted.verdict is admission.Verdict.WARN:
        start.watcher.said(admitted.words_zh, admitted.words_en)


def _ladder_limits(start: Start) -> LadderLimits:
    """A single session has nobody who would start this process again: only its sources are."""
    limits = LadderLimits.of(start.config.ladder)
    return limits if start.service else replace(limits, process_restarts=0, reboots=False)


def _hold_reserve(start: Start, spool: Spool) -> None:
    """Without the reserve a full disk could not be given its reason: then the session does not start."""
    try:
        spool.hold_reserve(start.config.spool.journal_reserve_bytes)
    except StorageFault as fault:
        raise _RefusedWithCode(storage_refusal(fault), RefusalCode.SPACE) from fault


def _refuse_substitutes(opening: Opening, origins: tuple[SourceOrigin, ...]) -> None:
    """A production key never signs what did not come from a physical sensor (Jiaozuo Art. 10(5), 14)."""
    named = substitutes(origins)
    if _purpose(opening) is not Purpose.PRODUCTION or not named:
        return
    refused = Refused(
        f"信号源不是实体设备：{named} / this key is endorsed for production, and a source is not the physical device",
        remedy_zh="正式密钥不得为模拟或替代的信号源签名；请接入真实设备，或改用演示密钥",
        remedy_en="a production key never signs simulated or substituted sources; use the real device or a demo key",
        exit_code=EXIT_KEY,
    )
    raise _RefusedWithCode(refused, RefusalCode.SUBSTITUTED_SOURCE)


def _purpose(opening: Opening) -> Purpose | None:
    """What the key is endorsed for; the log's own endorsements count too.

    Leaving one out of the configuration must not make a production key a demo.
    """
    log_id, public_key = opening.spool.identity.log_id, opening.signer.public_key
    return keys.purpose_of(opening.claimed, log_id=log_id, public_key=public_key)


def _warn_of_clock(start: Start) -> None:
    """A wrong clock never stops a recording: the law asks for the picture, and the chain orders it without UTC."""
    reading = start.hardware.clock.read()
    if reading.utc_ms < EARLIEST_PLAUSIBLE_UTC_MS:
        start.watcher.said(
            "系统时间明显不对（早于本程序发布）；照常录制，但画面上的时间不可信，请校时",
            "the clock is plainly wrong; recording goes on, but the time shown is not to be believed; set the clock",
        )


def _journal_choices(config: Config, log: Journal) -> None:
    """Choices a right hangs on are entries, not settings."""
    choices = [] if config.interlock.enabled else [ChoiceCode.NO_INTERLOCK]
    if not (config.camera.enabled and config.microphone.enabled):
        choices.append(ChoiceCode.ONE_STREAM_ONLY)
    if not config.camera.caption:
        choices.append(ChoiceCode.CAPTION_OFF)
    for code in choices:
        log.append(Choice(code=code, value=1, records=()), session_id=None)


# -- values --------------------------------------------------------------------------------------------------------


def _session_entry(
    config: Config,
    spool: Spool,
    ordinal: int,
    promised: Promised,
) -> Session:
    place = keep_record(spool, config.device.room.encode(), salt=secrets.token_bytes(32))
    return Session(
        ordinal=ordinal,
        mode=DUTY_STREAM if config.session.always_on else 0,
        config_hash=config.digest,
        profile_hash=config.rules.digest,
        software=_software(promised.parts),
        promise=(
            config.segment.seconds * 1000,
            config.segment.fragment_milliseconds,
            config.journal.heartbeat_seconds * 1000,
            config.journal.checkpoint_seconds * 1000,
        ),
        streams=promised.rows,
        records=((RecordLabel.PLACE, place.commitment),),
    )


def _software(origins: tuple[SourceOrigin, ...]) -> Software:
    return tuple((_cut(o.component, 64), _cut(o.version, 64), _cut(o.evidence, 160), int(o.genuine)) for o in origins)


def _cut(text: str, limit_bytes: int) -> str:
    """The text within so many UTF-8 bytes, never half a character."""
    return text.encode()[:limit_bytes].decode(errors="ignore")


def caption_of(config: Config, ordinal: int, session_id: bytes) -> str:
    """Room and session number as burned into the picture; the first eight digits of the id find it in the journal."""
    return f"{config.device.room}  场次 {ordinal:04d}-{session_id.hex()[:8]}"


def _cutting(config: Config) -> Cutting:
    return Cutting(
        segment_ns=config.segment.seconds * 10**9, fragment_ns=config.segment.fragment_milliseconds * 1_000_000
    )


def _lane(config: Config, times: int) -> LaneBounds:
    """Sound may wait longer than the picture, so that a stall costs the picture first; both are bounded."""
    return LaneBounds(span_ns=times * config.queue.seconds * 10**9, size_bytes=config.queue.limit_bytes)


def _nothing() -> None:
    """There is no camera to ask for a keyframe."""


def _left_as_it_is(_eased: bool) -> None:
    """There is no picture whose bitrate could change."""
