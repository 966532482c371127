"""A court and a custodian at a real store (Ceph RGW, TLS, locked): read by version and hash, copied by leave alone."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest

from drivers.store_s3 import S3Store
from edge import __main__ as program
from liuhen import cli, keys
from liuhen.registry import ContentKind
from liuhen.store_names import parse_key, store_hash
from liuhen.store_statements import verify_access
from tests.ceph.store import BUCKET, CephStore
from tests.ceph.tls import make_certificates
from tests.signing.archives import closed_archive, signer, trust_of
from tests.signing.checking import assert_untouched, check
from tests.signing.kept import Kept, kept_archive
from tests.signing.stored import WITNESS, Shelf, shelve


@pytest.fixture(scope="module")
def shelf(ceph: CephStore, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """A log of which everything was put into the store once."""
    folder = tmp_path_factory.mktemp("court")
    made = shelve(closed_archive(folder / "archive", seed=77, sessions=1).root, folder / "store")
    made.witness(len(made.entries))
    store = ceph.open("admin")
    for path in sorted(made.root.rglob("*")):
        if path.is_file():
            octets = path.read_bytes()
            md5 = hashlib.md5(octets, usedforsecurity=False).digest()
            key = path.relative_to(made.root).as_posix()
            store.put(key, BytesIO(octets), size=len(octets), md5=md5, sha256=hashlib.sha256(octets).digest())
    store.close()
    return made


@pytest.fixture
def trust_file(tmp_path: Path) -> Path:
    path = tmp_path / "court.trust"
    path.write_bytes(keys.trust_bytes(trust_of((signer("root 0"),))))
    return path


def asked(ceph: CephStore, role: str, shelf: Shelf, *more: str | Path) -> list[str]:
    """What says as whom and about which log."""
    named = ["--credentials", ceph.credential_file(role), "--ca", ceph.ca_file, "--log", shelf.log_id.hex()]
    return [str(word) for word in (*named, *more)]


@pytest.mark.parametrize("role", ["custodian", "witness"])
def test_an_archive_in_a_real_store_is_intact_vouched_and_witnessed(
    ceph: CephStore,
    shelf: Shelf,
    trust_file: Path,
    tmp_path: Path,
    role: str,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    pins = tmp_path / "witnesses"
    pins.write_text(WITNESS.public_key.hex())
    code = cli.main([ceph.url.text, *asked(ceph, role, shelf, "--trust", trust_file, "--witness", pins)])
    out, err = capsysbinary.readouterr()
    assert (code, err.decode()) == (0, "")
    assert "校验通过" in out.decode()
    assert f"完整截至：第 {len(shelf.entries) - 1} 号条目" in out.decode()
    assert f"见证至第 {len(shelf.entries) - 1} 号条目" in out.decode()


def test_what_an_administrator_deletes_or_writes_over_is_read_all_the_same_and_told(
    ceph: CephStore, shelf: Shelf, trust_file: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    client = ceph.client()
    overwritten, deleted = (path.relative_to(shelf.root).as_posix() for path in shelf.media()[:2])
    octets = b"forged"
    md5 = base64.b64encode(hashlib.md5(octets, usedforsecurity=False).digest()).decode()
    client.put_object(Bucket=BUCKET, Key=overwritten, Body=octets, ContentMD5=md5)
    client.delete_object(Bucket=BUCKET, Key=deleted)
    code = cli.main([ceph.url.text, *asked(ceph, "custodian", shelf, "--trust", trust_file)])
    out = capsysbinary.readouterr().out.decode()
    assert code == 0
    assert "B1 store-delete-marker" in out
    assert "B2 store-version-differs" in out


def test_a_custodian_copies_by_leave_and_the_leave_is_in_the_store(
    ceph: CephStore, shelf: Shelf, tmp_path: Path
) -> None:
    key_file, said = tmp_path / "custodian.pem", tmp_path / "said"
    keys.save_private_key(key_file, keys.generate())
    said.write_text("actor=张三\npurpose=复议审查\napproval=（2026）第 12 号\n", encoding="utf-8")
    words = ["fetch", ceph.url.text, str(tmp_path / "copy"), "--key", str(key_file), "--from", str(said)]
    assert program.main([*words, *asked(ceph, "custodian", shelf)]) == 0
    assert_untouched(check(tmp_path / "copy", whole_file_hash=True))
    store = ceph.open("custodian")
    (version,) = store.versions(f"v1/{shelf.log_id.hex()}/access/")
    with store.open(version.key, version.version_id) as reading:
        encoded = reading.read(1 << 16)
    store.close()
    assert hashlib.sha256(encoded).digest() == parse_key(version.key).digest
    assert verify_access(encoded, keys.load_signer(key_file).public_key, where="test").actor == "张三"


def test_a_witness_may_read_and_not_copy(ceph: CephStore, shelf: Shelf, tmp_path: Path) -> None:
    """Its account may not leave a statement of access, and so gets no content."""
    key_file, said = tmp_path / "key.pem", tmp_path / "said"
    keys.save_private_key(key_file, keys.generate())
    said.write_text("actor=张三\npurpose=x\napproval=y\n", encoding="utf-8")
    words = ["fetch", ceph.url.text, str(tmp_path / "copy"), "--key", str(key_file), "--from", str(said)]
    assert program.main([*words, *asked(ceph, "witness", shelf)]) == 2
    assert not list((tmp_path / "copy").glob("sessions/*/*"))


def test_the_account_of_another_device_reads_nothing(
    ceph: CephStore, shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([ceph.url.text, *asked(ceph, "device", shelf)]) == 2
    err = capsys.readouterr().err
    assert "拒绝此凭据" in err
    assert err.count("\n") == 1


def test_a_server_of_another_authority_is_not_trusted(
    ceph: CephStore, shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_certificates(tmp_path / "tls")
    words = ["--credentials", str(ceph.credential_file("custodian")), "--ca", str(tmp_path / "tls/ca.pem")]
    assert cli.main([ceph.url.text, *words, "--log", shelf.log_id.hex()]) == 2
    err = capsys.readouterr().err
    assert "CA 文件" in err
    assert err.count("\n") == 1


def test_a_lock_that_ends_before_receipt_or_term_say_is_a_finding_and_one_that_was_sent_with_the_put_is_none(
    ceph: CephStore, trust_file: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The bucket locks for a day; receipt and term say two. One session bears its date, the other does not."""
    kept, now = kept_archive(tmp_path / "archive"), datetime.now(UTC)
    two_days = now + timedelta(days=2)
    until_ms = round(two_days.timestamp() * 1000)
    both = tuple((int(ContentKind.SEGMENT), hashlib.sha256(path.read_bytes()).digest()) for path in segments_of(kept))
    kept.receipt(until_ms, store=store_hash(ceph.url), contents=both)
    for session in (kept.session, kept.other):
        kept.term(until_ms, session)
    shelf = shelve(kept.closed(), tmp_path / "store")
    store = ceph.open("admin")
    for path in sorted(shelf.root.rglob("*")):
        if path.is_file():
            dated = f"/media/{kept.session.hex()}/" in str(path)
            put_whole(store, path.relative_to(shelf.root).as_posix(), path.read_bytes(), two_days if dated else None)
    store.close()
    for jobs in ("1", "2"):
        words = asked(ceph, "custodian", shelf, "--trust", trust_file, "--jobs", jobs)
        assert cli.main([ceph.url.text, *words]) == 0
        out = capsysbinary.readouterr().out.decode()
        short = [line for line in out.splitlines() if "store-retention-short" in line]
        assert ["2 个对象短于回执" in line for line in short] == [True, False]
        assert "2 个对象短于保存期限" in short[1]
        assert "store-retention-untold" not in out


def segments_of(kept: Kept) -> list[Path]:
    """The files of both sessions."""
    return sorted((kept.device.root / "sessions").glob("*/*.mp4"))


def put_whole(store: S3Store, key: str, octets: bytes, until: datetime | None) -> None:
    md5, sha256 = hashlib.md5(octets, usedforsecurity=False).digest(), hashlib.sha256(octets).digest()
    store.put(key, BytesIO(octets), size=len(octets), md5=md5, sha256=sha256, retain_until=until)
