"""What contradicts itself within one profile, or could not be followed by a recorder: each as a fault of its file.

Pure. Each value alone was already of its type; here parts are held against each other, against the calendar, and
against what a session's entry can hold (`liuhen.kinds.Procedure`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from edge.profiles.schema import (
    GapCause,
    GroundKind,
    Item,
    Limit,
    ListKind,
    Obligation,
    Profile,
    Template,
    Trigger,
)

MOST_STEPS = 64
MOST_KEY_MOMENTS = 64
"""As many as a session's entry holds (FORMAT.md 5.9)."""
FROM_THE_SESSION = (Trigger.SESSION_END, Trigger.RECORDING_MADE, Trigger.NOT_NAMED)
FROM_THE_CASE = (Trigger.ENFORCEMENT_ENDED, Trigger.EXECUTION_ENDED)
NOBODYS_WORD = (GapCause.INTERLOCK, GapCause.WITHHELD)
"""What the guard and an approval say, and no person afterwards."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong with a file: where, and what may stand there."""

    path: str
    zh: str
    en: str

    def line(self, file: str) -> str:
        """One line for a person, Chinese first."""
        return visible(f"辖区规则 {file}：{self.path}：{self.zh} | {self.en}")


def visible(text: str) -> str:
    """The text with a question mark for each character that would act instead of being seen."""
    return "".join(one if one.isprintable() else "?" for one in text)


def contradictions(profile: Profile) -> Iterator[Fault]:
    """Every fault, in the order of the schema's parts."""
    if not _NAME.fullmatch(profile.name):
        yield Fault(path="name", zh="须为小写字母、数字和连字符", en="must be lower-case letters, digits and hyphens")
    if not is_date(profile.origin.effective_from):
        zh, en = (
            "须为 YYYY、YYYY-MM 或 YYYY-MM-DD，且历法中有这一天",
            "must be YYYY, YYYY-MM or YYYY-MM-DD, and a day there is",
        )
        yield Fault(path="origin.effective_from", zh=zh, en=en)
    yield from _repeated(profile)
    yield from _terms(profile)
    for item in profile.items:
        yield from _of_item(profile, item)
    for template in profile.templates:
        yield from _of_template(profile, template)
    yield from _grounds_and_causes(profile)
    yield from _columns(profile)
    if len(profile.key_moments) > MOST_KEY_MOMENTS:
        yield Fault(path="key_moments", zh=f"至多 {MOST_KEY_MOMENTS} 项", en=f"at most {MOST_KEY_MOMENTS}")
    if profile.notice is not None and profile.notice.within_seconds == 0:
        yield Fault(path="notice.within_seconds", zh="至少 1 秒", en="must be at least 1")


def is_date(text: str) -> bool:
    """Whether it is nothing, or a year, a month or a day of the calendar."""
    if not text:
        return True
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(f"{text}-01-01"[: len("2000-01-01")])
    except ValueError:
        return False
    return True


def _repeated(profile: Profile) -> Iterator[Fault]:
    yield from _twice("items", (one.no for one in profile.items))
    yield from _twice("articles", (str(one.number) for one in profile.articles))
    yield from _twice("columns", (one.cell.value for one in profile.columns))
    yield from _twice("devices", (one.word for one in profile.devices))
    yield from _twice("templates", (one.procedure.value for one in profile.templates))
    yield from _twice("prohibitions", (ground for one in profile.prohibitions for ground in one.grounds))
    yield from _twice("long_term", (one.code.value for one in profile.long_term))
    yield from _twice("key_moments", (one.text for one in profile.key_moments))


def _twice(at: str, names: Iterable[str]) -> Iterator[Fault]:
    seen = set[str]()
    for name in names:
        if name in seen:
            yield Fault(path=at, zh=f"{name} 出现两次", en=f"{name} stands twice")
        seen.add(name)


def _terms(profile: Profile) -> Iterator[Fault]:
    """A store's clock starts with the session, an archive's with what is said of the case; neither runs backwards."""
    if profile.store is not None:
        yield from _forwards("store.limit", profile.store.limit, FROM_THE_SESSION)
    if profile.archive is not None:
        yield from _forwards("archive.limit", profile.archive.limit, FROM_THE_CASE)


