"""What the entries say of sessions, segments and gaps (FORMAT.md 5; steps J9 to J12, J15 to J17, S8, S10).

Owns one small summary per session and per gap, and the state of the session that is open. Segment files are verified as
their statements pass by, so nothing grows with the length of a recording but these summaries.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from liuhen.entry import Entry
from liuhen.findings import Code, Findings, Place, Verdict
from liuhen.hashing import ZERO_HASH, running_hash
from liuhen.kinds import (
    Amend,
    Clock,
    Destroyed,
    Event,
    Gap,
    GapEnd,
    Heartbeat,
    Instant,
    Key,
    LateMark,
    Mark,
    Reclaimed,
    Recovered,
    Segment,
    Session,
    SessionEnd,
)
from liuhen.ranges import Ranges
from liuhen.registry import DutyCode, EndCause, EntryClass, MarkCode, Stream
from liuhen.verify_codes import unknown_codes
from liuhen.verify_duties import Duties, DutySummary
from liuhen.verify_gaps import REACHES_BACK_NS, Coverage, GapSummary
from liuhen.verify_inhibitions import Inhibitions, Span
from liuhen.verify_journal import NS_PER_MS, Chain
from liuhen.verify_marks import Marks, mark_of
from liuhen.verify_media import Media
from liuhen.verify_proceedings import ProceedingsCheck
from liuhen.verify_promises import Promises
from liuhen.verify_segment import Outcome
from liuhen.verify_told import Told, event_words
from liuhen.verify_totals import MediaSpan, Totals, recorded, totals
from liuhen.verify_visits import VisitsCheck

ALLOWED_HOLE_NS = 250 * NS_PER_MS
ALLOWED_EDGE_NS = REACHES_BACK_NS
ALLOWED_THIN_NS = 1_000 * NS_PER_MS
THIN_DIVISOR = 10
NS_PER_SECOND = 1_000 * NS_PER_MS
BOOTS_REMEMBERED = 16
MOST_STRANGERS = 1000
MOST_UNBOUNDED = 64
EVENTS_REMEMBERED = 256
MOST_SPOKEN = 8
STREAM_WORDS: dict[int, tuple[str, str]] = {Stream.PICTURE: ("画面", "picture"), Stream.SOUND: ("声音", "sound")}


@dataclass(slots=True, kw_only=True)
class SessionSummary:
    """What the report says of one session."""

    id: bytes
    ordinal: int | None = None
    segments: int = 0
    frames: int = 0
    samples: int = 0
    started_utc_ms: int | None = None
    ended_utc_ms: int | None = None
    last_media_utc_ms: int | None = None
    ended: bool = False
    gaps: list[GapSummary] = field(default_factory=list)
    marks: Marks = field(default_factory=Marks)
    spans: list[MediaSpan] = field(default_factory=list)
    """Where there is media, ascending; what follows without a break is one span, so there are few."""
    totals: Totals | None = None
    """None until the session's first and last entries are known."""

    @property
    def recorded_ns(self) -> int:
        """How long there was media of either stream."""
        return recorded(self.spans, self.gaps)

    @property
    def media(self) -> MediaSpan | None:
        """Where the session's media begins and ends."""
        return (self.spans[0][0], self.spans[-1][1]) if self.spans else None

    def hold(self, since: Instant, until: Instant) -> None:
        """Media from here to there, within one boot; what overlaps the media before it counts once."""
        if self.spans and self.spans[-1][1][0] == since[0]:
            first, last = self.spans[-1]
            if since[1] <= last[1]:
                self.spans[-1] = (first, max(last, until))
                return
        self.spans.append((since, until))


def _within(recovered: GapSummary, gap: GapSummary) -> bool:
    """Whether an interruption that a `recovered` entry tells began inside a gap that is told already.

    A withholding during which the power was cut is one interruption, with one cause, and not two.
    """
    if gap.since is None or recovered.since is None or gap.since[0] != recovered.since[0]:
        return False
    ended_before = gap.until is not None and gap.until[0] == gap.since[0] and gap.until[1] <= recovered.since[1]
    return gap.since[1] <= recovered.since[1] and (not ended_before or gap.since == recovered.since)


