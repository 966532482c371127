"""The panel's buttons: levels and time in, each act of a person's hand out exactly once.

Pure; owns nothing. The table at the end of the file says what every button does in every phase. Contacts are debounced
here and nowhere else (gpiozero's mock pins ignore `bounce_time`, and a rule that cannot be tested is not kept): a level
counts once it has stood for the debounce time, and the act then bears the moment at which that level began.

What each press means, and why:

- START and MARK act at once; a second press is a second act: to the session the same wish again, or another mark.
- STOP acts after three seconds and while it is still held, so that the hand feels that it worked; it says every second
  that it is being held, for a lamp or a buzzer, and says when it was let go too early. Leaning on it ends no hearing.
- WITHHOLD acts at once. Three seconds of a secret that were recorded can never be unrecorded; a withholding by mistake
  is heard by everybody, is reported, and is ended by a person. It never ends by its own button: a second press in
  fright must not undo the first.
- EXPLAIN can be held like a radio's button or pressed once to begin and once to end: a clerk holds it, a clerk with
  papers in both hands does not. Held for a second or longer, letting go ends the explanation; shorter, the next press
  does. Nothing ends it in its first second, so a double press is one beginning. It ends by itself after two minutes.

A button that is down for ten seconds is stuck: that is an event, and nothing of it counts until it was up again. The
same holds for a contact that chatters for ten seconds without coming to rest. EXPLAIN, whose use is to be held, is
stuck when its two minutes are over. A level found at the start counts for nothing until the button was seen up.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from edge.ports import HardwareFault

MILLISECOND = 1_000_000
SECOND = 1000 * MILLISECOND


class Button(enum.Enum):
    """A button of the panel; the value is its word in configuration and messages."""

    START = "start"
    STOP = "stop"
    MARK = "mark"
    EXPLAIN = "explain"
    WITHHOLD = "withhold"


class Act(enum.Enum):
    """What a hand did with a button, or what a button did by itself."""

    PRESSED = "pressed"
    """START, MARK, WITHHOLD: do it."""
    HOLDING = "holding"
    """STOP is being held: at its beginning and every second."""
    LET_GO = "let-go"
    """STOP was let go too early: nothing is to be done."""
    HELD = "held"
    """STOP was held long enough: do it."""
    TALK_BEGAN = "talk-began"
    """The spoken explanation begins."""
    TALK_ENDED = "talk-ended"
    """The spoken explanation is over, by the hand, by the limit or because the button is stuck."""
    STUCK = "stuck"
    """The button does not come to rest; nothing of it counts until FREE."""
    FREE = "free"
    """The button is well again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """One act. `boottime_ns` is when it happened, `pressed_ns` when the press it belongs to began (both BOOTTIME).

    An act reaches its reader at least the debounce time after `boottime_ns`, where a level decides it.
    """

    button: Button
    act: Act
    boottime_ns: int
    pressed_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelFailed:
    """The buttons cannot be read since `boottime_ns`; told once. They are tried again and again."""

    fault: HardwareFault
    boottime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelBack:
    """The buttons can be read again; what is held down now counts for nothing until it was let go."""

    boottime_ns: int


PanelMessage = Pressed | PanelFailed | PanelBack


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The times of a panel, in ns. `talk_least_ns` is the first second in which nothing ends an explanation."""

    debounce_ns: int = 30 * MILLISECOND
    hold_ns: int = 3 * SECOND
    beat_ns: int = SECOND
    talk_least_ns: int = SECOND
    talk_limit_ns: int = 120 * SECOND
    stuck_ns: int = 10 * SECOND


class Rule(enum.Enum):
    """How a button is used."""

    AT_ONCE = enum.auto()
    LONG = enum.auto()
    TALK = enum.auto()


RULES: Mapping[Button, Rule] = {
    Button.START: Rule.AT_ONCE,
    Button.STOP: Rule.LONG,
    Button.MARK: Rule.AT_ONCE,
    Button.EXPLAIN: Rule.TALK,
    Button.WITHHOLD: Rule.AT_ONCE,
}


class Phase(enum.Enum):
    """Where a button is."""

    UNSEEN = enum.auto()
    """Not yet seen up since the start: nothing counts."""
    UP = enum.auto()
    DONE = enum.auto()
    """Down; what this press means has been said."""
    HOLDING = enum.auto()
    TALK_HELD = enum.auto()
    """Down since the explanation began."""
    TALKING = enum.auto()
    """Up; the explanation goes on."""
    TALK_AGAIN = enum.auto()
    """Down a second time in the explanation's first second: the explanation goes on."""
    STUCK = enum.auto()


