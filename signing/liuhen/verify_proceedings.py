"""What a session followed, what was marked late, who was told, how its place was shown (FORMAT.md 5.9; J27, J28).

Owns one `Told` for each session that says what it follows or is about; of any other only its beginning is kept, and
nothing of it is judged, so that archives from before these kinds read as they did.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from liuhen.entry import Entry
from liuhen.findings import Code, Findings, Place
from liuhen.kinds import Header, Instant, LateMark, Plate, Procedure, Segment, Session, SessionEnd
from liuhen.proceedings import NS_PER_MS, NoticeFault, Told

MOST_SPANS = 4096
"""Segments of the open session whose time is remembered, to say where a mark is to be heard."""
_FAULT_CODES = {
    NoticeFault.MISSING: Code.NOTICE_MISSING,
    NoticeFault.LATE: Code.NOTICE_LATE,
    NoticeFault.EMPTY_ROOM: Code.NOTICE_TO_NOBODY,
    NoticeFault.NOT_BEFORE_FIRST_STEP: Code.NOTICE_MISSING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Where to put the player: a segment, and milliseconds in it."""

    segment: int
    offset_ms: int


@dataclass(slots=True, kw_only=True)
class ProceedingsSummary:
    """A session that says what it follows, and where each of its marks can be heard, by the mark's entry."""

    told: Told
    heard: dict[int, Heard] = field(default_factory=dict)


