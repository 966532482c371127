"""A recorder's end of the ports for tests: keeps what was delivered and lets a test wait for the one it needs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from edge.ports import ClockReading, Delivered, PicturePacket, SoundPacket, SourceLost, SyncState

LIMIT_SECONDS = 10.0
Kind = TypeVar("Kind")


@dataclass
class Deliveries:
    """Call it as `deliver`."""

    kept: list[Delivered] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, delivered: Delivered) -> None:
        with self._changed:
            self.kept.append(delivered)
            self._changed.notify_all()

    def of(self, kind: type[Kind]) -> list[Kind]:
        with self._changed:
            return [delivered for delivered in self.kept if isinstance(delivered, kind)]

    def wait_for(self, enough: Callable[[], bool], limit_seconds: float = LIMIT_SECONDS) -> bool:
        with self._changed:
            return self._changed.wait_for(enough, limit_seconds)

    def wait_for_pictures(self, count: int) -> list[PicturePacket]:
        assert self.wait_for(lambda: len(self.of(PicturePacket)) >= count)
        return self.of(PicturePacket)

    def wait_for_loss(self) -> SourceLost:
        assert self.wait_for(lambda: bool(self.of(SourceLost)))
        return self.of(SourceLost)[0]

    def samples(self) -> int:
        return sum(packet.samples for packet in self.of(SoundPacket))


@dataclass
class SteppedClock:
    """A clock that stands still until a test moves it."""

    now_ns: int = 1_000_000_000_000
    utc_ms: int = 1_795_194_000_000
    boot_id: bytes = bytes(16)

    def read(self) -> ClockReading:
        return ClockReading(utc_ms=self.utc_ms, boottime_ns=self.now_ns, sync=SyncState.SYNCHRONISED, error_ms=1)

    def boottime_ns(self) -> int:
        return self.now_ns
