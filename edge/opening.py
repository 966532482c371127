"""Opening a spool for a run: the lock, the key, the journal's end, and whatever an unclean end left behind.

Runs on CONTROL. `open_device` only reads; nothing is written before `Opening.begin`, whose first entry says what was
found. Between the two the sources may already fill the queue. Refusals carry their texts and exit code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edge import (
    destruction,
    durable,
    journal,
    journal_slots,
    mirror_opening,
    narrowing,
    read_back,
    reclaiming,
    recovery,
)
from edge.config import Config
from edge.custody import Custody, Held, LogFacts, LogKeys, OpenToken, hold, no_token, open_custody, require_confirmation
from edge.durable import StorageFault
from edge.head_memory import DamagedMemory, ForgottenHead, HeadMemory, OtherDisk, Remembered, remembered_disk
from edge.journal import Beliefs, Journal, JournalError, Outside
from edge.journal_state import JournalState, OpenSession, StreamRow
from edge.mirror import Pair
from edge.ports import Clock
from edge.read_back import Missing
from edge.recovery import Continuation, Setback
from edge.refusals import Refused, SpoolError
from edge.slices import cut_last, is_cut
from edge.spool import OneDisk, Spool, open_spool
from edge.versions import recorder_software
from liuhen import cose
from liuhen.keys import UnusableKey
from liuhen.kinds import Enrolment, Event, Head, Run, Stop
from liuhen.registry import EVENTS, EventCode, RunCause, StopCause

EXIT_HARDWARE = 3
EXIT_STORAGE = 4
EXIT_KEY = 5
EXIT_BUSY = 6

NS_PER_HOUR = 3_600 * 10**9
RECENT_JOURNAL_FILES = 2

Say = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Onlooker:
    """Who is told: of each durable entry (seq, hash), and the operator in one line."""

    entry: Callable[[int, bytes], None]
    say: Say


@dataclass(slots=True, kw_only=True)
class OpenLog:
    """A run whose first entries are durable. `state` is the journal's before this run."""

    spool: Spool
    signer: cose.Signer
    endorsements: tuple[bytes, ...]
    journal: Journal
    run: int
    state: JournalState
    custody: Custody
    continuation: Continuation | None = None
    """What a resumed session goes on from; None where none was open, or it was closed."""


