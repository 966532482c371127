"""`make run` as a newcomer types it: on a terminal, ended by Ctrl-C or by its time, and what stands there afterwards.

Set-up is part of the command, so these run by name or in `make campaign`, not in every test run.
"""

from __future__ import annotations

import os
import pty
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.realtime, pytest.mark.slow, pytest.mark.timeout(420)]

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 300.0
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
SEALED = re.compile(r"片 sealed (\d+)")


def on_a_terminal(command: list[str], *, interrupt_when: Callable[[str], bool] = lambda _: False) -> tuple[int, str]:
    """Exit code, and all text a terminal of its own got; Ctrl-C is typed once `interrupt_when` says so."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execvp(command[0], command)  # noqa: S606 -- a program and its arguments, no shell
    text, deadline = b"", time.monotonic() + LIMIT_SECONDS
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(terminal, selectors.EVENT_READ)
            while selector.select(max(0.0, deadline - time.monotonic())):
                text += _read(terminal)
                if text.endswith(b"\0"):
                    _, status = os.waitpid(child, 0)
                    return os.waitstatus_to_exitcode(status), ESCAPES.sub("", text[:-1].decode())
                if interrupt_when(text.decode(errors="replace")):
                    interrupt_when = _never
                    os.write(terminal, b"\x03")
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise TimeoutError(text.decode(errors="replace"))
    finally:
        os.close(terminal)


def _never(_: str) -> bool:
    return False


def _read(terminal: int) -> bytes:
    """What came, a zero byte at the end: a terminal whose last user has gone gives EIO."""
    try:
        return os.read(terminal, 65536) or b"\0"
    except OSError:
        return b"\0"


def test_make_run_records_for_its_time_then_says_what_holds_and_where_the_files_are(tmp_path: Path) -> None:
    code, text = on_a_terminal(["make", "run", "SECONDS=8", f"ARGS=--directory {tmp_path}"])
    assert code == 0, text
    for words in ("录制模拟听证室", "● 录制中", "演示", "校验通过", "播放", "liuhen-verify"):
        assert words in text
    assert len(list(tmp_path.glob("spool/sessions/*/000000.mp4"))) == 1


def test_ctrl_c_ends_make_run_in_order_and_the_verifier_still_speaks(tmp_path: Path) -> None:
    def three_seconds_are_sealed(text: str) -> bool:
        sealed = SEALED.findall(text)
        return bool(sealed) and int(sealed[-1]) >= 6

    _, text = on_a_terminal(["make", "run", f"ARGS=--directory {tmp_path}"], interrupt_when=three_seconds_are_sealed)
    assert "校验通过" in text
    assert "Traceback" not in text
    done = subprocess.run(
        [ROOT / ".venv/bin/liuhen", "spool", "ls", tmp_path / "spool"], capture_output=True, text=True, check=True
    )
    assert "000000.mp4" in done.stdout
