"""Reading what is stored again, slowly, to find rot while it can still be told: segments against their statements.

With two disks both copies of each part are read.

Pure up to `Scrub`, which reads and never writes; the SCRUB thread (`ScrubRunner`; its owner starts and ends it) reads
part by part, only while it may, and remembers in local state where it was and when its round began. What has rotted
stays as it is: an event says where, once, and whether the other disk still has those bytes.

A room that always records is never idle: once a session has been open for a day (`in_session`) it is read too, at most
a megabyte a second and only while the disk is quick and the queue shallow. Statements are read against, so the segment
that is being written is never opened.
"""

from __future__ import annotations

import enum
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from edge import durable, journal
from edge.durable import StorageFault
from edge.journal import JournalError
from edge.reclaiming import read_books
from edge.spool import Spool
from liuhen import archive, cbor
from liuhen.boxes import UUID_HEADER_BYTES
from liuhen.errors import FormatError
from liuhen.hashing import fragment_hash, initial_hash, seal_hash
from liuhen.kinds import Event, Segment
from liuhen.registry import EVENTS, ContentKind, EventCode

STATE_FILE = "device/scrub.cbor"
TOLD_LIMIT = 1024
"""Places that were told are remembered up to this many; beyond it the newest are."""
SAVE_EVERY_SEGMENTS = 32
GIVE_WAY_SECONDS = 0.5
PASS_EVERY_SECONDS = 24 * 3600.0
"""From the beginning of one round to that of the next; one that takes longer is followed by the next at once."""
LOOK_EVERY_SECONDS = 60.0
OPEN_LONG_NS = 24 * 3600 * 10**9
"""A session that has been open so long is a room's that always records: it is read beside it, gently."""
GENTLE_BYTES_PER_SECOND = 1_000_000
SHALLOW_MS = 500
"""More media than this waiting for the disk, and the search waits too."""
ID_BYTES = 16
HEAD = 0
"""The `fragment` of an event about the file's head, or about the whole file where it is not there."""

PlaceOfRot = tuple[bytes, int, int, int]
"""Session, segment, fragment, and which of two copies (`Rot.copy`)."""


# -- what a file must hold ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A fragment with its seal box, or the head of the file: where it lies and what its hashes must be."""

    fragment: int
    offset: int
    size: int
    media_size: int
    digest: bytes
    seal: bytes = b""

    def holds(self, content: bytes) -> bool:
        """Whether these are the bytes that were stated."""
        if len(content) != self.size:
            return False
        media, box = content[: self.media_size], content[self.media_size :]
        if not self.seal:
            return initial_hash(media) == self.digest
        return fragment_hash(media) == self.digest and seal_hash(box[UUID_HEADER_BYTES:]) == self.seal


def parts_of(statement: Segment) -> Iterator[Part]:
    """The parts of a segment file, in order; together they are every byte of it."""
    head = statement.size - sum(size + box for size, _, box, _ in statement.fragments)
    yield Part(fragment=HEAD, offset=0, size=head, media_size=head, digest=statement.initial)
    offset = head
    for number, (size, digest, box, seal) in enumerate(statement.fragments, start=1):
        yield Part(fragment=number, offset=offset, size=size + box, media_size=size, digest=digest, seal=seal)
        offset += size + box


@dataclass(frozen=True, slots=True, kw_only=True)
class Rot:
    """A part that is not what was stated. `seq` is the statement's number; `good_elsewhere`: the other disk has it.

    `copy` is 0 on the disk that is read from first, 1 on the other one.
    """

    session: bytes
    segment: int
    fragment: int
    seq: int
    good_elsewhere: bool
    copy: int = 0

    @property
    def place(self) -> PlaceOfRot:
        """What is told once."""
        return self.session, self.segment, self.fragment, self.copy

    @property
    def words_zh(self) -> str:
        """For the operator."""
        disk = "另一块盘上的" if self.copy else ""
        where = f"{disk}场次 {self.session.hex()[:8]} 第 {self.segment} 段第 {self.fragment} 片"
        whole = f"{'这块' if self.copy else '另一块'}盘上的同一内容完好"
        rest = whole if self.good_elsewhere else "没有另一份完好的内容"
        return f"{where}已损坏，{rest}；请勿删除任何文件，尽快更换存储盘"

    @property
    def words_en(self) -> str:
        """The same in English."""
        disk = "on the other disk, " if self.copy else ""
        where = f"{disk}session {self.session.hex()[:8]}, segment {self.segment}, fragment {self.fragment}"
        whole = "this disk has it whole" if self.copy else "the other disk has it whole"
        rest = whole if self.good_elsewhere else "no other disk has it"
        return f"{where} has rotted; {rest}; delete nothing, replace the disk soon"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubDone:
    """One pass over everything is over."""

    segments: int
    rotten: int


ScrubSaid = Rot | ScrubDone