class Opening:
    """A locked spool, its key and what is known of its journal; see the module."""

    def __init__(self, *, config: Config, spool: Spool, held: Held, onlooker: Onlooker) -> None:
        """Read the journal's end and the files without a statement. Raises Refused."""
        identity = spool.identity
        self.config = config
        self.spool = spool
        self._memory = HeadMemory(config.key.file, log_id=identity.log_id, spool_id=identity.spool_id)
        self._memory_damaged = False
        self._onlooker = onlooker
        remembered = self._recall()
        self._pair = spool.disk if isinstance(spool.disk, Pair) else None
        if self._pair is not None:
            mirror_opening.choose_leader(self._pair, lambda root: self._standing(root, held, remembered))
        self._remembered_run = remembered.run if remembered is not None else 0
        self._found = self._find(held, remembered)
        self.custody = self._open_custody(held)
        self._left = recovery.survey_open_session(spool, self._found.state)
        named = (*self._left.heads, *self._slot_heads(), *((remembered.head,) if remembered is not None else ()))
        self._setback = recovery.weigh(self._found, named)
        self._missing = self._read_back()
        self._log: Journal | None = None

    @property
    def state(self) -> JournalState:
        """The journal's state before this run."""
        return self._setback.state

    @property
    def signer(self) -> cose.Signer:
        """The key of this run."""
        return self.custody.signer

    @property
    def endorsements(self) -> tuple[bytes, ...]:
        """The endorsements that fit it."""
        return self.custody.endorsements

    @property
    def claimed(self) -> tuple[bytes, ...]:
        """Every endorsement that speaks of this log: those configured and those the log itself carries."""
        return (*self.endorsements, *self.state.endorsements)

    @property
    def missing(self) -> Missing:
        """What the disk had confirmed and does not hold; told by the entries that begin the run."""
        return self._missing

    def lesser_free_bytes(self) -> int | None:
        """Free space of the other of two disks; None without one. Never waits."""
        return self._pair.lesser_free_bytes() if self._pair is not None else None

    def other_root(self) -> Path | None:
        """Where the other of two disks holds the same; None without one, or while it is behind."""
        return self._pair.other_root if self._pair is not None else None

    def require_confirmation(self, *, resumed: bool, confirmed: bool) -> None:
        """A new session under an emergency key needs a person's word. Raises Refused."""
        try:
            require_confirmation(self.custody, resumed=resumed, confirmed=confirmed)
        except UnusableKey as error:
            raise key_refusal(error.what, error.remedy_zh, error.remedy_en) from error

    def may_stay_open(self, clock: Clock) -> bool:
        """Whether the session left open may go on in a later run, though this one cannot record."""
        session = self.state.session
        return session is not None and self.may_resume(session.streams, clock)

    def may_resume(self, streams: tuple[StreamRow, ...], clock: Clock) -> bool:
        """Whether the session left open goes on with these streams."""
        limit_ns = self.config.session.resume_hours * NS_PER_HOUR
        if self._left.foreign or limit_ns == 0:
            return False
        return recovery.may_resume(self._setback, streams, clock, limit_ns)

    @property
    def run(self) -> int:
        """The number of this run."""
        state = self._setback.state
        if state.head is None or not state.begun:
            return max(1, state.run)
        return max(state.run, self._remembered_run) + 1

    def log(self, clock: Clock) -> Journal:
        """The journal of this run, one object however often it is asked for; nothing is written yet."""
        if self._log is None:
            self._found.state = self._setback.state
            self._log = Journal(
                spool=self.spool,
                found=self._found,
                run=self.run,
                signer=self.signer,
                outside=Outside(
                    file_limit_bytes=self.config.spool.journal_file_bytes,
                    read_clock=lambda: journal.clock_row(clock),
                    on_durable=self._onlooker.entry,
                    remember=self._memory.remember,
                ),
            )
        return self._log

    def begin(self, clock: Clock, *, resume: bool) -> OpenLog:
        """Append the entries that begin a run, recovery first. Raises StorageFault."""
        log, setback, change = self.log(clock), self._setback, self.custody.change
        self._align()
        if setback.rotten:
            log.begin_next_file()
        recovery.set_torn_journal_aside(self.spool, setback.torn)
        if setback.state.head is None:
            enrolment = Enrolment(
                public_key=self.signer.public_key,
                endorsements=self.endorsements,
                spool_id=self.spool.identity.spool_id,
            )
            log.append(enrolment, session_id=None)
        if change is not None:
            self.custody.prepare()
            log.append(change.entry(setback.state.head), session_id=None)
        self.custody.settle()
        evidence, rescued = None, recovery.Rescued()
        if not setback.orderly and setback.state.head is not None:
            with durable.reading(self.spool.root):
                rescued = recovery.rescue(self.spool, self._left)
            evidence = recovery.announce(log, setback, rescued, clock)
            rescued.cut(self.spool)
        log.append(
            Run(cause=self._run_cause(), software=recorder_software(), config_hash=self.config.digest), session_id=None
        )
        for event in self._events_of_the_start(clock):
            log.append(event, session_id=None)
        opened = OpenLog(
            spool=self.spool,
            signer=self.signer,
            endorsements=self.endorsements,
            journal=log,
            run=self.run,
            state=setback.state,
            custody=self.custody,
        )
        self._tell(setback)
        self._settle_disks(log, clock)
        if setback.state.session is not None:
            unfinished = recovery.Unfinished(state=setback.state, rescued=rescued, evidence=evidence)
            if resume:
                opened.continuation = recovery.go_on(unfinished, log, clock)
            else:
                recovery.close_open_session(unfinished, log, clock)
        return opened

    def _events_of_the_start(self, clock: Clock) -> Iterator[Event]:
        if self._memory_damaged:
            yield event_of_now(EventCode.HEAD_MEMORY_LOST, clock)
        yield from read_back.events_of(self._missing, clock.boottime_ns())

    def _close_to_others(self, log: Journal, clock: Clock) -> None:
        """What an earlier version left open to everybody: told first, then closed, on each disk by its own thread."""
        disk = self.spool.disk
        here = narrowing.open_to_others(disk.root)
        there = disk.elsewhere(narrowing.open_to_others) or []
        if not here and not there:
            return
        event = event_of_now(EventCode.SPOOL_OPEN_TO_OTHERS, clock)
        log.append(replace(event, measured=(len(here) + len(there),)), session_id=None)
        left = narrowing.close_to_others(here)
        left += disk.elsewhere(lambda _root: narrowing.close_to_others(there)) or 0
        if left:
            self._onlooker.say(
                f"存储目录中有 {left} 项对其他用户开放，且无法收紧权限；请以 root 检查其属主",
                f"{left} files or folders of the spool are open to other users and cannot be closed; "
                "have root look at who owns them",
            )

    def _settle_disks(self, log: Journal, clock: Clock) -> None:
        """What is to go is gone from both disks before they are compared."""
        self._close_to_others(log, clock)
        self._finish_destructions()
        if self._pair is not None:
            self._pair.upkeep.start()

    def _finish_destructions(self) -> None:
        """What a power cut interrupted of a destruction or a reclaim; one that cannot go on hinders no recording."""
        try:
            if destruction.finish_destructions(self.spool).incomplete:
                self._onlooker.say(
                    "有一项销毁尚未完成：日志有缺失，可能漏看保全，相关文件未删除；"
                    "日志修复后请执行 `liuhen destroy --finish`",
                    "a destruction is unfinished: entries are missing, one might have been a hold, and its files are "
                    "still here; when the journal is whole again run `liuhen destroy --finish`",
                )
        except (JournalError, StorageFault) as error:
            self._onlooker.say(
                f"有一项销毁尚未完成，暂时无法核实或执行（{error}）；请稍后执行 `liuhen destroy --finish`",
                f"a destruction is unfinished and cannot be checked or carried out now ({error}); "
                "run `liuhen destroy --finish` later",
            )
        try:
            if reclaiming.finish_reclaims(self.spool).incomplete:
                self._onlooker.say(
                    "有一项空间清理尚未完成：日志有缺失，可能漏看保全，相关文件仍占空间；"
                    "日志修复后请执行 `liuhen spool reclaim`",
                    "a reclaim of space is unfinished: entries are missing, one might have been a hold, and its files "
                    "still take space; when the journal is whole again run `liuhen spool reclaim`",
                )
        except (JournalError, StorageFault) as error:
            self._onlooker.say(
                f"有一项空间清理尚未完成（{error}）；录制照常，下次启动时继续",
                f"a reclaim of space is unfinished ({error}); recording goes on, the next start finishes it",
            )

    def _tell(self, setback: Setback) -> None:
        for words_zh, words_en in self.custody.notes:
            self._onlooker.say(words_zh, words_en)
        if self._memory_damaged:
            self._onlooker.say(
                "密钥目录中的日志末条记忆已损坏，已另存并记入日志，录制照常；请勿删除任何文件，并联系维护人员检查",
                "the memory of the newest entry beside the key is damaged; it is kept aside, as the journal says; "
                "recording goes on; delete nothing and have the key's folder examined",
            )
        if setback.lost and setback.readable is None:
            self._onlooker.say(
                "存储盘上的日志全部缺失，已如实记入日志，录制照常，但本日志中的内容从此无人背书；请勿删除任何文件，"
                "尽快联系维护人员更换存储盘并启用新的日志",
                "nothing of the journal is left on the disk; this is now in the journal and recording goes on, but "
                "nobody vouches for anything in this log any more; delete nothing, have a new disk and log begun soon",
            )
        elif setback.lost or setback.rotten or setback.skipped:
            self._onlooker.say(
                "存储盘上的日志有缺失或损坏，已如实记入日志，录制照常；请勿删除任何文件，并联系维护人员检查存储盘",
                "entries of the journal are missing or damaged; this is now in the journal and recording goes on; "
                "delete nothing and have the disk examined",
            )
        elif not setback.orderly and setback.state.head is not None:
            self._onlooker.say(
                "上次录制没有正常结束；已核实并封存留下的内容，中止原因待说明",
                "the last recording did not end in order; what it left was checked and sealed, the cause is open",
            )

    def _run_cause(self) -> RunCause:
        setback = self._setback
        if setback.state.head is None or not setback.state.begun:
            return RunCause.FIRST
        return RunCause.AFTER_CLEAN_STOP if setback.state.in_order else RunCause.AFTER_UNCLEAN_END

    # -- reading ------------------------------------------------------------------------------------------------------

    def _recall(self) -> Remembered | None:
        try:
            return self._memory.recall()
        except OtherDisk as error:
            raise Refused(
                f"这不是本设备上次使用的存储盘 / this is not the disk used last: {error}",
                remedy_zh="已拒绝使用，盘上内容未作任何改动；请换回原来的盘，确需换新盘请联系维护人员",
                remedy_en="refused and left untouched; put the original disk back, or call maintenance for a new one",
                exit_code=EXIT_STORAGE,
            ) from error
        except DamagedMemory:
            # Whoever can damage it can remove it, so a refusal would shut out nobody but the hearing that waits.
            self._memory_damaged = True
            self._keep_damaged_memory()
            return None
        except ForgottenHead as error:
            raise key_refusal(
                str(error),
                "密钥目录与存储盘不匹配，请勿删除任何文件，联系维护人员",
                "the key's folder does not fit this disk; delete nothing and call maintenance",
            ) from error

    def _keep_damaged_memory(self) -> None:
        try:
            self._memory.set_aside()
        except StorageFault as fault:
            raise key_refusal(
                str(fault),
                "密钥目录无法读写，请检查其权限和空间",
                "the key's folder cannot be read or written; check its rights and space",
            ) from fault

    def _standing(self, root: Path, held: Held, remembered: Remembered | None) -> mirror_opening.Standing:
        """How far the evidence on one of two disks reaches; on that disk's thread. Raises JournalError."""
        alone = Spool(self.spool.identity, OneDisk(root, -1))
        found = journal.find(root, self._beliefs(held, remembered))
        left = recovery.survey_open_session(alone, found.state)
        return found.state.next_seq, sum(len(file.fragments) for file in left.files)

    def _align(self) -> None:
        """Two disks that were in step but for the last write are made equal before anything is written.

        A disk that goes on alone takes a new number first. Raises StorageFault.
        """
        if self._pair is None:
            return
        if self._pair.in_step_before:
            self._pair.upkeep.align(self._recent())
        if not self._pair.whole.is_set():
            self._pair.take_new_number()

    def _recent(self) -> tuple[str, ...]:
        """What the last write may have been to, on either disk: the journal's end, and segments not yet stated."""
        session = self.state.session
        names: set[str] = set()
        for side in self._pair.sides if self._pair is not None else ():
            try:
                names.update(side.call(partial(_recent_files, side.root, session), mirror_opening.OPEN_SECONDS))
            except StorageFault:
                continue  # it is lost with the first write
        return tuple(sorted(names))

    def _beliefs(self, held: Held, remembered: Remembered | None) -> Beliefs:
        identity, public = self.spool.identity, held.keys()
        blank = JournalState(
            log_id=identity.log_id, spool_id=identity.spool_id, public_key=b"".join(public.own[:1]), in_order=False
        )
        return Beliefs(
            blank=blank,
            held=frozenset(key for key in (*public.own, public.file, public.next, public.emergency) if key is not None),
            remembered_seq=remembered.head[0] if remembered is not None else -1,
            remembered_hash=remembered.head[1] if remembered is not None else b"",
        )

    def _find(self, held: Held, remembered: Remembered | None) -> journal.Found:
        try:
            found = journal.find(self.spool.root, self._beliefs(held, remembered))
            # With the memory the log goes on behind the hole; without it nobody knows which numbers were used.
            lost = remembered is None and next(self.spool.segment_files(), None) is not None
            if found.state.head is None and lost:
                raise JournalError(
                    f"{self.spool.journal_directory} 有录像而没有本日志的条目 / "
                    "has no entry of this log, but there are recordings"
                )
        except JournalError as error:
            raise _journal_refusal(str(error)) from error
        return found

    def _open_custody(self, held: Held) -> Custody:
        state = self._found.state
        log_keys = LogKeys(
            in_force=state.public_key if state.head is not None else b"",
            lost=state.lost_key,
            emergency=state.emergency,
            retired=state.retired,
        )
        facts = LogFacts(log_id=self.spool.identity.log_id, keys=log_keys, endorsements=state.endorsements)
        try:
            return open_custody(self.config.key, held, facts)
        except UnusableKey as error:
            raise key_refusal(error.what, error.remedy_zh, error.remedy_en) from error

    def _read_back(self) -> Missing:
        """What this disk confirmed and does not hold. One of two disks alone may have been away, and lies to nobody."""
        alone = self._pair is not None and len(self._pair.sides) == 1
        try:
            return Missing() if alone else read_back.missing(self.spool.root, self._setback, self._left)
        except (JournalError, OSError):
            return Missing()  # what cannot be read is told by those that need it

    def _slot_heads(self) -> tuple[Head, ...]:
        """What this log's own slots name, even where their entry is gone."""
        state = self._found.state
        return tuple(
            slot.state.head
            for _, slot in journal_slots.read_slots(self.spool.root)
            if slot.state.head is not None and slot.state.public_key == state.public_key
        )


