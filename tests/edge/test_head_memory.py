"""A disk set back, swapped or emptied: the device knows what it signed, and never signs a number a second time."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge import durable, journal
from edge.app import EXIT_KEY, EXIT_STORAGE
from edge.head_memory import DamagedMemory, ForgottenHead, HeadMemory
from edge.refusals import Refused
from edge.spool import IDENTITY_FILE
from liuhen import cbor, keys
from liuhen.findings import Code, Verdict
from liuhen.kinds import Event
from liuhen.registry import EventCode, Purpose
from tests.edge.ports_room import UTC_MS, Device, Room, RoomClock, device

pytestmark = pytest.mark.long


def record(made: Device, clock: RoomClock) -> None:
    assert Room(clock).record(made.config, lambda r: r.play(3)).clean
    clock.now_ns += 5 * 10**9


def memory_of(made: Device, *, log_id: bytes | None = None, spool_id: bytes | None = None) -> HeadMemory:
    identity = cbor.decode_map((made.spool / IDENTITY_FILE).read_bytes(), where="identity")
    own_log, own_spool = identity[1], identity[9]
    assert isinstance(own_log, bytes)
    assert isinstance(own_spool, bytes)
    return HeadMemory(made.config.key.file, log_id=log_id or own_log, spool_id=spool_id or own_spool)


def set_back(made: Device, earlier: Path) -> None:
    shutil.rmtree(made.spool)
    shutil.copytree(earlier, made.spool)


def seqs(made: Device) -> list[int]:
    return [e.common.seq for path in made.journal_files() for e in journal.entries_of(path)]


def test_a_disk_set_back_to_an_earlier_state_records_on_behind_a_hole_that_stays(tmp_path: Path) -> None:
    made, clock = device(tmp_path), RoomClock()
    record(made, clock)
    earlier = tmp_path / "earlier"
    shutil.copytree(made.spool, earlier)
    record(made, clock)
    hidden = seqs(made)[len(seqs_of(earlier)) :]
    set_back(made, earlier)
    room = Room(clock)
    assert room.record(made.config, lambda r: r.play(3)).clean
    assert any("缺失或损坏" in words for words in room.onlooker.words)
    assert not set(seqs(made)) & set(hidden), "what was signed before is never signed anew"
    assert min(seq for seq in seqs(made) if seq > max(seqs_of(earlier))) == max(hidden) + 1
    report = made.verify()
    assert not report.intact
    assert Code.SEQ_GAP in {finding.code for finding in report.findings}
    assert report.complete_up_to is not None
    assert report.complete_up_to.entry == max(seqs_of(earlier)), "complete only up to the hole"


def seqs_of(spool: Path) -> list[int]:
    return [e.common.seq for path in sorted((spool / "journal").iterdir()) for e in journal.entries_of(path)]


def test_another_disk_of_the_same_log_is_refused_and_untouched(tmp_path: Path) -> None:
    made, clock = device(tmp_path), RoomClock()
    record(made, clock)
    identity = cbor.decode_map((made.spool / IDENTITY_FILE).read_bytes(), where="identity")
    (made.spool / IDENTITY_FILE).write_bytes(cbor.encode({**identity, 9: bytes(16)}))
    before = [path.read_bytes() for path in made.journal_files()]
    with pytest.raises(Refused, match="is of disk") as refused:
        record(made, clock)
    assert refused.value.exit_code == EXIT_STORAGE
    assert [path.read_bytes() for path in made.journal_files()] == before


def test_the_right_disk_back_goes_on(tmp_path: Path) -> None:
    """The negative control: what the memory names is there."""
    made, clock = device(tmp_path), RoomClock()
    for _ in range(3):
        record(made, clock)
    assert made.findings() == []


EMPTIED: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "nonsense": lambda path: path.write_bytes(b"x" * path.stat().st_size),
}


@pytest.mark.parametrize("how", EMPTIED)
def test_where_nothing_is_left_of_the_journal_a_hearing_is_recorded_behind_the_hole(tmp_path: Path, how: str) -> None:
    made, clock = device(tmp_path), RoomClock()
    record(made, clock)
    hidden, before = seqs(made), set(made.segments())
    for path in made.journal_files():
        EMPTIED[how](path)
    room = Room(clock)
    assert room.record(made.config, lambda r: r.play(3)).clean
    assert any("全部缺失" in words for words in room.onlooker.words)
    record(made, clock)
    numbers = seqs(made)
    assert numbers == list(range(max(hidden) + 1, numbers[-1] + 1)), "what was signed before is never signed anew"
    report = made.verify()
    assert (report.intact, report.vouched) == (False, None)
    assert Verdict.AUTHENTIC not in report.verdicts
    fresh = sorted(set(made.segments()) - before)
    assert len(fresh) == 2
    for segment in fresh:
        alone = made.verify(segment)
        assert (alone.intact, alone.vouched is not None) == (True, True), "each file still proves itself"


def test_recordings_without_journal_and_memory_are_refused_for_nobody_knows_which_numbers_were_used(
    tmp_path: Path,
) -> None:
    made, clock = device(tmp_path), RoomClock()
    record(made, clock)
    for path in (made.spool / "journal").iterdir():
        path.unlink()
    memory_of(made).path.unlink()
    with pytest.raises(Refused) as refused:
        record(made, clock)
    assert refused.value.exit_code == EXIT_STORAGE


def test_a_damaged_memory_holds_up_no_hearing_is_kept_aside_and_told(tmp_path: Path) -> None:
    made, clock = device(tmp_path), RoomClock()
    record(made, clock)
    memory = memory_of(made)
    memory.path.write_bytes(b"nonsense")
    with pytest.raises(DamagedMemory):
        memory.recall()
    room = Room(clock)
    assert room.record(made.config, lambda r: r.play(3)).clean
    assert any("记忆已损坏" in words for words in room.onlooker.words)
    assert memory.path.with_name(f"{memory.path.name}.damaged").read_bytes() == b"nonsense"
    record(made, clock)
    entries = [entry for path in made.journal_files() for entry in journal.entries_of(path)]
    told = [e for e in entries if isinstance(e.body, Event) and e.body.code == EventCode.HEAD_MEMORY_LOST]
    assert len(told) == 1, "the next start remembers again"
    report = made.verify()
    assert (report.intact, report.vouched is not None) == (True, True)


def test_a_damaged_memory_without_a_journal_is_refused(tmp_path: Path) -> None:
    made, clock = device(tmp_path), RoomClock()
    record(made, clock)
    for path in (made.spool / "journal").iterdir():
        path.unlink()
    memory_of(made).path.write_bytes(b"nonsense")
    with pytest.raises(Refused) as refused:
        record(made, clock)
    assert refused.value.exit_code == EXIT_STORAGE


def test_a_memory_of_another_log_is_refused(tmp_path: Path) -> None:
    made, clock = device(tmp_path), RoomClock()
    record(made, clock)
    memory = memory_of(made, log_id=bytes(16))
    memory.path.unlink()
    memory.remember(1, (4, bytes(32)))
    with pytest.raises(Refused) as refused:
        record(made, clock)
    assert refused.value.exit_code == EXIT_KEY


def test_a_memory_remembers_and_replaces(tmp_path: Path) -> None:
    def memory(log_id: bytes = bytes(16)) -> HeadMemory:
        return HeadMemory(tmp_path / "device.key", log_id=log_id, spool_id=bytes(16))

    assert memory().recall() is None
    writing = memory()
    for seq in range(4, 9):
        writing.remember(2, (seq, bytes([seq]) * 32))
        remembered = memory().recall()
        assert remembered is not None
        assert (remembered.run, remembered.head) == (2, (seq, bytes([seq]) * 32))
    with pytest.raises(ForgottenHead, match="of log"):
        memory(bytes(15) + b"x").recall()


@pytest.mark.parametrize("place", [0, 512])
def test_a_torn_place_leaves_the_other(tmp_path: Path, place: int) -> None:
    memory = HeadMemory(tmp_path / "device.key", log_id=bytes(16), spool_id=bytes(16))
    for seq in (4, 5, 6):
        memory.remember(1, (seq, bytes(32)))
    content = bytearray(memory.path.read_bytes())
    content[place + 30] ^= 1
    memory.path.write_bytes(content)
    remembered = memory.recall()
    assert remembered is not None
    assert remembered.head[0] in (5, 6)
    memory.remember(1, (7, bytes(32)))
    after = memory.recall()
    assert after is not None
    assert after.head[0] == 7, "and the torn place is the next to be written"


class Cut(BaseException):
    """Power is gone."""


@pytest.mark.parametrize("where", ["before", "half-way", "after"])
@pytest.mark.parametrize("writes", ["replace_file", "overwrite"])
@pytest.mark.parametrize("which", [1, 2, 3, 5])
def test_a_cut_while_the_head_or_a_slot_is_written_locks_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: int, writes: str, where: str
) -> None:
    made, clock = device(tmp_path), RoomClock()
    record(made, clock)
    write, calls = getattr(durable, writes), itertools.count(1)

    def cut(path: Path, *rest: Any, **options: Any) -> None:
        if next(calls) != which:
            write(path, *rest, **options)
            return
        if where == "half-way" and writes == "replace_file":
            path.with_name(f".{path.name}.new").write_bytes(rest[0][:10])
        if where == "half-way" and writes == "overwrite":
            write(path, rest[0], rest[1][:10] + bytes(60))
        if where == "after":
            write(path, *rest, **options)
        raise Cut

    with monkeypatch.context() as power:
        power.setattr(durable, writes, cut)
        with pytest.raises(Cut):
            Room(clock).record(made.config, lambda r: r.play(12))
    clock.now_ns += 5 * 10**9
    record(made, clock)
    assert made.verify().intact


def test_a_production_endorsement_left_out_of_the_configuration_still_counts(tmp_path: Path) -> None:
    """The log carries it since entry 0: leaving out a line must not turn a production key into a demo's."""
    made, clock = device(tmp_path), RoomClock()
    root = keys.load_signer(tmp_path / "keys" / "demo-root.key")
    card = keys.parse_card((tmp_path / "keys" / "device.card").read_bytes(), where="card")
    made.config.key.endorsements[0].write_bytes(
        keys.endorse(root, card, purpose=Purpose.PRODUCTION, not_before_ms=UTC_MS)
    )
    for endorsements in (made.config.key.endorsements, ()):
        room = Room(clock)
        assert room.camera is not None
        room.camera.genuine = False
        config = replace(made.config, key=replace(made.config.key, endorsements=endorsements))
        with pytest.raises(Refused, match="not the physical device") as refused:
            room.record(config, lambda r: r.play(1))
        assert refused.value.exit_code == EXIT_KEY
