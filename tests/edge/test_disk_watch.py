"""Whether a disk is the one it was: decided from what the system says, and no dead disk is ever waited for."""

from __future__ import annotations

import errno
import os
import queue
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from edge.disk_watch import (
    GONE,
    DiskSaid,
    DiskState,
    DiskWatch,
    DiskWatcher,
    Known,
    Probed,
    Side,
    Watched,
    judge,
    known_disk,
    of_errno,
    probe,
)
from edge.spool import IDENTITY_FILE, Identity, create_spool
from liuhen.registry import EVENTS, EventCode
from tests.crash.test_block_disk import on_a_disk

OURS = Identity(log_id=bytes(16), spool_id=bytes(range(16)))
OTHER = Identity(log_id=bytes(16), spool_id=bytes(16))
KNOWN = Known(identity=OURS, device=7)
WELL = Probed(device=7, identity=OURS, device_there=True)


@pytest.mark.parametrize(
    ("probed", "state"),
    [
        (WELL, DiskState.PRESENT),
        (replace(WELL, device_there=None), DiskState.PRESENT),
        (replace(WELL, device=8), DiskState.PRESENT),
        (replace(WELL, read_only=True), DiskState.READ_ONLY),
        (replace(WELL, identity=OTHER), DiskState.WRONG_MEDIUM),
        (replace(WELL, identity=OTHER, read_only=True), DiskState.WRONG_MEDIUM),
        (replace(WELL, identity=replace(OURS, log_id=bytes(range(16)))), DiskState.WRONG_MEDIUM),
        (replace(WELL, device_there=False), DiskState.REMOVED),
        (Probed(device=3), DiskState.REMOVED),  # the folder it was mounted on
        (Probed(device=7), DiskState.WRONG_MEDIUM),  # its own folder without its identity
        *((Probed(device=7, code=code), DiskState.REMOVED) for code in sorted(GONE)),
        (Probed(device=7, code=errno.EACCES), DiskState.REMOVED),
        (None, DiskState.SILENT),
    ],
)
def test_a_disk_is_known_by_its_identity_its_device_and_its_errors(probed: Probed | None, state: DiskState) -> None:
    assert judge(KNOWN, probed) is state


def test_each_change_is_told_once_and_a_disk_that_comes_back_says_whether_it_was_mounted_anew() -> None:
    watch = DiskWatch(Side.MIRROR, KNOWN)
    gone, other, back = Probed(device=3), replace(WELL, identity=OTHER), replace(WELL, device=9)
    said = [watch.after(seen) for seen in (WELL, gone, gone, other, back, back, None, back)]
    assert said == [
        None,
        DiskSaid(side=Side.MIRROR, state=DiskState.REMOVED),
        None,
        DiskSaid(side=Side.MIRROR, state=DiskState.WRONG_MEDIUM),
        DiskSaid(side=Side.MIRROR, state=DiskState.PRESENT, remounted=True),
        None,
        DiskSaid(side=Side.MIRROR, state=DiskState.SILENT),
        DiskSaid(side=Side.MIRROR, state=DiskState.PRESENT),
    ]


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (DiskState.READ_ONLY, EventCode.STORAGE_READ_ONLY),
        (DiskState.REMOVED, EventCode.STORAGE_REMOVED),
        (DiskState.WRONG_MEDIUM, EventCode.STORAGE_WRONG_MEDIUM),
        (DiskState.PRESENT, None),
        (DiskState.SILENT, None),
    ],
)
def test_each_state_has_its_event_and_words_that_say_what_to_do(state: DiskState, code: EventCode | None) -> None:
    said = DiskSaid(side=Side.PRIMARY, state=state)
    assert said.event is code
    if code is not None:
        assert len(said.measured) == len(EVENTS[code].measured)
    if state is not DiskState.PRESENT:
        assert "请" in said.words_zh


def test_a_failed_write_names_a_read_only_or_a_missing_disk_and_leaves_the_rest_to_the_probe() -> None:
    assert of_errno(Side.PRIMARY, errno.EROFS) == DiskSaid(side=Side.PRIMARY, state=DiskState.READ_ONLY)
    assert of_errno(Side.PRIMARY, errno.ENODEV) == DiskSaid(side=Side.PRIMARY, state=DiskState.REMOVED)
    assert of_errno(Side.PRIMARY, errno.EIO) is None
    assert of_errno(Side.PRIMARY, errno.ENOSPC) is None


# --- the system ------------------------------------------------------------------------------------------------------


