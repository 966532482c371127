"""What a store's error answer means, and that no secret goes without TLS or from an open file. No store is asked."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from drivers.store_answers import fault_of_answer
from drivers.store_faults import REMEDIES
from drivers.store_s3 import Credential, S3Store, read_credential
from drivers.store_transport import Body
from edge.store import FaultClass, StoreFault
from liuhen.store_names import is_loopback, parse_store_url
from tests.drivers.store_contract import BODY, fault_of, md5_of

SECRET = "a-secret-that-nobody-may-see"  # noqa: S105


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "RequestTimeTooSkewed", FaultClass.CLOCK),
        (400, "BadDigest", FaultClass.DAMAGED),
        (400, "XAmzContentSHA256Mismatch", FaultClass.DAMAGED),
        (403, "QuotaExceeded", FaultClass.FULL),
        (507, "", FaultClass.FULL),
        (403, "AccessDenied", FaultClass.DENIED),
        (403, "InvalidAccessKeyId", FaultClass.DENIED),
        (404, "NoSuchBucket", FaultClass.DENIED),
        (404, "NoSuchKey", FaultClass.ABSENT),
        (404, "404", FaultClass.ABSENT),
        (503, "SlowDown", FaultClass.UNREACHABLE),
        (500, "InternalError", FaultClass.UNREACHABLE),
        (429, "", FaultClass.UNREACHABLE),
        (412, "PreconditionFailed", FaultClass.REFUSED),
        (400, "InvalidArgument", FaultClass.REFUSED),
        (409, "InvalidBucketState", FaultClass.REFUSED),
        (301, "PermanentRedirect", FaultClass.DENIED),
    ],
)
def test_an_answer_has_one_class_and_words_for_a_person(status: int, code: str, expected: FaultClass) -> None:
    headers = {"date": "Sun, 29 Nov 2026 01:00:00 GMT"}
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers}}
    fault = fault_of_answer(answer, body_was_sent=True)
    assert fault.fault is expected
    assert fault.status == status
    assert fault.store_time is not None
    assert fault.remedy_zh
    assert fault.remedy_en


@pytest.mark.parametrize("status", [502, 504])
def test_a_proxys_word_that_the_store_did_not_answer_is_ambiguous_once_the_body_was_sent(status: int) -> None:
    answer = {"ResponseMetadata": {"HTTPStatusCode": status}}
    assert fault_of_answer(answer, body_was_sent=True).fault is FaultClass.AMBIGUOUS
    assert fault_of_answer(answer, body_was_sent=False).fault is FaultClass.UNREACHABLE


def test_every_class_of_fault_has_words() -> None:
    assert set(REMEDIES) == set(FaultClass)


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_a_body_is_sent_when_more_than_its_last_byte_was_asked_for(size: int) -> None:
    body = body_of(BODY)
    seen = b""
    while len(seen) < len(BODY):
        seen += body.read(size)
        assert not body.is_sent
    assert body.read(size) == b""
    assert body.is_sent
    assert seen == BODY


def test_the_last_bytes_of_a_body_that_is_not_the_one_meant_are_held_back() -> None:
    body = Body(io.BytesIO(BODY), size=len(BODY), md5=md5_of(BODY), sha256=bytes(32), what="one")
    seen = 0
    with pytest.raises(StoreFault) as caught:
        while chunk := body.read(1000):
            seen += len(chunk)
    assert fault_of(caught) is FaultClass.DAMAGED
    assert seen < len(BODY)
    assert not body.is_sent


def body_of(content: bytes) -> Body:
    sha256 = hashlib.sha256(content).digest()
    return Body(io.BytesIO(content), size=len(content), md5=md5_of(content), sha256=sha256, what="one")


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("127.0.0.1:7480", True),
        ("127.9.9.9", True),
        ("localhost:1", True),
        ("[::1]:443", True),
        ("127.0.0.1.example.org", False),
        ("localhost.example.org", False),
        ("10.0.0.1:443", False),
        ("store.example.org", False),
    ],
)
def test_only_loopback_goes_without_tls(place: str, expected: bool) -> None:
    assert is_loopback(place) is expected
    store = S3Store(
        parse_store_url(f"s3://{place}/bucket"), Credential(access_key="a", secret_key=SECRET), ca_file=None
    )
    assert store.is_plain is expected
    store.close()


def test_a_credential_others_may_read_is_refused_and_no_text_shows_one(tmp_path: Path) -> None:
    path = tmp_path / "account"
    path.write_text(f"key\n{SECRET}\n")
    path.chmod(0o600)
    credential = read_credential(path)
    assert credential.secret_key == SECRET
    assert SECRET not in repr(credential)
    path.chmod(0o640)
    with pytest.raises(StoreFault) as caught:
        read_credential(path)
    assert fault_of(caught) is FaultClass.DENIED
    assert "600" in caught.value.remedy_zh


@pytest.mark.parametrize("text", ["", "key", "key\nsecret\nmore", "k\xe9y\nsecret", "k" * 600 + "\ns"])
def test_a_credential_of_another_shape_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "account"
    path.touch(mode=0o600)
    path.write_text(text, encoding="latin-1")
    with pytest.raises(StoreFault) as caught:
        read_credential(path)
    assert "secret" not in caught.value.what


def test_a_ca_file_that_is_not_there_or_no_certificate_trusts_nobody(tmp_path: Path) -> None:
    url = parse_store_url("s3://store.example.org/bucket")
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for path in (tmp_path / "none.pem", empty):
        with pytest.raises(StoreFault) as caught:
            S3Store(url, Credential(access_key="a", secret_key=SECRET), ca_file=path)
        assert fault_of(caught) is FaultClass.UNTRUSTED
