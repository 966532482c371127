"""One object's life at the store: hashed here, looked for, sent once, read back by version, its retention read.

Runs on one of the process's stream threads; holds nothing between two lives. Each step is durable in the state before
the next begins, so that a life which is cut anywhere goes on where it was; what may have been sent is looked for
before it is sent again. Nothing is believed that was not read back and hashed. A life ends in one `Outcome`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Protocol

from edge.offload.local import CHUNK_BYTES, Ready, encrypted, hashed
from edge.offload.objects import Sealed, Stage, Stored, Task, Term
from edge.offload.queue import Kind
from edge.offload.retry import Doing
from edge.store import FaultClass, Put, Retained, Store, StoreFault, Version
from liuhen.registry import RetentionMode

LOOKED_AT = 64
"""So many versions of one key are looked at; whoever made more cannot keep a stream busy for ever."""
UNDATED = (FaultClass.DENIED, FaultClass.REFUSED)
"""What may be said of the date alone: the same is sent once more without one."""
DEFAULT_AGAIN_MS = 3_600_000
LONGEST_SESSION_MS = 2 * 86_400_000
"""A session of an always-on room is a day."""
LONGEST_LOCK_MS = 36_525 * 86_400_000
"""A hundred years: no typing error locks a store for longer."""
NAME_TAKEN = 412
"""HTTP: a precondition failed (RFC 9110 15.5.13)."""
RETENTION_SLACK_MS = 60_000
"""A store counts a default retention from its own clock to the second."""


class Stopping(Exception):
    """The process ends; the life is left where it is."""


class Pace(Protocol):
    """Who lets bytes through."""

    def take(self, size: int) -> None:
        """Wait until so many may go. Raises Stopping."""


class Steps(Protocol):
    """What a life leaves behind (`edge.offload.state.State`), durable on return."""

    def unknown(self, number: int) -> None:
        """It may be at the store or not."""

    def reaches(self, number: int, stage: Stage, stored: Stored, term: Term | None = None) -> None:
        """It is at the store so far; RETAINED for a term, or for the floor alone."""

    def differs_here(self, number: int) -> None:
        """The local bytes are not those that were signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The store holds it, read back, for long enough; `sent` bytes of it were sent in this life."""

    task: Task
    sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The store could not do one step. `short_ms` is how much retention it lacks, where that is the fault.

    `task` is None where it was a beacon.
    """

    task: Task | None
    doing: Doing
    fault: StoreFault
    short_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Differs:
    """The store returned other bytes than were signed, under this version."""

    task: Task
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalDiffers:
    """The local bytes are not those that were signed. Nothing of it was sent."""

    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalUnreadable:
    """The system cannot read the local file now; `code` is the errno."""

    task: Task
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The process ends."""

    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class BeaconSent:
    """The store took a beacon. It proves nothing and is not read back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement: its key's last part, and its bytes, whose hash is in the key."""

    name: str
    encoded: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessRead:
    """What was found and not known, in the order of size; `bad` are names that are not worth another look."""

    statements: tuple[Statement, ...]
    bad: tuple[str, ...]
    more: bool


Outcome = Kept | Failed | Differs | LocalDiffers | LocalUnreadable | Left | BeaconSent | WitnessRead


class _FoundOther(Exception):
    """Bytes of another hash came back."""

    def __init__(self, version: str) -> None:
        super().__init__(version)
        self.version = version


class _Short(Exception):
    """A step failed; says which."""

    def __init__(self, doing: Doing, fault: StoreFault, short_ms: int = 0) -> None:
        super().__init__(fault.what)
        self.doing = doing
        self.fault = fault
        self.short_ms = short_ms


