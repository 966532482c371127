"""`make run STORE=ceph`: a real store on loopback, filled while the simulated room is recorded, and verified from.

Ceph RGW from Debian's packages, TLS under a CA of its own, a bucket with Object Lock. The doctor speaks first. The
store ends with the command and is deleted with its folder; the recording stays in `recordings/`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.commands.demo import _run_to_its_end
from edge.commands.overrides import seconds as positive_seconds
from edge.provision import DemoIdentity, demo_identity
from edge.spool import open_spool
from tests.ceph.cluster import PACKAGES, CephFailed, missing
from tests.ceph.store import CephStore, begin

EXIT_STORAGE = 4
STEP_SECONDS = 600
ASKED_EVERY_SECONDS = 0.5


def main() -> int:
    """Up, record, verify, down."""
    parser = argparse.ArgumentParser(prog="make run STORE=ceph")
    parser.add_argument("--seconds", type=positive_seconds, metavar="N", help="录多少秒 / until Ctrl-C if left out")
    parser.add_argument("--directory", type=Path, default=Path("recordings"), metavar="DIR")
    chosen = parser.parse_args()
    if missing():
        _say(
            f"缺少 Ceph 程序（{' '.join(missing())}）；请以 root 安装",
            f"programs of Ceph are missing; apt-get install --no-install-recommends {' '.join(PACKAGES)}",
        )
        return EXIT_STORAGE
    with tempfile.TemporaryDirectory(prefix="liuhen-ceph-") as folder:
        _say("正在启动 Ceph 存储，约十秒……", "starting a Ceph store, some ten seconds ...")
        try:
            store = begin(Path(folder))
        except CephFailed as error:
            _say("Ceph 存储未能启动", f"the Ceph store did not start: {error}")
            return EXIT_STORAGE
        try:
            recording = chosen.directory.resolve() / f"ceph-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
            return record_and_verify(store, recording, chosen.seconds)
        finally:
            store.cluster.end()
            _say("存储已停止并删除", "the store has ended and is deleted")


def record_and_verify(store: CephStore, recording: Path, seconds: float | None) -> int:
    """The doctor, a recording with an account of its own, and the verifier out of the store; the worst exit code."""
    recording.mkdir(parents=True)
    admin = ("--credential", store.credential_file("admin"), "--ca", store.ca_file)
    examined = _run("edge", "store", "doctor", store.url.text, *admin)
    if examined != 0:
        return examined
    identity = demo_identity(recording / "spool", recording / "keys", now_utc_ms=time.time_ns() // 1_000_000)
    config = recording / "recorder.toml"
    log_id = _log_of(recording / "spool")
    config.write_text(_configuration(store, recording, identity, log_id), encoding="utf-8")
    found = recording / "store-check.json"
    with found.open("wb") as file:
        command = [sys.executable, "-m", "edge", "store", "doctor", store.url.text, *map(str, admin), "--json"]
        subprocess.run(command, check=False, stdout=file, timeout=STEP_SECONDS)
    asked = [] if seconds is None else ["--seconds", str(seconds)]
    with _handed_over(found, recording / "control.sock"):
        recorded = _run_to_its_end(
            [sys.executable, "-m", "sim", "--config", str(config), "--spool", str(recording / "spool"), *asked]
        )
    custodian = ("--credentials", store.credential_file("custodian"), "--ca", store.ca_file)
    verified = _run("liuhen.cli", store.url.text, "--log", log_id, "--trust", identity.trust_file, *custodian)
    return recorded or verified


@contextmanager
def _handed_over(found: Path, socket: Path) -> Iterator[None]:
    """Meanwhile the recorder hears what the doctor found, once it answers: else the store counts for nothing."""
    ended = threading.Event()
    command = [sys.executable, "-m", "edge", "ctl", "store-check", str(found), "--socket", str(socket)]

    def hand_over() -> None:
        while not ended.wait(ASKED_EVERY_SECONDS):
            if subprocess.run(command, check=False, capture_output=True, timeout=STEP_SECONDS).returncode == 0:
                return

    thread = threading.Thread(target=hand_over, name="store-check")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _log_of(root: Path) -> str:
    spool = open_spool(root)
    spool.close()
    return spool.identity.log_id.hex()


def _configuration(store: CephStore, recording: Path, identity: DemoIdentity, log_id: str) -> str:
    """The recorder's, with the account that the store gives this device alone."""
    store.add_account(f"device-{log_id[:8]}", as_role="device", log_id=log_id)
    credential = store.credential_file(f"device-{log_id[:8]}")
    return (
        f'[spool]\ndirectory = "{recording / "spool"}"\nminimum_free_hours = 0.1\n\n'
        f'[key]\nfile = "{identity.key_file}"\nendorsements = ["{identity.endorsement_file}"]\n\n'
        f'[control]\nsocket = "{recording / "control.sock"}"\n\n'
        f'[store]\nurl = "{store.url.text}"\nca_file = "{store.ca_file}"\ncredentials_file = "{credential}"\n'
        'designated = true\ndesignated_by = "演示 demo"\n'
    )


def _run(module: str, *words: str | Path) -> int:
    command = [sys.executable, "-m", module, *(str(word) for word in words)]
    return subprocess.run(command, check=False, timeout=STEP_SECONDS).returncode


def _say(words_zh: str, words_en: str) -> None:
    sys.stdout.write(f"{words_zh}\n  {words_en}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
