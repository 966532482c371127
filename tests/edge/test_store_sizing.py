"""What a store must bear is computed from the configuration, and no more is put or asked than is computed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge import store_sizing
from edge.config import Config
from edge.offload.program import Settings
from edge.store_sizing import CALLS_AN_OBJECT, HOUR_SECONDS, PROOF_BYTES_AN_HOUR, sizing, table
from liuhen import records, sealed_records
from tests.edge.offload.bench import Bench
from tests.edge.ports_room import Room, device

PAGE = Path(__file__).resolve().parents[2] / "image-build/store/README.md"
ROOMS, HOURS = 1000, 8


def test_the_page_shows_the_computed_table() -> None:
    assert table(Config(), rooms=ROOMS, hours=HOURS) in PAGE.read_text(encoding="utf-8"), (
        "print it with python -m edge.store_sizing"
    )


def test_rooms_add_up_and_shorter_segments_are_more_objects_and_requests() -> None:
    one, many = (sizing(Config(), rooms=rooms, hours=HOURS) for rooms in (1, ROOMS))
    assert (many.objects, many.stored_bytes, many.requests) == tuple(
        ROOMS * number for number in (one.objects, one.stored_bytes, one.requests)
    )
    config = Config()
    shorter = sizing(replace(config, segment=replace(config.segment, seconds=10)), rooms=1, hours=HOURS)
    segments = 2 * HOURS * HOUR_SECONDS // 30
    assert shorter.objects - one.objects == segments
    assert shorter.requests - one.requests == segments * store_sizing.REQUESTS_AN_OBJECT


@pytest.mark.long
def test_an_object_costs_the_store_as_many_calls_as_are_computed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.device.session()
    bench.desk.cut()
    bench.settle()  # a new state looks for everything first: that is not what is counted
    asked, held = bench.store.asked, len(bench.store.held)
    bench.device.session(segments=5)
    bench.desk.cut()
    bench.settle()
    assert bench.store.asked - asked == CALLS_AN_OBJECT * (len(bench.store.held) - held)
    bench.offload.close()


@pytest.mark.long
def test_the_journal_of_an_hour_is_no_longer_than_is_computed(tmp_path: Path) -> None:
    made, seconds = device(tmp_path), 60
    config = replace(made.config, segment=Config().segment)
    Room().record(config, lambda room: room.play(seconds))
    size = sum(path.stat().st_size for path in made.journal_files())
    assert size * HOUR_SECONDS / seconds <= PROOF_BYTES_AN_HOUR
    assert size * HOUR_SECONDS / seconds > PROOF_BYTES_AN_HOUR / 5  # nor is it a number out of the air


def test_the_table_is_printed_for_other_rooms_and_hours(capsys: pytest.CaptureFixture[str]) -> None:
    assert store_sizing.main(["12", "4"]) == 0
    assert capsys.readouterr().out == table(Config(), rooms=12, hours=4)


def test_encryption_for_two_custodians_makes_a_record_as_much_longer_as_is_computed() -> None:
    holders = [X25519PrivateKey.generate().public_key().public_bytes_raw() for _ in range(2)]
    for size in (100, store_sizing.RECORD_BYTES, 1_000_000):
        record = records.make(bytes(size), salt=bytes(records.SALT_BYTES)).to_bytes()
        more = len(sealed_records.seal(record, holders)) - len(record)
        assert store_sizing.SEALED_MORE_BYTES * 0.9 < more <= store_sizing.SEALED_MORE_BYTES


@pytest.mark.long
def test_what_is_put_beside_slices_and_media_is_no_longer_than_is_computed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, settings=Settings(beacon_seconds=60))
    for _ in range(3):
        bench.device.session()
        bench.desk.cut()
        bench.settle()
        bench.turn(10, seconds=30)
    for kind, most in (("checkpoint", store_sizing.CHECKPOINT_BYTES), ("beacon", store_sizing.BEACON_BYTES)):
        sizes = [len(copy) for key in bench.store.key_set() if f"/{kind}/" in key for copy in bench.store.copies(key)]
        assert most / 3 < max(sizes) <= most, kind
    bench.offload.close()


def test_a_directory_that_is_a_store_is_measured_by_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, size in (("records/a", 10), ("records/b", 30), ("media/s/0", 5)):
        path = tmp_path / "v1" / "00" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    assert store_sizing.main(["--measured", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "| records | 2 | 40 | 30 |" in out
    assert "| media | 1 | 5 | 5 |" in out
