"""What every store has to keep, whatever is behind it: one suite, inherited by the tests of each implementation.

A test class inherits `StoreContract` and gives the fixtures `store` (an empty one, or one prefix of a large one) and
`prefix` (below which the tests may write, ending in a slash).
"""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from edge.store import FaultClass, Put, Store, StoreFault

BODY = bytes(range(256)) * 300
CLOCKS_APART = timedelta(seconds=30)


def put(store: Store, key: str, body: bytes = BODY) -> Put:
    """Put bytes as what they are."""
    return store.put(key, io.BytesIO(body), size=len(body), md5=md5_of(body), sha256=hashlib.sha256(body).digest())


def md5_of(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()


def content(store: Store, key: str, version_id: str) -> bytes:
    """All bytes of one version, read in pieces."""
    with store.open(key, version_id) as reading:
        pieces = iter(lambda: reading.read(10_007), b"")
        return b"".join(pieces)


def fault_of(caught: pytest.ExceptionInfo[StoreFault]) -> FaultClass:
    return caught.value.fault


class StoreContract:
    """Inherited; not collected by itself."""

    def test_what_was_put_is_read_back_by_its_version(self, store: Store, prefix: str) -> None:
        done = put(store, f"{prefix}one")
        assert done.version.key == f"{prefix}one"
        assert done.version.size == len(BODY)
        assert content(store, done.version.key, done.version.version_id) == BODY

    def test_an_empty_object_is_an_object(self, store: Store, prefix: str) -> None:
        done = put(store, f"{prefix}empty", b"")
        assert content(store, done.version.key, done.version.version_id) == b""

    def test_the_store_says_its_own_time(self, store: Store, prefix: str) -> None:
        done = put(store, f"{prefix}one")
        with store.open(f"{prefix}one", done.version.version_id) as reading:
            times = (done.store_time, reading.store_time)
        for time in times:
            assert time.tzinfo is not None
            assert abs(time - datetime.now(UTC)) < CLOCKS_APART

    @pytest.mark.parametrize("wrong", ["md5", "sha256", "size+", "size-"])
    def test_bytes_that_are_not_those_meant_are_never_stored(self, store: Store, prefix: str, wrong: str) -> None:
        md5, sha256 = md5_of(BODY), hashlib.sha256(BODY).digest()
        size = len(BODY) + {"size+": 1, "size-": -1}.get(wrong, 0)
        with pytest.raises(StoreFault) as caught:
            store.put(
                f"{prefix}wrong",
                io.BytesIO(BODY),
                size=size,
                md5=bytes(16) if wrong == "md5" else md5,
                sha256=bytes(32) if wrong == "sha256" else sha256,
            )
        assert fault_of(caught) is FaultClass.DAMAGED
        assert list(store.versions(prefix)) == []

    def test_a_body_whose_own_disk_fails_is_no_fault_of_the_store(self, store: Store, prefix: str) -> None:
        class Broken(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                raise OSError(5, "Input/output error")

        with pytest.raises(StoreFault) as caught:
            store.put(f"{prefix}broken", Broken(BODY), size=len(BODY), md5=bytes(16), sha256=bytes(32))
        assert fault_of(caught) is FaultClass.DAMAGED
        assert list(store.versions(prefix)) == []

    def test_a_second_put_of_the_same_object_leaves_every_version_with_its_bytes(
        self, store: Store, prefix: str
    ) -> None:
        first, second = put(store, f"{prefix}twice"), put(store, f"{prefix}twice")
        found = list(store.versions(f"{prefix}twice"))
        assert {first.version.version_id, second.version.version_id} == {one.version_id for one in found}
        assert all(content(store, one.key, one.version_id) == BODY for one in found)

    def test_versions_come_in_the_order_of_keys_and_below_the_prefix_alone(self, store: Store, prefix: str) -> None:
        names = ["a-b", "a/1", "a/2", "a0", "ab/c", "b"]
        for name in reversed(names):
            put(store, prefix + name, name.encode())
        assert [one.key for one in store.versions(prefix)] == [prefix + name for name in sorted(names)]
        assert [one.key for one in store.versions(f"{prefix}a/")] == [f"{prefix}a/1", f"{prefix}a/2"]
        assert [one.key for one in store.versions(f"{prefix}a-")] == [f"{prefix}a-b"]
        assert [one.size for one in store.versions(f"{prefix}ab")] == [4]
        assert list(store.versions(f"{prefix}none/")) == []

    def test_what_is_not_there_is_absent(self, store: Store, prefix: str) -> None:
        for ask in (store.open, store.retained):
            with pytest.raises(StoreFault) as caught:
                ask(f"{prefix}none", "")
            assert fault_of(caught) is FaultClass.ABSENT

    @pytest.mark.parametrize("key", ["", "/x", "a//b", "../x", "a/../b", ".hidden", "a/.b", "a b", "é", "a" * 513])
    def test_a_key_that_is_no_plain_path_is_refused(self, store: Store, key: str) -> None:
        for ask in (lambda: put(store, key), lambda: store.open(key, "")):
            with pytest.raises(StoreFault) as caught:
                ask()
            assert fault_of(caught) is FaultClass.REFUSED

    def test_four_threads_at_a_time_get_their_own_bytes(self, store: Store, prefix: str) -> None:
        bodies = {f"{prefix}t/{number:02d}": bytes([number]) * (50_000 + number) for number in range(12)}
        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(lambda one: put(store, *one), bodies.items()))
        assert {one.version.key: content(store, one.version.key, one.version.version_id) for one in done} == bodies

    def test_its_name_and_labels_are_for_people_and_hold_no_secret(self, store: Store) -> None:
        nature = store.nature()
        assert nature.url.startswith(("file:/", "s3://"))
        assert "@" not in nature.url
        assert nature.label_zh
        assert nature.label_en
        assert nature.worm or ("非 WORM" in nature.label_zh and "not WORM" in nature.label_en)
