"""Journal entries: common fields plus one body, signed (FORMAT.md 5)."""

from __future__ import annotations

from dataclasses import dataclass

from liuhen import cbor, cose
from liuhen.errors import FormatError
from liuhen.hashing import ZERO_HASH, sha256
from liuhen.kinds import ENTRY_KINDS, Clock, Common, EntryBody, Head, columns

_COMMON_KEYS = frozenset(number for number, _, _ in columns(Common))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One parsed entry. `body` is None where this verifier does not know the kind; `hash` is the next one's `prev`."""

    envelope: cose.Sign1
    common: Common
    body: EntryBody | None
    hash: bytes

    @property
    def head(self) -> Head:
        """[seq, hash] of this entry."""
        return (self.common.seq, self.hash)

    @property
    def kind(self) -> str:
        """Short name of the content type."""
        return self.envelope.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What the next entry of a log continues: its log, run, number and predecessor."""

    log_id: bytes
    run: int
    seq: int = 0
    prev: bytes = ZERO_HASH


def make(
    body: EntryBody,
    *,
    at: Position,
    clock: Clock,
    session_id: bytes | None,
    seen: tuple[int, bytes, int, bytes] | None,
    signer: cose.Signer,
) -> bytes:
    """Sign one entry; returns the COSE bytes to append. Raises FormatError if a field breaks its shape."""
    common = Common(
        version=1,
        log_id=at.log_id,
        run=at.run,
        seq=at.seq,
        prev=at.prev,
        session_id=session_id,
        clock=clock,
        entry_class=body.CLASS,
        seen=seen,
    )
    return cose.sign(signer, body.KIND, cbor.encode({**common.to_map(), **body.to_map()}))


def parse(encoded: bytes, *, where: str) -> Entry:
    """Parse one entry without checking its signature or place. Raises FormatError."""
    envelope = cose.parse(encoded, where=where)
    payload = cbor.decode_map(envelope.payload, where=where)
    common = Common.from_map({k: v for k, v in payload.items() if k in _COMMON_KEYS}, where=where)
    rest = {k: v for k, v in payload.items() if k not in _COMMON_KEYS}
    kind = ENTRY_KINDS.get(envelope.kind)
    body = None
    if kind is not None:
        if common.entry_class != kind.CLASS:
            raise FormatError(where, f"class byte {common.entry_class} is not that of {kind.KIND}")
        body = kind.from_map(rest, where=where)
    return Entry(envelope=envelope, common=common, body=body, hash=sha256(encoded))
