"""The table is complete: every row that has to be shown, every event the recorder can write, every test it names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.session.state import Mode
from liuhen.registry import EventCode
from tests.faults import test_fault_rows
from tests.faults.fault_table import MISSING, NOT_EXPECTED, NOT_HERE, NUMBERS, TABLE, Row, Seen, check
from tests.faults.happenings import HAPPENINGS
from tests.faults.swapping import swaps, swaps_that_pass

ROW = Row(number=5, what="a fault", events=frozenset({EventCode.STORAGE_FAULT}), shown_by="nowhere")
SEEN = Seen(
    events=ROW.events,
    gaps=frozenset(),
    entries=frozenset(),
    mode=Mode.RECORDING,
    lamp="recording",
    intact=True,
    findings=frozenset(),
)


def test_the_table_has_exactly_the_rows_that_have_to_be_shown() -> None:
    shown = {row.number for row in TABLE} | {row.number for row in MISSING}
    assert sorted(shown) == list(NUMBERS)
    assert {row.number for row in TABLE}.isdisjoint({row.number for row in MISSING})
    assert [row.number for row in NOT_HERE] == [31]
    assert len({row.name for row in TABLE}) == len(TABLE)


def test_every_event_is_expected_by_a_row_or_says_why_not() -> None:
    expected = {code for row in TABLE for code in row.events}
    assert expected | NOT_EXPECTED.keys() == set(EventCode)
    assert expected & NOT_EXPECTED.keys() == set()


def test_every_row_has_its_test_and_every_test_its_row() -> None:
    file = "tests/faults/test_fault_rows.py::"
    there = {f"{file}{name}" for name in vars(test_fault_rows) if name.startswith("test_row_")}
    assert {row.shown_by for row in TABLE} == there
    assert len({row.shown_by for row in TABLE}) == len(TABLE)
    assert {row.name for row in TABLE} == HAPPENINGS.keys()
    for row in TABLE:
        assert f"test_row_{row.number}_" in row.shown_by


def test_what_is_as_the_row_says_passes_and_no_swap_of_it_does() -> None:
    """The negative control of the negative control: a check that compares nothing is noticed."""
    check(ROW, SEEN)
    assert swaps_that_pass(ROW, SEEN) == []
    assert len(list(swaps(ROW))) > 200


@pytest.mark.parametrize("what", ["gaps", "entries", "findings", "mode", "lamp", "intact"])
def test_a_difference_in_any_part_fails(what: str) -> None:
    with pytest.raises(AssertionError, match=ROW.name):
        check(ROW, replace(SEEN, **{what: None}))  # type: ignore[arg-type]


def test_a_row_of_a_function_alone_promises_no_more_than_its_events() -> None:
    pure = replace(ROW, pure="only the function")
    check(pure, Seen(events=ROW.events))
    with pytest.raises(AssertionError, match="say so in the table"):
        check(pure, SEEN)
