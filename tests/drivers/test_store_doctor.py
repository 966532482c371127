"""The doctor at real stores: fit on Ceph, unfit on a server that accepts locks without enforcing them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from drivers.store_s3 import Credential, S3Store
from edge.__main__ import main
from edge.store_doctor import Item, is_fit, judge, profile_of
from edge.store_probes import Held, examine
from liuhen.registry import CheckOutcome, RetentionMode
from liuhen.store_names import StoreUrl
from tests.ceph.store import LOCK_DAYS, LOG_ID, CephStore
from tests.drivers.test_store_mock import ACCOUNT, mocked

pytestmark = pytest.mark.realtime


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def lying() -> Iterator[S3Store]:
    """moto behind the driver itself."""
    with mocked() as (client, bucket):
        place = client.meta.endpoint_url.removeprefix("http://")
        credential = Credential(access_key=ACCOUNT, secret_key=ACCOUNT)
        store = S3Store(StoreUrl(scheme="s3", place=place, bucket=bucket), credential, ca_file=None)
        yield store
        store.close()


def test_the_reference_store_keeps_every_promise_and_its_profile_is_known(
    ceph: CephStore, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--credential", str(ceph.credential_file("admin")), "--ca", str(ceph.ca_file)]
    assert main(["store", "doctor", ceph.url.text, *options, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    profile = told["profile"]
    assert profile["lock_enforced"]
    assert profile["versions"]
    assert profile["delete_marker"]
    assert profile["default_mode"] == RetentionMode.COMPLIANCE.name.lower()
    assert abs(profile["default_seconds"] - LOCK_DAYS * 86_400) <= 2
    assert not profile["conditional_put"]
    assert not profile["checksum_header"]
    assert {row["outcome"] for row in told["rows"]} == {"well", "not_fitted"}


def test_an_account_that_may_do_nothing_proves_no_lock(ceph: CephStore, capsys: pytest.CaptureFixture[str]) -> None:
    """Negative control: the 403 of a lock and the 403 of a missing right look alike."""
    options = ["--credential", str(ceph.credential_file("device")), "--ca", str(ceph.ca_file)]
    assert main(["store", "doctor", ceph.url.text, *options, "--prefix", f"v1/{LOG_ID}/doctor/"]) == 1
    assert "未证实" in capsys.readouterr().out


def test_case_18_a_store_that_accepts_locks_without_enforcing_them_is_caught(lying: S3Store) -> None:
    seen = examine(lying, prefix="v1/doctor/", utc_now=now)
    rows = judge(seen)
    assert not is_fit(rows)
    assert seen.shortening is Held.NO
    assert seen.versioning is Held.NO
    assert not profile_of(seen, "s3://lying/b", now()).lock_enforced
    failed = {row.item for row in rows if row.outcome is CheckOutcome.BLOCKING}
    assert {Item.SHORTENING, Item.VERSIONING} <= failed
