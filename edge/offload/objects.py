"""One object on its way to the store: what it is, where its bytes lie in the spool, how far it has come."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from edge.offload.queue import NO_DEADLINE_MS, Kind
from liuhen.registry import ObjectKind, RetentionMode

WHAT: dict[Kind, ObjectKind] = {
    Kind.SLICE: ObjectKind.JOURNAL,
    Kind.CHECKPOINT: ObjectKind.CHECKPOINT,
    Kind.RECORD: ObjectKind.RECORD,
    Kind.SEGMENT: ObjectKind.SEGMENT,
    Kind.QUARANTINED: ObjectKind.QUARANTINED,
}
"""What a receipt calls it. A beacon proves nothing and gets none."""


class Stage(enum.IntEnum):
    """How far an object is. Durable before the next step begins; a step may be repeated, none may be skipped.

    | stage | what is known | what is next |
    |---|---|---|
    | UNKNOWN | it may have been sent: a send was begun, or the state is new | look for it |
    | SEALED | it was never sent | hash the local bytes, send |
    | PUT | the store took it under a version | read that version back |
    | READ_BACK | those bytes are the signed ones | ask how long they are kept |
    | RETAINED | they are kept long enough | tell the recorder |
    | RECEIPTED | the journal says so | nothing |
    | GONE | destroyed or reclaimed here | nothing |
    | LOCAL_DIFFERS | the local bytes are not those that were signed | a person |
    """

    UNKNOWN = 0
    SEALED = 1
    PUT = 2
    READ_BACK = 3
    RETAINED = 4
    RECEIPTED = 5
    GONE = 8
    LOCAL_DIFFERS = 9


WAITING = (Stage.UNKNOWN, Stage.SEALED, Stage.PUT, Stage.READ_BACK)
"""What the store is still to be asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part of a file below the spool. `to_end` also checks that the file ends there: a whole file is meant."""

    path: str
    offset: int
    size: int
    to_end: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A session is to be kept until then (UTC ms), as an entry said whose clock stood at `said_ms`."""

    until_ms: int
    said_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """An object that the device has sealed and the store should keep."""

    kind: Kind
    key: str
    content: bytes
    """Names what it is (FORMAT.md 12.2)."""
    digest: bytes
    """SHA-256 of the object's bytes; stands in its key."""
    size: int
    span: Span
    session: bytes | None = None
    sealed_ms: int = 0
    """UTC ms of the entry that states it."""
    due_ms: int = NO_DEADLINE_MS
    entries: tuple[int, int] | None = None
    """Of a slice: its first entry and its last."""
    term: Term | None = None
    """Until when its session is to be kept, where an entry says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """A record that an entry of this session and time names, and that the system cannot read: no object yet."""

    commitment: bytes
    session: bytes | None
    sealed_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the store said of the version that holds it. Times in UTC ms by the store's own clock."""

    version: str
    store_ms: int
    server_key: bytes | None
    mode: RetentionMode = RetentionMode.NONE
    until_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """An object as the state holds it. `stored` is None before the store took it; `tries` counts its own faults."""

    number: int
    sealed: Sealed
    stage: Stage
    stored: Stored | None = None
    tries: int = 0
