"""The segment files of an archive: found, opened, verified, and tied to the journal (steps S1, S3, S8, S9).

Read only. Owns the list of stated files that are absent and of journal heads that seals have named; both are judged
when the whole journal has been read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from liuhen import archive, cose
from liuhen.boxes import SEGMENT_LIMIT_BYTES
from liuhen.entry import Entry
from liuhen.errors import FormatError
from liuhen.findings import Code, Findings, Place, Verdict
from liuhen.kinds import Head, Identity, Segment
from liuhen.ranges import Ranges
from liuhen.reader import CHUNK_BYTES
from liuhen.verify_ahead import Ahead
from liuhen.verify_journal import Chain, Item, hashes_of, holds
from liuhen.verify_keys import KeyRing
from liuhen.verify_segment import NOTHING, Job, Outcome, SegmentCheck, check_statement

if TYPE_CHECKING:
    from liuhen.store_archive import StoreArchive  # loaded where a store is verified, and nowhere else

WasStored = Callable[[bytes], bool]


@dataclass(slots=True, kw_only=True)
class Heads:
    """Steps S9 and J15: no entry that a seal or another entry names by number and hash may be gone or different."""

    findings: Findings
    later: list[tuple[Head, Place, Code]] = field(default_factory=list)

    def note(self, head: Head, place: Place, chain: Chain, code: Code = Code.SEAL_HEAD_WRONG) -> None:
        """Something signed names this entry. Most are recent and judged at once, the others at the end."""
        if chain.recent.get(head[0]) != head[1]:
            self.later.append((head, place, code))

    def conclude(self, end_seq: int, journal: Callable[[], Iterator[Item]]) -> None:
        """Judge what is left; reads the journal a second time only if it must."""
        within = {head[0] for head, _, _ in self.later if head[0] < end_seq}
        present = hashes_of(journal(), within) if within else {}
        for (seq, entry_hash), place, code in self.later:
            if seq >= end_seq and code is Code.SEAL_HEAD_WRONG:
                self.findings.add(Code.TRUNCATED_BELOW_SEAL_HEAD, place, en=seq)
            elif seq not in present:
                self.findings.add(code, place, zh=f"缺少第 {seq} 号条目", en=f"entry {seq} is not there")
            elif entry_hash not in present[seq]:
                self.findings.add(code, place, zh=f"第 {seq} 号条目不同", en=f"entry {seq} differs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A stated segment whose file is not there."""

    place: Place
    file_hash: bytes
    fragments: int


