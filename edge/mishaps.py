"""What became of the process before this one, and how long this one stood still: both told by whoever comes after.

Pure but for `read_last_exit`. systemd knows how a service ended and tells only what it runs after it (ExecStopPost), so
the unit leaves one line there for the next run: `$SERVICE_RESULT $EXIT_CODE $EXIT_STATUS` of systemd.exec(5). The file
is in /run: a line of another boot cannot be met. A line stays until a run takes it, so that starts that were refused
after a crash do not hide it.
"""

from __future__ import annotations

import contextlib
import re
import signal
from dataclasses import dataclass
from pathlib import Path

from edge import durable
from edge.ladder import EXIT_REBOOT, EXIT_RESTART

LONGEST_LINE_BYTES = 120
NS_PER_MS = 1_000_000
_LINE = re.compile(r"([a-z-]{1,32}) (exited|killed|dumped) ([A-Z0-9+-]{1,16})\n?")
ORDERED_EXITS = frozenset({0, EXIT_RESTART, EXIT_REBOOT})

UNKNOWN = 0
"""`signal_or_code` where nothing is known but that the run did not end in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastExit:
    """How systemd saw the last process end: its result ("watchdog", "oom-kill" ...), and the exit code or the signal.

    `signal_or_code` is the exit code, or the signal's number below zero, as Python's subprocess writes it.
    """

    result: str
    signal_or_code: int


def parse_last_exit(line: bytes) -> LastExit | None:
    """Read the unit's line; None where it is none."""
    found = _LINE.fullmatch(line[: LONGEST_LINE_BYTES + 1].decode("ascii", errors="replace"))
    if found is None:
        return None
    result, how, status = found.groups()
    number = _number(how, status)
    return None if number is None else LastExit(result=result, signal_or_code=number)


def _number(how: str, status: str) -> int | None:
    if how == "exited":
        return int(status) if status.isdecimal() and int(status) <= 255 else None  # noqa: PLR2004 - wait(2)
    try:
        return -signal.Signals[f"SIG{status.removeprefix('SIG')}"]
    except KeyError:
        return None


def read_last_exit(path: Path) -> LastExit | None:
    """Take the line away, so that no later run reads it as its own past. None where there is none."""
    try:
        with durable.opened(path) as file:
            line = file.read(LONGEST_LINE_BYTES + 1)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        path.unlink()
    return parse_last_exit(line)


def crashed(last: LastExit | None, *, ended_in_order: bool, ordered: bool, same_boot: bool) -> int | None:
    """What PROCESS_CRASHED measures, or None where the last process did not crash.

    `ended_in_order` is the journal's word (a stop entry); `ordered` says that its newest entry of the run ordered a new
    process or boot; `same_boot` that the run was in this boot: another boot is a power cut or a reboot, not a crash.
    """
    if ended_in_order or ordered or not same_boot:
        return None
    if last is None or last.signal_or_code in ORDERED_EXITS:
        return UNKNOWN
    return last.signal_or_code


def wedged_ms(before_ns: int, now_ns: int, limit_ns: int) -> int | None:
    """How long the turn between two looks of CONTROL took on BOOTTIME, in ms, where that is beyond the limit."""
    took_ns = now_ns - before_ns
    return took_ns // NS_PER_MS if took_ns > limit_ns else None
