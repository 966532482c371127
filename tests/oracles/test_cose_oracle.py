"""The oracle itself: it accepts a COSE_Sign1 made by hand, and refuses one with a changed byte or another key."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORACLE = Path(__file__).parent / "cose_oracle.py"
PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = PRIVATE_KEY.public_key().public_bytes_raw()

pytestmark = pytest.mark.oracle


def signed_by_hand(payload: bytes) -> bytes:
    """A COSE_Sign1 (RFC 9052, 4.2) from its definition, with no code of ours."""
    protected = cbor2.dumps({1: -8, 4: b"kid-of-1"})
    to_sign = cbor2.dumps(["Signature1", protected, b"", payload])
    return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, PRIVATE_KEY.sign(to_sign)]))


def ask(python: Path, public_key: bytes, entries: list[bytes]) -> list[dict[str, Any]]:
    """The oracle's results for some entries."""
    question = json.dumps({"public_key": public_key.hex(), "entries": [entry.hex() for entry in entries]})
    command = [str(python), "-I", str(ORACLE)]
    done = subprocess.run(command, input=question, capture_output=True, text=True, check=True, timeout=60)
    results: list[dict[str, Any]] = json.loads(done.stdout)["results"]
    return results


def test_both_oracles_accept_a_signature_and_return_its_payload(oracle_python: Path) -> None:
    payload = b"the room was recorded"
    (result,) = ask(oracle_python, PUBLIC_KEY, [signed_by_hand(payload)])
    assert result == {name: {"valid": True, "payload": payload.hex()} for name in ("pycose", "cwt")}


def test_both_oracles_refuse_a_changed_byte_and_go_on_to_the_next_entry(oracle_python: Path) -> None:
    good = signed_by_hand(b"the room was recorded")
    changed = good.replace(b"recorded", b"Recorded")
    results = ask(oracle_python, PUBLIC_KEY, [changed, good])
    assert [{name: answer["valid"] for name, answer in result.items()} for result in results] == [
        {"pycose": False, "cwt": False},
        {"pycose": True, "cwt": True},
    ]


def test_both_oracles_refuse_another_key(oracle_python: Path) -> None:
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    (result,) = ask(oracle_python, stranger, [signed_by_hand(b"the room was recorded")])
    assert not result["pycose"]["valid"]
    assert not result["cwt"]["valid"]


def test_the_oracle_says_when_it_cannot_read_the_question(oracle_python: Path) -> None:
    done = subprocess.run([oracle_python, "-I", ORACLE], input="{}", capture_output=True, text=True, check=False)
    assert (done.returncode, "cannot be read" in done.stderr) == (2, True)
