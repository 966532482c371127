"""What a journal says each session consists of, how long it must be kept, and whether it may be destroyed.

Pure: folds entries and decides; opens no file, reads no clock. The rules are those of FORMAT.md 5.6, in the verifier's
own code (`liuhen.keeping`), so that what the device allows is what a stranger finds allowed later.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from liuhen.entry import Entry
from liuhen.hashing import ZERO_HASH
from liuhen.keeping import Content, Keeping
from liuhen.kinds import (
    Amend,
    Case,
    Clock,
    Destroyed,
    Duty,
    Gap,
    Head,
    Hold,
    Inhibition,
    Recovered,
    Refusal,
    Retention,
    Segment,
    Session,
)
from liuhen.registry import DESTRUCTION_REFUSALS, ContentKind, RefusalCode


@dataclass(slots=True, kw_only=True)
class Holding:
    """What the chain says one session consists of. `named` is its `session` entry, which an `amend` refers to."""

    named: Head
    began_ms: int
    segments: dict[bytes, int] = field(default_factory=dict)
    """File hash to segment number."""
    quarantined: dict[bytes, int] = field(default_factory=dict)
    """SHA-256 to size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """These may be destroyed now, in one order."""

    session: bytes
    contents: tuple[Content, ...]
    clock: Clock
    """The reading that allows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """They may not; `until_ms` is the end of the term they wait for, where there is one."""

    code: RefusalCode
    session: bytes
    until_ms: int | None = None


class Ledger:
    """Takes every entry of the journal in order. `whole` is false once one is missing: it might have been a hold.

    Whoever reads them sets it where some could not be read: those behind the last one are missed by nobody else.
    """

    def __init__(self) -> None:
        self.keeping = Keeping()
        self.sessions: dict[bytes, Holding] = {}
        self.labels: dict[bytes, int] = {}
        """Of each record named: its label."""
        self.naming: dict[bytes, int] = {}
        """Of each record named: the seq of the first entry that does."""
        self.about: dict[bytes, set[bytes | None]] = {}
        """Of each record named: the sessions it says something about, orders included; None where it names none."""
        self.destroyed: dict[Content, bytes] = {}
        """What a founded `destroyed` entry names, and the session it names with it."""
        self._founded_at: dict[Content, Clock] = {}
        self._subjects: dict[int, bytes | None] = {}
        """Of each withholding, gap and duty: its session. What is said of it later may stand in another, or in none."""
        self.head: Head | None = None
        self.whole = True

    def accept(self, entry: Entry) -> None:
        """One entry, whose place in the chain is checked here and whose signature the start has checked."""
        expected = (self.head[0] + 1, self.head[1]) if self.head is not None else (0, ZERO_HASH)
        if (entry.common.seq, entry.common.prev) != expected:
            self.whole = False
        self.head = entry.head
        self.keeping.accept(entry)
        subject = self._subject(entry)
        if isinstance(entry.body, Inhibition | Gap | Duty):
            self._subjects[entry.common.seq] = subject
        for label, commitment in getattr(entry.body, "records", ()):
            self.labels.setdefault(commitment, label)
            self.naming.setdefault(commitment, entry.common.seq)
            self.about.setdefault(commitment, set()).add(subject)
        self._hold(entry)

    def _hold(self, entry: Entry) -> None:
        session = entry.common.session_id
        match entry.body:
            case Session() if session is not None:
                self.sessions.setdefault(session, Holding(named=entry.head, began_ms=entry.common.clock[0]))
            case Segment(number=number, file_hash=file_hash) if session in self.sessions:
                self.sessions[session].segments[file_hash] = number
            case Recovered(quarantined=rows):
                for of in {row[0] for row in rows} & self.sessions.keys():
                    self.sessions[of].quarantined |= {digest: size for named, _, size, digest in rows if named == of}
            case Destroyed(contents=contents) if session is not None:
                clock = entry.common.clock
                founded = [c for c in contents if self.keeping.forbids(c, session, clock) is None]
                self.destroyed |= dict.fromkeys(founded, session)
                self._founded_at |= dict.fromkeys(founded, clock)
            case _:
                pass

    def _subject(self, entry: Entry) -> bytes | None:
        """The session an entry is about. A refusal measures the ordinal of the session that was to be destroyed."""
        match entry.body:
            case Retention(session=session) | Hold(session=session) | Case(session=session):
                return session
            case Inhibition(placed=int(seq)) | Amend(refers_to=seq) | Duty(refers_to=seq) if seq in self._subjects:
                return self._subjects[seq]
            case Refusal(code=code, measured=(ordinal, *_)) if code in DESTRUCTION_REFUSALS:
                kept = self.keeping.sessions
                return next((id_ for id_ in self.sessions if kept[id_].ordinal == ordinal), None)
            case _:
                return entry.common.session_id

    def contents_of(self, session: bytes) -> tuple[Content, ...]:
        """Everything of a session that still has to go; a record that another session names too stays with that one."""
        held = self.sessions[session]
        records = [(int(ContentKind.RECORD), c) for c, owners in self.keeping.owners.items() if owners == {session}]
        segments = [(int(ContentKind.SEGMENT), digest) for digest in held.segments]
        quarantined = [(int(ContentKind.QUARANTINED), digest) for digest in held.quarantined]
        return tuple(c for c in (*segments, *quarantined, *records) if c not in self.destroyed)

    def still_to_go(self) -> dict[Content, bytes]:
        """What was destroyed by a founded entry and by no later one must be kept, and the session named with it."""
        return {
            content: session
            for content, session in self.destroyed.items()
            if self.keeping.forbids(content, session, self._founded_at[content]) is None
        }

    def session_of(self, commitment: bytes) -> bytes | None:
        """The first session a record belongs to, or None."""
        owners = self.keeping.owners.get(commitment, set())
        return min((owner for owner in owners if owner is not None), default=None)


def may_destroy(ledger: Ledger, session: bytes, contents: tuple[Content, ...], clock: Clock) -> Allowed | Denied:
    """Whether these contents may be destroyed by an order that names this session.

    Only a synchronised clock ends a term, and only when the earliest UTC it allows is past: UTC is a claim, and what is
    destroyed too early cannot be brought back, while what is destroyed late harms nobody's evidence.
    """
    if not ledger.whole:
        return Denied(code=RefusalCode.JOURNAL_INCOMPLETE, session=session)
    for content in contents:
        code = ledger.keeping.forbids(content, session, clock)
        if code is not None:
            return Denied(code=code, session=session, until_ms=ledger.keeping.term_of(content, session))
    if not contents:
        code = ledger.keeping.forbids((ContentKind.SEGMENT, b""), session, clock)
        if code is not None:
            until_ms = ledger.keeping.term_of((ContentKind.SEGMENT, b""), session)
            return Denied(code=code, session=session, until_ms=until_ms)
    return Allowed(session=session, contents=contents, clock=clock)
