"""What a spool holds is read by its recorder's user and by the group that offload is in, and by nobody else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import spool
from edge.provision import demo_identity
from tests.edge.ports_room import Device, Room, device

pytestmark = pytest.mark.long

NOBODY = 65_534
"""A user of no service, on any Debian."""


@pytest.fixture(params=[0o000, 0o022, 0o077])
def made(request: pytest.FixtureRequest) -> Iterator[Device]:
    """A recording made by somebody with this umask, in a folder that everybody may enter (pytest's own are closed)."""
    before = os.umask(request.param)
    try:
        with tempfile.TemporaryDirectory(prefix="liuhen-test-") as folder:
            Path(folder).chmod(0o755)
            made = device(Path(folder))
            Room().record(made.config, lambda room: room.play(14))
            yield made
    finally:
        os.umask(before)


def everything(root: Path) -> list[Path]:
    return [root, *sorted(root.rglob("*"))]


def as_user(group: int, paths: list[Path], flags: int) -> list[Path]:
    """Which of them a process of another user in this group can open so."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.setgroups([])
            os.setgid(group)
            os.setuid(NOBODY)
            os.write(writing, bytes(int(_opens(path, flags)) for path in paths))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        answers = said.read()
    os.waitpid(child, 0)
    assert len(answers) == len(paths)
    return [path for path, answer in zip(paths, answers, strict=True) if answer]


def _opens(path: Path, flags: int) -> bool:
    try:
        os.close(os.open(path, flags | (os.O_DIRECTORY if path.is_dir() else 0)))
    except OSError:
        return False
    return True


def test_another_user_reads_nothing_of_it(made: Device) -> None:
    assert as_user(NOBODY, everything(made.spool), os.O_RDONLY) == []


def test_the_group_reads_all_evidence_and_writes_none(made: Device) -> None:
    group = made.spool.stat().st_gid
    evidence = [path for path in everything(made.spool) if path.suffix in (".mp4", ".cbor", ".record")]
    assert {".mp4", ".cbor", ".record"} == {path.suffix for path in evidence}
    assert as_user(group, evidence, os.O_RDONLY) == evidence
    assert as_user(group, everything(made.spool), os.O_WRONLY) == []


def test_a_spool_open_to_everybody_is_seen(made: Device) -> None:
    """The negative control."""
    path = next(path for path in everything(made.spool) if path.suffix == ".mp4")
    path.chmod(0o644)
    for folder in (path.parent, path.parent.parent, made.spool):
        folder.chmod(0o755)
    assert path in as_user(NOBODY, everything(made.spool), os.O_RDONLY)


def test_a_new_spool_and_the_folders_above_it_are_closed_from_the_start(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        demo_identity(tmp_path / "above/spool", tmp_path / "keys", now_utc_ms=1)
        modes = {path: path.stat().st_mode & 0o777 for path in everything(tmp_path / "above")}
    finally:
        os.umask(before)
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o750}
    assert {mode for path, mode in modes.items() if path.is_file()} <= {0o640, 0o600}
    assert spool.UMASK == 0o027
