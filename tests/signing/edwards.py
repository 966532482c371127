"""Edwards25519 in plain integers (RFC 8032, 5.1), slow and not constant-time: makes the signatures nobody should make.

Pure. The vectors need points of small order, keys of mixed order and encodings that no library will write.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
_ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


@dataclass(frozen=True, slots=True)
class Point:
    """A point in affine coordinates."""

    x: int
    y: int

    def __add__(self, other: Point) -> Point:
        product = D * self.x * other.x * self.y * other.y % P
        x = (self.x * other.y + self.y * other.x) * pow(1 + product, -1, P) % P
        y = (self.y * other.y + self.x * other.x) * pow(1 - product, -1, P) % P
        return Point(x, y)

    def __neg__(self) -> Point:
        return Point(-self.x % P, self.y)

    def __rmul__(self, scalar: int) -> Point:
        total, addend = NEUTRAL, self
        while scalar:
            if scalar & 1:
                total += addend
            addend, scalar = addend + addend, scalar >> 1
        return total

    def encode(self) -> bytes:
        """The canonical 32 bytes."""
        return encode_raw(self.y, self.x & 1)


def encode_raw(y: int, sign: int) -> bytes:
    """32 bytes of any y below 2^255 and any sign bit, whether or not they name a point."""
    return (y | sign << 255).to_bytes(32, "little")


def recover_x(y: int, sign: int) -> int | None:
    """The x coordinate of a y coordinate (RFC 8032, 5.1.3), or None where there is no point."""
    ratio = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(ratio, (P + 3) // 8, P)
    if x * x % P != ratio:
        x = x * _ROOT_OF_MINUS_ONE % P
    if x * x % P != ratio:
        return None
    return x if x & 1 == sign else -x % P


def point_of(y: int, sign: int = 0) -> Point:
    """The point with this y coordinate. Raises ValueError where there is none."""
    x = recover_x(y % P, sign)
    if x is None:
        raise ValueError("not on the curve")
    return Point(x, y % P)


NEUTRAL = Point(0, 1)
BASE = point_of(4 * pow(5, -1, P) % P)


def small_order_points() -> list[Point]:
    """The eight points whose order divides 8: the multiples of a point of order 8."""
    y = 2
    while True:
        if recover_x(y, 0) is not None:
            generator = L * point_of(y)
            if 4 * generator != NEUTRAL:
                return [multiple * generator for multiple in range(8)]
        y += 1


def challenge(r_encoded: bytes, a_encoded: bytes, message: bytes) -> int:
    """k = SHA-512(R ‖ A ‖ M) modulo L, as OpenSSL computes it; with a key of mixed order it matters."""
    return int.from_bytes(hashlib.sha512(r_encoded + a_encoded + message).digest(), "little") % L


def secret_scalar(seed: bytes) -> int:
    """The clamped secret scalar of a seed (RFC 8032, 5.1.5)."""
    raw = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little")
    return raw & ((1 << 254) - 8) | 1 << 254


def holds_without_cofactor(a: Point, a_encoded: bytes, message: bytes, signature: bytes, r: Point) -> bool:
    """[S]B = R + [k]A, the equation of FORMAT.md 3.2."""
    k = challenge(signature[:32], a_encoded, message)
    return int.from_bytes(signature[32:], "little") * BASE == r + k * a


def holds_with_cofactor(a: Point, a_encoded: bytes, message: bytes, signature: bytes, r: Point) -> bool:
    """[8][S]B = [8]R + [8][k]A, which other verifiers accept."""
    k = challenge(signature[:32], a_encoded, message)
    return 8 * int.from_bytes(signature[32:], "little") * BASE == 8 * r + 8 * k * a