@dataclass(slots=True, kw_only=True)
class Media:
    """Opens segment files and verifies each once. `only` restricts it to one session.

    Whatever a journal says, and however often, no file is read a second time: `read` holds the numbers that were
    (a session of which a `destroyed` entry names files that are still there is read once more, to tell which).
    """

    root: Path
    findings: Findings
    ring: KeyRing
    heads: Heads
    whole_file_hash: bool
    only: bytes | None
    pool: Ahead
    store: StoreArchive | None = None
    absent: list[Absent] = field(default_factory=list)
    read: dict[bytes, Ranges] = field(default_factory=dict)

    def wanted(self, session: bytes) -> bool:
        """Whether the files of this session are to be read."""
        return self.only is None or session == self.only

    def _was_read(self, session: bytes, number: int) -> bool:
        return session in self.read and number in self.read[session]

    def _path(self, session: bytes, number: int) -> Path:
        return archive.segment_path(archive.session_path(self.root, session), number)

    # --- stated by the journal ---

    def begin(self, item: Item) -> None:
        """An entry comes soon. If it states a file and its signature holds, the file may be begun ahead."""
        entry = item.entry
        if self.pool.full or entry is None or not isinstance(entry.body, Segment):
            return
        session, number = entry.common.session_id, entry.body.number
        if session is None or not self.wanted(session) or self._was_read(session, number):
            return
        known = self.ring.known.get(entry.envelope.kid)
        if known is not None and holds(entry, known.public_key):
            self.pool.begin(entry.hash, self._stated_job(session, entry.body))

    def _stated_job(self, session: bytes, statement: Segment) -> Job:
        path = self._path(session, statement.number)
        source = None if self.store is None else self.store.stated(session, statement)
        return Job(path=path, root=self.root, statement=statement, whole_file_hash=self.whole_file_hash, source=source)

    def stated(self, session: bytes, statement: Segment, entry: Entry, chain: Chain) -> Outcome | None:
        """Verify the file of a believed statement; None where it is absent, not asked for, or was read before."""
        place = Place(session=session, segment=statement.number, entry=entry.common.seq)
        itself = SegmentCheck()
        check_statement(statement, itself)
        itself.tell(self.findings, place)
        if self.store is not None:
            self.store.claim(session, statement)
        if not self.wanted(session) or self._was_read(session, statement.number):
            return None
        path = self._path(session, statement.number)
        try:
            if statement.number > archive.LAST_SEGMENT_NUMBER:
                raise FileNotFoundError(path)
            seen = self.pool.take(entry.hash, self._stated_job(session, statement))
        except FileNotFoundError:
            self.absent.append(Absent(place=place, file_hash=statement.file_hash, fragments=len(statement.fragments)))
            return None
        except (FormatError, OSError) as error:
            self._unreadable(path, error, place, len(statement.fragments))
            return None
        self.read.setdefault(session, Ranges()).add(statement.number)
        if self.store is not None:
            for kept in seen.check.kept:
                self.store.note_kept(session, statement.file_hash, kept)
        seen.check.tell(self.findings, place)  # whether its key is vouched for is said when all is read (A3, A4)
        self._tie(seen.outcome, statement, place, entry, chain)
        return seen.outcome

    def _tie(self, outcome: Outcome, statement: Segment, place: Place, entry: Entry, chain: Chain) -> None:
        """Step S3 for a stated file, then S9."""
        identity = outcome.identity
        if identity is not None:
            facts = (identity.previous, identity.first_frame, identity.first_sample)
            self._check_identity(identity, place)
            self.ring.hear(identity.public_key, identity.endorsements)
            if outcome.head is not None and not self.ring.seals_in_force(identity, outcome.head):
                self.findings.add(Code.IDENTITY_WRONG, place, en="its key was not in force where its seals stand")
            if facts != (statement.previous, statement.frames[0], statement.samples[0]):
                self.findings.add(
                    Code.IDENTITY_WRONG, place, en="its predecessor or first indices are not the stated ones"
                )
        if outcome.head is not None:
            self.heads.note(outcome.head, place, chain)
            if outcome.head[0] >= entry.common.seq:
                self.findings.add(Code.SEAL_HEAD_WRONG, place, en="its seal names an entry after its own statement")

    def _check_identity(self, identity: Identity, place: Place) -> bool:
        """Whether the file belongs to this log, session and number."""
        misplaced = (identity.session_id, identity.segment) != (place.session, place.segment)
        if misplaced:
            words = f"session {identity.session_id.hex()}, segment {identity.segment}"
            self.findings.add(Code.IDENTITY_WRONG, place, en=words)
        if identity.log_id != self.ring.log_id and self.ring.log_id is not None:
            self.findings.add(Code.IDENTITY_WRONG, place, en=f"log {identity.log_id.hex()}")
        if self.ring.log_id is not None and cose.key_id(identity.public_key) not in self.ring.known:
            self.findings.add(Code.IDENTITY_WRONG, place, en="a key the journal does not know")
        return not misplaced and identity.log_id == self.ring.log_id

    def _unreadable(self, path: Path, error: Exception, place: Place, fragments: int) -> None:
        if isinstance(error, PermissionError):
            raise error
        code = Code.EVIDENCE_NOT_A_FILE if isinstance(error, FormatError) else Code.UNREADABLE
        self.findings.add(code, place, en=f"{path.name}: {error}")
        self.findings.verdicts[Verdict.MISSING_UNEXPLAINED] += fragments

    # --- not stated by the journal ---

    def sessions(self) -> list[bytes]:
        """The sessions that have a directory, as far as they are asked for."""
        return [session for session in archive.session_ids(self.root) if self.wanted(session)]

    def numbers(self, session: bytes) -> list[int]:
        """The segments of a session that have a file."""
        return archive.segment_numbers(archive.session_path(self.root, session)) if self.wanted(session) else []

    def ahead(self, session: bytes, numbers: Iterable[int], *, last: int | None = None) -> Iterator[int]:
        """The numbers in their order, while the files after them are begun; only `last` may be open."""
        return self.pool.through(
            (number for number in numbers if not self._was_read(session, number)),
            lambda number: self.pool.begin(
                (session, number), self._unstated_job(session, number, may_be_open=number == last)
            ),
        )

    def _unstated_job(self, session: bytes, number: int, *, may_be_open: bool) -> Job:
        return Job(path=self._path(session, number), root=self.root, may_be_open=may_be_open)

    def unstated(self, session: bytes, number: int, *, may_be_open: bool, chain: Chain) -> Outcome:
        """Verify a file by its seals, because no believed statement speaks of it."""
        place = Place(session=session, segment=number)
        self.read.setdefault(session, Ranges()).add(number)
        job = self._unstated_job(session, number, may_be_open=may_be_open)
        try:
            seen = self.pool.take((session, number), job)
        except (FormatError, OSError) as error:
            self._unreadable(self._path(session, number), error, place, 0)
            return NOTHING
        outcome = seen.outcome
        good = Verdict.AUTHENTIC
        if outcome.identity is not None:
            good = self._judge_key(outcome.identity, outcome.head, place)
        seen.check.tell(self.findings, place, good)
        if outcome.head is not None:
            self.heads.note(outcome.head, place, chain)
        return outcome

    def _judge_key(self, identity: Identity, head: Head | None, place: Place) -> Verdict:
        fits = self._check_identity(identity, place)
        verdict = self.ring.verdict_by_seals(identity, head, place)
        return verdict if fits else Verdict.UNENDORSED

    def conclude(
        self, destroyed: Mapping[bytes, Set[bytes]], reclaimed: Mapping[bytes, Set[bytes]], was_stored: WasStored
    ) -> None:
        """Step S1 for what is absent, once every entry has been read: what founded ones excuse, by session.

        Out of a store, `was_stored` tells what was taken away from what may not have come yet: whether a receipt
        names it. Either way it is missing.
        """
        gone: dict[bytes, set[bytes]] = {}
        for absent in self.absent:
            session = absent.place.session or b""
            if absent.file_hash in destroyed.get(session, frozenset()):
                gone.setdefault(session, set()).add(absent.file_hash)
                self.findings.add(Code.SEGMENT_DESTROYED, absent.place)
                self.findings.verdicts[Verdict.MISSING_EXPLAINED] += absent.fragments
            elif absent.file_hash in reclaimed.get(session, frozenset()):
                self.findings.add(Code.SEGMENT_RECLAIMED, absent.place)
                self.findings.verdicts[Verdict.IN_STORE] += absent.fragments
            else:
                zh, en = f"{absent.fragments} 片", f"{absent.fragments} fragments"
                if self.store is not None:
                    was = was_stored(absent.file_hash)
                    zh += "；回执称其曾入库" if was else "；没有回执称其已入库，可能尚未送达"
                    en += "; a receipt says it was in a store" if was else "; no receipt names it: it may still come"
                self.findings.add(Code.SEGMENT_MISSING, absent.place, zh=zh, en=en)
                self.findings.verdicts[Verdict.MISSING_UNEXPLAINED] += absent.fragments
        for session, named in destroyed.items():
            left = named - gone.get(session, set())
            if left:
                self._still_here(session, left)

    def _still_here(self, session: bytes, hashes: Set[bytes]) -> None:
        """Step J21: files that a `destroyed` entry names by their hash; read again, for only that tells which.

        In a store a name is a hash, and what was not absent was there.
        """
        if self.store is not None:
            for _ in hashes if self.wanted(session) else ():
                self.findings.add(Code.DESTROYED_STILL_HERE, Place(session=session), zh="在存储中", en="in the store")
            return
        for number in self.numbers(session):
            path = archive.segment_path(archive.session_path(self.root, session), number)
            digest = hashlib.sha256()
            try:
                with archive.opened(path, root=self.root, limit_bytes=SEGMENT_LIMIT_BYTES) as file:
                    while piece := file.read(CHUNK_BYTES):
                        digest.update(piece)
            except (FormatError, OSError):
                continue  # told already, where its statement or its seals were judged
            if digest.digest() in hashes:
                place = Place(session=session, segment=number)
                self.findings.add(Code.DESTROYED_STILL_HERE, place, zh=path.name, en=path.name)
