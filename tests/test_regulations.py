"""REGULATIONS.md has a line for each article and each row of the rule books, and every test it names exists."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.edge.profiles.books import load_named
from tests.edge.profiles.official import articles, jiaozuo_table, numbered, province_rows, xinhua_rows, zezhou_rows

ROOT = Path(__file__).parent.parent
BOOKS = {"焦作": "jiaozuo", "农安": "nongan", "泽州": "zezhou", "省级": "province", "新华": "xinhua"}
NOT_FOR_US, LATER = "不适用：", "待办："
ARTICLE_PART = re.compile(r"（.*）$")
RANGE = re.compile(r"(\d+)–(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a table: the book, the articles or rows it is about, and its last cell."""

    book: str
    numbers: tuple[str, ...]
    shown: str

    @property
    def tests(self) -> list[str]:
        return re.findall(r"`(tests/[^`]+)`", self.shown)


def lines_of(text: str) -> Iterator[Line]:
    for row in text.splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        book, _, numbers = cells[0].partition(" ")
        if row.startswith("|") and book in BOOKS:
            assert len(cells) == 4, row
            yield Line(book=BOOKS[book], numbers=tuple(_numbers(numbers)), shown=cells[3])


def _numbers(text: str) -> Iterator[str]:
    """`2、5–7、附件3-行政许可-1、10（1）`."""
    for one in text.split("、"):
        found = RANGE.fullmatch(one)
        if found is None:
            yield ARTICLE_PART.sub("", one)
        else:
            yield from (str(n) for n in range(int(found[1]), int(found[2]) + 1))


@functools.cache
def owed() -> dict[str, set[str]]:
    """What must have a line, from the official texts themselves."""
    annexes = {
        f"附件2-{name}-{n}"
        for row, name in zip(jiaozuo_table(2)[1:], ("行政许可", "监督检查"), strict=True)
        for n, _ in numbered(row[1])
    }
    activities = articles("jiaozuo", 21)[7].partition("（二）")[2].partition("对查封扣押财产")[0]
    annexes |= {f"附件3-行政许可-{n}" for n, _ in numbered(jiaozuo_table(3)[1][1])}
    annexes |= {f"附件3-监督检查-{n}" for n, _ in numbered(" ".join(activities.split("\n")))}
    assert len(annexes) == 23
    return {
        "jiaozuo": {*map(str, articles("jiaozuo", 21)), *annexes},
        "nongan": set(map(str, articles("nongan", 29))),
        "zezhou": set(zezhou_rows()),
        "province": set(province_rows()),
        "xinhua": set(xinhua_rows()),
    }


@functools.cache
def functions_of(file: str) -> frozenset[str]:
    """The tests a file defines, found without running it."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(one.name for one in tree.body if isinstance(one, ast.FunctionDef) and one.name.startswith("test_"))


def complaints(text: str) -> Iterator[str]:
    lines = list(lines_of(text))
    for book, numbers in owed().items():
        listed = [number for line in lines if line.book == book for number in line.numbers]
        yield from (f"{book} {number}: no line" for number in sorted(numbers - set(listed)))
        yield from (f"{book} {number}: no such article or row" for number in sorted(set(listed) - numbers))
    for line in lines:
        yield from _complaints_of(line)


def _complaints_of(line: Line) -> Iterator[str]:
    where = f"{line.book} {'、'.join(line.numbers)}"
    for test in line.tests:
        file, _, name = test.partition("::")
        if name not in functions_of(file):
            yield f"{where}: no test {test}"
    reason = next((line.shown.removeprefix(word) for word in (NOT_FOR_US, LATER) if line.shown.startswith(word)), None)
    if not line.tests and not reason:
        yield f"{where}: neither a test nor a reason"
    if line.shown.startswith(NOT_FOR_US):
        for number in line.numbers:
            item = load_named(line.book).item(number)
            if item is not None and (item.fixed_room or item.fixed_room_candidate):
                yield f"{where}: {number} is for a fixed room"


TEXT = (ROOT / "REGULATIONS.md").read_text(encoding="utf-8")


def test_every_article_and_row_has_a_line_and_every_named_test_exists() -> None:
    assert list(complaints(TEXT)) == []


def test_a_line_that_is_taken_away_is_missed_unless_others_speak_of_the_same_article() -> None:
    rows = [row for row in TEXT.splitlines() if any(row.startswith(f"| {book} ") for book in BOOKS)]
    lines = list(lines_of(TEXT))
    assert len(rows) == len(lines) > 80
    for number, row in enumerate(rows):
        others = {(line.book, n) for at, line in enumerate(lines) if at != number for n in line.numbers}
        gone = {(lines[number].book, n) for n in lines[number].numbers} - others
        found = set(complaints(TEXT.replace(row + "\n", "", 1)))
        assert found == {f"{book} {n}: no line" for book, n in gone}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("::test_no_change_goes_unseen`", "::test_no_change_goes_unseem`", "no test"),
        ("`tests/signing/test_attacks_property.py", "`tests/signing/test_attacks.y", "no test"),
        ("| 焦作 5 |", "| 焦作 55 |", "jiaozuo 5: no line"),
        ("| 焦作 5 |", "| 焦作 55 |", "jiaozuo 55: no such article or row"),
        ("| 泽州 2、5–20、33、35–38 |", "| 泽州 1、2、5–20、33、35–38 |", "1 is for a fixed room"),
        (f"{NOT_FOR_US}规定机关配备设备", NOT_FOR_US, "neither a test nor a reason"),
        (f"{LATER}文字说明材料", "", "neither a test nor a reason"),
        (f"{LATER}文字说明材料", "以后再说", "neither a test nor a reason"),
    ],
)
def test_a_wrong_line_is_told(old: str, new: str, told: str) -> None:
    assert old in TEXT
    assert any(told in one for one in complaints(TEXT.replace(old, new, 1)))
