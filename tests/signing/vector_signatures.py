"""The vectors of strict Ed25519 (FORMAT.md 3.2): a signature for each rule that only this rule refuses.

Pure. Where a lax verifier would accept, the vector is made so that it does: the equation with the cofactor holds, or
the equation holds with the point a lax decoder reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from tests.signing import samples
from tests.signing.edwards import (
    BASE,
    NEUTRAL,
    L,
    P,
    Point,
    challenge,
    encode_raw,
    point_of,
    recover_x,
    secret_scalar,
    small_order_points,
)
from tests.signing.jsonlines import Json

MESSAGE = b"liuhen"
KEY_LENGTH, SIGNATURE_LENGTH = "3.2.1 length", "3.1 length"
KEY_CANONICAL, KEY_POINT, KEY_ORDER = "3.2.1 canonical", "3.2.1 point", "3.2.2"
S_BOUND, R_CANONICAL, EQUATION = "3.2.3", "3.2.4", "3.2.5"


def document() -> Json:
    """The whole of ed25519.json."""
    return {
        "about": "FORMAT.md 3.2. rule: the rule that refuses the vector, null where it is accepted. "
        "private_seed is a published test seed and signs nothing else.",
        "private_seed": samples.seed("device").hex(),
        "small_order_y": sorted({encode_raw(point.y, 0).hex() for point in small_order_points()}),
        "vectors": list(_vectors()),
    }


def _vector(name: str, rule: str | None, public_key: bytes, signature: bytes, message: bytes = MESSAGE) -> Json:
    return {
        "name": name,
        "rule": rule,
        "public_key": public_key.hex(),
        "message": message.hex(),
        "signature": signature.hex(),
    }


def _vectors() -> Iterator[Json]:
    yield from _plain()
    yield from _keys()
    yield from _bounds()
    yield from _cofactor()


def _plain() -> Iterator[Json]:
    key, signature = samples.DEVICE.public_key, samples.DEVICE.sign(MESSAGE)
    yield _vector("valid", None, key, signature)
    yield _vector("valid, empty message", None, key, samples.DEVICE.sign(b""), b"")
    yield _vector("another message", EQUATION, key, signature, b"Liuhen")
    yield _vector("another key", EQUATION, samples.NEXT_DEVICE.public_key, signature)
    yield _vector("one bit of R changed", EQUATION, key, bytes([signature[0] ^ 1]) + signature[1:])
    yield _vector("one bit of S changed", EQUATION, key, signature[:32] + bytes([signature[32] ^ 1]) + signature[33:])
    yield _vector("signature of 63 bytes", SIGNATURE_LENGTH, key, signature[:-1])
    yield _vector("signature of 65 bytes", SIGNATURE_LENGTH, key, signature + b"\x00")
    yield _vector("key of 31 bytes", KEY_LENGTH, key[:-1], signature)
    yield _vector("key of 33 bytes", KEY_LENGTH, key + b"\x00", signature)


def _keys() -> Iterator[Json]:
    some_signature = samples.DEVICE.sign(MESSAGE)
    for sign in (0, 1):
        encoded = encode_raw(P + 1, sign)
        yield _vector(
            f"A = p + 1 (neutral), sign {sign}; the equation holds",
            KEY_CANONICAL,
            encoded,
            _for_order_8(NEUTRAL, encoded),
        )
    encoded = encode_raw(P + 3, 0)
    yield _vector("A = p + 3, a point of large order", KEY_CANONICAL, encoded, some_signature)
    yield _vector("A = 2^255 - 1", KEY_CANONICAL, encode_raw(2**255 - 1, 0), some_signature)
    off_curve = next(y for y in range(2, P) if recover_x(y, 0) is None)
    yield _vector(f"A has y = {off_curve}, on no point", KEY_POINT, encode_raw(off_curve, 0), some_signature)
    for number, point in enumerate(small_order_points()):
        encoded = point.encode()
        yield _vector(
            f"A of small order, point {number}; the equation holds", KEY_ORDER, encoded, _for_order_8(point, encoded)
        )
    for y in (1, P - 1):
        encoded = encode_raw(y, 1)
        yield _vector(
            f"A has x = 0 with the sign bit, y = {'1' if y == 1 else 'p - 1'}; the equation holds",
            KEY_ORDER,
            encoded,
            _for_order_8(Point(0, y), encoded),
        )


def _bounds() -> Iterator[Json]:
    key, signature = samples.DEVICE.public_key, samples.DEVICE.sign(MESSAGE)
    s = int.from_bytes(signature[32:], "little")
    yield _vector("S + L in place of S", S_BOUND, key, signature[:32] + _scalar(s + L))
    yield _vector("S = L", S_BOUND, key, signature[:32] + _scalar(L))
    yield _vector("S = 2^256 - 1", S_BOUND, key, signature[:32] + _scalar(2**256 - 1))
    yield _vector("S = L - 1, within the bound", EQUATION, key, signature[:32] + _scalar(L - 1))
    yield _vector("R neutral; the equation holds", None, key, _with_neutral_r(encode_raw(1, 0)))
    yield _vector("R = p + 1; holds for who reduces it", R_CANONICAL, key, _with_neutral_r(encode_raw(P + 1, 0)))
    yield _vector("R = p + 1, sign bit", R_CANONICAL, key, _with_neutral_r(encode_raw(P + 1, 1)))
    yield _vector("R has x = 0 with the sign bit, y = 1", R_CANONICAL, key, _with_neutral_r(encode_raw(1, 1)))
    yield _vector("R has x = 0 with the sign bit, y = p - 1", R_CANONICAL, key, _with_neutral_r(encode_raw(P - 1, 1)))


def _cofactor() -> Iterator[Json]:
    key, secret = samples.DEVICE.public_key, secret_scalar(samples.seed("device"))
    for number, torsion in enumerate(small_order_points()[1:], start=1):
        nonce = _nonce(f"R plus {number}")
        r_encoded = (nonce * BASE + torsion).encode()
        s = (nonce + challenge(r_encoded, key, MESSAGE) * secret) % L
        name = f"R with a component of small order, point {number}; holds with the cofactor only"
        yield _vector(name, EQUATION, key, r_encoded + _scalar(s))
    mixed = secret * BASE + small_order_points()[1]
    yield _mixed(mixed, secret, holds=False)
    yield _mixed(mixed, secret, holds=True)


def _mixed(key: Point, secret: int, *, holds: bool) -> Json:
    """A key of order 8 L: its small component vanishes from the equation only where k is a multiple of 8."""
    encoded = key.encode()
    attempt = 0
    while True:
        nonce = _nonce(f"mixed {attempt}")
        r_encoded = (nonce * BASE).encode()
        k = challenge(r_encoded, encoded, MESSAGE)
        if (k % 8 == 0) == holds:
            break
        attempt += 1
    signature = r_encoded + _scalar((nonce + k * secret) % L)
    if holds:
        return _vector("A of order 8 L, k a multiple of 8: the equation holds", None, encoded, signature)
    return _vector("A of order 8 L; holds with the cofactor only", EQUATION, encoded, signature)


def _for_order_8(key: Point, encoded: bytes) -> bytes:
    """A signature under a key whose order divides 8: anybody can make one, for any message."""
    attempt = 0
    while True:
        nonce, guess = _nonce(f"small order {attempt}"), attempt % 8
        r_encoded = (nonce * BASE + -(guess * key)).encode()
        if challenge(r_encoded, encoded, MESSAGE) % 8 == guess:
            return r_encoded + _scalar(nonce)
        attempt += 1


def _with_neutral_r(r_encoded: bytes) -> bytes:
    """A signature of the device key with nonce 0: R is the neutral point, in whatever encoding."""
    k = challenge(r_encoded, samples.DEVICE.public_key, MESSAGE)
    return r_encoded + _scalar(k * secret_scalar(samples.seed("device")) % L)


def _nonce(name: str) -> int:
    return int.from_bytes(hashlib.sha512(f"liuhen test nonce: {name}".encode()).digest(), "little") % L


def _scalar(value: int) -> bytes:
    return value.to_bytes(32, "little")


def point_from(encoded: bytes) -> Point:
    """The point a lax decoder reads: y reduced, the sign of x = 0 ignored."""
    number = int.from_bytes(encoded, "little")
    y, sign = number & (2**255 - 1), number >> 255
    return point_of(y, sign) if y % P not in (1, P - 1) else Point(0, y % P)
