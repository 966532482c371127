"""What people were promised is judged by what lies on the disk: each promise has a disk that breaks it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge import store_examined
from edge.desk_schedule import FILE as SCHEDULE_FILE
from edge.destruction import PENDING_FILE
from liuhen import archive
from liuhen.kinds import Destroyed, Procedure, Visit
from liuhen.registry import EventCode, VisitAct
from tests.crash import people, recording
from tests.crash.evidence import ANSWER, Acknowledgement

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, frozenset[int]]:
    """A device after all runs, without any cut, and what was answered."""
    root = tmp_path_factory.mktemp("people")
    recording.device_at(root)
    said: list[Acknowledgement] = []
    for life in people.LIVES:
        life.lead(root, said.append)
    return root, frozenset(one.first for one in said if one.kind == ANSWER)


@pytest.fixture
def root(lived: tuple[Path, frozenset[int]], tmp_path: Path) -> Path:
    shutil.copytree(lived[0] / "spool", tmp_path / "spool")
    return tmp_path


def test_without_a_cut_every_promise_is_kept(lived: tuple[Path, frozenset[int]], root: Path) -> None:
    assert lived[1] == frozenset(range(len(people.COMMANDS)))
    assert list(people.faults(root, lived[1], ())) == []


def _put_back(spool: Path) -> None:
    body = next(one.body for one in people.entries(spool) if isinstance(one.body, Destroyed))
    archive.record_path(spool, body.contents[0][1]).write_bytes(b"here again")


def _without_a_record(spool: Path) -> None:
    next(iter(sorted((spool / "records").iterdir()))).unlink()


def _cut_after(spool: Path, number: str) -> None:
    """The journal ends with the beginning of this visit."""
    (path,) = sorted((spool / "journal").glob("*.cbor"))
    kept = b""
    for entry in people.entries(spool):
        kept += entry.envelope.encoded
        body = entry.body
        if isinstance(body, Visit) and body.act == VisitAct.BEGUN and body.number == number:
            break
    path.write_bytes(kept)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "a destroyed record": (_put_back, "destroyed, and it is still there"),
    "an order": (lambda spool: (spool / PENDING_FILE).touch(), "still under way"),
    "a record": (_without_a_record, "names a record that is not there"),
    "a torn record": (
        lambda spool: min((spool / "records").iterdir()).write_bytes(b""),
        "names a record that is not there",
    ),
    "the schedule": (lambda spool: (spool / SCHEDULE_FILE).unlink(), "is not in force"),
    "a store": (lambda spool: (spool / store_examined.FILE).write_bytes(b""), "it counts as UNFIT: second store"),
    "an open visit": (lambda spool: _cut_after(spool, "A003"), "visit A003 has no end"),
    "an answer": (lambda spool: _cut_after(spool, "A003"), "answered and not in the journal: term"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_each_promise_has_a_disk_that_breaks_it(lived: tuple[Path, frozenset[int]], root: Path, broken: str) -> None:
    breaks, words = BROKEN[broken]
    breaks(root / "spool")
    assert any(words in fault for fault in people.faults(root, lived[1], ()))


def test_a_hearing_told_twice_and_a_half_of_two_entries_are_seen(root: Path) -> None:
    every = people.entries(root / "spool")
    missed = [one for one in every if getattr(one.body, "code", None) == EventCode.SCHEDULED_NOT_RECORDED]
    assert len(missed) == 1
    twice = list(people._schedule_faults([*every, *missed], root / "spool", ()))
    assert any("more than once" in fault for fault in twice)
    headless = [one for one in every if not isinstance(one.body, Procedure)]
    assert any("without an earlier one: header" in fault for fault in people._answers(headless, frozenset()))
