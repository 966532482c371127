"""What others than the device sign in a store: a witness's statement, a custodian's of access (FORMAT.md 12.4, 12.5).

Pure: makes, parses and checks bytes. Neither statement is ever a journal entry: their content types tell them apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from liuhen import cbor, cose, ed25519, merkle
from liuhen.errors import FormatError
from liuhen.kinds import Access, Witness

KEY_FILE_LIMIT_BYTES = 65536
MOST_WITNESSES = 16
_KEY_LINE = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessClaim:
    """What a pinned witness signed: the root of the first `size` entries, and how many media it had read back."""

    kid: bytes
    size: int
    root: bytes
    utc_ms: int
    media: int


def sign_witness(signer: cose.Signer, statement: Witness) -> bytes:
    """The envelope of a witness statement. Raises FormatError where it is not one that `parse_witness` takes."""
    _check_witness(statement, "witness")
    return cose.sign(signer, Witness.KIND, cbor.encode(statement.to_map()))


def sign_access(signer: cose.Signer, statement: Access) -> bytes:
    """The envelope of an access statement. Raises FormatError where it is not one that `parse_access` takes."""
    _check_access(statement, "access")
    return cose.sign(signer, Access.KIND, cbor.encode(statement.to_map()))


def parse_witness(encoded: bytes, *, where: str) -> tuple[cose.Sign1, Witness]:
    """Take a witness statement apart; who signed it is not asked. Raises FormatError."""
    envelope = _envelope(encoded, Witness.KIND, where)
    statement = Witness.from_map(cbor.decode_map(envelope.payload, where=where), where=where)
    _check_witness(statement, where)
    return envelope, statement


def parse_access(encoded: bytes, *, where: str) -> tuple[cose.Sign1, Access]:
    """Take an access statement apart; who signed it is not asked. Raises FormatError."""
    envelope = _envelope(encoded, Access.KIND, where)
    statement = Access.from_map(cbor.decode_map(envelope.payload, where=where), where=where)
    _check_access(statement, where)
    return envelope, statement


def verify_witness(encoded: bytes, pinned: Mapping[bytes, bytes], *, log_id: bytes, where: str) -> Witness:
    """The statement of a pinned witness (kid to public key) about this log. Raises FormatError for any other.

    That its root is the one of these entries is for whoever has the entries to say.
    """
    envelope, statement = parse_witness(encoded, where=where)
    public_key = pinned.get(envelope.kid)
    if public_key is None:
        raise FormatError(where, f"a witness that is not pinned: {envelope.kid.hex()}")
    cose.verify(envelope, public_key, where=where)
    if statement.log_id != log_id:
        raise FormatError(where, f"it speaks of log {statement.log_id.hex()}")
    return statement


def verify_access(encoded: bytes, public_key: bytes, *, where: str) -> Access:
    """The statement of this custodian. Raises FormatError."""
    envelope, statement = parse_access(encoded, where=where)
    cose.verify(envelope, public_key, where=where)
    return statement


def parse_pins(text: str, *, where: str) -> dict[bytes, bytes]:
    """The witnesses a file pins, kid to public key: one public key per line, 64 hex digits; `#` begins a comment."""
    pinned: dict[bytes, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        digits = line.partition("#")[0].strip().lower()
        if not digits:
            continue
        if _KEY_LINE.fullmatch(digits) is None:
            raise FormatError(f"{where}, line {number}", "not a public key of 64 hex digits")
        public_key = bytes.fromhex(digits)
        ed25519.check_public_key(public_key, where=f"{where}, line {number}")
        pinned[cose.key_id(public_key)] = public_key
    if not 0 < len(pinned) <= MOST_WITNESSES:
        raise FormatError(where, f"expected 1 to {MOST_WITNESSES} public keys, found {len(pinned)}")
    return pinned


def objects_copied(digests: Iterable[bytes]) -> tuple[int, bytes]:
    """How many objects, and the RFC 6962 root over their SHA-256 in ascending order (FORMAT.md 12.5)."""
    ascending = sorted(set(digests))
    return len(ascending), merkle.root_of([merkle.leaf_hash(digest) for digest in ascending])


def _envelope(encoded: bytes, kind: str, where: str) -> cose.Sign1:
    envelope = cose.parse(encoded, where=where)
    if envelope.kind != kind:
        raise FormatError(where, f"{envelope.kind!r} is not {kind!r}")
    return envelope


def _check_witness(statement: Witness, where: str) -> None:
    if statement.size == 0:
        raise FormatError(where, "it cosigns no entry")
    _check_ascending(statement.media, f"{where}.media")


def _check_access(statement: Access, where: str) -> None:
    for name, text in (("actor", statement.actor), ("purpose", statement.purpose), ("approval", statement.approval)):
        if not text.strip():
            raise FormatError(f"{where}.{name}", "empty")
    _check_ascending(statement.sessions, f"{where}.sessions")


def _check_ascending(rows: Sequence[bytes], where: str) -> None:
    if list(rows) != sorted(set(rows)):
        raise FormatError(where, "not ascending, or named twice")
