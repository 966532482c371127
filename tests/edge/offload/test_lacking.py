"""What cannot be read here holds nothing else up, is tried again and is never forgotten; what came amid a life counts.

A record is the one object whose size and hash stand in no entry: it has to be read before it can be sent.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from edge.offload import local
from edge.offload.state import FILE
from liuhen.kinds import Retention
from liuhen.registry import EventCode, RecordLabel, RetentionBasis
from sim.store import VirtualStore
from tests.edge.offload.bench import HOUR_MS, Bench

pytestmark = pytest.mark.long

FIVE_YEARS_MS = 5 * 365 * 24 * HOUR_MS


def with_a_record(bench: Bench) -> Path:
    """A session with a record, then one without; the record's file is returned."""
    commitment = bench.device.record("names and numbers")
    bench.device.session(segments=1, commitments=((int(RecordLabel.REASON), commitment),))
    bench.device.session(segments=2)
    bench.desk.cut()
    return bench.device.root / "records" / f"{commitment.hex()}.record"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def stored(bench: Bench, folder: str) -> int:
    return sum(f"/{folder}/" in key for key in bench.store.key_set())


def unreadable(path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put something in its place that cannot be read, or must not be waited for."""
    if how == "a bad sector":
        real = local.opened

        def opened(root: Path, below: str) -> int:
            if root / below == path:
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
            return real(root, below)

        monkeypatch.setattr(local, "opened", opened)
        return
    path.rename(path.with_suffix(".away"))
    if how == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path.with_suffix(".away"))


@pytest.mark.parametrize("how", ["a bad sector", "a pipe", "a link"])
def test_a_record_that_cannot_be_read_holds_up_nothing_else_and_goes_once_it_can(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    path = with_a_record(bench)
    with monkeypatch.context() as patch:
        unreadable(path, how, patch)
        bench.turn(40)
        assert (stored(bench, "media"), stored(bench, "records")) == (3, 0)
        report = bench.report()
        assert report is not None
        assert report.waiting.objects == 1, "and nobody is told that all is done"
        assert not bench.offload.is_done
        bench.offload.close()
        bench.another()  # another life of the process remembers it
        bench.turn(20)
        assert any("cannot be read now" in words for words in bench.said)
    if how != "a bad sector":
        path.unlink()
        path.with_suffix(".away").rename(path)
    bench.turn(1, seconds=700)
    bench.settle()
    assert stored(bench, "records") == 1


def test_a_record_that_was_destroyed_meanwhile_is_waited_for_no_longer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_a_record(bench)
    unreadable(path, "a bad sector", monkeypatch)
    bench.turn(40)
    monkeypatch.undo()
    path.unlink()
    bench.turn(1, seconds=700)
    bench.settle()
    assert stored(bench, "records") == 0
    assert bench.desk.codes() == []


@pytest.mark.parametrize("harm", ["a bit", "its end", "all of it"])
def test_a_record_that_is_not_what_was_committed_to_is_told_and_not_sent(bench: Bench, harm: str) -> None:
    path = with_a_record(bench)
    content = path.read_bytes()
    harmed = {"a bit": content[:-1] + bytes([content[-1] ^ 1]), "its end": content[:-1], "all of it": b""}
    path.write_bytes(harmed[harm])
    bench.settle()
    assert stored(bench, "records") == 0
    assert bench.desk.codes().count(EventCode.LOCAL_DIFFERS) >= 1


@pytest.mark.parametrize("how", ["missing", "a bad sector", "damaged"])
def test_a_record_that_one_disk_lacks_is_sent_from_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    mirror = tmp_path / "second" / "spool"
    bench = Bench(tmp_path, mirror=mirror)
    path = with_a_record(bench)
    shutil.copytree(bench.device.root, mirror)
    if how == "missing":
        path.unlink()
    elif how == "damaged":
        path.write_bytes(b"other bytes")
    else:
        unreadable(path, how, monkeypatch)
    bench.settle()
    assert stored(bench, "records") == 1
    assert bench.desk.codes() == []


def test_while_the_disk_of_the_records_is_away_none_counts_as_destroyed(bench: Bench) -> None:
    path = with_a_record(bench)
    path.parent.rename(path.parent.with_suffix(".away"))
    bench.turn(40)
    path.parent.with_suffix(".away").rename(path.parent)
    bench.turn(1, seconds=700)
    bench.settle()
    assert stored(bench, "records") == 1


@pytest.mark.parametrize("step", ["open", "retained"])
def test_a_term_that_comes_while_an_object_is_under_way_reaches_the_store(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    bench.device.session(segments=1)
    bench.desk.cut()
    (folder,) = (bench.device.root / "sessions").iterdir()
    session = bytes.fromhex(folder.name)
    until_ms = bench.device.utc_ms + FIVE_YEARS_MS
    bench.store.levers.retention = timedelta(days=365)
    asked = getattr(VirtualStore, step)
    said: list[int] = []

    def meanwhile(store: VirtualStore, *named: str) -> object:
        if "/media/" in named[0] and not said:
            body = Retention(session=session, until_ms=until_ms, basis=RetentionBasis.CASE_FILE, records=())
            said.append(bench.device.append(body, session=False))
            bench.desk.cut()
            assert bench.offload._state is not None
            bench.offload._read_on(bench.offload._state, bench.device.now_ns)
        return asked(store, *named)

    monkeypatch.setattr(VirtualStore, step, meanwhile)
    bench.settle()
    assert said
    media = [held for held in bench.store.held if "/media/" in held.version.key]
    told = [row[5] or 0 for row in bench.desk.rows if row[0] == 1]
    assert max(held.until.timestamp() * 1000 for held in media if held.until is not None) >= until_ms
    assert max(told) >= until_ms


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE objects SET stage = 2, kind = 77",
        "UPDATE objects SET stage = 2, version = 'v', store_ms = 1, mode = 99",
        "UPDATE objects SET stage = 2, size = 'much'",
        "UPDATE meta SET value = 'nowhere' WHERE name = 'reached'",
        "UPDATE meta SET value = '1 2 3 x' WHERE name = 'reached'",
    ],
)
def test_case_23_a_state_of_which_a_value_is_none_is_made_anew_and_ends_no_process(bench: Bench, harm: str) -> None:
    with_a_record(bench)
    bench.settle()
    puts = len(bench.store.puts)
    bench.offload.close()
    link = sqlite3.connect(bench.folder / "state" / FILE)
    assert link.execute(harm).rowcount
    link.commit()
    link.close()
    bench.another()
    bench.settle()
    assert any("made anew" in words for words in bench.said)
    assert len([key for key in bench.store.puts[puts:] if "/journal/" not in key]) == 0, "nothing is sent twice"
