"""The journal on disk: one chain over restarts and rotation, with a tree that equals a full recomputation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge import journal, recovery
from edge.journal import Found, Journal, JournalError, Outside
from edge.spool import Identity, Spool, create_spool, open_spool
from liuhen import keys, merkle
from liuhen.entry import Entry
from liuhen.kinds import Checkpoint, EntryBody, Mark, Run, Stop
from liuhen.registry import MarkCode, RunCause, StopCause

SIGNER = keys.FileSigner(keys.generate())
SESSION = bytes(range(16))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    create_spool(tmp_path / "spool", Identity(log_id=bytes(16), spool_id=bytes(16)))
    opened = open_spool(tmp_path / "spool")
    yield opened
    opened.close()


Opener = Callable[..., Journal]


@pytest.fixture
def start(spool: Spool) -> Iterator[Opener]:
    """Open the journal as a start does; closed again at the end."""
    opened: list[Journal] = []

    def make(*, run: int = 1, file_limit_bytes: int = 65_536, found: Found | None = None) -> Journal:
        log = Journal(
            spool=spool,
            found=found or journal.find(spool.journal_directory),
            run=run,
            signer=SIGNER,
            outside=Outside(
                file_limit_bytes=file_limit_bytes,
                read_clock=lambda: (1_790_000_000_000, 5, bytes(16), 2, 5),
                on_durable=lambda _seq, _digest: None,
                remember=lambda _head: None,
            ),
        )
        opened.append(log)
        return log

    yield make
    for log in opened:
        log.close()


def mark(number: int) -> EntryBody:
    return Mark(
        code=MarkCode.KEY_MOMENT,
        boottime_ns=number,
        frame_index=None,
        sample_index=None,
        refers_to=None,
        step=None,
        records=(),
    )


def everything(spool: Spool) -> list[Entry]:
    files = sorted(spool.journal_directory.glob("*.cbor"))
    return [entry for path in files for entry in journal.entries_of(path)]


def check_tree(spool: Spool) -> None:
    """Every checkpoint signs what a full recomputation gives."""
    leaves: list[bytes] = []
    for entry in everything(spool):
        if isinstance(entry.body, Checkpoint):
            assert (entry.body.size, entry.body.root) == (len(leaves), merkle.root_of(leaves))
        leaves.append(merkle.leaf_hash(entry.envelope.encoded))


def test_entries_are_chained_and_numbered(spool: Spool, start: Opener) -> None:
    log = start()
    for number in range(5):
        assert log.append(mark(number), session_id=SESSION).seq == number
    found = everything(spool)
    assert [e.common.seq for e in found] == list(range(5))
    assert [e.common.prev for e in found] == [bytes(32)] + [e.hash for e in found[:-1]]
    assert log.head == found[-1].head


def test_a_restart_continues_number_and_tree(spool: Spool, start: Opener) -> None:
    for run in range(1, 6):
        log = start(run=run)
        for number in range(run * 3):
            log.append(mark(number), session_id=SESSION)
        log.checkpoint(session_id=None)
        log.append(Stop(cause=StopCause.OPERATOR), session_id=None)
        log.close()
    found = everything(spool)
    assert [e.common.seq for e in found] == list(range(len(found)))
    check_tree(spool)


def test_files_rotate_and_no_entry_spans_two(spool: Spool, start: Opener) -> None:
    log = start(file_limit_bytes=2000)
    for number in range(40):
        log.append(mark(number), session_id=SESSION)
    log.checkpoint(session_id=None)
    files = sorted(spool.journal_directory.glob("*.cbor"))
    assert [path.name for path in files] == [f"{n:08d}.cbor" for n in range(len(files))]
    assert len(files) > 3
    assert all(path.stat().st_size <= 2000 for path in files)
    assert len(everything(spool)) == 41
    check_tree(spool)


def test_a_restart_over_many_files_without_a_checkpoint_still_knows_the_tree(spool: Spool, start: Opener) -> None:
    log = start(file_limit_bytes=2000)
    for number in range(40):
        log.append(mark(number), session_id=SESSION)
    log.close()
    start(run=2).checkpoint(session_id=None)
    check_tree(spool)


def test_a_rotation_that_was_cut_short_leaves_an_empty_file_that_is_used(spool: Spool, start: Opener) -> None:
    log = start()
    log.append(mark(0), session_id=SESSION)
    log.close()
    (spool.journal_directory / "00000001.cbor").write_bytes(b"")
    start(run=2).append(mark(1), session_id=SESSION)
    assert [e.common.seq for e in everything(spool)] == [0, 1]
    assert (spool.journal_directory / "00000001.cbor").stat().st_size > 0


@pytest.mark.parametrize("torn", [1, 2, 3, 30, 200])
def test_a_torn_tail_is_set_aside_and_the_chain_goes_on(spool: Spool, start: Opener, torn: int) -> None:
    log = start()
    for number in range(3):
        log.append(mark(number), session_id=SESSION)
    log.close()
    path = spool.journal_directory / "00000000.cbor"
    whole = path.read_bytes()
    tail = everything(spool)[0].envelope.encoded[:torn]
    path.write_bytes(whole + tail)
    found = journal.find(spool.journal_directory)
    assert found.torn_bytes == torn
    recovery.set_torn_journal_aside(spool, found)
    start(run=2, found=found).append(mark(3), session_id=SESSION)
    assert [e.common.seq for e in everything(spool)] == [0, 1, 2, 3]
    assert path.read_bytes().startswith(whole)
    (kept,) = (spool.root / "quarantine").iterdir()
    assert kept.read_bytes() == tail


def test_zeros_where_an_entry_belongs_are_torn(spool: Spool, start: Opener) -> None:
    log = start()
    log.append(mark(0), session_id=SESSION)
    log.close()
    with (spool.journal_directory / "00000000.cbor").open("ab") as file:
        file.write(bytes(4096))
    assert journal.find(spool.journal_directory).torn_bytes == 4096


def test_more_than_one_write_could_leave_behind_is_not_called_torn(spool: Spool, start: Opener) -> None:
    log = start()
    log.append(mark(0), session_id=SESSION)
    log.close()
    with (spool.journal_directory / "00000000.cbor").open("ab") as file:
        file.write(bytes(70_000))
    with pytest.raises(JournalError, match="more than one write"):
        journal.find(spool.journal_directory)


def test_rot_before_whole_entries_is_refused_not_cut(spool: Spool, start: Opener) -> None:
    log = start()
    for number in range(6):
        log.append(mark(number), session_id=SESSION)
    log.close()
    path = spool.journal_directory / "00000000.cbor"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 - 40] ^= 0xFF
    path.write_bytes(content)
    try:
        found = journal.find(spool.journal_directory)
    except JournalError:
        return
    pytest.fail(f"rot was taken for {found.torn_bytes} torn bytes after entry {found.last}")


def test_entries_that_do_not_continue_each_other_are_refused(spool: Spool, start: Opener) -> None:
    log = start()
    for number in range(4):
        log.append(mark(number), session_id=SESSION)
    log.close()
    path = spool.journal_directory / "00000000.cbor"
    parts = [e.envelope.encoded for e in everything(spool)]
    path.write_bytes(parts[0] + parts[1] + parts[3])
    with pytest.raises(JournalError, match="does not continue"):
        journal.find(spool.journal_directory)


def test_a_hole_in_the_files_is_refused(spool: Spool, start: Opener) -> None:
    log = start(file_limit_bytes=1000)
    for number in range(12):
        log.append(mark(number), session_id=SESSION)
    log.close()
    (spool.journal_directory / "00000001.cbor").unlink()
    with pytest.raises(JournalError, match="holes"):
        journal.find(spool.journal_directory)


def test_unreadable_bytes_before_later_files_are_refused(spool: Spool, start: Opener) -> None:
    log = start(file_limit_bytes=1000)
    for number in range(12):
        log.append(mark(number), session_id=SESSION)
    log.close()
    last = sorted(spool.journal_directory.glob("*.cbor"))[-2]
    last.write_bytes(last.read_bytes()[:-3])
    with pytest.raises(JournalError):
        journal.find(spool.journal_directory)


def test_a_journal_of_another_log_is_refused(spool: Spool, start: Opener) -> None:
    log = start()
    log.append(Run(cause=RunCause.FIRST, software=(), config_hash=bytes(32)), session_id=None)
    found = journal.find(spool.journal_directory)
    recovery.check_continuable(spool, found, SIGNER.public_key)
    other = Spool(spool.root, Identity(log_id=b"another log here", spool_id=bytes(16)), 0)
    with pytest.raises(JournalError, match="another log"):
        recovery.check_continuable(other, found, SIGNER.public_key)
