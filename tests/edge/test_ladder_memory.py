"""What the ladder did outlives the process, and without that nothing is done that ends it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import Config
from edge.ladder import Act, BootMoment, Failed, Limits, Lost, Remembered, Rung, Turn
from edge.ladder_memory import LadderKeeper, recall, remember
from edge.ports import Stream
from tests.drivers.deliveries import SteppedClock

LIMITS = Limits.of(Config().ladder)
NOTHING: frozenset[Stream] = frozenset()
MEMORY = Remembered(
    process_restarts=((Stream.PICTURE, 2), (Stream.SOUND, 1)), reboot=BootMoment(boot_id=bytes(16), at_ns=7)
)


def climbed(keeper: LadderKeeper, clock: SteppedClock, seconds: int) -> list[Act]:
    keeper.tell(Lost(stream=Stream.PICTURE))
    acts: list[Act] = []
    for _ in range(seconds):
        clock.now_ns += 1_000_000_000
        for act in keeper.tell(Turn(well=NOTHING)):
            acts.append(act)
            keeper.tell(Failed(stream=act.stream, stuck=True))
    return acts


@pytest.mark.parametrize("memory", [Remembered(), MEMORY, Remembered(trusted=False)])
def test_what_is_remembered_is_recalled(tmp_path: Path, memory: Remembered) -> None:
    remember(tmp_path / "ladder", memory)
    assert recall(tmp_path / "ladder") == memory


def test_before_the_first_time_nothing_is_remembered_and_that_is_trusted(tmp_path: Path) -> None:
    assert recall(tmp_path / "ladder") == Remembered()


@given(st.binary(max_size=1100))
def test_bytes_that_are_not_ours_are_not_trusted(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "foreign-ladder"
    path.write_bytes(content)
    assert recall(path) == Remembered(trusted=False)


def test_every_changed_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "ladder"
    remember(path, MEMORY)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert recall(path) == Remembered(trusted=False)
        path.write_bytes(whole[:at])
        assert recall(path) == Remembered(trusted=False)


def test_the_count_is_on_disk_before_a_new_process_is_ordered(tmp_path: Path) -> None:
    clock = SteppedClock()
    keeper = LadderKeeper(tmp_path / "ladder", LIMITS, clock)
    acts = climbed(keeper, clock, 10)
    assert acts[-1].rung is not Rung.REBOOT
    assert [act.rung for act in acts if act.rung is not Rung.RESTART_STREAM] == [Rung.RESTART_PROCESS]
    assert recall(tmp_path / "ladder").restarts_of(Stream.PICTURE) == 1


def test_process_after_process_the_counts_go_on_until_it_is_given_up(tmp_path: Path) -> None:
    clock, ordered = SteppedClock(), []
    for _ in range(6):
        keeper = LadderKeeper(tmp_path / "ladder", LIMITS, clock)
        ordered += [act.rung for act in climbed(keeper, clock, 10) if act.rung is not Rung.RESTART_STREAM]
    assert ordered == [
        *[Rung.RESTART_PROCESS] * 2,
        Rung.REBOOT,
        *[Rung.GIVE_UP_AND_REPORT] * 3,
    ]


def test_where_the_count_cannot_be_written_no_new_process_is_ordered(tmp_path: Path) -> None:
    clock = SteppedClock()
    keeper = LadderKeeper(tmp_path / "no folder" / "ladder", LIMITS, clock)
    acts = climbed(keeper, clock, 300)
    assert {act.rung for act in acts} == {Rung.RESTART_STREAM, Rung.GIVE_UP_AND_REPORT}
