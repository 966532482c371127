"""`liuhen-verify URL`: what is asked for, what is refused in one line, and that no secret is ever said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from liuhen import cli, keys
from liuhen.findings import MEANINGS
from tests.signing.archives import closed_archive, signer, trust_of
from tests.signing.stored import WITNESS, Shelf, shelve


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return shelve(closed_archive(tmp_path / "archive").root, tmp_path / "store")


@pytest.fixture
def trust_file(tmp_path: Path) -> Path:
    path = tmp_path / "court.trust"
    path.write_bytes(keys.trust_bytes(trust_of((signer("root 0"),))))
    return path


def run(capsysbinary: pytest.CaptureFixture[bytes], *arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    code = cli.main([str(argument) for argument in arguments])
    out, err = capsysbinary.readouterr()
    return code, out.decode(), err.decode()


def test_the_only_log_is_taken_and_vouched(
    shelf: Shelf, trust_file: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    code, out, err = run(capsysbinary, f"file:{shelf.root}", "--trust", trust_file)
    assert (code, err) == (0, "")
    assert "校验通过" in out
    assert f"完整截至：第 {len(shelf.entries) - 1} 号条目" in out


def test_a_missing_segment_is_exit_1(
    shelf: Shelf, trust_file: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    shelf.media()[0].unlink()
    code, out, _ = run(capsysbinary, f"file:{shelf.root}", "--trust", trust_file, "--language", "en")
    assert code == 1
    assert "NOT VERIFIED" in out


def test_several_logs_are_named_and_one_is_chosen(
    shelf: Shelf, trust_file: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    other = shelve(closed_archive(tmp_path / "second", seed=2).root, shelf.root)
    code, out, err = run(capsysbinary, f"file:{shelf.root}")
    assert (code, out) == (2, "")
    assert shelf.log_id.hex() in err
    assert other.log_id.hex() in err
    assert err.count("\n") == 1
    code, out, _ = run(capsysbinary, f"file:{shelf.root}", "--trust", trust_file, "--log", other.log_id.hex(), "--json")
    assert json.loads(out)["log_id"] == other.log_id.hex()
    assert code == 0


def test_one_session_of_a_store(shelf: Shelf, trust_file: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    session = shelf.media()[0].parent.name
    code, out, _ = run(
        capsysbinary, f"file:{shelf.root}", "--trust", trust_file, "--session", session, "--json", "--sha256"
    )
    assert code == 0
    assert [one["id"] for one in json.loads(out)["sessions"]] == [session]


def test_a_witness_and_a_work_directory(
    shelf: Shelf, trust_file: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    shelf.witness(len(shelf.entries))
    pins = tmp_path / "witnesses"
    pins.write_text(f"{WITNESS.public_key.hex()}\n")
    work = tmp_path / "work"
    for _ in range(2):
        code, out, _ = run(capsysbinary, f"file:{shelf.root}", "--trust", trust_file, "--witness", pins, "--work", work)
        assert code == 0
        assert f"见证至第 {len(shelf.entries) - 1} 号条目" in out
    assert len(list((work / shelf.log_id.hex() / "sessions").glob("*/*.mp4"))) == len(shelf.media())


def test_a_trust_file_inside_the_store_proves_nothing(
    shelf: Shelf, trust_file: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    inside = shelf.root / "court.trust"
    inside.write_bytes(trust_file.read_bytes())
    code, _, err = run(capsysbinary, f"file:{shelf.root}", "--trust", inside)
    assert code == 2
    assert "信任文件" in err


@pytest.mark.parametrize(
    ("url", "more", "words"),
    [
        ("s3://name:hunter2@store.example/evidence", (), "存储地址不可用"),
        ("s3://store.example", (), "存储地址不可用"),
        ("https://store.example/evidence", (), "存储地址不可用"),
        ("file:relative", (), "存储地址不可用"),
        ("file:/no/such/place", (), "无法读取"),
        ("s3://store.example/evidence", (), "必须使用 TLS"),
        ("s3://127.0.0.1:1/evidence", (), "需要凭据"),
        ("file:STORE", ("--log", "xyz"), "不是 32 位"),
        ("file:STORE", ("--log", "ab" * 16), "没有日志"),
        ("file:STORE", ("--ca", "x"), "不用 --credentials 和 --ca"),
        ("file:STORE", ("--witness", "/no/such/file"), "无法读取见证公钥文件"),
        ("file:STORE", ("--work", "/proc/nowhere"), "无法写入工作目录"),
    ],
)
def test_what_cannot_be_used_is_one_line_without_a_secret(
    shelf: Shelf, capsysbinary: pytest.CaptureFixture[bytes], url: str, more: tuple[str, ...], words: str
) -> None:
    code, out, err = run(capsysbinary, url.replace("STORE", str(shelf.root)), *more)
    assert (code, out) == (2, "")
    assert words in err
    assert "hunter2" not in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_an_empty_store_holds_no_log(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    code, _, err = run(capsysbinary, f"file:{tmp_path}")
    assert code == 2
    assert "没有任何日志" in err


def test_the_options_of_a_store_go_with_no_path(
    shelf: Shelf, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    code, _, err = run(capsysbinary, tmp_path / "archive", "--log", shelf.log_id.hex())
    assert code == 2
    assert "--log 只用于存储地址" in err


def test_a_file_that_pins_nobody_is_refused(
    shelf: Shelf, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    pins = tmp_path / "witnesses"
    pins.write_text("nobody\n")
    code, _, err = run(capsysbinary, f"file:{shelf.root}", "--witness", pins)
    assert code == 2
    assert "见证公钥文件" in err


def test_the_steps_of_a_store_are_named() -> None:
    steps = {meaning.step for meaning in MEANINGS.values() if meaning.step.startswith("B")}
    assert steps == {"B1", "B2", "B3", "B4", "B5"}
