"""edge/coverage/REPORT.md says what the JSON of a coverage report holds: every member and every answer, no more."""

from __future__ import annotations

import re
from pathlib import Path

from edge.coverage.as_json import FORMAT, to_json
from tests.edge.coverage.a_hearing import Script, hold, report_of
from tests.edge.coverage.report_format import SHAPES, answers, members

DOCUMENT = (Path(__file__).parents[3] / "edge" / "coverage" / "REPORT.md").read_text()


def test_every_member_stands_in_the_document_and_no_other(tmp_path: Path) -> None:
    hold(tmp_path / "a", Script(follows="jiaozuo", matter="附件3-监督检查-1", gap_in=3, late=frozenset({5})))
    told = to_json(report_of(tmp_path / "a", "jiaozuo"))
    table = DOCUMENT.split("## Members")[1].split("## Objects")[0]
    assert re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE) == list(dict.fromkeys(members(told)))
    assert told["format"] == FORMAT
    assert FORMAT in DOCUMENT.splitlines()[0]


def test_every_object_that_comes_again_stands_in_the_document_with_its_members() -> None:
    table = DOCUMENT.split("## Objects")[1].split("## Answers")[0]
    for shape, name in SHAPES.items():
        (row,) = (line for line in table.splitlines() if line.startswith(f"| {name} |"))
        assert shape <= set(re.findall(r"`([a-z_]+)`", row)), name


def test_every_answer_stands_in_the_document() -> None:
    assert answers() in DOCUMENT
