"""A store that locks, in memory and in virtual time, with levers for everything that can be wrong with one.

Implements `edge.store.Store` for scenarios and tests: a transfer moves the clock by what its bytes take on this line.
Nothing is ever removed and nothing overwritten; what a lever changes is what somebody else, or a bad line, could do.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

from edge.offload.sender import Outcome
from edge.offload.state import StateFault, StateLost
from edge.offload.streams import Broken
from edge.store import FaultClass, Nature, Put, Retained, StoreFault, Version
from liuhen.registry import RetentionMode

NS_PER_SECOND = 1_000_000_000
SKEW_LIMIT_MS = 15 * 60_000
"""Beyond this S3 refuses a signature's date."""


@dataclass(slots=True, kw_only=True)
class Levers:
    """What is wrong with the store now. Numbers count down by one with each PUT they spoil."""

    down: bool = False
    """Nobody answers."""
    cut_puts: int = 0
    """The line breaks in the middle of a body; nothing is kept."""
    swallowed_replies: int = 0
    """The object is kept, and the answer never comes."""
    frozen: bool = False
    """A body is taken whole and no answer comes; the objects appear when it thaws."""
    flipped_puts: int = 0
    """A bit changes on the way; the checksum finds it."""
    flipped_reads: int = 0
    """A bit changes on the way back."""
    ahead_ms: int = 0
    """The store's clock minus the device's."""
    capacity_bytes: int | None = None
    denied: bool = False
    untrusted: bool = False
    no_bucket: bool = False
    retention: timedelta | None = timedelta(days=3650)
    """What the bucket locks by default; None locks nothing."""
    may_extend: bool = True
    ignores_extend: bool = False
    ignores_dates: bool = False
    """A date that comes with a PUT counts for nothing."""
    refuses_dates: bool = False
    """A PUT with a date is not among this account's rights."""
    conditional: bool = False
    """A name that is there already is refused with 412, as a conditional PUT asks."""


@dataclass(slots=True, kw_only=True)
class Held:
    """One version."""

    version: Version
    content: bytes
    until: datetime | None


@dataclass(slots=True, kw_only=True)
class Clockwork:
    """The time the store lives in: `utc_ms` reads it, `passes` lets nanoseconds of it go by."""

    utc_ms: Callable[[], int]
    passes: Callable[[int], None] = lambda _ns: None


