"""Every state that a power cut can leave of a disk, from the log of what it was asked to do. Pure.

What came before the last flush is there. Of what came after it the disk had some, in whatever order it liked, and tore
some of it at a sector. What was pending when a flush failed may be gone for good, although a later flush succeeds.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sim.block_disk import FAILED_FLUSH, FLUSH, MARKED, WRITE, Record

SECTOR_BYTES = 512
TORN_SHARE = 0.2
KEPT_SHARE = 0.5

Write = tuple[int, bytes]


class Kind(enum.Enum):
    """What happened to the disk."""

    SUBSET = "some of what was pending, in any order, some of it torn"
    PREFIX = "everything up to one write, in order"
    ROT = "as SUBSET, and then one bit of something acknowledged flipped"
    ROLLBACK = "the disk had lied for a while: what it holds is older than what was acknowledged"
    STRICT = "only what POSIX promises: file and directory each flushed by itself, the rest in any part"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One state: where the log is cut, how, and the seed of everything random about it and about what follows."""

    kind: Kind
    point: int
    seed: int

    @property
    def name(self) -> str:
        """As the command line takes it."""
        return f"{self.kind.name.lower()}:{self.point}:{self.seed}"

    @classmethod
    def from_name(cls, name: str) -> State:
        kind, point, seed = name.split(":")
        return cls(kind=Kind[kind.upper()], point=int(point), seed=int(seed))


def points(log: Sequence[Record]) -> list[int]:
    """Every length of the log directly before a disk is asked for something: marks after a flush belong to its cut."""
    return [*(at for at, record in enumerate(log) if record.kind in (WRITE, FLUSH)), len(log)]


def prefixes(log: Sequence[Record]) -> list[State]:
    """All states of disks that do everything in order."""
    before = [*(at for at, record in enumerate(log) if record.kind == WRITE), len(log)]
    return [State(kind=Kind.PREFIX, point=point, seed=point) for point in before]


def sample(log: Sequence[Record], kinds: Sequence[Kind], *, count: int, seed: int) -> list[State]:
    """So many states, the kinds in turn, the points spread over the log by the seed."""
    chance, possible = random.Random(seed), points(log)  # noqa: S311 - a test's choices, repeatable
    return [
        State(kind=kinds[number % len(kinds)], point=chance.choice(possible), seed=chance.getrandbits(32))
        for number in range(count)
    ]


def writes(log: Sequence[Record], disk: int, state: State) -> list[Write]:
    """What the disk holds over its base image: (offset, bytes), later ones over earlier ones."""
    chance = random.Random(state.seed)  # noqa: S311 - a test's choices, repeatable
    there, pending = _through(log, disk, _held_to(log, state), chance)
    if state.kind is Kind.PREFIX:
        return there + pending
    return there + left(pending, chance)


def everything(log: Sequence[Record], disk: int, point: int) -> list[Write]:
    """What a disk holds that keeps its promises and is not cut."""
    return [(r.offset, r.content) for r in log[:point] if r.kind == WRITE and r.disk == disk]


def acknowledged(log: Sequence[Record], point: int) -> list[bytes]:
    """The marks before a point."""
    return [record.content for record in log[:point] if record.kind == MARKED]


def held_marks(log: Sequence[Record], state: State) -> int:
    """How many of the marks before the cut name what this state must still hold."""
    return len(acknowledged(log, _held_to(log, state)))


def _held_to(log: Sequence[Record], state: State) -> int:
    """Where the disk stopped keeping its promises: at the cut, or where it began to lie."""
    if state.kind is not Kind.ROLLBACK:
        return state.point
    honest = [at for at in points(log) if at <= state.point] or [state.point]
    return random.Random(state.seed).choice(honest)  # noqa: S311 - a test's choices, repeatable


def _through(log: Sequence[Record], disk: int, point: int, chance: random.Random) -> tuple[list[Write], list[Write]]:
    """What is on the platter at a point of the log, and what is only in the disk's memory."""
    there: list[Write] = []
    pending: list[Write] = []
    for record in log[:point]:
        if record.disk != disk or record.kind == MARKED:
            continue
        if record.kind == WRITE:
            pending.append((record.offset, record.content))
        elif record.kind == FAILED_FLUSH:
            pending = [write for write in pending if chance.random() < KEPT_SHARE]
        else:
            there += pending
            pending = []
    return there, pending


def left(pending: Iterable[Write], chance: random.Random) -> list[Write]:
    """Some of what was pending, in any order, some of it torn."""
    left = [write for write in pending if chance.random() < KEPT_SHARE]
    chance.shuffle(left)
    return [part for write in left for part in (_torn(write, chance) if chance.random() < TORN_SHARE else [write])]


def _torn(write: Write, chance: random.Random) -> list[Write]:
    """Half the torn writes end at a sector, the others have holes."""
    offset, content = write
    sectors = [(offset + at, content[at : at + SECTOR_BYTES]) for at in range(0, len(content), SECTOR_BYTES)]
    if chance.random() < KEPT_SHARE:
        return sectors[: chance.randrange(len(sectors) + 1)]
    return [sector for sector in sectors if chance.random() < KEPT_SHARE]
