"""A warm process is a process like any other: streams, arguments, exit code, signals, and a limit that holds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import leaks, warm

MODULE = "tests.test_warm"


def test_its_words_streams_and_exit_code_are_its_own() -> None:
    for code in (0, 7):
        done = warm.run(MODULE, ["says", str(code)])
        assert (done.returncode, done.stderr) == (code, "录制 to the other stream\n")
        process, *words = done.stdout.split()
        assert words == ["__main__", "says", str(code)]
        assert int(process) != os.getpid()


def test_it_hears_what_it_is_told_and_nothing_else() -> None:
    told = "录制\n" * 10_000
    assert warm.run(MODULE, ["echoes"], told=told).stdout == told
    assert warm.run(MODULE, ["echoes"]).stdout == ""


def test_what_one_changes_is_not_seen_by_the_next() -> None:
    first, second = (warm.run(MODULE, ["counts"]).stdout for _ in range(2))
    assert first == second == "1\n"


def test_a_traceback_and_a_signal_are_told_as_those_of_any_process() -> None:
    raised = warm.run(MODULE, ["raises"])
    assert (raised.returncode, "Traceback" in raised.stderr, "KeyError" in raised.stderr) == (1, True, True)
    assert warm.run(MODULE, ["dies"]).returncode == -signal.SIGKILL


def test_who_does_not_end_is_killed_and_the_next_one_runs() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        warm.run(MODULE, ["hangs"], limit_seconds=0.3)
    assert warm.run(MODULE, ["counts"]).returncode == 0


def test_it_says_of_a_command_what_a_cold_process_says() -> None:
    words = ["config", "check", "/nowhere/liuhen.toml"]
    cold = subprocess.run(
        [sys.executable, "-m", "edge", *words], cwd=warm.ROOT, capture_output=True, text=True, check=False, timeout=90
    )
    done = warm.run("edge", words)
    assert (done.returncode, done.stdout, done.stderr) == (cold.returncode, cold.stdout, cold.stderr)
    assert cold.returncode == 2


def test_its_parent_is_the_only_process_that_stays(tmp_path: Path) -> None:
    assert warm.run(MODULE, ["counts"]).returncode == 0
    lasting = [pid for pid, _ in leaks.running().children if "-m tests.warm" in leaks.command_line(pid)]
    assert len(lasting) == 1
    assert (Path("/proc") / str(lasting[0]) / "task").stat().st_nlink == 3, "one thread, so that it may fork"


def _main(what: str, *words: str) -> int:
    match what:
        case "says":
            sys.stdout.write(f"{os.getpid()} {__name__} {' '.join(sys.argv[1:])}\n")
            sys.stderr.write("录制 to the other stream\n")
            return int(words[0])
        case "echoes":
            sys.stdout.write(sys.stdin.read())
        case "counts":
            sys.modules["tests"].counted = getattr(sys.modules["tests"], "counted", 0) + 1  # type: ignore[attr-defined]
            sys.stdout.write(f"{sys.modules['tests'].counted}\n")
        case "raises":
            raise KeyError("a mistake")
        case "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hangs":
            signal.pause()
        case _:
            raise ValueError(what)
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
