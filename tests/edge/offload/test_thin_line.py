"""A line of 64 kbit/s that loses a packet in twenty and takes 0.8 s there and back, to a real store over TLS."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.store_s3 import S3Store, read_credential
from drivers.system_clock import SystemClock
from edge.offload.program import Process, Settings
from edge.offload.report import Report
from edge.offload.streams import ThreadStreams
from edge.offload.words import Answer, Words
from liuhen.store_names import StoreUrl
from tests import thin_line
from tests.ceph.store import BUCKET, LOG_ID, CephStore
from tests.edge.offload.bench import Bench
from tests.required import unavailable
from tests.thin_line import FAR, Quality, ThinLine, inside

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(240)]

QUALITY = Quality(bits_a_second=64_000, round_trip_seconds=0.8, loss=0.05)
BEHIND_SECONDS = 60
SLICES, EVERY_SECONDS = 2, 5
MEDIA_BYTES = 500_000
UNDER_WAY_BYTES = 12_000
"""More than all of proof takes."""
POLL_SECONDS = 0.2
LIMIT_SECONDS = 100


@pytest.fixture
def line(ceph: CephStore) -> Iterator[ThinLine]:
    lacking = thin_line.missing()
    if lacking is not None:
        unavailable(lacking)
    with thin_line.thin_line(QUALITY, ceph.cluster.port) as made:
        yield made


class Stoppable(Bench):
    """Its process stops between two pieces of a body, as the real one does."""

    def _wait(self, stopping: threading.Event, seconds: float) -> bool:
        return stopping.wait(seconds)


class Journal:
    """The bench's recorder, written by this test and by the process; when each slice was cut, and when receipted."""

    def __init__(self, bench: Bench) -> None:
        self.cut: dict[bytes, float] = {}
        self.receipted: dict[bytes, float] = {}
        self.moved = threading.Condition()
        self.waiting_proof: int | None = None
        self._bench = bench

    def show(self, report: Report) -> None:
        """On the process's thread."""
        with self.moved:
            self.waiting_proof = None if report.reading_on else report.waiting.proof
            self.moved.notify_all()

    def tell(self, words: Words) -> Answer | None:
        """On the process's thread."""
        with self.moved:
            answer = self._bench.desk.tell(words)
            for row in self._bench.desk.rows:
                self.receipted.setdefault(row[2], time.monotonic())
            self.moved.notify_all()
            return answer

    def cut_one(self) -> None:
        """A slice with one more entry at least."""
        with self.moved:
            self._bench.device.checkpoint()
            digest = self._bench.desk.cut()
            assert digest is not None
            self.cut[digest] = time.monotonic()

    def all_receipted(self) -> bool:
        """Of the slices."""
        return self.cut.keys() <= self.receipted.keys()


@contextmanager
def running(process: Process, line: ThinLine) -> Iterator[None]:
    """The process at its end of the line."""
    thread = threading.Thread(target=inside(line.near, process.run))
    thread.start()
    try:
        yield
    finally:
        process.stop()
        thread.join(LIMIT_SECONDS)
    assert not thread.is_alive()


def test_case_7_on_a_thin_line_that_loses_packets_proof_stays_less_than_a_minute_behind(
    ceph: CephStore, line: ThinLine, tmp_path: Path
) -> None:
    """While media fills the line, of which there is more than fits in this test."""
    bench = Stoppable(tmp_path, settings=Settings(beacon_seconds=0), log_id=bytes.fromhex(LOG_ID), clock=SystemClock())
    bench.device.random.seed(time.time_ns())  # other bytes than an earlier run has sent into the same store
    bench.device.media_bytes = MEDIA_BYTES
    bench.device.session(segments=3)
    journal = Journal(bench)
    bench.show = journal.show
    journal.cut_one()
    url = StoreUrl(scheme="s3", place=f"{FAR}:{line.port}", bucket=BUCKET)
    store = S3Store(url, read_credential(ceph.credential_file("device")), ca_file=ceph.ca_file)
    process = Process(bench.loop, [bench.another(store, tell=journal.tell, streams=ThreadStreams)])
    with running(process, line), journal.moved:
        assert journal.moved.wait_for(journal.all_receipted, LIMIT_SECONDS), bench.said
        assert journal.moved.wait_for(lambda: journal.waiting_proof == 0, LIMIT_SECONDS), bench.said
        before, until = line.to_store.bytes, time.monotonic() + LIMIT_SECONDS
        while line.to_store.bytes < before + UNDER_WAY_BYTES:
            assert time.monotonic() < until, "media does not fill the line"
            journal.moved.wait(POLL_SECONDS)
        for _ in range(SLICES):
            journal.cut_one()
            journal.moved.wait_for(journal.all_receipted, EVERY_SECONDS)
        assert journal.moved.wait_for(journal.all_receipted, LIMIT_SECONDS), bench.said
    behind = [journal.receipted[digest] - journal.cut[digest] for digest in journal.cut]
    assert max(behind) < BEHIND_SECONDS, behind
    assert line.to_store.lost > 0
    sent = {hashlib.sha256(path.read_bytes()).digest() for path in bench.device.root.glob("sessions/*/*.mp4")}
    assert not sent <= journal.receipted.keys(), "media was through: proof had nothing to pass"


def test_the_line_is_as_thin_as_it_is_said_to_be(line: ThinLine) -> None:
    """The negative control: a connection takes a round trip, and of many packets some are lost."""
    took: list[float] = []

    def connect() -> None:
        began = time.monotonic()
        with socket.create_connection((FAR, line.port), LIMIT_SECONDS):
            took.append(time.monotonic() - began)

    thread = threading.Thread(target=inside(line.near, connect))
    thread.start()
    thread.join()
    assert took[0] >= QUALITY.round_trip_seconds
