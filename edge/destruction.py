"""Destroying content by order: first the journal says so, then the bytes go, and a cut in between is finished later.

Owns no thread; called by a person's command between sessions, and by a start. On return of `destroy` the `destroyed`
entries are durable and every file they name is gone from its directory, durably, on each disk of the spool. The chain
itself never changes. That the bytes cannot be read back from the disk is not claimed: this removes names, it does not
wipe flash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge import durable
from edge.durable import StorageFault
from edge.journal import Journal, read_through
from edge.retention import Allowed, Denied, Ledger
from edge.spool import Spool
from liuhen import archive, records
from liuhen.keeping import Content
from liuhen.kinds import Destroyed, Refusal
from liuhen.records import Record
from liuhen.registry import ContentKind, RecordLabel

ROWS_LIMIT = 512
PIECE_BYTES = 1 << 20
PENDING_FILE = "device/destroying"
"""Local state: an order is being carried out. Its absence spares a start the reading of the whole journal."""
PUT_OFF = b"the journal is not whole"
"""What a mark says that a start could not finish by: starts tell it and read no further, a person's command does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What carrying out an order did: files removed, and files that were not what the journal says and were kept.

    `incomplete`: nothing could be decided, for entries are missing and one might have been a hold.
    """

    removed: int = 0
    kept: tuple[Path, ...] = ()
    incomplete: bool = False


def read_ledger(root: Path) -> Ledger:
    """Fold the whole journal of a spool or archive. Raises JournalError where the system cannot read it."""
    ledger = Ledger()
    if not read_through(root / "journal", ledger.accept):
        ledger.whole = False
    return ledger


def keep_record(spool: Spool, content: bytes, *, salt: bytes) -> Record:
    """Write a record; durable on return, so that an entry may name it. Raises StorageFault, and leaves nothing then."""
    record = records.make(content, salt=salt)
    path = spool.records_directory / record.name
    try:
        spool.write(durable.Create(path=path, content=record.to_bytes()))
    except StorageFault:
        with suppress(StorageFault):  # a record nobody names is harmless; what is told is the first fault
            spool.write(durable.Remove(path=path, missing_ok=True))
        raise
    return record


def refuse(journal: Journal, denied: Denied, order: Record, ordinal: int) -> None:
    """Journal that an order was refused, with the order. Raises StorageFault."""
    body = Refusal(
        code=denied.code,
        measured=(ordinal, denied.until_ms or 0),
        records=((RecordLabel.APPROVAL, order.commitment),),
    )
    journal.append(body, session_id=None)


def destroy(spool: Spool, journal: Journal, *, ledger: Ledger, allowed: Allowed, order: Record) -> Carried:
    """Carry out an order: entries first, then the files. Raises StorageFault; what is left then, `finish` does.

    The entries bear the reading that the decision rests on: a clock that is lost in between would unfound them.
    """
    pending = spool.root / PENDING_FILE
    left = begin(spool, pending)
    named = ((RecordLabel.APPROVAL, order.commitment),)
    for start in range(0, len(allowed.contents), ROWS_LIMIT):
        rows = allowed.contents[start : start + ROWS_LIMIT]
        body = Destroyed(contents=rows, basis=0, records=named)
        journal.append(body, session_id=allowed.session, clock=allowed.clock)
    carried = remove_contents(spool, ledger, {content: allowed.session for content in allowed.contents})
    if not left:
        spool.write(durable.Remove(path=pending, missing_ok=True))
    return carried


def begin(spool: Spool, pending: Path) -> bool:
    """Leave the mark by which a start finishes what is begun now. Raises StorageFault.

    Returns whether one was left already: it stays when this is done, for the next start to finish what it was left for.
    """
    left = durable.exists(pending)
    spool.write(durable.Replace(path=pending, content=b"") if left else durable.Create(path=pending, content=b""))
    return left


def put_off(spool: Spool, pending: Path) -> Carried:
    """Keep the mark, and let it say that the journal has to be whole first. Raises StorageFault."""
    if durable.exists(pending):
        spool.write(durable.Replace(path=pending, content=PUT_OFF))
    return Carried(incomplete=True)


def is_put_off(pending: Path) -> bool:
    """Whether the mark says so. Raises StorageFault."""
    with durable.reading(pending), durable.opened(pending) as file:
        return file.read(len(PUT_OFF)) == PUT_OFF


def finish(spool: Spool, ledger: Ledger) -> Carried:
    """Remove what founded `destroyed` entries name and is still there. Raises StorageFault.

    What was brought back since and must be kept again, by a hold or a longer term, stays.
    """
    pending = spool.root / PENDING_FILE
    if not ledger.whole:
        return put_off(spool, pending)
    carried = remove_contents(spool, ledger, ledger.still_to_go())
    if durable.exists(pending):
        spool.write(durable.Remove(path=pending, missing_ok=True))
    return carried


def finish_destructions(spool: Spool) -> Carried:
    """What a start does after recovery: nothing, unless an order was being carried out when the device was cut off.

    Reads the whole journal then, and only then; once, where that is not whole. Raises StorageFault, JournalError.
    """
    pending = spool.root / PENDING_FILE
    if not durable.exists(pending):
        return Carried()
    if is_put_off(pending):
        return Carried(incomplete=True)
    return finish(spool, read_ledger(spool.root))


def files_of(root: Path, ledger: Ledger, contents: dict[Content, bytes]) -> list[Path]:
    """What lies below a folder and is exactly one of these contents. Raises StorageFault."""
    found = [_found(root, ledger, content, session) for content, session in contents.items()]
    return [root / name for one in found for name in one.exact]


def remove_contents(spool: Spool, ledger: Ledger, contents: dict[Content, bytes]) -> Carried:
    """Remove the files, each only if its bytes are those that the journal names. Raises StorageFault.

    A name goes from each disk of the spool at once, and is looked for on each: a power cut between two disks leaves
    it on one of them. Where one disk has the bytes, another copy that has rotted goes with them.
    """
    removed = 0
    kept: list[Path] = []
    for content, session in contents.items():
        found = _on_any_disk(spool, ledger, content, session)
        for name in found.exact:
            spool.write(durable.Remove(path=spool.root / name, missing_ok=True))
            removed += 1
        if not found.exact and content[0] != ContentKind.QUARANTINED:
            kept += found.other
    return Carried(removed=removed, kept=tuple(kept))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Names below the root whose bytes are the content, and files under its names whose bytes are not."""

    exact: tuple[str, ...]
    other: tuple[Path, ...]


