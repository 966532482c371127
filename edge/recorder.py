"""CONTROL: one session from its opening to its end; the only code that appends to the journal.

Runs on the process's main thread. It takes messages from its inbox in order, turns each into entries, keeps the
promised heartbeats and checkpoints, and ends the session in order: sources first, then WRITER, then the closing
entries. When a call returns, what it says is durable.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edge import durable, recovery
from edge.admission import SpaceEased, SpaceFloor, SpaceWarning, SpaceWatch
from edge.checks import HIDDEN, Condition, Finding, Phase, PictureJudge, SoundJudge, SoundLimits
from edge.config import Config
from edge.desk_sources import SourcesClerk
from edge.disk_pace import StorageSlow, StorageSlowEnded
from edge.durable import StorageFault
from edge.gap_book import GapBook
from edge.journal import Journal
from edge.ladder import Rung
from edge.ladder_memory import LadderKeeper
from edge.messages import (
    MediaBegan,
    Message,
    RoomSays,
    SegmentClosed,
    StopRequested,
    StorageFaulted,
    StoreSaid,
    WriterCrashed,
    WriterEnded,
    WriterFailed,
    WriterSays,
)
from edge.origins import Origin, SourceOpened
from edge.ports import Clock, HardwareFault, LossCause, PictureMeasure, SoundMeasure, Stream
from edge.recovery import Continuation
from edge.restarts import Restarts
from edge.revival import Revived
from edge.room import Moment, Room, SealedFrame
from edge.segmenter import Missed, StreamAbsent, StreamPresent
from edge.session.signals import Found, MediaDurable, StreamBack, StreamLost
from edge.spool import Spool
from edge.status import Status
from edge.stretch import Stretches, Unstarted
from edge.writer import Resumption, Writer
from liuhen.kinds import EntryBody, Event, Heartbeat, Segment, Session, SessionEnd
from liuhen.registry import EVENTS, DutyCode, EndCause, EventCode, GapCause, StopCause
from liuhen.segment import NO_PREVIOUS

INBOX_LIMIT = 4096
POST_LIMIT_SECONDS = 5.0
"""WRITER may wait this long for CONTROL: its own queue holds far more."""
TURN_SECONDS = 0.5
STRETCH_END_LIMIT_NS = 15 * 10**9
"""Sources have five seconds each to stop, WRITER the rest for what the queue held."""
YOUNG_NS = 5 * 10**9
SOUND_CLOCK_BOUND_PPB = 500_000
"""No crystal is so far off; something else takes or makes samples."""
LEVELS_KEPT = 600
"""Sound levels of the last minutes (a few a second), to tell a spoken explanation from a silent one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a session ended; `clean` means on request and with nothing failed."""

    session_id: bytes
    cause: EndCause
    clean: bool
    words_zh: str = ""
    words_en: str = ""
    gaps: int = 0
    told: bool = True
    """Whether the journal holds the session's end; without it the run must not look ended in order either."""
    ordered: Rung | None = None
    """What the ladder wants next; the session is still open then."""


Observed = StreamAbsent | StreamPresent | Missed | PictureMeasure | SoundMeasure | Revived | SourceOpened
"""What was seen of the streams."""


@dataclass(slots=True)
class _Counts:
    """What the session-end entry and the status say."""

    segments: int = 0
    stated: tuple[int, int] = (0, 0)
    last: bytes = NO_PREVIOUS
    fragments_before: int = 0
    missed_before: tuple[int, int] = (0, 0)
    rms_millibel: int | None = None
    peak_millibel: int | None = None
    free_bytes: int = 0
    space_unknown: bool = False
    tolerance_told: bool = False
    warnings: dict[str, str] = field(default_factory=dict)
    levels: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=LEVELS_KEPT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """How far the session's durable media reaches; everything counts from the session's beginning."""

    frames: int
    samples: int
    missed: tuple[int, int]
    fragments: int


class Inbox:
    """CONTROL's bounded inbox; where CONTROL lags, measures yield before anything else does."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Message] = queue.Queue(maxsize=INBOX_LIMIT)
        self.overflowed = threading.Event()

    def post(self, message: Message) -> None:
        """Any thread. Measures yield where CONTROL lags; anything else waits a while, and its loss is never silent."""
        if isinstance(message, PictureMeasure | SoundMeasure):
            if self._queue.qsize() < INBOX_LIMIT // 2:
                self._queue.put_nowait(message)
            return
        try:
            self._queue.put(message, timeout=POST_LIMIT_SECONDS)
        except queue.Full:
            self.overflowed.set()

    @property
    def waiting(self) -> bool:
        """Whether something was posted that CONTROL has not taken."""
        return not self._queue.empty()

    def take(self, limit_seconds: float) -> Message | None:
        """CONTROL only."""
        try:
            return self._queue.get(timeout=limit_seconds) if limit_seconds > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What CONTROL works with; built by `edge.app`."""

    config: Config
    clock: Clock
    spool: Spool
    journal: Journal
    inbox: Inbox
    stretches: Stretches
    room: Room
    desk: Callable[[RoomSays | StoreSaid], None]
    """Deals with what people, the other processes and the disks say."""
    keep_up: Callable[[], None]
    """What a run does in each of CONTROL's turns, in a session and between two."""
    show: Callable[[Status], None]
    ladder: LadderKeeper
    origins: Mapping[Stream, Origin]
    """What the sources that are open are made of; judged already."""


