"""A copy of a log, or of sessions of it, out of a store, for a custodian: said in the store before the first byte.

Reads the store by version and hash (`liuhen.store_archive`), writes one thing into it: the signed statement of who
copies what for, by whose approval (FORMAT.md 12.5; Jiaozuo Art. 18, 20). No content is written anywhere before that
statement was read back. A file has its name only when it was proven and is durable; so after any end, a kill or a power
cut too, what lies in the target is hashed again and, where it is right, not asked of the store again. A few objects are
read at once (`liuhen.store_ahead`), of each a buffer is held, and what came of them is told in the plan's order.
"""

from __future__ import annotations

import enum
import hashlib
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge import durable
from edge.store import FaultClass, Store, StoreFault
from liuhen import archive, cose, records, sealed_records
from liuhen.boxes import SEGMENT_LIMIT_BYTES
from liuhen.entry import Entry
from liuhen.errors import FormatError
from liuhen.findings import Code
from liuhen.hashing import record_hash
from liuhen.keeping import Keeping
from liuhen.kinds import Access, Recovered, Segment
from liuhen.store_ahead import in_order
from liuhen.store_archive import StoreArchive
from liuhen.store_names import AccessName, MediaName, Name, QuarantineName, RecordName, key_of, parse_key, prefix_of
from liuhen.store_objects import Taken, hashes_to, take
from liuhen.store_reader import Reader
from liuhen.store_statements import objects_copied, sign_access
from liuhen.verify_journal import items

SESSIONS_IN_A_STATEMENT = 1024
CHUNK_BYTES = 1 << 20
NAME_DIGITS = 16
MARK = "fetched-from-log"
"""File in `device/` that says which log a target is a copy of: local state, proves nothing."""

Content = MediaName | RecordName | QuarantineName


