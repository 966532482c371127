"""A server that answers nonsense costs a fault or one line: no traceback, no list without an end, nowhere else is gone.

The server is ours, on loopback, and gives the same answer to whatever it is asked.
"""

from __future__ import annotations

import gc
import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from drivers.store_s3 import Credential, S3Store
from edge.__main__ import main as program
from edge.store import FaultClass, StoreFault
from edge.store_trial import RetainTrial
from liuhen import cli, keys
from liuhen.registry import RetentionMode
from liuhen.store_archive import logs_in
from liuhen.store_names import StoreUrl
from liuhen.store_pages import STANDING_STILL_LIMIT, Pages
from liuhen.store_reader import Kept, ObjectVersion, Reader, StoreAccess, StoreTrouble, open_store

KEY = "v1/one"
BODY = b"an object"
MOST_ASKED = 3
"""One answer takes no more requests than this, whatever it says."""
WELL = "2026-11-29T00:00:00Z"
THE_VERSION = ObjectVersion(key=KEY, version_id="v", size=len(BODY))


@dataclass(slots=True)
class Liar:
    """What it answers, and how often it was asked."""

    place: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Callable[[], str] = lambda: ""
    asked: int = 0

    def says(self, body: str, status: int = 200, /, **headers: str) -> None:
        self.status, self.body = status, lambda: body
        self.headers = {name.replace("_", "-"): text for name, text in headers.items()}


@pytest.fixture(scope="module")
def server() -> Iterator[Liar]:
    made = Liar()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"  # each connection ends with its answer, and its thread with it

        def answer(self) -> None:
            made.asked += 1
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = made.body().encode()
            self.send_response_only(made.status)
            standing = {"Date": "Sun, 29 Nov 2026 01:00:00 GMT", "Content-Length": str(len(body))}
            for name, text in (standing | made.headers).items():
                self.send_header(name, text)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = answer  # noqa: N815 - the names that http.server asks for

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    made.place = f"127.0.0.1:{listening.server_port}"
    yield made
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.fixture
def liar(server: Liar) -> Liar:
    server.asked = 0
    return server


@pytest.fixture(scope="module")
def store(server: Liar) -> Iterator[S3Store]:
    url = StoreUrl(scheme="s3", place=server.place, bucket="bucket")
    made = S3Store(url, Credential(access_key="key", secret_key="secret"), ca_file=None)  # noqa: S106
    yield made
    made.close()


@pytest.fixture(scope="module")
def access(server: Liar, tmp_path_factory: pytest.TempPathFactory) -> StoreAccess:
    path = tmp_path_factory.mktemp("account") / "credential"
    path.touch(mode=0o600)
    path.write_text("key\nsecret\n")
    return StoreAccess(url=StoreUrl(scheme="s3", place=server.place, bucket="bucket"), credentials=path)


@pytest.fixture(scope="module")
def reader(access: StoreAccess) -> Iterator[Reader]:
    made = open_store(access)
    yield made
    made.close()


def listed(rows: str, *, truncated: bool = False) -> str:
    return f"<ListVersionsResult><IsTruncated>{str(truncated).lower()}</IsTruncated>{rows}</ListVersionsResult>"


def version(key: str = f"<Key>{KEY}</Key>", size: str = "9", at: str = WELL) -> str:
    return f"<Version>{key}<VersionId>v</VersionId><Size>{size}</Size><LastModified>{at}</LastModified></Version>"


def following(key: str, version_id: str) -> str:
    return f"<NextKeyMarker>{key}</NextKeyMarker><NextVersionIdMarker>{version_id}</NextVersionIdMarker>"


LISTS = {
    "more, and not where": listed(version(), truncated=True),
    "a date that is none": listed(version(at="soon")),
    "a year beyond the calendar": listed(version(at="99999-01-01T00:00:00Z")),
    "a size that is none": listed(version(size="much")),
    "a version without a key": listed(version(key="")),
}


@pytest.mark.parametrize("lie", LISTS)
def test_a_list_that_is_none_is_a_fault_and_one_line(liar: Liar, store: S3Store, reader: Reader, lie: str) -> None:
    liar.says(LISTS[lie])
    with pytest.raises(StoreFault) as caught:
        list(store.versions(KEY))
    assert caught.value.fault is FaultClass.UNREACHABLE
    assert "登录页" in caught.value.remedy_zh
    with pytest.raises(StoreTrouble, match="no S3 answer"):
        reader.versions_of(KEY)
    assert liar.asked <= MOST_ASKED


def test_a_list_that_leads_back_to_where_it_was_ends(liar: Liar, store: S3Store, reader: Reader) -> None:
    liar.says(listed(following(KEY, "v"), truncated=True))
    for ask in (
        lambda: list(store.versions(KEY)),
        lambda: reader.versions_of(KEY),
        lambda: list(reader.folders("v1/")),
    ):
        liar.asked = 0
        with pytest.raises((StoreFault, StoreTrouble)):
            ask()
        assert liar.asked == 2


