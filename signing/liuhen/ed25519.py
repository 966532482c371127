"""Ed25519 (RFC 8032) verified strictly: one signature has one encoding and one key (FORMAT.md 3.2).

Stricter than RFC 8032 asks: canonical A and R, S < L, no A of small order, the cofactorless equation (which OpenSSL
computes). Without this two verifiers may disagree about the same bytes, and a court would hear both.
"""

from __future__ import annotations

from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from liuhen.errors import FormatError

PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
FIELD_PRIME = 2**255 - 19
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
_SIGN_BIT = 1 << 255
_CURVE_D = -121665 * pow(121666, -1, FIELD_PRIME) % FIELD_PRIME

# y coordinates of the eight points of small order (orders 1, 2, 4, 4, 8, 8, 8, 8).
_SMALL_ORDER_Y = frozenset(
    {
        0,
        1,
        FIELD_PRIME - 1,
        int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
        int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
    }
)


def check_public_key(public_key: bytes, *, where: str) -> None:
    """Refuse a key that is not 32 canonical bytes of a point of large order. Raises FormatError."""
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise FormatError(where, "public key is not 32 bytes")
    y_coordinate = int.from_bytes(public_key, "little") & (_SIGN_BIT - 1)
    if y_coordinate >= FIELD_PRIME:
        raise FormatError(where, "public key is not canonical")
    if y_coordinate in _SMALL_ORDER_Y:
        raise FormatError(where, "public key is of small order")
    if not _is_on_curve(y_coordinate):
        raise FormatError(where, "public key is not a point of the curve")


def verify(public_key: bytes, signature: bytes, message: bytes, *, where: str) -> None:
    """Verify one signature strictly; returns nothing, raises FormatError with the rule that failed."""
    check_public_key(public_key, where=where)
    if len(signature) != SIGNATURE_BYTES:
        raise FormatError(where, "signature is not 64 bytes")
    if int.from_bytes(signature[32:], "little") >= GROUP_ORDER:
        raise FormatError(where, "signature S is not below the group order")
    r_encoded = int.from_bytes(signature[:32], "little")
    r_y = r_encoded & (_SIGN_BIT - 1)
    if r_y >= FIELD_PRIME or (r_encoded & _SIGN_BIT and r_y in (1, FIELD_PRIME - 1)):
        raise FormatError(where, "signature R is not canonical")
    try:
        _loaded(public_key).verify(signature, message)
    except InvalidSignature:
        raise FormatError(where, "signature does not verify") from None


@lru_cache(maxsize=64)
def _is_on_curve(y_coordinate: int) -> bool:
    """Whether x^2 = (y^2 - 1) / (d y^2 + 1) has a root (RFC 8032, 5.1.3), by Euler's criterion.

    The library takes any 32 bytes as a key and only fails to verify under them.
    """
    square = y_coordinate * y_coordinate
    ratio = (square - 1) * (_CURVE_D * square + 1)
    return pow(ratio, (FIELD_PRIME - 1) // 2, FIELD_PRIME) != FIELD_PRIME - 1


@lru_cache(maxsize=64)
def _loaded(public_key: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(public_key)