def event_of(said: ScrubSaid, now_ns: int) -> Event:
    """The entry CONTROL appends; that of rot refers to the statement it contradicts."""
    match said:
        case Rot():
            code = EventCode.STORAGE_ROT
            measured: tuple[int, ...] = (said.segment, said.fragment, int(said.good_elsewhere), said.copy)
        case ScrubDone():
            code, measured = EventCode.SCRUB_DONE, (said.segments, said.rotten)
    return Event(
        code=code,
        severity=EVENTS[code].severity,
        stream=None,
        span_ns=(now_ns, now_ns),
        measured=measured,
        refers_to=said.seq if isinstance(said, Rot) else None,
        records=(),
    )


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a pass has come: the journal file and the newest statement that was read against; what it found.

    `began_ms` is the UTC of its beginning, or of that of the last pass where none is under way; 0 before the first.
    """

    file: int = 0
    seq: int = -1
    segments: int = 0
    rotten: int = 0
    told: tuple[PlaceOfRot, ...] = ()
    began_ms: int = 0

    @property
    def under_way(self) -> bool:
        """Whether a pass was left before its end."""
        return self.seq >= 0

    def due(self, now_ms: int, every_seconds: float) -> bool:
        """Whether there is something to read; a last beginning that lies in the future counts as long past."""
        return self.under_way or not 0 <= now_ms - self.began_ms < 1000 * every_seconds

    def after_pass(self) -> Place:
        """Between two passes. After one that found nothing, what rots then is told anew."""
        return Place(told=self.told if self.rotten else (), began_ms=self.began_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A part was read: so many bytes, from every disk that has it, and where it has rotted."""

    size: int
    rot: tuple[Rot, ...]


class Scrub:
    """One pass over a spool, from a place on. `other` is the root of the other disk, where there is one in step."""

    def __init__(self, root: Path, other: Callable[[], Path | None], place: Place) -> None:
        self.place = place
        self._root = root
        self._other = other
        self._destroyed: frozenset[bytes] | None = None

    def run(self) -> Iterator[Read]:
        """Part by part; between two the caller takes his time. Raises JournalError."""
        directory = self._root / "journal"
        for number in journal.file_numbers(directory):
            if number < self.place.file:
                continue
            for entry in journal.entries_of(journal.file_path(directory, number)):
                body, session = entry.body, entry.common.session_id
                if entry.common.seq <= self.place.seq or not isinstance(body, Segment) or session is None:
                    continue
                rotten = self.place.rotten
                for read in self._segment(body, session, entry.common.seq):
                    rotten += len(read.rot)
                    yield read
                self.place = replace(
                    self.place, file=number, seq=entry.common.seq, segments=self.place.segments + 1, rotten=rotten
                )

    def _segment(self, statement: Segment, session: bytes, seq: int) -> Iterator[Read]:
        path = archive.segment_path(archive.session_path(self._root, session), statement.number)
        if _absent(path) and statement.file_hash in self._gone():
            return
        paths = self._copies(path)
        for part in parts_of(statement):
            whole = {copy: _holds(where, part) for copy, where in paths.items()}
            rot = tuple(
                Rot(
                    session=session,
                    segment=statement.number,
                    fragment=part.fragment,
                    seq=seq,
                    good_elsewhere=any(whole.values()),
                    copy=copy,
                )
                for copy, good in whole.items()
                if not good
            )
            yield Read(size=part.size * len(paths), rot=rot)
            # One that is not there has told so with its head.
            paths = {copy: where for copy, where in paths.items() if whole[copy] or not _absent(where)}

    def _copies(self, path: Path) -> dict[int, Path]:
        """The file on this disk, and on the other one."""
        other = self._other()
        return {0: path} if other is None else {0: path, 1: other / path.relative_to(self._root)}

    def _gone(self) -> frozenset[bytes]:
        """File hashes of segments that went by order, or to a store; asked for only once a file is missing."""
        if self._destroyed is None:
            books = read_books(self._root)
            gone = (*books.ledger.destroyed, *books.reclaimed)
            self._destroyed = frozenset(digest for what, digest in gone if what == ContentKind.SEGMENT)
        return self._destroyed


def _absent(path: Path) -> bool:
    """Whether there is no such file; one that cannot even be asked about is there, and has rotted."""
    try:
        path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _holds(path: Path, part: Part) -> bool:
    """Whether a disk still has this part."""
    content = _read(path, part)
    return content is not None and part.holds(content)


def _read(path: Path, part: Part) -> bytes | None:
    """What the disk holds there now, past the page cache; None where it cannot be read."""
    try:
        descriptor = durable.open_plain(path)
        try:
            os.posix_fadvise(descriptor, part.offset, part.size, os.POSIX_FADV_DONTNEED)
            return os.pread(descriptor, part.size, part.offset)
        finally:
            os.close(descriptor)
    except OSError:
        return None


# -- remembering -------------------------------------------------------------------------------------------------------


