"""The power goes at any write of slices, receipts and reclaim entries, before it or in its middle: all is well after.

In one process: from the chosen write on, no call that changes the disk is carried out any more and nothing of the
recorder catches it, so what is on the disk is what was flushed, and half of one write.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from edge.offload.words import ReceiptsTold
from edge.settings_store import Store
from edge.slices import SliceReader
from liuhen.entry import Entry
from liuhen.hashing import sha256
from liuhen.kinds import Receipt, Reclaimed, Segment
from liuhen.registry import ObjectKind, RetentionMode
from tests.edge.keeping_room import Person, with_two_sessions
from tests.edge.ports_room import START_NS, Device, Room, RoomClock, device
from tests.edge.test_mirror_removal import receipted_first
from tests.edge.test_reclaim import ORDER, problems, reclaims
from tests.faults.witness import journal, play

pytestmark = pytest.mark.long

URL = "s3://store.example:7443/room"
UNTIL_MS = 1_990_000_000_000
CHANGING = ("write", "ftruncate", "unlink", "replace", "mkdir")
LATER_NS = START_NS + 60 * 10**9


class PowerCut(BaseException):
    """Nothing is carried out any more."""


@dataclass(slots=True)
class Power:
    """Goes at change number `at` (from 0) of files whose path `counts`; what was changed before stays."""

    counts: Callable[[str], bool]
    at: int
    torn: bool
    seen: int = 0
    gone: bool = False
    armed: bool = True

    def meets(self, call: str, target: object) -> bool:
        """Whether this change is the one, or comes after it."""
        if self.gone:
            return True
        path = str(Path(f"/proc/self/fd/{target}").readlink()) if isinstance(target, int) else os.fsdecode(target)  # type: ignore[arg-type]
        if not self.armed or not self.counts(path):
            return False
        self.seen += 1
        self.gone = self.seen > self.at
        return self.gone


@contextmanager
def power(plan: Power) -> Iterator[None]:
    """Wrap the calls; whatever of the recorder ends by the cut is let go."""
    before = {name: getattr(os, name) for name in CHANGING}

    def wrapped(name: str) -> Callable[..., Any]:
        def work(target: Any, *arguments: Any, **named: Any) -> Any:
            was_gone = plan.gone
            if not plan.meets(name, target):
                return before[name](target, *arguments, **named)
            if name == "write" and plan.torn and not was_gone:
                before[name](target, bytes(arguments[0])[: len(arguments[0]) // 2])
            raise PowerCut

        return work

    try:
        for name in CHANGING:
            setattr(os, name, wrapped(name))
        with suppress(PowerCut):
            yield
    finally:
        for name, call in before.items():
            setattr(os, name, call)


# -- slices and receipts -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A device with a store that has recorded one session."""
    folder = tmp_path_factory.mktemp("recorded")
    Room().record(with_store(device(folder)).config, play(12))
    return folder


def with_store(made: Device) -> Device:
    store = Store(url=URL, designated=True, designated_by="市执法局")
    return replace(made, config=replace(made.config, store=store))


def first_segments(made: Device) -> list[bytes]:
    every = journal(made)
    first = next(entry.common.session_id for entry in every if isinstance(entry.body, Segment))
    return [e.body.file_hash for e in every if isinstance(e.body, Segment) and e.common.session_id == first]


def tells(made: Device) -> Callable[[Room], None]:
    """The offload process tells what it has read back of the first session, and of the slices that are cut."""

    def act(room: Room) -> None:
        rows = [(int(ObjectKind.SEGMENT), one) for one in first_segments(made)]
        rows += [(int(ObjectKind.JOURNAL), one.digest) for one in SliceReader(made.spool).take()]
        told = ReceiptsTold(
            store=URL,
            mode=RetentionMode.COMPLIANCE,
            server_key=None,
            rows=tuple((what, content, content, 9, "v", UNTIL_MS, 1) for what, content in rows),
        )
        answer = room.offload_tells(told)
        assert (answer.ok, answer.unknown) == (True, ())

    return act


def check_slices(made: Device, every: list[Entry]) -> None:
    """One after another, none missing, each the journal's own bytes."""
    following = 0
    for one in SliceReader(made.spool).take(10_000):
        assert one.first == following
        held = b"".join(entry.envelope.encoded for entry in every if one.first <= entry.common.seq <= one.last)
        assert sha256(held) == one.digest
        following = one.last + 1
    assert following == every[-1].common.seq + 1


def cut_while_telling(recorded: Path, folder: Path, at: int, *, torn: bool) -> bool:
    """Cut there, start again, tell again, and look; whether the cut was reached."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(recorded, folder)
    made = with_store(device(folder))
    plan = Power(lambda path: "/journal/0" in path or "/device/slices-" in path, at, torn, armed=False)

    def arm(_: Room) -> None:
        plan.armed = True

    with power(plan):
        Room(RoomClock(now_ns=LATER_NS)).record(made.config, play(1), arm, tells(made), play(4))
    room = Room(RoomClock(now_ns=3 * LATER_NS))
    room.record(made.config, play(1), tells(made), tells(made), play(4))
    every = journal(made)
    check_slices(made, every)
    receipts = [entry.body for entry in every if isinstance(entry.body, Receipt)]
    named = Counter(row[1] for body in receipts for row in body.objects)
    assert set(first_segments(made)) <= named.keys()
    assert set(named.values()) == {1}, "each is receipted once, whoever has told it twice"
    assert made.verify().intact
    return plan.gone


@pytest.mark.parametrize("torn", [False, True])
def test_a_cut_at_any_write_of_slices_and_receipts_loses_no_entry_and_doubles_no_receipt(
    recorded: Path, tmp_path: Path, torn: bool
) -> None:
    at = 0
    while cut_while_telling(recorded, tmp_path / "device", at, torn=torn):
        at += 1
    assert at >= 4  # the receipt and its record, the rows of slices, what ends the session


# -- reclaims ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("torn", [False, True])
def test_a_cut_at_any_write_of_a_reclaim_removes_nothing_without_its_entry_and_leaves_nothing_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: bool
) -> None:
    person, kept = with_two_sessions(tmp_path / "device"), tmp_path / "kept"
    receipted_first(person)
    shutil.copytree(person.folder, kept)
    at, outcomes = 0, set()
    while True:
        shutil.rmtree(person.folder)
        shutil.copytree(kept, person.folder)
        plan = Power(lambda path: path.startswith(str(person.device.spool)), at, torn)
        with power(plan):
            reclaims(person, monkeypatch, ORDER)
        if not plan.gone:
            break
        outcomes.add(after_the_cut(person))
        at += 1
    assert outcomes == {0, 2}
    assert at > 6


def after_the_cut(person: Person) -> int:
    """The next start, made by an act of somebody; how many segments are left of the first session."""
    person.boots += 1
    ground = person.file("later.txt", "续期")
    until = ("--until", "2028-06-01", "--basis", "law", "--ground-file", ground)
    assert person.acts("retention", "extend", "--session", "1", *until) == 0
    said = any(isinstance(entry.body, Reclaimed) for entry in journal(person.device))
    left = len(person.segments(1))
    assert left == (0 if said else 2)
    assert problems(person) == set()
    return left
