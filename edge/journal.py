"""The journal: the device's one append-only signed chain, as files on disk.

CONTROL alone appends; `head` may be read by any thread, for it is replaced whole and only after the entry is durable.
On return of `append` the entry is on the disk, and the head is remembered beside the key. Files rotate by size; an
entry whose flush failed is written again, whole and from memory, to the next file; the reserve makes sure that a full
disk can still be given its reason.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge import durable, journal_slots, journal_state
from edge.durable import Appender, StorageFault
from edge.journal_slots import Place, Slot
from edge.journal_state import JournalState
from edge.ports import Clock as DeviceClock
from edge.spool import Spool
from liuhen import cose, entry, merkle
from liuhen.errors import FormatError
from liuhen.hashing import sha256
from liuhen.kinds import Checkpoint, Clock, Enrolment, EntryBody, Head, Key, Segment, Session, SessionEnd, Stop
from liuhen.registry import KeyAct

FILE_NAME_DIGITS = 8
LAST_FILE = 10**FILE_NAME_DIGITS - 1
READ_LIMIT_BYTES = 128 * 1024 * 1024
ENVELOPE_START = b"\xd2\x84\x58"
SLOTTED = (Session, Segment, SessionEnd, Checkpoint, Stop)
"""After these a slot is written: a start reads at most what follows the newest of them."""
SLOT_EVERY_ENTRIES = 64
ROTTEN_LIMIT = 64
TORN_LIMIT_BYTES = 2 * cose.ENTRY_LIMIT_BYTES
"""One write that was cut short leaves less than an entry; a longer bad tail is never cut, nor read into memory."""


def clock_row(clock: DeviceClock) -> Clock:
    """Both clocks as an entry holds them."""
    reading = clock.read()
    return (reading.utc_ms, reading.boottime_ns, clock.boot_id, int(reading.sync), reading.error_ms)


class JournalError(Exception):
    """The journal cannot be continued; nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Bytes of a journal file that are no entry of this log: which file, from where, how many."""

    file: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Beliefs:
    """What a start knows from outside the journal: the state before any entry, and which emergency keys are its own.

    `blank` has the log's id, and the device's key for a journal whose beginning cannot be read. `held` are the public
    keys the device can sign with now. An emergency entry
    brings its own key, so anybody could append one: it counts only up to the remembered seq and if the entry of that
    number has the remembered hash, or if the key is held.
    """

    blank: JournalState
    held: frozenset[bytes] = frozenset()
    remembered_seq: int = -1
    remembered_hash: bytes = b""

    def emergency(self, seq: int, public_key: bytes) -> bool:
        """Whether this emergency entry is the device's own."""
        return seq <= self.remembered_seq or public_key in self.held


