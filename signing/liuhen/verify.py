"""The verification, in the order of the numbered steps of FORMAT.md 10.1.

Reads only; streams. Memory does not grow with the length of a recording, but with its sessions, gaps, records, key
entries and with the names in a directory. Runs in the caller's thread, with other processes reading ahead where
`Request.jobs` allows (verify_ahead), and opens no network connection. What the files
hold ends in a Report; only what the system refuses to read (permissions, a directory that fails) raises.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from liuhen import archive, cose, records
from liuhen.archive import Scope, Target
from liuhen.endorsement import Trust
from liuhen.errors import FormatError
from liuhen.findings import Code, Findings, Place, Severity
from liuhen.reader import CHUNK_BYTES
from liuhen.report import MS_PER_DAY, Basis, CompleteUpTo, DeviceKey, GivenTrust, Report, Vouched, age_days, label_of
from liuhen.report_room import Presented, Room
from liuhen.store_names import store_hash
from liuhen.store_statements import WitnessClaim
from liuhen.verify_ahead import Ahead
from liuhen.verify_aside import Aside
from liuhen.verify_bare import BareSegments
from liuhen.verify_cosigned import CosignedCheck
from liuhen.verify_journal import Chain, Item, items
from liuhen.verify_keeping import KeepingCheck
from liuhen.verify_kept import Promises, check_kept
from liuhen.verify_keys import KeyRing
from liuhen.verify_media import Heads, Media
from liuhen.verify_seen import SeenCheck
from liuhen.verify_session import Sessions, SessionSummary
from liuhen.verify_store import StoreCheck, StoreSummary
from liuhen.verify_tree import Tree

if TYPE_CHECKING:
    from liuhen.store_archive import StoreArchive  # loaded where a store is verified, and nowhere else


def _ignore(_: int) -> None:
    """No one wants to see progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to verify, against what. `now_ms` is the verifier's own clock, for the age of the trust file only.

    `trust_sha256` is that of the trust file as it was given, for the report.
    """

    target: Target
    trust: Trust | None
    now_ms: int
    session: bytes | None = None
    whole_file_hash: bool = False
    on_read: Callable[[int], None] = _ignore
    jobs: int = 1
    trust_sha256: bytes | None = None
    store: StoreArchive | None = None
    """Where the archive is filled from; its journal has been put together by then."""


def verify(request: Request) -> Report:
    """Verify and report. Raises OSError where the system lets nobody read a directory or, for permissions, a file."""
    findings = Findings() if request.store is None else request.store.findings
    ring = KeyRing(findings=findings, given=request.trust)
    target = request.target
    request = replace(request, session=request.session or target.session)
    with Ahead(jobs=request.jobs, on_read=request.on_read) as pool:
        if target.root is not None and archive.journal_files(target.root):
            return _Archive(request, target.root, findings, ring, pool).report()
        return _bare(request, findings, ring, pool)


# --- with a journal --------------------------------------------------------------------------------------------------


class _Archive:
    """A journal and what it speaks of."""

    def __init__(self, request: Request, root: Path, findings: Findings, ring: KeyRing, pool: Ahead) -> None:
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
            pool=pool,
            store=request.store,
        )
        self._pool = pool
        self._chain = Chain(findings, ring)
        self._tree = Tree(findings)
        self._sessions = Sessions(findings, self._media)
        self._keeping = KeepingCheck(findings, self._media.wanted, request.now_ms)
        read = None if request.store is None else store_hash(request.store.access.url)
        self._store = StoreCheck(findings, self._media.wanted, self._keeping.keeping, read)
        self._cosigned = CosignedCheck(findings, () if request.store is None else request.store.witnesses)
        self._clocks = SessionClocks()
        self._aside = Aside(findings, self._media.wanted)
        self._seen = SeenCheck(findings)
        self._presented: dict[bytes, Presented] = {}

    def report(self) -> Report:
        """All steps, in order."""
        survey(self._request.target, self._findings)  # A1
        self._check_journal_files()  # J1
        self._read_journal()  # J2 to J17, and S1 to S7 for each segment as its statement passes
        self._sessions.conclude(self._chain)  # S8, S10
        self._heads.conclude(self._chain.end_seq, lambda: self._items(_ignore))  # S9, J15
        self._media.conclude(self._keeping.segments, self._store.segments, self._store.was_stored)  # S1, J21, J26
        self._check_records()  # J18
        self._aside.conclude(self._root, self._store.quarantined, *self._elsewhere())  # J22, J26
        self._conclude_store()  # B1, B4, B5
        self._ring.conclude()  # A2 to A5
        return _report(self._request, self._findings, self._ring, self._answers())

    def _items(self, on_read: Callable[[int], None]) -> Iterator[Item]:
        return items(archive.journal_files(self._root), self._root, on_read)

    def _check_journal_files(self) -> None:
        """Step J1."""
        files = archive.journal_files(self._root)
        for position, (number, _) in enumerate(files):
            if number != position:
                self._findings.add(Code.JOURNAL_FILE_MISSING, en=f"{position:08d}.cbor")
                break
        for position, (_, path) in enumerate(files):
            size = path.stat(follow_symlinks=False).st_size
            if size == 0 and position < len(files) - 1:
                self._findings.add(Code.JOURNAL_FILE_MISSING, en=path.name)
            if size > archive.JOURNAL_FILE_LIMIT_BYTES:
                self._findings.add(Code.TOO_LARGE, en=path.name)

    def _read_journal(self) -> None:
        try:
            for item in self._pool.through(
                self._items(self._request.on_read), self._media.begin, lambda item: item.size
            ):
                self._accept(item)
                self._pool.drop(item.hash)
        except PermissionError:
            raise
        except (FormatError, OSError) as error:
            self._findings.add(Code.UNREADABLE, Place(entry=self._chain.next_seq), en=f"journal: {error}")
        self._chain.end()  # J8, J16, J17

    def _accept(self, item: Item) -> None:
        entry = self._chain.accept(item)  # J2 to J8
        if entry is None:
            return
        self._clocks.accept(entry.common.session_id, entry.common.clock[3])
        self._cosigned.accept(entry, self._tree)  # B4
        self._tree.accept(entry, self._chain.breaks)  # J13
        self._sessions.accept(entry, self._chain)  # J9 to J12, J15, J16, S1 to S7
        self._keeping.accept(entry)  # J21
        self._store.accept(entry)  # J26
        self._aside.accept(entry, self._chain)  # J22
        self._seen.accept(entry)  # J15
        self._ring.apply(entry)  # J14

    def _elsewhere(self) -> tuple[Callable[[bytes, int, bytes], bool], ...]:
        store = self._request.store
        return () if store is None else (store.holds_quarantined,)

    def _conclude_store(self) -> None:
        self._cosigned.conclude(self._tree, self._chain.end_seq)
        store = self._request.store
        if store is not None:
            store.conclude()
            summary = self._store.stores.get(store_hash(store.access.url))
            promises = Promises(
                until_ms=self._store.promised,
                designated=summary is not None and summary.designated,
                sessions=self._keeping.keeping.sessions,
                now_ms=self._request.now_ms,
            )
            check_kept(self._findings, store.kept, promises)

    def _check_records(self) -> None:
        """Step J18."""
        named = self._sessions.records
        for commitment, seq in named.items():
            store = self._request.store
            with contextlib.nullcontext() if store is None else store.record(commitment):
                self._check_record(commitment, Place(entry=seq))
        if self._request.session is None:
            for name in archive.record_names(self._root):
                if bytes.fromhex(name) not in named:
                    self._findings.add(Code.RECORD_FOREIGN, en=name)

    def _check_record(self, commitment: bytes, place: Place) -> None:
        try:
            fits = self._record_fits(commitment)
            self._presented[commitment] = Presented.YES if fits else Presented.ALTERED
            if not fits:
                self._findings.add(Code.RECORD_ALTERED, place, en=commitment.hex())
            elif commitment in self._keeping.records:
                self._findings.add(Code.DESTROYED_STILL_HERE, place, en=commitment.hex())
        except FileNotFoundError:
            why, code = self._why_absent(commitment)
            self._presented[commitment] = why
            gone = self._keeping.records.get(commitment) if code is Code.RECORD_DESTROYED else None
            zh, en = ("", "") if gone is None else (f"第 {gone} 条，", f"entry {gone}, ")
            self._findings.add(code, place, zh=f"{zh}{commitment.hex()}", en=f"{en}{commitment.hex()}")
        except PermissionError:
            raise
        except (FormatError, OSError) as error:
            self._findings.add(Code.UNREADABLE, place, en=error)

    def _why_absent(self, commitment: bytes) -> tuple[Presented, Code]:
        """What founded entries say of a record that is not there."""
        if commitment in self._keeping.records:
            return Presented.DESTROYED, Code.RECORD_DESTROYED
        if commitment in self._store.records:
            return Presented.IN_STORE, Code.RECORD_RECLAIMED
        return Presented.NO, Code.RECORD_ABSENT

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
        return _Answers(
            complete_up_to=upto,
            sessions=tuple(chosen),
            unknown_kinds=unknown,
            torn_journal_bytes=self._chain.torn_bytes,
            unsynchronised=self._clocks.unsynchronised(),
            room=self._room(),
            stores=tuple(self._store.stores.values()),
            cosigned=tuple(self._cosigned.agreed.values()),
        )

    def _room(self) -> Room:
        inhibitions, duties = self._sessions.inhibitions.asked_for(), self._sessions.duties
        return Room(
            inhibitions=tuple(inhibitions),
            duties=tuple(duties.asked_for()),
            refusals=tuple(duties.refusals),
            checks=duties.checks,
            upkeep=tuple(duties.upkeep.told),
            upkeep_not_told=duties.upkeep.not_told,
            presented=self._presented,
            proceedings=self._sessions.proceedings.summaries,
            days=self._sessions.visits.days,
        )


class SessionClocks:
    """How often the entries of each session say that the device's clock followed no reference."""

    def __init__(self) -> None:
        self._counted: dict[bytes, list[int]] = {}

    def accept(self, session: bytes | None, sync: int) -> None:
        """One believed entry, or one file whose seals hold."""
        if session is not None:
            self._counted.setdefault(session, [0, 0])[sync in _FOLLOWS_REFERENCE] += 1

    def unsynchronised(self) -> frozenset[bytes]:
        """The sessions where it did not for most of them."""
        return frozenset(session for session, (without, following) in self._counted.items() if without > following)


