"""The long run: so many inputs over all targets by their shares, in two processes, with time and memory watched.

Each worker owns a folder of its own below the given one; the pool ends with the call. A worker that dies or does not
come back in time is a fault like any other.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.fuzz.engine import Tally, Target, fuzz
from tests.fuzz.targets import targets

INPUTS = 1_000_000
SEED = 3
WORKERS = 2
CHUNK_INPUTS = 2_000
TIME_LIMIT_SECONDS = 1_200.0
GROWTH_LIMIT_BYTES = 24 * 1024 * 1024

Outcome = tuple[list[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Some inputs of one target."""

    target: str
    seed: int
    first: int
    end: int
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What they showed, and the memory of the worker after them."""

    tally: Tally
    worker: int
    resident_bytes: int


@dataclass(slots=True, kw_only=True)
class Summary:
    """All results so far. `resident` is each worker's memory after each of its jobs."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    resident: dict[int, list[int]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)

    def add(self, done: Done) -> None:
        """Take in one job."""
        self.tallies.setdefault(done.tally.target, Tally(target=done.tally.target)).add(done.tally)
        self.resident.setdefault(done.worker, []).append(done.resident_bytes)

    @property
    def growth_bytes(self) -> int:
        """The most that any worker's memory grew in its second half: the first half has met every target."""
        return max(
            (max(sizes[len(sizes) // 2 :]) - max(sizes[: len(sizes) // 2 + 1]) for sizes in self.resident.values()),
            default=0,
        )


def campaign(folder: Path, *, inputs: int = INPUTS, seed: int = SEED) -> Outcome:
    """Run all of it; the lines of the result and whether nothing was found."""
    summary = _run(jobs(targets(folder / "plan"), inputs, seed, folder))
    faults = [fault.line() for tally in summary.tallies.values() for fault in tally.faults] + summary.lost
    if summary.growth_bytes > GROWTH_LIMIT_BYTES:
        faults.append(f"a worker grew by {summary.growth_bytes} bytes")
    total = sum(tally.inputs for tally in summary.tallies.values())
    lines = [
        f"inputs: {total} (seed {seed}), targets: {len(summary.tallies)}, workers: {WORKERS}",
        f"memory of a worker, growth over its second half: {max(0, summary.growth_bytes) / 2**20:.1f} MiB "
        f"(bound {GROWTH_LIMIT_BYTES / 2**20:.0f})",
        f"{'target':<16} {'inputs':>8} {'accepted':>9} {'slowest ms':>11} {'its number':>11} {'largest peak KiB':>17}",
        *(_row(tally) for tally in summary.tallies.values()),
        *(f"FAULT: {fault}" for fault in faults),
    ]
    return lines, not faults and total == inputs


def jobs(found: dict[str, Target], inputs: int, seed: int, folder: Path) -> list[Job]:
    """The inputs divided by the targets' shares; jobs of all targets in turn, so that each half meets every target."""
    counts = divided(found, inputs)
    rounds = max(-(-count // CHUNK_INPUTS) for count in counts.values())
    planned = []
    for turn in range(rounds):
        for name, count in counts.items():
            first, end = count * turn // rounds, count * (turn + 1) // rounds
            if end > first:
                planned.append(Job(target=name, seed=seed, first=first, end=end, folder=folder))
    return planned


def divided(found: dict[str, Target], inputs: int) -> dict[str, int]:
    """How many inputs each target gets; together exactly `inputs`."""
    whole = sum(target.share for target in found.values())
    counts, given, shares = {}, 0, 0
    for name, target in found.items():
        shares += target.share
        counts[name] = inputs * shares // whole - given
        given += counts[name]
    return counts


def _run(planned: list[Job]) -> Summary:
    summary = Summary()
    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        pending = [pool.submit(work, job) for job in planned]
        try:
            for done in _finished(pending):
                summary.add(done)
        except (BrokenProcessPool, TimeoutError) as error:
            done_jobs = sum(future.done() for future in pending)
            summary.lost.append(f"a worker died or hung after {done_jobs} jobs: {error!r}")
            for process in list(pool._processes.values()):
                process.kill()
            pool.shutdown(cancel_futures=True)
    return summary


def _finished(pending: list[Future[Done]]) -> Iterator[Done]:
    for future in as_completed(pending, timeout=TIME_LIMIT_SECONDS):
        yield future.result()


def work(job: Job) -> Done:
    """One job, in a worker."""
    own = job.folder / f"worker-{os.getpid()}"
    target = _targets(own)[job.target]
    place = own / f"{job.target}-{job.first}"
    place.mkdir()
    tally = fuzz(target, seed=job.seed, numbers=range(job.first, job.end), folder=place)
    return Done(tally=tally, worker=os.getpid(), resident_bytes=resident_bytes())


@cache
def _targets(own: Path) -> dict[str, Target]:
    return targets(own / "seeds")


def resident_bytes() -> int:
    """Memory of this process now (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _row(tally: Tally) -> str:
    return (
        f"{tally.target:<16} {tally.inputs:>8} {tally.accepted:>9} {1000 * tally.slowest_seconds:>11.0f} "
        f"{tally.slowest_number:>11} {tally.peak_bytes / 1024:>17.0f}"
    )
