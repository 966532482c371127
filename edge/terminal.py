"""The terminal as onlooker: live display, operator messages, Ctrl-C, acknowledgements for tests.

Owns the process's signal handlers while a run lasts. Called from CONTROL and WRITER; a slow, stopped or closed terminal
never holds the recording up. Acknowledgements are for tests: a listener that does not read them holds WRITER up.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge import status as words
from edge.app import Start, run
from edge.ending import ending_on_signals
from edge.recorder import Ended
from edge.refusals import EXIT_CLEAN, EXIT_FAULT, complain, guarded
from edge.station import serve
from edge.status import Status

OVER = b"\0"
END_LIMIT_SECONDS = 120.0
"""Longer than every limit of an orderly end together: after it only a disk that never answers can hold the end up."""
PLAIN_EVERY_NS = 10 * 10**9
USUAL_COLUMNS = 80
UNSAID_LIMIT = 100
"""Messages kept for an operator whose terminal is stopped; the oldest give way."""


class Terminal:
    """Shows a live display on a terminal, or a line every ten seconds where the output is not one."""

    def __init__(self, acknowledgements: int | None) -> None:
        """`acknowledgements` is a file descriptor that gets one line after each flush, or None."""
        self._live = sys.stderr.isatty()
        self._acknowledgements = acknowledgements
        self._next_plain_ns = 0
        self._lines_shown = 0
        self._latest: Status | None = None
        self._unsaid: deque[str] = deque(maxlen=UNSAID_LIMIT)
        self._lock = threading.Lock()

    def fragment(self, segment: int, fragment: int, r: bytes) -> None:
        """One sealed fragment is durable."""
        self._acknowledge(f"F {segment} {fragment} {r.hex()}\n")

    def entry(self, seq: int, digest: bytes) -> None:
        """One journal entry is durable."""
        self._acknowledge(f"E {seq} {digest.hex()}\n")

    def status(self, status: Status) -> None:
        """Show the snapshot."""
        self._latest = status
        self._say()
        if self._live:
            self._show(words.lines(status))
        elif status.elapsed_ns >= self._next_plain_ns and self._write(words.line(status) + "\n"):
            self._next_plain_ns = status.elapsed_ns + PLAIN_EVERY_NS

    def said(self, words_zh: str, words_en: str) -> None:
        """One message for the operator, Chinese first; it waits where the terminal does not take it now."""
        self._unsaid.append(f"{words_zh}\n{words_en}\n")
        self._say()

    def done(self) -> None:
        """The session is over, and so says what is left of the live display."""
        self._say()
        if self._latest is None:
            return
        if self._live:
            self._show(words.ended_lines(self._latest))
            self._write("\n")
            self._lines_shown = 0
        else:
            self._write("\n".join(words.ended_lines(self._latest)) + "\n")

    def _say(self) -> None:
        if self._unsaid and self._write(self._fresh_line() + "".join(self._unsaid)):
            self._unsaid.clear()
            self._lines_shown = 0

    def _show(self, lines: tuple[str, ...]) -> None:
        shown = [words.fit(line, _columns() - 1) for line in lines]
        if self._write(self._fresh_line() + "\n".join(shown)):
            self._lines_shown = len(shown)

    def _fresh_line(self) -> str:
        """Go back to the start of the live display and clear it (ECMA-48: CUU and ED)."""
        if not self._live:
            return ""
        up = f"\x1b[{self._lines_shown - 1}A" if self._lines_shown > 1 else ""
        return f"\r{up}\x1b[J"

    def _write(self, text: str) -> bool:
        """False where it was not written: a terminal stopped by Ctrl-S, or a full pipe, would hold CONTROL up."""
        if not _takes_text():
            return False
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            self._live = False  # nobody looks any more; recording goes on
        return True

    def _acknowledge(self, text: str) -> None:
        if self._acknowledgements is None:
            return
        with self._lock:
            try:
                os.write(self._acknowledgements, text.encode())
            except OSError:
                self._acknowledgements = None  # the listener is gone; recording goes on


def _takes_text() -> bool:
    """Whether a short text can be written at once; what is neither terminal nor pipe never waits."""
    try:
        watch = select.poll()
        watch.register(sys.stderr.fileno(), select.POLLOUT)
        return bool(watch.poll(0))
    except OSError:
        return True


def _columns() -> int:
    """How wide the terminal is; 80 where it does not say."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or USUAL_COLUMNS
    except OSError:
        return USUAL_COLUMNS


def record(
    make_start: Callable[[Terminal, threading.Event], Start],
    *,
    acknowledgements: int | None = None,
    end_limit_seconds: float = END_LIMIT_SECONDS,
) -> int:
    """Run one session under the terminal; returns the exit code. No exception of a known kind leaves."""
    terminal, stop = Terminal(acknowledgements), threading.Event()

    def work() -> int:
        with ending_on_signals(stop.set, with_the_terminal=True), _ending_in_time(end_limit_seconds):
            ended = run(make_start(terminal, stop))
        terminal.done()
        return _tell_end(ended)

    return guarded(work)


def record_service(make_start: Callable[[Terminal, threading.Event], Start]) -> int:
    """Serve sessions until SIGTERM; returns the exit code. No exception of a known kind leaves."""
    terminal, stop = Terminal(None), threading.Event()

    def work() -> int:
        with ending_on_signals(stop.set, with_the_terminal=True), _ending_in_time(END_LIMIT_SECONDS):
            return serve(make_start(terminal, stop))

    return guarded(work)


@contextmanager
def _ending_in_time(limit_seconds: float) -> Iterator[None]:
    """Once a signal asks for the end it comes, even where CONTROL itself waits for a disk that never answers.

    What is on the disk proves itself, and the next start says what it found; a process that cannot be ended would keep
    the lock. A thread in an uninterruptible call of the kernel can hold the process up even so; no program mends that.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(
        writing, warn_on_full_buffer=False
    )  # written at once, whatever CONTROL is waiting for
    watcher = threading.Thread(target=_force_end, args=(reading, limit_seconds), name="OVERDUE", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.write(writing, OVER)
        watcher.join()
        os.close(reading)
        os.close(writing)


def _force_end(reading: int, limit_seconds: float) -> None:
    """The OVERDUE thread: from the first signal on the end has so long."""
    deadline_seconds: float | None = None
    while True:
        left = None if deadline_seconds is None else deadline_seconds - time.monotonic()
        if left is not None and left <= 0:
            break
        if not select.select([reading], [], [], left)[0]:
            continue
        if os.read(reading, 1) == OVER:
            return
        deadline_seconds = deadline_seconds or time.monotonic() + limit_seconds
    if _takes_text():
        complain(
            "the disk does not answer",
            "存储盘没有响应，程序已在限时后强行结束；已落盘的内容不受影响，请检查或更换存储盘",
            "the program was ended by force after its limit; what is on disk is unaffected; examine the disk",
        )
    os._exit(EXIT_FAULT)


def _tell_end(ended: Ended) -> int:
    if ended.words_zh:
        sys.stderr.write(f"{ended.words_zh}\n{ended.words_en}\n")
    if ended.gaps:
        sys.stderr.write(f"本场次有 {ended.gaps} 处中止，起止和原因已封签记下\n")
        sys.stderr.write(f"{ended.gaps} gap(s) in this session; bounds and causes are sealed in the journal\n")
    return EXIT_CLEAN if ended.clean else EXIT_FAULT
