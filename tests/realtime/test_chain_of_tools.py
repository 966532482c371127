"""What a stranger does with a real recording: `liuhen-verify` on the whole and on parts, and tools that are not ours.

The recordings are those of `test_twice`: two sessions on one spool.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cbor2
import pytest

from liuhen import cose
from tests.realtime.runs import Recording, verified, verifier
from tests.realtime.test_twice import journal_of
from tests.required import unavailable

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(420)]

COSE_ORACLE = Path(__file__).resolve().parents[1] / "oracles/cose_oracle.py"
PUBLIC_KEY_PREFIX = bytes.fromhex("302a300506032b6570032100")
"""What precedes the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410)."""
ENROLMENT_PUBLIC_KEY = 9
CUTS = 8
"""Random places at which a segment is cut."""


@pytest.fixture
def recording(two_recordings: tuple[Recording, Recording]) -> Recording:
    return two_recordings[1]


@pytest.fixture
def copied(recording: Recording, tmp_path: Path) -> Path:
    """A copy of the archive, to be damaged."""
    return Path(shutil.copytree(recording.spool, tmp_path / "archive"))


# -- the verifier ------------------------------------------------------------------------------------------------------


def test_a_whole_archive_verifies_and_the_report_says_demo_first(recording: Recording) -> None:
    code, report, _ = verifier(recording.spool, "--trust", recording.trust)
    assert code == 0
    assert report.startswith("演示")
    assert "校验通过" in report
    code, report, _ = verifier(recording.spool, "--trust", recording.trust, "--language", "en")
    assert (code, report.startswith("DEMO"), "VERIFIED" in report) == (0, True, True)


def test_one_session_and_one_bare_segment_verify_alone(recording: Recording, tmp_path: Path) -> None:
    bare = Path(shutil.copyfile(recording.segments[0], tmp_path / "bare.mp4"))
    for path in (recording.segments[0].parent, bare):
        code, answer = verified(path, "--trust", recording.trust)
        assert (code, answer["intact"], answer["vouched"] is not None) == (0, True, True)
        assert [session["id"] for session in answer["sessions"]] == [recording.session]
    assert answer["complete_up_to"]["basis"] == "seals"


def test_without_a_trust_file_the_bytes_are_intact_and_nobody_vouches(recording: Recording) -> None:
    code, answer = verified(recording.spool, "--integrity-only")
    assert (code, answer["intact"], answer["vouched"]) == (0, True, None)
    code, answer = verified(recording.spool)
    assert (code, answer["intact"], answer["vouched"]) == (1, True, None)


def test_a_segment_cut_at_any_byte_verifies_up_to_its_last_whole_seal(recording: Recording, tmp_path: Path) -> None:
    content = recording.segments[0].read_bytes()
    chance = random.Random(20_261_121)  # noqa: S311 -- places to cut at, not secrets
    counted = []
    for size in sorted(chance.sample(range(8, len(content)), CUTS)):
        cut = tmp_path / f"{size}.mp4"
        cut.write_bytes(content[:size])
        _, answer = verified(cut, "--trust", recording.trust)
        prefix = answer["verdicts"]["authentic-prefix"]
        assert {name: count for name, count in answer["verdicts"].items() if count} in (
            {},
            {"authentic-prefix": prefix},
        )
        assert {finding["code"] for finding in answer["findings"]} & {"unfinished", "torn-tail"}
        counted.append(prefix)
    assert counted == sorted(counted)
    assert counted[-1] > counted[0]


def test_a_cut_segment_in_a_whole_archive_is_found(recording: Recording, copied: Path) -> None:
    segment = copied / recording.segments[0].relative_to(recording.spool)
    with segment.open("r+b") as file:
        file.truncate(segment.stat().st_size * 2 // 3)
    code, answer = verified(copied, "--trust", recording.trust)
    assert (code, answer["intact"], answer["vouched"] is not None) == (1, False, True)


def test_one_changed_bit_anywhere_in_the_media_is_found(recording: Recording, copied: Path) -> None:
    segment = copied / recording.segments[0].relative_to(recording.spool)
    content = bytearray(segment.read_bytes())
    chance = random.Random(8)  # noqa: S311 -- places to damage, not secrets
    for place in chance.sample(range(len(content)), 3):
        content[place] ^= 1
        segment.write_bytes(content)
        content[place] ^= 1
        code, answer = verified(copied, "--trust", recording.trust)
        assert (code, answer["intact"]) == (1, False), f"bit 0 of byte {place}"


def test_the_json_report_has_every_field_others_build_on(recording: Recording) -> None:
    _, answer = verified(recording.spool, "--trust", recording.trust, "--sha256")
    wanted = {"format", "intact", "vouched", "complete_up_to", "sessions", "findings", "unknown_kinds"}
    assert wanted <= set(answer)
    assert set(answer["vouched"]) == {"by", "trust_age_days"}
    assert {"entry", "time", "basis"} <= set(answer["complete_up_to"])
    for session in answer["sessions"]:
        assert {"id", "segments", "frames", "samples", "started", "ended", "gaps"} <= set(session)
    for finding in answer["findings"]:
        named = {"code", "severity", "step", "session", "segment", "fragment", "entry", "offset", "what_zh", "what_en"}
        assert named <= set(finding)


def test_what_cannot_be_verified_at_all_is_exit_code_2(recording: Recording, tmp_path: Path) -> None:
    film = tmp_path / "notes.txt"
    film.write_text("not a film")
    for arguments in ([tmp_path / "nowhere"], [film], [recording.spool, "--trust", film], [tmp_path]):
        code, report, complaint = verifier(*arguments)
        assert (code, report) == (2, "")
        assert complaint.count("\n") == 1


# -- tools that are not ours -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def public_key(two_recordings: tuple[Recording, Recording]) -> bytes:
    key: bytes = journal_of(two_recordings[0].spool)[0].fields[ENROLMENT_PUBLIC_KEY]
    return key


def entries_of(recording: Recording) -> list[bytes]:
    """The encoded entries of the real journal."""
    return [entry.encoded for entry in journal_of(recording.spool)]


@pytest.mark.oracle
def test_pycose_and_cwt_accept_every_entry_of_a_real_journal(
    recording: Recording, public_key: bytes, oracle_python: Path
) -> None:
    entries = entries_of(recording)
    results = ask_oracle(oracle_python, public_key, entries)
    payloads = [cose.parse(encoded, where="test").payload.hex() for encoded in entries]
    accepted = [{"valid": True, "payload": payload} for payload in payloads]
    assert results == [{"pycose": verdict, "cwt": verdict} for verdict in accepted]


@pytest.mark.oracle
def test_pycose_and_cwt_refuse_a_real_entry_with_one_changed_bit(
    recording: Recording, public_key: bytes, oracle_python: Path
) -> None:
    entry = entries_of(recording)[1]
    changed = entry[:-1] + bytes([entry[-1] ^ 1])
    (result,) = ask_oracle(oracle_python, public_key, [changed])
    assert (result["pycose"]["valid"], result["cwt"]["valid"]) == (False, False)


def ask_oracle(python: Path, public_key: bytes, entries: list[bytes]) -> list[dict[str, Any]]:
    """What pycose and cwt say."""
    question = json.dumps({"public_key": public_key.hex(), "entries": [entry.hex() for entry in entries]})
    command = [str(python), "-I", str(COSE_ORACLE)]
    done = subprocess.run(command, input=question, capture_output=True, text=True, check=True, timeout=60)
    results: list[dict[str, Any]] = json.loads(done.stdout)["results"]
    return results


@pytest.mark.oracle
def test_openssl_accepts_every_signature_of_a_real_journal_and_no_changed_one(
    recording: Recording, public_key: bytes, tmp_path: Path
) -> None:
    program = shutil.which("openssl")
    if program is None:
        unavailable("openssl (Debian: apt install openssl)")
    key, message, signature = (tmp_path / name for name in ("key.der", "message", "signature"))
    key.write_bytes(PUBLIC_KEY_PREFIX + public_key)
    command = [program, "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", str(key), "-rawin"]
    command += ["-in", str(message), "-sigfile", str(signature)]

    def accepts(signed: bytes, by: bytes) -> bool:
        message.write_bytes(signed)
        signature.write_bytes(by)
        return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0

    pairs = list(signed_bytes(entries_of(recording)))
    assert all(accepts(signed, by) for signed, by in pairs)
    assert not accepts(pairs[1][0] + b"\0", pairs[1][1])


def signed_bytes(entries: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The Sig_structure (RFC 9052, 4.4) and the signature of each entry, put together from FORMAT.md 3.1."""
    for encoded in entries:
        protected, _, payload, signature = cbor2.loads(encoded).value
        yield cbor2.dumps(["Signature1", protected, b"", payload]), signature
