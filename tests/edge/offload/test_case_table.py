"""edge/offload/CASES.md is complete: each case has its test, each test is there, and none is left out."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "edge/offload/CASES.md"
CASES = range(1, 26)
ROW = re.compile(r"^\| (\d+) \| [^|]+ \| `(tests/[\w/]+\.py)::(test_\w+)` \|$", re.MULTILINE)
FOLDERS = ("tests/drivers", "tests/edge")

Bound = tuple[int, str, str]
"""A case, the file and the function of its test."""


def bound(page: str) -> list[Bound]:
    """The rows of the table."""
    return [(int(case), file, function) for case, file, function in ROW.findall(page)]


def numbers_in(function: str) -> set[int]:
    """The cases that a test's name says it shows."""
    match re.match(r"test_cases?_(\d+)_(?:(to|and)_(\d+)_)?", function):
        case None:
            return set()
        case found if found[2] == "to":
            return set(range(int(found[1]), int(found[3]) + 1))
        case found:
            return {int(number) for number in (found[1], found[3]) if number}


@cache
def functions_of(path: Path) -> set[str]:
    """The test functions of a file."""
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def wrong_with(page: str) -> list[str]:
    """What the table does not keep."""
    rows = bound(page)
    wrong = [f"case {case} has no test" for case in CASES if case not in {row[0] for row in rows}]
    for case, file, function in rows:
        if not (ROOT / file).is_file() or function not in functions_of(ROOT / file):
            wrong.append(f"{file}::{function} is not there")
        if case not in numbers_in(function):
            wrong.append(f"{function} does not bear the number {case}")
    named = {(file, function) for _, file, function in rows}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("test_*.py")):
            file = path.relative_to(ROOT).as_posix()
            wrong += [
                f"{one} is in no row"
                for one in sorted(functions_of(path))
                if numbers_in(one) and (file, one) not in named
            ]
    return wrong


def test_every_case_has_its_tests_and_every_test_is_there() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert wrong_with(page) == []
    assert len(bound(page)) == sum(line.startswith("| ") for line in page.splitlines()) - 1  # the head of the table


@pytest.mark.parametrize("case", CASES)
def test_a_case_without_its_row_is_noticed(case: int) -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines(keepends=True)
    assert f"case {case} has no test" in wrong_with("".join(one for one in lines if not one.startswith(f"| {case} |")))


def test_a_test_that_is_renamed_or_bears_another_number_is_noticed() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [one for one in wrong_with(page.replace("test_case_9_", "test_case_9_gone_")) if "is not there" in one]
    assert [one for one in wrong_with(page.replace("| 9 | a bit", "| 8 | a bit")) if "does not bear" in one]
