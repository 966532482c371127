"""The latch's file: only its exact bytes are believed, and which latch a start finds."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.guard.latch import Latch, LatchRecord, found_at_start, mark_bytes
from edge.guard.latch_file import LatchFile, LatchMark, read_latch
from edge.guard.words import Reason

THIS, OTHER = bytes(16), bytes(range(16))
CLEAR_MARK = mark_bytes(THIS, tripped=False)


def record(*, boot_id: bytes = THIS, tripped: bool = False, clean_stop: bool = False) -> LatchRecord:
    reason = Reason.OPEN if tripped else Reason.NONE
    return LatchRecord(boot_id=boot_id, tripped=tripped, reason=reason, clean_stop=clean_stop)


def tripped(reason: Reason) -> Latch:
    return Latch(tripped=True, reason=reason)


CLEAR = Latch(tripped=False, reason=Reason.NONE)


@pytest.mark.parametrize(
    ("found", "mark", "automatic", "latch"),
    [
        (None, CLEAR_MARK, True, tripped(Reason.LATCH_UNKNOWN)),
        (record(tripped=True), CLEAR_MARK, True, tripped(Reason.OPEN)),
        (record(tripped=True, clean_stop=True), CLEAR_MARK, True, tripped(Reason.OPEN)),
        (record(), CLEAR_MARK, False, CLEAR),
        (record(), mark_bytes(THIS, tripped=True), True, tripped(Reason.LATCH_UNKNOWN)),
        (record(), b"", True, tripped(Reason.LATCH_UNKNOWN)),
        (record(boot_id=OTHER), CLEAR_MARK, False, tripped(Reason.BOOT)),
        (record(boot_id=OTHER), b"", True, CLEAR),
        (record(boot_id=OTHER, clean_stop=True), b"", False, CLEAR),
        (record(boot_id=OTHER, tripped=True), b"", True, tripped(Reason.OPEN)),
    ],
)
def test_a_start_finds_the_latch_tripped_unless_the_file_says_otherwise(
    found: LatchRecord | None, mark: bytes, automatic: bool, latch: Latch
) -> None:
    assert found_at_start(found, mark, THIS, automatic_resume=automatic) == latch


@pytest.mark.parametrize("reason", list(Reason))
def test_what_is_written_is_read_again(reason: Reason) -> None:
    for clean_stop in (False, True):
        written = LatchRecord(boot_id=OTHER, tripped=True, reason=reason, clean_stop=clean_stop)
        assert LatchRecord.parse(written.to_bytes()) == written


def test_no_change_of_one_byte_and_no_shorter_file_is_believed() -> None:
    content = record().to_bytes()
    for at in range(len(content)):
        assert LatchRecord.parse(content[:at]) is None
        for other in (content[at] ^ 1, 0, 0x20, 0xFF):
            if other != content[at]:
                assert LatchRecord.parse(content[:at] + bytes([other]) + content[at + 1 :]) is None
    assert LatchRecord.parse(content + b" ") is None


@given(st.binary(max_size=300))
def test_random_bytes_are_no_latch(content: bytes) -> None:
    assert LatchRecord.parse(content) is None


def test_a_missing_or_unreadable_file_is_unknown(tmp_path: Path) -> None:
    assert read_latch(tmp_path / "nothing") is None
    assert read_latch(tmp_path) is None
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(record().to_bytes())
    assert read_latch(tmp_path / "link") is None
    assert read_latch(tmp_path / "elsewhere") == record()


def test_the_newest_record_is_on_the_disk_when_the_file_is_closed(tmp_path: Path) -> None:
    file = LatchFile(tmp_path / "latch")
    for reason in Reason:
        file.write(LatchRecord(boot_id=THIS, tripped=True, reason=reason, clean_stop=False))
    file.write(record(clean_stop=True))
    assert file.close()
    assert read_latch(tmp_path / "latch") == record(clean_stop=True) == file.on_disk


def test_a_disk_that_refuses_is_no_latch_on_disk_and_the_next_record_is_tried(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    file = LatchFile(folder / "latch")
    file.write(record())
    assert file.close()
    assert file.on_disk is None
    assert file.fault is not None
    folder.mkdir()
    again = LatchFile(folder / "latch")
    again.write(record())
    assert again.close()
    assert again.on_disk == record()


def test_a_mark_is_seen_by_the_next_guard_at_once_and_only_one_guard_holds_it(tmp_path: Path) -> None:
    mark = LatchMark(tmp_path / "mark")
    assert mark.found == b""
    mark.put(CLEAR_MARK)
    mark.put(mark_bytes(THIS, tripped=True))
    with pytest.raises(BlockingIOError):
        LatchMark(tmp_path / "mark")
    mark.close()
    again = LatchMark(tmp_path / "mark")
    assert again.found == mark_bytes(THIS, tripped=True)
    again.close()


def test_a_thread_that_waits_for_a_record_ends_without_one(tmp_path: Path) -> None:
    file = LatchFile(tmp_path / "latch")
    assert any(thread.name == "LATCH" for thread in threading.enumerate())
    assert file.close()
    assert not (tmp_path / "latch").exists()
