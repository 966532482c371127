"""What a journal says of its device, as a pure fold over its entries: `state = after(state, entry)`.

Owns nothing and asks nothing. A start that has the state needs no older entry, however long the log is: where the
chain and the tree stand, which key is in force, and what of an open session must be closed or gone on with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from liuhen import cose, merkle
from liuhen.entry import Entry
from liuhen.hashing import ZERO_HASH
from liuhen.kinds import (
    Check,
    Checkpoint,
    Clock,
    Duty,
    Enrolment,
    Event,
    Gap,
    GapEnd,
    Head,
    Inhibition,
    Instant,
    Key,
    Mark,
    Refusal,
    Segment,
    Session,
    SessionEnd,
    Stop,
    Visit,
)
from liuhen.registry import (
    DESTRUCTION_REFUSALS,
    CheckCode,
    DutyAct,
    DutyCode,
    EventCode,
    GapCause,
    InhibitionAct,
    InhibitionCode,
    KeyAct,
    MarkCode,
    VisitAct,
)

StreamRow = tuple[int, str, int, int, int]
UNREADABLE_LEAF = merkle.leaf_hash(b"")
"""Stands in the tree for an entry that can no longer be read (FORMAT.md 7)."""
ENDORSEMENTS_KEPT = 16
FORMER_KEPT = 8
READINGS_KEPT = 16
STANDING_KEPT = 64
"""Of duties, approvals and explanations still owed so many are remembered, the newest; inhibitions are at most two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenGap:
    """A gap entry without its end."""

    seq: int
    stream: int | None
    since: Instant
    lost: int
    cause: int = GapCause.OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An inhibition that was set and not cleared, in any session or none."""

    seq: int
    code: int
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDuty:
    """A duty entry without its discharge; `refers_to` is the entry that made it due."""

    seq: int
    code: int
    refers_to: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LastCheck:
    """The newest check of its sort: when it was made, by UTC as the device had it and within its boot."""

    code: int
    utc_ms: int
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenVisit:
    """A visit of an always-on room that goes on; `settled` once its visitor was told, or that was missed."""

    seq: int
    at: Instant
    settled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """A session without its end: what its next segment and its end entry continue from.

    `media_end` is the boot and BOOTTIME where the last stated segment ends; `whole` is false once entries of it are
    known to be unreadable. `former` are the kids of the keys that an emergency or a return took out of force
    meanwhile: files that no entry states yet may still be theirs. `readings` are the last of each boot since, and
    `media_boot` the boot whose media the next statement is about: a start states what the boot before it left.
    `unexplained` are gaps that nobody has spoken about.
    """

    id: bytes
    began: Clock
    streams: tuple[StreamRow, ...]
    segments: int = 0
    frames: int = 0
    samples: int = 0
    last: bytes = ZERO_HASH
    media_end: Instant | None = None
    gaps: int = 0
    open_gaps: tuple[OpenGap, ...] = ()
    whole: bool = True
    former: tuple[bytes, ...] = ()
    media_boot: bytes = b""
    readings: tuple[Clock, ...] = ()
    unexplained: tuple[int, ...] = ()
    visit: OpenVisit | None = None
    mode: int = 0

    def reading_in(self, boot_id: bytes) -> Clock:
        """A reading of both clocks in this boot; the session's first where none is known any more."""
        return next((row for row in self.readings if row[2] == boot_id), self.began)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalState:
    """See the module. Before the first entry `head` is None.

    `public_key` is the key in force; under an emergency key `lost_key` is the one it stands in for. `inhibitions` stand
    whatever run or session it is; `unapproved` are withholdings, ended or not, that no second person has approved.
    `checks` has the newest of each sort.
    """

    head: Head | None = None
    log_id: bytes = b""
    spool_id: bytes = b""
    run: int = 0
    kid: bytes = b""
    public_key: bytes = b""
    retired: bool = False
    emergency: bool = False
    lost_key: bytes = b""
    clock: Clock = (0, 0, bytes(16), 0, 0)
    in_order: bool = True
    begun: bool = False
    ordinal: int = 0
    tree_size: int = 0
    peaks: tuple[bytes, ...] = ()
    endorsements: tuple[bytes, ...] = ()
    session: OpenSession | None = None
    inhibitions: tuple[Standing, ...] = ()
    unapproved: tuple[int, ...] = ()
    duties: tuple[OpenDuty, ...] = ()
    due: tuple[tuple[int, int], ...] = ()
    """Entries, by number, that make a duty with this code due and have none yet: a power cut may come in between."""
    checks: tuple[LastCheck, ...] = ()

    @property
    def next_seq(self) -> int:
        """The number of the next entry."""
        return self.head[0] + 1 if self.head is not None else 0

    def skip_to(self, head: Head) -> JournalState:
        """The same log after entries up to `head` that nobody can read here any more."""
        tree = merkle.Peaks(self.tree_size, self.peaks)
        tree.append_same(UNREADABLE_LEAF, max(0, head[0] + 1 - tree.size))
        session = replace(self.session, whole=False) if self.session is not None else None
        return replace(
            self, head=head, tree_size=tree.size, peaks=tree.peaks(), session=session, in_order=False, begun=True
        )


