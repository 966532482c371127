"""How long the content of a log must be kept, as a pure fold over its entries (FORMAT.md 5.6).

Owns one small row per session, per hold and per record named. The device asks it before it destroys anything, and the
verifier asks it again of every `destroyed` entry, with that entry's own clock: what the chain forbade excuses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from liuhen.entry import Entry
from liuhen.kinds import Clock, Destroyed, Hold, Key, Refusal, Retention, Session, SessionEnd
from liuhen.registry import ContentKind, HoldAct, KeyAct, RefusalCode

SYNCHRONISED = 2
ORDERS = (Destroyed, Retention, Hold, Refusal)
"""What these commit to says who ordered what about content; it is never part of the content."""

Content = tuple[int, bytes]


@dataclass(slots=True, kw_only=True)
class Kept:
    """What the chain says so far of keeping one session. `until_ms` is None until a term is set."""

    ordinal: int | None = None
    ended: bool = False
    until_ms: int | None = None
    permanent: bool = False
    holds: set[int] = field(default_factory=set)


class Keeping:
    """Takes believed entries in order."""

    def __init__(self) -> None:
        self.sessions: dict[bytes, Kept] = {}
        self.owners: dict[bytes, set[bytes | None]] = {}
        """Of each record named: the sessions it belongs to; None where it belongs to none and stays for good."""
        self._held_everywhere: set[int] = set()
        self._usurped = False

    def accept(self, entry: Entry) -> str | None:
        """One entry in its place; returns what is wrong with it where it breaks the rules of keeping."""
        body = entry.body
        self._own(entry)
        match body:
            case Session():
                self._of(entry.common.session_id).ordinal = body.ordinal
            case SessionEnd():
                self._of(entry.common.session_id).ended = True
            case Retention():
                return self._extend(body)
            case Hold():
                return self._hold(body, entry.common.seq)
            case Key(act=KeyAct.EMERGENCY | KeyAct.RETURNED):
                self._usurped = body.act == KeyAct.EMERGENCY
            case _:
                pass
        return None

    @property
    def usurped(self) -> bool:
        """Whether an emergency key has taken over and the one that was lost is not back."""
        return self._usurped

    def forbids(self, content: Content, session: bytes | None, clock: Clock) -> RefusalCode | None:
        """Why this must not be destroyed by an entry with this clock, which names this session; None where it may."""
        if self._usurped:  # anybody can append an emergency key of his own, and hand over to another from there
            return RefusalCode.KEY_SUCCESSION
        what, digest = content
        owners = self.owners.get(digest, {None}) if what == ContentKind.RECORD else {session}
        for owner in sorted(owners, key=lambda found: found or b""):
            code = RefusalCode.PERMANENT if owner is None else self._session_forbids(owner, clock)
            if code is not None:
                return code
        return None

    def term_of(self, content: Content, session: bytes | None) -> int | None:
        """The latest end of a term that this content has to wait for, or None."""
        owners = self.owners.get(content[1], {None}) if content[0] == ContentKind.RECORD else {session}
        kept = [self.sessions.get(owner) for owner in owners if owner is not None]
        return max((row.until_ms for row in kept if row is not None and row.until_ms is not None), default=None)

    def holds_on(self, session: bytes) -> list[int]:
        """The seqs of the holds in force on a session."""
        kept = self.sessions.get(session)
        return sorted(self._held_everywhere | (kept.holds if kept is not None else set()))

    def can_lift(self, session: bytes | None, seq: int) -> bool:
        """Whether the entry placed a hold on exactly this session (None: on all) that is in force."""
        return seq in self._holds(session)

    def would_shorten(self, session: bytes, until_ms: int | None) -> bool:
        """Whether a term that ends then would not be longer than the one in force."""
        kept = self.sessions.get(session, Kept())
        if kept.permanent:
            return True
        return until_ms is not None and kept.until_ms is not None and until_ms <= kept.until_ms

    def _session_forbids(self, session: bytes, clock: Clock) -> RefusalCode | None:
        """The clock is asked last: what it says is the device's claim, what stands before it is the chain's."""
        kept = self.sessions.get(session, Kept())
        utc_ms, _, _, sync, error_ms = clock
        rules = (
            (not kept.ended, RefusalCode.SESSION_OPEN),
            (bool(self.holds_on(session)), RefusalCode.HELD),
            (kept.permanent, RefusalCode.PERMANENT),
            (kept.until_ms is None, RefusalCode.TERM_UNSET),
            (utc_ms - error_ms < (kept.until_ms or 0), RefusalCode.IN_TERM),
            (sync != SYNCHRONISED, RefusalCode.CLOCK_UNPROVEN),
        )
        return next((code for forbidden, code in rules if forbidden), None)

    def _of(self, session: bytes | None) -> Kept:
        return self.sessions.setdefault(session or b"", Kept())

    def _holds(self, session: bytes | None) -> set[int]:
        return self._held_everywhere if session is None else self._of(session).holds

    def _own(self, entry: Entry) -> None:
        owner = None if isinstance(entry.body, ORDERS) else entry.common.session_id
        for _, commitment in getattr(entry.body, "records", ()):
            self.owners.setdefault(commitment, set()).add(owner)

    def _extend(self, body: Retention) -> str | None:
        if self.would_shorten(body.session, body.until_ms):
            return "it does not extend the term of the session"
        kept = self._of(body.session)
        if body.until_ms is None:
            kept.permanent = True
        else:
            kept.until_ms = body.until_ms
        return None

    def _hold(self, body: Hold, seq: int) -> str | None:
        held = self._holds(body.session)
        if body.act == HoldAct.PLACED and body.placed is None:
            held.add(seq)
            return None
        if body.act == HoldAct.LIFTED and body.placed in held:
            held.remove(body.placed)
            return None
        return "it lifts no hold of this session" if body.act == HoldAct.LIFTED else "its act and fields do not fit"
