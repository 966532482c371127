"""The command: exit codes, what it prints, and that bad input gives one line in two languages and no traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from liuhen import cli, keys
from liuhen.findings import MEANINGS, Code, Severity
from liuhen.registry import EntryClass, Purpose
from tests.required import unavailable
from tests.signing.archives import (
    SECOND_NS,
    Device,
    closed_archive,
    cut,
    flip,
    fragments_of,
    segments,
    signer,
    trust_of,
)
from tests.signing.test_verify_findings import begun, ended, explained_gap, unknown_kind

JSON_KEYS = {"format", "intact", "vouched", "complete_up_to", "sessions", "findings", "unknown_kinds"}
FINDING_KEYS = {"code", "severity", "step", "session", "segment", "fragment", "entry", "offset", "what_zh", "what_en"}


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return closed_archive(tmp_path / "archive")


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


def test_exit_0_when_intact_and_vouched(
    device: Device, trust_file: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    code, out, err = run(capsysbinary, device.root, "--trust", trust_file, "--sha256")
    assert (code, err) == (0, "")
    assert "校验通过" in out
    assert "此后情况不明" in out


def test_exit_1_without_trust_and_0_when_only_integrity_is_asked(
    device: Device, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run(capsysbinary, device.root)[0] == 1
    code, out, _ = run(capsysbinary, device.root, "--integrity-only", "--language", "en")
    assert code == 0
    assert "INTACT" in out
    assert "by nobody" in out


def test_exit_1_when_a_byte_was_changed(
    device: Device, trust_file: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = next((device.root / "sessions").rglob("*.mp4"))
    flip(file, fragments_of(file)[1][0] + 50)
    code, out, _ = run(capsysbinary, device.root, "--trust", trust_file)
    assert code == 1
    assert "校验未通过" in out
    assert "第 2 片" in out
    assert run(capsysbinary, device.root, "--integrity-only")[0] == 1


def test_a_demo_key_is_said_first(tmp_path: Path, trust_file: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    demo = begun(tmp_path / "demo", purpose=Purpose.DEMO)
    code, out, _ = run(capsysbinary, ended(demo).path, "--trust", trust_file)
    assert code == 0
    assert out.startswith("演示")
    assert run(capsysbinary, demo.root, "--integrity-only", "--language", "en")[1].startswith("DEMO")


def test_json_is_one_object_with_the_promised_keys(
    tmp_path: Path, trust_file: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    device = begun(tmp_path / "gaps")
    session = device.begin()
    device.segment()
    gap = explained_gap(device, stream=None, length_ns=3 * SECOND_NS)
    device.segment()
    ended(device)
    code, out, _ = run(capsysbinary, device.root, "--trust", trust_file, "--json")
    found = json.loads(out)
    assert code == 0
    assert found.keys() >= JSON_KEYS
    assert found["vouched"] == {"by": "测试机构 (root 0)", "trust_age_days": found["vouched"]["trust_age_days"]}
    assert found["complete_up_to"] == {"entry": device.seq - 1, "time": "2026-09-21T14:13:27.000Z", "basis": "journal"}
    (told,) = found["sessions"]
    assert (told["id"], told["segments"], told["frames"], told["samples"]) == (session.hex(), 2, 96, 192_000)
    (gap_told,) = told["gaps"]
    assert gap_told["from"] == "2026-09-21T14:13:22.000Z"
    assert gap_told["to"] == "2026-09-21T14:13:25.000Z"
    assert (gap_told["stream"], gap_told["cause"], gap_told["explained"]) == (None, "device-fault", True)
    assert gap_told["entry"] == gap
    assert found["findings"] == []


def test_json_findings_carry_place_step_and_both_languages(
    device: Device, trust_file: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = next((device.root / "sessions").rglob("*.mp4"))
    start = fragments_of(file)[1][0]
    flip(file, start + 50)
    found = json.loads(run(capsysbinary, device.root, "--trust", trust_file, "--json")[1])
    (finding,) = found["findings"]
    assert finding.keys() == FINDING_KEYS
    assert (finding["code"], finding["severity"], finding["step"]) == ("fragment-altered", "broken", "S4")
    assert (finding["session"], finding["fragment"], finding["offset"]) == (file.parent.name, 2, start)
    assert not found["intact"]


def test_a_session_of_an_archive_is_verified_against_its_journal_and_others_are_left_alone(
    device: Device, trust_file: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    first, second = (path for path in (device.root / "sessions").iterdir())
    flip(segments(device.root, bytes.fromhex(second.name))[0], 200)
    for arguments in ((first,), (device.root, "--session", first.name)):
        code, out, _ = run(capsysbinary, *arguments, "--trust", trust_file, "--json")
        assert code == 0
        assert [session["id"] for session in json.loads(out)["sessions"]] == [first.name]
    assert run(capsysbinary, second, "--trust", trust_file)[0] == 1


def test_a_session_directory_alone_is_verified_by_its_seals(
    device: Device, trust_file: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    alone = device.root.parent / "alone"
    next((device.root / "sessions").iterdir()).rename(alone)
    code, out, _ = run(capsysbinary, alone, "--trust", trust_file, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["complete_up_to"]["basis"] == "seals"
    assert (found["sessions"][0]["segments"], found["sessions"][0]["frames"]) == (3, 144)
    (alone / "000001.mp4").unlink()
    assert run(capsysbinary, alone, "--trust", trust_file)[0] == 1


def test_a_bare_segment_cut_anywhere_never_ends_in_a_traceback(
    device: Device, trust_file: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = next((device.root / "sessions").rglob("*.mp4"))
    content = file.read_bytes()
    alone = device.root.parent / "alone.mp4"
    seen = set()
    for size in range(0, len(content), 97):
        alone.write_bytes(content[:size])
        code, out, err = run(capsysbinary, alone, "--trust", trust_file)
        assert code in (0, 1) if size >= 8 else code == 2
        assert bool(out) != bool(err)
        seen.add(code)
    assert seen == {0, 1, 2}


def unusable(tmp_path: Path, name: str) -> list[str | Path]:
    """Arguments that cannot be used."""
    archive = closed_archive(tmp_path / "archive").root
    trust = tmp_path / "t"
    trust.write_bytes(keys.trust_bytes(trust_of((signer("root 0"),))))
    (archive / "inside.trust").write_bytes(trust.read_bytes())
    (tmp_path / "text").write_text("this is no segment")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    given: dict[str, list[str | Path]] = {
        "no path": [],
        "absent path": [tmp_path / "nothing"],
        "empty file": [tmp_path / "empty.mp4"],
        "text file": [tmp_path / "text"],
        "empty folder": [tmp_path / "folder"],
        "pipe": [tmp_path / "pipe"],
        "device": ["/dev/zero"],
        "unknown option": [archive, "--fast"],
        "unknown language": [archive, "--language", "fr"],
        "absent trust": [archive, "--trust", tmp_path / "nothing"],
        "wrong trust": [archive, "--trust", tmp_path / "text"],
        "trust that is a folder": [archive, "--trust", tmp_path / "folder"],
        "trust that is a pipe": [archive, "--trust", tmp_path / "pipe"],
        "trust inside": [archive, "--trust", archive / "inside.trust"],
        "session no hex": [archive, "--session", "x"],
        "session absent": [archive, "--session", "0" * 32],
        "session of a segment": [next((archive / "sessions").rglob("*.mp4")), "--session", "0" * 32],
    }
    return given[name]


@pytest.mark.parametrize(
    "name",
    [
        "no path",
        "absent path",
        "empty file",
        "text file",
        "empty folder",
        "pipe",
        "device",
        "unknown option",
        "unknown language",
        "absent trust",
        "wrong trust",
        "trust that is a folder",
        "trust that is a pipe",
        "trust inside",
        "session no hex",
        "session absent",
        "session of a segment",
    ],
)
def test_unusable_input_gives_exit_2_and_one_line_in_both_languages(
    tmp_path: Path, name: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    code, out, err = run(capsysbinary, *unusable(tmp_path, name))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("liuhen-verify: ")
    zh, _, en = err.partition(" / ")
    assert any("\u4e00" <= letter <= "\u9fff" for letter in zh)
    assert en


def test_the_command_runs_in_a_process_of_its_own(device: Device, trust_file: Path) -> None:
    command = [sys.executable, "-I", "-c", "import sys; from liuhen.cli import main; sys.exit(main())"]
    ran = subprocess.run(
        [*command, str(device.root), "--trust", str(trust_file)], capture_output=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == b""


def test_the_command_opens_no_socket(device: Device) -> None:
    if shutil.which("strace") is None:
        unavailable("strace")
    verify = f"from liuhen.cli import main; main([{str(device.root)!r}])"
    control = "import socket; socket.socket().close()"
    asked = [b"socket(" in traced(program) for program in (verify, control)]
    assert asked == [False, True]


def traced(program: str) -> bytes:
    """What strace saw a Python program ask of the network."""
    command = ["strace", "-f", "-e", "trace=socket,connect", sys.executable, "-I", "-c", program]
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stderr


def test_memory_does_not_grow_with_the_size_of_a_segment(tmp_path: Path) -> None:
    """A child verifies 1 MB, then 40 MB in one segment; its peak grows by less than 4 MB."""
    small = one_segment(tmp_path / "small", 250_000)
    large = one_segment(tmp_path / "large", 14_000_000)
    program = (
        "import resource, sys; from liuhen.cli import main; main([sys.argv[1], '--integrity-only']);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", program, str(path)], capture_output=True, check=True, timeout=60
            ).stderr
        )
        for path in (small, large)
    ]
    assert peaks[1] - peaks[0] < 4096


def one_segment(root: Path, media_bytes: int) -> Path:
    device = begun(root, media_bytes=media_bytes)
    device.session(segments=1, fragments=4)
    device.stop()
    return root


def test_both_languages_say_the_same_findings(device: Device, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    file = next((device.root / "sessions").rglob("*.mp4"))
    cut(file, file.stat().st_size - 3)
    zh = run(capsysbinary, device.root)[1]
    en = run(capsysbinary, device.root, "--language", "en")[1]
    for code in (Code.TAIL_MISSING, Code.TRUST_ABSENT):
        assert code.value in zh
        assert code.value in en
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in en)


def test_entries_of_unknown_kinds_are_counted_and_never_silent(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    device = begun(tmp_path / "archive")
    unknown_kind(device, EntryClass.INFORMATION)
    ended(device)
    code, out, _ = run(capsysbinary, device.root, "--integrity-only", "--json")
    assert code == 0
    assert json.loads(out)["unknown_kinds"] == 1


def test_every_meaning_has_words_in_both_languages_and_a_severity() -> None:
    assert MEANINGS.keys() == set(Code)
    for meaning in MEANINGS.values():
        assert meaning.zh
        assert meaning.en
        assert meaning.severity in Severity
