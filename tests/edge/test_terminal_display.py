"""The live display on a terminal of its own: it redraws in place, and a terminal that is stopped holds nobody up."""

from __future__ import annotations

import os
import pty
import re
import select
import termios
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, replace

import pytest

from edge.status import Status
from edge.terminal import UNSAID_LIMIT, Terminal

STATUS = Status(
    elapsed_ns=5 * 10**9,
    segments_closed=0,
    fragments_sealed=9,
    frames=112,
    samples=220_000,
    frames_lost=0,
    samples_lost=0,
    rms_millibel=-2_500,
    seal_delay_ms=520,
    free_hours=60.0,
)


@dataclass(frozen=True, slots=True)
class Screen:
    """Both ends of a terminal: the keyboard's end, and the one a program writes to."""

    keyboard: int
    program: int

    def text(self) -> str:
        """What has arrived."""
        arrived = b""
        while select.select([self.keyboard], [], [], 0.2)[0]:
            arrived += os.read(self.keyboard, 65536)
        return arrived.decode()


@contextmanager
def screen() -> Iterator[Screen]:
    """Standard error is a terminal of its own. Not a fixture: pytest puts its own back before a test's body."""
    keyboard, program = pty.openpty()
    with os.fdopen(program, "w", encoding="utf-8") as stderr, redirect_stderr(stderr):
        yield Screen(keyboard, program)
    os.close(keyboard)


def test_the_display_goes_back_up_and_is_drawn_in_place() -> None:
    with screen() as shown_on:
        terminal = Terminal(None)
        terminal.status(STATUS)
        assert "\x1b[2A" not in shown_on.text()
        terminal.status(replace(STATUS, frames=125))
        again = shown_on.text()
        assert again.startswith("\r\x1b[2A\x1b[J● 录制中")
        assert "帧 frames 125" in again


def test_a_message_stands_above_the_display_and_stays() -> None:
    with screen() as shown_on:
        terminal = Terminal(None)
        terminal.status(STATUS)
        terminal.said("镜头被遮挡", "the lens is covered")
        terminal.status(STATUS)
        shown = shown_on.text()
        assert re.search(r"\x1b\[2A\x1b\[J镜头被遮挡\r\nthe lens is covered\r\n\r\x1b\[J● 录制中", shown)


def test_after_the_end_the_display_says_so_and_the_cursor_is_below_it() -> None:
    with screen() as shown_on:
        terminal = Terminal(None)
        terminal.status(STATUS)
        terminal.done()
        last = shown_on.text().rpartition("\x1b[J")[2]
        assert last.startswith("■ 录制已结束")
        assert last.endswith("\n")


def test_a_stopped_terminal_holds_nobody_up_and_says_everything_once_it_goes_on() -> None:
    with screen() as shown_on:
        terminal = Terminal(None)
        termios.tcflow(shown_on.program, termios.TCOOFF)  # what Ctrl-S does
        assert not select.select([], [shown_on.program], [], 0)[1], "a write would wait now"
        for number in range(3 * UNSAID_LIMIT):
            terminal.status(STATUS)
            terminal.said(f"消息 {number}。", f"message {number}.")
        termios.tcflow(shown_on.program, termios.TCOON)
        terminal.status(replace(STATUS, frames=777))
        shown = shown_on.text()
        assert "帧 frames 777" in shown
        assert f"message {3 * UNSAID_LIMIT - 1}." in shown
        assert "message 0." not in shown
        assert shown.count("● 录制中") == 1


def test_a_terminal_that_is_gone_holds_nobody_up() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError), os.fdopen(writing, "w", encoding="utf-8") as stderr, redirect_stderr(stderr):
        terminal = Terminal(None)
        terminal.said("无人", "nobody")
        terminal.status(STATUS)
        terminal.done()
