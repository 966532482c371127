"""How fast the offload process brings objects to a store, against rclone on the same files and the same gateway.

Called by `make bench`. Both go over TLS to Ceph RGW on loopback, two objects at a time, single PUTs with Content-MD5
into a bucket with Object Lock, in interleaved pairs under fresh keys. Ours is timed in a process that runs, as the
service does; rclone as a whole process, whose start costs a tenth of a second.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from drivers.store_s3 import read_credential
from edge.offload.objects import Sealed, Span, Stage, Stored, Task, Term
from edge.offload.queue import Kind
from edge.offload.sender import Dates, Kept, Sender
from edge.offload.streams import LIMIT as STREAMS
from tests.ceph import cluster as ceph_cluster
from tests.ceph.store import ADMIN, BUCKET, CephStore, begin

OBJECTS = 24
OBJECT_BYTES = 4 << 20
PAIRS = 5
RCLONE_LIMIT_SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """Our throughput over rclone's, medians of the pairs: without reading back, and as the product does it."""

    sending: float
    with_read_back: float


class _Free:
    """No bandwidth cap, and nothing kept between two lives."""

    def take(self, size: int) -> None:
        pass

    def unknown(self, number: int) -> None:
        pass

    def reaches(self, number: int, stage: Stage, stored: Stored, term: Term | None = None) -> None:
        pass

    def differs_here(self, number: int) -> None:
        raise AssertionError(number)


class _Unread(Sender):
    """What sending alone costs: nothing the product would ever do."""

    def _read_back(self, task: Task, stored: Stored) -> Stored:
        return stored


def missing() -> list[str]:
    """What this machine lacks for it."""
    return [*ceph_cluster.missing(), *(["rclone"] if shutil.which("rclone") is None else [])]


def against_rclone(folder: Path) -> Against:
    """Bring a store up, measure, and end it. Needs what `missing` names."""
    files = folder / "objects"
    files.mkdir()
    for number in range(OBJECTS):
        (files / f"{number:06d}.mp4").write_bytes(os.urandom(OBJECT_BYTES))
    # Short: the gateway's sockets lie below.
    with tempfile.TemporaryDirectory(prefix="liuhen-") as place:
        store = begin(Path(place))
        try:
            return _compared(store, files)
        finally:
            store.cluster.end()


def _compared(store: CephStore, files: Path) -> Against:
    sending, reading = [], []
    _ours(store, files, "warm", _Unread)
    for pair in range(PAIRS):
        rclone = _rclone(store, files, f"rclone-{pair}")
        sending.append(rclone / _ours(store, files, f"sent-{pair}", _Unread))
        rclone = _rclone(store, files, f"rclone-again-{pair}")
        reading.append(rclone / _ours(store, files, f"read-{pair}", Sender))
    return Against(sending=statistics.median(sending), with_read_back=statistics.median(reading))


def _ours(store: CephStore, files: Path, prefix: str, kind: type[Sender]) -> float:
    """Seconds for all files, hashed first as the product does."""
    port = store.open(ADMIN)
    tasks = [_task(path, f"{prefix}/{path.name}", number) for number, path in enumerate(sorted(files.iterdir()))]
    dates = Dates(port, lambda: time.time_ns() // 1_000_000)
    sender = kind(spools=(files,), store=port, steps=_Free(), pace=_Free(), dates=dates)
    try:
        with ThreadPoolExecutor(STREAMS) as pool:
            began = time.monotonic()
            outcomes = list(pool.map(sender.live, tasks))
            seconds = time.monotonic() - began
    finally:
        port.close()
    assert all(isinstance(outcome, Kept) for outcome in outcomes), outcomes
    return seconds


def _task(path: Path, key: str, number: int) -> Task:
    digest = hashlib.sha256(path.read_bytes()).digest()
    span = Span(path=path.name, offset=0, size=OBJECT_BYTES, to_end=True)
    sealed = Sealed(kind=Kind.SEGMENT, key=key, content=digest, digest=digest, size=OBJECT_BYTES, span=span)
    return Task(number=number, sealed=sealed, stage=Stage.SEALED)


def _rclone(store: CephStore, files: Path, prefix: str) -> float:
    """Seconds for all files. What it is told stands in its environment, not on its command line."""
    account = read_credential(store.credential_file(ADMIN))
    told = {
        "TYPE": "s3",
        "PROVIDER": "Ceph",
        "ENDPOINT": f"https://{store.url.place}",
        "ACCESS_KEY_ID": account.access_key,
        "SECRET_ACCESS_KEY": account.secret_key,
        "UPLOAD_CUTOFF": "1G",
        "NO_CHECK_BUCKET": "true",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RCLONE_"))}
    environment |= {f"RCLONE_CONFIG_STORE_{name}": value for name, value in told.items()}
    command = ["rclone", "copy", "--config", "/dev/null", "--ca-cert", str(store.ca_file), f"--transfers={STREAMS}"]
    began = time.monotonic()
    subprocess.run(
        [*command, "--checkers=1", "--no-traverse", str(files), f"store:{BUCKET}/{prefix}"],
        env=environment,
        check=True,
        timeout=RCLONE_LIMIT_SECONDS,
    )
    return time.monotonic() - began
