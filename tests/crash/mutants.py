"""Recorders with one promise broken each, for the harness to catch; applied in a forked child, never in the product.

A harness that does not fail on these shows nothing when it passes on the real recorder.
"""

from __future__ import annotations

import contextlib
import enum
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from edge import durable, journal, recovery
from edge.journal import Found
from edge.recovery import Setback
from liuhen.kinds import Head


class Mutant(enum.Enum):
    """The broken promises."""

    NONE = "the recorder as it is"
    ACK_BEFORE_SYNC = "says that it is durable, then flushes"
    NO_DIRECTORY_SYNC = "flushes files and not the directories their names are in"
    RETRY_FLUSH = "flushes the same file again after a flush that failed, and believes it"
    TRUNCATE_ROT = "takes whatever it cannot read for a torn tail, and cuts there"
    REUSE_SEQ = "goes on after the last entry it can read, whatever was sent before"


def apply(mutant: Mutant) -> None:
    """Break this process's recorder."""
    match mutant:
        case Mutant.NONE:
            pass
        case Mutant.ACK_BEFORE_SYNC:
            _put_os(_LateFlushes())
        case Mutant.NO_DIRECTORY_SYNC:
            _put(durable, "sync_directory", _no_sync)
        case Mutant.RETRY_FLUSH:
            _put_os(_RepeatedFlushes())
        case Mutant.TRUNCATE_ROT:
            _put(journal, "ENVELOPE_START", b"no entry begins like this")
            _forget_heads(lambda found: bool(found.tail or found.rotten))
        case Mutant.REUSE_SEQ:
            _forget_heads(lambda _: True)


class _OtherOs:
    """The module `os` as `edge.durable` sees it, but for what a mutant does differently."""

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)


class _LateFlushes(_OtherOs):
    """Each flush is done just before the next write."""

    def __init__(self) -> None:
        self._owed: int | None = None

    def write(self, descriptor: int, content: bytes) -> int:
        if self._owed is not None:
            os.fdatasync(self._owed)
            os.close(self._owed)
            self._owed = None
        return os.write(descriptor, content)

    def fdatasync(self, descriptor: int) -> None:
        if self._owed is not None:
            os.close(self._owed)
        self._owed = os.dup(descriptor)


class _RepeatedFlushes(_OtherOs):
    """A second flush, whose success is believed."""

    def fdatasync(self, descriptor: int) -> None:
        with contextlib.suppress(OSError):
            return os.fdatasync(descriptor)
        os.fdatasync(descriptor)


def _no_sync(_: Path) -> None:
    """The names may or may not survive."""


def _forget_heads(when: Callable[[Found], bool]) -> None:
    weigh = recovery.weigh

    def weigh_without(found: Found, named: tuple[Head, ...]) -> Setback:
        return weigh(found, () if when(found) else named)

    _put(recovery, "weigh", weigh_without)


def _put_os(other: _OtherOs) -> None:
    _put(durable, "os", other)


def _put(module: ModuleType, name: str, value: object) -> None:
    getattr(module, name)  # a mutant of something that is not there any more would be the real recorder
    setattr(module, name, value)