@pytest.mark.parametrize("lie", ["empty pages", "versions of one key"])
def test_a_list_without_an_end_ends(lie: str) -> None:
    pages, numbers = Pages(), count()
    for number in islice(numbers, STANDING_STILL_LIMIT + 10):
        page: dict[str, Any] = {"IsTruncated": True, "NextKeyMarker": f"k{number:09d}"}
        if lie == "versions of one key":
            page |= {"NextKeyMarker": "k", "NextVersionIdMarker": f"{number}", "Versions": [{}]}
        try:
            assert pages.go_on(page)
        except Exception as error:  # noqa: BLE001 - looked at below
            assert "for ever" in str(error)
            break
    assert STANDING_STILL_LIMIT <= number <= STANDING_STILL_LIMIT + 1


def test_a_long_list_is_followed_to_its_end() -> None:
    pages = Pages()
    for number in range(3 * STANDING_STILL_LIMIT):
        assert pages.go_on({"IsTruncated": True, "NextKeyMarker": f"k{number:09d}", "Versions": [{}]})
        assert pages.marker == {"KeyMarker": f"k{number:09d}"}
    assert not pages.go_on({"IsTruncated": False})


def retention(until: str) -> str:
    return f"<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>"


@pytest.mark.parametrize("until", ["soon", "99999-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"])
def test_a_retention_that_is_no_date_counts_for_nothing(liar: Liar, store: S3Store, until: str) -> None:
    liar.says(retention(until))
    with pytest.raises(StoreFault):
        store.retained(KEY, "v")


def test_whoever_verifies_takes_a_retention_that_is_no_date_for_none_that_was_told(
    liar: Liar, access: StoreAccess
) -> None:
    reader = open_store(access)
    liar.says(retention(WELL))
    assert reader.kept(THE_VERSION) == Kept(until_ms=1_795_910_400_000)
    liar.says(retention("soon"))
    assert reader.kept(THE_VERSION) == Kept(until_ms=None, told=False)
    reader.close()


@pytest.mark.parametrize("days", ["99999999999", "many", "-5"])
def test_a_default_lock_that_is_no_number_of_days_is_not_relied_on(liar: Liar, store: S3Store, days: str) -> None:
    rule = f"<Rule><DefaultRetention><Days>{days}</Days></DefaultRetention></Rule>"
    liar.says(f"<ObjectLockConfiguration>{rule}</ObjectLockConfiguration>")
    try:
        assert store.default_lock() is None
    except StoreFault as fault:
        assert fault.fault is FaultClass.UNREACHABLE


def sent(store: S3Store) -> object:
    md5 = hashlib.md5(BODY, usedforsecurity=False).digest()
    return store.put(KEY, io.BytesIO(BODY), size=len(BODY), md5=md5, sha256=hashlib.sha256(BODY).digest())


def tried(store: S3Store) -> object:
    from datetime import UTC, datetime  # noqa: PLC0415 - used here alone

    at = datetime(2027, 1, 1, tzinfo=UTC)
    return store.attempt(RetainTrial(key=KEY, version_id="v", mode=RetentionMode.COMPLIANCE, until=at))


ASKED: dict[str, Callable[[S3Store], object]] = {
    "put": sent,
    "open": lambda store: store.open(KEY, "v"),
    "versions": lambda store: list(store.versions(KEY)),
    "retained": lambda store: store.retained(KEY, "v"),
    "default_lock": lambda store: store.default_lock(),
}


LOGIN = "<html><head><title>Login</title></head><body>请登录</body></html>"
PAGES: dict[str, tuple[str, dict[str, str]]] = {
    "a login page": (LOGIN, {}),
    "a login page that says so": (LOGIN, {"Content_Type": "text/html; charset=utf-8"}),
    "a page as browsers take it": ("<!DOCTYPE html><html><br><p>Login</html>", {}),
    "words": ("OK", {}),
    "words of a page": ("OK", {"Content_Type": "Text/HTML"}),
}
LISTS_OF_NOTHING = {
    "nothing": "",
    "another list": "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
}
ASKED_FOR_XML = ("versions", "retained", "default_lock")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("what", [*ASKED_FOR_XML, "put"])
def test_a_page_is_no_answer_whatever_was_asked(liar: Liar, store: S3Store, what: str, page: str) -> None:
    body, headers = PAGES[page]
    liar.says(body, **headers)
    with pytest.raises(StoreFault) as caught:
        ASKED[what](store)
    sent_and_unanswered = FaultClass.AMBIGUOUS if what == "put" else FaultClass.UNREACHABLE
    assert caught.value.fault is sent_and_unanswered
    assert "登录页" in caught.value.remedy_zh
    with pytest.raises(StoreFault):
        tried(store)
    assert liar.asked == 2


def test_a_page_is_not_the_content_of_an_object(liar: Liar, store: S3Store, reader: Reader) -> None:
    liar.says(LOGIN, Content_Type="text/html")
    with pytest.raises(StoreFault):
        store.open(KEY, "v")
    with pytest.raises(StoreTrouble, match="no S3 answer"), reader.open(THE_VERSION):
        pass
    gc.collect()  # a connection that was left open is complained of here, and not in a test that comes after
    liar.says("<html>a witness's own notes</html>", Content_Type="binary/octet-stream")
    with store.open(KEY, "v") as reading:
        assert reading.read(6) == b"<html>"


