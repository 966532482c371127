"""What a reader of a store is asked, as a Protocol, its values and its one exception (FORMAT.md 12).

A store is read by version, never by what it calls the latest. Two implementations: a directory (`store_directory`), and
the S3 API (`store_s3`, which alone loads a library for it). No thread; a reader belongs to one process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from liuhen.store_names import StoreUrl


class StoreTrouble(Exception):
    """A store cannot be read; the texts say what to do and name no secret. Says nothing of what it holds."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(zh, en)
        self.zh = zh
        self.en = en


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAccess:
    """Which store, and the files that say as whom and whom to trust."""

    url: StoreUrl
    credentials: Path | None = None
    ca: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectVersion:
    """One version of an object, or a delete marker. `version_id` is empty where a store keeps none."""

    key: str
    version_id: str
    size: int
    is_delete_marker: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How long a store says it keeps a version, in UTC ms; None: not at all. `told` False: it was not to be had."""

    until_ms: int | None
    told: bool = True


class Bytes(Protocol):
    """The bytes of one version."""

    def read(self, size: int, /) -> bytes:
        """At most so many; empty at the end. Raises StoreTrouble."""


class Reader(Protocol):
    """A store that is read. Every method raises StoreTrouble and nothing else."""

    def folders(self, prefix: str) -> Iterator[str]:
        """The names directly below a prefix that ends with `/`, deleted ones too."""

    def versions(self, prefix: str) -> Iterator[ObjectVersion]:
        """Every version and delete marker below a prefix, in the order of keys; nothing is held in memory."""

    def versions_of(self, key: str) -> list[ObjectVersion]:
        """Those of exactly one key, the newest first where the store says which that is."""

    def open(self, version: ObjectVersion) -> AbstractContextManager[Bytes]:
        """The bytes of exactly this version."""

    def kept(self, version: ObjectVersion) -> Kept | None:
        """How long it is kept; None where the kind of store keeps nothing by itself. Raises nothing."""

    def close(self) -> None:
        """Let connections go."""


def open_store(access: StoreAccess) -> Reader:
    """The reader of a store. Raises StoreTrouble."""
    if access.url.scheme == "file":
        from liuhen.store_directory import DirectoryReader  # noqa: PLC0415 -- one of two, as they are asked for

        return DirectoryReader(access)
    from liuhen.store_s3 import S3Reader  # noqa: PLC0415 -- loads a library that a court needs for S3 alone

    return S3Reader(access)
