"""One session as its journal tells it: what it follows, what it is about, who was told, and what was marked when.

Pure: a fold over the believed entries of one session, in their order, and the questions that are asked of it
(FORMAT.md 5.9). The device asks them of the open session, the verifier of every session, and a coverage report of a
finished one; all three get the same answers. Bounded: of each sort the first thousand are kept and the rest counted.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from liuhen.entry import Entry
from liuhen.kinds import (
    Amend,
    Commitments,
    Gap,
    GapEnd,
    Header,
    Instant,
    LateMark,
    Mark,
    Plate,
    Procedure,
    Session,
    SessionEnd,
)
from liuhen.registry import MarkCode, RecordLabel

NS_PER_MS = 1_000_000
MOST_OF_A_SORT = 1000
BACKDATED_NS = 60 * 1_000 * NS_PER_MS
"""A mark is written at its moment; what names an earlier one is a late mark, which says so."""
NOT_AT_THEIR_MOMENT = frozenset({MarkCode.SPOKEN_EXPLANATION, MarkCode.PROMPT_PLAYED})
"""These are written when what they are about is over."""
_PAPERS = frozenset({RecordLabel.PAPER, RecordLabel.ATTACHMENT})

Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """One mark. `at` is the moment meant, `written` that of the entry; they differ where it was marked late."""

    entry: int
    code: int
    at: Instant
    utc_ms: int
    written: Instant
    written_utc_ms: int
    late: bool
    step: int | None
    refers_to: int | None
    records: Commitments


@dataclass(frozen=True, slots=True, kw_only=True)
class Headed:
    """One header entry."""

    entry: int
    utc_ms: int
    body: Header


@dataclass(frozen=True, slots=True, kw_only=True)
class Plated:
    """One frame that is said to show the sign of the place."""

    entry: int
    at: Instant
    utc_ms: int
    body: Plate


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """Papers that were attached: to the session's own entry, or to the mark or other entry they belong to."""

    entry: int
    utc_ms: int
    refers_to: int
    records: Commitments


