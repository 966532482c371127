"""How much memory and time `liuhen-verify` takes for archives of many gigabytes, measured from outside.

Owns the verifier processes it starts. For a slice in CI, the campaign and the benchmark.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from liuhen import keys
from tests.signing.big_archive import SEGMENT_BYTES, hollow_archive

GIGABYTE = 10**9
SMALL_PART = 10
CAMPAIGN_GIGABYTES = 50.0
PEAK_LIMIT_MIB = 64.0
SLOPE_LIMIT_MIB_PER_GIGABYTE = 0.1
SPEEDUP_LIMIT = 1.6
PAIRS = 5
WATCHED = """
import re, resource, sys
from pathlib import Path
from liuhen import cli
code = cli.main(sys.argv[1:])
own = re.search(r"VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1]
sys.stderr.write(f"{own} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}")
sys.exit(code)
"""
"""The command, and what it and its workers held at most in KiB. `ru_maxrss` of a child would count its parent."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One run: what the largest of its processes held at most, how long it took, and how long its busiest one worked.

    On a machine with other work the last says what the first two would be without it.
    """

    peak_mib: float
    seconds: float
    busiest_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Speedup:
    """One process over two, medians over interleaved pairs."""

    elapsed: float
    busiest: float


def make(root: Path, gigabytes: float) -> Path:
    """An archive of so many gigabytes on paper; returns the trust file beside it."""
    device = hollow_archive(root, segments=max(1, round(gigabytes * GIGABYTE / SEGMENT_BYTES)))
    trust = root.with_suffix(".trust")
    trust.write_bytes(keys.trust_bytes(device.trust()))
    return trust


def verified(root: Path, trust: Path, *, jobs: int) -> Cost:
    """Verify it. Raises RuntimeError unless it is intact and vouched for."""
    command = [sys.executable, "-c", WATCHED, str(root), "--trust", str(trust), "--jobs", str(jobs)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    seconds = time.monotonic() - started
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    own, others = (sum(map(int, pair)) / TICKS for pair in (fields[11:13], fields[13:15]))
    _, said = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"liuhen-verify ended with {process.returncode}")
    peak_kib = max(map(int, said.split()))
    return Cost(peak_mib=peak_kib / 1024, seconds=seconds, busiest_seconds=max(own, others / max(1, jobs - 1)))


def speedup(root: Path, trust: Path, *, pairs: int = PAIRS) -> Speedup:
    """Compare, with the page cache warm."""
    verified(root, trust, jobs=1)
    found = [tuple(verified(root, trust, jobs=jobs) for jobs in (1, 2)) for _ in range(pairs)]
    return Speedup(
        elapsed=statistics.median(one.seconds / two.seconds for one, two in found),
        busiest=statistics.median(one.busiest_seconds / two.busiest_seconds for one, two in found),
    )


def big(folder: Path, gigabytes: float, *, pairs: int = PAIRS) -> tuple[list[str], bool]:
    """Flat memory from a tenth of the size to all of it, and the gain of a second process: lines and a verdict."""
    small, large = folder / "small", folder / "large"
    small_trust, large_trust = make(small, gigabytes / SMALL_PART), make(large, gigabytes)
    costs = [
        (part, jobs, verified(root, trust, jobs=jobs))
        for part, root, trust in ((1 / SMALL_PART, small, small_trust), (1.0, large, large_trust))
        for jobs in (1, 2)
    ]
    faster = speedup(small, small_trust, pairs=pairs)
    slope = max(
        (big_one.peak_mib - small_one.peak_mib) / (gigabytes * (1 - 1 / SMALL_PART))
        for big_one, small_one in ((costs[2][2], costs[0][2]), (costs[3][2], costs[1][2]))
    )
    peak = max(cost.peak_mib for _, _, cost in costs)
    on_disk = sum(file.stat().st_blocks * 512 for file in large.rglob("*") if file.is_file())
    segment_megabytes = SEGMENT_BYTES / 1e6
    lines = [
        f"archive: {gigabytes:g} GB on paper in segments of {segment_megabytes:.0f} MB, {on_disk / 1e6:.0f} MB on disk",
        *(
            f"{gigabytes * part:g} GB, {jobs} process{'es' if jobs > 1 else ''}: "
            f"peak {cost.peak_mib:.1f} MiB in the largest, {cost.seconds:.1f} s"
            for part, jobs, cost in costs
        ),
        f"memory slope: {slope:+.3f} MiB per GB (bound {SLOPE_LIMIT_MIB_PER_GIGABYTE})",
        f"peak bound: {PEAK_LIMIT_MIB:g} MiB",
        f"two processes against one at {gigabytes / SMALL_PART:g} GB, median of {pairs} pairs:",
        f"  {faster.elapsed:.2f} times as fast by the clock of this machine and what else ran on it",
        f"  {faster.busiest:.2f} times by processor time of the busiest process (bound {SPEEDUP_LIMIT})",
    ]
    held = peak <= PEAK_LIMIT_MIB and slope <= SLOPE_LIMIT_MIB_PER_GIGABYTE and faster.busiest >= SPEEDUP_LIMIT
    return lines, held


def campaign(folder: Path) -> tuple[list[str], bool]:
    """`make campaign ARGS=big`: fifty gigabytes on paper."""
    return big(folder, CAMPAIGN_GIGABYTES)
