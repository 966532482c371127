"""The interlock's decisions: pairs on a timing grid, wire faults, chatter, pulses, latch, key, gas and stalls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.guard.core import Lease
from edge.guard.loops import CHATTER_TRIPS
from edge.guard.words import NS_PER_MS, NS_PER_SECOND, Lamp, Pair, Reason
from sim.wiring import Key, Loop
from tests.edge.guard.bench import CLEAR, RULES, TRIPPED, Bench, permitted

NOT_PERMIT = tuple(pair for pair in Pair if pair is not Pair.PERMIT)
DIAGNOSED = {Pair.OFF: Reason.TRIPPED, Pair.BOTH_OPEN: Reason.OPEN, Pair.BOTH_CLOSED: Reason.SHORT}
WITH_GAS = replace(RULES, gas=True)


def loops_of(bench: Bench) -> Pair:
    assert bench.state is not None
    return bench.state.loops.pair


# --- pairs -----------------------------------------------------------------------------------------------------------


def test_only_the_permit_pair_held_for_a_second_gives_a_permit() -> None:
    bench = Bench()
    assert not bench.run(999).said.permit
    assert bench.reason() is Reason.BOOT
    assert bench.run(1).said.permit
    assert bench.reason() is Reason.RECORDER_SILENT


@pytest.mark.parametrize("first", list(Pair))
@pytest.mark.parametrize("second", list(Pair))
@pytest.mark.parametrize("held_ms", [1, 2, 20, 100, 101, 998, 1000, 1500])
def test_all_pair_transitions_on_a_timing_grid(first: Pair, second: Pair, held_ms: int) -> None:
    """From a start with the first pair for so long, to the second: no turn ever permits what is not (closed, open)."""
    bench = Bench()
    bench.set(first)
    for _ in range(held_ms):
        bench.turn()
        own_pulse = not bench.drive.test_nc or bench.drive.test_no
        assert bench.permit() <= (first is Pair.PERMIT or own_pulse)
    was_permitted = bench.permit()
    assert was_permitted is (first is Pair.PERMIT and held_ms >= 1000)
    bench.set(second)
    while not bench.drive.test_nc or bench.drive.test_no:  # a pulse's own sample says nothing of the contacts
        bench.turn()
    bench.turn()
    if held_ms != 998:  # there the second is complete in one of these turns
        assert bench.permit() is (was_permitted and second is Pair.PERMIT)
    bench.run(300)
    tripped = first is not Pair.PERMIT or second is not Pair.PERMIT
    assert bench.latched().tripped is tripped
    if second is not Pair.PERMIT:
        assert bench.reason() is (DIAGNOSED[second] if second is not Pair.OFF else bench.latched().reason)


@pytest.mark.parametrize("pair", NOT_PERMIT)
@pytest.mark.parametrize("offset_ms", range(0, 1000, 111))
def test_a_pair_of_one_sample_trips_in_that_sample_at_any_phase_of_the_pulses(pair: Pair, offset_ms: int) -> None:
    bench = permitted()
    bench.run(offset_ms)
    quiet = bench.drive.test_nc and not bench.drive.test_no
    bench.set(pair)
    bench.turn()
    if not quiet:  # at most the pulse's one sample, and only where this is exactly the pair it expects
        bench.turn()
    assert not bench.permit()
    bench.set(Pair.PERMIT)
    bench.run(5000)
    assert not bench.permit()
    assert bench.latched().tripped


def test_a_trip_during_a_pulse_is_seen_in_the_very_next_sample() -> None:
    bench = permitted()
    while bench.drive.test_nc:
        bench.turn()
    bench.set(Pair.BOTH_OPEN)  # looks exactly like the pulse
    bench.turn()
    assert bench.permit()
    bench.turn()
    assert not bench.permit()


def test_the_other_loops_pair_is_never_excused_during_a_pulse() -> None:
    for pair in (Pair.OFF, Pair.BOTH_CLOSED):
        bench = permitted()
        while bench.drive.test_nc:
            bench.turn()
        bench.set(pair)
        if pair is Pair.BOTH_CLOSED:  # the pulse hides the closed contact of its own loop: the pair is (open, closed)
            assert bench.levels().no
        bench.turn()
        assert not bench.permit()


@pytest.mark.parametrize(("pair", "reason"), DIAGNOSED.items())
def test_the_diagnosis_comes_after_the_trip_and_after_the_discrepancy_time(pair: Pair, reason: Reason) -> None:
    bench = permitted()
    bench.set(pair)
    bench.turn()
    assert (bench.permit(), bench.reason()) == (False, Reason.TRIPPED)
    bench.run(100)
    assert bench.reason() is Reason.TRIPPED
    bench.run(1)
    assert bench.reason() is reason


def test_a_contact_that_switches_within_the_discrepancy_time_is_a_trip_and_no_fault() -> None:
    bench = permitted()
    bench.set(Pair.BOTH_OPEN)
    bench.run(60)
    bench.set(Pair.OFF)
    bench.run(5000)
    assert bench.reason() is Reason.TRIPPED
    bench.set(Pair.PERMIT)
    bench.run(3000)
    assert bench.press().said.permit


def test_loops_that_contradict_each_other_and_do_not_settle_are_discrepant() -> None:
    bench = permitted()
    for _ in range(4):
        for pair in (Pair.BOTH_OPEN, Pair.BOTH_CLOSED):
            bench.set(pair)
            bench.run(30)
    assert bench.reason() is Reason.DISCREPANT


# --- wires -----------------------------------------------------------------------------------------------------------

FAULTS: dict[str, tuple[dict[str, Any], Reason, int]] = {
    "nc broken": ({"broken": frozenset({Loop.NC})}, Reason.OPEN, 2),
    "no shorted": ({"shorted": frozenset({Loop.NO})}, Reason.SHORT, 2),
    "crossed": ({"crossed": True}, Reason.SHORT, 2),
    "line fault": ({"line_fault": True}, Reason.OPEN, 2),
    "no broken": ({"broken": frozenset({Loop.NO})}, Reason.NO_PULSE, 3100),
    "nc shorted": ({"shorted": frozenset({Loop.NC})}, Reason.NO_PULSE, 3100),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_single_fault_of_a_wire_trips_and_is_named(name: str) -> None:
    change, reason, within_ms = FAULTS[name]
    bench = permitted()
    bench.wire(**change)
    bench.run(within_ms)
    assert not bench.permit()
    bench.run(150)
    assert bench.reason() is reason


@pytest.mark.parametrize("name", FAULTS)
def test_no_reset_acts_while_a_wire_is_bad_and_after_the_repair_one_does(name: str) -> None:
    change, _, within_ms = FAULTS[name]
    bench = permitted()
    sound = bench.harness
    bench.wire(**change)
    bench.run(within_ms + 4000)
    bench.press()
    assert not bench.permit()
    bench.harness = sound
    bench.run(2200)
    contradicted = name in ("nc broken", "no shorted", "crossed")
    assert bench.press().said.permit is not contradicted
    if contradicted:  # the switch test: both channels must have been seen off
        bench.set(Pair.OFF)
        bench.run(20)
        bench.set(Pair.PERMIT)
        bench.run(1200)
        assert bench.press().said.permit


def test_two_missed_pulses_do_not_trip_and_the_third_does() -> None:
    bench = permitted()
    bench.wire(broken=frozenset({Loop.NO}))
    bench.run(2000)
    assert bench.permit()
    bench.wire(broken=frozenset())
    bench.run(3000)
    assert bench.permit()
    bench.wire(broken=frozenset({Loop.NO}))
    bench.run(3100)
    assert (bench.permit(), bench.reason()) == (False, Reason.NO_PULSE)


def test_a_loop_that_has_never_answered_a_pulse_gets_no_permit() -> None:
    bench = Bench()
    bench.wire(shorted=frozenset({Loop.NC}))
    bench.run(2500)
    assert not bench.permit()


# --- chatter ---------------------------------------------------------------------------------------------------------


def glitch(bench: Bench) -> None:
    bench.set(Pair.OFF)
    bench.run(3)
    bench.set(Pair.PERMIT)
    bench.run(50)


def test_more_than_four_trips_in_ten_seconds_lock_the_reset_until_the_loops_are_quiet() -> None:
    bench = permitted()
    for _ in range(CHATTER_TRIPS):
        glitch(bench)
    assert bench.reason() is Reason.TRIPPED
    glitch(bench)
    assert bench.reason() is Reason.CHATTER
    bench.run(3000)
    assert not bench.press().said.permit
    bench.run(7000)
    assert bench.press().said.permit


def test_four_trips_are_no_chatter_nor_are_five_in_more_than_ten_seconds() -> None:
    bench = permitted()
    for _ in range(5):
        glitch(bench)
        bench.run(2600)
    assert bench.reason() is Reason.TRIPPED
    assert bench.press().said.permit


# --- latch and key ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("press_ms", "acts"), [(5, False), (79, False), (120, True), (1000, True), (2950, True), (3200, False)]
)
def test_only_a_press_of_a_tenth_to_three_seconds_resets(press_ms: int, acts: bool) -> None:
    bench = Bench(latch=TRIPPED)
    bench.run(1200)
    assert bench.press(press_ms).said.permit is acts


def test_the_reset_acts_at_the_release_and_not_before() -> None:
    bench = Bench(latch=TRIPPED)
    bench.run(1200)
    bench.wire(pressed=frozenset({Key.RESET}))
    assert not bench.run(500).said.permit
    bench.wire(pressed=frozenset())
    assert bench.run(25).said.permit


def test_a_key_held_at_boot_never_resets() -> None:
    bench = Bench(latch=TRIPPED)
    bench = Bench(latch=TRIPPED, harness=replace(bench.harness, pressed=frozenset({Key.RESET})))
    bench.run(1500)
    bench.wire(pressed=frozenset())
    assert not bench.run(100).said.permit
    assert bench.press().said.permit


def test_a_key_held_for_more_than_ten_seconds_is_stuck_and_told_until_it_is_let_go() -> None:
    bench = permitted()
    bench.wire(pressed=frozenset({Key.RESET}))
    bench.run(10_001)
    assert bench.reason() is not Reason.RESET_STUCK
    bench.run(30)
    assert (bench.permit(), bench.reason()) == (True, Reason.RESET_STUCK)
    assert [one.what for one in bench.happened].count("reset key stuck") == 1
    bench.wire(pressed=frozenset())
    bench.run(30)
    assert bench.reason() is Reason.RECORDER_SILENT


def test_a_bouncing_key_resets_once_and_a_bounce_alone_does_not() -> None:
    bench = Bench(latch=TRIPPED)
    bench.run(1200)
    for _ in range(6):
        bench.wire(pressed=frozenset({Key.RESET}))
        bench.run(2)
        bench.wire(pressed=frozenset())
        bench.run(2)
    assert not bench.run(200).said.permit
    for _ in range(3):
        bench.wire(pressed=frozenset())
        bench.run(1)
        bench.wire(pressed=frozenset({Key.RESET}))
        bench.run(1)
    bench.run(300)
    bench.wire(pressed=frozenset())
    assert bench.run(40).said.permit
    assert [one.what for one in bench.happened].count("reset") == 1


def test_a_reset_before_the_loops_were_stable_for_a_second_does_nothing() -> None:
    bench = permitted()
    bench.set(Pair.OFF)
    bench.run(500)
    bench.set(Pair.PERMIT)
    bench.run(500)
    bench.press(400)
    assert not bench.permit()
    bench.run(2000)
    assert not bench.permit()
    assert bench.press().said.permit


def test_a_permit_waits_until_the_disk_holds_the_clear_latch() -> None:
    bench = Bench(disk_works=False)
    bench.run(3000)
    assert (bench.permit(), bench.reason()) == (False, Reason.LATCH_UNKNOWN)
    bench.disk_works = True
    assert bench.run(2).said.permit


def test_a_clean_stop_mark_that_is_still_on_the_disk_holds_the_permit_back() -> None:
    bench = Bench(disk_works=False)
    assert bench.last is not None
    bench.disk_works = True
    bench.turn()
    assert bench.disk is not None
    bench.disk_works, bench.disk = False, replace(bench.disk, clean_stop=True)
    assert not bench.run(3000).said.permit


# --- gas, stalls, the second output ----------------------------------------------------------------------------------


def leased(bench: Bench, milliseconds: int, *, permit: bool = True) -> None:
    for _ in range(milliseconds // 250):
        bench.lease = Lease(permit=permit, at_ns=bench.now_ns)
        bench.run(250)


def test_without_a_gas_lease_there_is_no_permit_and_no_trip_either() -> None:
    bench = Bench(rules=WITH_GAS)
    bench.run(3000)
    assert (bench.permit(), bench.latched().tripped, bench.reason()) == (False, False, Reason.GAS)
    leased(bench, 500)
    assert bench.permit()


def test_a_gas_lease_older_than_a_second_trips() -> None:
    bench = Bench(rules=WITH_GAS)
    leased(bench, 1500)
    bench.run(750)
    assert bench.permit()
    bench.run(2)
    assert (bench.permit(), bench.reason()) == (False, Reason.GAS)
    assert bench.latched().tripped


def test_a_gas_alarm_trips_at_once_and_only_a_reset_under_a_new_lease_clears_it() -> None:
    bench = Bench(rules=WITH_GAS)
    leased(bench, 1500)
    bench.lease = Lease(permit=False, at_ns=bench.now_ns)
    bench.turn()
    assert (bench.permit(), bench.reason()) == (False, Reason.GAS)
    assert not bench.press().said.permit
    leased(bench, 1000)
    assert not bench.permit()
    bench.lease = Lease(permit=True, at_ns=bench.now_ns)
    assert bench.press().said.permit


def test_a_gas_lease_means_nothing_where_none_is_configured() -> None:
    bench = permitted()
    bench.lease = Lease(permit=False, at_ns=bench.now_ns)
    assert bench.run(10).said.permit


def test_a_guard_that_did_not_run_for_more_than_a_second_trips_itself() -> None:
    bench = permitted()
    bench.turn(NS_PER_SECOND + NS_PER_MS)
    assert (bench.permit(), bench.reason()) == (False, Reason.STALLED)
    assert bench.latched().tripped


def test_a_short_stall_ends_the_permit_until_the_loops_were_watched_for_a_second_again() -> None:
    bench = permitted()
    bench.turn(51 * NS_PER_MS)
    assert (bench.permit(), bench.latched().tripped) == (False, False)
    assert not bench.run(998).said.permit
    assert bench.run(5).said.permit


def test_a_stall_shorter_than_the_pump_lasts_changes_nothing() -> None:
    bench = permitted()
    bench.turn(49 * NS_PER_MS)
    assert bench.permit()


def test_the_second_output_drops_everything_within_two_seconds_of_a_trip_and_not_after_a_start() -> None:
    bench = permitted(rules=replace(RULES, drop_all=True))
    bench.set(Pair.OFF)
    assert not bench.run(1800).drive.drop_all
    assert bench.run(150).drive.drop_all
    started = Bench(rules=replace(RULES, drop_all=True), latch=TRIPPED)
    assert not started.run(4000).drive.drop_all


def test_the_relays_contact_is_open_within_a_release_time_of_each_trip() -> None:
    bench = permitted()
    bench.run(5)
    closed = bench.contact
    bench.set(Pair.OFF)
    at_ns = bench.now_ns
    bench.run(20)
    assert (closed.closed, bench.contact.closed) == (True, False)
    assert bench.contact.since_ns - at_ns <= 7 * NS_PER_MS


def test_the_pump_stands_still_while_there_is_no_permit_and_the_lamps_supply_goes_on() -> None:
    bench = Bench(latch=TRIPPED)
    pumps, supplies = set(), set()
    for _ in range(50):
        bench.turn()
        pumps.add(bench.drive.pump)
        supplies.add(bench.drive.lamp_pump)
    assert (pumps, supplies) == ({False}, {False, True})


def test_without_an_interlock_only_the_lamps_are_driven() -> None:
    bench = Bench(rules=replace(RULES, interlock=False), latch=CLEAR)
    bench.wish(Lamp.READY, 0, session=False)
    bench.run(10)
    assert bench.last is not None
    assert (bench.last.said.permit, bench.drive.permit, bench.drive.light.green) == (True, False, True)


def test_no_lamp_beats_the_interlocks() -> None:
    bench = Bench(latch=TRIPPED)
    bench.wish(Lamp.RECORDING, 1)
    bench.wish(Lamp.RECORDING, 2)
    seen = set()
    for _ in range(1100):
        bench.turn()
        light = bench.drive.light
        assert not (light.red or light.green or light.yellow)
        seen.add(light.white)
    assert seen == {True, False}


# --- whatever comes --------------------------------------------------------------------------------------------------

TRAIN = st.lists(
    st.tuples(st.sampled_from(list(Pair)), st.sampled_from([1, 2, 7, 60, 130, 1050]), st.booleans()),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(train=TRAIN, latched=st.booleans())
def test_whatever_train_of_pairs_comes_nothing_is_permitted_that_was_not_stable_or_not_reset(
    train: list[tuple[Pair, int, bool]], latched: bool
) -> None:
    bench = Bench(latch=TRIPPED if latched else CLEAR)
    must_reset, stable_ms = latched, 0
    for pair, milliseconds, pressed in train:
        bench.set(pair)
        bench.wire(pressed=frozenset({Key.RESET} if pressed else ()))
        for _ in range(milliseconds):
            excusable = not bench.drive.test_nc or bench.drive.test_no
            bench.turn()
            stable_ms = stable_ms + 1 if pair is Pair.PERMIT else 0
            must_reset = must_reset or (pair is not Pair.PERMIT and not excusable)
            if any(one.what == "reset" for one in bench.last.happened):  # type: ignore[union-attr]
                assert stable_ms >= 1000
                must_reset = False
            if bench.permit() and not excusable:
                assert pair is Pair.PERMIT
                assert stable_ms >= 1000
                assert not must_reset
    assert loops_of(bench) in Pair


def test_the_property_above_notices_a_guard_that_excuses_too_much() -> None:
    """Negative control: were two samples of a pulse excused, an open loop would be permitted for one turn more."""
    bench = permitted()
    while bench.drive.test_nc:
        bench.turn()
    bench.set(Pair.BOTH_OPEN)
    bench.turn()
    assert bench.permit(), "one sample is excused"
    assert not bench.turn().said.permit, "a second one is not"


@pytest.mark.parametrize("pair", NOT_PERMIT)
def test_a_line_that_is_tripped_at_the_first_sample_of_a_clear_latch_trips_it(pair: Pair) -> None:
    bench = Bench()
    harness = bench.harness
    bench.set(pair)
    started = Bench(harness=bench.harness)
    assert started.latched().tripped
    started.harness = harness
    started.run(3000)
    assert not started.permit()
