"""What the check before a recording finds of sources, clock and store: from the recorder that runs, or by a look.

Runs on the caller's thread and writes nothing. Camera and microphone are opened only where no recorder uses the spool
(and none can begin to meanwhile), no inhibition stands in its journal, and the guard, where there is one, permits and
goes on to permit. Otherwise the row says why nobody looked.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from edge import clock_trust, durable, store_examined
from edge.clock_trust import Bounds, ClockWatch
from edge.config import Config
from edge.guard_link import GuardLost, GuardSaid, GuardWord
from edge.journal import JournalError, state_left
from edge.journal_state import JournalState
from edge.offload import report
from edge.offload.places import places_of
from edge.ports import Hardware, Stream
from edge.precheck import NOT_FITTED, Seen, Shelf, Sight
from edge.refusals import SpoolError
from edge.source_look import FORBIDDEN, look
from edge.spool import kept_free, read_identity
from edge.store_examined import Standing
from edge.surroundings import Guard

GUARD_WORD_SECONDS = 2.0
STATUS_LIMIT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What is looked with: the drivers, none of them opened, and the guard's word where there is an interlock."""

    hardware: Hardware
    guard: Callable[[Callable[[GuardWord], None]], Guard] | None = None


OpenBench = Callable[[Config], Bench]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found; `permit` is the guard's word where no recorder hears it."""

    sources: Mapping[Stream, Seen]
    clock_trusted: bool
    clock_error_ms: int
    permit: bool | None
    shelf: Shelf
    store_waiting: int


def examine(config: Config, bench: Bench, status: Mapping[str, Any] | None) -> Found:
    """Examine; `status` is what a recorder said, empty where it told us nothing, None where none answers."""
    left = None if status else _left(config)
    trusted, error_ms = _clock(config, bench, status, left)
    shelf, waiting = _store(config, bench, status)
    if status is not None:
        sources, permit = _as_told(bench.hardware, status), None
    else:
        sources, permit = _looked(config, bench, left)
    return Found(
        sources=sources,
        clock_trusted=trusted,
        clock_error_ms=error_ms,
        permit=permit,
        shelf=shelf,
        store_waiting=waiting,
    )


# -- the sources -------------------------------------------------------------------------------------------------------


def _as_told(hardware: Hardware, status: Mapping[str, Any]) -> Mapping[Stream, Seen]:
    """What the recorder says of its own sources; one that tells us nothing has them all the same."""
    told = status.get("sources") or {}
    if not told:
        return _all(hardware, NOT_TOLD)
    return {stream: Seen(sight=Sight[told[stream.name.lower()].upper()]) for stream in Stream}


def _all(hardware: Hardware, seen: Seen) -> Mapping[Stream, Seen]:
    fitted = {Stream.PICTURE: hardware.camera is not None, Stream.SOUND: hardware.microphone is not None}
    return {stream: seen if there else NOT_FITTED for stream, there in fitted.items()}


def _looked(config: Config, bench: Bench, left: JournalState | None) -> tuple[Mapping[Stream, Seen], bool | None]:
    """The sources, and the guard's word."""
    root = config.spool.directory
    try:
        with kept_free(root) as free:
            if not free:  # nor is the guard asked: its lamps are that recorder's
                return _all(bench.hardware, SILENT_RECORDER), None
            with _guard_word(bench) as permit:
                return _look(config, bench, left, permit), permit()
    except OSError:
        return _all(bench.hardware, UNKNOWN_JOURNAL), None


def _look(
    config: Config, bench: Bench, left: JournalState | None, permit: Callable[[], bool | None]
) -> Mapping[Stream, Seen]:
    if left is None:
        return _all(bench.hardware, UNKNOWN_JOURNAL)
    if left.inhibitions:
        return _all(bench.hardware, FORBIDDEN)
    return look(bench.hardware, config.checks, config.microphone.rate_hz, lambda: permit() is not False)


def _left(config: Config) -> JournalState | None:
    """What the journal says stands; nothing where there is no spool yet, None where nobody can say."""
    root = config.spool.directory
    try:
        if not root.is_dir():
            return JournalState()
        return state_left(root, read_identity(root).log_id)
    except SpoolError:
        return JournalState() if not (root / "journal").is_dir() else None
    except (JournalError, OSError):
        return None


