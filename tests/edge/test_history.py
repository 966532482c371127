"""`liuhen doctor --history`: what an inspection asks for, from the journal alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.__main__ import main
from edge.history import history
from edge.journal import entries_of
from edge.requests import Verb
from tests.edge.ports_room import UTC_MS, Room, device


def test_maintenance_gaps_and_duties_are_exported_and_older_ones_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, room = device(tmp_path), Room()
    room.record(
        made.config,
        lambda r: r.play(2),
        lambda r: _done(r.ask(Verb.MAINTENANCE, actor="张三", text="擦拭镜头").ok),
        lambda r: _done(r.ask(Verb.WITHHOLD, actor="张三").ok),
        lambda r: r.play(5),
        lambda r: _done(r.ask(Verb.RESUME, actor="李四").ok),
        lambda r: r.play(2),
    )
    entries = [one for path in made.journal_files() for one in entries_of(path)]
    kinds = [line.kind for line in history(entries, since_ms=UTC_MS)]
    assert {"maintenance", "gap"} <= set(kinds)
    assert list(history(entries, since_ms=UTC_MS + 86_400_000)) == []
    assert main(["doctor", "--history", "3660d", "--spool", str(made.spool), "--json"]) == 0
    assert [line["kind"] for line in json.loads(capsys.readouterr().out)] == kinds
    assert main(["doctor", "--history", "3660d", "--spool", str(made.spool)]) == 0
    assert "中止 gap：不得记录" in capsys.readouterr().out


def _done(ok: bool) -> None:
    assert ok


def test_days_are_written_as_a_number_and_a_d() -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["doctor", "--history", "soon"])
    assert exit_.value.code == 2
