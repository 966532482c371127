"""`liuhen session report` from the command line: any copy of an archive and a rule book, no key, no recorder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edge.__main__ import main
from liuhen import endorsement
from tests.edge.coverage.a_hearing import BY_THE_BOOK, Script, hold
from tests.signing.archives import flip, segments
from tests.signing.checking import TRUST


@pytest.fixture(scope="module")
def hearing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hearing")
    (folder / "elsewhere.trust").write_bytes(endorsement.trust_bytes(TRUST))
    hold(folder / "archive", BY_THE_BOOK)
    return folder / "archive"


def report(root: Path, *words: str) -> int:
    return main(["session", "report", "--spool", str(root), *words])


def told(root: Path, capsysbinary: pytest.CaptureFixture[bytes], *words: str, code: int = 0) -> str:
    assert report(root, *words) == code
    return capsysbinary.readouterr().out.decode()


def test_the_newest_session_by_the_rules_it_followed(hearing: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    text = told(hearing, capsysbinary)
    assert "事项 8 项：已覆盖 8" in text
    assert "没有给出信任文件" in text
    trusted = told(hearing, capsysbinary, "1", "--trust", str(hearing.with_name("elsewhere.trust")))
    assert "担保" in trusted
    assert "没有给出信任文件" not in trusted


def test_the_same_report_from_an_export_and_byte_for_byte_again(
    hearing: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    text = told(hearing, capsysbinary)
    assert main(["export", str(hearing), str(tmp_path / "copy")]) == 0
    capsysbinary.readouterr()
    assert told(tmp_path / "copy", capsysbinary) == text
    assert told(tmp_path / "copy", capsysbinary) == text


def test_a_copy_whose_records_are_withheld_names_nobody_and_claims_the_same(
    hearing: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(hearing, copy)
    for record in (copy / "records").iterdir():
        record.unlink()
    text = told(copy, capsysbinary)
    assert "事项 8 项：已覆盖 8" in text
    assert "当事人 parties：内容未提交" in text
    assert "张三" not in text
    assert "首部的记录人内容未提交" in text


@pytest.mark.parametrize("form", ["json", "html"])
def test_json_and_html_go_into_a_new_private_file(hearing: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / f"report.{form}"
    assert report(hearing, "--format", form, "--out", str(out)) == 0
    assert out.stat().st_mode & 0o777 == 0o600
    content = out.read_text()
    if form == "json":
        assert json.loads(content)["items"][0]["status"] == "covered"
    else:
        assert content.startswith("<!doctype html>")
    assert report(hearing, "--out", str(out)) == 2, "nothing is ever replaced"
    assert out.read_text() == content


def test_another_rule_book_by_name_or_file(
    hearing: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert (
        json.loads(told(hearing, capsysbinary, "--profile", "xinhua", "--format", "json"))["rules"]["name"] == "xinhua"
    )
    (tmp_path / "broken.toml").write_text("name = 1")
    assert report(hearing, "--profile", str(tmp_path / "broken.toml")) == 2
    assert report(hearing, "--profile", "nowhere") == 2
    capsysbinary.readouterr()


def test_an_archive_that_is_not_intact_is_told_on_top_and_by_the_exit_code(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    device = hold(tmp_path / "a", Script(reason="不应出现"))
    (session,) = (device.root / "sessions").iterdir()
    flip(segments(device.root, bytes.fromhex(session.name))[2], 400)
    text = told(tmp_path / "a", capsysbinary, code=1)
    assert text.splitlines()[1].startswith("▲ 档案不完好：本报告对任何事项均不作结论")
    assert "[不作结论 no claim] 24" in text
    assert "已覆盖" not in text
    assert "不应出现" not in text


def test_what_cannot_be_used_is_one_clear_line(
    hearing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = tmp_path / "a"
    shutil.copytree(hearing, inside)
    (inside / "trust.cbor").write_bytes(endorsement.trust_bytes(TRUST))
    (tmp_path / "no.trust").write_bytes(b"no trust")
    for words, said in (
        ((str(tmp_path / "nowhere"),), "不是带日志的档案"),
        ((str(hearing), "7"), "没有这个场次"),
        ((str(hearing), "ffffffff"), "没有这个场次"),
        ((str(hearing), "1", "--trust", str(tmp_path / "no.trust")), "信任文件"),
        ((str(inside), "1", "--trust", str(inside / "trust.cbor")), "在档案之内"),
        ((str(hearing), "1", "--trust", str(tmp_path / "missing")), "没有此文件或目录"),
    ):
        assert report(Path(words[0]), *words[1:]) == 2
        told = capsys.readouterr()
        assert said in told.err
        assert "Traceback" not in told.err
        assert told.out == ""