@dataclass(slots=True, kw_only=True)
class Found:
    """What a start finds at the journal's end: the state, what could not be read, and the hashes of what was.

    `tail` is unreadable and nothing follows it; `rotten` has entries after it; `skipped` entries are not there at all
    though later ones are. `last_file` is -1 before the first file.
    """

    beliefs: Beliefs
    state: JournalState
    place: Place | None = None
    rotten: tuple[Unreadable, ...] = ()
    tail: Unreadable | None = None
    skipped: int = 0
    last_file: int = -1
    hashes: dict[int, bytes] = field(default_factory=dict)
    next_slot: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a journal is given: the clock, the size of a file, and who is told of (seq, hash) after each flush.

    `remember` keeps run and head beside the key before anybody else hears of the entry.
    """

    file_limit_bytes: int
    read_clock: Callable[[], Clock]
    on_durable: Callable[[int, bytes], None]
    remember: Callable[[int, Head], None]


def _nobody_listens(_entry: entry.Entry) -> None:
    """Between two sessions nobody folds them."""


class Journal:
    """The open journal of this run."""

    def __init__(
        self,
        *,
        spool: Spool,
        found: Found,
        run: int,
        signer: cose.Signer,
        outside: Outside,
    ) -> None:
        """Continue after `found`."""
        self._spool = spool
        self._run = run
        self._signer = signer
        self._outside = outside
        self._number = max(found.last_file, 0)
        self._file: Appender | None = None
        self._slot_number = found.next_slot
        self._since_slot = 0
        self.state = found.state
        self.seen: tuple[int, bytes, int, bytes] | None = None
        self.reserve_used = False
        self._ruined: StorageFault | None = None
        self.tolerated: StorageFault | None = None
        """The first fault of this run that cost no entry: of the memory beside the key, or of a slot. CONTROL tells."""
        self.rewritten: StorageFault | None = None
        """The fault after which an entry went to the next file; CONTROL reports it and sets it back."""
        self.on_entry: Callable[[entry.Entry], None] = _nobody_listens
        """Hears each entry of this run once it is durable: a pure fold of CONTROL's, which never fails."""

    @property
    def head(self) -> Head | None:
        """The newest durable entry."""
        return self.state.head

    @property
    def kid(self) -> bytes:
        """The key that signs now."""
        return cose.key_id(self._signer.public_key)

    @property
    def size(self) -> int:
        """Entries so far; the next one has this seq."""
        return self.state.next_seq

    def append(
        self,
        body: EntryBody,
        *,
        session_id: bytes | None,
        signer: cose.Signer | None = None,
        clock: Clock | None = None,
    ) -> entry.Position:
        """Sign and append one entry; durable on return. Raises StorageFault when even the reserve does not help.

        `clock` is the reading that what the entry says was decided by; without it the clocks are read now.
        """
        seq, prev = (self.head[0] + 1, self.head[1]) if self.head is not None else (0, bytes(32))
        at = entry.Position(log_id=self._spool.identity.log_id, run=self._run, seq=seq, prev=prev)
        encoded = entry.make(
            body,
            at=at,
            clock=clock if clock is not None else self._outside.read_clock(),
            session_id=session_id,
            seen=self.seen,
            signer=signer or self._signer,
        )
        place = self._write(encoded)
        digest = sha256(encoded)
        self._remember((seq, digest))
        parsed = entry.parse(encoded, where=f"entry {seq}")
        self.state = journal_state.after(self.state, parsed)
        self.on_entry(parsed)
        self._keep_slot(body, place)
        self._outside.on_durable(seq, digest)
        return at

    def _remember(self, head: Head) -> None:
        """The entry is on the disk, remembered or not; without the memory only a roll-back may stay unnoticed."""
        try:
            self._outside.remember(self._run, head)
        except StorageFault as fault:
            self.tolerated = self.tolerated or fault

    def checkpoint(self, *, session_id: bytes | None) -> None:
        """Sign size and root of everything so far."""
        tree = merkle.Peaks(self.state.tree_size, self.state.peaks)
        body = Checkpoint(size=tree.size, root=tree.root(), peaks=tree.peaks())
        self.append(body, session_id=session_id)

    def sign_with(self, signer: cose.Signer) -> None:
        """From the next entry on, the key that the last entry named."""
        self._signer = signer

    def use_reserve(self) -> bool:
        """Give the reserved space back to a full disk; False if it was given already. Raises StorageFault."""
        released = self._spool.release_reserve()
        self.reserve_used = self.reserve_used or released
        return released

    def begin_next_file(self) -> None:
        """Leave the last file as it is: what cannot be read at its end stays there."""
        self.close()
        self._number += 1

    def close(self) -> None:
        """Close the open file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _keep_slot(self, body: EntryBody, place: Place) -> None:
        self._since_slot += 1
        due = isinstance(body, SLOTTED) or self._since_slot >= SLOT_EVERY_ENTRIES
        if not due or not journal_slots.worth_a_slot(self.state):
            return
        path = journal_slots.slot_paths(self._spool.root)[self._slot_number]
        try:
            self._spool.write(journal_slots.slot_change(path, Slot(state=self.state, place=place), self._signer))
        except StorageFault as fault:
            if not fault.full:
                self.tolerated = self.tolerated or fault
            return  # no evidence: the entry itself is what had to be written, and a start reads more of it
        self._slot_number = 1 - self._slot_number
        self._since_slot = 0

    def _write(self, encoded: bytes) -> Place:
        if self._ruined is not None:
            raise self._ruined
        try:
            return self._append(encoded)
        except StorageFault as fault:
            if fault.full:
                if not self.use_reserve():
                    raise
            elif fault.read_only or self.rewritten is not None:
                raise
            else:
                self.rewritten = fault
            return self._write_again(encoded, same_file=fault.full)

    def _write_again(self, encoded: bytes, *, same_file: bool) -> Place:
        """After a failed write: what it left of the entry is cut off, and the whole entry is written from memory.

        It goes to a fresh file, for the kernel may call a second flush of the failed one a success although the bytes
        are gone; after a full disk, where nothing was taken that could be lost, to the same. If this fails too, nobody
        knows whether the entry will be found: its number must never be used again, so that nothing more is written.
        """
        try:
            self._leave_failed_file(same_file=same_file)
            return self._append(encoded)
        except StorageFault as fault:
            self._ruined = fault
            raise

    def _append(self, encoded: bytes) -> Place:
        if self._file is None:
            self._file = self._open_last()
        full = self._file.size and self._file.size + len(encoded) > self._outside.file_limit_bytes
        if full and self._number < LAST_FILE:
            self._file.close()
            self._file = None
            self._number += 1
            self._file = self._spool.appender(file_path(self._spool.journal_directory, self._number), new=True)
        start = self._file.size
        self._file.append(encoded)
        return Place(file=self._number, start=start, end=start + len(encoded))

    def _open_last(self) -> Appender:
        path = file_path(self._spool.journal_directory, self._number)
        with durable.reading(path):
            there = path.exists()
        return self._spool.appender(path, new=not there)

    def _leave_failed_file(self, *, same_file: bool) -> None:
        """Cut what a failed write left after the last durable entry; those bytes were never named by anything.

        A file without a whole entry is removed and its number used again, for the numbers have no holes.
        """
        path = file_path(self._spool.journal_directory, self._number)
        if self._file is not None:
            whole_bytes = self._file.size
            self.close()
            if whole_bytes:
                self._spool.write(durable.Shorten(path=path, size_bytes=whole_bytes))
        else:
            with durable.reading(path):
                whole_bytes = path.stat().st_size if path.exists() else 0
        if not whole_bytes:
            self._spool.write(durable.Remove(path=path, missing_ok=True))
        elif not same_file:
            self._number += 1


def file_path(directory: Path, number: int) -> Path:
    """Path of one journal file."""
    return directory / f"{number:0{FILE_NAME_DIGITS}d}.cbor"


# -- what a start finds ------------------------------------------------------------------------------------------------


def find(root: Path, beliefs: Beliefs) -> Found:
    """Read a spool's journal from the newest slot that its entry confirms, or else from the first entry.

    Reads what follows the slot and nothing before it. A slot counts only under a key the device holds: anybody could
    make one under his own that points at a genuine entry. Raises JournalError where the system cannot read a file.
    """
    found = _find(root, beliefs)
    if beliefs.remembered_seq >= 0 and found.hashes.get(beliefs.remembered_seq) != beliefs.remembered_hash:
        # This is not the history that ends in the remembered entry: nothing in it vouches for a key not held.
        return _find(root, replace(beliefs, remembered_seq=-1))
    return found


def state_left(root: Path, log_id: bytes) -> JournalState:
    """What the journal says stands, for a look that signs nothing: its own slots are believed whosever key made them.

    Raises JournalError where the system cannot read a file.
    """
    held = frozenset(slot.state.public_key for _, slot in journal_slots.read_slots(root))
    return _find(root, Beliefs(blank=JournalState(log_id=log_id), held=held)).state


def _find(root: Path, beliefs: Beliefs) -> Found:
    directory = root / "journal"
    for number, slot in journal_slots.read_slots(root):
        if slot.state.public_key in beliefs.held and _confirmed(directory, slot):
            found = Found(beliefs=beliefs, state=slot.state, place=slot.place, next_slot=1 - number)
            return _read_on(directory, slot, found)
    return _read_on(directory, None, Found(beliefs=beliefs, state=beliefs.blank))


def file_numbers(directory: Path) -> list[int]:
    """The journal's files; what bears no such name, or is no plain file, is none of them. Raises JournalError."""
    try:
        return sorted(int(path.stem) for path in directory.glob("*.cbor") if _is_journal_file(path))
    except OSError as error:
        raise JournalError(f"{directory}: {error.strerror}") from error


