"""Strict Ed25519 beyond the vectors: keys and signatures somebody might make, and the arithmetic behind the vectors."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from liuhen import ed25519
from liuhen.errors import FormatError
from tests.signing import edwards, samples
from tests.signing.edwards import BASE, NEUTRAL, L, P


@given(st.binary(max_size=100))
def test_what_a_key_signs_verifies_and_nothing_else_does(message: bytes) -> None:
    signature = samples.DEVICE.sign(message)
    ed25519.verify(samples.DEVICE.public_key, signature, message, where="test")
    with pytest.raises(FormatError, match="does not verify"):
        ed25519.verify(samples.DEVICE.public_key, signature, message + b"\x00", where="test")


@given(st.binary(min_size=32, max_size=32))
def test_a_key_is_refused_exactly_where_there_is_no_canonical_point_of_large_order(public_key: bytes) -> None:
    y = int.from_bytes(public_key, "little") & (2**255 - 1)
    sound = y < P and edwards.recover_x(y, 0) is not None and y not in {p.y for p in edwards.small_order_points()}
    try:
        ed25519.check_public_key(public_key, where="test")
    except FormatError:
        assert not sound
    else:
        assert sound


@given(st.binary(min_size=64, max_size=64))
def test_no_random_signature_is_accepted(signature: bytes) -> None:
    with pytest.raises(FormatError):
        ed25519.verify(samples.DEVICE.public_key, signature, b"message", where="test")


@settings(max_examples=10, deadline=None)  # the vectors' arithmetic is plain Python, slow under load
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=50))
def test_the_arithmetic_of_the_vectors_signs_as_the_library_does(seed: bytes, message: bytes) -> None:
    public_key = (edwards.secret_scalar(seed) * BASE).encode()
    prefix = hashlib.sha512(seed).digest()[32:]
    nonce = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % L
    r_encoded = (nonce * BASE).encode()
    s = (nonce + edwards.challenge(r_encoded, public_key, message) * edwards.secret_scalar(seed)) % L
    library = Ed25519PrivateKey.from_private_bytes(seed)
    assert public_key == library.public_key().public_bytes_raw()
    assert r_encoded + s.to_bytes(32, "little") == library.sign(message)


def test_the_eight_points_of_small_order_form_a_group() -> None:
    points = edwards.small_order_points()
    assert len(set(points)) == 8
    assert all(8 * point == NEUTRAL for point in points)
    assert {left + right for left in points for right in points} == set(points)
    assert L * BASE == NEUTRAL


def test_a_y_coordinate_without_a_point_has_none() -> None:
    assert edwards.recover_x(2, 0) is None
    with pytest.raises(ValueError, match="not on the curve"):
        edwards.point_of(2)
