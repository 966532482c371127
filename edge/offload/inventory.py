"""What the spool holds that the store should keep, found by reading on from where it was left off. Reads only.

The recorder's slices say how far the journal is durable, and no further is read. The journal names everything else:
segments with their hashes, records by commitment, bytes set aside by a recovery, checkpoints; and what needs no sending
any more: receipts of this store, what was destroyed or reclaimed. One turn reads a bounded part.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge.journal import entries_of, file_numbers, file_path
from edge.journal_follow import JournalFollower, Placed
from edge.offload import local
from edge.offload.objects import Lacking, Sealed, Span, Term
from edge.offload.queue import NO_DEADLINE_MS, Kind
from edge.offload.state import Reached
from edge.slices import Slice, SliceReader
from liuhen import records, sealed_records
from liuhen.entry import Entry
from liuhen.errors import FormatError
from liuhen.hashing import sha256
from liuhen.kinds import (
    Checkpoint,
    Destroyed,
    EntryBody,
    Receipt,
    Reclaimed,
    Recovered,
    Retention,
    Segment,
    Session,
    SessionEnd,
)
from liuhen.store_names import CheckpointName, MediaName, QuarantineName, RecordName, SliceName, key_of

READ_BYTES = 512 * 1024
"""Of the journal, per turn."""
SLICES_AT_ONCE = 256
EVERY_SEQ = 1 << 62

Due = Callable[[int, int], int]
"""The instant (UTC ms) by which what ended then, by a clock that may be so much off, must be kept."""


@dataclass(slots=True, kw_only=True)
class Found:
    """What one turn's part of the journal says, in its order, and how far it was read."""

    reached: Reached
    sealed: list[Sealed] = field(default_factory=list)
    lacking: list[Lacking] = field(default_factory=list)
    """Records that the system cannot read now: to be looked at again."""
    differing: list[str] = field(default_factory=list)
    """Paths of records that are not what was committed to, on any disk."""
    receipted: list[tuple[bytes, int | None]] = field(default_factory=list)
    """What receipts of this store name, and until when it keeps that."""
    gone: list[bytes] = field(default_factory=list)
    began: list[tuple[bytes, int]] = field(default_factory=list)
    """Sessions and their first entries."""
    ended: list[tuple[bytes, int, int]] = field(default_factory=list)
    """Sessions that have ended, with the deadline of what they hold, and their last entries."""
    terms: list[tuple[bytes, Term]] = field(default_factory=list)
    """Sessions and until when they are to be kept."""
    newest: bytes = b""
    """The newest entry read, whole; empty where none was."""
    more: bool = False
    """Whether there is more to read at once."""


