"""The recorder's own machine is not the designated store: under a production key loopback meets no deadline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.__main__ import main
from edge.config import Config
from edge.designation import is_own_server
from edge.requests import Verb
from edge.settings_store import Access, Store
from liuhen.kinds import Receipt
from liuhen.registry import EventCode
from tests.edge import ports_room
from tests.edge import test_desk_deadlines as deadlines
from tests.edge.examined import examine
from tests.edge.ports_room import Device, Room
from tests.edge.test_absent import in_production

pytestmark = pytest.mark.long

HERE = "s3://127.0.0.1:7443/room"
THERE = deadlines.URL


@pytest.mark.parametrize("place", ["127.0.0.1:7443", "127.9.9.9", "localhost", "LOCALHOST:7443", "[::1]:7443"])
def test_loopback_under_a_production_key_is_the_recorder_itself(place: str) -> None:
    access = Access(url=f"s3://{place.lower()}/room", designated=True)
    assert is_own_server(access, production=True)
    assert not is_own_server(access, production=False)


@pytest.mark.parametrize("url", ["", "s3://store.example/room", "s3://10.0.0.1:7443/room", "file:/media/shelf"])
def test_any_other_store_is_not(url: str) -> None:
    assert not is_own_server(Access(url=url, designated=True), production=True)


def genuine() -> Room:
    """A room whose sources a production key signs."""
    room = Room()
    for source in (room.camera, room.microphone):
        assert source is not None
        source.genuine = True
    return room


def receipted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, url: str, key_for: Callable[[Device, Path], Config]
) -> tuple[Device, Room, list[Any]]:
    """Everything of a session stands in the store at this URL, and its receipts are told."""
    monkeypatch.setattr(deadlines, "URL", url)
    monkeypatch.setattr(deadlines, "ALIVE", replace(deadlines.ALIVE, store=url))
    monkeypatch.setattr(deadlines, "Room", genuine)
    made = ports_room.device(folder)
    store = Store(url=url, designated=True, designated_by="市执法局")
    made = replace(made, config=replace(key_for(made, folder), store=store))
    genuine().record(made.config, lambda room: room.play(12))
    examine(made.spool, url)
    seen: list[Any] = []

    def look(room: Room) -> None:
        facts = room.ask(Verb.STATUS).facts or {}
        seen.append((facts["offload"]["stores"][0]["designated"], "回环地址" in " ".join(facts["warnings"])))

    later = deadlines.later(made, 1, deadlines.receipts_of_everything(made), look)
    return made, later, seen


def as_it_is(made: Device, _folder: Path) -> Config:
    return made.config


@pytest.mark.parametrize(
    ("url", "key_for", "counts"),
    [(HERE, in_production, False), (HERE, as_it_is, True), (THERE, in_production, True)],
    ids=["loopback, production", "loopback, a demo", "elsewhere, production"],
)
def test_what_it_receipts_meets_no_deadline_and_it_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    key_for: Callable[[Device, Path], Config],
    counts: bool,
) -> None:
    made, room, seen = receipted(tmp_path, monkeypatch, url, key_for)
    assert seen == [(counts, not counts)]
    receipts = [one.body for one in deadlines.entries(made) if isinstance(one.body, Receipt)]
    assert {bool(one.designated) for one in receipts} == {counts}
    assert (EventCode.DEADLINE_MET in [code for code, _ in deadlines.told(made)]) is counts
    said = [line for line in room.onlooker.words if "loopback address" in line]
    assert [url in line for line in said] == ([] if counts else [True])
    assert made.verify().intact


@pytest.mark.parametrize(("url", "warned"), [(HERE, True), (THERE, False)])
def test_a_check_of_the_configuration_says_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str, warned: bool
) -> None:
    file = tmp_path / "liuhen.toml"
    file.write_text(f'[store]\nurl = "{url}"\ndesignated = true\ndesignated_by = "市执法局"\n', encoding="utf-8")
    assert main(["config", "check", str(file)]) == 0
    said = capsys.readouterr().out
    assert ("正式密钥下不计为指定存储库" in said) is warned
    assert ("real address" in said) is warned
