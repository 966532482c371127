"""A coverage report as plain text, Chinese first with its English beside. Pure; nothing in it acts on a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

from edge.coverage import lines
from edge.coverage.values import Coverage, Interruption, ItemCoverage, Requirement
from edge.coverage.words import Said, said, settled

MOST_LETTERS = 4000
MOST_LINES = 200
NEVER_FIRST = "，。；：、）》”"
"""What closes a phrase has a place kept for it at the end of a line, rather than begin one."""


def to_text(report: Coverage, columns: int | None = None) -> str:
    """The whole report, ending with a line end. Folded for a terminal of so many columns; else one line for each thing.

    A line that goes on stands as far in as it began.
    """
    settled_lines = (settled(line, MOST_LETTERS) for line in _lines(report))
    return "".join(f"{folded}\n" for line in settled_lines for folded in _folded(line, columns))


def _folded(line: str, columns: int | None) -> Iterator[str]:
    """Cut before a letter that does not fit any more; a CJK letter takes two columns."""
    if columns is None:
        yield line
        return
    indent = " " * min(len(line) - len(line.lstrip(" ")) + 2, columns // 2)
    kept, used = "", 0
    for letter in line:
        width = _width(letter)
        room = columns if letter in NEVER_FIRST else columns - _width(NEVER_FIRST[0])
        if used + width > room:
            at = _break(kept, letter, len(indent))
            yield kept[:at].rstrip(" ")
            kept = indent + kept[at:]
            used = sum(map(_width, kept))
            if letter == " ":
                continue
        kept, used = kept + letter, used + width
    yield kept


def _break(kept: str, letter: str, indent: int) -> int:
    """Where to cut: here, or before the word or number in Latin letters that would be torn."""
    at = len(kept)
    while letter != " " and at > indent and kept[at - 1].isascii() and kept[at - 1] != " ":
        at -= 1
    whole = letter.isascii() and at > len(kept) // 2
    return at if whole else len(kept)


def _width(letter: str) -> int:
    """Columns of one letter on a terminal (UAX #11)."""
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _lines(report: Coverage) -> Iterator[str]:
    yield f"{lines.TITLE}"
    for warning in report.warnings:
        yield f"▲ {warning}"
    for words in report.verified.broken:
        yield f"  ▲ 破坏 broken：{words}"
    yield ""
    for name, value in lines.heading(report):
        yield f"  {name}：{value}"
    yield f"  {lines.TIMES}"
    yield f"  {lines.counted(report)}"
    yield from _block(said("官方事项", "Official items"), (_item(one) for one in report.items))
    yield from _block(said("应当履行的要求", "What was due"), (_requirement(one) for one in report.requirements))
    yield from _block(said("环节", "Steps"), ([f"  {lines.fact_words(one)}"] for one in report.steps))
    yield from _block(said("中止与缺路", "Gaps and degraded streams"), (_gap(one) for one in report.interruptions))
    yield from _block(
        said("补标（事后标记，所指时间凭记忆）", "Marked afterwards"),
        ([f"  {one.name}：{lines.shown_words(one)}"] for one in report.late),
    )
    yield from _block(
        said("其他标记", "Other marks"),
        ([f"  {one.name}：{lines.shown_words(one)}"] for one in report.others),
    )
    yield from _block(
        said("画面与声音异常", "Picture and sound"),
        ([f"  {lines.trouble_words(one)}"] for one in report.degraded),
    )
    yield from _block(said("值守期间的办事", "Visits"), ([f"  {lines.visit_words(one)}"] for one in report.visits))
    yield from _block(
        said("固定设备不得主张的", "What a fixed recorder may not claim"),
        ([f"  {lines.fact_words(one)}"] for one in report.not_claimed),
    )
    yield from _block(said("规则文件的说明", "Notes of the rule book"), ([f"  {one}"] for one in report.notes))


def _block(title: Said, entries: Iterable[list[str]]) -> Iterator[str]:
    """A titled block, nothing where it is empty; what is too much is counted."""
    listed = list(entries)
    if not listed:
        return
    yield ""
    yield f"{title}"
    for entry in listed[:MOST_LINES]:
        yield from entry
    if len(listed) > MOST_LINES:
        yield f"  另有 {len(listed) - MOST_LINES} 项，见 JSON / more in the JSON"


def _item(item: ItemCoverage) -> list[str]:
    said_of = [f"  [{item.status.words}] {item.no} {item.title}（{item.cited}，{item.obligation}）"]
    if item.rule:
        said_of.append(f"      规定起止 rule：{item.rule}")
    if item.since is not None and item.until is not None:
        said_of.append(f"      录制 recorded：{lines.edge_words(item.since)} — {lines.edge_words(item.until)}")
    said_of += [f"      标记 mark：{one.name}，{lines.shown_words(one)}" for one in item.marks]
    for gap in item.interruptions:
        said_of += [f"      {lines.gap_words(gap)}", f"        说明 explained：{lines.explained_words(gap)}"]
    said_of += [f"      ▲ {words}" for words in item.why]
    if item.claim.words.zh:
        said_of.append(f"      ▲ {item.claim.words}")
    return said_of + [f"      {note}" for note in item.notes]


def _requirement(one: Requirement) -> list[str]:
    head = f"  [{one.outcome.words}] {one.topic.words}"
    ground = f"      依据 by：{lines.ground_words(one)}" if one.ground is not None else ""
    return [line for line in (head, ground, *(f"      {lines.fact_words(fact)}" for fact in one.facts)) if line]


def _gap(gap: Interruption) -> list[str]:
    return [f"  {lines.gap_words(gap)}", f"      说明 explained：{lines.explained_words(gap)}"]