def survey(target: Target, findings: Findings) -> None:
    """Step A1: what is no evidence, and what stands in the place of evidence without being a file.

    Names are told as they are: whoever made the files chose them.
    """

    def foreign(name: str) -> None:
        findings.add(Code.FOREIGN_FILE, zh=name, en=name)

    def misplaced(name: str) -> None:
        findings.add(Code.EVIDENCE_NOT_A_FILE, zh=name, en=name)

    match target:
        case Target(scope=Scope.ARCHIVE):
            archive.survey(target.path, foreign, misplaced)
        case Target(scope=Scope.SESSION, root=Path() as root, session=bytes(session)):
            archive.survey_session(root, session, foreign, misplaced)
        case Target(scope=Scope.SESSION):
            archive.survey_alone(target.path, foreign, misplaced)
        case _:
            pass


# --- without a journal -----------------------------------------------------------------------------------------------


def _bare(request: Request, findings: Findings, ring: KeyRing, pool: Ahead) -> Report:
    """A bare segment, a session directory, or an archive that has lost its journal."""
    target = request.target
    bare = _new_bare(request, findings, ring, pool)
    summaries: list[SessionSummary] = []
    survey(target, findings)
    if target.root is not None:
        findings.add(Code.JOURNAL_ABSENT)
    if target.scope is Scope.SEGMENT:
        bare.file(target.path, number=None)
    elif target.scope is Scope.SESSION:
        bare.directory(target.path)
    else:
        for session in archive.session_ids(target.path):
            if request.session in (None, session):
                bare = _new_bare(request, findings, ring, pool)
                bare.summary = SessionSummary(id=session)
                bare.directory(archive.session_path(target.path, session))
                summaries.append(bare.summary)
    if not summaries and bare.summary is not None:
        summaries = [bare.summary]
    last = bare.last_sealed
    upto = None if last is None else CompleteUpTo(entry=last.entry, utc_ms=last.utc_ms, basis=Basis.SEALS)
    ring.conclude()
    clocks = SessionClocks()
    if last is not None and bare.summary is not None:
        clocks.accept(bare.summary.id, last.sync)
    answers = _Answers(
        complete_up_to=upto,
        sessions=tuple(summaries),
        unknown_kinds=0,
        unsynchronised=clocks.unsynchronised(),
        upto_fragment=None if last is None or last.final else (last.number, last.fragment),
        segment=last.number if last is not None and target.scope is Scope.SEGMENT else None,
    )
    return _report(request, findings, ring, answers)


