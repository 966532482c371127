"""The recorder as a service: idle, one session after another, and a way out that leaves no session ended by a process.

Runs on CONTROL; owns the SCRUB thread, which reads only while no session is open. A session is begun by a person and
ended by a person; a stop of the service, a restart that the ladder orders, or power that goes leaves it open, with a
gap, and the next run goes on with it. Between sessions the lamp, the control socket and the interlock are served all
the same, and a session that waits for its devices is tried again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.app import EXIT_STORAGE, Running, Start, conduct_session
from edge.durable import StorageFault
from edge.feeding import Feeding
from edge.ladder import EXIT_REBOOT, EXIT_RESTART, Rung
from edge.messages import StopRequested
from edge.opening import Onlooker, open_device
from edge.recorder import Ended
from edge.refusals import EXIT_CLEAN, Refused
from edge.requests import Answer
from edge.scrub import Leave, Pace, ScrubRunner, in_session
from edge.session.signals import StartAsked
from edge.session.state import Inhibition, Mode
from edge.watchdog import Duty
from liuhen.kinds import Heartbeat, Stop
from liuhen.registry import EndCause, EventCode, StopCause

IDLE_TURN_SECONDS = 0.2
FIRST_RETRY_NS = 10**9
LONGEST_RETRY_NS = 30 * 10**9
LONGEST_DAY_RETRY_NS = 1800 * 10**9
"""Of an always-on room's day that cannot begin: each refusal is an entry and opens the duty to report."""
SCRUB_END_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Retry:
    """When a session that waits for its devices is tried again."""

    due_ns: int = 0
    wait_ns: int = FIRST_RETRY_NS

    def after_failure(self, now_ns: int, longest_ns: int) -> _Retry:
        return _Retry(due_ns=now_ns + self.wait_ns, wait_ns=min(2 * self.wait_ns, longest_ns))


def serve(start: Start) -> int:
    """Serve until the stop event is set or nothing can be written any more; returns the exit code. Raises Refused."""
    start = replace(start, watch_disks=True)
    onlooker = Onlooker(entry=start.watcher.entry, say=start.watcher.said)
    with open_device(start.config, onlooker, start.open_token) as opening:
        resumed = opening.may_stay_open(start.hardware.clock)
        opening.require_confirmation(resumed=resumed, confirmed=start.emergency)
        running = Running(start, opening)
        try:
            return Station(running).run()
        finally:
            running.close()


