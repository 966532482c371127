"""The recorder in its room: what people, the interlock, power and time want, turned into entries, capture and words.

Runs on CONTROL alone. It owns the state of `edge.session`, feeds it with signals and carries out the effects in their
order: an entry is durable before what follows from it is done, a trip's end of capture alone comes first. While a
session is open its `Recorder` is the hands; between sessions only entries, lamps and words are left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from edge.config import Config
from edge.designation import is_own_server
from edge.destruction import keep_record
from edge.durable import StorageFault
from edge.journal import Journal
from edge.ports import Clock
from edge.session.effects import (
    Alarm,
    Announce,
    Announcement,
    ApproveInhibition,
    BeginCapture,
    BeginGap,
    ClearInhibition,
    Effect,
    EndCapture,
    EndGap,
    EndSession,
    OpenDuty,
    OpenSession,
    PowerOff,
    Refuse,
    Refusing,
    SetInhibition,
)
from edge.session.signals import GapNamed, SessionEnded, Signal, Tick, WithholdAsked
from edge.session.state import Inhibition, Limits, Mode, Session, State
from edge.session.step import step
from edge.settings_store import Access
from edge.spool import Spool
from liuhen.kinds import Commitments, Duty, EntryBody, Event, Mark
from liuhen.kinds import Inhibition as InhibitionEntry
from liuhen.registry import (
    EVENTS,
    DutyAct,
    DutyCode,
    EndCause,
    EventCode,
    GapCause,
    InhibitionAct,
    MarkCode,
    RecordLabel,
)

NS_PER_SECOND = 10**9
EVIDENCE_LIMIT = 64
ANNOUNCED_WITHIN_NS = 4 * NS_PER_SECOND
"""A withholding waits so long for its announcement to have been heard; then it takes effect all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFrame:
    """A frame in the newest durable fragment, by what names it for a verifier (FORMAT.md 5.9)."""

    segment: int
    fragment: int
    frame_index: int
    seal_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Indices of the newest durable frame and sample; None before there is one. `sealed` where a frame is."""

    frame_index: int | None
    sample_index: int | None
    sealed: SealedFrame | None = None


Told = tuple[tuple[EventCode, tuple[int, ...]], ...]
"""Events with what they measured."""


class Hands(Protocol):
    """What the room can have done while a session is open. CONTROL's thread; raises StorageFault only."""

    def begin_capture(self) -> None:
        """Start sources and WRITER; the first durable fragment is signalled."""

    def end_capture(self, cause: EndCause, at_ns: int | None) -> None:
        """End capture; on return WRITER has ended, or the session is given up."""

    def begin_gap(self, cause: GapCause, since_ns: int | None, evidence: tuple[int, ...]) -> int:
        """Open a gap of both streams; returns its number."""

    def end_gap(self, at_ns: int, *, resumed: bool) -> None:
        """End it."""

    def end_session(self, cause: EndCause) -> None:
        """Have the session end."""

    def moment(self) -> Moment:
        """How far durable media reaches now: what a mark names."""

    def loudest_since(self, at_ns: int) -> int | None:
        """The loudest sound level measured since then, in millibel of full scale; None where none was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomTools:
    """What the room works with.

    `say` is the operator's line; `announce` says something aloud, False: nobody can. `ease_picture` takes the lower
    bitrate of a hot board, or the usual one again; it raises HardwareFault where the camera's encoder refuses.
    `production`: the key is endorsed for production.
    """

    config: Config
    clock: Clock
    spool: Spool
    journal: Journal
    salt: Callable[[], bytes]
    say: Callable[[str, str], None]
    announce: Callable[[Announcement], bool] = lambda _what: False
    ease_picture: Callable[[bool], None] = lambda _eased: None
    production: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """A withholding that waits for its announcement."""

    until_ns: int
    records: Commitments
    on_done: Callable[[], None]


class Room:
    """See the module."""

    def __init__(self, tools: RoomTools) -> None:
        """Begin with what the journal says stands: inhibitions outlive runs, and a withholding its session."""
        self.tools = tools
        known = tools.journal.state
        self.state = State(
            inhibitions=frozenset(Inhibition(one.code) for one in known.inhibitions if one.code in set(Inhibition)),
            to_approve=bool(known.unapproved),
            limits=Limits(
                approval_ns=tools.config.session.approval_minutes * 60 * NS_PER_SECOND,
                withheld_ns=tools.config.session.withheld_minutes * 60 * NS_PER_SECOND,
                explanation_ns=tools.config.session.explanation_seconds * NS_PER_SECOND,
                resume_ns=tools.config.session.resume_minutes * 60 * NS_PER_SECOND,
            ),
        )
        self.evidence: tuple[int, ...] = ()
        """Events that led to the next gap."""
        self.start_wanted = False
        self.power_off_ordered = False
        """Whoever looks after the power is asked to switch it off."""
        self.newest_gap: int | None = None
        self.warnings: dict[str, str] = {}
        self.asks_reason: Callable[[], bool] = lambda: False
        """Whether steps of the open session are left that a stop before them has to explain."""
        self._hands: Hands | None = None
        self._session_id: bytes | None = None
        self._pending: _Pending | None = None
        self._records: Commitments = ()
        self._given: dict[tuple[int, int], int] = {}
        """Duties of this session that were discharged: (code, entry they are about) and their number."""

    # -- a session's life ---------------------------------------------------------------------------------------------

    def attach(self, hands: Hands, session_id: bytes) -> None:
        """A session is open from here on."""
        self._hands, self._session_id = hands, session_id

    def detach(self) -> None:
        """Its last entry is durable, or nothing more can be written of it."""
        self._hands, self._session_id, self._pending = None, None, None
        self._given.clear()
        self.signal(SessionEnded(at_ns=self.now_ns))

    @property
    def now_ns(self) -> int:
        """BOOTTIME now."""
        return self.tools.clock.boottime_ns()

    def designates(self, access: Access) -> bool:
        """Whether a store is configured as the designated one and is not this very machine."""
        return access.designated and not is_own_server(access, production=self.tools.production)

    # -- signals and effects ------------------------------------------------------------------------------------------

    def signal(self, signal: Signal, records: Commitments = (), told: Told = ()) -> tuple[Refusing, ...]:
        """Step, carry out what follows, and say what was refused.

        `records` go into the inhibition that is written. `told` are events that led to it: written as soon as capture
        has ended, where it has to end, so that no slow disk stands between a trip and its effect.
        """
        self.state, effects = step(self.state, signal)
        self._records = records
        refused = tuple(effect.why for effect in effects if isinstance(effect, Refuse))
        for effect in effects:
            if not isinstance(effect, EndCapture):
                told = self._tell(told)
            self._carry_out(effect)
        self._tell(told)
        self._records = ()
        if self._is_at_rest:
            self.evidence = ()  # what is over before a session begins is no reason of a gap in it
        return refused

    @property
    def _is_at_rest(self) -> bool:
        """Whether no session is open, nor left open, and nothing keeps one from recording."""
        forbidden = self.state.inhibitions or self.state.halts
        return self._hands is None and self.tools.journal.state.session is None and not forbidden

    def _tell(self, told: Told) -> Told:
        """Write these events; they are the evidence of the next gap."""
        self.evidence += tuple(self.event(code, measured) for code, measured in told)
        return ()

    def take_evidence(self) -> tuple[int, ...]:
        """What led to the gap that is opened now."""
        evidence, self.evidence = self.evidence[-EVIDENCE_LIMIT:], ()
        return evidence

    @property
    def session_id(self) -> bytes | None:
        """The open session."""
        return self._session_id

    def moment(self) -> Moment:
        """How far durable media of the open session reaches."""
        return self._hands.moment() if self._hands is not None else Moment(frame_index=None, sample_index=None)

    def loudest_since(self, at_ns: int) -> int | None:
        """The loudest sound level since then, in millibel."""
        return self._hands.loudest_since(at_ns) if self._hands is not None else None

    def mark(
        self,
        code: MarkCode,
        at_ns: int,
        *,
        moment: Moment | None = None,
        refers_to: int | None = None,
        step_number: int | None = None,
        records: Commitments = (),
    ) -> int:
        """A point in the open session; indices as durable now unless `moment` says otherwise. Raises StorageFault."""
        moment = moment or self.moment()
        return self.append(
            Mark(
                code=code,
                boottime_ns=at_ns,
                frame_index=moment.frame_index,
                sample_index=moment.sample_index,
                refers_to=refers_to,
                step=step_number,
                records=records,
            )
        )

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case SetInhibition() | ApproveInhibition() | ClearInhibition():
                self._write_inhibition(effect)
            case OpenDuty(code=code):
                self.open_duty(code)
            case Alarm():
                self._alarm(effect)
            case Announce(what=what):
                self.tools.announce(what)
            case OpenSession():
                self.start_wanted = True
            case PowerOff():
                self._power_off()
            case Refuse():
                pass  # told to whoever asked
            case _:
                self._with_hands(effect)

    def _with_hands(self, effect: BeginCapture | EndCapture | BeginGap | EndGap | EndSession) -> None:
        hands = self._hands
        if hands is None:
            return  # the session's own end is under way: it ends capture and gaps itself
        match effect:
            case BeginCapture():
                hands.begin_capture()
            case EndCapture():
                hands.end_capture(effect.cause, effect.at_ns)
            case BeginGap():
                self.gap_opened(hands.begin_gap(effect.cause, effect.since_ns, self.take_evidence()))
            case EndGap():
                hands.end_gap(effect.at_ns, resumed=effect.resumed)
            case EndSession():
                hands.end_session(effect.cause)

    def nothing_started(self, at_ns: int) -> None:
        """Nothing forbids recording, and no source is there: from here on that is the cause of the gap of both."""
        self.state = replace(self.state, gap=GapCause.DEVICE_FAULT, gap_since_ns=at_ns)

    def gap_opened(self, seq: int) -> None:
        """A gap has its number, whoever opened it: somebody has to say aloud why."""
        self.newest_gap = seq
        self.signal(GapNamed(seq=seq))

    def _power_off(self) -> None:
        """Capture has ended and its gap is written; a checkpoint, and nothing more is owed to the power."""
        self.tools.journal.checkpoint(session_id=self._session_id)
        self.event(EventCode.POWER_OFF_ORDERED)
        self.power_off_ordered = True

    # -- entries ------------------------------------------------------------------------------------------------------

    def append(self, body: EntryBody) -> int:
        """One entry, of the open session if there is one. Raises StorageFault."""
        return self.tools.journal.append(body, session_id=self._session_id).seq

    def event(
        self,
        code: EventCode,
        measured: tuple[int, ...] = (),
        *,
        at_ns: int | None = None,
        refers_to: int | None = None,
        records: Commitments = (),
    ) -> int:
        """One event of a moment. Raises StorageFault."""
        at_ns = self.now_ns if at_ns is None else at_ns
        return self.append(
            Event(
                code=code,
                severity=EVENTS[code].severity,
                stream=None,
                span_ns=(at_ns, at_ns),
                measured=measured,
                refers_to=refers_to,
                records=records,
            )
        )

    def keep(self, label: RecordLabel, text: str | bytes) -> tuple[int, bytes]:
        """A detached record, durable, and how an entry names it. Raises StorageFault.

        One failed write costs nothing: the record is written again under another name, as an entry into another file.
        """
        content = text.encode() if isinstance(text, str) else text
        try:
            record = keep_record(self.tools.spool, content, salt=self.tools.salt())
        except StorageFault as fault:
            record = keep_record(self.tools.spool, content, salt=self.tools.salt())
            self.event(EventCode.STORAGE_FAULT, (fault.code,))
        return (label, record.commitment)

    def said(self, label: RecordLabel, text: str, actor: str) -> Commitments:
        """What a person said and who it was as records, as far as either was. Raises StorageFault."""
        named = ((label, text), (RecordLabel.PERSONS, actor))
        return tuple(self.keep(one, words) for one, words in named if words)

    def open_duty(self, code: DutyCode, refers_to: int | None = None, records: Commitments = ()) -> int:
        """Somebody owes this from now on; once for each reason. Raises StorageFault."""
        about = refers_to if refers_to is not None else self.newest_gap
        if about is None:
            about = max(self.tools.journal.state.next_seq - 1, 0)
        open_duties = self.tools.journal.state.duties
        already = next((duty.seq for duty in open_duties if (duty.code, duty.refers_to) == (code, about)), None)
        already = self._given.get((code, about), already)  # what has been given is not owed a second time
        if already is not None:
            return already
        return self.append(Duty(code=code, act=DutyAct.OPENED, refers_to=about, records=records))

    def discharge(self, duty: int, code: DutyCode, records: Commitments) -> int:
        """What was owed has been given. Raises StorageFault."""
        about = next((one.refers_to for one in self.tools.journal.state.duties if one.seq == duty), None)
        seq = self.append(Duty(code=code, act=DutyAct.DISCHARGED, refers_to=duty, records=records))
        if about is not None:
            self._given[code, about] = duty
        return seq

    def _write_inhibition(self, effect: SetInhibition | ApproveInhibition | ClearInhibition) -> None:
        match effect:
            case SetInhibition(code=code, at_ns=at_ns):
                act, placed = InhibitionAct.SET, None
            case ApproveInhibition(at_ns=at_ns):
                code, act = Inhibition.WITHHELD, InhibitionAct.APPROVED
                placed = self.tools.journal.state.unapproved[-1]
            case ClearInhibition(code=code, at_ns=at_ns):
                act, placed = InhibitionAct.CLEARED, self._standing(code)
        at = (self.tools.clock.boot_id, at_ns)
        seq = self.append(InhibitionEntry(code=code, act=act, at=at, placed=placed, records=self._records))
        if act is InhibitionAct.SET:
            self.evidence += (seq,)

    def _standing(self, code: Inhibition) -> int:
        return next(one.seq for one in reversed(self.tools.journal.state.inhibitions) if one.code == code)

    def _alarm(self, alarm: Alarm) -> None:
        seconds = max(0, self.now_ns - alarm.since_ns) // NS_PER_SECOND
        measured = seconds if alarm.code is EventCode.EXPLANATION_OVERDUE else seconds // 60
        self.event(alarm.code, (measured,))
        self.warnings[alarm.code.name] = EVENTS[alarm.code].words_zh
        self.tools.say(EVENTS[alarm.code].words_zh, EVENTS[alarm.code].words_en)

    # -- what takes time ----------------------------------------------------------------------------------------------

    @property
    def withheld(self) -> bool:
        """Whether recording is withheld, or is about to be once that was said aloud."""
        return Inhibition.WITHHELD in self.state.inhibitions or self._pending is not None

    def withhold(self, records: Commitments, on_done: Callable[[], None] = lambda: None) -> tuple[Refusing, ...]:
        """Say aloud that recording stops, then stop it: within four seconds, heard or not."""
        if self.state.session is not Session.OPEN:
            return self.signal(WithholdAsked(at_ns=self.now_ns))
        if self.withheld:
            return ()
        if self.state.capturing and self.tools.announce(Announcement.WITHHOLDING):
            until_ns = self.now_ns + ANNOUNCED_WITHIN_NS
            self._pending = _Pending(until_ns=until_ns, records=records, on_done=on_done)
            return ()
        refused = self.signal(WithholdAsked(at_ns=self.now_ns), records)
        on_done()
        return refused

    def announced(self) -> None:
        """The announcement of a withholding was heard to its end, or failed."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            self.signal(WithholdAsked(at_ns=self.now_ns), pending.records)
            pending.on_done()

    def turn(self) -> None:
        """Once in each of CONTROL's turns: what is overdue. Raises StorageFault."""
        if self._pending is not None and self.now_ns >= self._pending.until_ns:
            self.announced()
        self.signal(Tick(at_ns=self.now_ns))
        for code in (EventCode.EXPLANATION_OVERDUE, EventCode.WITHHELD_UNAPPROVED, EventCode.RESUME_OVERDUE):
            if code not in self.state.said:
                self.warnings.pop(code.name, None)


