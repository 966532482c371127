"""Slices of crash states: which recordings are made, how each is cut, and what came of it.

A round makes its recordings anew from its seed and checks a share of the states on each. A state that fails keeps its
recording in a folder, and one command plays exactly that state again.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash import mounts, next_start, people, pool, recording, states, strict_recording
from tests.crash.mutants import Mutant
from tests.crash.next_start import Outcome
from tests.crash.recording import Plan, Recording, Trouble
from tests.crash.states import Kind, State
from tests.crash.strict_recording import StrictRecording
from tests.edge.media import RATE_HZ, pictures, sound
from tests.edge.ports_room import GOP

ROOT = Path(__file__).resolve().parents[2]
KEPT_FOLDER = ROOT / "artefacts" / "crash"
STATE_SECONDS = 240.0
"""A state takes a fraction of a second; beyond this it hangs, however busy the machine is."""
ROUND_STATES = 500
FAULTS_KEPT = 2
"""Of each kind."""
FAULT_LETTERS = 60
_NUMBERS = re.compile(r"[0-9a-f]{16,}|\d+")
MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - quick, and private by mkdtemp below it

Subject = Recording | StrictRecording


# -- slices ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One kind of recording, how it is cut, and its part of all states in per cent."""

    name: str
    make: Callable[[_Round], Subject]
    shares: tuple[tuple[Kind, int], ...]


class _Round:
    """One seed's recordings, each made when it is first asked for."""

    def __init__(self, folder: Path, seed: int, mutant: Mutant) -> None:
        self.folder = folder
        self.seed = seed
        self.mutant = mutant
        self._one_card: Recording | None = None

    def one_card(self) -> Recording:
        if self._one_card is None:
            self._one_card = self.on_disks("one-card")
        return self._one_card

    def on_disks(self, name: str, *, keys_apart: bool = False, trouble: Trouble = Trouble.NONE) -> Recording:
        plan = Plan(seed=self.seed, keys_apart=keys_apart, trouble=trouble, mutant=self.mutant)
        return recording.make(self.folder / name, plan)

    def with_people(self) -> Recording:
        plan = Plan(seed=self.seed, mutant=self.mutant, people=True)
        return recording.make(self.folder / "people", plan, people.LIVES)

    def after_a_cut(self) -> Recording:
        before = self.one_card()
        state = states.sample(before.log, (Kind.SUBSET,), count=1, seed=self.seed)[0]
        with next_start.disks_after(before, state) as images:
            promised = next_start.case_of(before, state).promised
            return recording.make_next(self.folder / "after-a-cut", before, images, promised.held)


SLICES = (
    Slice(
        name="a write of media fails once",
        make=lambda r: r.on_disks("media-write", trouble=Trouble.MEDIA_WRITE),
        shares=((Kind.SUBSET, 10),),
    ),
    Slice(
        name="a write of the journal fails once",
        make=lambda r: r.on_disks("journal-write", trouble=Trouble.JOURNAL_WRITE),
        shares=((Kind.SUBSET, 5),),
    ),
    Slice(
        name="a file system that keeps only what POSIX promises",
        make=lambda r: strict_recording.make(r.folder / "strict", r.seed, r.mutant),
        shares=((Kind.STRICT, 8),),
    ),
    Slice(
        name="the key and its memory on a disk that is not cut",
        make=lambda r: r.on_disks("keys-apart", keys_apart=True),
        shares=((Kind.ROLLBACK, 12), (Kind.SUBSET, 6), (Kind.ROT, 8)),
    ),
    Slice(
        name="hearings, visits, stores, terms and a destruction on one card",
        make=lambda r: r.with_people(),
        shares=((Kind.SUBSET, 7), (Kind.PREFIX, 2)),
    ),
    Slice(
        name="the same where only what POSIX promises is kept",
        make=lambda r: strict_recording.make(r.folder / "strict-people", r.seed, r.mutant, people.LIVES),
        shares=((Kind.STRICT, 4),),
    ),
    Slice(
        name="everything on one card",
        make=lambda r: r.one_card(),
        shares=((Kind.SUBSET, 13), (Kind.ROT, 6), (Kind.PREFIX, 6)),
    ),
    Slice(
        name="recovery itself is cut",
        make=_Round.after_a_cut,
        shares=((Kind.SUBSET, 7), (Kind.PREFIX, 3), (Kind.ROT, 3)),
    ),
)