@dataclass(slots=True, kw_only=True)
class _Hole:
    """Time without a stream that gaps must cover, but for what is allowed and for the media that lie in it."""

    number: int | None
    stream: int
    since: Instant
    until: Instant
    allowed_ns: int = ALLOWED_HOLE_NS
    media_ns: int = 0
    shared_ns: int = 0
    """How much of this time a neighbouring segment has in its span too: there the one stream is ahead of the other."""

    @property
    def left_ns(self) -> int:
        """What a segment has and misses of a stream beyond its own time: it was missing before the next began."""
        return max(0, self.media_ns - (self.until[1] - self.since[1]))


@dataclass(slots=True, kw_only=True)
class _Open:
    """The open session: what the next of its entries must continue."""

    summary: SessionSummary
    promise: tuple[int, int, int, int] | None
    whole: bool = True
    next_number: int = 0
    last_r: bytes | None = ZERO_HASH
    next_frame: int = 0
    next_sample: int = 0
    stated: Ranges = field(default_factory=Ranges)
    position: tuple[int, int, bytes] | None = None
    stream_ends: dict[int, Instant] = field(default_factory=dict)
    thin: dict[int, _Hole] = field(default_factory=dict)
    """The newest segment's time for each of its streams, until the next one tells how far it reaches."""
    last_until: Instant | None = None
    """Until when the newest segment lasts."""
    left_ns: dict[int, int] = field(default_factory=dict)
    """Of each stream what its newest segment misses beyond its own time."""
    holes: list[_Hole] = field(default_factory=list)
    recovered: list[GapSummary] = field(default_factory=list)
    unbounded: deque[GapSummary] = field(default_factory=lambda: deque(maxlen=MOST_UNBOUNDED))
    own_gaps: set[int] = field(default_factory=set)
    unknown_gaps: list[GapSummary] = field(default_factory=list)
    opened: Instant | None = None
    opened_clock: Clock | None = None
    rates: dict[int, int] = field(default_factory=dict)
    known: bool = True
    media_end: Instant | None = None
    boots_left: deque[bytes] = field(default_factory=lambda: deque(maxlen=BOOTS_REMEMBERED))

    def moves_on(self, since: Instant, until: Instant) -> bool:
        """Whether these media end no earlier than those before; what is put into a gap later stands behind it.

        They may begin earlier: sound that came back waits for the picture's next keyframe and begins the next segment.
        """
        before = self.media_end
        if before is not None and before[0] != since[0]:
            self.boots_left.append(before[0])
            self.media_end = until
            return since[0] not in self.boots_left
        self.media_end = until if before is None else max(before, until)
        return before is None or until[1] + ALLOWED_HOLE_NS >= before[1]


