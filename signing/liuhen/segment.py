"""Sealing a segment while it grows: the hash chain over init and fragments, and the seal after each (FORMAT.md 6).

Pure: takes bytes, returns bytes. One `Sealer` belongs to one file and one thread.
"""

from __future__ import annotations

from dataclasses import dataclass

from liuhen import cbor, cose
from liuhen.boxes import (
    FRAGMENT_LIMIT_BYTES,
    IDENTITY_USERTYPE,
    SEAL_USERTYPE,
    SEGMENT_LIMIT_BYTES,
    UUID_HEADER_BYTES,
    uuid_box,
)
from liuhen.errors import FormatError
from liuhen.hashing import ZERO_HASH, fragment_hash, initial_hash, running_hash, seal_hash
from liuhen.kinds import Head, Identity, Pair, Seal
from liuhen.registry import EndCause


def identity_box(identity: Identity) -> bytes:
    """The `uuid` box that makes a bare segment verifiable alone."""
    return uuid_box(IDENTITY_USERTYPE, cbor.encode(identity.to_map()))


@dataclass(frozen=True, slots=True, kw_only=True)
class FragmentFacts:
    """What the seal says beside the hash: newest durable journal head, cumulative counts, capture span, delay."""

    head: Head
    frames: int
    samples: int
    span_ns: Pair
    delay_ms: int
    end_cause: EndCause | None = None


class Sealer:
    """The running hash of one segment. Feed the init once, then each fragment; append exactly what comes back."""

    def __init__(self, identity: Identity, initialisation: bytes, signer: cose.Signer) -> None:
        self._identity = identity
        self._signer = signer
        self.initial = initial_hash(initialisation)
        self.r = self.initial
        self.size = len(initialisation)
        self.fragments: list[tuple[int, bytes, int, bytes]] = []

    @property
    def count(self) -> int:
        """Fragments sealed so far; the next one has this number plus one."""
        return len(self.fragments)

    def seal(self, fragment: bytes, facts: FragmentFacts) -> bytes:
        """Return the seal box that must follow `fragment` in the same write. An empty fragment only ends a segment."""
        if len(fragment) > FRAGMENT_LIMIT_BYTES or self.size + len(fragment) > SEGMENT_LIMIT_BYTES - 4096:
            raise FormatError("fragment", "exceeds the size limits")
        h = fragment_hash(fragment)
        r = running_hash(self.r, h)
        encoded = cose.sign(self._signer, Seal.KIND, cbor.encode(self._seal(len(fragment), r, facts).to_map()))
        box = uuid_box(SEAL_USERTYPE, encoded)
        self.fragments.append((len(fragment), h, len(box), seal_hash(encoded)))
        self.r = r
        self.size += len(fragment) + len(box)
        return box

    def _seal(self, size: int, r: bytes, facts: FragmentFacts) -> Seal:
        return Seal(
            version=1,
            log_id=self._identity.log_id,
            run=self._identity.run,
            session_id=self._identity.session_id,
            segment=self._identity.segment,
            fragment=self.count + 1,
            r=r,
            offset=self.size + size,
            head=facts.head,
            frames=facts.frames,
            samples=facts.samples,
            span_ns=facts.span_ns,
            delay_ms=facts.delay_ms,
            end_cause=facts.end_cause,
        )


def parse_seal(box_payload: bytes, *, where: str) -> tuple[cose.Sign1, Seal]:
    """Parse the COSE bytes of a seal box; the signature is not checked here."""
    envelope = cose.parse(box_payload, where=where)
    if envelope.kind != Seal.KIND:
        raise FormatError(where, f"a seal box holds a {envelope.kind}")
    return envelope, Seal.from_map(cbor.decode_map(envelope.payload, where=where), where=where)


def parse_identity(box_payload: bytes, *, where: str) -> Identity:
    """Parse the identity box content."""
    return Identity.from_map(cbor.decode_map(box_payload, where=where), where=where)


NO_PREVIOUS = ZERO_HASH
SEAL_BOX_OVERHEAD_BYTES = UUID_HEADER_BYTES
