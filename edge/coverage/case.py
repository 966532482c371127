"""A session seen through one rule book: its template there, which marks are which of its steps, and where. Pure.

A session may be looked at through another rule book than the one it followed: steps are matched by their id through the
profile it followed, and by their title where that profile is not to hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from edge.coverage.facts import Facts, Moment
from edge.coverage.values import Binding, Edge, Fact, Ground, Shown
from edge.coverage.words import Said, said
from edge.profiles.reading import NEUTRAL
from edge.profiles.schema import Item, ListKind, Procedure, Profile, Step, Template
from liuhen.proceedings import Marked
from liuhen.registry import MarkCode, ProcedureCode, RecordLabel
from liuhen.verify_codes import known

BODY_WORN = "使用执法记录仪"
ABOUT_RECORDS = "音像记录"
LAST_PARAGRAPH = "末款"
_ARTICLE = re.compile(r"第([一二三四五六七八九十百]+)条")
_DIGITS = {word: number for number, word in enumerate("一二三四五六七八九", start=1)}
_TEXT_LABELS = (RecordLabel.REASON, RecordLabel.EXPLANATION, RecordLabel.OTHER, RecordLabel.PARTIES)


@dataclass(frozen=True)
class Case:
    """See the module. `followed` is the profile the session followed, None where it is not to hand."""

    facts: Facts
    profile: Profile
    followed: Profile | None

    @cached_property
    def procedure(self) -> Procedure | None:
        """What kind of session it is; None where it says nothing of it."""
        body = self.facts.told.procedure
        if body is None or not known(ProcedureCode, body.code):
            return None
        name = ProcedureCode(body.code).name.lower()
        return next((one for one in Procedure if one.value == name), None)

    @cached_property
    def template(self) -> Template | None:
        """Its template in this rule book: by its procedure, else by the matter its header names."""
        if self.procedure is not None:
            return self.profile.template(self.procedure)
        matter = self.facts.told.matter
        return next((one for one in self.profile.templates if matter is not None and matter in one.rows()), None)

    @cached_property
    def marked(self) -> dict[str, tuple[Marked, ...]]:
        """The marks of each step of the template, by the step's id: those of their moment first, then late ones."""
        found: dict[str, list[Marked]] = {}
        for mark in self.facts.told.of(MarkCode.STEP):
            step = self._step_of(mark.step)
            if step is not None:
                found.setdefault(step.id, []).append(mark)
        return {id_: tuple(sorted(marks, key=lambda one: one.late)) for id_, marks in found.items()}

    def _step_of(self, number: int | None) -> Step | None:
        told = self.facts.told.procedure
        if self.template is None or told is None or number is None or not 0 < number <= len(told.steps):
            return None
        title = told.steps[number - 1][0]
        id_ = self._id_followed(number, title)
        return next((one for one in self.template.steps if one.id == id_ or (id_ is None and one.title == title)), None)

    def _id_followed(self, number: int, title: str) -> str | None:
        """The step's id in the profile the session followed, if that profile has this step in this place."""
        if self.followed is None or self.procedure is None:
            return None
        template = self.followed.template(self.procedure)
        steps = template.steps if template is not None else ()
        return steps[number - 1].id if number <= len(steps) and steps[number - 1].title == title else None

    @cached_property
    def first_step(self) -> Marked | None:
        """The mark of the earliest step, one of its moment before one that was made late."""
        marks = self.facts.told.of(MarkCode.STEP)
        return min(marks, key=lambda one: (self.facts.of_mark(one), one.late), default=None)

    def left(self) -> tuple[Step, ...]:
        """Required steps nobody marked, not even late."""
        steps = self.template.steps if self.template is not None else ()
        return tuple(step for step in steps if step.required and step.id not in self.marked)

    # -- rows ---------------------------------------------------------------------------------------------------------

    def rows(self) -> tuple[tuple[Item, Step | None], ...]:
        """Every row of the matter in the order of the list, with the step that shows it; None: the whole session does.

        Rows that the template lists as a whole are alternatives where they are of one kind: the header's matter says
        which of them this session is. An article beside a row of the list stands for itself.
        """
        template = self.template
        if template is None:
            named = self.named
            return ((named, None),) if named is not None else ()
        by_step = {no: step for step in template.steps for no in step.covers}
        wanted = [item for item in self.profile.items if item.no in by_step or item.no in template.covers]
        named = self.named
        if named is not None and named.no in template.covers:
            wanted = [one for one in wanted if one.no in by_step or one is named or one.list_kind != named.list_kind]
        elif named is not None and named not in wanted:
            wanted.append(named)
        return tuple((item, by_step.get(item.no)) for item in wanted)

    @cached_property
    def named(self) -> Item | None:
        """The item the header names."""
        matter = self.facts.told.matter
        return self.profile.item(matter) if matter is not None and self.matter_is_ours else None

    @property
    def matter_is_ours(self) -> bool:
        """Whether the header's number is one of this rule book's: another book's number means nothing here."""
        followed = self.followed_rules
        return followed is None or followed[1] == self.profile.digest or followed[0] == self.profile.name

    @property
    def followed_rules(self) -> tuple[str, bytes] | None:
        """Name and hash of the rules the session followed; the name is "" where its entries give the hash alone."""
        told = self.facts.told
        if told.procedure is not None:
            return told.procedure.profile
        return None if told.profile_hash is None else ("", told.profile_hash)

    def undecided(self, item: Item) -> bool:
        """Whether the row is one of several alternatives and the header does not say which one it is."""
        template = self.template
        if template is None or item.no not in template.covers:
            return False
        kin = [one for one in map(self.profile.item, template.covers) if one and one.list_kind == item.list_kind]
        return len(kin) > 1 and (self.named is None or self.named.no not in template.covers)

    # -- where and by which rule --------------------------------------------------------------------------------------

    def shown(self, mark: Marked, name: Said | None = None) -> Shown:
        """One mark as a reader finds it."""
        if name is None:
            name = mark_name(mark, self)
        return Shown(
            entry=mark.entry,
            name=name,
            at=self.facts.of_mark(mark),
            late=mark.late,
            written_utc_ms=mark.written_utc_ms,
            where=self.facts.where.get(mark.entry),
            text=self.facts.text_of(mark.records, *_TEXT_LABELS),
        )

    def fact(self, words: Said, mark: Marked | None = None) -> Fact:
        """One thing to tell, with the mark that shows it."""
        return Fact(said=words, shown=None if mark is None else self.shown(mark))

    def by_mark(self, mark: Marked) -> Edge:
        """An edge that a mark sets."""
        shown = self.shown(mark)
        return Edge(at=shown.at, by=shown.name, shown=shown)

    def media_edge(self, *, end: bool) -> Edge | None:
        """An edge that the recording itself sets."""
        media = self.facts.media
        if media is None:
            return None
        if not end:
            return Edge(at=media[end], by=said("录制开始", "the recording begins"))
        if self.facts.told.ended is None:
            return Edge(at=media[end], by=said("录制至此，场次未见结束", "recorded so far; the session has not ended"))
        return Edge(at=media[end], by=said("录制结束", "the recording ends"))

    def ground(self, source: str) -> Ground:
        """The rule as a reader finds it, and how it binds a fixed recorder."""
        return Ground(cited=self.profile.cited(source), binding=binding(self.profile, source))