@dataclass(slots=True, kw_only=True)
class Inventory:
    """Reads one spool for one store; `root` is the folder that can be read now."""

    root: Callable[[], Path]
    log_id: bytes
    store: bytes
    """Hash of the store's name, as a receipt bears it."""
    custodians: tuple[bytes, ...] = ()
    """Records are encrypted for these; none: they go as they are."""
    due: Due = lambda _ended_ms, _error_ms: NO_DEADLINE_MS
    roots: Callable[[], tuple[Path, ...]] | None = None
    """The disks that hold it, the one that leads first; None: `root` alone."""
    _slices: SliceReader | None = None
    _sliced: int = -1
    _read: Path | None = None
    """Where the slices were read last."""

    def read_on(self, reached: Reached) -> Found:
        """The next slices, and the next part of the journal as far as they reach. Raises StorageFault, JournalError."""
        root = self.root()
        # The state was made anew, or the other disk leads now.
        if self._slices is None or self._sliced != reached.sliced or self._read != root:
            self._slices, self._read = SliceReader(root, after_seq=reached.sliced), root
        slices = self._slices.take(SLICES_AT_ONCE)
        self._sliced = slices[-1].last if slices else reached.sliced
        follower = JournalFollower(self.root, reached.mark)
        placed = follower.read(self._sliced, READ_BYTES)
        found = Found(reached=Reached(mark=follower.mark, sliced=self._sliced))
        found.sealed.extend(self._slice(one, placed) for one in slices)
        for one in placed:
            self._take(found, one)
        advanced = follower.mark != reached.mark
        found.more = len(slices) == SLICES_AT_ONCE or (advanced and follower.mark.seq <= self._sliced)
        return found

    def uncut(self, reached: Reached) -> int:
        """How many entries the journal has behind the newest slice, counted as far as one turn reads.

        Whoever appended them has not cut them yet: none of them is sent. Raises OSError, JournalError.
        """
        placed = JournalFollower(self.root, reached.mark).read(EVERY_SEQ, READ_BYTES)
        return sum(one.entry.common.seq > reached.sliced for one in placed)

    def newest(self, reached: Reached) -> bytes:
        """The newest entry before there, whole; empty where there is none. Raises OSError, JournalError."""
        directory = self.root() / "journal"
        for number in reversed([number for number in file_numbers(directory) if number <= reached.mark.file]):
            newest = b""
            for entry in entries_of(file_path(directory, number)):
                if entry.common.seq < reached.mark.seq:
                    newest = entry.envelope.encoded
            if newest:
                return newest
        return b""

    def _due_by(self, entry: Entry) -> int:
        utc_ms, _, _, _, error_ms = entry.common.clock
        return self.due(utc_ms, error_ms)

    def _slice(self, one: Slice, placed: list[Placed]) -> Sealed:
        name = SliceName(log_id=self.log_id, first=one.first, last=one.last, digest=one.digest)
        times = (row.entry.common.clock[0] for row in placed if row.entry.common.seq == one.first)
        return Sealed(
            kind=Kind.SLICE,
            key=key_of(name),
            content=one.digest,
            digest=one.digest,
            size=one.size,
            span=Span(path=f"journal/{one.file:08d}.cbor", offset=one.offset, size=one.size),
            sealed_ms=next(times, 0),
            entries=(one.first, one.last),
        )

    def _take(self, found: Found, placed: Placed) -> None:
        entry, body = placed.entry, placed.entry.body
        found.newest = entry.envelope.encoded
        for commitment in _commitments(body):
            self._record(found, commitment, entry)
        match body:
            case Segment():
                found.sealed.append(self._segment(entry, body))
            case Recovered():
                self._quarantined(found, entry, body)
            case Checkpoint():
                found.sealed.append(self._checkpoint(placed, body))
            case Session() | SessionEnd() | Retention():
                self._of_session(found, entry)
            case Receipt() if body.store == self.store:
                found.receipted.extend((row[1], row[5]) for row in body.objects)
            case Destroyed() | Reclaimed():
                found.gone.extend(digest for _, digest in body.contents)
            case _:
                pass

    def _of_session(self, found: Found, entry: Entry) -> None:
        """Its first entry, its last, and how long it is to be kept."""
        session = entry.common.session_id or b""
        match entry.body:
            case Session():
                found.began.append((session, entry.common.seq))
            case SessionEnd():
                found.ended.append((session, self._due_by(entry), entry.common.seq))
            case Retention(session=of, until_ms=int(until_ms)):
                found.terms.append((of, Term(until_ms=until_ms, said_ms=entry.common.clock[0])))
            case _:
                pass

    def _segment(self, entry: Entry, body: Segment) -> Sealed:
        session = entry.common.session_id or b""
        name = MediaName(log_id=self.log_id, session=session, number=body.number, digest=body.file_hash)
        path = f"sessions/{session.hex()}/{body.number:06d}.mp4"
        return Sealed(
            kind=Kind.SEGMENT,
            key=key_of(name),
            content=body.file_hash,
            digest=body.file_hash,
            size=body.size,
            span=Span(path=path, offset=0, size=body.size, to_end=True),
            session=session,
            sealed_ms=entry.common.clock[0],
            # Until the session ends this is stricter than its own deadline.
            due_ms=self._due_by(entry),
        )

    def _checkpoint(self, placed: Placed, body: Checkpoint) -> Sealed:
        encoded = placed.entry.envelope.encoded
        digest = sha256(encoded)
        name = CheckpointName(log_id=self.log_id, size=body.size, digest=digest)
        return Sealed(
            kind=Kind.CHECKPOINT,
            key=key_of(name),
            content=digest,
            digest=digest,
            size=len(encoded),
            span=Span(path=f"journal/{placed.file:08d}.cbor", offset=placed.start, size=len(encoded)),
            sealed_ms=placed.entry.common.clock[0],
        )

    def _record(self, found: Found, commitment: bytes, entry: Entry) -> None:
        """A record that an entry names: what is known of it now."""
        sealed_ms = entry.common.clock[0]
        lacking = Lacking(commitment=commitment, session=entry.common.session_id, sealed_ms=sealed_ms)
        try:
            self.look_again(found, lacking)
        except OSError:
            found.lacking.append(lacking)

    def look_again(self, found: Found, lacking: Lacking) -> None:
        """Take in a record that is there and is what was committed to; one that was destroyed is not there.

        Encrypted, its span still names the file, and size and digest are those of what is sent (`local.encrypted`).
        Raises OSError where one disk cannot be read and no other will do.
        """
        commitment, path = lacking.commitment, f"records/{lacking.commitment.hex()}.record"
        content, differs = self._record_bytes(commitment, path)
        if content is None:
            found.differing.extend([path] if differs else [])
            return
        if self.custodians:
            content = sealed_records.seal(content, self.custodians)
        digest = sha256(content)
        sealed = Sealed(
            kind=Kind.RECORD,
            key=key_of(RecordName(log_id=self.log_id, commitment=commitment, digest=digest)),
            content=commitment,
            digest=digest,
            size=len(content),
            span=Span(path=path, offset=0, size=len(content), to_end=True),
            session=lacking.session,
            sealed_ms=lacking.sealed_ms,
        )
        found.sealed.append(sealed)

    def _record_bytes(self, commitment: bytes, path: str) -> tuple[bytes | None, bool]:
        """The file from the first disk that holds it rightly; without one, whether a disk holds it wrongly.

        Raises OSError.
        """
        differs = False
        unreadable: OSError | None = None
        for place, root in enumerate(self._roots()):
            try:
                content = local.record_bytes(root, path)
                if records.parse(content, where=path).commitment == commitment:
                    return content, False
                differs = True
            except FormatError:
                differs = True
            except FileNotFoundError as error:
                # Where there is no folder there is no disk: that says nothing of the file.
                unreadable = error if place == 0 and not (root / "records").is_dir() else unreadable
            except OSError as error:
                unreadable = unreadable or error
        if unreadable is not None:
            raise unreadable
        return None, differs

    def _roots(self) -> tuple[Path, ...]:
        return (self.root(),) if self.roots is None else self.roots()

    def _quarantined(self, found: Found, entry: Entry, body: Recovered) -> None:
        for session, number, size, digest in body.quarantined:
            path = self._set_aside(session, size, digest)
            if path is None:
                continue
            name = QuarantineName(log_id=self.log_id, session=session, number=number, digest=digest)
            sealed = Sealed(
                kind=Kind.QUARANTINED,
                key=key_of(name),
                content=digest,
                digest=digest,
                size=size,
                span=Span(path=path, offset=0, size=size, to_end=True),
                session=session,
                sealed_ms=entry.common.clock[0],
                due_ms=self._due_by(entry),
            )
            found.sealed.append(sealed)

    def _set_aside(self, session: bytes, size: int, digest: bytes) -> str | None:
        """The file that holds these bytes: its name says where they were cut off, which no entry does.

        One that cannot be read now, and might be it, stands where no other is: whoever sends it reads it again.
        """
        perhaps = None
        for root in self._roots():
            for path in sorted((root / "quarantine").glob(f"{session.hex()}-*")):
                below = f"quarantine/{path.name}"
                try:
                    with os.fdopen(local.opened(root, below), "rb") as file:
                        if os.fstat(file.fileno()).st_size != size:
                            continue
                        perhaps = perhaps or below
                        if hashlib.file_digest(file, "sha256").digest() == digest:
                            return below
                        perhaps = None if perhaps == below else perhaps
                except OSError:
                    continue
        return perhaps


def _commitments(body: EntryBody | None) -> tuple[bytes, ...]:
    rows = getattr(body, "records", ())
    return tuple(commitment for _, commitment in rows)
