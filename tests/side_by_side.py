"""What runs beside what: which tests stay on one worker, and which begin first.

A file stays together; so do all files that ask the reference store, for two workers would each start one and a frozen
gateway would be frozen for both. The controller knows names alone: what a file asks for stands in its source. What
keeps the store's line or its daemons to itself for minutes has a store of its own. These groups last longest and so
begin first; whole rooms come last, for a guard runs with real-time priority and gives way to nobody.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parent.parent
A_STORE_OF_ITS_OWN, THE_STORE = "a store of its own", "the reference store"
ASKED_BY_NAME = {
    "from tests.store_kills import": A_STORE_OF_ITS_OWN,
    "from tests.thin_line import": A_STORE_OF_ITS_OWN,
    "CephStore": THE_STORE,
}
"""By what stands in the source of a file; the first that is found counts."""
BEGIN_FIRST = (A_STORE_OF_ITS_OWN, THE_STORE)
A_WHOLE_ROOM = "from tests.realtime.whole_room import"
NOT_ASKING = ("tests/test_stages.py",)


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


class SideBySide(LoadScopeScheduling):  # type: ignore[misc] # the library has no types
    """See the module."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
