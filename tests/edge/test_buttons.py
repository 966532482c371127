"""Each press counts once whatever its contact does; what was held at the start or is stuck counts for nothing."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.buttons import (
    MILLISECOND,
    RULES,
    SECOND,
    TABLE,
    Act,
    Button,
    PanelState,
    Phase,
    Pressed,
    Rule,
    Signal,
    Timing,
    begin,
    due_ns,
    step,
)

TIMING = Timing()
DEBOUNCE = TIMING.debounce_ns
BOOT = 1_000 * SECOND
"""When the tests begin; a panel never starts at 0."""

Trace = list[tuple[int, frozenset[Button]]]
"""What is down from each moment on."""


def run(buttons: Iterable[Button], trace: Trace, *, down: frozenset[Button] = frozenset()) -> list[Pressed]:
    """All acts of a trace, looked at only where a level changes and once at its end."""
    state = begin(buttons, TIMING, down, BOOT)
    told: list[Pressed] = []
    for at_ns, levels in trace:
        state, acts = step(state, levels, BOOT + at_ns)
        told += acts
    return told


def presses(button: Button, *spans: tuple[int, int], end: int | None = None) -> Trace:
    """One button that goes down and up at these moments (ns after the start); the last look is well after."""
    trace: Trace = []
    for down_ns, up_ns in spans:
        trace += [(down_ns, frozenset({button})), (up_ns, frozenset())]
    last_ns = spans[-1][1] if spans else 0
    return [*trace, (end if end is not None else last_ns + SECOND, trace[-1][1] if trace else frozenset())]


def said(told: Iterable[Pressed]) -> list[tuple[Act, float]]:
    """Acts with the seconds after the start at which they happened."""
    return [(act.act, (act.boottime_ns - BOOT) / SECOND) for act in told]


# --- what each button does -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("button", [Button.START, Button.MARK, Button.WITHHOLD])
def test_a_press_acts_once_at_once_and_bears_the_moment_of_the_press(button: Button) -> None:
    (act,) = run([button], presses(button, (SECOND, 2 * SECOND)))
    assert act == Pressed(button=button, act=Act.PRESSED, boottime_ns=BOOT + SECOND, pressed_ns=BOOT + SECOND)


def test_withholding_is_told_after_the_debounce_time_and_not_only_when_the_hand_lets_go() -> None:
    state = begin([Button.WITHHOLD], TIMING, frozenset(), BOOT)
    state, _ = step(state, frozenset({Button.WITHHOLD}), BOOT + SECOND)
    state, early = step(state, frozenset({Button.WITHHOLD}), BOOT + SECOND + DEBOUNCE - 1)
    _, acts = step(state, frozenset({Button.WITHHOLD}), BOOT + SECOND + DEBOUNCE)
    assert (early, [act.act for act in acts]) == ((), [Act.PRESSED])


def test_stop_acts_after_three_seconds_while_it_is_still_held_and_says_every_second_that_it_is_held() -> None:
    told = run([Button.STOP], presses(Button.STOP, (SECOND, 9 * SECOND)))
    assert said(told) == [(Act.HOLDING, 1.0), (Act.HOLDING, 2.0), (Act.HOLDING, 3.0), (Act.HELD, 4.0)]
    assert {act.pressed_ns for act in told} == {BOOT + SECOND}


@pytest.mark.parametrize(("held_ns", "end"), [(3 * SECOND - 1, Act.LET_GO), (3 * SECOND, Act.HELD)])
def test_stop_let_go_a_moment_too_early_stops_nothing(held_ns: int, end: Act) -> None:
    told = run([Button.STOP], presses(Button.STOP, (SECOND, SECOND + held_ns)))
    assert [act.act for act in told][-1] is end
    assert sum(act.act is Act.HELD for act in told) == (end is Act.HELD)


def test_a_dip_of_the_contact_does_not_break_a_long_press() -> None:
    dip = (3 * SECOND, 3 * SECOND + DEBOUNCE - 1)
    told = run([Button.STOP], presses(Button.STOP, (SECOND, dip[0]), (dip[1], 9 * SECOND)))
    assert said(told)[-1] == (Act.HELD, 4.0)
    broken = run([Button.STOP], presses(Button.STOP, (SECOND, dip[0]), (dip[1] + 1, 9 * SECOND)))
    assert Act.LET_GO in [act.act for act in broken]


def test_an_explanation_that_is_held_lasts_as_long_as_the_hand() -> None:
    told = run([Button.EXPLAIN], presses(Button.EXPLAIN, (SECOND, 31 * SECOND)))
    assert said(told) == [(Act.TALK_BEGAN, 1.0), (Act.TALK_ENDED, 31.0)]


def test_an_explanation_that_is_tapped_lasts_until_the_second_press() -> None:
    tap = 200 * MILLISECOND
    told = run([Button.EXPLAIN], presses(Button.EXPLAIN, (SECOND, SECOND + tap), (9 * SECOND, 9 * SECOND + tap)))
    assert said(told) == [(Act.TALK_BEGAN, 1.0), (Act.TALK_ENDED, 9.0)]


def test_a_double_press_begins_one_explanation() -> None:
    spans = ((1000, 1100), (1200, 1300), (5000, 5100))
    told = run([Button.EXPLAIN], presses(Button.EXPLAIN, *((a * MILLISECOND, b * MILLISECOND) for a, b in spans)))
    assert said(told) == [(Act.TALK_BEGAN, 1.0), (Act.TALK_ENDED, 5.0)]


def test_an_explanation_ends_by_itself_after_two_minutes() -> None:
    tapped = presses(Button.EXPLAIN, (SECOND, SECOND + 200 * MILLISECOND), end=200 * SECOND)
    assert said(run([Button.EXPLAIN], tapped)) == [(Act.TALK_BEGAN, 1.0), (Act.TALK_ENDED, 121.0)]
    held = presses(Button.EXPLAIN, (SECOND, 200 * SECOND))
    assert said(run([Button.EXPLAIN], held)) == [
        (Act.TALK_BEGAN, 1.0),
        (Act.TALK_ENDED, 121.0),
        (Act.STUCK, 121.0),
        (Act.FREE, 200.0),
    ]


# --- what counts for nothing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("button", list(Button))
def test_a_button_held_at_the_start_counts_for_nothing_until_it_was_let_go(button: Button) -> None:
    held = frozenset({button})
    trace: Trace = [(9 * SECOND, frozenset()), *presses(button, (11 * SECOND, 15 * SECOND))]
    told = run([button], trace, down=held)
    assert told
    assert told == [act for act in told if act.boottime_ns >= BOOT + 11 * SECOND]


@pytest.mark.parametrize("button", list(Button))
def test_a_button_that_bounces_up_at_the_very_start_is_still_held(button: Button) -> None:
    down = frozenset({button})
    trace: Trace = [(DEBOUNCE - 1, down), (9 * SECOND, down), (9 * SECOND + 1, frozenset()), (11 * SECOND, frozenset())]
    assert run([button], trace) == []


@pytest.mark.parametrize("button", list(Button))
def test_a_button_held_for_ten_seconds_from_the_start_is_stuck_and_told_free_when_it_is_up(button: Button) -> None:
    told = run([button], [(60 * SECOND, frozenset()), (61 * SECOND, frozenset())], down=frozenset({button}))
    assert said(told) == [(Act.STUCK, 10.0), (Act.FREE, 60.0)]


@pytest.mark.parametrize("button", [Button.START, Button.MARK, Button.WITHHOLD, Button.STOP])
def test_a_stuck_button_is_told_once_and_ignored_until_it_was_up(button: Button) -> None:
    told = run([button], presses(button, (SECOND, 500 * SECOND), (600 * SECOND, 604 * SECOND)))
    acts = said(told)
    first = acts.index((Act.STUCK, 11.0))
    assert acts[first + 1] == (Act.FREE, 500.0)
    assert acts[first + 2][1] == 600.0
    assert [act for act, _ in acts].count(Act.STUCK) == 1


@pytest.mark.parametrize("held_ns", [10 * SECOND - 1, 10 * SECOND])
def test_a_mark_held_up_to_ten_seconds_is_a_mark_and_no_fault(held_ns: int) -> None:
    told = run([Button.MARK], presses(Button.MARK, (SECOND, SECOND + held_ns)))
    assert [act.act for act in told][1:] == ([] if held_ns < 10 * SECOND else [Act.STUCK, Act.FREE])


@pytest.mark.parametrize("button", list(Button))
def test_a_contact_that_never_comes_to_rest_is_stuck_and_nothing_else(button: Button) -> None:
    half = DEBOUNCE // 2
    trace = presses(button, *((n * 2 * half, (n * 2 + 1) * half) for n in range(10, 1_000)))
    told = run([button], trace)
    assert [act.act for act in told] == [Act.STUCK, Act.FREE]
    assert (told[0].boottime_ns - told[0].pressed_ns) == TIMING.stuck_ns


def test_two_buttons_at_once_are_two_acts_in_the_order_of_time() -> None:
    both = frozenset({Button.MARK, Button.START})
    trace: Trace = [
        (SECOND, frozenset({Button.MARK})),
        (SECOND + 1, both),
        (2 * SECOND, frozenset()),
        (3 * SECOND, frozenset()),
    ]
    assert [act.button for act in run(list(Button), trace)] == [Button.MARK, Button.START]


def test_a_button_that_is_not_fitted_never_acts() -> None:
    assert run([Button.MARK], presses(Button.STOP, (SECOND, 9 * SECOND))) == []


# --- properties ------------------------------------------------------------------------------------------------------

BOUNCES = st.lists(st.integers(1, DEBOUNCE - 1), max_size=12).map(lambda gaps: gaps[: len(gaps) // 2 * 2])
"""The gaps between an even number of bounces: afterwards the level is what it was before."""
HOLDS = st.integers(DEBOUNCE, 9 * SECOND)


@st.composite
def bounced(draw: st.DrawFn) -> tuple[list[tuple[int, int]], list[int]]:
    """Presses with bouncing edges: the moments at which the level flips, and when each press came to rest and ended."""
    now, flips, firm = SECOND, [], []
    for _ in range(draw(st.integers(1, 4))):
        ends = []
        for hold in (draw(HOLDS), draw(HOLDS)):  # down, then up
            flips.append(now)
            for gap in draw(BOUNCES):
                now += gap
                flips.append(now)
            ends.append(now)
            now += hold
        firm.append((ends[0], ends[1]))
    return firm, flips


def levels(button: Button, flips: list[int]) -> Trace:
    down = frozenset({button})
    return [(at_ns, frozenset() if number % 2 else down) for number, at_ns in enumerate(flips)]


@settings(deadline=None)
@given(bounced())
def test_every_bounced_press_is_one_act_at_the_moment_it_came_to_rest(
    train: tuple[list[tuple[int, int]], list[int]],
) -> None:
    firm, flips = train
    told = run([Button.MARK], [*levels(Button.MARK, flips), (flips[-1] + SECOND, frozenset())])
    acts = [(act.boottime_ns - BOOT) for act in told if act.act is Act.PRESSED]
    assert acts == [down_ns for down_ns, _ in firm]


@settings(deadline=None)
@given(bounced())
def test_every_bounced_long_press_is_one_act_exactly_where_it_lasted(
    train: tuple[list[tuple[int, int]], list[int]],
) -> None:
    firm, flips = train
    told = run([Button.STOP], [*levels(Button.STOP, flips), (flips[-1] + SECOND, frozenset())])
    held = [act.pressed_ns - BOOT for act in told if act.act is Act.HELD]
    longer = {down_ns for down_ns, up_ns in firm if up_ns - down_ns >= TIMING.hold_ns}
    # A hand that lets go in the bounce around the third second may have meant either.
    clearly = {down_ns for down_ns, up_ns in firm if up_ns - down_ns >= TIMING.hold_ns + 12 * DEBOUNCE}
    assert clearly <= set(held) <= longer
    assert len(held) == len(set(held))


NOISE = st.lists(
    st.tuples(st.one_of(st.integers(1, 2 * DEBOUNCE), st.integers(1, 130 * SECOND)), st.sets(st.sampled_from(Button))),
    max_size=40,
)


def timed(noise: list[tuple[int, set[Button]]]) -> Trace:
    now, trace = 0, []
    for gap, down in noise:
        now += gap
        trace.append((now, frozenset(down)))
    return trace


@settings(deadline=None)
@given(NOISE, st.sets(st.sampled_from(Button)), st.lists(st.integers(0, 4_000 * SECOND), max_size=30))
def test_how_often_one_looks_changes_nothing(
    noise: list[tuple[int, set[Button]]], at_start: set[Button], looks: list[int]
) -> None:
    trace, down = timed(noise), frozenset(at_start)
    end_ns = 5_300 * SECOND
    closing = (end_ns, trace[-1][1] if trace else down)
    seldom = run(Button, [*trace, closing], down=down)
    often: Trace = list(trace)
    for look in looks:
        before = [seen for at_ns, seen in trace if at_ns <= look]
        often.append((look, before[-1] if before else down))
    often.sort(key=lambda entry: entry[0])
    assert sorted(run(Button, [*often, closing], down=down), key=str) == sorted(seldom, key=str)


@settings(deadline=None)
@given(NOISE, st.sets(st.sampled_from(Button)))
def test_looking_again_when_something_is_due_misses_nothing_and_comes_to_an_end(
    noise: list[tuple[int, set[Button]]], at_start: set[Button]
) -> None:
    state = begin(Button, TIMING, frozenset(at_start), BOOT)
    told: list[Pressed] = []
    trace = [*timed(noise), (5_300 * SECOND, frozenset[Button]())]
    down, looks = frozenset(at_start), 0
    for at_ns, levels_then in trace:
        while (due := due_ns(state)) is not None and due <= BOOT + at_ns:
            assert due >= state.now_ns
            state, acts = step(state, down, due)
            told += acts
            looks += 1
            assert looks < 20_000
        state, acts = step(state, levels_then, BOOT + at_ns)
        told += acts
        down = levels_then
    assert sorted(told, key=str) == sorted(run(Button, trace, down=frozenset(at_start)), key=str)


FOLLOWS: dict[Rule, dict[Act | None, set[Act]]] = {
    Rule.AT_ONCE: {
        None: {Act.PRESSED, Act.STUCK},
        Act.PRESSED: {Act.PRESSED, Act.STUCK},
        Act.STUCK: {Act.FREE},
        Act.FREE: {Act.PRESSED, Act.STUCK},
    },
    Rule.LONG: {
        None: {Act.HOLDING, Act.STUCK},
        Act.HOLDING: {Act.HOLDING, Act.HELD, Act.LET_GO},
        Act.HELD: {Act.HOLDING, Act.STUCK},
        Act.LET_GO: {Act.HOLDING, Act.STUCK},
        Act.STUCK: {Act.FREE},
        Act.FREE: {Act.HOLDING, Act.STUCK},
    },
    Rule.TALK: {
        None: {Act.TALK_BEGAN, Act.STUCK},
        Act.TALK_BEGAN: {Act.TALK_ENDED},
        Act.TALK_ENDED: {Act.TALK_BEGAN, Act.STUCK},
        Act.STUCK: {Act.FREE},
        Act.FREE: {Act.TALK_BEGAN, Act.STUCK},
    },
}


@settings(deadline=None)
@given(NOISE, st.sets(st.sampled_from(Button)))
def test_whatever_the_contacts_do_the_acts_of_a_button_are_a_sentence(
    noise: list[tuple[int, set[Button]]], at_start: set[Button]
) -> None:
    told = run(Button, [*timed(noise), (5_300 * SECOND, frozenset[Button]())], down=frozenset(at_start))
    for button in Button:
        own = [act for act in told if act.button is button]
        assert all(first.boottime_ns <= second.boottime_ns for first, second in pairwise(own))
        for before, act in zip([None, *(act.act for act in own)], own, strict=False):
            assert act.act in FOLLOWS[RULES[button]][before]
        for began, ended in pairwise(own):
            if began.act is Act.TALK_BEGAN:
                lasted_ns = ended.boottime_ns - began.boottime_ns
                assert TIMING.talk_least_ns <= lasted_ns <= TIMING.talk_limit_ns
            if ended.act is Act.HELD:
                assert ended.boottime_ns - ended.pressed_ns >= TIMING.hold_ns


def test_a_clock_that_goes_back_counts_as_standing_still() -> None:
    state: PanelState = begin([Button.MARK], TIMING, frozenset(), BOOT)
    state, _ = step(state, frozenset(), BOOT + SECOND)
    state, _ = step(state, frozenset({Button.MARK}), BOOT)
    _, acts = step(state, frozenset({Button.MARK}), BOOT + 2 * SECOND)
    assert [act.boottime_ns for act in acts] == [BOOT + SECOND]


# --- the table -------------------------------------------------------------------------------------------------------


def test_the_table_has_no_row_that_cannot_be_reached_and_every_act_has_one() -> None:
    reachable: dict[Rule, set[Phase]] = {}
    for rule in Rule:
        found, before = {Phase.UNSEEN}, set[Phase]()
        while found != before:
            before = set(found)
            found |= {after for (of, phase, _), (after, _) in TABLE.items() if of is rule and phase in found}
        reachable[rule] = found
    assert [row for row in TABLE if row[1] not in reachable[row[0]]] == []
    assert {act for _, acts in TABLE.values() for act in acts} == set(Act)
    assert {signal for _, _, signal in TABLE} == set(Signal)


@pytest.mark.parametrize("rule", list(Rule))
def test_every_phase_of_every_rule_has_a_way_back_to_up(rule: Rule) -> None:
    rows = {key: after for key, (after, _) in TABLE.items() if key[0] is rule}
    home, before = {Phase.UP}, set[Phase]()
    while home != before:
        before = set(home)
        home |= {phase for (_, phase, _), after in rows.items() if after in home}
    assert {phase for _, phase, _ in rows} <= home
