"""A log in a store as an archive that is filled while it is verified (FORMAT.md 12; steps B1 to B4).

Owns a work directory in the layout of 1.1: the journal is put together there first; a segment lies there from just
before its check until just after it, or for good where the directory was named by whoever verifies, who can then go on
after an interruption. Nothing is taken for an object but bytes that hash to its name. Slices are read by a few threads
(`store_ahead`) and told in their order; everything else is the caller's thread.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from liuhen import cose, records, store_names
from liuhen.archive import record_path
from liuhen.boxes import SEGMENT_LIMIT_BYTES
from liuhen.errors import FormatError
from liuhen.findings import Code, Findings
from liuhen.hashing import ZERO_HASH, record_hash, sha256
from liuhen.kinds import Segment
from liuhen.store_ahead import in_order
from liuhen.store_journal import SLICE_LIMIT_BYTES, JournalWriter
from liuhen.store_names import (
    NAME_BYTES,
    MediaName,
    Name,
    QuarantineName,
    RecordName,
    SliceName,
    WitnessName,
    parse_key,
    prefix_of,
)
from liuhen.store_objects import Found, Taken, Tell, hashes_to, take
from liuhen.store_reader import Kept, ObjectVersion, Reader, StoreAccess, StoreTrouble, open_store
from liuhen.store_statements import WitnessClaim, verify_witness

FOLDERS = ("journal", "sessions", "records", "device/fetch", "device/slices", "device/journal")
LOG_BYTES = 16
OpenRecord = Callable[[RecordName, Path], bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """Where the file of a statement is to be found: passes between processes, each of which reads the store itself."""

    access: StoreAccess
    name: MediaName
    root: Path
    keep: bool

    @contextmanager
    def presented(
        self, path: Path, tell: Tell, readers: dict[object, object], kept: Callable[[Kept], None]
    ) -> Iterator[Path]:
        """The file, for as long as it is read. Raises FileNotFoundError, StoreTrouble, OSError."""
        reader = _shared(self.access, readers)
        found = _asking(reader, kept)
        if self.keep and path.is_file():
            versions = reader.versions_of(store_names.key_of(self.name))
            if len(versions) <= 1:
                for version in versions:
                    found(version)
                yield path
                return
        into = _fresh(self.root)
        try:
            taken = take(reader, self.name, into, limit_bytes=SEGMENT_LIMIT_BYTES, tell=tell, found=found)
            if taken is Taken.ABSENT:
                raise FileNotFoundError(path)
            if self.keep and taken is Taken.FOUND:
                path.parent.mkdir(exist_ok=True)
                into.replace(path)
                yield path
            else:
                yield into
        finally:
            into.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slice:
    """What came of reading a slice: None where no version is the object, which is among what is told (B2)."""

    name: SliceName
    octets: bytes | None
    told: tuple[tuple[Code, str], ...] = ()
    kept: tuple[Kept, ...] = ()


def _asking(reader: Reader, kept: Callable[[Kept], None]) -> Found:
    """Asks of each version that is found how long it is kept, and says so."""

    def found(version: ObjectVersion) -> None:
        said = reader.kept(version)
        if said is not None:
            kept(said)

    return found


def _place(session: bytes, number: int, digest: bytes) -> bytes:
    """One media object as a key of a set that may hold a hundred thousand."""
    return session + number.to_bytes(8, "big") + digest


def kept_key(session: bytes, content: bytes) -> bytes:
    """One object as a key of a table that may hold a hundred thousand. `session` is empty where none is meant."""
    return session + content[:NAME_BYTES]


@dataclass(slots=True, kw_only=True)
class StoreArchive:
    """One log. `assemble` comes first; the rest is asked while the verification goes on."""

    access: StoreAccess
    reader: Reader
    log_id: bytes
    root: Path
    keep: bool
    pins: Mapping[bytes, bytes] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    witnesses: list[WitnessClaim] = field(default_factory=list)
    total_bytes: int = 0
    kept: dict[bytes, Kept] = field(default_factory=dict)
    """Of what was read here, by session and the beginning of what a receipt calls it: how long it is kept (B5)."""
    _unclaimed: set[bytes] = field(default_factory=set)
    """Media that no entry has stated yet: session, number and hash, for the same bytes may lie in another's place."""

    # --- the journal ---

    def assemble(self) -> None:
        """Steps B1 to B4 as far as they need no journal, and the journal itself. Raises StoreTrouble, OSError."""
        for folder in FOLDERS:
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        slices, statements = self._survey()
        if not slices:
            raise StoreTrouble(
                f"存储中没有日志 {self.log_id.hex()} 的日志分片", f"the store holds no slice of log {self.log_id.hex()}"
            )
        hashes, made = self.root / "device" / "entry-hashes", self.root / "device" / "journal"
        with JournalWriter(made, hashes, self.tell) as writer:
            parts = sorted(slices, key=lambda name: (name.first, name.last, name.digest))
            for found in in_order(self.reader, parts, self._slice):
                for code, words in found.told:
                    self.tell(code, words)
                for said in found.kept:
                    self.note_kept(b"", found.name.digest, said)
                if found.octets is not None:
                    writer.add(found.name, found.octets)
        hashes.unlink()
        self._put_in_place(made)
        for statement in statements:
            self._hear(statement)

    def tell(self, code: Code, words: str) -> None:
        """One finding about the store."""
        self.findings.add(code, en=words)

    def note_kept(self, session: bytes, content: bytes, said: Kept) -> None:
        """How long the store keeps an object, by what it says itself; of two equal ones the longer counts."""
        key = kept_key(session, content)
        before = self.kept.get(key)
        if before is None or (said.told and (said.until_ms or 0) > (before.until_ms or 0)):
            self.kept[key] = said

    def _put_in_place(self, made: Path) -> None:
        """Only a journal that was put together to its end replaces the one of an earlier time."""
        names = sorted(path.name for path in made.iterdir())
        for name in names:
            (made / name).replace(self.root / "journal" / name)
        for path in (self.root / "journal").glob("*.cbor"):
            if path.name not in names:
                path.unlink()

    def _survey(self) -> tuple[list[SliceName], list[WitnessName]]:
        """Step B1."""
        found: dict[type[Name], list[Name]] = {SliceName: [], WitnessName: []}
        before = ""
        for version in self.reader.versions(prefix_of(self.log_id)):
            if version.is_delete_marker:
                self.tell(Code.STORE_DELETE_MARKER, version.key)
            if version.key == before:
                continue
            before = version.key
            name = self._parsed(version)
            if name is not None and type(name) in found:
                found[type(name)].append(name)
        return (
            [name for name in found[SliceName] if isinstance(name, SliceName)],
            [name for name in found[WitnessName] if isinstance(name, WitnessName)],
        )

    def _parsed(self, version: ObjectVersion) -> Name | None:
        try:
            name = parse_key(version.key)
        except FormatError:
            self.tell(Code.STORE_FOREIGN, version.key)
            return None
        if isinstance(name, MediaName):
            self._unclaimed.add(_place(name.session, name.number, name.digest))
            self.total_bytes += version.size
        return name

    def _slice(self, reader: Reader, name: SliceName) -> _Slice:
        """A slice, read before or now, by any thread."""
        path = self.root / "device" / "slices" / name.digest.hex()
        if self.keep and path.is_file() and sha256(octets := path.read_bytes()) == name.digest:
            return _Slice(name=name, octets=octets)
        into, told, kept = _fresh(self.root), list[tuple[Code, str]](), list[Kept]()
        tell, found = (lambda *one: told.append(one)), _asking(reader, kept.append)
        try:
            taken = take(reader, name, into, limit_bytes=SLICE_LIMIT_BYTES, tell=tell, found=found)
            octets = into.read_bytes() if taken is Taken.FOUND else b""
            if self.keep and taken is Taken.FOUND:
                into.replace(path)
            whole = octets if taken is Taken.FOUND else None
            return _Slice(name=name, octets=whole, told=tuple(told), kept=tuple(kept))
        finally:
            into.unlink(missing_ok=True)

    def _hear(self, name: WitnessName) -> None:
        """Step B4, as far as it needs no journal: whose statement it is."""
        if not self.pins:
            return
        into = _fresh(self.root)
        try:
            if take(self.reader, name, into, limit_bytes=cose.ENTRY_LIMIT_BYTES, tell=self.tell) is not Taken.FOUND:
                return
            encoded = into.read_bytes()
            found = verify_witness(encoded, self.pins, log_id=self.log_id, where="witness")
            kid = cose.parse(encoded, where="witness").kid
        except FormatError as error:
            self.tell(Code.WITNESS_REFUSED, error.what)
            return
        finally:
            into.unlink(missing_ok=True)
        self.witnesses.append(
            WitnessClaim(kid=kid, size=found.size, root=found.root, utc_ms=found.utc_ms, media=len(found.media))
        )

    # --- while the journal is read ---

    def stated(self, session: bytes, statement: Segment) -> StoredFile:
        """Where the file of a statement is."""
        name = MediaName(log_id=self.log_id, session=session, number=statement.number, digest=statement.file_hash)
        return StoredFile(access=self.access, name=name, root=self.root, keep=self.keep)

    def claim(self, session: bytes, statement: Segment) -> None:
        """A believed entry states this file of a session."""
        self._unclaimed.discard(_place(session, statement.number, statement.file_hash))

    def conclude(self) -> None:
        """Step B1 for media: what no entry of this journal states."""
        if self._unclaimed:
            count = len(self._unclaimed)
            zh, en = f"{count} 个没有条目声明的媒体文件", f"{count} media objects that no entry states"
            self.findings.add(Code.STORE_FOREIGN, zh=zh, en=en)

    def holds_quarantined(self, session: bytes, number: int, digest: bytes) -> bool:
        """Whether bytes that were set aside are in the store."""
        name = QuarantineName(log_id=self.log_id, session=session, number=number, digest=digest)
        return hashes_to(self.reader, name, limit_bytes=SEGMENT_LIMIT_BYTES, tell=self.tell)

    @contextmanager
    def record(self, commitment: bytes, opened: OpenRecord | None = None) -> Iterator[None]:
        """A record at its place in the work directory while it is checked, if the store has it and it can be read."""
        path = record_path(self.root, commitment)
        if not (self.keep and path.is_file()):
            self._bring(commitment, path, opened)
        try:
            yield
        finally:
            if not self.keep:
                path.unlink(missing_ok=True)

    def _bring(self, commitment: bytes, path: Path, opened: OpenRecord | None) -> None:
        marker = RecordName(log_id=self.log_id, commitment=commitment, digest=ZERO_HASH)
        before = ""
        for version in self.reader.versions(f"{prefix_of(self.log_id)}{marker.path}-"):
            is_new, before = version.key != before, version.key
            if not is_new:
                continue
            try:
                name = parse_key(version.key)
            except FormatError:
                continue  # told when everything was listed (B1)
            if isinstance(name, RecordName) and self._record_from(name, path, opened):
                return

    def _record_from(self, name: RecordName, path: Path, opened: OpenRecord | None) -> bool:
        into = _fresh(self.root)
        try:
            limit = records.RECORD_LIMIT_BYTES + (1 << 16)
            found = _asking(self.reader, partial(self.note_kept, b"", name.commitment))
            if take(self.reader, name, into, limit_bytes=limit, tell=self.tell, found=found) is not Taken.FOUND:
                return False
            octets = into.read_bytes()
            salt, content = octets[: records.SALT_BYTES], octets[records.SALT_BYTES :]
            if record_hash(salt, content) == name.commitment:
                into.replace(path)
                return True
            plain = None if opened is None else opened(name, into)
            if plain is None:
                return False
            into.write_bytes(plain)
            into.replace(path)
            return True
        finally:
            into.unlink(missing_ok=True)


def logs_in(access: StoreAccess) -> list[bytes]:
    """The logs that stand in a store, in order. Raises StoreTrouble."""
    reader = open_store(access)
    try:
        names = sorted(set(reader.folders(f"{store_names.VERSION}/")))
    finally:
        reader.close()
    return [bytes.fromhex(name) for name in names if _is_log(name)]


def _is_log(name: str) -> bool:
    try:
        return len(bytes.fromhex(name)) == LOG_BYTES and name == name.lower()
    except ValueError:
        return False


def _fresh(root: Path) -> Path:
    """A name that nothing has, for bytes on their way."""
    return root / "device" / "fetch" / secrets.token_hex(16)


def _shared(access: StoreAccess, readers: dict[object, object]) -> Reader:
    """The reader of this process."""
    if access not in readers:
        readers[access] = open_store(access)
    found: Reader = readers[access]  # type: ignore[assignment]
    return found
