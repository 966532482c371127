"""CONTROL's clerk for a session that a person asks for while something forbids it: refused, and never in silence.

Jiaozuo Arts. 11 and 20(1): what was not recorded is owed its reason. So the check of what is known, the refusal and the
duty to report it are entries, as they are where a start finds no camera. Whoever presses again while the same thing
forbids it is refused again, without a second duty.
"""

from __future__ import annotations

from collections.abc import Callable

from edge.room import Room
from edge.session.effects import Refusing
from edge.session.signals import StartAsked
from edge.session.state import Halt, State
from liuhen.kinds import Refusal
from liuhen.registry import DutyCode, RefusalCode

_CODE_OF_HALT = {Halt.STORAGE: RefusalCode.SPACE, Halt.POWER: RefusalCode.POWER, Halt.DEVICE: RefusalCode.OTHER}


class StartClerk:
    """See the module."""

    def __init__(self, room: Room, check: Callable[[], None]) -> None:
        """`check` appends what is known of the device now; it may raise StorageFault."""
        self._room = room
        self._check = check
        self._owed: set[RefusalCode] = set()
        """Why starts were refused since recording was last possible."""

    def ask(self, at_ns: int) -> tuple[Refusing, ...]:
        """A person asks for a session; returns why it is refused. Raises StorageFault."""
        refused = self._room.signal(StartAsked(at_ns=at_ns))
        for why in refused:
            code = refusal_code(self._room.state, why)
            if code is not None and code not in self._owed:
                self._owed.add(code)
                self._check()
                journal_refusal(self._room, code)
        return refused

    def turn(self) -> None:
        """What forbade recording is over: the next refusal has a reason of its own."""
        if not (self._room.state.inhibitions or self._room.state.halts):
            self._owed.clear()


def refusal_code(state: State, why: Refusing) -> RefusalCode | None:
    """The code of a start that was refused; None where one session is just ending and the next has only to wait."""
    match why:
        case Refusing.TRIPPED:
            return RefusalCode.INTERLOCK
        case Refusing.HALTED:
            return next((code for halt, code in _CODE_OF_HALT.items() if halt in state.halts), RefusalCode.OTHER)
        case Refusing.ENDING:
            return None
        case _:
            return RefusalCode.OTHER


def journal_refusal(room: Room, code: RefusalCode) -> int:
    """A refused start is an entry, and opens the duty to report; returns its number. Raises StorageFault."""
    seq = room.append(Refusal(code=code, measured=(), records=()))
    room.open_duty(DutyCode.REPORT, seq)
    return seq