class Station:
    """See the module."""

    def __init__(self, running: Running) -> None:
        """Nothing is written before `run`."""
        self._running = running
        self._start = running.start
        self._clock = running.start.hardware.clock
        self._retry = _Retry()
        self._code: int | None = None
        self._heartbeat_ns = 0
        self._scrub_leave = Leave.NONE
        """How what is stored may be read again; CONTROL sets it whole, SCRUB reads it."""
        spool = running.opening.spool
        self._scrub = ScrubRunner(
            spool,
            pace=Pace(bytes_per_second=running.start.config.spool.scrub_bytes_per_second),
            leave=lambda: self._scrub_leave,
            post=running.inbox.post,
            now_ms=lambda: self._clock.read().utc_ms,
            other=running.opening.other_root,
        )
        supervisor = running.start.surroundings.supervisor
        self._feeding = Feeding(supervisor or _NOBODY, running.start.config.watchdog, self._clock)

    def run(self) -> int:
        """The service's life."""
        running, supervisor = self._running, self._start.surroundings.supervisor
        running.feed = self.feed
        running.hear_the_guard()
        running.begun(resume=running.opening.may_stay_open(self._clock))
        if supervisor is not None:
            supervisor.ready("待机 ready")
        self._scrub.start()
        try:
            code = self._live()
        finally:
            self._scrub.stop(SCRUB_END_SECONDS)
        if supervisor is not None:
            supervisor.stopping()
        return code

    def _live(self) -> int:
        while self._code is None:
            try:
                self._turn()
            except StorageFault as fault:
                self._start.watcher.said(
                    f"日志无法写入（{fault}）；请检查或更换存储盘，程序将重新启动",
                    f"the journal cannot be written ({fault}); examine or replace the disk; the program starts again",
                )
                self._code = EXIT_STORAGE
        return self._code

    def _turn(self) -> None:
        if self._start.stop.is_set():
            self._end(EXIT_CLEAN, self._start.stop_cause)
        elif self._running.room.start_wanted or self._resume_due():
            self._scrub_leave = Leave.NONE
            self._session()
        else:
            self._begin_the_day()
            self._note_whether_idle()
            self._idle()

    def _begin_the_day(self) -> None:
        """An always-on room is recorded without anybody's asking; what was refused is tried again, less and less often.

        Raises StorageFault.
        """
        room = self._running.room
        open_session = self._running.log.state.session is not None
        wanted = self._running.desk.visits.due and not open_session and room.state.mode is Mode.READY
        if wanted and self._clock.boottime_ns() >= self._retry.due_ns:
            room.signal(StartAsked(at_ns=room.now_ns))

    def _resume_due(self) -> bool:
        """An open session goes on as soon as its devices are there; under the interlock they have no power."""
        waits = self._running.log.state.session is not None
        tripped = Inhibition.INTERLOCK in self._running.room.state.inhibitions
        return waits and not tripped and self._clock.boottime_ns() >= self._retry.due_ns

    def _note_whether_idle(self) -> None:
        """A session that waits for its devices is open: it may go on at any moment."""
        self._scrub_leave = Leave.FULL if self._running.log.state.session is None else Leave.NONE

    def _idle(self) -> None:
        message = self._running.inbox.take(IDLE_TURN_SECONDS)
        if message is not None and not isinstance(message, StopRequested):
            self._running.deal_with(message)
        self._running.turn()
        self._beat()
        self.feed(0)

    def _beat(self) -> None:
        """A session that waits is still alive: its promised heartbeats say so."""
        session, now_ns = self._running.log.state.session, self._clock.boottime_ns()
        if session is None or now_ns < self._heartbeat_ns:
            return
        self._heartbeat_ns = now_ns + self._start.config.journal.heartbeat_seconds * 10**9
        beat = Heartbeat(
            position=None,
            frames=session.frames,
            samples=session.samples,
            missed=(0, 0),
            queue_ms=0,
            seal_delay_ms=0,
            free_bytes=self._running.opening.spool.free_bytes(),
            parts_per_billion=None,
            level_millibel=None,
        )
        self._running.log.append(beat, session_id=session.id)

    # -- sessions -----------------------------------------------------------------------------------------------------

    def _session(self) -> None:
        running = self._running
        try:
            ended = conduct_session(running)
        except Refused as refused:
            waits = self._running.log.state.session is not None
            longest_ns = LONGEST_RETRY_NS if waits else LONGEST_DAY_RETRY_NS
            self._retry = self._retry.after_failure(self._clock.boottime_ns(), longest_ns)
            words_zh, words_en = f"{refused.what}；{refused.remedy_zh}", f"{refused.what}; {refused.remedy_en}"
            self._start.watcher.said(words_zh, words_en)
            running.desk.requests.started(Answer(ok=False, words_zh=words_zh, words_en=words_en))
            return
        self._retry = _Retry()
        self._after(ended)

    def _after(self, ended: Ended) -> None:
        """What follows from the session's end for the service."""
        if ended.words_zh:
            self._start.watcher.said(ended.words_zh, ended.words_en)
        rung = ended.ordered
        if rung in (Rung.RESTART_PROCESS, Rung.REBOOT):
            self._end(EXIT_RESTART if rung is Rung.RESTART_PROCESS else EXIT_REBOOT, StopCause.FAULT)
        elif self._start.stop.is_set():
            self._end(EXIT_CLEAN, self._start.stop_cause)
        elif not ended.told or ended.cause is EndCause.STORAGE:
            self._code = EXIT_STORAGE if not ended.told else None

    def _end(self, code: int, cause: StopCause) -> None:
        """End the run in order; a session that is open stays open."""
        log = self._running.log
        session = log.state.session
        log.checkpoint(session_id=session.id if session is not None else None)
        log.append(Stop(cause=cause), session_id=None)
        self._code = code

    def _beside_session(self) -> None:
        """A room that always records is never idle: what it has closed is read beside it, gently."""
        running = self._running
        recorder, session = running.recorder, running.log.state.session
        if recorder is None or session is None:
            return
        began_ns, began_boot = session.began[1], session.began[2]
        here = began_boot == self._clock.boot_id
        open_ns = (
            self._clock.boottime_ns() - began_ns if here else (self._clock.read().utc_ms - session.began[0]) * 10**6
        )
        self._scrub_leave = in_session(open_ns=open_ns, queue_ms=recorder.queue_ms, disk_slow=recorder.disk_is_slow)

    # -- the supervisor -----------------------------------------------------------------------------------------------

    def feed(self, fragments: int) -> None:
        """Tell the supervisor of durable progress, and only of that; a turn that stood still is an event.

        Raises StorageFault.
        """
        state = self._running.room.state
        self._beside_session()
        duty = Duty.NOTHING
        if self._running.log.state.session is not None:
            duty = Duty.MEDIA if state.capturing and not (state.promised <= state.absent) else Duty.JOURNAL
        stood_still_ms = self._feeding.turn(duty, fragments=fragments, entries=self._running.log.state.next_seq)
        if stood_still_ms is not None:
            self._running.room.event(EventCode.PROCESS_WEDGED, (stood_still_ms,))


class _Nobody:
    """No supervisor: how long a turn took is told all the same (implements `edge.watchdog.Supervisor`)."""

    def ready(self, status: str) -> None:
        """Nobody hears."""

    def alive(self) -> None:
        """Nobody hears."""

    def status(self, status: str) -> None:
        """Nobody hears."""

    def stopping(self) -> None:
        """Nobody hears."""


_NOBODY = _Nobody()
