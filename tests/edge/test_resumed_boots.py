"""A session that goes on over several boots, each start but the last cut off: what its gap says is true."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import pytest

from edge import journal
from liuhen.kinds import EntryBody, Gap, GapEnd, Segment, Session
from tests.edge.key_person import Person
from tests.edge.killed import Killed, run_all
from tests.edge.ports_room import UTC_MS

pytestmark = pytest.mark.long

SECOND_NS, SECOND_MS = 10**9, 1000
UP_SECONDS = (5000, 20, 30, 40)
AT_SECONDS = (0, 100, 300, 500)
Kind = TypeVar("Kind", bound=EntryBody)


@pytest.mark.parametrize("cut_after", [1, 2, 3, 4])
def test_a_gap_over_boots_that_recorded_nothing_names_its_begin_and_bounds_its_length(
    cut_after: int, tmp_path: Path
) -> None:
    """The second start is cut off with and without its statement, before and after the gap's entry; the third again."""
    person = Person(folder=tmp_path)
    run_all(
        [
            Killed(
                folder=str(tmp_path),
                seconds=8,
                kill_after=(14, cut_after, 2, None)[boot],
                from_ns=UP_SECONDS[boot] * SECOND_NS,
                boot=boot + 1,
                utc_ms=UTC_MS + AT_SECONDS[boot] * SECOND_MS,
            )
            for boot in range(4)
        ]
    )
    assert person.verify().intact
    bodies = [entry.body for path in person.device.journal_files() for entry in journal.entries_of(path)]
    gap, end, first = _only(bodies, Gap), _only(bodies, GapEnd), next(b for b in bodies if isinstance(b, Segment))
    assert sum(isinstance(body, Session) for body in bodies) == 1
    assert gap.since == ((1).to_bytes(16, "big"), first.span_ns[1])
    assert end.until[0] == (4).to_bytes(16, "big")
    began_ns = first.span_ns[1] - UP_SECONDS[0] * SECOND_NS
    lasted_ns = AT_SECONDS[3] * SECOND_NS - began_ns + end.until[1] - UP_SECONDS[3] * SECOND_NS
    shortest_ns, longest_ns = end.length_ns
    assert shortest_ns <= lasted_ns <= longest_ns < shortest_ns + SECOND_NS


def _only(bodies: list[EntryBody | None], kind: type[Kind]) -> Kind:
    (found,) = [body for body in bodies if isinstance(body, kind)]
    return found
