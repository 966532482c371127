"""With a mirror what one disk lacks is read from the other, in step or alone, and it is told which disk lacked it."""

from __future__ import annotations

import hashlib
import shutil
from datetime import UTC
from pathlib import Path

import pytest

from edge.offload import local
from edge.offload.objects import Span
from edge.offload.report import lines, needs_somebody, parse
from liuhen.registry import EventCode
from liuhen.store_names import parse_key
from tests.edge.offload.bench import Bench

pytestmark = pytest.mark.long


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A session of three segments, on two disks."""
    made = Bench(tmp_path, mirror=tmp_path / "second" / "spool")
    made.device.session(segments=3)
    made.desk.cut()
    copied(made)
    return made


def copied(bench: Bench) -> None:
    assert bench.mirror is not None
    shutil.rmtree(bench.mirror, ignore_errors=True)
    shutil.copytree(bench.device.root, bench.mirror)


def segments(root: Path) -> list[Path]:
    return sorted(root.glob("sessions/*/*.mp4"))


def stored(bench: Bench) -> set[bytes]:
    return {parse_key(key).digest for key in bench.store.key_set() if "/media/" in key}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_what_the_first_disk_lacks_or_holds_wrongly_is_read_from_the_second_and_told(bench: Bench) -> None:
    first, second, third = segments(bench.device.root)
    whole = {hashlib.sha256(path.read_bytes()).digest() for path in (first, second, third)}
    first.unlink()
    flip(second)
    bench.settle()
    assert stored(bench) == whole
    assert bench.desk.codes() == []
    said = [words for words in bench.said if "instead" in words]
    assert len(said) == 2
    assert all(str(bench.device.root) in words and str(bench.mirror) in words for words in said)
    report = parse(bench.reports[-1].packet())
    assert report.wanting == {str(bench.device.root): 2}
    assert any(str(bench.device.root) in line for line in lines(report, report.utc_ms, UTC))
    assert needs_somebody(report, report.utc_ms)


def test_what_neither_disk_holds_as_it_was_signed_is_never_sent_and_what_one_cannot_be_read_waits(bench: Bench) -> None:
    assert bench.mirror is not None
    first, second, _ = segments(bench.device.root)
    first_too, second_too, _ = segments(bench.mirror)
    flip(first)
    flip(first_too)
    flip(second)
    second_too.rename(second_too.with_suffix(".away"))
    bench.turn(60)
    assert EventCode.LOCAL_DIFFERS in bench.desk.codes()
    assert len(stored(bench)) == 1
    second_too.with_suffix(".away").rename(second_too)
    for _ in range(10):
        bench.turn(1, seconds=400)
    bench.settle()
    assert len(stored(bench)) == 2


def test_the_second_disk_alone_goes_on_with_what_is_recorded_there(bench: Bench) -> None:
    bench.settle()
    bench.device.session(segments=2)
    bench.desk.cut()
    copied(bench)
    assert bench.mirror is not None
    bench.device.root.rename(bench.folder / "gone")
    bench.device.root = bench.mirror  # the recorder goes on there
    bench.turn(40)
    assert len(stored(bench)) == 5
    assert bench.desk.codes() == []


def test_without_a_second_disk_nothing_stands_in(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.device.session(segments=2)
    bench.desk.cut()
    segments(bench.device.root)[0].unlink()
    bench.turn(40)
    assert len(stored(bench)) == 1


@pytest.mark.parametrize("path", ["../outside", "sessions/../../outside", "/etc/hostname", "link/outside", "", "a//b"])
def test_no_path_leads_out_of_a_spool_and_no_link_is_followed(tmp_path: Path, path: str) -> None:
    spool = tmp_path / "spool"
    (spool / "sessions").mkdir(parents=True)
    (tmp_path / "outside").write_bytes(b"x")
    (spool / "link").symlink_to(tmp_path)
    with pytest.raises(OSError, match=r"."):
        local.hashed(spool, Span(path=path, offset=0, size=1))
