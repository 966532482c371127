"""An S3 store against the real gateway: the contract, what an account may do, and what a bad line or clock means."""

from __future__ import annotations

import hashlib
import io
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from drivers.store_s3 import Credential, S3Store
from edge.store import FaultClass, Store, StoreFault
from liuhen.registry import RetentionMode
from tests.ceph.store import LOCK_DAYS, LOG_ID, CephStore
from tests.ceph.tls import make_certificates
from tests.drivers.store_contract import BODY, StoreContract, content, fault_of, md5_of, put

pytestmark = pytest.mark.realtime


@pytest.fixture
def store(ceph: CephStore) -> Iterator[S3Store]:
    opened = ceph.open()
    yield opened
    opened.close()


@pytest.fixture
def prefix() -> str:
    """A part of the device's prefix that no other test has used."""
    return f"v1/{LOG_ID}/{secrets.token_hex(8)}/"


class TestContract(StoreContract):
    """All of it, with the device's own account."""


def test_the_key_of_the_server_is_that_of_its_certificate(ceph: CephStore, store: S3Store, prefix: str) -> None:
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    certificate = x509.load_pem_x509_certificate((ceph.ca_file.parent / "server.pem").read_bytes())
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    done = put(store, f"{prefix}one")
    assert done.server_key == hashlib.sha256(key).digest()
    with store.open(f"{prefix}one", done.version.version_id) as reading:
        assert reading.server_key == done.server_key


def test_the_bucket_keeps_what_comes_without_being_asked(store: S3Store, prefix: str) -> None:
    done = put(store, f"{prefix}one")
    kept = store.retained(f"{prefix}one", done.version.version_id)
    assert kept.mode is RetentionMode.COMPLIANCE
    assert kept.until is not None
    assert abs(kept.until - done.store_time - timedelta(days=LOCK_DAYS)) < timedelta(seconds=10)
    assert not kept.legal_hold


def test_a_custodian_lengthens_and_nobody_shortens(ceph: CephStore, store: S3Store, prefix: str) -> None:
    version = put(store, f"{prefix}one").version
    custodian = ceph.open("custodian")
    until = datetime.now(UTC) + timedelta(days=LOCK_DAYS + 1)
    custodian.extend(version.key, version.version_id, until)
    kept = custodian.retained(version.key, version.version_id).until
    assert kept is not None
    assert until <= kept < until + timedelta(seconds=2)
    with pytest.raises(StoreFault) as caught:
        custodian.extend(version.key, version.version_id, until - timedelta(hours=1))
    assert fault_of(caught) is FaultClass.REFUSED
    with pytest.raises(StoreFault) as caught:
        store.extend(version.key, version.version_id, until + timedelta(days=1))
    assert fault_of(caught) is FaultClass.DENIED


def test_a_delete_marker_is_listed_and_hides_no_version(ceph: CephStore, store: S3Store, prefix: str) -> None:
    version = put(store, f"{prefix}one").version
    ceph.client().delete_object(Bucket=ceph.url.bucket, Key=version.key)
    found = list(store.versions(prefix))
    assert sorted(one.is_delete_marker for one in found) == [False, True]
    assert content(store, version.key, version.version_id) == BODY


def test_versions_are_paged(ceph: CephStore, store: S3Store, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.store_s3.PAGE", 3)
    made = [put(store, f"{prefix}{number % 4}", b"x").version for number in range(8)]
    ceph.client().delete_object(Bucket=ceph.url.bucket, Key=f"{prefix}1")
    found = list(store.versions(prefix))
    assert [one.key for one in found] == sorted(one.key for one in found)
    assert {one.version_id for one in made} == {one.version_id for one in found if not one.is_delete_marker}
    assert len(found) == len(made) + 1


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_clock_far_off_is_told_with_the_stores_time_and_an_offset_helps(
    ceph: CephStore, prefix: str, minutes: int
) -> None:
    wrong = timedelta(minutes=minutes)
    store = ceph.open(utc_now=lambda: datetime.now(UTC) + wrong)
    with pytest.raises(StoreFault) as caught:
        put(store, f"{prefix}one")
    assert fault_of(caught) is FaultClass.CLOCK
    assert caught.value.store_time is not None
    assert abs(caught.value.store_time - datetime.now(UTC)) < timedelta(seconds=30)
    store.sign_with_offset(-wrong)
    assert content(store, f"{prefix}one", put(store, f"{prefix}one").version.version_id) == BODY


def test_a_wrong_secret_is_denied_and_not_shown(ceph: CephStore, prefix: str) -> None:
    secret = "not-the-secret-of-this-account"  # noqa: S105
    credential = Credential(access_key="nobody", secret_key=secret)
    store = S3Store(ceph.url, credential, ca_file=ceph.ca_file)
    with pytest.raises(StoreFault) as caught:
        put(store, f"{prefix}one")
    assert fault_of(caught) is FaultClass.DENIED
    assert secret not in f"{caught.value.what}{credential!r}{store.nature()!r}"


def test_another_devices_prefix_is_denied(store: Store) -> None:
    other = "v1/ffffffffffffffffffffffffffffffff/"
    for ask in (
        lambda: put(store, f"{other}one"),
        lambda: list(store.versions(other)),
        lambda: list(store.versions("")),
        lambda: store.open(f"{other}one", ""),
    ):
        with pytest.raises(StoreFault) as caught:
            ask()
        assert fault_of(caught) is FaultClass.DENIED


def test_a_server_of_another_ca_is_not_trusted_and_gets_nothing(
    ceph: CephStore, prefix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = make_certificates(tmp_path_factory.mktemp("stranger"))
    store = ceph.open(ca_file=stranger.ca)
    sent = io.BytesIO(BODY)
    with pytest.raises(StoreFault) as caught:
        store.put(f"{prefix}one", sent, size=len(BODY), md5=md5_of(BODY), sha256=hashlib.sha256(BODY).digest())
    assert fault_of(caught) is FaultClass.UNTRUSTED
    assert sent.tell() == 0
    assert list(ceph.open().versions(prefix)) == []
