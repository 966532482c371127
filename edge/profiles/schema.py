"""One jurisdiction's rules as frozen values: what to record, from when to when, who records, in which words, by when.

Pure: opens nothing, decides nothing. One schema holds what the rule books share and where they differ, so that another
jurisdiction is another file. Texts are those of the document, in Chinese and word for word; what a program has to act
on stands beside them as closed enums and numbers. `edge.profiles.reading` makes these values from a file.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from edge.deadlines import Unit
from liuhen.registry import GapCause

__all__ = [
    "Access",
    "AccessAction",
    "AccessClass",
    "AlwaysOn",
    "Archive",
    "Article",
    "Begin",
    "BothSides",
    "Cell",
    "Cites",
    "Column",
    "Custodian",
    "Device",
    "DeviceKind",
    "Extension",
    "GapCause",
    "GroundKind",
    "Header",
    "HeaderField",
    "Interruption",
    "Item",
    "KeyMoment",
    "Limit",
    "ListKind",
    "LongTerm",
    "LongTermCode",
    "Notice",
    "Obligation",
    "Origin",
    "OutsideVisits",
    "Phrase",
    "Place",
    "Procedure",
    "Profile",
    "Prohibition",
    "RecordClass",
    "RecorderAgency",
    "Release",
    "Retention",
    "Sheet",
    "Span",
    "Step",
    "StoreRule",
    "Template",
    "Trigger",
    "Unit",
]


class Obligation(enum.Enum):
    """How strongly something is to be recorded."""

    MUST = "must"
    """应当; and every row of a list, where the row says nothing else."""
    AS_THE_CASE_REQUIRES = "as_the_case_requires"
    """视情进行音像记录."""
    IF_NECESSARY = "if_necessary"
    """必要时; sound and picture assist, the written record leads."""
    MUST_NOT = "must_not"
    """不得采取音像记录."""


class Begin(enum.Enum):
    """When capture has to be running."""

    BEFORE = "before"
    """…开始前: before the event or the first step begins."""
    AT = "at"
    """…开始: from the moment it begins."""
    PRESENCE = "presence"
    """进入…至离开…: from entering the place until it is left."""


class Span(enum.Enum):
    """What one start and one stop belong to."""

    PER_STEP = "per_step"
    """Each row has a start and a stop of its own."""
    SHARED = "shared"
    """Several rows have one start and one stop together."""
    WHOLE = "whole"
    """The row is the whole proceeding."""


class DeviceKind(enum.Enum):
    """What a word of the device column stands for."""

    FIXED = "fixed"
    """视频监控: a device mounted in the room, which this recorder is."""
    PORTABLE = "portable"
    """便携设备, 执法记录仪."""
    STILL = "still"
    """照相机."""
    SOUND = "sound"
    """录音机."""


class RecordClass(enum.Enum):
    """执法记录类别."""

    SCENE = "scene"
    CONFIRMATION = "confirmation"
    HOUSEHOLD = "household"
    TALK = "talk"

    @property
    def words_zh(self) -> str:
        """The words of the lists."""
        return {
            RecordClass.SCENE: "场景类",
            RecordClass.CONFIRMATION: "确认类",
            RecordClass.HOUSEHOLD: "入户类",
            RecordClass.TALK: "约谈类",
        }[self]


class ListKind(enum.Enum):
    """Where an item comes from and what it asks for."""

    AUDIO_VIDEO = "audio_video"
    """A row of a list of sound and picture records."""
    TEXT = "text"
    """A row of a list of written records."""
    ARTICLE = "article"
    """An article that asks for sound and picture by itself."""


class Cell(enum.Enum):
    """A column of a list by its meaning; the value is the key that holds the cell in `Item`."""

    NUMBER = "no"
    CATEGORY = "category"
    STAGE = "stage"
    MATTER = "matter"
    TITLE = "title"
    PLACE = "place"
    TIME_LIMIT = "time_limit"
    DEPARTMENT = "department"
    RECORDER = "recorder"
    START = "start"
    PROCESS = "process"
    STOP = "stop"
    START_STOP = "start_stop"
    DEVICES = "device_text"
    CLASS = "class_text"
    FOCUS = "focus"
    REMARK = "remark"


class Trigger(enum.Enum):
    """What a term counts from, or up to."""

    SESSION_END = "session_end"
    RECORDING_MADE = "recording_made"
    """音像记录制作完成后 (Jiaozuo Art. 13): the end of the session."""
    NOT_NAMED = "not_named"
    """The rule names no event (Nong'an Art. 25): the end of the session is taken."""
    BACK_AT_OFFICE = "back_at_office"
    """返回机关后 (Jiaozuo Art. 13): work in the field, never a fixed device."""
    ENFORCEMENT_ENDED = "enforcement_ended"
    """执法结束之日 (Jiaozuo Art. 14)."""
    EXECUTION_ENDED = "execution_ended"
    """执行终结之日 (Nong'an Art. 27)."""
    NOTICE_SERVED = "notice_served"
    """告知后."""
    HEARING_HELD = "hearing_held"
    """听证…前: counted backwards from the hearing."""
    RECTIFICATION_DUE = "rectification_due"
    """Request for re-inspection, or end of the period for putting things right."""
    DOCUMENT_SERVED = "document_served"
    """送达时."""
    OTHER = "other"


class GroundKind(enum.Enum):
    """Why something is not to be recorded."""

    EXPLOSION_ZONE = "explosion_zone"
    WITHOUT_CONSENT = "without_consent"
    """Secrets or privacy, and the party has not agreed."""
    BY_LAW = "by_law"
    UNSUITABLE = "unsuitable"


class Cites(enum.Enum):
    """What an approval has to write beside the ground."""

    NOTHING = "nothing"
    LAW = "law"
    """The law, by its article."""
    REASON = "reason"


class AccessAction(enum.Enum):
    """What a party may ask for."""

    COPY = "copy"
    INSPECT = "inspect"


class AccessClass(enum.Enum):
    """Who may see media."""

    CASE = "case"
    """Those who work on the case, and a party whose request was approved."""
    CLOSED = "closed"
    """Nobody without an approval naming a purpose."""


class LongTermCode(enum.Enum):
    """What makes a session one to be kept for good (Jiaozuo Art. 17)."""

    COERCIVE_MEASURE = "coercive_measure"
    OBJECTION_OR_COMPLAINT = "objection_or_complaint"
    RESISTANCE = "resistance"
    MASS_INCIDENT = "mass_incident"
    OTHER = "other"


class HeaderField(enum.Enum):
    """A field of the session's header."""

    CASE_NUMBER = "case_number"
    CAUSE = "cause"
    MATTER = "matter"
    PARTIES = "parties"
    RELATED_PERSONS = "related_persons"
    OFFICIALS = "officials"
    CERTIFICATES = "certificates"
    HOST = "host"
    RECORDER = "recorder"
    PLACE = "place"
    SECRECY = "secrecy"
    EX_STATUS = "ex_status"


class Procedure(enum.Enum):
    """What kind of session a template is for."""

    HEARING = "hearing"
    LICENCE_HEARING = "licence_hearing"
    WINDOW = "window"
    INTERVIEW = "interview"
    STATEMENT = "statement"
    SERVICE = "service"

    @property
    def words_zh(self) -> str:
        """The word on the page."""
        return {
            Procedure.HEARING: "听证",
            Procedure.LICENCE_HEARING: "行政许可听证",
            Procedure.WINDOW: "窗口受理",
            Procedure.INTERVIEW: "询问",
            Procedure.STATEMENT: "陈述申辩",
            Procedure.SERVICE: "送达",
        }[self]


class RecorderAgency(enum.Enum):
    """Whose person records."""

    OWN = "own"
    ENTRUSTED = "entrusted"
    """Another agency, which serves on request (Zezhou row 34)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which document a profile is, who issued it, and since when it holds."""

    document: str
    """Title as printed; for the neutral profile, that it is nobody's rule."""
    issuer: str
    number: str = ""
    """文号."""
    effective_from: str = ""
    """ISO 8601 to the precision the document gives (YYYY, YYYY-MM or YYYY-MM-DD); "" where it names none."""
    effective_words: str = ""
    superseded_by: str = ""
    """Title of the later rule, "" while none is known."""
    text: str = ""
    """Name of the file that holds the document's text as issued, "" without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the list: its heading as printed, and what it holds."""

    heading: str
    cell: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One word of the device column or of the articles."""

    word: str
    kind: DeviceKind
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """So many hours, days or working days after an event, or before it."""

    amount: int
    unit: Unit
    trigger: Trigger
    words: str
    """As the document has it."""
    before: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row or article: its cells word for word, then what they mean. None: the list has no such column."""

    no: str
    list_kind: ListKind
    title: str
    source: str
    """Row or article."""
    obligation: Obligation
    fixed_room: bool
    """A fixed recorder has a part in it; `fixed_room_reason` says on what ground."""
    fixed_room_reason: str
    fixed_room_candidate: bool = False
    """It would have one if the list were amended or the act took place in the room."""
    begin: Begin | None = None
    span: Span | None = None
    category: str | None = None
    stage: str | None = None
    matter: str | None = None
    place: str | None = None
    time_limit: str | None = None
    department: str | None = None
    recorder: str | None = None
    start: str | None = None
    process: str | None = None
    stop: str | None = None
    start_stop: str | None = None
    device_text: str | None = None
    class_text: str | None = None
    focus: str | None = None
    remark: str | None = None
    devices: tuple[str, ...] = ()
    """Words of `Profile.devices`; what the cell means where its separators are lost."""
    classes: tuple[RecordClass, ...] = ()
    limit: Limit | None = None
    recorder_agency: RecorderAgency = RecorderAgency.OWN
    notes: tuple[str, ...] = ()
    """What a reader has to know of the cells: doubts, lost separators, missing parts."""

    def cell(self, cell: Cell) -> str | None:
        """The cell word for word; None where the list has no such column or leaves it unread."""
        value: str | None = getattr(self, cell.value)
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One article word for word, a string for each line of the document's own layout (paragraph or numbered item)."""

    number: int
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """告知用语: what parties are told before the first step, within so many seconds of their coming."""

    text: str
    source: str
    within_seconds: int = 60
    late_joiners: bool = True
    each_visit: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """An identity phrase 表明身份: × stands for what is filled in."""

    text: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prohibition:
    """What is not to be recorded. `grounds` are the short words a person chooses from."""

    text: str
    source: str
    kind: GroundKind
    grounds: tuple[str, ...]
    cites: Cites = Cites.NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """An objective cause of an interruption in the document's words, and its code in the journal."""

    words: str
    cause: GapCause
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """A later deadline for work away from the office, which no fixed device can have."""

    limit: Limit
    source: str
    fixed_device: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRule:
    """By when and to where a recording goes."""

    limit: Limit
    destination: str
    source: str
    self_keeping: bool = False
    """Whether the recorder may keep it personally: never, in any rule known."""
    extension: Extension | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """By when the case file is closed, and whose law goes before this rule."""

    limit: Limit
    source: str
    special_law_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long media is kept, in words; the term itself follows the case file."""

    words: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """文字说明材料 or a disc label: the fields that must be filled, as printed."""

    fields: tuple[str, ...]
    source: str
    transcript: bool = False
    """Sound needs its text beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a party may ask for, and who has to agree."""

    action: AccessAction
    approver: str
    source: str
    exception: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """对外提供: who must agree before anything is given outside or published."""

    approver: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Custodian:
    """保管专人: the role that keeps the records; `person` is filled in by the unit itself."""

    role: str
    duties: str
    source: str
    person: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongTerm:
    """One trigger of keeping for good."""

    code: LongTermCode
    text: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMoment:
    """One entry of the list of what is to be recorded with care: a choice of the 重点标记 button."""

    text: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Which fields of a session's header must be filled, and how many officials must be named."""

    required: tuple[HeaderField, ...]
    source: str
    least_officials: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How the recording shows where it was made."""

    plate_required: bool
    """The place's visible sign is to be in the picture."""
    spoken_otherwise: bool
    """Where there is none, the name of the place is spoken."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BothSides:
    """Officials and parties are both to be in the picture (Jiaozuo Art. 9)."""

    words: str
    """As the document has it."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlwaysOn:
    """Whether the premises are to be recorded all the time."""

    obligation: Obligation
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideVisits:
    """What an always-on room recorded between visits: who may see it and how long it is kept."""

    access: AccessClass
    keep_days: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a procedure. `covers` names the rows (`Item.no`) that a mark of this step shows to be recorded."""

    id: str
    title: str
    required: bool = True
    covers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """How one kind of session goes, step by step."""

    procedure: Procedure
    obligation: Obligation
    recorder: str
    """Who records, in the document's word; "" where it names nobody."""
    source: str
    steps: tuple[Step, ...]
    place: str = ""
    begin: Begin = Begin.AT
    """`BEFORE`: capture must be running before step 1."""
    span: Span = Span.WHOLE
    ask_reason_before: str = ""
    """Id of the step that must be marked, or a stop asks for a reason; "" for none."""
    covers: tuple[str, ...] = ()
    """Rows that are shown by the session as a whole."""
    least_officials: int = 2
    recorder_agency: RecorderAgency = RecorderAgency.OWN
    header_also: tuple[HeaderField, ...] = ()
    """Fields of the session's header that this procedure asks for beyond `Profile.header`."""
    header_waived: tuple[HeaderField, ...] = ()
    """Fields of `Profile.header` that are not asked for here: at a window nobody's name is known at the start."""

    @property
    def capture_before_first_step(self) -> bool:
        """Whether capture has to begin before step 1."""
        return self.begin is Begin.BEFORE

    def rows(self) -> frozenset[str]:
        """Every row this procedure shows, by a step or as a whole."""
        return frozenset(self.covers).union(*(step.covers for step in self.steps))


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """辖区规则: the whole of one jurisdiction. `digest` is SHA-256 of the file's bytes, and stands in every session."""

    name: str
    """What a configuration calls it: lower-case ASCII."""
    title: str
    title_en: str
    origin: Origin
    header: Header
    outside_visits: OutsideVisits
    templates: tuple[Template, ...]
    prohibitions: tuple[Prohibition, ...] = ()
    interruptions: tuple[Interruption, ...] = ()
    always_on: AlwaysOn | None = None
    place: Place | None = None
    both_sides: BothSides | None = None
    notice: Notice | None = None
    store: StoreRule | None = None
    archive: Archive | None = None
    retention: Retention | None = None
    evidence_sheet: Sheet | None = None
    disc_label: Sheet | None = None
    custodian: Custodian | None = None
    access: tuple[Access, ...] = ()
    release: Release | None = None
    identity: tuple[Phrase, ...] = ()
    long_term: tuple[LongTerm, ...] = ()
    key_moments: tuple[KeyMoment, ...] = ()
    devices: tuple[Device, ...] = ()
    class_legend: tuple[RecordClass, ...] = ()
    """The classes the document's legend names, used or not."""
    columns: tuple[Column, ...] = ()
    items: tuple[Item, ...] = ()
    articles: tuple[Article, ...] = ()
    notes: tuple[str, ...] = ()
    digest: bytes = b""

    def item(self, no: str) -> Item | None:
        """The row or article of that number."""
        return next((one for one in self.items if one.no == no), None)

    def template(self, procedure: Procedure) -> Template | None:
        """The procedure's template, or None where the document knows no such procedure."""
        return next((one for one in self.templates if one.procedure is procedure), None)

    def header_of(self, procedure: Procedure) -> frozenset[HeaderField]:
        """The fields that must be filled for a session of that kind."""
        template = self.template(procedure)
        if template is None:
            return frozenset(self.header.required)
        return frozenset(self.header.required) - set(template.header_waived) | set(template.header_also)

    def cited(self, source: str) -> str:
        """A source as a reader finds it: the document, then the row or article."""
        return f"《{self.origin.document}》{source}"

    def grounds(self) -> Iterator[str]:
        """The short words of every ground on which a person may stop recording; the interlock's own is not one."""
        for prohibition in self.prohibitions:
            if prohibition.kind is not GroundKind.EXPLOSION_ZONE:
                yield from prohibition.grounds

    def cites(self, ground: str) -> Cites:
        """What an approval on that ground has to cite."""
        return next((one.cites for one in self.prohibitions if ground in one.grounds), Cites.NOTHING)

    def device_kinds(self, item: Item) -> frozenset[DeviceKind]:
        """The kinds of device a row names; none where the list has no such column."""
        return frozenset(one.kind for one in self.devices if one.word in item.devices)
