"""The recorder's wiring: builds every object of a run from configuration and hardware, and owns its threads.

Threads: the caller's (CONTROL), WRITER (started and joined here), and those of the drivers, which their `stop` ends.
Nothing else in `edge` starts a thread.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from edge import durable, journal, recovery
from edge.config import Config
from edge.durable import StorageFault
from edge.head_memory import ForgottenHead, HeadMemory
from edge.journal import Journal, JournalError, Outside
from edge.messages import StopRequested
from edge.packet_queue import LaneBounds, PacketQueue
from edge.ports import FaultKind, Hardware, HardwareFault, Microphone, PictureFormat, SoundFormat, SourceOrigin, Stream
from edge.recorder import Ended, Inbox, Recorder, Tools
from edge.segmenter import Cutting, Segmenter
from edge.spool import Spool, SpoolError, open_spool
from edge.status import Status
from edge.versions import recorder_software
from edge.writer import Acknowledge, SessionFacts, Writer, WriterPorts
from liuhen import cose, keys
from liuhen.errors import FormatError, KeyFileError
from liuhen.kinds import Choice, Clock, Enrolment, Refusal, Run, Session, Software, Stop
from liuhen.records import Record
from liuhen.records import make as make_record
from liuhen.registry import ChoiceCode, Purpose, RecordLabel, RefusalCode, RunCause, StopCause

STOP_LIMIT_SECONDS = 5.0
WRITER_LIMIT_SECONDS = 30.0


class Refused(Exception):
    """A session cannot start; texts for the operator and the exit code (README, exit codes)."""

    def __init__(self, what: str, *, remedy_zh: str, remedy_en: str, exit_code: int) -> None:
        super().__init__(what)
        self.what = what
        self.remedy_zh = remedy_zh
        self.remedy_en = remedy_en
        self.exit_code = exit_code


EXIT_HARDWARE = 3
EXIT_STORAGE = 4
EXIT_KEY = 5
EXIT_BUSY = 6


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


@dataclass(slots=True)
class _Capturing:
    """The sources that are running, so that whatever happens they are stopped."""

    stops: list[Callable[[float], None]] = field(default_factory=list)

    def stop(self, watcher: Watcher) -> None:
        """Stop every source within its limit; one that hangs is reported and left behind."""
        for stop in self.stops:
            try:
                stop(STOP_LIMIT_SECONDS)
            except HardwareFault as fault:
                watcher.said(f"{fault.what}；{fault.remedy_zh}", f"{fault.what}; {fault.remedy_en}")
        self.stops.clear()


def run(start: Start) -> Ended:
    """One run with one session. Raises Refused when nothing could be recorded; the journal then says why, if it can."""
    spool = _open_spool(start.config.spool.directory)
    try:
        signer, endorsements = _load_key(start.config, spool)
        log = _open_journal(start, spool, signer, endorsements)
        try:
            return _run_session(start, spool, signer, endorsements, log)
        finally:
            log.journal.close()
    except StorageFault as fault:
        raise _storage_refusal(fault) from fault
    finally:
        spool.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Log:
    """The open journal and the numbers this run continues from."""

    journal: Journal
    run: int
    ordinal: int


def _open_spool(directory: Path) -> Spool:
    try:
        return open_spool(directory)
    except SpoolError as error:
        raise Refused(
            error.what,
            remedy_zh=error.remedy_zh,
            remedy_en=error.remedy_en,
            exit_code=EXIT_BUSY if error.busy else EXIT_STORAGE,
        ) from error


def _load_key(config: Config, spool: Spool) -> tuple[keys.FileSigner, tuple[bytes, ...]]:
    """The device key and the endorsements that fit it and this log."""
    try:
        signer = keys.load_signer(config.key.file)
        endorsements = tuple(path.read_bytes() for path in config.key.endorsements)
        for path, encoded in zip(config.key.endorsements, endorsements, strict=True):
            _, endorsement = keys.parse_endorsement(encoded, where=str(path))
            if (endorsement.log_id, endorsement.public_key) != (spool.identity.log_id, signer.public_key):
                raise FormatError(str(path), "endorses another device or log")
    except KeyFileError as error:
        raise _key_refusal(error.what, error.remedy_zh, error.remedy_en) from error
    except (FormatError, OSError) as error:
        raise _key_refusal(
            str(error),
            "请用 `liuhen keys endorse` 重新背书本设备",
            "have this device endorsed with `liuhen keys endorse`",
        ) from error
    return signer, endorsements


def _open_journal(start: Start, spool: Spool, signer: keys.FileSigner, endorsements: tuple[bytes, ...]) -> _Log:
    """Find the journal's end, set a torn tail aside, and append the entries that begin a run."""
    try:
        found = journal.find(spool.journal_directory)
        _refuse_lost_journal(spool, found)
        _refuse_other_key(found, signer)
        recovery.check_continuable(spool, found, signer.public_key)
        memory = HeadMemory(start.config.key.file, spool.identity.log_id)
        _refuse_rolled_back(spool, memory)
        recovery.set_torn_journal_aside(spool, found)
    except JournalError as error:
        raise Refused(
            str(error),
            remedy_zh="日志不完整，请勿删除任何文件，联系维护人员",
            remedy_en="the journal is damaged; delete nothing and call maintenance",
            exit_code=EXIT_STORAGE,
        ) from error
    run_number = _run_number(found)
    log = Journal(
        spool=spool,
        found=found,
        run=run_number,
        signer=signer,
        outside=Outside(
            file_limit_bytes=start.config.spool.journal_file_bytes,
            read_clock=lambda: _clock_row(start.hardware),
            on_durable=start.watcher.entry,
            remember=memory.remember,
        ),
    )
    if found.last is None:
        enrolment = Enrolment(public_key=signer.public_key, endorsements=endorsements, spool_id=spool.identity.spool_id)
        log.append(enrolment, session_id=None)
    clock = start.hardware.clock
    rescued = recovery.recover(spool=spool, found=found, log=log, clock=clock)
    log.append(
        Run(cause=_run_cause(found), software=recorder_software(), config_hash=start.config.digest), session_id=None
    )
    if rescued is not None:
        start.watcher.said(
            "上次录制没有正常结束；已核实并封存留下的内容，中止原因待说明",
            "the last recording did not end in order; what it left was checked and closed, the cause is open",
        )
        recovery.close_open_session(found=found, rescued=rescued, log=log, clock=clock)
    return _Log(journal=log, run=run_number, ordinal=recovery.sessions_so_far(found) + 1)


