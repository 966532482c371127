"""The real gateway in trouble: frozen, killed in mid-work, over its quota. Whole objects alone are ever there."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from drivers import store_transport
from edge.store import FaultClass, StoreFault
from tests.ceph.store import LOG_ID, CephStore
from tests.drivers.store_contract import content, fault_of, put

pytestmark = pytest.mark.realtime

BODY = os.urandom(1_000_000)


@pytest.fixture
def prefix() -> str:
    return f"v1/{LOG_ID}/{secrets.token_hex(8)}/"


def test_a_frozen_gateway_is_ambiguous_and_may_finish_later(
    ceph: CephStore, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known of real gateways: the write was completed after the client had given up (store.md 3)."""
    monkeypatch.setattr(store_transport, "READ_SECONDS", 2.0)
    store = ceph.open()
    put(store, f"{prefix}before", b"x")  # so that the connection is there, and small bodies fit into its buffers
    ceph.cluster.signal("rgw", signal.SIGSTOP)
    try:
        with pytest.raises(StoreFault) as caught:
            put(store, f"{prefix}one", b"small enough to be sent whole")
        assert fault_of(caught) is FaultClass.AMBIGUOUS
    finally:
        ceph.cluster.signal("rgw", signal.SIGCONT)
    found = [one for one in ceph.open().versions(f"{prefix}one") if not one.is_delete_marker]
    assert all(content(store, one.key, one.version_id) == b"small enough to be sent whole" for one in found)


def test_case_15_a_store_over_its_quota_is_full_and_takes_more_once_it_is_raised(ceph: CephStore, prefix: str) -> None:
    store = ceph.open()
    put(store, f"{prefix}before", b"x")
    with quota_reached(ceph), pytest.raises(StoreFault) as caught:
        put(store, f"{prefix}one", BODY)
    assert fault_of(caught) is FaultClass.FULL
    put(store, f"{prefix}one", BODY)


@contextmanager
def quota_reached(ceph: CephStore) -> Iterator[None]:
    """The bucket may hold one object, and holds more."""

    def say(*words: str) -> None:
        ceph.cluster.run("radosgw-admin", "quota", *words, "--quota-scope=bucket", f"--bucket={ceph.url.bucket}")

    say("set", "--max-objects=1")
    say("enable")
    try:
        yield
    finally:
        say("disable")


def test_case_14_a_revoked_key_is_denied(ceph: CephStore, prefix: str) -> None:
    """An account of its own: whatever changes one afterwards drops its policies."""
    ceph.add_account("guest", as_role="device")
    store = ceph.open("guest")
    put(store, f"{prefix}one", BODY)
    ceph.cluster.run("radosgw-admin", "user", "rm", "--uid=guest")
    with pytest.raises(StoreFault) as caught:
        put(store, f"{prefix}two", BODY)
    assert fault_of(caught) is FaultClass.DENIED


def test_case_4_a_gateway_killed_between_objects_is_back_with_whole_objects_only(ceph: CephStore, prefix: str) -> None:
    # The last test here: for half a minute every change of an account waits for the dead gateway.
    store = ceph.open()
    first = put(store, f"{prefix}first", BODY).version
    ceph.cluster.kill_gateway()
    with pytest.raises(StoreFault) as caught:
        put(store, f"{prefix}second", BODY)
    # The old connection may have taken the body before its end was seen.
    assert fault_of(caught) in (FaultClass.UNREACHABLE, FaultClass.AMBIGUOUS)
    ceph.cluster.start_gateway()
    second = put(store, f"{prefix}second", BODY).version
    assert list(store.versions(prefix)) == [first, second]
    assert all(content(store, one.key, one.version_id) == BODY for one in (first, second))
