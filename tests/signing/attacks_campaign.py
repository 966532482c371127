"""The long run of the property test: every verb of tampering with many seeds, in two processes.

Each worker makes its own archives below the given folder; a changed archive is removed once it is judged. The pool ends
with the call.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.signing.checking import check
from tests.signing.evidence import Original, lay_out, rich_archive, same_evidence, unseen
from tests.signing.tampering import VERBS, Stage

SEEDS = 120
WORKERS = 2
MOST_SHOWN = 20

Outcome = tuple[list[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One verb over one archive: changes made, those found, those that are an exception, those that went unseen."""

    verb: str
    made: int
    found: int
    unseen: tuple[str, ...]


def campaign(folder: Path, *, seeds: int = SEEDS) -> Outcome:
    """All of it; the lines of the result and whether nothing went unseen."""
    jobs = [(number, ended, seeds, folder) for number in range(len(VERBS)) for ended in (True, False)]
    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        judged = list(pool.map(work, *zip(*jobs, strict=True)))
    escapes = [line for one in judged for line in one.unseen]
    made, found = (sum(getattr(one, name) for one in judged) for name in ("made", "found"))
    by_verb: Counter[str] = Counter()
    for one in judged:
        by_verb[one.verb] += one.made - one.found
    lines = [
        f"changes: {made}, by {len(VERBS)} verbs over 2 archives, {seeds} seeds each",
        f"found (not intact, or not vouched): {found}",
        f"believed, as one of the exceptions that the report tells: {made - found - len(escapes)}",
        f"gone unseen: {len(escapes)}",
        "believed, by verb: " + ", ".join(f"{name} {count}" for name, count in by_verb.most_common() if count),
        *(f"FAULT: {line}" for line in escapes[:MOST_SHOWN]),
    ]
    return lines, not escapes


def work(number: int, ended: bool, seeds: int, folder: Path) -> Judged:
    """One verb, in a worker."""
    verb, stage, place = VERBS[number], _stage(folder, ended), folder / f"changed-{os.getpid()}"
    made, found, escapes = 0, 0, []
    for seed in range(seeds):
        files = verb(random.Random(f"{verb.__name__} {seed}"), stage)  # noqa: S311 -- reproducible, no secret
        if files is None or same_evidence(files, stage.original.files):
            continue
        lay_out(stage.original, files, place)
        report = check(place)
        shutil.rmtree(place)
        why = unseen(stage.original, files, report)
        made, found = made + 1, found + (not report.intact or report.vouched is None)
        escapes += [f"{verb.__name__}, seed {seed}, {'ended' if ended else 'cut'}: {why}"] if why else []
    return Judged(verb=verb.__name__, made=made, found=found, unseen=tuple(escapes))


@cache
def _stage(folder: Path, ended: bool) -> Stage:
    own = folder / f"stage-{os.getpid()}-{'ended' if ended else 'cut'}"
    for name, seed in (("original", 1), ("foreign", 2)):
        rich_archive(own / name, seed=seed, ended=ended)
    return Stage(original=Original(root=own / "original"), foreign=Original(root=own / "foreign"))
