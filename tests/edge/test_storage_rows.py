"""Every storage fault is told with its own code, and with no other's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.edge.storage_rows import ROWS, STORAGE_CODES, told

pytestmark = pytest.mark.long


@pytest.mark.parametrize("name", ROWS)
def test_a_storage_fault_is_told_with_its_code_and_no_other(name: str, tmp_path: Path) -> None:
    said = told(ROWS[name].happen(tmp_path))
    assert said >= ROWS[name].codes
    assert said & STORAGE_CODES - {"MIRROR_BACK"} == ROWS[name].codes & STORAGE_CODES


def test_no_two_faults_of_different_rows_are_told_alike_but_those_of_one_file() -> None:
    """A code that is swapped fails: the negative control of the test above."""
    alike = [(one, other) for one in ROWS for other in ROWS if one < other and ROWS[one].codes == ROWS[other].codes]
    assert alike == [("5 write fails", "6 flush fails")]