class FetchRefused(Exception):
    """The copy cannot begin; nothing of the content was written."""

    def __init__(self, what: str, remedy_zh: str, remedy_en: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy_zh = remedy_zh
        self.remedy_en = remedy_en


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """Who copies what for, by whose approval: asked of a person, and said in the store alone."""

    actor: str
    purpose: str
    approval: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Custodian:
    """Whose copy it is: the key that signs, and the key that opens records, if there is one."""

    signer: cose.Signer
    opens: X25519PrivateKey | None = None


@dataclass(slots=True, kw_only=True)
class Plan:
    """What the journal names of the chosen sessions and the store holds; the session of a record is its first owner."""

    content: list[tuple[bytes | None, Content]] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    """What the journal names and the store does not hold, as paths of the copy."""


class Came(enum.Enum):
    """What came of one object."""

    COPIED = enum.auto()
    WAS_THERE = enum.auto()
    DIFFERS = enum.auto()
    CLOSED = enum.auto()


_Copied = tuple[Content, Came]


@dataclass(slots=True, kw_only=True)
class Fetched:
    """What came of it. `differing` and `closed` are paths that are not in the copy."""

    segments: int = 0
    records: int = 0
    quarantined: int = 0
    already: int = 0
    differing: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    """Records that are encrypted for somebody else, or that the key does not open."""

    def count(self, name: Content, came: Came) -> None:
        """One more object."""
        match came, name:
            case Came.WAS_THERE, _:
                self.already += 1
            case Came.DIFFERS, _:
                self.differing.append(_path_of(name))
            case Came.CLOSED, _:
                self.closed.append(_path_of(name))
            case Came.COPIED, MediaName():
                self.segments += 1
            case Came.COPIED, RecordName():
                self.records += 1
            case Came.COPIED, QuarantineName():
                self.quarantined += 1


def prepare(target: Path, log_id: bytes) -> None:
    """A new or empty directory, or one that an earlier fetch of this log began. Raises FetchRefused, StorageFault."""
    mark = target / "device" / MARK
    if mark.is_file() and mark.read_text(encoding="ascii", errors="replace").strip() == log_id.hex():
        return
    if not _is_bare(target):
        raise FetchRefused(
            f"{target} 不是空目录 / is not empty",
            "请给出新目录，或此前复制同一日志的目录",
            "name a new directory, or one in which a copy of this very log was begun",
        )
    for folder in (*reversed(target.absolute().parents), target, target / "device"):
        if not folder.is_dir():
            durable.make_directory(folder)
    durable.replace_file(mark, log_id.hex().encode("ascii"), mode=0o640)


def _is_bare(target: Path) -> bool:
    """Nothing is there but what a copy that was cut off before its mark has left."""
    device = target / "device"
    if not target.exists():
        return True
    if not {path.name for path in target.iterdir()} <= {device.name} or device.is_symlink():
        return False
    return not device.exists() or {path.name for path in device.iterdir()} <= {f".{MARK}.new"}


def plan(store: StoreArchive, sessions: frozenset[bytes]) -> Plan:
    """What is to be copied: of these sessions, or of all where none is named. The journal is there by now."""
    held = _held(store)
    found = Plan()
    for session, name in _named(store, held):
        if sessions and session not in sessions:
            continue
        if name in held:
            found.content.append((session, name))
        else:
            found.absent.append(_path_of(name))
    return found


def statements(found: Plan, *, log_id: bytes, said: Purpose, utc_ms: int) -> list[Access]:
    """What the custodian signs: more than one statement only where there are more sessions than one may name."""
    by_session: dict[bytes | None, list[bytes]] = {}
    for session, name in found.content:
        by_session.setdefault(session, []).append(name.digest)
    sessions = sorted(session for session in by_session if session is not None)
    made = []
    for first in range(0, max(1, len(sessions)), SESSIONS_IN_A_STATEMENT):
        part = sessions[first : first + SESSIONS_IN_A_STATEMENT]
        digests = [digest for session in part for digest in by_session[session]]
        digests += by_session.get(None, []) if first == 0 else []
        made.append(
            Access(
                version=1,
                log_id=log_id,
                utc_ms=utc_ms,
                actor=said.actor,
                purpose=said.purpose,
                approval=said.approval,
                sessions=tuple(part),
                objects=objects_copied(digests),
            )
        )
    return made


def leave(into: Store, source: StoreArchive, signer: cose.Signer, statement: Access) -> AccessName:
    """Put a statement into the store and read it back. Raises StoreFault, StoreTrouble, FetchRefused, FormatError."""
    encoded = sign_access(signer, statement)
    digest = hashlib.sha256(encoded).digest()
    at = datetime.fromtimestamp(statement.utc_ms / 1000, UTC)
    name = AccessName(log_id=source.log_id, at=at, digest=digest)
    md5 = hashlib.md5(encoded, usedforsecurity=False).digest()
    try:
        into.put(key_of(name), BytesIO(encoded), size=len(encoded), md5=md5, sha256=digest)
    except StoreFault as fault:
        if fault.fault is not FaultClass.AMBIGUOUS:  # it may have arrived: the reading back tells
            raise
    if not hashes_to(source.reader, name, limit_bytes=cose.ENTRY_LIMIT_BYTES, tell=_ignore):
        raise FetchRefused(
            "查阅声明未能从存储读回 / the access statement could not be read back",
            "没有复制任何内容；请稍后重试或联系存储管理员",
            "nothing was copied; try again, or tell whoever keeps the store",
        )
    return name


def copy(store: StoreArchive, found: Plan, custodian: Custodian) -> Fetched:
    """Everything of a plan into the target, each object hashed on its way. Raises StoreTrouble, StorageFault."""
    for folder in ("sessions", "records", "quarantine"):
        durable.make_directory(store.root / folder)
    _clear(store.root / "device/fetch")  # halves of objects, where an earlier copy was killed
    by_path: dict[str, list[Content]] = {}
    for name in dict.fromkeys(name for _, name in found.content):
        by_path.setdefault(_path_of(name), []).append(name)
    copying = partial(_copied, root=store.root, opens=custodian.opens)
    fetched = Fetched()
    for each in in_order(store.reader, by_path.values(), copying):
        for name, came in each:
            fetched.count(name, came)
    for _, path in archive.journal_files(store.root):
        durable.flush_file(path)
    durable.sync_directory(store.root / "journal")
    for folder in ("slices", "fetch", "journal"):
        _clear(store.root / "device" / folder)
    return fetched


# -- what there is -----------------------------------------------------------------------------------------------------


def _held(store: StoreArchive) -> set[Name]:
    """The content that the store holds of this log, by name."""
    found: set[Name] = set()
    for folder in ("media", "records", "quarantine"):
        for version in store.reader.versions(prefix_of(store.log_id, folder)):
            if version.is_delete_marker:
                continue
            try:
                found.add(parse_key(version.key))
            except FormatError:
                continue  # told by the verifier (B1)
    return found


def _named(store: StoreArchive, held: set[Name]) -> list[tuple[bytes | None, Content]]:
    """What the journal names, each once, in its order: segments, bytes in quarantine, records with every owner."""
    keeping = Keeping()
    found: dict[tuple[bytes | None, Content], None] = {}
    for item in items(archive.journal_files(store.root), store.root, _pass):
        if item.entry is not None:
            keeping.accept(item.entry)
            found |= dict.fromkeys(_stated(item.entry, store.log_id))
    known = sorted((name for name in held if isinstance(name, RecordName)), key=lambda name: name.digest)
    found |= dict.fromkeys((owner, name) for name in known for owner in keeping.owners.get(name.commitment, ()))
    return list(found)


def _stated(entry: Entry, log_id: bytes) -> Iterator[tuple[bytes | None, Content]]:
    session, body = entry.common.session_id, entry.body
    if isinstance(body, Segment) and session is not None:
        yield session, MediaName(log_id=log_id, session=session, number=body.number, digest=body.file_hash)
    elif isinstance(body, Recovered):
        for of, number, _, digest in body.quarantined:
            yield of, QuarantineName(log_id=log_id, session=of, number=number, digest=digest)


def _path_of(name: Content) -> str:
    match name:
        case MediaName():
            return f"sessions/{name.session.hex()}/{name.number:06d}.mp4"
        case QuarantineName():
            digits = name.digest.hex()[:NAME_DIGITS]
            return f"quarantine/{name.session.hex()}-{name.number:06d}-{digits}.bin"
        case RecordName():
            return f"records/{name.commitment.hex()}.record"


# -- copying: any thread ----------------------------------------------------------------------------------------------


def _copied(reader: Reader, names: list[Content], *, root: Path, opens: X25519PrivateKey | None) -> list[_Copied]:
    """The objects of one path, one after another: of two that claim it the last one stays."""
    return [(name, _copy(reader, name, root, opens)) for name in names]


def _copy(reader: Reader, name: Content, root: Path, opens: X25519PrivateKey | None) -> Came:
    path = root / _path_of(name)
    if _is_right(path, name):
        return Came.WAS_THERE
    into = root / "device" / "fetch" / secrets.token_hex(16)
    limit_bytes = sealed_records.SEALED_LIMIT_BYTES if isinstance(name, RecordName) else SEGMENT_LIMIT_BYTES
    try:
        if take(reader, name, into, limit_bytes=limit_bytes, tell=_ignore) is not Taken.FOUND:
            return Came.DIFFERS
        if isinstance(name, RecordName) and not _made_plain(into, name, opens):
            return Came.CLOSED
        durable.make_directory(path.parent)
        durable.move_into_place(into, path)
        return Came.COPIED
    finally:
        into.unlink(missing_ok=True)


def _made_plain(path: Path, name: RecordName, opens: X25519PrivateKey | None) -> bool:
    """Whether the file now holds the record itself."""
    content = path.read_bytes()
    if _plain(content, name.commitment):
        return True
    if opens is None:
        return False
    try:
        plain = sealed_records.opened(content, opens, commitment=name.commitment, where="record")
    except FormatError:
        return False  # counted as one that this key does not open
    if plain is not None:
        path.write_bytes(plain)
    return plain is not None


def _plain(content: bytes, commitment: bytes) -> bool:
    return record_hash(content[: records.SALT_BYTES], content[records.SALT_BYTES :]) == commitment


def _is_right(path: Path, name: Content) -> bool:
    """Whether an earlier copy is whole: its bytes are hashed again."""
    if isinstance(name, RecordName):
        return path.is_file() and not path.is_symlink() and _plain(path.read_bytes(), name.commitment)
    return _is_there(path, name.digest)


def _is_there(path: Path, digest: bytes) -> bool:
    if not path.is_file() or path.is_symlink():
        return False
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            found.update(piece)
    return found.digest() == digest


def ended_well(fetched: Fetched, absent: Iterable[str]) -> bool:
    """Whether the copy holds everything that was asked for; what is encrypted for others is no fault of it."""
    return not fetched.differing and not list(absent)


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def _ignore(_code: Code, _words: str) -> None:
    """What a verification of the store tells is not told here."""


def _pass(_size: int) -> None:
    """Nobody watches."""
