"""The behaviour of a recorder in its room: the table, what must never happen, and the rules one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import edge.session.step as step_module
from edge.ports import Stream
from edge.session import walk
from edge.session.effects import (
    Alarm,
    Announce,
    Announcement,
    BeginCapture,
    BeginGap,
    ClearInhibition,
    Effect,
    EndCapture,
    EndGap,
    EndSession,
    OpenSession,
    Refuse,
    Refusing,
    SetInhibition,
)
from edge.session.signals import (
    ApprovalGiven,
    CannotResume,
    Found,
    GapExplained,
    GapNamed,
    Halted,
    HaltEnded,
    MediaDurable,
    Permitted,
    SessionEnded,
    SessionFailed,
    Signal,
    StartAsked,
    StopAsked,
    StreamBack,
    StreamLost,
    Tick,
    Tripped,
    WithholdAsked,
    WithholdingEnded,
)
from edge.session.state import Halt, Inhibition, Mode, Session, State
from edge.session.step import TABLE, step
from liuhen.registry import EndCause, EventCode, GapCause

S = 10**9


def after(*signals: Signal, state: State | None = None) -> State:
    state = state or State()
    for signal in signals:
        state, _ = step(state, signal)
    return state


def recording() -> State:
    return after(StartAsked(at_ns=0), MediaDurable(at_ns=1))


def test_the_table_is_what_a_walk_through_every_mode_finds() -> None:
    assert walk.rows() == TABLE


def test_the_diagram_is_drawn_from_the_same_walk() -> None:
    drawn = (Path(step_module.__file__).parent / "DIAGRAM.md").read_text(encoding="utf-8")
    assert walk.diagram() in drawn


def test_nothing_reachable_captures_what_is_forbidden() -> None:
    states = [state for _, _, state, _ in walk.reachable()]
    assert not [state for state in states if state.capturing and state.inhibitions]
    assert any(state.capturing for state in states)  # the walk does come to capture


def test_a_recording_has_no_pause_and_a_second_start_changes_nothing() -> None:
    assert not hasattr(Session, "PAUSED")
    state = recording()
    assert step(state, StartAsked(at_ns=5)) == (state, ())


def test_a_short_press_stops_nothing() -> None:
    state, effects = step(recording(), StopAsked(at_ns=5, confirmed=False))
    assert (state.mode, effects) == (Mode.RECORDING, (Refuse(why=Refusing.NOT_CONFIRMED),))


def test_with_required_steps_open_a_stop_asks_for_a_reason() -> None:
    _, effects = step(recording(), StopAsked(at_ns=5, confirmed=True, steps_open=True))
    assert effects == (Refuse(why=Refusing.REASON_WANTED),)
    _, effects = step(recording(), StopAsked(at_ns=5, confirmed=True, steps_open=True, reasoned=True))
    assert effects == (EndSession(cause=EndCause.STOPPED),)


def test_a_trip_ends_capture_before_anything_is_written_of_it() -> None:
    state, effects = step(recording(), Tripped(at_ns=7))
    assert effects == (
        EndCapture(cause=EndCause.INTERLOCK, at_ns=7),
        SetInhibition(code=Inhibition.INTERLOCK, at_ns=7),
        BeginGap(cause=GapCause.INTERLOCK, since_ns=None),
    )
    assert state.mode is Mode.TRIPPED


def test_a_withholding_is_durable_before_capture_ends() -> None:
    _, effects = step(recording(), WithholdAsked(at_ns=7))
    assert [type(effect) for effect in effects] == [SetInhibition, EndCapture, BeginGap]


def test_the_clearing_of_one_inhibition_never_undoes_the_other() -> None:
    both = after(WithholdAsked(at_ns=1), Tripped(at_ns=2), state=recording())
    withheld, effects = step(both, Permitted(at_ns=3))
    assert withheld.mode is Mode.WITHHELD and not any(isinstance(effect, BeginCapture) for effect in effects)
    assert effects[1:] == (EndGap(at_ns=3, resumed=False), BeginGap(cause=GapCause.WITHHELD, since_ns=3))
    tripped, effects = step(both, WithholdingEnded(at_ns=3))
    assert tripped.mode is Mode.TRIPPED
    assert effects == (ClearInhibition(code=Inhibition.WITHHELD, at_ns=3),)


def test_gaps_that_follow_each_other_leave_no_time_between_them() -> None:
    state, effects = step(after(WithholdAsked(at_ns=1), state=recording()), Tripped(at_ns=9))
    assert EndGap(at_ns=9, resumed=False) in effects
    assert BeginGap(cause=GapCause.INTERLOCK, since_ns=9) in effects
    assert state.gap is GapCause.INTERLOCK


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (ApprovalGiven(at_ns=5, another=False, grounded=True), Refusing.SAME_PERSON),
        (ApprovalGiven(at_ns=5, another=True, grounded=False), Refusing.NO_GROUND),
    ],
)
def test_only_a_second_person_with_a_ground_approves(given: ApprovalGiven, why: Refusing) -> None:
    state = after(WithholdAsked(at_ns=1), state=recording())
    unchanged, effects = step(state, given)
    assert (unchanged, effects) == (state, (Refuse(why=why),))
    assert not after(ApprovalGiven(at_ns=5, another=True, grounded=True), state=state).to_approve


def test_a_withholding_that_ended_unapproved_still_waits_for_its_approval() -> None:
    state = after(WithholdAsked(at_ns=1), WithholdingEnded(at_ns=2), state=recording())
    assert state.to_approve
    assert not after(ApprovalGiven(at_ns=9, another=True, grounded=True), state=state).to_approve


def test_time_alone_alarms_and_ends_nothing() -> None:
    state = after(WithholdAsked(at_ns=0), state=recording())
    later, effects = step(state, Tick(at_ns=600 * S))
    assert effects == (Alarm(code=EventCode.WITHHELD_UNAPPROVED, since_ns=0),)
    much_later, effects = step(later, Tick(at_ns=86_400 * S))
    assert effects == (Alarm(code=EventCode.WITHHELD_TOO_LONG, since_ns=0),)
    assert much_later.inhibitions == {Inhibition.WITHHELD}
    assert step(much_later, Tick(at_ns=90_000 * S))[1] == ()  # each once


def test_on_resume_the_room_is_asked_for_the_cause_until_it_was_spoken() -> None:
    state = after(Halted(at_ns=1, halt=Halt.STORAGE), GapNamed(seq=40), state=recording())
    state, effects = step(after(HaltEnded(at_ns=2, halt=Halt.STORAGE), state=state), MediaDurable(at_ns=3))
    assert effects == (EndGap(at_ns=3, resumed=True), Announce(what=Announcement.EXPLAIN))
    assert step(state, Tick(at_ns=3 + 60 * S))[1] == (Alarm(code=EventCode.EXPLANATION_OVERDUE, since_ns=3),)
    assert after(GapExplained(at_ns=5, seq=40), state=state).unexplained == frozenset()


def test_an_explanation_that_nothing_hears_explains_nothing() -> None:
    state = after(GapNamed(seq=40), Tripped(at_ns=4), state=recording())
    assert step(state, GapExplained(at_ns=5, seq=40)) == (state, (Refuse(why=Refusing.HALTED),))


def test_what_an_earlier_run_forbade_is_still_forbidden_after_a_start() -> None:
    found = Found(at_ns=9, session=True, inhibitions=frozenset({Inhibition.WITHHELD}), gap=GapCause.OTHER)
    state, effects = step(State(), found)
    assert state.mode is Mode.WITHHELD and not state.capturing
    assert effects == (EndGap(at_ns=9, resumed=False), BeginGap(cause=GapCause.WITHHELD, since_ns=9))


def test_an_open_session_goes_on_by_itself_where_nothing_forbids_it() -> None:
    state, effects = step(State(), Found(at_ns=9, session=True, inhibitions=frozenset(), gap=GapCause.OTHER))
    assert (state.capturing, effects) == (True, (BeginCapture(),))


def test_a_start_under_an_inhibition_is_refused() -> None:
    assert step(after(Tripped(at_ns=0)), StartAsked(at_ns=1))[1] == (Refuse(why=Refusing.TRIPPED),)
    assert step(after(), StartAsked(at_ns=1))[1] == (OpenSession(),)


def test_cannot_resume_is_declared_only_in_a_gap_and_after_the_report() -> None:
    assert step(recording(), CannotResume(at_ns=1, reported=True))[1] == (Refuse(why=Refusing.STILL_RECORDING),)
    halted = after(Halted(at_ns=1, halt=Halt.DEVICE), state=recording())
    assert step(halted, CannotResume(at_ns=2, reported=False))[1] == (Refuse(why=Refusing.NOT_REPORTED),)
    _, effects = step(halted, CannotResume(at_ns=2, reported=True))
    assert effects[-1] == EndSession(cause=EndCause.DEVICE_FAULT)


def test_a_trip_while_the_session_ends_cuts_what_is_still_flushed() -> None:
    ending = after(StopAsked(at_ns=5, confirmed=True), state=recording())
    state, effects = step(ending, Tripped(at_ns=6))
    assert effects[0] == EndCapture(cause=EndCause.INTERLOCK, at_ns=6)
    assert not state.capturing


class Room(RuleBasedStateMachine):
    """Anything may happen in any order; what faults and the law call illegal must be unreachable."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.now_ns = 0
        self.done: list[Effect] = []
        self.sessions = 0
        self.gap_open = False
        self.allowed = {Inhibition.INTERLOCK: True, Inhibition.WITHHELD: True}

    def give(self, signal: Signal) -> None:
        self.now_ns += 1
        before = self.state
        timed = signal if isinstance(signal, GapNamed) else replace(signal, at_ns=self.now_ns)
        self.state, effects = step(before, timed)
        for effect in effects:
            self.carry_out(effect)

    def carry_out(self, effect: Effect) -> None:
        match effect:
            case OpenSession():
                self.sessions += 1
                assert self.sessions == 1, "two open sessions"
                assert all(self.allowed.values())
            case SetInhibition(code=code):
                assert self.allowed[code], "set twice"
                self.allowed[code] = False
            case ClearInhibition(code=code):
                assert not self.allowed[code], "cleared twice"
                self.allowed[code] = True
            case BeginCapture():
                assert all(self.allowed.values()), "capture began under an inhibition"
                assert self.sessions == 1
            case BeginGap():
                assert not self.gap_open
                self.gap_open = True
            case EndGap():
                assert self.gap_open
                self.gap_open = False
            case _:
                pass

    @rule(signal=st.sampled_from([s for s in walk.SIGNALS if not isinstance(s, SessionEnded)]))
    def anything(self, signal: Signal) -> None:
        self.give(signal)

    @rule(seconds=st.integers(1, 4000))
    def time_passes(self, seconds: int) -> None:
        self.now_ns += seconds * S
        self.give(Tick(at_ns=0))

    @precondition(lambda self: self.state.session is Session.ENDING)
    @rule()
    def the_session_ends(self) -> None:
        self.gap_open = False
        self.sessions = 0
        self.give(SessionEnded(at_ns=0))

    @rule()
    def power_is_cut_and_comes_back(self) -> None:
        """What the journal holds is all that is left."""
        lost = self.state
        journaled = frozenset(code for code, allowed in self.allowed.items() if not allowed)
        assert journaled == lost.inhibitions, "an inhibition that a cut would undo"
        self.state = State(inhibitions=journaled)
        is_open = lost.session is not Session.NONE
        self.sessions = int(is_open)
        self.gap_open = is_open
        found = Found(
            at_ns=0,
            session=is_open,
            inhibitions=journaled,
            to_approve=lost.to_approve,
            gap=(lost.gap or GapCause.OTHER) if is_open else None,
            unexplained=lost.unexplained if is_open else frozenset(),
        )
        self.give(found)

    @invariant()
    def nothing_is_captured_that_is_forbidden(self) -> None:
        assert not (self.state.capturing and self.state.inhibitions)

    @invariant()
    def what_is_not_captured_in_a_session_is_a_gap(self) -> None:
        if self.state.session is Session.OPEN and not self.state.capturing:
            assert self.gap_open and self.state.gap is self.state.cause

    @invariant()
    def the_state_and_the_journal_agree(self) -> None:
        assert {code for code, allowed in self.allowed.items() if not allowed} == self.state.inhibitions

    @invariant()
    def recording_is_never_said_without_durable_media(self) -> None:
        if self.state.mode in (Mode.RECORDING, Mode.ONE_STREAM):
            assert self.state.durable and self.state.capturing


TestRoom = Room.TestCase
TestRoom.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


def test_a_lost_stream_is_degraded_and_two_are_lost() -> None:
    state = after(StreamLost(at_ns=1, stream=Stream.PICTURE), state=recording())
    assert state.mode is Mode.ONE_STREAM
    state = after(StreamLost(at_ns=2, stream=Stream.SOUND), state=state)
    assert state.mode is Mode.LOST
    assert after(StreamBack(at_ns=3, stream=Stream.SOUND), state=state).mode is Mode.ONE_STREAM


def test_a_session_whose_store_failed_ends_for_that_reason() -> None:
    _, effects = step(recording(), SessionFailed(at_ns=1, halt=Halt.STORAGE))
    assert effects == (EndSession(cause=EndCause.STORAGE),)
