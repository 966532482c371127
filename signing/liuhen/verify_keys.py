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
from liuhen.findings import Code, Findings, Place
from liuhen.kinds import Enrolment, Key
from liuhen.registry import KeyAct, Purpose

MS_PER_DAY = 24 * 3600 * 1000


@dataclass(slots=True, kw_only=True)
class KnownKey:
    """One key of the log, and the entries it signed. `standing` is None where no trust file was given."""

    public_key: bytes
    standing: trust.Standing | None
    claimed_demo: bool
    emergency: bool
    first_seq: int
    last_seq: int
    first_utc_ms: int | None = None
    believed_to: int | None = None
    compromised_to: int | None = None

    def vouched_at(self, seq: int) -> bool:
        """Whether the roots stand behind what this key signed as entry `seq`; not asked without a trust file."""
        if self.standing is None:
            return True
        return self.standing.endorsed and not self.emergency and (self.believed_to is None or seq <= self.believed_to)


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
        self, public_key: bytes, endorsements: Sequence[bytes], *, seq: int, emergency: bool = False
    ) -> bytes:
        """Take note of a key and what is said for it; returns its kid."""
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
            emergency=emergency,
            first_seq=seq,
            last_seq=seq - 1,
            believed_to=self._believed_to(kid),
        )
        return kid

    def _believed_to(self, kid: bytes) -> int | None:
        revoked = self.given.revoked if self.given is not None else ()
        return min((-1 if last is None else last for subject, last, _ in revoked if subject == kid), default=None)

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
                pass
            case _:
                return None
        return public_key if cose.key_id(public_key) == entry.envelope.kid else None

    def _enter(self, entry: Entry, public_key: bytes) -> None:
        """The key an entry brought is in force from this entry on."""
        emergency = isinstance(entry.body, Key)
        if self.log_id is None:
            self.log_id = entry.common.log_id
        if isinstance(entry.body, (Enrolment, Key)):
            endorsements = entry.body.endorsements
            self.in_force = self.introduce(public_key, endorsements, seq=entry.common.seq, emergency=emergency)
        self.retired = False

    def apply(self, entry: Entry) -> None:
        """Step J14: what a believed key entry changes for the entries after it."""
        body = entry.body
        if not isinstance(body, Key):
            return
        place = Place(entry=entry.common.seq)
        new = body.new_public_key
        if body.act != KeyAct.COMPROMISED and body.subject not in self.known:
            self.findings.add(Code.KEY_ORDER, place, en="it speaks of a key that never was")
        if body.act in (KeyAct.ROTATED, KeyAct.EMERGENCY) and new is None:
            self.findings.add(Code.KEY_ORDER, place, en="it names no new key")
        if body.act == KeyAct.EMERGENCY and new is not None and cose.key_id(new) != entry.envelope.kid:
            self.findings.add(Code.KEY_ORDER, place, en="an emergency key must sign its own entry")
        if body.act == KeyAct.COMPROMISED:
            self._compromised(body, place)
        if body.act != KeyAct.EMERGENCY and new is not None:
            self._replace(new, body, place)
        self.retired = body.act == KeyAct.RETIRED and new is None

    def _replace(self, public_key: bytes, body: Key, place: Place) -> None:
        try:
            ed25519.check_public_key(public_key, where="new key")
        except FormatError as error:
            self.findings.add(Code.KEY_ORDER, place, en=error.what)
            return
        self.in_force = self.introduce(public_key, body.endorsements, seq=(place.entry or 0) + 1)

    def _compromised(self, body: Key, place: Place) -> None:
        subject = self.known.get(body.subject)
        if subject is None or body.last_trusted_seq is None:
            self.findings.add(Code.KEY_ORDER, place, en="it names no known key, or no last trusted entry")
            return
        earlier = subject.compromised_to
        subject.compromised_to = body.last_trusted_seq if earlier is None else min(earlier, body.last_trusted_seq)

    @property
    def demo(self) -> bool:
        """Whether any key in use is for demonstration."""
        return any(
            key.claimed_demo if key.standing is None else key.standing.purpose is Purpose.DEMO
            for key in self.known.values()
        )

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
    if key.emergency:
        findings.add(Code.KEY_EMERGENCY, place, en=name)
    elif key.standing is not None:
        _conclude_standing(key, key.standing, findings, place)
    for limit, code in ((key.believed_to, Code.KEY_REVOKED), (key.compromised_to, Code.KEY_COMPROMISED)):
        if limit is not None and key.last_seq > limit:
            first = max(limit + 1, key.first_seq)
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
