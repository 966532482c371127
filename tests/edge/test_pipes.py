"""Somebody had the disk or the key's folder and left pipes: a start says so or goes on, but it never waits for one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edge import durable
from edge.durable import AppendFile, StorageFault
from edge.opening import EXIT_KEY, EXIT_STORAGE
from tests.edge.ports_room import Room, device

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 120.0


def ends(work: Callable[[], object]) -> bool:
    """Whether it raised a fault within some seconds; a thread that still waits is left behind."""
    outcome: list[bool] = []

    def watched() -> None:
        try:
            work()
            outcome.append(False)
        except (StorageFault, OSError):
            outcome.append(True)

    thread = threading.Thread(target=watched, daemon=True)
    thread.start()
    thread.join(20)
    return outcome == [True]


def test_nothing_but_a_plain_file_is_opened_to_read_or_write(tmp_path: Path) -> None:
    pipe, link, aim = tmp_path / "pipe", tmp_path / "link", tmp_path / "aim"
    aim.write_bytes(b"x")
    link.symlink_to(aim)
    os.mkfifo(pipe)
    os.mkfifo(tmp_path / ".small.new")
    for path in (pipe, link, Path("/dev/null")):
        assert ends(lambda path=path: durable.opened(path))  # type: ignore[misc]
        assert ends(lambda path=path: durable.content_of(path))  # type: ignore[misc]
        assert ends(lambda path=path: AppendFile(path, new=False))  # type: ignore[misc]
        assert ends(lambda path=path: durable.overwrite(path, 0, b"y"))  # type: ignore[misc]
        assert ends(lambda path=path: durable.shorten(path, 0))  # type: ignore[misc]
        assert ends(lambda path=path: durable.flush_file(path))  # type: ignore[misc]
    assert ends(lambda: durable.replace_file(tmp_path / "small", b"y"))
    assert aim.read_bytes() == b"x"


def test_a_pipe_in_place_of_any_file_of_a_device_holds_up_no_start(tmp_path: Path) -> None:
    made = device(tmp_path / "made")
    assert Room().record(made.config, lambda room: room.play(3)).clean
    names = [path.relative_to(tmp_path / "made") for path in (tmp_path / "made").rglob("*") if path.is_file()]
    assert {name.name for name in names} >= {"00000000.cbor", "slot-0.cbor", "spool.cbor", "lock", "000000.mp4"}
    key, spool = (path.relative_to(tmp_path / "made") for path in (made.config.key.file, made.spool))
    for name in names:
        copy = tmp_path / str(names.index(name))
        shutil.copytree(tmp_path / "made", copy)
        (copy / name).unlink()
        os.mkfifo(copy / name)
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.edge.racing_start", tmp_path / str(at) / spool, tmp_path / str(at) / key],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for at in range(len(names))
    ]
    try:
        for name, process in zip(names, processes, strict=True):
            _, said = process.communicate(timeout=LIMIT_SECONDS)
            assert process.returncode in (0, EXIT_STORAGE, EXIT_KEY), (name, said)
            assert "Traceback" not in said, (name, said)
            assert process.returncode == 0 or len(said.strip().splitlines()) <= 3, (name, said)
    finally:
        for process in processes:
            process.kill()
            process.wait()
