"""What follows from a signal: `step(state, signal) -> (state, effects)`, the whole behaviour of a recorder in its room.

Pure: no clock, no file, no device. A signal changes facts; what has to be done about capture and its gap follows from
the facts alone, in `_settle`. So no order of events can leave capture running while something forbids it, and the end
of one inhibition never undoes another. The table at the end is what a walk through every reachable mode finds; a test
walks again and compares.
"""

from __future__ import annotations

from dataclasses import replace

from edge.session.effects import (
    Alarm,
    Announce,
    Announcement,
    ApproveInhibition,
    BeginCapture,
    BeginGap,
    ClearInhibition,
    Effect,
    EndCapture,
    EndGap,
    EndSession,
    OpenDuty,
    OpenSession,
    PowerOff,
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
from liuhen.registry import DutyCode, EndCause, EventCode, GapCause

Outcome = tuple[State, tuple[Effect, ...]]

END_OF_CAUSE = {
    GapCause.INTERLOCK: EndCause.INTERLOCK,
    GapCause.WITHHELD: EndCause.WITHHELD,
    GapCause.STORAGE_FULL: EndCause.STORAGE,
    GapCause.POWER_LOW: EndCause.POWER,
    GapCause.DEVICE_FAULT: EndCause.DEVICE_FAULT,
}
END_OF_HALT = {Halt.STORAGE: EndCause.STORAGE, Halt.POWER: EndCause.POWER, Halt.DEVICE: EndCause.DEVICE_FAULT}


def step(state: State, signal: Signal) -> Outcome:
    """The next state, and what is to be done, in order."""
    match signal:
        case StartAsked() | StopAsked() | CannotResume() | SessionFailed() | SessionEnded():
            return _session(state, signal)
        case WithholdAsked() | ApprovalGiven() | WithholdingEnded():
            return _withholding(state, signal)
        case Tripped() | Permitted() | Halted() | HaltEnded():
            return _interlock_or_halt(state, signal)
        case StreamLost() | StreamBack() | MediaDurable() | GapNamed() | GapExplained():
            return _media(state, signal)
        case Found():
            return _found(state, signal)
        case Tick():
            return _tick(state, signal)


# -- the session ------------------------------------------------------------------------------------------------------


def _session(state: State, signal: StartAsked | StopAsked | CannotResume | SessionFailed | SessionEnded) -> Outcome:
    match signal:
        case StartAsked():
            return _start(state)
        case StopAsked():
            return _stop(state, signal)
        case CannotResume():
            return _cannot_resume(state, signal)
        case SessionFailed():
            if state.session is not Session.OPEN:
                return state, ()
            return replace(state, session=Session.ENDING), (EndSession(cause=END_OF_HALT[signal.halt]),)
        case SessionEnded():
            return _ended(state), ()


def _start(state: State) -> Outcome:
    """A second press changes nothing; a start that is forbidden is refused, which `edge.desk_starts` writes down."""
    if state.session is Session.OPEN:
        return state, ()
    refused = _what_hinders(state)
    if refused is not None:
        return state, (Refuse(why=refused),)
    begun = replace(state, session=Session.OPEN, capturing=True, durable=False, absent=frozenset(), noticed=False)
    return begun, (OpenSession(),)


def _what_hinders(state: State) -> Refusing | None:
    match state.mode:
        case Mode.TRIPPED:
            return Refusing.TRIPPED
        case Mode.WITHHELD:
            return Refusing.WITHHELD
        case Mode.HALTED:
            return Refusing.HALTED
        case Mode.ENDING:
            return Refusing.ENDING
        case Mode.READY | Mode.STARTING | Mode.LOST | Mode.ONE_STREAM | Mode.RECORDING:
            return None


def _stop(state: State, asked: StopAsked) -> Outcome:
    if state.session is not Session.OPEN:
        return state, (Refuse(why=Refusing.NO_SESSION),)
    if not asked.confirmed:
        return state, (Refuse(why=Refusing.NOT_CONFIRMED),)
    if asked.steps_open and not asked.reasoned:
        return state, (Refuse(why=Refusing.REASON_WANTED),)
    return replace(state, session=Session.ENDING), (EndSession(cause=_end_cause(state)),)


def _end_cause(state: State) -> EndCause:
    """A session that is ended while nothing may be captured ends for that reason."""
    return EndCause.STOPPED if state.cause is None else END_OF_CAUSE[state.cause]


def _cannot_resume(state: State, declared: CannotResume) -> Outcome:
    if state.session is not Session.OPEN:
        return state, (Refuse(why=Refusing.NO_SESSION),)
    if state.mode in (Mode.RECORDING, Mode.ONE_STREAM):
        return state, (Refuse(why=Refusing.STILL_RECORDING),)
    if not declared.reported:
        return state, (Refuse(why=Refusing.NOT_REPORTED),)
    cause = _end_cause(state) if state.cause is not None else EndCause.DEVICE_FAULT
    ending = replace(state, session=Session.ENDING)
    return ending, (Announce(what=Announcement.CANNOT_RESUME), EndSession(cause=cause))


def _ended(state: State) -> State:
    """Inhibitions and what awaits approval outlive the session."""
    return replace(
        state,
        session=Session.NONE,
        capturing=False,
        durable=False,
        gap=None,
        absent=frozenset(),
        unexplained=frozenset(),
        asked_since_ns=None,
        said=state.said & {EventCode.WITHHELD_UNAPPROVED, EventCode.WITHHELD_TOO_LONG},
    )


# -- what forbids -----------------------------------------------------------------------------------------------------


def _withholding(state: State, signal: WithholdAsked | ApprovalGiven | WithholdingEnded) -> Outcome:
    match signal:
        case WithholdAsked():
            return _withhold(state, signal)
        case ApprovalGiven():
            return _approve(state, signal)
        case WithholdingEnded():
            return _go_on(state, signal)


def _interlock_or_halt(state: State, signal: Tripped | Permitted | Halted | HaltEnded) -> Outcome:
    match signal:
        case Tripped():
            return _trip(state, signal.at_ns)
        case Permitted():
            if Inhibition.INTERLOCK not in state.inhibitions:
                return state, ()
            return _cleared(state, Inhibition.INTERLOCK, signal.at_ns)
        case Halted() | HaltEnded():
            return _halt(state, signal)


def _go_on(state: State, ended: WithholdingEnded) -> Outcome:
    if Inhibition.WITHHELD not in state.inhibitions:
        return state, (Refuse(why=Refusing.NOT_WITHHELD),)
    said = state.said - {EventCode.WITHHELD_TOO_LONG}
    after, effects = _cleared(replace(state, said=said), Inhibition.WITHHELD, ended.at_ns)
    if not after.may_capture:
        return after, effects
    return after, (*effects, Announce(what=Announcement.WITHHOLDING_ENDED))


def _withhold(state: State, asked: WithholdAsked) -> Outcome:
    if state.session is not Session.OPEN:
        return state, (Refuse(why=Refusing.NO_SESSION),)
    if Inhibition.WITHHELD in state.inhibitions:
        return state, ()
    after = replace(
        state,
        inhibitions=state.inhibitions | {Inhibition.WITHHELD},
        to_approve=True,
        withheld_since_ns=asked.at_ns,
        said=state.said - {EventCode.WITHHELD_UNAPPROVED, EventCode.WITHHELD_TOO_LONG},
    )
    after, effects = _settle(after, asked.at_ns)
    return after, (SetInhibition(code=Inhibition.WITHHELD, at_ns=asked.at_ns), *effects)


def _approve(state: State, given: ApprovalGiven) -> Outcome:
    if not state.to_approve:
        return state, (Refuse(why=Refusing.NOT_WITHHELD),)
    if not given.another:
        return state, (Refuse(why=Refusing.SAME_PERSON),)
    if not given.grounded:
        return state, (Refuse(why=Refusing.NO_GROUND),)
    said = state.said - {EventCode.WITHHELD_UNAPPROVED}
    return replace(state, to_approve=False, said=said), (ApproveInhibition(at_ns=given.at_ns),)


def _trip(state: State, at_ns: int) -> Outcome:
    """The one thing that is done first and written after: capture ends at the moment of the trip."""
    if Inhibition.INTERLOCK in state.inhibitions:
        return state, ()
    after, effects = _settle(replace(state, inhibitions=state.inhibitions | {Inhibition.INTERLOCK}), at_ns)
    written = SetInhibition(code=Inhibition.INTERLOCK, at_ns=at_ns)
    stops = tuple(effect for effect in effects if isinstance(effect, EndCapture))
    return after, (*stops, written, *(effect for effect in effects if not isinstance(effect, EndCapture)))


def _cleared(state: State, code: Inhibition, at_ns: int) -> Outcome:
    after, effects = _settle(replace(state, inhibitions=state.inhibitions - {code}), at_ns)
    return after, (ClearInhibition(code=code, at_ns=at_ns), *effects)


# -- what makes it impossible -----------------------------------------------------------------------------------------


def _halt(state: State, signal: Halted | HaltEnded) -> Outcome:
    match signal:
        case Halted(halt=halt):
            if halt in state.halts:
                return state, ()
            after, effects = _settle(replace(state, halts=state.halts | {halt}), signal.at_ns)
            return after, (*effects, PowerOff()) if halt is Halt.POWER else effects
        case HaltEnded(halt=halt):
            if halt not in state.halts:
                return state, ()
            return _settle(replace(state, halts=state.halts - {halt}), signal.at_ns)


# -- media ------------------------------------------------------------------------------------------------------------


def _media(state: State, signal: StreamLost | StreamBack | MediaDurable | GapNamed | GapExplained) -> Outcome:
    match signal:
        case StreamLost():
            return replace(state, absent=state.absent | {signal.stream}), ()
        case StreamBack():
            after = replace(state, absent=state.absent - {signal.stream})
            return _ask_for_explanation(after, signal.at_ns)
        case MediaDurable():
            return _durable(state, signal.at_ns)
        case GapNamed():
            return replace(state, unexplained=state.unexplained | {signal.seq}), ()
        case GapExplained():
            return _explained(state, signal)


def _durable(state: State, at_ns: int) -> Outcome:
    """Media of this stretch is on the disk; where capture has been ended meanwhile, the gap stays open."""
    if not state.capturing:
        return state, ()
    after = replace(state, durable=True, gap=None, said=state.said - {EventCode.RESUME_OVERDUE})
    effects: tuple[Effect, ...] = ()
    if state.gap is not None:
        effects = (EndGap(at_ns=at_ns, resumed=True),)
    if not after.noticed and after.session is Session.OPEN:
        after, effects = replace(after, noticed=True), (*effects, Announce(what=Announcement.NOTICE))
    after, asked = _ask_for_explanation(after, at_ns)
    return after, (*effects, *asked)


def _ask_for_explanation(state: State, at_ns: int) -> Outcome:
    """Jiaozuo Art. 11: when recording starts again the cause is spoken on the recording."""
    recording = state.session is Session.OPEN and state.durable
    if not state.unexplained or not recording or state.asked_since_ns is not None:
        return state, ()
    return replace(state, asked_since_ns=at_ns), (Announce(what=Announcement.EXPLAIN),)


def _explained(state: State, explained: GapExplained) -> Outcome:
    if state.mode not in (Mode.RECORDING, Mode.ONE_STREAM):
        return state, (Refuse(why=Refusing.HALTED),)  # nothing hears it
    left = state.unexplained - {explained.seq}
    asked_since_ns = state.asked_since_ns if left else None
    said = state.said if left else state.said - {EventCode.EXPLANATION_OVERDUE}
    return replace(state, unexplained=left, asked_since_ns=asked_since_ns, said=said), ()


# -- a start, and time ------------------------------------------------------------------------------------------------


def _found(state: State, found: Found) -> Outcome:
    """What earlier runs left stands until its own end; capture starts by itself only where nothing forbids it."""
    after = replace(
        state,
        session=Session.OPEN if found.session else Session.NONE,
        promised=found.promised,
        inhibitions=state.inhibitions | found.inhibitions,
        to_approve=found.to_approve,
        withheld_since_ns=found.at_ns,
        gap=found.gap,
        gap_since_ns=found.at_ns,
        unexplained=found.unexplained,
        absent=found.absent,
        noticed=True,
    )
    return _settle(after, found.at_ns) if found.session else (after, ())


def _tick(state: State, tick: Tick) -> Outcome:
    """What takes too long is told once; nothing is ended by time alone."""
    effects: list[Effect] = []
    for code, since_ns, limit_ns in _overdue(state):
        if code not in state.said and tick.at_ns - since_ns >= limit_ns:
            state = replace(state, said=state.said | {code})
            effects.append(Alarm(code=code, since_ns=since_ns))
            if code is EventCode.RESUME_OVERDUE:
                effects.append(OpenDuty(code=DutyCode.REPORT))
    return state, tuple(effects)


def _overdue(state: State) -> tuple[tuple[EventCode, int, int], ...]:
    limits, waits = state.limits, []
    if state.to_approve:
        waits.append((EventCode.WITHHELD_UNAPPROVED, state.withheld_since_ns, limits.approval_ns))
    if Inhibition.WITHHELD in state.inhibitions:
        waits.append((EventCode.WITHHELD_TOO_LONG, state.withheld_since_ns, limits.withheld_ns))
    if state.asked_since_ns is not None:
        waits.append((EventCode.EXPLANATION_OVERDUE, state.asked_since_ns, limits.explanation_ns))
    if state.gap not in (None, GapCause.WITHHELD) and state.session is Session.OPEN:
        waits.append((EventCode.RESUME_OVERDUE, state.gap_since_ns, limits.resume_ns))
    return tuple(waits)


# -- what follows -----------------------------------------------------------------------------------------------------


def _settle(state: State, at_ns: int) -> Outcome:
    """Make capture and the gap of both streams what the facts want; the only place that decides either."""
    if state.session is not Session.OPEN:
        if not (state.capturing and state.inhibitions):
            return state, ()
        # The session is being ended and its last media flushed: what is forbidden from here on is not among it.
        cut = EndCapture(cause=END_OF_CAUSE[state.cause or GapCause.INTERLOCK], at_ns=at_ns)
        return replace(state, capturing=False, durable=False), (cut,)
    cause = state.cause
    if cause is None:
        if state.capturing:
            return state, ()
        return replace(state, capturing=True, durable=False), (BeginCapture(),)
    effects: list[Effect] = []
    was_capturing = state.capturing
    if was_capturing:
        # What the law forbids ends at the very moment; what has merely become impossible is flushed to its end.
        effects.append(EndCapture(cause=END_OF_CAUSE[cause], at_ns=at_ns if state.inhibitions else None))
    if state.gap is not cause:
        if state.gap is not None:
            effects.append(EndGap(at_ns=at_ns, resumed=False))
        effects.append(BeginGap(cause=cause, since_ns=at_ns if state.gap is not None else None))
        state = replace(state, gap=cause, gap_since_ns=at_ns)
    return replace(state, capturing=False, durable=False, asked_since_ns=None), tuple(effects)


TABLE: tuple[tuple[str, str, str, str], ...] = (
    # mode before, signal, mode after, what is done (in brackets: not from every state of that mode)
    ("TRIPPED", "ApprovalGiven", "TRIPPED", "ApproveInhibition"),
    ("TRIPPED", "CannotResume", "TRIPPED", "Announce EndSession"),
    ("TRIPPED", "Halted", "TRIPPED", "PowerOff"),
    ("TRIPPED", "Permitted", "ENDING", "ClearInhibition"),
    ("TRIPPED", "Permitted", "HALTED", "ClearInhibition [EndGap] [BeginGap]"),
    ("TRIPPED", "Permitted", "READY", "ClearInhibition"),
    ("TRIPPED", "Permitted", "STARTING", "ClearInhibition BeginCapture"),
    ("TRIPPED", "Permitted", "WITHHELD", "ClearInhibition [EndGap] [BeginGap]"),
    ("TRIPPED", "SessionFailed", "TRIPPED", "EndSession"),
    ("TRIPPED", "StopAsked", "TRIPPED", "EndSession"),
    ("TRIPPED", "WithholdAsked", "TRIPPED", "SetInhibition"),
    ("TRIPPED", "WithholdingEnded", "TRIPPED", "ClearInhibition"),
    ("WITHHELD", "ApprovalGiven", "WITHHELD", "ApproveInhibition"),
    ("WITHHELD", "CannotResume", "WITHHELD", "Announce EndSession"),
    ("WITHHELD", "Halted", "WITHHELD", "PowerOff"),
    ("WITHHELD", "SessionFailed", "WITHHELD", "EndSession"),
    ("WITHHELD", "StopAsked", "WITHHELD", "EndSession"),
    ("WITHHELD", "Tripped", "TRIPPED", "SetInhibition [EndGap] [BeginGap]"),
    ("WITHHELD", "WithholdingEnded", "ENDING", "ClearInhibition"),
    ("WITHHELD", "WithholdingEnded", "HALTED", "ClearInhibition [EndGap] [BeginGap]"),
    ("WITHHELD", "WithholdingEnded", "READY", "ClearInhibition"),
    ("WITHHELD", "WithholdingEnded", "STARTING", "ClearInhibition BeginCapture Announce"),
    ("HALTED", "ApprovalGiven", "HALTED", "ApproveInhibition"),
    ("HALTED", "CannotResume", "HALTED", "Announce EndSession"),
    ("HALTED", "HaltEnded", "ENDING", ""),
    ("HALTED", "HaltEnded", "HALTED", "EndGap BeginGap"),
    ("HALTED", "HaltEnded", "READY", ""),
    ("HALTED", "HaltEnded", "STARTING", "BeginCapture"),
    ("HALTED", "Halted", "HALTED", "[EndGap] [BeginGap] [PowerOff]"),
    ("HALTED", "MediaDurable", "HALTED", "EndGap"),
    ("HALTED", "SessionFailed", "HALTED", "EndSession"),
    ("HALTED", "StopAsked", "HALTED", "EndSession"),
    ("HALTED", "Tripped", "TRIPPED", "SetInhibition [EndGap] [BeginGap] [EndCapture]"),
    ("HALTED", "WithholdAsked", "WITHHELD", "SetInhibition EndGap BeginGap"),
    ("ENDING", "ApprovalGiven", "ENDING", "ApproveInhibition"),
    ("ENDING", "Halted", "HALTED", "[PowerOff]"),
    ("ENDING", "MediaDurable", "ENDING", "EndGap"),
    ("ENDING", "SessionEnded", "READY", ""),
    ("ENDING", "Tripped", "TRIPPED", "[EndCapture] SetInhibition"),
    ("STARTING", "ApprovalGiven", "STARTING", "ApproveInhibition"),
    ("STARTING", "CannotResume", "ENDING", "Announce EndSession"),
    ("STARTING", "Halted", "HALTED", "EndCapture [EndGap] [BeginGap] [PowerOff]"),
    ("STARTING", "MediaDurable", "LOST", "[EndGap] [Announce] [Announce]"),
    ("STARTING", "MediaDurable", "ONE_STREAM", "[EndGap] [Announce] [Announce]"),
    ("STARTING", "MediaDurable", "RECORDING", "[EndGap] [Announce] [Announce]"),
    ("STARTING", "SessionEnded", "READY", ""),
    ("STARTING", "SessionFailed", "ENDING", "EndSession"),
    ("STARTING", "StopAsked", "ENDING", "EndSession"),
    ("STARTING", "Tripped", "TRIPPED", "EndCapture SetInhibition [EndGap] [BeginGap]"),
    ("STARTING", "WithholdAsked", "WITHHELD", "SetInhibition EndCapture [EndGap] [BeginGap]"),
    ("LOST", "ApprovalGiven", "LOST", "ApproveInhibition"),
    ("LOST", "CannotResume", "ENDING", "Announce EndSession"),
    ("LOST", "Halted", "HALTED", "EndCapture BeginGap [PowerOff]"),
    ("LOST", "MediaDurable", "LOST", "Announce"),
    ("LOST", "SessionEnded", "READY", ""),
    ("LOST", "SessionFailed", "ENDING", "EndSession"),
    ("LOST", "StopAsked", "ENDING", "EndSession"),
    ("LOST", "StreamBack", "ONE_STREAM", "[Announce]"),
    ("LOST", "Tripped", "TRIPPED", "EndCapture SetInhibition BeginGap"),
    ("LOST", "WithholdAsked", "WITHHELD", "SetInhibition EndCapture BeginGap"),
    ("ONE_STREAM", "ApprovalGiven", "ONE_STREAM", "ApproveInhibition"),
    ("ONE_STREAM", "Halted", "HALTED", "EndCapture BeginGap [PowerOff]"),
    ("ONE_STREAM", "MediaDurable", "ONE_STREAM", "Announce"),
    ("ONE_STREAM", "SessionEnded", "READY", ""),
    ("ONE_STREAM", "SessionFailed", "ENDING", "EndSession"),
    ("ONE_STREAM", "StopAsked", "ENDING", "EndSession"),
    ("ONE_STREAM", "StreamBack", "ONE_STREAM", "Announce"),
    ("ONE_STREAM", "StreamBack", "RECORDING", "[Announce]"),
    ("ONE_STREAM", "StreamLost", "LOST", ""),
    ("ONE_STREAM", "Tripped", "TRIPPED", "EndCapture SetInhibition BeginGap"),
    ("ONE_STREAM", "WithholdAsked", "WITHHELD", "SetInhibition EndCapture BeginGap"),
    ("RECORDING", "ApprovalGiven", "RECORDING", "ApproveInhibition"),
    ("RECORDING", "Halted", "HALTED", "EndCapture BeginGap [PowerOff]"),
    ("RECORDING", "MediaDurable", "RECORDING", "Announce"),
    ("RECORDING", "SessionEnded", "READY", ""),
    ("RECORDING", "SessionFailed", "ENDING", "EndSession"),
    ("RECORDING", "StopAsked", "ENDING", "EndSession"),
    ("RECORDING", "StreamBack", "RECORDING", "Announce"),
    ("RECORDING", "StreamLost", "ONE_STREAM", ""),
    ("RECORDING", "Tripped", "TRIPPED", "EndCapture SetInhibition BeginGap"),
    ("RECORDING", "WithholdAsked", "WITHHELD", "SetInhibition EndCapture BeginGap"),
    ("READY", "ApprovalGiven", "READY", "ApproveInhibition"),
    ("READY", "Halted", "HALTED", "[PowerOff]"),
    ("READY", "StartAsked", "STARTING", "OpenSession"),
    ("READY", "Tripped", "TRIPPED", "SetInhibition"),
)
"""Every step that does something, as `edge.session.walk` finds it. A signal that stands nowhere for a mode is refused
with its reason, or changes facts that do not show yet."""