def _is_journal_file(path: Path) -> bool:
    named = len(path.stem) == FILE_NAME_DIGITS and path.stem.isascii() and path.stem.isdecimal()
    return named and stat.S_ISREG(path.stat(follow_symlinks=False).st_mode)


def _confirmed(directory: Path, slot: Slot) -> bool:
    """Whether the entry that the slot reaches to lies where it says."""
    place = slot.place
    try:
        with durable.opened(file_path(directory, place.file)) as file:
            file.seek(place.start)
            encoded = file.read(min(place.end - place.start, cose.ENTRY_LIMIT_BYTES))
    except OSError:
        return False
    return slot.state.head is not None and sha256(encoded) == slot.state.head[1]


def _read_on(directory: Path, slot: Slot | None, found: Found) -> Found:
    numbers = file_numbers(directory)
    found.last_file = numbers[-1] if numbers else -1
    begin, offset = (slot.place.file, slot.place.end) if slot is not None else (0, 0)
    if found.state.head is not None:
        found.hashes[found.state.head[0]] = found.state.head[1]
    unreadable: list[Unreadable] = []
    for number in [n for n in numbers if n >= begin]:
        unreadable = _read_file_on(found, directory, (number, offset if number == begin else 0), unreadable)
    if unreadable and not _followed(found, unreadable[-1]) and unreadable[-1].size <= TORN_LIMIT_BYTES:
        found.tail = unreadable.pop()
    found.rotten = tuple(unreadable[:ROTTEN_LIMIT])
    return found