@contextmanager
def _guard_word(bench: Bench) -> Iterator[Callable[[], bool | None]]:
    """Whether the guard permits now; None where there is no interlock. It counts as no while nothing is heard."""
    if bench.guard is None:
        yield lambda: None
        return
    words: queue.SimpleQueue[GuardWord] = queue.SimpleQueue()
    newest = [False]

    def permits() -> bool:
        while not words.empty():
            _take(words.get_nowait(), newest)
        return newest[0]

    link = bench.guard(words.put)
    try:
        with contextlib.suppress(queue.Empty):  # no word is no permit
            _take(words.get(timeout=GUARD_WORD_SECONDS), newest)
        yield permits
    finally:
        link.close()


def _take(word: GuardWord, newest: list[bool]) -> None:
    if isinstance(word, GuardSaid):
        newest[0] = word.permit
    elif isinstance(word, GuardLost):
        newest[0] = False


# -- the clock ---------------------------------------------------------------------------------------------------------


def _clock(
    config: Config, bench: Bench, status: Mapping[str, Any] | None, left: JournalState | None
) -> tuple[bool, int]:
    """Whether UTC is believed, as the recorder judges it, and its error in ms."""
    told = (status or {}).get("clock")
    if isinstance(told, Mapping):
        return told.get("trusted") is True, int(told.get("error_ms", 0))
    signed_ms = left.clock[0] if left is not None and left.head is not None else None
    reading = bench.hardware.clock.read()
    watched, _ = clock_trust.watch(ClockWatch.at_start(signed_ms), reading, Bounds.of(config.clock))
    return watched.trusted is True, reading.error_ms


# -- the store ---------------------------------------------------------------------------------------------------------


def _store(config: Config, bench: Bench, status: Mapping[str, Any] | None) -> tuple[Shelf, int]:
    """What the last doctor found, and what the offload process says: of itself, and through the recorder."""
    every = config.store.every
    reports = [_report(config, second=one is not config.store) for one in every]
    waiting = sum(said.waiting.objects for said in reports if said is not None)
    told = (status or {}).get("shelf")
    if isinstance(told, str):
        return Shelf[told.upper()], waiting
    standings = store_examined.standings(config.spool.directory)
    now_ms = bench.hardware.clock.read().utc_ms
    found = []
    for access, said in zip(every, reports, strict=True):
        standing = Standing.FIT if access.place is None else standings.at(access.place)
        due = access.place is not None and standings.is_due(access.place, now_ms)
        found.append(_shelf_of(standing, said, now_ms, due=due))
    return Shelf.gravest(*found), waiting


def _shelf_of(standing: Standing, said: report.Report | None, now_ms: int, *, due: bool) -> Shelf:
    silent = said is None or now_ms - said.utc_ms > report.STALE_SECONDS * 1000
    return Shelf.of(
        unfit=standing is Standing.UNFIT,
        examined=standing is Standing.FIT,
        due=due,
        silent=silent,
        unreachable=said is not None and bool(said.fault),
        late=said is not None and not silent and report.is_late(said),
    )


def _report(config: Config, *, second: bool) -> report.Report | None:
    """The offload process's own status file of a store; None where there is none that can be read."""
    places = places_of(config.spool.directory)
    try:
        with durable.opened((places.second if second else places).status) as file:
            return report.parse(file.read(STATUS_LIMIT_BYTES))
    except (OSError, report.BadReport):
        return None


NOT_TOLD = Seen(
    sight=Sight.UNSEEN,
    fix_zh="录制程序正在使用设备，但未告知其状态；请以有权的用户执行",
    fix_en="a recorder has the device and does not tell: run this as a user who may ask it",
)
SILENT_RECORDER = Seen(
    sight=Sight.UNSEEN,
    fix_zh="录制程序正在使用存储目录，但没有应答，未查看；见其服务状态",
    fix_en="a recorder uses the spool and does not answer: not looked at; see its service",
)
UNKNOWN_JOURNAL = Seen(
    sight=Sight.UNSEEN,
    fix_zh="日志读不出，不知是否不得记录，未查看；请以录制程序的用户执行",
    fix_en="the journal cannot be read, so it may be forbidden: not looked at; run this as the recorder's user",
)
