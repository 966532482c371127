"""The disk in user space: what it is told reaches the log and the real file system above it, and it goes by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash import mounts
from tests.required import unavailable

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.long

ABOVE = """
import errno, os, sys
from collections import Counter
from pathlib import Path
from sim.block_disk import *
from tests.crash import mounts, recording
mounts.own_namespace()
folder = Path(sys.argv[1])
image = folder / "disk.img"
recording.blank_image(image)
for name in ("fuse", "mounted"):
    (folder / name).mkdir()
disk = BlockDisk(folder / "fuse", folder / "log", (image,))
def log():
    return list(records((folder / "log").read_bytes()))
def tried(what):
    try:
        return what() and None
    except OSError as error:
        return errno.errorcode[error.errno]
mounts.mount(disk.paths[0], folder / "mounted")
file = os.open(folder / "mounted/file", os.O_RDWR | os.O_CREAT)
"""
BELOW = """
os.close(file)
mounts.unmount(folder / "mounted")
disk.close()
"""


def on_a_disk(folder: Path, act: str) -> list[str]:
    """Run these lines with an ext4 on a block disk mounted; returns what they print."""
    lacks = mounts.lacking()
    if lacks is not None:
        unavailable(lacks)
    done = subprocess.run(
        [sys.executable, "-c", ABOVE + act + BELOW, folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_flush_stands_in_the_log_behind_what_it_flushed_and_before_the_mark_of_whoever_waited(tmp_path: Path) -> None:
    said = on_a_disk(
        tmp_path,
        """
os.write(file, b"evidence" * 1000)
os.fdatasync(file)
disk.mark(b"durable")
kinds = [record.kind for record in log()]
where = next(at for at, record in enumerate(log()) if b"evidence" * 500 in record.content)
print(kinds[-1] == MARKED, FLUSH in kinds[where:], log()[-1].content)
""",
    )
    assert said == ["True True b'durable'"]


def test_a_write_that_fails_once_is_a_failed_sync_and_the_next_sync_lies(tmp_path: Path) -> None:
    said = on_a_disk(
        tmp_path,
        """
disk.become(FAIL_ONE_WRITE + b"evidence".hex())
os.write(file, b"evidence" * 1000)
print(tried(lambda: os.fdatasync(file)), tried(lambda: os.fdatasync(file)))
print(any(b"evidence" in record.content for record in log()))
""",
    )
    assert said == ["EIO None", "False"]


def test_a_flush_that_fails_is_in_the_log_as_such(tmp_path: Path) -> None:
    said = on_a_disk(
        tmp_path,
        """
disk.become(FAIL_FLUSHES)
os.write(file, b"evidence")
print(tried(lambda: os.fdatasync(file)))
print(Counter(record.kind for record in log())[FAILED_FLUSH] > 0)
""",
    )
    assert said == ["EIO", "True"]


def test_a_lying_disk_says_yes_and_notes_no_flush(tmp_path: Path) -> None:
    said = on_a_disk(
        tmp_path,
        """
disk.become(LIE)
before = [record.kind for record in log()].count(FLUSH)
os.write(file, b"evidence")
print(tried(lambda: os.fdatasync(file)), [record.kind for record in log()].count(FLUSH) - before)
""",
    )
    assert said == ["None 0"]


def test_reads_fail_where_the_page_cache_holds_nothing(tmp_path: Path) -> None:
    said = on_a_disk(
        tmp_path,
        """
os.write(file, b"evidence" * 1000)
os.fsync(file)
os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
disk.become(FAIL_READS)
print(tried(lambda: os.pread(file, 100, 0)))
disk.become(OK)
print(os.pread(file, 8, 0))
""",
    )
    assert said == ["EIO", "b'evidence'"]


def test_a_stalled_disk_answers_when_it_goes_on(tmp_path: Path) -> None:
    said = on_a_disk(
        tmp_path,
        """
import threading
over = threading.Event()
disk.stall()
os.write(file, b"evidence")
waiting = threading.Thread(target=lambda: (os.fdatasync(file), over.set()))
waiting.start()
print(over.wait(0.3))
disk.go_on()
print(over.wait(10))
waiting.join()
""",
    )
    assert said == ["False", "True"]


def test_a_pulled_disk_fails_whatever_is_asked_of_it(tmp_path: Path) -> None:
    said = on_a_disk(
        tmp_path,
        """
disk.pull()
os.write(file, b"evidence")
print(tried(lambda: os.fdatasync(file)))
""",
    )
    assert said == ["EIO"]


def test_with_its_owner_killed_the_server_ends_and_nothing_is_left(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", f"{ABOVE}\nprint(disk.process, flush=True)\nos.kill(os.getpid(), 9)", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if mounts.lacking() is not None:
        unavailable(str(mounts.lacking()))
    server = int(said.stdout)
    assert said.returncode == -9
    # The fixture of all tests waits for the server, which is now this process's child; here only for its mount.
    assert f"{tmp_path}" not in Path("/proc/self/mounts").read_text()
    command = Path(f"/proc/{server}/cmdline")
    assert not command.exists() or b"block_disk" in command.read_bytes() or not command.read_bytes()
