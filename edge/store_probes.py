"""Puts a store to the test with small objects of its own and says what was seen. Judges nothing.

One thread, and eight for one race. What it puts stays there as long as the store locks it: a few hundred bytes a run,
below a prefix that no device has. A refusal proves a lock only where the same account may do the same to what is not
locked: so a delete marker is deleted, a retention lengthened and versioning switched on, each beside its forbidden
twin. A store that lets versioning be suspended has it switched on again at once. Every function raises StoreFault where
the store gives no answer.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from edge.store import FaultClass, Put, Retained, Store, StoreFault
from edge.store_trial import Answer, DeleteTrial, PutTrial, RetainTrial, TrialStore, VersioningTrial
from liuhen.registry import RetentionMode

RACERS = 8
LIMIT_BYTES = 1 << 16
LONGER = timedelta(hours=1)
FAR_OFF = timedelta(hours=1)


class Held(enum.Enum):
    """Whether a lock held."""

    YES = enum.auto()
    NO = enum.auto()
    UNSHOWN = enum.auto()
    """Refused, but this account may not do it to anything: it proves nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectorySeen:
    """What a store without locks and versions did."""

    skew_seconds: float
    reads_back: bool
    refuses_other_bytes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a store with locks did."""

    server_key: bytes | None
    skew_seconds: float
    has_versions: bool
    reads_back: bool
    default: Retained
    default_seconds: int | None
    refuses_wrong_md5: bool
    refuses_wrong_payload: bool
    refuses_wrong_checksum: bool
    refuses_second_put: bool
    race_winners: int
    keeps_chosen_date: bool
    refuses_past_date: bool
    refuses_far_clock: bool
    overwritten_is_intact: bool
    marker_is_listed: bool
    marked_is_intact: bool
    deletion: Held
    shortening: Held
    weakening: Held
    versioning: Held


@dataclass(frozen=True, slots=True, kw_only=True)
class _Examination:
    """One run's store and names."""

    store: TrialStore
    prefix: str
    utc_now: Callable[[], datetime]

    def key(self, name: str) -> str:
        """A name of this run."""
        return f"{self.prefix}{name}"

    def put(self, name: str) -> Put:
        """A right PUT, as `offload` makes it."""
        return put_plain(self.store, self.key(name), _body(name))

    def is_intact(self, put: Put, body: bytes) -> bool:
        """Whether exactly this version has exactly these bytes."""
        return reads(self.store, put.version.key, put.version.version_id) == body

    def tried(self, name: str, body: bytes | None = None, **wrong: object) -> Answer:
        """A PUT with something about it."""
        content = _body(name) if body is None else body
        given = {"md5": _md5(content), **wrong}
        return self.store.attempt(PutTrial(key=self.key(name), body=content, **given))  # type: ignore[arg-type]


def examine(store: TrialStore, *, prefix: str, utc_now: Callable[[], datetime]) -> Seen:
    """Every probe, in an order that leaves what it needs. `prefix` is new for each run."""
    run = _Examination(store=store, prefix=prefix, utc_now=utc_now)
    locked = run.put("locked")
    skew = (locked.store_time - utc_now()).total_seconds()
    intact = run.is_intact(locked, _body("locked"))
    default = _says_kept(store, locked.version.key, locked.version.version_id)
    seconds = None if default.until is None else round((default.until - locked.store_time).total_seconds())
    marker_is_listed, marked_is_intact, deletion = _delete(run, locked)
    shortening, weakening = _shorten(run, run.put("kept"))
    return Seen(
        server_key=locked.server_key,
        skew_seconds=skew,
        has_versions=locked.version.version_id != "",
        reads_back=intact,
        default=default,
        default_seconds=seconds,
        refuses_wrong_md5=not run.tried("md5", md5=bytes(16)).accepted,
        refuses_wrong_payload=not run.tried("payload", payload_sha256=bytes(32)).accepted,
        refuses_wrong_checksum=not run.tried("checksum", checksum_sha256=bytes(32)).accepted,
        refuses_second_put=run.tried("once").accepted and not run.tried("once", only_if_absent=True).accepted,
        race_winners=_race(run),
        keeps_chosen_date=_keeps_date(run, default.until or locked.store_time),
        refuses_past_date=not run.tried("past", retain_until=locked.store_time - timedelta(days=1)).accepted,
        refuses_far_clock=_refuses_far_clock(run),
        overwritten_is_intact=_overwritten(run),
        marker_is_listed=marker_is_listed,
        marked_is_intact=marked_is_intact,
        deletion=deletion,
        shortening=shortening,
        weakening=weakening,
        versioning=_suspend(run),
    )


def examine_directory(store: Store, *, prefix: str, utc_now: Callable[[], datetime]) -> DirectorySeen:
    """What can be asked of a directory."""
    key, body = f"{prefix}one", _body("one")
    done = put_plain(store, key, body)
    refused = False
    try:
        put_plain(store, key, b"other bytes")
    except StoreFault as fault:
        if fault.fault is not FaultClass.REFUSED:
            raise
        refused = True
    return DirectorySeen(
        skew_seconds=(done.store_time - utc_now()).total_seconds(),
        reads_back=reads(store, key, "") == body,
        refuses_other_bytes=refused,
    )


