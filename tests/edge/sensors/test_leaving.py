"""A low battery never ends in a machine that stays off while mains is there (fault row 21).

The room below has a UPS of one of four makes, a machine, and mains that comes back at any moment. Negative controls run
policies that were seen elsewhere: switch off without an order, trust an order that was not confirmed, no last step.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.sensors.leaving import Action, Leaving, Look, Outcome, Phase, Step, step
from edge.sensors.settings import Ups

SECOND = 1_000_000_000
UPS = Ups(kind="megatec", seal_seconds=10, cut_delay_seconds=30, give_up_seconds=60)
SHUTDOWN_SECONDS = 12
LATE_SECONDS = UPS.cut_delay_seconds + 60
LONG_SECONDS = 900


class Make(enum.Enum):
    """How a UPS treats an order to cut and return."""

    CUTS_ALWAYS = enum.auto()
    FORGETS_ON_MAINS = enum.auto()
    REFUSES = enum.auto()
    SILENT = enum.auto()


Policy = Callable[[Leaving, Look, Ups], Step]


@dataclass(slots=True, kw_only=True)
class Room:
    """UPS, machine and mains, second by second. At `empty_at` the battery ends; without mains so does the output."""

    make: Make
    mains_at: int
    empty_at: int
    sealed_at: int
    last_step: bool = True
    leaving: Leaving = field(default_factory=Leaving)
    cut_at: int | None = None
    output: bool = True
    powered_off_at: int | None = None
    down_at: int | None = None
    up: bool = True
    starts: int = 0
    pending: list[Action] = field(default_factory=list)

    def run(self, policy: Policy, seconds: int = LONG_SECONDS) -> None:
        for second in range(1, seconds):
            self._supply(second)
            self._machine(second)
            if self.up and self.down_at is None and self.starts == 0:
                self._policy(policy, second)

    def mains(self, second: int) -> bool:
        return second >= self.mains_at

    def _supply(self, second: int) -> None:
        if self.make is Make.FORGETS_ON_MAINS and self.mains(second):
            self.cut_at = None
        cut = self.cut_at is not None and second >= self.cut_at
        if cut or (second >= self.empty_at and not self.mains(second)):
            self.output, self.up, self.down_at = False, False, None
            if cut and self.mains(second) and self.cut_at is not None and second >= self.cut_at + 10:
                self.cut_at = None
                self._feed()
        elif not self.output and self.mains(second):
            self._feed()

    def _feed(self) -> None:
        """Output comes back, and a machine that had lost it starts."""
        self.output, self.up = True, True
        self.starts += 1
        self.powered_off_at = None

    def _machine(self, second: int) -> None:
        if self.down_at is not None and second >= self.down_at:
            self.down_at, self.up = None, False
            if self.powered_off_at is None:
                self.up, self.starts = True, self.starts + 1
        late = self.powered_off_at is not None and second >= self.powered_off_at + LATE_SECONDS
        if late and not self.up and self.output and self.last_step:
            self._feed()

    def _policy(self, policy: Policy, second: int) -> None:
        outcome = self._outcome()
        look = Look(
            low=True,
            mains=self.mains(second) and self.make is not Make.SILENT,
            sealed=second >= self.sealed_at,
            outcome=outcome,
            at_ns=second * SECOND,
        )
        self.leaving, actions = policy(self.leaving, look, UPS)
        for action in actions:
            self._act(action, second)

    def _outcome(self) -> Outcome | None:
        if not self.pending:
            return None
        self.pending.clear()
        return Outcome.REFUSED if self.make in {Make.REFUSES, Make.SILENT} else Outcome.CONFIRMED

    def _act(self, action: Action, second: int) -> None:
        match action:
            case Action.ORDER_CUT:
                self.pending.append(action)
                if self.make in {Make.CUTS_ALWAYS, Make.FORGETS_ON_MAINS}:
                    self.cut_at = second + UPS.cut_delay_seconds
            case Action.CANCEL_CUT:
                if self.make is not Make.SILENT:
                    self.cut_at = None
            case Action.POWER_OFF:
                self.powered_off_at, self.down_at = second, second + SHUTDOWN_SECONDS
            case Action.REBOOT:
                self.powered_off_at, self.down_at = None, second + SHUTDOWN_SECONDS


makes = st.sampled_from(Make)
moments = st.integers(1, 400)


@settings(max_examples=300)
@given(make=makes, mains_at=moments, empty_at=moments, sealed_at=st.integers(1, 30))
def test_with_mains_back_the_machine_always_comes_up_again(
    make: Make, mains_at: int, empty_at: int, sealed_at: int
) -> None:
    room = Room(make=make, mains_at=mains_at, empty_at=empty_at, sealed_at=sealed_at)
    room.run(step)
    assert room.up
    assert room.starts >= 1


@pytest.mark.parametrize("make", Make)
def test_mains_may_come_back_at_every_single_second(make: Make) -> None:
    for mains_at in range(1, 200):
        room = Room(make=make, mains_at=mains_at, empty_at=300, sealed_at=5)
        room.run(step)
        assert room.up, mains_at
        assert room.starts >= 1, mains_at


# --- negative controls: what is seen when a policy is wrong ----------------------------------------------------------


def without_an_order(leaving: Leaving, look: Look, settings: Ups) -> Step:
    if look.sealed and leaving.phase is Phase.STAYING:
        return Leaving(phase=Phase.LEAVING, began_ns=look.at_ns, acted_ns=look.at_ns), (Action.POWER_OFF,)
    return leaving, ()


def trusting(leaving: Leaving, look: Look, settings: Ups) -> Step:
    if look.sealed and leaving.phase is Phase.STAYING:
        both = (Action.ORDER_CUT, Action.POWER_OFF)
        return Leaving(phase=Phase.LEAVING, began_ns=look.at_ns, acted_ns=look.at_ns), both
    return leaving, ()


def stays_off(policy: Policy, make: Make, *, last_step: bool) -> bool:
    for mains_at in range(1, 200):
        room = Room(make=make, mains_at=mains_at, empty_at=300, sealed_at=5, last_step=last_step)
        room.run(policy)
        if not room.up:
            return True
    return False


def test_a_policy_that_switches_off_without_an_order_is_caught() -> None:
    assert stays_off(without_an_order, Make.CUTS_ALWAYS, last_step=False)


def test_a_policy_that_trusts_an_order_that_was_refused_is_caught() -> None:
    assert stays_off(trusting, Make.REFUSES, last_step=False)


def test_without_the_last_step_a_ups_that_forgets_is_caught() -> None:
    """The race no process can win alone: mains comes back after the machine's last instruction."""
    assert stays_off(step, Make.FORGETS_ON_MAINS, last_step=False)
    assert not stays_off(step, Make.CUTS_ALWAYS, last_step=False)