REFUSING_WORDS: Mapping[Refusing, tuple[str, str]] = {
    Refusing.NOT_CONFIRMED: (
        "结束录制须长按“停止”键，或确认后再提交",
        "ending a session needs a long press or a confirmation",
    ),
    Refusing.REASON_WANTED: (
        "还有必录环节未完成；要提前结束请写明原因",
        "required steps are still open; say why it ends early",
    ),
    Refusing.NO_SESSION: ("当前没有正在进行的场次", "no session is open"),
    Refusing.TRIPPED: (
        "防爆联锁已动作，不得录制；请确认现场安全后，用现场钥匙复位（配置中已停用联锁的，须先启用再复位）",
        "the interlock has tripped; when the place is safe, reset it with the key on the spot "
        "(where it was switched off in the configuration since: switch it on again first)",
    ),
    Refusing.WITHHELD: (
        "正处于“不得记录”状态；由有关人员恢复后才能录制",
        "recording is withheld; a person has to end that first",
    ),
    Refusing.HALTED: (
        "目前无法录制（电量、存储或设备）；请按提示处理后再试",
        "nothing can be recorded now (power, storage or device); mend that first",
    ),
    Refusing.NOT_WITHHELD: ("没有需要批准或恢复的“不得记录”", "nothing is withheld that could be approved or ended"),
    Refusing.SAME_PERSON: (
        "批准人不能是提出人本人；配置了批准人名单（session.approvers）的，须在名单内",
        "the approver is another person than the one who asked, and on the list of session.approvers if there is one",
    ),
    Refusing.NO_GROUND: (
        "批准须写明本地规定认可的事由；有的事由须同时写明条款或理由",
        "an approval names a ground the rules allow, and for some the law or the reason as well",
    ),
    Refusing.STILL_RECORDING: ("录制正在进行，不能声明“无法继续”", "recording goes on; it cannot be given up now"),
    Refusing.NOT_REPORTED: (
        "请先向部门负责人报告，并写明报告对象和时间",
        "report to the department head first, and say to whom and when",
    ),
    Refusing.NOT_SPOKEN: (
        "没有录到语音说明（时间太短或没有声音）；请按住“语音说明”键，对着麦克风再说一次",
        "no spoken explanation was heard (too short, or silent); hold the key and say it again",
    ),
    Refusing.ENDING: ("上一场次正在收尾，请稍候再试", "the last session is still being closed; wait a moment"),
}


_LAMPS = {
    Mode.TRIPPED: "interlock",
    Mode.WITHHELD: "withheld",
    Mode.READY: "ready",
    Mode.ONE_STREAM: "one_stream",
    Mode.ENDING: "attention",
    Mode.HALTED: "not_recording",
    Mode.LOST: "not_recording",
}


def lamp_of(state: State, *, attention: bool, young: bool) -> str:
    """The lamp the recorder wants (design language): one word, never a better one than the facts allow.

    `attention` asks for a person while recording; `young` is a session in its first seconds, before any media.
    """
    if state.mode is Mode.RECORDING:
        owed = attention or bool(state.unexplained) or state.to_approve
        return "attention" if owed else "recording"
    if state.mode is Mode.STARTING:
        return "ready" if young and state.gap is None else "not_recording"
    return _LAMPS[state.mode]
