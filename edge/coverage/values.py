"""What a coverage report holds: each item and each requirement with its answer, its ground and where to look. Frozen.

One `Coverage` is rendered as text, as JSON and as HTML; the three differ in form alone.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from edge.coverage.facts import Moment, Trouble, Verified, Visit, Where
from edge.coverage.words import Said, said


class Status(enum.Enum):
    """Whether an official item was recorded."""

    COVERED = "covered"
    WITH_GAPS = "covered_with_gaps"
    BY_LATE_MARK = "covered_by_late_mark"
    """What shows it was marked afterwards: the moment is as somebody said it from memory."""
    PARTLY = "partly_covered"
    NOT_COVERED = "not_covered"
    UNDECIDED = "undecided"
    """The session does not say which of several items it is."""
    NO_CLAIM = "no_claim"
    """The archive is not intact: nothing is said."""

    @property
    def words(self) -> Said:
        """The words on the page."""
        return _STATUS_WORDS[self]


_STATUS_WORDS = {
    Status.COVERED: said("已覆盖", "covered"),
    Status.WITH_GAPS: said("已覆盖，其间有中止", "covered, with gaps"),
    Status.BY_LATE_MARK: said("已覆盖，位置依补标", "covered, by a late mark"),
    Status.PARTLY: said("部分覆盖", "partly covered"),
    Status.NOT_COVERED: said("未覆盖", "NOT COVERED"),
    Status.UNDECIDED: said("无法确定", "undecided"),
    Status.NO_CLAIM: said("不作结论", "no claim"),
}


class Claim(enum.Enum):
    """What a fixed recorder may claim of an item, whatever it recorded."""

    MAY = "may_claim"
    SUPPLEMENT = "supplement_only"
    ELSEWHERE = "not_for_a_fixed_recorder"

    @property
    def words(self) -> Said:
        """The words on the page; empty where nothing stands in the way."""
        return _CLAIM_WORDS[self]


_CLAIM_WORDS = {
    Claim.MAY: said("", ""),
    Claim.SUPPLEMENT: said(
        "载体只列便携类设备：固定设备只作同场补充，不得据此主张满足本项",
        "only portable devices are listed: a fixed recorder supplements them and satisfies nothing alone",
    ),
    Claim.ELSEWHERE: said(
        "本项不在固定场所进行，固定设备不适用，不得据此主张满足本项",
        "this item takes place elsewhere and is not for a fixed recorder",
    ),
}


class Outcome(enum.Enum):
    """Whether something that was due was done."""

    MET = "met"
    MET_BY_LATE_MARK = "met_by_late_mark"
    NOT_MET = "not_met"
    FOR_A_PERSON = "for_a_person"
    """The journal does not say; whoever reads the case file does."""
    NOT_ASKED = "not_asked"
    """This rule book does not ask for it."""
    OPEN = "open"
    """The term still runs, as far as this archive goes."""
    NO_CLAIM = "no_claim"

    @property
    def words(self) -> Said:
        """The words on the page."""
        return _OUTCOME_WORDS[self]


_OUTCOME_WORDS = {
    Outcome.MET: said("已履行", "met"),
    Outcome.MET_BY_LATE_MARK: said("依补标已履行", "met, by a late mark"),
    Outcome.NOT_MET: said("未履行", "NOT MET"),
    Outcome.FOR_A_PERSON: said("须由人核对", "for a person to judge"),
    Outcome.NOT_ASKED: said("本规则未作要求", "not asked by this rule book"),
    Outcome.OPEN: said("期限未到", "not yet due"),
    Outcome.NO_CLAIM: said("不作结论", "no claim"),
}


class Binding(enum.Enum):
    """How a rule binds a fixed recorder."""

    DIRECT = "direct"
    ANALOGY = "by_analogy"
    """It is worded for body-worn recorders 执法记录仪 (Jiaozuo Arts. 9, 10)."""
    OWN = "own_default"
    """Nobody's rule: the neutral default of this product."""

    @property
    def words(self) -> Said:
        """The words on the page."""
        return _BINDING_WORDS[self]