def _refuse_lost_journal(spool: Spool, found: journal.Found) -> None:
    """Recordings without the journal that signed them: a new one would count from 0 under the same key."""
    if found.last is None and next(spool.segment_files(), None) is not None:
        raise JournalError(f"{spool.journal_directory} is empty, but there are recordings")


def _refuse_rolled_back(spool: Spool, memory: HeadMemory) -> None:
    """Signing on below a head that was signed before would use its numbers a second time, and bury what was there."""
    try:
        head = memory.recall()
    except ForgottenHead as error:
        raise _key_refusal(
            str(error),
            "密钥目录与存储盘不匹配，请勿删除任何文件，联系维护人员",
            "the key's folder does not fit this disk; delete nothing and call maintenance",
        ) from error
    if head is None:
        return
    kept = journal.entry_at(spool.journal_directory, head[0])
    if kept is None or kept.head != head:
        raise Refused(
            f"this device has signed entry {head[0]}, which the journal on this disk does not hold",
            remedy_zh="存储盘被换成了旧的或别的副本；请装回原盘。更换存储盘须为设备重新生成密钥和日志",
            remedy_en="the disk is an older copy or another one; put the right one back, or enrol anew for a new disk",
            exit_code=EXIT_STORAGE,
        )


def _refuse_other_key(found: journal.Found, signer: keys.FileSigner) -> None:
    if found.last is not None and found.last.envelope.kid != cose.key_id(signer.public_key):
        raise _key_refusal(
            "the key is not the one this journal was signed with",
            "请使用本设备原来的密钥；更换密钥须走密钥轮换",
            "use this device's own key; another key needs a rotation",
        )


def _only_enrolled(found: journal.Found) -> bool:
    """A start that was cut short after the very first entry: its run has not begun."""
    return found.last is not None and isinstance(found.last.body, Enrolment)


def _run_number(found: journal.Found) -> int:
    if found.last is None:
        return 1
    return found.last.common.run + (0 if _only_enrolled(found) else 1)


