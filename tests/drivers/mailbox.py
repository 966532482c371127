"""What a driver tells, kept in order, for a test that waits for a part of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Message = TypeVar("Message")
Kind = TypeVar("Kind")


class Mailbox(Generic[Message]):
    """Call it as the driver's callback, on any thread."""

    def __init__(self, limit_seconds: float) -> None:
        self.kept: list[Message] = []
        self._limit_seconds = limit_seconds
        self._changed = threading.Condition(threading.RLock())

    def __call__(self, message: Message) -> None:
        with self._changed:
            self.kept.append(message)
            self._changed.notify_all()

    def of(self, kind: type[Kind]) -> list[Kind]:
        with self._changed:
            return [message for message in self.kept if isinstance(message, kind)]

    def comes(self, enough: Callable[[], bool], limit_seconds: float) -> bool:
        """Whether it is enough within so long."""
        with self._changed:
            return self._changed.wait_for(enough, limit_seconds)

    def wait_for(self, enough: Callable[[], bool]) -> None:
        assert self.comes(enough, self._limit_seconds), self.kept