# -- running them ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for. `every_prefix`: besides the sample, every prefix of the first round's first card.

    `only`: the slices that have this in their names, in place of all.
    """

    states: int
    seed: int
    mutant: Mutant = Mutant.NONE
    stop_at_first: bool = False
    every_prefix: bool = False
    at_once: int = 2
    only: str = ""
    keep: Path = KEPT_FOLDER


@dataclass(slots=True, kw_only=True)
class Summary:
    """What came of it. `failed`: one line for each failing state that is told, with the command that replays it."""

    states: int = 0
    failing: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def to_json(self) -> dict[str, object]:
        """For whoever started the program."""
        return {
            "states": self.states,
            "failing": self.failing,
            "kinds": dict(self.kinds),
            "notes": dict(self.notes),
            "faults": dict(self.faults),
            "failed": self.failed,
            "seconds": round(self.seconds, 1),
        }


def run(order: Order, say: Callable[[str], None]) -> Summary:
    """All states of an order. Takes a mount namespace of its own for this process. Raises OSError, NoBlockDisk."""
    mounts.own_namespace()
    _remove_leftovers()
    pictures(count=2 * GOP)
    sound(samples=RATE_HZ)
    summary, began = Summary(), time.monotonic()
    for number, count in enumerate(_rounds(order.states)):
        parent = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
        with tempfile.TemporaryDirectory(prefix=recording.NAMED_FOR_RUN, dir=parent) as folder:
            made = _Round(Path(folder), order.seed + number, order.mutant)
            for share, subject, chosen in _chosen(made, count, order, first=number == 0):
                _check_all(subject, chosen, summary, order)
                say(f"{share.name}: {len(chosen)} states, {summary.failing} failing so far")
                if summary.failing and order.stop_at_first:
                    break
        if summary.failing and order.stop_at_first:
            break
    summary.seconds = time.monotonic() - began
    return summary


def _remove_leftovers() -> None:
    """Folders in memory of runs that were killed: their mounts have gone with them, the bytes have not."""
    for folder in MEMORY_FOLDER.glob("liuhen-crash-*-*"):
        process = folder.name.split("-")[2]
        if process.isdecimal() and not Path(f"/proc/{process}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _rounds(count: int) -> list[int]:
    full, rest = divmod(count, ROUND_STATES)
    return [ROUND_STATES] * full + ([rest] if rest else [])


def _chosen(made: _Round, count: int, order: Order, *, first: bool) -> Iterator[tuple[Slice, Subject, list[State]]]:
    """Each slice with its recording and its states; a recording is made when the slice's turn has come."""
    for number, share in enumerate(SLICES):
        if order.only not in share.name:
            continue
        subject = share.make(made)
        chosen = [
            state
            for kind, percent in share.shares
            for state in _sample(subject, kind, round(count * percent / 100), made.seed * len(SLICES) + number)
        ]
        if order.every_prefix and first and subject is made.one_card():
            chosen += states.prefixes(made.one_card().log)
        yield share, subject, chosen


def _sample(subject: Subject, kind: Kind, count: int, seed: int) -> list[State]:
    if isinstance(subject, StrictRecording):
        return strict_recording.sample(subject, count=count, seed=seed)
    return states.sample(subject.log, (kind,), count=count, seed=random.Random(f"{kind.name} {seed}").getrandbits(32))  # noqa: S311 - repeatable


def _check_all(subject: Subject, chosen: Sequence[State], summary: Summary, order: Order) -> None:
    if subject.lost:
        _failed(subject, None, list(subject.lost), (summary, order.keep))
    answers = pool.run(
        chosen, lambda state: _in_child(subject, state), at_once=order.at_once, limit_seconds=STATE_SECONDS
    )
    for state, answer in answers:
        summary.states += 1
        summary.kinds[state.kind.name.lower()] += 1
        notes, faults = answer.get("notes"), answer.get("faults")
        summary.notes.update(notes if isinstance(notes, dict) else {})
        if isinstance(faults, list) and faults:
            _failed(subject, state, [*map(str, faults), *_traceback(answer)], (summary, order.keep))
            if order.stop_at_first:
                answers.close()
                return


def _traceback(answer: pool.Answer) -> list[str]:
    text = answer.get("traceback")
    return [str(text)] if text else []


def _in_child(subject: Subject, state: State) -> pool.Answer:
    mounts.own_namespace()
    return check(subject, state).to_answer()


def check(subject: Subject, state: State) -> Outcome:
    """One state, in this process and namespace."""
    folder = Path(tempfile.mkdtemp(prefix="liuhen-state-", dir=subject.folder.parent))
    try:
        if isinstance(subject, StrictRecording):
            return strict_recording.check(subject, state, folder / "root")
        return next_start.check(subject, state, folder / "root")
    finally:
        shutil.rmtree(folder)


def _failed(subject: Subject, state: State | None, faults: list[str], told: tuple[Summary, Path]) -> None:
    summary, kept = told
    summary.failing += 1
    kind = _NUMBERS.sub("N", faults[0])[:FAULT_LETTERS]
    summary.faults[kind] += 1
    if summary.faults[kind] > FAULTS_KEPT:
        return
    folder = keep(subject, kept)
    command = f".venv/bin/python -m tests.crash replay {os.path.relpath(folder, ROOT)}"
    summary.failed.append(f"{faults[0]} | replay: {command} {state.name if state is not None else ''}".rstrip())
    summary.failed += [f"    {fault}" for fault in faults[1:]]


def keep(subject: Subject, folder: Path) -> Path:
    """Copy a recording to where it stays; the same one is kept once."""
    stamp = (subject.folder / recording.STORY).stat().st_mtime_ns
    target = folder / f"{subject.folder.name}-{stamp}"
    if not target.exists():
        target.mkdir(parents=True)
        things = [thing for thing in sorted(subject.folder.iterdir()) if thing.name not in _EMPTIED]
        subprocess.run(["cp", "-a", "--sparse=always", *things, target], check=True)
    return target


_EMPTIED = frozenset({"mounted", "fuse", "served"})


def load(folder: Path) -> Subject:
    """A kept recording."""
    for name in _EMPTIED:
        (folder / name).mkdir(exist_ok=True)
    if (folder / "behind").is_dir():
        return strict_recording.load(folder)
    return recording.load(folder)
