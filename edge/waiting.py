"""The gap of a session that is open and waits to go on: it has the cause that holds now, as a recorder's has.

Runs on CONTROL, between an interruption and the run's next stretch; nobody conducts the session then. When `follow`
returns, what it changed is durable. FORMAT.md 5.7.2: where the cause changes, one gap ends where the next begins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.gap_book import GapBook
from edge.journal import Journal
from edge.journal_state import JournalState, OpenGap
from edge.ports import Clock
from edge.recovery import CAUSE_OF, Continuation
from liuhen.registry import GapCause, RefusalCode

FORBIDDEN = frozenset(CAUSE_OF.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Where the gap is kept, and what may be its evidence: events of this moment, a start that was just refused."""

    journal: Journal
    clock: Clock
    evidence: tuple[int, ...]
    refused: tuple[int, RefusalCode] | None
    """The refusal's entry and why."""


def follow(went_on: Continuation, waiting: Waiting) -> Continuation:
    """What a resumed session goes on from, its open gap being of the present cause. Raises StorageFault."""
    state, clock = waiting.journal.state, waiting.clock
    session = state.session
    both = next((gap for gap in session.open_gaps if gap.stream is None), None) if session is not None else None
    if session is None or both is None:
        return went_on
    change = changed(both, state, None if waiting.refused is None else waiting.refused[1])
    if change is None:
        return went_on
    cause, at_ns = change
    if at_ns is None:
        at_ns = clock.boottime_ns()
    elif both.since[0] == clock.boot_id:
        at_ns = max(at_ns, both.since[1])
    book = GapBook(clock, lambda body: waiting.journal.append(body, session_id=session.id).seq)
    book.take_over(went_on)
    book.close(None, at_ns, resumed=False)
    refusal = () if waiting.refused is None else (waiting.refused[0],)
    seq = book.open(None, cause, at_ns, (*waiting.evidence, *refusal))
    others = tuple(gap for gap in went_on.open_gaps if gap.stream is not None)
    opened = OpenGap(seq=seq or 0, stream=None, since=(clock.boot_id, at_ns), lost=0, cause=cause)
    after = waiting.journal.state.session or session
    return replace(went_on, gaps=book.count, open_gaps=(*others, opened), session=after)


def changed(gap: OpenGap, state: JournalState, refused: RefusalCode | None) -> tuple[GapCause, int | None] | None:
    """Pure: the cause that holds now and since when (None: from now on), where it is not the gap's own.

    What forbids recording goes before what makes it impossible. Its end alone changes nothing, for the media that end
    the gap are on their way; only a start that is refused then shows what else is the cause.
    """
    standing = {one.code: one.at for one in state.inhibitions if one.code in CAUSE_OF}
    code = min(standing, default=None)
    if code is None:
        if refused is None or gap.cause not in FORBIDDEN:
            return None
        return (GapCause.STORAGE_FULL if refused is RefusalCode.SPACE else GapCause.DEVICE_FAULT), None
    cause = CAUSE_OF[code]
    if gap.cause == cause:
        return None
    newer = gap.cause not in FORBIDDEN or cause is GapCause.INTERLOCK
    return cause, standing[code][1] if newer else None
