"""Two local slots that hold the journal's state in turn, so that a start reads its end and not its past.

Written by the journal's thread, read by a start. A slot is `device/slot-0.cbor` or `device/slot-1.cbor`: one envelope,
signed by the key in force, replaced whole. It is no evidence: it says where in which file the entry it speaks of lies,
and is believed only if that entry is there. With no slot to believe, a start reads the journal from its first entry.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from edge import durable
from edge.journal_state import (
    FORMER_KEPT,
    READINGS_KEPT,
    STANDING_KEPT,
    JournalState,
    LastCheck,
    OpenDuty,
    OpenGap,
    OpenSession,
    OpenVisit,
    Standing,
)
from liuhen import cbor, cose
from liuhen.errors import FormatError
from liuhen.kinds import Body, Clock, Head, Instant, key
from liuhen.registry import CheckCode
from liuhen.shapes import (
    BIT,
    CLOCK,
    CODE,
    ENDORSEMENTS,
    HASH,
    HEAD,
    ID16,
    INSTANT,
    STREAM,
    UINT,
    Nullable,
    Rows,
    Text,
    row,
)

OPEN_GAPS_LIMIT = 64
CHECKS_KEPT = len(CheckCode)
OWED_LIMIT = 5 * STANDING_KEPT + CHECKS_KEPT + 1
FOLDER = "device"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an entry lies: the journal file's number, the offset of its first byte and of the byte after its last."""

    file: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A state, and the place of the entry it reaches to."""

    state: JournalState
    place: Place


class _Owed(enum.IntEnum):
    """What a row of `owed` is about."""

    INHIBITION = 0
    APPROVAL = 1
    DUTY = 2
    EXPLANATION = 3
    CHECK = 4
    """Not owed, but when the next one is: UTC in ms stands where the others have a seq."""
    VISIT = 5
    """The visit that goes on; the code says whether its notice is settled."""
    DUE = 6
    """What makes a duty due that has no entry yet; the code is the duty's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored(Body):
    """The fields of a slot file; local to this program and never part of an archive."""

    KIND: ClassVar[str] = "slot"
    media_boot: bytes | None = key(0, Nullable(ID16))
    ids: tuple[bytes, bytes] = key(1, row(log_id=ID16, spool_id=ID16))
    run: int = key(2, UINT)
    head: Head = key(3, HEAD)
    clock: Clock = key(4, CLOCK)
    place: tuple[int, int, int] = key(5, row(file=UINT, start=UINT, end=UINT))
    public_key: bytes = key(6, HASH)
    kid: bytes = key(7, HASH)
    flags: tuple[int, int, int, int] = key(8, row(retired=BIT, in_order=BIT, begun=BIT, emergency=BIT))
    tree_size: int = key(9, UINT)
    peaks: tuple[bytes, ...] = key(10, Rows(HASH, limit=64))
    endorsements: tuple[bytes, ...] = key(11, Rows(ENDORSEMENTS.shape, limit=16))
    owed: tuple[tuple[int, int, int, int, bytes], ...] = key(
        12,
        Rows(row(what=CODE, seq=UINT, code=CODE, number=UINT, boot_id=ID16), limit=OWED_LIMIT),
    )
    ordinal: int = key(13, UINT)
    session: bytes | None = key(14, Nullable(ID16))
    began: Clock | None = key(15, Nullable(CLOCK))
    streams: tuple[tuple[int, str, int, int, int], ...] = key(
        16, Rows(row(stream=STREAM, codec=Text(16), a=UINT, b=UINT, c=UINT), limit=2)
    )
    counts: tuple[int, int, int, int, int, int] = key(
        17, row(segments=UINT, frames=UINT, samples=UINT, gaps=UINT, whole=BIT, mode=CODE)
    )
    last: bytes = key(18, HASH)
    media_end: Instant | None = key(19, Nullable(INSTANT))
    open_gaps: tuple[tuple[int, int | None, bytes, int, int, int], ...] = key(
        20,
        Rows(
            row(seq=UINT, stream=Nullable(STREAM), boot_id=ID16, since_ns=UINT, lost=UINT, cause=CODE),
            limit=OPEN_GAPS_LIMIT,
        ),
    )
    lost_key: bytes | None = key(21, Nullable(HASH))
    former: tuple[bytes, ...] = key(22, Rows(HASH, limit=FORMER_KEPT))
    readings: tuple[Clock, ...] = key(23, Rows(CLOCK, limit=READINGS_KEPT))


def slot_paths(root: Path) -> tuple[Path, Path]:
    """The two files of a spool."""
    return root / FOLDER / "slot-0.cbor", root / FOLDER / "slot-1.cbor"


def read_slots(root: Path) -> list[tuple[int, Slot]]:
    """What the slots hold with their numbers, newest first; one that cannot be read or believed is left out."""
    found = [(number, slot) for number, path in enumerate(slot_paths(root)) if (slot := _read(path)) is not None]
    return sorted(found, key=lambda numbered: numbered[1].state.next_seq, reverse=True)


def slot_change(path: Path, slot: Slot, signer: cose.Signer) -> durable.Replace:
    """What writes one slot."""
    content = cose.sign(signer, _Stored.KIND, cbor.encode(_stored(slot).to_map()))
    return durable.Replace(path=path, content=content)


def worth_a_slot(state: JournalState) -> bool:
    """A state that fits: more open gaps than a slot holds are read from the entries again."""
    return state.head is not None and (state.session is None or len(state.session.open_gaps) <= OPEN_GAPS_LIMIT)


