"""What a person says beside a command: by hand, from a stream or a file, never in argv, where every user reads it."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.__main__ import main
from edge.commands.cases import FIELDS as OF_A_STAGE
from edge.commands.ctl import FIELDS
from edge.commands.said import CONTENT_LIMIT_BYTES, LABELS, parse_fields
from edge.commands.session import FIELDS as OF_A_CASE
from edge.commands.visits import FIELDS as OF_A_VISIT
from edge.requests import NEEDED, Answer, BadRequest, Request, Verb, parse

pytestmark = pytest.mark.long

NAME = "欧阳震华"
ANSWER = Answer(ok=True, words_zh="已办理", words_en="done")
LIMIT_SECONDS = 30
ALLOWED = frozenset(LABELS)
POSITIONAL = {Verb.STATEMENT: ["12"], Verb.STORE_CHECK: ["result.json"]}
OF_VISITS = {Verb.VISIT_BEGIN: ["visit", "begin", "A023"], Verb.VISIT_END: ["visit", "end"]}
"""Verbs that have a command of their own."""
OF_CASES = {
    Verb.NEW_SESSION: ["session", "new"],
    Verb.HEADER: ["session", "header"],
    Verb.ATTACH: ["session", "attach"],
    Verb.HOLD: ["session", "hold", "1"],
}
COMMANDS = {verb: ["ctl", verb.value, *POSITIONAL.get(verb, [])] for verb in FIELDS} | OF_VISITS | OF_CASES


class Listening:
    """A recorder's socket that answers one question and keeps it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "control"
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._link.bind(str(self.path))
        self._link.listen()
        self._link.settimeout(LIMIT_SECONDS)

    def heard(self) -> Request:
        return self.heard_from()[0]

    def heard_from(self) -> tuple[Request, bytes]:
        """The request, and the asker's command line as /proc shows it while he waits for the answer."""
        peer, _ = self._link.accept()
        with peer:
            request = parse(peer.recv(8192))
            asker = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            shown = Path(f"/proc/{asker}/cmdline").read_bytes()
            peer.send(ANSWER.packet())
        return request, shown

    def was_asked(self) -> bool:
        return bool(select.select([self._link], [], [], 0)[0])

    def close(self) -> None:
        self._link.close()


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Listening]:
    listening = Listening(tmp_path)
    yield listening
    listening.close()


def command(recorder: Listening, *words: str) -> list[str]:
    return [sys.executable, "-m", "edge", "ctl", *words, "--socket", str(recorder.path)]


@pytest.mark.parametrize("verb", list(COMMANDS))
@pytest.mark.parametrize(
    "words",
    [
        (NAME,),
        ("--actor", NAME),
        (f"--actor={NAME}",),
        ("--act", NAME),
        ("--reason", NAME),
        ("--text", NAME),
        ("--ground", NAME),
        ("--citation", NAME),
        ("--reported-to", NAME),
        ("--reported-at", NAME),
    ],
)
def test_a_name_or_text_in_argv_is_refused_not_repeated_and_reaches_nobody(
    recorder: Listening, verb: Verb, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*COMMANDS[verb], *words, "--socket", str(recorder.path)])
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert told.err.startswith("姓名和文字不能写在命令行上")
    assert "--from" in told.err
    assert len(told.err.splitlines()) == 1
    assert NAME not in told.out + told.err
    assert not recorder.was_asked()


def test_nothing_of_what_is_typed_or_piped_stands_in_argv(recorder: Listening) -> None:
    """The process itself, as /proc shows it while the recorder has not answered yet."""
    words = command(recorder, "withhold", "--from", "-")
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as asked:
        assert asked.stdin is not None
        asked.stdin.write(f"actor={NAME}\ntext=涉及 a=b 的秘密\n".encode())
        asked.stdin.close()
        request, shown = recorder.heard_from()
        assert asked.wait(LIMIT_SECONDS) == 0
    assert b"withhold" in shown
    assert NAME.encode() not in shown
    assert (request.verb, request.actor, request.text) == (Verb.WITHHOLD, NAME, "涉及 a=b 的秘密")


