"""FORMAT.md 10 and the verifier speak of the same steps and the same findings."""

from __future__ import annotations

import re
from pathlib import Path

from liuhen.findings import MEANINGS, table

FORMAT = Path(__file__).resolve().parents[2] / "signing" / "FORMAT.md"


def section(name: str) -> str:
    """The text between the marks of one section."""
    _, _, rest = FORMAT.read_text(encoding="utf-8").partition(f"<!-- section: {name} -->\n")
    text, end, _ = rest.partition("<!-- end -->")
    assert end
    return text


def steps() -> list[str]:
    return re.findall(r"^- ([ABJS][0-9]+)\. ", section("steps"), flags=re.MULTILINE)


def test_the_table_of_findings_is_the_one_of_the_code() -> None:
    assert section("findings").strip().endswith("\n\n" + table())


def test_steps_are_numbered_without_holes() -> None:
    assert steps() == [
        f"{part}{n}" for part, last in (("A", 5), ("B", 5), ("J", 29), ("S", 11)) for n in range(1, last + 1)
    ]


def test_every_finding_names_a_step_and_every_step_finds_something() -> None:
    assert {meaning.step for meaning in MEANINGS.values()} == set(steps())


def test_every_step_is_named_in_the_code_that_takes_it() -> None:
    folder = FORMAT.parent / "liuhen"
    code = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    for step in steps():
        assert re.search(rf"\b{step}\b", code), step
