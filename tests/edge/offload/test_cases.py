"""Cases 16 and 19 to 21: a full disk while the store is away; what a skipped, copied or doubled device leaves there.

The offload process fills a directory store; what stands there is judged by the verifier that a court uses.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from drivers.store_directory import DirectoryStore
from edge.offload.state import FILE
from edge.offload.yielding import Look
from edge.refusals import Refused
from liuhen.findings import Code, Severity
from liuhen.kinds import Event, Gap, Refusal
from liuhen.registry import EventCode, GapCause, RefusalCode
from liuhen.store_names import MediaName, parse_key, parse_store_url
from tests.edge.offload.bench import Bench
from tests.edge.ports_room import START_NS, Room, RoomClock
from tests.edge.test_upkeep import free_seconds
from tests.faults.store_happenings import line_of
from tests.faults.witness import journal, play
from tests.signing.archives import entries
from tests.signing.checking import codes, only
from tests.signing.stored import Shelf

pytestmark = pytest.mark.long

LATER_NS = START_NS + 120 * 10**9


def shelf_of(bench: Bench, store: Path) -> Shelf:
    """The store as the verifier reads it."""
    return Shelf(root=store, log_id=bench.device.log_id, entries=entries(bench.device.root))


def stored(bench: Bench, store: Path) -> Shelf:
    """Everything of the device is brought to a directory store."""
    store.mkdir(exist_ok=True)
    bench.another(DirectoryStore(parse_store_url(f"file:{store}")))
    bench.settle()
    bench.offload.close()
    return shelf_of(bench, store)


def two_sessions(folder: Path, apart_ns: int = 0) -> Bench:
    bench = Bench(folder)
    bench.device.pass_ns(apart_ns)
    for _ in range(2):
        bench.device.session(segments=3)
    bench.device.stop()
    bench.desk.cut()
    return bench


def test_case_16_a_disk_that_fills_while_the_store_is_away_ends_the_session_with_its_reason_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with line_of(tmp_path) as line:
        line.store.levers.down = True
        Room().record(line.made.config, line.goes_on(12))
        before = {path: path.read_bytes() for path in line.made.segments()}

        def falls(_: Room) -> None:
            free_seconds(monkeypatch, line.made.config, 90)

        Room(RoomClock(now_ns=LATER_NS)).record(line.made.config, play(12), falls, line.goes_on(15))
        with pytest.raises(Refused):
            Room(RoomClock(now_ns=2 * LATER_NS)).record(line.made.config, play(1))
        bodies = [entry.body for entry in journal(line.made)]
        assert [body.cause for body in bodies if isinstance(body, Gap)] == [GapCause.STORAGE_FULL]
        assert [body.code for body in bodies if isinstance(body, Refusal)] == [RefusalCode.SPACE]
        assert EventCode.STORAGE_LOW in {body.code for body in bodies if isinstance(body, Event)}
        assert {path: path.read_bytes() for path in before} == before
        assert not line.store.held
        monkeypatch.undo()  # somebody has made room, and the store is back
        line.store.levers.down = False
        room = Room(RoomClock(now_ns=3 * LATER_NS))
        room.record(line.made.config, line.goes_on(2), line.leaps, line.goes_on(2), line.settles)
        assert line.made.verify().intact


def test_case_19_a_segment_that_the_device_left_out_is_told_by_who_reads_the_store(tmp_path: Path) -> None:
    bench, store = two_sessions(tmp_path), tmp_path / "store"
    store.mkdir()
    bench.look = Look(queue_percent=90)  # it reads on, and sends nothing yet
    bench.another(DirectoryStore(parse_store_url(f"file:{store}")))
    bench.turn(3)
    bench.offload.close()
    left_out = sorted(bench.device.root.glob("sessions/*/*.mp4"))[1]
    left_out.unlink()
    state = sqlite3.connect(tmp_path / "state" / FILE)
    gone = state.execute("DELETE FROM objects WHERE path LIKE ?", (f"%{left_out.parent.name}/{left_out.name}",))
    assert gone.rowcount == 1
    state.commit()
    state.close()
    bench.look = Look()
    report = stored(bench, store).check(tmp_path / "work")
    assert codes(report, Severity.BROKEN) == {Code.SEGMENT_MISSING}
    assert not report.intact


def test_case_20_an_object_copied_under_another_session_or_number_is_foreign_and_counts_for_nothing(
    tmp_path: Path,
) -> None:
    bench = two_sessions(tmp_path)
    shelf = stored(bench, tmp_path / "store")
    clean = shelf.check(tmp_path / "work")
    assert clean.intact
    media = shelf.media()
    first, other = (parse_key(path.relative_to(shelf.root).as_posix()) for path in (media[0], media[-1]))
    assert isinstance(first, MediaName)
    assert isinstance(other, MediaName)
    assert first.session != other.session
    for session, number in ((other.session, first.number), (first.session, first.number + 1), (bytes(16), 0)):
        name = MediaName(log_id=shelf.log_id, session=session, number=number, digest=first.digest)
        shelf.put(name, media[0].read_bytes())
    report = shelf.check(tmp_path / "again")
    assert only(report, Code.STORE_FOREIGN).what_en.endswith("3 media objects that no entry states")
    assert [(one.id, one.frames) for one in report.sessions] == [(one.id, one.frames) for one in clean.sessions]


def test_case_20_an_object_in_the_place_of_another_sessions_is_not_taken_for_it(tmp_path: Path) -> None:
    shelf = stored(two_sessions(tmp_path), tmp_path / "store")
    media = shelf.media()
    media[-1].write_bytes(media[0].read_bytes())
    report = shelf.check(tmp_path / "work")
    assert not report.intact


def test_case_21_two_devices_with_one_identity_are_a_fork_that_the_verifier_finds(tmp_path: Path) -> None:
    store = tmp_path / "store"
    one = two_sessions(tmp_path / "one")
    assert stored(one, store).check(tmp_path / "alone").intact
    clone = two_sessions(tmp_path / "clone", apart_ns=10**9)
    assert clone.device.log_id == one.device.log_id
    report = stored(clone, store).check(tmp_path / "work")
    assert Code.STORE_FORK in codes(report)
    assert not report.intact
