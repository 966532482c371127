"""What so many rooms put into a store: objects, bytes and requests a day, from what a recorder is set to.

Counts what the offload process does while nothing goes wrong: each object is put once, read back by its version, and
its retention and hold are asked. A line that breaks, a new state, a verifier or a fetch asks for more.
`python -m edge.store_sizing [ROOMS] [HOURS]` prints the table that stands in image-build/store/README.md, and
`python -m edge.store_sizing --measured DIR` what a recording has put into a directory that is its store. `sizing` is
pure.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from edge.config import Config
from edge.offload.program import Settings
from edge.slices import REGULAR_NS

HOUR_SECONDS = 3600
DAY_SECONDS = 24 * HOUR_SECONDS
NS_PER_SECOND = 10**9
CALLS_AN_OBJECT = 3
"""Of the store's port: put, open, retained."""
REQUESTS_AN_OBJECT = CALLS_AN_OBJECT + 1
"""An S3 server is asked for the retention and for the hold apart."""
PROOF_BYTES_AN_HOUR = 1_500_000
"""Entries of an hour of recording, rounded up."""
SESSIONS_A_DAY = 4
RECORDS_A_SESSION = 10
RECORD_BYTES = 10_000
"""Some pages of text."""
SEALED_MORE_BYTES = 250
"""So much longer is a record that is encrypted for two custodians."""
CHECKPOINT_BYTES = 500
BEACON_BYTES = 600
YEAR_DAYS = 250
"""Working days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """Of one day, all rooms together. `line_bytes_a_second`: while all of them record, both ways together."""

    objects: int
    stored_bytes: int
    requests: int
    line_bytes_a_second: int


def sizing(config: Config, *, rooms: int, hours: float) -> Sizing:
    """Rooms that record so many hours a day, all of them the same hours, with this configuration."""
    seconds = int(hours * HOUR_SECONDS)
    segments = -(-seconds // config.segment.seconds)
    slices = -(-seconds * NS_PER_SECOND // REGULAR_NS) + 3 * SESSIONS_A_DAY  # and what is urgent of a session
    checkpoints = -(-seconds // config.journal.checkpoint_seconds) + SESSIONS_A_DAY
    records = SESSIONS_A_DAY * RECORDS_A_SESSION
    beacons = DAY_SECONDS // Settings().beacon_seconds
    kept = segments + slices + checkpoints + records
    media = seconds * config.media_bytes_per_second()
    proof = int(hours * PROOF_BYTES_AN_HOUR) + records * (RECORD_BYTES + SEALED_MORE_BYTES)
    proof += checkpoints * CHECKPOINT_BYTES + beacons * BEACON_BYTES
    return Sizing(
        objects=rooms * (kept + beacons),
        stored_bytes=rooms * (media + proof),
        requests=rooms * (kept * REQUESTS_AN_OBJECT + beacons),
        line_bytes_a_second=rooms * 2 * config.media_bytes_per_second(),
    )


def table(config: Config, *, rooms: int, hours: float) -> str:
    """The same for a person, in Markdown."""
    one, size = sizing(config, rooms=1, hours=hours), sizing(config, rooms=rooms, hours=hours)
    rows = (
        ("objects a day", f"{one.objects:,}", f"{size.objects:,}"),
        ("bytes a day", f"{one.stored_bytes / 1e9:.1f} GB", f"{size.stored_bytes / 1e12:.1f} TB"),
        ("requests a day", f"{one.requests:,}", f"{size.requests:,}"),
        (
            f"requests a second, over {hours:g} h",
            f"{one.requests / hours / HOUR_SECONDS:.2f}",
            f"{size.requests / hours / HOUR_SECONDS:,.0f}",
        ),
        (
            "line while all record, sent and read back",
            f"{one.line_bytes_a_second * 8 / 1e6:.1f} Mbit/s",
            f"{size.line_bytes_a_second * 8 / 1e9:.1f} Gbit/s",
        ),
        (
            f"bytes a year of {YEAR_DAYS} days",
            f"{one.stored_bytes * YEAR_DAYS / 1e12:.1f} TB",
            f"{size.stored_bytes * YEAR_DAYS / 1e15:.1f} PB",
        ),
        (f"objects a year of {YEAR_DAYS} days", f"{one.objects * YEAR_DAYS:,}", f"{size.objects * YEAR_DAYS:,}"),
    )
    head = f"| {hours:g} h a day | one room | {rooms:,} rooms |\n|---|---|---|\n"
    return head + "".join(f"| {what} | {first} | {second} |\n" for what, first, second in rows)


def measured(store: Path) -> str:
    """What lies in a directory that serves as a store, by kind, in Markdown."""
    sizes: dict[str, list[int]] = {}
    for path in sorted(store.glob("v1/*/*/**/*")):
        if path.is_file():
            sizes.setdefault(path.relative_to(store).parts[2], []).append(path.stat().st_size)
    head = "| objects | number | bytes | largest |\n|---|---|---|---|\n"
    return head + "".join(f"| {kind} | {len(one)} | {sum(one):,} | {max(one):,} |\n" for kind, one in sizes.items())


def main(words: list[str]) -> int:
    """Print it."""
    if words[:1] == ["--measured"]:
        sys.stdout.write(measured(Path(words[1])))
        return 0
    rooms, hours = (*words, "1000", "8")[0], (*words[1:], "8")[0]
    sys.stdout.write(table(Config(), rooms=int(rooms), hours=float(hours)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