class ProceedingsCheck:
    """Takes believed entries and the media of each session in order."""

    def __init__(self, findings: Findings, wanted: Callable[[bytes], bool]) -> None:
        self._findings = findings
        self._wanted = wanted
        self.summaries: dict[bytes, ProceedingsSummary] = {}
        self._told: dict[bytes, Told] = {}
        self._spans: deque[tuple[int, Instant, Instant]] = deque(maxlen=MOST_SPANS)
        self._last: tuple[bytes, Segment] | None = None
        self._plates: list[tuple[bytes, int, Plate]] = []
        self._doubted: set[bytes] = set()

    def doubt(self) -> None:
        """Entries are missing: what a session that is open now did not say cannot be held against it."""
        self._doubted |= self._told.keys()

    def accept(self, entry: Entry) -> None:
        """One believed entry in its place."""
        session = entry.common.session_id
        if session is None:
            return
        if isinstance(entry.body, Session):
            self.conclude()
            self._spans.clear()
            self._last, self._plates = None, []
        told = self._of(session)
        told.accept(entry)
        if isinstance(entry.body, Procedure | Header | LateMark | Plate):
            self.summaries.setdefault(session, ProceedingsSummary(told=told))
        match entry.body:
            case Plate():
                self._plates.append((session, entry.common.seq, entry.body))
                self._match_plates()
            case Segment():
                self._last = (session, entry.body)
                self._match_plates()
            case SessionEnd():
                self._close(session)
            case _:
                pass

    def _of(self, session: bytes) -> Told:
        """What a session that is open, or has ended and is spoken of again, has told so far."""
        ended = self.summaries.get(session)
        if session not in self._told and ended is not None:
            return ended.told
        return self._told.setdefault(session, Told())

    def place(self, number: int, since: Instant, until: Instant) -> None:
        """Media of the open session were captured from here to there."""
        self._spans.append((number, since, until))

    # -- J27: the sealed frame that shows the place -------------------------------------------------------------------

    def _match_plates(self) -> None:
        """A frame lies in the segment that was stated last, or in the one that is stated next."""
        last, waiting = self._last, []
        for session, seq, body in self._plates:
            number = last[1].number if last is not None and last[0] == session else -1
            if body.segment == number and last is not None:
                self._check_plate(session, seq, body, last[1])
            elif body.segment > number:
                waiting.append((session, seq, body))
            elif session not in self._doubted:
                self._wrong(Code.REFERENCE_WRONG, session, seq, "the frame is of a segment that was stated long before")
        self._plates = waiting

    def _check_plate(self, session: bytes, seq: int, body: Plate, stated: Segment) -> None:
        rows, (first, count) = stated.fragments, stated.frames
        sealed = 0 < body.fragment <= len(rows) and rows[body.fragment - 1][3] == body.seal_hash
        if not sealed or not first <= body.frame_index < first + count:
            self._wrong(Code.REFERENCE_WRONG, session, seq, "no such sealed frame is in the segment it names")

    # -- the end of a session -----------------------------------------------------------------------------------------

    def _close(self, session: bytes) -> None:
        """What is asked of a session is asked at its end; nothing of it is remembered but what was told."""
        told = self._told.pop(session, None)
        summary = self.summaries.get(session)
        if summary is None or told is None:
            return
        self._locate(summary)
        if not self._wanted(session):
            return
        for seq, words in told.wrong:
            self._wrong(Code.PROCEEDINGS_ORDER, session, seq, words)
        for mark in told.backdated():
            seconds = (mark.written[1] - mark.at[1]) // (1000 * NS_PER_MS)
            self._wrong(Code.MARK_BACKDATED, session, mark.entry, f"{seconds} s")
        if told.procedure is not None and session not in self._doubted:
            self._judge(session, told)

    def _judge(self, session: bytes, told: Told) -> None:
        """Step J28."""
        for step in told.out_of_order():
            self._tell(Code.STEP_ORDER, session, step.marks[0].entry, (f"第 {step.number} 步", f"step {step.number}"))
        for fault, entry, after_ms in told.notice_faults():
            self._tell(_FAULT_CODES[fault], session, entry, _fault_words(fault, after_ms))
        if told.procedure is not None and told.procedure.plate and not told.place_shown:
            self._tell(Code.PLACE_NOT_SHOWN, session, told.procedure_entry, ("", ""))
        left = told.open_steps()
        if left and told.ended is not None:
            reasons = told.stop_reasons()
            numbers = ", ".join(str(step.number) for step in left)
            why = ("已说明理由", "a reason was given") if reasons else ("未说明理由", "no reason was given")
            words = (f"第 {numbers} 步；{why[0]}", f"steps {numbers}; {why[1]}")
            self._tell(Code.ENDED_EARLY, session, reasons[-1].entry if reasons else told.procedure_entry, words)

    def _locate(self, summary: ProceedingsSummary) -> None:
        for mark in summary.told.marks:
            for number, since, until in reversed(self._spans):
                if since[0] == mark.at[0] and since[1] <= mark.at[1] <= until[1]:
                    summary.heard[mark.entry] = Heard(segment=number, offset_ms=(mark.at[1] - since[1]) // NS_PER_MS)
                    break

    def conclude(self) -> None:
        """Nothing follows: a session that never ended is judged as far as it got."""
        for session in tuple(self._told):
            self._close(session)

    def asked_for(self, session: bytes) -> ProceedingsSummary | None:
        """What is told of a session; None where it says nothing of what it follows."""
        return self.summaries.get(session)

    def _tell(self, code: Code, session: bytes, entry: int | None, words: tuple[str, str]) -> None:
        self._findings.add(code, Place(session=session, entry=entry), zh=words[0], en=words[1])

    def _wrong(self, code: Code, session: bytes, entry: int, words: str) -> None:
        if self._wanted(session):
            self._findings.add(code, Place(session=session, entry=entry), en=words)


def _fault_words(fault: NoticeFault, after_ms: int | None) -> tuple[str, str]:
    match fault:
        case NoticeFault.MISSING:
            return "到场后没有告知", "a party that arrived was not told"
        case NoticeFault.NOT_BEFORE_FIRST_STEP:
            return "第一个环节之前没有告知", "not before the first step"
        case NoticeFault.LATE:
            seconds = f"{(after_ms or 0) / 1000:.0f}"
            return f"到场 {seconds} 秒之后", f"{seconds} s after the arrival"
        case NoticeFault.EMPTY_ROOM:
            return "当时没有标记任何人到场", "nobody was marked as present then"
