"""`liuhen spool init|ls` and `liuhen config`: what is on a disk, and whether a configuration can be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.__main__ import main
from edge.spool import open_spool
from liuhen import keys
from tests.edge.ports_room import Room, device


def test_a_prepared_disk_belongs_to_the_card(tmp_path: Path) -> None:
    main(["keys", "init", "device", "--out", str(tmp_path / "keys")])
    card_file = tmp_path / "keys/device.card"
    assert main(["spool", "init", str(tmp_path / "spool"), "--card", str(card_file)]) == 0
    spool = open_spool(tmp_path / "spool")
    assert spool.identity.log_id == keys.parse_card(card_file.read_bytes(), where="card").log_id
    spool.close()


def test_a_disk_is_prepared_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["keys", "init", "device", "--out", str(tmp_path / "keys")])
    words = ["spool", "init", str(tmp_path / "spool"), "--card", str(tmp_path / "keys/device.card")]
    assert main(words) == 0
    assert main(words) == 2
    assert "空目录" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["missing", "folder"])
def test_a_card_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (tmp_path / "folder").mkdir()
    assert main(["spool", "init", str(tmp_path / "spool"), "--card", str(tmp_path / name)]) == 2
    assert "device.card" in capsys.readouterr().err
    assert not (tmp_path / "spool").exists()


def test_everything_recorded_is_listed_with_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, room = device(tmp_path), Room()
    room.record(made.config, lambda r: r.play(12))
    room.record(made.config, lambda r: r.play(2))
    assert main(["spool", "ls", str(made.spool), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [s["ordinal"] for s in listed["sessions"]] == [1, 2]
    assert all(s["ended"] for s in listed["sessions"])
    paths = [segment["path"] for s in listed["sessions"] for segment in s["segments"]]
    assert sorted(paths) == [str(path) for path in made.segments()]
    assert [len(s["segments"]) for s in listed["sessions"]] == [2, 1]
    assert main(["spool", "ls", str(made.spool)]) == 0
    assert "已结束" in capsys.readouterr().out


def test_listing_needs_no_lock(tmp_path: Path) -> None:
    made = device(tmp_path)
    held = open_spool(made.spool)
    assert main(["spool", "ls", str(made.spool)]) == 0
    held.close()


@pytest.mark.parametrize("verb", [["spool", "ls"], ["records", "ls"], ["retention", "ls"]])
def test_a_listing_without_a_folder_reads_what_was_recorded_here_or_says_where_it_looked(
    verb: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = device(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(verb) == 2
    assert "/var/lib/liuhen/spool" in capsys.readouterr().err, "where a device keeps it"
    (tmp_path / "recordings").mkdir()
    made.spool.rename(tmp_path / "recordings" / "spool")
    assert main(verb) == 0


def test_the_terms_are_listed_of_the_spool_that_a_configuration_names(tmp_path: Path) -> None:
    made = device(tmp_path)
    file = tmp_path / "device.toml"
    file.write_text(f'[spool]\ndirectory = "{made.spool}"\n')
    assert main(["retention", "ls", "--config", str(file)]) == 0


def test_a_listing_of_nothing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spool", "ls", str(device(tmp_path).spool)]) == 0
    assert "没有场次" in capsys.readouterr().out
    assert main(["spool", "ls", str(tmp_path)]) == 2
    assert "recordings/spool" in capsys.readouterr().err
