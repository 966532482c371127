"""What a store must bear is computed from the configuration, and no more is put or asked than is computed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge import store_sizing
from edge.config import Config
from edge.store_sizing import CALLS_AN_OBJECT, HOUR_SECONDS, PROOF_BYTES_AN_HOUR, sizing, table
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