def place_from(content: bytes) -> Place:
    """What a state file says; the beginning where it says nothing that can be understood."""
    try:
        mapped = cbor.decode_map(content, where=STATE_FILE)
    except FormatError:
        return Place()
    match mapped:
        case {0: 1, 1: int(file), 2: int(seq), 3: int(segments), 4: int(rotten), 5: tuple(told)}:
            rows = tuple(row for row in map(_place_of_rot, told) if row is not None)
            began = mapped.get(6, 0)
            began_ms = began if isinstance(began, int) else 0
            return Place(file=file, seq=seq - 1, segments=segments, rotten=rotten, told=rows, began_ms=began_ms)
        case _:
            return Place()


def _place_of_rot(row: object) -> PlaceOfRot | None:
    match row:
        case (bytes(session), int(segment), int(fragment), int(copy)) if len(session) == ID_BYTES:
            return session, segment, fragment, copy
        case _:
            return None


def place_bytes(place: Place) -> bytes:
    """The state file of a place."""
    told = place.told[-TOLD_LIMIT:]
    counts = {2: place.seq + 1, 3: place.segments, 4: place.rotten}
    return cbor.encode({0: 1, 1: place.file, **counts, 5: told, 6: place.began_ms})


def remembered(root: Path) -> Place:
    """What the disk remembers of its search for rot; the beginning where it remembers nothing."""
    try:
        return place_from(durable.content_of(root / STATE_FILE))
    except OSError:
        return Place()


class Leave(enum.Enum):
    """Whether SCRUB may read now."""

    NONE = enum.auto()
    GENTLE = enum.auto()
    """Beside a session."""
    FULL = enum.auto()
    """While no session is open."""


def in_session(*, open_ns: int, queue_ms: int, disk_slow: bool) -> Leave:
    """Beside a session that has been open so long, with so much waiting for the disk."""
    well = queue_ms <= SHALLOW_MS and not disk_slow
    return Leave.GENTLE if open_ns >= OPEN_LONG_NS and well else Leave.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast is read, 0: never; and how often a pass begins."""

    bytes_per_second: int
    pass_every_seconds: float = PASS_EVERY_SECONDS

    def seconds_for(self, size: int, leave: Leave) -> float:
        """How long so many bytes take at least."""
        rate = self.bytes_per_second
        return size / (min(rate, GENTLE_BYTES_PER_SECOND) if leave is Leave.GENTLE else rate)


class ScrubRunner:
    """The SCRUB thread: a pass in each period, never faster than asked for, and not while it may not.

    `leave` is asked before each part; `post` gets what was found; `now_ms` is UTC. What it remembers is written
    through the spool.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        pace: Pace,
        leave: Callable[[], Leave],
        post: Callable[[ScrubSaid], None],
        now_ms: Callable[[], int],
        other: Callable[[], Path | None] = lambda: None,
    ) -> None:
        self._spool = spool
        self._pace = pace
        self._leave = leave
        self._post = post
        self._now_ms = now_ms
        self._other = other
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="SCRUB", daemon=True)  # a dead disk must not keep us

    def start(self) -> None:
        """Begin, where the last run left off."""
        self._thread.start()

    def stop(self, limit_seconds: float) -> bool:
        """End the thread; False if it hangs in the system and was left behind."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(limit_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while self._pace.bytes_per_second and not self._over.is_set():
            place = remembered(self._spool.root)
            rest_seconds = LOOK_EVERY_SECONDS
            if place.due(self._now_ms(), self._pace.pass_every_seconds) and self._pause(0):
                try:
                    self._pass(place if place.under_way else replace(place, began_ms=self._now_ms()))
                except (JournalError, StorageFault, OSError):  # others tell of it; the next pass tries again
                    rest_seconds = self._pace.pass_every_seconds
            self._over.wait(rest_seconds)

    def _pass(self, place: Place) -> None:
        scrub = Scrub(self._spool.root, self._other, place)
        saved = scrub.place.segments
        for read in scrub.run():
            if not self._pause(read.size):
                self._save(scrub.place)
                return
            for rot in read.rot:
                self._tell(scrub, rot)
            if read.rot or scrub.place.segments - saved >= SAVE_EVERY_SEGMENTS:
                saved = scrub.place.segments
                self._save(scrub.place)
        self._post(ScrubDone(segments=scrub.place.segments, rotten=scrub.place.rotten))
        self._save(scrub.place.after_pass())

    def _tell(self, scrub: Scrub, rot: Rot) -> None:
        """Once per place."""
        if rot.place not in scrub.place.told:
            self._post(rot)
            scrub.place = replace(scrub.place, told=(*scrub.place.told, rot.place)[-TOLD_LIMIT:])

    def _pause(self, size: int) -> bool:
        """Wait as long as this much may take, and while media waits; False where the thread is to end."""
        self._over.wait(self._pace.seconds_for(size, self._leave()))
        while not self._over.is_set() and self._leave() is Leave.NONE:
            self._over.wait(GIVE_WAY_SECONDS)
        return not self._over.is_set()

    def _save(self, place: Place) -> None:
        self._spool.write(durable.Replace(path=self._spool.root / STATE_FILE, content=place_bytes(place)))
