"""What a spool holds is read by its recorder's user and by the group that offload is in, and by nobody else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import narrowing, spool
from edge.journal import entries_of
from edge.provision import demo_identity
from liuhen.kinds import Event
from liuhen.registry import EventCode
from tests.edge.mirrored import STALL_MILLISECONDS, mirrored
from tests.edge.ports_room import START_NS, Device, Room, RoomClock, device
from tests.edge.test_mirror import both_in_step

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


# --- a spool that an earlier version left wider -----------------------------------------------------------------------


def widened(root: Path) -> None:
    """As with a umask of 0: everybody reads, and the group writes."""
    for path in everything(root):
        path.chmod(0o775 if path.is_dir() else 0o664)


def told(spool_root: Path) -> list[tuple[int, ...]]:
    """What each start said of it."""
    found = [entry.body for path in sorted((spool_root / "journal").glob("*.cbor")) for entry in entries_of(path)]
    code = EventCode.SPOOL_OPEN_TO_OTHERS
    return [body.measured for body in found if isinstance(body, Event) and body.code == code]


def again(made: Device, number: int) -> None:
    Room(RoomClock(now_ns=START_NS + number * 600 * 10**9)).record(made.config, lambda room: room.play(1))


@pytest.mark.parametrize("made", [0o022], indirect=True)
def test_a_start_closes_what_an_earlier_version_left_open_and_tells_it_once(made: Device) -> None:
    widened(made.spool)
    assert as_user(NOBODY, everything(made.spool), os.O_RDONLY) == everything(made.spool)
    deeper = (("sessions",), ("quarantine",))  # behind folders that nobody else enters
    wide = [path for path in everything(made.spool) if path.relative_to(made.spool).parts[:-1][:1] not in deeper]
    again(made, 1)
    assert as_user(NOBODY, everything(made.spool), os.O_RDONLY) == []
    assert as_user(made.spool.stat().st_gid, [path for path in wide if path.exists()], os.O_WRONLY) == []
    assert len(told(made.spool)) == 1
    assert told(made.spool)[0][0] >= len([path for path in wide if path.suffix == ".record" or path.is_dir()])
    again(made, 2)
    assert len(told(made.spool)) == 1


@pytest.mark.parametrize("made", [0o022], indirect=True)
def test_a_spool_that_is_as_it_should_be_is_not_told_of(made: Device) -> None:
    again(made, 1)
    assert told(made.spool) == []


def test_both_of_two_disks_are_closed(tmp_path: Path) -> None:
    with mirrored(tmp_path, mirror_stall_milliseconds=STALL_MILLISECONDS) as made:
        Room().record(made.device.config, both_in_step, lambda room: room.play(1))
        for root in (made.primary, made.mirror):
            widened(root)
        Room(RoomClock(now_ns=START_NS + 60 * 10**9)).record(made.device.config, lambda room: room.play(1))
        assert [len(told(root)) for root in (made.primary, made.mirror)] == [1, 1]
        for root in (made.primary, made.mirror):
            assert root.stat().st_mode & 0o777 == 0o750
            assert narrowing.open_to_others(root) == []


def test_no_more_files_than_the_limit_are_looked_at_and_a_link_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.touch()
    outside.chmod(0o666)
    root = tmp_path / "spool"
    for folder in spool.FOLDERS:
        (root / folder).mkdir(parents=True)
    for path in (root, *(root / folder for folder in spool.FOLDERS)):
        path.chmod(0o750)
    (root / "records/link.record").symlink_to(outside)
    for number in range(20):
        path = root / f"records/{number}.record"
        path.touch()
        path.chmod(0o644)
    monkeypatch.setattr(narrowing, "FILES_LIMIT", 10)
    assert 9 <= len(narrowing.open_to_others(root)) <= 10
    assert narrowing.close_to_others([root / "records/link.record"]) == 1
    assert outside.stat().st_mode & 0o777 == 0o666
