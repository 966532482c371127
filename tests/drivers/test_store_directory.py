"""The directory as a store: the contract, and what only a file system can do to it."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drivers.store_directory import INCOMING, DirectoryStore
from edge.store import FaultClass, Store, StoreFault
from liuhen.registry import RetentionMode
from liuhen.store_names import parse_store_url
from tests.drivers.store_contract import BODY, StoreContract, content, fault_of, md5_of, put
from tests.edge.failing_calls import Failing, Fault, failing

PREFIX = "v1/0123/"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
def store(root: Path) -> DirectoryStore:
    return at(root)


@pytest.fixture
def prefix() -> str:
    return PREFIX


def at(root: Path) -> DirectoryStore:
    return DirectoryStore(parse_store_url(f"file:{root}"))


class TestContract(StoreContract):
    """All of it."""


def test_a_directory_calls_itself_not_worm_and_names_its_disk(store: Store, root: Path) -> None:
    nature = store.nature()
    assert not nature.worm
    assert nature.device_id == root.stat().st_dev


def test_a_directory_promises_no_retention_and_takes_none(store: Store) -> None:
    put(store, f"{PREFIX}one")
    assert store.retained(f"{PREFIX}one", "").mode is RetentionMode.NONE
    with pytest.raises(StoreFault) as caught:
        store.extend(f"{PREFIX}one", "", datetime.now(UTC) + timedelta(days=1))
    assert fault_of(caught) is FaultClass.REFUSED


def test_a_name_with_other_bytes_is_refused_and_left_alone(store: Store, root: Path) -> None:
    put(store, f"{PREFIX}one", b"what stood there")
    with pytest.raises(StoreFault) as caught:
        put(store, f"{PREFIX}one", b"what came later")
    assert fault_of(caught) is FaultClass.REFUSED
    assert (root / PREFIX / "one").read_bytes() == b"what stood there"


def test_a_directory_that_is_gone_cannot_be_reached_and_is_not_made(tmp_path: Path) -> None:
    store = at(tmp_path / "not-mounted")
    for ask in (
        lambda: put(store, f"{PREFIX}one"),
        lambda: list(store.versions(PREFIX)),
        lambda: store.open(f"{PREFIX}one", ""),
    ):
        with pytest.raises(StoreFault) as caught:
            ask()
        assert fault_of(caught) is FaultClass.UNREACHABLE
    assert store.nature().device_id is None
    assert not (tmp_path / "not-mounted").exists()


@pytest.mark.parametrize("where", ["v1", "v1/0123", "v1/0123/one", INCOMING])
def test_a_link_in_the_way_is_not_followed(store: Store, root: Path, tmp_path: Path, where: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = root / where
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    with pytest.raises(StoreFault) as caught:
        put(store, f"{PREFIX}one")
    assert fault_of(caught) is FaultClass.DENIED
    assert list(outside.iterdir()) == []
    assert list(at(root).versions("v1/0123/one")) == [] if where == "v1/0123/one" else True


def test_a_link_in_place_of_an_object_is_neither_listed_nor_read(store: Store, root: Path, tmp_path: Path) -> None:
    put(store, f"{PREFIX}one")
    secret = tmp_path / "secret"
    secret.write_bytes(b"not of this store")
    (root / PREFIX / "two").symlink_to(secret)
    os.mkfifo(root / PREFIX / "three")
    assert [one.key for one in store.versions(PREFIX)] == [f"{PREFIX}one"]
    for name in ("two", "three"):
        with pytest.raises(StoreFault) as caught:
            store.open(PREFIX + name, "")
        assert fault_of(caught) is FaultClass.DENIED


def test_its_time_is_that_of_the_file_system_and_not_of_the_process(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fstat

    def a_server_a_year_behind(descriptor: int) -> os.stat_result:
        found = list(real(descriptor))
        found[8] -= 365 * 86_400  # st_mtime
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", a_server_a_year_behind)
    assert datetime.now(UTC) - put(store, f"{PREFIX}one").store_time > timedelta(days=364)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.ENOSPC, FaultClass.FULL),
        (Fault.EROFS, FaultClass.DENIED),
        (Fault.EIO, FaultClass.UNREACHABLE),
    ],
)
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_disk_that_refuses_leaves_no_object_and_no_litter(
    store: Store, root: Path, call: str, fault: Fault, expected: FaultClass
) -> None:
    put(store, f"{PREFIX}before")
    plan = Failing(folders=(root,), fault=fault, at=0, chosen=lambda seen, path: seen == call and INCOMING in path)
    with failing(plan), pytest.raises(StoreFault) as caught:
        put(store, f"{PREFIX}one")
    assert fault_of(caught) is expected
    assert caught.value.remedy_zh
    assert list(root.rglob("one")) == []
    assert list((root / INCOMING).iterdir()) == []


def test_no_directory_is_flushed_before_its_name_and_no_name_given_before_the_bytes_are_flushed(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, link, read = os.fsync, os.link, os.read

    def told(name: str, real: object) -> object:
        def call(*arguments: object, **named: object) -> object:
            if not order or order[-1] != name:
                order.append(name)
            return real(*arguments, **named)  # type: ignore[operator]

        return call

    put(store, f"{PREFIX}zero")
    monkeypatch.setattr(os, "fsync", told("fsync", fsync))
    monkeypatch.setattr(os, "link", told("link", link))
    monkeypatch.setattr(os, "read", told("read", read))
    put(store, f"{PREFIX}one")
    assert order == ["fsync", "read", "fsync", "link", "fsync", "read"]


def test_bytes_that_rot_between_flush_and_name_are_found(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: bytes(len(read(descriptor, size))))
    with pytest.raises(StoreFault) as caught:
        put(store, f"{PREFIX}one")
    assert fault_of(caught) is FaultClass.DAMAGED
    assert list(root.rglob("one")) == []


def test_a_file_system_without_hard_links_says_what_to_use_instead(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    with pytest.raises(StoreFault) as caught:
        put(store, f"{PREFIX}one")
    assert fault_of(caught) is FaultClass.DENIED
    assert "ext4" in caught.value.remedy_zh


def test_what_a_killed_writer_left_is_swept_a_day_later_and_not_before(store: Store, root: Path) -> None:
    put(store, f"{PREFIX}one")
    old, young = root / INCOMING / ("a" * 32), root / INCOMING / ("b" * 32)
    for path in (old, young):
        path.write_bytes(b"half")
    day_ago = young.stat().st_mtime - 86_500
    os.utime(old, (day_ago, day_ago))
    put(store, f"{PREFIX}two")
    assert [path.name for path in (root / INCOMING).iterdir()] == ["b" * 32]
    assert [one.key for one in store.versions(PREFIX)] == [f"{PREFIX}one", f"{PREFIX}two"]


def test_another_user_may_not_write_there(store: Store, root: Path) -> None:
    """A real refusal of the kernel, to a real other user."""
    put(store, f"{PREFIX}one")
    script = (
        "import os, sys\n"
        "from tests.drivers.test_store_directory import at, put\n"
        "from edge.store import StoreFault\n"
        "from pathlib import Path\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try:\n    put(at(Path(sys.argv[1])), 'v1/0123/two')\n"
        "except StoreFault as fault:\n    print(fault.fault.name)\n"
    )
    for path in (root.parent, *root.parents):
        if path.stat().st_uid == os.getuid() and path.is_relative_to(root.parents[1]):
            path.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", script, root], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.strip() == "DENIED", done.stderr


def test_a_full_disk_is_full(tmp_path: Path) -> None:
    """A real tmpfs of 1 MiB, so the kernel itself says ENOSPC."""
    script = (
        "import subprocess, sys\n"
        "from pathlib import Path\n"
        "from tests.drivers.test_store_directory import at, put\n"
        "from edge.store import StoreFault\n"
        "disk = Path(sys.argv[1])\n"
        "subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk], check=True)\n"
        "put(at(disk), 'v1/0123/small', bytes(1000))\n"
        "try:\n    put(at(disk), 'v1/0123/large', bytes(2 << 20))\n"
        "except StoreFault as fault:\n"
        "    left = len(list((disk / '.incoming').iterdir()))\n"
        "    print(fault.fault.name, [one.key for one in at(disk).versions('v1/')], left)\n"
    )
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", sys.executable, "-c", script, tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.strip() == "FULL ['v1/0123/small'] 0", done.stderr


def test_two_writers_of_one_object_at_once_both_succeed(store: Store, root: Path) -> None:
    class Meanwhile(io.BytesIO):
        """While the first reads its body, the second puts all of it."""

        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() == 0:
                put(at(root), f"{PREFIX}one")
            return super().read(size)

    import hashlib  # noqa: PLC0415

    store.put(f"{PREFIX}one", Meanwhile(BODY), size=len(BODY), md5=md5_of(BODY), sha256=hashlib.sha256(BODY).digest())
    assert content(store, f"{PREFIX}one", "") == BODY
