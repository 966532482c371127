"""Feeds inputs to one target and watches: what leaves it, how long it takes, how much it holds, whether it comes back.

One input follows from (target, seed, number), so each fault is replayed by itself. Runs in the main thread of its
process (the alarm of a hang is a signal); ends by its count. Nothing is on disk but the target's own folder.
"""

from __future__ import annotations

import contextlib
import enum
import random
import signal
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

LIMIT_SECONDS = 2.0
TRACED_EVERY = 64
PEAK_LIMIT_BYTES = 8 * 1024 * 1024
PEAK_PER_BYTE = 200
MOST_FAULTS = 5


class Broken(Exception):
    """An input was accepted and does not come back as it was, or its parts do not add up."""


class _Hang(BaseException):
    """The alarm: an input takes too long. No target may catch it."""


class Kind(enum.StrEnum):
    """What went wrong."""

    CRASH = "crash"
    HANG = "hang"
    GROWTH = "growth"
    BROKEN = "broken"


Run = Callable[[bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something that reads bytes from outside. `refusals` are the only exceptions that may leave it.

    `prepare` makes the reader, with a folder of its own; `draw` makes one input.
    """

    name: str
    draw: Callable[[random.Random], bytes]
    prepare: Callable[[Path], Run]
    refusals: tuple[type[Exception], ...]
    share: int = 1
    seeds: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One input that went wrong."""

    target: str
    seed: int
    number: int
    kind: Kind
    what: str

    def line(self) -> str:
        """What happened and the command that shows it again."""
        return f"{self.kind}: {self.what} -- python -m tests.fuzz replay {self.target} {self.seed} {self.number}"


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a run of one target showed. `peak_bytes` is over the inputs that were traced."""

    target: str
    inputs: int = 0
    accepted: int = 0
    slowest_seconds: float = 0.0
    slowest_number: int = -1
    peak_bytes: int = 0
    faults: list[Fault] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take in the rest of the same target."""
        self.inputs += other.inputs
        self.accepted += other.accepted
        if other.slowest_seconds > self.slowest_seconds:
            self.slowest_seconds, self.slowest_number = other.slowest_seconds, other.slowest_number
        self.peak_bytes = max(self.peak_bytes, other.peak_bytes)
        self.faults += other.faults


def drawn(target: Target, seed: int, number: int) -> bytes:
    """The input of this number."""
    return target.draw(random.Random(f"{target.name} {seed} {number}"))  # noqa: S311 -- reproducible, no secret


def fuzz(target: Target, *, seed: int, numbers: Iterable[int], folder: Path, limit: float = LIMIT_SECONDS) -> Tally:
    """Feed the inputs of these numbers; stops early after a few faults."""
    inputs = ((number, drawn(target, seed, number)) for number in numbers)
    return watch(target, inputs, seed=seed, folder=folder, limit=limit)


def watch(
    target: Target, inputs: Iterable[tuple[int, bytes]], *, seed: int, folder: Path, limit: float = LIMIT_SECONDS
) -> Tally:
    """The same for inputs that are given, each with its number."""
    tally, run = Tally(target=target.name), target.prepare(folder)
    with _alarm():
        for number, encoded in inputs:
            fault = _feed(target, run, encoded, tally=tally, number=number, limit=limit)
            if fault is not None:
                tally.faults.append(Fault(target=target.name, seed=seed, number=number, kind=fault[0], what=fault[1]))
            if len(tally.faults) >= MOST_FAULTS:
                break
    return tally


def _feed(
    target: Target, run: Run, encoded: bytes, *, tally: Tally, number: int, limit: float
) -> tuple[Kind, str] | None:
    """One input; what went wrong, or None. The alarm must be set."""
    traced = number % TRACED_EVERY == 0
    if traced:
        tracemalloc.start()
    began = time.process_time()
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, limit)
        outcome = _outcome(target, run, encoded, tally)
    except _Hang:
        outcome = (Kind.HANG, f"over {limit:g} s of processor time for {len(encoded)} bytes")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        peak = tracemalloc.get_traced_memory()[1] if traced else 0
        if traced:
            tracemalloc.stop()
    took = 0.0 if traced else time.process_time() - began
    tally.inputs += 1
    tally.peak_bytes = max(tally.peak_bytes, peak)
    if took > tally.slowest_seconds:
        tally.slowest_seconds, tally.slowest_number = took, number
    if outcome is None and peak > PEAK_LIMIT_BYTES + PEAK_PER_BYTE * len(encoded):
        outcome = (Kind.GROWTH, f"{peak} bytes held for {len(encoded)} bytes of input")
    return outcome


def _outcome(target: Target, run: Run, encoded: bytes, tally: Tally) -> tuple[Kind, str] | None:
    try:
        run(encoded)
    except target.refusals:
        return None
    except Broken as error:
        return Kind.BROKEN, str(error)
    except MemoryError as error:
        return Kind.GROWTH, repr(error)
    except Exception as error:  # noqa: BLE001 -- whatever else leaves a reader is what is looked for
        return Kind.CRASH, repr(error)[:200]
    tally.accepted += 1
    return None


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    """SIGVTALRM counts processor time, so that a busy machine is no hang."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise _Hang

    before = signal.signal(signal.SIGVTALRM, ring)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
