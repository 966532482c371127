"""The negative control of every row: the same journal against a row of which one expectation is another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from edge.ports import Stream
from edge.session.state import Mode
from liuhen.findings import Code
from liuhen.registry import EventCode, GapCause
from tests.faults.fault_table import Row, Seen, check


def swaps_that_pass(row: Row, seen: Seen) -> list[str]:
    """Swapped rows that the check takes for this journal; there must be none."""
    return [what for what, swapped in swaps(row) if _passes(swapped, seen)]


def swaps(row: Row) -> Iterator[tuple[str, Row]]:
    """Each code of the row replaced by each other code; one more, one less; another cause, mode, lamp, verdict."""
    for code in row.events:
        for other in set(EventCode) - row.events:
            yield f"{other.name} for {code.name}", replace(row, events=row.events - {code} | {other})
        yield f"without {code.name}", replace(row, events=row.events - {code})
    for other in set(EventCode) - row.events:
        yield f"and {other.name}", replace(row, events=row.events | {other})
    if not row.pure:
        yield from _of_the_recording(row)


def _of_the_recording(row: Row) -> Iterator[tuple[str, Row]]:
    for cause in GapCause:
        for stream in (None, *Stream):
            changed = row.gaps ^ {(cause, stream)}
            yield f"gap {cause.name} {stream}", replace(row, gaps=changed)
    for mode in set(Mode) - {row.mode}:
        yield mode.name, replace(row, mode=mode)
    for lamp in {"ready", "recording", "attention", "not_recording", "dark"} - {row.lamp}:
        yield lamp, replace(row, lamp=lamp)
    for finding in Code:
        yield finding.value, replace(row, findings=row.findings ^ {finding})
    yield "verdict", replace(row, intact=not row.intact)
    yield "an entry more", replace(row, entries=row.entries | {"KEY_ROTATED"})


def _passes(row: Row, seen: Seen) -> bool:
    try:
        check(row, seen)
    except AssertionError:
        return False
    return True
