"""What forbade recording: acts that pair, media in that time, gaps that cover it (FORMAT.md 5.7; J23, J24, S11).

Owns one small summary per inhibition. Pure: reads no file; what media there is, it is told.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from liuhen.entry import Entry
from liuhen.findings import Code, Findings, Place
from liuhen.kinds import Commitments, Inhibition, Instant, Session
from liuhen.registry import GapCause, InhibitionAct, InhibitionCode, RecordLabel, Stream
from liuhen.verify_codes import known
from liuhen.verify_forbidden import Forbidden, Moment
from liuhen.verify_gaps import REACHES_BACK_NS, Coverage, GapSummary

NS_PER_MS = 1_000_000
INTERLOCK_BOUND_NS = 100 * NS_PER_MS
"""How long after a trip media may still have been captured: the time in which the permit relay must have dropped."""
ALLOWED_NS = 250 * NS_PER_MS
EDGE_NS = REACHES_BACK_NS
SPANS_REMEMBERED = 64
MOST_CARRIED = 64
MOST_LINKED = 16
NS_PER_SECOND = 1_000 * NS_PER_MS
CAUSES = {
    InhibitionCode.INTERLOCK: frozenset({GapCause.INTERLOCK}),
    InhibitionCode.WITHHELD: frozenset({GapCause.INTERLOCK, GapCause.WITHHELD}),
}
"""Gaps of these causes cover the time of an inhibition."""
CODE_OF_CAUSE = {
    GapCause.INTERLOCK: InhibitionCode.INTERLOCK,
    GapCause.WITHHELD: InhibitionCode.WITHHELD,
}


@dataclass(slots=True, kw_only=True)
class InhibitionSummary:
    """One thing that forbade recording; times are the device's claim of UTC. `until` is None while it stands.

    `approved_by` is the seq of the first act 1 that names a ground, None until there is one.
    """

    entry: int
    code: int
    session: bytes | None
    since: Instant
    records: Commitments
    from_utc_ms: int
    until: Instant | None = None
    to_utc_ms: int | None = None
    cleared_by: int | None = None
    approved_by: int | None = None
    approved_utc_ms: int | None = None
    approval_records: Commitments = ()

    @property
    def unapproved(self) -> bool:
        """Whether it is withheld and nobody has approved it with a ground."""
        return self.code == InhibitionCode.WITHHELD and self.approved_by is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The capture time of one segment, within one boot."""

    session: bytes
    number: int
    since: Instant
    until_ns: int


@dataclass(slots=True, kw_only=True)
class _Standing:
    """What concerns the session that is open: what stood when it began, and what was set in it."""

    carried: list[InhibitionSummary] = field(default_factory=list)
    own: list[InhibitionSummary] = field(default_factory=list)