@dataclass(slots=True, kw_only=True)
class Absence:
    """One gap; `until` None while it is open. `explained` where somebody spoke about it."""

    entry: int
    stream: int | None
    cause: int
    since: Instant
    since_utc_ms: int
    until: Instant | None = None
    until_utc_ms: int | None = None
    resumed: bool = False
    explained: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTold:
    """One step of the procedure, counted from 1, and its marks by the moment they mean."""

    number: int
    title: str
    required: bool
    marks: tuple[Marked, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeTold:
    """A party that arrived, and the first notice that reached it, so many milliseconds later."""

    arrival: Marked
    notice: Marked | None
    after_ms: int | None


class NoticeFault(enum.Enum):
    """What is wrong with a notice, or with there being none."""

    MISSING = enum.auto()
    LATE = enum.auto()
    EMPTY_ROOM = enum.auto()
    NOT_BEFORE_FIRST_STEP = enum.auto()


def elapsed_ms(since: Marked, until: Marked) -> int:
    """Milliseconds from one mark's moment to another's: exact within a boot, by the device's UTC otherwise."""
    if since.at[0] == until.at[0]:
        return (until.at[1] - since.at[1]) // NS_PER_MS
    return until.utc_ms - since.utc_ms


def _now(entry: Entry) -> Instant:
    return (entry.common.clock[2], entry.common.clock[1])


@dataclass(slots=True, kw_only=True)
class Told:
    """See the module. What no entry has said yet is None or empty."""

    id: bytes | None = None
    opening: int | None = None
    """The seq of the `session` entry."""
    ordinal: int | None = None
    profile_hash: bytes | None = None
    opened: Instant | None = None
    opened_utc_ms: int | None = None
    ended: Instant | None = None
    ended_utc_ms: int | None = None
    end_cause: int | None = None
    procedure: Procedure | None = None
    procedure_entry: int | None = None
    headers: list[Headed] = field(default_factory=list)
    marks: list[Marked] = field(default_factory=list)
    """Of every code, in the order in which they were written."""
    plates: list[Plated] = field(default_factory=list)
    papers: list[Paper] = field(default_factory=list)
    absences: list[Absence] = field(default_factory=list)
    wrong: list[tuple[int, str]] = field(default_factory=list)
    """Entries that break the rules of 5.9, and which."""
    not_kept: int = 0
    _anchors: dict[bytes, tuple[int, int]] = field(default_factory=dict)

    # -- the fold -----------------------------------------------------------------------------------------------------

    def accept(self, entry: Entry) -> None:
        """One believed entry of the session, in its place."""
        utc_ms, boottime_ns, boot_id, _, _ = entry.common.clock
        self._anchors[boot_id] = (utc_ms, boottime_ns)
        match entry.body:
            case Session() as body:
                self.id, self.opening, self.ordinal = entry.common.session_id, entry.common.seq, body.ordinal
                self.profile_hash = body.profile_hash
                self.opened, self.opened_utc_ms = (boot_id, boottime_ns), utc_ms
            case SessionEnd(cause=cause):
                self.ended, self.ended_utc_ms, self.end_cause = (boot_id, boottime_ns), utc_ms, cause
            case Gap() | GapEnd():
                self._gap(entry, entry.body)
            case _:
                self._said(entry)

    def _said(self, entry: Entry) -> None:
        match entry.body:
            case Procedure() as body:
                self._follow(entry, body)
            case Header() as body:
                self._head(entry, body)
            case Mark() | LateMark():
                self._mark(entry, entry.body)
            case Plate() as body:
                now = _now(entry)
                self._keep(self.plates, Plated(entry=entry.common.seq, at=now, utc_ms=entry.common.clock[0], body=body))
            case Amend(refers_to=refers_to, records=records) if any(label in _PAPERS for label, _ in records):
                paper = Paper(
                    entry=entry.common.seq, utc_ms=entry.common.clock[0], refers_to=refers_to, records=records
                )
                self._keep(self.papers, paper)
            case _:
                pass

    def _follow(self, entry: Entry, body: Procedure) -> None:
        if any(mark.code == MarkCode.STEP for mark in self.marks):
            self._wrong(entry, "it changes the steps after one was marked")
            return
        self.procedure, self.procedure_entry = body, entry.common.seq

    def _head(self, entry: Entry, body: Header) -> None:
        before = self.headers[-1].entry if self.headers else None
        if body.amends != before and not self.not_kept:
            self._wrong(entry, "it does not amend the header before it")
        labels = [label for label, _ in body.records]
        if len(set(labels)) != len(labels):
            self._wrong(entry, "it gives a field twice")
        self._keep(self.headers, Headed(entry=entry.common.seq, utc_ms=entry.common.clock[0], body=body))

    def _mark(self, entry: Entry, body: Mark | LateMark) -> None:
        written, written_utc_ms = _now(entry), entry.common.clock[0]
        late = isinstance(body, LateMark)
        at = (body.meant[0], body.meant[1]) if isinstance(body, LateMark) else (written[0], body.boottime_ns)
        if late:
            self._judge_moment(entry, at)
        self._keep(
            self.marks,
            Marked(
                entry=entry.common.seq,
                code=body.code,
                at=at,
                utc_ms=self._utc_ms(at, written_utc_ms),
                written=written,
                written_utc_ms=written_utc_ms,
                late=late,
                step=body.step,
                refers_to=body.refers_to,
                records=body.records,
            ),
        )

    def _judge_moment(self, entry: Entry, at: Instant) -> None:
        """What is marked late lies in the session, before the entry itself."""
        written = _now(entry)
        if at[0] not in self._anchors or (at[0] == written[0] and at[1] > written[1]):
            self._wrong(entry, "the moment it means is later than itself, or of a strange boot")
        elif self.opened is not None and at[0] == self.opened[0] and at[1] < self.opened[1]:
            self._wrong(entry, "the moment it means is before the session")

    def _gap(self, entry: Entry, body: Gap | GapEnd) -> None:
        utc_ms = entry.common.clock[0]
        if isinstance(body, Gap):
            since = (body.since[0], body.since[1])
            absence = Absence(
                entry=entry.common.seq,
                stream=body.stream,
                cause=body.cause,
                since=since,
                since_utc_ms=self._utc_ms(since, utc_ms),
            )
            self._keep(self.absences, absence)
            return
        for absence in self.absences:
            if absence.entry == body.gap_seq:
                absence.until = (body.until[0], body.until[1])
                absence.until_utc_ms, absence.resumed = self._utc_ms(absence.until, utc_ms), bool(body.resumed)

    def _keep(self, kept: list[Kept], one: Kept) -> None:
        if len(kept) < MOST_OF_A_SORT:
            kept.append(one)
        else:
            self.not_kept += 1
        if isinstance(one, Marked) and one.code == MarkCode.SPOKEN_EXPLANATION:
            for absence in self.absences:
                absence.explained = absence.explained or absence.entry == one.refers_to

    def _utc_ms(self, at: Instant, otherwise: int) -> int:
        anchor = self._anchors.get(at[0])
        return otherwise if anchor is None else anchor[0] + (at[1] - anchor[1]) // NS_PER_MS

    def _wrong(self, entry: Entry, words: str) -> None:
        self._keep(self.wrong, (entry.common.seq, words))

    # -- what is asked of it ------------------------------------------------------------------------------------------

    def of(self, code: MarkCode) -> list[Marked]:
        """The marks of one code by the moment they mean."""
        return sorted((mark for mark in self.marks if mark.code == code), key=lambda mark: mark.utc_ms)

    def steps(self) -> list[StepTold]:
        """Every step of the procedure in order, with its marks."""
        if self.procedure is None:
            return []
        marks = self.of(MarkCode.STEP)
        return [
            StepTold(
                number=number,
                title=title,
                required=bool(required),
                marks=tuple(mark for mark in marks if mark.step == number),
            )
            for number, (title, required) in enumerate(self.procedure.steps, start=1)
        ]

    def open_steps(self) -> list[StepTold]:
        """The required steps that nobody has marked, not even late."""
        return [step for step in self.steps() if step.required and not step.marks]

    def out_of_order(self) -> list[StepTold]:
        """Steps whose first mark means a moment before that of a step that comes earlier in the procedure."""
        found, latest = [], None
        for step in self.steps():
            if not step.marks:
                continue
            if latest is not None and elapsed_ms(latest, step.marks[0]) < 0:
                found.append(step)
            else:
                latest = step.marks[0]
        return found

    def fields(self) -> dict[int, bytes]:
        """Of each header field that was given: the commitment that counts, which is that of the newest header."""
        found: dict[int, bytes] = {}
        for headed in self.headers:
            found |= dict(headed.body.records)
        return found

    @property
    def matter(self) -> str | None:
        """The item of the profile's list, as the newest header that names one has it."""
        return next((one.body.matter for one in reversed(self.headers) if one.body.matter is not None), None)

    @property
    def place_shown(self) -> bool:
        """Whether a sealed frame shows the sign of the place, or the place was named aloud."""
        return bool(self.plates) or bool(self.of(MarkCode.PLACE_SPOKEN))

    def recesses(self) -> list[tuple[Marked, Marked | None]]:
        """Each recess with the mark that ended it; capture went on through all of them."""
        found: list[tuple[Marked, Marked | None]] = []
        for mark in sorted(self.marks, key=lambda one: one.utc_ms):
            if mark.code == MarkCode.RECESS:
                found.append((mark, None))
            elif mark.code == MarkCode.SITTING_RESUMED and found and found[-1][1] is None:
                found[-1] = (found[-1][0], mark)
        return found

    def stop_reasons(self) -> list[Marked]:
        """Marks that say why the session ended before its required steps."""
        return self.of(MarkCode.ENDED_EARLY)

    def backdated(self) -> list[Marked]:
        """Marks that name a moment long before their own entry without saying so."""
        return [
            mark
            for mark in self.marks
            if not mark.late and mark.code not in NOT_AT_THEIR_MOMENT and mark.written[1] - mark.at[1] > BACKDATED_NS
        ]

    # -- 告知 ---------------------------------------------------------------------------------------------------------

    def notices(self) -> list[NoticeTold]:
        """Each arrival with the notice that reached it, and how long that took; None where none did.

        A notice reaches who was there: those that arrived before it. One that names an arrival reaches that one.
        """
        given = self.of(MarkCode.NOTICE_GIVEN)
        return [self._notice(arrival, given) for arrival in self.of(MarkCode.PARTY_ARRIVED)]

    def _notice(self, arrival: Marked, given: list[Marked]) -> NoticeTold:
        for notice in given:
            reaches = notice.refers_to is None or notice.refers_to == arrival.entry
            after_ms = elapsed_ms(arrival, notice)
            if reaches and after_ms >= 0:
                return NoticeTold(arrival=arrival, notice=notice, after_ms=after_ms)
        return NoticeTold(arrival=arrival, notice=None, after_ms=None)

    def notice_faults(self) -> Iterator[tuple[NoticeFault, int, int | None]]:
        """What is wrong with the notices by the procedure that is followed. Nothing is, where it asks for none."""
        limit_ms = self.procedure.notice_ms if self.procedure is not None else None
        if limit_ms is not None:
            yield from self.notice_faults_within(limit_ms)

    def notice_faults_within(self, limit_ms: int) -> Iterator[tuple[NoticeFault, int, int | None]]:
        """The same where notice is due so soon: the fault, the entry it is about, and how late it was."""
        told = self.notices()
        for one in told:
            if one.notice is None:
                yield NoticeFault.MISSING, one.arrival.entry, None
            elif one.after_ms is not None and one.after_ms > limit_ms:
                yield NoticeFault.LATE, one.notice.entry, one.after_ms
        if not told or any(one.notice is None for one in told):
            yield from self._to_nobody(told)
        yield from self._before_first_step(told)

    def _to_nobody(self, told: list[NoticeTold]) -> Iterator[tuple[NoticeFault, int, int | None]]:
        """A notice before anybody came; where all who came were told again it does no harm."""
        for notice in self.of(MarkCode.NOTICE_GIVEN):
            if all(elapsed_ms(one.arrival, notice) < 0 for one in told):
                yield NoticeFault.EMPTY_ROOM, notice.entry, None

    def _before_first_step(self, told: list[NoticeTold]) -> Iterator[tuple[NoticeFault, int, int | None]]:
        steps = self.of(MarkCode.STEP)
        if steps and not any(one.notice is not None and elapsed_ms(one.notice, steps[0]) >= 0 for one in told):
            yield NoticeFault.NOT_BEFORE_FIRST_STEP, steps[0].entry, None


def told_of(entries: Iterable[Entry]) -> dict[bytes, Told]:
    """Every session of a journal as it tells it, in the order of their beginning; entries in their order."""
    found: dict[bytes, Told] = {}
    for entry in entries:
        if entry.common.session_id is not None:
            found.setdefault(entry.common.session_id, Told(id=entry.common.session_id)).accept(entry)
    return found