def _run_cause(found: journal.Found) -> RunCause:
    if found.last is None or _only_enrolled(found):
        return RunCause.FIRST
    return RunCause.AFTER_CLEAN_STOP if isinstance(found.last.body, Stop) else RunCause.AFTER_UNCLEAN_END


def _run_session(
    start: Start, spool: Spool, signer: keys.FileSigner, endorsements: tuple[bytes, ...], log: _Log
) -> Ended:
    """Check, record, end. A refusal is an entry with its cause before it is an exception."""
    try:
        _check_space(start, spool)
        picture, sound, origins = _open_sources(start.hardware)
        _refuse_substitutes(spool, endorsements, signer, origins)
    except _RefusedWithCode as refusal:
        _give_back(start)
        _journal_refusal(log.journal, refusal.code)
        raise refusal.refused from None
    _warn_of_clock(start)
    session_id = secrets.token_bytes(16)
    inbox, packets = Inbox(), PacketQueue(picture=_lane(start.config, 1), sound=_lane(start.config, 6))
    segmenter = Segmenter(cutting=_cutting(start.config), picture=picture, sound=sound)
    facts = SessionFacts(log_id=spool.identity.log_id, run=log.run, session_id=session_id, endorsements=endorsements)
    camera = start.hardware.camera
    writer = Writer(
        queue=packets,
        segmenter=segmenter,
        spool=spool,
        session=facts,
        ports=WriterPorts(
            clock=start.hardware.clock,
            signer=signer,
            journal_head=lambda: log.journal.head or (0, bytes(32)),
            force_keyframe=camera.force_keyframe if camera is not None else _nothing,
            post=inbox.post,
            acknowledge=start.watcher,
        ),
    )
    tools = Tools(
        config=start.config,
        clock=start.hardware.clock,
        spool=spool,
        journal=log.journal,
        inbox=inbox,
        packets=packets,
        writer=writer,
        show=start.watcher.status,
    )
    recorder = Recorder(tools, session_id)
    _journal_choices(start.config, log.journal)
    recorder.open(_session_entry(start.config, spool, log.ordinal, (picture, sound), origins))
    caption = caption_of(start.config, log.ordinal, session_id)
    ended = start.conduct(
        Stage(start=start, recorder=recorder, writer=writer, inbox=inbox, packets=packets, caption=caption)
    )
    return _stopped(start, log.journal, ended)


def _stopped(start: Start, log: Journal, ended: Ended) -> Ended:
    """End the run; a disk that does not even take that has been reported by the session already, or is now."""
    try:
        log.append(Stop(cause=start.stop_cause if ended.clean else StopCause.FAULT), session_id=None)
    except StorageFault as fault:
        words_zh = ended.words_zh or f"存储写入失败（{fault}），本次运行没有结束标记"
        words_en = ended.words_en or f"writing failed ({fault}); this run has no closing entry"
        return replace(ended, clean=False, words_zh=words_zh, words_en=words_en)
    return ended


def _give_back(start: Start) -> None:
    """Release what was claimed, so that a refused start leaves no device busy."""
    capturing = _Capturing()
    for source in (start.hardware.camera, start.hardware.microphone):
        if source is not None:
            capturing.stops.append(source.stop)
    capturing.stop(start.watcher)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything a session runs on, ready and not yet started; who conducts it decides what turns in which thread."""

    start: Start
    recorder: Recorder
    writer: Writer
    inbox: Inbox
    packets: PacketQueue
    caption: str


def conduct_threads(stage: Stage) -> Ended:
    """Real time: WRITER in its thread, CONTROL in the caller's. At the end: sources, queue, WRITER, entries."""
    capturing, over = _Capturing(), threading.Event()
    threads = (
        threading.Thread(target=stage.writer.run, name="WRITER", daemon=True),  # a disk that hangs must not keep us
        threading.Thread(target=_wait_for_stop, args=(stage, over), name="STOP"),
    )
    for thread in threads:
        thread.start()
    try:
        stage.recorder.revive = partial(_revive, stage)
        _start_sources(stage, capturing)
        stage.recorder.record()
    except HardwareFault as fault:
        stage.recorder.source_failed(fault)
    finally:
        over.set()
        capturing.stop(stage.start.watcher)
        stage.writer.end_cause = stage.recorder.end_cause()
        stage.packets.close()
        ended = stage.recorder.close(WRITER_LIMIT_SECONDS)
        for thread in threads:
            thread.join(WRITER_LIMIT_SECONDS)
    return ended


