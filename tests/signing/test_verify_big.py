"""A slice of the campaign `big`: gigabytes of genuine segments, no more memory than for megabytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.signing.big_verify import make, verified

pytestmark = pytest.mark.long

GIGABYTES = 3.0
SLACK_MIB = 4.0
SLICE_SPEEDUP = 1.3


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An archive of three gigabytes on paper, and its trust file."""
    root = tmp_path_factory.mktemp("large") / "archive"
    return root, make(root, GIGABYTES)


@pytest.mark.long
def test_gigabytes_take_no_more_memory_than_a_tenth_of_them_and_two_processes_share_the_work(
    large: tuple[Path, Path], tmp_path: Path
) -> None:
    """By processor time, which other programs on the machine do not change much; the real bound is the campaign's."""
    small = tmp_path / "archive"
    little = verified(small, make(small, GIGABYTES / 10), jobs=2)
    one, two = (verified(*large, jobs=jobs) for jobs in (1, 2))
    assert max(one.peak_mib, two.peak_mib) <= little.peak_mib + SLACK_MIB
    assert one.busiest_seconds / two.busiest_seconds >= SLICE_SPEEDUP


def test_one_changed_byte_in_the_holes_of_a_big_archive_is_found(tmp_path: Path) -> None:
    """The control: every byte of the holes is really read."""
    root = tmp_path / "archive"
    trust = make(root, 0.14)
    last = max((root / "sessions").rglob("*.mp4"))
    with last.open("r+b") as file:
        file.seek(30_000_000)
        file.write(b"\x01")
    try:
        verified(root, trust, jobs=2)
    except RuntimeError as error:
        assert str(error).endswith("1")
    else:
        raise AssertionError("a changed byte was not found")
