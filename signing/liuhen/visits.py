"""The visits of an always-on room's day as its journal tells them: named intervals of one session (FORMAT.md 5.10).

Pure: a fold over the believed entries of one session in their order. The device, a search by queue number and the
verifier get the same answers from it. Bounded: of one day so many visits are kept, and the rest is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from liuhen.entry import Entry
from liuhen.kinds import Commitments, GapEnd, Instant, Mark, Segment, Session, SessionEnd, Visit
from liuhen.registry import MarkCode, VisitAct, VisitEnd

DUTY_STREAM = 1
"""`session.mode` of an always-on room's day."""
MOST_VISITS = 5000
NS_PER_MS = 1_000_000
NUMBER = re.compile(r"[A-Za-z0-9-]{1,16}", re.ASCII)
"""A queue number; it stands in the chain, so it can hold no name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitTold:
    """One visit. Times are the device's UTC; `until` is None while it is open. `told_ms` is how long after its begin
    somebody said that it is recorded, None where nobody did. `end` is the entry that ended it, None: its session did.
    """

    entry: int
    number: str
    sort: int
    since: Instant
    since_utc_ms: int
    until: Instant | None = None
    until_utc_ms: int | None = None
    end: int | None = None
    cause: int = VisitEnd.NOT_ENDED
    told_ms: int | None = None
    records: Commitments = ()
    """What its beginning and its end name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSpan:
    """A stated segment of the session and when its media was captured."""

    number: int
    file_hash: bytes
    since: Instant
    until: Instant


