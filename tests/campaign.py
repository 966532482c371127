"""`make campaign`: the long runs that do not fit into CI, each with a result file that is committed.

Every campaign is a function from a folder to lines of text and a verdict; CI runs a slice of the same functions.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.crash.campaign import crash, kill
from tests.crash.mirror_states import campaign as mirror
from tests.edge.errno_runs import campaign as errno
from tests.fuzz.campaign import campaign as fuzz
from tests.image_build.campaign import campaign as install
from tests.interlock_campaign import campaign as interlock
from tests.longlog.campaign import recovery
from tests.memory import campaign as memory
from tests.scenarios import test_always_on as always_on
from tests.scenarios.test_hour import faults, hold
from tests.signing.attacks_campaign import campaign as attacks
from tests.signing.big_verify import campaign as big
from tests.store_kills import campaign as store_kills

RESULTS = Path(__file__).parent / "campaign_results"
HOUR_MINUTES = 60
HOUR_PPM = 100.0
DAY_HOURS = 24
MEMORY = Path("/dev/shm")  # noqa: S108 - quick, and private by mkdtemp below it

Outcome = tuple[list[str], bool]


def hour(folder: Path) -> Outcome:
    """One virtual hour at 640x360 through the product's encoder, muxer, writer and journal, microphone 100 ppm off."""
    recorded, examined = hold(folder, minutes=HOUR_MINUTES, microphone_ppm=HOUR_PPM)
    found = faults(recorded, examined, minutes=HOUR_MINUTES, microphone_ppm=HOUR_PPM)
    lines = [
        f"virtual minutes: {HOUR_MINUTES}, microphone {HOUR_PPM:+.0f} ppm",
        f"segments: {len(examined.segments)}",
        f"frame counters decoded by ffmpeg: {len(examined.counters)}",
        f"frames delivered by the sensor: {len(examined.delivered)}",
        f"sound bit-exact against truth: {examined.sound.exact}",
        f"worst sound-to-picture error: {1000 * examined.worst_sound_error_seconds:.1f} ms (bound 40 ms)",
        *(f"FAULT: {fault}" for fault in found),
    ]
    return lines, not found


def day(folder: Path) -> Outcome:
    """An always-on room's whole day in virtual time, two small frames a second, with fifty visits.

    In memory where there is some: each second of the day is flushed to its disk, and a disk that others use takes
    longer over that than everything else together.
    """
    with tempfile.TemporaryDirectory(prefix="liuhen-day-", dir=MEMORY if MEMORY.is_dir() else folder) as in_memory:
        return _day(Path(in_memory))


def _day(folder: Path) -> Outcome:
    lived = always_on.live(folder, hours=DAY_HOURS)
    found, told = always_on.faults(lived), lived.day()
    spent = ", ".join(f"{seconds:.0f}" for seconds in always_on.quarters(lived.spent_seconds))
    lines = [
        f"virtual hours: {DAY_HOURS}, visits: {len(told.all())}",
        f"segments: {len(told.segments)}",
        f"processor seconds of the recorder in each quarter of the day: {spent} (bound: the last at most "
        f"{always_on.LARGEST_GROWTH:g} times the first)",
        *(f"FAULT: {fault}" for fault in found),
    ]
    return lines, not found


CAMPAIGNS: dict[str, Callable[[Path], Outcome]] = {
    "hour": hour,
    "day": day,
    "crash": crash,
    "kill": kill,
    "recovery": recovery,
    "fuzz": fuzz,
    "attacks": attacks,
    "big": big,
    "errno": errno,
    "memory": memory,
    "mirror": mirror,
    "install": install,
    "interlock": interlock,
    "store-kills": store_kills,
}


def main() -> int:
    """Run the named campaigns, or all, and write their result files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*CAMPAIGNS, []], default=[])
    names = parser.parse_args().names or list(CAMPAIGNS)
    RESULTS.mkdir(exist_ok=True)
    return 0 if all([_run(name) for name in names]) else 1


def _run(name: str) -> bool:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"liuhen-{name}-") as folder:
        lines, good = CAMPAIGNS[name](Path(folder))
    took = time.monotonic() - started
    text = "\n".join(
        [
            f"# {name}: {'held' if good else 'FAILED'}",
            "",
            f"command: make campaign ARGS={name}",
            f"machine: {platform.machine()}, Python {platform.python_version()}; took {took / 60:.1f} min",
            *lines,
            "",
        ]
    )
    (RESULTS / f"{name.replace('-', '_')}.txt").write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return good


if __name__ == "__main__":
    sys.exit(main())
