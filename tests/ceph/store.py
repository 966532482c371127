"""The cluster as a store of this project: a locked bucket, its four accounts, the policies that are shipped."""

from __future__ import annotations

import functools
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from drivers.store_s3 import Credential, S3Store, read_credential
from liuhen.store_names import StoreUrl
from tests.ceph.cluster import Cluster
from tests.ceph.tls import make_certificates
from tests.thin_line import FAR

POLICIES = Path(__file__).resolve().parents[2] / "image-build/store"
BUCKET = "hearing"
LOG_ID = "00112233445566778899aabbccddeeff"
ADMIN = "admin"
ROLES = ("device", "custodian", "witness")
LOCK_DAYS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CephStore:
    """Where it is and how each account gets in."""

    cluster: Cluster

    @property
    def url(self) -> StoreUrl:
        """Its name."""
        return StoreUrl(scheme="s3", place=f"127.0.0.1:{self.cluster.port}", bucket=BUCKET)

    @property
    def ca_file(self) -> Path:
        """What its certificate is signed by."""
        return self.cluster.folder / "tls/ca.pem"

    def credential_file(self, role: str) -> Path:
        """The account of `admin`, or of one of ROLES."""
        return self.cluster.folder / f"accounts/{role}"

    def open(self, role: str = "device", **chosen: Any) -> S3Store:
        """The store, as this account sees it."""
        credential = read_credential(self.credential_file(role))
        return S3Store(self.url, credential, **{"ca_file": self.ca_file, **chosen})

    def add_account(self, name: str, *, as_role: str, log_id: str = LOG_ID) -> None:
        """An account with the policy of a role; a device's is for its own log."""
        _add_account(self, name, "--max-buckets=-1")  # none of its own
        document = policy(as_role, bucket=BUCKET, log_id=log_id)
        self.client(service="iam").put_user_policy(UserName=name, PolicyName=as_role, PolicyDocument=document)

    def client(self, role: str = ADMIN, service: str = "s3") -> Any:
        """boto3 itself, for what no part of the product ever does."""
        account = read_credential(self.credential_file(role))
        return _client(f"https://{self.url.place}", self.ca_file, account, service)


@functools.lru_cache(maxsize=16)
def _client(endpoint: str, ca_file: Path, account: Credential, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        verify=str(ca_file),
        aws_access_key_id=account.access_key,
        aws_secret_access_key=account.secret_key,
        config=Config(
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"total_max_attempts": 1},
            proxies={},
        ),
    )


def begin(folder: Path) -> CephStore:
    """Start the cluster of a folder, made first where there is none. Raises CephFailed, and leaves nothing running."""
    cluster = Cluster(folder)
    is_new = not cluster.ready_to_start
    if is_new:
        make_certificates(cluster.folder / "tls", also=(FAR,))
        cluster.make()
    try:
        cluster.begin()
        store = CephStore(cluster=cluster)
        if is_new:
            _furnish(store)
    except BaseException:
        cluster.end()
        raise
    return store


def _furnish(store: CephStore) -> None:
    (store.cluster.folder / "accounts").mkdir(exist_ok=True)
    _add_account(store, ADMIN, "--caps", "user-policy=*")
    client = store.client()
    client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": LOCK_DAYS}}
    client.put_object_lock_configuration(
        Bucket=BUCKET, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    for role in ROLES:
        store.add_account(role, as_role=role)


def policy(role: str, *, bucket: str, log_id: str) -> str:
    """A shipped policy, filled in as the README says."""
    text = (POLICIES / f"{role}.json").read_text(encoding="utf-8").replace("BUCKET", bucket).replace("LOG", log_id)
    return json.dumps(json.loads(text))


def _add_account(store: CephStore, role: str, *options: str) -> None:
    access_key, secret_key = secrets.token_hex(10), secrets.token_hex(20)
    keys = ("--access-key", access_key, "--secret-key", secret_key)
    store.cluster.run("radosgw-admin", "user", "create", "--uid", role, "--display-name", role, *keys, *options)
    path = store.credential_file(role)
    path.touch(mode=0o600)
    path.write_text(f"{access_key}\n{secret_key}\n", encoding="ascii")
