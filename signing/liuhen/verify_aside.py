"""What recovery set aside, announced and lost, as far as the journal names it (FORMAT.md 1.1; step J22).

Owns the rows of `recovered.quarantined` until the journal is read. Reads only files of `quarantine/` whose names say
that they belong to such a row, each once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path

from liuhen import archive
from liuhen.boxes import SEGMENT_LIMIT_BYTES
from liuhen.entry import Entry
from liuhen.errors import FormatError
from liuhen.findings import Code, Findings, Place
from liuhen.kinds import Recovered
from liuhen.reader import CHUNK_BYTES
from liuhen.verify_journal import Chain

MOST_ROWS = 4096
MOST_FILES_PER_SEGMENT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """Bytes cut off a segment: how many, their SHA-256, and the entry that says so."""

    size: int
    hash: bytes
    seq: int


def _nowhere(_session: bytes, _segment: int, _hash: bytes) -> bool:
    """There is no store."""
    return False


class Aside:
    """Takes believed entries in order. `wanted` says which sessions are asked for."""

    def __init__(self, findings: Findings, wanted: Callable[[bytes], bool]) -> None:
        self._findings = findings
        self._wanted = wanted
        self._rows: dict[tuple[bytes, int], list[_Row]] = {}
        self._count = 0

    def accept(self, entry: Entry, chain: Chain) -> None:
        """One believed entry in its place."""
        body = entry.body
        if not isinstance(body, Recovered):
            return
        self._announced(entry, body, chain)
        for session, segment, size, digest in body.quarantined:
            if self._wanted(session) and self._count < MOST_ROWS:
                self._count += 1
                row = _Row(size=size, hash=digest, seq=entry.common.seq)
                self._rows.setdefault((session, segment), []).append(row)

    def _announced(self, entry: Entry, body: Recovered, chain: Chain) -> None:
        """What this verifier could not read or find, the device had told of itself."""
        place = Place(entry=entry.common.seq)
        for file, offset, size in body.rotten:
            if any(file == f and offset < o + s and o < offset + size for f, o, s in chain.refused):
                words = (
                    f"第 {file} 号日志文件 {offset} 起 {size} 字节",
                    f"{size} bytes of journal file {file} at {offset}",
                )
                self._findings.add(Code.LOSS_ANNOUNCED, place, zh=words[0], en=words[1])
        for first, last in chain.missing:
            if (
                body.head is not None
                and body.head[0] < first
                and last < entry.common.seq
                and last >= chain.run_began - 1
            ):
                words = (f"第 {first} 至 {last} 号条目", f"entries {first} … {last}")
                self._findings.add(Code.LOSS_ANNOUNCED, place, zh=words[0], en=words[1])

    def conclude(
        self, root: Path, reclaimed: Set[bytes], elsewhere: Callable[[bytes, int, bytes], bool] = _nowhere
    ) -> None:
        """Step J22, once the whole journal is read.

        `reclaimed` went for founded entries; `elsewhere`: whether the store that is read holds bytes of this hash.
        """
        if not self._rows:
            return
        files = archive.quarantined_files(root, self._rows.keys(), most=MOST_FILES_PER_SEGMENT)
        for (session, segment), rows in self._rows.items():
            place = Place(session=session, segment=segment)
            hashes = [self._hash(root, path, place) for path in files.get((session, segment), ())]
            for row in rows:
                if row.hash in hashes or elsewhere(session, segment, row.hash):
                    continue
                strange = any(found not in {r.hash for r in rows} for found in hashes)
                code = Code.QUARANTINE_ALTERED if strange else Code.QUARANTINE_ABSENT
                if row.hash in reclaimed and not strange:
                    code = Code.QUARANTINE_RECLAIMED
                zh, en = f"{row.size} 字节（第 {row.seq} 号条目）", f"{row.size} bytes (entry {row.seq})"
                self._findings.add(code, place, zh=zh, en=en)

    def _hash(self, root: Path, path: Path, place: Place) -> bytes:
        digest = hashlib.sha256()
        try:
            with archive.opened(path, root=root, limit_bytes=SEGMENT_LIMIT_BYTES) as file:
                while piece := file.read(CHUNK_BYTES):
                    digest.update(piece)
        except PermissionError:
            raise
        except (FormatError, OSError) as error:
            self._findings.add(Code.UNREADABLE, place, en=f"{path.name}: {error}")
        return digest.digest()