def _start_sources(stage: Stage, capturing: _Capturing) -> None:
    """Sound first: it is ready at once, while a sensor takes a moment to settle."""
    hardware, deliver = stage.start.hardware, stage.packets.deliver
    if hardware.microphone is not None:
        capturing.stops.append(hardware.microphone.stop)
        hardware.microphone.start(deliver)
    if hardware.camera is not None:
        capturing.stops.insert(0, hardware.camera.stop)
        hardware.camera.start(deliver, stage.caption)


def _revive(stage: Stage, stream: Stream) -> None:
    """Start a lost source again, on CONTROL's thread. Raises HardwareFault."""
    hardware, deliver = stage.start.hardware, stage.packets.deliver
    if stream is Stream.PICTURE and hardware.camera is not None:
        hardware.camera.start(deliver, stage.caption)
    if stream is Stream.SOUND and hardware.microphone is not None:
        hardware.microphone.start(deliver)


def _wait_for_stop(stage: Stage, over: threading.Event) -> None:
    """The STOP thread: turns the stop event, or the end of the asked time, into a message."""
    start = stage.start
    clock = start.hardware.clock
    deadline_ns = None if start.seconds is None else clock.boottime_ns() + int(start.seconds * 10**9)
    while not over.is_set():
        if start.stop.wait(0.1) or (deadline_ns is not None and clock.boottime_ns() >= deadline_ns):
            stage.inbox.post(StopRequested(cause=start.stop_cause))
            return


# -- checks before a session -----------------------------------------------------------------------------------------


class _RefusedWithCode(Exception):
    """A refusal that still has to be journaled."""

    def __init__(self, refused: Refused, code: RefusalCode) -> None:
        super().__init__(refused.what)
        self.refused = refused
        self.code = code


def _open_sources(hardware: Hardware) -> tuple[PictureFormat | None, SoundFormat | None, tuple[SourceOrigin, ...]]:
    try:
        picture = hardware.camera.open() if hardware.camera is not None else None
        sound = hardware.microphone.open() if hardware.microphone is not None else None
    except HardwareFault as fault:
        refused = Refused(
            f"{fault.device}: {fault.what}",
            remedy_zh=fault.remedy_zh,
            remedy_en=fault.remedy_en,
            exit_code=EXIT_HARDWARE,
        )
        raise _RefusedWithCode(refused, _refusal_code(fault)) from fault
    origins = (hardware.camera.origin() if hardware.camera is not None else ()) + _sound_origin(hardware.microphone)
    return picture, sound, origins


def _refusal_code(fault: HardwareFault) -> RefusalCode:
    camera = fault.device == "camera"
    match fault.kind:
        case FaultKind.BUSY if camera:
            return RefusalCode.CAMERA_BUSY
        case FaultKind.FORMAT if not camera:
            return RefusalCode.MICROPHONE_FORMAT
        case _:
            return RefusalCode.NO_CAMERA if camera else RefusalCode.NO_MICROPHONE


def _sound_origin(microphone: Microphone | None) -> tuple[SourceOrigin, ...]:
    return microphone.origin() if microphone is not None else ()


def _check_space(start: Start, spool: Spool) -> None:
    """First, because it needs no device."""
    _hold_reserve(start, spool)
    hours = spool.free_bytes() / max(1, start.config.media_bytes_per_second()) / 3600
    if hours < start.config.spool.minimum_free_hours:
        needed = start.config.spool.minimum_free_hours
        refused = Refused(
            f"free space holds {hours:.2f} hours, {needed} are required",
            remedy_zh=f"剩余空间只够录 {hours:.2f} 小时，至少需要 {needed} 小时；请先归档已入库的录像或更换存储盘",
            remedy_en="offload recordings or use a larger disk; spool.minimum_free_hours sets the limit",
            exit_code=EXIT_STORAGE,
        )
        raise _RefusedWithCode(refused, RefusalCode.SPACE)


def _hold_reserve(start: Start, spool: Spool) -> None:
    """Without the reserve a full disk could not be given its reason: then the session does not start."""
    try:
        spool.hold_reserve(start.config.spool.journal_reserve_bytes)
    except StorageFault as fault:
        raise _RefusedWithCode(_storage_refusal(fault), RefusalCode.SPACE) from fault


