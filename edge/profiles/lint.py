"""What a reader has to know before a profile is relied on: what a fixed recorder may not claim, what looks old or torn.

Pure. Nothing is corrected here or anywhere: the document stays as issued, and a person decides.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edge.profiles.schema import (
    Begin,
    DeviceKind,
    Item,
    ListKind,
    Obligation,
    Procedure,
    Profile,
    Trigger,
    Unit,
)

LAW_OF_2021 = "2021-07-15"
"""The Administrative Penalty Law as revised (行政处罚法) holds from this day. Art. 64: a hearing is asked for within
五日 of the notice and told of 七日 before; Art. 85: those are working days; Arts. 44, 45: no days for a statement."""
LAW_WORDS = "《行政处罚法》（2021年修订）"
DOUBTS = ("[存疑]", "[残缺]")


class Level(enum.Enum):
    """How much a line matters."""

    CANNOT_CLAIM = "cannot_claim"
    """A fixed recorder alone does not satisfy this."""
    WARNING = "warning"
    NOTE = "note"

    @property
    def words(self) -> str:
        """The word on the page, both languages."""
        return {
            Level.CANNOT_CLAIM: "不得主张 cannot claim",
            Level.WARNING: "警告 warning",
            Level.NOTE: "提示 note",
        }[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One line: which row or article, and what is to be known of it."""

    level: Level
    source: str
    zh: str
    en: str


def lint(profile: Profile) -> tuple[Remark, ...]:
    """Every remark: first what cannot be claimed, then what is doubtful."""
    remarks = [remark for look in _LOOKS for remark in look(profile)]
    order = list(Level)
    return tuple(sorted(remarks, key=lambda one: order.index(one.level)))


def _portable_only(profile: Profile) -> Iterator[Remark]:
    """A place in the room does not help where the device column names no mounted device."""
    for item in profile.items:
        kinds = profile.device_kinds(item)
        if kinds and DeviceKind.FIXED not in kinds and (item.fixed_room or item.fixed_room_candidate):
            yield Remark(
                level=Level.CANNOT_CLAIM,
                source=item.source,
                zh=f"“{item.title}”的载体只列{item.device_text}：固定设备只能作同场补充，不得据此主张满足本项",
                en="only portable devices are listed: a fixed recorder supplements them and satisfies nothing alone",
            )


def _rows_elsewhere(profile: Profile) -> Iterator[Remark]:
    """One line for all rows and articles that take place where no fixed recorder is."""
    away = [
        item.no
        for item in profile.items
        if item.list_kind is not ListKind.TEXT and not (item.fixed_room or item.fixed_room_candidate)
    ]
    if away:
        yield Remark(
            level=Level.CANNOT_CLAIM,
            source="清单" if profile.columns else "条文",
            zh=f"以下各项不在固定场所进行，固定设备不适用：{'、'.join(away)}",
            en=f"{len(away)} items take place elsewhere and are not for a fixed recorder",
        )


def _field_extension(profile: Profile) -> Iterator[Remark]:
    if profile.store is not None and profile.store.extension is not None:
        extension = profile.store.extension
        yield Remark(
            level=Level.CANNOT_CLAIM,
            source=extension.source,
            zh=f"“{extension.limit.words}”只适用于外出执法，固定设备不得使用此延期",
            en="the extension is for work in the field; a fixed device cannot have it",
        )


def _unused_classes(profile: Profile) -> Iterator[Remark]:
    used = {one for item in profile.items for one in item.classes}
    has_column = any(item.class_text is not None for item in profile.items)
    for named in profile.class_legend:
        if has_column and named not in used:
            yield Remark(
                level=Level.NOTE,
                source="填表说明",
                zh=f"{named.words_zh}列在填表说明中，清单各行均未使用",
                en=f"the class {named.value!r} stands in the legend and is used by no row",
            )
    if profile.class_legend and not has_column:
        yield Remark(
            level=Level.NOTE,
            source="填表说明",
            zh="填表说明列有记录类别，清单没有该栏，各行类别不明",
            en="the legend names classes, the list has no column for them",
        )


