"""The signals that ask a process to end, as a call; whoever is called ends the process in order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def ending_on_signals(stop: Callable[[], None], *, with_the_terminal: bool = False) -> Iterator[None]:
    """SIGINT and SIGTERM call `stop`, which returns at once; the handlers before come back at the end.

    `with_the_terminal`: SIGHUP does so too, by which a terminal that is closed ends what runs in it.
    """

    def handle(_number: int, _frame: object) -> None:
        stop()

    asking = (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if with_the_terminal else ()))
    before = {number: signal.signal(number, handle) for number in asking}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
