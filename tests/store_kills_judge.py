"""What a store, a spool and the receipts between them must come to, whoever was killed on the way.

Pure but for `Evidence.of`, which reads a spool and lists a store: each fact is a value, so that a test can spoil one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.journal_follow import JournalFollower
from edge.slices import SliceReader
from edge.store import Retained, Store, Version
from liuhen.entry import Entry
from liuhen.kinds import Receipt, Reclaimed, Segment
from liuhen.registry import RetentionMode
from liuhen.store_names import MediaName, SliceName, key_of, parse_key, prefix_of

EVERYTHING = 1 << 62
JOURNAL_LIMIT_BYTES = 1 << 30
SLICES_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A segment or a slice that the spool states: its key in the store, its size, and the entry that settles it."""

    key: str
    size: int
    seq: int
    local: Path | None
    """The file that must still be there, byte for byte; None for a slice."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of its bytes."""
        return parse_key(self.key).digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipted:
    """One row of a receipt entry."""

    seq: int
    digest: bytes
    size: int
    version: str
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that is judged. `quiet_seq`: what is stated up to this entry has had all the time it needs."""

    owed: tuple[Owed, ...]
    slices: tuple[tuple[int, int], ...]
    last_seq: int
    receipts: tuple[Receipted, ...]
    reclaimed: tuple[int, ...]
    versions: tuple[Version, ...]
    retained: dict[str, Retained]
    """By key, of each owed object's newest version."""
    quiet_seq: int

    @classmethod
    def of(cls, spool: Path, log_id: bytes, store: Store, quiet_seq: int) -> Evidence:
        """Read it all. Raises StoreFault, JournalError."""
        entries = read_entries(spool)
        cuts = SliceReader(spool).take(SLICES_LIMIT)
        owed = [*_segments(spool, log_id, entries)]
        for cut in cuts:
            name = SliceName(log_id=log_id, first=cut.first, last=cut.last, digest=cut.digest)
            owed.append(Owed(key=key_of(name), size=cut.size, seq=cut.last, local=None))
        versions = tuple(store.versions(prefix_of(log_id)))
        real = {one.key: one for one in versions if not one.is_delete_marker}
        return cls(
            owed=tuple(owed),
            slices=tuple((cut.first, cut.last) for cut in cuts),
            last_seq=entries[-1].common.seq,
            receipts=tuple(_receipted(entries)),
            reclaimed=tuple(one.common.seq for one in entries if isinstance(one.body, Reclaimed)),
            versions=versions,
            retained={one.key: store.retained(one.key, real[one.key].version_id) for one in owed if one.key in real},
            quiet_seq=quiet_seq,
        )


def read_entries(spool: Path) -> list[Entry]:
    """The whole journal."""
    follower = JournalFollower(lambda: spool)
    return [placed.entry for placed in follower.read(EVERYTHING, JOURNAL_LIMIT_BYTES)]


def _segments(spool: Path, log_id: bytes, entries: list[Entry]) -> Iterator[Owed]:
    for one in entries:
        session, body = one.common.session_id, one.body
        if not isinstance(body, Segment) or session is None:
            continue
        name = MediaName(log_id=log_id, session=session, number=body.number, digest=body.file_hash)
        local = spool / "sessions" / session.hex() / f"{body.number:06d}.mp4"
        yield Owed(key=key_of(name), size=body.size, seq=one.common.seq, local=local)


def _receipted(entries: list[Entry]) -> Iterator[Receipted]:
    for one in entries:
        if isinstance(one.body, Receipt):
            for _, _, digest, size, version, _, _ in one.body.objects:
                yield Receipted(seq=one.common.seq, digest=digest, size=size, version=version, mode=one.body.mode)


def faults(evidence: Evidence) -> list[str]:
    """One line for each thing that is not as it must be."""
    return [
        *_lost_here(evidence),
        *_slices_have_holes(evidence),
        *_not_once_in_the_store(evidence),
        *_receipts_of_something_else(evidence),
        *_not_receipted(evidence),
    ]


def _lost_here(evidence: Evidence) -> Iterator[str]:
    yield from (f"entry {seq}: something was reclaimed" for seq in evidence.reclaimed)
    for one in evidence.owed:
        if one.local is None:
            continue
        if not one.local.is_file():
            yield f"{one.local.name} of {one.key} is not in the spool any more"
        elif hashlib.sha256(one.local.read_bytes()).digest() != one.digest:
            yield f"{one.local.name} of {one.key} holds other bytes than the journal states"


def _slices_have_holes(evidence: Evidence) -> Iterator[str]:
    following = 0
    for first, last in evidence.slices:
        if first != following:
            yield f"a slice begins with entry {first}, expected {following}"
        following = last + 1
    if following != evidence.last_seq + 1:
        yield f"the slices end before entry {following}, the journal with entry {evidence.last_seq}"


def _not_once_in_the_store(evidence: Evidence) -> Iterator[str]:
    counted = Counter(one.key for one in evidence.versions)
    owed = {one.key: one for one in evidence.owed}
    yield from (f"{number} versions of {key}" for key, number in counted.items() if number != 1)
    yield from (f"{one.key} has a delete marker" for one in evidence.versions if one.is_delete_marker)
    yield from (f"{key} is not in the store" for key in owed if key not in counted)
    for one in evidence.versions:
        known = owed.get(one.key)
        if known is None and isinstance(parse_key(one.key), MediaName | SliceName):
            yield f"{one.key} is nothing that the spool states"
        if known is not None and not one.is_delete_marker and one.size != known.size:
            yield f"{one.key} has {one.size} bytes, the spool states {known.size}"
    for key, kept in evidence.retained.items():
        if kept.mode is not RetentionMode.COMPLIANCE or kept.until is None:
            yield f"{key} is under no lock"


def _receipts_of_something_else(evidence: Evidence) -> Iterator[str]:
    there = {(parse_key(one.key).digest, one.version_id): one for one in evidence.versions if not one.is_delete_marker}
    meanings: dict[bytes, set[str]] = {}
    for row in evidence.receipts:
        meanings.setdefault(row.digest, set()).add(row.version)
        held = there.get((row.digest, row.version))
        if held is None:
            yield f"entry {row.seq}: a receipt for version {row.version} of {row.digest.hex()}, which is not there"
        elif held.size != row.size or row.mode != RetentionMode.COMPLIANCE:
            yield f"entry {row.seq}: a receipt that does not say what the store holds of {held.key}"
    for digest, versions in meanings.items():
        if len(versions) > 1:
            yield f"receipts for {len(versions)} versions of {digest.hex()}"


def _not_receipted(evidence: Evidence) -> Iterator[str]:
    known = {row.digest for row in evidence.receipts}
    for one in evidence.owed:
        if one.seq <= evidence.quiet_seq and one.digest not in known:
            yield f"no receipt for {one.key}"