class Sessions:
    """Takes believed entries in order. Ends with `conclude`, when nothing follows."""

    def __init__(self, findings: Findings, media: Media) -> None:
        self._findings = findings
        self._media = media
        self._open: _Open | None = None
        self.summaries: dict[bytes, SessionSummary] = {}
        self._gaps: dict[int, GapSummary] = {}
        self._promises = Promises(findings)
        self._told = Told(findings, media.ring, media.wanted)
        self.inhibitions = Inhibitions(findings, media.wanted)
        self.duties = Duties(findings, media.wanted)
        self.proceedings = ProceedingsCheck(findings, media.wanted)
        self.visits = VisitsCheck(findings, media.wanted)
        self._events: dict[int, tuple[str, str]] = {}
        self._anchors: dict[bytes, tuple[int, int]] = {}
        self._ordinal: int | None = 0
        self._breaks = 0
        self._doubted = False
        self.records: dict[bytes, int] = {}
        self._strange = 0

    def accept(self, entry: Entry, chain: Chain) -> None:
        """One believed entry in its place."""
        if chain.breaks != self._breaks:
            self._breaks = chain.breaks
            self._doubt()
        self._anchor(entry)
        self._check_membership(entry, chain)
        self._promises.accept(entry)
        self._note_words(entry)
        self._told.accept(entry)
        self.inhibitions.accept(entry)
        self.duties.accept(entry)
        self._dispatch(entry, chain)
        self.proceedings.accept(entry)
        self.visits.accept(entry)

    def _dispatch(self, entry: Entry, chain: Chain) -> None:
        match entry.body:
            case Session():
                self._begin(entry, entry.body, chain)
            case Segment():
                self._state(entry, entry.body, chain)
            case Gap() | GapEnd() | Mark() | LateMark():
                self._interrupt(entry, entry.body)
            case Heartbeat():
                if self._open is not None and entry.body.position is not None:
                    self._open.position = entry.body.position
            case SessionEnd():
                self._end(entry, entry.body, chain)
            case _:
                self._others(entry, chain)

    def _others(self, entry: Entry, chain: Chain) -> None:
        match entry.body:
            case Recovered():
                self._recover(entry, entry.body, chain)
            case Amend():
                self._amend(entry, entry.body, chain)
            case Key(old_head=old, last_trusted=trusted):
                for named in (old, trusted):
                    if named is not None:
                        self._media.heads.note(named, Place(entry=entry.common.seq), chain, Code.REFERENCE_WRONG)
            case None:
                self._unknown(entry)
            case _:
                pass

    # --- J9: sessions ---

    def _doubt(self) -> None:
        """Entries are missing: what they said is unknown, so what comes next is taken as it says."""
        self._ordinal = None
        self._doubted = True
        self._promises.forget()
        self.inhibitions.doubt()
        self.duties.doubt()
        self.proceedings.doubt()
        self.visits.doubt()
        if self._open is not None:
            self._open.known = self._open.whole = False
            self._open.position = self._open.opened = self._open.opened_clock = None

    def _check_membership(self, entry: Entry, chain: Chain) -> None:
        """An entry names the open session or none; after a break the session it names is taken to be open."""
        named = entry.common.session_id
        if isinstance(entry.body, Session) or named is None:
            if named is None and isinstance(entry.body, (Session, SessionEnd, Segment, Gap, GapEnd)):
                self._wrong(Code.SESSION_ORDER, entry, "it names no session")
            return
        if self._open is not None and named == self._open.summary.id:
            return
        if isinstance(entry.body, (Amend, Destroyed, Reclaimed)):
            return
        if chain.certain and (self._open is None or self._open.known):
            self._wrong(Code.SESSION_ORDER, entry, "it names a session that is not open")
            return
        self._close_files(chain, ended=True)
        summary = self.summaries.setdefault(named, SessionSummary(id=named))
        self._open = _Open(summary=summary, promise=None, known=False, whole=False, last_r=None)

    def _begin(self, entry: Entry, body: Session, chain: Chain) -> None:
        named = entry.common.session_id
        if named is None:
            return
        if self._open is not None:
            if self._open.known:
                self._wrong(Code.SESSION_ORDER, entry, "a session begins while another is open")
            self._close_files(chain, ended=True)
        if named in self.summaries:
            self._wrong(Code.SESSION_REUSED, entry, "")
        if self._ordinal is not None and body.ordinal != self._ordinal + 1:
            self._wrong(Code.SESSION_ORDER, entry, f"its ordinal is {body.ordinal}, not {self._ordinal + 1}")
        self._ordinal = body.ordinal
        summary = SessionSummary(id=named, ordinal=body.ordinal, started_utc_ms=entry.common.clock[0])
        self.summaries[named] = summary
        self._open = _Open(summary=summary, promise=body.promise)
        self._open.opened = (entry.common.clock[2], entry.common.clock[1])
        self._open.opened_clock = entry.common.clock
        self._open.rates = {row[0]: row[4] if row[0] == Stream.PICTURE else row[2] for row in body.streams}

    def _end(self, entry: Entry, body: SessionEnd, chain: Chain) -> None:
        state = self._of(entry)
        if state is None:
            return
        state.summary.ended, state.summary.ended_utc_ms = True, entry.common.clock[0]
        for gap in state.summary.gaps:
            if not gap.closed:
                self._wrong(Code.GAP_ORDER, entry, f"gap {gap.entry} is still open")
        counted = (state.next_number, state.next_frame, state.next_sample, len(state.summary.gaps))
        said = (body.segments, body.frames, body.samples, body.gaps)
        if state.whole and counted != said:
            self._wrong(Code.SESSION_COUNT_WRONG, entry, f"{said} / {counted}")
        self._check_end(state, entry)
        self._close_files(chain, ended=True)

    def _of(self, entry: Entry) -> _Open | None:
        """The open session, if the entry belongs to it."""
        if self._open is None or entry.common.session_id != self._open.summary.id:
            return None
        return self._open

    def _wrong(self, code: Code, entry: Entry, words: str) -> None:
        self._findings.add(code, Place(entry=entry.common.seq, session=entry.common.session_id), en=words)

    # --- J10: segments ---

    def _state(self, entry: Entry, body: Segment, chain: Chain) -> None:
        state = self._of(entry)
        if state is None:
            return
        self._check_order(state, entry, body)
        self._check_position(state, entry, body)
        authentic = self._findings.verdicts[Verdict.AUTHENTIC]
        outcome = self._media.stated(state.summary.id, body, entry, chain)
        authentic = self._findings.verdicts[Verdict.AUTHENTIC] - authentic
        sealer = outcome.identity if outcome is not None else None
        self._media.ring.judged(entry.envelope.kid, entry.common.seq, authentic, sealer)
        self._check_holes(state, entry, body, outcome)
        state.stated.add(body.number)
        state.next_number, state.last_r, state.known = body.number + 1, body.last, True
        state.next_frame, state.next_sample = sum(body.frames), sum(body.samples)
        state.summary.segments += 1
        state.summary.frames += body.frames[1]
        state.summary.samples += body.samples[1]

    def _check_order(self, state: _Open, entry: Entry, body: Segment) -> None:
        expected = (state.next_number, state.last_r, state.next_frame, state.next_sample)
        said = (body.number, body.previous, body.frames[0], body.samples[0])
        names = ("number", "previous", "first frame", "first sample")
        wrong = [name for name, a, b in zip(names, expected, said, strict=True) if a != b]
        if state.known and wrong:
            place = Place(entry=entry.common.seq, session=state.summary.id, segment=body.number)
            self._findings.add(Code.SEGMENT_ORDER, place, en=", ".join(wrong))
        if body.number in state.stated:
            self._wrong(Code.SEGMENT_ORDER, entry, f"segment {body.number} is stated twice")

    def _check_position(self, state: _Open, entry: Entry, body: Segment) -> None:
        """A heartbeat named a durable fragment of this segment: the statement must contain it."""
        if state.position is None or state.position[0] != body.number:
            return
        _, fragment, r_promised = state.position
        r = body.initial
        for _, h, _, _ in body.fragments[:fragment]:
            r = running_hash(r, h)
        if fragment > len(body.fragments) or r != r_promised:
            self._wrong(Code.REFERENCE_WRONG, entry, f"a heartbeat knew fragment {fragment} of segment {body.number}")
        state.position = None

    # --- S10: holes ---

    def _check_holes(self, state: _Open, entry: Entry, body: Segment, outcome: Outcome | None) -> None:
        """Note where a stream was absent between two segments; gaps may be closed later, so it is judged at the end."""
        boot = self._boot_of(entry, body, outcome)
        if boot is None:
            self._judge_thin(state, None)
            state.stream_ends.clear()
            state.opened = state.last_until = None
            return
        since, until = (boot, body.span_ns[0]), (boot, body.span_ns[1])
        shared_ns = self._judge_thin(state, since)
        self._bound_recovered(state, since)
        sealed = outcome.last_seal.span_ns[1] if outcome is not None and outcome.last_seal is not None else 0
        self._hold(state, body.number, since, (boot, max(until[1], sealed)))
        if not state.moves_on(since, until):
            self._wrong(Code.SEGMENT_ORDER, entry, f"segment {body.number} is older than what was stated before it")
        for stream, count in ((Stream.PICTURE, body.frames[1]), (Stream.SOUND, body.samples[1])):
            if not count:
                continue
            before = state.stream_ends.get(stream)
            first = before is None and state.opened is not None and stream in state.rates
            begun, allowed_ns = (state.opened, ALLOWED_EDGE_NS) if first else (before, ALLOWED_HOLE_NS)
            if begun is not None and (begun[0] != boot or since[1] - begun[1] > allowed_ns):
                hole = _Hole(number=body.number, stream=stream, since=begun, until=since, allowed_ns=allowed_ns)
                hole.media_ns = state.left_ns.get(stream, 0)
                state.holes.append(hole)
            hole = _Hole(number=body.number, stream=stream, since=since, until=until, shared_ns=shared_ns)
            self._check_thin(state, body, hole)
            state.stream_ends[stream] = until
        state.last_until = until
        state.summary.last_media_utc_ms = self._utc_ms((boot, body.span_ns[1]))

    def _hold(self, state: _Open, number: int, since: Instant, until: Instant) -> None:
        """Media was captured from here to there: what it adds up to, which marks lie in it, was it forbidden (S11)."""
        state.summary.hold(since, until)
        state.summary.marks.place(number, since, until)
        self.proceedings.place(number, since, until)
        span = Span(session=state.summary.id, number=number, since=since, until_ns=until[1])
        self.inhibitions.media(span)

    @staticmethod
    def _check_thin(state: _Open, body: Segment, span: _Hole) -> None:
        """A segment's span holds as much of a stream as it lasts, but for what it states as missing."""
        state.left_ns.pop(span.stream, None)
        rate = state.rates.get(span.stream, 0)
        if not rate or body.end_cause == EndCause.RECOVERED:
            return
        count = (body.frames, body.samples)[span.stream][1] + body.missed[span.stream]
        lasted_ns = span.until[1] - span.since[1]
        span.media_ns = count * NS_PER_SECOND // rate
        span.allowed_ns = ALLOWED_THIN_NS + lasted_ns // THIN_DIVISOR
        if span.stream not in state.stream_ends:
            span.allowed_ns += ALLOWED_EDGE_NS
        state.thin[span.stream] = span

    @staticmethod
    def _judge_thin(state: _Open, since: Instant | None) -> int:
        """The newest segment is followed by one that begins here; returns how much time lies in both.

        A stream that is behind the other begins a segment before the one before it ends: what a span holds of it is
        shorter by that much, and nothing is missing. Of what it shares with either neighbour the longer is taken off.
        """
        last = state.last_until
        shared_ns = max(0, last[1] - since[1]) if since is not None and last is not None and last[0] == since[0] else 0
        for stream, span in state.thin.items():
            span.shared_ns = max(span.shared_ns, min(shared_ns, span.until[1] - span.since[1]))
            state.left_ns[stream] = span.left_ns
            if span.until[1] - span.since[1] - span.media_ns - span.shared_ns > span.allowed_ns:
                span.media_ns += span.shared_ns
                state.holes.append(span)
        state.thin.clear()
        return shared_ns

    @staticmethod
    def _bound_recovered(state: _Open, since: Instant) -> None:
        """What a `recovered` entry covers ends where its run's first media begin."""
        for gap in list(state.unbounded):
            if gap.until is not None and gap.until[0] == since[0] and gap.until[1] - ALLOWED_EDGE_NS <= since[1]:
                gap.until = min(gap.until, since)
                state.unbounded.remove(gap)

    def _check_end(self, state: _Open, entry: Entry) -> None:
        """From a promised stream's last media, or from the beginning, to the end of the session."""
        now: Instant = (entry.common.clock[2], entry.common.clock[1])
        if state.opened is None:
            return
        for stream in state.rates:
            since = state.stream_ends.get(stream)
            hole = _Hole(number=None, stream=stream, since=since or state.opened, until=now, allowed_ns=ALLOWED_EDGE_NS)
            state.holes.append(hole)
            gaps = [gap for gap in state.summary.gaps if gap.stream in (None, stream)]
            if since is None and state.summary.segments and not gaps:
                zh, en = STREAM_WORDS[stream]
                self._findings.add(
                    Code.STREAM_ABSENT, Place(entry=entry.common.seq, session=state.summary.id), zh=zh, en=en
                )

    @staticmethod
    def _boot_of(entry: Entry, body: Segment, outcome: Outcome | None) -> bytes | None:
        if outcome is not None and outcome.identity is not None:
            return outcome.identity.clock[2]
        return None if body.end_cause == EndCause.RECOVERED else entry.common.clock[2]

    def _judge_holes(self, state: _Open) -> None:
        self._judge_thin(state, None)
        gaps = state.summary.gaps
        covers = {
            stream: Coverage([gap for gap in gaps if gap.stream in (None, stream)], state.recovered)
            for stream in {hole.stream for hole in state.holes}
        }
        for hole in state.holes:
            missing_ns = covers[hole.stream].uncovered_ns(hole.since, hole.until)
            if missing_ns is not None:
                missing_ns -= hole.media_ns
            if missing_ns is None or missing_ns > hole.allowed_ns:
                place = Place(session=state.summary.id, segment=hole.number)
                length = "" if missing_ns is None else f" {missing_ns // NS_PER_MS} ms"
                zh, en = STREAM_WORDS[hole.stream]
                self._findings.add(
                    Code.HOLE_UNEXPLAINED, place, zh=zh + length.replace("ms", "毫秒"), en=f"{en}{length}"
                )

    # --- J11: gaps ---

    def _interrupt(self, entry: Entry, body: Gap | GapEnd | Mark | LateMark) -> None:
        match body:
            case Gap():
                self._gap(entry, body)
            case GapEnd():
                self._gap_end(entry, body)
            case Mark():
                self._mark(entry, body)
            case LateMark():
                self._check_refers(entry, body.refers_to)

    def _gap(self, entry: Entry, body: Gap) -> None:
        state = self._of(entry)
        if state is None:
            return
        gap = GapSummary(entry=entry.common.seq, stream=body.stream, cause=body.cause, since=body.since)
        gap.from_utc_ms = self._utc_ms(body.since)
        gap.measured = body.measured
        gap.evidence = tuple((seq, *self._events[seq]) for seq in body.evidence if seq in self._events)
        state.summary.gaps.append(gap)
        state.own_gaps.add(gap.entry)
        self._gaps[gap.entry] = gap

    def _gap_end(self, entry: Entry, body: GapEnd) -> None:
        state = self._of(entry)
        gap = self._gaps.get(body.gap_seq)
        if state is None:
            return
        if gap is None or gap.closed or body.gap_seq not in state.own_gaps:
            if state.whole:
                self._wrong(Code.GAP_ORDER, entry, f"{body.gap_seq} is no open gap of this session")
            return
        gap.closed, gap.until, gap.length_ns = True, body.until, body.length_ns
        gap.to_utc_ms, gap.resumed = self._utc_ms(body.until), bool(body.resumed)
        self._check_length(entry, gap, body)

    def _check_length(self, entry: Entry, gap: GapSummary, body: GapEnd) -> None:
        low, high = body.length_ns
        one_boot = gap.since is not None and gap.since[0] == body.until[0]
        exact = body.until[1] - gap.since[1] if one_boot and gap.since is not None else None
        if low > high or (exact is not None and not low == high == exact):
            self._wrong(Code.GAP_ORDER, entry, "its length is not that between its bounds")

    def _mark(self, entry: Entry, body: Mark) -> None:
        self._check_refers(entry, body.refers_to)
        state, mark = self._of(entry), mark_of(entry, body)
        if state is not None:
            state.summary.marks.add(mark)
        gap = self._gaps.get(-1 if body.refers_to is None else body.refers_to)
        if body.code == MarkCode.SPOKEN_EXPLANATION and gap is not None and len(gap.spoken) < MOST_SPOKEN:
            gap.spoken.append(mark)

    def _recover(self, entry: Entry, body: Recovered, chain: Chain) -> None:
        if body.head is not None:
            self._media.heads.note(body.head, Place(entry=entry.common.seq), chain, Code.REFERENCE_WRONG)
        if body.since is None or self._open is None:
            return
        gap = GapSummary(entry=entry.common.seq, stream=None, cause=body.cause, since=body.since)
        gap.until = (entry.common.clock[2], entry.common.clock[1] + ALLOWED_EDGE_NS)
        gap.from_utc_ms, gap.length_ns = self._utc_ms(body.since), body.length_ns
        self._open.recovered.append(gap)
        self._open.unbounded.append(gap)
        self._gaps[gap.entry] = gap

    def _amend(self, entry: Entry, body: Amend, chain: Chain) -> None:
        self._check_refers(entry, body.refers_to)
        named = (body.refers_to, body.refers_to_hash)
        self._media.heads.note(named, Place(entry=entry.common.seq), chain, Code.REFERENCE_WRONG)
        gap = self._gaps.get(body.refers_to)
        if gap is not None:
            gap.length_ns = body.length_ns or gap.length_ns
            if body.cause is not None:
                first = gap.cause if gap.first_cause is None else gap.first_cause
                gap.first_cause, gap.cause, gap.amended_by = first, body.cause, entry.common.seq
        elif body.cause is not None and not self._doubted:
            named_zh, named_en = f"第 {body.refers_to} 号条目", f"entry {body.refers_to}"
            place = Place(entry=entry.common.seq, session=entry.common.session_id)
            self._findings.add(Code.AMEND_WITHOUT_GAP, place, zh=named_zh, en=named_en)

    def _check_refers(self, entry: Entry, refers_to: int | None) -> None:
        """Step J15: nothing refers to itself or to what is not yet written."""
        if refers_to is not None and refers_to >= entry.common.seq:
            self._wrong(Code.REFERENCE_WRONG, entry, f"entry {refers_to} does not come before it")

    # --- J16: what is not known ---

    def _unknown(self, entry: Entry) -> None:
        match entry.common.entry_class:
            case EntryClass.OPENS_GAP if self._open is not None:
                gap = GapSummary(entry=entry.common.seq, stream=None, cause=None, since=None)
                gap.from_utc_ms = entry.common.clock[0]
                self._open.summary.gaps.append(gap)
                self._open.own_gaps.add(gap.entry)
                self._open.unknown_gaps.append(gap)
                self._open.whole = False
                self._gaps[gap.entry] = gap
            case EntryClass.CLOSES_GAP if self._open is not None:
                while self._open.unknown_gaps:
                    gap = self._open.unknown_gaps.pop()
                    if gap.cause is None and not gap.closed:
                        gap.closed, gap.to_utc_ms = True, entry.common.clock[0]
                        break
            case EntryClass.STATE:
                self._wrong(Code.UNKNOWN_STATE_KIND, entry, entry.kind)
                if self._open is not None:
                    self._open.known = self._open.whole = False
            case _:
                pass

    def _note_words(self, entry: Entry) -> None:
        """Unknown codes, what events refer to, and the records that are promised."""
        for words in unknown_codes(entry.body):
            self._wrong(Code.UNKNOWN_CODE, entry, words)
        if isinstance(entry.body, Event):
            self._check_refers(entry, entry.body.refers_to)
            self._events[entry.common.seq] = event_words(entry.body)
            if len(self._events) > EVENTS_REMEMBERED:
                del self._events[next(iter(self._events))]
        named = entry.common.session_id
        if named is None or self._media.wanted(named):
            for _, commitment in getattr(entry.body, "records", ()):
                self.records.setdefault(commitment, entry.common.seq)

    # --- time ---

    def _anchor(self, entry: Entry) -> None:
        utc_ms, boottime_ns, boot, _, _ = entry.common.clock
        self._anchors[boot] = (utc_ms, boottime_ns)
        if len(self._anchors) > BOOTS_REMEMBERED:
            del self._anchors[next(iter(self._anchors))]

    def _utc_ms(self, instant: Instant | None) -> int | None:
        anchor = self._anchors.get(instant[0]) if instant is not None else None
        if instant is None or anchor is None:
            return None
        return anchor[0] + (instant[1] - anchor[1]) // NS_PER_MS

    # --- the end of a session, with or without its entry ---

    def _close_files(self, chain: Chain, *, ended: bool) -> None:
        """Judge the session's holes and the files no statement speaks of, then forget its state."""
        state, self._open = self._open, None
        if state is None:
            return
        told = tuple(gap for gap in state.summary.gaps if gap.stream is None)
        self._judge_holes(state)
        if chain.last is not None:
            clock = chain.last.common.clock
            self.inhibitions.judge(state.summary.id, state.summary.gaps, state.opened, (clock[2], clock[1]))
        state.summary.gaps += [gap for gap in state.recovered if not any(_within(gap, one) for one in told)]
        present = [n for n in self._media.numbers(state.summary.id) if n not in state.stated]
        if ended or not state.known:
            self._unstated(state, present, chain)
        else:
            self._unstated(state, [n for n in present if n < state.next_number], chain)
            self._unfinished(state, [n for n in present if n >= state.next_number], chain)
        state.summary.marks.close()
        self._total(state, chain)

    @staticmethod
    def _total(state: _Open, chain: Chain) -> None:
        """Recorded time and gaps against the length of the session, where its first and last entries are known."""
        summary = state.summary
        if state.opened_clock is not None and chain.last is not None:
            summary.totals = totals(
                state.opened_clock,
                chain.last.common.clock,
                gaps=summary.gaps,
                spans=summary.spans,
                alone=next(iter(state.rates)) if len(state.rates) == 1 else None,
            )

    def _unstated(self, state: _Open, numbers: Iterable[int], chain: Chain) -> None:
        """Step S8: files that a complete journal would have stated."""
        for number in self._media.ahead(state.summary.id, numbers):
            outcome = self._media.unstated(state.summary.id, number, may_be_open=False, chain=chain)
            place = Place(session=state.summary.id, segment=number)
            words = (
                f"其 {outcome.fragments} 片依封签核验",
                f"{outcome.fragments} of its fragments hold by their seals",
            )
            self._findings.add(Code.SEGMENT_UNSTATED, place, zh=words[0], en=words[1])

    def _unfinished(self, state: _Open, numbers: list[int], chain: Chain) -> None:
        """Step S8: files written after the last statement of a session that nothing ended."""
        last = max(numbers, default=state.next_number)
        self._check_promised(state, numbers, last)
        expected = state.next_number
        for number in self._media.ahead(state.summary.id, sorted(numbers), last=last):
            if number > expected:
                self._findings.add(
                    Code.SEGMENT_MISSING,
                    Place(session=state.summary.id, segment=expected),
                    zh=f"{expected} … {number - 1} 号；后一段尚在",
                    en=f"{expected} … {number - 1}; the next one is here",
                )
                state.last_r = None
            expected = number + 1
            place = Place(session=state.summary.id, segment=number)
            self._findings.add(Code.SEGMENT_BEFORE_STATEMENT, place)
            outcome = self._media.unstated(state.summary.id, number, may_be_open=number == last, chain=chain)
            self._continue_by_seals(state, outcome, place)

    def _continue_by_seals(self, state: _Open, outcome: Outcome, place: Place) -> None:
        identity = outcome.identity
        if identity is not None and state.last_r is not None and identity.previous != state.last_r:
            self._findings.add(Code.SEGMENT_CHAIN_BROKEN, place, en="it names another predecessor")
        if state.position is not None and state.position[0] == place.segment:
            _, fragment, r = state.position
            if outcome.fragments < fragment or (outcome.fragments == fragment and outcome.r not in (None, r)):
                self._findings.add(Code.TAIL_MISSING, place, en=f"{outcome.fragments} / {fragment} fragments")
                self._findings.verdicts[Verdict.MISSING_UNEXPLAINED] += max(0, fragment - outcome.fragments)
        state.last_r = outcome.r
        state.summary.segments += 1
        state.summary.frames += outcome.frames
        state.summary.samples += outcome.samples
        if identity is not None and outcome.span_ns is not None:
            boot = identity.clock[2]
            self._hold(state, identity.segment, (boot, outcome.span_ns[0]), (boot, outcome.span_ns[1]))
            utc_ms, boottime_ns = identity.clock[0], identity.clock[1]
            state.summary.last_media_utc_ms = utc_ms + (outcome.span_ns[1] - boottime_ns) // NS_PER_MS

    def _check_promised(self, state: _Open, numbers: list[int], last: int) -> None:
        """A heartbeat promised durable media in a file that is not there."""
        position = state.position
        if position is None or not self._media.wanted(state.summary.id) or position[0] < state.next_number:
            return
        if not numbers or position[0] > last:
            place = Place(session=state.summary.id, segment=position[0])
            words = (f"心跳条目曾见其第 {position[1]} 片", f"a heartbeat knew its fragment {position[1]}")
            self._findings.add(Code.SEGMENT_MISSING, place, zh=words[0], en=words[1])
            self._findings.verdicts[Verdict.MISSING_UNEXPLAINED] += position[1]

    def conclude(self, chain: Chain) -> None:
        """Nothing follows: step J17, the files of the open session, and gaps nobody explained."""
        if self._open is not None:
            last = chain.last.common.seq if chain.last is not None else None
            self._findings.add(Code.SESSION_OPEN_END, Place(session=self._open.summary.id, entry=last))
            self._close_files(chain, ended=False)
        self._strangers(chain)
        self._explain_in_writing()
        self.inhibitions.conclude()
        self.duties.conclude()
        self.proceedings.conclude()
        self.visits.conclude()
        for summary in self.summaries.values():
            for gap in summary.gaps:
                if not gap.explained:
                    self._findings.add(Code.GAP_UNEXPLAINED, Place(session=summary.id, entry=gap.entry), en=gap.entry)

    def _explain_in_writing(self) -> None:
        """A written statement that was given explains the gap it is owed for, or those its session ended with."""
        ends: dict[bytes, DutySummary] = {}
        for duty in self.duties.all.values():
            if duty.code != DutyCode.WRITTEN_STATEMENT or duty.discharged_by is None:
                continue
            gap = self._gaps.get(duty.about_entry)
            if gap is not None:
                gap.written = duty
            elif duty.session is not None:
                ends[duty.session] = duty
        for session, duty in ends.items():
            gaps = self.summaries[session].gaps if session in self.summaries else []
            handed_over = {gap.since for gap in gaps}
            for gap in gaps:
                if gap.resumed is False and gap.until not in handed_over and gap.written is None:
                    gap.written = duty

    def _strangers(self, chain: Chain) -> None:
        """Step S8: directories of sessions that no believed entry names."""
        for session in self._media.sessions():
            numbers = [] if session in self.summaries else self._media.numbers(session)
            if numbers:
                summary = SessionSummary(id=session)
                self._strange += 1
                if self._strange <= MOST_STRANGERS:
                    self.summaries[session] = summary
                self._unstated(_Open(summary=summary, promise=None, known=False, whole=False), numbers, chain)
