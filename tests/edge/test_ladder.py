"""A lost source is fetched back step by step, each rung bounded, and never at the cost of what still records."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import Config
from edge.ladder import (
    NS_PER_HOUR,
    Act,
    Back,
    BootMoment,
    Failed,
    Ladder,
    Limits,
    Lost,
    Remembered,
    Rung,
    Signal,
    Turn,
    begin,
    distrust,
    step,
)
from edge.ports import Stream

SECOND = 1_000_000_000
BOOT, OTHER_BOOT = bytes(16), bytes(15) + b"\1"
LIMITS = Limits.of(Config().ladder)
NOTHING_WELL: frozenset[Stream] = frozenset()
SOUND_WELL = frozenset({Stream.SOUND})
PICTURE_WELL = frozenset({Stream.PICTURE})


class Climber:
    """Plays a ladder through time as CONTROL does: half a second a turn, every ordered restart refused."""

    def __init__(self, memory: Remembered | None = None, limits: Limits = LIMITS, at_ns: int = 0) -> None:
        self.limits = limits
        self.now_ns = at_ns
        self.ladder = begin(BOOT, memory or Remembered(), at_ns)
        self.acts: list[tuple[int, Act]] = []
        self.stuck = False

    def signal(self, signal: Signal) -> tuple[Act, ...]:
        self.ladder, acts = step(self.ladder, signal, self.now_ns, self.limits)
        self.acts += [(self.now_ns, act) for act in acts]
        return acts

    def play(self, seconds: float, well: frozenset[Stream] = NOTHING_WELL, *, held: bool = False) -> list[Act]:
        begun = len(self.acts)
        until_ns = self.now_ns + int(seconds * SECOND)
        while self.now_ns < until_ns:
            for act in self.signal(Turn(well=well, held=held)):
                if act.rung is Rung.RESTART_STREAM:
                    self.signal(Failed(stream=act.stream, stuck=self.stuck))
            self.now_ns += SECOND // 2
        return [act for _, act in self.acts[begun:]]

    def rungs(self) -> list[Rung]:
        return [act.rung for _, act in self.acts]


def lost(stream: Stream = Stream.PICTURE, memory: Remembered | None = None, at_ns: int = 0) -> Climber:
    climber = Climber(memory, at_ns=at_ns)
    climber.signal(Lost(stream=stream))
    return climber


def test_a_lost_stream_is_started_again_after_1_2_4_8_16_30_seconds() -> None:
    climber = lost()
    climber.play(120, SOUND_WELL)
    times = [at_ns // SECOND for at_ns, act in climber.acts if act.rung is Rung.RESTART_STREAM]
    assert times[:6] == [1, 2, 4, 8, 16, 32]
    assert [act.tries for _, act in climber.acts[:6]] == [1, 2, 3, 4, 5, 6]


def test_then_the_process_where_nothing_records() -> None:
    climber = lost()
    climber.play(65)
    assert climber.rungs()[6] is Rung.RESTART_PROCESS
    assert climber.ladder.memory.restarts_of(Stream.PICTURE) == 1
    assert climber.ladder.memory.restarts_of(Stream.SOUND) == 0


def test_never_the_process_while_the_other_stream_records_well() -> None:
    climber = lost()
    climber.play(1800, SOUND_WELL)
    assert climber.rungs()[6] is Rung.GIVE_UP_AND_REPORT
    assert Rung.RESTART_PROCESS not in climber.rungs()
    assert climber.ladder.memory == Remembered()


def test_one_that_was_given_up_beside_the_other_gets_a_new_process_once_the_other_is_lost_too() -> None:
    climber = lost()
    climber.play(100, SOUND_WELL)
    climber.signal(Lost(stream=Stream.SOUND))
    climber.play(70)
    assert Rung.RESTART_PROCESS in climber.rungs()


def test_a_library_that_hangs_goes_to_a_new_process_sooner() -> None:
    climber = lost()
    climber.stuck = True
    climber.play(20)
    assert climber.rungs()[:3] == [Rung.RESTART_STREAM, Rung.RESTART_STREAM, Rung.RESTART_PROCESS]


def exhausted(stream: Stream = Stream.PICTURE) -> Remembered:
    return Remembered().with_restarts(stream, LIMITS.process_restarts)


def test_then_the_machine_where_nothing_records() -> None:
    climber = lost(memory=exhausted())
    climber.play(100)
    assert climber.rungs()[6] is Rung.REBOOT
    assert climber.ladder.memory.reboot == BootMoment(boot_id=BOOT, at_ns=climber.acts[6][0])


def test_never_the_machine_while_the_other_stream_records_well() -> None:
    climber = lost(memory=exhausted())
    climber.play(1800, SOUND_WELL)
    assert Rung.REBOOT not in climber.rungs()
    assert climber.rungs()[6] is Rung.GIVE_UP_AND_REPORT


@pytest.mark.parametrize(
    ("reboot", "now_ns", "expected"),
    [
        (None, 0, Rung.REBOOT),
        (BootMoment(boot_id=BOOT, at_ns=0), 23 * NS_PER_HOUR, Rung.GIVE_UP_AND_REPORT),
        (BootMoment(boot_id=BOOT, at_ns=0), 25 * NS_PER_HOUR, Rung.REBOOT),
        (BootMoment(boot_id=OTHER_BOOT, at_ns=90 * NS_PER_HOUR), 23 * NS_PER_HOUR, Rung.GIVE_UP_AND_REPORT),
        (BootMoment(boot_id=OTHER_BOOT, at_ns=90 * NS_PER_HOUR), 25 * NS_PER_HOUR, Rung.REBOOT),
    ],
)
def test_a_reboot_comes_at_most_once_in_its_hours_of_running(
    reboot: BootMoment | None, now_ns: int, expected: Rung
) -> None:
    climber = lost(memory=replace(exhausted(), reboot=reboot), at_ns=now_ns)
    climber.play(100)
    assert climber.rungs()[6] is expected


def test_reboots_can_be_switched_off() -> None:
    climber = Climber(exhausted(), replace(LIMITS, reboots=False))
    climber.signal(Lost(stream=Stream.PICTURE))
    climber.play(100)
    assert climber.rungs()[6] is Rung.GIVE_UP_AND_REPORT


def test_giving_up_is_told_once_and_the_stream_is_tried_for_as_long_as_it_takes() -> None:
    climber = lost(memory=exhausted())
    climber.play(1200, SOUND_WELL)
    assert climber.rungs().count(Rung.GIVE_UP_AND_REPORT) == 1
    assert set(climber.rungs()[7:]) == {Rung.RESTART_STREAM}
    late = [at_ns for at_ns, _ in climber.acts[8:]]
    assert {after - before for before, after in itertools.pairwise(late)} == {30 * SECOND}


def test_a_memory_that_cannot_be_read_never_orders_a_process_or_a_boot() -> None:
    climber = lost(memory=Remembered(trusted=False))
    climber.play(1800)
    assert {*climber.rungs()} == {Rung.RESTART_STREAM, Rung.GIVE_UP_AND_REPORT}


def test_a_memory_that_cannot_be_written_is_not_trusted_either() -> None:
    climber = lost()
    climber.play(40, SOUND_WELL)
    climber.ladder = distrust(climber.ladder, Remembered())
    climber.play(1200)
    assert climber.rungs()[6] is Rung.GIVE_UP_AND_REPORT


def test_a_stream_that_settled_begins_anew() -> None:
    climber = lost(memory=exhausted())
    climber.play(10)
    climber.signal(Back(stream=Stream.PICTURE))
    climber.play(LIMITS.settle_ns / SECOND + 1, PICTURE_WELL)
    assert climber.ladder == Ladder(boot_id=BOOT, memory=Remembered())


def test_only_recorded_time_settles_a_stream() -> None:
    climber = lost(memory=exhausted())
    climber.play(10)
    climber.signal(Back(stream=Stream.PICTURE))
    climber.play(2 * LIMITS.settle_ns / SECOND, NOTHING_WELL)
    assert climber.ladder.memory == exhausted()


def test_a_stream_that_is_lost_again_and_again_climbs_although_each_restart_works() -> None:
    climber = Climber()
    while Rung.RESTART_PROCESS not in climber.rungs():
        climber.signal(Lost(stream=Stream.SOUND))
        climber.play(40)
        climber.signal(Back(stream=Stream.SOUND))
        climber.play(20, SOUND_WELL)
        assert climber.now_ns < 3600 * SECOND
    assert len(climber.acts) <= 2 * LIMITS.stream_restarts


def test_while_capture_is_held_nothing_is_ordered() -> None:
    climber = lost(memory=exhausted())
    assert climber.play(1200, held=True) == []
    assert climber.play(1)[0].rung is Rung.RESTART_STREAM


def test_each_stream_climbs_alone() -> None:
    climber = lost(Stream.PICTURE, memory=exhausted(Stream.PICTURE))
    climber.play(20, SOUND_WELL)
    climber.signal(Lost(stream=Stream.SOUND))
    climber.play(3)
    sound = [act for _, act in climber.acts if act.stream is Stream.SOUND]
    assert [act.tries for act in sound] == [1, 2]


def test_an_order_for_the_whole_process_is_the_last_of_its_turn() -> None:
    climber = Climber(limits=replace(LIMITS, stream_restarts=1))
    climber.signal(Lost(stream=Stream.PICTURE))
    climber.signal(Lost(stream=Stream.SOUND))
    climber.now_ns = SECOND
    climber.signal(Turn(well=NOTHING_WELL))
    climber.now_ns = 3 * SECOND
    acts = climber.signal(Turn(well=NOTHING_WELL))
    assert [act.rung for act in acts] == [Rung.RESTART_PROCESS]


SIGNALS = st.one_of(
    st.builds(Lost, stream=st.sampled_from(Stream)),
    st.builds(Back, stream=st.sampled_from(Stream)),
    st.builds(Failed, stream=st.sampled_from(Stream), stuck=st.booleans()),
    st.builds(Turn, well=st.frozensets(st.sampled_from(Stream)), held=st.booleans()),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40 * SECOND), SIGNALS), max_size=200), st.booleans())
def test_whatever_happens_no_rung_is_climbed_more_often_than_its_bound(
    script: list[tuple[int, Signal]], trusted: bool
) -> None:
    climber = Climber(Remembered(trusted=trusted), replace(LIMITS, settle_ns=10**18))
    for passed_ns, signal in script:
        climber.now_ns += passed_ns
        before = climber.ladder
        acts = climber.signal(signal)
        if isinstance(signal, Turn) and acts:
            assert not signal.held
            assert not (signal.well and any(act.rung in (Rung.RESTART_PROCESS, Rung.REBOOT) for act in acts))
        assert acts == () or isinstance(signal, Turn)
        for act in acts:
            if act.rung in (Rung.RESTART_PROCESS, Rung.REBOOT):
                assert climber.ladder.memory != before.memory, "what ends the process is remembered before"
    assert climber.rungs().count(Rung.REBOOT) <= (1 if trusted else 0)
    most = 2 * LIMITS.process_restarts if trusted else 0
    assert climber.rungs().count(Rung.RESTART_PROCESS) <= most


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=12), st.frozensets(st.sampled_from(Stream), max_size=1))
def test_however_often_processes_and_boots_follow_each_other_there_is_no_loop(
    boots: list[bool], well: frozenset[Stream]
) -> None:
    """Each life runs at most ten minutes and passes its memory on; a new boot's time begins at 0."""
    memory, boot, ended = Remembered(), 0, {Rung.RESTART_PROCESS: 0, Rung.REBOOT: 0}
    for power_cut in boots:
        boot += power_cut
        climber = Climber(memory)
        climber.ladder = begin(boot.to_bytes(16, "big"), memory, 0)
        climber.signal(Lost(stream=Stream.PICTURE))
        for _ in range(10):
            orders = [act.rung for act in climber.play(60, well - {Stream.PICTURE}) if act.rung in ended]
            if orders:
                ended[orders[-1]] += 1
                boot += orders[-1] is Rung.REBOOT
                break
        memory = climber.ladder.memory
    assert ended[Rung.RESTART_PROCESS] <= LIMITS.process_restarts
    assert ended[Rung.REBOOT] <= 1
