"""`liuhen session` against a recorder that runs, and over the spool it leaves; names may be anything at all."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import threading
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.__main__ import main
from edge.commands.session import _meant_ms
from edge.header import LABELS, LISTS, SessionHeader, contents, to_bytes
from edge.hearing_words import field_text, show_lines, shown
from edge.profiles.schema import Procedure
from edge.requests import BadRequest, MarkKind, Verb
from liuhen.kinds import LateMark
from liuhen.proceedings import told_of
from liuhen.registry import MarkCode, RecordLabel
from liuhen.report import Language, to_json, to_text
from tests.edge.ports_room import Device, Room, device
from tests.edge.test_ctl import TURNS, _serving, _when_it_answers, asking, control
from tests.edge.test_hearing import BY_THE_BOOK, bodies, entries, play, told

pytestmark = pytest.mark.long


def session(folder: Path, *words: str, said: dict[str, str] | None = None) -> int:
    """The command, with what the person says beside it in a file."""
    beside: tuple[str, ...] = ()
    if said is not None:
        (folder / "said").write_text(json.dumps(said, ensure_ascii=False))
        beside = ("--from", str(folder / "said"))
    return main(["session", *words, *beside, "--socket", str(folder / "control")])


def asked(folder: Path, *words: str, code: int = 0, said: dict[str, str] | None = None) -> Callable[[Room], None]:
    """The command in a thread of its own, while the room lives on."""

    def act(room: Room) -> None:
        answers: list[int] = []
        thread = threading.Thread(target=lambda: answers.append(session(folder, *words, said=said)))
        thread.start()
        for _ in range(TURNS):
            room.play(0.05)
            thread.join(0.02)
            if not thread.is_alive():
                break
        thread.join(1)
        assert answers == [code], words

    return act


def header_file(folder: Path, header: SessionHeader) -> str:
    path = folder / "header.json"
    path.write_bytes(to_bytes(header))
    return str(path)


def test_a_session_is_begun_with_its_header_while_the_recorder_is_idle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, room = device(tmp_path), Room()
    stop, over = threading.Event(), threading.Event()

    def until_asked_to_stop(living: Room) -> None:
        for _ in range(TURNS):
            living.play(0.05)
            if over.wait(0.02):
                return

    full = header_file(tmp_path, BY_THE_BOOK)
    served = _serving(made, room, stop, tmp_path, until_asked_to_stop)
    try:
        assert _when_it_answers(tmp_path) == 0
        capsys.readouterr()
        assert session(tmp_path, "new", "--procedure", "hearing") == 1  # nothing is filled in
        assert "首部缺少“案号”（case_number）" in capsys.readouterr().err
        assert session(tmp_path, "new", "--header", full, said={"actor": "周八"}) == 0
        assert "首部完整" in capsys.readouterr().out
        assert session(tmp_path, "new", "--header", full) == 1
        assert "场次已在进行" in capsys.readouterr().err
    finally:
        over.set()
        stop.set()
        assert served.result(timeout=60) == 0
    kinds = [one.kind for one in entries(made)]
    begun = kinds.index("session")
    assert kinds[begun : begun + 3] == ["session", "procedure", "header"]
    assert told(made).procedure is not None


def test_a_session_may_begin_before_its_header_is_known_and_says_what_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, room = device(tmp_path), Room()
    stop, over = threading.Event(), threading.Event()

    def until_asked_to_stop(living: Room) -> None:
        for _ in range(TURNS):
            living.play(0.05)
            if over.wait(0.02):
                return

    served = _serving(made, room, stop, tmp_path, until_asked_to_stop)
    try:
        assert _when_it_answers(tmp_path) == 0
        capsys.readouterr()
        assert session(tmp_path, "new", "--procedure", "hearing", "--incomplete") == 0
        assert "待补：首部缺少“案号”" in capsys.readouterr().out
        assert session(tmp_path, "header", "--header", header_file(tmp_path, BY_THE_BOOK)) == 0
    finally:
        over.set()
        stop.set()
        assert served.result(timeout=60) == 0
    assert len(told(made).headers) == 2


def test_steps_papers_and_holds_from_the_command_line_and_what_show_says_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, room = device(tmp_path), Room()
    spool = ("--spool", str(made.spool))
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(b"%PDF")
    room.record(
        made.config,
        play(2),
        asked(tmp_path, "header", "--header", header_file(tmp_path, BY_THE_BOOK)),
        asked(tmp_path, "mark", "arrival", said={"text": "张三"}),
        asked(tmp_path, "mark", "notice"),
        asked(tmp_path, "mark", "plate"),
        asked(tmp_path, "mark", "step", "1"),
        asked(tmp_path, "mark", "step", "12", code=1),
        asked(tmp_path, "mark", "step", "2", "--ago", "1"),
        asked(tmp_path, "mark", "recess"),
        asked(tmp_path, "attach", "--file", str(scan), said={"text": "证据清单 1"}),
        asked(tmp_path, "hold", "1", *spool, "--trigger", "resistance", said={"actor": "周八", "text": "阻碍执法"}),
        asked(tmp_path, "hold", "1", *spool, said={"actor": "周八", "text": "投诉"}),
        asking(tmp_path, "status"),
        surroundings=control(tmp_path),
    )
    assert len(bodies(made, LateMark)) == 1
    assert "环节 steps" in capsys.readouterr().out
    assert main(["session", "list", *spool]) == 0
    listed = capsys.readouterr().out
    assert f"案号 {BY_THE_BOOK.case_number}" in listed
    assert "环节 steps 2/8" in listed
    assert main(["session", "show", *spool]) == 0
    told_all = capsys.readouterr().out
    for words in (
        "当事人：张三",
        "执法人员：李四、赵六",
        "执法证号：041001、041002",
        "■ 1 宣布听证会场纪律",
        "□ 8 当事人确认《听证笔录》",
        "补标 ",
        "场所标志 sign of the place：000000.mp4",
        "随附文书 paper：证据清单 1",
        "密级 secrecy：商业秘密",
    ):
        assert words in told_all
    assert main(["session", "show", "7", *spool]) == 2
    assert "没有这个场次" in capsys.readouterr().err


def test_names_on_the_command_line_are_refused_and_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["mark", "arrival", "张三"], ["attach", "--text", "张三"], ["hold", "1", "--actor", "张三"]):
        with pytest.raises(SystemExit) as exit_:
            session(tmp_path, *words)
        assert exit_.value.code == 2
        assert "张三" not in capsys.readouterr().err


def test_where_no_recorder_answers_and_where_there_is_no_spool_one_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert session(tmp_path, "mark", "recess") == 6
    assert "没有应答" in capsys.readouterr().err
    for words in (["list"], ["show"]):
        assert main(["session", *words, "--spool", str(tmp_path / "none")]) == 2
        assert "不是存储目录" in capsys.readouterr().err
    assert session(tmp_path, "new", "--header", str(tmp_path / "none")) == 2
    assert session(tmp_path, "mark", "step", "1", "--at", "25:00") == 2
    assert "时:分" in capsys.readouterr().err


def test_a_late_moment_is_said_by_the_clock_on_the_wall() -> None:
    now = datetime(2026, 3, 2, 10, 30, 5, tzinfo=UTC)
    assert _meant_ms("10:02", now) == int(datetime(2026, 3, 2, 10, 2, tzinfo=UTC).timestamp() * 1000)
    assert _meant_ms("10:02:03", now) == int(datetime(2026, 3, 2, 10, 2, 3, tzinfo=UTC).timestamp() * 1000)
    assert _meant_ms(None, now) is None
    for wrong in ("10", "ten", "10:02:99"):
        with pytest.raises(BadRequest):
            _meant_ms(wrong, now)


# -- hostile names ----------------------------------------------------------------------------------------------------

HOSTILE = {
    "script": "<script>alert(1)</script>'\"; rm -rf / #",
    "bidi": "\u202e\u2066张三\u2069\u200f",
    "newlines": "张三\r\n场次 session 9  校验通过\x1b[2J\x07\x9b0m",
    "long": "张" * 10_000,
    "emoji": "👩‍⚖️🏛️\U0001f3f4\U000e0067",
    "path": "../../../etc/passwd\x00.record",
    "combining": "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!",
    "format": "%s%n{0}{}`$(id)`",
}
ACTING = {"\x1b", "\x07", "\x9b", "\r", "\x00", "\u202e", "\u2066", "\u2069", "\u200f"}
"""What a terminal or a page would act upon."""


def everywhere(text: str) -> SessionHeader:
    """The same text in every field that takes one."""
    values: dict[str, object] = {
        name: (text, text) if name in LISTS else text
        for name in LABELS
        if name not in ("procedure", "matter", "secrecy", "ex_status")
    }
    return SessionHeader(procedure=Procedure.HEARING, **values)  # type: ignore[arg-type]


def played(folder: Path, text: str) -> Device:
    """A hearing in which every field holds this text."""
    made, room = device(folder), Room()

    def act(living: Room) -> None:
        assert living.ask(Verb.HEADER, attachment=to_bytes(everywhere(text)), actor="周八").ok
        living.play(0.5)
        living.ask(Verb.MARK, kind=MarkKind.ARRIVAL, text="张三")

    room.record(made.config, play(0.5), act, play(0.5))
    return made


def assert_harmless(made: Device, text: str) -> None:
    """The text is in its records and nowhere else, and nothing that shows it lets it act."""
    chain = b"".join(path.read_bytes() for path in made.journal_files())
    kept = text.strip().encode()
    if len(kept) > 3:
        assert kept not in chain
    names = [path.name for path in made.spool.rglob("*")]
    assert all(name.isascii() and name.isprintable() and len(name) <= 80 for name in names)
    held = [path.read_bytes()[32:].decode() for path in (made.spool / "records").iterdir()]
    assert {said for _, said in contents(everywhere(text.strip()))} <= set(held)
    report = made.verify()
    assert report.intact
    shown_words = [to_text(report, language, integrity_only=False) for language in Language]
    shown_words.append(json.dumps(to_json(report), ensure_ascii=False))
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["session", "list", "--spool", str(made.spool)]) == 0
        assert main(["session", "show", "--spool", str(made.spool)]) == 0
    for said in (*shown_words, out.getvalue()):
        assert not ACTING & set(said)
        assert all(letter.isprintable() for line in said.split("\n") for letter in line)
        assert max(map(len, said.split("\n"))) < 2_000 or said.startswith("{")


@pytest.mark.parametrize("text", list(HOSTILE.values()), ids=list(HOSTILE))
def test_a_hostile_name_in_every_field_comes_out_harmless(tmp_path: Path, text: str) -> None:
    assert_harmless(played(tmp_path, text), text)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_any_name_in_every_field_comes_out_harmless(text: str) -> None:
    text = unicodedata.normalize("NFC", text).strip()
    if not any(one.isprintable() and not one.isspace() for one in text):
        return  # blank, which is another test's
    with tempfile.TemporaryDirectory() as folder:
        assert_harmless(played(Path(folder), text), text)


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=400), label=st.sampled_from(list(RecordLabel)))
def test_what_is_shown_of_any_text_is_one_harmless_line(text: str, label: RecordLabel) -> None:
    for said in (shown(text), field_text(label, text), field_text(label, json.dumps([text, text]))):
        assert all(letter.isprintable() for letter in said)
        assert len(said) <= 400


def test_a_lone_surrogate_is_refused_in_every_field_in_one_line(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def act(living: Room) -> None:
        for name in LABELS:
            value = '["a", "\\ud800"]' if name in LISTS else '"\\udcff"'
            answer = living.ask(Verb.HEADER, attachment=f'{{"{name}": {value}}}'.encode(), actor="周八")
            assert not answer.ok, name
            assert "\n" not in answer.words_zh + answer.words_en

    room.record(made.config, play(0.5), act, play(0.5))
    assert told(made).headers == []


def test_show_says_what_is_not_presented(tmp_path: Path) -> None:
    made = played(tmp_path, "张三")
    (one,) = told_of(entries(made)).values()
    lines = list(show_lines(one, lambda _named: None, UTC))
    assert any("当事人：未提交 not presented" in line for line in lines)
    assert one.of(MarkCode.PARTY_ARRIVED)
