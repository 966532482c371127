"""What a cut can leave: flushed writes always, pending ones in any part, nothing that was never written."""

from __future__ import annotations

from random import Random

from sim.block_disk import FAILED_FLUSH, FLUSH, MARKED, WRITE, Record
from tests.crash import states
from tests.crash.states import SECTOR_BYTES, Kind, State, Write

BLOCK_BYTES = 8 * SECTOR_BYTES


def write(number: int, *, disk: int = 0) -> Record:
    return Record(kind=WRITE, disk=disk, offset=number * BLOCK_BYTES, content=bytes([number]) * BLOCK_BYTES)


def flush(kind: bytes = FLUSH) -> Record:
    return Record(kind=kind, disk=0, offset=0, content=b"")


def mark(text: bytes) -> Record:
    return Record(kind=MARKED, disk=0, offset=0, content=text)


LOG = (write(1), write(2), flush(), mark(b"one"), write(3), write(4), flush(), mark(b"two"), write(5), write(6))


def image(log: tuple[Record, ...], state: State) -> bytes:
    content = bytearray(10 * BLOCK_BYTES)
    for offset, part in states.writes(log, 0, state):
        content[offset : offset + len(part)] = part
    return bytes(content)


def cut(point: int, seed: int, kind: Kind = Kind.SUBSET) -> State:
    return State(kind=kind, point=point, seed=seed)


def test_what_was_flushed_is_there_in_every_state() -> None:
    for seed in range(200):
        content = image(LOG, cut(len(LOG), seed))
        for number in (1, 2, 3, 4):
            assert content[number * BLOCK_BYTES : (number + 1) * BLOCK_BYTES] == bytes([number]) * BLOCK_BYTES


def test_what_was_pending_is_there_wholly_partly_or_not_at_all() -> None:
    contents = {image(LOG, cut(len(LOG), seed))[5 * BLOCK_BYTES : 6 * BLOCK_BYTES] for seed in range(200)}
    assert {bytes(BLOCK_BYTES), b"\5" * BLOCK_BYTES} < contents
    for torn in contents:
        sectors = [torn[at : at + SECTOR_BYTES] for at in range(0, BLOCK_BYTES, SECTOR_BYTES)]
        assert set(sectors) <= {bytes(SECTOR_BYTES), b"\5" * SECTOR_BYTES}


def test_nothing_after_the_cut_is_there() -> None:
    for seed in range(50):
        assert image(LOG, cut(4, seed))[3 * BLOCK_BYTES :] == bytes(7 * BLOCK_BYTES)


def test_what_was_pending_when_a_flush_failed_may_be_gone_although_a_later_flush_succeeded() -> None:
    log = (write(1), flush(FAILED_FLUSH), flush(), mark(b"believed"))
    there = {image(log, cut(len(log), seed))[BLOCK_BYTES] for seed in range(50)}
    assert there == {0, 1}


def test_a_prefix_is_everything_before_the_cut_in_order() -> None:
    assert states.writes(LOG, 0, cut(9, 7, Kind.PREFIX)) == states.everything(LOG, 0, 9)
    assert [state.point for state in states.prefixes(LOG)] == [0, 1, 4, 5, 8, 9, 10]


def test_a_lying_disk_may_hold_less_than_was_acknowledged_and_only_that_is_asked_of_it() -> None:
    held = {states.held_marks(LOG, cut(len(LOG), seed, Kind.ROLLBACK)) for seed in range(100)}
    assert held == {0, 1, 2}
    for seed in range(100):
        state = cut(len(LOG), seed, Kind.ROLLBACK)
        if states.held_marks(LOG, state) == 1:
            assert image(LOG, state)[BLOCK_BYTES] == 1


def test_each_disk_has_its_own_writes() -> None:
    log = (write(1), write(2, disk=1), flush())
    assert states.everything(log, 1, len(log)) == [(2 * BLOCK_BYTES, b"\2" * BLOCK_BYTES)]
    assert image(log, cut(len(log), 1))[2 * BLOCK_BYTES] == 0


def test_a_state_is_the_same_from_its_name_and_a_sample_from_its_seed() -> None:
    chosen = states.sample(LOG, (Kind.SUBSET, Kind.ROT), count=20, seed=3)
    assert chosen == states.sample(LOG, (Kind.SUBSET, Kind.ROT), count=20, seed=3)
    assert chosen != states.sample(LOG, (Kind.SUBSET, Kind.ROT), count=20, seed=4)
    for state in chosen:
        again = State.from_name(state.name)
        assert (again, image(LOG, again)) == (state, image(LOG, state))


def test_a_cut_comes_before_a_request_so_that_what_was_acknowledged_last_counts() -> None:
    assert states.points(LOG) == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert states.acknowledged(LOG, 4) == [b"one"]


def test_left_keeps_the_order_free() -> None:
    pending: list[Write] = [(0, b"a" * SECTOR_BYTES), (0, b"b" * SECTOR_BYTES)]
    last = {tuple(states.left(pending, Random(seed)))[-1:] for seed in range(100)}  # noqa: S311 - repeatable
    assert {part[0][1][:1] for part in last if part} == {b"a", b"b"}
