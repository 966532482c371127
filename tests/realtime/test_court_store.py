"""From the simulated room into a store and out of it before a court: recorded, sent live, verified, copied by leave."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from liuhen import keys
from tests.realtime.runs import BIN, ROOM_TO_START_AND_END_SECONDS

pytestmark = [pytest.mark.realtime, pytest.mark.beside, pytest.mark.timeout(300)]

SECONDS = 8


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """One command, ended with everything below it when this returns."""
    limit = SECONDS + ROOM_TO_START_AND_END_SECONDS
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=limit, check=False)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spool, its keys and the store that was filled while it recorded."""
    folder = tmp_path_factory.mktemp("court")
    (folder / "store").mkdir()
    recorded = run(
        BIN / "liuhen",
        *("sim", "--spool", folder / "spool", "--keys", folder / "keys", "--seconds", str(SECONDS)),
        *("--store", f"file:{folder / 'store'}"),
    )
    assert recorded.returncode == 0, recorded.stderr
    return folder


def test_what_was_sent_while_it_recorded_is_intact_and_vouched_to_its_last_entry(stage: Path) -> None:
    out_of_store = run(BIN / "liuhen-verify", f"file:{stage / 'store'}", "--trust", stage / "keys/trust.file")
    on_device = run(BIN / "liuhen-verify", stage / "spool", "--trust", stage / "keys/trust.file")
    assert (out_of_store.returncode, on_device.returncode) == (0, 0), out_of_store.stdout + out_of_store.stderr
    reach = [line for line in on_device.stdout.splitlines() if "完整截至" in line]
    assert reach
    assert reach == [line for line in out_of_store.stdout.splitlines() if "完整截至" in line]


def test_a_custodians_copy_of_it_is_intact_and_vouched(stage: Path, tmp_path: Path) -> None:
    key_file, said = tmp_path / "custodian.pem", tmp_path / "said"
    keys.save_private_key(key_file, keys.generate())
    said.write_text("actor=张三\npurpose=复议审查\napproval=（2026）第 12 号\n", encoding="utf-8")
    fetched = run(
        BIN / "liuhen", "fetch", f"file:{stage / 'store'}", tmp_path / "copy", "--key", key_file, "--from", said
    )
    assert fetched.returncode == 0, fetched.stderr
    verified = run(BIN / "liuhen-verify", tmp_path / "copy", "--trust", stage / "keys/trust.file", "--sha256")
    assert verified.returncode == 0, verified.stdout
    segments = sorted(path.name for path in (stage / "spool/sessions").rglob("*.mp4"))
    assert sorted(path.name for path in (tmp_path / "copy/sessions").rglob("*.mp4")) == segments