# --- the table, row by row -------------------------------------------------------------------------------------------


def look(
    second: int, *, low: bool = True, mains: bool = False, sealed: bool = False, outcome: Outcome | None = None
) -> Look:
    return Look(low=low, mains=mains, sealed=sealed, outcome=outcome, at_ns=second * SECOND)


def walked(*looks: Look) -> tuple[Phase, list[tuple[int, Action]]]:
    leaving, done = Leaving(), []
    for one in looks:
        leaving, actions = step(leaving, one, UPS)
        done += [(one.at_ns // SECOND, action) for action in actions]
    return leaving.phase, done


def test_a_battery_that_is_not_low_changes_nothing() -> None:
    assert walked(look(1, low=False), look(2, low=False, sealed=True)) == (Phase.STAYING, [])


def test_the_recorder_gets_its_time_to_close_and_sign() -> None:
    assert walked(look(1), look(10)) == (Phase.SEALING, [])
    assert walked(look(1), look(11)) == (Phase.ORDERING, [(11, Action.ORDER_CUT)])
    assert walked(look(1), look(3, sealed=True)) == (Phase.ORDERING, [(3, Action.ORDER_CUT)])


def test_mains_back_while_sealing_ends_in_a_reboot_after_the_seal() -> None:
    assert walked(look(1), look(3, mains=True)) == (Phase.SEALING, [])
    assert walked(look(1), look(3, mains=True), look(4, mains=True, sealed=True, low=False)) == (
        Phase.REBOOTING,
        [(4, Action.REBOOT)],
    )


ORDERED = (look(1), look(3, sealed=True))


def test_power_goes_off_only_after_the_order_was_confirmed() -> None:
    phase, done = walked(*ORDERED, look(4, outcome=Outcome.CONFIRMED))
    assert (phase, done[-1]) == (Phase.LEAVING, (4, Action.POWER_OFF))
    phase, done = walked(*ORDERED, *(look(second) for second in range(4, 62)))
    assert phase is Phase.ORDERING
    assert {action for _, action in done} == {Action.ORDER_CUT}


def test_mains_back_between_order_and_power_off_takes_the_order_back_and_reboots() -> None:
    phase, done = walked(*ORDERED, look(4, mains=True, outcome=Outcome.CONFIRMED))
    assert (phase, done[1:]) == (Phase.REBOOTING, [(4, Action.CANCEL_CUT), (4, Action.REBOOT)])


def test_a_refused_order_is_given_again_every_five_seconds_and_given_up_with_a_reboot() -> None:
    looks = [look(4, outcome=Outcome.REFUSED), *(look(second) for second in range(5, 65))]
    phase, done = walked(*ORDERED, *looks)
    assert done[:2] == [(3, Action.ORDER_CUT), (9, Action.ORDER_CUT)]
    assert (phase, done[-1]) == (Phase.REBOOTING, (64, Action.REBOOT))


def test_a_command_that_had_no_effect_is_given_again() -> None:
    phase, done = walked(*ORDERED, look(4, outcome=Outcome.CONFIRMED), look(93), look(94))
    assert (phase, done[1:]) == (Phase.LEAVING, [(4, Action.POWER_OFF), (94, Action.POWER_OFF)])
    phase, done = walked(*ORDERED, look(4, outcome=Outcome.CONFIRMED), look(94, mains=True))
    assert (phase, done[2:]) == (Phase.REBOOTING, [(94, Action.CANCEL_CUT), (94, Action.REBOOT)])
    phase, done = walked(look(1), look(4, mains=True, sealed=True), look(94))
    assert done == [(4, Action.REBOOT), (94, Action.REBOOT)]
