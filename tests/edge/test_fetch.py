"""`liuhen fetch`: a custodian's copy out of a store, said there before the first byte of content, and whole after."""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import os
import signal
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from drivers.store_directory import DirectoryStore
from edge import __main__ as program
from edge import fetch
from edge.fetch import Custodian, FetchRefused, Plan, Purpose
from edge.store import FaultClass, Put, StoreFault
from liuhen import keys, sealed_records, store_directory
from liuhen.findings import Code, Severity
from liuhen.hashing import sha256
from liuhen.kinds import Access
from liuhen.store_ahead import THREADS
from liuhen.store_directory import DirectoryReader
from liuhen.store_names import MediaName, Name, RecordName, SliceName, parse_key
from liuhen.store_reader import Bytes, ObjectVersion
from liuhen.store_statements import objects_copied, verify_access
from tests.signing.archives import closed_archive, flip, signer
from tests.signing.checking import assert_untouched, check, codes
from tests.signing.kept import Kept, kept_archive
from tests.signing.stored import Shelf, shelve
from tests.signing.vector_store import custodian

pytestmark = pytest.mark.long

SAID = Purpose(actor="张三", purpose="复议审查", approval="（2026）第 12 号")
CUSTODIAN = Custodian(signer=signer("custodian"))
NOW_MS = 1_790_000_000_000
LIMIT_SECONDS = 20
FIRST_CALLS, STRIDE = 12, 11
"""Of the calls that change a disk each of the first is failed, and of the rest every so-manyth."""


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return kept_archive(tmp_path / "archive")


@pytest.fixture
def shelf(kept: Kept, tmp_path: Path) -> Shelf:
    return shelve(kept.closed(), tmp_path / "store")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "custodian.pem"
    keys.save_private_key(path, keys.generate())
    return path


@pytest.fixture
def said_file(tmp_path: Path) -> Path:
    path = tmp_path / "said"
    path.write_text(f"actor={SAID.actor}\npurpose={SAID.purpose}\napproval={SAID.approval}\n", encoding="utf-8")
    return path


def statements_in(shelf: Shelf) -> list[Path]:
    return sorted(path for path in (shelf.root / "v1" / shelf.log_id.hex()).glob("access/*/*") if path.is_file())


def content_in(target: Path) -> list[str]:
    return sorted(
        path.relative_to(target).as_posix()
        for path in target.rglob("*")
        if path.is_file() and path.relative_to(target).parts[0] in ("sessions", "records", "quarantine")
    )


def run(shelf: Shelf, target: Path, key_file: Path, said_file: Path, *more: str) -> int:
    words = ["fetch", f"file:{shelf.root}", str(target), "--key", str(key_file), "--from", str(said_file), *more]
    return program.main(words)


# --- the whole of it -------------------------------------------------------------------------------------------------


def test_a_log_is_copied_and_verifies(shelf: Shelf, tmp_path: Path, key_file: Path, said_file: Path) -> None:
    assert run(shelf, tmp_path / "copy", key_file, said_file) == 0
    assert_untouched(check(tmp_path / "copy", whole_file_hash=True))
    assert len(content_in(tmp_path / "copy")) == 6


def test_the_statement_says_who_what_for_and_which_objects(
    shelf: Shelf, tmp_path: Path, key_file: Path, said_file: Path
) -> None:
    run(shelf, tmp_path / "copy", key_file, said_file)
    (path,) = statements_in(shelf)
    said = verify_access(path.read_bytes(), keys.load_signer(key_file).public_key, where="test")
    assert (said.actor, said.purpose, said.approval) == (SAID.actor, SAID.purpose, SAID.approval)
    digests = [sha256((tmp_path / "copy" / name).read_bytes()) for name in content_in(tmp_path / "copy")]
    assert said.objects == objects_copied(digests)
    assert len(said.sessions) == 2


