"""The ladder with its memory: what outlives the process is on disk before anything is done that ends it.

CONTROL's thread. The file is small, replaced whole, local state that proves nothing. Where it cannot be read or written
the ladder is told so and orders neither a new process nor a new boot: a loop of either is impossible.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from edge import durable, ladder
from edge.durable import StorageFault
from edge.ladder import Act, BootMoment, Limits, Remembered, Rung, Signal
from edge.ports import Clock, Stream
from liuhen import cbor
from liuhen.errors import FormatError

LONGEST_BYTES = 1024
HASH_BYTES = 32
ID_BYTES = 16
MOST_COUNTED = 1_000_000


def recall(path: Path) -> Remembered:
    """What the file holds; empty where there is none, distrusted where it cannot be read or is not ours."""
    try:
        with durable.opened(path) as file:
            content = file.read(LONGEST_BYTES + 1)
    except FileNotFoundError:
        return Remembered()
    except OSError:
        return Remembered(trusted=False)
    return _decoded(content) or Remembered(trusted=False)


def remember(path: Path, memory: Remembered) -> None:
    """Replace the file, durably. Raises StorageFault."""
    rows = tuple((int(stream), count) for stream, count in memory.process_restarts)
    reboot = (memory.reboot.boot_id, memory.reboot.at_ns) if memory.reboot is not None else ()
    fields = cbor.encode({0: 1, 1: rows, 2: reboot, 3: int(memory.trusted)})
    durable.replace_file(path, hashlib.sha256(fields).digest() + fields)


def _decoded(content: bytes) -> Remembered | None:
    fields = content[HASH_BYTES:]
    if len(content) > LONGEST_BYTES or hashlib.sha256(fields).digest() != content[:HASH_BYTES]:
        return None
    try:
        mapped = cbor.decode_map(fields, where="ladder")
    except FormatError:
        return None
    match mapped:
        case {0: 1, 1: tuple(rows), 2: tuple(reboot), 3: 0 | 1 as trusted} if len(mapped) == len("0123"):
            counts, moment = _counts(rows), _moment(reboot)
            if counts is None or (moment is None and reboot):
                return None
            return Remembered(process_restarts=counts, reboot=moment, trusted=bool(trusted))
        case _:
            return None


def _counts(rows: tuple[object, ...]) -> tuple[tuple[Stream, int], ...] | None:
    counts: dict[Stream, int] = {}
    for row in rows:
        match row:
            case (int(stream), int(count)) if stream in list(Stream) and 0 < count <= MOST_COUNTED:
                counts[Stream(stream)] = count
            case _:
                return None
    return tuple(sorted(counts.items()))


def _moment(reboot: tuple[object, ...]) -> BootMoment | None:
    match reboot:
        case (bytes(boot_id), int(at_ns)) if len(boot_id) == ID_BYTES and at_ns >= 0:
            return BootMoment(boot_id=boot_id, at_ns=at_ns)
        case _:
            return None


class LadderKeeper:
    """The ladder of this process. `tell` gives the acts that may be carried out now."""

    def __init__(self, path: Path, limits: Limits, clock: Clock) -> None:
        """Recall what earlier processes did."""
        self._path = path
        self._limits = limits
        self._clock = clock
        self._held = recall(path)
        self._ladder = ladder.begin(clock.boot_id, self._held, clock.boottime_ns())

    def tell(self, signal: Signal) -> tuple[Act, ...]:
        """Step; what must outlive the process is durable on return, or nothing is ordered that would end it."""
        self._ladder, acts = ladder.step(self._ladder, signal, self._clock.boottime_ns(), self._limits)
        memory = self._ladder.memory
        if memory == self._held:
            return acts
        try:
            remember(self._path, memory)
            self._held = memory
        except StorageFault:
            self._ladder = ladder.distrust(self._ladder, self._held)
            self._held = self._ladder.memory
            return tuple(act for act in acts if act.rung not in (Rung.RESTART_PROCESS, Rung.REBOOT))
        return acts
