"""Several processes read, one tells: the same report byte for byte, ended workers, and a clear line where one dies."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from liuhen import archive, cli, keys, verify_ahead
from liuhen.findings import Code
from liuhen.ranges import Ranges
from liuhen.report import Language, Report, to_json, to_text
from liuhen.verify import Request, verify
from liuhen.verify_ahead import Ahead, WorkerError
from tests.signing.archives import Device, append, closed_archive, cut, flip, fragments_of, open_archive, segments
from tests.signing.big_archive import hollow_archive
from tests.signing.checking import NOW_MS, TRUST

pytestmark = pytest.mark.long

FRAGMENT_BYTES = 40_000


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers start with the first bytes, however small the archive."""
    monkeypatch.setattr(verify_ahead, "START_AFTER_BYTES", 1)


def read(path: Path, jobs: int, **options: object) -> Report:
    target = archive.locate(path)
    assert target is not None
    request = Request(target=target, trust=TRUST, now_ms=NOW_MS, jobs=jobs)
    return verify(replace(request, **options))  # type: ignore[arg-type]


def words(report: Report) -> str:
    """Everything a reader gets."""
    said = [to_text(report, language, integrity_only=False) for language in Language]
    return "\n".join([*said, json.dumps(to_json(report), ensure_ascii=False)])


def damaged(root: Path) -> Device:
    """Two sessions with every kind of damage a file can have, an unstated file and one that is not finished."""
    device = closed_archive(root, sessions=2, segments=8)
    first, second = sorted((root / "sessions").iterdir())
    files = segments(root, bytes.fromhex(first.name))
    flip(files[1], fragments_of(files[1])[1][0] + 100)
    flip(files[0], 40)
    cut(files[2], 1500)
    append(files[3], b"more")
    files[4].unlink()
    files[5].rename(first / "000099.mp4")
    files[6].write_bytes(b"")
    files[7].unlink()
    files[7].mkdir()
    flip(next(second.iterdir()), 30)
    return device


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("jobs", [2, 3])
def test_the_report_is_the_same_byte_for_byte_however_many_read(tmp_path: Path, jobs: int) -> None:
    damaged(tmp_path / "archive")
    open_archive(tmp_path / "open")
    for path in (tmp_path / "archive", tmp_path / "open", *sorted((tmp_path / "archive" / "sessions").iterdir())):
        for options in ({}, {"whole_file_hash": True}):
            assert words(read(path, jobs, **options)) == words(read(path, 1, **options))


@pytest.mark.usefixtures("_at_once")
def test_a_session_directory_and_an_archive_without_journal_are_read_by_several_too(tmp_path: Path) -> None:
    device = damaged(tmp_path / "archive")
    (device.root / "journal" / "00000000.cbor").unlink()
    assert words(read(device.root, 2)) == words(read(device.root, 1))
    (device.root / "journal").rmdir()
    assert words(read(device.root, 2)) == words(read(device.root, 1))


