"""Pure: one turn of the guard, from what was read to what is driven, said and written.

Owns nothing, reads no clock, opens nothing. The order of a turn: what must be off is off first; names, latch and lamp
follow. The table of the latch stands at the end of the file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.guard import loops as looking
from edge.guard.lamp import Heard, light, true_lamp
from edge.guard.latch import Latch, LatchRecord
from edge.guard.loops import Loops, first_look, looked
from edge.guard.pulses import Pulses, first_pulses, pulsed
from edge.guard.reset_key import ResetKey, felt, first_key
from edge.guard.words import NS_PER_MS, NS_PER_SECOND, PAIRS, Drive, Happened, Lamp, Levels, Pair, Reason

LEASE_NS = NS_PER_SECOND
STALLED_NS = NS_PER_SECOND
"""A guard that did not run for so long is a guard that was lost (its relay has dropped by itself long before)."""
DROP_ALL_NS = 1_900 * NS_PER_MS
"""When everything loses its supply after a trip: the reason is sealed by then, and two seconds have not passed."""
RECORDER_SILENT_NS = 2 * NS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the configuration says. Without `interlock` there is no relay and the permit is always given."""

    interlock: bool
    discrepancy_ns: int
    gas: bool
    drop_all: bool
    boot_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The gas detector's last word: its permit and when it was given."""

    permit: bool
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one turn has to go by, besides the time.

    `on_disk` is the latch's last durable record; `told` what the recorder said, `lease` what the gas detector said.
    """

    levels: Levels
    on_disk: LatchRecord | None
    told: Heard | None
    lease: Lease | None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything the guard remembers from turn to turn."""

    latch: Latch
    loops: Loops
    pulses: Pulses
    key: ResetKey
    turn_ns: int
    permit: bool = False
    permit_changed_ns: int = 0
    tripped_ns: int | None = None
    odd: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the guard tells the recorder. `reason` is NONE only where nothing needs a person."""

    permit: bool
    latched: bool
    reason: Reason
    pair: Pair
    healthy: bool
    lamp: Lamp
    since_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What follows from a turn: outputs, what is said, the latch the disk must hold, and what happened."""

    drive: Drive
    said: Said
    latch: Latch
    happened: tuple[Happened, ...] = ()


def begin(latch: Latch, levels: Levels, now_ns: int) -> State:
    """The state at the first sample; the outputs are at rest."""
    return State(
        latch=latch,
        loops=first_look(_pair(levels), now_ns),
        pulses=first_pulses(now_ns),
        key=first_key(levels.reset_pressed, now_ns),
        turn_ns=now_ns,
        permit_changed_ns=now_ns,
    )


def step(state: State, turn: Turn, now_ns: int, rules: Rules) -> tuple[State, Outcome]:
    """One turn; `now_ns` never goes back."""
    if not rules.interlock:
        return _without_interlock(state, turn, now_ns, rules)
    read, acts = _read(state, turn.levels, now_ns, rules)
    cause = _cause(read, turn, now_ns, rules)
    latched = _latched(read, cause, now_ns)
    sound = _sound(latched, turn, now_ns, rules)
    if acts and sound and cause is Reason.NONE and latched.latch.tripped:
        latched = _reset(latched)
    permitted = _permitted(latched, cause, sound and _is_on_disk(latched.latch, turn, rules), now_ns)
    moved = replace(
        latched,
        permit=permitted,
        permit_changed_ns=state.permit_changed_ns if permitted is state.permit else now_ns,
        odd=not state.odd,
        turn_ns=now_ns,
    )
    return moved, _outcome(state, moved, turn, sound, rules)


def _read(state: State, levels: Levels, now_ns: int, rules: Rules) -> tuple[State, bool]:
    """Take in the sample; what is a test pulse's own sample is not one of the loops'."""
    pair = _pair(levels)
    pulses, own = pulsed(state.pulses, pair, now_ns)
    key, acts = felt(state.key, levels.reset_pressed, now_ns)
    # A pulse's own sample proves that somebody looked, and that the loop is at rest behind it.
    seen = state.loops.pair if own else pair
    loops = looked(state.loops, seen, state.turn_ns, now_ns, rules.discrepancy_ns)
    if loops is state.loops and pulses is state.pulses and key is state.key:
        return state, acts  # nearly every turn of the thousand in a second
    return replace(state, loops=loops, pulses=pulses, key=key), acts


def _cause(state: State, turn: Turn, now_ns: int, rules: Rules) -> Reason:
    """Why the relay must be off in this very turn; NONE if nothing here says so."""
    if state.loops.pair is not Pair.PERMIT:
        return state.loops.fault if state.loops.fault is not Reason.NONE else Reason.TRIPPED
    if not turn.levels.line_sound:
        return Reason.OPEN
    if state.pulses.failed:
        return Reason.NO_PULSE
    if state.permit and now_ns - state.turn_ns > STALLED_NS:
        return Reason.STALLED
    if rules.gas and _gas_trips(state, turn.lease, now_ns):
        return Reason.GAS
    return Reason.NONE


def _gas_trips(state: State, lease: Lease | None, now_ns: int) -> bool:
    """An alarm trips always; silence trips a permit, and before the first permit it only keeps one waiting."""
    if lease is not None and not lease.permit:
        return True
    return state.permit and not _leased(lease, now_ns)


def _leased(lease: Lease | None, now_ns: int) -> bool:
    return lease is not None and lease.permit and 0 <= now_ns - lease.at_ns <= LEASE_NS