def at_a_terminal(words: list[str], recorder: Listening, lines: list[str]) -> tuple[str, Request]:
    """A clerk answers one question after another, each when it stands on the terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs) as asked:
        os.close(theirs)
        shown = b""
        try:
            for answered, line in enumerate(lines):
                while shown.decode(errors="ignore").count("：") <= answered:
                    assert select.select([ours], [], [], LIMIT_SECONDS)[0], shown.decode(errors="replace")
                    shown += os.read(ours, 4096)
                os.write(ours, f"{line}\n".encode())
            request = recorder.heard()
            assert asked.wait(LIMIT_SECONDS) == 0
        finally:
            asked.kill()
            os.close(ours)
    return shown.decode(), request


def test_at_a_terminal_each_field_is_asked_for_in_chinese_first(recorder: Listening) -> None:
    words = command(recorder, "cannot-resume")
    shown, request = at_a_terminal(words, recorder, ["张三", "", "王主任", "10:05"])
    assert (request.actor, request.text, request.reported_to, request.reported_at) == ("张三", "", "王主任", "10:05")
    places = [shown.index(word) for word in ("操作人姓名", "原因", "可不填", "部门负责人姓名", "报告时间")]
    assert places == sorted(places)


def test_a_withholding_at_a_terminal_asks_for_the_name_alone(recorder: Listening) -> None:
    shown, request = at_a_terminal(command(recorder, "withhold"), recorder, ["张三"])
    assert (request.verb, request.actor, request.text) == (Verb.WITHHOLD, "张三", "")
    assert "事由" not in shown


def test_a_mark_at_a_terminal_asks_for_nothing_and_with_ask_for_all(recorder: Listening) -> None:
    assert at_a_terminal(command(recorder, "mark"), recorder, [])[1] == Request(verb=Verb.MARK)
    shown, request = at_a_terminal(command(recorder, "mark", "--ask"), recorder, ["证物", ""])
    assert (request.text, request.actor) == ("证物", "")
    assert "标记说明" in shown


def test_a_terminal_that_hangs_up_asks_the_recorder_nothing(recorder: Listening) -> None:
    ours, theirs = pty.openpty()
    words = command(recorder, "withhold")
    with subprocess.Popen(words, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs) as asked:
        os.close(theirs)
        assert select.select([ours], [], [], LIMIT_SECONDS)[0]
        os.write(ours, b"\x04")
        assert asked.wait(LIMIT_SECONDS) == 2
    os.close(ours)
    assert not recorder.was_asked()


@pytest.mark.parametrize("verb", [verb for verb, needed in NEEDED.items() if "actor" in needed and verb in FIELDS])
def test_without_a_terminal_what_is_missing_is_named_with_the_way_to_say_it(
    recorder: Listening, verb: Verb, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main([*COMMANDS[verb], "--socket", str(recorder.path)]) == 2
    told = capsys.readouterr().err
    assert "缺少 actor" in told
    assert "--from" in told
    assert not recorder.was_asked()


def test_every_field_a_verb_needs_is_one_it_asks_for() -> None:
    every = OF_A_CASE | FIELDS | dict.fromkeys(OF_VISITS, OF_A_VISIT) | {Verb.CASE: OF_A_STAGE}
    for verb, needed in NEEDED.items():
        asked = {field.name for field in every[verb] if field.needed}
        assert set(needed) - {"gap", "text", "session", "number", "stage", "day"} <= asked, verb
    assert every.keys() == set(Verb) - {Verb.SCHEDULE}  # a calendar is all that it takes


# --- what is read ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        '{"actor": "张三", "text": "甲"}',
        "actor=张三\ntext=甲\n",
        "\ufeffactor = 张三\r\n\r\n text=甲",
        ' \n{"text": "甲",\n"actor": "张三"}\n',
    ],
)
def test_json_and_lines_say_the_same(content: str) -> None:
    assert parse_fields(content.encode(), ALLOWED) == {"actor": "张三", "text": "甲"}


@pytest.mark.parametrize(
    "content",
    [
        b"actor",
        b"actor=a\nactor=b",
        b"password=\xe5\xbc\xa0",
        b'{"actor": 1}',
        b'{"actor": "a", "actor": "b"}',
        b'{"actor": "a"',
        b"{" * 9000,
        b'{"actor": {"a": "b"}}',
        b"actor=\xff",
        b"text=" + b"a" * CONTENT_LIMIT_BYTES,
    ],
)
def test_what_is_no_fields_is_refused_and_no_value_is_repeated(content: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_fields(content, ALLOWED)
    assert "张" not in refused.value.words_zh + refused.value.words_en


def test_a_file_that_is_not_there_is_told(
    recorder: Listening, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["ctl", "withhold", "--from", str(tmp_path / "none"), "--socket", str(recorder.path)]
    assert main(words) == 2
    assert "读不出" in capsys.readouterr().err
    assert not recorder.was_asked()


def test_a_field_a_verb_does_not_use_is_refused_by_name_of_those_it_does(
    recorder: Listening, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "said").write_text(json.dumps({"actor": "a", "reported_to": "b"}))
    assert main(["ctl", "withhold", "--from", str(tmp_path / "said"), "--socket", str(recorder.path)]) == 2
    assert "actor, text" in capsys.readouterr().err
