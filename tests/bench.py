"""`make bench`: what sealing costs, how late a seal is, how fast the verifier is, as ratios measured in one run.

Every comparison is a median over interleaved pairs on this machine; absolute figures are printed for orientation only.
Writes `BENCHMARKS.md` with `--write`. Needs what `make setup` installs, `openssl`, `rclone` (without it the
store is left out), and about four minutes.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge.packet_queue import PacketQueue
from edge.segmenter import Cutting, Fragment, Opened, Segmenter
from liuhen.reader import SealedFragment, read_segment
from tests.bench_store import Against, against_rclone, missing
from tests.longlog.measure import RATIO_LIMIT, recoveries
from tests.read_back import load_recording
from tests.replay import Recording, plain_steps, replay_session
from tests.signing.big_verify import SPEEDUP_LIMIT, make, speedup

LIVE_SECONDS = 40
STEADY_FROM_SECONDS = 12
STEADY_TO_SECONDS = 36
PAIRS = 5
PIPELINE_SECONDS = 120
RECOVERY_SEGMENTS = 1000
PARALLEL_GIGABYTES = 5.0
ARCHIVE_SECONDS = 3600
"""An hour's hearing, so that starting an interpreter does not decide the comparison."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """One real-time run of the whole recorder."""

    cpu_per_second: float
    resident_mib: float
    delays_ms: list[float]
    spool: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the result."""

    what: str
    value: str
    bound: str
    met: bool


def main() -> int:
    """Measure, print, and optionally write BENCHMARKS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="liuhen-bench-") as folder:
        rows = measure(Path(folder))
    text = table(rows)
    sys.stdout.write(text)
    if arguments.write is not None:
        arguments.write.write_text(document(text), encoding="utf-8")
    return 0 if all(row.met for row in rows) else 1


def measure(folder: Path) -> list[Row]:
    """Run every comparison."""
    compile_all()
    live = record_live(folder)
    recording = load_recording(live.spool)
    sealing = sealing_cpu_per_second(folder, recording)
    ratio = sealing / live.cpu_per_second
    delays = sorted(live.delays_ms)
    verify = verify_ratio(folder, recording)
    faster = speedup(folder / "large", make(folder / "large", PARALLEL_GIGABYTES))
    stored = against_rclone(folder) if not missing() else None
    resumed = recoveries(folder, segments=(RECOVERY_SEGMENTS, 10), starts=2 * PAIRS).killed.compared
    return [
        Row(
            what="CPU of hashing, sealing, signing and syncing over CPU of the whole recorder, 720p25 ultrafast",
            value=f"{100 * ratio:.1f} % ({1000 * sealing:.1f} of {1000 * live.cpu_per_second:.0f} ms per media second)",
            bound="<= 10 %",
            met=ratio <= 0.10,
        ),
        Row(
            what=f"seal delay, first frame's sensor time to fdatasync returned, {len(delays)} fragments",
            value=f"p50 {quantile(delays, 0.5):.0f} ms, p99 {quantile(delays, 0.99):.0f} ms, max {delays[-1]:.0f} ms",
            bound="<= 1000 ms",
            met=delays[-1] <= 1000,
        ),
        Row(
            what="verifier's throughput over `openssl dgst -sha256` on the same files, one core",
            value=f"{verify:.2f}",
            bound=">= 0.70",
            met=verify >= 0.70,
        ),
        Row(
            what=f"verifier's two processes against one, {PARALLEL_GIGABYTES:g} GB, by processor time of the busiest",
            value=f"{faster.busiest:.2f} ({faster.elapsed:.2f} by the clock of this machine)",
            bound=f">= {SPEEDUP_LIMIT:.2f}",
            met=faster.busiest >= SPEEDUP_LIMIT,
        ),
        Row(
            what="resident memory of `recorder`, highest, real-time path at 720p25",
            value=f"{live.resident_mib:.0f} MiB",
            bound="<= 160 MB",
            met=live.resident_mib * 1.048576 <= 160,
        ),
        Row(
            what=f"process start to first durable fragment after SIGKILL, {RECOVERY_SEGMENTS} segments over 10",
            value=f"{resumed.process_ratio:.2f} ({1000 * resumed.long.process_seconds:.0f} ms)",
            bound=f"<= {RATIO_LIMIT:g}",
            met=resumed.process_ratio <= RATIO_LIMIT,
        ),
        *(_store_rows(stored) if stored is not None else []),
    ]


