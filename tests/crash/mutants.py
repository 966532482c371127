"""Recorders with one promise broken each, for the harness to catch; applied in a forked child, never in the product.

A harness that does not fail on these shows nothing when it passes on the real recorder.
"""

from __future__ import annotations

import contextlib
import enum
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from edge import durable, journal, recovery
from edge.journal import Found
from edge.journal_state import JournalState, OpenSession
from edge.recovery import Rescued, Setback
from liuhen.kinds import Head, Instant

LATE_NS = 500_000_000


class Mutant(enum.Enum):
    """The broken promises."""

    NONE = "the recorder as it is"
    ACK_BEFORE_SYNC = "says that it is durable, then flushes"
    NO_DIRECTORY_SYNC = "flushes files and not the directories their names are in"
    RETRY_FLUSH = "flushes the same file again after a flush that failed, and believes it"
    NO_RECORD_SYNC = "names a record that was written and not flushed"
    NO_STATE_SYNC = "puts a small file of its own state in place that was written and not flushed"
    TRUNCATE_ROT = "takes whatever it cannot read for a torn tail, and cuts there"
    REUSE_SEQ = "goes on after the last entry it can read, whatever was sent before"
    DROP_LAST_FRAGMENT = "takes the last sealed fragment of an unclean end for a torn one"
    LATE_GAP = "says that an interruption began half a second after the last media"


def apply(mutant: Mutant) -> None:
    """Break this process's recorder."""
    _BREAKS[mutant]()


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


class _UnflushedFiles(_OtherOs):
    """A new file of this name is not flushed; the directory it is in is."""

    def __init__(self, named: re.Pattern[str]) -> None:
        self._named = named

    def fsync(self, descriptor: int) -> None:
        if not self._named.search(str(Path(f"/proc/self/fd/{descriptor}").readlink())):
            os.fsync(descriptor)


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


def _drop_last_fragment() -> None:
    sealed = recovery._sealed

    def sealed_but_one(path: Path, owner: recovery._Owner) -> tuple[object, object, bool]:
        head, fragments, damaged = sealed(path, owner)
        return head, fragments[:-1], damaged

    _put(recovery, "_sealed", sealed_but_one)


def _begin_gaps_late() -> None:
    end_of_media = recovery._end_of_media

    def later(state: JournalState, session: OpenSession, rescued: Rescued) -> Instant:
        boot_id, end_ns = end_of_media(state, session, rescued)
        return boot_id, end_ns + LATE_NS

    _put(recovery, "_end_of_media", later)


def _put_os(other: _OtherOs) -> None:
    _put(durable, "os", other)


def _put(module: ModuleType, name: str, value: object) -> None:
    getattr(module, name)  # a mutant of something that is not there any more would be the real recorder
    setattr(module, name, value)


def _truncate_rot() -> None:
    _put(journal, "ENVELOPE_START", b"no entry begins like this")
    _forget_heads(lambda found: bool(found.tail or found.rotten))


_BREAKS: dict[Mutant, Callable[[], None]] = {
    Mutant.NONE: lambda: None,
    Mutant.ACK_BEFORE_SYNC: lambda: _put_os(_LateFlushes()),
    Mutant.NO_DIRECTORY_SYNC: lambda: _put(durable, "sync_directory", _no_sync),
    Mutant.RETRY_FLUSH: lambda: _put_os(_RepeatedFlushes()),
    Mutant.NO_RECORD_SYNC: lambda: _put_os(_UnflushedFiles(re.compile(r"\.record$"))),
    Mutant.NO_STATE_SYNC: lambda: _put_os(_UnflushedFiles(re.compile(r"\.new$"))),
    Mutant.TRUNCATE_ROT: _truncate_rot,
    Mutant.REUSE_SEQ: lambda: _forget_heads(lambda _: True),
    Mutant.DROP_LAST_FRAGMENT: _drop_last_fragment,
    Mutant.LATE_GAP: _begin_gaps_late,
}
