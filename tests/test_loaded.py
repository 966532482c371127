"""What a process of the device loads: its own command, and nothing of what only other commands need.

Each runs in an interpreter of its own, because this one has imported everything.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable

import pytest

from edge.__main__ import COMMANDS, _parser
from tests import warm

HELP = """
import json, sys
from edge.__main__ import main
try:
    main({words})
except SystemExit as ended:
    assert ended.code == 0, ended.code
sys.stdout.write("\\n" + json.dumps(sorted(sys.modules)))
"""
VERIFIER = HELP.replace("edge.__main__", "liuhen.cli")
GUARD_BEGUN = """
import json, sys
from edge.__main__ import _guard_start, _parser
from edge.config import Config
_parser("guard")
_guard_start(Config(), str)
sys.stdout.write("\\n" + json.dumps(sorted(sys.modules)))
"""
SENSORS_BEGUN = """
import json, sys
from edge.__main__ import _parser, _sensors_start
from edge.config import Config
_parser("sensors")
_sensors_start(Config(), lambda zh, en: None)
sys.stdout.write("\\n" + json.dumps(sorted(sys.modules)))
"""

A_PERSONS = frozenset({
    "edge.coverage", "edge.export", "edge.fetch", "edge.examination", "edge.store_doctor", "edge.profiles.lint",
    "edge.profiles.difference", "icalendar", "liuhen.report", "liuhen.verify", "liuhen.cli", "sim",
})  # fmt: skip
"""What a person's command needs, and no process that a service manager starts."""
A_RUNS = frozenset({"edge.app", "edge.recorder", "edge.room", "edge.terminal", "edge.station", "edge.opening"})
A_SPOOLS = frozenset({
    "edge.spool", "edge.journal", "edge.offload", "edge.working_days", "chinese_calendar", "concurrent.futures",
    "liuhen.kinds", "liuhen.archive", "sqlite3",
})  # fmt: skip
MEDIA = frozenset({"numpy", "PIL", "av", "botocore"})
NEVER = {
    "guard": A_PERSONS | A_RUNS | A_SPOOLS | MEDIA | {"serial", "pymodbus", "asyncio"},
    "sensors": A_PERSONS | A_RUNS | A_SPOOLS | MEDIA | {"gpiozero", "pymodbus", "asyncio"},
    "offload": A_PERSONS | A_RUNS | MEDIA | {"gpiozero"},
    "recorder": A_PERSONS | MEDIA,
}
SHARED = frozenset({"acts", "overrides"})
"""Modules of `edge.commands` that are no command."""


def loaded(program: str) -> frozenset[str]:
    """Every module that this program had imported when it said so on its last line."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=warm.ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return frozenset(json.loads(done.stdout.splitlines()[-1]))


def among(modules: Iterable[str], unwanted: frozenset[str]) -> list[str]:
    """The unwanted ones, also as part of an unwanted package."""
    return sorted(one for one in modules if any(one == name or one.startswith(f"{name}.") for name in unwanted))


@pytest.mark.parametrize("word", NEVER)
def test_a_process_of_the_device_loads_what_it_needs(word: str) -> None:
    modules = loaded(HELP.format(words=[word, "--help"]))
    assert among(modules, NEVER[word] | {"drivers"}) == []
    commands = {one.split(".")[2] for one in modules if one.startswith("edge.commands.")}
    assert commands - SHARED == {word}


@pytest.mark.parametrize(("word", "program"), [("guard", GUARD_BEGUN), ("sensors", SENSORS_BEGUN)])
def test_a_process_loads_no_more_when_it_has_its_devices(word: str, program: str) -> None:
    modules = loaded(program)
    assert "drivers.notify" in modules
    assert among(modules, NEVER[word]) == []


def test_the_verifier_loads_a_store_only_for_a_store() -> None:
    stores = frozenset({"liuhen.store_cli", "liuhen.store_archive", "liuhen.store_objects", "concurrent", "botocore"})
    assert among(loaded(VERIFIER.format(words=["--help"])), stores | {"edge", "drivers", "sim"}) == []
    asked = loaded(VERIFIER.replace("ended.code == 0", "True").format(words=["file:/nowhere"]))
    assert among(asked, stores) != []


def test_the_list_of_all_commands_loads_what_the_processes_do_not() -> None:
    """The negative control: every name above is that of a module which some command does load."""
    modules = loaded(HELP.format(words=["--help"]))
    later = MEDIA | {
        "serial",
        "pymodbus",
        "asyncio",
        "gpiozero",
        "liuhen.cli",
        "sim",
        "icalendar",
    }  # drivers, and other programs
    missed = {name for name in frozenset().union(*NEVER.values()) - later if not among(modules, frozenset({name}))}
    assert missed == set()


@pytest.mark.parametrize("word", COMMANDS)
def test_a_command_stands_under_the_word_that_it_is_found_by(word: str) -> None:
    assert words_of(_parser(word)) == [word]


@pytest.mark.parametrize("word", ["", "--help", "recorders"])
def test_where_no_command_is_named_all_are_there(word: str) -> None:
    assert words_of(_parser(word)) == list(COMMANDS)


def words_of(parser: argparse.ArgumentParser) -> list[str]:
    (table,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return list(table.choices)
