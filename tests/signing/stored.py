"""An archive put into a directory that serves as a store (FORMAT.md 12.1), and what may happen there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liuhen import entry, store_names
from liuhen.archive import Scope, Target
from liuhen.cose import Signer, key_id
from liuhen.hashing import sha256
from liuhen.keys import Trust
from liuhen.kinds import Segment, Witness
from liuhen.merkle import leaf_hash, root_of
from liuhen.report import Report
from liuhen.store_archive import StoreArchive
from liuhen.store_directory import DirectoryReader
from liuhen.store_names import MediaName, Name, QuarantineName, RecordName, SliceName, StoreUrl, WitnessName, key_of
from liuhen.store_reader import StoreAccess
from liuhen.store_statements import sign_witness
from liuhen.verify import Request, verify
from tests.signing.archives import entries, signer
from tests.signing.checking import NOW_MS, TRUST

WITNESS = signer("witness")
ENTRIES_PER_SLICE = 4


@dataclass(slots=True, kw_only=True)
class Shelf:
    """A store in a directory, with one log of an archive in it."""

    root: Path
    log_id: bytes
    entries: list[bytes]

    @property
    def url(self) -> StoreUrl:
        return StoreUrl(scheme="file", place=str(self.root))

    def put(self, name: Name, octets: bytes) -> Path:
        """Whatever bytes under a name."""
        path = self.root / key_of(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)
        return path

    def slice(self, first: int, last: int, octets: bytes | None = None) -> Path:
        """Entries first to last, or other bytes under such a name."""
        content = b"".join(self.entries[first : last + 1]) if octets is None else octets
        return self.put(SliceName(log_id=self.log_id, first=first, last=last, digest=sha256(content)), content)

    def slices(self) -> list[Path]:
        return sorted((self.root / "v1" / self.log_id.hex() / "journal").iterdir())

    def media(self) -> list[Path]:
        return sorted((self.root / "v1" / self.log_id.hex() / "media").glob("*/*"))

    def record(self, commitment: bytes, octets: bytes) -> Path:
        return self.put(RecordName(log_id=self.log_id, commitment=commitment, digest=sha256(octets)), octets)

    def quarantine(self, session: bytes, number: int, octets: bytes) -> Path:
        return self.put(
            QuarantineName(log_id=self.log_id, session=session, number=number, digest=sha256(octets)), octets
        )

    def witness(self, size: int, *, root: bytes | None = None, by: Signer = WITNESS, **changes: Any) -> Path:
        """A witness's statement over the first entries."""
        leaves = [leaf_hash(encoded) for encoded in self.entries[:size]]
        fields: dict[str, Any] = {
            "version": 1,
            "log_id": self.log_id,
            "store": store_names.store_hash(self.url),
            "size": size,
            "root": root_of(leaves) if root is None else root,
            "utc_ms": NOW_MS,
            "media": (),
        }
        octets = sign_witness(by, Witness(**(fields | changes)))
        return self.put(WitnessName(log_id=self.log_id, size=size, digest=sha256(octets)), octets)

    def archive(
        self,
        work: Path,
        *,
        keep: bool = False,
        pins: Sequence[Signer] = (),
        reader: type[DirectoryReader] = DirectoryReader,
    ) -> StoreArchive:
        """The log as the verifier sees it, its journal put together."""
        access = StoreAccess(url=self.url)
        found = StoreArchive(
            access=access,
            reader=reader(access),
            log_id=self.log_id,
            root=work,
            keep=keep,
            pins={key_id(one.public_key): one.public_key for one in pins},
        )
        found.assemble()
        return found

    def check(
        self,
        work: Path,
        trust: Trust | None = TRUST,
        *,
        keep: bool = False,
        pins: Sequence[Signer] = (),
        **options: Any,
    ) -> Report:
        """Verify out of the store."""
        found = self.archive(work, keep=keep, pins=pins)
        target = Target(scope=Scope.ARCHIVE, path=work, root=work)
        return verify(Request(target=target, trust=trust, now_ms=NOW_MS, store=found, **options))


def shelve(archive: Path, store: Path, *, per_slice: int = ENTRIES_PER_SLICE) -> Shelf:
    """Everything of an archive as objects of a store."""
    files = len(list((archive / "journal").iterdir()))
    encoded = [one for number in range(files) for one in entries(archive, number)]
    parsed = [entry.parse(one, where="test") for one in encoded]
    shelf = Shelf(root=store, log_id=parsed[0].common.log_id, entries=encoded)
    for first in range(0, len(encoded), per_slice):
        shelf.slice(first, min(first + per_slice, len(encoded)) - 1)
    for one in parsed:
        session = one.common.session_id
        if isinstance(one.body, Segment) and session is not None:
            path = archive / "sessions" / session.hex() / f"{one.body.number:06d}.mp4"
            if path.exists():
                digest = one.body.file_hash
                name = MediaName(log_id=shelf.log_id, session=session, number=one.body.number, digest=digest)
                shelf.put(name, path.read_bytes())
    for path in (archive / "records").glob("*.record"):
        shelf.record(bytes.fromhex(path.stem), path.read_bytes())
    return shelf