def _on_any_disk(spool: Spool, ledger: Ledger, content: Content, session: bytes) -> _Found:
    """The other disk is asked where the one that leads cannot answer for both."""
    here = _found(spool.root, ledger, content, session)
    if here.exact and content[0] != ContentKind.QUARANTINED:
        return here  # its one name
    there = spool.disk.elsewhere(partial(_found, ledger=ledger, content=content, session=session))
    if there is None:
        return here
    names = dict.fromkeys((*here.exact, *there.exact))
    return _Found(exact=tuple(names), other=(*here.other, *there.other))


def _found(root: Path, ledger: Ledger, content: Content, session: bytes) -> _Found:
    """On one disk. Raises StorageFault."""
    exact, other = [], []
    for path, digest in _files(root, ledger, content, session):
        if digest == content[1]:
            exact.append(path.relative_to(root).as_posix())
        else:
            other.append(path)
    return _Found(exact=tuple(exact), other=tuple(other))


def _files(root: Path, ledger: Ledger, content: Content, session: bytes) -> Iterator[tuple[Path, bytes]]:
    """The files that may hold this content, with the hash of what they hold. Raises StorageFault."""
    what, digest = content
    held = ledger.sessions.get(session)
    paths: list[Path] = []
    if what == ContentKind.RECORD:
        paths = [archive.record_path(root, digest)]
    elif what == ContentKind.SEGMENT and held is not None and digest in held.segments:
        paths = [archive.segment_path(archive.session_path(root, session), held.segments[digest])]
    elif what == ContentKind.QUARANTINED and held is not None and digest in held.quarantined:
        size = held.quarantined[digest]
        with durable.reading(root / "quarantine"):
            named = (root / "quarantine").glob(f"{session.hex()}-*")  # another session's may hold the same bytes
            paths = [path for path in sorted(named) if _size_bytes(path) == size]
    for path in paths:
        if _is_plain(path):
            yield path, _hash_of(path, b"\x03" if what == ContentKind.RECORD else b"")


def _is_plain(path: Path) -> bool:
    with durable.reading(path):
        return path.is_file() and not path.is_symlink()


def _size_bytes(path: Path) -> int:
    return path.stat(follow_symlinks=False).st_size


def _hash_of(path: Path, prefix: bytes) -> bytes:
    """SHA-256 of a file behind a prefix. Raises StorageFault."""
    digest = hashlib.sha256(prefix)
    try:
        with durable.opened(path) as file:
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
    except OSError as error:
        raise StorageFault(path, error.errno or 5) from error
    return digest.digest()
