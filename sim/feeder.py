"""The paced hand that pours a sound source into a FIFO on CLOCK_BOOTTIME, as a microphone's own clock would.

Owns one thread (`feeder`), the FIFO's writing end and nothing on disk. Every byte the FIFO accepted is told to
`on_written` once, in order: what a listener hears is a run of exactly those bytes. Sound made while the source is
frozen or nobody holds the reading end is lost as it is in front of a real, unplugged microphone, and is not told.
`on_moment` is told when the first of those samples was made, and again wherever sound was lost in between.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sim.scene import SoundSource

LOG = logging.getLogger(__name__)

TICK_SECONDS = 0.005
FIFO_BYTES = 16384
BACKLOG_SECONDS = 2
_ATOMIC_WRITE_BYTES = 4096
_BYTES_PER_VALUE = 2
_NS_PER_SECOND = 1_000_000_000
_BILLION = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MicrophoneClock:
    """The rate of a microphone's own clock: nominal `rate_hz` (per channel), fast by `error_ppm`."""

    rate_hz: int
    channels: int
    error_ppm: float = 0.0

    def samples_after(self, elapsed_ns: int) -> int:
        """Return how many samples per channel exist `elapsed_ns` after the start; whole numbers, so it never creeps."""
        parts_per_billion = _BILLION + round(self.error_ppm * 1000)
        return elapsed_ns * self.rate_hz * parts_per_billion // (_NS_PER_SECOND * _BILLION)

    def elapsed_ns(self, samples: int) -> int:
        """Return how long after the start this many samples exist: the inverse of `samples_after`, rounded down."""
        parts_per_billion = _BILLION + round(self.error_ppm * 1000)
        return samples * _NS_PER_SECOND * _BILLION // (self.rate_hz * parts_per_billion)

    def frame_bytes(self) -> int:
        """Return the bytes of one sample of all channels (s16le)."""
        return self.channels * _BYTES_PER_VALUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Poured:
    """What a feeder has done: samples made by the source, told to truth, lost, and waiting before a full FIFO."""

    started_boottime_ns: int
    made_samples: int
    written_samples: int
    lost_samples: int
    backlog_samples: int


OnMoment = Callable[[int, int], None]
"""Told the number of a written sample and the CLOCK_BOOTTIME in ns at which it began."""


class Feeder:
    """Owns the pouring thread. Any thread may call the verbs; both callbacks are called on the feeder's thread."""

    def __init__(
        self,
        *,
        sound: SoundSource,
        clock: MicrophoneClock,
        fifo: Path,
        on_written: Callable[[bytes], None],
        on_moment: OnMoment | None = None,
    ) -> None:
        self._sound = sound
        self._clock = clock
        self._fifo = fifo
        self._on_written = on_written
        self._on_moment = on_moment
        self._frozen = threading.Event()
        self._zeroed = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)
        self._pipe: int | None = None
        self._backlog = b""
        self._started_ns = 0
        self._made = 0
        self._written = 0
        self._lost = 0
        self._unbroken_from: int | None = None  # sample made minus sample written, since sound was last lost

    def start(self) -> None:
        """Start the thread; sample 0 is made now."""
        self._started_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self._thread.start()

    def stop(self, limit_seconds: float) -> bool:
        """End the thread and close the FIFO; False when it had not ended within the limit."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join(limit_seconds)
        return not self._thread.is_alive()

    def freeze(self, frozen: bool) -> None:
        """Stop (or go on) delivering while the source stays plugged in; sound made meanwhile is lost."""
        _switch(self._frozen, frozen)

    def zero(self, zeroed: bool) -> None:
        """Deliver digital zero (a dead capsule behind a live converter) instead of the sound, or the sound again."""
        _switch(self._zeroed, zeroed)

    def poured(self) -> Poured:
        """Return the counts as they stand; read without a lock, so fields may be one tick apart."""
        return Poured(
            started_boottime_ns=self._started_ns,
            made_samples=self._made,
            written_samples=self._written,
            lost_samples=self._lost,
            backlog_samples=len(self._backlog) // self._clock.frame_bytes(),
        )

    def _run(self) -> None:
        try:
            while not self._ending.wait(TICK_SECONDS):
                self._tick(time.clock_gettime_ns(time.CLOCK_BOOTTIME))
        except Exception:
            # The microphone falls silent, which the recorder must notice by itself; the log says why.
            LOG.exception("feeder ended: the simulated microphone is silent from here on")
        finally:
            self._close()

    def _tick(self, now_ns: int) -> None:
        due = self._clock.samples_after(now_ns - self._started_ns) - self._made
        most = BACKLOG_SECONDS * self._clock.rate_hz
        if due > most:  # the host slept; nobody heard that sound and making it now would stall the next ticks
            self._made += due - most
            self._lost += due - most
            due = most
        pcm = self._sound.read(due)
        self._made += due
        self._offer(bytes(len(pcm)) if self._zeroed.is_set() else pcm)

    def _offer(self, pcm: bytes) -> None:
        frame_bytes = self._clock.frame_bytes()
        if self._frozen.is_set() or not self._connected():
            self._lost += (len(pcm) + len(self._backlog)) // frame_bytes
            self._backlog = b""
            return
        # What waited longest is lost, so the backlog is always the newest sound made, without a hole in it.
        heard = self._backlog + pcm
        most_bytes = BACKLOG_SECONDS * self._clock.rate_hz * frame_bytes
        self._lost += max(0, len(heard) - most_bytes) // frame_bytes
        self._backlog = heard[-most_bytes:]
        self._tell_moment(self._made - len(self._backlog) // frame_bytes)
        self._pour()

    def _tell_moment(self, made: int) -> None:
        """Sample number `made` of the source is the next to be written: tell when it began, unless that follows."""
        if self._backlog and made - self._written != self._unbroken_from and self._on_moment is not None:
            self._unbroken_from = made - self._written
            self._on_moment(self._written, self._started_ns + self._clock.elapsed_ns(made))

    def _pour(self) -> None:
        # The server drops a chunk that does not hold whole samples, so only whole samples are offered at once, and
        # no more than the kernel takes in one piece (pipe(7)): a write succeeds entirely or not at all.
        step = _ATOMIC_WRITE_BYTES - _ATOMIC_WRITE_BYTES % self._clock.frame_bytes()
        taken = 0
        try:
            while taken < len(self._backlog) and self._pipe is not None:
                accepted = os.write(self._pipe, self._backlog[taken : taken + step])
                self._on_written(self._backlog[taken : taken + accepted])
                taken += accepted
        except BlockingIOError:
            LOG.debug("FIFO full, %d bytes wait for the next tick", len(self._backlog) - taken)
        except BrokenPipeError:
            LOG.info("the reading end of %s is gone", self._fifo.name)
            self._close()
        self._written += taken // self._clock.frame_bytes()
        self._backlog = self._backlog[taken:]

    def _connected(self) -> bool:
        if self._pipe is None:
            # No reader yet (ENXIO) or no FIFO at all: unplugged, tried again at the next tick.
            with contextlib.suppress(OSError):
                self._pipe = os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, FIFO_BYTES)
        return self._pipe is not None

    def _close(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None


def _switch(event: threading.Event, on: bool) -> None:
    if on:
        event.set()
    else:
        event.clear()
