"""The book of a test session: what became of every test, and what the session left running.

A pytest plugin, one per session. With `-n` the controller hears of every test that ran, while only the workers know
what was left out and what their own tests left running: they say so when they end. Where a full run is made of several
sessions, each leaves its outcomes in a file, and the last one counts them in.
"""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from pathlib import Path

import pytest

# From what says least about a test to what says most: deselected in one session, it may have passed in another.
RANK = {outcome: rank for rank, outcome in enumerate(("deselected", "passed", "skipped", "xfailed", "failed"))}
OF_A_WORKER = "liuhen"


class Outcomes:
    """See the module. `of_tests` maps node ids to an outcome of `RANK`; `left` holds a line for each thing left."""

    def __init__(self) -> None:
        self.of_tests: dict[str, str] = {}
        self.left: list[str] = []

    def note(self, node_id: str, outcome: str) -> None:
        """The outcome that says most is kept: the worst of three phases, and of several sessions."""
        self.of_tests[node_id] = max(self.of_tests.get(node_id, outcome), outcome, key=RANK.__getitem__)

    # -- what pytest says ---------------------------------------------------------------------------------------------

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """A marker or a keyword took these out."""
        for item in items:
            self.note(item.nodeid, "deselected")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One of the three phases of a test."""
        self.note(report.nodeid, "xfailed" if hasattr(report, "wasxfail") else report.outcome)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """A worker has ended. One that died says nothing here: its test is reported as failed."""
        said = getattr(node, "workeroutput", {}).get(OF_A_WORKER, {"deselected": [], "left": []})
        for node_id in said["deselected"]:
            self.note(node_id, "deselected")
        self.left += said["left"]

    # -- what goes from one process to another ------------------------------------------------------------------------

    def tell_controller(self, output: MutableMapping[str, object]) -> None:
        """A worker's last words; the tests that ran are known already."""
        deselected = [node_id for node_id, outcome in self.of_tests.items() if outcome == "deselected"]
        output[OF_A_WORKER] = {"deselected": deselected, "left": self.left}

    def leave(self, file: Path) -> None:
        """Write the outcomes for a later session."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.of_tests), encoding="utf-8")

    def count_in(self, file: Path) -> list[str]:
        """Add the outcomes of an earlier session; one line if it left none."""
        try:
            earlier = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return [f"no outcomes in {file.name}: that session did not come to its end"]
        for node_id, outcome in earlier.items():
            self.note(node_id, outcome)
        return []