def _store_rows(stored: Against) -> list[Row]:
    what = (
        "sender of `offload` over rclone, the same 24 files of 4 MiB to the same Ceph gateway over TLS, two at a time"
    )
    return [
        Row(what=f"{what}: sent", value=f"{stored.sending:.2f}", bound=">= 0.80", met=stored.sending >= 0.80),
        Row(what=f"{what}: sent and read back", value=f"{stored.with_read_back:.2f}", bound="none", met=True),
    ]


def compile_all() -> None:
    """Byte code of program and libraries, as `make install` leaves it on a device.

    Who runs a program for the first time compiles it too, which takes 11 MiB more than recording does.
    """
    folders = [sysconfig.get_path("purelib"), "edge", "drivers", "sim", "signing/liuhen"]
    subprocess.run([sys.executable, "-m", "compileall", "-q", "-j", "0", *folders], check=True, env=_caching())


# -- the whole recorder in real time ----------------------------------------------------------------------------------


def record_live(folder: Path) -> Live:
    """`liuhen sim` at its defaults (1280x720, 25 fps, ultrafast), watched from outside."""
    spool = folder / "live"
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "sim", "--spool", str(spool), "--seconds", str(LIVE_SECONDS), "--acks", str(writer)],
        pass_fds=(writer,),
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    arrivals: list[tuple[int, int, int]] = []
    listener = threading.Thread(target=_listen, args=(reader, arrivals), name="acks")
    listener.start()
    cpu, resident = _watch(process)
    code = process.wait(120)
    listener.join(30)
    if code != 0:
        raise RuntimeError(f"liuhen sim ended with {code}")
    return Live(cpu_per_second=cpu, resident_mib=resident, delays_ms=_delays(spool, arrivals), spool=spool)


def _listen(reader: int, arrivals: list[tuple[int, int, int]]) -> None:
    """Note when each acknowledgement arrived: (segment, fragment, boottime_ns)."""
    with os.fdopen(reader, "r", encoding="ascii") as lines:
        for line in lines:
            now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            kind, first, second, *_ = line.split()
            if kind == "F":
                arrivals.append((int(first), int(second), now_ns))


