"""The recovery campaign: a start on ten thousand sealed segments against a start on ten, and what else reads the log.

Owns the folder it is given; leaves nothing running.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.longlog.measure import RATIO_LIMIT, Examined, recoveries
from tests.longlog.spools import ROOT, LongLog

LONG, SHORT, STARTS = 10_000, 10, 9
COMMAND_LIMIT_SECONDS = 600


def recovery(folder: Path) -> tuple[list[str], bool]:
    """Lines of text and whether everything promised was kept."""
    measured = recoveries(folder, segments=(LONG, SHORT), starts=STARTS)
    log = LongLog(folder=folder / f"log-{LONG}")
    found = measured.faults()
    listed = _seconds(["edge", "spool", "ls", str(log.spool)], found)
    verified = _seconds(["liuhen.cli", str(log.spool), "--trust", str(log.trust_file)], found)
    journal = sum(path.stat().st_size for path in (log.spool / "journal").iterdir())
    lines = [
        f"segments: {LONG} and {SHORT}, ten seconds each, with their journal ({journal / 1e6:.1f} MB for the long one)",
        f"medians of {STARTS} starts on each, alternating; bound {RATIO_LIMIT}, and equally many files opened",
        *_told("after SIGKILL in the middle of a segment, session resumed", measured.killed),
        *_told("after an orderly stop, new session", measured.orderly),
        f"negative control, both slots removed: {measured.slotless.wiring_seconds:.2f} s in the recorder, "
        f"{measured.slotless_touched.read_bytes} bytes read",
        f"`liuhen spool ls` on {log.segments()} segments: {listed:.1f} s; `liuhen-verify`: {verified:.1f} s",
        *(f"FAULT: {fault}" for fault in found),
    ]
    return lines, not found


def _told(what: str, examined: Examined) -> list[str]:
    compared, long, short = examined.compared, examined.long, examined.short
    return [
        f"{what}:",
        f"  process start to first durable fragment: {compared.long.process_seconds:.3f} s against "
        f"{compared.short.process_seconds:.3f} s, ratio {compared.process_ratio:.2f}",
        f"  of it in the recorder (no interpreter, no imports): {1000 * compared.long.wiring_seconds:.0f} ms against "
        f"{1000 * compared.short.wiring_seconds:.0f} ms, ratio {compared.wiring_ratio:.2f}",
        f"  files and folders opened (strace): {len(long.opened)} against {len(short.opened)}; "
        f"bytes read: {long.read_bytes} against {short.read_bytes}",
        f"  resident memory, highest: {compared.long.resident_mib:.0f} MiB against "
        f"{compared.short.resident_mib:.0f} MiB",
    ]


def _seconds(module: list[str], found: list[str]) -> float:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *module],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT_SECONDS,
    )
    if done.returncode != 0:
        found.append(f"{module[:2]} ended with {done.returncode}: {done.stderr or done.stdout[:400]}")
    return time.monotonic() - began
