"""A store's doctor was heard: its result as the recorder keeps it, for tests of what rests on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edge import store_examined
from edge.store_examined import Standings
from liuhen.registry import CheckOutcome
from liuhen.store_names import parse_store_url, store_hash


def result(
    url: str, outcome: CheckOutcome = CheckOutcome.WELL, *, conditional: bool = False, at: str = "2026-11-29T00:00:00Z"
) -> bytes:
    """The least of a result that can be read."""
    worm = not url.startswith("file:")
    enforced = worm and outcome is not CheckOutcome.BLOCKING
    profile = {
        "url": url,
        "examined_at": at,
        "worm": worm,
        "lock_enforced": enforced,
        "conditional_put": conditional,
    }
    return json.dumps({"profile": profile, "rows": [{"outcome": outcome.name.lower()}]}).encode()


def examine(spool: Path, *urls: str, outcome: CheckOutcome = CheckOutcome.WELL, **more: Any) -> None:
    """Each of these stores was examined, with this outcome; `more` as for `result`."""
    path = spool / store_examined.FILE
    for url in urls:
        content = store_examined.kept_with(spool, result(url, outcome, **more))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


def fit(*urls: str) -> Standings:
    """Standings in which these stores count."""
    return Standings(outcomes={store_hash(parse_store_url(url)): CheckOutcome.WELL for url in urls})