@pytest.mark.usefixtures("_at_once")
def test_workers_really_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the tests above: with several jobs, answers come from other processes."""
    collected: list[int] = []
    collect = verify_ahead._Worker.collect

    def counting(worker: verify_ahead._Worker) -> int:
        collected.append(1)
        return collect(worker)

    monkeypatch.setattr(verify_ahead._Worker, "collect", counting)
    closed_archive(tmp_path / "archive", segments=12, fragments=40)
    read(tmp_path / "archive", 1)
    assert not collected
    read(tmp_path / "archive", 2)
    assert collected


def test_a_small_archive_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("a worker for a few kilobytes")

    monkeypatch.setattr(verify_ahead, "_Worker", refuse)
    closed_archive(tmp_path / "archive")
    assert read(tmp_path / "archive", 2).intact


@pytest.mark.usefixtures("_at_once")
def test_where_the_system_gives_no_process_the_answer_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(verify_ahead, "_Worker", refuse)
    damaged(tmp_path / "archive")
    assert words(read(tmp_path / "archive", 4)) == words(read(tmp_path / "archive", 1))


@pytest.mark.usefixtures("_at_once")
def test_a_worker_that_dies_is_exit_2_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    give = verify_ahead._Worker.give

    def deadly(worker: verify_ahead._Worker, begun: verify_ahead._Begun) -> None:
        os.kill(worker._process.pid, signal.SIGKILL)
        worker._process.wait(10)
        give(worker, begun)

    monkeypatch.setattr(verify_ahead._Worker, "give", deadly)
    closed_archive(tmp_path / "archive", segments=12)
    assert cli.main([str(tmp_path / "archive"), "--jobs", "2"]) == cli.UNUSABLE
    out, err = capsysbinary.readouterr()
    assert out == b""
    assert "意外结束" in err.decode()
    assert "--jobs 1" in err.decode()
    assert err.count(b"\n") == 1


@pytest.mark.usefixtures("_at_once")
def test_a_bug_in_a_worker_is_no_verdict(tmp_path: Path) -> None:
    """What a worker cannot foresee comes back as an error, never as a finding about the archive."""
    failure = verify_ahead.Failure.of(ZeroDivisionError("a bug"))
    assert isinstance(failure.again(), WorkerError)
    lost = verify_ahead.Failure.of(FileNotFoundError(2, "No such file or directory", "x")).again()
    assert isinstance(lost, FileNotFoundError)


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """A run in a shell's background ignores Ctrl-C, and whatever it starts inherits that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_ctrl_c_ends_all_of_them_with_one_line(tmp_path: Path) -> None:
    device = hollow_archive(tmp_path / "archive", segments=60)
    trust = tmp_path / "court.trust"
    trust.write_bytes(keys.trust_bytes(device.trust()))
    command = [sys.executable, "-m", "liuhen.cli", str(device.root), "--trust", str(trust), "--jobs", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0) as process:
        while not (workers := children_of(process.pid)):
            assert process.poll() is None, "it was through before it could be interrupted"
        descriptors = [os.pidfd_open(pid) for pid in workers]
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert process.returncode == cli.UNUSABLE
        assert out == b""
        assert err.decode() == "liuhen-verify: 已中断，没有结论 / interrupted, no verdict\n"
    assert_ended(descriptors)


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    device = hollow_archive(tmp_path / "archive", segments=60)
    command = [sys.executable, "-m", "liuhen.cli", str(device.root), "--jobs", "2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not (workers := children_of(process.pid)):
            assert process.poll() is None
        descriptors = [os.pidfd_open(pid) for pid in workers]
        process.kill()
        process.wait(10)
    assert_ended(descriptors)


def assert_ended(descriptors: list[int]) -> None:
    """The processes behind these descriptors end."""
    for descriptor in descriptors:
        assert select.select([descriptor], [], [], 20)[0], "a worker outlived its parent"
        os.close(descriptor)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def test_what_a_hostile_journal_states_again_and_again_is_read_once(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive", sessions=1, segments=2)
    whole = sum(path.stat().st_size for path in (device.root / "sessions").rglob("*.mp4"))
    for _ in range(3):
        device.start()
        device.begin()
        again = device.session_id
        assert again is not None
        device.end()
    read_bytes: list[int] = []
    read(device.root, 1, on_read=read_bytes.append)
    journal = sum(path.stat().st_size for path in (device.root / "journal").iterdir())
    assert sum(read_bytes) == whole + journal


def test_nothing_more_than_a_few_files_is_begun_ahead() -> None:
    with Ahead(jobs=2, on_read=lambda _: None) as pool:
        assert pool.full


def test_jobs_out_of_range_are_refused_in_one_line(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    for jobs in ("0", "65", "-1", "two"):
        assert cli.main([str(tmp_path), "--jobs", jobs]) == cli.UNUSABLE
        _, err = capsysbinary.readouterr()
        assert err.decode().startswith("liuhen-verify: 参数有误：参数 --jobs 的内容不能用")
        assert err.count(b"\n") == 1


def test_ranges_hold_what_was_added_in_any_order() -> None:
    numbers = random.Random(7).sample(range(300), 200)  # noqa: S311 -- an order, no secret
    ranges = Ranges()
    held: set[int] = set()
    for number in [*numbers, *numbers[:20]]:
        assert ranges.add(number) is (number not in held)
        held.add(number)
    assert [number for number in range(-1, 301) if number in ranges] == sorted(held)
    assert len(ranges._firsts) < len(held)


def test_the_codes_of_the_damaged_archive_are_those_meant(tmp_path: Path) -> None:
    damaged(tmp_path / "archive")
    found = {finding.code for finding in read(tmp_path / "archive", 1).findings}
    assert {
        Code.FRAGMENT_ALTERED,
        Code.TAIL_MISSING,
        Code.EXTRA_BYTES,
        Code.SEGMENT_MISSING,
        Code.SEGMENT_UNSTATED,
        Code.EVIDENCE_NOT_A_FILE,
        Code.INIT_ALTERED,
    } <= found
