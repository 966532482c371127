"""What a line that fails at a chosen byte means: ambiguous exactly where the body was sent and no answer came."""

from __future__ import annotations

import os
import secrets
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers import store_transport
from drivers.store_s3 import Credential, S3Store
from edge.store import FaultClass, StoreFault
from liuhen.store_names import StoreUrl
from tests.ceph.bad_line import BadLine, Mode, bad_line
from tests.ceph.cluster import free_ports
from tests.ceph.store import BUCKET, LOG_ID, CephStore
from tests.ceph.tls import make_certificates
from tests.drivers.store_contract import content, fault_of, put

pytestmark = [pytest.mark.realtime, pytest.mark.beside]

BODY = os.urandom(2_000_000)
LONG_BODY = BODY * 4
"""More than the kernel holds for a sender (4 MiB) and the line's receive buffer together."""
NEARLY_ALL = 1_900_000
SMALL = 200_000
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def line(ceph: CephStore) -> Iterator[BadLine]:
    with bad_line(ceph.cluster.port) as opened:
        yield opened


@pytest.fixture
def far(ceph: CephStore, line: BadLine, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Store]:
    """The store at the end of the line."""
    monkeypatch.setattr(store_transport, "READ_SECONDS", 3.0)
    store = at_port(ceph, line.port)
    yield store
    store.close()


def at_port(ceph: CephStore, port: int) -> S3Store:
    from drivers.store_s3 import read_credential  # noqa: PLC0415

    url = StoreUrl(scheme="s3", place=f"127.0.0.1:{port}", bucket=BUCKET)
    return S3Store(url, read_credential(ceph.credential_file("device")), ca_file=ceph.ca_file)


@pytest.fixture
def key() -> str:
    return f"v1/{LOG_ID}/{secrets.token_hex(8)}/one"


def fault_in_put(store: S3Store, key: str, body: bytes = BODY) -> FaultClass:
    with pytest.raises(StoreFault) as caught:
        put(store, key, body)
    return fault_of(caught)


def test_a_body_cut_on_the_way_is_unreachable_and_nothing_is_there(
    ceph: CephStore, line: BadLine, far: S3Store, key: str
) -> None:
    line.mode, line.limit_bytes = Mode.CUT_REQUEST, 700_000
    assert fault_in_put(far, key, LONG_BODY) is FaultClass.UNREACHABLE
    assert list(ceph.open().versions(key)) == []


@pytest.mark.parametrize("mode", [Mode.SWALLOW_ANSWER, Mode.HOLD_ANSWER])
def test_an_answer_that_never_comes_is_ambiguous_and_the_object_may_be_there(
    ceph: CephStore, line: BadLine, far: S3Store, key: str, mode: Mode
) -> None:
    line.mode, line.limit_bytes = mode, NEARLY_ALL
    assert fault_in_put(far, key) is FaultClass.AMBIGUOUS
    line.mode = Mode.PASS
    (found,) = far.versions(key)
    assert content(far, key, found.version_id) == BODY


def test_a_line_cut_before_the_request_is_unreachable(line: BadLine, far: S3Store, key: str) -> None:
    line.mode = Mode.CUT_REQUEST
    assert fault_in_put(far, key) is FaultClass.UNREACHABLE


def test_an_object_cut_on_the_way_back_is_unreachable_and_not_a_shorter_object(
    ceph: CephStore, line: BadLine, far: S3Store, key: str
) -> None:
    version = put(ceph.open(), key, BODY).version
    line.mode, line.limit_bytes = Mode.CUT_ANSWER, SMALL
    with pytest.raises(StoreFault) as caught:
        content(far, key, version.version_id)
    assert fault_of(caught) is FaultClass.UNREACHABLE


def test_where_nobody_listens_is_unreachable(ceph: CephStore, key: str) -> None:
    (port,) = free_ports(1)
    assert fault_in_put(at_port(ceph, port), key) is FaultClass.UNREACHABLE


def test_case_13_an_expired_certificate_is_not_trusted(tmp_path: Path, key: str) -> None:
    files = make_certificates(tmp_path, expired=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.server, files.server_key)
    listener = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)

    def serve() -> None:
        try:
            listener.accept()[0].close()
        except OSError:
            return  # the client has hung up, as it should

    thread = threading.Thread(target=serve)
    thread.start()
    url = StoreUrl(scheme="s3", place=f"127.0.0.1:{listener.getsockname()[1]}", bucket=BUCKET)
    store = S3Store(url, Credential(access_key="a", secret_key="b"), ca_file=files.ca)  # noqa: S106
    assert fault_in_put(store, key) is FaultClass.UNTRUSTED
    thread.join()
    listener.close()


def test_case_25_the_environment_changes_nothing(ceph: CephStore, tmp_path: Path, key: str) -> None:
    """Proxies, other CAs, other accounts, profiles and another endpoint in the environment: the object arrives."""
    (nowhere,) = free_ports(1)
    proxy = f"http://127.0.0.1:{nowhere}"
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text(f"[default]\nregion = nowhere\nendpoint_url = {proxy}\n[profile p]\n")
    poison = {
        "HOME": str(tmp_path),
        "AWS_CA_BUNDLE": "/nonexistent.pem",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_PROFILE": "not-there",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_ENDPOINT_URL": proxy,
        "AWS_REGION": "nowhere",
        "AWS_MAX_ATTEMPTS": "many",
        "AWS_RETRY_MODE": "nonsense",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "WHEN_SUPPORTED",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_USE_DUALSTACK_ENDPOINT": "true",
        "HTTP_PROXY": proxy,
        "HTTPS_PROXY": proxy,
        "ALL_PROXY": proxy,
        "REQUESTS_CA_BUNDLE": "/nonexistent.pem",
        "SSL_CERT_FILE": "/nonexistent.pem",
        "SSLKEYLOGFILE": str(tmp_path / "keys"),
    }
    script = (
        "import sys\nfrom tests.drivers.test_store_line import at_port, put\n"
        "from tests.ceph.store import CephStore\nfrom tests.ceph.cluster import Cluster\nfrom pathlib import Path\n"
        "ceph = CephStore(cluster=Cluster(Path(sys.argv[1])))\n"
        "print(put(at_port(ceph, ceph.cluster.port), sys.argv[2], b'whole').version.key)\n"
    )
    command: list[str | Path] = [sys.executable, "-c", script, ceph.cluster.folder, key]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | poison, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.strip() == key, done.stderr
    told = tmp_path / "keys"  # botocore's own sender, which is not used, makes the file and writes one line of comment
    assert not told.exists() or all(text.startswith("#") for text in told.read_text().splitlines())
