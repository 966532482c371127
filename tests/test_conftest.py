"""The two rules of `conftest.py` can fail: each is shown a culprit and an innocent, in a pytest of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.required import shortfalls

pytestmark = pytest.mark.long

HERE = Path(__file__).parent
SETTINGS = """
[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["."]
addopts = ["--import-mode=importlib", "--strict-markers", "-p", "no:cacheprovider"]
markers = ["slow: not in a full run"]
"""
Inner = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def inner_pytest(tmp_path: Path) -> Inner:
    """Runs one test file under a copy of our conftest, in a process of its own; `required` replaces the list."""

    def run(
        body: str, *arguments: str, required: tuple[str, ...] = (), ci: bool = True
    ) -> subprocess.CompletedProcess[str]:
        folder = tmp_path / "tests"
        folder.mkdir(exist_ok=True)
        for name in (
            "__init__.py",
            "conftest.py",
            "footage.py",
            "leaks.py",
            "outcomes.py",
            "required.py",
            "side_by_side.py",
            "thin_line.py",
        ):
            shutil.copy(HERE / name, folder / name)
        shutil.copytree(HERE / "ceph", folder / "ceph", dirs_exist_ok=True)
        with (folder / "required.py").open("a", encoding="utf-8") as module:
            module.write(f"\nREQUIRED = {required!r}\n")
        conftest = folder / "conftest.py"
        conftest.write_text(conftest.read_text().replace("GRACE_SECONDS = 2.0", "GRACE_SECONDS = 0.2"))
        (folder / "test_inner.py").write_text(body)
        (tmp_path / "pyproject.toml").write_text(SETTINGS)
        environment = {**os.environ, "CI": "true" if ci else "", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    return run


# --- nothing is left running -----------------------------------------------------------------------------------------


def test_a_test_that_leaves_a_thread_fails_and_the_thread_is_named(inner_pytest: Inner) -> None:
    done = inner_pytest(
        "import threading\n"
        "release = threading.Event()\n"
        "def test_culprit():\n"
        "    threading.Thread(target=release.wait, name='lost', daemon=True).start()\n"
        "def test_innocent():\n"
        "    thread = threading.Thread(target=int)\n"
        "    thread.start()\n"
        "    thread.join()\n"
    )
    assert "2 passed, 1 error" in done.stdout, done.stdout
    assert "ERROR tests/test_inner.py::test_culprit" in done.stdout
    assert "thread 'lost' (daemon)" in done.stdout
    assert done.returncode == 1


def test_a_test_that_leaves_a_process_fails_and_the_process_is_ended(inner_pytest: Inner) -> None:
    done = inner_pytest(
        "import subprocess\n"
        "lost = []\n"
        "def test_culprit():\n"
        "    lost.append(subprocess.Popen(['sleep', '307']))\n"
        "def test_the_next_one_finds_it_ended():\n"
        "    assert lost[0].wait(timeout=10) == -9\n"
    )
    assert "2 passed, 1 error" in done.stdout, done.stdout
    assert "'sleep 307'" in done.stdout


def test_a_detached_daemon_is_found_too(inner_pytest: Inner) -> None:
    done = inner_pytest(
        "import subprocess\n"
        "def test_culprit():\n"
        "    subprocess.run(['sh', '-c', 'setsid sleep 308 >/dev/null 2>&1 &'], check=True)\n"
    )
    assert "1 passed, 1 error" in done.stdout, done.stdout
    assert "'sleep 308'" in done.stdout


def test_a_thread_and_a_process_that_end_within_the_grace_time_are_forgiven(inner_pytest: Inner) -> None:
    done = inner_pytest(
        "import subprocess, threading\n"
        "def test_slow_to_end():\n"
        "    threading.Timer(0.05, int).start()\n"
        "    process = subprocess.Popen(['sleep', '0.05'])\n"
        "    threading.Thread(target=process.wait).start()\n"
    )
    assert "1 passed" in done.stdout, done.stdout
    assert done.returncode == 0


def test_what_a_module_fixture_owns_is_not_blamed_on_a_test_unless_it_outlives_the_session(inner_pytest: Inner) -> None:
    fixture = (
        "import subprocess, pytest\n"
        "@pytest.fixture(scope='module')\n"
        "def server():\n"
        "    process = subprocess.Popen(['sleep', '309'])\n"
        "    yield process\n"
        "    {end}\n"
        "def test_uses_it(server):\n"
        "    assert server.poll() is None\n"
    )
    done = inner_pytest(fixture.format(end="pass"))
    assert done.returncode == 1, done.stdout
    assert "1 passed" in done.stdout
    assert "'sleep 309'" in done.stdout.partition("session fell short")[2]


# --- the required tests have run -------------------------------------------------------------------------------------

SKIPPING = "import pytest\ndef test_a(): pass\ndef test_b(): pytest.skip('no chromium')\n"


def test_a_full_run_in_ci_fails_when_a_required_test_was_skipped(inner_pytest: Inner) -> None:
    done = inner_pytest(SKIPPING, "--required", required=("tests/test_inner.py::*",))
    assert (done.returncode, "required, but skipped: tests/test_inner.py::test_b" in done.stdout) == (1, True), (
        done.stdout
    )


def test_a_developer_is_told_of_a_skipped_required_test_but_not_stopped(inner_pytest: Inner) -> None:
    done = inner_pytest(SKIPPING, "--required", required=("tests/test_inner.py::*",), ci=False)
    assert (done.returncode, "required, but skipped: tests/test_inner.py::test_b" in done.stdout) == (0, True), (
        done.stdout
    )


def test_a_partial_run_is_not_judged(inner_pytest: Inner) -> None:
    done = inner_pytest(SKIPPING, required=("tests/test_inner.py::*",))
    assert (done.returncode, "fell short" in done.stdout) == (0, False), done.stdout


def test_a_full_run_passes_when_every_required_test_passed(inner_pytest: Inner) -> None:
    done = inner_pytest(SKIPPING, "--required", required=("tests/test_inner.py::test_a",))
    assert (done.returncode, "fell short" in done.stdout) == (0, False), done.stdout


def test_a_full_run_in_ci_fails_when_a_required_test_is_deselected_or_gone(inner_pytest: Inner) -> None:
    body = "import pytest\ndef test_a(): pass\n@pytest.mark.slow\ndef test_b(): pass\n"
    patterns = ("tests/test_inner.py::*", "tests/test_renamed.py::*")
    done = inner_pytest(body, "--required", "-m", "not slow", required=patterns)
    assert done.returncode == 1, done.stdout
    assert "required, but deselected: tests/test_inner.py::test_b" in done.stdout
    assert "required, but no test matches tests/test_renamed.py::*" in done.stdout


# --- the same with workers, and over two sessions ---------------------------------------------------------------------


def test_what_a_worker_left_running_fails_the_test_and_the_session_as_without_workers(inner_pytest: Inner) -> None:
    done = inner_pytest(
        "import subprocess, threading, pytest\n"
        "release = threading.Event()\n"
        "@pytest.fixture(scope='module')\n"
        "def server():\n"
        "    return subprocess.Popen(['sleep', '310'])\n"
        "def test_culprit():\n"
        "    threading.Thread(target=release.wait, name='lost', daemon=True).start()\n"
        "def test_detaches():\n"
        "    subprocess.run(['sh', '-c', 'setsid sleep 311 >/dev/null 2>&1 &'], check=True)\n"
        "def test_uses_it(server):\n"
        "    assert server.poll() is None\n",
        *("-n", "2"),
    )
    assert done.returncode == 1, done.stdout
    assert "3 passed, 2 errors" in done.stdout
    assert "thread 'lost' (daemon)" in done.stdout
    assert "'sleep 311'" in done.stdout
    assert "'sleep 310'" in done.stdout.partition("session fell short")[2]


def test_workers_that_leave_nothing_pass(inner_pytest: Inner) -> None:
    done = inner_pytest("def test_a(): pass\ndef test_b(): pass\n", "-n", "2")
    assert (done.returncode, "fell short" in done.stdout) == (0, False), done.stdout


def test_required_tests_are_judged_over_the_workers_too(inner_pytest: Inner) -> None:
    body = SKIPPING + "@pytest.mark.slow\ndef test_c(): pass\n"
    done = inner_pytest(body, "--required", "-n", "2", "-m", "not slow", required=("tests/test_inner.py::*",))
    short = done.stdout.partition("session fell short")[2]
    assert done.returncode == 1, done.stdout
    assert "required, but skipped: tests/test_inner.py::test_b" in short
    assert "required, but deselected: tests/test_inner.py::test_c" in short
    assert "test_a" not in short


JUDGING = ("-m", "slow", "--required", "--count-outcomes=outcomes.json")
TWO_PARTS = "import pytest\ndef test_a(): assert {good}\n@pytest.mark.slow\ndef test_b(): pass\n"


@pytest.mark.parametrize(("good", "code"), [(True, 0), (False, 1)])
def test_the_last_session_judges_what_an_earlier_one_found(inner_pytest: Inner, good: bool, code: int) -> None:
    body = TWO_PARTS.format(good=good)
    first = inner_pytest(body, "-m", "not slow", "-n", "2", "--leave-outcomes=outcomes.json")
    assert first.returncode == code, first.stdout
    last = inner_pytest(body, *JUDGING, required=("tests/test_inner.py::*",))
    assert last.returncode == code, last.stdout
    assert ("required, but failed: tests/test_inner.py::test_a" in last.stdout) is not good


def test_an_earlier_session_that_did_not_take_place_fails_the_last_one(inner_pytest: Inner) -> None:
    last = inner_pytest(TWO_PARTS.format(good=True), *JUDGING, required=("tests/test_inner.py::test_b",))
    assert last.returncode == 1, last.stdout
    assert "no outcomes in outcomes.json: that session did not come to its end" in last.stdout


# --- what a machine lacks ---------------------------------------------------------------------------------------------


def test_what_is_not_on_the_machine_fails_in_ci(inner_pytest: Inner) -> None:
    done = inner_pytest("from tests.required import unavailable\ndef test_a(): unavailable('pulseaudio')\n")
    assert (done.returncode, "CI accepts no fallback: pulseaudio" in done.stdout) == (1, True), done.stdout


def test_what_is_not_on_the_machine_is_a_skip_for_a_developer(inner_pytest: Inner) -> None:
    done = inner_pytest("from tests.required import unavailable\ndef test_a(): unavailable('pulseaudio')\n", ci=False)
    assert (done.returncode, "1 skipped" in done.stdout) == (0, True), done.stdout


def test_parameters_in_square_brackets_are_matched_literally() -> None:
    outcomes = {"tests/a.py::test_x[1]": "passed", "tests/a.py::test_x[2]": "skipped"}
    assert shortfalls(["tests/a.py::test_x[[]1]", "tests/a.py::test_x[1]"], outcomes) == [
        "no test matches tests/a.py::test_x[[]1]"
    ]
    assert shortfalls(["tests/a.py::test_x*"], outcomes) == ["skipped: tests/a.py::test_x[2]"]