def after(state: JournalState, entry: Entry) -> JournalState:
    """The state with one more entry. The caller has checked its signature and its place in the chain."""
    if entry.common.seq > state.next_seq:  # what stood between cannot be read: its own predecessor's hash is known
        state = state.skip_to((entry.common.seq - 1, entry.common.prev))
    common, body = entry.common, entry.body
    tree = merkle.Peaks(state.tree_size, state.peaks)
    if isinstance(body, Checkpoint) and body.size == common.seq and len(body.peaks) == body.size.bit_count():
        tree = merkle.Peaks(body.size, body.peaks)  # signed when every leaf was still known
    tree.append(merkle.leaf_hash(entry.envelope.encoded))
    state = replace(
        state,
        head=entry.head,
        log_id=common.log_id,
        run=max(state.run, common.run),
        kid=entry.envelope.kid,
        clock=common.clock,
        in_order=isinstance(body, Stop | Enrolment),
        begun=not isinstance(body, Enrolment),
        tree_size=tree.size,
        peaks=tree.peaks(),
        session=_read_at(state.session, common.clock),
    )
    state = _owed(state, entry)
    match body:
        case Enrolment():
            return replace(
                state, public_key=body.public_key, spool_id=body.spool_id, endorsements=_kept((), body.endorsements)
            )
        case Key():
            return _after_key(state, body)
        case Session():
            opened = OpenSession(
                id=common.session_id or b"",
                began=common.clock,
                streams=body.streams,
                media_boot=common.clock[2],
                readings=(common.clock,),
                mode=body.mode,
            )
            return replace(state, session=opened, ordinal=max(state.ordinal, body.ordinal))
        case SessionEnd():
            return replace(state, session=None)
        case _ if state.session is not None and common.session_id == state.session.id:
            return replace(state, session=_in_session(state.session, entry))
        case _:
            return state


def _owed(state: JournalState, entry: Entry) -> JournalState:
    """FORMAT.md 5.7: what forbids recording, and what is owed, stands until the entry that ends just this."""
    match entry.body:
        case Inhibition() as body:
            return _inhibited(state, entry.common.seq, body)
        case Duty() | Refusal() | Event():
            return _duties(state, entry)
        case Check(code=CheckCode.BEFORE_RECORDING | CheckCode.DAILY as code):
            utc_ms, boottime_ns, boot_id, *_ = entry.common.clock
            newest = LastCheck(code=int(code), utc_ms=utc_ms, at=(boot_id, boottime_ns))
            return replace(state, checks=(*(one for one in state.checks if one.code != code), newest))
        case _:
            return state


def _duties(state: JournalState, entry: Entry) -> JournalState:
    match entry.body:
        case Duty(act=DutyAct.OPENED) as body:
            duty = OpenDuty(seq=entry.common.seq, code=body.code, refers_to=body.refers_to)
            due = tuple(one for one in state.due if one != (body.refers_to, body.code))
            return replace(state, duties=(*state.duties, duty)[-STANDING_KEPT:], due=due)
        case Duty(act=DutyAct.DISCHARGED) as body:
            return replace(state, duties=tuple(duty for duty in state.duties if duty.seq != body.refers_to))
        case Refusal(code=code) if code not in DESTRUCTION_REFUSALS:
            return replace(state, due=(*state.due, (entry.common.seq, DutyCode.REPORT))[-STANDING_KEPT:])
        case Event(code=EventCode.SCHEDULED_NOT_RECORDED):
            return replace(state, due=(*state.due, (entry.common.seq, DutyCode.WRITTEN_STATEMENT))[-STANDING_KEPT:])
        case _:
            return state


