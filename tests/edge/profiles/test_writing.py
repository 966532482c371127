"""edge/profiles/WRITING.md names every key and value of a profile's file, and its example is one."""

from __future__ import annotations

import re

from edge.profiles import parse
from edge.profiles.lint import Level, lint
from edge.profiles.schema import Procedure
from tests.edge.profiles.schema_tables import DOCUMENT, tables, with_tables

TEXT = DOCUMENT.read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_schema() -> None:
    assert with_tables(TEXT) == TEXT
    assert (
        with_tables(TEXT.replace("`outside_visits`", "`outside`", 1)) == TEXT
    )  # what is changed by hand is written again


def test_every_key_and_value_has_words_for_a_person() -> None:
    cells = re.findall(r"^\| `[a-z_]+` \|.*\| (.*) \|$", tables(), re.MULTILINE)
    assert len(cells) > 150
    assert all(re.search("[一-鿿]", cell) for cell in cells)


def test_the_example_is_a_profile_that_lint_has_nothing_against() -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    profile = parse(example.encode())
    hearing = profile.template(Procedure.HEARING)
    assert hearing is not None
    assert hearing.rows() == {"1"}
    assert {remark.level for remark in lint(profile)} == {Level.NOTE}
