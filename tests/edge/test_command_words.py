"""What a person reads where a command cannot go on: Chinese first, and no traceback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import sim.__main__ as simulated
from edge.__main__ import main
from edge.refusals import complain
from liuhen.usage_words import usage_words

USAGE = 2


@pytest.mark.parametrize(
    ("words", "zh", "en"),
    [
        ([], "缺少参数 command", "required: command"),
        (["张三"], "参数 command 只能是 'run'", "argument command: choose from 'run'"),
        (["run", "--bogus"], "不认识的参数 --bogus", "unrecognized arguments: --bogus"),
        (["run", "--bogus=张三", "李四"], "不认识的参数 --bogus …", "unrecognized arguments: --bogus …"),
        (["run", "--seconds", "0"], "参数 --seconds：'0'：请写大于 0 的秒数", "a number of seconds above 0"),
        (["run", "--seconds"], "参数 --seconds 之后缺少内容", "expected one argument"),
        (["run", "--s", "3"], "参数 --s 不明确，可能是", "ambiguous option: --s"),
        (["run", "--emergency=now"], "参数 --emergency 不带内容", "argument --emergency: takes no value"),
        (["keys", "init"], "缺少参数 ", "required: "),
        (["ctl"], "缺少参数 verb", "required: verb"),
        (["ctl", "reset"], "参数 verb 只能是 'status'", "argument verb: choose from 'status'"),
        (["ctl", "statement"], "缺少参数 GAP；", "required: GAP; "),
        (["ctl", "statement", "张三"], "参数 GAP 须是整数", "argument GAP: not a whole number"),
        (["ctl", "explain", "--cause", "张三"], "参数 --cause 只能是 ", "argument --cause: choose from "),
        (["doctor", "--history", "soon"], "参数 --history：'soon'：请写天数，例如 90d", "a number of days, as 90d"),
        (["doctor", "--bogus"], "不认识的参数 --bogus", "unrecognized arguments: --bogus"),
        (["offload", "--store", "nfs:x"], "参数 --store：", "argument --store: "),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line_in_chinese_first(
    words: list[str], zh: str, en: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == USAGE
    assert line.startswith(f"命令行有误：{zh}")
    assert line.index(zh) < line.index(" / error: ") < line.index(en)
    assert "--help 查看说明" in line
    assert "张三" not in line  # what was typed where something else was expected may be a name


@pytest.mark.parametrize(
    ("message", "zh"),
    [
        ("argument --a: not allowed with argument --b", "参数 --a 不能与 --b 同用"),
        ("one of the arguments --a --b is required", "须写明以下参数之一：--a --b"),
        ("argument --a: expected at least one argument", "参数 --a 的内容不全"),
        ("argument --a: invalid float value: 'x'", "参数 --a 须是数"),
        ("argument --a: invalid Path value: 'x: y'", "参数 --a 的内容不能用"),
        ("argument a: invalid choice: 'x (choose from y)' (choose from b, c)", "参数 a 只能是 b, c"),
        ("ambiguous option: --s=张三 could match --seconds, --spool", "参数 --s 不明确，可能是 --seconds, --spool"),
        ("--virtual 需要 --seconds / --virtual needs --seconds", "--virtual 需要 --seconds"),
        ("something new", "something new"),
    ],
)
def test_each_thing_the_parser_says_has_its_chinese_and_what_is_new_is_said_all_the_same(message: str, zh: str) -> None:
    assert usage_words(message)[0] == zh


def test_the_simulated_room_says_it_in_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        simulated.main(["--virtual"])
    assert ended.value.code == USAGE
    assert capsys.readouterr().err.startswith("命令行有误：--virtual 需要 --seconds")


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