def _inhibited(state: JournalState, seq: int, body: Inhibition) -> JournalState:
    match body.act:
        case InhibitionAct.SET:
            standing = Standing(seq=seq, code=body.code, at=_instant(body.at))
            state = replace(state, inhibitions=(*state.inhibitions, standing)[-STANDING_KEPT:])
            if body.code != InhibitionCode.WITHHELD:
                return state
            return replace(state, unapproved=(*state.unapproved, seq)[-STANDING_KEPT:])
        case InhibitionAct.APPROVED:
            return replace(state, unapproved=tuple(owed for owed in state.unapproved if owed != body.placed))
        case InhibitionAct.CLEARED:
            return replace(state, inhibitions=tuple(one for one in state.inhibitions if one.seq != body.placed))
        case _:
            return state


def _after_key(state: JournalState, body: Key) -> JournalState:
    """FORMAT.md 5.3.1: whatever act names a new key, it is the key from here on."""
    state = replace(state, retired=state.retired or (body.act == KeyAct.RETIRED and body.new_public_key is None))
    if body.act == KeyAct.COMPROMISED and state.lost_key and body.subject == cose.key_id(state.lost_key):
        state = replace(state, lost_key=b"")  # a compromised key never comes back
    if body.new_public_key is None:
        return state
    emergency = body.act == KeyAct.EMERGENCY
    lost = b""
    if emergency:
        lost = state.lost_key if state.emergency else state.public_key
    session = state.session
    if session is not None:
        former = dict.fromkeys((*session.former, kid_in_force(state)))
        session = replace(session, former=tuple(former)[-FORMER_KEPT:])
    return replace(
        state,
        session=session,
        public_key=body.new_public_key,
        emergency=emergency,
        lost_key=lost,
        endorsements=_kept(state.endorsements, body.endorsements),
    )


def _kept(before: tuple[bytes, ...], more: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The newest endorsements of the log, bounded: a start asks them what the key is for."""
    return tuple(dict.fromkeys((*before, *more)))[-ENDORSEMENTS_KEPT:]


def _read_at(session: OpenSession | None, clock: Clock) -> OpenSession | None:
    """The same session, with the newest reading of this boot."""
    if session is None:
        return None
    others = tuple(row for row in session.readings if row[2] != clock[2])
    return replace(session, readings=(*others, clock)[-READINGS_KEPT:])


def _in_session(session: OpenSession, entry: Entry) -> OpenSession:
    if not isinstance(entry.body, Segment):
        media_boot = entry.body.until[0] if isinstance(entry.body, GapEnd) else entry.common.clock[2]
        session = replace(session, media_boot=media_boot, visit=_visit(session.visit, entry))
    match entry.body:
        case Segment() as statement:
            return replace(
                session,
                segments=session.segments + 1,
                frames=sum(statement.frames),
                samples=sum(statement.samples),
                last=statement.last,
                media_end=(session.media_boot, statement.span_ns[1]),
            )
        case Gap() as gap:
            opened = OpenGap(
                seq=entry.common.seq,
                stream=gap.stream,
                since=_instant(gap.since),
                lost=sum(gap.measured[:1]),
                cause=gap.cause,
            )
            unexplained = (*session.unexplained, entry.common.seq)[-STANDING_KEPT:]
            open_gaps = (*session.open_gaps, opened)
            return replace(session, gaps=session.gaps + 1, open_gaps=open_gaps, unexplained=unexplained)
        case GapEnd() as end:
            return replace(session, open_gaps=tuple(g for g in session.open_gaps if g.seq != end.gap_seq))
        case Mark(code=MarkCode.SPOKEN_EXPLANATION) as mark:
            return replace(session, unexplained=tuple(seq for seq in session.unexplained if seq != mark.refers_to))
        case _:
            return session


def _visit(visit: OpenVisit | None, entry: Entry) -> OpenVisit | None:
    """The visit that goes on after an entry of its session."""
    match entry.body:
        case Visit(act=VisitAct.BEGUN, at=at):
            return OpenVisit(seq=entry.common.seq, at=_instant(at))
        case Visit():
            return None
        case Mark(code=MarkCode.NOTICE_GIVEN, boottime_ns=at_ns) if visit is not None:
            told = entry.common.clock[2] == visit.at[0] and at_ns >= visit.at[1]
            return replace(visit, settled=visit.settled or told)
        case Event(code=EventCode.VISIT_NOTICE_MISSING) if visit is not None:
            return replace(visit, settled=True)
        case _:
            return visit


def _instant(row: Instant) -> Instant:
    return (row[0], row[1])


def kid_in_force(state: JournalState) -> bytes:
    """The kid of the key that seals what is written next."""
    return cose.key_id(state.public_key) if state.public_key else b""
