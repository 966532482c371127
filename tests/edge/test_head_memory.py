"""A disk set back, swapped or emptied: the device has signed more than it holds, and signs nothing over it."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edge import durable
from edge.app import EXIT_KEY, EXIT_STORAGE, Refused
from edge.head_memory import ForgottenHead, HeadMemory
from liuhen import keys
from liuhen.registry import Purpose
from tests.edge.ports_room import UTC_MS, Device, Room, RoomClock, device


def record(made: Device, clock: RoomClock) -> None:
    assert Room(clock).record(made.config, lambda r: r.play(3)).clean
    clock.now_ns += 5 * 10**9


def test_a_disk_set_back_to_an_earlier_state_is_refused_and_untouched(tmp_path: Path) -> None:
    made, clock = device(tmp_path), RoomClock()
    record(made, clock)
    earlier = tmp_path / "earlier"
    shutil.copytree(made.spool, earlier)
    record(made, clock)
    shutil.rmtree(made.spool)
    shutil.copytree(earlier, made.spool)
    before = sorted((p.name, p.read_bytes()) for p in (made.spool / "journal").iterdir())
    with pytest.raises(Refused, match="does not hold") as refused:
        record(made, clock)
    assert refused.value.exit_code == EXIT_STORAGE
    assert sorted((p.name, p.read_bytes()) for p in (made.spool / "journal").iterdir()) == before


def test_the_right_disk_back_goes_on(tmp_path: Path) -> None:
    """The negative control: what the memory names is there."""
    made, clock = device(tmp_path), RoomClock()
    for _ in range(3):
        record(made, clock)
    assert made.findings() == []


@pytest.mark.parametrize("kept_head", [True, False])
def test_recordings_without_their_journal_are_refused(tmp_path: Path, *, kept_head: bool) -> None:
    made, clock = device(tmp_path), RoomClock()
    record(made, clock)
    for path in (made.spool / "journal").iterdir():
        path.unlink()
    if not kept_head:
        HeadMemory(made.config.key.file, b"").path.unlink()
    with pytest.raises(Refused) as refused:
        record(made, clock)
    assert refused.value.exit_code == EXIT_STORAGE


def test_a_damaged_memory_is_not_taken_for_none(tmp_path: Path) -> None:
    made, clock = device(tmp_path), RoomClock()
    record(made, clock)
    memory = HeadMemory(made.config.key.file, bytes(16))
    memory.path.write_bytes(b"nonsense")
    with pytest.raises(ForgottenHead):
        memory.recall()
    with pytest.raises(Refused) as refused:
        record(made, clock)
    assert refused.value.exit_code == EXIT_KEY


def test_a_memory_remembers_and_replaces(tmp_path: Path) -> None:
    memory = HeadMemory(tmp_path / "device.key", bytes(16))
    assert memory.recall() is None
    for seq in (4, 5):
        memory.remember((seq, bytes([seq]) * 32))
    assert memory.recall() == (5, bytes([5]) * 32)
    with pytest.raises(ForgottenHead, match="of log"):
        HeadMemory(tmp_path / "device.key", bytes(15) + b"x").recall()


class Cut(BaseException):
    """Power is gone."""


@pytest.mark.parametrize("where", ["before", "half-way", "after"])
@pytest.mark.parametrize("which", [1, 2, 3, 5])
def test_a_cut_while_the_head_is_replaced_locks_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: int, where: str
) -> None:
    made, clock = device(tmp_path), RoomClock()
    record(made, clock)
    replace_file, calls = durable.replace_file, itertools.count(1)

    def cut(path: Path, content: bytes) -> None:
        if next(calls) != which:
            replace_file(path, content)
            return
        if where == "half-way":
            path.with_name(f".{path.name}.new").write_bytes(content[:10])
        if where == "after":
            replace_file(path, content)
        raise Cut

    with monkeypatch.context() as power:
        power.setattr(durable, "replace_file", cut)
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
