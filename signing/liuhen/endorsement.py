"""What a verifier must believe from outside: device cards, endorsements and the trust file (FORMAT.md 9).

Public halves only; nothing here reads or makes a private key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from liuhen import cbor, cose, ed25519
from liuhen.errors import FormatError
from liuhen.kinds import Body, Endorsement, Head, key
from liuhen.registry import Purpose
from liuhen.shapes import CODE, HASH, HEAD, ID16, SINT, Integer, Nullable, Rows, Text, row

TRUST_FILE_LIMIT_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Card(Body):
    """The public half of a device: what a root is asked to endorse. Not signed."""

    KIND: ClassVar[str] = "card"
    version: int = key(0, Integer(low=1, high=1, name="1"))
    log_id: bytes = key(1, ID16)
    public_key: bytes = key(9, HASH)
    custody: int = key(11, Integer(high=1, name="custody"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust(Body):
    """The roots a verifier believes, given from outside the archive; `threshold` of them must endorse a key."""

    KIND: ClassVar[str] = "trust"
    version: int = key(0, Integer(low=1, high=1, name="1"))
    organisation: str = key(1, Text(256))
    issued_ms: int = key(2, SINT)
    threshold: int = key(3, Integer(low=1, high=16, name="1..16"))
    roots: tuple[tuple[bytes, str], ...] = key(4, Rows(row(public_key=HASH, label=Text(128)), limit=16))
    revoked: tuple[tuple[bytes, Head | None, int], ...] = key(
        5, Rows(row(kid=HASH, last_trusted=Nullable(HEAD), cause=CODE), limit=512)
    )


def parse_endorsement(encoded: bytes, *, where: str) -> tuple[cose.Sign1, Endorsement]:
    """Parse an endorsement without checking who signed it. Raises FormatError."""
    envelope = cose.parse(encoded, where=where)
    if envelope.kind != Endorsement.KIND:
        raise FormatError(where, f"a {envelope.kind} is not an endorsement")
    endorsement = Endorsement.from_map(cbor.decode_map(envelope.payload, where=where), where=where)
    ed25519.check_public_key(endorsement.public_key, where=where)
    return envelope, endorsement


def purpose_of(endorsements: Sequence[bytes], *, log_id: bytes, public_key: bytes) -> Purpose | None:
    """What the endorsements claim the key is for: production if any says so, None without a fitting one.

    Signatures are not checked here: a recorder asks this to refuse a production key, where believing too much is safe.
    """
    claimed = [
        Purpose(endorsement.purpose)
        for _, endorsement in (parse_endorsement(encoded, where="endorsement") for encoded in endorsements)
        if endorsement.log_id == log_id and endorsement.public_key == public_key
    ]
    return max(claimed, default=None)


def card_bytes(card: Card) -> bytes:
    """The bytes of a card file."""
    return cbor.encode(card.to_map())


def parse_card(encoded: bytes, *, where: str) -> Card:
    """Read a card file. Raises FormatError."""
    card = Card.from_map(cbor.decode_map(encoded, where=where), where=where)
    ed25519.check_public_key(card.public_key, where=where)
    return card


def trust_bytes(trust: Trust) -> bytes:
    """The bytes of a trust file."""
    return cbor.encode(trust.to_map())


def parse_trust(encoded: bytes, *, where: str) -> Trust:
    """Read a trust file: distinct, sound roots and a threshold they can reach. Raises FormatError."""
    if len(encoded) > TRUST_FILE_LIMIT_BYTES:
        raise FormatError(where, "trust file too large")
    trust = Trust.from_map(cbor.decode_map(encoded, where=where), where=where)
    roots = [public_key for public_key, _ in trust.roots]
    for public_key in roots:
        ed25519.check_public_key(public_key, where=where)
    if len(set(roots)) != len(roots) or not trust.threshold <= len(roots):
        raise FormatError(where, "roots are not distinct, or fewer than the threshold")
    return trust
