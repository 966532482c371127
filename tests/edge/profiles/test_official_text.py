"""Every cell and article of the profiles is that of the documents as issued; broken cells carry a note."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from edge.profiles import Profile
from edge.profiles.schema import Cell, Item, ListKind, Procedure
from tests.edge.profiles.books import load_named
from tests.edge.profiles.official import (
    articles,
    bare,
    gaps,
    jiaozuo_table,
    loose,
    numbered,
    province_headings,
    province_rows,
    text_of,
    xinhua_headings,
    xinhua_rows,
    zezhou_headings,
    zezhou_rows,
)

GLUED = {("36", Cell.START)}
"""Zezhou: where no white space parts a cell from the next."""
Differences = Callable[[Profile], Iterator[str]]


def _cells(profile: Profile, item: Item) -> list[str]:
    return [bare(item.cell(column.cell)) for column in profile.columns]


def _by_cells(profile: Profile, rows: dict[str, list[str]]) -> Iterator[str]:
    if [item.no for item in profile.items] != list(rows):
        yield "numbers"
    for item in profile.items:
        official = rows.get(item.no, [])
        if _cells(profile, item) != [bare(cell) for cell in official]:
            yield item.no


def _province(profile: Profile) -> Iterator[str]:
    yield from _by_cells(profile, province_rows())


def _xinhua(profile: Profile) -> Iterator[str]:
    yield from _by_cells(profile, xinhua_rows())


def _zezhou(profile: Profile) -> Iterator[str]:
    """Characters and order of each row, and a gap in the text at each end of a cell."""
    rows = zezhou_rows()
    if [item.no for item in profile.items] != list(rows):
        yield "numbers"
    for item in profile.items:
        cells = _cells(profile, item)[1:]
        official = rows.get(item.no, "")
        if "".join(cells) != bare(official):
            yield item.no
        allowed, at = gaps(official), 0
        for column, cell in zip(profile.columns[1:], cells, strict=True):
            at += len(cell)
            if at not in allowed and (item.no, column.cell) not in GLUED:
                yield f"{item.no} {column.heading}"


def _rows_of_annex_2(profile: Profile) -> Iterator[str]:
    for row, name in zip(jiaozuo_table(2)[1:], ("行政许可", "监督检查"), strict=True):
        for number, text in numbered(row[1]):
            item = profile.item(f"附件2-{name}-{number}")
            found = None if item is None else (item.category, item.title, bare(item.process), item.remark)
            if found != (row[0], text.rstrip("；。"), bare(row[2]), row[3]):
                yield f"附件2-{name}-{number}"


def _rows_of_annex_3(profile: Profile) -> Iterator[str]:
    """Repairs: requirement 5 stands in the next column, items 4 to 9 of the second row in the first row's requirements,
    items 1 to 3 are those of Art. 7(2); requirement 4 is lost, the second row's other cells are empty."""
    _, first, second = jiaozuo_table(3)
    required, focus = numbered(first[2]), numbered(first[3])
    process = "".join(f"{n}. {text}" for n, text in [*required[:3], focus[6]])
    careful = "".join(f"{n}. {text}" for n, text in focus[:6])
    assert [n for n, _ in focus] == [1, 2, 3, 4, 5, 6, 5]
    article = articles("jiaozuo", 21)[7].partition("（二）")[2].partition("对查封扣押财产")[0]
    activities = [text for _, text in numbered(" ".join(article.split("\n")))]
    assert [text for _, text in required[3:]] == activities[3:]
    licences = [(first[0], text, process, careful) for _, text in numbered(first[1])]
    others = [(second[0], text, "", "") for text in activities]
    for name, rows in (("行政许可", licences), ("监督检查", others)):
        for number, (category, text, requirement, careful_of) in enumerate(rows, 1):
            item = profile.item(f"附件3-{name}-{number}")
            cells = None if item is None else (item.category, item.title, bare(item.process), bare(item.focus))
            if cells != (category, text.rstrip("；。"), bare(requirement), bare(careful_of)):
                yield f"附件3-{name}-{number}"


def _articles(profile: Profile, last: int) -> Iterator[str]:
    official = articles(profile.name, last)
    if [one.number for one in profile.articles] != list(official):
        yield "numbers"
    for one in profile.articles:
        if "".join(map(bare, one.paragraphs)) != bare(official.get(one.number)):
            yield f"第{one.number}条"


def _articles_as_items(profile: Profile) -> Iterator[str]:
    """An item made of an article quotes it."""
    said = "".join(bare(paragraph) for one in profile.articles for paragraph in one.paragraphs)
    for item in profile.items:
        if item.list_kind is ListKind.ARTICLE and (not item.process or bare(item.process) not in said):
            yield item.no


