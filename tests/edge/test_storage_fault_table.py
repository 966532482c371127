"""No place that can fail is without a defined outcome: the table and the code name the same calls."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from liuhen.registry import EventCode
from tests.edge import call_sites
from tests.edge.storage_fault_table import FAULTS, OUTCOMES, PAGE, SITES, page

ADD = (
    "add the call to SITES in tests/edge/storage_fault_table.py under what follows when it fails, then run that module"
)


def test_every_call_that_reaches_the_disk_has_its_row_and_every_row_its_call() -> None:
    rows = {site for sites in SITES.values() for site in sites}
    assert sorted(call_sites.every_site() - rows) == [], ADD
    assert sorted(rows - call_sites.every_site()) == [], "these calls are gone: take their rows away"


def test_no_call_has_two_outcomes_and_no_outcome_is_without_calls() -> None:
    counts = Counter(site for sites in SITES.values() for site in sites)
    assert [site for site, count in counts.items() if count > 1] == []
    assert SITES.keys() == OUTCOMES.keys()


def test_every_fault_has_its_words_and_every_event_it_names_exists() -> None:
    for outcome in OUTCOMES.values():
        assert len(outcome.columns) == len(FAULTS)
        assert all(outcome.columns)
        for event in re.findall(r"\b[A-Z]+_[A-Z_]+\b", " ".join(outcome.columns)):
            assert event in EventCode.__members__


def test_the_page_is_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.edge.storage_fault_table"


def test_a_new_call_is_seen(tmp_path: Path) -> None:
    """The negative control: one more call of each sort in a copy of a module."""
    source = (call_sites.EDGE / "writer.py").read_text(encoding="utf-8")
    added = "\n\ndef careless(path):\n    os.rename(path, path)\n    path.read_bytes()\n    open(path).close()\n"
    (tmp_path / "writer.py").write_text(source + added, encoding="utf-8")
    seen = call_sites.sites_of("writer", tmp_path) - call_sites.sites_of("writer")
    assert seen == {"writer.careless: os.rename", "writer.careless: .read_bytes", "writer.careless: open"}