def _read(path: Path) -> Slot | None:
    try:
        with durable.opened(path) as file:
            encoded = file.read(cose.ENTRY_LIMIT_BYTES + 1)
        envelope = cose.parse(encoded, where=path.name)
        if envelope.kind != _Stored.KIND:
            return None
        stored = _Stored.from_map(cbor.decode_map(envelope.payload, where=path.name), where=path.name)
        cose.verify(envelope, stored.public_key, where=path.name)
        return _slot(stored)
    except (OSError, FormatError):
        return None  # it is no evidence: without it a start reads more of the journal


def _stored(slot: Slot) -> _Stored:
    state, place = slot.state, slot.place
    session = state.session or OpenSession(id=b"", began=state.clock, streams=())
    return _Stored(
        ids=(state.log_id, state.spool_id),
        run=state.run,
        head=state.head or (0, bytes(32)),
        clock=state.clock,
        place=(place.file, place.start, place.end),
        public_key=state.public_key,
        kid=state.kid,
        flags=(int(state.retired), int(state.in_order), int(state.begun), int(state.emergency)),
        tree_size=state.tree_size,
        peaks=state.peaks,
        endorsements=state.endorsements,
        owed=_owed(state),
        ordinal=state.ordinal,
        session=session.id if state.session is not None else None,
        began=session.began if state.session is not None else None,
        streams=session.streams,
        counts=(session.segments, session.frames, session.samples, session.gaps, int(session.whole), session.mode),
        last=session.last,
        media_end=session.media_end,
        open_gaps=tuple((g.seq, g.stream, g.since[0], g.since[1], g.lost, g.cause) for g in session.open_gaps),
        lost_key=state.lost_key or None,
        former=session.former,
        media_boot=session.media_boot or None,
        readings=session.readings,
    )


def _owed(state: JournalState) -> tuple[tuple[int, int, int, int, bytes], ...]:
    """What is not over, in one table: the fields of a signed map are few."""
    unexplained = state.session.unexplained if state.session is not None else ()
    visit = state.session.visit if state.session is not None else None
    visits = () if visit is None else (visit,)
    return (
        *((_Owed.INHIBITION, one.seq, one.code, one.at[1], one.at[0]) for one in state.inhibitions),
        *((_Owed.APPROVAL, seq, 0, 0, bytes(16)) for seq in state.unapproved),
        *((_Owed.DUTY, duty.seq, duty.code, duty.refers_to, bytes(16)) for duty in state.duties),
        *((_Owed.DUE, seq, code, 0, bytes(16)) for seq, code in state.due),
        *((_Owed.EXPLANATION, seq, 0, 0, bytes(16)) for seq in unexplained),
        *((_Owed.VISIT, one.seq, int(one.settled), one.at[1], one.at[0]) for one in visits),
        *((_Owed.CHECK, max(0, one.utc_ms), one.code, one.at[1], one.at[0]) for one in state.checks),
    )


def _slot(stored: _Stored) -> Slot:
    session = None
    if stored.session is not None and stored.began is not None:
        segments, frames, samples, gaps, whole, mode = stored.counts
        session = OpenSession(
            id=stored.session,
            began=stored.began,
            streams=stored.streams,
            segments=segments,
            frames=frames,
            samples=samples,
            last=stored.last,
            media_end=stored.media_end,
            gaps=gaps,
            open_gaps=tuple(
                OpenGap(seq=seq, stream=stream, since=(boot_id, since_ns), lost=lost, cause=cause)
                for seq, stream, boot_id, since_ns, lost, cause in stored.open_gaps
            ),
            unexplained=tuple(seq for what, seq, *_ in stored.owed if what == _Owed.EXPLANATION),
            whole=bool(whole),
            former=stored.former,
            media_boot=stored.media_boot or b"",
            readings=stored.readings,
            mode=mode,
            visit=next(
                (
                    OpenVisit(seq=seq, at=(boot_id, number), settled=bool(code))
                    for what, seq, code, number, boot_id in stored.owed
                    if what == _Owed.VISIT
                ),
                None,
            ),
        )
    retired, in_order, begun, emergency = stored.flags
    state = JournalState(
        head=stored.head,
        log_id=stored.ids[0],
        spool_id=stored.ids[1],
        run=stored.run,
        kid=stored.kid,
        public_key=stored.public_key,
        retired=bool(retired),
        emergency=bool(emergency),
        lost_key=stored.lost_key or b"",
        clock=stored.clock,
        in_order=bool(in_order),
        begun=bool(begun),
        ordinal=stored.ordinal,
        tree_size=stored.tree_size,
        peaks=stored.peaks,
        endorsements=stored.endorsements,
        session=session,
        inhibitions=tuple(
            Standing(seq=seq, code=code, at=(boot_id, number))
            for what, seq, code, number, boot_id in stored.owed
            if what == _Owed.INHIBITION
        ),
        unapproved=tuple(seq for what, seq, *_ in stored.owed if what == _Owed.APPROVAL),
        duties=tuple(
            OpenDuty(seq=seq, code=code, refers_to=number)
            for what, seq, code, number, _ in stored.owed
            if what == _Owed.DUTY
        ),
        due=tuple((seq, code) for what, seq, code, *_ in stored.owed if what == _Owed.DUE),
        checks=tuple(
            LastCheck(code=code, utc_ms=utc_ms, at=(boot_id, number))
            for what, utc_ms, code, number, boot_id in stored.owed
            if what == _Owed.CHECK
        ),
    )
    file, start, end = stored.place
    return Slot(state=state, place=Place(file=file, start=start, end=end))
