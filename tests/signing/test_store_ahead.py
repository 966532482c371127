"""Several objects at once, handed on in order: bounded, ended with whoever asked, and a failure at its own place."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from liuhen.store_ahead import HELD, THREADS, in_order
from liuhen.store_directory import DirectoryReader
from liuhen.store_names import StoreUrl
from liuhen.store_reader import ObjectVersion, Reader, StoreAccess, StoreTrouble

LIMIT_SECONDS = 20
ITEMS = 50
A_MOMENT_SECONDS = 0.02


@pytest.fixture
def reader(tmp_path: Path) -> DirectoryReader:
    return DirectoryReader(StoreAccess(url=StoreUrl(scheme="file", place=str(tmp_path))))


def test_results_come_in_the_order_of_the_items_whichever_is_done_first(reader: DirectoryReader) -> None:
    second_done = threading.Event()

    def work(_: Reader, item: int) -> int:
        if item == 0:
            assert second_done.wait(LIMIT_SECONDS)
        if item == 1:
            second_done.set()
        return item

    assert list(in_order(reader, range(ITEMS), work)) == list(range(ITEMS))


def test_as_many_as_may_be_are_under_way_and_never_more(reader: DirectoryReader) -> None:
    """The first ones wait until all of them are there."""
    counting, under_way, most = threading.Condition(), 0, 0

    def work(_: Reader, _item: int) -> None:
        nonlocal under_way, most
        with counting:
            under_way += 1
            most = max(most, under_way)
            counting.notify_all()
            assert counting.wait_for(lambda: most >= THREADS, LIMIT_SECONDS)
            counting.wait_for(lambda: most > THREADS, A_MOMENT_SECONDS)  # one too many would come now
            under_way -= 1

    list(in_order(reader, range(ITEMS), work))
    assert most == THREADS


def test_a_list_is_read_on_only_as_results_are_taken(reader: DirectoryReader) -> None:
    asked = 0

    def items() -> Iterator[int]:
        nonlocal asked
        for item in range(ITEMS):
            asked += 1
            yield item

    for taken, _ in enumerate(in_order(reader, items(), lambda _, item: item)):
        assert asked <= taken + HELD + 1


def test_what_fails_is_raised_after_what_came_before_it(reader: DirectoryReader) -> None:
    def work(_: Reader, item: int) -> int:
        if item == 3:
            raise StoreTrouble("断", "cut")
        return item

    found = []
    with pytest.raises(StoreTrouble):
        for one in in_order(reader, range(ITEMS), work):
            found.append(one)
    assert found == [0, 1, 2]


def test_once_nobody_waits_a_long_body_is_read_no_further(reader: DirectoryReader, tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(bytes(1000))
    version = ObjectVersion(key="long", version_id="", size=1000)
    begun, ended = threading.Event(), threading.Event()
    pieces: list[int] = []

    def work(through: Reader, item: int) -> int:
        if item == 0:
            assert begun.wait(LIMIT_SECONDS)
            return item
        with through.open(version) as source:
            pieces.append(len(source.read(10)))
            begun.set()
            assert ended.wait(LIMIT_SECONDS)
            pieces.append(len(source.read(10)))
        return item

    results = in_order(reader, range(2), work)
    assert next(results) == 0
    threading.Timer(0.2, ended.set).start()  # while the block below waits for its threads
    results.close()  # type: ignore[attr-defined]
    assert pieces == [10]
