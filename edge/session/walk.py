"""A walk through every reachable mode of `step`: the rows of its table, and the diagram drawn from them.

Pure. Used by tests and by `python -m edge.session.walk`, which prints the table and the diagram (Mermaid).
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable

from edge.ports import Stream
from edge.session.effects import Effect, Refuse
from edge.session.signals import (
    ApprovalGiven,
    CannotResume,
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
    Tripped,
    WithholdAsked,
    WithholdingEnded,
)
from edge.session.state import Halt, Mode, State
from edge.session.step import step

Row = tuple[str, str, str, str]
"""Mode before, signal, mode after, what is done."""

SIGNALS: tuple[Signal, ...] = (
    StartAsked(at_ns=0),
    StopAsked(at_ns=0, confirmed=True),
    WithholdAsked(at_ns=0),
    ApprovalGiven(at_ns=0, another=True, grounded=True),
    WithholdingEnded(at_ns=0),
    Tripped(at_ns=0),
    Permitted(at_ns=0),
    *(Halted(at_ns=0, halt=halt) for halt in Halt),
    *(HaltEnded(at_ns=0, halt=halt) for halt in Halt),
    *(StreamLost(at_ns=0, stream=stream) for stream in Stream),
    *(StreamBack(at_ns=0, stream=stream) for stream in Stream),
    MediaDurable(at_ns=0),
    GapNamed(seq=1),
    GapExplained(at_ns=0, seq=1),
    CannotResume(at_ns=0, reported=True),
    SessionFailed(at_ns=0, halt=Halt.STORAGE),
    SessionEnded(at_ns=0),
)
"""One of each, as it is when everything about it is in order; time is left out."""


def reachable() -> Iterable[tuple[State, Signal, State, tuple[Effect, ...]]]:
    """Every step from every state that can be reached from an idle device."""
    seen, waiting = {State()}, deque([State()])
    while waiting:
        state = waiting.popleft()
        for signal in SIGNALS:
            after, effects = step(state, signal)
            yield state, signal, after, effects
            if after not in seen:
                seen.add(after)
                waiting.append(after)


def rows() -> tuple[Row, ...]:
    """What changes the mode or does something, one row for each pair of modes and signal; a refusal does nothing.

    An effect in brackets is not wanted from every state of that mode.
    """
    found: dict[tuple[str, str, str], list[tuple[str, ...]]] = {}
    for before, signal, after, effects in reachable():
        done = tuple(type(effect).__name__ for effect in effects if not isinstance(effect, Refuse))
        if before.mode is not after.mode or done:
            found.setdefault((before.mode.name, type(signal).__name__, after.mode.name), []).append(done)
    order = [mode.name for mode in Mode]
    named = ((*key, _merged(variants)) for key, variants in found.items())
    return tuple(sorted(named, key=lambda row: (order.index(row[0]), row[1:])))


def _merged(variants: list[tuple[str, ...]]) -> str:
    longest = max(variants, key=len)
    names = [*longest, *sorted({name for done in variants for name in done} - set(longest))]
    return " ".join(name if all(name in done for done in variants) else f"[{name}]" for name in names)


def diagram() -> str:
    """The changes of mode as a Mermaid state diagram; what leaves the mode as it is is left out."""
    arrows: dict[tuple[str, str], set[str]] = {}
    for before, signal, after, _ in rows():
        if before != after:
            arrows.setdefault((before, after), set()).add(signal)
    lines = ["stateDiagram-v2", f"    [*] --> {Mode.READY.name}"]
    lines += [f"    {before} --> {after}: {', '.join(sorted(names))}" for (before, after), names in arrows.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for row in rows():
        sys.stdout.write("    " + repr(row) + ",\n")
    sys.stdout.write(diagram())
