"""Two disks and a power cut while content is removed: at each step, on either disk, the next start ends it on both."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge import destruction, reclaiming
from edge.disk_watch import Side
from edge.mirror_side import SideThread
from edge.opening import maintenance
from liuhen.kinds import Destroyed, Reclaimed
from liuhen.registry import EventCode
from tests.edge.keeping_room import Person
from tests.edge.mirrored import Mirrored, mirrored_person
from tests.edge.ports_room import START_NS, Room, RoomClock
from tests.edge.test_keeping_commands import add, order, term_over
from tests.edge.test_mirror import both_in_step
from tests.edge.test_reclaim import ORDER, receipted, reclaims

pytestmark = pytest.mark.long

DIED, ENDED = 99, 0
LIMIT_SECONDS = 20
QUIET = {EventCode.MIRROR_BACK, EventCode.PROCESS_CRASHED}
"""The mirror was caught up once, when it was new; the run that was cut off is told. Nothing else may be."""


@dataclass(slots=True)
class Disks:
    """A device with two disks and two sessions, a person at it, and both disks as they were before the act."""

    person: Person
    made: Mirrored
    kept: Path

    def roots(self) -> tuple[Path, Path]:
        return self.made.primary, self.made.mirror

    def remember(self) -> None:
        shutil.copytree(self.made.primary, self.kept / "primary")
        shutil.copytree(self.made.mirror, self.kept / "mirror")
        shutil.copy(self._head, self.kept / "head")

    def again(self) -> None:
        """Everything as it was before the act."""
        for root, name in zip(self.roots(), ("primary", "mirror"), strict=True):
            shutil.rmtree(root)
            shutil.copytree(self.kept / name, root)
        shutil.copy(self.kept / "head", self._head)

    @property
    def _head(self) -> Path:
        key = self.person.device.config.key.file
        return key.with_name(f"{key.name}.head")

    def content(self) -> tuple[set[str], set[str]]:
        """Names of media and records, on each disk."""
        first, second = (
            {
                path.relative_to(root).as_posix()
                for folder in ("sessions", "records", "quarantine")
                for path in (root / folder).rglob("*.*")
            }
            for root in self.roots()
        )
        return first, second

    def start(self) -> None:
        """A start and its end, without a session."""
        self.person.boots += 2  # the act that died was a boot of its own
        with maintenance(self.person.device.config, self.person.clock(), lambda *_: None) as log:
            assert destruction.finish_destructions(log.spool) == destruction.Carried()
            assert reclaiming.finish_reclaims(log.spool) == destruction.Carried()
            assert log.spool.take_news() == ()


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disks]:
    folder = tmp_path_factory.mktemp("two-disks")
    with mirrored_person(folder) as (person, made):
        for number in range(2):
            room = Room(RoomClock(now_ns=START_NS + number * 60 * 10**9))
            room.record(made.device.config, both_in_step, lambda r: r.play(12))
        assert made.differences() == []
        yield Disks(person=person, made=made, kept=folder)


@pytest.fixture
def recorded(disks: Disks, tmp_path: Path) -> Iterator[Disks]:
    """The same for each test."""
    whole = Disks(person=disks.person, made=disks.made, kept=tmp_path / "whole")
    mine = Disks(person=disks.person, made=disks.made, kept=tmp_path / "before")
    whole.kept.mkdir()
    mine.kept.mkdir()
    whole.remember()
    days = disks.person.days
    yield mine
    whole.again()
    disks.person.days = days


class Cut:
    """The power goes when one disk has made `steps` changes since the act began, and the other one more."""

    def __init__(self, side: Side, steps: int, begins: str) -> None:
        self._side, self._steps, self._begins = side, steps, begins
        self._made = {side: -1 for side in Side}
        self._moved = threading.Condition()

    def change(self, side: SideThread, relative: str, work: Callable[[], Any]) -> Any:
        """On a disk's own thread."""
        with self._moved:
            if self._made[side.side] < 0 and relative == self._begins:
                self._made[side.side] = 0
            if side.side is self._side and self._made[side.side] == self._steps:
                other = Side.MIRROR if self._side is Side.PRIMARY else Side.PRIMARY
                assert self._moved.wait_for(lambda: self._made[other] > self._steps, LIMIT_SECONDS)
                os._exit(DIED)
        result = work()
        with self._moved:
            if self._made[side.side] >= 0:
                self._made[side.side] += 1
            self._moved.notify_all()
        return result