class Inhibitions:
    """Takes believed entries in order, and the media as they pass. `wanted` says which sessions are asked for."""

    def __init__(self, findings: Findings, wanted: Callable[[bytes], bool]) -> None:
        self._findings = findings
        self._wanted = wanted
        self.all: dict[int, InhibitionSummary] = {}
        self._standing: dict[int, InhibitionSummary] = {}
        self._forbidden = {code: Forbidden() for code in InhibitionCode}
        self._spans: deque[Span] = deque(maxlen=SPANS_REMEMBERED)
        self._frame_ns = 0
        self._session = _Standing()
        self._doubted = False

    # --- J23 ---

    def doubt(self) -> None:
        """Entries are missing: an act that names one of them cannot be judged."""
        self._doubted = True
        self._standing.clear()
        for forbidden in self._forbidden.values():
            forbidden.doubt()

    def accept(self, entry: Entry) -> None:
        """One believed entry in its place."""
        for forbidden in self._forbidden.values():
            forbidden.meet(entry.common.clock[2])
        match entry.body:
            case Session(streams=streams):
                rate = next((row[4] for row in streams if row[0] == Stream.PICTURE), 0)
                self._frame_ns = NS_PER_SECOND // rate if rate else 0
                carried = list(self._standing.values())[:MOST_CARRIED]
                self._session = _Standing(carried=carried)
            case Inhibition():
                self._act(entry, entry.body)
            case _:
                pass

    def _act(self, entry: Entry, body: Inhibition) -> None:
        if not known(InhibitionCode, body.code) or not known(InhibitionAct, body.act):
            return
        boot, boottime_ns = entry.common.clock[2], entry.common.clock[1]
        if body.at[0] != boot or body.at[1] > boottime_ns:
            self._wrong(entry, "its moment is of another boot, or later than the entry itself")
        if body.act == InhibitionAct.SET:
            self._set(entry, body)
            return
        named = self.all.get(-1 if body.placed is None else body.placed)
        if named is None or named.code != body.code:
            if named is not None or not self._doubted:
                self._wrong(entry, "it names no entry that forbade this")
        elif body.act == InhibitionAct.APPROVED:
            self._approve(named, entry, body)
        else:
            self._clear(named, entry, body)

    def _set(self, entry: Entry, body: Inhibition) -> None:
        if body.placed is not None:
            self._wrong(entry, "it forbids, and names another entry")
        summary = InhibitionSummary(
            entry=entry.common.seq,
            code=body.code,
            session=entry.common.session_id,
            since=body.at,
            records=body.records,
            from_utc_ms=_utc_ms(entry, body.at[1]),
        )
        self.all[summary.entry] = self._standing[summary.entry] = summary
        self._session.own.append(summary)
        self._forbidden[InhibitionCode(body.code)].begin(summary.entry, self._since(summary))
        for span in self._spans:
            self._check(span, InhibitionCode(body.code))

    def _since(self, summary: InhibitionSummary) -> Instant:
        """From when on media is not excused (S11)."""
        tolerance_ns = INTERLOCK_BOUND_NS if summary.code == InhibitionCode.INTERLOCK else self._frame_ns
        return summary.since[0], summary.since[1] + tolerance_ns

    @staticmethod
    def _approve(named: InhibitionSummary, entry: Entry, body: Inhibition) -> None:
        """An approval may come when it is over; without a ground it is none."""
        if named.approved_by is None and any(label == RecordLabel.GROUND for label, _ in body.records):
            named.approved_by, named.approved_utc_ms = entry.common.seq, _utc_ms(entry, body.at[1])
            named.approval_records = body.records

    def _clear(self, named: InhibitionSummary, entry: Entry, body: Inhibition) -> None:
        if named.cleared_by is not None:
            self._wrong(entry, "it is over already")
            return
        if body.at[0] == named.since[0] and body.at[1] < named.since[1]:
            self._wrong(entry, "it is over before it began")
        named.cleared_by, named.until = entry.common.seq, body.at
        named.to_utc_ms = _utc_ms(entry, body.at[1])
        self._standing.pop(named.entry, None)
        reached = (entry.common.clock[2], max(body.at[1], entry.common.clock[1] - EDGE_NS))
        self._forbidden[InhibitionCode(body.code)].end(named.entry, self._since(named), reached)

    def _wrong(self, entry: Entry, words: str) -> None:
        session = entry.common.session_id
        if session is None or self._wanted(session):
            self._findings.add(Code.INHIBITION_ORDER, Place(entry=entry.common.seq, session=session), en=words)

    # --- S11 ---

    def media(self, span: Span) -> None:
        """The media of one segment."""
        self._spans.append(span)
        for code in InhibitionCode:
            self._check(span, code)

    def _check(self, span: Span, code: InhibitionCode) -> None:
        part = self._forbidden[code].within(span.since, span.until_ns)
        if part is None or not self._wanted(span.session):
            return
        offset_ms, length_ms = (part[0] - span.since[1]) // NS_PER_MS, -((part[0] - part[1]) // NS_PER_MS)
        self._findings.add(
            Code.RECORDED_WHILE_FORBIDDEN,
            Place(session=span.session, segment=span.number),
            zh=f"{code.words_zh}，自第 {offset_ms / 1000:.3f} 秒起 {length_ms} 毫秒",
            en=f"{code.words_en}, {length_ms} ms from second {offset_ms / 1000:.3f} on",
        )

    # --- J24 ---

    def judge(self, session: bytes, gaps: Sequence[GapSummary], opened: Instant | None, closed: Instant) -> None:
        """A session is over: gaps and inhibitions explain each other. `opened` is None where entries are missing."""
        mine, self._session = self._session, _Standing()
        if opened is None or not self._wanted(session):
            return
        both = [gap for gap in gaps if gap.stream is None and gap.since is not None]
        for code in InhibitionCode:
            self._uncovered(code, mine, both, (opened, closed))
        self._link(mine, both)
        self._unfounded(mine, session, both, closed)

    def _uncovered(
        self, code: InhibitionCode, mine: _Standing, gaps: Sequence[GapSummary], bounds: tuple[Instant, Instant]
    ) -> None:
        concerned = [(one, False) for one in mine.carried] + [(one, True) for one in mine.own]
        concerned = [(one, began) for one, began in concerned if one.code == code]
        if not concerned:
            return
        coverage = Coverage([gap for gap in gaps if CAUSES[code] & {gap.cause, gap.first_cause}], ())
        for one, began in concerned:
            since = one.since if began else bounds[0]
            until = one.until if one.until is not None else bounds[1]
            allowed_ns = ALLOWED_NS + (0 if began and one.until is not None else EDGE_NS)
            missing_ns = coverage.uncovered_ns(since, until)
            if missing_ns is None or missing_ns > allowed_ns:
                length = "" if missing_ns is None else f" {missing_ns // NS_PER_MS} ms"
                place = Place(entry=one.entry, session=one.session)
                zh = code.words_zh + length.replace("ms", "毫秒")
                self._findings.add(Code.INHIBITION_UNCOVERED, place, zh=zh, en=code.words_en + length)

    def _link(self, mine: _Standing, gaps: Sequence[GapSummary]) -> None:
        """Name in each gap what forbade recording in it."""
        causes = {code: cause for cause, code in CODE_OF_CAUSE.items()}
        for code in InhibitionCode:
            named = [(self._moment(gap.since), gap) for gap in gaps if causes[code] in (gap.cause, gap.first_cause)]
            named.sort(key=lambda pair: pair[0])
            for one in (*mine.carried, *mine.own):
                first = bisect_right(named, self._moment(one.since), key=lambda pair: pair[0]) - 1
                for since, gap in named[max(0, first) : max(0, first) + MOST_LINKED] if one.code == code else ():
                    ended = one.until is not None and since >= self._moment(one.until)
                    over = gap.until is not None and self._moment(gap.until) <= self._moment(one.since)
                    if not ended and not over:
                        gap.forbidden_by.append(one.entry)

    def _moment(self, instant: Instant | None) -> Moment:
        return (0, 0) if instant is None else (self._forbidden[InhibitionCode.WITHHELD].meet(instant[0]), instant[1])

    def _unfounded(self, mine: _Standing, session: bytes, gaps: Sequence[GapSummary], closed: Instant) -> None:
        for cause, code in CODE_OF_CAUSE.items():
            named = [gap for gap in gaps if cause in (gap.cause, gap.first_cause)]
            if not named:
                continue
            stood = [
                GapSummary(entry=one.entry, stream=None, cause=None, since=one.since, until=one.until)
                for one in (*mine.carried, *mine.own)
                if one.code == code
            ]
            coverage = Coverage(stood, ())
            for gap in named:
                if not _founded(gap, coverage, stood, closed):
                    place = Place(entry=gap.entry, session=session)
                    self._findings.add(Code.GAP_WITHOUT_INHIBITION, place, zh=cause.words_zh, en=cause.words_en)

    def asked_for(self) -> list[InhibitionSummary]:
        """Those of the sessions that are asked for, and those of none."""
        return [one for one in self.all.values() if one.session is None or self._wanted(one.session)]

    def conclude(self) -> None:
        """Nothing follows: what is withheld without approval is told in every report until somebody approves it."""
        for one in self.asked_for():
            if one.unapproved:
                self._findings.add(
                    Code.WITHHELD_UNAPPROVED, Place(entry=one.entry, session=one.session), en=f"entry {one.entry}"
                )


def _founded(gap: GapSummary, coverage: Coverage, stood: Sequence[GapSummary], closed: Instant) -> bool:
    """Something of this gap lies in what forbade it, and no more than the edges do not."""
    if gap.since is None or not stood:
        return False
    until = gap.until or closed
    missing_ns = coverage.uncovered_ns(gap.since, until)
    if missing_ns is None or missing_ns > EDGE_NS:
        return False
    return gap.since[0] != until[0] or until[1] <= gap.since[1] or missing_ns < until[1] - gap.since[1]


def _utc_ms(entry: Entry, boottime_ns: int) -> int:
    return entry.common.clock[0] + (boottime_ns - entry.common.clock[1]) // NS_PER_MS
