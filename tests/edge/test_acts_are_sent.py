"""What a person adds between two recordings is cut for the stores and sent; what nobody has cut is not called sent."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge.__main__ import main
from edge.journal_follow import JournalFollower
from edge.slices import SliceReader
from tests.edge.keeping_room import Person, with_two_sessions

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    with_two_sessions(folder)
    return folder


@pytest.fixture
def person(recorded: Path, tmp_path: Path) -> Person:
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    (tmp_path / "store").mkdir()
    return Person(tmp_path)


def stored(person: Person) -> set[str]:
    """The objects of the store, by what follows the log's id."""
    root = person.folder / "store"
    return {"/".join(path.relative_to(root).parts[2:]) for path in root.rglob("*") if path.is_file()}


def assert_records_stored(person: Person) -> None:
    """Every record that is here is there."""
    here = {path.stem for path in (person.device.spool / "records").iterdir()}
    there = [key for key in stored(person) if key.startswith("record")]
    assert len(here) >= 3
    assert len(there) == len(here)
    assert all(any(commitment in key for key in there) for commitment in here)


def sends(person: Person) -> int:
    store, nobody = str(person.folder / "store"), str(person.folder / "nobody")
    config = ("--config", str(person.config), "--store", store)
    return main(["offload", *config, "--recorder", nobody, "--once"])


def adds(person: Person) -> int:
    text = person.file("text", "申请人：王某某")
    return person.acts("records", "add", "--session", "1", "--label", "persons", "--file", text)


def newest(person: Person) -> int:
    return JournalFollower(lambda: person.device.spool).read(1 << 62, 1 << 30)[-1].entry.common.seq


def test_a_record_that_is_added_after_the_recorder_stopped_goes_to_the_store(person: Person) -> None:
    with person.config.open("a", encoding="utf-8") as config:
        config.write(f'\n[store]\nurl = "file:{person.folder / "store"}"\n')
    assert adds(person) == 0
    assert SliceReader(person.device.spool).take()[-1].last == newest(person)
    assert sends(person) == 0
    assert_records_stored(person)
    assert sum(key.startswith("media/") for key in stored(person)) == 4


def test_a_spool_that_was_ever_cut_goes_on_being_cut_whatever_the_configuration_says(person: Person) -> None:
    plain = person.config.read_text(encoding="utf-8")
    with person.config.open("a", encoding="utf-8") as config:
        config.write(f'\n[store]\nurl = "file:{person.folder / "store"}"\n')
    assert adds(person) == 0
    person.config.write_text(plain, encoding="utf-8")  # the store is named on the command line, as `run --store` does
    assert adds(person) == 0
    assert sends(person) == 0
    assert_records_stored(person)


def test_what_nobody_has_cut_is_told_and_is_no_success(person: Person, capsys: pytest.CaptureFixture[str]) -> None:
    assert adds(person) == 0
    capsys.readouterr()
    assert sends(person) == 1
    said = capsys.readouterr().err
    assert "尚未分片" in said
    assert str(newest(person) + 1) in said
    assert stored(person) == set() or all(key.startswith("beacon") for key in stored(person))


def test_a_journal_of_many_pieces_is_cut_whole_at_the_end_of_an_act(person: Person) -> None:
    from edge import journal_follow  # noqa: PLC0415 - only its piece is made smaller

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_follow.JournalFollower.read, "__defaults__", (2000,))
        with person.config.open("a", encoding="utf-8") as config:
            config.write(f'\n[store]\nurl = "file:{person.folder / "store"}"\n')
        assert adds(person) == 0
    assert SliceReader(person.device.spool).take()[-1].last == newest(person)
