"""Every kind of signed statement and its fields: the table FORMAT.md 5 and 6 is printed from.

A kind is closed: exactly these keys, each of its shape. A new need is a new kind, never a new key.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self, TypeVar

from liuhen.cbor import Value
from liuhen.errors import FormatError
from liuhen.registry import EntryClass
from liuhen.shapes import (
    BIT,
    CLOCK,
    CODE,
    COMMITMENTS,
    ENDORSEMENTS,
    HASH,
    HEAD,
    ID16,
    INSTANT,
    MEASURED,
    SINT,
    SOFTWARE,
    SPAN_NS,
    STREAM,
    UINT,
    Integer,
    Nullable,
    Rows,
    Shape,
    Text,
    row,
)

FORMAT_VERSION = 1

Pair = tuple[int, int]
NO_UPPER_BOUND_NS = 2**63 - 1
"""The second number of a gap's length where no clock says how long it can have been at most (FORMAT.md 5.4)."""
Head = tuple[int, bytes]
Clock = tuple[int, int, bytes, int, int]
Instant = tuple[bytes, int]
Commitments = tuple[tuple[int, bytes], ...]
Software = tuple[tuple[str, str, str, int], ...]


def key(number: int, shape: Shape) -> Any:
    """A field with its CBOR map key and shape."""
    return field(metadata={"key": number, "shape": shape})


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The kind-specific fields of one statement."""

    KIND: ClassVar[str]

    def to_map(self) -> dict[int, Value]:
        """The fields as CBOR map, checked against their shapes."""
        mapped: dict[int, Value] = {}
        for number, name, shape in columns(type(self)):
            value = _plain(getattr(self, name))
            shape.check(value, f"{self.KIND}.{name}")
            mapped[number] = value
        return mapped

    @classmethod
    def from_map(cls, mapped: dict[int, Value], *, where: str) -> Self:
        """The statement from exactly its keys. Raises FormatError for a missing, surplus or misshapen one."""
        table = columns(cls)
        if mapped.keys() != {number for number, _, _ in table}:
            raise FormatError(where, f"keys {sorted(mapped)} are not those of {cls.KIND}")
        for number, name, shape in table:
            shape.check(mapped[number], f"{where}.{name}")
        return cls(**{name: mapped[number] for number, name, _ in table})


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryBody(Body):
    """The kind-specific fields of a journal entry."""

    CLASS: ClassVar[EntryClass]


@dataclass(frozen=True, slots=True, kw_only=True)
class Common(Body):
    """The fields every journal entry carries (FORMAT.md 5.1)."""

    KIND: ClassVar[str] = "common"
    version: int = key(0, Integer(low=1, high=1, name="1"))
    log_id: bytes = key(1, ID16)
    run: int = key(2, UINT)
    seq: int = key(3, UINT)
    prev: bytes = key(4, HASH)
    session_id: bytes | None = key(5, Nullable(ID16))
    clock: Clock = key(6, CLOCK)
    entry_class: int = key(7, Integer(high=3, name="class"))
    seen: tuple[int, bytes, int, bytes] | None = key(8, Nullable(row(size=UINT, root=HASH, utc_ms=SINT, witness=HASH)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment(EntryBody):
    """Entry 0 of every log: which key speaks for it, and who endorsed that key."""

    KIND: ClassVar[str] = "enrolment"
    CLASS: ClassVar[EntryClass] = EntryClass.STATE
    public_key: bytes = key(9, HASH)
    endorsements: tuple[bytes, ...] = key(10, ENDORSEMENTS)
    spool_id: bytes = key(11, ID16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(EntryBody):
    """The recorder process started."""

    KIND: ClassVar[str] = "run"
    CLASS: ClassVar[EntryClass] = EntryClass.STATE
    cause: int = key(9, CODE)
    software: Software = key(10, SOFTWARE)
    config_hash: bytes = key(11, HASH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(EntryBody):
    """The run ended in order; without this entry the next run begins after an unclean end."""

    KIND: ClassVar[str] = "stop"
    CLASS: ClassVar[EntryClass] = EntryClass.STATE
    cause: int = key(9, CODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session(EntryBody):
    """A session was opened; `promise` is what silence is measured against."""

    KIND: ClassVar[str] = "session"
    CLASS: ClassVar[EntryClass] = EntryClass.STATE
    ordinal: int = key(9, UINT)
    mode: int = key(10, CODE)
    config_hash: bytes = key(11, HASH)
    profile_hash: bytes | None = key(12, Nullable(HASH))
    software: Software = key(13, SOFTWARE)
    promise: tuple[int, int, int, int] = key(
        14, row(segment_ms=UINT, fragment_ms=UINT, heartbeat_ms=UINT, checkpoint_ms=UINT)
    )
    streams: tuple[tuple[int, str, int, int, int], ...] = key(
        15, Rows(row(stream=STREAM, codec=Text(16), a=UINT, b=UINT, c=UINT), limit=2)
    )
    records: Commitments = key(16, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnd(EntryBody):
    """A session was closed; nothing of it follows."""

    KIND: ClassVar[str] = "session-end"
    CLASS: ClassVar[EntryClass] = EntryClass.STATE
    cause: int = key(9, CODE)
    segments: int = key(10, UINT)
    frames: int = key(11, UINT)
    samples: int = key(12, UINT)
    gaps: int = key(13, UINT)
    records: Commitments = key(14, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment(EntryBody):
    """A segment file was closed; every byte of it follows from this statement."""

    KIND: ClassVar[str] = "segment"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    number: int = key(9, UINT)
    size: int = key(10, UINT)
    file_hash: bytes = key(11, HASH)
    initial: bytes = key(12, HASH)
    fragments: tuple[tuple[int, bytes, int, bytes], ...] = key(
        13, Rows(row(size=UINT, h=HASH, seal_box_size=UINT, seal_hash=HASH), limit=700)
    )
    last: bytes = key(14, HASH)
    frames: Pair = key(15, row(first_index=UINT, count=UINT))
    samples: Pair = key(16, row(first_index=UINT, count=UINT))
    span_ns: Pair = key(17, SPAN_NS)
    missed: Pair = key(18, row(frames=UINT, samples=UINT))
    end_cause: int = key(19, CODE)
    sound_clock: tuple[int, int, int] | None = key(
        20, Nullable(row(anchor_ns=UINT, parts_per_billion=SINT, measured=BIT))
    )
    previous: bytes = key(21, HASH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(EntryBody):
    """Media, or one stream of it, is absent from `since` on; the gap's name is this entry's seq."""

    KIND: ClassVar[str] = "gap"
    CLASS: ClassVar[EntryClass] = EntryClass.OPENS_GAP
    stream: int | None = key(9, Nullable(STREAM))
    cause: int = key(10, CODE)
    since: Instant = key(11, INSTANT)
    measured: tuple[int, ...] = key(12, MEASURED)
    evidence: tuple[int, ...] = key(13, Rows(UINT, limit=64))
    records: Commitments = key(14, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class GapEnd(EntryBody):
    """Media is back, or the session ends without it; bounds are equal where both ends lie in one boot."""

    KIND: ClassVar[str] = "gap-end"
    CLASS: ClassVar[EntryClass] = EntryClass.CLOSES_GAP
    gap_seq: int = key(9, UINT)
    until: Instant = key(10, INSTANT)
    length_ns: Pair = key(11, row(min_ns=UINT, max_ns=UINT))
    lost: tuple[int | None, int | None] = key(12, row(frames=Nullable(UINT), samples=Nullable(UINT)))
    resumed: int = key(13, BIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark(EntryBody):
    """A person or the device marked a point in the session."""

    KIND: ClassVar[str] = "mark"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    code: int = key(9, CODE)
    boottime_ns: int = key(10, UINT)
    frame_index: int | None = key(11, Nullable(UINT))
    sample_index: int | None = key(12, Nullable(UINT))
    refers_to: int | None = key(13, Nullable(UINT))
    step: int | None = key(14, Nullable(CODE))
    records: Commitments = key(15, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(EntryBody):
    """Something happened that a reader must know, with what was measured."""

    KIND: ClassVar[str] = "event"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    code: int = key(9, CODE)
    severity: int = key(10, CODE)
    stream: int | None = key(11, Nullable(STREAM))
    span_ns: Pair = key(12, SPAN_NS)
    measured: tuple[int, ...] = key(13, MEASURED)
    refers_to: int | None = key(14, Nullable(UINT))
    records: Commitments = key(15, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(EntryBody):
    """The recorder is alive and this is how far durable media reaches; its absence is a finding."""

    KIND: ClassVar[str] = "heartbeat"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    position: tuple[int, int, bytes] | None = key(9, Nullable(row(segment=UINT, fragment=UINT, r=HASH)))
    frames: int = key(10, UINT)
    samples: int = key(11, UINT)
    missed: Pair = key(12, row(frames=UINT, samples=UINT))
    queue_ms: int = key(13, UINT)
    seal_delay_ms: int = key(14, UINT)
    free_bytes: int = key(15, UINT)
    parts_per_billion: int | None = key(16, Nullable(SINT))
    level_millibel: Pair | None = key(17, Nullable(row(peak=SINT, rms=SINT)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint(EntryBody):
    """Size and RFC 6962 root of the journal before this entry, with the peaks a restart continues from."""

    KIND: ClassVar[str] = "checkpoint"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    size: int = key(9, UINT)
    root: bytes = key(10, HASH)
    peaks: tuple[bytes, ...] = key(11, Rows(HASH, limit=64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend(EntryBody):
    """A correction: the amended entry stays as it is; this says what is known better."""

    KIND: ClassVar[str] = "amend"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    refers_to: int = key(9, UINT)
    refers_to_hash: bytes = key(10, HASH)
    length_ns: Pair | None = key(11, Nullable(row(min_ns=UINT, max_ns=UINT)))
    cause: int | None = key(12, Nullable(CODE))
    records: Commitments = key(13, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered(EntryBody):
    """What a start found after an unclean end, and what it set aside."""

    KIND: ClassVar[str] = "recovered"
    CLASS: ClassVar[EntryClass] = EntryClass.STATE
    head: Head | None = key(9, Nullable(HEAD))
    torn_journal_bytes: int = key(10, UINT)
    last_durable: tuple[bytes, int, int] | None = key(11, Nullable(row(session=ID16, segment=UINT, fragment=UINT)))
    quarantined: tuple[tuple[bytes, int, int, bytes], ...] = key(
        12, Rows(row(session=ID16, segment=UINT, size=UINT, hash=HASH), limit=64)
    )
    rotten: tuple[tuple[int, int, int], ...] = key(13, Rows(row(file=UINT, offset=UINT, size=UINT), limit=64))
    since: Instant | None = key(14, Nullable(INSTANT))
    length_ns: Pair | None = key(15, Nullable(row(min_ns=UINT, max_ns=UINT)))
    cause: int = key(16, CODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroyed(EntryBody):
    """Content is destroyed by order; written before the content goes, and its commitment stays in the chain."""

    KIND: ClassVar[str] = "destroyed"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    contents: tuple[tuple[int, bytes], ...] = key(9, Rows(row(what=CODE, hash=HASH), limit=512))
    basis: int = key(10, CODE)
    records: Commitments = key(11, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(EntryBody):
    """A key was rotated, retired, found compromised, replaced in an emergency, or is back after one."""

    KIND: ClassVar[str] = "key"
    CLASS: ClassVar[EntryClass] = EntryClass.STATE
    act: int = key(9, CODE)
    subject: bytes = key(10, HASH)
    new_public_key: bytes | None = key(11, Nullable(HASH))
    endorsements: tuple[bytes, ...] = key(12, ENDORSEMENTS)
    last_trusted: Head | None = key(13, Nullable(HEAD))
    old_head: Head | None = key(14, Nullable(HEAD))
    cause: int = key(15, CODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal(EntryBody):
    """A start was refused, which opens the duty to report; or the destruction of content was."""

    KIND: ClassVar[str] = "refusal"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    code: int = key(9, CODE)
    measured: tuple[int, ...] = key(10, MEASURED)
    records: Commitments = key(11, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(EntryBody):
    """A configuration choice with a ground, because a right hangs on it."""

    KIND: ClassVar[str] = "choice"
    CLASS: ClassVar[EntryClass] = EntryClass.STATE
    code: int = key(9, CODE)
    value: int = key(10, SINT)
    records: Commitments = key(11, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention(EntryBody):
    """How long a session must be kept; later entries only ever extend it."""

    KIND: ClassVar[str] = "retention"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    session: bytes = key(9, ID16)
    until_ms: int | None = key(10, Nullable(SINT))
    basis: int = key(11, CODE)
    records: Commitments = key(12, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(EntryBody):
    """Nothing of a session may be destroyed, whatever its term, until the hold is lifted."""

    KIND: ClassVar[str] = "hold"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    act: int = key(9, CODE)
    session: bytes | None = key(10, Nullable(ID16))
    placed: int | None = key(11, Nullable(UINT))
    records: Commitments = key(12, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inhibition(EntryBody):
    """Recording is forbidden from `at` on, or what forbade it was approved by a second person, or is over."""

    KIND: ClassVar[str] = "inhibition"
    CLASS: ClassVar[EntryClass] = EntryClass.STATE
    code: int = key(9, CODE)
    act: int = key(10, CODE)
    at: Instant = key(11, INSTANT)
    placed: int | None = key(12, Nullable(UINT))
    records: Commitments = key(13, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty(EntryBody):
    """A person owes a report or a written statement, or has given it."""

    KIND: ClassVar[str] = "duty"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    code: int = key(9, CODE)
    act: int = key(10, CODE)
    refers_to: int = key(11, UINT)
    records: Commitments = key(12, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(EntryBody):
    """The device was checked, before a recording or daily; one row for each item."""

    KIND: ClassVar[str] = "check"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    code: int = key(9, CODE)
    rows: tuple[tuple[int, int, int], ...] = key(10, Rows(row(item=CODE, outcome=CODE, measured=SINT), limit=32))
    records: Commitments = key(11, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance(EntryBody):
    """Somebody maintained the device; a record says who and what."""

    KIND: ClassVar[str] = "maintenance"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    code: int = key(9, CODE)
    records: Commitments = key(10, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt(EntryBody):
    """What `offload` read back from a store: its claim, never the store's; it proves nothing by itself."""

    KIND: ClassVar[str] = "receipt"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    store: bytes = key(9, HASH)
    designated: int = key(10, BIT)
    mode: int = key(11, CODE)
    server_key: bytes | None = key(12, Nullable(HASH))
    objects: tuple[tuple[int, bytes, bytes, int, str, int | None, int], ...] = key(
        13,
        Rows(
            row(
                what=CODE,
                content=HASH,
                hash=HASH,
                size=UINT,
                version=Text(128),
                retained_until_ms=Nullable(SINT),
                store_utc_ms=SINT,
            ),
            limit=128,
        ),
    )
    records: Commitments = key(14, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(EntryBody):
    """A local operator's order; code 1 stands for the witness of a reclaim, never for receipt, retention or hold."""

    KIND: ClassVar[str] = "order"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    code: int = key(9, CODE)
    session: bytes | None = key(10, Nullable(ID16))
    records: Commitments = key(11, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reclaimed(EntryBody):
    """The local copy of content goes because a store holds it; written before the first byte goes."""

    KIND: ClassVar[str] = "reclaimed"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    contents: tuple[tuple[int, bytes], ...] = key(9, Rows(row(what=CODE, hash=HASH), limit=512))
    receipts: tuple[int, ...] = key(10, Rows(UINT, limit=64))
    witness: tuple[int, bytes, int, bytes] | None = key(
        11, Nullable(row(size=UINT, root=HASH, utc_ms=SINT, witness=HASH))
    )
    order: int | None = key(12, Nullable(UINT))
    records: Commitments = key(13, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure(EntryBody):
    """What the session follows: a profile's procedure with its steps, and what is due to the parties (5.9)."""

    KIND: ClassVar[str] = "procedure"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    profile: tuple[str, bytes] = key(9, row(name=Text(64), hash=HASH))
    code: int = key(10, CODE)
    steps: tuple[tuple[str, int], ...] = key(11, Rows(row(title=Text(400), required=BIT), limit=64))
    points: tuple[str, ...] = key(12, Rows(Text(400), limit=64))
    notice_ms: int | None = key(13, Nullable(UINT))
    plate: int = key(14, BIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header(EntryBody):
    """What the session is about; names and numbers are records, one for each field. A later one adds and amends."""

    KIND: ClassVar[str] = "header"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    amends: int | None = key(9, Nullable(UINT))
    matter: str | None = key(10, Nullable(Text(64)))
    secrecy: int = key(11, CODE)
    ex_status: int = key(12, CODE)
    records: Commitments = key(13, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class LateMark(EntryBody):
    """A person marks a moment afterwards: `meant` is as said, the entry's own clock is when it was written."""

    KIND: ClassVar[str] = "late-mark"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    code: int = key(9, CODE)
    meant: Instant = key(10, INSTANT)
    refers_to: int | None = key(11, Nullable(UINT))
    step: int | None = key(12, Nullable(CODE))
    records: Commitments = key(13, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate(EntryBody):
    """A person says that this sealed frame shows the sign of the place; the picture itself stays in the segment."""

    KIND: ClassVar[str] = "plate"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    segment: int = key(9, UINT)
    fragment: int = key(10, UINT)
    frame_index: int = key(11, UINT)
    seal_hash: bytes = key(12, HASH)
    records: Commitments = key(13, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit(EntryBody):
    """A visit or interview began or ended in an always-on room: a named interval of the day's session (5.10)."""

    KIND: ClassVar[str] = "visit"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    act: int = key(9, CODE)
    sort: int = key(10, CODE)
    number: str = key(11, Text(16))
    at: Instant = key(12, INSTANT)
    frame_index: int | None = key(13, Nullable(UINT))
    sample_index: int | None = key(14, Nullable(UINT))
    began: int | None = key(15, Nullable(UINT))
    cause: int = key(16, CODE)
    records: Commitments = key(17, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(EntryBody):
    """A person says how far the case of a session has come, and since which day; archive terms run from it (5.11)."""

    KIND: ClassVar[str] = "case"
    CLASS: ClassVar[EntryClass] = EntryClass.INFORMATION
    stage: int = key(9, CODE)
    session: bytes = key(10, ID16)
    day: int = key(11, SINT)
    due: int | None = key(12, Nullable(SINT))
    records: Commitments = key(13, COMMITMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal(Body):
    """Signed after each fragment, in the same file, outside the chain (FORMAT.md 6.3)."""

    KIND: ClassVar[str] = "seal"
    version: int = key(0, Integer(low=1, high=1, name="1"))
    log_id: bytes = key(1, ID16)
    run: int = key(2, UINT)
    session_id: bytes = key(5, ID16)
    segment: int = key(9, UINT)
    fragment: int = key(10, UINT)
    r: bytes = key(11, HASH)
    offset: int = key(12, UINT)
    head: Head = key(13, HEAD)
    frames: int = key(14, UINT)
    samples: int = key(15, UINT)
    span_ns: Pair = key(16, SPAN_NS)
    delay_ms: int = key(17, UINT)
    end_cause: int | None = key(18, Nullable(CODE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity(Body):
    """The unsigned content of the identity box; seal 1 covers it through r_0 (FORMAT.md 6.2)."""

    KIND: ClassVar[str] = "identity"
    version: int = key(0, Integer(low=1, high=1, name="1"))
    log_id: bytes = key(1, ID16)
    run: int = key(2, UINT)
    session_id: bytes = key(5, ID16)
    clock: Clock = key(6, CLOCK)
    segment: int = key(9, UINT)
    public_key: bytes = key(10, HASH)
    endorsements: tuple[bytes, ...] = key(11, ENDORSEMENTS)
    previous: bytes = key(12, HASH)
    first_frame: int = key(13, UINT)
    first_sample: int = key(14, UINT)
    streams: tuple[int, ...] = key(15, Rows(STREAM, limit=2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsement(Body):
    """An organisation root says which device key speaks for which log, and for what (FORMAT.md 9.2)."""

    KIND: ClassVar[str] = "endorsement"
    version: int = key(0, Integer(low=1, high=1, name="1"))
    log_id: bytes = key(1, ID16)
    public_key: bytes = key(9, HASH)
    purpose: int = key(10, Integer(high=1, name="purpose"))
    custody: int = key(11, Integer(high=1, name="custody"))
    not_before_ms: int = key(12, SINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness(Body):
    """A witness saw this journal up to a checkpoint, and re-hashed these media, in a store (FORMAT.md 12.4)."""

    KIND: ClassVar[str] = "witness"
    version: int = key(0, Integer(low=1, high=1, name="1"))
    log_id: bytes = key(1, ID16)
    store: bytes = key(9, HASH)
    size: int = key(10, UINT)
    root: bytes = key(11, HASH)
    utc_ms: int = key(12, SINT)
    media: tuple[bytes, ...] = key(13, Rows(HASH, limit=1024))


@dataclass(frozen=True, slots=True, kw_only=True)
class Access(Body):
    """Somebody copied content out of a store: for what, by whose approval, which sessions (FORMAT.md 12.5)."""

    KIND: ClassVar[str] = "access"
    version: int = key(0, Integer(low=1, high=1, name="1"))
    log_id: bytes = key(1, ID16)
    utc_ms: int = key(9, SINT)
    actor: str = key(10, Text(120))
    purpose: str = key(11, Text(600))
    approval: str = key(12, Text(120))
    sessions: tuple[bytes, ...] = key(13, Rows(ID16, limit=1024))
    objects: tuple[int, bytes] = key(14, row(count=UINT, root=HASH))


ENTRY_KINDS: dict[str, type[EntryBody]] = {
    kind.KIND: kind
    for kind in (
        Enrolment,
        Run,
        Stop,
        Session,
        SessionEnd,
        Segment,
        Gap,
        GapEnd,
        Mark,
        Event,
        Heartbeat,
        Checkpoint,
        Amend,
        Recovered,
        Destroyed,
        Key,
        Refusal,
        Choice,
        Retention,
        Hold,
        Inhibition,
        Duty,
        Check,
        Maintenance,
        Receipt,
        Order,
        Reclaimed,
        Procedure,
        Header,
        LateMark,
        Plate,
        Visit,
        Case,
    )
}

B = TypeVar("B", bound=Body)


def columns(kind: type[Body]) -> tuple[tuple[int, str, Shape], ...]:
    """(map key, field name, shape) of a kind, in key order."""
    cached = _COLUMNS.get(kind)
    if cached is None:
        cached = tuple(sorted((f.metadata["key"], f.name, f.metadata["shape"]) for f in fields(kind) if f.metadata))
        _COLUMNS[kind] = cached
    return cached


_COLUMNS: dict[type[Body], tuple[tuple[int, str, Shape], ...]] = {}


def _plain(value: Any) -> Value:
    """Turn IntEnum members into integers, in tuples too."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    return value  # type: ignore[no-any-return]
