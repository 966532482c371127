"""What pinned witnesses were seen to say, kept beside the journal: one file for each statement, read again when needed.

Local state that proves nothing by itself: each statement is checked again whenever it is used, and what was verified
first stands in the chain as `seen`. A file is durable before an entry bears it. The names are those of FORMAT.md 12.1,
so that the offload process sees what the recorder has already. Pure but for the files it names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from edge import durable
from edge.offload.words import STATEMENT_LIMIT_BYTES
from edge.reclaim import Believed, ReclaimBooks
from edge.spool import Spool
from liuhen.errors import FormatError
from liuhen.hashing import sha256
from liuhen.kinds import Witness
from liuhen.store_names import WitnessName
from liuhen.store_statements import parse_witness, verify_witness
from liuhen.stored import Seen

FOLDER = "device/witness"
CONTRADICTION_FILE = "device/witness-contradicts"
"""The statement that saw another history. The event that told it stands until an operator's order says why."""
SETTLED_FOLDER = "device/witness-settled"
"""Statements of which was found out why they saw another history: evidence, and not to be told again."""
STATEMENTS_LIMIT = 2048
"""At one an hour the last three months; the oldest is forgotten first, and its media then wait for an order."""


def name_of(statement: Witness, encoded: bytes) -> str:
    """The last part of its key in a store."""
    name = WitnessName(log_id=statement.log_id, size=statement.size, digest=sha256(encoded))
    return f"{name.path.rpartition('/')[2]}-{name.digest.hex()}"


def names(root: Path) -> list[str]:
    """What is remembered, by ascending size. Raises OSError."""
    return _in(root / FOLDER)


def _in(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return []


def known(root: Path) -> list[str]:
    """What need not be brought again: what is remembered, and what was settled. Raises OSError."""
    return [*names(root), *_in(root / SETTLED_FOLDER)]


def is_settled(root: Path, name: str) -> bool:
    """Whether somebody has found out why this statement saw another history. Raises StorageFault."""
    return durable.exists(root / SETTLED_FOLDER / name)


def settle(spool: Spool) -> None:
    """Put aside the statement that contradicts, durably; one that is gone already is let be. Raises StorageFault."""
    path = spool.root / CONTRADICTION_FILE
    with durable.reading(path):
        encoded = read(path) if path.exists() else b""
    if encoded:
        statement = parse_witness(encoded, where=CONTRADICTION_FILE)[1]
        spool.write(durable.MakeDirectory(path=spool.root / SETTLED_FOLDER))
        aside = spool.root / SETTLED_FOLDER / name_of(statement, encoded)
        spool.write(durable.Replace(path=aside, content=encoded))
    spool.write(durable.Remove(path=path, missing_ok=True))


def is_contradicted(root: Path) -> bool:
    """Whether the file says so; that it is not there proves nothing (`ReclaimBooks.contradicted` does).

    Raises StorageFault.
    """
    return durable.exists(root / CONTRADICTION_FILE)


def keep(spool: Spool, name: str, encoded: bytes) -> None:
    """Remember a statement, durably, and forget the oldest where there are too many. Raises StorageFault."""
    folder = spool.root / FOLDER
    with durable.reading(folder):
        known = names(spool.root)
    spool.write(durable.MakeDirectory(path=folder))
    for oldest in known[: max(0, len(known) + 1 - STATEMENTS_LIMIT)]:
        spool.write(durable.Remove(path=folder / oldest, missing_ok=True))
    spool.write(durable.Replace(path=folder / name, content=encoded))


def seen_of(statement: Witness, encoded: bytes) -> Seen:
    """What an entry says of it (FORMAT.md 5.1)."""
    kid = parse_witness(encoded, where="witness statement")[0].kid
    return (statement.size, statement.root, statement.utc_ms, kid)


def read(path: Path) -> bytes:
    """A statement's bytes, at most so many. Raises OSError."""
    with durable.opened(path) as file:
        return file.read(STATEMENT_LIMIT_BYTES + 1)


def believed(
    root: Path, pinned: Mapping[bytes, bytes], *, log_id: bytes, books: ReclaimBooks
) -> Iterator[Believed | None]:
    """Each remembered statement as far as it backs a reclaim now; None for one that does not. Raises OSError.

    It is checked again by the keys that are pinned today. Its root was compared when it came; that the comparison was
    made is what an entry's `seen` says, in a chain that nobody else can write. Only media that are still here count.
    """
    here = frozenset(digest for session in books.ledger.sessions for _, digest in books.media_of(session))
    for name in names(root):
        encoded = read(root / FOLDER / name)
        try:
            statement = verify_witness(encoded, pinned, log_id=log_id, where=name)
        except FormatError:
            yield None
            continue
        seen, media = seen_of(statement, encoded), here.intersection(statement.media)
        yield Believed(seen=seen, media=media) if media and books.stored.has_seen(seen) else None
