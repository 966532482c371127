"""The terminal never holds a recording up, and every refusal becomes words and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
from pathlib import Path

import pytest

from edge.config import ConfigError
from edge.ports import HardwareFault
from edge.refusals import Refused, SpoolError, guarded
from edge.terminal import Terminal, record
from liuhen.errors import KeyFileError


def test_acknowledgements_are_one_line_each() -> None:
    reading, writing = os.pipe()
    terminal = Terminal(writing)
    terminal.fragment(3, 7, b"\xab" * 32)
    terminal.entry(12, b"\xcd" * 32)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        assert file.read().decode().splitlines() == [f"F 3 7 {'ab' * 32}", f"E 12 {'cd' * 32}"]


def test_a_listener_that_is_gone_does_not_stop_the_recording() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    terminal = Terminal(writing)
    before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        terminal.entry(1, bytes(32))
        assert terminal._acknowledgements is None, "it is still written to"
        terminal.entry(2, bytes(32))
    finally:
        signal.signal(signal.SIGPIPE, before)
        os.close(writing)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Refused("what", remedy_zh="请检查", remedy_en="check it", exit_code=6), 6),
        (SpoolError("what", remedy_zh="请检查", remedy_en="check it"), 2),
        (KeyFileError("what", remedy_zh="请检查", remedy_en="check it"), 2),
        (HardwareFault(device="camera", what="what", remedy_zh="请检查", remedy_en="check it"), 2),
    ],
)
def test_a_refusal_is_words_and_an_exit_code(capsys: pytest.CaptureFixture[str], error: Exception, code: int) -> None:
    def work() -> int:
        raise error

    assert guarded(work) == code
    said = capsys.readouterr().err
    assert "无法继续：what" in said
    assert "请检查" in said
    assert "check it" in said


def test_a_pipe_that_is_not_the_terminals_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A recorder that hangs up in the middle of a request is no reader who has seen enough."""

    def work() -> int:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    with Path(os.devnull).open("w") as output, contextlib.redirect_stdout(output):
        assert guarded(work) == 2
    assert "无法继续" in capsys.readouterr().err


def test_a_mistake_of_ours_is_not_swallowed() -> None:
    """The negative control: only what is expected becomes words."""

    def work() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        guarded(work)


def test_the_signal_handlers_are_put_back_whatever_happens() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    def start(_terminal: Terminal, _stop: threading.Event) -> None:
        raise ConfigError(())

    assert record(start) == 2  # type: ignore[arg-type]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