def test_one_session_is_copied_with_its_record_and_nothing_of_another(
    kept: Kept, shelf: Shelf, tmp_path: Path, key_file: Path, said_file: Path
) -> None:
    target = tmp_path / "copy"
    assert run(shelf, target, key_file, said_file, "--session", kept.session.hex()) == 0
    assert content_in(target) == [
        f"records/{kept.record.hex()}.record",
        f"sessions/{kept.session.hex()}/000000.mp4",
        f"sessions/{kept.session.hex()}/000001.mp4",
    ]
    report = check(target, session=kept.session)
    assert report.intact
    assert report.vouched is not None
    (path,) = statements_in(shelf)
    assert verify_access(path.read_bytes(), keys.load_signer(key_file).public_key, where="t").sessions == (
        kept.session,
    )


def test_what_is_there_already_is_hashed_and_not_copied_again(
    shelf: Shelf, tmp_path: Path, key_file: Path, said_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "copy"
    run(shelf, target, key_file, said_file)
    good, torn = sorted((target / "sessions").glob("*/*.mp4"))[:2]
    before = good.stat().st_ino
    flip(torn, 500)
    capsys.readouterr()
    assert run(shelf, target, key_file, said_file) == 0
    assert "段 segments 1，" in capsys.readouterr().out
    assert good.stat().st_ino == before
    assert_untouched(check(target, whole_file_hash=True))


def test_nothing_is_left_of_the_work(shelf: Shelf, tmp_path: Path, key_file: Path, said_file: Path) -> None:
    run(shelf, tmp_path / "copy", key_file, said_file)
    left = [path.name for path in (tmp_path / "copy" / "device").rglob("*") if path.is_file()]
    assert left == [fetch.MARK]


# --- several at once, and after a kill -------------------------------------------------------------------------------


class Watched(DirectoryReader):
    """Notes what is read, and how many contents at once; each waits until as many as may be are under way."""

    read: ClassVar[list[Name]] = []
    most: ClassVar[int] = 0
    under_way: ClassVar[int] = 0
    moved: ClassVar = threading.Condition()
    wanted: ClassVar[int] = 1

    @classmethod
    def begin(cls, *, wanted: int) -> None:
        cls.read, cls.most, cls.under_way, cls.wanted = [], 0, 0, wanted

    @contextmanager
    def open(self, version: ObjectVersion) -> Iterator[Bytes]:
        name = parse_key(version.key)
        is_content = isinstance(name, MediaName | RecordName)
        with Watched.moved:
            Watched.read.append(name)
            Watched.under_way += is_content
            Watched.most = max(Watched.most, Watched.under_way)
            Watched.moved.notify_all()
            assert not is_content or Watched.moved.wait_for(lambda: Watched.most >= Watched.wanted, LIMIT_SECONDS)
        with super().open(version) as source:
            yield source
        with Watched.moved:
            Watched.under_way -= is_content


def test_several_objects_are_read_at_once_and_no_more_than_that(
    shelf: Shelf, tmp_path: Path, key_file: Path, said_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_directory, "DirectoryReader", Watched)
    Watched.begin(wanted=THREADS)
    assert run(shelf, tmp_path / "copy", key_file, said_file) == 0
    assert Watched.most == THREADS
    assert_untouched(check(tmp_path / "copy", whole_file_hash=True))


class Dying(DirectoryReader):
    """The process is killed in the middle of the fifth content, when one of the first four must have been done."""

    begun: ClassVar = itertools.count(1)

    @contextmanager
    def open(self, version: ObjectVersion) -> Iterator[Bytes]:
        with super().open(version) as source:
            is_content = isinstance(parse_key(version.key), MediaName | RecordName)
            yield HalfRead(source) if is_content and next(Dying.begun) == THREADS + 1 else source


class HalfRead:
    """Some bytes, and then no more of anything."""

    def __init__(self, source: Bytes) -> None:
        self._source = source
        self._reads = 0

    def read(self, _size: int, /) -> bytes:
        self._reads += 1
        if self._reads > 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._source.read(100)


def test_a_copy_that_was_killed_goes_on_without_asking_for_what_it_has(
    shelf: Shelf, tmp_path: Path, key_file: Path, said_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "copy"
    if (child := os.fork()) == 0:
        monkeypatch.setattr(store_directory, "DirectoryReader", Dying)
        os._exit(run(shelf, target, key_file, said_file))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    there = content_in(target)
    assert 1 <= len(there) <= 5
    assert list((target / "device/fetch").iterdir())  # the half, which is no file of the copy
    monkeypatch.setattr(store_directory, "DirectoryReader", Watched)
    Watched.begin(wanted=1)
    assert run(shelf, target, key_file, said_file) == 0
    asked = sorted(fetch._path_of(name) for name in Watched.read if isinstance(name, MediaName | RecordName))
    assert asked == sorted(set(content_in(target)) - set(there))
    assert not [name for name in Watched.read if isinstance(name, SliceName)]
    assert_untouched(check(target, whole_file_hash=True))
    assert [path.name for path in (target / "device").rglob("*") if path.is_file()] == [fetch.MARK]


def test_a_slice_that_a_power_cut_left_empty_is_read_again(
    shelf: Shelf, tmp_path: Path, key_file: Path, said_file: Path
) -> None:
    target = tmp_path / "copy"
    fetch.prepare(target, shelf.log_id)
    shelf.archive(target, keep=True)
    for path in (target / "device/slices").iterdir():
        path.write_bytes(b"")
    assert run(shelf, target, key_file, said_file) == 0
    assert_untouched(check(target, whole_file_hash=True))


def test_of_however_large_objects_some_buffers_are_held(shelf: Shelf, tmp_path: Path) -> None:
    """Eight segments of 12 MB, four at a time: what is held is less than one of them."""
    size = 12 << 20
    target = tmp_path / "copy"
    fetch.prepare(target, shelf.log_id)
    source, found = shelf.archive(target, keep=True), Plan()
    for number in range(8):
        content = bytes([number]) * size
        name = MediaName(log_id=shelf.log_id, session=bytes(16), number=number, digest=sha256(content))
        shelf.put(name, content)
        found.content.append((bytes(16), name))
    del content
    tracemalloc.start()
    try:
        assert fetch.copy(source, found, CUSTODIAN).segments == 8
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < size


# --- said first ------------------------------------------------------------------------------------------------------


class Watching(DirectoryStore):
    """A store that looks at the copy in the moment the statement comes."""

    def __init__(self, shelf: Shelf, target: Path, *, refuses: bool = False) -> None:
        super().__init__(shelf.url)
        self.seen: list[list[str]] = []
        self._target = target
        self._refuses = refuses

    def put(
        self,
        key: str,
        body: BinaryIO,
        *,
        size: int,
        md5: bytes,
        sha256: bytes,
        retain_until: datetime | None = None,
    ) -> Put:
        self.seen.append(content_in(self._target))
        if self._refuses:
            raise StoreFault(FaultClass.DENIED, key, remedy_zh="无权", remedy_en="no right")
        return super().put(key, body, size=size, md5=md5, sha256=sha256)


def fetched_by(store: Watching, shelf: Shelf, target: Path) -> fetch.Fetched:
    source = shelf.archive(target, keep=True)
    found = fetch.plan(source, frozenset())
    for statement in fetch.statements(found, log_id=shelf.log_id, said=SAID, utc_ms=NOW_MS):
        fetch.leave(store, source, CUSTODIAN.signer, statement)
    return fetch.copy(source, found, CUSTODIAN)


def test_no_content_is_written_before_the_statement_is_in_the_store(shelf: Shelf, tmp_path: Path) -> None:
    store = Watching(shelf, tmp_path / "copy")
    assert fetched_by(store, shelf, tmp_path / "copy").segments == 4
    assert store.seen == [[]]


def test_a_store_that_refuses_the_statement_gives_no_content(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(StoreFault):
        fetched_by(Watching(shelf, tmp_path / "copy", refuses=True), shelf, tmp_path / "copy")
    assert content_in(tmp_path / "copy") == []


class Swallowing(Watching):
    """A store that says yes and keeps nothing, or says nothing though it kept it."""

    ambiguous = False

    def put(
        self,
        key: str,
        body: BinaryIO,
        *,
        size: int,
        md5: bytes,
        sha256: bytes,
        retain_until: datetime | None = None,
    ) -> Put:
        if self.ambiguous:
            super().put(key, body, size=size, md5=md5, sha256=sha256)
            raise StoreFault(FaultClass.AMBIGUOUS, key)
        return super().put("v1/other", io.BytesIO(b""), size=0, md5=_MD5, sha256=sha256_of(b""))


_MD5 = bytes.fromhex("d41d8cd98f00b204e9800998ecf8427e")
sha256_of = sha256


def test_a_statement_that_cannot_be_read_back_gives_no_content(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(FetchRefused):
        fetched_by(Swallowing(shelf, tmp_path / "copy"), shelf, tmp_path / "copy")
    assert content_in(tmp_path / "copy") == []


def test_a_statement_whose_answer_was_lost_is_looked_for(shelf: Shelf, tmp_path: Path) -> None:
    store = Swallowing(shelf, tmp_path / "copy")
    store.ambiguous = True
    assert fetched_by(store, shelf, tmp_path / "copy").segments == 4


def test_more_sessions_than_one_statement_names_make_more_statements() -> None:
    found = Plan()
    for number in range(fetch.SESSIONS_IN_A_STATEMENT + 1):
        session = number.to_bytes(16, "big")
        name = MediaName(log_id=bytes(16), session=session, number=0, digest=sha256(session))
        found.content.append((session, name))
    made = fetch.statements(found, log_id=bytes(16), said=SAID, utc_ms=NOW_MS)
    assert [len(one.sessions) for one in made] == [fetch.SESSIONS_IN_A_STATEMENT, 1]
    assert [one.objects[0] for one in made] == [fetch.SESSIONS_IN_A_STATEMENT, 1]
    assert all(isinstance(one, Access) for one in made)


# --- what is not whole -----------------------------------------------------------------------------------------------


def test_what_is_missing_or_altered_in_the_store_is_told_and_is_no_success(
    shelf: Shelf, tmp_path: Path, key_file: Path, said_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone, changed = shelf.media()[:2]
    gone.unlink()
    flip(changed, 100)
    assert run(shelf, tmp_path / "copy", key_file, said_file) == 1
    out = capsys.readouterr().out
    assert "存储中没有 not in the store: sessions/" in out
    assert "no version is what its name says" in out
    assert codes(check(tmp_path / "copy")) == {Code.SEGMENT_MISSING}


def test_a_record_opens_with_the_custodians_key_alone(
    tmp_path: Path, kept: Kept, key_file: Path, said_file: Path
) -> None:
    path = kept.path_of(kept.record)
    holder = custodian("one")
    sealed = sealed_records.seal(path.read_bytes(), [holder.public_key().public_bytes_raw()])
    path.unlink()
    shelf = shelve(kept.closed(), tmp_path / "store")
    shelf.record(kept.record, sealed)
    opening = tmp_path / "opening.pem"
    keys.save_new(opening, holder.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=0o600)
    assert run(shelf, tmp_path / "closed", key_file, said_file) == 0
    assert codes(check(tmp_path / "closed"), Severity.NOTE) == {Code.RECORD_ABSENT}
    assert run(shelf, tmp_path / "open", key_file, said_file, "--decrypt", str(opening)) == 0
    assert_untouched(check(tmp_path / "open"))


# --- what is refused -------------------------------------------------------------------------------------------------


def test_a_directory_with_something_else_in_it_is_refused(
    shelf: Shelf, tmp_path: Path, key_file: Path, said_file: Path
) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "letter").write_text("x")
    assert run(shelf, tmp_path / "copy", key_file, said_file) == 2
    assert statements_in(shelf) == []


class Killed(BaseException):
    """The process ends here."""


def ends_at(number: int, error: BaseException, patch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Let the call of this number, of all that change a disk, fail; returns how many there were."""
    numbers = itertools.count()
    for holder, name in ((Path, "mkdir"), (Path, "replace"), (os, "fsync"), (os, "write"), (Path, "unlink")):
        real = getattr(holder, name)

        def counted(*words: Any, _real: Any = real, **named: Any) -> Any:
            if next(numbers) == number:
                raise error
            return _real(*words, **named)

        patch.setattr(holder, name, counted)
    return lambda: next(numbers)


@pytest.mark.parametrize("error", [Killed(), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))], ids=["killed", "full"])
def test_a_copy_that_ends_at_any_of_its_writes_is_gone_on_with(
    shelf: Shelf, tmp_path: Path, key_file: Path, said_file: Path, error: BaseException
) -> None:
    ended, number = 0, 0
    while True:
        target = tmp_path / f"copy-{number}"
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Killed):
            calls = ends_at(number, error, patch)
            code = run(shelf, target, key_file, said_file)
            if calls() <= number:  # it was over before
                assert code == 0
                break
            assert code in (0, 2)  # a file of local state that cannot be removed is no fault of the copy
            assert isinstance(error, OSError)
        assert run(shelf, target, key_file, said_file) == 0, number
        assert_untouched(check(target)) if number == 0 else None
        assert content_in(target) == content_in(tmp_path / "copy-0")
        ended, number = ended + 1, number + (1 if number < FIRST_CALLS else STRIDE)
    assert ended > FIRST_CALLS + 2


def test_a_copy_of_another_log_is_not_gone_on_with(
    shelf: Shelf, tmp_path: Path, key_file: Path, said_file: Path
) -> None:
    assert run(shelf, tmp_path / "copy", key_file, said_file) == 0
    other = shelve(closed_archive(tmp_path / "second", seed=2).root, tmp_path / "other store")
    assert run(other, tmp_path / "copy", key_file, said_file) == 2


@pytest.mark.parametrize("missing", ["actor", "purpose", "approval"])
def test_without_a_purpose_and_an_approval_nothing_is_copied(
    shelf: Shelf, tmp_path: Path, key_file: Path, said_file: Path, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line for line in said_file.read_text(encoding="utf-8").splitlines() if not line.startswith(missing)]
    said_file.write_text("\n".join(lines), encoding="utf-8")
    assert run(shelf, tmp_path / "copy", key_file, said_file) == 2
    assert f"缺少 {missing}" in capsys.readouterr().err
    assert not (tmp_path / "copy").exists()
    assert statements_in(shelf) == []


def test_a_purpose_in_argv_is_refused_and_not_repeated(
    shelf: Shelf, tmp_path: Path, key_file: Path, said_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(shelf, tmp_path / "copy", key_file, said_file, "--purpose", "secret reason")
    assert "secret reason" not in capsys.readouterr().err


@pytest.mark.parametrize("more", [("--session", "xyz"), ("--session", "ab" * 16), ("--log", "ab" * 16)])
def test_what_is_not_there_is_refused(
    shelf: Shelf, tmp_path: Path, key_file: Path, said_file: Path, more: tuple[str, ...]
) -> None:
    assert run(shelf, tmp_path / "copy", key_file, said_file, *more) == 2
    assert statements_in(shelf) == []


def test_a_signing_key_that_others_can_read_is_refused(
    shelf: Shelf, tmp_path: Path, key_file: Path, said_file: Path
) -> None:
    key_file.chmod(0o644)
    assert run(shelf, tmp_path / "copy", key_file, said_file) == 2
    assert statements_in(shelf) == []


def test_an_opening_key_of_another_kind_is_refused(
    shelf: Shelf, tmp_path: Path, key_file: Path, said_file: Path
) -> None:
    assert run(shelf, tmp_path / "copy", key_file, said_file, "--decrypt", str(key_file)) == 2
