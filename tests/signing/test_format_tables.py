"""FORMAT.md and the code say the same: every table in it is the one the code enforces."""

from __future__ import annotations

import enum
import inspect

import pytest

from liuhen import registry
from liuhen.kinds import ENTRY_KINDS, Seal, Stop
from liuhen.registry import EVENTS, EventCode, GapCause
from tests.signing import format_tables
from tests.signing.format_tables import FORMAT_MD, MEANINGS, REGISTRIES, TABLES, fields_table, render, shape_of


def test_format_md_has_the_tables_the_code_enforces() -> None:
    text = FORMAT_MD.read_text(encoding="utf-8")
    assert render(text) == text, "run `python -m tests.signing.format_tables`"
    assert format_tables.main(["--check"]) == 0


def test_a_changed_cell_of_a_table_is_noticed() -> None:
    text = FORMAT_MD.read_text(encoding="utf-8")
    changed = text.replace("| 13 | `head` |", "| 13 | `heads` |")
    assert changed != text
    assert render(changed) == text


def test_a_field_without_a_meaning_is_refused() -> None:
    with pytest.raises(KeyError, match="cause"):
        fields_table(Stop, {})


def test_a_meaning_without_a_field_is_refused() -> None:
    with pytest.raises(KeyError, match="colour"):
        fields_table(Seal, {**MEANINGS[Seal], "colour": "red"})


@pytest.mark.parametrize("text", ["", "<!-- table: common -->\n<!-- end -->\n" * 2])
def test_a_file_that_lacks_a_table_or_has_one_twice_is_refused(text: str) -> None:
    with pytest.raises(KeyError):
        render(text)


def test_every_entry_kind_has_its_section_and_row() -> None:
    lines = TABLES["kinds"]()
    for kind in ENTRY_KINDS:
        assert f"#### {kind}" in lines
        assert any(line.startswith(f"| `{kind}` |") for line in lines)


def test_every_enumeration_of_the_registry_is_printed() -> None:
    defined = {
        codes for _, codes in inspect.getmembers(registry, inspect.isclass) if issubclass(codes, enum.IntEnum)
    } - {enum.IntEnum}
    assert {codes for codes, _ in REGISTRIES} == defined


def test_every_event_and_every_gap_cause_has_words() -> None:
    assert EVENTS.keys() == set(EventCode)
    assert all(cause.words_zh and cause.words_en for cause in GapCause)


def test_a_key_of_32_bytes_is_not_called_a_hash() -> None:
    assert shape_of("new_public_key", "bstr .size 32 / null") == "bstr of 32 / null"
    assert shape_of("roots", "[public_key: bstr .size 32, kid: bstr .size 32]") == "[public_key: bstr of 32, kid: hash]"
    assert shape_of("log_id", "bstr .size 16") == "id"