def _watch(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """CPU of the recorder process (its world is another) over a steady stretch, and its highest resident memory."""
    marks: list[tuple[float, float]] = []
    for wait_seconds in (STEADY_FROM_SECONDS, STEADY_TO_SECONDS - STEADY_FROM_SECONDS):
        if _ended_within(process, wait_seconds):
            raise RuntimeError("liuhen sim ended early")
        marks.append((time.monotonic(), _cpu_seconds(process.pid)))
    high_water = _status_kib(process.pid, "VmHWM") / 1024
    (t0, c0), (t1, c1) = marks
    return (c1 - c0) / (t1 - t0), high_water


def _ended_within(process: subprocess.Popen[bytes], limit_seconds: float) -> bool:
    try:
        process.wait(limit_seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _status_kib(pid: int, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    if found is None:
        raise LookupError(name)
    return int(found.group(1))


def _delays(spool: Path, arrivals: list[tuple[int, int, int]]) -> list[float]:
    """Acknowledgement minus the capture time of the fragment's first frame or sample, which its seal states."""
    begun: dict[tuple[int, int], int] = {}
    for path in sorted((spool / "sessions").glob("*/*.mp4")):
        for item in read_segment(path):
            if isinstance(item, SealedFragment) and item.seal is not None and item.size:
                begun[item.seal.segment, item.index] = item.seal.span_ns[0]
    # The very first fragment waits for the camera to start; it is counted too.
    return [(at - begun[s, f]) / 1e6 for s, f, at in arrivals if (s, f) in begun]


# -- sealing against not sealing -----------------------------------------------------------------------------------


def sealing_cpu_per_second(folder: Path, recording: Recording) -> float:
    """Median difference of CPU per media second: product writer and journal, against the same muxer writing plain."""
    differences = []
    for pair in range(PAIRS):
        plain = _cpu(partial(write_plain, folder / f"plain-{pair}", recording, PIPELINE_SECONDS))
        sealed = _cpu(partial(replay_session, folder / f"sealed-{pair}", recording, PIPELINE_SECONDS))
        differences.append((sealed - plain) / PIPELINE_SECONDS)
        for name in (f"plain-{pair}", f"sealed-{pair}"):
            shutil.rmtree(folder / name)
    return statistics.median(differences)


def _cpu(work: Callable[[], object]) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def write_plain(folder: Path, recording: Recording, seconds: int) -> None:
    """The same queue, segmenter and muxer, writing fragments as they come: no hash, seal, flush or journal."""
    folder.mkdir()
    segmenter = Segmenter(
        cutting=Cutting(segment_ns=30 * 10**9, fragment_ns=500_000_000),
        picture=recording.picture,
        sound=recording.sound,
    )
    open_file: int | None = None
    for step in plain_steps(segmenter, PacketQueue(), recording, seconds):
        match step:
            case Opened():
                open_file = os.open(folder / f"{step.number:06d}.mp4", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
                os.write(open_file, step.initialisation)
            case Fragment() if open_file is not None:
                os.write(open_file, step.media)
                if step.end_cause is not None:
                    os.close(open_file)
            case _:
                pass


# -- the verifier against openssl ------------------------------------------------------------------------------------


def verify_ratio(folder: Path, recording: Recording) -> float:
    """Median of openssl's time over the verifier's, interleaved, both pinned to one core, page cache warm."""
    archive = folder / "archive"
    trust = replay_session(archive, recording, ARCHIVE_SECONDS)
    files = [str(path) for path in sorted(archive.glob("spool/**/*")) if path.is_file() and "device" not in path.parts]
    openssl = ["taskset", "-c", "0", "openssl", "dgst", "-sha256", *files]
    verify = ["taskset", "-c", "0", sys.executable, "-m", "liuhen.cli", str(archive / "spool"), "--trust", str(trust)]
    ratios = []
    for _ in range(PAIRS + 1):
        ratios.append(_wall(openssl) / _wall(verify))
    return statistics.median(ratios[1:])


def _wall(command: list[str]) -> float:
    started = time.monotonic()
    subprocess.run(command, check=True, env=_caching(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - started


def _caching() -> dict[str, str]:
    """An environment in which byte code is cached, as for every installed program, whatever this shell says."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


# -- words ---------------------------------------------------------------------------------------------------------


def quantile(ordered: list[float], part: float) -> float:
    """The value below which this part of the sorted values lies."""
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def table(rows: list[Row]) -> str:
    """The result as a Markdown table."""
    lines = ["| what | measured | bound | met |", "|---|---|---|---|"]
    lines += [f"| {row.what} | {row.value} | {row.bound} | {'yes' if row.met else '**no**'} |" for row in rows]
    return "\n".join(lines) + "\n"


def document(text: str) -> str:
    """BENCHMARKS.md."""
    return (
        "# Benchmarks\n\n"
        "Made by `make bench` (`python -m tests.bench --write BENCHMARKS.md`): ratios within one run, medians of "
        f"{PAIRS} interleaved pairs. Absolute figures belong to the machine of that run: {platform.machine()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}. Not yet measured on a Pi.\n\n" + text
    )


if __name__ == "__main__":
    sys.exit(main())