@pytest.mark.parametrize("what", ASKED_FOR_XML)
@pytest.mark.parametrize("page", LISTS_OF_NOTHING)
def test_nothing_and_what_was_not_asked_for_is_no_answer(liar: Liar, store: S3Store, what: str, page: str) -> None:
    liar.says(LISTS_OF_NOTHING[page])
    with pytest.raises(StoreFault):
        ASKED[what](store)


@pytest.mark.parametrize("page", [*PAGES, *LISTS_OF_NOTHING])
def test_whoever_reads_takes_no_page_for_an_empty_store(liar: Liar, reader: Reader, page: str) -> None:
    body, headers = PAGES.get(page) or (LISTS_OF_NOTHING[page], {})
    liar.says(body, **headers)
    for ask in (
        lambda: reader.versions_of(KEY),
        lambda: list(reader.versions("v1/")),
        lambda: list(reader.folders("v1/")),
    ):
        with pytest.raises(StoreTrouble, match="no S3 answer") as caught:
            ask()
        assert "登录页" in caught.value.zh
        assert "\n" not in str(caught.value)


def test_a_page_names_no_log_and_tells_no_retention(liar: Liar, access: StoreAccess) -> None:
    liar.says(LOGIN)
    with pytest.raises(StoreTrouble, match="no S3 answer"):
        logs_in(access)
    reader = open_store(access)
    assert reader.kept(THE_VERSION) == Kept(until_ms=None, told=False)
    reader.close()


def test_each_command_says_in_one_line_that_no_store_answered(
    liar: Liar, access: StoreAccess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, said = tmp_path / "custodian.pem", tmp_path / "said"
    keys.save_private_key(key, keys.generate())
    said.write_text("actor=a\npurpose=p\napproval=1\n")
    url, account = access.url.text, str(access.credentials)
    commands: dict[str, Callable[[], int]] = {
        "verify": lambda: cli.main([url, "--credentials", account]),
        "fetch": lambda: program(
            ["fetch", url, str(tmp_path / "copy"), "--key", str(key), "--from", str(said), "--credentials", account]
        ),
        "doctor": lambda: program(["store", "doctor", url, "--credential", account]),
    }
    for name, command in commands.items():
        liar.says(LOGIN)
        code, told = command(), capsys.readouterr()
        assert code != 0, name
        assert "登录页" in told.err, name
        assert "Traceback" not in told.err
        assert len(told.err.splitlines()) <= 3, told.err
        assert told.out == "", name
    assert not (tmp_path / "copy").exists()


def test_an_error_that_comes_as_a_success_is_the_error(liar: Liar, store: S3Store) -> None:
    liar.says("<Error><Code>SlowDown</Code><Message>later</Message></Error>")
    with pytest.raises(StoreFault, match="SlowDown") as caught:
        list(store.versions(KEY))
    assert caught.value.fault is FaultClass.UNREACHABLE


def test_an_empty_list_is_one(liar: Liar, store: S3Store, reader: Reader) -> None:
    namespace = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    for body in (listed(""), f'<?xml version="1.0"?>\n{listed("")}', listed("").replace("t>", f"t {namespace}>", 1)):
        liar.says(body, Content_Type="application/xml")
        assert list(store.versions(KEY)) == []
        assert reader.versions_of(KEY) == []


@pytest.mark.parametrize("status", [301, 302, 307])
@pytest.mark.parametrize("what", ASKED)
def test_an_answer_that_leads_elsewhere_is_followed_nowhere(liar: Liar, store: S3Store, status: int, what: str) -> None:
    liar.says("", status, Location="http://127.0.0.1:1/", x_amz_bucket_region="elsewhere-1")
    with pytest.raises(StoreFault) as caught:
        ASKED[what](store)
    assert caught.value.fault in (FaultClass.UNREACHABLE, FaultClass.DENIED, FaultClass.AMBIGUOUS)
    assert liar.asked == 1, "and nothing is sent twice"
    assert tried(store)  # the doctor's own way: it says that it was not accepted


@pytest.mark.parametrize("status", [301, 302, 307])
def test_whoever_reads_is_led_nowhere_either(liar: Liar, reader: Reader, status: int) -> None:
    liar.says("", status, Location="http://127.0.0.1:1/", x_amz_bucket_region="elsewhere-1")
    with pytest.raises(StoreTrouble):
        reader.versions_of(KEY)
    with pytest.raises(StoreTrouble), reader.open(THE_VERSION):
        pass
    assert liar.asked == 2


@pytest.mark.parametrize("date", ["soon", "Fri, 31 Dec 9999 23:59:59 -2300"])
def test_a_time_of_the_store_that_is_none_promises_nothing(liar: Liar, store: S3Store, date: str) -> None:
    liar.says("", Date=date)
    with pytest.raises(StoreFault, match="no Date"):
        sent(store)
