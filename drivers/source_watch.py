"""Watches that the sound still comes from the source it came from at first, where a sound server stands in between.

Owns the thread "sound-source" from `start` to `stop`. What the server said first is the source; any other answer, also
several at once, is a source that was moved: the stream counts as lost from that moment. Touches no disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from drivers.gate import Gate
from edge.ports import Clock, LossCause, SourceLost, Stream

ASK_EVERY_SECONDS = 0.5


class SourceWatch:
    """Delivers one SourceLost when the source is another. A server that does not answer says nothing either way."""

    def __init__(self, gate: Gate, clock: Clock, attached: Callable[[], frozenset[int] | None]) -> None:
        """`attached` asks the server, within its own limit."""
        self._gate = gate
        self._clock = clock
        self._attached = attached
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sound-source", daemon=True)

    def start(self) -> None:
        """Start watching."""
        self._thread.start()

    def stop(self, limit_seconds: float) -> None:
        """End the thread, which waits for nothing longer than one question."""
        self._ending.set()
        self._thread.join(limit_seconds)

    def _watch(self) -> None:
        first: frozenset[int] = frozenset()
        while not self._ending.wait(ASK_EVERY_SECONDS):
            now = self._attached()
            if not now:
                continue  # no stream of ours, as in the moment of its start or end, or no answer: the callback tells
            first = first or now
            if now != first:
                self._tell(first, now)
                return

    def _tell(self, first: frozenset[int], now: frozenset[int]) -> None:
        what = f"the sound server moved the stream from source {_words(first)} to {_words(now)}"
        now_ns = self._clock.boottime_ns()
        self._gate.deliver(SourceLost(stream=Stream.SOUND, boottime_ns=now_ns, what=what, cause=LossCause.MOVED))


def _words(sources: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(sources)))
