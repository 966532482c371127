"""The store port: what `offload`, `fetch` and the store's doctor ask of a central store, as a Protocol and its values.

Owns no thread. Implementations (`drivers/store_directory.py`, `drivers/store_s3.py`) translate their library's errors
into one `StoreFault`, whose class alone decides what happens next (`edge.offload.retry`); nothing else leaves them.
Calls block within the limits the store was opened with; they may be made from several threads at a time.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO, Protocol

from liuhen.registry import RetentionMode


class FaultClass(enum.Enum):
    """What a fault means for the one who asked."""

    UNREACHABLE = enum.auto()
    """No connection, a reset before the body was sent, 5xx, SlowDown: try again, for ever."""
    AMBIGUOUS = enum.auto()
    """The body was sent and no answer came: look before it is sent again."""
    CLOCK = enum.auto()
    """The store finds our clock too far off; `store_time` says its own."""
    DENIED = enum.auto()
    """Credential, bucket or path refused: alarm, probe slowly."""
    UNTRUSTED = enum.auto()
    """The certificate is not the one we trust: nothing was sent; alarm, probe slowly."""
    DAMAGED = enum.auto()
    """The bytes that arrived are not those that were meant (BadDigest)."""
    FULL = enum.auto()
    """No space or over the quota."""
    ABSENT = enum.auto()
    """There is no such object, version or bucket entry."""
    REFUSED = enum.auto()
    """The store refuses what was asked, for good: a lock, a date, an existing name (`conditional`)."""


class StoreFault(Exception):
    """A store cannot do what was asked. `what` names no secret; remedies are shown as they are."""

    def __init__(
        self,
        fault: FaultClass,
        what: str,
        *,
        status: int = 0,
        remedy_zh: str = "",
        remedy_en: str = "",
        store_time: datetime | None = None,
    ) -> None:
        super().__init__(what)
        self.fault = fault
        self.what = what
        self.status = status
        """The HTTP status or errno behind it, 0 where there is none."""
        self.remedy_zh = remedy_zh
        self.remedy_en = remedy_en
        self.store_time = store_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of an object, or a delete marker. `version_id` is empty where the store keeps no versions."""

    key: str
    version_id: str
    size: int
    is_delete_marker: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What came of a PUT: its version, and the store's own clock and TLS key as they answered."""

    version: Version
    store_time: datetime
    server_key: bytes | None
    """SHA-256 of the server's SubjectPublicKeyInfo; None without TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """How long the store says it keeps a version. `until` None: it says nothing of it."""

    mode: RetentionMode
    until: datetime | None
    legal_hold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Nature:
    """What a store is by itself: its name, whether it can hold WORM, which device a directory lies on."""

    url: str
    worm: bool
    label_zh: str
    """Shown wherever the store shows; a directory says 非 WORM."""
    label_en: str
    device_id: int | None = None
    """st_dev of a directory; None for a server."""


class Reading(Protocol):
    """The bytes of one version, as a context manager; a read raises StoreFault."""

    store_time: datetime
    server_key: bytes | None

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; empty at the end. Raises StoreFault."""

    def __enter__(self) -> Reading: ...

    def __exit__(self, *_: object) -> None: ...


class Store(Protocol):
    """A store. Every method raises StoreFault and nothing else."""

    def nature(self) -> Nature:
        """What kind of store it is. Asks nothing over a network."""

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
        """One single PUT of exactly `size` bytes; durable on return as far as the store says. Overwrites nothing.

        With `retain_until` it is locked until then instead of for the default; a store that locks nothing ignores it.
        """

    def versions(self, prefix: str) -> Iterator[Version]:
        """Every version and delete marker below a prefix, in key order, paged; nothing is held in memory."""

    def open(self, key: str, version_id: str) -> Reading:
        """The bytes of exactly this version."""

    def default_lock(self) -> timedelta | None:
        """How long the store locks what comes without a date, by its own clock; None: not at all."""

    def retained(self, key: str, version_id: str) -> Retained:
        """How long the store says it keeps it."""

    def extend(self, key: str, version_id: str, until: datetime) -> None:
        """Keep it longer; a store that would shorten refuses."""

    def close(self) -> None:
        """Let connections go."""
