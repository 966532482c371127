"""The vector archive under the verifier: the whole one, another trust file, and every way it was tampered with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from liuhen import archive, keys
from liuhen.report import Report
from liuhen.verify import Request, verify
from tests.signing import samples
from tests.signing.generate_vectors import VECTORS

FOLDER = VECTORS / "archive"
ROOM = VECTORS / "archive-room"
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_bytes())
EXPECTED_ROOM: dict[str, Any] = json.loads((ROOM / "expected.json").read_bytes())


def report_of(root: Path, trust: str | None = "trust.cbor") -> Report:
    """What liuhen finds in an archive under one of the stored trust files."""
    given = None if trust is None else keys.parse_trust((FOLDER / trust).read_bytes(), where=trust)
    target = archive.locate(root)
    assert target is not None
    return verify(Request(target=target, trust=given, now_ms=samples.UTC_MS, whole_file_hash=True))


def agrees(report: Report, answer: dict[str, Any]) -> list[str]:
    """The members of an expected answer that the report contradicts."""
    upto = report.complete_up_to
    found: dict[str, Any] = {
        "intact": report.intact,
        "vouched": report.vouched is not None,
        "purpose": "demo" if report.demo else "production",
        "sessions": len(report.sessions),
        "verdicts": {verdict.value: count for verdict, count in report.verdicts.items() if count},
        "complete_up_to": None if upto is None else [upto.entry, upto.utc_ms],
        "gaps": [
            {
                "seq": gap.entry,
                "cause": gap.cause,
                "stream": gap.stream,
                "length_ns": gap.length_ns[0] if gap.length_ns is not None else None,
                "explained": gap.explained,
            }
            for session in report.sessions
            for gap in session.gaps
        ],
    }
    found |= room_of(report)
    wrong = [name for name, value in answer.items() if name in found and found[name] != value]
    codes = {finding.code.value for finding in report.findings}
    wrong += [f"not found: {code}" for code in answer["findings"] if code not in codes]
    if "at_entry" in answer and answer["at_entry"] not in {finding.place.entry for finding in report.findings}:
        wrong.append("at_entry")
    return wrong


def room_of(report: Report) -> dict[str, Any]:
    """What the report says of inhibitions, duties, the first explanation and the sums."""
    if report.room is None:
        return {}
    found: dict[str, Any] = {
        "inhibitions": [
            [one.entry, one.code, None if one.code == 1 else not one.unapproved, one.cleared_by]
            for one in report.room.inhibitions
        ],
        "duties": [[duty.entry, duty.code, duty.discharged_by] for duty in report.room.duties],
    }
    gaps = [gap for session in report.sessions for gap in session.gaps]
    if gaps and gaps[0].spoken:
        found["explanation"] = [gaps[0].spoken[0].segment, gaps[0].spoken[0].offset_ms]
    totals = report.sessions[0].totals if report.sessions else None
    if totals is not None and totals.session is not None and totals.gaps is not None:
        found["totals"] = [totals.session[0], totals.recorded, totals.gaps[0], totals.edges]
    return found


def test_the_archive_of_a_room_is_intact_and_vouched_and_tells_what_is_owed() -> None:
    report = report_of(ROOM / "spool")
    assert agrees(report, EXPECTED_ROOM["answer"]) == []
    assert {finding.code.value for finding in report.findings} == set(EXPECTED_ROOM["answer"]["findings"])
    assert EXPECTED_ROOM["answer"].keys() >= room_of(report).keys()


@pytest.mark.parametrize("case", EXPECTED_ROOM["tampered"], ids=lambda case: case["name"])
def test_a_tampered_room_gives_the_expected_answer(case: dict[str, Any], tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    shutil.copytree(ROOM / "spool", spool)
    for edit in case["edits"]:
        apply(edit, spool)
    assert agrees(report_of(spool), case["answer"]) == []


def test_the_whole_archive_is_intact_and_vouched_and_nothing_else_is_found() -> None:
    report = report_of(FOLDER / "spool")
    assert agrees(report, EXPECTED["answer"]) == []
    assert [finding.code.value for finding in report.findings] == EXPECTED["answer"]["findings"]


@pytest.mark.parametrize("case", EXPECTED["other_trust"], ids=lambda case: case["trust"])
def test_another_trust_file_does_not_vouch(case: dict[str, Any]) -> None:
    assert agrees(report_of(FOLDER / "spool", case["trust"]), case["answer"]) == []


@pytest.mark.parametrize("case", EXPECTED["tampered"], ids=lambda case: case["name"])
def test_a_tampered_archive_gives_the_expected_answer(case: dict[str, Any], tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    shutil.copytree(FOLDER / "spool", spool)
    for edit in case["edits"]:
        apply(edit, spool)
    assert agrees(report_of(spool), case["answer"]) == []


def test_an_answer_that_is_not_the_archives_is_noticed() -> None:
    answer = {"intact": False, "verdicts": {"altered": 5}, "findings": ["seq-gap"], "at_entry": 2}
    assert agrees(report_of(FOLDER / "spool"), answer) == ["intact", "verdicts", "not found: seq-gap", "at_entry"]


def apply(edit: dict[str, Any], spool: Path) -> None:
    """Tamper with one file; an edit that changes nothing is a fault of the vectors."""
    path = spool / edit["file"]
    if edit.get("remove"):
        path.unlink()
        return
    content, offset = path.read_bytes(), edit["offset"]
    changed = content[:offset] + bytes.fromhex(edit["insert"]) + content[offset + edit["delete"] :]
    assert changed != content
    path.write_bytes(changed)