_BINDING_WORDS = {
    Binding.DIRECT: said("直接适用", "direct"),
    Binding.ANALOGY: said("参照适用", "by analogy"),
    Binding.OWN: said("通用默认，非辖区规定", "neutral default"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The rule a requirement rests on: the document and its row or article, and how it binds."""

    cited: str
    binding: Binding


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One mark as a reader finds it. `written` differs from `at` where it was marked late (补标)."""

    entry: int
    name: Said
    at: Moment
    late: bool
    written_utc_ms: int
    where: Where | None
    text: str | None = None
    """What a record says of it, where it is here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing a reader is told, and the mark it rests on, if it rests on one."""

    said: Said
    shown: Shown | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Where an item's coverage begins or ends, and by what; `shown` is the mark, None for the recording itself."""

    at: Moment
    by: Said
    shown: Shown | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """One gap, or the part of it that lies in an item: its cause, its length, and what was said about it."""

    number: int
    entry: int
    missing: Said
    """Picture and sound, or which of the two; a degraded stream is a gap of that stream alone."""
    cause: Said
    since: Moment
    until: Moment | None
    length_ms: tuple[int, int | None]
    """Least and most; None where no upper bound is known."""
    explained: bool
    explanations: tuple[Fact, ...]
    approval: Said | None = None
    """Of a withholding: whether a second person approved it, and on what ground."""
    approved: bool = True
    """False where somebody withheld and nobody approved."""
    since_where: Where | None = None
    """Where the film ends before it; None where nothing was recorded before."""
    until_where: Where | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemCoverage:
    """One official item of the session's matter. Its texts are the document's own."""

    no: str
    title: str
    cited: str
    obligation: Said
    rule: str
    """From when to when, in the document's words; "" where it has none."""
    status: Status
    claim: Claim
    since: Edge | None = None
    until: Edge | None = None
    marks: tuple[Shown, ...] = ()
    interruptions: tuple[Interruption, ...] = ()
    why: tuple[Said, ...] = ()
    """What is missing, or what a reader must know of the answer."""
    notes: tuple[str, ...] = ()
    """Doubts of the document's cells, as the profile has them."""


class Topic(enum.Enum):
    """What a requirement is about."""

    HEADER = "header"
    CAPTURE_BEFORE = "capture_before_first_step"
    NOTICE = "notice"
    IDENTITY = "identity"
    PLACE = "place"
    RECORDER = "recorder_role"
    STEPS = "steps"
    SIGNING = "signing"
    SIDES = "both_sides_in_view"
    GAPS = "interruptions_explained"
    WITHHELD = "withheld_with_approval"
    STORING = "stored_in_time"
    ARCHIVING = "archived_in_time"

    @property
    def words(self) -> Said:
        """The words on the page."""
        return _TOPIC_WORDS[self]


_TOPIC_WORDS = {
    Topic.HEADER: said("首部应填各项", "header filled in"),
    Topic.CAPTURE_BEFORE: said("第一个环节之前开始录制", "capture before the first step"),
    Topic.NOTICE: said("告知全程录音录像", "notice of the recording"),
    Topic.IDENTITY: said("出示证件", "identity shown"),
    Topic.PLACE: said("场所标志入画或口述", "sign of the place shown, or named aloud"),
    Topic.RECORDER: said("记录人", "who records"),
    Topic.STEPS: said("必经环节与提前结束", "required steps, and an early end"),
    Topic.SIGNING: said("签字确认", "signing"),
    Topic.SIDES: said("执法人员和当事人双方入画", "both sides in view"),
    Topic.GAPS: said("中止原因的说明", "interruptions explained"),
    Topic.WITHHELD: said("不得记录的事由与批准", "withheld, with ground and approval"),
    Topic.STORING: said("按期入库", "stored in time"),
    Topic.ARCHIVING: said("按期归档", "archived in time"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """Something that was due: whether it was done, by which rule, and what shows it."""

    topic: Topic
    outcome: Outcome
    ground: Ground | None
    facts: tuple[Fact, ...]


Judged = tuple[Outcome, Ground | None, list[Fact]]
"""The answer to one requirement, by which rule, and what shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of the header: what its record says, or None where the record is not here; `state` says why."""

    name: Said
    texts: tuple[str, ...] | None
    state: Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Which rule book the report is made by, and which one the session itself followed."""

    name: str
    title: str
    digest: str
    followed: str | None
    followed_digest: str | None

    @property
    def same(self) -> bool:
        """Whether the session followed exactly these."""
        return self.digest == self.followed_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The whole report."""

    session: str
    ordinal: int | None
    log_id: str
    verified: Verified
    rules: Rules
    procedure: Said | None
    matter: str | None
    assisting: bool
    """Sound and picture only assist the written record (Nong'an Art. 14)."""
    opened_utc_ms: int | None
    ended_utc_ms: int | None
    segments: int
    recorded_ms: int
    header: tuple[Field, ...]
    warnings: tuple[Said, ...]
    """What a reader has to know before anything else."""
    items: tuple[ItemCoverage, ...]
    requirements: tuple[Requirement, ...]
    steps: tuple[Fact, ...]
    late: tuple[Shown, ...]
    others: tuple[Shown, ...]
    """Key moments, recesses, arrivals, consent, papers: in their order."""
    interruptions: tuple[Interruption, ...]
    degraded: tuple[Trouble, ...]
    visits: tuple[Visit, ...]
    not_claimed: tuple[Fact, ...]
    """What a fixed recorder may not claim under these rules."""
    notes: tuple[str, ...]

    @property
    def finished(self) -> bool:
        """Whether the session has ended."""
        return self.ended_utc_ms is not None
