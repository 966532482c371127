"""Pure: what two antivalent loops say, from samples of both, and which fault an illegal pair is.

Owns nothing, reads no clock. Only (closed, open) is a permit, and nothing here delays its end: filters apply to the
release (`held_ns`) and to the diagnosis alone. The table of pairs stands at the end of the file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.guard.words import NS_PER_MS, NS_PER_SECOND, Pair, Reason

STABLE_NS = NS_PER_SECOND
"""How long the permit pair must be held before a release."""
CHATTER_TRIPS = 4
CHATTER_NS = 10 * NS_PER_SECOND
UNWATCHED_NS = 50 * NS_PER_MS
"""A longer hole between two samples is time in which nobody looked: what was held before it counts no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loops:
    """What is known of the loops.

    `since_ns`: since when this pair is held, watched. `illegal_since_ns`: since when no legal pair was seen. `fault`:
    the last diagnosis. `switch_due`: both channels must be seen off before a release. `trips`: when the permit pair was
    left lately. `chattering`: locked until the loops are quiet.
    """

    pair: Pair
    since_ns: int
    illegal_since_ns: int | None = None
    fault: Reason = Reason.NONE
    switch_due: bool = False
    trips: tuple[int, ...] = ()
    chattering: bool = False

    def held_ns(self, now_ns: int) -> int:
        """How long the present pair has been held."""
        return now_ns - self.since_ns

    def healthy(self, now_ns: int) -> bool:
        """Whether these loops allow a release."""
        stable = self.pair is Pair.PERMIT and now_ns - self.since_ns >= STABLE_NS
        return stable and not self.switch_due and not self.chattering


def first_look(pair: Pair, now_ns: int) -> Loops:
    """The loops at the first sample."""
    return Loops(pair=pair, since_ns=now_ns, illegal_since_ns=None if pair in LEGAL else now_ns)


def looked(loops: Loops, pair: Pair, before_ns: int, now_ns: int, discrepancy_ns: int) -> Loops:
    """The loops after one more sample that is not a test pulse's own; `before_ns` is the time of the last sample."""
    unwatched = now_ns - before_ns > UNWATCHED_NS
    if pair is loops.pair and pair is Pair.PERMIT and not unwatched and not loops.chattering:
        return loops
    trips = loops.trips
    if loops.pair is Pair.PERMIT and pair is not Pair.PERMIT:
        trips = (*(at_ns for at_ns in trips if now_ns - at_ns < CHATTER_NS), now_ns)[-CHATTER_TRIPS - 1 :]
    moved = replace(
        loops,
        pair=pair,
        since_ns=loops.since_ns if pair is loops.pair and not unwatched else now_ns,
        illegal_since_ns=_illegal_since(loops, pair, now_ns),
        trips=trips,
        switch_due=loops.switch_due and pair is not Pair.OFF,
    )
    return _diagnosed(_with_chatter(moved, now_ns, grew=trips is not loops.trips), now_ns, discrepancy_ns)


def _illegal_since(loops: Loops, pair: Pair, now_ns: int) -> int | None:
    if pair in LEGAL:
        return None
    return now_ns if loops.illegal_since_ns is None else loops.illegal_since_ns


def _with_chatter(loops: Loops, now_ns: int, *, grew: bool) -> Loops:
    if grew and len(loops.trips) > CHATTER_TRIPS:
        return replace(loops, chattering=True, fault=Reason.CHATTER)
    if loops.chattering and loops.pair is Pair.PERMIT and loops.held_ns(now_ns) >= CHATTER_NS:
        return replace(loops, chattering=False)
    return loops


def _diagnosed(loops: Loops, now_ns: int, discrepancy_ns: int) -> Loops:
    """Name an illegal pair that has lasted; the trip was long before this."""
    if loops.illegal_since_ns is None or now_ns - loops.illegal_since_ns <= discrepancy_ns:
        return loops
    steady = loops.held_ns(now_ns) > discrepancy_ns
    found = FAULT_OF[loops.pair] if steady else Reason.DISCREPANT
    if loops.switch_due and found in (Reason.DISCREPANT, loops.fault):
        return loops  # it has this name already, or a better one
    return replace(loops, fault=Reason.CHATTER if loops.chattering else found, switch_due=True)


LEGAL = frozenset({Pair.PERMIT, Pair.OFF})

FAULT_OF = {Pair.BOTH_OPEN: Reason.OPEN, Pair.BOTH_CLOSED: Reason.SHORT}

# normally closed  normally open  pair         at once               held longer than the discrepancy time
# closed (1)       open (0)       PERMIT       release after 1 s     -
# open (0)         closed (1)     OFF          de-energise, TRIPPED  TRIPPED: both channels switched, loops are sound
# open (0)         open (0)       BOTH_OPEN    de-energise, TRIPPED  OPEN: broken wire, supply lost, NC stuck open
# closed (1)       closed (1)     BOTH_CLOSED  de-energise, TRIPPED  SHORT: to a supply, to each other, NO stuck closed
# changing between the last two                de-energise, TRIPPED  DISCREPANT
#
# After OPEN, SHORT and DISCREPANT a release also needs OFF to have been seen: both channels proved that they switch.
# A level that is right although the wire is bad is found by test pulses (`pulses.py`).
