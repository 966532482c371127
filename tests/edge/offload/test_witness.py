"""What witnesses left in the store is carried to the recorder once, in order, and nothing but what its key names."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge import witnessing
from edge.offload.program import Settings
from edge.offload.words import Answer
from liuhen.hashing import sha256
from liuhen.kinds import Witness
from liuhen.store_names import WitnessName, key_of
from liuhen.store_statements import sign_witness
from tests.edge.offload.bench import Bench
from tests.signing.archives import signer

pytestmark = pytest.mark.long

EVERY_SECONDS = 600


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path, settings=Settings(beacon_seconds=0, witness_seconds=EVERY_SECONDS))
    made.device.session(segments=1)
    made.desk.cut()
    return made


def statement(bench: Bench, size: int) -> bytes:
    said = Witness(
        version=1, log_id=bench.device.log_id, store=bytes(32), size=size, root=bytes(32), utc_ms=size, media=()
    )
    return sign_witness(signer("witness"), said)


def left(bench: Bench, size: int, encoded: bytes, *, digest: bytes | None = None) -> str:
    name = WitnessName(log_id=bench.device.log_id, size=size, digest=digest or sha256(encoded))
    bench.store.overwrite(key_of(name), encoded)
    return key_of(name)


def test_statements_come_in_the_order_of_size_and_each_once_in_a_life(bench: Bench) -> None:
    said = [statement(bench, size) for size in range(1, 21)]
    for size, encoded in reversed(list(enumerate(said, start=1))):
        left(bench, size, encoded)
    bench.settle()
    bench.turn(200)
    assert bench.desk.statements == said
    bench.turn(20, seconds=EVERY_SECONDS / 4)
    assert len(bench.desk.statements) == len(said)


def test_other_bytes_than_the_key_names_and_deleted_ones_are_not_told_and_hold_nothing_up(bench: Bench) -> None:
    good = statement(bench, 9)
    left(bench, 7, b"not what the key names", digest=bytes(32))
    left(bench, 6, bytes(100_000))
    bench.store.mark_deleted(key_of(WitnessName(log_id=bench.device.log_id, size=5, digest=bytes(32))))
    left(bench, 9, good)
    bench.settle()
    bench.turn(20)
    assert bench.desk.statements == [good]


def test_what_the_recorder_cannot_take_yet_is_told_again_and_what_it_refuses_is_not(bench: Bench) -> None:
    encoded = statement(bench, 3)
    left(bench, 3, encoded)
    bench.desk.of_statements = Answer(ok=True, unknown=(sha256(encoded),))
    bench.settle()
    bench.turn(5, seconds=15)
    again = len(bench.desk.statements)
    assert again > 2
    bench.desk.of_statements = Answer(ok=False, why="not believed")
    bench.turn(5, seconds=15)
    bench.turn(20, seconds=EVERY_SECONDS / 4)
    assert len(bench.desk.statements) == again + 1


def test_what_the_recorder_remembers_is_not_even_read(bench: Bench) -> None:
    key = left(bench, 3, statement(bench, 3))
    folder = bench.device.root / witnessing.FOLDER
    folder.mkdir(parents=True)
    (folder / key.rpartition("/")[2]).write_bytes(b"")
    bench.settle()
    bench.turn(20)
    assert bench.desk.statements == []


def test_without_a_pinned_witness_nothing_is_looked_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.device.session(segments=1)
    bench.desk.cut()
    left(bench, 3, statement(bench, 3))
    bench.settle()
    bench.turn(20, seconds=EVERY_SECONDS)
    assert bench.desk.statements == []