def _jiaozuo(profile: Profile) -> Iterator[str]:
    yield from _rows_of_annex_2(profile)
    yield from _rows_of_annex_3(profile)
    yield from _articles(profile, 21)
    yield from _articles_as_items(profile)


def _nongan(profile: Profile) -> Iterator[str]:
    yield from _articles(profile, 29)
    yield from _articles_as_items(profile)


CHECKS: dict[str, Differences] = {
    "zezhou": _zezhou,
    "province": _province,
    "xinhua": _xinhua,
    "jiaozuo": _jiaozuo,
    "nongan": _nongan,
}


@pytest.mark.parametrize("name", CHECKS)
def test_every_cell_and_article_is_that_of_the_official_text(name: str) -> None:
    assert list(CHECKS[name](load_named(name))) == []


ROWS: Mapping[str, Callable[[], Mapping[str, object]]] = {
    "zezhou": zezhou_rows,
    "province": province_rows,
    "xinhua": xinhua_rows,
}


@pytest.mark.parametrize(("name", "count"), [("zezhou", 38), ("province", 30), ("xinhua", 23)])
def test_the_counts_are_those_of_the_official_text(name: str, count: int) -> None:
    rows = ROWS[name]()
    profile = load_named(name)
    assert [item.no for item in profile.items] == list(rows) == [str(n) for n in range(1, count + 1)]
    assert {item.list_kind for item in profile.items} == {ListKind.AUDIO_VIDEO}


def test_jiaozuo_has_the_rows_of_both_annexes_and_each_has_its_articles() -> None:
    jiaozuo, nongan = load_named("jiaozuo"), load_named("nongan")
    kinds = [item.list_kind for item in jiaozuo.items]
    assert (kinds.count(ListKind.AUDIO_VIDEO), kinds.count(ListKind.TEXT)) == (12, 11)
    assert (len(jiaozuo.articles), len(nongan.articles)) == (21, 29)


def _heard(profile: Profile, item: Item) -> Iterator[Profile]:
    """The profile with one character of one cell changed, once for each cell that has one."""
    for column in profile.columns:
        text = item.cell(column.cell)
        if text and column.cell is not Cell.NUMBER:
            wrong: dict[str, Any] = {column.cell.value: "误" + text[1:]}
            other = dataclasses.replace(item, **wrong)
            yield dataclasses.replace(profile, items=tuple(other if one is item else one for one in profile.items))