def _followed(found: Found, last: Unreadable) -> bool:
    """Whether an entry stands behind these bytes."""
    return found.place is not None and (found.place.file, found.place.start) > (last.file, last.offset)


def _read_file_on(
    found: Found, directory: Path, begin: tuple[int, int], unreadable: list[Unreadable]
) -> list[Unreadable]:
    """Fold the entries of one file from an offset on; returns what could not be read so far."""
    number, start = begin
    path = file_path(directory, number)
    content = _content(path, start)
    at, bad_from = 0, None
    while at < len(content):
        candidate = _entry_at(content, at, path)
        if candidate is None or not _continues(found, candidate):
            bad_from = at if bad_from is None else bad_from
            following = content.find(ENVELOPE_START, at + 1)
            at = len(content) if following < 0 else following
            continue
        if bad_from is not None:
            unreadable.append(Unreadable(file=number, offset=start + bad_from, size=at - bad_from))
            bad_from = None
        end = at + len(candidate.envelope.encoded)
        found.skipped += candidate.common.seq - found.state.next_seq
        found.state = journal_state.after(found.state, candidate)
        found.place = Place(file=number, start=start + at, end=start + end)
        found.hashes[candidate.common.seq] = candidate.hash
        at = end
    if bad_from is not None:
        unreadable.append(Unreadable(file=number, offset=start + bad_from, size=len(content) - bad_from))
    return unreadable


def _continues(found: Found, candidate: entry.Entry) -> bool:
    """Whether this genuine entry of this log comes next, or after some that cannot be read."""
    common, state = candidate.common, found.state
    if common.log_id != state.log_id or common.seq < state.next_seq:
        return False
    if state.head is not None and common.seq == state.next_seq and common.prev != state.head[1]:
        return False
    return _genuine(candidate, _signing_key(found, candidate))


