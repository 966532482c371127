"""Reading over the S3 API: by version and hash, with delete markers, deaf to the environment; refusals in one line.

The server is moto's, on loopback: good enough to read from. What a store promises, and how long it says it keeps what
it holds, is asked of a real one elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer

from liuhen import cli
from liuhen.findings import Code, Severity
from liuhen.report import Report
from liuhen.store_archive import StoreArchive, logs_in
from liuhen.store_names import StoreUrl
from liuhen.store_reader import StoreAccess, StoreTrouble, open_store
from tests.signing.archives import closed_archive
from tests.signing.checking import assert_untouched, check, codes
from tests.signing.stored import Shelf, shelve

pytestmark = pytest.mark.long


@pytest.fixture
def place() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    reset = Request(f"http://{host}:{port}/moto-api/reset", method="POST")  # its state is its process's, that is ours
    with urlopen(reset, timeout=10) as answer:  # noqa: S310 -- loopback
        assert answer.status == 200
    yield f"{host}:{port}"
    server.stop()


@pytest.fixture
def client(place: str) -> Iterator[Any]:
    made = boto3.client(
        "s3",
        endpoint_url=f"http://{place}",
        aws_access_key_id="key",
        aws_secret_access_key="secret",  # noqa: S106 -- of a server that lives for one test
        region_name="us-east-1",
    )
    made.create_bucket(Bucket="evidence")
    made.put_bucket_versioning(Bucket="evidence", VersioningConfiguration={"Status": "Enabled"})
    yield made
    made.close()


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    path = tmp_path / "credential"
    path.touch(mode=0o600)
    path.write_text("key\nsecret\n")
    return path


@pytest.fixture
def shelf(client: Any, tmp_path: Path) -> Shelf:
    made = shelve(closed_archive(tmp_path / "archive").root, tmp_path / "store")
    for path in made.root.rglob("*"):
        if path.is_file():
            key = path.relative_to(made.root).as_posix()
            client.put_object(Bucket="evidence", Key=key, Body=path.read_bytes())
    return made


@pytest.fixture
def access(place: str, credentials: Path) -> StoreAccess:
    return StoreAccess(url=StoreUrl(scheme="s3", place=place, bucket="evidence"), credentials=credentials)


def verified(access: StoreAccess, shelf: Shelf, work: Path, jobs: int = 1) -> Report:
    reader = open_store(access)
    store = StoreArchive(access=access, reader=reader, log_id=shelf.log_id, root=work, keep=False)
    store.assemble()
    report = check(work, store=store, jobs=jobs)
    reader.close()
    return told_no_retention(report)


def told_no_retention(report: Report) -> Report:
    """The report without the note that moto's server does not say how long it keeps anything: it answers 500."""
    findings = tuple(found for found in report.findings if found.code is not Code.STORE_RETENTION_UNTOLD)
    assert len(report.findings) == len(findings) + 1
    return replace(report, findings=findings)


def test_an_archive_is_read_from_a_bucket(access: StoreAccess, shelf: Shelf, tmp_path: Path) -> None:
    assert logs_in(access) == [shelf.log_id]
    assert_untouched(verified(access, shelf, tmp_path / "work"))


def test_what_somebody_deleted_or_wrote_over_is_read_by_version_and_told(
    access: StoreAccess, shelf: Shelf, client: Any, tmp_path: Path
) -> None:
    keys = [path.relative_to(shelf.root).as_posix() for path in (*shelf.media()[:2], *shelf.slices()[:2])]
    for key in keys:
        client.put_object(Bucket="evidence", Key=key, Body=b"forged")
        client.delete_object(Bucket="evidence", Key=key)
    client.put_object(Bucket="evidence", Key=keys[0], Body=(shelf.root / keys[0]).read_bytes())
    report = verified(access, shelf, tmp_path / "work")
    assert report.intact
    assert codes(report, Severity.WARNING) == {Code.STORE_DELETE_MARKER, Code.STORE_VERSION_DIFFERS}
    assert codes(report, Severity.NOTE) == {Code.STORE_VERSION_DUPLICATE}
    assert sum(f.code is Code.STORE_DELETE_MARKER for f in report.findings) == 4


def test_a_log_of_which_everything_was_deleted_is_still_listed(
    access: StoreAccess, shelf: Shelf, client: Any, tmp_path: Path
) -> None:
    for path in shelf.root.rglob("*"):
        if path.is_file():
            client.delete_object(Bucket="evidence", Key=path.relative_to(shelf.root).as_posix())
    report = verified(access, shelf, tmp_path / "work")
    assert report.intact
    assert codes(report, Severity.WARNING) == {Code.STORE_DELETE_MARKER}


def test_pages_are_followed(access: StoreAccess, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liuhen.store_s3.PAGE", 2)
    assert_untouched(verified(access, shelf, tmp_path / "work"))


def test_the_environment_is_not_asked(
    access: StoreAccess, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {
        "AWS_PROFILE": "nobody",
        "AWS_CA_BUNDLE": "/no/such/file",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "other",
        "AWS_CONFIG_FILE": "/no/such/file",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
        "ALL_PROXY": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, text)
    assert_untouched(verified(access, shelf, tmp_path / "work"))


def test_a_credential_that_others_can_read_is_refused(access: StoreAccess, credentials: Path) -> None:
    credentials.chmod(0o644)
    with pytest.raises(StoreTrouble, match="can be read by others"):
        open_store(access)


@pytest.mark.parametrize("text", ["", "one\n", "one\ntwo\nthree\n", "键\n值\n"])
def test_a_credential_that_is_none_is_refused_and_not_repeated(
    access: StoreAccess, credentials: Path, text: str
) -> None:
    credentials.write_text(text)
    with pytest.raises(StoreTrouble) as refused:
        open_store(access)
    assert "three" not in refused.value.en


def test_a_bucket_that_is_not_there_is_one_line(
    access: StoreAccess, client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client.list_buckets()["Buckets"]
    code = cli.main([f"s3://{access.url.place}/nothing", "--credentials", str(access.credentials)])
    err = capsys.readouterr().err
    assert code == 2
    assert "没有此桶" in err
    assert err.count("\n") == 1


def test_a_server_that_is_not_there_is_one_line(access: StoreAccess, capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(["s3://127.0.0.1:1/evidence", "--credentials", str(access.credentials)])
    err = capsys.readouterr().err
    assert code == 2
    assert "无法访问存储" in err
    assert "secret" not in err


def test_other_processes_read_the_store_by_themselves(
    access: StoreAccess, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liuhen.verify_ahead.START_AFTER_BYTES", 1)
    assert_untouched(verified(access, shelf, tmp_path / "work", jobs=3))


def test_trouble_of_another_process_is_trouble_of_the_store(
    access: StoreAccess, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own reader finds no credential any more: that is no verdict about the archive."""
    monkeypatch.setattr("liuhen.verify_ahead.START_AFTER_BYTES", 1)
    reader = open_store(access)
    assert access.credentials is not None
    spoiled = tmp_path / "spoiled"
    spoiled.touch(mode=0o600)
    broken = StoreAccess(url=access.url, credentials=spoiled)
    store = StoreArchive(access=broken, reader=reader, log_id=shelf.log_id, root=tmp_path / "work", keep=False)
    store.assemble()
    with pytest.raises(StoreTrouble, match="two lines"):
        check(tmp_path / "work", store=store, jobs=3)
    reader.close()