class Signal(enum.Enum):
    """What happens to a button."""

    PRESS = enum.auto()
    RELEASE = enum.auto()
    EARLY_PRESS = enum.auto()
    """A press in the first second of an explanation."""
    EARLY_RELEASE = enum.auto()
    BEAT = enum.auto()
    LONG = enum.auto()
    LIMIT = enum.auto()
    """The explanation has lasted its two minutes."""
    STUCK = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonState:
    """One button: what is known of its level, and its phase. All times are BOOTTIME in ns."""

    button: Button
    phase: Phase = Phase.UNSEEN
    down: bool
    down_since_ns: int
    """Since when the level is as it is."""
    at_rest: bool = False
    """Whether this level has stood long enough and was told."""
    unrest_ns: int
    """Since when it has not been at rest."""
    pressed_ns: int
    talk_ns: int = 0
    beats: int = 0
    said_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelState:
    """All buttons that are fitted, and the last moment that was looked at."""

    buttons: tuple[ButtonState, ...]
    timing: Timing
    now_ns: int


def begin(buttons: Iterable[Button], timing: Timing, down: frozenset[Button], now_ns: int) -> PanelState:
    """The state at a start; what is held down then counts for nothing until it was let go."""
    seen = tuple(
        ButtonState(button=one, down=one in down, down_since_ns=now_ns, unrest_ns=now_ns, pressed_ns=now_ns)
        for one in buttons
    )
    return PanelState(buttons=seen, timing=timing, now_ns=now_ns)


def step(state: PanelState, down: frozenset[Button], now_ns: int) -> tuple[PanelState, tuple[Pressed, ...]]:
    """Take one look: the buttons in `down` are down from `now_ns` on, the others up; acts come in the order of time.

    Between two looks each level is taken to have stood, so it does not matter how often or how late one looks, as
    long as every change is given with its own moment. A moment before the last one counts as the last one.
    """
    now_ns = max(now_ns, state.now_ns)
    looked, acts = [], []
    for one in state.buttons:
        seen, done = _advance(one, state.timing, now_ns)
        looked.append(_see(seen, one.button in down, now_ns))
        acts += done
    ordered = tuple(sorted(acts, key=lambda act: act.boottime_ns))
    return replace(state, buttons=tuple(looked), now_ns=now_ns), ordered


