"""`liuhen demo` (`make run`): record the real room where there is a camera, the simulated one elsewhere, then verify.

Makes a demo identity beside the recordings, runs the recorder as a program of its own, and lets the verifier speak.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from edge.commands.overrides import seconds as positive_seconds
from edge.provision import demo_identity
from edge.refusals import guarded
from edge.spool import segment_files

STEP_LIMIT_SECONDS = 600


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command line."""
    parser = commands.add_parser("demo", help="录一段并核验 / record a little and verify it")
    parser.add_argument(
        "--seconds",
        type=positive_seconds,
        metavar="N",
        help="录多少秒；不写则按 Ctrl-C 结束 / until Ctrl-C if left out",
    )
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path("recordings"),
        metavar="DIR",
        help="存放目录 / where it is put (recordings)",
    )
    parser.set_defaults(work=run)


def run(arguments: argparse.Namespace) -> int:
    """Record, verify, and say what a person can do with the files."""
    return guarded(lambda: _demo(arguments.directory.resolve(), arguments.seconds))


def _demo(directory: Path, seconds: float | None) -> int:
    directory.mkdir(parents=True, exist_ok=True)
    spool, keys = directory / "spool", directory / "keys"
    identity = demo_identity(spool, keys, now_utc_ms=time.time_ns() // 1_000_000)
    asked = ["--seconds", str(seconds)] if seconds is not None else []
    if _camera_present():
        _tell("检测到摄像头：录制真实房间", "a camera is present: recording the real room")
        config = directory / "demo.toml"
        config.write_text(_real_room(spool, identity.key_file, identity.endorsement_file), encoding="utf-8")
        command = [sys.executable, "-m", "edge", "run", "--config", str(config), *asked]
    else:
        _tell("没有摄像头：录制模拟听证室", "no camera here: recording the simulated hearing room")
        command = [sys.executable, "-m", "sim", "--spool", str(spool), "--keys", str(keys), *asked]
    if seconds is None:
        _tell("按 Ctrl-C 结束录制", "press Ctrl-C to end the recording")
    _tell("正在启动……", "starting ...")
    recorded = _run_to_its_end(command)
    if recorded != 0 and not any(segment_files(spool)):
        _tell("没有录到内容", "nothing was recorded")
        return recorded
    _tell("", "")
    verified = subprocess.run(
        [sys.executable, "-m", "liuhen.cli", str(spool), "--trust", str(identity.trust_file)],
        check=False,
        timeout=STEP_LIMIT_SECONDS,
    ).returncode
    _tell_files(spool, identity.trust_file)
    return recorded or verified


def _run_to_its_end(command: list[str]) -> int:
    """Run the recorder; Ctrl-C reaches it through the terminal and ends it in order, so this process waits for it."""
    # A handler, not SIG_IGN: an ignored signal is inherited over exec, and the recorder has to hear this one.
    before = signal.signal(signal.SIGINT, _leave_it_to_the_recorder)
    try:
        code = subprocess.Popen(command).wait()
        return code if code >= 0 else 128 - code  # ended by a signal, as a shell would say it
    finally:
        signal.signal(signal.SIGINT, before)


def _leave_it_to_the_recorder(_number: int, _frame: FrameType | None) -> None:
    """The recorder got the same Ctrl-C from the terminal."""


def _camera_present() -> bool:
    """Ask the system's libcamera in a process of its own, for the library prints and may hang."""
    question = "import libcamera; print(len(libcamera.CameraManager.singleton().cameras))"
    try:
        answer = subprocess.run(
            [sys.executable, "-c", question], capture_output=True, text=True, check=False, timeout=20
        )
    except subprocess.TimeoutExpired:
        return False
    return answer.returncode == 0 and answer.stdout.strip() not in ("", "0")


def _real_room(spool: Path, key_file: Path, endorsement: Path) -> str:
    return (
        f'[spool]\ndirectory = "{spool}"\nminimum_free_hours = 0.1\n\n'
        f'[key]\nfile = "{key_file}"\nendorsements = ["{endorsement}"]\n'
    )


def _tell_files(spool: Path, trust_file: Path) -> None:
    segments = [path for _, _, path in sorted(segment_files(spool), key=lambda row: row[2].stat().st_mtime)]
    if not segments:
        return
    newest = segments[-1].parent
    verify = f"{_short(Path(sys.executable).with_name('liuhen-verify'))} {_short(spool)} --trust {_short(trust_file)}"
    _tell("", "")
    _tell(f"录像文件（{len(list(newest.glob('*.mp4')))} 段）/ the recording's segments:", _short(newest))
    _tell("播放：用浏览器打开，或用命令 / play one in a browser, or with:", f"ffplay {_short(newest / '000000.mp4')}")
    _tell("再次核验 / verify again:", verify)


def _short(path: Path) -> str:
    """As a person would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _tell(words_zh: str, words_en: str) -> None:
    sys.stdout.write(f"{words_zh}\n  {words_en}\n" if words_zh else "\n")
    sys.stdout.flush()
