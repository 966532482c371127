"""Every time a person reads is that of the configured offset; the machine's own time zone is asked nowhere."""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.__main__ import main
from edge.commands.retention import until_words
from edge.journal import entries_of
from edge.journal_times import local_time
from edge.offload.places import places_of
from edge.offload.report import Report
from edge.offload.state import Waiting
from liuhen.kinds import Retention
from tests.edge.keeping_room import Person, with_two_sessions

TREE = Path(__file__).parents[2]
HERE = timezone(timedelta(minutes=-150))
MS = 1_000
UNZONED = {"astimezone": 0, "now": 0, "fromtimestamp": 1, "localtime": None, "strftime": None, "mktime": None}
"""How many arguments a call has that reads the machine's zone; None: any call of `time` does."""


def zone_readers(source: str) -> Iterator[str]:
    """Each call of a source that reads the time zone of the machine."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in UNZONED):
            continue
        wanted, owner = UNZONED[node.func.attr], ast.unparse(node.func.value)
        if node.func.attr == "now" and not owner.endswith("datetime"):
            continue  # a clock of ours
        unzoned = len(node.args) + len(node.keywords) == wanted
        if (owner == "time" and len(node.args) < 2) if wanted is None else unzoned:
            yield f"{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize(
    "source",
    [
        "at.astimezone()",
        "datetime.now()",
        "datetime.datetime.fromtimestamp(1)",
        "time.localtime()",
        "time.strftime('%H')",
    ],
)
def test_what_reads_the_machines_zone_is_found(source: str) -> None:
    assert list(zone_readers(source))


@pytest.mark.parametrize("source", ["at.astimezone(UTC)", "datetime.now(zone)", "time.strftime('%H', time.gmtime(1))"])
def test_what_names_its_zone_is_not(source: str) -> None:
    assert not list(zone_readers(source))


def test_no_code_of_the_product_reads_the_time_zone_of_the_machine() -> None:
    found = [
        f"{path.relative_to(TREE)}:{where}"
        for part in ("edge", "drivers", "sim", "signing/liuhen")
        for path in sorted((TREE / part).rglob("*.py"))
        for where in zone_readers(path.read_text(encoding="utf-8"))
    ]
    assert not found


@pytest.fixture
def in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that is set to a zone of its own."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


def test_a_time_that_no_calendar_has_is_told_in_milliseconds() -> None:
    assert local_time(2**62, HERE) == f"{2**62} ms UTC"
    assert until_words(2**62, HERE) == f"{2**62} ms UTC"


@pytest.mark.usefixtures("in_new_york")
def test_a_term_ends_with_the_day_where_the_device_hangs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_two_sessions(tmp_path)
    person = Person(tmp_path)
    with person.config.open("a", encoding="utf-8") as file:
        file.write("\n[device]\nutc_offset_minutes = -150\n")
    assert person.acts("retention", "extend", "--session", "1", "--until", "2031-05-01", "--basis", "case-file") == 0
    assert "kept until: 2031-05-02 00:00 -0230" in capsys.readouterr().out
    read = (entry.body for path in person.device.journal_files() for entry in entries_of(path))
    (term,) = (body for body in read if isinstance(body, Retention))
    assert term.until_ms == int(datetime(2031, 5, 2, 2, 30, tzinfo=UTC).timestamp()) * MS
    assert person.types("retention", "ls", str(person.device.spool), "--config", str(person.config)) == 0
    assert "kept until: 2031-05-02 00:00 -0230" in capsys.readouterr().out


@pytest.mark.usefixtures("in_new_york")
def test_what_waits_for_the_store_is_told_by_the_devices_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at_ms = int(datetime(2026, 9, 21, 14, 13, tzinfo=UTC).timestamp()) * MS
    waiting = Waiting(
        objects=1,
        size=1,
        proof=0,
        oldest_ms=at_ms,
        earliest_due_ms=at_ms,
        levels=(0, 0, 0, 0, 0),
        untold=0,
        differing=0,
        receipted=0,
    )
    status = places_of(tmp_path / "spool").status
    status.parent.mkdir(parents=True)
    told = Report(
        utc_ms=at_ms, url="file:/store", label_zh="目录", label_en="folder", waiting=waiting, bytes_per_second=1
    )
    status.write_bytes(json.dumps(told.plain()).encode())
    config = tmp_path / "device.toml"
    config.write_text(f'[device]\nutc_offset_minutes = -150\n[spool]\ndirectory = "{tmp_path / "spool"}"\n')
    main(["offload", "status", "--config", str(config)])
    shown = capsys.readouterr().out
    assert "oldest：2026-09-21 11:43（" in shown
    assert "next deadline：2026-09-21 11:43（" in shown
