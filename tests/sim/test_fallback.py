"""Without a sound server the simulator says so and records in the port-level room; in CI that is a failure."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sim import __main__ as command

pytestmark = pytest.mark.long

LIMIT_SECONDS = 60


def simulate_without_pulse(folder: Path, *more: str, ci: bool) -> subprocess.CompletedProcess[str]:
    nothing = folder / "bin"
    nothing.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment["PATH"] = str(nothing)
    if ci:
        environment["CI"] = "true"
    return subprocess.run(
        [sys.executable, "-m", "sim", "--spool", str(folder / "spool"), "--seconds", "3", *more],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_SECONDS,
    )


@pytest.mark.realtime
@pytest.mark.beside
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


def test_without_pulse_a_service_is_refused_in_one_line_and_nothing_is_recorded_unasked(tmp_path: Path) -> None:
    done = simulate_without_pulse(tmp_path, "--service", ci=False)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "未录制" in line
    assert "pulseaudio" in line
    assert not list((tmp_path / "spool" / "sessions").glob("*"))


def test_virtual_time_is_no_service(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        command.main(["--virtual", "--service", "--seconds", "3"])
    assert refused.value.code == 2
    assert "服务" in capsys.readouterr().err


@pytest.mark.realtime
@pytest.mark.beside
def test_a_service_on_a_stage_named_from_here_has_its_sound_and_records_only_when_asked(tmp_path: Path) -> None:
    words = ["--service", "--spool", "spool", "--stage", "stage"]
    shown = tmp_path / "terminal"
    with shown.open("wb") as terminal:
        process = subprocess.Popen(
            [sys.executable, "-m", "sim", *words], cwd=tmp_path, stdout=terminal, stderr=terminal, env=as_here()
        )
        try:
            until = time.monotonic() + LIMIT_SECONDS
            while not list((tmp_path / "spool/journal").glob("*")) and time.monotonic() < until:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.1)
                assert process.poll() is None, shown.read_text()
            process.terminate()
            assert process.wait(LIMIT_SECONDS) == 0, shown.read_text()
        finally:
            process.kill()
            process.wait()
    assert "端口级" not in shown.read_text()
    assert not list((tmp_path / "spool/sessions").glob("*"))


def as_here() -> dict[str, str]:
    """This tree's packages for a process that runs elsewhere."""
    here = str(Path(__file__).resolve().parents[2])
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))}
