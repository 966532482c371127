"""The verification, in the order of the numbered steps of FORMAT.md 10.1.

Reads only; streams; constant memory but for one small summary per session, gap and record. Runs in the caller's
thread and opens no network connection. Whatever the files hold, the result is a Report; only a path that cannot be
used raises.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from liuhen import archive, records
from liuhen.archive import Scope, Target
from liuhen.endorsement import Trust
from liuhen.errors import FormatError
from liuhen.findings import Code, Findings, Place, Severity
from liuhen.reader import CHUNK_BYTES
from liuhen.report import Basis, CompleteUpTo, Report, Vouched, age_days
from liuhen.verify_bare import BareSegments
from liuhen.verify_journal import Chain, Item, items
from liuhen.verify_keys import KeyRing
from liuhen.verify_media import Heads, Media
from liuhen.verify_session import Sessions, SessionSummary
from liuhen.verify_tree import Tree


def _ignore(_: int) -> None:
    """No one wants to see progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to verify, against what. `now_ms` is the verifier's own clock, for the age of the trust file only."""

    target: Target
    trust: Trust | None
    now_ms: int
    session: bytes | None = None
    whole_file_hash: bool = False
    on_read: Callable[[int], None] = _ignore


def verify(request: Request) -> Report:
    """Verify and report. Raises PermissionError where the verifier may not read, and nothing for what it reads."""
    findings = Findings()
    ring = KeyRing(findings=findings, given=request.trust)
    target = request.target
    request = replace(request, session=request.session or target.session)
    if target.root is not None and archive.journal_files(target.root):
        return _Archive(request, target.root, findings, ring).report()
    return _bare(request, findings, ring)


# --- with a journal --------------------------------------------------------------------------------------------------


class _Archive:
    """A journal and what it speaks of."""

    def __init__(self, request: Request, root: Path, findings: Findings, ring: KeyRing) -> None:
        self._request = request
        self._root = root
        self._findings = findings
        self._ring = ring
        self._heads = Heads(findings=findings)
        self._media = Media(
            root=root,
            findings=findings,
            ring=ring,
            heads=self._heads,
            whole_file_hash=request.whole_file_hash,
            only=request.session,
            on_read=request.on_read,
            buffer=bytearray(CHUNK_BYTES),
        )
        self._chain = Chain(findings, ring)
        self._tree = Tree(findings)
        self._sessions = Sessions(findings, self._media)

    def report(self) -> Report:
        """All steps, in order."""
        if self._request.target.scope is Scope.ARCHIVE:
            survey(self._root, self._findings)  # A1
        self._check_journal_files()  # J1
        self._read_journal()  # J2 to J17, and S1 to S7 for each segment as its statement passes
        self._sessions.conclude(self._chain)  # S8, S10
        self._heads.conclude(self._chain.end_seq, lambda: self._items(_ignore))  # S9, J15
        self._media.conclude(self._sessions.destroyed)  # S1
        self._check_records()  # J18
        self._ring.conclude()  # A2 to A5
        return _report(self._request, self._findings, self._ring, self._answers())

    def _items(self, on_read: Callable[[int], None]) -> Iterator[Item]:
        return items(archive.journal_files(self._root), self._root, on_read)

    def _check_journal_files(self) -> None:
        """Step J1."""
        files = archive.journal_files(self._root)
        for position, (number, path) in enumerate(files):
            if number != position:
                self._findings.add(Code.JOURNAL_FILE_MISSING, en=f"{position:08d}.cbor")
                break
            if path.stat(follow_symlinks=False).st_size == 0 and position < len(files) - 1:
                self._findings.add(Code.JOURNAL_FILE_MISSING, en=path.name)

    def _read_journal(self) -> None:
        try:
            for item in self._items(self._request.on_read):
                entry = self._chain.accept(item)  # J2 to J8
                if entry is None:
                    continue
                self._tree.accept(entry, self._chain.breaks)  # J13
                self._sessions.accept(entry, self._chain)  # J9 to J12, J15, J16, S1 to S7
                self._ring.apply(entry)  # J14
        except PermissionError:
            raise
        except (FormatError, OSError) as error:
            self._findings.add(Code.UNREADABLE, Place(entry=self._chain.next_seq), en=f"journal: {error}")
        self._chain.end()  # J8, J16, J17

    def _check_records(self) -> None:
        """Step J18."""
        named = self._sessions.records
        for commitment, seq in named.items():
            self._check_record(commitment, Place(entry=seq))
        if self._request.session is None:
            for name in archive.record_names(self._root):
                if bytes.fromhex(name) not in named:
                    self._findings.add(Code.RECORD_FOREIGN, en=name)

    def _check_record(self, commitment: bytes, place: Place) -> None:
        try:
            if not self._record_fits(commitment):
                self._findings.add(Code.RECORD_ALTERED, place, en=commitment.hex())
        except FileNotFoundError:
            if commitment not in self._sessions.destroyed:
                self._findings.add(Code.RECORD_ABSENT, place, en=commitment.hex())
        except PermissionError:
            raise
        except (FormatError, OSError) as error:
            self._findings.add(Code.UNREADABLE, place, en=error)

    def _record_fits(self, commitment: bytes) -> bool:
        digest, size = hashlib.sha256(b"\x03"), 0
        with archive.opened(archive.record_path(self._root, commitment), root=self._root) as file:
            while piece := file.read(CHUNK_BYTES):
                digest.update(piece)
                size += len(piece)
                if size > records.RECORD_LIMIT_BYTES:
                    return False
        return size >= records.SALT_BYTES and digest.digest() == commitment

    def _answers(self) -> _Answers:
        last = self._chain.complete_to
        upto = None
        if last is not None:
            upto = CompleteUpTo(entry=last.common.seq, utc_ms=last.common.clock[0], basis=Basis.JOURNAL)
        only = self._request.session
        chosen = [s for s in self._sessions.summaries.values() if only is None or s.id == only]
        unknown = sum(self._chain.unknown_kinds.values())
        return _Answers(complete_up_to=upto, sessions=tuple(chosen), unknown_kinds=unknown)


