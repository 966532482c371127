"""What a start costs: seconds to the first durable fragment, memory, and the files it opens below spool and keys.

Every comparison is a median over starts that alternate between a long log and a short one on the same machine.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.desk_schedule import RECALLED_BYTES
from edge.read_back import TAIL_BYTES
from tests.longlog.spools import ROOT, LongLog, make
from tests.longlog.start import CALLED, DURABLE

LIMIT_SECONDS = 300
RATIO_LIMIT = 1.5
READ_MORE_BYTES = 4096 + TAIL_BYTES + RECALLED_BYTES
"""A tree's peaks and larger numbers make a slot and an entry a little longer, and the journal's end is read back up to
`TAIL_BYTES`, and for a schedule up to `RECALLED_BYTES`, which a short journal does not have; nothing else may grow."""
OPENING = re.compile(r'\b(?:openat|open|creat|openat2)\([^"]*"(?P<path>[^"]*)".*\) = (?P<number>\d+)')
READING = re.compile(r"\b(?:read|pread64|readv|preadv)\((?P<number>\d+)<(?P<path>[^>]*)>.*\) = (?P<size>\d+)")
TRACED = "trace=openat,open,creat,openat2,read,pread64,readv,preadv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """One start: from the process's beginning, and from the call of the recorder's wiring."""

    process_seconds: float
    wiring_seconds: float
    resident_mib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What one start opened in the log's spool and key folder (a path per opening) and how much of it it read."""

    opened: tuple[str, ...]
    read_bytes: int

    def kinds(self) -> Counter[str]:
        """How often each kind of file was opened; # stands for every number and id."""
        return Counter(re.sub(r"[0-9a-f]{32,}|\d+", "#", path) for path in self.opened)


def start(log: LongLog, *, orderly: bool) -> Started:
    """Start once, with a clock outside."""
    reader, writer = os.pipe()
    began = time.monotonic()
    process = subprocess.Popen(_command(log, orderly=orderly), cwd=ROOT, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    with os.fdopen(reader, "rb") as lines:
        called, durable, resident = ((lines.readline(), time.monotonic()) for _ in range(3))
    _, words = process.communicate(timeout=LIMIT_SECONDS)
    if (called[0], durable[0]) != (CALLED, DURABLE):
        raise RuntimeError(f"a start on {log.folder} failed: {words.decode(errors='replace')}")
    return Started(
        process_seconds=durable[1] - began,
        wiring_seconds=durable[1] - called[1],
        resident_mib=int(resident[0]) / 1024,
    )


def touched(log: LongLog, trace_file: Path, *, orderly: bool) -> Touched:
    """Start once under strace."""
    trace = ["strace", "-f", "-y", "-qq", "-e", TRACED, "-e", "signal=none", "-o", str(trace_file)]
    subprocess.run(
        [*trace, *_command(log, orderly=orderly)], cwd=ROOT, check=False, capture_output=True, timeout=LIMIT_SECONDS
    )
    return touched_in(trace_file.read_text(errors="replace").splitlines(), log.folder)


def touched_in(lines: Sequence[str], folder: Path) -> Touched:
    """Read a trace. Relative names do not occur: the recorder's folders are absolute."""
    own = (f"{folder}/spool", f"{folder}/keys")
    opened: list[str] = []
    read_bytes = 0
    for line in lines:
        if (found := OPENING.search(line)) is not None and found["path"].startswith(own):
            opened.append(found["path"].removeprefix(f"{folder}/"))
        elif (found := READING.search(line)) is not None and found["path"].startswith(own):
            read_bytes += int(found["size"])
    return Touched(opened=tuple(opened), read_bytes=read_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Medians over alternating starts."""

    long: Started
    short: Started
    starts: int

    @property
    def process_ratio(self) -> float:
        """Time from process start to the first durable fragment, long over short."""
        return self.long.process_seconds / self.short.process_seconds

    @property
    def wiring_ratio(self) -> float:
        """The same from the call of the recorder's wiring: without the interpreter and its imports."""
        return self.long.wiring_seconds / self.short.wiring_seconds


def compare(long: LongLog, short: LongLog, *, starts: int, orderly: bool) -> Compared:
    """Start on both in turn. The first pair is not counted: what it finds was left behind by another kind of end."""
    pairs = [(start(long, orderly=orderly), start(short, orderly=orderly)) for _ in range(starts + 1)][1:]
    longs, shorts = zip(*pairs, strict=True)
    return Compared(long=_median(longs), short=_median(shorts), starts=starts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One kind of end, compared between a long log and a short one."""

    compared: Compared
    long: Touched
    short: Touched


@dataclass(frozen=True, slots=True, kw_only=True)
class Recoveries:
    """After a kill and after an orderly stop; and, to see that the measure can tell, without what a start relies on."""

    segments: tuple[int, int]
    killed: Examined
    orderly: Examined
    slotless: Started
    slotless_touched: Touched

    def faults(self) -> list[str]:
        """One line for each promise that was not kept."""
        found = []
        for end, examined in (("a kill", self.killed), ("an orderly stop", self.orderly)):
            if examined.compared.process_ratio > RATIO_LIMIT:
                found.append(f"after {end} a start takes {examined.compared.process_ratio:.2f} times as long")
            if examined.long.kinds() != examined.short.kinds():
                found.append(f"after {end}: {dict(examined.long.kinds())} against {dict(examined.short.kinds())}")
            if examined.long.read_bytes > examined.short.read_bytes + READ_MORE_BYTES:
                found.append(f"after {end} it reads {examined.long.read_bytes} against {examined.short.read_bytes}")
        return found


def recoveries(folder: Path, *, segments: tuple[int, int], starts: int) -> Recoveries:
    """Make a long log and a short one, each left open by a kill, and compare starts on them."""
    long, short = (make(folder / f"log-{count}", segments=count, killed=True) for count in segments)
    killed, orderly = (_examine(folder, long, short, starts=starts, orderly=orderly) for orderly in (False, True))
    for slot in (long.spool / "device").glob("slot-*"):
        slot.unlink()
    slotless = start(long, orderly=True)
    for slot in (long.spool / "device").glob("slot-*"):
        slot.unlink()
    return Recoveries(
        segments=segments,
        killed=killed,
        orderly=orderly,
        slotless=slotless,
        slotless_touched=touched(long, folder / "trace", orderly=True),
    )


def _examine(folder: Path, long: LongLog, short: LongLog, *, starts: int, orderly: bool) -> Examined:
    compared = compare(long, short, starts=starts, orderly=orderly)
    return Examined(
        compared=compared,
        long=touched(long, folder / "trace", orderly=orderly),
        short=touched(short, folder / "trace", orderly=orderly),
    )


def _median(rows: Sequence[Started]) -> Started:
    return Started(
        process_seconds=statistics.median(row.process_seconds for row in rows),
        wiring_seconds=statistics.median(row.wiring_seconds for row in rows),
        resident_mib=statistics.median(row.resident_mib for row in rows),
    )


def _command(log: LongLog, *, orderly: bool) -> list[str]:
    command = [sys.executable, "-m", "tests.longlog.start", str(log.folder)]
    return [*command, "--orderly"] if orderly else command