def binding(profile: Profile, source: str) -> Binding:
    """An article whose first paragraph is worded for body-worn recorders binds by analogy (Jiaozuo Arts. 9, 10).

    Its last paragraph binds directly where it speaks of sound and picture records by themselves.
    """
    if profile.name == NEUTRAL:
        return Binding.OWN
    found = _ARTICLE.search(source)
    article = next((one for one in profile.articles if found and one.number == number_of(found[1])), None)
    if article is None or not article.paragraphs or BODY_WORN not in article.paragraphs[0]:
        return Binding.DIRECT
    last = article.paragraphs[-1]
    direct = LAST_PARAGRAPH in source and last.startswith(ABOUT_RECORDS)
    return Binding.DIRECT if direct else Binding.ANALOGY


def number_of(words: str) -> int:
    """A Chinese number below a hundred: 十, 十四, 二十一."""
    tens, sign, ones = words.rpartition("十")
    if not sign:
        return _DIGITS.get(words, 0)
    return 10 * (_DIGITS.get(tens, 0) if tens else 1) + _DIGITS.get(ones, 0)


def mark_name(mark: Marked, case: Case) -> Said:
    """What a mark is called: a step and a key moment by the words of what they name."""
    if not known(MarkCode, mark.code):
        return said(f"代码 {mark.code}", f"code {mark.code}")
    code, told = MarkCode(mark.code), case.facts.told.procedure
    named = told.points if told is not None else ()
    if code is MarkCode.STEP:
        named = tuple(title for title, _ in told.steps) if told is not None else ()
    title = named[mark.step - 1] if mark.step is not None and 0 < mark.step <= len(named) else ""
    if code is MarkCode.STEP:
        return said(f"环节 {mark.step} {title}".rstrip(), f"step {mark.step}")
    if code is MarkCode.KEY_MOMENT and title:
        return said(f"{code.words_zh}：{title}", code.words_en)
    return said(code.words_zh, code.words_en)


def is_article(item: Item) -> bool:
    """Whether it is an article rather than a row of a list."""
    return item.list_kind is ListKind.ARTICLE


def earlier(one: Moment, other: Moment) -> bool:
    """Whether it is before the other, by more than a heartbeat's rounding."""
    return one < other
