"""Durable means written, flushed, and named in a flushed directory; a file that failed takes nothing more."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge import durable
from edge.durable import AppendFile, StorageFault


@contextmanager
def no_file_larger_than(size_bytes: int) -> Iterator[None]:
    """The kernel refuses writes beyond this size (EFBIG), partly carried out where they cross it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_was_appended_is_there_and_counted(tmp_path: Path) -> None:
    file = AppendFile(tmp_path / "a", new=True)
    file.append(b"one")
    file.append(b"two")
    assert file.size == 6
    file.close()
    assert (tmp_path / "a").read_bytes() == b"onetwo"


def test_a_new_file_never_replaces_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"evidence")
    with pytest.raises(StorageFault) as fault:
        AppendFile(tmp_path / "a", new=True)
    assert fault.value.code == errno.EEXIST
    with pytest.raises(StorageFault):
        durable.create_file(tmp_path / "a", b"other")
    assert (tmp_path / "a").read_bytes() == b"evidence"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"kept")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageFault):
        AppendFile(tmp_path / "link", new=False)
    with pytest.raises(StorageFault):
        durable.shorten(tmp_path / "link", 0)
    assert (tmp_path / "elsewhere").read_bytes() == b"kept"


def test_a_failed_write_poisons_the_file(tmp_path: Path) -> None:
    file = AppendFile(tmp_path / "a", new=True)
    file.append(b"good")
    with no_file_larger_than(6), pytest.raises(StorageFault) as fault:
        file.append(b"does not fit")
    assert fault.value.code == errno.EFBIG
    assert not fault.value.full
    with pytest.raises(StorageFault, match=os.strerror(errno.EIO)):
        file.append(b"x")
    assert file.size == 4
    file.close()


def test_no_space_is_told_from_a_broken_disk() -> None:
    assert StorageFault(Path("file"), errno.ENOSPC).full
    assert StorageFault(Path("file"), errno.EDQUOT).full
    assert not StorageFault(Path("file"), errno.EIO).full


def test_a_reserve_really_takes_its_space(tmp_path: Path) -> None:
    durable.reserve_space(tmp_path / "reserve", 200_000)
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 200_000


def test_a_reserve_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    with no_file_larger_than(4096), pytest.raises(StorageFault):
        durable.reserve_space(tmp_path / "reserve", 200_000)
    assert list(tmp_path.iterdir()) == []


def test_a_shortened_file_keeps_its_good_part(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"good and torn")
    durable.shorten(tmp_path / "a", 4)
    assert (tmp_path / "a").read_bytes() == b"good"


def test_a_file_that_is_not_as_long_as_what_was_written_is_a_fault(tmp_path: Path) -> None:
    """Another writer, or a disk that took less than it said: found while the content is still in memory."""
    file = AppendFile(tmp_path / "a", new=True)
    file.append(b"ours")
    with (tmp_path / "a").open("ab") as other:
        other.write(b"theirs")
    with pytest.raises(StorageFault):
        file.append(b"ours")
    file.close()


def test_an_error_of_reading_is_a_storage_fault_with_its_errno(tmp_path: Path) -> None:
    with pytest.raises(StorageFault) as fault, durable.reading(tmp_path):
        (tmp_path / "absent").read_bytes()
    assert (fault.value.code, fault.value.path) == (errno.ENOENT, tmp_path / "absent")


def test_a_file_that_is_gone_already_can_be_removed_where_that_is_said(tmp_path: Path) -> None:
    durable.remove_file(tmp_path / "absent", missing_ok=True)
    with pytest.raises(StorageFault):
        durable.remove_file(tmp_path / "absent")


def test_only_a_read_only_file_system_is_called_so() -> None:
    assert StorageFault(Path("a"), errno.EROFS).read_only
    assert not StorageFault(Path("a"), errno.EIO).read_only
