"""Which key speaks for the log at each place, and who vouches for it (FORMAT.md 5.3, 9; steps J3, J14, A2 to A5).

Owns the keys met so far. Pure: asks no file, signs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from liuhen import cose, ed25519, trust
from liuhen.endorsement import Trust
from liuhen.entry import Entry
from liuhen.errors import FormatError
from liuhen.findings import Code, Findings, Place, Verdict
from liuhen.kinds import Enrolment, Key
from liuhen.registry import KeyAct, Purpose

MS_PER_DAY = 24 * 3600 * 1000
BEFORE_EVERYTHING = -2


@dataclass(slots=True, kw_only=True)
class KnownKey:
    """One key of the log, and the entries it signed. `standing` is None where no trust file was given."""

    public_key: bytes
    standing: trust.Standing | None
    claimed_demo: bool
    first_seq: int
    last_seq: int
    first_utc_ms: int | None = None
    emergency_from: int | None = None
    believed_to: int | None = None
    compromised_to: int | None = None
    left_at: int | None = None
    judged: list[tuple[int, int]] = field(default_factory=list)

    def vouched_at(self, seq: int) -> bool:
        """Whether this key may be believed as the signer of entry `seq`; the roots are not asked without trust file."""
        if self.standing is not None and not self.standing.endorsed:
            return False
        if self.emergency_from is not None and seq >= self.emergency_from:
            return False
        return all(limit is None or seq <= limit for limit in (self.believed_to, self.compromised_to, self.left_at))

    @property
    def demo(self) -> bool:
        """Whether the key is for demonstration; without a trust file its own claim is asked."""
        return self.claimed_demo if self.standing is None else self.standing.purpose is Purpose.DEMO


@dataclass(slots=True, kw_only=True)
class KeyRing:
    """The keys of one log, in the order they came."""

    findings: Findings
    given: Trust | None
    known: dict[bytes, KnownKey] = field(default_factory=dict)
    in_force: bytes | None = None
    log_id: bytes | None = None
    retired: bool = False

    def introduce(
        self, public_key: bytes, endorsements: Sequence[bytes], *, seq: int, in_journal: bool = False
    ) -> bytes:
        """Take note of a key and what is said for it; returns its kid. A key known already stays as it was."""
        kid = cose.key_id(public_key)
        if kid in self.known or self.log_id is None:
            return kid
        standing = None
        if self.given is not None:
            standing = trust.judge(endorsements, log_id=self.log_id, public_key=public_key, trust=self.given)
        self.known[kid] = KnownKey(
            public_key=public_key,
            standing=standing,
            claimed_demo=trust.claimed_demo(endorsements, log_id=self.log_id, public_key=public_key),
            first_seq=seq,
            last_seq=seq - 1,
            believed_to=self._believed_to(kid, in_journal=in_journal),
        )
        return kid

    def _believed_to(self, kid: bytes, *, in_journal: bool) -> int | None:
        """Only a journal shows that a signature is older than the revocation: without one nothing is believed."""
        revoked = [last for subject, last, _ in self.given.revoked if subject == kid] if self.given is not None else []
        if not revoked:
            return None
        if not in_journal:
            return BEFORE_EVERYTHING
        return min(-1 if last is None else last for last in revoked)

    def judged(self, kid: bytes, seq: int, fragments: int) -> None:
        """So many fragments were found authentic under a statement of this key; a later entry may disown the key."""
        if fragments and kid in self.known:
            self.known[kid].judged.append((seq, fragments))

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
        if kid != self.in_force or self.retired:
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

    def _enter(self, entry: Entry, public_key: bytes) -> None:
        """The key an entry brought is in force from this entry on."""
        if self.log_id is None:
            self.log_id = entry.common.log_id
        if isinstance(entry.body, (Enrolment, Key)):
            kid = self.introduce(public_key, entry.body.endorsements, seq=entry.common.seq, in_journal=True)
            self._leave(entry.common.seq - 1)
            self.in_force = kid
            if isinstance(entry.body, Key):
                self.known[kid].emergency_from = entry.common.seq

    def _leave(self, last_seq: int) -> None:
        """The key in force signs nothing after this entry."""
        if self.in_force is not None and self.known[self.in_force].left_at is None:
            self.known[self.in_force].left_at = last_seq

    def apply(self, entry: Entry) -> None:
        """Step J14: what a believed key entry changes for the entries after it."""
        body = entry.body
        if not isinstance(body, Key):
            return
        place = Place(entry=entry.common.seq)
        if body.act == KeyAct.EMERGENCY:
            self._check_emergency(entry, place)
        if self.retired:
            return
        self._check_act(entry, body, place)
        new = body.new_public_key
        if body.act == KeyAct.COMPROMISED:
            self._compromised(body, place)
        if body.act != KeyAct.EMERGENCY and new is not None:
            self._replace(new, body, place)
        if body.act == KeyAct.RETIRED and new is None:
            self._leave(entry.common.seq)
            self.retired = True

    def _check_act(self, entry: Entry, body: Key, place: Place) -> None:
        new = body.new_public_key
        if body.act != KeyAct.COMPROMISED and body.subject not in self.known:
            self.findings.add(Code.KEY_ORDER, place, en="it speaks of a key that never was")
        if body.act in (KeyAct.ROTATED, KeyAct.EMERGENCY) and new is None:
            self.findings.add(Code.KEY_ORDER, place, en="it names no new key")
        if body.act == KeyAct.EMERGENCY and new is not None and cose.key_id(new) != entry.envelope.kid:
            self.findings.add(Code.KEY_ORDER, place, en="an emergency key must sign its own entry")

    def _check_emergency(self, entry: Entry, place: Place) -> None:
        """Nothing under act 3 is endorsed, least of all under a key that once had a standing."""
        signer = self.known[entry.envelope.kid]
        if signer.emergency_from != entry.common.seq:
            self.findings.add(Code.KEY_ORDER, place, en="an emergency names a key the log has known")
            if signer.emergency_from is None:
                signer.emergency_from = entry.common.seq

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
        self._leave(seq)
        self.in_force = self.introduce(public_key, body.endorsements, seq=seq + 1, in_journal=True)

    def _compromised(self, body: Key, place: Place) -> None:
        subject = self.known.get(body.subject)
        if subject is None or body.last_trusted_seq is None:
            self.findings.add(Code.KEY_ORDER, place, en="it names no known key, or no last trusted entry")
            return
        limit, earlier = body.last_trusted_seq, subject.compromised_to
        subject.compromised_to = limit if earlier is None else min(earlier, limit)
        disowned = sum(fragments for seq, fragments in subject.judged if seq > limit)
        subject.judged = [row for row in subject.judged if row[0] <= limit]
        self.findings.verdicts[Verdict.AUTHENTIC] -= disowned
        self.findings.verdicts[Verdict.UNENDORSED] += disowned

    @property
    def demo(self) -> bool:
        """Whether any key in use is for demonstration."""
        return any(key.demo for key in self.known.values())

    def roots(self) -> tuple[str, ...]:
        """The roots that vouch for every key in use."""
        standings = [key.standing for key in self.known.values() if key.standing is not None]
        if not standings:
            return ()
        return tuple(label for label in standings[0].by if all(label in standing.by for standing in standings))

    def conclude(self) -> None:
        """Steps A2 to A5, once everything is read."""
        if self.given is None:
            self.findings.add(Code.TRUST_ABSENT)
        for kid, key in self.known.items():
            _conclude_one(kid, key, self.findings)
        if self.demo:
            self.findings.add(Code.DEMO)


def _conclude_one(kid: bytes, key: KnownKey, findings: Findings) -> None:
    place, name = Place(entry=key.first_seq), kid.hex()[:16]
    if key.emergency_from is not None:
        findings.add(Code.KEY_EMERGENCY, Place(entry=key.emergency_from), en=name)
    if key.standing is not None and key.emergency_from != key.first_seq:
        _conclude_standing(key, key.standing, findings, place)
    if key.believed_to is not None:
        findings.add(Code.KEY_REVOKED_USED, place, en=name)
    for limit, code in ((key.believed_to, Code.KEY_REVOKED), (key.compromised_to, Code.KEY_COMPROMISED)):
        if limit is not None and key.last_seq > limit:
            first = max(limit + 1, key.first_seq, 0)
            findings.add(code, Place(entry=first), en=f"{name}, {first} … {key.last_seq}")


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
