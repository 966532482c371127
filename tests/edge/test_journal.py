"""The journal on disk: one chain over restarts and rotation, with a tree that equals a full recomputation."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge import durable, journal, recovery
from edge.durable import StorageFault
from edge.journal import Beliefs, Found, Journal, Outside, Unreadable
from edge.journal_slots import Place, Slot, read_slots, slot_change, slot_paths
from edge.journal_state import JournalState
from edge.spool import Identity, Spool, create_spool, open_spool
from liuhen import keys, merkle
from liuhen.entry import Entry
from liuhen.kinds import Checkpoint, Duty, EntryBody, Mark, Refusal, Run, Stop
from liuhen.registry import DutyAct, DutyCode, MarkCode, RefusalCode, RunCause, StopCause

SIGNER = keys.FileSigner(keys.generate())
SESSION = bytes(range(16))
BLANK = JournalState(log_id=bytes(16), spool_id=bytes(16), public_key=SIGNER.public_key)
BELIEFS = Beliefs(blank=BLANK, held=frozenset({SIGNER.public_key}))


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
            found=found or journal.find(spool.root, BELIEFS),
            run=run,
            signer=SIGNER,
            outside=Outside(
                file_limit_bytes=file_limit_bytes,
                read_clock=lambda: (1_790_000_000_000, 5, bytes(16), 2, 5),
                on_durable=lambda _seq, _digest: None,
                remember=lambda _run, _head: None,
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
    found = journal.find(spool.root, BELIEFS)
    assert found.tail == Unreadable(file=0, offset=len(whole), size=torn)
    recovery.set_torn_journal_aside(spool, found.tail)
    start(run=2, found=found).append(mark(3), session_id=SESSION)
    assert [e.common.seq for e in everything(spool)] == [0, 1, 2, 3]
    assert path.read_bytes().startswith(whole)
    (kept,) = (spool.root / "quarantine").iterdir()
    assert kept.read_bytes() == tail


@pytest.mark.parametrize("size", [4096, 70_000])
def test_zeros_where_an_entry_belongs_are_an_unreadable_tail(spool: Spool, start: Opener, size: int) -> None:
    log = start()
    log.append(mark(0), session_id=SESSION)
    log.close()
    with (spool.journal_directory / "00000000.cbor").open("ab") as file:
        file.write(bytes(size))
    found = journal.find(spool.root, BELIEFS)
    assert found.tail is not None
    assert (found.tail.size, found.rotten) == (size, ())


def test_a_bad_tail_that_was_named_is_rot_and_one_that_was_not_is_torn(spool: Spool, start: Opener) -> None:
    log = start()
    for number in range(3):
        log.append(mark(number), session_id=SESSION)
    log.close()
    path = spool.journal_directory / "00000000.cbor"
    named = everything(spool)[-1].head
    path.write_bytes(path.read_bytes()[:-5])
    found = journal.find(spool.root, BELIEFS)
    torn, rot = recovery.weigh(found, ()), recovery.weigh(found, (named,))
    assert (torn.torn, torn.rotten, torn.lost, torn.state.next_seq) == (found.tail, (), False, 2)
    assert (rot.torn, rot.rotten, rot.lost, rot.state.head) == (None, (found.tail,), True, named)


def test_rot_before_whole_entries_is_named_and_they_are_kept(spool: Spool, start: Opener) -> None:
    log = start()
    for number in range(6):
        log.append(mark(number), session_id=SESSION)
    log.close()
    path = spool.journal_directory / "00000000.cbor"
    sizes = [len(e.envelope.encoded) for e in everything(spool)]
    content = bytearray(path.read_bytes())
    content[sum(sizes[:3]) + 50] ^= 0xFF
    path.write_bytes(content)
    found = journal.find(spool.root, BELIEFS)
    assert found.rotten == (Unreadable(file=0, offset=sum(sizes[:3]), size=sizes[3]),)
    assert (found.tail, found.skipped, found.state.next_seq) == (None, 1, 6)


def test_an_entry_with_another_signature_is_none(spool: Spool, start: Opener) -> None:
    log = start()
    for number in range(2):
        log.append(mark(number), session_id=SESSION)
    log.close()
    with (spool.journal_directory / "00000000.cbor").open("ab") as file:
        forged = everything(spool)[-1].envelope.encoded
        file.write(forged[:-1] + bytes([forged[-1] ^ 1]))
    found = journal.find(spool.root, BELIEFS)
    assert found.state.next_seq == 2
    assert found.tail is not None


def test_missing_entries_and_a_missing_file_are_counted(spool: Spool, start: Opener) -> None:
    log = start(file_limit_bytes=1000)
    for number in range(12):
        log.append(mark(number), session_id=SESSION)
    log.close()
    gone = spool.journal_directory / "00000001.cbor"
    held = len(list(journal.entries_of(gone)))
    gone.unlink()
    found = journal.find(spool.root, BELIEFS)
    assert (found.skipped, found.state.next_seq) == (held, 12)
    assert not recovery.weigh(found, ()).orderly


def test_the_tree_of_a_log_with_a_hole_has_the_leaf_of_nothing_there(spool: Spool, start: Opener) -> None:
    log = start()
    for number in range(5):
        log.append(mark(number), session_id=SESSION)
    log.close()
    encoded = [e.envelope.encoded for e in everything(spool)]
    path = spool.journal_directory / "00000000.cbor"
    path.write_bytes(encoded[0] + encoded[1] + encoded[3] + encoded[4])
    log = start(run=2)
    log.checkpoint(session_id=None)
    leaves = [merkle.leaf_hash(e) for e in (encoded[0], encoded[1], b"", encoded[3], encoded[4])]
    last = everything(spool)[-1]
    assert isinstance(last.body, Checkpoint)
    assert last.body.root == merkle.root_of(leaves)


def test_a_journal_of_another_log_has_no_entry_of_this_one(spool: Spool, start: Opener) -> None:
    log = start()
    log.append(Run(cause=RunCause.FIRST, software=(), config_hash=bytes(32)), session_id=None)
    assert journal.find(spool.root, BELIEFS).state.head is not None
    assert journal.find(spool.root, Beliefs(blank=replace(BLANK, log_id=b"another log here"))).state.head is None


# --- slots ------------------------------------------------------------------------------------------------------------


def fill(start: Opener, spool: Spool) -> None:
    log = start(file_limit_bytes=2000)
    for number in range(40):
        log.append(mark(number), session_id=SESSION)
        if number % 10 == 9:
            log.checkpoint(session_id=None)
    log.append(mark(99), session_id=SESSION)
    log.close()


def test_a_start_with_slots_finds_what_a_start_from_the_first_entry_finds(spool: Spool, start: Opener) -> None:
    fill(start, spool)
    with_slots = journal.find(spool.root, BELIEFS)
    for path in slot_paths(spool.root):
        path.unlink()
    without = journal.find(spool.root, BELIEFS)
    assert with_slots.state == without.state
    assert with_slots.place == without.place
    assert len(with_slots.hashes) < 5 < len(without.hashes)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("damage", [b"", b"\xd2\x84", bytes(300)])
def test_a_damaged_slot_is_no_more_than_a_slower_start(spool: Spool, start: Opener, number: int, damage: bytes) -> None:
    fill(start, spool)
    expected = journal.find(spool.root, BELIEFS).state
    slot_paths(spool.root)[number].write_bytes(damage)
    assert journal.find(spool.root, BELIEFS).state == expected


def test_a_slot_whose_entry_is_not_there_is_not_believed(spool: Spool, start: Opener) -> None:
    fill(start, spool)
    for path in sorted(spool.journal_directory.glob("*.cbor"))[2:]:
        path.unlink()
    found = journal.find(spool.root, BELIEFS)
    assert found.place is not None
    assert found.place.file == 1


def test_a_slot_under_a_key_that_is_not_held_is_not_believed_though_it_points_at_a_genuine_entry(
    spool: Spool, start: Opener
) -> None:
    fill(start, spool)
    honest = journal.find(spool.root, BELIEFS)
    assert honest.place is not None
    stranger = keys.FileSigner(keys.generate())
    state = replace(honest.state, public_key=stranger.public_key, ordinal=77)
    for path in slot_paths(spool.root):
        durable.carry_out(slot_change(path, Slot(state=state, place=honest.place), stranger))
    assert journal.find(spool.root, BELIEFS).state == honest.state


def test_a_slot_signed_by_another_key_speaks_of_no_entry_here(spool: Spool, start: Opener) -> None:
    fill(start, spool)
    state = journal.find(spool.root, BELIEFS).state
    forged = Slot(state=replace(state, head=(10**6, bytes(32))), place=Place(file=0, start=0, end=10))
    durable.carry_out(slot_change(slot_paths(spool.root)[0], forged, SIGNER))
    assert journal.find(spool.root, BELIEFS).state == state


def test_what_is_due_without_its_duty_outlives_a_slot_and_a_second_power_cut(spool: Spool, start: Opener) -> None:
    """The power goes after the refusal, and again after a start that got no further than its checkpoint."""
    log = start()
    refused = log.append(Refusal(code=RefusalCode.POWER, measured=(), records=()), session_id=None).seq
    of_a_destruction = log.append(Refusal(code=RefusalCode.HELD, measured=(), records=()), session_id=None).seq
    log.checkpoint(session_id=None)
    log.close()
    start(run=2).checkpoint(session_id=None)
    due = ((refused, DutyCode.REPORT),)
    assert [slot.state.due for _, slot in read_slots(spool.root)] == [due, due]
    log = start(run=3)
    seen = [log.state.due]
    for about in (of_a_destruction, refused):
        log.append(Duty(code=DutyCode.REPORT, act=DutyAct.OPENED, refers_to=about, records=()), session_id=None)
        seen.append(log.state.due)
    assert seen == [due, due, ()]


def test_the_newest_slot_is_never_the_one_that_is_overwritten(spool: Spool, start: Opener) -> None:
    log = start()
    heads = []
    for number in range(6):
        log.append(mark(number), session_id=SESSION)
        log.checkpoint(session_id=None)
        heads.append(log.head)
        assert [slot.state.head for _, slot in read_slots(spool.root)] == heads[:-3:-1]
    log.close()
    start(run=2).checkpoint(session_id=None)
    kept = [slot.state.head for _, slot in read_slots(spool.root)]
    assert heads[-1] in kept


# --- a disk that fails ------------------------------------------------------------------------------------------------


def test_an_entry_whose_flush_failed_goes_whole_to_the_next_file(
    spool: Spool, start: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = start()
    log.append(mark(0), session_id=SESSION)
    fdatasync, failures = os.fdatasync, iter([True])

    def fail_once(descriptor: int) -> None:
        if next(failures, False):
            raise OSError(errno.EIO, "injected")
        fdatasync(descriptor)

    monkeypatch.setattr(os, "fdatasync", fail_once)
    log.append(mark(1), session_id=SESSION)
    assert log.rewritten is not None
    assert log.rewritten.code == errno.EIO
    first, second = sorted(spool.journal_directory.glob("*.cbor"))
    assert [e.common.seq for e in journal.entries_of(first)] == [0]
    assert [e.common.seq for e in journal.entries_of(second)] == [1]
    monkeypatch.setattr(os, "fdatasync", _always_fails)
    with pytest.raises(StorageFault):
        log.append(mark(2), session_id=SESSION)


def _always_fails(_descriptor: int) -> None:
    raise OSError(errno.EIO, "injected")
