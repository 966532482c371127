"""One segment file against its statement, or by its seals alone (FORMAT.md 6; steps S2 to S7).

Two ways through the same bytes. With a statement one pass hashes init, every fragment and every seal and compares.
Without one, each seal's signature is verified. Either way memory is bounded by the limits of the format and a file may
end anywhere.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from liuhen import archive, cose, reader
from liuhen.archive import Limited
from liuhen.boxes import SEAL_BOX_LIMIT_BYTES, SEAL_USERTYPE, SEGMENT_LIMIT_BYTES, UUID_HEADER_BYTES
from liuhen.errors import FormatError
from liuhen.findings import LIMIT_PER_CODE, Code, Findings, Place, Verdict
from liuhen.hashing import running_hash, seal_hash
from liuhen.kinds import Head, Identity, Pair, Seal, Segment
from liuhen.reader import Cursor, FragmentState, Initialisation, SealedFragment, StructureError, Tail
from liuhen.registry import EndCause
from liuhen.segment import parse_seal
from liuhen.store_reader import Kept

if TYPE_CHECKING:
    from hashlib import _Hash

_CHAINED_ENDS = frozenset({EndCause.RECOVERED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one segment file showed. `r` and `fragments` reach to the last fragment that verified without a break."""

    identity: Identity | None
    fragments: int
    r: bytes | None
    last_seal: Seal | None
    frames: int
    samples: int
    span_ns: Pair | None
    final: bool

    @property
    def head(self) -> Head | None:
        """The newest journal entry its seals name."""
        return self.last_seal.head if self.last_seal is not None else None