@contextmanager
def open_device(config: Config, onlooker: Onlooker, open_token: OpenToken = no_token) -> Iterator[Opening]:
    """Lock the spool and find out what is there; nothing is written. Raises Refused."""
    with ExitStack() as stack:
        spool = _open_spool(config)
        stack.callback(spool.close)
        held = hold(config.key, open_token)
        stack.callback(held.close)
        try:
            yield Opening(config=config, spool=spool, held=held, onlooker=onlooker)
        except StorageFault as fault:
            raise storage_refusal(fault) from fault


@contextmanager
def maintenance(
    config: Config, clock: Clock, say: Say, *, open_token: OpenToken = no_token, emergency: bool = False
) -> Iterator[OpenLog]:
    """A run without a session, for a person's acts on the journal: begun, and ended with checkpoint and `stop`.

    After an act that retires the key nothing follows. Raises Refused, also while a session is open.
    """
    with open_device(config, Onlooker(entry=_nobody, say=say), open_token) as opening:
        if opening.may_stay_open(clock):
            raise Refused(
                "有场次尚未结束 / a session is open",
                remedy_zh="有场次尚未结束；请先启动录制，等场次续录并结束后再操作",
                remedy_en="a session has not ended; start the recorder, let the session go on and end, then try again",
                exit_code=EXIT_STORAGE,
            )
        opening.require_confirmation(resumed=False, confirmed=emergency)
        log = opening.begin(clock, resume=False)
        try:
            yield log
        finally:
            try:
                if not log.journal.state.retired:
                    log.journal.checkpoint(session_id=None)
                    log.journal.append(Stop(cause=StopCause.OPERATOR), session_id=None)
                _cut_for_stores(config, log, clock, say)
            finally:
                log.journal.close()


