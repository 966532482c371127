"""How the machine goes down on a low battery so that it always comes up again. Pure.

A machine that powers itself off while the UPS goes on feeding it stays off for good once mains is back: nothing
switches it on. So it powers off only after the UPS has confirmed an order to cut its output and to return, or it
reboots. Some units drop the order when mains comes back in between; therefore POWER_OFF includes a last step outside
this process: a machine that is still fed when the cut is overdue reboots (`Machine.power_off`).

| phase | when | next | action |
|---|---|---|---|
| STAYING | battery not low | STAYING | |
| STAYING | low | SEALING | |
| SEALING | neither sealed nor `seal_seconds` over | SEALING | |
| SEALING | sealed or time over, mains is there | REBOOTING | REBOOT |
| SEALING | sealed or time over, no mains | ORDERING | ORDER_CUT |
| ORDERING | no outcome yet, mains is there, within `order limit` | ORDERING | |
| ORDERING | confirmed, no mains | LEAVING | POWER_OFF |
| ORDERING | confirmed, mains is there | REBOOTING | CANCEL_CUT REBOOT |
| ORDERING | refused or overdue, mains is there | REBOOTING | CANCEL_CUT REBOOT |
| ORDERING | refused or overdue, no mains | ORDERING | ORDER_CUT, every 5 s |
| ORDERING | the same for `give_up_seconds` | REBOOTING | REBOOT |
| LEAVING | still here after `repeat limit`, mains is there | REBOOTING | CANCEL_CUT REBOOT |
| LEAVING | still here after `repeat limit`, no mains | LEAVING | POWER_OFF |
| REBOOTING | still here after `repeat limit` | REBOOTING | REBOOT |

Once SEALING has begun nothing leads back to STAYING: the recorder has closed its session and a fresh start opens it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from edge.sensors.settings import Ups

NS_PER_SECOND = 1_000_000_000
ORDER_LIMIT_NS = 15 * NS_PER_SECOND
"""Longer than a driver's own limits together; an order without an outcome by then counts as refused."""
ORDER_AGAIN_NS = 5 * NS_PER_SECOND
REPEAT_NS = 90 * NS_PER_SECOND
"""systemd kills what does not end within 90 s by default; a machine that is still here then was not going down."""


class Phase(enum.Enum):
    """Where the machine is on its way down."""

    STAYING = enum.auto()
    SEALING = enum.auto()
    ORDERING = enum.auto()
    LEAVING = enum.auto()
    REBOOTING = enum.auto()


class Action(enum.Enum):
    """What the shell must do, in order."""

    ORDER_CUT = enum.auto()
    CANCEL_CUT = enum.auto()
    POWER_OFF = enum.auto()
    REBOOT = enum.auto()


class Outcome(enum.Enum):
    """What became of the newest order to cut."""

    CONFIRMED = enum.auto()
    REFUSED = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """The phase and when it began; `acted_ns` is its newest order, refusal or command, `ordered` an order under way."""

    phase: Phase = Phase.STAYING
    began_ns: int = 0
    acted_ns: int = 0
    ordered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is seen now. `outcome` is news about the newest order, once; `mains` only where a fresh answer says so."""

    low: bool
    mains: bool
    sealed: bool
    outcome: Outcome | None
    at_ns: int


Step = tuple[Leaving, tuple[Action, ...]]


def step(leaving: Leaving, look: Look, settings: Ups) -> Step:
    """One look further down; the table above."""
    match leaving.phase:
        case Phase.STAYING:
            begun = Leaving(phase=Phase.SEALING, began_ns=look.at_ns, acted_ns=look.at_ns)
            return (begun if look.low else leaving), ()
        case Phase.SEALING:
            return _sealing(leaving, look, settings)
        case Phase.ORDERING:
            return _ordering(leaving, look, settings)
        case Phase.LEAVING:
            return _leaving(leaving, look)
        case Phase.REBOOTING:
            return _rebooting(leaving, look)


def _sealing(leaving: Leaving, look: Look, settings: Ups) -> Step:
    if not look.sealed and look.at_ns - leaving.began_ns < settings.seal_seconds * NS_PER_SECOND:
        return leaving, ()
    if look.mains:
        return _reboot(look)
    begun = Leaving(phase=Phase.ORDERING, began_ns=look.at_ns, acted_ns=look.at_ns, ordered=True)
    return begun, (Action.ORDER_CUT,)


def _ordering(leaving: Leaving, look: Look, settings: Ups) -> Step:
    if leaving.ordered and look.outcome is None and look.at_ns - leaving.acted_ns < ORDER_LIMIT_NS:
        return leaving, ()
    if look.mains:
        return _reboot(look, Action.CANCEL_CUT)
    if look.outcome is Outcome.CONFIRMED:
        return Leaving(phase=Phase.LEAVING, began_ns=look.at_ns, acted_ns=look.at_ns), (Action.POWER_OFF,)
    return _refused(leaving, look, settings)


def _refused(leaving: Leaving, look: Look, settings: Ups) -> Step:
    """No cut is coming. Staying on, sealed, costs nothing: the battery ends or mains comes back, and both are seen."""
    if look.at_ns - leaving.began_ns >= settings.give_up_seconds * NS_PER_SECOND:
        return _reboot(look)
    if leaving.ordered:
        return replace(leaving, acted_ns=look.at_ns, ordered=False), ()
    if look.at_ns - leaving.acted_ns < ORDER_AGAIN_NS:
        return leaving, ()
    return replace(leaving, acted_ns=look.at_ns, ordered=True), (Action.ORDER_CUT,)


def _leaving(leaving: Leaving, look: Look) -> Step:
    if look.at_ns - leaving.acted_ns < REPEAT_NS:
        return leaving, ()
    if look.mains:
        return _reboot(look, Action.CANCEL_CUT)
    return replace(leaving, acted_ns=look.at_ns), (Action.POWER_OFF,)


def _rebooting(leaving: Leaving, look: Look) -> Step:
    if look.at_ns - leaving.acted_ns < REPEAT_NS:
        return leaving, ()
    return replace(leaving, acted_ns=look.at_ns), (Action.REBOOT,)


def _reboot(look: Look, *first: Action) -> Step:
    return Leaving(phase=Phase.REBOOTING, began_ns=look.at_ns, acted_ns=look.at_ns), (*first, Action.REBOOT)