NOTHING = Outcome(identity=None, fragments=0, r=None, last_seal=None, frames=0, samples=0, span_ns=None, final=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One thing found in a file; where the file lies is said when it is told."""

    code: Code
    fragment: int | None
    offset: int | None
    en: object


@dataclass(slots=True, kw_only=True)
class SegmentCheck:
    """What one file showed, kept until its turn comes: files may be read in another order than they are told in.

    As much is kept as will be told; `AUTHENTIC` and `AUTHENTIC_PREFIX` become the verdict that the key deserves.
    """

    notes: list[Note] = field(default_factory=list)
    count: Counter[Code] = field(default_factory=Counter)
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    unsealed_bytes: int = 0
    kept: list[Kept] = field(default_factory=list)
    """Out of a store: how long it keeps each version that is this file."""

    def add(self, code: Code, *, fragment: int | None = None, offset: int | None = None, en: object = "") -> None:
        """Report at this segment."""
        self.count[code] += 1
        if self.count[code] <= LIMIT_PER_CODE:
            self.notes.append(Note(code=code, fragment=fragment, offset=offset, en=en))

    def judge(self, verdict: Verdict, count: int = 1) -> None:
        """Count fragments."""
        self.verdicts[verdict] += count

    def tell(self, findings: Findings, place: Place, good: Verdict = Verdict.AUTHENTIC) -> None:
        """Into the report. `good` is the verdict of a fragment that holds: authentic, or unendorsed."""
        for note in self.notes:
            findings.add(note.code, replace(place, fragment=note.fragment, offset=note.offset), en=note.en)
        for code, count in self.count.items():
            findings.count[code] += max(0, count - LIMIT_PER_CODE)
        for verdict, count in self.verdicts.items():
            holds = verdict in (Verdict.AUTHENTIC, Verdict.AUTHENTIC_PREFIX)
            findings.verdicts[good if holds and good is Verdict.UNENDORSED else verdict] += count
        findings.unsealed_bytes += self.unsealed_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the reading of one file gave."""

    check: SegmentCheck
    outcome: Outcome
    read_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What one process reads with: its buffer, and whom it tells how many bytes it has read."""

    buffer: bytearray = field(default_factory=lambda: bytearray(reader.CHUNK_BYTES))
    on_read: Callable[[int], None]
    readers: dict[object, object] = field(default_factory=dict)
    """The stores this process reads, each opened once."""


class Source(Protocol):
    """A file that is brought to its path for as long as it is read, by whichever process reads it."""

    def presented(
        self,
        path: Path,
        tell: Callable[[Code, str], None],
        readers: dict[object, object],
        kept: Callable[[Kept], None],
    ) -> AbstractContextManager[Path]:
        """Where it lies now. Raises FileNotFoundError, OSError, StoreTrouble."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One file to be read; below `root` nothing is followed. Without `statement` it is verified by its seals."""

    path: Path
    root: Path | None
    statement: Segment | None = None
    whole_file_hash: bool = False
    may_be_open: bool = False
    source: Source | None = None

    def read(self, desk: Desk) -> Seen:
        """Raises what opening and reading raise (FormatError, OSError; StoreTrouble where there is a source)."""
        check = SegmentCheck()
        if self.source is None:
            return self._read(self.path, check, desk)
        told = (lambda code, en: check.add(code, en=en), desk.readers, check.kept.append)
        with self.source.presented(self.path, *told) as path:
            return self._read(path, check, desk)

    def _read(self, path: Path, check: SegmentCheck, desk: Desk) -> Seen:
        statement = self.statement
        whole = hashlib.sha256() if self.whole_file_hash else None
        with archive.opened(path, root=self.root, limit_bytes=SEGMENT_LIMIT_BYTES) as file:
            check_size(file, check)
            cursor = Cursor(file, whole=whole, on_read=desk.on_read, buffer=desk.buffer)
            if statement is None:
                outcome = verify_by_seals(cursor, check, may_be_open=self.may_be_open)
            else:
                outcome = verify_stated(cursor, statement, check)
        if whole is not None and statement is not None and whole.digest() != statement.file_hash:
            check.add(Code.FILE_HASH_WRONG)
        return Seen(check=check, outcome=outcome, read_bytes=cursor.offset)


def check_size(file: Limited, check: SegmentCheck) -> None:
    """Step A1: no segment is larger than the format allows; what lies beyond is not read."""
    if file.exceeds:
        check.add(Code.TOO_LARGE, offset=file.limit_bytes, en=f"> {file.limit_bytes}")


# --- with a statement ------------------------------------------------------------------------------------------------


def check_statement(statement: Segment, check: SegmentCheck) -> None:
    """Step S7: the statement agrees with itself."""
    rows = statement.fragments
    r = statement.initial
    for _, h, _, _ in rows:
        r = running_hash(r, h)
    if r != statement.last:
        check.add(Code.STATEMENT_WRONG, en="`last` does not follow from its fragments")
    if not rows:
        check.add(Code.STATEMENT_WRONG, en="it lists no fragment")
    if initial_size(statement) <= 0 or statement.size > SEGMENT_LIMIT_BYTES:
        check.add(Code.STATEMENT_WRONG, en="its sizes do not add up, or exceed 64 MiB")
    if any(size == 0 for size, _, _, _ in rows[:-1]):
        check.add(Code.STATEMENT_WRONG, en="a fragment before the last is empty")
    if statement.span_ns[0] > statement.span_ns[1]:
        check.add(Code.STATEMENT_WRONG, en="its span ends before it begins")


def initial_size(statement: Segment) -> int:
    """How many bytes init has, by the statement."""
    return statement.size - sum(size + box for size, _, box, _ in statement.fragments)


def verify_stated(cursor: Cursor, statement: Segment, check: SegmentCheck) -> Outcome:
    """Steps S2, S4, S5, S6 against a verified statement: every byte of the file in one pass."""
    identity = _stated_init(cursor, statement, check)
    walk = _StatedWalk(cursor, check)
    for size, h, box_size, hash_of_seal in statement.fragments:
        if not walk.fragment(size, h, box_size) or not walk.seal(box_size, hash_of_seal):
            break
    walk.finish(len(statement.fragments))
    last_seal = walk.last_seal(statement, identity)
    return Outcome(
        identity=identity,
        fragments=walk.unbroken,
        r=statement.last if walk.unbroken == len(statement.fragments) else None,
        last_seal=last_seal,
        frames=statement.frames[1],
        samples=statement.samples[1],
        span_ns=statement.span_ns,
        final=True,
    )


def _stated_init(cursor: Cursor, statement: Segment, check: SegmentCheck) -> Identity | None:
    """Step S2: init is the one the statement names, and has the boxes it must have."""
    size = initial_size(statement)
    if not 0 < size <= reader.INIT_LIMIT_BYTES:
        check.add(Code.INIT_ALTERED, offset=0, en="its size is impossible")
        return None
    encoded = cursor.take(size)
    if hashlib.sha256(b"\x02" + encoded).digest() != statement.initial:
        check.add(Code.INIT_ALTERED, offset=0, en="its hash is not the stated one")
        return None
    try:
        initialisation = reader.initialisation_of(encoded)
    except StructureError as error:
        check.add(Code.INIT_ALTERED, offset=0, en=error.what)
        return None
    return initialisation.identity


class _StatedWalk:
    """The fragments and seals of one file, hashed and compared row by row."""

    def __init__(self, cursor: Cursor, check: SegmentCheck) -> None:
        self._cursor = cursor
        self._check = check
        self._seal = b""
        self._index = 0
        self._short = False
        self._damaged = False
        self.unbroken = 0

    def fragment(self, size: int, h: bytes, box_size: int) -> bool:
        """Step S4; False where the file ends. `box_size` is that of the seal box after it."""
        self._index += 1
        offset = self._cursor.offset
        digest = hashlib.sha256(b"\x00")
        boxes_fit = not size or _feed_boxes(self._cursor, size, digest, ahead=box_size)
        self._short = self._cursor.offset - offset < size
        if self._short:
            return False
        whole = digest.digest() == h
        if not (whole and boxes_fit):
            why = "its boxes are not prft, moof, mdat" if whole else "its hash is not the stated one"
            self._check.add(Code.FRAGMENT_ALTERED, fragment=self._index, offset=offset, en=why)
        self._damaged = not (whole and boxes_fit)
        return True

    def seal(self, box_size: int, hash_of_seal: bytes) -> bool:
        """Step S5 by hash; False where the file ends. Judges the fragment."""
        offset = self._cursor.offset
        box = self._cursor.take(min(box_size, SEAL_BOX_LIMIT_BYTES + 1))
        self._short = len(box) < box_size
        if self._short:
            return False
        self._seal = box[UUID_HEADER_BYTES:]
        header = box_size.to_bytes(4, "big") + b"uuid" + SEAL_USERTYPE
        if box[:UUID_HEADER_BYTES] != header or seal_hash(self._seal) != hash_of_seal:
            self._check.add(Code.SEAL_ALTERED, fragment=self._index, offset=offset, en="it is not the stated one")
            self._seal, self._damaged = b"", True
        self._check.judge(Verdict.ALTERED if self._damaged else Verdict.AUTHENTIC)
        self.unbroken += not self._damaged and self.unbroken == self._index - 1
        return True

    def finish(self, promised: int) -> None:
        """Step S6: nothing is missing, nothing follows."""
        if self._short:
            good = self._index - 1
            self._check.add(
                Code.TAIL_MISSING, fragment=self._index, offset=self._cursor.offset, en=f"{good} / {promised} fragments"
            )
            self._check.judge(Verdict.MISSING_UNEXPLAINED, promised - good)
        offset = self._cursor.offset
        extra, _ = self._cursor.drain()
        if extra:
            self._check.add(Code.EXTRA_BYTES, offset=offset, en=extra)

    def last_seal(self, statement: Segment, identity: Identity | None) -> Seal | None:
        """The last seal, parsed and its signature verified under the key of the identity box.

        The others are covered by the hashes in the statement alone.
        """
        if self._short or not self._seal or self._index != len(statement.fragments):
            return None
        try:
            envelope, seal = parse_seal(self._seal, where=f"seal {self._index}")
            if identity is not None:
                cose.verify(envelope, identity.public_key, where=f"seal {self._index}")
                offset = statement.size - UUID_HEADER_BYTES - len(self._seal)
                reader.check_seal(seal, identity, index=self._index, offset=offset, before=None)
            _check_last_seal(seal, statement)
        except FormatError as error:
            self._check.add(Code.SEAL_WRONG, fragment=self._index, en=error.what)
            return None
        return seal


def _check_last_seal(seal: Seal, statement: Segment) -> None:
    where = f"seal {len(statement.fragments)}"
    if seal.r != statement.last or seal.fragment != len(statement.fragments):
        raise FormatError(where, "it is not the seal of the last fragment")
    if seal.end_cause is None and statement.end_cause not in _CHAINED_ENDS:
        raise FormatError(where, "it is not final though the segment was closed")
    totals = (sum(statement.frames), sum(statement.samples))
    if (seal.frames, seal.samples) != totals:
        raise FormatError(where, f"it counts {seal.frames} frames, {seal.samples} samples; the statement {totals}")


def _feed_boxes(cursor: Cursor, size: int, digest: _Hash, *, ahead: int) -> bool:
    """Hash exactly `size` bytes; whether they are exactly prft, moof and mdat."""
    view = cursor.window(size, ahead=ahead)
    if view is None:
        return _feed_long_boxes(cursor, size, digest)
    digest.update(view)
    at = 0
    for kind in reader.FRAGMENT_BOXES:
        if view[at + 4 : at + 8] != kind:
            return False
        at += int.from_bytes(view[at : at + 4], "big")
    return at == size


def _feed_long_boxes(cursor: Cursor, size: int, digest: _Hash) -> bool:
    """The same for a fragment that is larger than the buffer, or that the file's end cuts off."""
    end = cursor.offset + size
    fits = True
    for kind in reader.FRAGMENT_BOXES:
        try:
            left = end - cursor.offset
            box = reader.box_size(cursor.take(min(reader.BOX_HEADER_BYTES, left)), kind, left, digest)
        except StructureError:
            fits = False
            break
        cursor.feed(box - reader.BOX_HEADER_BYTES, digest)
    fits = fits and cursor.offset == end
    cursor.feed(end - cursor.offset, digest)
    return fits


# --- by the seals alone ----------------------------------------------------------------------------------------------


def verify_by_seals(source: Cursor, check: SegmentCheck, *, may_be_open: bool) -> Outcome:
    """Steps S2, S4, S5, S6 with every seal's signature.

    `may_be_open`: nothing says that this segment was closed, so it may end without a final seal.
    """
    walk = _SealWalk(check, may_be_open=may_be_open)
    for item in reader.walk(source):
        match item:
            case Initialisation():
                walk.begin(item)
            case SealedFragment():
                walk.fragment(item)
            case Tail():
                walk.tail(item)
    return walk.outcome()


class _SealWalk:
    """What the seals of one file say, item by item."""

    def __init__(self, check: SegmentCheck, *, may_be_open: bool) -> None:
        self._check = check
        self._may_be_open = may_be_open
        self._identity: Identity | None = None
        self._unbroken: SealedFragment | None = None
        self._last: SealedFragment | None = None
        self._first_ns: int | None = None
        self._seal: Seal | None = None
        self._tail: Tail | None = None
        self._good = 0
        self._init_bytes = 0

    def begin(self, item: Initialisation) -> None:
        self._identity, self._init_bytes = item.identity, item.size

    def fragment(self, item: SealedFragment) -> None:
        """Steps S4 and S5."""
        self._last = item
        if item.seal is not None:
            self._seal = item.seal
            self._first_ns = item.seal.span_ns[0] if self._first_ns is None else self._first_ns
        match item.state:
            case FragmentState.PREFIX:
                self._unbroken = item
                self._good += 1
            case FragmentState.AFTER_DAMAGE:
                self._good += 1
            case FragmentState.ALTERED:
                self._check.add(Code.FRAGMENT_ALTERED, fragment=item.index, en="its hash is not the sealed one")
                self._check.judge(Verdict.ALTERED)
            case FragmentState.SEAL_BAD:
                self._check.add(Code.SEAL_ALTERED, fragment=item.index, offset=item.end_offset, en=item.why)
                self._check.judge(Verdict.ALTERED)

    def tail(self, item: Tail) -> None:
        self._tail = item

    def outcome(self) -> Outcome:
        """Step S6, then what the file showed."""
        final = self._seal is not None and self._seal.end_cause is not None
        if self._identity is None or self._last is None:
            self._nothing_sealed()
        else:
            self._conclude(final)
        verdict = Verdict.AUTHENTIC if final else Verdict.AUTHENTIC_PREFIX
        self._check.judge(verdict, self._good)
        return Outcome(
            identity=self._identity,
            fragments=self._unbroken.index if self._unbroken else 0,
            r=self._unbroken.r if self._unbroken and self._unbroken is self._last else None,
            last_seal=self._seal,
            frames=self._counted(lambda seal: seal.frames, lambda identity: identity.first_frame),
            samples=self._counted(lambda seal: seal.samples, lambda identity: identity.first_sample),
            span_ns=(self._first_ns, self._seal.span_ns[1]) if self._seal and self._first_ns is not None else None,
            final=final,
        )

    def _counted(self, of_seal: Callable[[Seal], int], of_identity: Callable[[Identity], int]) -> int:
        if self._seal is None or self._identity is None:
            return 0
        return of_seal(self._seal) - of_identity(self._identity)

    def _nothing_sealed(self) -> None:
        torn = self._tail is None or self._tail.torn
        if self._may_be_open and torn:
            self._check.add(Code.NOTHING_SEALED)
            self._check.unsealed_bytes += self._init_bytes
            if self._tail is not None:
                self._unsealed(self._tail)
            return
        self._check.judge(Verdict.UNSIGNED)
        self._check.add(Code.UNSIGNED, offset=0, en=self._tail.why if self._tail else "no seal follows its head")

    def _conclude(self, final: bool) -> None:
        tail = self._tail
        if tail is not None and not (tail.torn and self._may_be_open and not final):
            self._check.add(Code.EXTRA_BYTES, offset=tail.offset, en=f"{tail.size} ({tail.why})")
            self._check.judge(Verdict.ALTERED)
        elif tail is not None:
            self._check.add(Code.TORN_TAIL, offset=tail.offset, en=tail.size)
            self._unsealed(tail)
        if not final and self._may_be_open:
            self._check.add(Code.UNFINISHED, fragment=self._good, en=self._unbroken.index if self._unbroken else 0)
        elif not final:
            self._check.add(Code.TAIL_MISSING, fragment=self._good, en="no final seal")

    def _unsealed(self, tail: Tail) -> None:
        """A power cut explains these bytes, and so does whoever appended them; a player shows both alike."""
        self._check.unsealed_bytes += tail.size
        if tail.media:
            self._check.add(Code.UNSEALED_MEDIA, offset=tail.offset, en=tail.size)