@dataclass(slots=True)
class VirtualStore:
    """See the module. `sign_ahead_ms` is what the device adds to its clock when it signs a request."""

    clockwork: Clockwork
    url: str = "s3://store.example/liuhen"
    bytes_per_second: int = 4_000_000
    sign_ahead_ms: Callable[[], int] = lambda: 0
    worm: bool = True
    levers: Levers = field(default_factory=Levers)
    held: list[Held] = field(default_factory=list)
    puts: list[str] = field(default_factory=list)
    """The key of each PUT that was begun, in order."""
    moved_bytes: int = 0
    asked: int = 0
    """How many requests came, answered or not."""
    _frozen: list[Held] = field(default_factory=list)
    _made: int = 0

    @property
    def server_key(self) -> bytes:
        """SHA-256 of the key it answers with: each host has its own."""
        host = self.url.partition("//")[2].partition("/")[0]
        return hashlib.sha256(f"the key of {host} in virtual time".encode()).digest()

    # -- the port --------------------------------------------------------------------------------------------------

    def nature(self) -> Nature:
        """See Store."""
        return Nature(url=self.url, worm=self.worm, label_zh="虚拟存储库", label_en="store in virtual time")

    def put(
        self,
        key: str,
        body: BinaryIO,
        *,
        size: int,
        md5: bytes,
        sha256: bytes,
        retain_until: datetime | None = None,
    ) -> Put:
        """See Store."""
        self._answers()
        self.puts.append(key)
        if self.levers.conditional and self.copies(key):
            raise StoreFault(FaultClass.REFUSED, "PreconditionFailed", status=412)
        content = self._received(body, size)
        if hashlib.md5(content, usedforsecurity=False).digest() != md5:
            raise StoreFault(FaultClass.DAMAGED, "BadDigest", status=400)
        if self.levers.capacity_bytes is not None and self.stored_bytes + size > self.levers.capacity_bytes:
            raise StoreFault(FaultClass.FULL, "QuotaExceeded", status=403)
        held = self._new(key, content)
        if retain_until is not None and not self.levers.ignores_dates:
            if self.levers.refuses_dates:
                raise StoreFault(FaultClass.DENIED, "AccessDenied", status=403)
            held.until = retain_until
        if self.levers.frozen:
            self._frozen.append(held)
            raise StoreFault(FaultClass.AMBIGUOUS, "read timed out")
        self.held.append(held)
        if self.levers.swallowed_replies:
            self.levers.swallowed_replies -= 1
            raise StoreFault(FaultClass.AMBIGUOUS, "the connection ended before an answer")
        return Put(version=held.version, store_time=self.now(), server_key=self.server_key)

    def versions(self, prefix: str) -> Iterator[Version]:
        """See Store."""
        self._answers()
        found = [held.version for held in self.held if held.version.key.startswith(prefix)]
        return iter(sorted(found, key=lambda version: version.key))

    def open(self, key: str, version_id: str) -> VirtualReading:
        """See Store."""
        self._answers()
        content = self._find(key, version_id).content
        if self.levers.flipped_reads:
            self.levers.flipped_reads -= 1
            content = _flipped(content)
        return VirtualReading(content, self)

    def default_lock(self) -> timedelta | None:
        """See Store."""
        self._answers()
        return self.levers.retention

    def retained(self, key: str, version_id: str) -> Retained:
        """See Store."""
        self._answers()
        until = self._find(key, version_id).until
        mode = RetentionMode.NONE if until is None else RetentionMode.COMPLIANCE
        return Retained(mode=mode, until=until)

    def extend(self, key: str, version_id: str, until: datetime) -> None:
        """See Store."""
        self._answers()
        held = self._find(key, version_id)
        if not self.levers.may_extend:
            raise StoreFault(FaultClass.DENIED, "AccessDenied", status=403)
        if held.until is not None and until < held.until:
            raise StoreFault(FaultClass.REFUSED, "a retention is never shortened", status=403)
        if not self.levers.ignores_extend:
            held.until = until

    def close(self) -> None:
        """See Store."""

    # -- the levers ------------------------------------------------------------------------------------------------

    def thaw(self) -> None:
        """The frozen gateway goes on: what it had taken whole is kept now."""
        self.levers.frozen = False
        self.held.extend(self._frozen)
        self._frozen.clear()

    def overwrite(self, key: str, content: bytes) -> None:
        """Somebody with another credential puts other bytes under a key."""
        self.held.append(self._new(key, content))

    def mark_deleted(self, key: str) -> None:
        """Somebody deletes a key: a marker hides it, and removes nothing."""
        self._made += 1
        marker = Version(key=key, version_id=f"v{self._made}", size=0, is_delete_marker=True)
        self.held.append(Held(version=marker, content=b"", until=None))

    # -- what is there ---------------------------------------------------------------------------------------------

    @property
    def stored_bytes(self) -> int:
        """Of all versions."""
        return sum(len(held.content) for held in self.held)

    def copies(self, key: str) -> list[bytes]:
        """The bytes of each version of a key."""
        return [held.content for held in self.held if held.version.key == key and not held.version.is_delete_marker]

    def key_set(self) -> set[str]:
        """Every key that has a version."""
        return {held.version.key for held in self.held}

    def now(self) -> datetime:
        """The store's own clock."""
        return datetime.fromtimestamp((self.clockwork.utc_ms() + self.levers.ahead_ms) / 1000, UTC)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _answers(self) -> None:
        self.asked += 1
        self.clockwork.passes(NS_PER_SECOND // 100)
        if self.levers.down:
            raise StoreFault(FaultClass.UNREACHABLE, "no route to the store")
        if self.levers.untrusted:
            raise StoreFault(FaultClass.UNTRUSTED, "certificate verify failed")
        if self.levers.denied:
            raise StoreFault(FaultClass.DENIED, "AccessDenied", status=403)
        if self.levers.no_bucket:
            raise StoreFault(FaultClass.ABSENT, "NoSuchBucket", status=404)
        if abs(self.levers.ahead_ms - self.sign_ahead_ms()) > SKEW_LIMIT_MS:
            raise StoreFault(FaultClass.CLOCK, "RequestTimeTooSkewed", status=403, store_time=self.now())

    def _received(self, body: BinaryIO, size: int) -> bytes:
        if self.levers.cut_puts:
            self.levers.cut_puts -= 1
            body.read(size // 2)
            raise StoreFault(FaultClass.AMBIGUOUS, "connection reset in the middle of the body")
        content = body.read(size)
        self._moved(len(content))
        if self.levers.flipped_puts:
            self.levers.flipped_puts -= 1
            content = _flipped(content)
        return content

    def _moved(self, size: int) -> None:
        self.moved_bytes += size
        self.clockwork.passes(size * NS_PER_SECOND // self.bytes_per_second)

    def _new(self, key: str, content: bytes) -> Held:
        self._made += 1
        retention = self.levers.retention
        version = Version(key=key, version_id=f"v{self._made}", size=len(content))
        return Held(version=version, content=content, until=None if retention is None else self.now() + retention)

    def _find(self, key: str, version_id: str) -> Held:
        for held in self.held:
            if (held.version.key, held.version.version_id) == (key, version_id) and not held.version.is_delete_marker:
                return held
        raise StoreFault(FaultClass.ABSENT, "NoSuchVersion", status=404)


class VirtualReading:
    """One version's bytes."""

    def __init__(self, content: bytes, store: VirtualStore) -> None:
        self.store_time = store.now()
        self.server_key: bytes | None = store.server_key
        self._content = content
        self._moved = store._moved  # noqa: SLF001 - the two are one

    def read(self, size: int, /) -> bytes:
        """See Reading."""
        chunk, self._content = self._content[:size], self._content[size:]
        self._moved(len(chunk))
        return chunk

    def __enter__(self) -> VirtualReading:
        return self

    def __exit__(self, *_: object) -> None:
        self._content = b""


def _flipped(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:] if content else b"\x01"


class VirtualStreams:
    """Implements `edge.offload.streams.Streams` where time is virtual: a life is lived when begun, and told later.

    Each takes its own virtual time, one after the other, as on a line that they share.
    """

    def __init__(self, _wake: Callable[[], None], _stopping: threading.Event) -> None:
        self._lived: list[tuple[int, Outcome | Broken]] = []

    @property
    def under_way(self) -> tuple[int, ...]:
        """See Streams."""
        return tuple(number for number, _ in self._lived)

    def begin(self, number: int, life: Callable[[], Outcome]) -> None:
        """See Streams."""
        try:
            self._lived.append((number, life()))
        except (StateLost, StateFault) as error:
            self._lived.append((number, Broken(number=number, error=error)))

    def ended(self) -> list[tuple[int, Outcome | Broken]]:
        """See Streams."""
        lived, self._lived = self._lived, []
        return lived

    def close(self) -> bool:
        """See Streams."""
        return True
