"""The tests that must run and pass in continuous integration: one list, and the judgement of a run against it.

Owns the list. A fact the README claims has its test here, so that a missing system package, a marker or a renamed file
can never turn a claim into a skipped test. Patterns are shell patterns over pytest node ids (`[` is taken literally).
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Mapping
from typing import NoReturn

import pytest

REQUIRED: tuple[str, ...] = (
    "tests/test_conftest.py::*",
    "tests/test_footage.py::*",
    "tests/test_memory.py::*",
    "tests/test_packaging.py::*",
    "tests/test_regulations.py::*",
    "tests/test_stages.py::*",
    "tests/oracles/test_cose_oracle.py::*",
    "tests/crash/*",
    "tests/drivers/*",
    "tests/edge/*",
    # Hearings by the book, each by its name: that other tests of `edge` are there does not stand in for these.
    "tests/edge/coverage/test_coverage.py::*",
    "tests/edge/coverage/test_renderings.py::test_nothing_that_would_act_is_left_in_any_rendering",
    "tests/edge/coverage/test_by_the_recorder.py::test_what_was_destroyed_after_its_term_is_told_by_*",
    "tests/edge/profiles/test_official_text.py::test_every_cell_and_article_is_that_of_the_official_text[*",
    "tests/edge/profiles/test_official_text.py::test_the_counts_are_those_of_the_official_text[*",
    "tests/edge/profiles/test_two_apart.py::*",
    "tests/edge/test_desk_visits.py::*",
    "tests/edge/test_hearing.py::*",
    "tests/edge/test_schedule.py::*",
    "tests/edge/test_session_command.py::*hostile*",
    "tests/faults/*",
    "tests/fuzz/*",
    "tests/image_build/*",
    "tests/longlog/*",
    "tests/realtime/test_browser.py::*",
    "tests/realtime/test_chain_of_tools.py::*",
    "tests/realtime/test_footage.py::*",
    "tests/realtime/test_panel_in_world.py::*",
    "tests/realtime/test_prompt_heard.py::*",
    "tests/realtime/test_interlock.py::*",
    "tests/realtime/test_interlock_at_start.py::*",
    "tests/realtime/test_lamp_never_lies.py::*",
    "tests/realtime/test_low_battery.py::*",
    "tests/realtime/test_real_time.py::*",
    "tests/realtime/test_secrets.py::*",
    "tests/realtime/test_store_kills.py::*",
    "tests/realtime/test_trip_on_slow_disk.py::*",
    "tests/realtime/test_twice.py::*",
    "tests/realtime/test_whole_room.py::*",
    "tests/scenarios/*",
    "tests/scenarios/test_always_on.py::*",
    "tests/signing/*",
    "tests/sim/*",
    "tests/test_bad_input.py::*",
    "tests/test_decoded.py::*",
    "tests/test_second_verifier.py::*",
)


def in_ci() -> bool:
    """Continuous integration accepts no skip and no fallback."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def unavailable(what: str) -> NoReturn:
    """Says that something a test needs is not on this machine: a skip for a developer, a failure in CI."""
    if in_ci():
        pytest.fail(f"not on this machine, and CI accepts no fallback: {what}", pytrace=False)
    pytest.skip(what)


def matches(node_id: str, pattern: str) -> bool:
    """Whether a node id falls under a pattern; parameters in square brackets are not character classes."""
    return fnmatch.fnmatchcase(node_id, pattern.replace("[", "[[]"))


def shortfalls(patterns: Iterable[str], outcomes: Mapping[str, str]) -> list[str]:
    """One line for each pattern without a test, and for each required test whose outcome is not "passed".

    `outcomes` maps node ids to passed, failed, skipped, xfailed or deselected.
    """
    lines = []
    for pattern in patterns:
        found = {node_id: outcome for node_id, outcome in outcomes.items() if matches(node_id, pattern)}
        if not found:
            lines.append(f"no test matches {pattern}")
        lines += [f"{outcome}: {node_id}" for node_id, outcome in sorted(found.items()) if outcome != "passed"]
    return lines
