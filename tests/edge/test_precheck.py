"""The check before a recording: each item that fails alone names itself, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.__main__ import main
from edge.config import Config
from edge.precheck import Facts, blocked, judge
from liuhen.registry import CheckItem, CheckOutcome

WELL = Facts(
    clock_plausible=True,
    clock_error_ms=5,
    picture=True,
    sound=True,
    space_minutes=600,
    minimum_minutes=60,
    key=True,
    power="MAINS",
    power_minutes=30,
    interlock=True,
    permit=True,
    mirror_fitted=True,
    mirror_minutes=600,
    milli_celsius=50_000,
)
TROUBLES: list[tuple[dict[str, Any], CheckItem, CheckOutcome]] = [
    ({"clock_plausible": False}, CheckItem.CLOCK, CheckOutcome.WARNING),
    ({"picture": False}, CheckItem.PICTURE, CheckOutcome.BLOCKING),
    ({"sound": False}, CheckItem.SOUND, CheckOutcome.BLOCKING),
    ({"space_minutes": 59}, CheckItem.SPACE, CheckOutcome.BLOCKING),
    ({"power": "ON_BATTERY"}, CheckItem.POWER, CheckOutcome.WARNING),
    ({"power": "LOW"}, CheckItem.POWER, CheckOutcome.BLOCKING),
    ({"key": False}, CheckItem.KEY, CheckOutcome.BLOCKING),
    ({"permit": False}, CheckItem.INTERLOCK, CheckOutcome.BLOCKING),
    ({"permit": None}, CheckItem.INTERLOCK, CheckOutcome.BLOCKING),
    ({"mirror_minutes": None}, CheckItem.MIRROR, CheckOutcome.WARNING),
    ({"milli_celsius": 85_000}, CheckItem.TEMPERATURE, CheckOutcome.WARNING),
]


@pytest.mark.parametrize(("change", "item", "outcome"), TROUBLES)
def test_an_item_that_fails_alone_names_itself_and_its_fix(
    change: dict[str, Any], item: CheckItem, outcome: CheckOutcome
) -> None:
    rows = judge(replace(WELL, **change))
    assert [(row.item, row.outcome) for row in rows if row.fix_zh] == [(item, outcome)]
    assert blocked(rows) is (outcome is CheckOutcome.BLOCKING)


def test_a_device_in_order_has_every_item_well_but_the_store_that_is_not_there_yet() -> None:
    rows = judge(WELL)
    assert [row.item for row in rows] == list(CheckItem)
    assert {row.item for row in rows if row.outcome is not CheckOutcome.WELL} == {CheckItem.STORE}
    assert not blocked(rows)


def test_what_is_not_fitted_never_blocks() -> None:
    bare = replace(WELL, picture=None, power=None, interlock=False, mirror_fitted=False, milli_celsius=None)
    assert sum(row.outcome is CheckOutcome.NOT_FITTED for row in judge(bare)) == 6
    assert not blocked(judge(bare))


def doctor(folder: Path, capsys: pytest.CaptureFixture[str], content: str) -> tuple[int, dict[str, str]]:
    """The command's exit code and the outcome of each item."""
    (folder / "device.toml").write_text(content)
    words = ["doctor", "--json", "--config", str(folder / "device.toml"), "--socket", str(folder / "control")]
    code = main(words)
    return code, {row["item"]: row["outcome"] for row in json.loads(capsys.readouterr().out)}


def test_the_command_finds_a_key_that_others_can_read_and_a_missing_spool(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "device.key"
    key.write_text("secret")
    key.chmod(0o600)
    (tmp_path / "spool").mkdir()
    content = '[spool]\ndirectory = "spool"\nminimum_free_hours = 0.1\n[key]\nfile = "device.key"\n'
    code, found = doctor(tmp_path, capsys, content)
    assert (code, found["key"], found["space"]) == (0, "well", "well")
    key.chmod(0o644)
    code, found = doctor(tmp_path, capsys, content)
    assert (code, found["key"]) == (1, "blocking")
    key.chmod(0o600)
    (tmp_path / "spool").rmdir()
    code, found = doctor(tmp_path, capsys, content)
    assert (code, found["space"]) == (1, "blocking")


def test_an_interlock_of_which_nothing_is_heard_blocks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "spool").mkdir()
    code, found = doctor(tmp_path, capsys, '[spool]\ndirectory = "spool"\n[interlock]\nenabled = true\n')
    assert (code, found["interlock"]) == (1, "blocking")
    assert Config().interlock.enabled is False
