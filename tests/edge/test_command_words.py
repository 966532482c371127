"""What a person reads where a command cannot go on: Chinese first, and no traceback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import sim.__main__ as simulated
from edge.__main__ import main
from edge.terminal import complain

USAGE = 2


@pytest.mark.parametrize("words", [["nosuch"], ["run", "--bogus"], ["run", "--seconds", "0"], ["keys", "init"]])
def test_a_wrong_command_line_is_told_in_chinese_first(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capsys.readouterr().err
    assert ended.value.code == USAGE
    assert said.index("命令行有误") < said.index("error:")


@pytest.mark.parametrize("value", ["nan", "inf", "1e300", "many"])
def test_a_crystal_that_cannot_be_is_refused(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        simulated.main(["--virtual", "--seconds", "1", "--microphone-ppm", value])
    assert ended.value.code == USAGE
    assert "10000" in capsys.readouterr().err


@pytest.mark.parametrize("descriptor", ["-1", "987654", "x"])
def test_acknowledgements_to_nowhere_are_refused(descriptor: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        simulated.main(["--virtual", "--seconds", "1", "--acks", descriptor])
    assert ended.value.code == USAGE
    assert "文件描述符" in capsys.readouterr().err


def test_the_systems_own_words_are_told_in_chinese_too(capsys: pytest.CaptureFixture[str]) -> None:
    complain(f"x: {os.strerror(2)}", "甲", "a")
    assert capsys.readouterr().err.startswith("无法继续：x: 没有此文件或目录 No such file")


def test_a_cause_begins_in_chinese(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spool", "ls", str(tmp_path)]) == USAGE
    assert "不是存储目录" in capsys.readouterr().err.splitlines()[0]


def test_a_list_says_where_the_journal_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "00000000.cbor").write_bytes(b"")
    main(["spool", "ls", str(tmp_path)])
    assert "读不出" not in capsys.readouterr().err
    (tmp_path / "journal" / "00000000.cbor").write_bytes(b"garbage")
    main(["spool", "ls", str(tmp_path)])
    assert "读不出" in capsys.readouterr().err