def dies(act: Callable[[], int], cut: Cut) -> bool:
    """Whether the act, in a process of its own, got as far as the cut."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            change, append = SideThread.change, SideThread.append
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(SideThread, "change", lambda s, c, name: cut.change(s, name, lambda: change(s, c, name)))
                patch.setattr(
                    SideThread, "append", lambda s, name, *rest: cut.change(s, name, lambda: append(s, name, *rest))
                )
                code = act()
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (ENDED, DIED)
    return status == DIED


def cut_everywhere(disks: Disks, act: Callable[[], int], begins: str, said: type) -> set[tuple[int, int]]:
    """Cut the act at each step on either disk, and start; returns how much the cuts left on the two disks."""
    disks.remember()
    everything, _ = disks.content()
    left = set()
    for side in Side:
        steps = 0
        while dies(act, Cut(side, steps, begins)):
            ordered = any(isinstance(entry.body, said) for entry in disks.made.entries())
            ordered |= any(isinstance(entry.body, said) for entry in disks.made.entries(disks.made.mirror))
            left.add((len(disks.content()[0]), len(disks.content()[1])))
            disks.start()
            where = f"{side.name} cut after {steps}"
            assert disks.made.differences() == [], (where, disks.made.events())
            first, second = disks.content()
            gone = {name for name in everything - first if name.startswith("sessions")}
            assert len(gone) == (2 if ordered else 0), where
            assert first == second, where
            assert {code for code, _ in disks.made.events()} <= QUIET, where
            for root in disks.roots():
                assert not (root / begins).exists(), where
                assert disks.made.verify(root, disks.person.days).intact, where
            disks.again()
            steps += 1
        assert steps > 5  # the mark, an entry, two segments, the mark again, and what ends the run
        disks.again()
    return left


def test_a_reclaim_cut_at_any_step_on_either_disk_leaves_no_copy_and_no_false_event(
    recorded: Disks, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipted_first(recorded.person)
    left = cut_everywhere(
        recorded, lambda: reclaims(recorded.person, monkeypatch, ORDER), reclaiming.PENDING_FILE, Reclaimed
    )
    assert {one - other for one, other in left} >= {-1, 0, 1}  # some cuts left one file more on this disk, or on that


def test_a_destruction_cut_at_any_step_on_either_disk_leaves_no_copy_and_no_false_event(recorded: Disks) -> None:
    add(recorded.person)
    term_over(recorded.person)
    words = ("destroy", "--session", "1", "--basis-file", order(recorded.person))
    left = cut_everywhere(recorded, lambda: recorded.person.acts(*words), destruction.PENDING_FILE, Destroyed)
    assert {one - other for one, other in left} >= {-1, 0, 1}


def test_what_went_while_a_disk_was_away_does_not_come_back_with_it_and_is_no_difference(
    recorded: Disks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reclaimed on one disk alone; the other is caught up in the next session."""
    receipted_first(recorded.person)
    recorded.made.mirror.rename(recorded.made.mirror.with_name("in-a-pocket"))
    assert reclaims(recorded.person, monkeypatch, ORDER) == 0
    recorded.made.mirror.with_name("in-a-pocket").rename(recorded.made.mirror)
    room = Room(RoomClock(now_ns=START_NS + 600 * 10**9))
    room.record(recorded.made.device.config, both_in_step, lambda r: r.play(2))
    assert recorded.made.differences() == []
    assert EventCode.MIRROR_DIFFERS not in {code for code, _ in recorded.made.events()}


def receipted_first(person: Person) -> None:
    """A store has the first session's media, its term is set, and the time on the spot is over."""
    ground = person.file("ground.txt", "依法保存")
    until = ("--until", "2027-06-01", "--basis", "law", "--ground-file", ground)
    assert person.acts("retention", "extend", "--session", "1", *until) == 0
    receipted(person)
    person.days = 20