class Dates:
    """Which date a PUT has to bear: one only where the store's default is shorter than what is wanted.

    A date takes the place of the default, so one that is not needed could only shorten it. Any stream may ask.
    """

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        """Nothing is asked yet. `now_ms` is the store's clock."""
        self._store = store
        self.now_ms = now_ms
        self._asked_ms: int | None = None
        self._default: timedelta | None = None

    def for_put(self, wanted_ms: int) -> datetime | None:
        """The date, or None where the default will do or is not known: what is too short is lengthened afterwards."""
        now_ms = self.now_ms()
        if wanted_ms <= now_ms or not self._store.nature().worm:
            return None
        try:
            if self._asked_ms is None or now_ms - self._asked_ms > DEFAULT_AGAIN_MS:
                self._default, self._asked_ms = self._store.default_lock(), now_ms
        except StoreFault:
            return None
        default_ms = 0 if self._default is None else self._default // timedelta(milliseconds=1)
        if wanted_ms <= now_ms + default_ms:
            return None
        return datetime.fromtimestamp(wanted_ms / 1000, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """See the module. `retention_ms` is the least term counted from sealing; 0 asks for none."""

    spools: tuple[Path, ...]
    """The disks that hold it, the one that leads first."""
    store: Store
    steps: Steps
    pace: Pace
    dates: Dates
    retention_ms: int = 0
    custodians: tuple[bytes, ...] = ()
    """Records are encrypted for these."""
    foreign: Callable[[Task, str], None] = lambda _task, _version: None
    """Told of a version under an object's key that holds other bytes."""
    other_disk: Callable[[Task, Path, Path], None] = lambda _task, _wanting, _read: None
    """Told of what one disk does not hold as it was signed, and which disk it is read from instead."""
    reached: Callable[[str], None] = lambda _point: None
    """Told of each point of a life; a test may end the process there."""

    def live(self, task: Task) -> Outcome:
        """Bring one object as far as the store allows. Raises what the state raises, and nothing of the store's."""
        try:
            return self._lived(task)
        except _Short as short:
            return Failed(task=task, doing=short.doing, fault=short.fault, short_ms=short.short_ms)
        except _FoundOther as other:
            self.steps.unknown(task.number)
            return Differs(task=task, version=other.version)
        except Stopping:
            return Left(task=task)
        except OSError as error:
            return LocalUnreadable(task=task, code=error.errno or 0)

    def _lived(self, task: Task) -> Outcome:
        stored, sent = task.stored, 0
        stage = task.stage
        if stage in (Stage.UNKNOWN, Stage.SEALED) or stored is None:
            stored = self._looked_for(task) if stage is not Stage.SEALED else None
            stage = Stage.READ_BACK
            if stored is None:
                ready = self._ready(task)
                if ready is None:
                    self.steps.differs_here(task.number)
                    return LocalDiffers(task=task)
                stored, sent, stage = self._sent_or_found(task, ready)
        if stage is Stage.PUT:
            stored = self._read_back(task, stored)
        self._retained(task, stored)
        return Kept(task=task, sent=sent)

    def _looked_for(self, task: Task) -> Stored | None:
        """The first version that holds the very bytes. Versions that hold others are told and left alone."""
        with _step(Doing.LOOKING):
            versions = self.store.versions(task.sealed.key)
            found = [one for one in islice(versions, LOOKED_AT) if _may_be(one, task.sealed)]
        for version in found:
            try:
                return self._read_back(task, Stored(version=version.version_id, store_ms=0, server_key=None))
            except _FoundOther as other:
                self.foreign(task, other.version)
        return None

    def _ready(self, task: Task) -> Ready | None:
        """The object as it is sent, from the first disk that holds what was signed; None where each holds other bytes.

        Raises OSError where one could not be read and no other would do: it may be back.
        """
        unreadable: OSError | None = None
        for place, spool in enumerate(self.spools):
            try:
                ready = self._ready_from(spool, task)
            except OSError as error:
                unreadable = unreadable or error
                continue
            if ready is not None:
                if place:
                    self.other_disk(task, self.spools[0], spool)
                return ready
        if unreadable is not None:
            raise unreadable
        return None

    def _ready_from(self, spool: Path, task: Task) -> Ready | None:
        """From one disk, a record encrypted where there are custodians; None: not what was signed. Raises OSError."""
        if task.sealed.kind is Kind.RECORD and self.custodians:
            ready = encrypted(spool, task.sealed.span, self.custodians)
        else:
            ready = Ready(root=spool, hashed=hashed(spool, task.sealed.span))
        found = ready.hashed
        whole = found.ended or not task.sealed.span.to_end
        return ready if whole and _is_signed(found.size, found.sha256, task.sealed) else None

    def _sent_or_found(self, task: Task, ready: Ready) -> tuple[Stored, int, Stage]:
        """Sent; or, where a conditional PUT met the name, looked at: whoever wrote it, only the very bytes will do."""
        try:
            return self._sent(task, ready), task.sealed.size, Stage.PUT
        except _Short as short:
            found = self._looked_for(task) if short.fault.status == NAME_TAKEN else None
            if found is None:
                raise
            return found, 0, Stage.READ_BACK

    def _sent(self, task: Task, ready: Ready) -> Stored:
        self.steps.unknown(task.number)  # from here on it may be there, whatever becomes of this process
        self.reached("sending")
        put = self._put(task, ready)
        self.reached("sent")
        stored = Stored(version=put.version.version_id, store_ms=_ms(put.store_time), server_key=put.server_key)
        self.steps.reaches(task.number, Stage.PUT, stored)
        self.reached("put")
        return stored

    def _put(self, task: Task, ready: Ready) -> Put:
        """With a date where the default is too short; an account that may send none still gets it there."""
        now_ms = self.dates.now_ms()
        # Its session ends later than it was sealed, and its term counts from there.
        floor_ms = _floor_ms(task, now_ms, self.retention_ms) + LONGEST_SESSION_MS if self.retention_ms else 0
        until = self.dates.for_put(max(floor_ms, _term_ms(task, now_ms)))
        if until is not None:
            try:
                return self._put_once(task, ready, until)
            except StoreFault as fault:
                if fault.fault not in UNDATED or fault.status == NAME_TAKEN:
                    raise _Short(Doing.SENDING, fault) from fault
        with _step(Doing.SENDING):
            return self._put_once(task, ready, None)

    def _put_once(self, task: Task, ready: Ready, until: datetime | None) -> Put:
        with ready.body(task.sealed.span, self.pace.take) as body:
            return self.store.put(
                task.sealed.key,
                body,
                size=task.sealed.size,
                md5=ready.hashed.md5,
                sha256=task.sealed.digest,
                retain_until=until,
            )

    def _read_back(self, task: Task, stored: Stored) -> Stored:
        """Every byte of exactly this version. Raises _FoundOther where they are not the signed ones."""
        seen, size = hashlib.sha256(), 0
        with _step(Doing.READING), self.store.open(task.sealed.key, stored.version) as reading:
            while chunk := reading.read(CHUNK_BYTES):
                self.pace.take(len(chunk))
                seen.update(chunk)
                size += len(chunk)
                if size > task.sealed.size:
                    break
            store_ms, server_key = _ms(reading.store_time), reading.server_key
        self.reached("read")
        if not _is_signed(size, seen.digest(), task.sealed):
            raise _FoundOther(stored.version)
        stored = replace(stored, store_ms=store_ms, server_key=server_key)
        self.steps.reaches(task.number, Stage.READ_BACK, stored)
        self.reached("read_back")
        return stored

    def _retained(self, task: Task, stored: Stored) -> None:
        """How long it is kept, lengthened where that is too short."""
        retained = self._asked(task, stored)
        floor_ms = _floor_ms(task, stored.store_ms, self.retention_ms) - RETENTION_SLACK_MS
        wanted_ms = max(floor_ms, _term_ms(task, self.dates.now_ms()))
        short_ms = self._short_ms(retained, wanted_ms)
        if short_ms > 0:
            until = datetime.fromtimestamp((wanted_ms + RETENTION_SLACK_MS) / 1000, UTC)
            with _step(Doing.EXTENDING, short_ms):
                self.store.extend(task.sealed.key, stored.version, until)
            retained = self._asked(task, stored)
            short_ms = self._short_ms(retained, wanted_ms)
            if short_ms > 0:
                what = f"{task.sealed.key}: kept for too short a time, although the store took a longer one"
                raise _Short(Doing.EXTENDING, StoreFault(FaultClass.REFUSED, what), short_ms)
        until_ms = None if retained.until is None else _ms(retained.until)
        kept = replace(stored, mode=retained.mode, until_ms=until_ms)
        self.steps.reaches(task.number, Stage.RETAINED, kept, task.sealed.term)
        self.reached("retained")

    def _asked(self, task: Task, stored: Stored) -> Retained:
        with _step(Doing.ASKING_RETENTION):
            return self.store.retained(task.sealed.key, stored.version)

    def _short_ms(self, retained: Retained, wanted_ms: int) -> int:
        """How much the retention lacks; a store that locks nothing, or whose bucket does as a whole, lacks none."""
        if retained.mode is RetentionMode.BUCKET or not self.store.nature().worm:
            return 0
        until_ms = 0 if retained.until is None or retained.mode is RetentionMode.NONE else _ms(retained.until)
        return max(0, wanted_ms - until_ms)


def send_beacon(store: Store, key: str, content: bytes) -> BeaconSent | Failed:
    """Put a beacon. One that fails is not repeated: the next one says more."""
    md5, sha256 = hashlib.md5(content, usedforsecurity=False).digest(), hashlib.sha256(content).digest()
    try:
        store.put(key, BytesIO(content), size=len(content), md5=md5, sha256=sha256)
    except StoreFault as fault:
        return Failed(task=None, doing=Doing.SENDING, fault=fault)
    return BeaconSent()


def _floor_ms(task: Task, store_ms: int, retention_ms: int) -> int:
    """Until when it must be kept whatever its session. A clock that runs ahead must not lock it into another century.

    `store_ms` is the store's clock, not before it was sent.
    """
    return min(task.sealed.sealed_ms, store_ms) + retention_ms


def _term_ms(task: Task, now_ms: int) -> int:
    """Until when the term of its session keeps it, 0 where none is set.

    By the store's clock, too: as long from now as the entry said when it was written, and a hundred years at most.
    """
    term = task.sealed.term
    if term is None:
        return 0
    return min(term.until_ms, now_ms + min(term.until_ms - term.said_ms, LONGEST_LOCK_MS))


def _may_be(version: Version, sealed: Sealed) -> bool:
    return version.key == sealed.key and not version.is_delete_marker and version.size == sealed.size


def _is_signed(size: int, digest: bytes, sealed: Sealed) -> bool:
    return size == sealed.size and digest == sealed.digest


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


@contextmanager
def _step(doing: Doing, short_ms: int = 0) -> Iterator[None]:
    try:
        yield
    except StoreFault as fault:
        raise _Short(doing, fault, short_ms) from fault