def _signing_key(found: Found, candidate: entry.Entry) -> bytes:
    """The key in force; entry 0, an emergency key and the key that comes back after it bring their own (5.3.1)."""
    state, seq = found.state, candidate.common.seq
    match candidate.body:
        case Enrolment(public_key=public_key) if seq == 0:
            return public_key
        case Key(act=KeyAct.EMERGENCY, new_public_key=bytes(public_key)) if found.beliefs.emergency(seq, public_key):
            return public_key
        case Key(act=KeyAct.RETURNED, new_public_key=bytes(public_key)) if public_key == state.lost_key:
            return public_key
        case _:
            return state.public_key


def _genuine(candidate: entry.Entry, public_key: bytes) -> bool:
    try:
        cose.verify(candidate.envelope, public_key, where=f"entry {candidate.common.seq}")
    except FormatError:
        return False
    return True


def entries_of(path: Path) -> Iterator[entry.Entry]:
    """The whole entries of one file, up to the first that is not whole. Raises JournalError."""
    content, offset = _content(path, 0), 0
    while (found := _entry_at(content, offset, path)) is not None:
        yield found
        offset += len(found.envelope.encoded)


def read_through(directory: Path, accept: Callable[[entry.Entry], None]) -> bool:
    """Hand on the entries of every file as `entries_of` reads it. Raises JournalError.

    Returns whether nothing stands unread behind bytes that are no entry. Where another file follows such bytes, its
    first entry tells by its number and `prev` whether any are missing; a torn tail hides nothing.
    """
    hidden = False
    for number in file_numbers(directory):
        path = file_path(directory, number)
        content, offset = _content(path, 0), 0
        while (found := _entry_at(content, offset, path)) is not None:
            accept(found)
            offset += len(found.envelope.encoded)
        hidden = content.find(ENVELOPE_START, offset + 1) >= 0
    return not hidden


def entry_at(directory: Path, seq: int) -> entry.Entry | None:
    """The entry with this number, looked for from the newest file back, or None. Raises JournalError."""
    for number in reversed(file_numbers(directory)):
        for found in entries_of(file_path(directory, number)):
            if found.common.seq == seq:
                return found
            if found.common.seq > seq:
                break
    return None


def newest_entries(directory: Path, limit_bytes: int) -> Iterator[entry.Entry]:
    """The newest entries, the last one first, each the one before it in the chain, from so many bytes at most.

    Raises JournalError. However long the journal is, no more of it is read.
    """
    following: entry.Entry | None = None
    for number in reversed(file_numbers(directory)):
        path = file_path(directory, number)
        content = _last_bytes(path, limit_bytes)
        for _, found in reversed([*entries_in(content, path)]):
            if following is not None and following.common.prev != found.hash:
                return
            following = found
            yield found
        limit_bytes -= len(content)
        if limit_bytes <= 0:
            return


def entries_in(content: bytes, where: Path) -> Iterator[tuple[int, entry.Entry]]:
    """Every whole entry in some bytes, with the offset of its end, wherever something else lies between."""
    at = 0
    while 0 <= at < len(content):
        found = _entry_at(content, at, where)
        if found is None:
            at = content.find(ENVELOPE_START, at + 1)
            continue
        at += len(found.envelope.encoded)
        yield at, found


def _content(path: Path, start: int) -> bytes:
    try:
        with durable.opened(path) as source:
            size_bytes = os.fstat(source.fileno()).st_size - start
            source.seek(start)
            return source.read(min(READ_LIMIT_BYTES, max(0, size_bytes)))
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}") from error


def _last_bytes(path: Path, count: int) -> bytes:
    try:
        with durable.opened(path) as source:
            source.seek(max(0, os.fstat(source.fileno()).st_size - count))
            return source.read(count)
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}") from error


def _entry_at(content: bytes, offset: int, path: Path) -> entry.Entry | None:
    """The whole entry that begins here, or None."""
    where = f"{path.name}+{offset}"
    try:
        end = cose.item_end(content, offset, where=where)
        return entry.parse(content[offset:end], where=where) if end is not None else None
    except FormatError:
        return None