def due_ns(state: PanelState) -> int | None:
    """When something will happen without any level changing, or None: look again then."""
    events = (_next(one, state.timing) for one in state.buttons)
    return min((event.at_ns for event in events if event is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """A signal, when it can be told and when it happened."""

    signal: Signal
    at_ns: int
    happened_ns: int


def _advance(state: ButtonState, timing: Timing, now_ns: int) -> tuple[ButtonState, list[Pressed]]:
    """Everything that happens up to and including `now_ns` while the level stays as it is."""
    acts: list[Pressed] = []
    while (event := _next(state, timing)) is not None and event.at_ns <= now_ns:
        state, done = _take(state, event)
        acts += done
    return state, acts


def _see(state: ButtonState, down: bool, now_ns: int) -> ButtonState:
    if down == state.down:
        return state
    unrest_ns = now_ns if state.at_rest else state.unrest_ns
    return replace(state, down=down, down_since_ns=now_ns, at_rest=False, unrest_ns=unrest_ns)


def _next(state: ButtonState, timing: Timing) -> _Event | None:
    """The next thing that happens by itself; where two fall together, the level counts first."""
    events = [*_settling(state, timing), *_timers(state, timing)]
    return min(events, key=lambda event: event.at_ns, default=None)


def _settling(state: ButtonState, timing: Timing) -> Iterable[_Event]:
    if state.at_rest:
        return
    signal = Signal.PRESS if state.down else Signal.RELEASE
    if state.phase in _TALK_PHASES and state.down_since_ns - state.talk_ns < timing.talk_least_ns:
        signal = Signal.EARLY_PRESS if state.down else Signal.EARLY_RELEASE
    yield _Event(signal=signal, at_ns=state.down_since_ns + timing.debounce_ns, happened_ns=state.down_since_ns)
    if state.phase is not Phase.STUCK:
        yield _timer(Signal.STUCK, state.unrest_ns + timing.stuck_ns)


def _timers(state: ButtonState, timing: Timing) -> Iterable[_Event]:
    """What the passing of time brings. Where it needs the button down and the level is up just now, nothing: either
    the level comes to rest and the press is over, or it was a dip and the timer goes on.
    """
    if state.phase in _TALK_PHASES:
        yield _timer(Signal.LIMIT, state.talk_ns + timing.talk_limit_ns)
    if not state.down:
        return
    if state.phase is Phase.HOLDING:
        yield _timer(Signal.LONG, max(state.pressed_ns + timing.hold_ns, state.down_since_ns))
        yield _timer(Signal.BEAT, max(state.pressed_ns + (state.beats + 1) * timing.beat_ns, state.down_since_ns))
    if state.phase in (Phase.UNSEEN, Phase.DONE, Phase.TALK_AGAIN):
        yield _timer(Signal.STUCK, max(state.pressed_ns + timing.stuck_ns, state.down_since_ns))


def _timer(signal: Signal, at_ns: int) -> _Event:
    return _Event(signal=signal, at_ns=at_ns, happened_ns=at_ns)


def _take(state: ButtonState, event: _Event) -> tuple[ButtonState, list[Pressed]]:
    """Let one signal happen, by the table."""
    state = _noted(state, event)
    row = (RULES[state.button], state.phase, event.signal)
    phase, acts = TABLE.get(row, (state.phase, ()))
    at_ns = max(event.happened_ns, state.said_ns)  # told acts never go back in time
    said = [Pressed(button=state.button, act=act, boottime_ns=at_ns, pressed_ns=state.pressed_ns) for act in acts]
    return replace(
        state,
        phase=phase,
        talk_ns=at_ns if Act.TALK_BEGAN in acts else state.talk_ns,
        said_ns=at_ns if acts else state.said_ns,
    ), said


def _noted(state: ButtonState, event: _Event) -> ButtonState:
    """What is to be remembered of a signal, whatever it leads to."""
    match event.signal:
        case Signal.PRESS | Signal.EARLY_PRESS if state.phase in (Phase.UP, Phase.TALKING):
            return replace(state, at_rest=True, pressed_ns=event.happened_ns, beats=0)
        case Signal.PRESS | Signal.EARLY_PRESS | Signal.RELEASE | Signal.EARLY_RELEASE:
            return replace(state, at_rest=True)
        case Signal.BEAT:
            return replace(state, beats=state.beats + 1)
        case Signal.STUCK if not state.at_rest and state.phase in (Phase.UP, Phase.TALKING):
            return replace(state, pressed_ns=state.unrest_ns)  # a contact that chatters was never pressed
        case Signal.STUCK | Signal.LONG | Signal.LIMIT:
            return state


_TALK_PHASES = frozenset({Phase.TALK_HELD, Phase.TALKING, Phase.TALK_AGAIN})
_EVERY_RULE = (
    (Phase.UNSEEN, Signal.RELEASE, Phase.UP, ()),
    (Phase.UNSEEN, Signal.STUCK, Phase.STUCK, (Act.STUCK,)),
    (Phase.UP, Signal.STUCK, Phase.STUCK, (Act.STUCK,)),
    (Phase.DONE, Signal.RELEASE, Phase.UP, ()),
    (Phase.DONE, Signal.STUCK, Phase.STUCK, (Act.STUCK,)),
    (Phase.STUCK, Signal.RELEASE, Phase.UP, (Act.FREE,)),
)
_AT_ONCE = ((Phase.UP, Signal.PRESS, Phase.DONE, (Act.PRESSED,)),)
_LONG = (
    (Phase.UP, Signal.PRESS, Phase.HOLDING, (Act.HOLDING,)),
    (Phase.HOLDING, Signal.BEAT, Phase.HOLDING, (Act.HOLDING,)),
    (Phase.HOLDING, Signal.LONG, Phase.DONE, (Act.HELD,)),
    (Phase.HOLDING, Signal.RELEASE, Phase.UP, (Act.LET_GO,)),
    (Phase.HOLDING, Signal.STUCK, Phase.STUCK, (Act.LET_GO, Act.STUCK)),
)
_TALK = (
    (Phase.UP, Signal.PRESS, Phase.TALK_HELD, (Act.TALK_BEGAN,)),
    (Phase.TALK_HELD, Signal.EARLY_RELEASE, Phase.TALKING, ()),
    (Phase.TALK_HELD, Signal.RELEASE, Phase.UP, (Act.TALK_ENDED,)),
    (Phase.TALK_HELD, Signal.LIMIT, Phase.STUCK, (Act.TALK_ENDED, Act.STUCK)),
    (Phase.TALK_HELD, Signal.STUCK, Phase.STUCK, (Act.TALK_ENDED, Act.STUCK)),
    (Phase.TALKING, Signal.EARLY_PRESS, Phase.TALK_AGAIN, ()),
    (Phase.TALKING, Signal.PRESS, Phase.DONE, (Act.TALK_ENDED,)),
    (Phase.TALKING, Signal.LIMIT, Phase.UP, (Act.TALK_ENDED,)),
    (Phase.TALKING, Signal.STUCK, Phase.STUCK, (Act.TALK_ENDED, Act.STUCK)),
    (Phase.TALK_AGAIN, Signal.RELEASE, Phase.TALKING, ()),
    (Phase.TALK_AGAIN, Signal.EARLY_RELEASE, Phase.TALKING, ()),
    (Phase.TALK_AGAIN, Signal.LIMIT, Phase.DONE, (Act.TALK_ENDED,)),
    (Phase.TALK_AGAIN, Signal.STUCK, Phase.STUCK, (Act.TALK_ENDED, Act.STUCK)),
)

TABLE: Mapping[tuple[Rule, Phase, Signal], tuple[Phase, tuple[Act, ...]]] = {
    (rule, phase, signal): (after, acts)
    for rule, rows in ((Rule.AT_ONCE, _AT_ONCE), (Rule.LONG, _LONG), (Rule.TALK, _TALK))
    for phase, signal, after, acts in (*_EVERY_RULE, *rows)
}
"""(rule, phase, signal) to (phase, acts). What is not listed changes nothing and says nothing."""