def _older_than_the_law(profile: Profile) -> Iterator[Remark]:
    """Terms before and after the notice beside what the revised law says; a document after it is let alone."""
    if profile.origin.effective_from >= LAW_OF_2021:
        return
    for item in profile.items:
        if item.limit is None or item.limit.unit is not Unit.DAYS:
            continue
        if item.limit.trigger is Trigger.NOTICE_SERVED:
            zh = (
                f"{LAW_WORDS}第四十四条、第四十五条对陈述、申辩没有规定日数；"
                "第六十四条第（一）项的五日是提出听证要求的期限"
            )
            yield _beside_the_law(item, zh, "Arts. 44, 45 set no days for a statement; Art. 64(1): 5 for a hearing")
        elif item.limit.trigger is Trigger.HEARING_HELD:
            zh = f"{LAW_WORDS}第六十四条第（二）项为举行听证的七日前"
            yield _beside_the_law(item, zh, "Art. 64(2): notice 7 days before the hearing")


def _beside_the_law(item: Item, zh: str, en: str) -> Remark:
    words = item.limit.words if item.limit is not None else ""
    return Remark(
        level=Level.WARNING,
        source=item.source,
        zh=f"“{words}”须与现行法核对：{zh}，第八十五条规定五日、七日指工作日。未作更改，请以现行有效的规定为准",
        en=f"to be checked against the penalty law of 2021 ({en}; Art. 85: working days); nothing was changed",
    )


def _broken_cells(profile: Profile) -> Iterator[Remark]:
    for item in profile.items:
        for note in item.notes:
            if note.startswith(DOUBTS):
                yield Remark(
                    level=Level.WARNING, source=item.source, zh=note, en="a doubtful or torn cell, kept as it is"
                )


def _hearing(profile: Profile) -> Iterator[Remark]:
    hearing = profile.template(Procedure.HEARING)
    if hearing is None:
        return
    if hearing.obligation is not Obligation.MUST:
        yield Remark(
            level=Level.NOTE,
            source=hearing.source,
            zh="听证以书面记录为主，音像只是必要时的辅助记录；报告应写明“辅助记录”",
            en="the written record leads at a hearing; sound and picture assist where necessary",
        )
    if hearing.begin is Begin.BEFORE:
        yield Remark(
            level=Level.NOTE,
            source=hearing.source,
            zh="听证开始前即须开始录制",
            en="capture has to be running before the hearing begins",
        )


def _by_analogy(profile: Profile) -> Iterator[Remark]:
    """Rules worded for 执法记录仪 bind a fixed recorder by analogy only (Jiaozuo Arts. 9, 10)."""
    for article in profile.articles:
        first = article.paragraphs[0] if article.paragraphs else ""
        if "使用执法记录仪" in first:
            yield Remark(
                level=Level.NOTE,
                source=f"第{article.number}条",
                zh="以执法记录仪为对象，固定设备参照适用，不是直接适用",
                en="worded for body-worn recorders: followed by analogy, not directly binding",
            )


def _nothing_said(profile: Profile) -> Iterator[Remark]:
    silent = (
        (profile.store, "入库期限", "by when to store"),
        (profile.archive, "归档期限", "by when to archive"),
        (profile.access or None, "当事人调阅的批准", "who agrees to a party's request"),
        (profile.prohibitions or None, "不得记录的情形", "what is not to be recorded"),
        (profile.notice, "全程录音录像的告知用语", "the words of the notice"),
    )
    for value, zh, en in silent:
        if value is None:
            yield Remark(
                level=Level.NOTE,
                source="全文",
                zh=f"文件未规定{zh}，由本单位核定",
                en=f"the document does not say {en}",
            )


def _in_force(profile: Profile) -> Iterator[Remark]:
    if profile.origin.superseded_by:
        yield Remark(
            level=Level.WARNING,
            source="全文",
            zh=f"已被《{profile.origin.superseded_by}》取代",
            en="superseded by a later rule",
        )
    if not profile.origin.effective_from:
        yield Remark(
            level=Level.NOTE,
            source="全文",
            zh="文件没有写明施行日期",
            en="the document does not say since when it holds",
        )


_LOOKS: tuple[Callable[[Profile], Iterator[Remark]], ...] = (
    _portable_only,
    _rows_elsewhere,
    _field_extension,
    _older_than_the_law,
    _broken_cells,
    _in_force,
    _unused_classes,
    _hearing,
    _by_analogy,
    _nothing_said,
)