def put_plain(store: Store, key: str, body: bytes) -> Put:
    """A right PUT. Raises StoreFault."""
    return store.put(key, io.BytesIO(body), size=len(body), md5=_md5(body), sha256=hashlib.sha256(body).digest())


def reads(store: Store, key: str, version_id: str) -> bytes | None:
    """The bytes of a version, as many as a probe has; None where it is gone. Raises StoreFault otherwise."""
    try:
        with store.open(key, version_id) as reading:
            return b"".join(iter(lambda: reading.read(LIMIT_BYTES), b""))
    except StoreFault as fault:
        if fault.fault is FaultClass.ABSENT:
            return None
        raise


def _says_kept(store: Store, key: str, version_id: str) -> Retained:
    """What the store says of it; one that answers with an error says that it keeps nothing. Raises StoreFault."""
    try:
        return store.retained(key, version_id)
    except StoreFault as fault:
        if fault.status:
            return Retained(mode=RetentionMode.NONE, until=None)
        raise


def _delete(run: _Examination, locked: Put) -> tuple[bool, bool, Held]:
    """A plain delete, its marker's deletion as the control, then that of the locked version with and without bypass."""
    key, version_id = locked.version.key, locked.version.version_id
    run.store.attempt(DeleteTrial(key=key))
    markers = [one for one in run.store.versions(key) if one.is_delete_marker]
    marked_is_intact = run.is_intact(locked, _body("locked"))
    may = [run.store.attempt(DeleteTrial(key=key, version_id=one.version_id)).accepted for one in markers]
    done = [
        run.store.attempt(DeleteTrial(key=key, version_id=version_id, bypass=bypass)).accepted
        for bypass in (False, True)
    ]
    is_gone = any(done) or not run.is_intact(locked, _body("locked"))
    return bool(markers), marked_is_intact, _held(broken=is_gone, may=any(may))


def _shorten(run: _Examination, kept: Put) -> tuple[Held, Held]:
    """A retention lengthened as the control, then shortened, then made one that a privilege can lift."""
    key, version_id = kept.version.key, kept.version.version_id
    base = _says_kept(run.store, key, version_id).until or kept.store_time
    until = base + LONGER

    def retain(mode: RetentionMode, at: datetime) -> bool:
        trial = RetainTrial(key=key, version_id=version_id, mode=mode, until=at)
        return run.store.attempt(trial).accepted

    may = retain(RetentionMode.COMPLIANCE, until)
    shortened = retain(RetentionMode.COMPLIANCE, kept.store_time + timedelta(minutes=1))
    after = _says_kept(run.store, key, version_id).until
    is_shorter = after is None or after < base - timedelta(seconds=1)
    weakened = retain(RetentionMode.GOVERNANCE, until + LONGER)
    mode = _says_kept(run.store, key, version_id).mode
    return (
        _held(broken=shortened or is_shorter, may=may),
        _held(broken=weakened or mode is not RetentionMode.COMPLIANCE, may=may),
    )


def _suspend(run: _Examination) -> Held:
    may = run.store.attempt(VersioningTrial(enabled=True)).accepted
    suspended = run.store.attempt(VersioningTrial(enabled=False)).accepted
    if suspended:
        run.store.attempt(VersioningTrial(enabled=True))
    return _held(broken=suspended, may=may)


def _held(*, broken: bool, may: bool) -> Held:
    if broken:
        return Held.NO
    return Held.YES if may else Held.UNSHOWN


def _race(run: _Examination) -> int:
    """How many of eight at once are told that they alone made an object."""
    with ThreadPoolExecutor(RACERS) as pool:
        answers = list(pool.map(lambda _: run.tried("race", only_if_absent=True).accepted, range(RACERS)))
    return sum(answers)


def _keeps_date(run: _Examination, base: datetime) -> bool:
    """Whether a date sent with a PUT is what the store then says."""
    wanted = (base + LONGER).replace(microsecond=0)
    answer = run.tried("dated", retain_until=wanted)
    if not answer.accepted:
        return False
    until = _says_kept(run.store, run.key("dated"), answer.version_id).until
    return until is not None and abs(until - wanted) < timedelta(seconds=1)


def _refuses_far_clock(run: _Examination) -> bool:
    run.store.sign_with_offset(FAR_OFF)
    try:
        return not run.tried("clock").accepted
    finally:
        run.store.sign_with_offset(timedelta())


def _overwritten(run: _Examination) -> bool:
    """Whether a version is what it was after its key was put again."""
    first = run.put("again")
    with contextlib.suppress(StoreFault):
        put_plain(run.store, run.key("again"), b"other bytes")
    return run.is_intact(first, _body("again"))


def _body(name: str) -> bytes:
    return f"liuhen store doctor: {name}\n".encode()


def _md5(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()
