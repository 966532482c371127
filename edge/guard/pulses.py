"""Pure: the loops' test pulses, when one is given, which single sample it excuses, and when three were missed.

Owns nothing, reads no clock. A pulse inverts its own loop's input for about a millisecond: the NC loop's supply is cut,
the NO loop's far end is lifted. It begins only from the permit pair, never while the other loop's is out, and ends with
the first sample that shows it; that one sample, if it is exactly the expected pair, is the only one ever excused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.guard.words import NS_PER_MS, NS_PER_SECOND, Pair

PULSE_NS = NS_PER_MS
PERIOD_NS = NS_PER_SECOND
MISSED_AT_MOST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """One loop's pulses: `out_since_ns` while one is out; `proven` while the loop is known to answer."""

    expected: Pair
    due_ns: int
    out_since_ns: int | None = None
    missed: int = 0
    proven: bool = False

    @property
    def failed(self) -> bool:
        """Three in a row were not seen."""
        return self.missed >= MISSED_AT_MOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulses:
    """Both loops' pulses, half a period apart."""

    nc: Pulse
    no: Pulse

    @property
    def proven(self) -> bool:
        """Both loops have answered and none has been silent three times since."""
        return self.nc.proven and self.no.proven

    @property
    def failed(self) -> bool:
        """One of the loops does not answer."""
        return self.nc.failed or self.no.failed


def first_pulses(now_ns: int) -> Pulses:
    """The pulses of a guard that has just started."""
    return Pulses(
        nc=Pulse(expected=Pair.BOTH_OPEN, due_ns=now_ns + PERIOD_NS // 4),
        no=Pulse(expected=Pair.BOTH_CLOSED, due_ns=now_ns + 3 * PERIOD_NS // 4),
    )


def pulsed(pulses: Pulses, pair: Pair, now_ns: int) -> tuple[Pulses, bool]:
    """The pulses after a sample, and whether the sample is a pulse's own and says nothing else of the loops."""
    nc, no = pulses.nc, pulses.no
    if nc.out_since_ns is not None:
        nc, own = _judged(nc, nc.out_since_ns, pair, now_ns)
        return replace(pulses, nc=nc), own
    if no.out_since_ns is not None:
        no, own = _judged(no, no.out_since_ns, pair, now_ns)
        return replace(pulses, no=no), own
    if now_ns >= nc.due_ns:
        return replace(pulses, nc=_begun(nc, pair, now_ns)), False
    if now_ns >= no.due_ns:
        return replace(pulses, no=_begun(no, pair, now_ns)), False
    return pulses, False


def _begun(pulse: Pulse, pair: Pair, now_ns: int) -> Pulse:
    """Nothing can be learnt from a loop that is not at rest: its pulse is put off, neither seen nor missed."""
    due_ns = pulse.due_ns + PERIOD_NS * (1 + (now_ns - pulse.due_ns) // PERIOD_NS)  # keeps its phase after a stall
    return replace(pulse, due_ns=due_ns, out_since_ns=now_ns if pair is Pair.PERMIT else None)


def _judged(pulse: Pulse, since_ns: int, pair: Pair, now_ns: int) -> tuple[Pulse, bool]:
    if pair is pulse.expected:
        return replace(pulse, out_since_ns=None, missed=0, proven=True), True
    if pair is not Pair.PERMIT:
        return replace(pulse, out_since_ns=None), False
    if now_ns - since_ns < PULSE_NS:
        return pulse, False
    missed = min(pulse.missed + 1, MISSED_AT_MOST)
    return replace(pulse, out_since_ns=None, missed=missed, proven=pulse.proven and missed < MISSED_AT_MOST), False
