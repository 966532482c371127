"""Segments without a journal: one file, or the files of one session directory (FORMAT.md 6; steps S1 to S8).

What a journal would say is unknown here: gaps, the session's end, whether more segments followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from liuhen import archive, cose
from liuhen.errors import FormatError
from liuhen.findings import Code, Findings, Place, Verdict
from liuhen.kinds import Identity
from liuhen.verify_ahead import Ahead
from liuhen.verify_journal import NS_PER_MS
from liuhen.verify_keys import KeyRing
from liuhen.verify_segment import NOTHING, Job, Outcome
from liuhen.verify_session import SessionSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSealed:
    """The end of the last file that verified: journal head its seal names, its claimed time, and how far it reaches.

    `number` and `fragment` are those of its last fragment that holds with all before it; `final`: the file was closed.
    """

    entry: int
    utc_ms: int
    number: int
    fragment: int
    final: bool
    sync: int


@dataclass(slots=True, kw_only=True)
class BareSegments:
    """Verifies files one after another, each continuing the one before."""

    findings: Findings
    ring: KeyRing
    pool: Ahead
    root: Path | None
    summary: SessionSummary | None = None
    last_sealed: LastSealed | None = None
    _before: Outcome | None = None

    def directory(self, path: Path) -> None:
        """Every segment of a session directory, from 0, without holes."""
        expected = 0
        for number in self.pool.through(archive.segment_numbers(path), lambda number: self._begin(path, number)):
            if number > expected:
                self._missing(expected, number - 1)
            self.file(archive.segment_path(path, number), number=number)
            expected = number + 1

    def _begin(self, directory: Path, number: int) -> None:
        path = archive.segment_path(directory, number)
        self.pool.begin(path, self._job(path))

    def _job(self, path: Path) -> Job:
        return Job(path=path, root=self.root, may_be_open=True)

    def _missing(self, first: int, last: int) -> None:
        """One finding however many are gone: a name costs its maker nothing."""
        until = "" if first == last else f" … {last}"
        self.findings.add(
            Code.SEGMENT_MISSING,
            Place(segment=first, session=self.summary.id if self.summary else None),
            zh=f"{first}{until} 号；后面的段尚在",
            en=f"{first}{until}; a later one is here",
        )
        self._before = None

    def file(self, path: Path, *, number: int | None) -> None:
        """One file; `number` is None where nothing says which segment it should be."""
        place = Place(segment=number, session=self.summary.id if self.summary else None)
        outcome = NOTHING
        try:
            seen = self.pool.take(path, self._job(path))
        except PermissionError:
            raise
        except (FormatError, OSError) as error:
            code = Code.EVIDENCE_NOT_A_FILE if isinstance(error, FormatError) else Code.UNREADABLE
            self.findings.add(code, place, en=error)
        else:
            outcome = seen.outcome
            good = self._meet(outcome.identity, place) if outcome.identity is not None else Verdict.AUTHENTIC
            seen.check.tell(self.findings, place, good)
        self._account(outcome, place)
        self._before = outcome

    def _meet(self, identity: Identity, place: Place) -> Verdict:
        """Step S3: the file belongs where it lies and continues the one before; its key is taken note of."""
        if self.summary is None:
            self.summary = SessionSummary(id=identity.session_id)
        if self.ring.log_id is None:
            self.ring.log_id = identity.log_id
        if (identity.session_id, identity.log_id) != (self.summary.id, self.ring.log_id):
            self.findings.add(Code.IDENTITY_WRONG, place, en=f"session {identity.session_id.hex()}")
        if place.segment is not None and identity.segment != place.segment:
            self.findings.add(Code.IDENTITY_WRONG, place, en=f"segment {identity.segment}")
        before = self._before
        if before is not None and before.r is not None and before.r != identity.previous:
            self.findings.add(Code.SEGMENT_CHAIN_BROKEN, place, en="it names another predecessor")
        kid = self.ring.introduce(identity.public_key, identity.endorsements, seq=0)
        known = self.ring.known[kid]
        if known.first_utc_ms is None:
            known.first_utc_ms = identity.clock[0]
        return Verdict.AUTHENTIC if known.vouched_at(known.last_seq) else Verdict.UNENDORSED

    def _account(self, outcome: Outcome, place: Place) -> None:
        identity, seal = outcome.identity, outcome.last_seal
        if identity is None or seal is None or outcome.span_ns is None or self.summary is None:
            if not self.findings.count[Code.UNSIGNED]:
                self.findings.add(Code.UNSIGNED, place, en="no seal in it verifies")
            return
        start_ms, end_ms = (_utc_ms(identity, ns) for ns in outcome.span_ns)
        if self.summary.started_utc_ms is None:
            self.summary.started_utc_ms = start_ms
        self.summary.last_media_utc_ms = end_ms
        self.summary.segments += 1
        self.summary.frames += outcome.frames
        self.summary.samples += outcome.samples
        known = self.ring.known[cose.key_id(identity.public_key)]
        known.last_seq = max(known.last_seq, seal.head[0])
        self.last_sealed = LastSealed(
            entry=seal.head[0],
            utc_ms=end_ms,
            number=identity.segment,
            fragment=outcome.fragments,
            final=outcome.final,
            sync=identity.clock[3],
        )


def _utc_ms(identity: Identity, boottime_ns: int) -> int:
    return identity.clock[0] + (boottime_ns - identity.clock[1]) // NS_PER_MS
