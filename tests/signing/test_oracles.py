"""Implementations that are not ours agree with liuhen: pycose and cwt on envelopes, OpenSSL on signatures."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from liuhen import cbor, cose
from tests.required import unavailable
from tests.signing import samples
from tests.signing.generate_vectors import VECTORS

COSE_ORACLE = Path(__file__).resolve().parents[1] / "oracles" / "cose_oracle.py"
SIGN_ORACLE = Path(__file__).with_name("sign_oracle.py")
TIMEOUT_SECONDS = 60

pytestmark = pytest.mark.oracle


def stored_entries() -> list[bytes]:
    """One entry of every kind."""
    document = json.loads((VECTORS / "entries.json").read_bytes())
    return [bytes.fromhex(case["hex"]) for case in document["entries"]]


def changed(encoded: bytes, position: int) -> bytes:
    """The bytes with one bit changed."""
    return encoded[:position] + bytes([encoded[position] ^ 1]) + encoded[position + 1 :]


def answer(python: Path, oracle: Path, question: dict[str, Any]) -> Any:
    """What an oracle says."""
    command = [str(python), "-I", str(oracle)]
    done = subprocess.run(
        command, input=json.dumps(question), capture_output=True, text=True, check=True, timeout=TIMEOUT_SECONDS
    )
    return json.loads(done.stdout)


def verdicts(python: Path, entries: list[bytes]) -> list[dict[str, Any]]:
    """What pycose and cwt say of entries by the device key."""
    question = {"public_key": samples.DEVICE.public_key.hex(), "entries": [encoded.hex() for encoded in entries]}
    results: list[dict[str, Any]] = answer(python, COSE_ORACLE, question)["results"]
    return results


def test_pycose_and_cwt_accept_an_entry_of_every_kind(oracle_python: Path) -> None:
    entries = stored_entries()
    expected = [{"valid": True, "payload": cose.parse(encoded, where="test").payload.hex()} for encoded in entries]
    assert verdicts(oracle_python, entries) == [{"pycose": verdict, "cwt": verdict} for verdict in expected]


def test_pycose_and_cwt_refuse_one_changed_bit_of_payload_and_of_signature(oracle_python: Path) -> None:
    entries = [
        changed(encoded, position)
        for encoded in stored_entries()
        for position in (encoded.index(samples.LOG_ID), len(encoded) - 64, len(encoded) - 1)
    ]
    results = verdicts(oracle_python, entries)
    assert len(results) == len(entries)
    assert not any(verdict["valid"] for result in results for verdict in result.values())


def test_pycose_and_cwt_sign_the_very_same_bytes(oracle_python: Path) -> None:
    entries = stored_entries()
    envelopes = [cose.parse(encoded, where="test") for encoded in entries]
    question = {
        "seed": samples.seed("device").hex(),
        "public_key": samples.DEVICE.public_key.hex(),
        "kid": cose.key_id(samples.DEVICE.public_key).hex(),
        "questions": [{"content_type": e.content_type, "payload": e.payload.hex()} for e in envelopes],
    }
    signed = answer(oracle_python, SIGN_ORACLE, question)
    assert signed == [{"pycose": encoded.hex(), "cwt": encoded.hex()} for encoded in entries]


# --- OpenSSL ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def openssl() -> str:
    """The openssl command, which knows nothing of COSE."""
    command = shutil.which("openssl")
    if command is None:
        unavailable("the openssl command")
    return command


def openssl_accepts(openssl: str, folder: Path, *, message: bytes, signature: bytes) -> bool:
    """What `openssl pkeyutl -verify` says of a raw signature by the device key."""
    public_key = Ed25519PublicKey.from_public_bytes(samples.DEVICE.public_key)
    files = {
        "key.pem": public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "message": message,
        "signature": signature,
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    command = [openssl, "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "key.pem", "-in", "message", "-sigfile"]
    done = subprocess.run(
        [*command, "signature"], cwd=folder, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
    )
    assert "Signature Verified Successfully" in done.stdout or "Signature Verification Failure" in done.stdout
    return done.returncode == 0


def sig_structure(encoded: bytes) -> bytes:
    """What the signature of an envelope covers, built here from RFC 9052, 4.4."""
    envelope = cose.parse(encoded, where="test")
    return cbor.encode(("Signature1", envelope.protected, b"", envelope.payload))


def test_openssl_accepts_the_signature_over_the_sig_structure_of_every_kind(openssl: str, tmp_path: Path) -> None:
    for encoded in stored_entries():
        assert openssl_accepts(openssl, tmp_path, message=sig_structure(encoded), signature=encoded[-64:])


def test_openssl_refuses_one_changed_bit_of_message_and_of_signature(openssl: str, tmp_path: Path) -> None:
    encoded = stored_entries()[0]
    message, signature = sig_structure(encoded), encoded[-64:]
    for position in (0, len(message) - 1):
        assert not openssl_accepts(openssl, tmp_path, message=changed(message, position), signature=signature)
    for position in (0, 63):
        assert not openssl_accepts(openssl, tmp_path, message=message, signature=changed(signature, position))
    assert openssl_accepts(openssl, tmp_path, message=message, signature=signature)