def survey(root: Path, findings: Findings) -> None:
    """Step A1: what is no evidence, and what stands in the place of evidence without being a file."""
    archive.survey(
        root,
        lambda name: findings.add(Code.FOREIGN_FILE, en=name),
        lambda name: findings.add(Code.EVIDENCE_NOT_A_FILE, en=name),
    )


# --- without a journal -----------------------------------------------------------------------------------------------


def _bare(request: Request, findings: Findings, ring: KeyRing) -> Report:
    """A bare segment, a session directory, or an archive that has lost its journal."""
    target = request.target
    bare = _new_bare(request, findings, ring)
    summaries: list[SessionSummary] = []
    if target.scope is Scope.SEGMENT:
        bare.file(target.path, number=None)
    elif target.scope is Scope.SESSION:
        bare.directory(target.path)
    else:
        findings.add(Code.JOURNAL_ABSENT)
        survey(target.path, findings)
        for session in archive.session_ids(target.path):
            if request.session in (None, session):
                bare = _new_bare(request, findings, ring)
                bare.summary = SessionSummary(id=session)
                bare.directory(archive.session_path(target.path, session))
                summaries.append(bare.summary)
    if not summaries and bare.summary is not None:
        summaries = [bare.summary]
    last = bare.last_sealed
    upto = None if last is None else CompleteUpTo(entry=last.entry, utc_ms=last.utc_ms, basis=Basis.SEALS)
    ring.conclude()
    return _report(request, findings, ring, _Answers(complete_up_to=upto, sessions=tuple(summaries), unknown_kinds=0))


def _new_bare(request: Request, findings: Findings, ring: KeyRing) -> BareSegments:
    return BareSegments(
        findings=findings,
        ring=ring,
        on_read=request.on_read,
        buffer=bytearray(CHUNK_BYTES),
        root=request.target.root if request.target.scope is Scope.ARCHIVE else None,
    )


# --- the answers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    complete_up_to: CompleteUpTo | None
    sessions: tuple[SessionSummary, ...]
    unknown_kinds: int


def _report(request: Request, findings: Findings, ring: KeyRing, answers: _Answers) -> Report:
    """Intact: nothing broken. Vouched: every key in use endorsed, no doubt about any. Never mixed."""
    age = None if request.trust is None else age_days(request.trust.issued_ms, request.now_ms)
    vouched = None
    if request.trust is not None and age is not None and ring.known and not findings.has(Severity.UNVOUCHED):
        vouched = Vouched(organisation=request.trust.organisation, roots=ring.roots(), trust_age_days=age)
    return Report(
        path=str(request.target.path),
        demo=ring.demo,
        intact=not findings.has(Severity.BROKEN),
        vouched=vouched,
        trust_age_days=age,
        complete_up_to=answers.complete_up_to,
        sessions=answers.sessions,
        verdicts=dict(findings.verdicts),
        findings=tuple(findings.kept),
        findings_not_kept=findings.not_kept,
        unknown_kinds=answers.unknown_kinds,
    )
