"""A recorder that was held up loses its sources, says so, and gets them back by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge import journal
from liuhen.kinds import GapEnd, SessionEnd
from tests.realtime.runs import verified

HELD_UP_SECONDS = 1.5
LIMIT_SECONDS = 60


@pytest.mark.realtime
def test_a_recorder_that_was_held_up_gets_picture_and_sound_back(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "sim", "--spool", str(spool), "--seconds", "12", "--acks", str(writer)]
    process = subprocess.Popen(command, pass_fds=(writer,), stderr=subprocess.DEVNULL)
    os.close(writer)
    try:
        with os.fdopen(reader, encoding="ascii") as acknowledgements:
            while not acknowledgements.readline().startswith("F 0 4 "):
                assert process.poll() is None
            process.send_signal(signal.SIGSTOP)
            threading.Event().wait(HELD_UP_SECONDS)  # the world goes on meanwhile: that is what is tested
            process.send_signal(signal.SIGCONT)
            acknowledgements.read()
        assert process.wait(LIMIT_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
    bodies = [entry.body for path in sorted(spool.glob("journal/*")) for entry in journal.entries_of(path)]
    ends = [body for body in bodies if isinstance(body, GapEnd)]
    assert ends, "1.5 s without a frame is longer than a source may be silent"
    assert all(end.resumed for end in ends), "a source did not come back"
    assert sum(isinstance(body, SessionEnd) for body in bodies) == 1
    code, answer = verified(spool, "--trust", spool.with_name("spool.keys") / "trust.file")
    assert code == 0
    assert len(answer["sessions"][0]["gaps"]) == len(ends)
