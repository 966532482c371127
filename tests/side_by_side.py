"""What runs beside what: which tests stay on one worker, which begin first, and who gives way to the recording.

A file stays together; so do all files that ask the reference store, for two workers would each start one and a frozen
gateway would be frozen for both, and all that look at the long recording, which is made once. The controller knows
names alone: what a file asks for stands in its source. What keeps the store's line or its daemons to itself for minutes
has a store of its own. These groups last longest and so begin first; whole rooms come last, when the recording is over
or nearly so, for a guard runs with real-time priority and gives way to nobody.

Every other worker gives way, as a device's other services do to the recorder (CPUWeight in its unit): by niceness,
which costs a test nothing while the machine has time for all.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parent.parent
THE_RECORDING, A_STORE_OF_ITS_OWN, THE_STORE = "the long recording", "a store of its own", "the reference store"
ASKED_BY_NAME = {
    "long_recording: Recording": THE_RECORDING,
    "from tests.store_kills import": A_STORE_OF_ITS_OWN,
    "from tests.thin_line import": A_STORE_OF_ITS_OWN,
    "CephStore": THE_STORE,
}
"""By what stands in the source of a file; the first that is found counts."""
BEGIN_FIRST = (THE_RECORDING, A_STORE_OF_ITS_OWN, THE_STORE)
A_WHOLE_ROOM = "from tests.realtime.whole_room import"
NOT_ASKING = ("tests/test_stages.py",)
GIVES_WAY = 10
"""Niceness: about a tenth of the share of a worker at 0."""


@cache
def _source(file: str) -> str:
    known = file not in NOT_ASKING and (ROOT / file).is_file()
    return (ROOT / file).read_text(encoding="utf-8") if known else ""


def _file(node_id: str) -> str:
    return node_id.split("::", 1)[0]


def scope_of(node_id: str) -> str:
    """What stays together."""
    file = _file(node_id)
    return next((group for name, group in ASKED_BY_NAME.items() if name in _source(file)), file)


def turn_of(node_id: str) -> int:
    """What begins when: lower is earlier, equal is as collected."""
    scope = scope_of(node_id)
    if scope in BEGIN_FIRST:
        return BEGIN_FIRST.index(scope)
    return len(BEGIN_FIRST) + (A_WHOLE_ROOM in _source(_file(node_id)))


def give_way(node_id: str) -> None:
    """This process, and what it starts from now on, lets the recording go first; there is no way back."""
    if scope_of(node_id) != THE_RECORDING:
        os.nice(max(0, GIVES_WAY - os.nice(0)))


class SideBySide(LoadScopeScheduling):  # type: ignore[misc] # the library has no types
    """See the module."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