def _forwards(at: str, limit: Limit, triggers: tuple[Trigger, ...]) -> Iterator[Fault]:
    if limit.trigger not in triggers:
        listed = ", ".join(one.value for one in triggers)
        yield Fault(
            path=f"{at}.trigger",
            zh=f"{limit.trigger.value} 不能起算此期限，须为 {listed} 之一",
            en=f"this term cannot start with {limit.trigger.value}; must be one of {listed}",
        )
    if limit.before:
        yield Fault(path=f"{at}.before", zh="此期限只能向后计算，去掉 before", en="counted forwards only: leave it out")
    if limit.amount == 0:
        yield Fault(
            path=f"{at}.amount", zh="至少为 1；没有期限的不写这一节", en="at least 1; without a term leave it out"
        )


def _of_item(profile: Profile, item: Item) -> Iterator[Fault]:
    known = {one.word for one in profile.devices}
    for word in item.devices:
        if word not in known:
            yield Fault(
                path=f"items（{item.no}）.devices",
                zh=f"“{word}”未在 devices 中说明是哪一类设备",
                en=f"{word!r} is not explained in devices",
            )
    if item.fixed_room and item.fixed_room_candidate:
        zh, en = (
            "已是 fixed_room，不再写 fixed_room_candidate",
            "it is for a fixed room already: leave the candidate out",
        )
        yield Fault(path=f"items（{item.no}）.fixed_room_candidate", zh=zh, en=en)


def _of_template(profile: Profile, template: Template) -> Iterator[Fault]:
    at = f"templates（{template.procedure.value}）"
    steps = [step.id for step in template.steps]
    if not 0 < len(steps) <= MOST_STEPS:
        yield Fault(path=f"{at}.steps", zh=f"须有 1..{MOST_STEPS} 个环节", en=f"must be 1..{MOST_STEPS} steps")
    yield from _twice(f"{at}.steps", steps)
    for step in steps:
        if not _NAME.fullmatch(step):
            zh, en = (
                f"环节 {step} 的 id 须为小写字母、数字和连字符",
                f"the id {step} must be lower-case letters and hyphens",
            )
            yield Fault(path=f"{at}.steps", zh=zh, en=en)
    if template.ask_reason_before and template.ask_reason_before not in steps:
        zh, en = f"没有环节 {template.ask_reason_before}", f"no step {template.ask_reason_before}"
        yield Fault(path=f"{at}.ask_reason_before", zh=zh, en=en)
    if template.obligation is Obligation.MUST_NOT:
        zh, en = "不得记录的不设程序，写入 prohibitions", "what must not be recorded has no procedure: see prohibitions"
        yield Fault(path=f"{at}.obligation", zh=zh, en=en)
    for field in sorted(set(template.header_also) & set(template.header_waived), key=lambda one: one.value):
        zh, en = f"{field.value} 又在 header_also 中", f"{field.value} stands in header_also too"
        yield Fault(path=f"{at}.header_waived", zh=zh, en=en)
    known = {item.no for item in profile.items}
    for no in sorted(template.rows() - known):
        yield Fault(path=f"{at}.covers", zh=f"清单中没有第 {no} 项", en=f"the list has no item {no}")


def _grounds_and_causes(profile: Profile) -> Iterator[Fault]:
    for prohibition in profile.prohibitions:
        if not prohibition.grounds and prohibition.kind is not GroundKind.EXPLOSION_ZONE:
            at = f"prohibitions（{prohibition.source}）.grounds"
            yield Fault(path=at, zh="至少写一个可选的事由", en="name at least one ground to choose")
    for interruption in profile.interruptions:
        if interruption.cause in NOBODYS_WORD:
            word = interruption.cause.name.lower()
            zh, en = f"{word} 由设备认定，不由人填写", f"{word} is the device's to say and nobody's to choose"
            yield Fault(path=f"interruptions（{interruption.words}）.cause", zh=zh, en=en)


def _columns(profile: Profile) -> Iterator[Fault]:
    """A heading whose cell no row fills in is a key misnamed, or a column left untyped."""
    rows = [item for item in profile.items if item.list_kind is not ListKind.ARTICLE]
    for column in profile.columns:
        if rows and all(row.cell(column.cell) is None for row in rows):
            zh = f'“{column.heading}”一栏没有任何一行写出 {column.cell.value}；空白的写 ""'
            en = f'no row has {column.cell.value}; an empty cell is ""'
            yield Fault(path=f"columns（{column.heading}）", zh=zh, en=en)
