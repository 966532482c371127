"""The process at a real gateway over a line that goes wrong: one version of each object, locked and receipted."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from drivers import store_transport
from drivers.store_s3 import S3Store, read_credential
from drivers.system_clock import SystemClock
from edge.offload.program import Process, Settings
from edge.offload.report import Report
from edge.offload.streams import ThreadStreams
from liuhen.registry import RetentionMode
from liuhen.store_names import StoreUrl, parse_key
from tests.ceph.bad_line import Mode, bad_line
from tests.ceph.store import BUCKET, LOG_ID, CephStore
from tests.edge.offload.bench import Bench

pytestmark = pytest.mark.realtime

LIMIT_SECONDS = 80
SEEN = 200_000


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.PASS])
def test_cases_1_to_3_a_line_that_goes_wrong_costs_no_object_and_makes_no_second_version(
    ceph: CephStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    monkeypatch.setattr(store_transport, "READ_SECONDS", 3.0)
    bench = Bench(tmp_path, settings=Settings(beacon_seconds=0), log_id=bytes.fromhex(LOG_ID), clock=SystemClock())
    bench.device.media_bytes = 100_000
    bench.device.random.seed(mode.value)  # other bytes than the other modes have sent
    bench.device.session(segments=3)
    bench.desk.cut()
    done = threading.Event()

    def show(report: Report) -> None:
        if not (report.waiting.objects or report.waiting.untold or report.reading_on):
            done.set()

    bench.show = show
    with bad_line(ceph.cluster.port) as line:
        line.mode, line.limit_bytes = mode, SEEN if mode is not Mode.CUT_ANSWER else 5_000
        url = StoreUrl(scheme="s3", place=f"127.0.0.1:{line.port}", bucket=BUCKET)
        credential = read_credential(ceph.credential_file("device"))
        offload = bench.another(S3Store(url, credential, ca_file=ceph.ca_file), streams=ThreadStreams)
        process = Process(bench.loop, [offload])
        running = threading.Thread(target=process.run)
        running.start()
        try:
            assert line.harmed.wait(LIMIT_SECONDS)
            line.mode = Mode.PASS
            assert done.wait(LIMIT_SECONDS)
        finally:
            process.stop()
            running.join(LIMIT_SECONDS)
    assert not running.is_alive()
    _all_there_once(ceph, bench)


def _all_there_once(ceph: CephStore, bench: Bench) -> None:
    """Each segment is one version, the one that was receipted, under a lock."""
    store = ceph.open()
    held = {row[2]: row for row in bench.desk.rows}
    for path in bench.device.root.glob("sessions/*/*.mp4"):
        digest = hashlib.sha256(path.read_bytes()).digest()
        prefix = f"v1/{LOG_ID}/media/{path.parent.name}/{path.stem}-{digest.hex()}"
        versions = [one for one in store.versions(prefix) if parse_key(one.key).digest == digest]
        assert [one.version_id for one in versions] == [held[digest][4]]
        assert store.retained(versions[0].key, versions[0].version_id).mode is RetentionMode.COMPLIANCE
    store.close()
