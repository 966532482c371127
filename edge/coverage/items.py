"""Each official item of a session's matter: recorded from where to where, by which marks, with which gaps. Pure.

A row of its own (per step) reaches from the mark of its step to that of the next; rows with one start and stop
together reach over the whole recording and are shown by the mark of their step; a whole proceeding reaches from its
first step to the end of the recording. One unbroken recording with marks answers all three.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge.coverage.case import Case
from edge.coverage.facts import Moment
from edge.coverage.gaps import interruptions, recorded_ms
from edge.coverage.values import Claim, Edge, Interruption, ItemCoverage, Shown, Status
from edge.coverage.words import Said, said, seconds_words
from edge.profiles.schema import Begin, DeviceKind, Item, Obligation, Span, Step
from liuhen.proceedings import Marked
from liuhen.registry import MarkCode

OBLIGATION_WORDS = {
    Obligation.MUST: said("应当记录", "must"),
    Obligation.AS_THE_CASE_REQUIRES: said("视情记录", "as the case requires"),
    Obligation.IF_NECESSARY: said("必要时辅助记录", "if necessary, assisting the written record"),
    Obligation.MUST_NOT: said("不得记录", "must not"),
}


def items_of(case: Case) -> tuple[ItemCoverage, ...]:
    """Every row of the session's matter, in the order of the list; none is left out."""
    return tuple(_item(case, item, step) for item, step in case.rows())


def claim_of(case: Case, item: Item) -> Claim:
    """What a fixed recorder may claim of a row."""
    kinds = case.profile.device_kinds(item)
    if kinds and DeviceKind.FIXED not in kinds:
        return Claim.SUPPLEMENT
    return Claim.MAY if item.fixed_room or item.fixed_room_candidate else Claim.ELSEWHERE


def _item(case: Case, item: Item, step: Step | None) -> ItemCoverage:
    answer = _Answer(case, item, step) if case.facts.verified.intact else None
    return ItemCoverage(
        no=item.no,
        title=item.title,
        cited=case.profile.cited(item.source),
        obligation=OBLIGATION_WORDS[item.obligation],
        rule=item.start_stop or "→".join(words for words in (item.start, item.stop) if words),
        status=Status.NO_CLAIM if answer is None else answer.status,
        claim=claim_of(case, item),
        since=None if answer is None else answer.since,
        until=None if answer is None else answer.until,
        marks=() if answer is None else answer.marks,
        interruptions=() if answer is None else answer.gaps,
        why=() if answer is None else tuple(answer.why),
        notes=item.notes,
    )


