"""A journal file that fails, whichever call and whichever file: every entry once, in order, in files without holes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import journal
from edge.durable import StorageFault
from edge.journal import Beliefs, Journal, Outside
from edge.journal_state import JournalState
from edge.spool import Identity, Spool, create_spool, open_spool
from liuhen import keys
from liuhen.entry import Entry
from liuhen.kinds import EntryBody, Mark
from liuhen.registry import MarkCode
from tests.edge.failing_calls import Failing, Fault, failing

SIGNER = keys.FileSigner(keys.generate())
FILE_LIMIT_BYTES = 1_000
ENTRIES = 26


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    create_spool(tmp_path / "spool", Identity(log_id=bytes(16), spool_id=bytes(16)))
    opened = open_spool(tmp_path / "spool")
    yield opened
    opened.close()


def started(spool: Spool) -> Journal:
    """As a start finds it; its files take three entries or so."""
    blank = JournalState(log_id=bytes(16), spool_id=bytes(16), public_key=SIGNER.public_key)
    outside = Outside(
        file_limit_bytes=FILE_LIMIT_BYTES,
        read_clock=lambda: (1_790_000_000_000, 5, bytes(16), 2, 5),
        on_durable=lambda _seq, _digest: None,
        remember=lambda _run, _head: None,
    )
    found = journal.find(spool.root, Beliefs(blank=blank))
    return Journal(spool=spool, found=found, run=1, signer=SIGNER, outside=outside)


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


def on_journal(spool: Spool, call: str, at: int, *, lasting: bool = False) -> Failing:
    folder = str(spool.journal_directory)
    return Failing(
        folders=(spool.root,),
        fault=Fault.EIO,
        at=at,
        chosen=lambda called, path: called == call and path.startswith(folder),
        lasting=lasting,
    )


def everything(spool: Spool) -> list[Entry]:
    files = sorted(spool.journal_directory.glob("*.cbor"))
    assert [path.name for path in files] == [f"{number:08d}.cbor" for number in range(len(files))]
    assert all(path.stat().st_size for path in files)
    return [entry for path in files for entry in journal.entries_of(path)]


@pytest.mark.parametrize("call", ["open", "write", "fdatasync", "fsync", "fstat", "stat"])
@pytest.mark.parametrize("at", range(8))
def test_one_fault_costs_no_entry_no_number_and_leaves_no_hole_between_files(spool: Spool, call: str, at: int) -> None:
    log, plan = started(spool), on_journal(spool, call, at)
    with failing(plan):
        for number in range(ENTRIES):
            log.append(mark(number), session_id=None)
    log.close()
    assert plan.fired or call == "stat"
    found = everything(spool)
    assert [e.common.seq for e in found] == list(range(ENTRIES))
    assert [e.common.prev for e in found] == [bytes(32)] + [e.hash for e in found[:-1]]
    assert (log.rewritten is not None) == bool(plan.fired)


@pytest.mark.parametrize("call", ["open", "write", "fdatasync", "ftruncate", "fsync"])
def test_where_the_second_attempt_fails_too_the_run_writes_nothing_more(spool: Spool, call: str) -> None:
    log = started(spool)
    for number in range(4):
        log.append(mark(number), session_id=None)
    broken = on_journal(spool, "fdatasync", 0)
    with failing(broken), failing(on_journal(spool, call, 0, lasting=True)), pytest.raises(StorageFault):
        log.append(mark(4), session_id=None)
    with pytest.raises(StorageFault):  # the disk is well again, and still: number 4 may be on it
        log.append(mark(99), session_id=None)
    log.close()
    again = started(spool)
    reached = again.size
    assert reached in (4, 5)
    again.close()


def test_a_second_fault_after_control_told_of_the_first_is_borne_again(spool: Spool) -> None:
    log = started(spool)
    for at in range(3):
        with failing(on_journal(spool, "fdatasync", 0)):
            log.append(mark(at), session_id=None)
        assert log.rewritten is not None
        log.rewritten = None
    log.close()
    assert [e.common.seq for e in everything(spool)] == [0, 1, 2]


def test_before_control_told_of_the_first_a_second_fault_is_raised(spool: Spool) -> None:
    """The negative control of the test above."""
    log = started(spool)
    with failing(on_journal(spool, "fdatasync", 0)):
        log.append(mark(0), session_id=None)
    with failing(on_journal(spool, "fdatasync", 0)), pytest.raises(StorageFault):
        log.append(mark(1), session_id=None)
    log.close()
