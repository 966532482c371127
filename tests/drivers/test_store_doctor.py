"""The doctor at real stores: fit on Ceph, unfit on a server that accepts locks without enforcing them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO

import pytest

from drivers.store_s3 import Credential, S3Store
from edge import store_examined
from edge.__main__ import main
from edge.offload.sender import NAME_TAKEN
from edge.store import FaultClass, StoreFault
from edge.store_doctor import Item, as_plain, is_fit, judge, profile_of
from edge.store_probes import Held, examine
from liuhen.registry import CheckOutcome, RetentionMode
from liuhen.store_names import StoreUrl, parse_store_url
from tests.ceph.store import LOCK_DAYS, LOG_ID, CephStore
from tests.drivers.test_store_mock import ACCOUNT, mocked

pytestmark = [pytest.mark.realtime, pytest.mark.beside]


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
    examined = store_examined.parse(json.dumps(told).encode())
    assert (examined.url, examined.outcome, examined.conditional_put) == (ceph.url, CheckOutcome.WELL, False)
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
    profile = profile_of(seen, "s3://lying/b", now())
    assert not profile.lock_enforced
    assert store_examined.parse(json.dumps(as_plain(profile, rows)).encode()).outcome is CheckOutcome.BLOCKING
    failed = {row.item for row in rows if row.outcome is CheckOutcome.BLOCKING}
    assert {Item.SHORTENING, Item.VERSIONING} <= failed


def test_a_conditional_put_is_sent_where_the_doctor_saw_it_honoured_and_meets_its_name(lying: S3Store) -> None:
    place = lying.nature().url
    url = parse_store_url(place)
    profile = profile_of(examine(lying, prefix="v1/doctor/", utc_now=now), place, now())
    assert profile.conditional_put
    credential = Credential(access_key=ACCOUNT, secret_key=ACCOUNT)
    body = b"one slice"
    md5, sha256 = hashlib.md5(body, usedforsecurity=False).digest(), hashlib.sha256(body).digest()
    for conditional in (False, True):
        store = S3Store(url, credential, ca_file=None, conditional=conditional)
        key = f"v1/doctor/{conditional}"
        store.put(key, BytesIO(body), size=len(body), md5=md5, sha256=sha256)
        if conditional:
            with pytest.raises(StoreFault) as refused:
                store.put(key, BytesIO(body), size=len(body), md5=md5, sha256=sha256)
            assert (refused.value.fault, refused.value.status) == (FaultClass.REFUSED, NAME_TAKEN)
        else:
            store.put(key, BytesIO(body), size=len(body), md5=md5, sha256=sha256)
        store.close()
