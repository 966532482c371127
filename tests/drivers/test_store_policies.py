"""The policies that are shipped (`image-build/store`), on the real gateway: each account does what it needs, no more.

Every call that a device does not need is made with its account, on an object of its own and on another's, and has to be
refused with 403.
"""

from __future__ import annotations

import hashlib
import io
import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drivers.store_s3 import S3Store
from edge.store import FaultClass, StoreFault, Version
from tests.ceph.store import LOCK_DAYS, LOG_ID, POLICIES, CephStore
from tests.drivers.store_contract import BODY, content, fault_of, put

pytestmark = [pytest.mark.realtime, pytest.mark.beside]

FORBIDDEN = 403
OTHER = "v1/ffffffffffffffffffffffffffffffff/media/one"
UNTIL = datetime.now(UTC) + timedelta(days=400)
ON_OBJECT: dict[str, dict[str, Any]] = {
    "delete_object": {},
    "delete_object_tagging": {},
    "get_object_acl": {},
    "get_object_tagging": {},
    "put_object_acl": {"ACL": "public-read"},
    "put_object_legal_hold": {"LegalHold": {"Status": "ON"}},
    "put_object_retention": {"Retention": {"Mode": "COMPLIANCE", "RetainUntilDate": UNTIL}},
    "put_object_tagging": {"Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}},
}
"""Calls that name one version of an object."""
ON_BUCKET: dict[str, dict[str, Any]] = {
    "delete_bucket": {},
    "delete_bucket_cors": {},
    "delete_bucket_lifecycle": {},
    "delete_bucket_policy": {},
    "delete_bucket_tagging": {},
    "get_bucket_acl": {},
    "get_bucket_cors": {},
    "get_bucket_lifecycle_configuration": {},
    "get_bucket_location": {},
    "get_bucket_policy": {},
    "get_bucket_request_payment": {},
    "get_bucket_tagging": {},
    "get_bucket_versioning": {},
    "list_multipart_uploads": {},
    "list_objects": {},
    "list_objects_v2": {},
    "put_bucket_acl": {"ACL": "public-read"},
    "put_bucket_cors": {"CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}},
    "put_bucket_lifecycle_configuration": {
        "LifecycleConfiguration": {
            "Rules": [{"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]
        }
    },
    "put_bucket_policy": {"Policy": json.dumps({"Version": "2012-10-17", "Statement": []})},
    "put_bucket_request_payment": {"RequestPaymentConfiguration": {"Payer": "Requester"}},
    "put_bucket_tagging": {"Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}},
    "put_bucket_versioning": {"VersioningConfiguration": {"Status": "Suspended"}},
    "put_object_lock_configuration": {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}},
}


@pytest.fixture
def device(ceph: CephStore) -> S3Store:
    return ceph.open("device")


@pytest.fixture
def version(device: S3Store) -> Version:
    """One object of the device's own."""
    return put(device, f"v1/{LOG_ID}/{secrets.token_hex(8)}/one").version


def status_of(call: Callable[[], object]) -> int:
    """What the gateway answered."""
    try:
        call()
    except ClientError as error:
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
    return 200


@pytest.mark.parametrize("name", sorted(ON_OBJECT))
def test_a_device_may_not_do_this_to_its_own_object(ceph: CephStore, version: Version, name: str) -> None:
    call = getattr(ceph.client("device"), name)
    named = {"Bucket": ceph.url.bucket, "Key": version.key}
    assert status_of(lambda: call(**named, VersionId=version.version_id, **ON_OBJECT[name])) == FORBIDDEN
    if name != "put_object_retention":
        assert status_of(lambda: call(**named, **ON_OBJECT[name])) == FORBIDDEN
    assert content(ceph.open(), version.key, version.version_id) == BODY


@pytest.mark.parametrize("name", sorted(ON_BUCKET))
def test_a_device_may_not_do_this_to_the_bucket(ceph: CephStore, name: str) -> None:
    call = getattr(ceph.client("device"), name)
    assert status_of(lambda: call(Bucket=ceph.url.bucket, **ON_BUCKET[name])) == FORBIDDEN


def test_a_device_may_neither_make_nor_see_buckets_nor_give_itself_rights(ceph: CephStore) -> None:
    client, iam = ceph.client("device"), ceph.client("device", "iam")
    assert status_of(lambda: client.create_bucket(Bucket="of-its-own")) == FORBIDDEN
    assert [one["Name"] for one in client.list_buckets()["Buckets"]] == []
    rights = {"UserName": "device", "PolicyName": "more", "PolicyDocument": ceph_policy_of_everything()}
    assert status_of(lambda: iam.put_user_policy(**rights)) == FORBIDDEN


def ceph_policy_of_everything() -> str:
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


@pytest.mark.parametrize("name", ["get_object", "head_object", "put_object", "get_object_retention", "upload", "copy"])
def test_a_device_may_do_nothing_to_what_is_not_its_own(ceph: CephStore, version: Version, name: str) -> None:
    there = ceph.client().put_object(Bucket=ceph.url.bucket, Key=OTHER, Body=b"another's")
    client, named = ceph.client("device"), {"Bucket": ceph.url.bucket, "Key": OTHER}
    calls: dict[str, Callable[[], object]] = {
        "get_object": lambda: client.get_object(**named, VersionId=there["VersionId"]),
        "head_object": lambda: client.head_object(**named, VersionId=there["VersionId"]),
        "put_object": lambda: client.put_object(**named, Body=b"mine"),
        "get_object_retention": lambda: client.get_object_retention(**named, VersionId=there["VersionId"]),
        "upload": lambda: client.create_multipart_upload(**named),
        "copy": lambda: client.copy_object(
            Bucket=ceph.url.bucket, Key=version.key, CopySource={"Bucket": ceph.url.bucket, "Key": OTHER}
        ),
    }
    assert status_of(calls[name]) == FORBIDDEN


def test_this_gateway_takes_a_date_of_the_devices_choice_on_a_put(ceph: CephStore, version: Version) -> None:
    """A limit of RGW 16, which no policy removes: with PutObject alone a stolen key can lock for long (README)."""
    named = {"Bucket": ceph.url.bucket, "Key": version.key, "Body": b"x"}
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": UNTIL}
    assert status_of(lambda: ceph.client("device").put_object(**named, **lock)) != FORBIDDEN


def test_a_device_that_may_lengthen_does_that_to_its_own_alone_and_shortens_nothing(ceph: CephStore) -> None:
    if not ceph.credential_file("lengthener").exists():
        ceph.add_account("lengthener", as_role="device-lengthen")
    store, client = ceph.open("lengthener"), ceph.client("lengthener")
    own = put(store, f"v1/{LOG_ID}/{secrets.token_hex(8)}/one").version
    later = store.default_lock()
    assert later == timedelta(days=LOCK_DAYS)
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    store.extend(own.key, own.version_id, until)
    assert store.retained(own.key, own.version_id).until == until
    named = {"Bucket": ceph.url.bucket, "Key": own.key, "VersionId": own.version_id}
    for mode, days in (("COMPLIANCE", 2), ("GOVERNANCE", 4)):
        lock = {"Mode": mode, "RetainUntilDate": datetime.now(UTC) + timedelta(days=days)}
        assert status_of(partial(client.put_object_retention, **named, Retention=lock)) == FORBIDDEN
    assert status_of(lambda: client.delete_object(**named)) == FORBIDDEN
    there = ceph.client().put_object(Bucket=ceph.url.bucket, Key=OTHER, Body=b"another's")
    with pytest.raises(StoreFault) as caught:
        store.extend(OTHER, there["VersionId"], until)
    assert fault_of(caught) is FaultClass.DENIED


def test_a_device_may_send_a_date_with_a_put_and_see_the_buckets_default(ceph: CephStore, device: S3Store) -> None:
    assert device.default_lock() == timedelta(days=LOCK_DAYS)
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    md5, sha256 = hashlib.md5(BODY, usedforsecurity=False).digest(), hashlib.sha256(BODY).digest()
    key = f"v1/{LOG_ID}/{secrets.token_hex(8)}/dated"
    done = device.put(key, io.BytesIO(BODY), size=len(BODY), md5=md5, sha256=sha256, retain_until=until)
    assert device.retained(key, done.version.version_id).until == until


def test_a_witness_reads_all_and_writes_its_statements_alone(ceph: CephStore, version: Version) -> None:
    witness = ceph.open("witness")
    assert content(witness, version.key, version.version_id) == BODY
    assert version in list(witness.versions(version.key))
    assert next(iter(witness.versions("")), None) is not None
    put(witness, f"v1/{LOG_ID}/witness/{secrets.token_hex(4)}")
    for key in (version.key, f"v1/{LOG_ID}/media/x", f"v1/{LOG_ID}/access/x"):
        with pytest.raises(StoreFault) as caught:
            put(witness, key)
        assert fault_of(caught) is FaultClass.DENIED
    with pytest.raises(StoreFault) as caught:
        witness.extend(version.key, version.version_id, UNTIL)
    assert fault_of(caught) is FaultClass.DENIED


def test_a_custodian_reads_all_holds_and_writes_access_statements_alone(ceph: CephStore, version: Version) -> None:
    custodian, client = ceph.open("custodian"), ceph.client("custodian")
    assert content(custodian, version.key, version.version_id) == BODY
    named = {"Bucket": ceph.url.bucket, "Key": version.key, "VersionId": version.version_id}
    client.put_object_legal_hold(**named, LegalHold={"Status": "ON"})
    assert custodian.retained(version.key, version.version_id).legal_hold
    assert ceph.open("device").retained(version.key, version.version_id).legal_hold
    client.put_object_legal_hold(**named, LegalHold={"Status": "OFF"})
    put(custodian, f"v1/{LOG_ID}/access/{secrets.token_hex(4)}")
    assert status_of(lambda: client.delete_object(**named)) == FORBIDDEN
    with pytest.raises(StoreFault) as caught:
        put(custodian, f"v1/{LOG_ID}/media/x")
    assert fault_of(caught) is FaultClass.DENIED


def test_every_policy_that_is_shipped_names_the_places_to_fill_in() -> None:
    assert sorted(path.stem for path in POLICIES.glob("*.json")) == [
        "custodian",
        "device",
        "device-lengthen",
        "witness",
    ]
    assert all("BUCKET" in path.read_text() for path in POLICIES.glob("*.json"))
