"""Which key speaks for the log at each place, and who vouches for it (FORMAT.md 5.3.1, 9; steps J3, J14, A2 to A5).

Owns the keys met so far, and of each how many fragments its statements found good; what becomes of them is decided when
everything is read. Pure: asks no file, signs nothing.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from liuhen import cose, ed25519, trust
from liuhen.endorsement import Trust
from liuhen.entry import Entry
from liuhen.errors import FormatError
from liuhen.findings import Code, Findings, Place, Verdict
from liuhen.kinds import Enrolment, Head, Identity, Key, Session, SessionEnd
from liuhen.registry import KeyAct, Purpose

MS_PER_DAY = 24 * 3600 * 1000
HEARD_LIMIT = 64
ANOTHER_HISTORY = ("与当时可信的不同：这是另一份历史", "is not the trusted one: this is another history")
UNSHOWN_HISTORY = ("不在此处，无法确认是否为当时可信的历史", "is not here to show that this is the trusted history")


@dataclass(slots=True, kw_only=True)
class Span:
    """Entries `first` to `last` (None: to the end) that a key may sign, and the heads that its seals may name."""

    first: int
    last: int | None = None
    sealed_from: int
    sealed_to: int | None = None

    def holds(self, seq: int) -> bool:
        """Whether the key may sign this entry."""
        return self.first <= seq and (self.last is None or seq <= self.last)

    def seals_at(self, head_seq: int) -> bool:
        """Whether the key may sign a seal that names this head as the newest."""
        return self.sealed_from <= head_seq and (self.sealed_to is None or head_seq <= self.sealed_to)


@dataclass(slots=True, kw_only=True)
class Limit:
    """Up to which entry a key is believed (None: not at all). `shown`: the journal holds that very entry."""

    head: Head | None
    code: Code
    shown: bool

    def believes(self, seq: int) -> bool:
        """Whether the signer of entry `seq` may be believed."""
        return self.shown and self.head is not None and seq <= self.head[0]


@dataclass(slots=True, kw_only=True)
class KnownKey:
    """One key of the log, and the entries it signed. `standing` is None where no trust file was given."""

    public_key: bytes
    first_seq: int
    last_seq: int
    standing: trust.Standing | None = None
    claimed_demo: bool = False
    heard: dict[bytes, None] = field(default_factory=dict)
    first_utc_ms: int | None = None
    emergency_from: int | None = None
    spans: list[Span] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    stated_at: array[int] = field(default_factory=lambda: array("q"))
    stated_fragments: array[int] = field(default_factory=lambda: array("i"))

    def vouched_at(self, seq: int) -> bool:
        """Whether this key may be believed as the signer of entry `seq`; the roots are not asked without trust file."""
        if self.standing is not None and not self.standing.endorsed:
            return False
        if self.emergency_from is not None and seq >= self.emergency_from:
            return False
        return any(span.holds(seq) for span in self.spans) and all(limit.believes(seq) for limit in self.limits)

    def seals_at(self, head_seq: int) -> bool:
        """Whether a seal of this key may name this head."""
        return any(span.seals_at(head_seq) for span in self.spans)

    @property
    def vouched_by_seals(self) -> bool:
        """Whether seals alone, without a statement, may be believed: nothing shows when a doubtful key made them."""
        standing = self.standing is None or self.standing.endorsed
        return standing and self.emergency_from is None and not self.limits

    @property
    def demo(self) -> bool:
        """Whether the key is for demonstration; without a trust file its own claim is asked."""
        return self.claimed_demo if self.standing is None else self.standing.purpose is Purpose.DEMO

    def leave(self, last_seq: int, *, sealed_to: int) -> None:
        """The key signs no entry after this one."""
        if self.spans[-1].last is None:
            self.spans[-1].last, self.spans[-1].sealed_to = last_seq, sealed_to

    def disowned(self) -> int:
        """How many fragments that were found good stand under statements nobody vouches for."""
        rows = zip(self.stated_at, self.stated_fragments, strict=True)
        return sum(fragments for seq, fragments in rows if not self.vouched_at(seq))


@dataclass(slots=True, kw_only=True)
class KeyRing:
    """The keys of one log, in the order they came.

    `waiting` is the key that an emergency replaced and that may still return; `session` the open session and the seq of
    its first entry.
    """

    findings: Findings
    given: Trust | None
    known: dict[bytes, KnownKey] = field(default_factory=dict)
    in_force: bytes | None = None
    waiting: bytes | None = None
    log_id: bytes | None = None
    retired: bool = False
    session: tuple[bytes, int] | None = None
    _awaited: dict[int, list[Head]] = field(default_factory=dict)
    _shown: dict[Head, bool] = field(default_factory=dict)
    _substituted: list[tuple[bytes, Place, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """The entries that the trust file names by hash are looked for as the journal passes."""
        for _, last, _ in self.given.revoked if self.given is not None else ():
            if last is not None:
                self._awaited.setdefault(last[0], []).append((last[0], last[1]))

    # --- getting to know keys ---

    def introduce(
        self, public_key: bytes, endorsements: Sequence[bytes], *, seq: int, named_at: int | None = None
    ) -> bytes:
        """Take note of a key and what is said for it; returns its kid. Of a key known already, only what is new.

        `seq` is the first entry it may sign, `named_at` the entry that names it: None where there is no journal.
        """
        kid = cose.key_id(public_key)
        if self.log_id is None:
            return kid
        if kid not in self.known:
            known = KnownKey(public_key=public_key, first_seq=seq, last_seq=seq - 1)
            # Without a journal no entry counts: the key is asked about "before the first".
            known.spans.append(Span(first=seq if named_at is not None else -1, sealed_from=named_at or 0))
            known.limits += self._limits(kid, in_journal=named_at is not None)
            self.known[kid] = known
            self._judge(known)
        self.hear(public_key, endorsements)
        return kid

    def hear(self, public_key: bytes, endorsements: Iterable[bytes]) -> None:
        """Endorsements count wherever the archive holds them: a root may have signed after the key began."""
        known = self.known.get(cose.key_id(public_key))
        new = [] if known is None else [encoded for encoded in endorsements if encoded not in known.heard]
        if known is None or not new or len(known.heard) >= HEARD_LIMIT:
            return
        known.heard.update(dict.fromkeys(new))
        self._judge(known)

    def _judge(self, known: KnownKey) -> None:
        if self.log_id is None:
            return
        said, log_id, public_key = tuple(known.heard), self.log_id, known.public_key
        known.claimed_demo = trust.claimed_demo(said, log_id=log_id, public_key=public_key)
        if self.given is not None:
            known.standing = trust.judge(said, log_id=log_id, public_key=public_key, trust=self.given)

    def _limits(self, kid: bytes, *, in_journal: bool) -> list[Limit]:
        """What the trust file revokes. Only a journal shows that a signature is older: without one nothing holds."""
        rows = [last for subject, last, _ in self.given.revoked if subject == kid] if self.given is not None else []
        heads = [(last[0], last[1]) if last is not None and in_journal else None for last in rows]
        return [Limit(head=head, code=Code.KEY_REVOKED, shown=True) for head in heads]

    def judged(self, kid: bytes, seq: int, fragments: int, identity: Identity | None = None) -> None:
        """So many fragments were found good under a statement of this key; whether it is vouched for is said later.

        What an emergency key sealed stays its own, whoever states it: the key that returns vouches for none of it.
        """
        sealer = self.known.get(cose.key_id(identity.public_key)) if identity is not None else None
        if sealer is not None and sealer.emergency_from is not None:
            kid = cose.key_id(sealer.public_key)
        if fragments and kid in self.known:
            self.known[kid].stated_at.append(seq)
            self.known[kid].stated_fragments.append(fragments)

    def substituted(self, kid: bytes, place: Place, component: str, evidence: str) -> None:
        """Step J20: a part is not the genuine one. What the key is endorsed for may come later, so it is told then."""
        self._substituted.append((kid, place, component, evidence))

    # --- J3: signatures ---

    def check_signature(self, entry: Entry, place: Place) -> bool:
        """Step J3: signed by the key in force, and validly so. Reports what is wrong."""
        kid = entry.envelope.kid
        brought = self._brought(entry)
        public_key = brought if brought is not None else self.known[kid].public_key if kid in self.known else None
        if public_key is None:
            self.findings.add(Code.KEY_UNKNOWN, place, en=f"kid {kid.hex()[:16]}")
            return False
        try:
            cose.verify(entry.envelope, public_key, where=f"entry {entry.common.seq}")
        except FormatError as error:
            self.findings.add(Code.SIGNATURE_BAD, place, en=error.what)
            return False
        if brought is not None:
            self._enter(entry, brought)
        if (kid != self.in_force and not self._returns(entry)) or self.retired:
            self.findings.add(Code.KEY_RETIRED_USED, place, en=f"kid {kid.hex()[:16]}")
        self._signed_by(self.known[kid], entry)
        return True

    @staticmethod
    def _signed_by(key: KnownKey, entry: Entry) -> None:
        key.last_seq = max(key.last_seq, entry.common.seq)
        if key.first_utc_ms is None:
            key.first_utc_ms = entry.common.clock[0]

    def _brought(self, entry: Entry) -> bytes | None:
        """The key an entry brings itself: entry 0, and an emergency. It must sign the entry."""
        match entry.body:
            case Enrolment(public_key=public_key) if self.in_force is None and entry.common.seq == 0:
                pass
            case Key(act=KeyAct.EMERGENCY, new_public_key=bytes(public_key)) if self.in_force is not None:
                if cose.key_id(public_key) in self.known:
                    return None  # a key the log has had keeps the standing it has
            case _:
                return None
        return public_key if cose.key_id(public_key) == entry.envelope.kid else None

    def _returns(self, entry: Entry) -> bool:
        """Act 4: the key that an emergency replaced says itself that it is back."""
        match entry.body:
            case Key(act=KeyAct.RETURNED, new_public_key=bytes(public_key), subject=subject):
                return entry.envelope.kid == self.waiting == subject == cose.key_id(public_key)
            case _:
                return False

    def _enter(self, entry: Entry, public_key: bytes) -> None:
        """The key an entry brought is in force from this entry on."""
        if self.log_id is None:
            self.log_id = entry.common.log_id
        if isinstance(entry.body, (Enrolment, Key)):
            seq, before = entry.common.seq, self.in_force
            kid = self.introduce(public_key, entry.body.endorsements, seq=seq, named_at=seq)
            self._leave(seq - 1, sealed_to=seq - 1)
            self.in_force = kid
            if isinstance(entry.body, Key) and before is not None:
                self.known[kid].emergency_from = seq
                if self.known[before].emergency_from is None:
                    self.waiting = before

    def _leave(self, last_seq: int, *, sealed_to: int) -> None:
        """The key in force signs no entry after this one."""
        if self.in_force is not None:
            self.known[self.in_force].leave(last_seq, sealed_to=sealed_to)

    # --- J14: key entries ---

    def apply(self, entry: Entry) -> None:
        """Step J14: what a believed entry changes for the entries after it."""
        self._show(entry)
        match entry.body:
            case Session():
                self.session = (entry.common.session_id or b"", entry.common.seq)
            case SessionEnd():
                self.session = None
            case Key() as body:
                self._apply_key(entry, body, Place(entry=entry.common.seq))
            case _:
                pass

    def _show(self, entry: Entry) -> None:
        """Whether the history the trust file revoked a key in is this one: by the entry, or the one that follows it."""
        for head in self._awaited.get(entry.common.seq, ()):
            self._shown[head] = entry.hash == head[1]
        for head in self._awaited.get(entry.common.seq - 1, ()):
            self._shown.setdefault(head, entry.common.prev == head[1])

    def _apply_key(self, entry: Entry, body: Key, place: Place) -> None:
        if body.act == KeyAct.EMERGENCY:
            self._check_emergency(entry, place)
        if self.retired:
            return
        self._check_act(entry, body, place)
        new = body.new_public_key
        match body.act:
            case KeyAct.COMPROMISED:
                self._compromised(body, place)
            case KeyAct.RETURNED:
                self._take_back(entry, place)
                return
            case KeyAct.RETIRED if new is None:
                self._leave(entry.common.seq, sealed_to=entry.common.seq - 1)
                self.retired = True
            case _:
                pass
        if body.act != KeyAct.EMERGENCY and new is not None:
            self._replace(new, body, place)

    def _check_act(self, entry: Entry, body: Key, place: Place) -> None:
        new = body.new_public_key
        if body.act != KeyAct.COMPROMISED and body.subject not in self.known:
            self.findings.add(Code.KEY_ORDER, place, en="it speaks of a key that never was")
        if body.act in (KeyAct.ROTATED, KeyAct.EMERGENCY, KeyAct.RETURNED) and new is None:
            self.findings.add(Code.KEY_ORDER, place, en="it names no new key")
        if body.act == KeyAct.EMERGENCY and new is not None and cose.key_id(new) != entry.envelope.kid:
            self.findings.add(Code.KEY_ORDER, place, en="an emergency key must sign its own entry")
        if body.act in (KeyAct.ROTATED, KeyAct.RETIRED) and self.session is not None:
            self.findings.add(Code.KEY_ORDER, place, en="a key is rotated or retired within a session")

    def _check_emergency(self, entry: Entry, place: Place) -> None:
        """Nothing under act 3 is endorsed, least of all under a key that once had a standing."""
        signer = self.known[entry.envelope.kid]
        if signer.emergency_from != entry.common.seq:
            self.findings.add(Code.KEY_ORDER, place, en="an emergency names a key the log has known")
            if signer.emergency_from is None:
                signer.emergency_from = entry.common.seq

    def _take_back(self, entry: Entry, place: Place) -> None:
        if not self._returns(entry):
            self.findings.add(Code.KEY_ORDER, place, en="only the key that an emergency replaced returns")
            return
        seq = entry.common.seq
        self._leave(seq - 1, sealed_to=seq - 1)
        self.in_force, self.waiting = entry.envelope.kid, None
        self.known[entry.envelope.kid].spans.append(Span(first=seq, sealed_from=seq))

    def _replace(self, public_key: bytes, body: Key, place: Place) -> None:
        try:
            ed25519.check_public_key(public_key, where="new key")
        except FormatError as error:
            self.findings.add(Code.KEY_ORDER, place, en=error.what)
            return
        if cose.key_id(public_key) in self.known:
            self.findings.add(Code.KEY_ORDER, place, en="its new key was in the log before")
            return
        seq = place.entry or 0
        self._leave(seq, sealed_to=seq - 1)
        self.in_force = self.introduce(public_key, body.endorsements, seq=seq + 1, named_at=seq)
        self.waiting = None

    def _compromised(self, body: Key, place: Place) -> None:
        subject = self.known.get(body.subject)
        if subject is None or body.last_trusted is None:
            self.findings.add(Code.KEY_ORDER, place, en="it names no known key, or no last trusted entry")
            return
        # That the entry named is this one in the chain is judged with all references (J15).
        head = (body.last_trusted[0], body.last_trusted[1])
        said = [limit for limit in subject.limits if limit.code is Code.KEY_COMPROMISED]
        if not said:
            subject.limits.append(Limit(head=head, code=Code.KEY_COMPROMISED, shown=True))
        for limit in said:
            limit.head = min(limit.head or head, head)
        if body.subject == self.waiting:
            self.waiting = None

    # --- S3: seals ---

    def seals_in_force(self, identity: Identity, head: Head) -> bool:
        """Whether the identity box's key was in force where the seal's head stands; unknown keys are told elsewhere."""
        known = self.known.get(cose.key_id(identity.public_key))
        return known is None or known.seals_at(head[0])

    def verdict_by_seals(self, identity: Identity, head: Head | None, place: Place) -> Verdict:
        """What a file without a statement is worth: its key in force, the session's beginning before it, no doubt."""
        known = self.known.get(cose.key_id(identity.public_key))
        if known is None:
            return Verdict.UNENDORSED
        self.hear(identity.public_key, identity.endorsements)
        in_force = head is None or known.seals_at(head[0])
        if not in_force:
            self.findings.add(Code.IDENTITY_WRONG, place, en="its key was not in force where its seals stand")
        elif self.session is not None and head is not None and self.session[0] == place.session:
            in_force = head[0] >= self.session[1]
            if not in_force:
                self.findings.add(Code.IDENTITY_WRONG, place, en="its seals are older than the session")
        for limit in known.limits:
            self.findings.add(limit.code, place, en=f"{cose.key_id(known.public_key).hex()[:16]}, seals alone")
        return Verdict.AUTHENTIC if in_force and known.vouched_by_seals else Verdict.UNENDORSED

    # --- A2 to A5 ---

    @property
    def demo(self) -> bool:
        """Whether any key in use is for demonstration."""
        return any(key.demo for key in self.known.values())

    def conclude(self) -> None:
        """Steps A2 to A5, once everything is read."""
        if self.given is None:
            self.findings.add(Code.TRUST_ABSENT)
        for kid, key in self.known.items():
            for limit in key.limits:
                if limit.code is Code.KEY_REVOKED and limit.head is not None:
                    limit.shown = self._shown.get(limit.head, False)
            disowned = key.disowned()
            self.findings.verdicts[Verdict.AUTHENTIC] -= disowned
            self.findings.verdicts[Verdict.UNENDORSED] += disowned
            self._conclude_one(kid, key)
        for kid, place, component, evidence in self._substituted:
            code = Code.SUBSTITUTED_SOURCE_DEMO if self.known[kid].demo else Code.SUBSTITUTED_SOURCE
            self.findings.add(code, place, zh=f"{component}（{evidence}）", en=f"{component} ({evidence})")
        if self.demo:
            self.findings.add(Code.DEMO)

    def _conclude_one(self, kid: bytes, key: KnownKey) -> None:
        place, name = Place(entry=key.first_seq), kid.hex()[:16]
        if key.emergency_from is not None:
            self.findings.add(Code.KEY_EMERGENCY, Place(entry=key.emergency_from), en=name)
        if key.standing is not None and key.emergency_from != key.first_seq:
            _conclude_standing(key, key.standing, self.findings, place)
        if any(limit.code is Code.KEY_REVOKED for limit in key.limits):
            self.findings.add(Code.KEY_REVOKED_USED, place, en=name)
        for limit in key.limits:
            self._conclude_limit(name, key, limit)

    def _conclude_limit(self, name: str, key: KnownKey, limit: Limit) -> None:
        if limit.head is not None and not limit.shown:
            seq = limit.head[0]
            zh, en = ANOTHER_HISTORY if limit.head in self._shown else UNSHOWN_HISTORY
            place = Place(entry=key.first_seq)
            self.findings.add(limit.code, place, zh=f"{name}，第 {seq} 号条目{zh}", en=f"{name}, entry {seq} {en}")
            return
        last = -1 if limit.head is None else limit.head[0]
        if key.last_seq > last:
            first = max(last + 1, key.first_seq, 0)
            self.findings.add(limit.code, Place(entry=first), en=f"{name}, {first} … {key.last_seq}")


def _conclude_standing(key: KnownKey, standing: trust.Standing, findings: Findings, place: Place) -> None:
    for refused in standing.refused:
        findings.add(Code.ENDORSEMENT_REFUSED, place, en=refused)
    if not standing.by:
        findings.add(Code.UNENDORSED, place, en=cose.key_id(key.public_key).hex()[:16])
    elif not standing.endorsed:
        findings.add(Code.TRUST_THRESHOLD, place, en=f"{len(standing.by)} / {standing.threshold}")
    elif key.first_utc_ms is not None and standing.not_before_ms is not None:
        early_ms = standing.not_before_ms - key.first_utc_ms
        if early_ms > 0:
            findings.add(Code.ENDORSEMENT_EARLY, place, en=_duration(early_ms))


def _duration(milliseconds: int) -> str:
    if milliseconds >= MS_PER_DAY:
        return f"{milliseconds // MS_PER_DAY} days"
    return f"{milliseconds // 1000} s"