@dataclass(slots=True, kw_only=True)
class Day:
    """See the module."""

    id: bytes | None = None
    ordinal: int | None = None
    mode: int = 0
    ended: bool = False
    profile_hash: bytes | None = None
    ended_utc_ms: int | None = None
    visits: list[VisitTold] = field(default_factory=list)
    segments: list[SegmentSpan] = field(default_factory=list)
    wrong: list[tuple[int, str]] = field(default_factory=list)
    """Entries that break the rules of 5.10, and how."""
    not_kept: int = 0
    _open: VisitTold | None = None
    _boots: list[bytes] = field(default_factory=list)
    """In the order in which the session's entries name them: moments of two boots are compared by it."""
    _media_boot: bytes = b""
    """The boot whose media the next statement is about: a start states what the boot before it left."""

    @property
    def open(self) -> VisitTold | None:
        """The visit that goes on."""
        return self._open

    def accept(self, entry: Entry) -> None:
        """One believed entry of this session, in its place."""
        now, utc_ms = _now(entry), entry.common.clock[0]
        if now[0] not in self._boots:
            self._boots.append(now[0])
        if not isinstance(entry.body, Segment):
            self._media_boot = entry.body.until[0] if isinstance(entry.body, GapEnd) else now[0]
        match entry.body:
            case Session() as body:
                self.id, self.ordinal, self.mode = entry.common.session_id, body.ordinal, body.mode
                self.profile_hash = body.profile_hash
            case Visit() as body:
                self._visit(entry, body)
            case Mark(code=MarkCode.NOTICE_GIVEN) as body:
                self._told((now[0], body.boottime_ns))
            case Segment() as body:
                since, until = ((self._media_boot, at_ns) for at_ns in body.span_ns)
                self.segments.append(
                    SegmentSpan(number=body.number, file_hash=body.file_hash, since=since, until=until)
                )
            case SessionEnd():
                self.ended, self.ended_utc_ms = True, utc_ms
                self._close(now, utc_ms, None, VisitEnd.SESSION_ENDED)
            case _:
                pass

    def within(self, visit: VisitTold) -> Iterator[tuple[SegmentSpan, int]]:
        """The segments that hold media of a visit, and how many milliseconds into each it begins."""
        for segment in self.segments:
            if self._overlap(segment, visit):
                into_ns = visit.since[1] - segment.since[1] if visit.since[0] == segment.since[0] else 0
                yield segment, max(0, into_ns) // NS_PER_MS

    def may_go_on(self, visit: VisitTold) -> bool:
        """Whether media of a visit may stand in a segment that no entry states yet: it is still being written."""
        if self.ended or visit.until is None or not self.segments:
            return not self.ended
        return self._order(self.segments[-1].until) < self._order(visit.until)

    def outside(self) -> list[SegmentSpan]:
        """The segments that hold no media of any visit."""
        return [segment for segment in self.segments if not any(self._overlap(segment, visit) for visit in self.all())]

    def all(self) -> list[VisitTold]:
        """Every visit, the open one last."""
        return [*self.visits, *([self._open] if self._open is not None else [])]

    def _visit(self, entry: Entry, body: Visit) -> None:
        at, utc_ms = (body.at[0], body.at[1]), self._utc_of(entry, body)
        if self.mode != DUTY_STREAM:
            self._wrong(entry, "a visit in a session that is no duty stream")
        if at[0] == entry.common.clock[2] and at[1] > entry.common.clock[1]:
            self._wrong(entry, "a visit that begins or ends later than its entry")
        if not NUMBER.fullmatch(body.number):
            self._wrong(entry, "a queue number of other characters")
        if body.act == VisitAct.BEGUN:
            self._begin(entry, body, at, utc_ms)
        elif self._ends_what_is_open(body):
            if self._open is not None:
                self._open = replace(self._open, records=(*self._open.records, *body.records))
            self._close(at, utc_ms, entry.common.seq, body.cause)
        else:
            self._wrong(entry, "it ends no visit that is open")

    def _begin(self, entry: Entry, body: Visit, at: Instant, utc_ms: int) -> None:
        if self._open is not None:
            self._wrong(entry, "a visit begins before the one before has ended")
            self._close(at, utc_ms, None, VisitEnd.NEXT_VISIT)
        if body.began is not None or body.cause != VisitEnd.NOT_ENDED:
            self._wrong(entry, "a beginning with the fields of an end")
        if self.visits and self.visits[-1].until is not None and self._order(at) < self._order(self.visits[-1].until):
            self._wrong(entry, "a visit that begins before the end of the one before")
        self._open = VisitTold(
            entry=entry.common.seq,
            number=body.number,
            sort=body.sort,
            since=at,
            since_utc_ms=utc_ms,
            records=body.records,
        )

    def _ends_what_is_open(self, body: Visit) -> bool:
        here = self._open
        if here is None or body.act != VisitAct.ENDED:
            return False
        same = (body.began, body.number, body.sort) == (here.entry, here.number, here.sort)
        return (
            same
            and body.cause in (VisitEnd.PERSON, VisitEnd.NEXT_VISIT)
            and self._order(body.at) >= self._order(here.since)
        )

    def _close(self, at: Instant, utc_ms: int, end: int | None, cause: int) -> None:
        if self._open is None:
            return
        ended = replace(self._open, until=at, until_utc_ms=utc_ms, end=end, cause=cause)
        self._open = None
        if len(self.visits) < MOST_VISITS:
            self.visits.append(ended)
        else:
            self.not_kept += 1

    def _told(self, at: Instant) -> None:
        here = self._open
        if here is None or here.told_ms is not None or at[0] != here.since[0] or at[1] < here.since[1]:
            return
        self._open = replace(here, told_ms=(at[1] - here.since[1]) // NS_PER_MS)

    def _utc_of(self, entry: Entry, body: Visit) -> int:
        utc_ms, boottime_ns, boot_id, _, _ = entry.common.clock
        return utc_ms + (body.at[1] - boottime_ns) // NS_PER_MS if body.at[0] == boot_id else utc_ms

    def _order(self, at: Instant) -> tuple[int, int]:
        """What moments of this session are compared by."""
        known = self._boots.index(at[0]) if at[0] in self._boots else len(self._boots)
        return known, at[1]

    def _overlap(self, segment: SegmentSpan, visit: VisitTold) -> bool:
        """Whether a segment holds a moment of the visit."""
        if self._order(segment.until) <= self._order(visit.since):
            return False
        return visit.until is None or self._order(segment.since) < self._order(visit.until)

    def _wrong(self, entry: Entry, words: str) -> None:
        if len(self.wrong) < MOST_VISITS:
            self.wrong.append((entry.common.seq, words))


def _now(entry: Entry) -> Instant:
    return (entry.common.clock[2], entry.common.clock[1])
