"""What the chain says of a store, and whether the local copy of content might go for it (FORMAT.md 5.8; step J26).

Owns what founded `reclaimed` entries name, for steps S1 and J18: only that makes an absence one that is "in the store".
A receipt is the device's claim: nothing here says that a store holds anything. Pure: reads no file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from liuhen.entry import Entry
from liuhen.findings import Code, Findings, Place
from liuhen.keeping import Keeping
from liuhen.kinds import Receipt, Reclaimed
from liuhen.registry import ContentKind, ObjectKind
from liuhen.store_names import NAME_BYTES
from liuhen.stored import Bar, Stored


@dataclass(slots=True, kw_only=True)
class StoreSummary:
    """What the receipts of one store say together; `until_ms` is the earliest end of retention any of them reports."""

    store: bytes
    designated: bool
    modes: set[int] = field(default_factory=set)
    segments: set[bytes] = field(default_factory=set)
    records: set[bytes] = field(default_factory=set)
    until_ms: int | None = None
    unlimited: bool = False
    """Of some object the store reported no retention."""
    last_entry: int = 0
    last_store_utc_ms: int | None = None


class StoreCheck:
    """Takes believed entries in order, each after `keeping` has. `wanted` says which sessions are asked for."""

    def __init__(
        self, findings: Findings, wanted: Callable[[bytes], bool], keeping: Keeping, read: bytes | None = None
    ) -> None:
        """`read` is the store that is read now (the hash of its name), None for a folder on a disk."""
        self._read = read
        self.promised: dict[bytes, int] = {}
        """Of the store that is read: until when it keeps a content by its last receipt, by the content's beginning."""
        self._findings = findings
        self._wanted = wanted
        self._stored = Stored(keeping)
        self.stores: dict[bytes, StoreSummary] = {}
        self.segments: dict[bytes, set[bytes]] = {}
        """Of each session the file hashes of segments whose local copy might go."""
        self.records: dict[bytes, int] = {}
        """Of each record whose local copy might go: the seq of the entry that says so."""

        self.quarantined: set[bytes] = set()
        """SHA-256 of bytes in quarantine whose local copy might go."""

    def accept(self, entry: Entry) -> None:
        """One believed entry in its place."""
        wrong = self._stored.accept(entry)
        if isinstance(entry.body, Receipt):
            self._count(entry.body, entry.common.seq)
        session = entry.common.session_id
        if not isinstance(entry.body, Reclaimed) or (session is not None and not self._wanted(session)):
            return
        place = Place(entry=entry.common.seq, session=session)
        if wrong is not None:
            self._findings.add(Code.RECLAIM_ORDER, place, en=wrong)
        barred = self._stored.forbids(entry.body.contents, self._stored.reasons(entry, entry.body))
        for content in entry.body.contents:
            if content not in barred:
                self._excuse(content[0], content[1], place)
        self._tell(Counter(barred.values()), place)

    def was_stored(self, file_hash: bytes) -> bool:
        """Whether any receipt names this segment."""
        return any(file_hash[:NAME_BYTES] in store.segments for store in self.stores.values())

    def _count(self, body: Receipt, seq: int) -> None:
        found = self.stores.setdefault(body.store, StoreSummary(store=body.store, designated=bool(body.designated)))
        found.designated = bool(body.designated)
        found.modes.add(body.mode)
        found.last_entry = seq
        for what, content, _, _, _, until_ms, store_utc_ms in body.objects:
            if body.store == self._read and until_ms is not None:
                self.promised[content[:NAME_BYTES]] = until_ms
            found.last_store_utc_ms = store_utc_ms
            if what == ObjectKind.SEGMENT:
                found.segments.add(content[:NAME_BYTES])
            elif what == ObjectKind.RECORD:
                found.records.add(content[:NAME_BYTES])
            if until_ms is None:
                found.unlimited = True
            else:
                found.until_ms = until_ms if found.until_ms is None else min(found.until_ms, until_ms)

    def _excuse(self, what: int, digest: bytes, place: Place) -> None:
        if what == ContentKind.RECORD:
            self.records.setdefault(digest, place.entry or 0)
        elif what == ContentKind.SEGMENT and place.session is not None:
            self.segments.setdefault(place.session, set()).add(digest)
        elif what == ContentKind.QUARANTINED:
            self.quarantined.add(digest)

    def _tell(self, barred: Counter[Bar], place: Place) -> None:
        for bar, count in barred.items():
            self._findings.add(
                Code.RECLAIM_UNFOUNDED,
                place,
                zh=f"{bar.words_zh}，涉及 {count} 项内容",
                en=f"{bar.words_en} ({count} pieces of content)",
            )