def test_a_spool_in_its_place_is_present_and_without_its_folder_removed(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    create_spool(root, OURS)
    known = known_disk(root, OURS)
    assert judge(known, probe(root)) is DiskState.PRESENT
    (root / IDENTITY_FILE).write_bytes(b"?")
    assert judge(known, probe(root)) is DiskState.WRONG_MEDIUM
    shutil.rmtree(root)
    assert judge(known, probe(root)) is DiskState.REMOVED
    create_spool(root, OTHER)
    assert judge(known, probe(root)) is DiskState.WRONG_MEDIUM


def watched(*answers: Probed | None, asked: list[int], hang: threading.Event) -> Watched:
    """A disk that gives these answers in turn; at None it hangs until the event."""
    left = list(answers)

    def ask() -> Probed:
        asked.append(1)
        answer = left.pop(0) if len(left) > 1 else left[0]
        if answer is None:
            hang.wait(20)
            return WELL
        return answer

    return Watched(side=Side.PRIMARY, known=KNOWN, ask=ask)


def test_a_disk_that_never_answers_is_called_silent_and_is_not_asked_again_while_it_hangs() -> None:
    asked: list[int] = []
    hang, told = threading.Event(), queue.Queue[DiskSaid]()
    watcher = DiskWatcher(
        (watched(WELL, None, WELL, asked=asked, hang=hang),), told.put, every_seconds=0.01, limit_seconds=0.05
    )
    watcher.start()
    assert told.get(timeout=10).state is DiskState.SILENT
    for _ in range(3):
        watcher.look_now()
    assert len(asked) == 2
    hang.set()
    assert told.get(timeout=10).state is DiskState.PRESENT
    watcher.stop()


def test_a_watcher_ends_in_time_although_a_disk_hangs() -> None:
    hang, told = threading.Event(), queue.Queue[DiskSaid]()
    watcher = DiskWatcher((watched(None, asked=[], hang=hang),), told.put, every_seconds=0.01, limit_seconds=0.05)
    watcher.start()
    assert told.get(timeout=10).state is DiskState.SILENT
    watcher.stop()
    hang.set()
    hanging = [thread for thread in threading.enumerate() if thread.name == "DISK PRIMARY"]
    for thread in hanging:
        thread.join(10)


ABOUT = """
from edge.disk_watch import *
from edge.spool import *
identity = Identity(log_id=bytes(16), spool_id=bytes(16))
create_spool(folder / "mounted/spool", identity)
known = known_disk(folder / "mounted/spool", identity)
print(judge(known, probe(folder / "mounted/spool")).value)
"""


@pytest.mark.realtime
@pytest.mark.beside
def test_a_pulled_disk_is_removed_although_its_identity_is_still_in_memory(tmp_path: Path) -> None:
    said = on_a_disk(tmp_path, f"{ABOUT}\ndisk.pull()\nprint(judge(known, probe(folder / 'mounted/spool')).value)")
    assert said == ["present", "removed"]


@pytest.mark.realtime
@pytest.mark.beside
def test_a_disk_remounted_read_only_is_read_only(tmp_path: Path) -> None:
    remount = """
os.close(file)
mounts._call("mount", None, os.fsencode(folder / "mounted"), None, 1 | 32, None)  # MS_RDONLY | MS_REMOUNT
print(judge(known, probe(folder / 'mounted/spool')).value)
file = os.open(folder / "mounted/file", os.O_RDONLY)
"""
    assert on_a_disk(tmp_path, ABOUT + remount) == ["present", "read-only"]


@pytest.mark.realtime
@pytest.mark.beside
def test_what_lies_below_an_unmounted_disk_is_not_the_disk(tmp_path: Path) -> None:
    unmount = """
os.close(file)
mounts.unmount(folder / "mounted")
print(judge(known, probe(folder / 'mounted/spool')).value)
create_spool(folder / "mounted/spool", Identity(log_id=bytes(16), spool_id=bytes(range(16))))
print(judge(known, probe(folder / 'mounted/spool')).value)
mounts.mount(disk.paths[0], folder / "mounted")
print(judge(known, probe(folder / 'mounted/spool')).value)
file = os.open(folder / "mounted/file", os.O_RDONLY)
"""
    assert on_a_disk(tmp_path, ABOUT + unmount) == ["present", "removed", "wrong medium", "present"]


def test_the_probe_writes_nothing(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    create_spool(root, OURS)
    before = sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*"))
    probe(root)
    assert sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*")) == before
    assert os.access(root, os.W_OK)
