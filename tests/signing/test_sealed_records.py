"""FORMAT.md 12.3: a record opens for its custodians alone, has one form, and no changed byte of it passes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

from liuhen import cbor, records, sealed_records
from liuhen.errors import FormatError
from liuhen.hashing import sha256
from tests.signing import samples
from tests.signing.generate_vectors import VECTORS
from tests.signing.vector_store import RECORD, custodian

ONE, TWO, STRANGER = custodian("one"), custodian("two"), custodian("stranger")


def public(private: X25519PrivateKey) -> bytes:
    return private.public_key().public_bytes_raw()


def opened(encoded: bytes, private: X25519PrivateKey) -> bytes | None:
    return sealed_records.opened(encoded, private, commitment=RECORD.commitment, where="test")


SEALED = sealed_records.seal(RECORD.to_bytes(), [public(ONE), public(TWO)])


@settings(deadline=None, max_examples=60)
@given(content=st.binary(max_size=2000), salt=st.binary(min_size=32, max_size=32), order=st.permutations([0, 1, 2]))
def test_every_custodian_opens_it_and_the_order_of_custodians_changes_nothing(
    content: bytes, salt: bytes, order: list[int]
) -> None:
    record = records.make(content, salt=salt)
    holders = [ONE, TWO, custodian("three")]
    encoded = sealed_records.seal(record.to_bytes(), [public(holders[i]) for i in order])
    assert encoded == sealed_records.seal(record.to_bytes(), [public(holder) for holder in holders])
    for holder in holders:
        found = sealed_records.opened(encoded, holder, commitment=record.commitment, where="test")
        assert found == record.to_bytes()
    assert sealed_records.opened(encoded, STRANGER, commitment=record.commitment, where="test") is None


@settings(deadline=None, max_examples=200)
@given(at=st.integers(0, len(SEALED) - 1), bit=st.integers(0, 7))
def test_no_changed_bit_opens(at: int, bit: int) -> None:
    changed = bytearray(SEALED)
    changed[at] ^= 1 << bit
    for holder in (ONE, TWO):
        try:
            found = opened(bytes(changed), holder)
        except FormatError:
            continue
        # Another's row is not this custodian's business; the object's own name holds the hash of all of it.
        assert found in (None, RECORD.to_bytes())
        assert found is None or _other_row(bytes(changed), holder)


def _other_row(changed: bytes, holder: X25519PrivateKey) -> bool:
    own = sealed_records.recipient_id(public(holder))
    before, after = sealed_records.parse(SEALED, where="test"), sealed_records.parse(changed, where="test")
    same = (before.ephemeral, before.nonce, before.ciphertext) == (after.ephemeral, after.nonce, after.ciphertext)
    return same and dict(before.recipients)[own] == dict(after.recipients).get(own)


def test_a_record_under_another_commitment_does_not_open() -> None:
    with pytest.raises(FormatError, match="cannot be decrypted"):
        sealed_records.opened(SEALED, ONE, commitment=sha256(b"another"), where="test")


def test_a_custodian_who_packs_another_record_is_found_out() -> None:
    """Whoever may encrypt can encrypt anything: what counts is the commitment in the chain."""
    other = records.make(b"something else", salt=bytes(32))
    derived = sealed_records.derive(other.to_bytes(), [public(ONE)])
    packed = sealed_records.seal(other.to_bytes(), [public(ONE)])
    sealed = sealed_records.parse(packed, where="test")
    cipher = ChaCha20Poly1305(derived.content_key)
    body = cipher.encrypt(sealed.nonce, other.to_bytes(), RECORD.commitment)
    forged = cbor.encode((1, sealed.ephemeral, sealed.recipients, sealed.nonce, body))
    with pytest.raises(FormatError, match="another record"):
        opened(forged, ONE)


def test_a_custodian_key_of_small_order_is_refused() -> None:
    with pytest.raises(FormatError, match="not usable"):
        sealed_records.seal(RECORD.to_bytes(), [bytes(32)])


@pytest.mark.parametrize("recipients", [[], [public(ONE)] * 2, [public(custodian(str(n))) for n in range(9)]])
def test_one_to_eight_different_custodians(recipients: list[bytes]) -> None:
    with pytest.raises(FormatError, match="different custodians"):
        sealed_records.seal(RECORD.to_bytes(), recipients)


@pytest.mark.parametrize(
    "parts",
    [
        (2, bytes(32), ((bytes(32), bytes(48)),), bytes(12), bytes(48)),
        (1, bytes(31), ((bytes(32), bytes(48)),), bytes(12), bytes(48)),
        (1, bytes(32), (), bytes(12), bytes(48)),
        (1, bytes(32), ((bytes(32), bytes(48)),) * 2, bytes(12), bytes(48)),
        (1, bytes(32), ((bytes(32), bytes(47)),), bytes(12), bytes(48)),
        (1, bytes(32), ((bytes(32), bytes(48)),), bytes(11), bytes(48)),
        (1, bytes(32), ((bytes(32), bytes(48)),), bytes(12)),
    ],
)
def test_what_is_no_encrypted_record_is_refused(parts: tuple[Any, ...]) -> None:
    with pytest.raises(FormatError):
        sealed_records.parse(cbor.encode(parts), where="test")


def test_what_is_too_large_is_not_even_decoded() -> None:
    with pytest.raises(FormatError, match="exceed the limit"):
        sealed_records.parse(bytes(sealed_records.SEALED_LIMIT_BYTES + 1), where="test")


# --- the vector, step by step ----------------------------------------------------------------------------------------


def _hkdf(secret: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    """RFC 5869 from HMAC alone, for one block."""

    def mac(key: bytes, message: bytes) -> bytes:
        made = hmac.HMAC(key, hashes.SHA256())
        made.update(message)
        return made.finalize()

    return mac(mac(salt, secret), info + b"\1")[:size]


def test_the_vector_follows_from_the_text() -> None:
    vector = json.loads((VECTORS / "store.json").read_bytes())["record"]
    file, publics = bytes.fromhex(vector["record_file"]), [bytes.fromhex(r["public_key"]) for r in vector["recipients"]]
    salt = b"".join(sorted(publics))
    assert vector["ephemeral_private_key"] == _hkdf(file, salt, b"liuhen record ephemeral v1", 32).hex()
    assert vector["content_key"] == _hkdf(file, salt, b"liuhen record key v1", 32).hex()
    assert vector["nonce"] == _hkdf(file, salt, b"liuhen record nonce v1", 12).hex()
    ephemeral = bytes.fromhex(vector["ephemeral_public_key"])
    for row in vector["recipients"]:
        shared, key = bytes.fromhex(row["shared_secret"]), bytes.fromhex(row["public_key"])
        assert row["wrapping_key"] == _hkdf(shared, ephemeral + key, b"liuhen record v1", 32).hex()
    encoded = bytes.fromhex(vector["content"])
    assert vector["key"].endswith(sha256(encoded).hex())
    for row in vector["recipients"]:
        holder = X25519PrivateKey.from_private_bytes(bytes.fromhex(row["private_key"]))
        commitment = bytes.fromhex(vector["commitment"])
        assert sealed_records.opened(encoded, holder, commitment=commitment, where="vector") == file
    assert samples.LOG_ID.hex() in vector["key"]
