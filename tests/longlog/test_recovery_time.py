"""A start on a long log costs no more than one on a short log; ten thousand segments: `make campaign ARGS=recovery`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.longlog.measure import (
    READ_MORE_BYTES,
    Compared,
    Examined,
    Recoveries,
    Started,
    Touched,
    recoveries,
    touched_in,
)
from tests.longlog.spools import LongLog

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(240)]
LONG, SHORT = 1000, 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("longlog")


@pytest.fixture(scope="module")
def measured(folder: Path) -> Recoveries:
    return recoveries(folder, segments=(LONG, SHORT), starts=5)


def test_a_start_takes_as_long_after_a_thousand_segments_as_after_ten(measured: Recoveries) -> None:
    assert measured.faults() == []


def test_after_a_kill_it_recovers_and_after_an_orderly_stop_it_has_nothing_to_recover(measured: Recoveries) -> None:
    """What is compared is what it says: only after a kill are segments read, and a new session is made only without."""
    killed, orderly = measured.killed.long.kinds(), measured.orderly.long.kinds()
    segment, record = "spool/sessions/#/#.mp#", "spool/records/#.record"
    assert killed[segment] > orderly[segment] == 1
    assert (killed[record], orderly[record]) == (0, 1)


def test_a_start_that_has_to_read_the_whole_journal_is_seen(measured: Recoveries) -> None:
    few = measured.orderly.short.read_bytes
    assert measured.slotless_touched.read_bytes > 3 * READ_MORE_BYTES + few
    assert measured.slotless.wiring_seconds > 1.5 * measured.orderly.compared.short.wiring_seconds


def test_what_was_measured_is_an_archive_that_verifies(measured: Recoveries, folder: Path) -> None:
    log = LongLog(folder=folder / f"log-{LONG}")
    command = [sys.executable, "-m", "liuhen.cli", str(log.spool), "--trust", str(log.trust_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout
    assert log.segments() > LONG


# -- the measure itself ------------------------------------------------------------------------------------------------


def started(seconds: float) -> Started:
    return Started(process_seconds=seconds, wiring_seconds=seconds, resident_mib=1)


def examined(seconds: float, *opened: str, read_bytes: int = 100) -> Examined:
    short = Touched(opened=("spool/journal/00000000.cbor",), read_bytes=100)
    long = Touched(opened=opened or ("spool/journal/00000007.cbor",), read_bytes=read_bytes)
    compared = Compared(long=started(seconds), short=started(1), starts=1)
    return Examined(compared=compared, long=long, short=short)


def judged(killed: Examined) -> list[str]:
    nothing = Touched(opened=(), read_bytes=0)
    good = Recoveries(
        segments=(2, 1), killed=examined(1), orderly=examined(1), slotless=started(1), slotless_touched=nothing
    )
    assert good.faults() == []
    return replace(good, killed=killed).faults()


def test_a_slower_start_one_more_file_and_many_more_bytes_are_faults() -> None:
    assert judged(examined(1.4)) == []
    assert judged(examined(1.6)) == ["after a kill a start takes 1.60 times as long"]
    assert len(judged(examined(1, "spool/journal/00000006.cbor", "spool/journal/00000007.cbor"))) == 1
    assert judged(examined(1, read_bytes=999_999)) == ["after a kill it reads 999999 against 100"]


def test_a_trace_is_read_by_folder_and_by_what_succeeded() -> None:
    trace = [
        '7 openat(AT_FDCWD</x>, "/t/log/spool/journal", O_RDONLY|O_DIRECTORY) = 3</t/log/spool/journal>',
        '7 openat(AT_FDCWD</x>, "/t/log/keys/device.key", O_RDONLY|O_CLOEXEC) = 4</t/log/keys/device.key>',
        '8 openat(AT_FDCWD</x>, "/t/log/spool/device/slot-9", O_RDONLY) = -1 ENOENT (No such file or directory)',
        '8 openat(AT_FDCWD</x>, "/usr/lib/libc.so.6", O_RDONLY|O_CLOEXEC) = 3</usr/lib/libc.so.6>',
        '7 read(4</t/log/keys/device.key>, "-----BEGIN"..., 512) = 200',
        '7 pread64(5</t/log/spool/journal/00000003.cbor>, "\\204", 64, 128) = 64',
        '7 read(3</usr/lib/libc.so.6>, "ELF"..., 832) = 832',
    ]
    assert touched_in(trace, Path("/t/log")) == Touched(opened=("spool/journal", "keys/device.key"), read_bytes=264)