class _Answer:
    """The answer for one row of an intact archive."""

    def __init__(self, case: Case, item: Item, step: Step | None) -> None:
        self._case, self._item, self._step = case, item, step
        self.why: list[Said] = []
        self.since: Edge | None = None
        self.until: Edge | None = None
        self.marks: tuple[Shown, ...] = ()
        self.gaps: tuple[Interruption, ...] = ()
        self.status = self._judge()

    def _judge(self) -> Status:
        case = self._case
        if case.undecided(self._item):
            self.why.append(
                said("首部没有写明是哪一事项", "the header does not say which of several items this session is")
            )
            return Status.UNDECIDED
        if case.template is not None and self._item.no not in case.template.rows():
            self.why.append(
                said("首部所写事项不属于本场次的程序", "the item the header names is not of this procedure")
            )
            return Status.NOT_COVERED
        own = self._own_marks()
        if own is None:
            return Status.NOT_COVERED
        self.marks = tuple(case.shown(mark) for mark in own)
        self.since, self.until = self._since(own), self._until(own)
        part = self._part(own)
        if part is None or not part[0] < part[1]:
            self.why.append(said("没有录制内容", "nothing was recorded"))
            return Status.NOT_COVERED
        self.gaps = interruptions(case, *part)
        if recorded_ms(case, *part) <= 0:
            self.why.append(said("其间全部中止，没有录制内容", "the whole of it is a gap, nothing was recorded"))
            return Status.NOT_COVERED
        return self._graded(own)

    def _own_marks(self) -> list[Marked] | None:
        """The marks that show the row; None where it is to be shown by a step and nobody marked that."""
        if self._step is None:
            return self._steps_marks()
        marks = self._case.marked.get(self._step.id)
        if marks is None:
            optional = "" if self._step.required else "（非必经环节）"
            self.why.append(
                said(f"没有标记本环节，也没有补标{optional}", "its step was not marked, not even afterwards")
            )
            return None
        return list(marks)

    def _steps_marks(self) -> list[Marked]:
        return sorted(
            (mark for marks in self._case.marked.values() for mark in marks[:1]), key=self._case.facts.of_mark
        )

    def _since(self, own: list[Marked]) -> Edge | None:
        case, item = self._case, self._item
        if item.span is Span.PER_STEP and own:
            return case.by_mark(own[0])
        if item.begin is Begin.AT and item.span is Span.WHOLE and case.first_step is not None:
            return case.by_mark(case.first_step)
        return case.media_edge(end=False)

    def _until(self, own: list[Marked]) -> Edge | None:
        """A row of its own ends where the next step begins; all else ends with the recording."""
        following = self._following(own) if self._item.span is Span.PER_STEP else None
        return self._case.media_edge(end=True) if following is None else self._case.by_mark(following)

    def _following(self, own: list[Marked]) -> Marked | None:
        """The next step that anybody marked."""
        case = self._case
        others = [mark for marks in case.marked.values() for mark in marks[:1] if mark not in own]
        later = [mark for mark in others if case.facts.of_mark(mark) > case.facts.of_mark(own[0])]
        return min(later, key=case.facts.of_mark, default=None)

    def _part(self, own: list[Marked]) -> tuple[Moment, Moment] | None:
        """The part of the recording that is the row's own: a row that shares start and stop has that of its step."""
        since, until = self.since, self.until
        if since is None or until is None:
            return None
        if self._item.span is not Span.SHARED or self._step is None:
            return since.at, until.at
        following = self._following(own)
        begin = self._case.facts.of_mark(own[0])
        return begin, until.at if following is None else self._case.facts.of_mark(following)

    # -- how well -----------------------------------------------------------------------------------------------------

    def _graded(self, own: list[Marked]) -> Status:
        partly = [*self._begins_late(own), *self._unlocated(own), *self._left()]
        self.why += partly
        late = self._rests_on_late_marks(own)
        if late:
            self.why.append(
                said(
                    "所依标记为补标：位置是事后凭记忆所指，不是当时标记",
                    "it rests on a late mark: the moment is as said from memory afterwards",
                )
            )
        if partly:
            return Status.PARTLY
        if late:
            return Status.BY_LATE_MARK
        return Status.WITH_GAPS if self.gaps else Status.COVERED

    def _begins_late(self, own: list[Marked]) -> Iterator[Said]:
        """…开始前 and 进入…: the recording must be running by then."""
        case, media = self._case, self._case.facts.media
        first = case.first_step
        if self._item.begin is Begin.PRESENCE:
            arrivals = case.facts.told.of(MarkCode.PARTY_ARRIVED)
            first = min([*arrivals, *([first] if first else [])], key=case.facts.of_mark, default=None)
        if media is None or first is None or self._item.span is Span.PER_STEP:
            return
        behind_ms = case.facts.of_mark(first).until_ms(media[0])
        if case.facts.of_mark(first) < media[0]:
            length = seconds_words(behind_ms)
            yield said(f"录制开始于第一个标记之后 {length}", f"the recording begins {length} after the first mark")

    def _unlocated(self, own: list[Marked]) -> Iterator[Said]:
        """A step whose mark lies in no media began unseen."""
        if self._step is not None and own[0].entry not in self._case.facts.where:
            yield said("标记本环节时没有录制内容", "nothing was recorded when its step was marked")

    def _left(self) -> Iterator[Said]:
        """The whole proceeding is not shown while a required step is not."""
        if self._step is not None:
            return
        for step in self._case.left():
            yield said(f"未标记环节：{step.title}", f"step not marked: {step.id}")
        if self._case.template is None:
            yield said("没有选定程序，无法按环节核对", "no procedure was chosen: its steps cannot be compared")

    def _rests_on_late_marks(self, own: list[Marked]) -> bool:
        edges = [edge.shown for edge in (self.since, self.until) if edge is not None and edge.shown is not None]
        if any(shown.late for shown in edges):
            return True
        if self._step is not None:
            return own[0].late
        required = {step.id for step in self._case.template.steps if step.required} if self._case.template else set()
        return any(marks[0].late for id_, marks in self._case.marked.items() if id_ in required)
