"""SIGKILL at every step of an object's life: nothing lost, doubled, or receipted that was not read back."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.offload.local import OPENING
from liuhen.store_names import parse_key
from tests.edge.offload.dying import TOLD

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[3]
POINTS = ("sending", "sent", "put", "read", "read_back", "retained", "telling", "told")


def _lives(folder: Path, point: str, number: int) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "tests.edge.offload.dying", str(folder), point, str(number)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def _stored(folder: Path) -> dict[str, bytes]:
    root = folder / "store"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _check_told(folder: Path) -> set[str]:
    """Whatever was told is at the store with just these bytes, at any moment."""
    told = folder / TOLD
    rows = [line.split() for line in told.read_text("ascii").splitlines()] if told.exists() else []
    hashes = {hashlib.sha256(content).hexdigest() for content in _stored(folder).values()}
    assert {digest for _, digest in rows} <= hashes
    return {content for content, _ in rows}


@pytest.mark.parametrize("point", POINTS)
def test_case_5_a_life_cut_there_goes_on_from_there(tmp_path: Path, point: str) -> None:
    (tmp_path / "store").mkdir()
    for number in (1, 2) if point not in ("telling", "told") else (1,):
        assert _lives(tmp_path, point, number) == -signal.SIGKILL
        _check_told(tmp_path)
    assert _lives(tmp_path, "never", 0) == 0
    told = _check_told(tmp_path)
    stored = {key: content for key, content in _stored(tmp_path).items() if not key.startswith(".incoming")}
    for key, content in stored.items():
        assert hashlib.sha256(content).digest() == parse_key(key).digest
    media = sorted((tmp_path / "spool").glob("sessions/*/*.mp4"))
    assert {path.read_bytes() for path in media} <= set(stored.values())
    assert told == {parse_key(key).digest.hex() for key in stored}


def test_the_spool_is_only_ever_opened_to_be_read(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    traced = tmp_path / "trace"
    command = [sys.executable, "-c", WATCHED, str(tmp_path), str(traced)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    opened = [line.split(maxsplit=1) for line in traced.read_text("utf-8").splitlines()]
    kept = {path.name for path in (tmp_path / "spool").rglob("*") if path.is_file()}
    in_spool = [(int(flags), path) for flags, path in opened if "/spool/" in path or path in kept]
    assert {"00000000.cbor", "000000.mp4", "000001.mp4"} <= {path for _, path in in_spool}
    assert any("/spool/device/slices-" in path for _, path in in_spool)
    writing = 0o1 | 0o2 | 0o100 | 0o1000 | 0o2000  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND
    assert [path for flags, path in in_spool if flags & writing] == []
    assert not OPENING & writing


WATCHED = """
import os, sys
from pathlib import Path
from drivers.store_directory import DirectoryStore
from edge.offload.words import Answer
from liuhen.store_names import parse_store_url
from tests.edge.offload.bench import Bench
folder, traced = Path(sys.argv[1]), Path(sys.argv[2])
bench = Bench(folder)
bench.device.session(segments=2)
bench.desk.cut()
opened = []
def hook(event, arguments):
    if event == "open" and arguments[0] is not None and not isinstance(arguments[0], int):
        opened.append(f"{arguments[2]} {os.fsdecode(arguments[0])}")
sys.addaudithook(hook)
bench.another(DirectoryStore(parse_store_url(f"file:{folder / 'store'}")), lambda words: Answer(ok=True))
bench.settle()
written = list(opened)
traced.write_text("\\n".join(written), "utf-8")
"""
