"""`make run STORE=ceph`: the doctor, a recording that is sent while it is made, and a verdict out of the store."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edge import journal
from liuhen.kinds import Check
from liuhen.registry import CheckCode
from liuhen.store_names import parse_key
from tests.ceph import run
from tests.ceph.store import CephStore

pytestmark = [pytest.mark.realtime, pytest.mark.beside, pytest.mark.timeout(300)]

SECONDS = 4


def test_a_recording_goes_into_a_real_store_and_is_verified_out_of_it(
    ceph: CephStore, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    recording = tmp_path / "recording"
    assert run.record_and_verify(ceph, recording, SECONDS) == 0
    out = capfd.readouterr().out
    assert "各项承诺均已证实" in out
    assert "完整截至" in out
    checks = [
        entry.body
        for path in sorted((recording / "spool/journal").iterdir())
        for entry in journal.entries_of(path)
        if isinstance(entry.body, Check)
    ]
    assert CheckCode.STORE in [check.code for check in checks], "the recorder heard what the doctor found"
    log_id = run._log_of(recording / "spool")
    store = ceph.open("custodian")
    versions = list(store.versions(f"v1/{log_id}/media/"))
    assert {parse_key(one.key).digest.hex() for one in versions} == {
        hashlib.sha256(path.read_bytes()).hexdigest() for path in (recording / "spool").glob("sessions/*/*.mp4")
    }
    assert all(store.retained(one.key, one.version_id).until is not None for one in versions)
    store.close()


class Unproven(CephStore):
    """The same store, asked by an account whose refusals prove no lock."""

    def credential_file(self, role: str) -> Path:
        return super().credential_file("device" if role == "admin" else role)


def test_a_store_that_the_doctor_does_not_pass_is_not_recorded_into(ceph: CephStore, tmp_path: Path) -> None:
    assert run.record_and_verify(Unproven(cluster=ceph.cluster), tmp_path / "recording", SECONDS) != 0
    assert list((tmp_path / "recording").iterdir()) == []


def test_where_ceph_is_not_installed_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "missing", lambda: ["radosgw"])
    monkeypatch.setattr("sys.argv", ["run"])
    assert run.main() == run.EXIT_STORAGE
    assert "apt-get install --no-install-recommends ceph-mon" in capsys.readouterr().out
