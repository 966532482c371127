"""A stand-in for the library sounddevice in a player's process: plays into nothing, or does what SOUND_DOES says.

The words: "work", "hang" (opening never returns), "deaf" (takes no sample), "cut" (ends in the middle), "raise: TEXT".
What it took is appended to the file SOUND_TAKEN.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

BLOCK_BYTES = 2048


class PortAudioError(Exception):
    """As the library's."""


class CallbackStop(Exception):
    """As the library's."""


class RawOutputStream:
    """One stream that plays as fast as it can."""

    latency = 0.1

    def __init__(self, *, callback: Callable[..., None], finished_callback: Callable[[], None], **_: Any) -> None:
        self._callback = callback
        self._finished = finished_callback
        self._does = os.environ["SOUND_DOES"]
        if self._does == "hang":
            threading.Event().wait()
        if self._does.startswith("raise: "):
            raise PortAudioError(self._does.removeprefix("raise: "))

    def __enter__(self) -> RawOutputStream:
        if self._does != "deaf":
            self._play()
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def _play(self) -> None:
        with Path(os.environ["SOUND_TAKEN"]).open("ab") as taken:
            try:
                while True:
                    block = bytearray(BLOCK_BYTES)
                    self._callback(memoryview(block), len(block) // 2, None, None)
                    taken.write(block)
                    if self._does == "cut":
                        break
            except CallbackStop:
                taken.write(block)
        self._finished()


def _initialize() -> None:
    pass


def _terminate() -> None:
    pass