def _cut_for_stores(config: Config, log: OpenLog, clock: Clock, say: Say) -> None:
    """What was appended here goes to the stores too, though no recorder runs; also where one is named elsewhere."""
    try:
        wanted = bool(config.store.every) or is_cut(log.spool.root)
        fault = cut_last(log.spool, log.journal, clock.boottime_ns) if wanted else None
    except StorageFault as error:
        fault = error
    if fault is not None:
        say(
            f"新的日志条目暂时不能入库（{fault}），下次启动录制时补上",
            f"the new entries cannot go to the store now ({fault}); the next start of the recorder sees to it",
        )


def _nobody(_seq: int, _digest: bytes) -> None:
    """Nobody looks on."""


def _recent_files(root: Path, session: OpenSession | None) -> list[str]:
    """On one disk: its last journal files, and the open session's segments that no entry states."""
    directory = root / "journal"
    paths = [journal.file_path(directory, number) for number in journal.file_numbers(directory)[-RECENT_JOURNAL_FILES:]]
    if session is not None:
        segments = (root / "sessions" / session.id.hex()).glob("[0-9]*.mp4")
        paths += [path for path in segments if path.stem.isdecimal() and int(path.stem) >= session.segments]
    return [path.relative_to(root).as_posix() for path in paths]


def _open_spool(config: Config) -> Spool:
    settings = config.spool
    try:
        if settings.mirror is None:
            return open_spool(settings.directory)
        places = mirror_opening.Places(
            primary=settings.directory,
            mirror=settings.mirror,
            limit_seconds=settings.mirror_stall_milliseconds / 1000,
        )
        return mirror_opening.open_pair(places, lambda: remembered_disk(config.key.file))
    except SpoolError as error:
        raise Refused(
            error.what,
            remedy_zh=error.remedy_zh,
            remedy_en=error.remedy_en,
            exit_code=EXIT_BUSY if error.busy else EXIT_STORAGE,
        ) from error


def key_refusal(what: str, remedy_zh: str, remedy_en: str) -> Refused:
    """The key cannot be used."""
    return Refused(what, remedy_zh=remedy_zh, remedy_en=remedy_en, exit_code=EXIT_KEY)


def event_of_now(code: EventCode, clock: Clock) -> Event:
    """An event of this moment that measures nothing."""
    now_ns = clock.boottime_ns()
    return Event(
        code=code,
        severity=EVENTS[code].severity,
        stream=None,
        span_ns=(now_ns, now_ns),
        measured=(),
        refers_to=None,
        records=(),
    )


def storage_refusal(fault: StorageFault) -> Refused:
    """The disk cannot be written."""
    return Refused(
        str(fault),
        remedy_zh="存储盘无法写入；请检查空间、只读状态和连接，必要时更换",
        remedy_en="the disk cannot be written; check space, read-only state and cabling, replace it if need be",
        exit_code=EXIT_STORAGE,
    )


def _journal_refusal(what: str) -> Refused:
    return Refused(
        what,
        remedy_zh="日志不完整，请勿删除任何文件，联系维护人员",
        remedy_en="the journal is damaged; delete nothing and call maintenance",
        exit_code=EXIT_STORAGE,
    )
