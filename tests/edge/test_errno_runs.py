"""Whatever call fails, wherever in a run: a defined end, nothing acknowledged lost, and the next start records."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edge.recorder import Recorder
from tests.edge.errno_runs import EXIT_CODES, STARTS, Case, judge_archive, run_case, run_every, summary, templates
from tests.edge.media import RATE_HZ, pictures, sound
from tests.edge.ports_room import GOP, device
from tests.edge.small_disk import record_on_full_disk
from tests.required import unavailable

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
CI_STRIDE = 31
"""Every 31st call of each start and fault; `make campaign ARGS=errno` takes every one."""


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("start", STARTS)
def test_a_slice_of_all_faults_at_all_calls_leaves_nothing_wrong(tmp_path: Path, start: str) -> None:
    outcomes = run_every(tmp_path, starts=(start,), stride=CI_STRIDE, first=11)
    assert [line for line in summary(outcomes) if line.startswith("WRONG")] == []
    assert len(outcomes) > 20
    assert {outcome.exit_code for outcome in outcomes} <= EXIT_CODES.keys()
    assert {outcome.exit_code for outcome in outcomes} >= {0, 1, 4}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    pictures(count=2 * GOP)
    sound(samples=RATE_HZ)
    return templates(tmp_path_factory.mktemp("templates"))


def test_the_judge_sees_a_lost_acknowledgement_and_a_broken_archive(prepared: dict[str, Path], tmp_path: Path) -> None:
    """Negative control: an acknowledged fragment is cut off by hand."""
    run_case(Case(start="fresh", fault="EIO", at=10**6), prepared, tmp_path)
    made = device(tmp_path / "case")
    assert judge_archive(made) == []
    for victim in made.segments():  # the sessions' names are random
        victim.write_bytes(victim.read_bytes()[:-2000])
    wrong = judge_archive(made)
    assert any("acknowledged and lost: F" in words for words in wrong)
    assert any("not intact" in words for words in wrong)


def test_the_judge_sees_a_traceback(prepared: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a mistake of the program is no defined end."""

    def mistake(_self: Recorder, _limit_seconds: float) -> None:
        raise KeyError("a mistake")

    monkeypatch.setattr(Recorder, "turn", mistake)
    outcome = run_case(Case(start="fresh", fault="EIO", at=10**6), prepared, tmp_path)
    assert any("traceback" in words for words in outcome.wrong)


# --- what only the kernel can show ------------------------------------------------------------------------------------


def traced(folder: Path, inject: str) -> subprocess.CompletedProcess[str]:
    """One run under strace with this injection."""
    if shutil.which("strace") is None:
        unavailable("strace")
    call = inject.split(":", maxsplit=1)[0]
    command: list[str | Path] = [
        "strace",
        "-f",
        "-qq",
        "-o",
        folder / "trace",
        "-e",
        f"trace={call}",
        "-e",
        f"inject={inject}",
    ]
    program: list[str | Path] = [sys.executable, "-m", "tests.edge.errno_runs", "one", folder, "2.2", "1"]
    return subprocess.run([*command, *program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)


@pytest.fixture
def folder(prepared: dict[str, Path], tmp_path: Path) -> Path:
    shutil.copytree(prepared["cut"], tmp_path / "case")
    return tmp_path / "case"


@pytest.mark.parametrize("call", ["fdatasync", "fsync", "ftruncate", "write", "fallocate"])
def test_an_interrupted_call_is_repeated_and_nothing_is_noticed(folder: Path, call: str) -> None:
    done = traced(folder, f"{call}:error=EINTR:when=2+3")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert judge_archive(device(folder)) == []


def test_an_interrupted_question_for_free_space_leaves_the_last_answer(folder: Path) -> None:
    """Python does not repeat statvfs; local file systems never interrupt it."""
    done = traced(folder, "statfs:error=EINTR:when=9+3")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert judge_archive(device(folder)) == []


@pytest.mark.parametrize("when", [3, 9, 14, 20])
def test_a_flush_that_fails_in_the_kernel_ends_as_it_does_in_the_process(folder: Path, when: int) -> None:
    done = traced(folder, f"fdatasync:error=EIO:when={when}")
    assert "(INJECTED)" in (folder / "trace").read_text(encoding="utf-8")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert judge_archive(device(folder)) == []


def test_a_write_that_claims_more_than_it_did_is_found_while_the_media_is_in_memory(folder: Path) -> None:
    """strace answers for the kernel: 100 bytes are said to be written, and none are."""
    done = traced(folder, "write:retval=100:when=30")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert judge_archive(device(folder)) == []


def test_after_a_full_disk_a_session_is_refused_and_once_there_is_space_it_records(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "--map-root-user", "--mount", "true"], capture_output=True, check=False).returncode:
        unavailable("a mount namespace (unshare)")
    ended = record_on_full_disk(tmp_path, leave_bytes=30_000, again=True)
    assert (ended["cause"], ended["refused"], ended["again"]) == ("STORAGE", "exit 4", "STOPPED")
    made = device(tmp_path)
    assert made.verify().intact
    assert [s.frames > 0 for s in made.verify().sessions] == [True, True]
    assert (made.spool / "device/journal-reserve").exists()


# --- real threads -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fdatasync", "write"])
def test_a_writer_that_waits_for_ever_does_not_hold_the_end_up(tmp_path: Path, call: str) -> None:
    program: list[str | Path] = [sys.executable, "-m", "tests.edge.live_room", tmp_path]
    done = subprocess.run([*program, "3", call], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "存储盘没有响应" in done.stderr
    assert "Traceback" not in done.stderr
    again = subprocess.run([*program, "1.2"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert again.returncode == 0, again.stderr
    made = device(tmp_path)
    assert made.verify().intact
    assert made.verify().sessions[0].frames > 0


def test_with_a_disk_that_answers_the_same_run_ends_clean(tmp_path: Path) -> None:
    """The negative control of the test above."""
    program: list[str | Path] = [sys.executable, "-m", "tests.edge.live_room", tmp_path, "1.2"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert device(tmp_path).findings() == []


def test_a_case_is_told_apart_by_what_failed(prepared: dict[str, Path], tmp_path: Path) -> None:
    case = Case(start="fresh", fault="EIO", at=0)
    assert run_case(case, prepared, tmp_path).fired
    assert run_case(replace(case, at=10**6), prepared, tmp_path).fired == ""
