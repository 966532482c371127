"""The segment files of an archive: found, opened, verified, and tied to the journal (steps S1, S3, S8, S9).

Read only. Owns the list of stated files that are absent and of journal heads that seals have named; both are judged
when the whole journal has been read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from liuhen import archive, cose
from liuhen.boxes import SEGMENT_LIMIT_BYTES
from liuhen.entry import Entry
from liuhen.errors import FormatError
from liuhen.findings import Code, Findings, Place, Verdict
from liuhen.kinds import Head, Identity, Segment
from liuhen.reader import Cursor
from liuhen.verify_journal import Chain, Item, hashes_of
from liuhen.verify_keys import KeyRing
from liuhen.verify_segment import (
    NOTHING,
    Outcome,
    SegmentCheck,
    check_size,
    check_statement,
    verify_by_seals,
    verify_stated,
)


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
    """Opens segment files and verifies each once. `only` restricts it to one session."""

    root: Path
    findings: Findings
    ring: KeyRing
    heads: Heads
    whole_file_hash: bool
    only: bytes | None
    on_read: Callable[[int], None]
    buffer: bytearray
    absent: list[Absent] = field(default_factory=list)

    def wanted(self, session: bytes) -> bool:
        """Whether the files of this session are to be read."""
        return self.only is None or session == self.only

    # --- stated by the journal ---

    def stated(self, session: bytes, statement: Segment, entry: Entry, chain: Chain) -> Outcome | None:
        """Verify the file of a believed statement; None where it is absent or not asked for."""
        place = Place(session=session, segment=statement.number, entry=entry.common.seq)
        signer = self.ring.known[entry.envelope.kid]
        good = Verdict.AUTHENTIC if signer.vouched_at(entry.common.seq) else Verdict.UNENDORSED
        check = SegmentCheck(findings=self.findings, place=place, good=good)
        check_statement(statement, check)
        if not self.wanted(session):
            return None
        path = archive.segment_path(archive.session_path(self.root, session), statement.number)
        whole = hashlib.sha256() if self.whole_file_hash else None
        try:
            with archive.opened(path, root=self.root, limit_bytes=SEGMENT_LIMIT_BYTES) as file:
                check_size(file, check)
                cursor = Cursor(file, whole=whole, on_read=self.on_read, buffer=self.buffer)
                outcome = verify_stated(cursor, statement, check)
        except FileNotFoundError:
            self.absent.append(Absent(place=place, file_hash=statement.file_hash, fragments=len(statement.fragments)))
            return None
        except (FormatError, OSError) as error:
            self._unreadable(path, error, check, len(statement.fragments))
            return None
        if whole is not None and whole.digest() != statement.file_hash:
            check.add(Code.FILE_HASH_WRONG)
        self._tie(outcome, statement, place, entry, chain)
        return outcome

    def _tie(self, outcome: Outcome, statement: Segment, place: Place, entry: Entry, chain: Chain) -> None:
        """Step S3 for a stated file, then S9."""
        identity = outcome.identity
        if identity is not None:
            facts = (identity.previous, identity.first_frame, identity.first_sample)
            self._check_identity(identity, place)
            if facts != (statement.previous, statement.frames[0], statement.samples[0]):
                self.findings.add(
                    Code.IDENTITY_WRONG, place, en="its predecessor or first indices are not the stated ones"
                )
        if outcome.head is not None:
            self.heads.note(outcome.head, place, chain)
            if outcome.head[0] >= entry.common.seq:
                self.findings.add(Code.SEAL_HEAD_WRONG, place, en="its seal names an entry after its own statement")

    def _check_identity(self, identity: Identity, place: Place) -> None:
        if (identity.session_id, identity.segment) != (place.session, place.segment):
            words = f"session {identity.session_id.hex()}, segment {identity.segment}"
            self.findings.add(Code.IDENTITY_WRONG, place, en=words)
        if identity.log_id != self.ring.log_id and self.ring.log_id is not None:
            self.findings.add(Code.IDENTITY_WRONG, place, en=f"log {identity.log_id.hex()}")
        if self.ring.log_id is not None and cose.key_id(identity.public_key) not in self.ring.known:
            self.findings.add(Code.IDENTITY_WRONG, place, en="a key the journal does not know")

    def _unreadable(self, path: Path, error: Exception, check: SegmentCheck, fragments: int) -> None:
        if isinstance(error, PermissionError):
            raise error
        code = Code.EVIDENCE_NOT_A_FILE if isinstance(error, FormatError) else Code.UNREADABLE
        check.add(code, en=f"{path.name}: {error}")
        check.judge(Verdict.MISSING_UNEXPLAINED, fragments)

    # --- not stated by the journal ---

    def sessions(self) -> list[bytes]:
        """The sessions that have a directory, as far as they are asked for."""
        return [session for session in archive.session_ids(self.root) if self.wanted(session)]

    def numbers(self, session: bytes) -> list[int]:
        """The segments of a session that have a file."""
        return archive.segment_numbers(archive.session_path(self.root, session)) if self.wanted(session) else []

    def unstated(self, session: bytes, number: int, *, may_be_open: bool, chain: Chain) -> Outcome:
        """Verify a file by its seals, because no believed statement speaks of it."""
        place = Place(session=session, segment=number)
        path = archive.segment_path(archive.session_path(self.root, session), number)
        check = SegmentCheck(findings=self.findings, place=place)
        try:
            with archive.opened(path, root=self.root, limit_bytes=SEGMENT_LIMIT_BYTES) as file:
                check_size(file, check)
                cursor = Cursor(file, on_read=self.on_read, buffer=self.buffer)
                outcome = verify_by_seals(
                    cursor, check, may_be_open=may_be_open, on_identity=lambda found: self._judge_key(found, place)
                )
        except (FormatError, OSError) as error:
            self._unreadable(path, error, check, 0)
            return NOTHING
        if outcome.head is not None:
            self.heads.note(outcome.head, place, chain)
        return outcome

    def _judge_key(self, identity: Identity, place: Place) -> Verdict:
        self._check_identity(identity, place)
        known = self.ring.known.get(cose.key_id(identity.public_key))
        vouched = known is not None and known.vouched_at(known.last_seq)
        return Verdict.AUTHENTIC if vouched or self.ring.given is None else Verdict.UNENDORSED

    def conclude(self, destroyed: set[bytes]) -> None:
        """Step S1 for what is absent, once every `destroyed` entry has been read."""
        for absent in self.absent:
            if absent.file_hash in destroyed:
                self.findings.add(Code.SEGMENT_DESTROYED, absent.place)
                self.findings.verdicts[Verdict.MISSING_EXPLAINED] += absent.fragments
            else:
                self.findings.add(
                    Code.SEGMENT_MISSING, absent.place, zh=f"{absent.fragments} 片", en=f"{absent.fragments} fragments"
                )
                self.findings.verdicts[Verdict.MISSING_UNEXPLAINED] += absent.fragments