def _new_bare(request: Request, findings: Findings, ring: KeyRing, pool: Ahead) -> BareSegments:
    return BareSegments(
        findings=findings,
        ring=ring,
        pool=pool,
        root=request.target.root if request.target.scope is Scope.ARCHIVE else None,
    )


# --- the answers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    complete_up_to: CompleteUpTo | None
    sessions: tuple[SessionSummary, ...]
    unknown_kinds: int
    torn_journal_bytes: int = 0
    unsynchronised: frozenset[bytes] = frozenset()
    upto_fragment: tuple[int, int] | None = None
    segment: int | None = None
    room: Room | None = None
    stores: tuple[StoreSummary, ...] = ()
    cosigned: tuple[WitnessClaim, ...] = ()


_FOLLOWS_REFERENCE = (2, 3)


def _report(request: Request, findings: Findings, ring: KeyRing, answers: _Answers) -> Report:
    """Intact: nothing broken. Vouched: every key in use endorsed, no doubt about any. Never mixed."""
    given, device_keys = _given(request), _device_keys(request, ring)
    vouched = None
    if request.trust is not None and ring.known and not findings.has(Severity.UNVOUCHED):
        vouched = Vouched(
            organisation=request.trust.organisation,
            roots=_vouching(device_keys),
            trust_age_days=age_days(request.trust.issued_ms, request.now_ms),
        )
    return Report(
        path=str(request.target.path) if request.store is None else request.store.access.url.text,
        demo=ring.demo,
        intact=not findings.has(Severity.BROKEN),
        vouched=vouched,
        trust=given,
        log_id=ring.log_id,
        device_keys=device_keys,
        complete_up_to=answers.complete_up_to,
        sessions=answers.sessions,
        verdicts=dict(findings.verdicts),
        findings=tuple(findings.kept),
        findings_not_kept=findings.not_kept,
        unknown_kinds=answers.unknown_kinds,
        unsealed_bytes=findings.unsealed_bytes,
        torn_journal_bytes=answers.torn_journal_bytes,
        unsynchronised=answers.unsynchronised,
        upto_fragment=answers.upto_fragment,
        segment=answers.segment,
        room=answers.room,
        stores=answers.stores,
        cosigned=answers.cosigned,
        asked_witnesses=request.store is not None and bool(request.store.pins),
    )


def _given(request: Request) -> GivenTrust | None:
    """The trust file as the report names it."""
    trust = request.trust
    if trust is None:
        return None
    return GivenTrust(
        organisation=trust.organisation,
        issued_ms=trust.issued_ms,
        age_days=(request.now_ms - trust.issued_ms) // MS_PER_DAY,
        sha256=request.trust_sha256,
    )


def _device_keys(request: Request, ring: KeyRing) -> tuple[DeviceKey, ...]:
    """The keys in use, and which roots of the trust file endorsed each."""
    roots = request.trust.roots if request.trust is not None else ()
    labels = {cose.key_id(public_key): label for public_key, label in roots}
    return tuple(
        DeviceKey(kid=kid, roots=tuple((labels[root], root) for root in (key.standing.kids if key.standing else ())))
        for kid, key in ring.known.items()
    )


def _vouching(keys: tuple[DeviceKey, ...]) -> tuple[str, ...]:
    """The roots behind every key; where there is none of them, those behind any."""
    every = [root for root in keys[0].roots if all(root in key.roots for key in keys)]
    found = every or list(dict.fromkeys(root for key in keys for root in key.roots))
    return tuple(label_of(label, kid) for label, kid in found)