def _refuse_substitutes(
    spool: Spool, endorsements: tuple[bytes, ...], signer: keys.FileSigner, origins: tuple[SourceOrigin, ...]
) -> None:
    """A production key never signs what did not come from a physical sensor (Jiaozuo Art. 10(5), 14)."""
    # The log's own endorsements count too: leaving one out of the configuration must not make a production key a demo.
    claimed = (*endorsements, *journal.key_statements(spool.journal_directory))
    purpose = keys.purpose_of(claimed, log_id=spool.identity.log_id, public_key=signer.public_key)
    substitutes = [origin for origin in origins if not origin.genuine]
    if purpose is not Purpose.PRODUCTION or not substitutes:
        return
    named = ", ".join(f"{origin.component} ({origin.evidence})" for origin in substitutes)
    refused = Refused(
        f"this key is endorsed for production, and a source is not the physical device: {named}",
        remedy_zh="正式密钥不得为模拟或替代的信号源签名；请接入真实设备，或改用演示密钥",
        remedy_en="a production key never signs simulated or substituted sources; use the real device or a demo key",
        exit_code=EXIT_KEY,
    )
    raise _RefusedWithCode(refused, RefusalCode.SUBSTITUTED_SOURCE)


EARLIEST_PLAUSIBLE_UTC_MS = 1_767_225_600_000  # 2026-01-01: this program did not exist before


def _warn_of_clock(start: Start) -> None:
    """A wrong clock never stops a recording: the law asks for the picture, and the chain orders it without UTC."""
    reading = start.hardware.clock.read()
    if reading.utc_ms < EARLIEST_PLAUSIBLE_UTC_MS:
        start.watcher.said(
            "系统时间明显不对（早于本程序发布）；照常录制，但画面上的时间不可信，请校时",
            "the clock is plainly wrong; recording goes on, but the time shown is not to be believed; set the clock",
        )


def _journal_refusal(log: Journal, code: RefusalCode) -> None:
    log.append(Refusal(code=code, measured=(), records=()), session_id=None)
    log.checkpoint(session_id=None)
    log.append(Stop(cause=StopCause.REFUSED), session_id=None)


def _journal_choices(config: Config, log: Journal) -> None:
    """Choices a right hangs on are entries, not settings."""
    choices = [ChoiceCode.NO_INTERLOCK]
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
    formats: tuple[PictureFormat | None, SoundFormat | None],
    origins: tuple[SourceOrigin, ...],
) -> Session:
    picture, sound = formats
    streams: list[tuple[int, str, int, int, int]] = []
    if picture is not None:
        streams.append((0, "h264", picture.width, picture.height, picture.frames_per_second))
    if sound is not None:
        streams.append((1, "flac", sound.rate_hz, sound.channels, 0))
    place = _keep_record(spool, config.device.room)
    return Session(
        ordinal=ordinal,
        mode=0,
        config_hash=config.digest,
        profile_hash=None,
        software=_software(origins),
        promise=(
            config.segment.seconds * 1000,
            config.segment.fragment_milliseconds,
            config.journal.heartbeat_seconds * 1000,
            config.journal.checkpoint_seconds * 1000,
        ),
        streams=tuple(streams),
        records=((RecordLabel.PLACE, place.commitment),),
    )


def _keep_record(spool: Spool, text: str) -> Record:
    """Write a detached record durably, before anything commits to it."""
    record = make_record(text.encode(), salt=secrets.token_bytes(32))
    durable.create_file(spool.records_directory / record.name, record.to_bytes())
    return record


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


def _clock_row(hardware: Hardware) -> Clock:
    reading = hardware.clock.read()
    return (reading.utc_ms, reading.boottime_ns, hardware.clock.boot_id, int(reading.sync), reading.error_ms)


def _nothing() -> None:
    """There is no camera to ask for a keyframe."""


def _key_refusal(what: str, remedy_zh: str, remedy_en: str) -> Refused:
    return Refused(what, remedy_zh=remedy_zh, remedy_en=remedy_en, exit_code=EXIT_KEY)


def _storage_refusal(fault: StorageFault) -> Refused:
    return Refused(
        str(fault),
        remedy_zh="存储盘无法写入；请检查空间、只读状态和连接，必要时更换",
        remedy_en="the disk cannot be written; check space, read-only state and cabling, replace it if need be",
        exit_code=EXIT_STORAGE,
    )
