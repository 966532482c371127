"""Without a sound server the simulator says so and records in the port-level room; in CI that is a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

LIMIT_SECONDS = 60


def simulate_without_pulse(folder: Path, *, ci: bool) -> subprocess.CompletedProcess[str]:
    nothing = folder / "bin"
    nothing.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment["PATH"] = str(nothing)
    if ci:
        environment["CI"] = "true"
    return subprocess.run(
        [sys.executable, "-m", "sim", "--spool", str(folder / "spool"), "--seconds", "3"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_SECONDS,
    )


@pytest.mark.realtime
def test_without_pulse_the_port_level_room_is_recorded_and_named(tmp_path: Path) -> None:
    done = simulate_without_pulse(tmp_path, ci=False)
    assert done.returncode == 0, done.stderr
    assert "改用端口级模拟房间" in done.stderr
    assert "pulseaudio" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "spool" / "sessions").glob("*/000000.mp4"))


def test_in_ci_the_fallback_is_a_failure_and_nothing_is_recorded(tmp_path: Path) -> None:
    done = simulate_without_pulse(tmp_path, ci=True)
    assert done.returncode == 2
    assert "pulseaudio" in done.stderr
    assert not list((tmp_path / "spool" / "sessions").glob("*"))
