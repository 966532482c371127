"""The second verifier was written from FORMAT.md and the vectors alone: it must agree, in few plain lines."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.signing.archives import closed_archive, flip, segments

SCRIPT = Path(__file__).with_name("second_verifier.py")
VECTORS = Path(__file__).parents[1] / "signing" / "vectors"
EXPECTED: dict[str, dict[str, Any]] = {
    name: json.loads((VECTORS / name / "expected.json").read_text(encoding="utf-8"))
    for name in ("archive", "archive-room")
}
CASES = [(name, case) for name, expected in EXPECTED.items() for case in expected["tampered"]]
LINES_LIMIT = 175


def second_opinion(archive: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(archive)], capture_output=True, text=True, check=False, timeout=60
    )


def test_it_is_short_and_knows_nothing_of_ours() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES_LIMIT
    assert not re.search(r"^\s*(from|import)\s+(liuhen|edge|drivers|sim|tests)\b", text, re.MULTILINE)


@pytest.mark.parametrize("name", list(EXPECTED))
def test_it_accepts_the_archives_of_the_vectors(name: str) -> None:
    done = second_opinion(VECTORS / name / "spool")
    assert done.returncode == 0, done.stderr
    assert f'"entries": {EXPECTED[name]["answer"]["entries"]}' in done.stdout


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}: {case['name']}" for name, case in CASES])
def test_it_refuses_what_breaks_a_rule_and_nothing_else(name: str, case: dict[str, Any], tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    shutil.copytree(VECTORS / name / "spool", spool)
    for edit in case["edits"]:
        path = spool / edit["file"]
        if edit.get("remove"):
            path.unlink()
            continue
        content, offset = path.read_bytes(), edit["offset"]
        path.write_bytes(content[:offset] + bytes.fromhex(edit["insert"]) + content[offset + edit["delete"] :])
    assert second_opinion(spool).returncode == (0 if case["rule"] is None else 1)


def test_it_agrees_on_an_archive_it_has_never_seen(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    assert second_opinion(device.root).returncode == 0
    session = next((device.root / "sessions").iterdir())
    flip(segments(device.root, bytes.fromhex(session.name))[0], 2000)
    assert second_opinion(device.root).returncode == 1
