"""The real recorder on a folder that keeps only what POSIX promises, and every state that a cut can leave of it."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.crash import evidence, recording
from tests.crash.evidence import Acknowledgement, Kept, Truth
from tests.crash.mutants import Mutant
from tests.crash.next_start import Case, Outcome, Promised, judge
from tests.crash.recording import Life
from tests.crash.states import Kind, State
from tests.crash.strict_folder import Noted, StrictFolder, Tree, read_log

ASKED = frozenset({"create", "mkdir", "rename", "unlink", "write", "truncate", "fsync", "fsyncdir"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StrictRecording:
    """A recording in memory; `base` is the folder as it was before the log began, and is only read."""

    folder: Path
    base: Path
    log: tuple[Noted, ...]
    kept: tuple[Kept, ...]
    lost: tuple[str, ...]
    truth: dict[str, Truth]
    mutant: Mutant
    people: bool


def make(folder: Path, seed: int, mutant: Mutant, lives: Sequence[Life] = ()) -> StrictRecording:
    """The same runs as on a block disk; the folder then holds the recording. Needs an own namespace."""
    behind, base, served = folder / "behind", folder / "base", folder / "served"
    for path in (behind, served):
        path.mkdir(parents=True)
    recording.device_at(behind)
    shutil.copytree(behind, base)
    server = StrictFolder(served, folder / "log", behind)
    try:
        codes = [recording.live(served, life, server.mark, mutant) for life in lives or recording.two_sessions(seed)]
    finally:
        server.close()
    heard = [Acknowledgement.from_line(noted[4]) for noted in read_log(folder / "log") if noted[0] == "mark"]
    kept, lost = evidence.kept(heard, behind / "spool")
    story = {
        "mutant": mutant.name,
        "people": bool(lives),
        "kept": [recording.row_of(one) for one in kept],
        "lost": [
            *(f"acknowledged and not there at the end of the recording: {what}" for what in lost),
            *(f"recorder {number} ended with exit code {code}" for number, code in enumerate(codes) if code),
        ],
    }
    (folder / recording.STORY).write_text(json.dumps(story), encoding="ascii")
    return load(folder)


def load(folder: Path) -> StrictRecording:
    """A recording from its folder."""
    story = json.loads((folder / recording.STORY).read_text(encoding="ascii"))
    spool = folder / "behind" / "spool"
    return StrictRecording(
        folder=folder,
        base=folder / "base",
        log=tuple(read_log(folder / "log")),
        kept=tuple(recording.kept_of(row) for row in story["kept"]),
        lost=tuple(story["lost"]),
        truth={str(path.relative_to(spool)): Truth.of(path) for path in spool.glob("sessions/*/*.mp4")},
        mutant=Mutant[story["mutant"]],
        people=story["people"],
    )


def sample(made: StrictRecording, *, count: int, seed: int) -> list[State]:
    """So many states, cut directly before something is asked of the folder."""
    chance = random.Random(seed)  # noqa: S311 - a test's choices, repeatable
    points = [*(at for at, noted in enumerate(made.log) if noted[0] in ASKED), len(made.log)]
    return [State(kind=Kind.STRICT, point=chance.choice(points), seed=chance.getrandbits(32)) for _ in range(count)]


def check(made: StrictRecording, state: State, folder: Path) -> Outcome:
    """Everything about one state; the folder is made for it."""
    tree = Tree(made.base)
    for noted in made.log[: state.point]:
        tree.note(noted)
    tree.leave(folder, random.Random(state.seed))  # noqa: S311 - a test's choices, repeatable
    said = [noted[4] for noted in made.log[: state.point] if noted[0] == "mark"]
    promised = Promised.of(made.kept, said, len(said))
    outcome = Outcome()
    judge(
        Case(
            state=state,
            generation=0,
            boot=0,
            promised=promised,
            truth=made.truth,
            mutant=made.mutant,
            people=made.people,
        ),
        folder,
        outcome,
    )
    return outcome
