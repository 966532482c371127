"""moto's S3 mock breaks the promises that the real gateway keeps, so no test of a promise may rest on it.

The very same checks run against both; each has to hold on Ceph and to fail on the mock. A mock that grows up breaks
this file, and then the doctor's negative control needs another store that lies.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from tests.ceph.store import CephStore

pytestmark = pytest.mark.realtime
ACCOUNT = "mock-account"


@contextmanager
def mocked() -> Iterator[tuple[Any, str]]:
    """A client of the mock, and a locked bucket made as on the gateway; mocks of one process share what they hold."""
    bucket = f"mock-{secrets.token_hex(8)}"
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{host}:{port}",
            region_name="us-east-1",
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key=ACCOUNT,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, proxies={}),
        )
        client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
        client.put_object_lock_configuration(
            Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
        )
        yield client, bucket
    finally:
        server.stop()


@pytest.fixture
def mock() -> Iterator[tuple[Any, str]]:
    with mocked() as both:
        yield both


def refuses(call: Callable[[], object]) -> bool:
    """Whether the server says no."""
    try:
        call()
    except ClientError:
        return True
    return False


def locked(client: Any, bucket: str) -> dict[str, str]:
    key = f"canary/{secrets.token_hex(8)}"
    return {
        "Bucket": bucket,
        "Key": key,
        "VersionId": client.put_object(Bucket=bucket, Key=key, Body=b"x")["VersionId"],
    }


def refuses_a_wrong_md5(client: Any, bucket: str) -> bool:
    body = io.BytesIO(b"not these")
    return refuses(
        lambda: client.put_object(Bucket=bucket, Key="canary/md5", Body=body, ContentMD5="MDAwMDAwMDAwMDAwMDAwMA==")
    )


def refuses_to_shorten(client: Any, bucket: str) -> bool:
    soon = datetime.now(UTC) + timedelta(hours=1)
    retention = {"Mode": "COMPLIANCE", "RetainUntilDate": soon}
    return refuses(lambda: client.put_object_retention(**locked(client, bucket), Retention=retention))


def refuses_to_suspend_versioning(client: Any, bucket: str) -> bool:
    return refuses(lambda: client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}))


@pytest.mark.parametrize("promise", [refuses_a_wrong_md5, refuses_to_shorten, refuses_to_suspend_versioning])
def test_the_gateway_keeps_a_promise_that_the_mock_breaks(
    ceph: CephStore, mock: tuple[Any, str], promise: Callable[[Any, str], bool]
) -> None:
    assert promise(ceph.client(), ceph.url.bucket)
    assert not promise(*mock)