@pytest.mark.parametrize("name", ["zezhou", "province", "xinhua", "jiaozuo"])
def test_one_changed_character_in_any_cell_is_found(name: str) -> None:
    profile = load_named(name)
    rows = [item for item in profile.items if item.list_kind is not ListKind.ARTICLE]
    for item in (rows[0], rows[len(rows) // 2], rows[-1]):
        for changed in _heard(profile, item):
            assert item.no in [found.split()[0] for found in CHECKS[name](changed)]


@pytest.mark.parametrize("name", ["jiaozuo", "nongan"])
def test_one_changed_character_in_any_article_is_found(name: str) -> None:
    profile = load_named(name)
    for one in profile.articles:
        other = dataclasses.replace(one, paragraphs=("误" + one.paragraphs[0][1:], *one.paragraphs[1:]))
        changed = dataclasses.replace(profile, articles=tuple(other if a is one else a for a in profile.articles))
        assert f"第{one.number}条" in list(CHECKS[name](changed))


@pytest.mark.parametrize("name", CHECKS)
def test_a_row_left_out_is_found(name: str) -> None:
    profile = load_named(name)
    short = dataclasses.replace(profile, items=profile.items[1:], articles=profile.articles[:-1])
    assert list(CHECKS[name](short)) != []


def test_the_columns_are_those_of_the_official_text() -> None:
    official = {
        "zezhou": zezhou_headings(),
        "province": province_headings(),
        "xinhua": xinhua_headings(),
        "jiaozuo": jiaozuo_table(3)[0],
        "nongan": [],
    }
    for name, headings in official.items():
        assert [column.heading for column in load_named(name).columns] == headings


def _quoted(profile: Profile) -> Iterator[str]:
    """Every text beside rows and articles that a profile gives as the document's."""
    yield from (one.text for one in profile.prohibitions)
    yield from (one.text for one in profile.identity)
    yield from (one.text for one in profile.long_term)
    yield from (one.text for one in profile.key_moments)
    yield from (one.word for one in profile.devices)
    yield from (one.recorder for one in profile.templates)
    yield from (item.limit.words for item in profile.items if item.limit is not None)
    yield from (words for one in profile.access for words in (one.approver, one.exception))
    yield profile.release.approver if profile.release is not None else ""
    yield from _quoted_once(profile)


def _quoted_once(profile: Profile) -> Iterator[str]:
    stored, custodian = profile.store, profile.custodian
    yield from (rule.limit.words for rule in (stored, profile.archive) if rule is not None)
    yield from (stored.destination,) if stored is not None else ()
    yield from (stored.extension.limit.words,) if stored is not None and stored.extension is not None else ()
    yield from (one.text for one in (profile.notice,) if one is not None)
    yield from (one.words for one in (profile.retention,) if one is not None)
    yield from (word for one in (profile.evidence_sheet, profile.disc_label) if one is not None for word in one.fields)
    yield from (custodian.role, custodian.duties) if custodian is not None else ()


MENDED = {"设备损坏": "损坏"}
"""Jiaozuo Art. 11 says 设备故障、损坏."""


@pytest.mark.parametrize("name", CHECKS)
def test_every_text_beside_the_rows_is_quoted_from_the_document(name: str) -> None:
    profile, official = load_named(name), loose(text_of(name))
    assert [one for one in _quoted(profile) if loose(one) not in official] == []
    assert [one.words for one in profile.interruptions if loose(MENDED.get(one.words, one.words)) not in official] == []


@pytest.mark.parametrize("name", ["zezhou", "province"])
def test_the_eight_steps_of_a_hearing_are_the_eight_rows(name: str) -> None:
    profile = load_named(name)
    hearing = profile.template(Procedure.HEARING)
    assert hearing is not None
    titles = [profile.item(no) for step in hearing.steps for no in step.covers]
    assert [step.title for step in hearing.steps] == [item.title for item in titles if item is not None]
    assert len(hearing.steps) == 8
    assert [step.title for step in hearing.steps][-1] == "当事人确认《听证笔录》"
    assert hearing.ask_reason_before == hearing.steps[-1].id


BROKEN: tuple[tuple[str, str, str], ...] = (
    *(("zezhou", str(n), "视频监控、便携设备") for n in (1, *range(21, 33), 34)),
    ("zezhou", "21", "办公场所、执法现场"),
    ("zezhou", "36", "粘连"),
    ("zezhou", "4", "拟作出行政处罚"),
    ("province", "15", "办公场所、检查场所"),
    ("province", "24", "宣布听证结束开始"),
    ("xinhua", "18", "终点缺失"),
    ("xinhua", "22", "第23行"),
    ("xinhua", "22", "清点"),
    ("xinhua", "23", "第22行"),
    *(("jiaozuo", f"附件3-行政许可-{n}", "第4项") for n in (1, 2, 3)),
    *(("jiaozuo", f"附件3-监督检查-{n}", "附件3") for n in range(1, 10)),
)


@pytest.mark.parametrize(("name", "no", "words"), BROKEN)
def test_a_broken_cell_carries_a_note(name: str, no: str, words: str) -> None:
    item = load_named(name).item(no)
    assert item is not None
    assert any(words in note for note in item.notes), item.notes


def test_where_a_separator_is_lost_the_cell_stays_as_printed_and_the_meaning_stands_beside_it() -> None:
    row = load_named("zezhou").item("24")
    assert row is not None
    assert (row.device_text, row.devices) == ("视频监控便携设备", ("视频监控", "便携设备"))


def test_what_is_missing_is_not_supplied() -> None:
    row = load_named("xinhua").item("18")
    assert row is not None
    assert row.start_stop == "从发现违法行为开始至"


FIXED = {
    "zezhou": {"1", "4", "21", "22", "23", "32", "34", *(str(n) for n in range(24, 32))},
    "province": {"15", "16", *(str(n) for n in range(18, 26))},
    "xinhua": {"4", "6", "7", "8", "9", "15", "17"},
    "jiaozuo": {"附件3-行政许可-1", "附件3-监督检查-1", "第七条末款-执法办案场所"},
    "nongan": {"第十四条"},
}
CANDIDATES = {"zezhou": {"3"}, "province": set(), "xinhua": {"3", "14"}, "jiaozuo": set(), "nongan": set()}


@pytest.mark.parametrize("name", FIXED)
def test_the_rows_a_fixed_recorder_has_a_part_in_say_why(name: str) -> None:
    profile = load_named(name)
    assert {item.no for item in profile.items if item.fixed_room} == FIXED[name]
    assert {item.no for item in profile.items if item.fixed_room_candidate} == CANDIDATES[name]
    assert all(item.fixed_room_reason for item in profile.items)