class Recorder:
    """See the module. One object per session."""

    def __init__(self, tools: Tools, session_id: bytes) -> None:
        """The session is not open before `open`."""
        self._tools = tools
        self._session_id = session_id
        self._counts = _Counts()
        self._gaps = GapBook(tools.clock, self._append)
        self._room = tools.room
        self._capturing = False
        self._ordered_end: EndCause | None = None
        self._leaves_open = False
        self._ordered: Rung | None = None
        self.is_open = False
        """Whether its first entry is durable."""
        self._deferred: deque[Message] = deque()
        self._picture_judge = PictureJudge(tools.config.checks.picture)
        self._sound_judge = SoundJudge(
            SoundLimits(checks=tools.config.checks.sound, rate_hz=tools.config.microphone.rate_hz)
        )
        self._started_ns = 0
        self._heartbeat_due_ns = 0
        self._checkpoint_due_ns = 0
        self._stop: StopRequested | None = None
        self._writer_ended: WriterEnded | None = None
        self._failure: StorageFault | None = None
        self._fault: HardwareFault | WriterCrashed | None = None
        self._short_of_space = False
        self._space = SpaceWatch(bytes_per_second=tools.config.media_bytes_per_second())
        self._end_told = False
        self._order: tuple[int, ...] = ()
        self.restarts = Restarts(tools.ladder, self)
        """Has lost sources started again; whoever conducts real sources gives it a reviver."""
        self._sources = SourcesClerk(tools.room, tools.origins)

    # -- life -------------------------------------------------------------------------------------------------------

    @property
    def _writer(self) -> Writer:
        return self._tools.stretches.newest.writer

    def begin(self, session: Session) -> None:
        """Append the session entry and start the promised clocks."""
        self._tools.spool.make_session(self._session_id)
        self._counts.free_bytes = self._tools.spool.free_bytes()
        self._tools.journal.append(session, session_id=self._session_id)
        self._capturing = self._room.state.capturing
        self._room.attach(self, self._session_id)
        self._start_promises()
        for stream in self._promised:
            self.restarts.back(stream)
        if self._room.state.gap is not None:  # forbidden between the wish and its session
            self._open_gap(None, self._room.state.gap, self._started_ns, (), lost=0)

    def resume(self, continuation: Continuation, unstarted: Unstarted = ()) -> None:
        """Go on with the session that an earlier run left open; its gaps end when their media is back.

        `unstarted` are the sources that it goes on without. Where something forbids recording, capture has not begun,
        and the room says when it may.
        """
        self._counts.segments = continuation.segments
        self._counts.stated = (continuation.frames, continuation.samples)
        self._counts.last = continuation.last
        self._gaps.take_over(continuation)
        for gap in continuation.open_gaps:
            stream = None if gap.stream is None else Stream(gap.stream)
            self._counts.warnings[_absence(stream)] = _absence(stream)
        self._capturing = self._room.state.capturing
        self._room.attach(self, self._session_id)
        self._start_promises()
        both = self._gaps.get(None)
        if both is not None:
            self._room.newest_gap = both.seq
        self._room.signal(
            Found(
                at_ns=self._started_ns,
                session=True,
                inhibitions=frozenset(),
                to_approve=self._room.state.to_approve,
                gap=both.cause if both is not None else None,
                unexplained=frozenset((*continuation.session.unexplained, *((both.seq,) if both else ()))),
                absent=continuation.absent,
                promised=frozenset(Stream(row[0]) for row in continuation.session.streams),
            )
        )
        absent = frozenset(self._gaps.streams)
        for stream in self._promised:
            (self.restarts.lost if stream in absent else self.restarts.back)(stream)
        self._did_not_start(unstarted)

    def _start_promises(self) -> None:
        self.is_open = True
        self._started_ns = self._tools.clock.boottime_ns()
        self._heartbeat_due_ns = self._started_ns + self._heartbeat_ns
        self._checkpoint_due_ns = self._started_ns + self._tools.config.journal.checkpoint_seconds * 10**9

    def record(self) -> None:
        """Work until somebody asks for the end or nothing can be written any more."""
        while not self._over():
            self.turn(TURN_SECONDS)

    def _over(self) -> bool:
        ordered = self._stop is not None or self._ordered_end is not None or self._leaves_open
        return ordered or self._cannot_go_on()

    def source_failed(self, fault: HardwareFault) -> None:
        """A source that could be opened did not start: the session ends with that reason."""
        self._fault = fault
        try:
            now_ns = self._tools.clock.boottime_ns()
            evidence = self._event(EventCode.SOURCE_LOST, None, (now_ns, now_ns), (0,))
            self._open_gap(None, GapCause.DEVICE_FAULT, now_ns, (evidence,), lost=0)
        except StorageFault as storage:
            self._failure = storage

    # -- the room's hands (edge.room.Hands) ---------------------------------------------------------------------------

    def begin_capture(self) -> None:
        """Start sources and WRITER again, into a new stretch."""
        self._writer_ended = None
        self._capturing = True
        self._tools.stretches.begin(self._resumption)

    def _resumption(self, unstarted: Unstarted) -> Resumption:
        """Where the session goes on; a source that did not start is absent and tried again."""
        missing = frozenset(stream for stream, _ in unstarted)
        self._did_not_start(unstarted)
        for stream in set(self._gaps.streams) - missing:
            self.restarts.tried(stream)
        frames, samples = self._counts.stated
        return Resumption(
            segments=self._counts.segments,
            frames=frames,
            samples=samples,
            last=self._counts.last,
            absent=frozenset(self._gaps.streams),
            unstarted=missing - frozenset(self._gaps.streams),
        )

    def _did_not_start(self, unstarted: Unstarted) -> None:
        """They are absent, and whatever is there goes on. Raises StorageFault.

        A gap of both is open: their own begins where it ends, with the other's first media. Where nothing started at
        all its cause is the devices' from here on.
        """
        now_ns = self._tools.clock.boottime_ns()
        for stream, fault in unstarted:
            if stream not in self._gaps:
                self._sources.unstarted[stream] = self._event(EventCode.SOURCE_LOST, stream, (now_ns, now_ns), (0,))
            self.still_absent(stream, fault.remedy_zh)
            self._room.signal(StreamLost(at_ns=now_ns, stream=stream))
            self.restarts.lost(stream)
        both = self._gaps.get(None)
        missing = self._promised <= {stream for stream, _ in unstarted}
        if missing and both is not None and both.cause is not GapCause.DEVICE_FAULT:
            self._close_gap(None, now_ns, resumed=False)
            self._open_gap(None, GapCause.DEVICE_FAULT, now_ns, tuple(self._sources.unstarted.values()), lost=0)
            self._room.nothing_started(now_ns)

    def end_capture(self, cause: EndCause, at_ns: int | None) -> None:
        """End the stretch and wait until WRITER has ended its segment; nothing captured from `at_ns` on is kept."""
        if not self._capturing:
            return
        self._capturing = False
        self._tools.stretches.end(cause, at_ns)
        self._await_writer()
        position = self._writer.position
        if position is not None:
            before = self._counts.missed_before
            self._counts.fragments_before += position.fragments_sealed
            self._counts.missed_before = (before[0] + position.missed_frames, before[1] + position.missed_samples)

    def _await_writer(self) -> None:
        """Take what WRITER says until it has ended; anything else waits its turn."""
        deadline_ns = self._tools.clock.boottime_ns() + STRETCH_END_LIMIT_NS
        while self._writer_ended is None and not self._cannot_go_on():
            message = self._tools.inbox.take(0.05)
            if isinstance(message, WriterSays):
                self._handle(message)
            elif message is not None:
                self._deferred.append(message)
            elif self._tools.clock.boottime_ns() >= deadline_ns:
                self._fault = WriterCrashed(what="a stretch of capture did not end in time")
                return

    def begin_gap(self, cause: GapCause, since_ns: int | None, evidence: tuple[int, ...]) -> int:
        """A gap of both streams, from the end of the durable media on where no moment is given."""
        since = self._end_of_media_ns(self._started_ns) if since_ns is None else since_ns
        self._open_gap(None, cause, since, evidence, lost=0, told=False)
        opened = self._gaps.get(None)
        return opened.seq if opened is not None else 0

    def end_gap(self, at_ns: int, *, resumed: bool) -> None:
        """End the gap of both streams."""
        self._close_gap(None, at_ns, resumed=resumed)

    def end_session(self, cause: EndCause) -> None:
        """Have the session end, in order, for this cause."""
        self._ordered_end = cause

    def moment(self) -> Moment:
        """How far durable media reaches now."""
        reached, position = self._reached(), self._writer.position
        sealed = None
        if position is not None and position.frames > position.first_frame:
            sealed = SealedFrame(
                segment=position.segment,
                fragment=position.fragment,
                frame_index=position.frames - 1,
                seal_hash=position.seal_hash,
            )
        return Moment(
            frame_index=reached.frames - 1 if reached.frames else None,
            sample_index=reached.samples - 1 if reached.samples else None,
            sealed=sealed,
        )

    def loudest_since(self, at_ns: int) -> int | None:
        """The loudest level that was measured since then."""
        return max((level for when_ns, level in self._counts.levels if when_ns >= at_ns), default=None)

    def leave_open(self, ordered: Rung | None) -> None:
        """End the run and leave the session open: the next run goes on with it. `ordered` is the ladder's wish."""
        self._leaves_open, self._ordered = True, ordered

    # -- the ladder's hands (edge.restarts.Hands) ---------------------------------------------------------------------

    def told(self, code: EventCode, stream: Stream | None, measured: tuple[int, ...]) -> int:
        """An event of this moment."""
        now_ns = self._tools.clock.boottime_ns()
        seq = self._event(code, stream, (now_ns, now_ns), measured)
        if code in (EventCode.RESTART_ORDERED, EventCode.REBOOT_ORDERED):
            self._order = (seq,)
        return seq

    def still_absent(self, stream: Stream, remedy_zh: str) -> None:
        """The open gap says that it is absent; the operator is told what the device said."""
        self._counts.warnings[_absence(stream)] = f"{_absence(stream)}（{remedy_zh}）"

    def report(self, stream: Stream) -> None:
        """Nothing more can be done here: a person has to look, and to report (once for each gap)."""
        gap = self._gaps.get(stream) or self._gaps.get(None)
        if gap is not None:
            self._room.open_duty(DutyCode.REPORT, gap.seq)
        self.still_absent(stream, "多次重启无效，仍会继续尝试；请检查或更换设备，并报告负责人")

    # -- what can end it ----------------------------------------------------------------------------------------------

    def _cannot_go_on(self) -> bool:
        return self._failure is not None or self._fault is not None or self._short_of_space

    def turn(self, limit_seconds: float) -> None:
        """One message if there is one, then whatever is due."""
        message = self._deferred.popleft() if self._deferred else self._tools.inbox.take(limit_seconds)
        try:
            if message is not None:
                self._handle(message)
            if self._tools.inbox.overflowed.is_set() and self._fault is None:
                self._fault = WriterCrashed(what="a message to CONTROL was lost")  # rescued like a crash: by the seals
            self._keep_promises()
        except StorageFault as fault:
            self._failure = self._failure or fault

    def end_cause(self) -> EndCause:
        """Why the session ends, for WRITER's last seal."""
        if self._failure is not None or self._short_of_space:
            return EndCause.STORAGE
        if self._fault is not None:
            return EndCause.DEVICE_FAULT
        if self._ordered_end is not None:
            return self._ordered_end
        if self._leaves_open or (self._stop is not None and self._stop.cause is StopCause.SYSTEM):
            return EndCause.SHUTDOWN
        return EndCause.STOPPED

    def close(self, limit_seconds: float) -> Ended:
        """Take what WRITER still says, then append the session's end. Sources and queue are closed already."""
        deadline_ns = self._tools.clock.boottime_ns() + int(limit_seconds * 10**9)
        while self._capturing and self._writer_ended is None and not self._crashed():
            if self._tools.clock.boottime_ns() >= deadline_ns and not self._tools.inbox.waiting:
                break
            self.turn(0.1)
        try:
            if self._capturing and self._writer_ended is None and not self._crashed():
                return self._left_open(limit_seconds)
            self._close_in_order()
        except StorageFault as fault:
            self._failure = self._failure or fault
        finally:
            self._detach()
        return self._ended()

    def _close_in_order(self) -> None:
        if self._failure is not None or self._crashed():
            self._state_unfinished()
        elif self._leaves_open:
            self._leave()
            return
        self._close_gaps()
        self._append_end(self.end_cause())

    def _leave(self) -> None:
        """The session stays open for the next run: its gap begins here, and is closed by the next media."""
        self._open_gap(None, GapCause.DEVICE_FAULT, self._end_of_media_ns(self._started_ns), self._order, lost=0)
        self._tools.journal.checkpoint(session_id=self._session_id)
        self._end_told = True

    def _detach(self) -> None:
        try:
            self._room.detach()
        except StorageFault as fault:
            self._failure = self._failure or fault

    def _left_open(self, limit_seconds: float) -> Ended:
        """WRITER waits for a disk that does not answer and may still write: only the next start can state its file."""
        now_ns = self._tools.clock.boottime_ns()
        try:
            self._event(EventCode.STORAGE_SLOW, None, (now_ns, now_ns), (int(1000 * limit_seconds),))
        except StorageFault as fault:
            self._failure = self._failure or fault
        return self._ended()

    # -- messages ---------------------------------------------------------------------------------------------------

    def _handle(self, message: Message) -> None:
        match message:
            case SegmentClosed():
                self._append(message.statement)
                self._stated(message.statement)
            case StopRequested(leaves_open=True):
                self.leave_open(None)
            case StopRequested():
                self._stop = message
            case MediaBegan():
                self._room.signal(MediaDurable(at_ns=message.boottime_ns))
            case WriterEnded() | WriterFailed() | WriterCrashed():
                self._writer_over(message)
            case StorageFaulted() | StorageSlow() | StorageSlowEnded():
                self._storage_troubled(message)
            case (
                StreamAbsent()
                | StreamPresent()
                | Missed()
                | PictureMeasure()
                | SoundMeasure()
                | Revived()
                | SourceOpened()
            ):
                self._observe(message)
            case _:
                self._tools.desk(message)

    def _writer_over(self, message: WriterEnded | WriterFailed | WriterCrashed) -> None:
        match message:
            case WriterEnded():
                self._writer_ended = message
            case WriterFailed():
                self._writer_failed(message.fault)
            case WriterCrashed():
                self._fault = message
                self._open_gap(None, GapCause.DEVICE_FAULT, self._tools.clock.boottime_ns(), (), lost=0)

    def _storage_troubled(self, trouble: StorageFaulted | StorageSlow | StorageSlowEnded) -> None:
        """The disk failed once or is slow; nothing is lost, and whoever looks after it must hear of it."""
        now_ns = self._tools.clock.boottime_ns()
        measured: tuple[int, ...]
        match trouble:
            case StorageFaulted():
                code, measured = EventCode.STORAGE_FAULT, (trouble.fault.code,)
                self._counts.warnings[code.name] = "存储写入出错一次，已换新文件续录，本场次结束后请检查或更换存储盘"
            case StorageSlow():
                code, measured = EventCode.STORAGE_SLOW, (trouble.milliseconds,)
                self._counts.warnings[code.name] = EVENTS[code].words_zh
            case StorageSlowEnded():
                code, measured = EventCode.STORAGE_SLOW_ENDED, (trouble.longest_milliseconds, trouble.writes)
                self._counts.warnings.pop(EventCode.STORAGE_SLOW.name, None)
        self._event(code, None, (now_ns, now_ns), measured)

    def _observe(self, message: Observed) -> None:
        """What was seen of the streams; none of it ends the session."""
        match message:
            case StreamAbsent():
                self._stream_absent(message)
            case StreamPresent():
                self._stream_present(message)
            case Missed():
                self._missed(message)
            case PictureMeasure():
                self._picture_measured(message)
            case SoundMeasure():
                self._sound_measured(message)
            case Revived():
                self.restarts.revived(message)
            case SourceOpened():
                self._sources.opened(message)

    def _stream_absent(self, absent: StreamAbsent) -> None:
        code = EventCode.QUEUE_OVERFLOW if absent.overflow else EventCode.SOURCE_LOST
        measured = (absent.lost, absent.hole_ns // 1_000_000) if absent.overflow else (0,)
        span_ns = (absent.since_ns, absent.since_ns)
        told = self._sources.unstarted.pop(absent.stream, None)
        evidence = [self._event(code, absent.stream, span_ns, measured) if told is None else told]
        if absent.cause is LossCause.MOVED:
            evidence.append(self._event(EventCode.SOUND_MOVED, absent.stream, span_ns, ()))
        self._open_gap(
            absent.stream,
            GapCause.DEVICE_FAULT,
            absent.since_ns,
            tuple(evidence),
            lost=absent.lost,
            told=not absent.ending,
        )
        if absent.ending:
            return
        self._room.signal(StreamLost(at_ns=absent.since_ns, stream=absent.stream))
        if not absent.overflow:
            self.restarts.lost(absent.stream)
        judge = self._picture_judge if absent.stream is Stream.PICTURE else self._sound_judge
        self._judged(judge.withdraw(absent.since_ns), absent.stream, ())

    def _stream_present(self, present: StreamPresent) -> None:
        self.restarts.back(present.stream)
        self._sources.unstarted.pop(present.stream, None)
        gap = self._gaps.get(present.stream) or self._gaps.get(None)
        absent_ms = self._gaps.length_ns(gap, present.until_ns)[0] // 1_000_000 if gap is not None else 0
        self._event(EventCode.SOURCE_BACK, present.stream, (present.until_ns, present.until_ns), (absent_ms,))
        self._close_gap(present.stream, present.until_ns, resumed=True)
        self._room.signal(StreamBack(at_ns=present.until_ns, stream=present.stream))

    def _missed(self, missed: Missed) -> None:
        code = EventCode.FRAMES_MISSED if missed.stream is Stream.PICTURE else EventCode.SAMPLES_MISSED
        span_ns = (min(missed.from_ns, missed.to_ns), missed.to_ns)
        self._event(code, missed.stream, span_ns, (missed.count, missed.after_index))

    def _writer_failed(self, fault: StorageFault) -> None:
        self._failure = fault
        if fault.full:
            self._tools.journal.use_reserve()  # the end of the session needs room too
        now_ns = self._tools.clock.boottime_ns()
        evidence = self._event(EventCode.STORAGE_FAULT, None, (now_ns, now_ns), (fault.code,))
        cause = GapCause.STORAGE_FULL if fault.full else GapCause.DEVICE_FAULT
        self._open_gap(None, cause, self._end_of_media_ns(now_ns), (evidence,), lost=0)

    def _crashed(self) -> bool:
        return isinstance(self._fault, WriterCrashed)

    def _end_of_media_ns(self, now_ns: int) -> int:
        """Until when media is durable; what WRITER held after it is gone."""
        position, all_of_it_ns = self._writer.position, self._writer.media_end_ns
        if self._writer_ended is not None and all_of_it_ns is not None:
            return all_of_it_ns
        return position.end_ns if position is not None else now_ns

    def _state_unfinished(self) -> None:
        """Give the segments WRITER could not end the statements their seals prove. Raises StorageFault."""
        with durable.reading(self._tools.spool.root):
            kids = frozenset((self._tools.journal.kid,))
            left = recovery.survey(self._tools.spool, self._session_id, kids=kids, first=self._counts.segments)
            rescued = recovery.rescue(self._tools.spool, left)
        rescued.cut(self._tools.spool)
        for statement in rescued.statements:
            self._append(statement)
            self._stated(statement)

    def _stated(self, statement: Segment) -> None:
        self._counts.segments += 1
        self._counts.stated = (sum(statement.frames), sum(statement.samples))
        self._counts.last = statement.last

    # -- picture and sound ------------------------------------------------------------------------------------------

    def _picture_measured(self, measure: PictureMeasure) -> None:
        measured = (
            measure.mean_milliluma,
            measure.spread_milliluma,
            measure.change_milliluma,
            measure.detail_milliluma,
        )
        self._judged(self._picture_judge.step(measure), Stream.PICTURE, measured)

    def _sound_measured(self, measure: SoundMeasure) -> None:
        self._counts.rms_millibel, self._counts.peak_millibel = measure.rms_millibel, measure.peak_millibel
        self._counts.levels.append((measure.boottime_ns, measure.rms_millibel))
        measured = (measure.peak_millibel, measure.rms_millibel, measure.zero_samples, measure.clipped_samples)
        self._judged(self._sound_judge.step(measure), Stream.SOUND, measured)

    def _judged(self, findings: tuple[Finding, ...], stream: Stream, measured: tuple[int, ...]) -> None:
        for finding in findings:
            began = finding.phase is Phase.BEGAN
            name = finding.condition.name
            code = EventCode[name if began else f"{name}_ENDED"]
            span_ns = (min(finding.since_boottime_ns, finding.judged_boottime_ns), finding.judged_boottime_ns)
            if finding.condition in HIDDEN.values():
                measured = tuple(value for _, value in finding.measured)  # of the zone, not of the whole picture
            self._event(code, stream, span_ns, measured if finding.measured else ())
            if began:
                self._counts.warnings[name] = EVENTS[code].words_zh
            else:
                self._counts.warnings.pop(name, None)

    # -- promises ---------------------------------------------------------------------------------------------------

    @property
    def _heartbeat_ns(self) -> int:
        return self._tools.config.journal.heartbeat_seconds * 10**9

    def _keep_promises(self) -> None:
        reading = self._tools.clock.read()
        if reading.boottime_ns >= self._heartbeat_due_ns:
            self._heartbeat_due_ns = reading.boottime_ns + self._heartbeat_ns
            self._heartbeat()
        if reading.boottime_ns >= self._checkpoint_due_ns:
            self._checkpoint_due_ns = reading.boottime_ns + self._tools.config.journal.checkpoint_seconds * 10**9
            self._tools.journal.checkpoint(session_id=self._session_id)
        self._tell_journal_troubles()
        self._tools.keep_up()
        self.restarts.turn(self._well(), held=not self._capturing or self._over())
        self._tools.show(self._status(reading.boottime_ns))

    def _tell_journal_troubles(self) -> None:
        """What the journal bore by itself: an entry that went to the next file, a memory or a slot not written."""
        journal = self._tools.journal
        fault, journal.rewritten = journal.rewritten, None
        if fault is None and not self._counts.tolerance_told and journal.tolerated is not None:
            fault, self._counts.tolerance_told = journal.tolerated, True
        if fault is not None:
            self._storage_troubled(StorageFaulted(fault=fault))

    def _reached(self) -> Reached:
        """How far the session's durable media reaches, over all its stretches."""
        position = self._writer.position
        missed, fragments = self._counts.missed_before, self._counts.fragments_before
        if position is None or not self._capturing:
            frames, samples = self._counts.stated
            return Reached(frames=frames, samples=samples, missed=missed, fragments=fragments)
        return Reached(
            frames=position.frames,
            samples=position.samples,
            missed=(missed[0] + position.missed_frames, missed[1] + position.missed_samples),
            fragments=fragments + position.fragments_sealed,
        )

    def _heartbeat(self) -> None:
        position, reached = self._writer.position, self._reached()
        free_bytes, parts_per_billion = self._free_bytes(), self._writer.sound_parts_per_billion()
        level = None
        if self._counts.rms_millibel is not None and self._counts.peak_millibel is not None:
            level = (self._counts.peak_millibel, self._counts.rms_millibel)
        beat = Heartbeat(
            position=(position.segment, position.fragment, position.r) if position is not None else None,
            frames=reached.frames,
            samples=reached.samples,
            missed=reached.missed,
            queue_ms=self._tools.stretches.newest.packets.deepest_ns_since_read() // 1_000_000,
            seal_delay_ms=self._writer.delay_peak_ms(),
            free_bytes=free_bytes,
            parts_per_billion=parts_per_billion,
            level_millibel=level,
        )
        self._append(beat)
        self._watch_sound_clock(parts_per_billion)
        self._watch_space(free_bytes)

    def _watch_sound_clock(self, parts_per_billion: int | None) -> None:
        """Told once in a session; no sample is added or left out for it."""
        code = EventCode.SOUND_CLOCK_OFF
        if parts_per_billion is None or abs(parts_per_billion) < SOUND_CLOCK_BOUND_PPB:
            return
        if code.name in self._counts.warnings:
            return
        self.told(code, Stream.SOUND, (parts_per_billion,))
        self._counts.warnings[code.name] = EVENTS[code].words_zh

    def _free_bytes(self) -> int:
        """Free space; where the disk does not say, what it said last: a write will tell whether it is gone."""
        try:
            self._counts.free_bytes = self._tools.spool.free_bytes()
        except StorageFault as fault:
            if not self._counts.space_unknown:
                self._counts.space_unknown = True
                self._storage_troubled(StorageFaulted(fault=fault))
        return self._counts.free_bytes

    def _watch_space(self, free_bytes: int) -> None:
        """Each level is told once on the way down; at the floor the session ends while there is room for its end."""
        match self._space.after(free_bytes):
            case SpaceWarning() as warning:
                self.told(EventCode.STORAGE_WARNING, None, (warning.level_minutes, warning.minutes_left))
                self._counts.warnings[EventCode.STORAGE_WARNING.name] = warning.words_zh
            case SpaceEased():
                self._counts.warnings.pop(EventCode.STORAGE_WARNING.name, None)
            case SpaceFloor() as floor:
                evidence = self.told(EventCode.STORAGE_LOW, None, (floor.free_bytes, floor.minutes_left))
                now_ns = self._tools.clock.boottime_ns()
                self._open_gap(None, GapCause.STORAGE_FULL, now_ns, (evidence,), lost=0)
                self._short_of_space = True
            case None:
                pass

    def _status(self, now_ns: int) -> Status:
        position, reached = self._writer.position, self._reached()
        free_bytes = self._free_bytes()
        return Status(
            elapsed_ns=now_ns - self._started_ns,
            segments_closed=self._counts.segments,
            fragments_sealed=reached.fragments,
            frames=reached.frames,
            samples=reached.samples,
            frames_lost=reached.missed[0],
            samples_lost=reached.missed[1],
            rms_millibel=self._counts.rms_millibel,
            seal_delay_ms=position.seal_delay_ms if position is not None else 0,
            free_hours=free_bytes / max(1, self._tools.config.media_bytes_per_second()) / 3600,
            live=self._live(),
            mode=self._room.state.mode.name.lower(),
            warnings_zh=(*self._counts.warnings.values(), *self._room.warnings.values()),
        )

    @property
    def durable_fragments(self) -> int:
        """How many fragments of this session became durable: what the guard's lamp believes."""
        return self._reached().fragments

    @property
    def queue_ms(self) -> int:
        """How much media waits for the disk now."""
        return self._tools.stretches.newest.packets.depth_ns() // 1_000_000

    @property
    def disk_is_slow(self) -> bool:
        """Whether writes have become slow, and are not quick again."""
        return EventCode.STORAGE_SLOW.name in self._counts.warnings

    @property
    def conditions(self) -> Mapping[Stream, frozenset[Condition]]:
        """What is wrong with a stream that does arrive, as judged now."""
        return {Stream.PICTURE: self._picture_judge.standing(), Stream.SOUND: self._sound_judge.standing()}

    @property
    def wants_attention(self) -> bool:
        """Whether somebody should look, although it is recorded."""
        return bool(self._counts.warnings)

    @property
    def young(self) -> bool:
        """In its first seconds, when nothing can be on the disk yet."""
        return self._tools.clock.boottime_ns() - self._started_ns < YOUNG_NS

    @property
    def _promised(self) -> frozenset[Stream]:
        """The streams that this session is to have."""
        config = self._tools.config
        both = ((Stream.PICTURE, config.camera.enabled), (Stream.SOUND, config.microphone.enabled))
        return frozenset(stream for stream, enabled in both if enabled)

    def _well(self) -> frozenset[Stream]:
        """Those that record now."""
        if not self._capturing or None in self._gaps:
            return frozenset()
        return self._promised - frozenset(self._gaps.streams)

    def _live(self) -> bool:
        """Whether anything of the room is being recorded."""
        return bool(self._well())

    # -- entries ----------------------------------------------------------------------------------------------------

    def _append(self, body: EntryBody) -> int:
        return self._tools.journal.append(body, session_id=self._session_id).seq

    def _event(
        self, code: EventCode, stream: Stream | None, span_ns: tuple[int, int], measured: tuple[int, ...]
    ) -> int:
        return self._append(
            Event(
                code=code,
                severity=EVENTS[code].severity,
                stream=stream,
                span_ns=span_ns,
                measured=measured,
                refers_to=None,
                records=(),
            )
        )

    def _open_gap(
        self,
        stream: Stream | None,
        cause: GapCause,
        since_ns: int,
        evidence: tuple[int, ...],
        *,
        lost: int,
        told: bool = True,
    ) -> None:
        seq = self._gaps.open(stream, cause, since_ns, evidence, lost=lost)
        if seq is None:
            return  # it is absent already, and since earlier
        self._counts.warnings[_absence(stream)] = f"{_absence(stream)}（{cause.words_zh}）"
        if told:
            self._room.gap_opened(seq)

    def _close_gap(self, stream: Stream | None, until_ns: int, *, resumed: bool) -> None:
        self._gaps.close(stream, until_ns, resumed=resumed)
        if stream not in self._gaps:
            self._counts.warnings.pop(_absence(stream), None)

    def _close_gaps(self) -> None:
        """A session ends with its gaps closed; for one that never resumed a person owes a report and a statement."""
        for gap in self._gaps.close_all():
            self._room.open_duty(DutyCode.REPORT, gap.seq)
            self._room.open_duty(DutyCode.WRITTEN_STATEMENT, gap.seq)

    def _append_end(self, cause: EndCause) -> None:
        if self._tools.journal.reserve_used:
            now_ns = self._tools.clock.boottime_ns()
            reserve_bytes = self._tools.config.spool.journal_reserve_bytes
            self._event(EventCode.JOURNAL_RESERVE_USED, None, (now_ns, now_ns), (reserve_bytes,))
        frames, samples = self._counts.stated
        self._append(
            SessionEnd(
                cause=cause,
                segments=self._counts.segments,
                frames=frames,
                samples=samples,
                gaps=self._gaps.count,
                records=(),
            )
        )
        self._tools.journal.checkpoint(session_id=None)
        self._end_told = True

    def _ended(self) -> Ended:
        cause = self.end_cause()
        clean = cause in (EndCause.STOPPED, EndCause.SHUTDOWN) and self._writer_ended is not None
        words = _failure_words(self._failure, self._short_of_space, self._writer_ended is None, told=self._end_told)
        if self._fault is not None and self._failure is None:
            words = _fault_words(self._fault)
        return Ended(
            session_id=self._session_id,
            cause=cause,
            clean=clean,
            words_zh=words[0],
            words_en=words[1],
            gaps=self._gaps.count,
            told=self._end_told,
            ordered=self._ordered,
        )


def _fault_words(fault: HardwareFault | WriterCrashed) -> tuple[str, str]:
    if isinstance(fault, HardwareFault):
        return (
            f"{fault.device} 没有启动（{fault.what}），场次已中止并记下原因；{fault.remedy_zh}",
            f"{fault.device} did not start ({fault.what}); the session ended with that reason; {fault.remedy_en}",
        )
    return (
        f"写入程序出错（{fault.what}），场次已中止并记下原因；已落盘的内容不受影响，请重新开始并报告此错误",
        f"the writer failed ({fault.what}); the session ended with that reason; start again and report this mistake",
    )


def _failure_words(
    failure: StorageFault | None, short_of_space: bool, writer_stuck: bool, *, told: bool
) -> tuple[str, str]:
    """What the operator reads; `told` is whether the journal could be given the reason."""
    if failure is None and not short_of_space:
        return _stuck_words() if writer_stuck else ("", "")
    what_zh = "并记下原因" if told else "，日志也无法写入，原因将由下次启动补记"
    what_en = (
        "the session ended with that reason"
        if told
        else "the journal could not be written either; the next start says so"
    )
    if failure is None or failure.full:
        return (
            f"存储空间不足，场次已中止{what_zh}；请先把已入库的录像归档，再开始新的场次",
            f"storage is full; {what_en}; offload recordings before the next session",
        )
    if failure.read_only:
        return (
            f"存储盘已变为只读（{failure}），场次已中止{what_zh}；请重启设备，用 fsck 检查存储盘，必要时更换",
            f"the disk has become read-only ({failure}); {what_en}; reboot, run fsck on it, replace it if need be",
        )
    return (
        f"存储写入失败（{failure}），场次已中止{what_zh}；请更换存储盘后重新开始",
        f"writing failed ({failure}); {what_en}; replace the disk and start again",
    )


def _stuck_words() -> tuple[str, str]:
    return (
        "存储盘没有响应，写入未在限时内结束；已落盘的内容不受影响，由下次启动核实并补记；请检查或更换存储盘",
        "the disk does not answer, so writing did not end in time; what is on disk is unaffected and the next start "
        "states it; examine or replace the disk",
    )


def _absence(stream: Stream | None) -> str:
    """What a clerk is told while a gap is open."""
    match stream:
        case Stream.PICTURE:
            return "没有画面"
        case Stream.SOUND:
            return "没有声音"
        case None:
            return "录制中止"