def _latched(state: State, cause: Reason, now_ns: int) -> State:
    """Trip, or give a trip its better name."""
    fault = state.loops.fault
    if not state.latch.tripped:
        if cause is Reason.NONE:
            return state
        return replace(state, latch=Latch(tripped=True, reason=cause), tripped_ns=now_ns)
    named = fault if fault is not Reason.NONE else cause
    if named in (Reason.NONE, Reason.TRIPPED, state.latch.reason):
        return state  # a person has to mend what tripped it first; that the loops switch is no news
    return replace(state, latch=Latch(tripped=True, reason=named))


def _sound(state: State, turn: Turn, now_ns: int, rules: Rules) -> bool:
    """Both loops healthy and stable, both answer test pulses, the gas detector permits."""
    return (
        state.loops.healthy(now_ns)
        and state.pulses.proven
        and turn.levels.line_sound
        and (not rules.gas or _leased(turn.lease, now_ns))
    )


def _reset(state: State) -> State:
    cleared = replace(state.loops, fault=Reason.NONE, trips=())
    return replace(state, latch=Latch(tripped=False, reason=Reason.NONE), loops=cleared, tripped_ns=None)


def _permitted(state: State, cause: Reason, ready: bool, now_ns: int) -> bool:
    """A permit that is given lasts until a cause ends it; a new one waits for everything, the disk included."""
    if state.latch.tripped or cause is not Reason.NONE or state.loops.held_ns(now_ns) < looking.STABLE_NS:
        return False
    return state.permit or ready


def _is_on_disk(latch: Latch, turn: Turn, rules: Rules) -> bool:
    """Whether the next start would find this latch; a clean-stop mark that is still there would outlive a power cut."""
    found = turn.on_disk
    return (
        found is not None and found.tripped is latch.tripped and found.boot_id == rules.boot_id and not found.clean_stop
    )


def _outcome(before: State, state: State, turn: Turn, sound: bool, rules: Rules) -> Outcome:
    now_ns = state.turn_ns
    lamp = true_lamp(turn.told, now_ns) if state.permit else Lamp.INTERLOCK
    said = Said(
        permit=state.permit,
        latched=state.latch.tripped,
        reason=_reason(state, turn, sound, rules),
        pair=state.loops.pair,
        healthy=sound,
        lamp=lamp,
        since_ns=state.permit_changed_ns,
    )
    pulses = state.pulses
    drive = Drive(
        permit=state.permit,
        pump=state.permit and state.odd,
        test_nc=pulses.nc.out_since_ns is None,
        test_no=pulses.no.out_since_ns is not None,
        drop_all=rules.drop_all and state.tripped_ns is not None and now_ns - state.tripped_ns >= DROP_ALL_NS,
        light=light(lamp, now_ns, buzzer=turn.told is not None and turn.told.wish.buzzer),
        lamp_pump=state.odd,
    )
    return Outcome(drive=drive, said=said, latch=state.latch, happened=_happened(before, state, now_ns))


def _reason(state: State, turn: Turn, sound: bool, rules: Rules) -> Reason:
    if state.key.stuck:
        return Reason.RESET_STUCK
    if state.latch.tripped:
        return state.latch.reason
    if not state.permit:
        if rules.gas and not _leased(turn.lease, state.turn_ns):
            return Reason.GAS
        return Reason.LATCH_UNKNOWN if sound else Reason.BOOT
    silent = turn.told is None or state.turn_ns - turn.told.at_ns > RECORDER_SILENT_NS
    return Reason.RECORDER_SILENT if silent else Reason.NONE


def _happened(before: State, state: State, now_ns: int) -> tuple[Happened, ...]:
    found: list[tuple[str, Reason]] = []
    if before.latch != state.latch:
        what = "reset" if not state.latch.tripped else "named" if before.latch.tripped else "tripped"
        found.append((what, state.latch.reason))
    if before.permit is not state.permit:
        found.append(("permit given" if state.permit else "permit ended", state.latch.reason))
    if state.key.stuck and not before.key.stuck:
        found.append(("reset key stuck", Reason.RESET_STUCK))
    return tuple(Happened(what=what, reason=why, pair=state.loops.pair, at_ns=now_ns) for what, why in found)


def _without_interlock(state: State, turn: Turn, now_ns: int, rules: Rules) -> tuple[State, Outcome]:
    """No loops are wired: only the lamps are driven."""
    moved = replace(state, odd=not state.odd, turn_ns=now_ns, permit=True)
    lamp = true_lamp(turn.told, now_ns)
    said = Said(
        permit=True,
        latched=False,
        reason=Reason.NONE,
        pair=Pair.PERMIT,
        healthy=True,
        lamp=lamp,
        since_ns=state.permit_changed_ns,
    )
    buzzer = turn.told is not None and turn.told.wish.buzzer
    drive = Drive(light=light(lamp, now_ns, buzzer=buzzer), lamp_pump=moved.odd)
    return moved, Outcome(drive=drive, said=said, latch=state.latch)


def _pair(levels: Levels) -> Pair:
    return PAIRS[(levels.nc, levels.no)]


# latch     loops, pulses, line, gas   reset key         then
# clear     all sound for 1 s          -                 permit, once the disk holds "clear, running, this boot"
# clear     sound for less             -                 no permit yet, not latched (after a start, or 50 ms unwatched)
# clear     anything else              -                 tripped in this turn
# tripped   all sound for 1 s          0.1-3 s, let go   clear
# tripped   all sound for 1 s          anything else     tripped
# tripped   anything else              any               tripped; a diagnosis may rename it
# No message can clear the latch: nothing that comes over a socket is read here but a lamp's wish and a gas lease.
