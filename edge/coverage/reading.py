"""What a coverage report needs of an archive: a spool, an export or a custodian's copy, and no key.

The verifier reads everything first; what it believes of the session is taken from its report, and what it does not
tell (the boots, the state of picture and sound, frame and sample of a mark) from the same journal. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge.coverage.facts import Facts, Film, Milestone, Moment, Stage, Trouble, Verified, Visit, Where
from edge.coverage.words import Said, said
from liuhen import archive, records
from liuhen.archive import Scope, Target
from liuhen.endorsement import Trust
from liuhen.entry import Entry
from liuhen.errors import FormatError
from liuhen.findings import Finding, Severity, Verdict
from liuhen.kinds import Case, Destroyed, Event, Instant, Mark, Segment, Session, SessionEnd
from liuhen.kinds import Visit as VisitEntry
from liuhen.proceedings import Told
from liuhen.registry import EVENTS, EventCode, VisitEnd, VisitSort
from liuhen.report import Report
from liuhen.report_room import Presented, Room
from liuhen.verify import Request, verify
from liuhen.verify_codes import known
from liuhen.verify_journal import items
from liuhen.verify_session import SessionSummary
from liuhen.visits import Day, VisitTold

NS_PER_MS = 1_000_000
MOST_BROKEN_TOLD = 20
MOST_TROUBLES = 1000
MOST_TEXT_BYTES = 65_536
ORDINAL_DIGITS = 9
SHORTEST_PREFIX = 8
_ENDED_BY = {
    EventCode.PICTURE_BLACK: EventCode.PICTURE_BLACK_ENDED,
    EventCode.PICTURE_FROZEN: EventCode.PICTURE_FROZEN_ENDED,
    EventCode.PICTURE_COVERED: EventCode.PICTURE_COVERED_ENDED,
    EventCode.OFFICIALS_HIDDEN: EventCode.OFFICIALS_HIDDEN_ENDED,
    EventCode.PARTIES_HIDDEN: EventCode.PARTIES_HIDDEN_ENDED,
    EventCode.SOUND_DIGITAL_ZERO: EventCode.SOUND_DIGITAL_ZERO_ENDED,
    EventCode.SOUND_SILENT: EventCode.SOUND_SILENT_ENDED,
    EventCode.SOUND_CLIPPING: EventCode.SOUND_CLIPPING_ENDED,
}


TERMS = frozenset({EventCode.DEADLINE_MET, EventCode.DEADLINE_MISSED, EventCode.ARCHIVE_MET, EventCode.ARCHIVE_MISSED})
"""What the device says once of a term that it keeps."""


class NoSuchSession(Exception):
    """The archive has no session of this name, or more than one."""


class NoArchive(Exception):
    """There is no archive with a journal here."""


def facts_of(root: Path, named: str | None, *, trust: Trust | None, now_ms: int, jobs: int = 1) -> Facts:
    """Verify the archive at `root` and tell one session: by its number, the first digits of its id, or the newest.

    Raises NoArchive, NoSuchSession, FormatError where the journal cannot be read at all, OSError as the system says.
    """
    target = archive.locate(root)
    if target is None or target.scope is not Scope.ARCHIVE or not archive.journal_files(target.path):
        raise NoArchive(str(root))
    session = _named(target.path, named)
    report = verify(Request(target=target, trust=trust, now_ms=now_ms, session=session, jobs=jobs))
    return _told(target, session, report)


def entries_of(root: Path) -> Iterator[Entry]:
    """Every whole entry of the journal, in order; one whose end a power cut replaced by zeros is none."""
    for item in items(archive.journal_files(root), root, lambda _: None):
        if item.entry is not None and not item.zeroed:
            yield item.entry


def _named(root: Path, named: str | None) -> bytes:
    sessions: dict[bytes, int] = {}
    for entry in entries_of(root):
        if isinstance(entry.body, Session) and entry.common.session_id is not None:
            sessions[entry.common.session_id] = entry.body.ordinal
    found = [*sessions][-1:]
    if named is not None and named.isdecimal() and len(named) <= ORDINAL_DIGITS:
        found = [one for one, ordinal in sessions.items() if ordinal == int(named)]
    elif named is not None:
        prefix = named.lower()
        found = [one for one in sessions if len(prefix) >= SHORTEST_PREFIX and one.hex().startswith(prefix)]
    if len(found) != 1:
        raise NoSuchSession(named or "")
    return found[0]


@dataclass(slots=True, kw_only=True)
class _Journal:
    """What one session's entries say beside what the verifier tells of them. A fold, in the journal's order."""

    told: Told = field(default_factory=Told)
    destroyed: dict[bytes, int] = field(default_factory=dict)
    files: set[bytes] = field(default_factory=set)
    boots: list[bytes] = field(default_factory=list)
    indices: dict[int, tuple[int | None, int | None]] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    records: set[bytes] = field(default_factory=set)
    log_id: bytes = b""
    day: Day = field(default_factory=Day)
    milestones: list[Milestone] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    ended_error_ms: int = 0
    read_until_ms: int = 0
    not_kept: int = 0
    _about: set[int] = field(default_factory=set)
    """The entries that terms of this session run from."""
    _open: dict[int, Trouble] = field(default_factory=dict)
    _anchors: dict[bytes, tuple[int, int]] = field(default_factory=dict)

    def accept(self, entry: Entry) -> None:
        """One entry of the session."""
        self.log_id = entry.common.log_id
        utc_ms, now_ns, boot, _, _ = entry.common.clock
        if boot not in self.boots:
            self.boots.append(boot)
        self._anchors[boot] = (utc_ms, now_ns)
        self.records |= {commitment for _, commitment in getattr(entry.body, "records", ())}
        self.told.accept(entry)
        self.day.accept(entry)
        match entry.body:
            case Session() | VisitEntry():
                self._about.add(entry.common.seq)
            case SessionEnd():
                self.ended_error_ms = entry.common.clock[4]
            case Segment() as body:
                self.files.add(body.file_hash)
            case Destroyed() as body:
                self.destroyed |= dict.fromkeys((hash_ for _, hash_ in body.contents), entry.common.seq)
            case Mark() as body:
                self.indices[entry.common.seq] = (body.frame_index, body.sample_index)
            case Event() as body:
                self._event(entry, body)
            case _:
                pass

    def beside(self, entry: Entry, session: bytes) -> None:
        """Any entry of the journal: what is said of the session's terms is often said after its end, or in another."""
        utc_ms, error_ms = entry.common.clock[0], entry.common.clock[4]
        self.read_until_ms = max(self.read_until_ms, utc_ms)
        match entry.body:
            case Case(session=about) as body if about == session:
                self._about.add(entry.common.seq)
                self.stages.append(Stage(entry=entry.common.seq, stage=body.stage, day=body.day, due=body.due))
            case Event(code=code, refers_to=about) as body if code in TERMS and about in self._about:
                self.milestones.append(
                    Milestone(
                        code=code,
                        entry=entry.common.seq,
                        about=about,
                        utc_ms=utc_ms,
                        error_ms=error_ms,
                        measured=body.measured,
                    )
                )
            case _:
                pass

    def film(self) -> tuple[Film, ...]:
        """When the media of each stated segment was captured."""
        return tuple(
            Film(segment=one.number, since=self.moment(one.since), until=self.moment(one.until))
            for one in self.day.segments
        )

    def moment(self, at: Instant) -> Moment:
        """An instant on the session's axis; its UTC by the clock that the newest entry of its boot read."""
        utc_ms, now_ns = self._anchors.get(at[0], (0, at[1]))
        boot = self.boots.index(at[0]) if at[0] in self.boots else len(self.boots)
        return Moment(boot=boot, ns=at[1], utc_ms=utc_ms + (at[1] - now_ns) // NS_PER_MS)

    def _event(self, entry: Entry, body: Event) -> None:
        begun = next((code for code, end in _ENDED_BY.items() if end == body.code), None)
        if begun is not None and begun in self._open:
            since = self._open.pop(begun)
            until = self.moment((entry.common.clock[2], body.span_ns[1]))
            at = self.troubles.index(since)
            self.troubles[at] = Trouble(
                code=since.code, words=since.words, entry=since.entry, since=since.since, until=until
            )
            return
        code = next((one for one in _ENDED_BY if one == body.code), None)
        if code is None or code in self._open:
            return
        if len(self.troubles) >= MOST_TROUBLES:
            self.not_kept += 1
            return
        meaning = EVENTS[code]
        trouble = Trouble(
            code=code,
            words=said(meaning.words_zh, meaning.words_en),
            entry=entry.common.seq,
            since=self.moment((entry.common.clock[2], body.span_ns[0])),
            until=None,
        )
        self._open[code] = trouble
        self.troubles.append(trouble)


def _told(target: Target, session: bytes, report: Report) -> Facts:
    room = report.room or Room()
    summary = next((one for one in report.sessions if one.id == session), SessionSummary(id=session))
    journal = _Journal()
    believed = -1 if report.complete_up_to is None else report.complete_up_to.entry
    for entry in entries_of(target.path):
        if entry.common.seq > believed:
            break
        if entry.common.session_id == session:
            journal.accept(entry)
        journal.beside(entry, session)
    day = room.days.get(session, Day())
    forbidden = {seq for gap in summary.gaps for seq in gap.forbidden_by}
    withheld = tuple(one for one in room.inhibitions if one.session == session or one.entry in forbidden)
    for one in withheld:
        journal.records |= {commitment for _, commitment in (*one.records, *one.approval_records)}
    facts = Facts(
        session=session,
        log_id=report.log_id or journal.log_id,
        told=journal.told,
        verified=_verified(report, session),
        boots=tuple(journal.boots),
        media=_media(journal, summary),
        segments=summary.segments,
        recorded_ms=summary.recorded_ns // NS_PER_MS,
        gaps=tuple(summary.gaps),
        withheld=withheld,
        troubles=tuple(journal.troubles),
        where=_where(session, room, summary, journal),
        texts=_texts(target.path, {one: room.presented.get(one) for one in journal.records}),
        presented=room.presented,
        destroyed=journal.destroyed,
        files=frozenset(journal.files),
        visits=tuple(_visit(journal, day, one, _media(journal, summary)) for one in day.all()),
        film=journal.film(),
        milestones=tuple(journal.milestones),
        stages=tuple(journal.stages),
        ended_error_ms=journal.ended_error_ms,
        read_until_ms=journal.read_until_ms,
        not_told=journal.told.not_kept + journal.not_kept + day.not_kept + summary.marks.not_told,
    )
    return replace(facts, troubles=tuple(_placed(facts, one) for one in facts.troubles))


def _placed(facts: Facts, trouble: Trouble) -> Trouble:
    until = None if trouble.until is None else facts.film_after(trouble.until)
    return replace(trouble, where=facts.film_before(trouble.since), until_where=until)


def _verified(report: Report, session: bytes) -> Verified:
    broken = [_finding_words(one) for one in report.findings if one.severity is Severity.BROKEN]
    absent = (Verdict.IN_STORE, Verdict.MISSING_EXPLAINED)
    return Verified(
        intact=report.intact,
        vouched_by=None if report.vouched is None else report.vouched.by,
        trust_given=report.trust is not None,
        demo=report.demo,
        synchronised=session not in report.unsynchronised,
        broken=tuple(broken[:MOST_BROKEN_TOLD]),
        not_here=sum(report.verdicts.get(verdict, 0) for verdict in absent),
        complete_up_to=None if report.complete_up_to is None else report.complete_up_to.entry,
    )


def _finding_words(finding: Finding) -> Said:
    return said(finding.what_zh, finding.what_en)


def _visit(journal: _Journal, day: Day, one: VisitTold, media: tuple[Moment, Moment] | None) -> Visit:
    segments = tuple((segment.number, into_ms) for segment, into_ms in day.within(one))
    since = journal.moment(one.since)
    sort = VisitSort(one.sort) if known(VisitSort, one.sort) else VisitSort.VISIT
    end = VisitEnd(one.cause) if known(VisitEnd, one.cause) else VisitEnd.NOT_ENDED
    return Visit(
        entry=one.entry,
        number=one.number,
        sort=said(sort.words_zh, sort.words_en),
        since=since,
        until=None if one.until is None else journal.moment(one.until),
        ended=said(end.words_zh, end.words_en),
        told_ms=one.told_ms,
        segments=segments,
        being_written=not segments and day.may_go_on(one) and media is not None and since < media[1],
    )


def _media(journal: _Journal, summary: SessionSummary) -> tuple[Moment, Moment] | None:
    if summary.media is None:
        return None
    first, last = (journal.moment(at) for at in summary.media)
    return first, last


def _where(session: bytes, room: Room, summary: SessionSummary, journal: _Journal) -> Mapping[int, Where]:
    """By the proceeding's own places where it has any, else by those of the marks a session always tells."""
    found = {
        mark.entry: (mark.segment, mark.offset_ms)
        for mark in summary.marks.told
        if mark.segment is not None and mark.offset_ms is not None
    }
    proceeding = room.proceedings.get(session)
    if proceeding is not None:
        found |= {seq: (heard.segment, heard.offset_ms) for seq, heard in proceeding.heard.items()}
    places = {}
    for seq, (segment, offset_ms) in found.items():
        frame, sample = journal.indices.get(seq, (None, None))
        places[seq] = Where(segment=segment, offset_ms=offset_ms, frame_index=frame, sample_index=sample)
    return places


def _texts(root: Path, presented: Mapping[bytes, Presented | None]) -> dict[bytes, str]:
    """The text of every record that is what was committed to; what is no text, or too long to be one, is left out."""
    found = {}
    for commitment, state in presented.items():
        if state is not Presented.YES:
            continue
        path = archive.record_path(root, commitment)
        try:
            with archive.opened(path, root=root, limit_bytes=MOST_TEXT_BYTES) as file:
                record = records.parse(file.readall(), where=path.name)
            if record.commitment == commitment:
                found[commitment] = record.content.decode()
        except (OSError, FormatError, UnicodeDecodeError):
            continue
    return found
