"""Which tests go to one worker where files run side by side: those of a file, and all files that ask the store.

Runs in the controller, which knows names alone: what asks the reference store says so in its source. Two workers would
each start a store, and a test that freezes a gateway would freeze it for the other.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parent.parent
THE_STORE = "the reference store"


@cache
def _asks_store(file: str) -> bool:
    return "CephStore" in (ROOT / file).read_text(encoding="utf-8") if (ROOT / file).is_file() else False


def scope_of(node_id: str) -> str:
    """What stays together."""
    file = node_id.split("::", 1)[0]
    return THE_STORE if _asks_store(file) and file != "tests/test_stages.py" else file


class SideBySide(LoadScopeScheduling):  # type: ignore[misc] # the library has no types
    """See the module."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
