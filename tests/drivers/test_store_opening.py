"""A configured store is opened when it is asked, and anew once a credential or certificate was refused."""

from __future__ import annotations

import hashlib
import io
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from drivers.offloading import make_offload
from drivers.store_opening import CREDENTIALS_VARIABLE, ConfiguredStore, configured_store
from edge.commands.offload import Choice
from edge.offload.places import places_of
from edge.settings_store import Store as Settings
from edge.store import FaultClass, Store, StoreFault
from edge.store_examined import Standing, is_conditional
from liuhen.store_names import parse_store_url
from sim.store import Clockwork, VirtualStore
from tests.ceph.tls import Certificates, make_certificates
from tests.edge.examined import examine
from tests.edge.ports_room import device

URL = parse_store_url("s3://store.example/liuhen")
CONTENT = b"content"


class Counter:
    """Opens one and the same store, and counts."""

    def __init__(self) -> None:
        self.store = VirtualStore(Clockwork(utc_ms=lambda: 0))
        self.opened: list[timedelta] = []

    def open(self, ahead: timedelta) -> Store:
        self.opened.append(ahead)
        return self.store


def _put(store: Store) -> str:
    md5, sha256 = hashlib.md5(CONTENT, usedforsecurity=False).digest(), hashlib.sha256(CONTENT).digest()
    return store.put("v1/a", io.BytesIO(CONTENT), size=len(CONTENT), md5=md5, sha256=sha256).version.version_id


def test_every_call_goes_to_the_store_that_was_opened_once() -> None:
    counter = Counter()
    store = ConfiguredStore(URL, counter.open)
    assert counter.opened == []
    version = _put(store)
    assert [one.version_id for one in store.versions("v1/")] == [version]
    with store.open("v1/a", version) as reading:
        assert reading.read(100) == CONTENT
    until = datetime.now(UTC) + timedelta(days=9000)
    store.extend("v1/a", version, until)
    assert store.retained("v1/a", version).until == until
    assert store.nature().worm
    store.close()
    assert counter.opened == [timedelta()]


@pytest.mark.parametrize("lever", ["denied", "untrusted"])
def test_case_14_after_a_refusal_credential_and_certificate_are_read_again(lever: str) -> None:
    counter = Counter()
    store = ConfiguredStore(URL, counter.open)
    setattr(counter.store.levers, lever, True)
    for _ in range(2):
        with pytest.raises(StoreFault):
            _put(store)
    with pytest.raises(StoreFault):
        list(store.versions("v1/"))
    setattr(counter.store.levers, lever, False)
    _put(store)
    assert len(counter.opened) == 4


def test_what_the_doctor_found_since_is_followed_by_the_next_put_without_a_restart(tmp_path: Path) -> None:
    store = VirtualStore(Clockwork(utc_ms=lambda: 0), url=URL.text)
    conditional = partial(is_conditional, tmp_path, URL)

    def open_it(_ahead: timedelta) -> Store:
        store.levers.conditional = conditional()
        return store

    opened = ConfiguredStore(URL, open_it, conditional)
    _put(opened)
    _put(opened)  # nothing is known of it: whoever sends twice has two versions
    examine(tmp_path, URL.text, conditional=True)
    with pytest.raises(StoreFault) as refused:
        _put(opened)
    assert refused.value.status == 412
    examine(tmp_path, URL.text)
    _put(opened)
    assert len(store.held) == 3


def test_any_other_fault_opens_nothing_anew() -> None:
    counter = Counter()
    store = ConfiguredStore(URL, counter.open)
    counter.store.levers.down = True
    for _ in range(3):
        with pytest.raises(StoreFault):
            _put(store)
    assert len(counter.opened) == 1


def test_a_clock_that_is_off_opens_it_with_the_stores_own_time() -> None:
    counter = Counter()
    store = ConfiguredStore(URL, counter.open)
    store.sign_ahead(20 * 60_000)
    _put(store)
    assert counter.opened == [timedelta(minutes=20)]


def test_a_credential_that_is_not_there_is_the_fault_of_each_call_until_it_is(tmp_path: Path) -> None:
    settings = Settings(url="s3://127.0.0.1:1/liuhen")
    for environment in ({}, {CREDENTIALS_VARIABLE: str(tmp_path)}):
        store = configured_store(settings, environment)
        with pytest.raises(StoreFault) as denied:
            _put(store)
        assert denied.value.fault is FaultClass.DENIED
        assert store.nature().url == "s3://127.0.0.1:1/liuhen"
    credential = tmp_path / settings.credentials_name
    credential.touch(0o600)
    credential.write_text("access\nsecret\n", encoding="ascii")
    with pytest.raises(StoreFault) as unreachable:
        _put(store)
    assert unreachable.value.fault is FaultClass.UNREACHABLE
    store.close()


def test_a_folder_needs_no_credential(tmp_path: Path) -> None:
    store = configured_store(Settings(url=f"file:{tmp_path}"), {})
    _put(store)
    assert [one.key for one in store.versions("v1/")] == ["v1/a"]
    assert not store.nature().worm


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[str, Certificates, list[str]]]:
    """A server on this machine whose certificate is for 0.0.0.0 too, which leads here and is no loopback address."""
    files, asked = make_certificates(tmp_path / "tls", also=("0.0.0.0",)), []  # noqa: S104 - an address to connect to

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def do_PUT(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.server, files.server_key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield str(server.server_port), files, asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("host", "designated", "refused"),
    [("0.0.0.0", True, True), ("0.0.0.0", False, False), ("127.0.0.1", True, False)],  # noqa: S104
)
def test_a_designated_store_whose_address_leads_to_this_machine_is_sent_nothing(
    tls_server: tuple[str, Certificates, list[str]], tmp_path: Path, host: str, designated: bool, refused: bool
) -> None:
    port, files, asked = tls_server
    credential = tmp_path / "credential"
    credential.touch(0o600)
    credential.write_text("access\nsecret\n", encoding="ascii")
    settings = Settings(
        url=f"s3://{host}:{port}/room",
        ca_file=files.ca,
        credentials_file=credential,
        designated=designated,
        designated_by="市执法局" if designated else "",
    )
    store = configured_store(settings, {})
    if refused:
        with pytest.raises(StoreFault) as caught:
            _put(store)
        assert caught.value.fault is FaultClass.DENIED
        assert "真实地址" in caught.value.remedy_zh
    else:
        _put(store)
    assert len(asked) == int(not refused)
    store.close()


@pytest.mark.parametrize("due", [True, False])
def test_the_offload_process_of_a_device_knows_when_its_store_is_to_be_examined_again(
    tmp_path: Path, due: bool
) -> None:
    made, at = device(tmp_path), (datetime.now(UTC) - timedelta(days=401 * due)).isoformat()
    config = replace(made.config, store=Settings(url=URL.text))
    examine(made.spool, URL.text, at=at)
    choice = Choice(config=config, places=places_of(made.spool), recorder=tmp_path / "control", once=True)
    (offload,) = make_offload(choice, lambda _zh, _en: None)._offloads
    assert offload._start.examination_due(offload._start.clock.read().utc_ms) is due
    assert offload._start.standing() is Standing.FIT
